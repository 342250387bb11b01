//! Which keys go when memory is short: an approximation by samples, as in Redis.
//!
//! Some keys are drawn at random, and the best candidates of this draw and of earlier ones are
//! kept in a small pool; the best of them goes. So few samples come close to an order of all
//! keys that nobody has to keep. Keys are cut into shards by their hash, so the keys of one
//! shard are a random draw themselves: all samples of a round come from under one lock.
//!
//! What is decided here is which key; when, how many, and who hears of it is decided in `exec`.

use super::effects::event;
use super::entry::Entry;
use super::keyspace::{Key, Tables};
use super::locked::Locked;
use super::usage::{self, Lfu};
use crate::base::rng::Rng;
use crate::table::{ORDER_BITS, SlotRef, Table};

/// The candidates that are kept.
const POOL_MAX: usize = 16;
/// All keys of a table with no more than this are looked at: a draw would cost as much.
const FEW_KEYS: usize = 16;
/// So many keys are drawn for each with a time to live that is wanted, before segments are
/// searched for some.
const DRAWS_PER_VOLATILE: usize = 4;
/// So many segments are searched under one lock.
const SEGMENTS_MAX: usize = 16;
/// What a key takes in its table, at the fill that tables have on average.
const TABLE_BYTES_PER_KEY: usize = 9;

/// By what candidates are compared: the higher the rank, the sooner a key goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The longest unused.
    Idle,
    /// The least often used.
    Uses(Lfu),
    /// The soonest to end by itself.
    Deadline,
    /// Any.
    Chance,
}

impl Order {
    /// The rank of an entry.
    pub fn rank(self, entry: &Entry, now_ms: i64) -> u64 {
        match self {
            Order::Idle => usage::idle_seconds(usage::lru_clock(now_ms), entry.access()).into(),
            Order::Uses(lfu) => u64::from(u8::MAX - lfu.counter(entry.access(), now_ms)),
            Order::Deadline => {
                let at_ms = entry.expire_at_ms().unwrap_or(i64::MAX);
                u64::MAX - at_ms.max(0).unsigned_abs()
            }
            Order::Chance => 0,
        }
    }
}

/// A key that may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub rank: u64,
    pub db: u32,
    pub key: Box<[u8]>,
}

/// The best candidates so far, the best one last.
#[derive(Debug, Default)]
pub struct Pool {
    candidates: Vec<Candidate>,
}

impl Pool {
    /// Takes a candidate in, unless the pool is full of better ones.
    pub fn offer(&mut self, rank: u64, db: u32, key: &[u8]) {
        let is_same = |known: &Candidate| known.db == db && *known.key == *key;
        if let Some(known) = self.candidates.iter().position(is_same) {
            self.candidates.remove(known);
        } else if self.candidates.len() == POOL_MAX {
            if self
                .candidates
                .first()
                .is_some_and(|worst| worst.rank >= rank)
            {
                return;
            }
            self.candidates.remove(0);
        }
        let at = self.candidates.partition_point(|known| known.rank < rank);
        let key = key.into();
        self.candidates.insert(at, Candidate { rank, db, key });
    }

    /// Takes the best one out.
    pub fn take_best(&mut self) -> Option<Candidate> {
        self.candidates.pop()
    }

    pub fn clear(&mut self) {
        self.candidates.clear();
    }
}

/// What sampling a shard came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampled {
    Some,
    /// There is nothing to be sampled.
    Nothing,
    /// There may be something, but not where it was looked for.
    Unknown,
}

