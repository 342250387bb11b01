//! What one client does to the others: all of them wait, or one waits no longer.

use crate::base::number::parse_i64;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::help;
use crate::shared::clients::Unblock;
use crate::shared::pause::PausedFor;

pub fn pause(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    if args.left() > 2 {
        return Err(help::wrong_shape(&args, "CLIENT"));
    }
    let timeout = args.bytes();
    let writes_only = args.take("WRITE");
    if !writes_only && !args.take("ALL") && !args.is_empty() {
        return Err(CmdError::text("ERR CLIENT PAUSE mode must be WRITE or ALL"));
    }
    let Some(timeout_ms) = parse_i64(timeout) else {
        return Err(CmdError::text(
            "ERR timeout is not an integer or out of range",
        ));
    };
    if timeout_ms < 0 {
        return Err(CmdError::text("ERR timeout is negative"));
    }
    let Some(until_ms) = cx.now_ms().checked_add(timeout_ms) else {
        return Err(CmdError::text("ERR timeout is out of range"));
    };
    let pause = &cx.shared.pause;
    pause.begin(PausedFor::Client, until_ms, writes_only, cx.now_ms());
    cx.reply.ok();
    Ok(Outcome::Done)
}

pub fn unpause(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    cx.shared.pause.end(PausedFor::Client);
    cx.reply.ok();
    Ok(Outcome::Done)
}

pub fn unblock(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    if args.left() > 2 {
        return Err(help::wrong_shape(&args, "CLIENT"));
    }
    let id = args.bytes();
    let how = if args.take("ERROR") {
        Unblock::Error
    } else if args.take("TIMEOUT") || args.is_empty() {
        Unblock::TimedOut
    } else {
        return Err(CmdError::text(
            "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
        ));
    };
    let id = parse_i64(id).ok_or(CmdError::NotInteger)?;
    let waiting = u64::try_from(id)
        .ok()
        .and_then(|id| cx.shared.clients.get(id));
    let unblocked = waiting.is_some_and(|facts| facts.unblock(how));
    cx.reply.integer(i64::from(unblocked));
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::{START_MS, TestServer};
    use crate::shared::clients::Unblock;

    fn wrong_shape(name: &str) -> String {
        format!(
            "-ERR unknown subcommand or wrong number of arguments for '{name}'. Try CLIENT HELP."
        )
    }

    #[test]
    fn a_pause_only_grows() {
        let mut server = TestServer::new();
        let holds = |server: &TestServer, is_write| server.shared.pause.holds(is_write, START_MS);
        server.check("CLIENT PAUSE 1000 write", "+OK");
        assert_eq!(holds(&server, true), Some(START_MS + 1000));
        assert_eq!(holds(&server, false), None);
        server.check("CLIENT PAUSE 500", "+OK");
        assert_eq!(holds(&server, false), Some(START_MS + 1000));
        server.check("CLIENT PAUSE 2000 WRITE", "+OK");
        assert_eq!(holds(&server, false), Some(START_MS + 2000));
        server.check("CLIENT UNPAUSE", "+OK");
        assert_eq!(holds(&server, true), None);
    }

    #[test]
    fn a_pause_that_is_none() {
        let mut server = TestServer::new();
        for (args, error) in [
            ("x", "ERR timeout is not an integer or out of range"),
            ("-1", "ERR timeout is negative"),
            ("9223372036854775807", "ERR timeout is out of range"),
            ("x foo", "ERR CLIENT PAUSE mode must be WRITE or ALL"),
        ] {
            server.check(&format!("CLIENT PAUSE {args}"), &format!("-{error}"));
        }
        server.check("CLIENT PAUSE 10 ALL x", &wrong_shape("PAUSE"));
        assert!(!server.shared.pause.is_on(START_MS));
    }

    #[test]
    fn only_who_waits_is_unblocked() {
        let mut server = TestServer::new();
        server.check("CLIENT UNBLOCK 1", ":0");
        server.check("CLIENT UNBLOCK 99 timeout", ":0");
        let facts = server.session.facts.clone();
        facts.begin_wait();
        server.check("CLIENT UNBLOCK 1 error", ":1");
        server.check("CLIENT UNBLOCK 1", ":0");
        assert_eq!(facts.take_unblock(), Some(Unblock::Error));
        facts.begin_wait();
        server.check("CLIENT UNBLOCK 1", ":1");
        facts.end_wait();
        assert_eq!(facts.take_unblock(), None);
        server.check(
            "CLIENT UNBLOCK x",
            "-ERR value is not an integer or out of range",
        );
        server.check(
            "CLIENT UNBLOCK 1 foo",
            "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
        );
        server.check("CLIENT UNBLOCK 1 error x", &wrong_shape("UNBLOCK"));
    }
}
