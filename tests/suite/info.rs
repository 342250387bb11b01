//! INFO: its sections and fields beside those of a real redis-server, and the figures that
//! tools and tests steer by.

use std::time::Duration;

use super::support::value::Value;
use super::support::*;

/// The text of `INFO args`.
fn info(client: &mut Client, args: &str) -> String {
    client.run(&format!("INFO {args}")).text()
}

/// Names of a section's fields in their order; numbered ones count once.
fn names(text: &str) -> Vec<String> {
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    let name = |(name, _): (&str, &str)| name.trim_end_matches(char::is_numeric).to_owned();
    fields.map(name).collect()
}

#[test]
fn fields_stand_in_redis_order() {
    let args = ["--save", "3600 1"];
    let server = Server::start(&args);
    let peers = [
        Peer::start(&args),
        Peer::start_8(&args),
        Peer::start_valkey(&args),
    ];
    for peer in peers.iter().flatten() {
        check_order(&mut server.client(), &mut peer.client());
    }
}

/// Holds our fields that a peer has against their order there.
fn check_order(ours: &mut Client, theirs: &mut Client) {
    for client in [&mut *ours, &mut *theirs] {
        check(client, "SET a b EX 100", "+OK");
    }
    for section in [
        "server",
        "clients",
        "memory",
        "persistence",
        "stats",
        "replication",
        "cpu",
        "cluster",
        "keyspace",
    ] {
        let (ours, theirs) = (info(ours, section), info(theirs, section));
        assert_eq!(ours.lines().next(), theirs.lines().next());
        let (ours, theirs) = (names(&ours), names(&theirs));
        let shared: Vec<&String> = ours.iter().filter(|name| theirs.contains(name)).collect();
        let expect: Vec<&String> = theirs.iter().filter(|name| ours.contains(name)).collect();
        assert_eq!(shared, expect, "{section}");
        assert!(shared.len() * 2 >= theirs.len(), "{section}: {shared:?}");
    }
}

#[test]
fn sizes_of_keys_are_those_that_redis_counts() {
    let server = Server::start(&["--io-threads", "2"]);
    let Some(peer) = Peer::start_8(&["--enable-debug-command", "yes"]) else {
        return;
    };
    let (mut ours, mut theirs) = (server.client(), peer.client());
    for n in 0..400_usize {
        // Up to some thousands, most of them small.
        let size = (n * n * n / 6000) % 3001;
        let list: Vec<String> = (0..size).map(|item| format!("{item}")).collect();
        let pairs: Vec<String> = (0..size)
            .flat_map(|at| [at, at])
            .map(|at| at.to_string())
            .collect();
        let key = format!("key:{n}");
        let db = (n % 3).to_string();
        for client in [&mut ours, &mut theirs] {
            client.cmd(&["SELECT", &db]);
            let mut put = |command: &str, items: &[String]| {
                let mut request = vec![command.to_owned(), key.clone()];
                request.extend_from_slice(items);
                client.cmd(&request);
            };
            match n % 7 {
                0 => put("RPUSH", &list),
                1 => put("SADD", &list),
                2 => put("ZADD", &pairs),
                3 => put("HSET", &pairs),
                4 => put("SET", &["x".repeat(size)]),
                5 => put("SET", &[format!("{}", n * n * size)]),
                _ => put("XADD", &["1-1", "a", "b"].map(str::to_owned)),
            }
        }
    }
    // It counts anew when it loads.
    check(&mut theirs, "DEBUG RELOAD", "+OK");
    let expect = info(&mut theirs, "keysizes");
    assert_eq!(info(&mut ours, "keysizes"), expect);
    assert!(expect.lines().count() > 12, "{expect}");
    let both = info(&mut ours, "keysizes cluster");
    assert_eq!(
        both,
        format!("# Cluster\r\ncluster_enabled:0\r\n\r\n{expect}")
    );
    assert!(!info(&mut ours, "everything").contains("Keysizes"));
    check(&mut ours, "MULTI", "+OK");
    check(&mut ours, "INFO keysizes", "+QUEUED");
    check(&mut ours, "PING", "+QUEUED");
    let replies = ours.run("EXEC");
    assert_eq!(replies.items()[0].text(), expect);
    assert_eq!(replies.items()[1].text(), "PONG");
}

#[test]
fn others_are_served_while_keys_are_counted() {
    let server = Server::start(&["--io-threads", "1", "--enable-debug-command", "yes"]);
    let (mut client, mut other) = (server.client(), server.client());
    check(&mut client, "DEBUG POPULATE 1500000 key 10", "+OK");
    client.send_cmd(&["INFO", "keysizes"]);
    let mut answered = 0;
    let counted = loop {
        check(&mut other, "SET other 1", "+OK");
        answered += 1;
        if let Some(counted) = client.recv_within(Duration::from_millis(1)) {
            break counted;
        }
    };
    assert!(counted.text().contains("_sizes:"), "{counted}");
    // One may come before the count, and one just behind it.
    assert!(answered > 3, "{answered}");
}

