//! Log lines in Redis's form: `PID:ROLE DD Mon YYYY HH:MM:SS.mmm LEVEL message`.
//!
//! Levels map as `debug!` to debug (`.`), `trace!` is not used, `info!` with target
//! `verbose` to verbose (`-`), `info!` to notice (`*`), `warn!` and `error!` to warning
//! (`#`).

use std::fmt::{self, Write as _};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use time::OffsetDateTime;
use time::format_description::FormatItem;
use time::macros::format_description;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

use crate::config::LogLevel;
use crate::exec::Engine;

const MOMENT: &[FormatItem] = format_description!(
    "[day] [month repr:short] [year] [hour]:[minute]:[second].[subsecond digits:3]"
);

/// The target of lines between notice and debug.
pub const VERBOSE: &str = "verbose";

/// What log lines depend on and the server changes while it runs.
pub struct LogState {
    level: AtomicU8,
    engine: OnceLock<Arc<Engine>>,
}

impl LogState {
    pub fn set_level(&self, level: LogLevel) {
        self.level.store(rank_of(level), Ordering::Relaxed);
    }

    /// Marks lines with this engine's role from now on.
    pub fn follow(&self, engine: &Arc<Engine>) {
        // Only the first server of a process is asked: they share one log.
        let _ = self.engine.set(engine.clone());
    }

    fn role(&self) -> char {
        let is_follower = self
            .engine
            .get()
            .is_some_and(|engine| engine.shared.role.is_follower());
        if is_follower { 'S' } else { 'M' }
    }
}

fn rank_of(level: LogLevel) -> u8 {
    match level {
        LogLevel::Debug => 0,
        LogLevel::Verbose => 1,
        LogLevel::Notice => 2,
        LogLevel::Warning => 3,
        LogLevel::Nothing => 4,
    }
}

/// Makes the process's log lines go to `file`, or to the standard output. A file is opened
/// anew for every line, as in Redis, so that it may be moved away at any time.
pub fn start(level: LogLevel, file: Option<PathBuf>) -> Arc<LogState> {
    let state = Arc::new(LogState {
        level: rank_of(level).into(),
        engine: OnceLock::new(),
    });
    let subscriber = Registry::default().with(Lines {
        state: state.clone(),
        file,
    });
    // A second server in one process logs where the first one does.
    let _ = tracing::subscriber::set_global_default(subscriber);
    state
}

struct Lines {
    state: Arc<LogState>,
    file: Option<PathBuf>,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        rank(metadata).0 >= self.state.level.load(Ordering::Relaxed)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message::default();
        event.record(&mut message);
        let now = OffsetDateTime::now_local().unwrap_or_else(|_| OffsetDateTime::now_utc());
        let line = format!(
            "{}:{} {} {} {}\n",
            std::process::id(),
            self.state.role(),
            now.format(MOMENT).unwrap_or_default(),
            rank(event.metadata()).1,
            message.0
        );
        // There is nowhere to report a log that cannot be written.
        let _ = self.write(line.as_bytes());
    }
}

impl Lines {
    fn write(&self, line: &[u8]) -> io::Result<()> {
        match &self.file {
            Some(path) => OpenOptions::new()
                .append(true)
                .create(true)
                .open(path)?
                .write_all(line),
            None => io::stdout().lock().write_all(line),
        }
    }
}

/// How important a line is, and its sign.
fn rank(metadata: &Metadata<'_>) -> (u8, char) {
    match *metadata.level() {
        Level::ERROR | Level::WARN => (3, '#'),
        Level::INFO if metadata.target() == VERBOSE => (1, '-'),
        Level::INFO => (2, '*'),
        Level::DEBUG | Level::TRACE => (0, '.'),
    }
}

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing to a string cannot fail.
            let _ = write!(self.0, "{value:?}");
        }
    }
}
