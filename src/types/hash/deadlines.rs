//! Which fields of a large hash end when, soonest first.
//!
//! ```text
//! nodes   [ first time, Arc | first time, Arc | .. ]
//! node    [ record record record .. ]              some 4 KB
//! record  time: i64 | length of the name: varint | name
//! ```
//!
//! Records stand in the order of time, then name, over all nodes. No node is empty. Nodes are
//! shared with clones until they are changed.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::base::room::fit;

/// A node with more is split; a longer record has a node for itself.
const NODE_BYTES_MAX: usize = 4096;
/// A node with less joins its neighbour if there is room.
const NODE_BYTES_MIN: usize = NODE_BYTES_MAX / 4;

const TIME_BYTES: usize = 8;

#[derive(Clone, Default)]
pub struct Deadlines {
    nodes: VecDeque<Node>,
    len: usize,
    /// What the nodes have allocated.
    node_bytes: usize,
}

#[derive(Clone)]
struct Node {
    first_ms: i64,
    records: Arc<Vec<u8>>,
}

/// One field and its time, as it stands in a node.
#[derive(Clone, Copy)]
struct Record<'a> {
    at_ms: i64,
    name: &'a [u8],
    /// Bytes of all of it.
    bytes: usize,
}

impl Record<'_> {
    fn cmp(&self, at_ms: i64, name: &[u8]) -> Ordering {
        self.at_ms.cmp(&at_ms).then_with(|| self.name.cmp(name))
    }
}

impl Deadlines {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn heap_bytes(&self) -> usize {
        self.node_bytes + self.nodes.capacity() * size_of::<Node>()
    }

    /// The earliest time.
    #[inline]
    pub fn first_ms(&self) -> Option<i64> {
        self.nodes.front().map(|node| node.first_ms)
    }

    /// Adds a field that is not here yet.
    pub fn insert(&mut self, at_ms: i64, name: &[u8]) {
        let record = encode(at_ms, name);
        self.len += 1;
        let Some(index) = self.node_of(at_ms, name) else {
            return self.add_node(0, record);
        };
        let at = self.nodes[index].offset_of(at_ms, name);
        let node_bytes = self.nodes[index].records.len();
        if node_bytes + record.len() <= NODE_BYTES_MAX {
            return self.change(index, |records| put_in(records, at, record));
        }
        // Times mostly come in their order: then full nodes stay full.
        if at == node_bytes {
            return self.add_node(index + 1, record);
        }
        if at == 0 {
            return self.add_node(index, record);
        }
        let middle = self.nodes[index].boundary_near(node_bytes / 2);
        let upper = self.change(index, |records| {
            let upper = records.split_off(middle);
            fit(records);
            upper
        });
        self.add_node(index + 1, upper);
        let (index, at) = match at.checked_sub(middle) {
            Some(at) => (index + 1, at),
            None => (index, at),
        };
        self.change(index, |records| put_in(records, at, record));
    }

    /// Takes a field out. True if it was here, with this time.
    pub fn remove(&mut self, at_ms: i64, name: &[u8]) -> bool {
        let Some(index) = self.node_of(at_ms, name) else {
            return false;
        };
        let node = &self.nodes[index];
        let at = node.offset_of(at_ms, name);
        let found = node.record_at(at);
        let Some(record) = found.filter(|record| record.cmp(at_ms, name).is_eq()) else {
            return false;
        };
        let bytes = record.bytes;
        self.take_out(index, at, bytes);
        self.len -= 1;
        true
    }

    /// Takes out fields whose time is over, `max` at most, soonest first.
    pub fn take_due(&mut self, now_ms: i64, max: usize, mut visit: impl FnMut(&[u8])) {
        let mut left = max;
        while left > 0
            && let Some(node) = self.nodes.front()
            && node.first_ms < now_ms
        {
            let mut bytes = 0;
            for record in node.records() {
                if left == 0 || record.at_ms >= now_ms {
                    break;
                }
                visit(record.name);
                bytes += record.bytes;
                left -= 1;
                self.len -= 1;
            }
            self.take_out(0, 0, bytes);
        }
    }

