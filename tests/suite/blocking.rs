//! Clients that wait for keys: nobody is forgotten, nobody is served twice, and who came
//! first is served first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use lockstep::base::rng::Rng;

use super::support::value::Value;
use super::support::*;

const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const CONSUMERS: usize = 200;
const PRODUCERS: usize = 4;
const ELEMENTS_EACH: u64 = 2_000;

fn blocked(server: &Server) -> String {
    field(server, "clients", "blocked_clients")
}

/// Some of the keys, in any order.
fn some_keys(rng: &mut Rng) -> Vec<&'static str> {
    let mut keys = KEYS.to_vec();
    for i in (1..keys.len()).rev() {
        keys.swap(i, rng.below(i as u64 + 1) as usize);
    }
    keys.truncate(1 + rng.below(3) as usize);
    keys
}

/// A command that waits, by chance one that moves what it gets on to another key.
fn waiting_command(rng: &mut Rng) -> Vec<String> {
    let timeout = ["0.02", "0.3", "1"][rng.below(3) as usize];
    let side = ["LEFT", "RIGHT"][rng.below(2) as usize];
    let keys = some_keys(rng);
    let words: Vec<&str> = match rng.below(5) {
        0 => [&["BLPOP"], &keys[..], &[timeout]].concat(),
        1 => [&["BRPOP"], &keys[..], &[timeout]].concat(),
        2 => vec![
            "BLMOVE",
            keys[0],
            KEYS[rng.below(6) as usize],
            side,
            "LEFT",
            timeout,
        ],
        _ => {
            let count = ["1", "2", "3"][keys.len() - 1];
            [
                &["BLMPOP", timeout, count],
                &keys[..],
                &[side, "COUNT", "3"],
            ]
            .concat()
        }
    };
    words.into_iter().map(str::to_owned).collect()
}

/// What a reply takes out of the lists for good.
fn taken(command: &str, reply: &Value) -> Vec<u64> {
    let number = |value: &Value| value.text().parse().expect("an element");
    match (command, reply) {
        ("BLMPOP", Value::Many(_, items)) => items[1].items().iter().map(number).collect(),
        ("BLPOP" | "BRPOP", Value::Many(_, items)) => vec![number(&items[1])],
        _ => Vec::new(),
    }
}

/// Waits again and again, until all there is was taken by somebody.
fn consume(server: &Server, mut rng: Rng, total: &AtomicU64) -> Vec<u64> {
    let mut client = server.client();
    let mut got = Vec::new();
    while total.load(Ordering::Relaxed) < PRODUCERS as u64 * ELEMENTS_EACH {
        let command = waiting_command(&mut rng);
        let reply = client.cmd(&command);
        let new = taken(&command[0], &reply);
        total.fetch_add(new.len() as u64, Ordering::Relaxed);
        got.extend(new);
    }
    got
}

/// Pushes numbers of its own, one or several at a time, in transactions or not.
fn produce(server: &Server, mut rng: Rng, first: u64) {
    let mut client = server.client();
    let (mut next, end) = (first, first + ELEMENTS_EACH);
    while next < end {
        let count = (1 + rng.below(4)).min(end - next);
        let key = KEYS[rng.below(6) as usize];
        let push = ["LPUSH", "RPUSH"][rng.below(2) as usize];
        let numbers: Vec<String> = (next..next + count).map(|n| n.to_string()).collect();
        if rng.below(4) == 0 {
            client.run("MULTI");
            for number in &numbers {
                client.cmd(&[push, KEYS[rng.below(6) as usize], number]);
            }
            client.run("EXEC");
        } else {
            let words = [push, key].into_iter().map(str::to_owned);
            client.cmd(&words.chain(numbers).collect::<Vec<_>>());
        }
        next += count;
    }
}

