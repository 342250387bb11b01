//! A large sorted set: a tree that has the members in order, and an index that knows which
//! of its leaves a member is in. Every member is kept once, in its leaf.
//!
//! ```text
//!   member --hash--> index --leaf number--> leaf: place, score
//!   (score, member) or rank --> tree, branch by branch --> leaf
//! ```

use std::ops::Range;
use std::sync::LazyLock;

use super::index::Index;
use super::leaf::order;
use super::tree::{New, Tree, Walk};
use crate::base::hash::KeyHasher;

/// Sets of more members take long enough to free that another thread does it.
const BIG_LEN: usize = 16_384;

#[derive(Clone, Debug, Default)]
pub struct Large {
    tree: Tree,
    index: Index,
}

/// The hash of a member as the index has it.
#[inline]
fn hash_of(member: &[u8]) -> u32 {
    static HASHER: LazyLock<KeyHasher> = LazyLock::new(KeyHasher::random);
    HASHER.hash(member) as u32
}

/// The 8 bits of it that the leaf has.
#[inline]
fn tag_of(hash: u32) -> u8 {
    (hash >> 24) as u8
}

/// What tells an index where members move to.
fn follow(index: &mut Index) -> impl FnMut(&[u8], u32, Option<u32>) {
    |member, from, to| {
        let hash = hash_of(member);
        match to {
            Some(to) => index.relocate(hash, from, to),
            None => index.remove(hash, from),
        }
    }
}

impl Large {
    /// A set of these members; `None` if one comes twice. They need not be in order.
    pub fn build(members: Vec<(f64, &[u8])>) -> Option<Large> {
        let mut large = Large::without_index(members);
        for leaf in large.tree.leaf_ids() {
            for at in 0..large.tree.leaf(leaf).len() {
                let member = large.tree.leaf(leaf).member(at);
                let hash = hash_of(member);
                if large.find(hash, member).is_some() {
                    return None;
                }
                large.index.insert(hash, leaf);
            }
        }
        Some(large)
    }

    /// The same of members that are known to be different.
    pub fn of_different(members: Vec<(f64, &[u8])>) -> Large {
        let mut large = Large::without_index(members);
        let Large { tree, index } = &mut large;
        for leaf in tree.leaf_ids() {
            let members = (0..tree.leaf(leaf).len()).map(|at| tree.leaf(leaf).member(at));
            members.for_each(|member| index.insert(hash_of(member), leaf));
        }
        large
    }

    fn without_index(mut members: Vec<(f64, &[u8])>) -> Large {
        let is_down = members
            .first()
            .zip(members.last())
            .is_some_and(|(first, last)| order(*first, *last).is_gt());
        if is_down {
            members.reverse();
        }
        // Nothing to do for what comes in order, which is nearly always.
        members.sort_by(|a, b| order(*a, *b));
        let tree = Tree::build(members.iter().map(|&(score, member)| {
            let tag = tag_of(hash_of(member));
            New { score, member, tag }
        }));
        Large {
            index: Index::with_capacity(members.len()),
            tree,
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// The leaf of a member and its place there.
    #[inline]
    fn find(&self, hash: u32, member: &[u8]) -> Option<(u32, usize)> {
        self.index.find(hash, |leaf| {
            let at = self.tree.leaf(leaf).find(tag_of(hash), member)?;
            Some((leaf, at))
        })
    }

    pub fn score(&self, member: &[u8]) -> Option<f64> {
        let (leaf, at) = self.find(hash_of(member), member)?;
        Some(self.tree.leaf(leaf).score(at))
    }

    /// How many members are before this one, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let score = self.score(member)?;
        Some((self.tree.position(score, member), score))
    }

    /// Puts a member in or gives it another score. The score it had.
    pub fn set(&mut self, member: &[u8], score: f64) -> Option<f64> {
        let hash = hash_of(member);
        let tag = tag_of(hash);
        let new = New { score, member, tag };
        let Some((leaf, at)) = self.find(hash, member) else {
            let leaf = self.tree.insert(new, &mut follow(&mut self.index));
            self.index.insert(hash, leaf);
            return None;
        };
        let old = self.tree.leaf(leaf).score(at);
        if old == score || self.tree.set_score(leaf, at, score) {
            return Some(old);
        }
        self.tree.remove(old, member, &mut follow(&mut self.index));
        let to = self.tree.insert(new, &mut follow(&mut self.index));
        // Its entry was left alone meanwhile. Another leaf may have got the number of the
        // old one, but entries alike stand for each other.
        self.index.relocate(hash, leaf, to);
        Some(old)
    }

    /// Takes a member out. The score it had.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let hash = hash_of(member);
        let (leaf, at) = self.find(hash, member)?;
        let score = self.tree.leaf(leaf).score(at);
        self.index.remove(hash, leaf);
        self.tree
            .remove(score, member, &mut follow(&mut self.index));
        Some(score)
    }

