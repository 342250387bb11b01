//! The segment table by itself: bytes per key and nanoseconds per operation, as the server
//! uses it (2,048 shards, entries of 16-byte keys and 32-byte values), on one thread.
//!
//! `cargo bench --bench table -- [millions of keys ...]`; 3, 5 and 7 unless told.

use std::hint::black_box;
use std::time::Instant;

use lockstep::base::hash::KeyHasher;
use lockstep::base::memory::{Allocator, used_bytes};
use lockstep::base::rng::Rng;
use lockstep::store::entry::Entry;
use lockstep::table::{NoSnapshots, Table};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

const SHARDS: usize = 2048;
const GROUP: usize = 16;
const OPERATIONS: u64 = 4_000_000;

struct Keyspace {
    tables: Vec<Table<Entry>>,
    hasher: KeyHasher,
}

fn key(number: u64) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let mut rest = number;
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

impl Keyspace {
    fn new() -> Keyspace {
        let tables = (0..SHARDS).map(|_| Table::new()).collect();
        Keyspace {
            tables,
            hasher: KeyHasher::seeded(1),
        }
    }

    #[inline]
    fn shard(hash: u64) -> usize {
        (hash >> 8) as usize % SHARDS
    }

    #[inline]
    fn get(&self, key: &[u8], hash: u64) -> u64 {
        let table = &self.tables[Self::shard(hash)];
        let entry = table.get(hash, |entry| entry.has_key(key));
        entry
            .and_then(|entry| entry.string_bytes())
            .map_or(0, |value| u64::from(value[31]))
    }

    #[inline]
    fn set(&mut self, key: &[u8], hash: u64, value: &[u8]) {
        let table = &mut self.tables[Self::shard(hash)];
        let eq = |entry: &Entry| entry.has_key(key);
        if let Some(mut entry) = table.get_mut(hash, &self.hasher, &mut NoSnapshots, eq) {
            if !entry.try_overwrite_string(value, None) {
                entry.replace(Entry::string(key, value, None));
            }
            return;
        }
        let entry = Entry::string(key, value, None);
        table.insert_new(hash, entry, &self.hasher, &mut NoSnapshots);
    }

    /// Inserts new keys, in groups as a pipeline would. Their order does not matter, for
    /// hashes are random.
    fn fill(&mut self, from: u64, to: u64) {
        for first in (from..to).step_by(GROUP) {
            let group: [[u8; 16]; GROUP] = std::array::from_fn(|i| key(first + i as u64));
            let hashes = group.map(|key| self.hasher.hash(&key));
            for hash in hashes {
                self.tables[Self::shard(hash)].prefetch_bucket(hash);
            }
            for (key, hash) in group.iter().zip(hashes) {
                self.set(key, hash, &[b'v'; 32]);
            }
        }
    }

    fn table_bytes(&self) -> usize {
        self.tables.iter().map(Table::table_bytes).sum::<usize>()
            + SHARDS * size_of::<Table<Entry>>()
    }

    /// Runs `operation` on `count` keys drawn from `keys`, in groups that are prefetched in
    /// two stages if `ahead`; nanoseconds each.
    fn run(
        &mut self,
        keys: u64,
        count: u64,
        ahead: bool,
        mut operation: impl FnMut(&mut Keyspace, &[u8], u64),
    ) -> f64 {
        let mut rng = Rng::seeded(9);
        let start = Instant::now();
        for _ in 0..count / GROUP as u64 {
            let group: [[u8; 16]; GROUP] = std::array::from_fn(|_| key(rng.below(keys)));
            let hashes = group.map(|key| self.hasher.hash(&key));
            if ahead {
                let probes =
                    hashes.map(|hash| self.tables[Self::shard(hash)].prefetch_bucket(hash));
                for probe in probes.iter().flatten() {
                    probe.prefetch_slots();
                }
            }
            for (key, hash) in group.iter().zip(hashes) {
                operation(self, key, hash);
            }
        }
        start.elapsed().as_nanos() as f64 / count as f64
    }
}

/// Resident bytes of the process, by the kernel's count.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

fn main() {
    let mut millions: Vec<u64> = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .collect();
    if millions.is_empty() {
        millions = vec![3, 5, 7];
    }
    few_keys();
    let mut counts: Vec<u64> = millions
        .iter()
        .map(|millions| millions * 1_000_000)
        .collect();
    counts.sort_unstable();
    let before = resident_bytes();
    let used_before = used_bytes();
    let mut keyspace = Keyspace::new();
    let mut filled = 0;
    let mut rss_sum = 0.0;
    for &count in &counts {
        let start = Instant::now();
        keyspace.fill(filled, count);
        let insert_ns = start.elapsed().as_nanos() as f64 / (count - filled) as f64;
        filled = count;
        let each = |bytes: usize| bytes as f64 / count as f64;
        let rss = each(resident_bytes() - before);
        rss_sum += rss;
        println!(
            "{count:>9} keys, bytes each: table {:.2}, used {:.2}, rss {rss:.2}; \
             insert {insert_ns:.0} ns",
            each(keyspace.table_bytes()),
            each(used_bytes() - used_before),
        );
        let get = |keyspace: &mut Keyspace, key: &[u8], hash| {
            black_box(keyspace.get(key, hash));
        };
        let set = |keyspace: &mut Keyspace, key: &[u8], hash| keyspace.set(key, hash, &[b'w'; 32]);
        for round in 0..2 {
            println!(
                "  round {round}: get {:.0} ns, in groups {:.0}; set {:.0} ns, in groups {:.0}",
                keyspace.run(count, OPERATIONS, false, get),
                keyspace.run(count, OPERATIONS, true, get),
                keyspace.run(count, OPERATIONS, false, set),
                keyspace.run(count, OPERATIONS, true, set),
            );
        }
    }
    println!("mean rss {:.2} bytes/key", rss_sum / counts.len() as f64);
    let start = Instant::now();
    drop(keyspace);
    println!(
        "freed in {:.0} ns/key",
        start.elapsed().as_nanos() as f64 / filled as f64
    );
}

/// Many shards with few keys each.
fn few_keys() {
    let mut keyspace = Keyspace::new();
    keyspace.fill(0, 100_000);
    println!(
        "   100000 keys: table {:.2} bytes/key",
        keyspace.table_bytes() as f64 / 1e5
    );
}
