//! The server as such: its clock, saving, ending, its role, slow commands and latencies.

use std::sync::atomic::Ordering;

use super::args::Args;
use super::cx::{Cx, Job, Outcome, Shutdown};
use super::error::CmdError;
use super::help;
use super::registry::CommandId;
use super::spec::flag::{
    ADMIN, ALLOW_BUSY, FAST, LOADING, NO_ASYNC_LOADING, NO_MULTI, NOSCRIPT, READONLY, STALE,
};
use super::spec::{Spec, category};
use crate::base::clock;
use crate::shared::followers::FollowerPhase;

const SAVE: u32 = ADMIN | NOSCRIPT | NO_ASYNC_LOADING;
const ASK: u32 = ADMIN | LOADING | STALE;
const HELP: u32 = LOADING | STALE;
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
    Spec::new("slowlog", -2, 0, 0, help::no_subcommand).subcommands(SLOWLOG),
    Spec::new("latency", -2, 0, 0, help::no_subcommand).subcommands(LATENCY),
    Spec::new("lolwut", -1, READONLY | FAST, 0, lolwut),
];

const SLOWLOG: &[Spec] = &[
    Spec::new("get", -2, ASK, 0, slowlog_get)
        .tips(&["request_policy:all_nodes", "nondeterministic_output"]),
    Spec::new("len", 2, ASK, 0, slowlog_len).tips(&[
        "request_policy:all_nodes",
        "response_policy:agg_sum",
        "nondeterministic_output",
    ]),
    Spec::new("reset", 2, ASK, 0, slowlog_reset)
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    Spec::new("help", 2, HELP, 0, slowlog_help),
];

