//! When fields end, as commands set and tell it.

use super::{NEGATIVE_TIME, NO_COUNT, NO_FIELDS, NO_INTEGER, OTHER_COUNT, arity, check, servers};

#[test]
fn times_are_set() {
    check(&[
        ("HSET h a 1 b 2 c 3", ":3"),
        ("HEXPIRE h 100 FIELDS 3 a b x", "[:1, :1, :-2]"),
        ("HEXPIRE none 100 FIELDS 2 a b", "[:-2, :-2]"),
        ("HEXPIRE h 100 NX FIELDS 2 a c", "[:0, :1]"),
        ("HEXPIRE h 200 XX FIELDS 2 a c", "[:1, :1]"),
        ("HEXPIRE h 200 GT FIELDS 2 a b", "[:0, :1]"),
        ("HEXPIRE h 100 LT FIELDS 2 a b", "[:1, :1]"),
        ("HEXPIRE h 100 LT FIELDS 2 a b", "[:0, :0]"),
        ("HPERSIST h FIELDS 4 a b c x", "[:1, :1, :1, :-2]"),
        ("HPERSIST h FIELDS 2 a x", "[:-1, :-2]"),
        ("HPERSIST none FIELDS 2 a x", "[:-2, :-2]"),
        ("HEXPIRE h 100 GT FIELDS 1 a", "[:0]"),
        ("HEXPIRE h 100 XX FIELDS 1 a", "[:0]"),
        ("HEXPIRE h 100 XX LT FIELDS 1 a", "[:0]"),
        ("HEXPIRE h 100 LT FIELDS 1 a", "[:1]"),
        ("HEXPIRE h 200 gt xx FIELDS 1 a", "[:1]"),
        ("HPEXPIRE h 1500 FIELDS 2 b b", "[:1, :1]"),
        ("HTTL h FIELDS 4 a b c x", "[:200, :2, :-1, :-2]"),
        ("HPTTL h FIELDS 4 a b c x", "[:200000, :1500, :-1, :-2]"),
        (
            "HEXPIRETIME h FIELDS 3 a b c",
            "[:1700000200, :1700000002, :-1]",
        ),
        (
            "HPEXPIRETIME h FIELDS 3 a b c",
            "[:1700000200000, :1700000001500, :-1]",
        ),
        ("HTTL none FIELDS 2 a b", "[:-2, :-2]"),
        ("HEXPIREAT h 2000000000 FIELDS 1 a", "[:1]"),
        ("HPEXPIREAT h 2000000000500 FIELDS 1 b", "[:1]"),
        ("HEXPIRETIME h FIELDS 2 a b", "[:2000000000, :2000000001]"),
        ("HEXPIRE h 0 FIELDS 2 c c", "[:2, :-2]"),
        ("HEXPIRE h 0 NX FIELDS 1 a", "[:0]"),
        ("HPEXPIREAT h 1700000000000 FIELDS 1 a", "[:2]"),
        ("HEXPIREAT h 1 FIELDS 1 b", "[:2]"),
        ("EXISTS h", ":0"),
    ]);
}

