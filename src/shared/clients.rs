//! The register of clients: what CLIENT LIST prints, whom CLIENT KILL ends, and where
//! messages for a connection wait until it sends them.
//!
//! A connection keeps its own facts up to date once per batch, with plain stores: others
//! only read them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard, RwLock};
use tokio::sync::Notify;

use super::client_memory::{ClientMemory, Ledger};
use crate::resp::reply::ReplyBuf;

/// The memory that an empty queue of messages keeps.
const PUSHES_KEPT_BYTES_MAX: usize = 1 << 10;

pub mod client_flag {
    pub const BLOCKED: u32 = 1 << 0;
    pub const MULTI: u32 = 1 << 1;
    pub const DIRTY_CAS: u32 = 1 << 2;
    pub const PUBSUB: u32 = 1 << 3;
    pub const MONITOR: u32 = 1 << 4;
    pub const FOLLOWER: u32 = 1 << 5;
    pub const LEADER: u32 = 1 << 6;
    pub const READONLY: u32 = 1 << 7;
    pub const UNIX: u32 = 1 << 8;
    pub const CLOSE_AFTER_REPLY: u32 = 1 << 9;
    pub const CLOSE_ASAP: u32 = 1 << 10;
    pub const NO_EVICT: u32 = 1 << 11;
    pub const NO_TOUCH: u32 = 1 << 12;
    pub const TRACKING: u32 = 1 << 13;
    /// It reads keys whose time has come, in `import-mode`.
    pub const IMPORT_SOURCE: u32 = 1 << 14;
    /// It understands that it is sent to the leader (CLIENT CAPA).
    pub const CAN_BE_REDIRECTED: u32 = 1 << 15;
    /// What it tracks are prefixes.
    pub const BROADCAST: u32 = 1 << 16;
    /// Whom it redirects invalidations to was found to be gone.
    pub const BROKEN_REDIRECT: u32 = 1 << 17;
    /// It tracks what it says it does, or what it does not say it does not.
    pub const OPT_IN: u32 = 1 << 18;
    pub const OPT_OUT: u32 = 1 << 19;
    /// It has said so of the command that comes.
    pub const CACHING_SAID: u32 = 1 << 20;
    /// It is not told of its own changes.
    pub const NO_LOOP: u32 = 1 << 21;

    /// Those of `shared::tracking`.
    pub const OF_TRACKING: u32 =
        TRACKING | BROADCAST | BROKEN_REDIRECT | OPT_IN | OPT_OUT | CACHING_SAID | NO_LOOP;

    /// Those that follow from the session's state (see `Session::note_facts`).
    pub const OF_SESSION: u32 = MULTI | DIRTY_CAS | PUBSUB | MONITOR | CLOSE_AFTER_REPLY | NO_TOUCH;

    /// The letter of each flag in CLIENT LIST, in Redis's order.
    pub const LETTERS: &[(u32, char)] = &[
        (MONITOR, 'O'),
        (FOLLOWER, 'S'),
        (LEADER, 'M'),
        (PUBSUB, 'P'),
        (MULTI, 'x'),
        (BLOCKED, 'b'),
        (TRACKING, 't'),
        (BROKEN_REDIRECT, 'R'),
        (BROADCAST, 'B'),
        (DIRTY_CAS, 'd'),
        (CLOSE_AFTER_REPLY, 'c'),
        (CLOSE_ASAP, 'A'),
        (UNIX, 'U'),
        (READONLY, 'r'),
        (NO_EVICT, 'e'),
        (NO_TOUCH, 'T'),
        (IMPORT_SOURCE, 'I'),
    ];
}

