//! `oom-score-adj`: whom the kernel ends first when memory runs out.

use std::fs;
use std::io;

use parking_lot::Mutex;

use crate::config::{Config, OomScoreAdj, Param};

const PATH: &str = "/proc/self/oom_score_adj";

/// What the kernel accepts.
const SCORE_MAX: i64 = 1000;

#[derive(Default)]
pub struct OomScore(Mutex<State>);

#[derive(Default)]
struct State {
    /// The score that the process was started with, once it was changed.
    original: Option<i64>,
    is_follower: bool,
}

impl OomScore {
    /// Sets the score that the configuration asks for, or the one from before it asked.
    ///
    /// # Errors
    /// What CONFIG SET answers when the kernel refuses.
    pub fn apply(&self, config: &Config) -> Result<(), String> {
        self.set(config, &mut self.0.lock()).map_err(|error| {
            tracing::warn!("Unable to write oom_score_adj: {error}");
            "Failed to apply new oom_score_adj configuration, check server logs.".to_owned()
        })
    }

    /// The same if the role has changed.
    pub fn follow_role(&self, config: &Config, is_follower: bool) {
        let mut state = self.0.lock();
        if std::mem::replace(&mut state.is_follower, is_follower) != is_follower
            && let Err(error) = self.set(config, &mut state)
        {
            tracing::warn!("Unable to write oom_score_adj: {error}");
        }
    }

    fn set(&self, config: &Config, state: &mut State) -> io::Result<()> {
        let mode = config.choice::<OomScoreAdj>(Param::OomScoreAdj);
        let Some(score) = wanted(mode, config.oom_scores(), state) else {
            return Ok(());
        };
        let original = match state.original {
            Some(original) => original,
            None => fs::read_to_string(PATH)?
                .trim()
                .parse()
                .map_err(|_| io::ErrorKind::InvalidData)?,
        };
        state.original = Some(original);
        fs::write(PATH, score(original).to_string())
    }
}

type Score = Box<dyn Fn(i64) -> i64>;

/// The score as a function of the original one; nothing if that was never changed and is
/// not to be.
fn wanted(mode: OomScoreAdj, scores: [i64; 3], state: &State) -> Option<Score> {
    let own = scores[usize::from(state.is_follower)];
    let clamp = |score: i64| score.clamp(-SCORE_MAX, SCORE_MAX);
    match mode {
        OomScoreAdj::No if state.original.is_none() => None,
        OomScoreAdj::No => Some(Box::new(|original| original)),
        OomScoreAdj::Relative => Some(Box::new(move |original| clamp(original + own))),
        OomScoreAdj::Absolute => Some(Box::new(move |_| clamp(own))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores() {
        let check = |mode, is_follower, original, expect| {
            let state = State {
                original,
                is_follower,
            };
            let score = wanted(mode, [0, 200, 800], &state).map(|score| score(900));
            assert_eq!(score, expect, "{mode:?} {is_follower} {original:?}");
        };
        check(OomScoreAdj::No, true, None, None);
        check(OomScoreAdj::No, true, Some(900), Some(900));
        check(OomScoreAdj::Relative, false, None, Some(900));
        check(OomScoreAdj::Relative, true, None, Some(1000));
        check(OomScoreAdj::Absolute, false, None, Some(0));
        check(OomScoreAdj::Absolute, true, Some(900), Some(200));
    }
}
