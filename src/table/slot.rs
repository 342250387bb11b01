//! What a table holds, how it lends it, and who hears of changes.

use std::marker::PhantomData;
use std::mem::{ManuallyDrop, size_of, transmute_copy};
use std::ops::Deref;
use std::ptr::NonNull;

use crate::base::hash::KeyHasher;

/// Something a table can hold: an owning pointer that knows its hash.
///
/// # Safety
/// The type is `#[repr(transparent)]` over `NonNull<u8>` and stays valid when those eight
/// bytes are moved elsewhere. The pointer fits in 48 bits. `hash` does not change while the
/// slot is in a table, whatever is done through `&Self` or `&mut Self`.
pub unsafe trait Slot: Sized {
    /// How many bytes from the pointer a lookup is likely to read.
    const PREFETCH_BYTES: usize;

    fn hash(&self, hasher: &KeyHasher) -> u64;

    #[inline]
    fn into_raw(self) -> NonNull<u8> {
        const { assert!(size_of::<Self>() == size_of::<NonNull<u8>>()) }
        let slot = ManuallyDrop::new(self);
        // SAFETY: `Self` is transparent over `NonNull<u8>`, and is not dropped here.
        unsafe { transmute_copy(&slot) }
    }

    /// # Safety
    /// `raw` came from `into_raw`, and there is no other owner of it.
    #[inline]
    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        // SAFETY: `Self` is transparent over `NonNull<u8>`.
        unsafe { transmute_copy(&raw) }
    }

    /// # Safety
    /// `raw` came from `into_raw`, and its owner is borrowed meanwhile.
    #[inline]
    unsafe fn borrow_raw(raw: &NonNull<u8>) -> &Self {
        // SAFETY: `Self` is transparent over `NonNull<u8>`.
        unsafe { &*std::ptr::from_ref(raw).cast() }
    }
}

/// The snapshots that are open on a table: at most two, each in a place of its own.
pub trait Snapshots<S> {
    /// The number of the snapshot open in each place, 0 for none. Numbers are never reused.
    fn numbers(&self) -> [u32; 2];

    /// Takes `slot` as it was at the cut of the snapshot in `place`.
    fn give(&mut self, place: usize, slot: &S);
}

/// No snapshot is open; costs nothing.
pub struct NoSnapshots;

impl<S> Snapshots<S> for NoSnapshots {
    #[inline]
    fn numbers(&self) -> [u32; 2] {
        [0, 0]
    }

    #[inline]
    fn give(&mut self, _place: usize, _slot: &S) {}
}

/// A slot lent by a table.
///
/// The table keeps pointers of 48 bits, so there is no `S` in memory to point to; this
/// carries one.
pub struct SlotRef<'a, S> {
    raw: NonNull<u8>,
    table: PhantomData<&'a S>,
}

impl<S> Clone for SlotRef<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for SlotRef<'_, S> {}

impl<S: Slot> SlotRef<'_, S> {
    /// # Safety
    /// `raw` came from `into_raw`, and its owner is borrowed for the lifetime.
    #[inline]
    pub(super) unsafe fn new(raw: NonNull<u8>) -> Self {
        SlotRef {
            raw,
            table: PhantomData,
        }
    }
}

impl<S: Slot> Deref for SlotRef<'_, S> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        // SAFETY: `new` promises that the owner is borrowed meanwhile.
        unsafe { S::borrow_raw(&self.raw) }
    }
}
