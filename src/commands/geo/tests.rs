//! Places through commands.

use crate::commands::testing::TestServer;

const SYNTAX: &str = "-ERR syntax error";
const NO_FLOAT: &str = "-ERR value is not a valid float";
const NO_UNIT: &str = "-ERR unsupported unit provided. please use M, KM, FT, MI";
const NO_MEMBER: &str = "-ERR could not decode requested zset member";
const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

/// Two cities of Sicily.
const SICILY: &str = "GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania";

fn sicily() -> TestServer {
    let mut server = TestServer::new();
    server.check(SICILY, ":2");
    server
}

#[test]
fn added() {
    let mut server = TestServer::new();
    server.check_all(
        SICILY,
        ":2",
        &["zadd g 3479099956230698 Palermo 3479447370796909 Catania"],
        &["new g", "zadd g"],
    );
    server.check_all(SICILY, ":0", &[], &[]);
    server.check_all(
        "GEOADD g xx CH 13 38 Palermo 1 1 nobody",
        ":1",
        &["zadd g xx CH 3479065152021743 Palermo 3377822707026402 nobody"],
        &["zadd g"],
    );
    server.check("GEOADD g NX 1 1 Palermo", ":0");
    server.check("ZSCORE g Palermo", "\"3479065152021743\"");
    server.run("SET s x");
    let pair = |text| format!("-ERR invalid longitude,latitude pair {text}");
    server.check("GEOADD g 200 1 x", &pair("200.000000,1.000000"));
    server.check("GEOADD g 1 2 x 13 -91.5 y", &pair("13.000000,-91.500000"));
    for (line, expect) in [
        ("GEOADD g 13 x y", NO_FLOAT),
        ("GEOADD g XX NX 1 2 x", SYNTAX),
        ("GEOADD g CH 1 2", SYNTAX),
        ("GEOADD g CH CH NX", SYNTAX),
        ("GEOADD s 1 2 x", WRONG_TYPE),
    ] {
        server.check_all(line, expect, &[], &[]);
    }
}

#[test]
fn looked_at() {
    let mut server = sicily();
    server.check("GEODIST g Palermo Catania", "\"166274.1516\"");
    server.check("GEODIST g Palermo Catania km", "\"166.2742\"");
    server.check("GEODIST g Palermo Catania MI", "\"103.3182\"");
    server.check("GEODIST g Palermo Palermo", "\"0.0000\"");
    server.check("GEODIST g Palermo nobody", "nil");
    server.check("GEODIST no a b", "nil");
    server.check("GEODIST no a b x", NO_UNIT);
    server.check("GEODIST no a b m m", SYNTAX);
    server.check("GEOHASH g Palermo nobody Catania", {
        "[\"sqc8b49rny0\", nil, \"sqdtr74hyu0\"]"
    });
    server.check("GEOHASH no a", "[nil]");
    server.check("GEOHASH g", "[]");
    server.check("GEOPOS g Palermo nobody", {
        "[[\"13.361389338970184\", \"38.1155563954963\"], nil*]"
    });
    server.check("GEOPOS no a", "[nil*]");
    server.run("SET s x");
    for line in ["GEODIST s a b", "GEOHASH s a", "GEOPOS s a"] {
        server.check(line, WRONG_TYPE);
    }
    let mut server = TestServer::resp3();
    server.run(SICILY);
    server.check("GEOPOS g Palermo nobody", {
        "[[,13.361389338970184, ,38.1155563954963], _]"
    });
    server.check("GEODIST g Palermo Catania", "\"166274.1516\"");
}

#[test]
fn searched() {
    let mut server = sicily();
    server.run("GEOADD g 12.758489 38.788135 edge1 17.241510 38.788135 edge2");
    for (area, expect) in [
        ("FROMLONLAT 15 37 BYRADIUS 200 km ASC", "Catania Palermo"),
        ("FROMLONLAT 15 37 BYRADIUS 200 km DESC", "Palermo Catania"),
        ("FROMLONLAT 15 37 BYRADIUS 100000 m", "Catania"),
        (
            "FROMLONLAT 15 37 BYBOX 400 400 km ASC",
            "Catania Palermo edge2 edge1",
        ),
        (
            "FROMLONLAT 15 37 BYBOX 400 400 km COUNT 3",
            "Catania Palermo edge2",
        ),
        ("FROMLONLAT 15 37 BYRADIUS 1 km", ""),
        ("FROMMEMBER Palermo BYRADIUS 0 m", "Palermo"),
        (
            "FROMMEMBER Palermo BYRADIUS 170 km ASC",
            "Palermo edge1 Catania",
        ),
        ("BYPOLYGON 3 10 35 20 35 15 40 ASC", "Catania Palermo"),
        ("BYPOLYGON 4 14 36 16 36 16 39 14 39", "Catania"),
    ] {
        let expect: Vec<String> = expect
            .split_ascii_whitespace()
            .map(|name| format!("\"{name}\""))
            .collect();
        let expect = format!("[{}]", expect.join(", "));
        server.check(&format!("GEOSEARCH g {area}"), &expect);
    }
    server.check(
        "GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 100 km WITHCOORD WITHDIST WITHHASH",
        "[[\"Catania\", \"56.4413\", :3479447370796909, \
         [\"15.087267458438873\", \"37.50266842333162\"]]]",
    );
    let any = server.run("GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 500 km COUNT 2 ANY");
    assert_eq!(any.matches(", ").count(), 1);
    server.check("GEOSEARCH no FROMMEMBER x BYRADIUS 1 km", "[]");
    server.check("GEOSEARCH no BYRADIUS 1 km FROMMEMBER x DESC", "[]");
}

