//! The table and its directory: from a hash to a bucket, and the everyday operations.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::bucket::{LINE_BYTES, SLOTS, Tag, prefetch};
use super::class::class_for;
use super::segment::{Header, Segment, Spot};
use super::slot::{Slot, SlotRef, Snapshots};
use crate::base::hash::KeyHasher;

/// Bits of an order; orders are below `1 << ORDER_BITS`.
pub const ORDER_BITS: u32 = 40;
/// The directory's bits at most.
pub(super) const DEPTH_MAX: u8 = 20;
/// A directory of so many bits stands in the table itself.
const DEPTH_INLINE: u8 = 1;
/// The bits of a hash that are not order.
const BELOW_ORDER: u32 = 64 - ORDER_BITS;
const POINTER_MASK: u64 = (1 << 48) - 1;
/// The bits of a pointer to a segment that are 0.
const DEPTH_MASK: u8 = LINE_BYTES as u8 - 1;
const TAG_BITS: u32 = 8;
const TAG_MASK: usize = (1 << TAG_BITS) - 1;

/// How many bits of the order inside its segment an entry's bucket tells, nearly.
const fn bits_of_bucket(buckets: usize) -> u32 {
    (buckets + buckets / 7).ilog2()
}

/// A key's place in the table's order, which is stable whatever the table's size.
#[inline]
pub fn order_of(hash: u64) -> u64 {
    hash >> BELOW_ORDER
}

/// What the directory says of a segment, so that a lookup needs no look at its header:
///
/// ```text
/// bits 56..64 shift of the tag   48..56 buckets   0..48 pointer, whose last 6 bits: depth
/// ```
///
/// An entry's tag is the eight bits of its order that follow those its bucket tells anyway.
/// So bucket and tag together tell more of the order than the next few sizes of the segment
/// need: growing seldom reads the entries.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Link(u64);

impl Link {
    pub fn new(segment: Segment, depth: u8) -> Link {
        let pointer = segment.header().as_ptr() as usize as u64;
        assert!(
            pointer & !POINTER_MASK == 0,
            "a pointer of more than 48 bits"
        );
        let buckets = segment.buckets();
        let shift = 64 - TAG_BITS - u32::from(depth) - bits_of_bucket(buckets);
        Link(pointer | u64::from(depth) | (buckets as u64) << 48 | u64::from(shift) << 56)
    }

    /// The segment. The link must be one of a table that is borrowed meanwhile.
    #[inline]
    pub fn segment(self) -> Segment {
        let header = (self.0 & POINTER_MASK & !u64::from(DEPTH_MASK)) as usize as *mut Header;
        debug_assert!(!header.is_null());
        // SAFETY: links are made by `new` alone, and a table's links name its live segments.
        unsafe { Segment::from_parts(NonNull::new_unchecked(header), self.buckets()) }
    }

    #[inline]
    pub fn buckets(self) -> usize {
        (self.0 >> 48 & 0xff) as usize
    }

    /// How many bits of the order all entries of the segment share.
    #[inline]
    pub fn depth(self) -> u8 {
        self.0 as u8 & DEPTH_MASK
    }

    /// The tag of a hash in this segment.
    #[inline]
    pub fn tag(self, hash: u64) -> Tag {
        Tag::new((hash >> (self.0 >> 56)) as u8)
    }

    /// Which cells are home `bucket`'s, to tell where its entries are at home in a segment of
    /// the same depth with `buckets` buckets. None if tags are other bits there.
    #[inline]
    pub fn cells(self, bucket: usize, buckets: usize) -> Option<Cells> {
        let known = bits_of_bucket(self.buckets());
        let bits = known + TAG_BITS;
        (bits_of_bucket(buckets) == known).then(|| Cells {
            first: (bucket << bits) / self.buckets(),
            end: ((bucket + 1) << bits).div_ceil(self.buckets()),
            bits,
            buckets,
        })
    }

    /// The home bucket of a hash in this segment.
    #[inline]
    pub fn bucket(self, hash: u64) -> usize {
        let rest = (hash >> BELOW_ORDER << BELOW_ORDER) << self.depth();
        ((u128::from(rest) * self.buckets() as u128) >> 64) as usize
    }

    #[inline]
    pub fn bucket_of_order(self, order: u64) -> usize {
        self.bucket(order << BELOW_ORDER)
    }

    /// The first order of the segment that `order` is in.
    #[inline]
    pub fn first_order(self, order: u64) -> u64 {
        order & !(self.span() - 1)
    }

    /// How many orders the segment covers.
    #[inline]
    pub fn span(self) -> u64 {
        1 << (ORDER_BITS - u32::from(self.depth()))
    }

