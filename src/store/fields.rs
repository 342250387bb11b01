//! Fields of hashes that end before their keys do.
//!
//! A leader takes them out, when its expiry task comes by or a command asks for one of
//! them; that is logged as HDEL, field by field, and announced once a hash. Whoever only
//! hides what is due leaves them where they are.

use super::effects::event;
use super::keyspace::Key;
use super::locked::{Expiry, Held, Locked};
use crate::types::hash::Field;
use crate::types::{Hash, ValueMut};

/// So many fields are taken out of one hash before others have their turn: some 200 us.
const ROUND_FIELDS_MAX: usize = 512;

/// What becomes of a key whose fields were taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    /// It has no time that is over.
    Rest,
    /// Among what is left there are fields whose time is over.
    Due,
}

/// Which fields a command sees: on a leader, and for a follower's clients, not those whose
/// time is over.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    from_ms: i64,
}

impl Sight {
    #[inline]
    pub fn sees(self, field: &Field) -> bool {
        field.expire_at_ms.is_none_or(|at_ms| at_ms >= self.from_ms)
    }

    /// Whether it sees every field of a hash.
    #[inline]
    pub fn sees_all(self, hash: &Hash) -> bool {
        hash.first_ms().is_none_or(|at_ms| at_ms >= self.from_ms)
    }
}

impl Locked<'_> {
    #[inline]
    pub fn sight(&self) -> Sight {
        Sight {
            from_ms: match self.expiry {
                Expiry::Ignore => i64::MIN,
                Expiry::Delete | Expiry::Hide => self.now_ms,
            },
        }
    }

    /// How many hashes of a database have fields with a time to live. Any lock will do; the
    /// number is exact while everything is locked.
    pub fn timed_hashes(&self, db: u32) -> u64 {
        self.tables(db).map_or(0, |tables| tables.timed_hashes())
    }

    /// Whether any field of any hash has a time to live. Any lock will do; it is exact while
    /// everything is locked.
    pub fn has_field_times(&self) -> bool {
        let databases = 0..self.keyspace.database_count() as u32;
        databases
            .map(|db| self.timed_hashes(db))
            .any(|count| count > 0)
    }

    /// The key of a hash of which a field has a time to live, in a shard that is held.
    pub fn hash_with_times(&self, db: u32, shard: usize) -> Option<Box<[u8]>> {
        let mut found = None;
        self.table(db, shard)?.table.table.for_each(|entry| {
            if found.is_none() && entry.first_field_ms().is_some() {
                found = Some(entry.key().into());
            }
        });
        found
    }

    /// A command has asked for fields that are due: on a leader they are taken out, and with
    /// the last field the key itself.
    #[cold]
    pub fn end_fields(&mut self, db: u32, key: Key, names: &[&[u8]]) {
        if self.expiry == Expiry::Delete {
            self.end_fields_to_write(db, key, names);
            self.effects().keep_together();
        }
    }

    /// The same for a command that is about to write such fields: they end first, wherever
    /// they are not seen.
    #[cold]
    pub fn end_fields_to_write(&mut self, db: u32, key: Key, names: &[&[u8]]) {
        let sight = self.sight();
        let is_due = |hash: &Hash, name: &[u8]| {
            let field = hash.get(name);
            field.is_some_and(|field| !sight.sees(&field))
        };
        self.take_fields(db, key, |hash, taken| {
            for name in names {
                if is_due(hash, name) && hash.remove(name) {
                    taken.push((*name).into());
                }
            }
        });
    }

    /// On a leader fields that are due are taken out of a hash, soonest first, `max` at most.
    pub fn end_due_fields(&mut self, db: u32, key: Key, max: usize) {
        let now_ms = self.now_ms;
        if self.expiry == Expiry::Delete {
            self.take_fields(db, key, |hash, taken| {
                hash.take_due(now_ms, max, |name| taken.push(name.into()));
            });
            self.effects().keep_together();
        }
    }

    /// The expiry task's turn with a hash. True if there is more to do.
    pub(super) fn field_round(&mut self, db: u32, key: Key) -> bool {
        let now_ms = self.now_ms;
        let left = self.take_fields(db, key, |hash, taken| {
            hash.take_due(now_ms, ROUND_FIELDS_MAX, |name| taken.push(name.into()));
        });
        left == Left::Due
    }

    fn take_fields(
        &mut self,
        db: u32,
        key: Key,
        take: impl FnOnce(&mut Hash, &mut Vec<Box<[u8]>>),
    ) -> Left {
        let keyspace = self.keyspace;
        let Some(Held { table, mut writing }) = self.table(db, keyspace.shard_of(key.hash)) else {
            return Left::Nothing;
        };
        let eq = |entry: &super::entry::Entry| entry.has_key(key.bytes);
        let found = table
            .table
            .get_mut(key.hash, &keyspace.hasher, &mut writing, eq);
        let Some(mut entry) = found else {
            return Left::Nothing;
        };
        let Some(ValueMut::Hash(hash)) = entry.value_mut() else {
            return Left::Rest;
        };
        let (before, mut taken) = (hash.first_ms(), Vec::new());
        take(hash, &mut taken);
        let (now, is_empty) = (hash.first_ms(), hash.is_empty());
        drop(entry);
        self.note_fields(db, key, before, now);
        self.tell_taken(db, key, &taken);
        if is_empty {
            self.remove_empty(db, key);
            return Left::Nothing;
        }
        match now {
            Some(at_ms) if at_ms < self.now_ms => {
                // Even if it is the same as before: the expiry task has taken note of it.
                self.lower_deadlines(db, key, at_ms);
                Left::Due
            }
            _ => Left::Rest,
        }
    }

    fn tell_taken(&mut self, db: u32, key: Key, taken: &[Box<[u8]>]) {
        if taken.is_empty() {
            return;
        }
        let effects = self.effects();
        effects.expired_fields += taken.len() as u64;
        for name in taken {
            effects.log(db, &[b"HDEL", key.bytes, name]);
        }
        effects.event(event::HASH, "hexpired", db, key.bytes);
        self.touch(db, key);
    }

    fn remove_empty(&mut self, db: u32, key: Key) {
        if let Some(entry) = self.remove_silently(db, key) {
            let effects = self.effects();
            effects.discard(entry);
            effects.event(event::GENERIC, "del", db, key.bytes);
            self.touch(db, key);
        }
    }
}
