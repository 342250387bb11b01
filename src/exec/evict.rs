//! Room is made when more is in memory than `maxmemory` allows.
//!
//! Whoever is about to run commands makes room first: a victim at a time, each under the lock
//! of its own shard and as a log unit of its own, so nobody waits for more than one. It goes
//! on until there is enough, or for as long as `maxmemory-eviction-tenacity` says; then the
//! commands run, and a thread of the background makes the rest. They are refused only if
//! there is nothing (left) that may go.
//!
//! So that many threads may do so at once, each has candidates and chances of its own, and
//! stops as soon as there is enough. What a group of commands takes while it runs is bounded
//! by `GROUP_BYTES_MAX` and one command.

use std::time::{Duration, Instant};

use super::Engine;
use super::commit::commit;
use crate::base::rng::Rng;
use crate::base::{clock, memory};
use crate::config::{EvictionPolicy, Param};
use crate::shared::Shared;
use crate::shared::spikes::Event;
use crate::store::evict::{Candidate, Order, Pool, Sampled};
use crate::store::lock::Contended;
use crate::store::locked::{Locked, Locker, Want};

/// A group of commands that has taken this much ends, and room is made before the next one.
pub const GROUP_BYTES_MAX: i64 = 64 << 10;

/// The time is looked at after so many victims.
const VICTIMS_PER_LOOK: usize = 4;
/// After so many attempts in a row that came to nothing the rest is left for later.
const MISSED_MAX: usize = 4;
/// Of what is on its way to be freed in the background no more than this part of the limit
/// counts as freed: a thread that cannot keep up must not make us exceed it without end.
const FREED_PART: u64 = 4;

/// What making room came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Enough,
    /// Not yet, but more is being made.
    Soon,
    /// There is nothing that may go.
    None,
}

/// A thread's means to make room.
pub struct Evictor {
    pool: Pool,
    /// For which the candidates were found.
    policy: EvictionPolicy,
    /// Where there is anything to be found, this time.
    databases: Vec<u32>,
    rng: Rng,
}

/// What one attempt to delete a key came to.
enum Attempt {
    /// So many bytes are, or will be, free.
    Freed(usize),
    /// Nothing may go.
    Nothing,
    /// It was not to be found this time.
    Missed,
    /// Nothing may be deleted now.
    Forbidden,
}

/// How victims are chosen.
#[derive(Clone, Copy)]
struct Choice {
    order: Order,
    only_volatile: bool,
    samples: usize,
}

impl Evictor {
    pub fn new() -> Evictor {
        Evictor {
            pool: Pool::default(),
            policy: EvictionPolicy::NoEviction,
            databases: Vec::new(),
            rng: Rng::from_entropy(),
        }
    }

