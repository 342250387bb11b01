//! Elements that come into a list.

use super::{End, limits};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::TypedStore;
use crate::store::effects::event::LIST;
use crate::types::List;
use crate::types::listpack::entry_bytes;

pub fn lpush(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    push(cx, args, End::Front, true)
}

pub fn rpush(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    push(cx, args, End::Back, true)
}

pub fn lpushx(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    push(cx, args, End::Front, false)
}

pub fn rpushx(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    push(cx, args, End::Back, false)
}

fn push(cx: &mut Cx, mut args: Args, end: End, or_new: bool) -> Result<Outcome, CmdError> {
    let (db, key, limits) = (cx.session.db, args.key(), limits(cx));
    let mut list = match or_new {
        true => cx.store.change_or_new::<List>(db, key)?,
        false => match cx.store.change::<List>(db, key)? {
            Some(list) => list,
            None => {
                cx.reply.integer(0);
                return Ok(Outcome::Done);
            }
        },
    };
    let count = args.left();
    let bytes = args.rest().map(<[u8]>::len).sum();
    list.grow_for(bytes, count, &limits);
    if count > 1 && list.is_empty() {
        list.expect_bytes(args.rest().map(entry_bytes).sum());
    }
    while let Some(value) = args.next() {
        list.push(value, end, &limits);
    }
    cx.reply.integer(list.len() as i64);
    drop(list);
    cx.event(LIST, pushed(end), key);
    cx.dirty(count as u64);
    cx.grown(key);
    Ok(Outcome::Done)
}

/// The event of an element that came in at this end.
pub fn pushed(end: End) -> &'static str {
    match end {
        End::Front => "lpush",
        End::Back => "rpush",
    }
}

pub fn linsert(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let after = args.take("AFTER");
    if !after && !args.take("BEFORE") {
        return Err(CmdError::Syntax);
    }
    let (pivot, value) = (args.bytes(), args.bytes());
    let limits = limits(cx);
    let Some(mut list) = cx.store.change::<List>(cx.session.db, key)? else {
        cx.reply.integer(0);
        return Ok(Outcome::Done);
    };
    list.grow_for(value.len(), 1, &limits);
    if !list.insert(pivot, after, value, &limits) {
        cx.reply.integer(-1);
        return Ok(Outcome::Done);
    }
    cx.reply.integer(list.len() as i64);
    drop(list);
    cx.event(LIST, "linsert", key);
    cx.dirty(1);
    cx.changed(key);
    Ok(Outcome::Done)
}

const NO_INDEX: &str = "ERR index out of range";

pub fn lset(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let limits = limits(cx);
    let found = cx.store.change::<List>(cx.session.db, key)?;
    let mut list = found.ok_or(CmdError::NoSuchKey)?;
    let (index, value) = (args.i64(), args.bytes());
    args.check()?;
    list.grow_for(value.len(), 1, &limits);
    if !list.set(index, value, &limits) {
        return Err(CmdError::text(NO_INDEX));
    }
    list.settle_shrunk(&limits);
    drop(list);
    cx.event(LIST, "lset", key);
    cx.dirty(1);
    cx.changed(key);
    cx.reply.ok();
    Ok(Outcome::Done)
}
