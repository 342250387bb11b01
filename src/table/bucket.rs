//! One bucket: a cache line of nine slots.
//!
//! ```text
//! byte 0        1 .. 10      10 .. 64
//! overflow      nine tags    nine pointers of 48 bits
//! ```
//!
//! A tag is eight bits of the key's hash (which ones, the directory's link says), 0 for an
//! empty slot. Slots are numbered 1 to 9,
//! so that slot `i`'s tag is byte `i` and its pointer is the upper 48 bits of the
//! little-endian word at byte `2 + 6 * i`, which never leaves the line.
//!
//! Entries at home here fill the slots from 1 upwards, guests (entries at home in the bucket
//! before) fill them from 9 downwards. So a count of the guests, which the bucket before
//! keeps, tells who is who without reading a single entry.
//!
//! The overflow byte belongs to the home: its low nibble counts the home's entries that
//! live as guests in the next bucket, its high nibble those in the segment's stash (15
//! means "15 or more, or no longer known").

use std::cell::UnsafeCell;
use std::ptr::NonNull;

/// Bytes of a bucket, and of a cache line.
pub(super) const LINE_BYTES: usize = 64;
/// Slots of a bucket.
pub(super) const SLOTS: usize = 9;
/// A stash count that is no longer exact.
const STASHED_UNKNOWN: u8 = 15;
/// The mask bits of all slots.
const ALL: u32 = ((1 << SLOTS) - 1) << 1;

/// Eight bits of a hash, never 0. As wide as it is loaded to be compared, so that no
/// processor has to wait for a narrow store before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag(u32);

impl Tag {
    #[inline]
    pub fn new(bits: u8) -> Tag {
        Tag(u32::from(bits.max(1)))
    }

    #[inline]
    fn byte(self) -> u8 {
        self.0 as u8
    }

    /// The eight bits, unless they are lost: 0 and 1 have the same tag.
    #[inline]
    pub fn bits(self) -> Option<u8> {
        (self.0 > 1).then_some(self.byte())
    }
}

/// A set of slots: bit `i` is slot `i`.
#[derive(Clone, Copy)]
pub(super) struct Mask(u32);

impl Mask {
    /// The highest `count` slots only.
    #[inline]
    pub fn top(self, count: usize) -> Mask {
        Mask(self.0 & (ALL << (SLOTS - count)))
    }

    #[inline]
    pub fn lowest(self) -> Option<usize> {
        (self.0 != 0).then(|| self.0.trailing_zeros() as usize)
    }

    #[inline]
    pub fn highest(self) -> Option<usize> {
        (self.0 != 0).then(|| 31 - self.0.leading_zeros() as usize)
    }

    #[inline]
    pub fn count(self) -> usize {
        self.0.count_ones() as usize
    }
}

impl Iterator for Mask {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let slot = self.lowest()?;
        self.0 &= self.0 - 1;
        Some(slot)
    }
}

/// The memory of one bucket.
#[repr(C, align(64))]
pub(super) struct Bucket(UnsafeCell<[u8; LINE_BYTES]>);

impl Bucket {
    pub fn empty() -> Bucket {
        Bucket(UnsafeCell::new([0; LINE_BYTES]))
    }
}

/// A pointer to a live bucket.
///
/// Whoever makes one promises that the bucket outlives it and that no reference to it is
/// held meanwhile; the table's own borrow (shared for reads, exclusive for writes) does the
/// rest. All access goes through raw loads and stores, so two `Line`s may name one bucket.
#[derive(Clone, Copy)]
pub(super) struct Line(NonNull<u8>);

impl Line {
    /// # Safety
    /// See the type: `bucket` is live, 64-byte aligned, and stays so while the `Line` is used.
    #[inline]
    pub unsafe fn new(bucket: NonNull<Bucket>) -> Line {
        Line(bucket.cast())
    }

    /// The slots that hold `tag`.
    #[inline]
    pub fn matches(self, tag: Tag) -> Mask {
        Mask(self.equal_to(tag.byte()) & ALL)
    }

    #[inline]
    pub fn empty(self) -> Mask {
        Mask(self.equal_to(0) & ALL)
    }

    #[inline]
    pub fn used(self) -> Mask {
        Mask(!self.equal_to(0) & ALL)
    }

    /// The slots whose pointer may be read: `slot` must be in use.
    #[inline]
    pub fn pointer(self, slot: usize) -> NonNull<u8> {
        let word = self.word(slot) >> 16;
        debug_assert!(word != 0, "an empty slot has no pointer");
        // SAFETY: a slot in use holds the 48 bits of a pointer that was `NonNull`.
        unsafe { NonNull::new_unchecked(word as usize as *mut u8) }
    }

    #[inline]
    pub fn tag(self, slot: usize) -> Tag {
        Tag(self.byte(slot).into())
    }

