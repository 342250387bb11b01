//! Random commands on hashes, beside a Redis 8 and a Valkey 9: every reply, whatever the form
//! of the hash. Where the two differ, ours is Redis's.

use std::collections::BTreeSet;

use lockstep::resp::value::Value;

use super::door::Door;
use super::generate::Draw;
use super::peer::Peer;
use super::{begin, next_reply, setting, written};
use crate::generate::{Command, Compare};

const KEYS: usize = 3;
const FIELDS: usize = 9;

/// How far two clocks that are asked one after the other may be apart.
const TOLERANCE_MS: i64 = 20_000;

/// `*` becomes a key, `f` a field, `?` a value, `#` a number, `@` a moment far away in
/// seconds, `ff` and `fv` a count of fields with them, and with values.
const PATTERNS: &[&str] = &[
    "HSET * f ?",
    "HSET * f ? f ? f ?",
    "HMSET * f ? f ?",
    "HSETNX * f ?",
    "HGET * f",
    "HMGET * f f f",
    "HGETALL *",
    "HKEYS *",
    "HVALS *",
    "HLEN *",
    "HSTRLEN * f",
    "HEXISTS * f",
    "HDEL * f",
    "HDEL * f f f",
    "HINCRBY * f #",
    "HINCRBY * f x",
    "HINCRBYFLOAT * f 0.5",
    "HINCRBYFLOAT * f #",
    "HSCAN * 0",
    "HSCAN * 0 COUNT 1000 MATCH f[1-4]",
    "HSCAN * 0 COUNT 1000 NOVALUES",
    "HRANDFIELD * 100",
    "HRANDFIELD * 100 WITHVALUES",
    "HEXPIRE * 5000 FIELDS ff",
    "HEXPIRE * 6000 NX FIELDS ff",
    "HEXPIRE * 7000 XX FIELDS ff",
    "HPEXPIREAT * 9000000002001 GT FIELDS ff",
    "HEXPIREAT * @ LT FIELDS ff",
    "HEXPIREAT * @ FIELDS ff",
    "HPEXPIREAT * 9000000000123 FIELDS ff",
    "HEXPIRE * 0 FIELDS ff",
    "HPEXPIREAT * 1 XX FIELDS ff",
    "HPERSIST * FIELDS ff",
    "HTTL * FIELDS ff",
    "HPTTL * FIELDS ff",
    "HEXPIRETIME * FIELDS ff",
    "HPEXPIRETIME * FIELDS ff",
    "HGETDEL * FIELDS ff",
    "HGETEX * FIELDS ff",
    "HGETEX * EX 5000 FIELDS ff",
    "HGETEX * PXAT 9000000000123 FIELDS ff",
    "HGETEX * EXAT 1 FIELDS ff",
    "HGETEX * PERSIST FIELDS ff",
    "HSETEX * FIELDS fv",
    "HSETEX * EX 5000 FIELDS fv",
    "HSETEX * FNX PX 6000000 FIELDS fv",
    "HSETEX * FXX EXAT @ FIELDS fv",
    "HSETEX * KEEPTTL FIELDS fv",
    "HSETEX * FXX KEEPTTL FIELDS fv",
    "HSETEX * PXAT 1 FIELDS fv",
    "DEL *",
    "SET * ?",
    "COPY * * REPLACE",
    "RENAME * *",
    "EXISTS *",
    "TYPE *",
];

/// What Valkey says in other words, or has not got.
const REDIS_ONLY: &[&str] = &[
    "OBJECT ENCODING *",
    "HSET * f",
    "HEXPIRE * x FIELDS ff",
    "HEXPIRE * -1 FIELDS ff",
    "HEXPIRE * 10 NX XX FIELDS ff",
    "HEXPIRE * 10 FIELDS 0 f",
    "HEXPIRE * 10 FIELDS 3 f",
    "HEXPIRE * 10 WHAT FIELDS ff",
    "HPEXPIREAT * 70368744177664 FIELDS ff",
    "HTTL * WHAT 1 f",
    "HPERSIST * FIELDS x f",
    "HGETEX * EX 5 PX 5 FIELDS ff",
    "HGETEX * EX x FIELDS ff",
    "HGETEX * WHAT FIELDS ff",
    "HSETEX * EX 5 KEEPTTL FIELDS fv",
    "HSETEX * FNX FXX FIELDS fv",
    "HSETEX * WHAT FIELDS fv",
    "HSETEX * FIELDS 0 f ?",
    "HSETEX * FIELDS 2 f ?",
    "HGETDEL * FIELDS 3 f",
    "HRANDFIELD * x",
    "HRANDFIELD * 1 WHAT",
    "HSCAN * x",
];

fn value(draw: &mut Draw) -> String {
    match draw.below(8) {
        0..4 => (draw.below(200) as i64 - 100).to_string(),
        4 => "9223372036854775807".to_owned(),
        5 => draw.one_of(&["", "a", "01", " 1", "1.5"]).to_owned(),
        6 => "word ".repeat(draw.below(10)),
        _ => "a long value ".repeat(draw.below(20)),
    }
}

