//! Followers that cannot do as their leader does, or not at this moment.

use std::time::Duration;

use super::support::*;

const WITHIN: Duration = Duration::from_secs(20);

fn pair(follower_args: &[&str]) -> (Server, Server) {
    let leader = Server::start(&["--repl-diskless-sync-delay", "0"]);
    let port = leader.port.to_string();
    let mut args = vec!["--replicaof", "127.0.0.1", &port];
    args.extend(follower_args);
    let follower = Server::start(&args);
    let mut client = follower.client();
    wait_until(WITHIN, "the link is up", || {
        client.info("replication")["master_link_status"] == "up"
    });
    (leader, follower)
}

/// Makes INCR fail on the follower alone.
fn differ(leader: &Server, follower: &Server) {
    check(&mut follower.client(), "SET a text", "+OK");
    check(&mut leader.client(), "INCR a", ":1");
}

#[test]
fn a_command_that_fails_is_ignored_or_ends_the_follower() {
    let (leader, follower) = pair(&["--replica-read-only", "no"]);
    differ(&leader, &follower);
    let mut client = follower.client();
    wait_until(WITHIN, "the error is counted", || {
        client.info("stats")["unexpected_error_replies"] == "1"
    });
    let line = "This replica is sending an error to its master";
    assert!(follower.log().contains(line));
    drop((leader, follower));
    let behavior = ["--propagation-error-behavior", "panic-on-replicas"];
    let (leader, mut follower) = pair(&[&["--replica-read-only", "no"], &behavior[..]].concat());
    differ(&leader, &follower);
    assert!(!follower.wait_for_exit().success());
}

#[test]
fn a_failing_disk_ends_the_follower_unless_it_is_to_be_ignored() {
    let (leader, mut follower) = pair(&[
        "--save",
        "3600 1000",
        "--replica-ignore-disk-write-errors",
        "yes",
    ]);
    let file = follower.folder().join("dump.rdb");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let (mut to_leader, mut client) = (leader.client(), follower.client());
    client.run("BGSAVE");
    wait_until(WITHIN, "the save has failed", || {
        client.info("persistence")["rdb_last_bgsave_status"] == "err"
    });
    check(&mut to_leader, "SET a 1", "+OK");
    wait_until(WITHIN, "the write is applied", || {
        client.run("GET a").to_string() == "\"1\""
    });
    check(
        &mut client,
        "CONFIG SET replica-ignore-disk-write-errors no",
        "+OK",
    );
    check(&mut to_leader, "SET a 2", "+OK");
    assert!(!follower.wait_for_exit().success());
    let line = "Replica was unable to write command to disk.";
    assert!(follower.log().contains(line));
}

#[test]
fn a_follower_that_sleeps_looks_dead() {
    let (leader, follower) = pair(&["--enable-debug-command", "yes"]);
    let mut client = leader.client();
    follower.client().send(b"DEBUG SLEEP 3\r\n");
    wait_until(WITHIN, "it is not heard of", || {
        let fields = client.info("replication");
        // A second may go by between two looks.
        let lags = [",lag=2,", ",lag=3,"];
        lags.iter().any(|lag| fields["slave0"].contains(lag))
    });
}
