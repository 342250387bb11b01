//! Members looked at one by one: their scores, their ranks, how many there are.

use std::collections::HashSet;

use super::bounds::{Bounds, By};
use super::{begin_members, reply_item, reply_member};
use crate::base::number::{self, Digits, parse_i64};
use crate::base::rng::Rng;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::scan::{self, Of};
use crate::commands::typed::TypedStore;
use crate::resp::reply::ReplyBuf;
use crate::types::ZSet;
use crate::types::listpack::Item;

pub fn zcard(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let set = cx.store.read_as::<ZSet>(cx.session.db, key)?;
    cx.reply.integer(set.map_or(0, ZSet::len) as i64);
    Ok(Outcome::Done)
}

pub fn zscore(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let set = cx.store.read_as::<ZSet>(cx.session.db, key)?;
    match set.and_then(|set| set.score(args.bytes())) {
        Some(score) => cx.reply.double(score),
        None => cx.reply.null(),
    }
    Ok(Outcome::Done)
}

pub fn zmscore(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let set = cx.store.read_as::<ZSet>(cx.session.db, key)?;
    cx.reply.array(args.left());
    while let Some(member) = args.next() {
        match set.and_then(|set| set.score(member)) {
            Some(score) => cx.reply.double(score),
            None => cx.reply.null(),
        }
    }
    Ok(Outcome::Done)
}

pub fn zrank(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    rank(cx, args, "zrank", |rank, _| rank)
}

pub fn zrevrank(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    rank(cx, args, "zrevrank", |rank, len| len - 1 - rank)
}

fn rank(
    cx: &mut Cx,
    mut args: Args,
    name: &str,
    count: fn(usize, usize) -> usize,
) -> Result<Outcome, CmdError> {
    let (key, member) = (args.key(), args.bytes());
    if args.left() > 1 {
        return Err(CmdError::WrongArity(name.to_owned()));
    }
    let with_score = args.take("WITHSCORE");
    args.finish()?;
    let set = cx.store.read_as::<ZSet>(cx.session.db, key)?;
    let found = set.and_then(|set| {
        let (rank, score) = set.rank(member)?;
        Some((count(rank, set.len()), score))
    });
    match (found, with_score) {
        (Some((rank, _)), false) => cx.reply.integer(rank as i64),
        (Some((rank, score)), true) => {
            cx.reply.array(2);
            cx.reply.integer(rank as i64);
            cx.reply.double(score);
        }
        (None, false) => cx.reply.null(),
        (None, true) => cx.reply.null_array(),
    }
    Ok(Outcome::Done)
}

pub fn zcount(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    count(cx, args, By::Score)
}

pub fn zlexcount(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    count(cx, args, By::Lex)
}

fn count(cx: &mut Cx, mut args: Args, by: By) -> Result<Outcome, CmdError> {
    let key = args.key();
    let bounds = Bounds::take(&mut args, by, false)?;
    let set = cx.store.read_as::<ZSet>(cx.session.db, key)?;
    let count = set.map_or(0, |set| bounds.ranks(set, false).len());
    cx.reply.integer(count as i64);
    Ok(Outcome::Done)
}

const COUNT_OUT_OF_RANGE: CmdError = CmdError::text(
    "ERR value is out of range, value must between \
     -9223372036854775807 and 9223372036854775807",
);
const PAIRS_OUT_OF_RANGE: CmdError = CmdError::text("ERR value is out of range");

pub fn zrandmember(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let Some(count) = args.next() else {
        let set = cx.store.read_as::<ZSet>(cx.session.db, key)?;
        match set.and_then(|set| set.random(&mut Rng::from_entropy())) {
            Some((member, _)) => reply_item(cx.reply, member),
            None => cx.reply.null(),
        }
        return Ok(Outcome::Done);
    };
    let count = parse_i64(count).ok_or(CmdError::NotInteger)?;
    if count == i64::MIN {
        return Err(COUNT_OUT_OF_RANGE);
    }
    let with_scores = args.take("WITHSCORES");
    args.finish()?;
    if with_scores && count.unsigned_abs() > i64::MAX.unsigned_abs() / 2 {
        return Err(PAIRS_OUT_OF_RANGE);
    }
    let Some(set) = cx.store.read_as::<ZSet>(cx.session.db, key)? else {
        cx.reply.array(0);
        return Ok(Outcome::Done);
    };
    let mut rng = Rng::from_entropy();
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count < 0 {
        begin_members(cx.reply, wanted, with_scores);
        for _ in 0..wanted {
            if cx.reply.is_too_much() {
                break;
            }
            if let Some(picked) = set.random(&mut rng) {
                reply_member(cx.reply, picked, with_scores);
            }
        }
        return Ok(Outcome::Done);
    }
    let ranks = different(set.len(), wanted, &mut rng);
    begin_members(cx.reply, ranks.len(), with_scores);
    for picked in ranks.into_iter().filter_map(|rank| set.at(rank)) {
        reply_member(cx.reply, picked, with_scores);
    }
    Ok(Outcome::Done)
}

/// So many ranks below `len`, each at most once.
fn different(len: usize, wanted: usize, rng: &mut Rng) -> Vec<usize> {
    if wanted >= len {
        return (0..len).collect();
    }
    // Floyd's way to draw without drawing twice.
    let mut drawn = HashSet::with_capacity(wanted);
    let draws = (len - wanted..len).map(|last| {
        let rank = rng.below(last as u64 + 1) as usize;
        let rank = if drawn.contains(&rank) { last } else { rank };
        drawn.insert(rank);
        rank
    });
    draws.collect()
}

pub fn zscan(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let cursor = scan::cursor(args.bytes())?;
    let Some(set) = cx.store.read_as::<ZSet>(cx.session.db, key)? else {
        cx.reply.array(2);
        cx.reply.bulk(b"0");
        cx.reply.array(0);
        return Ok(Outcome::Done);
    };
    let options = scan::options(args, Of::ZSet)?;
    let with_scores = !options.no_values;
    // The cursor stands in front of what is visited on the way to it.
    let mut found = ReplyBuf::with_protocol(cx.reply.resp3());
    let mut count = 0;
    let (mut digits, mut text) = (Digits::new(), Vec::new());
    let next = set.scan(cursor, options.count, &mut |member: Item, score| {
        if scan::matches(options.pattern, member.text(&mut digits)) {
            reply_item(&mut found, member);
            count += 1;
            if with_scores {
                text.clear();
                scanned_score(set, score, &mut text);
                found.bulk(&text);
                count += 1;
            }
        }
    });
    cx.reply.array(2);
    cx.reply.bulk(number::digits().of(next));
    cx.reply.array(count);
    cx.reply.raw(found.bytes());
    Ok(Outcome::Done)
}

/// A score as a scan shows it: as it stands in a listpack, else with all its digits.
fn scanned_score(set: &ZSet, score: f64, text: &mut Vec<u8>) {
    match set.as_pack() {
        Some(_) => number::format_f64(score, text),
        None => number::format_f64_17(score, text),
    }
}
