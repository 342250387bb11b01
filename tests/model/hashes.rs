//! Random commands on hashes, beside a Redis 8 and a Valkey 9: every reply, whatever the form
//! of the hash. Where the two differ, ours is Redis's.

use lockstep::resp::value::Value;

use super::generate::Draw;
use super::versus::{Subject, by_pairs, is, scanned, small, sorted};

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

fn fill(draw: &mut Draw, word: &str) -> Vec<String> {
    let field = |draw: &mut Draw| format!("f{}", draw.below(FIELDS));
    let one = match word {
        "*" => format!("h{}", draw.below(KEYS)),
        "f" => field(draw),
        "?" => value(draw),
        "#" => small(draw),
        "@" => (9_000_000_000 + draw.below(4)).to_string(),
        "ff" | "fv" => {
            let count = 1 + draw.below(4);
            let mut words = vec![count.to_string()];
            for _ in 0..count {
                words.push(field(draw));
                if word == "fv" {
                    words.push(value(draw));
                }
            }
            return words;
        }
        word => word.to_owned(),
    };
    vec![one]
}

/// A reply in which the order of fields makes no difference.
fn normal(name: &[u8], reply: Value) -> Value {
    match reply {
        Value::Array(items) if is(name, &["HKEYS", "HVALS", "HRANDFIELD"]) => {
            Value::Array(sorted(items))
        }
        Value::Array(items) if is(name, &["HGETALL"]) => Value::Array(by_pairs(items)),
        Value::Array(items) if is(name, &["HSCAN"]) => scanned(items, sorted),
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

const HASHES: Subject = Subject {
    name: "hashes",
    patterns: PATTERNS,
    redis_only: REDIS_ONLY,
    settings: &[
        "CONFIG SET hash-max-listpack-entries 0",
        "CONFIG SET hash-max-listpack-entries 3",
        "CONFIG SET hash-max-listpack-entries 6",
        "CONFIG SET hash-max-listpack-entries 512",
    ],
    fill,
    normal,
    agree,
};

#[test]
fn a_redis_8_agrees() {
    HASHES.with_redis_8();
}

#[test]
fn a_valkey_9_agrees() {
    HASHES.with_valkey_9();
}
