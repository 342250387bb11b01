//! Random commands on the bits of strings, beside a Redis 8 and a Valkey 9.

use lockstep::resp::value::Value;

use super::generate::Draw;
use super::versus::{Subject, same, small};

/// `*` becomes a key, `b` a place of a bit, `%` an index that may count from the end, `u` a
/// type of integer, `p` the place of one and `#` a number.
const PATTERNS: &[&str] = &[
    "SETBIT * b 0",
    "SETBIT * b 1",
    "SETBIT * b 1",
    "SETBIT * b 2",
    "SETBIT * -1 1",
    "SETBIT * 4294967296 1",
    "GETBIT * b",
    "GETBIT * x",
    "BITCOUNT *",
    "BITCOUNT * % %",
    "BITCOUNT * % % BYTE",
    "BITCOUNT * % % BIT",
    "BITCOUNT * % % WHAT",
    "BITPOS * 0",
    "BITPOS * 1",
    "BITPOS * 0 %",
    "BITPOS * 1 %",
    "BITPOS * 0 % %",
    "BITPOS * 1 % %",
    "BITPOS * 0 % % BIT",
    "BITPOS * 1 % % BIT",
    "BITPOS * 1 % % BYTE",
    "BITPOS * 2",
    "BITOP AND * * *",
    "BITOP AND * * * *",
    "BITOP OR * * *",
    "BITOP OR * * * * *",
    "BITOP XOR * * * *",
    "BITOP XOR * *",
    "BITOP NOT * *",
    "BITOP NOT * * *",
    "BITOP WHAT * *",
    "BITFIELD * GET u p",
    "BITFIELD * SET u p #",
    "BITFIELD * INCRBY u p #",
    "BITFIELD * OVERFLOW SAT INCRBY u p # OVERFLOW FAIL INCRBY u p #",
    "BITFIELD * OVERFLOW FAIL SET u p # INCRBY u p # GET u p",
    "BITFIELD * OVERFLOW SAT SET u p # SET u p #",
    "BITFIELD * SET u p # GET u p INCRBY u p #",
    "BITFIELD *",
    "BITFIELD * GET u64 0",
    "BITFIELD * GET i65 0",
    "BITFIELD * OVERFLOW WHAT",
    "BITFIELD * GET u p SET u -1 0",
    "BITFIELD_RO * GET u p GET u p",
    "BITFIELD_RO * SET u p #",
    "GET *",
    "STRLEN *",
    "SET * abc",
    "SET * #",
    "SET * \u{ff}\u{ff}\u{0}",
    "SETRANGE * b x",
    "APPEND * \u{ff}",
    "GETRANGE * % %",
    "OBJECT ENCODING *",
    "DEBUG DIGEST",
    "DEL *",
    "LPUSH * x",
];

fn number(draw: &mut Draw) -> String {
    match draw.below(6) {
        0 => (i64::MIN >> draw.below(64)).to_string(),
        1 => (i64::MAX >> draw.below(64)).to_string(),
        2 => draw.below(1 << 20).to_string(),
        _ => small(draw),
    }
}

fn fill(draw: &mut Draw, word: &str) -> Vec<String> {
    let place = |draw: &mut Draw| match draw.below(8) {
        0 => draw.below(3000),
        _ => draw.below(100),
    };
    let one = match word {
        "*" => format!("b{}", draw.below(4)),
        "b" => place(draw).to_string(),
        "%" => (draw.below(60) as i64 - 25).to_string(),
        "u" if draw.below(2) == 0 => format!("u{}", 1 + draw.below(63)),
        "u" => format!("i{}", 1 + draw.below(64)),
        "p" if draw.below(3) == 0 => format!("#{}", draw.below(12)),
        "p" => place(draw).to_string(),
        "#" => number(draw),
        word => word.to_owned(),
    };
    vec![one]
}

fn normal(_: &[u8], reply: Value) -> Value {
    reply
}

const BITS: Subject = Subject {
    name: "bits",
    patterns: PATTERNS,
    redis_only: &[],
    settings: &["PING"],
    fill,
    normal,
    agree: same,
};

#[test]
fn a_redis_8_agrees() {
    BITS.with_redis_8();
}

#[test]
fn a_valkey_9_agrees() {
    BITS.with_valkey_9();
}
