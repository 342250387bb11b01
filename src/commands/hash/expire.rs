//! When fields end: HEXPIRE and its variants, HTTL and its variants, HPERSIST.
//!
//! As with keys the moment is logged, never a span, and fields whose moment is over already
//! are taken out and logged as such.

use super::options::{Form, NOT_POSITIVE, take_fields};
use super::{change, end_due};
use crate::base::number::digits;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::expiry::is_over;
use crate::commands::typed::TypedStore;
use crate::store::effects::event;
use crate::store::keyspace::Key;
use crate::types::Hash;

/// What HEXPIRE and HPERSIST say of each field.
mod answer {
    pub const NO_FIELD: i64 = -2;
    /// HPERSIST
    pub const ENDLESS: i64 = -1;
    pub const CONDITION_FAILED: i64 = 0;
    pub const DONE: i64 = 1;
    /// The moment is over.
    pub const TAKEN_OUT: i64 = 2;
}

pub fn hexpire(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let form = Form {
        is_seconds: true,
        is_absolute: false,
    };
    set(cx, args, form, "hexpire")
}

pub fn hpexpire(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let form = Form {
        is_seconds: false,
        is_absolute: false,
    };
    set(cx, args, form, "hpexpire")
}

pub fn hexpireat(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let form = Form {
        is_seconds: true,
        is_absolute: true,
    };
    set(cx, args, form, "hexpireat")
}

pub fn hpexpireat(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let form = Form {
        is_seconds: false,
        is_absolute: true,
    };
    set(cx, args, form, "hpexpireat")
}

/// Under which conditions a time is set. Redis takes one; Valkey takes XX with GT or LT too.
#[derive(Clone, Copy, Debug, Default)]
struct Conditions {
    /// NX: only where there was none.
    is_new: bool,
    /// XX: only where there was one.
    exists: bool,
    /// GT: only later; none counts as never.
    is_later: bool,
    /// LT: only earlier.
    is_earlier: bool,
}

impl Conditions {
    /// Stops in front of what contradicts, as in front of anything else.
    fn take(args: &mut Args) -> Conditions {
        let mut taken = Conditions::default();
        let none = |taken: &Conditions| !(taken.is_new || taken.is_later || taken.is_earlier);
        loop {
            if none(&taken) && !taken.exists && args.take("nx") {
                taken.is_new = true;
            } else if !taken.is_new && !taken.exists && args.take("xx") {
                taken.exists = true;
            } else if none(&taken) && args.take("gt") {
                taken.is_later = true;
            } else if none(&taken) && args.take("lt") {
                taken.is_earlier = true;
            } else {
                return taken;
            }
        }
    }

    fn allow(self, old_ms: Option<i64>, new_ms: i64) -> bool {
        let is_refused = (self.is_new && old_ms.is_some())
            || (self.exists && old_ms.is_none())
            || (self.is_later && old_ms.is_none_or(|old_ms| new_ms <= old_ms))
            || (self.is_earlier && old_ms.is_some_and(|old_ms| new_ms >= old_ms));
        !is_refused
    }

    fn words<'a>(self) -> impl Iterator<Item = &'a [u8]> {
        let words: [(bool, &[u8]); 4] = [
            (self.is_new, b"NX"),
            (self.exists, b"XX"),
            (self.is_later, b"GT"),
            (self.is_earlier, b"LT"),
        ];
        words.into_iter().filter(|word| word.0).map(|word| word.1)
    }
}

fn set(cx: &mut Cx, mut args: Args, form: Form, command: &str) -> Result<Outcome, CmdError> {
    let (db, key) = (cx.session.db, args.key());
    // A wrong type is said before what is wrong with the arguments.
    cx.store.peek_as::<Hash>(db, key)?;
    let at_ms = form.moment(cx, args.bytes(), command)?;
    let conditions = Conditions::take(&mut args);
    if args.left() < 2 {
        return Err(CmdError::WrongArity(command.to_owned()));
    }
    let count = take_fields(
        &mut args,
        "ERR Parameter `numFields` should be greater than 0",
    )?;
    let names: Vec<&[u8]> = args.rest().collect();
    end_due(cx.store, db, key, &names)?;
    let until = Until::of(cx, at_ms);
    cx.reply.array(count);
    let mut done = Vec::new();
    let found = change(cx.store, db, key, |hash| {
        hash.expect_times();
        for name in &names {
            let old = hash.get(name);
            let allowed = old.map(|old| conditions.allow(old.expire_at_ms, at_ms));
            cx.reply.integer(match (allowed, until) {
                (None, _) => answer::NO_FIELD,
                (Some(false), _) => answer::CONDITION_FAILED,
                (Some(true), Until::Over) => answer::TAKEN_OUT,
                (Some(true), _) => answer::DONE,
            });
            if allowed == Some(true) {
                until.apply(hash, name);
                done.push(*name);
            }
        }
    })?;
    if found.is_none() {
        (0..count).for_each(|_| cx.reply.integer(answer::NO_FIELD));
    }
    finish(cx, key, until, conditions, &done);
    Ok(Outcome::Done)
}

