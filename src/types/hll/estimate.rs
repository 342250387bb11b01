//! From registers to a count: Ertl's estimator, which needs neither tables nor corrections
//! ("New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6).

use super::{RANK_BITS, REGISTERS};

/// 1 / (2 ln 2)
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// The count for registers of which `histogram[r]` have rank `r`; 63 bits at most.
pub fn count(histogram: &[u32; 64]) -> u64 {
    let m = REGISTERS as f64;
    let rank_max = RANK_BITS as usize;
    let of = |rank: usize| f64::from(histogram[rank]);
    let mut z = m * tau((m - of(rank_max + 1)) / m);
    for rank in (1..=rank_max).rev() {
        z = (z + of(rank)) * 0.5;
    }
    z += m * sigma(of(0) / m);
    (ALPHA * m * m / z).round() as i64 as u64
}

/// x + x^2 + 2 x^4 + 4 x^8 and so on
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// A third of 1 - x - (1 - x^(1/2))^2 / 2 - (1 - x^(1/4))^2 / 4 and so on
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z == before {
            return z / 3.0;
        }
    }
}
