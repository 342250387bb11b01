//! Why followers were given everything instead of going on where they were.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It had no history to go on with.
    First,
    /// It asked by SYNC, which knows nothing else.
    SyncCommand,
    /// Its history is none that we know.
    IdMismatch,
    /// It has more of our earlier history than we share.
    Diverged,
    /// What it wanted next is not in the backlog any more, or there was none.
    BacklogMissed,
    /// It claims to have more than there is.
    OffsetAhead,
    /// It had been dropped for lagging beyond its output limit.
    OutputLimit,
}

impl Reason {
    pub const ALL: [Reason; 7] = [
        Reason::First,
        Reason::SyncCommand,
        Reason::IdMismatch,
        Reason::Diverged,
        Reason::BacklogMissed,
        Reason::OffsetAhead,
        Reason::OutputLimit,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Reason::First => "first",
            Reason::SyncCommand => "sync_command",
            Reason::IdMismatch => "id_mismatch",
            Reason::Diverged => "diverged",
            Reason::BacklogMissed => "backlog_missed",
            Reason::OffsetAhead => "offset_ahead",
            Reason::OutputLimit => "output_limit",
        }
    }

    /// Whether it had tried to go on (`sync_partial_err`).
    pub fn follows_a_try(self) -> bool {
        !matches!(self, Reason::First | Reason::SyncCommand)
    }
}

/// How often it happened for which reason.
#[derive(Default)]
pub struct FullSyncs {
    counts: [AtomicU64; Reason::ALL.len()],
    /// The place of the last reason, plus one.
    last: AtomicUsize,
}

impl FullSyncs {
    pub fn count(&self, reason: Reason) {
        let place = reason as usize;
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.last.store(place + 1, Ordering::Relaxed);
    }

    pub fn counts(&self) -> impl Iterator<Item = (Reason, u64)> {
        let counts = self
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        Reason::ALL.into_iter().zip(counts)
    }

    pub fn last(&self) -> Option<Reason> {
        let place = self.last.load(Ordering::Relaxed).checked_sub(1)?;
        Reason::ALL.get(place).copied()
    }

    pub fn reset(&self) {
        self.counts
            .iter()
            .for_each(|count| count.store(0, Ordering::Relaxed));
        self.last.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_in_their_places() {
        let syncs = FullSyncs::default();
        assert_eq!(syncs.last(), None);
        for reason in Reason::ALL {
            syncs.count(reason);
            assert_eq!(syncs.last(), Some(reason));
        }
        assert!(syncs.counts().all(|(_, count)| count == 1));
        let names = syncs.counts().map(|(reason, _)| reason);
        assert!(names.eq(Reason::ALL));
        syncs.reset();
        assert!(syncs.counts().all(|(_, count)| count == 0));
    }
}
