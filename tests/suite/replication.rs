//! Leading and following, against ourselves and against a real redis-server in both roles.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use super::support::*;

#[test]
fn a_full_sync_in_both_framings() {
    for (leading, following) in PAIRS {
        for diskless in ["yes", "no"] {
            let Some(leader) = start(leading, &["--repl-diskless-sync", diskless]) else {
                continue;
            };
            let mut client = leader.client();
            check_all(
                &mut client,
                &[
                    ("DEBUG POPULATE 1000 key 50", "+OK"),
                    ("SET a 1", "+OK"),
                    ("SET dying x PX 100000", "+OK"),
                    ("SELECT 9", "+OK"),
                    ("SET b 2", "+OK"),
                ],
            );
            let Some(follower) = start_follower(following, leader.port, &[]) else {
                continue;
            };
            wait_for_link(&follower);
            let context = format!("{leading:?} -> {following:?}, diskless {diskless}");
            let mut reader = follower.client();
            assert_eq!(reader.run("GET a").to_string(), "\"1\"", "{context}");
            assert!(reader.run("PTTL dying").integer() > 50_000, "{context}");
            let count = |client: &mut Client| {
                client.run("SELECT 0");
                client.run("DBSIZE").integer()
            };
            assert_eq!(count(&mut reader), count(&mut client), "{context}");
            check_all(&mut reader, &[("SELECT 9", "+OK"), ("GET b", "\"2\"")]);
            let digest = |client: &mut Client| client.run("DEBUG DIGEST").text();
            let (leading, following) = (digest(&mut client), digest(&mut reader));
            assert_eq!(leading.len(), 40, "{leading}");
            assert_eq!(leading, following, "{context}");
            assert_eq!(stat(&leader, "sync_full"), 1, "{context}");
        }
    }
}

#[test]
fn the_stream_carries_databases_transactions_and_expiries() {
    for (leading, following) in PAIRS {
        let Some(leader) = start(leading, &[]) else {
            continue;
        };
        let Some(follower) = start_follower(following, leader.port, &[]) else {
            continue;
        };
        wait_for_link(&follower);
        let mut client = leader.client();
        check_all(
            &mut client,
            &[
                ("SET a 1", "+OK"),
                ("SELECT 3", "+OK"),
                ("SET b 2 EX 1000", "+OK"),
                ("SELECT 0", "+OK"),
                ("INCR a", ":2"),
                ("MULTI", "+OK"),
                ("APPEND a x", "+QUEUED"),
                ("SELECT 5", "+QUEUED"),
                ("SET c 3", "+QUEUED"),
                ("EXEC", "[:2, +OK, +OK]"),
                ("SET gone 1 PX 30", "+OK"),
                ("SET big 1", "+OK"),
            ],
        );
        wait_until(SOON, "the leader has deleted what is due", || {
            client.run("GET gone").to_string() == "nil"
        });
        client.run("SELECT 0");
        let value = "x".repeat(300_000);
        client.cmd(&["SET", "big", &value]);
        check(&mut client, "WAIT 1 10000", ":1");
        wait_for_offset(&leader, &follower);
        let mut reader = follower.client();
        check_all(
            &mut reader,
            &[
                ("GET a", "\"2x\""),
                ("STRLEN big", ":300000"),
                ("SELECT 3", "+OK"),
                ("GET b", "\"2\""),
                ("SELECT 5", "+OK"),
                ("GET c", "\"3\""),
                ("EXISTS gone", ":0"),
                (
                    "SET a 1",
                    "-READONLY You can't write against a read only replica.",
                ),
            ],
        );
        let role = reader.run("ROLE").to_string();
        assert!(role.contains("\"connected\""), "{role}");
    }
}

