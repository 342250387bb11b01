use super::part;
use crate::commands::cx::Outcome;
use crate::commands::testing::{START_MS, TestServer};
use crate::shared::parked::Nothing;
use crate::types::Kind;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";

/// The encoding of a key's value.
fn encoding(server: &mut TestServer, key: &str) -> &'static str {
    let key = server.shared.keyspace.key(key.as_bytes());
    server.with_locked(|locked| {
        let entry = locked.peek(0, key);
        entry.map_or("none", |entry| entry.encoding().name())
    })
}

#[test]
fn pushes() {
    let mut server = TestServer::new();
    server.check_all("RPUSHX a x", ":0", &[], &[]);
    server.check_all(
        "RPUSH a 1 two 3",
        ":3",
        &["RPUSH a 1 two 3"],
        &["new a", "rpush a"],
    );
    server.check_all("LPUSH a 0 -1", ":5", &["LPUSH a 0 -1"], &["lpush a"]);
    server.check_all("LPUSHX a -2", ":6", &["LPUSHX a -2"], &["lpush a"]);
    server.check_all("RPUSHX a 4", ":7", &["RPUSHX a 4"], &["rpush a"]);
    server.check(
        "LRANGE a 0 -1",
        "[\"-2\", \"-1\", \"0\", \"1\", \"two\", \"3\", \"4\"]",
    );
    assert_eq!(server.changes(), 7);
    server.run("SET s x");
    for line in ["LPUSH s a", "RPUSHX s a", "LLEN s", "LPOP s", "LPOP s 0"] {
        server.check_all(line, WRONG_TYPE, &[], &[]);
    }
}

#[test]
fn insert_and_set() {
    let mut server = TestServer::new();
    server.check("LINSERT a up x y", "-ERR syntax error");
    server.check("LINSERT a before x y", ":0");
    server.check("LSET a x y", "-ERR no such key");
    server.run("RPUSH a x 12 x");
    server.check_all(
        "LINSERT a before x 11",
        ":4",
        &["LINSERT a before x 11"],
        &["linsert a"],
    );
    server.check("LINSERT a AFTER 12 13", ":5");
    server.check_all("LINSERT a AFTER 14 15", ":-1", &[], &[]);
    server.check("LRANGE a 0 -1", "[\"11\", \"x\", \"12\", \"13\", \"x\"]");
    server.check_all("LSET a -5 y", "+OK", &["LSET a -5 y"], &["lset a"]);
    server.check("LSET a x y", NOT_INTEGER);
    server.check_all("LSET a 5 y", "-ERR index out of range", &[], &[]);
    server.check("LSET a -6 y", "-ERR index out of range");
    server.check("LINDEX a 0", "\"y\"");
    server.check("LINDEX a -1", "\"x\"");
    server.check("LINDEX a 5", "nil");
    server.check("LINDEX a x", NOT_INTEGER);
    server.check("LINDEX b x", "nil");
}

#[test]
fn pops() {
    let mut server = TestServer::new();
    server.check("LPOP a", "nil");
    server.check("LPOP a 1", "nil*");
    server.check("LPOP a 0", "nil*");
    let not_positive = "-ERR value is out of range, must be positive";
    server.check("LPOP a -1", not_positive);
    server.check("RPOP a x", not_positive);
    server.check(
        "RPOP a 1 2",
        "-ERR wrong number of arguments for 'rpop' command",
    );
    server.run("RPUSH a 1 2 3 4 5");
    server.check_all("LPOP a", "\"1\"", &["LPOP a"], &["lpop a"]);
    server.check_all("RPOP a 2", "[\"5\", \"4\"]", &["RPOP a 2"], &["rpop a"]);
    server.check_all("RPOP a 0", "[]", &[], &[]);
    server.check_all(
        "LPOP a 9223372036854775807",
        "[\"2\", \"3\"]",
        &["LPOP a 9223372036854775807"],
        &["lpop a", "del a"],
    );
    server.check("TYPE a", "+none");
    assert_eq!(server.changes(), 5 + 5);
    let mut server = TestServer::resp3();
    server.check("LPOP a", "_");
    server.check("LPOP a 1", "_");
}

