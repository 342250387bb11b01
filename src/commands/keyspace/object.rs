//! OBJECT and MEMORY USAGE: how a value is kept.

use crate::base::number::parse_i64;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::help;
use crate::store::entry::Entry;
use crate::store::keyspace::Key;
use crate::table::SlotRef;
use crate::types::Encoding;

/// The reference count of a value that Redis would not count references to.
const SHARED: i64 = i32::MAX as i64;
/// Redis keeps one object for each integer below this.
const SHARED_INTEGERS: i64 = 10_000;
/// What a key takes in its table, at the fill that tables have on average.
const TABLE_BYTES_PER_KEY: usize = 9;
/// The clock of last use turns over here.
const ACCESS_CLOCK_MASK: u32 = 0xff_ffff;

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

pub fn frequency(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    if ask(cx, args.key()).is_some() {
        return Err(CmdError::text(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please \
             note that when switching between policies at runtime LRU and LFU data will take \
             some time to adjust.",
        ));
    }
    cx.reply.null();
    Ok(Outcome::Done)
}

pub fn idle_time(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let access = ask(cx, args.key()).map(|entry| entry.access());
    let clock = cx.store.lru_clock();
    match access {
        Some(access) => {
            let idle = clock.wrapping_sub(access) & ACCESS_CLOCK_MASK;
            cx.reply.integer(i64::from(idle));
        }
        None => cx.reply.null(),
    }
    Ok(Outcome::Done)
}

/// The value of `access` for a key that was last used so long ago.
pub fn access_of_idle(clock: u32, idle_seconds: i64) -> u32 {
    // What the clock cannot express is as old as it can express.
    let idle = idle_seconds.clamp(0, i64::from(ACCESS_CLOCK_MASK)) as u32;
    clock.wrapping_sub(idle) & ACCESS_CLOCK_MASK
}

/// Nothing is shared here, but small integers are reported as Redis does.
pub fn reference_count(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let shared = ask(cx, args.key()).map(|entry| {
        let number = entry.string_bytes().and_then(parse_i64);
        let is_small = number.is_some_and(|n| (0..SHARED_INTEGERS).contains(&n));
        entry.encoding() == Encoding::Int && is_small
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
    use super::*;
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

    #[test]
    fn the_clock_of_last_use_turns_over() {
        assert_eq!(access_of_idle(100, 30), 70);
        assert_eq!(access_of_idle(10, 11), ACCESS_CLOCK_MASK);
        assert_eq!(access_of_idle(10, i64::MAX), 11);
    }
}
