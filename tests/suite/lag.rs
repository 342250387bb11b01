//! What INFO tells beyond Redis: how far a follower is behind, in bytes and in time, and why
//! one was given everything.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::support::*;

/// A fact of the first follower's line.
fn of_follower(leader: &Server, name: &str) -> i64 {
    let line = field(leader, "replication", "slave0");
    let facts = line.split(',').filter_map(|fact| fact.split_once('='));
    let found = facts.clone().find(|(fact, _)| *fact == name);
    let (_, value) = found.unwrap_or_else(|| panic!("no {name} in {line}"));
    value.parse().expect("a number")
}

fn reasons(leader: &Server) -> String {
    field(leader, "replication", "sync_full_reasons")
}

#[test]
fn a_link_that_takes_its_time_is_told_and_one_that_is_idle_is_not() {
    const LATE_MS: i64 = 250;
    for following in [Kind::Ours, Kind::Redis] {
        let Some(leader) = start(Kind::Ours, &[]) else {
            continue;
        };
        let link = Delay::to(leader.port, Duration::from_millis(LATE_MS as u64));
        let Some(follower) = start_follower(following, link.port, &[]) else {
            continue;
        };
        wait_for_link(&follower);
        // Some are sent together, or each of them as it comes.
        for pause_ms in [2, 5] {
            let median = told_lag_ms(&leader, Duration::from_millis(pause_ms));
            let off_ms = (median - LATE_MS).abs();
            assert!(off_ms <= LATE_MS / 5, "{following:?}: {median} ms");
        }
        wait_until(SOON, "an idle link is not late", || {
            of_follower(&leader, "lag_bytes") == 0 && of_follower(&leader, "lag_ms") == 0
        });
    }
}

/// What the leader says of its follower's lag, as a rule, while somebody writes.
fn told_lag_ms(leader: &Server, pause: Duration) -> i64 {
    let writes = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = leader.client();
            while writes.load(Ordering::Relaxed) {
                check(&mut writer, "INCR counter", ":...");
                thread::sleep(pause);
            }
        });
        wait_until(SOON, "the lag is told", || {
            of_follower(leader, "lag_ms") > 0
        });
        let mut told: Vec<i64> = (0..30)
            .map(|_| {
                thread::sleep(Duration::from_millis(100));
                of_follower(leader, "lag_ms")
            })
            .collect();
        writes.store(false, Ordering::Relaxed);
        told.sort_unstable();
        told[told.len() / 2]
    })
}

#[test]
fn a_follower_that_stands_still_falls_behind() {
    let Some(leader) = start(Kind::Ours, &[]) else {
        return;
    };
    let Some(follower) = start_follower(Kind::Ours, leader.port, &[]) else {
        return;
    };
    wait_for_link(&follower);
    wait_for_offset(&leader, &follower);
    wait_until(SOON, "it has everything", || {
        of_follower(&leader, "lag_bytes") == 0
    });
    follower.signal("STOP");
    let before = field(&leader, "replication", "master_repl_offset");
    check(&mut leader.client(), "SET a 1", "+OK");
    let after = field(&leader, "replication", "master_repl_offset");
    let written = |text: &str| text.parse::<i64>().expect("a number");
    assert_eq!(
        of_follower(&leader, "lag_bytes"),
        written(&after) - written(&before)
    );
    wait_until(SOON, "seconds pass", || {
        of_follower(&leader, "lag_ms") >= 2000
    });
    let seconds = || field(&leader, "replication", "repl_backlog_seconds");
    assert_ne!(seconds(), "0");
    follower.signal("CONT");
    wait_until(SOON, "it caught up", || of_follower(&leader, "lag_ms") == 0);
}

#[test]
fn a_full_sync_tells_how_far_it_has_come() {
    let Some(leader) = start(Kind::Ours, &["--rdb-key-save-delay", "3000"]) else {
        return;
    };
    let mut client = leader.client();
    for key in 0..1000 {
        let value = "x".repeat(1000);
        check(&mut client, &format!("SET key:{key} {value}"), "+OK");
    }
    let follower = start_follower(Kind::Ours, leader.port, &[]).expect("ours is always there");
    let line = || field(&leader, "replication", "slave0");
    let told = |name: &str| {
        let line = line();
        let fact = line
            .split(',')
            .find_map(|fact| fact.strip_prefix(name)?.strip_prefix('='));
        fact.and_then(|fact| fact.parse::<f64>().ok())
    };
    wait_until(SOON, "it is on its way", || {
        let percent = told("sync_perc").unwrap_or(0.0);
        assert!(percent <= 100.0, "{}", line());
        percent > 20.0
    });
    assert!(line().contains(",sync=snapshot,"), "{}", line());
    assert!(
        (0.0..60.0).contains(&told("sync_eta_seconds").unwrap_or(-1.0)),
        "{}",
        line()
    );
    let saves = || field(&leader, "persistence", "rdb_bgsave_in_progress");
    assert_eq!(saves(), "1");
    wait_for_link(&follower);
    wait_until(SOON, "it streams", || line().ends_with(",sync=streaming"));
    assert_eq!(saves(), "0");
}

