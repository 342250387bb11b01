//! Random writes of a client. Databases 0 to 4 are anything's; those from 12 on belong to
//! what the judge looks at, and nothing random reaches them.

use lockstep::base::clock;
use lockstep::base::rng::Rng;

/// Databases of random data.
const DATABASES: u64 = 5;
const KEYS: u64 = 24;

/// The judge's: a counter of writes, both halves of a transaction, what was waited for.
pub const DB_COUNT: u32 = 12;
pub const DB_HALVES: [u32; 2] = [13, 14];
pub const DB_WAITED: u32 = 15;

pub type Command = Vec<String>;

pub fn command(text: &str) -> Command {
    text.split(' ').map(str::to_owned).collect()
}

pub fn select(rng: &mut Rng) -> Command {
    command(&format!("SELECT {}", rng.below(DATABASES)))
}

/// A command on keys of the selected database. `blob_bytes_max` bounds its values.
pub fn any(rng: &mut Rng, blob_bytes_max: u64) -> Command {
    let key = |rng: &mut Rng| format!("key:{}", rng.below(KEYS));
    let (one, other) = (key(rng), key(rng));
    let (n, ms) = (rng.below(1000), rng.below(3000) as i64 + 1);
    let at_ms = clock::unix_ms() + ms - 500;
    let text = match rng.below(27) {
        0..5 => format!("SET {one} {n}"),
        5..8 => format!("SET {one} {}", blob(rng, blob_bytes_max)),
        8 | 9 => format!("SET {one} {n} PX {ms}"),
        10 => format!("SET {one} {n} KEEPTTL"),
        11 => format!("SET {one} {n} PXAT {at_ms} NX"),
        12 => format!("INCRBY {one} {n}"),
        13 => format!("APPEND {one} {}", blob(rng, 40)),
        14 => format!("SETRANGE {one} {} {n}", rng.below(50)),
        15 => format!("DEL {one} {other}"),
        16 => format!("UNLINK {one}"),
        17 => format!("PEXPIRE {one} {ms}"),
        18 => format!("PEXPIREAT {one} {at_ms}"),
        19 => format!("PERSIST {one}"),
        20 => format!("GETEX {one} PX {ms}"),
        21 => format!("RENAME {one} {other}"),
        22 => format!("COPY {one} {other} REPLACE"),
        23 => format!("MOVE {one} {}", rng.below(DATABASES)),
        24 => format!("GET {one}"),
        25 => format!("MSET {one} {n} {other} {ms}"),
        _ => format!("GETDEL {one}"),
    };
    command(&text)
}

/// A command on whole databases.
pub fn on_databases(rng: &mut Rng) -> Command {
    match rng.below(3) {
        0 => command("FLUSHDB"),
        _ => {
            let (one, other) = (rng.below(DATABASES), rng.below(DATABASES));
            command(&format!("SWAPDB {one} {other}"))
        }
    }
}

/// A transaction whose halves must never be seen apart.
pub fn transaction(rng: &mut Rng, n: u64, blob_bytes_max: u64) -> Vec<Command> {
    let [first, second] = DB_HALVES;
    let mut all = vec![command("MULTI")];
    all.push(command(&format!("SELECT {first}")));
    all.push(command(&format!("SET half {n}")));
    for _ in 0..rng.below(4) {
        all.push(select(rng));
        all.push(any(rng, blob_bytes_max));
        if rng.below(8) == 0 {
            all.push(on_databases(rng));
        }
    }
    all.push(command(&format!("SELECT {second}")));
    all.push(command(&format!("SET half {n}")));
    all.push(command("EXEC"));
    all
}

fn blob(rng: &mut Rng, bytes_max: u64) -> String {
    let len = match rng.below(300) {
        0 => 150_000,
        _ => 1 + rng.below(bytes_max) as usize,
    };
    let digit = char::from(b'a' + rng.below(26) as u8);
    std::iter::repeat_n(digit, len).collect()
}
