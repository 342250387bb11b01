//! COMMAND: what we tell about our commands is what a real redis-server tells about its own.

use super::support::value::Value;
use super::support::*;

/// Commands that only Valkey has beside us.
const OURS_ALONE: &[&str] = &[
    "client|capa",
    "client|import-source",
    "commandlog",
    "commandlog|get",
    "commandlog|help",
    "commandlog|len",
    "commandlog|reset",
    "delifeq",
    "msetex",
];

const NO_CLUSTER: (&str, &str) = ("cluster", "has no subcommands");

/// Every command and subcommand of a server, in full.
fn names(client: &mut Client) -> Vec<String> {
    let list = client.run("COMMAND LIST");
    list.items().iter().map(Value::text).collect()
}

/// A reply with the members of sets, which come in any order, put in one.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Many(mark, items) => {
            let mut items: Vec<Value> = items.iter().map(sorted).collect();
            if *mark == '~' {
                items.sort_by_key(Value::to_string);
            }
            Value::Many(*mark, items)
        }
        Value::Pairs(mark, pairs) => {
            let pairs = pairs
                .iter()
                .map(|(key, value)| (key.clone(), sorted(value)));
            // Remarks on key specs, in prose.
            let pairs = pairs.filter(|(key, _)| key.text() != "notes");
            Value::Pairs(*mark, pairs.collect())
        }
        other => other.clone(),
    }
}

/// A command's description, with its subcommands reduced to the mark of their list: they
/// are looked at one by one.
fn description(client: &mut Client, name: &str) -> Option<Value> {
    let reply = client.cmd(&["COMMAND", "INFO", name]);
    let Value::Many(mark, items) = sorted(&reply.items()[0]) else {
        return None;
    };
    let mut items = items.clone();
    if let Some(Value::Many(_, subcommands)) = items.last_mut() {
        subcommands.clear();
    }
    Some(Value::Many(mark, items))
}

/// A command's documentation without what is prose.
fn documentation(client: &mut Client, name: &str) -> Option<Value> {
    let reply = client.cmd(&["COMMAND", "DOCS", name]);
    let Value::Pairs(_, found) = sorted(&reply) else {
        panic!("{reply}");
    };
    let Value::Pairs(mark, fields) = &found.first()?.1 else {
        panic!("{reply}");
    };
    let mut fields = fields.clone();
    fields.retain(|(field, _)| field.text() != "subcommands");
    for (field, value) in &mut fields {
        match field.text().as_str() {
            "summary" | "complexity" | "replaced_by" => *value = Value::NullBulk,
            "history" => {
                let versions = value.items().iter().map(|change| change.items()[0].clone());
                *value = sorted(&Value::Many('~', versions.collect()));
            }
            _ => {}
        }
    }
    Some(Value::Pairs(*mark, fields))
}

