//! The seeds of the fuzzers, as they are, cut short, and with single bytes changed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::{config, dump, inline, rdb, reply, request};

/// Of a longer seed not every cut and change is tried.
const PLACES_MAX: usize = 200;

/// What bytes are changed by.
const FLIPS: [u8; 4] = [1, 0x20, 0x80, 0xff];

#[test]
fn requests() {
    check_all("request", request::check);
}

#[test]
fn inline_commands() {
    check_all("inline", inline::check);
}

#[test]
fn replies() {
    check_all("reply", reply::check);
}

#[test]
fn rdb_files() {
    check_all("rdb", rdb::check);
}

#[test]
fn dumped_values() {
    check_all("dump", dump::check);
}

#[test]
fn configuration_files() {
    check_all("config", config::check);
}

fn check_all(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let entries = std::fs::read_dir(&folder).expect("seeds of every target");
    let mut count = 0;
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        let seed = std::fs::read(&path).expect("a readable seed");
        for input in variants(&seed) {
            let checked = catch_unwind(AssertUnwindSafe(|| check(&input)));
            assert!(
                checked.is_ok(),
                "{}: {}",
                path.display(),
                input.escape_ascii()
            );
        }
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}

fn variants(seed: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let step = seed.len() / PLACES_MAX + 1;
    let places = move || (0..seed.len()).step_by(step);
    let cut = places().map(|end| seed[..end].to_vec());
    let changed = places().flat_map(move |at| {
        FLIPS.map(|flip| {
            let mut changed = seed.to_vec();
            changed[at] ^= flip;
            changed
        })
    });
    std::iter::once(seed.to_vec()).chain(cut).chain(changed)
}
