//! The living entries of a stream between two ids, in either direction.

use std::sync::Arc;

use super::id::StreamId;
use super::node::{Entries, EntriesBack, Entry, Node};
use super::tree::{Iter, IterBack};

/// Upwards. `nodes` begin with the one that may hold `start`.
pub struct Range<'s> {
    pub(super) nodes: Iter<'s, StreamId, Arc<Node>>,
    pub(super) entries: Option<Entries<'s>>,
    pub(super) start: StreamId,
    pub(super) end: StreamId,
}

impl<'s> Iterator for Range<'s> {
    type Item = Entry<'s>;

    fn next(&mut self) -> Option<Entry<'s>> {
        loop {
            if let Some(entries) = &mut self.entries {
                for entry in entries {
                    if entry.id > self.end {
                        return None;
                    }
                    if !entry.is_deleted && entry.id >= self.start {
                        return Some(entry);
                    }
                }
            }
            let (id, node) = self.nodes.next()?;
            if *id > self.end {
                return None;
            }
            self.entries = Some(node.entries(*id));
        }
    }
}

/// Downwards. `nodes` begin with the one that may hold `end`.
pub struct RangeBack<'s> {
    pub(super) nodes: IterBack<'s, StreamId, Arc<Node>>,
    pub(super) entries: Option<EntriesBack<'s>>,
    pub(super) start: StreamId,
    pub(super) end: StreamId,
}

impl<'s> Iterator for RangeBack<'s> {
    type Item = Entry<'s>;

    fn next(&mut self) -> Option<Entry<'s>> {
        loop {
            if let Some(entries) = &mut self.entries {
                for entry in entries {
                    if entry.id < self.start {
                        return None;
                    }
                    if !entry.is_deleted && entry.id <= self.end {
                        return Some(entry);
                    }
                }
            }
            let (id, node) = self.nodes.next()?;
            self.entries = Some(node.entries_back(*id));
        }
    }
}
