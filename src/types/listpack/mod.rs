//! A listpack: a sequence of short strings and integers in one piece of memory, byte for
//! byte what RDB files hold.
//!
//! ```text
//!   bytes in all: u32 | entries: u16 | entry entry ... | FF
//! ```
//!
//! Both numbers are little-endian. 65,535 entries means "that or more: count them". Each
//! entry can be stepped over in both directions (`entry` has the encodings). Everything that
//! looks like an integer is packed as one, and prints back to the same bytes.
//!
//! A position (`Pos`) belongs to the listpack as it was when the position was given: any
//! change makes positions behind the change worthless.

/// The encoding of entries.
mod entry;

/// Walking over them.
mod iter;

/// Looking for one.
mod needle;

/// Adding several.
mod tail;

use crate::base::memory::block::Block;
use crate::base::number::{self, Digits};
use entry::{END, Encoded};
pub use iter::Iter;
pub use needle::Needle;
pub use tail::Tail;

const HEADER_BYTES: usize = 6;

/// The size of an empty one.
pub const EMPTY_BYTES: usize = HEADER_BYTES + 1;

/// The count that stands for itself and every larger one.
const COUNT_UNKNOWN: u16 = u16::MAX;

/// Nothing may be added to a listpack that would be larger then: its size has 32 bits, and
/// others who read the format refuse what they hold for hostile.
pub const SIZE_BYTES_MAX: usize = 1 << 30;

/// Bytes that are no listpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a listpack: what stands at byte {at_byte} is wrong")]
pub struct Corrupt {
    /// Where it does not go on.
    pub at_byte: usize,
}

/// An entry's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    Int(i64),
    Text(&'a [u8]),
}

impl<'a> Item<'a> {
    /// Whether these bytes are the value's.
    #[expect(
        clippy::should_implement_trait,
        reason = "it is compared with bytes, not with another one"
    )]
    #[inline]
    pub fn eq(self, bytes: &[u8]) -> bool {
        match self {
            Item::Text(text) => text == bytes,
            Item::Int(int) => number::parse_i64(bytes) == Some(int),
        }
    }

    /// The value's bytes; those of an integer are put in `digits`.
    #[inline]
    pub fn text<'d>(&self, digits: &'d mut Digits) -> &'d [u8]
    where
        'a: 'd,
    {
        match *self {
            Item::Text(text) => text,
            Item::Int(int) => digits.of(int),
        }
    }

    /// The value as an integer, if its bytes are those of one.
    #[inline]
    pub fn int(self) -> Option<i64> {
        match self {
            Item::Int(int) => Some(int),
            Item::Text(text) => number::parse_i64(text),
        }
    }

    pub fn to_vec(self) -> Vec<u8> {
        self.text(&mut Digits::new()).to_vec()
    }

    /// How many bytes the value has.
    pub fn len_bytes(self) -> usize {
        self.text(&mut Digits::new()).len()
    }
}

/// What an entry with this value adds to the size.
pub fn entry_bytes(value: &[u8]) -> usize {
    Encoded::of(value).len_bytes()
}

/// The same of one with an integer.
pub fn int_entry_bytes(value: i64) -> usize {
    Encoded::int(value).len_bytes()
}

/// The place of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pos(u32);

impl Pos {
    #[inline]
    fn new(at: usize) -> Pos {
        // A listpack has fewer than 2^32 bytes.
        Pos(at as u32)
    }

    #[inline]
    fn at(self) -> usize {
        self.0 as usize
    }
}

/// Its memory is filled up to the size that its first bytes tell. What is behind that is for
/// entries to come, and never more than what the allocator would give anyway.
pub struct ListPack {
    memory: Block,
}

const _: () = assert!(size_of::<ListPack>() == 7);

impl Clone for ListPack {
    fn clone(&self) -> ListPack {
        ListPack::of(self.as_bytes())
    }
}

impl PartialEq for ListPack {
    fn eq(&self, other: &ListPack) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for ListPack {}

impl Default for ListPack {
    fn default() -> ListPack {
        ListPack::new()
    }
}

impl std::fmt::Debug for ListPack {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl ListPack {
    pub fn new() -> ListPack {
        ListPack::with_capacity(EMPTY_BYTES)
    }