    /// The first order of a bucket; that of the next segment for `bucket == buckets`.
    pub fn bucket_order(self, order: u64, bucket: usize) -> u64 {
        let offset = (bucket as u64 * self.span()).div_ceil(self.buckets() as u64);
        self.first_order(order) + offset
    }
}

/// A bucket as some cells of its segment's `1 << bits`, of which a tag is the number's end.
#[derive(Clone, Copy)]
pub(super) struct Cells {
    first: usize,
    end: usize,
    bits: u32,
    /// Of the segment that entries move to.
    buckets: usize,
}

impl Cells {
    /// Where an entry of these cells with an unchanged `tag` will be at home, if that can be
    /// told from these alone.
    #[inline]
    pub fn home(self, tag: Tag) -> Option<usize> {
        let cell = self.first + (usize::from(tag.bits()?).wrapping_sub(self.first) & TAG_MASK);
        let unique = cell + TAG_MASK + 1 >= self.end;
        let home = (cell * self.buckets) >> self.bits;
        let last = ((cell + 1) * self.buckets - 1) >> self.bits;
        (unique && last == home).then_some(home)
    }
}

/// A hash table of slots. See the module's head.
///
/// A hash must be good in its upper 40 bits; the others are the caller's.
pub struct Table<S: Slot> {
    /// Up to `DEPTH_INLINE` the links themselves (0 when the table is empty), so that small
    /// tables cost a lookup no further line; else first the address of the directory,
    /// `1 << depth` links.
    roots: [u64; 1 << DEPTH_INLINE],
    len: usize,
    bytes: usize,
    /// No segment has ever had more slots than this; random draws need it.
    pub(super) slots_max: u32,
    depth: u8,
    slots: PhantomData<S>,
}

