//! Leading and following, as clients and followers ask for it: REPLICAOF, FAILOVER, WAIT, and
//! the words with which a follower introduces itself. What must be done about them is done
//! by the replication thread; here they are understood and, where the facts say so, refused.

use super::args::Args;
use super::cx::{Cx, Failover, Job, Outcome, Role};
use super::error::CmdError;
use super::spec::flag::{
    ADMIN, ALLOW_BUSY, BLOCKING, LOADING, NO_ASYNC_LOADING, NO_MULTI, NOSCRIPT, STALE,
};
use super::spec::{Locks, Spec, category};
use crate::base::number::parse_i64;
use crate::config::Address;
use crate::resp::reply::ReplyBuf;
use crate::shared::Shared;
use crate::shared::clients::{Unblock, client_flag};
use crate::shared::followers::{FollowerPhase, Kept, Wanted};
use crate::shared::introduction::{Replconf, replconf as introduce};
use crate::shared::role::{FailoverPhase, LinkFacts};

const FOLLOW: u32 = ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING;
const SYNC: u32 = ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI;
const REPLCONF: u32 = ADMIN | NOSCRIPT | LOADING | STALE | ALLOW_BUSY;

pub const COMMANDS: &[Spec] = &[
    Spec::new("replicaof", 3, FOLLOW, 0, replicaof).locks(Locks::Everything),
    Spec::new("slaveof", 3, FOLLOW, 0, replicaof).locks(Locks::Everything),
    Spec::new("failover", -1, ADMIN | NOSCRIPT | STALE, 0, failover),
    Spec::new("wait", 3, BLOCKING, category::CONNECTION, wait)
        .tips(&["request_policy:all_shards", "response_policy:agg_min"]),
    Spec::new("waitaof", 4, BLOCKING, category::CONNECTION, wait_aof)
        .tips(&["request_policy:all_shards", "response_policy:agg_min"]),
    Spec::new("replconf", -1, REPLCONF, 0, replconf),
    Spec::new("psync", -3, SYNC, 0, become_follower),
    Spec::new("sync", 1, SYNC, 0, become_follower),
];

fn replicaof(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    if *cx.shared.role.failover.lock() != FailoverPhase::None {
        return Err(CmdError::text(
            "ERR REPLICAOF not allowed while failing over.",
        ));
    }
    let (host, port) = (args.bytes(), args.bytes());
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        return Ok(Outcome::Ask(Job::ReplicaOf(None)));
    }
    let port = parse_i64(port).and_then(|port| u16::try_from(port).ok());
    let port = port.ok_or(CmdError::text("ERR Invalid master port"))?;
    let host = String::from_utf8_lossy(host).into_owned();
    let role = &cx.shared.role;
    let is_led_by = |link: &LinkFacts| link.port == port && link.host.eq_ignore_ascii_case(&host);
    // From here on nobody is answered as by a leader, not even in the same transaction; who
    // it is that we follow is for the replication thread to say, with the rest.
    if !role.is_follower() || !is_led_by(&role.link.lock()) {
        begin_to_follow(cx.shared, &host, port);
    }
    Ok(Outcome::Ask(Job::ReplicaOf(Some((host, port)))))
}

/// Takes the role of a follower, or another leader than before. Everything is locked.
pub fn begin_to_follow(shared: &Shared, host: &str, port: u16) {
    let role = &shared.role;
    if !role.is_follower() {
        shared.oplog.activate_backlog();
        role.set_follower(true);
        unblock_all(shared);
    }
    role.set_link_up(false);
    let host = host.to_owned();
    *role.link.lock() = LinkFacts {
        host: host.clone(),
        port,
        ..LinkFacts::default()
    };
    shared.config.set_leader(Some(Address { host, port }));
}

/// Who waits for something waited for the leader that this server was.
fn unblock_all(shared: &Shared) {
    for client in shared.clients.all() {
        if client.has(client_flag::BLOCKED) {
            client.unblock(Unblock::RoleChanged);
        }
    }
}

/// The options of FAILOVER.
#[derive(Default)]
struct FailoverOptions {
    to: Option<(String, u16)>,
    force: bool,
    abort: bool,
    timeout_ms: Option<i64>,
}

