use super::{INVALID_ID, NOT_INTEGER, WRONG_TYPE, with_group};
use crate::commands::testing::{START_MS, TestServer};
use crate::shared::session::Origin;

const TOO_SMALL: &str =
    "-ERR The ID specified in XADD is equal or smaller than the target stream top item";
const XADD_ARITY: &str = "-ERR wrong number of arguments for 'xadd' command";

/// A server whose nodes hold two entries.
fn with_small_nodes() -> TestServer {
    TestServer::with(&[("stream-node-max-entries", "2")])
}

#[test]
fn ids_are_given_or_made() {
    let mut server = TestServer::new();
    server.check_all(
        "XADD s 1-1 a 1 b 2",
        "\"1-1\"",
        &["XADD s 1-1 a 1 b 2"],
        &["new s", "xadd s"],
    );
    server.check_all(
        "XADD s 1-* a 1",
        "\"1-2\"",
        &["XADD s 1-2 a 1"],
        &["xadd s"],
    );
    server.check_all("XADD s 5 a 1", "\"5-0\"", &["XADD s 5 a 1"], &["xadd s"]);
    let made = format!("{START_MS}-0");
    server.check_all(
        "XADD s * a 1",
        &format!("\"{made}\""),
        &[&format!("XADD s {made} a 1")],
        &["xadd s"],
    );
    server.check("XADD s * a 1", &format!("\"{START_MS}-1\""));
    // The clock is behind the last id.
    server.advance_ms(-1000);
    server.check("XADD s * a 1", &format!("\"{START_MS}-2\""));
    for line in ["XADD s 5 a 1", "XADD s 5-* a 1", "XADD s 0-1 a 1"] {
        server.check_all(line, TOO_SMALL, &[], &[]);
    }
    let zero = "-ERR The ID specified in XADD must be greater than 0-0";
    server.check_all("XADD t 0-0 a 1", zero, &[], &[]);
    server.check("XADD t 0-* a 1", "\"0-1\"");
    let last = "18446744073709551615";
    server.check(&format!("XADD t 7-{last} a 1"), &format!("\"7-{last}\""));
    server.check("XADD t 7-* a 1", TOO_SMALL);
    server.run(&format!("XADD t {last}-{last} a 1"));
    let exhausted = "-ERR The stream has exhausted the last possible ID, unable to add more items";
    server.check("XADD t * a 1", exhausted);
    server.check(&format!("XADD t {last}-* a 1"), exhausted);
}

#[test]
fn what_xadd_refuses() {
    let mut server = TestServer::new();
    server.run("SET str x");
    server.events();
    for id in [
        "x", "-", "+", "$", "1-x", "-1", "1-", "1-1-1", "*-1", "**", "1-**",
    ] {
        server.check_all(&format!("XADD str {id} a 1"), INVALID_ID, &[], &[]);
    }
    server.check("XADD str * a 1", WRONG_TYPE);
    server.check("XADD s * a 1 b", XADD_ARITY);
    server.check("XADD s MAXLEN 5 * a", XADD_ARITY);
    server.check("XADD s NOMKSTREAM MAXLEN 5", XADD_ARITY);
    server.check(
        "XADD s NOMKSTREAM NOMKSTREAM NOMKSTREAM NOMKSTREAM",
        XADD_ARITY,
    );
    server.check("XADD s MAXLEN x * a 1", NOT_INTEGER);
    server.check(
        "XADD s MAXLEN -1 * a 1",
        "-ERR The MAXLEN argument must be >= 0.",
    );
    server.check("XADD s MINID - * a 1", INVALID_ID);
    server.check(
        "XADD s MAXLEN ~ 5 LIMIT -1 * a 1",
        "-ERR The LIMIT argument must be >= 0.",
    );
    let exact = "-ERR syntax error, LIMIT cannot be used without the special ~ option";
    server.check("XADD s MAXLEN = 5 LIMIT 1 * a 1", exact);
    server.check("XADD s LIMIT 0 * a 1", exact);
    server.check(
        "XADD s LIMIT 1 * a 1",
        "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
    );
    server.check(
        "XADD s MAXLEN 2 MINID 5 * a 1",
        "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
    );
    server.check_all("XADD s NOMKSTREAM * a 1", "nil", &[], &[]);
    server.check("EXISTS s", ":0");
}