impl<S: Slot> Table<S> {
    pub const fn new() -> Self {
        Table {
            roots: [0; 1 << DEPTH_INLINE],
            len: 0,
            bytes: 0,
            slots_max: 0,
            depth: 0,
            slots: PhantomData,
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What the table has allocated, without what its slots own.
    pub fn table_bytes(&self) -> usize {
        self.bytes
    }

    /// How many slots there is room for.
    pub fn slot_count(&self) -> usize {
        let mut slots = 0;
        self.for_each_segment(|segment| slots += segment.buckets() * SLOTS);
        slots
    }

    pub(super) fn has_segments(&self) -> bool {
        self.roots[0] != 0
    }

    pub(super) fn depth(&self) -> u8 {
        self.depth
    }

    pub(super) fn count_bytes(&mut self, added: usize, removed: usize) {
        self.bytes = self.bytes + added - removed;
    }

    fn links(&self) -> *const Link {
        match self.depth {
            ..=DEPTH_INLINE => self.roots.as_ptr().cast(),
            _ => self.roots[0] as usize as *const Link,
        }
    }

    /// The link in place `index` of the directory; the table must have segments.
    #[inline]
    pub(super) fn link_at(&self, index: usize) -> Link {
        debug_assert!(self.has_segments() && index >> self.depth == 0);
        // SAFETY: the directory has `1 << depth` links.
        unsafe { *self.links().add(index) }
    }

    /// Which place of the directory covers `hash`.
    #[inline]
    fn index_of(&self, hash: u64) -> usize {
        (hash >> 1 >> (63 - self.depth)) as usize
    }

    /// The link that covers `hash`; the table must have segments.
    #[inline]
    pub(super) fn link(&self, hash: u64) -> Link {
        self.link_at(self.index_of(hash))
    }

    pub(super) fn link_of_order(&self, order: u64) -> Link {
        self.link(order << BELOW_ORDER)
    }

    /// Points every place that covers `hash` at depth `link.depth()` to `link`.
    pub(super) fn set_links(&mut self, hash: u64, link: Link) {
        debug_assert!(link.depth() <= self.depth);
        let count = 1_usize << (self.depth - link.depth());
        let index = self.index_of(hash) & !(count - 1);
        let links: *mut Link = match self.depth {
            ..=DEPTH_INLINE => self.roots.as_mut_ptr().cast(),
            _ => self.roots[0] as usize as *mut Link,
        };
        // SAFETY: `index .. index + count` lies in the directory, which is ours.
        unsafe { std::slice::from_raw_parts_mut(links.add(index), count).fill(link) }
    }

    /// Doubles the directory.
    pub(super) fn double_directory(&mut self) {
        let links: Vec<Link> = (0..2 << self.depth)
            .map(|index: usize| self.link_at(index / 2))
            .collect();
        self.set_directory(&links, self.depth + 1);
    }

    /// Halves the directory as long as it says everything twice.
    pub(super) fn halve_directory(&mut self) {
        while self.depth > 0
            && (0..1_usize << self.depth)
                .step_by(2)
                .all(|index| self.link_at(index) == self.link_at(index + 1))
        {
            let links: Vec<Link> = (0..1 << (self.depth - 1))
                .map(|index: usize| self.link_at(index * 2))
                .collect();
            self.set_directory(&links, self.depth - 1);
        }
    }

    pub(super) fn set_directory(&mut self, links: &[Link], depth: u8) {
        debug_assert!(links.len() == 1 << depth);
        self.free_directory();
        self.depth = depth;
        if depth <= DEPTH_INLINE {
            for (root, link) in self.roots.iter_mut().zip(links) {
                *root = link.0;
            }
            return;
        }
        let layout = Self::directory_layout(depth);
        // SAFETY: the layout is not empty; the memory is as long as `links`.
        unsafe {
            let memory = alloc(layout);
            if memory.is_null() {
                handle_alloc_error(layout);
            }
            std::ptr::copy_nonoverlapping(links.as_ptr(), memory.cast(), links.len());
            self.roots[0] = memory as usize as u64;
        }
        self.count_bytes(layout.size(), 0);
    }

    fn free_directory(&mut self) {
        if self.depth > DEPTH_INLINE {
            let layout = Self::directory_layout(self.depth);
            // SAFETY: allocated by `set_directory` with this layout, and unused from here.
            unsafe { dealloc(self.roots[0] as usize as *mut u8, layout) }
            self.count_bytes(0, layout.size());
        }
    }

    fn directory_layout(depth: u8) -> Layout {
        // `depth` is at most `DEPTH_MAX`: this cannot fail.
        Layout::array::<Link>(1 << depth).unwrap_or(Layout::new::<Link>())
    }

    /// Visits every segment once, in order.
    pub(super) fn for_each_segment(&self, mut visit: impl FnMut(Segment)) {
        let mut index = 0;
        while self.has_segments() && index >> self.depth == 0 {
            let link = self.link_at(index);
            index += 1 << (self.depth - link.depth());
            visit(link.segment());
        }
    }

    /// Frees segments and directory, not the slots.
    fn free_segments(&mut self) {
        // SAFETY: the table forgets its links right after.
        self.for_each_segment(|segment| unsafe { segment.free() });
        self.free_directory();
        self.roots = [0; 1 << DEPTH_INLINE];
        (self.len, self.bytes, self.depth, self.slots_max) = (0, 0, 0, 0);
    }
}

impl<S: Slot> Table<S> {
    /// Asks for the link of `hash`: the first of three stages before a batch of lookups.
    #[inline]
    pub fn prefetch_link(&self, hash: u64) {
        if self.depth > DEPTH_INLINE {
            let link = self.links().wrapping_add(self.index_of(hash));
            NonNull::new(link.cast_mut().cast())
                .into_iter()
                .for_each(prefetch);
        }
    }

    /// Asks for the bucket of `hash`, and the next one for its guests: the second stage.
    /// `None` if the table is empty.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) -> Option<Probe<'_, S>> {
        self.has_segments().then(|| {
            let link = self.link(hash);
            let (segment, bucket) = (link.segment(), link.bucket(hash));
            segment.prefetch_near(bucket);
            Probe {
                segment,
                bucket,
                tag: link.tag(hash),
                table: PhantomData,
            }
        })
    }

    /// The slot with this hash that `eq` accepts.
    #[inline]
    pub fn get(&self, hash: u64, mut eq: impl FnMut(&S) -> bool) -> Option<SlotRef<'_, S>> {
        if !self.has_segments() {
            return None;
        }
        let link = self.link(hash);
        let spot = link
            .segment()
            .find(link.bucket(hash), link.tag(hash), |pointer| {
                // SAFETY: a pointer in the table is a live slot, borrowed with the table.
                eq(unsafe { S::borrow_raw(&pointer) })
            })?;
        // SAFETY: as above, for the lifetime of the table's borrow.
        Some(unsafe { SlotRef::new(spot.line.pointer(spot.slot)) })
    }

    /// Like `get`, with the place of the slot.
    #[inline]
    pub(super) fn find(&self, hash: u64, mut eq: impl FnMut(&S) -> bool) -> Option<(Link, Spot)> {
        if !self.has_segments() {
            return None;
        }
        let link = self.link(hash);
        let spot = link
            .segment()
            .find(link.bucket(hash), link.tag(hash), |pointer| {
                // SAFETY: a pointer in the table is a live slot, borrowed with the table.
                eq(unsafe { S::borrow_raw(&pointer) })
            })?;
        Some((link, spot))
    }

