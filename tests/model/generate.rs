//! Random commands on few keys, so that they meet each other's values.
//!
//! A family is one function that draws one command; add it to `FAMILIES`. Times to live
//! are either long over or far away, so that when exactly a command ran does not matter;
//! those that are compared with each other are absolute.

use lockstep::base::rng::Rng;

pub const KEYS: u64 = 12;

/// How replies of two servers are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Compare {
    Exactly,
    /// Integers that say how much time is left, or when it is over.
    Times,
}

pub struct Command {
    pub args: Vec<Vec<u8>>,
    pub compare: Compare,
}

/// Draws a command.
pub type Family = fn(&mut Draw) -> Command;

/// Families that a model in this test can follow, and a Redis 7.0 knows but for `valkey`.
pub const STRINGS: &[Family] = &[string_writes, string_reads, string_counts];

/// What Valkey alone has.
pub const VALKEY: &[Family] = &[valkey];

/// What only another server can check.
pub const ORACLE_ONLY: &[Family] = &[keyspace, expiry, odd_strings];

pub struct Draw {
    pub rng: Rng,
}

impl Draw {
    pub fn below(&mut self, bound: usize) -> usize {
        self.rng.below(bound as u64) as usize
    }

    pub fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    pub fn key(&mut self) -> String {
        format!("k{}", self.rng.below(KEYS))
    }

    /// Numbers and words, some empty, some long enough for every form of a string.
    fn value(&mut self) -> String {
        match self.below(8) {
            0..=2 => self.small().to_string(),
            3 => self.one_of(&["1.5", "-0.25", "2.75", "10.5"]).to_owned(),
            4 => self
                .one_of(&["", "a", "01", "+1", " 1", "x y", "1e3"])
                .to_owned(),
            5 => {
                let edges = [
                    "9223372036854775807",
                    "-9223372036854775808",
                    "9223372036854775808",
                ];
                self.one_of(&edges).to_owned()
            }
            6 => "ab".repeat(self.below(40)),
            _ => "long ".repeat(self.below(600)),
        }
    }

    fn small(&mut self) -> i64 {
        self.below(200) as i64 - 100
    }

    /// A form of time and the time: over, far away, or none at all.
    fn time(&mut self) -> (String, String) {
        let form = self
            .one_of(&["EX", "PX", "EXAT", "PXAT", "ex", "pxAt"])
            .to_owned();
        let time = match (self.below(6), &form.to_lowercase()[..]) {
            (0, _) => self.one_of(&["0", "-1", "x"]).to_owned(),
            (1, "exat" | "pxat") => "1".to_owned(),
            (_, "ex") => (5000 + self.below(5)).to_string(),
            (_, "px") => (5_000_000 + self.below(5)).to_string(),
            (_, "exat") => (9_000_000_000 + self.below(5)).to_string(),
            _ => (9_000_000_000_000 + self.below(5)).to_string(),
        };
        (form, time)
    }

    fn pairs(&mut self, name: &str) -> Vec<String> {
        let mut args = vec![name.to_owned()];
        for _ in 0..=self.below(3) {
            args.extend([self.key(), self.value()]);
        }
        args
    }
}

pub fn exactly(args: Vec<String>) -> Command {
    let args = args.into_iter().map(String::into_bytes).collect();
    let compare = Compare::Exactly;
    Command { args, compare }
}

fn times(args: Vec<String>) -> Command {
    let compare = Compare::Times;
    Command {
        compare,
        ..exactly(args)
    }
}

/// `["SET", "k1"]` from `["SET", "*"]`: stars become keys, question marks values.
fn filled(draw: &mut Draw, pattern: &str) -> Vec<String> {
    let fill = |word: &str| match word {
        "*" => draw.key(),
        "?" => draw.value(),
        "#" => draw.small().to_string(),
        word => word.to_owned(),
    };
    pattern.split(' ').map(fill).collect()
}

fn string_writes(draw: &mut Draw) -> Command {
    let patterns = [
        "SET * ?",
        "SETNX * ?",
        "GETSET * ?",
        "GETDEL *",
        "APPEND * ?",
        "GETEX *",
        "GETEX * PERSIST",
    ];
    exactly(match draw.below(13) {
        0..=3 => set(draw),
        4 => draw.pairs("MSET"),
        5 => draw.pairs("MSETNX"),
        6 => {
            let (name, unit) = [("SETEX", ""), ("PSETEX", "000")][draw.below(2)];
            let time = match draw.below(4) {
                0 => "-1".to_owned(),
                _ => format!("5000{unit}"),
            };
            vec![name.to_owned(), draw.key(), time, draw.value()]
        }
        7 => {
            let (form, time) = draw.time();
            vec!["GETEX".to_owned(), draw.key(), form, time]
        }
        8 => {
            let offset = [-1, 0, 1, 5, 40, 1020, 3000][draw.below(7)];
            vec![
                "SETRANGE".to_owned(),
                draw.key(),
                offset.to_string(),
                draw.value(),
            ]
        }
        _ => {
            let pattern = draw.one_of(&patterns);
            filled(draw, pattern)
        }
    })
}

