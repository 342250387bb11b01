//! One key with its value: a single allocation.
//!
//! ```text
//! header (8)   kind and encoding, flags, access (3), key length (1), value length (2)
//! expiry (8)   only with HAS_EXPIRY
//! lengths (8)  only with LONG_KEY: the key's length; the header's is 0 then
//! key
//! value        the bytes of a short string, else, at the next multiple of 8, what a `Value` of
//!              this kind holds, whose elements or long string lie in memory of their own
//! ```
//!
//! A 16-byte key with a 32-byte value is 56 bytes. The allocation's size is not stored: it
//! is the size class of what the header says, so a value changes in place exactly when its
//! new length falls into the same class. Integers are kept as their text, marked INT, so
//! that GET is a copy.
//!
//! The header is one atomic word, because reads (under the shard's lock, with a shared
//! borrow) note when they came. All loads and stores are relaxed: plain moves.

mod layout;

mod text;

#[cfg(test)]
mod tests;

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use self::layout::{Header, Layout, Shape};
use crate::base::hash::KeyHasher;
use crate::base::number::parse_i64;
use crate::table::{Slot, SlotRef};
use crate::types::{Encoding, Kind, Value, ValueMut, ValueRef};

/// Strings longer than this lie in memory of their own.
pub const INLINE_BYTES_MAX: usize = 1024;
/// Strings up to this are "embstr" until something is appended.
const EMBSTR_BYTES_MAX: usize = 44;
/// No integer of 64 bits has more characters.
const INT_TEXT_BYTES_MAX: usize = 20;

/// A key with its value: owns one allocation, whose address is all it is.
#[repr(transparent)]
pub struct Entry(NonNull<u8>);

// SAFETY: an entry owns its memory alone; all that changes through a shared borrow is the
// header, an atomic.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

// SAFETY: `Entry` is transparent over its pointer, which the allocator gave (48 bits, which
// the table checks), and no method changes a key in place.
unsafe impl Slot for Entry {
    const PREFETCH_BYTES: usize = 56;

    #[inline]
    fn hash(&self, hasher: &KeyHasher) -> u64 {
        hasher.hash(self.key())
    }
}

impl Entry {
    /// A string, in the encoding Redis would choose: "int", "embstr" or "raw".
    #[inline]
    pub fn string(key: &[u8], value: &[u8], expire_at_ms: Option<i64>) -> Entry {
        if value.len() > INLINE_BYTES_MAX {
            return Entry::outlying(key, Value::String(value.to_vec()), expire_at_ms);
        }
        Entry::inline(key, value, string_encoding(value), expire_at_ms)
    }

    /// A string that is not to count as an integer whatever it looks like, as the results
    /// of INCRBYFLOAT do not.
    pub fn text(key: &[u8], value: &[u8], expire_at_ms: Option<i64>) -> Entry {
        match value.len() {
            0..=EMBSTR_BYTES_MAX => Entry::inline(key, value, Encoding::EmbStr, expire_at_ms),
            _ => Entry::string(key, value, expire_at_ms),
        }
    }

    /// A string that is "raw" whatever it looks like, as one that was changed in place.
    pub fn raw(key: &[u8], value: Vec<u8>, expire_at_ms: Option<i64>) -> Entry {
        match value.len() > INLINE_BYTES_MAX {
            true => Entry::outlying(key, Value::String(value), expire_at_ms),
            false => Entry::inline(key, &value, Encoding::Raw, expire_at_ms),
        }
    }

    /// Any value; a short string is kept inline as by `string`.
    pub fn with_value(key: &[u8], value: Value, expire_at_ms: Option<i64>) -> Entry {
        match value {
            Value::String(bytes) if bytes.len() <= INLINE_BYTES_MAX => {
                Entry::string(key, &bytes, expire_at_ms)
            }
            value => Entry::outlying(key, value, expire_at_ms),
        }
    }

    fn inline(key: &[u8], value: &[u8], encoding: Encoding, expire_at_ms: Option<i64>) -> Entry {
        let shape = Shape::inline(Kind::String, encoding, value.len());
        let entry = Entry::allocate(key, shape, expire_at_ms);
        let layout = entry.layout();
        // SAFETY: the layout has room for `value_len` bytes at `value_at`.
        unsafe {
            let to = entry.0.add(layout.value_at);
            to.copy_from_nonoverlapping(NonNull::from(value).cast(), value.len());
        }
        entry
    }