/// Compares what `ask` gets from both servers for all commands that they share. The
/// `differences` are the names of those for which it must differ, and why.
#[track_caller]
fn compare(
    ours: &Server,
    peer: &Server,
    ask: impl Fn(&mut Client, &str) -> Option<Value>,
    differences: &[(&str, &str)],
) {
    let (mut ours, mut peer) = (ours.client(), peer.client());
    ours.resp3();
    peer.resp3();
    let mut wrong = Vec::new();
    for name in names(&mut ours) {
        let Some(theirs) = ask(&mut peer, &name) else {
            continue;
        };
        let reply = ask(&mut ours, &name);
        let differs = differences.iter().any(|(known, _)| *known == name);
        if (reply.as_ref() != Some(&theirs)) != differs {
            let reply = reply.map(|reply| reply.to_string()).unwrap_or_default();
            wrong.push(format!("{name}\n  ours   {reply}\n  theirs {theirs}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn described_as_in_redis_8() {
    let Some(peer) = Peer::start_8(&[]) else {
        return;
    };
    let ours = Server::start(&[]);
    compare(&ours, &peer, description, &[NO_CLUSTER]);
    let known = names(&mut peer.client());
    let mut own = names(&mut ours.client());
    own.retain(|name| !known.contains(name));
    own.sort();
    assert_eq!(own, OURS_ALONE);
}

#[test]
fn what_valkey_has_too_is_described_as_there() {
    let Some(peer) = Peer::start_valkey(&[]) else {
        return;
    };
    let ours = Server::start(&[]);
    let (mut ours, mut peer) = (ours.client(), peer.client());
    ours.resp3();
    peer.resp3();
    for name in OURS_ALONE {
        for ask in [description, documentation] {
            let expect = ask(&mut peer, name).expect("it is Valkey's");
            let reply = ask(&mut ours, name).expect("it is ours");
            // The list of subcommands, cleared here, is a set in Redis and none in Valkey.
            let reply = reply.to_string().replace(", ~[]]", ", []]");
            assert_eq!(reply, expect.to_string(), "{name}");
        }
    }
}

#[test]
fn documented_as_in_redis_8() {
    let Some(peer) = Peer::start_8(&[]) else {
        return;
    };
    compare(
        &Server::start(&[]),
        &peer,
        documentation,
        &[
            ("set", "has Valkey's IFEQ"),
            ("zscan", "has Valkey's NOSCORES"),
            ("geosearch", "has Valkey's BYPOLYGON"),
            ("geosearchstore", "has Valkey's BYPOLYGON"),
            ("bitcount", "has Valkey's optional end"),
            ("hsetex", "has Valkey's conditions on the key"),
        ],
    );
}

#[test]
fn described_as_in_redis_7() {
    let Some(peer) = Peer::start(&[]) else {
        return;
    };
    let later_tips = "has tips that came with Redis 8";
    let in_scripts = "may be called by scripts";
    let differences = [
        NO_CLUSTER,
        ("scan", later_tips),
        ("sinterstore", "told of its sources first"),
        ("randomkey", later_tips),
        ("client|setname", later_tips),
        ("config|resetstat", later_tips),
        ("config|rewrite", later_tips),
        ("latency|reset", later_tips),
        ("wait", "may be called by scripts, and is known to block"),
        ("blpop", in_scripts),
        ("brpop", in_scripts),
        ("blmove", in_scripts),
        ("brpoplpush", in_scripts),
        ("bzpopmin", in_scripts),
        ("bzpopmax", in_scripts),
        ("zrank", "has WITHSCORE"),
        ("zrevrank", "has WITHSCORE"),
        ("msetnx", "lost its tips: it cannot be split over shards"),
        ("command|getkeys", "also takes commands without arguments"),
        (
            "command|getkeysandflags",
            "also takes commands without arguments",
        ),
    ];
    compare(&Server::start(&[]), &peer, description, &differences);
}

/// Calls whose keys are asked for, good and bad.
const CALLS: &[&str] = &[
    "GET a",
    "GET",
    "GET a b",
    "SET a b",
    "SET a b EX 10 GET",
    "SET a get",
    "MSET a 1 b 2",
    "MSET a 1 b",
    "MGET a b c",
    "RENAME a b",
    "COPY a b DB 1",
    "LCS a b IDX",
    "LPUSH a 1 2",
    "LMOVE a b LEFT RIGHT",
    "BLPOP a b 0",
    "BLPOP a",
    "BRPOPLPUSH a b 0",
    "LMPOP 2 a b LEFT",
    "LMPOP 3 a LEFT",
    "BLMPOP 0 2 a b LEFT COUNT 1",
    "WATCH a b",
    "DEL a b c",
    "OBJECT ENCODING a",
    "object help",
    "OBJECT",
    "OBJECT nosuch a",
    "MEMORY USAGE a",
    "CONFIG GET a",
    "PING",
    "BITOP AND a b c",
    "BITOP NOT a b",
    "BITFIELD a GET u8 0",
    "BITFIELD a GET u8 0 OVERFLOW FAIL",
    "BITFIELD a OVERFLOW FAIL INCRBY u8 0 1",
    "BITFIELD a SET u8 0 1 GET u8 0",
    "BITFIELD a SET u8 0",
    "BITFIELD a",
    "BITFIELD_RO a GET u8 0",
    "PFCOUNT a b",
    "PFMERGE a b c",
    "PFDEBUG ENCODING a",
    "SORT a",
    "SORT a BY b* GET c* LIMIT 1 2 STORE d",
    "SORT a STORE b STORE c",
    "SORT a LIMIT store b STORE",
    "SORT a BY store GET store LIMIT store store STORE b",
    "SORT_RO a STORE b",
    "SUBSCRIBE a",
    "SPUBLISH a b",
    "COMMAND GETKEYS GET a",
    "object|encoding a",
    "nosuch a",
];

#[test]
fn keys_are_found_as_in_redis_8() {
    let Some(peer) = Peer::start_8(&[]) else {
        return;
    };
    let ours = Server::start(&[]);
    let (mut ours, mut peer) = (ours.client(), peer.client());
    for resp3 in [false, true] {
        if resp3 {
            ours.resp3();
            peer.resp3();
        }
        for call in CALLS {
            for question in ["GETKEYS", "GETKEYSANDFLAGS"] {
                let command = format!("COMMAND {question} {call}");
                let expect = sorted(&peer.run(&command));
                assert_eq!(sorted(&ours.run(&command)), expect, "{command}");
            }
        }
    }
}

#[test]
fn the_same_shape_in_both_protocols() {
    let Some(peer) = Peer::start_8(&[]) else {
        return;
    };
    let ours = Server::start(&[]);
    let (mut ours, mut peer) = (ours.client(), peer.client());
    for resp3 in [false, true] {
        if resp3 {
            ours.resp3();
            peer.resp3();
        }
        for command in [
            "COMMAND INFO nosuch strlen object|nosuch strlen",
            "COMMAND INFO OBJECT|FREQ get|x object|freq|x",
            "COMMAND DOCS nosuch",
            "COMMAND DOCS get|x",
            "COMMAND LIST FILTERBY PATTERN GETR*",
            "COMMAND LIST FILTERBY ACLCAT nosuch",
            "COMMAND LIST FILTERBY ACLCAT @string",
            "COMMAND LIST FILTERBY MODULE nosuch",
            "COMMAND LIST FILTERBY COLOUR red",
            "COMMAND LIST FILTERBY PATTERN",
            "COMMAND LIST FILTERBY PATTERN a b",
            "COMMAND LIST nosuch",
            "COMMAND nosuch",
            "COMMAND COUNT nosuch",
            "COMMAND GETKEYS",
        ] {
            assert_eq!(
                ours.run(command).to_string(),
                peer.run(command).to_string(),
                "{command}"
            );
        }
    }
}

#[test]
fn all_at_once_and_one_by_one() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.resp3();
    let all = client.run("COMMAND");
    assert_eq!(
        client.run("COMMAND COUNT").integer() as usize,
        all.items().len()
    );
    assert_eq!(client.run("COMMAND INFO"), all);
    for known in all.items() {
        let name = known.items()[0].text();
        assert_eq!(
            client.cmd(&["COMMAND", "INFO", &name]).items(),
            std::slice::from_ref(known)
        );
    }
    let Value::Pairs(_, docs) = client.run("COMMAND DOCS") else {
        panic!("no map");
    };
    assert_eq!(docs.len(), all.items().len());
}
