//! Client-side caching: what commands read is noted, what they changed is told.

use std::cell::RefCell;

use super::Engine;
use crate::commands::shape::KeyRef;
use crate::commands::spec::{Spec, flag};
use crate::config::Param;
use crate::resp::argv::Argv;
use crate::shared::clients::{ClientFacts, client_flag};
use crate::store::locked::Locked;

thread_local! {
    /// Where the keys of a request are found, kept so that a read allocates nothing.
    static KEYS: RefCell<Vec<KeyRef>> = const { RefCell::new(Vec::new()) };
}

/// Before a command of a client: keys beyond what may be noted are given up. True if some
/// were.
#[cold]
#[inline(never)]
pub fn before(engine: &Engine) -> bool {
    let shared = &engine.shared;
    let keys_max = shared.config.get_int(Param::TrackingTableMaxKeys);
    let keys_max = usize::try_from(keys_max).unwrap_or(usize::MAX);
    shared.tracking.give_up(&shared.clients, keys_max)
}

/// After a client's command, under its locks: whoever changes a key that was read waits for
/// the reader's lock, so he finds the reader noted; and nobody who begins to track misses a
/// change, since a group asks whether anybody does when it has its locks.
#[cold]
#[inline(never)]
pub fn after(engine: &Engine, locked: &mut Locked, facts: &ClientFacts, spec: &Spec, argv: Argv) {
    tell(engine, locked, Some(facts.id));
    if spec.has(flag::READONLY) && facts.has(client_flag::TRACKING) {
        KEYS.with_borrow_mut(|keys| {
            keys.clear();
            spec.keys_of(argv, keys);
            let names = keys.iter().map(|key| argv.get(key.arg));
            engine.shared.tracking.note_read(facts, names);
        });
    }
}

/// Tells who tracks them of the keys that changed, by what `by` did if it was a client.
pub fn tell(engine: &Engine, locked: &mut Locked, by: Option<u64>) {
    let shared = &engine.shared;
    shared.tell_replaced(locked);
    let effects = locked.effects();
    for touched in effects.touched.drain(..) {
        let by = by.filter(|_| !touched.by_itself);
        shared
            .tracking
            .tell_changed(&shared.clients, &touched.key, by);
    }
}

/// The same for a client that waited: others are told when it is answered (`finish`).
#[cold]
#[inline(never)]
pub fn after_wait(
    engine: &Engine,
    locked: &mut Locked,
    facts: &ClientFacts,
    spec: &Spec,
    argv: Argv,
) {
    let effects = locked.effects();
    let touched = std::mem::take(&mut effects.touched).into_iter();
    let late = touched.map(|touched| (touched, facts.id));
    effects.touched_late.extend(late);
    after(engine, locked, facts, spec, argv);
}

/// At the end of a group: what nobody has been told of yet, and the news of prefixes.
#[cold]
#[inline(never)]
pub fn finish(engine: &Engine, locked: &mut Locked) {
    tell(engine, locked, None);
    let late = std::mem::take(&mut locked.effects().touched_late);
    for (touched, by) in late {
        locked.effects().touched.push(touched);
        tell(engine, locked, Some(by));
    }
    engine.shared.tracking.tell_prefixes(&engine.shared.clients);
}
