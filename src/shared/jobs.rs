//! Saves and loads: what runs now and how the last one ended.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock, RwLockWriteGuard};
use tokio::sync::Notify;

/// How far a load has come.
#[derive(Default)]
pub struct Loading {
    active: AtomicBool,
    /// A load beside the data that is served meanwhile.
    pub is_aside: AtomicBool,
    pub started_ms: AtomicI64,
    pub total_bytes: AtomicU64,
    pub loaded_bytes: AtomicU64,
    /// What the server used that wrote the file, as far as the file says.
    pub writer_used_bytes: AtomicU64,
    pub last_keys_loaded: AtomicU64,
    pub last_keys_expired: AtomicU64,
}

impl Loading {
    #[inline]
    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    pub fn begin(&self, now_ms: i64, total_bytes: u64) {
        self.started_ms.store(now_ms, Ordering::Relaxed);
        self.total_bytes.store(total_bytes, Ordering::Relaxed);
        self.loaded_bytes.store(0, Ordering::Relaxed);
        self.writer_used_bytes.store(0, Ordering::Relaxed);
        self.active.store(true, Ordering::Release);
    }

    pub fn end(&self) {
        self.active.store(false, Ordering::Release);
    }
}

/// What there is to say of saves.
#[derive(Default)]
pub struct Saves {
    running: AtomicBool,
    /// Asks the running save to stop; that is no failure.
    pub cancel: AtomicBool,
    /// Whether no save may replace the file; locked while one does.
    held: Mutex<bool>,
    /// BGSAVE in a transaction asked for one, which begins when that is over.
    pub scheduled: AtomicBool,
    last_failed: AtomicBool,
    pub last_save_unix_s: AtomicI64,
    pub last_try_unix_s: AtomicI64,
    /// How long the last one took, -1 before the first.
    pub last_seconds: AtomicI64,
    pub started_ms: AtomicI64,
    pub keys_total: AtomicU64,
    pub keys_done: AtomicU64,
    pub bytes_done: AtomicU64,
    /// Bytes that writers had to give first.
    pub given_bytes: AtomicU64,
    pub last_given_bytes: AtomicU64,
    pub count: AtomicU64,
    /// Woken when a save ends.
    pub ended: Notify,
    /// Woken when one is asked for.
    pub wanted: Notify,
    pub last_error: Mutex<String>,
}

impl Saves {
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// False if one runs already.
    pub fn begin(&self, now_ms: i64) -> bool {
        let begun = !self.running.swap(true, Ordering::AcqRel);
        if begun {
            self.cancel.store(false, Ordering::Relaxed);
            self.started_ms.store(now_ms, Ordering::Relaxed);
            self.last_try_unix_s.store(now_ms / 1000, Ordering::Relaxed);
            for counter in [
                &self.keys_total,
                &self.keys_done,
                &self.bytes_done,
                &self.given_bytes,
            ] {
                counter.store(0, Ordering::Relaxed);
            }
        }
        begun
    }

    /// Keeps the file as it is until `release`, whatever saves run or begin meanwhile.
    pub fn hold(&self) {
        let mut held = self.held.lock();
        *held = true;
        self.cancel_running();
    }

    /// The file may be replaced again, but not by a save that runs.
    pub fn release(&self) {
        let mut held = self.held.lock();
        *held = false;
        self.cancel_running();
    }

    fn cancel_running(&self) {
        if self.is_running() {
            self.cancel.store(true, Ordering::Relaxed);
        }
    }

    /// Puts a save in the place of the file, unless it is held or the save was cancelled.
    pub fn may_replace<R>(&self, replace: impl FnOnce() -> R) -> Option<R> {
        let held = self.held.lock();
        let may = !*held && !self.cancel.load(Ordering::Relaxed);
        may.then(replace)
    }

    pub fn end(&self, now_ms: i64, succeeded: bool) {
        self.last_failed.store(!succeeded, Ordering::Relaxed);
        if succeeded {
            self.last_save_unix_s
                .store(now_ms / 1000, Ordering::Relaxed);
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        self.end_cancelled(now_ms);
    }

    /// The running save came to nothing, but that is no reason to refuse writes: somebody
    /// wanted it so, or is told.
    pub fn end_cancelled(&self, now_ms: i64) {
        let took_ms = now_ms - self.started_ms.load(Ordering::Relaxed);
        self.last_seconds.store(took_ms / 1000, Ordering::Relaxed);
        let given = self.given_bytes.load(Ordering::Relaxed);
        self.last_given_bytes.store(given, Ordering::Relaxed);
        self.running.store(false, Ordering::Release);
        self.ended.notify_waiters();
    }

    #[inline]
    pub fn last_failed(&self) -> bool {
        self.last_failed.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
pub struct Jobs {
    pub loading: Loading,
    pub saves: Saves,
    /// SHUTDOWN waits for followers: 0 while it does not, else its deadline.
    pub shutdown_at_ms: AtomicI64,
    /// DEBUG SET-ACTIVE-EXPIRE 0.
    pub expiry_is_off: AtomicBool,
    /// DEBUG PAUSE-CRON.
    pub cron_is_paused: AtomicBool,
    /// DEBUG SET-SKIP-CHECKSUM-VALIDATION: of files and of RESTORE's payloads.
    pub checksums_are_skipped: AtomicBool,
    standstill: RwLock<()>,
    /// Held by the thread that follows a leader while it changes data, which is never refused;
    /// and by who needs the data to stay as it is for longer than it can lock the keyspace.
    /// Locked before that.
    pub following: Mutex<()>,
}

impl Jobs {
    /// DEBUG SLEEP: those who `keep_going` wait until the guard is dropped.
    pub fn stand_still(&self) -> RwLockWriteGuard<'_, ()> {
        self.standstill.write()
    }

    /// Asked now and then by threads that act without locking the keyspace, so that a
    /// server that stands still looks dead from outside. Never called under a lock.
    pub fn keep_going(&self) {
        drop(self.standstill.read());
    }
}
