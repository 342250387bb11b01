//! The bytes of a node's page.
//!
//! ```text
//! head | group | group | ...      free      ... | record | record |
//! group = 8 tags, 8 places        record = header, key, value
//! ```
//!
//! A record's header is a varint of `key length * 2 + 1 if a value follows`, then a varint of
//! the value's length if there is one. A place is the distance of a record from the page's
//! end, so that it stays right when the page is exchanged for a larger one. A record that is
//! taken out leaves a hole; holes are closed when room is needed.
//!
//! A place may also name something that is kept beside the page: `BESIDE` and its number.

use std::iter::repeat_n;
use std::sync::Arc;

use crate::base::room::class_bytes;

/// Slots of a group: as many as there are tags in a word.
pub const GROUP_SLOTS: usize = 8;
const GROUP_BYTES: usize = 3 * GROUP_SLOTS;
/// Number of slots, bytes of the records with their holes, bytes of the holes: 16 bits each.
const HEAD_BYTES: usize = 8;
/// Places from here on are numbers of what is kept beside the page.
pub const BESIDE: u16 = 1 << 15;
/// Records and holes that places can tell apart from what is beside.
pub const USED_BYTES_MAX: usize = BESIDE as usize - 1;
/// What an `Arc` puts in front.
pub const COUNTS_BYTES: usize = 16;
/// Lengths in a header take up to this many bits, in bytes of seven.
const LENGTH_BITS_MAX: usize = 14;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// A page of these bytes, with no slots.
pub fn blank(bytes: usize) -> Arc<[u8]> {
    repeat_n(0, bytes).collect()
}

/// The bytes to ask for where `bytes` are needed, so that nothing is lost to rounding.
pub fn fitting(bytes: usize) -> usize {
    class_bytes((bytes + COUNTS_BYTES).max(64)) - COUNTS_BYTES
}

/// Bytes of a page with these slots and records.
pub fn bytes_for(slots: usize, records_bytes: usize) -> usize {
    HEAD_BYTES + slots.div_ceil(GROUP_SLOTS) * GROUP_BYTES + records_bytes
}

/// Bytes of a record.
pub fn record_bytes(key: &[u8], value: &[u8]) -> usize {
    let head = length_bytes(key.len() * 2);
    match value.len() {
        0 => head + key.len(),
        len => head + length_bytes(len) + key.len() + len,
    }
}

#[inline]
pub fn count(page: &[u8]) -> usize {
    short(page, 0).into()
}

/// Bytes between the first record and the page's end.
pub fn used(page: &[u8]) -> usize {
    short(page, 2).into()
}

pub fn holes(page: &[u8]) -> usize {
    short(page, 4).into()
}

/// Bytes of the records.
pub fn live(page: &[u8]) -> usize {
    used(page) - holes(page)
}

/// Bytes that neither slots nor records nor holes take.
pub fn free(page: &[u8]) -> usize {
    (page.len() - used(page)).saturating_sub(bytes_for(count(page), 0))
}

pub fn tag(page: &[u8], slot: usize) -> u8 {
    page[tag_at(slot)]
}

#[inline]
pub fn place(page: &[u8], slot: usize) -> u16 {
    short(page, place_at(slot))
}

/// What a place numbers, if that is beside the page.
#[inline]
pub fn beside(place: u16) -> Option<usize> {
    (place >= BESIDE).then_some(usize::from(place ^ BESIDE))
}

/// The first slot with this tag of which `is_it` is true, which is asked for its place.
#[inline]
pub fn find(page: &[u8], tag: u8, mut is_it: impl FnMut(u16) -> bool) -> Option<usize> {
    let count = count(page);
    let wanted = u64::from(tag) * ONES;
    let (groups, _) = page[HEAD_BYTES..].as_chunks::<GROUP_BYTES>();
    for (number, group) in groups.iter().enumerate() {
        let first = number * GROUP_SLOTS;
        if first >= count {
            break;
        }
        let mut hits = zero_bytes(tags(group) ^ wanted);
        while hits != 0 {
            let index = hits.trailing_zeros() as usize / 8;
            let slot = first + index;
            if slot < count && is_it(short(group, GROUP_SLOTS + 2 * index)) {
                return Some(slot);
            }
            hits &= hits - 1;
        }
    }
    None
}

/// Key and value at a place inside the page.
#[inline]
pub fn record(page: &[u8], place: u16) -> (&[u8], &[u8]) {
    let bytes = &page[page.len() - usize::from(place)..];
    let (head, key_len, value_len) = lengths(bytes);
    bytes[head..head + key_len + value_len].split_at(key_len)
}

/// The value at a place inside the page.
pub fn value_mut(page: &mut [u8], place: u16) -> &mut [u8] {
    let start = page.len() - usize::from(place);
    let (head, key_len, value_len) = lengths(&page[start..]);
    let value = start + head + key_len;
    &mut page[value..value + value_len]
}

/// The bytes of a record, header included.
pub fn raw(page: &[u8], place: u16) -> &[u8] {
    let bytes = &page[page.len() - usize::from(place)..];
    let (head, key_len, value_len) = lengths(bytes);
    &bytes[..head + key_len + value_len]
}

/// Adds a record of `len` bytes, for which there is room, and a slot; the caller fills it.
pub fn push(page: &mut [u8], tag: u8, len: usize) -> &mut [u8] {
    let used = used(page) + len;
    set_short(page, 2, used as u16);
    push_slot(page, tag, used as u16);
    let start = page.len() - used;
    &mut page[start..start + len]
}

/// Adds a slot, for which there is room.
pub fn push_slot(page: &mut [u8], tag: u8, place: u16) {
    let slot = count(page);
    set_slot(page, slot, tag, place);
    set_short(page, 0, slot as u16 + 1);
}