#[test]
fn what_is_no_time() {
    let no_count = "-ERR Parameter `numFields` should be greater than 0";
    let invalid = |name: &str| format!("-ERR invalid expire time in '{name}' command");
    for mut server in servers() {
        server.run("HSET h a 1");
        for key in ["h", "none"] {
            for (line, expect) in [
                ("HEXPIRE k x FIELDS 1 a", NO_INTEGER),
                ("HEXPIRE k x FOO 1 a", NO_INTEGER),
                ("HEXPIRE k -1 FIELDS 3 a", NEGATIVE_TIME),
                ("HEXPIRE k 10 FIELDS 1 a b", OTHER_COUNT),
                ("HEXPIRE k 10 FIELDS 3 a", OTHER_COUNT),
                ("HEXPIRE k 10 FIELDS 2147483648 a", OTHER_COUNT),
                ("HEXPIRE k 10 FIELDS 0 a", no_count),
                ("HEXPIRE k 10 FIELDS -1 a", no_count),
                ("HEXPIRE k 10 FIELDS x a", no_count),
                ("HEXPIRE k 10 FIELDS 9223372036854775808 a", no_count),
                ("HEXPIRE k 10 NX XX FIELDS 1 a", NO_FIELDS),
                ("HEXPIRE k 10 GT LT FIELDS 1 a", NO_FIELDS),
                ("HEXPIRE k 10 foo FIELDS 1 a", NO_FIELDS),
                ("HEXPIRE k 10 a b c d", NO_FIELDS),
                ("HEXPIRE k 10 FIELDS 1 a NX", OTHER_COUNT),
                ("HEXPIRE k 10 NX FIELDS 1", OTHER_COUNT),
                ("HEXPIRE k 10 NX FIELDS", &arity("hexpire")),
                ("HEXPIRE k 10 FIELDS 1", &arity("hexpire")),
                (
                    "HEXPIRE k 9223372036854775807 FIELDS 1 a",
                    &invalid("hexpire"),
                ),
                ("HEXPIRE k 99999999999999 FOO 3 a", &invalid("hexpire")),
                ("HPEXPIRE k 70368744177663 FIELDS 1 a", &invalid("hpexpire")),
                (
                    "HPEXPIREAT k 70368744177664 FIELDS 1 a",
                    &invalid("hpexpireat"),
                ),
                ("HEXPIREAT k 70368744178 FIELDS 1 a", &invalid("hexpireat")),
                ("HTTL k FOO 1 a", NO_FIELDS),
                ("HTTL k FIELDS 0 a", NO_COUNT),
                ("HTTL k FIELDS x a", NO_COUNT),
                ("HTTL k FIELDS 2 a", OTHER_COUNT),
                ("HTTL k FIELDS 1", &arity("httl")),
                ("HPERSIST k FOO 1 a", NO_FIELDS),
                ("HPERSIST k FIELDS 3 a", OTHER_COUNT),
            ] {
                let line = line.replacen(" k ", &format!(" {key} "), 1);
                server.check(&line, expect);
            }
        }
        server.check_log(&["HSET h a 1"]);
        server.check("HPEXPIREAT h 70368744177663 FIELDS 1 a", "[:1]");
        server.check("HPEXPIRETIME h FIELDS 1 a", "[:70368744177663]");
    }
}

#[test]
fn times_are_logged_as_moments() {
    for mut server in servers() {
        let mut check = |line: &str, log: &[&str], events: &[&str]| {
            server.run("DEL h");
            server.run("HSET h a 1 b 2 c 3");
            server.run("HEXPIRE h 1000 FIELDS 1 c");
            server.log();
            server.events();
            server.run(line);
            server.check_log(log);
            assert_eq!(server.events(), events, "{line}");
        };
        let expire = &["hexpire h"][..];
        check(
            "HEXPIRE h 10 FIELDS 3 a b x",
            &["HPEXPIREAT h 1700000010000 FIELDS 2 a b"],
            expire,
        );
        check(
            "HPEXPIRE h 10 nx fields 3 a c x",
            &["HPEXPIREAT h 1700000000010 NX FIELDS 1 a"],
            expire,
        );
        check(
            "HEXPIREAT h 1800000000 XX GT FIELDS 1 c",
            &["HPEXPIREAT h 1800000000000 XX GT FIELDS 1 c"],
            expire,
        );
        check("HEXPIRE h 10 XX FIELDS 2 a x", &[], &[]);
        check(
            "HEXPIRE h 0 FIELDS 3 a x b",
            &["MULTI", "HDEL h a", "HDEL h b", "EXEC"],
            &["hdel h"],
        );
        check(
            "HPEXPIREAT h 1 FIELDS 3 a b c",
            &["MULTI", "HDEL h a", "HDEL h b", "HDEL h c", "EXEC"],
            &["hdel h", "del h"],
        );
        check(
            "HPERSIST h FIELDS 2 a c",
            &["HPERSIST h FIELDS 1 c"],
            &["hpersist h"],
        );
        check("HPERSIST h FIELDS 2 a x", &[], &[]);
        check("HGETEX h FIELDS 2 a c", &[], &[]);
        check(
            "HGETEX h EX 10 FIELDS 2 a x",
            &["HPEXPIREAT h 1700000010000 FIELDS 1 a"],
            expire,
        );
        check(
            "HGETEX h PERSIST FIELDS 2 a c",
            &["HPERSIST h FIELDS 1 c"],
            &["hpersist h"],
        );
        check("HGETEX h PXAT 1 FIELDS 1 c", &["HDEL h c"], &["hdel h"]);
        check("HINCRBY h c 1", &["HINCRBY h c 1"], &["hincrby h"]);
        check(
            "HINCRBYFLOAT h c 1.5",
            &[
                "MULTI",
                "HSET h c 4.5",
                "HPEXPIREAT h 1700001000000 FIELDS 1 c",
                "EXEC",
            ],
            &["hincrbyfloat h"],
        );
    }
}

