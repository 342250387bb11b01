//! A hash: fields with values, some of which end at a time of their own.
//!
//! ```text
//! Small   one listpack, with times or without: the blobs of RDB files       small
//! Large   dict: name -> time, value     deadlines: (time, name)             large, deadlines
//! ```
//!
//! It turns large when it outgrows its `Limits` and stays so. What ends when is data here:
//! a field whose time is over stays until somebody takes it out (`take_due`, `remove`), and
//! whoever reads decides with `Field::is_due` what is still to be seen.

/// The small form.
mod small;

/// Times in order.
mod deadlines;

/// The large form.
mod large;

#[cfg(test)]
mod tests;

use std::fmt;

use smallvec::SmallVec;

use self::large::Large;
use self::small::{Order, Small};
use super::Encoding;
use super::listpack::{Item, ListPack};
use crate::base::memory::block::Slim;
use crate::base::rng::Rng;

/// The latest time a field can have, in Unix milliseconds: others cannot keep later ones.
/// It is in the year 4199.
pub const EXPIRE_AT_MS_MAX: i64 = (1 << 46) - 1;
/// The earliest one: 0 means "none" where times are written down.
const EXPIRE_AT_MS_MIN: i64 = 1;

/// Freeing more than this takes long enough to be another thread's work.
const BIG_BYTES: usize = 1 << 20;

/// Beyond which a hash turns large: the directives `hash-max-listpack-entries` and
/// `hash-max-listpack-value`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub fields: usize,
    /// Of a name or a value.
    pub text_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            fields: 512,
            text_bytes: 64,
        }
    }
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    pub value: Item<'a>,
    /// Unix milliseconds.
    pub expire_at_ms: Option<i64>,
}

impl Field<'_> {
    /// Whether its time is over; as with keys, in the millisecond after.
    #[inline]
    pub fn is_due(&self, now_ms: i64) -> bool {
        self.expire_at_ms.is_some_and(|at_ms| at_ms < now_ms)
    }
}

/// When a field that is set will end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// As it would have ended before; a new field does not.
    Keep,
    Endless,
    /// Unix milliseconds.
    Until(i64),
}

#[derive(Clone, Debug)]
pub struct Hash(Form);

#[derive(Clone)]
enum Form {
    Small(Small),
    Large(Slim<Large>),
}

const _: () = assert!(size_of::<Hash>() == 8);

impl Default for Hash {
    fn default() -> Hash {
        Hash(Form::Small(Small::default()))
    }
}

impl Hash {
    pub fn new() -> Hash {
        Hash::default()
    }

    /// A hash of what RDB files hold of small ones: `name value`, or with `timed` also the
    /// time. It turns large if it does not fit `limits`.
    ///
    /// `None` if it is nothing of the kind: a name without a value, a name twice, a time
    /// that is none.
    pub fn of_pack(pack: ListPack, timed: bool, limits: &Limits) -> Option<Hash> {
        let stride = if timed { 3 } else { 2 };
        let fields = pack.len() / stride;
        if fields * stride != pack.len() || has_twice(pack.iter().step_by(stride)) {
            return None;
        }
        let mut small = Small::of(pack, timed);
        match small.order()? {
            Order::Right => {}
            Order::Wrong => small = small.in_order(),
        }
        let fits = |item: Item| item.len_bytes() <= limits.text_bytes;
        let is_small = fields <= limits.fields
            && small
                .iter()
                .all(|(name, field)| fits(name) && fits(field.value));
        let mut hash = Hash(Form::Small(small));
        if !is_small {
            hash.as_large();
        }
        Some(hash)
    }

    /// The bytes of a small hash as RDB files hold them, and whether they have times. Those
    /// are left out if no field has one any more.
    pub fn with_pack<T>(&self, put: impl FnOnce(&ListPack, bool) -> T) -> Option<T> {
        let Form::Small(small) = &self.0 else {
            return None;
        };
        Some(match small.is_timed() && small.first_ms().is_none() {
            true => put(&small.without_times(), false),
            false => put(small.pack(), small.is_timed()),
        })
    }

    /// An empty hash is about to be given so many bytes of names and values, as entries of a
    /// listpack.
    pub fn expect_bytes(&mut self, bytes: usize) {
        if let Form::Small(small) = &mut self.0 {
            small.expect_bytes(bytes);
        }
    }

    /// So many fields are about to be set, some of them perhaps twice: with more than a small
    /// form may have it turns large at once, as in Redis.
    pub fn expect_fields(&mut self, count: usize, limits: &Limits) {
        if count > limits.fields {
            self.as_large();
        }
    }

    /// Fields are about to be given times: the small form makes room for them, for good.
    pub fn expect_times(&mut self) {
        if let Form::Small(small) = &mut self.0 {
            small.become_timed();
        }
    }

