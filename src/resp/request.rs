//! The incremental parser of requests.
//!
//! ```text
//!   *2\r\n $3\r\n GET\r\n $3\r\n key\r\n      a frame; arguments are given as ranges
//!   GET key\r\n                               an inline command; arguments are copied
//! ```
//!
//! A frame that is whole is parsed in one pass without allocating. Of an unfinished one
//! the parser keeps how far it came, so that nothing is looked at twice, and the ranges
//! found so far, so that the caller's vector can serve other connections meanwhile. No
//! announced length reserves memory here: what is kept is bounded by what has arrived.
//!
//! The answer depends on the bytes alone, never on how they were cut into reads.

use thiserror::Error;

pub use super::argv::{ArgRange, Argv, OwnedCommand, encode_command};
use super::inline::split_args;
use crate::base::number::parse_i64;

/// A frame announces at most this many arguments.
pub const MULTIBULK_LEN_MAX: i64 = i32::MAX as i64;

/// Before authentication, at most this many arguments ...
pub const UNAUTHENTICATED_MULTIBULK_LEN_MAX: i64 = 10;

/// ... of at most this many bytes each.
pub const UNAUTHENTICATED_BULK_LEN_BYTES_MAX: i64 = 16384;

/// A short header is within every limit up to this many arguments.
const SHORT_LEN_MAX: usize = UNAUTHENTICATED_MULTIBULK_LEN_MAX as usize;

/// What a line ends with, and an argument.
const CRLF_BYTES: usize = 2;

/// The longest inline command, and the longest text of a length.
pub const INLINE_BYTES_MAX: usize = 64 * 1024;

/// `proto-max-bulk-len` unless configured.
pub const BULK_LEN_BYTES_MAX: u64 = 512 << 20;

/// What a client may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest argument, in bytes; `u64::MAX` for a link to the leader.
    pub bulk_len_bytes_max: u64,
    /// Whether the client has logged in; if not, little is taken from it.
    pub authenticated: bool,
    /// The longest inline command, and the longest text of a length.
    pub inline_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bulk_len_bytes_max: BULK_LEN_BYTES_MAX,
            authenticated: true,
            inline_bytes_max: INLINE_BYTES_MAX,
        }
    }
}

/// What a call of the parser found.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// One command. Its frame is the first `consumed_bytes` of the input and its ranges
    /// were appended to the vector; but if it was inline, or a frame whose lines do not
    /// end as they should, it is `inline` and no range was appended.
    Complete {
        consumed_bytes: usize,
        inline: Option<Box<OwnedCommand>>,
    },
    /// An empty line or a frame of no arguments: nothing to do, nothing to answer.
    Empty { consumed_bytes: usize },
    /// The input ends within the command; at least `want_bytes` more are needed.
    Incomplete { want_bytes: usize },
}

/// Why the connection must be closed. The text is Redis's, without the leading `ERR `.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    #[error("Protocol error: invalid multibulk length")]
    InvalidMultibulkLength,
    #[error("Protocol error: unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    #[error("Protocol error: invalid bulk length")]
    InvalidBulkLength,
    #[error("Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulkLength,
    #[error("Protocol error: expected '$', got '{}'", char::from(*.0))]
    ExpectedDollar(u8),
    #[error("Protocol error: too big mbulk count string")]
    TooBigMultibulkCount,
    #[error("Protocol error: too big bulk count string")]
    TooBigBulkCount,
    #[error("Protocol error: too big inline request")]
    TooBigInline,
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
}

/// How a frame begins, up to the end of its first argument. Mostly the next one begins with
/// the same bytes, and they need not be understood again.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    bytes: u128,
    /// Which of the bytes belong to it.
    mask: u128,
    name: ArgRange,
    args_left: usize,
}

impl Opening {
    /// That of a frame which was parsed. None if it is long: there is a name then that no
    /// limit may allow, or more arguments than some may send.
    pub fn of(frame: Argv) -> Option<Opening> {
        let bytes = u128::from_le_bytes(*frame.bytes.first_chunk()?);
        let name = *frame.ranges.first()?;
        let unused_bytes = size_of::<u128>().checked_sub(name.end + CRLF_BYTES)?;
        let mask = u128::MAX >> (8 * unused_bytes);
        (frame.len() <= SHORT_LEN_MAX).then_some(Opening {
            bytes: bytes & mask,
            mask,
            name,
            args_left: frame.len() - 1,
        })
    }

    #[inline]
    fn begins(&self, input: &[u8]) -> bool {
        let first = input.first_chunk();
        first.is_some_and(|first| u128::from_le_bytes(*first) & self.mask == self.bytes)
    }

    #[inline]
    fn len_bytes(&self) -> usize {
        self.name.end + CRLF_BYTES
    }
}

