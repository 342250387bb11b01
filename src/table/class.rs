//! The sizes that a segment can have: its classes, from one bucket to some fifty.

use super::bucket::SLOTS;

/// The sizes of a segment in lines, header and stash included.
///
/// An allocator that aligns to cache lines by asking for 63 bytes more, with four classes
/// in each doubling, wastes nothing on these: each is the most lines that fit in a class.
/// The largest is not the largest that would be possible (64 bits of "given" would do for
/// 4 KiB), because a page of such an allocator holds more blocks of 3.5 KiB without a rest.
pub(super) const CLASS_LINES: [u8; 16] = [2, 4, 5, 6, 8, 9, 11, 13, 16, 19, 23, 27, 32, 39, 47, 55];
pub(super) const CLASS_MAX: u8 = CLASS_LINES.len() as u8 - 1;
/// The first class with a stash line.
const CLASS_STASH: u8 = 8;
/// A segment beyond this fill (in percent of its buckets' slots) grows. Small ones have no
/// stash and grow when an entry finds no place.
const FILL_PERCENT_MAX: usize = 92;
/// A rebuilt segment is given the least class that is not fuller than this.
const FILL_PERCENT_NEW: usize = 80;
/// Buckets at most: one bit each of a `given` word.
pub(super) const BUCKETS_MAX: usize = 64;

const _: () = assert!((CLASS_LINES[CLASS_MAX as usize] as usize) <= BUCKETS_MAX);

/// The buckets of a class.
pub(super) const fn buckets_of(class: u8) -> usize {
    CLASS_LINES[class as usize] as usize - 1 - stash_lines_of(class)
}

pub(super) const fn stash_lines_of(class: u8) -> usize {
    (class >= CLASS_STASH) as usize
}

/// How many entries a class takes before it has to grow.
pub(super) const fn len_max(class: u8) -> usize {
    let slots = buckets_of(class) * SLOTS;
    if class < CLASS_STASH {
        slots
    } else {
        slots * FILL_PERCENT_MAX / 100
    }
}

/// Buddies that together hold no more than this become one.
pub(super) const fn merge_len_max() -> usize {
    len_max(CLASS_MAX) / 4
}

/// Segments made before their entries come are to be this full in the end: on average, so
/// less than what makes them grow.
const FILL_PERCENT_PREPARED: usize = 90;

/// The most entries that a segment is prepared for.
pub(super) const fn prepared_len_max() -> usize {
    buckets_of(CLASS_MAX) * SLOTS * FILL_PERCENT_PREPARED / 100
}

/// The class of a segment that is to take about `len` entries.
pub(super) fn class_prepared_for(len: usize) -> u8 {
    (0..CLASS_MAX)
        .find(|&class| len <= buckets_of(class) * SLOTS * FILL_PERCENT_PREPARED / 100)
        .unwrap_or(CLASS_MAX)
}

/// The class a new segment of `len` entries gets.
pub(super) fn class_for(len: usize) -> u8 {
    (0..CLASS_MAX)
        .find(|&class| len <= buckets_of(class) * SLOTS * FILL_PERCENT_NEW / 100)
        .unwrap_or(CLASS_MAX)
}
