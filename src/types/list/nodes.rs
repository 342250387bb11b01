//! The large form: nodes in a row, each a listpack within the limits or one value too large
//! for that. Where nodes are split and joined, and where a value goes, is as Redis does it,
//! so that the same commands lead to the same nodes, encodings and files.
//!
//! Nodes are shared with clones until they are changed.

use std::collections::VecDeque;
use std::sync::Arc;

use super::limits::Limits;
use super::{End, Node};
use crate::types::listpack::{Item, ListPack, Pos};

/// What an `Arc` allocates beside a listpack or a value: two counts, and where that is.
const NODE_BYTES: usize = (16 + size_of::<ListPack>()).next_multiple_of(8);

/// So many nodes are not freed where they are taken out.
const CUT_NODES_MIN: usize = 64;

/// A node in its place. No packed one is empty.
#[derive(Clone)]
enum Slot {
    Packed { pack: Arc<ListPack>, entries: u32 },
    Plain(Arc<Box<[u8]>>),
}

impl Slot {
    fn packed(pack: ListPack) -> Slot {
        Slot::Packed {
            entries: pack.len() as u32,
            pack: Arc::new(pack),
        }
    }

    fn plain(value: &[u8]) -> Slot {
        Slot::Plain(Arc::new(value.into()))
    }

    /// A node of its own for this value.
    fn single(value: &[u8], limits: &Limits) -> Slot {
        if limits.is_plain(value.len()) {
            return Slot::plain(value);
        }
        let mut pack = ListPack::new();
        pack.push_back(value);
        Slot::packed(pack)
    }

    fn node(&self) -> Node<'_> {
        match self {
            Slot::Packed { pack, .. } => Node::Packed(pack),
            Slot::Plain(value) => Node::Plain(value),
        }
    }

    fn entries(&self) -> usize {
        match self {
            Slot::Packed { entries, .. } => *entries as usize,
            Slot::Plain(_) => 1,
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Slot::Packed { pack, .. } => pack.heap_bytes(),
            Slot::Plain(value) => value.len(),
        }
    }

    fn takes(&self, value: &[u8], limits: &Limits) -> bool {
        match self {
            Slot::Packed { pack, entries } => {
                limits.have_room(pack.size_bytes(), *entries as usize, value.len())
            }
            Slot::Plain(_) => false,
        }
    }
}

/// Where an entry is: its node, and its place in that if it is packed.
#[derive(Clone, Copy)]
struct Place {
    slot: usize,
    pos: Option<Pos>,
}

#[derive(Clone, Default)]
pub(super) struct Nodes {
    slots: VecDeque<Slot>,
    /// Entries of all nodes.
    len: usize,
    /// What the nodes have allocated for their entries.
    bytes: usize,
}

impl Nodes {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn count(&self) -> usize {
        self.slots.len()
    }

    pub fn heap_bytes(&self) -> usize {
        let row = self.slots.capacity() * size_of::<Slot>();
        size_of::<Nodes>() + row + self.slots.len() * NODE_BYTES + self.bytes
    }

    /// What the nodes have allocated for their entries.
    #[cfg(test)]
    pub fn node_bytes(&self) -> usize {
        self.bytes
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Node<'_>> {
        self.slots.iter().map(Slot::node)
    }

    /// The one node of a list, if it is packed and all there is.
    pub fn only_pack(&self) -> Option<&ListPack> {
        match self.slots.front() {
            Some(Slot::Packed { pack, .. }) if self.slots.len() == 1 => Some(pack),
            _ => None,
        }
    }

    /// The same for good.
    pub fn into_only_pack(mut self) -> Option<ListPack> {
        match self.slots.pop_front() {
            Some(Slot::Packed { pack, .. }) => Some(Arc::unwrap_or_clone(pack)),
            _ => None,
        }
    }

    /// A node with what it holds, behind all others. An empty listpack is none.
    pub fn add_pack(&mut self, pack: ListPack) {
        if !pack.is_empty() {
            self.insert_slot(self.slots.len(), Slot::packed(pack));
        }
    }

    pub fn add_plain(&mut self, value: &[u8]) {
        self.insert_slot(self.slots.len(), Slot::plain(value));
    }

    pub fn push(&mut self, value: &[u8], end: End, limits: &Limits) {
        let last = match end {
            End::Front => 0,
            End::Back => self.slots.len().saturating_sub(1),
        };
        if self.takes(last, value, limits) {
            self.edit(last, |pack| match end {
                End::Front => pack.push_front(value),
                End::Back => pack.push_back(value),
            });
            return;
        }
        self.fit(last);
        let at = match end {
            End::Front => 0,
            End::Back => self.slots.len(),
        };
        self.insert_slot(at, Slot::single(value, limits));
    }

