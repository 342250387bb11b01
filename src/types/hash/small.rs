//! A small hash in one listpack: `name value`, or `name value time` once a field of it has
//! had a time to live.
//!
//! With times the fields stand in the order in which they end, those that do not end behind
//! them, with the time 0: just as in RDB files.

use super::{EXPIRE_AT_MS_MAX, Field, Term};
use crate::base::number::Digits;
use crate::types::listpack::{EMPTY_BYTES, Item, ListPack, Pos};

/// More than that is not taken for granted.
const EXPECTED_BYTES_MAX: usize = 4096;

const NO_TIME: i64 = 0;

/// Whether fields stand in the order in which they end.
pub enum Order {
    Right,
    Wrong,
}

#[derive(Clone, Debug, Default)]
pub struct Small {
    pack: ListPack,
    timed: bool,
}

impl Small {
    /// `pack` holds fields as this module does, each once.
    pub fn of(pack: ListPack, timed: bool) -> Small {
        Small { pack, timed }
    }

    /// Makes room for so many bytes of entries in an empty one.
    pub fn expect_bytes(&mut self, bytes: usize) {
        if self.is_empty() {
            self.pack = ListPack::with_capacity(EMPTY_BYTES + bytes.min(EXPECTED_BYTES_MAX));
        }
    }

    pub fn pack(&self) -> &ListPack {
        &self.pack
    }

    /// Whether every field has a place for a time.
    pub fn is_timed(&self) -> bool {
        self.timed
    }

    /// Entries of one field.
    #[inline]
    fn stride(&self) -> usize {
        if self.timed { 3 } else { 2 }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.pack.len() / self.stride()
    }

    pub fn is_empty(&self) -> bool {
        self.pack.is_empty()
    }

    /// The earliest time.
    pub fn first_ms(&self) -> Option<i64> {
        if !self.timed {
            return None;
        }
        self.iter().next()?.1.expire_at_ms
    }

    /// How many fields have a time.
    pub fn timed_len(&self) -> usize {
        let is_timed = |(_, field): &(Item, Field)| field.expire_at_ms.is_some();
        if !self.timed {
            return 0;
        }
        self.iter().take_while(is_timed).count()
    }

    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<Pos> {
        let skip = self.stride() - 1;
        self.pack.find(self.pack.first(), name, skip)
    }

