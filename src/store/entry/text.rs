//! Changing strings: overwrite, append, write a range.

use super::layout::Shape;
use super::{Entry, INLINE_BYTES_MAX, string_encoding};
use crate::types::{Encoding, Kind, Value, ValueMut};

/// Appending to strings beyond this reserves this much more instead of doubling.
const RESERVE_BYTES_MAX: usize = 1 << 20;

impl Entry {
    /// Overwrites the value and the expiry in place if the entry is a string and stays in
    /// its size class; else changes nothing and returns false. Keeping the expiry means
    /// passing the old one.
    #[inline]
    pub fn try_overwrite_string(&mut self, value: &[u8], expire_at_ms: Option<i64>) -> bool {
        let (header, layout) = (self.header(), self.layout());
        if layout.is_outlying {
            return self.try_overwrite_outlying(value, expire_at_ms);
        }
        if value.len() > INLINE_BYTES_MAX {
            return false;
        }
        let shape = Shape::inline(Kind::String, string_encoding(value), value.len());
        let header = header.with_shape(shape, expire_at_ms.is_some());
        let new = header.layout(|| layout.key_len);
        if new.bytes() != layout.bytes() {
            return false;
        }
        self.set_header(header);
        // SAFETY: the allocation has the size of the new layout too. The key moves when an
        // expiry comes or goes, together with the length of a long one before it.
        unsafe {
            if new.key_at != layout.key_at {
                let lengths = if header.has_long_key() { 8 } else { 0 };
                let from = self.0.add(layout.key_at - lengths);
                let to = self.0.add(new.key_at - lengths);
                to.copy_from(from, layout.key_len + lengths);
            }
            if let Some(at_ms) = expire_at_ms {
                self.0.add(8).cast::<i64>().write(at_ms);
            }
            let to = self.0.add(new.value_at).as_ptr();
            std::ptr::copy_nonoverlapping(value.as_ptr(), to, value.len());
        }
        true
    }

    /// A long string is overwritten when it stays one and does not waste its memory.
    fn try_overwrite_outlying(&mut self, value: &[u8], expire_at_ms: Option<i64>) -> bool {
        if value.len() <= INLINE_BYTES_MAX || self.header().has_expiry() != expire_at_ms.is_some() {
            return false;
        }
        let Some(ValueMut::String(bytes)) = self.value_mut() else {
            return false;
        };
        if bytes.capacity() < value.len() || bytes.capacity() / 2 > value.len() {
            return false;
        }
        bytes.clear();
        bytes.extend_from_slice(value);
        if let Some(at_ms) = expire_at_ms {
            // SAFETY: with HAS_EXPIRY, which has not changed, the second word is the expiry.
            unsafe { self.0.add(8).cast::<i64>().write(at_ms) }
        }
        true
    }

    /// The bytes of a string, to change in place; it counts as "raw" from then on. `None`
    /// for other kinds.
    pub fn string_bytes_mut(&mut self) -> Option<&mut [u8]> {
        let layout = self.layout();
        if layout.is_outlying {
            let Some(ValueMut::String(bytes)) = self.value_mut() else {
                return None;
            };
            return Some(bytes);
        }
        let shape = Shape::inline(Kind::String, Encoding::Raw, layout.value_len);
        self.set_header(self.header().with_shape(shape, self.header().has_expiry()));
        // SAFETY: the value's bytes, in memory that is borrowed exclusively with `self`.
        Some(unsafe {
            let start = self.0.add(layout.value_at).as_ptr();
            std::slice::from_raw_parts_mut(start, layout.value_len)
        })
    }

    /// A long string's own memory; `None` for short ones, which have none, and other kinds.
    pub fn long_string_mut(&mut self) -> Option<&mut Vec<u8>> {
        match self.value_mut() {
            Some(ValueMut::String(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The string with `tail` after it. Other kinds come back unchanged.
    pub fn append(self, tail: &[u8]) -> Entry {
        let Some(len) = self.string_bytes().map(<[u8]>::len) else {
            return self;
        };
        self.set_range(len, tail)
    }

    /// The string with `bytes` written at `offset`, zero bytes before it if it was shorter.
    /// Other kinds come back unchanged. The result is "raw" even if nothing changed, as
    /// after every such command of Redis.
    pub fn set_range(self, offset: usize, bytes: &[u8]) -> Entry {
        let Some(len) = self.string_bytes().map(<[u8]>::len) else {
            return self;
        };
        let mut entry = self.grown(len.max(offset + bytes.len()));
        if let Some(target) = entry.string_bytes_mut() {
            target[offset..offset + bytes.len()].copy_from_slice(bytes);
        }
        entry
    }

    /// The string at this length if it was shorter, zero bytes added; "raw" then. Other kinds
    /// come back unchanged.
    pub fn grown(mut self, len: usize) -> Entry {
        if self.string_bytes().is_none_or(|bytes| bytes.len() > len) {
            return self;
        }
        let layout = self.layout();
        if let Some(ValueMut::String(bytes)) = self.value_mut() {
            let more = len - bytes.len();
            if len > RESERVE_BYTES_MAX && len > bytes.capacity() {
                bytes.reserve_exact(more + RESERVE_BYTES_MAX);
            }
            bytes.resize(len, 0);
            return self;
        }
        if len > INLINE_BYTES_MAX {
            let mut bytes = Vec::with_capacity(len + len / 4);
            bytes.extend_from_slice(self.slice(layout.value_at, layout.value_len));
            bytes.resize(len, 0);
            let long = Entry::outlying(self.key(), Value::String(bytes), self.expire_at_ms());
            long.set_access(self.access());
            return long;
        }
        let has_expiry = self.header().has_expiry();
        let shape = Shape::inline(Kind::String, Encoding::Raw, len);
        let header = self.header().with_shape(shape, has_expiry);
        let mut entry = match header.layout(|| layout.key_len).bytes() == layout.bytes() {
            true => self,
            false => {
                let entry = Entry::allocate(self.key(), shape, self.expire_at_ms());
                entry.set_access(self.access());
                let old = self.slice(layout.value_at, layout.value_len);
                // SAFETY: the new value is at the same offset and not shorter.
                unsafe {
                    let to = entry.0.add(layout.value_at).as_ptr();
                    std::ptr::copy_nonoverlapping(old.as_ptr(), to, old.len());
                }
                entry
            }
        };
        entry.set_header(header);
        // SAFETY: the allocation has the size of the new layout.
        unsafe {
            let from = entry.0.add(layout.value_at + layout.value_len);
            from.write_bytes(0, len - layout.value_len);
        }
        entry
    }
}
