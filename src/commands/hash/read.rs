//! Looking at fields.

use super::put_item;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::TypedStore;
use crate::resp::reply::ReplyBuf;
use crate::store::keyspace::Key;
use crate::types::Hash;
use crate::types::hash::Field;
use crate::types::listpack::Item;

/// Has `answer` write something about a field, `None` if there is none to be seen.
fn with_field(
    cx: &mut Cx,
    key: Key,
    name: &[u8],
    answer: impl FnOnce(&mut ReplyBuf, Option<Item>),
) -> Result<Outcome, CmdError> {
    let db = cx.session.db;
    let sight = cx.store.sight();
    let hash = cx.store.read_as::<Hash>(db, key)?;
    let field = hash.and_then(|hash| hash.get(name));
    let seen = field.filter(|field| sight.sees(field));
    answer(cx.reply, seen.map(|field| field.value));
    if seen.is_none() && field.is_some() {
        cx.store.end_fields(db, key, &[name]);
    }
    Ok(Outcome::Done)
}

pub fn hget(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, name) = (args.key(), args.bytes());
    with_field(cx, key, name, |reply, value| match value {
        Some(value) => put_item(reply, value),
        None => reply.null(),
    })
}

pub fn hstrlen(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, name) = (args.key(), args.bytes());
    with_field(cx, key, name, |reply, value| {
        reply.integer(value.map_or(0, Item::len_bytes) as i64);
    })
}

pub fn hexists(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, name) = (args.key(), args.bytes());
    with_field(cx, key, name, |reply, value| {
        reply.integer(value.is_some().into());
    })
}

pub fn hmget(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (db, key) = (cx.session.db, args.key());
    let sight = cx.store.sight();
    let hash = cx.store.read_as::<Hash>(db, key)?;
    let mut due = Vec::new();
    cx.reply.array(args.left());
    while let Some(name) = args.next() {
        match hash.and_then(|hash| hash.get(name)) {
            Some(field) if sight.sees(&field) => put_item(cx.reply, field.value),
            found => {
                cx.reply.null();
                due.extend(found.map(|_| name));
            }
        }
    }
    if !due.is_empty() {
        cx.store.end_fields(db, key, &due);
    }
    Ok(Outcome::Done)
}

/// As in Redis it counts what nobody has found to be over yet.
pub fn hlen(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let hash = cx.store.read_as::<Hash>(cx.session.db, args.key())?;
    cx.reply.integer(hash.map_or(0, Hash::len) as i64);
    Ok(Outcome::Done)
}

pub fn hgetall(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    all(cx, args, ReplyBuf::map, |reply, name, field| {
        put_item(reply, name);
        put_item(reply, field.value);
    })
}

pub fn hkeys(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    all(cx, args, ReplyBuf::array, |reply, name, _| {
        put_item(reply, name);
    })
}

pub fn hvals(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    all(cx, args, ReplyBuf::array, |reply, _, field| {
        put_item(reply, field.value);
    })
}

/// What is due is passed over and stays: there may be any number of such fields.
fn all(
    cx: &mut Cx,
    mut args: Args,
    begin: fn(&mut ReplyBuf, usize),
    put: impl Fn(&mut ReplyBuf, Item, Field),
) -> Result<Outcome, CmdError> {
    let sight = cx.store.sight();
    let Some(hash) = cx.store.read_as::<Hash>(cx.session.db, args.key())? else {
        begin(cx.reply, 0);
        return Ok(Outcome::Done);
    };
    let is_seen = |(_, field): &(Item, Field)| sight.sees(field);
    let count = match sight.sees_all(hash) {
        true => hash.len(),
        false => hash.iter().filter(is_seen).count(),
    };
    begin(cx.reply, count);
    for (name, field) in hash.iter().filter(is_seen) {
        put(cx.reply, name, field);
    }
    Ok(Outcome::Done)
}
