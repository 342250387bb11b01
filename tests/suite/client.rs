//! CLIENT: what connections know of each other and may do to each other.

use std::time::{Duration, Instant};

use super::support::*;

fn named(server: &Server, name: &str) -> Client {
    let mut client = server.client();
    check(&mut client, &format!("CLIENT SETNAME {name}"), "+OK");
    client
}

#[test]
fn lists_what_clients_are_at() {
    let server = Server::start(&[]);
    let (mut one, mut two) = (named(&server, "one"), named(&server, "two"));
    let line = one.run("CLIENT INFO").text();
    assert!(
        value::matches(
            "id=... addr=127.0.0.1:... laddr=127.0.0.1:... fd=... name=one age=... idle=0 flags=N \
             db=0 sub=0 psub=0 ssub=0 multi=-1 watch=0 qbuf=26 qbuf-free=... argv-mem=10 \
             multi-mem=0 rbs=... rbp=... obl=0 oll=0 omem=0 tot-mem=... events=r cmd=client|info \
             user=default redir=-1 resp=2 lib-name= lib-ver= io-thread=0\n",
            &line
        ),
        "{line}"
    );
    check_all(
        &mut two,
        &[
            ("CLIENT SETINFO lib-name lib", "+OK"),
            ("SELECT 7", "+OK"),
            ("WATCH a b", "+OK"),
            ("MULTI", "+OK"),
            ("PING", "+QUEUED"),
        ],
    );
    let shown = ["flags", "db", "watch", "multi", "cmd", "lib-name"]
        .map(|name| one.listed("two", name).expect("client two"));
    assert_eq!(shown, ["x", "7", "2", "1", "ping", "lib"]);
    two.run("RESET");
    check(&mut two, "CLIENT SETNAME two", "+OK");
    two.resp3();
    two.run("SUBSCRIBE a b");
    two.recv();
    two.run("PSUBSCRIBE p*");
    let shown = ["flags", "db", "sub", "psub", "resp"]
        .map(|name| one.listed("two", name).expect("client two"));
    assert_eq!(shown, ["P", "0", "2", "1", "3"]);
    check(&mut one, "CLIENT LIST TYPE pubsub", "\"... name=two ...\"");
    check(&mut one, "CLIENT LIST TYPE master", "\"\"");
}

#[test]
fn a_follower_sends_those_away_who_understand_it() {
    let leader = Server::start(&["--repl-diskless-sync-delay", "0"]);
    check(&mut leader.client(), "SET a 1", "+OK");
    let port = leader.port.to_string();
    let follower = Server::start(&["--replicaof", "127.0.0.1", &port]);
    let mut plain = follower.client();
    wait_until(Duration::from_secs(60), "the follower follows", || {
        plain.run("GET a").to_string() == "\"1\""
    });
    let mut client = follower.client();
    let redirect = format!("-REDIRECT 127.0.0.1:{port}");
    let here = "-READONLY You can't write against a read only replica.";
    check(&mut client, "SET a 2", here);
    check_all(
        &mut client,
        &[
            ("CLIENT CAPA redirect", "+OK"),
            ("SET a 2", &redirect),
            ("GET a", &redirect),
            ("PING", "+PONG"),
            ("MULTI", "+OK"),
            ("GET a", &redirect),
            (
                "EXEC",
                "-EXECABORT Transaction discarded because of previous errors.",
            ),
            ("READONLY", "+OK"),
            ("GET a", "\"1\""),
            ("SET a 2", &redirect),
            ("READWRITE", "+OK"),
            ("GET a", &redirect),
            ("REPLICAOF NO ONE", "+OK"),
            ("GET a", "\"1\""),
        ],
    );
}

