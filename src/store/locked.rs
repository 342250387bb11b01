//! The keyspace under locks: what a group of commands holds while it runs.
//!
//! `Locker` is a thread's own: its gate, the buffers it needs to lock, and the effects its
//! commands leave. `Locked` is the proof of holding; it cannot cross an await, since the
//! locker is borrowed and workers drop it before they wait. How keys are read and changed
//! under it stands in `view`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use super::effects::Effects;
use super::entry::Entry;
use super::keyspace::{Database, Keyspace, ShardTable, Tables};
use super::lock::{Contended, GATE_SPIN_MAX, Gate, Owner, SHARD_SPIN_MAX, spin_until};
use super::snapshot::OpenSnapshots;
use super::usage::Lfu;
use super::watch::Listeners;
use crate::base::rng::Rng;
use crate::table::Snapshots;

/// So many keys are fetched side by side; a longer list is not fetched to its end.
const PREFETCHED: usize = 16;

/// What is done with a key that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// A leader deletes it and logs the deletion.
    Delete,
    /// A follower hides it from its clients until the deletion arrives.
    Hide,
    /// What the leader's stream or a file says is done, whatever the time.
    Ignore,
}

/// A thread's means to lock the keyspace.
pub struct Locker {
    pub(super) gate: usize,
    owner: Owner,
    /// The shards that are held.
    shards: Vec<u16>,
    everything: bool,
    pub effects: Effects,
    /// For the chance by which uses are counted.
    pub(super) rng: Rng,
}

impl Locker {
    /// `gate` is this thread's alone.
    pub fn new(keyspace: &Keyspace, gate: usize) -> Locker {
        assert!(gate < keyspace.gates.len(), "a gate for every thread");
        Locker {
            gate,
            owner: gate as Owner + 1,
            shards: Vec::with_capacity(64),
            everything: false,
            effects: Effects::default(),
            rng: Rng::from_entropy(),
        }
    }

    pub fn gate(&self) -> usize {
        self.gate
    }
}

/// Which locks a group needs.
#[derive(Clone, Copy, Debug)]
pub enum Want<'a> {
    /// These shards, in any order, repeated or not.
    Shards(&'a [u16]),
    Everything,
}

pub struct Locked<'k> {
    pub keyspace: &'k Keyspace,
    pub(super) locker: &'k mut Locker,
    pub now_ms: i64,
    pub expiry: Expiry,
    /// Whether reads mark entries as used (CLIENT NO-TOUCH turns it off).
    pub touch_access: bool,
    /// How uses are counted, under a policy that does.
    pub lfu: Option<Lfu>,
}

impl Keyspace {
    /// Takes the locks, or lets go of all and says so when they were not to be had within
    /// some microseconds. `now_ms` is to be set by the caller afterwards.
    pub fn try_lock<'k>(
        &'k self,
        locker: &'k mut Locker,
        want: Want,
    ) -> Result<Locked<'k>, Contended> {
        match want {
            Want::Everything => self.lock_gates(locker)?,
            Want::Shards(shards) => self.lock_set(locker, shards)?,
        }
        Ok(Locked::new(self, locker))
    }

    /// As `try_lock`, for threads that may wait: never for workers.
    pub fn lock<'k>(&'k self, locker: &'k mut Locker, want: Want) -> Locked<'k> {
        loop {
            let got = match want {
                Want::Everything => self.lock_gates(locker),
                Want::Shards(shards) => self.lock_set(locker, shards),
            };
            if got.is_ok() {
                return Locked::new(self, locker);
            }
            std::thread::yield_now();
        }
    }

    pub fn lock_shards<'k>(&'k self, locker: &'k mut Locker, shards: &[u16]) -> Locked<'k> {
        self.lock(locker, Want::Shards(shards))
    }

    pub fn lock_everything<'k>(&'k self, locker: &'k mut Locker) -> Locked<'k> {
        self.lock(locker, Want::Everything)
    }

    /// Has `waker` woken after one of the next unlocks. Try the locks once more after it.
    pub fn wait_in_line(&self, waker: &Waker) {
        self.line.join(waker);
    }

    fn lock_set(&self, locker: &mut Locker, shards: &[u16]) -> Result<(), Contended> {
        let gate = &self.gates[locker.gate].0;
        spin_until(GATE_SPIN_MAX, || {
            self.wanting_everything.load(Ordering::Relaxed) == 0 && gate.try_lock(locker.owner)
        })?;
        if self.lock_at_once(locker, shards) {
            return Ok(());
        }
        self.lock_in_order(locker, shards)
    }

    /// Takes the shards as they come, as long as each is free: then their order does not
    /// matter. Nothing is held if one is not.
    #[inline]
    fn lock_at_once(&self, locker: &mut Locker, shards: &[u16]) -> bool {
        for &shard in shards {
            let lock = &self.shards[shard as usize].lock;
            if lock.try_lock(locker.owner) {
                locker.shards.push(shard);
            } else if !lock.is_held_by(locker.owner) {
                self.unlock_shards(locker);
                return false;
            }
        }
        true
    }

    /// Takes the shards in ascending order, waiting for each: so two threads that want the
    /// same ones cannot wait for each other. Nothing is held, nor the gate, if that takes
    /// too long.
    #[cold]
    fn lock_in_order(&self, locker: &mut Locker, shards: &[u16]) -> Result<(), Contended> {
        let mut ordered = shards.to_vec();
        ordered.sort_unstable();
        ordered.dedup();
        for shard in ordered {
            let lock = &self.shards[shard as usize].lock;
            if lock.lock(locker.owner, SHARD_SPIN_MAX).is_err() {
                self.unlock(locker);
                return Err(Contended);
            }
            locker.shards.push(shard);
        }
        Ok(())
    }

    fn lock_gates(&self, locker: &mut Locker) -> Result<(), Contended> {
        self.wanting_everything.fetch_add(1, Ordering::Relaxed);
        let mut got = 0;
        let lock = |gate: &Gate| gate.0.lock(locker.owner, GATE_SPIN_MAX).is_ok();
        while got < self.gates.len() && lock(&self.gates[got]) {
            got += 1;
        }
        self.wanting_everything.fetch_sub(1, Ordering::Relaxed);
        if got < self.gates.len() {
            self.gates[..got].iter().for_each(|gate| gate.0.unlock());
            self.line.wake();
            return Err(Contended);
        }
        locker.everything = true;
        Ok(())
    }

    fn unlock(&self, locker: &mut Locker) {
        if std::mem::take(&mut locker.everything) {
            self.gates.iter().for_each(|gate| gate.0.unlock());
        } else {
            self.unlock_shards(locker);
            self.gates[locker.gate].0.unlock();
        }
        self.line.wake();
    }

    #[inline]
    fn unlock_shards(&self, locker: &mut Locker) {
        for &shard in &locker.shards {
            self.shards[shard as usize].lock.unlock();
        }
        locker.shards.clear();
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.keyspace.unlock(self.locker);
    }
}