const LATENCY: &[Spec] = &[
    Spec::new("histogram", -2, ASK | NOSCRIPT, 0, latency_histogram).tips(&[
        "nondeterministic_output",
        "request_policy:all_nodes",
        "response_policy:special",
    ]),
    Spec::new("help", 2, HELP, 0, latency_help),
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
    let schedule = args.take("schedule");
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
    Ok(Outcome::Ask(Job::BackgroundSave { schedule }))
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

/// So many slow commands are shown unless another number is asked for.
const SLOWLOG_SHOWN: usize = 10;

fn slowlog_get(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    if args.left() > 1 {
        return Err(help::wrong_shape(&args, "SLOWLOG"));
    }
    let mut count = SLOWLOG_SHOWN;
    if !args.is_empty() {
        let wrong = CmdError::text("ERR count should be greater than or equal to -1");
        let asked = args.i64_or(wrong.clone());
        args.finish()?;
        count = match asked {
            -1 => usize::MAX,
            _ => usize::try_from(asked).map_err(|_| wrong)?,
        };
    }
    let entries = cx.shared.slowlog.latest(count);
    cx.reply.array(entries.len());
    for entry in entries {
        cx.reply.array(6);
        cx.reply.integer(entry.id as i64);
        cx.reply.integer(entry.unix_seconds);
        cx.reply.integer(entry.microseconds as i64);
        cx.reply.array(entry.args.len());
        entry.args.iter().for_each(|arg| cx.reply.bulk(arg));
        cx.reply.bulk(entry.client_address.as_bytes());
        cx.reply.bulk(entry.client_name.as_bytes());
    }
    Ok(Outcome::Done)
}

fn slowlog_len(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    cx.reply.integer(cx.shared.slowlog.len() as i64);
    Ok(Outcome::Done)
}

fn slowlog_reset(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    cx.shared.slowlog.clear();
    cx.reply.ok();
    Ok(Outcome::Done)
}

fn slowlog_help(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    let lines = [
        "GET [<count>]",
        "    Show the latest slow commands, newest first: 10, or <count>, or all for -1. Each",
        "    has an id, the time it ran, how many microseconds it took, its arguments, and the",
        "    address and the name of its client.",
        "LEN",
        "    Say how many slow commands are kept.",
        "RESET",
        "    Forget them.",
    ];
    help::reply(cx, "SLOWLOG", &lines)
}

/// LATENCY HISTOGRAM: of the named commands, or of all that were called.
fn latency_histogram(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let registry = cx.registry;
    let mut ids: Vec<CommandId> = Vec::new();
    if args.is_empty() {
        ids.extend(0..registry.len() as CommandId);
    }
    while let Some(name) = args.next() {
        let Some(id) = registry.find_full(name) else {
            continue;
        };
        // A container stands for its subcommands.
        let all = 0..registry.len() as CommandId;
        let own = all.filter(|&sub| sub == id || registry.get(sub).container == Some(id));
        ids.extend(own);
    }
    let map = cx.reply.map_deferred();
    let mut shown = 0;
    for id in ids {
        let spread = cx.shared.stats.latencies(usize::from(id));
        if spread.total() == 0 {
            continue;
        }
        shown += 1;
        cx.reply.bulk(registry.full_name(id).as_bytes());
        cx.reply.map(2);
        cx.reply.bulk(b"calls");
        cx.reply.integer(spread.total() as i64);
        cx.reply.bulk(b"histogram_usec");
        let steps = spread.cumulative();
        cx.reply.map(steps.len());
        for (microseconds, calls) in steps {
            cx.reply.integer(microseconds as i64);
            cx.reply.integer(calls as i64);
        }
    }
    cx.reply.finish_map(map, shown);
    Ok(Outcome::Done)
}

fn latency_help(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    let lines = [
        "HISTOGRAM [<command> ...]",
        "    Show for 1, 2, 4, ... microseconds how many calls of a command took less: of the",
        "    named commands, or of all that were called.",
    ];
    help::reply(cx, "LATENCY", &lines)
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
    use crate::shared::slowlog::SlowCommand;

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
        check_asks(
            &mut server,
            "BGSAVE",
            Job::BackgroundSave { schedule: false },
        );
        check_asks(
            &mut server,
            "BGSAVE schedule",
            Job::BackgroundSave { schedule: true },
        );
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
    fn slow_commands_newest_first() {
        let mut server = TestServer::new();
        server.check("SLOWLOG GET", "[]");
        for microseconds in 0..12 {
            let slow = SlowCommand {
                id: 0,
                unix_seconds: 9,
                microseconds,
                args: vec![b"GET"[..].into(), b"a"[..].into()],
                client_address: "1.2.3.4:5".to_owned(),
                client_name: "me".to_owned(),
            };
            server.shared.slowlog.add(slow, 128);
        }
        let newest = r#"[:11, :9, :11, ["GET", "a"], "1.2.3.4:5", "me"]"#;
        server.check("SLOWLOG GET 1", &format!("[{newest}]"));
        server.check("SLOWLOG LEN", ":12");
        let count = |reply: String| reply.matches("1.2.3.4").count();
        assert_eq!(count(server.run("SLOWLOG GET")), 10);
        assert_eq!(count(server.run("SLOWLOG GET -1")), 12);
        for wrong in ["-2", "x"] {
            let line = format!("SLOWLOG GET {wrong}");
            server.check(&line, "-ERR count should be greater than or equal to -1");
        }
        server.check("SLOWLOG RESET", "+OK");
        server.check("SLOWLOG LEN", ":0");
    }

    #[test]
    fn histograms_of_what_was_called() {
        let mut server = TestServer::resp3();
        server.check("LATENCY HISTOGRAM", "{}");
        let id = usize::from(server.registry.find_full(b"config|get").unwrap());
        for microseconds in [0, 3, 3] {
            server.shared.stats.thread(0).costs[id].track(microseconds, 1);
        }
        let expect = r#"{"config|get": {"calls": :3, "histogram_usec": {:1: :1, :4: :3}}}"#;
        server.check("LATENCY HISTOGRAM", expect);
        server.check("LATENCY HISTOGRAM config", expect);
        server.check("LATENCY HISTOGRAM none CONFIG|GET", expect);
        server.check("LATENCY HISTOGRAM config|set", "{}");
    }

    #[test]
    fn the_clock_has_microseconds() {
        let reply = TestServer::new().run("TIME");
        let digits: Vec<&str> = reply.split('"').collect();
        assert_eq!((digits[1].len(), digits.len()), (10, 5), "{reply}");
    }
}
