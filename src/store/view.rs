//! Keys under locks, as commands see them: expired keys are not there, reads count as hits
//! and misses, writes tell watchers, and every change gives to open snapshots first.

use std::sync::Arc;

use super::effects::event;
use super::entry::Entry;
use super::keyspace::{Key, ShardTable, Tables};
use super::locked::{Expiry, Held, Locked, Writing};
use super::usage::{self, COUNTER_NEW, Lfu};
use super::waiters::{Ready, Waiter};
use super::watch::{Listeners, Presence, WatchFlag};
use crate::table::{SlotMut, SlotRef};

/// What a write does to the key's time to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    Keep,
    /// Sets it, or takes it away.
    Set(Option<i64>),
}

impl<'k> Locked<'k> {
    #[inline]
    fn shard(&self, key: Key) -> usize {
        self.keyspace.shard_of(key.hash)
    }

    /// Has what an insertion reads fetched into the cache.
    #[inline]
    pub fn prefetch_insertion(&self, db: u32, hash: u64) {
        if let Some(held) = self.table(db, self.keyspace.shard_of(hash))
            && let Some(probe) = held.table.table.prefetch_bucket(hash)
        {
            probe.prefetch_head();
        }
    }

    /// Makes an empty database's part in a shard as large as `keys` will need.
    pub fn prepare(&mut self, db: u32, shard: usize, keys: usize) {
        self.table_or_new(db, shard).table.table.prepare(keys);
    }

