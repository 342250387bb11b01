//! `maxmemory` makes room: which keys go by which policy, who hears of it, and what is
//! refused when nothing may go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::support::replicas::*;
use super::support::value::Value;
use super::support::*;

const SOON: Duration = Duration::from_secs(20);
const OUT_OF_MEMORY: &str = "-OOM command not allowed when used memory > 'maxmemory'.";

const ALL_KEYS: [&str; 3] = ["allkeys-lru", "allkeys-lfu", "allkeys-random"];
const VOLATILE: [&str; 4] = [
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
];

/// What is in use once all that was deleted is freed: that goes on behind the replies.
fn used_bytes(client: &mut Client) -> u64 {
    wait_until(SOON, "what was deleted is freed", || {
        client.info("memory")["lazyfree_pending_objects"] == "0"
    });
    client.info("memory")["used_memory"].parse().unwrap()
}

fn evicted(client: &mut Client) -> u64 {
    client.info("stats")["evicted_keys"].parse().unwrap()
}

fn set(client: &mut Client, name: &str, value: impl ToString) {
    let reply = client.cmd(&["CONFIG", "SET", name, &value.to_string()]);
    assert_eq!(reply.to_string(), "+OK", "{name}");
}

/// Sets the limit so much above what is in use now; returns it.
fn limit_to(client: &mut Client, more_bytes: u64) -> u64 {
    let limit = used_bytes(client) + more_bytes;
    set(client, "maxmemory", limit);
    limit
}

/// Takes the room of so many bytes: keys are deleted at once, not a slice at a time.
fn shrink_by(client: &mut Client, bytes: u64) {
    set(client, "maxmemory-eviction-tenacity", 100);
    let limit = used_bytes(client) - bytes;
    set(client, "maxmemory", limit);
    // Whoever comes next makes the room.
    check(client, "PING", "+PONG");
}

/// A value as RESTORE takes it.
fn payload(client: &mut Client, bytes: usize) -> Vec<u8> {
    client.cmd(&["SET", "payload", &"x".repeat(bytes)]);
    let Value::Bulk(payload) = client.run("DUMP payload") else {
        panic!("no payload");
    };
    check(client, "DEL payload", ":1");
    payload
}

fn restore(client: &mut Client, key: &str, payload: &[u8], option: &str, value: usize) {
    let value = value.to_string();
    let args: [&[u8]; 6] = [
        b"RESTORE",
        key.as_bytes(),
        b"0",
        payload,
        option.as_bytes(),
        value.as_bytes(),
    ];
    assert_eq!(client.cmd(&args).to_string(), "+OK");
}

fn count(client: &mut Client, prefix: &str, keys: usize) -> usize {
    let is_there = |n: &usize| client.run(&format!("EXISTS {prefix}:{n}")).integer() == 1;
    (0..keys).filter(is_there).count()
}

/// Some bytes that others than keys may come to meanwhile, such as buffers.
const LEEWAY_BYTES: u64 = 256 << 10;

#[test]
fn whatever_the_policy_there_is_room_for_what_is_new() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let value = "x".repeat(1000);
    for policy in ALL_KEYS.into_iter().chain(VOLATILE) {
        check(&mut client, "FLUSHALL", "+OK");
        check(&mut client, "CONFIG RESETSTAT", "+OK");
        set(&mut client, "maxmemory-policy", policy);
        set(&mut client, "maxmemory-eviction-tenacity", 100);
        let limit = limit_to(&mut client, 1 << 20);
        assert_eq!(client.info("memory")["maxmemory_policy"], policy);
        for n in 0..300 {
            let reply = client.cmd(&["SET", &format!("stays:{n}"), &value]);
            assert_eq!(reply.to_string(), "+OK");
        }
        for n in 0..2000 {
            let key = format!("goes:{n}");
            let reply = client.cmd(&["SET", &key, &value, "EX", "10000"]);
            assert_eq!(reply.to_string(), "+OK", "{policy} {n}");
        }
        assert!(used_bytes(&mut client) < limit + LEEWAY_BYTES, "{policy}");
        assert!(evicted(&mut client) > 500, "{policy}");
        let stayed = count(&mut client, "stays", 300);
        match policy.starts_with("allkeys") {
            true => assert!(stayed < 300, "{policy}"),
            false => assert_eq!(stayed, 300, "{policy}"),
        }
        set(&mut client, "maxmemory", 0);
    }
}

