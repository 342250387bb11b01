//! Sets: an intset while all members are integers and few, a listpack while they are short
//! and few, else a `Dict`; at Redis's thresholds, which are handed in.
//!
//! A set never goes back to a smaller form by itself, except where a command makes a new one
//! (`compact`).

use std::cell::OnceCell;

use super::Encoding;
use super::dict::{self, Dict, Hash};
use super::intset::{self, IntSet};
use super::listpack::{self, EMPTY_BYTES, Item, ListPack};
use crate::base::memory::block::Slim;
use crate::base::number::{Digits, parse_i64};
use crate::base::rng::Rng;

/// A set of more memory is worth freeing on another thread.
const BIG_BYTES: usize = 1 << 20;
/// Bytes that one entry of a listpack may have beyond its value.
const PACK_ENTRY_BYTES: usize = 11;

/// Up to where the small forms are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub intset_entries: usize,
    pub listpack_entries: usize,
    pub listpack_value_bytes: usize,
}

impl Default for Limits {
    /// Those of a server whose configuration says nothing.
    fn default() -> Limits {
        Limits {
            intset_entries: 512,
            listpack_entries: 128,
            listpack_value_bytes: 64,
        }
    }
}

impl Limits {
    /// However large the configured number is: the form itself has an end.
    fn intset_entries(&self) -> usize {
        self.intset_entries.min(intset::LEN_MAX)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    Ints(IntSet),
    Pack(ListPack),
    Table(Slim<Dict>),
}

const _: () = assert!(size_of::<Set>() == 8);

impl Default for Set {
    fn default() -> Set {
        Set::new()
    }
}

impl Set {
    pub const fn new() -> Set {
        Set::Ints(IntSet::new())
    }

    /// An empty set in the form that suits a first member and so many that will come.
    pub fn begun_with(first: &[u8], members: usize, limits: &Limits) -> Set {
        if members <= limits.intset_entries && parse_i64(first).is_some() {
            Set::Ints(IntSet::new())
        } else if members <= limits.listpack_entries {
            Set::Pack(ListPack::new())
        } else {
            Set::Table(Slim::default())
        }
    }

    /// So many members will come: if they may be too many for a small form, it is left at
    /// once.
    pub fn expect(&mut self, members: usize, limits: &Limits) {
        let too_many = match self {
            Set::Ints(_) => members > limits.intset_entries,
            Set::Pack(_) => members > limits.listpack_entries,
            Set::Table(_) => false,
        };
        if too_many {
            self.make_table();
        }
    }

    /// Makes room for so many bytes of entries in an empty listpack.
    pub fn expect_bytes(&mut self, bytes: usize) {
        if let Set::Pack(pack) = self
            && pack.is_empty()
        {
            *pack = ListPack::with_capacity(EMPTY_BYTES + bytes);
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Set::Ints(ints) => ints.len(),
            Set::Pack(pack) => pack.len(),
            Set::Table(table) => table.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        match self {
            Set::Ints(ints) => ints.is_empty(),
            Set::Pack(pack) => pack.is_empty(),
            Set::Table(table) => table.is_empty(),
        }
    }

    pub fn encoding(&self) -> Encoding {
        match self {
            Set::Ints(_) => Encoding::IntSet,
            Set::Pack(_) => Encoding::ListPack,
            Set::Table(_) => Encoding::HashTable,
        }
    }

    /// Bytes allocated beyond its own size.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Set::Ints(ints) => ints.heap_bytes(),
            Set::Pack(pack) => pack.heap_bytes(),
            Set::Table(table) => size_of::<Dict>() + table.heap_bytes(),
        }
    }

    /// Whether freeing it takes long enough to be another thread's work.
    pub fn is_big(&self) -> bool {
        self.heap_bytes() >= BIG_BYTES
    }

    pub fn contains(&self, member: &[u8]) -> bool {
        match self {
            Set::Ints(ints) => parse_i64(member).is_some_and(|int| ints.contains(int)),
            Set::Pack(pack) => pack.find(pack.first(), member, 0).is_some(),
            Set::Table(table) => table.contains(member),
        }
    }

    /// The same, for a member that is looked for in several sets.
    pub fn has(&self, needle: &Needle) -> bool {
        match self {
            Set::Ints(ints) => needle.item.int().is_some_and(|int| ints.contains(int)),
            Set::Pack(pack) => pack.find(pack.first(), needle.text, 0).is_some(),
            Set::Table(table) => table.get_hashed(needle.hash(), needle.text).is_some(),
        }
    }

