use super::{INVALID_ID, NOT_INTEGER, WRONG_TYPE, with_group};
use crate::commands::cx::Outcome;
use crate::commands::testing::{START_MS, TestServer};
use crate::shared::parked::Nothing;
use crate::shared::session::Origin;
use crate::types::Kind;

const NO_GROUP: &str = "-NOGROUP No such key 's' or consumer group 'nog'";

#[test]
fn groups_are_made_and_removed() {
    let mut server = TestServer::new();
    let no_key = "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you \
                  may want to use the MKSTREAM option to create an empty stream automatically.";
    server.check("XGROUP CREATE s g $", no_key);
    server.check("XGROUP DESTROY s g", no_key);
    server.check("XGROUP CREATE s g x MKSTREAM", INVALID_ID);
    server.check_all(
        "XGROUP CREATE s g $ MKSTREAM",
        "+OK",
        &["XGROUP CREATE s g $ MKSTREAM"],
        &["new s", "xgroup-create s"],
    );
    let busy = "-BUSYGROUP Consumer Group name already exists";
    server.check_all("XGROUP CREATE s g 5", busy, &[], &[]);
    let shape = |sub: &str| {
        format!(
            "-ERR unknown subcommand or wrong number of arguments for '{sub}'. Try XGROUP HELP."
        )
    };
    server.check("XGROUP CREATE s g 5 FOO", &shape("CREATE"));
    server.check(
        "XGROUP CREATE s h 0 MKSTREAM MKSTREAM MKSTREAM MKSTREAM",
        &shape("CREATE"),
    );
    server.check("XGROUP SETID s g 5 MKSTREAM", &shape("SETID"));
    server.check(
        "XGROUP CREATE s h 0 ENTRIESREAD -2",
        "-ERR value for ENTRIESREAD must be positive or -1",
    );
    server.check_all(
        "XGROUP SETID s g + ENTRIESREAD 3",
        "+OK",
        &["XGROUP SETID s g + ENTRIESREAD 3"],
        &["xgroup-setid s"],
    );
    let nog = "-NOGROUP No such consumer group 'nog' for key name 's'";
    server.check("XGROUP SETID s nog x", nog);
    server.check("XGROUP CREATECONSUMER s nog c", nog);
    server.check("XGROUP DELCONSUMER s nog c", nog);
    server.check_all(
        "XGROUP CREATECONSUMER s g c",
        ":1",
        &["XGROUP CREATECONSUMER s g c"],
        &["xgroup-createconsumer s"],
    );
    server.check_all("XGROUP CREATECONSUMER s g c", ":0", &[], &[]);
    server.check_all("XGROUP DELCONSUMER s g d", ":0", &[], &[]);
    server.check_all(
        "XGROUP DELCONSUMER s g c",
        ":0",
        &["XGROUP DELCONSUMER s g c"],
        &["xgroup-delconsumer s"],
    );
    server.check("XGROUP DESTROY s nog", ":0");
    server.check_all(
        "XGROUP DESTROY s g",
        ":1",
        &["XGROUP DESTROY s g"],
        &["xgroup-destroy s"],
    );
    server.run("SET str x");
    server.check("XGROUP CREATE str g x", WRONG_TYPE);
    server.check("XGROUP DESTROY str g", WRONG_TYPE);
}

