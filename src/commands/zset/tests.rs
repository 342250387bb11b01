//! Sorted sets through commands, in both forms.

use crate::commands::testing::TestServer;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const SYNTAX: &str = "-ERR syntax error";
const NO_FLOAT: &str = "-ERR value is not a valid float";
const NO_INTEGER: &str = "-ERR value is not an integer or out of range";
const NO_BOUNDS: &str = "-ERR min or max is not a float";
const NO_LEX: &str = "-ERR min or max not valid string range item";

/// Runs a test with listpacks, and without.
fn in_both_forms(test: impl Fn(&mut TestServer)) {
    test(&mut TestServer::new());
    test(&mut TestServer::with(&[("zset-max-listpack-entries", "0")]));
}

#[test]
fn added_and_changed() {
    in_both_forms(|server| {
        server.check_all(
            "ZADD z 1 a 2.5 b",
            ":2",
            &["ZADD z 1 a 2.5 b"],
            &["new z", "zadd z"],
        );
        server.check_all("ZADD z 1 a 2.5 b", ":0", &[], &[]);
        server.check_all("ZADD z 3 a", ":0", &["ZADD z 3 a"], &["zadd z"]);
        server.check("ZADD z CH 4 a 2.5 b 1 c", ":2");
        server.check_all("ZADD z NX 9 a", ":0", &[], &[]);
        server.check("ZADD z XX CH 9 a 9 nobody", ":1");
        server.check("ZADD z GT CH 8 a 7 b", ":1");
        server.check("ZADD z LT CH 8 a 8 b", ":1");
        server.check("ZADD z LT 1 d", ":1");
        server.check("ZRANGE z 0 -1 WITHSCORES", {
            "[\"c\", \"1\", \"d\", \"1\", \"b\", \"7\", \"a\", \"8\"]"
        });
        server.check_all("ZADD nothing XX 1 a", ":0", &[], &[]);
        server.check("EXISTS nothing", ":0");
        assert_eq!(server.changes(), 9);
    });
}

#[test]
fn incremented() {
    in_both_forms(|server| {
        server.check_all(
            "ZINCRBY z 1.5 a",
            "\"1.5\"",
            &["ZINCRBY z 1.5 a"],
            &["new z", "zincr z"],
        );
        server.check_all(
            "ZADD z INCR 2 a",
            "\"3.5\"",
            &["ZADD z INCR 2 a"],
            &["zincr z"],
        );
        server.check_all("ZADD z NX INCR 2 a", "nil", &[], &[]);
        server.check_all("ZADD z GT INCR -2 a", "nil", &[], &[]);
        server.check("ZADD z XX INCR 2 b", "nil");
        server.check("ZADD other XX INCR 2 b", "nil");
        server.check_all("ZINCRBY z 0 a", "\"3.5\"", &[], &[]);
        server.check("ZINCRBY z NX a", "-ERR syntax error");
        server.check("ZINCRBY z inf a", "\"inf\"");
        let no_number = "-ERR resulting score is not a number (NaN)";
        server.check_all("ZINCRBY z -inf a", no_number, &[], &[]);
        server.check("ZADD z INCR -inf a", no_number);
    });
    let mut server = TestServer::resp3();
    server.check("ZINCRBY z 1.5 a", ",1.5");
    server.check("ZADD z NX INCR 2 a", "_");
}

#[test]
fn what_cannot_be_added() {
    let mut server = TestServer::new();
    server.run("SET s x");
    let nx_and_xx = "-ERR XX and NX options at the same time are not compatible";
    let gt_lt_nx = "-ERR GT, LT, and/or NX options at the same time are not compatible";
    let one_pair = "-ERR INCR option supports a single increment-element pair";
    for (line, expect) in [
        ("ZADD z XX NX 1 a", nx_and_xx),
        ("ZADD z GT NX 1 a", gt_lt_nx),
        ("ZADD z LT GT 1 a", gt_lt_nx),
        ("ZADD z XX NX 1", SYNTAX),
        ("ZADD z 1 a 2", SYNTAX),
        ("ZADD z NX CH", SYNTAX),
        ("ZADD z INCR 1 a 2 b", one_pair),
        ("ZADD z x a", NO_FLOAT),
        ("ZADD z 1 a nan b", NO_FLOAT),
        ("ZADD s x a", NO_FLOAT),
        ("ZADD s 1 a", WRONG_TYPE),
        ("ZADD s XX 1 a", WRONG_TYPE),
        ("ZINCRBY z x a", NO_FLOAT),
        ("ZINCRBY s 1 a", WRONG_TYPE),
    ] {
        server.check_all(line, expect, &[], &[]);
    }
    server.check("EXISTS z", ":0");
}

