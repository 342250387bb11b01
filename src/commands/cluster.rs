//! What clients of a cluster say. There is no cluster here, which they learn as from a Redis
//! that is in none; but READONLY and READWRITE mean to a follower what they mean to Valkey's.

use super::args::Args;
use super::cx::{Cx, Outcome};
use super::error::CmdError;
use super::spec::flag::{FAST, LOADING, STALE};
use super::spec::{Spec, category};
use crate::shared::clients::client_flag;

pub const COMMANDS: &[Spec] = &[
    // No subcommand does more than another.
    Spec::new("cluster", -2, STALE, 0, disabled),
    Spec::new("asking", 1, FAST, category::CONNECTION, disabled),
    Spec::new(
        "readonly",
        1,
        LOADING | STALE | FAST,
        category::CONNECTION,
        readonly,
    ),
    Spec::new(
        "readwrite",
        1,
        LOADING | STALE | FAST,
        category::CONNECTION,
        readwrite,
    ),
];

fn disabled(_cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    Err(CmdError::text(
        "ERR This instance has cluster support disabled",
    ))
}

/// From now on a follower answers this client's reads itself, where it would redirect them.
fn readonly(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    cx.session.facts.set(client_flag::READONLY, true);
    cx.reply.ok();
    Ok(Outcome::Done)
}

fn readwrite(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    cx.session.facts.set(client_flag::READONLY, false);
    cx.reply.ok();
    Ok(Outcome::Done)
}
