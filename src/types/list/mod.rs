//! Lists. A small one is a single listpack; a larger one is a row of nodes, each a listpack
//! of a few KB or one value that is too large for that.
//!
//! When a list changes its form is Redis's doing: it becomes large *before* values are added
//! that would exceed the limits (`grow_for`), and small again when it has shrunk to one node
//! of half of what they allow (`settle_shrunk`). The commands say when; nothing here does it
//! by itself.

/// How much a node may hold.
mod limits;

/// The row of nodes.
mod nodes;

pub use limits::Limits;

use super::Encoding;
use super::listpack::{self, EMPTY_BYTES, Item, ListPack, Pos};
use crate::base::memory::block::Slim;
use nodes::{Nodes, remove_from_pack};

/// Freeing so many nodes is worth another thread's while, and so is so much memory.
const BIG_NODES: usize = 512;
const BIG_BYTES: usize = 1 << 20;

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where index 0 is.
    Front,
    Back,
}

/// A piece of a list.
#[derive(Clone, Copy, Debug)]
pub enum Node<'a> {
    Packed(&'a ListPack),
    /// One value.
    Plain(&'a [u8]),
}

impl<'a> Node<'a> {
    /// Its bytes, as files hold them.
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Node::Packed(pack) => pack.as_bytes(),
            Node::Plain(value) => value,
        }
    }

    fn first(self) -> Item<'a> {
        match self {
            Node::Packed(pack) => pack.first().map_or(Item::Text(b""), |pos| pack.get(pos)),
            Node::Plain(value) => Item::Text(value),
        }
    }

    /// Whether it holds a value, and where if it is packed.
    fn find(self, value: &[u8]) -> Option<Option<Pos>> {
        match self {
            Node::Packed(pack) => pack.find(pack.first(), value, 0).map(Some),
            Node::Plain(own) => (own == value).then_some(None),
        }
    }

    /// Visits its entries from an end on, `skip` of them left out. False if told to stop.
    fn visit(self, end: End, skip: usize, visit: &mut impl FnMut(Item<'a>) -> bool) -> bool {
        match (self, end) {
            (Node::Packed(pack), End::Front) => {
                let from = pack.seek(skip as i64);
                from.is_none_or(|pos| pack.iter_from(pos).all(visit))
            }
            (Node::Packed(pack), End::Back) => pack.iter().rev().skip(skip).all(visit),
            (Node::Plain(value), _) => skip > 0 || visit(Item::Text(value)),
        }
    }

    fn iter(self) -> Entries<'a> {
        match self {
            Node::Packed(pack) => Entries::Packed(pack.iter()),
            Node::Plain(value) => Entries::Plain(Some(value)),
        }
    }
}

/// The entries of a node.
enum Entries<'a> {
    Packed(listpack::Iter<'a>),
    Plain(Option<&'a [u8]>),
}

impl<'a> Iterator for Entries<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        match self {
            Entries::Packed(entries) => entries.next(),
            Entries::Plain(value) => value.take().map(Item::Text),
        }
    }
}

impl DoubleEndedIterator for Entries<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Entries::Packed(entries) => entries.next_back(),
            Entries::Plain(value) => value.take().map(Item::Text),
        }
    }
}

#[derive(Clone)]
pub struct List {
    form: Form,
}

const _: () = assert!(size_of::<List>() == 8);

#[derive(Clone)]
enum Form {
    Small(ListPack),
    Large(Slim<Nodes>),
}

impl Default for List {
    fn default() -> List {
        List::new()
    }
}

impl std::fmt::Debug for List {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl PartialEq for List {
    fn eq(&self, other: &List) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for List {}

impl List {
    pub fn new() -> List {
        List {
            form: Form::Small(ListPack::new()),
        }
    }

