//! CONFIG on the wire: what takes effect at once, and what is written into the file.

use std::fs;

use super::support::*;

#[test]
fn shows_and_changes_directives() {
    let server = Server::start(&["--timeout", "0"]);
    let mut client = server.client();
    check_all(
        &mut client,
        &[
            ("CONFIG GET timeout", r#"["timeout", "0"]"#),
            ("CONFIG SET timeout 100 hz 20", "+OK"),
            ("CONFIG GET timeou?", r#"["timeout", "100"]"#),
            (
                "CONFIG SET timeout 1 hz none",
                "-ERR CONFIG SET failed (possibly related to argument 'hz') - ...",
            ),
            ("CONFIG GET timeout", r#"["timeout", "100"]"#),
            (
                "CONFIG SET port",
                "-ERR wrong number of arguments for 'config|set' command",
            ),
            ("CONFIG SET port 1 hz", "-ERR syntax error"),
            (
                "CONFIG SET nothing 1",
                "-ERR Unknown option or number of arguments for CONFIG SET - 'nothing'",
            ),
            (
                "CONFIG SET daemonize yes",
                "-ERR CONFIG SET failed (possibly related to argument 'daemonize') - can't set \
                 immutable config",
            ),
            (
                "CONFIG nothing",
                "-ERR unknown subcommand 'nothing'. Try CONFIG HELP.",
            ),
            (
                "CONFIG REWRITE",
                "-ERR The server is running without a config file",
            ),
        ],
    );
    client.resp3();
    check(&mut client, "CONFIG GET timeout", r#"{"timeout": "100"}"#);
}

#[test]
fn a_password_counts_from_the_next_connection_on() {
    let server = Server::start(&[]);
    let mut client = server.client();
    check(&mut client, "CONFIG SET requirepass secret", "+OK");
    check(&mut client, "PING", "+PONG");
    let mut stranger = server.client();
    check(&mut stranger, "PING", "-NOAUTH Authentication required.");
    check(&mut stranger, "AUTH secret", "+OK");
    check(&mut stranger, "CONFIG SET requirepass \"\"", "+OK");
    check(&mut server.client(), "PING", "+PONG");
}

#[test]
fn counters_begin_anew() {
    let server = Server::start(&[]);
    let mut client = server.client();
    check(&mut client, "GET nothing", "nil");
    check(&mut client, "GET", "-ERR wrong number...");
    assert_eq!(client.info("stats")["keyspace_misses"], "1");
    assert!(client.info("commandstats")["cmdstat_get"].starts_with("calls=1,"));
    assert_eq!(client.info("errorstats")["errorstat_ERR"], "count=1");
    check(&mut client, "CONFIG RESETSTAT", "+OK");
    assert_eq!(client.info("stats")["keyspace_misses"], "0");
    assert!(!client.info("commandstats").contains_key("cmdstat_get"));
    assert!(client.info("errorstats").is_empty());
}

#[test]
fn the_file_is_rewritten() {
    let mut server = Server::start_with_file("# A comment.\ntimeout 5\nhz 10\n", &[]);
    let mut client = server.client();
    check(&mut client, "CONFIG GET timeout", r#"["timeout", "5"]"#);
    check(&mut client, "CONFIG SET timeout 6 maxclients 123", "+OK");
    check(&mut client, "CONFIG REWRITE", "+OK");
    let path = server.folder().join("redis.conf");
    let text = fs::read_to_string(&path).expect("the file");
    assert!(
        text.starts_with("# A comment.\ntimeout 6\nhz 10\n"),
        "{text}"
    );
    assert_eq!(text.matches("maxclients 123").count(), 1, "{text}");
    check(&mut client, "CONFIG REWRITE", "+OK");
    let again = fs::read_to_string(&path).expect("the file");
    assert_eq!(again.trim_end(), text.trim_end());
    server.restart();
    let mut client = server.client();
    check(&mut client, "CONFIG GET timeout", r#"["timeout", "6"]"#);
    check(
        &mut client,
        "CONFIG GET maxclients",
        r#"["maxclients", "123"]"#,
    );
}

#[test]
fn addresses_that_overlap_can_be_exchanged() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let lists = [
        "127.0.0.1",
        "127.0.0.1 -::1",
        "0.0.0.0",
        "*",
        "* -::*",
        "127.0.0.1",
    ];
    for list in lists {
        let reply = client.cmd(&["CONFIG", "SET", "bind", list]);
        assert_eq!(reply.to_string(), "+OK", "{list}");
        check(&mut server.client(), "PING", "+PONG");
    }
}

#[test]
fn addresses_that_are_not_to_be_had_change_nothing() {
    let server = Server::start(&["--bind", "127.0.0.1"]);
    let mut client = server.client();
    for list in [
        "127.0.0.1 127.0.0.1",
        "0.0.0.0 127.0.0.1",
        "127.0.0.2 0.0.0.0",
        "0.0.0.0 192.0.2.1",
    ] {
        let reply = client.cmd(&["CONFIG", "SET", "bind", list]).to_string();
        let refused = "Failed to bind to specified addresses.";
        assert!(reply.contains(refused), "{list}: {reply}");
        check(&mut client, "CONFIG GET bind", r#"["bind", "127.0.0.1"]"#);
        check(&mut server.client(), "PING", "+PONG");
        let elsewhere = std::net::TcpStream::connect(("127.0.0.2", server.port));
        assert!(elsewhere.is_err(), "{list}");
    }
    let reply = client.cmd(&["CONFIG", "SET", "bind", "*"]);
    assert_eq!(reply.to_string(), "+OK");
    check(&mut server.client(), "PING", "+PONG");
}
