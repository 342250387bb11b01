//! Members of a part of the order: ZRANGE, its older forms, ZRANGESTORE.

use super::bounds::{Bounds, By};
use super::{begin_members, limits, replace, reply_member};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::TypedStore;
use crate::types::ZSet;
use crate::types::zset::Walk;

const LIMIT_BY_RANK: CmdError = CmdError::text(
    "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
);
const LEX_WITH_SCORES: CmdError =
    CmdError::text("ERR syntax error, WITHSCORES not supported in combination with BYLEX");

/// What a form of ZRANGE leaves to be said by options.
#[derive(Clone, Copy)]
struct Form {
    by: Option<By>,
    is_down: Option<bool>,
    may_have_scores: bool,
}

const ZRANGE: Form = Form {
    by: None,
    is_down: None,
    may_have_scores: true,
};

const fn form(by: By, is_down: bool) -> Form {
    Form {
        by: Some(by),
        is_down: Some(is_down),
        may_have_scores: true,
    }
}

struct Request<'a> {
    bounds: Bounds<'a>,
    is_down: bool,
    /// How many members are passed over; if negative, how many before the end are given.
    offset: i64,
    /// How many are given at most.
    count: usize,
    with_scores: bool,
}

impl<'a> Request<'a> {
    /// What stands behind the key.
    fn parse(mut args: Args<'a>, form: Form) -> Result<Request<'a>, CmdError> {
        let mut ends = args.clone();
        args.skip(2);
        let (mut by, mut is_down, mut with_scores) = (form.by, form.is_down, false);
        let (mut offset, mut count) = (0, -1);
        while !args.is_empty() {
            if form.may_have_scores && args.take("WITHSCORES") {
                with_scores = true;
            } else if args.left() >= 3 && args.take("LIMIT") {
                (offset, count) = (args.i64(), args.i64());
                args.check()?;
            } else if form.is_down.is_none() && is_down.is_none() && args.take("REV") {
                is_down = Some(true);
            } else if form.by.is_none() && by.is_none() && args.take("BYLEX") {
                by = Some(By::Lex);
            } else if form.by.is_none() && by.is_none() && args.take("BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(CmdError::Syntax);
            }
        }
        let (by, is_down) = (by.unwrap_or(By::Rank), is_down.unwrap_or(false));
        if count != -1 && by == By::Rank {
            return Err(LIMIT_BY_RANK);
        }
        if with_scores && by == By::Lex {
            return Err(LEX_WITH_SCORES);
        }
        Ok(Request {
            bounds: Bounds::take(&mut ends, by, is_down)?,
            is_down,
            offset: if by == By::Rank { 0 } else { offset },
            count: usize::try_from(count).unwrap_or(usize::MAX),
            with_scores,
        })
    }

    /// The members asked for, and how many they are.
    fn walk<'s>(&self, set: &'s ZSet) -> (Walk<'s>, usize) {
        let ranks = self.bounds.ranks(set, self.is_down);
        let offset = match usize::try_from(self.offset) {
            Ok(offset) => offset,
            // Redis counts from the end in large sets, and finds nothing in small ones.
            Err(_) if set.as_pack().is_some() => usize::MAX,
            Err(_) => {
                let before_end = self.offset.unsigned_abs() as usize;
                ranks.len().checked_sub(before_end).unwrap_or(usize::MAX)
            }
        };
        let count = ranks.len().saturating_sub(offset).min(self.count);
        let from = match self.is_down {
            _ if count == 0 => 0,
            true => ranks.end - 1 - offset,
            false => ranks.start + offset,
        };
        (set.walk(from, count, self.is_down), count)
    }
}

fn range(cx: &mut Cx, mut args: Args, form: Form) -> Result<Outcome, CmdError> {
    let key = args.key();
    let request = Request::parse(args, form)?;
    let Some(set) = cx.store.read_as::<ZSet>(cx.session.db, key)? else {
        cx.reply.array(0);
        return Ok(Outcome::Done);
    };
    let (members, count) = request.walk(set);
    begin_members(cx.reply, count, request.with_scores);
    for pair in members {
        reply_member(cx.reply, pair, request.with_scores);
    }
    Ok(Outcome::Done)
}

pub fn zrange(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    range(cx, args, ZRANGE)
}

pub fn zrevrange(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    range(cx, args, form(By::Rank, true))
}

pub fn zrangebyscore(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    range(cx, args, form(By::Score, false))
}

pub fn zrevrangebyscore(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    range(cx, args, form(By::Score, true))
}

pub fn zrangebylex(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    range(cx, args, form(By::Lex, false))
}

pub fn zrevrangebylex(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    range(cx, args, form(By::Lex, true))
}

pub fn zrangestore(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (into, from) = (args.key(), args.key());
    let without_scores = Form {
        may_have_scores: false,
        ..ZRANGE
    };
    let request = Request::parse(args, without_scores)?;
    let limits = limits(cx);
    let set = cx.store.read_as::<ZSet>(cx.session.db, from)?;
    let part = set.map(|set| {
        let (members, count) = request.walk(set);
        let mut part = ZSet::default();
        // Else it grows as it is filled: what a small set holds has no zero below zero.
        if let Bounds::Rank(..) = request.bounds {
            part.expect(count, 0, &limits);
        }
        let mut digits = crate::base::number::Digits::new();
        for (member, score) in members {
            part.set(member.text(&mut digits), score, &limits);
        }
        part
    });
    let part = part.unwrap_or_default();
    cx.reply.integer(part.len() as i64);
    replace(cx, into, part, "zrangestore", 1);
    Ok(Outcome::Done)
}
