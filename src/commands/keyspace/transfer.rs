//! RENAME, RENAMENX, MOVE, COPY: the same value under another key.

use super::database;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::store::effects::event;

pub fn rename(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    move_to_key(cx, args, true)?;
    cx.reply.ok();
    Ok(Outcome::Done)
}

pub fn rename_new(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let renamed = move_to_key(cx, args, false)?;
    cx.reply.integer(i64::from(renamed));
    Ok(Outcome::Done)
}

/// False if the key keeps its name.
fn move_to_key(cx: &mut Cx, mut args: Args, replace: bool) -> Result<bool, CmdError> {
    let (from, to) = (args.key(), args.key());
    let db = cx.session.db;
    if cx.store.find(db, from).is_none() {
        return Err(CmdError::NoSuchKey);
    }
    if from.bytes == to.bytes || (cx.store.find(db, to).is_some() && !replace) {
        return Ok(false);
    }
    let entry = cx.store.remove(db, from).ok_or(CmdError::NoSuchKey)?;
    cx.store.put_new(db, to, entry.renamed(to.bytes));
    cx.event(event::GENERIC, "rename_from", from);
    cx.event(event::GENERIC, "rename_to", to);
    cx.dirty(1);
    Ok(true)
}

pub fn to_database(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let (from, to) = (cx.session.db, database::index(cx, args.bytes())?);
    if from == to {
        return Err(CmdError::SameObject);
    }
    let is_there = cx.store.find(from, key).is_some();
    if !is_there || cx.store.find(to, key).is_some() {
        cx.reply.integer(0);
        return Ok(Outcome::Done);
    }
    if let Some(entry) = cx.store.remove(from, key) {
        cx.store.put_new(to, key, entry);
    }
    let effects = cx.store.effects();
    effects.event(event::GENERIC, "move_from", from, key.bytes);
    effects.event(event::GENERIC, "move_to", to, key.bytes);
    cx.dirty(1);
    cx.reply.integer(1);
    Ok(Outcome::Done)
}

pub fn copy(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (from, to) = (args.key(), args.key());
    let from_db = cx.session.db;
    let (mut to_db, mut replace) = (from_db, false);
    while !args.is_empty() {
        if args.take("replace") {
            replace = true;
        } else if args.left() >= 2 && args.take("db") {
            to_db = database::index(cx, args.bytes())?;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    if from_db == to_db && from.bytes == to.bytes {
        return Err(CmdError::SameObject);
    }
    let copied = cx.store.read(from_db, from);
    let copied = copied.map(|entry| entry.duplicate(to.bytes));
    let Some(copied) = copied.filter(|_| cx.store.find(to_db, to).is_none() || replace) else {
        cx.reply.integer(0);
        return Ok(Outcome::Done);
    };
    copied.set_access(cx.store.lru_clock());
    cx.store.put_new(to_db, to, copied);
    let effects = cx.store.effects();
    effects.event(event::GENERIC, "copy_to", to_db, to.bytes);
    cx.dirty(1);
    cx.reply.integer(1);
    Ok(Outcome::Done)
}
