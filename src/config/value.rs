//! Values of directives: read from words, shown as `CONFIG GET` shows them.

use super::notify;
use super::spec::{Kind, Names};
use super::table::Param;
use super::template::expand;
use crate::base::number::{parse_f64, parse_i64, parse_memory};
use crate::base::{os_error, process};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// The value of one directive.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Everything that is one number: switches, integers, sizes, choices, flags.
    Number(i64),
    Text(Arc<[u8]>),
    Directory(Arc<Path>),
    SavePoints(Arc<[SavePoint]>),
    OutputLimits([OutputLimit; 3]),
    OomScores([i64; 3]),
    Addresses(Arc<[String]>),
    Leader(Option<Address>),
    Percentiles(Arc<[f64]>),
}

/// Save when this many changes happened within this many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    pub seconds: i64,
    pub changes: i64,
}

/// When a client that does not read its replies is closed; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    /// Closed at once beyond this.
    pub hard_bytes: u64,
    /// Closed when beyond this for `soft_seconds` on end.
    pub soft_bytes: u64,
    pub soft_seconds: i64,
}

/// The classes of clients with output limits of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientClass {
    Normal,
    Replica,
    Pubsub,
}

/// Where a leader listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

/// The options of `shutdown-on-sigint` and `shutdown-on-sigterm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownOn {
    pub save: bool,
    pub nosave: bool,
    pub now: bool,
    pub force: bool,
}

impl ShutdownOn {
    pub(super) fn from_number(bits: i64) -> ShutdownOn {
        ShutdownOn {
            save: bits & 1 != 0,
            nosave: bits & 2 != 0,
            now: bits & 4 != 0,
            force: bits & 8 != 0,
        }
    }
}

const OUTPUT_LIMIT_DEFAULTS: [OutputLimit; 3] = [
    OutputLimit {
        hard_bytes: 0,
        soft_bytes: 0,
        soft_seconds: 0,
    },
    OutputLimit {
        hard_bytes: 256 << 20,
        soft_bytes: 64 << 20,
        soft_seconds: 60,
    },
    OutputLimit {
        hard_bytes: 32 << 20,
        soft_bytes: 8 << 20,
        soft_seconds: 60,
    },
];

const SAVE_DEFAULTS: [(i64, i64); 3] = [(3600, 1), (300, 100), (60, 10000)];
const BIND_DEFAULTS: [&str; 2] = ["*", "-::*"];
const OOM_SCORE_DEFAULTS: [i64; 3] = [0, 200, 800];
const PERCENTILE_DEFAULTS: [f64; 3] = [50.0, 99.0, 99.9];
const ADDRESSES_MAX: usize = 16;
const WRONG_NUMBER: &str = "wrong number of arguments";

impl Value {
    /// The value a directive of this kind has when nobody says anything.
    pub fn default_of(kind: &Kind) -> Value {
        match kind {
            Kind::Bool { default } => Value::Number(i64::from(*default)),
            Kind::Int { default, .. }
            | Kind::Memory { default, .. }
            | Kind::MemoryOrPercent { default }
            | Kind::Octal { default, .. }
            | Kind::Choice { default, .. } => Value::Number(*default),
            Kind::Threads { max } => Value::Number(cores().min(*max)),
            Kind::Options { .. } | Kind::NotifyEvents => Value::Number(0),
            Kind::Only { value, .. } => Value::Text(value.as_bytes().into()),
            Kind::Text { default } => Value::Text(default.as_bytes().into()),
            Kind::OptionalText => Value::Text([].into()),
            Kind::Directory => {
                let current = std::env::current_dir().unwrap_or_else(|_| "/".into());
                Value::Directory(current.into())
            }
            Kind::SavePoints => {
                let points = SAVE_DEFAULTS.map(|(seconds, changes)| SavePoint { seconds, changes });
                Value::SavePoints(points.into())
            }
            Kind::OutputLimits => Value::OutputLimits(OUTPUT_LIMIT_DEFAULTS),
            Kind::OomScores => Value::OomScores(OOM_SCORE_DEFAULTS),
            Kind::Addresses => Value::Addresses(BIND_DEFAULTS.map(String::from).into()),
            Kind::Leader => Value::Leader(None),
            Kind::Percentiles => Value::Percentiles(PERCENTILE_DEFAULTS.into()),
        }
    }

