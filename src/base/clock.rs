//! The time. Only the outer shells ask for it; whatever decides something about time
//! gets `now_ms` handed in, so that tests can choose it.
//!
//! A simulation runs the shells too, on a time of its own: it puts its clock in the place
//! of the machine's.

use std::sync::{LazyLock, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A simulation's clock: microseconds since 1970, never going backwards.
pub type SimulatedClock = fn() -> i64;

static SIMULATED: OnceLock<SimulatedClock> = OnceLock::new();

/// Lets the whole process live in simulated time from here on. The first one stays.
pub fn simulate(clock: SimulatedClock) {
    // A second simulation in one process keeps its time by the same clock.
    let _ = SIMULATED.set(clock);
}

/// Milliseconds since 1970; negative if the machine's clock stands before that.
pub fn unix_ms() -> i64 {
    unix_us().div_euclid(1000)
}

/// Microseconds since 1970; negative if the machine's clock stands before that.
pub fn unix_us() -> i64 {
    if let Some(simulated) = SIMULATED.get() {
        return simulated();
    }
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => saturate(after.as_micros()),
        Err(before) => -saturate(before.duration().as_micros()),
    }
}

/// Microseconds since some moment before the first call in this process; never goes backwards.
pub fn monotonic_us() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    match SIMULATED.get() {
        Some(simulated) => simulated().max(0) as u64,
        None => START.elapsed().as_micros() as u64,
    }
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
