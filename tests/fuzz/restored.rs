//! Payloads with something wrong in them, restored and then worked with as any other value:
//! what RESTORE takes must do no harm, and can be dumped and restored again.
//!
//! `RESTORED_SEED` repeats one run, `RESTORED_STEPS` makes it longer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use lockstep::base::rng::Rng;
use lockstep::rdb::dump::seal;
use lockstep::rdb::format::Dialect;
use lockstep::resp::value::{Value, parse_value};

use super::door::{Door, encode};

/// What is done with a value, whatever its type: most of it is refused.
const WORK: &[&str] = &[
    "OBJECT ENCODING k",
    "DEBUG OBJECT k",
    "MEMORY USAGE k",
    "STRLEN k",
    "APPEND k x",
    "SETBIT k 30 1",
    "PFADD k a",
    "PFCOUNT k",
    "LRANGE k 0 -1",
    "LINDEX k -1",
    "LPOS k a RANK -1",
    "LINSERT k BEFORE a b",
    "LREM k 0 a",
    "LSET k 0 z",
    "RPUSH k 1 two",
    "LTRIM k 1 -2",
    "LPOP k",
    "RPOP k 2",
    "SMEMBERS k",
    "SISMEMBER k 7",
    "SRANDMEMBER k 5",
    "SRANDMEMBER k -5",
    "SSCAN k 0",
    "SADD k 7 word",
    "SREM k 1 word",
    "SINTERSTORE other k k",
    "SPOP k 2",
    "HGETALL k",
    "HPTTL k FIELDS 2 a f",
    "HRANDFIELD k -3 WITHVALUES",
    "HSCAN k 0",
    "HEXPIRE k 1000 FIELDS 2 a f",
    "HSET k a 1 new 2",
    "HPERSIST k FIELDS 1 a",
    "HINCRBY k a 1",
    "HDEL k a new",
    "ZRANGE k 0 -1 WITHSCORES",
    "ZRANGEBYLEX k - +",
    "ZCOUNT k 1 3",
    "ZRANK k a",
    "ZSCAN k 0",
    "ZADD k 1 a 2 new",
    "ZINCRBY k 3 a",
    "ZUNIONSTORE other 2 k k",
    "ZREM k a",
    "ZREMRANGEBYRANK k 1 1",
    "ZPOPMAX k 2",
    "GEOSEARCH k FROMLONLAT 0 0 BYRADIUS 9000 km",
    "SORT k ALPHA",
    "XLEN k",
    "XRANGE k - +",
    "XREVRANGE k + - COUNT 3",
    "XINFO STREAM k FULL",
    "XINFO GROUPS k",
    "XPENDING k g - + 10",
    "XREADGROUP GROUP g c STREAMS k >",
    "XREADGROUP GROUP g c STREAMS k 0",
    "XAUTOCLAIM k g c 0 0",
    "XACK k g 1-1",
    "XADD k * a b",
    "XDEL k 1-1",
    "XTRIM k MAXLEN 2",
    "XGROUP DESTROY k g",
    "COPY k other REPLACE",
];

/// Values of every type on both sides of every limit.
const MADE: &[&str] = &[
    "RPUSH k a b 1 -70000 9223372036854775807",
    "CONFIG SET list-max-listpack-size 2",
    "RPUSH k a b c d e f g",
    "CONFIG SET set-max-intset-entries 512",
    "SADD k 1 2 3 70000",
    "SADD k a b 1 2",
    "CONFIG SET set-max-listpack-entries 1",
    "SADD k a b 1 2",
    "HSET k a 1 f two g 3",
    "HSETEX k EX 5000 FIELDS 2 a 1 f two",
    "CONFIG SET hash-max-listpack-entries 1",
    "HSET k a 1 f two g 3",
    "HSETEX k EX 5000 FIELDS 2 a 1 f two",
    "ZADD k 1 a 2.5 b -3 7 inf c",
    "CONFIG SET zset-max-listpack-entries 1",
    "ZADD k 1 a 2.5 b -3 7 inf c",
    "PFADD k a b c d e",
    "SET k 12345",
    "XADD k 1-1 a 1 b two",
];

