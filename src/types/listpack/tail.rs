//! Adding several values to a listpack, which is counted and measured once for all of them.

use super::ListPack;
use super::entry::{END, Encoded};

/// Where values are added to a listpack: it has no end as long as this is there.
pub struct Tail<'p> {
    pack: &'p mut ListPack,
    /// Where the next entry goes.
    end: usize,
    /// How many were added.
    count: i64,
}

impl<'p> Tail<'p> {
    #[inline]
    pub(super) fn of(pack: &'p mut ListPack) -> Tail<'p> {
        Tail {
            end: pack.end(),
            pack,
            count: 0,
        }
    }

    #[inline]
    pub(super) fn close(self) {
        self.pack.memory[self.end] = END;
        self.pack.set_size(self.end + 1);
        self.pack.add_to_count(self.count);
    }

    #[inline]
    pub fn text(&mut self, value: &[u8]) {
        self.push(&Encoded::of(value));
    }

    #[inline]
    pub fn int(&mut self, value: i64) {
        // Most are small: a byte, and its length.
        if let Ok(byte @ 0..=127) = u8::try_from(value) {
            self.room(2).copy_from_slice(&[byte, 1]);
        } else {
            self.push(&Encoded::int(value));
        }
    }

    #[inline]
    pub(super) fn push(&mut self, encoded: &Encoded) {
        encoded.write_to(self.room(encoded.len_bytes()));
    }

    /// The bytes of one more entry; the byte that ends the listpack has its place as well.
    #[inline]
    fn room(&mut self, entry_bytes: usize) -> &mut [u8] {
        let at = self.end;
        self.end += entry_bytes;
        self.count += 1;
        self.pack.make_room(self.end + 1);
        &mut self.pack.memory[at..self.end]
    }
}
