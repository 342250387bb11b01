//! How far a follower has come, beyond what Redis tells of it: in its full sync, and behind
//! the log in time.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use super::moments::Moments;

/// How often followers acknowledge without being asked.
const ACK_EVERY_MS: i64 = 1000;

/// An acknowledgement that is later than this is missed.
const ACK_LATE_MS: i64 = ACK_EVERY_MS * 3 / 2;

/// The steps of a full sync, up to the stream that follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Step {
    /// For its snapshot to begin.
    Waiting = 0,
    /// The snapshot is being sent.
    Snapshot = 1,
    /// All of it was sent, and the follower has not said yet that it has loaded it.
    Loading = 2,
    Streaming = 3,
    /// For what it cannot read to be gone.
    Refused = 4,
}

impl Step {
    pub fn name(self) -> &'static str {
        match self {
            Step::Waiting => "waiting",
            Step::Snapshot => "snapshot",
            Step::Loading => "loading",
            Step::Streaming => "streaming",
            Step::Refused => "refused",
        }
    }
}

/// One follower's.
#[derive(Default)]
pub struct Progress {
    step: AtomicU32,
    /// Of the snapshot: when it began, what was sent, and how much it will be, 0 if that
    /// is not known.
    pub began_ms: AtomicI64,
    pub sent_bytes: AtomicU64,
    pub total_bytes: AtomicU64,
    /// When it acknowledged last, and how old what it lacked was then.
    acked_ms: AtomicI64,
    acked_lag_ms: AtomicI64,
}

impl Progress {
    pub fn step(&self) -> Step {
        match self.step.load(Ordering::Relaxed) {
            0 => Step::Waiting,
            1 => Step::Snapshot,
            2 => Step::Loading,
            4 => Step::Refused,
            _ => Step::Streaming,
        }
    }

    pub fn set_step(&self, step: Step) {
        self.step.store(step as u32, Ordering::Relaxed);
    }

    /// The snapshot begins to be sent.
    pub fn begin(&self, now_ms: i64) {
        self.began_ms.store(now_ms, Ordering::Relaxed);
        self.set_step(Step::Snapshot);
    }

    /// It has everything up to `offset`.
    pub fn note_ack(&self, offset: u64, log: &Moments, now_ms: i64) {
        let lag_ms = log.age_ms(now_ms, offset.saturating_add(1));
        self.acked_lag_ms.store(lag_ms, Ordering::Relaxed);
        self.acked_ms.store(now_ms, Ordering::Relaxed);
    }

    /// How far it is behind in time, when it has acknowledged `acked` of a log that ends at
    /// `end`. That is how old what it lacked was at its last acknowledgement: what came
    /// since then it may well have. Only if it does not acknowledge any more, all that it
    /// has not acknowledged counts. The way of the acknowledgement is part of it.
    pub fn lag_ms(&self, acked: u64, end: u64, log: &Moments, now_ms: i64) -> i64 {
        if acked >= end {
            return 0;
        }
        let unacked_ms = log.age_ms(now_ms, acked.saturating_add(1));
        let silent_ms = now_ms - self.acked_ms.load(Ordering::Relaxed);
        match silent_ms > ACK_LATE_MS {
            true => unacked_ms,
            false => unacked_ms.min(self.acked_lag_ms.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A byte every 10 ms from 0 on, up to `until_ms`.
    fn log(until_ms: i64) -> Moments {
        let log = Moments::default();
        for at_ms in (0..=until_ms).step_by(10) {
            log.note(at_ms, at_ms as u64 / 10 + 1);
        }
        log
    }

    #[test]
    fn a_link_that_takes_its_time_and_one_that_is_cut() {
        let log = log(3000);
        let progress = Progress::default();
        // At 1000 ms it tells that it has the byte of 750 ms: the one of 760 ms it has not.
        progress.note_ack(76, &log, 1000);
        assert_eq!(progress.lag_ms(76, 101, &log, 1000), 240);
        // What came since may be there already, or may not.
        assert_eq!(progress.lag_ms(76, 201, &log, 2000), 240);
        // When it should have told and did not, it is all missing.
        assert_eq!(progress.lag_ms(76, 301, &log, 3000), 2240);
    }

    #[test]
    fn who_has_everything_is_not_behind() {
        let log = log(1000);
        let progress = Progress::default();
        progress.note_ack(101, &log, 1000);
        assert_eq!(progress.lag_ms(101, 101, &log, 1000), 0);
        assert_eq!(progress.lag_ms(101, 101, &log, 900_000), 0);
        // Idle for long, then a byte: nothing is known to be missing yet.
        log.note(60_000, 102);
        progress.note_ack(101, &log, 59_500);
        assert_eq!(progress.lag_ms(101, 102, &log, 60_100), 0);
        assert_eq!(progress.lag_ms(101, 102, &log, 61_100), 1100);
    }
}
