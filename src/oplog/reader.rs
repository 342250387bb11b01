//! Reading the log: a cursor that works like `BufRead`.
//!
//! `fill` shows the next bytes, `consume` says how many of them are done with. Full
//! segments are shown as they lie in the log, without the lock; only what stands in the
//! segment that is being written is copied, in bounded pieces, so that those who append
//! wait for at most one such copy; what lies on a shelf is read from there, without the lock,
//! by the reader's own thread. A reader that has caught up sleeps until the log wakes
//! it. As long as it lives, the log keeps everything behind its offset; who cannot afford
//! that `cut`s it.

use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use super::Shared;
use super::segment::{Piece, ReaderKind, Segment};
use super::shelf::Shelved;
use super::state::{Found, Seat};

/// Largest copy made under the log's lock: about a microsecond.
const COPY_BYTES_MAX: usize = 16 * 1024;

/// What is read back from a shelf at once.
const SHELF_READ_BYTES_MAX: usize = 64 * 1024;

/// The log does not hold what was asked for: dropped, not yet written, or given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the write log does not hold what follows offset {after}")]
pub struct Missed {
    pub after: u64,
}

/// A place in the log.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    seat: Arc<Seat>,
    /// A copy of `Seat::offset` that needs no atomic.
    offset: u64,
    source: Source,
    /// What of the source is not consumed yet; its first byte is the one after `offset`.
    ready: Range<usize>,
}

#[derive(Debug)]
enum Source {
    Sealed(Arc<Segment>),
    Copied(Vec<u8>),
}

