//! What saves and loads cost: five million keys of 16 bytes with values of 32, written to a
//! file, read back, and saved once more while a client writes at a steady rate.
//!
//! `cargo bench --bench persist [keys]`

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lockstep::base::rng::Rng;
use lockstep::persist::{load, save};
use lockstep::shared::Shared;
use lockstep::store::locked::{Locked, Locker};
use lockstep::store::view::Ttl;

#[path = "../tests/persist/shared.rs"]
mod shared;

const KEYS: u64 = 5_000_000;
const ROUNDS: usize = 5;

/// Writes a second during the save that is disturbed.
const WRITES_PER_SECOND: u64 = 30_000;
/// How many of them are made at once: as one read of a socket would bring them.
const BURST: u64 = 6;

const GATE_MAIN: usize = 0;
const GATE_WRITER: usize = 1;

fn main() {
    let keys = std::env::args().find_map(|argument| argument.parse().ok());
    let keys: u64 = keys.unwrap_or(KEYS);
    let dir = tempfile::tempdir().expect("a directory");
    let shared = shared::in_dir(dir.path(), &[]);
    let mut locker = Locker::new(&shared.keyspace, GATE_MAIN);
    fill(&shared, &mut locker, keys);
    let path = dir.path().join("dump.rdb");
    for (name, setting) in [("packing", "yes"), ("plain", "no")] {
        shared::set(&shared, "rdbcompression", setting);
        for _ in 0..ROUNDS {
            save_once(name, &shared, &mut locker, &path);
        }
    }
    shared::set(&shared, "rdbcompression", "yes");
    for _ in 0..ROUNDS {
        disturbed(&shared, &mut locker, &path, keys);
    }
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let loaded = load::load_file(&shared, &path).expect("a good file");
        let loaded = loaded.expect("a file");
        let read = started.elapsed();
        let mut locked = shared.keyspace.lock_everything(&mut locker);
        let count = loaded.keys_loaded;
        loaded.install(&shared, &mut locked);
        drop(locked);
        println!(
            "load {count} keys: {read:?}, in place after {:?}",
            started.elapsed()
        );
    }
}

fn save_once(name: &str, shared: &Shared, locker: &mut Locker, path: &Path) {
    let report = save::save_to(shared, locker, path, &mut |_| ()).expect("a save");
    let seconds = report.took.as_secs_f64();
    println!(
        "save {name}: {} keys, {:.0} MB in {seconds:.3} s ({:.0} ns a key), cut {} us",
        report.keys,
        report.bytes as f64 / 1e6,
        seconds * 1e9 / report.keys as f64,
        report.cut_us
    );
}

/// Saves on a niced thread while this one writes at a steady rate and times each write.
fn disturbed(shared: &Arc<Shared>, locker: &mut Locker, path: &Path, keys: u64) {
    let saving = Arc::new(AtomicBool::new(true));
    let saver = {
        let (shared, saving, path) = (Arc::clone(shared), Arc::clone(&saving), path.to_owned());
        std::thread::spawn(move || {
            rustix::process::nice(10).expect("less priority");
            let mut locker = Locker::new(&shared.keyspace, GATE_WRITER);
            let report = save::save_to(&shared, &mut locker, &path, &mut |_| ());
            saving.store(false, Ordering::Relaxed);
            report.expect("a save")
        })
    };
    let mut late_us = Vec::new();
    let mut rng = Rng::seeded(7);
    let started = Instant::now();
    let period = Duration::from_nanos(1_000_000_000 * BURST / WRITES_PER_SECOND);
    for burst in 0u32.. {
        if !saving.load(Ordering::Relaxed) {
            break;
        }
        let due = started + period * burst;
        while let Some(wait) = due.checked_duration_since(Instant::now()) {
            std::thread::sleep(wait);
        }
        for _ in 0..BURST {
            let key = key_of(rng.below(keys));
            let key = shared.keyspace.key(key.as_bytes());
            let shard = shared.keyspace.shard_of(key.hash) as u16;
            let mut locked = shared.keyspace.lock_shards(locker, &[shard]);
            locked.set_string(0, key, &value_of(&mut rng), Ttl::Set(None));
            drop(locked);
            late_us.push(due.elapsed().as_micros());
        }
    }
    let report = saver.join().expect("the saver");
    late_us.sort_unstable();
    let at = |share: f64| late_us[(late_us.len() as f64 * share) as usize];
    println!(
        "save under {WRITES_PER_SECOND} writes a second: {:.3} s, {:.0} MB given, \
         write done p50 {} p99 {} p99.9 {} max {} us after it was due",
        report.took.as_secs_f64(),
        report.given_bytes as f64 / 1e6,
        at(0.5),
        at(0.99),
        at(0.999),
        at(0.999_999)
    );
}

fn fill(shared: &Shared, locker: &mut Locker, keys: u64) {
    let mut rng = Rng::seeded(1);
    let mut locked: Locked = shared.keyspace.lock_everything(locker);
    for n in 0..keys {
        let key = key_of(n);
        let key = shared.keyspace.key(key.as_bytes());
        locked.set_string(0, key, &value_of(&mut rng), Ttl::Set(None));
    }
}

fn key_of(n: u64) -> String {
    format!("key:{n:012}")
}

/// 32 bytes that do not pack.
fn value_of(rng: &mut Rng) -> [u8; 32] {
    let mut value = [0; 32];
    for part in value.as_chunks_mut::<8>().0 {
        *part = rng.next_u64().to_le_bytes();
    }
    value
}
