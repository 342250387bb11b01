//! Streams between servers and over connections: what one server has, the others have, and
//! who waits for an entry is told of what comes, and of what goes.

use super::support::value::Value;
use super::support::*;

/// Streams of one node and of many, with gaps, and a group in the middle of its work.
fn fill(client: &mut Client) {
    for ms in 1..=500 {
        let entry = match ms % 7 {
            0 => format!("XADD long {ms} other {ms} field value"),
            _ => format!("XADD long {ms} field value-{ms}"),
        };
        client.run(&entry);
    }
    let large = "x".repeat(9_000);
    client.cmd(&["XADD", "long", "501-1", "field", &large]);
    check(client, "XDEL long 3 200 201 202 499", ":5");
    check(client, "XTRIM long MINID = 7", ":5");
    check(client, "XGROUP CREATE long group 0", "+OK");
    for consumer in ["alice", "bob"] {
        client.run(&format!(
            "XREADGROUP GROUP group {consumer} COUNT 150 STREAMS long >"
        ));
    }
    check(client, "XACK long group 8 9 100 300", ":4");
    check(client, "XGROUP CREATE empty group $ MKSTREAM", "+OK");
    check(client, "XADD one 1-1 1 2", "\"1-1\"");
    check(client, "XADD mortal 1-1 a b", "\"1-1\"");
    check(client, "PEXPIRE mortal 100000000", ":1");
}

/// Every command that changes streams.
fn change(client: &mut Client) {
    for line in [
        "XADD long * a b",
        "XADD long 99999999999999-* a b",
        "XADD long MAXLEN ~ 300 99999999999999-* a b",
        "XADD one MAXLEN 1 NOMKSTREAM * a b",
        "XTRIM long MINID ~ 120 LIMIT 100",
        "XTRIM long MAXLEN = 250",
        "XDEL long 490 491",
        "XSETID empty 500-0 ENTRIESADDED 50 MAXDELETEDID 7-7",
        "XGROUP CREATE one other 0 ENTRIESREAD 1",
        "XGROUP SETID one other $",
        "XGROUP CREATE one gone 0",
        "XGROUP DESTROY one gone",
        "XGROUP CREATECONSUMER long group carol",
        "XREADGROUP GROUP group carol COUNT 10 STREAMS long >",
        "XREADGROUP GROUP group alice COUNT 5 NOACK STREAMS long >",
        "XREADGROUP GROUP group bob BLOCK 0 COUNT 5 STREAMS long >",
        "XREADGROUP GROUP group bob COUNT 5 STREAMS long 0",
        "XACK long group 310 311",
        "XCLAIM long group carol 0 320 321 322 323 RETRYCOUNT 7",
        "XDEL long 330 331",
        "XAUTOCLAIM long group carol 0 325 COUNT 10",
        "XGROUP DELCONSUMER long group bob",
    ] {
        let reply = client.run(line).to_string();
        assert!(
            !reply.starts_with('-') && !reply.starts_with("nil"),
            "{line}: {reply}"
        );
    }
}

/// What the groups are like: no digest covers them.
fn groups(server: &Server) -> Vec<String> {
    let mut client = server.client();
    let mut all = Vec::new();
    for key in ["long", "empty", "one"] {
        all.push(client.run(&format!("XINFO GROUPS {key}")).to_string());
    }
    all.push(client.run("XPENDING long group").to_string());
    all
}

#[test]
fn streams_are_the_same_everywhere() {
    same_everywhere(of_every_kind, fill, change, |leader, follower| {
        check_same(leader, follower);
        assert_eq!(groups(leader), groups(follower));
    });
}

#[test]
fn streams_come_back_as_they_were() {
    let server = Server::start(&AT_ONCE);
    let mut client = server.client();
    fill(&mut client);
    change(&mut client);
    let before = (digest(&server), groups(&server));
    check(&mut client, "DEBUG RELOAD", "+OK");
    assert_eq!((digest(&server), groups(&server)), before);
}

/// When each consumer was seen and was last given anything, and the rest of the groups.
fn groups_in_full(server: &Server, key: &str) -> String {
    let reply = server.client().run(&format!("XINFO STREAM {key} FULL"));
    let parts: Vec<&[Value]> = reply.items().chunks(2).collect();
    let groups = parts.iter().find(|part| part[0].text() == "groups");
    groups.map(|part| part[1].to_string()).unwrap_or_default()
}

