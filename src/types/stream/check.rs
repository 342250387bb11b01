//! Nodes that come from outside: every number in them is checked before it is believed.

use super::id::StreamId;
use super::node::{DELETED, HEAD_ITEMS, Node, SAME_FIELDS};
use crate::types::listpack::{Iter as Items, ListPack};

/// A node made of a listpack, and the largest id in it. `id` is the node's own. It may be
/// without a living entry.
///
/// # Errors
/// What is wrong.
pub fn node(pack: ListPack, id: StreamId) -> Result<(Node, StreamId), &'static str> {
    let mut items = pack.iter();
    let live = number(&mut items)?;
    let deleted = number(&mut items)?;
    let fields = number(&mut items)?;
    pass(&mut items, fields)?;
    if number(&mut items)? != 0 {
        return Err("no end of a stream node's fields");
    }
    let mut found = Found::default();
    let mut last = None;
    while let Some(flags) = items.next() {
        let flags = flags.int().ok_or(NO_NUMBER)?;
        let (ms, seq) = entry(&mut items, flags, fields)?;
        let entry_id = id.plus(ms, seq);
        if last.map_or(entry_id < id, |last| entry_id <= last) {
            return Err("stream entries out of order");
        }
        last = Some(entry_id);
        match flags & DELETED != 0 {
            true => found.deleted += 1,
            false => found.live += 1,
        }
    }
    if (found.live, found.deleted) != (live, deleted) {
        return Err("a stream node counts its entries wrongly");
    }
    match last {
        Some(last) => Ok((Node { pack }, last)),
        None => Err("a stream node without entries"),
    }
}

#[derive(Default)]
struct Found {
    live: u64,
    deleted: u64,
}

const NO_NUMBER: &str = "no number where a stream node has one";
const TOO_SHORT: &str = "a stream node ends within an entry";

/// Reads an entry from behind its flags; gives the differences of its id.
fn entry(items: &mut Items, flags: i64, fields: u64) -> Result<(i64, i64), &'static str> {
    if flags & !(DELETED | SAME_FIELDS) != 0 {
        return Err("unknown flags of a stream entry");
    }
    let mut difference = || items.next().ok_or(TOO_SHORT)?.int().ok_or(NO_NUMBER);
    let id = (difference()?, difference()?);
    let texts = match flags & SAME_FIELDS != 0 {
        true => fields,
        false => {
            let fields = number(items)?;
            fields.checked_mul(2).ok_or(TOO_SHORT)?
        }
    };
    pass(items, texts)?;
    let own_count = u64::from(flags & SAME_FIELDS == 0);
    if number(items)? != HEAD_ITEMS as u64 + own_count + texts {
        return Err("a stream entry with a wrong length");
    }
    Ok(id)
}

fn number(items: &mut Items) -> Result<u64, &'static str> {
    let number = items.next().ok_or(TOO_SHORT)?.int().ok_or(NO_NUMBER)?;
    u64::try_from(number).map_err(|_| "a negative number in a stream node")
}

/// Passes over so many items, one by one: the count may be any.
fn pass(items: &mut Items, count: u64) -> Result<(), &'static str> {
    for _ in 0..count {
        items.next().ok_or(TOO_SHORT)?;
    }
    Ok(())
}
