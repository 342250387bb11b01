//! MULTI, EXEC, DISCARD, WATCH: what a transaction is refused for, and what it leaves.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use super::support::*;

/// Makes a key that is due and stays: nobody looks for such keys.
fn make_due(client: &mut Client, key: &str) {
    check(client, "DEBUG SET-ACTIVE-EXPIRE 0", "+OK");
    check(client, &format!("SET {key} 1 PX 1"), "+OK");
    sleep(Duration::from_millis(3));
}

fn start() -> Server {
    Server::start(&["--enable-debug-command", "yes"])
}

#[test]
fn a_subcommand_is_not_taken_for_the_command_of_its_name() {
    let server = Server::start(&[]);
    let mut client = server.client();
    check(&mut client, "MULTI", "+OK");
    check(&mut client, "SLOWLOG RESET", "+QUEUED");
    check(&mut client, "LATENCY RESET", "+QUEUED");
    check(&mut client, "EXEC", "[+OK, :0]");
}

// A watcher sees no key that is due: when it is deleted at last nothing has changed for it.
// Watches used to be told of that deletion as of any other.
#[test]
fn a_key_that_was_due_may_go() {
    let server = start();
    let (mut client, mut other) = (server.client(), server.client());
    for (change, reply) in [
        ("EXISTS a", ":0"),
        ("DEL a", ":0"),
        ("FLUSHDB", "+OK"),
        ("SWAPDB 0 1", "+OK"),
        ("FLUSHALL", "+OK"),
    ] {
        check(&mut client, "FLUSHALL", "+OK");
        make_due(&mut client, "a");
        check(&mut client, "WATCH a", "+OK");
        check(&mut other, change, reply);
        check(&mut client, "MULTI", "+OK");
        check(&mut client, "EXEC", "[]");
    }
    // Written again it has changed, before and after it was deleted.
    for changes in [&["SET a 2"][..], &["TYPE a", "SET a 2"]] {
        check(&mut client, "FLUSHALL", "+OK");
        make_due(&mut client, "a");
        check(&mut client, "WATCH a", "+OK");
        changes.iter().for_each(|change| _ = other.run(change));
        check(&mut client, "MULTI", "+OK");
        check(&mut client, "EXEC", "nil*");
    }
}

#[test]
fn keys_that_are_due_may_change_places() {
    let server = start();
    let mut client = server.client();
    let swap_under_watch = |client: &mut Client, expect| {
        check(client, "SELECT 0", "+OK");
        check(client, "WATCH a", "+OK");
        check(client, "SWAPDB 0 1", "+OK");
        check(client, "MULTI", "+OK");
        check(client, "EXEC", expect);
    };
    // What is not there for what is due, and back; what is due for what is due.
    check(&mut client, "SELECT 1", "+OK");
    make_due(&mut client, "a");
    swap_under_watch(&mut client, "[]");
    swap_under_watch(&mut client, "[]");
    make_due(&mut client, "a");
    swap_under_watch(&mut client, "[]");
    // What lives is a change.
    check(&mut client, "SELECT 1", "+OK");
    check(&mut client, "SET a 1", "+OK");
    swap_under_watch(&mut client, "nil*");
}

// EXEC itself runs on a follower without its leader, and used to take all commands along.
#[test]
fn a_follower_without_its_leader_runs_only_what_may_be_stale() {
    let server = start();
    let mut client = server.client();
    check(&mut client, "SET a 1", "+OK");
    let begin = |client: &mut Client, commands: &[&str]| {
        check(client, "MULTI", "+OK");
        commands
            .iter()
            .for_each(|line| check(client, line, "+QUEUED"));
    };
    begin(&mut client, &["GET a"]);
    let mut other = server.client();
    check(&mut other, "REPLICAOF 127.0.0.1 1", "+OK");
    check(&mut other, "CONFIG SET replica-serve-stale-data no", "+OK");
    check(&mut client, "EXEC", "-EXECABORT ...MASTERDOWN ...");
    begin(&mut client, &["TIME"]);
    check(&mut client, "EXEC", "[[...]]");
}

// It used to be refused inside of a transaction.
#[test]
fn a_transaction_may_change_the_role() {
    let server = start();
    let mut client = server.client();
    check_all(
        &mut client,
        &[
            ("MULTI", "+OK"),
            ("SET a 1", "+QUEUED"),
            ("REPLICAOF 127.0.0.1 1", "+QUEUED"),
            ("SET b 1", "+QUEUED"),
            ("EXEC", "[+OK, +OK, +OK]"),
            (
                "SET c 1",
                "-READONLY You can't write against a read only replica.",
            ),
            ("MULTI", "+OK"),
            ("REPLICAOF NO ONE", "+QUEUED"),
            ("GET b", "+QUEUED"),
            ("EXEC", "[+OK, \"1\"]"),
            ("SET c 1", "+OK"),
        ],
    );
}