    /// Adds a slot whose key is not in the table. What is open of snapshots is given first
    /// what the bucket held.
    pub fn insert_new(
        &mut self,
        hash: u64,
        slot: S,
        hasher: &KeyHasher,
        snaps: &mut impl Snapshots<S>,
    ) {
        let pointer = slot.into_raw();
        if !self.has_segments() {
            self.first_segment(snaps.numbers());
        }
        loop {
            let link = self.link(hash);
            let (segment, bucket, tag) = (link.segment(), link.bucket(hash), link.tag(hash));
            self.give_bucket(link, bucket, hasher, snaps);
            if !segment.is_full() && segment.place(bucket, tag, pointer) {
                self.len += 1;
                return;
            }
            if !segment.is_full()
                && segment.settle_stash(|pointer| {
                    // SAFETY: a pointer in the table is a live slot.
                    let hash = unsafe { S::borrow_raw(&pointer) }.hash(hasher);
                    (link.bucket(hash), link.tag(hash))
                })
            {
                continue;
            }
            if self.make_room(hash, hasher, snaps) {
                self.len += 1;
                self.place_beyond(hash, pointer);
                return;
            }
        }
    }

    /// Puts an entry into a segment that can neither grow nor split, full or not.
    fn place_beyond(&mut self, hash: u64, pointer: NonNull<u8>) {
        let link = self.link(hash);
        let segment = link.segment();
        let before = segment.bytes();
        segment.place_anyway(link.bucket(hash), link.tag(hash), pointer);
        self.count_bytes(segment.bytes(), before);
        self.slots_max = self.slots_max.max(segment.slots() as u32);
    }

    fn first_segment(&mut self, numbers: [u32; 2]) {
        let segment = Segment::allocate(class_for(1));
        // What comes into being under a snapshot is not part of it.
        segment.head_mut().snapshot = numbers;
        segment.head_mut().given = [u64::MAX; 2];
        self.roots[0] = Link::new(segment, 0).0;
        self.bytes = segment.bytes();
        self.slots_max = segment.slots() as u32;
    }

    /// Removes the slot with this hash that `eq` accepts.
    pub fn remove(
        &mut self,
        hash: u64,
        hasher: &KeyHasher,
        snaps: &mut impl Snapshots<S>,
        eq: impl FnMut(&S) -> bool,
    ) -> Option<S> {
        let (link, spot) = self.find(hash, eq)?;
        self.give_bucket(link, link.bucket(hash), hasher, snaps);
        Some(self.remove_at(hash, link, spot, hasher, snaps))
    }

    /// Removes the slot at `spot`, whose bucket is given already.
    pub(super) fn remove_at(
        &mut self,
        hash: u64,
        link: Link,
        spot: Spot,
        hasher: &KeyHasher,
        snaps: &mut impl Snapshots<S>,
    ) -> S {
        let segment = link.segment();
        let pointer = segment.take(link.bucket(hash), spot);
        self.len -= 1;
        if self.len == 0 {
            self.free_segments();
        } else if segment.len().is_multiple_of(8) && segment.is_sparse() {
            self.shrink(hash, hasher, snaps);
        }
        // SAFETY: the pointer was the table's own, and it is out of the table now.
        unsafe { S::from_raw(pointer) }
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.for_each_segment(|segment| {
            segment.for_each(|pointer| {
                // SAFETY: the pointer is the table's own, and the segment is freed below.
                drop(unsafe { S::from_raw(pointer) });
            });
        });
        self.free_segments();
    }
}

/// A bucket that was asked for, and what to look for in it.
pub struct Probe<'a, S: Slot> {
    segment: Segment,
    bucket: usize,
    tag: Tag,
    table: PhantomData<&'a Table<S>>,
}

impl<S: Slot> Probe<'_, S> {
    /// Asks for the head of the segment, which an insertion reads and a lookup does not.
    #[inline]
    pub fn prefetch_head(&self) {
        prefetch(self.segment.header().cast());
    }

    /// Asks for the memory of every slot that may be the wanted one: the third stage, when
    /// the bucket has arrived. True if there is any.
    #[inline]
    pub fn prefetch_slots(&self) -> bool {
        let ask = prefetch_slot::<S>;
        self.segment.for_candidates(self.bucket, self.tag, ask)
    }
}

/// Asks for all lines that a lookup is likely to read of a slot.
#[inline]
pub(super) fn prefetch_slot<S: Slot>(pointer: NonNull<u8>) {
    prefetch(pointer);
    if S::PREFETCH_BYTES > 1 {
        // A prefetch of an address beyond the allocation does no harm.
        let last = pointer
            .as_ptr()
            .wrapping_add(S::PREFETCH_BYTES.min(LINE_BYTES) - 1);
        NonNull::new(last).into_iter().for_each(prefetch);
    }
}

impl<S: Slot> Default for Table<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Slot> Drop for Table<S> {
    fn drop(&mut self) {
        self.clear();
    }
}
