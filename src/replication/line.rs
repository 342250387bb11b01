//! What a state machine wants logged.

/// How much a line matters, by Redis's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Notice,
    Warning,
}

/// One line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub level: Level,
    pub text: String,
}

impl LogLine {
    pub fn notice(text: impl Into<String>) -> LogLine {
        LogLine {
            level: Level::Notice,
            text: text.into(),
        }
    }

    pub fn warning(text: impl Into<String>) -> LogLine {
        LogLine {
            level: Level::Warning,
            text: text.into(),
        }
    }

    /// Writes it to the log.
    pub fn log(&self) {
        match self.level {
            Level::Notice => tracing::info!("{}", self.text),
            Level::Warning => tracing::warn!("{}", self.text),
        }
    }
}
