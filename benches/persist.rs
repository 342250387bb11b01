//! What saves and loads cost: five million keys of 16 bytes with values of 32, written to a
//! file, read back, and saved once more while a client writes at a steady rate.
//!
//! `cargo bench --bench persist [keys]`

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lockstep::base::memory::Allocator;
use lockstep::base::rng::Rng;
use lockstep::persist::saver::NICENESS;
use lockstep::persist::{load, save};
use lockstep::shared::Shared;
use lockstep::store::locked::{Locked, Locker};
use lockstep::store::view::Ttl;

#[path = "../tests/persist/shared.rs"]
mod shared;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

const KEYS: u64 = 5_000_000;
const ROUNDS: usize = 5;

/// Writes a second during the save that is disturbed.
const WRITES_PER_SECOND: u64 = 30_000;
/// How many of them are made at once: as one read of a socket would bring them.
const BURST: u64 = 6;

const GATE_MAIN: usize = 0;
const GATE_SAVER: usize = 1;

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
        undisturbed(&shared, &mut locker, keys);
        disturbed(&shared, &mut locker, &path, keys);
    }
    for _ in 0..ROUNDS {
        let (started, before_s) = (Instant::now(), process_seconds());
        let loaded = load::load_file(&shared, &path).expect("a good file");
        let loaded = loaded.expect("a file");
        let read = started.elapsed();
        let mut locked = shared.keyspace.lock_everything(&mut locker);
        let count = loaded.keys_loaded;
        loaded.install(&shared, &mut locked);
        drop(locked);
        println!(
            "load {count} keys: {read:?}, {:.2} s of CPU, in place after {:?}",
            process_seconds() - before_s,
            started.elapsed()
        );
    }
}

fn save_once(name: &str, shared: &Shared, locker: &mut Locker, path: &Path) {
    let before_s = cpu_seconds();
    let report = save::save_to(shared, locker, path, &mut |_| ()).expect("a save");
    println!(
        "save {name}: {} keys, {:.0} MB in {:.3} s, {:.3} s of CPU, cut {} us",
        report.keys,
        report.bytes as f64 / 1e6,
        report.took.as_secs_f64(),
        cpu_seconds() - before_s,
        report.cut_us
    );
}

/// Saves on a niced thread while this one writes.
fn disturbed(shared: &Arc<Shared>, locker: &mut Locker, path: &Path, keys: u64) {
    let saving = Arc::new(AtomicBool::new(true));
    let saver = {
        let (shared, saving, path) = (Arc::clone(shared), Arc::clone(&saving), path.to_owned());
        std::thread::spawn(move || {
            rustix::process::nice(NICENESS).expect("less priority");
            let mut locker = Locker::new(&shared.keyspace, GATE_SAVER);
            let report = save::save_to(&shared, &mut locker, &path, &mut |_| ());
            saving.store(false, Ordering::Relaxed);
            report.expect("a save")
        })
    };
    let late_us = write(shared, locker, keys, || saving.load(Ordering::Relaxed));
    let report = saver.join().expect("the saver");
    println!(
        "{WRITES_PER_SECOND} writes a second and a save: {:.3} s, {:.0} MB given, done after {}",
        report.took.as_secs_f64(),
        report.given_bytes as f64 / 1e6,
        quantiles(late_us)
    );
}

/// The same without a save.
fn undisturbed(shared: &Shared, locker: &mut Locker, keys: u64) {
    let started = Instant::now();
    let late_us = write(shared, locker, keys, || {
        started.elapsed() < Duration::from_secs(2)
    });
    println!(
        "{WRITES_PER_SECOND} writes a second alone: done after {}",
        quantiles(late_us)
    );
}

/// Writes at a steady rate; how many microseconds after it was due each write was done.
fn write(shared: &Shared, locker: &mut Locker, keys: u64, goes_on: impl Fn() -> bool) -> Vec<u64> {
    let mut late_us = Vec::new();
    let mut rng = Rng::seeded(7);
    let started = Instant::now();
    let period = Duration::from_nanos(1_000_000_000 * BURST / WRITES_PER_SECOND);
    let mut due = started;
    while goes_on() {
        due += period;
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
            late_us.push(due.elapsed().as_micros() as u64);
        }
    }
    late_us
}

fn quantiles(mut late_us: Vec<u64>) -> String {
    late_us.sort_unstable();
    let at = |share: f64| late_us[(late_us.len() as f64 * share) as usize];
    let [median, p99, p999] = [0.5, 0.99, 0.999].map(at);
    format!("p50 {median} p99 {p99} p99.9 {p999} us")
}

/// What this thread has used so far.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text
        .split(' ')
        .next()
        .and_then(|field| field.parse::<f64>().ok());
    nanoseconds.unwrap_or(f64::NAN) / 1e9
}

/// What all threads have used so far, in steps of 10 ms.
fn process_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = text.rsplit(')').next().unwrap_or_default();
    let fields = behind_name.split_whitespace().skip(11).take(2);
    fields
        .filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
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
