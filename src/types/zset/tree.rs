//! A B+tree that knows ranks: the members of a sorted set in order of score, then bytes.
//!
//! Nodes know how many members are below each kid, so a rank is found, and a rank's member,
//! on the way down. All nodes are behind `Arc`s: cloning a tree is cheap, and a change copies
//! those nodes on its way that a clone shares, each of bounded size.
//!
//! Leaves have numbers that the set's index refers to. Whoever changes the tree is told
//! when a member moves to another leaf, or out with others (`Moved`).

use std::ops::Range;
use std::sync::Arc;

use super::branch::{Bound, Branch, FAN_MAX, Kids};
use super::leaf::{Leaf, Text};
use super::leaves::Leaves;

/// Called with a member, the number of its leaf until now, and that of its leaf from now
/// on, if it still has one.
pub type Moved<'a> = &'a mut dyn FnMut(&[u8], u32, Option<u32>);

/// A member to be put in.
#[derive(Clone, Copy)]
pub struct New<'a> {
    pub score: f64,
    pub member: &'a [u8],
    pub tag: u8,
}

#[derive(Clone, Debug)]
pub struct Tree {
    root: Arc<Branch>,
    leaves: Leaves,
    len: usize,
}

impl Default for Tree {
    fn default() -> Tree {
        Tree {
            root: Arc::new(Branch::of_leaves()),
            leaves: Leaves::default(),
            len: 0,
        }
    }
}

impl Tree {
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn leaf(&self, id: u32) -> &Leaf {
        self.leaves.get(id)
    }

    /// How many members come before this place in the order.
    pub fn position(&self, score: f64, member: &[u8]) -> usize {
        let (mut branch, mut rank) = (&*self.root, 0);
        while branch.len() > 0 {
            let kid = branch.kid_of(score, member);
            rank += branch.count_before(kid);
            match &branch.kids {
                Kids::Branches(branches) => branch = &branches[kid],
                Kids::Leaves(ids) => {
                    return rank + self.leaves.get(ids[kid]).position(score, member);
                }
            }
        }
        rank
    }

    /// How many members come before the first that `is_before` says no to. From that one
    /// on it says no to all.
    pub fn partition_point(&self, is_before: impl Fn(f64, &[u8]) -> bool) -> usize {
        let (mut branch, mut rank) = (&*self.root, 0);
        while branch.len() > 0 {
            let kid = branch.kid_where(&is_before);
            rank += branch.count_before(kid);
            match &branch.kids {
                Kids::Branches(branches) => branch = &branches[kid],
                Kids::Leaves(ids) => {
                    return rank + self.leaves.get(ids[kid]).partition_point(is_before);
                }
            }
        }
        rank
    }

    /// The leaf that has the member of a rank, and its place there.
    pub fn at(&self, rank: usize) -> Option<(&Leaf, usize)> {
        let (mut branch, mut left) = (&*self.root, rank);
        if rank >= self.len {
            return None;
        }
        loop {
            let (kid, rest) = branch.kid_at(left);
            left = rest;
            match &branch.kids {
                Kids::Branches(branches) => branch = &branches[kid],
                Kids::Leaves(ids) => return Some((self.leaves.get(ids[kid]), left)),
            }
        }
    }