#[test]
fn counting_keeps_the_time_and_setting_does_not() {
    check(&[
        ("HSET h a 1 b 2 c 3 d 4", ":4"),
        ("HEXPIRE h 10 FIELDS 4 a b c d", "[:1, :1, :1, :1]"),
        ("HINCRBY h a 1", ":2"),
        ("HINCRBYFLOAT h b 1.5", "\"3.5\""),
        ("HSET h c 5", ":0"),
        ("HSETEX h KEEPTTL FIELDS 2 d 9 e 9", ":1"),
        ("HTTL h FIELDS 5 a b c d e", "[:10, :10, :-1, :10, :-1]"),
        ("HSETEX h FIELDS 1 d 9", ":1"),
        ("HTTL h FIELDS 1 d", "[:-1]"),
    ]);
}

#[test]
fn hgetex() {
    let negative = NEGATIVE_TIME;
    let too_late = "-ERR invalid expire time in 'hgetex' command";
    check(&[
        ("HGETEX none FIELDS 2 a b", "[nil, nil]"),
        ("HGETEX none EX 0 FIELDS 1 a", "[nil]"),
        ("HSET h a 1 b 2 c 3", ":3"),
        ("HGETEX h FIELDS 2 a x", "[\"1\", nil]"),
        ("HGETEX h EX 100 FIELDS 2 a x", "[\"1\", nil]"),
        ("HGETEX h px 1500 fields 1 b", "[\"2\"]"),
        ("HPTTL h FIELDS 3 a b c", "[:100000, :1500, :-1]"),
        ("HGETEX h EXAT 2000000000 FIELDS 1 a", "[\"1\"]"),
        ("HGETEX h PXAT 2000000000001 FIELDS 1 c", "[\"3\"]"),
        (
            "HPEXPIRETIME h FIELDS 2 a c",
            "[:2000000000000, :2000000000001]",
        ),
        ("HGETEX h PERSIST FIELDS 2 a x", "[\"1\", nil]"),
        ("HTTL h FIELDS 1 a", "[:-1]"),
        ("HGETEX h EX 10 FIELDS 1 a b", OTHER_COUNT),
        ("HGETEX h EX 10 FIELDS 5 a", OTHER_COUNT),
        ("HGETEX h FIELDS 2 a b EX 100", OTHER_COUNT),
        ("HGETEX h EX 100 PX 5 FIELDS 1 a", NO_FIELDS),
        ("HGETEX h PERSIST EX 5 FIELDS 1 a", NO_FIELDS),
        ("HGETEX h KEEPTTL FIELDS 1 a", NO_FIELDS),
        ("HGETEX h FOO FIELDS 1 a", NO_FIELDS),
        ("HGETEX h EX x FOO 1 a", NO_INTEGER),
        ("HGETEX h EX -1 FIELDS 3 a", negative),
        ("HGETEX h PXAT 70368744177664 FIELDS 1 a", too_late),
        ("HGETEX h EX 9223372036854775807 FIELDS 1 a", too_late),
        ("HGETEX h EX 100 FIELDS 0 a", NO_COUNT),
        ("HGETEX h EX 100 FIELDS x a", NO_COUNT),
        ("HGETEX h EX 100 FIELDS 1", OTHER_COUNT),
        ("HGETEX h EX 100 FIELDS", &arity("hgetex")),
        ("HGETEX h EX 100", &arity("hgetex")),
        ("HGETEX h PERSIST FIELDS", &arity("hgetex")),
        ("HGETEX h EX 0 FIELDS 3 a a c", "[\"1\", nil, \"3\"]"),
        ("HGETEX h PXAT 1 FIELDS 1 b", "[\"2\"]"),
        ("EXISTS h", ":0"),
    ]);
}

