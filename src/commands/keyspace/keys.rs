//! DEL, UNLINK, EXISTS, TYPE, TOUCH.

use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::store::effects::event;

/// DEL and UNLINK: here a big value is freed by another thread either way.
pub fn delete(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let db = cx.session.db;
    let mut deleted = 0;
    while !args.is_empty() {
        let key = args.key();
        if let Some(entry) = cx.store.remove(db, key) {
            cx.store.effects().discard(entry);
            cx.event(event::GENERIC, "del", key);
            deleted += 1;
        }
    }
    cx.dirty(deleted);
    cx.reply.integer(deleted as i64);
    Ok(Outcome::Done)
}

pub fn exists(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let mut count = 0;
    while !args.is_empty() {
        count += i64::from(cx.store.look(cx.session.db, args.key()).is_some());
    }
    cx.reply.integer(count);
    Ok(Outcome::Done)
}

pub fn touch(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let mut count = 0;
    while !args.is_empty() {
        count += i64::from(cx.store.read(cx.session.db, args.key()).is_some());
    }
    cx.reply.integer(count);
    Ok(Outcome::Done)
}

pub fn kind(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let found = cx.store.look(cx.session.db, args.key());
    let name = found.map_or("none", |entry| entry.kind().name());
    cx.reply.simple(name);
    Ok(Outcome::Done)
}