#[test]
fn pops_from_the_first_list_there_is() {
    let mut server = TestServer::new();
    server.check("LMPOP 0 a LEFT", "-ERR numkeys should be greater than 0");
    server.check("LMPOP 2 a LEFT", "-ERR syntax error");
    server.check("LMPOP 9223372036854775807 a LEFT", "-ERR syntax error");
    server.check("LMPOP 1 a UP", "-ERR syntax error");
    server.check(
        "LMPOP 1 a LEFT COUNT 0",
        "-ERR count should be greater than 0",
    );
    server.check("LMPOP 1 a LEFT COUNT", "-ERR syntax error");
    server.check("LMPOP 1 a LEFT COUNT 1 COUNT 1", "-ERR syntax error");
    server.check_all("LMPOP 2 a b LEFT", "nil*", &[], &[]);
    server.run("RPUSH b 1 2 3");
    server.check_all(
        "LMPOP 2 a b LEFT",
        "[\"b\", [\"1\"]]",
        &["LPOP b 1"],
        &["lpop b"],
    );
    server.check_all(
        "LMPOP 2 a b right count 5",
        "[\"b\", [\"3\", \"2\"]]",
        &["RPOP b 2"],
        &["rpop b", "del b"],
    );
    server.run("SET s x");
    server.run("RPUSH b 1");
    server.check("LMPOP 2 s b LEFT", WRONG_TYPE);
    server.check("LMPOP 2 b s LEFT", "[\"b\", [\"1\"]]");
}

#[test]
fn ranges() {
    let mut server = TestServer::new();
    server.check("LRANGE a 0 -1", "[]");
    server.check("LRANGE a 0 x", NOT_INTEGER);
    server.run("RPUSH a 1 2 3");
    server.check("LRANGE a 1 1", "[\"2\"]");
    server.check("LRANGE a -100 100", "[\"1\", \"2\", \"3\"]");
    server.check("LRANGE a 2 1", "[]");
    server.check("LRANGE a 3 5", "[]");
    server.check("LLEN a", ":3");
    server.check("LLEN b", ":0");
    fn check(start: i64, stop: i64, expect: (usize, usize)) {
        assert_eq!(part(5, start, stop), expect, "{start} {stop}");
    }
    check(0, -1, (0, 5));
    check(1, 3, (1, 3));
    check(-2, -1, (3, 2));
    check(i64::MIN, i64::MAX, (0, 5));
    check(0, i64::MIN, (0, 0));
    check(5, 9, (0, 0));
    check(-1, -2, (0, 0));
    assert_eq!(part(0, 0, -1), (0, 0));
}

#[test]
fn trims() {
    let mut server = TestServer::new();
    server.check_all("LTRIM a 0 1", "+OK", &[], &[]);
    server.run("RPUSH a 1 2 3 4 5");
    server.check_all("LTRIM a 1 -2", "+OK", &["LTRIM a 1 -2"], &["ltrim a"]);
    server.check("LRANGE a 0 -1", "[\"2\", \"3\", \"4\"]");
    // Nothing goes, and it is told all the same.
    server.check_all("LTRIM a 0 -1", "+OK", &[], &["ltrim a"]);
    server.check_all(
        "LTRIM a 3 9",
        "+OK",
        &["LTRIM a 3 9"],
        &["ltrim a", "del a"],
    );
    assert_eq!(server.changes(), 5 + 2 + 3);
    server.run("SET s x");
    server.check("LTRIM s 0 1", WRONG_TYPE);
}

#[test]
fn removes_values() {
    let mut server = TestServer::new();
    server.check("LREM a 0 x", ":0");
    server.run("RPUSH a x 1 x 2 x 3 x");
    server.check_all("LREM a -1 x", ":1", &["LREM a -1 x"], &["lrem a"]);
    server.check("LREM a 1 x", ":1");
    server.check("LRANGE a 0 -1", "[\"1\", \"x\", \"2\", \"x\", \"3\"]");
    server.check_all("LREM a 0 y", ":0", &[], &[]);
    server.check("LREM a 0 x", ":2");
    server.check("LREM a 9 1", ":1");
    server.check("LREM a x 1", NOT_INTEGER);
    server.check(
        "LREM a -9223372036854775808 1",
        "-ERR value is out of range, value must between -9223372036854775807 and \
         9223372036854775807",
    );
    server.check("LREM a 0 2", ":1");
    server.check_all("LREM a 0 3", ":1", &["LREM a 0 3"], &["lrem a", "del a"]);
}

