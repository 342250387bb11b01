//! When the log was how long: from this the age of any of its bytes is told, and so how far
//! behind, in time, a follower is that tells no more than an offset.
//!
//! Samples are taken by those who read the log, whenever they do, so that an idle log costs
//! nothing. What is old is kept less densely: an age is right within a thirtieth of itself.

use parking_lot::Mutex;

/// Samples closer together than this are one.
const SPACING_MS: i64 = 10;

/// Two samples are close together if this part of their age lies between them.
const PRECISION: i64 = 32;

/// So many are kept; with the precision above they reach back for weeks.
const SAMPLES_MAX: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    at_ms: i64,
    end_offset: u64,
}

/// Times are in milliseconds of one clock; if that is set back, ages are too small for as
/// long.
#[derive(Default)]
pub struct Moments {
    /// Offsets only grow.
    samples: Mutex<Vec<Sample>>,
}

impl Moments {
    /// The log ends at `end_offset` now.
    pub fn note(&self, now_ms: i64, end_offset: u64) {
        let mut samples = self.samples.lock();
        match samples.last_mut() {
            Some(last) if last.end_offset == end_offset => return,
            // The log began anew.
            Some(last) if last.end_offset > end_offset => samples.clear(),
            Some(last) if now_ms < last.at_ms + SPACING_MS => {
                last.end_offset = end_offset;
                return;
            }
            _ => {}
        }
        if samples.len() == SAMPLES_MAX {
            thin(&mut samples, now_ms);
        }
        samples.push(Sample {
            at_ms: now_ms,
            end_offset,
        });
    }

    /// How long ago the byte `offset` was written, as far as is known; 0 if it is not there
    /// yet.
    pub fn age_ms(&self, now_ms: i64, offset: u64) -> i64 {
        let samples = self.samples.lock();
        let at = samples.partition_point(|sample| sample.end_offset < offset);
        let sample = samples.get(at);
        sample.map_or(0, |sample| (now_ms - sample.at_ms).max(0))
    }
}

/// Drops samples that have close neighbours; at least every other one of the oldest half if
/// there are none.
fn thin(samples: &mut Vec<Sample>, now_ms: i64) {
    let before = samples.len();
    let mut kept: Vec<Sample> = Vec::with_capacity(before);
    for (at, sample) in samples.iter().enumerate() {
        let age_ms = now_ms - sample.at_ms;
        // The first one is the beginning of what is known.
        let from_ms = kept.last().map_or(i64::MIN, |sample: &Sample| sample.at_ms);
        let next_ms = samples.get(at + 1).map_or(i64::MAX, |next| next.at_ms);
        if next_ms.saturating_sub(from_ms) > age_ms / PRECISION {
            kept.push(*sample);
        }
    }
    if kept.len() == before {
        let half = before / 2;
        let mut at = 0;
        kept.retain(|_| {
            at += 1;
            at > half || at % 2 == 1
        });
    }
    *samples = kept;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_a_byte() {
        let moments = Moments::default();
        assert_eq!(moments.age_ms(5, 1), 0);
        moments.note(1000, 100);
        moments.note(2000, 200);
        // Nothing new.
        moments.note(2500, 200);
        assert_eq!(moments.age_ms(3000, 100), 2000);
        assert_eq!(moments.age_ms(3000, 101), 1000);
        assert_eq!(moments.age_ms(3000, 201), 0);
        // A log that begins anew has no past.
        moments.note(4000, 50);
        assert_eq!(moments.age_ms(4000, 51), 0);
        assert_eq!(moments.age_ms(5000, 10), 1000);
    }

    #[test]
    fn a_long_past_is_kept_in_little_room_and_is_right_all_the_same() {
        let moments = Moments::default();
        let (step_ms, hour_ms) = (20, 3_600_000);
        for at_ms in (0..=hour_ms).step_by(step_ms as usize) {
            moments.note(at_ms, at_ms as u64 + 1);
        }
        assert!(moments.samples.lock().len() <= SAMPLES_MAX);
        for age_ms in [20, 250, 1000, 60_000, 1_800_000, 3_500_000] {
            let told_ms = moments.age_ms(hour_ms, (hour_ms - age_ms) as u64 + 1);
            let off_ms = (told_ms - age_ms).abs();
            assert!(off_ms <= age_ms / 20 + step_ms, "{age_ms}: {told_ms}");
        }
    }
}
