//! What the codec costs: nanoseconds an entry, written and read, and the checksum's speed.
//!
//! `cargo bench --bench rdb`

use std::hint::black_box;
use std::time::{Duration, Instant};

use lockstep::base::hash::Crc64;
use lockstep::rdb::decode::{Decoder, Options, Step};
use lockstep::rdb::encode::{self, Encoder, KeyMeta};
use lockstep::rdb::format::FileVersion;

const ENTRIES: usize = 100_000;
const ROUNDS: usize = 15;

/// Makes the value of a given length for a given number.
type Kind = fn(u64, usize) -> Vec<u8>;

fn main() {
    println!("{ENTRIES} entries with keys of 16 bytes, best of {ROUNDS} rounds, ns an entry");
    println!(
        "{:<22} {:>9} {:>9} {:>9} {:>9} {:>7}",
        "values", "plain", "packing", "reading", "checked", "packed"
    );
    let kinds: [(&str, usize, Kind); 12] = [
        ("noise, 8 bytes", 8, noise),
        ("noise, 32 bytes", 32, noise),
        ("letters, 32 bytes", 32, letters),
        ("words, 32 bytes", 32, words),
        ("noise, 100 bytes", 100, noise),
        ("letters, 100 bytes", 100, letters),
        ("words, 100 bytes", 100, words),
        ("noise, 1000 bytes", 1000, noise),
        ("letters, 1000 bytes", 1000, letters),
        ("words, 1000 bytes", 1000, words),
        ("one letter, 32 bytes", 32, same),
        ("numbers", 0, number),
    ];
    for (name, len_bytes, kind) in kinds {
        measure(name, len_bytes, kind);
    }
    let bytes = vec![7; 1 << 26];
    let took = best(|| {
        let mut crc = Crc64::new();
        crc.update(black_box(&bytes));
        black_box(crc.value());
    });
    println!(
        "CRC64: {:.2} GB/s",
        bytes.len() as f64 / took.as_secs_f64() / 1e9
    );
}

fn measure(name: &str, len_bytes: usize, kind: Kind) {
    let pairs: Vec<(Vec<u8>, Vec<u8>)> = (0..ENTRIES as u64)
        .map(|n| (format!("key:{n:012}").into_bytes(), kind(n, len_bytes)))
        .collect();
    let plain = write(&pairs, false);
    let packed = write(&pairs, true);
    let reading = best(|| read(&packed.1, false));
    let checked = best(|| read(&packed.1, true));
    let per_entry = |took: Duration| took.as_secs_f64() * 1e9 / ENTRIES as f64;
    println!(
        "{name:<22} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>6.0}%",
        per_entry(plain.0),
        per_entry(packed.0),
        per_entry(reading),
        per_entry(checked),
        packed.1.len() as f64 * 100.0 / plain.1.len() as f64,
    );
}

fn write(pairs: &[(Vec<u8>, Vec<u8>)], compression: bool) -> (Duration, Vec<u8>) {
    let mut encoder = Encoder::new(compression);
    let mut out = Vec::new();
    let took = best(|| {
        out.clear();
        encode::put_header(&mut out, FileVersion::Redis10);
        for (key, value) in pairs {
            encoder.put_string_entry(&mut out, key, value, KeyMeta::default());
        }
        encode::put_end(&mut out);
    });
    let mut crc = Crc64::new();
    crc.update(&out);
    encode::put_checksum(&mut out, Some(crc.value()));
    (took, out)
}

fn read(file: &[u8], verify_checksum: bool) {
    let mut decoder = Decoder::new(Options {
        verify_checksum,
        ..Options::default()
    });
    let mut rest = file;
    loop {
        match decoder.next(rest).expect("our own file") {
            Step::End { .. } => return,
            step => {
                black_box(step);
            }
        }
        rest = &rest[decoder.consumed_bytes()..];
    }
}

fn best(mut run: impl FnMut()) -> Duration {
    let round = |_| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..ROUNDS).map(round).min().unwrap_or_default()
}

fn random(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some(state >> 32)
    })
}

fn noise(seed: u64, len_bytes: usize) -> Vec<u8> {
    random(seed).map(|n| n as u8).take(len_bytes).collect()
}

fn letters(seed: u64, len_bytes: usize) -> Vec<u8> {
    let letters = random(seed).map(|n| b'a' + (n % 26) as u8);
    letters.take(len_bytes).collect()
}

fn words(seed: u64, len_bytes: usize) -> Vec<u8> {
    const WORDS: &str = "status active user name email address created updated";
    let list: Vec<&str> = WORDS.split(' ').collect();
    let words = random(seed).flat_map(|n| format!("\"{}\":", list[n as usize % 8]).into_bytes());
    words.take(len_bytes).collect()
}

fn same(_: u64, len_bytes: usize) -> Vec<u8> {
    vec![b'x'; len_bytes]
}

fn number(seed: u64, _: usize) -> Vec<u8> {
    (seed * 7919).to_string().into_bytes()
}