    /// Takes the members of these ranks out.
    pub fn remove_range(&mut self, ranks: Range<usize>) {
        self.tree.remove_range(ranks, &mut follow(&mut self.index));
    }

    /// The member of a rank, with its score.
    pub fn at(&self, rank: usize) -> Option<(&[u8], f64)> {
        let (leaf, at) = self.tree.at(rank)?;
        Some((leaf.member(at), leaf.score(at)))
    }

    /// At most `count` members from a rank on, upwards or downwards.
    pub fn walk(&self, rank: usize, count: usize, down: bool) -> Walk<'_> {
        self.tree.walk(rank, count, down)
    }

    /// How many members come before the first that `is_before` says no to. From that one
    /// on it says no to all.
    pub fn partition_point(&self, is_before: impl Fn(f64, &[u8]) -> bool) -> usize {
        self.tree.partition_point(is_before)
    }

    /// Gives `count` members or some more, each with its score; the cursor to go on with,
    /// 0 at the end. Who is there from the first call to the last is given once.
    pub fn scan(&self, cursor: u64, count: usize, give: &mut dyn FnMut(&[u8], f64)) -> u64 {
        self.index.scan(cursor, count, |hash, leaf| {
            let (leaf, mut any) = (self.tree.leaf(leaf), false);
            leaf.find_by(tag_of(hash), |at| {
                let (score, member) = leaf.pair(at);
                if hash_of(member) == hash {
                    give(member, score);
                    any = true;
                }
                false
            });
            any
        })
    }

    /// Bytes of memory.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Large>() + self.tree.heap_bytes() + self.index.heap_bytes()
    }

    /// Whether freeing it is another thread's work.
    pub fn is_big(&self) -> bool {
        self.len() > BIG_LEN
    }
}

