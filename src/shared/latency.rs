//! How the latencies of one command are spread, in buckets whose width grows with the value:
//! sixteen for every doubling, so that a reading is at most a sixteenth above the truth.

use std::sync::atomic::{AtomicU32, Ordering};

/// Buckets for every doubling.
const STEPS: u64 = 16;
/// Values are told apart below two to the power of this: some 18 minutes, in microseconds.
const BITS: u32 = 30;
const BUCKETS: usize = ((BITS - STEPS.ilog2() + 1) as u64 * STEPS) as usize;

/// Written by one thread and read by others.
pub struct Latencies {
    buckets: Box<[AtomicU32]>,
}

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies {
            buckets: (0..BUCKETS).map(|_| AtomicU32::new(0)).collect(),
        }
    }
}

impl Latencies {
    /// By the owning thread only.
    #[inline]
    pub fn add(&self, microseconds: u64, calls: u64) {
        let bucket = &self.buckets[bucket_of(microseconds)];
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        let count = bucket.load(Ordering::Relaxed).saturating_add(calls);
        bucket.store(count, Ordering::Relaxed);
    }

    pub fn reset(&self) {
        for bucket in &self.buckets {
            bucket.store(0, Ordering::Relaxed);
        }
    }
}

/// The latencies of several threads together.
pub struct Spread {
    counts: Box<[u64]>,
    total: u64,
}

impl Default for Spread {
    fn default() -> Spread {
        Spread {
            counts: vec![0; BUCKETS].into(),
            total: 0,
        }
    }
}

impl Spread {
    pub fn add(&mut self, latencies: &Latencies) {
        for (sum, bucket) in self.counts.iter_mut().zip(&latencies.buckets) {
            let count = u64::from(bucket.load(Ordering::Relaxed));
            *sum += count;
            self.total += count;
        }
    }

    /// How many calls were measured.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The microseconds that so many percent of the calls did not exceed; 0 for under one.
    pub fn percentile(&self, percent: f64) -> u64 {
        let wanted = ((percent / 100.0 * self.total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, &count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return highest_of(bucket);
            }
        }
        0
    }

    /// For 1, 2, 4, ... microseconds how many calls took less, leaving out those numbers
    /// that add no call.
    pub fn cumulative(&self) -> Vec<(u64, u64)> {
        let mut steps = Vec::new();
        let (mut seen, mut bucket) = (0, 0);
        for power in 0..=BITS {
            let before = seen;
            while bucket < BUCKETS && highest_of(bucket) < 1 << power {
                seen += self.counts[bucket];
                bucket += 1;
            }
            if seen > before {
                steps.push((1 << power, seen));
            }
        }
        steps
    }
}

/// Small values have a bucket each; then each doubling has `STEPS`.
#[inline]
fn bucket_of(microseconds: u64) -> usize {
    let value = microseconds.min((1 << BITS) - 1);
    let shift = (value | STEPS).ilog2() - STEPS.ilog2();
    (u64::from(shift) * STEPS + (value >> shift)) as usize
}

/// The greatest value that falls into a bucket.
fn highest_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let shift = bucket / STEPS - 1;
    ((bucket % STEPS + STEPS + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_gaps() {
        let mut next = 0;
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(next), bucket);
            assert_eq!(bucket_of(highest_of(bucket)), bucket);
            next = highest_of(bucket) + 1;
        }
        assert_eq!(next, 1 << BITS);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_and_steps() {
        let latencies = Latencies::default();
        for microseconds in [0, 0, 1, 3, 50_000] {
            latencies.add(microseconds, 1);
        }
        let mut spread = Spread::default();
        spread.add(&latencies);
        assert_eq!(spread.total(), 5);
        assert_eq!([0.0, 50.0, 80.0].map(|p| spread.percentile(p)), [0, 1, 3]);
        let most = spread.percentile(100.0);
        assert!((50_000..=53_125).contains(&most), "{most}");
        let expect = [(1, 2), (2, 3), (4, 4), (65_536, 5)];
        assert_eq!(spread.cumulative(), expect);
        latencies.reset();
        let mut spread = Spread::default();
        spread.add(&latencies);
        assert_eq!((spread.total(), spread.percentile(50.0)), (0, 0));
    }
}
