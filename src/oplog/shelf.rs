//! What of the log found no room in memory, and the place where it is kept instead.
//!
//! The log does not know files: who takes care of its memory hands in a `Shelf`, and what
//! that one has taken is read back through a `Volume`. A volume is given up with the last
//! stretch that stands on it.

use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::segment::{Marks, Piece, ReaderKind, Segment};

/// Takes bytes of the log that found no room in memory.
pub trait Shelf {
    /// Takes all of the pieces, one behind the other, or nothing.
    ///
    /// # Errors
    /// There is no room for them.
    fn put(&mut self, pieces: &[&[u8]]) -> io::Result<Place>;

    /// Nothing stands on the shelf any more.
    fn cleared(&mut self);
}

/// What a shelf has taken.
pub trait Volume: Debug + Send + Sync {
    /// Fills `into` with what stands at `at`.
    ///
    /// # Errors
    /// It cannot be read back.
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()>;
}

/// Where bytes stand.
#[derive(Clone, Debug)]
pub struct Place {
    pub volume: Arc<dyn Volume>,
    pub at: u64,
}

/// A stretch of the log on a shelf.
#[derive(Debug)]
pub(super) struct Shelved {
    stretch: Range<u64>,
    marks: Marks,
    place: Place,
}

impl Shelved {
    /// What these segments, which follow each other, are once they stand at `place`.
    pub(super) fn new(segments: &[Arc<Segment>], place: Place) -> Shelved {
        let start = segments.first().map_or(0, |first| first.start());
        let end = segments.last().map_or(start, |last| last.end());
        let mut marks = Marks::default();
        for segment in segments {
            let distance = usize::try_from(segment.start() - start).unwrap_or(usize::MAX);
            marks.join(segment.marks(), distance);
        }
        Shelved {
            stretch: start..end,
            marks,
            place,
        }
    }

    pub(super) fn start(&self) -> u64 {
        self.stretch.start
    }

    pub(super) fn end(&self) -> u64 {
        self.stretch.end
    }

    pub(super) fn len_bytes(&self) -> u64 {
        self.stretch.end - self.stretch.start
    }

    /// As `Segment::piece`.
    pub(super) fn piece(&self, offset: u64, limit: u64, kind: ReaderKind) -> Piece {
        let stretch = self.stretch.clone();
        self.marks.piece(stretch, offset, limit, kind)
    }

    /// Reads those positions of the stretch into `out`, whose contents are dropped.
    ///
    /// # Errors
    /// They cannot be read back.
    pub(super) fn read(&self, range: Range<usize>, out: &mut Vec<u8>) -> io::Result<()> {
        out.clear();
        out.resize(range.len(), 0);
        let at = self.place.at + range.start as u64;
        self.place.volume.read_at(at, out)
    }
}