/// A view of a reader for those who only watch it.
#[derive(Clone, Debug)]
pub struct ReaderWatch {
    shared: Arc<Shared>,
    seat: Arc<Seat>,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, seat: Arc<Seat>) -> Reader {
        Reader {
            offset: seat.offset(),
            shared,
            seat,
            source: Source::Copied(Vec::new()),
            ready: 0..0,
        }
    }

    /// The next bytes, at most `max_bytes`, borrowed until they are consumed. Empty: the
    /// reader has caught up (or may not see more yet).
    ///
    /// # Errors
    /// The reader was cut off; it will never read again.
    pub fn fill(&mut self, max_bytes: usize) -> Result<&[u8], Missed> {
        if self.seat.is_cut() {
            return Err(self.missed());
        }
        while self.ready.is_empty() && self.refill()? {}
        let bytes = match &self.source {
            Source::Sealed(segment) => segment.bytes(),
            Source::Copied(bytes) => bytes,
        };
        let end = self
            .ready
            .end
            .min(self.ready.start.saturating_add(max_bytes));
        Ok(bytes.get(self.ready.start..end).unwrap_or_default())
    }

    /// Says that the first `len` bytes of the last `fill` are done with; the log need not
    /// keep them for this reader.
    pub fn consume(&mut self, len: usize) {
        let len = len.min(self.ready.len());
        self.ready.start += len;
        self.move_to(self.offset + len as u64);
    }

    /// End offset of what was consumed, with what this reader leaves out.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes of the log are still to come.
    #[must_use]
    pub fn lag_bytes(&self) -> u64 {
        self.shared.end_offset().saturating_sub(self.offset)
    }

    /// A view for whoever enforces limits.
    #[must_use]
    pub fn watch(&self) -> ReaderWatch {
        ReaderWatch {
            shared: Arc::clone(&self.shared),
            seat: Arc::clone(&self.seat),
        }
    }

    /// Completes when there is something to read. May be dropped and asked for again.
    pub fn ready(&mut self) -> impl Future<Output = Result<(), Missed>> + '_ {
        poll_fn(|context| self.poll_ready(context))
    }

    /// Sleeps until there is something to read, at most `timeout`. True: there is.
    ///
    /// # Errors
    /// The reader was cut off.
    pub fn wait_blocking(&mut self, timeout: Duration) -> Result<bool, Missed> {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut ready = pin!(self.ready());
        if let Poll::Ready(done) = ready.as_mut().poll(&mut context) {
            return done.map(|()| true);
        }
        std::thread::park_timeout(timeout);
        match ready.as_mut().poll(&mut context) {
            Poll::Ready(done) => done.map(|()| true),
            Poll::Pending => Ok(false),
        }
    }

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Missed>> {
        if !self.ready.is_empty() {
            return Poll::Ready(Ok(()));
        }
        // Looked at and noted under the log's lock: an append is either seen here, or
        // comes after the note and wakes us.
        let mut state = self.shared.state.lock();
        if self.seat.is_cut() {
            return Poll::Ready(Err(self.missed()));
        }
        if self.shared.limit(self.seat.kind, state.end()) > self.offset {
            return Poll::Ready(Ok(()));
        }
        state.sleep(&self.seat, context.waker());
        self.shared.asleep.store(true, Ordering::Relaxed);
        Poll::Pending
    }

    /// Finds the next bytes. False when there are none; true may also mean that something
    /// was left out and the search goes on.
    fn refill(&mut self) -> Result<bool, Missed> {
        let kind = self.seat.kind;
        if let Source::Sealed(segment) = &self.source
            && segment.end() > self.offset
        {
            let limit = self.shared.limit(kind, u64::MAX);
            let piece = segment.piece(self.offset, limit, kind);
            let moved = piece.offset > self.offset || !piece.range.is_empty();
            self.ready = piece.range;
            self.move_to(piece.offset);
            return Ok(moved);
        }
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state.lock();
        let graveyard = state.take_graveyard();
        let limit = shared.limit(kind, state.end());
        let offset = match state.find(self.offset, limit, kind) {
            None => return Err(self.missed()),
            Some(Found::Shelved(shelved, piece)) => {
                drop(state);
                drop(graveyard);
                return self.read_shelved(&shelved, &piece);
            }
            Some(Found::Sealed(segment, piece)) => {
                self.source = Source::Sealed(segment);
                self.ready = piece.range;
                piece.offset
            }
            Some(Found::Tail(tail, piece)) => {
                let from = piece.range.start;
                let to = piece.range.end.min(from + COPY_BYTES_MAX);
                let bytes = tail.bytes().get(from..to).unwrap_or_default();
                self.keep_copy(bytes);
                piece.offset
            }
        };
        drop(state);
        drop(graveyard);
        let moved = offset > self.offset || !self.ready.is_empty();
        self.move_to(offset);
        Ok(moved)
    }

    fn keep_copy(&mut self, bytes: &[u8]) {
        self.ready = 0..bytes.len();
        let copy = self.copy_buffer();
        copy.clear();
        copy.extend_from_slice(bytes);
    }

    fn read_shelved(&mut self, shelved: &Shelved, piece: &Piece) -> Result<bool, Missed> {
        let from = piece.range.start;
        let to = piece.range.end.min(from + SHELF_READ_BYTES_MAX);
        if shelved.read(from..to, self.copy_buffer()).is_err() {
            self.ready = 0..0;
            self.shared.lose_shelved(shelved.end());
            return Err(self.missed());
        }
        self.ready = 0..to - from;
        let moved = piece.offset > self.offset || !self.ready.is_empty();
        self.move_to(piece.offset);
        Ok(moved)
    }

    fn copy_buffer(&mut self) -> &mut Vec<u8> {
        if matches!(self.source, Source::Sealed(_)) {
            self.source = Source::Copied(Vec::new());
        }
        match &mut self.source {
            Source::Copied(copy) => copy,
            Source::Sealed(_) => unreachable!("it was replaced above"),
        }
    }

    fn move_to(&mut self, offset: u64) {
        self.offset = offset;
        self.seat.offset.store(offset, Ordering::Release);
    }

    fn missed(&self) -> Missed {
        Missed { after: self.offset }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.leave(&self.seat);
    }
}

impl ReaderWatch {
    /// How many bytes of the log the reader has not consumed: what a follower's
    /// output-buffer limits are measured against.
    #[must_use]
    pub fn lag_bytes(&self) -> u64 {
        self.shared.end_offset().saturating_sub(self.seat.offset())
    }

    /// End offset of what the reader has consumed.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.seat.offset()
    }

    /// How much more than it should the log may keep in memory for this reader, where no shelf
    /// takes it, before those who append had better wait (`Spiller::is_crowded`). At first
    /// nobody waits for it: `u64::MAX`.
    pub fn set_patience_bytes(&self, bytes: u64) {
        self.seat.patience_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Gives the reader up: the log keeps nothing for it, and it reads `Missed` from now
    /// on, a sleeping one at once.
    pub fn cut(&self) {
        self.shared.cut(&self.seat);
    }
}

/// Wakes a thread that sleeps in `wait_blocking`.
pub(super) struct Unpark(pub(super) Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl ReaderKind {
    /// Whether this reader has to wait for what the append-only file has taken.
    pub(super) fn is_held(self) -> bool {
        self == ReaderKind::Follower
    }
}
