//! Keys whatever they hold, and databases.

use std::collections::BTreeMap;

use super::support::value::Value;
use super::support::*;

const NO_INTEGER: &str = "-ERR value is not an integer or out of range";
const SYNTAX: &str = "-ERR syntax error";
const SAME: &str = "-ERR source and destination objects are the same";
const NO_DATABASE: &str = "-ERR DB index is out of range";

/// A whole pass of SCAN: how many calls it took, and how often each key came.
fn scan(client: &mut Client, options: &str) -> (usize, BTreeMap<String, usize>) {
    let (mut calls, mut seen, mut cursor) = (0, BTreeMap::new(), "0".to_owned());
    loop {
        let reply = client.run(&format!("SCAN {cursor} {options}"));
        for key in reply.items()[1].items() {
            *seen.entry(key.text()).or_insert(0) += 1;
        }
        calls += 1;
        cursor = reply.items()[0].text();
        if cursor == "0" {
            return (calls, seen);
        }
    }
}

#[test]
fn keys_come_and_go() {
    let server = Server::start(&[]);
    let mut client = server.client();
    check_all(
        &mut client,
        &[
            ("SET a 1", "+OK"),
            ("SET b 2", "+OK"),
            ("EXISTS a b a missing", ":3"),
            ("TOUCH a missing", ":1"),
            ("TYPE a", "+string"),
            ("TYPE missing", "+none"),
            ("DBSIZE", ":2"),
            ("KEYS ?", "[..., ...]"),
            ("KEYS [^a]", "[\"b\"]"),
            ("RENAME a b", "+OK"),
            ("RANDOMKEY", "\"b\""),
            ("GET b", "\"1\""),
            ("RENAME a b", "-ERR no such key"),
            ("RENAMENX a a", "-ERR no such key"),
            ("RENAMENX b b", ":0"),
            ("RENAME b b", "+OK"),
            ("COPY b c", ":1"),
            ("COPY b c", ":0"),
            ("COPY b c REPLACE", ":1"),
            ("COPY b b", SAME),
            ("COPY b d NOW", SYNTAX),
            ("UNLINK b c missing", ":2"),
            ("DEL b c", ":0"),
            ("RANDOMKEY", "nil"),
            ("DBSIZE", ":0"),
            ("DUMP a", "nil"),
        ],
    );
    client.resp3();
    check_all(
        &mut client,
        &[
            ("RANDOMKEY", "_"),
            ("OBJECT ENCODING a", "_"),
            ("MEMORY USAGE a", "_"),
            ("DUMP a", "_"),
            ("SCAN 0", "[\"0\", []]"),
            ("KEYS *", "[]"),
        ],
    );
}

#[test]
fn databases() {
    let server = Server::start(&[]);
    let (mut client, mut other) = (server.client(), server.client());
    check_all(
        &mut client,
        &[
            ("SET a zero", "+OK"),
            ("SELECT 1", "+OK"),
            ("SET a one", "+OK"),
            ("SWAPDB 0 1", "+OK"),
            ("GET a", "\"zero\""),
            ("MOVE a 2", ":1"),
            ("MOVE a 2", ":0"),
            ("MOVE a 1", SAME),
            ("MOVE a 16", NO_DATABASE),
            ("SELECT 16", NO_DATABASE),
            ("SELECT x", NO_INTEGER),
            (
                "SELECT 4294967296",
                "-ERR value is out of range, value must between ...",
            ),
            ("SWAPDB x 1", "-ERR invalid first DB index"),
            ("SWAPDB 0 x", "-ERR invalid second DB index"),
            ("SWAPDB 0 16", NO_DATABASE),
            ("DBSIZE", ":0"),
            ("SELECT 2", "+OK"),
            ("GET a", "\"zero\""),
            ("COPY a b DB 3", ":1"),
            ("FLUSHDB NOW", SYNTAX),
            ("FLUSHDB ASYNC", "+OK"),
            ("DBSIZE", ":0"),
        ],
    );
    check(&mut other, "GET a", "\"one\"");
    check(&mut client, "FLUSHALL", "+OK");
    check(&mut other, "GET a", "nil");
    check(&mut client, "SELECT 3", "+OK");
    check(&mut client, "DBSIZE", ":0");
}