#[test]
fn hsetex() {
    let one_condition = "-ERR Only one of FXX or FNX arguments can be specified";
    let one_time = "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified";
    let too_late = "-ERR invalid expire time in 'hsetex' command";
    let no_count = "-ERR invalid number of fields";
    let wrong_arity = arity("hsetex");
    check(&[
        ("HSETEX h FXX FIELDS 1 a 1", ":0"),
        ("EXISTS h", ":0"),
        ("HSETEX h FIELDS 2 a 1 b 2", ":1"),
        ("HSETEX h FNX FIELDS 2 a 2 d 5", ":0"),
        ("HSETEX h fnx FIELDS 1 d 5", ":1"),
        ("HSETEX h FXX FIELDS 2 a 2 x 5", ":0"),
        ("HSETEX h FXX FIELDS 2 a 3 b 5", ":1"),
        ("HMGET h a b d x", "[\"3\", \"5\", \"5\", nil]"),
        // As in Valkey.
        ("HSETEX h NX FIELDS 1 a 4", ":0"),
        ("HSETEX h XX FIELDS 1 a 4", ":1"),
        ("HSETEX none XX FIELDS 1 a 4", ":0"),
        ("HSETEX h EX 100 FIELDS 1 a 9", ":1"),
        ("HSETEX h FXX PX 1500 FIELDS 1 b 9", ":1"),
        ("HPTTL h FIELDS 3 a b d", "[:100000, :1500, :-1]"),
        ("HSETEX h EXAT 2000000000 FNX FIELDS 1 e 9", ":1"),
        ("HSETEX h PXAT 2000000000000 FIELDS 2 f 1 f 2", ":1"),
        (
            "HPEXPIRETIME h FIELDS 2 e f",
            "[:2000000000000, :2000000000000]",
        ),
        ("HGET h f", "\"2\""),
        ("HSETEX h EX 0 FIELDS 2 a 1 x 1", ":1"),
        ("HMGET h a x", "[nil, nil]"),
        ("HSETEX h FXX FNX FIELDS 1 a b c", one_condition),
        ("HSETEX h FNX FNX FIELDS 1 a 3", one_condition),
        ("HSETEX h FNX KEEPTTL EX 5 FIELDS 1 a 1", one_time),
        ("HSETEX h EX 5 EX 5 FIELDS 1 a 1", one_time),
        ("HSETEX h KEEPTTL KEEPTTL FIELDS 1 a 1", one_time),
        ("HSETEX h FOO FIELDS 1 a 1", "-ERR unknown argument: FOO"),
        (
            "HSETEX h EX 5 PERSIST FIELDS 1 a b",
            "-ERR unknown argument: PERSIST",
        ),
        ("HSETEX h EX x FOO 1 a 1", NO_INTEGER),
        ("HSETEX h EX -1 FIELDS 5 a 1", NEGATIVE_TIME),
        ("HSETEX h PXAT 70368744177664 FIELDS 1 a 1", too_late),
        ("HSETEX h EX 99999999999999 FIELDS 5 a 1", too_late),
        ("HSETEX h FIELDS 0 a 1", no_count),
        ("HSETEX h FIELDS x a 1", no_count),
        ("HSETEX h FIELDS 2147483648 a 1", no_count),
        ("HSETEX h FIELDS 1 a 1 b 2", &wrong_arity),
        ("HSETEX h FIELDS 3 a 1 b 2", &wrong_arity),
        ("HSETEX h FIELDS 1 a 1 EX 5", &wrong_arity),
        ("HSETEX h FXX FIELDS 1 a", &wrong_arity),
        ("HSETEX h EX 10 FIELDS 1 a", &wrong_arity),
        ("HSETEX h FXX", &wrong_arity),
        ("HSETEX none EX 0 FIELDS 1 a 1", ":1"),
        ("EXISTS none", ":0"),
    ]);
}

#[test]
fn hsetex_is_logged_as_older_servers_know_it() {
    for mut server in servers() {
        let mut check = |line: &str, log: &[&str], events: &[&str]| {
            server.run("DEL h");
            server.run("HSET h a 1 b 2 c 3");
            server.run("HPEXPIREAT h 1800000000000 FIELDS 2 b c");
            server.log();
            server.events();
            server.run(line);
            server.check_log(log);
            assert_eq!(server.events(), events, "{line}");
        };
        check(
            "HSETEX h FIELDS 2 a 1 b 2",
            &["HSET h a 1 b 2"],
            &["hset h"],
        );
        check("HSETEX h FXX FIELDS 1 a 2", &["HSET h a 2"], &["hset h"]);
        check("HSETEX h FNX FIELDS 1 a 2", &[], &[]);
        check(
            "HSETEX h KEEPTTL FIELDS 1 a 2",
            &["HSET h a 2"],
            &["hset h"],
        );
        check(
            "HSETEX h KEEPTTL FIELDS 4 a 2 b 2 c 2 b 3",
            &[
                "MULTI",
                "HSET h a 2 b 2 c 2 b 3",
                "HPEXPIREAT h 1800000000000 FIELDS 2 b c",
                "EXEC",
            ],
            &["hset h"],
        );
        check(
            "HSETEX h FXX EX 10 FIELDS 2 a 2 b 1",
            &[
                "MULTI",
                "HSET h a 2 b 1",
                "HPEXPIREAT h 1700000010000 FIELDS 2 a b",
                "EXEC",
            ],
            &["hset h", "hexpire h"],
        );
        check(
            "HSETEX h PXAT 1 FIELDS 3 a 2 b 1 c 1",
            &["MULTI", "HDEL h a", "HDEL h b", "HDEL h c", "EXEC"],
            &["hset h", "hdel h", "del h"],
        );
    }
}