/// A group's reading is logged entry by entry.
#[test]
fn reading_for_a_group() {
    let mut server = with_group();
    let claim = |consumer: &str, id: u32| {
        format!(
            "XCLAIM s g {consumer} 0 {id}-0 TIME {START_MS} RETRYCOUNT 1 FORCE JUSTID LASTID {id}-0"
        )
    };
    server.check_all(
        "XREADGROUP GROUP g c COUNT 2 STREAMS s >",
        "[[\"s\", [[\"1-0\", [\"a\", \"1\"]], [\"2-0\", [\"a\", \"2\"]]]]]",
        &[
            "MULTI",
            &claim("c", 1),
            &claim("c", 2),
            "XGROUP SETID s g 2-0 ENTRIESREAD 2",
            "EXEC",
        ],
        &["xgroup-createconsumer s"],
    );
    server.check_all(
        "XREADGROUP GROUP g c COUNT 1 NOACK STREAMS s >",
        "[[\"s\", [[\"3-0\", [\"a\", \"3\"]]]]]",
        &["XGROUP SETID s g 3-0 ENTRIESREAD 3"],
        &[],
    );
    // Its own history is nothing new to anybody.
    server.run("XDEL s 1");
    server.check_all(
        "XREADGROUP GROUP g c STREAMS s 0",
        "[[\"s\", [[\"1-0\", nil*], [\"2-0\", [\"a\", \"2\"]]]]]",
        &[],
        &[],
    );
    server.check(
        "XREADGROUP GROUP g c COUNT 1 STREAMS s 1",
        "[[\"s\", [[\"2-0\", [\"a\", \"2\"]]]]]",
    );
    let list = "[[\"1-0\", \"c\", :0, :1], [\"2-0\", \"c\", :0, :3]]";
    server.check("XPENDING s g - + 10", list);
    // A new consumer is told of, though it is given nothing.
    server.check_all(
        "XREADGROUP GROUP g d STREAMS s 0",
        "[[\"s\", []]]",
        &["XGROUP CREATECONSUMER s g d"],
        &["xgroup-createconsumer s"],
    );
    server.check(
        "XREADGROUP GROUP g d STREAMS s >",
        "[[\"s\", [[\"4-0\", [\"a\", \"4\"]], [\"5-0\", [\"a\", \"5\"]]]]]",
    );
    server.check_all("XREADGROUP GROUP g d STREAMS s >", "nil*", &[], &[]);
    let missing = format!("{NO_GROUP} in XREADGROUP with GROUP option");
    server.check("XREADGROUP GROUP nog c STREAMS s >", &missing);
    server.check("XREADGROUP GROUP nog c STREAMS s x", &missing);
    // Given once more to somebody else, it is his.
    server.run("XGROUP SETID s g 4");
    server.check(
        "XREADGROUP GROUP g c STREAMS s >",
        "[[\"s\", [[\"5-0\", [\"a\", \"5\"]]]]]",
    );
    server.check(
        "XPENDING s g",
        "[:4, \"1-0\", \"5-0\", [[\"c\", \"3\"], [\"d\", \"1\"]]]",
    );
}

#[track_caller]
fn blocking(server: &mut TestServer, line: &str) -> (Vec<String>, Option<i64>, Option<String>) {
    server.check(line, "");
    let Outcome::Block(blocking) = &server.outcome else {
        panic!("{line}: {:?}", server.outcome);
    };
    assert_eq!(
        (blocking.kind, blocking.nothing),
        (Kind::Stream, Nothing::NullArray)
    );
    let even_without_key = line.starts_with("XREADGROUP");
    assert_eq!(blocking.even_without_key, even_without_key, "{line}");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let request = blocking.request.as_ref().map(|request| {
        let words: Vec<String> = request.argv().iter().map(text).collect();
        words.join(" ")
    });
    let keys = blocking.keys.iter().map(|key| text(key)).collect();
    (keys, blocking.deadline_ms, request)
}