    /// The field whose name stands at `pos`.
    #[inline]
    pub fn field_at(&self, pos: Pos) -> Option<Field<'_>> {
        let mut items = self.pack.iter_from(pos);
        items.next()?;
        let value = items.next()?;
        let expire_at_ms = match self.timed {
            true => time_of(items.next()?),
            false => None,
        };
        Some(Field {
            value,
            expire_at_ms,
        })
    }

    /// The field of this number, from 0.
    pub fn nth(&self, number: usize) -> Option<(Item<'_>, Field<'_>)> {
        let pos = self.pack.seek((number * self.stride()) as i64)?;
        Some((self.pack.get(pos), self.field_at(pos)?))
    }

    pub fn iter(&self) -> impl Iterator<Item = (Item<'_>, Field<'_>)> {
        let (mut items, timed) = (self.pack.iter(), self.timed);
        std::iter::from_fn(move || {
            let (name, value) = (items.next()?, items.next()?);
            let expire_at_ms = match timed {
                true => time_of(items.next()?),
                false => None,
            };
            let field = Field {
                value,
                expire_at_ms,
            };
            Some((name, field))
        })
    }

    /// Sets a field that stands at `pos`.
    pub fn overwrite(&mut self, pos: Pos, value: &[u8], term: Term) {
        if let Some(value_at) = self.pack.next(pos) {
            self.pack.replace(value_at, value);
        }
        match term {
            Term::Keep => {}
            Term::Endless if !self.timed => {}
            Term::Endless => self.set_time(pos, None),
            Term::Until(at_ms) => self.set_time(pos, Some(at_ms)),
        }
    }

    /// Adds a field that is not here.
    pub fn add(&mut self, name: &[u8], value: &[u8], expire_at_ms: Option<i64>) {
        if expire_at_ms.is_some() {
            self.become_timed();
        }
        let place = self.place(expire_at_ms);
        let Some(pos) = place else {
            self.pack.push_back(name);
            self.pack.push_back(value);
            if self.timed {
                self.pack.push_int(expire_at_ms.unwrap_or(NO_TIME));
            }
            return;
        };
        let pos = self.pack.insert_before(pos, name);
        let pos = self.pack.insert_after(pos, value);
        let mut digits = Digits::new();
        let time = digits.of(expire_at_ms.unwrap_or(NO_TIME));
        self.pack.insert_after(pos, time);
    }

    pub fn remove(&mut self, pos: Pos) {
        self.pack.remove_from(pos, self.stride());
    }

    /// Gives the field that stands at `pos` another time, or none.
    pub fn set_time(&mut self, pos: Pos, expire_at_ms: Option<i64>) {
        let Some(field) = self.field_at(pos) else {
            return;
        };
        if field.expire_at_ms == expire_at_ms {
            return;
        }
        let (name, value) = (self.pack.get(pos).to_vec(), field.value.to_vec());
        self.remove(pos);
        self.add(&name, &value, expire_at_ms);
    }

    /// Takes out fields whose time is over, soonest first.
    pub fn take_due(&mut self, now_ms: i64, max: usize, mut visit: impl FnMut(&[u8])) {
        let is_due = |(_, field): &(Item, Field)| field.is_due(now_ms);
        if !self.timed {
            return;
        }
        let due = self.iter().take_while(is_due).take(max);
        let count = due
            .map(|(name, _)| visit(name.text(&mut Digits::new())))
            .count();
        self.pack.remove_range(0, count * self.stride());
    }

    /// Where a field with this time belongs: in front of the first one that ends later.
    fn place(&self, expire_at_ms: Option<i64>) -> Option<Pos> {
        let at_ms = expire_at_ms?;
        let mut pos = self.pack.first()?;
        loop {
            let field = self.field_at(pos)?;
            if field.expire_at_ms.is_none_or(|other| other > at_ms) {
                return Some(pos);
            }
            for _ in 0..self.stride() {
                pos = self.pack.next(pos)?;
            }
        }
    }

    /// How its times stand; `None` if one is no time.
    pub fn order(&self) -> Option<Order> {
        let (mut last, mut order) = (0, Order::Right);
        for (_, field) in self.iter() {
            let at_ms = field.expire_at_ms.unwrap_or(i64::MAX);
            if at_ms < last {
                order = Order::Wrong;
            }
            last = at_ms;
        }
        let mut times = self.pack.iter().skip(2).step_by(3);
        let is_time = |item| matches!(item, Item::Int(0..=EXPIRE_AT_MS_MAX));
        (!self.timed || times.all(is_time)).then_some(order)
    }

    /// The same fields in the order of their times.
    pub fn in_order(&self) -> Small {
        let mut fields: Vec<_> = self.iter().collect();
        fields.sort_by_key(|(_, field)| field.expire_at_ms.unwrap_or(i64::MAX));
        let mut pack = ListPack::with_capacity(self.pack.size_bytes());
        for (name, field) in fields {
            pack.push_item(name);
            pack.push_item(field.value);
            if self.timed {
                pack.push_int(field.expire_at_ms.unwrap_or(NO_TIME));
            }
        }
        Small::of(pack, self.timed)
    }

    pub fn become_timed(&mut self) {
        if self.timed {
            return;
        }
        let fields = self.pack.len() / 2;
        let mut pack = ListPack::with_capacity(self.pack.size_bytes() + 2 * fields);
        for (name, field) in self.iter() {
            pack.push_item(name);
            pack.push_item(field.value);
            pack.push_int(NO_TIME);
        }
        *self = Small { pack, timed: true };
    }

    /// The fields without their times.
    pub fn without_times(&self) -> ListPack {
        let mut pack = ListPack::with_capacity(self.pack.size_bytes());
        for (name, field) in self.iter() {
            pack.push_item(name);
            pack.push_item(field.value);
        }
        pack
    }
}

#[inline]
fn time_of(item: Item) -> Option<i64> {
    item.int().filter(|at_ms| *at_ms != NO_TIME)
}