#[test]
fn a_cut_link_goes_on_where_it_was() {
    for (leading, following) in PAIRS {
        let Some(leader) = start(leading, &[]) else {
            continue;
        };
        let proxy = Proxy::to(leader.port);
        let Some(follower) = start_follower(following, proxy.port, &[]) else {
            continue;
        };
        wait_for_link(&follower);
        let mut client = leader.client();
        for round in 1..=3 {
            check(&mut client, "SELECT 7", "+OK");
            check(&mut client, "INCR counter", &format!(":{round}"));
            wait_for_offset(&leader, &follower);
            proxy.part();
            wait_until(SOON, "the link is down", || !is_up(&follower));
            client.cmd(&["SET", "missed", &round.to_string()]);
            proxy.heal();
            wait_for_offset(&leader, &follower);
        }
        let mut reader = follower.client();
        check_all(
            &mut reader,
            &[
                ("SELECT 7", "+OK"),
                ("GET counter", "\"3\""),
                ("GET missed", "\"3\""),
            ],
        );
        assert_eq!(stat(&leader, "sync_full"), 1, "{leading:?} {following:?}");
        assert_eq!(stat(&leader, "sync_partial_ok"), 3);
        if following == Kind::Ours {
            let log = follower.log();
            for line in [
                "MASTER <-> REPLICA sync started",
                "Non blocking connect for SYNC fired the event.",
                "Master replied to PING, replication can continue...",
                "Trying a partial resynchronization (request ",
                "Successful partial resynchronization with master.",
                "MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.",
                "Connection with master lost.",
                "Caching the disconnected master state.",
                "Reconnecting to MASTER 127.0.0.1:",
            ] {
                assert!(log.contains(line), "no line '{line}' in\n{log}");
            }
        }
    }
}

#[test]
fn a_restart_with_its_file_goes_on_where_it_was() {
    for (leading, following) in PAIRS {
        let saves = ["--save", "3600 1000"];
        let Some(mut leader) = start(leading, &saves) else {
            continue;
        };
        let Some(mut follower) = start_follower(following, leader.port, &saves) else {
            continue;
        };
        wait_for_link(&follower);
        let mut client = leader.client();
        check_all(&mut client, &[("SELECT 4", "+OK"), ("SET a 1", "+OK")]);
        wait_for_offset(&leader, &follower);
        follower.signal("TERM");
        follower.wait_for_exit();
        check(&mut client, "SET a 2", "+OK");
        follower.restart();
        wait_for_offset(&leader, &follower);
        let context = format!("{leading:?} -> {following:?}");
        assert_eq!(stat(&leader, "sync_full"), 1, "{context}: follower");
        assert_eq!(stat(&leader, "sync_partial_ok"), 1, "{context}: follower");
        leader.signal("TERM");
        leader.wait_for_exit();
        leader.restart();
        wait_for_link(&follower);
        let mut client = leader.client();
        check_all(
            &mut client,
            &[
                ("SELECT 4", "+OK"),
                ("GET a", "\"2\""),
                ("APPEND a x", ":2"),
            ],
        );
        wait_for_offset(&leader, &follower);
        let mut reader = follower.client();
        check_all(&mut reader, &[("SELECT 4", "+OK"), ("GET a", "\"2x\"")]);
        assert_eq!(stat(&leader, "sync_full"), 0, "{context}: leader");
        assert_eq!(stat(&leader, "sync_partial_ok"), 1, "{context}: leader");
    }
}

#[test]
fn siblings_and_the_old_leader_follow_who_is_promoted() {
    let client_of = |server: &Server| server.client();
    let Some(old) = start(Kind::Ours, &[]) else {
        return;
    };
    let Some(next) = start_follower(Kind::Ours, old.port, &[]) else {
        return;
    };
    let Some(sibling) = start_follower(Kind::Redis, old.port, &[]) else {
        return;
    };
    wait_for_link(&next);
    wait_for_link(&sibling);
    check(&mut client_of(&old), "SET a 1", "+OK");
    wait_for_offset(&old, &next);
    wait_for_offset(&old, &sibling);
    check(&mut client_of(&next), "REPLICAOF NO ONE", "+OK");
    check(&mut client_of(&next), "SET a 2", "+OK");
    let port = next.port;
    for server in [&sibling, &old] {
        let mut client = server.client();
        check(&mut client, &format!("REPLICAOF 127.0.0.1 {port}"), "+OK");
        check(
            &mut client,
            &format!("REPLICAOF 127.0.0.1 {port}"),
            "+OK Already connected to specified master",
        );
        wait_for_offset(&next, server);
        check(&mut client, "GET a", "\"2\"");
    }
    assert_eq!(stat(&next, "sync_full"), 0, "{}", next.log());
    assert_eq!(stat(&next, "sync_partial_ok"), 2);
    let log = next.log();
    assert!(
        log.contains("MASTER MODE enabled (user request from"),
        "{log}"
    );
    assert!(log.contains("Setting secondary replication ID to"), "{log}");
}

