//! Walking a snapshot: what it holds is given bucket by bucket, a slice at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::entry::Entry;
use super::keyspace::{Keyspace, Tables};
use super::locked::{Locked, Locker};
use super::snapshot::{Giver, Purpose, Recipient};
use crate::table::Snapshots;

/// How long the walker holds a shard at most, checked between buckets.
const SLICE: Duration = Duration::from_micros(200);

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

impl Locked<'_> {
    /// Begins a snapshot of all databases as they are now. Everything is locked.
    pub fn cut(&mut self, purpose: Purpose, recipient: Arc<dyn Recipient>) -> Walker {
        self.assert_everything();
        let mut noted = Vec::new();
        let mut counts = Vec::new();
        for db in 0..self.keyspace.database_count() as u32 {
            let Some(tables) = self.database(db).tables.get().cloned() else {
                continue;
            };
            let (keys, expires, _) = self.counts(db);
            if keys > 0 {
                tables.set_db_at_cut(purpose as usize, db);
                counts.push((db, keys, expires));
                noted.push((db, tables));
            }
        }
        let number = self.keyspace.snapshots.open(purpose, recipient);
        Walker::new(purpose, number, noted, counts)
    }
}