#[test]
fn the_form_changes_at_the_limits() {
    let limits = [
        ("zset-max-listpack-entries", "3"),
        ("zset-max-listpack-value", "5"),
    ];
    let mut server = TestServer::with(&limits);
    let check = |server: &mut TestServer, lines: &[&str], encoding: &str| {
        server.run("FLUSHALL");
        lines.iter().for_each(|line| _ = server.run(line));
        server.check("OBJECT ENCODING z", &format!("\"{encoding}\""));
    };
    let server = &mut server;
    check(server, &["ZADD z 1 a 2 b 3 c"], "listpack");
    check(server, &["ZADD z 1 a 2 b 3 c 4 c"], "skiplist");
    check(
        server,
        &["ZADD z 1 a", "ZADD z 1 a 1 a 1 a 1 a"],
        "skiplist",
    );
    check(server, &["ZADD z 1 a 2 b 3 c", "ZADD z 4 d"], "skiplist");
    check(server, &["ZADD z 1 12345"], "listpack");
    check(server, &["ZADD z 1 123456"], "skiplist");
    check(server, &["ZADD z 1 a", "ZADD z 1 123456"], "skiplist");
    let shrunk = ["ZADD z 1 a 2 b 3 c 4 d", "ZREM z d"];
    check(server, &shrunk, "skiplist");
    let stored = ["ZADD y 1 a 2 b 3 c 4 d", "ZRANGESTORE z y 0 2"];
    check(server, &stored, "listpack");
    let stored = ["ZADD y 1 a 2 b 3 c 4 d", "ZRANGESTORE z y 0 3"];
    check(server, &stored, "skiplist");
    let stored = ["ZADD y 1 a 2 b 3 c 4 d", "ZADD x 1 d", "ZDIFFSTORE z 2 y x"];
    check(server, &stored, "listpack");
}

#[test]
fn looked_at() {
    in_both_forms(|server| {
        server.run("ZADD z 1 a 2 b 2 c 3.5 d");
        server.check("ZCARD z", ":4");
        server.check("ZCARD no", ":0");
        server.check("ZSCORE z d", "\"3.5\"");
        server.check("ZSCORE z e", "nil");
        server.check("ZMSCORE z a e d", "[\"1\", nil, \"3.5\"]");
        server.check("ZMSCORE no a", "[nil]");
        server.check("ZRANK z c", ":2");
        server.check("ZREVRANK z c", ":1");
        server.check("ZRANK z e", "nil");
        server.check("ZRANK z c WITHSCORE", "[:2, \"2\"]");
        server.check("ZREVRANK z e withscore", "nil*");
        server.check("ZRANK no c", "nil");
        server.check("ZCOUNT z 2 3.5", ":3");
        server.check("ZCOUNT z (2 (3.5", ":0");
        server.check("ZCOUNT z -inf +inf", ":4");
        server.check("ZCOUNT z 3 1", ":0");
        server.check("ZCOUNT z \"\" 1e400", ":4");
        server.run("ZADD lex 0 a 0 b 0 c 0 d");
        server.check("ZLEXCOUNT lex - +", ":4");
        server.check("ZLEXCOUNT lex [b (d", ":2");
        server.check("ZLEXCOUNT lex + -", ":0");
    });
    let mut server = TestServer::resp3();
    server.run("ZADD z 1 a 2.5 b");
    server.check("ZSCORE z b", ",2.5");
    server.check("ZRANK z b WITHSCORE", "[:1, ,2.5]");
    server.check("ZRANK z c WITHSCORE", "_");
    server.check("ZMSCORE z b c", "[,2.5, _]");
    server.run("SET s x");
    for (line, expect) in [
        ("ZCARD s", WRONG_TYPE),
        ("ZSCORE s a", WRONG_TYPE),
        ("ZMSCORE s a", WRONG_TYPE),
        ("ZRANK s a", WRONG_TYPE),
        ("ZRANK z a b", SYNTAX),
        (
            "ZRANK z a WITHSCORE b",
            "-ERR wrong number of arguments for 'zrank' command",
        ),
        ("ZCOUNT s x 1", NO_BOUNDS),
        ("ZCOUNT z \" 1\" 1", NO_BOUNDS),
        ("ZCOUNT z 0x10 1", NO_BOUNDS),
        ("ZCOUNT z nan 1", NO_BOUNDS),
        ("ZCOUNT s 1 1", WRONG_TYPE),
        ("ZLEXCOUNT z a b", NO_LEX),
        ("ZLEXCOUNT z +a +", NO_LEX),
    ] {
        server.check(line, expect);
    }
}

