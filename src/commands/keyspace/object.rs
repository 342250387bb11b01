//! OBJECT and MEMORY USAGE: how a value is kept.

use crate::base::number::parse_i64;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::help;
use crate::config::Param;
use crate::store::entry::Entry;
use crate::store::keyspace::Key;
use crate::store::usage;
use crate::table::SlotRef;
use crate::types::Encoding;

/// The reference count of a value that Redis would not count references to.
const SHARED: i64 = i32::MAX as i64;
/// Redis keeps one object for each integer below this.
const SHARED_INTEGERS: i64 = 10_000;
/// What a key takes in its table, at the fill that tables have on average.
const TABLE_BYTES_PER_KEY: usize = 9;

/// Counted as a read, but neither marked as used nor announced as a miss.
fn ask<'a>(cx: &'a mut Cx, key: Key) -> Option<SlotRef<'a, Entry>> {
    let is_there = cx.store.exists(cx.session.db, key);
    let effects = cx.store.effects();
    effects.hits += u64::from(is_there);
    effects.misses += u64::from(!is_there);
    cx.store.peek(cx.session.db, key)
}

pub fn encoding(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let encoding = ask(cx, args.key()).map(|entry| entry.encoding().name());
    match encoding {
        Some(name) => cx.reply.bulk(name.as_bytes()),
        None => cx.reply.null(),
    }
    Ok(Outcome::Done)
}

/// Behind the errors of both: the bits of a key are no use to the other kind of policy.
const WHEN_SWITCHED: &str = "Please note that when switching between policies at runtime LRU and \
                             LFU data will take some time to adjust.";

pub fn frequency(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let Some(access) = ask(cx, args.key()).map(|entry| entry.access()) else {
        cx.reply.null();
        return Ok(Outcome::Done);
    };
    let Some(lfu) = cx.shared.lfu() else {
        return Err(CmdError::err(format!(
            "An LFU maxmemory policy is not selected, access frequency not tracked. \
             {WHEN_SWITCHED}"
        )));
    };
    let counter = lfu.counter(access, cx.now_ms());
    cx.reply.integer(counter.into());
    Ok(Outcome::Done)
}

pub fn idle_time(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let Some(access) = ask(cx, args.key()).map(|entry| entry.access()) else {
        cx.reply.null();
        return Ok(Outcome::Done);
    };
    if cx.shared.eviction_policy().is_lfu() {
        return Err(CmdError::err(format!(
            "An LFU maxmemory policy is selected, idle time not tracked. {WHEN_SWITCHED}"
        )));
    }
    let idle = usage::idle_seconds(cx.store.lru_clock(), access);
    cx.reply.integer(idle.into());
    Ok(Outcome::Done)
}

/// Nothing is shared here, but small integers are reported as Redis does: it shares none that
/// have to know when or how often they were used.
pub fn reference_count(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let policy = cx.shared.eviction_policy();
    let has_limit = cx.shared.config.get_bytes(Param::MaxMemory) > 0;
    let shares = !(has_limit && (policy.is_lru() || policy.is_lfu()));
    let shared = ask(cx, args.key()).map(|entry| {
        let number = entry.string_bytes().and_then(parse_i64);
        let is_small = number.is_some_and(|n| (0..SHARED_INTEGERS).contains(&n));
        shares && entry.encoding() == Encoding::Int && is_small
    });
    match shared {
        Some(true) => cx.reply.integer(SHARED),
        Some(false) => cx.reply.integer(1),
        None => cx.reply.null(),
    }
    Ok(Outcome::Done)
}

pub fn memory_usage(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    while !args.is_empty() {
        if args.left() < 2 || !args.take("samples") {
            return Err(CmdError::Syntax);
        }
        // How large a value is is known here: no samples are taken.
        let samples = args.i64();
        args.check()?;
        if samples < 0 {
            return Err(CmdError::Syntax);
        }
    }
    let found = cx.store.peek(cx.session.db, key);
    match found.map(|entry| entry.heap_bytes() + TABLE_BYTES_PER_KEY) {
        Some(bytes) => cx.reply.integer(bytes as i64),
        None => cx.reply.null(),
    }
    Ok(Outcome::Done)
}

pub fn object_help(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    let lines = [
        "ENCODING <key>",
        "    How the value of <key> is kept.",
        "FREQ <key>",
        "    How often <key> is used, on the scale of the LFU counter.",
        "IDLETIME <key>",
        "    For how many seconds <key> was not used.",
        "REFCOUNT <key>",
        "    How many references there are to the value of <key>.",
    ];
    help::reply(cx, "OBJECT", &lines)
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::TestServer;

    #[test]
    fn how_a_value_is_kept() {
        let mut server = TestServer::new();
        server.run("SET a 1");
        server.run("SET b 10000");
        server.check("OBJECT ENCODING a", "\"int\"");
        server.check("OBJECT REFCOUNT a", ":2147483647");
        server.check("OBJECT REFCOUNT b", ":1");
        server.advance_ms(90_000);
        server.check("OBJECT IDLETIME a", ":90");
        let frequency = server.run("OBJECT FREQ a");
        assert!(frequency.starts_with("-ERR An LFU maxmemory policy is not selected, "));
        for name in ["ENCODING", "REFCOUNT", "IDLETIME", "FREQ"] {
            server.check_all(&format!("OBJECT {name} missing"), "nil", &[], &[]);
        }
        assert!(
            server
                .run("OBJECT HELP")
                .starts_with("[+OBJECT <subcommand> ")
        );
    }

    #[test]
    fn how_much_memory_it_takes() {
        let mut server = TestServer::new();
        server.run("SET aaaaaaaaaaaaaaaa 12345678901234567890123456789012");
        server.check("MEMORY USAGE aaaaaaaaaaaaaaaa", ":65");
        server.check("MEMORY USAGE aaaaaaaaaaaaaaaa SAMPLES 0 SAMPLES 5", ":65");
        server.check("MEMORY USAGE missing", "nil");
        server.check("MEMORY USAGE a SAMPLES", "-ERR syntax error");
        server.check("MEMORY USAGE a SAMPLES -1", "-ERR syntax error");
        server.check("MEMORY USAGE a WHOLE 1", "-ERR syntax error");
        let no_integer = "-ERR value is not an integer or out of range";
        server.check("MEMORY USAGE a SAMPLES x", no_integer);
    }
}