#[test]
fn positions() {
    let mut server = TestServer::new();
    server.check("LPOS a x", "nil");
    server.check("LPOS a x COUNT 1", "[]");
    server.run("RPUSH a a b c 1 2 3 c c");
    server.check("LPOS a c", ":2");
    server.check("LPOS a 3", ":5");
    server.check("LPOS a z", "nil");
    server.check("LPOS a c RANK 2", ":6");
    server.check("LPOS a c RANK -1", ":7");
    server.check("LPOS a c RANK 4", "nil");
    server.check("LPOS a c COUNT 2", "[:2, :6]");
    server.check("LPOS a c COUNT 0", "[:2, :6, :7]");
    server.check("LPOS a c RANK -1 COUNT 2", "[:7, :6]");
    server.check("LPOS a c RANK 2 COUNT 0", "[:6, :7]");
    server.check("LPOS a c COUNT 0 MAXLEN 7", "[:2, :6]");
    server.check("LPOS a c RANK -1 COUNT 0 MAXLEN 5", "[:7, :6]");
    server.check("LPOS a c MAXLEN 2", "nil");
    server.check("LPOS a z COUNT 0", "[]");
    let no_rank = "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the \
                   second ... or use negative to start from the end of the list";
    server.check("LPOS a c RANK 0", no_rank);
    server.check("LPOS a c RANK x", NOT_INTEGER);
    server.check("LPOS a c COUNT -1", "-ERR COUNT can't be negative");
    server.check("LPOS a c MAXLEN x", "-ERR MAXLEN can't be negative");
    server.check("LPOS a c RANK", "-ERR syntax error");
    server.check("LPOS a c UP 1", "-ERR syntax error");
}

#[test]
fn moves() {
    let mut server = TestServer::new();
    server.check("LMOVE a b UP LEFT", "-ERR syntax error");
    server.check("LMOVE a b LEFT UP", "-ERR syntax error");
    server.check_all("LMOVE a b LEFT LEFT", "nil", &[], &[]);
    server.run("SET s x");
    server.check("RPOPLPUSH a s", "nil");
    server.run("RPUSH a 1 2 3");
    server.check("RPOPLPUSH a s", WRONG_TYPE);
    server.check("RPOPLPUSH s a", WRONG_TYPE);
    server.check_all(
        "RPOPLPUSH a b",
        "\"3\"",
        &["RPOPLPUSH a b"],
        &["new b", "lpush b", "rpop a"],
    );
    server.check_all(
        "LMOVE a b left right",
        "\"1\"",
        &["LMOVE a b left right"],
        &["rpush b", "lpop a"],
    );
    server.check_all(
        "LMOVE a b LEFT LEFT",
        "\"2\"",
        &["LMOVE a b LEFT LEFT"],
        &["lpush b", "lpop a", "del a"],
    );
    server.check("LRANGE b 0 -1", "[\"2\", \"3\", \"1\"]");
    // Around in one list, even in one of a single element.
    server.check_all(
        "LMOVE b b RIGHT LEFT",
        "\"1\"",
        &["LMOVE b b RIGHT LEFT"],
        &["lpush b", "rpop b"],
    );
    server.check("LRANGE b 0 -1", "[\"1\", \"2\", \"3\"]");
    server.run("RPUSH one x");
    server.check_all(
        "RPOPLPUSH one one",
        "\"x\"",
        &["RPOPLPUSH one one"],
        &["lpush one", "rpop one"],
    );
    server.check("LLEN one", ":1");
}

/// A line that finds nothing waits for these keys, until then.
#[track_caller]
fn check_waits(server: &mut TestServer, line: &str, keys: &[&str], deadline_ms: Option<i64>) {
    server.check_all(line, "", &[], &[]);
    let Outcome::Block(blocking) = &server.outcome else {
        panic!("{line}: {:?}", server.outcome);
    };
    let found: Vec<_> = blocking
        .keys
        .iter()
        .map(|key| String::from_utf8_lossy(key))
        .collect();
    assert_eq!(found, keys, "{line}");
    assert_eq!(
        (blocking.kind, blocking.deadline_ms),
        (Kind::List, deadline_ms),
        "{line}"
    );
    assert_eq!(blocking.nothing, Nothing::NullArray);
}

