//! Random commands on places, beside a Redis 8 and a Valkey 9: to the last bit.

use lockstep::resp::value::Value;

use super::generate::Draw;
use super::versus::{Subject, same};

/// `*` becomes a key, `@` a name, `?` a place, `u` a unit, `r` a length, `F` a middle, `S` a
/// shape with its size and `O` how it is to be ordered and cut.
const PATTERNS: &[&str] = &[
    "GEOADD * ? @",
    "GEOADD * ? @ ? @ ? @ ? @",
    "GEOADD * ? @ ? @ ? @ ? @",
    "GEOADD * NX ? @ ? @",
    "GEOADD * XX CH ? @ ? @",
    "GEOADD * NX XX ? @",
    "GEOADD * 181 0 @",
    "GEOADD * x 0 @",
    "GEODIST * @ @",
    "GEODIST * @ @ u",
    "GEOHASH * @ @",
    "GEOSEARCH * F S O",
    "GEOSEARCH * F S O WITHDIST",
    "GEOSEARCH * F S O WITHHASH",
    "GEOSEARCH * F S ASC COUNT 2 WITHDIST",
    "GEOSEARCH * F",
    "GEOSEARCH * S",
    "GEOSEARCH * F S COUNT 0",
    "GEOSEARCH * F S ANY",
    "GEOSEARCHSTORE * * F S O",
    "GEOSEARCHSTORE distances * F S ASC STOREDIST",
    "GEOSEARCHSTORE * * F S WITHDIST",
    "GEORADIUS * ? r u O WITHDIST",
    "GEORADIUS * ? r u STORE *",
    "GEORADIUS * ? r u ASC STOREDIST distances",
    "GEORADIUS_RO * ? r u STORE *",
    "GEORADIUSBYMEMBER * @ r u O WITHHASH",
    "GEORADIUSBYMEMBER * @ r u STORE *",
    "GEORADIUSBYMEMBER_RO * @ r u O",
    "ZRANGE * 0 -1 WITHSCORES",
    "ZREM * @",
    "DEL *",
    "SET * 1",
];

/// Some far from each other, some at the edges and many near one place; hardly ever two at
/// the same distance from anything, for then chance decides which is first.
fn place(draw: &mut Draw) -> [String; 2] {
    let (whole, part) = (draw.below(361) as i64 - 180, draw.below(1_000_000));
    match draw.below(8) {
        0..=1 => [format!("{whole}.{part}"), format!("{}.{part}", whole / 3)],
        2 => {
            let longitude = draw.one_of(&["180", "-180", "0", "179.999999"]);
            [longitude.to_owned(), format!("{}.{part}", whole / 2)]
        }
        3..=5 => [
            format!("13.{part}"),
            format!("38.{}", draw.below(1_000_000)),
        ],
        _ => [
            format!("13.36{:03}", draw.below(1000)),
            format!("38.11{:03}", draw.below(1000)),
        ],
    }
}

fn length(draw: &mut Draw) -> String {
    let lengths = [
        "0", "1", "100", "5000", "150000", "2500000", "40000000", "-1",
    ];
    match draw.below(3) {
        0 => draw.one_of(&lengths).to_owned(),
        _ => format!("{}.5", draw.below(400)),
    }
}

fn unit(draw: &mut Draw) -> String {
    draw.one_of(&["m", "km", "km", "mi", "ft", "KM"]).to_owned()
}

fn name(draw: &mut Draw) -> String {
    format!("n{}", draw.below(25))
}

fn fill(draw: &mut Draw, word: &str) -> Vec<String> {
    let one = match word {
        "*" => format!("g{}", draw.below(3)),
        "@" => name(draw),
        "?" => return place(draw).into(),
        "u" => unit(draw),
        "r" => length(draw),
        "F" if draw.below(2) == 0 => return vec!["FROMMEMBER".to_owned(), name(draw)],
        "F" => return [vec!["FROMLONLAT".to_owned()], place(draw).into()].concat(),
        "S" if draw.below(2) == 0 => {
            return vec!["BYRADIUS".to_owned(), length(draw), unit(draw)];
        }
        "S" => {
            let size = [length(draw), length(draw), unit(draw)];
            return [vec!["BYBOX".to_owned()], size.into()].concat();
        }
        "O" => {
            let orders = ["", "ASC", "DESC", "ASC COUNT 3", "COUNT 4 DESC", "COUNT 2"];
            let words = draw.one_of(&orders).split_whitespace();
            return words.map(str::to_owned).collect();
        }
        word => word.to_owned(),
    };
    vec![one]
}

fn normal(_: &[u8], reply: Value) -> Value {
    match reply {
        // Valkey says which.
        Value::Error(text) if text.ends_with(b" does not exist") => {
            Value::Error(b"ERR could not decode requested zset member".to_vec())
        }
        reply => as_numbers(reply),
    }
}

/// Redis writes a double in a thousand with a digit more than it takes.
fn as_numbers(reply: Value) -> Value {
    match reply {
        Value::Array(items) => Value::Array(items.into_iter().map(as_numbers).collect()),
        Value::Bulk(text) => match String::from_utf8_lossy(&text).parse::<f64>() {
            Ok(number) => Value::Double(number),
            Err(_) => Value::Bulk(text),
        },
        reply => reply,
    }
}

const PLACES: Subject = Subject {
    name: "places",
    patterns: PATTERNS,
    // Valkey shows more digits than there are.
    redis_only: &[
        "ZRANGE distances 0 -1 WITHSCORES",
        "GEOPOS * @ @ @",
        "GEOSEARCH * F S O WITHCOORD WITHHASH",
        "GEORADIUS_RO * ? r u O WITHCOORD",
    ],
    settings: &[
        "CONFIG SET zset-max-listpack-entries 0",
        "CONFIG SET zset-max-listpack-entries 8",
        "CONFIG SET zset-max-listpack-entries 128",
    ],
    fill,
    normal,
    agree: same,
};

#[test]
fn a_redis_8_agrees() {
    PLACES.with_redis_8();
}

#[test]
fn a_valkey_9_agrees() {
    PLACES.with_valkey_9();
}