    /// An empty one that will not move before it has so many bytes.
    pub fn with_capacity(size_bytes: usize) -> ListPack {
        let mut memory = Block::zeroed(size_bytes.max(EMPTY_BYTES));
        memory[..EMPTY_BYTES].copy_from_slice(&[EMPTY_BYTES as u8, 0, 0, 0, 0, 0, END]);
        ListPack { memory }
    }

    /// Takes the bytes of another one.
    fn of(bytes: &[u8]) -> ListPack {
        ListPack {
            memory: Block::copy(bytes),
        }
    }

    /// Takes bytes from anywhere; every one of them is checked.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<ListPack, Corrupt> {
        let corrupt = |at_byte| Err(Corrupt { at_byte });
        let Some(&[a, b, c, d, low, high]) = bytes.first_chunk::<HEADER_BYTES>() else {
            return corrupt(bytes.len());
        };
        if u32::from_le_bytes([a, b, c, d]) as usize != bytes.len() {
            return corrupt(0);
        }
        let mut at = HEADER_BYTES;
        let mut count = 0usize;
        while bytes.get(at).is_some_and(|&byte| byte != END) {
            match entry::checked_len_bytes(&bytes[at..]) {
                Some(len_bytes) => at += len_bytes,
                None => return corrupt(at),
            }
            count += 1;
        }
        if at + 1 != bytes.len() {
            return corrupt(at);
        }
        let claimed = u16::from_le_bytes([low, high]);
        if claimed != COUNT_UNKNOWN && usize::from(claimed) != count {
            return corrupt(4);
        }
        let mut pack = ListPack {
            memory: Block::from(bytes),
        };
        pack.set_count(count);
        Ok(pack)
    }

    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.memory[..self.size_bytes()]
    }

    pub fn into_bytes(self) -> Vec<u8> {
        let size = self.size_bytes();
        let mut bytes = self.memory.into_vec();
        bytes.truncate(size);
        bytes
    }

    /// The size of the whole, as it is written.
    #[inline]
    pub fn size_bytes(&self) -> usize {
        match self.memory[..] {
            [a, b, c, d, ..] => u32::from_le_bytes([a, b, c, d]) as usize,
            _ => 0,
        }
    }