/// A group with a consumer that asks in vain after it was given something, and one that
/// never was.
fn fill_with_consumers(client: &mut Client) {
    client.run("XADD read 1 a b");
    client.run("XGROUP CREATE read group 0");
    client.run("XREADGROUP GROUP group active STREAMS read >");
    let given = std::time::SystemTime::now();
    let line = "XREADGROUP GROUP group active BLOCK 2 STREAMS read >";
    while given.elapsed().is_ok_and(|elapsed| elapsed.as_millis() < 5) {
        check(client, line, "nil*");
    }
    check(client, "XGROUP CREATECONSUMER read group idle", ":1");
}

/// Every follower is sent what it can keep of a group, and no group keeps a follower away.
#[test]
fn when_consumers_were_active_is_told_to_who_can_know() {
    let leader = Server::start(&AT_ONCE);
    fill_with_consumers(&mut leader.client());
    let full = groups_in_full(&leader, "read");
    assert!(full.contains("active-time"), "{full}");
    for follower in of_new_kinds(Some(&leader)) {
        wait_for_link(&follower);
        assert_eq!(
            groups_in_full(&follower, "read"),
            full,
            "{}",
            follower.log()
        );
    }
    let old = start_follower(Kind::Redis, leader.port, &[]);
    if let Some(old) = &old {
        wait_for_link(old);
        assert_eq!(digest(old), digest(&leader));
        let reply = |server: &Server| server.client().run("XPENDING read group").to_string();
        assert_eq!(reply(old), reply(&leader));
    }
    assert_eq!(field(&leader, "replication", "sync_refusals"), "0");
}

/// A file has what is known of consumers, and one without groups is for Redis 7.0 too.
#[test]
fn files_keep_when_consumers_were_active() {
    let server = Server::start(&AT_ONCE);
    let mut client = server.client();
    let header = |client: &mut Client| {
        check(client, "SAVE", "+OK");
        let file = std::fs::read(server.folder().join("dump.rdb")).expect("a file");
        String::from_utf8_lossy(&file[..9]).into_owned()
    };
    client.run("XADD plain 1 a b");
    assert_eq!(header(&mut client), "REDIS0010");
    fill_with_consumers(&mut client);
    assert_eq!(header(&mut client), "REDIS0011");
    let full = groups_in_full(&server, "read");
    check(&mut client, "DEBUG RELOAD", "+OK");
    assert_eq!(groups_in_full(&server, "read"), full);
    check(&mut client, "XGROUP DESTROY read group", ":1");
    assert_eq!(header(&mut client), "REDIS0010");
}

#[test]
fn a_payload_tells_when_consumers_were_last_given_anything() {
    let server = Server::start(&[]);
    let mut client = server.client();
    fill_with_consumers(&mut client);
    let Value::Bulk(payload) = client.run("DUMP read") else {
        panic!("no payload");
    };
    let expect = groups_in_full(&server, "read");
    assert!(expect.contains("\"active-time\", :-1"), "{expect}");
    let restored: [&[u8]; 5] = [b"RESTORE", b"read", b"0", &payload, b"REPLACE"];
    assert_eq!(client.cmd(&restored).to_string(), "+OK");
    assert_eq!(groups_in_full(&server, "read"), expect);
}

/// Payloads go from every server to every other that knows their version.
#[test]
fn streams_are_dumped_and_restored_everywhere() {
    let servers = of_every_kind(None);
    let Some((ours, peers)) = servers.split_first() else {
        return;
    };
    fill(&mut ours.client());
    let payload = |server: &Server| match server.client().cmd(&["DUMP", "long"]) {
        Value::Bulk(payload) => payload,
        other => panic!("{other} is no payload"),
    };
    let restore = |server: &Server, payload: &[u8]| {
        let mut client = server.client();
        let args: [&[u8]; 5] = [b"RESTORE", b"long", b"0", payload, b"REPLACE"];
        assert_eq!(client.cmd(&args).to_string(), "+OK");
        let digest = client.run("DEBUG DIGEST-VALUE long").to_string();
        let pending = client.run("XPENDING long group").to_string();
        (digest, pending)
    };
    let expect = restore(ours, &payload(ours));
    for peer in peers {
        assert_eq!(restore(peer, &payload(ours)), expect);
        assert_eq!(restore(ours, &payload(peer)), expect);
    }
}