#[test]
fn a_transaction_sees_databases_change() {
    let server = Server::start(&[]);
    let (mut client, mut other) = (server.client(), server.client());
    check(&mut other, "SET a 1", "+OK");
    for change in ["SWAPDB 0 1", "SWAPDB 1 0", "FLUSHALL"] {
        check(&mut client, "WATCH a", "+OK");
        check(&mut other, change, "+OK");
        check(&mut client, "MULTI", "+OK");
        check(&mut client, "EXEC", "nil*");
    }
    // Nothing there, nothing changed.
    check_all(
        &mut client,
        &[
            ("WATCH a", "+OK"),
            ("FLUSHALL", "+OK"),
            ("MULTI", "+OK"),
            ("SET a 1", "+QUEUED"),
            ("SELECT 1", "+QUEUED"),
            ("SET b 1", "+QUEUED"),
            ("SWAPDB 0 1", "+QUEUED"),
            ("KEYS *", "+QUEUED"),
            ("DBSIZE", "+QUEUED"),
            ("EXEC", "[+OK, +OK, +OK, +OK, [\"a\"], :1]"),
        ],
    );
}

#[test]
fn scan_gives_every_key() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for n in 0..100 {
        client.send_cmd(&["SET", &format!("few:{n}"), "x"]);
    }
    (0..100).for_each(|_| assert_eq!(client.recv().to_string(), "+OK"));
    let (calls, seen) = scan(&mut client, "");
    assert_eq!(seen.len(), 100);
    assert!(calls <= 15, "{calls} calls for 100 keys");
    for n in 0..20_000 {
        client.send_cmd(&["SET", &format!("many:{n}"), "x", "EX", "1000"]);
    }
    (0..20_000).for_each(|_| assert_eq!(client.recv().to_string(), "+OK"));
    assert_eq!(scan(&mut client, "COUNT 1000 MATCH few:*").1.len(), 100);
    assert_eq!(scan(&mut client, "COUNT 1000 TYPE STRING").1.len(), 20_100);
    assert_eq!(scan(&mut client, "COUNT 1000 TYPE hash").1.len(), 0);
    check_all(
        &mut client,
        &[
            ("SCAN 0 COUNT 0", SYNTAX),
            ("SCAN 0 COUNT", SYNTAX),
            ("SCAN 0 COUNT x", NO_INTEGER),
            ("SCAN x", "-ERR invalid cursor"),
            ("SCAN 18446744073709551615 COUNT 100", "[..., [...]]"),
        ],
    );
}

#[test]
fn scan_meets_what_stays_while_others_write() {
    let server = Server::start(&[]);
    let port = server.port;
    let mut client = server.client();
    for n in 0..1000 {
        check(&mut client, &format!("SET stays:{n} x"), "+OK");
    }
    let writer = std::thread::spawn(move || {
        let mut client = Client::connect(("127.0.0.1", port));
        for round in 0..8 {
            let name = if round % 2 == 0 { "SET" } else { "DEL" };
            for n in 0..5000 {
                let key = format!("passes:{n}");
                match name {
                    "SET" => client.send_cmd(&[name, &key, "x"]),
                    _ => client.send_cmd(&[name, &key]),
                }
            }
            (0..5000).for_each(|_| drop(client.recv()));
        }
    });
    while !writer.is_finished() {
        let (_, seen) = scan(&mut client, "COUNT 50");
        let stayed = seen.keys().filter(|key| key.starts_with("stays:"));
        assert_eq!(stayed.count(), 1000);
    }
    writer.join().expect("a writer that ends well");
    check(&mut client, "DBSIZE", ":1000");
}

fn dump(client: &mut Client) -> Vec<u8> {
    match client.run("DUMP a") {
        Value::Bulk(payload) => payload,
        other => panic!("DUMP was answered by {other}"),
    }
}

