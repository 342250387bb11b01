//! An unordered map from bytes to bytes: what large sets, hashes and sorted sets are made of.
//!
//! Linear hashing over small nodes. There are `n` nodes; a key's hash, cut to as many bits as
//! `n` needs, is the number of its node, and where no such node exists yet, the number without
//! its highest bit:
//!
//! ```text
//! chunks   [ Arc | Arc | .. ]                        128 nodes each
//! chunk    [ node | node | node | .. ]               a node = some 30 records in one page
//! page     [ tags, places | ..free.. | records ]     one allocation of some 100s of bytes
//! ```
//!
//! What always holds:
//! - Growth is one step: the new node `n` takes its half of one other node's records. So is
//!   shrinking: the last node's records go back to where they came from. Nothing is ever
//!   rehashed as a whole, and there is no directory to double.
//! - A node's keys are those whose *order*, the hash read backwards, begins with the node's
//!   number read backwards: every node is an interval of the order, at every size. SCAN goes by
//!   the order, so its cursor is a place that no growth or shrinking moves.
//! - Chunks and pages are shared with clones until they are changed, and have bounded size. A
//!   clone is a copy of the pointers to chunks: that is how a snapshot takes millions of
//!   elements in some 100 us.

/// The bytes of a node's page.
mod page;

mod node;

/// SCAN, random picks and iteration.
mod walk;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, LazyLock};

use smallvec::SmallVec;

use self::node::{New, Node};
use crate::base::hash::KeyHasher;

pub use walk::Iter;

/// Records to a node, on average, beyond which there will be one more node.
const LOAD_MAX: usize = 32;
/// Bytes of a page, on average, beyond which there will be one more node.
const PAGE_BYTES_MAX: usize = 3072;
/// Both averages below which there will be one node less.
const LOAD_MIN: usize = 12;
const PAGE_BYTES_MIN: usize = 1024;
/// Nodes of a chunk.
const CHUNK: usize = 128;

/// Of this process, for it decides nothing that outlives it.
static HASHER: LazyLock<KeyHasher> = LazyLock::new(KeyHasher::random);

/// A value that was taken out.
pub type Removed = SmallVec<[u8; 16]>;

/// The hash of a key: worth keeping where one key is looked for in several maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash(u64);

impl Hash {
    #[inline]
    pub fn of(key: &[u8]) -> Hash {
        Hash(HASHER.hash(key))
    }

    /// Bits that are not used for the number of a node.
    #[inline]
    fn tag(self) -> u8 {
        (self.0 >> 56) as u8
    }
}

#[derive(Clone, Default)]
pub struct Dict {
    chunks: Vec<Arc<[Node]>>,
    /// How many nodes there are; places behind them in the last chunk are empty.
    nodes: usize,
    len: usize,
    page_bytes: usize,
    long_bytes: usize,
    /// No node has more records.
    fullest: usize,
}

impl Dict {
    pub fn new() -> Dict {
        Dict::default()
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes allocated.
    pub fn heap_bytes(&self) -> usize {
        let places = match &self.chunks[..] {
            [only] => only.len(),
            chunks => chunks.len() * CHUNK,
        };
        self.page_bytes
            + self.long_bytes
            + self.chunks.capacity() * size_of::<Arc<[Node]>>()
            + self.chunks.len() * page::COUNTS_BYTES
            + places * size_of::<Node>()
    }

    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.get_hashed(Hash::of(key), key)
    }

