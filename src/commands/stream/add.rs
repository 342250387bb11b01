//! Entries that come, and entries that go: by id, or at the front.

use smallvec::SmallVec;

use super::wire::{exact_id, reply_id, take_id};
use crate::base::number::digits;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::TypedStore;
use crate::resp::request::Argv;
use crate::shared::session::Origin;
use crate::store::effects::event::STREAM;
use crate::store::keyspace::Key;
use crate::types::Stream;
use crate::types::listpack::SIZE_BYTES_MAX;
use crate::types::stream::{IdText, Keep, Limits, Numbers, StreamId, Trim};

const NOT_ABOVE_ZERO: &str = "ERR The ID specified in XADD must be greater than 0-0";
const EXHAUSTED: &str =
    "ERR The stream has exhausted the last possible ID, unable to add more items";
const TOO_SMALL: &str =
    "ERR The ID specified in XADD is equal or smaller than the target stream top item";
const TOO_LARGE: &str = "ERR Elements are too large to be stored";
const ONE_STRATEGY: &str =
    "ERR syntax error, MAXLEN and MINID options at the same time are not compatible";
const NO_STRATEGY_FOR_LIMIT: &str =
    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy";
const NO_STRATEGY: &str = "ERR syntax error, XTRIM must be called with a trimming strategy";
const EXACT_LIMIT: &str = "ERR syntax error, LIMIT cannot be used without the special ~ option";

const BELOW_TOP: &str = "ERR The ID specified in XSETID is smaller than the target stream top item";
const BELOW_DELETED: &str =
    "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id";
const BELOW_GIVEN_DELETED: &str =
    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id";
const FEWER_THAN_THERE: &str =
    "ERR The entries_added specified in XSETID is smaller than the target stream length";

/// The id that XADD asks for.
#[derive(Clone, Copy)]
enum NewId {
    /// `*`
    Auto,
    /// `ms-*`
    AutoSeq(u64),
    Exact(StreamId),
}

/// The options of XADD and XTRIM.
struct Options {
    /// How to trim, and which argument says how far.
    trim: Option<(Trim, usize)>,
    no_mkstream: bool,
    /// XADD's id and which argument it is.
    id: Option<(NewId, usize)>,
}

impl Options {
    /// Takes options up to XADD's id, or to the end.
    fn parse(cx: &Cx, args: &mut Args, has_id: bool) -> Result<Options, CmdError> {
        let mut options = Options {
            trim: None,
            no_mkstream: false,
            id: None,
        };
        let mut limit = None;
        while options.id.is_none() && !args.is_empty() {
            let has_more = args.left() > 1;
            if has_id && args.take("*") {
                options.id = Some((NewId::Auto, at(args) - 1));
            } else if has_more && args.take("MAXLEN") {
                options.take_trim(args, |args| {
                    let len = args.i64();
                    args.check()?;
                    let len = u64::try_from(len);
                    let len = len.map_err(|_| text("ERR The MAXLEN argument must be >= 0."))?;
                    Ok(Keep::MaxLen(len))
                })?;
            } else if has_more && args.take("MINID") {
                options.take_trim(args, |args| {
                    let id = take_id(args);
                    args.check()?;
                    Ok(Keep::MinId(id))
                })?;
            } else if has_more && args.take("LIMIT") {
                let given = args.i64();
                args.check()?;
                let given = u64::try_from(given);
                limit = Some(given.map_err(|_| text("ERR The LIMIT argument must be >= 0."))?);
            } else if has_id && args.take("NOMKSTREAM") {
                options.no_mkstream = true;
            } else if has_id {
                options.id = Some((new_id(args.bytes())?, at(args) - 1));
            } else {
                return Err(CmdError::Syntax);
            }
        }
        options.limit(cx, limit, has_id)?;
        Ok(options)
    }

