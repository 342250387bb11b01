//! COMMAND LIST.

use crate::base::glob;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::registry::{CommandId, Registry};
use crate::commands::spec::{Spec, category};

/// COMMAND LIST [FILTERBY (MODULE name | ACLCAT category | PATTERN pattern)]
pub fn list(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let filter = Filter::parse(args)?;
    let list = cx.reply.array_deferred();
    let mut len = 0;
    for (id, spec) in cx.registry.commands() {
        for id in with_subcommands(cx.registry, id, spec) {
            if filter.lets_pass(cx.registry, id) {
                cx.reply.bulk(cx.registry.full_name(id).as_bytes());
                len += 1;
            }
        }
    }
    cx.reply.finish_array(list, len);
    Ok(Outcome::Done)
}

fn with_subcommands<'a>(
    registry: &'a Registry,
    id: CommandId,
    spec: &'static Spec,
) -> impl Iterator<Item = CommandId> + use<'a> {
    let find = move |sub: &Spec| registry.find_sub(id, sub.name.as_bytes());
    std::iter::once(id).chain(spec.subcommands.iter().filter_map(find))
}

enum Filter<'a> {
    Everything,
    /// A module's commands; there are no modules.
    Nothing,
    Category(u32),
    Pattern(&'a [u8]),
}

impl<'a> Filter<'a> {
    fn parse(mut args: Args<'a>) -> Result<Filter<'a>, CmdError> {
        if args.is_empty() {
            return Ok(Filter::Everything);
        }
        if !args.take("filterby") {
            return Err(CmdError::Syntax);
        }
        let filter = if args.take("module") {
            args.bytes();
            Filter::Nothing
        } else if args.take("aclcat") {
            Filter::category(args.bytes())
        } else if args.take("pattern") {
            Filter::Pattern(args.bytes())
        } else {
            return Err(CmdError::Syntax);
        };
        args.finish()?;
        Ok(filter)
    }

    fn category(name: &[u8]) -> Filter<'a> {
        let mut names = category::NAMES.iter();
        match names.find(|(_, known)| name.eq_ignore_ascii_case(known.as_bytes())) {
            Some((bit, _)) => Filter::Category(*bit),
            None => Filter::Nothing,
        }
    }

    fn lets_pass(&self, registry: &Registry, id: CommandId) -> bool {
        match self {
            Filter::Everything => true,
            Filter::Nothing => false,
            Filter::Category(bit) => registry.get(id).spec.categories() & bit != 0,
            Filter::Pattern(pattern) => {
                glob::matches(pattern, registry.full_name(id).as_bytes(), true)
            }
        }
    }
}