pub fn hpersist(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (db, key) = (cx.session.db, args.key());
    cx.store.peek_as::<Hash>(db, key)?;
    let count = take_fields(&mut args, NOT_POSITIVE)?;
    let names: Vec<&[u8]> = args.rest().collect();
    end_due(cx.store, db, key, &names)?;
    cx.reply.array(count);
    let mut done = Vec::new();
    let found = change(cx.store, db, key, |hash| {
        for name in &names {
            let old = hash.get(name).map(|old| old.expire_at_ms);
            cx.reply.integer(match old {
                None => answer::NO_FIELD,
                Some(None) => answer::ENDLESS,
                Some(Some(_)) => answer::DONE,
            });
            if old.flatten().is_some() {
                Until::Never.apply(hash, name);
                done.push(*name);
            }
        }
    })?;
    if found.is_none() {
        (0..count).for_each(|_| cx.reply.integer(answer::NO_FIELD));
    }
    finish(cx, key, Until::Never, Conditions::default(), &done);
    Ok(Outcome::Done)
}

/// How long a field is to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    Never,
    /// Unix milliseconds.
    Moment(i64),
    /// The moment is over: the field need not be kept.
    Over,
}

impl Until {
    pub fn of(cx: &Cx, at_ms: i64) -> Until {
        match is_over(cx, at_ms) {
            true => Until::Over,
            false => Until::Moment(at_ms),
        }
    }

    pub fn apply(self, hash: &mut Hash, name: &[u8]) {
        match self {
            Until::Never => hash.set_time(name, None),
            Until::Moment(at_ms) => hash.set_time(name, Some(at_ms)),
            Until::Over => hash.remove(name),
        };
    }
}

/// Announces and logs that these fields were given another time.
pub fn finish_unconditional(cx: &mut Cx, key: Key, until: Until, names: &[&[u8]]) {
    finish(cx, key, until, Conditions::default(), names);
}

fn finish(cx: &mut Cx, key: Key, until: Until, conditions: Conditions, names: &[&[u8]]) {
    if names.is_empty() {
        return;
    }
    let (mut time, mut count) = (digits(), digits());
    let fields: [&[u8]; 2] = [b"FIELDS", count.of(names.len())];
    let fields = fields.into_iter().chain(names.iter().copied());
    let name = match until {
        Until::Over => {
            for name in names {
                cx.log_instead(&[b"HDEL", key.bytes, name]);
            }
            "hdel"
        }
        Until::Moment(at_ms) => {
            let head: [&[u8]; 3] = [b"HPEXPIREAT", key.bytes, time.of(at_ms)];
            let head = head.into_iter().chain(conditions.words());
            let record: Vec<&[u8]> = head.chain(fields).collect();
            cx.log_instead(&record);
            "hexpire"
        }
        Until::Never => {
            let head: [&[u8]; 2] = [b"HPERSIST", key.bytes];
            let record: Vec<&[u8]> = head.into_iter().chain(fields).collect();
            cx.log_instead(&record);
            "hpersist"
        }
    };
    cx.event(event::HASH, name, key);
    cx.changed(key);
    cx.dirty(names.len() as u64);
}

pub fn httl(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let now_ms = cx.now_ms();
    ask(cx, args, |at_ms| {
        in_seconds(at_ms.saturating_sub(now_ms).max(0))
    })
}

pub fn hpttl(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let now_ms = cx.now_ms();
    ask(cx, args, |at_ms| at_ms.saturating_sub(now_ms).max(0))
}

pub fn hexpiretime(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    ask(cx, args, in_seconds)
}

pub fn hpexpiretime(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    ask(cx, args, |at_ms| at_ms)
}

/// Rounded up, unlike the time of a key.
fn in_seconds(ms: i64) -> i64 {
    ms.saturating_add(999) / 1000
}

/// -2 for a field that there is not, -1 for one that does not end.
fn ask(cx: &mut Cx, mut args: Args, what: impl Fn(i64) -> i64) -> Result<Outcome, CmdError> {
    let key = args.key();
    let sight = cx.store.sight();
    let hash = cx.store.read_as::<Hash>(cx.session.db, key)?;
    let count = take_fields(&mut args, NOT_POSITIVE)?;
    cx.reply.array(count);
    for name in args.rest() {
        let field = hash.and_then(|hash| hash.get(name));
        let seen = field.filter(|field| sight.sees(field));
        cx.reply
            .integer(match seen.map(|field| field.expire_at_ms) {
                None => -2,
                Some(None) => -1,
                Some(Some(at_ms)) => what(at_ms),
            });
    }
    Ok(Outcome::Done)
}
