//! The table against a model: random operations over good and bad hashes, with scans,
//! snapshots and deadlines going on meanwhile.
//!
//! `tests/run sanitize` runs them under AddressSanitizer. Under valgrind:
//! `valgrind target/debug/deps/lockstep-* table:: store::entry`.
//! `LOCKSTEP_SEED` runs one seed, `LOCKSTEP_SEEDS` so many.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::ptr::NonNull;

use super::*;
use crate::base::hash::KeyHasher;
use crate::base::rng::Rng;

/// How bad the hashes are.
#[derive(Clone, Copy, Debug)]
enum Quality {
    Good,
    /// Few tags, one in the largest segments: every candidate in a bucket is compared.
    OneTag,
    /// So many homes for all keys: stash chains.
    Homes(u64),
    /// The first bits are the same: splits that separate nothing.
    Prefix(u32),
}

fn hash(quality: Quality, key: u64) -> u64 {
    let good = KeyHasher::seeded(7).hash(&key.to_le_bytes());
    match quality {
        Quality::Good => good,
        Quality::OneTag => good & 0xfff8_00ff_ffff_ffff,
        Quality::Homes(homes) => (key % homes).wrapping_mul(0x9e37_79b9_7f4a_7c15) | good & 0x3,
        Quality::Prefix(bits) => good >> bits | 5 << (64 - bits),
    }
}

struct Data {
    key: u64,
    version: u64,
    deadline_ms: Option<i64>,
    quality: Quality,
}

#[repr(transparent)]
struct Item(NonNull<u8>);

