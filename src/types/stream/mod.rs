//! Streams: entries that are only ever added behind all others, and groups that share the
//! reading of them.
//!
//! Entries live in nodes (`node`), listpacks of a few KB that are byte for byte those of RDB
//! files, in a tree by the id of each node's first entry. A deleted entry is marked in its
//! node; a node without living entries goes. Everything that can be large is a `Tree`, whose
//! clone is one pointer: so is a snapshot of a stream.
//!
//! What always holds: no node is without a living entry; ids grow from entry to entry and
//! node to node; `last_id` is at least the last entry's; `first_id` is the first living
//! entry's, or `0-0`.

/// The ids of entries.
mod id;

/// An ordered map whose clone is one pointer.
mod tree;

/// A node: neighbouring entries in one listpack.
mod node;

/// Nodes that come from outside.
mod check;

/// Consumer groups.
mod group;

/// The entries between two ids.
mod range;

/// How far behind groups are.
mod progress;

pub use group::{Consumer, Group, NEVER, Name, Pending};
pub use id::{IdText, StreamId};
pub use node::{Entry, Fields, Limits};
pub use range::{Range, RangeBack};

use std::sync::Arc;

use super::Encoding;
use super::listpack::{ListPack, SIZE_BYTES_MAX};
use node::Node;
use tree::Tree;

/// At most so much memory is taken for a node before it is needed.
const NODE_CAPACITY_BYTES_MAX: usize = 1 << 16;

/// What an `Arc` allocates for a node: two counts, and where its entries are.
const NODE_BYTES: usize = (16 + size_of::<Node>()).next_multiple_of(8);

/// So many nodes, or pending entries, take long enough to free.
const BIG_NODES: usize = 256;
const BIG_PENDING: usize = 4096;

/// A stream. It is one pointer: what it holds stands behind it.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    body: Box<Body>,
}

#[derive(Clone, Debug, Default)]
struct Body {
    nodes: Tree<StreamId, Arc<Node>>,
    /// What the nodes have allocated.
    nodes_bytes: usize,
    len: u64,
    last_id: StreamId,
    first_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
    groups: Tree<Name, Group>,
}

/// An entry that no listpack can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// What is trimmed away: from the front, as long as this says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// So many entries.
    MaxLen(u64),
    /// Those from this id on.
    MinId(StreamId),
}

/// How a stream is trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    pub keep: Keep,
    /// Only whole nodes go.
    pub approximately: bool,
    /// At most so many entries go, 0 for any number; a node that would go beyond it stays.
    pub limit: u64,
}

/// The numbers of a stream that are no count of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    pub last_id: StreamId,
    pub max_deleted_id: StreamId,
    pub entries_added: u64,
}

impl Stream {
    pub fn len(&self) -> u64 {
        self.body.len
    }

    /// Whether it has no entries. It may have groups, and a right to be there, all the same.
    pub fn is_empty(&self) -> bool {
        self.body.len == 0
    }

    pub fn encoding(&self) -> Encoding {
        Encoding::Stream
    }

    /// The id of the first living entry, `0-0` if there is none.
    pub fn first_id(&self) -> StreamId {
        self.body.first_id
    }

    /// The last id that was given or set; no entry has a larger one.
    pub fn last_id(&self) -> StreamId {
        self.body.last_id
    }

    /// The largest id of those that were deleted one by one.
    pub fn max_deleted_id(&self) -> StreamId {
        self.body.max_deleted_id
    }

    /// How many entries were ever added.
    pub fn entries_added(&self) -> u64 {
        self.body.entries_added
    }

    pub fn set_numbers(&mut self, numbers: Numbers) {
        self.body.last_id = numbers.last_id;
        self.body.max_deleted_id = numbers.max_deleted_id;
        self.body.entries_added = numbers.entries_added;
    }

    /// About what the stream has allocated.
    pub fn heap_bytes(&self) -> usize {
        /// So many groups are asked; the others are taken to be like them.
        const ASKED: usize = 16;
        let body = &*self.body;
        let groups = body.groups.iter().take(ASKED);
        let asked: usize = groups.map(|(_, group)| group.heap_bytes()).sum();
        let of_groups = asked * body.groups.len() / body.groups.len().clamp(1, ASKED);
        let of_nodes = body.nodes_bytes + body.nodes.len() * NODE_BYTES;
        size_of::<Body>()
            + of_nodes
            + body.nodes.heap_bytes()
            + of_groups
            + body.groups.heap_bytes()
    }