    fn outlying(key: &[u8], value: Value, expire_at_ms: Option<i64>) -> Entry {
        let shape = Shape::outlying(value.as_ref().kind(), value.as_ref().encoding());
        let entry = Entry::allocate(key, shape, expire_at_ms);
        // SAFETY: the layout of this shape has room at `value_at`, which is aligned for it,
        // for what a `Value` of this kind holds.
        unsafe {
            let to = entry.0.add(entry.layout().value_at);
            match value {
                Value::String(bytes) => to.cast().write(bytes),
                Value::List(list) => to.cast().write(list),
                Value::Set(set) => to.cast().write(set),
                Value::ZSet(zset) => to.cast().write(zset),
                Value::Hash(hash) => to.cast().write(hash),
                Value::Stream(stream) => to.cast().write(stream),
            }
        }
        entry
    }

    /// Memory with header, expiry and key written, the value not.
    fn allocate(key: &[u8], shape: Shape, expire_at_ms: Option<i64>) -> Entry {
        let header = Header::new(shape, key.len(), expire_at_ms.is_some());
        let layout = header.layout(|| key.len());
        let memory = layout::allocate(layout.bytes());
        // SAFETY: the layout's offsets lie inside the allocation.
        unsafe {
            memory.cast::<u64>().write(header.0);
            if let Some(at_ms) = expire_at_ms {
                memory.add(8).cast::<i64>().write(at_ms);
            }
            if header.has_long_key() {
                memory
                    .add(layout.key_at - 8)
                    .cast::<u64>()
                    .write(key.len() as u64);
            }
            let to = memory.add(layout.key_at);
            to.copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
        }
        Entry(memory)
    }

    #[inline]
    fn header_cell(&self) -> &AtomicU64 {
        // SAFETY: the first eight bytes of an entry are its header, aligned to eight.
        unsafe { self.0.cast().as_ref() }
    }

    #[inline]
    fn header(&self) -> Header {
        Header(self.header_cell().load(Ordering::Relaxed))
    }

    #[inline]
    fn set_header(&mut self, header: Header) {
        self.header_cell().store(header.0, Ordering::Relaxed);
    }

    #[inline]
    fn layout(&self) -> Layout {
        let header = self.header();
        header.layout(|| self.long_key_len(header))
    }

    #[cold]
    fn long_key_len(&self, header: Header) -> usize {
        let at = if header.has_expiry() { 16 } else { 8 };
        // SAFETY: only asked of a header with LONG_KEY, whose lengths stand here.
        unsafe { self.0.add(at).cast::<u64>().read() as usize }
    }

    #[inline]
    fn slice(&self, at: usize, len: usize) -> &[u8] {
        // SAFETY: callers take both from the entry's layout, which lies in the allocation.
        unsafe { NonNull::slice_from_raw_parts(self.0.add(at), len).as_ref() }
    }

    #[inline]
    pub fn key(&self) -> &[u8] {
        let layout = self.layout();
        self.slice(layout.key_at, layout.key_len)
    }

    /// Whether this is the entry of `key`: what a lookup asks of every candidate.
    #[inline]
    pub fn has_key(&self, key: &[u8]) -> bool {
        equal(self.key(), key)
    }

    #[inline]
    pub fn expire_at_ms(&self) -> Option<i64> {
        self.header().has_expiry().then(|| {
            // SAFETY: with HAS_EXPIRY the second word is the expiry.
            unsafe { self.0.add(8).cast::<i64>().read() }
        })
    }

