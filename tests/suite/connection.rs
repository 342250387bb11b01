//! Who is there: PING, ECHO, AUTH, HELLO, QUIT, RESET, and what MONITOR shows of all.

use std::time::Duration;

use super::support::*;

const WRONGPASS: &str = "-WRONGPASS invalid username-password pair or user is disabled.";

/// A web page can have a browser send any text to us, behind lines of HTTP.
#[test]
fn a_browser_is_hung_up_on() {
    let server = Server::start(&[]);
    let mut other = server.client();
    for http in ["POST / HTTP/1.1\r\n", "GET /\r\nHost: here\r\n", "post\r\n"] {
        let mut browser = server.client();
        browser.send(format!("{http}SET from browser\r\n").as_bytes());
        let answered = browser.recv_to_end();
        assert!(!answered.contains(&b'+'), "{}", answered.escape_ascii());
        check(&mut other, "EXISTS from", ":0");
    }
    let log = server.log();
    assert_eq!(log.matches("Possible SECURITY ATTACK").count(), 1, "{log}");
}

#[test]
fn says_hello_in_both_protocols() {
    let server = Server::start(&[]);
    let mut client = server.client();
    check_all(
        &mut client,
        &[
            ("PING hi", "\"hi\""),
            (
                "PING a b",
                "-ERR wrong number of arguments for 'ping' command",
            ),
            ("ECHO hi", "\"hi\""),
            (
                "HELLO",
                "[\"server\", \"redis\", \"version\", ..., \"proto\", :2, \"id\", :..., \
                 \"mode\", \"standalone\", \"role\", \"master\", \"modules\", ...]",
            ),
            ("HELLO 4", "-NOPROTO unsupported protocol version"),
            (
                "HELLO x",
                "-ERR Protocol version is not an integer or out of range",
            ),
            ("HELLO 3 FOO", "-ERR Syntax error in HELLO option 'FOO'"),
            (
                "HELLO 3 SETNAME me",
                "{\"server\": \"redis\", ... \"proto\": :3, ... \"modules\": [...}",
            ),
            ("CLIENT GETNAME", "\"me\""),
            ("GET nothing", "_"),
            ("HELLO 2", "[\"server\", ...]"),
            ("GET nothing", "nil"),
        ],
    );
}

#[test]
fn asks_for_the_password() {
    let server = Server::start(&["--requirepass", "secret"]);
    let mut client = server.client();
    check_all(
        &mut client,
        &[
            ("PING", "-NOAUTH Authentication required."),
            (
                "HELLO 3",
                "-NOAUTH HELLO must be called with the client already authenticated...",
            ),
            ("AUTH wrong", WRONGPASS),
            ("AUTH default wrong", WRONGPASS),
            ("AUTH nobody secret", WRONGPASS),
            ("HELLO 3 AUTH default wrong", WRONGPASS),
            ("AUTH secret", "+OK"),
            ("PING", "+PONG"),
            ("RESET", "+RESET"),
            ("PING", "-NOAUTH Authentication required."),
            ("HELLO 3 AUTH default secret SETNAME a", "{\"server\": ...}"),
            ("PING", "+PONG"),
        ],
    );
    let mut other = server.client();
    check(&mut client, "QUIT", "+OK");
    assert_eq!(client.recv_to_end(), b"");
    check(&mut other, "QUIT", "+OK");
    assert_eq!(other.recv_to_end(), b"");
}

#[test]
fn reset_ends_every_mode() {
    let server = Server::start(&[]);
    let mut client = server.client();
    check_all(
        &mut client,
        &[
            ("SELECT 3", "+OK"),
            ("WATCH a", "+OK"),
            ("MULTI", "+OK"),
            ("PING", "+QUEUED"),
            ("RESET", "+RESET"),
            ("EXEC", "-ERR EXEC without MULTI"),
            ("SUBSCRIBE a", "[\"subscribe\", \"a\", :1]"),
            ("RESET", "+RESET"),
            ("PUBSUB CHANNELS", "[]"),
            (
                "CLIENT INFO",
                "\"... flags=N db=0 sub=0 ... multi=-1 watch=0 ...\"",
            ),
            ("MONITOR", "+OK"),
            ("RESET", "+RESET"),
            ("PING", "+PONG"),
        ],
    );
}

#[test]
fn monitors_see_commands_but_no_secrets() {
    let server = Server::start(&[]);
    let mut monitor = server.client();
    check(&mut monitor, "MONITOR", "+OK");
    let mut client = server.client();
    for command in [
        "SET a \"b c\"",
        "CONFIG SET maxclients 200",
        "AUTH default secret",
        "HELLO 2 AUTH default secret SETNAME me",
        "GET",
        "MULTI",
        "SELECT 3",
        "GET a",
        "EXEC",
        "CLIENT LIST",
        "PUBLISH a b",
    ] {
        client.run(command);
    }
    for expect in [
        "[0 127.0.0.1:...] \"SET\" \"a\" \"b c\"",
        "[0 127.0.0.1:...] \"AUTH\" \"(redacted)\" \"(redacted)\"",
        "[0 ...] \"HELLO\" \"2\" \"AUTH\" \"(redacted)\" \"(redacted)\" \"SETNAME\" \"me\"",
        "[0 ...] \"MULTI\"",
    ] {
        check_line(&mut monitor, expect);
    }
    // The call without a key was refused; that discards nothing, MULTI came later.
    for expect in [
        "[3 ...] \"SELECT\" \"3\"",
        "[3 ...] \"GET\" \"a\"",
        "[3 ...] \"EXEC\"",
        "[3 ...] \"PUBLISH\" \"a\" \"b\"",
    ] {
        check_line(&mut monitor, expect);
    }
    assert_eq!(monitor.recv_within(Duration::from_millis(50)), None);
    check(
        &mut monitor,
        "GET a",
        "-ERR Replica can't interact with the keyspace",
    );
}

#[track_caller]
fn check_line(monitor: &mut Client, expect: &str) {
    let line = monitor.recv().to_string();
    let (time, rest) = line.split_once(' ').expect("a time");
    assert!(time.starts_with('+') && time.contains('.'), "{line}");
    assert!(
        value::matches(expect, rest),
        "expected {expect}\n  got {rest}"
    );
}

/// A request has to wait when the beginning of the next one has come already: that one is read
/// anew afterwards, from where it begins.
#[test]
fn what_is_behind_a_request_that_waits_is_not_torn() {
    let server = Server::start(&[]);
    let (mut client, mut other) = (server.client(), server.client());
    check(&mut other, "CLIENT PAUSE 100000 WRITE", "+OK");
    client
        .send(b"*3\r\n$3\r\nSET\r\n$10\r\naaaaaaaaaa\r\n$1\r\n1\r\n*2\r\n$3\r\nGET\r\n$10\r\naaaa");
    wait_until(Duration::from_secs(20), "it waits", || {
        other.info("clients")["blocked_clients"] == "1"
    });
    check(&mut other, "CLIENT UNPAUSE", "+OK");
    assert_eq!(client.recv().to_string(), "+OK");
    client.send(b"aaaaaa\r\n");
    assert_eq!(client.recv().to_string(), "\"1\"");
}
