//! The end of a MIGRATE: what has arrived elsewhere is deleted here, unless it changed.

use super::Engine;
use super::commit::commit_for;
use super::dispatch::prepare;
use crate::commands::cx::{Migration, Parcel};
use crate::commands::keyspace::migrate::pack;
use crate::shared::session::Session;
use crate::store::effects::event;
use crate::store::keyspace::Key;
use crate::store::locked::{Locked, Locker};

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
        locked.unwatch(db, key(parcel), &parcel.changed);
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
    delete(&mut locked, db, &unchanged);
    let again: Vec<Parcel> = changed
        .iter()
        .filter(|_| tries_again)
        .filter_map(|parcel| pack(&mut locked, &shared.config, db, key(parcel)))
        .collect();
    commit_for(engine, &mut locked, gate, session, &[]);
    drop(locked);
    shared.oplog.wake_readers();
    match again.is_empty() {
        true => Settled::Done,
        false => Settled::Again(again),
    }
}

fn key(parcel: &Parcel) -> Key<'_> {
    Key {
        bytes: &parcel.key,
        hash: parcel.hash,
    }
}

/// Deletes the keys, and logs that as one DEL.
fn delete(locked: &mut Locked, db: u32, parcels: &[&Parcel]) {
    let mut command: Vec<&[u8]> = vec![b"DEL"];
    for parcel in parcels {
        if let Some(entry) = locked.remove(db, key(parcel)) {
            command.push(&parcel.key);
            let effects = locked.effects();
            effects.discard(entry);
            effects.event(event::GENERIC, "del", db, &parcel.key);
            effects.group_dirty += 1;
        }
    }
    // Expiries on the way are logged each for itself.
    let effects = locked.effects();
    if command.len() > 1 {
        effects.log(db, &command);
    }
    effects.end_loose_unit();
}
