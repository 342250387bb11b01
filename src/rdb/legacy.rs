//! The blobs that old servers wrote where listpacks stand today: ziplists (until 7.0) and
//! zipmaps (until 2.6), read only. Every byte is checked before the first value is given.
//!
//! ```text
//!   ziplist: bytes: u32 | last entry at: u32 | entries: u16 | entry ... | FF
//!     entry: length of the one in front (a byte, or FE and a u32) | encoding | value
//!   zipmap:  pairs: u8 | length, key, length, spare: u8, value, spare bytes ... | FF
//!     length: a byte, or FE and a u32
//! ```
//!
//! Numbers are little-endian but for the lengths inside a ziplist's encodings.

use crate::types::listpack::{Corrupt, Item};

/// The byte that ends both.
const END: u8 = 0xFF;
/// The byte that says that a length takes four more.
const LONG: u8 = 0xFE;

const ZIPLIST_HEADER_BYTES: usize = 10;
/// The count that stands for itself and every larger one.
const ZIPLIST_COUNT_UNKNOWN: u16 = u16::MAX;
/// The same of a zipmap.
const ZIPMAP_COUNT_UNKNOWN: u8 = 254;

/// The entries of a ziplist, from front to back, and how many they are.
pub fn ziplist(bytes: &[u8]) -> Result<(impl Iterator<Item = Item<'_>>, usize), Corrupt> {
    let corrupt = |at_byte| Corrupt { at_byte };
    let header = bytes.first_chunk::<ZIPLIST_HEADER_BYTES>();
    let &[a, b, c, d, e, f, g, h, low, high] = header.ok_or(corrupt(bytes.len()))?;
    if u32::from_le_bytes([a, b, c, d]) as usize != bytes.len() {
        return Err(corrupt(0));
    }
    let mut at = ZIPLIST_HEADER_BYTES;
    let mut last_at = at;
    let mut count = 0;
    while *bytes.get(at).ok_or(corrupt(at))? != END {
        let entry = ZiplistEntry::read(&bytes[at..]).ok_or(corrupt(at))?;
        let before = if count == 0 { 0 } else { at - last_at };
        if entry.len_before as usize != before {
            return Err(corrupt(at));
        }
        last_at = at;
        at += entry.len_bytes;
        count += 1;
    }
    if at + 1 != bytes.len() {
        return Err(corrupt(at));
    }
    if u32::from_le_bytes([e, f, g, h]) as usize != last_at {
        return Err(corrupt(4));
    }
    let claimed = u16::from_le_bytes([low, high]);
    if claimed != ZIPLIST_COUNT_UNKNOWN && usize::from(claimed) != count {
        return Err(corrupt(8));
    }
    let mut rest = &bytes[ZIPLIST_HEADER_BYTES..];
    let items = std::iter::from_fn(move || {
        let entry = ZiplistEntry::read(rest)?;
        rest = &rest[entry.len_bytes..];
        Some(entry.item)
    });
    Ok((items, count))
}

struct ZiplistEntry<'a> {
    len_before: u32,
    /// Of the whole entry.
    len_bytes: usize,
    item: Item<'a>,
}

impl<'a> ZiplistEntry<'a> {
    /// None where no whole entry begins, so at the end too.
    fn read(bytes: &'a [u8]) -> Option<ZiplistEntry<'a>> {
        let (len_before, body) = length(bytes)?;
        let (&encoding, rest) = body.split_first()?;
        let low = encoding & 0x3F;
        let (item, behind) = match encoding >> 6 {
            0 => text(u32::from(low), rest)?,
            1 => {
                let (&next, rest) = rest.split_first()?;
                text(u32::from(low) << 8 | u32::from(next), rest)?
            }
            2 => {
                let (len, rest) = rest.split_first_chunk()?;
                text(u32::from_be_bytes(*len), rest)?
            }
            _ => match encoding {
                0xC0 => int::<2>(rest)?,
                0xD0 => int::<4>(rest)?,
                0xE0 => int::<8>(rest)?,
                0xF0 => int::<3>(rest)?,
                0xFE => int::<1>(rest)?,
                0xF1..=0xFD => (Item::Int(i64::from(encoding & 0x0F) - 1), rest),
                _ => return None,
            },
        };
        Some(ZiplistEntry {
            len_before,
            len_bytes: bytes.len() - behind.len(),
            item,
        })
    }
}

/// A text of this length, and what is behind it.
fn text(len: u32, bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let (text, rest) = bytes.split_at_checked(len as usize)?;
    Some((Item::Text(text), rest))
}

/// An integer of `N` bytes, and what is behind it.
fn int<'a, const N: usize>(bytes: &'a [u8]) -> Option<(Item<'a>, &'a [u8])> {
    let (bytes, rest) = bytes.split_first_chunk::<N>()?;
    let mut wide = [0; 8];
    wide[8 - N..].copy_from_slice(bytes);
    Some((Item::Int(i64::from_le_bytes(wide) >> (64 - 8 * N)), rest))
}