#[test]
fn a_chain_relays_what_its_head_says() {
    let Some(head) = start(Kind::Redis, &[]) else {
        return;
    };
    let Some(middle) = start_follower(Kind::Ours, head.port, &[]) else {
        return;
    };
    wait_for_link(&middle);
    check(&mut head.client(), "SET before 1", "+OK");
    let Some(tail) = start_follower(Kind::Redis, middle.port, &[]) else {
        return;
    };
    let Some(other) = start_follower(Kind::Ours, middle.port, &[]) else {
        return;
    };
    wait_for_link(&tail);
    wait_for_link(&other);
    let mut client = head.client();
    check_all(
        &mut client,
        &[
            ("SELECT 2", "+OK"),
            ("SET a 1", "+OK"),
            ("MULTI", "+OK"),
            ("INCR a", "+QUEUED"),
            ("INCR a", "+QUEUED"),
            ("EXEC", "[:2, :3]"),
        ],
    );
    for server in [&middle, &tail, &other] {
        wait_for_offset(&head, server);
        let mut reader = server.client();
        check(&mut reader, "GET before", "\"1\"");
        check_all(&mut reader, &[("SELECT 2", "+OK"), ("GET a", "\"3\"")]);
    }
}

/// Answers one follower's handshake and then sends `payload`.
fn fake_leader(payload: Vec<u8>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("a bound socket").port();
    thread::spawn(move || {
        for mut link in listener.incoming().flatten() {
            let mut buffer = [0; 4096];
            while let Ok(len @ 1..) = link.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..len]).to_uppercase();
                let requests = text.matches('*').count();
                if text.contains("\r\nPSYNC\r\n") {
                    let head = format!("+FULLRESYNC {} 100\r\n", "a".repeat(40));
                    let _ = link.write_all(head.as_bytes());
                    let _ = link.write_all(format!("${}\r\n", payload.len()).as_bytes());
                    let _ = link.write_all(&payload);
                } else if link
                    .write_all("+OK\r\n".repeat(requests).as_bytes())
                    .is_err()
                {
                    break;
                }
            }
        }
    });
    port
}

#[test]
fn a_snapshot_that_cannot_be_loaded_leaves_the_data() {
    let payloads = [
        b"REDIS0099".to_vec(),
        b"VALKEY099".to_vec(),
        b"no snapshot at all".to_vec(),
        b"REDIS0010\xfe\x00\x00\x01a".to_vec(),
    ];
    for payload in payloads {
        let name = payload.escape_ascii().to_string();
        let server = Server::start(&[]);
        let mut client = server.client();
        check(&mut client, "SET kept 1", "+OK");
        let port = fake_leader(payload);
        check(&mut client, &format!("REPLICAOF 127.0.0.1 {port}"), "+OK");
        wait_until(SOON, "the snapshot was refused", || {
            server
                .log()
                .contains("Failed trying to load the MASTER synchronization DB")
        });
        assert_eq!(client.run("GET kept").to_string(), "\"1\"", "{name}");
        check(&mut client, "REPLICAOF NO ONE", "+OK");
        check(&mut client, "SET kept 2", "+OK");
    }
}

#[test]
fn tools_that_dump_get_a_file_and_are_let_go() {
    let leader = Server::start(&AT_ONCE);
    let mut client = leader.client();
    check(&mut client, "DEBUG POPULATE 100", "+OK");
    let path = leader.folder().join("dumped.rdb");
    let done = Command::new("redis-cli")
        .args(["-p", &leader.port.to_string(), "--rdb"])
        .arg(&path)
        .output();
    let Ok(done) = done else {
        return;
    };
    assert!(done.status.success(), "{done:?}\n{}", leader.log());
    let file = std::fs::read(&path).expect("a file");
    assert!(file.starts_with(b"REDIS0010"), "{}", file.escape_ascii());
    wait_until(SOON, "the tool is forgotten", || {
        field(&leader, "replication", "connected_slaves") == "0"
    });
}

