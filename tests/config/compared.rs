//! The same questions put to us and to a peer.

use super::peer::{self, Peer};
use super::support::{get, load, set, try_load};
use crate::oracle::{self, REDIS, REDIS_8, VALKEY};
use lockstep::config::{Force, Kind, Param};
use std::collections::HashSet;
use std::path::Path;
use tempfile::TempDir;

/// Nothing is kept from being set.
const PROTECTED: &[&str] = &["--enable-protected-configs", "yes"];

/// What takes other values here than there: the error texts list the values.
const OTHER_VALUES: [Param; 2] = [
    Param::ReplDisklessLoad,
    Param::SlotMigrationMaxFailoverReplBytes,
];

/// What no peer has.
const OWN: [Param; 1] = [Param::ReplicaAcceptEmptyLeader];

/// What depends on the machine, or on how the peer was started.
const NOT_COMPARED: [&str; 4] = ["port", "unixsocket", "io-threads", "dir"];

/// Names, defaults and bounds of the directives that `peer` knows are compared with its own
/// and taken out of `names`.
fn compare(peer: &mut Peer, names: &mut Vec<(Param, &str)>) {
    let ours = load(PROTECTED);
    let version = peer.call(&["INFO", "server"]).concat();
    let seven = version.contains("redis_version:7.0");
    let mut wrong = Vec::new();
    names.retain(|&(param, name)| {
        let theirs = peer.call(&["CONFIG", "GET", name]);
        let [_, value] = theirs.as_slice() else {
            return true;
        };
        let default = get(&ours, name);
        let is_other = seven && param == Param::LoadingProcessEventsIntervalBytes;
        if !NOT_COMPARED.contains(&name) && !is_other && default != *value {
            wrong.push(format!("{name}: {default}, theirs is {value}"));
        }
        for word in wrong_values(&param.spec().kind) {
            let theirs = peer.call(&["CONFIG", "SET", name, &word]).concat();
            let reply = set(&ours, &[name, &word]);
            let is_other = seven && param == Param::MaxMemorySamples;
            if !OTHER_VALUES.contains(&param) && !is_other && older(&reply) != older(&theirs) {
                wrong.push(format!("{name} {word}: {reply}, theirs is {theirs}"));
            }
        }
        false
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_defaults_and_bounds_are_the_peers() {
    let Some(mut peer) = Peer::start(REDIS, PROTECTED) else {
        return;
    };
    let mut names: Vec<(Param, &str)> = Param::ALL
        .iter()
        .filter(|param| !OWN.contains(param))
        .flat_map(|&param| param.spec().names().map(move |name| (param, name)))
        .collect();
    compare(&mut peer, &mut names);
    // What Redis 7 does not know came with Redis 8 or Valkey.
    for make in [REDIS_8, VALKEY] {
        match Peer::start(make, &[]) {
            Some(mut peer) => compare(&mut peer, &mut names),
            None => return,
        }
    }
    assert!(names.is_empty(), "nobody else knows {names:?}");
}

/// Values beyond the bounds and of the wrong form.
fn wrong_values(kind: &Kind) -> Vec<String> {
    let mut values = vec!["\u{1}x".to_string()];
    let beyond = match kind {
        Kind::Int { min, max, .. } | Kind::Memory { min, max, .. } => {
            [min.checked_sub(1), max.checked_add(1)]
        }
        _ => [None, None],
    };
    values.extend(beyond.iter().flatten().map(i64::to_string));
    match kind {
        // Any string is right.
        Kind::Text { .. } | Kind::OptionalText | Kind::Addresses => Vec::new(),
        // What is wrong there may be right here, and the other way round.
        Kind::Only { .. } => Vec::new(),
        Kind::SavePoints => ["1", "1 -1", "0 1", "1 2 3", "1  2"]
            .map(String::from)
            .into(),
        Kind::OutputLimits => ["normal", "x 1 2 3", "normal 1 2 -3", "normal x 2 3"]
            .map(String::from)
            .into(),
        Kind::OomScores => ["1 2", "1 2 3000", "a b c"].map(String::from).into(),
        Kind::Percentiles => ["101", "-1", "x"].map(String::from).into(),
        Kind::MemoryOrPercent { .. } => PERCENTAGES.map(String::from).into(),
        Kind::Options { .. } => ["", "x", "save nosave", "save x"].map(String::from).into(),
        _ => values,
    }
}

/// What is no percentage, or none of a whole.
const PERCENTAGES: [&str; 12] = [
    "x",
    "%",
    "5%%",
    "5 %",
    "05%",
    "+5%",
    "-5%",
    "-5",
    "5.5%",
    "101%",
    "1e3",
    "9223372036854775808",
];

/// A text without what Redis 7.0 does not say yet.
fn older(text: &str) -> String {
    text.replace("warning, nothing", "warning")
}

/// Names and values to be set at once.
const CHANGES: &[&[&str]] = &[
    &["hz", "1000"],
    &["HZ", "0"],
    &["hz", "5", "timeout", "7"],
    &["hz", "5", "timeout", "x"],
    &["timeout", "1", "TIMEOUT", "2"],
    &["slave-priority", "x"],
    &["Slave-Priority", "7"],
    &["nope", "1", "also-not", "2"],
    &["hz", "1", "nope", "1"],
    &["daemonize", "no"],
    &["DAEMONIZE", "no", "nope", "1"],
    &["replicaof", "no one"],
    &["dbfilename", "a/b"],
    &["dbfilename", "a.rdb"],
    &["save", ""],
    &["save", "10 20"],
    &["save", "10 20 30 40"],
    &["client-output-buffer-limit", "normal 1mb 2k 3"],
    &["client-output-buffer-limit", "replica 1 2 3 pubsub 4 5 6"],
    &["client-output-buffer-limit", "slave 7 8 9"],
    &["notify-keyspace-events", "Kg$x"],
    &["notify-keyspace-events", "mKEA"],
    &["notify-keyspace-events", "nKmEg"],
    &["notify-keyspace-events", ""],
    &["shutdown-on-sigint", "force save"],
    &["shutdown-on-sigint", "default"],
    &["oom-score-adj-values", "1 2 3"],
    &["latency-tracking-info-percentiles", "1.50 100 0 99.9999999"],
    &["latency-tracking-info-percentiles", ""],
    &["proto-max-bulk-len", "1mb"],
    &["repl-backlog-size", "2gb"],
    &["repl-backlog-size", "1"],
    &["repl-diskless-load", "SWAPDB"],
    &["loglevel", "VERBOSE"],
    &["replica-read-only", "NO"],
    &["masterauth", "\"quoted\""],
    &["rdb-key-save-delay", "-5"],
    &["maxclients", "-1"],
    &["maxmemory-clients", "7%"],
    &["maxmemory-clients", "100%"],
    &["maxmemory-clients", "0%"],
    &["maxmemory-clients", "10MB"],
    &["maxmemory-clients", ""],
    &[
        "maxmemory",
        "10mb",
        "maxmemory-clients",
        "200%",
        "timeout",
        "x",
    ],
];

#[test]
fn get_and_set_are_the_peers() {
    let Some(mut peer) = Peer::start(REDIS, PROTECTED) else {
        return;
    };
    let ours = load(PROTECTED);
    for case in CHANGES {
        let command: Vec<&str> = ["CONFIG", "SET"].iter().chain(*case).copied().collect();
        assert_eq!(set(&ours, case), peer.call(&command).concat(), "{case:?}");
        for name in case.iter().step_by(2) {
            let found = ours.get(&[name.as_bytes()]).into_iter();
            let ours: Vec<String> = found
                .flat_map(|(name, value)| [name, value])
                .map(|text| String::from_utf8(text).unwrap())
                .collect();
            assert_eq!(ours, peer.call(&["CONFIG", "GET", name]), "{case:?}");
        }
    }
    let patterns: &[&[&str]] = &[
        &["port", "PORT"],
        &["save", "sa?e", "[rs]ave"],
        &["rdb-key*"],
        &["rdb-key-save-delay", "none"],
        &["*OF"],
        &["slave-p*", "replica-priority"],
    ];
    for names in patterns {
        let command: Vec<&str> = ["CONFIG", "GET"].iter().chain(*names).copied().collect();
        let theirs = peer.call(&command);
        let theirs: HashSet<&str> = theirs.iter().step_by(2).map(String::as_str).collect();
        let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        let found = ours.get(&names);
        let found: HashSet<&str> = found
            .iter()
            .map(|(name, _)| std::str::from_utf8(name).unwrap())
            .collect();
        assert_eq!(found, theirs, "{command:?}");
    }
}

#[test]
fn complaints_at_start_are_the_peers() {
    let Some(program) = REDIS.find() else {
        return;
    };
    let dir = TempDir::new().unwrap();
    let check = |args: &[&str], stdin: &str| {
        let theirs = peer::complaint(&program, dir.path(), args, stdin);
        let ours = match try_load(args, stdin) {
            Ok(_) => "it started".into(),
            Err(error) => format!("{error}\n"),
        };
        let plain = |text: &str| {
            let lines = text.lines().filter(|line| !line.starts_with("***"));
            older(&lines.collect::<Vec<_>>().join("\n"))
        };
        // Redis 8 takes what it does not know for a module's, and complains in its log.
        if !(theirs.is_empty() && ours.ends_with("\nBad directive or wrong number of arguments\n"))
        {
            assert_eq!(plain(&ours), plain(&theirs), "{args:?} {stdin:?}");
        }
    };
    let command_lines: &[&[&str]] = &[
        &["--port"],
        &["--port", "6380", "--loglevel"],
        &["--port", "6379", "6380"],
        &["--port", "--loglevel", "verbose"],
        &["--port", "--bla", "--loglevel", "verbose"],
        &["--logfile", "--my--log--file", "--loglevel", "--bla"],
        &["--shutdown-on-sigint"],
        &["--shutdown-on-sigint", "now force", "--shutdown-on-sigterm"],
        &["--replicaof", "127.0.0.1", "abc"],
        &["--replicaof", "--127.0.0.1", "abc"],
        &["--replicaof", "--127.0.0.1", "--abc"],
        &["--unknown", "1"],
        &["--rename-command", "get"],
        &["--io-threads", "0"],
        &["--databases", "0"],
        &["--unixsocketperm", "1000"],
        &["--unixsocketperm", "9"],
        &["--save", "1"],
        &["--save", "x", "y"],
        &["--bind", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17"],
        &["--dir", "/does/not/exist"],
        &["--dir", "/etc/passwd"],
        &["--logfile", "/does/not/exist"],
        &["--dbfilename", "a/b"],
        &["--user"],
        &["--include"],
    ];
    for args in command_lines {
        check(args, "");
    }
    let texts = [
        "xxx",
        "\n  port  \"6379\n",
        "# fine\n\n \t\nport 1 2\n",
        "PORT x",
        "hz 5\n'slave-priority' x",
        "port \"1\"2",
        "maxclients -1",
        "maxmemory-clients 101%",
        "repl-backlog-size 1x",
        "client-output-buffer-limit normal 1 2",
        "\"\"",
        "sentinel monitor x",
    ];
    for text in texts {
        check(&["-"], text);
    }
}

#[test]
fn rewritten_files_are_the_peers() {
    let text = "# first\n\n\nport 7000\nport 7001\nsave 1 2\nsave 3 4\nhz 20\nloglevel notice\n\
                slaveof 127.0.0.1 1\nslave-priority 5\nclient-output-buffer-limit normal 1mb 0 0\n\
                requirepass \"\"\nunixsocketperm 700\nrepl-backlog-size 2048\n\
                maxmemory-clients 5mb\n# last\n";
    let changes: &[&[&str]] = &[
        &["save", "5 6"],
        &["hz", "10"],
        &["masterauth", "x\u{1}\u{fc} \"'\\"],
        &["client-output-buffer-limit", "pubsub 1025 2mb 3"],
        &["notify-keyspace-events", "KEA"],
        &["shutdown-on-sigint", "now force"],
        &["proto-max-bulk-len", "1gb"],
        &["timeout", "9"],
        &["maxmemory-clients", "7%"],
    ];
    let dir = TempDir::new().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let root = root.to_str().unwrap();
    let (theirs, ours) = (dir.path().join("theirs.conf"), dir.path().join("ours.conf"));
    std::fs::write(&theirs, text).unwrap();
    std::fs::write(&ours, text).unwrap();
    let args = |path: &Path| {
        [
            path.to_str().unwrap().to_string(),
            "--dir".into(),
            root.into(),
        ]
    };

    let their_args = args(&theirs);
    let Some(mut peer) = Peer::start(REDIS, &their_args.each_ref().map(String::as_str)) else {
        return;
    };
    let listening = oracle::listening_in(peer.folder.path());
    let our_args = [&args(&ours)[..], &listening[..]].concat();
    let config = load(&our_args.iter().map(String::as_str).collect::<Vec<_>>());
    for change in changes {
        let command: Vec<&str> = ["CONFIG", "SET"].iter().chain(*change).copied().collect();
        assert_eq!(peer.call(&command), ["OK"], "{change:?}");
        assert_eq!(set(&config, change), "OK", "{change:?}");
    }
    assert_eq!(peer.call(&["CONFIG", "REWRITE"]), ["OK"]);
    config.rewrite(Force::Changed).unwrap();

    // What is appended comes in no order, and the peer appends its users.
    let read = |path: &Path| {
        let text = std::fs::read_to_string(path).unwrap();
        let (body, appended) = text.split_once("# Generated").expect("a signature");
        let appended = appended.lines().filter(|line| !line.starts_with("user "));
        let mut appended: Vec<String> = appended.map(String::from).collect();
        appended.sort();
        (body.to_string(), appended)
    };
    assert_eq!(read(&ours), read(&theirs));
}