thread_local! {
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

impl Item {
    fn new(data: Data) -> Item {
        LIVE.set(LIVE.get() + 1);
        Item(NonNull::from(Box::leak(Box::new(data))).cast())
    }

    fn data(&self) -> &Data {
        // SAFETY: made by `new`, freed by `drop`.
        unsafe { self.0.cast().as_ref() }
    }

    fn data_mut(&mut self) -> &mut Data {
        // SAFETY: made by `new`, freed by `drop`, borrowed exclusively.
        unsafe { self.0.cast().as_mut() }
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        LIVE.set(LIVE.get() - 1);
        // SAFETY: made by `new` from a box.
        drop(unsafe { Box::from_raw(self.0.cast::<Data>().as_ptr()) });
    }
}

// SAFETY: transparent over a pointer from the allocator; the key never changes.
unsafe impl Slot for Item {
    const PREFETCH_BYTES: usize = 32;

    fn hash(&self, _: &KeyHasher) -> u64 {
        hash(self.data().quality, self.data().key)
    }
}

type Model = HashMap<u64, (u64, Option<i64>)>;

/// One snapshot: what was there at the cut, and what has been given of it.
struct Open {
    cut: Model,
    given: HashSet<u64>,
    order: Option<u64>,
}

#[derive(Default)]
struct Snaps {
    numbers: [u32; 2],
    open: [Option<Open>; 2],
}

impl Snapshots<Item> for Snaps {
    fn numbers(&self) -> [u32; 2] {
        self.numbers
    }

    fn give(&mut self, place: usize, item: &Item) {
        let open = self.open[place]
            .as_mut()
            .expect("given to a closed snapshot");
        let Data {
            key,
            version,
            deadline_ms,
            ..
        } = *item.data();
        assert_eq!(
            open.cut.get(&key),
            Some(&(version, deadline_ms)),
            "not as at the cut"
        );
        assert!(open.given.insert(key), "given twice");
    }
}

/// A SCAN on its way: what has to be seen, and what was.
struct Scan {
    order: u64,
    must: HashSet<u64>,
    seen: HashSet<u64>,
}

struct World {
    rng: Rng,
    quality: Quality,
    keys: u64,
    table: Table<Item>,
    hasher: KeyHasher,
    model: Model,
    snaps: Snaps,
    next_number: u32,
    versions: u64,
    scan: Option<Scan>,
}

impl World {
    fn new(seed: u64, quality: Quality, keys: u64) -> World {
        let mut table = Table::new();
        if seed.is_multiple_of(2) {
            table.prepare(keys as usize);
        }
        World {
            rng: Rng::seeded(seed),
            quality,
            keys,
            table,
            hasher: KeyHasher::seeded(1),
            model: Model::new(),
            snaps: Snaps::default(),
            next_number: 1,
            versions: 0,
            scan: None,
        }
    }

    fn run(&mut self, steps: u64) {
        for step in 0..steps {
            // Tides: mostly filling, then mostly emptying, so that segments split and merge.
            let filling = (step * 4 / steps).is_multiple_of(2);
            let key = self.rng.below(self.keys);
            match self.rng.below(100) {
                0..45 if filling => self.set(key),
                0..45 => self.remove(key),
                45..60 => self.set(key),
                60..70 => self.remove(key),
                70..80 => self.read(key),
                80..88 => self.scan_step(),
                88..97 => self.snapshot_step(),
                97 => self.table.resettle(&self.hasher, &self.snaps),
                98 => self.random(),
                _ if self.rng.below(20) == 0 => self.expire(),
                _ => self.check_whole(),
            }
        }
        self.check_whole();
        self.drain();
    }

    fn set(&mut self, key: u64) {
        let hash = hash(self.quality, key);
        self.versions += 1;
        let version = self.versions;
        let deadline_ms = (self.rng.below(3) == 0).then(|| self.rng.below(1000) as i64);
        let new = Data {
            key,
            version,
            deadline_ms,
            quality: self.quality,
        };
        let how = self.rng.below(3);
        let eq = |item: &Item| item.data().key == key;
        if let Some(mut item) = self.table.get_mut(hash, &self.hasher, &mut self.snaps, eq) {
            assert!(self.model.contains_key(&key));
            match how {
                0 => *item.data_mut() = new,
                1 => drop(item.replace(Item::new(new))),
                _ => item.update(|old| {
                    drop(old);
                    Item::new(new)
                }),
            }
        } else {
            assert!(!self.model.contains_key(&key));
            self.table
                .insert_new(hash, Item::new(new), &self.hasher, &mut self.snaps);
        }
        if let Some(at_ms) = deadline_ms {
            self.table.lower_deadline(hash, at_ms);
        }
        self.model.insert(key, (version, deadline_ms));
    }

    fn remove(&mut self, key: u64) {
        let hash = hash(self.quality, key);
        let eq = |item: &Item| item.data().key == key;
        let removed = if self.rng.below(2) == 0 {
            self.table.remove(hash, &self.hasher, &mut self.snaps, eq)
        } else {
            let found = self.table.get_mut(hash, &self.hasher, &mut self.snaps, eq);
            found.map(|item| item.remove(&self.hasher, &mut self.snaps))
        };
        let removed = removed.map(|item| (item.data().version, item.data().deadline_ms));
        assert_eq!(removed, self.model.remove(&key));
        if let Some(scan) = &mut self.scan {
            scan.must.remove(&key);
            scan.seen.remove(&key);
        }
    }

    fn read(&mut self, key: u64) {
        let hash = hash(self.quality, key);
        if let Some(probe) = self.table.prefetch_bucket(hash) {
            probe.prefetch_slots();
        }
        let found = self.table.get(hash, |item| item.data().key == key);
        let found = found.map(|item| (item.data().version, item.data().deadline_ms));
        assert_eq!(found, self.model.get(&key).copied());
    }

    fn scan_step(&mut self) {
        let model = &self.model;
        let scan = self.scan.get_or_insert_with(|| Scan {
            order: 0,
            must: model.keys().copied().collect(),
            seen: HashSet::new(),
        });
        let next = self.table.scan(scan.order, &self.hasher, |item| {
            let key = item.data().key;
            assert!(model.contains_key(&key));
            assert!(scan.seen.insert(key), "seen twice");
        });
        match next {
            Some(order) => {
                assert!(order > scan.order);
                scan.order = order;
            }
            None => {
                assert!(scan.must.is_subset(&scan.seen), "not seen");
                self.scan = None;
            }
        }
    }

    fn snapshot_step(&mut self) {
        let place = self.rng.below(2) as usize;
        let Some(open) = &mut self.snaps.open[place] else {
            if self.rng.below(4) == 0 {
                self.snaps.numbers[place] = self.next_number;
                self.next_number += 1;
                let (cut, given) = (self.model.clone(), HashSet::new());
                self.snaps.open[place] = Some(Open {
                    cut,
                    given,
                    order: Some(0),
                });
            }
            return;
        };
        if let Some(order) = open.order {
            let next = self
                .table
                .give_next(order, place, &self.hasher, &mut self.snaps);
            assert!(next.is_none_or(|next| next > order));
            if let Some(open) = &mut self.snaps.open[place] {
                open.order = next;
            }
        } else if self.rng.below(8) == 0 {
            self.close(place);
        }
    }

    /// Walks a snapshot to its end: everything of the cut must have been given.
    fn close(&mut self, place: usize) {
        let Some(mut open) = self.snaps.open[place].as_ref().map(|open| open.order) else {
            return;
        };
        while let Some(order) = open {
            open = self
                .table
                .give_next(order, place, &self.hasher, &mut self.snaps);
        }
        if let Some(open) = self.snaps.open[place].take() {
            assert_eq!(
                open.given.len(),
                open.cut.len(),
                "not all of the cut was given"
            );
        }
        self.snaps.numbers[place] = 0;
    }

    fn random(&mut self) {
        let drawn = self.table.random(|below| self.rng.below(below));
        assert_eq!(drawn.is_some(), !self.model.is_empty());
        assert!(drawn.is_none_or(|item| self.model.contains_key(&item.data().key)));
    }

    /// An expiry cycle: everything due is found by way of the deadlines.
    fn expire(&mut self) {
        let now_ms = self.rng.below(300) as i64;
        let mut due = HashSet::new();
        let mut order = self.table.due(0, now_ms);
        while let Some(at) = order {
            let next = self.table.sweep(at, |item| {
                let Data {
                    key, deadline_ms, ..
                } = *item.data();
                let is_due = deadline_ms.is_some_and(|at_ms| at_ms <= now_ms);
                if is_due {
                    due.insert(key);
                }
                deadline_ms.filter(|_| !is_due)
            });
            order = next.and_then(|next| self.table.due(next, now_ms));
        }
        let is_due = |&(_, at_ms): &(u64, Option<i64>)| at_ms.is_some_and(|at| at <= now_ms);
        let expected = self.model.iter().filter(|(_, value)| is_due(value));
        assert_eq!(due, expected.map(|(key, _)| *key).collect());
        due.into_iter().for_each(|key| self.remove(key));
        assert_eq!(self.table.due(0, now_ms), None);
        let earliest_ms = self.model.values().filter_map(|(_, at_ms)| *at_ms).min();
        let deadline_ms = self.table.deadline_ms();
        assert!(now_ms < deadline_ms && deadline_ms <= earliest_ms.unwrap_or(i64::MAX));
    }

    fn check_whole(&mut self) {
        assert_eq!(self.table.len(), self.model.len());
        let mut seen = HashSet::new();
        self.table
            .for_each(|item| assert!(seen.insert(item.data().key)));
        assert_eq!(seen.len(), self.model.len());
        assert!(seen.iter().all(|key| self.model.contains_key(key)));
        assert_eq!(self.table.is_empty(), self.table.table_bytes() == 0);
        assert_eq!(LIVE.get(), self.model.len() as i64);
    }

    fn drain(&mut self) {
        let mut keys: Vec<u64> = self.model.keys().copied().collect();
        keys.sort_unstable();
        for (done, key) in keys.into_iter().enumerate() {
            if done.is_multiple_of(16) {
                self.scan_step();
                self.snapshot_step();
            }
            self.remove(key);
        }
        assert_eq!((self.table.len(), self.table.table_bytes()), (0, 0));
        assert_eq!(LIVE.get(), 0);
        self.set(1);
        (0..2).for_each(|place| self.close(place));
        self.remove(1);
    }
}

fn number_from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn check(quality: Quality, keys: u64, steps: u64) {
    let seeds = match number_from_env("LOCKSTEP_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number_from_env("LOCKSTEP_SEEDS").unwrap_or(4),
    };
    for seed in seeds {
        println!("seed {seed}, {quality:?}, {keys} keys");
        World::new(seed, quality, keys).run(steps);
    }
}

#[test]
fn tiny_tables_do_as_the_model() {
    for keys in [1, 2, 5, 9, 10, 19, 30, 60] {
        check(Quality::Good, keys, 3000);
        check(Quality::OneTag, keys, 1000);
        check(Quality::Homes(1), keys, 2000);
        check(Quality::Homes(3), keys, 2000);
    }
}

#[test]
fn one_segment_does_as_the_model() {
    for keys in [150, 400, 600, 900] {
        check(Quality::Good, keys, 12_000);
    }
}

#[test]
fn large_tables_do_as_the_model() {
    check(Quality::Good, 6_000, 60_000);
    check(Quality::OneTag, 3_000, 30_000);
}

#[test]
fn colliding_hashes_do_as_the_model() {
    for homes in [1, 2, 7, 40] {
        check(Quality::Homes(homes), 700, 8_000);
    }
    check(Quality::Prefix(6), 2_000, 20_000);
    check(Quality::Prefix(25), 1_500, 12_000);
}

/// The model seldom has a single early deadline meet a merge, and does not look at sizes.
#[test]
fn merging_keeps_the_deadline_and_gives_the_memory_back() {
    let hasher = KeyHasher::seeded(1);
    let quality = Quality::Good;
    for last in 0..16 {
        let mut table = Table::new();
        for key in 0..6_000 {
            let item = Item::new(Data {
                key,
                version: 0,
                deadline_ms: None,
                quality,
            });
            table.insert_new(hash(quality, key), item, &hasher, &mut NoSnapshots);
        }
        table.lower_deadline(hash(quality, last), 50);
        let full = table.table_bytes();
        for key in (0..6_000).filter(|&key| key != last) {
            let eq = |item: &Item| item.data().key == key;
            let removed = table.remove(hash(quality, key), &hasher, &mut NoSnapshots, eq);
            assert!(removed.is_some());
            assert_eq!(table.due(0, 49), None);
            assert!(table.due(0, 50).is_some(), "the deadline of {last} is lost");
        }
        assert_eq!(table.depth(), 0, "one key needs no directory");
        assert!(
            table.table_bytes() * 100 < full,
            "{} of {full}",
            table.table_bytes()
        );
    }
}

#[test]
fn random_draws_are_fair() {
    let mut rng = Rng::seeded(3);
    for (fill, keep) in [(3, 3), (30, 30), (900, 900), (5_000, 700), (3_000, 3_000)] {
        let hasher = KeyHasher::seeded(1);
        let mut table = Table::new();
        for key in 0..fill {
            let quality = Quality::Good;
            let item = Item::new(Data {
                key,
                version: 0,
                deadline_ms: None,
                quality,
            });
            table.insert_new(hash(quality, key), item, &hasher, &mut NoSnapshots);
        }
        for key in keep..fill {
            let eq = |item: &Item| item.data().key == key;
            table.remove(hash(Quality::Good, key), &hasher, &mut NoSnapshots, eq);
        }
        let mut counts = vec![0_u64; keep as usize];
        let draws = keep * 200;
        for _ in 0..draws {
            let item = table.random(|below| rng.below(below)).expect("not empty");
            counts[item.data().key as usize] += 1;
        }
        // A deviation of six times the standard one is a bias, not chance.
        let squares: f64 = counts
            .iter()
            .map(|&n| (n as f64 - 200.0).powi(2) / 200.0)
            .sum();
        let (expected, spread) = ((keep - 1) as f64, (2.0 * (keep - 1) as f64).sqrt());
        assert!(
            (squares - expected).abs() < 6.0 * spread,
            "{fill} {keep}: {squares}"
        );
    }
}

#[test]
fn a_table_costs_little() {
    assert_eq!(size_of::<Table<Item>>(), 40);
    let hasher = KeyHasher::seeded(1);
    // Shards of 49 keys: 100,000 keys over 2,048 tables.
    for (len, bytes_max) in [(49, 15.0), (1_500, 10.2), (2_400, 10.2), (3_400, 10.2)] {
        let mut bytes = 0;
        for seed in 0..20 {
            let mut table = Table::new();
            for key in 0..len {
                let (key, quality) = (seed * 1_000_000 + key, Quality::Good);
                let item = Item::new(Data {
                    key,
                    version: 0,
                    deadline_ms: None,
                    quality,
                });
                table.insert_new(hash(quality, key), item, &hasher, &mut NoSnapshots);
            }
            bytes += table.table_bytes() + size_of::<Table<Item>>();
        }
        let each = bytes as f64 / (20 * len) as f64;
        println!("{len} keys: {each:.2} bytes each");
        assert!(each <= bytes_max, "{len} keys: {each}");
    }
}
