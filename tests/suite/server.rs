//! The server as such: saving, ending, roles, slow commands.

use std::time::Duration;

use super::support::*;

#[test]
fn saves_when_it_is_told_to() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let dump = server.folder().join("dump.rdb");
    check(&mut client, "SET a 1", "+OK");
    assert!(!dump.exists());
    let before = client.run("LASTSAVE").integer();
    check(&mut client, "SAVE", "+OK");
    assert!(dump.exists());
    assert_eq!(
        client.info("persistence")["rdb_changes_since_last_save"],
        "0"
    );
    std::fs::remove_file(&dump).expect("the file");
    check(&mut client, "SET a 2", "+OK");
    check(&mut client, "BGSAVE", "+Background saving started");
    wait_until(Duration::from_secs(10), "the save has ended", || {
        client.info("persistence")["rdb_bgsave_in_progress"] == "0"
    });
    assert!(dump.exists());
    let persistence = client.info("persistence");
    assert_eq!(persistence["rdb_last_bgsave_status"], "ok");
    assert_eq!(persistence["rdb_changes_since_last_save"], "0");
    assert!(client.run("LASTSAVE").integer() >= before);
    check_all(
        &mut client,
        &[
            ("BGSAVE soon", "-ERR syntax error"),
            ("MULTI", "+OK"),
            ("BGSAVE", "+QUEUED"),
            ("EXEC", "[+Background saving scheduled]"),
        ],
    );
}

#[test]
fn a_save_can_be_watched() {
    let server = Server::start(&["--rdb-key-save-delay", "20000"]);
    let mut client = server.client();
    for key in 0..50 {
        check(&mut client, &format!("SET {key} 1"), "+OK");
    }
    check(&mut client, "BGSAVE", "+Background saving started");
    check(
        &mut client,
        "BGSAVE",
        "-ERR Background save already in progress",
    );
    check(
        &mut client,
        "SAVE",
        "-ERR Background save already in progress",
    );
    let running = "-ERR Background save already in progress";
    check_all(
        &mut client,
        &[
            ("BGSAVE SCHEDULE", running),
            ("MULTI", "+OK"),
            ("BGSAVE SCHEDULE", "+QUEUED"),
            ("EXEC", "[-ERR Background save already in progress]"),
        ],
    );
    let persistence = client.info("persistence");
    assert_eq!(persistence["rdb_bgsave_in_progress"], "1");
    wait_until(Duration::from_secs(30), "some keys are saved", || {
        client.info("persistence")["current_save_keys_processed"] != "0"
    });
    assert_eq!(client.info("persistence")["current_save_keys_total"], "50");
    check(&mut client, "CONFIG SET rdb-key-save-delay 0", "+OK");
    wait_until(Duration::from_secs(10), "the save has ended", || {
        client.info("persistence")["rdb_bgsave_in_progress"] == "0"
    });
    assert_eq!(client.info("persistence")["rdb_last_bgsave_status"], "ok");
}

#[test]
fn what_fails_beside_the_commands_is_counted() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let no_file = "-ERR The server is running without a config file";
    check_all(
        &mut client,
        &[
            ("CONFIG REWRITE", no_file),
            ("SHUTDOWN ABORT", "-ERR No shutdown in progress."),
            ("REPLICAOF host x", "-ERR Invalid master port"),
            ("SAVE", "+OK"),
            ("MULTI", "+OK"),
            ("CONFIG REWRITE", "+QUEUED"),
            ("REPLICAOF NO ONE", "+QUEUED"),
            ("EXEC", "[-ERR The server is running..., +OK]"),
        ],
    );
    let costs = client.info("commandstats");
    for (command, calls, failed) in [
        ("config|rewrite", 2, 2),
        ("shutdown", 1, 1),
        ("replicaof", 2, 1),
        ("save", 1, 0),
        ("exec", 1, 0),
    ] {
        let cost = &costs[&format!("cmdstat_{command}")[..]];
        assert!(cost.starts_with(&format!("calls={calls},")), "{cost}");
        let ending = format!(",failed_calls={failed}");
        assert!(cost.ends_with(&ending), "{command}: {cost}");
    }
    assert_eq!(client.info("errorstats")["errorstat_ERR"], "count=4");
    assert_eq!(client.info("stats")["total_error_replies"], "4");
}