#[test]
fn ranges() {
    in_both_forms(|server| {
        server.run("ZADD z 1 a 2 b 3 c 4 d 5 e");
        for (line, expect) in [
            ("ZRANGE z 0 -1", "a b c d e"),
            ("ZRANGE z 1 2", "b c"),
            ("ZRANGE z -2 100", "d e"),
            ("ZRANGE z 3 1", ""),
            ("ZRANGE z 5 9", ""),
            ("ZRANGE z -100 0", "a"),
            ("ZRANGE z 0 1 REV", "e d"),
            ("ZRANGE z 0 -1 LIMIT 0 -1", "a b c d e"),
            ("ZREVRANGE z 1 2", "d c"),
            ("ZRANGE z 2 (4 BYSCORE", "b c"),
            ("ZRANGE z 4 (2 BYSCORE REV", "d c"),
            ("ZRANGE z -inf inf BYSCORE LIMIT 1 2", "b c"),
            ("ZRANGE z -inf inf BYSCORE LIMIT 1 -1", "b c d e"),
            ("ZRANGE z -inf inf BYSCORE LIMIT 9 1", ""),
            ("ZRANGE z -inf inf BYSCORE LIMIT 0 0", ""),
            ("ZRANGEBYSCORE z (1 3", "b c"),
            ("ZREVRANGEBYSCORE z 3 (1", "c b"),
            ("ZREVRANGEBYSCORE z +inf 0 LIMIT 1 2", "d c"),
            ("ZRANGE z 2 3 BYSCORE WITHSCORES", "b 2 c 3"),
        ] {
            let expect: Vec<String> = expect.split_ascii_whitespace().map(quoted).collect();
            server.check(line, &format!("[{}]", expect.join(", ")));
        }
        server.run("ZADD lex 0 a 0 b 0 c 0 d");
        server.check("ZRANGE lex [b + BYLEX", "[\"b\", \"c\", \"d\"]");
        server.check("ZRANGE lex (c - BYLEX REV LIMIT 0 1", "[\"b\"]");
        server.check("ZRANGEBYLEX lex - (b", "[\"a\"]");
        server.check("ZREVRANGEBYLEX lex + (b LIMIT 1 5", "[\"c\"]");
    });
    let mut server = TestServer::resp3();
    server.run("ZADD z 1 a 2 b");
    server.check("ZRANGE z 0 -1 WITHSCORES", "[[\"a\", ,1], [\"b\", ,2]]");
}

fn quoted(word: &str) -> String {
    format!("\"{word}\"")
}

#[test]
fn limits_from_the_end_are_those_of_the_peers() {
    let mut server = TestServer::new();
    server.run("ZADD z 1 a 2 b 3 c");
    server.check("ZRANGE z 0 9 BYSCORE LIMIT -1 5", "[]");
    let mut server = TestServer::with(&[("zset-max-listpack-entries", "0")]);
    server.run("ZADD z 1 a 2 b 3 c");
    server.check("ZRANGE z 0 9 BYSCORE LIMIT -2 5", "[\"b\", \"c\"]");
    server.check("ZRANGE z 9 0 BYSCORE REV LIMIT -1 5", "[\"a\"]");
    server.check("ZRANGE z 0 9 BYSCORE LIMIT -4 5", "[]");
}

