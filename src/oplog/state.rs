//! What the log's lock protects: the segments, who reads them, and what is kept for whom.
//!
//! ```text
//!   first kept                                                         end
//!      |  shelved  |   sealed      sealed      sealed    |    tail     |
//!      [===========][===========][===========][==========][======......]
//!           ^ slowest reader          ^ backlog size back from the end
//! ```
//!
//! A sealed segment goes when the backlog does not need it (what is left is still the
//! backlog's size) and no live reader has to read it. It goes to the pool of buffers, or
//! to the graveyard: freeing memory can take long, and the one who appends holds the
//! locks of its keys. What has to stay but is too much for memory is put on a shelf by the
//! spiller, from the front on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;

use smallvec::SmallVec;

use super::record::{Audience, put_select};
use super::segment::{Piece, ReaderKind, SEGMENT_BYTES, Segment};
use super::shelf::Shelved;

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
    /// `Reader::set_patience_bytes`.
    pub(super) patience_bytes: AtomicU64,
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

/// What is to be freed after the log's lock is let go.
#[derive(Debug, Default)]
pub(super) struct Graveyard {
    segments: Vec<Arc<Segment>>,
    shelved: Vec<Arc<Shelved>>,
}

#[derive(Debug)]
pub(super) struct State {
    shelved: VecDeque<Arc<Shelved>>,
    shelved_bytes: u64,
    /// What may be kept in memory beyond the backlog; None while there is no spiller.
    excess_bytes_max: Option<u64>,
    /// The spiller, while it sleeps.
    spiller: Option<Waker>,
    /// There is too much since the last seal.
    has_too_much: bool,
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
    Shelved(Arc<Shelved>, Piece),
    Sealed(Arc<Segment>, Piece),
    Tail(&'a Segment, Piece),
}

impl State {
    pub(super) fn new(backlog_size_bytes: u64) -> State {
        State {
            shelved: VecDeque::new(),
            shelved_bytes: 0,
            excess_bytes_max: None,
            spiller: None,
            has_too_much: false,
            sealed: VecDeque::new(),
            tail: Segment::new(0, Vec::new()),
            sealed_bytes: 0,
            spare: Vec::new(),
            graveyard: Graveyard::default(),
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
        let in_memory = || self.memory_after();
        self.shelved.front().map_or_else(in_memory, |s| s.start())
    }

    /// End offset before the first byte in memory.
    fn memory_after(&self) -> u64 {
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
        self.has_too_much = self.excess_bytes() > 0;
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
        self.shelved_bytes = 0;
        self.graveyard.segments.extend(self.sealed.drain(..));
        self.graveyard.shelved.extend(self.shelved.drain(..));
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

    /// Segments to be freed. Without a spiller, who frees what stood on a shelf, that too.
    pub(super) fn take_graveyard(&mut self) -> Graveyard {
        let shelved = match self.excess_bytes_max {
            Some(_) => Vec::new(),
            None => self.take_shelved_graveyard(),
        };
        Graveyard {
            segments: std::mem::take(&mut self.graveyard.segments),
            shelved,
        }
    }

    /// What stood on a shelf. To give it up may take the file system a while.
    pub(super) fn take_shelved_graveyard(&mut self) -> Vec<Arc<Shelved>> {
        std::mem::take(&mut self.graveyard.shelved)
    }

    /// Drops what nobody needs, as much as one append may pay for.
    fn trim(&mut self) {
        let needed_from = self.needed_after();
        for _ in 0..TRIM_SEGMENTS_MAX {
            if let Some(front) = self.shelved.front() {
                if front.end() > needed_from {
                    return;
                }
                self.unshelve();
                continue;
            }
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
        while self.sealed.len() + self.shelved.len() < kept {
            kept = self.sealed.len() + self.shelved.len();
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
            Ok(segment) => self.graveyard.segments.push(Arc::new(segment)),
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
            self.graveyard.segments.push(Arc::new(segment));
        }
    }

    // ---- what is too much for memory ----

    /// How much there is in memory beyond the backlog and what is allowed.
    fn excess_bytes(&self) -> u64 {
        let allowed = self.allowed_bytes();
        allowed.map_or(0, |allowed| self.sealed_bytes.saturating_sub(allowed))
    }

    /// How much may be in memory; None: anything.
    fn allowed_bytes(&self) -> Option<u64> {
        let backlog_bytes = self.backlog_start.map_or(0, |_| self.backlog_size_bytes);
        let excess_bytes_max = self.excess_bytes_max?;
        Some(backlog_bytes.saturating_add(excess_bytes_max))
    }

    /// Whether what is in memory is too much, less `margin_bytes`, even for the patience of a
    /// reader that needs it.
    pub(super) fn is_crowded(&mut self, margin_bytes: u64) -> bool {
        // Those who append drop what has been read; now they may all be waiting.
        self.trim_all();
        let Some(allowed) = self.allowed_bytes() else {
            return false;
        };
        let (end, in_memory) = (self.end(), self.sealed_bytes);
        let mut live = self.readers.iter().filter(|r| !r.seat.is_cut());
        live.any(|reader| {
            let patience_bytes = reader.seat.patience_bytes.load(Ordering::Relaxed);
            let most = allowed.saturating_add(patience_bytes);
            let lag_bytes = end.saturating_sub(reader.seat.offset());
            lag_bytes.min(in_memory).saturating_add(margin_bytes) > most
        })
    }

    /// What may be kept in memory beyond the backlog from now on; None: anything.
    pub(super) fn spills_above(&mut self, excess_bytes_max: Option<u64>) {
        self.excess_bytes_max = excess_bytes_max;
        self.spiller = None;
    }

    /// Notes whom to wake when there is too much. False when there is by now.
    pub(super) fn sleep_until_too_much(&mut self, spiller: Waker) -> bool {
        self.has_too_much = self.excess_bytes() > 0;
        if !self.has_too_much {
            self.spiller = Some(spiller);
        }
        !self.has_too_much
    }

    /// The spiller, if it sleeps and there is something to do.
    #[inline]
    pub(super) fn take_spiller(&mut self) -> Option<Waker> {
        self.has_too_much.then(|| self.spiller.take()).flatten()
    }

    pub(super) fn shelved_bytes(&self) -> u64 {
        self.shelved_bytes
    }

    /// The oldest segments of what is too much, some more than that so that not every
    /// segment needs the spiller, about `bytes_max` at most.
    pub(super) fn oldest_excess(&self, bytes_max: u64) -> Vec<Arc<Segment>> {
        let excess_bytes = self.excess_bytes();
        if excess_bytes == 0 {
            return Vec::new();
        }
        let mut bytes = 0;
        let oldest = self.sealed.iter().take_while(|segment| {
            let takes = bytes < bytes_max;
            bytes += segment.capacity_bytes() as u64;
            takes
        });
        oldest.cloned().collect()
    }

    /// Puts what stands on a shelf now in the place of its segments. If they are not the
    /// oldest any more, the next time is soon enough.
    pub(super) fn shelve(&mut self, batch: &[Arc<Segment>], shelved: Arc<Shelved>) {
        let is_same = |(a, b): (&Arc<Segment>, &Arc<Segment>)| Arc::ptr_eq(a, b);
        let is_there = self.sealed.len() >= batch.len();
        if !is_there || !self.sealed.iter().zip(batch).all(is_same) {
            return;
        }
        for segment in self.sealed.drain(..batch.len()) {
            self.sealed_bytes -= segment.capacity_bytes() as u64;
        }
        self.shelved_bytes += shelved.len_bytes();
        self.shelved.push_back(shelved);
    }

    fn unshelve(&mut self) {
        if let Some(shelved) = self.shelved.pop_front() {
            self.shelved_bytes -= shelved.len_bytes();
            self.graveyard.shelved.push(shelved);
        }
    }

    /// Gives up what stands on a shelf before `end`, and the readers that need it.
    pub(super) fn lose_shelved(&mut self, end: u64) -> Wakers {
        while self.shelved.front().is_some_and(|front| front.end() <= end) {
            self.unshelve();
        }
        let kept_after = self.kept_after();
        let lost = |seat: &Seat| seat.offset() < kept_after;
        for seated in self.readers.iter().filter(|r| lost(&r.seat)) {
            seated.seat.cut.store(true, Ordering::Release);
        }
        self.trim_all();
        self.take_wakers(lost)
    }

    /// How many more buffers the pool would take.
    pub(super) fn missing_buffers(&self) -> usize {
        SPARE_BUFFERS_MAX.saturating_sub(self.spare.len())
    }

    /// Takes buffers into the pool as long as there is room.
    pub(super) fn refill_pool(&mut self, buffers: &mut Vec<Vec<u8>>) {
        while self.missing_buffers() > 0 {
            let Some(buffer) = buffers.pop() else { return };
            if buffer.capacity() == SEGMENT_BYTES {
                self.spare.push(buffer);
            }
        }
    }

    // ---- readers ----

    pub(super) fn seat(&mut self, kind: ReaderKind, after: u64) -> Arc<Seat> {
        let seat = Arc::new(Seat {
            kind,
            offset: AtomicU64::new(after),
            cut: AtomicBool::new(false),
            patience_bytes: AtomicU64::new(u64::MAX),
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
        if offset < self.memory_after() {
            let behind = self.shelved.partition_point(|s| s.end() <= offset);
            let shelved = self.shelved.get(behind).filter(|s| s.start() <= offset)?;
            let piece = shelved.piece(offset, limit, kind);
            return Some(Found::Shelved(Arc::clone(shelved), piece));
        }
        let behind = self.sealed.partition_point(|s| s.end() <= offset);
        let segment = self.sealed.get(behind).filter(|s| s.start() <= offset)?;
        let piece = segment.piece(offset, limit, kind);
        Some(Found::Sealed(Arc::clone(segment), piece))
    }
}
