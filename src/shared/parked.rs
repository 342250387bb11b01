//! Clients that wait for a key to hold something: BLPOP and its like.
//!
//! A ticket has one state. Whoever serves it does so under the keyspace's locks and, while it
//! runs the command, under the ticket's own: so a wait ends once, by an answer or by being
//! given up, never by both.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::clients::{ClientFacts, HeldWait};
use crate::resp::argv::OwnedCommand;

/// A key that a client waits for, with its hash.
pub struct WantedKey {
    pub bytes: Box<[u8]>,
    pub hash: u64,
}

/// What is answered when nothing comes in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    Null,
    NullArray,
}

/// A command that waits, with what it takes to run it again.
pub struct Parked {
    pub ticket: u64,
    pub facts: Arc<ClientFacts>,
    pub db: u32,
    /// The command's id in the registry.
    pub command: u16,
    pub request: OwnedCommand,
    pub keys: Vec<WantedKey>,
    /// Wants to know when a key goes away, too.
    pub even_without_key: bool,
    /// The shards of all keys that the command uses.
    pub shards: Vec<u16>,
    pub deadline_ms: Option<i64>,
    pub nothing: Nothing,
    pub resp3: bool,
    pub no_touch: bool,
    state: Mutex<State>,
    /// Somebody made a key ready but could not have all the locks: the client is to look
    /// itself.
    nudged: AtomicBool,
}

enum State {
    Waiting,
    /// The command has run; its effects are not in the log yet.
    Served(Vec<u8>),
    /// They are: the reply may go, with the log's end behind them.
    Delivered {
        reply: Vec<u8>,
        end_offset: Option<u64>,
    },
    /// Answered, or given up.
    Over,
}

/// The right to serve a ticket, whose client nobody can unblock meanwhile.
pub struct Claim<'a> {
    state: MutexGuard<'a, State>,
    wait: HeldWait<'a>,
}

impl Claim<'_> {
    /// The command has run, with this reply: the client waits no more.
    pub fn served(mut self, reply: Vec<u8>) {
        *self.state = State::Served(reply);
        self.wait.end();
    }
}

/// What a client that was served gets.
#[derive(Debug, PartialEq, Eq)]
pub struct Delivery {
    pub reply: Vec<u8>,
    /// The log's end behind what was logged for it, if something was.
    pub end_offset: Option<u64>,
}

/// What is known of a command that is to be parked.
pub struct Ticket {
    pub facts: Arc<ClientFacts>,
    pub db: u32,
    pub command: u16,
    pub request: OwnedCommand,
    pub keys: Vec<WantedKey>,
    pub even_without_key: bool,
    pub shards: Vec<u16>,
    pub deadline_ms: Option<i64>,
    pub nothing: Nothing,
    pub resp3: bool,
    pub no_touch: bool,
}

impl Parked {
    /// What it keeps of its request.
    pub fn request_bytes(&self) -> usize {
        let keys = self.keys.iter().map(|key| key.bytes.len());
        self.request.memory_bytes() + keys.sum::<usize>()
    }

    /// The right to serve it, unless its wait is over.
    pub fn claim(&self) -> Option<Claim<'_>> {
        let state = self.state.lock();
        if !matches!(*state, State::Waiting) {
            return None;
        }
        let wait = self.facts.hold_wait()?;
        Some(Claim { state, wait })
    }

    /// Whether nobody has served it yet.
    pub fn is_waiting(&self) -> bool {
        matches!(*self.state.lock(), State::Waiting)
    }

    /// What was done for it is in the log.
    fn deliver(&self, end_offset: Option<u64>) {
        let mut state = self.state.lock();
        if let State::Served(reply) = &mut *state {
            let reply = std::mem::take(reply);
            *state = State::Delivered { reply, end_offset };
        }
        drop(state);
        self.facts.wake.notify_one();
    }

    /// Takes the reply, if it is there.
    pub fn take_delivery(&self) -> Option<Delivery> {
        let mut state = self.state.lock();
        if !matches!(*state, State::Delivered { .. }) {
            return None;
        }
        match std::mem::replace(&mut *state, State::Over) {
            State::Delivered { reply, end_offset } => Some(Delivery { reply, end_offset }),
            _ => None,
        }
    }

    /// Ends the wait. False if it was served first: then the reply is there, or comes.
    pub fn give_up(&self) -> bool {
        let mut state = self.state.lock();
        let waits = matches!(*state, State::Waiting);
        if waits {
            *state = State::Over;
            self.facts.end_wait();
        }
        waits
    }

    /// Has the client look at its keys itself.
    pub fn nudge(&self) {
        self.nudged.store(true, Ordering::Release);
        self.facts.wake.notify_one();
    }

    pub fn take_nudge(&self) -> bool {
        self.nudged.swap(false, Ordering::AcqRel)
    }
}

impl std::fmt::Debug for Parked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parked")
            .field("ticket", &self.ticket)
            .finish()
    }
}

/// All that wait, by ticket.
#[derive(Default)]
pub struct Parking {
    last: AtomicU64,
    all: Mutex<HashMap<u64, Arc<Parked>>>,
}

impl Parking {
    pub fn add(&self, of: Ticket) -> Arc<Parked> {
        let ticket = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let parked = Arc::new(Parked {
            ticket,
            facts: of.facts,
            db: of.db,
            command: of.command,
            request: of.request,
            keys: of.keys,
            even_without_key: of.even_without_key,
            shards: of.shards,
            deadline_ms: of.deadline_ms,
            nothing: of.nothing,
            resp3: of.resp3,
            no_touch: of.no_touch,
            state: Mutex::new(State::Waiting),
            nudged: AtomicBool::new(false),
        });
        self.all.lock().insert(ticket, parked.clone());
        parked
    }

    pub fn get(&self, ticket: u64) -> Option<Arc<Parked>> {
        self.all.lock().get(&ticket).cloned()
    }

    pub fn remove(&self, ticket: u64) {
        self.all.lock().remove(&ticket);
    }

    /// What was done for one who was served is in the log, which ends at `end_offset` if
    /// something was logged.
    pub fn deliver(&self, ticket: u64, end_offset: Option<u64>) {
        let served = self.all.lock().remove(&ticket);
        if let Some(parked) = served {
            parked.deliver(end_offset);
        }
    }

    /// How many keys are waited for, and how many of them by clients that also want to know
    /// when the key goes away.
    pub fn key_counts(&self) -> (usize, usize) {
        let all = self.all.lock();
        let (mut keys, mut even_without) = (HashSet::new(), HashSet::new());
        for parked in all.values() {
            for key in &parked.keys {
                let place = (parked.db, &key.bytes);
                keys.insert(place);
                if parked.even_without_key {
                    even_without.insert(place);
                }
            }
        }
        (keys.len(), even_without.len())
    }
}