#[test]
fn what_is_no_range() {
    let mut server = TestServer::new();
    server.run("ZADD z 1 a");
    server.run("SET s x");
    let limit = "-ERR syntax error, LIMIT is only supported in combination with either \
                 BYSCORE or BYLEX";
    let scores = "-ERR syntax error, WITHSCORES not supported in combination with BYLEX";
    for (line, expect) in [
        ("ZRANGE z 0 -1 LIMIT 0 1", limit),
        ("ZREVRANGE z 0 -1 LIMIT 0 1", limit),
        ("ZRANGE z [a [b BYLEX WITHSCORES", scores),
        ("ZRANGEBYLEX z x + WITHSCORES", scores),
        ("ZRANGE z a b", NO_INTEGER),
        ("ZRANGE z a b BYSCORE", NO_BOUNDS),
        ("ZRANGE z a b BYLEX", NO_LEX),
        ("ZRANGE z 0 -1 LIMIT 0", SYNTAX),
        ("ZRANGE z 0 -1 BYSCORE LIMIT x 1", NO_INTEGER),
        ("ZRANGE z 0 -1 BYSCORE BYLEX", SYNTAX),
        ("ZRANGEBYSCORE z 0 -1 REV", SYNTAX),
        ("ZREVRANGE z 0 -1 REV", SYNTAX),
        ("ZRANGESTORE d z 0 -1 WITHSCORES", SYNTAX),
        ("ZRANGE s 0 -1", WRONG_TYPE),
        ("ZRANGE s 0 x", NO_INTEGER),
    ] {
        server.check_all(line, expect, &[], &[]);
    }
}

#[test]
fn a_range_is_stored() {
    in_both_forms(|server| {
        server.run("ZADD z 1 a 2 b 3 c");
        server.check_all(
            "ZRANGESTORE d z 1 2",
            ":2",
            &["ZRANGESTORE d z 1 2"],
            &["new d", "zrangestore d"],
        );
        server.check("ZRANGE d 0 -1 WITHSCORES", "[\"b\", \"2\", \"c\", \"3\"]");
        server.check("ZRANGESTORE d z (1 inf BYSCORE LIMIT 1 1", ":1");
        server.check("ZRANGE d 0 -1", "[\"c\"]");
        server.check_all(
            "ZRANGESTORE d no 0 -1",
            ":0",
            &["ZRANGESTORE d no 0 -1"],
            &["keymiss no", "del d"],
        );
        server.check_all("ZRANGESTORE d z 5 6", ":0", &[], &[]);
        server.run("SET s x EX 100");
        server.check("ZRANGESTORE s z 0 0 REV", ":1");
        server.check("TTL s", ":-1");
        server.check("ZRANGESTORE z z 0 0 REV", ":1");
        server.check("ZRANGE z 0 -1", "[\"c\"]");
    });
}

#[test]
fn removed() {
    in_both_forms(|server| {
        server.run("ZADD z 1 a 2 b 3 c 4 d 5 e 6 f");
        server.check_all("ZREM z x", ":0", &[], &[]);
        server.check_all("ZREM z a x b a", ":2", &["ZREM z a x b a"], &["zrem z"]);
        server.check_all(
            "ZREMRANGEBYRANK z 0 0",
            ":1",
            &["ZREMRANGEBYRANK z 0 0"],
            &["zremrangebyrank z"],
        );
        server.check_all("ZREMRANGEBYSCORE z 10 20", ":0", &[], &[]);
        server.check_all(
            "ZREMRANGEBYSCORE z 4 (6",
            ":2",
            &["ZREMRANGEBYSCORE z 4 (6"],
            &["zremrangebyscore z"],
        );
        server.check_all(
            "ZREMRANGEBYLEX z - +",
            ":1",
            &["ZREMRANGEBYLEX z - +"],
            &["zremrangebylex z", "del z"],
        );
        server.check("ZREM z a", ":0");
        server.run("ZADD z 1 a");
        server.check_all("ZREM z a", ":1", &["ZREM z a"], &["zrem z", "del z"]);
        server.run("SET s x");
        server.check("ZREM s a", WRONG_TYPE);
        server.check("ZREMRANGEBYRANK s x 1", NO_INTEGER);
        server.check("ZREMRANGEBYRANK s 0 1", WRONG_TYPE);
        server.check("ZREMRANGEBYSCORE s x 1", NO_BOUNDS);
        server.check("ZREMRANGEBYLEX s x 1", NO_LEX);
    });
}