    /// Makes room if there is a limit and more is in use. No lock is held. Those who read the
    /// log are to be woken afterwards.
    pub fn make_room(&mut self, engine: &Engine, locker: &mut Locker) -> Room {
        let shared = &engine.shared;
        match excess_bytes(shared) {
            Some(excess) if may_evict(shared, clock::unix_ms()) => {
                self.evict(engine, locker, excess)
            }
            Some(_) => Room::Enough,
            None => {
                shared.eviction.note_enough(clock::unix_us);
                Room::Enough
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn evict(&mut self, engine: &Engine, locker: &mut Locker, excess: u64) -> Room {
        let shared = &engine.shared;
        let room = match shared.eviction_policy() {
            EvictionPolicy::NoEviction => Room::None,
            policy => {
                if std::mem::replace(&mut self.policy, policy) != policy {
                    self.pool.clear();
                }
                let begun = Instant::now();
                let room = self.slice(engine, locker, excess, begun);
                note_spike(shared, begun);
                room
            }
        };
        match room {
            Room::Enough => shared.eviction.note_enough(clock::unix_us),
            Room::Soon | Room::None => shared.eviction.note_exceeded(clock::unix_us()),
        }
        if room == Room::Soon {
            shared.eviction.wake();
        }
        room
    }

    /// Deletes keys until `excess` bytes are free, for as long as a slice may take.
    ///
    /// What the deletions themselves take (messages to those who have the keys cached, say)
    /// does not count: to delete more keys for it would only make more of it.
    fn slice(&mut self, engine: &Engine, locker: &mut Locker, excess: u64, begun: Instant) -> Room {
        let shared = &engine.shared;
        let time_max = slice_time(shared.config.get_int(Param::MaxMemoryEvictionTenacity));
        let choice = choice(shared);
        let (mut freed, mut missed) = (0, 0);
        for victims in 1.. {
            match self.attempt(engine, locker, choice) {
                Ok(Attempt::Freed(bytes)) => {
                    freed += bytes as u64;
                    missed = 0;
                }
                Ok(Attempt::Nothing) if excess_bytes(shared).is_some() => return Room::None,
                Ok(Attempt::Nothing | Attempt::Forbidden) => return Room::Enough,
                Ok(Attempt::Missed) | Err(Contended) if missed == MISSED_MAX => break,
                Ok(Attempt::Missed) | Err(Contended) => missed += 1,
            }
            // Others make room too.
            if freed >= excess || excess_bytes(shared).is_none() {
                return Room::Enough;
            }
            let is_look = victims % VICTIMS_PER_LOOK == 0;
            if is_look && time_max.is_some_and(|max| begun.elapsed() > max) {
                break;
            }
        }
        Room::Soon
    }

    /// Deletes one key.
    fn attempt(
        &mut self,
        engine: &Engine,
        locker: &mut Locker,
        choice: Choice,
    ) -> Result<Attempt, Contended> {
        match self.sample(engine, locker, choice)? {
            Sampled::Some => {}
            Sampled::Nothing => return Ok(Attempt::Nothing),
            Sampled::Unknown => return Ok(Attempt::Missed),
        }
        while let Some(candidate) = self.pool.take_best() {
            match delete(engine, locker, choice, &candidate)? {
                Attempt::Missed => {}
                attempt => return Ok(attempt),
            }
        }
        Ok(Attempt::Missed)
    }

    /// Puts candidates from a shard drawn at random into the pool, and from the next ones as
    /// long as there are too few.
    fn sample(
        &mut self,
        engine: &Engine,
        locker: &mut Locker,
        choice: Choice,
    ) -> Result<Sampled, Contended> {
        let keyspace = &engine.shared.keyspace;
        let shards = keyspace.shard_count();
        // As likely as a key is to be in it.
        let first = keyspace.shard_of(self.rng.next_u64());
        let (mut found, mut is_unknown) = (0, false);
        for step in 0..shards {
            let shard = (first + step) % shards;
            let mut locked = keyspace.try_lock(locker, Want::Shards(&[shard as u16]))?;
            locked.now_ms = clock::unix_ms();
            if step == 0 {
                self.databases.clear();
                let databases = locked.with_candidates(choice.only_volatile);
                self.databases.extend(databases);
            }
            if self.databases.is_empty() {
                break;
            }
            for number in 0..self.databases.len() {
                let db = self.databases[number];
                let sampled = self.sample_database(&locked, db, shard, choice, &mut found);
                is_unknown |= sampled == Sampled::Unknown;
            }
            if found >= choice.samples {
                break;
            }
        }
        Ok(match found {
            0 if is_unknown => Sampled::Unknown,
            0 => Sampled::Nothing,
            _ => Sampled::Some,
        })
    }

    fn sample_database(
        &mut self,
        locked: &Locked,
        db: u32,
        shard: usize,
        choice: Choice,
        found: &mut usize,
    ) -> Sampled {
        let Evictor { pool, rng, .. } = self;
        let Choice {
            order,
            only_volatile,
            samples,
        } = choice;
        let mut chances = Rng::seeded(rng.next_u64());
        locked.sample(db, shard, only_volatile, samples, rng, |entry| {
            *found += 1;
            let rank = match order {
                // The best of as many chances is as good a chance as any.
                Order::Chance => chances.next_u64(),
                order => order.rank(entry, locked.now_ms),
            };
            pool.offer(rank, db, entry.key());
        })
    }
}

impl Default for Evictor {
    fn default() -> Evictor {
        Evictor::new()
    }
}

/// Deletes a candidate, unless it is gone or was used since it was found.
fn delete(
    engine: &Engine,
    locker: &mut Locker,
    choice: Choice,
    candidate: &Candidate,
) -> Result<Attempt, Contended> {
    let shared = &engine.shared;
    let gate = locker.gate();
    let key = shared.keyspace.key(&candidate.key);
    let shard = shared.keyspace.shard_of(key.hash) as u16;
    let mut locked = shared.keyspace.try_lock(locker, Want::Shards(&[shard]))?;
    locked.now_ms = clock::unix_ms();
    // Decided under the lock, like any admission.
    if !may_evict(shared, locked.now_ms) {
        return Ok(Attempt::Forbidden);
    }
    let db = candidate.db;
    let rank = locked.rank(db, key, choice.only_volatile, choice.order);
    let is_worse = |rank| choice.order != Order::Chance && rank < candidate.rank;
    if rank.is_none_or(is_worse) {
        return Ok(Attempt::Missed);
    }
    let command = shared.config.deletion(Param::LazyfreeLazyEviction);
    let effects = locked.effects();
    // What a follower deletes of itself is not its leader's history.
    effects.logging = shared.oplog.is_active() && !shared.role.is_follower();
    effects.notify = shared.config.notify_events() as u32;
    effects.tracking = shared.tracking.is_active();
    let freed = locked.evict(db, key, command);
    commit(engine, &mut locked, gate, &[]);
    Ok(freed.map_or(Attempt::Missed, Attempt::Freed))
}

/// By how much the limit is exceeded, if it is.
fn excess_bytes(shared: &Shared) -> Option<u64> {
    let limit = shared.config.get_bytes(Param::MaxMemory);
    let used = memory::used_bytes() as u64;
    if limit == 0 || used <= limit {
        return None;
    }
    excess_counted(shared, used, limit)
}

/// The same without what does not count: memory that followers need for being behind, and
/// what is about to be freed.
#[cold]
#[inline(never)]
fn excess_counted(shared: &Shared, used: u64, limit: u64) -> Option<u64> {
    let (_, followers) = shared.log_bytes();
    let freed = match shared.freed_soon() {
        // A whole database: how large it is nobody knows.
        None => return None,
        Some(bytes) => bytes.min(limit / FREED_PART),
    };
    // Each worker frees its own the next time that it goes round. All of it counts: those who
    // are being closed take nothing more, and the others may take no more than before.
    let freed = freed + shared.clients.ledger.leaving_bytes();
    let counted = used.saturating_sub(followers + freed);
    counted.checked_sub(limit).filter(|&excess| excess > 0)
}

/// Whether keys may be deleted to make room, and commands refused for want of it.
fn may_evict(shared: &Shared, now_ms: i64) -> bool {
    let config = &shared.config;
    let follows = shared.role.is_follower() && config.get_bool(Param::ReplicaIgnoreMaxmemory);
    !follows
        && !shared.jobs.loading.is_active()
        && !shared.pause.is_on(now_ms)
        && !config.get_bool(Param::ImportMode)
}

fn choice(shared: &Shared) -> Choice {
    let policy = shared.eviction_policy();
    let order = match policy {
        EvictionPolicy::VolatileLru | EvictionPolicy::AllKeysLru => Order::Idle,
        EvictionPolicy::VolatileLfu | EvictionPolicy::AllKeysLfu => {
            shared.lfu().map_or(Order::Idle, Order::Uses)
        }
        EvictionPolicy::VolatileTtl => Order::Deadline,
        EvictionPolicy::VolatileRandom
        | EvictionPolicy::AllKeysRandom
        | EvictionPolicy::NoEviction => Order::Chance,
    };
    let samples = shared.config.get_int(Param::MaxMemorySamples).max(1) as usize;
    Choice {
        order,
        only_volatile: policy.only_volatile(),
        samples: if order == Order::Chance { 1 } else { samples },
    }
}

/// How long a slice may take, as in Redis: it grows evenly up to half a millisecond, then by
/// 15% a step; with 100 it takes as long as it takes.
fn slice_time(tenacity: i64) -> Option<Duration> {
    match tenacity {
        ..=10 => Some(Duration::from_micros(50 * tenacity.max(0).unsigned_abs())),
        11..100 => {
            let factor = 1.15_f64.powi(tenacity as i32 - 10);
            Some(Duration::from_secs_f64(0.0005 * factor))
        }
        _ => None,
    }
}

fn note_spike(shared: &Shared, begun: Instant) {
    let threshold_ms = shared.config.get_int(Param::LatencyMonitorThreshold);
    let took_us = begun.elapsed().as_micros() as u64;
    let seconds = clock::unix_ms() / 1000;
    let spikes = &shared.spikes;
    spikes.note(Event::EvictionCycle, seconds, took_us, threshold_ms);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenacity_is_time() {
        for (tenacity, us) in [(0, 0), (1, 50), (10, 500), (11, 575), (20, 2022)] {
            let time = slice_time(tenacity).map(|time| time.as_micros());
            assert_eq!(time, Some(us), "{tenacity}");
        }
        assert!(slice_time(99) > Some(Duration::from_secs(100)));
        assert_eq!(slice_time(100), None);
    }
}
