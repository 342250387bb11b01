//! The first and the last members out: ZPOPMIN, ZMPOP, BZPOPMIN and their like.

use super::reply_item;
use crate::base::number;
use crate::commands::args::Args;
use crate::commands::blocking::deadline;
use crate::commands::cx::{Blocking, Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::TypedStore;
use crate::resp::reply::ReplyBuf;
use crate::shared::parked::Nothing;
use crate::store::effects::event::ZSET;
use crate::store::keyspace::Key;
use crate::types::listpack::Item;
use crate::types::{Kind, ZSet};

const NOT_POSITIVE: CmdError = CmdError::text("ERR value is out of range, must be positive");

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

impl End {
    fn event(self) -> &'static str {
        match self {
            End::Min => "zpopmin",
            End::Max => "zpopmax",
        }
    }

    /// The command, as it stands in the log.
    fn logged(self) -> &'static [u8] {
        match self {
            End::Min => b"ZPOPMIN",
            End::Max => b"ZPOPMAX",
        }
    }

    fn take(args: &mut Args) -> End {
        if args.take("MIN") {
            End::Min
        } else if args.take("MAX") {
            End::Max
        } else {
            args.fail(CmdError::Syntax);
            End::Min
        }
    }
}

pub fn zpopmin(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    pop(cx, args, End::Min)
}

pub fn zpopmax(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    pop(cx, args, End::Max)
}

fn pop(cx: &mut Cx, mut args: Args, end: End) -> Result<Outcome, CmdError> {
    let key = args.key();
    let count = match args.next() {
        None => None,
        Some(_) if !args.is_empty() => return Err(CmdError::Syntax),
        Some(text) => {
            let count = number::parse_i64(text).and_then(|n| usize::try_from(n).ok());
            Some(count.ok_or(NOT_POSITIVE)?)
        }
    };
    let set = cx.store.peek_as::<ZSet>(cx.session.db, key)?;
    let wanted = count.unwrap_or(1).min(set.map_or(0, ZSet::len));
    // Only who asks for several gets them in pairs.
    let nested = count.is_some() && cx.reply.resp3();
    cx.reply.array(if nested { wanted } else { 2 * wanted });
    if wanted > 0 {
        take(cx, key, end, wanted, |reply, (member, score)| {
            if nested {
                reply.array(2);
            }
            reply_item(reply, member);
            reply.double(score);
        })?;
    }
    Ok(Outcome::Done)
}

/// Takes so many members, which are there, out at an end, and gives each to `reply`.
fn take(
    cx: &mut Cx,
    key: Key,
    end: End,
    count: usize,
    mut reply: impl FnMut(&mut ReplyBuf, (Item, f64)),
) -> Result<(), CmdError> {
    let Some(mut changing) = cx.store.change::<ZSet>(cx.session.db, key)? else {
        return Ok(());
    };
    let set = &mut *changing;
    let len = set.len();
    let (from, ranks) = match end {
        End::Min => (0, 0..count),
        End::Max => (len - 1, len - count..len),
    };
    for pair in set.walk(from, count, end == End::Max) {
        reply(cx.reply, pair);
    }
    set.remove_range(ranks);
    drop(changing);
    cx.event(ZSET, end.event(), key);
    cx.dirty(count as u64);
    cx.changed(key);
    Ok(())
}

/// The first of so many keys that has a sorted set, and its length.
fn first_set<'a>(
    cx: &mut Cx,
    keys: &mut Args<'a>,
    count: usize,
) -> Result<Option<(Key<'a>, usize)>, CmdError> {
    for _ in 0..count {
        let key = keys.key();
        if let Some(set) = cx.store.peek_as::<ZSet>(cx.session.db, key)? {
            return Ok(Some((key, set.len())));
        }
    }
    Ok(None)
}

/// What ZMPOP and BZMPOP ask for.
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
        let end = End::take(args);
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

    /// Takes members from the first set there is. False if there is none.
    fn try_now(&self, cx: &mut Cx) -> Result<bool, CmdError> {
        let mut keys = self.keys.clone();
        let Some((key, len)) = first_set(cx, &mut keys, self.key_count)? else {
            return Ok(false);
        };
        let count = self.count.min(len);
        cx.reply.array(2);
        cx.reply.bulk(key.bytes);
        cx.reply.array(count);
        take(cx, key, self.end, count, |reply, (member, score)| {
            reply.array(2);
            reply_item(reply, member);
            reply.double(score);
        })?;
        let mut digits = number::digits();
        cx.log_instead(&[self.end.logged(), key.bytes, digits.of(count)]);
        Ok(true)
    }
}

pub fn zmpop(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let request = Request::parse(&mut args)?;
    if !request.try_now(cx)? {
        cx.reply.null_array();
    }
    Ok(Outcome::Done)
}

/// The timeout comes first, and is looked at last.
pub fn bzmpop(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let timeout = args.bytes();
    let request = Request::parse(&mut args)?;
    let deadline_ms = deadline(cx, timeout)?;
    if request.try_now(cx)? {
        return Ok(Outcome::Done);
    }
    Ok(wait(cx, request.keys, request.key_count, deadline_ms))
}

pub fn bzpopmin(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    pop_or_wait(cx, args, End::Min)
}

pub fn bzpopmax(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    pop_or_wait(cx, args, End::Max)
}

fn pop_or_wait(cx: &mut Cx, mut args: Args, end: End) -> Result<Outcome, CmdError> {
    let keys = args.clone();
    let key_count = args.left() - 1;
    args.skip(key_count);
    let deadline_ms = deadline(cx, args.bytes())?;
    let Some((key, _)) = first_set(cx, &mut keys.clone(), key_count)? else {
        return Ok(wait(cx, keys, key_count, deadline_ms));
    };
    cx.reply.array(3);
    cx.reply.bulk(key.bytes);
    take(cx, key, end, 1, |reply, (member, score)| {
        reply_item(reply, member);
        reply.double(score);
    })?;
    cx.log_instead(&[end.logged(), key.bytes]);
    Ok(Outcome::Done)
}

/// Waits for one of the first `count` keys, where that is possible.
fn wait(cx: &mut Cx, mut keys: Args, count: usize, deadline_ms: Option<i64>) -> Outcome {
    if !cx.may_block() {
        cx.reply.null_array();
        return Outcome::Done;
    }
    Outcome::Block(Box::new(Blocking {
        keys: (0..count).map(|_| keys.bytes().into()).collect(),
        kind: Kind::ZSet,
        even_without_key: false,
        deadline_ms,
        nothing: Nothing::NullArray,
        request: None,
    }))
}
