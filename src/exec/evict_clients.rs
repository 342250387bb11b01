//! Clients are closed when all together take more memory than `maxmemory-clients` allows:
//! those that take most first, until the others take less.
//!
//! It is asked before every group of commands and after whatever a connection has taken in or
//! left unsent, which costs two loads as long as no look is due (see `shared::client_memory`).
//! Links to other servers are neither counted nor closed; who has said CLIENT NO-EVICT ON is
//! counted.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Engine;
use crate::base::clock;
use crate::commands::client::described;
use crate::shared::Shared;
use crate::shared::clients::{ClientFacts, client_flag};
use crate::shared::session::FIXED_BYTES;

const LINKS: u32 = client_flag::FOLLOWER | client_flag::LEADER;

/// Closes whom it takes, if a look is due: then it may be the one who asks.
#[inline]
pub fn make_room(engine: &Engine) -> bool {
    let is_due = engine.shared.clients.ledger.is_look_due();
    if is_due {
        look(engine);
    }
    is_due
}

/// Looks at all clients, if there is a limit.
#[cold]
#[inline(never)]
pub fn look(engine: &Engine) {
    let shared = &engine.shared;
    let Some(look) = shared.clients.ledger.try_look() else {
        return;
    };
    let mut sum_bytes = sum_of(shared, |facts, _| {
        facts.memory.note();
    });
    if sum_bytes > look.limit_bytes {
        let largest_first;
        (sum_bytes, largest_first) = candidates(shared);
        for (bytes, facts) in largest_first {
            if sum_bytes <= look.limit_bytes {
                break;
            }
            close(engine, &facts);
            sum_bytes -= bytes;
        }
    }
    look.end(sum_bytes);
}

/// What all clients take together; each is shown with its share.
fn sum_of(shared: &Shared, mut each: impl FnMut(&Arc<ClientFacts>, u64)) -> u64 {
    let mut sum_bytes = 0;
    shared.clients.for_each_listed(|facts| {
        if !facts.has(LINKS) {
            let bytes = (FIXED_BYTES + facts.memory.bytes()) as u64;
            sum_bytes += bytes;
            each(facts, bytes);
        }
    });
    sum_bytes
}

/// What all clients take together, and those that may be closed with what they take, the
/// largest first.
fn candidates(shared: &Shared) -> (u64, Vec<(u64, Arc<ClientFacts>)>) {
    let mut found = Vec::new();
    let sum_bytes = sum_of(shared, |facts, bytes| {
        if !facts.has(client_flag::NO_EVICT) {
            found.push((bytes, facts.clone()));
        }
    });
    // Among equals those that came first.
    found.sort_by_key(|(bytes, facts)| (Reverse(*bytes), facts.id));
    (sum_bytes, found)
}

fn close(engine: &Engine, facts: &ClientFacts) {
    let client = described(&engine.registry, facts, clock::unix_ms());
    tracing::info!("Evicting client: {client}");
    facts.kill();
    let evicted = &engine.shared.stats.rare.evicted_clients;
    evicted.fetch_add(1, Ordering::Relaxed);
}
