//! Who has to wait, what for, and until when.

use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// For what writes, or all commands, are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PausedFor {
    /// CLIENT PAUSE.
    Client,
    /// A shutdown that waits for followers.
    Shutdown,
    /// A failover.
    Failover,
    /// What followers are still to be sent finds no room (`delay`).
    Room,
}

impl PausedFor {
    /// In the order of their numbers.
    const ALL: [PausedFor; 4] = [
        PausedFor::Client,
        PausedFor::Shutdown,
        PausedFor::Failover,
        PausedFor::Room,
    ];

    /// Valkey's word, where it has one.
    pub fn name(self) -> &'static str {
        match self {
            PausedFor::Client => "client_pause",
            PausedFor::Shutdown => "shutdown_in_progress",
            PausedFor::Failover => "failover_in_progress",
            PausedFor::Room => "repl_writes_delayed",
        }
    }
}

/// When one reason's pause ends, and whom it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// 0: there is none.
    pub until_ms: i64,
    pub writes_only: bool,
}

/// Who has to wait, and until when. Each reason has a pause of its own; what counts is the
/// longest of them.
#[derive(Default)]
pub struct Pause {
    holds: Mutex<[Hold; 4]>,
    /// Until when writes are held, and until when everything is: 0 if not at all.
    writes_until_ms: AtomicI64,
    all_until_ms: AtomicI64,
    /// Until when the log stands still: not for want of room, which what replication itself
    /// says in it does not matter to.
    log_until_ms: AtomicI64,
    /// Woken when a pause ends early.
    pub ended: Notify,
}

impl Pause {
    /// Begins this reason's pause. One that is on is only made longer and stricter, as in
    /// Redis. Everything is locked, so that whoever holds a lock may rely on what it has
    /// read, except for want of room, which a few commands more do not matter to.
    pub fn begin(&self, reason: PausedFor, until_ms: i64, writes_only: bool, now_ms: i64) {
        let mut holds = self.holds.lock();
        if let Some(hold) = holds.get_mut(reason as usize) {
            if hold.until_ms <= now_ms {
                *hold = Hold {
                    until_ms,
                    writes_only,
                };
            } else {
                hold.until_ms = hold.until_ms.max(until_ms);
                hold.writes_only &= writes_only;
            }
        }
        self.note(&holds[..]);
    }

    /// Ends this reason's pause.
    pub fn end(&self, reason: PausedFor) {
        let mut holds = self.holds.lock();
        if let Some(hold) = holds.get_mut(reason as usize) {
            *hold = Hold::default();
        }
        self.note(&holds[..]);
        drop(holds);
        self.ended.notify_waiters();
    }

    fn note(&self, holds: &[Hold]) {
        let longest = |holds: &mut dyn Iterator<Item = &Hold>| {
            holds.map(|hold| hold.until_ms).max().unwrap_or(0)
        };
        let all_until_ms = longest(&mut holds.iter().filter(|hold| !hold.writes_only));
        self.all_until_ms.store(all_until_ms, Ordering::Release);
        let others = holds.iter().enumerate();
        let others = others.filter(|(reason, _)| *reason != PausedFor::Room as usize);
        let log_until_ms = longest(&mut others.map(|(_, hold)| hold));
        self.log_until_ms.store(log_until_ms, Ordering::Release);
        let writes_until_ms = longest(&mut holds.iter());
        self.writes_until_ms
            .store(writes_until_ms, Ordering::Release);
    }

    /// What holds most: of the pauses that hold everything, or else of those that hold
    /// writes, the one that lasts longest.
    pub fn strictest(&self, now_ms: i64) -> Option<(PausedFor, Hold)> {
        let holds = *self.holds.lock();
        let on = PausedFor::ALL.into_iter().zip(holds);
        let on = on.filter(|(_, hold)| now_ms < hold.until_ms);
        on.max_by_key(|(_, hold)| (!hold.writes_only, hold.until_ms))
    }

    /// Whether there is a pause, over or not.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.writes_until_ms.load(Ordering::Acquire) != 0
    }

    #[inline]
    pub fn is_on(&self, now_ms: i64) -> bool {
        now_ms < self.writes_until_ms.load(Ordering::Acquire)
    }

    /// Whether a follower is to apply nothing of what its leader sends: CLIENT PAUSE holds that
    /// as it holds what clients send.
    pub fn holds_leader(&self, now_ms: i64) -> bool {
        now_ms < self.holds.lock()[PausedFor::Client as usize].until_ms
    }

    /// Whether replication, too, is to put nothing into the log.
    pub fn stops_log(&self, now_ms: i64) -> bool {
        now_ms < self.log_until_ms.load(Ordering::Acquire)
    }

    /// Whether somebody is held so long still.
    pub fn lasts_until(&self, until_ms: i64) -> bool {
        until_ms <= self.writes_until_ms.load(Ordering::Acquire)
    }

    /// Whether writes (`is_write`) or anything at all has to wait, and until when.
    #[inline]
    pub fn holds(&self, is_write: bool, now_ms: i64) -> Option<i64> {
        let until_ms = match is_write {
            true => self.writes_until_ms.load(Ordering::Acquire),
            false => self.all_until_ms.load(Ordering::Acquire),
        };
        (now_ms < until_ms).then_some(until_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_of_different_reasons_do_not_end_each_other() {
        let pause = Pause::default();
        pause.begin(PausedFor::Failover, i64::MAX, true, 1000);
        pause.begin(PausedFor::Client, 2000, false, 1000);
        assert_eq!(pause.holds(false, 1000), Some(2000));
        assert_eq!(pause.holds(true, 1000), Some(i64::MAX));
        let everything = Hold {
            until_ms: 2000,
            writes_only: false,
        };
        let strictest = Some((PausedFor::Client, everything));
        assert_eq!(pause.strictest(1000), strictest);
        let reason = |now_ms| pause.strictest(now_ms).map(|(reason, _)| reason);
        assert_eq!(reason(2000), Some(PausedFor::Failover));
        pause.end(PausedFor::Client);
        assert_eq!(pause.holds(false, 1000), None);
        assert!(pause.is_on(3000));
        assert!(!pause.holds_leader(1000));
        pause.end(PausedFor::Failover);
        assert!(!pause.is_set() && pause.strictest(1000).is_none());
        assert!(!pause.lasts_until(2000));
        // What is over leaves nothing behind.
        pause.begin(PausedFor::Client, 2000, false, 1000);
        pause.begin(PausedFor::Client, 4000, true, 2000);
        assert_eq!(pause.holds(false, 2500), None);
        assert_eq!(pause.holds(true, 2500), Some(4000));
        assert!(pause.holds_leader(2500) && !pause.holds_leader(4000));
    }
}