    /// Reads the words of a directive. `current` is its value so far: some directives
    /// change only a part of it, or count from it.
    ///
    /// # Errors
    /// What is wrong, in Redis's words.
    pub fn parse(param: Param, words: &[&[u8]], current: &Value) -> Result<Value, String> {
        let value = match &param.spec().kind {
            Kind::SavePoints => Value::SavePoints(parse_save_points(words)?),
            Kind::OutputLimits => parse_output_limits(words, current)?,
            Kind::OomScores => parse_oom_scores(words)?,
            Kind::Addresses => parse_addresses(words)?,
            Kind::Leader => parse_leader(words)?,
            Kind::Percentiles => parse_percentiles(words)?,
            Kind::Options { names } => parse_options(words, names)?,
            kind => match words {
                [word] => parse_word(kind, word, current)?,
                _ => return Err(WRONG_NUMBER.into()),
            },
        };
        refine(param, value)
    }

    /// The value as `CONFIG GET` shows it.
    pub fn show(&self, kind: &Kind) -> Vec<u8> {
        match self {
            Value::Number(number) => show_number(kind, *number),
            Value::Text(text) => text.to_vec(),
            Value::Directory(path) => path.as_os_str().as_encoded_bytes().to_vec(),
            Value::SavePoints(points) => join(points.iter(), |point| {
                format!("{} {}", point.seconds, point.changes)
            }),
            Value::OutputLimits(limits) => {
                let classes = ["normal", "slave", "pubsub"];
                join(classes.iter().zip(limits), |(class, limit)| {
                    let (hard, soft) = (limit.hard_bytes, limit.soft_bytes);
                    format!("{class} {hard} {soft} {}", limit.soft_seconds)
                })
            }
            Value::OomScores(scores) => join(scores.iter(), i64::to_string),
            Value::Addresses(addresses) => join(addresses.iter(), String::clone),
            Value::Leader(None) => Vec::new(),
            Value::Leader(Some(address)) => {
                format!("{} {}", address.host, address.port).into_bytes()
            }
            Value::Percentiles(percentiles) => join(percentiles.iter(), show_percentile),
        }
    }
}

/// The number of cores this process may use.
fn cores() -> i64 {
    i64::try_from(process::cores()).unwrap_or(1)
}

fn join<T>(parts: impl Iterator<Item = T>, show: impl Fn(T) -> String) -> Vec<u8> {
    parts.map(show).collect::<Vec<_>>().join(" ").into_bytes()
}

fn show_number(kind: &Kind, number: i64) -> Vec<u8> {
    match kind {
        Kind::Bool { .. } => if number == 0 { "no" } else { "yes" }.into(),
        Kind::Octal { .. } => format!("{number:o}").into_bytes(),
        Kind::MemoryOrPercent { .. } if number < 0 => format!("{}%", -number).into_bytes(),
        Kind::NotifyEvents => notify::format(number),
        Kind::Choice { names, .. } => {
            let name = names.iter().find(|(_, known)| *known == number);
            name.map_or("unknown", |(name, _)| name).into()
        }
        Kind::Options { names } => {
            let set = |(_, bits): &&(&str, i64)| match number {
                0 => *bits == 0,
                _ => number & bits != 0,
            };
            join(names.iter().filter(set), |(name, _)| (*name).into())
        }
        _ => number.to_string().into_bytes(),
    }
}

/// Six decimals without their trailing zeros.
fn show_percentile(percentile: &f64) -> String {
    let shown = format!("{percentile:.6}");
    shown.trim_end_matches('0').trim_end_matches('.').into()
}

