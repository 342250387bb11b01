//! A node: some tens of records in one page.
//!
//! Records too long to be copied along with a page are kept beside it, each behind a pointer
//! of its own.

use std::sync::Arc;

use smallvec::SmallVec;

use super::page;

/// A record of more bytes is kept beside the page.
const INLINE_BYTES_MAX: usize = 512;
/// Bytes of records beyond which even short ones are kept beside the page. The load of nodes
/// is such that this is never met; it makes sure that places have 15 bits.
const RECORDS_BYTES_MAX: usize = 16 << 10;
/// A long record starts with the length of its key.
const LONG_HEAD_BYTES: usize = 8;

const _: () = assert!(RECORDS_BYTES_MAX + INLINE_BYTES_MAX < page::USED_BYTES_MAX);

type Long = Arc<[u8]>;

#[derive(Clone, Default)]
pub struct Node {
    page: Option<Arc<[u8]>>,
    long: Option<Arc<Vec<Long>>>,
}

/// A record to be put in, with its tag.
#[derive(Clone, Copy)]
pub struct New<'a> {
    pub tag: u8,
    pub key: &'a [u8],
    pub value: &'a [u8],
}

impl Node {
    pub fn len(&self) -> usize {
        self.page.as_deref().map_or(0, page::count)
    }

    /// Bytes of the page, with what its pointer has in front.
    pub fn page_bytes(&self) -> usize {
        let bytes = |page: &Arc<[u8]>| page::COUNTS_BYTES + page.len();
        self.page.as_ref().map_or(0, bytes)
    }

    /// Bytes that the records beside the page have allocated.
    pub fn long_bytes(&self) -> usize {
        let Some(long) = &self.long else {
            return 0;
        };
        let pointers = long.capacity() * size_of::<Long>();
        let bytes = |long: &Long| page::COUNTS_BYTES + long.len();
        pointers + long.iter().map(bytes).sum::<usize>()
    }

    /// The slot of a key.
    #[inline]
    pub fn find(&self, tag: u8, key: &[u8]) -> Option<usize> {
        let page = self.page.as_deref()?;
        page::find(page, tag, |place| self.at(page, place).0 == key)
    }

    /// Key and value in a slot below `len`.
    #[inline]
    pub fn get(&self, slot: usize) -> (&[u8], &[u8]) {
        match self.page.as_deref() {
            Some(page) => self.at(page, page::place(page, slot)),
            None => (&[], &[]),
        }
    }

    /// The value in a slot below `len`, to be changed in place.
    pub fn value_mut(&mut self, slot: usize) -> &mut [u8] {
        let value_len = self.get(slot).1.len();
        let Some(page) = &mut self.page else {
            return &mut [];
        };
        let place = page::place(page, slot);
        match (page::beside(place), &mut self.long) {
            (Some(index), Some(long)) => {
                let long = Arc::make_mut(&mut Arc::make_mut(long)[index]);
                let start = long.len() - value_len;
                &mut long[start..]
            }
            _ => page::value_mut(Arc::make_mut(page), place),
        }
    }

    /// Puts a record in whose key is not there yet.
    pub fn push(&mut self, new: New) {
        let (bytes, records) = match new.key.len() + new.value.len() {
            0..=INLINE_BYTES_MAX => (
                page::record_bytes(new.key, new.value),
                self.page.as_deref().map_or(0, page::live),
            ),
            _ => (0, RECORDS_BYTES_MAX),
        };
        if records + bytes < RECORDS_BYTES_MAX {
            let page = self.room_for(bytes);
            let record = page::push(page, new.tag, bytes);
            page::write_record(record, new.key, new.value);
        } else {
            self.push_long(new.tag, long_of(new));
        }
    }

    /// Gives the record in a slot another value.
    pub fn replace(&mut self, slot: usize, new: New) {
        let old = self.get(slot).1;
        if old == new.value {
            return;
        }
        if old.len() == new.value.len() {
            self.value_mut(slot).copy_from_slice(new.value);
        } else {
            self.take_out(slot);
            self.push(new);
            self.fit();
        }
    }

    /// Takes a record out; the last slot moves to its place.
    pub fn remove(&mut self, slot: usize) {
        self.take_out(slot);
        self.fit();
    }

    /// Divides the records: those whose key `goes` are put in a node of their own.
    pub fn split(&mut self, goes: impl Fn(&[u8]) -> bool) -> Node {
        let going: Vec<bool> = (0..self.len()).map(|slot| goes(self.get(slot).0)).collect();
        let mut sides = [Builder::default(), Builder::default()];
        for (slot, going) in going.iter().enumerate() {
            sides[usize::from(*going)].plan(self, slot);
        }
        sides.iter_mut().for_each(Builder::begin);
        let [mut stay, mut go] = sides;
        for (side, is_going) in [(&mut stay, false), (&mut go, true)] {
            let slots = going.iter().enumerate();
            let slots = slots.filter(|(_, going)| **going == is_going);
            side.copy(self, slots.map(|(slot, _)| slot));
        }
        *self = stay.node;
        go.node
    }

