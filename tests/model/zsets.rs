//! Random commands on sorted sets, beside a Redis 8 and a Valkey 9, in both forms.

use lockstep::resp::value::Value;

use super::generate::Draw;
use super::naive::SortedSets;
use super::versus::{Subject, by_pairs, is, payload, same, scanned, sorted};

/// `*` becomes a key, `@` a member, `#` a score, `[` an end of a range of scores, `%` a rank,
/// `(` an end of a range of members and `=` a key whose members all have one score; `n` a
/// count with as many keys, `w` weights for three, `~` a score in quarters,
/// `k` how many to pass over.
const PATTERNS: &[&str] = &[
    "ZADD * # @",
    "ZADD * # @ # @ # @",
    "ZADD * # @ # @ # @ # @ # @ # @",
    "ZADD * NX # @ # @",
    "ZADD * XX # @ # @",
    "ZADD * XX CH # @ # @",
    "ZADD * GT # @ # @",
    "ZADD * LT CH # @ # @",
    "ZADD * NX CH # @ # @",
    "ZADD * INCR # @",
    "ZADD * XX INCR # @",
    "ZADD * NX INCR # @",
    "ZADD * GT INCR # @",
    "ZADD * NX GT # @",
    "ZADD * GT LT # @",
    "ZADD * NX XX # @",
    "ZADD * INCR # @ # @",
    "ZADD * # @ x @",
    "ZADD * nan @",
    "ZADD * # @ #",
    "ZINCRBY * # @",
    "ZINCRBY * # @",
    "ZREM * @",
    "ZREM * @ @ @",
    "ZCARD *",
    "ZSCORE * @",
    "ZMSCORE * @ @ @",
    "ZRANK * @",
    "ZRANK * @ WITHSCORE",
    "ZREVRANK * @",
    "ZREVRANK * @ WITHSCORE",
    "ZRANK * @ WITHSCORES",
    "ZCOUNT * [ [",
    "ZRANGE * 0 -1 WITHSCORES",
    "ZRANGE * % %",
    "ZRANGE * % % REV WITHSCORES",
    "ZRANGE * [ [ BYSCORE WITHSCORES",
    "ZRANGE * [ [ BYSCORE REV LIMIT k %",
    "ZRANGE * [ [ BYSCORE LIMIT k %",
    "ZRANGE * % % LIMIT 0 1",
    "ZRANGE * [ x BYSCORE",
    "ZREVRANGE * % % WITHSCORES",
    "ZRANGEBYSCORE * [ [ WITHSCORES LIMIT k %",
    "ZREVRANGEBYSCORE * [ [",
    "ZRANGESTORE * * % %",
    "ZRANGESTORE * * [ [ BYSCORE LIMIT k %",
    "ZRANGESTORE * * % % REV",
    "ZREMRANGEBYRANK * % %",
    "ZREMRANGEBYSCORE * [ [",
    "ZPOPMIN *",
    "ZPOPMAX * %",
    "ZPOPMIN * 3",
    "ZMPOP n MIN",
    "ZMPOP n MAX COUNT 2",
    "ZMPOP n MIN COUNT 0",
    "ZRANDMEMBER * 1000000",
    "ZRANDMEMBER * 1000000 WITHSCORES",
    "ZUNION n WITHSCORES",
    "ZUNION 3 * * s WEIGHTS w WITHSCORES",
    "ZUNION n AGGREGATE MAX WITHSCORES",
    "ZINTER n WITHSCORES",
    "ZINTER n AGGREGATE MIN",
    "ZINTER 3 * * s WEIGHTS w AGGREGATE MAX WITHSCORES",
    "ZDIFF n WITHSCORES",
    "ZUNIONSTORE * n",
    "ZUNIONSTORE * 3 * * s WEIGHTS w",
    "ZINTERSTORE * n AGGREGATE MIN",
    "ZINTERSTORE * 3 * s * WEIGHTS w",
    "ZDIFFSTORE * n",
    "ZINTERCARD n",
    "ZINTERCARD n LIMIT 2",
    "ZUNION n WEIGHTS 1 x",
    "ZUNION n AGGREGATE WHAT",
    "ZUNION 0 *",
    "ZDIFFSTORE * 2 * * WEIGHTS 1 2",
    "ZADD = 0 @ 0 @ 0 @ 0 @",
    "ZADD = 0 @ 0 @ 0 @ 0 @",
    "ZLEXCOUNT = ( (",
    "ZRANGEBYLEX = ( (",
    "ZRANGEBYLEX = ( ( LIMIT k %",
    "ZREVRANGEBYLEX = ( (",
    "ZRANGE = ( ( BYLEX",
    "ZRANGE = ( ( BYLEX REV LIMIT k %",
    "ZRANGE = ( ( BYLEX WITHSCORES",
    "ZRANGESTORE * = ( ( BYLEX",
    "ZREMRANGEBYLEX = ( (",
    "ZREM = @",
    "SADD s @ 1 a x",
    "COPY * * REPLACE",
    "RENAME * *",
    "DEL *",
    "SET * 1",
];

