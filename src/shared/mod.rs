//! Passive facts that commands, tasks and connections share: one file a fact. Nothing here
//! acts by itself; tasks above watch these facts, and commands read or change them.

/// What clients take of memory.
pub mod client_memory;

/// Who is connected.
pub mod clients;

/// Who has to wait, and until when.
pub mod pause;

/// What followers tell of themselves by REPLCONF.
pub mod introduction;

/// When the log was how long.
pub mod moments;

/// Why followers were given everything.
pub mod full_syncs;

/// How far a follower has come.
pub mod progress;

/// The followers of this server.
pub mod followers;

/// Writes that wait for followers.
pub mod delay;

/// What one connection's commands run in.
pub mod session;

/// Clients that wait for keys.
pub mod parked;

/// Keys on their way to another server.
pub mod migration;

/// Channels and their subscribers.
pub mod pubsub;

/// Who has which keys cached.
pub mod tracking;

/// How the latencies of a command are spread.
pub mod latency;

/// Counters for INFO.
pub mod stats;

/// Slow commands, and large ones.
pub mod commandlog;

/// How long there was too much in memory, and who goes on making room.
pub mod eviction;

/// What took long, by kind of event.
pub mod spikes;

/// Leader or follower, and of whom.
pub mod role;

/// Times to live that a writable follower's own clients gave.
pub mod own_expiries;

/// Function libraries.
pub mod libraries;

/// Saves and loads: what runs and how the last one ended.
pub mod jobs;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::base::clock;
use crate::base::hash::KeyHasher;
use crate::base::rng::Rng;
use crate::config::{Config, EvictionPolicy, Param};
use crate::oplog::{History, Oplog, ReplId};
use crate::store::entry::Entry;
use crate::store::keyspace::{Keyspace, Tables};
use crate::store::locked::Locked;
use crate::store::usage::Lfu;

/// Everything that a command can reach.
pub struct Shared {
    pub config: Arc<Config>,
    pub keyspace: Keyspace,
    pub oplog: Oplog,
    pub history: Mutex<History>,
    pub clients: clients::Clients,
    pub parked: parked::Parking,
    pub pubsub: pubsub::PubSub,
    pub tracking: tracking::Tracking,
    pub stats: stats::Stats,
    pub commandlog: commandlog::CommandLog,
    pub eviction: eviction::Eviction,
    pub spikes: spikes::Spikes,
    pub role: role::Role,
    pub own_expiries: own_expiries::OwnExpiries,
    /// Part of the data: changed while everything is locked.
    pub libraries: Mutex<libraries::Libraries>,
    pub followers: followers::Followers,
    pub jobs: jobs::Jobs,
    pub pause: pause::Pause,
    pub delay: delay::Delay,
    /// For a MIGRATE that cannot let go of its locks. Without one it fails.
    pub courier: OnceLock<migration::Courier>,
    /// To the thread that frees what is old (`free_elsewhere`).
    garbage: Sender<Garbage>,
    pub run_id: String,
    /// Start of this process.
    pub started_ms: i64,
}

/// How large the shared structures are made.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Shards of the keyspace: a power of two up to 65536.
    pub shards: usize,
    /// Threads that lock the keyspace, each behind a gate of its own.
    pub gates: usize,
    /// Commands and subcommands to count (`Registry::len`).
    pub commands: usize,
}

impl Shared {
    /// Tells who tracks keys that databases were replaced, where no commit does it. Everything
    /// is locked.
    pub fn tell_replaced(&self, locked: &mut Locked) {
        let is_news = std::mem::take(&mut locked.effects().flushed);
        // Keys stay noted when the last who tracked has left.
        if is_news && (self.tracking.is_active() || self.tracking.key_count() > 0) {
            self.tracking.tell_flushed(&self.clients);
        }
    }

    /// Notes when the log ended where it ends now, for what is told of followers' lags.
    pub fn note_moment(&self) {
        let end_offset = self.oplog.end_offset();
        self.followers.moments.note(clock::unix_ms(), end_offset);
    }

    /// Everything before the first client: no keys, a log without backlog, a leader with
    /// fresh ids. What the clients leave to be freed comes out of the receiver.
    pub fn new(
        config: Arc<Config>,
        hasher: KeyHasher,
        size: Size,
        started_ms: i64,
    ) -> (Shared, Receiver<Garbage>) {
        let databases = config.get_int(Param::Databases).max(1) as usize;
        let backlog_bytes = config.get_bytes(Param::ReplBacklogSize);
        let mut rng = Rng::from_entropy();
        let (garbage, freed) = channel();
        let shared = Shared {
            keyspace: Keyspace::new(databases, size.shards, size.gates, hasher),
            oplog: Oplog::new(backlog_bytes),
            history: Mutex::new(History::new(ReplId::from_hex(rng.hex_id()))),
            clients: clients::Clients::default(),
            parked: parked::Parking::default(),
            pubsub: pubsub::PubSub::new(hasher),
            tracking: tracking::Tracking::new(hasher),
            stats: stats::Stats::new(size.gates, size.commands),
            commandlog: commandlog::CommandLog::default(),
            eviction: eviction::Eviction::default(),
            spikes: spikes::Spikes::default(),
            role: role::Role::default(),
            own_expiries: own_expiries::OwnExpiries::default(),
            libraries: Mutex::default(),
            followers: followers::Followers::default(),
            jobs: jobs::Jobs::default(),
            pause: pause::Pause::default(),
            delay: delay::Delay::default(),
            courier: OnceLock::new(),
            garbage,
            run_id: String::from_utf8_lossy(&rng.hex_id()).into_owned(),
            started_ms,
            config,
        };
        (shared, freed)
    }
}

