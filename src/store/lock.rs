//! The two kinds of locks around the keyspace, and the line in front of them.
//!
//! Data of a shard may be touched by who holds that shard's lock *and* its own gate, or by
//! who holds every gate. So a group of commands pays for one gate and a few shards, and
//! "everything" pays for the number of threads, whatever the number of shards.
//!
//! Nobody sleeps on these locks. A thread spins for a short while; then it lets go of
//! all it holds and its work waits in the line (`Line`), from which who unlocks wakes it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long a thread spins for a shard before it lets go: a few times what a group of commands
/// takes. Who holds one for longer has mostly lost its core to another process, and gets it
/// back no sooner for being waited for.
pub const SHARD_SPIN_MAX: Duration = Duration::from_micros(5);

/// The same, for a gate. There are few of them, and who wants them all would seldom find each
/// free at once.
pub const GATE_SPIN_MAX: Duration = Duration::from_micros(50);

/// What could not be had in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contended;

/// Who holds a lock: a thread's gate, counted from 1.
pub type Owner = u32;

/// A lock that knows its owner; 0 while it is free.
#[derive(Default)]
pub struct SpinLock(AtomicU32);

impl SpinLock {
    #[inline]
    pub fn try_lock(&self, owner: Owner) -> bool {
        let taken = self
            .0
            .compare_exchange(0, owner, Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok()
    }

    /// Takes the lock, unless `spin_max` goes by first.
    #[inline]
    pub fn lock(&self, owner: Owner, spin_max: Duration) -> Result<(), Contended> {
        match self.try_lock(owner) {
            true => Ok(()),
            false => self.spin(owner, spin_max),
        }
    }

    #[cold]
    fn spin(&self, owner: Owner, spin_max: Duration) -> Result<(), Contended> {
        spin_until(spin_max, || {
            self.0.load(Ordering::Relaxed) == 0 && self.try_lock(owner)
        })
    }

    /// Whether this thread holds it. Nobody else writes that number here.
    #[inline]
    pub fn is_held_by(&self, owner: Owner) -> bool {
        self.0.load(Ordering::Relaxed) == owner
    }

    #[inline]
    pub fn unlock(&self) {
        self.0.store(0, Ordering::Release);
    }
}

/// Tries until it succeeds or `spin_max` has gone by.
pub fn spin_until(spin_max: Duration, mut attempt: impl FnMut() -> bool) -> Result<(), Contended> {
    let mut started = None;
    loop {
        for _ in 0..64 {
            if attempt() {
                return Ok(());
            }
            std::hint::spin_loop();
        }
        if started.get_or_insert_with(Instant::now).elapsed() > spin_max {
            return Err(Contended);
        }
    }
}

/// A thread's gate, on a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
pub struct Gate(pub SpinLock);

/// Those who gave up spinning, woken in order by who unlocks.
#[derive(Default)]
pub struct Line {
    waiting: AtomicUsize,
    wakers: Mutex<VecDeque<Waker>>,
}

impl Line {
    /// Joins the line. The caller tries the locks once more afterwards: an unlock that came
    /// before it joined wakes nobody.
    pub fn join(&self, waker: &Waker) {
        let mut wakers = self.wakers.lock();
        wakers.push_back(waker.clone());
        self.waiting.store(wakers.len(), Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Called after an unlock. Wakes everybody: who still finds its locks taken joins again,
    /// and a lock that is held for so long that a line forms is held by one at a time.
    #[inline]
    pub fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) != 0 {
            self.wake_all();
        }
    }

    #[cold]
    fn wake_all(&self) {
        let woken = {
            let mut wakers = self.wakers.lock();
            self.waiting.store(0, Ordering::SeqCst);
            std::mem::take(&mut *wakers)
        };
        woken.into_iter().for_each(Waker::wake);
    }
}
