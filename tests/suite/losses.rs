//! What a follower keeps when others lose: leaders that come back without their memory, ends
//! of the process and of the link in the middle of a load, a disk that is not there.

use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::support::*;

const REFUSED: &str = "the master has lost its history and offers 0 keys for 50";

fn keys(server: &Server) -> i64 {
    server.client().run("DBSIZE").integer()
}

fn follower_of(leader: &Server, args: &[&str]) -> Server {
    let port = leader.port.to_string();
    let follower = Server::start(&[&["--replicaof", "127.0.0.1", &port], args].concat());
    wait_for_link(&follower);
    follower
}

/// A leader with 50 keys, ours or a real one, and a follower that has them too.
fn pair(leader: Server, follower_args: &[&str]) -> (Server, Server) {
    let mut client = leader.client();
    for key in 0..50 {
        check(&mut client, &format!("SET key:{key} {key}"), "+OK");
    }
    let follower = follower_of(&leader, follower_args);
    check(&mut client, "WAIT 1 10000", ":1");
    assert_eq!(keys(&follower), 50);
    (leader, follower)
}

#[test]
fn a_leader_without_memory_does_not_take_its_followers_with_it() {
    let ways = ["disabled", "swapdb", "flush-before-load"];
    let ours = ways.map(|way| (Some(Server::start(&AT_ONCE)), way));
    let theirs = (Peer::start(&AT_ONCE), "disabled");
    for (leader, way) in ours.into_iter().chain([theirs]) {
        let Some(leader) = leader else { continue };
        let (mut leader, follower) = pair(leader, &["--repl-diskless-load", way]);
        leader.kill();
        leader.restart();
        wait_until(SOON, "it is refused", || {
            field(&follower, "replication", "master_sync_refusal_reason") == REFUSED
        });
        assert_eq!(keys(&follower), 50);
        check(&mut follower.client(), "GET key:7", "\"7\"");
        wait_until(SOON, "it is asked again", || {
            let refusals = field(&follower, "replication", "master_sync_refusals");
            refusals.parse().is_ok_and(|refusals: u64| refusals >= 2)
        });
        let log = follower.log();
        assert_eq!(log.matches(REFUSED).count(), 1, "{log}");
        assert!(stat(&leader, "sync_full") <= 3, "no loop");
        let accept = "CONFIG SET replica-accept-empty-leader yes";
        check(&mut follower.client(), accept, "+OK");
        wait_for_link(&follower);
        assert_eq!(keys(&follower), 0, "{way}");
        let refusals = field(&follower, "replication", "master_sync_refusals");
        assert_eq!(refusals, "", "it is forgotten");
    }
}

#[test]
fn a_follower_that_was_restarted_with_its_file_keeps_its_data_too() {
    let (mut leader, mut follower) = pair(Server::start(&AT_ONCE), &[]);
    follower.kill();
    leader.kill();
    leader.restart();
    follower.restart();
    wait_until(SOON, "it is refused", || {
        field(&follower, "replication", "master_sync_refusal_reason") == REFUSED
    });
    assert_eq!(keys(&follower), 50);
    // What comes to the leader from now on is no reason to lose the rest, however much.
    outgrow(&leader, &follower);
    let refusals = || -> u64 {
        let refusals = field(&follower, "replication", "master_sync_refusals");
        refusals.parse().unwrap_or(0)
    };
    let before = refusals();
    wait_until(SOON, "it is refused again", || refusals() >= before + 2);
    assert_eq!(keys(&follower), 50);
    check(&mut follower.client(), "REPLICAOF NO ONE", "+OK");
    check(&mut follower.client(), "SET key:7 changed", "+OK");
    // The old leader follows the one that has kept the data.
    let mut client = leader.client();
    let port = follower.port;
    check(&mut client, &format!("REPLICAOF 127.0.0.1 {port}"), "+OK");
    wait_for_link(&leader);
    check(&mut client, "GET key:7", "\"changed\"");
}

/// Writes until the leader's history is longer than that of its follower.
fn outgrow(leader: &Server, follower: &Server) {
    let offset = |server: &Server| -> u64 {
        let offset = field(server, "replication", "master_repl_offset");
        offset.parse().expect("a number")
    };
    let mut client = leader.client();
    let theirs = offset(follower);
    while offset(leader) <= theirs {
        check(&mut client, "SET new 1", "+OK");
        check(&mut client, "DEL new", ":1");
    }
}

#[test]
fn a_restart_does_not_forget_that_a_leader_was_refused() {
    for way in ["SHUTDOWN SAVE", "SHUTDOWN NOSAVE"] {
        let (mut leader, mut follower) = pair(Server::start(&AT_ONCE), &[]);
        leader.kill();
        leader.restart();
        let wait_for_refusal = |follower: &Server| {
            wait_until(SOON, "it is refused", || {
                field(follower, "replication", "master_sync_refusal_reason") == REFUSED
            });
            assert_eq!(keys(follower), 50, "{way}");
        };
        wait_for_refusal(&follower);
        outgrow(&leader, &follower);
        follower.client().send(format!("{way}\r\n").as_bytes());
        follower.wait_for_exit();
        follower.restart();
        wait_for_refusal(&follower);
        // What an operator tells it to do it does.
        let mut client = follower.client();
        check(&mut client, "REPLICAOF NO ONE", "+OK");
        let again = format!("REPLICAOF 127.0.0.1 {}", leader.port);
        check(&mut client, &again, "+OK");
        wait_for_link(&follower);
        assert_eq!(keys(&follower), 0);
    }
}

