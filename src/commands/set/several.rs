//! What several sets have in common, together, or not: SINTER, SUNION, SDIFF, their STORE
//! forms, and SINTERCARD.
//!
//! A key without a value is an empty set everywhere.

use std::cmp::Reverse;

use super::members::reply_all;
use crate::base::number::Digits;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::TypedStore;
use crate::store::effects::event::{GENERIC, SET};
use crate::store::keyspace::Key;
use crate::types::listpack::{Item, ListPack};
use crate::types::set::{Limits, Needle};
use crate::types::{Set, Value};

type Sets<'a> = [Option<&'a Set>];

pub fn inter(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let sets = cx.store.read_all::<Set>(cx.session.db, &keys_of(args))?;
    let reply = &mut *cx.reply;
    let (all, mut digits, mut count) = (reply.set_deferred(), Digits::new(), 0);
    for_common(&sets, |item| {
        reply.bulk(item.text(&mut digits));
        count += 1;
        true
    });
    reply.finish_set(all, count);
    Ok(Outcome::Done)
}

pub fn inter_count(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    const COUNT: CmdError = CmdError::text("ERR numkeys should be greater than 0");
    const LIMIT: CmdError = CmdError::text("ERR LIMIT can't be negative");
    let count = args.i64_or(COUNT);
    args.check()?;
    let count = usize::try_from(count).ok().filter(|count| *count > 0);
    let count = count.ok_or(COUNT)?;
    if count > args.left() {
        let text = "ERR Number of keys can't be greater than number of args";
        return Err(CmdError::text(text));
    }
    let keys: Vec<Key> = (0..count).map(|_| args.key()).collect();
    let mut limit = 0;
    while !args.is_empty() {
        if args.left() < 2 || !args.take("limit") {
            return Err(CmdError::Syntax);
        }
        let given = args.i64_or(LIMIT);
        args.check()?;
        limit = usize::try_from(given).map_err(|_| LIMIT)?;
    }
    let sets = cx.store.read_all::<Set>(cx.session.db, &keys)?;
    let mut count = 0;
    for_common(&sets, |_| {
        count += 1;
        count != limit
    });
    cx.reply.integer(count as i64);
    Ok(Outcome::Done)
}

pub fn inter_store(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    store(cx, args, "sinterstore", |sets, limits| {
        let smallest = sets.iter().flatten().min_by_key(|set| set.len());
        let mut result = match smallest {
            Some(Set::Ints(_)) => Set::new(),
            _ => Set::Pack(ListPack::new()),
        };
        let mut digits = Digits::new();
        for_common(sets, |item| {
            result.insert(item.text(&mut digits), limits);
            true
        });
        result.compact(limits);
        result
    })
}

pub fn union(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    reply(cx, args, union_of)
}

pub fn union_store(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    store(cx, args, "sunionstore", |sets, limits| {
        union_of(sets, Set::new(), limits)
    })
}

pub fn diff(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    reply(cx, args, diff_of)
}

pub fn diff_store(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    store(cx, args, "sdiffstore", |sets, limits| {
        diff_of(sets, Set::new(), limits)
    })
}

fn keys_of<'a>(mut args: Args<'a>) -> Vec<Key<'a>> {
    (0..args.left()).map(|_| args.key()).collect()
}

/// Replies with what `make` makes of the sets, beginning with an empty one: of integers as
/// long as all are, so that the reply is in their order.
fn reply(
    cx: &mut Cx,
    args: Args,
    make: fn(&Sets, Set, &Limits) -> Set,
) -> Result<Outcome, CmdError> {
    let limits = cx.shared.config.set_limits();
    let sets = cx.store.read_all::<Set>(cx.session.db, &keys_of(args))?;
    let is_ints = |set: &&Set| matches!(set, Set::Ints(_));
    let mut result = Set::new();
    if !sets.iter().flatten().all(is_ints) {
        result.make_table();
    }
    let result = make(&sets, result, &limits);
    reply_all(cx.reply, &result);
    Ok(Outcome::Done)
}

/// Puts what `make` makes of the sets in the place of the first key; nothing if that is empty.
fn store(
    cx: &mut Cx,
    mut args: Args,
    event: &'static str,
    make: impl FnOnce(&Sets, &Limits) -> Set,
) -> Result<Outcome, CmdError> {
    let db = cx.session.db;
    let to = args.key();
    let limits = cx.shared.config.set_limits();
    let sets = cx.store.read_all::<Set>(db, &keys_of(args))?;
    let result = make(&sets, &limits);
    let len = result.len();
    if len > 0 {
        cx.put_value(to, Value::Set(result), None);
        cx.event(SET, event, to);
        cx.dirty(1);
    } else if let Some(entry) = cx.store.remove(db, to) {
        cx.store.effects().discard(entry);
        cx.event(GENERIC, "del", to);
        cx.dirty(1);
    }
    cx.reply.integer(len as i64);
    Ok(Outcome::Done)
}

/// Visits the members that all sets have, until `visit` is false.
fn for_common(sets: &Sets, mut visit: impl FnMut(Item) -> bool) {
    let Some(mut sets) = sets.iter().copied().collect::<Option<Vec<&Set>>>() else {
        return;
    };
    sets.sort_by_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else {
        return;
    };
    let others: Vec<&Set> = others
        .iter()
        .copied()
        .filter(|set| !std::ptr::eq(*set, *smallest))
        .collect();
    let mut digits = Digits::new();
    for item in smallest.iter() {
        let needle = Needle::new(item, &mut digits);
        if others.iter().all(|set| set.has(&needle)) && !visit(item) {
            return;
        }
    }
}

fn union_of(sets: &Sets, mut result: Set, limits: &Limits) -> Set {
    let mut digits = Digits::new();
    for set in sets.iter().flatten() {
        for item in set.iter() {
            result.insert(item.text(&mut digits), limits);
        }
    }
    result
}

/// The first set's members that no other has. Either they are looked for in the others, or
/// the others' members are taken out of a copy, whichever is less work (by Redis's estimate:
/// it shows in the form of the result).
fn diff_of(sets: &Sets, mut result: Set, limits: &Limits) -> Set {
    let Some((Some(first), others)) = sets.split_first() else {
        return result;
    };
    let mut others: Vec<&Set> = others.iter().copied().flatten().collect();
    if others.iter().any(|set| std::ptr::eq(*set, *first)) {
        return result;
    }
    let all = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    let mut digits = Digits::new();
    if first.len() * (1 + others.len()) / 2 <= all {
        // The largest is the likeliest to have a member.
        others.sort_by_key(|set| Reverse(set.len()));
        for item in first.iter() {
            let needle = Needle::new(item, &mut digits);
            if !others.iter().any(|set| set.has(&needle)) {
                result.insert(needle.text(), limits);
            }
        }
        return result;
    }
    let mut result = union_of(&[Some(first)], result, limits);
    for set in others {
        for item in set.iter() {
            result.remove(item.text(&mut digits));
        }
        if result.is_empty() {
            break;
        }
    }
    result
}