    fn take_trim(
        &mut self,
        args: &mut Args,
        keep: impl FnOnce(&mut Args) -> Result<Keep, CmdError>,
    ) -> Result<(), CmdError> {
        if self.trim.is_some() {
            return Err(text(ONE_STRATEGY));
        }
        let approximately = args.left() > 1 && args.take("~");
        if !approximately && args.left() > 1 {
            args.take("=");
        }
        let trim = Trim {
            keep: keep(args)?,
            approximately,
            limit: 0,
        };
        self.trim = Some((trim, at(args) - 1));
        Ok(())
    }

    /// How much may go at once. What the leader trimmed is trimmed.
    fn limit(&mut self, cx: &Cx, limit: Option<u64>, has_id: bool) -> Result<(), CmdError> {
        let is_obeyed = cx.session.origin == Origin::Leader;
        let Some((trim, _)) = &mut self.trim else {
            return match limit {
                Some(1..) => Err(text(NO_STRATEGY_FOR_LIMIT)),
                _ if !has_id => Err(text(NO_STRATEGY)),
                Some(_) if !is_obeyed => Err(text(EXACT_LIMIT)),
                _ => Ok(()),
            };
        };
        if is_obeyed {
            return Ok(());
        }
        trim.limit = match limit {
            Some(_) if !trim.approximately => return Err(text(EXACT_LIMIT)),
            Some(limit) => limit,
            None if trim.approximately => match limits(cx).node_entries_max {
                0 => TRIMMED_WITHOUT_LIMIT,
                entries => entries.saturating_mul(NODES_TRIMMED).min(TRIMMED_MAX),
            },
            None => 0,
        };
        Ok(())
    }
}

/// So many nodes are trimmed away at once if the request does not say how many.
const NODES_TRIMMED: u64 = 100;
const TRIMMED_WITHOUT_LIMIT: u64 = 10_000;
const TRIMMED_MAX: u64 = 1_000_000;

/// The place of the next argument.
fn at(args: &Args) -> usize {
    args.argv().len() - args.left()
}

const fn text(text: &'static str) -> CmdError {
    CmdError::text(text)
}

fn new_id(given: &[u8]) -> Result<NewId, CmdError> {
    match given.strip_suffix(b"-*") {
        Some(ms) if !ms.contains(&b'-') => Ok(NewId::AutoSeq(exact_id(ms)?.ms)),
        _ => exact_id(given).map(NewId::Exact),
    }
}

fn limits(cx: &Cx) -> Limits {
    cx.shared.config.stream_limits()
}

pub fn xadd(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let options = Options::parse(cx, &mut args, true)?;
    let Some((new_id, id_at)) = options
        .id
        .filter(|_| args.left() >= 2 && args.left().is_multiple_of(2))
    else {
        return Err(CmdError::WrongArity("xadd".to_owned()));
    };
    if matches!(new_id, NewId::Exact(StreamId::MIN)) {
        return Err(text(NOT_ABOVE_ZERO));
    }
    let argv = args.argv();
    let mut pairs: SmallVec<[&[u8]; 16]> = SmallVec::new();
    while let Some(text) = args.next() {
        pairs.push(text);
    }
    let addition = Addition {
        new_id,
        pairs: &pairs,
        trim: options.trim.map(|(trim, _)| trim),
        now_ms: cx.now_ms(),
        limits: limits(cx),
    };
    let Some(added) = append(cx, key, &addition, options.no_mkstream)? else {
        cx.reply.null();
        return Ok(Outcome::Done);
    };
    reply_id(cx.reply, added.id);
    cx.event(STREAM, "xadd", key);
    cx.dirty(1);
    if added.trimmed > 0 {
        cx.event(STREAM, "xtrim", key);
    }
    let db = cx.session.db;
    cx.store.touch(db, key);
    let given = (!matches!(new_id, NewId::Exact(_))).then_some((added.id, id_at));
    log(cx, argv, &options, given, added.ends);
    Ok(Outcome::Done)
}

