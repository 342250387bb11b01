//! Leaders and followers, ours and real ones, and waiting until they agree.

use std::time::Duration;

use super::{Client, Peer, Server, check, wait_until};

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
    let mut servers = of_new_kinds(leader);
    servers.extend(match leader {
        None => start(Kind::Redis, &[]),
        Some(leader) => start_follower(Kind::Redis, leader.port, &[]),
    });
    servers
}

/// The same without Redis 7, which knows no fields with a time to live.
pub fn of_new_kinds(leader: Option<&Server>) -> Vec<Server> {
    let port = leader.map(|leader| leader.port.to_string());
    let follow = port
        .as_deref()
        .map(|port| ["--replicaof", "127.0.0.1", port]);
    let follow = follow.as_ref().map_or(&[][..], |words| &words[..]);
    let args = &[&AT_ONCE[..], follow].concat()[..];
    let servers = [
        Some(Server::start(args)),
        Peer::start_8(args),
        Peer::start_valkey(args),
    ];
    servers.into_iter().flatten().collect()
}

/// Has leaders filled, followed and changed: `check` is to find each follower the same as its
/// leader, before and after.
pub fn same_everywhere(
    kinds: fn(Option<&Server>) -> Vec<Server>,
    fill: impl Fn(&mut Client),
    change: impl Fn(&mut Client),
    check: impl Fn(&Server, &Server),
) {
    for (number, leader) in kinds(None).iter().enumerate() {
        let mut client = leader.client();
        fill(&mut client);
        let mut followers = kinds(Some(leader));
        // Not all real servers follow each other: one of each pair is ours, the first.
        followers.truncate(if number == 0 { followers.len() } else { 1 });
        let check_all = || followers.iter().for_each(|it| check(leader, it));
        check_all();
        change(&mut client);
        check_all();
    }
}

/// What a server was filled with is the same after a reload, each key in its encoding.
#[track_caller]
pub fn come_back(fill: impl Fn(&mut Client), encodings: &[(&str, &str)]) {
    let server = Server::start(&AT_ONCE);
    let mut client = server.client();
    fill(&mut client);
    let before = digest(&server);
    for again in [false, true] {
        for (key, encoding) in encodings {
            let line = format!("OBJECT ENCODING {key}");
            check(&mut client, &line, &format!("\"{encoding}\""));
        }
        if !again {
            check(&mut client, "DEBUG RELOAD", "+OK");
            assert_eq!(digest(&server), before);
        }
    }
}

/// Runs commands of which none may fail.
#[track_caller]
pub fn run_all(client: &mut Client, lines: &[&str]) {
    for line in lines {
        let reply = client.run(line).to_string();
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
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