#[test]
fn where_nothing_may_go_commands_are_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    check(&mut client, "SET a 1", "+OK");
    for policy in VOLATILE.into_iter().chain(["noeviction"]) {
        set(&mut client, "maxmemory-policy", policy);
        set(&mut client, "maxmemory", 1);
        check_all(
            &mut client,
            &[
                ("SET b 1", OUT_OF_MEMORY),
                ("GET a", "\"1\""),
                ("DEL b", ":0"),
                ("MULTI", "+OK"),
                ("GET a", "+QUEUED"),
                ("INCR a", OUT_OF_MEMORY),
                (
                    "EXEC",
                    "-EXECABORT Transaction discarded because of previous errors.",
                ),
            ],
        );
        set(&mut client, "maxmemory", 0);
        check(&mut client, "MULTI", "+OK");
        check(&mut client, "INCR a", "+QUEUED");
        let mut other = server.client();
        set(&mut other, "maxmemory", 1);
        let expect = "-EXECABORT Transaction discarded because of: OOM command not allowed when \
                      used memory > 'maxmemory'.";
        check(&mut client, "EXEC", expect);
        set(&mut client, "maxmemory", 0);
    }
    let stats = client.info("stats");
    assert_eq!(stats["evicted_keys"], "0");
    assert_eq!(stats["current_eviction_exceeded_time"], "0");
    // What has a time to live may go, and then there is none left.
    set(&mut client, "maxmemory-policy", "volatile-ttl");
    check(&mut client, "SET b 1 EX 1000", "+OK");
    set(&mut client, "maxmemory", 1);
    check(&mut client, "SET c 1", OUT_OF_MEMORY);
    check(&mut client, "EXISTS a b", ":1");
    wait_until(SOON, "it is told how long", || {
        client.info("stats")["current_eviction_exceeded_time"] != "0"
    });
    set(&mut client, "maxmemory", 0);
    check(&mut client, "SET c 1", "+OK");
    let stats = client.info("stats");
    assert_eq!(stats["evicted_keys"], "1");
    assert_ne!(stats["total_eviction_exceeded_time"], "0");
    assert_eq!(stats["current_eviction_exceeded_time"], "0");
}

/// So many keys of each kind, when `check_who_stays` is called.
const KEYS: usize = 500;

/// Makes room: a good part of those named `gone` go, and hardly any named `kept`.
fn check_who_stays(client: &mut Client, policy: &str) {
    shrink_by(client, 300_000);
    set(client, "maxmemory", 0);
    let stayed = ["kept", "gone"].map(|kind| count(client, kind, KEYS));
    assert!(
        stayed[0] > KEYS - 20 && stayed[1] < KEYS - 200,
        "{policy}: {stayed:?}"
    );
}

#[test]
fn those_go_first_that_are_worth_least() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let payload = payload(&mut client, 1000);
    for (policy, option, kept, gone) in [
        ("allkeys-lfu", "FREQ", 200, 3),
        ("allkeys-lru", "IDLETIME", 10, 5000),
    ] {
        check(&mut client, "FLUSHALL", "+OK");
        set(&mut client, "maxmemory-policy", policy);
        for n in 0..KEYS {
            restore(&mut client, &format!("kept:{n}"), &payload, option, kept);
            restore(&mut client, &format!("gone:{n}"), &payload, option, gone);
        }
        check_who_stays(&mut client, policy);
    }
    check(&mut client, "FLUSHALL", "+OK");
    set(&mut client, "maxmemory-policy", "volatile-ttl");
    let value = "x".repeat(1000);
    for n in 0..KEYS {
        client.cmd(&["SET", &format!("gone:{n}"), &value, "EX", "1000"]);
        client.cmd(&["SET", &format!("kept:{n}"), &value, "EX", "2000"]);
    }
    check_who_stays(&mut client, "volatile-ttl");
}