/// Takes a slot and its record out; the last slot moves to its place.
pub fn remove(page: &mut [u8], slot: usize) {
    let place = place(page, slot);
    if beside(place).is_none() {
        let len = raw(page, place).len();
        if usize::from(place) == used(page) {
            set_short(page, 2, place - len as u16);
        } else {
            let holes = holes(page) + len;
            set_short(page, 4, holes as u16);
        }
    }
    let last = count(page) - 1;
    let (tag, place) = (self::tag(page, last), self::place(page, last));
    set_slot(page, slot, tag, place);
    set_short(page, 0, last as u16);
}

pub fn set_place(page: &mut [u8], slot: usize, place: u16) {
    set_short(page, place_at(slot), place);
}

/// Copies everything to a blank page that is large enough, without the holes.
pub fn copy(from: &[u8], to: &mut [u8]) {
    let slots_end = bytes_for(count(from), 0);
    to[..slots_end].copy_from_slice(&from[..slots_end]);
    if holes(from) == 0 {
        let start = to.len() - used(from);
        to[start..].copy_from_slice(&from[from.len() - used(from)..]);
        return;
    }
    let mut used = 0;
    for slot in 0..count(from) {
        let place = place(from, slot);
        if beside(place).is_none() {
            let record = raw(from, place);
            used += record.len();
            let start = to.len() - used;
            to[start..start + record.len()].copy_from_slice(record);
            set_place(to, slot, used as u16);
        }
    }
    set_short(to, 2, used as u16);
    set_short(to, 4, 0);
}

/// Fills the bytes of a record.
pub fn write_record(to: &mut [u8], key: &[u8], value: &[u8]) {
    let (has_value, mut at) = (!value.is_empty(), 0);
    at += put_length(&mut to[at..], key.len() * 2 + usize::from(has_value));
    if has_value {
        at += put_length(&mut to[at..], value.len());
    }
    let (key_to, value_to) = to[at..].split_at_mut(key.len());
    key_to.copy_from_slice(key);
    value_to.copy_from_slice(value);
}

/// Bytes of the header, of the key and of the value.
#[inline]
fn lengths(record: &[u8]) -> (usize, usize, usize) {
    let (head, key) = length(record);
    match key & 1 {
        0 => (head, key >> 1, 0),
        _ => {
            let (more, value) = length(&record[head..]);
            (head + more, key >> 1, value)
        }
    }
}

/// How many bytes a length takes, and the length.
#[inline]
fn length(bytes: &[u8]) -> (usize, usize) {
    match bytes {
        [low, ..] if *low < 0x80 => (1, usize::from(*low)),
        [low, high, ..] => (2, usize::from(low & 0x7f) | usize::from(*high) << 7),
        _ => (0, 0),
    }
}

fn length_bytes(length: usize) -> usize {
    if length < 0x80 { 1 } else { 2 }
}

fn put_length(to: &mut [u8], length: usize) -> usize {
    debug_assert!(length < 1 << LENGTH_BITS_MAX, "{length} bytes in a page");
    match length {
        0..0x80 => to[0] = length as u8,
        _ => to[..2].copy_from_slice(&[length as u8 | 0x80, (length >> 7) as u8]),
    }
    length_bytes(length)
}

fn set_slot(page: &mut [u8], slot: usize, tag: u8, place: u16) {
    page[tag_at(slot)] = tag;
    set_short(page, place_at(slot), place);
}

fn tag_at(slot: usize) -> usize {
    HEAD_BYTES + slot / GROUP_SLOTS * GROUP_BYTES + slot % GROUP_SLOTS
}

fn place_at(slot: usize) -> usize {
    let group = HEAD_BYTES + slot / GROUP_SLOTS * GROUP_BYTES;
    group + GROUP_SLOTS + slot % GROUP_SLOTS * 2
}

#[inline]
fn tags(group: &[u8; GROUP_BYTES]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *group;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// The high bit of every byte that is zero, and perhaps of a one above a zero.
#[inline]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH_BITS
}

#[inline]
fn short(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn set_short(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_the_allocators_sizes() {
        for (bytes, all) in [
            (0, 64),
            (48, 64),
            (49, 80),
            (113, 160),
            (1008, 1024),
            (1009, 1280),
            (1265, 1536),
        ] {
            assert_eq!(fitting(bytes) + COUNTS_BYTES, all, "{bytes}");
        }
    }

    #[test]
    fn lengths_of_one_and_two_bytes() {
        for (key_len, value_len) in [(0, 0), (63, 0), (64, 1), (1, 127), (1, 128), (200, 300)] {
            let (key, value) = (vec![b'k'; key_len], vec![b'v'; value_len]);
            let mut bytes = vec![0; record_bytes(&key, &value)];
            write_record(&mut bytes, &key, &value);
            let place = bytes.len() as u16;
            assert_eq!(record(&bytes, place), (&key[..], &value[..]));
            assert_eq!(raw(&bytes, place), bytes);
        }
    }

    #[test]
    fn a_group_is_searched_as_a_word() {
        let mut page = blank(fitting(bytes_for(20, 0)));
        let page = Arc::make_mut(&mut page);
        for slot in 0..20 {
            push_slot(page, [7, 8, 0][slot % 3], slot as u16);
        }
        for (tag, first) in [(7, 0), (8, 1), (0, 2)] {
            let mut asked = Vec::new();
            let found = find(page, tag, |place| {
                asked.push(place);
                place == 12 + first
            });
            assert_eq!(found, Some(usize::from(12 + first)));
            // A word's borrow may raise a bit too many; none too few.
            let all = (first..=12 + first).step_by(3);
            assert!(all.clone().all(|place| asked.contains(&place)), "{asked:?}");
        }
        assert_eq!(find(page, 9, |_| true), None);
    }
}