    pub fn len(&self) -> usize {
        match &self.form {
            Form::Small(pack) => pack.len(),
            Form::Large(nodes) => nodes.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        match &self.form {
            Form::Small(pack) => pack.is_empty(),
            Form::Large(nodes) => nodes.len() == 0,
        }
    }

    pub fn encoding(&self) -> Encoding {
        match &self.form {
            Form::Small(_) => Encoding::ListPack,
            Form::Large(_) => Encoding::QuickList,
        }
    }

    pub fn heap_bytes(&self) -> usize {
        match &self.form {
            Form::Small(pack) => pack.heap_bytes(),
            Form::Large(nodes) => nodes.heap_bytes(),
        }
    }

    /// Whether freeing it takes long enough to be another thread's work.
    pub fn is_big(&self) -> bool {
        self.node_count() >= BIG_NODES || self.heap_bytes() >= BIG_BYTES
    }

    pub fn node_count(&self) -> usize {
        match &self.form {
            Form::Small(_) => 1,
            Form::Large(nodes) => nodes.count(),
        }
    }

    /// Makes it large if it would be too large for a small one with so many more values
    /// that have so many bytes.
    pub fn grow_for(&mut self, value_bytes: usize, values: usize, limits: &Limits) {
        if let Form::Small(pack) = &mut self.form {
            let size_bytes = pack.size_bytes().saturating_add(value_bytes);
            if limits.are_exceeded_by(size_bytes, pack.len().saturating_add(values)) {
                let mut nodes = Nodes::default();
                nodes.add_pack(std::mem::take(pack));
                self.form = Form::Large(Slim::new(nodes));
            }
        }
    }

    /// Makes room for so many bytes of entries in an empty small one.
    pub fn expect_bytes(&mut self, bytes: usize) {
        if let Form::Small(pack) = &mut self.form
            && pack.is_empty()
        {
            *pack = ListPack::with_capacity(EMPTY_BYTES + bytes);
        }
    }

    /// Makes it small if half of what is allowed would still be free.
    pub fn settle_shrunk(&mut self, limits: &Limits) {
        self.make_small_if(|pack| limits.leave_half(pack.size_bytes(), pack.len()));
    }

    /// Gives it the form that fits what it holds. For a list that was just made.
    pub fn settle(&mut self, limits: &Limits) {
        self.make_small_if(|pack| limits.allow(pack.size_bytes(), pack.len()));
        self.grow_for(0, 0, limits);
    }

    fn make_small_if(&mut self, fits: impl FnOnce(&ListPack) -> bool) {
        if let Form::Large(nodes) = &mut self.form
            && nodes.only_pack().is_some_and(fits)
            && let Some(pack) = std::mem::take(&mut **nodes).into_only_pack()
        {
            self.form = Form::Small(pack);
        }
    }

    /// Adds a value. Whoever adds calls `grow_for` first, for all that is to be added.
    pub fn push(&mut self, value: &[u8], end: End, limits: &Limits) {
        match (&mut self.form, end) {
            (Form::Small(pack), End::Front) => pack.push_front(value),
            (Form::Small(pack), End::Back) => pack.push_back(value),
            (Form::Large(nodes), end) => nodes.push(value, end, limits),
        }
    }

    /// The value at an end.
    pub fn peek(&self, end: End) -> Option<Item<'_>> {
        match (&self.form, end) {
            (Form::Small(pack), End::Front) => pack.first().map(|pos| pack.get(pos)),
            (Form::Small(pack), End::Back) => pack.last().map(|pos| pack.get(pos)),
            (Form::Large(nodes), end) => nodes.get(end, 0),
        }
    }

    /// Takes out `count` values at an end; all if there are no more. What takes a while to be
    /// freed is returned.
    pub fn drop_at(&mut self, end: End, count: usize) -> Option<List> {
        let mut count = count.min(self.len());
        let cut = match &mut self.form {
            Form::Large(nodes) => nodes.cut_at(end, &mut count),
            Form::Small(_) => None,
        };
        match (&mut self.form, end) {
            (Form::Small(pack), End::Front) => {
                pack.remove_range(0, count);
            }
            (Form::Small(pack), End::Back) => {
                pack.remove_range(-(count as i64), count);
            }
            (Form::Large(nodes), end) => nodes.drop_at(end, count),
        }
        cut.map(|nodes| List {
            form: Form::Large(Slim::new(nodes)),
        })
    }