#[test]
fn followers_have_what_their_leader_has() {
    for (number, leader) in of_every_kind(None).iter().enumerate() {
        let mut client = leader.client();
        set(&mut client, "maxmemory-policy", "allkeys-random");
        set(&mut client, "maxmemory-eviction-tenacity", 100);
        set(&mut client, "repl-backlog-size", 1 << 20);
        let mut followers = of_every_kind(Some(leader));
        followers.truncate(if number == 0 { followers.len() } else { 1 });
        for follower in &followers {
            // That they have no room is none of their business.
            let mut client = follower.client();
            set(&mut client, "maxmemory-policy", "allkeys-random");
            set(&mut client, "maxmemory", 1);
            wait_for_link(follower);
        }
        // The backlog takes a part of it.
        limit_to(&mut client, 3 << 20);
        for n in 0..3000 {
            let value = "x".repeat(n % 3000);
            let reply = client.cmd(&["SET", &format!("key:{n}"), &value]);
            assert_eq!(reply.to_string(), "+OK");
            if n % 100 == 0 {
                client.cmd(&["SADD", "set", &value, "member", &n.to_string()]);
            }
        }
        assert!(evicted(&mut client) > 100);
        set(&mut client, "maxmemory", 0);
        for follower in &followers {
            check_same(leader, follower);
            assert_eq!(stat(follower, "evicted_keys"), 0);
        }
    }
}

#[test]
fn a_follower_may_make_room_for_itself() {
    let leader = Server::start(&AT_ONCE);
    let follower = start_follower(
        Kind::Ours,
        leader.port,
        &[
            &AT_ONCE[..],
            &["--replica-ignore-maxmemory", "no"],
            &["--maxmemory-policy", "allkeys-lru"],
        ]
        .concat(),
    );
    let follower = follower.expect("ours is there");
    wait_for_link(&follower);
    let (mut client, mut own) = (leader.client(), follower.client());
    limit_to(&mut own, 200_000);
    for n in 0..1000 {
        client.cmd(&["SET", &format!("key:{n}"), &"x".repeat(1000)]);
    }
    wait_for_offset(&leader, &follower);
    wait_until(SOON, "there is room", || evicted(&mut own) > 700);
    check(&mut client, "DBSIZE", ":1000");
    // It goes on following, whether or not there is any room.
    // What makes room still ends first: it would go on by the old policy.
    set(&mut own, "maxmemory", 0);
    set(&mut own, "maxmemory-policy", "noeviction");
    set(&mut own, "maxmemory", 1);
    check(&mut client, "SET last 1", "+OK");
    wait_for_offset(&leader, &follower);
    check(&mut own, "GET last", "\"1\"");
}

/// Four workers' own buffers, and what each of them may be about to write.
const BOUND_BYTES: u64 = 4 << 20;

#[test]
fn many_clients_at_once_stay_below_the_limit() {
    let server = Server::start(&["--io-threads", "4", "--maxmemory-policy", "allkeys-lru"]);
    let mut client = server.client();
    set(&mut client, "maxmemory-eviction-tenacity", 100);
    let limit = limit_to(&mut client, 8 << 20);
    let is_over = AtomicBool::new(false);
    let most = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let (mut client, mut most) = (server.client(), 0);
            while !is_over.load(Ordering::Relaxed) {
                most = most.max(used_bytes(&mut client));
            }
            most
        });
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let mut client = server.client();
                scope.spawn(move || {
                    let value = "x".repeat(2000);
                    for round in 0..100 {
                        for n in 0..64 {
                            let key = format!("{writer}:{round}:{n}");
                            client.send_cmd(&["SET", &key, &value]);
                        }
                        for _ in 0..64 {
                            assert_eq!(client.recv().to_string(), "+OK");
                        }
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|it| it.join().unwrap());
        is_over.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    });
    assert!(most < limit + BOUND_BYTES, "{most} of {limit}");
    assert!(evicted(&mut client) > 10_000);
}