/// SET with options that go together.
fn set(draw: &mut Draw) -> Vec<String> {
    let mut args = filled(draw, "SET * ?");
    match draw.below(5) {
        0 => args.push("NX".to_owned()),
        1 => args.push("xx".to_owned()),
        _ => {}
    }
    match draw.below(5) {
        0 => args.push("KEEPTTL".to_owned()),
        1 | 2 => {
            let (form, time) = draw.time();
            args.extend([form, time]);
        }
        _ => {}
    }
    if draw.below(4) == 0 {
        args.push("GET".to_owned());
    }
    args
}

fn string_reads(draw: &mut Draw) -> Command {
    let patterns = [
        "GET *",
        "STRLEN *",
        "MGET * *",
        "GETRANGE * # #",
        "SUBSTR * # #",
    ];
    let pattern = draw.one_of(&patterns);
    exactly(filled(draw, pattern))
}

fn string_counts(draw: &mut Draw) -> Command {
    let patterns = ["INCR *", "DECR *", "INCRBY * #", "DECRBY * #", "INCRBY * x"];
    if draw.below(4) == 0 {
        let by = draw.one_of(&["0.5", "1.25", "-3", "10.75", "x"]);
        return exactly(vec!["INCRBYFLOAT".to_owned(), draw.key(), by.to_owned()]);
    }
    let pattern = draw.one_of(&patterns);
    exactly(filled(draw, pattern))
}

fn valkey(draw: &mut Draw) -> Command {
    let patterns = ["DELIFEQ * #", "SET * ? IFEQ #", "SET * # IFEQ # GET"];
    let pattern = draw.one_of(&patterns);
    exactly(filled(draw, pattern))
}

/// What is refused, and what a model would have to repeat the server for.
fn odd_strings(draw: &mut Draw) -> Command {
    let patterns = [
        "LCS * *",
        "LCS * * LEN",
        "LCS * * IDX WITHMATCHLEN",
        "LCS * * IDX MINMATCHLEN #",
        "LCS * * LEN IDX",
        "SET * ? NX XX",
        "SET * ? EX",
        "SET * ? EX 5000 EX 6000",
        "SET * ? KEEPTTL EX 5",
        "SET * ? WHAT",
        "GETEX * EX 5 PERSIST",
        "GETEX * KEEPTTL",
        "MSET * ? *",
        "MSETNX *",
        "GET",
        "SETRANGE * x ?",
        "GETRANGE * 0 x",
        "INCRBYFLOAT * 1e20",
        "INCRBYFLOAT * 3.0e-5",
        "INCRBYFLOAT * inf",
        "INCRBYFLOAT * ?",
        "SET * ? EX 9223372036854775807",
        "DECRBY * -9223372036854775808",
        "OBJECT ENCODING *",
    ];
    let pattern = draw.one_of(&patterns);
    exactly(filled(draw, pattern))
}

fn keyspace(draw: &mut Draw) -> Command {
    let patterns = [
        "DEL * *",
        "UNLINK *",
        "EXISTS * * *",
        "TYPE *",
        "RENAME * *",
        "RENAMENX * *",
        "COPY * *",
        "COPY * * REPLACE",
        "TOUCH * *",
    ];
    let pattern = draw.one_of(&patterns);
    exactly(filled(draw, pattern))
}

fn expiry(draw: &mut Draw) -> Command {
    let patterns = [
        "EXPIRE * 5000",
        "PEXPIRE * 5000000",
        "EXPIREAT * 9000000000",
        "PEXPIREAT * 1",
        "EXPIRE * -1",
        "EXPIREAT * 9000000001 GT",
        "EXPIREAT * 9000000000 LT",
        "EXPIRE * 100 NX",
        "EXPIRE * 5500 XX",
        "EXPIRE * x",
        "PERSIST *",
        "TTL *",
        "PTTL *",
        "EXPIRETIME *",
        "PEXPIRETIME *",
    ];
    let pattern = draw.one_of(&patterns);
    times(filled(draw, pattern))
}
