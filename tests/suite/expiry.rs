//! When keys end.

use std::thread::sleep;
use std::time::Duration;

use super::support::replicas::*;
use super::support::value::Value;
use super::support::*;

#[test]
fn moments_are_set_and_told() {
    let server = Server::start(&[]);
    let mut client = server.client();
    check_all(
        &mut client,
        &[
            ("SET a 1", "+OK"),
            ("TTL a", ":-1"),
            ("PERSIST a", ":0"),
            ("EXPIRE a 100", ":1"),
            ("TTL a", ":100"),
            ("PEXPIRE a 100600 XX GT", ":1"),
            ("TTL a", ":101"),
            ("EXPIRE a 10 GT", ":0"),
            ("EXPIRE a 10 NX", ":0"),
            ("EXPIRE a 10 LT", ":1"),
            ("PERSIST a", ":1"),
            ("EXPIRE a 10 XX", ":0"),
            ("EXPIRE a 10 GT", ":0"),
            ("EXPIREAT a 33177117420", ":1"),
            ("EXPIRETIME a", ":33177117420"),
            ("PEXPIRETIME a", ":33177117420000"),
            ("PEXPIREAT a 33177117420500", ":1"),
            ("EXPIRETIME a", ":33177117421"),
            ("SET a 1", "+OK"),
            ("PTTL a", ":-1"),
            ("PTTL missing", ":-2"),
            ("EXPIRETIME missing", ":-2"),
            ("EXPIRE missing 1", ":0"),
            ("EXPIRE a 0", ":1"),
            ("EXISTS a", ":0"),
        ],
    );
}

#[test]
fn what_is_no_moment() {
    let server = Server::start(&[]);
    let mut client = server.client();
    check(&mut client, "SET a 1", "+OK");
    let not_together = "-ERR NX and XX, GT or LT options at the same time are not compatible";
    check_all(
        &mut client,
        &[
            ("EXPIRE a x", "-ERR value is not an integer or out of range"),
            ("EXPIRE a 1 SOON", "-ERR Unsupported option SOON"),
            ("EXPIRE a 1 NX XX", not_together),
            ("EXPIRE a 1 LT NX", not_together),
            (
                "EXPIRE a 1 LT GT",
                "-ERR GT and LT options at the same time are not compatible",
            ),
            (
                "EXPIRE a 9223372036854775807",
                "-ERR invalid expire time in 'expire' command",
            ),
            (
                "EXPIRE a -9223372036854775808",
                "-ERR invalid expire time in 'expire' command",
            ),
            (
                "PEXPIRE a 9223372036854775807",
                "-ERR invalid expire time in 'pexpire' command",
            ),
            (
                "EXPIREAT missing 9223372036854775807",
                "-ERR invalid expire time in 'expireat' command",
            ),
            ("TTL a", ":-1"),
        ],
    );
}

#[test]
fn keys_end() {
    let server = Server::start(&[]);
    let mut client = server.client();
    check(&mut client, "SET asked x", "+OK");
    check(&mut client, "PEXPIRE asked 50", ":1");
    sleep(Duration::from_millis(60));
    check(&mut client, "GET asked", "nil");
    check(&mut client, "RENAME asked b", "-ERR no such key");
    for n in 0..200 {
        check(&mut client, &format!("SET unasked:{n} x PX 20"), "+OK");
    }
    wait_until(Duration::from_secs(10), "nobody asked, all ended", || {
        client.run("DBSIZE").integer() == 0
    });
}

#[test]
fn the_end_moves_with_the_key() {
    let server = Server::start(&[]);
    let mut client = server.client();
    check_all(
        &mut client,
        &[
            ("SET a 1 EX 100", "+OK"),
            ("RENAME a b", "+OK"),
            ("TTL b", ":100"),
            ("COPY b c", ":1"),
            ("TTL c", ":100"),
            ("MOVE c 1", ":1"),
            ("SELECT 1", "+OK"),
            ("TTL c", ":100"),
            ("SELECT 0", "+OK"),
            ("SET a 1", "+OK"),
            ("RENAME a b", "+OK"),
            ("TTL b", ":-1"),
        ],
    );
}