fn member(draw: &mut Draw) -> String {
    match draw.below(20) {
        0..=7 => draw.below(12).to_string(),
        8 => (i64::MIN >> draw.below(64)).to_string(),
        9 => draw.one_of(&["", "01", "\u{ff}"]).to_owned(),
        10 => "x".repeat(60 + draw.below(8)),
        _ => format!("m{}", draw.below(20)),
    }
}

/// Such whose sums are exact: of those with many digits Redis writes one in a thousand with a
/// digit more than it takes.
fn score(draw: &mut Draw) -> String {
    match draw.below(20) {
        0..=9 => (draw.below(9) as i64 - 4).to_string(),
        10 => draw.one_of(&["inf", "-inf", "+inf"]).to_owned(),
        11 => draw
            .one_of(&["0", "-0", "-0.0", "1e308", "-1e308"])
            .to_owned(),
        12 => draw
            .one_of(&[
                "9007199254740993",
                "1e17",
                "123456789012345678",
                "1e21",
                "5e-324",
            ])
            .to_owned(),
        13 => draw.one_of(&["0.0009765625", "2e2", ".5", "3."]).to_owned(),
        14..=16 => format!("{}.{}", draw.below(5), draw.one_of(&["25", "5", "750"])),
        _ => (f64::from(draw.below(1000) as u32) / 8.0).to_string(),
    }
}

fn exact(draw: &mut Draw) -> String {
    (f64::from(draw.below(33) as u32) / 4.0 - 4.0).to_string()
}

fn key(draw: &mut Draw) -> String {
    format!("z{}", draw.below(4))
}

fn fill(draw: &mut Draw, word: &str) -> Vec<String> {
    let one = match word {
        "*" => key(draw),
        "=" => format!("l{}", draw.below(2)),
        "@" => member(draw),
        "#" => score(draw),
        "~" => exact(draw),
        "(~" => format!("({}", exact(draw)),
        "[" => match draw.below(4) {
            0 => draw.one_of(&["-inf", "+inf", "(inf", "("]).to_owned(),
            1 => format!("({}", score(draw)),
            _ => score(draw),
        },
        "(" => match draw.below(9) {
            0..=1 => "-".to_owned(),
            2..=3 => "+".to_owned(),
            4 => "x".to_owned(),
            5..=6 => format!("({}", member(draw)),
            _ => format!("[{}", member(draw)),
        },
        "k" => draw.below(4).to_string(),
        "%" => (draw.below(16) as i64 - 5).to_string(),
        "n" => {
            let keys: Vec<String> = (0..=draw.below(3)).map(|_| key(draw)).collect();
            return [vec![keys.len().to_string()], keys].concat();
        }
        "w" => {
            let weights = ["1", "2", "-1", "0", "0.5", "inf", "1e300"];
            return (0..3).map(|_| draw.one_of(&weights).to_owned()).collect();
        }
        word => word.to_owned(),
    };
    vec![one]
}

/// Only large sets have a zero below zero, and when they become large Valkey sees otherwise.
fn positive(reply: Value) -> Value {
    match reply {
        Value::Bulk(text) if text == b"-0" => Value::Bulk(b"0".to_vec()),
        Value::Array(items) => Value::Array(items.into_iter().map(positive).collect()),
        reply => reply,
    }
}

