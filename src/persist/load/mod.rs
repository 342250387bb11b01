//! From the bytes of an RDB file to a keyspace, on all cores.
//!
//! ```text
//!   bytes ──> decode, on the caller's thread ──> batches by shard ──> builders
//!                                                                        │
//!             Loaded::install: everything is locked for a moment <── tables of their own
//! ```
//!
//! What is served meanwhile is not touched: a file that turns out to be broken changes
//! nothing. Who cannot afford both in memory empties the keyspace first.

/// Why a load came to nothing.
pub mod error;

/// Entries on their way.
mod batch;

/// The threads that build.
mod build;

/// A keyspace that is ready to be served.
mod loaded;

/// Files.
mod file;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use self::build::{Builders, Failed};
use self::error::kind_name;
pub use self::error::{LoadError, LoadErrorKind};
pub use self::file::{LoadReport, Reload, ReloadError, debug_reload, load_file, start};
pub use self::loaded::{Loaded, Origin, ReplFacts};
use super::pace::{Pace, Rest};
use crate::base::{clock, memory, process};
use crate::config::Param;
use crate::rdb::decode::{DecodeError, Decoder, Entry, Options, Step, Value};
use crate::shared::Shared;
use crate::store::keyspace::Keyspace;

/// How a load is done.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// A follower keeps what is due: its leader deletes it. A leader keeps it if the file
    /// names a history that followers may continue.
    pub follower: bool,
    /// What the bytes are, for error messages: a path, or whose snapshot.
    pub origin: String,
    /// Set to end the load early.
    pub cancel: Arc<AtomicBool>,
    /// How many bytes there are, if that is certain and not what a stranger claims.
    pub total_bytes: Option<u64>,
}

/// A file is not believed to have more keys than one for so many bytes of it. Where it has,
/// their tables grow as they come.
const KEY_BYTES_MIN: u64 = 16;

/// Without a file, so many keys are believed in at most.
const KEYS_CLAIMED_MAX: u64 = 8 << 20;

/// Whether the end of the file was among the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fed {
    /// More are wanted.
    All,
    /// The last so many bytes do not belong to the file.
    End { leftover_bytes: usize },
}

/// A load that is under way. Dropped before its end it leaves nothing behind.
pub struct Load {
    options: LoadOptions,
    decoder: Decoder,
    /// Bytes that the decoder has not consumed begin here.
    input: Vec<u8>,
    builders: Builders,
    loaded: Loaded,
    now_ms: i64,
    pace: Pace,
    /// The database that the file has selected.
    db: u32,
    /// For so many more keys tables may be prepared before they have come.
    believed_keys: u64,
    huge_pages: bool,
    ended: bool,
}

fn verifies_checksum(shared: &Shared) -> bool {
    let skipped = shared.jobs.checksums_are_skipped.load(Ordering::Relaxed);
    shared.config.get_bool(Param::RdbChecksum) && !skipped
}

