//! The entry's header word, where its parts lie, and how many bytes it takes.

use std::alloc::{alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use crate::base::room::class_bytes;
use crate::types::{Encoding, Hash, Kind, List, Set, Stream, ZSet};

const KIND_BITS: u64 = 0x0f;
const ENCODING_SHIFT: u32 = 4;
const HAS_EXPIRY: u64 = 1 << 8;
const LONG_KEY: u64 = 1 << 9;
const OUTLYING: u64 = 1 << 10;
const ACCESS_SHIFT: u32 = 16;
const ACCESS_BITS: u64 = 0xff_ffff;
const KEY_LEN_SHIFT: u32 = 40;
const VALUE_LEN_SHIFT: u32 = 48;

/// Every entry, and each of its words, is aligned to this.
const ALIGN_BYTES: usize = 8;
/// Every key with such a value pays for it.
const OUTLYING_BYTES_MAX: usize = 24;

/// What an outlying value of each kind takes in the entry, in the order of `Kind`.
const OUTLYING_BYTES: [u8; 6] = [
    outlying_bytes::<Vec<u8>>(),
    outlying_bytes::<List>(),
    outlying_bytes::<Set>(),
    outlying_bytes::<ZSet>(),
    outlying_bytes::<Hash>(),
    outlying_bytes::<Stream>(),
];

const fn outlying_bytes<T>() -> u8 {
    assert!(align_of::<T>() <= ALIGN_BYTES && size_of::<T>() <= OUTLYING_BYTES_MAX);
    size_of::<T>() as u8
}

/// The first word of an entry:
///
/// ```text
/// bits  0..4 kind   4..8 encoding   8 HAS_EXPIRY   9 LONG_KEY   10 OUTLYING
///       16..40 access   40..48 key length   48..64 length of an inline value
/// ```
#[derive(Clone, Copy)]
pub(super) struct Header(pub u64);

/// The part of a header that says what the value is.
#[derive(Clone, Copy)]
pub(super) struct Shape(u64);

impl Shape {
    /// A value of `len` bytes (at most `u16::MAX`) inside the entry.
    #[inline]
    pub fn inline(kind: Kind, encoding: Encoding, len: usize) -> Shape {
        debug_assert!(len <= u16::MAX as usize);
        Shape(kind_and_encoding(kind, encoding) | (len as u64) << VALUE_LEN_SHIFT)
    }

    /// A value that has its elements in memory of its own.
    pub fn outlying(kind: Kind, encoding: Encoding) -> Shape {
        Shape(kind_and_encoding(kind, encoding) | OUTLYING)
    }
}

#[inline]
fn kind_and_encoding(kind: Kind, encoding: Encoding) -> u64 {
    kind as u64 | (encoding as u64) << ENCODING_SHIFT
}

/// Where the parts of an entry lie, in bytes from its start.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub key_at: usize,
    pub key_len: usize,
    pub value_at: usize,
    /// Bytes of the inline value, or of what an outlying one has in the entry.
    pub value_len: usize,
    pub is_outlying: bool,
}

impl Layout {
    /// The size of the entry's allocation: a size class of the allocator, so that nothing is
    /// lost by asking for all of it.
    #[inline]
    pub fn bytes(self) -> usize {
        class_bytes(self.value_at + self.value_len)
    }
}

impl Header {
    #[inline]
    pub fn new(shape: Shape, key_len: usize, has_expiry: bool) -> Header {
        let key = match u8::try_from(key_len) {
            Ok(len) => u64::from(len) << KEY_LEN_SHIFT,
            Err(_) => LONG_KEY,
        };
        let expiry = if has_expiry { HAS_EXPIRY } else { 0 };
        Header(shape.0 | key | expiry)
    }