    /// Adds a member; whether it is new.
    pub fn insert(&mut self, member: &[u8], limits: &Limits) -> bool {
        match self {
            Set::Table(table) => return table.insert(member, b""),
            Set::Ints(ints) => match parse_i64(member) {
                Some(int) => {
                    let new = ints.insert(int);
                    if new && ints.len() > limits.intset_entries() {
                        self.make_table();
                    }
                    return new;
                }
                None => self.leave_ints(limits),
            },
            Set::Pack(pack) => {
                if pack.find(pack.first(), member, 0).is_some() {
                    return false;
                }
            }
        }
        if let Set::Pack(pack) = self {
            let fits = pack.len() < limits.listpack_entries
                && member.len() <= limits.listpack_value_bytes
                && pack.has_room_for(member.len() + PACK_ENTRY_BYTES);
            if fits {
                pack.push_back(member);
                return true;
            }
        }
        self.make_table();
        self.insert(member, limits)
    }

    /// Takes a member out; whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            Set::Ints(ints) => parse_i64(member).is_some_and(|int| ints.remove(int)),
            Set::Pack(pack) => match pack.find(pack.first(), member, 0) {
                Some(pos) => {
                    pack.remove(pos);
                    true
                }
                None => false,
            },
            Set::Table(table) => table.remove(member).is_some(),
        }
    }

    pub fn iter(&self) -> Iter<'_> {
        match self {
            Set::Ints(ints) => Iter::Ints(ints.iter()),
            Set::Pack(pack) => Iter::Pack(pack.iter()),
            Set::Table(table) => Iter::Table(table.iter()),
        }
    }

    /// Visits members from `cursor` on, and returns the cursor to go on with, 0 at the end. A
    /// small form is visited as a whole; else see `Dict::scan`.
    pub fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(Item)) -> u64 {
        match self {
            Set::Table(table) => table.scan(cursor, count, &mut |key, _| visit(Item::Text(key))),
            _ => {
                self.iter().for_each(visit);
                0
            }
        }
    }

    /// A member drawn at random, all with the same chance.
    pub fn random(&self, rng: &mut Rng) -> Option<Item<'_>> {
        match self {
            Set::Ints(ints) => {
                let index = rng.below(ints.len() as u64) as usize;
                ints.get(index).map(Item::Int)
            }
            Set::Pack(pack) => {
                let index = rng.below(pack.len() as u64) as i64;
                pack.seek(index).map(|pos| pack.get(pos))
            }
            Set::Table(table) => table.random(rng).map(|(key, _)| Item::Text(key)),
        }
    }

    /// Visits `count` different members drawn at random, or all if there are no more.
    pub fn sample(&self, count: usize, rng: &mut Rng, visit: &mut dyn FnMut(Item)) {
        let len = self.len();
        match self {
            Set::Table(table) if count < len / 3 => {
                let mut drawn = std::collections::HashSet::with_capacity(count);
                while drawn.len() < count {
                    let Some((member, _)) = table.random(rng) else {
                        return;
                    };
                    if drawn.insert(member) {
                        visit(Item::Text(member));
                    }
                }
            }
            _ => {
                let (mut wanted, mut left) = (count, len);
                for item in self.iter() {
                    if rng.below(left as u64) < wanted as u64 {
                        visit(item);
                        wanted -= 1;
                    }
                    left -= 1;
                }
            }
        }
    }

    /// Becomes an intset if it can be one, and gives back memory that it has in reserve: for
    /// a set that a command has just made.
    pub fn compact(&mut self, limits: &Limits) {
        if let Set::Pack(pack) = self {
            pack.shrink_to_fit();
        }
        if matches!(self, Set::Ints(_)) || self.len() > limits.intset_entries() {
            return;
        }
        let mut ints = IntSet::new();
        for item in self.iter() {
            match item.int() {
                Some(int) => _ = ints.insert(int),
                None => return,
            }
        }
        *self = Set::Ints(ints);
    }

    /// Leaves the intset, for a member that is no integer is to come in.
    fn leave_ints(&mut self, limits: &Limits) {
        let Set::Ints(ints) = self else {
            return;
        };
        let longest = [
            ints.get(0),
            ints.len().checked_sub(1).and_then(|last| ints.get(last)),
        ]
        .iter()
        .flatten()
        .map(|int| Item::Int(*int).len_bytes())
        .max();
        let fits = ints.len() < limits.listpack_entries
            && longest.unwrap_or(0) <= limits.listpack_value_bytes
            && ints.len() * PACK_ENTRY_BYTES <= listpack::SIZE_BYTES_MAX;
        if fits {
            let mut pack = ListPack::new();
            ints.iter().for_each(|int| pack.push_int(int));
            *self = Set::Pack(pack);
        } else {
            self.make_table();
        }
    }

    pub fn make_table(&mut self) {
        if let Set::Table(_) = self {
            return;
        }
        let mut table = Slim::new(Dict::new());
        let mut digits = Digits::new();
        for item in self.iter() {
            table.insert(item.text(&mut digits), b"");
        }
        *self = Set::Table(table);
    }
}

