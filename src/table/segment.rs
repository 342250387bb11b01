//! One segment: a header line, some buckets, and a small stash for what fits nowhere else.
//!
//! ```text
//! line 0    1 .. 1+n       1+n .. lines          elsewhere
//! header    n buckets      stash lines           extra stash lines (bad luck only)
//! ```
//!
//! A segment knows nothing of hashes but what it is told: which bucket an entry is at home
//! in is the caller's business. It never frees an entry.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use super::bucket::{Bucket, LINE_BYTES, Line, SLOTS, Tag, prefetch};
use super::class::{CLASS_LINES, buckets_of, len_max, stash_lines_of};

/// How far ahead of a walk the entries are asked for.
const LINES_AHEAD: usize = 3;

const _: () = assert!(size_of::<Header>() == LINE_BYTES);

/// Stash lines beyond those of the segment's own memory.
#[derive(Default)]
struct Extra {
    lines: Vec<Bucket>,
}

/// The first line of a segment.
#[repr(C, align(64))]
pub(super) struct Header {
    /// Not later than the earliest expiry in the segment, `i64::MAX` when there is none.
    pub deadline_ms: i64,
    /// One bit a bucket, for each place of a snapshot: already given.
    pub given: [u64; 2],
    /// The snapshot that each word of `given` speaks of.
    pub snapshot: [u32; 2],
    pub len: u32,
    stash_len: u32,
    extra: Option<Box<Extra>>,
    class: u8,
}

/// Where an entry lives.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    pub line: Line,
    pub slot: usize,
    area: Area,
}

#[derive(Clone, Copy)]
enum Area {
    Home,
    Guest,
    Stash(usize),
}

/// A pointer to a live segment.
///
/// Like `Line`: who makes one promises that the segment outlives it, and that the table is
/// borrowed (exclusively when something is changed) while it is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    header: NonNull<Header>,
    buckets: usize,
}

impl Segment {
    /// A new, empty segment.
    pub fn allocate(class: u8) -> Segment {
        let layout = Self::layout(class);
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(header) = NonNull::new(memory.cast::<Header>()) else {
            handle_alloc_error(layout)
        };
        // SAFETY: fresh memory of the header's alignment and at least its size. Zeroed
        // lines are empty buckets.
        unsafe {
            header.write(Header {
                deadline_ms: i64::MAX,
                given: [0; 2],
                snapshot: [0; 2],
                len: 0,
                stash_len: 0,
                extra: None,
                class,
            });
        }
        Segment {
            header,
            buckets: buckets_of(class),
        }
    }

    /// Frees the segment's own memory, not its entries.
    ///
    /// # Safety
    /// Neither this nor any copy of it is used afterwards.
    pub unsafe fn free(self) {
        let layout = Self::layout(self.class());
        // SAFETY: the header was written by `allocate`, with this layout.
        unsafe {
            self.header.drop_in_place();
            dealloc(self.header.as_ptr().cast(), layout);
        }
    }

    /// # Safety
    /// `header` is that of a live segment with `buckets` buckets, see the type.
    #[inline]
    pub unsafe fn from_parts(header: NonNull<Header>, buckets: usize) -> Segment {
        Segment { header, buckets }
    }

    fn layout(class: u8) -> Layout {
        let size = CLASS_LINES[class as usize] as usize * LINE_BYTES;
        // A power of two and a size far below the limit: this cannot fail.
        Layout::from_size_align(size, LINE_BYTES).unwrap_or(Layout::new::<Header>())
    }

    #[inline]
    pub fn header(&self) -> NonNull<Header> {
        self.header
    }

    /// The header, for a look at one field; never held across a change.
    #[inline]
    pub fn head(&self) -> &Header {
        // SAFETY: live, and nothing changes while the caller looks.
        unsafe { self.header.as_ref() }
    }

