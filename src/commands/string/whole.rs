//! SET and its relatives: whole values, with a time to live.

use super::options::{Condition, Form, Life, SetOptions};
use crate::base::number::digits;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::spec::{KeyRef, access};
use crate::config::Param;
use crate::resp::argv::Argv;
use crate::store::effects::event::{GENERIC, STRING};
use crate::store::keyspace::Key;
use crate::store::locked::Expiry;
use crate::store::view::Ttl;

pub fn get(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    match cx.store.read(cx.session.db, key) {
        Some(entry) => match entry.string_bytes() {
            Some(bytes) => cx.reply.bulk(bytes),
            None => return Err(CmdError::WrongType),
        },
        None => cx.reply.null(),
    }
    Ok(Outcome::Done)
}

/// What a SET does to its key: only with GET it gives the old value away.
pub fn set_access(argv: Argv, keys: &mut [KeyRef]) {
    let gets = argv
        .iter()
        .skip(3)
        .any(|arg| arg.eq_ignore_ascii_case(b"get"));
    for key in keys {
        key.access = match gets {
            true => access::RW | access::ACCESS | access::UPDATE,
            false => access::OW | access::UPDATE,
        };
    }
}

pub fn set(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, value) = (args.key(), args.bytes());
    if args.is_empty() {
        store(cx, key, value, Ttl::Set(None));
        cx.reply.ok();
        return Ok(Outcome::Done);
    }
    let argv = args.argv();
    let options = SetOptions::parse(args)?;
    let expire_at_ms = options.life.deadline(cx.now_ms(), "set")?;
    if options.get {
        reply_value(cx, key)?;
    }
    if !options.condition.holds(cx, key)? {
        if !options.get {
            cx.reply.null();
        }
        return Ok(Outcome::Done);
    }
    let ttl = match options.life {
        Life::Keep => Ttl::Keep,
        _ => Ttl::Set(expire_at_ms),
    };
    store(cx, key, value, ttl);
    if let Some(at_ms) = expire_at_ms {
        cx.event(GENERIC, "expire", key);
        log_deadline(cx, key, value, at_ms);
    } else if options.get || matches!(options.condition, Condition::Equal(_)) {
        log_without_conditions(cx, argv);
    }
    if !options.get {
        cx.reply.ok();
    }
    Ok(Outcome::Done)
}

pub fn setnx(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, value) = (args.key(), args.bytes());
    let absent = !cx.store.exists(cx.session.db, key);
    if absent {
        store(cx, key, value, Ttl::Set(None));
    }
    cx.reply.integer(absent.into());
    Ok(Outcome::Done)
}

pub fn setex(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    set_until(cx, args, Form::Ex, "setex")
}

pub fn psetex(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    set_until(cx, args, Form::Px, "psetex")
}

fn set_until(cx: &mut Cx, mut args: Args, form: Form, command: &str) -> Result<Outcome, CmdError> {
    let (key, time, value) = (args.key(), args.bytes(), args.bytes());
    let at_ms = form.deadline(time, cx.now_ms(), command)?;
    store(cx, key, value, Ttl::Set(Some(at_ms)));
    cx.event(GENERIC, "expire", key);
    log_deadline(cx, key, value, at_ms);
    cx.reply.ok();
    Ok(Outcome::Done)
}

pub fn getset(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, value) = (args.key(), args.bytes());
    reply_value(cx, key)?;
    store(cx, key, value, Ttl::Set(None));
    cx.log_instead(&[b"SET", key.bytes, value]);
    Ok(Outcome::Done)
}

pub fn getdel(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    if reply_value(cx, key)? {
        delete(cx, key, b"DEL");
    }
    Ok(Outcome::Done)
}

pub fn getex(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let life = Life::parse_getex(args)?;
    if !reply_value(cx, key)? {
        return Ok(Outcome::Done);
    }
    let db = cx.session.db;
    let deadline = life.deadline(cx.now_ms(), "getex")?;
    match (deadline, life) {
        (Some(at_ms), Life::Until(Form::ExAt | Form::PxAt, _))
            if at_ms <= cx.now_ms() && cx.store.expiry == Expiry::Delete =>
        {
            delete(
                cx,
                key,
                cx.shared.config.deletion(Param::LazyfreeLazyExpire),
            );
        }
        (Some(at_ms), _) => {
            cx.store.set_expire(db, key, deadline);
            cx.event(GENERIC, "expire", key);
            cx.dirty(1);
            cx.log_instead(&[b"PEXPIREAT", key.bytes, digits().of(at_ms)]);
        }
        (None, Life::Endless) if is_mortal(cx, key) => {
            cx.store.set_expire(db, key, None);
            cx.event(GENERIC, "persist", key);
            cx.dirty(1);
            cx.log_instead(&[b"PERSIST", key.bytes]);
        }
        _ => {}
    }
    Ok(Outcome::Done)
}