/// The parser of one connection. Idle, it owns nothing.
#[derive(Debug, Default)]
pub struct Parser {
    progress: Progress,
    /// The ranges of an unfinished frame.
    partial: Vec<ArgRange>,
}

impl Parser {
    /// A parser at the start of a frame.
    pub fn new() -> Parser {
        Parser::default()
    }

    /// Parses the command at the start of `input`. After `Incomplete` the next call must
    /// have the same bytes and more; after anything else it begins anew with the bytes
    /// behind `consumed_bytes`. The ranges count from the start of `input` and are
    /// appended to `ranges` when the command is complete, so that the commands of one
    /// read can share a vector; nothing else in it is touched.
    #[inline]
    pub fn parse(
        &mut self,
        input: &[u8],
        limits: &Limits,
        ranges: &mut Vec<ArgRange>,
    ) -> Result<Parsed, ProtocolError> {
        // The hot path: a frame from its first byte, ranges straight into the caller's hands.
        if self.progress.at == 0
            && let Some(consumed_bytes) = whole_frame(input, limits, ranges)
        {
            self.progress.scanned = 0;
            return Ok(Parsed::Complete {
                consumed_bytes,
                inline: None,
            });
        }
        self.parse_slowly(input, limits, ranges)
    }

    /// As `parse`, of a frame that is all there and begins with `opening`: gives its length. For
    /// any other it does nothing.
    #[inline]
    pub fn parse_alike(
        &mut self,
        opening: &Opening,
        input: &[u8],
        limits: &Limits,
        ranges: &mut Vec<ArgRange>,
    ) -> Option<usize> {
        if self.progress.at != 0 || !opening.begins(input) {
            return None;
        }
        let base = ranges.len();
        ranges.push(opening.name);
        let (behind, args) = (opening.len_bytes(), opening.args_left);
        let end = whole_args(input, behind, args, limits, ranges);
        match end {
            Some(_) => self.progress.scanned = 0,
            None => ranges.truncate(base),
        }
        end
    }

    #[cold]
    fn parse_slowly(
        &mut self,
        input: &[u8],
        limits: &Limits,
        ranges: &mut Vec<ArgRange>,
    ) -> Result<Parsed, ProtocolError> {
        match input.first() {
            Some(b'*') if self.progress.at == 0 => self.begin(input, limits, ranges),
            Some(b'*') => self.resume(input, limits, ranges),
            Some(_) => self.inline(input, limits),
            None => Ok(Parsed::Incomplete { want_bytes: 1 }),
        }
    }

    /// How much of the unfinished frame is parsed, and how much there will be at least; 0 and
    /// 0 if there is none.
    pub fn announced_bytes(&self) -> (usize, usize) {
        let Progress { at, bulk_len, .. } = self.progress;
        let end = bulk_len.map_or(at, |len| at.saturating_add(len).saturating_add(2));
        (at, end)
    }

    /// What the unfinished frame's ranges cost, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.partial.capacity() * size_of::<ArgRange>()
    }

    /// A frame from its first byte, as far as it is there.
    fn begin(
        &mut self,
        input: &[u8],
        limits: &Limits,
        ranges: &mut Vec<ArgRange>,
    ) -> Result<Parsed, ProtocolError> {
        let base = ranges.len();
        let mut progress = self.progress;
        match progress.advance(input, limits, ranges) {
            Ok(None) => {
                self.progress = Progress::default();
                Ok(finish(&progress, input, ranges, base))
            }
            Ok(Some(want_bytes)) => {
                self.progress = progress;
                self.partial.extend(ranges.drain(base..));
                Ok(Parsed::Incomplete { want_bytes })
            }
            Err(error) => {
                ranges.truncate(base);
                *self = Parser::new();
                Err(error)
            }
        }
    }

    #[cold]
    fn resume(
        &mut self,
        input: &[u8],
        limits: &Limits,
        ranges: &mut Vec<ArgRange>,
    ) -> Result<Parsed, ProtocolError> {
        match self.progress.advance(input, limits, &mut self.partial) {
            Ok(Some(want_bytes)) => Ok(Parsed::Incomplete { want_bytes }),
            Ok(None) => {
                let Parser { progress, partial } = std::mem::take(self);
                let base = ranges.len();
                ranges.extend_from_slice(&partial);
                Ok(finish(&progress, input, ranges, base))
            }
            Err(error) => {
                *self = Parser::new();
                Err(error)
            }
        }
    }

    #[cold]
    fn inline(&mut self, input: &[u8], limits: &Limits) -> Result<Parsed, ProtocolError> {
        let scanned = std::mem::take(&mut self.progress.scanned);
        let unseen = input.get(scanned..).unwrap_or_default();
        let newline = memchr::memchr(b'\n', unseen).map(|at| scanned + at);
        if newline.unwrap_or(input.len()) > limits.inline_bytes_max {
            return Err(ProtocolError::TooBigInline);
        }
        let Some(newline) = newline else {
            self.progress.scanned = input.len();
            return Ok(Parsed::Incomplete { want_bytes: 1 });
        };
        let consumed_bytes = newline + 1;
        let line = &input[..newline];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let args = split_args(line).ok_or(ProtocolError::UnbalancedQuotes)?;
        if args.is_empty() {
            return Ok(Parsed::Empty { consumed_bytes });
        }
        Ok(Parsed::Complete {
            consumed_bytes,
            inline: Some(Box::new(OwnedCommand::from_args(&args))),
        })
    }
}

