//! CONFIG. What the directives are and how they change stands in `crate::config`.

use super::args::Args;
use super::cx::{Cx, Job, Outcome};
use super::error::CmdError;
use super::help;
use super::spec::Spec;
use super::spec::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use crate::config::{SetContext, SetError};

const FLAGS: u32 = ADMIN | NOSCRIPT | LOADING | STALE;

/// In a cluster it is said to all nodes.
const TO_ALL_NODES: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

pub const COMMANDS: &[Spec] = &[
    Spec::new("config", -2, 0, 0, help::no_subcommand).subcommands(&[
        Spec::new("get", -3, FLAGS, 0, get),
        Spec::new("set", -4, FLAGS, 0, set).tips(TO_ALL_NODES),
        Spec::new("resetstat", 2, FLAGS, 0, resetstat).tips(TO_ALL_NODES),
        Spec::new("rewrite", 2, FLAGS, 0, rewrite).tips(TO_ALL_NODES),
        Spec::new("help", 2, LOADING | STALE, 0, help),
    ]),
];

fn get(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let mut patterns = Vec::with_capacity(args.left());
    while let Some(pattern) = args.next() {
        patterns.push(pattern);
    }
    let found = cx.shared.config.get(&patterns);
    cx.reply.map(found.len());
    for (name, value) in found {
        cx.reply.bulk(&name);
        cx.reply.bulk(&value);
    }
    Ok(Outcome::Done)
}

fn set(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    if !args.left().is_multiple_of(2) {
        return Err(CmdError::Syntax);
    }
    let mut pairs = Vec::with_capacity(args.left() / 2);
    while let Some(name) = args.next() {
        pairs.push((name, args.bytes()));
    }
    let context = SetContext {
        local_client: cx.session.facts.is_local(),
        loading: cx.shared.jobs.loading.is_active(),
    };
    match cx.shared.config.set(&pairs, &context) {
        Ok(()) => cx.reply.ok(),
        Err(SetError::Loading) => return Err(CmdError::Loading),
        Err(error) => return Err(CmdError::made(error.message())),
    }
    Ok(Outcome::Done)
}

fn resetstat(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    cx.shared.stats.reset();
    cx.shared.eviction.reset();
    cx.shared.followers.full_syncs.reset();
    cx.reply.ok();
    Ok(Outcome::Done)
}

fn rewrite(_cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    Ok(Outcome::Ask(Job::RewriteConfig { all: false }))
}

fn help(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    let lines = [
        "GET <pattern> [<pattern> ...]",
        "    Show the directives whose names match, with their values.",
        "SET <directive> <value> [<directive> <value> ...]",
        "    Change directives: all of them, or none if one is refused.",
        "RESETSTAT",
        "    Set the counters that INFO shows to zero.",
        "REWRITE",
        "    Write the present values into the configuration file.",
    ];
    help::reply(cx, "CONFIG", &lines)
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestServer;
    use super::*;

    #[test]
    fn get_finds_each_directive_once() {
        let mut server = TestServer::new();
        server.check("CONFIG GET maxclients", r#"["maxclients", "10000"]"#);
        server.check(
            "CONFIG GET maxclient? MAXCLIENTS",
            r#"["maxclients", "10000"]"#,
        );
        server.check("CONFIG GET none", "[]");
        TestServer::resp3().check("CONFIG GET maxclients", r#"{"maxclients": "10000"}"#);
    }

    #[test]
    fn set_is_all_or_nothing() {
        let mut server = TestServer::new();
        server.check("CONFIG SET timeout 7 repl-timeout 8", "+OK");
        server.check("CONFIG GET timeout", r#"["timeout", "7"]"#);
        server.check(
            "CONFIG SET timeout 9 repl-timeout no",
            "-ERR CONFIG SET failed (possibly related to argument 'repl-timeout') - argument \
             couldn't be parsed into an integer",
        );
        server.check("CONFIG GET timeout", r#"["timeout", "7"]"#);
        server.check("CONFIG SET timeout 9 repl-timeout", "-ERR syntax error");
        server.check(
            "CONFIG SET none 1",
            "-ERR Unknown option or number of arguments for CONFIG SET - 'none'",
        );
    }

    #[test]
    fn rewriting_is_left_to_a_task() {
        let mut server = TestServer::new();
        server.check("CONFIG REWRITE", "");
        assert!(matches!(
            server.outcome,
            Outcome::Ask(Job::RewriteConfig { all: false })
        ));
    }
}
