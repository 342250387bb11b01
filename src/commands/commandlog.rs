//! SLOWLOG and COMMANDLOG: the latest commands that were slow or large.

use super::args::Args;
use super::cx::{Cx, Outcome};
use super::error::CmdError;
use super::help;
use super::spec::Spec;
use super::spec::flag::{ADMIN, LOADING, STALE};
use crate::shared::commandlog::Reason;

const ASK: u32 = ADMIN | LOADING | STALE;
const HELP: u32 = LOADING | STALE;

const SHOWN: &[&str] = &["request_policy:all_nodes", "nondeterministic_output"];
const COUNTED: &[&str] = &[
    "request_policy:all_nodes",
    "response_policy:agg_sum",
    "nondeterministic_output",
];
const RESET: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

pub const COMMANDS: &[Spec] = &[
    Spec::new("slowlog", -2, 0, 0, help::no_subcommand).subcommands(SLOWLOG),
    Spec::new("commandlog", -2, 0, 0, help::no_subcommand).subcommands(COMMANDLOG),
];

const SLOWLOG: &[Spec] = &[
    Spec::new("get", -2, ASK, 0, slowlog_get).tips(SHOWN),
    Spec::new("len", 2, ASK, 0, slowlog_len).tips(COUNTED),
    Spec::new("reset", 2, ASK, 0, slowlog_reset).tips(RESET),
    Spec::new("help", 2, HELP, 0, slowlog_help),
];

const COMMANDLOG: &[Spec] = &[
    Spec::new("get", 4, ASK, 0, get).tips(SHOWN),
    Spec::new("help", 2, HELP, 0, print_help),
    Spec::new("len", 3, ASK, 0, len).tips(COUNTED),
    Spec::new("reset", 3, ASK, 0, reset).tips(RESET),
];

/// So many slow commands are shown unless another number is asked for.
const SLOWLOG_SHOWN: usize = 10;

fn slowlog_get(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    if args.left() > 1 {
        return Err(help::wrong_shape(&args, "SLOWLOG"));
    }
    let count = match args.is_empty() {
        true => SLOWLOG_SHOWN,
        false => asked_count(&mut args)?,
    };
    show(cx, Reason::Slow, count);
    Ok(Outcome::Done)
}

fn slowlog_len(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    let len = cx.shared.commandlog.of(Reason::Slow).len();
    cx.reply.integer(len as i64);
    Ok(Outcome::Done)
}

fn slowlog_reset(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    cx.shared.commandlog.of(Reason::Slow).clear();
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

fn get(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let count = asked_count(&mut args)?;
    let reason = asked_reason(&mut args)?;
    show(cx, reason, count);
    Ok(Outcome::Done)
}

fn len(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let log = cx.shared.commandlog.of(asked_reason(&mut args)?);
    cx.reply.integer(log.len() as i64);
    Ok(Outcome::Done)
}

fn reset(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    cx.shared.commandlog.of(asked_reason(&mut args)?).clear();
    cx.reply.ok();
    Ok(Outcome::Done)
}

fn print_help(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    let lines = [
        "GET <count> <type>",
        "    Show the latest <count> commands of a log, newest first, or all for -1. Each has",
        "    an id, the time it ran, how many microseconds it took (SLOW) or how many bytes it",
        "    had (LARGE-REQUEST, LARGE-REPLY), its arguments, and the address and the name of",
        "    its client.",
        "LEN <type>",
        "    Say how many commands a log keeps.",
        "RESET <type>",
        "    Forget them.",
    ];
    help::reply(cx, "COMMANDLOG", &lines)
}

/// A number of commands; -1 stands for all.
fn asked_count(args: &mut Args) -> Result<usize, CmdError> {
    let wrong = CmdError::text("ERR count should be greater than or equal to -1");
    let asked = args.i64_or(wrong.clone());
    args.check()?;
    match asked {
        -1 => Ok(usize::MAX),
        _ => usize::try_from(asked).map_err(|_| wrong),
    }
}

fn asked_reason(args: &mut Args) -> Result<Reason, CmdError> {
    let reason = Reason::named(args.bytes());
    reason.ok_or(CmdError::text(
        "ERR type should be one of the following: slow, large-request, large-reply",
    ))
}

fn show(cx: &mut Cx, reason: Reason, count: usize) {
    let entries = cx.shared.commandlog.of(reason).latest(count);
    cx.reply.array(entries.len());
    for entry in entries {
        cx.reply.array(6);
        cx.reply.integer(entry.id as i64);
        cx.reply.integer(entry.unix_seconds);
        cx.reply.integer(entry.amount as i64);
        cx.reply.array(entry.args.len());
        entry.args.iter().for_each(|arg| cx.reply.bulk(arg));
        cx.reply.bulk(entry.client_address.as_bytes());
        cx.reply.bulk(entry.client_name.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestServer;
    use super::*;
    use crate::shared::commandlog::LoggedCommand;

    fn add(server: &TestServer, reason: Reason, amount: u64) {
        let entry = LoggedCommand {
            id: 0,
            unix_seconds: 9,
            amount,
            args: vec![b"GET"[..].into(), b"a"[..].into()],
            client_address: "1.2.3.4:5".to_owned(),
            client_name: "me".to_owned(),
        };
        server.shared.commandlog.of(reason).add(entry, 128);
    }

    #[test]
    fn slow_commands_newest_first() {
        let mut server = TestServer::new();
        server.check("SLOWLOG GET", "[]");
        (0..12).for_each(|microseconds| add(&server, Reason::Slow, microseconds));
        let newest = r#"[:11, :9, :11, ["GET", "a"], "1.2.3.4:5", "me"]"#;
        server.check("SLOWLOG GET 1", &format!("[{newest}]"));
        server.check("SLOWLOG LEN", ":12");
        server.check("COMMANDLOG LEN slow", ":12");
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
    fn each_reason_has_a_log() {
        let mut server = TestServer::new();
        add(&server, Reason::LargeReply, 7);
        server.check(
            "COMMANDLOG GET -1 Large-Reply",
            r#"[[:0, :9, :7, ["GET", "a"], "1.2.3.4:5", "me"]]"#,
        );
        server.check("COMMANDLOG GET 5 slow", "[]");
        server.check("COMMANDLOG LEN large-request", ":0");
        let unknown = "-ERR type should be one of the following: slow, large-request, large-reply";
        for wrong in ["GET 1 foo", "LEN foo", "RESET foo"] {
            server.check(&format!("COMMANDLOG {wrong}"), unknown);
        }
        let count = "-ERR count should be greater than or equal to -1";
        server.check("COMMANDLOG GET x slow", count);
        server.check("COMMANDLOG RESET large-request", "+OK");
        server.check("COMMANDLOG LEN large-reply", ":1");
        server.check("COMMANDLOG RESET large-reply", "+OK");
        server.check("COMMANDLOG LEN large-reply", ":0");
    }
}
