//! When keys end: EXPIRE and its variants, TTL and its variants, PERSIST.
//!
//! What is logged is the moment (PEXPIREAT), never a span, and a key whose moment is over
//! already is deleted and logged as such: followers must not depend on their own clocks.

use super::args::Args;
use super::cx::{Cx, Outcome};
use super::error::CmdError;
use super::spec::category::KEYSPACE;
use super::spec::flag::{FAST, READONLY, WRITE};
use super::spec::{Handler, KeySpec, Spec, access};
use crate::base::number::{digits, parse_i64};
use crate::config::Param;
use crate::store::effects::event;
use crate::store::keyspace::Key;

const CHANGED: &[KeySpec] = &[KeySpec::at(1, access::RW | access::UPDATE)];
const ASKED: &[KeySpec] = &[KeySpec::at(1, access::RO | access::ACCESS)];

const fn setting(name: &'static str, arity: i32, handler: Handler) -> Spec {
    Spec::new(name, arity, WRITE | FAST, KEYSPACE, handler).keys(CHANGED)
}

const fn asking(name: &'static str, handler: Handler) -> Spec {
    Spec::new(name, 2, READONLY | FAST, KEYSPACE, handler).keys(ASKED)
}

pub const COMMANDS: &[Spec] = &[
    setting("expire", -3, expire),
    setting("pexpire", -3, pexpire),
    setting("expireat", -3, expire_at),
    setting("pexpireat", -3, pexpire_at),
    setting("persist", 2, persist),
    asking("ttl", ttl).tips(&["nondeterministic_output"]),
    asking("pttl", pttl).tips(&["nondeterministic_output"]),
    asking("expiretime", expire_time),
    asking("pexpiretime", pexpire_time),
];

/// How a command's argument gives the moment of expiry.
#[derive(Clone, Copy)]
struct Form {
    name: &'static str,
    is_seconds: bool,
    is_absolute: bool,
}

fn expire(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let form = Form {
        name: "expire",
        is_seconds: true,
        is_absolute: false,
    };
    set(cx, args, form)
}

fn pexpire(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let form = Form {
        name: "pexpire",
        is_seconds: false,
        is_absolute: false,
    };
    set(cx, args, form)
}

fn expire_at(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let form = Form {
        name: "expireat",
        is_seconds: true,
        is_absolute: true,
    };
    set(cx, args, form)
}

fn pexpire_at(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let form = Form {
        name: "pexpireat",
        is_seconds: false,
        is_absolute: true,
    };
    set(cx, args, form)
}

/// Under which conditions EXPIRE sets anything.
#[derive(Clone, Copy, Default)]
struct Conditions {
    /// NX: only where there was no expiry.
    is_new: bool,
    /// XX: only where there was one.
    exists: bool,
    /// GT: only later; no expiry counts as never.
    is_later: bool,
    /// LT: only earlier.
    is_earlier: bool,
}

