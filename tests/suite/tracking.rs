//! Client-side caching: who is told of which changes, how, and in which order; and that a
//! cache that heeds what it is told is never stale for long.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use lockstep::base::rng::Rng;

use super::support::replicas::*;
use super::support::value::Value;
use super::support::*;

const SOON: Duration = Duration::from_secs(20);

fn tracking(server: &Server, options: &str) -> Client {
    let mut client = server.client();
    client.resp3();
    check(&mut client, &format!("CLIENT TRACKING on {options}"), "+OK");
    client
}

fn invalidates(key: &str) -> String {
    format!(">[\"invalidate\", [\"{key}\"]]")
}

/// A client that is told of what it did itself may ask its cache as soon as it has the reply.
#[test]
fn what_a_client_did_itself_is_told_with_the_reply() {
    let server = Server::start(&["--save", "3600 1"]);
    let (mut client, mut writer) = (tracking(&server, ""), server.client());
    let all = ">[\"invalidate\", _]".to_owned();
    for round in 0..20 {
        // Nobody has read it yet, so that nothing else is told.
        let key = format!("key:{round}");
        for (make, read, change, reply, told) in [
            (
                "SET",
                "GET",
                format!("SET {key} x"),
                "+OK",
                invalidates(&key),
            ),
            ("SET", "GET", "FLUSHDB".to_owned(), "+OK", all.clone()),
            ("SET", "GET", "FLUSHALL".to_owned(), "+OK", all.clone()),
            (
                "RPUSH",
                "LLEN",
                format!("LPOP {key}"),
                "\"x\"",
                invalidates(&key),
            ),
        ] {
            writer.run(&format!("{make} {key} x"));
            client.run(&format!("{read} {key}"));
            check(&mut client, &change, reply);
            let push = client.recv_within(Duration::ZERO);
            let push = push.map(|push| push.to_string());
            assert_eq!(push, Some(told), "{change}");
        }
    }
}

#[test]
fn a_reader_is_told_once_of_whatever_changes_its_key() {
    let server = Server::start(&["--io-threads", "2"]);
    let (mut reader, mut writer) = (tracking(&server, ""), server.client());
    for (make, change) in [
        ("SET a 1", "SET a 2"),
        ("SET a 1", "DEL a"),
        ("SET a 1", "RENAME a b"),
        ("SET a 1", "PEXPIRE a 1"),
        ("SET a 1 PX 30", "PING"),
        ("DEL a", "SETNX a 1"),
        ("SET b 1", "COPY b a REPLACE"),
    ] {
        writer.run("DEL a b");
        writer.run(make);
        reader.run("GET a");
        writer.run(change);
        assert_eq!(reader.recv().to_string(), invalidates("a"), "{change}");
        writer.run("SET a 3");
        check(&mut reader, "PING", "+PONG");
    }
    for flush in ["FLUSHALL", "FLUSHDB", "FLUSHALL ASYNC"] {
        reader.run("GET a");
        writer.run(flush);
        assert_eq!(reader.recv().to_string(), ">[\"invalidate\", _]");
    }
    let stats = writer.info("stats");
    assert_eq!(stats["tracking_total_keys"], "0");
    assert_eq!(writer.info("clients")["tracking_clients"], "1");
    drop(reader);
    wait_until(SOON, "the reader is gone", || {
        writer.info("clients")["tracking_clients"] == "0"
    });
}

#[test]
fn own_changes_are_told_behind_their_replies() {
    let server = Server::start(&[]);
    let mut client = tracking(&server, "");
    client.run("GET a");
    check(&mut client, "SET a 1", "+OK");
    assert_eq!(client.recv().to_string(), invalidates("a"));
    check_all(
        &mut client,
        &[
            ("MULTI", "+OK"),
            ("GET a", "+QUEUED"),
            ("INCR a", "+QUEUED"),
            ("PING", "+QUEUED"),
            ("EXEC", "[\"1\", :2, +PONG]"),
        ],
    );
    assert_eq!(client.recv().to_string(), invalidates("a"));
    check(&mut client, "CLIENT TRACKING on NOLOOP", "+OK");
    client.run("GET a");
    check_all(&mut client, &[("INCR a", ":3"), ("PING", "+PONG")]);
}

#[test]
fn one_who_waited_is_answered_first() {
    let server = Server::start(&["--io-threads", "2"]);
    let (mut reader, mut writer) = (tracking(&server, ""), server.client());
    for n in 0..20 {
        reader.run("LRANGE to 0 -1");
        reader.send_cmd(&["BLMOVE", "from", "to", "LEFT", "LEFT", "0"]);
        wait_until(SOON, "it waits", || {
            writer.info("clients")["blocked_clients"] == "1"
        });
        writer.run(&format!("RPUSH from {n}"));
        assert_eq!(reader.recv().to_string(), format!("\"{n}\""));
        assert_eq!(reader.recv().to_string(), invalidates("to"));
    }
}

/// One group of requests may begin to track and read already.
#[test]
fn what_is_read_right_behind_is_noted() {
    let server = Server::start(&[]);
    let (mut reader, mut writer) = (server.client(), server.client());
    reader.resp3();
    reader.send(b"CLIENT TRACKING on\r\nGET a\r\n");
    assert_eq!(reader.recv().to_string(), "+OK");
    assert_eq!(reader.recv().to_string(), "_");
    writer.run("SET a 1");
    assert_eq!(reader.recv().to_string(), invalidates("a"));
}

