//! A node of a stream: neighbouring entries in one listpack, as RDB files hold them.
//!
//! ```text
//!   master entry:  count | deleted | fields | field ... | 0
//!   like it:       flags | ms | seq |          value ...         | length
//!   another one:   flags | ms | seq | fields | field value ...   | length
//! ```
//!
//! The master entry counts the entries that live and those that are marked as deleted, and
//! has the fields of the node's first entry: whoever has the same ones is not written with
//! them again. Ids are differences to the node's own, which the node does not hold: it is
//! the key that the stream keeps it by. The length counts what stands in front of it, so
//! that the entries can be walked backwards.
//!
//! A node is never without a living entry; what has lost its last one goes as a whole.

use super::id::StreamId;
use crate::base::room::class_bytes;
use crate::types::listpack::{
    Item, Iter as Items, ListPack, Pos, SIZE_BYTES_MAX, entry_bytes, int_entry_bytes,
};

pub(super) const DELETED: i64 = 1;
pub(super) const SAME_FIELDS: i64 = 2;

/// What an entry has beside fields and values: flags, two differences.
pub(super) const HEAD_ITEMS: i64 = 3;

/// No item of a listpack takes more beside its text.
const ITEM_BYTES_MAX: usize = 11;
/// A node ends early if one byte in so many, or more, is saved.
const GAIN: usize = 32;
/// About what a node takes beside the memory of its entries.
const AROUND_BYTES: usize = 96;

/// When the next entry begins a new node. 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of the listpack.
    pub node_bytes_max: usize,
    /// Entries, deleted ones included.
    pub node_entries_max: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            node_bytes_max: 4096,
            node_entries_max: 100,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub(super) pack: ListPack,
}

/// The master entry, taken apart.
#[derive(Clone, Debug)]
pub struct Head {
    live: i64,
    deleted: i64,
    /// How many fields the master entry has.
    fields: i64,
    count_at: Pos,
    deleted_at: Pos,
    /// The first of its fields, or its end if there is none.
    fields_at: Pos,
}

impl Node {
    /// A node that begins with this entry. `pairs` are fields and values in turn.
    pub fn new(pairs: &[&[u8]], size_bytes: usize) -> Node {
        let mut pack = ListPack::with_capacity(size_bytes);
        pack.push_int(1);
        pack.push_int(0);
        pack.push_int((pairs.len() / 2) as i64);
        for field in pairs.iter().step_by(2) {
            pack.push_back(field);
        }
        pack.push_int(0);
        let mut node = Node { pack };
        node.write_entry(SAME_FIELDS, (0, 0), pairs);
        node
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.pack.as_bytes()
    }

    pub fn heap_bytes(&self) -> usize {
        self.pack.heap_bytes()
    }

    /// Gives back memory that was for entries to come.
    pub fn close(&mut self) {
        self.pack.shrink_to_fit();
    }

    /// How many entries live.
    pub fn live(&self) -> u64 {
        let count = self.pack.first().map(|pos| int(self.pack.get(pos)));
        count.unwrap_or(0).max(0) as u64
    }

    /// The master entry, if another entry of so many bytes belongs here.
    pub fn head_with_room(&self, entry_bytes: usize, limits: &Limits) -> Option<Head> {
        let bytes_max = match limits.node_bytes_max {
            0 => SIZE_BYTES_MAX,
            bytes => bytes.min(SIZE_BYTES_MAX),
        };
        if self.pack.size_bytes().saturating_add(entry_bytes) >= bytes_max {
            return None;
        }
        let head = self.head()?;
        let entries = head.live.saturating_add(head.deleted) as u64;
        let has_room = limits.node_entries_max == 0 || entries < limits.node_entries_max;
        has_room.then_some(head)
    }

    /// Whether another entry belongs into a new node although the limits allow it here: the
    /// memory of this one would have to grow for it, has half the size that is allowed, and
    /// is clearly better used than it would be in the end, to judge by the entries so far.
    /// `pairs` have so many bytes; `delta` is the entry's id less the node's.
    pub fn is_full_for(
        &self,
        head: &Head,
        delta: (i64, i64),
        (pairs, text_bytes): (&[&[u8]], usize),
        limits: &Limits,
    ) -> bool {
        let (size, memory) = (self.pack.size_bytes(), self.pack.heap_bytes());
        let needed_max = text_bytes + (pairs.len() + 6) * ITEM_BYTES_MAX;
        let bytes_max = limits.node_bytes_max;
        if size + needed_max <= memory || bytes_max == 0 || memory < bytes_max / 2 {
            return false;
        }
        let entries = (head.live.saturating_add(head.deleted)).max(1) as usize;
        let entries_max = match limits.node_entries_max {
            0 => usize::MAX,
            entries => usize::try_from(entries).unwrap_or(usize::MAX),
        };
        let end_size = (size / entries).saturating_mul(entries_max).min(bytes_max);
        let end_memory = class_bytes(end_size);
        // A byte of this node against a byte of the larger one, crosswise.
        let now = (memory + AROUND_BYTES) * end_size;
        now + now / GAIN < (end_memory + AROUND_BYTES) * size
            && size + self.entry_bytes(head, delta, pairs) > memory
    }

