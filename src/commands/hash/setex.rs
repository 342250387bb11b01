//! HSETEX: fields with the moment at which they end.

use super::options::Form;
use super::set::Pairs;
use super::{change_or_new, end_due};
use crate::base::number::{digits, parse_i64};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::expiry::is_over;
use crate::commands::typed::TypedStore;
use crate::store::effects::event;
use crate::store::keyspace::Key;
use crate::types::Hash;
use crate::types::hash::Term;

const COMMAND: &str = "hsetex";

/// When anything is set at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wanted {
    #[default]
    Anything,
    /// FNX, and NX of the key.
    Nothing,
    /// FXX, and XX of the key.
    Everything,
}

struct Options<'a> {
    fields: Wanted,
    key: Wanted,
    term: Term,
    pairs: Args<'a>,
}

impl<'a> Options<'a> {
    fn parse(cx: &Cx, mut args: Args<'a>) -> Result<Options<'a>, CmdError> {
        let wrong_arity = || CmdError::WrongArity(COMMAND.to_owned());
        let (mut fields, mut key, mut term) = (Wanted::Anything, Wanted::Anything, None);
        loop {
            let option = args.next().ok_or_else(wrong_arity)?;
            let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
            if is("fnx") || is("fxx") {
                if fields != Wanted::Anything {
                    return Err(CmdError::text(
                        "ERR Only one of FXX or FNX arguments can be specified",
                    ));
                }
                fields = if is("fnx") {
                    Wanted::Nothing
                } else {
                    Wanted::Everything
                };
            } else if is("nx") || is("xx") {
                if key != Wanted::Anything {
                    return Err(CmdError::Syntax);
                }
                key = if is("nx") {
                    Wanted::Nothing
                } else {
                    Wanted::Everything
                };
            } else if is("keepttl") || Form::named(option).is_some() {
                if term.is_some() {
                    return Err(CmdError::text(
                        "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
                    ));
                }
                term = Some(match Form::named(option) {
                    None => Term::Keep,
                    Some(form) => {
                        let time = args.next().ok_or_else(wrong_arity)?;
                        Term::Until(form.moment(cx, time, COMMAND)?)
                    }
                });
            } else if is("fields") {
                let count = parse_i64(args.next().ok_or_else(wrong_arity)?);
                let count = count.filter(|count| (1..=i64::from(i32::MAX)).contains(count));
                let count = count.ok_or(CmdError::text("ERR invalid number of fields"))?;
                if args.left() as i64 != 2 * count {
                    return Err(wrong_arity());
                }
                return Ok(Options {
                    fields,
                    key,
                    term: term.unwrap_or(Term::Endless),
                    pairs: args,
                });
            } else {
                return Err(CmdError::quoting("ERR unknown argument: {}", &[option]));
            }
        }
    }

    fn names(&self) -> Vec<&'a [u8]> {
        self.pairs.rest().step_by(2).collect()
    }

    /// Whether what is wanted of the key and its fields is so. What is due is not there.
    fn hold(&self, cx: &mut Cx, key: Key) -> Result<bool, CmdError> {
        let db = cx.session.db;
        let found = cx.store.peek_as::<Hash>(db, key)?;
        let key_holds = match self.key {
            Wanted::Anything => true,
            Wanted::Nothing => found.is_none(),
            Wanted::Everything => found.is_some(),
        };
        let mut names = self.pairs.rest().step_by(2);
        let is_there = |name: &[u8]| found.is_some_and(|hash| hash.get(name).is_some());
        Ok(key_holds
            && match self.fields {
                Wanted::Anything => true,
                Wanted::Nothing => !names.any(is_there),
                Wanted::Everything => names.all(is_there),
            })
    }
}

pub fn hsetex(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (db, key) = (cx.session.db, args.key());
    let options = Options::parse(cx, args)?;
    let names = options.names();
    end_due(cx.store, db, key, &names)?;
    if !options.hold(cx, key)? {
        cx.reply.integer(0);
        return Ok(Outcome::Done);
    }
    let pairs = Pairs {
        limits: cx.shared.config.hash_limits(),
        sight: cx.store.sight(),
        args: options.pairs.clone(),
        term: options.term,
    };
    match options.term {
        Term::Until(at_ms) if is_over(cx, at_ms) => set_and_take_out(cx, key, &pairs, &names)?,
        _ => {
            pairs.set(cx, key)?;
            cx.event(event::HASH, "hset", key);
            log_set(cx, key, &options.pairs);
        }
    }
    match options.term {
        Term::Until(at_ms) if !is_over(cx, at_ms) => {
            cx.event(event::HASH, "hexpire", key);
            log_time(cx, key, at_ms, &names);
        }
        Term::Keep => log_kept_times(cx, key, &names)?,
        Term::Until(_) | Term::Endless => {}
    }
    cx.changed(key);
    cx.dirty(names.len() as u64);
    cx.reply.integer(1);
    Ok(Outcome::Done)
}

/// Fields whose moment is over already go as soon as they are set.
fn set_and_take_out(cx: &mut Cx, key: Key, pairs: &Pairs, names: &[&[u8]]) -> Result<(), CmdError> {
    change_or_new(cx.store, cx.session.db, key, |hash| {
        pairs.pass_through(hash)
    })?;
    cx.event(event::HASH, "hset", key);
    cx.event(event::HASH, "hdel", key);
    for name in names {
        cx.log_instead(&[b"HDEL", key.bytes, name]);
    }
    Ok(())
}

/// HSET, as which it is known everywhere.
fn log_set(cx: &mut Cx, key: Key, pairs: &Args) {
    let head: [&[u8]; 2] = [b"HSET", key.bytes];
    let record: Vec<&[u8]> = head.into_iter().chain(pairs.rest()).collect();
    cx.log_instead(&record);
}

fn log_time(cx: &mut Cx, key: Key, at_ms: i64, names: &[&[u8]]) {
    let (mut time, mut count) = (digits(), digits());
    let head: [&[u8]; 5] = [
        b"HPEXPIREAT",
        key.bytes,
        time.of(at_ms),
        b"FIELDS",
        count.of(names.len()),
    ];
    let record: Vec<&[u8]> = head.into_iter().chain(names.iter().copied()).collect();
    cx.log_instead(&record);
}

/// What HSET has taken away: the times that fields have kept.
fn log_kept_times(cx: &mut Cx, key: Key, names: &[&[u8]]) -> Result<(), CmdError> {
    let Some(hash) = cx.store.peek_as::<Hash>(cx.session.db, key)? else {
        return Ok(());
    };
    let time = |name: &[u8]| hash.get(name)?.expire_at_ms;
    let times = names.iter().map(|name| (time(name), *name));
    let mut times: Vec<(i64, &[u8])> = times
        .filter_map(|(at_ms, name)| Some((at_ms?, name)))
        .collect();
    times.sort_unstable();
    times.dedup();
    for same in times.chunk_by(|a, b| a.0 == b.0) {
        let names: Vec<&[u8]> = same.iter().map(|(_, name)| *name).collect();
        log_time(cx, key, same[0].0, &names);
    }
    Ok(())
}
