//! Which leaf a member is in: a hash table from 32 bits of a member's hash to the number
//! of its leaf. The member itself stands in the leaf alone, so an entry takes 8 bytes.
//!
//! It is a linear hash table of segments: the hash's low bits choose one of `n`, and the
//! table grows by the next segment in turn, which takes half of one other. So no change
//! touches more than two segments, and every segment has one owner. Inside a segment the
//! high bits choose a line of eight entries, one line of the processor's cache; what does
//! not fit in goes into the next line that has room.
//!
//! A scan goes by the hash's bits read from the lowest up. In that order a segment is an
//! interval however many there are, so a cursor means the same before and after the table
//! grew or shrank.

use std::sync::Arc;

use super::spine::Spine;
use crate::base::room::class_bytes;

/// Entries a segment has on average before there is one more.
const LOAD_MAX: usize = 256;
/// And before there is one less.
const LOAD_MIN: usize = 96;

#[derive(Clone, Debug)]
pub struct Index {
    segments: Spine<Segment>,
    len: usize,
    lines: usize,
}

impl Default for Index {
    fn default() -> Index {
        Index::with_capacity(0)
    }
}

impl Index {
    /// An index whose segments are as many as are needed for so many entries.
    pub fn with_capacity(entries: usize) -> Index {
        let mut segments = Spine::default();
        (0..=entries / LOAD_MAX).for_each(|_| segments.push(Segment::default()));
        Index {
            segments,
            len: 0,
            lines: 0,
        }
    }

    #[inline]
    fn segment_of(&self, hash: u32) -> usize {
        let segments = self.segments.len();
        let mask = segments.next_power_of_two() - 1;
        let at = hash as usize & mask;
        if at < segments { at } else { at & mask >> 1 }
    }

    /// The first leaf with this hash of which `look` makes something.
    #[inline]
    pub fn find<R>(&self, hash: u32, look: impl FnMut(u32) -> Option<R>) -> Option<R> {
        self.segments.get(self.segment_of(hash)).find(hash, look)
    }

    pub fn insert(&mut self, hash: u32, leaf: u32) {
        self.len += 1;
        if self.len > self.segments.len() * LOAD_MAX {
            self.grow();
        }
        self.put(self.segment_of(hash), hash, leaf);
    }

    fn put(&mut self, segment: usize, hash: u32, leaf: u32) {
        let segment = self.segments.get_mut(segment);
        self.lines -= segment.lines.len();
        segment.insert(hash, leaf);
        self.lines += segment.lines.len();
    }

    /// An entry has moved to another leaf. Entries alike stand for each other.
    #[inline]
    pub fn relocate(&mut self, hash: u32, from: u32, to: u32) {
        let segment = self.segment_of(hash);
        self.segments.get_mut(segment).relocate(hash, from, to);
    }

    pub fn remove(&mut self, hash: u32, leaf: u32) {
        let segment = self.segment_of(hash);
        let segment = self.segments.get_mut(segment);
        self.lines -= segment.lines.len();
        let was_there = segment.remove(hash, leaf);
        self.lines += segment.lines.len();
        self.len -= usize::from(was_there);
        if self.segments.len() > 1 && self.len < self.segments.len() * LOAD_MIN {
            self.shrink();
        }
    }

    /// Adds a segment, which takes the entries of another that have one more bit.
    fn grow(&mut self) {
        let new = self.segments.len();
        let bit = 1 << new.ilog2();
        self.segments.push(Segment::default());
        let old = self.segments.get_mut(new - bit);
        let (stay, go) = old.parted(bit as u32);
        self.lines -= old.lines.len();
        self.lines += stay.lines.len() + go.lines.len();
        *old = stay;
        *self.segments.get_mut(new) = go;
    }

    /// Takes the last segment away; the one it was once taken from gets its entries.
    fn shrink(&mut self) {
        let Some(gone) = self.segments.pop() else {
            return;
        };
        self.lines -= gone.lines.len();
        let last = self.segments.len();
        let into = last - (1 << last.ilog2());
        for (hash, leaf) in gone.entries() {
            self.put(into, hash, leaf);
        }
    }