    /// Whether freeing it takes long enough to be another thread's work.
    pub fn is_big(&self) -> bool {
        let groups = self.body.groups.iter().take(BIG_NODES);
        let pending: usize = groups.map(|(_, group)| group.pending_count()).sum();
        let many_groups = self.body.groups.len() >= BIG_NODES;
        self.body.nodes.len() >= BIG_NODES || pending >= BIG_PENDING || many_groups
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> usize {
        self.body.nodes.len()
    }

    /// The nodes as an RDB file has them, each with its id.
    pub fn nodes(&self) -> impl Iterator<Item = (StreamId, &[u8])> {
        let nodes = self.body.nodes.iter();
        nodes.map(|(id, node)| (*id, node.as_bytes()))
    }

    /// Takes a node from outside, to stand behind all others.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add_node(&mut self, id: StreamId, pack: ListPack) -> Result<(), &'static str> {
        let (node, last) = check::node(pack, id)?;
        let body = &mut *self.body;
        if id <= body.last_id && !body.nodes.is_empty() {
            return Err("stream nodes out of order");
        }
        body.last_id = last;
        let live = node.live();
        if live == 0 {
            return Ok(());
        }
        body.len = body.len.checked_add(live).ok_or("too many entries")?;
        body.nodes_bytes += node.heap_bytes();
        body.nodes.insert(id, Arc::new(node));
        Ok(())
    }

