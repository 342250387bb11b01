//! Entries of a snapshot, encoded as they come, in pieces that stand for themselves: each
//! selects its database first, so pieces may be joined in any order.
//!
//! There are several of these for a snapshot: the walker's own, and those that writers fill
//! with what they are about to change. All are filled under a shard's lock, so long values
//! are only copied then and packed later.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::base::memory;
use crate::rdb::encode::{self, Access, Encoder, KeyMeta};
use crate::rdb::format::FileVersion;
use crate::rdb::value;
use crate::shared::Shared;
use crate::shared::libraries::Libraries;
use crate::store::entry::Entry;
use crate::store::snapshot::{Giver, Recipient};
use crate::store::usage::{self, Lfu};
use crate::types::{Value, ValueRef};

/// What is written of the use of keys: what the policy of eviction here asks for, if any.
#[derive(Clone, Copy, Debug)]
pub enum Usage {
    Untold,
    /// For how long, when it is `clock`.
    Idle {
        clock: u32,
    },
    /// How often, as it counts now.
    Uses {
        lfu: Lfu,
        now_ms: i64,
    },
}

impl Usage {
    pub fn of(shared: &Shared, now_ms: i64) -> Usage {
        match shared.lfu() {
            Some(lfu) => Usage::Uses { lfu, now_ms },
            None if shared.eviction_policy().is_lru() => Usage::Idle {
                clock: usage::lru_clock(now_ms),
            },
            None => Usage::Untold,
        }
    }

    #[inline]
    fn access(self, entry: &Entry) -> Access {
        match self {
            Usage::Untold => Access::Unknown,
            Usage::Idle { clock } => {
                let idle = usage::idle_seconds(clock, entry.access());
                // One that was used since is not the longest unused.
                let used_since = idle > usage::ACCESS_MASK / 2;
                Access::LruIdleSecs(if used_since { 0 } else { idle.into() })
            }
            Usage::Uses { lfu, now_ms } => Access::LfuFreq(lfu.counter(entry.access(), now_ms)),
        }
    }
}

/// Values that take more than this are copied under the lock and encoded after it. (Of a
/// large collection only the pointers to its nodes are copied.)
const LONG_BYTES: usize = 4096;

/// When writers have given so much, whoever takes it is woken.
const MANY_BYTES: usize = 512 << 10;

/// A buffer with so much in it is given room for `MANY_BYTES` and some more at once. If it grew
/// there, the allocator would keep a page of 4 MB for each size on the way, and for each thread
/// that gives.
const SMALL_BYTES: usize = 32 << 10;
const LARGE_BYTES: usize = MANY_BYTES + (64 << 10);

/// Where so many times its room is in use, a new buffer gets it at once.
const USED_PER_ROOM: usize = 32;

/// More than writers are likely to be in the middle of giving at the same time.
const PLACES: usize = 4;

/// A buffer that grew beyond this is not kept: there are seven of them for a snapshot.
pub const KEPT_BYTES_MAX: usize = 2 * MANY_BYTES;

/// Room for what is gathered under locks, where there may be much of it.
pub fn new_buffer() -> Vec<u8> {
    memory::touched_buffer(LARGE_BYTES.min(memory::used_bytes() / USED_PER_ROOM))
}

pub struct Gatherer {
    /// Encoded entries.
    pub out: Vec<u8>,
    /// The database that `out` has selected at its end.
    selected_db: Option<u32>,
    long: Vec<Long>,
    long_bytes: usize,
    /// It was said that there is much.
    told: bool,
    encoder: Encoder,
    /// The version that is written for.
    pub version: FileVersion,
    usage: Usage,
    /// A key that such a file cannot hold.
    refused: Option<Box<[u8]>>,
    /// How many entries came in.
    pub keys: u64,
}

/// An entry whose value is yet to be encoded.
struct Long {
    db: u32,
    key: Box<[u8]>,
    value: Value,
    meta: KeyMeta,
}

impl Gatherer {
    pub fn new(compression: bool, usage: Usage) -> Gatherer {
        Gatherer {
            usage,
            version: FileVersion::Redis10,
            refused: None,
            out: new_buffer(),
            selected_db: None,
            long: Vec::new(),
            long_bytes: 0,
            told: false,
            encoder: Encoder::new(compression),
            keys: 0,
        }
    }