/// What is known of one connection by others.
#[derive(Default)]
pub struct ClientFacts {
    pub id: u64,
    pub address: String,
    pub local_address: String,
    pub fd: i32,
    pub created_ms: i64,
    pub last_active_ms: AtomicI64,
    pub db: AtomicU32,
    pub flags: AtomicU32,
    /// The id of the last command in the registry, plus one; 0 for none.
    pub last_command: AtomicU32,
    /// Queued commands, -1 outside of MULTI.
    pub queued: AtomicI64,
    pub watched: AtomicUsize,
    pub channels: AtomicUsize,
    pub patterns: AtomicUsize,
    pub shard_channels: AtomicUsize,
    pub memory: ClientMemory,
    pub resp: AtomicU32,
    /// To whom invalidations go that this one tracks; 0: to itself.
    pub redirect_to: AtomicU64,
    pub net_input_bytes: AtomicU64,
    pub net_output_bytes: AtomicU64,
    pub commands: AtomicU64,
    pub text: Mutex<ClientText>,
    /// Messages (PUBLISH, MONITOR, ...) to be sent between replies.
    pushes: Mutex<Vec<u8>>,
    has_pushes: AtomicBool,
    killed: AtomicBool,
    /// Whether there is a wait that CLIENT UNBLOCK or a role change may end.
    wait: Mutex<Wait>,
    pub wake: Notify,
}

#[derive(Clone, Default)]
pub struct ClientText {
    pub name: String,
    pub library_name: String,
    pub library_version: String,
    pub user: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unblock {
    /// As if its time had run out.
    TimedOut,
    /// With an UNBLOCKED error.
    Error,
    /// Since the server became a follower.
    RoleChanged,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wait {
    #[default]
    None,
    Open,
    Ended(Unblock),
}

/// A wait that nobody else can end meanwhile.
pub struct HeldWait<'a> {
    facts: &'a ClientFacts,
    wait: MutexGuard<'a, Wait>,
}

impl HeldWait<'_> {
    /// The client waits no more.
    pub fn end(mut self) {
        *self.wait = Wait::None;
        self.facts.set(client_flag::BLOCKED, false);
    }
}

impl ClientFacts {
    /// A connection that has just come, to whom the default user's rights are open.
    pub fn new(id: u64, address: String, local_address: String, now_ms: i64) -> ClientFacts {
        let text = ClientText {
            user: "default".to_owned(),
            ..ClientText::default()
        };
        ClientFacts {
            id,
            address,
            local_address,
            created_ms: now_ms,
            last_active_ms: now_ms.into(),
            queued: (-1).into(),
            resp: 2.into(),
            text: text.into(),
            ..ClientFacts::default()
        }
    }

    pub fn has(&self, flag: u32) -> bool {
        self.flags.load(Ordering::Relaxed) & flag != 0
    }

    pub fn speaks_resp3(&self) -> bool {
        self.resp.load(Ordering::Relaxed) == 3
    }

    /// Whom its invalidations go to, as CLIENT GETREDIR says it: 0 for itself, -1 if it does
    /// not track.
    pub fn redirects_to(&self) -> i64 {
        match self.has(client_flag::TRACKING) {
            true => self.redirect_to.load(Ordering::Relaxed) as i64,
            false => -1,
        }
    }

    /// Whether the connection comes from this machine.
    pub fn is_local(&self) -> bool {
        let address = &self.address[..];
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        host.is_empty() || host.starts_with("127.") || host == "[::1]" || host.starts_with('/')
    }

    pub fn set(&self, flag: u32, on: bool) {
        if on {
            self.flags.fetch_or(flag, Ordering::Relaxed);
        } else {
            self.flags.fetch_and(!flag, Ordering::Relaxed);
        }
    }

    /// Ends the connection at its next step.
    pub fn kill(&self) {
        if !self.killed.swap(true, Ordering::AcqRel) {
            self.memory.begin_to_leave();
        }
        self.wake.notify_one();
    }

    #[inline]
    pub fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    /// The client waits, and others may end that by `unblock`.
    pub fn begin_wait(&self) {
        *self.wait.lock() = Wait::Open;
        self.set(client_flag::BLOCKED, true);
    }

    pub fn end_wait(&self) {
        let wait = self.wait.lock();
        HeldWait { facts: self, wait }.end();
    }

