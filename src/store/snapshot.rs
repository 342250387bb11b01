//! Point-in-time snapshots without a fork.
//!
//! `Keyspace::cut` notes, while everything is locked, which tables there are and raises
//! the snapshot's number. From then on a `Walker` gives bucket by bucket, each under its
//! shard's lock, and a writer that is about to change a bucket which was not given yet
//! gives it first, to the snapshot's `Giver`. Every entry is given exactly once, as it was
//! at the cut; the table keeps the marks (see `table`).
//!
//! Two snapshots may be open at once: one for the disk, one for followers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::entry::Entry;
use super::keyspace::{Keyspace, Tables};
use super::locked::Locker;
use crate::table::Snapshots;

/// How long the walker holds a shard at most, checked between buckets.
const SLICE: Duration = Duration::from_micros(200);

/// Takes what a snapshot is given. Called under a shard's lock: it must not wait.
pub trait Giver: Send {
    fn give(&mut self, db: u32, entry: &Entry);
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
    giver: Mutex<Option<Box<dyn Giver>>>,
}

impl OpenSnapshots {
    pub(super) fn last_number(&self) -> u32 {
        self.last_number.load(Ordering::Relaxed)
    }

    pub(super) fn open(&self, purpose: Purpose, giver: Box<dyn Giver>) -> u32 {
        let slot = &self.slots[purpose as usize];
        let number = self.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        *slot.giver.lock() = Some(giver);
        slot.number.store(number, Ordering::Release);
        number
    }

    /// After this no writer gives any more.
    pub(super) fn close(&self, purpose: Purpose) {
        let slot = &self.slots[purpose as usize];
        slot.number.store(0, Ordering::Release);
        *slot.giver.lock() = None;
    }

    pub fn is_open(&self, purpose: Purpose) -> bool {
        self.slots[purpose as usize].number.load(Ordering::Acquire) != 0
    }
}

/// What a writer must give from one database's tables before it changes them.
pub(super) struct Writing<'a> {
    pub open: &'a OpenSnapshots,
    pub tables: &'a Tables,
}

impl Snapshots<Entry> for Writing<'_> {
    #[inline]
    fn numbers(&self) -> [u32; 2] {
        // Tables born after the cut are not in the snapshot.
        [0, 1].map(|slot| {
            let number = self.open.slots[slot].number.load(Ordering::Relaxed);
            if number > self.tables.born { number } else { 0 }
        })
    }

    #[cold]
    fn give(&mut self, slot: usize, entry: &Entry) {
        if let Some(giver) = &mut *self.open.slots[slot].giver.lock() {
            giver.give(self.tables.db_at_cut(slot), entry);
        }
    }
}

/// The walker's own marks and gifts: only its own slot counts as its own, but a bucket is
/// never changed by it, so nothing else is given.
struct Walking<'a> {
    number: u32,
    purpose: Purpose,
    db: u32,
    giver: &'a mut dyn Giver,
}

impl Snapshots<Entry> for Walking<'_> {
    fn numbers(&self) -> [u32; 2] {
        let mut numbers = [0; 2];
        numbers[self.purpose as usize] = self.number;
        numbers
    }

    fn give(&mut self, _slot: usize, entry: &Entry) {
        self.giver.give(self.db, entry);
    }
}

/// An open snapshot and how far it was walked.
pub struct Walker {
    purpose: Purpose,
    number: u32,
    tables: Vec<(u32, Arc<Tables>)>,
    at_table: usize,
    at_shard: usize,
    at_order: u64,
    /// Entries there were at the cut, per database: (database, keys, keys with an expiry).
    pub databases: Vec<(u32, u64, u64)>,
}

impl Walker {
    pub(super) fn new(
        purpose: Purpose,
        number: u32,
        tables: Vec<(u32, Arc<Tables>)>,
        databases: Vec<(u32, u64, u64)>,
    ) -> Walker {
        Walker {
            purpose,
            number,
            tables,
            at_table: 0,
            at_shard: 0,
            at_order: 0,
            databases,
        }
    }

    /// How much of the keyspace was walked, 0 to 1.
    pub fn progress(&self) -> f64 {
        let shards = self
            .tables
            .first()
            .map_or(1, |(_, tables)| tables.shard_count());
        let all = (self.tables.len() * shards).max(1);
        (self.at_table * shards + self.at_shard) as f64 / all as f64
    }

    /// Gives the next piece of one shard, for `SLICE` at most. False at the end.
    pub fn step(
        &mut self,
        keyspace: &Keyspace,
        locker: &mut Locker,
        giver: &mut dyn Giver,
    ) -> bool {
        let Some((db, tables)) = self.tables.get(self.at_table) else {
            return false;
        };
        let shard = self.at_shard;
        let mut walking = Walking {
            number: self.number,
            purpose: self.purpose,
            db: *db,
            giver,
        };
        let mut order = Some(self.at_order);
        {
            let mut locked = keyspace.lock_shards(locker, &[shard as u16]);
            let started = Instant::now();
            while let Some(at) = order {
                let slot = self.purpose as usize;
                order = locked.give_next(tables, shard, at, slot, &mut walking);
                if started.elapsed() > SLICE {
                    break;
                }
            }
        }
        match order {
            Some(at) => self.at_order = at,
            None => self.next_shard(),
        }
        true
    }

    fn next_shard(&mut self) {
        self.at_order = 0;
        self.at_shard += 1;
        if self.at_shard == self.tables[self.at_table].1.shard_count() {
            self.at_shard = 0;
            self.at_table += 1;
        }
    }

    /// The snapshot is over, walked to its end or not.
    pub fn close(self, keyspace: &Keyspace, locker: &mut Locker) {
        let _everything = keyspace.lock_everything(locker);
        keyspace.snapshots.close(self.purpose);
    }
}
