//! An ordered map whose clone is one pointer: a B+-tree of nodes behind `Arc`s.
//!
//! ```text
//!            [ - | k | q ]            branch: children, each with the smallest key it may
//!            /     |     \            hold (the first one's is not looked at)
//!   [a c f]   [k l]   [q r t]         leaves: keys and values, in order
//! ```
//!
//! All leaves are equally deep. A change copies the nodes on its way that a clone still
//! shares, at most one of each level and a neighbour; nobody ever walks the whole.
//!
//! A full node is halved, unless what comes belongs behind everything in it: then it stays
//! full, so that keys which only grow fill their nodes. A node with less than a quarter is
//! joined with a neighbour where both fit.

use std::borrow::Borrow;
use std::sync::Arc;

pub struct Tree<K, V, const WIDTH: usize = 64> {
    root: Option<Arc<Node<K, V>>>,
    len: usize,
}

type Child<K, V> = (K, Arc<Node<K, V>>);

#[derive(Clone)]
enum Node<K, V> {
    Leaf(Vec<(K, V)>),
    Branch(Vec<Child<K, V>>),
}

impl<K, V, const WIDTH: usize> Clone for Tree<K, V, WIDTH> {
    fn clone(&self) -> Self {
        Tree {
            root: self.root.clone(),
            len: self.len,
        }
    }
}

impl<K, V, const WIDTH: usize> Default for Tree<K, V, WIDTH> {
    fn default() -> Self {
        Tree { root: None, len: 0 }
    }
}

impl<K, V, const WIDTH: usize> std::fmt::Debug for Tree<K, V, WIDTH> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Tree({})", self.len)
    }
}

impl<K: Ord + Clone, V: Clone, const WIDTH: usize> Tree<K, V, WIDTH> {
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// About what the tree's own nodes have allocated.
    pub fn heap_bytes(&self) -> usize {
        // Nodes are two thirds full on average, and there is something around each.
        let item_bytes = size_of::<(K, V)>();
        match self.len {
            0 => 0,
            len if len <= WIDTH => NODE_BYTES + len * item_bytes,
            len => len * item_bytes * 3 / 2 + len / (WIDTH / 2) * NODE_BYTES,
        }
    }

    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let mut node = self.root.as_deref()?;
        loop {
            match node {
                Node::Leaf(items) => {
                    let at = find(items, key).ok()?;
                    return items.get(at).map(|(_, value)| value);
                }
                Node::Branch(children) => node = &children[child_of(children, key)].1,
            }
        }
    }

    /// The key as it is kept, with its value.
    pub fn get_key_value<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&(K, V)>
    where
        K: Borrow<Q>,
    {
        let item = self.iter_from(key).next()?;
        (item.0.borrow() == key).then_some(item)
    }

    pub fn contains<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// A value to be changed: the nodes that lead to it become this tree's own.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        if !self.contains(key) {
            return None;
        }
        let mut node = Arc::make_mut(self.root.as_mut()?);
        loop {
            match node {
                Node::Leaf(items) => {
                    let at = find(items, key).ok()?;
                    return items.get_mut(at).map(|(_, value)| value);
                }
                Node::Branch(children) => {
                    let at = child_of(children, key);
                    node = Arc::make_mut(&mut children[at].1);
                }
            }
        }
    }

    pub fn first(&self) -> Option<&(K, V)> {
        self.iter().next()
    }

    pub fn last(&self) -> Option<&(K, V)> {
        let mut node = self.root.as_deref()?;
        loop {
            match node {
                Node::Leaf(items) => return items.last(),
                Node::Branch(children) => node = &children.last()?.1,
            }
        }
    }

    pub fn last_mut(&mut self) -> Option<(&K, &mut V)> {
        let mut node = Arc::make_mut(self.root.as_mut()?);
        loop {
            match node {
                Node::Leaf(items) => return items.last_mut().map(|(key, value)| (&*key, value)),
                Node::Branch(children) => node = Arc::make_mut(&mut children.last_mut()?.1),
            }
        }
    }

    /// The largest key that is not above this one.
    pub fn floor<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&(K, V)>
    where
        K: Borrow<Q>,
    {
        self.iter_back_from(key).next()
    }

    /// Puts a value in; gives the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let Some(root) = &mut self.root else {
            self.root = Some(Arc::new(Node::Leaf(vec![(key, value)])));
            self.len = 1;
            return None;
        };
        let inserted = insert(root, key, value, WIDTH);
        self.len += usize::from(inserted.replaced.is_none());
        if let Some(right) = inserted.split {
            // The first child's key is not looked at.
            let left = (right.0.clone(), Arc::clone(root));
            self.root = Some(Arc::new(Node::Branch(vec![left, right])));
        }
        inserted.replaced
    }

    /// Takes a value out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        if !self.contains(key) {
            return None;
        }
        let root = self.root.as_mut()?;
        let removed = remove(root, key, WIDTH);
        self.len -= usize::from(removed.is_some());
        let only = loop {
            match &**root {
                Node::Branch(children) if children.len() == 1 => match children.first() {
                    Some((_, only)) => *root = Arc::clone(only),
                    None => break false,
                },
                node => break node.len() == 0,
            }
        };
        if only {
            self.root = None;
        }
        removed
    }

    pub fn iter(&self) -> Iter<'_, K, V> {
        let mut iter = Iter::default();
        if let Some(root) = &self.root {
            iter.descend(root, |_| 0, |_| 0);
        }
        iter
    }

    /// What is not below `key`, upwards.
    pub fn iter_from<Q: Ord + ?Sized>(&self, key: &Q) -> Iter<'_, K, V>
    where
        K: Borrow<Q>,
    {
        let mut iter = Iter::default();
        if let Some(root) = &self.root {
            iter.descend(
                root,
                |children| child_of(children, key),
                |items| items.partition_point(|(k, _)| k.borrow() < key),
            );
        }
        iter
    }

    /// What is not above `key`, downwards.
    pub fn iter_back_from<Q: Ord + ?Sized>(&self, key: &Q) -> IterBack<'_, K, V>
    where
        K: Borrow<Q>,
    {
        let mut iter = Iter::default();
        if let Some(root) = &self.root {
            iter.descend(
                root,
                |children| child_of(children, key),
                |items| items.partition_point(|(k, _)| k.borrow() <= key),
            );
        }
        IterBack(iter)
    }
}

