//! The write log: every change, in the order in which it was applied.
//!
//! One log, many readers: each follower's sender and the append-only file read the same
//! bytes at the same offsets, and the replication backlog is nothing but what the log
//! keeps behind its end. A writer appends while it holds the locks of its keys, so the
//! order of the log is the order in which the keys changed.
//!
//! **Offsets** count bytes. The end offset is Redis's `master_repl_offset`: how many
//! bytes there have been, which is also the offset of the last one. `after` names an end
//! offset whose following bytes are meant: the byte that PSYNC asks for as 101 follows
//! 100.
//!
//! **Who pays.** Without a backlog and without a reader nobody pays: `is_active` is one
//! load, and offsets stand still. Else an append is one lock and one copy for a whole
//! group of commands, and waking costs nothing unless somebody sleeps. Memory comes from
//! a pool of segments that the log drops and fills again.
//!
//! **Memory.** The backlog stays in memory. What a slow reader keeps beyond it goes to a
//! shelf (a file, which the log does not know of) as soon as it is more than the spiller's
//! bound, and is read back in order; it is dropped when no reader needs it any more.
//!
//! **SELECT.** The log remembers which database it selected last and puts a SELECT before
//! records of another one. Whoever starts a reader somewhere without telling it the
//! database (a snapshot's cut), and whoever changes the role, calls `forget_selected_db`.
//!
//! **A follower's log** holds its leader's bytes, verbatim, at its leader's offsets.
//!
//! The log knows nothing of keys, sockets or files, nor when it is time for anything.

mod history;

mod record;

mod segment;

mod shelf;

mod state;

mod reader;

mod spiller;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

pub use history::{History, Mismatch, REPL_ID_BYTES, ReplId};
pub use reader::{Missed, Reader, ReaderWatch};
pub use record::{Audience, Records};
pub use segment::ReaderKind;
pub use shelf::{Place, Shelf, Volume};
pub use spiller::Spiller;
pub use state::BACKLOG_SIZE_BYTES_MIN;

use crate::base::memory;
use segment::SEGMENT_BYTES;
use state::{Seat, State, Wakers};

/// The write log. A clone is another handle to the same log.
#[derive(Clone, Debug)]
pub struct Oplog {
    shared: Arc<Shared>,
}

/// What the log's handles and readers share.
#[derive(Debug)]
struct Shared {
    /// Whether anything is logged at all. Changes only under `state`'s lock.
    active: AtomicBool,
    /// Whether a waker may wait in `state`. Set under the lock, so an append that comes
    /// after a reader lay down sees it.
    asleep: AtomicBool,
    /// The end offset, for those who only look.
    end: AtomicU64,
    /// Followers see nothing beyond this end offset.
    held_at: AtomicU64,
    /// The shelf did not take what was too much for memory.
    spill_fails: AtomicBool,
    state: Mutex<State>,
}

/// The offsets that the backlog holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BacklogRange {
    /// Offset of the first byte (`repl_backlog_first_byte_offset`); one beyond the end
    /// while the backlog is empty.
    pub first_offset: u64,
    /// Offset of the last byte.
    pub end_offset: u64,
}

impl BacklogRange {
    /// How many bytes it holds (`repl_backlog_histlen`).
    #[must_use]
    pub fn history_bytes(&self) -> u64 {
        (self.end_offset + 1).saturating_sub(self.first_offset)
    }
}

/// Figures for INFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OplogStats {
    pub end_offset: u64,
    pub backlog: Option<BacklogRange>,
    /// The size asked for, not the size in use.
    pub backlog_size_bytes: u64,
    /// Memory of all segments, those kept for slow readers and the pool included.
    pub memory_bytes: u64,
    /// What is kept for slow readers on a shelf.
    pub shelved_bytes: u64,
    pub readers: usize,
}

impl Oplog {
    /// An inactive log at offset 0 whose backlog, once created, keeps `backlog_size_bytes`
    /// (at least `BACKLOG_SIZE_BYTES_MIN`).
    #[must_use]
    pub fn new(backlog_size_bytes: u64) -> Oplog {
        Oplog {
            shared: Arc::new(Shared {
                active: AtomicBool::new(false),
                asleep: AtomicBool::new(false),
                end: AtomicU64::new(0),
                held_at: AtomicU64::new(u64::MAX),
                spill_fails: AtomicBool::new(false),
                state: Mutex::new(State::new(backlog_size_bytes)),
            }),
        }
    }

