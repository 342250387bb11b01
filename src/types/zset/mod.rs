//! Sorted sets: members, each with a score, in order of score, then of bytes.
//!
//! A small one is a listpack of members and scores. A large one is a B+tree that knows
//! ranks, with an index from members to leaves; it is never made small again.
//!
//! Scores are never NaN: who computes them sees to that.

/// A vector in chunks that clones share.
mod spine;

/// The leaves of the tree.
mod leaf;

/// The leaves by number.
mod leaves;

/// The inner nodes of the tree.
mod branch;

/// The tree: members in order.
mod tree;

/// From a member to its leaf.
mod index;

/// A small set: a listpack.
mod small;

/// A large set: the tree and its index.
mod large;

#[cfg(test)]
mod tests;

use std::ops::Range;

pub use self::leaf::order;

use self::large::Large;
use self::small::Small;
use super::Encoding;
use super::listpack::{Item, ListPack};
use crate::base::memory::block::Slim;
use crate::base::rng::Rng;

/// What a set in a listpack may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `zset-max-listpack-entries`.
    pub entries: usize,
    /// `zset-max-listpack-value`: bytes of a member.
    pub value_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            entries: 128,
            value_bytes: 64,
        }
    }
}

impl Limits {
    /// Whether so many members, the longest of this length, may be a listpack.
    pub fn allow(&self, entries: usize, value_bytes: usize) -> bool {
        entries <= self.entries && value_bytes <= self.value_bytes
    }
}

#[derive(Clone, Debug)]
pub struct ZSet(Form);

#[derive(Clone, Debug)]
enum Form {
    Small(Small),
    Large(Slim<Large>),
}

const _: () = assert!(size_of::<ZSet>() == 8);

impl Default for ZSet {
    fn default() -> ZSet {
        ZSet(Form::Small(Small::default()))
    }
}

/// A part of the order: the ranks from one on, up to another.
pub type Ranks = Range<usize>;

impl ZSet {
    /// So many members will come, one of this length: if a small set may not have them, it
    /// is made large at once.
    pub fn expect(&mut self, entries: usize, value_bytes: usize, limits: &Limits) {
        if !limits.allow(entries, value_bytes) {
            self.enlarge();
        }
    }

    /// A set of these members in any order; `None` if one comes twice.
    pub fn build(members: Vec<(f64, &[u8])>, limits: &Limits) -> Option<ZSet> {
        let longest = members.iter().map(|(_, member)| member.len()).max();
        if !limits.allow(members.len(), longest.unwrap_or(0)) {
            return Large::build(members).map(|large| ZSet(Form::Large(Slim::new(large))));
        }
        let small = Small::from_pack(Small::of(members).into_pack());
        small.map(|small| ZSet(Form::Small(small)))
    }

    /// A set of these members in any order, which are known to be different.
    pub fn of_different(members: Vec<(f64, &[u8])>, limits: &Limits) -> ZSet {
        let longest = members.iter().map(|(_, member)| member.len()).max();
        if limits.allow(members.len(), longest.unwrap_or(0)) {
            return ZSet(Form::Small(Small::of(members)));
        }
        ZSet(Form::Large(Slim::new(Large::of_different(members))))
    }

    /// A set that stands in a listpack, member and score in turn; `None` if it is none.
    pub fn from_pack(pack: ListPack, limits: &Limits) -> Option<ZSet> {
        let mut set = ZSet(Form::Small(Small::from_pack(pack)?));
        set.enlarge_beyond(limits);
        Some(set)
    }

    /// The listpack that it is, if it is small.
    pub fn as_pack(&self) -> Option<&ListPack> {
        match &self.0 {
            Form::Small(small) => Some(small.pack()),
            Form::Large(_) => None,
        }
    }

    fn enlarge_beyond(&mut self, limits: &Limits) {
        if let Form::Small(small) = &self.0 {
            let longest = small.iter().map(|(member, _)| member.len_bytes()).max();
            if !limits.allow(small.len(), longest.unwrap_or(0)) {
                self.enlarge();
            }
        }
    }

    /// Makes a small set large.
    fn enlarge(&mut self) {
        if let Form::Small(small) = &self.0 {
            let members: Vec<_> = small.iter().map(|(m, score)| (score, m.to_vec())).collect();
            let members = members.iter().map(|(score, member)| (*score, &member[..]));
            // A small set has no member twice.
            let large = Large::build(members.collect()).unwrap_or_default();
            self.0 = Form::Large(Slim::new(large));
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Small(small) => small.len(),
            Form::Large(large) => large.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Form::Small(small) => small.is_empty(),
            Form::Large(large) => large.len() == 0,
        }
    }

