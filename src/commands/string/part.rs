//! Parts of a value: its length, its end, ranges of it.

use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::config::Param;
use crate::shared::session::Origin;
use crate::store::effects::event::STRING;
use crate::store::entry::Entry;
use crate::store::keyspace::Key;
use crate::store::view::Ttl;

pub fn strlen(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let len = match cx.store.read(cx.session.db, args.key()) {
        Some(entry) => entry.string_bytes().ok_or(CmdError::WrongType)?.len(),
        None => 0,
    };
    cx.reply.integer(len as i64);
    Ok(Outcome::Done)
}

pub fn append(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, tail) = (args.key(), args.bytes());
    let db = cx.session.db;
    let len_max = len_max(cx);
    let Some(mut entry) = cx.store.write(db, key) else {
        cx.store.set_string(db, key, tail, Ttl::Set(None));
        return Ok(changed(cx, key, "append", tail.len()));
    };
    let old_len = entry.string_bytes().ok_or(CmdError::WrongType)?.len();
    let len = check_len(old_len as u64, tail, len_max)?;
    entry.update(|entry| entry.append(tail));
    drop(entry);
    cx.store.touch(db, key);
    Ok(changed(cx, key, "append", len))
}

pub fn setrange(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let offset = args.i64();
    args.check()?;
    let offset = u64::try_from(offset).map_err(|_| CmdError::text(NO_OFFSET))?;
    let bytes = args.bytes();
    let db = cx.session.db;
    let len_max = len_max(cx);
    if bytes.is_empty() {
        return reply_len_now(cx, key);
    }
    let end = check_len(offset, bytes, len_max);
    let Some(mut entry) = cx.store.write(db, key) else {
        let end = end?;
        let value = Entry::string(key.bytes, b"", None).set_range(offset as usize, bytes);
        cx.store.put(db, key, value);
        return Ok(changed(cx, key, "setrange", end));
    };
    let old_len = entry.string_bytes().ok_or(CmdError::WrongType)?.len();
    let end = end?;
    entry.update(|entry| entry.set_range(offset as usize, bytes));
    drop(entry);
    cx.store.touch(db, key);
    Ok(changed(cx, key, "setrange", old_len.max(end)))
}

const NO_OFFSET: &str = "ERR offset is out of range";

pub fn getrange(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let (start, end) = (args.i64(), args.i64());
    args.check()?;
    let bytes = match cx.store.read(cx.session.db, key) {
        Some(entry) => entry.string_bytes().ok_or(CmdError::WrongType)?,
        None => &[],
    };
    cx.reply.bulk(range(bytes, start, end));
    Ok(Outcome::Done)
}

/// The bytes from `start` to `end`, both included, both counted from the end if negative.
fn range(bytes: &[u8], start: i64, end: i64) -> &[u8] {
    if start < 0 && end < 0 && start > end {
        return &[];
    }
    let len = bytes.len() as i64;
    let from_front = |at: i64| if at < 0 { (len + at).max(0) } else { at };
    let (start, end) = (from_front(start), from_front(end).min(len - 1));
    if start > end {
        return &[];
    }
    &bytes[start as usize..=end as usize]
}

/// SETRANGE of nothing changes nothing, and makes no key.
fn reply_len_now(cx: &mut Cx, key: Key) -> Result<Outcome, CmdError> {
    let len = match cx.store.peek(cx.session.db, key) {
        Some(entry) => entry.string_bytes().ok_or(CmdError::WrongType)?.len(),
        None => 0,
    };
    cx.reply.integer(len as i64);
    Ok(Outcome::Done)
}

fn changed(cx: &mut Cx, key: Key, event: &'static str, len: usize) -> Outcome {
    cx.event(STRING, event, key);
    cx.dirty(1);
    cx.reply.integer(len as i64);
    Outcome::Done
}

/// How long a value may become. What the leader did is done, however long.
fn len_max(cx: &Cx) -> u64 {
    match cx.session.origin {
        Origin::Client => cx.shared.config.get_bytes(Param::ProtoMaxBulkLen),
        Origin::Leader => i64::MAX as u64,
    }
}

/// The length of a value with `bytes` at `offset`, if that is allowed.
fn check_len(offset: u64, bytes: &[u8], len_max: u64) -> Result<usize, CmdError> {
    let end = offset.checked_add(bytes.len() as u64);
    end.filter(|&end| end <= len_max)
        .map(|end| end as usize)
        .ok_or(CmdError::StringTooLong)
}

#[cfg(test)]
mod tests {
    use super::range;
    use crate::commands::testing::TestServer;

    const TOO_LONG: &str = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";

