//! Owners of memory that are smaller than a pointer.
//!
//! A `Box<[u8]>` takes 16 bytes, and 24 where a tag has to tell it from others of its kind.
//! Every key with a small collection pays for that, often a fifth of what the key takes. An
//! address has no more than 48 bits, and one byte is enough to number the allocator's size
//! classes:
//!
//! ```text
//! Block   address (6) | class (1)     bytes, as many as the class has
//! Slim    address (6)                 a value, as in a `Box`
//! ```
//!
//! Neither asks for any alignment, so that an enum of them is 8 bytes, its tag included.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr;

use crate::base::room::class_bytes;

const ADDRESS_BYTES: usize = 6;

const _: () = assert!(size_of::<Block>() == 7 && align_of::<Block>() == 1);
const _: () = assert!(size_of::<Option<Block>>() == 8);

/// Where something is: what a pointer says, in fewer bytes.
#[derive(Clone, Copy)]
struct Address([u8; ADDRESS_BYTES]);

impl Address {
    /// # Panics
    /// If the address has more than 48 bits, which no allocator here gives.
    #[inline]
    fn of<T>(pointer: *mut T) -> Address {
        let address = pointer.expose_provenance() as u64;
        let [bytes @ .., 0, 0] = address.to_le_bytes() else {
            panic!("an address has more than 48 bits");
        };
        Address(bytes)
    }

    #[inline]
    fn pointer<T>(self) -> *mut T {
        let [a, b, c, d, e, f] = self.0;
        let address = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        ptr::with_exposed_provenance_mut(address as usize)
    }
}

/// Bytes, as many as a size class of the allocator has, or none.
pub struct Block {
    address: Address,
    class: u8,
}

impl Block {
    /// No bytes: this allocates nothing.
    pub const EMPTY: Block = Block {
        address: Address([1, 0, 0, 0, 0, 0]),
        class: 0,
    };

    /// Zeroes, at least so many.
    #[inline]
    pub fn zeroed(bytes: usize) -> Block {
        Block::of_box(vec![0; class_bytes(bytes)].into_boxed_slice())
    }

    /// These bytes, and zeroes behind them.
    pub fn copy(bytes: &[u8]) -> Block {
        let mut memory = Vec::with_capacity(class_bytes(bytes.len()));
        memory.extend_from_slice(bytes);
        Block::from(memory)
    }

    /// Makes it have at least so many bytes, and no more than these need: as many as there is
    /// room for stay, and zeroes come behind them.
    #[inline(never)]
    pub fn resize(&mut self, bytes: usize) {
        let class = class_bytes(bytes);
        if class < self.len() {
            // Copied, for the allocator itself leaves them where they are until half of the
            // memory is free.
            *self = Block::copy(&self[..class]);
        } else if class > self.len() {
            let mut memory = std::mem::take(self).into_vec();
            memory.reserve_exact(class - memory.len());
            memory.resize(class, 0);
            *self = Block::from(memory);
        }
    }

    #[inline]
    pub fn into_vec(self) -> Vec<u8> {
        self.into_box().into_vec()
    }

    /// # Panics
    /// If the length is that of no class.
    #[inline]
    fn of_box(bytes: Box<[u8]>) -> Block {
        let class = class_of(bytes.len());
        assert!(bytes_of(class) == bytes.len(), "a block has a class");
        if class == 0 {
            return Block::EMPTY;
        }
        Block {
            address: Address::of(Box::into_raw(bytes).cast::<u8>()),
            class,
        }
    }

    #[inline]
    fn into_box(self) -> Box<[u8]> {
        let block = std::mem::ManuallyDrop::new(self);
        if block.class == 0 {
            return Box::default();
        }
        let bytes = ptr::slice_from_raw_parts_mut(block.address.pointer(), bytes_of(block.class));
        // SAFETY: the address is that of a box of so many bytes, see `of_box`. The block was
        // its only owner and is not dropped.
        unsafe { Box::from_raw(bytes) }
    }
}

impl From<Vec<u8>> for Block {
    /// Takes the bytes with their memory, which is made as large as their class; zeroes come
    /// behind them.
    fn from(mut bytes: Vec<u8>) -> Block {
        let class = class_bytes(bytes.len());
        bytes.reserve_exact(class - bytes.len());
        bytes.resize(class, 0);
        Block::of_box(bytes.into_boxed_slice())
    }
}

impl Default for Block {
    fn default() -> Block {
        Block::EMPTY
    }
}

impl Deref for Block {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: see `into_box`; no bytes may be anywhere but at zero. The slice lives no
        // longer than the block's borrow.
        unsafe { std::slice::from_raw_parts(self.address.pointer(), bytes_of(self.class)) }
    }
}

impl DerefMut for Block {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and the block is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.address.pointer(), bytes_of(self.class)) }
    }
}

