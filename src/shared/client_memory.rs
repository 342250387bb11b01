//! What clients take of memory: each of them, and all together for `maxmemory-clients`.
//!
//! A connection stores its own figures, others only read them. To know the sum whoever asks
//! adds them up, which takes a moment for each client: a look. That a look is due shows in the
//! `Ledger`, where only those are counted who take much:
//!
//! ```text
//!     counted         above_bytes          all that is counted      the limit
//!   ------|----------------|------            ------|------------------|------
//!     clients with COUNTED_BYTES_MIN or more        clients as of the last look
//! ```
//!
//! `above_bytes` is as far from what was counted at the last look as the sum was from the
//! limit. So a client that takes little touches nothing that it shares with others, and is
//! seen by the looks that are taken every so often.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};

use parking_lot::{Mutex, MutexGuard};

/// A client is counted anew when it takes so much more than when it was counted last.
const COUNTED_BYTES_MIN: i64 = 16 << 10;

/// What one client takes, in bytes.
#[derive(Default)]
pub struct ClientMemory {
    /// What has come of a request that is not whole, behind its last whole argument.
    pub query_bytes: AtomicUsize,
    pub query_free_bytes: AtomicUsize,
    /// The whole arguments before.
    pub argument_bytes: AtomicUsize,
    /// A command that waits.
    pub parked_bytes: AtomicUsize,
    /// The commands of a transaction.
    pub queued_bytes: AtomicUsize,
    /// Watched keys, channels and patterns.
    pub name_bytes: AtomicUsize,
    /// The prefixes of what it tracks.
    pub prefix_bytes: AtomicUsize,
    /// Replies.
    pub output_bytes: AtomicUsize,
    pub output_free_bytes: AtomicUsize,
    /// Messages that are no part of the output yet.
    pub pushed_bytes: AtomicUsize,
    pub pushed_free_bytes: AtomicUsize,
    counted_bytes: AtomicI64,
    /// What it took when its end began, or `HAS_LEFT`.
    leaving_bytes: AtomicI64,
    ledger: Arc<Ledger>,
}

const HAS_LEFT: i64 = -1;

impl ClientMemory {
    /// That of a client who is counted in this ledger.
    pub fn new(ledger: Arc<Ledger>) -> ClientMemory {
        ClientMemory {
            ledger,
            ..ClientMemory::default()
        }
    }

    /// All of it.
    pub fn bytes(&self) -> usize {
        let parts = [
            &self.query_bytes,
            &self.query_free_bytes,
            &self.argument_bytes,
            &self.parked_bytes,
            &self.queued_bytes,
            &self.name_bytes,
            &self.prefix_bytes,
            &self.output_bytes,
            &self.output_free_bytes,
            &self.pushed_bytes,
            &self.pushed_free_bytes,
        ];
        parts.iter().map(|part| part.load(Relaxed)).sum()
    }

    /// What waits to be sent.
    pub fn unsent_bytes(&self) -> usize {
        self.output_bytes.load(Relaxed) + self.pushed_bytes.load(Relaxed)
    }

    /// A vector that grows and shrinks, in two of the figures.
    pub fn store_buffer(of: (&AtomicUsize, &AtomicUsize), len: usize, capacity: usize) {
        of.0.store(len, Relaxed);
        of.1.store(capacity.saturating_sub(len), Relaxed);
    }

    /// Counts the client anew if it takes much more, or less, than before. Whether a look is
    /// due.
    #[inline]
    pub fn note(&self) -> bool {
        self.ledger.limit_bytes().is_some() && {
            let now = self.bytes() as i64;
            let counted = self.counted_bytes.load(Relaxed);
            if now < counted || now - counted >= COUNTED_BYTES_MIN {
                self.count(now);
            }
            self.ledger.is_look_due()
        }
    }

    /// Others may do the same at the same time: each takes back what was counted before.
    fn count(&self, bytes: i64) {
        let before = self.counted_bytes.swap(bytes, Relaxed);
        let counted = &self.ledger.counted_bytes;
        counted.fetch_add(bytes - before, Relaxed);
    }

    /// The client is being closed: soon all of it is free.
    pub(super) fn begin_to_leave(&self) {
        self.count(0);
        let bytes = self.bytes() as i64;
        let leaving = &self.leaving_bytes;
        let is_first = leaving.compare_exchange(0, bytes, Relaxed, Relaxed).is_ok();
        if is_first {
            self.ledger.leaving_bytes.fetch_add(bytes, Relaxed);
        }
    }

    /// It is free. Whoever still begins its end comes too late.
    pub(super) fn leave(&self) {
        self.count(0);
        let bytes = self.leaving_bytes.swap(HAS_LEFT, Relaxed);
        self.ledger.leaving_bytes.fetch_sub(bytes.max(0), Relaxed);
    }
}

/// What all clients take together, as far as it has to be known.
pub struct Ledger {
    /// `u64::MAX` for none.
    limit_bytes: AtomicU64,
    counted_bytes: AtomicI64,
    /// A look is due when more than this is counted.
    above_bytes: AtomicI64,
    /// The last look has found too much, and nobody to be closed for it.
    is_stuck: AtomicBool,
    /// Of clients that are being closed.
    leaving_bytes: AtomicI64,
    looking: Mutex<()>,
}