#[test]
fn popped() {
    in_both_forms(|server| {
        server.run("ZADD z 1 a 2 b 3 c 4 d 5 e");
        server.check_all(
            "ZPOPMIN z",
            "[\"a\", \"1\"]",
            &["ZPOPMIN z"],
            &["zpopmin z"],
        );
        server.check("ZPOPMAX z 2", "[\"e\", \"5\", \"d\", \"4\"]");
        server.check_all("ZPOPMIN z 0", "[]", &[], &[]);
        server.check_all(
            "ZMPOP 2 no z MAX COUNT 9",
            "[\"z\", [[\"c\", \"3\"], [\"b\", \"2\"]]]",
            &["ZPOPMAX z 2"],
            &["zpopmax z", "del z"],
        );
        server.check_all("ZPOPMIN z", "[]", &[], &[]);
        server.check("ZMPOP 1 z MIN", "nil*");
    });
    let mut server = TestServer::resp3();
    server.run("ZADD z 1 a 2 b 3 c 4 d 5 e");
    server.check("ZPOPMIN z", "[\"a\", ,1]");
    server.check("ZPOPMIN z 1", "[[\"b\", ,2]]");
    server.check("ZMPOP 1 z MIN", "[\"z\", [[\"c\", ,3]]]");
    server.check("BZPOPMIN z 0", "[\"z\", \"d\", ,4]");
}

#[test]
fn what_cannot_be_popped() {
    let mut server = TestServer::new();
    server.run("SET s x");
    let positive = "-ERR value is out of range, must be positive";
    let keys = "-ERR numkeys should be greater than 0";
    let count = "-ERR count should be greater than 0";
    let timeout = "-ERR timeout is not a float or out of range";
    for (line, expect) in [
        ("ZPOPMIN s", WRONG_TYPE),
        ("ZPOPMIN s 0", WRONG_TYPE),
        ("ZPOPMIN s -1", positive),
        ("ZPOPMAX s x", positive),
        ("ZPOPMAX s 1 1", SYNTAX),
        ("ZMPOP 0 s MIN", keys),
        ("ZMPOP 2 s MIN", SYNTAX),
        ("ZMPOP 1 s FOO", SYNTAX),
        ("ZMPOP 1 s MIN COUNT 0", count),
        ("ZMPOP 1 s MIN COUNT 1 COUNT 1", SYNTAX),
        ("ZMPOP 1 s MIN", WRONG_TYPE),
        ("BZMPOP x 0 s MIN", keys),
        ("BZMPOP x 1 s MIN", timeout),
        ("BZPOPMIN s x", timeout),
        ("BZPOPMIN no s 1", WRONG_TYPE),
    ] {
        server.check_all(line, expect, &[], &[]);
    }
}

#[test]
fn who_waits_is_logged_as_who_pops() {
    let mut server = TestServer::new();
    server.run("ZADD z 1 a 2 b 3 c");
    server.check_all(
        "BZPOPMAX no z 0",
        "[\"z\", \"c\", \"3\"]",
        &["ZPOPMAX z"],
        &["zpopmax z"],
    );
    server.check_all(
        "BZMPOP 0 1 z MIN COUNT 5",
        "[\"z\", [[\"a\", \"1\"], [\"b\", \"2\"]]]",
        &["ZPOPMIN z 2"],
        &["zpopmin z", "del z"],
    );
    server.check_all("BZPOPMIN z 0", "", &[], &[]);
    let crate::commands::cx::Outcome::Block(blocking) = &server.outcome else {
        panic!("it waits");
    };
    assert_eq!(blocking.keys, [Box::from(&b"z"[..])]);
}