    /// Takes in all of another node.
    pub fn merge(&mut self, other: &Node) {
        let mut all = Builder::default();
        for node in [&*self, other] {
            (0..node.len()).for_each(|slot| all.plan(node, slot));
        }
        all.begin();
        for node in [&*self, other] {
            all.copy(node, 0..node.len());
        }
        *self = all.node;
    }

    #[inline]
    fn at<'a>(&'a self, page: &'a [u8], place: u16) -> (&'a [u8], &'a [u8]) {
        match page::beside(place) {
            None => page::record(page, place),
            Some(index) => self.long_at(index),
        }
    }

    #[cold]
    fn long_at(&self, index: usize) -> (&[u8], &[u8]) {
        let long = self.long.as_deref().and_then(|long| long.get(index));
        match long.and_then(|long| long.split_first_chunk::<LONG_HEAD_BYTES>()) {
            Some((key_len, rest)) => rest.split_at(u64::from_le_bytes(*key_len) as usize),
            None => (&[], &[]),
        }
    }

    fn push_long(&mut self, tag: u8, long: Long) {
        let list = Arc::make_mut(self.long.get_or_insert_default());
        let number = list.len();
        assert!(number < usize::from(page::BESIDE), "an overloaded node");
        list.push(long);
        page::push_slot(self.room_for(0), tag, number as u16 | page::BESIDE);
    }

    fn take_out(&mut self, slot: usize) {
        let Some(page) = self.page.as_mut().map(Arc::make_mut) else {
            return;
        };
        let beside = page::beside(page::place(page, slot));
        page::remove(page, slot);
        let (Some(index), Some(long)) = (beside, &mut self.long) else {
            return;
        };
        // The last of the long ones gets its number.
        let list = Arc::make_mut(long);
        list.swap_remove(index);
        let moved = list.len() as u16 | page::BESIDE;
        let mut slots = 0..page::count(page);
        if let Some(slot) = slots.find(|slot| page::place(page, *slot) == moved) {
            page::set_place(page, slot, index as u16 | page::BESIDE);
        }
        if list.is_empty() {
            self.long = None;
        }
    }

    /// The page, with room for one more slot and a record of these bytes.
    fn room_for(&mut self, bytes: usize) -> &mut [u8] {
        let (free, slots, records, holes) = match self.page.as_deref() {
            Some(page) => (
                page::free(page),
                page::count(page),
                page::live(page),
                page::holes(page),
            ),
            None => (0, 0, 0, 0),
        };
        let with_it = page::bytes_for(slots + 1, records + bytes);
        let more = with_it - page::bytes_for(slots, records);
        if self.page.is_none() || free < more || records + holes + bytes > page::USED_BYTES_MAX {
            // Where records come and go, closing holes must not be the next one's work too.
            let spare = if holes > 0 { with_it / 16 } else { 0 };
            self.rebuild(with_it + spare);
        }
        match &mut self.page {
            Some(page) => Arc::make_mut(page),
            None => &mut [],
        }
    }

    /// Gives back what the page does not need, once that is half of it.
    fn fit(&mut self) {
        let Some(page) = self.page.as_deref() else {
            return;
        };
        let live = page::bytes_for(page::count(page), page::live(page));
        if page::count(page) == 0 {
            self.page = None;
        } else if page::fitting(2 * live) < page.len() {
            self.rebuild(live + live / 8);
        }
    }

    /// Moves everything to a page of at least these bytes.
    fn rebuild(&mut self, bytes: usize) {
        let mut fresh = page::blank(page::fitting(bytes));
        if let Some(old) = self.page.as_deref() {
            page::copy(old, Arc::make_mut(&mut fresh));
        }
        self.page = Some(fresh);
    }
}

fn long_of(new: New) -> Long {
    let head = (new.key.len() as u64).to_le_bytes();
    [&head, new.key, new.value].concat().into()
}

/// Makes a node of records of others, in a page that fits.
#[derive(Default)]
struct Builder {
    node: Node,
    slots: usize,
    records_bytes: usize,
}

impl Builder {
    /// Counts a record in.
    fn plan(&mut self, from: &Node, slot: usize) {
        if let Some(page) = from.page.as_deref() {
            self.slots += 1;
            let place = page::place(page, slot);
            if page::beside(place).is_none() {
                self.records_bytes += page::raw(page, place).len();
            }
        }
    }

    /// Makes room for what was counted.
    fn begin(&mut self) {
        if self.slots > 0 {
            let bytes = page::bytes_for(self.slots, self.records_bytes);
            self.node.page = Some(page::blank(page::fitting(bytes)));
        }
    }

    fn copy(&mut self, from: &Node, slots: impl Iterator<Item = usize>) {
        let (Some(page), Some(target)) = (from.page.as_deref(), &mut self.node.page) else {
            return;
        };
        let target = Arc::make_mut(target);
        let mut beside: SmallVec<[_; 8]> = SmallVec::new();
        for slot in slots {
            let (tag, place) = (page::tag(page, slot), page::place(page, slot));
            if let Some(index) = page::beside(place) {
                beside.push((tag, index));
                continue;
            }
            let record = page::raw(page, place);
            page::push(target, tag, record.len()).copy_from_slice(record);
        }
        if let Some(long) = &from.long {
            for (tag, index) in beside {
                self.node.push_long(tag, long[index].clone());
            }
        }
    }
}
