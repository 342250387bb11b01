//! Walks by order, and picks.

use super::node::Node;
use super::{CHUNK, Dict, Hash};
use crate::base::rng::Rng;

/// Orders are the upper bits of the backward hash: as many as every client's numbers hold
/// exactly, whatever they are made of.
const ORDER_BITS: u32 = 48;
/// Nodes that one call of SCAN looks at for each record that it may give, for nodes can be empty.
const NODES_PER_RECORD: usize = 10;

fn order_of(key: &[u8]) -> u64 {
    Hash::of(key).0.reverse_bits() >> (u64::BITS - ORDER_BITS)
}

impl Dict {
    /// Visits records from `cursor` on, some `count` of them, and returns the cursor to go on
    /// with, 0 at the end. Starts at 0.
    ///
    /// What is in the map from the first call to the last is visited exactly once, however
    /// the map grows and shrinks in between. More than `count` are visited only where records
    /// have the same order.
    pub fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(&[u8], &[u8])) -> u64 {
        let mut left = count.max(1);
        let mut looks = left.saturating_mul(NODES_PER_RECORD);
        let mut order = cursor;
        while left > 0 && looks > 0 {
            if order >> ORDER_BITS != 0 {
                return 0;
            }
            let number = self.number_of((order << (u64::BITS - ORDER_BITS)).reverse_bits());
            let Some(node) = self.node(number) else {
                return 0;
            };
            let (start, end) = self.interval(number);
            if order == start && node.len() <= left {
                (0..node.len())
                    .map(|slot| node.get(slot))
                    .for_each(|(key, value)| visit(key, value));
                left -= node.len();
            } else if let Some(stopped_at) = scan_part(node, order, &mut left, visit) {
                return stopped_at;
            }
            order = end;
            looks -= 1;
        }
        if order >> ORDER_BITS == 0 { order } else { 0 }
    }

    /// A record drawn at random, all with the same chance.
    pub fn random(&self, rng: &mut Rng) -> Option<(&[u8], &[u8])> {
        if self.len == 0 {
            return None;
        }
        loop {
            let node = self.node(rng.below(self.nodes as u64) as usize)?;
            let bound = if self.nodes == 1 {
                self.len
            } else {
                self.fullest
            };
            let slot = rng.below(bound as u64) as usize;
            if slot < node.len() {
                return Some(node.get(slot));
            }
        }
    }

    /// Every record, in no order that means anything.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            dict: self,
            number: 0,
            slot: 0,
            left: self.len,
        }
    }

    /// The orders of a node's records: from the first to before the second.
    fn interval(&self, number: usize) -> (u64, u64) {
        let bits = self.nodes.next_power_of_two().ilog2();
        // A node whose other half has not come yet has one bit less.
        let whole =
            bits > 0 && number & (1 << (bits - 1)) == 0 && number | (1 << (bits - 1)) >= self.nodes;
        let depth = bits - u32::from(whole);
        let start = (number as u64).reverse_bits() >> (u64::BITS - ORDER_BITS);
        (start, start + (1 << (ORDER_BITS - depth)))
    }
}

/// Visits the records of a node from `order` on, `left` at most, and returns where to go on
/// if there are more.
fn scan_part(
    node: &Node,
    order: u64,
    left: &mut usize,
    visit: &mut dyn FnMut(&[u8], &[u8]),
) -> Option<u64> {
    let mut rest: Vec<(u64, usize)> = (0..node.len())
        .map(|slot| (order_of(node.get(slot).0), slot))
        .filter(|(at, _)| *at >= order)
        .collect();
    rest.sort_unstable();
    let mut before = None;
    for (at, slot) in rest {
        if *left == 0 && before != Some(at) {
            return Some(at);
        }
        let (key, value) = node.get(slot);
        visit(key, value);
        *left = left.saturating_sub(1);
        before = Some(at);
    }
    None
}

#[derive(Clone)]
pub struct Iter<'a> {
    dict: &'a Dict,
    number: usize,
    slot: usize,
    left: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while self.left > 0 {
            let chunk = self.dict.chunks.get(self.number / CHUNK)?;
            let node = chunk.get(self.number % CHUNK)?;
            if self.slot < node.len() {
                self.slot += 1;
                self.left -= 1;
                return Some(node.get(self.slot - 1));
            }
            self.number += 1;
            self.slot = 0;
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Dict {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}
