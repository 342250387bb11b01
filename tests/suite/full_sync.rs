//! A follower takes a full sync: what it refuses and keeps its data for, what it serves
//! meanwhile, and what a crash leaves. The leaders are scripted, or lose their memory.

use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use lockstep::rdb::encode::{self, KeyMeta};

use super::support::*;

const WAYS: [&str; 4] = ["disabled", "on-empty-db", "swapdb", "flush-before-load"];

/// It is refused while data is hidden behind LOADING.
#[track_caller]
fn follow(server: &Server, port: u16) {
    let mut client = server.client();
    let ask = format!("REPLICAOF 127.0.0.1 {port}");
    wait_until(SOON, &ask, || client.run(&ask).to_string() == "+OK");
}

#[track_caller]
fn wait_for_line(server: &Server, line: &str) {
    wait_until(SOON, line, || server.log().contains(line));
}

/// A server with the key `kept`.
fn holder(way: &str, args: &[&str]) -> Server {
    let args = [&["--repl-diskless-load", way], args].concat();
    let server = Server::start(&args);
    check(&mut server.client(), "SET kept 1", "+OK");
    server
}

/// Bytes that are sent when the test says so.
fn gated(parts: [Vec<u8>; 2]) -> (Scripted, Sender<()>) {
    let (gate, opened) = channel();
    let opened = Mutex::new(opened);
    let leader = Scripted::new(move |mut asking| {
        asking.send(&parts[0]);
        // If the test has ended there is nothing more to be sent.
        if opened.lock().expect("no panic").recv().is_ok() {
            asking.send(&parts[1]);
        }
        asking.listen();
    });
    (leader, gate)
}

#[test]
fn a_snapshot_cut_at_any_byte_leaves_the_data() {
    let payload = snapshot("REDIS0010", &new_keys(3));
    let whole = full_resync(ID, 100, &payload);
    let [mut marked, rest] = marked_resync(ID, 100, &payload);
    marked.extend_from_slice(&rest);
    for way in ["disabled", "swapdb"] {
        let server = holder(way, &[]);
        let mut client = server.client();
        for bytes in [&whole, &marked] {
            let header_len = bytes.len() - payload.len() - 40;
            for cut in header_len..bytes.len() - 1 {
                let part = bytes[..cut].to_vec();
                let leader = Scripted::new(move |mut asking| asking.send(&part));
                follow(&server, leader.port);
                // The first retry follows at once.
                wait_until(SOON, "it has come again", || leader.asked().len() >= 2);
                // With swapdb the next try hides it for a moment.
                wait_until(SOON, &format!("{way}: {cut}"), || {
                    let kept = client.run("GET kept").to_string();
                    assert!(kept == "\"1\"" || way == "swapdb" && kept.starts_with("-LOADING"));
                    kept == "\"1\""
                });
            }
        }
        assert!(!is_up(&server));
        // None of that is in the way of a whole one.
        let leader = Scripted::sending(whole.clone());
        follow(&server, leader.port);
        wait_until(SOON, "the link is up", || is_up(&server));
        check_all(&mut client, &[("GET kept", "nil"), ("DBSIZE", ":3")]);
    }
}