/// Where a frame's parsing stands. `at` 0 means that the frame's own header is not done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    /// All before this is parsed.
    at: usize,
    /// No line's end lies between `at` and this.
    scanned: usize,
    args_left: u32,
    /// The length of the argument that begins at `at`, once its header is done.
    bulk_len: Option<usize>,
    /// A line ended in something else than CRLF. Redis does not look, so such a frame
    /// passes, but it must not go into a log verbatim.
    crooked: bool,
}

impl Progress {
    /// Goes on to the frame's end (None), or to the input's end: then gives the least
    /// number of bytes to wait for.
    #[inline]
    fn advance(
        &mut self,
        input: &[u8],
        limits: &Limits,
        ranges: &mut Vec<ArgRange>,
    ) -> Result<Option<usize>, ProtocolError> {
        if self.at == 0 {
            match self.header(input, limits, ProtocolError::TooBigMultibulkCount)? {
                Some(line) => self.args_left = multibulk_len(line, limits)?,
                None => return Ok(Some(1)),
            }
        }
        self.whole_args(input, limits, ranges);
        while self.args_left > 0 {
            let len = match self.bulk_len {
                Some(len) => len,
                None => match self.header(input, limits, ProtocolError::TooBigBulkCount)? {
                    Some(line) => *self.bulk_len.insert(bulk_len(line, limits)?),
                    None => return Ok(Some(1)),
                },
            };
            let (start, end) = (self.at, self.at.saturating_add(len));
            match input.get(end..) {
                Some([cr, lf, ..]) => self.crooked |= (*cr, *lf) != (b'\r', b'\n'),
                _ => return Ok(Some(end.saturating_add(2) - input.len())),
            }
            ranges.push(ArgRange { start, end });
            self.bulk_len = None;
            self.at = end + 2;
            self.scanned = self.at;
            self.args_left -= 1;
            self.whole_args(input, limits, ranges);
        }
        Ok(None)
    }

    /// The arguments with short headers that are all there: nearly always all of them.
    #[inline]
    fn whole_args(&mut self, input: &[u8], limits: &Limits, ranges: &mut Vec<ArgRange>) {
        if self.bulk_len.is_some() {
            return;
        }
        let (mut at, mut args_left) = (self.at, self.args_left);
        while args_left > 0
            && let Some(range) = whole_arg(input, at, limits)
        {
            ranges.push(range);
            at = range.end + 2;
            args_left -= 1;
        }
        (self.at, self.args_left) = (at, args_left);
        self.scanned = self.scanned.max(at);
    }

    /// Takes the line at `at`, without its end; None if its end is not there yet.
    #[inline]
    fn header<'a>(
        &mut self,
        input: &'a [u8],
        limits: &Limits,
        too_big: ProtocolError,
    ) -> Result<Option<&'a [u8]>, ProtocolError> {
        // Most headers are a few bytes long, for which a plain loop beats a call.
        const SHORT: usize = 8;
        let line = input.get(self.at..).unwrap_or_default();
        let short = line.iter().take(SHORT).position(|&c| c == b'\r');
        let cr = match short {
            Some(cr) => cr,
            None => match self.find_cr(input) {
                Some(cr) if cr <= limits.inline_bytes_max => cr,
                None if line.len() <= limits.inline_bytes_max => return Ok(None),
                _ => return Err(too_big),
            },
        };
        let Some(after_cr) = line.get(cr + 1) else {
            return Ok(None);
        };
        self.crooked |= *after_cr != b'\n';
        self.at += cr + 2;
        self.scanned = self.at;
        Ok(Some(&line[..cr]))
    }

    /// The distance of the next CR from `at`.
    #[cold]
    fn find_cr(&mut self, input: &[u8]) -> Option<usize> {
        let from = self.scanned.max(self.at);
        let found = memchr::memchr(b'\r', input.get(from..).unwrap_or_default());
        self.scanned = found.map_or(input.len(), |at| from + at);
        found.map(|_| self.scanned - self.at)
    }
}

