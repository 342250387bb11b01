//! One entry of a listpack: what stands in its bytes, and how bytes become one.
//!
//! ```text
//!   0xxxxxxx                          integer, 0 to 127
//!   10xxxxxx text                     text of up to 63 bytes
//!   110xxxxx x                        integer of 13 bits, signed, high bits first
//!   1110xxxx x text                   text of up to 4095 bytes
//!   F0 xxxx text                      text of up to 4 GiB
//!   F1 xx  F2 xxx  F3 xxxx  F4 x*8    integers of 16 to 64 bits, signed
//! ```
//!
//! What is longer than one byte is little-endian unless it says otherwise. Behind each of
//! these comes their length once more, to be read backwards: seven bits a byte, the low ones
//! last, and a high bit in each byte that has another one in front of it.

use super::Item;
use crate::base::number;

/// The byte that stands where another entry would begin.
pub(super) const END: u8 = 0xFF;

/// The longest integer encoding: its byte and 64 bits.
const HEAD_BYTES_MAX: usize = 9;
const BACK_BYTES_MAX: usize = 5;

/// An entry about to be written.
pub(super) struct Encoded<'a> {
    head: [u8; HEAD_BYTES_MAX],
    head_len: u8,
    back_len: u8,
    back: [u8; BACK_BYTES_MAX],
    text: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// Packs bytes as an integer where that prints back to the same bytes, as text otherwise.
    #[inline]
    pub fn of(value: &'a [u8]) -> Encoded<'a> {
        match number::parse_i64(value) {
            Some(int) => Encoded::int(int),
            None => Encoded::text(value),
        }
    }

    #[inline]
    pub fn int(value: i64) -> Encoded<'a> {
        let mut head = [0; HEAD_BYTES_MAX];
        let wide = value.to_le_bytes();
        let head_len = match value {
            0..=127 => {
                head[0] = value as u8;
                1
            }
            -4096..=4095 => {
                head[0] = 0xC0 | (value >> 8) as u8 & 0x1F;
                head[1] = value as u8;
                2
            }
            _ => {
                let (byte, len) = if value == i64::from(value as i16) {
                    (0xF1, 2)
                } else if value == value << 40 >> 40 {
                    (0xF2, 3)
                } else if value == i64::from(value as i32) {
                    (0xF3, 4)
                } else {
                    (0xF4, 8)
                };
                head[0] = byte;
                head[1..=len].copy_from_slice(&wide[..len]);
                1 + len
            }
        };
        Encoded::new(head, head_len, &[])
    }

    /// # Panics
    /// If `text` has 4 GiB or more.
    #[inline]
    fn text(text: &'a [u8]) -> Encoded<'a> {
        let mut head = [0; HEAD_BYTES_MAX];
        let head_len = match text.len() {
            len @ 0..64 => {
                head[0] = 0x80 | len as u8;
                1
            }
            len @ 64..4096 => {
                head[0] = 0xE0 | (len >> 8) as u8;
                head[1] = len as u8;
                2
            }
            len => {
                let len = u32::try_from(len).expect("no text of 4 GiB in a listpack");
                head[0] = 0xF0;
                head[1..5].copy_from_slice(&len.to_le_bytes());
                5
            }
        };
        Encoded::new(head, head_len, text)
    }

    #[inline]
    fn new(head: [u8; HEAD_BYTES_MAX], head_len: usize, text: &'a [u8]) -> Encoded<'a> {
        let (back, back_len) = back_of(head_len + text.len());
        Encoded {
            head,
            head_len: head_len as u8,
            back_len: back_len as u8,
            back,
            text,
        }
    }

    #[inline]
    pub fn len_bytes(&self) -> usize {
        self.head().len() + self.text.len() + self.back().len()
    }

    /// `out` has just the entry's length.
    #[inline]
    pub fn write_to(&self, out: &mut [u8]) {
        let (head, rest) = out.split_at_mut(self.head().len());
        let (text, back) = rest.split_at_mut(self.text.len());
        put(head, self.head());
        if !text.is_empty() {
            text.copy_from_slice(self.text);
        }
        put(back, self.back());
    }

    #[inline]
    fn head(&self) -> &[u8] {
        &self.head[..usize::from(self.head_len)]
    }

    #[inline]
    fn back(&self) -> &[u8] {
        &self.back[..usize::from(self.back_len)]
    }
}

/// Copies as many bytes: often a single one, which is not worth a call.
#[inline]
fn put(to: &mut [u8], from: &[u8]) {
    match (to, from) {
        ([to], [from]) => *to = *from,
        (to, from) => to.copy_from_slice(from),
    }
}

/// How many bytes the backward length of so many bytes takes. The largest number of each
/// length takes a byte more than it would need: all writers of the format do it so.
#[inline]
fn back_len_of(len_bytes: usize) -> usize {
    match len_bytes {
        0..=0x7F => 1,
        0x80..0x3FFF => 2,
        0x3FFF..0x1F_FFFF => 3,
        0x1F_FFFF..0xFFF_FFFF => 4,
        _ => 5,
    }
}

#[inline]
fn back_of(len_bytes: usize) -> ([u8; BACK_BYTES_MAX], usize) {
    let mut back = [0; BACK_BYTES_MAX];
    if len_bytes <= 0x7F {
        back[0] = len_bytes as u8;
        return (back, 1);
    }
    let back_len = back_len_of(len_bytes);
    let mut left = len_bytes;
    for (i, byte) in back[..back_len].iter_mut().enumerate().rev() {
        let continues = u8::from(i > 0) << 7;
        *byte = left as u8 & 0x7F | continues;
        left >>= 7;
    }
    (back, back_len)
}

/// The length of the entry that ends where `before` ends, its backward length included.
#[inline]
pub(super) fn len_bytes_before(before: &[u8]) -> usize {
    let mut len = 0;
    let mut shift = 0;
    for &byte in before.iter().rev().take(BACK_BYTES_MAX) {
        len |= usize::from(byte & 0x7F) << shift;
        shift += 7;
        if byte < 0x80 {
            break;
        }
    }
    len + back_len_of(len)
}

/// The length of the entry that `entry` begins with, its backward length included, which is
/// one byte but for longer texts.
#[inline]
pub(super) fn len_bytes(entry: &[u8]) -> usize {
    match LENS_BYTES[usize::from(entry[0])] {
        0 => long_len_bytes(entry),
        len => len.into(),
    }
}

/// The length of an entry by its first byte; 0 where it takes more to know it.
const LENS_BYTES: [u8; 256] = {
    let mut lens = [0; 256];
    let mut byte = 0;
    while byte < lens.len() {
        lens[byte] = match byte {
            0..0x80 => 2,
            0x80..0xC0 => 2 + (byte as u8 & 0x3F),
            0xC0..0xE0 => 3,
            0xF1 => 4,
            0xF2 => 5,
            0xF3 => 6,
            0xF4 => 10,
            _ => 0,
        };
        byte += 1;
    }
    lens
};

#[inline(never)]
fn long_len_bytes(entry: &[u8]) -> usize {
    let len = match entry[0] {
        byte @ 0xE0..0xF0 => 2 + medium_len(byte, entry[1]),
        0xF0 => 5 + large_len([entry[1], entry[2], entry[3], entry[4]]),
        _ => return 2,
    };
    len + back_len_of(len)
}

/// What the entry holds that `entry` begins with.
#[inline]
pub(super) fn item(entry: &[u8]) -> Item<'_> {
    match entry[0] {
        byte @ 0..0x80 => Item::Int(i64::from(byte)),
        byte @ 0x80..0xC0 => Item::Text(&entry[1..1 + usize::from(byte & 0x3F)]),
        byte @ 0xC0..0xE0 => {
            let raw = u16::from(byte & 0x1F) << 8 | u16::from(entry[1]);
            Item::Int(i64::from((raw << 3) as i16 >> 3))
        }
        byte @ 0xE0..0xF0 => Item::Text(&entry[2..2 + medium_len(byte, entry[1])]),
        0xF0 => {
            let len = large_len([entry[1], entry[2], entry[3], entry[4]]);
            Item::Text(&entry[5..5 + len])
        }
        0xF1 => Item::Int(wide_int::<2>(entry)),
        0xF2 => Item::Int(wide_int::<3>(entry)),
        0xF3 => Item::Int(wide_int::<4>(entry)),
        _ => Item::Int(wide_int::<8>(entry)),
    }
}

