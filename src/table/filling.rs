//! A new segment while entries pour into it.

use std::ptr::NonNull;

use super::bucket::{SLOTS, Tag};
use super::class::BUCKETS_MAX;
use super::directory::Link;

/// An empty segment that is being filled. It counts what each bucket holds: to look at a
/// line for a free slot right after writing to it would stall the processor every time.
pub(super) struct Filling {
    link: Link,
    counts: [u8; BUCKETS_MAX],
    /// What found its home full, to be lodged elsewhere when all homes are settled.
    overflow: Vec<(usize, Tag, NonNull<u8>)>,
}

impl Filling {
    /// The link's segment must be empty, and in no table before `finish`.
    pub fn new(link: Link) -> Filling {
        Filling {
            link,
            counts: [0; BUCKETS_MAX],
            overflow: Vec::new(),
        }
    }

    pub fn add(&mut self, hash: u64, pointer: NonNull<u8>) {
        self.add_home(self.link.bucket(hash), self.link.tag(hash), pointer);
    }

    /// As `add`, of an entry whose home `bucket` is known.
    #[inline]
    pub fn add_home(&mut self, bucket: usize, tag: Tag, pointer: NonNull<u8>) {
        let count = &mut self.counts[bucket];
        if usize::from(*count) == SLOTS {
            self.overflow.push((bucket, tag, pointer));
            return;
        }
        *count += 1;
        let line = self.link.segment().line(bucket);
        line.set(usize::from(*count), tag, pointer);
    }

    /// Finds places for what found its home full; only now is the segment one.
    pub fn finish(self) {
        let placed: u32 = self.counts.iter().map(|&count| u32::from(count)).sum();
        let segment = self.link.segment();
        segment.head_mut().len += placed;
        for (bucket, tag, pointer) in self.overflow {
            segment.place_anyway(bucket, tag, pointer);
        }
    }
}
