//! Replication ids: which history the bytes of the log belong to.
//!
//! An id names one sequence of bytes. Two servers that show the same id and the same
//! offset hold the same data, so whoever shows a known id may continue from its offset
//! instead of copying everything. A server knows up to two ids:
//!
//! ```text
//!   second id                      id
//!   |------------ shared ---------|------- only ours ------>
//!   0                     second_offset - 1          end offset
//! ```
//!
//! The second one is the history that this server followed before it was promoted (or
//! before its leader was): it counts only for the bytes both have in common. What must
//! never happen is that one id comes to name two different byte sequences; therefore
//! every event after which bytes could differ takes a new id, and the caller hands the
//! new id in, because drawing random bytes is not for a structure to do.

use std::fmt;

/// Length of a replication id in characters.
pub const REPL_ID_BYTES: usize = 40;

/// A replication id: 40 characters, compared without regard to case.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplId([u8; REPL_ID_BYTES]);

impl ReplId {
    /// What is shown where there is no second id.
    pub const NONE: ReplId = ReplId([b'0'; REPL_ID_BYTES]);

    /// An id from 40 characters that are known to be printable, such as fresh hex digits.
    #[must_use]
    pub const fn from_hex(digits: [u8; REPL_ID_BYTES]) -> ReplId {
        ReplId(digits)
    }

    /// An id a peer sent. None unless it is exactly 40 visible ASCII characters: the id
    /// travels on into INFO, log lines and replies, where nothing else may appear.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<ReplId> {
        let id: [u8; REPL_ID_BYTES] = text.try_into().ok()?;
        id.iter().all(u8::is_ascii_graphic).then_some(ReplId(id))
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; REPL_ID_BYTES] {
        &self.0
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether `asked`, as a peer wrote it, is this id. Case does not count.
    #[must_use]
    pub fn matches(&self, asked: &[u8]) -> bool {
        self.0.eq_ignore_ascii_case(asked)
    }
}

impl fmt::Display for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplId({self})")
    }
}

/// Why a follower's history is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Neither of our ids.
    UnknownId,
    /// Our second id, but more bytes of it than we share.
    BeyondSecond,
}

/// The ids of this server's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    id: ReplId,
    second_id: ReplId,
    second_offset: i64,
}

impl History {
    /// A history that begins here.
    #[must_use]
    pub fn new(id: ReplId) -> History {
        History {
            id,
            second_id: ReplId::NONE,
            second_offset: -1,
        }
    }

    /// A history as a snapshot or an append-only file noted it. A `second_offset` below
    /// zero means that there is no second id.
    #[must_use]
    pub fn restored(id: ReplId, second_id: ReplId, second_offset: i64) -> History {
        if second_offset < 0 {
            return History::new(id);
        }
        History {
            id,
            second_id,
            second_offset,
        }
    }

    #[must_use]
    pub fn id(&self) -> ReplId {
        self.id
    }

    /// The second id, `ReplId::NONE` when there is none.
    #[must_use]
    pub fn second_id(&self) -> ReplId {
        self.second_id
    }

    /// The first byte that the second id does *not* cover, which is the greatest offset
    /// a follower may ask for under it; -1 when there is none.
    #[must_use]
    pub fn second_offset(&self) -> i64 {
        self.second_offset
    }

    /// Breaks with the past. To be done when a leader creates its first backlog and when
    /// it frees one: while there is no backlog the offset stands still although the data
    /// changes, so an old id with an old offset would name two different states.
    pub fn start_anew(&mut self, new: ReplId) {
        *self = History::new(new);
    }

    /// Promotion: what was followed so far stays known as the second id up to
    /// `end_offset`, what follows has a new name. A leader that comes back from a crash
    /// does the same with the last offset that was durable.
    pub fn shift(&mut self, new: ReplId, end_offset: u64) {
        self.second_id = self.id;
        self.second_offset = next_offset(end_offset);
        self.id = new;
    }

    /// The leader let us continue and showed its id. True when the id is a new one: then
    /// our own followers must be disconnected, so that they ask again and hear of it.
    pub fn adopt_continue(&mut self, leader: ReplId, end_offset: u64) -> bool {
        if leader == self.id {
            return false;
        }
        self.shift(leader, end_offset);
        true
    }

    /// The leader gave us all its data: its id is ours, and nothing before counts.
    pub fn adopt_full(&mut self, leader: ReplId) {
        *self = History::new(leader);
    }