impl Shared {
    /// When the dataset was last saved; as long as it never was, when the server started.
    pub fn last_save_unix_s(&self) -> i64 {
        match self.jobs.saves.last_save_unix_s.load(Ordering::Relaxed) {
            0 => self.started_ms / 1000,
            unix_s => unix_s,
        }
    }
}

impl Shared {
    /// What makes room when `maxmemory` is reached.
    #[inline]
    pub fn eviction_policy(&self) -> EvictionPolicy {
        self.config.choice(Param::MaxMemoryPolicy)
    }

    /// How uses are counted, under a policy that does.
    #[inline]
    pub fn lfu(&self) -> Option<Lfu> {
        let counted = |param| self.config.get_int(param).clamp(0, i64::from(u32::MAX)) as u32;
        self.eviction_policy().is_lfu().then(|| Lfu {
            log_factor: counted(Param::LfuLogFactor),
            decay_minutes: counted(Param::LfuDecayTime),
        })
    }

    /// The memory of the write log: what the backlog may take of it, and what is kept beyond
    /// that for followers that lag behind. What they need of the log is all that they take
    /// memory for.
    pub fn log_bytes(&self) -> (u64, u64) {
        let log = self.oplog.stats();
        let size_bytes = log.backlog.map_or(0, |_| log.backlog_size_bytes);
        let backlog = log.memory_bytes.min(size_bytes);
        (backlog, log.memory_bytes - backlog)
    }

    /// How many bytes are on their way to be freed; `None` if whole databases are.
    pub fn freed_soon(&self) -> Option<u64> {
        let rare = &self.stats.rare;
        match rare.lazyfree_pending_tables.load(Ordering::Relaxed) {
            0 => Some(rare.lazyfree_pending_bytes.load(Ordering::Relaxed)),
            _ => None,
        }
    }

    /// Hands what nobody can reach any more to the thread that frees it.
    pub fn free_elsewhere(&self, garbage: Garbage) {
        for (pending, more) in self.pending().into_iter().zip(garbage.measures()) {
            pending.fetch_add(more, Ordering::Relaxed);
        }
        // If nobody takes it any more the server is ending, and it ends here.
        let _ = self.garbage.send(garbage);
    }

    /// Frees it, on that thread.
    pub fn free(&self, garbage: Garbage) {
        let measures = garbage.measures();
        // A snapshot may still walk old tables: then it is the one that frees them.
        drop(garbage);
        for (pending, less) in self.pending().into_iter().zip(measures) {
            pending.fetch_sub(less, Ordering::Relaxed);
        }
        let [objects, ..] = measures;
        let freed = &self.stats.rare.lazyfreed_objects;
        freed.fetch_add(objects, Ordering::Relaxed);
    }

    /// What is on its way to be freed, in the measures of `Garbage`.
    fn pending(&self) -> [&AtomicU64; 3] {
        let rare = &self.stats.rare;
        [
            &rare.lazyfree_pending_objects,
            &rare.lazyfree_pending_bytes,
            &rare.lazyfree_pending_tables,
        ]
    }
}

#[cfg(test)]
impl Shared {
    /// An empty server's, with all parameters as they are at first.
    pub fn for_test(gates: usize, commands: usize) -> Shared {
        let size = Size {
            shards: 16,
            gates,
            commands,
        };
        let config = Arc::new(Config::new());
        let hasher = KeyHasher::seeded(1);
        let (shared, _) = Shared::new(config, hasher, size, 0);
        shared
    }
}

/// What is freed off the threads that serve clients.
pub enum Garbage {
    Tables(Arc<Tables>),
    Entries(Vec<Entry>),
}

impl Garbage {
    /// How many keys' values it is made of; the bytes of single ones; how many tables.
    fn measures(&self) -> [u64; 3] {
        match self {
            Garbage::Tables(tables) => [tables.len(), 0, 1],
            Garbage::Entries(entries) => {
                let bytes: usize = entries.iter().map(Entry::heap_bytes).sum();
                [entries.len() as u64, bytes as u64, 0]
            }
        }
    }
}