#[test]
fn combined() {
    in_both_forms(|server| {
        server.run("ZADD a 1 x 2 y 3 z");
        server.run("ZADD b 10 y 20 z 30 w");
        for (line, expect) in [
            ("ZUNION 2 a b WITHSCORES", "x 1 y 12 z 23 w 30"),
            ("ZUNION 2 a b", "x y z w"),
            ("ZUNION 2 a b WEIGHTS 2 -1", "w z y x"),
            ("ZUNION 2 a b AGGREGATE MIN WITHSCORES", "x 1 y 2 z 3 w 30"),
            (
                "ZUNION 2 a b AGGREGATE max WITHSCORES",
                "x 1 y 10 z 20 w 30",
            ),
            ("ZINTER 2 a b WITHSCORES", "y 12 z 23"),
            ("ZINTER 2 a b WEIGHTS 0 1 WITHSCORES", "y 10 z 20"),
            ("ZINTER 2 a a WITHSCORES", "x 2 y 4 z 6"),
            ("ZINTER 2 a no", ""),
            ("ZDIFF 2 a b WITHSCORES", "x 1"),
            ("ZDIFF 2 b a WITHSCORES", "w 30"),
            ("ZDIFF 2 a a", ""),
            ("ZDIFF 2 no a", ""),
        ] {
            let expect: Vec<String> = expect.split_ascii_whitespace().map(quoted).collect();
            server.check(line, &format!("[{}]", expect.join(", ")));
        }
        server.check("ZINTERCARD 2 a b", ":2");
        server.check("ZINTERCARD 2 a b LIMIT 1", ":1");
        server.check("ZINTERCARD 2 a b LIMIT 0", ":2");
        server.run("ZADD i inf x");
        server.run("ZADD j -inf x");
        server.check("ZUNION 2 i j WITHSCORES", "[\"x\", \"0\"]");
        server.check("ZUNION 1 i WEIGHTS 0 WITHSCORES", "[\"x\", \"0\"]");
        server.check("ZINTER 1 a WEIGHTS -0 WITHSCORES", {
            "[\"x\", \"-0\", \"y\", \"-0\", \"z\", \"-0\"]"
        });
    });
    let mut server = TestServer::resp3();
    server.run("ZADD a 1 x");
    server.check("ZUNION 1 a WITHSCORES", "[[\"x\", ,1]]");
}

#[test]
fn combined_and_stored() {
    in_both_forms(|server| {
        server.run("ZADD a 1 x 2 y 3 z");
        server.run("ZADD b 10 y 20 z 30 w");
        server.check_all(
            "ZUNIONSTORE d 2 a b",
            ":4",
            &["ZUNIONSTORE d 2 a b"],
            &["new d", "zunionstore d"],
        );
        server.check_all(
            "ZINTERSTORE d 2 a b WEIGHTS 1 2",
            ":2",
            &["ZINTERSTORE d 2 a b WEIGHTS 1 2"],
            &["zinterstore d"],
        );
        server.check("ZRANGE d 0 -1 WITHSCORES", "[\"y\", \"22\", \"z\", \"43\"]");
        server.check_all(
            "ZDIFFSTORE d 2 a a",
            ":0",
            &["ZDIFFSTORE d 2 a a"],
            &["del d"],
        );
        server.check_all("ZDIFFSTORE d 2 a a", ":0", &[], &[]);
        server.check("ZUNIONSTORE a 2 a b", ":4");
        server.check("ZCARD a", ":4");
    });
}

#[test]
fn what_cannot_be_combined() {
    let mut server = TestServer::new();
    server.run("ZADD k 1 a");
    server.run("SET s x");
    let no_key = |name| format!("-ERR at least 1 input key is needed for '{name}' command");
    let weight = "-ERR weight value is not a float";
    let negative = "-ERR LIMIT can't be negative";
    server.check("ZUNION 0 k", &no_key("zunion"));
    server.check("ZINTERCARD -1 k", &no_key("zintercard"));
    server.check("ZDIFFSTORE d 0 k", &no_key("zdiffstore"));
    for (line, expect) in [
        ("ZUNION x k", NO_INTEGER),
        ("ZUNION 2 k", SYNTAX),
        ("ZUNION 1 s FOO", WRONG_TYPE),
        ("ZUNION 1 k FOO", SYNTAX),
        ("ZUNION 1 k WEIGHTS", SYNTAX),
        ("ZUNION 1 k WEIGHTS x", weight),
        ("ZUNION 1 k AGGREGATE foo", SYNTAX),
        ("ZUNION 1 k LIMIT 1", SYNTAX),
        ("ZDIFF 1 k WEIGHTS 1", SYNTAX),
        ("ZDIFF 1 k AGGREGATE SUM", SYNTAX),
        ("ZINTERCARD 1 k LIMIT -1", negative),
        ("ZINTERCARD 1 k LIMIT x", negative),
        ("ZINTERCARD 1 k WITHSCORES", SYNTAX),
        ("ZUNIONSTORE d 1 k WITHSCORES", SYNTAX),
        ("ZUNIONSTORE d 2 k s", WRONG_TYPE),
    ] {
        server.check_all(line, expect, &[], &[]);
    }
}

