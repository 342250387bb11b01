//! Elements that leave a list.

use super::look::magnitude;
use super::{End, discard, limits, part, reply_item, take_end};
use crate::base::number;
use crate::commands::args::Args;
use crate::commands::blocking::deadline;
use crate::commands::cx::{Blocking, Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::{Changing, TypedStore};
use crate::resp::reply::ReplyBuf;
use crate::shared::parked::Nothing;
use crate::store::effects::event::LIST;
use crate::store::keyspace::Key;
use crate::types::list::Limits;
use crate::types::{Kind, List};

pub fn lpop(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    pop(cx, args, End::Front)
}

pub fn rpop(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    pop(cx, args, End::Back)
}

const NOT_POSITIVE: &str = "ERR value is out of range, must be positive";

fn pop(cx: &mut Cx, mut args: Args, end: End) -> Result<Outcome, CmdError> {
    let key = args.key();
    let count = match args.next() {
        None => None,
        Some(_) if !args.is_empty() => {
            return Err(CmdError::WrongArity(popped(end).to_owned()));
        }
        Some(text) => {
            let count = number::parse_i64(text).and_then(|n| usize::try_from(n).ok());
            Some(count.ok_or(CmdError::text(NOT_POSITIVE))?)
        }
    };
    let limits = limits(cx);
    let Some(list) = cx.store.change::<List>(cx.session.db, key)? else {
        match count {
            Some(_) => cx.reply.null_array(),
            None => cx.reply.null(),
        }
        return Ok(Outcome::Done);
    };
    let count = match count {
        Some(0) => {
            cx.reply.array(0);
            return Ok(Outcome::Done);
        }
        Some(count) => {
            let count = count.min(list.len());
            let cut = give(cx.reply, list, end, count, &limits);
            discard(cx, cut);
            count
        }
        None => {
            give_one(cx.reply, list, end, &limits);
            1
        }
    };
    gone(cx, key, end, count);
    Ok(Outcome::Done)
}

/// Takes out the element at an end, which there must be, and replies with it.
fn give_one(reply: &mut ReplyBuf, mut list: Changing<List>, end: End, limits: &Limits) {
    if let Some(item) = list.peek(end) {
        reply_item(reply, item);
    }
    list.drop_at(end, 1);
    list.settle_shrunk(limits);
}

/// Takes out `count` elements at an end, which there must be, and replies with all of them,
/// the one at the end first. What takes a while to be freed is returned.
fn give(
    reply: &mut ReplyBuf,
    mut list: Changing<List>,
    end: End,
    count: usize,
    limits: &Limits,
) -> Option<List> {
    reply.array(count);
    let mut left = count;
    list.visit(end, 0, |item| {
        reply_item(reply, item);
        left -= 1;
        left > 0
    });
    let cut = list.drop_at(end, count);
    list.settle_shrunk(limits);
    cut
}

/// So many elements are gone: what others hear of it.
pub fn gone(cx: &mut Cx, key: Key, end: End, count: usize) {
    cx.event(LIST, popped(end), key);
    cx.dirty(count as u64);
    cx.changed(key);
}

/// The event of an element that was taken at this end, and the command for it.
fn popped(end: End) -> &'static str {
    match end {
        End::Front => "lpop",
        End::Back => "rpop",
    }
}

/// The first of so many keys that has a list.
fn first_list<'a>(
    cx: &mut Cx,
    keys: &mut Args<'a>,
    count: usize,
) -> Result<Option<Key<'a>>, CmdError> {
    for _ in 0..count {
        let key = keys.key();
        if cx.store.peek_as::<List>(cx.session.db, key)?.is_some() {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// What LMPOP and BLMPOP ask for.
struct Request<'a> {
    /// At the first key.
    keys: Args<'a>,
    key_count: usize,
    end: End,
    count: usize,
}

impl<'a> Request<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Request<'a>, CmdError> {
        let too_small = |name: &str| CmdError::err(format_args!("{name} should be greater than 0"));
        let positive = |text: &[u8]| {
            let value = number::parse_i64(text).and_then(|n| usize::try_from(n).ok());
            value.filter(|&n| n > 0)
        };
        let key_count = positive(args.bytes()).ok_or_else(|| too_small("numkeys"))?;
        let keys = args.clone();
        if key_count >= args.left() {
            return Err(CmdError::Syntax);
        }
        args.skip(key_count);
        let end = take_end(args);
        args.check()?;
        let mut count = None;
        while !args.is_empty() {
            if count.is_some() || args.left() < 2 || !args.take("COUNT") {
                return Err(CmdError::Syntax);
            }
            count = Some(positive(args.bytes()).ok_or_else(|| too_small("count"))?);
        }
        Ok(Request {
            keys,
            key_count,
            end,
            count: count.unwrap_or(1),
        })
    }

    /// Takes elements from the first list there is. False if there is none.
    fn try_now(&self, cx: &mut Cx) -> Result<bool, CmdError> {
        let mut keys = self.keys.clone();
        let Some(key) = first_list(cx, &mut keys, self.key_count)? else {
            return Ok(false);
        };
        let limits = limits(cx);
        let Some(list) = cx.store.change::<List>(cx.session.db, key)? else {
            return Ok(false);
        };
        let count = self.count.min(list.len());
        cx.reply.array(2);
        cx.reply.bulk(key.bytes);
        let cut = give(cx.reply, list, self.end, count, &limits);
        discard(cx, cut);
        gone(cx, key, self.end, count);
        let mut digits = number::digits();
        cx.log_instead(&[logged(self.end), key.bytes, digits.of(count)]);
        Ok(true)
    }
}

