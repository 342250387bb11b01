//! Whom the kernel kills first when memory runs out: `oom-score-adj` steers its choice, by
//! the role that the server has.

use std::io;

use parking_lot::Mutex;

use crate::config::{Config, OomScoreAdj, Param};

const FILE: &str = "/proc/self/oom_score_adj";

/// Where the kernel keeps scores.
const SCORES: (i64, i64) = (-1000, 1000);

#[derive(Default)]
pub struct OomScore {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The score before it was first changed.
    base: Option<i64>,
    written: Option<i64>,
}

impl OomScore {
    /// Sets the score as the configuration says, or back to what it was.
    ///
    /// # Errors
    /// The kernel does not allow it.
    pub fn apply(&self, config: &Config, is_follower: bool) -> io::Result<()> {
        let mode = config.choice(Param::OomScoreAdj);
        let mut state = self.state.lock();
        let base = match (state.base, mode) {
            (None, OomScoreAdj::No) => return Ok(()),
            (None, _) => *state.base.insert(read()?),
            (Some(base), _) => base,
        };
        let wanted = score(mode, base, config.oom_scores(), is_follower);
        if state.written != Some(wanted) {
            std::fs::write(FILE, wanted.to_string())?;
            state.written = Some(wanted);
        }
        Ok(())
    }
}

fn read() -> io::Result<i64> {
    let text = std::fs::read_to_string(FILE)?;
    text.trim().parse().map_err(io::Error::other)
}

/// `values` are those of a leader, a follower and a child.
fn score(mode: OomScoreAdj, base: i64, values: [i64; 3], is_follower: bool) -> i64 {
    let [leader, follower, _] = values;
    let value = if is_follower { follower } else { leader };
    let wanted = match mode {
        OomScoreAdj::No => base,
        OomScoreAdj::Relative => base.saturating_add(value),
        OomScoreAdj::Absolute => value,
    };
    wanted.clamp(SCORES.0, SCORES.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_go_by_mode_and_role() {
        let check = |mode, base, is_follower, expect| {
            let got = score(mode, base, [0, 200, 800], is_follower);
            assert_eq!(got, expect, "{mode:?}, {base}");
        };
        check(OomScoreAdj::No, 7, true, 7);
        check(OomScoreAdj::Relative, 7, false, 7);
        check(OomScoreAdj::Relative, 7, true, 207);
        check(OomScoreAdj::Relative, 900, true, 1000);
        check(OomScoreAdj::Absolute, 7, false, 0);
        check(OomScoreAdj::Absolute, 7, true, 200);
    }
}