    /// All nodes were added: the numbers that come with them must be possible.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn finish_nodes(&mut self, len: u64, numbers: Numbers) -> Result<(), &'static str> {
        if len != self.body.len {
            return Err("a stream whose length is not that of its nodes");
        }
        if numbers.last_id < self.body.last_id {
            return Err("a stream whose last id is not its largest");
        }
        self.set_numbers(numbers);
        self.find_first();
        Ok(())
    }

    /// Adds an entry: `pairs` are its fields and values in turn, `id` is above `last_id`.
    ///
    /// # Errors
    /// It has more bytes than any node may have. Nothing has changed then.
    pub fn add(&mut self, id: StreamId, pairs: &[&[u8]], limits: &Limits) -> Result<(), TooLong> {
        debug_assert!(id > self.body.last_id, "ids grow");
        let bytes: usize = pairs.iter().map(|text| text.len()).sum();
        if bytes > SIZE_BYTES_MAX {
            return Err(TooLong);
        }
        let body = &mut *self.body;
        let last = body.nodes.last_mut();
        let head = last.as_ref().and_then(|(node_id, node)| {
            let head = node.head_with_room(bytes, limits)?;
            let delta = id.minus(**node_id);
            let is_full = node.is_full_for(&head, delta, (pairs, bytes), limits);
            (!is_full).then_some(head)
        });
        match (last, head) {
            (Some((node_id, node)), Some(head)) => {
                let push = |node: &mut Node| node.push(&head, *node_id, id, pairs);
                change(node, &mut body.nodes_bytes, push);
            }
            (last, _) => {
                let mut capacity = 0;
                if let Some((_, node)) = last {
                    change(node, &mut body.nodes_bytes, Node::close);
                    // The next one will most likely be as large.
                    capacity = node.heap_bytes().min(NODE_CAPACITY_BYTES_MAX);
                }
                let node = Node::new(pairs, capacity);
                body.nodes_bytes += node.heap_bytes();
                body.nodes.insert(id, Arc::new(node));
            }
        }
        body.last_id = id;
        body.entries_added = body.entries_added.wrapping_add(1);
        body.len += 1;
        if body.len == 1 {
            body.first_id = id;
        }
        Ok(())
    }

    /// The living entries from `start` to `end`, both included, upwards.
    pub fn range(&self, start: StreamId, end: StreamId) -> Range<'_> {
        let first = self.body.nodes.floor(&start).map_or(start, |(id, _)| *id);
        Range {
            nodes: self.body.nodes.iter_from(&first),
            entries: None,
            start,
            end,
        }
    }

    /// The same downwards, beginning with `end`.
    pub fn range_back(&self, start: StreamId, end: StreamId) -> RangeBack<'_> {
        RangeBack {
            nodes: self.body.nodes.iter_back_from(&end),
            entries: None,
            start,
            end,
        }
    }

    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        self.range(id, id).next()
    }

    /// The last living entry.
    pub fn last(&self) -> Option<Entry<'_>> {
        self.range_back(StreamId::MIN, StreamId::MAX).next()
    }

    /// Deletes entries; says how many there were. `first_id` and `max_deleted_id` follow.
    pub fn delete(&mut self, ids: &[StreamId]) -> usize {
        let mut deleted = 0;
        let mut first_is_gone = false;
        for &id in ids {
            if self.delete_one(id) {
                deleted += 1;
                first_is_gone |= id == self.body.first_id;
                self.body.max_deleted_id = self.body.max_deleted_id.max(id);
            }
        }
        if first_is_gone {
            self.find_first();
        }
        deleted
    }

    fn delete_one(&mut self, id: StreamId) -> bool {
        let Some((node_id, node)) = self.body.nodes.floor(&id) else {
            return false;
        };
        let node_id = *node_id;
        let mut entries = node.entries(node_id).take_while(|entry| entry.id <= id);
        let Some(entry) = entries.find(|entry| entry.id == id && !entry.is_deleted) else {
            return false;
        };
        let (place, is_only) = (entry.place, node.live() == 1);
        if is_only {
            self.remove_node(node_id);
        } else {
            self.change_node(node_id, |node| node.delete(place));
        }
        self.body.len -= 1;
        true
    }

    fn remove_node(&mut self, id: StreamId) {
        if let Some(node) = self.body.nodes.remove(&id) {
            self.body.nodes_bytes -= node.heap_bytes();
        }
    }

    fn change_node<R>(&mut self, id: StreamId, how: impl FnOnce(&mut Node) -> R) -> Option<R> {
        let node = self.body.nodes.get_mut(&id)?;
        Some(change(node, &mut self.body.nodes_bytes, how))
    }

    fn find_first(&mut self) {
        let first = self.range(StreamId::MIN, StreamId::MAX).next();
        self.body.first_id = first.map_or(StreamId::MIN, |entry| entry.id);
    }

    /// Removes entries from the front; says how many. Only `first_id` follows.
    pub fn trim(&mut self, trim: &Trim) -> u64 {
        let mut trimmed = 0;
        while let Some((id, node)) = self.body.nodes.first() {
            let (id, live) = (*id, node.live());
            if matches!(trim.keep, Keep::MaxLen(len) if self.body.len <= len) {
                break;
            }
            if trim.limit != 0 && trimmed + live > trim.limit {
                break;
            }
            let goes_whole = match trim.keep {
                Keep::MaxLen(len) => self.body.len - live >= len,
                Keep::MinId(min) => {
                    let last = node.entries_back(id).next();
                    last.is_none_or(|last| last.id < min)
                }
            };
            if goes_whole {
                self.remove_node(id);
                self.body.len -= live;
                trimmed += live;
                continue;
            }
            if !trim.approximately {
                trimmed += self.trim_node(id, trim.keep);
            }
            break;
        }
        if trimmed > 0 {
            self.find_first();
        }
        trimmed
    }

    /// Removes entries from a node's front; says how many.
    fn trim_node(&mut self, id: StreamId, keep: Keep) -> u64 {
        let len = self.body.len;
        let marked = self.change_node(id, |node| {
            let marked = node.delete_front(id, |entry_id, marked| match keep {
                Keep::MaxLen(len_max) => len - marked > len_max,
                Keep::MinId(min) => entry_id < min,
            });
            (marked, node.live() == 0)
        });
        let (marked, is_over) = marked.unwrap_or((0, false));
        if is_over {
            self.remove_node(id);
        }
        self.body.len -= marked;
        marked
    }
}

/// Changes a node, or a copy of it if a clone has it too, and what all nodes take.
fn change<R>(node: &mut Arc<Node>, bytes: &mut usize, how: impl FnOnce(&mut Node) -> R) -> R {
    let before = node.heap_bytes();
    let node = Arc::make_mut(node);
    let result = how(node);
    *bytes = *bytes + node.heap_bytes() - before;
    result
}

#[cfg(test)]
mod tests;
