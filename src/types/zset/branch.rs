//! The inner nodes of a sorted set's tree: what their kids hold at least, and how many.

use std::sync::Arc;

use super::leaf::Leaf;

/// Kids of a node.
pub const FAN_MAX: usize = 64;

/// A place in the order between two members that are neighbours: not above the one to the
/// right, above the one to the left.
#[derive(Clone, Debug, Default)]
pub struct Bound {
    score: f64,
    text: BoundText,
}

/// Where scores alone do not part the two.
type BoundText = Option<Arc<[u8]>>;

impl Bound {
    /// The shortest bound between the last member of one leaf and the first of the next.
    pub fn between(left: &Leaf, right: &Leaf) -> Bound {
        let (score, first) = right.pair(0);
        let (last_score, last) = left.pair(left.len() - 1);
        let text = (last_score == score).then(|| {
            let equal = last.iter().zip(first).take_while(|(a, b)| a == b).count();
            match right.long(0) {
                Some(long) if equal >= 255 => long.clone(),
                _ => first[..(equal + 1).min(first.len())].into(),
            }
        });
        Bound { score, text }
    }
}

#[derive(Clone, Debug)]
pub enum Kids {
    Branches(Vec<Arc<Branch>>),
    /// Numbers of leaves.
    Leaves(Vec<u32>),
}

#[derive(Clone, Debug)]
pub struct Branch {
    /// The bound to the left of every kid, score and text apart, for the scores are what a
    /// search reads. The first one means nothing here.
    scores: Vec<f64>,
    texts: Vec<BoundText>,
    /// Members below every kid.
    counts: Vec<usize>,
    pub kids: Kids,
}

impl Branch {
    /// A branch that has leaves, but none yet.
    pub fn of_leaves() -> Branch {
        Branch {
            scores: Vec::new(),
            texts: Vec::new(),
            counts: Vec::new(),
            kids: Kids::Leaves(Vec::new()),
        }
    }

