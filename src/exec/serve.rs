//! Serving those who wait for keys: when a command has made a key ready, the commands that
//! wait for it run again, in the order they came, before anybody else sees the key.

use std::sync::Arc;

use super::Engine;
use super::account::note_if_slow;
use super::track;
use crate::base::clock;
use crate::commands::args::FirstKey;
use crate::commands::call::call;
use crate::commands::cx::{Blocking, Cx, Outcome};
use crate::commands::registry::CommandId;
use crate::config::Param;
use crate::resp::argv::{Argv, OwnedCommand};
use crate::resp::reply::ReplyBuf;
use crate::shared::parked::{Parked, Ticket, WantedKey};
use crate::shared::session::{Origin, Session};
use crate::store::keyspace::Key;
use crate::store::locked::{Locked, Locker};
use crate::store::waiters::{Ready, Waiter};

/// Parks a command that found nothing; its shards are locked. From here on others may end its
/// wait.
pub fn park(
    engine: &Engine,
    locked: &mut Locked,
    session: &Session,
    id: CommandId,
    argv: Argv,
    blocking: Blocking,
) -> Arc<Parked> {
    let keyspace = &engine.shared.keyspace;
    let mut found = Vec::new();
    engine.registry.get(id).spec.keys_of(argv, &mut found);
    let shard_of = |arg| keyspace.shard_of(keyspace.hasher.hash(argv.get(arg))) as u16;
    let keys = blocking.keys.into_iter().map(|bytes| WantedKey {
        hash: keyspace.hasher.hash(&bytes),
        bytes,
    });
    let request = blocking.request;
    let parked = engine.shared.parked.add(Ticket {
        facts: session.facts.clone(),
        db: session.db,
        command: id,
        request: request.unwrap_or_else(|| OwnedCommand::from_argv(argv)),
        keys: keys.collect(),
        even_without_key: blocking.even_without_key,
        shards: found.iter().map(|key| shard_of(key.arg)).collect(),
        deadline_ms: blocking.deadline_ms,
        nothing: blocking.nothing,
        resp3: session.facts.speaks_resp3(),
        no_touch: session.no_touch,
    });
    let waiter = Waiter {
        ticket: parked.ticket,
        kind: blocking.kind,
        even_without_key: blocking.even_without_key,
    };
    for key in &parked.keys {
        locked.join_line(session.db, key_of(key), waiter);
    }
    session.facts.begin_wait();
    engine.shared.clients.count_blocked(1);
    parked
}

/// Notes a command whose wait has ended without its being run again.
pub fn note_unserved(
    engine: &Engine,
    session: &Session,
    gate: usize,
    parked: &Parked,
    failed: bool,
) {
    note(engine, session, gate, parked, failed, 0);
}

fn note(
    engine: &Engine,
    session: &Session,
    gate: usize,
    parked: &Parked,
    failed: bool,
    took_us: u64,
) {
    let stats = engine.shared.stats.thread(gate);
    if let Some(cost) = stats.costs.get(parked.command as usize) {
        cost.calls.add(1);
        cost.failed.add(u64::from(failed));
        cost.microseconds.add(took_us);
        if engine.shared.config.get_bool(Param::LatencyTracking) {
            cost.track(took_us, 1);
        }
    }
    let argv = parked.request.argv();
    note_if_slow(engine, session, parked.command, argv, took_us);
}

/// Ends a wait for which nothing came. False if it was served just before.
pub fn give_up(engine: &Engine, locker: &mut Locker, parked: &Parked) -> bool {
    if !parked.give_up() {
        return false;
    }
    engine.shared.clients.count_blocked(-1);
    engine.shared.parked.remove(parked.ticket);
    let shard_of = |key: &WantedKey| engine.shared.keyspace.shard_of(key.hash) as u16;
    let shards: Vec<u16> = parked.keys.iter().map(shard_of).collect();
    let mut locked = engine.shared.keyspace.lock_shards(locker, &shards);
    leave_lines(&mut locked, parked);
    true
}

fn leave_lines(locked: &mut Locked, parked: &Parked) {
    for key in &parked.keys {
        locked.leave_line(parked.db, key_of(key), parked.ticket);
    }
}

fn key_of(key: &WantedKey) -> Key<'_> {
    Key {
        bytes: &key.bytes,
        hash: key.hash,
    }
}

/// Runs the commands of those who wait for keys that were made ready, and of those who wait
/// for what these make ready, until there is nothing left to do.
#[cold]
#[inline(never)]
pub fn serve_ready(engine: &Engine, locked: &mut Locked) {
    while locked.effects().has_ready() {
        for Ready { db, key } in locked.effects().take_ready() {
            let key = engine.shared.keyspace.key(&key);
            if locked.holds(engine.shared.keyspace.shard_of(key.hash)) {
                serve_line(engine, locked, db, key);
                locked.effects().forget_ready(db, key.bytes);
            }
        }
    }
}

/// Serves a key's line as far as the key has something for it.
fn serve_line(engine: &Engine, locked: &mut Locked, db: u32, key: Key) {
    let mut last = 0;
    // What one has left of the key decides whether there is a next one.
    while let Some(ticket) = locked.concerned_after(db, key, last) {
        last = ticket;
        let Some(parked) = engine.shared.parked.get(ticket) else {
            continue;
        };
        if !locked.try_hold(&parked.shards) {
            // Those behind it come after it: it has the line looked at again.
            return parked.nudge();
        }
        // Their readers may have begun to track after this group did, while they were free.
        locked.effects().tracking |= engine.shared.tracking.is_active();
        serve(engine, locked, &parked);
    }
}

/// Runs a parked command again. It stays parked if it still finds nothing.
fn serve(engine: &Engine, locked: &mut Locked, parked: &Parked) {
    let Some(claim) = parked.claim() else {
        return;
    };
    let mut session = Session::new(parked.facts.clone(), Origin::Client);
    session.db = parked.db;
    session.no_touch = parked.no_touch;
    session.authenticated = true;
    let mut reply = ReplyBuf::with_protocol(parked.resp3);
    // Its time is its own: those before it may have taken theirs.
    let begun_us = clock::unix_us();
    locked.now_ms = locked.now_ms.max(begun_us / 1000);
    let known = engine.registry.get(parked.command);
    let gate = locked.gate();
    let mut cx = Cx {
        store: locked,
        session: &mut session,
        reply: &mut reply,
        shared: &engine.shared,
        registry: &engine.registry,
        in_transaction: false,
    };
    let skip = usize::from(known.container.is_some());
    let argv = parked.request.argv();
    let result = call(&mut cx, known.spec, argv, FirstKey::default(), skip);
    let effects = locked.effects();
    effects.group_dirty += effects.dirty;
    effects.end_unit();
    if matches!(result, Ok(Outcome::Block(_))) {
        return;
    }
    if locked.effects().tracking {
        track::after_wait(engine, locked, &parked.facts, known.spec, argv);
    }
    let took_us = (clock::unix_us() - begun_us).max(0).unsigned_abs();
    note(engine, &session, gate, parked, result.is_err(), took_us);
    if let Err(error) = &result {
        let stats = &engine.shared.stats;
        stats.count_error(stats.thread(gate), &error.message());
    }
    claim.served(reply.bytes().to_vec());
    engine.shared.clients.count_blocked(-1);
    leave_lines(locked, parked);
    locked.effects().served.push(parked.ticket);
}