#[test]
fn imports_keep_keys_whose_time_has_come() {
    let server = Server::start(&["--import-mode", "yes"]);
    let (mut importer, mut client) = (server.client(), server.client());
    check(&mut importer, "CLIENT IMPORT-SOURCE ON", "+OK");
    check(&mut importer, "SET a 1 PX 1", "+OK");
    wait_until(Duration::from_secs(10), "its time has come", || {
        client.run("GET a").to_string() == "nil"
    });
    check(&mut importer, "GET a", "\"1\"");
    check(&mut client, "DBSIZE", ":1");
    check(&mut client, "CONFIG SET import-mode no", "+OK");
    check(&mut client, "GET a", "nil");
    wait_until(Duration::from_secs(10), "it is deleted", || {
        client.run("DBSIZE").integer() == 0
    });
}

#[test]
fn kills_others_and_itself() {
    let server = Server::start(&[]);
    let (mut one, mut two) = (named(&server, "one"), named(&server, "two"));
    let id = one.listed("two", "id").expect("client two");
    check(&mut one, &format!("CLIENT KILL ID {id}"), ":1");
    assert_eq!(two.recv_to_end(), b"");
    assert_eq!(one.listed("two", "id"), None);
    let mut two = named(&server, "two");
    two.run("SUBSCRIBE a");
    check(&mut one, "CLIENT KILL TYPE pubsub", ":1");
    assert_eq!(two.recv_to_end(), b"");
    let mut two = named(&server, "two");
    let address = one.listed("two", "addr").expect("client two");
    check(&mut one, &format!("CLIENT KILL {address}"), "+OK");
    assert_eq!(two.recv_to_end(), b"");
    check(
        &mut one,
        &format!("CLIENT KILL {address}"),
        "-ERR No such client",
    );
    check(&mut one, "CLIENT KILL TYPE normal", ":0");
    one.send(b"CLIENT KILL TYPE normal SKIPME no\r\nPING\r\n");
    assert_eq!(one.recv_to_end(), b":1\r\n");
}

/// What a client sends once its killer has the answer is not run, wherever both are served.
#[test]
fn who_is_killed_does_nothing_more() {
    let server = Server::start(&["--io-threads", "2"]);
    let mut killer = server.client();
    for round in 0..200 {
        let mut victim = server.client();
        let id = victim.run("CLIENT ID").integer();
        check(&mut killer, &format!("CLIENT KILL ID {id}"), ":1");
        victim.send(b"INCR done\r\n");
        assert_eq!(victim.recv_to_end(), b"", "round {round}");
    }
    check(&mut killer, "EXISTS done", ":0");
}

#[test]
fn keeps_replies_back() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.send(b"CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY SKIP\r\nPING\r\nNONSENSE\r\n");
    check(&mut client, "CLIENT REPLY ON", "+OK");
    client.send(b"CLIENT REPLY SKIP\r\nPING a\r\nPING b\r\n");
    assert_eq!(client.recv().to_string(), "\"b\"");
    client.send(b"CLIENT REPLY OFF\r\nSUBSCRIBE a\r\n");
    assert_eq!(client.recv().to_string(), "[\"subscribe\", \"a\", :1]");
    check(&mut server.client(), "PUBLISH a hi", ":1");
    assert_eq!(client.recv().to_string(), "[\"message\", \"a\", \"hi\"]");
}

#[test]
fn pauses_writes_and_everything() {
    let server = Server::start(&[]);
    let (mut one, mut two) = (server.client(), server.client());
    check(&mut one, "CLIENT PAUSE 60000 WRITE", "+OK");
    check(&mut two, "GET a", "nil");
    two.send_cmd(&["SET", "a", "1"]);
    assert_eq!(two.recv_within(Duration::from_millis(100)), None);
    check(&mut one, "CLIENT UNPAUSE", "+OK");
    assert_eq!(two.recv().to_string(), "+OK");
    check(&mut one, "CLIENT PAUSE 200", "+OK");
    let started = Instant::now();
    check(&mut two, "GET a", "\"1\"");
    assert!(started.elapsed() > Duration::from_millis(100));
}

