//! Hashes between servers: what one has, the others have, and the times of fields too,
//! wherever a server knows of such. Who does not is not given what it cannot keep.

use std::fs;

use super::support::value::Value;
use super::support::*;

/// Both forms, with times and without.
fn fill(client: &mut Client) {
    client.cmd(&["HSET", "small", "a", "1", "b", "two", "c", "3", "01", ""]);
    client.cmd(&["HSET", "timed", "a", "1", "b", "two", "c", "3", "d", "4"]);
    for n in 0..2000 {
        let (name, value) = (format!("field {n}"), n.to_string());
        client.cmd(&["HSET", "large", &name, &value]);
        client.cmd(&["HSET", "large timed", &name, &value]);
    }
    for (key, field, time) in [
        ("timed", "b", "9000000000123"),
        ("timed", "d", "9000000000001"),
        ("large timed", "field 7", "9000000000777"),
        ("large timed", "field 1999", "9000000000777"),
        ("large timed", "field 3", "8000000000000"),
    ] {
        let reply = client.cmd(&["HPEXPIREAT", key, time, "FIELDS", "1", field]);
        assert_eq!(reply.to_string(), "[:1]");
    }
}

/// Every command that changes hashes.
fn change(client: &mut Client) {
    run_all(
        client,
        &[
            "HSET timed a 5 e 6",
            "HMSET timed f 7",
            "HSETNX timed g 8",
            "HINCRBY timed d 10",
            "HINCRBYFLOAT timed d 0.5",
            "HDEL timed e none",
            "HEXPIRE timed 100000 FIELDS 2 a f",
            "HPEXPIRE timed 100000000 GT FIELDS 1 a",
            "HEXPIREAT timed 9000000000 NX FIELDS 2 c g",
            "HPERSIST timed FIELDS 1 c",
            "HEXPIRE timed 0 FIELDS 1 f",
            "HSETEX timed EX 100000 FIELDS 2 x 1 y 2",
            "HSETEX timed KEEPTTL FIELDS 2 x 3 z 4",
            "HSETEX timed FNX FIELDS 1 w 4",
            "HGETEX timed PX 200000000 FIELDS 1 z",
            "HGETEX timed PERSIST FIELDS 1 y",
            "HGETDEL timed FIELDS 2 w none",
            "HSET \"large timed\" \"field 7\" again",
            "HPEXPIRE \"large timed\" 1 FIELDS 2 \"field 8\" \"field 9\"",
            "HSETEX gone PX 5 FIELDS 2 a 1 b 2",
            "RENAME small renamed",
        ],
    );
}

/// Fields, values and times of all hashes, in order.
fn contents(server: &Server) -> Vec<(String, Vec<String>)> {
    let mut client = server.client();
    let mut keys: Vec<String> = client
        .run("KEYS *")
        .items()
        .iter()
        .map(Value::text)
        .collect();
    keys.sort();
    let mut all = Vec::new();
    for key in keys {
        let reply = client.cmd(&["HGETALL", &key]);
        let mut fields = Vec::new();
        for pair in reply.items().chunks(2) {
            let name = pair[0].text();
            let time = client.cmd(&["HPEXPIRETIME", &key, "FIELDS", "1", &name]);
            fields.push(format!("{name}={} {time}", pair[1]));
        }
        fields.sort();
        all.push((key, fields));
    }
    all
}

#[track_caller]
fn check_same(leader: &Server, follower: &Server) {
    wait_for_link(follower);
    wait_for_offset(leader, follower);
    assert_eq!(contents(leader), contents(follower));
}

#[test]
fn times_of_fields_are_the_same_everywhere() {
    let change_and_wait = |client: &mut Client| {
        change(client);
        wait_until(SOON, "the expiry of fields", || {
            client.run("EXISTS gone").integer() == 0
                && client.run("HLEN \"large timed\"").integer() == 1998
        });
    };
    same_everywhere(of_new_kinds, fill, change_and_wait, check_same);
}

/// Where no field has a time every server can follow, Redis 7.0 too.
#[test]
fn hashes_without_times_are_for_everybody() {
    let leader = Server::start(&AT_ONCE);
    let mut client = leader.client();
    client.cmd(&["HSET", "small", "a", "1", "b", "two"]);
    for n in 0..2000 {
        client.cmd(&["HSET", "large", &format!("field {n}"), "x"]);
    }
    client.run("HSETEX timed EX 100 FIELDS 1 a 1");
    client.run("HSETEX timed FIELDS 1 a 1");
    let Some(follower) = start_follower(Kind::Redis, leader.port, &[]) else {
        return;
    };
    wait_for_link(&follower);
    run_all(
        &mut client,
        &[
            "HSETEX small FIELDS 2 a 2 c 3",
            "HINCRBYFLOAT small a 0.5",
            "HGETDEL small FIELDS 1 b",
            "HGETEX small FIELDS 1 c",
            "HSETEX small FNX KEEPTTL FIELDS 1 d 4",
        ],
    );
    wait_for_offset(&leader, &follower);
    assert_eq!(digest(&leader), digest(&follower));
    let errors = follower.client().info("errorstats");
    assert!(errors.is_empty(), "{errors:?}");
}

