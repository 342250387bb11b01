//! Fields whose time is over.

use super::{servers, sorted};
use crate::commands::testing::{START_MS, TestServer};
use crate::store::locked::Expiry;

/// A field that is over is gone for who asks for it, and then for everybody.
#[test]
fn who_asks_for_a_field_that_is_over_takes_it_out() {
    for mut server in servers() {
        let mut check = |line: &str, expect: &str, log: &[&str], events: &[&str]| {
            server.run("DEL h");
            server.run("HSET h a 1 b 2 c 3");
            server.run("HPEXPIRE h 10 FIELDS 2 a b");
            server.advance_ms(11);
            server.check_all(line, expect, log, events);
        };
        let one = (&["HDEL h a"][..], &["hexpired h"][..]);
        check("HGET h a", "nil", one.0, one.1);
        check("HEXISTS h a", ":0", one.0, one.1);
        check("HSTRLEN h a", ":0", one.0, one.1);
        let both = &["MULTI", "HDEL h a", "HDEL h b", "EXEC"][..];
        check("HMGET h a b c", "[nil, nil, \"3\"]", both, one.1);
        check("HGETDEL h FIELDS 2 a b", "[nil, nil]", both, one.1);
        check("HGETEX h FIELDS 2 a b", "[nil, nil]", both, one.1);
        check("HGETEX h EX 9 FIELDS 2 a b", "[nil, nil]", both, one.1);
        check("HRANDFIELD h", "\"c\"", both, one.1);
        check("HRANDFIELD h 5", "[\"c\"]", both, one.1);
        check("HGETALL h", "[\"c\", \"3\"]", &[], &[]);
        check("HKEYS h", "[\"c\"]", &[], &[]);
        check("HVALS h", "[\"3\"]", &[], &[]);
        check("HSCAN h 0", "[\"0\", [\"c\", \"3\"]]", &[], &[]);
        check("HLEN h", ":3", &[], &[]);
        check("HTTL h FIELDS 3 a b c", "[:-2, :-2, :-1]", &[], &[]);
        check("HDEL h a x", ":1", &["HDEL h a x"], &["hdel h"]);
        check("HPERSIST h FIELDS 1 a", "[:-2]", one.0, one.1);
        check("HEXPIRE h 10 FIELDS 1 a", "[:-2]", one.0, one.1);
        check("HSET h a 9", ":1", &["HSET h a 9"], &["hset h"]);
        check(
            "HSETNX h a 9",
            ":1",
            &["MULTI", "HDEL h a", "HSETNX h a 9", "EXEC"],
            &["hexpired h", "hset h"],
        );
        check(
            "HINCRBY h a 9",
            ":9",
            &["MULTI", "HDEL h a", "HINCRBY h a 9", "EXEC"],
            &["hexpired h", "hincrby h"],
        );
        check("HSETEX h FXX FIELDS 2 a 1 b 2", ":0", both, one.1);
        check(
            "HSETEX h KEEPTTL FIELDS 1 a 9",
            ":1",
            &["MULTI", "HDEL h a", "HSET h a 9", "EXEC"],
            &["hexpired h", "hset h"],
        );
        server.check("HTTL h FIELDS 1 a", "[:-1]");
        assert!(server.shared.stats.sum(|stats| &stats.expired_fields) == 0);
    }
}

#[test]
fn the_key_goes_with_its_last_field() {
    for mut server in servers() {
        let mut check = |line: &str, expect: &str, log: &[&str], events: &[&str]| {
            server.run("DEL h");
            server.run("HSET h a 1");
            server.run("HPEXPIRE h 10 FIELDS 1 a");
            server.advance_ms(10);
            server.check("HGET h a", "\"1\"");
            server.advance_ms(1);
            server.check("EXISTS h", ":1");
            server.check_all(line, expect, log, events);
        };
        let events = &["hexpired h", "del h"][..];
        check("HGET h a", "nil", &["HDEL h a"], events);
        // The hash was there when it was asked for: no miss, though it ends by that.
        check("HRANDFIELD h", "nil", &["HDEL h a"], events);
        check("HRANDFIELD h 2", "[]", &["HDEL h a"], events);
        check("HGETDEL h FIELDS 1 a", "[nil]", &["HDEL h a"], events);
        check(
            "HINCRBY h a 5",
            ":5",
            &["MULTI", "HDEL h a", "HINCRBY h a 5", "EXEC"],
            &["hexpired h", "del h", "new h", "hincrby h"],
        );
        check("HDEL h a", ":1", &["HDEL h a"], &["hdel h", "del h"]);
    }
}

#[test]
fn a_follower_hides_fields_and_keeps_them() {
    for mut server in servers() {
        server.run("HSET h a 1 b 2");
        server.run("HPEXPIRE h 10 FIELDS 1 a");
        server.advance_ms(11);
        server.shared.role.set_follower(true);
        server.expiry = Expiry::Hide;
        server.check_all("HGET h a", "nil", &[], &[]);
        server.check_all("HMGET h a b", "[nil, \"2\"]", &[], &[]);
        server.check_all("HGETALL h", "[\"b\", \"2\"]", &[], &[]);
        for _ in 0..20 {
            server.check_all("HRANDFIELD h", "\"b\"", &[], &[]);
            server.check("HRANDFIELD h 2", "[\"b\"]");
            server.check("HRANDFIELD h -2", "[\"b\", \"b\"]");
        }
        server.check("HLEN h", ":2");
        server.expiry = Expiry::Ignore;
        server.check("HGET h a", "\"1\"");
        server.check("HINCRBY h a 1", ":2");
        server.check("HPEXPIREAT h 5 FIELDS 1 b", "[:1]");
        server.check("HPEXPIREAT h 99999999999999999 FIELDS 1 a", "[:1]");
        server.check("HPEXPIRETIME h FIELDS 2 a b", "[:70368744177663, :5]");
        server.check("HLEN h", ":2");
    }
}

