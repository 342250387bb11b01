//! Hashes: fields with values, some of which end at a time of their own.
//!
//! A field whose time is over is not there for anybody who asks. A leader that is asked for
//! it takes it out on the way (`store::fields`), as its expiry task would have done. What is
//! logged is absolute and known to servers without field expiry wherever no field has a time:
//! HSETEX is logged as HSET, with HPEXPIREAT behind it for the times.

/// How times are given, and `FIELDS`.
mod options;

/// HGET, HGETALL and other looks at fields.
mod read;

/// HSET and its relatives.
mod set;

/// HSETEX.
mod setex;

/// HDEL, HGETDEL.
mod take;

/// HINCRBY, HINCRBYFLOAT.
mod count;

/// HRANDFIELD, HSCAN.
mod pick;

/// HEXPIRE, HTTL, HPERSIST and their variants.
mod expire;

/// HGETEX.
mod getex;

use super::error::CmdError;
use super::spec::flag::{DENYOOM, FAST, READONLY, WRITE};
use super::spec::{Handler, KeySpec, Spec, access, category};
use super::typed::TypedStore;
use crate::resp::reply::ReplyBuf;
use crate::store::keyspace::Key;
use crate::store::locked::Locked;
use crate::types::Hash;
use crate::types::listpack::Item;

const READ: &[KeySpec] = &[KeySpec::at(1, access::RO | access::ACCESS)];
const SIZE: &[KeySpec] = &[KeySpec::at(1, access::RO)];
const CHANGED: &[KeySpec] = &[KeySpec::at(1, access::RW | access::UPDATE)];
const GROWN: &[KeySpec] = &[KeySpec::at(1, access::RW | access::INSERT)];
const COUNTED: &[KeySpec] = &[KeySpec::at(1, access::RW | access::ACCESS | access::UPDATE)];
const CUT: &[KeySpec] = &[KeySpec::at(1, access::RW | access::DELETE)];
const TAKEN: &[KeySpec] = &[KeySpec::at(1, access::RW | access::ACCESS | access::DELETE)];

const ANY_ORDER: &[&str] = &["nondeterministic_output_order"];
const ANY_OUTPUT: &[&str] = &["nondeterministic_output"];

const fn reading(name: &'static str, arity: i32, handler: Handler) -> Spec {
    Spec::new(name, arity, READONLY | FAST, category::HASH, handler).keys(READ)
}

const fn walking(name: &'static str, arity: i32, handler: Handler) -> Spec {
    Spec::new(name, arity, READONLY, category::HASH, handler).keys(READ)
}

const fn growing(name: &'static str, arity: i32, handler: Handler) -> Spec {
    let flags = WRITE | DENYOOM | FAST;
    Spec::new(name, arity, flags, category::HASH, handler).keys(CHANGED)
}

const fn changing(name: &'static str, arity: i32, handler: Handler) -> Spec {
    Spec::new(name, arity, WRITE | FAST, category::HASH, handler).keys(CHANGED)
}

pub const COMMANDS: &[Spec] = &[
    growing("hset", -4, set::hset),
    growing("hmset", -4, set::hmset),
    growing("hsetnx", 4, set::hsetnx).keys(GROWN),
    growing("hsetex", -6, setex::hsetex),
    reading("hget", 3, read::hget),
    reading("hmget", -3, read::hmget),
    walking("hgetall", 2, read::hgetall).tips(ANY_ORDER),
    walking("hkeys", 2, read::hkeys).tips(ANY_ORDER),
    walking("hvals", 2, read::hvals).tips(ANY_ORDER),
    reading("hlen", 2, read::hlen).keys(SIZE),
    reading("hstrlen", 3, read::hstrlen).keys(SIZE),
    reading("hexists", 3, read::hexists).keys(SIZE),
    changing("hdel", -3, take::hdel).keys(CUT),
    changing("hgetdel", -5, take::hgetdel).keys(TAKEN),
    growing("hincrby", 4, count::hincrby).keys(COUNTED),
    growing("hincrbyfloat", 4, count::hincrbyfloat).keys(COUNTED),
    walking("hrandfield", -2, pick::hrandfield).tips(ANY_OUTPUT),
    walking("hscan", -3, pick::hscan).tips(ANY_OUTPUT),
    changing("hexpire", -6, expire::hexpire),
    changing("hpexpire", -6, expire::hpexpire),
    changing("hexpireat", -6, expire::hexpireat),
    changing("hpexpireat", -6, expire::hpexpireat),
    changing("hpersist", -5, expire::hpersist),
    reading("httl", -5, expire::httl).tips(ANY_OUTPUT),
    reading("hpttl", -5, expire::hpttl).tips(ANY_OUTPUT),
    reading("hexpiretime", -5, expire::hexpiretime),
    reading("hpexpiretime", -5, expire::hpexpiretime),
    changing("hgetex", -5, getex::hgetex).keys(COUNTED),
];

/// Changes a hash in place; `None` if there is no such key. Behind the events of whatever
/// was changed comes `Cx::changed`.
fn change<R>(
    store: &mut Locked,
    db: u32,
    key: Key,
    change: impl FnOnce(&mut Hash) -> R,
) -> Result<Option<R>, CmdError> {
    let Some(mut hash) = store.change::<Hash>(db, key)? else {
        return Ok(None);
    };
    let before = hash.first_ms();
    let result = change(&mut hash);
    let now = hash.first_ms();
    drop(hash);
    store.note_fields(db, key, before, now);
    Ok(Some(result))
}

/// The same, with an empty hash if there is no such key.
fn change_or_new<R>(
    store: &mut Locked,
    db: u32,
    key: Key,
    change: impl FnOnce(&mut Hash) -> R,
) -> Result<R, CmdError> {
    let mut hash = store.change_or_new::<Hash>(db, key)?;
    let before = hash.first_ms();
    let result = change(&mut hash);
    let now = hash.first_ms();
    drop(hash);
    store.note_fields(db, key, before, now);
    Ok(result)
}

/// A command that writes sees none of these fields whose time is over, nor does anybody else
/// from now on.
fn end_due(store: &mut Locked, db: u32, key: Key, names: &[&[u8]]) -> Result<(), CmdError> {
    let sight = store.sight();
    let found = store.peek_as::<Hash>(db, key)?;
    if found.is_some_and(|hash| !sight.sees_all(hash)) {
        store.end_fields_to_write(db, key, names);
    }
    Ok(())
}

fn put_item(reply: &mut ReplyBuf, item: Item) {
    match item {
        Item::Text(text) => reply.bulk(text),
        Item::Int(int) => reply.bulk_i64(int),
    }
}

#[cfg(test)]
mod tests;