    /// The last node that does not begin behind this; the first one if all do.
    fn node_of(&self, at_ms: i64, name: &[u8]) -> Option<usize> {
        let begins_before = |node: &Node| {
            let first = match node.first_ms.cmp(&at_ms) {
                Ordering::Equal => node.record_at(0).map(|first| first.cmp(at_ms, name)),
                order => Some(order),
            };
            first.is_none_or(Ordering::is_le)
        };
        if self.nodes.is_empty() {
            return None;
        }
        Some(self.nodes.partition_point(begins_before).saturating_sub(1))
    }

    fn add_node(&mut self, index: usize, records: Vec<u8>) {
        self.node_bytes += records.capacity();
        let mut node = Node {
            first_ms: 0,
            records: Arc::new(records),
        };
        node.note_first();
        self.nodes.insert(index, node);
    }

    /// Changes a node's records, of which some stay.
    fn change<T>(&mut self, index: usize, change: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let node = &mut self.nodes[index];
        self.node_bytes -= node.records.capacity();
        let done = change(Arc::make_mut(&mut node.records));
        self.node_bytes += node.records.capacity();
        node.note_first();
        done
    }

    fn take_out(&mut self, index: usize, at: usize, bytes: usize) {
        let left = self.nodes[index].records.len() - bytes;
        if left == 0 {
            if let Some(node) = self.nodes.remove(index) {
                self.node_bytes -= node.records.capacity();
            }
            return;
        }
        self.change(index, |records| {
            records.drain(at..at + bytes);
        });
        let next = self.nodes.get(index + 1).map(|next| next.records.len());
        if left < NODE_BYTES_MIN
            && next.is_some_and(|next| left + next <= NODE_BYTES_MAX / 2)
            && let Some(next) = self.nodes.remove(index + 1)
        {
            self.node_bytes -= next.records.capacity();
            self.change(index, |records| records.extend_from_slice(&next.records));
        }
    }
}

impl Node {
    fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let record = self.record_at(at)?;
            at += record.bytes;
            Some(record)
        })
    }

    /// `None` behind the last one.
    #[inline]
    fn record_at(&self, at: usize) -> Option<Record<'_>> {
        let (time, rest) = self.records.get(at..)?.split_first_chunk::<TIME_BYTES>()?;
        let (len, len_bytes) = read_varint(rest);
        Some(Record {
            at_ms: i64::from_le_bytes(*time),
            name: rest.get(len_bytes..len_bytes + len)?,
            bytes: TIME_BYTES + len_bytes + len,
        })
    }

    /// Where the first record stands that does not come before this.
    fn offset_of(&self, at_ms: i64, name: &[u8]) -> usize {
        let before = |record: &Record| record.cmp(at_ms, name).is_lt();
        self.records()
            .take_while(before)
            .map(|record| record.bytes)
            .sum()
    }

    /// Where the first record begins behind `at`, or the last one if none does.
    fn boundary_near(&self, at: usize) -> usize {
        let (mut start, mut end) = (0, 0);
        for record in self.records() {
            if start >= at {
                break;
            }
            start = end;
            end += record.bytes;
        }
        start
    }

    fn note_first(&mut self) {
        self.first_ms = self.record_at(0).map_or(i64::MAX, |first| first.at_ms);
    }
}

/// Makes room in steps of a half, but for no more than a node will have.
fn put_in(records: &mut Vec<u8>, at: usize, record: Vec<u8>) {
    let (len, more) = (records.len(), record.len());
    if len + more > records.capacity() {
        let room = (len / 2).min(NODE_BYTES_MAX.saturating_sub(len));
        records.reserve_exact(more.max(room));
    }
    records.splice(at..at, record);
}

fn encode(at_ms: i64, name: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(TIME_BYTES + 2 + name.len());
    record.extend_from_slice(&at_ms.to_le_bytes());
    let mut len = name.len();
    while len >= 0x80 {
        record.push(len as u8 | 0x80);
        len >>= 7;
    }
    record.push(len as u8);
    record.extend_from_slice(name);
    record
}

