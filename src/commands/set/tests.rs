//! Sets as clients, followers and subscribers see them.

use std::collections::{BTreeSet, HashSet};

use crate::commands::testing::TestServer;

/// A server whose sets leave their small forms early.
fn small() -> TestServer {
    TestServer::with(&[
        ("set-max-intset-entries", "4"),
        ("set-max-listpack-entries", "3"),
        ("set-max-listpack-value", "8"),
    ])
}

/// The members in a reply, of whatever order.
fn members(reply: &str) -> BTreeSet<String> {
    let reply = reply.trim_start_matches('~').trim_matches(['[', ']']);
    let words = reply.split(", ").filter(|word| !word.is_empty());
    words
        .map(|word| word.trim_matches('"').to_owned())
        .collect()
}

#[track_caller]
fn check_members(server: &mut TestServer, line: &str, expect: &str) {
    let expect: BTreeSet<String> = expect.split_whitespace().map(str::to_owned).collect();
    assert_eq!(members(&server.run(line)), expect, "{line}");
}

#[test]
fn members_come_and_go() {
    let mut server = TestServer::new();
    let events = ["new s", "sadd s"];
    server.check_all("SADD s a b a", ":2", &["SADD s a b a"], &events);
    server.check_all("SADD s b", ":0", &[], &[]);
    server.check("SCARD s", ":2");
    server.check("SISMEMBER s a", ":1");
    server.check("SISMEMBER s x", ":0");
    server.check("SMISMEMBER s a x b", "[:1, :0, :1]");
    server.check_all("SREM s x", ":0", &[], &[]);
    server.check_all("SREM s x a a", ":1", &["SREM s x a a"], &["srem s"]);
    server.check_all("SREM s b", ":1", &["SREM s b"], &["srem s", "del s"]);
    server.check("EXISTS s", ":0");
    assert_eq!(server.changes(), 4);
    server.check("SCARD s", ":0");
    server.check("SISMEMBER s a", ":0");
    server.check("SMISMEMBER s a b", "[:0, :0]");
    server.check("SREM s a", ":0");
    server.check("SMEMBERS s", "[]");
}

#[test]
fn other_types_are_refused() {
    let mut server = TestServer::new();
    server.run("SET s text");
    server.run("SADD t a");
    for line in [
        "SADD s a",
        "SREM s a",
        "SMOVE s t a",
        "SMOVE t s a",
        "SCARD s",
        "SISMEMBER s a",
        "SMISMEMBER s a",
        "SMEMBERS s",
        "SSCAN s 0",
        "SPOP s",
        "SPOP s 1",
        "SRANDMEMBER s",
        "SRANDMEMBER s 1",
        "SINTER t x s",
        "SINTERCARD 2 x s",
        "SINTERSTORE d x s",
        "SUNION t s",
        "SUNIONSTORE d s",
        "SDIFF t s",
        "SDIFFSTORE d t s",
    ] {
        let error = "-WRONGTYPE Operation against a key holding the wrong kind of value";
        server.log();
        server.check(line, error);
        server.check_log(&[]);
    }
    server.check("SMOVE nokey s a", ":0");
}

#[test]
fn forms_follow_the_thresholds() {
    let mut server = small();
    for (line, encoding) in [
        ("SADD s 1 2 3 4", "intset"),
        ("SADD s 1 2 3 4 5", "hashtable"),
        ("SADD s a 2 3", "listpack"),
        ("SADD s a 2 3 4", "hashtable"),
        ("SADD s 1 a", "listpack"),
        ("SADD s a a a a", "hashtable"),
        ("SADD s ninebytes", "hashtable"),
    ] {
        server.run("DEL s");
        server.run(line);
        server.check("OBJECT ENCODING s", &format!("\"{encoding}\""));
    }
    server.run("CONFIG SET set-max-listpack-entries 10");
    server.run("DEL s");
    server.run("SADD s a 2 3 4");
    server.check("OBJECT ENCODING s", "\"listpack\"");
}

#[test]
fn a_member_moves() {
    let mut server = TestServer::new();
    server.run("SADD a x y");
    let events = ["srem a", "new b", "sadd b"];
    server.check_all("SMOVE a b x", ":1", &["SMOVE a b x"], &events);
    server.check_all("SMOVE a b x", ":0", &[], &[]);
    server.check_all("SMOVE a a y", ":1", &[], &[]);
    server.check_all("SMOVE a a x", ":0", &[], &[]);
    server.check_all("SMOVE x a x", ":0", &[], &[]);
    server.run("SADD b y");
    server.check_all("SMOVE a b y", ":1", &["SMOVE a b y"], &["srem a", "del a"]);
    check_members(&mut server, "SMEMBERS b", "x y");
}

