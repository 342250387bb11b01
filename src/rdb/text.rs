//! The bytes of a string, whatever form it is written in.

use super::cursor::{RawString, Stop};
use super::error::DecodeErrorKind;
use super::lzf;

/// Room for a string that is not readable where it stands, kept from entry to entry.
#[derive(Default)]
pub(super) struct Text {
    buffer: Vec<u8>,
}

impl Text {
    /// The largest room kept; one huge string must not stay in memory for the whole file.
    const KEPT_BYTES_MAX: usize = 1 << 20;

    /// Makes `raw` readable; `of` then gives it.
    #[inline]
    pub fn load(&mut self, raw: RawString<'_>) -> Result<(), Stop> {
        match raw {
            RawString::Plain(_) => Ok(()),
            RawString::Int(number) => {
                self.clear();
                self.buffer
                    .extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
                Ok(())
            }
            RawString::Lzf {
                packed,
                len_bytes,
                position,
            } => {
                self.clear();
                lzf::unpack(packed, len_bytes, &mut self.buffer)
                    .map_err(|_| Stop::Bad(position, DecodeErrorKind::BadLzf))
            }
        }
    }

    /// The bytes of the string that was loaded last.
    #[inline]
    pub fn of<'s>(&'s self, raw: RawString<'s>) -> &'s [u8] {
        match raw {
            RawString::Plain(bytes) => bytes,
            _ => &self.buffer,
        }
    }

    /// The string that was loaded last, for good.
    pub fn take(self, raw: RawString<'_>) -> Vec<u8> {
        match raw {
            RawString::Plain(bytes) => bytes.to_vec(),
            _ => self.buffer,
        }
    }

    fn clear(&mut self) {
        if self.buffer.capacity() > Self::KEPT_BYTES_MAX {
            self.buffer = Vec::new();
        }
        self.buffer.clear();
    }
}
