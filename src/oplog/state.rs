//! What the log's lock protects: the segments, who reads them, and what is kept for whom.
//!
//! ```text
//!   first kept                                            end
//!      |   sealed      sealed      sealed    |    tail     |
//!      [===========][===========][===========][======......]
//!           ^ slowest reader          ^ backlog size back from the end
//! ```
//!
//! A sealed segment goes when the backlog does not need it (what is left is still the
//! backlog's size) and no live reader has to read it. It goes to the pool of buffers, or
//! to the graveyard: freeing memory can take long, and the one who appends holds the
//! locks of its keys.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;

use smallvec::SmallVec;

use super::record::{Audience, put_select};
use super::segment::{Piece, ReaderKind, SEGMENT_BYTES, Segment};

/// Smallest backlog that can be asked for, as in Redis.
pub const BACKLOG_SIZE_BYTES_MIN: u64 = 16 * 1024;

/// Buffers kept ready: a log in balance drops one segment for each one it fills.
const SPARE_BUFFERS_MAX: usize = 8;

/// Segments dropped in one go, so that no append pays for a backlog made smaller.
const TRIM_SEGMENTS_MAX: usize = 64;

/// What a reader and the log know of each other.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) kind: ReaderKind,
    /// End offset of what the reader has consumed.
    pub(super) offset: AtomicU64,
    /// The log does not keep anything for this reader any more.
    pub(super) cut: AtomicBool,
}

impl Seat {
    pub(super) fn offset(&self) -> u64 {
        self.offset.load(Ordering::Acquire)
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }
}

#[derive(Debug)]
struct Seated {
    seat: Arc<Seat>,
    waker: Option<Waker>,
}

/// Wakers to be called after the log's lock is let go.
pub(super) type Wakers = SmallVec<[Waker; 4]>;

/// Segments to be freed after the log's lock is let go.
pub(super) type Graveyard = Vec<Arc<Segment>>;

#[derive(Debug)]
pub(super) struct State {
    sealed: VecDeque<Arc<Segment>>,
    tail: Segment,
    /// Capacity of what `sealed` holds, in bytes.
    sealed_bytes: u64,
    spare: Vec<Vec<u8>>,
    graveyard: Graveyard,
    /// End offset at which the backlog was created; None while there is none.
    backlog_start: Option<u64>,
    backlog_size_bytes: u64,
    selected_db: Option<u32>,
    readers: Vec<Seated>,
}

/// Where a reader finds its next bytes.
pub(super) enum Found<'a> {
    Sealed(Arc<Segment>, Piece),
    Tail(&'a Segment, Piece),
}

impl State {
    pub(super) fn new(backlog_size_bytes: u64) -> State {
        State {
            sealed: VecDeque::new(),
            tail: Segment::new(0, Vec::new()),
            sealed_bytes: 0,
            spare: Vec::new(),
            graveyard: Vec::new(),
            backlog_start: None,
            backlog_size_bytes: backlog_size_bytes.max(BACKLOG_SIZE_BYTES_MIN),
            selected_db: None,
            readers: Vec::new(),
        }
    }

    pub(super) fn end(&self) -> u64 {
        self.tail.end()
    }

    /// End offset before the first byte that is kept.
    pub(super) fn kept_after(&self) -> u64 {
        self.sealed
            .front()
            .map_or(self.tail.start(), |front| front.start())
    }

    pub(super) fn is_active(&self) -> bool {
        self.backlog_start.is_some() || self.readers.iter().any(|r| !r.seat.is_cut())
    }

    // ---- writing ----

    /// Appends a run, with a SELECT before it if its database is not the selected one.
    #[inline]
    pub(super) fn append(&mut self, db: Option<u32>, audience: Audience, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.select(db);
        self.put(bytes, audience);
    }

    /// Appends a run by keeping its allocation, which becomes a segment of its own.
    pub(super) fn append_owned(&mut self, db: Option<u32>, audience: Audience, bytes: Vec<u8>) {
        self.select(db);
        self.seal();
        let segment = Segment::from_bytes(self.end(), bytes, audience);
        self.tail.move_to(segment.end());
        self.push_sealed(segment);
        self.trim();
    }

