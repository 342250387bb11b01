//! Values of one type, as the handlers of its family get at them.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use super::cx::Cx;
use super::error::CmdError;
use crate::store::effects::event;
use crate::store::entry::Entry;
use crate::store::keyspace::Key;
use crate::store::locked::Locked;
use crate::table::SlotMut;
use crate::types::{Typed, Value, ValueRef};

/// A value lent to be changed in place: whoever needed it as it was has been given it.
///
/// When it is done, `Cx::changed` must be called, or `Cx::grown`.
pub struct Changing<'a, T> {
    entry: SlotMut<'a, Entry>,
    of_type: PhantomData<T>,
}

const OF_THIS_TYPE: &str = "the type was looked at before the value was lent";

impl<T: Typed> Deref for Changing<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.entry.value().and_then(T::of).expect(OF_THIS_TYPE)
    }
}

impl<T: Typed> DerefMut for Changing<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        let value = self.entry.value_mut();
        value.and_then(T::of_mut).expect(OF_THIS_TYPE)
    }
}

/// How handlers reach values of their type. (It is a trait so that a handler which holds a
/// value can still write to `cx.reply`.)
pub trait TypedStore {
    /// A value that a command reads: counted as a hit or a miss, marked as used.
    fn read_as<T: Typed>(&mut self, db: u32, key: Key) -> Result<Option<&T>, CmdError>;

    /// As `read_as`, leaving no trace.
    fn peek_as<T: Typed>(&mut self, db: u32, key: Key) -> Result<Option<&T>, CmdError>;

    /// The values of several keys at once, each counted and marked as by `read_as`.
    fn read_all<T: Typed>(&mut self, db: u32, keys: &[Key]) -> Result<Vec<Option<&T>>, CmdError>;

    /// A value to be changed in place. It may be left empty.
    fn change<T: Typed>(&mut self, db: u32, key: Key) -> Result<Option<Changing<'_, T>>, CmdError>;

    /// The same, made empty if there is no such key.
    fn change_or_new<T: Typed>(&mut self, db: u32, key: Key) -> Result<Changing<'_, T>, CmdError>;
}

impl TypedStore for Locked<'_> {
    #[inline]
    fn read_as<T: Typed>(&mut self, db: u32, key: Key) -> Result<Option<&T>, CmdError> {
        match self.read(db, key) {
            None => Ok(None),
            Some(entry) => of_type(entry.value()).map(Some),
        }
    }

    #[inline]
    fn peek_as<T: Typed>(&mut self, db: u32, key: Key) -> Result<Option<&T>, CmdError> {
        match self.peek(db, key) {
            None => Ok(None),
            Some(entry) => of_type(entry.value()).map(Some),
        }
    }

    fn read_all<T: Typed>(&mut self, db: u32, keys: &[Key]) -> Result<Vec<Option<&T>>, CmdError> {
        for key in keys {
            self.read_as::<T>(db, *key)?;
        }
        let values = keys.iter().map(|key| match self.look_again(db, *key) {
            None => Ok(None),
            Some(entry) => of_type(entry.value()).map(Some),
        });
        values.collect()
    }

    #[inline]
    fn change<T: Typed>(&mut self, db: u32, key: Key) -> Result<Option<Changing<'_, T>>, CmdError> {
        let Some(entry) = self.write(db, key) else {
            return Ok(None);
        };
        of_type::<T>(entry.value())?;
        Ok(Some(Changing {
            entry,
            of_type: PhantomData,
        }))
    }

    #[inline]
    fn change_or_new<T: Typed>(&mut self, db: u32, key: Key) -> Result<Changing<'_, T>, CmdError> {
        let make = || Entry::with_value(key.bytes, T::default().into_value(), None);
        let entry = self.write_or_new(db, key, make);
        of_type::<T>(entry.value())?;
        Ok(Changing {
            entry,
            of_type: PhantomData,
        })
    }
}

#[inline]
fn of_type<T: Typed>(value: Option<ValueRef<'_>>) -> Result<&T, CmdError> {
    value.and_then(T::of).ok_or(CmdError::WrongType)
}

impl Cx<'_, '_> {
    /// A value of the selected database was changed in place: those who wait for its key are
    /// told, and if nothing is left of it the key goes, with its event. To be called once,
    /// behind the command's own event.
    pub fn changed(&mut self, key: Key) {
        let db = self.session.db;
        if !self.remove_if_empty(key) {
            self.store.touch(db, key);
        }
    }

    /// The same where something was added, so that the key cannot have become empty.
    #[inline]
    pub fn grown(&mut self, key: Key) {
        self.store.touch(self.session.db, key);
    }

    /// Removes a key whose collection has no element. True if it did.
    fn remove_if_empty(&mut self, key: Key) -> bool {
        let db = self.session.db;
        let found = self.store.peek(db, key);
        if !found.is_some_and(|entry| entry.value().is_some_and(ValueRef::is_nothing)) {
            return false;
        }
        if let Some(entry) = self.store.remove(db, key) {
            self.store.effects().discard(entry);
        }
        self.event(event::GENERIC, "del", key);
        true
    }

    /// Puts a value in, whatever was there: what the STORE forms do.
    pub fn put_value(&mut self, key: Key, value: Value, expire_at_ms: Option<i64>) {
        let entry = Entry::with_value(key.bytes, value, expire_at_ms);
        self.store.put(self.session.db, key, entry);
    }
}