#[test]
fn what_finds_nothing_waits() {
    let mut server = with_group();
    let keys = |keys: &[&str]| keys.iter().map(ToString::to_string).collect::<Vec<_>>();
    let waits = blocking(&mut server, "XREAD BLOCK 0 STREAMS s 5");
    assert_eq!(waits, (keys(&["s"]), None, None));
    let waits = blocking(&mut server, "XREAD BLOCK 20 COUNT 5 STREAMS s no $ $");
    let request = "XREAD BLOCK 20 COUNT 5 STREAMS s no 5-0 0-0".to_owned();
    let until = Some(START_MS + 20);
    assert_eq!(waits, (keys(&["s", "no"]), until, Some(request)));
    server.run("XGROUP SETID s g $");
    server.log();
    let waits = blocking(&mut server, "XREADGROUP GROUP g c BLOCK 20 STREAMS s >");
    assert_eq!(waits, (keys(&["s"]), until, None));
    server.check_log(&["XGROUP CREATECONSUMER s g c"]);
    server.check("XREADGROUP GROUP g c BLOCK 20 STREAMS s 0", "[[\"s\", []]]");
    server.run("XADD s 6 a 1");
    server.check(
        "XREAD BLOCK 0 STREAMS s 5",
        "[[\"s\", [[\"6-0\", [\"a\", \"1\"]]]]]",
    );
}

#[test]
fn acknowledging() {
    let mut server = with_group();
    server.run("XREADGROUP GROUP g c STREAMS s >");
    server.check_all("XACK s g 1 9 2", ":2", &["XACK s g 1 9 2"], &[]);
    server.check_all("XACK s g 1", ":0", &[], &[]);
    server.check("XACK s g 3 x", INVALID_ID);
    server.check("XACK s nog x", ":0");
    server.check("XACK no g x", ":0");
    server.check("XPENDING s g", "[:3, \"3-0\", \"5-0\", [[\"c\", \"3\"]]]");
    server.check("XGROUP DELCONSUMER s g c", ":3");
    server.check("XPENDING s g", "[:0, nil, nil, nil*]");
}

#[test]
fn pending_entries_are_listed() {
    let mut server = with_group();
    server.run("XREADGROUP GROUP g c COUNT 3 STREAMS s >");
    server.advance_ms(100);
    server.run("XREADGROUP GROUP g d STREAMS s >");
    server.advance_ms(50);
    let one = |id: u32, who: &str, idle: u32| format!("[\"{id}-0\", \"{who}\", :{idle}, :1]");
    let mut check =
        |line: &str, all: &[String]| server.check(line, &format!("[{}]", all.join(", ")));
    let (c, d) = (|id| one(id, "c", 150), |id| one(id, "d", 50));
    check("XPENDING s g - + 10", &[c(1), c(2), c(3), d(4), d(5)]);
    check("XPENDING s g (1 4 10", &[c(2), c(3), d(4)]);
    check("XPENDING s g - + 2", &[c(1), c(2)]);
    check("XPENDING s g - + 0", &[]);
    check("XPENDING s g - + -1", &[]);
    check("XPENDING s g 3 + 10 d", &[d(4), d(5)]);
    check("XPENDING s g - 4 10 d", &[d(4)]);
    check("XPENDING s g - + 10 nobody", &[]);
    check("XPENDING s g IDLE 51 - + 10", &[c(1), c(2), c(3)]);
    check("XPENDING s g IDLE 100 - + 10 d", &[]);
    check("XPENDING s g idle 0 - + 1", &[c(1)]);
    for line in [
        "XPENDING s g -",
        "XPENDING s g - +",
        "XPENDING s g IDLE 5 - +",
    ] {
        server.check(line, "-ERR syntax error");
    }
    server.check("XPENDING s g IDLE x - + 1", NOT_INTEGER);
    server.check("XPENDING s nog - + x", NOT_INTEGER);
    server.check("XPENDING s nog", NO_GROUP);
}

