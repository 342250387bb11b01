//! From the bytes of an RDB file to a keyspace, on all cores.
//!
//! ```text
//!   bytes ──> decode, on the caller's thread ──> batches by shard ──> builders
//!                                                                        │
//!             Loaded::install: everything is locked for a moment <── tables of their own
//! ```
//!
//! What is served meanwhile is not touched: a file that turns out to be broken changes
//! nothing. Who cannot afford both in memory has the bytes checked first, which is the same
//! load without builders, then empties the keyspace and loads them again.

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
use std::time::{Duration, Instant};

use self::build::{Builders, Failed};
pub use self::error::{LoadError, LoadErrorKind};
pub use self::file::{LoadReport, Reload, ReloadError, debug_reload, load_file, start};
pub use self::loaded::{Loaded, Origin, ReplFacts};
use super::pace::{Pace, Rest};
use crate::base::{clock, memory, process};
use crate::config::Param;
use crate::rdb::decode::{DecodeError, Decoder, Entry, Options, Step, Value};
use crate::rdb::value;
use crate::shared::Shared;
use crate::store::keyspace::Keyspace;
use crate::store::usage::Lfu;
use crate::types::Limits;

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
    /// None: the bytes are only checked.
    builders: Option<Builders>,
    loaded: Loaded,
    now_ms: i64,
    pace: Pace,
    /// How uses are counted here.
    lfu: Option<Lfu>,
    /// The database that the file has selected.
    db: u32,
    /// For so many more keys tables may be prepared before they have come.
    believed_keys: u64,
    huge_pages: bool,
    ended: bool,
    began: Instant,
    /// The log hears of the progress when the load has lasted so long.
    told_after: Duration,
}

