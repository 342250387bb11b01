//! Replies, errors, events and log records of hashes: those of Redis 8 where nothing else is
//! said.

mod due;

mod times;

use crate::commands::testing::TestServer;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NO_INTEGER: &str = "-ERR value is not an integer or out of range";
const NO_FIELDS: &str = "-ERR Mandatory argument FIELDS is missing or not at the right position";
const OTHER_COUNT: &str = "-ERR The `numfields` parameter must match the number of arguments";
const NO_COUNT: &str = "-ERR Number of fields must be a positive integer";
const NEGATIVE_TIME: &str = "-ERR invalid expire time, must be >= 0";

/// Both forms: what fits a listpack, and what never does.
fn servers() -> [TestServer; 2] {
    [
        TestServer::new(),
        TestServer::with(&[("hash-max-listpack-entries", "0")]),
    ]
}

/// Lines with their replies, in both forms.
fn check(lines: &[(&str, &str)]) {
    for mut server in servers() {
        for (line, expect) in lines {
            server.check(line, expect);
        }
    }
}

fn sorted(reply: &str) -> Vec<String> {
    let items = reply.trim_matches(['[', ']']).split(", ");
    let mut items: Vec<String> = items.map(str::to_owned).collect();
    items.sort();
    items
}

fn arity(name: &str) -> String {
    format!("-ERR wrong number of arguments for '{name}' command")
}

#[test]
fn fields_are_set_and_read() {
    check(&[
        ("HSET h a 1 b 2 a 3", ":2"),
        ("HSET h a 4 c x", ":1"),
        ("HMSET h d \"\"", "+OK"),
        ("HGET h a", "\"4\""),
        ("HGET h d", "\"\""),
        ("HGET h x", "nil"),
        ("HGET none a", "nil"),
        ("HMGET h a x c", "[\"4\", nil, \"x\"]"),
        ("HMGET none a b", "[nil, nil]"),
        ("HLEN h", ":4"),
        ("HLEN none", ":0"),
        ("HSTRLEN h a", ":1"),
        ("HSTRLEN h x", ":0"),
        ("HSTRLEN none x", ":0"),
        ("HEXISTS h d", ":1"),
        ("HEXISTS h x", ":0"),
        ("HEXISTS none x", ":0"),
        ("HSETNX h a 5", ":0"),
        ("HSETNX h e 5", ":1"),
        ("HGET h e", "\"5\""),
        ("HDEL h a x a", ":1"),
        ("HDEL h x", ":0"),
        ("HDEL none x", ":0"),
        ("HDEL h b c d e", ":4"),
        ("EXISTS h", ":0"),
        ("HGETALL h", "[]"),
        ("HKEYS h", "[]"),
        ("HVALS h", "[]"),
        ("TYPE h", "+none"),
    ]);
}

#[test]
fn what_is_no_hash_and_no_call() {
    for mut server in servers() {
        server.run("SET s x");
        for line in [
            "HSET s a 1",
            "HMSET s a 1",
            "HSETNX s a 1",
            "HGET s a",
            "HMGET s a",
            "HGETALL s",
            "HKEYS s",
            "HVALS s",
            "HLEN s",
            "HSTRLEN s a",
            "HEXISTS s a",
            "HDEL s a",
            "HINCRBY s a 1",
            "HINCRBYFLOAT s a 1",
            "HRANDFIELD s",
            "HRANDFIELD s 1",
            "HSCAN s 0",
            "HEXPIRE s x FOO 0",
            "HEXPIRE s 1 FIELDS 1 a",
            "HPERSIST s FOO 1 a",
            "HTTL s FOO 1 a",
            "HGETDEL s FOO 1 a",
            "HGETEX s FOO FIELDS 1 a",
            "HSETEX s EX 0 FIELDS 1 a 1",
        ] {
            let expect = match line {
                "HEXPIRE s x FOO 0" => arity("hexpire"),
                _ => WRONG_TYPE.to_owned(),
            };
            server.check_all(line, &expect, &[], &[]);
        }
        server.check("HSET h a 1 b", &arity("hset"));
        server.check("HMSET h a 1 b", &arity("hmset"));
        server.check("HSET h a", &arity("hset"));
        server.check("GET s", "\"x\"");
        server.check("EXISTS h", ":0");
        server.run("HSET h a 1");
        server.check("GET h", WRONG_TYPE);
        server.check("INCR h", WRONG_TYPE);
        server.check("APPEND h x", WRONG_TYPE);
    }
}

#[test]
fn a_whole_hash() {
    let mut server = TestServer::new();
    server.run("HSET h b 1 a 2 c 3");
    server.check("HGETALL h", "[\"b\", \"1\", \"a\", \"2\", \"c\", \"3\"]");
    server.check("HKEYS h", "[\"b\", \"a\", \"c\"]");
    server.check("HVALS h", "[\"1\", \"2\", \"3\"]");
    let mut server = TestServer::resp3();
    server.check("HGETALL h", "{}");
    server.run("HSET h b 1 a 2");
    server.check("HGETALL h", "{\"b\": \"1\", \"a\": \"2\"}");
    server.check("HKEYS h", "[\"b\", \"a\"]");
    server.check("HVALS h", "[\"1\", \"2\"]");
    server.check("HGET h x", "_");
    let mut server = TestServer::with(&[("hash-max-listpack-value", "0")]);
    server.run("HSET h b 1 a 2 c 3");
    assert_eq!(sorted(&server.run("HKEYS h")), ["\"a\"", "\"b\"", "\"c\""]);
    assert_eq!(sorted(&server.run("HVALS h")), ["\"1\"", "\"2\"", "\"3\""]);
    assert_eq!(sorted(&server.run("HGETALL h")).len(), 6);
}