/// Reads a directive that is one word.
fn parse_word(kind: &Kind, word: &[u8], current: &Value) -> Result<Value, String> {
    match *kind {
        Kind::Bool { .. } if word.eq_ignore_ascii_case(b"yes") => Ok(Value::Number(1)),
        Kind::Bool { .. } if word.eq_ignore_ascii_case(b"no") => Ok(Value::Number(0)),
        Kind::Bool { .. } => Err("argument must be 'yes' or 'no'".into()),
        Kind::Int { min, max, .. } => parse_integer(word, min, max),
        Kind::Threads { max } => parse_integer(word, 1, max),
        Kind::Memory { min, max, .. } => {
            let number = parse_bytes(word).ok_or("argument must be a memory value")?;
            within(i64::try_from(number).unwrap_or(-1), min, max)
        }
        Kind::MemoryOrPercent { .. } => parse_memory_or_percent(word),
        Kind::Octal { min, max, .. } => parse_octal(word, min, max),
        Kind::Choice { names, .. } => {
            let number = number_of(names, word).ok_or_else(|| not_one_of(names))?;
            Ok(Value::Number(number))
        }
        Kind::NotifyEvents => notify::parse(word)
            .map(Value::Number)
            .ok_or_else(|| "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into()),
        Kind::Directory => parse_directory(word, current),
        Kind::Only { value, why } => match word.eq_ignore_ascii_case(value.as_bytes()) {
            true => Ok(Value::Text(value.as_bytes().into())),
            false => Err(format!("it can only be '{value}': {why}")),
        },
        _ => Ok(Value::Text(word.into())),
    }
}

fn parse_integer(word: &[u8], min: i64, max: i64) -> Result<Value, String> {
    let number = parse_i64(word).ok_or("argument couldn't be parsed into an integer")?;
    within(number, min, max)
}

fn within(number: i64, min: i64, max: i64) -> Result<Value, String> {
    if (min..=max).contains(&number) {
        return Ok(Value::Number(number));
    }
    Err(format!(
        "argument must be between {min} and {max} inclusive"
    ))
}

/// As in Redis an empty word counts as 0.
fn parse_bytes(word: &[u8]) -> Option<u64> {
    match word {
        b"" => Some(0),
        word => parse_memory(word),
    }
}

/// What is too much for a number of bytes is refused as if it were a percentage, as in Redis.
fn parse_memory_or_percent(word: &[u8]) -> Result<Value, String> {
    const WRONG: &str = "argument must be a memory or percent value";
    const TOO_MUCH: &str = "percentage argument must be less or equal to 100";
    if let Some(percent) = word.strip_suffix(b"%") {
        let percent = parse_i64(percent).filter(|&percent| percent >= 0);
        return match percent.ok_or(WRONG)? {
            percent @ 0..=100 => Ok(Value::Number(-percent)),
            _ => Err(TOO_MUCH.into()),
        };
    }
    let bytes = parse_bytes(word).ok_or(WRONG)?;
    let bytes = i64::try_from(bytes).map_err(|_| TOO_MUCH)?;
    Ok(Value::Number(bytes))
}

fn parse_octal(word: &[u8], min: i64, max: i64) -> Result<Value, String> {
    let number = std::str::from_utf8(word).ok();
    let number = number.and_then(|text| i64::from_str_radix(text, 8).ok());
    let number = number.ok_or("argument couldn't be parsed as an octal number")?;
    let bounds = format!("argument must be between {min:o} and {max:o} inclusive");
    within(number, min, max).map_err(|_| bounds)
}

fn number_of(names: Names, word: &[u8]) -> Option<i64> {
    let named = |(name, _): &&(&str, i64)| name.as_bytes().eq_ignore_ascii_case(word);
    names.iter().find(named).map(|(_, number)| *number)
}

fn not_one_of(names: Names) -> String {
    let mut message = String::from("argument(s) must be one of the following: ");
    for (position, (name, _)) in names.iter().enumerate() {
        let comma = if position == 0 { "" } else { ", " };
        let _ = write!(message, "{comma}{name}");
    }
    message
}

fn parse_options(words: &[&[u8]], names: Names) -> Result<Value, String> {
    let bits = words
        .iter()
        .try_fold(0, |bits, word| Some(bits | number_of(names, word)?));
    match bits {
        Some(bits) if !words.is_empty() => Ok(Value::Number(bits)),
        _ => Err(not_one_of(names)),
    }
}

/// A directory that exists and may be entered, as an absolute path.
fn parse_directory(word: &[u8], current: &Value) -> Result<Value, String> {
    let word = Path::new(as_os_str(word));
    let base = match current {
        Value::Directory(path) => path,
        _ => Path::new("/"),
    };
    let entered = base.join(word).canonicalize();
    // Asking for something inside tells directories from files and wants the right to enter.
    let entered = entered.and_then(|path| path.join(".").metadata().map(|_| path));
    entered.map_or_else(
        |error| Err(os_error::words(&error)),
        |path| Ok(Value::Directory(path.into())),
    )
}

/// Bytes from a configuration file or a socket as the file system takes them.
pub(super) fn as_os_str(bytes: &[u8]) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(bytes)
}

/// A number as C's `strtoll` takes it when all of the word must be used up. An empty word
/// counts as 0.
fn parse_c_integer(word: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(word).ok()?.trim_start();
    match text {
        "" => word.is_empty().then_some(0),
        _ => text.parse().ok(),
    }
}

