//! Members in: ZADD, ZINCRBY.

use smallvec::SmallVec;

use super::limits;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::TypedStore;
use crate::store::effects::event::ZSET;
use crate::store::keyspace::Key;
use crate::types::ZSet;
use crate::types::zset::Limits;

const NX_AND_XX: CmdError =
    CmdError::text("ERR XX and NX options at the same time are not compatible");
const GT_LT_NX: CmdError =
    CmdError::text("ERR GT, LT, and/or NX options at the same time are not compatible");
const ONE_INCREMENT: CmdError =
    CmdError::text("ERR INCR option supports a single increment-element pair");
const NO_NUMBER: CmdError = CmdError::text("ERR resulting score is not a number (NaN)");

#[derive(Clone, Copy, Default)]
pub struct Options {
    pub nx: bool,
    pub xx: bool,
    gt: bool,
    lt: bool,
    /// Reply with the number of members changed, not only of those added.
    pub ch: bool,
    incr: bool,
}

impl Options {
    fn take(args: &mut Args) -> Options {
        let mut options = Options::default();
        loop {
            let option = match () {
                () if args.take("NX") => &mut options.nx,
                () if args.take("XX") => &mut options.xx,
                () if args.take("GT") => &mut options.gt,
                () if args.take("LT") => &mut options.lt,
                () if args.take("CH") => &mut options.ch,
                () if args.take("INCR") => &mut options.incr,
                () => return options,
            };
            *option = true;
        }
    }

    fn check(&self) -> Result<(), CmdError> {
        if self.nx && self.xx {
            return Err(NX_AND_XX);
        }
        if [self.gt, self.lt, self.nx]
            .into_iter()
            .filter(|&set| set)
            .count()
            > 1
        {
            return Err(GT_LT_NX);
        }
        Ok(())
    }
}

pub fn zadd(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    add(cx, args, false)
}

/// It is ZADD with INCR, and so takes for one of its options what looks like one.
pub fn zincrby(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    add(cx, args, true)
}

fn add(cx: &mut Cx, mut args: Args, increments: bool) -> Result<Outcome, CmdError> {
    let key = args.key();
    let mut options = Options::take(&mut args);
    options.incr |= increments;
    let count = args.left() / 2;
    if count == 0 || args.left() % 2 == 1 {
        return Err(CmdError::Syntax);
    }
    options.check()?;
    if options.incr && count > 1 {
        return Err(ONE_INCREMENT);
    }
    let mut pairs = Pairs::new();
    while !args.is_empty() {
        pairs.push((args.f64(), args.bytes()));
    }
    args.finish()?;
    put(cx, key, options, &pairs)?;
    Ok(Outcome::Done)
}

/// What became of one member.
enum Added {
    New(f64),
    Changed(f64),
    Same(f64),
    /// The options did not allow it.
    Refused,
}

/// Scores with their members.
pub type Pairs<'a> = SmallVec<[(f64, &'a [u8]); 4]>;

/// Adds members, at least one, and replies as ZADD does. Whether anything has changed.
pub fn put(
    cx: &mut Cx,
    key: Key,
    options: Options,
    pairs: &[(f64, &[u8])],
) -> Result<bool, CmdError> {
    let (db, limits) = (cx.session.db, limits(cx));
    if options.xx && cx.store.peek_as::<ZSet>(db, key)?.is_none() {
        reply(cx, options, 0, 0, None);
        return Ok(false);
    }
    let mut changing = cx.store.change_or_new::<ZSet>(db, key)?;
    let set = &mut *changing;
    // Which form it will have is decided by what is asked for, not by what comes of it.
    let first = pairs.first().filter(|_| set.is_empty());
    let first_bytes = first.map_or(0, |(_, member)| member.len());
    set.expect(pairs.len(), first_bytes, &limits);
    let (mut added, mut changed, mut last) = (0, 0, None);
    for &(score, member) in pairs {
        last = match add_one(set, member, score, options, &limits)? {
            Added::New(score) => {
                added += 1;
                Some(score)
            }
            Added::Changed(score) => {
                changed += 1;
                Some(score)
            }
            Added::Same(score) => Some(score),
            Added::Refused => None,
        };
    }
    drop(changing);
    let any = added + changed > 0;
    if any {
        cx.dirty(added + changed);
        cx.event(ZSET, if options.incr { "zincr" } else { "zadd" }, key);
        cx.grown(key);
    }
    reply(cx, options, added, changed, last);
    Ok(any)
}

fn reply(cx: &mut Cx, options: Options, added: u64, changed: u64, score: Option<f64>) {
    match (options.incr, score) {
        (true, Some(score)) => cx.reply.double(score),
        (true, None) => cx.reply.null(),
        (false, _) if options.ch => cx.reply.integer((added + changed) as i64),
        (false, _) => cx.reply.integer(added as i64),
    }
}

fn add_one(
    set: &mut ZSet,
    member: &[u8],
    score: f64,
    options: Options,
    limits: &Limits,
) -> Result<Added, CmdError> {
    let must_look = options.nx || options.xx || options.gt || options.lt || options.incr;
    if !must_look {
        return Ok(match set.set(member, score, limits) {
            None => Added::New(score),
            Some(old) if old != score => Added::Changed(score),
            Some(_) => Added::Same(score),
        });
    }
    let Some(old) = set.score(member) else {
        if options.xx {
            return Ok(Added::Refused);
        }
        set.set(member, score, limits);
        return Ok(Added::New(score));
    };
    if options.nx {
        return Ok(Added::Refused);
    }
    let score = if options.incr { old + score } else { score };
    if score.is_nan() {
        return Err(NO_NUMBER);
    }
    if options.lt && score >= old || options.gt && score <= old {
        return Ok(Added::Refused);
    }
    if score == old {
        return Ok(Added::Same(score));
    }
    set.set(member, score, limits);
    Ok(Added::Changed(score))
}
