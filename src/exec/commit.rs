//! What the commands of a group leave behind is carried out while their locks are held:
//! first the log, then keyspace events, then the counters.

use std::sync::atomic::Ordering;

use super::Engine;
use super::serve::serve_ready;
use super::track;
use crate::shared::Garbage;
use crate::shared::session::Session;
use crate::store::effects::{Event, event};
use crate::store::locked::Locked;

/// Appends the finished units to the log and tells those who listen. `input` is what
/// `Effects::begin_input` was told, or nothing. Returns the log's end behind them if something
/// was appended.
#[inline]
pub fn commit(engine: &Engine, locked: &mut Locked, gate: usize, input: &[u8]) -> Option<u64> {
    if locked.effects().has_ready() {
        serve_ready(engine, locked);
    }
    let effects = locked.effects();
    effects.end_input(input);
    let mut end_offset = None;
    if !effects.records.is_empty() {
        end_offset = Some(engine.shared.oplog.append(&mut effects.records, input));
    }
    if !effects.events.is_empty() {
        for happened in effects.events.drain(..) {
            announce(engine, effects.notify, &happened);
        }
    }
    if !effects.served.is_empty() {
        let served = effects.served.drain(..);
        served.for_each(|ticket| engine.shared.parked.deliver(ticket, end_offset));
    }
    if effects.tracking || effects.flushed {
        track::finish(engine, locked);
    }
    let effects = locked.effects();
    for (db, key, at_ms) in effects.own_expiries.drain(..) {
        engine.shared.own_expiries.note(db, key, at_ms);
    }
    let stats = engine.shared.stats.thread(gate);
    let ends = effects.expired + effects.expired_fields + effects.evicted;
    if effects.hits + effects.misses + ends > 0 {
        stats.hits.add(std::mem::take(&mut effects.hits));
        stats.misses.add(std::mem::take(&mut effects.misses));
        stats.expired.add(std::mem::take(&mut effects.expired));
        stats.evicted.add(std::mem::take(&mut effects.evicted));
        let fields = std::mem::take(&mut effects.expired_fields);
        stats.expired_fields.add(fields);
    }
    let dirty = std::mem::take(&mut effects.group_dirty);
    if dirty > 0 {
        engine
            .shared
            .stats
            .dirty
            .fetch_add(dirty, Ordering::Relaxed);
    }
    if !effects.garbage.is_empty() {
        let entries = std::mem::take(&mut effects.garbage);
        engine.shared.free_elsewhere(Garbage::Entries(entries));
    }
    end_offset
}

/// The same, remembering for WAIT how far the session has written.
#[inline]
pub fn commit_for(
    engine: &Engine,
    locked: &mut Locked,
    gate: usize,
    session: &mut Session,
    input: &[u8],
) {
    if let Some(end_offset) = commit(engine, locked, gate, input) {
        session.written_offset = end_offset;
    }
}

fn announce(engine: &Engine, notify: u32, happened: &Event) {
    let pubsub = &engine.shared.pubsub;
    if notify & event::KEYSPACE != 0 {
        let mut channel = format!("__keyspace@{}__:", happened.db).into_bytes();
        channel.extend_from_slice(&happened.key);
        pubsub.publish(&channel, happened.name.as_bytes());
    }
    if notify & event::KEYEVENT != 0 {
        let channel = format!("__keyevent@{}__:{}", happened.db, happened.name);
        pubsub.publish(channel.as_bytes(), &happened.key);
    }
}
