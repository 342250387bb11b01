//! Elements, what they weigh, and their order.

use super::partial;
use crate::base::number::digits;
use crate::types::listpack::Item;
use memchr::memchr;
use std::cmp::Ordering;
use std::ops::Range;

/// How elements are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// As bytes, not as numbers.
    pub alpha: bool,
    pub descending: bool,
    /// By what a key says of each, not by themselves.
    pub by_key: bool,
}

/// Elements with their weights, all their bytes in one piece of memory.
#[derive(Default)]
pub struct Elements {
    bytes: Vec<u8>,
    elements: Vec<Element>,
    /// The bytes of weights that are no numbers.
    weights: Vec<u8>,
    /// A weight was no number and should have been.
    misweighed: bool,
}

#[derive(Clone)]
struct Element {
    /// Where its text begins also says how many came before it.
    start: usize,
    end: usize,
    weight: Weight,
}

#[derive(Clone)]
enum Weight {
    /// Its text is all there is, or nothing is known of it.
    None,
    Number(f64),
    Text(Range<usize>),
}

impl Elements {
    pub fn push(&mut self, item: Item) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(item.text(&mut digits()));
        self.elements.push(Element {
            start,
            end: self.bytes.len(),
            weight: Weight::None,
        });
    }

    /// The elements that `LIMIT` asks for: from which on, and how many (all if negative).
    pub fn part(&self, (first, count): (i64, i64)) -> Range<usize> {
        let len = self.elements.len();
        let first = first.clamp(0, len as i64) as usize;
        match usize::try_from(count) {
            Ok(count) => first..len.min(first.saturating_add(count)),
            Err(_) => first..len,
        }
    }

    pub fn texts(&self, part: Range<usize>) -> impl Iterator<Item = &[u8]> {
        self.elements[part]
            .iter()
            .map(|element| &self.bytes[element.start..element.end])
    }

    /// Weighs elements by themselves.
    pub fn weigh_alone(&mut self, order: Order) {
        if !order.alpha {
            for element in &mut self.elements {
                match weight_of(&self.bytes[element.start..element.end]) {
                    Some(number) => element.weight = Weight::Number(number),
                    None => self.misweighed = true,
                }
            }
        }
    }

    /// Weighs elements by what `look_up` appends to a buffer for each; what it says false of
    /// weighs 0, or less than anything else as bytes.
    pub fn weigh(&mut self, order: Order, mut look_up: impl FnMut(&[u8], &mut Vec<u8>) -> bool) {
        let mut found = Vec::new();
        for element in &mut self.elements {
            found.clear();
            let is_there = look_up(&self.bytes[element.start..element.end], &mut found);
            element.weight = match (is_there, order.alpha) {
                (false, true) => Weight::None,
                (false, false) => Weight::Number(0.0),
                (true, true) => {
                    let start = self.weights.len();
                    self.weights.extend_from_slice(&found);
                    Weight::Text(start..self.weights.len())
                }
                (true, false) => match weight_of(&found) {
                    Some(number) => Weight::Number(number),
                    None => {
                        self.misweighed = true;
                        continue;
                    }
                },
            };
        }
    }

    /// Whether every weight that should be a number was one.
    pub fn have_weights(&self) -> bool {
        !self.misweighed
    }

    /// Sorts so much that `part` is right. Whether its order, and who is in it, is certain:
    /// different elements may compare as equal, and others may sort them otherwise.
    pub fn sort(&mut self, order: Order, part: Range<usize>) -> bool {
        if part.is_empty() {
            return true;
        }
        let mut elements = std::mem::take(&mut self.elements);
        let compare = |a: &Element, b: &Element| {
            let ordering = self.compare(order, a, b);
            ordering.then(a.start.cmp(&b.start))
        };
        let is_whole = part.len() == elements.len();
        let mut sorted = &mut elements[..];
        if part.end < sorted.len() {
            (sorted, _, _) = sorted.select_nth_unstable_by(part.end, compare);
        }
        if part.start > 0 {
            (_, _, sorted) = sorted.select_nth_unstable_by(part.start - 1, compare);
        }
        sorted.sort_unstable_by(compare);
        let is_certain =
            !(order.alpha && order.by_key) || self.is_certain(order, &elements, part.clone());
        if !is_certain && !is_whole {
            elements.sort_unstable_by_key(|element| element.start);
            partial::sort(&mut elements, part, &|a, b| self.compare(order, a, b));
        }
        self.elements = elements;
        is_certain
    }

    fn is_certain(&self, order: Order, elements: &[Element], part: Range<usize>) -> bool {
        let text = |element: &Element| &self.bytes[element.start..element.end];
        let are_apart = |a: &Element, b: &Element| {
            self.compare(order, a, b) != Ordering::Equal || text(a) == text(b)
        };
        let (before, rest) = elements.split_at(part.start);
        let (chosen, behind) = rest.split_at(part.len());
        let (Some(first), Some(last)) = (chosen.first(), chosen.last()) else {
            return true;
        };
        chosen.is_sorted_by(are_apart)
            && before.iter().all(|element| are_apart(element, first))
            && behind.iter().all(|element| are_apart(last, element))
    }

    fn compare(&self, order: Order, a: &Element, b: &Element) -> Ordering {
        let by_text = || self.bytes[a.start..a.end].cmp(&self.bytes[b.start..b.end]);
        let ordering = match (&a.weight, &b.weight) {
            (Weight::Number(x), Weight::Number(y)) => numbers(*x, *y).then_with(by_text),
            (Weight::Text(x), Weight::Text(y)) => {
                self.weights[x.clone()].cmp(&self.weights[y.clone()])
            }
            (Weight::Text(_), _) => Ordering::Greater,
            (_, Weight::Text(_)) => Ordering::Less,
            _ if order.by_key => Ordering::Equal,
            _ => by_text(),
        };
        match order.descending {
            true => ordering.reverse(),
            false => ordering,
        }
    }
}

/// An element, or what a key said of it, as a decimal number or infinity. A NUL ends it, and
/// nothing at all is 0.
fn weight_of(text: &[u8]) -> Option<f64> {
    let text = &text[..memchr(0, text).unwrap_or(text.len())];
    if text.is_empty() {
        return Some(0.0);
    }
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!number.is_nan()).then_some(number)
}

/// Numbers that are none of them NaN; both zeros are equal.
fn numbers(x: f64, y: f64) -> Ordering {
    x.partial_cmp(&y).unwrap_or(Ordering::Equal)
}