    /// Memory that it has allocated.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        self.memory.len()
    }

    /// Whether so many bytes of values can be added.
    #[inline]
    pub fn has_room_for(&self, value_bytes: usize) -> bool {
        self.size_bytes().saturating_add(value_bytes) <= SIZE_BYTES_MAX
    }

    /// How many entries there are. Beyond 65,534 they are counted one by one.
    #[inline]
    pub fn len(&self) -> usize {
        match self.known_count() {
            Some(count) => count,
            None => self.iter().count(),
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.memory[HEADER_BYTES] == END
    }

    #[inline]
    pub fn first(&self) -> Option<Pos> {
        self.entry_at(HEADER_BYTES)
    }

    #[inline]
    pub fn last(&self) -> Option<Pos> {
        self.before(self.end())
    }

    /// The entry behind.
    #[inline]
    pub fn next(&self, pos: Pos) -> Option<Pos> {
        self.entry_at(self.behind(pos))
    }

    /// The entry in front.
    #[inline]
    pub fn prev(&self, pos: Pos) -> Option<Pos> {
        self.before(pos.at())
    }

    /// The entry of this number: 0 is the first, -1 the last.
    pub fn seek(&self, index: i64) -> Option<Pos> {
        let mut from_end = index < 0;
        let mut steps = if from_end { -1 - index } else { index };
        if let Some(count) = self.known_count().map(|count| count as i64) {
            if steps >= count {
                return None;
            }
            if steps > count / 2 {
                from_end = !from_end;
                steps = count - 1 - steps;
            }
        }
        let mut pos = if from_end { self.last() } else { self.first() };
        for _ in 0..steps {
            pos = match from_end {
                true => self.prev(pos?),
                false => self.next(pos?),
            };
        }
        pos
    }

    #[inline]
    pub fn get(&self, pos: Pos) -> Item<'_> {
        entry::item(&self.memory[pos.at()..])
    }

    /// The first entry at `from` or behind it whose value is `needle`, `skip` entries
    /// being passed over after each that is looked at.
    pub fn find(&self, from: Option<Pos>, needle: &[u8], skip: usize) -> Option<Pos> {
        self.find_counted(from, needle, skip).map(|(pos, _)| pos)
    }

    /// The same, and how many were looked at in vain.
    pub fn find_counted(
        &self,
        from: Option<Pos>,
        needle: &[u8],
        skip: usize,
    ) -> Option<(Pos, usize)> {
        let needle = Needle::new(needle);
        let memory = &self.memory[..];
        let mut at = from?.at();
        let mut before = 0;
        loop {
            let entry = &memory[at..];
            if entry[0] == END {
                return None;
            }
            if needle.is(entry::item(entry)) {
                return Some((Pos::new(at), before));
            }
            before += 1;
            at += entry::len_bytes(entry);
            for _ in 0..skip {
                match memory[at] {
                    END => return None,
                    _ => at += entry::len_bytes(&memory[at..]),
                }
            }
        }
    }

    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            bytes: &self.memory,
            front: HEADER_BYTES,
            back: self.end(),
        }
    }

    /// The entries from `pos` to the end.
    #[inline]
    pub fn iter_from(&self, pos: Pos) -> Iter<'_> {
        Iter {
            front: pos.at(),
            ..self.iter()
        }
    }

    pub fn push_back(&mut self, value: &[u8]) {
        self.push(&Encoded::of(value));
    }

    pub fn push_int(&mut self, value: i64) {
        self.push(&Encoded::int(value));
    }

    pub fn push_item(&mut self, item: Item) {
        match item {
            Item::Int(value) => self.push_int(value),
            Item::Text(text) => self.push_back(text),
        }
    }

    /// Adds several values behind all others, in less time than one by one.
    pub fn push_several(&mut self, put: impl FnOnce(&mut Tail)) {
        let mut tail = Tail::of(self);
        put(&mut tail);
        tail.close();
    }

    pub fn push_front(&mut self, value: &[u8]) {
        self.splice(HEADER_BYTES, 0, Some(&Encoded::of(value)));
    }

    /// Puts a value in front of an entry, and says where it is.
    pub fn insert_before(&mut self, pos: Pos, value: &[u8]) -> Pos {
        self.splice(pos.at(), 0, Some(&Encoded::of(value)));
        pos
    }

    /// Puts a value behind an entry, and says where it is.
    pub fn insert_after(&mut self, pos: Pos, value: &[u8]) -> Pos {
        self.insert_before(Pos::new(self.behind(pos)), value)
    }

    /// Gives an entry another value, and says where it is.
    pub fn replace(&mut self, pos: Pos, value: &[u8]) -> Pos {
        self.replace_with(pos, &Encoded::of(value))
    }

    pub fn replace_int(&mut self, pos: Pos, value: i64) -> Pos {
        self.replace_with(pos, &Encoded::int(value))
    }

    fn replace_with(&mut self, pos: Pos, encoded: &Encoded) -> Pos {
        let old_bytes = self.behind(pos) - pos.at();
        self.splice(pos.at(), old_bytes, Some(encoded));
        pos
    }

    /// Takes an entry out, and says where the one behind it is now.
    pub fn remove(&mut self, pos: Pos) -> Option<Pos> {
        let old_bytes = self.behind(pos) - pos.at();
        self.splice(pos.at(), old_bytes, None);
        self.add_to_count(-1);
        self.entry_at(pos.at())
    }

    /// Takes out up to `count` entries from number `index` on (as in `seek`), and says how
    /// many those were.
    pub fn remove_range(&mut self, index: i64, count: usize) -> usize {
        self.seek(index)
            .map_or(0, |pos| self.remove_from(pos, count))
    }

    /// Takes out up to `count` entries from this one on, and says how many those were.
    pub fn remove_from(&mut self, pos: Pos, count: usize) -> usize {
        let mut end = pos;
        let mut removed = 0;
        let mut at = pos.at();
        while removed < count {
            at = self.behind(end);
            removed += 1;
            match self.entry_at(at) {
                Some(next) => end = next,
                None => break,
            }
        }
        self.splice(pos.at(), at - pos.at(), None);
        self.add_to_count(-(removed as i64));
        removed
    }

    /// Takes out the entries from this one on, as a listpack of their own.
    pub fn split_off(&mut self, pos: Pos) -> ListPack {
        let tail = &self.as_bytes()[pos.at()..];
        let mut rest = ListPack::with_capacity(HEADER_BYTES + tail.len());
        rest.memory[HEADER_BYTES..][..tail.len()].copy_from_slice(tail);
        rest.set_size(HEADER_BYTES + tail.len());
        rest.set_count(rest.iter().count());
        self.remove_from(pos, usize::MAX);
        rest
    }

    /// Puts all entries of another listpack behind its own.
    pub fn append(&mut self, other: &ListPack) {
        let counts = (self.known_count(), other.known_count());
        let (at, tail) = (self.end(), &other.as_bytes()[HEADER_BYTES..]);
        self.make_room(at + tail.len());
        self.memory[at..][..tail.len()].copy_from_slice(tail);
        self.set_size(at + tail.len());
        let count = match counts {
            (Some(own), Some(others)) => own + others,
            _ => usize::from(COUNT_UNKNOWN),
        };
        self.set_count(count);
    }

    /// Gives back memory that was for entries to come.
    pub fn shrink_to_fit(&mut self) {
        self.memory.resize(self.size_bytes());
    }

    #[inline]
    fn push(&mut self, encoded: &Encoded) {
        self.push_several(|tail| tail.push(encoded));
    }

    /// Replaces so many bytes by an entry or by nothing; one without a predecessor is counted.
    fn splice(&mut self, at: usize, old_bytes: usize, new: Option<&Encoded>) {
        let new_bytes = new.map_or(0, Encoded::len_bytes);
        let size = self.size_bytes();
        if let Some(encoded) = new
            && new_bytes == old_bytes
        {
            return encoded.write_to(&mut self.memory[at..at + new_bytes]);
        }
        let new_size = size + new_bytes - old_bytes;
        self.make_room(new_size);
        self.memory
            .copy_within(at + old_bytes..size, at + new_bytes);
        if let Some(encoded) = new {
            encoded.write_to(&mut self.memory[at..at + new_bytes]);
            self.add_to_count(i64::from(old_bytes == 0));
        }
        self.set_size(new_size);
        if new_size < self.memory.len() / 2 {
            self.shrink_to_fit();
        }
    }

    /// Makes room for so many bytes in all.
    #[inline]
    fn make_room(&mut self, size_bytes: usize) {
        if size_bytes > self.memory.len() {
            self.memory.resize(size_bytes);
        }
    }

    /// # Panics
    /// If the listpack has become larger than 4 GiB: see `has_room_for`.
    #[inline]
    fn set_size(&mut self, size_bytes: usize) {
        let size = u32::try_from(size_bytes).expect("a listpack is smaller than 4 GiB");
        self.memory[..4].copy_from_slice(&size.to_le_bytes());
    }

    fn set_count(&mut self, count: usize) {
        let count = u16::try_from(count).unwrap_or(COUNT_UNKNOWN);
        self.memory[4..6].copy_from_slice(&count.to_le_bytes());
    }

    #[inline]
    fn add_to_count(&mut self, n: i64) {
        if let Some(count) = self.known_count() {
            self.set_count(count.saturating_add_signed(n as isize));
        }
    }

    #[inline]
    fn known_count(&self) -> Option<usize> {
        let count = u16::from_le_bytes([self.memory[4], self.memory[5]]);
        (count != COUNT_UNKNOWN).then_some(usize::from(count))
    }

    /// Where the byte stands that ends everything.
    #[inline]
    fn end(&self) -> usize {
        self.size_bytes() - 1
    }

    #[inline]
    fn behind(&self, pos: Pos) -> usize {
        pos.at() + entry::len_bytes(&self.memory[pos.at()..])
    }

    #[inline]
    fn before(&self, at: usize) -> Option<Pos> {
        (at > HEADER_BYTES).then(|| Pos::new(at - entry::len_bytes_before(&self.memory[..at])))
    }

    #[inline]
    fn entry_at(&self, at: usize) -> Option<Pos> {
        (self.memory[at] != END).then(|| Pos::new(at))
    }
}

impl<'a> IntoIterator for &'a ListPack {
    type Item = Item<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

#[cfg(test)]
mod tests;