#[test]
fn one_is_popped() {
    for sets in ["1 2 3", "a b c", "a b c d e"] {
        let mut server = small();
        server.run(&format!("SADD s {sets}"));
        let mut left: HashSet<&str> = sets.split(' ').collect();
        while !left.is_empty() {
            server.log();
            server.events();
            let popped = server.run("SPOP s");
            let popped = popped.trim_matches('"');
            assert!(left.remove(popped), "{popped}");
            server.check_log(&[&format!("SREM s {popped}")]);
            let events = ["spop s", "del s"];
            server.check_events(&events[..1 + usize::from(left.is_empty())]);
        }
        server.check("EXISTS s", ":0");
        server.check_all("SPOP s", "nil", &[], &[]);
    }
}

#[test]
fn many_are_popped() {
    let many: Vec<String> = (0..3000).map(|n| format!("m{n}")).collect();
    for (sets, count) in [
        ("1 2 3", 2),
        ("a b c", 1),
        ("a b c d e", 3),
        ("a b c d e f", 5),
    ] {
        let mut server = small();
        server.run(&format!("SADD s {sets}"));
        server.events();
        server.log();
        let popped = members(&server.run(&format!("SPOP s {count}")));
        assert_eq!(popped.len(), count);
        let logged = server.log().concat();
        let logged: BTreeSet<_> = logged.split(' ').skip(2).map(str::to_owned).collect();
        assert_eq!(logged, popped);
        server.check_events(&["spop s"]);
        let mut all = members(&server.run("SMEMBERS s"));
        assert!(all.is_disjoint(&popped));
        all.extend(popped);
        assert_eq!(all, sets.split(' ').map(str::to_owned).collect());
    }
    for (count, records) in [(2000, 2), (2990, 3)] {
        let mut server = TestServer::new();
        server.run(&format!("SADD s {}", many.join(" ")));
        server.log();
        assert_eq!(
            members(&server.run(&format!("SPOP s {count}"))).len(),
            count
        );
        let log = server.log();
        assert_eq!((log.len(), &log[0][..]), (2 + records, "MULTI"));
        assert_eq!(log[1].split(' ').count(), 2 + 1024);
        server.check("SCARD s", &format!(":{}", 3000 - count));
        let encoding = if count == 2990 {
            "listpack"
        } else {
            "hashtable"
        };
        server.check("OBJECT ENCODING s", &format!("\"{encoding}\""));
    }
}

#[test]
fn all_are_popped() {
    for count in [3, 10] {
        let mut server = TestServer::resp3();
        server.run("SADD s 3 2 1");
        let (line, all) = (format!("SPOP s {count}"), "~[\"1\", \"2\", \"3\"]");
        server.check_all(&line, all, &["DEL s"], &["spop s", "del s"]);
        server.check_all(&line, "~[]", &[], &[]);
    }
    let mut server = TestServer::new();
    server.run("SADD s a");
    server.check_all("SPOP s 0", "[]", &[], &[]);
    let count = "-ERR value is out of range, must be positive";
    server.check("SPOP s -1", count);
    server.check("SPOP s x", count);
    server.check("SPOP s x y", "-ERR syntax error");
}

#[test]
fn picks_leave_everything_as_it_is() {
    for (mut server, array) in [(TestServer::new(), "[]"), (TestServer::resp3(), "[]")] {
        server.run("SADD s a b c");
        let mut seen = BTreeSet::new();
        for _ in 0..100 {
            seen.extend(members(&server.run("SRANDMEMBER s")));
        }
        assert_eq!(seen.len(), 3);
        assert_eq!(members(&server.run("SRANDMEMBER s 2")).len(), 2);
        check_members(&mut server, "SRANDMEMBER s 5", "a b c");
        let twenty = server.run("SRANDMEMBER s -20");
        assert_eq!(twenty.matches(", ").count(), 19);
        server.check("SRANDMEMBER s 0", array);
        server.check("SRANDMEMBER x 5", array);
        server.check("SRANDMEMBER x -5", array);
        server.check("SCARD s", ":3");
    }
    let mut server = TestServer::new();
    server.check("SRANDMEMBER x", "nil");
    let integer = "-ERR value is not an integer or out of range";
    let range = "-ERR value is out of range, value must between \
                 -9223372036854775807 and 9223372036854775807";
    server.check("SRANDMEMBER x y", integer);
    server.check("SRANDMEMBER x -9223372036854775808", range);
    server.check("SRANDMEMBER x y z", "-ERR syntax error");
}

#[test]
fn what_sets_have_in_common() {
    let mut server = small();
    server.run("SADD i 1 2 3");
    server.run("SADD l 2 a");
    server.run("SADD h 2 3 a b c");
    for (line, expect) in [
        ("SINTER i", "1 2 3"),
        ("SINTER i h", "2 3"),
        ("SINTER h i", "2 3"),
        ("SINTER i l h", "2"),
        ("SINTER h h l", "2 a"),
        ("SINTER i x", ""),
        ("SUNION i l", "1 2 3 a"),
        ("SUNION i x", "1 2 3"),
        ("SUNION x", ""),
        ("SUNION h i l", "1 2 3 a b c"),
        ("SDIFF i", "1 2 3"),
        ("SDIFF i h", "1"),
        ("SDIFF h i l", "b c"),
        ("SDIFF h i h", ""),
        ("SDIFF x i", ""),
        ("SDIFF i x", "1 2 3"),
    ] {
        check_members(&mut server, line, expect);
    }
    server.check("SUNION i i", "[\"1\", \"2\", \"3\"]");
}

