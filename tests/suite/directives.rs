//! The directives of replication, each by its effect.

use std::time::Duration;

use super::support::*;

const NO_REPLICAS: &str = "-NOREPLICAS Not enough good replicas to write.";

fn good(leader: &Server) -> String {
    field(leader, "replication", "min_slaves_good_slaves")
}

#[test]
fn writes_need_followers_that_are_heard_of() {
    let Some(leader) = start(Kind::Ours, &["--min-replicas-to-write", "1"]) else {
        return;
    };
    let mut client = leader.client();
    check(&mut client, "SET a 1", NO_REPLICAS);
    check(&mut client, "GET a", "nil");
    let follower = start_follower(Kind::Ours, leader.port, &[]).expect("ours is always there");
    wait_for_link(&follower);
    wait_until(SOON, "it counts", || good(&leader) == "1");
    check(&mut client, "SET a 1", "+OK");
    // On a follower they are of no meaning.
    check(
        &mut follower.client(),
        "CONFIG SET min-replicas-to-write 3",
        "+OK",
    );
    check(&mut client, "CONFIG SET min-replicas-max-lag 1", "+OK");
    follower.signal("STOP");
    wait_until(SOON, "it is missed", || good(&leader) == "0");
    check(&mut client, "SET a 2", NO_REPLICAS);
    // A directive counts from the moment it is set.
    check(&mut client, "CONFIG SET min-replicas-max-lag 1000", "+OK");
    check(&mut client, "SET a 2", "+OK");
    check(&mut client, "CONFIG SET min-replicas-to-write 2", "+OK");
    check(&mut client, "SET a 3", NO_REPLICAS);
    check_all(
        &mut client,
        &[
            ("MULTI", "+OK"),
            ("SET a 3", NO_REPLICAS),
            (
                "EXEC",
                "-EXECABORT Transaction discarded because of previous errors.",
            ),
            ("CONFIG SET min-replicas-max-lag 0", "+OK"),
            ("SET a 3", "+OK"),
        ],
    );
    follower.signal("CONT");
    wait_for_offset(&leader, &follower);
}

#[test]
fn stale_data_is_served_or_not() {
    let args = [
        "--replicaof",
        "127.0.0.1",
        "1",
        "--replica-serve-stale-data",
        "no",
    ];
    let Some(peer) = Peer::start(&args) else {
        return;
    };
    let ours = Server::start(&args);
    let (mut one, mut other) = (ours.client(), peer.client());
    for command in [
        "GET a",
        "SET a 1",
        "PING",
        "ECHO a",
        "DBSIZE",
        "EXISTS a",
        "CLUSTER INFO",
        "ASKING",
        "SELECT 1",
        "CLIENT GETNAME",
        "CONFIG GET replica-serve-stale-data",
        "MULTI",
        "GET a",
        "EXEC",
        "PUBLISH a b",
        "SUBSCRIBE a",
        "UNSUBSCRIBE a",
        "CONFIG SET replica-serve-stale-data yes",
        "GET a",
        "SET a 1",
        "DBSIZE",
    ] {
        let expected = other.run(command).to_string();
        assert_eq!(one.run(command).to_string(), expected, "{command}");
    }
}

#[test]
fn a_follower_is_known_by_what_it_announces() {
    for leading in [Kind::Ours, Kind::Redis] {
        let Some(leader) = start(leading, &[]) else {
            continue;
        };
        let announced = [
            "--replica-announce-ip",
            "10.1.2.3",
            "--replica-announce-port",
            "7777",
        ];
        let follower = start_follower(Kind::Ours, leader.port, &announced);
        let follower = follower.expect("ours is always there");
        wait_for_link(&follower);
        // The leader hears a moment later that its follower is ready.
        let slave = || field(&leader, "replication", "slave0");
        wait_until(Duration::from_secs(10), "online", || {
            slave().starts_with("ip=10.1.2.3,port=7777,state=online")
        });
        let role = leader.client().run("ROLE").to_string();
        assert!(role.contains(r#"["10.1.2.3", "7777", "#), "{role}");
    }
}

#[test]
fn what_sentinel_reads_of_a_follower() {
    let args = ["--replica-announced", "no", "--replica-priority", "7"];
    let Some(leader) = start(Kind::Ours, &[]) else {
        return;
    };
    let follower = start_follower(Kind::Ours, leader.port, &args).expect("ours is always there");
    assert_eq!(field(&follower, "replication", "replica_announced"), "0");
    assert_eq!(field(&follower, "replication", "slave_priority"), "7");
    check(
        &mut follower.client(),
        "CONFIG SET replica-announced yes",
        "+OK",
    );
    assert_eq!(field(&follower, "replication", "replica_announced"), "1");
}

#[test]
fn a_follower_logs_in_as_the_user_it_is_told() {
    let Some(leader) = start(Kind::Redis, &[]) else {
        return;
    };
    let user = "ACL SETUSER feeder on >secret +psync +replconf +ping";
    check(&mut leader.client(), user, "+OK");
    check(&mut leader.client(), "SET a 1", "+OK");
    check(&mut leader.client(), "ACL SETUSER default -psync", "+OK");
    let login = ["--masteruser", "feeder", "--masterauth", "wrong"];
    let follower = start_follower(Kind::Ours, leader.port, &login).expect("ours is always there");
    wait_until(SOON, "it is refused", || {
        follower
            .log()
            .contains("Unable to AUTH to MASTER: -WRONGPASS")
    });
    check(
        &mut follower.client(),
        "CONFIG SET masterauth secret",
        "+OK",
    );
    wait_for_link(&follower);
    check(&mut follower.client(), "GET a", "\"1\"");
}

#[test]
fn pings_come_as_often_as_they_are_asked_for() {
    let Some(leader) = start(Kind::Ours, &["--repl-ping-replica-period", "1"]) else {
        return;
    };
    let offset = || field(&leader, "replication", "master_repl_offset");
    let follower = start_follower(Kind::Redis, leader.port, &["--repl-timeout", "3"]);
    let Some(follower) = follower else {
        return;
    };
    wait_for_link(&follower);
    let before = offset();
    // Nothing is written, and the follower stays longer than it would without them.
    wait_until(SOON, "pings come", || {
        let parse = |text: &str| text.parse::<u64>().expect("a number");
        parse(&offset()) >= parse(&before) + 5 * 14
    });
    assert_eq!(stat(&leader, "sync_full"), 1);
    assert_eq!(stat(&leader, "sync_partial_ok"), 0);
    // While writes are paused the log stands still.
    check(&mut leader.client(), "CLIENT PAUSE 60000 WRITE", "+OK");
    let before = offset();
    let started = std::time::Instant::now();
    wait_until(SOON, "two periods pass", || {
        started.elapsed() > Duration::from_millis(2500)
    });
    assert_eq!(offset(), before);
}