struct Added {
    id: StreamId,
    trimmed: u64,
    ends: Option<Ends>,
}

/// What is left once a stream was trimmed.
#[derive(Clone, Copy)]
struct Ends {
    len: u64,
    first_node: StreamId,
}

impl Ends {
    fn of(stream: &Stream) -> Ends {
        let first = stream.nodes().next();
        Ends {
            len: stream.len(),
            first_node: first.map_or(StreamId::MAX, |(id, _)| id),
        }
    }
}

/// What XADD is to do to a stream.
struct Addition<'a> {
    new_id: NewId,
    pairs: &'a [&'a [u8]],
    trim: Option<Trim>,
    now_ms: i64,
    limits: Limits,
}

impl Addition<'_> {
    /// The id that the entry will have, if it can be added behind `last_id`.
    fn id_behind(&self, last_id: StreamId) -> Result<StreamId, CmdError> {
        let id = next_id(last_id, self.new_id, self.now_ms)?;
        let bytes: usize = self.pairs.iter().map(|text| text.len()).sum();
        match bytes > SIZE_BYTES_MAX {
            true => Err(text(TOO_LARGE)),
            false => Ok(id),
        }
    }

    fn make(&self, stream: &mut Stream) -> Result<Added, CmdError> {
        let id = self.id_behind(stream.last_id())?;
        let added = stream.add(id, self.pairs, &self.limits);
        added.map_err(|_| text(TOO_LARGE))?;
        let trimmed = self.trim.map_or(0, |trim| stream.trim(&trim));
        Ok(Added {
            id,
            trimmed,
            ends: self.trim.map(|_| Ends::of(stream)),
        })
    }
}

/// Adds an entry and trims; `None` if there is no stream and none may be made.
fn append(
    cx: &mut Cx,
    key: Key,
    addition: &Addition,
    no_mkstream: bool,
) -> Result<Option<Added>, CmdError> {
    let db = cx.session.db;
    if let Some(mut stream) = cx.store.change::<Stream>(db, key)? {
        return addition.make(&mut stream).map(Some);
    }
    if no_mkstream {
        return Ok(None);
    }
    // No stream is made that would stay empty.
    addition.id_behind(StreamId::MIN)?;
    let mut stream = cx.store.change_or_new::<Stream>(db, key)?;
    addition.make(&mut stream).map(Some)
}

/// The id that an entry gets behind `last`.
fn next_id(last: StreamId, asked: NewId, now_ms: i64) -> Result<StreamId, CmdError> {
    if last == StreamId::MAX {
        return Err(text(EXHAUSTED));
    }
    let now_ms = now_ms.max(0) as u64;
    let id = match asked {
        NewId::Exact(id) => id,
        NewId::Auto if now_ms > last.ms => StreamId::new(now_ms, 0),
        NewId::Auto => last.next().unwrap_or(last),
        NewId::AutoSeq(ms) if ms == last.ms => {
            let seq = last.seq.checked_add(1).ok_or(text(TOO_SMALL))?;
            StreamId::new(ms, seq)
        }
        NewId::AutoSeq(ms) => StreamId::new(ms, 0),
    };
    match id > last {
        true => Ok(id),
        false => Err(text(TOO_SMALL)),
    }
}

/// Logs a request as it came out: with the id that was given, and with an exact trimming
/// where that was approximate.
fn log(
    cx: &mut Cx,
    argv: Argv,
    options: &Options,
    given: Option<(StreamId, usize)>,
    ends: Option<Ends>,
) {
    let trim = options.trim.filter(|(trim, _)| trim.approximately);
    let trim = trim.zip(ends);
    if given.is_none() && trim.is_none() || !cx.store.effects().logging {
        return;
    }
    let mut digits = digits();
    let given = given.map(|(id, id_at)| (id.text(), id_at));
    let first_node = ends.map(|ends| ends.first_node.text());
    let mut args: SmallVec<[&[u8]; 16]> = argv.iter().collect();
    if let Some((id, id_at)) = &given {
        args[*id_at] = id.bytes();
    }
    if let Some(((trim, threshold_at), ends)) = trim {
        args[threshold_at - 1] = b"=";
        args[threshold_at] = match trim.keep {
            Keep::MaxLen(_) => digits.of(ends.len),
            Keep::MinId(_) => first_node.as_ref().map_or(b"", IdText::bytes),
        };
    }
    cx.log_instead(&args);
}

