//! The keyspace: databases, cut into shards, behind gates and shard locks (see `lock`).
//!
//! A database is a slot that points to `Tables`, one table a shard. So SWAPDB exchanges
//! two pointers, and FLUSHALL puts empty tables in and hands the old ones to whoever still
//! needs them (a snapshot), then to the thread that frees.

use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::entry::Entry;
use super::lock::{Gate, Line, SpinLock};
use super::snapshot::OpenSnapshots;
use super::watch::Listeners;
use crate::base::hash::KeyHasher;
use crate::table::{Table, prefetch};

/// A key with its hash.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    pub bytes: &'a [u8],
    pub hash: u64,
}

/// The shard of a key, by bits 8 to 24 of its hash, which the table leaves to us.
///
/// The shares are not equal: each shard's is a little larger than the last one's, and the
/// largest is twice the smallest. So shards are never all in the same phase of a table's
/// growth from one doubling to the next, and what one's segments leave when they grow is taken
/// by another's. With equal shares the pages of the size that most segments have just left
/// are half empty, for as long as nothing else is of that size: 4 bytes a key were measured.
#[inline]
pub fn shard_of(hash: u64, shards: usize) -> usize {
    const WHOLE: u64 = 1 << 16;
    let part = hash >> 8 & (WHOLE - 1);
    // The logarithm of 1 + part, nearly: part * (4 - part) / 3.
    (part * (4 * WHOLE - part) * shards as u64 / (3 * WHOLE * WHOLE)) as usize
}

/// How many of `keys` keys are to be expected in a shard.
#[must_use]
pub fn share_of(keys: usize, shard: usize, shards: usize) -> usize {
    // The inverse of what `shard_of` takes for the logarithm.
    let part_below = |shard: usize| 2.0 - (4.0 - 3.0 * shard as f64 / shards as f64).sqrt();
    ((part_below(shard + 1) - part_below(shard)) * keys as f64) as usize
}

pub struct Keyspace {
    pub hasher: KeyHasher,
    pub(super) shards: Box<[Shard]>,
    pub(super) gates: Box<[Gate]>,
    /// How many threads want every gate: the others hold back meanwhile.
    pub(super) wanting_everything: AtomicUsize,
    pub(super) line: Line,
    databases: Box<[UnsafeCell<Database>]>,
    pub(super) snapshots: OpenSnapshots,
}

// SAFETY: the databases and the shards' listeners are reached only through
// `Keyspace::database`, `Tables::shard` and `Keyspace::listeners`, whose callers hold the locks
// that `lock` asks for; everything else in here is Sync by itself.
unsafe impl Sync for Keyspace {}
// SAFETY: nothing in here belongs to a thread.
unsafe impl Send for Keyspace {}

#[derive(Default)]
#[repr(align(64))]
pub(super) struct Shard {
    pub lock: SpinLock,
    listeners: UnsafeCell<Option<Box<Listeners>>>,
}

#[derive(Default)]
pub(super) struct Database {
    pub tables: OnceLock<Arc<Tables>>,
}

/// The tables of one database, one a shard.
pub struct Tables {
    shards: Box<[UnsafeCell<ShardTable>]>,
    /// The last snapshot that was begun before these tables were made.
    pub(super) born: u32,
    /// Under which number the database went when each open snapshot was cut.
    db_at_cut: [AtomicU32; 2],
    /// By gate: how many keys that thread put in less what it took out, and the earliest
    /// expiry it gave one or a field of one. Together they tell without a look at thousands
    /// of shards.
    tallies: Box<[Tally]>,
    /// Where the expiry task goes on, shard and order as in a SCAN cursor; 0 between two of
    /// its passes. It moves with the tables when databases are exchanged.
    expiry_at: AtomicU64,
}

/// Written by the holder of one gate, on a cache line of its own.
#[repr(align(64))]
struct Tally {
    keys: AtomicI64,
    /// No key that this thread gave an expiry has an earlier one, but for keys in shards
    /// that the expiry task has still to visit in its pass.
    deadline_ms: AtomicI64,
    /// The same as `keys`, of hashes with fields that have a time to live.
    timed_hashes: AtomicI64,
    /// And of streams with consumer groups.
    grouped_streams: AtomicI64,
    /// The same as `keys`, of those with an expiry.
    volatile: AtomicI64,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally {
            keys: AtomicI64::new(0),
            deadline_ms: AtomicI64::new(i64::MAX),
            timed_hashes: AtomicI64::new(0),
            grouped_streams: AtomicI64::new(0),
            volatile: AtomicI64::new(0),
        }
    }
}

// SAFETY: `shard` is the only way to the tables, and its callers hold the shard's lock.
unsafe impl Sync for Tables {}
// SAFETY: entries belong to no thread.
unsafe impl Send for Tables {}

