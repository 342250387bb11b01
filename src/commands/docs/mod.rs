//! What COMMAND DOCS tells about each command: a table of pure data, one file a group.
//!
//! The facts (arguments, versions) are those of the Redis whose commands these are, so that
//! tools which complete and check what people type work unchanged; the words are our own.
//! A test holds the table to the commands that there are.

/// What an argument is.
pub mod arg;

/// Strings.
pub mod string;

/// Lists.
pub mod list;

/// Sorted sets.
pub mod zset;

/// Places on earth.
pub mod geo;

/// Bitmaps.
pub mod bitmap;

/// HyperLogLogs.
pub mod hyperloglog;

/// Hashes.
pub mod hash;

/// Sets.
pub mod set;

/// Streams.
pub mod stream;

/// Keys of any type.
pub mod generic;

/// Connections.
pub mod connection;

/// The server itself, its data as a whole, and replication.
pub mod server;

/// Messages by channel.
pub mod pubsub;

/// Transactions.
pub mod transactions;

/// Function libraries.
pub mod scripting;

/// Clients of several servers.
pub mod cluster;

use arg::Arg;

/// The groups with their commands, each in the order of the alphabet.
pub const GROUPS: &[(&str, &[Doc])] = &[
    ("string", string::DOCS),
    ("list", list::DOCS),
    ("sorted-set", zset::DOCS),
    ("geo", geo::DOCS),
    ("bitmap", bitmap::DOCS),
    ("hyperloglog", hyperloglog::DOCS),
    ("hash", hash::DOCS),
    ("set", set::DOCS),
    ("stream", stream::DOCS),
    ("generic", generic::DOCS),
    ("connection", connection::DOCS),
    ("server", server::DOCS),
    ("pubsub", pubsub::DOCS),
    ("transactions", transactions::DOCS),
    ("scripting", scripting::DOCS),
    ("cluster", cluster::DOCS),
];

/// A command's or subcommand's documentation.
#[derive(Clone, Copy, Debug)]
pub struct Doc {
    /// As in its `Spec`: a subcommand's own word, without its container.
    pub name: &'static str,
    /// The version that brought it, of Redis (of Valkey, for what only Valkey has).
    pub since: &'static str,
    /// Empty where there is nothing to say.
    pub complexity: &'static str,
    pub summary: &'static str,
    /// For servers among themselves, not for people.
    pub internal: bool,
    /// The version from which on it should not be used, and what replaces it.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Versions that changed it, and how.
    pub history: &'static [(&'static str, &'static str)],
    pub arguments: &'static [Arg],
    pub subcommands: &'static [Doc],
}

impl Doc {
    pub const fn new(
        name: &'static str,
        since: &'static str,
        complexity: &'static str,
        summary: &'static str,
    ) -> Doc {
        Doc {
            name,
            since,
            complexity,
            summary,
            internal: false,
            deprecated: None,
            history: &[],
            arguments: &[],
            subcommands: &[],
        }
    }

    pub const fn internal(mut self) -> Doc {
        self.internal = true;
        self
    }

    pub const fn deprecated(mut self, since: &'static str, replaced_by: &'static str) -> Doc {
        self.deprecated = Some((since, replaced_by));
        self
    }

    pub const fn history(mut self, history: &'static [(&'static str, &'static str)]) -> Doc {
        self.history = history;
        self
    }

    pub const fn arguments(mut self, arguments: &'static [Arg]) -> Doc {
        self.arguments = arguments;
        self
    }

    pub const fn subcommands(mut self, subcommands: &'static [Doc]) -> Doc {
        self.subcommands = subcommands;
        self
    }
}

/// The documentation of a command ("get") or subcommand ("client", "list"), with its group.
pub fn find(name: &str, subcommand: Option<&str>) -> Option<(&'static str, &'static Doc)> {
    let (group, doc) = GROUPS
        .iter()
        .find_map(|(group, docs)| Some((*group, named(docs, name)?)))?;
    match subcommand {
        None => Some((group, doc)),
        Some(subcommand) => Some((group, named(doc.subcommands, subcommand)?)),
    }
}

fn named(docs: &'static [Doc], name: &str) -> Option<&'static Doc> {
    let at = docs.binary_search_by_key(&name, |doc| doc.name).ok()?;
    docs.get(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::docs::arg::Kind;

    #[test]
    fn every_list_is_in_order() {
        let check = |docs: &[Doc]| assert!(docs.is_sorted_by(|a, b| a.name < b.name), "{docs:?}");
        for (_, docs) in GROUPS {
            check(docs);
            docs.iter().for_each(|doc| check(doc.subcommands));
        }
    }

    #[test]
    fn found_by_name() {
        assert_eq!(find("get", None).unwrap().1.name, "get");
        let (group, list) = find("client", Some("list")).unwrap();
        assert_eq!((group, list.name), ("connection", "list"));
        assert!(find("nosuch", None).is_none() && find("get", Some("list")).is_none());
    }

    #[test]
    fn arguments_are_well_formed() {
        fn check(of: &str, arg: &Arg) {
            let nested = matches!(arg.kind, Kind::OneOf | Kind::Block);
            assert_eq!(nested, !arg.arguments.is_empty(), "{of} {arg:?}");
            let is_key = arg.kind == Kind::Key;
            let finds_keys = arg.key_spec.is_some();
            let may_find_keys = is_key || arg.kind == Kind::Pattern;
            assert!(finds_keys || !is_key, "{of} {arg:?}");
            assert!(may_find_keys || !finds_keys, "{of} {arg:?}");
            assert!(
                arg.kind != Kind::PureToken || arg.token.is_some(),
                "{of} {arg:?}"
            );
            arg.arguments.iter().for_each(|arg| check(of, arg));
        }
        for doc in GROUPS.iter().flat_map(|(_, docs)| *docs) {
            for doc in doc.subcommands.iter().chain([doc]) {
                assert!(doc.summary.ends_with('.'), "{}", doc.name);
                doc.arguments.iter().for_each(|arg| check(doc.name, arg));
            }
        }
    }
}
