//! A snapshot as a file: written beside its name, made durable, then renamed over it. At
//! every moment there is one whole file of that name, the old one or the new one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::fs::{Advice, fadvise};

use super::giving_way::GivingWay;
use super::pace::Rest;
use super::spill::GIFTS_BYTES_MAX;
use super::stream::{SnapshotStream, lowest_version};
use crate::base::os_error;
use crate::config::Param;
use crate::shared::Shared;
use crate::store::locked::Locker;
use crate::store::snapshot::Purpose;

/// So much is written at once.
const WRITE_BYTES: usize = 256 << 10;

/// After so many bytes the disk is asked to take them, so that the sync at the end is short.
const SYNC_BYTES: u64 = 32 << 20;

/// And after so many while clients are served: much at once takes a core for milliseconds.
const SERVING_SYNC_BYTES: u64 = 4 << 20;

/// The kernel is asked to forget so much of a file at once.
const FORGET_BYTES: NonZeroU64 = NonZeroU64::new(1 << 20).unwrap();

/// A save that takes longer says how far it is, so often.
const PROGRESS_PERIOD: Duration = Duration::from_secs(1);

/// How a save went.
#[derive(Clone, Debug)]
pub struct SaveReport {
    pub keys: u64,
    /// The file's length.
    pub bytes: u64,
    /// The memory of what writers had to give first.
    pub given_bytes: u64,
    /// How long everything was locked for the cut.
    pub cut_us: u64,
    /// Changes that the file holds and the one before did not.
    pub dirty: u64,
    pub took: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    #[error("cannot {what} {path}: {}", os_error::words(error), path = path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    #[error("cancelled")]
    Cancelled,
    #[error("the server shuts down")]
    Ended,
}

/// What a save tells while it goes on, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// What is saved is fixed, and clients are served again.
    Cut,
    /// All is written to the temporary file.
    Written,
    /// It is durable.
    Synced,
    /// It has its name.
    Renamed,
}

/// Saves everything as it is at one moment to `path`. Keeps the figures of
/// `shared.jobs.saves` up to date and stops soon after its `cancel` is set; who began the
/// save there ends it there.
///
/// # Errors
/// The file could not be written. There is no trace of the attempt then.
pub fn save_to(
    shared: &Shared,
    locker: &mut Locker,
    path: &Path,
    tell: &mut dyn FnMut(Moment),
) -> Result<SaveReport, SaveError> {
    let temp = temp_path(path);
    let result = write_and_rename(shared, locker, path, &temp, tell);
    if result.is_err() {
        // There may be nothing to remove.
        let _ = fs::remove_file(&temp);
    }
    result
}

/// Removes what a killed process of our number left behind in `dir`.
pub fn remove_temp(dir: &Path) {
    // There is nothing to remove nearly always.
    let _ = fs::remove_file(temp_path(&dir.join("any")));
}

fn temp_path(path: &Path) -> PathBuf {
    path.with_file_name(format!("temp-{}.rdb", std::process::id()))
}

fn write_and_rename(
    shared: &Shared,
    locker: &mut Locker,
    path: &Path,
    temp: &Path,
    tell: &mut dyn FnMut(Moment),
) -> Result<SaveReport, SaveError> {
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |error| SaveError::File { what, path, error }
    };
    let mut file = File::create(temp).map_err(failed("create", temp))?;
    let version = |needs| Some(lowest_version(needs));
    let begun = SnapshotStream::begin(shared, locker, Purpose::Disk, version, |_| ());
    let Some((mut stream, ())) = begun else {
        return Err(SaveError::Cancelled);
    };
    let mut writing = Writing::new(shared, &stream);
    tell(Moment::Cut);
    let written = writing.write(shared, locker, &mut stream, &mut file);
    let report = writing.report(&stream);
    stream.close(shared, locker);
    match written {
        Ok(()) => {}
        Err(Stop::Cancelled) => return Err(SaveError::Cancelled),
        Err(Stop::Failed(error)) => return Err(failed("write", temp)(error)),
    }
    tell(Moment::Written);
    file.sync_all().map_err(failed("sync", temp))?;
    drop(file);
    tell(Moment::Synced);
    forget_cached(shared, path);
    // The last moment at which the old file can stay.
    let renamed = shared.jobs.saves.may_replace(|| fs::rename(temp, path));
    let renamed = renamed.ok_or(SaveError::Cancelled)?;
    renamed.map_err(failed("rename the temporary file to", path))?;
    tell(Moment::Renamed);
    sync_dir_of(path).map_err(failed("sync the directory of", path))?;
    Ok(SaveReport {
        took: writing.started.elapsed(),
        ..report
    })
}

