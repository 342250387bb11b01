//! COMMAND GETKEYS, COMMAND GETKEYSANDFLAGS.

use super::info::access_set;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::registry::Registry;
use crate::commands::spec::{KeyRef, Spec, access, flag};
use crate::resp::argv::Argv;

/// COMMAND GETKEYS command [arg ...]
pub fn get_keys(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let call = inner_call(&args);
    let keys = find_keys(cx.registry, call)?;
    cx.reply.array(keys.len());
    for key in keys {
        cx.reply.bulk(call.get(key.arg));
    }
    Ok(Outcome::Done)
}

/// COMMAND GETKEYSANDFLAGS command [arg ...]
pub fn get_keys_and_flags(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let call = inner_call(&args);
    let keys = find_keys(cx.registry, call)?;
    cx.reply.array(keys.len());
    for key in keys {
        cx.reply.array(2);
        cx.reply.bulk(call.get(key.arg));
        access_set(cx.reply, key.access & !access::VARIABLE_FLAGS);
    }
    Ok(Outcome::Done)
}

/// The command that is asked about: what follows `COMMAND GETKEYS`.
fn inner_call<'a>(args: &Args<'a>) -> Argv<'a> {
    let Argv { bytes, ranges } = args.argv();
    let ranges = ranges.get(2..).unwrap_or_default();
    Argv { bytes, ranges }
}

fn find_keys(registry: &Registry, call: Argv) -> Result<Vec<KeyRef>, CmdError> {
    let Some(spec) = find_spec(registry, call) else {
        return Err(CmdError::text("ERR Invalid command specified"));
    };
    let by_specs = spec.keys.iter().any(|keys| is_key(keys.access));
    if !by_specs && spec.keys_from.is_none() {
        return Err(CmdError::text("ERR The command has no key arguments"));
    }
    if !spec.arity_fits(call.len()) {
        return Err(CmdError::text(
            "ERR Invalid number of arguments specified for command",
        ));
    }
    let mut keys = Vec::new();
    if spec.all_specs_fit(call) {
        spec.keys_of(call, &mut keys);
    }
    keys.retain(|key| is_key(key.access));
    if keys.is_empty() && !spec.has(flag::NO_MANDATORY_KEYS) {
        return Err(CmdError::text(
            "ERR Invalid arguments specified for command",
        ));
    }
    Ok(keys)
}

/// Channels are found like keys, for clusters; here they do not count.
fn is_key(access: u16) -> bool {
    access & access::NOT_KEY == 0
}

fn find_spec(registry: &Registry, call: Argv) -> Option<&'static Spec> {
    let mut id = registry.find(call.get(0))?;
    if call.len() > 1 && !registry.get(id).spec.subcommands.is_empty() {
        id = registry.find_sub(id, call.get(1))?;
    }
    Some(registry.get(id).spec)
}
