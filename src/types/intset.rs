//! A set of integers in one piece of memory, byte for byte as RDB files hold it:
//!
//! ```text
//! bytes of an integer: 2, 4 or 8 | how many | integers, ascending     all little-endian
//! ```
//!
//! Integers are as wide as the widest that ever came in needs, as in Redis.

use super::listpack::Corrupt;
use crate::base::memory::block::Block;

const HEAD_BYTES: usize = 8;
/// As many as a head can tell, with room to spare for their bytes.
pub const LEN_MAX: usize = 1 << 30;

/// Its memory is filled as far as its head tells.
pub struct IntSet {
    memory: Block,
}

impl Clone for IntSet {
    fn clone(&self) -> IntSet {
        let used = &self.memory[..self.size_bytes()];
        IntSet {
            memory: Block::copy(used),
        }
    }
}

impl PartialEq for IntSet {
    fn eq(&self, other: &IntSet) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for IntSet {}

impl Default for IntSet {
    fn default() -> IntSet {
        IntSet::new()
    }
}

impl std::fmt::Debug for IntSet {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl IntSet {
    /// An empty one, which allocates nothing.
    pub const fn new() -> IntSet {
        IntSet {
            memory: Block::EMPTY,
        }
    }

    /// Takes bytes from anywhere; every one of them is checked. An empty set is refused, as
    /// no key holds one.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<IntSet, Corrupt> {
        let corrupt = |at_byte| Err(Corrupt { at_byte });
        let Some(body_bytes) = bytes.len().checked_sub(HEAD_BYTES) else {
            return corrupt(bytes.len());
        };
        let set = IntSet {
            memory: Block::from(bytes),
        };
        if !matches!(set.width(), 2 | 4 | 8) {
            return corrupt(0);
        }
        if set.is_empty() || set.len() as u64 * set.width() as u64 != body_bytes as u64 {
            return corrupt(4);
        }
        let unordered = (1..set.len()).find(|index| set.at(index - 1) >= set.at(*index));
        match unordered {
            Some(index) => corrupt(HEAD_BYTES + index * set.width()),
            None => Ok(set),
        }
    }

    /// As it is written.
    pub fn as_bytes(&self) -> &[u8] {
        match self.size_bytes() {
            0 => &[2, 0, 0, 0, 0, 0, 0, 0],
            size => &self.memory[..size],
        }
    }

    /// Memory that it has allocated.
    pub fn heap_bytes(&self) -> usize {
        self.memory.len()
    }

    /// What of it is filled.
    fn size_bytes(&self) -> usize {
        match self.memory.is_empty() {
            true => 0,
            false => HEAD_BYTES + self.len() * self.width(),
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.head(4) as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub fn contains(&self, value: i64) -> bool {
        self.search(value).is_ok()
    }

    /// The integer of this rank, from 0.
    pub fn get(&self, index: usize) -> Option<i64> {
        (index < self.len()).then(|| self.at(index))
    }

    /// Whether it is new.
    pub fn insert(&mut self, value: i64) -> bool {
        let index = match self.search(value) {
            Ok(_) => return false,
            Err(index) => index,
        };
        let (len, needed) = (self.len(), width_of(value));
        if self.memory.is_empty() {
            self.memory = Block::zeroed(HEAD_BYTES + needed);
            self.memory[0] = needed as u8;
        } else if needed > self.width() {
            self.widen(needed);
        }
        let width = self.width();
        let at = HEAD_BYTES + index * width;
        let end = HEAD_BYTES + len * width;
        if end + width > self.memory.len() {
            self.memory.resize(end + width);
        }
        self.memory.copy_within(at..end, at + width);
        self.memory[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        self.set_len(len + 1);
        true
    }

    /// Whether it was there.
    pub fn remove(&mut self, value: i64) -> bool {
        let Ok(index) = self.search(value) else {
            return false;
        };
        let (len, width) = (self.len(), self.width());
        let at = HEAD_BYTES + index * width;
        let end = HEAD_BYTES + len * width;
        self.memory.copy_within(at + width..end, at);
        self.set_len(len - 1);
        let room = self.memory.len();
        if room > 64 && end - width < room / 2 {
            self.memory.resize(end - width);
        }
        true
    }

    /// Ascending.
    pub fn iter(&self) -> Iter<'_> {
        Iter { set: self, next: 0 }
    }

    /// Where it is, or where it would be.
    #[inline]
    fn search(&self, value: i64) -> Result<usize, usize> {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from + (to - from) / 2;
            match self.at(middle).cmp(&value) {
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Greater => to = middle,
            }
        }
        Err(from)
    }

    /// Gives all integers more bytes.
    fn widen(&mut self, width: usize) {
        let mut memory = Block::zeroed(HEAD_BYTES + (self.len() + 1) * width);
        memory[..HEAD_BYTES].copy_from_slice(&self.memory[..HEAD_BYTES]);
        memory[0] = width as u8;
        let places = memory[HEAD_BYTES..].chunks_exact_mut(width);
        for (value, place) in self.iter().zip(places) {
            place.copy_from_slice(&value.to_le_bytes()[..width]);
        }
        self.memory = memory;
    }

    fn at(&self, index: usize) -> i64 {
        let width = self.width();
        let bytes = &self.memory[HEAD_BYTES + index * width..];
        match *bytes {
            [a, b, c, d, e, f, g, h, ..] if width == 8 => {
                i64::from_le_bytes([a, b, c, d, e, f, g, h])
            }
            [a, b, c, d, ..] if width == 4 => i32::from_le_bytes([a, b, c, d]).into(),
            [a, b, ..] => i16::from_le_bytes([a, b]).into(),
            _ => 0,
        }
    }

    fn width(&self) -> usize {
        self.head(0) as usize
    }

    fn head(&self, at: usize) -> u32 {
        match self.memory.get(at..at + 4) {
            Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]),
            _ => 0,
        }
    }