    /// Keeps `unblock` waiting while the client is served; None if its wait was ended before:
    /// whoever did was told so.
    pub fn hold_wait(&self) -> Option<HeldWait<'_>> {
        let wait = self.wait.lock();
        (*wait == Wait::Open).then_some(HeldWait { facts: self, wait })
    }

    /// Ends the client's wait. False if it does not wait, or its wait is being ended already.
    pub fn unblock(&self, how: Unblock) -> bool {
        let mut wait = self.wait.lock();
        if *wait != Wait::Open {
            return false;
        }
        *wait = Wait::Ended(how);
        drop(wait);
        self.wake.notify_one();
        true
    }

    /// How the wait is to end, if somebody else has ended it.
    pub fn take_unblock(&self) -> Option<Unblock> {
        match *self.wait.lock() {
            Wait::Ended(how) => Some(how),
            Wait::None | Wait::Open => None,
        }
    }

    /// Adds a whole message; the connection sends it behind its current replies.
    pub fn push(&self, message: &[u8]) {
        self.push_with(|_| message);
    }

    /// As `push`; `encoded` gives the message as RESP3 or RESP2. The protocol cannot change
    /// between the question and the delivery.
    pub fn push_with<'m>(&self, encoded: impl FnOnce(bool) -> &'m [u8]) {
        let mut pushes = self.pushes.lock();
        let resp3 = self.resp.load(Ordering::Relaxed) == 3;
        pushes.extend_from_slice(encoded(resp3));
        self.note_pushes(&pushes);
        drop(pushes);
        self.memory.note();
        self.wake.notify_one();
    }

    /// Tells others what waits now.
    fn note_pushes(&self, pushes: &Vec<u8>) {
        self.has_pushes.store(!pushes.is_empty(), Ordering::Release);
        let memory = &self.memory;
        let of = (&memory.pushed_bytes, &memory.pushed_free_bytes);
        ClientMemory::store_buffer(of, pushes.len(), pushes.capacity());
    }

    #[inline]
    pub fn has_pushes(&self) -> bool {
        self.has_pushes.load(Ordering::Acquire)
    }

    /// Changes the protocol of messages to come. Those that wait still are in the old one,
    /// so they are moved behind `out`, where the change is about to be answered; without
    /// `out` (in the middle of a reply) they stay.
    pub fn change_protocol(&self, resp3: bool, out: Option<&mut ReplyBuf>) {
        let mut pushes = self.pushes.lock();
        if let Some(out) = out {
            out.raw(&pushes);
            pushes.clear();
            self.note_pushes(&pushes);
        }
        self.resp
            .store(if resp3 { 3 } else { 2 }, Ordering::Relaxed);
    }

    /// Moves the waiting messages behind `out` if, asked when they are taken, `may_go` says so.
    pub fn take_pushes_if(&self, out: &mut ReplyBuf, may_go: impl FnOnce() -> bool) {
        let mut pushes = self.pushes.lock();
        let taken = std::mem::take(&mut *pushes);
        self.note_pushes(&pushes);
        drop(pushes);
        if may_go() {
            return out.raw(&taken);
        }
        let mut pushes = self.pushes.lock();
        let later = std::mem::replace(&mut *pushes, taken);
        pushes.extend_from_slice(&later);
        self.note_pushes(&pushes);
    }

    /// Moves the waiting messages behind `out`.
    pub fn take_pushes(&self, out: &mut ReplyBuf) {
        let mut pushes = self.pushes.lock();
        out.raw(&pushes);
        pushes.clear();
        // Many clients that were told much once must not keep the memory for ever.
        pushes.shrink_to(PUSHES_KEPT_BYTES_MAX);
        self.note_pushes(&pushes);
    }
}