    /// Members from `rank` on, at most `count`, upwards or downwards.
    pub fn walk(&self, rank: usize, count: usize, down: bool) -> Walk<'_> {
        let mut walk = Walk {
            tree: self,
            path: Vec::new(),
            leaf: None,
            at: 0,
            left: 0,
            down,
        };
        if rank < self.len {
            let most = if down { rank + 1 } else { self.len - rank };
            walk.left = count.min(most);
            walk.at = walk.descend(&self.root, rank);
        }
        walk
    }

    /// Puts a member in that is not there, and says into which leaf.
    pub fn insert(&mut self, new: New, moved: Moved) -> u32 {
        self.len += 1;
        let (leaf, split) = insert_below(&mut self.root, &mut self.leaves, new, moved);
        if let Some((bound, right)) = split {
            let mut root = Branch::of_branches();
            root.insert_branch(0, Bound::default(), self.root.clone());
            root.insert_branch(1, bound, Arc::new(right));
            self.root = Arc::new(root);
        }
        leaf
    }

    /// Gives the member at a place of a leaf another score if it stays in this leaf.
    pub fn set_score(&mut self, leaf: u32, at: usize, score: f64) -> bool {
        let stays = self.leaves.get(leaf).spans(score);
        if stays {
            self.leaves.set_score(leaf, at, score);
        }
        stays
    }

    /// Takes a member out that is there.
    pub fn remove(&mut self, score: f64, member: &[u8], moved: Moved) {
        self.len -= 1;
        remove_below(&mut self.root, &mut self.leaves, score, member, moved);
        self.lower_root();
    }

    /// Takes the members of these ranks out, which are there.
    pub fn remove_range(&mut self, ranks: Range<usize>, moved: Moved) {
        self.len -= ranks.len();
        if !ranks.is_empty() {
            drain_below(&mut self.root, &mut self.leaves, ranks, moved);
            self.lower_root();
        }
    }

    /// A root with one kid is none.
    fn lower_root(&mut self) {
        while let Kids::Branches(branches) = &self.root.kids {
            self.root = match &branches[..] {
                [] => Arc::new(Branch::of_leaves()),
                [only] => only.clone(),
                _ => break,
            };
        }
    }

    /// A tree of members that come in order, each once.
    pub fn build<'m>(members: impl Iterator<Item = New<'m>>) -> Tree {
        let mut tree = Tree::default();
        let mut kids = Vec::new();
        let mut leaf = Leaf::new();
        let mut add = |leaf: Leaf, leaves: &mut Leaves| {
            let bound = match kids.last() {
                Some(&(_, _, left)) => Bound::between(leaves.get(left), &leaf),
                None => Bound::default(),
            };
            let len = leaf.len();
            kids.push((bound, len, leaves.add(leaf)));
        };
        for new in members {
            if !leaf.has_room_in_build(new.member.len()) {
                add(std::mem::take(&mut leaf), &mut tree.leaves);
            }
            leaf.insert(leaf.len(), new.score, new.tag, Text::Bytes(new.member));
            tree.len += 1;
        }
        if leaf.len() > 0 {
            add(leaf, &mut tree.leaves);
        }
        tree.root = root_of(kids);
        tree
    }

    /// The numbers of all leaves, in order.
    pub fn leaf_ids(&self) -> Vec<u32> {
        let mut found = Vec::new();
        self.root.leaf_ids(&mut found);
        found
    }

    /// Bytes of memory. It walks the inner nodes.
    pub fn heap_bytes(&self) -> usize {
        self.root.heap_bytes() + self.leaves.heap_bytes()
    }
}

/// How many kids a branch gets that is built at once: some more will fit in.
const FAN_BUILT: usize = FAN_MAX * 3 / 4;

/// The root above all these leaves.
fn root_of(leaves: Vec<(Bound, usize, u32)>) -> Arc<Branch> {
    let mut level = Vec::new();
    let mut leaves = leaves.into_iter();
    while let Some((bound, count, id)) = leaves.next() {
        let mut branch = Branch::of_leaves();
        branch.insert_leaf(0, bound.clone(), count, id);
        for (at, (bound, count, id)) in leaves.by_ref().take(FAN_BUILT - 1).enumerate() {
            branch.insert_leaf(at + 1, bound, count, id);
        }
        level.push((bound, Arc::new(branch)));
    }
    while level.len() > 1 {
        let mut below = std::mem::take(&mut level).into_iter();
        while let Some((bound, kid)) = below.next() {
            let mut branch = Branch::of_branches();
            branch.insert_branch(0, bound.clone(), kid);
            for (at, (bound, kid)) in below.by_ref().take(FAN_BUILT - 1).enumerate() {
                branch.insert_branch(at + 1, bound, kid);
            }
            level.push((bound, Arc::new(branch)));
        }
    }
    level
        .pop()
        .map_or_else(|| Arc::new(Branch::of_leaves()), |(_, root)| root)
}

/// A node that became two: what is between, and the right one.
type Split = Option<(Bound, Branch)>;