    /// What an entry would add to the size.
    fn entry_bytes(&self, head: &Head, (ms, seq): (i64, i64), pairs: &[&[u8]]) -> usize {
        let texts: usize = match self.has_fields(head, pairs) {
            true => pairs
                .iter()
                .skip(1)
                .step_by(2)
                .map(|v| entry_bytes(v))
                .sum(),
            false => pairs.iter().map(|text| entry_bytes(text)).sum(),
        };
        let counts = int_entry_bytes(HEAD_ITEMS + 1 + pairs.len() as i64) * 2;
        int_entry_bytes(SAME_FIELDS) + int_entry_bytes(ms) + int_entry_bytes(seq) + texts + counts
    }

    /// Adds an entry behind all others. `id` is the node's own, as `head` is.
    pub fn push(&mut self, head: &Head, id: StreamId, entry_id: StreamId, pairs: &[&[u8]]) {
        let flags = match self.has_fields(head, pairs) {
            true => SAME_FIELDS,
            false => 0,
        };
        self.pack.replace_int(head.count_at, head.live + 1);
        self.write_entry(flags, entry_id.minus(id), pairs);
    }

    /// Whether an entry has the fields of the master entry, in the same order.
    fn has_fields(&self, head: &Head, pairs: &[&[u8]]) -> bool {
        let fields = pairs.iter().step_by(2);
        head.fields as usize == pairs.len() / 2
            && fields
                .zip(self.pack.iter_from(head.fields_at))
                .all(|(field, item)| item.eq(field))
    }

    fn write_entry(&mut self, flags: i64, (ms, seq): (i64, i64), pairs: &[&[u8]]) {
        let fields = pairs.len() as i64 / 2;
        self.pack.push_several(|tail| {
            tail.int(flags);
            tail.int(ms);
            tail.int(seq);
            if flags & SAME_FIELDS != 0 {
                for value in pairs.iter().skip(1).step_by(2) {
                    tail.text(value);
                }
                tail.int(HEAD_ITEMS + fields);
            } else {
                tail.int(fields);
                for text in pairs {
                    tail.text(text);
                }
                tail.int(HEAD_ITEMS + 1 + 2 * fields);
            }
        });
    }

    /// Marks an entry as deleted. True if it lived until now.
    pub fn delete(&mut self, entry: Place) -> bool {
        let flags = int(self.pack.get(entry.0));
        let Some(head) = self.head().filter(|_| flags & DELETED == 0) else {
            return false;
        };
        // From the back to the front: what is written may take more room than before.
        self.pack.replace_int(entry.0, flags | DELETED);
        self.pack.replace_int(head.deleted_at, head.deleted + 1);
        self.pack.replace_int(head.count_at, head.live - 1);
        true
    }

    /// Marks those entries as deleted of which `is_over` says so, up to the first of which it
    /// does not, and says how many those were. It is asked about the living ones only, with
    /// how many of them were marked before. `id` is the node's own.
    pub fn delete_front(
        &mut self,
        id: StreamId,
        mut is_over: impl FnMut(StreamId, u64) -> bool,
    ) -> u64 {
        let mut marked = 0;
        let mut next = self.entries(id).at;
        while let Some(at) = next {
            let Some(entry) = self.frame(id).and_then(|frame| frame.read(at)) else {
                break;
            };
            if !entry.is_deleted {
                if !is_over(entry.id, marked) {
                    break;
                }
                self.pack.replace_int(at, entry.flags | DELETED);
                marked += 1;
            }
            // Asked for only now: what stands behind may have moved.
            next = self.frame(id).and_then(|frame| frame.behind(at));
        }
        if let Some(head) = self.head().filter(|_| marked > 0) {
            let marked = marked as i64;
            self.pack
                .replace_int(head.deleted_at, head.deleted + marked);
            self.pack.replace_int(head.count_at, head.live - marked);
        }
        marked
    }

