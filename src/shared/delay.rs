//! Writes that wait for followers.
//!
//! What is kept for followers that lag behind goes to the disk where memory has no room for
//! it. Where the disk does not take it either, those who make it more wait: commands that
//! write are held back as under CLIENT PAUSE WRITE, until the followers have taken enough of
//! it, or are dropped because they take nothing. Replication itself goes on.

use parking_lot::Mutex;

use super::pause::{Pause, PausedFor};
use crate::base::clock;

/// What finds no room.
#[derive(Clone, Copy, Debug)]
pub enum Crowd {
    /// The write log.
    Log,
    /// What writers give to a full sync's snapshot.
    Gifts,
}

#[derive(Default)]
pub struct Delay(Mutex<State>);

#[derive(Default)]
struct State {
    crowds: [bool; 2],
    /// When writes began to wait, by `clock::monotonic_us`, while they do.
    since_us: Option<u64>,
    past_us: u64,
}

impl Delay {
    /// Begins or ends what one of the two holds writes back for.
    pub fn set(&self, pause: &Pause, crowd: Crowd, is_crowded: bool) {
        let mut state = self.0.lock();
        if let Some(known) = state.crowds.get_mut(crowd as usize) {
            *known = is_crowded;
        }
        let now_us = clock::monotonic_us();
        let is_due = state.crowds.contains(&true);
        match state.since_us {
            None if is_due => {
                state.since_us = Some(now_us);
                pause.begin(PausedFor::Room, i64::MAX, true, clock::unix_ms());
            }
            Some(since_us) if !is_due => {
                state.since_us = None;
                state.past_us += now_us.saturating_sub(since_us);
                pause.end(PausedFor::Room);
            }
            _ => {}
        }
    }

    /// Whether writes wait just now.
    pub fn is_on(&self) -> bool {
        self.0.lock().since_us.is_some()
    }

    /// For how long writes were held back since the start, in milliseconds.
    pub fn total_ms(&self) -> u64 {
        let state = self.0.lock();
        let now_us = clock::monotonic_us();
        let present_us = state.since_us.map_or(0, |at| now_us.saturating_sub(at));
        (state.past_us + present_us) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_wait_as_long_as_anything_finds_no_room() {
        let (delay, pause) = (Delay::default(), Pause::default());
        let holds = || (pause.holds(true, 1000).is_some(), delay.is_on());
        delay.set(&pause, Crowd::Log, false);
        assert_eq!(holds(), (false, false));
        delay.set(&pause, Crowd::Log, true);
        delay.set(&pause, Crowd::Gifts, true);
        delay.set(&pause, Crowd::Log, false);
        assert_eq!(holds(), (true, true));
        assert_eq!(pause.holds(false, 1000), None, "reads do not wait");
        assert!(!pause.stops_log(1000), "nor do PING and GETACK");
        delay.set(&pause, Crowd::Gifts, false);
        assert_eq!(holds(), (false, false));
        assert!(!pause.is_set());
    }
}
