//! A snapshot on its way through the disk.
//!
//! What was written is forced to the disk while more comes, by a thread of its own, so that
//! at the end little is left to wait for.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::base::{clock, os_error};

/// So much is written before it is forced to the disk.
const UNFORCED_BYTES_MAX: u64 = 32 << 20;

/// The file that a leader's snapshot is written to. It is removed with this value, unless
/// it was kept.
pub struct Spool {
    path: PathBuf,
    file: File,
    forcing: Option<Forcing>,
    written_bytes: u64,
    unforced_bytes: u64,
    kept: bool,
}

/// The thread that forces.
struct Forcing {
    wanted: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Spool {
    /// # Errors
    /// No file can be made in `dir`.
    pub fn create(dir: &Path) -> io::Result<Spool> {
        let now_s = clock::unix_ms() / 1000;
        let path = dir.join(format!("temp-{now_s}.{}.rdb", std::process::id()));
        Ok(Spool {
            file: File::create(&path)?,
            path,
            forcing: None,
            written_bytes: 0,
            unforced_bytes: 0,
            kept: false,
        })
    }

    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// Why they cannot be kept.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.file
            .write_all(bytes)
            .map_err(|error| write_error(&error))?;
        self.written_bytes += bytes.len() as u64;
        self.unforced_bytes += bytes.len() as u64;
        if self.unforced_bytes >= UNFORCED_BYTES_MAX {
            self.unforced_bytes = 0;
            self.force().map_err(|error| write_error(&error))?;
        }
        Ok(())
    }

    fn force(&mut self) -> io::Result<()> {
        let forcing = match &self.forcing {
            Some(forcing) => forcing,
            None => self.forcing.insert(Forcing::start(&self.file)?),
        };
        // If it has not done the last part yet it will do both at once; if it has failed,
        // the end says so.
        let _ = forcing.wanted.try_send(());
        Ok(())
    }

    /// All bytes have come: makes them durable.
    ///
    /// # Errors
    /// The file system refused.
    pub fn force_all(&mut self) -> Result<(), String> {
        let forced = self.forcing.take().map_or(Ok(()), Forcing::end);
        forced
            .and_then(|()| self.file.sync_all())
            .map_err(|error| write_error(&error))
    }

    /// Gives them, which are durable, the name `path`.
    ///
    /// # Errors
    /// The file system refused.
    pub fn keep_as(mut self, path: &Path) -> Result<(), String> {
        fs::rename(&self.path, path).map_err(|error| {
            let name = path.display();
            format!(
                "Failed trying to rename the temp DB into {name} in MASTER <-> REPLICA \
                 synchronization: {}",
                os_error::words(&error)
            )
        })?;
        self.kept = true;
        if let Some(dir) = path.parent() {
            File::open(dir)
                .and_then(|dir| dir.sync_all())
                .map_err(|error| write_error(&error))?;
        }
        Ok(())
    }
}

impl Forcing {
    fn start(file: &File) -> io::Result<Forcing> {
        let file = file.try_clone()?;
        let (wanted, asked) = sync_channel(1);
        let thread = std::thread::Builder::new().name("spool".to_owned());
        let thread = thread.spawn(move || {
            while let Ok(()) = asked.recv() {
                // An error is told once, to whoever asks first: it must not get lost here.
                file.sync_data()?;
            }
            Ok(())
        })?;
        Ok(Forcing { wanted, thread })
    }

    fn end(self) -> io::Result<()> {
        drop(self.wanted);
        let end = self.thread.join();
        end.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing depends on it: the next start begins with a name of its own.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn write_error(error: &io::Error) -> String {
    format!(
        "Write error or short write writing to the DB dump file needed for MASTER <-> REPLICA \
         synchronization: {}",
        os_error::words(error)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::create(dir.path()).unwrap();
        spool.write(b"REDIS0010").unwrap();
        assert_eq!(spool.written_bytes(), 9);
        drop(spool);
        let spool = Spool::create(dir.path()).unwrap();
        assert!(
            spool
                .keep_as(&dir.path().join("no folder/dump.rdb"))
                .is_err()
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_kept_is_all_there_however_long() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dump.rdb");
        fs::write(&path, b"old").unwrap();
        let mut spool = Spool::create(dir.path()).unwrap();
        let piece: Vec<u8> = (0..1 << 20).map(|n| n as u8).collect();
        for _ in 0..70 {
            spool.write(&piece).unwrap();
        }
        spool.force_all().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        spool.keep_as(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), piece.repeat(70));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
