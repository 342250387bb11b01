//! SORT: the elements of a list, set or sorted set in order, or what other keys say of them.
//!
//! What is sorted is copied first, then looked up: `BY` and `GET` may name any key, so with a
//! pattern in one of them the whole keyspace is locked.
//!
//! `STORE` is logged as its request, which gives the same list wherever it runs, unless
//! elements were left in no certain order (with one weight, or none, under `ALPHA`): how they
//! come then depends on who sorts, so the list itself is logged.

/// Quicksort of a part.
mod partial;

/// Elements in order.
mod order;

/// The options of one call, its keys and locks.
mod request;

/// What patterns stand for.
mod pattern;

use std::ops::Range;

use self::order::{Elements, Order};
use self::request::Request;
use super::args::Args;
use super::cx::{Cx, Outcome};
use super::error::CmdError;
use super::spec::flag::{DENYOOM, MOVABLE_KEYS, READONLY, WRITE};
use super::spec::{Begin, Find, KeySpec, Locks, Spec, access, category};
use crate::store::effects::event::{GENERIC, LIST};
use crate::store::keyspace::Key;
use crate::types::list::End;
use crate::types::listpack::Item;
use crate::types::{List, Typed, ValueRef};

const CATEGORIES: u32 = category::SET | category::SORTEDSET | category::LIST | category::DANGEROUS;

/// Keys that only the call itself tells.
const fn unknown(access: u16) -> KeySpec {
    KeySpec {
        access,
        begin: Begin::Unknown,
        find: Find::Unknown,
    }
}

const SORTED: KeySpec = KeySpec::at(1, access::RO | access::ACCESS);
const LOOKED_UP: KeySpec = unknown(access::RO | access::ACCESS);
const STORED: KeySpec = unknown(access::OW | access::UPDATE);
const LOCKS: Locks = Locks::EverythingIf(request::needs_everything);

pub const COMMANDS: &[Spec] = &[
    Spec::new("sort", -2, WRITE | DENYOOM | MOVABLE_KEYS, CATEGORIES, sort)
        .keys(&[SORTED, LOOKED_UP, STORED])
        .keys_from(request::sort_keys)
        .locks(LOCKS),
    Spec::new("sort_ro", -2, READONLY | MOVABLE_KEYS, CATEGORIES, sort_ro)
        .keys(&[SORTED, LOOKED_UP])
        .keys_from(request::sort_ro_keys)
        .locks(LOCKS),
];

fn sort(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    run(cx, args, true)
}

fn sort_ro(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    run(cx, args, false)
}

fn run(cx: &mut Cx, mut args: Args, may_store: bool) -> Result<Outcome, CmdError> {
    let key = args.key();
    let request = Request::parse(args, may_store)?;
    let (mut elements, order) = load(cx, key, &request)?;
    let part = elements.part(request.limit);
    let mut is_certain = true;
    if let Some(order) = order {
        if order.by_key {
            let pattern = request.by.unwrap_or_default();
            elements.weigh(order, |text, out| pattern::look_up(cx, pattern, text, out));
        } else {
            elements.weigh_alone(order);
        }
        if !elements.have_weights() {
            let error = "ERR One or more scores can't be converted into double";
            return Err(CmdError::text(error));
        }
        is_certain = elements.sort(order, part.clone());
    }
    let chosen = Chosen {
        elements: &elements,
        part,
        patterns: &request.gets,
    };
    match request.store {
        Some(to) => store(cx, to, &chosen, is_certain),
        None => reply(cx, &chosen),
    }
    Ok(Outcome::Done)
}

/// The elements, and how they are to be sorted, if at all: a list or sorted set that is not
/// comes in its own order.
fn load(cx: &mut Cx, key: Key, request: &Request) -> Result<(Elements, Option<Order>), CmdError> {
    let mut elements = Elements::default();
    let mut order = request.order;
    let Some(entry) = cx.store.read(cx.session.db, key) else {
        return Ok((elements, order));
    };
    match entry.value() {
        Some(ValueRef::List(list)) => {
            let end = match order.is_none() && request.descending {
                true => End::Back,
                false => End::Front,
            };
            list.visit(end, 0, |item| {
                elements.push(item);
                true
            });
        }
        Some(ValueRef::ZSet(zset)) => {
            let down = order.is_none() && request.descending;
            let first = if down {
                zset.len().saturating_sub(1)
            } else {
                0
            };
            let walk = zset.walk(first, usize::MAX, down);
            walk.for_each(|(member, _)| elements.push(member));
        }
        Some(ValueRef::Set(set)) => {
            set.iter().for_each(|member| elements.push(member));
            // What is kept must not depend on the order in which a set happens to be.
            if order.is_none() && request.store.is_some() {
                order = Some(Order {
                    alpha: true,
                    descending: request.descending,
                    by_key: false,
                });
            }
        }
        _ => return Err(CmdError::WrongType),
    }
    Ok((elements, order))
}

/// What the call gives: elements, or what keys say of each.
struct Chosen<'a> {
    elements: &'a Elements,
    part: Range<usize>,
    patterns: &'a [&'a [u8]],
}

impl Chosen<'_> {
    fn len(&self) -> usize {
        self.part.len() * self.patterns.len().max(1)
    }

    /// Gives one value after the other; `None` where a key says nothing.
    fn visit(&self, cx: &mut Cx, mut give: impl FnMut(&mut Cx, Option<&[u8]>)) {
        let mut found = Vec::new();
        for text in self.elements.texts(self.part.clone()) {
            if self.patterns.is_empty() {
                give(cx, Some(text));
            }
            for pattern in self.patterns {
                found.clear();
                let is_there = pattern::look_up(cx, pattern, text, &mut found);
                give(cx, is_there.then_some(&found));
            }
        }
    }
}

fn reply(cx: &mut Cx, chosen: &Chosen) {
    cx.reply.array(chosen.len());
    chosen.visit(cx, |cx, value| match value {
        Some(value) => cx.reply.bulk(value),
        None => cx.reply.null(),
    });
}

fn store(cx: &mut Cx, to: Key, chosen: &Chosen, is_certain: bool) {
    let limits = cx.shared.config.list_limits();
    let mut list = List::builder();
    chosen.visit(cx, |_, value| list.push(value.unwrap_or_default(), &limits));
    let list = list.finish(&limits);
    let len = list.len();
    if len > 0 {
        if !is_certain {
            log_list(cx, to, &list);
        }
        cx.put_value(to, list.into_value(), None);
        cx.event(LIST, "sortstore", to);
        cx.dirty(len as u64);
    } else if let Some(old) = cx.store.remove(cx.session.db, to) {
        cx.store.effects().discard(old);
        cx.event(GENERIC, "del", to);
        cx.dirty(1);
    }
    cx.reply.integer(len as i64);
}

/// Logs the list itself, in commands of bounded length.
fn log_list(cx: &mut Cx, to: Key, list: &List) {
    const ELEMENTS: usize = 64;
    cx.log_instead(&[b"DEL", to.bytes]);
    let values: Vec<Vec<u8>> = list.iter().map(Item::to_vec).collect();
    for part in values.chunks(ELEMENTS) {
        let mut command: Vec<&[u8]> = vec![b"RPUSH", to.bytes];
        command.extend(part.iter().map(Vec::as_slice));
        cx.log_instead(&command);
    }
}

#[cfg(test)]
mod tests;