    pub fn is_small(&self) -> bool {
        matches!(self.0, Form::Small(_))
    }

    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Small(small) => small.len(),
            Form::Large(large) => large.len(),
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Form::Small(small) => small.is_empty(),
            Form::Large(large) => large.len() == 0,
        }
    }

    pub fn encoding(&self) -> Encoding {
        match &self.0 {
            Form::Small(small) if small.is_timed() => Encoding::ListPackEx,
            Form::Small(_) => Encoding::ListPack,
            Form::Large(_) => Encoding::HashTable,
        }
    }

    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Small(small) => small.pack().heap_bytes(),
            Form::Large(large) => large.heap_bytes(),
        }
    }

    pub fn is_big(&self) -> bool {
        self.heap_bytes() >= BIG_BYTES
    }

    /// The earliest time at which a field ends.
    #[inline]
    pub fn first_ms(&self) -> Option<i64> {
        match &self.0 {
            Form::Small(small) => small.first_ms(),
            Form::Large(large) => large.first_ms(),
        }
    }

    /// How many fields have a time.
    pub fn timed_len(&self) -> usize {
        match &self.0 {
            Form::Small(small) => small.timed_len(),
            Form::Large(large) => large.timed_len(),
        }
    }

    /// Whether the time of some field is over.
    #[inline]
    pub fn has_due(&self, now_ms: i64) -> bool {
        self.first_ms().is_some_and(|at_ms| at_ms < now_ms)
    }

    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<Field<'_>> {
        match &self.0 {
            Form::Small(small) => small.field_at(small.find(name)?),
            Form::Large(large) => large.get(name),
        }
    }

    /// Sets a field, and says whether it is new.
    pub fn set(&mut self, name: &[u8], value: &[u8], term: Term, limits: &Limits) -> bool {
        let term = match term {
            Term::Until(at_ms) => Term::Until(clamped(at_ms)),
            term => term,
        };
        if let Form::Small(small) = &mut self.0 {
            let is_long = name.len().max(value.len()) > limits.text_bytes;
            let is_full = small.len() > limits.fields;
            if !is_long && !is_full && small.pack().has_room_for(name.len() + value.len()) {
                if let Some(pos) = small.find(name) {
                    small.overwrite(pos, value, term);
                    return false;
                }
                if small.len() < limits.fields {
                    let expire_at_ms = match term {
                        Term::Until(at_ms) => Some(at_ms),
                        Term::Keep | Term::Endless => None,
                    };
                    small.add(name, value, expire_at_ms);
                    return true;
                }
            }
        }
        self.as_large().set(name, value, term)
    }

    /// Takes a field out. False if there is no such field.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        match &mut self.0 {
            Form::Small(small) => {
                let found = small.find(name);
                found.map(|pos| small.remove(pos)).is_some()
            }
            Form::Large(large) => large.remove(name),
        }
    }

    /// Gives a field another time, or none. False if there is no such field.
    pub fn set_time(&mut self, name: &[u8], expire_at_ms: Option<i64>) -> bool {
        let expire_at_ms = expire_at_ms.map(clamped);
        match &mut self.0 {
            Form::Small(small) => {
                let found = small.find(name);
                found.map(|pos| small.set_time(pos, expire_at_ms)).is_some()
            }
            Form::Large(large) => large.set_time(name, expire_at_ms),
        }
    }

    /// Takes out fields whose time is over, soonest first, `max` at most.
    pub fn take_due(&mut self, now_ms: i64, max: usize, visit: impl FnMut(&[u8])) {
        match &mut self.0 {
            Form::Small(small) => small.take_due(now_ms, max, visit),
            Form::Large(large) => large.take_due(now_ms, max, visit),
        }
    }

    /// Every field: the small form in its order, the large one in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Item<'_>, Field<'_>)> {
        let (small, large) = match &self.0 {
            Form::Small(small) => (Some(small.iter()), None),
            Form::Large(large) => (None, Some(large.dict().iter())),
        };
        let large = large.into_iter().flatten();
        let large = large.map(|(name, value)| (Item::Text(name), large::field(value)));
        small.into_iter().flatten().chain(large)
    }

    /// Visits fields from `cursor` on, some `count` of them, and returns the cursor to go on
    /// with, 0 at the end; SCAN's promise is kept. The small form is visited as a whole.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Item, Field)) -> u64 {
        match &self.0 {
            Form::Small(small) => {
                small.iter().for_each(|(name, field)| visit(name, field));
                0
            }
            Form::Large(large) => large.dict().scan(cursor, count, &mut |name, value| {
                visit(Item::Text(name), large::field(value));
            }),
        }
    }

    /// A field drawn at random, all with the same chance.
    pub fn random(&self, rng: &mut Rng) -> Option<(Item<'_>, Field<'_>)> {
        match &self.0 {
            Form::Small(small) => small.nth(rng.below(small.len() as u64) as usize),
            Form::Large(large) => {
                let (name, value) = large.dict().random(rng)?;
                Some((Item::Text(name), large::field(value)))
            }
        }
    }

    fn as_large(&mut self) -> &mut Large {
        if let Form::Small(small) = &self.0 {
            let mut large = Large::default();
            for (name, field) in small.iter() {
                let (name, value) = (name.to_vec(), field.value.to_vec());
                large.set(&name, &value, term_of(field.expire_at_ms));
            }
            self.0 = Form::Large(Slim::new(large));
        }
        match &mut self.0 {
            Form::Large(large) => large,
            Form::Small(_) => unreachable!("it was made large just now"),
        }
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Form::Small(small) => small.fmt(f),
            Form::Large(large) => write!(f, "{} fields", large.len()),
        }
    }
}

fn term_of(expire_at_ms: Option<i64>) -> Term {
    expire_at_ms.map_or(Term::Endless, |at_ms| Term::Until(clamped(at_ms)))
}

fn clamped(at_ms: i64) -> i64 {
    at_ms.clamp(EXPIRE_AT_MS_MIN, EXPIRE_AT_MS_MAX)
}

/// Whether two of these have the same bytes.
fn has_twice<'a>(items: impl Iterator<Item = Item<'a>>) -> bool {
    let same_bytes = |item: Item<'a>| match item {
        Item::Int(int) => (Some(int), &[][..]),
        Item::Text(text) => match item.int() {
            Some(int) => (Some(int), &[][..]),
            None => (None, text),
        },
    };
    let mut all: SmallVec<[_; 32]> = items.map(same_bytes).collect();
    all.sort_unstable();
    all.windows(2).any(|pair| pair[0] == pair[1])
}
