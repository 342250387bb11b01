//! The grid that scores are cells of.

use std::ops::Range;

use super::place::{LAT_MAX, LAT_MIN, LON_MAX, LON_MIN, Place};

/// Bits of a score's longitude, and of its latitude.
pub const STEPS_MAX: u32 = 26;

impl Place {
    /// Its score: an integer of 52 bits.
    pub fn score(self) -> u64 {
        Cell::of(self, STEPS_MAX).bits
    }

    /// The place that a score stands for: the middle of a cell of half a metre.
    pub fn of_score(score: f64) -> Place {
        let cell = Cell {
            bits: bits_of(score),
            steps: STEPS_MAX,
        };
        let (south_west, north_east) = cell.corners();
        let middle = |a: f64, b: f64| (a + b) / 2.0;
        Place {
            lon: middle(south_west.lon, north_east.lon).clamp(LON_MIN, LON_MAX),
            lat: middle(south_west.lat, north_east.lat).clamp(LAT_MIN, LAT_MAX),
        }
    }

    /// The letters that maps use. The last one has no bits of its own.
    pub fn letters(self) -> [u8; 11] {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        // Maps count latitudes from pole to pole.
        let lat = grid_line(self.lat, -90.0, 90.0, STEPS_MAX);
        let lon = grid_line(self.lon, LON_MIN, LON_MAX, STEPS_MAX);
        let bits = interleave(lat, lon);
        std::array::from_fn(|at| match at {
            10 => ALPHABET[0],
            _ => ALPHABET[(bits >> (52 - (at + 1) * 5)) as usize & 31],
        })
    }
}

/// A score as an integer, whatever number it is: as C converts it on x86, for a set may hold
/// scores that are no places.
fn bits_of(score: f64) -> u64 {
    const HALF: f64 = (1u64 << 63) as f64;
    match score < HALF {
        true => truncated(score) as u64,
        false => truncated(score - HALF) as u64 ^ 1 << 63,
    }
}

/// The same with a sign. What does not fit is the lowest number.
pub fn truncated(score: f64) -> i64 {
    const LIMIT: f64 = (1u64 << 63) as f64;
    match (-LIMIT..LIMIT).contains(&score) {
        true => score as i64,
        false => i64::MIN,
    }
}

/// A cell of a grid: of `2^steps` columns and as many rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    bits: u64,
    steps: u32,
}

/// The bits of longitudes, and of latitudes.
const LON_BITS: u64 = 0xaaaa_aaaa_aaaa_aaaa;
const LAT_BITS: u64 = 0x5555_5555_5555_5555;

impl Cell {
    pub fn of(place: Place, steps: u32) -> Cell {
        let lat = grid_line(place.lat, LAT_MIN, LAT_MAX, steps);
        let lon = grid_line(place.lon, LON_MIN, LON_MAX, steps);
        Cell {
            bits: interleave(lat, lon),
            steps,
        }
    }

    /// South-west and north-east.
    pub fn corners(self) -> (Place, Place) {
        let (lat, lon) = (deinterleave(self.bits), deinterleave(self.bits >> 1));
        let cells = (1u64 << self.steps) as f64;
        let corner = |lat: f64, lon: f64| Place {
            lon: LON_MIN + lon / cells * (LON_MAX - LON_MIN),
            lat: LAT_MIN + lat / cells * (LAT_MAX - LAT_MIN),
        };
        let (lat, lon) = (f64::from(lat), f64::from(lon));
        (corner(lat, lon), corner(lat + 1.0, lon + 1.0))
    }

    /// The cell so many columns to the east and rows to the north, each at most one. The
    /// grid has no edge: behind the last column comes the first.
    pub fn beside(self, east: i32, north: i32) -> Cell {
        let unused = 64 - 2 * self.steps;
        let shift = |own: u64, others: u64, mask: u64, by: i32| match by {
            0 => own,
            1 => own.wrapping_add(others.wrapping_add(1)) & mask,
            _ => (own | others).wrapping_sub(others.wrapping_add(1)) & mask,
        };
        let (lon_mask, lat_mask) = (LON_BITS >> unused, LAT_BITS >> unused);
        let lon = shift(self.bits & LON_BITS, lat_mask, lon_mask, east);
        let lat = shift(self.bits & LAT_BITS, lon_mask, lat_mask, north);
        let bits = lon | lat;
        Cell { bits, ..self }
    }

    /// The scores of the places in it.
    pub fn scores(self) -> Range<f64> {
        let unused = 52 - 2 * self.steps;
        let score = |bits: u64| (bits << unused) as f64;
        score(self.bits)..score(self.bits + 1)
    }
}

/// The column or row of a coordinate.
fn grid_line(value: f64, min: f64, max: f64, steps: u32) -> u32 {
    let part = (value - min) / (max - min);
    (part * (1u64 << steps) as f64) as u32
}

/// One bit of each in turn, the lowest from `even`.
fn interleave(even: u32, odd: u32) -> u64 {
    spread(even) | spread(odd) << 1
}

fn spread(bits: u32) -> u64 {
    let mut spread = u64::from(bits);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, LAT_BITS),
    ] {
        spread = (spread | spread << shift) & mask;
    }
    spread
}

/// Every second bit, from the lowest on.
fn deinterleave(bits: u64) -> u32 {
    let mut dense = bits & LAT_BITS;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        dense = (dense | dense >> shift) & mask;
    }
    dense as u32
}
