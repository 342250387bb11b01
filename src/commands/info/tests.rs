use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::testing::{START_MS, TestServer};
use super::*;
use crate::resp::argv::OwnedCommand;
use crate::shared::followers::{Follower, FollowerPhase};
use crate::shared::role::{LinkFacts, LinkPhase};

/// The lines of a reply of INFO.
fn lines(server: &mut TestServer, request: &str) -> Vec<String> {
    let reply = server.run(request);
    let text = reply.trim_matches('"').replace("\\r\\n", "\n");
    text.lines().map(str::to_owned).collect()
}

fn titles(server: &mut TestServer, request: &str) -> String {
    let lines = lines(server, request);
    let titles = lines.iter().filter_map(|line| line.strip_prefix("# "));
    titles.collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check_has(server: &mut TestServer, section: &str, expect: &[&str]) {
    let lines = lines(server, &format!("INFO {section}"));
    for line in expect {
        assert!(lines.iter().any(|l| l == line), "{line} in {lines:#?}");
    }
}

#[test]
fn sections_come_in_their_own_order() {
    let mut server = TestServer::new();
    let by_default = "Server Clients Memory Persistence Threads Stats Replication CPU Modules \
                      Errorstats Cluster Keyspace";
    assert_eq!(titles(&mut server, "INFO"), by_default);
    assert_eq!(titles(&mut server, "INFO default none"), by_default);
    assert_eq!(titles(&mut server, "INFO cpu SERVER cpu"), "Server CPU");
    let with_one = titles(&mut server, "INFO commandstats default");
    assert_eq!(
        with_one.split(' ').count(),
        by_default.split(' ').count() + 1
    );
    let all = titles(&mut server, "INFO all");
    assert_eq!(all.split(' ').count(), SECTIONS.len());
    assert_eq!(titles(&mut server, "INFO everything"), all);
    server.check("INFO none", "\"\"");
    server.run("INFO keysizes CLUSTER everything");
    let Outcome::Ask(Job::Survey(text)) = &server.outcome else {
        panic!("{:?}", server.outcome);
    };
    assert!(text.starts_with("# Server\r\n") && text.contains("# Keyspace\r\n"));
    let verbatim = TestServer::resp3().run("INFO cluster");
    assert_eq!(verbatim, r##"=txt:"# Cluster\r\ncluster_enabled:0\r\n""##);
}

#[test]
fn only_what_counts_keys_locks_them() {
    let check = |words: &[&str], expect| {
        let command = OwnedCommand::from_args(words);
        assert_eq!(counts_keys(command.argv()), expect, "{words:?}");
    };
    check(&["info"], true);
    check(&["info", "all"], true);
    check(&["info", "Keyspace"], true);
    check(&["info", "replication", "stats"], false);
}

#[test]
fn a_fresh_leader() {
    let mut server = TestServer::new();
    check_has(
        &mut server,
        "server",
        &["server_name:lockstep", "redis_mode:standalone"],
    );
    check_has(
        &mut server,
        "clients",
        &["connected_clients:1", "blocked_clients:0"],
    );
    check_has(
        &mut server,
        "persistence",
        &[
            "loading:0",
            "rdb_bgsave_in_progress:0",
            "rdb_last_bgsave_time_sec:-1",
            "rdb_last_save_time:1700000000",
        ],
    );
    check_has(
        &mut server,
        "replication",
        &[
            "role:master",
            "connected_slaves:0",
            "master_failover_state:no-failover",
            "master_repl_offset:0",
            "second_repl_offset:-1",
            "repl_backlog_active:1",
            "repl_backlog_first_byte_offset:1",
            "repl_backlog_histlen:0",
        ],
    );
}

#[test]
fn followers_are_listed() {
    let mut server = TestServer::new();
    let follower = Follower::new(7, "10.0.0.1".to_owned(), 6380, START_MS);
    follower.set_phase(FollowerPhase::Online);
    follower.acked_offset.store(42, Ordering::Relaxed);
    server.shared.followers.add(Arc::new(follower));
    server.advance_ms(2500);
    let line = "slave0:ip=10.0.0.1,port=6380,state=online,offset=42,lag=2,lag_bytes=0,lag_ms=0,\
                sync=streaming";
    check_has(&mut server, "replication", &["connected_slaves:1", line]);
}

#[test]
fn a_follower_tells_of_its_leader() {
    let mut server = TestServer::new();
    server.shared.role.set_follower(true);
    *server.shared.role.link.lock() = LinkFacts {
        host: "leader".to_owned(),
        port: 6379,
        phase: LinkPhase::Sync,
        down_since_ms: Some(START_MS - 5000),
        sync_total_bytes: 1000,
        sync_read_bytes: 250,
        sync_started_ms: START_MS - 1000,
        sync_last_io_ms: START_MS,
        refusals: 2,
        refusal: "why".to_owned(),
    };
    check_has(
        &mut server,
        "replication",
        &[
            "role:slave",
            "master_host:leader",
            "master_link_status:down",
            "master_sync_refusals:2",
            "master_sync_refusal_reason:why",
            "master_sync_in_progress:1",
            "master_sync_left_bytes:750",
            "master_sync_perc:25.00",
            "master_sync_bytes_per_sec:250",
            "master_sync_eta_seconds:3",
            "master_link_down_since_seconds:5",
        ],
    );
}

#[test]
fn a_save_and_a_load_show_how_far_they_are() {
    let mut server = TestServer::new();
    let jobs = &server.shared.jobs;
    jobs.saves.begin(START_MS);
    jobs.saves.keys_total.store(200, Ordering::Relaxed);
    jobs.saves.keys_done.store(50, Ordering::Relaxed);
    jobs.loading.begin(START_MS, 4000);
    jobs.loading.loaded_bytes.store(1000, Ordering::Relaxed);
    server.advance_ms(2000);
    check_has(
        &mut server,
        "persistence",
        &[
            "loading:1",
            "rdb_bgsave_in_progress:1",
            "rdb_current_bgsave_time_sec:2",
            "current_fork_perc:25.00",
            "current_save_keys_processed:50",
            "current_save_keys_total:200",
            "current_save_eta_seconds:6",
            "loading_total_bytes:4000",
            "loading_loaded_perc:25.00",
            "loading_eta_seconds:6",
        ],
    );
}

#[test]
fn threads_and_what_is_due() {
    let mut server = TestServer::new();
    let stats = &server.shared.stats;
    let thread = stats.thread(0);
    thread.connections.store(2, Ordering::Relaxed);
    thread.reads.add(5);
    thread.writes.add(4);
    // Twice a half of the keys with an expiry, each time for a twentieth.
    stats.rare.stale.note(50, 100);
    stats.rare.stale.note(50, 100);
    let worker = "io_thread_0:clients=2,reads=5,writes=4";
    check_has(&mut server, "threads", &[worker]);
    check_has(&mut server, "stats", &["expired_stale_perc:4.88"]);
    server.check("CONFIG RESETSTAT", "+OK");
    let worker = "io_thread_0:clients=2,reads=0,writes=0";
    check_has(&mut server, "threads", &[worker]);
    let reset = ["expired_stale_perc:0.00", "dump_payload_sanitizations:0"];
    check_has(&mut server, "stats", &reset);
}

#[test]
fn a_pause_is_told() {
    let mut server = TestServer::new();
    let none = ["paused_reason:none", "paused_actions:none"];
    check_has(&mut server, "clients", &none);
    server.run("CLIENT PAUSE 1000 WRITE");
    server.advance_ms(400);
    let lines = [
        "paused_reason:client_pause",
        "paused_actions:write",
        "paused_timeout_milliseconds:600",
    ];
    check_has(&mut server, "clients", &lines);
    server.run("CLIENT PAUSE 1000 ALL");
    check_has(&mut server, "clients", &["paused_actions:all"]);
}

#[test]
fn commands_errors_and_latencies() {
    let mut server = TestServer::new();
    let id = usize::from(server.registry.find_full(b"config|get").unwrap());
    let cost = &server.shared.stats.thread(0).costs[id];
    cost.calls.add(2);
    cost.microseconds.add(5);
    cost.track(1, 1);
    cost.track(4, 1);
    let stats = &server.shared.stats;
    stats.count_error(stats.thread(0), b"ERR no");
    let stat =
        "cmdstat_config|get:calls=2,usec=5,usec_per_call=2.50,rejected_calls=0,failed_calls=0";
    check_has(&mut server, "commandstats", &[stat]);
    check_has(&mut server, "errorstats", &["errorstat_ERR:count=1"]);
    let spread = "latency_percentiles_usec_config|get:p50=1.000,p99=4.000,p99.9=4.000";
    check_has(&mut server, "latencystats", &[spread]);
    server.check("CONFIG RESETSTAT", "+OK");
    for section in ["commandstats", "errorstats", "latencystats"] {
        assert_eq!(lines(&mut server, &format!("INFO {section}")).len(), 1);
    }
}

#[test]
fn keys_are_counted_by_database() {
    let mut server = TestServer::new();
    let key = server.shared.keyspace.key(b"a");
    let mut locker = crate::store::locked::Locker::new(&server.shared.keyspace, 0);
    let mut locked = server.shared.keyspace.lock_everything(&mut locker);
    let later = crate::store::view::Ttl::Set(Some(START_MS + 500));
    locked.set_string(3, key, b"1", later);
    drop(locked);
    check_has(
        &mut server,
        "keyspace",
        &["db3:keys=1,expires=1,avg_ttl=500,subexpiry=0"],
    );
}
