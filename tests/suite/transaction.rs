//! MULTI and EXEC: what is refused, and what a transaction may ask of the server.

use super::support::*;

const WRONG_ARITY: &str =
    "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command";

#[test]
fn a_refused_exec_discards_its_transaction() {
    let server = Server::start(&[]);
    let mut client = server.client();
    check_all(
        &mut client,
        &[
            ("EXEC now", WRONG_ARITY),
            ("WATCH a", "+OK"),
            ("MULTI", "+OK"),
            ("SET a 1", "+QUEUED"),
            ("EXEC now", WRONG_ARITY),
            ("EXEC", "-ERR EXEC without MULTI"),
            ("CLIENT INFO", "\"... multi=-1 watch=0 ...\""),
            ("GET a", "nil"),
            ("SUBSCRIBE c", "[\"subscribe\", \"c\", :1]"),
            (
                "EXEC",
                "-EXECABORT Transaction discarded because of: Can't execute 'exec': only \
                 (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
                 context",
            ),
        ],
    );
    // In one read with what comes before, whose watch must be known by then.
    let mut client = server.client();
    client.send(b"WATCH a\r\nMULTI\r\nEXEC now\r\nMULTI\r\nEXEC\r\n");
    for expect in ["+OK", "+OK", WRONG_ARITY, "+OK", "[]"] {
        assert_eq!(client.recv().to_string(), expect);
    }
}

#[test]
fn a_password_is_asked_for_as_long_as_there_is_one() {
    let server = Server::start(&["--requirepass", "secret"]);
    let (mut client, mut stranger) = (server.client(), server.client());
    check(&mut client, "AUTH secret", "+OK");
    let no_auth = "-NOAUTH Authentication required.";
    check_all(
        &mut stranger,
        &[
            ("GET a", no_auth),
            ("MULTI", no_auth),
            (
                "EXEC",
                "-EXECABORT Transaction discarded because of: NOAUTH Authentication required.",
            ),
        ],
    );
    check(&mut client, "CONFIG SET requirepass \"\"", "+OK");
    check_all(
        &mut stranger,
        &[("GET a", "nil"), ("HELLO", "[\"server\", ...]")],
    );
    // Bounds on what strangers send are off as well.
    let long = "x".repeat(20_000);
    check(
        &mut stranger,
        &format!("ECHO {long}"),
        &format!("\"{long}\""),
    );
    check(&mut client, "CONFIG SET requirepass secret", "+OK");
    check(&mut stranger, "GET a", no_auth);
    check(&mut client, "GET a", "nil");
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
