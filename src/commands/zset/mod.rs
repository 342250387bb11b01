//! Sorted sets: members with scores, in the order of scores.

/// The parts of the order that commands ask for.
mod bounds;

/// Members in: ZADD, ZINCRBY.
mod add;

/// Members looked at: ZSCORE, ZRANK, ZCOUNT, ZSCAN and so on.
mod look;

/// Members in order: ZRANGE and its older forms, ZRANGESTORE.
mod range;

/// Members out: ZREM, ZREMRANGEBYRANK and its like.
mod remove;

/// Members out at an end: ZPOPMIN, ZMPOP, BZPOPMIN and their like.
mod pop;

/// Several sets made one: ZUNION, ZINTER, ZDIFF.
mod combine;

pub(super) use self::add::{Options as AddOptions, Pairs, put as add_members};

use super::cx::Cx;
use super::spec::flag::{BLOCKING, DENYOOM, FAST, MOVABLE_KEYS, READONLY, WRITE};
use super::spec::{Begin, Find, KeySpec, Spec, access, category};
use crate::resp::reply::ReplyBuf;
use crate::store::effects::event;
use crate::store::keyspace::Key;
use crate::types::listpack::Item;
use crate::types::zset::Limits;
use crate::types::{Value, ZSet};

const READ: u16 = access::RO | access::ACCESS;
const TAKEN: u16 = access::RW | access::ACCESS | access::DELETE;
const STORED: u16 = access::OW | access::UPDATE;

const READ_KEY: &[KeySpec] = &[KeySpec::at(1, READ)];
const SIZE_KEY: &[KeySpec] = &[KeySpec::at(1, access::RO)];
const CHANGED_KEY: &[KeySpec] = &[KeySpec::at(1, access::RW | access::UPDATE)];
const COUNTED_KEY: &[KeySpec] = &[KeySpec::at(1, access::RW | access::ACCESS | access::UPDATE)];
const SHRUNK_KEY: &[KeySpec] = &[KeySpec::at(1, access::RW | access::DELETE)];
const TAKEN_KEY: &[KeySpec] = &[KeySpec::at(1, TAKEN)];
const TAKEN_KEYS: &[KeySpec] = &[KeySpec::range(1, -2, 1, TAKEN)];
const STORE_KEYS: &[KeySpec] = &[KeySpec::at(1, STORED), counted_keys(2, READ)];

/// As many keys as the argument at `at` says.
const fn counted_keys(at: usize, access: u16) -> KeySpec {
    KeySpec {
        access,
        begin: Begin::Index(at),
        find: Find::KeyNum {
            count_at: 0,
            first: 1,
            step: 1,
        },
    }
}

const Z: u32 = category::SORTEDSET;
const STORES: u32 = WRITE | DENYOOM;

