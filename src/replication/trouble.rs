//! What a follower does when it cannot do as its leader does. It may go on, or end before
//! anybody takes its data for the leader's, as the configuration says.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::line::LogLine;
use crate::config::{Param, PropagationError};
use crate::shared::Shared;

/// How often the log is told that writes go on in spite of a failed save.
const REMIND_EVERY: Duration = Duration::from_secs(10);

/// Commands of the stream have failed, given with their error texts.
pub fn note_errors(shared: &Shared, errors: &[(String, String)]) {
    for (command, error) in errors {
        let count = &shared.stats.rare.unexpected_errors;
        count.fetch_add(1, Ordering::Relaxed);
        let error = error.trim_start_matches('-');
        LogLine::warning(format!(
            "== CRITICAL == This replica is sending an error to its master: '{error}' after \
             processing the command '{command}'"
        ))
        .log();
        let behavior: PropagationError = shared.config.choice(Param::PropagationErrorBehavior);
        if behavior != PropagationError::Ignore {
            end(&format!(
                "This replica panicked sending an error to its master after processing the \
                 command '{command}'"
            ));
        }
    }
}

/// Writes of the leader while our own saves fail.
#[derive(Default)]
pub struct Disk {
    reminded: Option<Instant>,
}

impl Disk {
    /// The stream has changed the data.
    pub fn note_write(&mut self, shared: &Shared) {
        let config = &shared.config;
        let refused = shared.jobs.saves.last_failed()
            && config.get_bool(Param::StopWritesOnBgsaveError)
            && !config.save_points().is_empty();
        if !refused {
            return;
        }
        if !config.get_bool(Param::ReplicaIgnoreDiskWriteErrors) {
            end("Replica was unable to write command to disk.");
        }
        if self.reminded.is_none_or(|at| at.elapsed() >= REMIND_EVERY) {
            self.reminded = Some(Instant::now());
            LogLine::warning(
                "Replica is applying a command even though it is unable to write to disk.",
            )
            .log();
        }
    }
}

/// Ends the process at once: what it holds is not to be served or saved.
fn end(why: &str) -> ! {
    LogLine::warning(format!("Guru Meditation: {why}")).log();
    std::process::exit(1);
}