fn parse_save_points(words: &[&[u8]]) -> Result<Arc<[SavePoint]>, String> {
    const INVALID: &str = "Invalid save parameters";
    if let [b""] = words {
        return Ok([].into());
    }
    let (pairs, rest) = words.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(INVALID.into());
    }
    let point = |[seconds, changes]: &[&[u8]; 2]| {
        let seconds = parse_c_integer(seconds).filter(|&seconds| seconds >= 1)?;
        let changes = parse_c_integer(changes).filter(|&changes| changes >= 0)?;
        Some(SavePoint { seconds, changes })
    };
    let points: Option<Arc<[SavePoint]>> = pairs.iter().map(point).collect();
    points.ok_or_else(|| INVALID.into())
}

fn parse_output_limits(words: &[&[u8]], current: &Value) -> Result<Value, String> {
    let mut limits = match current {
        Value::OutputLimits(limits) => *limits,
        _ => OUTPUT_LIMIT_DEFAULTS,
    };
    let (entries, rest) = words.as_chunks::<4>();
    if !rest.is_empty() {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    for [class, hard, soft, seconds] in entries {
        let class = match class.to_ascii_lowercase().as_slice() {
            b"normal" => ClientClass::Normal,
            b"slave" | b"replica" => ClientClass::Replica,
            b"pubsub" => ClientClass::Pubsub,
            _ => {
                return Err("Invalid client class specified in buffer limit configuration.".into());
            }
        };
        let limit = (|| {
            Some(OutputLimit {
                hard_bytes: parse_memory(hard)?,
                soft_bytes: parse_memory(soft)?,
                soft_seconds: parse_c_integer(seconds).filter(|&seconds| seconds >= 0)?,
            })
        })();
        limits[class as usize] = limit
            .ok_or("Error in hard, soft or soft_seconds setting in buffer limit configuration.")?;
    }
    Ok(Value::OutputLimits(limits))
}

fn parse_oom_scores(words: &[&[u8]]) -> Result<Value, String> {
    let [leader, follower, child] = words else {
        return Err(WRONG_NUMBER.into());
    };
    let score = |word: &[u8]| {
        let score = parse_c_integer(word).filter(|score| (-2000..=2000).contains(score));
        score.ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
    };
    Ok(Value::OomScores([
        score(leader)?,
        score(follower)?,
        score(child)?,
    ]))
}

fn parse_addresses(words: &[&[u8]]) -> Result<Value, String> {
    if words.len() > ADDRESSES_MAX {
        return Err("Too many bind addresses specified.".into());
    }
    let words = if let [b""] = words { &[] } else { words };
    let addresses = words
        .iter()
        .map(|word| String::from_utf8_lossy(word).into_owned());
    Ok(Value::Addresses(addresses.collect()))
}

fn parse_leader(words: &[&[u8]]) -> Result<Value, String> {
    let [host, port] = words else {
        return Err(WRONG_NUMBER.into());
    };
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        return Ok(Value::Leader(None));
    }
    let port = parse_c_integer(port).and_then(|port| u16::try_from(port).ok());
    Ok(Value::Leader(Some(Address {
        host: String::from_utf8_lossy(host).into_owned(),
        port: port.ok_or("Invalid master port")?,
    })))
}

fn parse_percentiles(words: &[&[u8]]) -> Result<Value, String> {
    let words = if let [b""] = words { &[] } else { words };
    let mut percentiles = Vec::with_capacity(words.len());
    for word in words {
        let percentile =
            parse_f64(word).ok_or("Invalid latency-tracking-info-percentiles parameters")?;
        if !(0.0..=100.0).contains(&percentile) {
            let name = "latency-tracking-info-percentiles";
            return Err(format!("{name} parameters should sit between [0.0,100.0]"));
        }
        percentiles.push(percentile);
    }
    Ok(Value::Percentiles(percentiles.into()))
}

/// What single directives ask for beyond what their kind does.
/// Whether a template shows anything at all.
fn is_title(template: &[u8]) -> bool {
    expand(template, |_| b"-".to_vec()).is_some_and(|title| !title.is_empty())
}

fn refine(param: Param, value: Value) -> Result<Value, String> {
    match (param, value) {
        (Param::Hz, Value::Number(hz)) => Ok(Value::Number(hz.clamp(1, 500))),
        (Param::DbFilename, Value::Text(name)) if name.iter().any(|b| b"/\\".contains(b)) => {
            Err("dbfilename can't be a path, just a filename".into())
        }
        (Param::ProcTitleTemplate, Value::Text(text)) if !is_title(&text) => {
            Err("template format is invalid or contains unknown variables".into())
        }
        (Param::ShutdownOnSigint | Param::ShutdownOnSigterm, Value::Number(bits))
            if bits & 3 == 3 =>
        {
            Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into())
        }
        (_, value) => Ok(value),
    }
}