    pub fn put_libraries(&mut self, libraries: &Libraries) {
        libraries.put(&mut self.encoder, &mut self.out);
    }

    #[inline]
    fn take(&mut self, db: u32, entry: &Entry) {
        let meta = KeyMeta {
            expire_at_ms: entry.expire_at_ms(),
            access: self.usage.access(entry),
        };
        self.keys += 1;
        if self.out.len() >= SMALL_BYTES && self.out.capacity() < LARGE_BYTES {
            self.out.reserve_exact(LARGE_BYTES - self.out.len());
        }
        if let Some(value) = entry.value() {
            return self.take_value(db, entry.key(), value, meta);
        }
        let value = entry.string_bytes().unwrap_or_default();
        self.select(db);
        self.encoder
            .put_string_entry(&mut self.out, entry.key(), value, meta);
    }

    #[inline(never)]
    fn take_value(&mut self, db: u32, key: &[u8], value: ValueRef<'_>, meta: KeyMeta) {
        let bytes = value.heap_bytes();
        if bytes <= LONG_BYTES {
            self.select(db);
            return self.put_value(key, value, meta);
        }
        self.long_bytes += bytes;
        self.long.push(Long {
            db,
            key: key.into(),
            value: value.to_value(),
            meta,
        });
    }

    fn put_value(&mut self, key: &[u8], value: ValueRef<'_>, meta: KeyMeta) {
        let version = self.version;
        let Some(type_byte) = value::type_byte(value, version) else {
            self.refused.get_or_insert_with(|| key.into());
            return;
        };
        let Gatherer { encoder, out, .. } = self;
        encoder.put_entry_head(out, type_byte, key, meta);
        value::put(value, version, encoder, out);
    }

    #[inline]
    fn select(&mut self, db: u32) {
        if self.selected_db != Some(db) {
            encode::put_select_db(&mut self.out, db.into());
            self.selected_db = Some(db);
        }
    }

    /// True once when much has come together since it was last taken.
    fn has_much_now(&mut self) -> bool {
        let has_much = !self.told && self.out.len() + self.long_bytes >= MANY_BYTES;
        self.told |= has_much;
        has_much
    }

    /// Encodes the long values that were copied. No lock is held.
    pub fn finish_long(&mut self) {
        self.long_bytes = 0;
        for long in std::mem::take(&mut self.long) {
            self.select(long.db);
            self.put_value(&long.key, long.value.as_ref(), long.meta);
        }
    }

    /// Whether every key could be encoded so far.
    ///
    /// # Errors
    /// By the name of one that could not.
    pub fn check(&self) -> io::Result<()> {
        match &self.refused {
            None => Ok(()),
            Some(key) => Err(io::Error::other(format!(
                "the key '{}' cannot be written in this version of the file",
                key.escape_ascii()
            ))),
        }
    }

    /// Takes over what another one has gathered, which is empty afterwards. `spare` lends
    /// an empty buffer, so that the other is locked for no longer than two swaps take.
    fn take_over(&mut self, mut other: MutexGuard<Gatherer>, spare: &mut Vec<u8>) {
        if other.keys == 0 {
            return;
        }
        std::mem::swap(&mut other.out, spare);
        let long = std::mem::take(&mut other.long);
        let refused = other.refused.take();
        self.refused = self.refused.take().or(refused);
        self.keys += std::mem::take(&mut other.keys);
        other.selected_db = None;
        other.long_bytes = 0;
        other.told = false;
        drop(other);
        self.out.append(spare);
        self.selected_db = None;
        self.long.extend(long);
        self.finish_long();
        if spare.capacity() > KEPT_BYTES_MAX {
            *spare = Vec::new();
        }
    }

    /// Forgets what was gathered behind the first `len_bytes`.
    pub fn truncate(&mut self, len_bytes: usize) {
        self.selected_db = None;
        self.out.truncate(len_bytes);
    }