impl Locked<'_> {
    /// The databases with keys that may go. Any lock will do.
    pub fn with_candidates(&self, only_volatile: bool) -> impl Iterator<Item = u32> {
        let count = move |tables: &Tables| match only_volatile {
            true => tables.volatile(),
            false => tables.len(),
        };
        let databases = 0..self.keyspace.database_count() as u32;
        databases.filter(move |db| self.tables(*db).is_some_and(|tables| count(tables) > 0))
    }

    /// Visits some `count` keys of a database in a shard that is held, drawn at random; or all
    /// of them where there are few. Due keys are visited too.
    pub fn sample(
        &self,
        db: u32,
        shard: usize,
        only_volatile: bool,
        count: usize,
        rng: &mut Rng,
        mut visit: impl FnMut(&Entry),
    ) -> Sampled {
        let Some(held) = self.table(db, shard) else {
            return Sampled::Nothing;
        };
        let table: &Table<Entry> = &held.table.table;
        if table.is_empty() || (only_volatile && held.table.expires == 0) {
            return Sampled::Nothing;
        }
        let may_go = |entry: &Entry| !only_volatile || entry.expire_at_ms().is_some();
        if table.len() <= FEW_KEYS {
            table.for_each(|entry| {
                if may_go(entry) {
                    visit(entry);
                }
            });
            return Sampled::Some;
        }
        let draws = if only_volatile { DRAWS_PER_VOLATILE } else { 1 } * count;
        let mut found = 0;
        for _ in 0..draws {
            let drawn: Option<SlotRef<Entry>> = table.random(|below| rng.below(below));
            if let Some(entry) = drawn.filter(|entry| may_go(entry)) {
                visit(&entry);
                found += 1;
            }
            if found == count {
                break;
            }
        }
        match found {
            0 => search_volatile(table, rng, visit),
            _ => Sampled::Some,
        }
    }

    /// How a key ranks now; `None` if it cannot go (any more). Its shard is held.
    pub fn rank(&self, db: u32, key: Key, only_volatile: bool, order: Order) -> Option<u64> {
        let held = self.table(db, self.keyspace.shard_of(key.hash))?;
        let entry = held.table.table.get(key.hash, |e| e.has_key(key.bytes))?;
        let may_go = !only_volatile || entry.expire_at_ms().is_some();
        may_go.then(|| order.rank(&entry, self.now_ms))
    }

    /// Deletes a key to make room, logged as `command`, which is DEL or UNLINK. Returns how
    /// many bytes that frees.
    pub fn evict(&mut self, db: u32, key: Key, command: &[u8]) -> Option<usize> {
        let entry = self.remove_silently(db, key)?;
        let freed = entry.heap_bytes() + TABLE_BYTES_PER_KEY;
        let effects = self.effects();
        effects.discard(entry);
        effects.evicted += 1;
        effects.log(db, &[command, key.bytes]);
        effects.event(event::EVICTED, "evicted", db, key.bytes);
        effects.touched(key.bytes, true);
        self.touch_listeners(db, key);
        self.effects().end_loose_unit();
        Some(freed)
    }
}