pub fn xtrim(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let options = Options::parse(cx, &mut args, false)?;
    let db = cx.session.db;
    let Some(mut stream) = cx.store.change::<Stream>(db, key)? else {
        cx.reply.integer(0);
        return Ok(Outcome::Done);
    };
    let trimmed = match &options.trim {
        Some((trim, _)) => stream.trim(trim),
        None => 0,
    };
    let ends = Ends::of(&stream);
    drop(stream);
    if trimmed > 0 {
        cx.event(STREAM, "xtrim", key);
        cx.dirty(trimmed);
        cx.store.touch(db, key);
        log(cx, args.argv(), &options, None, Some(ends));
    }
    cx.reply.integer(trimmed as i64);
    Ok(Outcome::Done)
}

pub fn xdel(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let db = cx.session.db;
    if cx.store.peek_as::<Stream>(db, key)?.is_none() {
        cx.reply.integer(0);
        return Ok(Outcome::Done);
    }
    let mut ids: SmallVec<[StreamId; 8]> = SmallVec::new();
    while let Some(text) = args.next() {
        ids.push(exact_id(text)?);
    }
    let stream = cx.store.change::<Stream>(db, key)?;
    let deleted = stream.map_or(0, |mut stream| stream.delete(&ids));
    if deleted > 0 {
        cx.event(STREAM, "xdel", key);
        cx.dirty(deleted as u64);
        cx.store.touch(db, key);
    }
    cx.reply.integer(deleted as i64);
    Ok(Outcome::Done)
}

pub fn xsetid(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let last_id = take_id(&mut args);
    args.check()?;
    let (mut added, mut max_deleted) = (None, StreamId::MIN);
    while !args.is_empty() {
        let has_more = args.left() > 1;
        if has_more && args.take("ENTRIESADDED") {
            let count = args.i64();
            args.check()?;
            let count = u64::try_from(count);
            added = Some(count.map_err(|_| text("ERR entries_added must be positive"))?);
        } else if has_more && args.take("MAXDELETEDID") {
            max_deleted = take_id(&mut args);
            args.check()?;
            if last_id < max_deleted {
                return Err(text(BELOW_GIVEN_DELETED));
            }
        } else {
            return Err(CmdError::Syntax);
        }
    }
    let stream = cx.store.change::<Stream>(cx.session.db, key)?;
    let mut stream = stream.ok_or(CmdError::NoSuchKey)?;
    set_id(&mut stream, last_id, added, max_deleted)?;
    drop(stream);
    cx.reply.ok();
    cx.dirty(1);
    cx.event(STREAM, "xsetid", key);
    Ok(Outcome::Done)
}

fn set_id(
    stream: &mut Stream,
    last_id: StreamId,
    added: Option<u64>,
    max_deleted: StreamId,
) -> Result<(), CmdError> {
    if last_id < stream.max_deleted_id() {
        return Err(text(BELOW_DELETED));
    }
    if stream.last().is_some_and(|top| last_id < top.id) {
        return Err(text(BELOW_TOP));
    }
    if added.is_some_and(|added| stream.len() > added) {
        return Err(text(FEWER_THAN_THERE));
    }
    let max_deleted_id = match max_deleted {
        StreamId::MIN => stream.max_deleted_id(),
        given => given,
    };
    stream.set_numbers(Numbers {
        last_id,
        max_deleted_id,
        entries_added: added.unwrap_or(stream.entries_added()),
    });
    Ok(())
}
