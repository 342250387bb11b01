//! The server as such: its clock, saving, ending, its role.

use std::sync::atomic::Ordering;

use super::args::Args;
use super::cx::{Cx, Job, Outcome, Shutdown};
use super::error::CmdError;
use super::spec::flag::{
    ADMIN, ALLOW_BUSY, FAST, LOADING, NO_ASYNC_LOADING, NO_MULTI, NOSCRIPT, READONLY, STALE,
};
use super::spec::{Spec, category};
use crate::base::clock;
use crate::shared::followers::FollowerPhase;

const SAVE: u32 = ADMIN | NOSCRIPT | NO_ASYNC_LOADING;
const NONDETERMINISTIC: &[&str] = &["nondeterministic_output"];

pub const COMMANDS: &[Spec] = &[
    Spec::new("time", 1, LOADING | STALE | FAST, 0, time).tips(NONDETERMINISTIC),
    Spec::new("save", 1, SAVE | NO_MULTI, 0, save),
    Spec::new("bgsave", -1, SAVE, 0, bgsave),
    Spec::new(
        "lastsave",
        1,
        LOADING | STALE | FAST,
        category::ADMIN | category::DANGEROUS,
        lastsave,
    )
    .tips(NONDETERMINISTIC),
    Spec::new(
        "shutdown",
        -1,
        ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | ALLOW_BUSY,
        0,
        shutdown,
    ),
    Spec::new(
        "role",
        1,
        NOSCRIPT | LOADING | STALE | FAST,
        category::ADMIN | category::DANGEROUS,
        role,
    ),
    Spec::new("lolwut", -1, READONLY | FAST, 0, lolwut),
];

fn time(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    let now_us = clock::unix_us();
    cx.reply.array(2);
    cx.reply.bulk_i64(now_us.div_euclid(1_000_000));
    cx.reply.bulk_i64(now_us.rem_euclid(1_000_000));
    Ok(Outcome::Done)
}

fn save(_cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    Ok(Outcome::Ask(Job::Save))
}

fn bgsave(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    // It asks to wait for the rewriting of a log, which there is none of here.
    args.take("schedule");
    args.finish()?;
    if cx.in_transaction && cx.shared.jobs.saves.is_running() {
        return Err(CmdError::text("ERR Background save already in progress"));
    }
    if cx.in_transaction {
        // It begins when the transaction is over.
        cx.shared
            .jobs
            .saves
            .scheduled
            .store(true, Ordering::Relaxed);
        cx.shared.jobs.saves.wanted.notify_one();
        cx.reply.simple("Background saving scheduled");
        return Ok(Outcome::Done);
    }
    Ok(Outcome::Ask(Job::BackgroundSave))
}

fn lastsave(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    cx.reply.integer(cx.shared.last_save_unix_s());
    Ok(Outcome::Done)
}