    /// A key that a command reads: counted as a hit or a miss, marked as used.
    #[inline]
    pub fn read(&mut self, db: u32, key: Key) -> Option<SlotRef<'_, Entry>> {
        let entry = self.counted(db, key)?;
        self.mark(&entry);
        Some(entry)
    }

    /// As `read` for commands that ask about a key, not for its value: it is not marked.
    #[inline]
    pub fn look(&mut self, db: u32, key: Key) -> Option<SlotRef<'_, Entry>> {
        self.counted(db, key)
    }

    /// A live entry, counted as a hit or a miss.
    #[inline]
    fn counted<'t>(&mut self, db: u32, key: Key) -> Option<SlotRef<'t, Entry>>
    where
        Self: 't,
    {
        match self.live(db, key) {
            Some(entry) => {
                self.locker.effects.hits += 1;
                Some(entry)
            }
            None => {
                self.locker.effects.misses += 1;
                self.locker
                    .effects
                    .event(event::KEY_MISS, "keymiss", db, key.bytes);
                None
            }
        }
    }

    /// A key that a command is about to move or change: marked as used, but not counted.
    #[inline]
    pub fn find(&mut self, db: u32, key: Key) -> Option<SlotRef<'_, Entry>> {
        let entry = self.live(db, key)?;
        self.mark(&entry);
        Some(entry)
    }

    #[inline]
    fn mark(&mut self, entry: &Entry) {
        if !self.touch_access {
            return;
        }
        if let Some(lfu) = self.lfu {
            return self.count_use(lfu, entry);
        }
        let clock = self.lru_clock();
        if entry.access() != clock {
            entry.set_access(clock);
        }
    }

    #[cold]
    #[inline(never)]
    fn count_use(&mut self, lfu: Lfu, entry: &Entry) {
        let access = lfu.used(entry.access(), self.now_ms, &mut self.locker.rng);
        entry.set_access(access);
    }

    /// The access bits of a key that is new.
    #[inline]
    pub fn access_of_new(&self) -> u32 {
        match self.lfu {
            None => self.lru_clock(),
            Some(_) => Lfu::access(self.now_ms, COUNTER_NEW),
        }
    }

    /// The access bits of a value that takes the place of one with `old`.
    #[inline]
    fn access_of_next(&mut self, old: u32) -> u32 {
        match self.lfu {
            None => self.lru_clock(),
            Some(lfu) if self.touch_access => lfu.used(old, self.now_ms, &mut self.locker.rng),
            Some(_) => old,
        }
    }

    /// As `read`, leaving no trace.
    #[inline]
    pub fn peek(&mut self, db: u32, key: Key) -> Option<SlotRef<'_, Entry>> {
        self.live(db, key)
    }

    /// A key to be changed in place. The expiry must not be changed through it.
    #[inline]
    pub fn write(&mut self, db: u32, key: Key) -> Option<SlotMut<'_, Entry>> {
        self.writable(db, key, true)
    }

    /// The same; if there is none, what `make` gives is put in as a new key.
    #[inline]
    pub fn write_or_new(
        &mut self,
        db: u32,
        key: Key,
        make: impl FnOnce() -> Entry,
    ) -> SlotMut<'_, Entry> {
        if let Some(entry) = self.writable(db, key, true) {
            return entry;
        }
        let entry = make();
        entry.set_access(self.access_of_new());
        self.insert_absent(db, key, entry);
        self.effects().event(event::NEW, "new", db, key.bytes);
        // To put it in is no use of it.
        self.writable(db, key, false)
            .expect("it was put in just now")
    }

    #[inline]
    fn writable<'t>(&mut self, db: u32, key: Key, is_use: bool) -> Option<SlotMut<'t, Entry>>
    where
        Self: 't,
    {
        let shard = self.shard(key);
        let keyspace = self.keyspace;
        let Held { table, mut writing } = self.table(db, shard)?;
        let hasher = &keyspace.hasher;
        let entry = table
            .table
            .get_mut(key.hash, hasher, &mut writing, |e| e.has_key(key.bytes))?;
        if self.is_hidden(&entry) {
            drop(entry);
            self.drop_if_due(db, key);
            return None;
        }
        if is_use {
            self.mark(&entry);
        }
        Some(entry)
    }

    /// A live entry, for those who look at several at once: each was `read` before, which has
    /// dealt with what is due.
    #[inline]
    pub fn look_again(&self, db: u32, key: Key) -> Option<SlotRef<'_, Entry>> {
        let held = self.table(db, self.shard(key))?;
        let entry = held.table.table.get(key.hash, |e| e.has_key(key.bytes))?;
        (!self.is_hidden(&entry)).then_some(entry)
    }

    pub fn exists(&mut self, db: u32, key: Key) -> bool {
        self.peek(db, key).is_some()
    }

    /// The 24-bit clock of last use, in seconds.
    #[inline]
    pub fn lru_clock(&self) -> u32 {
        usage::lru_clock(self.now_ms)
    }

    /// Sets a string, whatever was there. What was there counts as changed only if it lives.
    #[inline]
    pub fn set_string(&mut self, db: u32, key: Key, value: &[u8], ttl: Ttl) {
        let shard = self.shard(key);
        let keyspace = self.keyspace;
        let Held { table, mut writing } = self.table_or_new(db, shard);
        let hasher = &keyspace.hasher;
        let eq = |e: &Entry| e.has_key(key.bytes);
        let found = table.table.get_mut(key.hash, hasher, &mut writing, eq);
        if let Some(entry) = &found
            && self.is_hidden(entry)
        {
            // Whoever writes to a due key ends it first, on a writable follower too.
            drop(found);
            self.expire(db, key);
            return self.set_string(db, key, value, ttl);
        }
        let overwritten = found.map(|mut entry| {
            let old = entry.expire_at_ms();
            let new = match ttl {
                Ttl::Keep => old,
                Ttl::Set(at_ms) => at_ms,
            };
            let access = self.access_of_next(entry.access());
            if entry.try_overwrite_string(value, new) {
                entry.set_access(access);
            } else {
                let made = Entry::string(key.bytes, value, new);
                made.set_access(access);
                let replaced = entry.replace(made);
                tally_out(writing.tables, self.locker.gate, &replaced);
                self.locker.effects.discard(replaced);
            }
            (old, new)
        });
        if let Some((old, new)) = overwritten {
            if old != new {
                self.count_expiry(table, &writing, old, -1);
                self.note_expiry(table, &writing, db, key, new);
            }
        } else {
            let at_ms = match ttl {
                Ttl::Keep => None,
                Ttl::Set(at_ms) => at_ms,
            };
            self.insert_string(db, key, value, at_ms);
        }
        self.touch(db, key);
    }

    fn insert_string(&mut self, db: u32, key: Key, value: &[u8], expire_at_ms: Option<i64>) {
        let entry = Entry::string(key.bytes, value, expire_at_ms);
        entry.set_access(self.access_of_new());
        self.insert_absent(db, key, entry);
        self.locker.effects.event(event::NEW, "new", db, key.bytes);
    }

    /// Puts an entry in, whatever was there: what was due is first dealt with as such.
    pub fn put(&mut self, db: u32, key: Key, entry: Entry) {
        self.drop_if_due(db, key);
        if let Some(old) = self.remove_silently(db, key) {
            entry.set_access(self.access_of_next(old.access()));
            self.locker.effects.discard(old);
        } else {
            entry.set_access(self.access_of_new());
            self.locker.effects.event(event::NEW, "new", db, key.bytes);
        }
        self.insert_absent(db, key, entry);
        self.touch(db, key);
    }

    /// Puts an entry in as a new key, in the place of what was there. How it was used, and
    /// when, comes with the entry.
    pub fn put_new(&mut self, db: u32, key: Key, entry: Entry) {
        // Even a key that commands do not see may be in the way, on a follower.
        if let Some(old) = self.remove_silently(db, key) {
            self.locker.effects.discard(old);
        }
        self.insert_absent(db, key, entry);
        self.locker.effects.event(event::NEW, "new", db, key.bytes);
        self.touch(db, key);
    }

    /// Puts an entry in whose key is known not to be there. Watchers are not told.
    pub fn insert_absent(&mut self, db: u32, key: Key, entry: Entry) {
        let keyspace = self.keyspace;
        let shard = self.shard(key);
        let Held { table, mut writing } = self.table_or_new(db, shard);
        let expire_at_ms = entry.expire_at_ms();
        let first_field_ms = entry.first_field_ms();
        writing.tables.tally(self.locker.gate, 1);
        if entry.has_groups() {
            writing.tables.tally_grouped(self.locker.gate, 1);
        }
        table
            .table
            .insert_new(key.hash, entry, &keyspace.hasher, &mut writing);
        self.note_expiry(table, &writing, db, key, expire_at_ms);
        if first_field_ms.is_some() {
            self.note_fields(db, key, None, first_field_ms);
        }
    }

    /// Takes a live key out.
    pub fn remove(&mut self, db: u32, key: Key) -> Option<Entry> {
        self.live(db, key)?;
        let entry = self.remove_silently(db, key)?;
        self.touch(db, key);
        Some(entry)
    }

    pub(super) fn remove_silently(&mut self, db: u32, key: Key) -> Option<Entry> {
        let keyspace = self.keyspace;
        let shard = self.shard(key);
        let Held { table, mut writing } = self.table(db, shard)?;
        let eq = |e: &Entry| e.has_key(key.bytes);
        let entry = table
            .table
            .remove(key.hash, &keyspace.hasher, &mut writing, eq)?;
        self.count_expiry(table, &writing, entry.expire_at_ms(), -1);
        writing.tables.tally(self.locker.gate, -1);
        tally_out(writing.tables, self.locker.gate, &entry);
        Some(entry)
    }

    /// Sets or takes away a live key's expiry. False if there is no such key.
    pub fn set_expire(&mut self, db: u32, key: Key, expire_at_ms: Option<i64>) -> bool {
        if self.live(db, key).is_none() {
            return false;
        }
        let keyspace = self.keyspace;
        let shard = self.shard(key);
        let Some(Held { table, mut writing }) = self.table(db, shard) else {
            return false;
        };
        let eq = |e: &Entry| e.has_key(key.bytes);
        let Some(mut entry) = table
            .table
            .get_mut(key.hash, &keyspace.hasher, &mut writing, eq)
        else {
            return false;
        };
        let old = entry.expire_at_ms();
        entry.update(|entry| entry.set_expire(expire_at_ms));
        drop(entry);
        self.count_expiry(table, &writing, old, -1);
        self.note_expiry(table, &writing, db, key, expire_at_ms);
        self.touch(db, key);
        true
    }

    /// Tells watchers that a key changed. Commands that write in place call it once done.
    #[inline]
    pub fn touch(&mut self, db: u32, key: Key) {
        self.locker.effects.touched(key.bytes, false);
        self.touch_listeners(db, key);
    }

    #[inline]
    pub(super) fn touch_listeners(&mut self, db: u32, key: Key) {
        if self.listeners(self.shard(key)).is_some() {
            self.tell_listeners(db, key);
        }
    }

    #[cold]
    fn tell_listeners(&mut self, db: u32, key: Key) {
        let is_there = self.presence(db, key) != Presence::Absent;
        let held = self.peek(db, key).map(|entry| entry.kind());
        let Some(listeners) = self.listeners(self.shard(key)) else {
            return;
        };
        listeners.watch.touch(db, key.bytes, is_there);
        let line = listeners.waiting.line(db, key.bytes);
        if line.iter().any(|waiter| waiter.is_concerned(held)) {
            let key = key.bytes.into();
            self.locker.effects.ready(Ready { db, key });
        }
    }

    /// Has those who wait for a key look at it, though watchers do not count this as a change.
    pub fn wake(&mut self, db: u32, key: Key) {
        if self.listeners(self.shard(key)).is_some() {
            let key = key.bytes.into();
            self.locker.effects.ready(Ready { db, key });
        }
    }

    pub fn watch(&mut self, db: u32, key: Key, flag: Arc<WatchFlag>) {
        let is_due = self.presence(db, key) == Presence::Due;
        self.listeners(self.shard(key))
            .get_or_insert_default()
            .watch
            .watch(db, key.bytes, flag, is_due);
    }

    /// Whether a key became due since `flag` was hung on it: EXEC takes that for a change.
    pub fn became_due(&mut self, db: u32, key: Key, flag: &Arc<WatchFlag>) -> bool {
        self.presence(db, key) == Presence::Due && {
            let listeners = self.listeners(self.shard(key)).as_ref();
            !listeners.is_some_and(|all| all.watch.was_due(db, key.bytes, flag))
        }
    }

    pub fn unwatch(&mut self, db: u32, key: Key, flag: &Arc<WatchFlag>) {
        let shard = self.shard(key);
        self.change_listeners(shard, |all| all.watch.unwatch(db, key.bytes, flag));
    }

    /// Puts one who waits at the end of a key's line.
    pub fn join_line(&mut self, db: u32, key: Key, waiter: Waiter) {
        let listeners = self.listeners(self.shard(key)).get_or_insert_default();
        listeners.waiting.join(db, key.bytes, waiter);
    }

    /// Takes one who waits no more out of a key's line.
    pub fn leave_line(&mut self, db: u32, key: Key, ticket: u64) {
        let shard = self.shard(key);
        self.change_listeners(shard, |all| all.waiting.leave(db, key.bytes, ticket));
    }

    /// The next ticket in a key's line, behind `last`, that is to look at the key as it is
    /// now. Tickets are numbered in the order they came.
    pub fn concerned_after(&mut self, db: u32, key: Key, last: u64) -> Option<u64> {
        let held = self.peek(db, key).map(|entry| entry.kind());
        let listeners = self.listeners(self.shard(key)).as_ref()?;
        let line = listeners.waiting.line(db, key.bytes).iter();
        let mut behind = line.filter(|waiter| waiter.ticket > last);
        behind
            .find(|waiter| waiter.is_concerned(held))
            .map(|waiter| waiter.ticket)
    }

    /// Changes a shard's listeners, of which there may be none left.
    fn change_listeners(&mut self, shard: usize, change: impl FnOnce(&mut Listeners)) {
        let place = self.listeners(shard);
        if let Some(listeners) = place {
            change(listeners);
            if listeners.is_empty() {
                *place = None;
            }
        }
    }

    /// How a key stands in its table, whatever commands see of it.
    pub(super) fn presence(&self, db: u32, key: Key) -> Presence {
        let held = self.table(db, self.shard(key));
        let found = held.and_then(|held| {
            let table = &held.table.table;
            table.get(key.hash, |e| e.has_key(key.bytes))
        });
        match found {
            None => Presence::Absent,
            Some(entry) if entry.is_expired(self.now_ms) => Presence::Due,
            Some(_) => Presence::Live,
        }
    }

    /// The entry of a key that is there and not due; a due one is dealt with (`Expiry`).
    /// Its lifetime is cut loose as that of `table` is, for the callers in this file.
    #[inline]
    fn live<'t>(&mut self, db: u32, key: Key) -> Option<SlotRef<'t, Entry>>
    where
        Self: 't,
    {
        let held = self.table(db, self.shard(key))?;
        let entry = held.table.table.get(key.hash, |e| e.has_key(key.bytes))?;
        if !self.is_hidden(&entry) {
            return Some(entry);
        }
        self.drop_if_due(db, key);
        None
    }

    /// Whether commands do not see an entry that a walk came upon: it is due.
    #[inline]
    pub fn is_hidden(&self, entry: &Entry) -> bool {
        self.expiry != Expiry::Ignore && entry.is_expired(self.now_ms)
    }

    /// On a leader a due key is deleted, logged and announced before anything else is done.
    #[cold]
    #[inline(never)]
    fn drop_if_due(&mut self, db: u32, key: Key) {
        if self.expiry == Expiry::Delete && self.presence(db, key) == Presence::Due {
            self.expire(db, key);
        }
    }

    /// Deletes a key because its time has come.
    #[cold]
    pub fn expire(&mut self, db: u32, key: Key) {
        let Some(entry) = self.remove_silently(db, key) else {
            return;
        };
        let effects = &mut self.locker.effects;
        effects.discard(entry);
        effects.expired += 1;
        let command: &[u8] = if effects.unlinks_due {
            b"UNLINK"
        } else {
            b"DEL"
        };
        effects.log(db, &[command, key.bytes]);
        effects.event(event::EXPIRED, "expired", db, key.bytes);
        effects.touched(key.bytes, true);
        self.touch_listeners(db, key);
    }

    /// Counts an expiry in (`sign` 1) or out (-1).
    #[inline]
    fn count_expiry(
        &self,
        table: &mut ShardTable,
        writing: &Writing,
        expire_at_ms: Option<i64>,
        sign: i64,
    ) {
        if expire_at_ms.is_some() {
            table.count_expiry(expire_at_ms, sign);
            writing.tables.tally_volatile(self.locker.gate, sign);
        }
    }

    #[inline]
    fn note_expiry(
        &mut self,
        table: &mut ShardTable,
        writing: &Writing,
        db: u32,
        key: Key,
        expire_at_ms: Option<i64>,
    ) {
        if let Some(at_ms) = expire_at_ms {
            self.count_expiry(table, writing, expire_at_ms, 1);
            writing.tables.lower_deadline(self.locker.gate, at_ms);
            table.table.lower_deadline(key.hash, at_ms);
            let effects = &mut self.locker.effects;
            if effects.owns_expiries {
                effects.own_expiries.push((db, key.bytes.into(), at_ms));
            }
        }
    }

    /// A hash has another earliest time of a field than before, or one at all, or none.
    pub fn note_fields(&mut self, db: u32, key: Key, before: Option<i64>, now: Option<i64>) {
        if before == now {
            return;
        }
        if let Some(tables) = self.tables(db) {
            let change = i64::from(now.is_some()) - i64::from(before.is_some());
            tables.tally_timed(self.locker.gate, change);
        }
        if let Some(at_ms) = now {
            self.lower_deadlines(db, key, at_ms);
        }
    }

    /// A stream has got its first group, or has lost its last.
    pub fn note_groups(&mut self, db: u32, change: i64) {
        if let Some(tables) = self.tables(db) {
            tables.tally_grouped(self.locker.gate, change);
        }
    }

    /// How many streams of a database have consumer groups. Any lock will do; the number is
    /// exact while everything is locked.
    pub fn grouped_streams(&self, db: u32) -> u64 {
        self.tables(db).map_or(0, |tables| tables.grouped_streams())
    }

    /// Something of a key ends at `at_ms`.
    pub(super) fn lower_deadlines(&self, db: u32, key: Key, at_ms: i64) {
        if let Some(Held { table, writing }) = self.table(db, self.shard(key)) {
            writing.tables.lower_deadline(self.locker.gate, at_ms);
            table.table.lower_deadline(key.hash, at_ms);
        }
    }
}

/// An entry is no longer among those that not every version of a snapshot can hold.
#[inline]
fn tally_out(tables: &Tables, gate: usize, entry: &Entry) {
    if entry.first_field_ms().is_some() {
        tables.tally_timed(gate, -1);
    }
    if entry.has_groups() {
        tables.tally_grouped(gate, -1);
    }
}
