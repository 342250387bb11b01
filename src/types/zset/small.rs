//! A small sorted set: a listpack of members, each with its score behind it, in order.

use std::ops::Range;

use super::leaf::order;
use crate::base::number::{self, Digits};
use crate::types::listpack::{Item, ListPack, Pos};

/// Scores are written as integers up to this, as others do who write such listpacks.
const INT_SCORE_MAX: f64 = (i64::MAX / 2) as f64;

#[derive(Clone, Debug, Default)]
pub struct Small(ListPack);

/// A member's place, and its score's.
#[derive(Clone, Copy)]
struct Place {
    member: Pos,
    score: Pos,
}

impl Small {
    /// Takes a listpack whose entries are members and scores in order, each member once.
    /// Anything else is no sorted set: `None`.
    pub fn from_pack(pack: ListPack) -> Option<Small> {
        if !pack.len().is_multiple_of(2) {
            return None;
        }
        let small = Small(pack);
        let mut members: Vec<Item> = small.0.iter().step_by(2).collect();
        members.sort_unstable_by(|a, b| sort_key(*a).cmp(&sort_key(*b)));
        let are_alike = |pair: &[Item]| sort_key(pair[0]) == sort_key(pair[1]);
        let is_twice = members.windows(2).any(are_alike);
        let scores = small.0.iter().skip(1).step_by(2);
        let all_scores = scores.clone().all(|item| parse_score(item).is_some());
        (!is_twice && all_scores)
            .then_some(small)
            .filter(Small::is_in_order)
    }

    fn is_in_order(&self) -> bool {
        let mut digits = (Digits::new(), Digits::new());
        let after = self.iter().skip(1);
        self.iter().zip(after).all(|((a, a_score), (b, b_score))| {
            let (a, b) = (a.text(&mut digits.0), b.text(&mut digits.1));
            order((a_score, a), (b_score, b)).is_lt()
        })
    }

    /// Members in any order.
    pub fn of(mut members: Vec<(f64, &[u8])>) -> Small {
        members.sort_by(|a, b| order(*a, *b));
        let mut small = Small::default();
        for (score, member) in members {
            small.push(member, score);
        }
        small
    }

    pub fn pack(&self) -> &ListPack {
        &self.0
    }

    pub fn into_pack(self) -> ListPack {
        self.0
    }

    pub fn len(&self) -> usize {
        self.0.len() / 2
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, member: &[u8]) -> Option<Place> {
        let member = self.0.find(self.0.first(), member, 1)?;
        let score = self.0.next(member)?;
        Some(Place { member, score })
    }

    fn score_at(&self, place: Place) -> f64 {
        score_of(self.0.get(place.score))
    }

    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.find(member).map(|place| self.score_at(place))
    }

    /// How many members are before this one, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let (member, before) = self.0.find_counted(self.0.first(), member, 1)?;
        let score = self.0.next(member)?;
        Some((before, score_of(self.0.get(score))))
    }

    /// Puts a member in that is not there.
    pub fn insert(&mut self, member: &[u8], score: f64) {
        let mut digits = Digits::new();
        let mut items = self.0.iter();
        while let Some(at) = items.pass()
            && let Some(item_score) = items.next()
        {
            let there = score_of(item_score);
            if there > score || there == score && self.0.get(at).text(&mut digits) > member {
                let at = self.0.insert_before(at, member);
                self.write_score(at, score);
                return;
            }
        }
        self.push(member, score);
    }

    /// Puts a member in behind all others.
    pub fn push(&mut self, member: &[u8], score: f64) {
        self.0.push_back(member);
        match int_score(score) {
            Some(int) => self.0.push_int(int),
            None => self.0.push_back(&text_score(score)),
        }
    }

    fn write_score(&mut self, behind: Pos, score: f64) {
        let mut digits = Digits::new();
        match int_score(score) {
            Some(int) => self.0.insert_after(behind, digits.of(int)),
            None => self.0.insert_after(behind, &text_score(score)),
        };
    }

    /// Puts a member in or gives it another score. The score it had.
    pub fn set(&mut self, member: &[u8], score: f64) -> Option<f64> {
        let Some(place) = self.find(member) else {
            self.insert(member, score);
            return None;
        };
        let old = self.score_at(place);
        if old != score {
            self.0.remove_from(place.member, 2);
            self.insert(member, score);
        }
        Some(old)
    }

    /// Takes a member out. The score it had.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let place = self.find(member)?;
        let score = self.score_at(place);
        self.0.remove_from(place.member, 2);
        Some(score)
    }

    /// Takes the members of these ranks out.
    pub fn remove_range(&mut self, ranks: Range<usize>) {
        self.0.remove_range(2 * ranks.start as i64, 2 * ranks.len());
    }

    /// Members with their scores, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Item<'_>, f64)> {
        let mut items = self.0.iter();
        std::iter::from_fn(move || Some((items.next()?, score_of(items.next()?))))
    }

    /// At most `count` members from a rank on, upwards or downwards.
    pub fn walk(&self, rank: usize, count: usize, down: bool) -> Walk<'_> {
        Walk {
            pack: &self.0,
            pos: self.0.seek(2 * rank as i64),
            left: count,
            down,
        }
    }

    /// How many members come before the first that `is_before` says no to. From that one
    /// on it says no to all.
    pub fn partition_point(&self, is_before: impl Fn(f64, &[u8]) -> bool) -> usize {
        let mut digits = Digits::new();
        let mut before = self.iter();
        let end = before.position(|(item, score)| !is_before(score, item.text(&mut digits)));
        end.unwrap_or_else(|| self.len())
    }
}

/// Members of a small set one after the other.
pub struct Walk<'a> {
    pack: &'a ListPack,
    pos: Option<Pos>,
    left: usize,
    down: bool,
}

impl<'a> Iterator for Walk<'a> {
    type Item = (Item<'a>, f64);

    fn next(&mut self) -> Option<(Item<'a>, f64)> {
        self.left = self.left.checked_sub(1)?;
        let member = self.pos?;
        let score = self.pack.next(member)?;
        self.pos = match self.down {
            false => self.pack.next(score),
            true => self.pack.prev(member).and_then(|pos| self.pack.prev(pos)),
        };
        Some((self.pack.get(member), score_of(self.pack.get(score))))
    }
}

/// Some order in which the same members are neighbours.
fn sort_key(item: Item<'_>) -> (Option<i64>, &[u8]) {
    match (item.int(), item) {
        (None, Item::Text(text)) => (None, text),
        (int, _) => (int, &[]),
    }
}

fn parse_score(item: Item) -> Option<f64> {
    match item {
        Item::Int(int) => Some(int as f64),
        Item::Text(text) => number::parse_f64(text),
    }
}

/// What `from_pack` has let in, and `push` written.
fn score_of(item: Item) -> f64 {
    parse_score(item).unwrap_or(0.0)
}

fn int_score(score: f64) -> Option<i64> {
    (score.abs() <= INT_SCORE_MAX && score.trunc() == score).then_some(score as i64)
}

fn text_score(score: f64) -> Vec<u8> {
    let mut text = Vec::new();
    number::format_f64(score, &mut text);
    text
}
