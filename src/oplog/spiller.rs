//! Who takes care that the log does not take more memory than it may.
//!
//! What the backlog is to hold stays in memory. What is kept beyond that, for a reader that
//! lags far behind, may take `memory_bytes_max`; the oldest of what is more goes to a shelf.
//! Those who append only notice that there is too much, once a segment, and wake the
//! spiller's thread: they neither write anything nor free anything.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use super::Shared;
use super::reader::Unpark;
use super::segment::Segment;
use super::shelf::{Shelf, Shelved};
use super::state::Wakers;

/// Written in one go at most.
const BATCH_BYTES_MAX: u64 = 1 << 20;

/// Keeps the log's memory within bounds. One for a log, used by one thread.
#[derive(Debug)]
pub struct Spiller {
    shared: Arc<Shared>,
}

impl Spiller {
    pub(super) fn new(shared: Arc<Shared>, memory_bytes_max: u64) -> Spiller {
        shared.state.lock().spills_above(Some(memory_bytes_max));
        Spiller { shared }
    }

    /// Sleeps until the log takes too much memory, at most `timeout`.
    pub fn wait_blocking(&mut self, timeout: Duration) {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        if self.shared.state.lock().sleep_until_too_much(waker) {
            std::thread::park_timeout(timeout);
        }
    }

    /// Puts the oldest part of what is too much on the shelf. False when nothing is.
    ///
    /// # Errors
    /// The shelf does not take it. It stays in memory, and the next call tries again.
    pub fn step(&mut self, shelf: &mut dyn Shelf) -> io::Result<bool> {
        let (batch, is_clear, graveyard) = {
            let mut state = self.shared.state.lock();
            let batch = state.oldest_excess(BATCH_BYTES_MAX);
            (
                batch,
                state.shelved_bytes() == 0,
                state.take_shelved_graveyard(),
            )
        };
        drop(graveyard);
        if is_clear {
            shelf.cleared();
        }
        if batch.is_empty() {
            self.shared.spill_fails.store(false, Ordering::Relaxed);
            return Ok(false);
        }
        let pieces: Vec<&[u8]> = batch.iter().map(|segment| segment.bytes()).collect();
        let place = shelf.put(&pieces);
        self.shared
            .spill_fails
            .store(place.is_err(), Ordering::Relaxed);
        let shelved = Arc::new(Shelved::new(&batch, place?));
        let mut state = self.shared.state.lock();
        state.shelve(&batch, shelved);
        drop(state);
        self.recycle(batch);
        Ok(true)
    }

    /// Whether so much is in memory, less `margin_bytes`, that those who append had better wait
    /// for a reader: the shelf does not take it, and it is more than that reader's patience.
    pub fn is_crowded(&self, margin_bytes: u64) -> bool {
        let mut state = self.shared.state.lock();
        let is_crowded = state.is_crowded(margin_bytes);
        let graveyard = state.take_graveyard();
        drop(state);
        drop(graveyard);
        is_crowded
    }

    /// Gives the buffers of what was put away back to the pool, or frees them here.
    fn recycle(&self, batch: Vec<Arc<Segment>>) {
        // Those that a reader holds it frees when it goes on.
        let free = batch.into_iter().filter_map(Arc::into_inner);
        let mut buffers: Vec<Vec<u8>> = free.map(Segment::into_buffer).collect();
        let mut state = self.shared.state.lock();
        if state.is_active() {
            state.refill_pool(&mut buffers);
        }
    }
}

impl Drop for Spiller {
    fn drop(&mut self) {
        self.shared.state.lock().spills_above(None);
    }
}

impl Shared {
    /// What stands on a shelf before `end` cannot be read back: those who would have to read
    /// it are cut off.
    pub(super) fn lose_shelved(&self, end: u64) {
        let mut state = self.state.lock();
        let wakers: Wakers = state.lose_shelved(end);
        self.publish(&state);
        let graveyard = state.take_graveyard();
        drop(state);
        drop(graveyard);
        super::wake_all(wakers);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use parking_lot::Mutex;

    use super::super::shelf::{Place, Volume};
    use super::super::{Audience, Missed, Oplog, Reader, ReaderKind, Records};
    use super::*;
    use crate::base::rng::Rng;
    use crate::oplog::segment::SEGMENT_BYTES;

    /// A shelf in memory that can break.
    #[derive(Clone, Debug, Default)]
    struct Board {
        bytes: Arc<Mutex<Vec<u8>>>,
        is_full: Arc<AtomicBool>,
        is_broken: Arc<AtomicBool>,
    }

    impl Board {
        fn error_if(flag: &AtomicBool) -> io::Result<()> {
            match flag.load(Ordering::Relaxed) {
                true => Err(io::ErrorKind::StorageFull.into()),
                false => Ok(()),
            }
        }
    }

    impl Shelf for Board {
        fn put(&mut self, pieces: &[&[u8]]) -> io::Result<Place> {
            Board::error_if(&self.is_full)?;
            let mut bytes = self.bytes.lock();
            let at = bytes.len() as u64;
            pieces
                .iter()
                .for_each(|piece| bytes.extend_from_slice(piece));
            let volume = Arc::new(self.clone());
            Ok(Place { volume, at })
        }

        fn cleared(&mut self) {}
    }

    impl Volume for Board {
        fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
            Board::error_if(&self.is_broken)?;
            let at = at as usize;
            into.copy_from_slice(&self.bytes.lock()[at..at + into.len()]);
            Ok(())
        }
    }

