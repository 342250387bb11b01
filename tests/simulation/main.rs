//! A cluster in one process, from one seed, faults included.
//!
//! One leader, its followers and a chain: each is the real engine with the real replication
//! on simulated time, over pipes that are slow, hang and break at any byte. A random
//! schedule writes, cuts, stops and starts servers, promotes followers and points others at
//! them. What must hold all the while:
//!
//! - a server that has the leader's history has exactly the data of its offset;
//! - nobody ever shows half of a transaction;
//! - who was in sync and finds enough backlog is never sent everything again;
//! - what WAIT promised survives the promotion of a follower that acknowledged it;
//! - left in peace, all come to the same data, the same offset and the same history.
//!
//! `SIM_SEED=n cargo test --test simulation` repeats one run, and says what it does.
//! `SIM_SECONDS` searches for so long, among seeds that nobody chose.

mod judge;

mod cluster;

mod node;

mod schedule;

mod successions;

mod wire;

mod writes;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use lockstep::base::clock;
use lockstep::base::rng::Rng;
use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};
use tokio::task::LocalSet;
use tokio::time::Instant;

/// How long the search for a bad seed goes on.
const SECONDS: u64 = 20;

/// Every run begins at this time.
const BEGIN_US: i64 = 1_700_000_000_000_000;

thread_local! {
    static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What threads that know nothing of the simulation are told.
static NOW_US: AtomicI64 = AtomicI64::new(BEGIN_US);

/// There is one `NOW_US`.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn simulated_us() -> i64 {
    let began = BEGAN.get();
    if let (Some(began), Ok(_)) = (began, Handle::try_current()) {
        let us = BEGIN_US + began.elapsed().as_micros() as i64;
        NOW_US.store(us, Ordering::Relaxed);
    }
    NOW_US.load(Ordering::Relaxed)
}

/// Runs the schedule of one seed; returns what it came to, to be compared.
fn run(seed: u64, loud: bool) -> u64 {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let set = LocalSet::new();
    let digest = set.block_on(&runtime, async {
        BEGAN.set(Some(Instant::now()));
        schedule::run(seed, loud).await
    });
    BEGAN.set(None);
    digest
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn a_cluster_survives_any_schedule() {
    let _alone = ONE_AT_A_TIME.lock();
    clock::simulate(simulated_us);
    if let Some(seed) = setting("SIM_SEED") {
        log_to_stderr();
        run(seed, true);
        return;
    }
    // The same schedules every time, as many as the time allows; a longer search draws others.
    let search = setting("SIM_SECONDS");
    let mut seeds = search.map_or(Rng::seeded(1), |_| Rng::from_entropy());
    let seconds = Duration::from_secs(search.unwrap_or(SECONDS));
    let began = std::time::Instant::now();
    let mut runs = 0;
    while began.elapsed() < seconds {
        let seed = seeds.next_u64() >> 32;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed, false))) {
            eprintln!("again: SIM_SEED={seed} cargo test --test simulation");
            resume_unwind(panic);
        }
        runs += 1;
    }
    eprintln!("{runs} schedules");
}

#[test]
fn a_seed_is_a_schedule() {
    let _alone = ONE_AT_A_TIME.lock();
    clock::simulate(simulated_us);
    if setting("SIM_SEED").is_none() {
        assert_eq!(run(1, false), run(1, false));
    }
}

fn log_to_stderr() {
    let log = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .finish();
    // A test binary has no other log.
    let _ = tracing::subscriber::set_global_default(log);
}