pub const COMMANDS: &[Spec] = &[
    Spec::new("zadd", -4, STORES | FAST, Z, add::zadd).keys(CHANGED_KEY),
    Spec::new("zincrby", 4, STORES | FAST, Z, add::zincrby).keys(COUNTED_KEY),
    Spec::new("zrem", -3, WRITE | FAST, Z, remove::zrem).keys(SHRUNK_KEY),
    Spec::new("zremrangebyrank", 4, WRITE, Z, remove::zremrangebyrank).keys(SHRUNK_KEY),
    Spec::new("zremrangebyscore", 4, WRITE, Z, remove::zremrangebyscore).keys(SHRUNK_KEY),
    Spec::new("zremrangebylex", 4, WRITE, Z, remove::zremrangebylex).keys(SHRUNK_KEY),
    Spec::new("zcard", 2, READONLY | FAST, Z, look::zcard).keys(SIZE_KEY),
    Spec::new("zscore", 3, READONLY | FAST, Z, look::zscore).keys(READ_KEY),
    Spec::new("zmscore", -3, READONLY | FAST, Z, look::zmscore).keys(READ_KEY),
    Spec::new("zrank", -3, READONLY | FAST, Z, look::zrank).keys(READ_KEY),
    Spec::new("zrevrank", -3, READONLY | FAST, Z, look::zrevrank).keys(READ_KEY),
    Spec::new("zcount", 4, READONLY | FAST, Z, look::zcount).keys(READ_KEY),
    Spec::new("zlexcount", 4, READONLY | FAST, Z, look::zlexcount).keys(READ_KEY),
    Spec::new("zrandmember", -2, READONLY, Z, look::zrandmember)
        .keys(READ_KEY)
        .tips(&["nondeterministic_output"]),
    Spec::new("zscan", -3, READONLY, Z, look::zscan)
        .keys(READ_KEY)
        .tips(&["nondeterministic_output"]),
    Spec::new("zrange", -4, READONLY, Z, range::zrange).keys(READ_KEY),
    Spec::new("zrevrange", -4, READONLY, Z, range::zrevrange).keys(READ_KEY),
    Spec::new("zrangebyscore", -4, READONLY, Z, range::zrangebyscore).keys(READ_KEY),
    Spec::new("zrevrangebyscore", -4, READONLY, Z, range::zrevrangebyscore).keys(READ_KEY),
    Spec::new("zrangebylex", -4, READONLY, Z, range::zrangebylex).keys(READ_KEY),
    Spec::new("zrevrangebylex", -4, READONLY, Z, range::zrevrangebylex).keys(READ_KEY),
    Spec::new("zrangestore", -5, STORES, Z, range::zrangestore)
        .keys(&[KeySpec::at(1, STORED), KeySpec::at(2, READ)]),
    Spec::new("zpopmin", -2, WRITE | FAST, Z, pop::zpopmin).keys(TAKEN_KEY),
    Spec::new("zpopmax", -2, WRITE | FAST, Z, pop::zpopmax).keys(TAKEN_KEY),
    Spec::new("zmpop", -4, WRITE | MOVABLE_KEYS, Z, pop::zmpop).keys(&[counted_keys(1, TAKEN)]),
    Spec::new("bzpopmin", -3, WRITE | BLOCKING | FAST, Z, pop::bzpopmin).keys(TAKEN_KEYS),
    Spec::new("bzpopmax", -3, WRITE | BLOCKING | FAST, Z, pop::bzpopmax).keys(TAKEN_KEYS),
    Spec::new(
        "bzmpop",
        -5,
        WRITE | BLOCKING | MOVABLE_KEYS,
        Z,
        pop::bzmpop,
    )
    .keys(&[counted_keys(2, TAKEN)]),
    Spec::new("zunion", -3, READONLY | MOVABLE_KEYS, Z, combine::zunion)
        .keys(&[counted_keys(1, READ)]),
    Spec::new("zinter", -3, READONLY | MOVABLE_KEYS, Z, combine::zinter)
        .keys(&[counted_keys(1, READ)]),
    Spec::new("zdiff", -3, READONLY | MOVABLE_KEYS, Z, combine::zdiff)
        .keys(&[counted_keys(1, READ)]),
    Spec::new(
        "zintercard",
        -3,
        READONLY | MOVABLE_KEYS,
        Z,
        combine::zintercard,
    )
    .keys(&[counted_keys(1, READ)]),
    Spec::new(
        "zunionstore",
        -4,
        STORES | MOVABLE_KEYS,
        Z,
        combine::zunionstore,
    )
    .keys(STORE_KEYS),
    Spec::new(
        "zinterstore",
        -4,
        STORES | MOVABLE_KEYS,
        Z,
        combine::zinterstore,
    )
    .keys(STORE_KEYS),
    Spec::new(
        "zdiffstore",
        -4,
        STORES | MOVABLE_KEYS,
        Z,
        combine::zdiffstore,
    )
    .keys(STORE_KEYS),
];

pub(super) fn limits(cx: &Cx) -> Limits {
    cx.shared.config.zset_limits()
}

pub(super) fn reply_item(reply: &mut ReplyBuf, item: Item) {
    match item {
        Item::Int(value) => reply.bulk_i64(value),
        Item::Text(text) => reply.bulk(text),
    }
}

/// The header of so many members: with scores a flat list in RESP2, one of pairs in RESP3.
fn begin_members(reply: &mut ReplyBuf, count: usize, with_scores: bool) {
    let is_flat = with_scores && !reply.resp3();
    reply.array(if is_flat { 2 * count } else { count });
}

/// One of them.
#[inline]
fn reply_member(reply: &mut ReplyBuf, (member, score): (Item, f64), with_scores: bool) {
    if with_scores && reply.resp3() {
        reply.array(2);
    }
    reply_item(reply, member);
    if with_scores {
        reply.double(score);
    }
}

/// Puts a result in the place of whatever a key holds, or deletes the key if it is empty.
/// It counts as so many changes.
pub(super) fn replace(cx: &mut Cx, key: Key, set: ZSet, event: &'static str, changes: u64) {
    if !set.is_empty() {
        cx.put_value(key, Value::ZSet(set), None);
        cx.event(event::ZSET, event, key);
        cx.dirty(changes);
    } else if let Some(old) = cx.store.remove(cx.session.db, key) {
        cx.store.effects().discard(old);
        cx.event(event::GENERIC, "del", key);
        cx.dirty(1);
    }
}

#[cfg(test)]
mod tests;
