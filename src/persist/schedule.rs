//! When the server saves by itself: after so many changes in so many seconds, or because
//! a transaction asked for a save.

use crate::config::SavePoint;

/// After a save that failed the next one waits for more than so long.
pub const RETRY_DELAY_SECONDS: i64 = 5;

/// What the decision rests on. Times are unix seconds.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub now_s: i64,
    /// Changes since the last save.
    pub dirty: u64,
    pub last_save_s: i64,
    pub last_try_s: i64,
    pub last_failed: bool,
    /// A transaction asked for a save.
    pub scheduled: bool,
    pub points: &'a [SavePoint],
}

/// Why a save is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Asked,
    Point(SavePoint),
}

/// Whether to save now, given that no save runs.
pub fn due(facts: &Facts) -> Option<Due> {
    if facts.last_failed && facts.now_s - facts.last_try_s <= RETRY_DELAY_SECONDS {
        return None;
    }
    let since_s = facts.now_s - facts.last_save_s;
    let reached = |point: &&SavePoint| {
        since_s > point.seconds && facts.dirty >= point.changes.max(0).unsigned_abs()
    };
    match facts.points.iter().find(reached) {
        Some(point) => Some(Due::Point(*point)),
        None => facts.scheduled.then_some(Due::Asked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: [SavePoint; 3] = [point(3600, 1), point(300, 100), point(60, 10_000)];

    const fn point(seconds: i64, changes: i64) -> SavePoint {
        SavePoint { seconds, changes }
    }

    /// Some time after a good save, with so many changes since.
    fn after(seconds: i64, dirty: u64) -> Facts<'static> {
        Facts {
            now_s: 1_000_000 + seconds,
            dirty,
            last_save_s: 1_000_000,
            last_try_s: 1_000_000,
            last_failed: false,
            scheduled: false,
            points: &POINTS,
        }
    }

    #[test]
    fn a_point_is_reached_by_changes_and_time_together() {
        let check = |seconds, dirty, expect: Option<SavePoint>| {
            let got = due(&after(seconds, dirty));
            assert_eq!(got, expect.map(Due::Point), "{dirty} in {seconds} s");
        };
        check(60, 10_000, None);
        check(61, 9_999, None);
        check(61, 10_000, Some(POINTS[2]));
        check(300, 100, None);
        check(301, 100, Some(POINTS[1]));
        check(301, 10_000, Some(POINTS[1]));
        check(3600, 99, None);
        check(3601, 1, Some(POINTS[0]));
        check(3601, 0, None);
        check(-5, 1_000_000, None);
    }

    #[test]
    fn without_points_nothing_is_saved_unasked() {
        let facts = Facts {
            points: &[],
            ..after(1_000_000, 1_000_000)
        };
        assert_eq!(due(&facts), None);
        let asked = Facts {
            scheduled: true,
            ..facts
        };
        assert_eq!(due(&asked), Some(Due::Asked));
    }

    #[test]
    fn a_failure_is_not_repeated_at_once() {
        let failed = |now_s| Facts {
            now_s,
            last_try_s: 2_000_000,
            last_failed: true,
            scheduled: true,
            ..after(0, 5)
        };
        assert_eq!(due(&failed(2_000_000)), None);
        assert_eq!(due(&failed(2_000_005)), None);
        assert_eq!(due(&failed(2_000_006)), Some(Due::Point(POINTS[0])));
        let without_changes = Facts {
            dirty: 0,
            ..failed(2_000_006)
        };
        assert_eq!(due(&without_changes), Some(Due::Asked));
    }
}