#[test]
fn what_was_meant_is_done() {
    // FLUSHALL, which comes as a record, and as a snapshot where the backlog is too short.
    let leader = Server::start(&[&AT_ONCE[..], &["--repl-backlog-size", "16kb"]].concat());
    let proxy = Proxy::to(leader.port);
    let (leader, follower) = pair(leader, &[]);
    let mut client = leader.client();
    let through = format!("REPLICAOF 127.0.0.1 {}", proxy.port);
    check(&mut follower.client(), &through, "+OK");
    wait_for_link(&follower);
    proxy.part();
    wait_until(SOON, "the link is down", || !is_up(&follower));
    let value = "x".repeat(100_000);
    client.cmd(&["SET", "big", &value]);
    check(&mut client, "FLUSHALL", "+OK");
    proxy.heal();
    wait_for_link(&follower);
    assert_eq!(keys(&follower), 0);
    assert_eq!(stat(&leader, "sync_full"), 2);
    // Another leader, named by an operator, has nothing.
    let (_leader, follower) = pair(Server::start(&AT_ONCE), &[]);
    let empty = Server::start(&AT_ONCE);
    let other = format!("REPLICAOF 127.0.0.1 {}", empty.port);
    check(&mut follower.client(), &other, "+OK");
    wait_for_link(&follower);
    assert_eq!(keys(&follower), 0);
}

#[test]
fn what_a_leader_sends_does_not_keep_a_follower_from_ending() {
    let slow = ["--rdb-key-save-delay", "20000"];
    let (leader, mut follower) = pair(Server::start(&AT_ONCE), &slow);
    follower.client().send_cmd(&["SHUTDOWN", "SAVE"]);
    let file = format!("temp-{}.rdb", follower.pid());
    wait_until(SOON, "it saves", || follower.folder().join(&file).exists());
    check(&mut leader.client(), "FLUSHALL", "+OK");
    assert!(follower.wait_for_exit().success());
    let log = follower.log();
    assert!(log.contains("ready to exit"), "{log}");
    follower.restart();
    wait_for_link(&follower);
    wait_for_offset(&leader, &follower);
    assert_eq!((keys(&follower), stat(&leader, "sync_full")), (0, 1));
}

#[test]
fn what_a_leader_sends_during_a_reload_comes_behind_it() {
    let slow = [&AT_ONCE[..], &["--rdb-key-save-delay", "10000"]].concat();
    let (leader, follower) = pair(Server::start(&AT_ONCE), &slow);
    let (mut client, mut reloading) = (leader.client(), follower.client());
    reloading.send_cmd(&["DEBUG", "RELOAD"]);
    let mut writes = 0;
    let reply = loop {
        if let Some(reply) = reloading.recv_within(Duration::from_millis(1)) {
            break reply;
        }
        check(&mut client, &format!("SET key:{writes} new"), "+OK");
        writes += 1;
    };
    assert_eq!(reply.to_string(), "+OK");
    assert!(writes > 0, "while it saved");
    check_same(&leader, &follower);
}

/// A load that takes some seconds, of what `snapshot` has.
const SLOW: [&str; 2] = ["--key-load-delay", "1000"];

#[test]
fn a_crash_between_the_spool_and_the_load_costs_nothing() {
    let leader = Server::start(&AT_ONCE);
    check(&mut leader.client(), "DEBUG POPULATE 3000 key 10", "+OK");
    let mut follower = Server::start(&SLOW);
    check(&mut follower.client(), "SET kept 1", "+OK");
    let port = leader.port;
    let ask = format!("REPLICAOF 127.0.0.1 {port}");
    check(&mut follower.client(), &ask, "+OK");
    wait_until(SOON, "it loads", || {
        field(&follower, "persistence", "loading") == "1"
    });
    let loading = "-LOADING Redis is loading the dataset in memory";
    check(&mut follower.client(), "GET kept", loading);
    follower.kill();
    let port = port.to_string();
    let again = ["--key-load-delay", "0", "--replicaof", "127.0.0.1", &port];
    follower.begin_again(&again);
    wait_until(SOON, "it is up again", || {
        Client::try_connect(("127.0.0.1", follower.port)).is_ok() && is_up(&follower)
    });
    assert_eq!(keys(&follower), 3000);
    assert_eq!(stat(&leader, "sync_full"), 1);
    assert_eq!(stat(&leader, "sync_partial_ok"), 1);
}

