//! The files that Redis and Valkey come with, and every directive that they know.

use super::peer::Peer;
use super::support::try_load;
use crate::oracle::{REDIS, REDIS_8, VALKEY};
use std::path::PathBuf;

/// What a peer knows and we refuse, and why.
const NOT_HERE: &[(&str, &str)] = &[
    ("rdma-bind", "it is about hardware that is not supported"),
    ("rdma-port", "as above"),
    ("rdma-rx-size", "as above"),
    ("rdma-completion-vector", "as above"),
];

/// What says where something is on this machine, or that cannot be said of nothing.
const OF_THE_PLACE: &[&str] = &["dir", "logfile", "pidfile", "replicaof", "slaveof"];

/// The files of peers that are installed here: Debian's, and those beside the peers of
/// `benches/compare`.
fn stock_files() -> Vec<PathBuf> {
    let mut files = vec![PathBuf::from("/etc/redis/redis.conf")];
    if let Some(home) = std::env::home_dir() {
        let etc = home.join(".cache/peers/root/etc");
        files.extend([etc.join("redis/redis.conf"), etc.join("valkey/valkey.conf")]);
    }
    files.retain(|file| file.exists());
    files
}

#[test]
fn stock_files_are_accepted() {
    for file in stock_files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let text: String = text
            .lines()
            .filter(|line| {
                let name = line.split_whitespace().next();
                !name.is_some_and(|name| OF_THE_PLACE.contains(&name))
            })
            .map(|line| format!("{line}\n"))
            .collect();
        if let Err(error) = try_load(&["-"], &text) {
            panic!("{}: {error}", file.display());
        }
    }
}

/// Every directive of a peer is accepted with the value that it has there by default.
#[track_caller]
fn check(mut peer: Peer, not_here: &[&str]) {
    let listed = peer.call(&["CONFIG", "GET", "*"]);
    let mut refused = Vec::new();
    for [name, value] in listed.as_chunks::<2>().0 {
        if OF_THE_PLACE.contains(&name.as_str()) {
            continue;
        }
        if let Err(error) = try_load(&["-"], &format!("{name} \"{value}\"\n")) {
            assert!(not_here.contains(&name.as_str()), "{error}");
            refused.push(name.as_str());
        }
    }
    refused.sort();
    let mut expect = not_here.to_vec();
    expect.sort();
    assert_eq!(refused, expect);
}

#[test]
fn every_directive_of_redis_7_is_accepted() {
    if let Some(peer) = Peer::start(REDIS, &[]) {
        check(peer, &[]);
    }
}

#[test]
fn every_directive_of_redis_8_is_accepted() {
    if let Some(peer) = Peer::start(REDIS_8, &[]) {
        check(peer, &[]);
    }
}

#[test]
fn every_directive_of_valkey_9_is_accepted() {
    if let Some(peer) = Peer::start(VALKEY, &[]) {
        let not_here: Vec<&str> = NOT_HERE.iter().map(|(name, _)| *name).collect();
        check(peer, &not_here);
    }
}

/// What would promise something that is not there is refused with the reason.
#[test]
fn what_is_not_there_cannot_be_asked_for() {
    for (line, reason) in [
        ("appendonly yes", "there is no append-only file yet"),
        ("cluster-enabled yes", "this server is part of no cluster"),
        ("tls-port 6390", "connections are not encrypted yet"),
        ("tls-replication yes", "connections are not encrypted yet"),
        (
            "aclfile /etc/users",
            "there are no users but the default one yet",
        ),
        ("activedefrag yes", "the allocator needs no defragmentation"),
    ] {
        let Err(error) = try_load(&["-"], line) else {
            panic!("{line} is accepted");
        };
        let error = error.to_string();
        assert!(error.contains(line) && error.ends_with(reason), "{error}");
    }
}