#[test]
fn hundreds_who_wait_get_everything_once() {
    let server = Server::start(&["--io-threads", "3", "--repl-diskless-sync-delay", "0"]);
    let follower = start_follower(Kind::Ours, server.port, &[]).expect("ours is there");
    wait_for_link(&follower);
    let seed = Rng::from_entropy().next_u64();
    println!("seed {seed}");
    let server = &server;
    let (total, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut all: Vec<u64> = thread::scope(|scope| {
        let consumers: Vec<_> = (0..CONSUMERS as u64)
            .map(|n| Rng::seeded(seed ^ (n << 32)))
            .map(|rng| scope.spawn(|| consume(server, rng, &total)))
            .collect();
        // Others end waits meanwhile.
        scope.spawn(|| {
            let (mut client, mut id) = (server.client(), 0);
            while !done.load(Ordering::Relaxed) {
                id = id % CONSUMERS + 1;
                client.run(&format!("CLIENT UNBLOCK {id}"));
            }
        });
        let producers: Vec<_> = (0..PRODUCERS as u64)
            .map(|n| (Rng::seeded(seed ^ n), n * ELEMENTS_EACH))
            .map(|(rng, first)| scope.spawn(move || produce(server, rng, first)))
            .collect();
        producers
            .into_iter()
            .for_each(|p| p.join().expect("it pushes"));
        let got = consumers
            .into_iter()
            .flat_map(|c| c.join().expect("it pops"));
        let got = got.collect();
        done.store(true, Ordering::Relaxed);
        got
    });
    all.sort_unstable();
    let expect: Vec<u64> = (0..PRODUCERS as u64 * ELEMENTS_EACH).collect();
    let mut times = BTreeMap::new();
    all.iter().for_each(|n| *times.entry(n).or_insert(0) += 1);
    let wrong = times.iter().find(|(_, times)| **times != 1);
    assert_eq!(wrong, None, "an element was given twice");
    assert!(all == expect, "{} of {} came", all.len(), expect.len());
    let mut client = server.client();
    check(&mut client, "DBSIZE", ":0");
    assert_eq!(blocked(server), "0");
    // What was done for those who waited is what the follower did.
    wait_for_offset(server, &follower);
    check(&mut follower.client(), "DBSIZE", ":0");
    assert_eq!(stat(server, "sync_full"), 1);
}

#[test]
fn who_came_first_is_served_first() {
    let server = Server::start(&["--io-threads", "2"]);
    let mut line: Vec<Client> = Vec::new();
    for place in 1..=50 {
        let mut client = server.client();
        client.send_cmd(&["BLPOP", "other", "key", "0"]);
        line.push(client);
        wait_until(SOON, "it waits", || blocked(&server) == place.to_string());
    }
    let mut client = server.client();
    for n in 0..20 {
        check(&mut client, &format!("RPUSH key {n}"), ":1");
        check(&mut client, "EXISTS key", ":0");
    }
    let rest: Vec<String> = (20..50).map(|n| n.to_string()).collect();
    let push = ["RPUSH", "key"].into_iter().map(str::to_owned);
    client.cmd(&push.chain(rest).collect::<Vec<_>>());
    for (n, waiting) in line.iter_mut().enumerate() {
        let expect = format!("[\"key\", \"{n}\"]");
        assert_eq!(waiting.recv().to_string(), expect);
    }
    assert_eq!(blocked(&server), "0");
}

#[test]
fn who_has_waited_is_in_the_slow_log_once_it_does_no_more() {
    let server = Server::start(&["--slowlog-log-slower-than", "0"]);
    let (mut client, mut waiting) = (server.client(), server.client());
    check(&mut waiting, "CLIENT SETNAME me", "+OK");
    let id = waiting.run("CLIENT ID").integer();
    let logged = |client: &mut Client| {
        let entries = client.run("SLOWLOG GET -1");
        let entries = entries.items().iter().map(|entry| entry.items());
        let blpops = entries.filter(|entry| entry[3].to_string() == r#"["BLPOP", "key", "0"]"#);
        blpops.map(|entry| entry[5].text()).collect::<Vec<_>>()
    };
    for (end, reply) in [
        ("RPUSH key element", "[\"key\", \"element\"]"),
        (&format!("CLIENT UNBLOCK {id}"), "nil*"),
    ] {
        check(&mut client, "SLOWLOG RESET", "+OK");
        waiting.send(b"BLPOP key 0\r\n");
        wait_until(SOON, "it waits", || blocked(&server) == "1");
        assert!(logged(&mut client).is_empty());
        check(&mut client, end, ":1");
        assert_eq!(waiting.recv().to_string(), reply);
        assert_eq!(logged(&mut client), ["me"]);
    }
    let stats = client.info("commandstats");
    assert!(stats["cmdstat_blpop"].starts_with("calls=2,"), "{stats:?}");
}

#[test]
fn a_chain_of_moves_runs_at_once() {
    let server = Server::start(&["--io-threads", "1"]);
    let mut movers: Vec<Client> = (0..10).map(|_| server.client()).collect();
    for (n, mover) in movers.iter_mut().enumerate() {
        let (from, to) = (format!("k{n}"), format!("k{}", n + 1));
        mover.send_cmd(&["BLMOVE", &from, &to, "LEFT", "LEFT", "0"]);
    }
    let mut last = server.client();
    last.send_cmd(&["BRPOP", "k10", "0"]);
    wait_until(SOON, "all wait", || blocked(&server) == "11");
    let mut client = server.client();
    check(&mut client, "RPUSH k0 x", ":1");
    check(&mut client, "DBSIZE", ":0");
    for mover in &mut movers {
        assert_eq!(mover.recv().to_string(), "\"x\"");
    }
    assert_eq!(last.recv().to_string(), "[\"k10\", \"x\"]");
}

#[test]
fn what_ends_a_wait() {
    let mut server = Server::start(&[]);
    let mut client = server.client();
    let begin = |server: &Server, command: &str| {
        let mut waiting = server.client();
        let id = waiting.run("CLIENT ID").integer();
        waiting.send(format!("{command}\r\n").as_bytes());
        wait_until(SOON, "it waits", || blocked(server) == "1");
        (waiting, id)
    };
    let (mut waiting, id) = begin(&server, "BLPOP key 0");
    check(&mut client, &format!("CLIENT UNBLOCK {id}"), ":1");
    assert_eq!(waiting.recv().to_string(), "nil*");
    let (mut waiting, id) = begin(&server, "BLMOVE key key LEFT LEFT 0");
    check(&mut client, &format!("CLIENT UNBLOCK {id} ERROR"), ":1");
    let unblocked = "-UNBLOCKED client unblocked via CLIENT UNBLOCK";
    assert_eq!(waiting.recv().to_string(), unblocked);
    // A key of another type concerns nobody who waits for a list.
    let (mut waiting, _) = begin(&server, "BLPOP key 0");
    check(&mut client, "SET key value", "+OK");
    check(&mut client, "RPUSH other element", ":1");
    check(&mut client, "RENAME other key", "+OK");
    assert_eq!(waiting.recv().to_string(), "[\"key\", \"element\"]");
    // Neither does one in another database, until they are exchanged.
    let (mut waiting, _) = begin(&server, "BLPOP key 0");
    check(&mut client, "SELECT 1", "+OK");
    check(&mut client, "RPUSH key element", ":1");
    assert_eq!(blocked(&server), "1");
    check(&mut client, "SWAPDB 0 1", "+OK");
    assert_eq!(waiting.recv().to_string(), "[\"key\", \"element\"]");
    check(&mut client, "SELECT 0", "+OK");
    let (mut waiting, _) = begin(&server, "BLPOP key 0.05");
    assert_eq!(waiting.recv().to_string(), "nil*");
    // A follower's writes are its leader's.
    let (mut waiting, _) = begin(&server, "BLPOP key 0");
    check(&mut client, "REPLICAOF 127.0.0.1 1", "+OK");
    let text = waiting.recv().to_string();
    assert!(text.starts_with("-UNBLOCKED force unblock"), "{text}");
    check(&mut client, "REPLICAOF NO ONE", "+OK");
    // Who is gone takes nothing along.
    let (waiting, _) = begin(&server, "BLPOP key 0");
    drop(waiting);
    wait_until(SOON, "it is gone", || blocked(&server) == "0");
    check(&mut client, "RPUSH key element", ":1");
    check(&mut client, "LLEN key", ":1");
    let (waiting, _) = begin(&server, "BLPOP none 0");
    client.send(b"SHUTDOWN NOSAVE\r\n");
    drop(waiting);
    server.wait_for_exit();
}

/// Keys are served in the order in which they came to be, whatever was taken from them before.
#[test]
fn keys_are_served_in_the_order_they_were_made() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let waiting = [
        "BLPOP one 0",
        "BRPOPLPUSH one two 0",
        "BLMOVE other one LEFT LEFT 0",
        "BLMOVE two end RIGHT RIGHT 0",
        "BLMOVE one end RIGHT RIGHT 0",
    ];
    let waiters: Vec<Client> = (1..)
        .zip(waiting)
        .map(|(count, command)| {
            let mut waiter = server.client();
            waiter.send(format!("{command}\r\n").as_bytes());
            wait_until(SOON, command, || blocked(&server) == count.to_string());
            waiter
        })
        .collect();
    for command in ["MULTI", "RPUSH one 1 2", "LPUSH other 3", "EXEC"] {
        client.run(command);
    }
    wait_until(SOON, "all are served", || blocked(&server) == "0");
    check(&mut client, "LRANGE end 0 -1", r#"["2", "3"]"#);
    drop(waiters);
}

/// Who was served waits no more, and whose wait was ended gets nothing: UNBLOCK says which.
#[test]
fn a_wait_is_ended_or_served() {
    let server = Server::start(&["--io-threads", "2"]);
    let (mut client, mut waiter) = (server.client(), server.client());
    let id = waiter.run("CLIENT ID").integer();
    let (push, unblock) = ("RPUSH key 1".to_owned(), format!("CLIENT UNBLOCK {id}"));
    for round in 0..200 {
        waiter.send_cmd(&["BLPOP", "key", "0"]);
        wait_until(SOON, "it waits", || blocked(&server) == "1");
        if round % 2 == 0 {
            client.run(&push);
            assert_eq!(client.run(&unblock).integer(), 0, "it was served");
            assert_eq!(blocked(&server), "0");
            assert_eq!(waiter.recv().to_string(), r#"["key", "1"]"#);
        } else {
            assert_eq!(client.run(&unblock).integer(), 1);
            client.run(&push);
            assert_eq!(waiter.recv().to_string(), "nil*");
            assert_eq!(client.run("DEL key").integer(), 1, "nobody took it");
        }
    }
}