fn run(door: &mut Door, words: &[&[u8]]) -> Value {
    door.run(&encode(&[words.to_vec()]));
    let bytes = door.reply.take();
    parse_value(&bytes)
        .expect("a reply")
        .expect("a whole reply")
        .0
}

fn line(door: &mut Door, line: &str) -> Value {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    run(door, &words)
}

/// Type bytes and values, without the footers.
fn bodies() -> Vec<Vec<u8>> {
    let mut door = Door::new(false);
    let mut bodies = Vec::new();
    for made in MADE {
        line(&mut door, "DEL k");
        line(&mut door, made);
        if let Value::Bulk(mut payload) = line(&mut door, "DUMP k") {
            payload.truncate(payload.len() - 10);
            bodies.push(payload);
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/dump");
    for entry in std::fs::read_dir(folder).expect("seeds") {
        let path = entry.expect("a readable folder").path();
        bodies.push(std::fs::read(path).expect("a readable seed"));
    }
    bodies
}

fn mutated(rng: &mut Rng, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    for _ in 0..=rng.below(4) {
        let at = rng.below(body.len() as u64) as usize;
        match rng.below(12) {
            0 => drop(body.remove(at)),
            1 => body.insert(at, rng.below(256) as u8),
            2 => body[at] = 0xff,
            3 => body[at] = 0,
            4 => body[at] ^= 1 << rng.below(8),
            5 => body[at] = body[at].wrapping_add(1),
            6 => body[at] = body[at].wrapping_sub(1),
            _ => body[at] = rng.below(256) as u8,
        }
        if body.is_empty() {
            return vec![0];
        }
    }
    body
}

/// Whether it was taken.
fn check(door: &mut Door, body: &[u8], rng: &mut Rng) -> bool {
    let payload = seal(body.to_vec(), Dialect::Redis);
    let restore = |door: &mut Door, key: &[u8], payload: &[u8]| {
        run(door, &[b"RESTORE", key, b"0", payload, b"REPLACE"])
    };
    line(door, "FLUSHDB");
    if matches!(restore(door, b"k", &payload), Value::Error(_)) {
        return false;
    }
    // All of its fields may have been over.
    if let Value::Bulk(again) = line(door, "DUMP k") {
        let reply = restore(door, b"again", &again);
        assert_eq!(reply, Value::Simple(b"OK".to_vec()), "restored again");
        let digests = line(door, "DEBUG DIGEST-VALUE k again");
        let Value::Array(digests) = digests else {
            panic!("{digests:?} is no digests");
        };
        assert_eq!(digests[0], digests[1], "what is restored again is the same");
    }
    for _ in 0..rng.below(2 * WORK.len() as u64) {
        line(door, WORK[rng.below(WORK.len() as u64) as usize]);
    }
    true
}

#[test]
fn what_is_taken_does_no_harm() {
    let setting = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let first = setting("RESTORED_SEED").unwrap_or_else(|| Rng::from_entropy().next_u64());
    let bodies = bodies();
    let mut door = Door::new(true);
    let mut taken = 0;
    let steps = setting("RESTORED_STEPS").unwrap_or(4_000);
    for step in 0..steps {
        let seed = first.wrapping_add(step);
        let mut rng = Rng::seeded(seed);
        let body = &bodies[rng.below(bodies.len() as u64) as usize];
        let body = mutated(&mut rng, body);
        let checked = catch_unwind(AssertUnwindSafe(|| check(&mut door, &body, &mut rng)));
        let Ok(is_taken) = checked else {
            panic!("RESTORED_SEED={seed} {}", body.escape_ascii());
        };
        taken += u64::from(is_taken);
    }
    assert!(taken > steps / 20, "only {taken} were taken");
}