/// The command that takes elements at this end, as it stands in the log.
fn logged(end: End) -> &'static [u8] {
    match end {
        End::Front => b"LPOP",
        End::Back => b"RPOP",
    }
}

pub fn lmpop(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let request = Request::parse(&mut args)?;
    if !request.try_now(cx)? {
        cx.reply.null_array();
    }
    Ok(Outcome::Done)
}

/// BLMPOP: the timeout comes first, and is looked at last.
pub fn blmpop(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let timeout = args.bytes();
    let request = Request::parse(&mut args)?;
    let deadline_ms = deadline(cx, timeout)?;
    if request.try_now(cx)? {
        return Ok(Outcome::Done);
    }
    Ok(wait(cx, request.keys, request.key_count, deadline_ms))
}

pub fn blpop(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    pop_or_wait(cx, args, End::Front)
}

pub fn brpop(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    pop_or_wait(cx, args, End::Back)
}

fn pop_or_wait(cx: &mut Cx, mut args: Args, end: End) -> Result<Outcome, CmdError> {
    let keys = args.clone();
    let key_count = args.left() - 1;
    args.skip(key_count);
    let deadline_ms = deadline(cx, args.bytes())?;
    let limits = limits(cx);
    if let Some(key) = first_list(cx, &mut keys.clone(), key_count)? {
        if let Some(list) = cx.store.change::<List>(cx.session.db, key)? {
            cx.reply.array(2);
            cx.reply.bulk(key.bytes);
            give_one(cx.reply, list, end, &limits);
        }
        gone(cx, key, end, 1);
        cx.log_instead(&[logged(end), key.bytes]);
        return Ok(Outcome::Done);
    }
    Ok(wait(cx, keys, key_count, deadline_ms))
}

/// Waits for one of the first `count` keys, where that is possible.
fn wait(cx: &mut Cx, mut keys: Args, count: usize, deadline_ms: Option<i64>) -> Outcome {
    if !cx.may_block() {
        cx.reply.null_array();
        return Outcome::Done;
    }
    let keys = (0..count).map(|_| keys.bytes());
    wait_for(keys, deadline_ms)
}

/// Waits for lists under these keys.
pub fn wait_for<'a>(keys: impl Iterator<Item = &'a [u8]>, deadline_ms: Option<i64>) -> Outcome {
    Outcome::Block(Box::new(Blocking {
        keys: keys.map(Box::from).collect(),
        kind: Kind::List,
        even_without_key: false,
        deadline_ms,
        nothing: Nothing::NullArray,
        request: None,
    }))
}

pub fn ltrim(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let (start, stop) = (args.i64(), args.i64());
    args.check()?;
    let limits = limits(cx);
    let Some(mut list) = cx.store.change::<List>(cx.session.db, key)? else {
        cx.reply.ok();
        return Ok(Outcome::Done);
    };
    let len = list.len();
    let (before, kept) = part(len, start, stop);
    let cut = [
        list.drop_at(End::Back, len - before - kept),
        list.drop_at(End::Front, before),
    ];
    list.settle_shrunk(&limits);
    drop(list);
    cut.into_iter().for_each(|cut| discard(cx, cut));
    cx.event(LIST, "ltrim", key);
    cx.dirty((len - kept) as u64);
    cx.changed(key);
    cx.reply.ok();
    Ok(Outcome::Done)
}

pub fn lrem(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let count = magnitude(&mut args)?;
    let value = args.bytes();
    let (end, count_max) = match count {
        0 => (End::Front, usize::MAX),
        1.. => (End::Front, count as usize),
        _ => (End::Back, count.unsigned_abs() as usize),
    };
    let limits = limits(cx);
    let Some(mut list) = cx.store.change::<List>(cx.session.db, key)? else {
        cx.reply.integer(0);
        return Ok(Outcome::Done);
    };
    let removed = list.remove(value, end, count_max);
    if removed > 0 {
        list.settle_shrunk(&limits);
        drop(list);
        cx.event(LIST, "lrem", key);
        cx.dirty(removed as u64);
        cx.changed(key);
    }
    cx.reply.integer(removed as i64);
    Ok(Outcome::Done)
}