    fn put(log: &Oplog, audience: Audience, bytes: &[u8]) {
        let mut records = Records::new();
        records.raw(None, audience, bytes);
        log.append(&mut records, &[]);
    }

    fn put_segments(log: &Oplog, count: usize) {
        (0..count).for_each(|_| put(log, Audience::All, &[b'x'; SEGMENT_BYTES]));
    }

    fn spill(spiller: &mut Spiller, board: &Board) {
        while spiller.step(&mut board.clone()).unwrap() {}
    }

    fn take(reader: &mut Reader, bytes_max: usize) -> Result<Vec<u8>, Missed> {
        let bytes = reader.fill(bytes_max)?.to_vec();
        reader.consume(bytes.len());
        Ok(bytes)
    }

    const BACKLOG_BYTES: u64 = 4 * SEGMENT_BYTES as u64;
    const MEMORY_BYTES: u64 = 16 * SEGMENT_BYTES as u64;

    fn log_and_spiller() -> (Oplog, Spiller, Board) {
        let log = Oplog::new(BACKLOG_BYTES);
        log.activate_backlog();
        let spiller = log.spiller(MEMORY_BYTES);
        (log, spiller, Board::default())
    }

    #[test]
    fn memory_is_bounded_and_the_shelf_is_cleared_by_the_slowest() {
        let (log, mut spiller, board) = log_and_spiller();
        let mut slow = log.reader_at_end(ReaderKind::Follower);
        for _ in 0..200 {
            put_segments(&log, 1);
            spill(&mut spiller, &board);
            let bound = BACKLOG_BYTES + MEMORY_BYTES + 12 * SEGMENT_BYTES as u64;
            assert!(log.stats().memory_bytes <= bound);
        }
        let all = 200 * SEGMENT_BYTES as u64;
        assert!(log.stats().shelved_bytes > all / 2);
        assert_eq!(log.backlog().unwrap().history_bytes(), all);
        let mut read = 0;
        while slow.lag_bytes() > BACKLOG_BYTES {
            read += take(&mut slow, usize::MAX).unwrap().len();
        }
        put_segments(&log, 1);
        assert_eq!(read as u64 + slow.lag_bytes(), all + SEGMENT_BYTES as u64);
        assert_eq!(log.stats().shelved_bytes, 0);
    }

    #[test]
    fn who_leaves_or_is_cut_needs_no_shelf() {
        for cut in [true, false] {
            let (log, mut spiller, board) = log_and_spiller();
            let slow = log.reader_at_end(ReaderKind::Follower);
            put_segments(&log, 100);
            spill(&mut spiller, &board);
            assert!(log.stats().shelved_bytes > 0);
            match cut {
                true => slow.watch().cut(),
                false => drop(slow),
            }
            assert_eq!(log.stats().shelved_bytes, 0);
            assert!(log.backlog().unwrap().history_bytes() < 2 * BACKLOG_BYTES);
        }
    }

    #[test]
    fn a_full_shelf_leaves_all_in_memory_until_there_is_room() {
        let (log, mut spiller, board) = log_and_spiller();
        let mut slow = log.reader_at_end(ReaderKind::Follower);
        put_segments(&log, 100);
        board.is_full.store(true, Ordering::Relaxed);
        assert!(spiller.step(&mut board.clone()).is_err());
        assert!(log.cannot_spill());
        assert_eq!(log.stats().shelved_bytes, 0);
        assert_eq!(take(&mut slow, 10).unwrap(), b"xxxxxxxxxx");
        board.is_full.store(false, Ordering::Relaxed);
        spill(&mut spiller, &board);
        assert!(!log.cannot_spill());
        assert!(log.stats().shelved_bytes > 0);
        assert_eq!(take(&mut slow, 10).unwrap(), b"xxxxxxxxxx");
    }

