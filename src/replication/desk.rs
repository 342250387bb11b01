//! What the tasks of the leader's thread share: they run one at a time on one thread.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{Notify, mpsc, oneshot};

use super::link::Target;
use super::relay::Pieces;
use super::rest::Hurry;
use super::roles;
use crate::base::clock;
use crate::config::Param;
use crate::exec::Engine;
use crate::oplog::{Audience, Reader, Records};
use crate::shared::Shared;
use crate::shared::followers::{Follower, FollowerPhase};
use crate::shared::introduction::FollowerFacts;
use crate::shared::pause::PausedFor;
use crate::store::locked::Locker;

/// What the follower's thread is asked to do.
pub enum RoleRequest {
    /// Follow this leader, or none; the reply is REPLICAOF's, an error without its dash.
    ReplicaOf {
        target: Option<Target>,
        requested_by: String,
        reply: oneshot::Sender<Result<String, String>>,
    },
    /// Our leader hands its role to us.
    TakeOver {
        requested_by: String,
        reply: oneshot::Sender<()>,
    },
    /// We hand ours to this follower and follow it. The verdict is whether it took it; if
    /// not, we lead again.
    HandOver {
        target: Target,
        verdict: oneshot::Sender<bool>,
    },
    /// Lead again after all. False if the follower leads by now.
    TakeBack {
        reply: oneshot::Sender<bool>,
    },
    Stop,
}

/// A follower that needs a snapshot.
pub struct Waiting {
    pub follower: Arc<Follower>,
    pub introduction: FollowerFacts,
    /// In log lines.
    pub name: String,
    /// It asked by SYNC: it is told neither history nor offset.
    pub by_sync: bool,
    pub since_us: u64,
    /// It cannot read what there is now.
    pub is_refused: bool,
    pub cut: oneshot::Sender<Cut>,
}

/// A snapshot as one follower gets it.
pub struct Cut {
    /// Goes out at once, in front of the pieces.
    pub greeting: Vec<u8>,
    pub pieces: Pieces,
    /// At the cut. None for who wants the snapshot only.
    pub reader: Option<Reader>,
    /// The stream waits for the follower to say that it is ready.
    pub starts_at_ack: bool,
    /// Empty lines may go out until the first piece: it is not there yet.
    pub keeps_alive: bool,
}

/// So many dropped followers are remembered.
const DROPPED_MAX: usize = 1000;

pub struct Desk {
    pub engine: Arc<Engine>,
    pub locker: RefCell<Locker>,
    pub waiting: RefCell<Vec<Waiting>>,
    /// Somebody waits.
    pub arrived: Notify,
    /// To the follower's thread.
    pub roles: mpsc::UnboundedSender<RoleRequest>,
    /// Followers, by their names, that were dropped for lagging beyond their limit and have
    /// not come again.
    pub dropped: RefCell<HashSet<String>>,
    /// Since when (`clock::monotonic_us`) nobody follows.
    pub alone_since_us: Cell<u64>,
    /// Called when somebody waits for what the links send.
    pub hurry: Hurry,
}

impl Desk {
    pub fn new(
        engine: Arc<Engine>,
        gate: usize,
        roles: mpsc::UnboundedSender<RoleRequest>,
    ) -> Desk {
        Desk {
            locker: RefCell::new(Locker::new(&engine.shared.keyspace, gate)),
            engine,
            waiting: RefCell::default(),
            arrived: Notify::new(),
            roles,
            dropped: RefCell::default(),
            alone_since_us: Cell::new(clock::monotonic_us()),
            hurry: Hurry::default(),
        }
    }

    /// Puts a command into the log that is of no meaning to the append-only file. Only a
    /// leader has anything to say there.
    pub fn say_to_followers(&self, args: &[&[u8]]) {
        let shared = &self.engine.shared;
        let mut locker = self.locker.borrow_mut();
        // Any lock keeps the role as it is.
        let locked = shared.keyspace.lock_shards(&mut locker, &[0]);
        if !shared.role.is_follower() {
            let mut records = Records::new();
            records.command(None, Audience::FollowersOnly, args);
            shared.oplog.append(&mut records, &[]);
        }
        drop(locked);
        shared.oplog.wake_readers();
        self.hurry.call();
    }

    /// Remembers that a follower was dropped for its lag: if it needs a full sync when it
    /// comes again, that is why.
    pub fn note_dropped(&self, name: &str) {
        let mut dropped = self.dropped.borrow_mut();
        if dropped.len() == DROPPED_MAX {
            dropped.clear();
        }
        dropped.insert(name.to_owned());
    }

    /// Holds writes back until `reason` ends. Returns the offset at which the log stands
    /// still from here on.
    pub fn pause_writes(&self, reason: PausedFor) -> u64 {
        let shared = &self.engine.shared;
        let mut locker = self.locker.borrow_mut();
        let _everything = shared.keyspace.lock_everything(&mut locker);
        shared.pause.begin(reason, i64::MAX, true, clock::unix_ms());
        shared.oplog.end_offset()
    }

    pub fn ensure_backlog(&self) {
        self.engine.shared.oplog.stock_up();
        roles::ensure_backlog(&self.engine.shared, &mut self.locker.borrow_mut());
    }

    /// Counts the followers that `min-replicas-to-write` asks for.
    pub fn count_good_followers(&self) {
        count_good_followers(&self.engine.shared);
    }
}

/// The same. What counts is what the configuration says now.
pub fn count_good_followers(shared: &Shared) {
    let lag_max_s = shared.config.get_int(Param::MinReplicasMaxLag);
    let now_ms = clock::unix_ms();
    let all = shared.followers.all();
    let is_good = |follower: &&Arc<Follower>| {
        follower.phase() == FollowerPhase::Online && follower.lag_seconds(now_ms) <= lag_max_s
    };
    let good = all.iter().filter(is_good).count();
    shared.followers.good.store(good, Ordering::Relaxed);
}
