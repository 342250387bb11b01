//! DUMP and RESTORE.

use std::sync::atomic::Ordering;

use crate::base::number::{digits, parse_i64};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::expiry::is_over;
use crate::config::Param;
use crate::rdb::dump::{self, Body};
use crate::rdb::encode::Encoder;
use crate::rdb::format::type_byte;
use crate::store::effects::event;
use crate::store::entry::Entry;
use crate::store::usage::access_of_arrival;

/// Redis tries to compress strings longer than this.
const COMPRESSED_BYTES_MIN: usize = 21;

pub fn dump(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let compresses = cx.shared.config.get_bool(Param::RdbCompression);
    let found = cx.store.read(cx.session.db, args.key());
    match found.map(|entry| payload(&entry, compresses)) {
        Some(payload) => cx.reply.bulk(&payload),
        None => cx.reply.null(),
    }
    Ok(Outcome::Done)
}

/// A value as RESTORE takes it.
pub fn payload(entry: &Entry, compresses: bool) -> Vec<u8> {
    // An encoder that compresses has a large table.
    let worth_it = entry.heap_bytes() >= COMPRESSED_BYTES_MIN;
    let mut encoder = Encoder::new(compresses && worth_it);
    match (entry.string_bytes(), entry.value()) {
        (None, Some(value)) => dump::encode(&mut encoder, value),
        (text, _) => dump::encode_string(&mut encoder, text.unwrap_or_default()),
    }
}

/// What stands in front of a payload's footer, which is in order.
pub fn verified<'p>(cx: &Cx, payload: &'p [u8]) -> Result<Body<'p>, CmdError> {
    let check_crc = !cx.shared.jobs.checksums_are_skipped.load(Ordering::Relaxed);
    dump::verify(payload, check_crc).map_err(CmdError::err)
}

struct RestoreOptions {
    replace: bool,
    is_absolute: bool,
    idle_seconds: Option<i64>,
    /// Of an LFU policy.
    counter: Option<u8>,
}

pub fn restore(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let db = cx.session.db;
    let key = args.key();
    let (ttl_text, payload) = (args.bytes(), args.bytes());
    let options = restore_options(args.clone())?;
    if !options.replace && cx.store.find(db, key).is_some() {
        return Err(CmdError::BusyKey);
    }
    let ttl_ms = parse_i64(ttl_text).ok_or(CmdError::NotInteger)?;
    if ttl_ms < 0 {
        return Err(CmdError::text("ERR Invalid TTL value, must be >= 0"));
    }
    let body = verified(cx, payload)?;
    if body.bytes.first() != Some(&type_byte::STRING) {
        let verified = &cx.shared.stats.rare.payloads_verified;
        verified.fetch_add(1, Ordering::Relaxed);
    }
    let value = dump::decode(&body, &cx.shared.config.type_limits()).map_err(CmdError::err)?;
    let expire_at_ms = match (ttl_ms, options.is_absolute) {
        (0, _) => None,
        (at_ms, true) => Some(at_ms),
        (after_ms, false) => Some(cx.now_ms().saturating_add(after_ms)),
    };
    cx.reply.ok();
    if expire_at_ms.is_some_and(|at_ms| is_over(cx, at_ms)) {
        if let Some(replaced) = cx.store.remove(db, key) {
            cx.store.effects().discard(replaced);
            cx.event(event::GENERIC, "del", key);
            cx.log_deletion(key.bytes, Param::LazyfreeLazyServerDel);
            cx.dirty(1);
        }
        return Ok(Outcome::Done);
    }
    let entry = Entry::with_value(key.bytes, value, expire_at_ms);
    let (idle_seconds, counter) = (options.idle_seconds, options.counter);
    entry.set_access(access_of_arrival(
        cx.store.lfu,
        cx.now_ms(),
        idle_seconds,
        counter,
    ));
    cx.store.put_new(db, key, entry);
    if let (Some(at_ms), false) = (expire_at_ms, options.is_absolute) {
        log_with_absolute(cx, &args, at_ms);
    }
    cx.event(event::GENERIC, "restore", key);
    cx.dirty(1);
    Ok(Outcome::Done)
}

