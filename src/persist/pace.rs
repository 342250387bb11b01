//! The delays that tests put between keys (`rdb-key-save-delay`, `key-load-delay`): slept
//! where no lock is held, in short slices, and looked up anew after each.

use std::time::Duration;

/// So long is slept at once at most.
const SLICE: Duration = Duration::from_millis(10);

/// Sleeping less often is as good on average, and cheaper.
const OWED_US_MIN: u64 = 1000;

/// How much sleep is owed, and for how many keys.
#[derive(Default)]
pub struct Pace {
    keys: u64,
    slept_us: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    None,
    Sleep(Duration),
}

impl Pace {
    /// So many keys were done.
    pub fn add(&mut self, keys: u64) {
        self.keys += keys;
    }

    /// What to sleep now. `delay_us` is what the configuration says at this moment: a
    /// positive number of microseconds a key, or for -n one microsecond every n keys. What
    /// is slept is to be told to `slept`.
    pub fn rest(&mut self, delay_us: i64) -> Rest {
        let owed_us = match delay_us {
            0 => 0,
            1.. => self.keys.saturating_mul(delay_us.unsigned_abs()),
            _ => self.keys / delay_us.unsigned_abs(),
        };
        let rest_us = owed_us.saturating_sub(self.slept_us);
        if rest_us == 0 {
            (self.keys, self.slept_us) = (0, 0);
            return Rest::None;
        }
        if rest_us < OWED_US_MIN {
            return Rest::None;
        }
        Rest::Sleep(SLICE.min(Duration::from_micros(rest_us)))
    }

    pub fn slept(&mut self, slept: Duration) {
        self.slept_us += slept.as_micros() as u64;
    }

    /// Of the keys that were added, how many are not paid for yet at this delay.
    pub fn unpaid(&self, delay_us: i64) -> u64 {
        match delay_us {
            1.. => self
                .keys
                .saturating_sub(self.slept_us / delay_us.unsigned_abs()),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_is_owed_by_key_and_paid_in_slices() {
        let mut pace = Pace::default();
        assert_eq!(pace.rest(1000), Rest::None);
        pace.add(25);
        let mut slept = Duration::ZERO;
        while let Rest::Sleep(time) = pace.rest(1000) {
            assert!(time <= SLICE);
            pace.slept(time);
            slept += time;
        }
        assert_eq!(slept, Duration::from_millis(25));
        assert_eq!(pace.rest(1000), Rest::None);
    }

    #[test]
    fn a_delay_that_is_taken_back_is_not_slept() {
        let mut pace = Pace::default();
        pace.add(1);
        assert_eq!(pace.rest(1_000_000_000), Rest::Sleep(SLICE));
        pace.slept(SLICE);
        assert_eq!(pace.unpaid(1_000_000_000), 1);
        assert_eq!(pace.rest(0), Rest::None);
        assert_eq!(pace.unpaid(0), 0);
    }

    #[test]
    fn small_debts_wait_until_they_are_worth_a_sleep() {
        let mut pace = Pace::default();
        pace.add(19);
        assert_eq!(pace.rest(50), Rest::None);
        pace.add(1);
        assert_eq!(pace.rest(50), Rest::Sleep(Duration::from_millis(1)));
    }

    #[test]
    fn a_negative_delay_sleeps_one_microsecond_every_so_many_keys() {
        let mut pace = Pace::default();
        pace.add(1_000_000);
        let Rest::Sleep(time) = pace.rest(-500) else {
            panic!("2 ms are owed");
        };
        assert_eq!(time, Duration::from_micros(2000));
    }
}