impl Conditions {
    fn parse(mut args: Args) -> Result<Conditions, CmdError> {
        let mut conditions = Conditions::default();
        while !args.is_empty() {
            if args.take("nx") {
                conditions.is_new = true;
            } else if args.take("xx") {
                conditions.exists = true;
            } else if args.take("gt") {
                conditions.is_later = true;
            } else if args.take("lt") {
                conditions.is_earlier = true;
            } else {
                let option = args.bytes();
                return Err(CmdError::quoting("ERR Unsupported option {}", &[option]));
            }
        }
        let others = conditions.exists || conditions.is_later || conditions.is_earlier;
        if conditions.is_new && others {
            return Err(CmdError::text(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if conditions.is_later && conditions.is_earlier {
            return Err(CmdError::text(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        Ok(conditions)
    }

    fn allow(self, old_ms: Option<i64>, new_ms: i64) -> bool {
        let is_refused = (self.is_new && old_ms.is_some())
            || (self.exists && old_ms.is_none())
            || (self.is_later && old_ms.is_none_or(|old_ms| new_ms <= old_ms))
            || (self.is_earlier && old_ms.is_some_and(|old_ms| new_ms >= old_ms));
        !is_refused
    }
}

impl Form {
    /// The moment in Unix milliseconds; it may be long over.
    fn moment(self, cx: &Cx, number: i64) -> Result<i64, CmdError> {
        let overflow = || CmdError::InvalidExpire(self.name.to_owned());
        let unit_ms = if self.is_seconds { 1000 } else { 1 };
        let number_ms = number.checked_mul(unit_ms).ok_or_else(overflow)?;
        let base_ms = if self.is_absolute { 0 } else { cx.now_ms() };
        number_ms.checked_add(base_ms).ok_or_else(overflow)
    }
}

/// Whether a key with this moment of expiry need not be kept. A follower keeps it: its
/// leader decides.
pub fn is_over(cx: &Cx, at_ms: i64) -> bool {
    at_ms <= cx.now_ms() && !cx.shared.role.is_follower()
}

fn set(cx: &mut Cx, mut args: Args, form: Form) -> Result<Outcome, CmdError> {
    let db = cx.session.db;
    let key = args.key();
    let number = args.bytes();
    let conditions = Conditions::parse(args.clone())?;
    let number = parse_i64(number).ok_or(CmdError::NotInteger)?;
    let at_ms = form.moment(cx, number)?;
    let old_ms = cx.store.find(db, key).map(|entry| entry.expire_at_ms());
    if !old_ms.is_some_and(|old_ms| conditions.allow(old_ms, at_ms)) {
        cx.reply.integer(0);
        return Ok(Outcome::Done);
    }
    if is_over(cx, at_ms) {
        if let Some(entry) = cx.store.remove(db, key) {
            cx.store.effects().discard(entry);
        }
        cx.event(event::GENERIC, "del", key);
        cx.log_deletion(key.bytes, Param::LazyfreeLazyExpire);
    } else {
        cx.store.set_expire(db, key, Some(at_ms));
        cx.event(event::GENERIC, "expire", key);
        if form.is_seconds || !form.is_absolute {
            log_moment(cx, &args, key, at_ms);
        }
    }
    cx.dirty(1);
    cx.reply.integer(1);
    Ok(Outcome::Done)
}

/// Logs PEXPIREAT, with the conditions of the request, which hold for followers as well.
fn log_moment(cx: &mut Cx, args: &Args, key: Key, at_ms: i64) {
    let mut text = digits();
    let at_text = text.of(at_ms);
    if args.is_empty() {
        cx.log_instead(&[b"PEXPIREAT", key.bytes, at_text]);
        return;
    }
    let mut request: Vec<&[u8]> = args.argv().iter().collect();
    request[0] = b"PEXPIREAT";
    request[2] = at_text;
    cx.log_instead(&request);
}

fn persist(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let db = cx.session.db;
    let key = args.key();
    let found = cx.store.find(db, key);
    let has_expiry = found.is_some_and(|entry| entry.expire_at_ms().is_some());
    if has_expiry {
        cx.store.set_expire(db, key, None);
        cx.event(event::GENERIC, "persist", key);
        cx.dirty(1);
    }
    cx.reply.integer(i64::from(has_expiry));
    Ok(Outcome::Done)
}

fn ttl(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let now_ms = cx.now_ms();
    answer(cx, args.key(), |at_ms| {
        to_seconds(at_ms.saturating_sub(now_ms).max(0))
    })
}

fn pttl(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let now_ms = cx.now_ms();
    answer(cx, args.key(), |at_ms| at_ms.saturating_sub(now_ms).max(0))
}

fn expire_time(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    answer(cx, args.key(), |at_ms| to_seconds(at_ms.max(0)))
}

fn pexpire_time(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    answer(cx, args.key(), |at_ms| at_ms.max(0))
}

/// Rounded to the nearest second.
fn to_seconds(ms: i64) -> i64 {
    ms / 1000 + i64::from(ms % 1000 >= 500)
}

/// -2 for a key that there is not, -1 for one that does not expire.
fn answer(cx: &mut Cx, key: Key, what: impl Fn(i64) -> i64) -> Result<Outcome, CmdError> {
    let found = cx.store.look(cx.session.db, key);
    let number = match found.map(|entry| entry.expire_at_ms()) {
        None => -2,
        Some(None) => -1,
        Some(Some(at_ms)) => what(at_ms),
    };
    cx.reply.integer(number);
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::{START_MS, TestServer};
    use crate::store::locked::Expiry;

    #[test]
    fn spans_become_moments_in_the_log() {
        let mut server = TestServer::new();
        server.run("SET a 1");
        let at = |ms: i64| format!("PEXPIREAT a {}", START_MS + ms);
        server.check_all("EXPIRE a 10", ":1", &[&at(10_000)], &["expire a"]);
        server.check_all("PEXPIRE a 1500", ":1", &[&at(1500)], &["expire a"]);
        server.check_all(
            "EXPIREAT a 1700000020",
            ":1",
            &["PEXPIREAT a 1700000020000"],
            &["expire a"],
        );
        let verbatim = "pexpireat a 1700000030000 XX";
        server.check_all(verbatim, ":1", &[verbatim], &["expire a"]);
        let conditions = format!("{} gt XX", at(60_000));
        server.check_all("EXPIRE a 60 gt XX", ":1", &[&conditions], &["expire a"]);
        server.check("TTL a", ":60");
        assert_eq!(server.changes(), 6);
    }

    #[test]
    fn a_moment_that_is_over_deletes() {
        let mut server = TestServer::new();
        for line in [
            "EXPIRE a 0",
            "EXPIRE a -1",
            "PEXPIRE a -1",
            "EXPIREAT a 1",
            "PEXPIREAT a 1700000000000",
            "EXPIRE a -9223372036854775",
        ] {
            server.run("SET a 1");
            server.check_all(line, ":1", &["DEL a"], &["del a"]);
            server.check("EXISTS a", ":0");
        }
        server.check_all("EXPIRE a -1", ":0", &[], &[]);
    }

    #[test]
    fn a_follower_keeps_what_is_over() {
        let mut server = TestServer::new();
        server.run("SET a 1");
        server.shared.role.set_follower(true);
        server.expiry = Expiry::Hide;
        server.check("PEXPIREAT a 1", ":1");
        server.check_events(&["new a", "set a", "expire a"]);
        server.check("EXISTS a", ":0");
        server.check("TTL a", ":-2");
        server.check("PERSIST a", ":0");
        server.check("DBSIZE", ":1");
        server.expiry = Expiry::Ignore;
        server.check("PEXPIRETIME a", ":1");
        server.check("PERSIST a", ":1");
    }

    #[test]
    fn conditions() {
        let mut server = TestServer::new();
        server.run("SET a 1");
        for (line, expect) in [
            ("EXPIRE a 10 XX", ":0"),
            ("EXPIRE a 10 GT", ":0"),
            ("TTL a", ":-1"),
            ("EXPIRE a 10 LT", ":1"),
            ("EXPIRE a 20 NX", ":0"),
            ("EXPIRE a 10 GT", ":0"),
            ("EXPIRE a 10 LT", ":0"),
            ("EXPIRE a 20 LT", ":0"),
            ("TTL a", ":10"),
            ("EXPIRE a 20 XX GT", ":1"),
            ("EXPIRE a 15 lt xx", ":1"),
            ("TTL a", ":15"),
            ("EXPIRE a -1 GT", ":0"),
            ("EXISTS a", ":1"),
            ("EXPIRE missing 10 NX", ":0"),
        ] {
            server.check(line, expect);
        }
        server.run("PERSIST a");
        server.check("EXPIRE a 20 nx NX", ":1");
    }

    #[test]
    fn what_is_no_moment() {
        let mut server = TestServer::new();
        server.run("SET a 1");
        let not_together = "-ERR NX and XX, GT or LT options at the same time are not compatible";
        let overflow = |name| format!("-ERR invalid expire time in '{name}' command");
        for (line, expect) in [
            ("EXPIRE a x", "-ERR value is not an integer or out of range"),
            ("EXPIRE a 10 soon", "-ERR Unsupported option soon"),
            ("EXPIRE missing x soon", "-ERR Unsupported option soon"),
            ("EXPIRE a 10 NX soon", "-ERR Unsupported option soon"),
            ("EXPIRE a x NX XX", not_together),
            ("EXPIRE a 10 GT NX", not_together),
            (
                "EXPIRE a 10 GT LT",
                "-ERR GT and LT options at the same time are not compatible",
            ),
        ] {
            server.check(line, expect);
        }
        for name in ["expire", "pexpire", "expireat"] {
            for key in ["a", "missing"] {
                let line = format!("{name} {key} 9223372036854775807");
                server.check(&line, &overflow(name));
            }
        }
        server.check("EXPIRE a 9223372036854775", &overflow("expire"));
        server.check("EXPIRE a -9223372036854775808", &overflow("expire"));
        server.check("TTL a", ":-1");
    }

    #[test]
    fn the_time_that_is_left() {
        let mut server = TestServer::new();
        server.run("SET a 1");
        server.check("TTL missing", ":-2");
        server.check("PTTL missing", ":-2");
        server.check("EXPIRETIME missing", ":-2");
        server.check("PEXPIRETIME a", ":-1");
        server.run("PEXPIRE a 1500");
        server.check("TTL a", ":2");
        server.check("PTTL a", ":1500");
        server.check("EXPIRETIME a", ":1700000002");
        server.check("PEXPIRETIME a", ":1700000001500");
        server.advance_ms(1001);
        server.check("TTL a", ":0");
        server.check("PTTL a", ":499");
        server.advance_ms(499);
        server.check("PTTL a", ":0");
        server.check("EXISTS a", ":1");
        server.log();
        server.advance_ms(1);
        server.check("PTTL a", ":-2");
        server.check_log(&["DEL a"]);
        server.run("SET a 1");
        server.check("PEXPIREAT a 9223372036854775807", ":1");
        server.check("EXPIRETIME a", ":9223372036854776");
        server.check("PEXPIRETIME a", ":9223372036854775807");
    }

    #[test]
    fn persist() {
        let mut server = TestServer::new();
        server.run("SET a 1");
        server.check_all("PERSIST a", ":0", &[], &[]);
        server.check_all("PERSIST missing", ":0", &[], &[]);
        server.run("EXPIRE a 10");
        server.check_all("PERSIST a", ":1", &["PERSIST a"], &["persist a"]);
        server.check("TTL a", ":-1");
        server.advance_ms(20_000);
        server.check("EXISTS a", ":1");
    }

    #[test]
    fn watchers_hear_of_it() {
        let mut server = TestServer::new();
        server.run("SET a 1");
        for (line, changes) in [
            ("EXPIRE a 10", true),
            ("EXPIRE a 10 NX", false),
            ("TTL a", false),
            ("PERSIST a", true),
            ("PERSIST a", false),
            ("EXPIRE a -1", true),
            ("EXPIRE a 10", false),
        ] {
            server.run("WATCH a");
            server.run(line);
            assert_eq!(server.session.watch_flag.is_raised(), changes, "{line}");
            server.run("UNWATCH");
        }
    }
}