impl Default for Ledger {
    fn default() -> Ledger {
        Ledger {
            limit_bytes: u64::MAX.into(),
            counted_bytes: 0.into(),
            above_bytes: i64::MAX.into(),
            is_stuck: false.into(),
            leaving_bytes: 0.into(),
            looking: Mutex::default(),
        }
    }
}

/// A look at all clients: one at a time.
pub struct Look<'a> {
    ledger: &'a Ledger,
    pub limit_bytes: u64,
    _looking: MutexGuard<'a, ()>,
}

impl Ledger {
    #[inline]
    pub fn limit_bytes(&self) -> Option<u64> {
        match self.limit_bytes.load(Relaxed) {
            u64::MAX => None,
            bytes => Some(bytes),
        }
    }

    /// Whether there is a limit, and clients may exceed it.
    #[inline]
    pub fn is_look_due(&self) -> bool {
        self.counted_bytes.load(Relaxed) > self.above_bytes.load(Relaxed)
    }

    /// Another limit, or none. It counts from the next look on, which is due.
    pub fn set_limit(&self, limit_bytes: Option<u64>) {
        let _looking = self.looking.lock();
        let limit_bytes = limit_bytes.unwrap_or(u64::MAX);
        self.limit_bytes.store(limit_bytes, Relaxed);
        let above_bytes = match limit_bytes {
            u64::MAX => i64::MAX,
            _ => i64::MIN,
        };
        self.above_bytes.store(above_bytes, Relaxed);
        self.is_stuck.store(false, Relaxed);
    }

    /// There may be somebody now who can be closed.
    pub fn look_again(&self) {
        if self.is_stuck.swap(false, Relaxed) {
            self.above_bytes.store(i64::MIN, Relaxed);
        }
    }

    /// Begins a look, unless there is no limit or somebody else has a look.
    pub fn try_look(&self) -> Option<Look<'_>> {
        let looking = self.looking.try_lock()?;
        Some(Look {
            ledger: self,
            limit_bytes: self.limit_bytes()?,
            _looking: looking,
        })
    }

    /// What clients that are being closed will leave.
    pub fn leaving_bytes(&self) -> u64 {
        // Who leaves at once may be taken off before it is added.
        self.leaving_bytes.load(Relaxed).max(0).unsigned_abs()
    }
}

impl Look<'_> {
    /// It has found so much, without those that it has closed.
    pub fn end(self, sum_bytes: u64) {
        let is_stuck = sum_bytes > self.limit_bytes;
        let left = i64::try_from(self.limit_bytes - sum_bytes.min(self.limit_bytes));
        let counted = self.ledger.counted_bytes.load(Relaxed);
        let above_bytes = match is_stuck {
            true => i64::MAX,
            false => counted.saturating_add(left.unwrap_or(i64::MAX)),
        };
        self.ledger.is_stuck.store(is_stuck, Relaxed);
        self.ledger.above_bytes.store(above_bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(ledger: &Arc<Ledger>) -> ClientMemory {
        ClientMemory::new(ledger.clone())
    }

    fn take(client: &ClientMemory, bytes: i64) -> bool {
        client.output_bytes.store(bytes as usize, Relaxed);
        client.note()
    }

    fn look(ledger: &Ledger, sum_bytes: i64) {
        ledger.try_look().expect("a look").end(sum_bytes as u64);
    }

    #[test]
    fn a_look_is_due_when_much_has_come_since_the_last() {
        let ledger = Arc::new(Ledger::default());
        let (small, large) = (client(&ledger), client(&ledger));
        assert!(!take(&large, 1 << 30));
        assert!(ledger.try_look().is_none());
        ledger.set_limit(Some(1 << 20));
        assert!(take(&large, 0));
        look(&ledger, 1 << 19);
        assert!(!take(&large, 1 << 19));
        // What is little is not counted.
        assert!(!take(&small, COUNTED_BYTES_MIN - 1));
        assert!(take(&small, COUNTED_BYTES_MIN));
        assert!(!take(&large, 0));
        large.leave();
        small.leave();
        assert_eq!(ledger.counted_bytes.load(Relaxed), 0);
        ledger.set_limit(None);
        assert!(!take(&large, 1 << 30));
    }

    #[test]
    fn nobody_looks_again_where_none_can_be_closed() {
        let ledger = Arc::new(Ledger::default());
        let large = client(&ledger);
        ledger.set_limit(Some(1 << 20));
        assert!(take(&large, 1 << 21));
        look(&ledger, 1 << 21);
        assert!(!take(&large, 1 << 22));
        ledger.look_again();
        assert!(ledger.is_look_due());
    }

    #[test]
    fn who_leaves_is_not_counted() {
        let ledger = Arc::new(Ledger::default());
        let large = client(&ledger);
        ledger.set_limit(Some(1 << 20));
        take(&large, 1 << 21);
        large.begin_to_leave();
        assert_eq!(ledger.counted_bytes.load(Relaxed), 0);
        assert_eq!(ledger.leaving_bytes(), 1 << 21);
        large.leave();
        large.begin_to_leave();
        assert_eq!(ledger.leaving_bytes(), 0);
    }
}