#[test]
fn drawn() {
    in_both_forms(|server| {
        server.run("ZADD z 1 a 2 b 3 c 4 d 5 e");
        assert_eq!(server.run("ZRANDMEMBER z").len(), 3);
        for count in 1..8 {
            let reply = server.run(&format!("ZRANDMEMBER z {count}"));
            let mut members: Vec<&str> = reply.trim_matches(['[', ']']).split(", ").collect();
            members.sort_unstable();
            members.dedup();
            assert_eq!(members.len(), count.min(5));
        }
        let reply = server.run("ZRANDMEMBER z -20 WITHSCORES");
        assert_eq!(reply.split(", ").count(), 40);
        server.check("ZRANDMEMBER z 0", "[]");
        server.check("ZRANDMEMBER no", "nil");
        server.check("ZRANDMEMBER no 5", "[]");
    });
    let mut server = TestServer::resp3();
    server.run("ZADD z 1 a");
    server.check("ZRANDMEMBER z 5 WITHSCORES", "[[\"a\", ,1]]");
    let range = "-ERR value is out of range, value must between \
                 -9223372036854775807 and 9223372036854775807";
    let pairs = "-ERR value is out of range";
    for (line, expect) in [
        ("ZRANDMEMBER z x", NO_INTEGER),
        ("ZRANDMEMBER z -9223372036854775808", range),
        ("ZRANDMEMBER z -9223372036854775807 WITHSCORES", pairs),
        ("ZRANDMEMBER z 9223372036854775807 WITHSCORES", pairs),
        ("ZRANDMEMBER z 1 foo", SYNTAX),
        ("ZRANDMEMBER z 1 WITHSCORES foo", SYNTAX),
    ] {
        server.check(line, expect);
    }
}

#[test]
fn scanned() {
    let mut server = TestServer::new();
    server.run("ZADD z -0 a 0.1 b 1e17 12");
    let all = "[\"0\", [\"a\", \"0\", \"b\", \"0.1\", \"12\", \"100000000000000000\"]]";
    server.check("ZSCAN z 0", all);
    server.check("ZSCAN z 0 MATCH 1* COUNT 1", {
        "[\"0\", [\"12\", \"100000000000000000\"]]"
    });
    server.check("ZSCAN z 0 NOSCORES", "[\"0\", [\"a\", \"b\", \"12\"]]");
    server.check("ZSCAN no 0", "[\"0\", []]");
    server.check("ZSCAN z x", "-ERR invalid cursor");
    server.check("ZSCAN z 0 COUNT 0", SYNTAX);
    server.check("ZSCAN z 0 TYPE x", SYNTAX);
    server.check("ZSCAN z 0 NOVALUES", {
        "-ERR NOVALUES option can only be used in HSCAN"
    });
    let mut server = TestServer::with(&[("zset-max-listpack-entries", "0")]);
    server.run("ZADD z -0 a");
    server.check("ZSCAN z 0", "[\"0\", [\"a\", \"-0\"]]");
    server.run("ZADD y 0.1 b");
    server.check("ZSCAN y 0", "[\"0\", [\"b\", \"0.10000000000000001\"]]");
}

#[test]
fn a_snapshot_of_the_key_is_another() {
    let mut server = TestServer::with(&[("zset-max-listpack-entries", "2")]);
    (0..500).for_each(|n| _ = server.run(&format!("ZADD z {n} member:{n}")));
    server.check("COPY z y", ":1");
    server.check("ZREMRANGEBYRANK z 0 249", ":250");
    server.check("ZCARD y", ":500");
    server.check("ZRANK y member:499", ":499");
    server.check("ZRANK z member:499", ":249");
    server.check("OBJECT ENCODING y", "\"skiplist\"");
}
