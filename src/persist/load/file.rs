//! Loads of files: at the start, and for DEBUG RELOAD.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Fed, Load, LoadError, LoadErrorKind, LoadOptions, Loaded, ReplFacts};
use crate::base::clock;
use crate::config::Param;
use crate::persist::save::{self, SaveError};
use crate::persist::saver::{self, Asked};
use crate::shared::Shared;
use crate::store::locked::{Locked, Locker};

/// So much is read at once, unless loading is slowed down.
const CHUNK_BYTES: u64 = 1 << 20;

/// How long DEBUG RELOAD sleeps before it looks again whether the running save has ended.
const SAVE_POLL: Duration = Duration::from_millis(1);

/// How a load went.
#[derive(Clone, Debug)]
pub struct LoadReport {
    pub keys_loaded: u64,
    /// Keys that were due already.
    pub keys_expired: u64,
    /// Keys without a value, which are left out.
    pub keys_empty: u64,
    pub replication: Option<ReplFacts>,
    pub took: Duration,
}

/// What DEBUG RELOAD is to do.
#[derive(Clone, Copy, Debug)]
pub struct Reload {
    pub save: bool,
    /// Whether what is in memory makes way for what is in the file.
    pub flush: bool,
    /// Without `flush`: whether keys may be in both; the file's win.
    pub merge: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    #[error(transparent)]
    Save(#[from] SaveError),
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// Loads a file, `None` if there is none. What is served is not touched. How far it is
/// stands in `shared.jobs.loading`, which the caller begins and ends.
///
/// # Errors
/// The file cannot be read, or something is wrong with it.
pub fn load_file(shared: &Shared, path: &Path) -> Result<Option<Loaded>, LoadError> {
    let mut options = LoadOptions {
        follower: shared.role.is_follower(),
        origin: path.display().to_string(),
        cancel: Arc::new(AtomicBool::new(false)),
        total_bytes: None,
    };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(LoadError {
                origin: options.origin,
                kind: LoadErrorKind::Io {
                    what: "cannot open",
                    error,
                },
            });
        }
    };
    let total_bytes = file.metadata().map_or(0, |metadata| metadata.len());
    options.total_bytes = Some(total_bytes);
    let loading = &shared.jobs.loading;
    loading.total_bytes.store(total_bytes, Ordering::Relaxed);
    let mut load = Load::begin(shared, options)?;
    loop {
        let chunk_bytes = match shared.config.get_int(Param::KeyLoadDelay) {
            0 => CHUNK_BYTES,
            _ => interval_bytes(shared),
        };
        let read = |input: &mut Vec<u8>| file.by_ref().take(chunk_bytes).read_to_end(input);
        let (read_bytes, fed) = load.feed_by(shared, read)?;
        if read_bytes == 0 || fed != Fed::All {
            return load.finish().map(Some);
        }
    }
}

fn interval_bytes(shared: &Shared) -> u64 {
    let interval = shared
        .config
        .get_int(Param::LoadingProcessEventsIntervalBytes);
    interval.max(1).unsigned_abs()
}

/// Loads the configured file when the server starts; `None` if there is none. Clients are
/// answered LOADING meanwhile. `at_install` hears of the history that the data belongs to,
/// while everything is locked: before anybody can add to it.
///
/// # Errors
/// The file cannot be used. The log says why; there is nothing to do but to exit.
pub fn start(
    shared: &Shared,
    locker: &mut Locker,
    at_install: impl FnOnce(&Locked, ReplFacts),
) -> Result<Option<LoadReport>, LoadError> {
    let path = saver::target(shared);
    begin(shared, locker);
    let started = Instant::now();
    let result = load_file(shared, &path);
    let mut locked = shared.keyspace.lock_everything(locker);
    let report = result.map(|loaded| {
        loaded.map(|loaded| {
            let report = report_of(shared, &loaded, started);
            loaded.install(shared, &mut locked);
            if let Some(history) = report.replication {
                at_install(&locked, history);
            }
            report
        })
    });
    shared.jobs.loading.end();
    drop(locked);
    match &report {
        Ok(Some(report)) => tell(report),
        Ok(None) => {}
        Err(error) => {
            error.report();
            tracing::warn!("Fatal error loading the DB, check server logs. Exiting.");
        }
    }
    report
}

