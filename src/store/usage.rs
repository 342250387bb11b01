//! How much a key is used, in the 24 access bits of its entry.
//!
//! Under every policy but an LFU one they hold the clock of last use, in seconds. Under an LFU
//! policy they hold when and how often:
//!
//! ```text
//!   23           8 7        0
//!   | minutes      | counter |
//! ```
//!
//! The counter is logarithmic: the higher it is the less likely a use is to raise it, and for
//! every so many minutes without use it is taken to be one less. When the policy changes, what
//! the bits say is wrong for a while, as in Redis.

use crate::base::rng::Rng;

/// The access bits of an entry, and the clock of last use.
pub const ACCESS_MASK: u32 = 0xff_ffff;
/// The counter of a new key, that it may not be the first to go.
pub const COUNTER_NEW: u8 = 5;

const COUNTER_BITS: u32 = 8;

/// The clock of last use, in seconds.
#[inline]
pub fn lru_clock(now_ms: i64) -> u32 {
    (now_ms / 1000) as u32 & ACCESS_MASK
}

/// For how long a key was not used whose access bits are the clock of then.
#[inline]
pub fn idle_seconds(clock: u32, access: u32) -> u32 {
    clock.wrapping_sub(access) & ACCESS_MASK
}

/// The access bits of a key that was last used so long ago.
fn access_of_idle(clock: u32, idle_seconds: i64) -> u32 {
    // What the clock cannot express is as old as it can express.
    let idle = idle_seconds.clamp(0, i64::from(ACCESS_MASK)) as u32;
    clock.wrapping_sub(idle) & ACCESS_MASK
}

/// How an LFU policy counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lfu {
    /// The higher, the more uses a counter needs to rise (`lfu-log-factor`).
    pub log_factor: u32,
    /// So many minutes without use take one off a counter; 0 takes nothing off
    /// (`lfu-decay-time`).
    pub decay_minutes: u32,
}

impl Lfu {
    /// The access bits of a counter as it is now.
    #[inline]
    pub fn access(now_ms: i64, counter: u8) -> u32 {
        u32::from(minutes(now_ms)) << COUNTER_BITS | u32::from(counter)
    }

    /// The counter, less what it has lost since it was last written.
    pub fn counter(self, access: u32, now_ms: i64) -> u8 {
        let counter = access as u8;
        let then = (access >> COUNTER_BITS) as u16;
        let elapsed = u32::from(minutes(now_ms).wrapping_sub(then));
        let lost = elapsed.checked_div(self.decay_minutes).unwrap_or(0);
        counter.saturating_sub(u8::try_from(lost).unwrap_or(u8::MAX))
    }

    /// The access bits after one more use.
    pub fn used(self, access: u32, now_ms: i64, rng: &mut Rng) -> u32 {
        let counter = self.counter(access, now_ms);
        let above_new = u64::from(counter.saturating_sub(COUNTER_NEW));
        let one_in = above_new * u64::from(self.log_factor) + 1;
        let rises = rng.below(one_in) == 0;
        Lfu::access(now_ms, counter.saturating_add(u8::from(rises)))
    }
}

#[inline]
fn minutes(now_ms: i64) -> u16 {
    (now_ms / 60_000) as u16
}

/// The access bits of a key that comes from elsewhere, with what is known of its use there.
pub fn access_of_arrival(
    lfu: Option<Lfu>,
    now_ms: i64,
    idle_seconds: Option<i64>,
    counter: Option<u8>,
) -> u32 {
    match lfu {
        None => access_of_idle(lru_clock(now_ms), idle_seconds.unwrap_or(0)),
        Some(_) => Lfu::access(now_ms, counter.unwrap_or(COUNTER_NEW)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LFU: Lfu = Lfu {
        log_factor: 10,
        decay_minutes: 1,
    };
    const MINUTE_MS: i64 = 60_000;

    #[test]
    fn the_clock_of_last_use_turns_over() {
        assert_eq!(access_of_idle(100, 30), 70);
        assert_eq!(access_of_idle(10, 11), ACCESS_MASK);
        assert_eq!(access_of_idle(10, i64::MAX), 11);
        assert_eq!(idle_seconds(10, ACCESS_MASK), 11);
        assert_eq!(idle_seconds(70, 70), 0);
    }

    /// What `uses` in one minute make of a new key's counter, on average.
    fn counter_after(uses: usize, log_factor: u32) -> f64 {
        const KEYS: usize = 50;
        let lfu = Lfu { log_factor, ..LFU };
        let mut rng = Rng::seeded(7);
        let mut sum = 0.0;
        for _ in 0..KEYS {
            let mut access = Lfu::access(0, COUNTER_NEW);
            for _ in 0..uses {
                access = lfu.used(access, 0, &mut rng);
            }
            sum += f64::from(lfu.counter(access, 0));
        }
        sum / KEYS as f64
    }

    /// The table that Redis's own configuration file shows.
    #[test]
    fn the_counter_grows_with_the_logarithm() {
        for (log_factor, uses, expect) in [
            (0, 100, 105.0),
            (0, 1000, 255.0),
            (1, 100, 18.0),
            (1, 1000, 49.0),
            (10, 100, 10.0),
            (10, 1000, 18.0),
            (10, 10_000, 49.0),
            (100, 100, 8.0),
            (100, 1000, 11.0),
        ] {
            let counter = counter_after(uses, log_factor);
            let tolerated = 1.0 + expect * 0.1;
            assert!(
                (counter - expect).abs() < tolerated,
                "{log_factor}: {uses} uses make {counter}, not {expect}"
            );
        }
    }

    #[test]
    fn the_counter_falls_with_time() {
        let access = Lfu::access(0, 100);
        let check = |decay_minutes, after_ms, expect| {
            let lfu = Lfu {
                decay_minutes,
                ..LFU
            };
            assert_eq!(lfu.counter(access, after_ms), expect, "{decay_minutes}");
        };
        check(1, MINUTE_MS - 1, 100);
        check(1, MINUTE_MS, 99);
        check(1, 30 * MINUTE_MS, 70);
        check(10, 30 * MINUTE_MS, 97);
        check(1, 1000 * MINUTE_MS, 0);
        check(0, 1000 * MINUTE_MS, 100);
        // The minutes turn over.
        let late_ms = 65_530 * MINUTE_MS;
        assert_eq!(
            LFU.counter(Lfu::access(late_ms, 50), late_ms + 10 * MINUTE_MS),
            40
        );
    }

    #[test]
    fn a_use_is_counted_on_what_is_left() {
        let mut rng = Rng::seeded(1);
        let access = LFU.used(Lfu::access(0, 5), 3 * MINUTE_MS, &mut rng);
        // 5 less 3; below a new key's counter every use counts.
        assert_eq!(access, Lfu::access(3 * MINUTE_MS, 3));
        let most = LFU.used(Lfu::access(0, 255), 0, &mut rng);
        assert_eq!(LFU.counter(most, 0), 255);
    }
}