/// Lets the kernel forget what it has in memory of the file that is to be replaced: piece by
/// piece, for it would do so all at once when the file goes, and hold up a core meanwhile.
fn forget_cached(shared: &Shared, path: &Path) {
    // Nothing is lost if there is no such file, or the kernel does not listen. To open what
    // is no file might wait for ever.
    let bytes = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata.len(),
        _ => return,
    };
    let Ok(file) = File::open(path) else { return };
    let mut giving_way = GivingWay::new(shared);
    for at in (0..bytes).step_by(FORGET_BYTES.get() as usize) {
        let _ = fadvise(&file, at, Some(FORGET_BYTES), Advice::DontNeed);
        giving_way.rest(shared);
    }
}

/// Makes a rename durable.
fn sync_dir_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => File::open(dir)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

enum Stop {
    Cancelled,
    Failed(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Failed(error)
    }
}

/// One save's way through the file.
struct Writing {
    started: Instant,
    told: Instant,
    bytes: u64,
    synced_bytes: u64,
    syncs: bool,
}

impl Writing {
    fn new(shared: &Shared, stream: &SnapshotStream) -> Writing {
        let saves = &shared.jobs.saves;
        let keys = stream.facts().keys;
        saves.keys_total.store(keys, Ordering::Relaxed);
        Writing {
            started: Instant::now(),
            told: Instant::now(),
            bytes: 0,
            synced_bytes: 0,
            syncs: shared.config.get_bool(Param::RdbSaveIncrementalFsync),
        }
    }

    fn write(
        &mut self,
        shared: &Shared,
        locker: &mut Locker,
        stream: &mut SnapshotStream,
        file: &mut File,
    ) -> Result<(), Stop> {
        let mut giving_way = GivingWay::new(shared);
        loop {
            if shared.jobs.saves.cancel.load(Ordering::Relaxed) {
                return Err(Stop::Cancelled);
            }
            let pause = stream.rest(shared);
            let more = match pause {
                Rest::Sleep(time) => {
                    std::thread::sleep(time);
                    stream.slept(time);
                    // Writers may give much while we sleep.
                    stream.absorb(shared, GIFTS_BYTES_MAX)?;
                    true
                }
                Rest::None => stream.advance(shared, locker)?,
            };
            let slow = pause != Rest::None;
            if stream.ready().len() >= WRITE_BYTES || !more || slow {
                self.flush(stream, file, giving_way.clients_served())?;
                self.note(shared, stream);
            }
            if !more {
                return Ok(());
            }
            giving_way.rest(shared);
        }
    }

    fn flush(
        &mut self,
        stream: &mut SnapshotStream,
        file: &mut File,
        clients_served: bool,
    ) -> io::Result<()> {
        let ready = stream.ready();
        file.write_all(ready)?;
        self.bytes += ready.len() as u64;
        stream.clear_ready();
        let sync_bytes = match clients_served {
            true => SERVING_SYNC_BYTES,
            false => SYNC_BYTES,
        };
        if self.syncs && self.bytes - self.synced_bytes >= sync_bytes {
            file.sync_data()?;
            self.synced_bytes = self.bytes;
        }
        Ok(())
    }

    /// Tells those who ask how far the save is.
    fn note(&mut self, shared: &Shared, stream: &SnapshotStream) {
        let saves = &shared.jobs.saves;
        let done = stream.keys_done() - stream.unpaid_keys(shared);
        saves.keys_done.store(done, Ordering::Relaxed);
        saves.bytes_done.store(self.bytes, Ordering::Relaxed);
        let given_bytes = stream.given_bytes();
        saves.given_bytes.store(given_bytes, Ordering::Relaxed);
        if self.told.elapsed() >= PROGRESS_PERIOD {
            self.told = Instant::now();
            tracing::info!("{}", self.progress(done, stream.facts().keys));
        }
    }

    fn progress(&self, done: u64, keys: u64) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        let share = (done as f64 / keys.max(1) as f64).min(1.0);
        let rate = self.bytes as f64 / seconds.max(0.001) / 1e6;
        let left = seconds * (1.0 - share) / share.max(1e-6);
        format!(
            "Saving: {:.0}% of {keys} keys, {rate:.1} MB/s, {left:.0} seconds left",
            share * 100.0
        )
    }

    fn report(&self, stream: &SnapshotStream) -> SaveReport {
        SaveReport {
            keys: stream.keys_done(),
            bytes: self.bytes,
            given_bytes: stream.given_bytes(),
            cut_us: stream.facts().cut_us,
            dirty: stream.facts().dirty,
            took: self.started.elapsed(),
        }
    }
}
