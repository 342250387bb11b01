//! COMMAND, COMMAND COUNT, COMMAND INFO.

use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::registry::{CommandId, Registry};
use crate::commands::spec::{Begin, Find, KeySpec, Spec, access, category, flag};
use crate::resp::reply::ReplyBuf;

/// COMMAND
pub fn all(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    cx.reply.array(cx.registry.commands().count());
    for (id, _) in cx.registry.commands() {
        describe(cx.reply, cx.registry, id);
    }
    Ok(Outcome::Done)
}

/// COMMAND COUNT
pub fn count(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    cx.reply.integer(cx.registry.commands().count() as i64);
    Ok(Outcome::Done)
}

/// COMMAND INFO [command-name ...]
pub fn info(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    if args.is_empty() {
        return all(cx, args);
    }
    cx.reply.array(args.left());
    while let Some(name) = args.next() {
        match cx.registry.find_full(name) {
            Some(id) => describe(cx.reply, cx.registry, id),
            None => cx.reply.null(),
        }
    }
    Ok(Outcome::Done)
}

/// Writes all that a `Spec` says, as ten elements; the last holds the subcommands, each
/// described in the same way.
fn describe(reply: &mut ReplyBuf, registry: &Registry, id: CommandId) {
    let spec = registry.get(id).spec;
    reply.array(10);
    reply.bulk(registry.full_name(id).as_bytes());
    reply.integer(i64::from(spec.arity));
    set_of(reply, flag::NAMES, spec.flags, "");
    let range = KeyRange::of(spec.keys);
    reply.integer(range.first);
    reply.integer(range.last);
    reply.integer(range.step);
    set_of(reply, category::NAMES, spec.categories(), "@");
    reply.set(spec.tips.len());
    for tip in spec.tips {
        reply.bulk(tip.as_bytes());
    }
    reply.set(spec.keys.len());
    for key_spec in spec.keys {
        describe_keys(reply, key_spec);
    }
    describe_subcommands(reply, registry, id, spec);
}

fn describe_subcommands(reply: &mut ReplyBuf, registry: &Registry, id: CommandId, spec: &Spec) {
    // An empty one is a set by an old habit that clients have come to expect.
    match spec.subcommands.len() {
        0 => reply.set(0),
        len => reply.array(len),
    }
    for sub in spec.subcommands {
        match registry.find_sub(id, sub.name.as_bytes()) {
            Some(id) => describe(reply, registry, id),
            None => reply.null(),
        }
    }
}

fn describe_keys(reply: &mut ReplyBuf, keys: &KeySpec) {
    reply.map(3);
    reply.bulk(b"flags");
    access_set(reply, keys.access);
    reply.bulk(b"begin_search");
    match keys.begin {
        Begin::Index(index) => search(reply, "index", &[("index", index as i64)]),
        Begin::Keyword { word, from } => {
            typed(reply, "keyword", 2);
            reply.bulk(b"keyword");
            reply.bulk(word.as_bytes());
            reply.bulk(b"startfrom");
            reply.integer(i64::from(from));
        }
        Begin::Unknown => search(reply, "unknown", &[]),
    }
    reply.bulk(b"find_keys");
    match keys.find {
        Find::Range { last, step, limit } => search(
            reply,
            "range",
            &[
                ("lastkey", i64::from(last)),
                ("keystep", step as i64),
                ("limit", limit as i64),
            ],
        ),
        Find::KeyNum {
            count_at,
            first,
            step,
        } => search(
            reply,
            "keynum",
            &[
                ("keynumidx", count_at as i64),
                ("firstkey", first as i64),
                ("keystep", step as i64),
            ],
        ),
        Find::Unknown => search(reply, "unknown", &[]),
    }
}

/// A way of searching and its numbers.
fn search(reply: &mut ReplyBuf, kind: &str, numbers: &[(&str, i64)]) {
    typed(reply, kind, numbers.len());
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.integer(*number);
    }
}

fn typed(reply: &mut ReplyBuf, kind: &str, pairs: usize) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(pairs);
}

/// What a command does to a key, as a set of words.
pub fn access_set(reply: &mut ReplyBuf, bits: u16) {
    let names = access::NAMES.iter();
    let set = names.filter(|(bit, _)| bits & bit != 0);
    reply.set(set.clone().count());
    for (_, name) in set {
        reply.simple(name);
    }
}

fn set_of(reply: &mut ReplyBuf, names: &[(u32, &str)], bits: u32, mark: &str) {
    let set = names.iter().filter(|(bit, _)| bits & bit != 0);
    reply.set(set.clone().count());
    for (_, name) in set {
        reply.simple(&format!("{mark}{name}"));
    }
}

/// First key, last key and step, for clients that know nothing of key specs: the stretch
/// that covers all specs with fixed places which adjoin each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KeyRange {
    first: i64,
    last: i64,
    step: i64,
}

impl KeyRange {
    const NONE: KeyRange = KeyRange {
        first: 0,
        last: 0,
        step: 0,
    };

    fn of(keys: &[KeySpec]) -> KeyRange {
        let mut ranges = keys.iter().filter_map(KeyRange::of_one);
        if keys.len() == 1 {
            return ranges.next_back().unwrap_or(KeyRange::NONE);
        }
        let mut whole = KeyRange::NONE;
        for range in ranges {
            if whole == KeyRange::NONE {
                if range.step == 1 {
                    whole = range;
                }
            } else if range.step == 1 && whole.last == range.first - 1 {
                whole.last = range.last;
            }
        }
        whole
    }

    fn of_one(keys: &KeySpec) -> Option<KeyRange> {
        let (Begin::Index(first), Find::Range { last, step, .. }) = (keys.begin, keys.find) else {
            return None;
        };
        let (first, last) = (first as i64, i64::from(last));
        Some(KeyRange {
            first,
            last: if last >= 0 { first + last } else { last },
            step: step as i64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_specs_as_one_range() {
        let check = |keys: &[KeySpec], expect: (i64, i64, i64)| {
            let range = KeyRange::of(keys);
            assert_eq!((range.first, range.last, range.step), expect);
        };
        let counted = KeySpec {
            access: 0,
            begin: Begin::Index(2),
            find: Find::KeyNum {
                count_at: 0,
                first: 1,
                step: 1,
            },
        };
        check(&[], (0, 0, 0));
        check(&[KeySpec::at(2, 0)], (2, 2, 1));
        check(&[KeySpec::range(1, -1, 2, 0)], (1, -1, 2));
        check(&[counted], (0, 0, 0));
        check(&[KeySpec::at(1, 0), counted], (1, 1, 1));
        check(&[KeySpec::at(1, 0), KeySpec::at(2, 0)], (1, 2, 1));
        check(
            &[KeySpec::at(1, 0), KeySpec::range(2, -1, 1, 0)],
            (1, -1, 1),
        );
        check(&[KeySpec::at(1, 0), KeySpec::at(3, 0)], (1, 1, 1));
    }
}