/// One database's keys in one shard.
#[derive(Default)]
#[repr(align(64))]
pub struct ShardTable {
    pub table: Table<Entry>,
    /// How many of them have an expiry, and the sum of those, for INFO.
    pub expires: u64,
    pub expire_sum_ms: i128,
}

impl Keyspace {
    /// `shards` is a power of two up to 65536; `gates` the number of threads that will lock.
    pub fn new(databases: usize, shards: usize, gates: usize, hasher: KeyHasher) -> Keyspace {
        assert!(
            shards.is_power_of_two() && shards <= 1 << 16,
            "shards: a power of two"
        );
        Keyspace {
            hasher,
            shards: (0..shards).map(|_| Shard::default()).collect(),
            gates: (0..gates).map(|_| Gate::default()).collect(),
            wanting_everything: AtomicUsize::new(0),
            line: Line::default(),
            databases: (0..databases).map(|_| UnsafeCell::default()).collect(),
            snapshots: OpenSnapshots::default(),
        }
    }

    pub fn database_count(&self) -> usize {
        self.databases.len()
    }

    pub fn shard_count(&self) -> usize {
        self.shards.len()
    }

    #[inline]
    pub fn key<'a>(&self, bytes: &'a [u8]) -> Key<'a> {
        Key {
            bytes,
            hash: self.hasher.hash(bytes),
        }
    }

    #[inline]
    pub fn shard_of(&self, hash: u64) -> usize {
        shard_of(hash, self.shards.len())
    }

    /// Has a shard's lock fetched into the cache, soon to be taken.
    #[inline]
    pub fn prefetch_lock(&self, shard: usize) {
        prefetch(NonNull::from(&self.shards[shard]).cast());
    }

    /// # Safety
    /// The caller holds a gate for as long as it uses the reference.
    #[inline]
    pub(super) unsafe fn database(&self, db: u32) -> &Database {
        // SAFETY: only `database_mut` changes a slot, and it asks for every gate.
        unsafe { &*self.databases[db as usize].get() }
    }

    /// # Safety
    /// The caller holds every gate, and no other reference to this database.
    #[expect(clippy::mut_from_ref, reason = "the gates make the access exclusive")]
    pub(super) unsafe fn database_mut(&self, db: u32) -> &mut Database {
        // SAFETY: with every gate held nobody else looks at the slot.
        unsafe { &mut *self.databases[db as usize].get() }
    }

    /// # Safety
    /// The caller holds the shard (its lock and a gate, or every gate), and no other
    /// reference to these listeners.
    #[inline]
    #[expect(
        clippy::mut_from_ref,
        reason = "the shard's lock makes the access exclusive"
    )]
    pub(super) unsafe fn listeners(&self, shard: usize) -> &mut Option<Box<Listeners>> {
        // SAFETY: as above.
        unsafe { &mut *self.shards[shard].listeners.get() }
    }

    pub(super) fn make_tables(&self, db: u32) -> Arc<Tables> {
        Arc::new(Tables {
            shards: (0..self.shards.len())
                .map(|_| UnsafeCell::default())
                .collect(),
            born: self.snapshots.last_number(),
            db_at_cut: [AtomicU32::new(db), AtomicU32::new(db)],
            tallies: self.gates.iter().map(|_| Tally::default()).collect(),
            expiry_at: AtomicU64::new(0),
        })
    }
}

impl Tables {
    pub fn shard_count(&self) -> usize {
        self.shards.len()
    }

