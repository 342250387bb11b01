//! A file without a name, for pieces of a snapshot that found no room in memory: appended
//! to while the walker waits for its consumer, read back from the front at the end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// So much of what writers gave stays in memory.
pub const MEMORY_BYTES_MAX: usize = 32 << 20;

pub struct Spill {
    file: File,
    read_bytes: u64,
    written_bytes: u64,
}

impl Spill {
    /// # Errors
    /// No file can be made in `dir`.
    pub fn create(dir: &Path) -> io::Result<Spill> {
        let path = dir.join(format!("temp-spill-{}", std::process::id()));
        let mut options = File::options();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(Spill {
            file,
            read_bytes: 0,
            written_bytes: 0,
        })
    }

    /// Takes all of `bytes`, or nothing.
    ///
    /// # Errors
    /// The file system does not take them.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.written_bytes)?;
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
        self.file
            .read_exact_at(&mut out[start..], self.read_bytes)?;
        self.read_bytes += chunk_bytes as u64;
        Ok(chunk_bytes > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order_and_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut spill = Spill::create(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        spill.append(b"one").unwrap();
        spill.append(b"two").unwrap();
        let mut out = b"zero".to_vec();
        assert!(spill.read_chunk(4, &mut out).unwrap());
        assert_eq!(out, b"zeroonet");
        assert!(spill.read_chunk(4, &mut out).unwrap());
        assert!(!spill.read_chunk(4, &mut out).unwrap());
        assert_eq!(out, b"zeroonetwo");
    }
}
