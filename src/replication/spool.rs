//! A snapshot on its way through the disk, checked as it is written.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::check::Check;
use crate::base::clock;

/// The file that a leader's snapshot is written to. It is removed with this value, unless
/// it was kept.
pub struct Spool {
    path: PathBuf,
    file: File,
    check: Check,
    written_bytes: u64,
    kept: bool,
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
            check: Check::new(),
            written_bytes: 0,
            kept: false,
        })
    }

    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// Why they cannot be kept, or why nobody could load them.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.check.feed(bytes)?;
        self.file
            .write_all(bytes)
            .map_err(|error| write_error(&error))?;
        self.written_bytes += bytes.len() as u64;
        Ok(())
    }

    /// All bytes have come: makes them durable as `path`.
    ///
    /// # Errors
    /// The snapshot is not whole, or the file system refused.
    pub fn keep_as(mut self, path: &Path) -> Result<(), String> {
        self.check.finish()?;
        self.file.sync_all().map_err(|error| write_error(&error))?;
        fs::rename(&self.path, path).map_err(|error| {
            let name = path.display();
            format!(
                "Failed trying to rename the temp DB into {name} in MASTER <-> REPLICA \
                 synchronization: {error}"
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
         synchronization: {error}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::create(dir.path()).unwrap();
        assert!(spool.write(b"REDIS0099 and more").is_err());
        drop(spool);
        let mut spool = Spool::create(dir.path()).unwrap();
        spool.write(b"REDIS0010").unwrap();
        assert_eq!(spool.written_bytes(), 9);
        assert!(spool.keep_as(&dir.path().join("dump.rdb")).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
