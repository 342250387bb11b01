//! Fields as numbers. How long they live does not change.

use super::{change, change_or_new, end_due};
use crate::base::long_double::LongDouble;
use crate::base::number::{Digits, digits, parse_i64};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::store::effects::event;
use crate::store::keyspace::Key;
use crate::types::Hash;
use crate::types::hash::Term;
use crate::types::listpack::Item;

pub fn hincrby(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, name, by) = (args.key(), args.bytes(), args.bytes());
    let by = parse_i64(by).ok_or(CmdError::NotInteger)?;
    let mut total = 0;
    update(cx, key, name, |old, text| {
        let old = match old {
            None => 0,
            Some(old) => old
                .int()
                .ok_or(CmdError::text("ERR hash value is not an integer"))?,
        };
        total = old.checked_add(by).ok_or(CmdError::IncrOverflow)?;
        text.extend_from_slice(digits().of(total));
        Ok(())
    })?;
    cx.event(event::HASH, "hincrby", key);
    cx.changed(key);
    cx.dirty(1);
    cx.reply.integer(total);
    Ok(Outcome::Done)
}

/// Logged as HSET of the sum: another machine might round differently.
pub fn hincrbyfloat(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, name, by) = (args.key(), args.bytes(), args.bytes());
    let by = LongDouble::parse(by).ok_or(CmdError::NotFloat)?;
    if by.is_infinite() {
        return Err(CmdError::text("ERR value is NaN or Infinity"));
    }
    let done = update(cx, key, name, |old, text| {
        let sum = match old {
            None => by,
            Some(old) => LongDouble::parse(old.text(&mut Digits::new()))
                .ok_or(CmdError::text("ERR hash value is not a float"))?
                .add(by),
        };
        if sum.is_nan() || sum.is_infinite() {
            let error = "ERR increment would produce NaN or Infinity";
            return Err(CmdError::text(error));
        }
        sum.format(text);
        Ok(())
    })?;
    cx.event(event::HASH, "hincrbyfloat", key);
    cx.changed(key);
    cx.dirty(1);
    cx.reply.bulk(&done.text);
    cx.log_instead(&[b"HSET", key.bytes, name, &done.text]);
    if let Some(at_ms) = done.expire_at_ms {
        // HSET has taken the time away.
        let mut time = digits();
        cx.log_instead(&[
            b"HPEXPIREAT",
            key.bytes,
            time.of(at_ms),
            b"FIELDS",
            b"1",
            name,
        ]);
    }
    Ok(Outcome::Done)
}

/// What a field holds now.
struct Updated {
    text: Vec<u8>,
    expire_at_ms: Option<i64>,
}

/// Gives a field the value that `compute` makes of the old one.
fn update(
    cx: &mut Cx,
    key: Key,
    name: &[u8],
    mut compute: impl FnMut(Option<Item>, &mut Vec<u8>) -> Result<(), CmdError>,
) -> Result<Updated, CmdError> {
    let db = cx.session.db;
    end_due(cx.store, db, key, &[name])?;
    let limits = cx.shared.config.hash_limits();
    let mut text = Vec::new();
    let mut set = |hash: &mut Hash| -> Result<Option<i64>, CmdError> {
        let old = hash.get(name);
        let expire_at_ms = old.and_then(|old| old.expire_at_ms);
        compute(old.map(|old| old.value), &mut text)?;
        hash.set(name, &text, Term::Keep, &limits);
        Ok(expire_at_ms)
    };
    if let Some(updated) = change(cx.store, db, key, &mut set)? {
        let expire_at_ms = updated?;
        return Ok(Updated { text, expire_at_ms });
    }
    // What cannot be computed must leave no empty hash behind.
    let mut first = Hash::new();
    set(&mut first)?;
    change_or_new(cx.store, db, key, |hash| *hash = first)?;
    Ok(Updated {
        text,
        expire_at_ms: None,
    })
}
