//! The end of a MIGRATE: what has arrived elsewhere is deleted here, unless it changed.

use super::Engine;
use super::commit::commit_for;
use super::dispatch::prepare;
use crate::commands::keyspace::migrate::{delete, pack};
use crate::shared::migration::{Migration, Parcel};
use crate::shared::session::Session;
use crate::store::locked::Locker;

/// What became of the parcels.
pub enum Settled {
    Done,
    /// These keys changed since, and are packed anew.
    Again(Vec<Parcel>),
    /// CLIENT PAUSE: nothing was done yet.
    Paused {
        until_ms: i64,
    },
    /// The server is no leader any more: its new leader says what is deleted.
    Follows,
}

/// Deletes the keys whose parcels have arrived and ends the watches of all. Those that
/// changed are packed anew if they are to be sent again (`tries_again`), else they stay.
pub fn settle(
    engine: &Engine,
    session: &mut Session,
    locker: &mut Locker,
    migration: &mut Migration,
    tries_again: bool,
) -> Settled {
    let shared = &engine.shared;
    let gate = locker.gate();
    let shard = |parcel: &Parcel| shared.keyspace.shard_of(parcel.hash) as u16;
    let shards: Vec<u16> = migration.parcels.iter().map(shard).collect();
    let mut locked = shared.keyspace.lock_shards(locker, &shards);
    prepare(engine, session, &mut locked);
    if let Some(until_ms) = shared.pause.holds(true, locked.now_ms) {
        return Settled::Paused { until_ms };
    }
    let db = migration.from_db;
    let parcels = std::mem::take(&mut migration.parcels);
    for parcel in &parcels {
        locked.unwatch(db, parcel.key(), &parcel.changed);
    }
    if shared.role.is_follower() {
        return Settled::Follows;
    }
    if migration.copy {
        return Settled::Done;
    }
    let arrived = parcels.iter().filter(|parcel| parcel.has_arrived);
    let (changed, unchanged): (Vec<_>, Vec<_>) =
        arrived.partition(|parcel| parcel.changed.is_raised());
    let count = delete(&mut locked, db, unchanged.into_iter());
    let effects = locked.effects();
    effects.group_dirty += count;
    // Expiries on the way are logged each for itself.
    effects.end_loose_unit();
    let again: Vec<Parcel> = changed
        .iter()
        .filter(|_| tries_again)
        .filter_map(|parcel| pack(&mut locked, &shared.config, db, parcel.key()))
        .collect();
    commit_for(engine, &mut locked, gate, session, &[]);
    drop(locked);
    shared.oplog.wake_readers();
    match again.is_empty() {
        true => Settled::Done,
        false => Settled::Again(again),
    }
}
