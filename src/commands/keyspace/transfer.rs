//! RENAME, RENAMENX, MOVE, COPY: the same value under another key.

use super::database;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::store::effects::event;

pub fn rename(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    move_to_key(cx, args, true)?;
    cx.reply.ok();
    Ok(Outcome::Done)
}

pub fn rename_new(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let renamed = move_to_key(cx, args, false)?;
    cx.reply.integer(i64::from(renamed));
    Ok(Outcome::Done)
}

/// False if the key keeps its name.
fn move_to_key(cx: &mut Cx, mut args: Args, replace: bool) -> Result<bool, CmdError> {
    let (from, to) = (args.key(), args.key());
    let db = cx.session.db;
    if cx.store.find(db, from).is_none() {
        return Err(CmdError::NoSuchKey);
    }
    if from.bytes == to.bytes || (cx.store.find(db, to).is_some() && !replace) {
        return Ok(false);
    }
    let entry = cx.store.remove(db, from).ok_or(CmdError::NoSuchKey)?;
    cx.store.put_new(db, to, entry.renamed(to.bytes));
    cx.event(event::GENERIC, "rename_from", from);
    cx.event(event::GENERIC, "rename_to", to);
    cx.dirty(1);
    Ok(true)
}

pub fn to_database(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let (from, to) = (cx.session.db, database::index(cx, args.bytes())?);
    if from == to {
        return Err(CmdError::SameObject);
    }
    let is_there = cx.store.find(from, key).is_some();
    if !is_there || cx.store.find(to, key).is_some() {
        cx.reply.integer(0);
        return Ok(Outcome::Done);
    }
    if let Some(entry) = cx.store.remove(from, key) {
        cx.store.put_new(to, key, entry);
    }
    let effects = cx.store.effects();
    effects.event(event::GENERIC, "move_from", from, key.bytes);
    effects.event(event::GENERIC, "move_to", to, key.bytes);
    cx.dirty(1);
    cx.reply.integer(1);
    Ok(Outcome::Done)
}