/// Snapshots that nobody could load, and why.
fn useless() -> Vec<(Vec<u8>, &'static str)> {
    let list = snapshot_with("REDIS0010", |out, encoder| {
        encoder.put_entry_head(out, 18, b"my list", KeyMeta::default());
        encode::put_len(out, 1);
        encode::put_len(out, 2);
        encoder.put_string(out, b"no listpack");
    });
    let unknown = snapshot_with("REDIS0012", |out, encoder| {
        encoder.put_string_entry(out, b"good", b"1", KeyMeta::default());
        encoder.put_entry_head(out, 99, b"strange\n", KeyMeta::default());
    });
    let function = snapshot_with("REDIS0010", |out, encoder| {
        encoder.put_function(out, b"#!lua name=f");
    });
    let database = snapshot_with("REDIS0010", |out, _| encode::put_select_db(out, 16));
    let good = snapshot("REDIS0010", &new_keys(3));
    let mut broken = good.clone();
    // A value's last byte: behind it are the end and the checksum.
    let at = good.len() - 10;
    broken[at] ^= 1;
    let cut = good[..good.len() - 3].to_vec();
    let empty = |header| snapshot(header, &[]);
    let none = b"no snapshot at all".to_vec();
    let a_list = "key 'my list': ";
    let a_function = "Failed creating the library: Invalid library metadata";
    let a_database = "database 16 of a server with more than 16 databases";
    vec![
        (list, a_list),
        (unknown, "key 'strange\\n' is of the unknown type 99"),
        (function, a_function),
        (database, a_database),
        (broken, "Wrong RDB checksum expected: "),
        (cut, "Unexpected EOF reading RDB file"),
        (empty("REDIS0013"), "Can't handle RDB format version 13"),
        (empty("REDIS0000"), "Can't handle RDB format version 0"),
        (empty("VALKEY079"), "Can't handle RDB format version 79"),
        (empty("VALKEY081"), "Can't handle RDB format version 81"),
        (none, "Wrong signature trying to load DB from file"),
    ]
}

#[test]
fn a_snapshot_that_nobody_could_load_is_refused_with_its_reason() {
    let cases = useless();
    for way in WAYS {
        let server = holder(way, &[]);
        for (payload, reason) in &cases {
            let is_header = reason.contains("version") || reason.contains("signature");
            if way == "flush-before-load" && !is_header {
                continue;
            }
            let leader = Scripted::sending(full_resync(ID, 100, payload));
            let before = server.log().matches(reason).count();
            follow(&server, leader.port);
            let tries = if way == "disabled" { 2 } else { 1 };
            wait_until(SOON, reason, || {
                let info = server.client().info("replication");
                let told = info.get("master_sync_refusal_reason");
                let refusals = info.get("master_sync_refusals");
                told.is_some_and(|told| told.starts_with(reason))
                    && refusals.is_some_and(|n| n.parse().is_ok_and(|n: u64| n >= tries))
            });
            // Once for the operator, whatever the number of tries, and no storm of them.
            let lines = server
                .log()
                .matches("Failed trying to load the MASTER")
                .count();
            let told = server.log().matches(reason).count();
            assert!(told > before && lines <= cases.len(), "{}", server.log());
            assert!(leader.asked().len() <= 3, "{way}: {:?}", leader.asked());
            check(&mut server.client(), "GET kept", "\"1\"");
            let loading = field(&server, "persistence", "loading");
            assert_eq!(loading, "0", "{way}: {reason}");
        }
        let mut client = server.client();
        check(&mut client, "REPLICAOF NO ONE", "+OK");
        check(&mut client, "SET kept 2", "+OK");
    }
}

#[test]
fn every_version_of_both_vendors_is_read() {
    let server = holder("disabled", &[]);
    let versions = (1..=12).map(|version| format!("REDIS{version:04}"));
    for (n, header) in versions.chain(["VALKEY080".to_owned()]).enumerate() {
        let leader = Scripted::sending(full_resync(ID, 100, &snapshot(&header, &new_keys(n))));
        follow(&server, leader.port);
        wait_until(SOON, &header, || is_up(&server));
        check(&mut server.client(), "DBSIZE", &format!(":{n}"));
    }
}