    pub fn get(&self, end: End, index: usize) -> Option<Item<'_>> {
        let place = self.seek(end, index)?;
        Some(match (&self.slots[place.slot], place.pos) {
            (Slot::Packed { pack, .. }, Some(pos)) => pack.get(pos),
            (slot, _) => slot.node().first(),
        })
    }

    /// Gives an entry another value. False if there is none.
    pub fn set(&mut self, end: End, index: usize, value: &[u8], limits: &Limits) -> bool {
        let Some(place) = self.seek(end, index) else {
            return false;
        };
        let at = place.slot;
        match place.pos {
            Some(pos) if !limits.is_plain(value.len()) => {
                self.edit(at, |pack| {
                    pack.replace(pos, value);
                });
            }
            Some(pos) => self.replace_by_plain(at, pos, value, limits),
            None if limits.is_plain(value.len()) => {
                self.remove_slot(at);
                self.insert_slot(at, Slot::plain(value));
            }
            None => {
                self.insert_at(place, true, value, limits);
                self.remove_slot(at);
            }
        }
        true
    }

    /// An entry of a listpack gives way to a value too large for one.
    fn replace_by_plain(&mut self, at: usize, pos: Pos, value: &[u8], limits: &Limits) {
        let rest = self.edit(at, |pack| {
            let rest = pack.next(pos).map(|behind| pack.split_off(behind));
            pack.remove(pos);
            rest
        });
        if let Some(rest) = rest {
            self.insert_slot(at + 1, Slot::packed(rest));
        }
        self.insert_slot(at + 1, Slot::plain(value));
        if self.slots[at].entries() == 0 {
            self.remove_slot(at);
        } else {
            self.merge_around(at + 1, limits);
        }
    }

    /// Puts a value beside the first `pivot`. False if there is none.
    pub fn insert(&mut self, pivot: &[u8], after: bool, value: &[u8], limits: &Limits) -> bool {
        let mut places = self.slots.iter().enumerate();
        let place = places.find_map(|(at, slot)| {
            let pos = slot.node().find(pivot)?;
            Some(Place { slot: at, pos })
        });
        match place {
            Some(place) => self.insert_at(place, after, value, limits),
            None => return false,
        }
        true
    }

    /// Puts a value beside an entry: into its node, or into the next one if it stands at the
    /// end of a full one and there is room, or into a new one, for which a node may have to
    /// be split.
    fn insert_at(&mut self, place: Place, after: bool, value: &[u8], limits: &Limits) {
        let at = place.slot;
        let side = at + usize::from(after);
        let Some((pos, beyond)) = self.inside(place, after) else {
            // At the outer end of the node, or the node is a single value.
            let neighbour = if after { at + 1 } else { at.wrapping_sub(1) };
            let end_of = |own: bool| own != after;
            if self.takes(at, value, limits) {
                self.push_into(at, value, end_of(true));
            } else if self.takes(neighbour, value, limits) {
                self.push_into(neighbour, value, end_of(false));
            } else {
                self.insert_slot(side, Slot::single(value, limits));
            }
            return;
        };
        if self.takes(at, value, limits) {
            self.edit(at, |pack| {
                match after {
                    true => pack.insert_after(pos, value),
                    false => pack.insert_before(pos, value),
                };
            });
            return;
        }
        let rest = self.edit(at, |pack| pack.split_off(beyond));
        self.insert_slot(at + 1, Slot::packed(rest));
        if limits.is_plain(value.len()) {
            self.insert_slot(at + 1, Slot::plain(value));
        } else {
            // The value goes to the half that the entry itself is not in.
            self.push_into(at + usize::from(after), value, after);
            self.merge_around(at + usize::from(!after), limits);
        }
    }

    /// Where an entry stands that has others of its node on this side, and where the hind
    /// part begins if the node is split on this side of it.
    fn inside(&self, place: Place, after: bool) -> Option<(Pos, Pos)> {
        match (&self.slots[place.slot], place.pos?) {
            (Slot::Packed { pack, .. }, pos) if after => Some((pos, pack.next(pos)?)),
            (Slot::Packed { pack, .. }, pos) => pack.prev(pos).map(|_| (pos, pos)),
            (Slot::Plain(_), _) => None,
        }
    }

    fn push_into(&mut self, at: usize, value: &[u8], at_front: bool) {
        self.edit(at, |pack| match at_front {
            true => pack.push_front(value),
            false => pack.push_back(value),
        });
    }

    /// Takes out up to `count` entries of this value, those nearest to `end` first, and says
    /// how many those were.
    pub fn remove(&mut self, value: &[u8], end: End, count: usize) -> usize {
        let mut left = count;
        let nodes = self.slots.len();
        for step in 0..nodes {
            if left == 0 {
                break;
            }
            let at = match end {
                End::Front => step,
                End::Back => nodes - 1 - step,
            };
            if self.slots[at].node().find(value).is_none() {
                continue;
            }
            left -= match self.slots[at] {
                Slot::Packed { .. } => {
                    self.edit(at, |pack| remove_from_pack(pack, value, end, left))
                }
                Slot::Plain(_) => {
                    self.clear_slot(at);
                    1
                }
            };
        }
        if left < count {
            self.remove_empty_slots();
        }
        count - left
    }

    /// Takes out `count` entries at an end, in whole nodes as far as these are many: they are
    /// returned, and `drop_at` has to take out what is left of `count`.
    pub fn cut_at(&mut self, end: End, count: &mut usize) -> Option<Nodes> {
        let mut left = *count;
        let is_covered = |slot: &Slot| {
            let fits = left >= slot.entries();
            left = left.saturating_sub(slot.entries());
            fits
        };
        let nodes = self.slots.len();
        let covered = match end {
            End::Front => self
                .slots
                .iter()
                .map(is_covered)
                .take_while(|&fits| fits)
                .count(),
            End::Back => self
                .slots
                .iter()
                .rev()
                .map(is_covered)
                .take_while(|&fits| fits)
                .count(),
        };
        if covered < CUT_NODES_MIN {
            return None;
        }
        let slots = match end {
            End::Front => {
                let kept = self.slots.split_off(covered);
                std::mem::replace(&mut self.slots, kept)
            }
            End::Back => self.slots.split_off(nodes - covered),
        };
        let len = slots.iter().map(Slot::entries).sum();
        // The smaller part is looked at.
        let bytes_of = |slots: &VecDeque<Slot>| slots.iter().map(Slot::heap_bytes).sum();
        let bytes = match slots.len() < self.slots.len() {
            true => bytes_of(&slots),
            false => self.bytes - bytes_of(&self.slots),
        };
        self.len -= len;
        self.bytes -= bytes;
        *count -= len;
        self.release();
        Some(Nodes { slots, len, bytes })
    }

    /// Takes out `count` entries at an end; all if there are no more.
    pub fn drop_at(&mut self, end: End, count: usize) {
        let mut left = count.min(self.len);
        while left > 0 {
            let at = match end {
                End::Front => 0,
                End::Back => self.slots.len() - 1,
            };
            let entries = self.slots[at].entries();
            if left < entries {
                self.edit(at, |pack| match end {
                    End::Front => pack.remove_range(0, left),
                    End::Back => pack.remove_range(-(left as i64), left),
                });
                return;
            }
            left -= entries;
            self.remove_slot(at);
        }
    }

    /// The entry so far from this end.
    fn seek(&self, end: End, index: usize) -> Option<Place> {
        let from_end = self.len.checked_sub(index + 1)?;
        // The nearer end is the better one to begin at.
        let (forward, mut left) = match (end, index <= from_end) {
            (End::Front, true) => (true, index),
            (End::Front, false) => (false, from_end),
            (End::Back, true) => (false, index),
            (End::Back, false) => (true, from_end),
        };
        let mut at = if forward { 0 } else { self.slots.len() - 1 };
        while left >= self.slots[at].entries() {
            left -= self.slots[at].entries();
            at = if forward { at + 1 } else { at - 1 };
        }
        let pos = match &self.slots[at] {
            Slot::Packed { pack, .. } => {
                let left = left as i64;
                pack.seek(if forward { left } else { -1 - left })
            }
            Slot::Plain(_) => None,
        };
        Some(Place { slot: at, pos })
    }

    /// Visits entries from an end on, `skip` of them left out, until told to stop.
    pub fn visit<'a>(&'a self, end: End, skip: usize, visit: &mut impl FnMut(Item<'a>) -> bool) {
        let mut skip = skip;
        let mut each = |slot: &'a Slot| {
            let entries = slot.entries();
            if skip >= entries {
                skip -= entries;
                return true;
            }
            slot.node().visit(end, std::mem::take(&mut skip), visit)
        };
        match end {
            End::Front => self.slots.iter().all(&mut each),
            End::Back => self.slots.iter().rev().all(&mut each),
        };
    }

    /// Joins neighbours of a node with theirs, and the node with both, where they fit.
    fn merge_around(&mut self, at: usize, limits: &Limits) {
        let mut center = at;
        if center >= 2 && self.merge(center - 2, limits) {
            center -= 1;
        }
        self.merge(center + 1, limits);
        if center >= 1 && self.merge(center - 1, limits) {
            center -= 1;
        }
        self.merge(center, limits);
    }

    /// Joins a node with the next one, if both are there and fit into one.
    fn merge(&mut self, at: usize, limits: &Limits) -> bool {
        /// Header and end, which one of the two loses.
        const FRAME_BYTES: usize = 7;
        let (Some(Slot::Packed { pack: a, .. }), Some(Slot::Packed { pack: b, .. })) =
            (self.slots.get(at), self.slots.get(at + 1))
        else {
            return false;
        };
        let size_bytes = a.size_bytes() + b.size_bytes() - FRAME_BYTES;
        if limits.are_exceeded_by(size_bytes, a.len() + b.len()) {
            return false;
        }
        let second = Arc::clone(b);
        self.remove_slot(at + 1);
        self.edit(at, |pack| pack.append(&second));
        true
    }

    fn takes(&self, at: usize, value: &[u8], limits: &Limits) -> bool {
        let slot = self.slots.get(at);
        slot.is_some_and(|slot| slot.takes(value, limits))
    }

    /// Changes a listpack, and counts again. Whoever gets here knows that it is one.
    fn edit<R: Default>(&mut self, at: usize, change: impl FnOnce(&mut ListPack) -> R) -> R {
        let Some(Slot::Packed { pack, entries }) = self.slots.get_mut(at) else {
            return R::default();
        };
        let old = (pack.heap_bytes(), *entries);
        let pack = Arc::make_mut(pack);
        let result = change(pack);
        *entries = pack.len() as u32;
        self.bytes = self.bytes - old.0 + pack.heap_bytes();
        self.len = self.len - old.1 as usize + *entries as usize;
        result
    }

    /// Lets a node that will hardly grow any more have just what it needs.
    fn fit(&mut self, at: usize) {
        if let Some(Slot::Packed { pack, .. }) = self.slots.get_mut(at)
            && let Some(pack) = Arc::get_mut(pack)
        {
            self.bytes -= pack.heap_bytes();
            pack.shrink_to_fit();
            self.bytes += pack.heap_bytes();
        }
    }

    fn insert_slot(&mut self, at: usize, slot: Slot) {
        self.len += slot.entries();
        self.bytes += slot.heap_bytes();
        self.slots.insert(at, slot);
    }

    fn remove_slot(&mut self, at: usize) {
        if let Some(slot) = self.slots.remove(at) {
            self.len -= slot.entries();
            self.bytes -= slot.heap_bytes();
        }
        self.release();
    }

    /// Puts an empty listpack in a node's place, to be taken out later.
    fn clear_slot(&mut self, at: usize) {
        let empty = Slot::packed(ListPack::new());
        self.bytes += empty.heap_bytes();
        let old = std::mem::replace(&mut self.slots[at], empty);
        self.len -= old.entries();
        self.bytes -= old.heap_bytes();
    }

    fn remove_empty_slots(&mut self) {
        let bytes = &mut self.bytes;
        self.slots.retain(|slot| {
            let keep = slot.entries() > 0;
            if !keep {
                *bytes -= slot.heap_bytes();
            }
            keep
        });
        self.release();
    }

    /// Gives back most of the row's memory once hardly any of it is used.
    fn release(&mut self) {
        const KEPT_MIN: usize = 16;
        let kept = (self.slots.len() * 2).max(KEPT_MIN);
        if kept * 2 <= self.slots.capacity() {
            self.slots.shrink_to(kept);
        }
    }
}

/// As `Nodes::remove` in one listpack.
pub(super) fn remove_from_pack(pack: &mut ListPack, value: &[u8], end: End, count: usize) -> usize {
    let mut removed = 0;
    match end {
        End::Front => {
            let mut from = pack.first();
            while removed < count
                && let Some(pos) = pack.find(from, value, 0)
            {
                from = pack.remove(pos);
                removed += 1;
            }
        }
        End::Back => {
            let mut from = pack.last();
            while removed < count
                && let Some(pos) = from
            {
                from = pack.prev(pos);
                if pack.get(pos).eq(value) {
                    pack.remove(pos);
                    removed += 1;
                }
            }
        }
    }
    removed
}