/// A length in one byte or five, and what is behind it. None at the end.
fn length(bytes: &[u8]) -> Option<(u32, &[u8])> {
    match bytes.split_first()? {
        (&END, _) => None,
        (&LONG, rest) => {
            let (len, rest) = rest.split_first_chunk()?;
            Some((u32::from_le_bytes(*len), rest))
        }
        (&len, rest) => Some((u32::from(len), rest)),
    }
}

/// Key and value.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// The pairs of a zipmap in their order, and how many they are. Whether keys are there
/// twice is for the caller to see.
pub fn zipmap(bytes: &[u8]) -> Result<(impl Iterator<Item = Pair<'_>>, usize), Corrupt> {
    let corrupt = |at_byte| Corrupt { at_byte };
    let (&claimed, mut rest) = bytes.split_first().ok_or(corrupt(0))?;
    let pairs = rest;
    let mut count = 0;
    while rest.first() != Some(&END) {
        let at_byte = bytes.len() - rest.len();
        (_, rest) = zipmap_pair(rest).ok_or(corrupt(at_byte))?;
        count += 1;
    }
    if rest.len() != 1 {
        return Err(corrupt(bytes.len() - rest.len()));
    }
    if claimed != ZIPMAP_COUNT_UNKNOWN && usize::from(claimed) != count {
        return Err(corrupt(0));
    }
    let mut rest = pairs;
    let pairs = std::iter::from_fn(move || {
        let (pair, behind) = zipmap_pair(rest)?;
        rest = behind;
        Some(pair)
    });
    Ok((pairs, count))
}

