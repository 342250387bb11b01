//! A slot lent for writing.

use std::mem::{ManuallyDrop, forget};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use super::directory::{Link, Table};
use super::segment::Spot;
use super::slot::{Slot, Snapshots};
use crate::base::hash::KeyHasher;

/// A slot lent for writing; its home has been given to the open snapshots.
///
/// The slot may be replaced by another one with the same key (and hash); the table learns of
/// it when the handle is dropped, so a handle must not be forgotten.
pub struct SlotMut<'a, S: Slot> {
    table: &'a mut Table<S>,
    raw: NonNull<u8>,
    link: Link,
    spot: Spot,
    hash: u64,
}

impl<S: Slot> Table<S> {
    /// The slot with this hash that `eq` accepts, for writing.
    #[inline]
    pub fn get_mut(
        &mut self,
        hash: u64,
        hasher: &KeyHasher,
        snaps: &mut impl Snapshots<S>,
        eq: impl FnMut(&S) -> bool,
    ) -> Option<SlotMut<'_, S>> {
        let (link, spot) = self.find(hash, eq)?;
        self.give_bucket(link, link.bucket(hash), hasher, snaps);
        let raw = spot.line.pointer(spot.slot);
        Some(SlotMut {
            table: self,
            raw,
            link,
            spot,
            hash,
        })
    }
}

impl<S: Slot> SlotMut<'_, S> {
    /// Puts another slot with the same hash in this one's place.
    #[inline]
    pub fn replace(&mut self, slot: S) -> S {
        std::mem::replace(&mut **self, slot)
    }

    /// Changes the slot by value; the result must have the same hash. A panic inside
    /// `change` aborts, for there would be no slot left.
    #[inline]
    pub fn update(&mut self, change: impl FnOnce(S) -> S) {
        struct Abort;
        impl Drop for Abort {
            fn drop(&mut self) {
                std::process::abort();
            }
        }
        let abort = Abort;
        // SAFETY: the handle owns `raw` exclusively and gets the new owner right here.
        self.raw = change(unsafe { S::from_raw(self.raw) }).into_raw();
        forget(abort);
    }

    /// Takes the slot out of the table.
    pub fn remove(self, hasher: &KeyHasher, snaps: &mut impl Snapshots<S>) -> S {
        self.write_back();
        let mut this = ManuallyDrop::new(self);
        let (hash, link, spot) = (this.hash, this.link, this.spot);
        this.table.remove_at(hash, link, spot, hasher, snaps)
    }

    #[inline]
    fn write_back(&self) {
        if self.raw != self.spot.line.pointer(self.spot.slot) {
            self.spot.line.set_pointer(self.spot.slot, self.raw);
        }
    }
}

impl<S: Slot> Deref for SlotMut<'_, S> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        // SAFETY: `raw` is a live slot, borrowed with the handle.
        unsafe { S::borrow_raw(&self.raw) }
    }
}

impl<S: Slot> DerefMut for SlotMut<'_, S> {
    #[inline]
    fn deref_mut(&mut self) -> &mut S {
        // SAFETY: `S` is transparent over the pointer, which the handle owns exclusively.
        unsafe { &mut *std::ptr::from_mut(&mut self.raw).cast() }
    }
}

impl<S: Slot> Drop for SlotMut<'_, S> {
    #[inline]
    fn drop(&mut self) {
        self.write_back();
    }
}