pub fn copy(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (from, to) = (args.key(), args.key());
    let from_db = cx.session.db;
    let (mut to_db, mut replace) = (from_db, false);
    while !args.is_empty() {
        if args.take("replace") {
            replace = true;
        } else if args.left() >= 2 && args.take("db") {
            to_db = database::index(cx, args.bytes())?;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    if from_db == to_db && from.bytes == to.bytes {
        return Err(CmdError::SameObject);
    }
    let copied = cx.store.read(from_db, from);
    let copied = copied.map(|entry| entry.duplicate(to.bytes));
    let Some(copied) = copied.filter(|_| cx.store.find(to_db, to).is_none() || replace) else {
        cx.reply.integer(0);
        return Ok(Outcome::Done);
    };
    copied.set_access(cx.store.access_of_new());
    cx.store.put_new(to_db, to, copied);
    let effects = cx.store.effects();
    effects.event(event::GENERIC, "copy_to", to_db, to.bytes);
    cx.dirty(1);
    cx.reply.integer(1);
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::TestServer;
    use crate::store::locked::Expiry;

    #[test]
    fn renaming() {
        let mut server = TestServer::new();
        server.run("SET a 1 EX 10");
        server.run("SET b 2");
        let events = ["new b", "rename_from a", "rename_to b"];
        server.check_all("RENAME a b", "+OK", &["RENAME a b"], &events);
        server.check("GET b", "\"1\"");
        server.check("TTL b", ":10");
        server.check("EXISTS a", ":0");
        server.check_all("RENAME b b", "+OK", &[], &[]);
        server.check_all("RENAMENX b b", ":0", &[], &[]);
        for line in ["RENAME a b", "RENAMENX a b", "RENAME a a", "RENAMENX a a"] {
            server.check_all(line, "-ERR no such key", &[], &[]);
        }
        let events = ["new a", "rename_from b", "rename_to a"];
        server.check_all("RENAMENX b a", ":1", &["RENAMENX b a"], &events);
        server.run("SET b 2");
        server.check_all("RENAMENX b a", ":0", &[], &[]);
        server.check("GET b", "\"2\"");
    }

    #[test]
    fn moving() {
        let mut server = TestServer::new();
        server.run("SET a 1 EX 10");
        let events = ["new a", "move_from a", "move_to a"];
        server.check_all("MOVE a 1", ":1", &["MOVE a 1"], &events);
        server.check_all("MOVE a 1", ":0", &[], &[]);
        server.run("SET a 2");
        server.check_all("MOVE a 1", ":0", &[], &[]);
        server.check("GET a", "\"2\"");
        server.run("SELECT 1");
        server.check("GET a", "\"1\"");
        server.check("TTL a", ":10");
        let same = "-ERR source and destination objects are the same";
        server.check("MOVE missing 1", same);
        server.check("MOVE missing 0", ":0");
        server.check("MOVE a 16", "-ERR DB index is out of range");
        server.check("MOVE a x", "-ERR value is not an integer or out of range");
    }

    #[test]
    fn copying() {
        let mut server = TestServer::new();
        server.run("SET a 1 EX 10");
        let events = ["new b", "copy_to b"];
        server.check_all("COPY a b", ":1", &["COPY a b"], &events);
        server.check_all("COPY a b", ":0", &[], &[]);
        server.run("SET b 2");
        let line = "COPY a b replace";
        server.check_all(line, ":1", &[line], &events);
        server.check("TTL b", ":10");
        server.check_all(
            "COPY a a db 2",
            ":1",
            &["COPY a a db 2"],
            &["new a", "copy_to a"],
        );
        server.check_all("COPY missing b REPLACE", ":0", &[], &["keymiss missing"]);
        let same = "-ERR source and destination objects are the same";
        let syntax = "-ERR syntax error";
        for (line, expect) in [
            ("COPY a a", same),
            ("COPY missing missing REPLACE", same),
            ("COPY a a DB 0", same),
            ("COPY a c DB", syntax),
            ("COPY a c REPLACE now", syntax),
            ("COPY a c DB 16", "-ERR DB index is out of range"),
            (
                "COPY a c DB x",
                "-ERR value is not an integer or out of range",
            ),
            ("COPY a c DB 1 DB 2 REPLACE REPLACE", ":1"),
        ] {
            server.check(line, expect);
        }
        server.run("SELECT 2");
        server.check("GET c", "\"1\"");
        server.check("GET a", "\"1\"");
    }

    #[test]
    fn a_value_keeps_its_form() {
        let mut server = TestServer::new();
        let long = "x".repeat(2000);
        for (value, encoding) in [("12", "\"int\""), ("x", "\"embstr\""), (&long, "\"raw\"")] {
            server.run(&format!("SET a {value}"));
            server.run("COPY a b REPLACE");
            server.run("RENAME b c");
            server.run("MOVE c 1");
            server.run("SELECT 1");
            server.check("OBJECT ENCODING c", encoding);
            server.check("GET c", &format!("\"{value}\""));
            server.run("FLUSHDB");
            server.run("SELECT 0");
        }
    }

    #[test]
    fn due_keys_are_out_of_the_way() {
        let mut server = TestServer::new();
        let due = |server: &mut TestServer, key: &str| {
            server.run(&format!("SET {key} old PX 1"));
            server.advance_ms(2);
        };
        server.run("SET a 1");
        due(&mut server, "b");
        let log = ["MULTI", "DEL b", "RENAMENX a b", "EXEC"];
        let events = ["expired b", "new b", "rename_from a", "rename_to b"];
        server.check_all("RENAMENX a b", ":1", &log, &events);
        due(&mut server, "c");
        server.check("RENAME c b", "-ERR no such key");
        // What a follower keeps is replaced all the same.
        server.run("SELECT 1");
        due(&mut server, "b");
        server.expiry = Expiry::Hide;
        server.run("SELECT 0");
        server.check("MOVE b 1", ":1");
        server.run("SELECT 1");
        server.check("DBSIZE", ":1");
        server.check("GET b", "\"1\"");
    }

    #[test]
    fn watchers_hear_of_both_keys() {
        for (line, key, changes) in [
            ("RENAME a b", "a", true),
            ("RENAME a b", "b", true),
            ("RENAME a a", "a", false),
            ("COPY a b", "b", true),
            ("COPY a b", "a", false),
            ("MOVE a 1", "a", true),
        ] {
            let mut server = TestServer::new();
            server.run("SET a 1");
            server.run(&format!("WATCH {key}"));
            server.run(line);
            let raised = server.session.watch_flag.is_raised();
            assert_eq!(raised, changes, "{line} with {key} watched");
        }
    }
}
