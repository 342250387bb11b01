//! For how long there was more in memory than `maxmemory` allows, and the thread that goes on
//! making room when clients have done their share.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::thread::Thread;

#[derive(Default)]
pub struct Eviction {
    /// Since when there is too much, in unix microseconds; 0 while there is not.
    exceeded_since_us: AtomicI64,
    /// How long there was before.
    exceeded_us: AtomicU64,
    thread: OnceLock<Thread>,
}

impl Eviction {
    pub fn note_exceeded(&self, now_us: i64) {
        let since = &self.exceeded_since_us;
        // If others note it too, whoever is first is right.
        let _ = since.compare_exchange(0, now_us, Relaxed, Relaxed);
    }

    /// There is enough room. `now_us` is asked for only if there was not.
    #[inline]
    pub fn note_enough(&self, now_us: impl FnOnce() -> i64) {
        if self.exceeded_since_us.load(Relaxed) != 0 {
            let since_us = self.exceeded_since_us.swap(0, Relaxed);
            if since_us != 0 {
                let took_us = (now_us() - since_us).max(0).unsigned_abs();
                self.exceeded_us.fetch_add(took_us, Relaxed);
            }
        }
    }

    /// In microseconds: altogether, and since there is too much now.
    pub fn exceeded_us(&self, now_us: i64) -> (u64, u64) {
        let current_us = match self.exceeded_since_us.load(Relaxed) {
            0 => 0,
            since_us => (now_us - since_us).max(0).unsigned_abs(),
        };
        (self.exceeded_us.load(Relaxed) + current_us, current_us)
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&self) {
        self.exceeded_since_us.store(0, Relaxed);
        self.exceeded_us.store(0, Relaxed);
    }

    /// The thread that calls goes on making room from now on, whenever it is woken.
    pub fn enlist(&self) {
        // There is only one.
        let _ = self.thread.set(std::thread::current());
    }

    /// Has room made in the background.
    pub fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_there_was_too_much() {
        let eviction = Eviction::default();
        eviction.note_enough(|| panic!("there was enough"));
        assert_eq!(eviction.exceeded_us(50), (0, 0));
        eviction.note_exceeded(100);
        eviction.note_exceeded(150);
        assert_eq!(eviction.exceeded_us(160), (60, 60));
        eviction.note_enough(|| 170);
        assert_eq!(eviction.exceeded_us(500), (70, 0));
        eviction.note_exceeded(600);
        assert_eq!(eviction.exceeded_us(601), (71, 1));
        eviction.reset();
        assert_eq!(eviction.exceeded_us(700), (0, 0));
    }
}
