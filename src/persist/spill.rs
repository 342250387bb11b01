//! What full syncs find no room for in memory: files without a name, and the thread that
//! moves there what the write log keeps for followers that lag far behind.
//!
//! A full sync leaves two things behind that a slow follower takes later: what writers gave
//! to the snapshot, and what was written since. Both together take `MEMORY_BYTES_MAX`; the
//! rest is in files in the server's folder, which go when nobody needs them, at the latest
//! with the process.
//!
//! Where there is no room on the disk either, writes are delayed (`shared::delay`).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::exec::Engine;
use crate::oplog::{Place, Shelf, Spiller, Volume};
use crate::shared::Shared;
use crate::shared::delay::Crowd;

/// What a full sync may add to the memory in use, buffers on their way apart.
const MEMORY_BYTES_MAX: u64 = 12 << 20;

/// So much of it for what writers gave to the snapshot. They come last in it, so there is
/// nothing to gain by keeping them at hand.
pub const GIFTS_BYTES_MAX: usize = 1 << 20;

/// And so much for the write log, beyond its backlog.
const LOG_BYTES_MAX: u64 = MEMORY_BYTES_MAX - GIFTS_BYTES_MAX as u64;

/// How much more of the log may come to be in memory while nothing can be spilled, before
/// writes wait for the follower that needs it; more where more output is allowed to followers.
pub const PATIENCE_BYTES_MAX: u64 = 16 << 20;

/// Writes that wait go on when there is so much less of it.
const RELIEF_BYTES: u64 = 128 << 10;

/// A file of the log's grows to this size; then there is another one. The room on the disk
/// is given back file by file.
const VOLUME_BYTES_MAX: u64 = 16 << 20;

/// How often it is looked whether there is something to be freed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// After an error it is tried again so much later.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often it is looked meanwhile whether writes are to wait, or to wait no more.
const CROWD_LOOK_EVERY: Duration = Duration::from_millis(5);

/// A file without a name. It ends with this value.
#[derive(Debug)]
pub struct SpillFile(File);

impl SpillFile {
    /// # Errors
    /// No file can be made in `dir`.
    pub fn create(dir: &Path) -> io::Result<SpillFile> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!("temp-spill-{}-{number}", std::process::id()));
        let mut options = File::options();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(SpillFile(file))
    }

    /// # Errors
    /// The file system does not take the bytes.
    pub fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, at)
    }

    /// # Errors
    /// The file system does not give so many bytes back.
    pub fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(into, at)
    }
}

impl Volume for SpillFile {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        SpillFile::read_at(self, at, into).inspect_err(|error| {
            tracing::warn!("What was spilled of the replication stream cannot be read: {error}");
        })
    }
}

/// Bytes in a file, appended at its end and taken from its front.
#[derive(Debug)]
pub struct SpillQueue {
    file: SpillFile,
    read_bytes: u64,
    written_bytes: u64,
}

impl SpillQueue {
    /// # Errors
    /// No file can be made in `dir`.
    pub fn create(dir: &Path) -> io::Result<SpillQueue> {
        Ok(SpillQueue {
            file: SpillFile::create(dir)?,
            read_bytes: 0,
            written_bytes: 0,
        })
    }

    /// Takes all of `bytes`, or nothing.
    ///
    /// # Errors
    /// The file system does not take them.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(self.written_bytes, bytes)?;
        self.written_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Appends the next bytes to `out`, so many at most. False when all was read.
    ///
    /// # Errors
    /// The file system does not give them back.
    pub fn read_chunk(&mut self, bytes_max: usize, out: &mut Vec<u8>) -> io::Result<bool> {
        let rest_bytes = self.written_bytes - self.read_bytes;
        let chunk_bytes = rest_bytes.min(bytes_max as u64) as usize;
        let start = out.len();
        out.resize(start + chunk_bytes, 0);
        self.file.read_at(self.read_bytes, &mut out[start..])?;
        self.read_bytes += chunk_bytes as u64;
        Ok(chunk_bytes > 0)
    }
}

/// Starts the thread that keeps the write log's memory within bounds.
///
/// # Errors
/// There can be no more threads.
pub fn start(engine: Arc<Engine>) -> io::Result<()> {
    let spiller = engine.shared.oplog.spiller(LOG_BYTES_MAX);
    let config = engine.shared.config.clone();
    let shelf = LogShelf::new(move || config.dir().to_path_buf());
    let thread = std::thread::Builder::new().name("log".to_owned());
    thread.spawn(move || keep_bounds(&engine.shared, spiller, shelf))?;
    Ok(())
}