#[test]
fn a_leader_that_goes_during_the_load_is_asked_for_the_rest() {
    for way in ["disabled", "swapdb"] {
        let payload = snapshot("REDIS0010", &new_keys(3000));
        let leader = Scripted::new(move |mut asking| match asking.attempt {
            0 => asking.send(&full_resync(ID, 100, &payload)),
            _ => asking.listen(),
        });
        let args = [&SLOW[..], &["--repl-diskless-load", way]].concat();
        let server = Server::start(&args);
        let mut client = server.client();
        check(&mut client, "SET kept 1", "+OK");
        let ask = format!("REPLICAOF 127.0.0.1 {}", leader.port);
        check(&mut client, &ask, "+OK");
        wait_until(SOON, "it comes again", || leader.asked().len() == 2);
        let expect = ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 101"];
        assert_eq!(leader.asked()[1..], expect, "{way}");
        assert_eq!(keys(&server), 3000);
        let log = server.log();
        assert!(log.contains(" keys."), "how far it was: {log}");
        check(&mut client, "REPLICAOF NO ONE", "+OK");
        check(&mut client, "SET new:1 changed", "+OK");
    }
}

#[test]
fn without_a_disk_the_snapshot_comes_through_the_socket() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().to_str().expect("a plain name").to_owned();
    let leader = Server::start(&AT_ONCE);
    check(&mut leader.client(), "SET new 1", "+OK");
    for kept in [true, false] {
        let server = Server::start(&["--enable-protected-configs", "yes"]);
        let mut client = server.client();
        if kept {
            check(&mut client, "SET kept 1", "+OK");
        }
        std::fs::create_dir_all(folder.path()).expect("a folder");
        check(&mut client, &format!("CONFIG SET dir {dir}"), "+OK");
        std::fs::remove_dir(folder.path()).expect("it is empty");
        let ask = format!("REPLICAOF 127.0.0.1 {}", leader.port);
        check(&mut client, &ask, "+OK");
        wait_for_link(&server);
        check_all(&mut client, &[("GET new", "\"1\""), ("DBSIZE", ":1")]);
        let log = server.log();
        assert!(
            log.contains("Opening the temp file needed for MASTER"),
            "{log}"
        );
    }
}

#[test]
fn a_disk_that_takes_no_more_costs_one_sync_at_most() {
    for (kept, full_syncs) in [(true, 2), (false, 1)] {
        let leader = Server::start(&[&AT_ONCE[..], &["--rdbcompression", "no"]].concat());
        check(&mut leader.client(), "DEBUG POPULATE 3000 key 1000", "+OK");
        let follower = Server::start(&["--enable-debug-command", "yes"]);
        let mut client = follower.client();
        if kept {
            check(&mut client, "SET kept 1", "+OK");
        }
        let bytes_max = Rlimit {
            current: Some(1_000_000),
            maximum: Some(1_000_000),
        };
        let pid = Pid::from_raw(follower.pid() as i32);
        prlimit(pid, Resource::Fsize, bytes_max).expect("a process of ours");
        let ask = format!("REPLICAOF 127.0.0.1 {}", leader.port);
        check(&mut client, &ask, "+OK");
        wait_for_link(&follower);
        check_all(&mut client, &[("EXISTS kept", ":0"), ("DBSIZE", ":3000")]);
        check_same(&leader, &follower);
        assert_eq!(stat(&leader, "sync_full"), full_syncs);
        assert_eq!(field(&follower, "replication", "master_sync_refusals"), "");
        let log = follower.log();
        assert!(log.contains("synchronization: File too large"), "{log}");
    }
}

/// Whoever takes the inside of a value for a command has lost step with its leader: it must not
/// go on, nor come back for what follows the place where it stands.
#[test]
fn a_stream_out_of_step_is_given_up_with_all_that_is_known_of_it() {
    let set = |key: &str| format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n$1\r\n1\r\n", key.len());
    let torn = set("torn").split_off(8);
    let multi = "*1\r\n$5\r\nMULTI\r\n".to_owned();
    let inline = "Receiving inline protocol from master, master stream corruption?";
    let length = "Protocol error from master: Protocol error: invalid bulk length";
    for (stream, line) in [
        (set("first") + &torn + &set("second"), inline),
        (multi + &set("first") + &torn, inline),
        ("*2\r\n$-1\r\n".to_owned(), length),
    ] {
        let leader = Scripted::new(move |mut asking| {
            let payload = snapshot("REDIS0010", &new_keys(3));
            asking.send(&full_resync(ID, 100, &payload));
            if asking.attempt == 0 {
                asking.send(stream.as_bytes());
            }
            asking.listen();
        });
        let server = Server::start(&["--replicaof", "127.0.0.1", &leader.port.to_string()]);
        wait_until(SOON, "it begins anew", || {
            leader.asked().len() == 2 && field(&server, "replication", "slave_repl_offset") == "100"
        });
        wait_for_link(&server);
        assert_eq!(leader.asked()[1], "? -1");
        assert_eq!(keys(&server), 3);
        let log = server.log();
        assert!(log.contains(line), "{log}");
        assert!(
            !log.contains("Caching the disconnected master state."),
            "{log}"
        );
    }
}