#[test]
fn encodings() {
    let mut server = TestServer::with(&[("hash-max-ziplist-entries", "3")]);
    let mut check = |line: &str, encoding: &str| {
        server.run(line);
        server.check("OBJECT ENCODING h", &format!("\"{encoding}\""));
    };
    check("HSET h a 1 b 2 c 3", "listpack");
    check("HSET h a 4", "listpack");
    check("HEXPIRE h 10 FIELDS 1 b", "listpackex");
    check("HPERSIST h FIELDS 1 b", "listpackex");
    check("HSET h d 5", "hashtable");
    check("HDEL h a b c", "hashtable");
    server.run("DEL h");
    let mut check = |value: &str, encoding: &str| {
        server.run(&format!("HSET h a {value}"));
        server.check("OBJECT ENCODING h", &format!("\"{encoding}\""));
    };
    check(&"x".repeat(64), "listpack");
    check(&"x".repeat(65), "hashtable");
}

#[test]
fn counting() {
    let no_int = "-ERR hash value is not an integer";
    let no_float = "-ERR hash value is not a float";
    check(&[
        ("HINCRBY h n 5", ":5"),
        ("HINCRBY h n -7", ":-2"),
        ("HINCRBY h n x", NO_INTEGER),
        ("HINCRBY h n 1.5", NO_INTEGER),
        ("HINCRBY h n 9223372036854775807", ":9223372036854775805"),
        (
            "HINCRBY h n 3",
            "-ERR increment or decrement would overflow",
        ),
        ("HGET h n", "\"9223372036854775805\""),
        ("HSET h t abc s \" 5\" d 1.5", ":3"),
        ("HINCRBY h t 1", no_int),
        ("HINCRBY h s 1", no_int),
        ("HINCRBY h d 1", no_int),
        ("HINCRBYFLOAT h d 1.25", "\"2.75\""),
        ("HINCRBYFLOAT h t 1", no_float),
        ("HINCRBYFLOAT h s 1", no_float),
        ("HINCRBYFLOAT h d x", "-ERR value is not a valid float"),
        ("HINCRBYFLOAT h d nan", "-ERR value is not a valid float"),
        ("HINCRBYFLOAT h d inf", "-ERR value is NaN or Infinity"),
        ("HINCRBYFLOAT h f 3.0e3", "\"3000\""),
        ("HINCRBYFLOAT h f 0.5", "\"3000.5\""),
        ("HINCRBY none n x", NO_INTEGER),
        ("EXISTS none", ":0"),
        ("HINCRBYFLOAT none n 1.5", "\"1.5\""),
        ("HLEN none", ":1"),
    ]);
}

#[test]
fn what_is_logged() {
    for mut server in servers() {
        let mut check = |line: &str, log: &[&str], events: &[&str]| {
            server.log();
            server.events();
            server.run(line);
            server.check_log(log);
            assert_eq!(server.events(), events, "{line}");
        };
        check("HSET h a 1 b 2", &["HSET h a 1 b 2"], &["new h", "hset h"]);
        check("HMSET h a 1", &["HMSET h a 1"], &["hset h"]);
        check("HSETNX h a 1", &[], &[]);
        check("HSETNX h c 1", &["HSETNX h c 1"], &["hset h"]);
        check("HINCRBY h a 4", &["HINCRBY h a 4"], &["hincrby h"]);
        check("HINCRBY h a x", &[], &[]);
        check(
            "HINCRBYFLOAT h a 1.5",
            &["HSET h a 6.5"],
            &["hincrbyfloat h"],
        );
        check("HDEL h c x", &["HDEL h c x"], &["hdel h"]);
        check("HDEL h x", &[], &[]);
        check("HGETDEL h FIELDS 2 a x", &["HDEL h a x"], &["hdel h"]);
        check("HGETDEL h FIELDS 1 x", &[], &[]);
        check("HDEL h b", &["HDEL h b"], &["hdel h", "del h"]);
        check("HGET h a", &[], &["keymiss h"]);
        check("HMGET h a", &[], &["keymiss h"]);
        check("HGETALL h", &[], &["keymiss h"]);
        check("HLEN h", &[], &["keymiss h"]);
        check("HSCAN h 0", &[], &["keymiss h"]);
        check("HTTL h FIELDS 1 a", &[], &["keymiss h"]);
        check("HGETDEL h FIELDS 1 a", &[], &[]);
        check("HGETEX h FIELDS 1 a", &[], &[]);
        check("HINCRBY h a 1", &["HINCRBY h a 1"], &["new h", "hincrby h"]);
    }
    let mut server = TestServer::new();
    server.run("HSET h a 1 b 2");
    server.run("HDEL h a x");
    server.run("HINCRBY h a 1");
    assert_eq!(server.changes(), 4);
}

#[test]
fn hgetdel() {
    check(&[
        ("HGETDEL none FIELDS 2 a b", "[nil, nil]"),
        ("HSET h a 1 b 2 c 3", ":3"),
        ("HGETDEL h FIELDS 2 a x", "[\"1\", nil]"),
        ("HGETDEL h FIELDS 3 b b c", "[\"2\", nil, \"3\"]"),
        ("EXISTS h", ":0"),
        ("HGETDEL h FIELDS 0 a", NO_COUNT),
        ("HGETDEL h FIELDS x a", NO_COUNT),
        ("HGETDEL h FIELDS 2 a", OTHER_COUNT),
        ("HGETDEL h FIELDS 1 a b", OTHER_COUNT),
        ("HGETDEL h FOO 1 a", NO_FIELDS),
        ("HGETDEL h FIELDS 1", &arity("hgetdel")),
    ]);
}