    /// Empties the buffer for reuse; what comes next selects its database again.
    pub fn clear(&mut self) {
        self.selected_db = None;
        self.out.clear();
        if self.out.capacity() > KEPT_BYTES_MAX {
            self.out = Vec::new();
        }
    }
}

impl Giver for Gatherer {
    #[inline]
    fn give(&mut self, db: u32, entry: &Entry) {
        self.take(db, entry);
    }
}

/// What writers hand their entries to.
///
/// None of them should wait for another that has lost its core in the middle, still less for
/// the taker, which has a lower priority: so there are several places, whoever gives takes
/// one that is free, and the taker leaves those alone that are not.
pub struct Gifts {
    places: [Mutex<Gatherer>; PLACES],
    /// The memory of all entries that were given.
    entry_bytes: AtomicU64,
    /// Notified when there is much to be taken.
    many: Notify,
}

impl Gifts {
    pub fn new(compression: bool, usage: Usage) -> Gifts {
        let place = |_| Mutex::new(Gatherer::new(compression, usage));
        Gifts {
            places: std::array::from_fn(place),
            entry_bytes: AtomicU64::new(0),
            many: Notify::new(),
        }
    }

    /// Before anything is given.
    pub fn set_version(&self, version: FileVersion) {
        for place in &self.places {
            place.lock().version = version;
        }
    }

    pub fn entry_bytes(&self) -> u64 {
        self.entry_bytes.load(Ordering::Relaxed)
    }

    /// When much has been given since this was last waited for.
    pub async fn are_many(&self) {
        self.many.notified().await;
    }

    /// Takes what is not being added to just now.
    pub fn take(&self, into: &mut Gatherer, spare: &mut Vec<u8>) {
        for place in &self.places {
            if let Some(place) = place.try_lock() {
                into.take_over(place, spare);
            }
        }
    }

    /// Takes everything.
    pub fn take_all(&self, into: &mut Gatherer, spare: &mut Vec<u8>) {
        for place in &self.places {
            into.take_over(place.lock(), spare);
        }
    }
}

impl Recipient for Gifts {
    fn receive(&self, db: u32, entry: &Entry) {
        let bytes = entry.heap_bytes() as u64;
        self.entry_bytes.fetch_add(bytes, Ordering::Relaxed);
        let free = || self.places.iter().filter_map(Mutex::try_lock);
        // One that has much already would grow, if the taker is late.
        let roomy = free().find(|place| !place.told);
        let mut place = roomy
            .or_else(|| free().next())
            .unwrap_or_else(|| self.places[0].lock());
        place.take(db, entry);
        if place.has_much_now() {
            self.many.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// None of this would return if it waited for the place that is held.
    #[test]
    fn nobody_waits_for_a_place_that_is_held() {
        let gifts = Gifts::new(false, Usage::Untold);
        let mut taken = Gatherer::new(false, Usage::Untold);
        let mut spare = Vec::new();
        let entry = |key: &str| Entry::string(key.as_bytes(), b"value", None);
        gifts.receive(0, &entry("first"));
        let held = gifts.places[0].lock();
        gifts.receive(0, &entry("second"));
        gifts.take(&mut taken, &mut spare);
        assert_eq!((taken.keys, held.keys), (1, 1));
        drop(held);
        gifts.take_all(&mut taken, &mut spare);
        assert_eq!(taken.keys, 2);
        let has = |key: &[u8]| taken.out.windows(key.len()).any(|bytes| bytes == key);
        assert!(has(b"first") && has(b"second"));
        assert!(gifts.entry_bytes() > 0);
    }

    #[test]
    fn where_there_is_much_nothing_is_added_as_long_as_there_is_room_elsewhere() {
        let gifts = Gifts::new(false, Usage::Untold);
        let large = Entry::string(b"key", &[b'x'; MANY_BYTES], None);
        let keys = || gifts.places.each_ref().map(|place| place.lock().keys);
        (0..PLACES).for_each(|_| gifts.receive(0, &large));
        assert_eq!(keys(), [1; PLACES]);
        gifts.receive(0, &large);
        assert_eq!(keys().iter().sum::<u64>(), PLACES as u64 + 1);
    }
}