impl Load {
    /// Begins a load of databases like those that are served: starts a thread for each core.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn begin(shared: &Shared, options: LoadOptions) -> Result<Load, LoadError> {
        let served = &shared.keyspace;
        let count = process::cores().min(served.shard_count());
        let keyspace = Arc::new(Keyspace::new(
            served.database_count(),
            served.shard_count(),
            count + 1,
            served.hasher,
        ));
        let builders = Builders::spawn(&keyspace, count).map_err(|error| LoadError {
            origin: options.origin.clone(),
            kind: LoadErrorKind::Io {
                what: "cannot start a thread",
                error,
            },
        })?;
        let decoder = Decoder::new(Options {
            verify_checksum: verifies_checksum(shared),
            ..Options::default()
        });
        let believed_keys = match options.total_bytes {
            Some(bytes) => bytes / KEY_BYTES_MIN,
            None => KEYS_CLAIMED_MAX,
        };
        let coming_bytes = options.total_bytes.unwrap_or(0);
        Ok(Load {
            options,
            decoder,
            input: Vec::new(),
            builders,
            loaded: Loaded::new(keyspace, count),
            now_ms: clock::unix_ms(),
            pace: Pace::default(),
            db: 0,
            believed_keys,
            huge_pages: memory::allow_huge_pages_if_due(coming_bytes),
            ended: false,
        })
    }

    /// Takes the next bytes, however they are cut. Waits while the builders are behind, and
    /// as long as `key-load-delay` says.
    ///
    /// # Errors
    /// Something is wrong with the bytes; what was there stays as it was.
    pub fn feed(&mut self, shared: &Shared, bytes: &[u8]) -> Result<Fed, LoadError> {
        if self.ended {
            return Ok(Fed::End {
                leftover_bytes: bytes.len(),
            });
        }
        self.input.extend_from_slice(bytes);
        self.take_input(shared)
    }

    /// As `feed`, for bytes that `read` appends to a buffer of ours.
    pub(self) fn feed_by<T>(
        &mut self,
        shared: &Shared,
        read: impl FnOnce(&mut Vec<u8>) -> std::io::Result<T>,
    ) -> Result<(T, Fed), LoadError> {
        let read = read(&mut self.input).map_err(|error| {
            let what = "cannot read";
            self.error(LoadErrorKind::Io { what, error })
        })?;
        Ok((read, self.take_input(shared)?))
    }

    fn take_input(&mut self, shared: &Shared) -> Result<Fed, LoadError> {
        self.huge_pages = self.huge_pages || memory::allow_huge_pages_if_due(0);
        if self.options.cancel.load(Ordering::Relaxed) {
            return Err(self.error(LoadErrorKind::Cancelled));
        }
        let mut input = std::mem::take(&mut self.input);
        let mut at = 0;
        let result = self.steps(shared, &input, &mut at);
        let leftover_bytes = input.len() - at;
        input.drain(..at);
        self.input = input;
        self.note_progress(shared);
        match result {
            Ok(()) if self.ended => Ok(Fed::End { leftover_bytes }),
            Ok(()) => Ok(Fed::All),
            Err(Stop::Bad(kind)) => Err(self.error(kind)),
            Err(Stop::Builder) => {
                let kind = self.builders.failure();
                Err(self.error(kind))
            }
        }
    }

    fn note_progress(&self, shared: &Shared) {
        let loading = &shared.jobs.loading;
        let offset = self.decoder.offset();
        loading.loaded_bytes.store(offset, Ordering::Relaxed);
    }

    /// All has been fed. Waits for the builders.
    ///
    /// # Errors
    /// The end is missing, or a builder found a key twice.
    pub fn finish(self) -> Result<Loaded, LoadError> {
        let origin = self.options.origin;
        let fail = |kind| LoadError { origin, kind };
        if !self.ended {
            let kind = self.decoder.truncated(&self.input).into();
            return Err(fail(kind));
        }
        let mut loaded = self.loaded;
        loaded.keys_loaded = self.builders.finish().map_err(fail)?;
        Ok(loaded)
    }

    fn error(&mut self, kind: LoadErrorKind) -> LoadError {
        let origin = self.options.origin.clone();
        LoadError { origin, kind }
    }

    fn steps(&mut self, shared: &Shared, input: &[u8], at: &mut usize) -> Result<(), Stop> {
        loop {
            let offset = self.decoder.offset();
            match self.decoder.next(&input[*at..]).map_err(bad)? {
                Step::Need { .. } => return Ok(()),
                Step::Entry(entry) => {
                    let (db, value) = check(&entry)?;
                    let is_due = entry.expire_at_ms.is_some_and(|at_ms| self.now_ms > at_ms);
                    // Who has a history may have followers that go on from the file's offset,
                    // and they have the key: it must go as it would have gone, by a record of
                    // the log.
                    if is_due && !self.options.follower && self.loaded.replication().is_none() {
                        self.loaded.keys_expired += 1;
                    } else {
                        let facts = self.loaded.facts(&entry, db, self.now_ms);
                        self.builders.put(facts, entry.key, value)?;
                    }
                }
                Step::End { .. } => self.ended = true,
                Step::Function(_) => return Err(Stop::Bad(LoadErrorKind::Function { offset })),
                Step::Aux { key, value } => self.loaded.note_aux(key, value),
                Step::SelectDb(db) => self.select(shared, db, offset)?,
                Step::ResizeDb { keys, .. } => self.prepare(keys)?,
                _ => {}
            }
            *at += self.decoder.consumed_bytes();
            if shared.config.get_int(Param::KeyLoadDelay) != 0 {
                self.pause(shared)?;
            }
            if self.ended {
                return Ok(());
            }
        }
    }

    fn select(&mut self, shared: &Shared, db: u64, offset: u64) -> Result<(), Stop> {
        let databases = shared.keyspace.database_count();
        if db >= databases as u64 {
            return Err(Stop::Bad(LoadErrorKind::NoSuchDatabase {
                db,
                databases,
                offset,
            }));
        }
        self.db = db as u32;
        Ok(())
    }

    /// So many keys of the selected database are said to come.
    fn prepare(&mut self, keys: u64) -> Result<(), Stop> {
        let keys = keys.min(self.believed_keys);
        self.believed_keys -= keys;
        Ok(self.builders.prepare(self.db, keys as usize)?)
    }

    /// Sleeps for one key, as `key-load-delay` says at every moment of it.
    #[cold]
    fn pause(&mut self, shared: &Shared) -> Result<(), Stop> {
        self.pace.add(1);
        loop {
            let delay_us = shared.config.get_int(Param::KeyLoadDelay);
            let Rest::Sleep(time) = self.pace.rest(delay_us) else {
                return Ok(());
            };
            self.note_progress(shared);
            std::thread::sleep(time);
            self.pace.slept(time);
            if self.options.cancel.load(Ordering::Relaxed) {
                return Err(Stop::Bad(LoadErrorKind::Cancelled));
            }
        }
    }
}

/// Why decoding does not go on.
enum Stop {
    Bad(LoadErrorKind),
    /// A builder failed, and knows why.
    Builder,
}

impl From<Failed> for Stop {
    fn from(_: Failed) -> Stop {
        Stop::Builder
    }
}

fn bad(error: DecodeError) -> Stop {
    Stop::Bad(error.into())
}

/// The entry's database, which `select` has checked, and its value.
#[inline]
fn check<'e>(entry: &Entry<'e>) -> Result<(u32, &'e [u8]), Stop> {
    match entry.value {
        Value::String(value) => Ok((entry.db as u32, value)),
        Value::Unsupported { type_byte, .. } => Err(Stop::Bad(LoadErrorKind::UnsupportedType {
            kind: kind_name(type_byte),
            key: entry.key.into(),
            offset: entry.value_offset,
        })),
    }
}