#[test]
fn a_writable_follower_ends_its_own_keys_and_no_others() {
    for kind in [Kind::Ours, Kind::Redis] {
        let Some(leader) = start(kind, &["--enable-debug-command", "yes"]) else {
            continue;
        };
        let mut client = leader.client();
        check(&mut client, "DEBUG SET-ACTIVE-EXPIRE 0", "+OK");
        let writable = ["--replica-read-only", "no"];
        let Some(follower) = start_follower(kind, leader.port, &writable) else {
            continue;
        };
        wait_for_link(&follower);
        check(&mut client, "SET theirs 1 PX 100", "+OK");
        wait_for_offset(&leader, &follower);
        let mut own = follower.client();
        check_all(
            &mut own,
            &[
                ("SET a 1 PX 300", "+OK"),
                ("SET b 1", "+OK"),
                ("PEXPIRE b 300", ":1"),
                ("SET c 1 PX 300", "+OK"),
                ("PERSIST c", ":1"),
                ("SET d 1 PX 300", "+OK"),
                ("PEXPIRE d 100000", ":1"),
            ],
        );
        assert_eq!(stat(&follower, "slave_expires_tracked_keys"), 4, "{kind:?}");
        wait_until(Duration::from_secs(10), "a and b end", || {
            own.run("DBSIZE").integer() == 3
        });
        check(&mut own, "TTL c", ":-1");
        check(&mut own, "GET d", "\"1\"");
        assert_eq!(stat(&follower, "expired_keys"), 2, "{kind:?}");
        // Nothing of it goes any further, and the leader's key waits for the leader.
        check(&mut own, "GET theirs", "nil");
        check(&mut client, "EXISTS a b", ":0");
    }
}

/// A follower that is a Redis frees a large value while its clients wait, unless it is told to
/// do so aside.
#[test]
fn followers_are_told_to_free_aside_what_the_operator_wants_freed_so() {
    for lazy in ["no", "yes"] {
        let options = ["lazyfree-lazy-expire", "lazyfree-lazy-server-del"];
        let options = options.map(|name| format!("--{name}"));
        let options = options.iter().flat_map(|name| [name.as_str(), lazy]);
        let leader = start(Kind::Ours, &options.collect::<Vec<_>>()).expect("ours is there");
        let follower = start_follower(Kind::Ours, leader.port, &[]).expect("ours is there");
        wait_for_link(&follower);
        let mut client = leader.client();
        client.run("SET source 1");
        let Value::Bulk(payload) = client.run("DUMP source") else {
            panic!("a payload")
        };
        for line in [
            "SET a 1 PX 1",
            "SET b 1",
            "EXPIRE b -1",
            "SET c 1",
            "GETEX c PXAT 1",
            "SADD d 1 2",
            "SPOP d 2",
            "SET e 1",
        ] {
            client.run(line);
        }
        let restore: [&[u8]; 6] = [b"RESTORE", b"e", b"1", &payload, b"REPLACE", b"ABSTTL"];
        assert_eq!(client.cmd(&restore).to_string(), "+OK");
        wait_until(SOON, "what is due has gone", || {
            client.run("DBSIZE").to_string() == ":1"
        });
        wait_for_offset(&leader, &follower);
        let stats = follower.client().info("commandstats");
        let (said, unsaid) = match lazy {
            "yes" => ("cmdstat_unlink", "cmdstat_del"),
            _ => ("cmdstat_del", "cmdstat_unlink"),
        };
        assert!(
            stats[said].starts_with("calls=5,"),
            "{lazy}: {}",
            stats[said]
        );
        assert!(!stats.contains_key(unsaid), "{lazy}");
    }
}
