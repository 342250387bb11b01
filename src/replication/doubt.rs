//! Whether a leader has come back without its memory.
//!
//! A leader that was killed and has no file to start from begins with nothing, under a new
//! replication id, at offset 0. Redis's followers copy that: what was lost once is lost
//! everywhere a second later. Ours refuse a snapshot, and keep what they have, if all of this
//! is true:
//!
//! - what they have came from this very leader: since the last REPLICAOF it has led them, or
//!   they have started with the history of a leader whom the configuration names;
//! - the history it offers is neither theirs nor their past: both ids are others;
//! - that history is no older: its offset is not ahead of theirs, or that says nothing: they
//!   have refused it before, and it goes on meanwhile; or they have started from a file, which
//!   tells neither what they refused nor how far they were in the end;
//! - hardly anything is left: the snapshot has no more than a hundredth of their keys.
//!
//! So nothing is refused by a follower without data, nor by one that an operator has just
//! pointed at another leader, nor after a FLUSHALL (the history is known, or its offset has
//! gone on), nor from a leader that was restarted with its file, or has been filled again. Only
//! who was away so long that the leader's history got a new name, and was restarted itself,
//! cannot tell a FLUSHALL from a loss, and keeps its data.
//! `replica-accept-empty-leader yes` lets everything pass.

use crate::oplog::ReplId;

/// The snapshot must have more than one key for so many of ours.
const KEYS_FOR_ONE: u64 = 100;

/// What a follower has when a leader offers it a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub ids: [ReplId; 2],
    pub end_offset: u64,
    pub keys: u64,
    /// Whether it came from this leader.
    pub is_its_own: bool,
    /// Whether a history that is ahead of ours is not a new one: not where the leader seemed to
    /// have lost its history before, or where we have started from a file, until something
    /// was taken from a leader.
    pub offset_tells: bool,
}

impl Held {
    /// Whether the leader seems to have lost its history: then its data is to be looked at
    /// before ours is dropped. `offered` is the snapshot's history; a leader that does not
    /// tell has none.
    #[must_use]
    pub fn doubts(&self, offered: Option<(ReplId, u64)>) -> bool {
        let is_another = match offered {
            Some((id, offset)) => {
                let is_younger = offset <= self.end_offset || !self.offset_tells;
                !self.ids.contains(&id) && is_younger
            }
            None => true,
        };
        self.is_its_own && self.keys > 0 && is_another
    }

    /// Whether next to nothing is left in a snapshot with so many keys.
    #[must_use]
    pub fn would_be_lost(&self, keys_offered: u64) -> bool {
        keys_offered.saturating_mul(KEYS_FOR_ONE) <= self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: ReplId = ReplId::from_hex([b'a'; 40]);
    const PAST: ReplId = ReplId::from_hex([b'b'; 40]);
    const NEW: ReplId = ReplId::from_hex([b'c'; 40]);

    const HELD: Held = Held {
        ids: [OURS, PAST],
        end_offset: 1000,
        keys: 50,
        is_its_own: true,
        offset_tells: true,
    };

    #[test]
    fn a_leader_without_memory_has_a_new_and_younger_history() {
        let check = |held: Held, offered, expect| assert_eq!(held.doubts(offered), expect);
        check(HELD, Some((NEW, 0)), true);
        check(HELD, Some((NEW, 1000)), true);
        // It says nothing of its history.
        check(HELD, None, true);
        // A backlog that was too short, a promotion, a leader restarted with its file.
        check(HELD, Some((OURS, 5000)), false);
        check(HELD, Some((PAST, 0)), false);
        check(HELD, Some((NEW, 1001)), false);
        // It was refused, and has gone on, or may have; or it has found what it had.
        let refusing = Held {
            offset_tells: false,
            ..HELD
        };
        check(refusing, Some((NEW, 1001)), true);
        check(refusing, Some((OURS, 5000)), false);
        // A new follower, and one that was told to follow another leader.
        check(Held { keys: 0, ..HELD }, Some((NEW, 0)), false);
        let told = Held {
            is_its_own: false,
            ..HELD
        };
        check(told, Some((NEW, 0)), false);
    }

    #[test]
    fn nearly_nothing_is_a_hundredth() {
        let check = |held, offered, expect| {
            let held = Held { keys: held, ..HELD };
            assert_eq!(held.would_be_lost(offered), expect, "{held:?}: {offered}");
        };
        check(50, 0, true);
        check(50, 1, false);
        check(100, 1, true);
        check(100, 2, false);
        check(5_000_000, 50_000, true);
        check(5_000_000, 50_001, false);
        check(u64::MAX, u64::MAX, true);
    }
}
