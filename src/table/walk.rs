//! Walks by order: SCAN, deadlines, random draws.

use super::directory::{ORDER_BITS, Table, order_of};
use super::slot::{Slot, SlotRef};
use crate::base::hash::KeyHasher;

impl<S: Slot> Table<S> {
    /// Visits every slot.
    pub fn for_each(&self, mut visit: impl FnMut(&S)) {
        self.for_each_segment(|segment| {
            // SAFETY: the pointers of a table are live slots, borrowed with the table.
            segment.for_each(|pointer| visit(unsafe { S::borrow_raw(&pointer) }));
        });
    }

    /// Visits the entries at home in the bucket that holds `order`, but those before
    /// `order`, and returns the order to go on with, `None` at the end. Starts at 0.
    ///
    /// What is in the table from the first call to the last is visited exactly once,
    /// however the table grows and shrinks in between.
    pub fn scan<'a>(
        &'a self,
        order: u64,
        hasher: &KeyHasher,
        mut visit: impl FnMut(SlotRef<'a, S>),
    ) -> Option<u64> {
        if !self.has_segments() || order >> ORDER_BITS != 0 {
            return None;
        }
        let link = self.link_of_order(order);
        let bucket = link.bucket_of_order(order);
        let from_the_start = link.bucket_order(order, bucket) == order;
        // SAFETY: the pointers of a table are live slots, borrowed with the table.
        let hash_of = |pointer| unsafe { SlotRef::<S>::new(pointer) }.hash(hasher);
        link.segment().for_home(
            bucket,
            |pointer| link.bucket(hash_of(pointer)) == bucket,
            |pointer| {
                if from_the_start || order_of(hash_of(pointer)) >= order {
                    // SAFETY: as above, for the lifetime of the table's borrow.
                    visit(unsafe { SlotRef::new(pointer) });
                }
            },
        );
        let next = link.bucket_order(order, bucket + 1);
        (next >> ORDER_BITS == 0).then_some(next)
    }

    /// A slot drawn at random, all with the same chance; `below(n)` draws a number below
    /// `n`.
    pub fn random(&self, mut below: impl FnMut(u64) -> u64) -> Option<SlotRef<'_, S>> {
        if self.is_empty() {
            return None;
        }
        loop {
            let index = below(1 << self.depth());
            let link = self.link_at(index as usize);
            // A segment with many places in the directory is drawn by its first only.
            if index & ((1 << (self.depth() - link.depth())) - 1) != 0 {
                continue;
            }
            let segment = link.segment();
            let slots = if self.depth() == 0 {
                segment.slots()
            } else {
                self.slots_max as usize
            };
            let slot = below(slots as u64) as usize;
            if slot < segment.slots()
                && let Some(pointer) = segment.slot_at(slot)
            {
                // SAFETY: the pointers of a table are live slots, borrowed with the table.
                return Some(unsafe { SlotRef::new(pointer) });
            }
        }
    }

    /// Says that the segment of `hash` holds something that expires at `at_ms`: to be
    /// called after a slot with an expiry came in or got an earlier one.
    #[inline]
    pub fn lower_deadline(&mut self, hash: u64, at_ms: i64) {
        if self.has_segments() {
            let segment = self.link(hash).segment();
            let header = segment.head_mut();
            header.deadline_ms = header.deadline_ms.min(at_ms);
        }
    }

    /// Nothing in the table expires before.
    pub fn deadline_ms(&self) -> i64 {
        let mut earliest_ms = i64::MAX;
        self.for_each_segment(|segment| {
            earliest_ms = earliest_ms.min(segment.head().deadline_ms);
        });
        earliest_ms
    }

    /// The first order not below `order` in a segment that may hold something due at
    /// `now_ms`; other segments are passed over unread but for one line each.
    pub fn due(&self, mut order: u64, now_ms: i64) -> Option<u64> {
        while self.has_segments() && order >> ORDER_BITS == 0 {
            let link = self.link_of_order(order);
            if link.segment().head().deadline_ms <= now_ms {
                return Some(order);
            }
            order = link.first_order(order) + link.span();
        }
        None
    }

    /// Visits the whole segment that holds `order` (some 400 slots); returns the next
    /// segment's first order, `None` at the end.
    pub fn for_segment(&self, order: u64, mut visit: impl FnMut(&S)) -> Option<u64> {
        if !self.has_segments() || order >> ORDER_BITS != 0 {
            return None;
        }
        let link = self.link_of_order(order);
        // SAFETY: the pointers of a table are live slots, borrowed with the table.
        let borrowed = |pointer| visit(unsafe { S::borrow_raw(&pointer) });
        link.segment().for_each(borrowed);
        let next = link.first_order(order) + link.span();
        (next >> ORDER_BITS == 0).then_some(next)
    }

    /// Visits the whole segment that holds `order` (some 400 slots) and makes the least that
    /// `visit` returns its deadline; returns the next segment's first order.
    ///
    /// For slots that are about to be removed `visit` returns `None`; one that stays after
    /// all needs `lower_deadline`.
    pub fn sweep(&mut self, order: u64, mut visit: impl FnMut(&S) -> Option<i64>) -> Option<u64> {
        if !self.has_segments() || order >> ORDER_BITS != 0 {
            return None;
        }
        let link = self.link_of_order(order);
        let segment = link.segment();
        let mut deadline_ms = i64::MAX;
        segment.for_each(|pointer| {
            // SAFETY: the pointers of a table are live slots, borrowed with the table.
            let slot = unsafe { S::borrow_raw(&pointer) };
            deadline_ms = deadline_ms.min(visit(slot).unwrap_or(i64::MAX));
        });
        segment.head_mut().deadline_ms = deadline_ms;
        let next = link.first_order(order) + link.span();
        (next >> ORDER_BITS == 0).then_some(next)
    }
}
