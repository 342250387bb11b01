//! FAILOVER: the leadership changes hands without a write lost and without a full sync.

use std::sync::mpsc::channel;
use std::time::Duration;

use super::support::*;

fn state(server: &Server) -> String {
    field(server, "replication", "master_failover_state")
}

#[track_caller]
fn wait_for_state(server: &Server, wanted: &str) {
    wait_until(SOON, wanted, || state(server) == wanted);
}

fn role(server: &Server) -> String {
    field(server, "replication", "role")
}

fn follow(server: &Server, leader: &Server) {
    let command = format!("REPLICAOF 127.0.0.1 {}", leader.port);
    check(&mut server.client(), &command, "+OK");
}

/// A leader and two followers that have all it has; None without a real server.
#[track_caller]
fn three(leading: Kind, following: Kind) -> Option<[Server; 3]> {
    let leader = start(leading, &[])?;
    let one = start_follower(following, leader.port, &[])?;
    let two = start_follower(Kind::Ours, leader.port, &[])?;
    wait_for_link(&one);
    wait_for_link(&two);
    check(&mut leader.client(), "SET before 1", "+OK");
    wait_for_offset(&leader, &one);
    wait_for_offset(&leader, &two);
    Some([leader, one, two])
}

#[test]
fn a_follower_takes_over_and_nobody_starts_anew() {
    for (leading, following) in PAIRS {
        let Some([old, new, sibling]) = three(leading, following) else {
            continue;
        };
        let context = format!("{leading:?} hands over to {following:?}");
        let mut writer = old.client();
        new.signal("STOP");
        check(&mut writer, "SET late 1", "+OK");
        let target = format!("FAILOVER TO 127.0.0.1 {}", new.port);
        check(&mut old.client(), &target, "+OK");
        assert_eq!(state(&old), "waiting-for-sync", "{context}");
        check(
            &mut old.client(),
            &target,
            "-ERR FAILOVER already in progress.",
        );
        let refused = "-ERR REPLICAOF not allowed while failing over.";
        check(&mut old.client(), "REPLICAOF NO ONE", refused);
        // Reads go on, writes wait, and are not made any more in the end.
        check(&mut writer, "GET late", "\"1\"");
        writer.send_cmd(&["SET", "late", "2"]);
        assert_eq!(writer.recv_within(Duration::from_millis(100)), None);
        new.signal("CONT");
        wait_for_state(&old, "no-failover");
        let readonly = "-READONLY You can't write against a read only replica.";
        assert_eq!(writer.recv().to_string(), readonly, "{context}");
        assert_eq!(role(&new), "master", "{context}");
        follow(&sibling, &new);
        check(&mut new.client(), "SET after 1", "+OK");
        for server in [&old, &sibling] {
            wait_for_offset(&new, server);
            let mut client = server.client();
            check(&mut client, "MGET before late after", r#"["1", "1", "1"]"#);
        }
        assert_eq!(stat(&new, "sync_full"), 0, "{context}: {}", new.log());
        assert_eq!(stat(&new, "sync_partial_ok"), 2, "{context}");
        let synced = format!("Failover target 127.0.0.1:{} is synced", new.port);
        assert!(old.log().contains(&synced), "{context}: {}", old.log());
    }
}

#[test]
fn whoever_has_everything_first_takes_over() {
    let Some([old, new, stopped]) = three(Kind::Ours, Kind::Ours) else {
        return;
    };
    stopped.signal("STOP");
    check(&mut old.client(), "SET a 1", "+OK");
    check(&mut old.client(), "FAILOVER", "+OK");
    wait_for_state(&old, "no-failover");
    stopped.signal("CONT");
    assert_eq!(role(&new), "master");
    wait_for_offset(&new, &old);
    // The one that was left out still follows the old leader: it is a chain now.
    wait_for_offset(&new, &stopped);
    assert_eq!(stat(&new, "sync_full") + stat(&old, "sync_full"), 2);
}

#[test]
fn time_runs_out() {
    let Some([leader, stopped, _other]) = three(Kind::Ours, Kind::Ours) else {
        return;
    };
    let mut writer = leader.client();
    stopped.signal("STOP");
    check(&mut writer, "SET a 1", "+OK");
    let target = format!("FAILOVER TO 127.0.0.1 {}", stopped.port);
    check(
        &mut leader.client(),
        &format!("{target} TIMEOUT 200"),
        "+OK",
    );
    // A write that waits is made when the failover is given up.
    check(&mut writer, "SET a 2", "+OK");
    assert_eq!(state(&leader), "no-failover");
    let why = "aborted: Replica never caught up before timeout";
    assert!(leader.log().contains(why), "{}", leader.log());
    stopped.signal("CONT");
    wait_for_offset(&leader, &stopped);
    assert_eq!(stat(&leader, "sync_partial_ok"), 0);
}

#[test]
fn a_forced_failover_hands_over_what_is_there() {
    let Some([old, new, sibling]) = three(Kind::Ours, Kind::Ours) else {
        return;
    };
    new.signal("STOP");
    check(&mut old.client(), "SET a 1", "+OK");
    let target = format!("FAILOVER TO 127.0.0.1 {} TIMEOUT 100 FORCE", new.port);
    check(&mut old.client(), &target, "+OK");
    wait_for_state(&old, "failover-in-progress");
    assert_eq!(role(&old), "slave");
    let mut client = old.client();
    check(
        &mut client,
        "PSYNC ? -1",
        "-NOMASTERLINK Can't SYNC while failing over",
    );
    new.signal("CONT");
    wait_for_state(&old, "no-failover");
    follow(&sibling, &new);
    wait_for_offset(&new, &old);
    wait_for_offset(&new, &sibling);
    assert!(old.log().contains("time out exceeded, failing over."));
    for server in [&new, &old, &sibling] {
        check(&mut server.client(), "MGET before a", r#"["1", "1"]"#);
    }
}

#[test]
fn who_takes_over_has_read_what_it_was_sent() {
    let (links, link) = channel();
    let leader = Scripted::new(move |mut asking| {
        asking.send(&full_resync(ID, 100, &snapshot("REDIS0010", &[])));
        links.send(asking).expect("the test takes it");
    });
    // It reads a little at a time with a delay, so that it can be asked in the midst of it.
    let server = Server::start(&["--key-load-delay", "1"]);
    let mut client = server.client();
    let ask = format!("REPLICAOF 127.0.0.1 {}", leader.port);
    check(&mut client, &ask, "+OK");
    let mut link = link.recv().expect("it asks");
    wait_for_link(&server);
    server.signal("STOP");
    let write = |n: usize| {
        let key = format!("key:{n:03}");
        format!("*3\r\n$3\r\nSET\r\n$7\r\n{key}\r\n$1000\r\n{n:01000}\r\n")
    };
    let writes: String = (0..60).map(write).collect();
    link.send(writes.as_bytes());
    client.send(format!("PSYNC {ID} 101 FAILOVER\r\n").as_bytes());
    server.signal("CONT");
    wait_until(SOON, "it leads", || role(&server) == "master");
    check(&mut server.client(), "DBSIZE", ":60");
}

#[test]
fn a_failover_is_called_off_on_either_side_of_the_change() {
    let Some([leader, stopped, other]) = three(Kind::Ours, Kind::Ours) else {
        return;
    };
    let id = || field(&leader, "replication", "master_replid");
    let first_id = id();
    let mut writer = leader.client();
    stopped.signal("STOP");
    check(&mut writer, "SET a 1", "+OK");
    let target = format!("FAILOVER TO 127.0.0.1 {}", stopped.port);
    check(&mut leader.client(), &target, "+OK");
    writer.send_cmd(&["SET", "a", "2"]);
    check(&mut leader.client(), "FAILOVER ABORT", "+OK");
    assert_eq!(state(&leader), "no-failover");
    assert_eq!(writer.recv().to_string(), "+OK");
    assert_eq!(id(), first_id);
    let none = "-ERR No failover in progress.";
    check(&mut leader.client(), "FAILOVER ABORT", none);
    // Now it follows already the one that does not answer. What waited before waits on;
    // who comes now finds a follower.
    let forced = format!("{target} TIMEOUT 500 FORCE");
    check(&mut leader.client(), &forced, "+OK");
    writer.send_cmd(&["SET", "a", "3"]);
    wait_for_state(&leader, "failover-in-progress");
    let readonly = "-READONLY You can't write against a read only replica.";
    check(&mut leader.client(), "SET a 4", readonly);
    check(&mut leader.client(), "FAILOVER ABORT", "+OK");
    assert_eq!(
        (state(&leader), role(&leader)),
        ("no-failover".into(), "master".into())
    );
    assert_eq!(writer.recv().to_string(), "+OK");
    // It led no more for a moment: its history goes on under a new name.
    assert_ne!(id(), first_id);
    assert_eq!(
        leader
            .log()
            .matches("aborted: Failover manually aborted")
            .count(),
        2
    );
    stopped.signal("CONT");
    wait_for_offset(&leader, &other);
    wait_for_offset(&leader, &stopped);
    check(&mut stopped.client(), "GET a", "\"3\"");
    assert_eq!(stat(&leader, "sync_full"), 2);
}

#[test]
fn a_target_that_refuses_changes_nothing() {
    let Some([leader, refuser, other]) = three(Kind::Ours, Kind::Redis) else {
        return;
    };
    let mut admin = refuser.client();
    check(&mut admin, "ACL SETUSER default -psync", "+OK");
    let target = format!("FAILOVER TO 127.0.0.1 {}", refuser.port);
    check(&mut leader.client(), &target, "+OK");
    wait_for_state(&leader, "no-failover");
    assert_eq!(role(&leader), "master");
    let log = leader.log();
    let why = "aborted: Failover target rejected psync request";
    assert_eq!(log.matches(why).count(), 1, "{log}");
    check(&mut leader.client(), "SET a 1", "+OK");
    wait_for_offset(&leader, &refuser);
    wait_for_offset(&leader, &other);
    assert_eq!(stat(&leader, "sync_full"), 2);
    assert_eq!(stat(&leader, "sync_partial_ok"), 2);
}

#[test]
fn pauses_of_clients_and_of_a_failover_are_apart() {
    let Some([leader, stopped, _other]) = three(Kind::Ours, Kind::Ours) else {
        return;
    };
    let mut writer = leader.client();
    stopped.signal("STOP");
    check(&mut writer, "SET a 1", "+OK");
    let target = format!("FAILOVER TO 127.0.0.1 {}", stopped.port);
    check(&mut leader.client(), &target, "+OK");
    check(&mut leader.client(), "CLIENT UNPAUSE", "+OK");
    writer.send_cmd(&["SET", "a", "2"]);
    assert_eq!(writer.recv_within(Duration::from_millis(100)), None);
    check(&mut leader.client(), "CLIENT PAUSE 60000 WRITE", "+OK");
    check(&mut leader.client(), "FAILOVER ABORT", "+OK");
    assert_eq!(writer.recv_within(Duration::from_millis(100)), None);
    check(&mut leader.client(), "CLIENT UNPAUSE", "+OK");
    assert_eq!(writer.recv().to_string(), "+OK");
    stopped.signal("CONT");
}

#[test]
fn who_waits_for_followers_hears_that_the_role_changed() {
    for leading in [Kind::Ours, Kind::Redis] {
        let Some(leader) = start(leading, &[]) else {
            continue;
        };
        let mut client = leader.client();
        client.send_cmd(&["WAIT", "1", "0"]);
        wait_until(SOON, "the client waits", || {
            field(&leader, "clients", "blocked_clients") == "1"
        });
        check(&mut leader.client(), "REPLICAOF 127.0.0.1 1", "+OK");
        let text = "-UNBLOCKED force unblock from blocking operation, instance state changed \
                    (master -> replica?)\r\n";
        assert_eq!(
            String::from_utf8_lossy(&client.recv_to_end()),
            text,
            "{leading:?}"
        );
    }
}