    #[inline]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.get(key).is_some()
    }

    /// The same with the key's hash.
    #[inline]
    pub fn get_hashed(&self, hash: Hash, key: &[u8]) -> Option<&[u8]> {
        let node = self.node(self.number_of(hash.0))?;
        let slot = node.find(hash.tag(), key)?;
        Some(node.get(slot).1)
    }

    /// A value, to be changed without changing its length.
    pub fn get_mut(&mut self, key: &[u8]) -> Option<&mut [u8]> {
        let hash = Hash::of(key);
        let number = self.number_of(hash.0);
        let slot = self.node(number)?.find(hash.tag(), key)?;
        Some(self.node_mut(number)?.value_mut(slot))
    }

    /// Sets the value of a key, and says whether the key is new.
    pub fn insert(&mut self, key: &[u8], value: &[u8]) -> bool {
        if self.nodes == 0 {
            self.add_node(Node::default());
        }
        let hash = Hash::of(key);
        let number = self.number_of(hash.0);
        let tag = hash.tag();
        let new = New { tag, key, value };
        // Looked for before anything is unshared: it may be there already.
        let found = self.node(number).and_then(|node| {
            let slot = node.find(tag, key)?;
            Some((slot, node.get(slot).1 == value))
        });
        match found {
            Some((_, true)) => false,
            Some((slot, false)) => {
                self.change(number, |node| node.replace(slot, new));
                self.grow_if_full();
                false
            }
            None => {
                self.change(number, |node| node.push(new));
                self.len += 1;
                self.grow_if_full();
                true
            }
        }
    }

    /// Takes a key out; its value, if it was there.
    pub fn remove(&mut self, key: &[u8]) -> Option<Removed> {
        let hash = Hash::of(key);
        let number = self.number_of(hash.0);
        let node = self.node(number)?;
        let slot = node.find(hash.tag(), key)?;
        let value = SmallVec::from_slice(node.get(slot).1);
        self.change(number, |node| node.remove(slot));
        self.len -= 1;
        self.shrink_if_sparse();
        Some(value)
    }

    pub fn clear(&mut self) {
        *self = Dict::new();
    }

    /// The number of the node where a hash belongs.
    #[inline]
    fn number_of(&self, hash: u64) -> usize {
        let bits = self.nodes.next_power_of_two() - 1;
        let number = hash as usize & bits;
        if number < self.nodes {
            number
        } else {
            number & (bits >> 1)
        }
    }

    /// `None` only if there are no nodes.
    #[inline]
    fn node(&self, number: usize) -> Option<&Node> {
        self.chunks.get(number / CHUNK)?.get(number % CHUNK)
    }

    fn node_mut(&mut self, number: usize) -> Option<&mut Node> {
        let chunk = self.chunks.get_mut(number / CHUNK)?;
        Arc::make_mut(chunk).get_mut(number % CHUNK)
    }

    /// Changes a node, and counts what that changed.
    fn change<T>(&mut self, number: usize, change: impl FnOnce(&mut Node) -> T) -> Option<T> {
        let node = self.node_mut(number)?;
        let before = (node.page_bytes(), node.long_bytes());
        let done = change(node);
        let (after, len) = ((node.page_bytes(), node.long_bytes()), node.len());
        self.page_bytes = self.page_bytes + after.0 - before.0;
        self.long_bytes = self.long_bytes + after.1 - before.1;
        self.fullest = self.fullest.max(len);
        Some(done)
    }

    /// The node that the last of `nodes` was split from.
    fn parent_of_last(nodes: usize) -> usize {
        let last = nodes - 1;
        last & !(1 << last.ilog2())
    }

    fn grow_if_full(&mut self) {
        if self.len <= self.nodes * LOAD_MAX && self.page_bytes <= self.nodes * PAGE_BYTES_MAX {
            return;
        }
        let bit = 1 << self.nodes.ilog2();
        let parent = Dict::parent_of_last(self.nodes + 1);
        let goes = |key: &[u8]| Hash::of(key).0 & bit != 0;
        if let Some(node) = self.change(parent, |node| node.split(goes)) {
            self.page_bytes += node.page_bytes();
            self.long_bytes += node.long_bytes();
            self.add_node(node);
        }
    }

    fn shrink_if_sparse(&mut self) {
        if self.len == 0 {
            return self.clear();
        }
        let sparse = self.len < self.nodes * LOAD_MIN
            && self.page_bytes < self.nodes * PAGE_BYTES_MIN
            && self.nodes > 1;
        if !sparse {
            return;
        }
        let parent = Dict::parent_of_last(self.nodes);
        if let Some(node) = self.take_node() {
            self.page_bytes -= node.page_bytes();
            self.long_bytes -= node.long_bytes();
            self.change(parent, |into| into.merge(&node));
        }
    }

    fn add_node(&mut self, node: Node) {
        let (chunk, index) = (self.nodes / CHUNK, self.nodes % CHUNK);
        match self.chunks.get_mut(chunk) {
            None => {
                let places = if chunk == 0 { 1 } else { CHUNK };
                self.chunks.push(places_of(None, places));
            }
            Some(chunk) if index == chunk.len() => *chunk = places_of(Some(chunk), 2 * index),
            Some(_) => {}
        }
        self.nodes += 1;
        if let Some(place) = self.node_mut(self.nodes - 1) {
            *place = node;
        }
    }

    fn take_node(&mut self) -> Option<Node> {
        let last = self.nodes.checked_sub(1)?;
        let node = self.node_mut(last).map(std::mem::take);
        self.nodes = last;
        if last.is_multiple_of(CHUNK) {
            self.chunks.pop();
        } else if let [only] = &mut self.chunks[..]
            && last * 4 <= only.len()
        {
            *only = places_of(Some(only), 2 * last);
        }
        node
    }
}

/// A chunk of so many places, with the nodes of another one.
fn places_of(old: Option<&mut Arc<[Node]>>, places: usize) -> Arc<[Node]> {
    let old = old.map_or(&mut [][..], |old| Arc::make_mut(old));
    let nodes = old.iter_mut().map(std::mem::take);
    nodes
        .chain(std::iter::repeat_with(Node::default))
        .take(places)
        .collect()
}

impl fmt::Debug for Dict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl PartialEq for Dict {
    fn eq(&self, other: &Dict) -> bool {
        let has = |(key, value)| other.get(key) == Some(value);
        self.len == other.len && self.iter().all(has)
    }
}

impl Eq for Dict {}
