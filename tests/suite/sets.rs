//! Sets between servers: what one has, the others have, in every form a set can take.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::support::*;

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
    run_all(
        client,
        &[
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
        ],
    );
}

#[test]
fn sets_are_the_same_everywhere() {
    same_everywhere(of_every_kind, fill, change, check_same);
}

#[test]
fn sets_come_back_as_they_were() {
    let encodings = [
        ("ints", "intset"),
        ("wide", "intset"),
        ("small", "listpack"),
        ("large", "hashtable"),
        ("long", "hashtable"),
    ];
    come_back(fill, &encodings);
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
