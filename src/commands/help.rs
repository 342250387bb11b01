//! What the containers (CLIENT, PUBSUB, ...) have in common: HELP, and the errors of calls
//! that fit no subcommand.

use super::args::Args;
use super::cx::{Cx, Outcome};
use super::error::CmdError;
use crate::resp::template::{QUOTED_MAX, first_of};

/// Answers HELP: `lines` between the head and the tail that all containers share. A line
/// that explains the one above it begins with four blanks.
pub fn reply(cx: &mut Cx, container: &str, lines: &[&str]) -> Result<Outcome, CmdError> {
    cx.reply.array(lines.len() + 3);
    cx.reply.simple(&format!(
        "{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    ));
    for line in lines.iter().chain(&["HELP", "    Print this help."]) {
        cx.reply.simple(line);
    }
    Ok(Outcome::Done)
}

/// A subcommand with too many arguments, where its arity cannot tell.
pub fn wrong_shape(args: &Args, container: &str) -> CmdError {
    CmdError::quoting(
        "ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP.",
        &[
            first_of(args.argv().get(1), QUOTED_MAX),
            container.as_bytes(),
        ],
    )
}

/// The handler of a container itself: its arity asks for a subcommand, so no call gets here.
pub fn no_subcommand(_cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    Err(CmdError::Syntax)
}