/// A number and how many bytes it took.
#[inline]
fn read_varint(bytes: &[u8]) -> (usize, usize) {
    let (mut value, mut taken) = (0, 0);
    for &byte in bytes {
        value |= usize::from(byte & 0x7f) << (7 * taken);
        taken += 1;
        if byte < 0x80 {
            break;
        }
    }
    (value, taken)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::rng::Rng;

    type Model = BTreeSet<(i64, Vec<u8>)>;

    fn check_against(deadlines: &Deadlines, model: &Model) {
        assert_eq!(deadlines.len(), model.len());
        assert_eq!(deadlines.is_empty(), model.is_empty());
        assert_eq!(deadlines.first_ms(), model.first().map(|first| first.0));
        let records = deadlines.nodes.iter().flat_map(Node::records);
        let records = records.map(|record| (record.at_ms, record.name.to_vec()));
        assert!(records.eq(model.iter().cloned()));
        let nodes = &deadlines.nodes;
        assert!(nodes.iter().all(|node| !node.records.is_empty()));
        let bytes: usize = nodes.iter().map(|node| node.records.capacity()).sum();
        assert_eq!(deadlines.node_bytes, bytes);
    }

    fn name(rng: &mut Rng) -> Vec<u8> {
        let long = match rng.below(50) {
            0 => 5000,
            1 => 200,
            _ => 0,
        };
        let mut name = format!("field:{}", rng.below(300)).into_bytes();
        name.resize(name.len() + long, b'x');
        name
    }

    #[test]
    fn random_changes_agree_with_a_sorted_set() {
        for seed in 0..20 {
            let mut rng = Rng::seeded(seed);
            let (mut deadlines, mut model) = (Deadlines::default(), Model::new());
            let mut shared: Vec<(Deadlines, Model)> = Vec::new();
            for round in 0..3000 {
                let grows = round % 1000 < 600;
                let (at_ms, name) = (rng.below(50) as i64, name(&mut rng));
                match rng.below(10) {
                    0 => {
                        let (now_ms, max) = (rng.below(4) as i64, rng.below(20) as usize);
                        let mut taken = Vec::new();
                        deadlines.take_due(now_ms, max, |name| taken.push(name.to_vec()));
                        let due = model.iter().filter(|(at_ms, _)| *at_ms < now_ms);
                        let due: Vec<_> = due.take(max).cloned().collect();
                        assert!(due.iter().map(|(_, name)| name).eq(&taken));
                        due.iter().for_each(|due| _ = model.remove(due));
                    }
                    n if (n < 7) == grows => {
                        if model.insert((at_ms, name.clone())) {
                            deadlines.insert(at_ms, &name);
                        }
                    }
                    _ => {
                        let nth = rng.below(model.len() as u64) as usize;
                        let (at_ms, name) = match model.iter().nth(nth) {
                            Some(found) if rng.below(4) > 0 => found.clone(),
                            _ => (at_ms, name),
                        };
                        let was_there = model.remove(&(at_ms, name.clone()));
                        assert_eq!(deadlines.remove(at_ms, &name), was_there);
                    }
                }
                if rng.below(100) == 0 {
                    shared.push((deadlines.clone(), model.clone()));
                    check_against(&deadlines, &model);
                }
            }
            check_against(&deadlines, &model);
            for (deadlines, model) in shared {
                check_against(&deadlines, &model);
            }
        }
    }

    #[test]
    fn nodes_are_bounded_and_full_if_times_come_in_order() {
        let mut deadlines = Deadlines::default();
        for n in 0..10_000 {
            deadlines.insert(n, b"a name");
        }
        let most = deadlines.nodes.iter().map(|node| node.records.len()).max();
        assert!(most <= Some(NODE_BYTES_MAX));
        let needed = 10_000 * (TIME_BYTES + 1 + 6);
        assert!(deadlines.heap_bytes() < needed * 5 / 4 + 8192);
        deadlines.take_due(9_000, usize::MAX, |_| {});
        assert_eq!((deadlines.len(), deadlines.first_ms()), (1000, Some(9000)));
        assert!(deadlines.heap_bytes() < needed / 5 + 8192);
        for n in 9_000..10_000 {
            assert!(deadlines.remove(n, b"a name"));
        }
        assert!(deadlines.nodes.is_empty());
    }
}