    /// A branch that has branches, but none yet.
    pub fn of_branches() -> Branch {
        Branch {
            kids: Kids::Branches(Vec::new()),
            ..Branch::of_leaves()
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// All members below.
    pub fn members(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Members below one kid.
    #[inline]
    pub fn count(&self, kid: usize) -> usize {
        self.counts[kid]
    }

    #[inline]
    pub fn count_mut(&mut self, kid: usize) -> &mut usize {
        &mut self.counts[kid]
    }

    /// Members below all kids before this one.
    #[inline]
    pub fn count_before(&self, kid: usize) -> usize {
        self.counts[..kid].iter().sum()
    }

    /// The kid in which a member has its place.
    #[inline]
    pub fn kid_of(&self, score: f64, member: &[u8]) -> usize {
        let scores = self.scores.get(1..).unwrap_or_default();
        let below = scores.partition_point(|&s| s < score);
        if scores.get(below).is_none_or(|&s| s != score) {
            return below;
        }
        let equal = scores[below..].partition_point(|&s| s == score);
        let texts = &self.texts[1 + below..1 + below + equal];
        below + texts.partition_point(|text| bytes_of(text) <= member)
    }

    /// The last kid whose left bound `is_before` says yes to.
    pub fn kid_where(&self, is_before: impl Fn(f64, &[u8]) -> bool) -> usize {
        let (mut low, mut high) = (1, self.len().max(1));
        while low < high {
            let middle = (low + high) / 2;
            match is_before(self.scores[middle], bytes_of(&self.texts[middle])) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low - 1
    }

    /// The kid that has the member of this rank, and how many members are before it in it.
    /// The end counts as the last kid's.
    #[inline]
    pub fn kid_at(&self, rank: usize) -> (usize, usize) {
        let mut left = rank;
        for (kid, &count) in self.counts.iter().enumerate() {
            if left < count || kid + 1 == self.counts.len() {
                return (kid, left);
            }
            left -= count;
        }
        (0, left)
    }

    pub fn insert_leaf(&mut self, kid: usize, bound: Bound, count: usize, leaf: u32) {
        if let Kids::Leaves(leaves) = &mut self.kids {
            leaves.insert(kid, leaf);
            self.insert_before_kid(kid, bound, count);
        }
    }

    pub fn insert_branch(&mut self, kid: usize, bound: Bound, branch: Arc<Branch>) {
        if let Kids::Branches(branches) = &mut self.kids {
            let count = branch.members();
            branches.insert(kid, branch);
            self.insert_before_kid(kid, bound, count);
        }
    }

    fn insert_before_kid(&mut self, kid: usize, bound: Bound, count: usize) {
        self.scores.insert(kid, bound.score);
        self.texts.insert(kid, bound.text);
        self.counts.insert(kid, count);
    }

    /// Forgets a kid; if it was a leaf, its number.
    pub fn remove_kid(&mut self, kid: usize) -> Option<u32> {
        self.scores.remove(kid);
        self.texts.remove(kid);
        self.counts.remove(kid);
        match &mut self.kids {
            Kids::Leaves(leaves) => Some(leaves.remove(kid)),
            Kids::Branches(branches) => {
                branches.remove(kid);
                None
            }
        }
    }

    /// Takes the kids from `at` on away, with the bound between.
    pub fn split_off(&mut self, at: usize) -> (Bound, Branch) {
        let right = Branch {
            scores: self.scores.split_off(at),
            texts: self.texts.split_off(at),
            counts: self.counts.split_off(at),
            kids: match &mut self.kids {
                Kids::Leaves(leaves) => Kids::Leaves(leaves.split_off(at)),
                Kids::Branches(branches) => Kids::Branches(branches.split_off(at)),
            },
        };
        let (score, text) = (right.scores[0], right.texts[0].clone());
        (Bound { score, text }, right)
    }

    /// Joins two kids that are branches with few kids each. Whether it did.
    pub fn join_branches(&mut self, left: usize) -> bool {
        let Kids::Branches(branches) = &mut self.kids else {
            return false;
        };
        if branches[left].len() + branches[left + 1].len() > FAN_MAX * 3 / 4 {
            return false;
        }
        let right = Arc::unwrap_or_clone(branches.remove(left + 1));
        let into = Arc::make_mut(&mut branches[left]);
        let joint = into.len();
        into.counts.extend(right.counts);
        into.scores.extend(right.scores);
        into.texts.extend(right.texts);
        match (&mut into.kids, right.kids) {
            (Kids::Leaves(into), Kids::Leaves(right)) => into.extend(right),
            (Kids::Branches(into), Kids::Branches(right)) => into.extend(right),
            // All leaves of a tree are equally deep.
            _ => {}
        }
        into.scores[joint] = self.scores.remove(left + 1);
        into.texts[joint] = self.texts.remove(left + 1);
        self.counts[left] += self.counts.remove(left + 1);
        true
    }

    /// Adds the numbers of all leaves below, in order.
    pub fn leaf_ids(&self, found: &mut Vec<u32>) {
        match &self.kids {
            Kids::Leaves(leaves) => found.extend(leaves),
            Kids::Branches(branches) => {
                branches.iter().for_each(|branch| branch.leaf_ids(found));
            }
        }
    }

    /// Bytes of this node and all below but the leaves. It walks the nodes, of which there
    /// is one for some thousands of members.
    pub fn heap_bytes(&self) -> usize {
        const ARC_BYTES: usize = 16;
        let texts = self.texts.iter().flatten();
        let texts = texts.map(|text| ARC_BYTES + text.len()).sum::<usize>();
        let kids = match &self.kids {
            Kids::Leaves(leaves) => leaves.capacity() * size_of::<u32>(),
            Kids::Branches(branches) => {
                let below = branches.iter().map(|branch| branch.heap_bytes());
                branches.capacity() * size_of::<Arc<Branch>>() + below.sum::<usize>()
            }
        };
        ARC_BYTES
            + size_of::<Branch>()
            + self.scores.capacity() * size_of::<f64>()
            + self.texts.capacity() * size_of::<BoundText>()
            + texts
            + self.counts.capacity() * size_of::<usize>()
            + kids
    }
}

#[inline]
fn bytes_of(text: &BoundText) -> &[u8] {
    text.as_deref().unwrap_or_default()
}
