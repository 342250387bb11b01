//! The register of clients: what CLIENT LIST prints, whom CLIENT KILL ends, and where
//! messages for a connection wait until it sends them.
//!
//! A connection keeps its own facts up to date once per batch, with plain stores: others
//! only read them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::resp::reply::ReplyBuf;

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
        (DIRTY_CAS, 'd'),
        (CLOSE_AFTER_REPLY, 'c'),
        (CLOSE_ASAP, 'A'),
        (UNIX, 'U'),
        (READONLY, 'r'),
        (NO_EVICT, 'e'),
        (NO_TOUCH, 'T'),
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
    pub query_bytes: AtomicUsize,
    pub query_free_bytes: AtomicUsize,
    pub queued_bytes: AtomicUsize,
    pub output_bytes: AtomicUsize,
    pub resp: AtomicU32,
    pub net_input_bytes: AtomicU64,
    pub net_output_bytes: AtomicU64,
    pub commands: AtomicU64,
    pub text: Mutex<ClientText>,
    /// Messages (PUBLISH, MONITOR, ...) to be sent between replies.
    pub pushes: Mutex<Vec<u8>>,
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
        self.killed.store(true, Ordering::Release);
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
        *self.wait.lock() = Wait::None;
        self.set(client_flag::BLOCKED, false);
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
        self.has_pushes.store(true, Ordering::Release);
        drop(pushes);
        self.wake.notify_one();
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
            self.has_pushes.store(false, Ordering::Release);
        }
        self.resp
            .store(if resp3 { 3 } else { 2 }, Ordering::Relaxed);
    }

    /// Moves the waiting messages behind `out`.
    pub fn take_pushes(&self, out: &mut ReplyBuf) {
        let mut pushes = self.pushes.lock();
        out.raw(&pushes);
        pushes.clear();
        self.has_pushes.store(false, Ordering::Release);
    }
}

/// All connections by id.
#[derive(Default)]
pub struct Clients {
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
    }

    /// One that was expected will not come.
    pub fn miss_arrival(&self) {
        self.arriving.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn remove(&self, id: u64) {
        self.all.write().remove(&id);
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

/// CLIENT PAUSE: until when, and whom.
#[derive(Default)]
pub struct Pause {
    /// 0 while nothing is paused.
    until_ms: AtomicI64,
    writes_only: AtomicBool,
    /// Woken when the pause ends early.
    pub ended: Notify,
}

impl Pause {
    /// A pause that is on is only ever made longer and stricter, as in Redis.
    pub fn begin(&self, until_ms: i64, writes_only: bool, now_ms: i64) {
        let running = self.is_on(now_ms);
        let stricter = running && !self.writes_only.load(Ordering::Relaxed);
        self.writes_only
            .store(writes_only && !stricter, Ordering::Relaxed);
        self.until_ms.fetch_max(until_ms, Ordering::Release);
    }

    pub fn end(&self) {
        self.until_ms.store(0, Ordering::Release);
        self.ended.notify_waiters();
    }

    /// Ends a pause that has no end of its own: that of a shutdown which has failed.
    pub fn end_endless(&self) {
        if self.until_ms.load(Ordering::Acquire) == i64::MAX {
            self.end();
        }
    }

    /// Whether there is a pause, over or not.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.until_ms.load(Ordering::Acquire) != 0
    }

    #[inline]
    pub fn is_on(&self, now_ms: i64) -> bool {
        let until_ms = self.until_ms.load(Ordering::Acquire);
        until_ms != 0 && now_ms < until_ms
    }

    /// Whether writes (`is_write`) or anything at all has to wait, and until when.
    #[inline]
    pub fn holds(&self, is_write: bool, now_ms: i64) -> Option<i64> {
        let until_ms = self.until_ms.load(Ordering::Acquire);
        if until_ms == 0 || now_ms >= until_ms {
            return None;
        }
        (is_write || !self.writes_only.load(Ordering::Relaxed)).then_some(until_ms)
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
