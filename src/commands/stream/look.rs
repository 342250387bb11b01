//! Entries looked at.

use super::wire::{range_end, range_start, reply_entries};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::TypedStore;
use crate::types::Stream;

pub fn xlen(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let stream = cx.store.read_as::<Stream>(cx.session.db, args.key())?;
    cx.reply.integer(stream.map_or(0, Stream::len) as i64);
    Ok(Outcome::Done)
}

pub fn xrange(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let start = range_start(args.bytes())?;
    let end = range_end(args.bytes())?;
    let count = count(&mut args)?;
    let Some(stream) = cx.store.read_as::<Stream>(cx.session.db, key)? else {
        cx.reply.array(0);
        return Ok(Outcome::Done);
    };
    match count {
        Some(0) => cx.reply.null_array(),
        _ => {
            reply_entries(cx.reply, stream.range(start, end), count.unwrap_or(0));
        }
    }
    Ok(Outcome::Done)
}

/// XREVRANGE: where the range ends comes first.
pub fn xrevrange(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let (end, start) = (args.bytes(), args.bytes());
    let start = range_start(start)?;
    let end = range_end(end)?;
    let count = count(&mut args)?;
    let Some(stream) = cx.store.read_as::<Stream>(cx.session.db, key)? else {
        cx.reply.array(0);
        return Ok(Outcome::Done);
    };
    match count {
        Some(0) => cx.reply.null_array(),
        _ => {
            reply_entries(cx.reply, stream.range_back(start, end), count.unwrap_or(0));
        }
    }
    Ok(Outcome::Done)
}

/// COUNT, if it is given; the last one counts.
fn count(args: &mut Args) -> Result<Option<usize>, CmdError> {
    let mut count = None;
    while !args.is_empty() {
        if args.left() < 2 || !args.take("COUNT") {
            return Err(CmdError::Syntax);
        }
        let given = args.i64();
        args.check()?;
        count = Some(given.max(0) as usize);
    }
    Ok(count)
}