fn failover(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let options = failover_options(&mut args)?;
    let underway = *cx.shared.role.failover.lock() != FailoverPhase::None;
    if options.abort {
        return match underway {
            true => Ok(Outcome::Ask(Job::Failover(Failover::Abort))),
            false => Err(CmdError::text("ERR No failover in progress.")),
        };
    }
    let refused = |text| Err(CmdError::text(text));
    if underway {
        return refused("ERR FAILOVER already in progress.");
    }
    if cx.shared.role.is_follower() {
        return refused("ERR FAILOVER is not valid when server is a replica.");
    }
    if cx.shared.followers.is_empty() {
        return refused("ERR FAILOVER requires connected replicas.");
    }
    if let Some((host, port)) = &options.to {
        let all = cx.shared.followers.all();
        let meant = all.iter().find(|f| f.ip == *host && f.port == *port);
        match meant.map(|follower| follower.phase()) {
            Some(FollowerPhase::Online) => {}
            Some(_) => return refused("ERR FAILOVER target replica is not online."),
            None => return refused("ERR FAILOVER target HOST and PORT is not a replica."),
        }
    }
    let bounded = options.timeout_ms.is_some() && options.to.is_some();
    if options.force && !bounded {
        return refused(
            "ERR FAILOVER with force option requires both a timeout and target HOST and IP.",
        );
    }
    Ok(Outcome::Ask(Job::Failover(Failover::Begin {
        to: options.to,
        force: options.force,
        timeout_ms: options.timeout_ms,
    })))
}