    /// Appends a leader's bytes as they are.
    pub(super) fn append_verbatim(&mut self, bytes: &[u8], audience: Audience, db: Option<u32>) {
        self.put(bytes, audience);
        self.selected_db = db;
    }

    #[inline]
    fn select(&mut self, db: Option<u32>) {
        let Some(db) = db else { return };
        if self.selected_db == Some(db) {
            return;
        }
        let mut select = Vec::with_capacity(40);
        put_select(&mut select, db);
        self.put(&select, Audience::All);
        self.selected_db = Some(db);
    }

    #[inline]
    fn put(&mut self, bytes: &[u8], audience: Audience) {
        let mut rest = self.tail.fill(bytes, audience);
        while !rest.is_empty() {
            self.seal();
            rest = self.tail.fill(rest, audience);
        }
    }

    /// Ends the tail and begins a new one.
    #[cold]
    fn seal(&mut self) {
        let next = Segment::new(self.end(), Vec::new());
        let full = std::mem::replace(&mut self.tail, next);
        if full.is_empty() {
            self.give_back(full.into_buffer());
        } else {
            self.push_sealed(full);
            self.trim();
        }
        self.tail = Segment::new(self.end(), self.tail_buffer());
    }

    fn push_sealed(&mut self, segment: Segment) {
        self.sealed_bytes += segment.capacity_bytes() as u64;
        self.sealed.push_back(Arc::new(segment));
    }

    fn tail_buffer(&mut self) -> Vec<u8> {
        let spare = self.spare.pop();
        spare.unwrap_or_else(|| Vec::with_capacity(SEGMENT_BYTES))
    }

    pub(super) fn forget_selected_db(&mut self) {
        self.selected_db = None;
    }

    pub(super) fn selected_db(&self) -> Option<u32> {
        self.selected_db
    }

    /// Moves to `end` with nothing in memory; every reader is cut off.
    pub(super) fn reset_to(&mut self, end: u64) -> Wakers {
        self.drop_bytes(end);
        self.selected_db = None;
        self.backlog_start = self.backlog_start.map(|_| end);
        self.readers
            .iter()
            .for_each(|r| r.seat.cut.store(true, Ordering::Release));
        self.take_wakers(|_| true)
    }

    /// Drops all bytes; the log goes on at `end`.
    fn drop_bytes(&mut self, end: u64) {
        self.sealed_bytes = 0;
        self.graveyard.extend(self.sealed.drain(..));
        let buffer = std::mem::replace(&mut self.tail, Segment::new(end, Vec::new()));
        self.give_back(buffer.into_buffer());
    }

    // ---- what is kept ----

    /// Creates the backlog. False if there was one.
    pub(super) fn activate_backlog(&mut self) -> bool {
        let created = self.backlog_start.is_none();
        if created {
            self.backlog_start = Some(self.end());
        }
        created
    }

    pub(super) fn free_backlog(&mut self) {
        self.backlog_start = None;
        self.trim_all();
    }

    pub(super) fn set_backlog_size_bytes(&mut self, size_bytes: u64) {
        self.backlog_size_bytes = size_bytes.max(BACKLOG_SIZE_BYTES_MIN);
        self.trim_all();
    }

    pub(super) fn backlog_size_bytes(&self) -> u64 {
        self.backlog_size_bytes
    }

    /// End offset before the backlog's first byte; None while there is no backlog.
    pub(super) fn backlog_after(&self) -> Option<u64> {
        self.backlog_start.map(|start| start.max(self.kept_after()))
    }

    /// Memory of the whole log, the pool included, in bytes.
    pub(super) fn memory_bytes(&self) -> u64 {
        let spare: usize = self.spare.iter().map(Vec::capacity).sum();
        self.sealed_bytes + (self.tail.capacity_bytes() + spare) as u64
    }

    pub(super) fn take_graveyard(&mut self) -> Graveyard {
        std::mem::take(&mut self.graveyard)
    }

    /// Drops what nobody needs, as much as one append may pay for.
    fn trim(&mut self) {
        let needed_from = self.needed_after();
        for _ in 0..TRIM_SEGMENTS_MAX {
            let front = self.sealed.front();
            if front.is_none_or(|front| front.end() > needed_from) {
                return;
            }
            if let Some(segment) = self.sealed.pop_front() {
                self.sealed_bytes -= segment.capacity_bytes() as u64;
                self.bury(segment);
            }
        }
    }