fn keep_bounds(shared: &Shared, mut spiller: Spiller, mut shelf: LogShelf) {
    let mut failed = false;
    loop {
        let step = spiller.step(&mut shelf);
        if let Err(error) = step {
            if !failed {
                tracing::warn!(
                    "The replication stream cannot be spilled to disk and stays in memory, so \
                     that writes wait for replicas that lag too far behind: {error}"
                );
            }
            failed = true;
            delay_writes(shared, &spiller);
            continue;
        }
        shared.delay.set(&shared.pause, Crowd::Log, false);
        match step {
            Ok(true) => failed = false,
            _ => spiller.wait_blocking(LOOK_EVERY),
        }
    }
}

/// Has writes wait until there is room for what they would add, for `RETRY_AFTER`: then it
/// may be that the disk takes it.
fn delay_writes(shared: &Shared, spiller: &Spiller) {
    let began = Instant::now();
    let mut margin_bytes = 0;
    while began.elapsed() < RETRY_AFTER {
        let is_crowded = spiller.is_crowded(margin_bytes);
        margin_bytes = if is_crowded { RELIEF_BYTES } else { 0 };
        shared.delay.set(&shared.pause, Crowd::Log, is_crowded);
        std::thread::sleep(CROWD_LOOK_EVERY);
    }
}

/// The files of the log.
struct LogShelf {
    dir: Box<dyn Fn() -> PathBuf + Send>,
    /// The one that grows, and its size.
    last: Option<(Arc<SpillFile>, u64)>,
}

impl LogShelf {
    fn new(dir: impl Fn() -> PathBuf + Send + 'static) -> LogShelf {
        LogShelf {
            dir: Box::new(dir),
            last: None,
        }
    }

    fn room(&mut self) -> io::Result<(Arc<SpillFile>, u64)> {
        let last = self.last.take();
        let has_room = |(_, size): &(_, u64)| *size < VOLUME_BYTES_MAX;
        match last.filter(has_room) {
            Some(last) => Ok(last),
            None => Ok((Arc::new(SpillFile::create(&(self.dir)())?), 0)),
        }
    }
}

impl Shelf for LogShelf {
    fn put(&mut self, pieces: &[&[u8]]) -> io::Result<Place> {
        let (file, at) = self.room()?;
        let mut size = at;
        let mut written = Ok(());
        for piece in pieces {
            written = file.write_at(size, piece);
            if written.is_err() {
                // The next ones are written over what is there of these.
                size = at;
                break;
            }
            size += piece.len() as u64;
        }
        self.last = Some((file.clone(), size));
        written?;
        Ok(Place { volume: file, at })
    }

    fn cleared(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_name_gives_back_what_it_took() {
        let dir = tempfile::tempdir().unwrap();
        let file = SpillFile::create(dir.path()).unwrap();
        let other = SpillFile::create(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        file.write_at(0, b"one").unwrap();
        file.write_at(3, b"two").unwrap();
        other.write_at(0, b"other").unwrap();
        let mut out = [0; 4];
        file.read_at(1, &mut out).unwrap();
        assert_eq!(&out, b"netw");
        assert!(file.read_at(3, &mut out).is_err());
    }

    #[test]
    fn a_queue_gives_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let mut queue = SpillQueue::create(dir.path()).unwrap();
        queue.append(b"one").unwrap();
        queue.append(b"two").unwrap();
        let mut out = b"zero".to_vec();
        assert!(queue.read_chunk(4, &mut out).unwrap());
        assert_eq!(out, b"zeroonet");
        assert!(queue.read_chunk(4, &mut out).unwrap());
        assert!(!queue.read_chunk(4, &mut out).unwrap());
        assert_eq!(out, b"zeroonetwo");
    }

    #[test]
    fn the_logs_files_are_bounded_and_go_when_they_are_not_needed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        let mut shelf = LogShelf::new(move || path.clone());
        let first = shelf.put(&[b"abc", b"de"]).unwrap();
        let second = shelf.put(&[b"f"]).unwrap();
        assert!(Arc::ptr_eq(&first.volume, &second.volume));
        assert_eq!((first.at, second.at), (0, 5));
        let mut out = [0; 6];
        second.volume.read_at(0, &mut out).unwrap();
        assert_eq!(&out, b"abcdef");
        shelf.last = shelf.last.map(|(file, _)| (file, VOLUME_BYTES_MAX));
        let third = shelf.put(&[b"g"]).unwrap();
        assert!(!Arc::ptr_eq(&first.volume, &third.volume));
        shelf.cleared();
        let fourth = shelf.put(&[b"h"]).unwrap();
        assert!(!Arc::ptr_eq(&third.volume, &fourth.volume));
    }

    #[test]
    fn without_a_folder_nothing_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("missing");
        let mut shelf = LogShelf::new(move || path.clone());
        assert!(shelf.put(&[b"a"]).is_err());
        std::fs::create_dir(dir.path().join("missing")).unwrap();
        assert!(shelf.put(&[b"a"]).is_ok());
    }
}