#[test]
fn claiming() {
    let mut server = with_group();
    server.run("XREADGROUP GROUP g c COUNT 3 STREAMS s >");
    server.advance_ms(1000);
    server.log();
    let now = START_MS + 1000;
    server.check_all(
        "XCLAIM s g d 1000 1 2-0 4",
        "[[\"1-0\", [\"a\", \"1\"]], [\"2-0\", [\"a\", \"2\"]]]",
        &[
            "MULTI",
            &format!("XCLAIM s g d 0 1 TIME {now} RETRYCOUNT 2 FORCE JUSTID LASTID 3-0"),
            &format!("XCLAIM s g d 0 2-0 TIME {now} RETRYCOUNT 2 FORCE JUSTID LASTID 3-0"),
            "EXEC",
        ],
        &["xgroup-createconsumer s"],
    );
    server.check_all("XCLAIM s g c 1 1", "[]", &[], &[]);
    server.check_all(
        "XCLAIM s g c 0 1 JUSTID IDLE 400 RETRYCOUNT 9",
        "[\"1-0\"]",
        &[&format!(
            "XCLAIM s g c 0 1 TIME {} RETRYCOUNT 9 FORCE JUSTID LASTID 3-0",
            now - 400
        )],
        &[],
    );
    // Times to come are not believed, except from a leader.
    server.run(&format!("XCLAIM s g c 0 1 JUSTID TIME {}", now + 500));
    server.check("XPENDING s g 1 1 1", "[[\"1-0\", \"c\", :0, :9]]");
    server.session.origin = Origin::Leader;
    server.run(&format!("XCLAIM s g c 0 1 JUSTID TIME {}", now + 500));
    server.session.origin = Origin::Client;
    server.advance_ms(600);
    server.check("XPENDING s g 1 1 1", "[[\"1-0\", \"c\", :100, :9]]");
    server.check("XCLAIM s g c 0 4 FORCE JUSTID", "[\"4-0\"]");
    server.check_all("XCLAIM s g c 0 9 FORCE", "[]", &[], &[]);
    // What was deleted is nobody's any more; the last id may go ahead.
    server.run("XDEL s 2");
    server.check_all(
        "XCLAIM s g c 0 2",
        "[]",
        &[&format!(
            "XCLAIM s g d 0 2 TIME {now} RETRYCOUNT 2 FORCE JUSTID LASTID 3-0"
        )],
        &[],
    );
    server.check_all(
        "XCLAIM s g c 0 2 LASTID 4",
        "[]",
        &["XGROUP SETID s g 4-0 ENTRIESREAD 3"],
        &[],
    );
    server.check_all(
        "XCLAIM s g e 0 2 LASTID 4",
        "[]",
        &["XGROUP CREATECONSUMER s g e"],
        &["xgroup-createconsumer s"],
    );
}

#[test]
fn what_xclaim_refuses() {
    let mut server = with_group();
    for (line, expect) in [
        (
            "XCLAIM s g c x 1",
            "Invalid min-idle-time argument for XCLAIM",
        ),
        (
            "XCLAIM s g c 0 1 IDLE x",
            "Invalid IDLE option argument for XCLAIM",
        ),
        (
            "XCLAIM s g c 0 1 TIME x",
            "Invalid TIME option argument for XCLAIM",
        ),
        (
            "XCLAIM s g c 0 1 RETRYCOUNT x",
            "Invalid RETRYCOUNT option argument for XCLAIM",
        ),
        ("XCLAIM s g c 0 x", "Unrecognized XCLAIM option 'x'"),
        (
            "XCLAIM s g c 0 1 LASTID",
            "Unrecognized XCLAIM option 'LASTID'",
        ),
    ] {
        server.check(line, &format!("-ERR {expect}"));
    }
    server.check("XCLAIM s g c 0 1 LASTID x", INVALID_ID);
    server.check("XCLAIM s nog c x 1", NO_GROUP);
}