/// DEBUG RELOAD: saves, unless told not to, and loads what was saved, with everybody else
/// kept out.
///
/// # Errors
/// What was in memory is still there.
pub fn debug_reload(
    shared: &Shared,
    locker: &mut Locker,
    reload: Reload,
) -> Result<LoadReport, ReloadError> {
    // What a leader sends meanwhile would be lost with the old data.
    let _following = shared.jobs.following.lock();
    begin(shared, locker);
    let started = Instant::now();
    let loaded = save_and_load(shared, locker, reload);
    let mut locked = shared.keyspace.lock_everything(locker);
    let result = loaded.and_then(|loaded| {
        let report = report_of(shared, &loaded, started);
        put(shared, &mut locked, loaded, reload)?;
        Ok(report)
    });
    shared.jobs.loading.end();
    drop(locked);
    match &result {
        Ok(report) => tell(report),
        Err(ReloadError::Load(error)) => error.report(),
        Err(ReloadError::Save(error)) => tracing::warn!("DEBUG RELOAD could not save: {error}"),
    }
    result
}

fn save_and_load(
    shared: &Shared,
    locker: &mut Locker,
    reload: Reload,
) -> Result<Loaded, ReloadError> {
    let path = saver::target(shared);
    if reload.save {
        while !shared.jobs.saves.begin(clock::unix_ms()) {
            shared.jobs.saves.cancel.store(true, Ordering::Relaxed);
            std::thread::sleep(SAVE_POLL);
        }
        let saved = save::save_to(shared, locker, &path, &mut |_| ());
        saver::note_end(shared, &saved, Asked::ByOneWhoWaits);
        saved?;
    }
    let loaded = load_file(shared, &path)?;
    Ok(loaded.ok_or_else(|| LoadError {
        origin: path.display().to_string(),
        kind: LoadErrorKind::Io {
            what: "cannot open",
            error: ErrorKind::NotFound.into(),
        },
    })?)
}

fn put(
    shared: &Shared,
    locked: &mut Locked,
    loaded: Loaded,
    reload: Reload,
) -> Result<(), LoadError> {
    if reload.flush {
        loaded.install(shared, locked);
        return Ok(());
    }
    let merged = loaded.merge(shared, locked, reload.merge);
    merged.map_err(|kind| LoadError {
        origin: saver::target(shared).display().to_string(),
        kind,
    })
}

/// Who may run commands depends on it, so it changes while everything is locked.
fn begin(shared: &Shared, locker: &mut Locker) {
    let _everything = shared.keyspace.lock_everything(locker);
    shared.jobs.loading.is_aside.store(false, Ordering::Relaxed);
    shared.jobs.loading.begin(clock::unix_ms(), 0);
}

fn report_of(shared: &Shared, loaded: &Loaded, started: Instant) -> LoadReport {
    let loading = &shared.jobs.loading;
    loading
        .last_keys_loaded
        .store(loaded.keys_loaded, Ordering::Relaxed);
    loading
        .last_keys_expired
        .store(loaded.keys_expired, Ordering::Relaxed);
    let origin = &loaded.origin;
    if let Some(version) = &origin.version {
        tracing::info!("Loading RDB produced by version {version}");
    }
    if let Some(saved_unix_s) = origin.saved_unix_s {
        let age_s = (clock::unix_ms() / 1000 - saved_unix_s).max(0);
        tracing::info!("RDB age {age_s} seconds");
    }
    if let Some(bytes) = origin.used_memory_bytes {
        let megabytes = bytes as f64 / (1 << 20) as f64;
        tracing::info!("RDB memory usage when created {megabytes:.2} Mb");
    }
    LoadReport {
        keys_loaded: loaded.keys_loaded,
        keys_expired: loaded.keys_expired,
        keys_empty: loaded.keys_empty,
        replication: loaded.replication(),
        took: started.elapsed(),
    }
}

fn tell(report: &LoadReport) {
    let skipped = match report.keys_empty {
        0 => String::new(),
        count => format!(", empty keys skipped: {count}"),
    };
    tracing::info!(
        "Done loading RDB, keys loaded: {}, keys expired: {}{skipped}.",
        report.keys_loaded,
        report.keys_expired
    );
    let seconds = report.took.as_secs_f64();
    tracing::info!("DB loaded from disk: {seconds:.3} seconds");
}