/// What surrounds the items of a node.
const NODE_BYTES: usize = 56;

impl<K, V> Node<K, V> {
    fn len(&self) -> usize {
        match self {
            Node::Leaf(items) => items.len(),
            Node::Branch(children) => children.len(),
        }
    }
}

fn find<K: Borrow<Q>, V, Q: Ord + ?Sized>(items: &[(K, V)], key: &Q) -> Result<usize, usize> {
    items.binary_search_by(|(k, _)| k.borrow().cmp(key))
}

/// The child that holds `key` if any does.
fn child_of<K: Borrow<Q>, V, Q: Ord + ?Sized>(children: &[(K, V)], key: &Q) -> usize {
    let after = children.partition_point(|(k, _)| k.borrow() <= key);
    after.saturating_sub(1)
}

struct Inserted<K, V> {
    replaced: Option<V>,
    /// The node did not hold everything: this one goes behind it.
    split: Option<Child<K, V>>,
}

fn insert<K: Ord + Clone, V: Clone>(
    node: &mut Arc<Node<K, V>>,
    key: K,
    value: V,
    width: usize,
) -> Inserted<K, V> {
    let (mut replaced, mut split) = (None, None);
    match Arc::make_mut(node) {
        Node::Leaf(items) => match find(items, &key) {
            Ok(at) => replaced = Some(std::mem::replace(&mut items[at].1, value)),
            Err(at) => {
                let tail = insert_at(items, at, (key, value), width);
                split = tail.map(|items| (items[0].0.clone(), Arc::new(Node::Leaf(items))));
            }
        },
        Node::Branch(children) => {
            let at = child_of(children, &key);
            let below = insert(&mut children[at].1, key, value, width);
            replaced = below.replaced;
            if let Some(right) = below.split {
                let tail = insert_at(children, at + 1, right, width);
                split = tail.map(|tail| (tail[0].0.clone(), Arc::new(Node::Branch(tail))));
            }
        }
    }
    Inserted { replaced, split }
}

/// Inserts into what holds at most `width`; gives what does not fit any more, never nothing
/// and never everything.
fn insert_at<T>(items: &mut Vec<T>, at: usize, item: T, width: usize) -> Option<Vec<T>> {
    if items.len() < width {
        items.insert(at, item);
        return None;
    }
    if at == items.len() {
        return Some(vec![item]);
    }
    let half = items.len() / 2;
    let mut tail = items.split_off(half);
    match at.checked_sub(half) {
        Some(at) if at > 0 => tail.insert(at, item),
        _ => items.insert(at, item),
    }
    Some(tail)
}