#[test]
fn a_dump_without_data_holds_no_keys() {
    let leader = Server::start(&AT_ONCE);
    let mut client = leader.client();
    check_all(
        &mut client,
        &[
            ("SET a 1", "+OK"),
            (
                "REPLCONF capa eof rdb-only 1 rdb-filter-only functions",
                "+OK",
            ),
        ],
    );
    client.send(b"SYNC\r\n");
    let sent = client.recv_to_end();
    assert!(sent.starts_with(b"$EOF:"), "{}", sent.escape_ascii());
    assert!(sent.windows(9).any(|bytes| bytes == b"REDIS0010"));
    assert!(sent.len() < 200, "{}", sent.escape_ascii());
}

#[test]
fn the_stream_alone_can_be_followed() {
    // As `redis-cli --replica` does.
    let leader = Server::start(&AT_ONCE);
    let mut admin = leader.client();
    check(&mut admin, "SET a 1", "+OK");
    let stream = TcpStream::connect(("127.0.0.1", leader.port));
    let mut stream = stream.expect("a connection");
    let ask = b"REPLCONF capa eof rdb-filter-only \"\"\r\n";
    stream.write_all(ask).expect("an open connection");
    let mut reply = [0; 5];
    stream.read_exact(&mut reply).expect("an open connection");
    assert_eq!(&reply, b"+OK\r\n");
    stream.write_all(b"SYNC\r\n").expect("an open connection");
    wait_until(SOON, "the snapshot is sent", || {
        leader.log().contains("Waiting for REPLCONF ACK")
    });
    let ack = b"REPLCONF ACK 0\r\n";
    stream.write_all(ack).expect("an open connection");
    check(&mut admin, "SELECT 3", "+OK");
    check(&mut admin, "SET b 2", "+OK");
    let expect = "SELECT\r\n$1\r\n3\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n2\r\n";
    let mut sent = Vec::new();
    while !sent.ends_with(expect.as_bytes()) {
        let mut buffer = [0; 4096];
        let len = stream.read(&mut buffer).expect("an open connection");
        assert!(len > 0, "{}", sent.escape_ascii());
        sent.extend_from_slice(&buffer[..len]);
    }
    assert!(!sent.windows(5).any(|bytes| bytes == b"\r\na\r\n"));
    assert_eq!(admin.info("replication")["connected_slaves"], "1");
}

#[test]
fn a_side_that_stands_still_is_noticed_by_the_other() {
    let slow = ["--repl-timeout", "2", "--repl-ping-replica-period", "1"];
    let leader = Server::start(&[&AT_ONCE[..], &slow].concat());
    let follower = start_follower(Kind::Ours, leader.port, &slow);
    let follower = follower.expect("ours is always there");
    wait_for_link(&follower);
    leader.signal("STOP");
    wait_until(SOON, "the follower notices", || !is_up(&follower));
    leader.signal("CONT");
    wait_for_link(&follower);
    let line = "MASTER timeout: no data nor PING received...";
    assert!(follower.log().contains(line));
    follower.signal("STOP");
    let line = "Disconnecting timedout replica (streaming sync): 127.0.0.1:";
    wait_until(SOON, "the leader notices", || leader.log().contains(line));
    follower.signal("CONT");
    wait_for_offset(&leader, &follower);
    assert_eq!(stat(&leader, "sync_full"), 1);
    assert_eq!(stat(&leader, "sync_partial_ok"), 2);
}

#[test]
fn a_leader_alone_gives_up_its_backlog_and_its_history() {
    let leader = Server::start(&[&AT_ONCE[..], &["--repl-backlog-ttl", "1"]].concat());
    let few = ["CONFIG", "SET", "min-replicas-to-write", "1"];
    let id = |leader: &Server| field(leader, "replication", "master_replid");
    let follower = start_follower(Kind::Ours, leader.port, &[]);
    let mut follower = follower.expect("ours is always there");
    wait_for_link(&follower);
    let before = id(&leader);
    wait_until(SOON, "the leader knows that it is ready", || {
        field(&leader, "replication", "slave0").contains("state=online")
    });
    let mut client = leader.client();
    check(&mut client, "SET a 1", "+OK");
    client.cmd(&few);
    check(&mut client, "SET a 2", "+OK");
    check(&mut client, "CONFIG SET repl-backlog-size 2mb", "+OK");
    assert_eq!(
        field(&leader, "replication", "repl_backlog_size"),
        "2097152"
    );
    follower.kill();
    let none = "-NOREPLICAS Not enough good replicas to write.";
    wait_until(SOON, "the leader counts its followers", || {
        client.run("SET a 3").to_string() == none
    });
    wait_until(SOON, "the backlog is freed", || {
        field(&leader, "replication", "repl_backlog_active") == "0"
    });
    assert_ne!(id(&leader), before);
    let line = "Replication backlog freed after 1 seconds without connected replicas.";
    assert!(leader.log().contains(line));
}

