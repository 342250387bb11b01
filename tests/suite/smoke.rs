//! The suite's own tools, tried on the simplest things a server does.

use std::time::Duration;

use super::support::*;

#[test]
fn answers_in_both_protocols() {
    let server = Server::start(&[]);
    let mut client = server.client();
    check_all(
        &mut client,
        &[
            ("PING", "+PONG"),
            ("SET greeting \"hello world\"", "+OK"),
            ("GET greeting", "\"hello world\""),
            ("GET nothing", "nil"),
            ("INCR greeting", "-ERR value is not an integer..."),
            ("EXISTS greeting", ":1"),
        ],
    );
    client.resp3();
    check(&mut client, "GET nothing", "_");
    assert_eq!(client.info("server")["tcp_port"], server.port.to_string());
}

#[test]
fn raw_bytes_and_the_end_of_a_connection() {
    let server = Server::start(&[]);
    let mut client = Client::connect(("127.0.0.1", server.port));
    client.send(b"PING\r\n*1\r\n$4\r\nPI");
    assert_eq!(client.recv().to_string(), "+PONG");
    assert_eq!(client.recv_within(Duration::from_millis(50)), None);
    client.send(b"NG\r\nQUIT\r\n");
    assert_eq!(client.recv_to_end(), b"+PONG\r\n+OK\r\n");
}

#[test]
fn restarts_with_its_data() {
    let mut server = Server::start(&["--save", "3600 1000"]);
    let mut client = server.client();
    check(&mut client, "SET kept 1", "+OK");
    server.signal("TERM");
    assert!(server.wait_for_exit().success());
    assert!(
        server.folder().join("dump.rdb").exists(),
        "{}",
        server.log()
    );
    server.restart();
    check(&mut server.client(), "GET kept", "\"1\"");
}

#[test]
fn a_peer_follows() {
    let leader = Server::start(&["--repl-diskless-sync-delay", "0"]);
    let Some(follower) = Peer::start(&["--replicaof", "127.0.0.1", &leader.port.to_string()])
    else {
        return;
    };
    let mut client = follower.client();
    wait_until(Duration::from_secs(30), "the link is up", || {
        client.info("replication")["master_link_status"] == "up"
    });
    check(
        &mut client,
        "SET a b",
        "-READONLY You can't write against a read only replica.",
    );
    check(&mut leader.client(), "SET a b", "+OK");
    wait_until(Duration::from_secs(10), "the write has arrived", || {
        client.run("GET a").to_string() == "\"b\""
    });
    let mut leader_client = leader.client();
    check(&mut leader_client, "WAIT 1 10000", ":1");
    let connected = leader_client.run("ROLE");
    assert_eq!(connected.items()[2].items().len(), 1, "{connected}");
    assert!(connected.items()[1].integer() > 0, "{connected}");
}