    /// Whether a follower that holds `asked_id` and wants the byte `next_offset` shares
    /// our history. Whether we still *have* that byte is the backlog's affair.
    ///
    /// # Errors
    /// Which of the two rules it breaks.
    pub fn can_continue(&self, asked_id: &[u8], next_offset: i64) -> Result<(), Mismatch> {
        if self.id.matches(asked_id) {
            return Ok(());
        }
        if !self.second_id.matches(asked_id) {
            return Err(Mismatch::UnknownId);
        }
        if next_offset > self.second_offset {
            return Err(Mismatch::BeyondSecond);
        }
        Ok(())
    }
}

/// The offset of the byte after `end_offset`, as the wire writes it.
fn next_offset(end_offset: u64) -> i64 {
    i64::try_from(end_offset.saturating_add(1)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(c: u8) -> ReplId {
        ReplId::from_hex([c; REPL_ID_BYTES])
    }

    #[test]
    fn ids_are_forty_visible_characters() {
        assert_eq!(ReplId::parse(&[b'a'; 40]), Some(id(b'a')));
        assert_eq!(ReplId::parse(&[b'a'; 39]), None);
        assert_eq!(ReplId::parse(&[b'a'; 41]), None);
        assert_eq!(ReplId::parse(b""), None);
        let mut with_newline = [b'a'; 40];
        with_newline[7] = b'\n';
        assert_eq!(ReplId::parse(&with_newline), None);
        assert_eq!(id(b'f').to_string(), "f".repeat(40));
    }

    #[test]
    fn a_known_id_continues_whatever_its_case() {
        let history = History::new(id(b'a'));
        assert_eq!(history.can_continue(&[b'a'; 40], 1), Ok(()));
        assert_eq!(history.can_continue(&[b'A'; 40], 999), Ok(()));
        assert_eq!(
            history.can_continue(&[b'b'; 40], 1),
            Err(Mismatch::UnknownId)
        );
        assert_eq!(history.can_continue(b"?", -1), Err(Mismatch::UnknownId));
    }

    #[test]
    fn no_second_id_admits_nobody() {
        // The place-holder of 40 zeros is a possible thing to ask for, and its end of -1
        // keeps it from being granted.
        let history = History::new(id(b'a'));
        assert_eq!(
            history.can_continue(&[b'0'; 40], 1),
            Err(Mismatch::BeyondSecond)
        );
        assert_eq!(
            history.can_continue(&[b'0'; 40], 0),
            Err(Mismatch::BeyondSecond)
        );
    }

    #[test]
    fn promotion_keeps_the_old_id_up_to_what_is_shared() {
        let mut history = History::new(id(b'a'));
        history.shift(id(b'b'), 50);
        assert_eq!((history.id(), history.second_id()), (id(b'b'), id(b'a')));
        assert_eq!(history.second_offset(), 51);
        assert_eq!(history.can_continue(&[b'a'; 40], 51), Ok(()));
        assert_eq!(
            history.can_continue(&[b'a'; 40], 52),
            Err(Mismatch::BeyondSecond)
        );
        assert_eq!(history.can_continue(&[b'b'; 40], 52), Ok(()));
    }

    #[test]
    fn a_continue_under_a_new_id_is_told_to_the_caller() {
        let mut history = History::new(id(b'a'));
        assert!(!history.adopt_continue(id(b'a'), 7));
        assert_eq!(history, History::new(id(b'a')));
        assert!(history.adopt_continue(id(b'b'), 7));
        assert_eq!(history.second_offset(), 8);
        assert_eq!(history.second_id(), id(b'a'));
    }

    #[test]
    fn a_full_copy_and_a_new_beginning_forget_the_past() {
        let mut history = History::new(id(b'a'));
        history.shift(id(b'b'), 50);
        let mut anew = history.clone();
        anew.start_anew(id(b'c'));
        assert_eq!(anew, History::new(id(b'c')));
        history.adopt_full(id(b'd'));
        assert_eq!(history, History::new(id(b'd')));
    }

    #[test]
    fn restoring_reads_minus_one_as_no_second_id() {
        let none = History::restored(id(b'a'), id(b'b'), -1);
        assert_eq!(none, History::new(id(b'a')));
        let some = History::restored(id(b'a'), id(b'b'), 9);
        assert_eq!(some.can_continue(&[b'b'; 40], 9), Ok(()));
    }
}