impl Drop for Block {
    #[inline]
    fn drop(&mut self) {
        drop(std::mem::take(self).into_box());
    }
}

/// The number of a size class: from 0, one for each of those that `class_bytes` has.
#[inline]
const fn class_of(bytes: usize) -> u8 {
    if bytes < 32 {
        return (bytes / 8) as u8;
    }
    let shift = bytes.ilog2() - 2;
    (4 * (shift - 2)) as u8 + (bytes >> shift) as u8 - 4
}

#[inline]
const fn bytes_of(class: u8) -> usize {
    CLASS_BYTES[class as usize]
}

/// What `class_bytes` returns, number by number. No memory has more than 48 bits' bytes.
static CLASS_BYTES: [usize; 256] = {
    let mut bytes = [0; 256];
    let mut class: usize = 0;
    while class < bytes.len() && class / 4 + 2 < 48 {
        bytes[class] = match class {
            0..4 => 8 * class,
            _ => (4 + class % 4) << (class / 4 + 2),
        };
        class += 1;
    }
    bytes
};

/// A box whose pointer has no more bytes than it needs.
pub struct Slim<T> {
    address: Address,
    owned: PhantomData<Box<T>>,
}

impl<T> Slim<T> {
    pub fn new(value: T) -> Slim<T> {
        Slim {
            address: Address::of(Box::into_raw(Box::new(value))),
            owned: PhantomData,
        }
    }
}

impl<T> Deref for Slim<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the address is that of a box, which this owns alone.
        unsafe { &*self.address.pointer() }
    }
}

impl<T> DerefMut for Slim<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and this is borrowed exclusively.
        unsafe { &mut *self.address.pointer() }
    }
}

impl<T: Clone> Clone for Slim<T> {
    fn clone(&self) -> Slim<T> {
        Slim::new(T::clone(self))
    }
}

impl<T: Default> Default for Slim<T> {
    fn default() -> Slim<T> {
        Slim::new(T::default())
    }
}

impl<T: PartialEq> PartialEq for Slim<T> {
    fn eq(&self, other: &Slim<T>) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Slim<T> {}

impl<T: fmt::Debug> fmt::Debug for Slim<T> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        T::fmt(self, f)
    }
}

impl<T> Drop for Slim<T> {
    fn drop(&mut self) {
        // SAFETY: the address is that of a box, which nobody uses afterwards.
        drop(unsafe { Box::from_raw(self.address.pointer::<T>()) });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn classes_are_numbered_one_by_one() {
        let mut last = 0;
        for class in 1..184 {
            let bytes = bytes_of(class);
            assert_eq!((class_of(bytes), class_bytes(bytes)), (class, bytes));
            assert_eq!(
                class_bytes(last + 1),
                bytes,
                "nothing is between two classes"
            );
            last = bytes;
        }
        assert!(last > 1 << 48);
    }

    #[test]
    fn a_block_keeps_its_bytes_at_every_size() {
        let byte = |at: usize| at as u8 ^ 0x5a;
        let mut block = Block::EMPTY;
        assert!(block.is_empty());
        for size in (0..300).chain((0..300).rev()).chain([5000, 100, 0]) {
            let kept = block.len().min(class_bytes(size));
            block.resize(size);
            assert_eq!(block.len(), class_bytes(size));
            let mut bytes = block.iter().copied();
            assert!((0..kept).all(|at| bytes.next() == Some(byte(at))));
            assert!(bytes.all(|new| new == 0));
            for (at, to) in block.iter_mut().enumerate() {
                *to = byte(at);
            }
        }
        assert_eq!(Block::zeroed(9)[..], [0; 16]);
        assert_eq!(Block::copy(b"123456789")[..9], *b"123456789");
    }

    #[test]
    fn a_vector_becomes_a_block_and_again_a_vector() {
        for (len, capacity) in [
            (0, 0),
            (0, 100),
            (1, 1),
            (8, 8),
            (9, 9),
            (9, 4000),
            (100, 112),
        ] {
            let mut bytes = Vec::with_capacity(capacity);
            bytes.resize(len, 7);
            let block = Block::from(bytes);
            assert_eq!(block.len(), class_bytes(len));
            let mut bytes = block.into_vec();
            assert_eq!(bytes.len(), class_bytes(len));
            bytes.truncate(len);
            assert_eq!(bytes, vec![7; len]);
        }
    }

    #[test]
    fn what_is_in_a_slim_box_is_dropped_once() {
        let counted = Arc::new(5);
        let mut slim = Slim::new(Arc::clone(&counted));
        let other = slim.clone();
        assert_eq!((Arc::strong_count(&counted), **slim), (3, 5));
        assert!(slim == other);
        *slim = Arc::new(6);
        assert!(slim != other && Arc::strong_count(&counted) == 2);
        drop(other);
        assert_eq!(Arc::strong_count(&counted), 1);
        assert_eq!(format!("{slim:?}"), "6");
    }
}
