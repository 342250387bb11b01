//! Random commands on HyperLogLogs, beside a Redis 8 and a Valkey 9: what is counted, and
//! every byte of what is kept.

use lockstep::resp::value::Value;

use super::generate::Draw;
use super::versus::{Subject, same};

/// `*` becomes a key, `@@` some elements, and `@@@` many.
const PATTERNS: &[&str] = &[
    "PFADD *",
    "PFADD * @@",
    "PFADD * @@",
    "PFADD * @@@",
    "PFCOUNT *",
    "PFCOUNT * *",
    "PFCOUNT * * *",
    "PFMERGE *",
    "PFMERGE * *",
    "PFMERGE * * *",
    "PFDEBUG ENCODING *",
    "PFDEBUG TODENSE *",
    "PFDEBUG DECODE *",
    "PFDEBUG GETREG *",
    "GET *",
    "GET *",
    "STRLEN *",
    "DEBUG DIGEST",
    "COPY * * REPLACE",
    "DEL *",
    "SET * x",
    "SET * HYLL",
    "LPUSH * x",
];

fn fill(draw: &mut Draw, word: &str) -> Vec<String> {
    let elements = |draw: &mut Draw, count: usize| {
        let element = |_| format!("element {}", draw.below(100_000));
        (0..count).map(element).collect()
    };
    match word {
        "*" => vec![format!("p{}", draw.below(4))],
        "@@" => {
            let count = 1 + draw.below(5);
            elements(draw, count)
        }
        "@@@" => {
            let count = 1 + draw.below(300);
            elements(draw, count)
        }
        word => vec![word.to_owned()],
    }
}

fn normal(_: &[u8], reply: Value) -> Value {
    reply
}

const HYPERLOGLOGS: Subject = Subject {
    name: "HyperLogLogs",
    patterns: PATTERNS,
    redis_only: &[],
    settings: &[
        "CONFIG SET hll-sparse-max-bytes 3000",
        "CONFIG SET hll-sparse-max-bytes 100",
        "CONFIG SET hll-sparse-max-bytes 0",
        "CONFIG SET hll-sparse-max-bytes 16000",
    ],
    fill,
    normal,
    agree: same,
};

#[test]
fn a_redis_8_agrees() {
    HYPERLOGLOGS.with_redis_8();
}

#[test]
fn a_valkey_9_agrees() {
    HYPERLOGLOGS.with_valkey_9();
}