/// Clients that send this line and wait.
fn waiting(server: &Server, line: &str, count: usize) -> Vec<Client> {
    let mut clients: Vec<Client> = Vec::new();
    for number in 1..=count {
        let mut client = server.client();
        let words: Vec<&str> = line.split(' ').collect();
        client.send_cmd(&words);
        wait_until(SOON, "the client waits", || {
            field(server, "clients", "blocked_clients") == number.to_string()
        });
        clients.push(client);
    }
    clients
}

#[test]
fn an_entry_goes_to_all_who_read_and_to_one_of_a_group() {
    let server = Server::start(&[]);
    let mut client = server.client();
    check(&mut client, "XGROUP CREATE s g $ MKSTREAM", "+OK");
    let one = "[[\"s\", [[\"1-0\", [\"a\", \"b\"]]]]]";
    let mut readers = waiting(&server, "XREAD BLOCK 0 STREAMS s t $ $", 3);
    check(&mut client, "XADD s 1 a b", "\"1-0\"");
    for reader in &mut readers {
        assert_eq!(reader.recv().to_string(), one);
    }
    check(&mut client, "XGROUP SETID s g $", "+OK");
    let line = "XREADGROUP GROUP g c BLOCK 0 COUNT 1 STREAMS s >";
    let mut consumers = waiting(&server, line, 3);
    for ms in 2..=4 {
        check(
            &mut client,
            &format!("XADD s {ms} a b"),
            &format!("\"{ms}-0\""),
        );
    }
    for (consumer, ms) in consumers.iter_mut().zip(2..) {
        let expect = format!("[[\"s\", [[\"{ms}-0\", [\"a\", \"b\"]]]]]");
        assert_eq!(consumer.recv().to_string(), expect);
    }
}

/// `$` is what it was when the client came, not when it is looked at again.
#[test]
fn who_waits_behind_the_last_entry_misses_none() {
    let server = Server::start(&[]);
    let mut client = server.client();
    check(&mut client, "XADD s 5 a b", "\"5-0\"");
    let mut reader = waiting(&server, "XREAD BLOCK 0 STREAMS s $", 1);
    check(&mut client, "SET s x", "+OK");
    check(&mut client, "DEL s", ":1");
    check(&mut client, "XADD s 4 a b", "\"4-0\"");
    check_all(
        &mut client,
        &[
            ("MULTI", "+OK"),
            ("XADD s 5-1 a b", "+QUEUED"),
            ("XADD s 6 a b", "+QUEUED"),
            ("EXEC", "[\"5-1\", \"6-0\"]"),
        ],
    );
    assert_eq!(
        reader[0].recv().to_string(),
        "[[\"s\", [[\"5-1\", [\"a\", \"b\"]], [\"6-0\", [\"a\", \"b\"]]]]]"
    );
}

#[test]
fn a_consumer_is_told_that_its_group_is_gone() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let gone = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option";
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    for (line, reply, expect) in [
        ("DEL s", ":1", gone),
        ("XGROUP DESTROY s g", ":1", gone),
        ("FLUSHALL", "+OK", gone),
        ("RENAME s t", "+OK", gone),
        ("SET s x", "+OK", wrong),
    ] {
        check(&mut client, "FLUSHALL", "+OK");
        check(&mut client, "XGROUP CREATE s g $ MKSTREAM", "+OK");
        let mut consumer = waiting(&server, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >", 1);
        check(&mut client, line, reply);
        assert_eq!(consumer[0].recv().to_string(), expect, "{line}");
    }
    assert_eq!(field(&server, "errorstats", "errorstat_NOGROUP"), "count=4");
}

/// What a command did before it began to wait is logged at once, as a unit of its own.
#[test]
fn a_consumer_who_waits_is_known_to_followers() {
    let leader = Server::start(&AT_ONCE);
    let port = leader.port.to_string();
    let follower = Server::start(&["--replicaof", "127.0.0.1", &port]);
    wait_for_link(&follower);
    let mut client = leader.client();
    check(&mut client, "XGROUP CREATE s g $ MKSTREAM", "+OK");
    let _consumers = waiting(&leader, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >", 1);
    wait_for_offset(&leader, &follower);
    let consumers = follower.client().run("XINFO CONSUMERS s g").to_string();
    assert!(consumers.starts_with("[[\"name\", \"c\""), "{consumers}");
}
