//! SELECT, FLUSHDB, FLUSHALL, SWAPDB: what names databases.

use std::sync::atomic::Ordering;

use crate::base::number::parse_i64;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::shared::Garbage;

/// The database of this name.
pub fn index(cx: &Cx, text: &[u8]) -> Result<u32, CmdError> {
    let index = parse_i64(text).ok_or(CmdError::NotInteger)?;
    if i32::try_from(index).is_err() {
        let (min, max) = (i32::MIN, i32::MAX);
        let text = format!("value is out of range, value must between {min} and {max}");
        return Err(CmdError::err(text));
    }
    within(cx, index)
}

fn within(cx: &Cx, index: i64) -> Result<u32, CmdError> {
    let count = cx.store.keyspace.database_count() as i64;
    match u32::try_from(index) {
        Ok(db) if index < count => Ok(db),
        _ => Err(CmdError::DbIndexOutOfRange),
    }
}

pub fn select(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let db = index(cx, args.bytes())?;
    cx.session.db = db;
    cx.session.facts.db.store(db, Ordering::Relaxed);
    cx.reply.ok();
    Ok(Outcome::Done)
}

pub fn flush(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    check_mode(args.clone())?;
    let db = cx.session.db;
    flush_databases(cx, &args, db..db + 1);
    Ok(Outcome::Done)
}

/// Also ends a save that runs, for it saves what is gone; an empty one takes its place.
pub fn flush_all(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    check_mode(args.clone())?;
    let databases = cx.store.keyspace.database_count() as u32;
    flush_databases(cx, &args, 0..databases);
    let saves = &cx.shared.jobs.saves;
    if saves.is_running() {
        saves.cancel.store(true, Ordering::Relaxed);
    }
    if !cx.shared.config.save_points().is_empty() {
        saves.scheduled.store(true, Ordering::Relaxed);
        saves.wanted.notify_one();
    }
    Ok(Outcome::Done)
}

/// SYNC or ASYNC, or neither: the memory is freed by another thread in any case.
fn check_mode(mut args: Args) -> Result<(), CmdError> {
    if !args.take("sync") {
        args.take("async");
    }
    args.finish()
}

fn flush_databases(cx: &mut Cx, args: &Args, databases: std::ops::Range<u32>) {
    let mut removed = 0;
    for db in databases {
        removed += cx.store.len(db);
        if let Some(tables) = cx.store.flush(db) {
            // If nobody takes them any more the server is ending, and they end here.
            let _ = cx.shared.garbage.send(Garbage::Tables(tables));
        }
    }
    cx.dirty(removed);
    if removed == 0 {
        // Followers may have keys where their leader has none.
        let request: Vec<&[u8]> = args.argv().iter().collect();
        cx.log_instead(&request);
    }
    cx.reply.ok();
}

pub fn swap(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let int = |text| parse_i64(text).filter(|&n| i32::try_from(n).is_ok());
    let first = int(args.bytes()).ok_or(CmdError::text("ERR invalid first DB index"))?;
    let second = int(args.bytes()).ok_or(CmdError::text("ERR invalid second DB index"))?;
    let (first, second) = (within(cx, first)?, within(cx, second)?);
    if first != second {
        cx.store.swap(first, second);
    }
    cx.dirty(1);
    cx.reply.ok();
    Ok(Outcome::Done)
}