    #[test]
    fn a_full_shelf_is_crowded_beyond_a_readers_patience() {
        let (log, spiller, _) = log_and_spiller();
        let mut slow = log.reader_at_end(ReaderKind::Follower);
        let one = SEGMENT_BYTES as u64;
        put_segments(&log, 100);
        assert!(!spiller.is_crowded(0), "nobody waits for it");
        slow.watch().set_patience_bytes(80 * one);
        assert!(!spiller.is_crowded(0));
        assert!(
            spiller.is_crowded(2 * one),
            "that is near enough to go on waiting"
        );
        put_segments(&log, 2);
        assert!(spiller.is_crowded(0));
        slow.watch().set_patience_bytes(90 * one);
        assert!(!spiller.is_crowded(one));
        slow.watch().set_patience_bytes(0);
        assert!(spiller.is_crowded(0));
        // Nobody appends, and what was read goes all the same.
        while slow.lag_bytes() > 20 * one {
            take(&mut slow, usize::MAX).unwrap();
        }
        assert!(!spiller.is_crowded(0));
        assert!(log.stats().memory_bytes < 32 * one);
        put_segments(&log, 10);
        assert!(spiller.is_crowded(0));
        slow.watch().cut();
        assert!(!spiller.is_crowded(0));
    }

    #[test]
    fn a_broken_shelf_costs_only_those_who_need_it() {
        let (log, mut spiller, board) = log_and_spiller();
        let mut slow = log.reader_at_end(ReaderKind::Follower);
        let mut slowest = log.reader_at_end(ReaderKind::Follower);
        put_segments(&log, 50);
        let mut fast = log.reader_at_end(ReaderKind::Follower);
        put_segments(&log, 4);
        spill(&mut spiller, &board);
        board.is_broken.store(true, Ordering::Relaxed);
        assert_eq!(take(&mut slow, 10), Err(Missed { after: 0 }));
        assert!(take(&mut slowest, 10).is_err());
        assert_eq!(take(&mut fast, 3).unwrap(), b"xxx");
        assert_eq!(log.stats().shelved_bytes, 0);
        assert!(log.reader_after(0, ReaderKind::Follower).is_err());
    }

    #[test]
    fn the_spiller_is_woken_when_there_is_too_much() {
        let (log, mut spiller, _) = log_and_spiller();
        let _slow = log.reader_at_end(ReaderKind::Follower);
        let writer = log.clone();
        let thread = std::thread::spawn(move || put_segments(&writer, 40));
        let started = std::time::Instant::now();
        while log.shared.state.lock().oldest_excess(1).is_empty() {
            spiller.wait_blocking(Duration::from_secs(60));
            assert!(started.elapsed().as_secs() < 60, "a waking was lost");
        }
        thread.join().unwrap();
    }

    /// A log under random appends, spills, resets and readers that begin anywhere, against a
    /// plain list of bytes.
    #[test]
    fn readers_do_not_notice_where_bytes_are() {
        for seed in 0..20 {
            let mut rng = Rng::seeded(seed);
            let (log, mut spiller, board) = log_and_spiller();
            let mut all: Vec<(u8, bool)> = Vec::new();
            let mut readers: Vec<(Reader, ReaderKind)> = Vec::new();
            for _ in 0..400 {
                match rng.below(8) {
                    0..3 => {
                        let (len, value) = (rng.below(150_000) as usize, rng.below(256) as u8);
                        let for_aof = rng.below(3) > 0;
                        let audience = match for_aof {
                            true => Audience::All,
                            false => Audience::FollowersOnly,
                        };
                        let bytes: Vec<u8> = (0..len).map(|i| value ^ (i % 251) as u8).collect();
                        put(&log, audience, &bytes);
                        all.extend(bytes.iter().map(|byte| (*byte, for_aof)));
                    }
                    3 => spill(&mut spiller, &board),
                    4 if readers.len() < 5 => {
                        let first = log.backlog().unwrap().first_offset - 1;
                        let after = first + rng.below(log.end_offset() - first + 1);
                        let kind = match rng.below(2) {
                            0 => ReaderKind::Follower,
                            _ => ReaderKind::Aof,
                        };
                        readers.push((log.reader_after(after, kind).unwrap(), kind));
                    }
                    5 if !readers.is_empty() => {
                        let which = rng.below(readers.len() as u64) as usize;
                        readers.swap_remove(which);
                    }
                    _ if !readers.is_empty() => {
                        let which = rng.below(readers.len() as u64) as usize;
                        let (reader, kind) = &mut readers[which];
                        let from = reader.offset() as usize;
                        let max = rng.below(1_000_000) as usize;
                        let mut bytes = Vec::new();
                        while bytes.len() < max {
                            let more = take(reader, max - bytes.len()).unwrap();
                            if more.is_empty() {
                                break;
                            }
                            bytes.extend(more);
                        }
                        let passed = &all[from..reader.offset() as usize];
                        let for_it =
                            |(_, for_aof): &&(u8, bool)| *for_aof || *kind == ReaderKind::Follower;
                        let expect = passed.iter().filter(for_it).map(|(byte, _)| *byte);
                        assert!(bytes.into_iter().eq(expect), "seed {seed}");
                    }
                    _ => {}
                }
            }
        }
    }
}
