//! What a command costs between the socket's bytes and the reply's: parsing, locks, table,
//! entry and reply, without any system call. Prints nanoseconds per command.
//!
//! `cargo bench --bench dispatch -- [keys] [pipeline ...]`

use std::time::Instant;

use lockstep::base::memory::Allocator;
use lockstep::base::rng::Rng;

#[path = "../tests/door/mod.rs"]
mod door;

use door::Door;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Commands a measurement takes.
const COMMANDS: usize = 2_000_000;

fn main() {
    let numbers: Vec<usize> = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let keys = numbers.first().copied().unwrap_or(1_000_000);
    let pipelines = numbers
        .get(1..)
        .filter(|list| !list.is_empty())
        .unwrap_or(&[1, 16, 100]);
    let mut door = Door::new(false);
    let mut rng = Rng::seeded(1);
    let value = "x".repeat(32);
    fill(&mut door, keys, &value);
    for &pipeline in pipelines {
        let batches = 4096;
        let mut batch = |set: bool| -> Vec<Vec<u8>> {
            let one = |rng: &mut Rng| match set {
                true => request(&["SET", &key(rng.below(keys as u64) as usize), &value]),
                false => request(&["GET", &key(rng.below(keys as u64) as usize)]),
            };
            (0..batches)
                .map(|_| (0..pipeline).flat_map(|_| one(&mut rng)).collect())
                .collect()
        };
        for (name, inputs) in [("GET", batch(false)), ("SET", batch(true))] {
            let rounds = COMMANDS.div_ceil(batches * pipeline);
            let mut best = f64::INFINITY;
            for _ in 0..5 {
                let started = Instant::now();
                for _ in 0..rounds {
                    for input in &inputs {
                        door.run(input);
                        door.reply.clear();
                    }
                }
                let commands = (rounds * batches * pipeline) as f64;
                best = best.min(started.elapsed().as_nanos() as f64 / commands);
            }
            println!("{name} pipeline {pipeline}: {best:.1} ns");
        }
    }
}

fn fill(door: &mut Door, keys: usize, value: &str) {
    for first in (0..keys).step_by(100) {
        let input: Vec<u8> = (first..first + 100)
            .flat_map(|i| request(&["SET", &key(i), value]))
            .collect();
        door.run(&input);
        door.reply.clear();
    }
}

fn key(number: usize) -> String {
    format!("key:{number:012}")
}

fn request(args: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    lockstep::resp::request::encode_command(args, &mut out);
    out
}
