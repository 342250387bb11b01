//! SORT, beside a Redis 8 and a Valkey 9.

use lockstep::resp::value::Value;

use super::generate::Draw;
use super::versus::{Subject, is, same, small, sorted};

/// `*` becomes a key and `>` one for what comes out, `l`, `s` and `z` a list, a set and a
/// sorted set; `@` an element, `~` a number, `%` an index.
const PATTERNS: &[&str] = &[
    "RPUSH l ~ ~ ~ ~",
    "RPUSH l ~ @ ~",
    "RPUSH l ~ 1.5 -3.25 1e3",
    "LPOP l 3",
    "SADD s ~ ~ ~ ~",
    "SADD s @ ~",
    "SPOP s 1000",
    "ZADD z ~ 1 ~ 2 ~ 3 ~ 10",
    "ZADD z ~ @ ~ ~",
    "MSET w_1 ~ w_2 ~ w_3 ~ w_10 ~ w_-1 ~ w_a ~",
    "SET w_~ 2.5",
    "SET w_~ x",
    "HSET h_1 f ~ g a1",
    "HSET h_2 f ~ g b2",
    "HSET h_-1 f ~ g c3",
    "DEL w_1 h_2 w_a",
    "SORT *",
    "SORT * DESC",
    "SORT * ALPHA",
    "SORT * ALPHA DESC LIMIT % %",
    "SORT * LIMIT % %",
    "SORT * DESC LIMIT 1 3",
    "SORT * BY w_*",
    "SORT * BY w_* DESC LIMIT % %",
    "SORT * BY h_*->f",
    "SORT * BY h_*->f GET # GET h_*->g",
    "SORT * GET #",
    "SORT * ALPHA GET # GET w_* GET h_*->f GET h_*-> GET ->f GET none",
    "SORT * ALPHA GET w_*",
    "SORT l BY nosort",
    "SORT l BY nosort LIMIT % % GET #",
    "SORT z BY nosort",
    "SORT z BY nosort DESC",
    "SORT z BY nosort LIMIT % %",
    "SORT z BY nosort DESC LIMIT % %",
    "SORT * STORE >",
    "SORT * BY w_* GET h_*->f GET # STORE >",
    "SORT * ALPHA LIMIT % % STORE >",
    "SORT none STORE >",
    "SORT > ALPHA DESC",
    "SORT_RO * ALPHA",
    "SORT_RO * BY w_* GET #",
    "SORT_RO * STORE >",
    "SORT * LIMIT 1",
    "SORT * LIMIT x 1",
    "SORT * WHAT",
    "SORT * BY",
    "LRANGE > 0 -1",
    "OBJECT ENCODING >",
    "TYPE >",
    "DEL l",
    "DEL s",
    "DEL z",
    "SET > x",
];

fn fill(draw: &mut Draw, word: &str) -> Vec<String> {
    let kind = draw.one_of(&["l", "s", "z"]);
    let one = match word {
        "*" => format!("{kind}{}", draw.below(2)),
        ">" => format!(">{}", draw.below(2)),
        "l" | "s" | "z" => format!("{word}{}", draw.below(2)),
        "@" => draw.one_of(&["a", "b", "abc", "Z", "-1x"]).to_owned(),
        "%" => (draw.below(10) as i64 - 2).to_string(),
        "~" => small(draw),
        "w_~" => format!("w_{}", small(draw)),
        word => word.to_owned(),
    };
    vec![one]
}

fn normal(name: &[u8], reply: Value) -> Value {
    match reply {
        Value::Array(items) if is(name, &["SPOP"]) => Value::Array(sorted(items)),
        reply => reply,
    }
}

const SORTING: Subject = Subject {
    name: "SORT",
    patterns: PATTERNS,
    redis_only: &["SORT >", "LPUSH l 0x10", "SADD s 1e400"],
    settings: &[
        "CONFIG SET list-max-listpack-size 3",
        "CONFIG SET list-max-listpack-size -2",
        "CONFIG SET set-max-intset-entries 2",
        "CONFIG SET zset-max-listpack-entries 2",
        "CONFIG SET zset-max-listpack-entries 128",
    ],
    fill,
    normal,
    agree: same,
};

#[test]
fn a_redis_8_agrees() {
    SORTING.with_redis_8();
}

#[test]
fn a_valkey_9_agrees() {
    SORTING.with_valkey_9();
}
