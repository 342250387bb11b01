//! Several strings at once: MGET, MSET, MSETNX, MSETEX.

use super::options::{Condition, Life, SetOptions};
use super::whole::{log_deadline, store};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::store::effects::event::GENERIC;
use crate::store::view::Ttl;

pub fn mget(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    cx.reply.array(args.left());
    while !args.is_empty() && !cx.reply.is_too_much() {
        let entry = cx.store.read(cx.session.db, args.key());
        match entry.and_then(|entry| entry.string_bytes()) {
            Some(bytes) => cx.reply.bulk(bytes),
            None => cx.reply.null(),
        }
    }
    Ok(Outcome::Done)
}

pub fn mset(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    check_pairs(&args, "mset")?;
    store_pairs(cx, args);
    cx.reply.ok();
    Ok(Outcome::Done)
}

pub fn msetnx(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    check_pairs(&args, "msetnx")?;
    let mut keys = args.clone();
    let mut absent = true;
    while absent && !keys.is_empty() {
        absent = !cx.store.exists(cx.session.db, keys.key());
        keys.skip(1);
    }
    if absent {
        store_pairs(cx, args);
    }
    cx.reply.integer(absent.into());
    Ok(Outcome::Done)
}

/// Pairs by their number, then options as those of SET. The log has them in words that every
/// Redis knows.
pub fn msetex(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let invalid = CmdError::text("ERR invalid numkeys value or out of range");
    let count = args.i64_or(invalid.clone());
    args.check()?;
    let count = i32::try_from(count).ok().filter(|count| *count > 0);
    let count = count.ok_or(invalid)? as usize;
    if args.left() / 2 < count {
        return Err(CmdError::Syntax);
    }
    let pairs = args.clone();
    args.skip(2 * count);
    let options = SetOptions::parse(args)?;
    if options.get || matches!(options.condition, Condition::Equal(_)) {
        return Err(CmdError::Syntax);
    }
    let expire_at_ms = options.life.deadline(cx.now_ms(), "msetex")?;
    let mut keys = pairs.clone();
    for _ in 0..count {
        if !options.condition.holds(cx, keys.key())? {
            cx.reply.integer(0);
            return Ok(Outcome::Done);
        }
        keys.skip(1);
    }
    let mut pairs = pairs;
    for _ in 0..count {
        let (key, value) = (pairs.key(), pairs.bytes());
        match (expire_at_ms, options.life) {
            (Some(at_ms), _) => {
                store(cx, key, value, Ttl::Set(expire_at_ms));
                cx.event(GENERIC, "expire", key);
                log_deadline(cx, key, value, at_ms);
            }
            (None, Life::Keep) => {
                store(cx, key, value, Ttl::Keep);
                cx.log_instead(&[b"SET", key.bytes, value, b"KEEPTTL"]);
            }
            (None, _) => {
                store(cx, key, value, Ttl::Set(None));
                cx.log_instead(&[b"SET", key.bytes, value]);
            }
        }
    }
    cx.reply.integer(1);
    Ok(Outcome::Done)
}

fn check_pairs(args: &Args, command: &str) -> Result<(), CmdError> {
    match args.left().is_multiple_of(2) {
        true => Ok(()),
        false => Err(CmdError::WrongArity(command.to_owned())),
    }
}

fn store_pairs(cx: &mut Cx, mut args: Args) {
    while !args.is_empty() {
        let (key, value) = (args.key(), args.bytes());
        store(cx, key, value, Ttl::Set(None));
    }
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::TestServer;

    #[test]
    fn many_at_once() {
        let mut server = TestServer::new();
        for (line, expect) in [
            (
                "MSET a 1 b",
                "-ERR wrong number of arguments for 'mset' command",
            ),
            ("MSET a 1 b 2", "+OK"),
            ("MSET a 3 a 4", "+OK"),
            ("MGET a x b", "[\"4\", nil, \"2\"]"),
            ("MSETNX a 1 c 1", ":0"),
            ("MSETNX c 1 a 1", ":0"),
            ("MSETNX c 1 d 1", ":1"),
            (
                "MSETNX c",
                "-ERR wrong number of arguments for 'msetnx' command",
            ),
            ("MGET c d", "[\"1\", \"1\"]"),
        ] {
            server.check(line, expect);
        }
    }

    #[test]
    fn msetex_sets_all_or_nothing() {
        let mut server = TestServer::new();
        server.check("MSETEX 2 a 1 b 2", ":1");
        server.check_log(&["MULTI", "SET a 1", "SET b 2", "EXEC"]);
        server.check("MSETEX 2 a 3 c 3 NX", ":0");
        server.check("MSETEX 2 a 3 c 3 XX", ":0");
        server.check("MSETEX 1 c 3 NX EX 10", ":1");
        server.check_log(&["SET c 3 PXAT 1700000010000"]);
        let events = [
            "new a", "set a", "new b", "set b", "new c", "set c", "expire c",
        ];
        server.check_events(&events);
        server.check("MSETEX 2 c 4 a 4 keepttl xx", ":1");
        server.check("TTL c", ":10");
        server.check_log(&["MULTI", "SET c 4 KEEPTTL", "SET a 4 KEEPTTL", "EXEC"]);
        server.check("MSETEX 2 c 5 c 6", ":1");
        server.check("MGET a b c", r#"["4", "2", "6"]"#);
        server.check("TTL c", ":-1");
    }

    #[test]
    fn what_msetex_refuses() {
        let mut server = TestServer::new();
        let count = "-ERR invalid numkeys value or out of range";
        let syntax = "-ERR syntax error";
        let expire = "-ERR invalid expire time in 'msetex' command";
        for (args, error) in [
            ("0 a 1", count),
            ("x a 1", count),
            ("-1 a 1", count),
            ("9999999999 a 1", count),
            ("1073741824 a 1", syntax),
            ("1 a 1 b 2", syntax),
            ("2 a 1", syntax),
            ("2 a 1 b", syntax),
            ("1 a 1 GET", syntax),
            ("1 a 1 IFEQ x", syntax),
            ("1 a 1 NX XX", syntax),
            ("1 a 1 EX", syntax),
            ("1 a 1 KEEPTTL EX 10", syntax),
            ("1 a 1 EX 0", expire),
            ("1 a 1 EX x", "-ERR value is not an integer or out of range"),
        ] {
            server.check(&format!("MSETEX {args}"), error);
        }
        server.check("EXISTS a b", ":0");
    }
}