#[test]
fn claiming_in_a_sweep() {
    let mut server = with_group();
    server.run("XREADGROUP GROUP g c STREAMS s >");
    server.run("XDEL s 2");
    server.advance_ms(10);
    server.log();
    let now = START_MS + 10;
    server.check_all(
        "XAUTOCLAIM s g d 10 0 COUNT 2",
        "[\"3-0\", [[\"1-0\", [\"a\", \"1\"]]], [\"2-0\"]]",
        &[
            "MULTI",
            &format!("XCLAIM s g d 0 1-0 TIME {now} RETRYCOUNT 2 FORCE JUSTID LASTID 5-0"),
            &format!("XCLAIM s g c 0 2-0 TIME {START_MS} RETRYCOUNT 1 FORCE JUSTID LASTID 5-0"),
            "EXEC",
        ],
        &["xgroup-createconsumer s"],
    );
    server.check(
        "XAUTOCLAIM s g d 10 3 JUSTID",
        "[\"0-0\", [\"3-0\", \"4-0\", \"5-0\"], []]",
    );
    server.check_all("XAUTOCLAIM s g d 10 -", "[\"0-0\", [], []]", &[], &[]);
    server.check(
        "XAUTOCLAIM s g d 0 (4 JUSTID COUNT 1",
        "[\"0-0\", [\"5-0\"], []]",
    );
    server.check("XAUTOCLAIM s g d 0 + JUSTID", "[\"0-0\", [], []]");
    let count = "-ERR COUNT must be > 0";
    for line in ["COUNT 0", "COUNT x", "COUNT 9223372036854775807"] {
        server.check(&format!("XAUTOCLAIM s g d 0 0 {line}"), count);
    }
    server.check("XAUTOCLAIM s g d 0 0 FOO", "-ERR syntax error");
    server.check("XAUTOCLAIM s g d 0 0 COUNT", "-ERR syntax error");
    server.check("XAUTOCLAIM s g d 0 x", INVALID_ID);
    server.check("XAUTOCLAIM s nog d 0 0", NO_GROUP);
    server.check(
        "XAUTOCLAIM s nog d x 0",
        "-ERR Invalid min-idle-time argument for XAUTOCLAIM",
    );
}

/// Ten entries are looked at for each that may be given.
#[test]
fn a_sweep_goes_so_far() {
    let mut server = TestServer::new();
    server.run("XGROUP CREATE s g 0 MKSTREAM");
    for ms in 1..=30 {
        server.run(&format!("XADD s {ms} a 1"));
    }
    server.run("XREADGROUP GROUP g c STREAMS s >");
    server.check("XAUTOCLAIM s g d 1 0 COUNT 2", "[\"21-0\", [], []]");
    server.check("XAUTOCLAIM s g d 1 21 COUNT 2", "[\"0-0\", [], []]");
}

#[test]
fn info() {
    let mut server = with_group();
    server.run("XREADGROUP GROUP g c COUNT 2 STREAMS s >");
    server.run("XGROUP CREATECONSUMER s g d");
    server.run("XGROUP CREATE s h 3");
    server.advance_ms(70);
    let head = "\"length\", :5, \"radix-tree-keys\", :1, \"radix-tree-nodes\", :2, \
                \"last-generated-id\", \"5-0\", \"max-deleted-entry-id\", \"0-0\", \
                \"entries-added\", :5, \"recorded-first-entry-id\", \"1-0\"";
    server.check(
        "XINFO STREAM s",
        &format!(
            "[{head}, \"groups\", :2, \"first-entry\", [\"1-0\", [\"a\", \"1\"]], \
             \"last-entry\", [\"5-0\", [\"a\", \"5\"]]]"
        ),
    );
    server.check(
        "XINFO STREAM s FULL COUNT 1",
        &format!(
            "[{head}, \"entries\", [[\"1-0\", [\"a\", \"1\"]]], \"groups\", [\
             [\"name\", \"g\", \"last-delivered-id\", \"2-0\", \"entries-read\", :2, \
             \"lag\", :3, \"pel-count\", :2, \"pending\", [[\"1-0\", \"c\", :{START_MS}, :1]], \
             \"consumers\", [[\"name\", \"c\", \"seen-time\", :{START_MS}, \
             \"active-time\", :{START_MS}, \"pel-count\", :2, \
             \"pending\", [[\"1-0\", :{START_MS}, :1]]], \
             [\"name\", \"d\", \"seen-time\", :{START_MS}, \"active-time\", :-1, \
             \"pel-count\", :0, \"pending\", []]]], \
             [\"name\", \"h\", \"last-delivered-id\", \"3-0\", \"entries-read\", nil, \
             \"lag\", nil, \"pel-count\", :0, \"pending\", [], \"consumers\", []]]]"
        ),
    );
    server.check(
        "XINFO GROUPS s",
        "[[\"name\", \"g\", \"consumers\", :2, \"pending\", :2, \
         \"last-delivered-id\", \"2-0\", \"entries-read\", :2, \"lag\", :3], \
         [\"name\", \"h\", \"consumers\", :0, \"pending\", :0, \
         \"last-delivered-id\", \"3-0\", \"entries-read\", nil, \"lag\", nil]]",
    );
    server.check(
        "XINFO CONSUMERS s g",
        "[[\"name\", \"c\", \"pending\", :2, \"idle\", :70, \"inactive\", :70], \
         [\"name\", \"d\", \"pending\", :0, \"idle\", :70, \"inactive\", :-1]]",
    );
    let shape =
        "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.";
    for line in [
        "XINFO STREAM s FOO",
        "XINFO STREAM s FULL COUNT",
        "XINFO STREAM s FULL x 1",
    ] {
        server.check(line, shape);
    }
    server.check("XINFO STREAM s FULL COUNT x", NOT_INTEGER);
    server.check("XINFO STREAM no FOO", "-ERR no such key");
    let nog = "-NOGROUP No such consumer group 'nog' for key name 's'";
    server.check("XINFO CONSUMERS s nog", nog);
    let mut server = TestServer::resp3();
    server.run("XGROUP CREATE s g 0 MKSTREAM");
    let reply = server.run("XINFO GROUPS s");
    assert!(reply.starts_with("[{\"name\": \"g\", "), "{reply}");
}