#[test]
fn watchers_hear_of_it() {
    for mut server in servers() {
        server.run("HSET h a 1 b 2 c 3");
        server.run("HPEXPIRE h 10 FIELDS 1 a");
        for (line, changes) in [
            ("HSET h c 4", true),
            ("HDEL h x", false),
            ("HEXPIRE h 10 XX FIELDS 1 b", false),
            ("HEXPIRE h 10 FIELDS 1 b", true),
            ("HPERSIST h FIELDS 1 b", true),
            ("HGETEX h FIELDS 1 b", false),
            ("HGET h a", false),
        ] {
            server.run("WATCH h");
            server.run(line);
            assert_eq!(server.session.watch_flag.is_raised(), changes, "{line}");
            server.run("UNWATCH");
        }
        server.advance_ms(11);
        server.run("WATCH h");
        server.run("HGET h a");
        assert!(server.session.watch_flag.is_raised());
    }
}

/// INFO's count, through everything that moves, copies and ends hashes.
#[test]
fn hashes_with_times_are_counted() {
    for mut server in servers() {
        let mut check = |line: &str, expect: [u64; 2]| {
            server.run(line);
            let counts = server.with_locked(|locked| [0, 1].map(|db| locked.timed_hashes(db)));
            assert_eq!(counts, expect, "{line}");
        };
        check("HSET h a 1 b 2", [0, 0]);
        check("HEXPIRE h 10 FIELDS 1 a", [1, 0]);
        check("HEXPIRE h 20 FIELDS 2 a b", [1, 0]);
        check("HDEL h a", [1, 0]);
        check("HPERSIST h FIELDS 1 b", [0, 0]);
        check("HSETEX h EX 10 FIELDS 1 c 1", [1, 0]);
        check("COPY h i", [2, 0]);
        check("RENAME h i", [1, 0]);
        check("MOVE i 1", [0, 1]);
        check("SWAPDB 0 1", [1, 0]);
        check("COPY i j DB 1", [1, 1]);
        check("HSET i c 1", [0, 1]);
        check("HSETEX i EX 10 FIELDS 1 c 1", [1, 1]);
        check("SET i x", [0, 1]);
        check("DEL i", [0, 1]);
        check("HSETEX k EX 10 FIELDS 1 c 1", [1, 1]);
        check(
            "SET k \"a longer string than any that would fit where the hash was\"",
            [0, 1],
        );
        check("HSETEX l EX 10 FIELDS 1 c 1", [1, 1]);
        check("EXPIRE l 0", [0, 1]);
        check("HSETEX l EX 10 FIELDS 1 c 1", [1, 1]);
        check("HGETEX l EX 0 FIELDS 1 c", [0, 1]);
        check("FLUSHALL", [0, 0]);
        check("HSETEX l PX 10 FIELDS 1 c 1", [1, 0]);
        server.advance_ms(11);
        server.run("HGET l c");
        assert_eq!(server.with_locked(|locked| locked.timed_hashes(0)), 0);
        server.check("EXISTS l", ":0");
    }
}

#[test]
fn the_expiry_task_takes_fields_out() {
    for mut server in servers() {
        server.run("HSET h a 1 b 2 c 3");
        server.run("HPEXPIRE h 10 FIELDS 2 a b");
        server.run("HSET i a 1");
        server.run("HPEXPIRE i 20 FIELDS 1 a");
        server.run("HSET j a 1");
        server.run("HPEXPIRE j 5 FIELDS 1 a");
        server.run("HSET j a 1");
        server.log();
        server.events();
        server.advance_ms(11);
        rounds(&mut server, usize::MAX);
        assert_eq!(sorted(&server.log().join(", ")), ["HDEL h a", "HDEL h b"]);
        server.check_events(&["hexpired h"]);
        server.check("HLEN h", ":1");
        server.advance_ms(10);
        rounds(&mut server, usize::MAX);
        server.check_log(&["HDEL i a"]);
        server.check_events(&["hexpired i", "del i"]);
        server.check("EXISTS i j", ":1");
        server.with_locked(|locked| assert_eq!(locked.due_shard(0), None));
    }
}

/// Very many fields at once are taken out in bounded rounds, whose number depends on how
/// many there are.
#[test]
fn a_round_is_bounded() {
    let mut server = TestServer::new();
    for n in 0..5000 {
        server.run(&format!(
            "HSETEX h PXAT {} FIELDS 1 field:{n} 1",
            START_MS + 5
        ));
    }
    server.run("HSET h stays 1");
    server.advance_ms(10);
    let len = |server: &mut TestServer| -> usize { server.run("HLEN h")[1..].parse().unwrap() };
    let (mut left, mut parts) = (5001, 0);
    while left > 1 {
        assert!(!server.expiry_round(), "{left} are left");
        let now_left = len(&mut server);
        assert!(left - now_left <= 512);
        parts += usize::from(now_left < left);
        left = now_left;
    }
    assert_eq!(parts, 5000_usize.div_ceil(512));
    rounds(&mut server, usize::MAX);
    let log = server.log();
    let deleted = log.iter().filter(|line| line.starts_with("HDEL h field:"));
    assert_eq!(deleted.count(), 5000);
}

/// So many rounds of the expiry task, or up to the end of a pass.
fn rounds(server: &mut TestServer, count: usize) {
    for _ in 0..count {
        if server.expiry_round() {
            return;
        }
    }
}