    /// Whether the entry's time is over; as in Redis, in the millisecond after.
    #[inline]
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.expire_at_ms().is_some_and(|at_ms| now_ms > at_ms)
    }

    /// The earliest time at which a field of a hash ends.
    #[inline]
    pub fn first_field_ms(&self) -> Option<i64> {
        if self.kind() != Kind::Hash {
            return None;
        }
        match self.value() {
            Some(ValueRef::Hash(hash)) => hash.first_ms(),
            _ => None,
        }
    }

    /// Whether it is a stream that groups read.
    #[inline]
    pub fn has_groups(&self) -> bool {
        if self.kind() != Kind::Stream {
            return false;
        }
        matches!(self.value(), Some(ValueRef::Stream(stream)) if stream.group_count() > 0)
    }

    #[inline]
    pub fn kind(&self) -> Kind {
        self.header().kind()
    }

    pub fn encoding(&self) -> Encoding {
        match self.value() {
            Some(value) => value.encoding(),
            None => self.header().encoding(),
        }
    }

    /// The bytes of a string, wherever they are; `None` for other kinds.
    #[inline]
    pub fn string_bytes(&self) -> Option<&[u8]> {
        let layout = self.layout();
        if !layout.is_outlying {
            return Some(self.slice(layout.value_at, layout.value_len));
        }
        self.outlying_string()
    }

    #[inline(never)]
    fn outlying_string(&self) -> Option<&[u8]> {
        match self.value() {
            Some(ValueRef::String(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The value's own memory; `None` for a string that is kept inline.
    #[inline]
    pub fn value(&self) -> Option<ValueRef<'_>> {
        let value = self.value_pointer()?;
        // SAFETY: the value is this entry's own, borrowed with it, and of its kind.
        Some(unsafe {
            match self.kind() {
                Kind::String => ValueRef::String(value.cast().as_ref()),
                Kind::List => ValueRef::List(value.cast().as_ref()),
                Kind::Set => ValueRef::Set(value.cast().as_ref()),
                Kind::ZSet => ValueRef::ZSet(value.cast().as_ref()),
                Kind::Hash => ValueRef::Hash(value.cast().as_ref()),
                Kind::Stream => ValueRef::Stream(value.cast().as_ref()),
            }
        })
    }

    #[inline]
    pub fn value_mut(&mut self) -> Option<ValueMut<'_>> {
        let value = self.value_pointer()?;
        // SAFETY: the value is this entry's own, borrowed exclusively with it, and of its kind.
        Some(unsafe {
            match self.kind() {
                Kind::String => ValueMut::String(value.cast().as_mut()),
                Kind::List => ValueMut::List(value.cast().as_mut()),
                Kind::Set => ValueMut::Set(value.cast().as_mut()),
                Kind::ZSet => ValueMut::ZSet(value.cast().as_mut()),
                Kind::Hash => ValueMut::Hash(value.cast().as_mut()),
                Kind::Stream => ValueMut::Stream(value.cast().as_mut()),
            }
        })
    }

    /// Where an outlying value is.
    #[inline]
    fn value_pointer(&self) -> Option<NonNull<u8>> {
        let layout = self.layout();
        layout.is_outlying.then(|| {
            // SAFETY: the offset lies in the allocation.
            unsafe { self.0.add(layout.value_at) }
        })
    }

    /// 24 bits for eviction: an LRU clock or an LFU counter.
    #[inline]
    pub fn access(&self) -> u32 {
        self.header().access()
    }

    /// Notes an access; needs only a shared borrow, for reads do it too.
    #[inline]
    pub fn set_access(&self, access: u32) {
        let header = self.header().with_access(access);
        self.header_cell().store(header.0, Ordering::Relaxed);
    }

    /// The same entry with another expiry, or none. In place when only the time changes.
    pub fn set_expire(self, expire_at_ms: Option<i64>) -> Entry {
        if let (true, Some(at_ms)) = (self.header().has_expiry(), expire_at_ms) {
            // SAFETY: with HAS_EXPIRY the second word is the expiry, and `self` is ours.
            unsafe { self.0.add(8).cast::<i64>().write(at_ms) }
            return self;
        }
        if self.header().has_expiry() == expire_at_ms.is_some() {
            return self;
        }
        self.rebuilt(None, expire_at_ms)
    }

    /// The same value under another name.
    pub fn renamed(self, key: &[u8]) -> Entry {
        let expire_at_ms = self.expire_at_ms();
        self.rebuilt(Some(key), expire_at_ms)
    }

    fn rebuilt(self, key: Option<&[u8]>, expire_at_ms: Option<i64>) -> Entry {
        let (header, layout) = (self.header(), self.layout());
        let new = Entry::allocate(key.unwrap_or(self.key()), header.shape(), expire_at_ms);
        new.set_access(header.access());
        let to = new.layout().value_at;
        // SAFETY: both have the same shape, so as many value bytes; the old entry's memory
        // is freed without its value, which has moved.
        unsafe {
            let from = self.0.add(layout.value_at);
            new.0
                .add(to)
                .copy_from_nonoverlapping(from, layout.value_len);
            self.free_memory();
        }
        new
    }

    /// A copy of the value under another name, for COPY.
    pub fn duplicate(&self, key: &[u8]) -> Entry {
        let copy = match self.value() {
            Some(value) => Entry::outlying(key, value.to_value(), self.expire_at_ms()),
            None => {
                let (layout, encoding) = (self.layout(), self.header().encoding());
                let value = self.slice(layout.value_at, layout.value_len);
                Entry::inline(key, value, encoding, self.expire_at_ms())
            }
        };
        copy.set_access(self.access());
        copy
    }

    /// All the memory that belongs to the entry, for MEMORY USAGE.
    pub fn heap_bytes(&self) -> usize {
        self.layout().bytes() + self.value().map_or(0, ValueRef::heap_bytes)
    }

    /// Whether freeing it is another thread's work.
    #[inline]
    pub fn is_big(&self) -> bool {
        self.value().is_some_and(ValueRef::is_big)
    }

    /// Drops an outlying value, which is not used afterwards.
    fn drop_value(&mut self) {
        // SAFETY: the value is this entry's own, borrowed exclusively with it.
        unsafe {
            match self.value_mut() {
                Some(ValueMut::String(bytes)) => std::ptr::drop_in_place(bytes),
                Some(ValueMut::List(list)) => std::ptr::drop_in_place(list),
                Some(ValueMut::Set(set)) => std::ptr::drop_in_place(set),
                Some(ValueMut::ZSet(zset)) => std::ptr::drop_in_place(zset),
                Some(ValueMut::Hash(hash)) => std::ptr::drop_in_place(hash),
                Some(ValueMut::Stream(stream)) => std::ptr::drop_in_place(stream),
                None => {}
            }
        }
    }

    /// # Safety
    /// The entry and its memory are not used afterwards; an outlying value is not dropped.
    unsafe fn free_memory(self) {
        let bytes = self.layout().bytes();
        let memory = std::mem::ManuallyDrop::new(self).0;
        // SAFETY: allocated with the size that the header's layout tells.
        unsafe { layout::free(memory, bytes) }
    }
}

impl Drop for Entry {
    #[inline]
    fn drop(&mut self) {
        let layout = self.layout();
        if layout.is_outlying {
            self.drop_value();
        }
        // SAFETY: allocated with the size that the header's layout tells.
        unsafe { layout::free(self.0, layout.bytes()) }
    }
}

/// The slices of an entry that a table lends live as long as the table's borrow, not only
/// as long as the handle.
impl<'a> SlotRef<'a, Entry> {
    #[inline]
    pub fn key(self) -> &'a [u8] {
        // SAFETY: the memory belongs to the entry, which is borrowed for `'a`.
        unsafe { &*std::ptr::from_ref(Entry::key(&self)) }
    }

    #[inline]
    pub fn string_bytes(self) -> Option<&'a [u8]> {
        // SAFETY: as in `key`.
        Entry::string_bytes(&self).map(|bytes| unsafe { &*std::ptr::from_ref(bytes) })
    }

    #[inline]
    pub fn value(self) -> Option<ValueRef<'a>> {
        // SAFETY: as in `key`; only the lifetime changes.
        unsafe { std::mem::transmute::<Option<ValueRef<'_>>, _>(Entry::value(&self)) }
    }
}

/// The encoding Redis gives a fresh string.
#[inline]
fn string_encoding(value: &[u8]) -> Encoding {
    if value.len() <= INT_TEXT_BYTES_MAX && parse_i64(value).is_some() {
        Encoding::Int
    } else if value.len() <= EMBSTR_BYTES_MAX {
        Encoding::EmbStr
    } else {
        Encoding::Raw
    }
}

/// Compares two keys in words: keys are short, and a call would cost more than the work.
#[inline]
fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        8..=16 => ends_equal::<8>(a, b),
        17..=32 => ends_equal::<16>(a, b),
        _ => a == b,
    }
}

/// Whether the first and the last `N` bytes, which may overlap, are the same.
#[inline]
fn ends_equal<const N: usize>(a: &[u8], b: &[u8]) -> bool {
    a.first_chunk::<N>() == b.first_chunk() && a.last_chunk::<N>() == b.last_chunk()
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key().escape_ascii().to_string())
            .field("encoding", &self.encoding())
            .field("expire_at_ms", &self.expire_at_ms())
            .finish()
    }
}
