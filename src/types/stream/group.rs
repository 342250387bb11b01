//! Consumer groups: how far a group has read, what its consumers have been given and not
//! acknowledged yet.
//!
//! What is pending is kept twice, by the group and by the consumer that has it, so that
//! both can be walked in order. The group's list has the facts; the consumer's has ids only.

use std::sync::Arc;

use super::id::StreamId;
use super::tree::{Iter, Tree};

/// A group's or a consumer's name.
pub type Name = Arc<[u8]>;

/// When a consumer that never was given anything was last active.
pub const NEVER: i64 = -1;

/// An entry on its way: given to a consumer, not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    pub consumer: Name,
    /// When it was last delivered, in unix milliseconds.
    pub delivered_ms: i64,
    /// How often it was delivered.
    pub deliveries: u64,
}

#[derive(Clone, Debug)]
pub struct Consumer {
    /// When it last asked for anything, in unix milliseconds.
    pub seen_ms: i64,
    /// When it was last given anything, in unix milliseconds, or `NEVER`.
    pub active_ms: i64,
    pending: Tree<StreamId, ()>,
}

impl Consumer {
    pub fn new(seen_ms: i64, active_ms: i64) -> Consumer {
        Consumer {
            seen_ms,
            active_ms,
            pending: Tree::default(),
        }
    }

    /// How many entries it has not acknowledged.
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// The ids of what it has not acknowledged, from `from` upwards.
    pub fn pending_from(&self, from: StreamId) -> impl Iterator<Item = StreamId> + '_ {
        self.pending.iter_from(&from).map(|(id, ())| *id)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The last entry that was delivered.
    pub last_id: StreamId,
    /// How many entries there were up to `last_id`, since the stream began; `None` if that
    /// is not known.
    pub entries_read: Option<u64>,
    pending: Tree<StreamId, Pending>,
    consumers: Tree<Name, Consumer>,
}

impl Group {
    pub fn new(last_id: StreamId, entries_read: Option<u64>) -> Group {
        Group {
            last_id,
            entries_read,
            ..Group::default()
        }
    }

    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    pub fn pending(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(&id)
    }

    /// What is pending, from `from` upwards.
    pub fn pending_from(&self, from: StreamId) -> Iter<'_, StreamId, Pending> {
        self.pending.iter_from(&from)
    }

    /// The largest id that is pending.
    pub fn last_pending(&self) -> Option<StreamId> {
        self.pending.last().map(|(id, _)| *id)
    }

    pub fn consumer_count(&self) -> usize {
        self.consumers.len()
    }

    pub fn consumer(&self, name: &[u8]) -> Option<&Consumer> {
        self.consumers.get(name)
    }

    pub fn consumer_mut(&mut self, name: &[u8]) -> Option<&mut Consumer> {
        self.consumers.get_mut(name)
    }

    /// The consumers in the order of their names.
    pub fn consumers(&self) -> Iter<'_, Name, Consumer> {
        self.consumers.iter()
    }

    /// A consumer's name as the group keeps it: whoever names it by this copies nothing.
    pub fn consumer_name(&self, name: &[u8]) -> Option<Name> {
        let (name, _) = self.consumers.get_key_value(name)?;
        Some(Arc::clone(name))
    }

    /// Adds a consumer. False if there is one of this name.
    pub fn add_consumer(&mut self, name: &[u8], consumer: Consumer) -> bool {
        if self.consumers.contains(name) {
            return false;
        }
        self.consumers.insert(name.into(), consumer);
        true
    }

    /// Removes a consumer with all that is pending for it; how much that was.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let consumer = self.consumers.remove(name)?;
        for (id, ()) in consumer.pending.iter() {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    /// Gives an entry to a consumer that exists, whoever had it before.
    pub fn give(&mut self, id: StreamId, pending: Pending) {
        let to = Arc::clone(&pending.consumer);
        match self.pending.insert(id, pending) {
            Some(before) if before.consumer == to => return,
            Some(before) => self.forget(&before.consumer, id),
            None => {}
        }
        if let Some(consumer) = self.consumers.get_mut(&*to) {
            consumer.pending.insert(id, ());
        }
    }

    /// An entry was delivered to its consumer once more.
    pub fn deliver_again(&mut self, id: StreamId, now_ms: i64) {
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.delivered_ms = now_ms;
            pending.deliveries = pending.deliveries.wrapping_add(1);
        }
    }

    /// Takes an entry off the list. False if it was not pending.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        match self.pending.remove(&id) {
            Some(pending) => {
                self.forget(&pending.consumer, id);
                true
            }
            None => false,
        }
    }

    fn forget(&mut self, consumer: &[u8], id: StreamId) {
        if let Some(consumer) = self.consumers.get_mut(consumer) {
            consumer.pending.remove(&id);
        }
    }

    /// About what the group has allocated.
    pub fn heap_bytes(&self) -> usize {
        // Ids that consumers have: 16 bytes each, in nodes that are two thirds full.
        let of_consumers = self.pending.len() * 24 + self.consumers.len() * NAME_BYTES;
        self.pending.heap_bytes() + self.consumers.heap_bytes() + of_consumers
    }
}

/// What a name takes, on average and with its counters.
const NAME_BYTES: usize = 32;
