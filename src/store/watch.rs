//! WATCH: who wants to know that a key changed. One table a shard, behind the shard's lock,
//! absent while nobody watches.
//!
//! For a watcher a key that is due is not there. So a key that was due when it was watched
//! may be deleted without a change, and such keys may take each other's place.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::waiters::WaitTable;

/// Raised when one of a client's watched keys changed; EXEC then aborts.
#[derive(Debug, Default)]
pub struct WatchFlag(AtomicBool);

impl WatchFlag {
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub fn lower(&self) {
        self.0.store(false, Ordering::Release);
    }
}

/// How a key stands in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Absent,
    /// There, but its time has come.
    Due,
    Live,
}

struct Watcher {
    flag: Arc<WatchFlag>,
    /// The key is in the table, but has been due ever since it was watched.
    was_due: bool,
}

impl Watcher {
    fn note(&mut self, before: Presence, after: Presence) {
        match (self.was_due, before, after) {
            (_, Presence::Absent, Presence::Absent) | (true, _, Presence::Due) => {}
            (true, _, Presence::Absent) => self.was_due = false,
            (false, Presence::Absent, Presence::Due) => self.was_due = true,
            _ => self.flag.raise(),
        }
    }
}

/// Those who listen to the keys of a shard.
#[derive(Default)]
pub struct Listeners {
    pub watch: WatchTable,
    pub waiting: WaitTable,
}

impl Listeners {
    pub fn is_empty(&self) -> bool {
        self.watch.is_empty() && self.waiting.is_empty()
    }
}

/// A database and a key of it.
type Place = (u32, Box<[u8]>);

#[derive(Default)]
pub struct WatchTable {
    keys: HashMap<Place, Vec<Watcher>>,
}

impl WatchTable {
    pub fn watch(&mut self, db: u32, key: &[u8], flag: Arc<WatchFlag>, was_due: bool) {
        let watchers = self.keys.entry((db, key.into())).or_default();
        watchers.push(Watcher { flag, was_due });
    }

    /// Whether the key has been due ever since `flag` was hung on it.
    pub fn was_due(&self, db: u32, key: &[u8], flag: &Arc<WatchFlag>) -> bool {
        let watchers = self.keys.get(&(db, Box::from(key)));
        let mut mine = watchers.into_iter().flatten();
        mine.any(|watcher| Arc::ptr_eq(&watcher.flag, flag) && watcher.was_due)
    }

    pub fn unwatch(&mut self, db: u32, key: &[u8], flag: &Arc<WatchFlag>) {
        let place = (db, key.into());
        if let Some(watchers) = self.keys.get_mut(&place) {
            watchers.retain(|other| !Arc::ptr_eq(&other.flag, flag));
            if watchers.is_empty() {
                self.keys.remove(&place);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// A key was changed, or deleted if it is not there any more.
    pub fn touch(&mut self, db: u32, key: &[u8], is_there: bool) {
        let after = match is_there {
            true => Presence::Live,
            false => Presence::Absent,
        };
        for watcher in self.keys.get_mut(&(db, key.into())).into_iter().flatten() {
            watcher.note(Presence::Live, after);
        }
    }

    /// Tables are exchanged. `change` says how a key stood in the old one of its database,
    /// and stands in the new one.
    pub fn exchange(&mut self, mut change: impl FnMut(u32, &[u8]) -> (Presence, Presence)) {
        for ((db, key), watchers) in &mut self.keys {
            let (before, after) = change(*db, key);
            for watcher in watchers {
                watcher.note(before, after);
            }
        }
    }
}
