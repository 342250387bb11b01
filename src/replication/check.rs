//! Checks a snapshot as it arrives, without building anything of it.
//!
//! A follower that holds data must not drop it for a snapshot that turns out to be broken,
//! or of a format that it cannot read. So every record is decoded once on its way to the
//! spool, the checksum included; only then does the load begin.

use crate::rdb::decode::{Decoder, Options, Step, Value};

/// Reads along.
pub struct Check {
    decoder: Decoder,
    /// What the decoder has not consumed yet.
    rest: Vec<u8>,
    /// How much of the rest was consumed since it was last moved to the front.
    at: usize,
    /// No use to look again before the rest is so long.
    wanted_bytes: usize,
    ended: bool,
}

impl Default for Check {
    fn default() -> Check {
        Check::new()
    }
}

impl Check {
    #[must_use]
    pub fn new() -> Check {
        Check {
            decoder: Decoder::new(Options::default()),
            rest: Vec::new(),
            at: 0,
            wanted_bytes: 0,
            ended: false,
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// Why the snapshot cannot be loaded.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.rest.drain(..self.at);
        self.at = 0;
        self.rest.extend_from_slice(bytes);
        while !self.ended && self.rest.len() - self.at >= self.wanted_bytes {
            let input = self.rest.get(self.at..).unwrap_or_default();
            match self.decoder.next(input).map_err(|e| e.to_string())? {
                Step::Need { input_bytes } => {
                    self.wanted_bytes = usize::try_from(input_bytes).unwrap_or(usize::MAX);
                    return Ok(());
                }
                Step::End { .. } => self.ended = true,
                Step::Entry(entry) => {
                    if let Value::Unsupported { type_byte, .. } = entry.value {
                        let key = entry.key.escape_ascii();
                        return Err(format!("key '{key}' is of the unknown type {type_byte}"));
                    }
                }
                _ => {}
            }
            self.at += self.decoder.consumed_bytes();
            self.wanted_bytes = 0;
        }
        Ok(())
    }

    /// There are no more bytes.
    ///
    /// # Errors
    /// The snapshot is not whole.
    pub fn finish(&self) -> Result<(), String> {
        if self.ended {
            return Ok(());
        }
        let rest = self.rest.get(self.at..).unwrap_or_default();
        Err(self.decoder.truncated(rest).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::Crc64;
    use crate::rdb::encode::{self, Encoder, KeyMeta};
    use crate::rdb::format::FileVersion;

    fn snapshot(keys: usize) -> Vec<u8> {
        let mut out = Vec::new();
        encode::put_header(&mut out, FileVersion::Redis10);
        encode::put_aux(&mut out, b"redis-ver", b"7.0.15");
        encode::put_select_db(&mut out, 0);
        let mut encoder = Encoder::new(true);
        for key in 0..keys {
            let name = format!("key:{key}");
            encoder.put_string_entry(&mut out, name.as_bytes(), b"value", KeyMeta::default());
        }
        encode::put_end(&mut out);
        let mut crc = Crc64::new();
        crc.update(&out);
        encode::put_checksum(&mut out, Some(crc.value()));
        out
    }

    fn check(bytes: &[u8], piece: usize) -> Result<(), String> {
        let mut check = Check::new();
        for piece in bytes.chunks(piece) {
            check.feed(piece)?;
        }
        check.finish()
    }

    #[test]
    fn a_good_snapshot_passes_however_it_is_cut() {
        let bytes = snapshot(100);
        for piece in [1, 7, 64, bytes.len()] {
            assert_eq!(check(&bytes, piece), Ok(()));
        }
    }

    #[test]
    fn a_snapshot_that_is_cut_off_or_changed_does_not() {
        let bytes = snapshot(3);
        assert!(check(&bytes[..bytes.len() - 1], 16).is_err());
        assert!(check(b"", 1).is_err());
        let mut changed = bytes.clone();
        changed[30] ^= 1;
        assert!(check(&changed, 16).is_err());
        let mut newer = bytes;
        newer[5..9].copy_from_slice(b"0099");
        let error = check(&newer, 9).unwrap_err();
        assert!(error.contains("version"), "{error}");
    }
}