fn insert_below(
    branch: &mut Arc<Branch>,
    leaves: &mut Leaves,
    new: New,
    moved: Moved,
) -> (u32, Split) {
    let branch = Arc::make_mut(branch);
    if branch.len() == 0 {
        branch.insert_leaf(0, Bound::default(), 0, leaves.add(Leaf::new()));
    }
    let kid = branch.kid_of(new.score, new.member);
    *branch.count_mut(kid) += 1;
    let leaf = match &mut branch.kids {
        Kids::Leaves(ids) => {
            let id = ids[kid];
            insert_in_leaf(branch, kid, id, leaves, new, moved)
        }
        Kids::Branches(branches) => {
            let (leaf, split) = insert_below(&mut branches[kid], leaves, new, moved);
            if let Some((bound, right)) = split {
                *branch.count_mut(kid) -= right.members();
                branch.insert_branch(kid + 1, bound, Arc::new(right));
            }
            leaf
        }
    };
    let split = (branch.len() > FAN_MAX).then(|| {
        // Where members come in order, nodes are left full.
        let last = kid + 2 >= branch.len();
        branch.split_off(if last {
            branch.len() - 1
        } else {
            branch.len() / 2
        })
    });
    (leaf, split)
}

/// The leaf is kid `kid` of `branch`, where the new member has been counted.
fn insert_in_leaf(
    branch: &mut Branch,
    kid: usize,
    id: u32,
    leaves: &mut Leaves,
    new: New,
    moved: Moved,
) -> u32 {
    let New { score, member, tag } = new;
    let leaf = leaves.get(id);
    let at = leaf.position(score, member);
    if leaf.has_room(member.len()) {
        leaves.change(id, |leaf| leaf.insert(at, score, tag, Text::Bytes(member)));
        return id;
    }
    let cut = leaf.split_point(at);
    if cut == 0 {
        // A leaf of its own in front; the old one keeps its number and comes second.
        let mut first = Leaf::new();
        first.insert(0, score, tag, Text::Bytes(member));
        let bound = Bound::between(&first, leaves.get(id));
        let count = branch.count(kid) - 1;
        *branch.count_mut(kid) = 1;
        let first = leaves.add(first);
        branch.insert_leaf(kid + 1, bound, count, id);
        if let Kids::Leaves(ids) = &mut branch.kids {
            ids[kid] = first;
        }
        return first;
    }
    let mut right = leaves.change(id, |leaf| leaf.split_off(cut));
    let moves = right.len();
    let goes_right = at > cut || moves == 0;
    if goes_right {
        right.insert(at - cut, score, tag, Text::Bytes(member));
    } else {
        leaves.change(id, |leaf| leaf.insert(at, score, tag, Text::Bytes(member)));
    }
    let bound = Bound::between(leaves.get(id), &right);
    let count = right.len();
    *branch.count_mut(kid) -= count;
    let right_id = leaves.add(right);
    branch.insert_leaf(kid + 1, bound, count, right_id);
    let right = leaves.get(right_id);
    for place in (0..right.len()).filter(|&place| !goes_right || place != at - cut) {
        moved(right.member(place), id, Some(right_id));
    }
    if goes_right { right_id } else { id }
}

fn remove_below(
    branch: &mut Arc<Branch>,
    leaves: &mut Leaves,
    score: f64,
    member: &[u8],
    moved: Moved,
) {
    let branch = Arc::make_mut(branch);
    if branch.len() == 0 {
        return;
    }
    let kid = branch.kid_of(score, member);
    *branch.count_mut(kid) -= 1;
    match &mut branch.kids {
        Kids::Branches(branches) => {
            remove_below(&mut branches[kid], leaves, score, member, moved);
        }
        Kids::Leaves(ids) => leaves.change(ids[kid], |leaf| {
            let at = leaf.position(score, member);
            leaf.remove(at);
        }),
    }
    tidy(branch, kid, leaves, moved);
}

