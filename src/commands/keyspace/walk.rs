//! KEYS, SCAN, RANDOMKEY, DBSIZE: what looks at a whole database.

use crate::base::glob;
use crate::base::number::{digits, parse_u64};
use crate::base::rng::Rng;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::types::Kind;

/// How many keys SCAN visits if it is not told.
const SCAN_COUNT: i64 = 10;

pub fn keys(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let pattern = args.bytes();
    let names = cx.reply.array_deferred();
    let mut count = 0;
    let (store, reply) = (&*cx.store, &mut *cx.reply);
    store.for_each(cx.session.db, |entry| {
        if matches(pattern, entry.key()) && !store.is_hidden(entry) {
            reply.bulk(entry.key());
            count += 1;
        }
    });
    cx.reply.finish_array(names, count);
    Ok(Outcome::Done)
}

fn matches(pattern: &[u8], key: &[u8]) -> bool {
    pattern == b"*" || glob::matches(pattern, key, false)
}

struct ScanOptions<'a> {
    cursor: u64,
    count: usize,
    pattern: &'a [u8],
    /// The name of a type; one that there is not matches no key.
    kind: Option<&'a [u8]>,
}

pub fn scan(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let options = scan_options(args)?;
    let db = cx.session.db;
    let is_wanted = |kind: Kind| {
        let name = kind.name().as_bytes();
        options
            .kind
            .is_none_or(|want| want.eq_ignore_ascii_case(name))
    };
    let mut found = Vec::new();
    let mut due: Vec<Box<[u8]>> = Vec::new();
    let store = &*cx.store;
    let next = store.scan(db, options.cursor, options.count, |entry| {
        if !matches(options.pattern, entry.key()) || !is_wanted(entry.kind()) {
            return;
        }
        match store.is_hidden(&entry) {
            true => due.push(entry.key().into()),
            false => found.push(entry),
        }
    });
    cx.reply.array(2);
    cx.reply.bulk(digits().of(next));
    cx.reply.array(found.len());
    found.iter().for_each(|entry| cx.reply.bulk(entry.key()));
    for key in due {
        // On a leader this deletes it.
        let key = cx.store.keyspace.key(&key);
        cx.store.exists(db, key);
    }
    Ok(Outcome::Done)
}

fn scan_options<'a>(mut args: Args<'a>) -> Result<ScanOptions<'a>, CmdError> {
    let mut options = ScanOptions {
        cursor: cursor(args.bytes())?,
        count: SCAN_COUNT as usize,
        pattern: b"*",
        kind: None,
    };
    while !args.is_empty() {
        let has_value = args.left() >= 2;
        if has_value && args.take("count") {
            let count = args.i64();
            args.check()?;
            if count < 1 {
                return Err(CmdError::Syntax);
            }
            options.count = count as usize;
        } else if has_value && args.take("match") {
            options.pattern = args.bytes();
        } else if has_value && args.take("type") {
            options.kind = Some(args.bytes());
        } else if args.take("novalues") {
            return Err(CmdError::text(
                "ERR NOVALUES option can only be used in HSCAN",
            ));
        } else {
            return Err(CmdError::Syntax);
        }
    }
    Ok(options)
}

/// A cursor, read as generously as C reads numbers: blanks, a plus and zeros may lead.
fn cursor(text: &[u8]) -> Result<u64, CmdError> {
    let number = text.trim_ascii_start();
    let number = number.strip_prefix(b"+").unwrap_or(number);
    parse_u64(number).ok_or(CmdError::text("ERR invalid cursor"))
}

pub fn random_key(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    let mut rng = Rng::from_entropy();
    match cx.store.random_key(cx.session.db, &mut rng) {
        Some(key) => cx.reply.bulk(&key),
        None => cx.reply.null(),
    }
    Ok(Outcome::Done)
}

pub fn count(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    cx.reply.integer(cx.store.len(cx.session.db) as i64);
    Ok(Outcome::Done)
}