    /// Calls `give` with hash and leaf of entries, those alike once, until it has said
    /// `count` times that it has one. The next cursor, 0 at the end.
    pub fn scan(&self, cursor: u64, count: usize, mut give: impl FnMut(u32, u32) -> bool) -> u64 {
        let Ok(mut from) = u32::try_from(cursor) else {
            return 0;
        };
        let mut given = 0;
        loop {
            let at = self.segment_of(from.reverse_bits());
            let entries = self.segments.get(at).entries();
            let mut entries: Vec<(u32, u32)> = entries
                .map(|(hash, leaf)| (hash.reverse_bits(), leaf))
                .filter(|&(place, _)| place >= from)
                .collect();
            entries.sort_unstable();
            entries.dedup();
            let mut last = from;
            for (place, leaf) in entries {
                if given >= count && place != last {
                    return u64::from(place);
                }
                given += usize::from(give(place.reverse_bits(), leaf));
                last = place;
            }
            let step = 1u64 << (32 - self.bits_of(at));
            let next = (u64::from(from) & !(step - 1)) + step;
            match u32::try_from(next) {
                Ok(next) => from = next,
                Err(_) => return 0,
            }
            if given >= count {
                return next;
            }
        }
    }

    /// How many bits of the hash have chosen this segment.
    fn bits_of(&self, segment: usize) -> u32 {
        let segments = self.segments.len();
        let bits = segments.ilog2();
        let is_split = segment < segments - (1 << bits) || segment >= 1 << bits;
        bits + u32::from(is_split)
    }

    pub fn heap_bytes(&self) -> usize {
        let heads = self.segments.len() * HEAD_BYTES;
        self.segments.heap_bytes() + heads + self.lines * size_of::<Line>()
    }
}

/// The counters in front of an `Arc`'s lines take a line of their own.
const HEAD_BYTES: usize = size_of::<Line>();
/// Entries of a line.
const WIDTH: usize = 8;
/// The leaf of entries that are free. No set has so many leaves.
const FREE: u32 = u32::MAX;

/// Eight entries. Those in use come first.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line {
    hashes: [u32; WIDTH],
    leaves: [u32; WIDTH],
}

const EMPTY: Line = Line {
    hashes: [0; WIDTH],
    leaves: [FREE; WIDTH],
};

impl Line {
    #[inline]
    fn is_full(&self) -> bool {
        self.leaves[WIDTH - 1] != FREE
    }

    fn len(&self) -> usize {
        let used = self.leaves.iter().take_while(|&&leaf| leaf != FREE);
        used.count()
    }

    /// Which entries have this hash, a bit each.
    #[inline]
    fn hits(&self, hash: u32) -> u32 {
        // Without a branch for each, so that several are compared at once.
        let mut hits = 0;
        for (bit, &h) in self.hashes.iter().enumerate() {
            hits |= u32::from(h == hash) << bit;
        }
        hits
    }

    /// Takes an entry out; the last one takes its place.
    fn remove(&mut self, at: usize) {
        let last = self.len() - 1;
        self.hashes[at] = self.hashes[last];
        self.leaves[at] = self.leaves[last];
        self.leaves[last] = FREE;
    }
}

#[derive(Clone, Debug, Default)]
struct Segment {
    lines: Arc<[Line]>,
    len: usize,
}

impl Segment {
    /// A segment with room for so many entries, and some more.
    fn with_capacity(entries: usize) -> Segment {
        let lines = (entries * 4 / 3).div_ceil(WIDTH).max(1);
        let bytes = class_bytes(HEAD_BYTES + lines * size_of::<Line>());
        let lines = (bytes - HEAD_BYTES) / size_of::<Line>();
        Segment {
            lines: std::iter::repeat_n(EMPTY, lines).collect(),
            len: 0,
        }
    }