impl<'k> Locked<'k> {
    /// The locks are taken.
    #[inline]
    fn new(keyspace: &'k Keyspace, locker: &'k mut Locker) -> Locked<'k> {
        Locked {
            keyspace,
            locker,
            now_ms: 0,
            expiry: Expiry::Delete,
            touch_access: true,
            lfu: None,
        }
    }
}

impl Locked<'_> {
    #[inline]
    pub fn effects(&mut self) -> &mut Effects {
        &mut self.locker.effects
    }

    /// The gate of the thread that holds the locks.
    pub fn gate(&self) -> usize {
        self.locker.gate
    }

    #[inline]
    pub fn holds(&self, shard: usize) -> bool {
        self.keyspace.shards[shard]
            .lock
            .is_held_by(self.locker.owner)
            || self.locker.everything
    }

    /// Locks more shards if they are free at once: whoever holds locks must not wait for
    /// others. False, and nothing is held that was not held before, if one is not.
    pub fn try_hold(&mut self, shards: &[u16]) -> bool {
        let (keyspace, owner) = (self.keyspace, self.locker.owner);
        let held_before = self.locker.shards.len();
        for &shard in shards {
            if self.holds(shard.into()) {
                continue;
            }
            if !keyspace.shards[shard as usize].lock.try_lock(owner) {
                for taken in self.locker.shards.drain(held_before..) {
                    keyspace.shards[taken as usize].lock.unlock();
                }
                return false;
            }
            self.locker.shards.push(shard);
        }
        true
    }

    /// The tables of a database, whose own doors ask for locks; `None` while it was never
    /// used.
    #[inline]
    pub fn tables(&self, db: u32) -> Option<&Tables> {
        // SAFETY: a gate is held, as long as `self` lives.
        let database = unsafe { self.keyspace.database(db) };
        database.tables.get().map(|tables| &**tables)
    }

    /// Has the buckets of these keys fetched into the cache, then the entries that may be
    /// theirs: side by side, before the first of them is looked at.
    #[inline]
    pub fn prefetch(&self, db: u32, hashes: impl Iterator<Item = u64>) {
        let Some(tables) = self.tables(db) else {
            return;
        };
        let mut wanted = [const { None }; PREFETCHED];
        let mut count = 0;
        for (place, hash) in wanted.iter_mut().zip(hashes) {
            let shard = self.keyspace.shard_of(hash);
            assert!(self.holds(shard), "a shard is used that is not locked");
            // SAFETY: the shard is held, and nothing changes as long as `self` is borrowed.
            let table = unsafe { &tables.shard(shard).table };
            table.prefetch_link(hash);
            *place = Some((table, hash));
            count += 1;
        }
        let mut probes = [const { None }; PREFETCHED];
        for (probe, (table, hash)) in probes.iter_mut().zip(wanted[..count].iter().flatten()) {
            *probe = table.prefetch_bucket(*hash);
        }
        for probe in probes[..count].iter().flatten() {
            if !probe.prefetch_slots() {
                // A key that is not there may be on its way in.
                probe.prefetch_head();
            }
        }
    }

    /// The table of a database in a shard; `None` while the database was never used.
    ///
    /// The reference is not bound to `self`, so that `view` can give up a borrow of the
    /// table and use the effects; nobody outside this folder sees it.
    #[inline]
    pub(super) fn table<'t>(&self, db: u32, shard: usize) -> Option<Held<'t>>
    where
        Self: 't,
    {
        assert!(self.holds(shard), "a shard is used that is not locked");
        let tables = self.tables(db)?;
        // SAFETY: the shard is held. The lifetime is cut loose from `self`; `view` uses one
        // such reference at a time and returns none that outlives its own borrow of `self`,
        // and tables are only replaced by the methods below, which take `&mut self`.
        unsafe {
            let tables: &'t Tables = &*std::ptr::from_ref(tables);
            let open = &*std::ptr::from_ref(&self.keyspace.snapshots);
            Some(Held {
                table: tables.shard(shard),
                writing: Writing { open, tables },
            })
        }
    }

    /// As `table`, made if the database was never used.
    #[inline]
    pub(super) fn table_or_new<'t>(&self, db: u32, shard: usize) -> Held<'t>
    where
        Self: 't,
    {
        match self.table(db, shard) {
            Some(held) => held,
            None => self.new_table(db, shard),
        }
    }

    #[cold]
    #[inline(never)]
    fn new_table<'t>(&self, db: u32, shard: usize) -> Held<'t>
    where
        Self: 't,
    {
        // SAFETY: a gate is held.
        let database = unsafe { self.keyspace.database(db) };
        database
            .tables
            .get_or_init(|| self.keyspace.make_tables(db));
        self.table(db, shard).expect("made just now")
    }

    pub(super) fn listeners(&mut self, shard: usize) -> &mut Option<Box<Listeners>> {
        assert!(self.holds(shard), "a shard is used that is not locked");
        // SAFETY: the shard is held, and `self` is borrowed for as long as the reference.
        unsafe { self.keyspace.listeners(shard) }
    }

    /// The walker's step: one bucket of a shard that is held, in tables that may have left
    /// their database.
    pub(super) fn give_next(
        &mut self,
        tables: &Tables,
        shard: usize,
        order: u64,
        slot: usize,
        to: &mut impl Snapshots<Entry>,
    ) -> Option<u64> {
        assert!(self.holds(shard), "a shard is used that is not locked");
        // SAFETY: the shard is held: tables that left their database keep their shards'
        // locks, and are changed by nobody else.
        let table = unsafe { tables.shard(shard) };
        table
            .table
            .give_next(order, slot, &self.keyspace.hasher, to)
    }

    /// Puts empty tables in a database's place; the old ones go to whoever frees them.
    pub fn take_tables(&mut self, db: u32) -> Option<Arc<Tables>> {
        std::mem::take(self.database(db)).tables.into_inner()
    }

    /// Puts tables that another keyspace with the same hasher and as many shards has built
    /// in the place of a database that has none. Open snapshots do not have them.
    pub(super) fn put_tables(&mut self, db: u32, mut tables: Arc<Tables>) {
        assert_eq!(tables.shard_count(), self.keyspace.shard_count());
        let born = self.keyspace.snapshots.last_number();
        let built = Arc::get_mut(&mut tables).expect("whoever built them has let go of them");
        built.settle(db, born, self.keyspace.gates.len());
        let database = self.database(db);
        assert!(database.tables.set(tables).is_ok(), "a database is empty");
    }

    /// Exchanges two databases.
    pub fn swap_tables(&mut self, a: u32, b: u32) {
        if a != b {
            let old = std::mem::take(self.database(a));
            let other = std::mem::replace(self.database(b), old);
            *self.database(a) = other;
        }
    }

    pub(super) fn database(&mut self, db: u32) -> &mut Database {
        self.assert_everything();
        // SAFETY: every gate is held, and `self` is borrowed for as long as the reference.
        unsafe { self.keyspace.database_mut(db) }
    }

    pub(super) fn assert_everything(&self) {
        assert!(self.locker.everything, "this takes the whole keyspace");
    }
}

/// A shard's table of one database, with what a writer owes to open snapshots.
pub(super) struct Held<'t> {
    pub table: &'t mut ShardTable,
    pub writing: Writing<'t>,
}

/// What a writer must give from one database's tables before it changes them.
pub(super) struct Writing<'a> {
    pub open: &'a OpenSnapshots,
    pub tables: &'a Tables,
}

impl Snapshots<Entry> for Writing<'_> {
    #[inline]
    fn numbers(&self) -> [u32; 2] {
        // Tables born after the cut are not in the snapshot.
        [0, 1].map(|slot| {
            let number = self.open.number(slot);
            if number > self.tables.born { number } else { 0 }
        })
    }

    #[cold]
    fn give(&mut self, slot: usize, entry: &Entry) {
        self.open.give(slot, self.tables.db_at_cut(slot), entry);
    }
}