#[test]
fn a_follower_that_asks_for_more_than_it_may_is_refused() {
    let server = Server::start(&["--replicaof", "127.0.0.1", "1"]);
    let mut client = server.client();
    check(
        &mut client,
        "PSYNC ? -1",
        "-NOMASTERLINK Can't SYNC while not connected with my master",
    );
    check(&mut client, "REPLICAOF NO ONE", "+OK");
    check(
        &mut client,
        &format!("PSYNC {} 1 FAILOVER", "a".repeat(40)),
        "-ERR PSYNC FAILOVER can't be sent to a master.",
    );
    let not_an_integer = "-ERR value is not an integer or out of range";
    check(&mut client, "PSYNC id offset", not_an_integer);
    assert!(server.log().contains("but with a wrong offset"));
    // It is a client still.
    check(&mut client, "PING", "+PONG");
}

#[test]
fn a_follower_that_asks_for_a_reply_is_dropped_and_the_log_says_why() {
    for kind in [Kind::Ours, Kind::Redis] {
        let Some(server) = start(kind, &AT_ONCE) else {
            continue;
        };
        for (request, name, error) in [
            ("PING", "ping", None),
            ("SLOWLOG GET", "slowlog|get", None),
            (
                "GET a",
                "get",
                Some("Replica can't interact with the keyspace"),
            ),
            (
                "GET",
                "get",
                Some("wrong number of arguments for 'get' command"),
            ),
            (
                "REPLCONF x y",
                "replconf",
                Some("Unrecognized REPLCONF option: x"),
            ),
            (
                "NOSUCH",
                "<unknown>",
                Some("unknown command 'NOSUCH', with args"),
            ),
        ] {
            let before = server.log().len();
            let mut client = server.client();
            client.send(format!("PSYNC ? -1\r\n{request}\r\n").as_bytes());
            client.recv_to_end();
            let says = |text: &str| server.log()[before..].contains(text);
            let what =
                format!("Replica generated a reply to command '{name}', disconnecting it: id=");
            wait_until(SOON, &what, || says(&what));
            let critical = "== CRITICAL == This master is sending an error to its replica: ";
            match error {
                Some(error) => wait_until(SOON, error, || says(&format!("{critical}'{error}"))),
                None => assert!(!says(critical), "{request}"),
            }
        }
    }
}

#[test]
fn a_shutdown_waits_for_followers_and_writes_wait_with_it() {
    let mut leader = Server::start(&AT_ONCE);
    let follower = start_follower(Kind::Ours, leader.port, &[]);
    let follower = follower.expect("ours is always there");
    wait_for_link(&follower);
    check(&mut leader.client(), "SET a 1", "+OK");
    follower.signal("STOP");
    check(&mut leader.client(), "SET a 2", "+OK");
    leader.signal("TERM");
    wait_until(SOON, "it waits", || {
        let waits = "Waiting for replicas before shutting down.";
        leader.log().contains(waits)
    });
    follower.signal("CONT");
    assert!(leader.wait_for_exit().success());
    assert!(
        leader
            .log()
            .contains("1 of 1 replicas are in sync when shutting down.")
    );
    wait_until(SOON, "the last write has arrived", || {
        follower.client().run("GET a").to_string() == "\"2\""
    });
}

#[test]
fn a_follower_comes_from_the_address_it_is_told() {
    let leader = Server::start(&AT_ONCE);
    let follower = Server::start(&["--bind-source-addr", "127.0.0.2"]);
    let mut client = follower.client();
    check(
        &mut client,
        &format!("REPLICAOF 127.0.0.1 {}", leader.port),
        "+OK",
    );
    wait_until(SOON, "the link is up", || {
        client.info("replication")["master_link_status"] == "up"
    });
    let replication = leader.client().info("replication");
    let line = &replication["slave0"];
    assert!(line.starts_with("ip=127.0.0.2,"), "{line}");
}