fn restore_options(mut args: Args) -> Result<RestoreOptions, CmdError> {
    let mut options = RestoreOptions {
        replace: false,
        is_absolute: false,
        idle_seconds: None,
        counter: None,
    };
    while !args.is_empty() {
        let has_value = args.left() >= 2;
        if args.take("replace") {
            options.replace = true;
        } else if args.take("absttl") {
            options.is_absolute = true;
        } else if has_value && options.counter.is_none() && args.take("idletime") {
            let seconds = args.i64();
            args.check()?;
            if seconds < 0 {
                return Err(CmdError::text("ERR Invalid IDLETIME value, must be >= 0"));
            }
            options.idle_seconds = Some(seconds);
        } else if has_value && options.idle_seconds.is_none() && args.take("freq") {
            let counter = args.i64();
            args.check()?;
            let counter = u8::try_from(counter)
                .map_err(|_| CmdError::text("ERR Invalid FREQ value, must be >= 0 and <= 255"))?;
            options.counter = Some(counter);
        } else {
            return Err(CmdError::Syntax);
        }
    }
    Ok(options)
}

/// Logs the request with the moment of expiry in place of the time that is left.
fn log_with_absolute(cx: &mut Cx, args: &Args, at_ms: i64) {
    let mut text = digits();
    let at_text = text.of(at_ms);
    let mut request: Vec<&[u8]> = args.argv().iter().collect();
    request[2] = at_text;
    request.push(b"ABSTTL");
    cx.log_instead(&request);
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::{START_MS, TestServer};
    use crate::rdb::dump::seal;
    use crate::rdb::format::Dialect;
    use crate::store::locked::Expiry;

    // What a Redis 8 answers to DUMP.
    const HELLO: &[u8] = b"\x00\x05hello\x0c\x00\xa8\x04\xeb\xb6\x9f\x1e\xbeC";
    const NUMBER_123: &[u8] = b"\x00\xc0{\x0c\x00\x83\x94g!\xfaP\xf9\xf0";
    const A_HUNDRED_TIMES: &[u8] = b"\x00\xc3\x09@d\x01aa\xe0W\x00\x01aa\x0c\x00#\xd5\x81\xc7JGl8";

    fn restore(server: &mut TestServer, payload: &[u8], ttl: &str, options: &str) -> String {
        let mut args: Vec<&[u8]> = vec![b"RESTORE", b"a", ttl.as_bytes(), payload];
        args.extend(options.split_whitespace().map(str::as_bytes));
        server.run_args(&args)
    }

    /// The log since the last look, its payloads left out.
    fn log(server: &mut TestServer) -> Vec<String> {
        let lines = server.log();
        let words = |line: &String| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
        let shown = |mut words: Vec<String>| {
            if words.len() > 3 {
                words[3] = "payload".to_owned();
            }
            words.join(" ")
        };
        lines.iter().map(words).map(shown).collect()
    }

    #[test]
    fn payloads_of_redis() {
        let mut server = TestServer::new();
        let long = "a".repeat(100);
        for (payload, value, encoding) in [
            (HELLO, "hello", "\"embstr\""),
            (NUMBER_123, "123", "\"int\""),
            (A_HUNDRED_TIMES, &long, "\"raw\""),
        ] {
            assert_eq!(restore(&mut server, payload, "0", "REPLACE"), "+OK");
            server.check("GET a", &format!("\"{value}\""));
            server.check("OBJECT ENCODING a", encoding);
            server.check("TTL a", ":-1");
        }
        // The same value in the same form; only the footer names an older version.
        for payload in [HELLO, NUMBER_123] {
            restore(&mut server, payload, "0", "REPLACE");
            let dumped = server.run("DUMP a");
            let body = payload[..payload.len() - 10].escape_ascii().to_string();
            assert!(dumped.starts_with(&format!("\"{body}")), "{dumped}");
        }
        server.run(&format!("SET a {long}"));
        let packed = server.run("DUMP a");
        assert!(packed.starts_with("\"\\x00\\xc3"), "{packed}");
        server.check_all("DUMP missing", "nil", &[], &["keymiss missing"]);
        let plain = &mut TestServer::with(&[("rdbcompression", "no")]);
        plain.run(&format!("SET a {long}"));
        assert!(plain.run("DUMP a").contains(&long));
    }

    #[test]
    fn what_is_logged() {
        let mut server = TestServer::new();
        assert_eq!(restore(&mut server, HELLO, "0", "idletime 7"), "+OK");
        server.check("OBJECT IDLETIME a", ":7");
        server.check_events(&["new a", "restore a"]);
        assert_eq!(log(&mut server), ["RESTORE a 0 payload idletime 7"]);
        assert_eq!(restore(&mut server, HELLO, "1500", "REPLACE"), "+OK");
        server.check_events(&["new a", "restore a"]);
        let moment = START_MS + 1500;
        let expect = format!("RESTORE a {moment} payload REPLACE ABSTTL");
        assert_eq!(log(&mut server), [expect]);
        server.check("PTTL a", ":1500");
        let later = (START_MS + 9000).to_string();
        assert_eq!(restore(&mut server, HELLO, &later, "absttl replace"), "+OK");
        let expect = format!("RESTORE a {later} payload absttl replace");
        assert_eq!(log(&mut server), [expect]);
        server.check("PTTL a", ":9000");
        assert_eq!(server.changes(), 3);
    }

    #[test]
    fn what_is_over_is_not_restored() {
        let mut server = TestServer::new();
        assert_eq!(restore(&mut server, HELLO, "1", "ABSTTL"), "+OK");
        server.check("EXISTS a", ":0");
        server.check_log(&[]);
        server.run("SET a 1");
        server.log();
        server.events();
        assert_eq!(restore(&mut server, HELLO, "1", "ABSTTL REPLACE"), "+OK");
        server.check_events(&["del a"]);
        server.check("EXISTS a", ":0");
        server.check_log(&["DEL a"]);
        // A follower keeps it until its leader deletes it.
        server.shared.role.set_follower(true);
        server.expiry = Expiry::Ignore;
        assert_eq!(restore(&mut server, HELLO, "1", "ABSTTL"), "+OK");
        server.check("DBSIZE", ":1");
    }

    #[test]
    fn what_is_refused() {
        let mut server = TestServer::new();
        // A list whose listpack has nothing of the entry that it counts.
        let list = b"\x12\x01\x02\x07\x07\0\0\0\x01\0\xff".to_vec();
        let list = &seal(list, Dialect::Redis)[..];
        let mut broken = HELLO.to_vec();
        broken[3] = b'E';
        let checksum = "-ERR DUMP payload version or checksum are wrong";
        let no_integer = "-ERR value is not an integer or out of range";
        let idle = "-ERR Invalid IDLETIME value, must be >= 0";
        let frequency = "-ERR Invalid FREQ value, must be >= 0 and <= 255";
        let syntax = "-ERR syntax error";
        for (payload, ttl, options, expect) in [
            (&broken[..], "0", "", checksum),
            (b"", "0", "", checksum),
            (list, "0", "", "-ERR Bad data format"),
            (b"", "-1", "", "-ERR Invalid TTL value, must be >= 0"),
            (b"", "x", "", no_integer),
            (b"", "x", "NOW", syntax),
            (b"", "x", "IDLETIME", syntax),
            (b"", "x", "IDLETIME x", no_integer),
            (b"", "x", "IDLETIME -1", idle),
            (b"", "x", "FREQ x", no_integer),
            (b"", "x", "FREQ 256", frequency),
            (b"", "x", "FREQ -1", frequency),
            (b"", "x", "FREQ 1 IDLETIME 1", syntax),
            (b"", "x", "IDLETIME 1 FREQ 1", syntax),
        ] {
            assert_eq!(restore(&mut server, payload, ttl, options), expect);
        }
        assert_eq!(restore(&mut server, HELLO, "0", "FREQ 1"), "+OK");
        let busy = "-BUSYKEY Target key name already exists.";
        assert_eq!(restore(&mut server, b"", "x", ""), busy);
        server.check("GET a", "\"hello\"");
    }
}