    /// All entries upwards, deleted ones too. `id` is the node's own.
    pub fn entries(&self, id: StreamId) -> Entries<'_> {
        let frame = self.frame(id);
        Entries {
            at: frame.as_ref().and_then(Frame::first),
            frame,
        }
    }

    /// All entries downwards, deleted ones too. `id` is the node's own.
    pub fn entries_back(&self, id: StreamId) -> EntriesBack<'_> {
        let frame = self.frame(id);
        EntriesBack {
            first: frame.as_ref().and_then(Frame::first),
            end: self.pack.last(),
            frame,
        }
    }

    fn frame(&self, id: StreamId) -> Option<Frame<'_>> {
        Some(Frame {
            pack: &self.pack,
            id,
            head: self.head()?,
        })
    }

    fn head(&self) -> Option<Head> {
        let mut items = self.pack.iter();
        let (count_at, live) = (items.pos()?, int(items.next()?));
        let (deleted_at, deleted) = (items.pos()?, int(items.next()?));
        Some(Head {
            live,
            deleted,
            fields: int(items.next()?),
            count_at,
            deleted_at,
            fields_at: items.pos()?,
        })
    }
}

/// An integer of the node's own: `check` has seen to it that there is one.
fn int(item: Item) -> i64 {
    item.int().unwrap_or(0)
}

fn skip(pack: &ListPack, mut pos: Pos, count: i64) -> Option<Pos> {
    for _ in 0..count {
        pos = pack.next(pos)?;
    }
    Some(pos)
}

/// Where an entry stands in its node, as long as the node does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(Pos);

/// An entry as it stands in its node.
#[derive(Clone, Debug)]
pub struct Entry<'n> {
    pub id: StreamId,
    pub is_deleted: bool,
    pub place: Place,
    flags: i64,
    fields: Fields<'n>,
}

impl<'n> Entry<'n> {
    /// Its fields, each with its value, in order.
    pub fn fields(&self) -> Fields<'n> {
        self.fields.clone()
    }
}

/// What is needed to read a node's entries.
#[derive(Clone, Debug)]
struct Frame<'n> {
    pack: &'n ListPack,
    id: StreamId,
    head: Head,
}

impl<'n> Frame<'n> {
    fn first(&self) -> Option<Pos> {
        skip(self.pack, self.head.fields_at, self.head.fields + 1)
    }

    /// The entry whose flags stand at `at`.
    fn read(&self, at: Pos) -> Option<Entry<'n>> {
        let mut items = self.pack.iter_from(at);
        let flags = int(items.next()?);
        let id = self.id.plus(int(items.next()?), int(items.next()?));
        let is_like_master = flags & SAME_FIELDS != 0;
        let (names, left) = match is_like_master {
            true => {
                let names = self.pack.iter_from(self.head.fields_at);
                (Some(names), self.head.fields)
            }
            false => (None, int(items.next()?)),
        };
        Some(Entry {
            id,
            is_deleted: flags & DELETED != 0,
            place: Place(at),
            flags,
            fields: Fields {
                names,
                items,
                left: left.max(0) as usize,
            },
        })
    }

    /// Where the entry behind the one at `at` begins.
    fn behind(&self, at: Pos) -> Option<Pos> {
        let flags = int(self.pack.get(at));
        let body = skip(self.pack, at, HEAD_ITEMS)?;
        let items = match flags & SAME_FIELDS != 0 {
            true => self.head.fields,
            false => 1 + 2 * int(self.pack.get(body)),
        };
        skip(self.pack, body, items + 1)
    }
}

/// The entries of a node upwards.
#[derive(Clone, Debug)]
pub struct Entries<'n> {
    frame: Option<Frame<'n>>,
    at: Option<Pos>,
}

impl<'n> Iterator for Entries<'n> {
    type Item = Entry<'n>;

    fn next(&mut self) -> Option<Entry<'n>> {
        let frame = self.frame.as_ref()?;
        let at = self.at?;
        self.at = frame.behind(at);
        frame.read(at)
    }
}

/// The entries of a node downwards.
#[derive(Clone, Debug)]
pub struct EntriesBack<'n> {
    frame: Option<Frame<'n>>,
    first: Option<Pos>,
    /// The last item of the entry to come.
    end: Option<Pos>,
}

impl<'n> Iterator for EntriesBack<'n> {
    type Item = Entry<'n>;

    fn next(&mut self) -> Option<Entry<'n>> {
        let frame = self.frame.as_ref()?;
        let end = self.end?;
        let mut at = end;
        for _ in 0..int(frame.pack.get(end)) {
            at = frame.pack.prev(at)?;
        }
        self.end = match self.first == Some(at) {
            true => None,
            false => frame.pack.prev(at),
        };
        frame.read(at)
    }
}

/// The fields of an entry with their values.
#[derive(Clone, Debug)]
pub struct Fields<'n> {
    /// The master entry's fields, if this entry has none of its own.
    names: Option<Items<'n>>,
    items: Items<'n>,
    left: usize,
}

impl<'n> Iterator for Fields<'n> {
    type Item = (Item<'n>, Item<'n>);

    fn next(&mut self) -> Option<(Item<'n>, Item<'n>)> {
        self.left = self.left.checked_sub(1)?;
        let name = match &mut self.names {
            Some(names) => names.next(),
            None => self.items.next(),
        };
        Some((name?, self.items.next()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Fields<'_> {}
