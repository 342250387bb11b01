//! Growing, splitting, shrinking, merging: all of them rebuild one segment or two.

use std::ptr::NonNull;

use super::class::{CLASS_MAX, class_for, class_prepared_for, merge_len_max, prepared_len_max};
use super::directory::{DEPTH_MAX, Link, Table, prefetch_slot};
use super::filling::Filling;
use super::segment::Segment;
use super::slot::{Slot, Snapshots};
use crate::base::hash::KeyHasher;

/// The directory does not double while the table holds fewer entries for each of its places:
/// hashes that collide must not blow it up.
const ENTRIES_PER_LINK_MIN: usize = 32;

impl<S: Slot> Table<S> {
    /// Gives a table that has nothing yet the size that `len` entries will need in the end,
    /// so that they cost no growing. They are no part of any snapshot that is open now.
    pub fn prepare(&mut self, len: usize) {
        if self.has_segments() || len == 0 {
            return;
        }
        let mut depth = 0;
        while len >> depth > prepared_len_max() && depth < DEPTH_MAX {
            depth += 1;
        }
        let class = class_prepared_for(len >> depth);
        let links: Vec<Link> = (0..1_usize << depth)
            .map(|_| {
                let segment = Segment::allocate(class);
                segment.head_mut().given = [u64::MAX; 2];
                self.count_bytes(segment.bytes(), 0);
                self.slots_max = segment.slots() as u32;
                Link::new(segment, depth)
            })
            .collect();
        self.set_directory(&links, depth);
    }

    /// Makes the segment of `hash` a step larger or splits it. True when neither is
    /// possible.
    #[cold]
    pub(super) fn make_room(
        &mut self,
        hash: u64,
        hasher: &KeyHasher,
        snaps: &mut impl Snapshots<S>,
    ) -> bool {
        let link = self.link(hash);
        let class = link.segment().class();
        if class < CLASS_MAX {
            self.give_segment(link, hasher, snaps);
            self.rebuild(hash, link, class + 1, hasher);
            return false;
        }
        let depth = self.depth();
        if link.depth() == depth {
            let links = 2_usize << depth;
            if depth == DEPTH_MAX || self.len() / links < ENTRIES_PER_LINK_MIN {
                return true;
            }
            self.give_segment(link, hasher, snaps);
            self.double_directory();
        } else {
            self.give_segment(link, hasher, snaps);
        }
        self.split(hash, link, hasher);
        false
    }

    /// After a removal: merges a nearly empty segment with its buddy, or shrinks it.
    #[cold]
    pub(super) fn shrink(&mut self, hash: u64, hasher: &KeyHasher, snaps: &mut impl Snapshots<S>) {
        let link = self.link(hash);
        let segment = link.segment();
        if link.depth() > 0 {
            let buddy_hash = hash ^ 1 << (64 - u32::from(link.depth()));
            let buddy = self.link(buddy_hash);
            if buddy.depth() == link.depth()
                && segment.len() + buddy.segment().len() <= merge_len_max()
            {
                self.give_segment(link, hasher, snaps);
                self.give_segment(buddy, hasher, snaps);
                self.merge(hash, [link, buddy], hasher);
                return;
            }
        }
        // Room for half as many again: a table that breathes is not rebuilt each time.
        let class = class_for(segment.len() + segment.len() / 2);
        if class < segment.class() {
            self.give_segment(link, hasher, snaps);
            self.rebuild(hash, link, class, hasher);
        }
    }

    /// Moves a table of one segment to other memory. Tables that grow together leave the
    /// memory of their former sizes all but empty, and what of it the last of them still use
    /// is found here and there: moved together, it takes a fraction. With a snapshot open,
    /// which would have to be given everything first, the table stays where it is.
    pub fn resettle(&mut self, hasher: &KeyHasher, snaps: &impl Snapshots<S>) {
        if self.has_segments() && self.depth() == 0 && snaps.numbers() == [0, 0] {
            let link = self.link(0);
            self.rebuild(0, link, link.segment().class(), hasher);
        }
    }