    #[test]
    fn append_and_its_length() {
        let mut server = TestServer::new();
        server.check_all("STRLEN a", ":0", &[], &["keymiss a"]);
        server.check_all(
            "APPEND a 12",
            ":2",
            &["APPEND a 12"],
            &["new a", "append a"],
        );
        server.check_all("APPEND a 34", ":4", &["APPEND a 34"], &["append a"]);
        server.check_all("APPEND a \"\"", ":4", &["APPEND a \"\""], &["append a"]);
        server.check("GET a", "\"1234\"");
        server.check("STRLEN a", ":4");
    }

    /// Through all the sizes at which a string changes its form.
    #[test]
    fn a_string_grows_byte_by_byte() {
        let mut server = TestServer::new();
        server.run("SET ttl x EX 100");
        let mut model = b"x".to_vec();
        for step in 0..3000u32 {
            let byte = [b'a' + (step % 26) as u8];
            let reply = server.run_args(&[b"APPEND", &b"ttl"[..], &byte]);
            model.extend(byte);
            assert_eq!(reply, format!(":{}", model.len()));
        }
        let expect = format!("\"{}\"", model.escape_ascii());
        server.check("GET ttl", &expect);
        server.advance_ms(100_001);
        server.check("GET ttl", "nil");
    }

    #[test]
    fn setrange() {
        let mut server = TestServer::new();
        server.check("SETRANGE a 3 \"\"", ":0");
        server.check("SETRANGE a -1 \"\"", "-ERR offset is out of range");
        server.check(
            "SETRANGE a x b",
            "-ERR value is not an integer or out of range",
        );
        server.check("STRLEN a", ":0");
        server.check_all(
            "SETRANGE a 3 ab",
            ":5",
            &["SETRANGE a 3 ab"],
            &["new a", "setrange a"],
        );
        server.check("GET a", "\"\\x00\\x00\\x00ab\"");
        server.check_all("SETRANGE a 1 \"\"", ":5", &[], &[]);
        server.check_all(
            "SETRANGE a 1 xyz",
            ":5",
            &["SETRANGE a 1 xyz"],
            &["setrange a"],
        );
        server.check("GET a", "\"\\x00xyzb\"");
        server.check("SETRANGE a 2000 end", ":2003");
        server.check("GETRANGE a 1998 -1", "\"\\x00\\x00end\"");
    }

    #[test]
    fn no_string_grows_beyond_the_limit() {
        let mut server = TestServer::with(&[("proto-max-bulk-len", "1mb")]);
        server.check("SETRANGE a 1048575 x", ":1048576");
        server.check_all("APPEND a y", TOO_LONG, &[], &[]);
        server.check_all("SETRANGE a 1048576 y", TOO_LONG, &[], &[]);
        server.check("SETRANGE b 1048576 y", TOO_LONG);
        server.check("SETRANGE b 9223372036854775807 y", TOO_LONG);
        server.check("SETRANGE b 9223372036854775807 \"\"", ":0");
        server.check("STRLEN a", ":1048576");
        server.check("STRLEN b", ":0");
    }

    /// INT is what looks like one and was set whole; what was changed in place is RAW.
    #[test]
    fn encodings() {
        let mut server = TestServer::new();
        let mut check = |line: &str, expect: &str| {
            server.run(line);
            let key = server.shared.keyspace.key(b"a");
            let encoding = server.with_locked(|locked| {
                let entry = locked.peek(0, key);
                entry.map(|entry| entry.encoding().name())
            });
            assert_eq!(encoding, Some(expect), "{line}");
        };
        check("APPEND a 12", "int");
        check("APPEND a 12", "raw");
        check("SET a 12", "int");
        check("SET a 012", "embstr");
        check("INCRBYFLOAT a 1", "embstr");
        check("INCR a", "int");
        check("SETRANGE a 0 5", "raw");
        check("INCR a", "int");
    }

    #[test]
    fn getrange() {
        let mut server = TestServer::new();
        server.check("GETRANGE a 0 -1", "\"\"");
        server.check(
            "GETRANGE a 0 x",
            "-ERR value is not an integer or out of range",
        );
        server.check("SET a Hello", "+OK");
        server.check("GETRANGE a 1 -2", "\"ell\"");
        server.check("SUBSTR a 1 1", "\"e\"");
    }

    #[test]
    fn ranges() {
        fn check(start: i64, end: i64, expect: &str) {
            let found = range(b"Hello", start, end);
            assert_eq!(found, expect.as_bytes(), "{start} {end}");
        }
        check(0, 4, "Hello");
        check(0, -1, "Hello");
        check(-100, -1, "Hello");
        check(i64::MIN, i64::MAX, "Hello");
        check(-3, -1, "llo");
        check(-1, -3, "");
        check(3, 1, "");
        check(5, 9, "");
        check(4, 9, "o");
        check(0, -100, "H");
        check(0, -5, "H");
        assert_eq!(range(b"", 0, -1), b"");
        assert_eq!(range(b"", -1, 0), b"");
    }
}
