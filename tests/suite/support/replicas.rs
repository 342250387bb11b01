//! Leaders and followers, ours and real ones, and waiting until they agree.

use std::time::Duration;

use super::{Peer, Server, wait_until};

pub const SOON: Duration = Duration::from_secs(30);

/// A leader does not wait for more followers in these tests, and DEBUG is allowed.
pub const AT_ONCE: [&str; 4] = [
    "--repl-diskless-sync-delay",
    "0",
    "--enable-debug-command",
    "yes",
];

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Ours,
    Redis,
}

/// Who leads whom. A follower of ours under a real leader and the other way around show
/// that both halves speak the wire, which the first pair alone could not.
pub const PAIRS: [(Kind, Kind); 3] = [
    (Kind::Ours, Kind::Ours),
    (Kind::Ours, Kind::Redis),
    (Kind::Redis, Kind::Ours),
];

#[track_caller]
pub fn start(kind: Kind, args: &[&str]) -> Option<Server> {
    let args = [&AT_ONCE[..], args].concat();
    match kind {
        Kind::Ours => Some(Server::start(&args)),
        Kind::Redis => Peer::start(&args),
    }
}

#[track_caller]
pub fn start_follower(kind: Kind, port: u16, args: &[&str]) -> Option<Server> {
    let port = port.to_string();
    start(kind, &[&["--replicaof", "127.0.0.1", &port], args].concat())
}

pub fn field(server: &Server, section: &str, name: &str) -> String {
    let mut fields = server.client().info(section);
    fields.remove(name).unwrap_or_default()
}

pub fn is_up(follower: &Server) -> bool {
    field(follower, "replication", "master_link_status") == "up"
}

#[track_caller]
pub fn wait_for_link(follower: &Server) {
    wait_until(SOON, "the link is up", || is_up(follower));
}

/// Waits until the follower has applied all that the leader has logged.
#[track_caller]
pub fn wait_for_offset(leader: &Server, follower: &Server) {
    wait_until(SOON, "the offsets are equal", || {
        let offset = |server| field(server, "replication", "master_repl_offset");
        is_up(follower) && offset(leader) == offset(follower)
    });
}

pub fn stat(server: &Server, name: &str) -> i64 {
    field(server, "stats", name).parse().unwrap_or(-1)
}

/// Ours and every real server there is here, as leaders or as followers of this one.
pub fn of_every_kind(leader: Option<&Server>) -> Vec<Server> {
    let port = leader.map(|leader| leader.port.to_string());
    let follow = port
        .as_deref()
        .map(|port| ["--replicaof", "127.0.0.1", port]);
    let follow = follow.as_ref().map_or(&[][..], |words| &words[..]);
    let args = &[&AT_ONCE[..], follow].concat()[..];
    let servers = [
        Some(Server::start(args)),
        Peer::start(args),
        Peer::start_8(args),
        Peer::start_valkey(args),
    ];
    servers.into_iter().flatten().collect()
}

/// What DEBUG says that all of a server's data come to.
pub fn digest(server: &Server) -> String {
    server.client().run("DEBUG DIGEST").text()
}

/// Waits until a follower has all of its leader's data.
#[track_caller]
pub fn check_same(leader: &Server, follower: &Server) {
    wait_for_link(follower);
    wait_for_offset(leader, follower);
    assert_eq!(digest(leader), digest(follower));
}