#[test]
fn a_leader_that_lies_about_the_length_changes_nothing() {
    let server = holder("disabled", &["--repl-timeout", "1"]);
    let payload = snapshot("REDIS0010", &new_keys(3));
    // More than there is: the rest is waited for, but not for ever.
    let head = format!("+FULLRESYNC {ID} 100\r\n${}\r\n", payload.len() + 5);
    let leader = Scripted::sending([head.as_bytes(), &payload].concat());
    follow(&server, leader.port);
    wait_for_line(&server, "Timeout receiving bulk data from MASTER...");
    check(&mut server.client(), "GET kept", "\"1\"");
    // Less: what is left over is no stream.
    let head = format!("+FULLRESYNC {ID} 100\r\n${}\r\n", payload.len() - 5);
    let leader = Scripted::sending([head.as_bytes(), &payload].concat());
    follow(&server, leader.port);
    wait_until(SOON, "it is refused", || {
        let reason = field(&server, "replication", "master_sync_refusal_reason");
        reason == "Unexpected EOF reading RDB file"
    });
    check(&mut server.client(), "GET kept", "\"1\"");
}

#[test]
fn swapdb_serves_the_old_data_until_it_is_exchanged() {
    let server = Server::start(&["--repl-diskless-load", "swapdb"]);
    let first = snapshot("REDIS0010", &[("kept".to_owned(), "1".to_owned())]);
    let (leader, gate) = {
        let parts = marked_resync(ID, 500, &snapshot("REDIS0010", &new_keys(1000)));
        let (gate, opened) = channel::<()>();
        let opened = Mutex::new(opened);
        let leader = Scripted::new(move |mut asking| {
            if asking.attempt == 0 {
                // In sync, then the link breaks.
                return asking.send(&full_resync(ID, 100, &first));
            }
            asking.send(&parts[0]);
            if opened.lock().expect("no panic").recv().is_ok() {
                asking.send(&parts[1]);
            }
            asking.listen();
        });
        (leader, gate)
    };
    follow(&server, leader.port);
    let is_aside = || field(&server, "persistence", "async_loading") == "1";
    wait_until(SOON, "it loads aside", is_aside);
    let mut client = server.client();
    let mut watcher = server.client();
    let mut other = server.client();
    check_all(&mut watcher, &[("WATCH kept", "+OK"), ("MULTI", "+OK")]);
    check_all(&mut other, &[("WATCH new:1", "+OK"), ("MULTI", "+OK")]);
    check_all(
        &mut client,
        &[
            ("GET kept", "\"1\""),
            ("GET new:1", "nil"),
            ("DBSIZE", ":1"),
            ("SAVE", "-LOADING Redis is loading the dataset in memory"),
        ],
    );
    assert_eq!(field(&server, "persistence", "loading"), "0");
    // Whoever reads sees all of one or all of the other.
    let port = server.port;
    let reader = std::thread::spawn(move || {
        let mut reader = Client::connect(("127.0.0.1", port));
        loop {
            let seen = reader.run("MGET kept new:0 new:999").to_string();
            match seen.as_str() {
                r#"["1", nil, nil]"# => {}
                r#"[nil, "v", "v"]"# => return,
                _ => panic!("{seen}"),
            }
        }
    });
    gate.send(()).expect("the leader waits");
    wait_until(SOON, "the link is up", || is_up(&server));
    reader.join().expect("nothing in between was seen");
    assert!(!is_aside());
    check_all(&mut client, &[("GET kept", "nil"), ("DBSIZE", ":1000")]);
    for watcher in [&mut watcher, &mut other] {
        check_all(watcher, &[("PING", "+QUEUED"), ("EXEC", "nil*")]);
    }
    let log = server.log();
    assert!(log.contains("Swapping active DB with loaded DB"), "{log}");
}

