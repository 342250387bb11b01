//! The bytes of one snapshot on their way to the followers that share it.
//!
//! ```text
//!   made by the pass ──push──> [ file, as far as somebody needs it ][ window ]──> end
//!                                   ^ a slow follower                  ^ the others
//! ```
//!
//! The pass goes on as long as the fastest of them has room. What a slower one has not taken
//! yet when it leaves the window goes to a file without a name, from which that one reads on
//! its own: so it neither holds up the others nor takes memory. Where such a file cannot be
//! had, the slowest is waited for.
//!
//! For followers that need to know the length beforehand all goes to the file first.
//!
//! All of it runs on the leader's thread.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::line::LogLine;
use crate::base::os_error;
use crate::persist::spill::SpillFile;

/// So far ahead of the fastest follower the pass may be.
const AHEAD_BYTES_MAX: u64 = 512 << 10;

/// So much stays in memory for those who are a little slower.
const WINDOW_BYTES_MAX: u64 = 2 * AHEAD_BYTES_MAX;

/// What is read from the file at once.
const FILE_PIECE_BYTES: u64 = 64 << 10;

/// Part of a snapshot. If the pieces break off before `End`, the snapshot failed.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    Bytes(Bytes),
    End,
}

/// The side of the pass. When it goes before `finish`, the snapshot failed.
pub struct Relay(Rc<RefCell<State>>);

/// The side of one follower.
pub struct Pieces {
    state: Rc<RefCell<State>>,
    member: u64,
}

struct State {
    /// The newest pieces; the first begins at `window_start`.
    window: VecDeque<Bytes>,
    window_start: u64,
    end: u64,
    file: Option<Stored>,
    dir: PathBuf,
    /// Everything goes to the file, and nothing out before the end.
    file_first: bool,
    /// The file did not take what was to leave the window.
    spill_fails: bool,
    /// The pass is to end soon, whatever its followers have taken.
    hurries: bool,
    fate: Fate,
    members: BTreeMap<u64, Member>,
    joined: u64,
    /// How many have taken all.
    done: u64,
    /// Who waits for room, or for the last member to be done.
    maker: Option<Waker>,
}

/// The bytes from `start` on, up to the window.
struct Stored {
    file: SpillFile,
    start: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Running,
    Whole,
    Failed,
}

struct Member {
    /// How much it has taken.
    position: u64,
    told_length: bool,
    told_end: bool,
    waker: Option<Waker>,
}

impl Relay {
    /// A way for pieces as they are made. The file, if one is needed, will be in `dir`.
    pub fn streaming(dir: PathBuf) -> Relay {
        Relay::new(dir, false)
    }

    /// A way through a file, with the length in front.
    pub fn through_file(dir: PathBuf) -> Relay {
        Relay::new(dir, true)
    }

    fn new(dir: PathBuf, file_first: bool) -> Relay {
        Relay(Rc::new(RefCell::new(State {
            window: VecDeque::new(),
            window_start: 0,
            end: 0,
            file: None,
            dir,
            file_first,
            spill_fails: false,
            hurries: false,
            fate: Fate::Running,
            members: BTreeMap::new(),
            joined: 0,
            done: 0,
            maker: None,
        })))
    }

    /// One more follower, from the beginning. To be called before anything is pushed.
    pub fn join(&self) -> Pieces {
        let mut state = self.0.borrow_mut();
        let id = state.joined;
        state.joined += 1;
        let told_length = !state.file_first;
        let member = Member {
            position: 0,
            told_length,
            told_end: false,
            waker: None,
        };
        state.members.insert(id, member);
        Pieces {
            state: self.0.clone(),
            member: id,
        }
    }

    /// Nobody takes anything any more.
    pub fn is_deserted(&self) -> bool {
        self.0.borrow().members.is_empty()
    }

    /// How many have taken all of it.
    pub fn done(&self) -> u64 {
        self.0.borrow().done
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// They had to go to the file, which did not take them.
    pub fn push(&self, bytes: Bytes) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        let len_bytes = bytes.len() as u64;
        if state.file_first {
            state.store(&bytes)?;
            state.end += len_bytes;
            state.window_start = state.end;
            return Ok(());
        }
        if len_bytes > 0 {
            state.end += len_bytes;
            state.window.push_back(bytes);
            state.trim();
            state.wake_members();
        }
        Ok(())
    }