#[test]
fn what_finds_nothing_waits() {
    let mut server = TestServer::new();
    let at = |ms| Some(START_MS + ms);
    check_waits(&mut server, "BLPOP a b 0", &["a", "b"], None);
    check_waits(&mut server, "BRPOP a 0.5", &["a"], at(500));
    check_waits(&mut server, "BLMPOP 1 2 a b LEFT", &["a", "b"], at(1000));
    check_waits(&mut server, "BLMOVE a b LEFT RIGHT 2", &["a"], at(2000));
    check_waits(&mut server, "BRPOPLPUSH a b 2", &["a"], at(2000));
    let no_float = "-ERR timeout is not a float or out of range";
    server.check("BLPOP a b", no_float);
    for (timeout, expect) in [
        ("-1", "-ERR timeout is negative"),
        ("-1e400", "-ERR timeout is negative"),
        ("inf", "-ERR timeout is out of range"),
        ("1e400", "-ERR timeout is out of range"),
        ("9223372036854775.807", "-ERR timeout is out of range"),
        ("1e4933", no_float),
        ("nan", no_float),
    ] {
        server.check(&format!("BLPOP a {timeout}"), expect);
    }
    check_waits(&mut server, "BLPOP a 1e-400", &["a"], at(1));
    check_waits(&mut server, "BLPOP a -0.0001", &["a"], None);
    server.check("BLMOVE a b LEFT UP x", "-ERR syntax error");
    server.check("BLMOVE a b LEFT LEFT x", no_float);
    server.check("BRPOPLPUSH a b x", no_float);
    server.check("BLMPOP x 0 a LEFT", "-ERR numkeys should be greater than 0");
    server.check("BLMPOP x 1 a LEFT", no_float);
    server.run("SET s x");
    server.check("BLPOP a s 0", WRONG_TYPE);
    server.check("BLMOVE s a LEFT LEFT 0", WRONG_TYPE);
    server.check("BLMPOP 0 2 s a LEFT", WRONG_TYPE);
}

#[test]
fn what_finds_something_does_not_wait() {
    let mut server = TestServer::new();
    server.run("RPUSH b 1 2 3 4 5 6");
    server.check_all("BLPOP a b 0", "[\"b\", \"1\"]", &["LPOP b"], &["lpop b"]);
    server.check_all("BRPOP b 0", "[\"b\", \"6\"]", &["RPOP b"], &["rpop b"]);
    server.check_all(
        "BLMPOP 0 2 a b LEFT COUNT 9",
        "[\"b\", [\"2\", \"3\", \"4\", \"5\"]]",
        &["LPOP b 4"],
        &["lpop b", "del b"],
    );
    server.run("RPUSH b 1 2");
    server.check_all(
        "BLMOVE b c left Right 0",
        "\"1\"",
        &["LMOVE b c left Right"],
        &["new c", "rpush c", "lpop b"],
    );
    server.check_all(
        "BRPOPLPUSH b c 0",
        "\"2\"",
        &["RPOPLPUSH b c"],
        &["lpush c", "rpop b", "del b"],
    );
}

#[test]
fn a_list_changes_its_form() {
    let mut server = TestServer::with(&[("list-max-listpack-size", "4")]);
    server.run("RPUSH a 1 2 3 4");
    assert_eq!(encoding(&mut server, "a"), "listpack");
    // A pivot that is not there makes the list large too.
    server.check("LINSERT a BEFORE x y", ":-1");
    assert_eq!(encoding(&mut server, "a"), "quicklist");
    server.run("LPOP a");
    assert_eq!(encoding(&mut server, "a"), "quicklist");
    server.run("LPOP a");
    assert_eq!(encoding(&mut server, "a"), "listpack");
    server.run("RPUSH b 1 2 3");
    let large = vec![b'x'; 9000];
    server.run_args(&[b"LSET", &b"b"[..], b"0", &large]);
    assert_eq!(encoding(&mut server, "b"), "quicklist");
    server.run("LSET b 0 1");
    server.run("LMOVE b a LEFT RIGHT");
    assert_eq!(encoding(&mut server, "b"), "listpack");
    server.run("RPUSH a 1 1");
    assert_eq!(encoding(&mut server, "a"), "quicklist");
    server.run("LREM a 0 1");
    assert_eq!(encoding(&mut server, "a"), "listpack");
}