#[test]
fn unblocks_who_waits() {
    let server = Server::start(&[]);
    let (mut one, mut two) = (server.client(), named(&server, "two"));
    let id = one.listed("two", "id").expect("client two");
    check(&mut one, &format!("CLIENT UNBLOCK {id}"), ":0");
    for (how, answer) in [
        ("", ":0"),
        ("TIMEOUT", ":0"),
        ("ERROR", "-UNBLOCKED client unblocked via CLIENT UNBLOCK"),
    ] {
        two.send_cmd(&["WAIT", "1", "0"]);
        wait_until(Duration::from_secs(10), "the client waits", || {
            one.listed("two", "flags").as_deref() == Some("b")
        });
        check(&mut one, &format!("CLIENT UNBLOCK {id} {how}"), ":1");
        assert_eq!(two.recv().to_string(), answer);
    }
}

#[test]
fn a_reply_beyond_the_limit_closes_even_one_who_reads() {
    let limit = ["--client-output-buffer-limit", "normal 1mb 0 0"];
    let server = Server::start(&limit);
    let mut client = server.client();
    check(&mut client, "SETRANGE small 900000 x", ":900001");
    check(&mut client, "SETRANGE large 1100000 x", ":1100001");
    for _ in 0..3 {
        assert_eq!(client.run("GET small").text().len(), 900_001);
    }
    // What it sent along with it does not run.
    client.send("GET large\r\n".repeat(5).as_bytes());
    assert_eq!(client.recv_to_end(), b"");
    let mut other = server.client();
    let stats = other.info("stats");
    assert_eq!(stats["client_output_buffer_limit_disconnections"], "1");
    let calls = &other.info("commandstats")["cmdstat_get"];
    assert!(calls.starts_with("calls=4,"), "{calls}");
}

#[test]
fn a_small_reply_is_whole_whatever_the_limit() {
    let limit = ["--client-output-buffer-limit", "normal 1kb 0 0"];
    let server = Server::start(&limit);
    let mut client = server.client();
    check(&mut client, "SETRANGE k 1000 x", ":1001");
    for _ in 0..3 {
        assert_eq!(client.run("MGET k k k k k").items().len(), 5);
    }
}

#[test]
fn a_reply_without_end_ends_at_the_limit() {
    let limit = ["--client-output-buffer-limit", "normal 1mb 0 0"];
    let server = Server::start(&limit);
    let mut client = server.client();
    check(&mut client, "SETRANGE string 1000 x", ":1001");
    check(&mut client, "HSET hash field value", ":1");
    check(&mut client, "SADD set member", ":1");
    check(&mut client, "ZADD zset 1 member", ":1");
    for command in [
        "HRANDFIELD hash -999999999999 WITHVALUES".to_owned(),
        "SRANDMEMBER set -999999999999".to_owned(),
        "ZRANDMEMBER zset -999999999999".to_owned(),
        format!("MGET {}", "string ".repeat(100_000)),
    ] {
        let mut greedy = server.client();
        let words: Vec<&str> = command.split_whitespace().collect();
        greedy.send_cmd(&words);
        assert_eq!(greedy.recv_to_end(), b"", "{}", words[0]);
        check(&mut client, "PING", "+PONG");
    }
    let stats = client.info("stats");
    assert_eq!(stats["client_output_buffer_limit_disconnections"], "4");
}

#[test]
fn who_leaves_too_much_unsent_for_long_is_closed_without_a_word() {
    let limit = ["--client-output-buffer-limit", "normal 0 1mb 1"];
    let server = Server::start(&limit);
    let (mut client, mut slow) = (server.client(), named(&server, "slow"));
    check(&mut client, "SETRANGE k 900000 x", ":900001");
    wait_until(Duration::from_secs(60), "much is unsent", || {
        slow.send(b"GET k\r\n");
        let unsent = client.listed("slow", "omem").expect("client slow");
        unsent.parse::<u64>().unwrap() > 1 << 20
    });
    wait_until(Duration::from_secs(60), "it is closed", || {
        client.listed("slow", "id").is_none()
    });
    let stats = client.info("stats");
    assert_eq!(stats["client_output_buffer_limit_disconnections"], "1");
}