    /// # Safety
    /// The caller holds the shard (its lock and a gate, or every gate), and no other
    /// reference to this table.
    #[inline]
    #[expect(
        clippy::mut_from_ref,
        reason = "the shard's lock makes the access exclusive"
    )]
    pub(super) unsafe fn shard(&self, shard: usize) -> &mut ShardTable {
        // SAFETY: as above.
        unsafe { &mut *self.shards[shard].get() }
    }

    /// How many keys there are; while others write, how many there were a moment ago.
    pub fn len(&self) -> u64 {
        self.sum(|tally| &tally.keys)
    }

    /// The same, of hashes with fields that have a time to live.
    pub fn timed_hashes(&self) -> u64 {
        self.sum(|tally| &tally.timed_hashes)
    }

    /// The same, of streams with consumer groups.
    pub fn grouped_streams(&self) -> u64 {
        self.sum(|tally| &tally.grouped_streams)
    }

    /// The same, of keys that have an expiry.
    pub fn volatile(&self) -> u64 {
        self.sum(|tally| &tally.volatile)
    }

    fn sum(&self, of: impl Fn(&Tally) -> &AtomicI64) -> u64 {
        let counts = self.tallies.iter().map(of);
        let sum: i64 = counts.map(|count| count.load(Ordering::Relaxed)).sum();
        u64::try_from(sum).unwrap_or(0)
    }

    /// Where the expiry task has something to do: where it goes on in its pass, or at the
    /// beginning if something may be due.
    pub(super) fn expiry_at(&self, now_ms: i64) -> Option<u64> {
        let at = self.expiry_at.load(Ordering::Relaxed);
        let is_due = |tally: &Tally| tally.deadline_ms.load(Ordering::Relaxed) < now_ms;
        (at != 0 || self.tallies.iter().any(is_due)).then_some(at)
    }

    /// Notes where the expiry task goes on.
    pub(super) fn set_expiry_at(&self, at: u64) {
        self.expiry_at.store(at, Ordering::Relaxed);
    }

    /// The expiry task begins a pass. It will come by every shard, and there it finds what
    /// is forgotten here; what is put into a shard after that is noted anew.
    pub(super) fn forget_deadlines(&self) {
        for tally in &self.tallies {
            tally.deadline_ms.store(i64::MAX, Ordering::Relaxed);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counts keys in or out. The caller holds the gate: nobody else writes its tally.
    #[inline]
    pub(super) fn tally(&self, gate: usize, change: i64) {
        add(&self.tallies[gate].keys, change);
    }

    /// The same, of hashes with fields that have a time to live.
    pub(super) fn tally_timed(&self, gate: usize, change: i64) {
        add(&self.tallies[gate].timed_hashes, change);
    }

    /// The same, of streams with consumer groups.
    pub(super) fn tally_grouped(&self, gate: usize, change: i64) {
        add(&self.tallies[gate].grouped_streams, change);
    }

    /// The same, of keys that have an expiry.
    #[inline]
    pub(super) fn tally_volatile(&self, gate: usize, change: i64) {
        add(&self.tallies[gate].volatile, change);
    }

    /// Says that something expires at `at_ms`.
    #[inline]
    pub(super) fn lower_deadline(&self, gate: usize, at_ms: i64) {
        let deadline_ms = &self.tallies[gate].deadline_ms;
        if at_ms < deadline_ms.load(Ordering::Relaxed) {
            deadline_ms.fetch_min(at_ms, Ordering::Relaxed);
        }
    }

    /// Makes them tables of database `db`, made after the snapshot `born`, in a keyspace
    /// with so many gates: it may have others than the one that built them.
    pub(super) fn settle(&mut self, db: u32, born: u32, gates: usize) {
        self.born = born;
        let old = std::mem::take(&mut self.tallies);
        self.tallies = (0..gates).map(|_| Tally::default()).collect();
        for tally in old {
            add(&self.tallies[0].keys, tally.keys.into_inner());
            self.tally_timed(0, tally.timed_hashes.into_inner());
            self.tally_grouped(0, tally.grouped_streams.into_inner());
            self.tally_volatile(0, tally.volatile.into_inner());
            self.lower_deadline(0, tally.deadline_ms.into_inner());
        }
        self.db_at_cut = [AtomicU32::new(db), AtomicU32::new(db)];
    }

    pub(super) fn db_at_cut(&self, slot: usize) -> u32 {
        self.db_at_cut[slot].load(Ordering::Relaxed)
    }

    pub(super) fn set_db_at_cut(&self, slot: usize, db: u32) {
        self.db_at_cut[slot].store(db, Ordering::Relaxed);
    }
}

/// Adds to a counter that only this thread writes.
#[inline]
fn add(counter: &AtomicI64, change: i64) {
    counter.store(counter.load(Ordering::Relaxed) + change, Ordering::Relaxed);
}

impl ShardTable {
    /// Counts an expiry in (`sign` 1) or out (-1).
    #[inline]
    pub fn count_expiry(&mut self, expire_at_ms: Option<i64>, sign: i64) {
        if let Some(at_ms) = expire_at_ms {
            self.expires = self.expires.wrapping_add_signed(sign);
            self.expire_sum_ms += i128::from(at_ms) * i128::from(sign);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_rise_from_one_to_two() {
        for shards in [1, 2, 64, 512] {
            let mut counts = vec![0_usize; shards];
            let part_count = 1 << 16;
            for part in 0..part_count {
                // The other bits do not matter.
                counts[shard_of(part << 8 | 0xff << 24 | 0xff, shards)] += 1;
            }
            for (shard, &count) in counts.iter().enumerate() {
                let share = share_of(part_count as usize, shard, shards);
                assert!(
                    count.abs_diff(share) <= 2,
                    "{shard} of {shards}: {count} {share}"
                );
            }
            assert!(counts.is_sorted_by(|one, next| *one <= next + 2));
            if shards == 512 {
                let (least, most) = (counts[0] as f64, counts[511] as f64);
                assert!((1.9..2.1).contains(&(most / least)), "{least} {most}");
            }
        }
    }
}
