//! Why a load came to nothing.

use std::io;

use crate::rdb::decode::{DecodeError, DecodeErrorKind};
use crate::shared::libraries::Refused;

/// What is wrong, and with what: a file's path, or "the leader's snapshot".
#[derive(Debug, thiserror::Error)]
#[error("{origin}: {kind}")]
pub struct LoadError {
    pub origin: String,
    pub kind: LoadErrorKind,
}

#[derive(Debug, thiserror::Error)]
pub enum LoadErrorKind {
    #[error("{what}: {error}")]
    Io {
        what: &'static str,
        error: io::Error,
    },
    #[error("{0}")]
    Decode(#[from] DecodeError),
    #[error("at offset {offset}: key '{key}': {kind}", key = key.escape_ascii())]
    BadValue {
        key: Box<[u8]>,
        offset: u64,
        kind: DecodeErrorKind,
    },
    #[error("at offset {offset}: Failed creating the library: {refused}")]
    Function { offset: u64, refused: Refused },
    #[error(
        "at offset {offset}: RDB has duplicated key '{key}' in DB {db}",
        key = key.escape_ascii()
    )]
    Duplicate {
        key: Box<[u8]>,
        db: u32,
        offset: u64,
    },
    #[error("at offset {offset}: database {db} of a server with more than {databases} databases")]
    NoSuchDatabase {
        db: u64,
        databases: usize,
        offset: u64,
    },
    #[error("key '{key}' in DB {db} is there already", key = key.escape_ascii())]
    Present { key: Box<[u8]>, db: u32 },
    #[error("{0}")]
    FunctionPresent(Refused),
    #[error("cancelled")]
    Cancelled,
}

impl LoadErrorKind {
    /// What is wrong, without the place: the same words whenever the same data comes again.
    pub fn reason(&self) -> String {
        match self {
            LoadErrorKind::Decode(error) => match &error.kind {
                DecodeErrorKind::UnknownType {
                    code,
                    key: Some(key),
                } => {
                    let key = key.escape_ascii();
                    format!("key '{key}' is of the unknown type {code}")
                }
                kind => kind.to_string(),
            },
            LoadErrorKind::BadValue { .. }
            | LoadErrorKind::Function { .. }
            | LoadErrorKind::Duplicate { .. }
            | LoadErrorKind::NoSuchDatabase { .. } => {
                let text = self.to_string();
                // "at offset 7: what"
                text.split_once(": ")
                    .map_or("", |(_, what)| what)
                    .to_owned()
            }
            LoadErrorKind::Io { .. }
            | LoadErrorKind::Present { .. }
            | LoadErrorKind::FunctionPresent(_)
            | LoadErrorKind::Cancelled => self.to_string(),
        }
    }
}

impl LoadError {
    /// Where in the bytes it went wrong, if it was in the bytes.
    pub fn offset(&self) -> Option<u64> {
        match &self.kind {
            LoadErrorKind::Decode(error) => Some(error.offset),
            LoadErrorKind::BadValue { offset, .. }
            | LoadErrorKind::Function { offset, .. }
            | LoadErrorKind::Duplicate { offset, .. }
            | LoadErrorKind::NoSuchDatabase { offset, .. } => Some(*offset),
            LoadErrorKind::Io { .. }
            | LoadErrorKind::Present { .. }
            | LoadErrorKind::FunctionPresent(_)
            | LoadErrorKind::Cancelled => None,
        }
    }

    /// Writes it to the log as Redis does, with what we know beyond that.
    pub fn report(&self) {
        tracing::warn!("{self}");
        match &self.kind {
            LoadErrorKind::Io { .. } => {
                tracing::warn!("Fatal error: can't open or read the RDB file: {self}");
                return;
            }
            LoadErrorKind::NoSuchDatabase { databases, .. } => tracing::warn!(
                "FATAL: Data file was created with a Redis server configured to handle more \
                 than {databases} databases. Exiting"
            ),
            LoadErrorKind::Decode(error) => match error.kind {
                DecodeErrorKind::Truncated => tracing::warn!(
                    "Short read or OOM loading DB. Unrecoverable error, aborting now."
                ),
                DecodeErrorKind::WrongChecksum { .. } => {
                    tracing::warn!("Internal error in RDB reading: RDB CRC error");
                }
                _ => {}
            },
            _ => {}
        }
        if let Some(offset) = self.offset() {
            tracing::warn!(
                "Internal error in RDB reading offset {offset} -> {}",
                self.kind
            );
        }
    }
}