/// A member that is looked for in several sets: what it takes is computed once.
pub struct Needle<'a> {
    item: Item<'a>,
    text: &'a [u8],
    hash: OnceCell<Hash>,
}

impl<'a> Needle<'a> {
    pub fn new(item: Item<'a>, digits: &'a mut Digits) -> Needle<'a> {
        let text = match item {
            Item::Text(text) => text,
            Item::Int(int) => digits.of(int),
        };
        let hash = OnceCell::new();
        Needle { item, text, hash }
    }

    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    fn hash(&self) -> Hash {
        *self.hash.get_or_init(|| Hash::of(self.text))
    }
}

#[derive(Clone)]
pub enum Iter<'a> {
    Ints(intset::Iter<'a>),
    Pack(listpack::Iter<'a>),
    Table(dict::Iter<'a>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        match self {
            Iter::Ints(ints) => ints.next().map(Item::Int),
            Iter::Pack(pack) => pack.next(),
            Iter::Table(table) => table.next().map(|(key, _)| Item::Text(key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::collections::HashSet;

    use super::*;

    const LIMITS: Limits = Limits {
        intset_entries: 8,
        listpack_entries: 5,
        listpack_value_bytes: 6,
    };

    fn set_of(members: &[&str]) -> Set {
        let mut set = Set::new();
        for member in members {
            assert!(set.insert(member.as_bytes(), &LIMITS));
        }
        set
    }

    fn check(members: &[&str], encoding: Encoding) {
        let set = set_of(members);
        assert_eq!(set.encoding(), encoding, "{members:?}");
        assert_eq!(set.len(), members.len());
        assert!(members.iter().all(|member| set.contains(member.as_bytes())));
        let all: HashSet<Vec<u8>> = set.iter().map(Item::to_vec).collect();
        assert!(members.iter().all(|member| all.contains(member.as_bytes())));
        assert_eq!(all.len(), members.len());
    }

    #[test]
    fn what_it_is_kept_as() {
        check(&[], Encoding::IntSet);
        check(&["1", "-5", "0"], Encoding::IntSet);
        check(&["1", "2", "3", "4", "5", "6", "7", "8"], Encoding::IntSet);
        check(
            &["1", "2", "3", "4", "5", "6", "7", "8", "9"],
            Encoding::HashTable,
        );
        check(&["01"], Encoding::ListPack);
        check(&["1", "2", "3", "4", "a"], Encoding::ListPack);
        check(&["1", "2", "3", "4", "5", "a"], Encoding::HashTable);
        check(&["123456", "a"], Encoding::ListPack);
        check(&["1234567", "a"], Encoding::HashTable);
        check(&["-123456", "a"], Encoding::HashTable);
        check(&["a", "123456"], Encoding::ListPack);
        check(&["a", "1234567"], Encoding::HashTable);
        check(&["a", "b", "c", "d", "e"], Encoding::ListPack);
        check(&["a", "b", "c", "d", "e", "1"], Encoding::HashTable);
        check(&["seven_x"], Encoding::HashTable);
    }

    #[test]
    fn expectations_decide_the_form() {
        let begun =
            |first: &str, members| Set::begun_with(first.as_bytes(), members, &LIMITS).encoding();
        assert_eq!(begun("1", 8), Encoding::IntSet);
        assert_eq!(begun("1", 9), Encoding::HashTable);
        assert_eq!(begun("a", 5), Encoding::ListPack);
        assert_eq!(begun("a", 6), Encoding::HashTable);
        let mut set = set_of(&["a"]);
        set.expect(5, &LIMITS);
        assert_eq!(set.encoding(), Encoding::ListPack);
        set.expect(6, &LIMITS);
        assert_eq!(set, set_of(&["a"]).tap_table());
    }

    impl Set {
        fn tap_table(mut self) -> Set {
            self.make_table();
            self
        }
    }

    #[test]
    fn a_new_set_of_few_integers_is_an_intset() {
        let mut set = set_of(&["1", "2", "a"]);
        set.compact(&LIMITS);
        assert_eq!(set.encoding(), Encoding::ListPack);
        assert!(set.remove(b"a"));
        let mut table = set.clone().tap_table();
        for set in [&mut set, &mut table] {
            set.compact(&LIMITS);
            assert_eq!(set.encoding(), Encoding::IntSet);
        }
        assert_eq!(set, table);
    }

    #[test]
    fn does_what_a_set_does() {
        for seed in 0..30 {
            let mut rng = Rng::seeded(seed);
            let (mut set, mut model) = (Set::new(), HashSet::<Vec<u8>>::new());
            let (range, words) = ([5, 12, 200][seed as usize % 3], rng.below(3));
            for _ in 0..600 {
                let number = rng.below(range) as i64 - 3;
                let member = match rng.below(3) < words {
                    true => format!("m{number}").into_bytes(),
                    false => number.to_string().into_bytes(),
                };
                match rng.below(4) {
                    0 => assert_eq!(set.remove(&member), model.remove(&member)),
                    1 => {
                        let mut digits = Digits::new();
                        let item = parse_i64(&member).map_or(Item::Text(&member), Item::Int);
                        let needle = Needle::new(item, &mut digits);
                        assert_eq!(needle.text(), member);
                        assert_eq!(set.has(&needle), model.contains(&member));
                        assert_eq!(set.contains(&member), model.contains(&member));
                    }
                    _ => assert_eq!(set.insert(&member, &LIMITS), model.insert(member)),
                }
            }
            let all: HashSet<Vec<u8>> = set.iter().map(Item::to_vec).collect();
            assert_eq!((all, set.len()), (model.clone(), model.len()));
            let (mut seen, mut cursor) = (HashSet::new(), 0);
            loop {
                cursor = set.scan(cursor, 7, &mut |item| assert!(seen.insert(item.to_vec())));
                if cursor == 0 {
                    break;
                }
            }
            assert_eq!(seen, model);
        }
    }

    #[test]
    fn picks_and_samples_are_fair() {
        let ints: Vec<String> = (0..8).map(|n| n.to_string()).collect();
        let words: Vec<String> = (0..5).map(|n| format!("w{n}")).collect();
        let many: Vec<String> = (0..40).map(|n| format!("w{n}")).collect();
        for members in [ints, words, many] {
            let members: Vec<&str> = members.iter().map(String::as_str).collect();
            let (set, mut rng) = (set_of(&members), Rng::seeded(3));
            let mut picks = HashMap::<Vec<u8>, usize>::new();
            let mut samples = picks.clone();
            let count = members.len() / 4 + 1;
            for _ in 0..members.len() * 1000 {
                *picks
                    .entry(set.random(&mut rng).unwrap().to_vec())
                    .or_default() += 1;
                let mut once = HashSet::new();
                set.sample(count, &mut rng, &mut |item| {
                    assert!(once.insert(item.to_vec()))
                });
                assert_eq!(once.len(), count);
                once.into_iter()
                    .for_each(|member| *samples.entry(member).or_default() += 1);
            }
            assert_eq!((picks.len(), samples.len()), (members.len(), members.len()));
            assert!(picks.values().all(|n| (850..1150).contains(n)), "{picks:?}");
            let fair = |n: &usize| (900 * count..1100 * count).contains(n);
            assert!(samples.values().all(fair), "{samples:?}");
            let mut all = 0;
            set.sample(100, &mut rng, &mut |_| all += 1);
            assert_eq!(all, members.len());
            set.sample(members.len() - 1, &mut rng, &mut |_| all += 1);
            assert_eq!(all, 2 * members.len() - 1);
        }
        assert_eq!(Set::new().random(&mut Rng::seeded(1)), None);
    }
}
