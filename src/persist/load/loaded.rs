//! A keyspace that was built beside the one that is served, and how it takes its place.

use std::sync::Arc;

use super::batch::{Facts, Form};
use super::error::LoadErrorKind;
use crate::base::number::parse_i64;
use crate::oplog::ReplId;
use crate::rdb::decode::{Entry, Value};
use crate::shared::libraries::{Libraries, Library, Refused};
use crate::shared::{Garbage, Shared};
use crate::store::keyspace::{Keyspace, Tables};
use crate::store::locked::{Expiry, Locked, Locker};
use crate::store::usage::{Lfu, access_of_arrival};

/// Where in which history the file was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplFacts {
    pub id: ReplId,
    pub offset: u64,
    /// The database that the history's bytes have selected there.
    pub stream_db: Option<u32>,
}

/// What a file says of itself.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    pub version: Option<String>,
    pub saved_unix_s: Option<i64>,
    pub used_memory_bytes: Option<i64>,
    repl_id: Option<ReplId>,
    repl_offset: Option<u64>,
    repl_stream_db: Option<u32>,
}

/// A load that has succeeded and is not served yet.
pub struct Loaded {
    keyspace: Arc<Keyspace>,
    /// A gate of that keyspace which is nobody's.
    gate: usize,
    pub keys_loaded: u64,
    /// Keys that were due already.
    pub keys_expired: u64,
    /// Keys without a value, which are left out.
    pub keys_empty: u64,
    pub origin: Origin,
    libraries: Libraries,
}

impl Loaded {
    pub(super) fn new(keyspace: Arc<Keyspace>, gate: usize) -> Loaded {
        Loaded {
            keyspace,
            gate,
            keys_loaded: 0,
            keys_expired: 0,
            keys_empty: 0,
            origin: Origin::default(),
            libraries: Libraries::default(),
        }
    }

    pub(super) fn add_library(&mut self, code: &[u8]) -> Result<(), Refused> {
        self.libraries.add(Library::parse(code)?, false)
    }

    /// How many keys the file has.
    pub fn keys(&self) -> u64 {
        self.keys_loaded + self.keys_expired
    }

    /// Which history the file can continue, if it says so.
    pub fn replication(&self) -> Option<ReplFacts> {
        Some(ReplFacts {
            id: self.origin.repl_id?,
            offset: self.origin.repl_offset?,
            stream_db: self.origin.repl_stream_db,
        })
    }

    /// Puts the databases and the libraries in the place of those that are served, for
    /// whoever holds everything. The old ones are freed elsewhere.
    pub fn install(self, shared: &Shared, locked: &mut Locked) {
        for (db, built) in (0..).zip(self.take_all()) {
            if let Some(old) = locked.install(db, built) {
                shared.free_elsewhere(Garbage::Tables(old));
            }
        }
        *shared.libraries.lock() = self.libraries;
        // No commit follows, and who tracks keys is told before anybody can read the new ones.
        shared.tell_replaced(locked);
    }

    /// Adds the keys and the libraries to those that are served. What is there already is
    /// replaced if `replace` says so.
    ///
    /// # Errors
    /// A key or a library is there already; nothing is changed then.
    pub fn merge(
        self,
        shared: &Shared,
        locked: &mut Locked,
        replace: bool,
    ) -> Result<(), LoadErrorKind> {
        let mut locker = Locker::new(&self.keyspace, self.gate);
        let built = self.keyspace.lock_everything(&mut locker);
        let databases = 0..self.keyspace.database_count() as u32;
        locked.expiry = Expiry::Ignore;
        if !replace {
            for db in databases.clone() {
                let mut present = None;
                built.for_each(db, |entry| {
                    let key = self.keyspace.key(entry.key());
                    if present.is_none() && locked.exists(db, key) {
                        present = Some(key.bytes.into());
                    }
                });
                if let Some(key) = present {
                    return Err(LoadErrorKind::Present { key, db });
                }
            }
        }
        let joined = shared.libraries.lock().join(&self.libraries, replace);
        joined.map_err(LoadErrorKind::FunctionPresent)?;
        for db in databases {
            built.for_each(db, |entry| {
                let key = self.keyspace.key(entry.key());
                locked.put(db, key, entry.duplicate(key.bytes));
            });
        }
        let effects = locked.effects();
        effects.events.clear();
        let replaced = std::mem::take(&mut effects.garbage);
        shared.free_elsewhere(Garbage::Entries(replaced));
        Ok(())
    }

    fn take_all(&self) -> Vec<Option<Arc<Tables>>> {
        let mut locker = Locker::new(&self.keyspace, self.gate);
        let mut built = self.keyspace.lock_everything(&mut locker);
        let databases = 0..self.keyspace.database_count() as u32;
        databases.map(|db| built.take_tables(db)).collect()
    }

    /// What a builder needs to know of an entry besides key and value.
    #[inline]
    pub(super) fn facts(&self, entry: &Entry, db: u32, now_ms: i64, lfu: Option<Lfu>) -> Facts {
        let idle_secs = entry.lru_idle_secs;
        let idle_secs = idle_secs.map(|secs| i64::try_from(secs).unwrap_or(i64::MAX));
        Facts {
            hash: self.keyspace.hasher.hash(entry.key),
            offset: entry.value_offset,
            expire_at_ms: entry.expire_at_ms,
            db,
            access: access_of_arrival(lfu, now_ms, idle_secs, entry.lfu_freq),
            form: match entry.value {
                Value::String(_) => None,
                Value::Framed { type_byte, dialect } => Some(Form { type_byte, dialect }),
            },
        }
    }

    pub(super) fn note_aux(&mut self, key: &[u8], value: &[u8]) {
        let origin = &mut self.origin;
        match key {
            b"redis-ver" | b"valkey-ver" => {
                origin.version = Some(value.escape_ascii().to_string());
            }
            b"ctime" => origin.saved_unix_s = parse_i64(value),
            b"used-mem" => origin.used_memory_bytes = parse_i64(value),
            b"repl-id" => origin.repl_id = ReplId::parse(value),
            b"repl-offset" => {
                origin.repl_offset = parse_i64(value).and_then(|at| u64::try_from(at).ok());
            }
            b"repl-stream-db" => {
                origin.repl_stream_db = parse_i64(value).and_then(|db| u32::try_from(db).ok());
            }
            _ => {}
        }
    }
}