#[test]
fn values_travel_to_a_peer_and_back() {
    let server = Server::start(&[]);
    let Some(peer) = Peer::start(&[]) else {
        return;
    };
    let (mut ours, mut theirs) = (server.client(), peer.client());
    let long = "long ".repeat(1000);
    for value in ["", "12", "-70000", "5000000000", "text", &long] {
        ours.cmd(&["SET", "a", value]);
        let there = dump(&mut ours);
        let reply = theirs.cmd(&[&b"RESTORE"[..], b"a", b"5000", &there, b"REPLACE"]);
        assert_eq!(reply.to_string(), "+OK");
        let back = dump(&mut theirs);
        let reply = ours.cmd(&[&b"RESTORE"[..], b"b", b"0", &back, b"REPLACE"]);
        assert_eq!(reply.to_string(), "+OK");
        assert_eq!(ours.cmd(&["GET", "b"]).text(), value);
        check(&mut ours, "TTL b", ":-1");
    }
    check_all(
        &mut ours,
        &[
            ("RESTORE b 0 x", "-BUSYKEY Target key name already exists."),
            ("RESTORE c -1 x", "-ERR Invalid TTL value, must be >= 0"),
            (
                "RESTORE c 0 x",
                "-ERR DUMP payload version or checksum are wrong",
            ),
            ("RESTORE c 0 x NOW", SYNTAX),
        ],
    );
}

#[test]
fn how_values_are_kept() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.cmd(&["SET", "raw", &"x".repeat(45)]);
    check_all(
        &mut client,
        &[
            ("SET int 12", "+OK"),
            ("SET text x", "+OK"),
            ("OBJECT ENCODING int", "\"int\""),
            ("OBJECT ENCODING text", "\"embstr\""),
            ("OBJECT ENCODING raw", "\"raw\""),
            ("OBJECT REFCOUNT text", ":1"),
            ("OBJECT IDLETIME text", ":0"),
            (
                "OBJECT FREQ text",
                "-ERR An LFU maxmemory policy is not selected, ...",
            ),
            ("OBJECT FREQ missing", "nil"),
            ("OBJECT HELP", "[+OBJECT <subcommand> ...]"),
            (
                "OBJECT SHAPE text",
                "-ERR unknown subcommand 'SHAPE'. Try OBJECT HELP.",
            ),
            (
                "OBJECT",
                "-ERR wrong number of arguments for 'object' command",
            ),
            (
                "OBJECT ENCODING",
                "-ERR wrong number of arguments for 'object|encoding' command",
            ),
            ("MEMORY USAGE missing", "nil"),
            ("MEMORY USAGE text SAMPLES 5", ":..."),
            ("MEMORY USAGE text SAMPLES -1", SYNTAX),
        ],
    );
    // Only in a process of its own is all memory the allocator's that reports here.
    let report = client.run("MEMORY MALLOC-STATS").text();
    assert!(report.contains("committed"), "{report}");
}

#[test]
fn keys_migrate() {
    let (server, target) = (Server::start(&[]), Server::start(&[]));
    let (mut client, mut there) = (server.client(), target.client());
    let migrate = |key: &str, rest: &str| format!("MIGRATE 127.0.0.1 {} {key} {rest}", target.port);
    check(&mut there, "SELECT 5", "+OK");
    check(&mut client, "SET a 1", "+OK");
    check(&mut client, "SET b 2 PX 100000", "+OK");
    check(&mut client, &migrate("a", "5 1000 COPY"), "+OK");
    check(&mut client, "GET a", "\"1\"");
    let busy = "-ERR Target instance replied with error: BUSYKEY ...";
    check(&mut client, &migrate("a", "5 1000"), busy);
    // What arrived is gone, the rest stays; a bad target takes nothing.
    check(&mut client, &migrate("\"\"", "5 1000 KEYS a b"), busy);
    check(&mut client, "EXISTS a b", ":1");
    let left_ms = there.cmd(&["PTTL", "b"]).integer();
    assert!((1..=100_000).contains(&left_ms), "{left_ms}");
    check(&mut client, &migrate("a", "5 1000 REPLACE"), "+OK");
    check(&mut client, "DBSIZE", ":0");
    check(&mut there, "MGET a b", "[\"1\", \"2\"]");
    check(&mut client, "SET a 1", "+OK");
    let no_database = "-ERR Target instance replied with error: ERR DB index is out of range";
    check(&mut client, &migrate("a", "99 1000"), no_database);
    check(&mut client, "MIGRATE 127.0.0.1 1 a 0 1000", "-IOERR ...");
    check(&mut client, "EXISTS a", ":1");
    let stats = client.info("stats");
    assert_eq!(stats["migrate_cached_sockets"], "1");
    // A kept link whose other end has gone is replaced.
    check(&mut there, "CLIENT KILL TYPE normal SKIPME yes", ":1");
    check(&mut client, &migrate("a", "5 1000 REPLACE"), "+OK");
    check(&mut client, "EXISTS a", ":0");
}

