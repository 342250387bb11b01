//! Lists: elements that are added and taken at both ends, and found by their number.
//!
//! A list grows and shrinks between its two forms where Redis's does: before elements are
//! added, and behind the event when some are gone.

/// Elements looked at: LRANGE, LINDEX, LPOS.
mod look;

/// Elements in: LPUSH, RPUSHX, LINSERT, LSET.
mod add;

/// Elements out: LPOP, LMPOP, LTRIM, LREM.
mod take;

/// Elements from one list to another: LMOVE, RPOPLPUSH.
mod transfer;

use super::args::Args;
use super::cx::Cx;
use super::error::CmdError;
use super::spec::flag::{BLOCKING, DENYOOM, FAST, MOVABLE_KEYS, READONLY, WRITE};
use super::spec::{Begin, Find, KeySpec, Spec, access, category};
use crate::resp::reply::ReplyBuf;
use crate::store::entry::Entry;
use crate::types::list::{End, Limits};
use crate::types::listpack::Item;
use crate::types::{List, Value};

const READ_KEY: &[KeySpec] = &[KeySpec::at(1, access::RO | access::ACCESS)];
const SIZE_KEY: &[KeySpec] = &[KeySpec::at(1, access::RO)];
const GROWN_KEY: &[KeySpec] = &[KeySpec::at(1, access::RW | access::INSERT)];
const CHANGED_KEY: &[KeySpec] = &[KeySpec::at(1, access::RW | access::UPDATE)];
const SHRUNK_KEY: &[KeySpec] = &[KeySpec::at(1, access::RW | access::DELETE)];
const TAKEN: u16 = access::RW | access::ACCESS | access::DELETE;
const TAKEN_KEY: &[KeySpec] = &[KeySpec::at(1, TAKEN)];
const TWO_KEYS: &[KeySpec] = &[
    KeySpec::at(1, TAKEN),
    KeySpec::at(2, access::RW | access::INSERT),
];

/// The last argument is the timeout.
const AWAITED_KEYS: &[KeySpec] = &[KeySpec::range(1, -2, 1, TAKEN)];

/// As many keys as the argument at `at` says.
const fn counted_keys(at: usize) -> KeySpec {
    KeySpec {
        access: TAKEN,
        begin: Begin::Index(at),
        find: Find::KeyNum {
            count_at: 0,
            first: 1,
            step: 1,
        },
    }
}

const L: u32 = category::LIST;

pub const COMMANDS: &[Spec] = &[
    Spec::new("lpush", -3, WRITE | DENYOOM | FAST, L, add::lpush).keys(GROWN_KEY),
    Spec::new("rpush", -3, WRITE | DENYOOM | FAST, L, add::rpush).keys(GROWN_KEY),
    Spec::new("lpushx", -3, WRITE | DENYOOM | FAST, L, add::lpushx).keys(GROWN_KEY),
    Spec::new("rpushx", -3, WRITE | DENYOOM | FAST, L, add::rpushx).keys(GROWN_KEY),
    Spec::new("linsert", 5, WRITE | DENYOOM, L, add::linsert).keys(GROWN_KEY),
    Spec::new("lset", 4, WRITE | DENYOOM, L, add::lset).keys(CHANGED_KEY),
    Spec::new("lpop", -2, WRITE | FAST, L, take::lpop).keys(TAKEN_KEY),
    Spec::new("rpop", -2, WRITE | FAST, L, take::rpop).keys(TAKEN_KEY),
    Spec::new("lmpop", -4, WRITE | MOVABLE_KEYS, L, take::lmpop).keys(&[counted_keys(1)]),
    Spec::new("blpop", -3, WRITE | BLOCKING, L, take::blpop).keys(AWAITED_KEYS),
    Spec::new("brpop", -3, WRITE | BLOCKING, L, take::brpop).keys(AWAITED_KEYS),
    Spec::new(
        "blmpop",
        -5,
        WRITE | BLOCKING | MOVABLE_KEYS,
        L,
        take::blmpop,
    )
    .keys(&[counted_keys(2)]),
    Spec::new("ltrim", 4, WRITE, L, take::ltrim).keys(SHRUNK_KEY),
    Spec::new("lrem", 4, WRITE, L, take::lrem).keys(SHRUNK_KEY),
    Spec::new("lmove", 5, WRITE | DENYOOM, L, transfer::lmove).keys(TWO_KEYS),
    Spec::new("rpoplpush", 3, WRITE | DENYOOM, L, transfer::rpoplpush).keys(TWO_KEYS),
    Spec::new("blmove", 6, WRITE | DENYOOM | BLOCKING, L, transfer::blmove).keys(TWO_KEYS),
    Spec::new(
        "brpoplpush",
        4,
        WRITE | DENYOOM | BLOCKING,
        L,
        transfer::brpoplpush,
    )
    .keys(TWO_KEYS),
    Spec::new("llen", 2, READONLY | FAST, L, look::llen).keys(SIZE_KEY),
    Spec::new("lindex", 3, READONLY, L, look::lindex).keys(READ_KEY),
    Spec::new("lrange", 4, READONLY, L, look::lrange).keys(READ_KEY),
    Spec::new("lpos", -3, READONLY, L, look::lpos).keys(READ_KEY),
];

fn limits(cx: &Cx) -> Limits {
    cx.shared.config.list_limits()
}

/// Leaves what was cut off a list to be freed, by another thread if it is large.
fn discard(cx: &mut Cx, cut: Option<List>) {
    if let Some(list) = cut {
        let entry = Entry::with_value(b"", Value::List(list), None);
        cx.store.effects().discard(entry);
    }
}

fn reply_item(reply: &mut ReplyBuf, item: Item) {
    match item {
        Item::Int(value) => reply.bulk_i64(value),
        Item::Text(text) => reply.bulk(text),
    }
}

/// LEFT or RIGHT.
fn take_end(args: &mut Args) -> End {
    if args.take("LEFT") {
        End::Front
    } else if args.take("RIGHT") {
        End::Back
    } else {
        args.fail(CmdError::Syntax);
        End::Front
    }
}

/// The part of a list of this length between two positions, both included, both counted from
/// the end if negative: how many elements are in front of it, and how many in it.
fn part(len: usize, start: i64, stop: i64) -> (usize, usize) {
    let len = len as i64;
    let from_front = |at: i64| if at < 0 { len.saturating_add(at) } else { at };
    let (start, stop) = (from_front(start).max(0), from_front(stop).min(len - 1));
    match start <= stop {
        true => (start as usize, (stop - start + 1) as usize),
        false => (0, 0),
    }
}

#[cfg(test)]
mod tests;