#[test]
fn those_who_want_to_know_hear_of_it() {
    for options in [[""; 0].as_slice(), &["--lazyfree-lazy-eviction", "yes"]] {
        let server = Server::start(options);
        let mut client = server.client();
        set(&mut client, "notify-keyspace-events", "KEe");
        set(&mut client, "maxmemory-policy", "allkeys-lru");
        let mut listener = server.client();
        check(
            &mut listener,
            "PSUBSCRIBE __key*",
            "[\"psubscribe\", \"__key*\", :1]",
        );
        let (mut watcher, mut reader) = (server.client(), server.client());
        check(&mut client, "SET a 1", "+OK");
        check_all(
            &mut watcher,
            &[("WATCH a", "+OK"), ("MULTI", "+OK"), ("PING", "+QUEUED")],
        );
        reader.resp3();
        check(&mut reader, "CLIENT TRACKING on", "+OK");
        check(&mut reader, "GET a", "\"1\"");
        // It is told before what comes next is answered.
        reader.send(b"CONFIG SET maxmemory 1\r\nPING\r\n");
        assert_eq!(reader.recv().to_string(), "+OK");
        let told = reader.recv().to_string();
        assert_eq!(told, ">[\"invalidate\", [\"a\"]]");
        assert_eq!(reader.recv().to_string(), "+PONG");
        set(&mut client, "maxmemory", 0);
        for (channel, message) in [
            ("__keyspace@0__:a", "evicted"),
            ("__keyevent@0__:evicted", "a"),
        ] {
            let told = format!("[\"pmessage\", \"__key*\", \"{channel}\", \"{message}\"]");
            assert_eq!(listener.recv().to_string(), told);
        }
        check(&mut watcher, "EXEC", "nil*");
    }
}

#[test]
fn how_often_keys_are_used() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-lfu"]);
    let mut client = server.client();
    check_all(
        &mut client,
        &[
            ("SET a 1", "+OK"),
            ("OBJECT FREQ a", ":5"),
            ("OBJECT FREQ missing", "nil"),
            (
                "OBJECT IDLETIME a",
                "-ERR An LFU maxmemory policy is selected, idle time not tracked. Please note \
                 that when switching between policies at runtime LRU and LFU data will take some \
                 time to adjust.",
            ),
            ("OBJECT IDLETIME missing", "nil"),
            ("CONFIG SET lfu-log-factor 0", "+OK"),
            ("GET a", "\"1\""),
            ("INCR a", ":2"),
            ("SET a 3", "+OK"),
            ("OBJECT FREQ a", ":8"),
            ("TTL a", ":-1"),
            ("STRLEN a", ":1"),
            ("OBJECT ENCODING a", "\"int\""),
            ("OBJECT FREQ a", ":9"),
            ("CLIENT NO-TOUCH on", "+OK"),
            ("GET a", "\"3\""),
            ("SET a 4", "+OK"),
            ("OBJECT FREQ a", ":9"),
            ("TOUCH a", ":1"),
            ("GET a", "\"4\""),
            ("OBJECT FREQ a", ":10"),
            ("CLIENT NO-TOUCH off", "+OK"),
            ("COPY a copied", ":1"),
            ("OBJECT FREQ copied", ":5"),
            ("RPUSH list x", ":1"),
            ("RPUSH list y", ":2"),
            ("OBJECT FREQ list", ":6"),
        ],
    );
    // With 10 the counter of what is often used rises ever more slowly.
    set(&mut client, "lfu-log-factor", 10);
    for _ in 0..1000 {
        client.run("GET copied");
    }
    let counter = client.run("OBJECT FREQ copied").integer();
    assert!((10..40).contains(&counter), "{counter}");
}