    /// Fills an empty slot.
    ///
    /// # Panics
    /// If the pointer does not fit in 48 bits, which no supported system hands out.
    #[inline]
    pub fn set(self, slot: usize, tag: Tag, pointer: NonNull<u8>) {
        self.set_pointer(slot, pointer);
        self.set_byte(slot, tag.byte());
    }

    /// Changes the pointer of a slot in use. What surrounds it in its word is not read: as a
    /// line is filled, that was written just before, and the processor would wait for it.
    #[inline]
    pub fn set_pointer(self, slot: usize, pointer: NonNull<u8>) {
        let bits = pointer.as_ptr() as usize as u64;
        assert!(bits >> 48 == 0, "a pointer of more than 48 bits");
        // SAFETY: the six bytes are the upper ones of the slot's word, which is inside the
        // line, and `Line` promises it may be written.
        unsafe {
            let bytes = self.word_at(slot).cast::<u8>().add(2);
            bytes.cast::<u32>().write_unaligned((bits as u32).to_le());
            let upper = ((bits >> 32) as u16).to_le();
            bytes.add(4).cast::<u16>().write_unaligned(upper);
        }
    }

    #[inline]
    pub fn clear(self, slot: usize) {
        self.set_byte(slot, 0);
    }

    /// Moves slot `from` of `other` into the empty slot `to` of this line.
    #[inline]
    pub fn take_from(self, to: usize, other: Line, from: usize) {
        self.set(to, other.tag(from), other.pointer(from));
        other.clear(from);
    }

    /// Empties `slot` and moves slot `last` into the hole.
    #[inline]
    pub fn fill_hole(self, slot: usize, last: usize) {
        if slot != last {
            self.set(slot, self.tag(last), self.pointer(last));
        }
        self.clear(last);
    }

    /// How many entries of this home are guests of the next bucket.
    #[inline]
    pub fn guests_sent(self) -> usize {
        (self.byte(0) & 15) as usize
    }

    #[inline]
    pub fn add_guests_sent(self, change: i8) {
        let count = self.guests_sent() as i8 + change;
        debug_assert!((0..=SLOTS as i8).contains(&count));
        self.set_byte(0, (self.byte(0) & 0xf0) | count as u8);
    }

    /// Whether entries of this home may be in the stash.
    #[inline]
    pub fn has_stashed(self) -> bool {
        self.byte(0) >> 4 != 0
    }

    pub fn stashed_one(self) {
        let count = self.byte(0) >> 4;
        if count < STASHED_UNKNOWN {
            self.set_byte(0, self.byte(0) + 0x10);
        }
    }

    pub fn unstashed_one(self) {
        let count = self.byte(0) >> 4;
        debug_assert!(count != 0);
        if count < STASHED_UNKNOWN {
            self.set_byte(0, self.byte(0) - 0x10);
        }
    }

    /// Whether no entry of this home lives elsewhere.
    #[inline]
    pub fn all_at_home(self) -> bool {
        self.byte(0) == 0
    }

    #[inline]
    pub fn prefetch(self) {
        prefetch(self.0);
    }

    #[inline]
    fn byte(self, index: usize) -> u8 {
        debug_assert!(index <= SLOTS);
        // SAFETY: inside the line, which `Line` promises is live.
        unsafe { self.0.as_ptr().add(index).read() }
    }

    #[inline]
    fn set_byte(self, index: usize, value: u8) {
        debug_assert!(index <= SLOTS);
        // SAFETY: inside the line, which `Line` promises is live and ours to write.
        unsafe { self.0.as_ptr().add(index).write(value) }
    }

    #[inline]
    fn word(self, slot: usize) -> u64 {
        // SAFETY: `word_at` is inside the line, which `Line` promises is live.
        u64::from_le(unsafe { self.word_at(slot).read_unaligned() })
    }

    #[inline]
    fn word_at(self, slot: usize) -> *mut u64 {
        debug_assert!((1..=SLOTS).contains(&slot));
        // SAFETY: 2 + 6 * 9 + 8 = 64, so the word of every slot lies in the line.
        unsafe { self.0.as_ptr().add(2 + 6 * slot).cast() }
    }

    /// Which of the first sixteen bytes are `value`; only the bits in `ALL` mean something.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    fn equal_to(self, value: u8) -> u32 {
        use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_load_si128, _mm_movemask_epi8, _mm_set1_epi8};
        // SAFETY: SSE2 is part of x86-64, the line is live and aligned to 64 bytes.
        unsafe {
            let bytes = _mm_load_si128(self.0.as_ptr().cast());
            _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(value as i8))) as u32
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    #[inline]
    fn equal_to(self, value: u8) -> u32 {
        (1..=SLOTS).fold(0, |mask, slot| {
            mask | u32::from(self.byte(slot) == value) << slot
        })
    }
}

/// Asks for the cache line of `pointer`; a wrong address is harmless.
#[inline]
pub fn prefetch(pointer: NonNull<u8>) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(pointer.as_ptr().cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = pointer;
}