#[test]
fn threads_and_keys_that_are_due() {
    let server = Server::start(&["--io-threads", "2"]);
    let (mut client, mut second) = (server.client(), server.client());
    // Now it has arrived at its worker.
    check(&mut second, "PING", "+PONG");
    let threads = client.info("threads");
    let of = |text: &str| -> Vec<u64> {
        let parts = text.split(',').filter_map(|part| part.split_once('='));
        parts.filter_map(|(_, n)| n.parse().ok()).collect()
    };
    let all: Vec<Vec<u64>> = threads.values().map(|text| of(text)).collect();
    assert_eq!(all.len(), 2, "{threads:?}");
    let sum = |at: usize| all.iter().map(|numbers| numbers[at]).sum::<u64>();
    assert!(sum(0) >= 2 && sum(1) > 0 && sum(2) > 0, "{threads:?}");
    let stats = client.info("stats");
    assert_eq!(
        stats["io_threaded_reads_processed"],
        stats["total_reads_processed"]
    );
    for n in 0..100 {
        client.run(&format!("SET key:{n} 1 PX 50"));
    }
    wait_until(Duration::from_secs(20), "some were due", || {
        client.info("stats")["expired_stale_perc"] != "0.00"
    });
    check(&mut client, "CONFIG RESETSTAT", "+OK");
    client.run("RPUSH list a");
    let Value::Bulk(payload) = client.cmd(&["DUMP", "list"]) else {
        panic!("a payload");
    };
    client.cmd(&[&b"RESTORE"[..], b"other", b"0", &payload]);
    assert_eq!(client.info("stats")["dump_payload_sanitizations"], "1");
}

#[test]
fn sections_as_they_are_asked_for() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let titles = |text: &str| -> Vec<String> {
        let titles = text.lines().filter_map(|line| line.strip_prefix("# "));
        titles.map(str::to_owned).collect()
    };
    assert_eq!(info(&mut client, "nothing"), "");
    let two = titles(&info(&mut client, "stats nothing SERVER stats"));
    assert_eq!(two, ["Server", "Stats"]);
    let by_default = titles(&info(&mut client, ""));
    assert_eq!(titles(&info(&mut client, "default")), by_default);
    assert!(!by_default.contains(&"Commandstats".to_owned()));
    let all = titles(&info(&mut client, "all"));
    assert!(all.contains(&"Commandstats".to_owned()) && all.len() > by_default.len());
    let more = titles(&info(&mut client, "default commandstats"));
    assert_eq!(more.len(), by_default.len() + 1);
    client.resp3();
    check(
        &mut client,
        "INFO cluster",
        r##"=txt:"# Cluster\r\ncluster_enabled:0\r\n""##,
    );
}

#[test]
fn figures_move() {
    let server = Server::start(&[]);
    let mut client = server.client();
    check_all(
        &mut client,
        &[
            ("SET a 1", "+OK"),
            ("SET b 1 PX 100000", "+OK"),
            ("GET a", "\"1\""),
            ("GET nothing", "nil"),
            ("SELECT 3", "+OK"),
            ("SET a 1", "+OK"),
        ],
    );
    let keyspace = client.info("keyspace");
    let db0 = &keyspace["db0"];
    assert!(db0.starts_with("keys=2,expires=1,avg_ttl="), "{db0}");
    assert!(keyspace["db3"].starts_with("keys=1,expires=0,avg_ttl=0"));
    let stats = client.info("stats");
    assert_eq!(
        (&stats["keyspace_hits"][..], &stats["keyspace_misses"][..]),
        ("1", "1")
    );
    let number = |text: &String| text.parse::<f64>().expect("a number");
    assert!(number(&stats["total_commands_processed"]) >= 6.0);
    assert!(number(&stats["total_net_input_bytes"]) > 100.0);
    for moved in ["total_reads_processed", "total_writes_processed"] {
        assert!(number(&stats[moved]) >= 6.0, "{moved}");
    }
    let memory = client.info("memory");
    assert!(number(&memory["used_memory"]) <= number(&memory["used_memory_peak"]));
    assert!(number(&memory["used_memory_rss"]) > 500_000.0);
    assert_eq!(
        client.info("persistence")["rdb_changes_since_last_save"],
        "3"
    );
    let process = client.info("server");
    assert_eq!(process["process_id"], server.pid().to_string());
    let mut wait_for_clients = |count: &str| {
        wait_until(Duration::from_secs(20), count, || {
            client.info("clients")["connected_clients"] == count
        });
    };
    // The one that found out that the server answers may not be gone yet.
    wait_for_clients("1");
    let _second = server.client();
    wait_for_clients("2");
}

#[test]
fn what_commands_cost() {
    let server = Server::start(&["--enable-debug-command", "yes"]);
    let mut client = server.client();
    check(&mut client, "CONFIG RESETSTAT", "+OK");
    check(&mut client, "DEBUG SLEEP 0.03", "+OK");
    check(&mut client, "SET k v", "+OK");
    check(&mut client, "INCR k", "-ERR value is not...");
    let commands = client.info("commandstats");
    let field = |command: &str, name: &str| -> u64 {
        let stats = commands[&format!("cmdstat_{command}")].split(',');
        let value = stats
            .filter_map(|stat| stat.split_once('='))
            .find(|(n, _)| *n == name);
        value.expect("the field").1.parse().expect("a number")
    };
    assert_eq!(
        (field("set", "calls"), field("incr", "failed_calls")),
        (1, 1)
    );
    assert!(field("debug", "usec") >= 30_000);
    assert_eq!(client.info("errorstats")["errorstat_ERR"], "count=1");
    let spread = client.info("latencystats")["latency_percentiles_usec_debug"].clone();
    let median = spread.split(',').find_map(|part| part.strip_prefix("p50="));
    let median: f64 = median.expect("a median").parse().expect("a number");
    assert!((30_000.0..300_000.0).contains(&median), "{spread}");
    check(&mut client, "CONFIG SET latency-tracking no", "+OK");
    check(&mut client, "CONFIG RESETSTAT", "+OK");
    check(&mut client, "GET k", "\"v\"");
    assert!(
        !client
            .info("latencystats")
            .contains_key("latency_percentiles_usec_get")
    );
    assert!(client.info("commandstats").contains_key("cmdstat_get"));
}