#[test]
fn use_is_saved_and_sent() {
    for (policy, option, ask, value) in [
        ("allkeys-lfu", "FREQ", "OBJECT FREQ", 123),
        ("allkeys-lru", "IDLETIME", "OBJECT IDLETIME", 5000),
    ] {
        let args = [&AT_ONCE[..], &["--maxmemory-policy", policy]].concat();
        let leader = Server::start(&args);
        let mut client = leader.client();
        let payload = payload(&mut client, 100);
        restore(&mut client, "a", &payload, option, value);
        // Said of the other kind of policy it says nothing.
        let other = if option == "FREQ" { "IDLETIME" } else { "FREQ" };
        restore(&mut client, "b", &payload, other, 200);
        let slowly = value as i64 + 60;
        let check_use = |client: &mut Client| {
            let told = client.run(&format!("{ask} a")).integer();
            assert!(
                (value as i64 - 2..slowly).contains(&told),
                "{policy}: {told}"
            );
            let told = client.run(&format!("{ask} b")).integer();
            assert!((0..60).contains(&told), "{policy}: {told}");
        };
        check_use(&mut client);
        check(&mut client, "DEBUG RELOAD", "+OK");
        check_use(&mut client);
        for follower in of_every_kind(Some(&leader)) {
            let mut follower_client = follower.client();
            wait_for_link(&follower);
            // The bits mean what the policy says that was in force when they came.
            check(&mut follower_client, "REPLICAOF NO ONE", "+OK");
            set(&mut follower_client, "maxmemory-policy", policy);
            set(&mut follower_client, "replica-read-only", "no");
            let port = leader.port.to_string();
            check(&mut follower_client, "FLUSHALL", "+OK");
            follower_client.cmd(&["REPLICAOF", "127.0.0.1", &port]);
            wait_for_link(&follower);
            wait_for_offset(&leader, &follower);
            check_use(&mut follower_client);
        }
    }
}

/// Nothing goes, and nothing is refused, while the server is paused or imports.
#[test]
fn there_are_times_when_nothing_goes() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-lru"]);
    let mut client = server.client();
    check(&mut client, "SET a 1", "+OK");
    set(&mut client, "import-mode", "yes");
    set(&mut client, "maxmemory", 1);
    check(&mut client, "GET a", "\"1\"");
    check(&mut client, "SET b 1", "+OK");
    check(&mut client, "DBSIZE", ":2");
    check(&mut client, "CLIENT PAUSE 100000 WRITE", "+OK");
    set(&mut client, "import-mode", "no");
    check(&mut client, "GET a", "\"1\"");
    check(&mut client, "DBSIZE", ":2");
    check(&mut client, "CLIENT UNPAUSE", "+OK");
    wait_until(SOON, "they are gone", || {
        client.run("DBSIZE").integer() == 0
    });
}

/// A value whose memory another thread frees makes as much room as any.
#[test]
fn large_values_make_room_once() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-lru"]);
    let mut client = server.client();
    let before = used_bytes(&mut client);
    for n in 0..20 {
        client.cmd(&["SET", &format!("key:{n}"), &"x".repeat(1 << 20)]);
    }
    let all = 20 * client.run("MEMORY USAGE key:0").integer() as u64;
    wait_until(SOON, "what the requests took is free again", || {
        used_bytes(&mut client) < before + all + (1 << 18)
    });
    shrink_by(&mut client, (3 << 20) - (1 << 19));
    // Two threads may each be about to delete one when there is enough.
    let gone = evicted(&mut client);
    assert!((3..=4).contains(&gone), "{gone}");
    check(&mut client, "DBSIZE", &format!(":{}", 20 - gone));
}