fn normal(name: &[u8], reply: Value) -> Value {
    match reply {
        Value::Array(items) if is(name, &["ZSCAN"]) => {
            scanned(items.into_iter().map(positive).collect(), by_pairs)
        }
        // With and without scores: the test does not see which.
        Value::Array(items) if is(name, &["ZRANDMEMBER"]) => {
            let items = items.into_iter().map(positive);
            Value::Array(sorted(items.collect()))
        }
        Value::Bulk(bytes) if is(name, &["DUMP"]) => payload(&bytes),
        reply => positive(reply),
    }
}

const ZSETS: Subject = Subject {
    name: "sorted sets",
    patterns: PATTERNS,
    // Valkey shows what is in a skiplist in other digits, and makes one of what is stored
    // at other sizes.
    redis_only: &[
        // From the end, in a skiplist; nothing in a listpack.
        "ZRANGE * [ [ BYSCORE REV LIMIT % %",
        "ZRANGE * [ [ BYSCORE LIMIT % %",
        "ZRANGEBYSCORE * [ [ WITHSCORES LIMIT % %",
        "ZRANGESTORE * * [ [ BYSCORE LIMIT % %",
        "ZRANGEBYLEX = ( ( LIMIT % %",
        "ZRANGE = ( ( BYLEX REV LIMIT % %",
        "ZSCAN * 0 COUNT 1000000",
        "ZSCAN * 0 COUNT 1000000 MATCH *1*",
        "OBJECT ENCODING *",
        "OBJECT ENCODING =",
        "DUMP *",
        "DUMP =",
        "DEBUG DIGEST",
        "ZADD * 0x10 @",
        "ZCOUNT * 0x1 5",
        "ZADD * Infinity @",
    ],
    settings: &[
        "CONFIG SET zset-max-listpack-entries 0",
        "CONFIG SET zset-max-listpack-entries 3",
        "CONFIG SET zset-max-listpack-entries 8",
        "CONFIG SET zset-max-listpack-entries 128",
        "CONFIG SET zset-max-listpack-value 2",
        "CONFIG SET zset-max-listpack-value 64",
    ],
    fill,
    normal,
    agree: same,
};

/// What the naive ones can follow, with scores whose sums are exact.
const SIMPLE: &[&str] = &[
    "ZADD * ~ @ ~ @ ~ @",
    "ZADD * NX ~ @ ~ @",
    "ZADD * XX CH ~ @ ~ @",
    "ZADD * GT CH ~ @ ~ @",
    "ZADD * LT ~ @ ~ @",
    "ZADD * GT INCR ~ @",
    "ZADD * NX INCR ~ @",
    "ZINCRBY * ~ @",
    "ZREM * @ @",
    "ZCARD *",
    "ZSCORE * @",
    "ZMSCORE * @ @",
    "ZRANK * @",
    "ZREVRANK * @",
    "ZCOUNT * ~ ~",
    "ZCOUNT * (~ (~",
    "ZRANGE * % % WITHSCORES",
    "ZRANGE * % % REV",
    "ZRANGE * (~ ~ BYSCORE LIMIT k %",
    "ZRANGE * ~ (~ BYSCORE REV WITHSCORES",
    "ZREMRANGEBYRANK * % %",
    "ZREMRANGEBYSCORE * ~ (~",
    "ZPOPMIN * 1",
    "ZPOPMAX * 2",
    "ZUNION 3 * * * WITHSCORES",
    "ZINTER 2 * * WITHSCORES",
    "ZDIFF 3 * * * WITHSCORES",
    "DEL *",
];

#[test]
fn naive_sorted_sets_agree() {
    let mut sets = SortedSets::default();
    ZSETS.compare("the naive ones", SIMPLE, &mut |words, _| sets.run(words));
}

#[test]
fn a_redis_8_agrees() {
    ZSETS.with_redis_8();
}

#[test]
fn a_valkey_9_agrees() {
    ZSETS.with_valkey_9();
}