    /// Whether appended records go anywhere. Look before encoding any.
    ///
    /// The answer is stable for whoever holds a lock that those who activate the log (by
    /// a backlog or a first reader) hold exclusively.
    #[inline]
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.shared.active.load(Ordering::Relaxed)
    }

    /// Appends the records of a group, empties `records`, and returns the end offset
    /// behind them. `input` is where the requests among them stand. To be called while the
    /// group's keys are locked; `wake_readers` is for after the unlock. An inactive log takes
    /// nothing and does not move.
    #[inline]
    pub fn append(&self, records: &mut Records, input: &[u8]) -> u64 {
        if !self.is_active() || records.is_empty() {
            records.clear();
            return self.end_offset();
        }
        self.append_active(records, input)
    }

    fn append_active(&self, records: &mut Records, input: &[u8]) -> u64 {
        // A large buffer changes hands instead of being copied under the log's lock.
        let large = records.len_bytes() >= SEGMENT_BYTES;
        let single = large.then(|| records.take_single_run(input)).flatten();
        let mut state = self.shared.state.lock();
        match single {
            Some((db, audience, bytes)) => state.append_owned(db, audience, bytes),
            None => {
                for run in records.runs(input) {
                    state.append(run.db, run.audience, run.bytes);
                }
            }
        }
        let end = self.shared.publish(&state);
        self.shared.let_go(state);
        records.clear();
        end
    }

    /// Appends bytes of this follower's leader as they are and returns the end offset.
    /// `selected_db` is the database that the stream has selected after them. Even an
    /// inactive log moves: the offsets are the leader's.
    pub fn append_verbatim(
        &self,
        bytes: &[u8],
        audience: Audience,
        selected_db: Option<u32>,
    ) -> u64 {
        let mut state = self.shared.state.lock();
        if state.is_active() {
            state.append_verbatim(bytes, audience, selected_db);
        } else {
            let end = state.end() + bytes.len() as u64;
            state.reset_to(end);
        }
        let end = self.shared.publish(&state);
        self.shared.let_go(state);
        end
    }

    /// Wakes the readers that sleep and can go on. Costs one load when nobody sleeps. To
    /// be called once a group, when no lock is held any more.
    #[inline]
    pub fn wake_readers(&self) {
        if self.shared.asleep.load(Ordering::Relaxed) {
            self.shared.wake_sleepers();
        }
    }

    /// Redis's `master_repl_offset`.
    #[inline]
    #[must_use]
    pub fn end_offset(&self) -> u64 {
        self.shared.end_offset()
    }

    /// The database that the bytes so far have selected; None if unknown.
    #[must_use]
    pub fn selected_db(&self) -> Option<u32> {
        self.shared.state.lock().selected_db()
    }

    /// Makes the next record of any database begin with a SELECT.
    pub fn forget_selected_db(&self) {
        self.shared.state.lock().forget_selected_db();
    }

    /// Creates the backlog at the present end, unless there is one. True if it was
    /// created: a leader whose past is not documented then takes a new id
    /// (`History::start_anew`).
    pub fn activate_backlog(&self) -> bool {
        let mut state = self.shared.state.lock();
        let created = state.activate_backlog();
        self.shared.publish(&state);
        created
    }

    /// Gives the backlog up. The caller takes a new id.
    pub fn free_backlog(&self) {
        let mut state = self.shared.state.lock();
        state.free_backlog();
        self.shared.publish(&state);
        drop(state);
        self.collect_garbage();
    }

    /// Changes how much the backlog keeps, at least `BACKLOG_SIZE_BYTES_MIN`.
    pub fn set_backlog_size_bytes(&self, size_bytes: u64) {
        self.shared.state.lock().set_backlog_size_bytes(size_bytes);
        self.collect_garbage();
    }

    /// What the backlog holds; None while there is none.
    #[must_use]
    pub fn backlog(&self) -> Option<BacklogRange> {
        backlog_range(&self.shared.state.lock())
    }

    #[must_use]
    pub fn stats(&self) -> OplogStats {
        let state = self.shared.state.lock();
        OplogStats {
            end_offset: state.end(),
            backlog: backlog_range(&state),
            backlog_size_bytes: state.backlog_size_bytes(),
            memory_bytes: state.memory_bytes(),
            shelved_bytes: state.shelved_bytes(),
            readers: state.readers(),
        }
    }

    /// Begins anew at `end_offset`: after a full copy of a leader, or a restart. Drops all
    /// bytes and cuts all readers off; a backlog stays, empty.
    pub fn reset_to(&self, end_offset: u64) {
        let mut state = self.shared.state.lock();
        let wakers = state.reset_to(end_offset);
        self.shared.publish(&state);
        drop(state);
        wake_all(wakers);
        self.collect_garbage();
    }

    /// A reader of what follows the end offset `after`.
    ///
    /// # Errors
    /// That is not in the log (any more).
    pub fn reader_after(&self, after: u64, kind: ReaderKind) -> Result<Reader, Missed> {
        let mut state = self.shared.state.lock();
        if after < state.kept_after() || after > state.end() {
            return Err(Missed { after });
        }
        Ok(self.seat(&mut state, after, kind))
    }

    /// A reader of what will be appended from now on.
    #[must_use]
    pub fn reader_at_end(&self, kind: ReaderKind) -> Reader {
        let mut state = self.shared.state.lock();
        let end = state.end();
        self.seat(&mut state, end, kind)
    }

    fn seat(&self, state: &mut State, after: u64, kind: ReaderKind) -> Reader {
        let seat = state.seat(kind, after);
        self.shared.publish(state);
        Reader::new(Arc::clone(&self.shared), seat)
    }

    /// Shows followers nothing beyond this end offset, because the append-only file has
    /// not taken it yet: a follower must never be ahead of what a restart would bring
    /// back. None lifts the limit.
    pub fn hold_followers(&self, at: Option<u64>) {
        let mut state = self.shared.state.lock();
        let at = at.unwrap_or(u64::MAX);
        self.shared.held_at.store(at, Ordering::Release);
        let wakers = state.take_wakers(|seat| seat.kind.is_held() && seat.offset() < at);
        drop(state);
        wake_all(wakers);
    }

    /// Whoever keeps the log's memory within bounds: beyond the backlog at most
    /// `memory_bytes_max`, and a few segments more.
    #[must_use]
    pub fn spiller(&self, memory_bytes_max: u64) -> Spiller {
        Spiller::new(Arc::clone(&self.shared), memory_bytes_max)
    }

    /// Whether what is too much for memory stays there, because the shelf does not take it.
    #[must_use]
    pub fn cannot_spill(&self) -> bool {
        self.shared.spill_fails.load(Ordering::Relaxed)
    }

    /// Fills the pool of a log that is active or about to be. To be called by a thread that
    /// serves no clients, now and then while more is kept than before: who appends to a growing
    /// log would take new memory into use, under the locks of its keys and the log's.
    pub fn stock_up(&self) {
        let missing = self.shared.state.lock().missing_buffers();
        if missing > 0 {
            let buffers = (0..missing).map(|_| memory::touched_buffer(SEGMENT_BYTES));
            let mut buffers = buffers.collect();
            self.shared.state.lock().refill_pool(&mut buffers);
        }
    }

    /// Frees what the log dropped. Readers do it as they go; for a log without readers
    /// this is to be called now and then, by a thread that serves no clients.
    pub fn collect_garbage(&self) {
        let graveyard = self.shared.state.lock().take_graveyard();
        drop(graveyard);
    }
}