    /// The header, to change one field; never held across anything else.
    #[inline]
    #[expect(
        clippy::mut_from_ref,
        reason = "a Segment is a pointer; the table is the owner"
    )]
    pub fn head_mut(&self) -> &mut Header {
        // SAFETY: live, the table is borrowed exclusively, and the reference is short.
        unsafe { &mut *self.header.as_ptr() }
    }

    #[inline]
    pub fn class(&self) -> u8 {
        self.head().class
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.head().len as usize
    }

    #[inline]
    pub fn buckets(&self) -> usize {
        self.buckets
    }

    pub fn bytes(&self) -> usize {
        let extra = self
            .head()
            .extra
            .as_ref()
            .map_or(0, |extra| extra.lines.capacity());
        (CLASS_LINES[self.class() as usize] as usize + extra) * LINE_BYTES
    }

    #[inline]
    pub fn is_full(&self) -> bool {
        self.len() >= len_max(self.class())
    }

    /// Whether so little is left that the segment should shrink or merge.
    pub fn is_sparse(&self) -> bool {
        self.len() * 4 <= self.buckets * SLOTS
    }

    #[inline]
    pub fn line(&self, bucket: usize) -> Line {
        debug_assert!(bucket < self.buckets);
        self.line_at(bucket)
    }

    #[inline]
    fn line_at(&self, index: usize) -> Line {
        // SAFETY: the lines follow the header in one live allocation, and the callers stay
        // below its count of lines.
        unsafe { Line::new(self.header.add(1 + index).cast()) }
    }

    /// The bucket after `bucket`, which takes its guests.
    #[inline]
    fn next(&self, bucket: usize) -> Line {
        self.line(if bucket + 1 == self.buckets {
            0
        } else {
            bucket + 1
        })
    }

    #[inline]
    fn previous(&self, bucket: usize) -> Line {
        self.line(if bucket == 0 {
            self.buckets - 1
        } else {
            bucket - 1
        })
    }

    /// How many entries of the bucket before lodge in `bucket`.
    #[inline]
    fn guests_in(&self, bucket: usize) -> usize {
        match self.buckets {
            1 => 0,
            _ => self.previous(bucket).guests_sent(),
        }
    }

    fn stash_lines(&self) -> usize {
        let extra = self
            .head()
            .extra
            .as_ref()
            .map_or(0, |extra| extra.lines.len());
        stash_lines_of(self.class()) + extra
    }

    fn stash_line(&self, index: usize) -> Line {
        let own = stash_lines_of(self.class());
        if index < own {
            return self.line_at(self.buckets + index);
        }
        let Some(extra) = &self.head().extra else {
            unreachable!("no such line")
        };
        let line = &extra.lines[index - own];
        // SAFETY: the line lives in the vector, which grows only in `place_anyway`.
        unsafe { Line::new(NonNull::from(line)) }
    }

    fn stash_spot(&self, position: usize) -> (Line, usize) {
        (self.stash_line(position / SLOTS), position % SLOTS + 1)
    }

    pub fn stash_len(&self) -> usize {
        self.head().stash_len as usize
    }

    /// As `place`, with a further stash line where every place is taken.
    pub fn place_anyway(&self, bucket: usize, tag: Tag, pointer: NonNull<u8>) {
        while !self.place(bucket, tag, pointer) {
            let extra = self.head_mut().extra.get_or_insert_default();
            extra.lines.push(Bucket::empty());
        }
    }

    /// Asks for a bucket's line and the next, which has its guests.
    #[inline]
    pub fn prefetch_near(&self, bucket: usize) {
        self.line(bucket).prefetch();
        self.next(bucket).prefetch();
    }

    /// Hands the entries to `ask` that `find` would look at, but for those in the stash: of
    /// these only the lines before them are asked for. False if there are none.
    #[inline]
    pub fn for_candidates(&self, bucket: usize, tag: Tag, ask: impl Fn(NonNull<u8>)) -> bool {
        let line = self.line(bucket);
        let matches = line.matches(tag);
        matches.for_each(|slot| ask(line.pointer(slot)));
        if line.all_at_home() {
            return matches.count() != 0;
        }
        let guests = line.guests_sent();
        if guests != 0 {
            let next = self.next(bucket);
            let found = next.matches(tag).top(guests);
            found.for_each(|slot| ask(next.pointer(slot)));
        }
        if line.has_stashed() {
            prefetch(self.header.cast());
            self.line_at(self.buckets).prefetch();
        }
        true
    }

    /// Finds the entry at home in `bucket` that has `tag` and is accepted by `eq`.
    #[inline(always)]
    pub fn find(
        &self,
        bucket: usize,
        tag: Tag,
        mut eq: impl FnMut(NonNull<u8>) -> bool,
    ) -> Option<Spot> {
        let line = self.line(bucket);
        for slot in line.matches(tag) {
            if eq(line.pointer(slot)) {
                return Some(Spot {
                    line,
                    slot,
                    area: Area::Home,
                });
            }
        }
        if line.all_at_home() {
            return None;
        }
        self.find_away(bucket, tag, eq)
    }

    /// As `find`, where the home does not have it.
    #[inline(never)]
    fn find_away(
        &self,
        bucket: usize,
        tag: Tag,
        mut eq: impl FnMut(NonNull<u8>) -> bool,
    ) -> Option<Spot> {
        let line = self.line(bucket);
        let guests = line.guests_sent();
        if guests != 0 {
            let next = self.next(bucket);
            for slot in next.matches(tag).top(guests) {
                if eq(next.pointer(slot)) {
                    return Some(Spot {
                        line: next,
                        slot,
                        area: Area::Guest,
                    });
                }
            }
        }
        if line.has_stashed() {
            self.find_stashed(tag, eq)
        } else {
            None
        }
    }

    #[inline(never)]
    fn find_stashed(&self, tag: Tag, mut eq: impl FnMut(NonNull<u8>) -> bool) -> Option<Spot> {
        for index in 0..self.stash_len().div_ceil(SLOTS) {
            let line = self.stash_line(index);
            for slot in line.matches(tag) {
                if eq(line.pointer(slot)) {
                    let area = Area::Stash(index * SLOTS + slot - 1);
                    return Some(Spot { line, slot, area });
                }
            }
        }
        None
    }

    /// Puts an entry at home in `bucket` somewhere; false, and nothing done, when every
    /// place is taken.
    #[inline]
    pub fn place(&self, bucket: usize, tag: Tag, pointer: NonNull<u8>) -> bool {
        let home = self.line(bucket);
        if let Some(slot) = home.empty().lowest() {
            home.set(slot, tag, pointer);
        } else if !self.place_near(bucket, tag, pointer) && !self.stash(bucket, tag, pointer) {
            return false;
        }
        self.head_mut().len += 1;
        true
    }

    /// The home is full: lodges the entry next door, or makes room by moving one neighbour.
    fn place_near(&self, bucket: usize, tag: Tag, pointer: NonNull<u8>) -> bool {
        if self.buckets == 1 {
            return false;
        }
        let home = self.line(bucket);
        let next = self.next(bucket);
        if let Some(slot) = next.empty().highest() {
            next.set(slot, tag, pointer);
            home.add_guests_sent(1);
            return true;
        }
        let next_homes = SLOTS - home.guests_sent();
        let after = self.next(if bucket + 1 == self.buckets {
            0
        } else {
            bucket + 1
        });
        if next_homes != 0
            && let Some(slot) = after.empty().highest()
        {
            after.take_from(slot, next, next_homes);
            next.add_guests_sent(1);
            next.set(next_homes, tag, pointer);
            home.add_guests_sent(1);
            return true;
        }
        let previous = self.previous(bucket);
        let guests = previous.guests_sent();
        if guests != 0
            && let Some(slot) = previous.empty().lowest()
        {
            let guest = SLOTS - guests + 1;
            previous.take_from(slot, home, guest);
            previous.add_guests_sent(-1);
            home.set(guest, tag, pointer);
            return true;
        }
        false
    }

    fn stash(&self, bucket: usize, tag: Tag, pointer: NonNull<u8>) -> bool {
        let position = self.stash_len();
        if position == self.stash_lines() * SLOTS {
            return false;
        }
        let (line, slot) = self.stash_spot(position);
        line.set(slot, tag, pointer);
        self.head_mut().stash_len += 1;
        self.line(bucket).stashed_one();
        true
    }

    /// Tries to bring stashed entries home; true if one of them found a place.
    pub fn settle_stash(&self, mut home_of: impl FnMut(NonNull<u8>) -> (usize, Tag)) -> bool {
        let before = self.stash_len();
        for position in (0..before).rev() {
            let (line, slot) = self.stash_spot(position);
            let pointer = line.pointer(slot);
            let (bucket, tag) = home_of(pointer);
            let home = self.line(bucket);
            if let Some(slot) = home.empty().lowest() {
                home.set(slot, tag, pointer);
            } else if !self.place_near(bucket, tag, pointer) {
                continue;
            }
            self.unstash(bucket, position);
        }
        self.stash_len() < before
    }

    /// Takes the entry at `spot`, at home in `bucket`, out of the segment.
    #[inline]
    pub fn take(&self, bucket: usize, spot: Spot) -> NonNull<u8> {
        let pointer = spot.line.pointer(spot.slot);
        self.head_mut().len -= 1;
        let home = self.line(bucket);
        match spot.area {
            Area::Home => {
                let last = home.used().count() - self.guests_in(bucket);
                home.fill_hole(spot.slot, last);
                let sent = home.guests_sent();
                if sent != 0 {
                    // A guest next door comes home: one line less to read.
                    home.take_from(last, self.next(bucket), SLOTS - sent + 1);
                    home.add_guests_sent(-1);
                }
            }
            Area::Guest => {
                spot.line
                    .fill_hole(spot.slot, SLOTS - home.guests_sent() + 1);
                home.add_guests_sent(-1);
            }
            Area::Stash(position) => self.unstash(bucket, position),
        }
        pointer
    }

    fn unstash(&self, bucket: usize, position: usize) {
        let last = self.stash_len() - 1;
        let (hole, slot) = self.stash_spot(position);
        let (line, last_slot) = self.stash_spot(last);
        if position != last {
            hole.clear(slot);
            hole.take_from(slot, line, last_slot);
        } else {
            line.clear(last_slot);
        }
        self.head_mut().stash_len -= 1;
        self.line(bucket).unstashed_one();
        if last.is_multiple_of(SLOTS)
            && let Some(extra) = self.head_mut().extra.as_mut()
            && !extra.lines.is_empty()
        {
            extra.lines.pop();
        }
    }

    /// Visits the entries at home in `bucket`; `is_home` tells it of a stashed one.
    #[inline]
    pub fn for_home(
        &self,
        bucket: usize,
        is_home: impl Fn(NonNull<u8>) -> bool,
        mut visit: impl FnMut(NonNull<u8>),
    ) {
        self.for_each_placed(bucket, |_, pointer| visit(pointer));
        if self.line(bucket).has_stashed() {
            for position in 0..self.stash_len() {
                let (line, slot) = self.stash_spot(position);
                let pointer = line.pointer(slot);
                if is_home(pointer) {
                    visit(pointer);
                }
            }
        }
    }

    /// Has those entries asked for that a walk in order meets soon after `bucket`.
    #[inline]
    pub fn ask_ahead(&self, bucket: usize, ask: impl Fn(NonNull<u8>)) {
        let first = match bucket {
            0 => 0,
            _ => bucket + LINES_AHEAD,
        };
        for bucket in first..(bucket + LINES_AHEAD + 1).min(self.buckets) {
            self.ask_for(bucket, &ask);
        }
    }

    /// Has the entries placed in `bucket` asked for.
    #[inline]
    pub fn ask_for(&self, bucket: usize, ask: impl Fn(NonNull<u8>)) {
        let line = self.line(bucket);
        line.used().for_each(|slot| ask(line.pointer(slot)));
    }

    /// Visits every entry once, asking for the memory of those ahead.
    pub fn for_each(&self, mut visit: impl FnMut(NonNull<u8>)) {
        let lines = self.buckets + self.stash_len().div_ceil(SLOTS);
        let line_of = |index: usize| match index < self.buckets {
            true => self.line(index),
            false => self.stash_line(index - self.buckets),
        };
        let ahead = |index: usize| {
            if index < lines {
                let line = line_of(index);
                line.used().for_each(|slot| prefetch(line.pointer(slot)));
            }
        };
        (0..LINES_AHEAD).for_each(ahead);
        for index in 0..lines {
            ahead(index + LINES_AHEAD);
            let line = line_of(index);
            line.used().for_each(|slot| visit(line.pointer(slot)));
        }
    }

    /// Visits the entries at home in `bucket` that are not in the stash, with their tags.
    #[inline]
    pub fn for_each_placed(&self, bucket: usize, mut visit: impl FnMut(Tag, NonNull<u8>)) {
        let home = self.line(bucket);
        for slot in 1..=home.used().count() - self.guests_in(bucket) {
            visit(home.tag(slot), home.pointer(slot));
        }
        let sent = home.guests_sent();
        if sent != 0 {
            let next = self.next(bucket);
            for slot in next.used().top(sent) {
                visit(next.tag(slot), next.pointer(slot));
            }
        }
    }

    pub fn for_each_stashed(&self, mut visit: impl FnMut(NonNull<u8>)) {
        for position in 0..self.stash_len() {
            let (line, slot) = self.stash_spot(position);
            visit(line.pointer(slot));
        }
    }

    /// The slots of the segment, for drawing one: `slot_at` of each number below this.
    pub fn slots(&self) -> usize {
        (self.buckets + self.stash_lines()) * SLOTS
    }

    pub fn slot_at(&self, index: usize) -> Option<NonNull<u8>> {
        let (bucket, slot) = (index / SLOTS, index % SLOTS + 1);
        let line = match bucket < self.buckets {
            true => self.line(bucket),
            false => self.stash_line(bucket - self.buckets),
        };
        line.used()
            .any(|used| used == slot)
            .then(|| line.pointer(slot))
    }
}
