//! Lists as they are: their length, elements by number, numbers of elements.

use super::{End, part, reply_item};
use crate::base::number;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::TypedStore;
use crate::types::List;
use crate::types::listpack::Needle;

pub fn llen(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let list = cx.store.read_as::<List>(cx.session.db, args.key())?;
    cx.reply.integer(list.map_or(0, List::len) as i64);
    Ok(Outcome::Done)
}

pub fn lindex(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let Some(list) = cx.store.read_as::<List>(cx.session.db, args.key())? else {
        cx.reply.null();
        return Ok(Outcome::Done);
    };
    let index = args.i64();
    args.check()?;
    match list.get(index) {
        Some(item) => reply_item(cx.reply, item),
        None => cx.reply.null(),
    }
    Ok(Outcome::Done)
}

pub fn lrange(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let (start, stop) = (args.i64(), args.i64());
    args.check()?;
    let Some(list) = cx.store.read_as::<List>(cx.session.db, key)? else {
        cx.reply.array(0);
        return Ok(Outcome::Done);
    };
    let (before, count) = part(list.len(), start, stop);
    cx.reply.array(count);
    let mut left = count;
    if left > 0 {
        list.visit(End::Front, before, |item| {
            reply_item(cx.reply, item);
            left -= 1;
            left > 0
        });
    }
    Ok(Outcome::Done)
}

const NO_RANK: &str = "ERR RANK can't be zero: use 1 to start from the first match, 2 from the \
                       second ... or use negative to start from the end of the list";

/// What LPOS looks for.
struct Wanted {
    /// From which end on.
    end: End,
    /// The first match that counts.
    rank: u64,
    /// How many matches, 0 for all; `None` for one that is not in an array.
    count: Option<u64>,
    /// How many elements are looked at, 0 for all.
    len_max: u64,
}

impl Wanted {
    fn parse(args: &mut Args) -> Result<Wanted, CmdError> {
        let mut wanted = Wanted {
            end: End::Front,
            rank: 1,
            count: None,
            len_max: 0,
        };
        while !args.is_empty() {
            let has_value = args.left() > 1;
            if has_value && args.take("RANK") {
                let rank = magnitude(args)?;
                if rank == 0 {
                    return Err(CmdError::text(NO_RANK));
                }
                wanted.rank = rank.unsigned_abs();
                wanted.end = if rank < 0 { End::Back } else { End::Front };
            } else if has_value && args.take("COUNT") {
                wanted.count = Some(not_negative(args, "COUNT")?);
            } else if has_value && args.take("MAXLEN") {
                wanted.len_max = not_negative(args, "MAXLEN")?;
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(wanted)
    }
}

/// An integer that has a magnitude.
pub fn magnitude(args: &mut Args) -> Result<i64, CmdError> {
    let value = args.i64();
    args.check()?;
    match value {
        i64::MIN => Err(CmdError::err(format_args!(
            "value is out of range, value must between {} and {}",
            -i64::MAX,
            i64::MAX
        ))),
        _ => Ok(value),
    }
}

fn not_negative(args: &mut Args, name: &str) -> Result<u64, CmdError> {
    let value = number::parse_i64(args.bytes()).and_then(|n| u64::try_from(n).ok());
    value.ok_or_else(|| CmdError::err(format_args!("{name} can't be negative")))
}

pub fn lpos(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, needle) = (args.key(), Needle::new(args.bytes()));
    let wanted = Wanted::parse(&mut args)?;
    let Some(list) = cx.store.read_as::<List>(cx.session.db, key)? else {
        match wanted.count {
            Some(_) => cx.reply.array(0),
            None => cx.reply.null(),
        }
        return Ok(Outcome::Done);
    };
    let mut found = Vec::new();
    let (mut index, mut matches) = (0, 0);
    let enough = wanted.count.unwrap_or(1);
    list.visit(wanted.end, 0, |item| {
        if needle.is(item) {
            matches += 1;
            if matches >= wanted.rank {
                found.push(index);
            }
        }
        index += 1;
        let has_enough = enough != 0 && found.len() as u64 >= enough;
        !has_enough && (wanted.len_max == 0 || index < wanted.len_max)
    });
    let len = list.len() as u64;
    let from_front = |index: u64| match wanted.end {
        End::Front => index as i64,
        End::Back => (len - 1 - index) as i64,
    };
    match wanted.count {
        Some(_) => {
            cx.reply.array(found.len());
            found
                .iter()
                .for_each(|&at| cx.reply.integer(from_front(at)));
        }
        None => match found.first() {
            Some(&at) => cx.reply.integer(from_front(at)),
            None => cx.reply.null(),
        },
    }
    Ok(Outcome::Done)
}