pub fn delifeq(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, expected) = (args.key(), args.bytes());
    let equal = Condition::Equal(expected).holds(cx, key)?;
    if equal {
        delete(cx, key, b"DEL");
    }
    cx.reply.integer(equal.into());
    Ok(Outcome::Done)
}

/// What every command does that sets a whole value.
#[inline]
pub fn store(cx: &mut Cx, key: Key, value: &[u8], ttl: Ttl) {
    cx.store.set_string(cx.session.db, key, value, ttl);
    cx.dirty(1);
    cx.event(STRING, "set", key);
}

/// Replies with the value, or null. Whether there is one.
fn reply_value(cx: &mut Cx, key: Key) -> Result<bool, CmdError> {
    let Some(entry) = cx.store.read(cx.session.db, key) else {
        cx.reply.null();
        return Ok(false);
    };
    cx.reply
        .bulk(entry.string_bytes().ok_or(CmdError::WrongType)?);
    Ok(true)
}

/// Deletes a key that is there; the log says it by `command`.
fn delete(cx: &mut Cx, key: Key, command: &[u8]) {
    if let Some(entry) = cx.store.remove(cx.session.db, key) {
        cx.store.effects().discard(entry);
        cx.event(GENERIC, "del", key);
        cx.dirty(1);
        cx.log_instead(&[command, key.bytes]);
    }
}

fn is_mortal(cx: &mut Cx, key: Key) -> bool {
    let entry = cx.store.peek(cx.session.db, key);
    entry.is_some_and(|entry| entry.expire_at_ms().is_some())
}

pub fn log_deadline(cx: &mut Cx, key: Key, value: &[u8], at_ms: i64) {
    cx.log_instead(&[b"SET", key.bytes, value, b"PXAT", digits().of(at_ms)]);
}

