//! Values as numbers.

use crate::base::long_double::LongDouble;
use crate::base::number::{digits, parse_i64};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::store::effects::event::STRING;
use crate::store::entry::Entry;
use crate::store::keyspace::Key;
use crate::store::view::Ttl;

pub fn incr(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    add(cx, args.key(), 1)
}

pub fn decr(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    add(cx, args.key(), -1)
}

pub fn incrby(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, by) = (args.key(), args.i64());
    args.check()?;
    add(cx, key, by)
}

pub fn decrby(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, by) = (args.key(), args.i64());
    args.check()?;
    let by = by
        .checked_neg()
        .ok_or(CmdError::text("ERR decrement would overflow"))?;
    add(cx, key, by)
}

fn add(cx: &mut Cx, key: Key, by: i64) -> Result<Outcome, CmdError> {
    let db = cx.session.db;
    let mut buffer = digits();
    let Some(mut entry) = cx.store.write(db, key) else {
        cx.store.set_string(db, key, buffer.of(by), Ttl::Set(None));
        return Ok(counted(cx, key, by));
    };
    let old = entry.string_bytes().ok_or(CmdError::WrongType)?;
    let old = parse_i64(old).ok_or(CmdError::NotInteger)?;
    let sum = old.checked_add(by).ok_or(CmdError::IncrOverflow)?;
    let (text, expire_at_ms) = (buffer.of(sum), entry.expire_at_ms());
    if !entry.try_overwrite_string(text, expire_at_ms) {
        let resized = Entry::string(key.bytes, text, expire_at_ms);
        resized.set_access(entry.access());
        entry.replace(resized);
    }
    drop(entry);
    cx.store.touch(db, key);
    Ok(counted(cx, key, sum))
}

fn counted(cx: &mut Cx, key: Key, sum: i64) -> Outcome {
    cx.event(STRING, "incrby", key);
    cx.dirty(1);
    cx.reply.integer(sum);
    Outcome::Done
}

/// Logged as a SET of the sum: another machine might round differently.
pub fn incrbyfloat(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, by) = (args.key(), args.bytes());
    let by = LongDouble::parse(by).ok_or(CmdError::NotFloat);
    let db = cx.session.db;
    let mut text = Vec::new();
    if let Some(sum) = add_float(cx, key, by, &mut text)? {
        cx.store.put(db, key, sum);
    } else {
        cx.store.touch(db, key);
    }
    cx.event(STRING, "incrbyfloat", key);
    cx.dirty(1);
    cx.reply.bulk(&text);
    cx.log_instead(&[b"SET", key.bytes, &text, b"KEEPTTL"]);
    Ok(Outcome::Done)
}

/// Puts the sum in the place of an old value, or returns what is to be put in. What is
/// wrong with the value is said before what is wrong with the argument.
fn add_float(
    cx: &mut Cx,
    key: Key,
    by: Result<LongDouble, CmdError>,
    text: &mut Vec<u8>,
) -> Result<Option<Entry>, CmdError> {
    let Some(mut entry) = cx.store.write(cx.session.db, key) else {
        format_sum(by?, text)?;
        return Ok(Some(Entry::text(key.bytes, text, None)));
    };
    let old = entry.string_bytes().ok_or(CmdError::WrongType)?;
    let old = LongDouble::parse(old).ok_or(CmdError::NotFloat)?;
    format_sum(old.add(by?), text)?;
    let sum = Entry::text(key.bytes, text, entry.expire_at_ms());
    sum.set_access(entry.access());
    entry.replace(sum);
    Ok(None)
}

fn format_sum(sum: LongDouble, text: &mut Vec<u8>) -> Result<(), CmdError> {
    if sum.is_nan() || sum.is_infinite() {
        let error = "ERR increment would produce NaN or Infinity";
        return Err(CmdError::text(error));
    }
    sum.format(text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::TestServer;

    const NO_INTEGER: &str = "-ERR value is not an integer or out of range";
    const OVERFLOW: &str = "-ERR increment or decrement would overflow";
    const NO_FLOAT: &str = "-ERR value is not a valid float";
    const NOT_FINITE: &str = "-ERR increment would produce NaN or Infinity";

    #[test]
    fn integers() {
        let mut server = TestServer::new();
        server.check_all("INCR a", ":1", &["INCR a"], &["new a", "incrby a"]);
        server.check_all("INCRBY a 10", ":11", &["INCRBY a 10"], &["incrby a"]);
        server.check_all("DECRBY a 3", ":8", &["DECRBY a 3"], &["incrby a"]);
        server.check("DECR a", ":7");
        server.check("DECRBY b -5", ":5");
        server.check("INCRBY a -100", ":-93");
        server.check("GET a", "\"-93\"");
        server.check("INCRBY a x", NO_INTEGER);
        server.check(
            "DECRBY a -9223372036854775808",
            "-ERR decrement would overflow",
        );
        server.check("SET a 9223372036854775807", "+OK");
        server.check_all("INCR a", OVERFLOW, &[], &[]);
        server.check("INCRBY a -9223372036854775808", ":-1");
        server.check("SET a -9223372036854775808", "+OK");
        server.check("DECR a", OVERFLOW);
        for no_integer in [
            "x",
            "\" 1\"",
            "+1",
            "01",
            "1.0",
            "\"\"",
            "9223372036854775808",
        ] {
            server.check(&format!("SET a {no_integer}"), "+OK");
            server.check("INCR a", NO_INTEGER);
        }
    }

    #[test]
    fn counting_keeps_the_time_to_live() {
        let mut server = TestServer::new();
        server.run("SET a 9 PX 10");
        for expect in 10..2000 {
            server.check("INCR a", &format!(":{expect}"));
        }
        server.run("INCRBYFLOAT a 0.5");
        server.advance_ms(11);
        server.check_all(
            "INCR a",
            ":1",
            &["MULTI", "DEL a", "INCR a", "EXEC"],
            &["expired a", "new a", "incrby a"],
        );
    }

    #[test]
    fn floats() {
        let mut server = TestServer::new();
        server.check_all(
            "INCRBYFLOAT a 1.5",
            "\"1.5\"",
            &["SET a 1.5 KEEPTTL"],
            &["new a", "incrbyfloat a"],
        );
        server.check_all(
            "INCRBYFLOAT a 1.5e0",
            "\"3\"",
            &["SET a 3 KEEPTTL"],
            &["incrbyfloat a"],
        );
        server.check("INCR a", ":4");
        server.check("SET a 0.1", "+OK");
        server.check("INCRBYFLOAT a 0.2", "\"0.3\"");
        server.check("INCRBYFLOAT a x", NO_FLOAT);
        server.check("INCRBYFLOAT a nan", NO_FLOAT);
        server.check("INCRBYFLOAT b x", NO_FLOAT);
        server.check_all("INCRBYFLOAT a inf", NOT_FINITE, &[], &[]);
        server.check("INCRBYFLOAT b -inf", NOT_FINITE);
        server.check("GET b", "nil");
        server.check("SET a abc", "+OK");
        server.check("INCRBYFLOAT a 1", NO_FLOAT);
    }
}
