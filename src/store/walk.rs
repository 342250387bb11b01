//! Going through the keyspace: SCAN's cursor, KEYS, RANDOMKEY, counts, and the expiry
//! task's rounds.
//!
//! A SCAN cursor is a position in hash order: the shard in its high bits, the table's order
//! (`table::ORDER_BITS` wide) in its low ones. Every bucket is an interval of that order at
//! any size of the table, so a key that stays is met, whatever grows meanwhile.

use std::sync::Arc;

use super::entry::Entry;
use super::keyspace::{Key, Tables};
use super::locked::{Expiry, Held, Locked};
use super::watch::Presence;
use crate::base::rng::Rng;
use crate::table::{ORDER_BITS, SlotRef, Table};

/// RANDOMKEY gives up after so many draws of keys that are due.
const RANDOM_TRIES: usize = 100;
/// So many shards are drawn before one is counted off.
const SHARD_DRAWS: usize = 32;
/// A call of SCAN passes over so many shards at most, empty or not: some 50 us.
const SCANNED_SHARDS_MAX: usize = 4096;

impl Locked<'_> {
    /// Keys of a database, keys of it with an expiry, and the sum of those expiries.
    /// Everything is locked.
    pub fn counts(&self, db: u32) -> (u64, u64, i128) {
        let (mut keys, mut expires, mut sum_ms) = (0, 0, 0);
        for shard in 0..self.keyspace.shard_count() {
            let Some(held) = self.table(db, shard) else {
                break;
            };
            keys += held.table.table.len() as u64;
            expires += held.table.expires;
            sum_ms += held.table.expire_sum_ms;
        }
        (keys, expires, sum_ms)
    }

    /// Bytes that a database's tables take, without the entries.
    pub fn table_bytes(&self, db: u32) -> usize {
        (0..self.keyspace.shard_count())
            .map_while(|shard| self.table(db, shard))
            .map(|held| held.table.table.table_bytes())
            .sum()
    }

    /// How many keys a database's tables have room for.
    pub fn slot_count(&self, db: u32) -> usize {
        (0..self.keyspace.shard_count())
            .map_while(|shard| self.table(db, shard))
            .map(|held| held.table.table.slot_count())
            .sum()
    }

    /// How many keys a database has, due ones included. Any lock will do; the number is
    /// exact while everything is locked.
    pub fn len(&self, db: u32) -> u64 {
        self.tables(db).map_or(0, Tables::len)
    }

    /// Visits entries from `cursor` on until `count` were visited or ten times as many
    /// buckets were looked at; returns the next cursor, 0 at the end. Due entries are
    /// visited too: the caller knows what to do with them. Everything is locked.
    pub fn scan<'a>(
        &'a self,
        db: u32,
        cursor: u64,
        count: usize,
        mut visit: impl FnMut(SlotRef<'a, Entry>),
    ) -> u64 {
        let shards = self.keyspace.shard_count();
        let first = usize::try_from(cursor >> ORDER_BITS).unwrap_or(shards);
        let last = shards.min(first.saturating_add(SCANNED_SHARDS_MAX));
        let (mut visited, mut buckets) = (0, 0);
        let mut order = cursor & ((1 << ORDER_BITS) - 1);
        for shard in first..last {
            let Some(held) = self.table(db, shard) else {
                return 0;
            };
            let table: &'a Table<Entry> = &held.table.table;
            while !table.is_empty() {
                if visited >= count || buckets >= count.saturating_mul(10) {
                    return (shard as u64) << ORDER_BITS | order;
                }
                buckets += 1;
                let next = table.scan(order, &self.keyspace.hasher, |entry| {
                    visited += 1;
                    visit(entry);
                });
                match next {
                    Some(next) => order = next,
                    None => break,
                }
            }
            order = 0;
        }
        match last == shards {
            true => 0,
            false => (last as u64) << ORDER_BITS,
        }
    }

    /// Visits the entries of one bucket of a shard, which is held; begins with order 0 and
    /// returns the order to go on with, `None` at the end. Due entries are visited too.
    pub fn scan_shard<'a>(
        &'a self,
        db: u32,
        shard: usize,
        order: u64,
        visit: impl FnMut(SlotRef<'a, Entry>),
    ) -> Option<u64> {
        let table: &'a Table<Entry> = &self.table(db, shard)?.table.table;
        table.scan(order, &self.keyspace.hasher, visit)
    }

    /// Visits every entry of a database, due ones too. Everything is locked.
    pub fn for_each(&self, db: u32, mut visit: impl FnMut(&Entry)) {
        for shard in 0..self.keyspace.shard_count() {
            let Some(held) = self.table(db, shard) else {
                break;
            };
            held.table.table.for_each(&mut visit);
        }
    }

    /// A key drawn at random, every key as likely as any other. Everything is locked.
    pub fn random_key(&mut self, db: u32, rng: &mut Rng) -> Option<Box<[u8]>> {
        let mut drawn = None;
        for _ in 0..RANDOM_TRIES {
            let key: Box<[u8]> = self.draw(db, rng)?;
            let hashed = self.keyspace.key(&key);
            if self.exists(db, hashed) {
                return Some(key);
            }
            drawn = Some(key);
        }
        match self.expiry {
            // Nearly all keys are due: any that is not will do.
            Expiry::Delete => self.first_live(db),
            // They may all be due and stay, and the leader would have answered something.
            _ => drawn,
        }
    }

    fn draw(&self, db: u32, rng: &mut Rng) -> Option<Box<[u8]>> {
        let keys = self.len(db);
        if keys == 0 {
            return None;
        }
        let shards = self.keyspace.shard_count() as u64;
        let drawn_from = |shard, rng: &mut Rng| {
            let held = self.table(db, shard)?;
            let drawn = held.table.table.random(|n| rng.below(n))?;
            Some(drawn.key().into())
        };
        // A shard is kept with a chance in proportion to its keys; hardly any shard has
        // more than the bound.
        let bound = 2 * keys.div_ceil(shards) + 16;
        for _ in 0..SHARD_DRAWS {
            let shard = rng.below(shards) as usize;
            let len = self.table(db, shard)?.table.table.len() as u64;
            if rng.below(bound) < len {
                return drawn_from(shard, rng);
            }
        }
        // With few keys most shards are empty: the drawn one is counted off.
        let mut at = rng.below(keys);
        for shard in 0..shards as usize {
            let len = self.table(db, shard)?.table.table.len() as u64;
            if at < len {
                return drawn_from(shard, rng);
            }
            at -= len;
        }
        None
    }

    fn first_live(&self, db: u32) -> Option<Box<[u8]>> {
        let (mut cursor, mut found) = (0, None);
        loop {
            cursor = self.scan(db, cursor, 1, |entry| {
                if found.is_none() && !self.is_hidden(&entry) {
                    found = Some(entry.key().into());
                }
            });
            if found.is_some() || cursor == 0 {
                return found;
            }
        }
    }

    /// Moves what a shard that is held has of small tables, see `Table::resettle`.
    pub fn resettle(&mut self, shard: usize) {
        for db in 0..self.keyspace.database_count() as u32 {
            if let Some(Held { table, writing }) = self.table(db, shard) {
                table.table.resettle(&self.keyspace.hasher, &writing);
            }
        }
    }

    /// The shard in which the expiry task goes on with a database, `None` if nothing in
    /// there is due. Any lock will do.
    pub fn due_shard(&self, db: u32) -> Option<usize> {
        let at = self.tables(db)?.expiry_at(self.now_ms)?;
        Some((at >> ORDER_BITS) as usize)
    }

    /// One round of the expiry task in the shard that `due_shard` told, which is held:
    /// deletes what is due in the first segment that may have such. True at the end of a
    /// pass through the database.
    pub fn expire_round(&mut self, db: u32) -> bool {
        let now_ms = self.now_ms;
        let Some(at) = self.tables(db).and_then(|tables| tables.expiry_at(now_ms)) else {
            return true;
        };
        let shard = (at >> ORDER_BITS) as usize;
        let Some(Held { table, writing }) = self.table(db, shard) else {
            return true;
        };
        let tables = writing.tables;
        if at == 0 {
            tables.forget_deadlines();
        }
        let (mut due, mut with_fields) = (Vec::<Box<[u8]>>::new(), Vec::<Box<[u8]>>::new());
        let from = table.table.due(at & ((1 << ORDER_BITS) - 1), now_ms);
        let next = from.and_then(|from| {
            table.table.sweep(from, |entry| {
                if entry.is_expired(now_ms) {
                    due.push(entry.key().into());
                    return None;
                }
                let field_ms = entry.first_field_ms();
                if field_ms.is_some_and(|at_ms| at_ms < now_ms) {
                    with_fields.push(entry.key().into());
                    return entry.expire_at_ms();
                }
                entry.expire_at_ms().into_iter().chain(field_ms).min()
            })
        });
        let mut next = match next {
            Some(order) => (shard as u64) << ORDER_BITS | order,
            None => {
                tables.lower_deadline(self.locker.gate, table.table.deadline_ms());
                ((shard + 1) as u64 % self.keyspace.shard_count() as u64) << ORDER_BITS
            }
        };
        for key in due {
            let key = self.keyspace.key(&key);
            self.expire(db, Key { ..key });
            self.effects().end_loose_unit();
        }
        for key in with_fields {
            if self.field_round(db, self.keyspace.key(&key)) {
                // Here it goes on. Order 0 would be the beginning of a pass; 1 is in the
                // same segment.
                next = (shard as u64) << ORDER_BITS | from.unwrap_or(0).max(1);
            }
            self.effects().end_loose_unit();
        }
        tables.set_expiry_at(next);
        next == 0
    }

    /// Empties a database; the old tables are returned, to be freed elsewhere. Watchers of
    /// keys that were there are told. Everything is locked.
    pub fn flush(&mut self, db: u32) -> Option<Arc<Tables>> {
        self.tell_exchange(|locked, of_db, key| match of_db == db {
            true => (locked.presence(db, key), Presence::Absent),
            false => (Presence::Absent, Presence::Absent),
        });
        self.effects().flushed = true;
        self.take_tables(db)
    }

    /// Puts what another keyspace with the same hasher and as many shards has built in a
    /// database's place; the old tables are returned, to be freed elsewhere. Watchers of
    /// keys that were or are there are told. Everything is locked.
    pub fn install(&mut self, db: u32, built: Option<Arc<Tables>>) -> Option<Arc<Tables>> {
        let old = self.flush(db);
        if let Some(built) = built {
            self.put_tables(db, built);
            self.tell_exchange(|locked, of_db, key| match of_db == db {
                true => (Presence::Absent, locked.presence(db, key)),
                false => (Presence::Absent, Presence::Absent),
            });
        }
        old
    }

    /// Exchanges two databases. Watchers of keys that are in either are told.
    pub fn swap(&mut self, a: u32, b: u32) {
        self.tell_exchange(|locked, of_db, key| match of_db {
            db if db == a => (locked.presence(a, key), locked.presence(b, key)),
            db if db == b => (locked.presence(b, key), locked.presence(a, key)),
            _ => (Presence::Absent, Presence::Absent),
        });
        self.swap_tables(a, b);
    }

    /// Tells watchers how their key stood in its database and stands in it from now on, and
    /// has those who wait for a key look again.
    fn tell_exchange(&mut self, change: impl Fn(&Self, u32, Key) -> (Presence, Presence)) {
        for shard in 0..self.keyspace.shard_count() {
            if let Some(mut all) = self.listeners(shard).take() {
                let watch = &mut all.watch;
                watch.exchange(|db, key| change(self, db, self.keyspace.key(key)));
                for ready in all.waiting.keys() {
                    self.effects().ready(ready);
                }
                *self.listeners(shard) = Some(all);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::KeyHasher;
    use crate::store::keyspace::Keyspace;
    use crate::store::locked::Locker;
    use crate::store::view::Ttl;
    use std::collections::HashMap;

    const DATABASES: u32 = 3;

    /// The expiry task's rounds among writes, exchanges and flushes, at any moment.
    struct Rounds {
        keyspace: Keyspace,
        lockers: [Locker; 2],
        model: [HashMap<u64, i64>; DATABASES as usize],
        now_ms: i64,
    }

    impl Rounds {
        fn new() -> Rounds {
            let keyspace = Keyspace::new(DATABASES as usize, 8, 2, KeyHasher::seeded(3));
            let lockers = [0, 1].map(|gate| Locker::new(&keyspace, gate));
            let (model, now_ms) = (Default::default(), 0);
            Rounds {
                keyspace,
                lockers,
                model,
                now_ms,
            }
        }

        fn with<R>(&mut self, gate: usize, run: impl FnOnce(&mut Locked) -> R) -> R {
            let mut locked = self.keyspace.lock_everything(&mut self.lockers[gate]);
            locked.now_ms = self.now_ms;
            let result = run(&mut locked);
            drop(std::mem::take(locked.effects()));
            result
        }

        fn set(&mut self, db: u32, key: u64, expire_at_ms: i64) {
            self.with(0, |locked| {
                let bytes = key.to_string();
                let hashed = locked.keyspace.key(bytes.as_bytes());
                locked.set_string(db, hashed, b"x", Ttl::Set(Some(expire_at_ms)));
            });
            self.model[db as usize].insert(key, expire_at_ms);
        }

        /// One round of the task in each database that has something to do.
        fn round(&mut self) -> bool {
            let mut worked = false;
            for db in 0..DATABASES {
                worked |= self.with(1, |locked| {
                    let due = locked.due_shard(db).is_some();
                    if due {
                        locked.expire_round(db);
                    }
                    due
                });
            }
            worked
        }

        /// As many rounds as it takes: then nothing is left that is due.
        fn settle(&mut self) {
            // A pass or two, in rounds of a segment each.
            let most = 100 * self.keyspace.shard_count();
            assert!((0..most).any(|_| !self.round()), "it comes to an end");
            for db in 0..DATABASES {
                let left = self.with(1, |locked| locked.len(db));
                let now_ms = self.now_ms;
                let model = &mut self.model[db as usize];
                model.retain(|_, at_ms| *at_ms >= now_ms);
                assert_eq!(left, model.len() as u64, "database {db} at {now_ms}");
            }
        }
    }

    #[test]
    fn whatever_happens_between_rounds_all_that_is_due_goes() {
        let mut rng = Rng::seeded(11);
        let mut rounds = Rounds::new();
        for _ in 0..60_000 {
            match rng.below(40) {
                0 => rounds.settle(),
                1..4 => rounds.now_ms += rng.below(30) as i64,
                4..16 => {
                    rounds.round();
                }
                16 => {
                    let (a, b) = (rng.below(3) as u32, rng.below(3) as u32);
                    rounds.with(0, |locked| locked.swap(a, b));
                    rounds.model.swap(a as usize, b as usize);
                }
                17 if rng.below(10) == 0 => {
                    let db = rng.below(3) as u32;
                    drop(rounds.with(0, |locked| locked.flush(db)));
                    rounds.model[db as usize].clear();
                }
                _ => {
                    let at_ms = rounds.now_ms + rng.below(1000) as i64;
                    rounds.set(rng.below(3) as u32, rng.below(5000), at_ms);
                }
            }
        }
        rounds.settle();
    }

    #[test]
    fn keys_that_are_not_due_yet_cost_one_pass() {
        let mut rounds = Rounds::new();
        rounds.now_ms = 1;
        rounds.set(1, 7, 100);
        rounds.set(1, 8, 50);
        assert!(!rounds.round(), "nothing is due");
        rounds.now_ms = 51;
        rounds.settle();
        for now_ms in [52, 100] {
            rounds.now_ms = now_ms;
            assert!(!rounds.round(), "nothing is due at {now_ms}");
        }
        rounds.now_ms = 101;
        assert!(rounds.round());
        rounds.settle();
    }
}
