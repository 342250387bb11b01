//! Random commands against two oracles: a naive model in this test, and a real Redis.
//!
//! Both see the same commands as the engine, which runs them in this process through the
//! outside door, in pipelines of random length. Every reply is compared, and at the end
//! what is left. Each run draws the same; `MODEL_SEED=$RANDOM` draws others, `MODEL_STEPS`
//! makes it longer.

#[path = "../door/mod.rs"]
mod door;

mod bits;

mod generate;

mod geo;

mod hashes;

mod hyperloglog;

mod lists;

mod model;

mod naive;

#[path = "../oracle/mod.rs"]
mod oracle;

mod peer;

mod sets;

mod sort;

mod streams;

mod versus;

mod zsets;

use door::{Door, encode};
use generate::{Command, Compare, Draw, Family, KEYS, ORACLE_ONLY, STRINGS, VALKEY};
use lists::LISTS;
use lockstep::base::clock;
use lockstep::base::rng::Rng;
use lockstep::resp::value::{Value, parse_value};
use model::{Model, Reply};
use peer::Peer;
use streams::STREAMS;

/// How far two clocks that are asked one after the other may be apart.
const TOLERANCE_MS: i64 = 20_000;

/// The same every time, so that a failure is the work of the change at hand.
const DEFAULT_SEED: u64 = 1;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A run's seed, which is printed, and its draws.
fn begin(what: &str) -> Draw {
    let seed = setting("MODEL_SEED").unwrap_or(DEFAULT_SEED);
    eprintln!("{what}: MODEL_SEED={seed}");
    Draw {
        rng: Rng::seeded(seed),
    }
}

/// The pipelines of a run: each some commands to be sent at once.
fn pipelines(draw: &mut Draw, families: &[Family]) -> Vec<Vec<Command>> {
    let mut left = setting("MODEL_STEPS").unwrap_or(20_000) as usize;
    let mut pipelines = Vec::new();
    while left > 0 {
        let len = (1 + draw.below(40)).min(left);
        let commands = (0..len).map(|_| families[draw.below(families.len())](draw));
        pipelines.push(commands.collect());
        left -= len;
    }
    pipelines
}

fn written(commands: &[Command]) -> Vec<u8> {
    let args: Vec<Vec<&[u8]>> = commands
        .iter()
        .map(|command| command.args.iter().map(Vec::as_slice).collect())
        .collect();
    encode(&args)
}

fn shown(command: &Command) -> String {
    let words = command
        .args
        .iter()
        .map(|arg| arg.escape_ascii().to_string());
    words.collect::<Vec<_>>().join(" ")
}

fn next_reply(bytes: &mut &[u8]) -> Value {
    let (value, len) = parse_value(bytes).expect("a reply").expect("a whole reply");
    *bytes = &bytes[len..];
    value
}

#[test]
fn the_model_agrees() {
    let mut draw = begin("model");
    let (mut door, mut model) = (Door::new(true), Model::default());
    let families = [STRINGS, VALKEY].concat();
    let mut step = 0;
    for commands in pipelines(&mut draw, &families) {
        door.run(&written(&commands));
        let bytes = door.reply.take();
        let mut rest = &bytes[..];
        for command in &commands {
            let found = next_reply(&mut rest);
            let expect = model.run(&command.args, clock::unix_ms());
            step += 1;
            if expect == Reply::Unsure {
                if let Value::Bulk(sum) = &found {
                    model.learn(&command.args, sum);
                }
                continue;
            }
            let mut bytes = Vec::new();
            expect.encode(&mut bytes);
            let expect = next_reply(&mut &bytes[..]);
            assert_eq!(found, expect, "step {step}: {}", shown(command));
        }
    }
    let now_ms = clock::unix_ms();
    for key in 0..KEYS {
        let name = format!("k{key}").into_bytes();
        let expect = model.keys.get(&name);
        let expect = expect.filter(|held| held.expire_at_ms.is_none_or(|at_ms| at_ms > now_ms));
        let found = peek(&mut door, &name);
        let values = (
            expect.map(|held| held.value.clone()),
            found.as_ref().map(|(value, _)| value.clone()),
        );
        assert_eq!(values.0, values.1, "k{key} at the end");
        let times = (
            expect.and_then(|held| held.expire_at_ms),
            found.and_then(|(_, at_ms)| at_ms),
        );
        match times {
            (Some(a), Some(b)) => assert!((a - b).abs() < TOLERANCE_MS, "k{key}: {a} {b}"),
            (a, b) => assert_eq!(a, b, "the time of k{key} at the end"),
        }
    }
}

/// A string and its expiry, straight from the keyspace.
fn peek(door: &mut Door, name: &[u8]) -> Option<(Vec<u8>, Option<i64>)> {
    door.peek(name, |entry| {
        let value = entry.string_bytes().expect("a string");
        (value.to_vec(), entry.expire_at_ms())
    })
}

#[test]
fn a_real_redis_agrees() {
    let Some(mut peer) = Peer::start(oracle::REDIS) else {
        return;
    };
    let mut draw = begin("peer");
    let mut door = Door::new(true);
    let families = [STRINGS, ORACLE_ONLY, LISTS, STREAMS].concat();
    let mut run = |commands: &[Command], step: usize| {
        let input = written(commands);
        door.run(&input);
        let bytes = door.reply.take();
        let mut rest = &bytes[..];
        let expected = peer.run(&input, commands.len());
        for (at, (command, expect)) in commands.iter().zip(expected).enumerate() {
            let found = next_reply(&mut rest);
            assert!(
                agree(&found, &expect, command.compare),
                "step {}: {}\n{found:?} instead of\n{expect:?}",
                step + at,
                shown(command)
            );
        }
    };
    let mut step = 0;
    for commands in pipelines(&mut draw, &families) {
        run(&commands, step);
        step += commands.len();
    }
    run(&last_look(), step);
}

/// Asks for everything that is left.
fn last_look() -> Vec<Command> {
    let ask = |name: &str, key: u64, compare| Command {
        args: vec![name.as_bytes().to_vec(), format!("k{key}").into_bytes()],
        compare,
    };
    let key = |key| {
        [
            ask("TYPE", key, Compare::Exactly),
            ask("GET", key, Compare::Exactly),
            Command {
                args: ["LRANGE", &format!("k{key}"), "0", "-1"]
                    .map(|arg| arg.into())
                    .into(),
                compare: Compare::Exactly,
            },
            Command {
                args: ["XRANGE", &format!("k{key}"), "-", "+"]
                    .map(|arg| arg.into())
                    .into(),
                compare: Compare::Exactly,
            },
            ask("DUMP", key, Compare::Times),
            ask("PTTL", key, Compare::Times),
        ]
    };
    let dbsize = Command {
        args: vec![b"DBSIZE".to_vec()],
        compare: Compare::Exactly,
    };
    (0..KEYS).flat_map(key).chain([dbsize]).collect()
}

/// Whether two replies are the same, or differ by no more than the clock may.
fn agree(a: &Value, b: &Value, compare: Compare) -> bool {
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) if compare == Compare::Times => {
            (*a > 0) == (*b > 0) && (a - b).abs() < TOLERANCE_MS
        }
        // The form of a payload is each server's own, but not whether there is one.
        (Value::Bulk(_), Value::Bulk(_)) if compare == Compare::Times => true,
        // Before Redis 7.2 even a short list was a quicklist.
        (Value::Bulk(a), Value::Bulk(b)) if &a[..] == b"listpack" => {
            matches!(&b[..], b"listpack" | b"quicklist")
        }
        _ => a == b,
    }
}