/// All connections by id.
#[derive(Default)]
pub struct Clients {
    /// What they take together.
    pub ledger: Arc<Ledger>,
    next_id: AtomicU64,
    all: RwLock<BTreeMap<u64, Arc<ClientFacts>>>,
    /// Accepted connections that their threads have not added yet.
    arriving: AtomicUsize,
    /// Who runs MONITOR; looked at by every command, so counted.
    monitors: RwLock<Vec<Arc<ClientFacts>>>,
    monitor_count: AtomicUsize,
    blocked: AtomicUsize,
}

impl Clients {
    pub fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub fn add(&self, facts: Arc<ClientFacts>) {
        self.all.write().insert(facts.id, facts);
    }

    /// Counts a connection that was accepted and will be added by another thread, unless
    /// there are `max` with it already: a burst must not slip through before the first of it
    /// is added.
    pub fn expect_arrival(&self, max: usize) -> bool {
        let all = self.all.write();
        let allowed = all.len() + self.arriving.load(Ordering::Relaxed) < max;
        self.arriving
            .fetch_add(usize::from(allowed), Ordering::Relaxed);
        allowed
    }

    /// Adds one that was expected.
    pub fn arrive(&self, facts: Arc<ClientFacts>) {
        let mut all = self.all.write();
        all.insert(facts.id, facts);
        self.arriving.fetch_sub(1, Ordering::Relaxed);
        self.ledger.look_again();
    }

    /// One that was expected will not come.
    pub fn miss_arrival(&self) {
        self.arriving.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn remove(&self, id: u64) {
        if let Some(facts) = self.all.write().remove(&id) {
            facts.memory.leave();
        }
        self.remove_monitor(id);
    }

    pub fn get(&self, id: u64) -> Option<Arc<ClientFacts>> {
        self.all.read().get(&id).cloned()
    }

    pub fn len(&self) -> usize {
        self.all.read().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everyone who is not being closed, in the order they came. Nobody comes or goes
    /// meanwhile.
    pub fn for_each_listed(&self, mut each: impl FnMut(&Arc<ClientFacts>)) {
        let all = self.all.read();
        let listed = all.values().filter(|facts| !facts.is_killed());
        listed.for_each(&mut each);
    }

    /// Everyone who is not being closed, in the order they came.
    pub fn listed(&self) -> Vec<Arc<ClientFacts>> {
        let all = self.all.read();
        let listed = all.values().filter(|facts| !facts.is_killed());
        listed.cloned().collect()
    }

    /// Everyone, in the order they came.
    pub fn all(&self) -> Vec<Arc<ClientFacts>> {
        self.all.read().values().cloned().collect()
    }

    pub fn add_monitor(&self, facts: Arc<ClientFacts>) {
        let mut monitors = self.monitors.write();
        monitors.retain(|known| known.id != facts.id);
        monitors.push(facts);
        self.monitor_count.store(monitors.len(), Ordering::Release);
    }

    pub fn remove_monitor(&self, id: u64) {
        if self.has_monitors() {
            let mut monitors = self.monitors.write();
            monitors.retain(|facts| facts.id != id);
            self.monitor_count.store(monitors.len(), Ordering::Release);
        }
    }

    #[inline]
    pub fn has_monitors(&self) -> bool {
        self.monitor_count.load(Ordering::Acquire) != 0
    }

    pub fn tell_monitors(&self, line: &[u8]) {
        self.monitors
            .read()
            .iter()
            .for_each(|facts| facts.push(line));
    }

    pub fn count_blocked(&self, by: isize) {
        self.blocked.fetch_add(by as usize, Ordering::Relaxed);
    }

    pub fn blocked(&self) -> usize {
        self.blocked.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_on_their_way_count() {
        let clients = Clients::default();
        assert!(clients.expect_arrival(2) && clients.expect_arrival(2));
        assert!(!clients.expect_arrival(2));
        let facts = ClientFacts::new(1, String::new(), String::new(), 0);
        clients.arrive(facts.into());
        assert!(!clients.expect_arrival(2));
        clients.miss_arrival();
        assert!(clients.expect_arrival(2));
        clients.remove(1);
        assert!(clients.expect_arrival(2) && !clients.expect_arrival(2));
    }
}