#[test]
fn counting_what_is_common() {
    let mut server = TestServer::new();
    server.run("SADD a 1 2 3 x");
    server.run("SADD b 2 3 x y");
    let few = "-ERR numkeys should be greater than 0";
    let args = "-ERR Number of keys can't be greater than number of args";
    let limit = "-ERR LIMIT can't be negative";
    for (line, expect) in [
        ("2 a b", ":3"),
        ("2 a b LIMIT 0", ":3"),
        ("2 a b LIMIT 2", ":2"),
        ("2 a b limit 9", ":3"),
        ("2 a b limit 9 limit 1", ":1"),
        ("1 a", ":4"),
        ("2 a z", ":0"),
        ("0 a", few),
        ("-1 a", few),
        ("x a", few),
        ("3 a b", args),
        ("2 a b LIMIT -1", limit),
        ("2 a b LIMIT x", limit),
        ("2 a b LIMIT", "-ERR syntax error"),
        ("1 a b", "-ERR syntax error"),
    ] {
        server.check(&format!("SINTERCARD {line}"), expect);
    }
}

#[test]
fn results_are_stored() {
    let mut server = small();
    server.run("SADD i 1 2 3");
    server.run("SADD h 2 3 a b c");
    server.run("SET d text EX 100");
    let line = "SINTERSTORE d i h";
    server.check_all(line, ":2", &[line], &["sinterstore d"]);
    server.check("OBJECT ENCODING d", "\"intset\"");
    server.check("TTL d", ":-1");
    let line = "SUNIONSTORE e i h";
    server.check_all(line, ":6", &[line], &["new e", "sunionstore e"]);
    server.check("OBJECT ENCODING e", "\"hashtable\"");
    let line = "SDIFFSTORE h h i";
    server.check_all(line, ":3", &[line], &["sdiffstore h"]);
    server.check("OBJECT ENCODING h", "\"listpack\"");
    for name in ["SINTERSTORE", "SDIFFSTORE", "SUNIONSTORE"] {
        let line = format!("{name} d x y");
        server.check_all(&line, ":0", &[&line], &["keymiss x", "keymiss y", "del d"]);
        server.check_all(&line, ":0", &[], &["keymiss x", "keymiss y"]);
        server.run("SADD d a");
    }
}

#[test]
fn a_scan_gives_every_member_once() {
    let mut server = TestServer::new();
    server.check("SSCAN x 0", "[\"0\", []]");
    server.check("SSCAN x 0 NONSENSE", "[\"0\", []]");
    server.check("SSCAN x y", "-ERR invalid cursor");
    server.run("SADD l 1 a b");
    server.check("SSCAN l 0", "[\"0\", [\"1\", \"a\", \"b\"]]");
    server.check("SSCAN l 5 MATCH [ab] COUNT 1", "[\"0\", [\"a\", \"b\"]]");
    server.check("SSCAN l 0 COUNT 0", "-ERR syntax error");
    server.check("SSCAN l 0 TYPE set", "-ERR syntax error");
    let only = "-ERR NOVALUES option can only be used in HSCAN";
    server.check("SSCAN l 0 NOVALUES", only);
    let many: Vec<String> = (0..500).map(|n| format!("m{n}")).collect();
    server.run(&format!("SADD s {}", many.join(" ")));
    let (mut cursor, mut seen, mut calls) = ("0".to_owned(), BTreeSet::new(), 0);
    loop {
        let reply = server.run(&format!("SSCAN s {cursor} COUNT 20"));
        let (next, found) = reply.split_once(", ").unwrap();
        for member in members(found) {
            assert!(seen.insert(member));
        }
        cursor = next.trim_matches(['[', '"']).to_owned();
        calls += 1;
        if cursor == "0" {
            break;
        }
    }
    assert_eq!((seen.len(), calls), (500, 25));
}

#[test]
fn what_resp3_calls_sets() {
    let mut server = TestServer::resp3();
    server.run("SADD s a");
    for line in ["SMEMBERS s", "SINTER s", "SUNION s", "SDIFF s"] {
        server.check(line, "~[\"a\"]");
        server.check(&line.replace(" s", " x"), "~[]");
    }
    server.check("SMISMEMBER s a", "[:1]");
    server.check("SRANDMEMBER s 1", "[\"a\"]");
    server.check("SPOP s 1", "~[\"a\"]");
    server.check("SPOP s", "_");
}

#[test]
fn a_dump_restores_every_form() {
    let mut server = small();
    for members in ["1 70000 -5", "a 1", "a b c d"] {
        server.run(&format!("SADD s {members}"));
        let dump = server.run("DUMP s");
        let encoding = server.run("OBJECT ENCODING s");
        server.check(&format!("RESTORE t 0 {dump} REPLACE"), "+OK");
        server.check("OBJECT ENCODING t", &encoding);
        check_members(&mut server, "SMEMBERS t", members);
        server.run("DEL s");
    }
}