impl Shared {
    fn end_offset(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Makes visible what changed under the lock; returns the end offset.
    #[inline]
    fn publish(&self, state: &State) -> u64 {
        let end = state.end();
        self.end.store(end, Ordering::Release);
        self.active.store(state.is_active(), Ordering::Relaxed);
        end
    }

    /// Unlocks after an append; wakes the spiller if that has become too much for memory.
    #[inline]
    fn let_go(&self, mut state: MutexGuard<'_, State>) {
        let spiller = state.take_spiller();
        drop(state);
        if let Some(spiller) = spiller {
            spiller.wake();
        }
    }

    /// The end offset up to which a reader may look, given where the log ends.
    fn limit(&self, kind: ReaderKind, end: u64) -> u64 {
        if kind.is_held() {
            end.min(self.held_at.load(Ordering::Acquire))
        } else {
            end
        }
    }

    #[cold]
    fn wake_sleepers(&self) {
        let mut state = self.state.lock();
        let end = state.end();
        // Followers that are held sleep on: `hold_followers` wakes them.
        let wakers = state.take_wakers(|seat| self.limit(seat.kind, end) > seat.offset());
        // Who lay down after the last append has nothing to read yet, and must be woken by
        // the next one.
        let others = state.has_wakers(|seat| self.limit(seat.kind, u64::MAX) > seat.offset());
        self.asleep.store(others, Ordering::Relaxed);
        drop(state);
        wake_all(wakers);
    }

    fn leave(&self, seat: &Arc<Seat>) {
        let mut state = self.state.lock();
        state.unseat(seat);
        self.publish(&state);
        let graveyard = state.take_graveyard();
        drop(state);
        drop(graveyard);
    }

    fn cut(&self, seat: &Arc<Seat>) {
        let mut state = self.state.lock();
        let wakers = state.cut(seat);
        self.publish(&state);
        drop(state);
        wake_all(wakers);
    }
}

fn backlog_range(state: &State) -> Option<BacklogRange> {
    state.backlog_after().map(|after| BacklogRange {
        first_offset: after + 1,
        end_offset: state.end(),
    })
}

fn wake_all(wakers: Wakers) {
    for waker in wakers {
        waker.wake();
    }
}

#[cfg(test)]
mod tests;