    /// Drops everything that nobody needs.
    fn trim_all(&mut self) {
        let mut kept = usize::MAX;
        while self.sealed.len() < kept {
            kept = self.sealed.len();
            self.trim();
        }
        if !self.is_active() {
            self.drop_bytes(self.end());
            self.spare.clear();
            self.selected_db = None;
        }
    }

    /// End offset up to which nothing has to be kept.
    fn needed_after(&self) -> u64 {
        let backlog = match self.backlog_start {
            Some(_) => self.end().saturating_sub(self.backlog_size_bytes),
            None => self.end(),
        };
        let live = self.readers.iter().filter(|r| !r.seat.is_cut());
        live.map(|r| r.seat.offset()).fold(backlog, u64::min)
    }

    fn bury(&mut self, segment: Arc<Segment>) {
        match Arc::try_unwrap(segment) {
            Ok(segment) if segment.capacity_bytes() == SEGMENT_BYTES => {
                self.give_back(segment.into_buffer());
            }
            Ok(segment) => self.graveyard.push(Arc::new(segment)),
            // A reader holds it still and frees it when it goes on.
            Err(_shared) => {}
        }
    }

    fn give_back(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() != SEGMENT_BYTES {
            return;
        }
        if self.spare.len() < SPARE_BUFFERS_MAX {
            self.spare.push(buffer);
        } else {
            let segment = Segment::new(0, buffer);
            self.graveyard.push(Arc::new(segment));
        }
    }

    // ---- readers ----

    pub(super) fn seat(&mut self, kind: ReaderKind, after: u64) -> Arc<Seat> {
        let seat = Arc::new(Seat {
            kind,
            offset: AtomicU64::new(after),
            cut: AtomicBool::new(false),
        });
        self.readers.push(Seated {
            seat: Arc::clone(&seat),
            waker: None,
        });
        seat
    }

    pub(super) fn unseat(&mut self, seat: &Arc<Seat>) {
        self.readers.retain(|r| !Arc::ptr_eq(&r.seat, seat));
        self.trim_all();
    }

    /// Stops keeping anything for a reader.
    pub(super) fn cut(&mut self, seat: &Arc<Seat>) -> Wakers {
        seat.cut.store(true, Ordering::Release);
        self.trim_all();
        self.take_wakers(|other| std::ptr::eq(other, Arc::as_ptr(seat)))
    }

    pub(super) fn readers(&self) -> usize {
        self.readers.iter().filter(|r| !r.seat.is_cut()).count()
    }

    /// Notes whom to wake when this reader's next bytes arrive.
    pub(super) fn sleep(&mut self, seat: &Arc<Seat>, waker: &Waker) {
        let seated = self.readers.iter_mut();
        for seated in seated.filter(|r| Arc::ptr_eq(&r.seat, seat)) {
            match &mut seated.waker {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
    }

    pub(super) fn take_wakers(&mut self, which: impl Fn(&Seat) -> bool) -> Wakers {
        let chosen = self.readers.iter_mut().filter(|r| which(&r.seat));
        chosen.filter_map(|r| r.waker.take()).collect()
    }

    pub(super) fn has_wakers(&self, which: impl Fn(&Seat) -> bool) -> bool {
        let mut sleeping = self.readers.iter().filter(|r| r.waker.is_some());
        sleeping.any(|r| which(&r.seat))
    }

    /// The segment in which the byte after `offset` stands; None below what is kept and
    /// beyond the end.
    pub(super) fn find(&self, offset: u64, limit: u64, kind: ReaderKind) -> Option<Found<'_>> {
        if offset >= self.tail.start() {
            let piece = self.tail.piece(offset, limit, kind);
            return (offset <= self.end()).then_some(Found::Tail(&self.tail, piece));
        }
        let behind = self.sealed.partition_point(|s| s.end() <= offset);
        let segment = self.sealed.get(behind).filter(|s| s.start() <= offset)?;
        let piece = segment.piece(offset, limit, kind);
        Some(Found::Sealed(Arc::clone(segment), piece))
    }
}
