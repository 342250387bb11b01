//! Setting fields, which end no more then.

use super::{change_or_new, end_due};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::TypedStore;
use crate::store::effects::event;
use crate::store::fields::Sight;
use crate::store::keyspace::Key;
use crate::types::Hash;
use crate::types::hash::{Limits, Term};
use crate::types::listpack::entry_bytes;

pub fn hset(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let new = set_pairs(cx, args, "hset")?;
    cx.reply.integer(new);
    Ok(Outcome::Done)
}

pub fn hmset(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    set_pairs(cx, args, "hmset")?;
    cx.reply.ok();
    Ok(Outcome::Done)
}

/// Sets fields and says how many of them are new.
fn set_pairs(cx: &mut Cx, mut args: Args, command: &str) -> Result<i64, CmdError> {
    let key = args.key();
    if !args.left().is_multiple_of(2) {
        return Err(CmdError::WrongArity(command.to_owned()));
    }
    let count = args.left() as u64 / 2;
    let pairs = Pairs {
        limits: cx.shared.config.hash_limits(),
        sight: cx.store.sight(),
        args,
        term: Term::Endless,
    };
    let new = pairs.set(cx, key)?;
    cx.event(event::HASH, "hset", key);
    cx.grown(key);
    cx.dirty(count);
    Ok(new)
}

/// Names and values as arguments.
pub struct Pairs<'a> {
    pub limits: Limits,
    pub sight: Sight,
    /// Nothing but these.
    pub args: Args<'a>,
    pub term: Term,
}

impl Pairs<'_> {
    /// Sets them and says how many are new.
    pub fn set(&self, cx: &mut Cx, key: Key) -> Result<i64, CmdError> {
        let db = cx.session.db;
        change_or_new(cx.store, db, key, |hash| {
            if hash.is_empty() {
                hash.expect_bytes(self.args.rest().map(entry_bytes).sum());
            }
            self.set_in(hash)
        })
    }

    /// Sets each and takes it out again: what is left is the form that the hash has had to
    /// take for it.
    pub fn pass_through(&self, hash: &mut Hash) {
        let mut args = self.args.clone();
        hash.expect_fields(args.left() / 2, &self.limits);
        hash.expect_times();
        while let Some(name) = args.next() {
            hash.set(name, args.bytes(), Term::Endless, &self.limits);
            hash.remove(name);
        }
    }

    fn set_in(&self, hash: &mut Hash) -> i64 {
        let (mut texts, mut new) = (self.args.rest(), 0);
        hash.expect_fields(texts.len() / 2, &self.limits);
        while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
            // What is over counts as gone.
            let is_due = !self.sight.sees_all(hash)
                && hash.get(name).is_some_and(|old| !self.sight.sees(&old));
            let is_new = hash.set(name, value, self.term, &self.limits);
            new += i64::from(is_new || is_due);
        }
        new
    }
}

pub fn hsetnx(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, name, value) = (args.key(), args.bytes(), args.bytes());
    let db = cx.session.db;
    end_due(cx.store, db, key, &[name])?;
    let found = cx.store.peek_as::<Hash>(db, key)?;
    if found.is_some_and(|hash| hash.get(name).is_some()) {
        cx.reply.integer(0);
        return Ok(Outcome::Done);
    }
    let limits = cx.shared.config.hash_limits();
    change_or_new(cx.store, db, key, |hash| {
        hash.set(name, value, Term::Endless, &limits);
    })?;
    cx.event(event::HASH, "hset", key);
    cx.changed(key);
    cx.dirty(1);
    cx.reply.integer(1);
    Ok(Outcome::Done)
}