// What follows in a transaction relies on the keys having gone, or not.
#[test]
fn keys_migrate_inside_of_a_transaction() {
    for kind in [Kind::Ours, Kind::Redis] {
        let (Some(server), Some(target)) = (start(kind, &[]), start(Kind::Ours, &[])) else {
            continue;
        };
        let (mut client, mut there) = (server.client(), target.client());
        let Some(follower) = start_follower(Kind::Ours, server.port, &[]) else {
            continue;
        };
        wait_for_link(&follower);
        let migrate = |key: &str, rest: &str| {
            format!("MIGRATE 127.0.0.1 {} {key} 0 1000 {rest}", target.port)
        };
        let mut transact = |commands: &[&str], expect: &str| {
            check(&mut client, "MULTI", "+OK");
            for command in commands {
                check(&mut client, command, "+QUEUED");
            }
            check(&mut client, "EXEC", expect);
        };
        let a = migrate("a", "");
        transact(
            &["SET a 1 PX 100000", &a, "GET a", "SET a 2", "GET a"],
            "[+OK, +OK, nil, +OK, \"2\"]",
        );
        check(&mut there, "GET a", "\"1\"");
        assert!(there.run("PTTL a").integer() > 0);
        let busy = "-ERR Target instance replied with error: BUSYKEY Target key name already \
                    exists.";
        let several = migrate("\"\"", "KEYS a b missing");
        transact(
            &["SET b 3", &several, "MGET a b", &migrate("missing", "")],
            &format!("[+OK, {busy}, [\"2\", nil], +NOKEY]"),
        );
        transact(
            &[
                &migrate("a", "COPY REPLACE"),
                "GET a",
                &migrate("a", "REPLACE"),
                "GET a",
            ],
            "[+OK, \"2\", +OK, nil]",
        );
        check(&mut there, "MGET a b", "[\"2\", \"3\"]");
        transact(
            &["SET a 4", "MIGRATE 127.0.0.1 1 a 0 1000", "GET a"],
            "[+OK, -IOERR error or timeout writing to target instance, \"4\"]",
        );
        wait_for_offset(&server, &follower);
        check(&mut follower.client(), "MGET a b", "[\"4\", nil]");
    }
}

// Other clients write while keys are under way: what they wrote must be at the target, or
// still here.
#[test]
fn what_changes_under_way_is_not_lost() {
    let (server, target) = (Server::start(&[]), Server::start(&[]));
    let (mut client, mut other) = (server.client(), server.client());
    let mut there = target.client();
    check(&mut client, "SET a old", "+OK");
    check(&mut there, "CLIENT PAUSE 1500 ALL", "+OK");
    let line = format!("MIGRATE 127.0.0.1 {} a 0 20000", target.port);
    let words: Vec<&str> = line.split(' ').collect();
    client.send_cmd(&words);
    std::thread::sleep(std::time::Duration::from_millis(50));
    check(&mut other, "APPEND a \" and new\"", ":11");
    assert_eq!(client.recv().to_string(), "+OK");
    check(&mut other, "EXISTS a", ":0");
    check(&mut there, "GET a", "\"old and new\"");
}