    fn set_len(&mut self, len: usize) {
        self.memory[4..HEAD_BYTES].copy_from_slice(&(len as u32).to_le_bytes());
    }
}

/// Bytes that a value needs.
fn width_of(value: i64) -> usize {
    if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

#[derive(Clone)]
pub struct Iter<'a> {
    set: &'a IntSet,
    next: usize,
}

impl Iterator for Iter<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        let value = self.set.get(self.next)?;
        self.next += 1;
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.set.len() - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn the_bytes_are_those_of_files() {
        let mut set = IntSet::new();
        assert_eq!(set.as_bytes(), [2, 0, 0, 0, 0, 0, 0, 0]);
        assert!(set.insert(5) && set.insert(-2) && !set.insert(5));
        assert_eq!(set.as_bytes(), [2, 0, 0, 0, 2, 0, 0, 0, 0xfe, 0xff, 5, 0]);
        assert!(set.insert(1 << 16));
        let wider = [
            4, 0, 0, 0, 3, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 5, 0, 0, 0, 0, 0, 1, 0,
        ];
        assert_eq!(set.as_bytes(), wider);
        assert!(set.remove(1 << 16) && !set.remove(1 << 16));
        let still_wide = [4, 0, 0, 0, 2, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 5, 0, 0, 0];
        assert_eq!(set.as_bytes(), still_wide);
        assert_eq!(IntSet::from_bytes(still_wide.into()), Ok(set));
    }

    #[test]
    fn does_what_an_ordered_set_does() {
        for seed in 0..8 {
            let mut rng = Rng::seeded(seed);
            let (mut set, mut model) = (IntSet::new(), BTreeSet::new());
            for _ in 0..3000 {
                let bits = [4, 7, 14, 15, 16, 31, 32, 63][rng.below(1 + seed) as usize];
                let value = rng.next_u64() as i64 >> (63 - bits);
                match rng.below(3) {
                    0 => assert_eq!(set.remove(value), model.remove(&value)),
                    1 => assert_eq!(set.contains(value), model.contains(&value)),
                    _ => assert_eq!(set.insert(value), model.insert(value)),
                }
            }
            assert!(set.iter().eq(model.iter().copied()));
            assert_eq!(set.iter().len(), model.len());
            assert_eq!(set.get(model.len()), None);
            assert_eq!(IntSet::from_bytes(set.as_bytes().into()), Ok(set.clone()));
            for value in model {
                assert!(set.remove(value));
            }
            assert!(set.is_empty() && set.heap_bytes() <= 64);
        }
    }

    #[test]
    fn bytes_that_are_no_intset() {
        let check = |bytes: &[u8], at_byte| {
            let error = Err(Corrupt { at_byte });
            assert_eq!(IntSet::from_bytes(bytes.into()), error, "{bytes:?}");
        };
        check(&[], 0);
        check(&[2, 0, 0, 0, 1, 0, 0], 7);
        check(&[2, 0, 0, 0, 0, 0, 0, 0], 4);
        check(&[3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0], 0);
        check(&[0, 0, 0, 0, 1, 0, 0, 0], 0);
        check(&[2, 1, 0, 0, 1, 0, 0, 0, 1, 0], 0);
        check(&[2, 0, 0, 0, 2, 0, 0, 0, 1, 0], 4);
        check(&[2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0], 4);
        check(&[8, 0, 0, 0, 0, 0, 0, 0x20], 4);
        check(&[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0], 10);
        check(&[2, 0, 0, 0, 3, 0, 0, 0, 1, 0, 2, 0, 0xff, 0xff], 12);
    }
}
