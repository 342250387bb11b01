//! Registers as runs of equal ones.
//!
//! ```text
//! 00llllll           l + 1 zeros (up to 64)
//! 01llllll llllllll  l + 1 zeros (up to 16384), high bits first
//! 1vvvvvll           l + 1 (up to 4) registers of v + 1 (up to 32)
//! ```
//!
//! How a run is split, and what is joined afterwards, decides which bytes stand there; other
//! servers continue with ours, so both are done as they do it.

use super::{Corrupt, REGISTERS};
use std::fmt::Write;

const SHORT_ZEROS_MAX: usize = 64;
const VALUE_RUN_MAX: usize = 4;
const VALUE_MAX: u8 = 32;
/// So many runs are looked at for neighbours to join, from the one before a change on.
const JOIN_RUNS: usize = 5;

/// Equal registers that follow each other.
#[derive(Clone, Copy, Debug)]
struct Run {
    len: usize,
    rank: u8,
    /// What it takes in the string.
    bytes: usize,
}

pub enum Raised {
    No,
    Yes,
    /// It has to become dense first.
    TooLong,
}

/// The run that begins at the front of `bytes`.
fn parse(bytes: &[u8]) -> Option<Run> {
    let first = *bytes.first()?;
    Some(match first >> 6 {
        0 => Run {
            len: usize::from(first) + 1,
            rank: 0,
            bytes: 1,
        },
        1 => Run {
            len: (usize::from(first & 0x3f) << 8 | usize::from(*bytes.get(1)?)) + 1,
            rank: 0,
            bytes: 2,
        },
        _ => Run {
            len: usize::from(first & 3) + 1,
            rank: (first >> 2 & 0x1f) + 1,
            bytes: 1,
        },
    })
}

fn runs(mut bytes: &[u8]) -> impl Iterator<Item = Result<Run, Corrupt>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let run = parse(bytes);
        bytes = &bytes[run.map_or(bytes.len(), |run| run.bytes)..];
        Some(run.ok_or(Corrupt))
    })
}

/// Gives each run with its first register's index, length and rank. The indexes are in
/// bounds; that they end where they must is known at the end only.
pub fn read(bytes: &[u8], mut give: impl FnMut(usize, usize, u8)) -> Result<(), Corrupt> {
    let mut index = 0;
    for run in runs(bytes) {
        let run = run?;
        if index + run.len > REGISTERS {
            return Err(Corrupt);
        }
        give(index, run.len, run.rank);
        index += run.len;
    }
    match index == REGISTERS {
        true => Ok(()),
        false => Err(Corrupt),
    }
}

pub fn put_zeros(out: &mut Vec<u8>, len: usize) {
    let less = len - 1;
    if len > SHORT_ZEROS_MAX {
        out.push(0x40 | (less >> 8) as u8);
    }
    out.push(less as u8);
}

fn value_run(rank: u8, len: usize) -> u8 {
    0x80 | (rank - 1) << 2 | (len - 1) as u8
}

/// Raises register `index` to `rank` if it is below, in the runs that begin at `start`.
pub fn raise(
    bytes: &mut Vec<u8>,
    start: usize,
    index: usize,
    rank: u8,
    bytes_max: usize,
) -> Result<Raised, Corrupt> {
    if rank > VALUE_MAX {
        return Ok(Raised::TooLong);
    }
    let (mut at, mut before, mut first) = (start, start, 0);
    let run = loop {
        let run = parse(&bytes[at..]).ok_or(Corrupt)?;
        if index < first + run.len {
            break run;
        }
        before = at;
        at += run.bytes;
        first += run.len;
    };
    if run.rank >= rank {
        return Ok(Raised::No);
    }
    let mut new = Vec::with_capacity(5);
    let mut put = |rank: u8, len: usize| match (rank, len) {
        (_, 0) => {}
        (0, len) => put_zeros(&mut new, len),
        (rank, len) => new.push(value_run(rank, len)),
    };
    put(run.rank, index - first);
    put(rank, 1);
    put(run.rank, first + run.len - 1 - index);
    if new.len() > run.bytes && bytes.len() + new.len() - run.bytes > bytes_max {
        return Ok(Raised::TooLong);
    }
    bytes.splice(at..at + run.bytes, new);
    join(bytes, before);
    Ok(Raised::Yes)
}

/// Joins neighbours of one value from `at` on, as far as a run may be long.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOIN_RUNS {
        let Some(run) = parse(&bytes[at..]) else {
            return;
        };
        let next = parse(&bytes[at + run.bytes..]);
        match next {
            Some(next)
                if run.rank > 0 && next.rank == run.rank && run.len + next.len <= VALUE_RUN_MAX =>
            {
                bytes[at] = value_run(run.rank, run.len + next.len);
                bytes.remove(at + 1);
            }
            _ => at += run.bytes,
        }
    }
}

pub fn describe(bytes: &[u8]) -> String {
    let mut text = String::new();
    // A last run that lacks its second byte is read as if there were a zero.
    let padded = [bytes, &[0]].concat();
    let mut at = 0;
    while let Some(run) = parse(&padded[at..]).filter(|_| at < bytes.len()) {
        at += run.bytes;
        let separator = if text.is_empty() { "" } else { " " };
        // Writing to a String does not fail.
        let _ = match (run.rank, run.bytes) {
            (0, 1) => write!(text, "{separator}z:{}", run.len),
            (0, _) => write!(text, "{separator}Z:{}", run.len),
            (rank, _) => write!(text, "{separator}v:{rank},{}", run.len),
        };
    }
    text
}
