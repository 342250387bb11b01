//! Reads the format's primitives from a slice that may end too early.
//!
//! A read that finds too few bytes stops with `Need` and the length the input must reach;
//! the caller then starts over at a place it remembers. Every read costs the same however
//! long the string is that it steps over, so starting over is cheap.

use super::error::DecodeErrorKind;
use super::format::string_encoding;
use super::lzf;

/// Why a read did not finish.
#[derive(Debug, PartialEq)]
pub(super) enum Stop {
    /// The input must be at least this long.
    Need(u64),
    /// The byte at this position of the input, or what starts there, is wrong.
    Bad(usize, DecodeErrorKind),
}

/// A length byte's two meanings.
enum Length {
    Plain(u64),
    Special(u8),
}

/// A string as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum RawString<'a> {
    Plain(&'a [u8]),
    Int(i32),
    Lzf {
        packed: &'a [u8],
        len_bytes: usize,
        position: usize,
    },
}

#[derive(Clone)]
pub(super) struct Cursor<'a> {
    input: &'a [u8],
    position: usize,
    string_bytes_max: u64,
}

impl<'a> Cursor<'a> {
    pub fn new(input: &'a [u8], position: usize, string_bytes_max: u64) -> Self {
        Cursor {
            input,
            position,
            string_bytes_max,
        }
    }

    pub fn position(&self) -> usize {
        self.position
    }

    #[inline]
    pub fn byte(&mut self) -> Result<u8, Stop> {
        match self.input.get(self.position) {
            Some(&byte) => {
                self.position += 1;
                Ok(byte)
            }
            None => Err(Stop::Need(self.position as u64 + 1)),
        }
    }

    #[inline]
    pub fn bytes(&mut self, len_bytes: u64) -> Result<&'a [u8], Stop> {
        let end = (self.position as u64).saturating_add(len_bytes);
        if end > self.input.len() as u64 {
            return Err(Stop::Need(end));
        }
        let bytes = &self.input[self.position..end as usize];
        self.position = end as usize;
        Ok(bytes)
    }

    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        match self.input[self.position..].first_chunk::<N>() {
            Some(array) => {
                self.position += N;
                Ok(*array)
            }
            None => Err(Stop::Need((self.position + N) as u64)),
        }
    }

    /// A length or a number; a string's special encoding has no business here.
    #[inline]
    pub fn length(&mut self) -> Result<u64, Stop> {
        let start = self.position;
        match self.length_or_special()? {
            Length::Plain(length) => Ok(length),
            Length::Special(_) => {
                let byte = self.input[start];
                Err(Stop::Bad(start, DecodeErrorKind::UnknownLength(byte)))
            }
        }
    }

    #[inline]
    pub fn string(&mut self) -> Result<RawString<'a>, Stop> {
        let start = self.position;
        match self.length_or_special()? {
            Length::Plain(len_bytes) => {
                self.check_string_len(start, len_bytes)?;
                Ok(RawString::Plain(self.bytes(len_bytes)?))
            }
            Length::Special(encoding) => self.special_string(start, encoding),
        }
    }

    #[inline]
    fn length_or_special(&mut self) -> Result<Length, Stop> {
        let start = self.position;
        let first = self.byte()?;
        let low = first & 0x3F;
        match first >> 6 {
            0 => Ok(Length::Plain(u64::from(low))),
            1 => {
                let second = self.byte()?;
                Ok(Length::Plain(u64::from(low) << 8 | u64::from(second)))
            }
            3 => Ok(Length::Special(low)),
            _ => match first {
                0x80 => Ok(Length::Plain(u64::from(u32::from_be_bytes(self.array()?)))),
                0x81 => Ok(Length::Plain(u64::from_be_bytes(self.array()?))),
                _ => Err(Stop::Bad(start, DecodeErrorKind::UnknownLength(first))),
            },
        }
    }

    fn special_string(&mut self, start: usize, encoding: u8) -> Result<RawString<'a>, Stop> {
        match encoding {
            string_encoding::INT8 => Ok(RawString::Int(i8::from_le_bytes(self.array()?).into())),
            string_encoding::INT16 => Ok(RawString::Int(i16::from_le_bytes(self.array()?).into())),
            string_encoding::INT32 => Ok(RawString::Int(i32::from_le_bytes(self.array()?))),
            string_encoding::LZF => {
                let packed_len_bytes = self.length()?;
                let len_bytes = self.length()?;
                self.check_string_len(start, packed_len_bytes)?;
                self.check_string_len(start, len_bytes)?;
                if !lzf::may_unpack_to(packed_len_bytes, len_bytes) {
                    return Err(Stop::Bad(start, DecodeErrorKind::BadLzf));
                }
                let position = self.position;
                let packed = self.bytes(packed_len_bytes)?;
                Ok(RawString::Lzf {
                    packed,
                    len_bytes: len_bytes as usize,
                    position,
                })
            }
            other => Err(Stop::Bad(
                start,
                DecodeErrorKind::UnknownStringEncoding(other),
            )),
        }
    }

    fn check_string_len(&self, start: usize, len_bytes: u64) -> Result<(), Stop> {
        if len_bytes > self.string_bytes_max {
            return Err(Stop::Bad(start, DecodeErrorKind::StringTooLong(len_bytes)));
        }
        Ok(())
    }
}