    pub fn encoding(&self) -> Encoding {
        match &self.0 {
            Form::Small(_) => Encoding::ListPack,
            Form::Large(_) => Encoding::SkipList,
        }
    }

    /// Bytes of memory that it has allocated.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Small(small) => small.pack().heap_bytes(),
            Form::Large(large) => large.heap_bytes(),
        }
    }

    /// Whether freeing it is another thread's work.
    pub fn is_big(&self) -> bool {
        match &self.0 {
            Form::Small(_) => false,
            Form::Large(large) => large.is_big(),
        }
    }

    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.0 {
            Form::Small(small) => small.score(member),
            Form::Large(large) => large.score(member),
        }
    }

    /// How many members are before this one, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match &self.0 {
            Form::Small(small) => small.rank(member),
            Form::Large(large) => large.rank(member),
        }
    }

    /// Puts a member in or gives it another score, which is no NaN. The score it had.
    pub fn set(&mut self, member: &[u8], score: f64, limits: &Limits) -> Option<f64> {
        match &mut self.0 {
            Form::Large(large) => large.set(member, score),
            Form::Small(small) => {
                let fits = limits.allow(small.len() + 1, member.len())
                    && small.pack().has_room_for(member.len());
                if fits || small.score(member).is_some() {
                    return small.set(member, score);
                }
                self.enlarge();
                self.set(member, score, limits)
            }
        }
    }

    /// Takes a member out. The score it had.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.0 {
            Form::Small(small) => small.remove(member),
            Form::Large(large) => large.remove(member),
        }
    }

    /// Takes the members of these ranks out, all of which are there.
    pub fn remove_range(&mut self, ranks: Ranks) {
        match &mut self.0 {
            Form::Small(small) => small.remove_range(ranks),
            Form::Large(large) => large.remove_range(ranks),
        }
    }

    /// At most `count` members from a rank on, upwards or downwards.
    pub fn walk(&self, rank: usize, count: usize, down: bool) -> Walk<'_> {
        match &self.0 {
            Form::Small(small) => Walk::Small(small.walk(rank, count, down)),
            Form::Large(large) => Walk::Large(large.walk(rank, count, down)),
        }
    }

    /// All members with their scores, in order.
    pub fn iter(&self) -> Walk<'_> {
        self.walk(0, usize::MAX, false)
    }

    /// How many members come before the first that `is_before` says no to. From that one
    /// on it says no to all.
    pub fn partition_point(&self, is_before: impl Fn(f64, &[u8]) -> bool) -> usize {
        match &self.0 {
            Form::Small(small) => small.partition_point(is_before),
            Form::Large(large) => large.partition_point(is_before),
        }
    }

    /// Gives about `count` members, each with its score, or all of a small set; the cursor
    /// to go on with, 0 at the end. Who is there from the first call to the last is given.
    pub fn scan(&self, cursor: u64, count: usize, give: &mut dyn FnMut(Item, f64)) -> u64 {
        match &self.0 {
            Form::Small(small) => {
                small.iter().for_each(|(member, score)| give(member, score));
                0
            }
            Form::Large(large) => large.scan(cursor, count, &mut |member, score| {
                give(Item::Text(member), score)
            }),
        }
    }

    /// The member of a rank.
    pub fn at(&self, rank: usize) -> Option<(Item<'_>, f64)> {
        match &self.0 {
            Form::Small(small) => small.walk(rank, 1, false).next(),
            Form::Large(large) => {
                let (member, score) = large.at(rank)?;
                Some((Item::Text(member), score))
            }
        }
    }

    /// A member picked at random; `None` of an empty set.
    pub fn random(&self, rng: &mut Rng) -> Option<(Item<'_>, f64)> {
        self.at(rng.below(self.len() as u64) as usize)
    }
}

/// Members one after the other, in order or against it.
pub enum Walk<'a> {
    Small(small::Walk<'a>),
    Large(tree::Walk<'a>),
}

impl<'a> Iterator for Walk<'a> {
    type Item = (Item<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<(Item<'a>, f64)> {
        match self {
            Walk::Small(walk) => walk.next(),
            Walk::Large(walk) => walk.next().map(|(m, score)| (Item::Text(m), score)),
        }
    }
}
