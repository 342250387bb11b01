//! COMMAND: what the server tells about its own commands, all of it read from the tables
//! of `Spec`s and from `docs`.

/// COMMAND, COMMAND COUNT, COMMAND INFO.
mod info;

/// COMMAND DOCS.
mod describe;

/// COMMAND LIST.
mod list;

/// COMMAND GETKEYS, COMMAND GETKEYSANDFLAGS.
mod keys;

use super::args::Args;
use super::cx::{Cx, Outcome};
use super::error::CmdError;
use super::spec::Spec;
use super::spec::category::CONNECTION;
use super::spec::flag::{LOADING, STALE};

const ANY_TIME: u32 = LOADING | STALE;
const UNORDERED: &[&str] = &["nondeterministic_output_order"];

pub const COMMANDS: &[Spec] = &[Spec::new("command", -1, ANY_TIME, CONNECTION, info::all)
    .tips(UNORDERED)
    .subcommands(SUBCOMMANDS)];

const SUBCOMMANDS: &[Spec] = &[
    Spec::new("count", 2, ANY_TIME, CONNECTION, info::count),
    Spec::new("docs", -2, ANY_TIME, CONNECTION, describe::docs).tips(UNORDERED),
    Spec::new("getkeys", -3, ANY_TIME, CONNECTION, keys::get_keys),
    Spec::new(
        "getkeysandflags",
        -3,
        ANY_TIME,
        CONNECTION,
        keys::get_keys_and_flags,
    ),
    Spec::new("help", 2, ANY_TIME, CONNECTION, help),
    Spec::new("info", -2, ANY_TIME, CONNECTION, info::info).tips(UNORDERED),
    Spec::new("list", -2, ANY_TIME, CONNECTION, list::list).tips(UNORDERED),
];

fn help(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    super::help::reply(
        cx,
        "COMMAND",
        &[
            "(no subcommand)",
            "    Describe all commands.",
            "COUNT",
            "    Tell how many commands there are.",
            "DOCS [<command-name> ...]",
            "    Give the documentation of these commands, or of all.",
            "GETKEYS <full-command>",
            "    List the keys among the arguments of a command.",
            "GETKEYSANDFLAGS <full-command>",
            "    List them with what the command does to each.",
            "INFO [<command-name> ...]",
            "    Describe these commands, or all.",
            "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
            "    List the names of all commands, or of those that the filter lets pass.",
        ],
    )
}

#[cfg(test)]
mod tests;
