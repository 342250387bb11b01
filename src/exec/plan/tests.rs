use std::sync::Arc;

use super::*;
use crate::commands::FAMILIES;
use crate::commands::registry::Registry;
use crate::resp::request::encode_command;
use crate::shared::Shared;

/// What becomes of each request of one read: its command and its key, or neither.
fn plan(engine: &Engine, requests: &[&[&str]]) -> Vec<(String, String)> {
    let session = Session::new(Arc::default(), Origin::Leader);
    let planner = Planner {
        engine,
        session: &session,
        is_plain: true,
    };
    let mut input = Vec::new();
    for request in requests {
        encode_command(request, &mut input);
    }
    let (mut plan, mut parser) = (Plan::default(), Parser::new());
    let mut at = 0;
    while at < input.len() {
        let from = plan.ranges_len();
        let parsed = plan.parse(&mut parser, &input[at..], &Limits::default());
        let Ok(Parsed::Complete { consumed_bytes, .. }) = parsed else {
            panic!("{parsed:?}")
        };
        let frame = (at, at + consumed_bytes);
        assert_ne!(plan.add(&planner, &input, frame, from, None), Joined::No);
        at += consumed_bytes;
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let keyspace = &engine.shared.keyspace;
    let each = plan.requests.iter().map(|request| {
        let argv = plan.argv(request, &input);
        let key = argv.get(1);
        match request.verdict {
            Verdict::Run(id) => {
                assert_eq!(request.first_key.hash(), Some(keyspace.hasher.hash(key)));
                (engine.registry.full_name(id).to_owned(), text(key))
            }
            _ => Default::default(),
        }
    });
    each.collect()
}

#[test]
fn requests_that_begin_alike_are_told_apart() {
    let registry = Registry::new(FAMILIES);
    let shared = Shared::for_test(1, registry.len());
    let engine = Engine { shared, registry };
    let long = "k".repeat(1000);
    let requests: &[&[&str]] = &[
        &["GET", "a"],
        &["GET", "b"],
        &["get", "c"],
        &["GET", &long],
        &["GET", "d", "too many"],
        &["GET", "e"],
        &["SET", "f", "1"],
        &["SET", "g", "2", "EX", "10"],
        &["SET", "h"],
        &["SET", "i", "3"],
        &["GETX", "j"],
        &["INCRBYFLOAT", "k", "1"],
        &["GET", "l"],
    ];
    let expect = [
        ("get", "a"),
        ("get", "b"),
        ("get", "c"),
        ("get", &long),
        ("", ""),
        ("get", "e"),
        ("set", "f"),
        ("set", "g"),
        ("", ""),
        ("set", "i"),
        ("", ""),
        ("incrbyfloat", "k"),
        ("get", "l"),
    ];
    let expect = expect.map(|(name, key)| (name.to_owned(), key.to_owned()));
    assert_eq!(plan(&engine, requests), expect);
}
