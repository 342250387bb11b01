//! The tables held to each other: commands and their documentation.

use std::collections::BTreeSet;

use crate::commands::FAMILIES;
use crate::commands::docs::arg::Arg;
use crate::commands::docs::{self, GROUPS};
use crate::commands::registry::Registry;
use crate::commands::spec::Spec;
use crate::commands::testing::TestServer;
use crate::resp::argv::OwnedCommand;

#[test]
fn every_command_has_docs_and_every_doc_a_command() {
    let mut commands = BTreeSet::new();
    for spec in FAMILIES.iter().copied().flatten() {
        commands.insert(spec.name.to_owned());
        for sub in spec.subcommands {
            commands.insert(format!("{}|{}", spec.name, sub.name));
        }
    }
    let mut docs = BTreeSet::new();
    for doc in GROUPS.iter().flat_map(|(_, docs)| *docs) {
        docs.insert(doc.name.to_owned());
        for sub in doc.subcommands {
            docs.insert(format!("{}|{}", doc.name, sub.name));
        }
    }
    let missing: Vec<_> = commands.difference(&docs).collect();
    let idle: Vec<_> = docs.difference(&commands).collect();
    assert!(missing.is_empty(), "commands without docs: {missing:?}");
    assert!(idle.is_empty(), "docs without commands: {idle:?}");
}

#[test]
fn an_argument_names_a_key_spec_of_its_command() {
    fn check(spec: &Spec, arg: &Arg) {
        let fits = arg.key_spec.is_none_or(|index| index < spec.keys.len());
        assert!(fits, "{} {}", spec.name, arg.name);
        arg.arguments.iter().for_each(|arg| check(spec, arg));
    }
    for spec in FAMILIES.iter().copied().flatten() {
        let subcommands = spec.subcommands.iter().map(|sub| (sub, Some(sub.name)));
        for (known, sub) in subcommands.chain([(spec, None)]) {
            let found = docs::find(spec.name, sub);
            let arguments = found.iter().flat_map(|(_, doc)| doc.arguments);
            arguments.for_each(|arg| check(known, arg));
        }
    }
}

#[test]
fn the_only_key_of_a_call_is_where_its_specs_say() {
    let registry = Registry::new(FAMILIES);
    for (id, spec) in registry.commands() {
        for argc in 1..8 {
            let Some(at) = registry.get(id).only_key(argc) else {
                continue;
            };
            let call = OwnedCommand::from_args(&vec![spec.name; argc]);
            let mut keys = Vec::new();
            spec.keys_of(call.argv(), &mut keys);
            let places: Vec<usize> = keys.iter().map(|key| key.arg).collect();
            assert_eq!(places, [at], "{} of {argc}", spec.name);
            assert!(spec.arity_fits(argc) && spec.groups(), "{}", spec.name);
        }
    }
    let only_keys = |name: &str| {
        let id = registry.find(name.as_bytes()).unwrap();
        [1, 2, 3, 4].map(|argc| registry.get(id).only_key(argc))
    };
    assert_eq!(only_keys("get"), [None, Some(1), None, None]);
    assert_eq!(only_keys("rpush"), [None, None, Some(1), Some(1)]);
    assert_eq!(only_keys("del"), [None, Some(1), None, None]);
    assert_eq!(only_keys("mset"), [None, None, Some(1), None]);
    assert_eq!(only_keys("rename"), [None; 4]);
    assert_eq!(only_keys("blpop"), [None; 4]);
    assert_eq!(only_keys("zunion"), [None; 4]);
}

#[test]
fn the_keys_of_a_command() {
    let mut server = TestServer::new();
    let mut check = |line: &str, expect: &str| server.check(line, expect);
    check("COMMAND GETKEYS SET a b", "[\"a\"]");
    check("COMMAND GETKEYS MSET a 1 b 2", "[\"a\", \"b\"]");
    check("COMMAND GETKEYS object ENCODING a", "[\"a\"]");
    check("COMMAND GETKEYS nosuch a", "-ERR Invalid command specified");
    check(
        "COMMAND GETKEYS OBJECT nosuch",
        "-ERR Invalid command specified",
    );
    check(
        "COMMAND GETKEYS PING",
        "-ERR The command has no key arguments",
    );
    check(
        "COMMAND GETKEYS SPUBLISH a b",
        "-ERR The command has no key arguments",
    );
    check(
        "COMMAND GETKEYS GET",
        "-ERR Invalid number of arguments specified for command",
    );
    check(
        "COMMAND GETKEYSANDFLAGS SET a b EX 5",
        "[[\"a\", [+OW, +update]]]",
    );
    check(
        "COMMAND GETKEYSANDFLAGS SET a b get",
        "[[\"a\", [+RW, +access, +update]]]",
    );
    check(
        "COMMAND GETKEYSANDFLAGS SET a get",
        "[[\"a\", [+OW, +update]]]",
    );
}

