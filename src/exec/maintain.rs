//! Bounded rounds of housekeeping on the keyspace: deleting what is due.

use std::time::{Duration, Instant};

use super::Engine;
use super::commit::commit;
use crate::base::clock;
use crate::commands::connection::unsubscribe_all;
use crate::config::Param;
use crate::shared::Shared;
use crate::shared::session::Session;
use crate::store::keyspace::Tables;
use crate::store::locked::{Expiry, Locker};

/// How long a round of the expiry task holds one shard at most is bounded by a segment; so
/// long does it go on before it pauses.
const ROUND: Duration = Duration::from_millis(1);

/// The expiry task's place in the keyspace; within a database the tables know it.
#[derive(Default)]
pub struct ExpiryCursor {
    db: u32,
    shard: usize,
}

impl ExpiryCursor {
    /// Goes on through the keyspace for `ROUND` at most, where there is something due. True
    /// at the end of a whole pass.
    pub fn round(&mut self, engine: &Engine, locker: &mut Locker) -> bool {
        let keyspace = &engine.shared.keyspace;
        let started = Instant::now();
        loop {
            self.step(engine, locker);
            if self.db as usize == keyspace.database_count() {
                *self = ExpiryCursor::default();
                return true;
            }
            if started.elapsed() > ROUND {
                return false;
            }
        }
    }

    /// One segment of one shard, after databases without anything due.
    fn step(&mut self, engine: &Engine, locker: &mut Locker) {
        let shared = &engine.shared;
        let databases = shared.keyspace.database_count() as u32;
        let gate = locker.gate();
        let mut locked = shared.keyspace.lock_shards(locker, &[self.shard as u16]);
        locked.now_ms = clock::unix_ms();
        if keeps_due_keys(&engine.shared, locked.now_ms) {
            self.db = databases;
            return;
        }
        let due_from = |db| Some((db, locked.due_shard(db)?));
        let Some((db, shard)) = (self.db..databases).find_map(due_from) else {
            self.db = databases;
            return;
        };
        let is_held = locked.holds(shard);
        (self.db, self.shard) = (db, shard);
        if !is_held {
            return;
        }
        locked.expiry = Expiry::Delete;
        let effects = locked.effects();
        effects.logging = shared.oplog.is_active();
        effects.unlinks_due = shared.config.get_bool(Param::LazyfreeLazyExpire);
        effects.notify = shared.config.notify_events() as u32;
        effects.tracking = shared.tracking.is_active();
        if locked.expire_round(db) {
            self.db += 1;
        }
        commit(engine, &mut locked, gate, &[]);
        drop(locked);
        shared.oplog.wake_readers();
    }
}

/// Whether keys may not be deleted because they are due: decided under a lock, like any
/// admission.
fn keeps_due_keys(shared: &Shared, now_ms: i64) -> bool {
    shared.role.is_follower()
        || shared.pause.is_on(now_ms)
        || shared.config.get_bool(Param::ImportMode)
}

/// How many keys have an expiry; `None` while those that are due are kept.
pub fn volatile_keys(engine: &Engine, locker: &mut Locker) -> Option<u64> {
    let keyspace = &engine.shared.keyspace;
    let locked = keyspace.lock_shards(locker, &[]);
    if keeps_due_keys(&engine.shared, clock::unix_ms()) {
        return None;
    }
    let databases = 0..keyspace.database_count() as u32;
    let tables = databases.filter_map(|db| locked.tables(db));
    Some(tables.map(Tables::volatile).sum())
}

/// Deletes keys that are due by what a writable follower's own clients said, for `ROUND` at
/// most: of these its leader does not know.
pub fn expire_own(engine: &Engine, locker: &mut Locker) {
    let shared = &engine.shared;
    let (started, now_ms) = (Instant::now(), clock::unix_ms());
    if !shared.role.is_follower() || shared.pause.is_on(now_ms) {
        return;
    }
    while started.elapsed() < ROUND
        && let Some((db, key, at_ms)) = shared.own_expiries.take_due(now_ms)
    {
        let key = shared.keyspace.key(&key);
        let gate = locker.gate();
        let shard = shared.keyspace.shard_of(key.hash) as u16;
        let mut locked = shared.keyspace.lock_shards(locker, &[shard]);
        if !shared.role.is_follower() {
            return;
        }
        locked.now_ms = now_ms;
        locked.expiry = Expiry::Ignore;
        let effects = locked.effects();
        effects.logging = false;
        effects.notify = shared.config.notify_events() as u32;
        effects.tracking = shared.tracking.is_active();
        // If it has got another one since, that counts, whoever gave it.
        let entry = locked.peek(db, key);
        if entry.is_some_and(|entry| entry.expire_at_ms() == Some(at_ms)) {
            locked.expire(db, key);
        }
        commit(engine, &mut locked, gate, &[]);
    }
}

/// Ends what a session holds of the keyspace and of channels when its connection closes.
pub fn forget(engine: &Engine, session: &mut Session, locker: &mut Locker) {
    let shared = &engine.shared;
    if !session.watched.is_empty() {
        let shard = |hash| shared.keyspace.shard_of(hash) as u16;
        let shards: Vec<u16> = session.watched.iter().map(|key| shard(key.hash)).collect();
        let mut locked = shared.keyspace.lock_shards(locker, &shards);
        crate::commands::transaction::unwatch_all(&mut locked, session);
    }
    unsubscribe_all(shared, session);
    shared.tracking.disable(&session.facts);
}