/// The integer of so many bytes behind the first of an entry.
#[inline]
fn wide_int<const N: usize>(entry: &[u8]) -> i64 {
    let mut wide = [0; 8];
    wide[8 - N..].copy_from_slice(&entry[1..=N]);
    i64::from_le_bytes(wide) >> (64 - 8 * N)
}

/// The length of the entry that bytes from anywhere begin with, if there is a whole one.
pub(super) fn checked_len_bytes(bytes: &[u8]) -> Option<usize> {
    let &byte = bytes.first()?;
    let len: u64 = match byte {
        0..0x80 => 1,
        0x80..0xC0 => 1 + u64::from(byte & 0x3F),
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 2 + medium_len(byte, *bytes.get(1)?) as u64,
        0xF0 => 5 + large_len(*bytes.get(1..)?.first_chunk()?) as u64,
        _ => 1 + wide_int_len(byte)? as u64,
    };
    let len = usize::try_from(len).ok()?;
    let (back, back_len) = back_of(len);
    let written = bytes.get(len..len.checked_add(back_len)?)?;
    (written == &back[..back_len]).then_some(len + back_len)
}

#[inline]
fn medium_len(byte: u8, next: u8) -> usize {
    usize::from(byte & 0x0F) << 8 | usize::from(next)
}

#[inline]
fn large_len(bytes: [u8; 4]) -> usize {
    u32::from_le_bytes(bytes) as usize
}

/// How many bytes of integer follow this byte.
#[inline]
fn wide_int_len(byte: u8) -> Option<usize> {
    match byte {
        0xF1 => Some(2),
        0xF2 => Some(3),
        0xF3 => Some(4),
        0xF4 => Some(8),
        _ => None,
    }
}