    #[inline]
    fn home_of(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.lines.len() as u64) >> 32) as usize
    }

    #[inline]
    fn find<R>(&self, hash: u32, mut look: impl FnMut(u32) -> Option<R>) -> Option<R> {
        self.find_entry(hash, |line, at| look(line.leaves[at]))
    }

    #[inline]
    fn find_entry<R>(
        &self,
        hash: u32,
        mut look: impl FnMut(&Line, usize) -> Option<R>,
    ) -> Option<R> {
        let (behind, from) = self.lines.split_at(self.home_of(hash));
        for line in from.iter().chain(behind) {
            let mut hits = line.hits(hash);
            while hits != 0 {
                let at = hits.trailing_zeros() as usize;
                // What is free may have any hash.
                if line.leaves[at] != FREE
                    && let Some(found) = look(line, at)
                {
                    return Some(found);
                }
                hits &= hits - 1;
            }
            if !line.is_full() {
                return None;
            }
        }
        None
    }

    /// Line and place of an entry.
    fn position(&self, hash: u32, leaf: u32) -> Option<(usize, usize)> {
        let lines = self.lines.len();
        let home = self.home_of(hash);
        for line in (home..lines).chain(0..home) {
            let mut hits = self.lines[line].hits(hash);
            while hits != 0 {
                let at = hits.trailing_zeros() as usize;
                if self.lines[line].leaves[at] == leaf {
                    return Some((line, at));
                }
                hits &= hits - 1;
            }
            if !self.lines[line].is_full() {
                return None;
            }
        }
        None
    }

    fn entries(&self) -> impl Iterator<Item = (u32, u32)> {
        self.lines.iter().flat_map(|line| {
            let entries = line.hashes.into_iter().zip(line.leaves);
            entries.take_while(|&(_, leaf)| leaf != FREE)
        })
    }

    fn insert(&mut self, hash: u32, leaf: u32) {
        // At most 7/8 full.
        if (self.len + 1) * 8 > self.lines.len() * WIDTH * 7 {
            self.resize(self.len + 1);
        }
        self.put(hash, leaf);
    }

    /// Puts an entry in where there is room.
    fn put(&mut self, hash: u32, leaf: u32) {
        let home = self.home_of(hash);
        let lines = Arc::make_mut(&mut self.lines);
        let (behind, from) = lines.split_at_mut(home);
        let with_room = from.iter_mut().chain(behind).find(|line| !line.is_full());
        if let Some(line) = with_room {
            let at = line.len();
            line.hashes[at] = hash;
            line.leaves[at] = leaf;
            self.len += 1;
        }
    }

    fn relocate(&mut self, hash: u32, from: u32, to: u32) {
        if let Some((line, at)) = self.position(hash, from) {
            Arc::make_mut(&mut self.lines)[line].leaves[at] = to;
        }
    }

    /// Whether there was such an entry.
    fn remove(&mut self, hash: u32, leaf: u32) -> bool {
        let Some((line, at)) = self.position(hash, leaf) else {
            return false;
        };
        let lines = Arc::make_mut(&mut self.lines);
        let was_full = lines[line].is_full();
        lines[line].remove(at);
        self.len -= 1;
        if self.len * 5 < self.lines.len() * WIDTH * 2 && self.lines.len() > 1 {
            self.resize(self.len);
        } else if was_full {
            self.refill(line);
        }
        true
    }

    /// A line has room again: what had to go into lines behind it goes where it belongs.
    fn refill(&mut self, line: usize) {
        let mut displaced = Vec::new();
        let count = self.lines.len();
        for next in (line + 1..count).chain(0..line) {
            let is_last = !self.lines[next].is_full();
            for at in (0..self.lines[next].len()).rev() {
                let hash = self.lines[next].hashes[at];
                if self.home_of(hash) != next {
                    displaced.push((hash, self.lines[next].leaves[at]));
                    Arc::make_mut(&mut self.lines)[next].remove(at);
                }
            }
            if is_last {
                break;
            }
        }
        self.len -= displaced.len();
        for (hash, leaf) in displaced {
            self.put(hash, leaf);
        }
    }

    fn resize(&mut self, entries: usize) {
        let mut new = Segment::with_capacity(entries);
        self.entries().for_each(|(hash, leaf)| new.put(hash, leaf));
        *self = new;
    }

    /// The entries without this bit, and those with it.
    fn parted(&self, bit: u32) -> (Segment, Segment) {
        let go = self.entries().filter(|(hash, _)| hash & bit != 0).count();
        let mut parted = (
            Segment::with_capacity(self.len - go),
            Segment::with_capacity(go),
        );
        for (hash, leaf) in self.entries() {
            match hash & bit {
                0 => parted.0.put(hash, leaf),
                _ => parted.1.put(hash, leaf),
            }
        }
        parted
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::rng::Rng;

    fn leaves_of(index: &Index, hash: u32) -> Vec<u32> {
        let mut found = Vec::new();
        index.find(hash, |leaf| {
            found.push(leaf);
            None::<()>
        });
        found.sort_unstable();
        found
    }

    #[test]
    fn as_a_map_of_lists() {
        let mut rng = Rng::seeded(1);
        let mut index = Index::default();
        let mut model: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for step in 0..30_000u64 {
            // Few hashes at first, so that some are had twice and more.
            let hash = (rng.below(1 + step / 10) as u32).wrapping_mul(0x9e37_79b9);
            let leaf = rng.below(50) as u32;
            let grows = step / 5000 % 2 == 0;
            let known = model.entry(hash).or_default();
            match rng.below(10) {
                0 if !known.is_empty() => {
                    let at = rng.below(known.len() as u64) as usize;
                    let from = std::mem::replace(&mut known[at], leaf);
                    index.relocate(hash, from, leaf);
                }
                n if !known.is_empty() && (n < 4) == grows => {
                    let gone = known.swap_remove(0);
                    index.remove(hash, gone);
                }
                _ => {
                    known.push(leaf);
                    index.insert(hash, leaf);
                }
            }
            known.sort_unstable();
            assert_eq!(leaves_of(&index, hash), *known);
        }
        let mut total = 0;
        for (hash, leaves) in &model {
            assert_eq!(leaves_of(&index, *hash), *leaves);
            total += leaves.len();
        }
        assert_eq!(index.len, total);
        let segments = (0..index.segments.len()).map(|at| index.segments.get(at));
        let lines: usize = segments.map(|segment| segment.lines.len()).sum();
        assert_eq!(index.lines, lines);
        for (hash, leaves) in model {
            leaves.iter().for_each(|&leaf| index.remove(hash, leaf));
        }
        assert_eq!((index.len, index.segments.len()), (0, 1));
    }

    #[test]
    fn a_scan_meets_what_stays_exactly_once() {
        let mut rng = Rng::seeded(2);
        let stays: Vec<u32> = (0..1000).map(|_| rng.next_u64() as u32 | 1).collect();
        for grows in [true, false] {
            let mut index = Index::default();
            stays.iter().for_each(|&hash| index.insert(hash, 1));
            let passing: Vec<u32> = (0..5000).map(|_| rng.next_u64() as u32 & !1).collect();
            if !grows {
                passing.iter().for_each(|&hash| index.insert(hash, 2));
            }
            let mut met = BTreeMap::new();
            let (mut cursor, mut calls) = (0, 0);
            loop {
                let mut given = 0;
                cursor = index.scan(cursor, 20, |hash, leaf| {
                    *met.entry((hash, leaf)).or_insert(0) += 1;
                    given += 1;
                    true
                });
                assert!(given == 20 || cursor == 0);
                for &hash in passing.iter().skip(calls * 100).take(100) {
                    match grows {
                        true => index.insert(hash, 2),
                        false => index.remove(hash, 2),
                    }
                }
                calls += 1;
                if cursor == 0 {
                    break;
                }
            }
            assert!(calls > 10);
            assert!(stays.iter().all(|hash| met[&(*hash, 1)] == 1));
        }
        assert_eq!(Index::default().scan(1 << 32, 1, |_, _| true), 0);
    }

    #[test]
    fn a_clone_stays_as_it_was() {
        let mut index = Index::default();
        (0..2000).for_each(|hash| index.insert(hash, 1));
        let copy = index.clone();
        (0..2000).for_each(|hash| index.relocate(hash, 1, 2));
        (0..1900).for_each(|hash| index.remove(hash, 2));
        assert!((0..2000).all(|hash| leaves_of(&copy, hash) == [1]));
    }
}