/// A load that lasts longer than this is reported on, and again whenever it has lasted twice
/// as long.
const TOLD_AFTER: Duration = Duration::from_secs(1);

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
        let limits = shared.config.type_limits();
        let builders = Builders::spawn(&keyspace, count, limits).map_err(|error| LoadError {
            origin: options.origin.clone(),
            kind: LoadErrorKind::Io {
                what: "cannot start a thread",
                error,
            },
        })?;
        let coming_bytes = options.total_bytes.unwrap_or(0);
        let mut load = Load::new(shared, options, Loaded::new(keyspace, count));
        load.builders = Some(builders);
        load.huge_pages = memory::allow_huge_pages_if_due(coming_bytes);
        Ok(load)
    }

    /// Begins a load that builds nothing: it finds out whether the bytes could be loaded, and
    /// what they say of themselves. Only a key that comes twice is not noticed.
    pub fn check(shared: &Shared, options: LoadOptions) -> Load {
        let nothing = Keyspace::new(0, 1, 1, shared.keyspace.hasher);
        Load::new(shared, options, Loaded::new(Arc::new(nothing), 0))
    }

    fn new(shared: &Shared, options: LoadOptions, loaded: Loaded) -> Load {
        let decoder = Decoder::new(Options {
            verify_checksum: verifies_checksum(shared),
            ..Options::default()
        });
        let believed_keys = match options.total_bytes {
            Some(bytes) => bytes / KEY_BYTES_MIN,
            None => KEYS_CLAIMED_MAX,
        };
        Load {
            options,
            decoder,
            input: Vec::new(),
            builders: None,
            loaded,
            now_ms: clock::unix_ms(),
            pace: Pace::default(),
            lfu: shared.lfu(),
            db: 0,
            believed_keys,
            huge_pages: true,
            ended: false,
            began: Instant::now(),
            told_after: TOLD_AFTER,
        }
    }

    /// How many bytes were understood so far. With one, the header was, and is in order.
    pub fn offset(&self) -> u64 {
        self.decoder.offset()
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
                let failure = self.builders.as_mut().map(Builders::failure);
                Err(self.error(failure.unwrap_or(LoadErrorKind::Cancelled)))
            }
        }
    }

    fn note_progress(&mut self, shared: &Shared) {
        let loading = &shared.jobs.loading;
        let offset = self.decoder.offset();
        loading.loaded_bytes.store(offset, Ordering::Relaxed);
        let used_bytes = self.loaded.origin.used_memory_bytes.unwrap_or(0);
        let used_bytes = used_bytes.max(0).unsigned_abs();
        loading
            .writer_used_bytes
            .store(used_bytes, Ordering::Relaxed);
        let lasts = self.began.elapsed();
        if lasts < self.told_after || self.builders.is_none() {
            return;
        }
        self.told_after = lasts * 2;
        let (keys, seconds) = (self.loaded.keys_loaded, lasts.as_secs());
        let read_mb = offset as f64 / (1 << 20) as f64;
        match loading.total_bytes.load(Ordering::Relaxed) {
            0 => tracing::info!("Loading for {seconds} s: {read_mb:.0} MB, {keys} keys."),
            total => {
                let percent = offset as f64 * 100.0 / total as f64;
                tracing::info!(
                    "Loading for {seconds} s: {percent:.1}% ({read_mb:.0} MB), {keys} keys."
                );
            }
        }
    }

    /// What is wrong when no more bytes come.
    pub fn truncated(&self) -> LoadError {
        LoadError {
            origin: self.options.origin.clone(),
            kind: self.decoder.truncated(&self.input).into(),
        }
    }

    /// All has been fed. Waits for the builders. Of a check nothing comes but the facts.
    ///
    /// # Errors
    /// The end is missing, or a builder found a key twice.
    pub fn finish(self) -> Result<Loaded, LoadError> {
        if !self.ended {
            return Err(self.truncated());
        }
        let origin = self.options.origin;
        let built = self.builders.map_or(Ok(0), Builders::finish);
        let empty = built.map_err(|kind| LoadError { origin, kind })?;
        let mut loaded = self.loaded;
        loaded.keys_loaded -= empty;
        loaded.keys_empty = empty;
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
                    let (db, value) = parts(&entry);
                    let is_due = entry.expire_at_ms.is_some_and(|at_ms| self.now_ms > at_ms);
                    // Who has a history may have followers that go on from the file's offset,
                    // and they have the key: it must go as it would have gone, by a record of
                    // the log.
                    if is_due && !self.options.follower && self.loaded.replication().is_none() {
                        self.loaded.keys_expired += 1;
                    } else {
                        self.loaded.keys_loaded += 1;
                        if let Some(builders) = &mut self.builders {
                            let facts = self.loaded.facts(&entry, db, self.now_ms, self.lfu);
                            builders.put(facts, entry.key, value)?;
                        } else {
                            check_value(&entry)?;
                        }
                    }
                }
                Step::End { .. } => self.ended = true,
                Step::Function(code) => {
                    let added = self.loaded.add_library(code);
                    added.map_err(|refused| {
                        Stop::Bad(LoadErrorKind::Function { offset, refused })
                    })?;
                }
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
        match &mut self.builders {
            Some(builders) => Ok(builders.prepare(self.db, keys as usize)?),
            None => Ok(()),
        }
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

/// The entry's database, which `select` has checked, and its value's bytes.
#[inline]
fn parts<'e>(entry: &Entry<'e>) -> (u32, &'e [u8]) {
    match entry.value {
        Value::String(value) => (entry.db as u32, value),
        Value::Framed { .. } => (entry.db as u32, entry.raw_value),
    }
}

/// Whether a value that nobody builds now could be built.
fn check_value(entry: &Entry) -> Result<(), Stop> {
    let Value::Framed { type_byte, dialect } = entry.value else {
        return Ok(());
    };
    let read = value::decode(type_byte, dialect, entry.raw_value, &Limits::default());
    read.map(drop).map_err(|kind| {
        Stop::Bad(LoadErrorKind::BadValue {
            key: entry.key.into(),
            offset: entry.value_offset,
            kind,
        })
    })
}
