//! Sets between servers: what one has, the others have, in every form a set can take.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::support::*;

const KEYS: [&str; 5] = ["ints", "wide", "small", "large", "long"];

fn fill(client: &mut Client) {
    check(client, "SADD ints 3 1 2", ":3");
    check(client, "SADD small 1 two -3", ":3");
    for shift in 0..64 {
        client.cmd(&["SADD", "wide", &(i64::MIN >> shift).to_string()]);
    }
    for n in 0..3_000 {
        client.cmd(&["SADD", "large", &format!("member {n}"), &n.to_string()]);
    }
    client.cmd(&["SADD", "long", "", &"x".repeat(400), &"y".repeat(9_000)]);
    check(client, "SADD mortal a", ":1");
    check(client, "PEXPIRE mortal 100000000", ":1");
}

/// Every command that changes sets.
fn change(client: &mut Client) {
    for line in [
        "SADD ints 70000",
        "SADD ints word",
        "SREM small two none",
        "SMOVE large small 17",
        "SPOP large",
        "SPOP large 1500",
        "SPOP wide 40",
        "SPOP mortal 5",
        "SINTERSTORE common large wide ints",
        "SINTERSTORE inter large large",
        "SUNIONSTORE union ints wide small",
        "SDIFFSTORE diff large ints",
        "SDIFFSTORE large large union",
        "SPOP diff 4400",
    ] {
        let reply = client.run(line).to_string();
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
}

#[test]
fn sets_are_the_same_everywhere() {
    for (number, leader) in of_every_kind(None).iter().enumerate() {
        let mut client = leader.client();
        fill(&mut client);
        let mut followers = of_every_kind(Some(leader));
        // Not all real servers follow each other: one of each pair is ours, the first.
        followers.truncate(if number == 0 { 4 } else { 1 });
        let check_all = || followers.iter().for_each(|it| check_same(leader, it));
        check_all();
        change(&mut client);
        check_all();
    }
}

#[test]
fn sets_come_back_as_they_were() {
    let server = Server::start(&AT_ONCE);
    let mut client = server.client();
    fill(&mut client);
    let before = digest(&server);
    let encodings = ["intset", "intset", "listpack", "hashtable", "hashtable"];
    for again in [false, true] {
        for (key, encoding) in KEYS.iter().zip(encodings) {
            let line = format!("OBJECT ENCODING {key}");
            check(&mut client, &line, &format!("\"{encoding}\""));
        }
        if !again {
            check(&mut client, "DEBUG RELOAD", "+OK");
            assert_eq!(digest(&server), before);
        }
    }
}

/// A member that moves is in one set or in the other, whoever looks.
#[test]
fn nothing_is_lost_on_its_way() {
    const MEMBERS: i64 = 50;
    let server = Server::start(&[]);
    let mut client = server.client();
    for n in 0..MEMBERS {
        client.run(&format!("SADD a {n}"));
    }
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for (from, to) in [("a", "b"), ("b", "a")] {
            let (server, is_over) = (&server, &is_over);
            scope.spawn(move || {
                let mut client = server.client();
                for n in (0..MEMBERS).cycle() {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    client.cmd(&["SMOVE", from, to, &n.to_string()]);
                }
            });
        }
        for number in 0..500 {
            let target = format!("union-{number}");
            let all = client.cmd(&["SUNIONSTORE", &target, "a", "b"]).integer();
            let both = client.run("SINTERCARD 2 a b").integer();
            if (all, both) != (MEMBERS, 0) {
                is_over.store(true, Ordering::Relaxed);
            }
            assert_eq!((all, both), (MEMBERS, 0), "look {number}");
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