fn filled(draw: &mut Draw, pattern: &str) -> Vec<String> {
    let field = |draw: &mut Draw| format!("f{}", draw.below(FIELDS));
    let mut words = Vec::new();
    for word in pattern.split(' ') {
        match word {
            "*" => words.push(format!("h{}", draw.below(KEYS))),
            "f" => words.push(field(draw)),
            "?" => words.push(value(draw)),
            "#" => words.push((draw.below(40) as i64 - 20).to_string()),
            "@" => words.push((9_000_000_000 + draw.below(4)).to_string()),
            "ff" | "fv" => {
                let count = 1 + draw.below(4);
                words.push(count.to_string());
                for _ in 0..count {
                    words.push(field(draw));
                    if word == "fv" {
                        words.push(value(draw));
                    }
                }
            }
            word => words.push(word.to_owned()),
        }
    }
    words
}

fn command(words: Vec<String>) -> Command {
    Command {
        args: words.into_iter().map(String::into_bytes).collect(),
        compare: Compare::Exactly,
    }
}

/// A reply in which the order of fields makes no difference.
fn normal(name: &[u8], reply: Value) -> Value {
    let is = |names: &[&str]| names.iter().any(|other| other.as_bytes() == name);
    match reply {
        Value::Array(items) if is(&["HKEYS", "HVALS", "HRANDFIELD"]) => Value::Array(sorted(items)),
        Value::Array(items) if is(&["HGETALL"]) => Value::Array(by_pairs(items)),
        Value::Array(items) if is(&["HSCAN"]) => {
            let inner = |item| match item {
                Value::Array(items) => Value::Array(sorted(items)),
                other => other,
            };
            Value::Array(items.into_iter().map(inner).collect())
        }
        reply => reply,
    }
}

/// Whether two replies of a command are the same, or differ by no more than the clock may.
fn agree(name: &[u8], a: &Value, b: &Value) -> bool {
    let tolerance = match name {
        b"HTTL" | b"HEXPIRETIME" => TOLERANCE_MS / 1000,
        b"HPTTL" | b"HPEXPIRETIME" => TOLERANCE_MS,
        _ => 0,
    };
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agree(name, a, b))
        }
        (Value::Integer(a), Value::Integer(b)) => {
            a == b || (*a > 0 && *b > 0 && (a - b).abs() < tolerance)
        }
        _ => a == b,
    }
}

fn sorted(mut items: Vec<Value>) -> Vec<Value> {
    items.sort_by_key(|item| format!("{item:?}"));
    items
}

fn by_pairs(items: Vec<Value>) -> Vec<Value> {
    let pairs: BTreeSet<String> = items.chunks(2).map(|pair| format!("{pair:?}")).collect();
    let pairs = pairs.into_iter();
    pairs.map(|pair| Value::Bulk(pair.into_bytes())).collect()
}

fn compare(what: &str, peer: Option<Peer>, patterns: &[&str]) {
    let Some(mut peer) = peer else {
        return;
    };
    let mut draw = begin(what);
    let mut door = Door::new(true);
    let mut history = Vec::new();
    for step in 0..setting("MODEL_STEPS").unwrap_or(20_000) {
        let lines = match draw.below(200) {
            // Hashes of both forms, and such that turn from one to the other.
            0 => {
                let limit = draw.one_of(&["0", "3", "6", "512"]);
                let words = ["CONFIG", "SET", "hash-max-listpack-entries", limit];
                vec![
                    vec!["FLUSHDB".to_owned()],
                    words.map(str::to_owned).to_vec(),
                ]
            }
            _ => {
                let pattern = draw.one_of(patterns);
                vec![filled(&mut draw, pattern)]
            }
        };
        for words in lines {
            let shown = words.join(" ");
            let command = command(words);
            let name = command.args[0].clone();
            let input = written(&[command]);
            door.run(&input);
            let bytes = door.reply.take();
            let ours = normal(&name, next_reply(&mut &bytes[..]));
            let theirs = peer.run(&input, 1).remove(0);
            let theirs = normal(&name, theirs);
            history.push(shown);
            if !agree(&name, &ours, &theirs) {
                let last = history.split_off(history.len().saturating_sub(100));
                panic!(
                    "step {step}: {ours:?}, not {theirs:?}, of\n{}",
                    last.join("\n")
                );
            }
        }
    }
}

#[test]
fn a_redis_8_agrees() {
    let peer = Peer::start_cached("PEER_REDIS_8", "redis-server-8");
    compare("hashes, Redis 8", peer, &[PATTERNS, REDIS_ONLY].concat());
}

#[test]
fn a_valkey_9_agrees() {
    let peer = Peer::start_cached("PEER_VALKEY", "valkey-server");
    compare("hashes, Valkey 9", peer, PATTERNS);
}