#[test]
fn data_of_another_history_is_hidden_and_comes_back() {
    let server = holder("swapdb", &[]);
    let mut client = server.client();
    let loading = "-LOADING Redis is loading the dataset in memory";
    let parts = marked_resync(ID, 500, &snapshot("REDIS0010", &new_keys(1000)));
    let (leader, gate) = gated(parts);
    follow(&server, leader.port);
    wait_until(SOON, "it loads", || {
        field(&server, "persistence", "loading") == "1"
    });
    assert_eq!(field(&server, "persistence", "async_loading"), "0");
    check(&mut client, "GET kept", loading);
    // The leader sends no more: what has come is of no use.
    check(&mut client, "CONFIG SET repl-timeout 1", "+OK");
    wait_for_line(&server, "Timeout receiving bulk data from MASTER...");
    wait_for_line(&server, "Internal error in RDB reading offset");
    wait_for_line(&server, "Discarding temporary DB in background");
    wait_until(SOON, "the old data is back", || {
        client.run("GET kept").to_string() == "\"1\""
    });
    drop(gate);
}

#[test]
fn who_has_nothing_may_load_from_the_socket() {
    let parts = || marked_resync(ID, 500, &snapshot("REDIS0010", &new_keys(1000)));
    for (way, answer) in [
        (
            "on-empty-db",
            "-LOADING Redis is loading the dataset in memory",
        ),
        ("disabled", "nil"),
    ] {
        let server = Server::start(&["--repl-diskless-load", way]);
        let (leader, gate) = gated(parts());
        follow(&server, leader.port);
        wait_until(SOON, "half has come", || {
            let read = field(&server, "replication", "master_sync_read_bytes");
            read.parse::<u64>().is_ok_and(|read| read > 1000)
        });
        check(&mut server.client(), "GET new:1", answer);
        gate.send(()).expect("the leader waits");
        wait_until(SOON, "the link is up", || is_up(&server));
        check(&mut server.client(), "DBSIZE", ":1000");
        // What went through the disk is there for the next start.
        let file = server.folder().join("dump.rdb");
        assert_eq!(file.exists(), way == "disabled");
    }
    let server = holder("on-empty-db", &[]);
    let (leader, gate) = gated(parts());
    follow(&server, leader.port);
    wait_until(SOON, "it has asked", || !leader.asked().is_empty());
    check(&mut server.client(), "GET kept", "\"1\"");
    gate.send(()).expect("the leader waits");
    wait_until(SOON, "the link is up", || is_up(&server));
    check_all(
        &mut server.client(),
        &[("GET kept", "nil"), ("DBSIZE", ":1000")],
    );
}

#[test]
fn who_asks_to_follow_must_have_read_all_replies() {
    let refused = "-ERR SYNC and PSYNC are invalid with pending output";
    for kind in [Kind::Ours, Kind::Redis] {
        let Some(server) = start(kind, &AT_ONCE) else {
            continue;
        };
        let answers = |input: &str, expect: &[&str]| {
            let mut client = server.client();
            client.send(input.replace('|', "\r\n").as_bytes());
            for line in expect {
                assert_eq!(client.recv().to_string(), *line, "{kind:?}: {input}");
            }
            client
        };
        for ask in ["PSYNC ? -1", "SYNC"] {
            answers(&format!("PING|{ask}|PING|"), &["+PONG", refused, "+PONG"]);
        }
        let twice = ["-ERR value is not an integer or out of range", refused];
        answers("PSYNC ? x|PSYNC ? -1|", &twice);
        answers("WAIT 1 1|PSYNC ? -1|", &[":0", refused]);
        answers(
            "REPLCONF capa eof|REPLCONF rdb-only 1|SYNC|",
            &["+OK", "+OK", refused],
        );
        // It may ask again; and what gets no reply is not in the way.
        let mut client = answers("PING|PSYNC ? -1|", &["+PONG", refused]);
        client.send(b"PSYNC ? -1\r\n");
        let accepted = |reply: String| assert!(reply.starts_with("+FULLRESYNC "), "{reply}");
        accepted(client.recv().to_string());
        for silent in ["REPLCONF ACK 0", "CLIENT REPLY OFF|PING"] {
            accepted(
                answers(&format!("{silent}|PSYNC ? -1|"), &[])
                    .recv()
                    .to_string(),
            );
        }
    }
}
