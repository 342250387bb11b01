//! Digests of datasets and of values, to compare servers by.

use sha1::{Digest as _, Sha1};

use crate::base::number::digits;
use crate::commands::args::Args;
use crate::commands::cx::Cx;
use crate::store::entry::Entry;
use crate::types::Value;
use crate::types::stream::StreamId;

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

    fn mix_value(&mut self, entry: &Entry) {
        const STRING: u32 = 0;
        const LIST: u32 = 1;
        const STREAM: u32 = 6;
        if let Some(text) = entry.string_bytes() {
            self.mix(&STRING.to_be_bytes());
            self.mix(text);
        }
        let mut digits = digits();
        if let Some(Value::List(list)) = entry.value() {
            self.mix(&LIST.to_be_bytes());
            list.iter()
                .for_each(|item| self.mix(item.text(&mut digits)));
        }
        if let Some(Value::Stream(stream)) = entry.value() {
            self.mix(&STREAM.to_be_bytes());
            for entry in stream.range(StreamId::MIN, StreamId::MAX) {
                let StreamId { ms, seq } = entry.id;
                self.mix(format!("{ms}.{seq}").as_bytes());
                for (field, value) in entry.fields() {
                    self.mix(field.text(&mut digits));
                    self.mix(value.text(&mut digits));
                }
            }
        }
        if entry.expire_at_ms().is_some() {
            self.toggle(b"!!expire!!");
        }
    }

    fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

pub fn digest(cx: &mut Cx) {
    let mut digest = Digest::default();
    for db in 0..cx.store.keyspace.database_count() as u32 {
        if cx.store.len(db) > 0 {
            digest.mix(&db.to_be_bytes());
        }
        cx.store.for_each(db, |entry| {
            let mut of_entry = Digest::default();
            of_entry.mix(entry.key());
            of_entry.mix_value(entry);
            digest.toggle(&of_entry.0);
        });
    }
    cx.reply.simple(&digest.hex());
}

pub fn digest_value(cx: &mut Cx, mut args: Args) {
    cx.reply.array(args.left());
    while !args.is_empty() {
        let key = args.key();
        let mut digest = Digest::default();
        if let Some(entry) = cx.store.peek(cx.session.db, key) {
            digest.mix_value(&entry);
        }
        cx.reply.simple(&digest.hex());
    }
}