    fn rebuild(&mut self, hash: u64, link: Link, class: u8, hasher: &KeyHasher) {
        let old = link.segment();
        let new = Link::new(heir_of(old, class), link.depth());
        let mut filling = Filling::new(new);
        // Most entries need not be read: see `Link`. The others are asked for side by side.
        let mut unsure = Vec::with_capacity(old.len());
        let mut ask = |pointer| {
            prefetch_slot::<S>(pointer);
            unsure.push(pointer);
        };
        for bucket in 0..old.buckets() {
            let cells = link.cells(bucket, new.buckets());
            old.for_each_placed(bucket, |tag, pointer| {
                match cells.and_then(|cells| cells.home(tag)) {
                    Some(home) => filling.add_home(home, tag, pointer),
                    None => ask(pointer),
                }
            });
        }
        old.for_each_stashed(ask);
        for pointer in unsure {
            filling.add(hash_of::<S>(pointer, hasher), pointer);
        }
        filling.finish();
        self.set_links(hash, new);
        self.retire(&[old], &[new.segment()]);
    }

    fn split(&mut self, hash: u64, link: Link, hasher: &KeyHasher) {
        let old = link.segment();
        let depth = link.depth() + 1;
        let bit = 1 << (64 - u32::from(depth));
        let mut entries = Vec::with_capacity(old.len());
        let mut upper = 0;
        old.for_each(|pointer| {
            let hash = hash_of::<S>(pointer, hasher);
            upper += usize::from(hash & bit != 0);
            entries.push((hash, pointer));
        });
        let halves = [entries.len() - upper, upper]
            .map(|len| Link::new(heir_of(old, class_for(len)), depth));
        let mut fillings = halves.map(Filling::new);
        for (hash, pointer) in entries {
            fillings[usize::from(hash & bit != 0)].add(hash, pointer);
        }
        fillings.into_iter().for_each(Filling::finish);
        self.set_links(hash & !bit, halves[0]);
        self.set_links(hash | bit, halves[1]);
        self.retire(&[old], &halves.map(Link::segment));
    }

    fn merge(&mut self, hash: u64, links: [Link; 2], hasher: &KeyHasher) {
        let olds = links.map(Link::segment);
        let len = olds[0].len() + olds[1].len();
        let segment = heir_of(olds[0], class_for(len + len / 4));
        let deadline_ms = olds[0].head().deadline_ms.min(olds[1].head().deadline_ms);
        segment.head_mut().deadline_ms = deadline_ms;
        let new = Link::new(segment, links[0].depth() - 1);
        let mut filling = Filling::new(new);
        for old in olds {
            old.for_each(|pointer| filling.add(hash_of::<S>(pointer, hasher), pointer));
        }
        filling.finish();
        let directory_may_halve = links[0].depth() == self.depth();
        self.set_links(hash, new);
        self.retire(&olds, &[segment]);
        if directory_may_halve {
            self.halve_directory();
        }
    }

    /// Counts the new segments, and frees the old ones, which no link names any more.
    fn retire(&mut self, olds: &[Segment], news: &[Segment]) {
        for new in news {
            self.count_bytes(new.bytes(), 0);
            self.slots_max = self.slots_max.max(new.slots() as u32);
        }
        for old in olds {
            self.count_bytes(0, old.bytes());
            // SAFETY: the directory names the new segments only.
            unsafe { old.free() }
        }
    }
}

/// A new segment that goes on with the old one's deadline, and whose entries were all given
/// to the snapshots the old one has met.
fn heir_of(old: Segment, class: u8) -> Segment {
    let new = Segment::allocate(class);
    let header = new.head_mut();
    header.deadline_ms = old.head().deadline_ms;
    header.snapshot = old.head().snapshot;
    header.given = [u64::MAX; 2];
    new
}

fn hash_of<S: Slot>(pointer: NonNull<u8>, hasher: &KeyHasher) -> u64 {
    // SAFETY: the pointers of a table are live slots, borrowed with the table.
    unsafe { S::borrow_raw(&pointer) }.hash(hasher)
}
