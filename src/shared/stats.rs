//! Counters for INFO. Each thread that runs commands has a block of its own, written with
//! plain loads and stores; who asks sums them up.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::latency::{Latencies, Spread};

/// A client cannot make us remember more codes than this.
const ERROR_CODES_MAX: usize = 128;

/// A counter that one thread writes and others read.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// By the owning thread only: a lost update would be a wrong figure, nothing worse.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0
            .store(self.0.load(Ordering::Relaxed) + n, Ordering::Relaxed);
    }

    /// Takes back one that was added too early.
    pub fn take_back(&self) {
        let before = self.0.load(Ordering::Relaxed);
        self.0.store(before.saturating_sub(1), Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// What one command cost so far.
#[derive(Default)]
pub struct CommandCost {
    pub calls: Counter,
    pub microseconds: Counter,
    pub rejected: Counter,
    pub failed: Counter,
    latencies: OnceLock<Latencies>,
}

impl CommandCost {
    /// Notes how long each of so many calls took, for `latency-tracking`.
    #[inline]
    pub fn track(&self, microseconds: u64, calls: u64) {
        self.latencies
            .get_or_init(Latencies::default)
            .add(microseconds, calls);
    }

    fn reset(&self) {
        for counter in [
            &self.calls,
            &self.microseconds,
            &self.rejected,
            &self.failed,
        ] {
            counter.reset();
        }
        if let Some(latencies) = self.latencies.get() {
            latencies.reset();
        }
    }
}

/// One thread's counters.
#[repr(align(128))]
pub struct ThreadStats {
    pub commands: Counter,
    pub hits: Counter,
    pub misses: Counter,
    pub expired: Counter,
    /// To make room.
    pub evicted: Counter,
    /// Fields of hashes.
    pub expired_fields: Counter,
    pub net_input_bytes: Counter,
    pub net_output_bytes: Counter,
    /// Of sockets, that brought or took anything.
    pub reads: Counter,
    pub writes: Counter,
    pub error_replies: Counter,
    /// By command id.
    pub costs: Box<[CommandCost]>,
    /// Of a worker, on their way to it included: now, not so far. Others count them in.
    pub connections: AtomicUsize,
}

/// Counters that are too rare to be worth a block per thread.
#[derive(Default)]
pub struct RareStats {
    pub connections_received: AtomicU64,
    pub connections_rejected: AtomicU64,
    pub sync_full: AtomicU64,
    pub sync_partial_ok: AtomicU64,
    pub sync_partial_err: AtomicU64,
    pub repl_input_bytes: AtomicU64,
    pub repl_output_bytes: AtomicU64,
    pub migrate_cached_sockets: AtomicU64,
    pub total_forks: AtomicU64,
    pub latest_cut_us: AtomicU64,
    pub output_limit_disconnections: AtomicU64,
    pub query_limit_disconnections: AtomicU64,
    pub evicted_clients: AtomicU64,
    pub unexpected_errors: AtomicU64,
    /// In use when the server was ready, before any key.
    pub startup_memory_bytes: AtomicU64,
    pub peak_memory_bytes: AtomicU64,
    pub expire_cycle_us: AtomicU64,
    /// Cycles of the expiry task that ended because their time was over.
    pub expire_cycles_cut: AtomicU64,
    pub stale: Stale,
    /// On the way to the thread that frees them.
    pub lazyfree_pending_objects: AtomicU64,
    pub lazyfreed_objects: AtomicU64,
    /// Of values on that way; what whole tables take is not known.
    pub lazyfree_pending_bytes: AtomicU64,
    pub lazyfree_pending_tables: AtomicU64,
    pub acl_denied_auth: AtomicU64,
    /// Of RESTORE: what of them is not a plain string is verified in full.
    pub payloads_verified: AtomicU64,
    /// When it was last logged that a client speaks HTTP, in seconds since 1970.
    pub attack_logged_s: AtomicU64,
}

/// The part of the keys with an expiry that are due and still there: what each cycle of the
/// expiry task finds, the last twenty or so of them.
#[derive(Default)]
pub struct Stale(AtomicU64);

impl Stale {
    /// What one cycle weighs, as in Redis.
    const WEIGHT: f64 = 0.05;

    /// A cycle has found so many keys due of those that have an expiry.
    pub fn note(&self, due: u64, volatile: u64) {
        let part = due.min(volatile) as f64 / volatile.max(1) as f64;
        let mean = self.get() * (1.0 - Self::WEIGHT) + part * Self::WEIGHT;
        self.0.store(mean.to_bits(), Ordering::Relaxed);
    }

    /// From 0 to 1.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// What cron last sampled, per second.
#[derive(Default)]
pub struct Rates {
    pub ops: AtomicU64,
    pub input_bytes: AtomicU64,
    pub output_bytes: AtomicU64,
    pub repl_input_bytes: AtomicU64,
    pub repl_output_bytes: AtomicU64,
}

pub struct Stats {
    threads: Box<[ThreadStats]>,
    pub rare: RareStats,
    pub rates: Rates,
    /// Changes since the last successful save.
    pub dirty: AtomicU64,
    /// How often each error code was answered ("ERR", "WRONGTYPE", ...).
    errors: parking_lot::Mutex<std::collections::BTreeMap<String, u64>>,
}

impl Stats {
    /// One block per gate.
    pub fn new(threads: usize, commands: usize) -> Stats {
        Stats {
            threads: (0..threads).map(|_| ThreadStats::new(commands)).collect(),
            rare: RareStats::default(),
            rates: Rates::default(),
            dirty: AtomicU64::new(0),
            errors: parking_lot::Mutex::default(),
        }
    }

    #[inline]
    pub fn thread(&self, gate: usize) -> &ThreadStats {
        &self.threads[gate]
    }

    /// Of the workers, who come first, then of the others.
    pub fn threads(&self) -> &[ThreadStats] {
        &self.threads
    }

    pub fn sum(&self, counter: impl Fn(&ThreadStats) -> &Counter) -> u64 {
        self.threads
            .iter()
            .map(|thread| counter(thread).get())
            .sum()
    }

    /// A command's calls, microseconds, rejected and failed calls.
    pub fn cost(&self, command: usize) -> [u64; 4] {
        let mut sums = [0; 4];
        for cost in self
            .threads
            .iter()
            .filter_map(|thread| thread.costs.get(command))
        {
            let parts = [
                &cost.calls,
                &cost.microseconds,
                &cost.rejected,
                &cost.failed,
            ];
            sums.iter_mut()
                .zip(parts)
                .for_each(|(sum, part)| *sum += part.get());
        }
        sums
    }

    /// How a command's latencies are spread.
    pub fn latencies(&self, command: usize) -> Spread {
        let mut spread = Spread::default();
        let costs = self.threads.iter().filter_map(|t| t.costs.get(command));
        for latencies in costs.filter_map(|cost| cost.latencies.get()) {
            spread.add(latencies);
        }
        spread
    }

    /// Counts an error reply of a thread, also by the code in front of its text.
    pub fn count_error(&self, thread: &ThreadStats, message: &[u8]) {
        thread.error_replies.add(1);
        let code = message.split(|&byte| byte == b' ').next();
        let code = &*String::from_utf8_lossy(code.unwrap_or(message));
        let mut errors = self.errors.lock();
        if let Some(count) = errors.get_mut(code) {
            *count += 1;
        } else if errors.len() < ERROR_CODES_MAX {
            errors.insert(code.to_owned(), 1);
        }
    }

    pub fn errors(&self) -> Vec<(String, u64)> {
        self.errors
            .lock()
            .iter()
            .map(|(code, count)| (code.clone(), *count))
            .collect()
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&self) {
        for thread in &self.threads {
            thread.reset();
        }
        let rare = &self.rare;
        let counters = [
            &rare.connections_received,
            &rare.connections_rejected,
            &rare.sync_full,
            &rare.sync_partial_ok,
            &rare.sync_partial_err,
            &rare.repl_input_bytes,
            &rare.repl_output_bytes,
            &rare.total_forks,
            &rare.latest_cut_us,
            &rare.output_limit_disconnections,
            &rare.query_limit_disconnections,
            &rare.evicted_clients,
            &rare.unexpected_errors,
            &rare.expire_cycle_us,
            &rare.expire_cycles_cut,
            &rare.lazyfreed_objects,
            &rare.acl_denied_auth,
            &rare.payloads_verified,
        ];
        counters
            .iter()
            .for_each(|counter| counter.store(0, Ordering::Relaxed));
        rare.stale.reset();
        self.errors.lock().clear();
    }
}

impl ThreadStats {
    fn new(commands: usize) -> ThreadStats {
        ThreadStats {
            commands: Counter::default(),
            hits: Counter::default(),
            misses: Counter::default(),
            expired: Counter::default(),
            evicted: Counter::default(),
            expired_fields: Counter::default(),
            net_input_bytes: Counter::default(),
            net_output_bytes: Counter::default(),
            reads: Counter::default(),
            writes: Counter::default(),
            error_replies: Counter::default(),
            costs: (0..commands).map(|_| CommandCost::default()).collect(),
            connections: AtomicUsize::new(0),
        }
    }

    fn reset(&self) {
        let counters = [
            &self.commands,
            &self.hits,
            &self.misses,
            &self.expired,
            &self.evicted,
            &self.expired_fields,
            &self.net_input_bytes,
            &self.net_output_bytes,
            &self.reads,
            &self.writes,
            &self.error_replies,
        ];
        counters.iter().for_each(|counter| counter.reset());
        self.costs.iter().for_each(CommandCost::reset);
    }
}