/// `[TO host port [FORCE]] [TIMEOUT ms]`, or ABORT alone; each word once, in any order.
fn failover_options(args: &mut Args) -> Result<FailoverOptions, CmdError> {
    let mut options = FailoverOptions::default();
    let alone = args.left() == 1;
    while !args.is_empty() {
        if options.timeout_ms.is_none() && args.left() > 1 && args.take("timeout") {
            let timeout_ms = args.i64();
            args.check()?;
            if timeout_ms <= 0 {
                return Err(CmdError::text(
                    "ERR FAILOVER timeout must be greater than 0",
                ));
            }
            options.timeout_ms = Some(timeout_ms);
        } else if alone && args.take("abort") {
            options.abort = true;
        } else if options.to.is_none() && args.left() > 2 && args.take("to") {
            let host = String::from_utf8_lossy(args.bytes()).into_owned();
            let port = args.i64();
            args.check()?;
            // No follower listens on a port that there is not: it will not be found.
            options.to = Some((host, u16::try_from(port).unwrap_or(0)));
        } else if !options.force && args.take("force") {
            options.force = true;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    Ok(options)
}

fn wait(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    if cx.shared.role.is_follower() {
        return Err(CmdError::text(
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis \
             4.0 if a replica is configured to be writable (which is not the default) writes to \
             replicas are just local and are not propagated.",
        ));
    }
    let followers = args.i64();
    let deadline_ms = wait_deadline(cx, &mut args)?;
    Ok(wait_for(cx, Kept::InMemory, followers, deadline_ms))
}

fn wait_aof(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let local = args.i64();
    args.check()?;
    if !(0..=1).contains(&local) {
        return Err(CmdError::text(
            "ERR value is out of range, value must between 0 and 1",
        ));
    }
    let negative = CmdError::text("ERR value is out of range, must be positive");
    let followers = args.i64_or(negative.clone());
    args.check()?;
    if followers < 0 {
        return Err(negative);
    }
    let deadline_ms = wait_deadline(cx, &mut args)?;
    if cx.shared.role.is_follower() {
        return Err(CmdError::text(
            "ERR WAITAOF cannot be used with replica instances. Please also note that writes to \
             replicas are just local and are not propagated.",
        ));
    }
    if local > 0 {
        return Err(CmdError::text(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    Ok(wait_for(cx, Kept::OnDisk, followers, deadline_ms))
}

/// The last argument: for how long, 0 for ever.
fn wait_deadline(cx: &Cx, args: &mut Args) -> Result<Option<i64>, CmdError> {
    let timeout_ms = args.i64_or(CmdError::text(
        "ERR timeout is not an integer or out of range",
    ));
    args.check()?;
    match timeout_ms {
        0 => Ok(None),
        ..0 => Err(CmdError::text("ERR timeout is negative")),
        1.. => match cx.now_ms().checked_add(timeout_ms) {
            Some(at_ms) => Ok(Some(at_ms)),
            None => Err(CmdError::text("ERR timeout is out of range")),
        },
    }
}

fn wait_for(cx: &mut Cx, kept: Kept, followers: i64, deadline_ms: Option<i64>) -> Outcome {
    let wanted = Wanted {
        offset: cx.session.written_offset,
        followers: usize::try_from(followers).unwrap_or(0),
        kept,
    };
    let count = cx.shared.followers.count(wanted.offset, kept);
    if count >= wanted.followers || cx.in_transaction {
        reply_kept(cx.reply, kept, count);
        return Outcome::Done;
    }
    Outcome::Wait {
        wanted,
        deadline_ms,
    }
}

/// The reply of WAIT and WAITAOF. Nothing is in a file of our own.
pub fn reply_kept(reply: &mut ReplyBuf, kept: Kept, followers: usize) {
    if kept == Kept::OnDisk {
        reply.array(2);
        reply.integer(0);
    }
    reply.integer(followers as i64);
}

/// Before PSYNC a follower tells of itself; behind it the replication thread listens.
fn replconf(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let words: Vec<&[u8]> = args.argv().iter().skip(1).collect();
    match introduce(&mut cx.session.follower, &words, false) {
        Replconf::Ok => cx.reply.ok(),
        Replconf::Error(text) => return Err(CmdError::made(text)),
        Replconf::Silent | Replconf::Ack | Replconf::GetAck => {}
    }
    Ok(Outcome::Done)
}

fn become_follower(_cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let request = args.argv().iter().map(Box::from).collect();
    Ok(Outcome::Become(Role::Follower { request }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use super::super::testing::{START_MS, TestServer};
    use super::*;
    use crate::shared::followers::Follower;

    #[track_caller]
    fn check_asks(server: &mut TestServer, line: &str, expect: Job) {
        server.check(line, "");
        match &server.outcome {
            Outcome::Ask(job) => assert_eq!(*job, expect, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }

    /// A server with one follower that has acknowledged up to `acked_offset`.
    fn leader(acked_offset: u64) -> TestServer {
        let server = TestServer::new();
        let follower = Follower::new(9, "127.0.0.1".to_owned(), 7000, START_MS);
        follower.set_phase(FollowerPhase::Online);
        follower.acked_offset.store(acked_offset, Ordering::Relaxed);
        server.shared.followers.add(Arc::new(follower));
        server
    }

    #[test]
    fn whom_to_follow() {
        let mut server = TestServer::new();
        check_asks(&mut server, "REPLICAOF no ONE", Job::ReplicaOf(None));
        let leader = Job::ReplicaOf(Some(("host".to_owned(), 6379)));
        check_asks(&mut server, "SLAVEOF host 6379", leader);
        assert!(server.shared.role.is_follower());
        assert_eq!(server.shared.role.link.lock().port, 6379);
        for port in ["x", "65536", "-1", ""] {
            let line = format!("REPLICAOF host '{port}'");
            server.check(&line, "-ERR Invalid master port");
        }
        *server.shared.role.failover.lock() = FailoverPhase::InProgress;
        let refused = "-ERR REPLICAOF not allowed while failing over.";
        server.check("REPLICAOF no one", refused);
    }

    #[test]
    fn failover_is_refused_in_many_ways() {
        let mut server = TestServer::new();
        for (options, error) in [
            ("", "FAILOVER requires connected replicas."),
            ("ABORT", "No failover in progress."),
            ("ABORT TIMEOUT 5", "syntax error"),
            ("TO host", "syntax error"),
            ("TO host x", "value is not an integer or out of range"),
            ("TIMEOUT", "syntax error"),
            ("TIMEOUT 0", "FAILOVER timeout must be greater than 0"),
            ("TIMEOUT 5 TIMEOUT 6", "syntax error"),
            ("none", "syntax error"),
        ] {
            server.check(&format!("FAILOVER {options}"), &format!("-ERR {error}"));
        }
        server.shared.role.set_follower(true);
        let refused = "-ERR FAILOVER is not valid when server is a replica.";
        server.check("FAILOVER", refused);
        let mut server = leader(0);
        server.check(
            "FAILOVER FORCE TIMEOUT 5",
            "-ERR FAILOVER with force option requires both a timeout and target HOST and IP.",
        );
        let nobody = "-ERR FAILOVER target HOST and PORT is not a replica.";
        server.check("FAILOVER TO 127.0.0.1 7001", nobody);
        server.shared.followers.all()[0].set_phase(FollowerPhase::SendBulk);
        let not_yet = "-ERR FAILOVER target replica is not online.";
        server.check("FAILOVER TO 127.0.0.1 7000", not_yet);
        *server.shared.role.failover.lock() = FailoverPhase::WaitForSync;
        server.check("FAILOVER", "-ERR FAILOVER already in progress.");
        check_asks(
            &mut server,
            "FAILOVER abort",
            Job::Failover(Failover::Abort),
        );
    }

    #[test]
    fn failover_to_a_follower() {
        let job = Job::Failover(Failover::Begin {
            to: Some(("127.0.0.1".to_owned(), 7000)),
            force: true,
            timeout_ms: Some(100),
        });
        let line = "FAILOVER TIMEOUT 100 TO 127.0.0.1 7000 FORCE";
        check_asks(&mut leader(0), line, job);
    }

    #[test]
    fn wait_counts_who_has_it() {
        let mut server = leader(0);
        server.check("WAIT 1 0", ":1");
        server.check("WAIT -1 5", ":1");
        server.session.written_offset = 10;
        server.check("WAIT 0 5", ":0");
        server.check("WAIT 1 5", "");
        let waits = Outcome::Wait {
            wanted: Wanted {
                offset: 10,
                followers: 1,
                kept: Kept::InMemory,
            },
            deadline_ms: Some(START_MS + 5),
        };
        assert_eq!(format!("{:?}", server.outcome), format!("{waits:?}"));
        server.check("WAIT 1 -1", "-ERR timeout is negative");
        let not_a_number = "-ERR timeout is not an integer or out of range";
        server.check("WAIT 1 x", not_a_number);
        server.check("WAIT x 1", "-ERR value is not an integer or out of range");
        let too_long = format!("WAIT 1 {}", i64::MAX);
        server.check(&too_long, "-ERR timeout is out of range");
    }

    #[test]
    fn no_file_of_ours_is_waited_for() {
        let mut server = leader(20);
        let text = "timeout is not an integer or out of range";
        for (args, error) in [
            ("x 0 0", "value is not an integer or out of range"),
            ("2 0 0", "value is out of range, value must between 0 and 1"),
            ("0 x 0", "value is out of range, must be positive"),
            ("1 -1 x", "value is out of range, must be positive"),
            ("1 0 x", text),
            ("1 0 -1", "timeout is negative"),
            (
                "1 0 0",
                "WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
            ),
        ] {
            server.check(&format!("WAITAOF {args}"), &format!("-ERR {error}"));
        }
        server.check("WAITAOF 0 0 0", "[:0, :1]");
        server.session.written_offset = 10;
        // Followers that have it in memory only do not count.
        server.check("WAITAOF 0 0 0", "[:0, :0]");
        server.check("WAITAOF 0 1 0", "");
        server.shared.role.set_follower(true);
        server.check(
            "WAITAOF 1 0 0",
            "-ERR WAITAOF cannot be used with replica instances. Please also note that writes to \
             replicas are just local and are not propagated.",
        );
    }

    #[test]
    fn a_follower_introduces_itself() {
        let mut server = TestServer::new();
        server.check("REPLCONF", "+OK");
        server.check("REPLCONF listening-port 7000 capa eof capa psync2", "+OK");
        assert_eq!(server.session.follower.listening_port, 7000);
        assert!(server.session.follower.psync2);
        server.check("REPLCONF ACK 5", "");
        server.check("REPLCONF GETACK *", "");
        server.check("REPLCONF a", "-ERR syntax error");
        server.check("REPLCONF a b", "-ERR Unrecognized REPLCONF option: a");
        server.check("PSYNC ? -1", "");
        let request = ["PSYNC", "?", "-1"].map(|word| word.as_bytes().into());
        let request = request.to_vec();
        match &server.outcome {
            Outcome::Become(role) => assert_eq!(*role, Role::Follower { request }),
            other => panic!("{other:?}"),
        }
    }
}