/// How many arguments a frame's first line announces; none if that is negative.
#[inline]
fn multibulk_len(line: &[u8], limits: &Limits) -> Result<u32, ProtocolError> {
    let len = line_number(line).ok_or(ProtocolError::InvalidMultibulkLength)?;
    if len > MULTIBULK_LEN_MAX {
        return Err(ProtocolError::InvalidMultibulkLength);
    }
    if len > UNAUTHENTICATED_MULTIBULK_LEN_MAX && !limits.authenticated {
        return Err(ProtocolError::UnauthenticatedMultibulkLength);
    }
    Ok(u32::try_from(len).unwrap_or(0))
}

/// The length of an argument, in bytes.
#[inline]
fn bulk_len(line: &[u8], limits: &Limits) -> Result<usize, ProtocolError> {
    match line.first() {
        Some(b'$') => (),
        // An empty line: what stands where the dollar should is its end.
        first => return Err(ProtocolError::ExpectedDollar(*first.unwrap_or(&b'\r'))),
    }
    let len = line_number(line).ok_or(ProtocolError::InvalidBulkLength)?;
    if len < 0 || len as u64 > limits.bulk_len_bytes_max {
        return Err(ProtocolError::InvalidBulkLength);
    }
    if len > UNAUTHENTICATED_BULK_LEN_BYTES_MAX && !limits.authenticated {
        return Err(ProtocolError::UnauthenticatedBulkLength);
    }
    usize::try_from(len).map_err(|_| ProtocolError::InvalidBulkLength)
}

/// The number behind a line's first byte.
fn line_number(line: &[u8]) -> Option<i64> {
    parse_i64(line.get(1..)?)
}

/// A frame that is all there, its headers short: appends its ranges and gives its length.
#[inline]
fn whole_frame(input: &[u8], limits: &Limits, ranges: &mut Vec<ArgRange>) -> Option<usize> {
    let (args, at) = short_header(input, 0, b'*')?;
    if args == 0 || args > SHORT_LEN_MAX {
        return None;
    }
    let base = ranges.len();
    let end = whole_args(input, at, args, limits, ranges);
    if end.is_none() {
        ranges.truncate(base);
    }
    end
}

/// So many arguments that are all there: appends their ranges and gives the end of the last.
/// If it is None there may be some of the ranges.
#[inline(always)]
fn whole_args(
    input: &[u8],
    mut at: usize,
    args: usize,
    limits: &Limits,
    ranges: &mut Vec<ArgRange>,
) -> Option<usize> {
    for _ in 0..args {
        let range = whole_arg(input, at, limits)?;
        ranges.push(range);
        at = range.end + CRLF_BYTES;
    }
    Some(at)
}

/// An argument with a short header that is all there, its end included.
#[inline(always)]
fn whole_arg(input: &[u8], at: usize, limits: &Limits) -> Option<ArgRange> {
    let (len, start) = short_header(input, at, b'$')?;
    let end = start + len;
    let is_whole = input.get(end..)?.first_chunk() == Some(b"\r\n");
    (is_whole && len as u64 <= limits.bulk_len_bytes_max).then_some(ArgRange { start, end })
}

/// A header line of up to three digits, within every limit but the configured one: its
/// number, and where the next line begins. Looks at eight bytes at once, so it finds none
/// just before the input's end.
#[inline(always)]
fn short_header(input: &[u8], at: usize, kind: u8) -> Option<(usize, usize)> {
    const fn line(kind: u8, digits: u32) -> u64 {
        kind as u64 | 0x0a0d << (8 * (digits + 1))
    }
    let word = u64::from_le_bytes(*input.get(at..)?.first_chunk()?);
    let digit = |place: u32| u64::from((word >> (8 * place)) as u8).wrapping_sub(b'0'.into());
    let (first, second) = (digit(1), digit(2));
    if word & 0xffff_00ff == line(kind, 1) {
        return (first <= 9).then_some((first as usize, at + 4));
    }
    let starts = first.wrapping_sub(1) <= 8 && second <= 9;
    if word & 0xff_ff00_00ff == line(kind, 2) {
        return starts.then(|| ((first * 10 + second) as usize, at + 5));
    }
    let third = digit(3);
    let ends = word & 0xffff_0000_00ff == line(kind, 3);
    let number = || first * 100 + second * 10 + third;
    (ends && starts && third <= 9).then(|| (number() as usize, at + 6))
}

/// A complete frame as the caller gets it.
#[inline]
fn finish(progress: &Progress, input: &[u8], ranges: &mut Vec<ArgRange>, base: usize) -> Parsed {
    let consumed_bytes = progress.at;
    if ranges.len() == base {
        return Parsed::Empty { consumed_bytes };
    }
    let mut inline = None;
    if progress.crooked {
        let args: Vec<&[u8]> = ranges
            .drain(base..)
            .map(|range| &input[range.start..range.end])
            .collect();
        inline = Some(Box::new(OwnedCommand::from_args(&args)));
    }
    Parsed::Complete {
        consumed_bytes,
        inline,
    }
}

#[cfg(test)]
mod tests;
