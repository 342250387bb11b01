//! KEYS, SCAN, RANDOMKEY, DBSIZE: what looks at a whole database.

use crate::base::number::digits;
use crate::base::rng::Rng;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::scan;
use crate::types::Kind;

pub fn keys(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let pattern = args.bytes();
    let names = cx.reply.array_deferred();
    let mut count = 0;
    let (store, reply) = (&*cx.store, &mut *cx.reply);
    store.for_each(cx.session.db, |entry| {
        let is_wanted = !reply.is_too_much() && scan::matches(pattern, entry.key());
        if is_wanted && !store.is_hidden(entry) {
            reply.bulk(entry.key());
            count += 1;
        }
    });
    cx.reply.finish_array(names, count);
    Ok(Outcome::Done)
}

pub fn scan(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let cursor = scan::cursor(args.bytes())?;
    let options = scan::options(args, scan::Of::Keys)?;
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
    let next = store.scan(db, cursor, options.count, |entry| {
        if !scan::matches(options.pattern, entry.key()) || !is_wanted(entry.kind()) {
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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use crate::commands::testing::TestServer;
    use crate::store::locked::Expiry;

    /// One call of SCAN: the next cursor and the keys.
    fn step(server: &mut TestServer, cursor: &str, options: &str) -> (String, Vec<String>) {
        let reply = server.run(&format!("SCAN {cursor} {options}"));
        let (cursor, keys) = reply
            .strip_prefix("[\"")
            .and_then(|rest| rest.split_once("\", ["))
            .unwrap_or_else(|| panic!("{reply}"));
        let keys = keys.trim_end_matches(']').split(", ");
        let keys = keys.filter(|key| !key.is_empty());
        let keys = keys.map(|key| key.trim_matches('"').to_owned());
        (cursor.to_owned(), keys.collect())
    }

    /// A whole pass: how many calls it took, and the keys.
    fn pass(server: &mut TestServer, options: &str) -> (usize, Vec<String>) {
        let (mut calls, mut found, mut cursor) = (0, Vec::new(), "0".to_owned());
        loop {
            let (next, keys) = step(server, &cursor, options);
            found.extend(keys);
            calls += 1;
            if next == "0" {
                return (calls, found);
            }
            cursor = next;
        }
    }

    #[test]
    fn a_pass_gives_every_key_once() {
        let mut server = TestServer::new();
        server.check("SCAN 0", "[\"0\", []]");
        for n in 0..2000 {
            server.run(&format!("SET key:{n} {n}"));
        }
        let (calls, mut keys) = pass(&mut server, "");
        assert!((100..=200).contains(&calls), "{calls} calls");
        keys.sort();
        assert_eq!(keys.len(), 2000);
        keys.dedup();
        assert_eq!(keys.len(), 2000);
        assert_eq!(pass(&mut server, "COUNT 100000").0, 1);
        assert_eq!(pass(&mut server, "COUNT 9223372036854775807").0, 1);
        assert_eq!(pass(&mut server, "MATCH key:1?").1.len(), 10);
        assert_eq!(pass(&mut server, "MATCH * TYPE StrinG").1.len(), 2000);
        assert_eq!(pass(&mut server, "TYPE list").1.len(), 0);
        assert_eq!(pass(&mut server, "TYPE strange COUNT 100").1.len(), 0);
    }

    #[test]
    fn what_stays_is_met_while_the_rest_comes_and_goes() {
        let mut server = TestServer::new();
        for n in 0..500 {
            server.run(&format!("SET stays:{n} {n}"));
        }
        let (mut cursor, mut seen, mut round) = ("0".to_owned(), BTreeMap::new(), 0);
        loop {
            let (next, keys) = step(&mut server, &cursor, "COUNT 20");
            for key in keys {
                *seen.entry(key).or_insert(0) += 1;
            }
            // Tables grow fivefold in the first half and shrink again in the second.
            for n in 0..200 {
                let n = round % 13 * 200 + n;
                let name = if round < 13 { "SET" } else { "DEL" };
                let value = if round < 13 { "x" } else { "" };
                server.run(&format!("{name} passes:{n} {value}"));
            }
            round += 1;
            if next == "0" {
                break;
            }
            cursor = next;
        }
        for n in 0..500 {
            assert_eq!(seen.get(&format!("stays:{n}")), Some(&1), "stays:{n}");
        }
    }

    #[test]
    fn due_keys_are_not_given() {
        let mut server = TestServer::new();
        server.run("SET a 1 PX 1");
        server.run("SET b 1 PX 1");
        server.advance_ms(2);
        server.check_all("KEYS *", "[]", &[], &[]);
        server.expiry = Expiry::Hide;
        server.check_all("SCAN 0", "[\"0\", []]", &[], &[]);
        server.check("DBSIZE", ":2");
        server.expiry = Expiry::Ignore;
        server.check("SCAN 0 MATCH a", "[\"0\", [\"a\"]]");
        server.expiry = Expiry::Delete;
        let empty = "[\"0\", []]";
        server.check_all("SCAN 0 MATCH a", empty, &["DEL a"], &["expired a"]);
        server.check_all("SCAN 0 TYPE set", empty, &[], &[]);
        server.check("DBSIZE", ":1");
    }

    #[test]
    fn what_is_no_scan() {
        let mut server = TestServer::new();
        let cursor = "-ERR invalid cursor";
        let syntax = "-ERR syntax error";
        for (line, expect) in [
            ("SCAN x", cursor),
            ("SCAN -1", cursor),
            ("SCAN \"\"", cursor),
            ("SCAN \"0 \"", cursor),
            ("SCAN 18446744073709551616", cursor),
            ("SCAN 18446744073709551615", "[\"0\", []]"),
            ("SCAN \" +01\"", "[\"0\", []]"),
            ("SCAN x COUNT", cursor),
            ("SCAN 0 COUNT", syntax),
            ("SCAN 0 COUNT 0", syntax),
            (
                "SCAN 0 COUNT x",
                "-ERR value is not an integer or out of range",
            ),
            ("SCAN 0 MATCH", syntax),
            ("SCAN 0 TYPE", syntax),
            ("SCAN 0 SOMEHOW now", syntax),
            (
                "SCAN 0 NOVALUES",
                "-ERR NOVALUES option can only be used in HSCAN",
            ),
        ] {
            server.check(line, expect);
        }
    }

    #[test]
    fn keys_by_pattern() {
        let mut server = TestServer::new();
        for key in ["one", "two", "three", "\\x00"] {
            server.run(&format!("SET \"{key}\" 1"));
        }
        server.check("KEYS t?o", "[\"two\"]");
        server.check("KEYS [^t]n*", "[\"one\"]");
        server.check("KEYS nothing", "[]");
        server.check("KEYS \"\\x00\"", "[\"\\x00\"]");
        server.run("SELECT 1");
        server.check("KEYS *", "[]");
    }

    #[test]
    fn counted() {
        let mut server = TestServer::new();
        server.check("DBSIZE", ":0");
        server.check("RANDOMKEY", "nil");
        for n in 0..50 {
            server.run(&format!("SET key:{n} {n}"));
            server.run(&format!("SET key:{n} {n} EX 10"));
        }
        server.run("SELECT 1");
        server.check("DBSIZE", ":0");
        server.run("SET a 1");
        server.check("DBSIZE", ":1");
        server.run("SWAPDB 0 1");
        server.check("DBSIZE", ":50");
        server.run("DEL key:1 key:2");
        server.run("RENAME key:3 key:4");
        server.run("RENAME key:5 key:1");
        server.run("COPY key:6 key:2");
        server.check("DBSIZE", ":48");
        server.run("FLUSHDB");
        server.check("DBSIZE", ":0");
        server.run("SET a 1");
        server.check("DBSIZE", ":1");
    }

    #[test]
    fn any_key_may_be_drawn() {
        let mut server = TestServer::new();
        for n in 0..10 {
            server.run(&format!("SET {n} x"));
        }
        let drawn: BTreeSet<String> = (0..500).map(|_| server.run("RANDOMKEY")).collect();
        assert_eq!(drawn.len(), 10);
        // One key that stays among many that are due.
        for n in 0..1000 {
            server.run(&format!("SET due:{n} x PX 1"));
        }
        (1..10).for_each(|n| _ = server.run(&format!("DEL {n}")));
        server.advance_ms(2);
        (0..10).for_each(|_| server.check("RANDOMKEY", "\"0\""));
        // A follower whose keys are all due answers one of them.
        server.run("FLUSHALL");
        server.run("SET a 1 PX 1");
        server.advance_ms(2);
        server.expiry = Expiry::Hide;
        server.check("RANDOMKEY", "\"a\"");
        server.expiry = Expiry::Delete;
        server.check("RANDOMKEY", "nil");
    }
}