/// What a client says of the next command is over with it, even if there is no such command.
#[test]
fn what_is_said_of_the_next_command_holds_for_that_one() {
    let server = Server::start(&[]);
    let mut client = tracking(&server, "OPTIN");
    let said = |client: &mut Client| {
        let info = client.run("CLIENT TRACKINGINFO").to_string();
        info.contains("\"caching-yes\"")
    };
    for (command, still) in [
        ("CLIENT GETNAME", true),
        ("CLIENT GETNAME x", true),
        ("GET a", false),
        ("GET", false),
        ("NOSUCH", false),
        ("CLIENT NOSUCH", false),
    ] {
        check(&mut client, "CLIENT CACHING YES", "+OK");
        assert!(said(&mut client), "{command}");
        client.run(command);
        assert_eq!(said(&mut client), still, "{command}");
    }
}

#[test]
fn a_full_sync_forgets_everything() {
    let leader = Server::start(&["--repl-diskless-sync-delay", "0"]);
    let follower = Server::start(&[]);
    let mut reader = tracking(&follower, "");
    reader.run("GET a");
    leader.client().run("SET a 1");
    check(
        &mut follower.client(),
        &format!("REPLICAOF 127.0.0.1 {}", leader.port),
        "+OK",
    );
    wait_for_link(&follower);
    assert_eq!(reader.recv().to_string(), ">[\"invalidate\", _]");
    check(&mut reader, "GET a", "\"1\"");
    leader.client().run("SET a 2");
    assert_eq!(reader.recv().to_string(), invalidates("a"));
}

const KEYS: u64 = 20;
const READERS: u64 = 4;
const WRITERS: u64 = 3;
const CHANGES_EACH: u64 = 1500;

/// Reads what it does not have, and lets go of what it is told to let go of.
struct Cache {
    client: Client,
    values: HashMap<String, String>,
    reads: usize,
}

impl Cache {
    fn heed(&mut self, value: &Value) -> bool {
        if !value.to_string().starts_with(">[\"invalidate\"") {
            return false;
        }
        match value.to_string().ends_with(", _]") {
            true => self.values.clear(),
            false => value.items()[1].items().iter().for_each(|key| {
                self.values.remove(&key.text());
            }),
        }
        true
    }

    fn read(&mut self, key: String) {
        if self.values.contains_key(&key) {
            // Whatever has come meanwhile.
            while let Some(value) = self.client.recv_within(Duration::from_micros(100)) {
                assert!(self.heed(&value), "{value}");
            }
            return;
        }
        self.client.send_cmd(&["GET", &key]);
        self.reads += 1;
        loop {
            let value = self.client.recv();
            if !self.heed(&value) {
                self.values.insert(key, value.to_string());
                return;
            }
        }
    }
}

fn change(client: &mut Client, rng: &mut Rng, n: u64) {
    let key = format!("key{}", rng.next_u64() % KEYS);
    match rng.next_u64() % 100 {
        0 => client.run("FLUSHALL"),
        1..10 => client.run(&format!("DEL {key}")),
        10..20 => client.run(&format!("SET {key} {n} PX 1")),
        20..30 => client.run(&format!("RENAME {key} key0")),
        30..40 => client.run(&format!("MSET {key} {n} key1 {n}")),
        _ => client.run(&format!("SET {key} {n}")),
    };
}

#[test]
fn caches_that_heed_what_they_are_told_are_not_stale() {
    let server = Server::start(&["--io-threads", "3"]);
    let seed = Rng::from_entropy().next_u64();
    println!("seed {seed}");
    let (server, writing) = (&server, &AtomicUsize::new(WRITERS as usize));
    let mut caches: Vec<Cache> = thread::scope(|scope| {
        for n in 0..WRITERS {
            scope.spawn(move || {
                let (mut client, mut rng) = (server.client(), Rng::seeded(seed ^ n));
                (0..CHANGES_EACH).for_each(|n| change(&mut client, &mut rng, n));
                writing.fetch_sub(1, Ordering::Relaxed);
            });
        }
        let readers: Vec<_> = (0..READERS)
            .map(|n| {
                scope.spawn(move || {
                    let mut rng = Rng::seeded(seed ^ (n << 32));
                    let mode = if n % 4 == 3 { "BCAST" } else { "" };
                    let (values, client) = (HashMap::new(), tracking(server, mode));
                    let reads = 0;
                    let mut cache = Cache {
                        client,
                        values,
                        reads,
                    };
                    while writing.load(Ordering::Relaxed) > 0 {
                        cache.read(format!("key{}", rng.next_u64() % KEYS));
                    }
                    cache
                })
            })
            .collect();
        let caches = readers.into_iter();
        caches
            .map(|reader| reader.join().expect("it reads"))
            .collect()
    });
    let mut client = server.client();
    client.resp3();
    // Everybody hears of what is due when somebody looks at it.
    wait_until(SOON, "what is due is gone", || {
        let mut times = (0..KEYS).map(|n| client.run(&format!("PTTL key{n}")).integer());
        times.all(|time_ms| time_ms < 0)
    });
    for cache in &mut caches {
        // What was told before this is answered comes ahead of the answer.
        cache.client.send_cmd(&["PING"]);
        loop {
            let value = cache.client.recv();
            if !cache.heed(&value) {
                break;
            }
        }
        assert!(cache.reads > 0, "nothing was read");
        for (key, value) in &cache.values {
            assert_eq!(
                &client.run(&format!("GET {key}")).to_string(),
                value,
                "{key}"
            );
        }
    }
}
