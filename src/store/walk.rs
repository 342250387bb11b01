//! Going through the keyspace: SCAN's cursor, KEYS, RANDOMKEY, counts, and the expiry
//! task's rounds.
//!
//! A SCAN cursor is a position in hash order: the shard in its high bits, the table's order
//! (`table::ORDER_BITS` wide) in its low ones. Every bucket is an interval of that order at
//! any size of the table, so a key that stays is met, whatever grows meanwhile.

use std::sync::Arc;

use super::entry::Entry;
use super::keyspace::{Key, Tables};
use super::locked::{Expiry, Locked};
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

    /// Whether a key of the database may have an expiry. Any lock will do.
    pub fn has_expiring(&self, db: u32) -> bool {
        self.tables(db).is_some_and(Tables::has_expiring)
    }

    /// Bytes that a database's tables take, without the entries.
    pub fn table_bytes(&self, db: u32) -> usize {
        (0..self.keyspace.shard_count())
            .map_while(|shard| self.table(db, shard))
            .map(|held| held.table.table.table_bytes())
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

    /// One round of the expiry task in one shard of one database, which is held: deletes
    /// what is due in the first segment that may have such, from `order` on. Returns where
    /// the next round begins, `None` when the shard is done.
    pub fn expire_round(&mut self, db: u32, shard: usize, order: u64) -> Option<u64> {
        let now_ms = self.now_ms;
        let held = self.table(db, shard)?;
        if held.table.expires == 0 {
            return None;
        }
        let from = held.table.table.due(order, now_ms)?;
        let mut due: Vec<Box<[u8]>> = Vec::new();
        let next = held.table.table.sweep(from, |entry| {
            if entry.is_expired(now_ms) {
                due.push(entry.key().into());
                return None;
            }
            entry.expire_at_ms()
        });
        for key in due {
            let key = self.keyspace.key(&key);
            self.expire(db, Key { ..key });
            self.effects().end_loose_unit();
        }
        next
    }

    /// Empties a database; the old tables are returned, to be freed elsewhere. Watchers of
    /// keys that were there are told. Everything is locked.
    pub fn flush(&mut self, db: u32) -> Option<Arc<Tables>> {
        self.tell_exchange(|locked, of_db, key| match of_db == db {
            true => (locked.presence(db, key), Presence::Absent),
            false => (Presence::Absent, Presence::Absent),
        });
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

    /// Tells watchers how their key stood in its database and stands in it from now on.
    fn tell_exchange(&mut self, change: impl Fn(&Self, u32, Key) -> (Presence, Presence)) {
        for shard in 0..self.keyspace.shard_count() {
            if let Some(mut watch) = self.watch_table(shard).take() {
                watch.exchange(|db, key| change(self, db, self.keyspace.key(key)));
                *self.watch_table(shard) = Some(watch);
            }
        }
    }
}
