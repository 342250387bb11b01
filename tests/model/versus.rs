//! One data type at a time beside newer servers: commands drawn from patterns, every reply
//! compared, and the limits between encodings moved as it goes.

use std::collections::BTreeSet;

use lockstep::resp::value::Value;

use crate::door::Door;
use crate::generate::{Command, Compare, Draw};
use crate::oracle;
use crate::peer::Peer;
use crate::{begin, next_reply, setting, written};

/// A data type and what to ask of it.
#[derive(Clone, Copy)]
pub struct Subject {
    pub name: &'static str,
    /// What Redis 8 and Valkey 9 answer alike.
    pub patterns: &'static [&'static str],
    /// What Valkey says in other words, or has not got.
    pub redis_only: &'static [&'static str],
    /// Commands that all keys are thrown away before: settings, and what others need.
    pub settings: &'static [&'static str],
    /// The words for one of a pattern.
    pub fill: fn(&mut Draw, &str) -> Vec<String>,
    /// A reply without what is left to chance in it.
    pub normal: fn(&[u8], Value) -> Value,
    /// Whether two replies of a command are the same.
    pub agree: fn(&[u8], &Value, &Value) -> bool,
}

/// What another makes of a command, given in words and as it goes over the wire.
type Oracle<'a> = dyn FnMut(&[String], &[u8]) -> Value + 'a;

impl Subject {
    pub fn with_redis_8(&self) {
        let peer = Peer::start(oracle::REDIS_8);
        let patterns = [self.patterns, self.redis_only].concat();
        self.with_peer("Redis 8", peer, &patterns);
    }

    pub fn with_valkey_9(&self) {
        let peer = Peer::start(oracle::VALKEY);
        self.with_peer("Valkey 9", peer, self.patterns);
    }

    fn with_peer(&self, other: &str, peer: Option<Peer>, patterns: &[&str]) {
        if let Some(mut peer) = peer {
            self.compare(other, patterns, &mut |_, input| {
                peer.run(input, 1).remove(0)
            });
        }
    }

    pub fn compare(&self, other: &str, patterns: &[&str], oracle: &mut Oracle) {
        let mut draw = begin(&format!("{}, {other}", self.name));
        let mut pair = Pair {
            subject: self,
            door: Door::new(true),
            oracle,
            history: Vec::new(),
        };
        // Payloads are compared as they are, and every server packs them its own way.
        pair.run(split("CONFIG SET rdbcompression no"));
        for _ in 0..setting("MODEL_STEPS").unwrap_or(10_000) {
            if draw.below(200) == 0 {
                pair.run(split("FLUSHDB"));
                pair.run(split(draw.one_of(self.settings)));
            } else {
                let words = draw.one_of(patterns).split(' ');
                let filled = words.flat_map(|word| (self.fill)(&mut draw, word));
                pair.run(filled.collect());
            }
        }
    }
}

fn split(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

struct Pair<'a, 'b> {
    subject: &'a Subject,
    door: Door,
    oracle: &'a mut Oracle<'b>,
    history: Vec<String>,
}

impl Pair<'_, '_> {
    fn run(&mut self, words: Vec<String>) {
        let name = words[0].clone().into_bytes();
        self.history.push(words.join(" "));
        let input = written(&[Command {
            args: words.iter().cloned().map(String::into_bytes).collect(),
            compare: Compare::Exactly,
        }]);
        self.door.run(&input);
        let bytes = self.door.reply.take();
        let normal = self.subject.normal;
        let ours = normal(&name, next_reply(&mut &bytes[..]));
        let theirs = normal(&name, (self.oracle)(&words, &input));
        if !(self.subject.agree)(&name, &ours, &theirs) {
            let last = self.history.len().saturating_sub(100);
            panic!(
                "{}, not {}, of\n{}",
                shown(&ours),
                shown(&theirs),
                self.history[last..].join("\n")
            );
        }
    }
}

pub fn is(name: &[u8], names: &[&str]) -> bool {
    names.iter().any(|other| other.as_bytes() == name)
}

pub fn same(_: &[u8], a: &Value, b: &Value) -> bool {
    a == b
}

pub fn sorted(mut items: Vec<Value>) -> Vec<Value> {
    items.sort_by_key(|item| format!("{item:?}"));
    items
}

pub fn by_pairs(items: Vec<Value>) -> Vec<Value> {
    let pairs: BTreeSet<String> = items.chunks(2).map(|pair| format!("{pair:?}")).collect();
    let pairs = pairs.into_iter();
    pairs.map(|pair| Value::Bulk(pair.into_bytes())).collect()
}

/// What a scan of everything gives, in no order.
pub fn scanned(items: Vec<Value>, order: fn(Vec<Value>) -> Vec<Value>) -> Value {
    let inner = |item| match item {
        Value::Array(items) => Value::Array(order(items)),
        other => other,
    };
    Value::Array(items.into_iter().map(inner).collect())
}

/// A payload without its version and its checksum. Sets but those of integers are written in
/// the order in which they lie there, in a form that old servers know or in another.
pub fn payload(bytes: &[u8]) -> Value {
    const SETS: [u8; 2] = [2, 20];
    let body = &bytes[..bytes.len() - 10];
    Value::Bulk(match body[0] {
        kind if SETS.contains(&kind) => b"a set".to_vec(),
        _ => body.to_vec(),
    })
}

fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Bulk(text) | Value::Simple(text) | Value::Error(text) => {
            format!("\"{}\"", text.escape_ascii())
        }
        other => format!("{other:?}"),
    }
}

/// One of a few numbers around nothing.
pub fn small(draw: &mut Draw) -> String {
    (draw.below(40) as i64 - 20).to_string()
}
