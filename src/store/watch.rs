//! WATCH: who wants to know that a key changed. One table a shard, behind the shard's lock,
//! absent while nobody watches.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// A database and a key of it.
type Place = (u32, Box<[u8]>);

#[derive(Default)]
pub struct WatchTable {
    keys: HashMap<Place, Vec<Arc<WatchFlag>>>,
}

impl WatchTable {
    pub fn watch(&mut self, db: u32, key: &[u8], flag: Arc<WatchFlag>) {
        self.keys.entry((db, key.into())).or_default().push(flag);
    }

    pub fn unwatch(&mut self, db: u32, key: &[u8], flag: &Arc<WatchFlag>) {
        let place = (db, key.into());
        if let Some(flags) = self.keys.get_mut(&place) {
            flags.retain(|other| !Arc::ptr_eq(other, flag));
            if flags.is_empty() {
                self.keys.remove(&place);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub fn touch(&self, db: u32, key: &[u8]) {
        if let Some(flags) = self.keys.get(&(db, Box::from(key))) {
            flags.iter().for_each(|flag| flag.raise());
        }
    }

    /// Touches every watched key for which `changed` says so.
    pub fn touch_where(&self, mut changed: impl FnMut(u32, &[u8]) -> bool) {
        for ((db, key), flags) in &self.keys {
            if changed(*db, key) {
                flags.iter().for_each(|flag| flag.raise());
            }
        }
    }
}