    #[inline]
    pub fn layout(self, long_key_len: impl FnOnce() -> usize) -> Layout {
        let after_expiry = 8 + (self.0 & HAS_EXPIRY) as usize / (HAS_EXPIRY as usize / 8);
        let (key_at, key_len) = match self.has_long_key() {
            false => (after_expiry, (self.0 >> KEY_LEN_SHIFT & 0xff) as usize),
            true => (after_expiry + 8, long_key_len()),
        };
        let is_outlying = self.0 & OUTLYING != 0;
        let key_end = key_at + key_len;
        let (value_at, value_len) = match is_outlying {
            false => (key_end, (self.0 >> VALUE_LEN_SHIFT) as usize),
            true => {
                let bytes = OUTLYING_BYTES[self.kind() as usize];
                (key_end.next_multiple_of(ALIGN_BYTES), usize::from(bytes))
            }
        };
        Layout {
            key_at,
            key_len,
            value_at,
            value_len,
            is_outlying,
        }
    }

    #[inline]
    pub fn has_expiry(self) -> bool {
        self.0 & HAS_EXPIRY != 0
    }

    #[inline]
    pub fn has_long_key(self) -> bool {
        self.0 & LONG_KEY != 0
    }

    #[inline]
    pub fn kind(self) -> Kind {
        const KINDS: [Kind; 6] = [
            Kind::String,
            Kind::List,
            Kind::Set,
            Kind::ZSet,
            Kind::Hash,
            Kind::Stream,
        ];
        KINDS[(self.0 & KIND_BITS) as usize]
    }

    /// The encoding of an inline string; an outlying value knows its own.
    pub fn encoding(self) -> Encoding {
        const ENCODINGS: [Encoding; 3] = [Encoding::Int, Encoding::EmbStr, Encoding::Raw];
        let index = (self.0 >> ENCODING_SHIFT & 0x0f) as usize;
        ENCODINGS.get(index).copied().unwrap_or(Encoding::Raw)
    }

    /// What the value is, without key, expiry and access.
    pub fn shape(self) -> Shape {
        Shape(self.0 & (0xff | OUTLYING | 0xffff << VALUE_LEN_SHIFT))
    }

    #[inline]
    pub fn access(self) -> u32 {
        (self.0 >> ACCESS_SHIFT & ACCESS_BITS) as u32
    }

    #[inline]
    pub fn with_access(self, access: u32) -> Header {
        let bits = (u64::from(access) & ACCESS_BITS) << ACCESS_SHIFT;
        Header(self.0 & !(ACCESS_BITS << ACCESS_SHIFT) | bits)
    }

    /// The same entry with a value of another shape, and with or without expiry.
    pub fn with_shape(self, shape: Shape, has_expiry: bool) -> Header {
        let kept = self.0 & (ACCESS_BITS << ACCESS_SHIFT | 0xff << KEY_LEN_SHIFT | LONG_KEY);
        Header(kept | shape.0 | if has_expiry { HAS_EXPIRY } else { 0 })
    }
}

/// Memory for an entry of `bytes`, which `Layout::bytes` returned.
#[inline]
pub(super) fn allocate(bytes: usize) -> NonNull<u8> {
    let layout = memory_layout(bytes);
    // SAFETY: an entry has at least its header: the layout is not empty.
    let memory = unsafe { alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

/// # Safety
/// `memory` came from `allocate(bytes)` and is not used afterwards.
#[inline]
pub(super) unsafe fn free(memory: NonNull<u8>, bytes: usize) {
    // SAFETY: as promised, with the layout it was allocated with.
    unsafe { dealloc(memory.as_ptr(), memory_layout(bytes)) }
}

#[inline]
fn memory_layout(bytes: usize) -> std::alloc::Layout {
    debug_assert!(bytes <= isize::MAX as usize - ALIGN_BYTES);
    // SAFETY: the alignment is a power of two, and a key and value that are in memory
    // already are shorter than half the address space.
    unsafe { std::alloc::Layout::from_size_align_unchecked(bytes, ALIGN_BYTES) }
}