fn shutdown(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let mut options = Shutdown::default();
    let mut abort = false;
    let alone = args.left() == 1;
    while !args.is_empty() {
        if args.take("nosave") {
            options.no_save = true;
        } else if args.take("save") {
            options.save = true;
        } else if args.take("now") {
            options.now = true;
        } else if args.take("force") {
            options.force = true;
        } else if alone && args.take("abort") {
            abort = true;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    if options.save && options.no_save {
        return Err(CmdError::Syntax);
    }
    if abort {
        return Ok(Outcome::Ask(Job::CancelShutdown));
    }
    let loading = &cx.shared.jobs.loading;
    if loading.is_active() && !loading.is_aside.load(Ordering::Relaxed) {
        // What is in memory is only a part of what is in the file.
        (options.save, options.no_save) = (false, true);
    }
    Ok(Outcome::Ask(Job::Shutdown(options)))
}

fn role(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    let role = &cx.shared.role;
    let end_offset = cx.shared.oplog.end_offset() as i64;
    if role.is_follower() {
        let link = role.link.lock().clone();
        cx.reply.array(5);
        cx.reply.bulk(b"slave");
        cx.reply.bulk(link.host.as_bytes());
        cx.reply.integer(i64::from(link.port));
        cx.reply.bulk(link.phase.name().as_bytes());
        let offset = if role.is_link_up() { end_offset } else { -1 };
        cx.reply.integer(offset);
        return Ok(Outcome::Done);
    }
    let mut followers = cx.shared.followers.all();
    followers.retain(|follower| follower.phase() == FollowerPhase::Online);
    cx.reply.array(3);
    cx.reply.bulk(b"master");
    cx.reply.integer(end_offset);
    cx.reply.array(followers.len());
    for follower in followers {
        cx.reply.array(3);
        cx.reply.bulk(follower.ip.as_bytes());
        cx.reply.bulk_i64(i64::from(follower.port));
        let acked_offset = follower.acked_offset.load(Ordering::Relaxed);
        cx.reply.bulk_fmt(acked_offset);
    }
    Ok(Outcome::Done)
}

/// Those who walk in lockstep leave the same prints.
fn lolwut(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    const STEPS: usize = 12;
    if args.take("version") {
        // Redis draws another picture for each of its versions; there is one here.
        args.i64();
        args.check()?;
    }
    let mut picture = String::new();
    for who in ["leader  ", "follower", "follower"] {
        picture.push_str(who);
        for step in 0..STEPS {
            picture.push_str(if step % 2 == 0 { "  '." } else { "  .'" });
        }
        picture.push('\n');
    }
    let version = env!("CARGO_PKG_VERSION");
    picture.push_str(&format!("\nLockstep ver. {version}\n"));
    cx.reply.verbatim("txt", picture.as_bytes());
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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

    #[test]
    fn saving_is_left_to_tasks() {
        let mut server = TestServer::new();
        check_asks(&mut server, "SAVE", Job::Save);
        check_asks(&mut server, "BGSAVE", Job::BackgroundSave);
        check_asks(&mut server, "BGSAVE schedule", Job::BackgroundSave);
        server.check("BGSAVE now", "-ERR syntax error");
        server.check("BGSAVE SCHEDULE SCHEDULE", "-ERR syntax error");
        server.check("LASTSAVE", ":1700000000");
        server.shared.jobs.saves.begin(START_MS);
        server.shared.jobs.saves.end(START_MS + 7000, true);
        server.check("LASTSAVE", ":1700000007");
    }

    #[test]
    fn ways_to_end() {
        let mut server = TestServer::new();
        check_asks(&mut server, "SHUTDOWN", Job::Shutdown(Shutdown::default()));
        check_asks(&mut server, "SHUTDOWN abort", Job::CancelShutdown);
        let options = Shutdown {
            no_save: true,
            now: true,
            force: true,
            ..Shutdown::default()
        };
        let line = "SHUTDOWN NOSAVE FORCE now nosave";
        check_asks(&mut server, line, Job::Shutdown(options));
        for wrong in ["SAVE NOSAVE", "ABORT NOW", "NOW ABORT", "later"] {
            server.check(&format!("SHUTDOWN {wrong}"), "-ERR syntax error");
        }
        server.shared.jobs.loading.begin(START_MS, 1);
        let options = Shutdown {
            no_save: true,
            ..Shutdown::default()
        };
        check_asks(&mut server, "SHUTDOWN SAVE", Job::Shutdown(options));
    }

    #[test]
    fn both_roles() {
        let mut server = TestServer::new();
        server.check("ROLE", r#"["master", :0, []]"#);
        for port in [7000, 7001] {
            let follower = Follower::new(port, "10.0.0.1".to_owned(), port as u16, START_MS);
            follower.acked_offset.store(5, Ordering::Relaxed);
            server.shared.followers.add(Arc::new(follower));
        }
        server.shared.followers.all()[1].set_phase(FollowerPhase::Online);
        let expect = r#"["master", :0, [["10.0.0.1", "7001", "5"]]]"#;
        server.check("ROLE", expect);
        server.shared.role.set_follower(true);
        server.check("ROLE", r#"["slave", "", :0, "none", :-1]"#);
        server.shared.role.set_link_up(true);
        server.check("ROLE", r#"["slave", "", :0, "none", :0]"#);
    }

    #[test]
    fn the_clock_has_microseconds() {
        let reply = TestServer::new().run("TIME");
        let digits: Vec<&str> = reply.split('"').collect();
        assert_eq!((digits[1].len(), digits.len()), (10, 5), "{reply}");
    }
}
