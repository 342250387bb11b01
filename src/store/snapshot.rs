//! Point-in-time snapshots without a fork.
//!
//! `Keyspace::cut` notes, while everything is locked, which tables there are and raises
//! the snapshot's number. From then on a `Walker` gives bucket by bucket, each under its
//! shard's lock, and a writer that is about to change a bucket which was not given yet
//! gives it first, to the snapshot's `Recipient`. Every entry is given exactly once, as it was
//! at the cut; the table keeps the marks (see `table`).
//!
//! Two snapshots may be open at once: one for the disk, one for followers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::RwLock;

use super::entry::Entry;

/// Takes what the walker finds. Called under a shard's lock: it must not wait.
pub trait Giver {
    fn give(&mut self, db: u32, entry: &Entry);
}

/// Takes what writers give to a snapshot, several at once. Called under a shard's lock: it
/// must not wait.
pub trait Recipient: Send + Sync {
    fn receive(&self, db: u32, entry: &Entry);
}

/// Which of the two snapshots that may be open at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Disk = 0,
    Followers = 1,
}

/// The open snapshots, where writers look for them.
#[derive(Default)]
pub struct OpenSnapshots {
    last_number: AtomicU32,
    slots: [OpenSlot; 2],
}

#[derive(Default)]
struct OpenSlot {
    /// 0 while none is open. Changes only while everything is locked.
    number: AtomicU32,
    recipient: RwLock<Option<Arc<dyn Recipient>>>,
}

impl OpenSnapshots {
    pub(super) fn last_number(&self) -> u32 {
        self.last_number.load(Ordering::Relaxed)
    }

    pub(super) fn open(&self, purpose: Purpose, recipient: Arc<dyn Recipient>) -> u32 {
        let slot = &self.slots[purpose as usize];
        let number = self.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        *slot.recipient.write() = Some(recipient);
        slot.number.store(number, Ordering::Release);
        number
    }

    /// After this no writer gives any more.
    pub(super) fn close(&self, purpose: Purpose) {
        let slot = &self.slots[purpose as usize];
        slot.number.store(0, Ordering::Release);
        *slot.recipient.write() = None;
    }

    /// The number of the snapshot open in a slot, 0 for none.
    #[inline]
    pub(super) fn number(&self, slot: usize) -> u32 {
        self.slots[slot].number.load(Ordering::Relaxed)
    }

    pub(super) fn give(&self, slot: usize, db: u32, entry: &Entry) {
        if let Some(recipient) = &*self.slots[slot].recipient.read() {
            recipient.receive(db, entry);
        }
    }
}