    /// The value of this number: 0 is the first, -1 the last.
    pub fn get(&self, index: i64) -> Option<Item<'_>> {
        match &self.form {
            Form::Small(pack) => pack.seek(index).map(|pos| pack.get(pos)),
            Form::Large(nodes) => {
                let (end, index) = from_end(index);
                nodes.get(end, index)
            }
        }
    }

    /// Puts another value in this one's place. False if there is none of this number.
    pub fn set(&mut self, index: i64, value: &[u8], limits: &Limits) -> bool {
        match &mut self.form {
            Form::Small(pack) => {
                let pos = pack.seek(index);
                pos.map(|pos| pack.replace(pos, value)).is_some()
            }
            Form::Large(nodes) => {
                let (end, index) = from_end(index);
                nodes.set(end, index, value, limits)
            }
        }
    }

    /// Puts a value beside the first that is `pivot`. False if there is none.
    pub fn insert(&mut self, pivot: &[u8], after: bool, value: &[u8], limits: &Limits) -> bool {
        match &mut self.form {
            Form::Small(pack) => {
                let found = pack.find(pack.first(), pivot, 0);
                let inserted = found.map(|pos| match after {
                    true => pack.insert_after(pos, value),
                    false => pack.insert_before(pos, value),
                });
                inserted.is_some()
            }
            Form::Large(nodes) => nodes.insert(pivot, after, value, limits),
        }
    }

    /// Takes out up to `count` values that are this one, those nearest to `end` first, and
    /// says how many those were.
    pub fn remove(&mut self, value: &[u8], end: End, count: usize) -> usize {
        match &mut self.form {
            Form::Small(pack) => remove_from_pack(pack, value, end, count),
            Form::Large(nodes) => nodes.remove(value, end, count),
        }
    }

    /// Visits values from an end on, `skip` of them left out, until `visit` says false.
    pub fn visit<'a>(&'a self, end: End, skip: usize, mut visit: impl FnMut(Item<'a>) -> bool) {
        match &self.form {
            Form::Small(pack) => {
                Node::Packed(pack).visit(end, skip, &mut visit);
            }
            Form::Large(nodes) => nodes.visit(end, skip, &mut visit),
        }
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Item<'_>> {
        self.nodes().flat_map(Node::iter)
    }

    /// What it is made of: one packed node if it is small.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = Node<'_>> {
        let (small, large) = match &self.form {
            Form::Small(pack) => (Some(Node::Packed(pack)), None),
            Form::Large(nodes) => (None, Some(nodes.iter())),
        };
        small.into_iter().chain(large.into_iter().flatten())
    }

    /// Makes a list of nodes, which keep their bounds.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

/// An index as Redis counts, from one of the ends.
fn from_end(index: i64) -> (End, usize) {
    match index {
        0.. => (End::Front, index as usize),
        _ => (End::Back, (-1 - index) as usize),
    }
}

/// A list in the making, node by node or value by value.
#[derive(Default)]
pub struct Builder {
    nodes: Nodes,
}

impl Builder {
    /// Adds a listpack as it is; an empty one is left out.
    pub fn packed(&mut self, pack: ListPack) {
        self.nodes.add_pack(pack);
    }

    /// Adds a node of one value, however small it is.
    pub fn plain(&mut self, value: &[u8]) {
        self.nodes.add_plain(value);
    }

    pub fn push(&mut self, value: &[u8], limits: &Limits) {
        self.nodes.push(value, End::Back, limits);
    }

    pub fn finish(self, limits: &Limits) -> List {
        if self.nodes.len() == 0 {
            return List::new();
        }
        let mut list = List {
            form: Form::Large(Slim::new(self.nodes)),
        };
        list.settle(limits);
        list
    }
}

#[cfg(test)]
mod tests;
