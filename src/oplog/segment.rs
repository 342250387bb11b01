//! A piece of the log in memory.
//!
//! The last segment is written to under the log's lock; when it is full it is sealed,
//! never changes again, and is shared with readers without copying. Beside its bytes a
//! segment knows which of them are for followers only, so that the bytes themselves
//! need no marks: followers must receive exactly the leader's stream.

use std::ops::Range;

use super::record::Audience;

/// Capacity of an ordinary segment. Large enough that sealing one (a handful of
/// allocator and list steps) disappears in the cost of filling it, small enough that the
/// smallest backlog (16 KiB) does not cost much more than it asks for.
pub(super) const SEGMENT_BYTES: usize = 64 * 1024;

/// Who reads: followers take every byte, the append-only file leaves out what is for
/// followers only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReaderKind {
    Follower,
    Aof,
}

/// Bytes of the log from `start` (an end offset: how many bytes came before) on.
#[derive(Debug)]
pub(super) struct Segment {
    start: u64,
    bytes: Vec<u8>,
    marks: Marks,
}

/// Positions in a stretch of bytes that are for followers only: ascending, apart from each
/// other.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks(Vec<Range<usize>>);

/// What a reader at some offset can have of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where the bytes begin, after what this reader leaves out.
    pub(super) offset: u64,
    /// Positions in the segment's bytes; empty if nothing is left for this reader.
    pub(super) range: Range<usize>,
}

impl Segment {
    /// An empty segment that writes into `buffer`, whose contents are dropped.
    pub(super) fn new(start: u64, mut buffer: Vec<u8>) -> Segment {
        buffer.clear();
        Segment {
            start,
            bytes: buffer,
            marks: Marks::default(),
        }
    }

    /// Lets an empty segment begin elsewhere.
    pub(super) fn move_to(&mut self, start: u64) {
        debug_assert!(self.is_empty(), "written bytes keep their offsets");
        self.start = start;
    }

    /// A segment made of bytes that were written elsewhere.
    pub(super) fn from_bytes(start: u64, bytes: Vec<u8>, audience: Audience) -> Segment {
        let mut segment = Segment {
            start,
            bytes,
            marks: Marks::default(),
        };
        segment.marks.note(0..segment.bytes.len(), audience);
        segment
    }

    pub(super) fn start(&self) -> u64 {
        self.start
    }

    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn capacity_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }

    /// Takes as much of `bytes` as fits and returns the rest.
    #[inline]
    pub(super) fn fill<'a>(&mut self, bytes: &'a [u8], audience: Audience) -> &'a [u8] {
        let room = self.bytes.capacity() - self.bytes.len();
        let (now, rest) = bytes.split_at(bytes.len().min(room));
        let from = self.bytes.len();
        self.bytes.extend_from_slice(now);
        self.marks.note(from..self.bytes.len(), audience);
        rest
    }

    pub(super) fn marks(&self) -> &Marks {
        &self.marks
    }

    /// What a reader of this kind gets from `offset` on, up to the end offset `limit`.
    /// `offset` must lie in the segment.
    pub(super) fn piece(&self, offset: u64, limit: u64, kind: ReaderKind) -> Piece {
        let stretch = self.start..self.end();
        self.marks.piece(stretch, offset, limit, kind)
    }
}

impl Marks {
    #[inline]
    fn note(&mut self, range: Range<usize>, audience: Audience) {
        if audience == Audience::All || range.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.0.push(range),
        }
    }

    /// Takes those of the stretch that follows, whose first byte stands at `distance`.
    pub(super) fn join(&mut self, following: &Marks, distance: usize) {
        for range in &following.0 {
            let range = range.start + distance..range.end + distance;
            self.note(range, Audience::FollowersOnly);
        }
    }

    /// What a reader gets of a `stretch` of the log with these marks.
    pub(super) fn piece(
        &self,
        stretch: Range<u64>,
        offset: u64,
        limit: u64,
        kind: ReaderKind,
    ) -> Piece {
        let position = |offset: u64| {
            let inside = offset.clamp(stretch.start, stretch.end);
            // A stretch is in memory, or is read into it: its length fits.
            usize::try_from(inside - stretch.start).unwrap_or(usize::MAX)
        };
        let mut from = position(offset);
        let mut to = position(limit).max(from);
        if kind == ReaderKind::Aof {
            // Neighbouring ranges are kept as one, so at most one is to be stepped over.
            let next = self.0.partition_point(|left| left.end <= from);
            let mut following = self.0.iter().skip(next);
            let mut left = following.next();
            if let Some(here) = left.filter(|left| left.start <= from) {
                from = here.end.min(to);
                left = following.next();
            }
            to = left.map_or(to, |left| left.start.min(to));
        }
        Piece {
            offset: stretch.start + from as u64,
            range: from..to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "aaaPPbbPP" at offset 100, P for followers only.
    fn mixed() -> Segment {
        let mut segment = Segment::new(100, Vec::with_capacity(64));
        segment.fill(b"aaa", Audience::All);
        segment.fill(b"P", Audience::FollowersOnly);
        segment.fill(b"P", Audience::FollowersOnly);
        segment.fill(b"bb", Audience::All);
        segment.fill(b"PP", Audience::FollowersOnly);
        segment
    }

    fn check(offset: u64, limit: u64, kind: ReaderKind, at: u64, text: &str) {
        let segment = mixed();
        let piece = segment.piece(offset, limit, kind);
        assert_eq!(piece.offset, at);
        assert_eq!(&segment.bytes()[piece.range], text.as_bytes());
    }

    #[test]
    fn followers_get_every_byte() {
        check(100, u64::MAX, ReaderKind::Follower, 100, "aaaPPbbPP");
        check(104, u64::MAX, ReaderKind::Follower, 104, "PbbPP");
        check(104, 106, ReaderKind::Follower, 104, "Pb");
        check(109, u64::MAX, ReaderKind::Follower, 109, "");
        check(106, 103, ReaderKind::Follower, 106, "");
    }

    #[test]
    fn the_append_only_file_leaves_out_what_is_not_for_it() {
        check(100, u64::MAX, ReaderKind::Aof, 100, "aaa");
        check(102, 103, ReaderKind::Aof, 102, "a");
        check(103, u64::MAX, ReaderKind::Aof, 105, "bb");
        check(104, u64::MAX, ReaderKind::Aof, 105, "bb");
        check(103, 104, ReaderKind::Aof, 104, "");
        check(107, u64::MAX, ReaderKind::Aof, 109, "");
        check(109, u64::MAX, ReaderKind::Aof, 109, "");
    }

    #[test]
    fn a_segment_takes_what_fits() {
        let mut segment = Segment::new(0, Vec::with_capacity(8));
        assert_eq!(segment.fill(b"123456", Audience::All), b"");
        let room = segment.capacity_bytes() - 6;
        let rest = segment.fill(&[b'x'; 64], Audience::All);
        assert_eq!(rest.len(), 64 - room);
        assert_eq!(segment.fill(b"more", Audience::All), b"more");
        assert_eq!(segment.end(), segment.capacity_bytes() as u64);
    }

    #[test]
    fn bytes_written_elsewhere_keep_their_audience() {
        let all = Segment::from_bytes(5, b"abc".to_vec(), Audience::All);
        assert_eq!(all.piece(5, 99, ReaderKind::Aof).range, 0..3);
        let some = Segment::from_bytes(5, b"abc".to_vec(), Audience::FollowersOnly);
        assert_eq!(some.piece(5, 99, ReaderKind::Aof).range, 3..3);
        assert_eq!(some.piece(5, 99, ReaderKind::Follower).range, 0..3);
    }
}