/// Approximate trimming is logged as what it came to.
#[test]
fn trimming() {
    let mut server = with_small_nodes();
    for ms in 1..=6 {
        server.run(&format!("XADD s {ms} a {ms}"));
    }
    server.check_all(
        "XADD s MAXLEN ~ 4 7 a 7",
        "\"7-0\"",
        &["XADD s MAXLEN = 5 7 a 7"],
        &["xadd s", "xtrim s"],
    );
    server.check_all(
        "XADD s MINID ~ 4 7-* a 7",
        "\"7-1\"",
        &["XADD s MINID = 3-0 7-1 a 7"],
        &["xadd s"],
    );
    server.check_all(
        "XADD s MAXLEN = 5 8 a 8",
        "\"8-0\"",
        &["XADD s MAXLEN = 5 8 a 8"],
        &["xadd s", "xtrim s"],
    );
    server.check("XRANGE s - 5", "[[\"5-0\", [\"a\", \"5\"]]]");
    server.check_all("XTRIM s MAXLEN 5", ":0", &[], &[]);
    server.check_all("XTRIM s MAXLEN ~ 2 LIMIT 1", ":0", &[], &[]);
    server.check_all(
        "XTRIM s MAXLEN ~ 2 LIMIT 3",
        ":2",
        &["XTRIM s MAXLEN = 3 LIMIT 3"],
        &["xtrim s"],
    );
    assert_eq!(server.changes(), 11);
    let all = "18446744073709551615-18446744073709551615";
    server.check_all(
        "XTRIM s MINID ~ 100",
        ":3",
        &[&format!("XTRIM s MINID = {all}")],
        &["xtrim s"],
    );
    server.check_all("XTRIM s MINID = 100", ":0", &[], &[]);
    server.check("EXISTS s", ":1");
    server.check("XTRIM no MAXLEN 5", ":0");
    server.check("XTRIM s MAXLEN 5 x", "-ERR syntax error");
    server.check(
        "XTRIM s LIMIT 0",
        "-ERR syntax error, XTRIM must be called with a trimming strategy",
    );
    // A leader's LIMIT belongs to what it has rewritten.
    server.run("XADD s 200 a 1");
    server.session.origin = Origin::Leader;
    server.check("XTRIM s MAXLEN = 0 LIMIT 1", ":1");
}

#[test]
fn ranges() {
    let mut server = with_small_nodes();
    for id in ["1-1", "1-2", "2-0", "3-5"] {
        server.run(&format!("XADD s {id} a {id} a b"));
    }
    let entry = |id: &str| format!("[\"{id}\", [\"a\", \"{id}\", \"a\", \"b\"]]");
    let all = |ids: &[&str]| {
        let entries: Vec<String> = ids.iter().map(|id| entry(id)).collect();
        format!("[{}]", entries.join(", "))
    };
    let mut check = |line: &str, ids: &[&str]| server.check(line, &all(ids));
    check("XRANGE s - +", &["1-1", "1-2", "2-0", "3-5"]);
    check("XRANGE s 1 1", &["1-1", "1-2"]);
    check("XRANGE s (1-1 (3-5", &["1-2", "2-0"]);
    check("XRANGE s (1 3", &["1-1", "1-2", "2-0", "3-5"]);
    check("XRANGE s 2 + COUNT 1", &["2-0"]);
    check("XRANGE s 2 + COUNT 1 COUNT 9", &["2-0", "3-5"]);
    check("XREVRANGE s + -", &["3-5", "2-0", "1-2", "1-1"]);
    check("XREVRANGE s (2-0 1-2", &["1-2"]);
    check("XREVRANGE s + - COUNT 1", &["3-5"]);
    check("XRANGE s + -", &[]);
    check("XRANGE no - + COUNT 0", &[]);
    server.check("XRANGE s - + COUNT 0", "nil*");
    server.check("XRANGE s - + COUNT x", NOT_INTEGER);
    server.check("XRANGE s - + COUNT", "-ERR syntax error");
    for ends in ["( +", "(- +", "- (+", "x +", "- x"] {
        server.check(&format!("XRANGE s {ends}"), INVALID_ID);
    }
    let last = "18446744073709551615";
    server.check(
        &format!("XRANGE s ({last}-{last} +"),
        "-ERR invalid start ID for the interval",
    );
    server.check("XRANGE s - (0-0", "-ERR invalid end ID for the interval");
    server.check("XLEN s", ":4");
    server.check("XLEN no", ":0");
}

#[test]
fn deleting() {
    let mut server = with_small_nodes();
    for ms in 1..=4 {
        server.run(&format!("XADD s {ms} a {ms}"));
    }
    server.check_all("XDEL s 9", ":0", &[], &[]);
    server.check_all("XDEL s 1 x", INVALID_ID, &[], &[]);
    server.check("XDEL no x", ":0");
    server.check_all("XDEL s 2 2 3", ":2", &["XDEL s 2 2 3"], &["xdel s"]);
    server.check(
        "XRANGE s - +",
        "[[\"1-0\", [\"a\", \"1\"]], [\"4-0\", [\"a\", \"4\"]]]",
    );
    server.check("XDEL s 1 4", ":2");
    server.check("EXISTS s", ":1");
    server.check("XADD s 4 a 1", TOO_SMALL);
}