fn drain_below(branch: &mut Arc<Branch>, leaves: &mut Leaves, ranks: Range<usize>, moved: Moved) {
    let branch = Arc::make_mut(branch);
    let (first, from) = branch.kid_at(ranks.start);
    let (mut kid, mut from, mut left) = (first, from, ranks.len());
    while left > 0 && kid < branch.len() {
        let here = left.min(branch.count(kid) - from);
        *branch.count_mut(kid) -= here;
        match &mut branch.kids {
            Kids::Branches(branches) => {
                let ranks = from..from + here;
                drain_below(&mut branches[kid], leaves, ranks, moved);
            }
            Kids::Leaves(ids) => {
                let id = ids[kid];
                let leaf = leaves.get(id);
                (from..from + here).for_each(|at| moved(leaf.member(at), id, None));
                leaves.change(id, |leaf| leaf.remove_range(from..from + here));
            }
        }
        (kid, from, left) = (kid + 1, 0, left - here);
    }
    // From the right, so that what is left of it keeps its place.
    for kid in (first..kid).rev() {
        if kid < branch.len() {
            tidy(branch, kid, leaves, moved);
        }
    }
}

/// Has a kid that lost members joined with a neighbour if few are left, or removed.
fn tidy(branch: &mut Branch, kid: usize, leaves: &mut Leaves, moved: Moved) {
    if branch.count(kid) == 0 {
        if let Some(leaf) = branch.remove_kid(kid) {
            leaves.take(leaf);
        }
        return;
    }
    let is_sparse = match &branch.kids {
        Kids::Leaves(ids) => leaves.get(ids[kid]).is_sparse(),
        Kids::Branches(branches) => branches[kid].len() < FAN_MAX / 4,
    };
    if !is_sparse {
        return;
    }
    let _ = kid > 0 && join(branch, kid - 1, leaves, moved)
        || kid + 1 < branch.len() && join(branch, kid, leaves, moved);
}

/// Joins a kid with the one to its right if they are small enough. Whether it did.
fn join(branch: &mut Branch, left: usize, leaves: &mut Leaves, moved: Moved) -> bool {
    let (left_id, right_id) = match &branch.kids {
        Kids::Branches(_) => return branch.join_branches(left),
        Kids::Leaves(ids) => (ids[left], ids[left + 1]),
    };
    if !leaves.get(left_id).has_room_for(leaves.get(right_id)) {
        return false;
    }
    let count = branch.count(left + 1);
    branch.remove_kid(left + 1);
    *branch.count_mut(left) += count;
    let right = leaves.take(right_id);
    leaves.change(left_id, |leaf| leaf.append(&right));
    (0..right.len()).for_each(|at| moved(right.member(at), right_id, Some(left_id)));
    true
}

/// Members one after the other, in order or against it.
pub struct Walk<'a> {
    tree: &'a Tree,
    /// The branches above the leaf, each with the place of the kid below.
    path: Vec<(&'a Branch, usize)>,
    leaf: Option<&'a Leaf>,
    at: usize,
    left: usize,
    down: bool,
}

impl<'a> Walk<'a> {
    /// Goes down from `branch` to the member of a rank in it; its place in the leaf.
    fn descend(&mut self, mut branch: &'a Branch, rank: usize) -> usize {
        let mut left = rank;
        loop {
            let (kid, rest) = branch.kid_at(left);
            left = rest;
            self.path.push((branch, kid));
            match &branch.kids {
                Kids::Branches(branches) => branch = &branches[kid],
                Kids::Leaves(ids) => {
                    self.leaf = Some(self.tree.leaves.get(ids[kid]));
                    return left;
                }
            }
        }
    }

    /// Goes on to the next leaf in this direction.
    fn turn(&mut self) {
        self.leaf = None;
        while let Some((branch, kid)) = self.path.pop() {
            let next = match self.down {
                true => kid.checked_sub(1),
                false => Some(kid + 1).filter(|&kid| kid < branch.len()),
            };
            let Some(next) = next else { continue };
            let rank = branch.count_before(next);
            let rank = rank + if self.down { branch.count(next) - 1 } else { 0 };
            self.at = self.descend(branch, rank);
            return;
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (&'a [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<(&'a [u8], f64)> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let leaf = self.leaf?;
        let at = self.at;
        let (score, member) = leaf.pair(at);
        match self.down {
            true if at > 0 => self.at = at - 1,
            false if at + 1 < leaf.len() => self.at = at + 1,
            _ if self.left > 0 => self.turn(),
            _ => {}
        }
        Some((member, score))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Walk<'_> {}
