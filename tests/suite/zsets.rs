//! Sorted sets between servers: what one has, the others have, in both forms; places too,
//! which are kept as such.

use std::thread;

use super::support::*;

fn fill(client: &mut Client) {
    check(client, "ZADD small 1 a 2.5 b -3 7 inf c -inf d", ":5");
    for shift in 0..64 {
        let score = (i64::MIN >> shift).to_string();
        client.cmd(&["ZADD", "scores", &score, &format!("m{shift}")]);
        client.cmd(&["ZADD", "scores", &format!("0.{shift}"), &score]);
    }
    for n in 0..1_500 {
        let (score, member) = ((n % 40).to_string(), format!("member {n}"));
        client.cmd(&["ZADD", "large", &score, &member, "0.1", &n.to_string()]);
    }
    let long = "x".repeat(400);
    client.cmd(&["ZADD", "long", "1e300", "", "-0.0", &long]);
    for line in [
        "GEOADD places 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
        "GEOADD places -180 85 corner 0 0 middle",
        "ZADD lex 0 a 0 b 0 c 0 d 0 e",
        "ZADD mortal 1 a",
        "PEXPIRE mortal 100000000",
    ] {
        client.run(line);
    }
}

/// Every command that changes sorted sets.
fn change(client: &mut Client) {
    run_all(
        client,
        &[
            "ZADD small GT CH 5 a 1 b 6 e",
            "ZADD small XX INCR 0.1 b",
            "ZADD small NX INCR 0.1 b",
            "ZINCRBY small 1e-7 b",
            "ZINCRBY new 0.1 a",
            "ZREM small c none",
            "ZPOPMIN scores 3",
            "ZPOPMAX scores",
            "ZMPOP 2 none scores MAX COUNT 4",
            "BZPOPMIN none scores 0",
            "BZPOPMAX scores 0",
            "BZMPOP 0 1 scores MIN COUNT 2",
            "ZPOPMIN mortal 5",
            "ZREMRANGEBYRANK large 5 300",
            "ZREMRANGEBYSCORE large (7 12",
            "ZREMRANGEBYLEX lex [b (d",
            "ZRANGESTORE range large 20 30 BYSCORE LIMIT 5 200",
            "ZUNIONSTORE union 3 small large scores WEIGHTS 0.3 1 2 AGGREGATE MAX",
            "ZINTERSTORE inter 2 large union WEIGHTS 0.1 0.7",
            "ZDIFFSTORE diff 2 large inter",
            "GEORADIUS places 15 37 200 km STORE near",
            "GEOSEARCHSTORE distances places FROMLONLAT 15 37 BYBOX 400 400 km STOREDIST",
            "GEOADD places XX 15 37 Catania",
            "SORT large BY nosort LIMIT 0 50 STORE sorted",
        ],
    );
}

/// Members and scores, or else a digest. Scores are digested as texts, which are not the
/// same in all versions.
fn contents(server: &Server) -> Vec<String> {
    let mut client = server.client();
    let keys = client.run("KEYS *");
    let mut all = Vec::new();
    for key in keys.items() {
        let key = key.text();
        let reply = client.run(&format!("ZRANGE {key} 0 -1 WITHSCORES"));
        if reply.to_string().starts_with("-WRONGTYPE") {
            let digest = client.run(&format!("DEBUG DIGEST-VALUE {key}"));
            all.push(format!("{key}: {digest}"));
            continue;
        }
        for pair in reply.items().chunks(2) {
            let score: f64 = pair[1].text().parse().expect("a score");
            all.push(format!("{key}: {} {score:?}", pair[0]));
        }
    }
    all.sort();
    all
}

#[track_caller]
fn check_same(leader: &Server, follower: &Server) {
    wait_for_link(follower);
    wait_for_offset(leader, follower);
    assert_eq!(contents(leader), contents(follower));
}

#[test]
fn sorted_sets_are_the_same_everywhere() {
    same_everywhere(of_every_kind, fill, change, check_same);
}

#[test]
fn sorted_sets_come_back_as_they_were() {
    let encodings = [
        ("small", "listpack"),
        ("scores", "listpack"),
        ("large", "skiplist"),
        ("long", "skiplist"),
        ("places", "listpack"),
    ];
    come_back(fill, &encodings);
}

/// Four who pop at both ends, some of them waiting, while one adds: everything is taken
/// once.
#[test]
fn every_member_is_taken_once() {
    const MEMBERS: usize = 2_000;
    let server = Server::start(&[]);
    let takes = [
        "BZPOPMIN z 0",
        "BZPOPMAX z 0",
        "BZMPOP 0 1 z MIN COUNT 3",
        "BZPOPMIN y z 0",
    ];
    let mut taken: Vec<String> = thread::scope(|scope| {
        let takers: Vec<_> = takes
            .iter()
            .map(|line| scope.spawn(|| take(&server, line)))
            .collect();
        let mut client = server.client();
        for n in 0..MEMBERS {
            client.cmd(&["ZADD", "z", &(n % 7).to_string(), &format!("m{n}")]);
        }
        wait_until(SOON, "all is taken", || {
            client.run("EXISTS z").integer() == 0
        });
        for _ in takes {
            client.run("ZADD z 0 over");
            wait_until(SOON, "one has ended", || {
                client.run("EXISTS z").integer() == 0
            });
        }
        let lists = takers
            .into_iter()
            .map(|taker| taker.join().expect("a taker"));
        lists.flatten().collect()
    });
    let mut expect: Vec<String> = (0..MEMBERS).map(|n| format!("m{n}")).collect();
    taken.sort();
    expect.sort();
    assert_eq!(taken, expect);
}

/// Members taken until it is over.
fn take(server: &Server, line: &str) -> Vec<String> {
    let mut client = server.client();
    let mut members = Vec::new();
    loop {
        let reply = client.run(line).to_string();
        if reply.contains("\"over\"") {
            return members;
        }
        let words = reply.split('"').filter(|word| word.starts_with('m'));
        members.extend(words.map(str::to_owned));
    }
}
