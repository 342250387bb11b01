//! Counts of latencies in buckets whose width is under 1.6 % of their value.

const STEPS_BITS: u32 = 6;
const STEPS: usize = 1 << STEPS_BITS;

/// Latencies in nanoseconds. Values below `STEPS` have a bucket each, larger ones share
/// `STEPS` buckets for each power of two.
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_ns: u64,
}

impl Histogram {
    pub fn new() -> Self {
        let buckets = (64 - STEPS_BITS as usize + 1) * STEPS;
        Self {
            counts: vec![0; buckets],
            total: 0,
            max_ns: 0,
        }
    }

    pub fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
        self.max_ns = 0;
    }

    #[inline]
    pub fn record(&mut self, latency_ns: u64, times: u64) {
        self.counts[bucket_of(latency_ns)] += times;
        self.total += times;
        self.max_ns = self.max_ns.max(latency_ns);
    }

    /// The latency which `share` (0 to 1) of all requests did not exceed, 0 if there were none.
    pub fn quantile_ns(&self, share: f64) -> u64 {
        let wanted = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted.max(1) {
                return upper_bound_ns(bucket).min(self.max_ns);
            }
        }
        self.max_ns
    }

    pub fn max_ns(&self) -> u64 {
        self.max_ns
    }
}

fn bucket_of(value: u64) -> usize {
    if value < STEPS as u64 {
        return value as usize;
    }
    let exponent = 63 - value.leading_zeros() - STEPS_BITS;
    let step = (value >> exponent) as usize - STEPS;
    (exponent as usize + 1) * STEPS + step
}

fn upper_bound_ns(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let exponent = bucket / STEPS - 1;
    let first = ((STEPS + bucket % STEPS) as u64) << exponent;
    first + ((1 << exponent) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_values_and_is_narrow() {
        for value in (0..5_000).chain([1 << 20, u64::MAX / 3, u64::MAX]) {
            let upper = upper_bound_ns(bucket_of(value));
            assert!(upper >= value, "{value}");
            assert!((upper - value) as f64 <= value as f64 / 60.0, "{value}");
        }
    }

    #[test]
    fn quantiles_of_a_ramp() {
        let mut histogram = Histogram::new();
        (1..=1_000).for_each(|value| histogram.record(value * 1_000, 1));
        let close = |share: f64, expect: f64| {
            let got = histogram.quantile_ns(share) as f64;
            assert!((got / expect - 1.0).abs() < 0.02, "{share}: {got}");
        };
        close(0.5, 500_000.0);
        close(0.99, 990_000.0);
        close(1.0, 1_000_000.0);
        assert_eq!(Histogram::new().quantile_ns(0.99), 0);
    }
}