/// A follower that cannot be given what there is waits, and is told of once; others do not
/// wait for it. When it can it is served.
#[test]
fn who_cannot_keep_times_waits_until_there_are_none() {
    let leader = Server::start(&AT_ONCE);
    let mut client = leader.client();
    client.run("HSET plain a 1");
    client.run("HSETEX \"the key\" EX 1000 FIELDS 1 a 1");
    let port = leader.port.to_string();
    let follow = ["--replicaof", "127.0.0.1", &port];
    let Some(old) = Peer::start(&follow) else {
        return;
    };
    let refused = || {
        leader
            .log()
            .matches("cannot be given key 'the key'")
            .count()
    };
    wait_until(SOON, "the refusal", || refused() == 1);
    let ours = Server::start(&[&AT_ONCE[..], &follow].concat());
    check_same(&leader, &ours);
    let facts = client.info("replication");
    assert_eq!(facts["sync_refusals"], "1");
    assert!(facts["sync_last_refusal"].contains("'the key'"));
    let refused_ones = facts
        .values()
        .filter(|facts| facts.contains("sync=refused"));
    assert_eq!(refused_ones.count(), 1);
    // Another pass takes nobody along who could not read it.
    let late = Server::start(&[&AT_ONCE[..], &follow].concat());
    check_same(&leader, &late);
    assert!(!is_up(&old));
    assert_eq!(refused(), 1);
    let asked = leader
        .log()
        .matches("Full resync requested by replica")
        .count();
    assert_eq!(asked, 3, "{}", leader.log());
    client.run("HPERSIST \"the key\" FIELDS 1 a");
    wait_for_link(&old);
    assert_eq!(old.client().run("HGET \"the key\" a").text(), "1");
    assert_eq!(refused(), 1);
}

/// A file is of the oldest version that can hold what there is, and what it holds comes back.
#[test]
fn files_are_as_old_as_they_can_be() {
    let server = Server::start(&[&AT_ONCE[..], &["--rdbcompression", "no"]].concat());
    let mut client = server.client();
    let header = |client: &mut Client| {
        check(client, "SAVE", "+OK");
        let file = fs::read(server.folder().join("dump.rdb")).expect("a file");
        String::from_utf8_lossy(&file[..9]).into_owned()
    };
    client.run("HSET small a 1");
    assert_eq!(header(&mut client), "REDIS0010");
    fill(&mut client);
    assert_eq!(header(&mut client), "REDIS0012");
    let before = contents(&server);
    let encodings = ["small", "timed", "large", "large timed"].map(|key| {
        let encoding = client.cmd(&["OBJECT", "ENCODING", key]);
        encoding.text()
    });
    assert_eq!(
        encodings,
        ["listpack", "listpackex", "hashtable", "hashtable"]
    );
    check(&mut client, "DEBUG RELOAD", "+OK");
    assert_eq!(contents(&server), before);
    assert!(client.run("INFO keyspace").text().contains("subexpiry=2"));
    client.run("HPEXPIREAT timed 1 FIELDS 2 b d");
    client.cmd(&["DEL", "large timed"]);
    assert_eq!(header(&mut client), "REDIS0010");
    let digest = client.run("DEBUG DIGEST").text();
    check(&mut client, "DEBUG RELOAD", "+OK");
    assert_eq!(client.run("DEBUG DIGEST").text(), digest);
}

/// What DUMP gives is taken by others, and the other way round.
#[test]
fn payloads_are_taken_by_others() {
    let ours = Server::start(&AT_ONCE);
    let mut client = ours.client();
    fill(&mut client);
    let Some(peer) = Peer::start_8(&AT_ONCE) else {
        return;
    };
    let mut other = peer.client();
    for key in ["small", "timed", "large", "large timed"] {
        let Value::Bulk(payload) = client.cmd(&["DUMP", key]) else {
            panic!("no payload");
        };
        let reply = other.cmd(&[&b"RESTORE"[..], key.as_bytes(), b"0", &payload]);
        assert_eq!(reply.to_string(), "+OK", "{key}");
    }
    assert_eq!(contents(&ours), contents(&peer));
    check(&mut client, "FLUSHALL", "+OK");
    for key in ["small", "timed", "large", "large timed"] {
        let Value::Bulk(payload) = other.cmd(&["DUMP", key]) else {
            panic!("no payload");
        };
        let reply = client.cmd(&[&b"RESTORE"[..], key.as_bytes(), b"0", &payload]);
        assert_eq!(reply.to_string(), "+OK", "{key}");
    }
    assert_eq!(contents(&ours), contents(&peer));
}