#[test]
fn what_cannot_be_searched() {
    let mut server = sicily();
    server.run("SET s x");
    let center = "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH";
    let shape = "-ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH";
    let any = "-ERR the ANY argument requires COUNT argument";
    let corners = "-ERR GEOSEARCH BYPOLYGON must have at least 3 vertices";
    let stored = "-ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and \
                  WITHCOORD options";
    for (line, expect) in [
        ("FROMLONLAT 15 37 BYRADIUS 200 x", NO_UNIT),
        ("FROMLONLAT 15 37 BYRADIUS x km", "-ERR need numeric radius"),
        (
            "FROMLONLAT 15 37 BYRADIUS -1 km",
            "-ERR radius cannot be negative",
        ),
        ("FROMLONLAT 15 37 BYBOX x 1 km", "-ERR need numeric width"),
        ("FROMLONLAT 15 37 BYBOX 1 x km", "-ERR need numeric height"),
        (
            "FROMLONLAT 15 37 BYBOX 1 -1 km",
            "-ERR height or width cannot be negative",
        ),
        ("FROMLONLAT 15 37 ASC DESC", shape),
        ("BYRADIUS 15 km ASC DESC", center),
        ("FROMMEMBER nobody BYRADIUS 15 km", NO_MEMBER),
        ("FROMMEMBER Palermo FROMLONLAT 1 1 BYRADIUS 15 km", SYNTAX),
        ("FROMLONLAT 1 1 BYRADIUS 15 km BYBOX 1 1 km", SYNTAX),
        ("FROMLONLAT 1 1 BYRADIUS 15 km ANY", any),
        (
            "FROMLONLAT 1 1 BYRADIUS 15 km COUNT 0",
            "-ERR COUNT must be > 0",
        ),
        ("FROMLONLAT 1 1 BYRADIUS 15 km STORE d", SYNTAX),
        ("FROMLONLAT 1 1 BYRADIUS 15 km STOREDIST", SYNTAX),
        ("BYPOLYGON 2 10 35 20 35 15 40", corners),
        ("BYPOLYGON 4 10 35 20 35 15 40", corners),
        (
            "BYPOLYGON x 10 35 20 35 15 40",
            "-ERR invalid number of vertices",
        ),
        ("BYPOLYGON 3 10 35 20 x 15 40", NO_FLOAT),
        ("FROMLONLAT 1 1 BYPOLYGON 3 10 35 20 35 15 40", SYNTAX),
        ("BYPOLYGON 3 10 35 20 35 15 40 FROMMEMBER Palermo", SYNTAX),
    ] {
        server.check_all(&format!("GEOSEARCH g {line}"), expect, &[], &[]);
    }
    server.check("GEOSEARCH s FOO 1 2 3 4", WRONG_TYPE);
    server.check(
        "GEOSEARCHSTORE d g FROMLONLAT 1 1 BYRADIUS 1 km WITHDIST",
        stored,
    );
}

#[test]
fn stored() {
    let mut server = sicily();
    let line = "GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km";
    server.check_all(line, ":2", &[line], &["new d", "geosearchstore d"]);
    server.check("ZRANGE d 0 -1 WITHSCORES", {
        "[\"Palermo\", \"3479099956230698\", \"Catania\", \"3479447370796909\"]"
    });
    assert_eq!(server.changes(), 4);
    server.check(&format!("{line} STOREDIST COUNT 1"), ":1");
    server.check(
        "ZRANGE d 0 -1 WITHSCORES",
        "[\"Catania\", \"56.4412578701582\"]",
    );
    let line = "GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 1 km";
    server.check_all(line, ":0", &[line], &["del d"]);
    server.check_all(line, ":0", &[], &[]);
    let line = "GEORADIUS g 15 37 200 km STORE d STOREDIST e";
    server.check_all(line, ":2", &[line], &["new e", "georadiusstore e"]);
    server.check("EXISTS d", ":0");
    server.check("GEORADIUSBYMEMBER g Palermo 10 km STORE g", ":1");
    server.check("ZCARD g", ":1");
    server.check("GEORADIUSBYMEMBER no any thing at STORE g", ":0");
    server.check("EXISTS g", ":0");
}

#[test]
fn the_older_forms() {
    let mut server = sicily();
    server.check("GEORADIUS g 15 37 200 km ASC", "[\"Catania\", \"Palermo\"]");
    server.check("GEORADIUS_RO g 15 37 200 km COUNT 1", "[\"Catania\"]");
    server.check("GEORADIUSBYMEMBER g Palermo 200 km WITHDIST DESC", {
        "[[\"Catania\", \"166.2742\"], [\"Palermo\", \"0.0000\"]]"
    });
    server.check("GEORADIUSBYMEMBER_RO g Palermo 1 m", "[\"Palermo\"]");
    server.check("GEORADIUS no 1 2 3 km", "[]");
    server.check("GEORADIUSBYMEMBER no any thing at", "[]");
    let stored = "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH \
                  and WITHCOORD options";
    for (line, expect) in [
        ("GEORADIUS g 15 37 200 km STORE d WITHDIST", stored),
        ("GEORADIUS_RO g 15 37 200 km STORE d", SYNTAX),
        ("GEORADIUSBYMEMBER_RO g Palermo 200 km STOREDIST d", SYNTAX),
        ("GEORADIUSBYMEMBER g nobody 200 km", NO_MEMBER),
        ("GEORADIUS g 1 2 1 x", NO_UNIT),
        ("GEORADIUS g 1 x 1 m", NO_FLOAT),
        ("GEORADIUS g 15 37 200 km FROMLONLAT 1 1", SYNTAX),
    ] {
        server.check_all(line, expect, &[], &[]);
    }
}