    /// All has been pushed.
    pub fn finish(&self) {
        let mut state = self.0.borrow_mut();
        state.fate = Fate::Whole;
        state.wake_members();
    }

    /// Whether the pass is to end soon: then there is room as long as there is a file.
    pub fn hurry(&self, hurries: bool) {
        self.0.borrow_mut().hurries = hurries;
    }

    /// Waits until more may be pushed.
    pub async fn room(&self) {
        self.wait(State::has_room).await;
    }

    /// Waits until every follower has taken all, or has gone.
    pub async fn taken(&self) {
        let is_done = |member: &Member| member.told_end;
        self.wait(|state| state.members.values().all(is_done)).await;
    }

    async fn wait(&self, condition: impl Fn(&State) -> bool) {
        poll_fn(|cx| {
            let mut state = self.0.borrow_mut();
            if condition(&state) {
                return Poll::Ready(());
            }
            state.maker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let mut state = self.0.borrow_mut();
        if state.fate == Fate::Running {
            state.fate = Fate::Failed;
            state.wake_members();
        }
    }
}

impl Pieces {
    /// The next piece; None when the snapshot failed.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        let mut state = self.state.borrow_mut();
        let next = match state.next(self.member) {
            Ok(next) => next,
            Err(error) => {
                let why = os_error::words(&error);
                LogLine::warning(format!("Read error sending DB to replica: {why}")).log();
                return Poll::Ready(None);
            }
        };
        match next {
            Next::Piece(piece) => {
                state.trim();
                state.wake_maker();
                Poll::Ready(Some(piece))
            }
            Next::Failed => Poll::Ready(None),
            Next::Nothing => {
                if let Some(member) = state.members.get_mut(&self.member) {
                    member.waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        let mut state = self.state.borrow_mut();
        state.members.remove(&self.member);
        state.trim();
        state.wake_maker();
    }
}

enum Next {
    Piece(Piece),
    Nothing,
    Failed,
}

impl State {
    fn has_room(&self) -> bool {
        if self.file_first {
            return true;
        }
        let window_bytes = self.end - self.window_start;
        if self.spill_fails && window_bytes > WINDOW_BYTES_MAX {
            return false;
        }
        let fastest = self.members.values().map(|member| member.position).max();
        self.hurries || fastest.is_none_or(|position| self.end - position < AHEAD_BYTES_MAX)
    }

    /// Lets the oldest pieces leave the window: those that somebody needs into the file.
    fn trim(&mut self) {
        while let Some(first) = self.window.front() {
            let first_end = self.window_start + first.len() as u64;
            let is_needed = |member: &Member| member.position < first_end;
            if self.members.values().any(is_needed) {
                if self.end - self.window_start <= WINDOW_BYTES_MAX {
                    break;
                }
                let first = first.clone();
                let stored = self.store(&first);
                if let Err(error) = stored {
                    if !self.spill_fails {
                        tracing::warn!(
                            "A full sync cannot be spilled to disk, so that its followers wait \
                             for the slowest of them: {error}"
                        );
                    }
                    self.spill_fails = true;
                    break;
                }
            }
            self.spill_fails = false;
            self.window_start = first_end;
            self.window.pop_front();
        }
        let slowest = self.members.values().map(|member| member.position).min();
        if slowest.is_none_or(|position| position >= self.window_start) {
            // Nobody reads the file; if one is needed again, it is another one.
            self.file = None;
        }
    }

    /// Appends to the file what stands at the beginning of the window.
    fn store(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(Stored {
                file: SpillFile::create(&self.dir)?,
                start: self.window_start,
            });
        }
        match &self.file {
            Some(stored) => stored
                .file
                .write_at(self.window_start - stored.start, bytes),
            None => Ok(()),
        }
    }

    fn next(&mut self, id: u64) -> io::Result<Next> {
        let (fate, end) = (self.fate, self.end);
        let Some(member) = self.members.get_mut(&id) else {
            return Ok(Next::Failed);
        };
        if fate == Fate::Failed {
            return Ok(Next::Failed);
        }
        if self.file_first && fate == Fate::Running {
            return Ok(Next::Nothing);
        }
        if !member.told_length {
            member.told_length = true;
            let header = format!("${end}\r\n");
            return Ok(Next::Piece(Piece::Bytes(header.into())));
        }
        let position = member.position;
        if position == end {
            if fate == Fate::Running {
                return Ok(Next::Nothing);
            }
            member.told_end = true;
            self.done += 1;
            return Ok(Next::Piece(Piece::End));
        }
        let bytes = match position < self.window_start {
            true => self.read_stored(position)?,
            false => self.look_up(position),
        };
        if let Some(member) = self.members.get_mut(&id) {
            member.position += bytes.len() as u64;
        }
        Ok(Next::Piece(Piece::Bytes(bytes)))
    }

    fn read_stored(&self, position: u64) -> io::Result<Bytes> {
        let missing = || io::Error::other("it is not in the file");
        let stored = self.file.as_ref().ok_or_else(missing)?;
        let len_bytes = FILE_PIECE_BYTES.min(self.window_start - position);
        let mut bytes = vec![0; len_bytes as usize];
        stored.file.read_at(position - stored.start, &mut bytes)?;
        Ok(bytes.into())
    }

    /// The piece of the window that begins at `position`, or the rest of the one around it.
    fn look_up(&self, position: u64) -> Bytes {
        let mut skipped = (position - self.window_start) as usize;
        for piece in &self.window {
            if skipped < piece.len() {
                return piece.slice(skipped..);
            }
            skipped -= piece.len();
        }
        Bytes::new()
    }

    fn wake_members(&mut self) {
        let wakers = self.members.values_mut().filter_map(|m| m.waker.take());
        wakers.for_each(Waker::wake);
    }

    fn wake_maker(&mut self) {
        if let Some(maker) = self.maker.take() {
            maker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    fn next(pieces: &mut Pieces) -> Poll<Option<Piece>> {
        pieces.poll_next(&mut Context::from_waker(Waker::noop()))
    }

    fn has_room(relay: &Relay) -> bool {
        relay.0.borrow().has_room()
    }

    fn window_bytes(relay: &Relay) -> u64 {
        relay.0.borrow().window.iter().map(|b| b.len() as u64).sum()
    }

    fn chunk(fill: u8) -> Bytes {
        vec![fill; 128 << 10].into()
    }

    #[test]
    fn the_fastest_sets_the_pace_and_the_slow_read_from_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let relay = Relay::streaming(dir.path().to_owned());
        let (mut fast, mut slow) = (relay.join(), relay.join());
        let mut pushed = 0_u8;
        for round in 0..20 {
            while has_room(&relay) {
                relay.push(chunk(pushed)).unwrap();
                pushed += 1;
            }
            assert!(window_bytes(&relay) <= WINDOW_BYTES_MAX + (128 << 10));
            assert_eq!(relay.0.borrow().file.is_some(), round > 1, "{round}");
            while let Poll::Ready(piece) = next(&mut fast) {
                assert!(matches!(piece, Some(Piece::Bytes(_))));
            }
        }
        relay.finish();
        let mut taken = Vec::new();
        while let Poll::Ready(Some(Piece::Bytes(bytes))) = next(&mut slow) {
            taken.extend_from_slice(&bytes);
        }
        assert!(relay.0.borrow().file.is_none(), "nobody needs it any more");
        assert_eq!(next(&mut fast), Poll::Ready(Some(Piece::End)));
        let expect = (0..pushed).flat_map(|fill| chunk(fill).to_vec());
        assert!(taken.into_iter().eq(expect));
        // The slow one's was asked for by the loop above.
        assert_eq!(relay.done(), 2);
    }

    #[test]
    fn one_that_hangs_or_leaves_holds_up_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let relay = Relay::streaming(dir.path().to_owned());
        let (mut fast, hung) = (relay.join(), relay.join());
        for fill in 0..100 {
            assert!(has_room(&relay));
            relay.push(chunk(fill)).unwrap();
            assert_eq!(
                next(&mut fast),
                Poll::Ready(Some(Piece::Bytes(chunk(fill))))
            );
        }
        assert!(relay.0.borrow().file.is_some());
        drop(hung);
        assert!(relay.0.borrow().file.is_none());
        assert_eq!(window_bytes(&relay), 0);
        drop(fast);
        assert!(relay.is_deserted());
    }

    #[test]
    fn a_pass_that_hurries_needs_nobody_to_take_anything() {
        let dir = tempfile::tempdir().unwrap();
        let relay = Relay::streaming(dir.path().to_owned());
        let mut slow = relay.join();
        relay.hurry(true);
        for fill in 0..100 {
            assert!(has_room(&relay));
            relay.push(chunk(fill)).unwrap();
        }
        assert!(window_bytes(&relay) <= WINDOW_BYTES_MAX);
        relay.finish();
        let mut taken = 0;
        while let Poll::Ready(Some(Piece::Bytes(bytes))) = next(&mut slow) {
            taken += bytes.len();
        }
        assert_eq!(taken, 100 * (128 << 10));
    }

    #[test]
    fn without_a_disk_the_slowest_is_waited_for() {
        let relay = Relay::streaming(PathBuf::from("/nowhere"));
        let (mut fast, mut slow) = (relay.join(), relay.join());
        let mut pushed = 0_u8;
        for _ in 0..10 {
            while has_room(&relay) {
                relay.push(chunk(pushed)).unwrap();
                pushed += 1;
            }
            while next(&mut fast).is_ready() {}
        }
        assert!(window_bytes(&relay) <= WINDOW_BYTES_MAX + (128 << 10));
        assert!(!has_room(&relay));
        for fill in 0..4 {
            assert_eq!(
                next(&mut slow),
                Poll::Ready(Some(Piece::Bytes(chunk(fill))))
            );
        }
        assert!(has_room(&relay));
    }

    #[test]
    fn through_a_file_the_length_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        let relay = Relay::through_file(dir.path().to_owned());
        let mut pieces = relay.join();
        relay.push(Bytes::from_static(b"snap")).unwrap();
        assert_eq!(next(&mut pieces), Poll::Pending);
        relay.push(Bytes::from_static(b"shot")).unwrap();
        relay.finish();
        for text in ["$8\r\n", "snapshot"] {
            let piece = Piece::Bytes(text.into());
            assert_eq!(next(&mut pieces), Poll::Ready(Some(piece)));
        }
        assert_eq!(next(&mut pieces), Poll::Ready(Some(Piece::End)));
        let nowhere = Relay::through_file(PathBuf::from("/nowhere"));
        assert!(nowhere.push(Bytes::from_static(b"x")).is_err());
    }

    #[test]
    fn a_pass_that_ends_early_breaks_off() {
        let relay = Relay::streaming(PathBuf::from("/nowhere"));
        let mut pieces = relay.join();
        relay.push(Bytes::from_static(b"x")).unwrap();
        drop(relay);
        assert_eq!(next(&mut pieces), Poll::Ready(None));
    }

    /// Members that take as they like get the same bytes, whatever leaves whenever.
    #[test]
    fn every_member_gets_every_byte() {
        for seed in 0..50 {
            let mut rng = Rng::seeded(seed);
            let dir = tempfile::tempdir().unwrap();
            let relay = Relay::streaming(dir.path().to_owned());
            let mut members: Vec<(Pieces, Vec<u8>)> =
                (0..4).map(|_| (relay.join(), Vec::new())).collect();
            let mut all = Vec::new();
            for step in 0..300_u32 {
                if rng.below(3) > 0 {
                    let len = rng.below(300_000) as usize;
                    let bytes: Vec<u8> = (0..len).map(|i| (i as u32 ^ step) as u8).collect();
                    all.extend_from_slice(&bytes);
                    relay.push(bytes.into()).unwrap();
                }
                let which = rng.below(members.len() as u64) as usize;
                if rng.below(100) == 0 && members.len() > 1 {
                    members.swap_remove(which);
                    continue;
                }
                let (pieces, taken) = &mut members[which];
                for _ in 0..rng.below(4) {
                    if let Poll::Ready(Some(Piece::Bytes(bytes))) = next(pieces) {
                        taken.extend_from_slice(&bytes);
                    }
                }
            }
            relay.finish();
            for (mut pieces, mut taken) in members {
                while let Poll::Ready(Some(Piece::Bytes(bytes))) = next(&mut pieces) {
                    taken.extend_from_slice(&bytes);
                }
                assert!(taken == all, "seed {seed}");
            }
        }
    }
}