// Deletions of keys that a command came upon used to be logged as one transaction.
#[test]
fn due_keys_go_one_by_one() {
    let server = start();
    let mut client = server.client();
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("a connection");
    let mut received = Vec::new();
    let mut read_until = |stream: &mut TcpStream, end: &[u8]| {
        wait_until(Duration::from_secs(10), "the log has it", || {
            let mut chunk = [0; 4096];
            let len = stream.read(&mut chunk).expect("the stream of the log");
            received.extend_from_slice(&chunk[..len]);
            received.windows(end.len()).any(|part| part == end)
        });
        received.clone()
    };
    stream.write_all(b"SYNC\r\n").expect("a connection");
    check(&mut client, "SET begin 1", "+OK");
    read_until(&mut stream, b"begin");
    make_due(&mut client, "a");
    make_due(&mut client, "b");
    check(&mut client, "SCAN 0", "[\"0\", [\"begin\"]]");
    make_due(&mut client, "a");
    make_due(&mut client, "b");
    check(&mut client, "MGET a b", "[nil, nil]");
    check(&mut client, "SET end 1", "+OK");
    let log = read_until(&mut stream, b"$3\r\nend");
    let log = String::from_utf8_lossy(&log);
    assert_eq!(log.matches("\r\nDEL\r\n").count(), 4, "{log}");
    assert!(!log.contains("MULTI"), "{log}");
}

/// What Sentinel sends to have a server follow another.
#[test]
fn a_transaction_changes_the_role_and_the_file() {
    let leader = Server::start(&[]);
    let server = Server::start_with_file("# kept\n", &[]);
    let (mut client, mut bystander) = (server.client(), server.client());
    check(&mut bystander, "PING", "+PONG");
    let follow = format!("SLAVEOF 127.0.0.1 {}", leader.port);
    for command in [
        "MULTI",
        &follow,
        "CONFIG REWRITE",
        "CLIENT KILL TYPE normal",
    ] {
        client.run(command);
    }
    check(&mut client, "CLIENT KILL TYPE pubsub", "+QUEUED");
    check(&mut client, "EXEC", "[+OK, +OK, :1, :0]");
    assert_eq!(bystander.recv_to_end(), b"");
    check(&mut client, "ROLE", "[\"slave\", \"127.0.0.1\", ...]");
    let file = || std::fs::read_to_string(server.folder().join("redis.conf")).unwrap();
    let line = format!("replicaof 127.0.0.1 {}\n", leader.port);
    assert!(file().contains(&line), "{}", file());
    client.send(b"MULTI\r\nSLAVEOF NO ONE\r\nCONFIG REWRITE\r\nPING\r\nEXEC\r\nROLE\r\n");
    for expect in ["+OK", "+QUEUED", "+QUEUED", "+QUEUED", "[+OK, +OK, +PONG]"] {
        assert_eq!(client.recv().to_string(), expect);
    }
    assert_eq!(client.recv().to_string(), "[\"master\", :0, []]");
    assert!(!file().contains("replicaof"), "{}", file());
}

#[test]
fn jobs_of_a_transaction_are_answered_in_their_places() {
    let server = Server::start(&["--enable-debug-command", "yes"]);
    let mut client = server.client();
    client.resp3();
    check(&mut client, "SUBSCRIBE c", ">[\"subscribe\", \"c\", :1]");
    for command in [
        "MULTI",
        "SET a 1",
        "CONFIG REWRITE",
        "PUBLISH c hello",
        "DEBUG RELOAD",
        "GET a",
        "REPLICAOF a b",
        "BGSAVE",
    ] {
        client.run(command);
    }
    check(
        &mut client,
        "EXEC",
        "[+OK, -ERR The server is running without a config file, :1, +OK, \"1\", \
          -ERR Invalid master port, +Background saving scheduled]",
    );
    check(&mut client, "PING", ">[\"message\", \"c\", \"hello\"]");
    assert_eq!(client.recv().to_string(), "+PONG");
    check(&mut client, "GET a", "\"1\"");
}

#[test]
fn jobs_obey_client_reply() {
    let server = Server::start(&["--enable-debug-command", "yes"]);
    let mut client = server.client();
    client.send(b"CLIENT REPLY SKIP\r\nDEBUG RELOAD\r\nECHO 1\r\n");
    client
        .send(b"CLIENT REPLY OFF\r\nDEBUG RELOAD\r\nWAIT 1 1\r\nMULTI\r\nDEBUG RELOAD\r\nEXEC\r\n");
    client.send(b"CLIENT REPLY ON\r\nMULTI\r\nCLIENT INFO\r\nPING\r\nEXEC\r\n");
    for expect in ["\"1\"", "+OK", "+OK", "+QUEUED", "+QUEUED"] {
        assert_eq!(client.recv().to_string(), expect);
    }
    let reply = client.recv().to_string();
    let expect = "[\"... flags=x ... multi=2 watch=0 ... cmd=exec ...\", +PONG]";
    assert!(value::matches(expect, &reply), "{reply}");
}
