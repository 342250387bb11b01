//! Keysizes: how many keys of each type are how large.
//!
//! Redis keeps these counts at every write. Here no write pays for them: they are counted in a
//! walk through the keyspace when the section is asked for by its name, bucket by bucket and
//! each under its shard's lock. As with SCAN, a key that stays is counted once; one that comes
//! or goes meanwhile may be counted or not.
//!
//! Strings count by their bytes, the other types by their items, those that are due included.
//! `8=3` says that 3 keys have 8 to 15 of them. Streams are not counted, in Redis neither.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use crate::store::entry::Entry;
use crate::store::keyspace::Keyspace;
use crate::store::lock::Contended;
use crate::store::locked::{Locked, Locker, Want};
use crate::types::ValueRef;

/// How long a step goes on at most, checked between buckets: the other clients of the worker
/// wait for it.
const SLICE: Duration = Duration::from_micros(100);

/// What is counted of each type, in Redis's order.
const MEASURES: [&str; 5] = [
    "strings_sizes",
    "lists_items",
    "sets_items",
    "zsets_items",
    "hashes_items",
];

/// By type: how many keys are empty, have 1, have 2 or 3, have 4 to 7, and so on.
type Sizes = [Vec<u64>; MEASURES.len()];

/// A walk and what it has counted so far.
pub struct Survey {
    /// The sections in front.
    text: String,
    by_database: BTreeMap<u32, Sizes>,
    shard: usize,
    db: u32,
    order: u64,
}

impl Survey {
    /// `text` is what stands in front of the section.
    pub fn new(text: String) -> Survey {
        Survey {
            text,
            by_database: BTreeMap::new(),
            shard: 0,
            db: 0,
            order: 0,
        }
    }

    /// Goes on for `SLICE` at most. True at the end.
    ///
    /// # Errors
    /// A shard is not to be had; to be tried again.
    pub fn step(&mut self, keyspace: &Keyspace, locker: &mut Locker) -> Result<bool, Contended> {
        let begun = Instant::now();
        while self.shard < keyspace.shard_count() {
            let locked = keyspace.try_lock(locker, Want::Shards(&[self.shard as u16]))?;
            while (self.db as usize) < keyspace.database_count() {
                self.count_bucket(&locked);
                if begun.elapsed() > SLICE {
                    return Ok(false);
                }
            }
            (self.shard, self.db) = (self.shard + 1, 0);
        }
        Ok(true)
    }

    fn count_bucket(&mut self, locked: &Locked) {
        let (db, by_database) = (self.db, &mut self.by_database);
        let next = locked.scan_shard(db, self.shard, self.order, |entry| {
            if let Some((measure, size)) = size_of(&entry) {
                count(&mut by_database.entry(db).or_default()[measure], size);
            }
        });
        match next {
            Some(order) => self.order = order,
            None => (self.db, self.order) = (db + 1, 0),
        }
    }

    pub fn into_text(self) -> String {
        let mut text = self.text;
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        text.push_str("# Keysizes\r\n");
        for (db, sizes) in &self.by_database {
            for (name, counts) in MEASURES.iter().zip(sizes) {
                if !counts.is_empty() {
                    // A String takes everything.
                    let _ = write!(text, "db{db}_distrib_{name}:{}\r\n", shown(counts));
                }
            }
        }
        text
    }
}

/// Which of `MEASURES` it counts for, and with how much.
fn size_of(entry: &Entry) -> Option<(usize, usize)> {
    match entry.value() {
        None => Some((0, entry.string_bytes()?.len())),
        Some(ValueRef::String(text)) => Some((0, text.len())),
        Some(ValueRef::List(list)) => Some((1, list.len())),
        Some(ValueRef::Set(set)) => Some((2, set.len())),
        Some(ValueRef::ZSet(zset)) => Some((3, zset.len())),
        Some(ValueRef::Hash(hash)) => Some((4, hash.len())),
        Some(ValueRef::Stream(_)) => None,
    }
}

fn count(counts: &mut Vec<u64>, size: usize) {
    let place = size.checked_ilog2().map_or(0, |log| log as usize + 1);
    if counts.len() <= place {
        counts.resize(place + 1, 0);
    }
    counts[place] += 1;
}

/// What is there of each size: `0=1,4=7,1K=2`.
fn shown(counts: &[u64]) -> String {
    let there = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let shown: Vec<String> = there
        .map(|(place, count)| format!("{}={count}", label(place)))
        .collect();
    shown.join(",")
}

fn label(place: usize) -> String {
    const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    match place.checked_sub(1) {
        None => "0".to_owned(),
        Some(log) => format!("{}{}", 1 << (log % 10), UNITS[log / 10]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::TestServer;

    #[test]
    fn sizes_fall_between_powers_of_two() {
        let check = |sizes: &[usize], expect: &str| {
            let mut counts = Vec::new();
            sizes.iter().for_each(|size| count(&mut counts, *size));
            assert_eq!(shown(&counts), expect);
        };
        check(&[], "");
        check(&[0, 1, 2, 3, 4, 7, 8], "0=1,1=1,2=2,4=2,8=1");
        check(&[1023, 1024, 2047, 2048], "512=1,1K=2,2K=1");
        check(&[(1 << 20) - 1, 1 << 20, 1 << 29], "512K=1,1M=1,512M=1");
        check(&[1 << 30, 1 << 40, usize::MAX], "1G=1,1T=1,8E=1");
    }

    /// What Redis 8 says of the same keys.
    #[test]
    fn keys_count_by_database_and_type() {
        let mut server = TestServer::new();
        for line in [
            "SET empty \"\"",
            "SET int 123456",
            "SET neg -5",
            "RPUSH l a b c d",
            "SADD ints 1 2 3",
            "SADD s a",
            "ZADD z 1 a",
            "HSET h a 1 b 2",
            "XADD x * a 1",
            "SELECT 3",
            "SET a b",
        ] {
            server.run(line);
        }
        let mut survey = Survey::new("# Server\r\n".to_owned());
        let keyspace = &server.shared.keyspace;
        let mut locker = Locker::new(keyspace, 0);
        while !survey
            .step(keyspace, &mut locker)
            .expect("nobody else locks")
        {}
        let lines = [
            "# Server",
            "",
            "# Keysizes",
            "db0_distrib_strings_sizes:0=1,2=1,4=1",
            "db0_distrib_lists_items:4=1",
            "db0_distrib_sets_items:1=1,2=1",
            "db0_distrib_zsets_items:1=1",
            "db0_distrib_hashes_items:2=1",
            "db3_distrib_strings_sizes:1=1",
            "",
        ];
        assert_eq!(survey.into_text(), lines.join("\r\n"));
        let empty = Survey::new(String::new());
        assert_eq!(empty.into_text(), "# Keysizes\r\n");
    }
}