#[test]
fn every_full_sync_has_its_reason() {
    let Some(leader) = start(Kind::Ours, &["--repl-backlog-size", "16384"]) else {
        return;
    };
    let link = Proxy::to(leader.port);
    let follower = start_follower(Kind::Ours, link.port, &["--repl-timeout", "5"]);
    let follower = follower.expect("ours is always there");
    wait_for_link(&follower);
    let expect = |counts: &str, last: &str| {
        let context = leader.log();
        assert_eq!(reasons(&leader), counts, "{context}");
        assert_eq!(field(&leader, "replication", "sync_full_last_reason"), last);
    };
    let rest = "sync_command=0,id_mismatch=0,diverged=0";
    expect(
        &format!("first=1,{rest},backlog_missed=0,offset_ahead=0,output_limit=0"),
        "first",
    );
    let filler = format!("SET filler {}", "x".repeat(40_000));
    link.part();
    for _ in 0..4 {
        check(&mut leader.client(), &filler, "+OK");
    }
    link.heal();
    wait_for_offset(&leader, &follower);
    expect(
        &format!("first=1,{rest},backlog_missed=1,offset_ahead=0,output_limit=0"),
        "backlog_missed",
    );
    // One that stands still and is dropped for what waits for it.
    let mut client = leader.client();
    client.run("CONFIG SET client-output-buffer-limit 'replica 64kb 0 0'");
    follower.signal("STOP");
    let big = format!("SET big {}", "x".repeat(4_000_000));
    wait_until(SOON, "it is dropped", || {
        client.run(&big);
        field(&leader, "replication", "connected_slaves") == "0"
    });
    // What it was dropped for may be all that the backlog holds: it would go on from there.
    client.run(&big);
    follower.signal("CONT");
    wait_for_offset(&leader, &follower);
    expect(
        &format!("first=1,{rest},backlog_missed=1,offset_ahead=0,output_limit=1"),
        "output_limit",
    );
    // Another history.
    let Some(other) = start(Kind::Ours, &[]) else {
        return;
    };
    check(&mut other.client(), "SET other 1", "+OK");
    let first = start_follower(Kind::Ours, other.port, &[]).expect("ours is always there");
    wait_for_link(&first);
    let command = format!("REPLICAOF 127.0.0.1 {}", leader.port);
    check(&mut other.client(), &command, "+OK");
    wait_for_offset(&leader, &other);
    assert!(
        reasons(&leader).contains("id_mismatch=1"),
        "{}",
        reasons(&leader)
    );
    check(&mut client, "CONFIG RESETSTAT", "+OK");
    assert!(!reasons(&leader).contains('1'));
    assert_eq!(
        field(&leader, "replication", "sync_full_last_reason"),
        "none"
    );
}

/// CLIENT PAUSE holds what the leader sends as it holds what clients send: it is read, up to a
/// bound, and applied when the pause is over.
#[test]
fn a_paused_follower_stays_where_it_is() {
    let leader = start(Kind::Ours, &[]).expect("ours is there");
    let follower = start_follower(Kind::Ours, leader.port, &[]).expect("ours is there");
    wait_for_link(&follower);
    let (mut writer, mut reader) = (leader.client(), follower.client());
    check(&mut writer, "SET a 1", "+OK");
    wait_for_offset(&leader, &follower);
    let offset = |name: &str| -> i64 { field(&follower, "replication", name).parse().unwrap() };
    let before = offset("slave_repl_offset");
    check(&mut reader, "CLIENT PAUSE 1000000 WRITE", "+OK");
    check(&mut writer, "SET a 2", "+OK");
    let ahead = || offset("slave_read_repl_offset") - before;
    wait_until(SOON, "the write has come", || ahead() > 30);
    check(&mut writer, "SET a 3", "+OK");
    wait_until(SOON, "the next one has come", || ahead() > 60);
    check(&mut reader, "GET a", "\"1\"");
    let value = "x".repeat(4 << 20);
    for number in 0..24 {
        writer.cmd(&["SET", &format!("b:{number}"), &value]);
    }
    wait_until(SOON, "much has been read", || ahead() >= 64 << 20);
    assert!(ahead() < 72 << 20, "{}", ahead());
    assert_eq!(offset("slave_repl_offset"), before);
    check(&mut reader, "CLIENT UNPAUSE", "+OK");
    wait_for_offset(&leader, &follower);
    check(&mut reader, "GET a", "\"3\"");
    assert_eq!(stat(&leader, "sync_full"), 1);
    // One that ends by itself.
    check(&mut reader, "CLIENT PAUSE 300", "+OK");
    check(&mut writer, "SET a 4", "+OK");
    wait_for_offset(&leader, &follower);
    check(&mut reader, "GET a", "\"4\"");
}