fn remove<K: Ord + Clone + Borrow<Q>, V: Clone, Q: Ord + ?Sized>(
    node: &mut Arc<Node<K, V>>,
    key: &Q,
    width: usize,
) -> Option<V> {
    match Arc::make_mut(node) {
        Node::Leaf(items) => {
            let at = find(items, key).ok()?;
            Some(items.remove(at).1)
        }
        Node::Branch(children) => {
            let at = child_of(children, key);
            let removed = remove(&mut children[at].1, key, width);
            mend(children, at, width);
            removed
        }
    }
}

/// Joins a child that became small with a neighbour, if there is one that has room.
fn mend<K: Clone, V: Clone>(children: &mut Vec<Child<K, V>>, at: usize, width: usize) {
    let len = children[at].1.len();
    if len == 0 {
        children.remove(at);
        return;
    }
    if len >= width.div_ceil(4) {
        return;
    }
    let fits = |left: usize| {
        let pair = children.get(left..left + 2);
        pair.is_some_and(|pair| pair[0].1.len() + pair[1].1.len() <= width * 3 / 4)
    };
    if fits(at) {
        join(children, at);
    } else if at > 0 && fits(at - 1) {
        join(children, at - 1);
    }
}

/// Puts the content of the child behind `left` into `left`.
fn join<K: Clone, V: Clone>(children: &mut Vec<Child<K, V>>, left: usize) {
    let (key, right) = children.remove(left + 1);
    match (
        Arc::make_mut(&mut children[left].1),
        Arc::unwrap_or_clone(right),
    ) {
        (Node::Leaf(left), Node::Leaf(right)) => left.extend(right),
        (Node::Branch(left), Node::Branch(mut right)) => {
            // It is looked at now that its child is not the first one any more.
            right[0].0 = key;
            left.extend(right);
        }
        _ => unreachable!("all leaves are equally deep"),
    }
}

/// Keys and values upwards.
pub struct Iter<'t, K, V> {
    /// The branches from the root down, and which child of each we are in.
    path: Vec<(&'t [Child<K, V>], usize)>,
    leaf: &'t [(K, V)],
    /// The place in the leaf: what is next upwards stands here, downwards in front of it.
    at: usize,
}

/// Keys and values downwards.
pub struct IterBack<'t, K, V>(Iter<'t, K, V>);

impl<K, V> Default for Iter<'_, K, V> {
    fn default() -> Self {
        Iter {
            path: Vec::new(),
            leaf: &[],
            at: 0,
        }
    }
}

impl<'t, K, V> Iter<'t, K, V> {
    fn descend(
        &mut self,
        mut node: &'t Node<K, V>,
        child: impl Fn(&[Child<K, V>]) -> usize,
        place: impl Fn(&[(K, V)]) -> usize,
    ) {
        loop {
            match node {
                Node::Leaf(items) => {
                    self.leaf = items;
                    self.at = place(items);
                    return;
                }
                Node::Branch(children) => {
                    let at = child(children);
                    self.path.push((children, at));
                    node = &children[at].1;
                }
            }
        }
    }

    /// Goes on to the leaf behind. False if there is none.
    fn go_up(&mut self) -> bool {
        while let Some((children, at)) = self.path.pop() {
            if let Some((_, node)) = children.get(at + 1) {
                self.path.push((children, at + 1));
                self.descend(node, |_| 0, |_| 0);
                return true;
            }
        }
        false
    }

    fn go_down(&mut self) -> bool {
        while let Some((children, at)) = self.path.pop() {
            if let Some((_, node)) = at.checked_sub(1).and_then(|at| children.get(at)) {
                self.path.push((children, at - 1));
                self.descend(node, |children| children.len() - 1, <[_]>::len);
                return true;
            }
        }
        false
    }
}

impl<'t, K, V> Iterator for Iter<'t, K, V> {
    type Item = &'t (K, V);

    #[inline]
    fn next(&mut self) -> Option<&'t (K, V)> {
        loop {
            if let Some(item) = self.leaf.get(self.at) {
                self.at += 1;
                return Some(item);
            }
            if !self.go_up() {
                return None;
            }
        }
    }
}

impl<'t, K, V> Iterator for IterBack<'t, K, V> {
    type Item = &'t (K, V);