#[cfg(test)]
impl Large {
    /// Whether tree and index agree.
    fn check(&self) {
        let mut members = 0;
        let mut last: Option<(f64, &[u8])> = None;
        for id in self.tree.leaf_ids() {
            let leaf = self.tree.leaf(id);
            assert!(leaf.len() > 0);
            for at in 0..leaf.len() {
                let pair = leaf.pair(at);
                assert!(last.is_none_or(|last| order(last, pair).is_lt()));
                assert_eq!(self.find(hash_of(pair.1), pair.1), Some((id, at)));
                assert_eq!(self.tree.position(pair.0, pair.1), members);
                last = Some(pair);
                members += 1;
            }
        }
        assert_eq!(members, self.len());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::rng::Rng;

    type Model = BTreeMap<Vec<u8>, f64>;

    fn in_order(model: &Model) -> Vec<(Vec<u8>, f64)> {
        let mut all: Vec<_> = model.iter().map(|(m, s)| (m.clone(), *s)).collect();
        all.sort_by(|a, b| order((a.1, &a.0), (b.1, &b.0)));
        all
    }

    fn all(large: &Large, down: bool) -> Vec<(Vec<u8>, f64)> {
        let from = if down {
            large.len().saturating_sub(1)
        } else {
            0
        };
        let walk = large.walk(from, usize::MAX, down);
        walk.map(|(m, s)| (m.to_vec(), s)).collect()
    }

    fn check_equal(large: &Large, model: &Model) {
        large.check();
        let mut expect = in_order(model);
        assert_eq!(all(large, false), expect);
        expect.reverse();
        assert_eq!(all(large, true), expect);
    }

    /// Members short, long, with common beginnings; scores alike and apart.
    fn member(rng: &mut Rng, shape: u64) -> Vec<u8> {
        let number = rng.below(3000);
        if number.is_multiple_of(100) {
            return b"abc"[..number as usize / 100 % 3].to_vec();
        }
        match shape % 4 {
            0 => format!("member:{number}").into_bytes(),
            1 => format!("{}{number}", "x".repeat(number as usize % 300)).into_bytes(),
            2 => format!("{}{:04}", "same".repeat(80), number / 4).into_bytes(),
            _ => number.to_be_bytes()[6..].to_vec(),
        }
    }

    fn score(rng: &mut Rng, shape: u64) -> f64 {
        match shape % 3 {
            0 => 0.0,
            1 => rng.below(10) as f64 - 5.0,
            _ => rng.next_u64() as f64 / 1e15,
        }
    }

    #[test]
    fn as_a_sorted_map() {
        for seed in 0..12 {
            let mut rng = Rng::seeded(seed);
            let (mut large, mut model) = (Large::default(), Model::new());
            for step in 0..8000u64 {
                let grows = step / 2000 % 2 == 0;
                let member = member(&mut rng, seed);
                match rng.below(20) {
                    n if (n < 6) == grows => {
                        assert_eq!(large.remove(&member), model.remove(&member));
                    }
                    6 if !grows => {
                        let from = rng.below(large.len() as u64 + 1) as usize;
                        let count = rng.below(300) as usize;
                        let to = (from + count).min(large.len());
                        for (member, _) in &in_order(&model)[from..to] {
                            model.remove(member);
                        }
                        large.remove_range(from..to);
                    }
                    _ => {
                        let score = score(&mut rng, seed / 4);
                        let old = model.insert(member.clone(), score);
                        assert_eq!(large.set(&member, score), old);
                    }
                }
                if step % 1000 == 999 {
                    check_equal(&large, &model);
                }
            }
            let expect = in_order(&model);
            for (rank, (member, score)) in expect.iter().enumerate() {
                assert_eq!(large.rank(member), Some((rank, *score)));
                assert_eq!(large.at(rank), Some((&member[..], *score)));
                assert_eq!(
                    large.partition_point(|s, m| order((s, m), (*score, member)).is_lt()),
                    rank
                );
            }
            assert_eq!(large.at(expect.len()), None);
            assert_eq!(large.rank(b"nobody"), None);
            large.remove_range(0..large.len());
            check_equal(&large, &Model::new());
            assert!(large.heap_bytes() < 9000, "{}", large.heap_bytes());
        }
    }

    #[test]
    fn members_that_come_in_order() {
        for down in [false, true] {
            let (mut large, mut model) = (Large::default(), Model::new());
            for n in 0..20_000 {
                let score = if down { -n } else { n } as f64;
                large.set(format!("{n}").as_bytes(), score);
                model.insert(format!("{n}").into_bytes(), score);
            }
            check_equal(&large, &model);
            assert!(large.heap_bytes() < 20_000 * 32, "{}", large.heap_bytes());
            let copy = large.clone();
            for n in 0..19_900 {
                assert!(large.remove(format!("{n}").as_bytes()).is_some());
            }
            large.check();
            check_equal(&copy, &model);
        }
    }

    #[test]
    fn built_at_once() {
        let text: Vec<String> = (0..9000).map(|n| format!("{n:05}")).collect();
        for shape in 0..3 {
            let members = text.iter().enumerate().map(|(n, text)| {
                let score = match shape {
                    0 => n as f64,
                    1 => -(n as f64),
                    _ => (n * 7919 % 1000) as f64,
                };
                (score, text.as_bytes())
            });
            let members: Vec<_> = members.collect();
            let model: Model = members.iter().map(|(s, m)| (m.to_vec(), *s)).collect();
            let mut large = Large::build(members.clone()).unwrap();
            check_equal(&large, &model);
            check_equal(&Large::of_different(members.clone()), &model);
            large.set(b"one more", 500.0);
            large.check();
            for twice in [(5.0, &b"00007"[..]), (members[8].0, members[8].1)] {
                let members = members.iter().copied().chain([twice]).collect();
                assert!(Large::build(members).is_none());
            }
        }
        check_equal(&Large::build(Vec::new()).unwrap(), &Model::new());
    }

    #[test]
    fn a_scan_meets_everybody_who_stays_once() {
        let mut large = Large::default();
        let set = |large: &mut Large, name: &str, n: u64| {
            large.set(format!("{name}:{n}").as_bytes(), (n % 7) as f64);
        };
        (0..2000).for_each(|n| set(&mut large, "stays", n));
        let (mut cursor, mut met, mut round) = (0, BTreeMap::new(), 0);
        loop {
            let mut given = 0;
            cursor = large.scan(cursor, 30, &mut |member, _| {
                *met.entry(member.to_vec()).or_insert(0) += 1;
                given += 1;
            });
            assert!(given == 30 || cursor == 0);
            (0..200).for_each(|n| match round < 20 {
                true => set(&mut large, "passes", round * 200 + n),
                false => _ = large.remove(format!("passes:{}", (round - 20) * 200 + n).as_bytes()),
            });
            // Scores change meanwhile.
            (0..50).for_each(|n| _ = large.set(format!("stays:{n}").as_bytes(), round as f64));
            round += 1;
            if cursor == 0 {
                break;
            }
        }
        assert!((0..2000).all(|n| met[format!("stays:{n}").as_bytes()] == 1));
    }

    #[test]
    fn a_clone_stays_as_it_was() {
        let mut rng = Rng::seeded(5);
        let (mut large, mut model) = (Large::default(), Model::new());
        for round in 0..10u64 {
            for _ in 0..2000 {
                let member = member(&mut rng, round);
                let score = score(&mut rng, round);
                large.set(&member, score);
                model.insert(member, score);
            }
            let (copy, kept) = (large.clone(), model.clone());
            for _ in 0..2000 {
                let member = member(&mut rng, round);
                assert_eq!(large.remove(&member), model.remove(&member));
            }
            large.remove_range(0..large.len() / 3);
            let gone = model.len() - large.len();
            for (member, _) in &in_order(&model)[..gone] {
                model.remove(member);
            }
            check_equal(&copy, &kept);
            check_equal(&large, &model);
        }
    }
}
