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
