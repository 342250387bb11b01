//! The values of a listpack one after the other.

use super::{Item, Pos, entry};

/// The values of a listpack, from both ends.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) front: usize,
    pub(super) back: usize,
}

impl Iter<'_> {
    /// Where the next value is, `None` at the end.
    #[inline]
    pub fn pos(&self) -> Option<Pos> {
        (self.front < self.back).then(|| Pos::new(self.front))
    }

    /// Passes over the next value without a look at it, and says where it is.
    #[inline]
    pub fn pass(&mut self) -> Option<Pos> {
        let pos = self.pos()?;
        self.front += entry::len_bytes(&self.bytes[self.front..self.back]);
        Some(pos)
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        let entry = self.bytes.get(self.front..self.back)?;
        if entry.is_empty() {
            return None;
        }
        self.front += entry::len_bytes(entry);
        Some(entry::item(entry))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        self.back -= entry::len_bytes_before(&self.bytes[..self.back]);
        Some(entry::item(&self.bytes[self.back..]))
    }
}

impl std::iter::FusedIterator for Iter<'_> {}