/// Half of the keys would be worse than none to whoever asks where to send a call.
#[test]
fn a_call_that_cannot_be_has_no_keys() {
    let mut server = TestServer::new();
    for call in [
        "ZUNIONSTORE a 5 b c",
        "ZUNIONSTORE a 0 b c",
        "ZUNIONSTORE a -1 b c",
        "ZUNIONSTORE a x b c",
        "ZUNIONSTORE a 9223372036854775807 b c",
        "ZDIFFSTORE a 2 b",
        "SINTERCARD 3 a b",
        "BLMPOP 1 3 a LEFT",
        "PFMERGE a",
    ] {
        for question in ["GETKEYS", "GETKEYSANDFLAGS"] {
            server.check(
                &format!("COMMAND {question} {call}"),
                "-ERR Invalid arguments specified for command",
            );
        }
    }
    let mut check = |line: &str, expect: &str| server.check(line, expect);
    check("COMMAND GETKEYS ZUNIONSTORE a 1 b", "[\"a\", \"b\"]");
    check("COMMAND GETKEYS LMPOP 2 a LEFT", "[\"a\", \"LEFT\"]");
    check("COMMAND GETKEYS SORT a STORE", "[\"a\"]");
    check("COMMAND GETKEYS GEORADIUS a 1 1 1 m", "[\"a\"]");
}

#[test]
fn lists_of_names() {
    let mut server = TestServer::new();
    let check = &mut |line: &str, expect: &str| server.check(line, expect);
    check("COMMAND LIST FILTERBY PATTERN MULTI*", "[\"multi\"]");
    check(
        "COMMAND LIST FILTERBY PATTERN command|get*",
        "[\"command|getkeys\", \"command|getkeysandflags\"]",
    );
    check("COMMAND LIST FILTERBY MODULE json", "[]");
    check("COMMAND LIST FILTERBY ACLCAT @read", "[]");
    check("COMMAND LIST FILTERBY ACLCAT", "-ERR syntax error");
    check("COMMAND LIST FILTERBY COLOUR red", "-ERR syntax error");
    check("COMMAND LIST PATTERN a", "-ERR syntax error");
    let transaction = server.run("COMMAND LIST FILTERBY ACLCAT Transaction");
    assert!(
        transaction.contains("\"watch\"") && !transaction.contains("\"get\""),
        "{transaction}"
    );
}

#[test]
fn the_shape_of_a_description() {
    let get = "[\"get\", :2, ~[+readonly, +fast], :1, :1, :1, ~[+@read, +@string, +@fast], ~[], \
               ~[{\"flags\": ~[+RO, +access], \
               \"begin_search\": {\"type\": \"index\", \"spec\": {\"index\": :1}}, \
               \"find_keys\": {\"type\": \"range\", \
               \"spec\": {\"lastkey\": :0, \"keystep\": :1, \"limit\": :0}}}], ~[]]";
    let mut server = TestServer::resp3();
    server.check(
        "COMMAND INFO get nosuch get|x object|nosuch",
        &format!("[{get}, _, _, _]"),
    );
    server.check("COMMAND DOCS nosuch", "{}");
    let docs = server.run("COMMAND DOCS SETNX nosuch");
    assert!(docs.starts_with("{\"setnx\": {\"summary\": "), "{docs}");
    assert!(
        docs.contains("\"doc_flags\": ~[+deprecated], \"deprecated_since\": \"2.6.12\""),
        "{docs}"
    );
}

#[test]
fn a_removed_command_is_not_counted_and_a_renamed_one_is() {
    let count = |renames: &[&str]| {
        let mut registry = Registry::new(FAMILIES);
        for new in renames {
            registry.rename(b"get", new.as_bytes()).unwrap();
        }
        registry.commands().count()
    };
    assert_eq!(count(&[""]), count(&[]) - 1);
    assert_eq!(count(&["fetch"]), count(&[]));
}
