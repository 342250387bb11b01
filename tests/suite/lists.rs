//! Lists between servers: what one has, the others have, in every form a list can take.

use super::support::*;

/// Lists of one node and of many, of nodes that are single values, and of all encodings.
fn fill(client: &mut Client) {
    let large = "x".repeat(9_000);
    check(client, "RPUSH small 1 two 3", ":3");
    for shift in 0..64 {
        let number = i64::MIN >> shift;
        client.cmd(&["RPUSH", "numbers", &number.to_string()]);
        client.cmd(&["LPUSH", "numbers", &(!number).to_string()]);
    }
    for n in 0..2_000 {
        client.cmd(&["RPUSH", "long", &format!("element {n}")]);
        client.cmd(&["LPUSH", "long", &n.to_string()]);
    }
    client.cmd(&["RPUSH", "plain", "a", &large, "b", &large]);
    client.cmd(&["LSET", "long", "77", &large]);
    client.cmd(&["LINSERT", "long", "BEFORE", "element 5", "inserted"]);
    check(client, "LREM long 0 1500", ":1");
    check(client, "RPUSH mortal a", ":1");
    check(client, "PEXPIRE mortal 100000000", ":1");
}

/// Every command that changes lists.
fn change(client: &mut Client) {
    for line in [
        "LPUSH small a b c",
        "RPUSHX small d",
        "LPUSHX small e",
        "LINSERT small AFTER two new",
        "LSET small 1 set",
        "LPOP numbers 3",
        "RPOP numbers",
        "LMPOP 2 none numbers RIGHT COUNT 4",
        "LMOVE long small LEFT RIGHT",
        "RPOPLPUSH long long",
        "LREM long -2 1",
        "LTRIM long 10 -500",
        "BLPOP none long 0",
        "BRPOP numbers 0",
        "BLMPOP 0 1 numbers LEFT COUNT 2",
        "BLMOVE plain new RIGHT LEFT 0",
        "BRPOPLPUSH plain new 0",
        "LPOP mortal",
    ] {
        let reply = client.run(line).to_string();
        assert!(
            !reply.starts_with('-') && !reply.starts_with("nil"),
            "{line}: {reply}"
        );
    }
}

#[test]
fn lists_are_the_same_everywhere() {
    same_everywhere(of_every_kind, fill, change, check_same);
}

#[test]
fn lists_come_back_as_they_were() {
    let encodings = [
        ("small", "listpack"),
        ("numbers", "listpack"),
        ("long", "quicklist"),
        ("plain", "quicklist"),
    ];
    come_back(fill, &encodings);
}

/// A command that waits has not run, but the deletion of what it came upon is logged at once.
#[test]
fn what_is_due_goes_though_nothing_else_comes() {
    let leader = Server::start(&AT_ONCE);
    let follower = start_follower(Kind::Ours, leader.port, &[]).expect("ours is there");
    wait_for_link(&follower);
    let mut client = leader.client();
    check(&mut client, "DEBUG SET-ACTIVE-EXPIRE 0", "+OK");
    check(&mut client, "SET due x PX 1", "+OK");
    wait_for_offset(&leader, &follower);
    // A follower says so without deleting it.
    wait_until(SOON, "the key is due", || {
        follower.client().run("PTTL due").integer() < 0
    });
    check(&mut follower.client(), "DBSIZE", ":1");
    client.send_cmd(&["BLPOP", "due", "0"]);
    wait_until(SOON, "it is deleted there too", || {
        follower.client().run("DBSIZE").integer() == 0
    });
}
