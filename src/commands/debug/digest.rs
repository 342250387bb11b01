//! Digests of datasets and of values, to compare servers by.

use sha1::{Digest as _, Sha1};

use crate::base::number::{Digits, digits, format_f64, format_shortest};
use crate::commands::args::Args;
use crate::commands::cx::Cx;
use crate::store::entry::Entry;
use crate::store::fields::Sight;
use crate::types::stream::StreamId;
use crate::types::{Kind, ValueRef};

/// 160 bits that say what a dataset is, the same on every server that Redis's own digest is
/// taken of: data in another order gives the same, in another database not.
#[derive(Default)]
struct Digest([u8; 20]);

impl Digest {
    /// Turns over what `bytes` says; twice the same, and nothing has happened.
    fn toggle(&mut self, bytes: &[u8]) {
        let hash: [u8; 20] = Sha1::digest(bytes).into();
        for (byte, turned) in self.0.iter_mut().zip(hash) {
            *byte ^= turned;
        }
    }

    /// Takes in `bytes` so that their place among the others counts.
    fn mix(&mut self, bytes: &[u8]) {
        self.toggle(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    fn mix_entry(&mut self, entry: &Entry, sight: Sight) {
        match entry.value() {
            Some(value) => self.mix_value(value, sight),
            None => self.mix_string(entry.string_bytes().unwrap_or_default()),
        }
        if entry.expire_at_ms().is_some() {
            self.toggle(b"!!expire!!");
        }
    }

    fn mix_kind(&mut self, kind: Kind) {
        let number: u32 = match kind {
            Kind::String => 0,
            Kind::List => 1,
            Kind::Set => 2,
            Kind::ZSet => 3,
            Kind::Hash => 4,
            Kind::Stream => 6,
        };
        self.mix(&number.to_be_bytes());
    }

    fn mix_string(&mut self, text: &[u8]) {
        self.mix_kind(Kind::String);
        self.mix(text);
    }

    fn mix_value(&mut self, value: ValueRef<'_>, sight: Sight) {
        if let ValueRef::String(text) = value {
            return self.mix_string(text);
        }
        self.mix_kind(value.kind());
        let mut digits = digits();
        match value {
            ValueRef::String(_) => {}
            ValueRef::List(list) => list
                .iter()
                .for_each(|item| self.mix(item.text(&mut digits))),
            ValueRef::Set(set) => set
                .iter()
                .for_each(|member| self.toggle(member.text(&mut digits))),
            ValueRef::ZSet(zset) => {
                let mut score_text = Vec::new();
                for (member, score) in zset.iter() {
                    score_text.clear();
                    put_score(score, &mut score_text);
                    self.toggle_pair(member.text(&mut digits), &score_text, false);
                }
            }
            ValueRef::Hash(hash) => {
                let mut more_digits = Digits::new();
                for (name, field) in hash.iter().filter(|(_, field)| sight.sees(field)) {
                    let name = name.text(&mut digits);
                    let value = field.value.text(&mut more_digits);
                    self.toggle_pair(name, value, field.expire_at_ms.is_some());
                }
            }
            ValueRef::Stream(stream) => {
                for entry in stream.range(StreamId::MIN, StreamId::MAX) {
                    let StreamId { ms, seq } = entry.id;
                    self.mix(format!("{ms}.{seq}").as_bytes());
                    for (field, value) in entry.fields() {
                        self.mix(field.text(&mut digits));
                        self.mix(value.text(&mut digits));
                    }
                }
            }
        }
    }

    /// Turns over what a pair says, which may end before its key does.
    fn toggle_pair(&mut self, first: &[u8], second: &[u8], is_timed: bool) {
        let mut pair = Digest::default();
        pair.mix(first);
        pair.mix(second);
        if is_timed {
            pair.toggle(b"!!hexpire!!");
        }
        self.toggle(&pair.0);
    }

    fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A score as Redis 8 takes it into a digest; before it was another text. No small set has a
/// zero below zero.
fn put_score(score: f64, out: &mut Vec<u8>) {
    match score.is_finite() && score != 0.0 {
        true => format_shortest(score, out),
        false => format_f64(score, out),
    }
}

pub fn digest(cx: &mut Cx) {
    let sight = cx.store.sight();
    let mut digest = Digest::default();
    for db in 0..cx.store.keyspace.database_count() as u32 {
        if cx.store.len(db) > 0 {
            digest.mix(&db.to_be_bytes());
        }
        cx.store.for_each(db, |entry| {
            let mut of_entry = Digest::default();
            of_entry.mix(entry.key());
            of_entry.mix_entry(entry, sight);
            digest.toggle(&of_entry.0);
        });
    }
    cx.reply.simple(&digest.hex());
}

pub fn digest_value(cx: &mut Cx, mut args: Args) {
    let sight = cx.store.sight();
    cx.reply.array(args.left());
    while !args.is_empty() {
        let key = args.key();
        let mut digest = Digest::default();
        if let Some(entry) = cx.store.peek(cx.session.db, key) {
            digest.mix_entry(&entry, sight);
        }
        cx.reply.simple(&digest.hex());
    }
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::TestServer;

    /// What Redis 8 says of the same values.
    #[test]
    fn values_of_every_type() {
        let mut server = TestServer::new();
        let mut check = |lines: &[&str], key: &str, expect: &str| {
            lines.iter().for_each(|line| {
                server.run(line);
            });
            let line = format!("DEBUG DIGEST-VALUE {key}");
            server.check(&line, &format!("[+{expect}]"));
        };
        check(
            &["RPUSH l a b 1 2"],
            "l",
            "6b15aa298e0e4d1f6244448df32b23e74a4147ce",
        );
        check(
            &["SADD s 1 2 3"],
            "s",
            "2a462a3f51a1db89738ebbeef0c47ce1bbc85246",
        );
        check(
            &["SADD x a b 5"],
            "x",
            "71ad4a46f9f68ee54a39259abb02ae75970b6b02",
        );
        check(
            &["ZADD z 1 a 2.5 b -inf c 1e300 d 0.1 e 3 5"],
            "z",
            "a206088f376bd8effcc767b6876d64dcbadbda3d",
        );
        check(
            &["HSET h a 1 b 2"],
            "h",
            "6c8f22b3bf510fdcfd6122dd0f908a80e88243bf",
        );
        check(
            &["HPEXPIRE h 100 FIELDS 1 a"],
            "h",
            "c07db73128914a41e685572f9d83e5ec946f598d",
        );
        check(
            &["XADD e 1-1 a 1 b 2", "XADD e 5-0 c d"],
            "e",
            "0fe87217398a1af244459fcc78ffb536bc775d4f",
        );
    }
}