#[test]
fn ends_with_and_without_its_data() {
    let mut server = Server::start(&["--save", "3600 1000"]);
    let mut client = server.client();
    for wrong in ["SAVE NOSAVE", "ABORT NOW", "later"] {
        check(
            &mut client,
            &format!("SHUTDOWN {wrong}"),
            "-ERR syntax error",
        );
    }
    check(
        &mut client,
        "SHUTDOWN ABORT",
        "-ERR No shutdown in progress.",
    );
    check(&mut client, "SET a 1", "+OK");
    client.send_cmd(&["SHUTDOWN"]);
    assert_eq!(client.recv_to_end(), b"");
    assert!(server.wait_for_exit().success());
    server.restart();
    let mut client = server.client();
    check(&mut client, "SET b 1", "+OK");
    client.send_cmd(&["SHUTDOWN", "NOSAVE"]);
    assert_eq!(client.recv_to_end(), b"");
    assert!(server.wait_for_exit().success());
    server.restart();
    check(&mut server.client(), "EXISTS a b", ":1");
}

#[test]
fn slow_commands_are_kept() {
    let args = [
        "--slowlog-log-slower-than",
        "10000",
        "--enable-debug-command",
        "yes",
    ];
    let server = Server::start(&args);
    let mut client = server.client();
    check(&mut client, "CLIENT SETNAME me", "+OK");
    check(&mut client, "DEBUG SLEEP 0.02", "+OK");
    check(&mut client, "PING", "+PONG");
    check(
        &mut client,
        "SLOWLOG GET",
        r#"[[:0, :..., :..., ["DEBUG", "SLEEP", "0.02"], "127.0.0.1:...", "me"]]"#,
    );
    check_all(
        &mut client,
        &[
            ("SLOWLOG LEN", ":1"),
            ("SLOWLOG RESET", "+OK"),
            ("SLOWLOG LEN", ":0"),
            (
                "SLOWLOG GET -2",
                "-ERR count should be greater than or equal to -1",
            ),
            ("CONFIG SET slowlog-log-slower-than 0", "+OK"),
            ("CONFIG SET masterauth secret", "+OK"),
            ("CONFIG SET slowlog-log-slower-than -1", "+OK"),
        ],
    );
    check_all(
        &mut client,
        &[
            ("CONFIG SET slowlog-log-slower-than 10000", "+OK"),
            ("MULTI", "+OK"),
            ("PING", "+QUEUED"),
            ("DEBUG SLEEP 0.02", "+QUEUED"),
            ("EXEC", "[+PONG, +OK]"),
            (
                "SLOWLOG GET 1",
                r#"[[:..., :..., :..., ["DEBUG", "SLEEP", "0.02"], "127.0.0.1:...", "me"]]"#,
            ),
        ],
    );
    let kept = client.run("SLOWLOG GET").to_string();
    let hidden = r#"["CONFIG", "SET", "masterauth", "(redacted)"]"#;
    assert!(kept.contains(hidden) && !kept.contains("secret"), "{kept}");
}

#[test]
fn large_commands_are_kept() {
    let args = ["--commandlog-request-larger-than", "1000"];
    let server = Server::start(&args);
    let mut client = server.client();
    check(
        &mut client,
        "CONFIG SET commandlog-reply-larger-than 900",
        "+OK",
    );
    let long = "x".repeat(900);
    // One batch: of its requests one is large, and of its replies another.
    client.send(
        format!("SET small 1\r\nSET large {long}\r\nAPPEND large {long}\r\nGET small\r\n")
            .as_bytes(),
    );
    for answer in ["+OK", "+OK", ":1800", "\"1\""] {
        assert_eq!(client.recv().to_string(), answer);
    }
    check(&mut client, "COMMANDLOG LEN large-request", ":0");
    client.send(format!("GET small\r\nSET larger {long}{long}\r\nGET large\r\n").as_bytes());
    for answer in ["\"1\"", "+OK"] {
        assert_eq!(client.recv().to_string(), answer);
    }
    assert_eq!(client.recv().text().len(), 1800);
    check(
        &mut client,
        "COMMANDLOG GET -1 large-request",
        r#"[[:0, :..., :1813, ["SET", "larger", "x... (1672 more bytes)"], "127.0...", ""]]"#,
    );
    check(
        &mut client,
        "COMMANDLOG GET -1 large-reply",
        r#"[[:0, :..., :1809, ["GET", "large"], "127.0.0.1:...", ""]]"#,
    );
    check(&mut client, "SLOWLOG LEN", ":0");
}

