//! Members drawn at random: SPOP, SRANDMEMBER.

use super::members::reply_all;
use crate::base::number::Digits;
use crate::base::rng::Rng;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::TypedStore;
use crate::config::Param;
use crate::store::effects::event::{GENERIC, SET};
use crate::store::entry::Entry;
use crate::store::keyspace::Key;
use crate::types::listpack::{Item, ListPack};
use crate::types::set::Limits;
use crate::types::{Set, Value};

/// Members that one logged SREM has at most.
const LOGGED_MEMBERS_MAX: usize = 1024;
/// Where so many times what is left is no more than what is popped, the rest moves to a new
/// set, which may be in a smaller form.
const FEW_LEFT: usize = 5;

pub fn pop(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    const COUNT: CmdError = CmdError::text("ERR value is out of range, must be positive");
    let key = args.key();
    if args.is_empty() {
        return pop_one(cx, key);
    }
    if args.left() > 1 {
        return Err(CmdError::Syntax);
    }
    let given = args.i64_or(COUNT);
    args.finish()?;
    let count = usize::try_from(given).map_err(|_| COUNT)?;
    let set = cx.store.peek_as::<Set>(cx.session.db, key)?;
    let len = set.map_or(0, Set::len);
    if count == 0 || len == 0 {
        cx.reply.set(0);
    } else if count >= len {
        pop_all(cx, key)?;
    } else {
        pop_many(cx, key, count)?;
    }
    Ok(Outcome::Done)
}

fn pop_one(cx: &mut Cx, key: Key) -> Result<Outcome, CmdError> {
    let mut rng = Rng::from_entropy();
    let popped = match cx.store.change::<Set>(cx.session.db, key)? {
        Some(mut set) => pop_from(&mut set, &mut rng),
        None => None,
    };
    let Some(member) = popped else {
        cx.reply.null();
        return Ok(Outcome::Done);
    };
    cx.dirty(1);
    cx.log_instead(&[b"SREM", key.bytes, &member]);
    cx.reply.bulk(&member);
    cx.event(SET, "spop", key);
    cx.changed(key);
    Ok(Outcome::Done)
}

fn pop_from(set: &mut Set, rng: &mut Rng) -> Option<Vec<u8>> {
    let member = set.random(rng)?.to_vec();
    set.remove(&member);
    Some(member)
}

/// The whole set, with its key.
fn pop_all(cx: &mut Cx, key: Key) -> Result<(), CmdError> {
    let db = cx.session.db;
    if let Some(set) = cx.store.peek_as::<Set>(db, key)? {
        let len = set.len() as u64;
        reply_all(cx.reply, set);
        cx.dirty(len);
    }
    cx.event(SET, "spop", key);
    if let Some(entry) = cx.store.remove(db, key) {
        cx.store.effects().discard(entry);
    }
    cx.event(GENERIC, "del", key);
    cx.log_deletion(key.bytes, Param::LazyfreeLazyServerDel);
    Ok(())
}

/// Fewer members than there are.
fn pop_many(cx: &mut Cx, key: Key, count: usize) -> Result<(), CmdError> {
    let limits = cx.shared.config.set_limits();
    let mut rng = Rng::from_entropy();
    let (mut popped, mut old) = (Vec::with_capacity(count), None);
    if let Some(mut set) = cx.store.change::<Set>(cx.session.db, key)? {
        let left = set.len() - count;
        if let Set::Table(_) = &*set
            && left * FEW_LEFT <= count
        {
            let stay = stay_of(&set, left, &mut rng, &limits);
            let goes = set.iter().map(Item::to_vec);
            popped.extend(goes.filter(|member| !stay.contains(member)));
            old = Some(std::mem::replace(&mut *set, stay));
        } else if let Set::Table(_) = &*set {
            let pops = std::iter::from_fn(|| pop_from(&mut set, &mut rng));
            popped.extend(pops.take(count));
        } else {
            set.sample(count, &mut rng, &mut |item| popped.push(item.to_vec()));
            popped.iter().for_each(|member| _ = set.remove(member));
        }
    }
    if let Some(old) = old {
        let entry = Entry::with_value(b"", Value::Set(old), None);
        cx.store.effects().discard(entry);
    }
    cx.dirty(popped.len() as u64);
    cx.reply.set(popped.len());
    popped.iter().for_each(|member| cx.reply.bulk(member));
    for members in popped.chunks(LOGGED_MEMBERS_MAX) {
        let mut record: Vec<&[u8]> = vec![b"SREM", key.bytes];
        record.extend(members.iter().map(|member| &member[..]));
        cx.log_instead(&record);
    }
    cx.event(SET, "spop", key);
    cx.changed(key);
    Ok(())
}

/// A new set of the members that stay, so many.
fn stay_of(set: &Set, left: usize, rng: &mut Rng, limits: &Limits) -> Set {
    let (mut stay, mut digits) = (Set::Pack(ListPack::new()), Digits::new());
    set.sample(left, rng, &mut |item| {
        stay.insert(item.text(&mut digits), limits);
    });
    stay
}

pub fn random(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let mut rng = Rng::from_entropy();
    let mut digits = Digits::new();
    if args.is_empty() {
        let set = cx.store.read_as::<Set>(cx.session.db, key)?;
        match set.and_then(|set| set.random(&mut rng)) {
            Some(item) => cx.reply.bulk(item.text(&mut digits)),
            None => cx.reply.null(),
        }
        return Ok(Outcome::Done);
    }
    if args.left() > 1 {
        return Err(CmdError::Syntax);
    }
    let count = args.i64();
    if count == i64::MIN {
        // Its size is no number.
        let text = "ERR value is out of range, value must between \
                    -9223372036854775807 and 9223372036854775807";
        args.fail(CmdError::text(text));
    }
    args.finish()?;
    let set = cx.store.read_as::<Set>(cx.session.db, key)?;
    let Some(set) = set.filter(|_| count != 0) else {
        cx.reply.array(0);
        return Ok(Outcome::Done);
    };
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count < 0 {
        cx.reply.array(wanted);
        for _ in 0..wanted {
            if cx.reply.is_too_much() {
                break;
            }
            let item = set.random(&mut rng).unwrap_or(Item::Text(b""));
            cx.reply.bulk(item.text(&mut digits));
        }
    } else {
        cx.reply.array(wanted.min(set.len()));
        set.sample(wanted, &mut rng, &mut |item| {
            cx.reply.bulk(item.text(&mut digits))
        });
    }
    Ok(Outcome::Done)
}