    #[inline]
    fn next(&mut self) -> Option<&'t (K, V)> {
        let iter = &mut self.0;
        loop {
            if let Some(at) = iter.at.checked_sub(1) {
                iter.at = at;
                return iter.leaf.get(at);
            }
            if !iter.go_down() {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use std::collections::BTreeMap;

    type Narrow = Tree<u64, u64, 4>;
    type Model = BTreeMap<u64, u64>;

    /// Width, order, depth and keys of every node below.
    fn check_node(node: &Node<u64, u64>, low: Option<u64>, high: Option<u64>) -> usize {
        assert!((1..=4).contains(&node.len()));
        match node {
            Node::Leaf(items) => {
                assert!(items.is_sorted_by(|a, b| a.0 < b.0));
                assert!(low.is_none_or(|low| low <= items[0].0));
                assert!(high.is_none_or(|high| items.last().unwrap().0 < high));
                1
            }
            Node::Branch(children) => {
                let depths = children.iter().enumerate().map(|(i, (key, child))| {
                    let low = if i == 0 { low } else { Some(*key) };
                    let high = children.get(i + 1).map(|(key, _)| *key).or(high);
                    check_node(child, low, high)
                });
                let depths: Vec<usize> = depths.collect();
                assert!(depths.iter().all(|&depth| depth == depths[0]));
                depths[0] + 1
            }
        }
    }

    fn check(tree: &Narrow, model: &Model, rng: &mut Rng) {
        assert_eq!(tree.len(), model.len());
        if let Some(root) = &tree.root {
            check_node(root, None, None);
        }
        assert!(tree.iter().map(|&(k, v)| (k, v)).eq(model.clone()));
        let last = model.last_key_value().map(|(&k, &v)| (k, v));
        assert_eq!(tree.last().copied(), last);
        for _ in 0..5 {
            let key = rng.below(120);
            assert_eq!(tree.get(&key), model.get(&key));
            let up = tree.iter_from(&key).map(|(k, _)| k);
            assert!(up.eq(model.range(key..).map(|(k, _)| k)));
            let down = tree.iter_back_from(&key).map(|(k, _)| k);
            assert!(down.eq(model.range(..=key).rev().map(|(k, _)| k)));
            let found = tree.get_key_value(&key).map(|(k, _)| *k);
            assert_eq!(found, model.contains_key(&key).then_some(key));
        }
    }

    #[test]
    fn it_does_what_a_naive_map_does() {
        for seed in 0..20 {
            let mut rng = Rng::seeded(seed);
            let (mut tree, mut model) = (Narrow::default(), Model::new());
            let mut clones: Vec<(Narrow, Model)> = Vec::new();
            for step in 0..400 {
                let key = rng.below(100);
                // Grows in some stretches and shrinks in others.
                let grows = rng.below(10) < if step / 100 % 2 == 0 { 7 } else { 3 };
                match rng.below(10) {
                    0 => {
                        let value = tree
                            .get_mut(&key)
                            .map(|value| std::mem::replace(value, step));
                        assert_eq!(
                            value,
                            model.get_mut(&key).map(|v| std::mem::replace(v, step))
                        );
                    }
                    1 => {
                        let last = tree.last_mut().map(|(key, value)| {
                            *value = step;
                            *key
                        });
                        let expect = model.last_entry().map(|mut entry| {
                            *entry.get_mut() = step;
                            *entry.key()
                        });
                        assert_eq!(last, expect);
                    }
                    _ if grows => {
                        assert_eq!(tree.insert(key, step), model.insert(key, step));
                    }
                    _ => assert_eq!(tree.remove(&key), model.remove(&key)),
                }
                check(&tree, &model, &mut rng);
                if rng.below(20) == 0 {
                    clones.push((tree.clone(), model.clone()));
                }
            }
            for (tree, model) in &clones {
                check(tree, model, &mut rng);
            }
        }
    }

    #[test]
    fn growing_keys_fill_their_nodes() {
        let mut tree: Tree<u64, ()> = Tree::default();
        (0..10_000).for_each(|key| assert!(tree.insert(key, ()).is_none()));
        fn leaves(node: &Node<u64, ()>) -> usize {
            match node {
                Node::Leaf(_) => 1,
                Node::Branch(children) => children.iter().map(|(_, child)| leaves(child)).sum(),
            }
        }
        assert_eq!(
            leaves(tree.root.as_ref().unwrap()),
            10_000_usize.div_ceil(64)
        );
        (0..10_000).for_each(|key| assert!(tree.remove(&key).is_some()));
        assert!(tree.root.is_none());
    }
}
