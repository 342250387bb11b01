//! COMMAND DOCS.

use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::docs::arg::Arg;
use crate::commands::docs::{self, Doc};
use crate::commands::error::CmdError;
use crate::commands::registry::{CommandId, Registry};
use crate::resp::reply::{Deferred, ReplyBuf};

/// COMMAND DOCS [command-name ...]; names that are no command's are left out.
pub fn docs(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let registry = cx.registry;
    let mut all = Fields::begin(cx.reply);
    if args.is_empty() {
        for (id, _) in registry.commands() {
            command(&mut all, registry, id);
        }
    }
    while let Some(name) = args.next() {
        if let Some(id) = registry.find_full(name) {
            command(&mut all, registry, id);
        }
    }
    all.end();
    Ok(Outcome::Done)
}

fn command(all: &mut Fields, registry: &Registry, id: CommandId) {
    let known = registry.get(id);
    let own_name = known.spec.name;
    let found = match known.container {
        None => docs::find(own_name, None),
        Some(container) => docs::find(registry.get(container).spec.name, Some(own_name)),
    };
    if let Some((group, doc)) = found {
        let full_name = registry.full_name(id);
        describe(all.field(full_name), full_name, group, doc);
    }
}

fn describe(reply: &mut ReplyBuf, full_name: &str, group: &str, doc: &Doc) {
    let mut fields = Fields::begin(reply);
    fields.text("summary", doc.summary);
    fields.text("since", doc.since);
    fields.text("group", group);
    fields.text("complexity", doc.complexity);
    fields.flags(
        "doc_flags",
        &[
            (doc.deprecated.is_some(), "deprecated"),
            (doc.internal, "syscmd"),
        ],
    );
    if let Some((since, replaced_by)) = doc.deprecated {
        fields.text("deprecated_since", since);
        fields.text("replaced_by", replaced_by);
    }
    if !doc.history.is_empty() {
        let reply = fields.field("history");
        reply.set(doc.history.len());
        for (version, change) in doc.history {
            reply.array(2);
            reply.bulk(version.as_bytes());
            reply.bulk(change.as_bytes());
        }
    }
    fields.arguments(doc.arguments);
    if !doc.subcommands.is_empty() {
        let reply = fields.field("subcommands");
        reply.map(doc.subcommands.len());
        for sub in doc.subcommands {
            let sub_name = format!("{full_name}|{}", sub.name);
            reply.bulk(sub_name.as_bytes());
            describe(reply, &sub_name, group, sub);
        }
    }
    fields.end();
}

fn describe_argument(reply: &mut ReplyBuf, arg: &Arg) {
    let mut fields = Fields::begin(reply);
    fields.text("name", arg.name);
    fields.text("type", arg.kind.word());
    fields.text("display_text", arg.display_text);
    if let Some(key_spec) = arg.key_spec {
        fields.field("key_spec_index").integer(key_spec as i64);
    }
    if let Some(token) = arg.token {
        fields.field("token").bulk(token.as_bytes());
    }
    fields.text("since", arg.since);
    fields.text("deprecated_since", arg.deprecated_since);
    fields.flags(
        "flags",
        &[
            (arg.optional, "optional"),
            (arg.multiple, "multiple"),
            (arg.multiple_token, "multiple_token"),
        ],
    );
    fields.arguments(arg.arguments);
    fields.end();
}

/// A map that is written field by field; what is empty is left out.
struct Fields<'a> {
    reply: &'a mut ReplyBuf,
    map: Deferred,
    len: usize,
}

impl Fields<'_> {
    fn begin(reply: &mut ReplyBuf) -> Fields<'_> {
        let map = reply.map_deferred();
        Fields { reply, map, len: 0 }
    }

    /// Writes a field's name; its value is for the caller to write.
    fn field(&mut self, name: &str) -> &mut ReplyBuf {
        self.len += 1;
        self.reply.bulk(name.as_bytes());
        self.reply
    }

    fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.field(name).bulk(text.as_bytes());
        }
    }

    fn flags(&mut self, name: &str, flags: &[(bool, &str)]) {
        let set = flags.iter().filter(|(is_set, _)| *is_set);
        if set.clone().count() > 0 {
            let reply = self.field(name);
            reply.set(set.clone().count());
            set.for_each(|(_, flag)| reply.simple(flag));
        }
    }

    fn arguments(&mut self, arguments: &[Arg]) {
        if !arguments.is_empty() {
            let reply = self.field("arguments");
            reply.array(arguments.len());
            for arg in arguments {
                describe_argument(reply, arg);
            }
        }
    }

    fn end(self) {
        self.reply.finish_map(self.map, self.len);
    }
}