/// Logs a SET without GET and IFEQ: a follower has nobody to answer, and the condition was
/// true. IFEQ is Valkey's; Redis as a follower would refuse it.
fn log_without_conditions(cx: &mut Cx, argv: Argv) {
    if !cx.store.effects().logging {
        return;
    }
    const OPTIONS_AT: usize = 3;
    let mut kept: Vec<&[u8]> = argv.iter().take(OPTIONS_AT).collect();
    let mut options = argv.iter().skip(OPTIONS_AT);
    while let Some(option) = options.next() {
        if option.eq_ignore_ascii_case(b"ifeq") {
            options.next();
        } else if !option.eq_ignore_ascii_case(b"get") {
            kept.push(option);
        }
    }
    cx.log_instead(&kept);
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::TestServer;
    use crate::store::locked::Expiry;

    /// Lines with their replies, on one server.
    fn check(lines: &[(&str, &str)]) {
        let mut server = TestServer::new();
        for (line, expect) in lines {
            server.check(line, expect);
        }
    }

    const SYNTAX: &str = "-ERR syntax error";
    const NO_INTEGER: &str = "-ERR value is not an integer or out of range";

    #[test]
    fn get_and_set() {
        check(&[
            ("GET a", "nil"),
            ("SET a 1", "+OK"),
            ("GET a", "\"1\""),
            ("SET a \"\"", "+OK"),
            ("GET a", "\"\""),
            ("SET a", "-ERR wrong number of arguments for 'set' command"),
            ("SET a 1 2", SYNTAX),
            ("SET a 1 PERSIST", SYNTAX),
        ]);
        let mut server = TestServer::resp3();
        server.check("GET a", "_");
        server.check("SET a 1 XX", "_");
    }

    #[test]
    fn set_under_a_condition() {
        check(&[
            ("SET a 1 XX", "nil"),
            ("SET a 1 NX", "+OK"),
            ("SET a 2 nx", "nil"),
            ("SET a 2 NX NX", "nil"),
            ("SET a 2 NX XX", SYNTAX),
            ("SET a 2 XX", "+OK"),
            ("SET a 3 GET", "\"2\""),
            ("SET a 4 NX GET", "\"3\""),
            ("GET a", "\"3\""),
            ("SET b 4 XX GET", "nil"),
            ("GET b", "nil"),
            ("SET b 4 NX GET", "nil"),
            ("GET b", "\"4\""),
        ]);
    }

    #[test]
    fn set_if_equal() {
        check(&[
            ("SET a 1 IFEQ 1", "nil"),
            ("SET a 1", "+OK"),
            ("SET a 2 IFEQ 3", "nil"),
            ("SET a 2 ifeq 1", "+OK"),
            ("SET a 3 IFEQ 1 GET", "\"2\""),
            ("SET a 3 GET IFEQ 2", "\"2\""),
            ("GET a", "\"3\""),
            ("SET b 3 IFEQ 2 GET", "nil"),
            ("SET a 3 IFEQ", SYNTAX),
            ("SET a 3 IFEQ 3 NX", SYNTAX),
            ("SET a 3 XX IFEQ 3", SYNTAX),
            ("SET a 3 IFEQ 3 IFEQ 3", SYNTAX),
            ("DELIFEQ a 2", ":0"),
            ("DELIFEQ b 2", ":0"),
            ("DELIFEQ a 3", ":1"),
            ("GET a", "nil"),
        ]);
    }

    #[test]
    fn times_that_are_none() {
        check(&[
            ("SET a 1 EX", SYNTAX),
            ("SET a 1 EX 1 PX 1", SYNTAX),
            ("SET a 1 EX 1 KEEPTTL", SYNTAX),
            ("SET a 1 KEEPTTL PXAT 1", SYNTAX),
            ("SET a 1 EX x", NO_INTEGER),
            ("SET a 1 EX 0", "-ERR invalid expire time in 'set' command"),
            ("SET a 1 PX -1", "-ERR invalid expire time in 'set' command"),
            (
                "SET a 1 EX 9223372036854775807",
                "-ERR invalid expire time in 'set' command",
            ),
            (
                "SET a 1 EX 9223372036854775",
                "-ERR invalid expire time in 'set' command",
            ),
            (
                "SET a 1 PX 9223372036854775807",
                "-ERR invalid expire time in 'set' command",
            ),
            ("SETEX a x 1", NO_INTEGER),
            ("SETEX a 0 1", "-ERR invalid expire time in 'setex' command"),
            (
                "PSETEX a -1 1",
                "-ERR invalid expire time in 'psetex' command",
            ),
            ("GETEX a EX 0", "nil"),
            ("SET a 1", "+OK"),
            (
                "GETEX a EX 0",
                "-ERR invalid expire time in 'getex' command",
            ),
            ("GETEX a EX x", NO_INTEGER),
            ("GETEX a KEEPTTL", SYNTAX),
            ("GETEX a EX 1 PERSIST", SYNTAX),
            ("GETEX a EX", SYNTAX),
            ("GETEX b NO", SYNTAX),
            ("SET a 1 PXAT 9223372036854775807", "+OK"),
        ]);
    }

    #[test]
    fn set_is_logged_without_what_depends_on_the_moment() {
        let mut server = TestServer::new();
        let mut check = |line: &str, log: &str| {
            server.run("SET a 1");
            server.log();
            server.run(line);
            server.check_log(&[log]);
        };
        check("SET a 1", "SET a 1");
        check("set a 1 xx", "set a 1 xx");
        check("SET a 1 get XX GET", "SET a 1 XX");
        check("SET a 2 IFEQ 1", "SET a 2");
        check("SET a 2 IFEQ 1 KEEPTTL GET", "SET a 2 KEEPTTL");
        check("SET a 1 EX 10", "SET a 1 PXAT 1700000010000");
        check("SET a 1 EX 10 EX 20 GET", "SET a 1 PXAT 1700000020000");
        check("SET a 1 XX PX 10", "SET a 1 PXAT 1700000000010");
        check("SET a 1 EXAT 1800000000", "SET a 1 PXAT 1800000000000");
        check(
            "SET a 1 GET PXAT 1800000000000",
            "SET a 1 PXAT 1800000000000",
        );
        check(
            "SET a 1 PXAT 1800000000000 IFEQ 1",
            "SET a 1 PXAT 1800000000000",
        );
        // All that gives a key a deadline is logged in one form.
        check(
            "SET a 1 pxat 1800000000000 XX",
            "SET a 1 PXAT 1800000000000",
        );
        check("SETEX a 10 v", "SET a v PXAT 1700000010000");
        check("PSETEX a 10 v", "SET a v PXAT 1700000000010");
        check("GETSET a v", "SET a v");
        check("GETDEL a", "DEL a");
        check("DELIFEQ a 1", "DEL a");
        check("GETEX a EX 10", "PEXPIREAT a 1700000010000");
        check("GETEX a PXAT 1800000000000", "PEXPIREAT a 1800000000000");
        check("GETEX a PXAT 1", "DEL a");
        check("MSET a 1 b 2", "MSET a 1 b 2");
    }

    #[test]
    fn what_changes_nothing_is_not_logged() {
        let mut server = TestServer::new();
        server.run("SET a 1");
        server.log();
        for line in [
            "GET a",
            "SET a 1 NX",
            "SET b 1 XX",
            "SET a 1 IFEQ 2 GET",
            "SETNX a 1",
            "MSETNX b 1 a 1",
            "GETEX a",
            "GETEX a PERSIST",
            "GETDEL b",
            "DELIFEQ a 2",
            "SET a 1 EX 0",
            "MGET a b",
        ] {
            server.run(line);
            server.check_log(&[]);
        }
        assert_eq!(server.changes(), 1);
    }

    #[test]
    fn events() {
        let mut server = TestServer::new();
        let mut check = |line: &str, events: &[&str]| {
            server.events();
            server.run(line);
            assert_eq!(server.events(), events, "{line}");
        };
        check("SET a 1", &["new a", "set a"]);
        check("SET a 1 EX 10", &["set a", "expire a"]);
        check("SETEX b 10 1", &["new b", "set b", "expire b"]);
        check("SET c 1 GET", &["keymiss c", "new c", "set c"]);
        check("GET d", &["keymiss d"]);
        check("SET d 1 XX", &[]);
        check("SET d 1 IFEQ 1", &[]);
        check("GETSET d 1", &["keymiss d", "new d", "set d"]);
        check("GETEX a EX 10", &["expire a"]);
        check("GETEX a PERSIST", &["persist a"]);
        check("GETEX a PXAT 1", &["del a"]);
        check("GETDEL b", &["del b"]);
        check("DELIFEQ c 1", &["del c"]);
        check("MSET d 2 e 1", &["set d", "new e", "set e"]);
        check("MSETNX w 1 w 2", &["new w", "set w", "set w"]);
        check("MGET d x e", &["keymiss x"]);
    }

    #[test]
    fn time_passes() {
        let mut server = TestServer::new();
        server.check("SET a 1 PX 10", "+OK");
        server.advance_ms(10);
        server.check("GET a", "\"1\"");
        server.check("SET a 2 KEEPTTL", "+OK");
        server.advance_ms(1);
        server.check_all("GET a", "nil", &["DEL a"], &["expired a", "keymiss a"]);
        server.check("SETEX a 1 1", "+OK");
        server.check("SET a 2", "+OK");
        server.advance_ms(2000);
        server.check("GETEX a PX 5", "\"2\"");
        server.check("GETEX a PERSIST", "\"2\"");
        server.advance_ms(10);
        server.check("GETEX a PX 5", "\"2\"");
        server.advance_ms(6);
        server.check("GETEX a", "nil");
    }

    /// A key that is due is deleted before it is written to, even if the write would have
    /// kept its time to live.
    #[test]
    fn a_due_key_is_no_key() {
        for (line, expect, log) in [
            ("SET a 2", "+OK", &["MULTI", "DEL a", "SET a 2", "EXEC"][..]),
            (
                "SET a 2 KEEPTTL",
                "+OK",
                &["MULTI", "DEL a", "SET a 2 KEEPTTL", "EXEC"],
            ),
            ("SET a 2 XX", "nil", &["DEL a"]),
            ("SETNX a 2", ":1", &["MULTI", "DEL a", "SETNX a 2", "EXEC"]),
            ("SET a 2 GET", "nil", &["MULTI", "DEL a", "SET a 2", "EXEC"]),
        ] {
            let mut server = TestServer::new();
            server.run("SET a 1 PX 10");
            server.advance_ms(20);
            server.log();
            server.events();
            server.check(line, expect);
            server.check_log(log);
            assert_eq!(server.events()[0], "expired a", "{line}");
            server.advance_ms(1000);
            let after = if expect == "nil" && log.len() == 1 {
                "nil"
            } else {
                "\"2\""
            };
            server.check("GET a", after);
        }
    }

    #[test]
    fn a_follower_hides_due_keys_and_overwrites_them() {
        let mut server = TestServer::new();
        server.expiry = Expiry::Hide;
        server.run("SET a 1 PX 10");
        server.advance_ms(20);
        server.check_all("GET a", "nil", &[], &["keymiss a"]);
        server.check("SET a 2 KEEPTTL", "+OK");
        server.check("GET a", "\"2\"");
        server.check("GETEX a PXAT 1", "\"2\"");
        server.check("GET a", "nil");
        server.expiry = Expiry::Ignore;
        server.check("GET a", "\"2\"");
    }
}
