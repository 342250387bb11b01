//! Random commands on sets, beside a Redis 8 and a Valkey 9, in every form of a set.

use lockstep::resp::value::Value;

use super::generate::Draw;
use super::naive::Sets;
use super::versus::{Subject, is, payload, same, scanned, sorted};

/// `*` becomes a key, `@` a member and `@@` many; `n` a count with as many keys.
const PATTERNS: &[&str] = &[
    "SADD * @",
    "SADD * @ @ @",
    "SADD * @@",
    "SADD * @@",
    "SREM * @",
    "SREM * @@",
    "SMOVE * * @",
    "SMOVE * * @",
    "SCARD *",
    "SISMEMBER * @",
    "SMISMEMBER * @@",
    "SMEMBERS *",
    "SRANDMEMBER * 1000000",
    "SSCAN * 0 COUNT 1000000",
    "SSCAN * 0 COUNT 1000000 MATCH *1*",
    "SINTER *",
    "SINTER * *",
    "SINTER * * *",
    "SUNION * *",
    "SUNION * * * *",
    "SDIFF * *",
    "SDIFF * * *",
    "SINTERSTORE * * *",
    "SUNIONSTORE * * *",
    "SDIFFSTORE * * *",
    "SDIFFSTORE * * * *",
    "SINTERCARD n",
    "SINTERCARD n LIMIT 2",
    "SINTERCARD n LIMIT 0",
    "SINTERCARD 9 * *",
    "SINTERCARD 0 *",
    "SINTERCARD 1 * LIMIT -1",
    "SPOP * 1000000",
    "SPOP * 0",
    "SPOP * -1",
    "SPOP * x",
    "SPOP * 1 2",
    "SRANDMEMBER * 0",
    "SRANDMEMBER * x",
    "SSCAN * x",
    "SSCAN * 0 COUNT 0",
    "DEBUG DIGEST",
    "DEBUG DIGEST-VALUE * *",
    "COPY * * REPLACE",
    "RENAME * *",
    "DEL *",
    "SET * 1",
    "EXISTS *",
];

/// Few different members, so that they are found; now and then what no small form can hold.
fn member(draw: &mut Draw) -> String {
    match draw.below(40) {
        0..=29 => (draw.below(30) as i64 - 5).to_string(),
        30 => (i64::MIN >> draw.below(64)).to_string(),
        31 => draw
            .one_of(&["", "01", "-0", "9223372036854775808"])
            .to_owned(),
        32 => "x".repeat(60 + draw.below(8)),
        33 => draw.below(100_000).to_string(),
        _ => format!("m{}", draw.below(30)),
    }
}

fn key(draw: &mut Draw) -> String {
    format!("s{}", draw.below(6))
}

fn fill(draw: &mut Draw, word: &str) -> Vec<String> {
    match word {
        "*" => vec![key(draw)],
        "@" => vec![member(draw)],
        "@@" => {
            // Whole crowds of numbers, so that there are large sets of nothing else.
            let from = draw.below(400);
            match draw.below(3) {
                0 => (from..from + draw.below(60) + 1)
                    .map(|number| number.to_string())
                    .collect(),
                _ => (0..=draw.below(12)).map(|_| member(draw)).collect(),
            }
        }
        "n" => {
            let keys: Vec<String> = (0..=draw.below(3)).map(|_| key(draw)).collect();
            [vec![keys.len().to_string()], keys].concat()
        }
        word => vec![word.to_owned()],
    }
}

fn normal(name: &[u8], reply: Value) -> Value {
    match reply {
        Value::Array(items) if is(name, &["SSCAN"]) => scanned(items, sorted),
        Value::Array(items) if !is(name, &["SMISMEMBER"]) => Value::Array(sorted(items)),
        Value::Bulk(bytes) if is(name, &["DUMP"]) => payload(&bytes),
        reply => reply,
    }
}

const SETS: Subject = Subject {
    name: "sets",
    patterns: PATTERNS,
    // When what is stored takes which form, Valkey sees otherwise.
    redis_only: &["OBJECT ENCODING *", "DUMP *"],
    // As many integers as other members, at least: where there is room for fewer, the form of a
    // stored union hangs on the order in which a hash table's members come, which is chance.
    settings: &[
        "CONFIG SET set-max-intset-entries 0 set-max-listpack-entries 0",
        "CONFIG SET set-max-intset-entries 5 set-max-listpack-entries 0",
        "CONFIG SET set-max-intset-entries 5 set-max-listpack-entries 4",
        "CONFIG SET set-max-intset-entries 20 set-max-listpack-entries 20",
        "CONFIG SET set-max-intset-entries 512 set-max-listpack-entries 4",
        "CONFIG SET set-max-intset-entries 512 set-max-listpack-entries 20",
        "CONFIG SET set-max-intset-entries 512 set-max-listpack-entries 128",
        "CONFIG SET set-max-listpack-value 2",
        "CONFIG SET set-max-listpack-value 64",
    ],
    fill,
    normal,
    agree: same,
};

/// Without what stores unions and differences, so that there may be room for fewer integers
/// than for other members.
const FEW_INTEGERS: Subject = Subject {
    name: "sets of few integers",
    patterns: &[
        "SADD * @",
        "SADD * @@",
        "SREM * @",
        "SREM * @@",
        "SMOVE * * @",
        "SMEMBERS *",
        "SISMEMBER * @",
        "SSCAN * 0 COUNT 1000000",
        "SPOP * 1000000",
        "COPY * * REPLACE",
        "RENAME * *",
    ],
    settings: &[
        "CONFIG SET set-max-intset-entries 0 set-max-listpack-entries 4",
        "CONFIG SET set-max-intset-entries 0 set-max-listpack-entries 128",
        "CONFIG SET set-max-intset-entries 5 set-max-listpack-entries 20",
        "CONFIG SET set-max-intset-entries 5 set-max-listpack-entries 128",
        "CONFIG SET set-max-intset-entries 20 set-max-listpack-entries 128",
    ],
    ..SETS
};

/// What the naive ones can follow.
const SIMPLE: &[&str] = &[
    "SADD * @",
    "SADD * @@",
    "SREM * @",
    "SREM * @@",
    "SMOVE * * @",
    "SCARD *",
    "SISMEMBER * @",
    "SMISMEMBER * @@",
    "SMEMBERS *",
    "SPOP * 1000000",
    "SINTER * * *",
    "SUNION * *",
    "SDIFF * * *",
    "SINTERSTORE * * *",
    "SUNIONSTORE * * *",
    "SDIFFSTORE * * *",
    "SINTERCARD 2 * *",
    "DEL *",
];

#[test]
fn naive_sets_agree() {
    let mut sets = Sets::default();
    SETS.compare("the naive ones", SIMPLE, &mut |words, _| sets.run(words));
}

#[test]
fn a_redis_8_agrees() {
    SETS.with_redis_8();
    FEW_INTEGERS.with_redis_8();
}

#[test]
fn a_valkey_9_agrees() {
    SETS.with_valkey_9();
    FEW_INTEGERS.with_valkey_9();
}
