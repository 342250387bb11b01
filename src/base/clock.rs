//! The time. Only the outer shells ask for it; whatever decides something about time
//! gets `now_ms` handed in, so that tests can choose it.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970; negative if the machine's clock stands before that.
pub fn unix_ms() -> i64 {
    unix_us().div_euclid(1000)
}

/// Microseconds since 1970; negative if the machine's clock stands before that.
pub fn unix_us() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => saturate(after.as_micros()),
        Err(before) => -saturate(before.duration().as_micros()),
    }
}

/// Microseconds since the first call in this process; never goes backwards.
pub fn monotonic_us() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_micros() as u64
}

fn saturate(us: u128) -> i64 {
    i64::try_from(us).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_go_forward() {
        let (unix, monotonic) = (unix_us(), monotonic_us());
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(monotonic_us() >= monotonic + 2000);
        assert!(unix_us() > unix);
        assert!((unix_ms() - unix_us() / 1000).abs() <= 1);
    }
}
