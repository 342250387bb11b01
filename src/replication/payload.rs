//! Finds the end of the snapshot inside a leader's stream.
//!
//! A leader announces the snapshot as `$<length>` or, when it does not know the length
//! beforehand, as `$EOF:<mark>`: forty random characters that come again right behind the
//! last byte. The mark may be cut anywhere by the reads, so what could be its beginning
//! is left in the input until more is known.

use memchr::memmem::Finder;

/// Length of the mark in bytes.
pub const MARK_BYTES: usize = 40;

/// How the snapshot ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Mark([u8; MARK_BYTES]),
    LengthBytes(u64),
}

impl Framing {
    /// Reads the header line without its line end.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Framing> {
        let rest = line.strip_prefix(b"$")?;
        if let Some(mark) = rest.strip_prefix(b"EOF:") {
            return Some(Framing::Mark(*mark.first_chunk()?));
        }
        let digits = std::str::from_utf8(rest).ok()?;
        if !digits.starts_with(|first: char| first.is_ascii_digit()) {
            return None;
        }
        digits.parse().ok().map(Framing::LengthBytes)
    }
}

/// The snapshot on its way.
#[derive(Debug)]
pub struct Payload {
    end: End,
    read_bytes: u64,
}

#[derive(Debug)]
enum End {
    Mark(Box<Finder<'static>>),
    LeftBytes(u64),
}

/// What one piece of input held.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken<'a> {
    /// Bytes of the snapshot.
    pub bytes: &'a [u8],
    /// How much of the input is done with, the mark included. The rest comes again,
    /// followed by more.
    pub consumed: usize,
    /// The snapshot ends here.
    pub ended: bool,
}

impl Payload {
    #[must_use]
    pub fn new(framing: Framing) -> Payload {
        let end = match framing {
            Framing::Mark(mark) => End::Mark(Box::new(Finder::new(&mark).into_owned())),
            Framing::LengthBytes(bytes) => End::LeftBytes(bytes),
        };
        Payload { end, read_bytes: 0 }
    }

    /// How many bytes of the snapshot have been taken.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Takes what belongs to the snapshot from the front of `input`.
    pub fn take<'a>(&mut self, input: &'a [u8]) -> Taken<'a> {
        let (len, consumed, ended) = match &mut self.end {
            End::LeftBytes(left) => {
                let len = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                *left -= len as u64;
                (len, len, *left == 0)
            }
            End::Mark(finder) => match finder.find(input) {
                Some(at) => (at, at + MARK_BYTES, true),
                None => {
                    let len = input.len() - beginning_len(finder.needle(), input);
                    (len, len, false)
                }
            },
        };
        self.read_bytes += len as u64;
        Taken {
            bytes: input.get(..len).unwrap_or_default(),
            consumed,
            ended,
        }
    }
}

/// How many bytes at the end of `input` could be the beginning of `mark`.
fn beginning_len(mark: &[u8], input: &[u8]) -> usize {
    let longest = input.len().min(mark.len().saturating_sub(1));
    let fits = |len: &usize| mark.get(..*len).is_some_and(|head| input.ends_with(head));
    (1..=longest).rev().find(fits).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: [u8; MARK_BYTES] = *b"abababababababababababababababababababac";

    /// Feeds `stream` `step` bytes at a time, what was left over in front of it.
    fn collect(framing: Framing, stream: &[u8], step: usize) -> (Vec<u8>, usize, bool) {
        let mut payload = Payload::new(framing);
        let (mut all, mut start, mut end) = (Vec::new(), 0, 0);
        while end < stream.len() {
            end = (end + step).min(stream.len());
            let taken = payload.take(&stream[start..end]);
            all.extend_from_slice(taken.bytes);
            start += taken.consumed;
            assert_eq!(payload.read_bytes(), all.len() as u64);
            if taken.ended {
                return (all, start, true);
            }
        }
        (all, start, false)
    }

    #[test]
    fn headers() {
        let check = |line: &[u8], expect| assert_eq!(Framing::parse(line), expect);
        check(b"$0", Some(Framing::LengthBytes(0)));
        check(b"$172", Some(Framing::LengthBytes(172)));
        check(&[b"$EOF:", &MARK[..]].concat(), Some(Framing::Mark(MARK)));
        check(&[b"$EOF:", &MARK[1..]].concat(), None);
        for line in [
            &b""[..],
            b"$",
            b"$-1",
            b"$+1",
            b"$1x",
            b"$99999999999999999999",
            b"x",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn the_mark_is_found_however_it_is_cut() {
        // The bytes before the mark look like its beginning.
        let body = [b"REDIS0010", &MARK[..39], b"ab", &MARK[..20]].concat();
        let stream = [&body[..], &MARK, b"*1\r\n"].concat();
        for step in 1..=stream.len() {
            let (all, consumed, ended) = collect(Framing::Mark(MARK), &stream, step);
            assert!(ended && all == body, "step {step}");
            assert_eq!(consumed, body.len() + MARK_BYTES);
        }
    }

    #[test]
    fn without_the_mark_only_what_may_begin_it_is_held_back() {
        let stream = [b"body", &MARK[..39]].concat();
        let (all, consumed, ended) = collect(Framing::Mark(MARK), &stream, 7);
        assert_eq!((all.as_slice(), consumed, ended), (&b"body"[..], 4, false));
    }

    #[test]
    fn a_length_ends_the_snapshot_at_that_byte() {
        let stream = b"0123456789more";
        for step in 1..=stream.len() {
            let (all, consumed, ended) = collect(Framing::LengthBytes(10), stream, step);
            assert_eq!((all.as_slice(), consumed), (&stream[..10], 10));
            assert!(ended);
        }
        let none = Payload::new(Framing::LengthBytes(0)).take(b"x");
        assert_eq!((none.bytes, none.consumed, none.ended), (&b""[..], 0, true));
    }
}
