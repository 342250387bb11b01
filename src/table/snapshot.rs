//! Giving to snapshots: every home once, as it was at the cut.
//!
//! A home that is given, by a writer that is about to change it or by the walker, is marked
//! in its segment. A segment that has not met a snapshot yet counts as not given.

use super::directory::{Link, ORDER_BITS, Table, prefetch_slot};
use super::slot::{Slot, Snapshots};
use crate::base::hash::KeyHasher;

impl<S: Slot> Table<S> {
    /// Gives the home of `hash` to every open snapshot that has not had it: what has to
    /// happen before a slot there changes. `get_mut`, `insert_new` and `remove` do it
    /// themselves.
    pub fn give(&mut self, hash: u64, hasher: &KeyHasher, snaps: &mut impl Snapshots<S>) {
        if self.has_segments() {
            let link = self.link(hash);
            self.give_bucket(link, link.bucket(hash), hasher, snaps);
        }
    }

    /// The walker's step: gives the bucket that holds `order` to the snapshot in `place`
    /// unless it was given before. Starts at 0; returns the order to go on with, `None` at
    /// the end. What is all given already is skipped by the segment.
    pub fn give_next(
        &mut self,
        order: u64,
        place: usize,
        hasher: &KeyHasher,
        snaps: &mut impl Snapshots<S>,
    ) -> Option<u64> {
        let number = snaps.numbers()[place];
        if !self.has_segments() || number == 0 {
            return None;
        }
        let link = self.link_of_order(order);
        let segment = link.segment();
        let all = u64::MAX >> (64 - segment.buckets());
        let given = segment.head().given[place];
        let next = if segment.head().snapshot[place] == number && given & all == all {
            link.first_order(order) + link.span()
        } else {
            let bucket = link.bucket_of_order(order);
            segment.ask_ahead(bucket, prefetch_slot::<S>);
            if mark_given(link, bucket, place, number) {
                give_home(link, bucket, place, hasher, snaps);
            }
            link.bucket_order(order, bucket + 1)
        };
        (next >> ORDER_BITS == 0).then_some(next)
    }

    #[inline(always)]
    pub(super) fn give_bucket(
        &mut self,
        link: Link,
        bucket: usize,
        hasher: &KeyHasher,
        snaps: &mut impl Snapshots<S>,
    ) {
        let numbers = snaps.numbers();
        if numbers != [0, 0] {
            give_to_all(link, bucket, numbers, hasher, snaps);
        }
    }

    /// Gives all of a segment: before it is rebuilt.
    pub(super) fn give_segment(
        &mut self,
        link: Link,
        hasher: &KeyHasher,
        snaps: &mut impl Snapshots<S>,
    ) {
        if snaps.numbers() != [0, 0] {
            for bucket in 0..link.segment().buckets() {
                self.give_bucket(link, bucket, hasher, snaps);
            }
        }
    }
}

#[inline(never)]
fn give_to_all<S: Slot>(
    link: Link,
    bucket: usize,
    numbers: [u32; 2],
    hasher: &KeyHasher,
    snaps: &mut impl Snapshots<S>,
) {
    for (place, number) in numbers.into_iter().enumerate() {
        if number != 0 && mark_given(link, bucket, place, number) {
            // Nobody has asked for them, unlike on the walker's way.
            link.segment().ask_for(bucket, prefetch_slot::<S>);
            give_home(link, bucket, place, hasher, snaps);
        }
    }
}

/// True if it was not given yet.
fn mark_given(link: Link, bucket: usize, place: usize, number: u32) -> bool {
    let segment = link.segment();
    let header = segment.head_mut();
    if header.snapshot[place] != number {
        header.snapshot[place] = number;
        header.given[place] = 0;
    }
    let before = header.given[place];
    header.given[place] |= 1 << bucket;
    header.given[place] != before
}

fn give_home<S: Slot>(
    link: Link,
    bucket: usize,
    place: usize,
    hasher: &KeyHasher,
    snaps: &mut impl Snapshots<S>,
) {
    link.segment().for_home(
        bucket,
        // SAFETY: the pointers of a table are live slots, borrowed with the table.
        |pointer| link.bucket(unsafe { S::borrow_raw(&pointer) }.hash(hasher)) == bucket,
        // SAFETY: as above.
        |pointer| snaps.give(place, unsafe { S::borrow_raw(&pointer) }),
    );
}