#[test]
fn the_last_id_is_set() {
    let mut server = TestServer::new();
    server.check("XSETID s 1", "-ERR no such key");
    server.run("XADD s 5 a 1");
    server.run("XADD s 6 a 1");
    server.check_all("XSETID s 7", "+OK", &["XSETID s 7"], &["xsetid s"]);
    server.check(
        "XSETID s 5",
        "-ERR The ID specified in XSETID is smaller than the target stream top item",
    );
    server.run("XDEL s 6");
    server.check(
        "XSETID s 5",
        "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
    );
    server.check(
        "XSETID s 7 MAXDELETEDID 8",
        "-ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
    );
    server.check(
        "XSETID s 7 ENTRIESADDED 0",
        "-ERR The entries_added specified in XSETID is smaller than the target stream length",
    );
    server.check(
        "XSETID s 7 ENTRIESADDED -1",
        "-ERR entries_added must be positive",
    );
    server.check("XSETID s 7 ENTRIESADDED", "-ERR syntax error");
    server.check("XSETID s -", INVALID_ID);
    server.check("XSETID s 9 ENTRIESADDED 50 MAXDELETEDID 8-1", "+OK");
    let info = server.run("XINFO STREAM s");
    assert!(info.contains("\"last-generated-id\", \"9-0\""), "{info}");
    assert!(info.contains("\"max-deleted-entry-id\", \"8-1\""), "{info}");
    assert!(info.contains("\"entries-added\", :50"), "{info}");
}

#[test]
fn reading() {
    let mut server = with_group();
    let entries = |ids: std::ops::RangeInclusive<u32>| {
        let entries: Vec<String> = ids
            .map(|id| format!("[\"{id}-0\", [\"a\", \"{id}\"]]"))
            .collect();
        format!("[{}]", entries.join(", "))
    };
    let one = |ids| format!("[[\"s\", {}]]", entries(ids));
    server.check("XREAD STREAMS s 0", &one(1..=5));
    server.check("XREAD COUNT 2 STREAMS no s 0 3", &one(4..=5));
    server.check("XREAD COUNT -1 STREAMS s 4", &one(5..=5));
    server.check("XREAD STREAMS s +", &one(5..=5));
    server.check(
        "XREAD COUNT 1 STREAMS s s 0 1",
        &format!("[[\"s\", {}], [\"s\", {}]]", entries(1..=1), entries(2..=2)),
    );
    server.check("XREAD STREAMS s 5", "nil*");
    server.check("XREAD STREAMS s $", "nil*");
    server.check("XREAD STREAMS no +", "nil*");
    let unbalanced = "streams: for each stream key an";
    server.check(
        "XREAD STREAMS s t 0",
        &format!("-ERR Unbalanced 'xread' list of {unbalanced} ID, '+', or '$' must be specified."),
    );
    server.check(
        "XREADGROUP GROUP g c STREAMS s t >",
        &format!("-ERR Unbalanced 'xreadgroup' list of {unbalanced} ID or '>' must be specified."),
    );
    for (line, expect) in [
        ("XREAD STREAMS s >", "-ERR The > ID can be specified only"),
        (
            "XREAD GROUP g c STREAMS s >",
            "-ERR The GROUP option is only",
        ),
        ("XREAD NOACK STREAMS s 0", "-ERR The NOACK option is only"),
        (
            "XREADGROUP COUNT 1 NOACK STREAMS s >",
            "-ERR Missing GROUP option",
        ),
        (
            "XREADGROUP GROUP g c STREAMS s $",
            "-ERR The $ ID is meaningless",
        ),
        (
            "XREADGROUP GROUP g c STREAMS s +",
            "-ERR The + ID is meaningless",
        ),
        (
            "XREAD BLOCK x STREAMS s $",
            "-ERR timeout is not an integer",
        ),
        ("XREAD BLOCK -1 STREAMS s $", "-ERR timeout is negative"),
        ("XREAD FOO STREAMS s $", "-ERR syntax error"),
        ("XREAD COUNT 1 BLOCK 1", "-ERR syntax error"),
    ] {
        let reply = server.run(line);
        assert!(reply.starts_with(expect), "{line}: {reply}");
    }
    server.check_log(&[]);
    let mut server = TestServer::resp3();
    server.run("XADD s 1 a 1");
    server.check("XREAD STREAMS s 0", "{\"s\": [[\"1-0\", [\"a\", \"1\"]]]}");
    server.check("XREAD STREAMS s 1", "_");
}