/// Visits the keys with a time to live of one segment that has such. There are few in the
/// table: draws did not find any.
fn search_volatile(table: &Table<Entry>, rng: &mut Rng, mut visit: impl FnMut(&Entry)) -> Sampled {
    let begin = rng.below(1 << ORDER_BITS);
    // Segments without any have no deadline. From the end it goes on at the beginning.
    let next_timed = |order| table.due(order, i64::MAX - 1);
    let mut at = next_timed(begin).or_else(|| next_timed(0));
    let mut found = false;
    for _ in 0..SEGMENTS_MAX {
        let Some(order) = at else {
            break;
        };
        let next = table.for_segment(order, |entry| {
            if entry.expire_at_ms().is_some() {
                found = true;
                visit(entry);
            }
        });
        if found {
            return Sampled::Some;
        }
        at = next_timed(next.unwrap_or(0)).or_else(|| next_timed(0));
    }
    Sampled::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::KeyHasher;
    use crate::store::keyspace::Keyspace;
    use crate::store::locked::Locker;
    use crate::store::view::Ttl;
    use std::collections::HashMap;

    fn ranks(pool: &Pool) -> Vec<u64> {
        pool.candidates.iter().map(|known| known.rank).collect()
    }

    #[test]
    fn the_pool_keeps_the_best() {
        let mut pool = Pool::default();
        for rank in [5, 3, 9, 7] {
            pool.offer(rank, 0, &[rank as u8]);
        }
        assert_eq!(ranks(&pool), [3, 5, 7, 9]);
        for rank in 10..22 {
            pool.offer(rank, 0, &[rank as u8]);
        }
        assert_eq!(ranks(&pool).len(), POOL_MAX);
        // Not better than the worst one.
        pool.offer(3, 0, b"no better");
        pool.offer(2, 0, b"worse");
        assert_eq!(ranks(&pool)[0], 3);
        pool.offer(4, 0, b"better");
        assert_eq!(ranks(&pool)[..2], [4, 5]);
        assert_eq!(pool.take_best().map(|best| best.rank), Some(21));
        assert_eq!(ranks(&pool).len(), POOL_MAX - 1);
    }

    #[test]
    fn the_pool_has_a_key_once_as_it_ranked_last() {
        let mut pool = Pool::default();
        pool.offer(5, 0, b"a");
        pool.offer(6, 1, b"a");
        pool.offer(7, 0, b"b");
        pool.offer(9, 0, b"a");
        assert_eq!(ranks(&pool), [6, 7, 9]);
        pool.offer(1, 0, b"a");
        assert_eq!(ranks(&pool), [1, 6, 7]);
    }

    /// A keyspace with so many shards and keys, every `volatile_each`th with a time to live.
    fn filled(shards: usize, keys: usize, volatile_each: usize) -> (Keyspace, Locker) {
        let keyspace = Keyspace::new(2, shards, 1, KeyHasher::seeded(5));
        let mut locker = Locker::new(&keyspace, 0);
        {
            let mut locked = keyspace.lock_everything(&mut locker);
            for n in 0..keys {
                let at_ms = (n % volatile_each == 0).then_some(1_000_000 + n as i64);
                let name = n.to_string();
                let key = locked.keyspace.key(name.as_bytes());
                locked.set_string(1, key, b"x", Ttl::Set(at_ms));
            }
        }
        (keyspace, locker)
    }

    #[test]
    fn samples_are_fair() {
        const KEYS: usize = 2000;
        const ROUNDS: usize = 20_000;
        let (keyspace, mut locker) = filled(4, KEYS, 1);
        let locked = keyspace.lock_everything(&mut locker);
        let mut rng = Rng::seeded(3);
        let mut seen = HashMap::new();
        for round in 0..ROUNDS {
            locked.sample(1, round % 4, false, 5, &mut rng, |entry| {
                *seen.entry(entry.key().to_vec()).or_insert(0) += 1;
            });
        }
        assert_eq!(seen.values().sum::<usize>(), 5 * ROUNDS);
        let (least, most) = (seen.values().min(), seen.values().max());
        assert!(seen.len() == KEYS && *least.unwrap() > 15 && *most.unwrap() < 100);
    }

    #[test]
    fn the_few_that_may_go_are_found() {
        for (keys, volatile_each) in [(10, 10), (5000, 5000), (5000, 500), (5000, 2)] {
            let (keyspace, mut locker) = filled(1, keys, volatile_each);
            let mut locked = keyspace.lock_everything(&mut locker);
            let mut rng = Rng::seeded(4);
            let mut left = keys.div_ceil(volatile_each);
            while locked.with_candidates(true).count() > 0 {
                let mut victim = None;
                let sampled = locked.sample(1, 0, true, 5, &mut rng, |entry| {
                    assert!(entry.expire_at_ms().is_some());
                    victim.get_or_insert(entry.key().to_vec());
                });
                assert_eq!(sampled, Sampled::Some, "{left} of {keys} are left");
                let victim = victim.unwrap();
                let key = locked.keyspace.key(&victim);
                assert!(locked.evict(1, Key { ..key }, b"DEL").is_some());
                left -= 1;
            }
            assert_eq!(left, 0);
            assert_eq!(
                locked.sample(1, 0, true, 5, &mut rng, |_| panic!("none is left")),
                Sampled::Nothing
            );
            drop(std::mem::take(locked.effects()));
        }
    }

    #[test]
    fn entries_rank_by_the_policy() {
        let now_ms = 500_000;
        let lfu = Lfu {
            log_factor: 10,
            decay_minutes: 1,
        };
        let entry = Entry::string(b"a", b"x", Some(600_000));
        entry.set_access(usage::lru_clock(440_000));
        assert_eq!(Order::Idle.rank(&entry, now_ms), 60);
        assert_eq!(Order::Deadline.rank(&entry, now_ms), u64::MAX - 600_000);
        assert_eq!(Order::Chance.rank(&entry, now_ms), 0);
        entry.set_access(Lfu::access(440_000, 100));
        assert_eq!(Order::Uses(lfu).rank(&entry, now_ms), 255 - 99);
    }
}
