//! Members of one set: SADD, SREM, SMOVE, SCARD, SISMEMBER, SMISMEMBER, SMEMBERS, SSCAN.

use crate::base::number::{Digits, digits};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::scan::{self, Of};
use crate::commands::typed::TypedStore;
use crate::resp::reply::ReplyBuf;
use crate::store::effects::event::SET;
use crate::store::keyspace::Key;
use crate::types::listpack::{Item, entry_bytes};
use crate::types::{Set, Typed};

pub fn add(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let added = insert(cx, key, args)?;
    if added > 0 {
        cx.dirty(added);
        cx.event(SET, "sadd", key);
        cx.grown(key);
    }
    cx.reply.integer(added as i64);
    Ok(Outcome::Done)
}

/// How many of the members are new.
fn insert(cx: &mut Cx, key: Key, mut members: Args) -> Result<u64, CmdError> {
    let limits = cx.shared.config.set_limits();
    let mut set = cx.store.change_or_new::<Set>(cx.session.db, key)?;
    if set.is_empty() {
        *set = Set::begun_with(members.peek().unwrap_or_default(), members.left(), &limits);
        if members.left() > 1 {
            // A member that does not fit in there has the set become a table.
            let fits = |member: &&[u8]| member.len() <= limits.listpack_value_bytes;
            let fitting = members.rest().take_while(fits);
            set.expect_bytes(fitting.map(entry_bytes).sum());
        }
    } else {
        set.expect(members.left(), &limits);
    }
    let mut added = 0;
    while let Some(member) = members.next() {
        added += u64::from(set.insert(member, &limits));
    }
    Ok(added)
}

pub fn remove(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let mut removed = 0;
    if let Some(mut set) = cx.store.change::<Set>(cx.session.db, key)? {
        while let Some(member) = args.next() {
            removed += u64::from(set.remove(member));
        }
    }
    if removed > 0 {
        cx.dirty(removed);
        cx.event(SET, "srem", key);
        cx.changed(key);
    }
    cx.reply.integer(removed as i64);
    Ok(Outcome::Done)
}

pub fn move_member(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (from, to, member) = (args.key(), args.key(), args.bytes());
    let moved = take(cx, from, to, member)?;
    if moved && from.bytes != to.bytes {
        cx.dirty(1);
        cx.event(SET, "srem", from);
        cx.changed(from);
        if put(cx, to, member)? {
            cx.dirty(1);
            cx.event(SET, "sadd", to);
            cx.changed(to);
        }
    }
    cx.reply.integer(moved.into());
    Ok(Outcome::Done)
}

/// Takes a member out of where it moves from, unless it stays there. Both keys are looked at
/// before anything changes.
fn take(cx: &mut Cx, from: Key, to: Key, member: &[u8]) -> Result<bool, CmdError> {
    let db = cx.session.db;
    if !cx.store.exists(db, from) {
        return Ok(false);
    }
    for key in [from, to] {
        let kind = cx.store.peek(db, key).map(|entry| entry.kind());
        if kind.is_some_and(|kind| kind != Set::KIND) {
            return Err(CmdError::WrongType);
        }
    }
    if from.bytes == to.bytes {
        let set = cx.store.peek_as::<Set>(db, from)?;
        return Ok(set.is_some_and(|set| set.contains(member)));
    }
    match cx.store.change::<Set>(db, from)? {
        Some(mut set) => Ok(set.remove(member)),
        None => Ok(false),
    }
}

/// Whether the member is new there.
fn put(cx: &mut Cx, to: Key, member: &[u8]) -> Result<bool, CmdError> {
    let limits = cx.shared.config.set_limits();
    let mut set = cx.store.change_or_new::<Set>(cx.session.db, to)?;
    if set.is_empty() {
        *set = Set::begun_with(member, 1, &limits);
    }
    Ok(set.insert(member, &limits))
}

pub fn count(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let set = cx.store.read_as::<Set>(cx.session.db, args.key())?;
    cx.reply.integer(set.map_or(0, Set::len) as i64);
    Ok(Outcome::Done)
}

pub fn is_member(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let set = cx.store.read_as::<Set>(cx.session.db, args.key())?;
    let member = args.bytes();
    let is = set.is_some_and(|set| set.contains(member));
    cx.reply.integer(is.into());
    Ok(Outcome::Done)
}

pub fn are_members(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let set = cx.store.read_as::<Set>(cx.session.db, args.key())?;
    cx.reply.array(args.left());
    while let Some(member) = args.next() {
        let is = set.is_some_and(|set| set.contains(member));
        cx.reply.integer(is.into());
    }
    Ok(Outcome::Done)
}

pub fn all(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    match cx.store.read_as::<Set>(cx.session.db, args.key())? {
        None => cx.reply.set(0),
        Some(set) => reply_all(cx.reply, set),
    }
    Ok(Outcome::Done)
}

/// Every member of a set.
pub(super) fn reply_all(reply: &mut ReplyBuf, set: &Set) {
    reply.set(set.len());
    let mut digits = Digits::new();
    set.iter()
        .for_each(|item| reply.bulk(item.text(&mut digits)));
}

pub fn scan(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let cursor = scan::cursor(args.bytes())?;
    cx.reply.array(2);
    let Some(set) = cx.store.read_as::<Set>(cx.session.db, key)? else {
        cx.reply.bulk(b"0");
        cx.reply.array(0);
        return Ok(Outcome::Done);
    };
    let options = scan::options(args, Of::Set)?;
    let mut found = Vec::new();
    let next = set.scan(cursor, options.count, &mut |item: Item| {
        let mut digits = Digits::new();
        let text = item.text(&mut digits);
        if scan::matches(options.pattern, text) {
            found.push(text.to_vec());
        }
    });
    cx.reply.bulk(digits().of(next));
    cx.reply.array(found.len());
    found.iter().for_each(|member| cx.reply.bulk(member));
    Ok(Outcome::Done)
}