/// What a stream is, is dumped and restored, groups and all.
#[test]
fn dumped_and_restored() {
    let mut server = with_group();
    server.run("XREADGROUP GROUP g c COUNT 2 STREAMS s >");
    server.run("XDEL s 4");
    let bytes = server.run("DUMP s");
    let before = server.run("XINFO STREAM s FULL");
    let bytes = bytes.trim_matches('"').to_owned();
    server.check(&format!("RESTORE t 0 \"{bytes}\""), "+OK");
    server.check("XINFO STREAM t FULL", &before);
    server.check("OBJECT ENCODING t", "\"stream\"");
}

/// What a snapshot asks, through everything that moves, copies and ends streams.
#[test]
fn streams_with_groups_are_counted() {
    let mut server = TestServer::new();
    let mut check = |line: &str, expect: [u64; 2]| {
        server.run(line);
        let counts = server.with_locked(|locked| [0, 1].map(|db| locked.grouped_streams(db)));
        assert_eq!(counts, expect, "{line}");
    };
    check("XADD s 1 a b", [0, 0]);
    check("XGROUP CREATE s g 0", [1, 0]);
    check("XGROUP CREATE s h 0", [1, 0]);
    check("XGROUP CREATE s h 0", [1, 0]);
    check("XREADGROUP GROUP g c STREAMS s >", [1, 0]);
    check("COPY s t", [2, 0]);
    check("RENAME s t", [1, 0]);
    check("MOVE t 1", [0, 1]);
    check("SWAPDB 0 1", [1, 0]);
    check("COPY t u DB 1", [1, 1]);
    check("XGROUP DESTROY t g", [1, 1]);
    check("XGROUP DESTROY t none", [1, 1]);
    check("XGROUP DESTROY t h", [0, 1]);
    check("XGROUP DESTROY t h", [0, 1]);
    check("XGROUP CREATE v g $ MKSTREAM", [1, 1]);
    check("SET v x", [0, 1]);
    check("XGROUP CREATE w g $ MKSTREAM", [1, 1]);
    check("DEL w", [0, 1]);
    check("XGROUP CREATE w g $ MKSTREAM", [1, 1]);
    check("PEXPIRE w 0", [0, 1]);
    check("FLUSHALL", [0, 0]);
}