#[test]
fn what_takes_long_is_noted() {
    let args = [
        "--latency-monitor-threshold",
        "50",
        "--enable-debug-command",
        "yes",
    ];
    let server = Server::start(&args);
    let mut client = server.client();
    check(&mut client, "DEBUG SLEEP 0.06", "+OK");
    check(&mut client, "DEBUG SLEEP 0.001", "+OK");
    check(
        &mut client,
        "LATENCY LATEST",
        r#"[["command", :..., :..., :...]]"#,
    );
    let history = client.run("LATENCY HISTORY command");
    let milliseconds = history.items()[0].items()[1].integer();
    assert!((60..10_000).contains(&milliseconds), "{history}");
    check(&mut client, "LATENCY RESET", ":1");
    check(&mut client, "CONFIG SET latency-monitor-threshold 0", "+OK");
    check(&mut client, "DEBUG SLEEP 0.06", "+OK");
    check(&mut client, "LATENCY LATEST", "[]");
}

#[test]
fn histograms_are_cumulative() {
    let server = Server::start(&["--enable-debug-command", "yes"]);
    let mut client = server.client();
    client.resp3();
    check(&mut client, "DEBUG SLEEP 0.01", "+OK");
    check(
        &mut client,
        "LATENCY HISTOGRAM debug nothing",
        r#"{"debug": {"calls": :1, "histogram_usec": {:...: :1}}}"#,
    );
}

#[test]
fn a_leader_and_what_followers_say_to_it() {
    let server = Server::start(&[]);
    let mut client = server.client();
    check_all(
        &mut client,
        &[
            ("ROLE", r#"["master", :..., []]"#),
            ("WAIT 0 0", ":0"),
            ("WAIT 1 20", ":0"),
            ("WAIT 1 -1", "-ERR timeout is negative"),
            ("MULTI", "+OK"),
            ("WAIT 1 0", "+QUEUED"),
            ("EXEC", "[:0]"),
            ("REPLICAOF host x", "-ERR Invalid master port"),
            ("REPLICAOF NO ONE", "+OK"),
            ("FAILOVER", "-ERR FAILOVER requires connected replicas."),
            ("FAILOVER ABORT", "-ERR No failover in progress."),
            ("REPLCONF listening-port 7000 capa eof", "+OK"),
            (
                "REPLCONF nothing 1",
                "-ERR Unrecognized REPLCONF option: nothing",
            ),
            (
                "PSYNC ?",
                "-ERR wrong number of arguments for 'psync' command",
            ),
        ],
    );
    check(&mut client, "TIME", "[\"...\", \"...\"]");
}

#[test]
fn a_follower_of_nobody_who_answers() {
    let server = Server::start(&[]);
    let mut client = server.client();
    check(&mut client, "REPLICAOF 127.0.0.1 1", "+OK");
    let again = "+OK Already connected to specified master";
    check(&mut client, "REPLICAOF 127.0.0.1 1", again);
    check(
        &mut client,
        "ROLE",
        r#"["slave", "127.0.0.1", :1, "connect...", :-1]"#,
    );
    let replication = client.info("replication");
    assert_eq!(replication["role"], "slave");
    assert_eq!(replication["master_link_status"], "down");
    assert_eq!(replication["master_port"], "1");
    check(
        &mut client,
        "WAIT 0 0",
        "-ERR WAIT cannot be used with replica instances. ...",
    );
    let refused = "-ERR FAILOVER is not valid when server is a replica.";
    check(&mut client, "FAILOVER", refused);
    check(
        &mut client,
        "SET a 1",
        "-READONLY You can't write against a read only replica.",
    );
    check(&mut client, "REPLICAOF NO ONE", "+OK");
    check(&mut client, "SET a 1", "+OK");
    check(&mut client, "ROLE", r#"["master", :..., []]"#);
}