/// The first pair, and what is behind it. None at the end.
fn zipmap_pair(bytes: &[u8]) -> Option<(Pair<'_>, &[u8])> {
    let (len, rest) = length(bytes)?;
    let (key, rest) = rest.split_at_checked(len as usize)?;
    let (len, rest) = length(rest)?;
    let (&spare, rest) = rest.split_first()?;
    let (value, rest) = rest.split_at_checked(len as usize)?;
    let (_, rest) = rest.split_at_checked(usize::from(spare))?;
    Some(((key, value), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    /// A ziplist as an old server writes it.
    fn ziplist_of(values: &[Item]) -> Vec<u8> {
        let mut body = Vec::new();
        let mut last = 0;
        for (index, value) in values.iter().enumerate() {
            let len_before = if index == 0 { 0 } else { body.len() - last };
            last = body.len();
            put_length(len_before, &mut body);
            match *value {
                Item::Int(n @ 0..=12) => body.push(0xF1 + n as u8),
                Item::Int(n) => {
                    let wide = n.to_le_bytes();
                    let (byte, len) = match n {
                        -128..=127 => (0xFE, 1),
                        -32768..=32767 => (0xC0, 2),
                        -8388608..=8388607 => (0xF0, 3),
                        -2147483648..=2147483647 => (0xD0, 4),
                        _ => (0xE0, 8),
                    };
                    body.push(byte);
                    body.extend_from_slice(&wide[..len]);
                }
                Item::Text(text) => {
                    let len = text.len();
                    match len {
                        0..64 => body.push(len as u8),
                        64..16384 => body.extend_from_slice(&[0x40 | (len >> 8) as u8, len as u8]),
                        _ => {
                            body.push(0x80);
                            body.extend_from_slice(&(len as u32).to_be_bytes());
                        }
                    }
                    body.extend_from_slice(text);
                }
            }
        }
        let mut out = Vec::new();
        out.extend_from_slice(&(body.len() as u32 + 11).to_le_bytes());
        out.extend_from_slice(&(last as u32 + 10).to_le_bytes());
        out.extend_from_slice(&(values.len() as u16).to_le_bytes());
        out.extend_from_slice(&body);
        out.push(END);
        out
    }

    fn put_length(len: usize, out: &mut Vec<u8>) {
        if len < 254 {
            out.push(len as u8);
        } else {
            out.push(LONG);
            out.extend_from_slice(&(len as u32).to_le_bytes());
        }
    }

    fn zipmap_of(pairs: &[Pair], spare: u8) -> Vec<u8> {
        let mut out = vec![pairs.len() as u8];
        for (key, value) in pairs {
            put_length(key.len(), &mut out);
            out.extend_from_slice(key);
            put_length(value.len(), &mut out);
            out.push(spare);
            out.extend_from_slice(value);
            out.resize(out.len() + usize::from(spare), b'?');
        }
        out.push(END);
        out
    }

    #[test]
    fn ziplists_of_every_encoding() {
        let texts = [0, 1, 63, 64, 300, 16383, 16384].map(|len| vec![b't'; len]);
        let mut values: Vec<Item> = Vec::new();
        for text in &texts {
            values.push(Item::Text(text));
        }
        for n in [0, 12, 13, 127, 128, 32767, 32768, 8388607, 8388608, 1 << 31] {
            values.extend([Item::Int(n), Item::Int(-n), Item::Int(!n)]);
        }
        values.extend([i64::MAX, i64::MIN].map(Item::Int));
        let bytes = ziplist_of(&values);
        let (items, count) = ziplist(&bytes).expect("a ziplist");
        assert_eq!(items.collect::<Vec<_>>(), values);
        assert_eq!(count, values.len());
        let empty = ziplist_of(&[]);
        assert_eq!(ziplist(&empty).map(|(items, _)| items.count()), Ok(0));
    }

    #[test]
    fn zipmaps() {
        let long = vec![b'x'; 300];
        let pairs: [Pair; 3] = [(b"a", b"1"), (b"", &long), (&long, b"")];
        for spare in [0, 3] {
            let bytes = zipmap_of(&pairs, spare);
            let (read, count) = zipmap(&bytes).expect("a zipmap");
            assert_eq!(read.collect::<Vec<_>>(), pairs);
            assert_eq!(count, 3);
        }
        assert_eq!(zipmap(&[0, END]).map(|(_, count)| count), Ok(0));
    }

    #[test]
    fn broken_ones_are_refused() {
        fn check(bytes: &[u8], at_byte: usize) {
            assert_eq!(ziplist(bytes).err(), Some(Corrupt { at_byte }), "{bytes:?}");
        }
        check(&[], 0);
        check(&[11, 0, 0, 0, 10, 0, 0, 0, 0, 0], 0);
        check(&[11, 0, 0, 0, 10, 0, 0, 0, 1, 0, END], 8);
        check(&[11, 0, 0, 0, 11, 0, 0, 0, 0, 0, END], 4);
        check(&[12, 0, 0, 0, 10, 0, 0, 0, 0, 0, END, END], 10);
        check(&[13, 0, 0, 0, 10, 0, 0, 0, 1, 0, 1, 0xF1, END], 10);
        check(&[13, 0, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0xFF, END], 10);
        check(&[13, 0, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0x3F, END], 10);
        fn check_map(bytes: &[u8], at_byte: usize) {
            assert_eq!(zipmap(bytes).err(), Some(Corrupt { at_byte }), "{bytes:?}");
        }
        check_map(&[], 0);
        check_map(&[1, END], 0);
        check_map(&[0], 1);
        check_map(&[1, 1, b'a', 1, 0, END], 6);
        check_map(&[0, END, END], 1);
    }

    /// Whatever byte is changed: it is refused, or the values that are counted are given.
    #[test]
    fn broken_bytes_do_no_harm() {
        let mut rng = Rng::seeded(5);
        let long = vec![b'x'; 300];
        let values = [
            Item::Text(b"abc"),
            Item::Int(7),
            Item::Int(-9999),
            Item::Text(&long),
        ];
        let list = ziplist_of(&values);
        let map = zipmap_of(&[(b"a", b"1"), (b"key", &long), (&long, b"")], 2);
        for _ in 0..50_000 {
            let mut bytes = list.clone();
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = rng.next_u64() as u8;
            if let Ok((items, count)) = ziplist(&bytes) {
                assert_eq!(items.count(), count);
            }
            let mut bytes = map.clone();
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = rng.next_u64() as u8;
            if let Ok((pairs, count)) = zipmap(&bytes) {
                assert_eq!(pairs.count(), count);
            }
        }
    }
}
