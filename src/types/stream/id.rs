//! The ids of entries: a time and a number within its millisecond.

use std::fmt::{self, Display, Formatter};

use crate::base::number::{digits, parse_u64};

/// Longer texts are no ids.
const TEXT_BYTES_MAX: usize = 127;
const ID_BYTES: usize = 16;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    pub ms: u64,
    pub seq: u64,
}

impl StreamId {
    /// `0-0`, which no entry has.
    pub const MIN: StreamId = StreamId::new(0, 0);
    pub const MAX: StreamId = StreamId::new(u64::MAX, u64::MAX);

    pub const fn new(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    /// The smallest id above; `None` above the last one.
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId::new(self.ms, seq)),
            None => Some(StreamId::new(self.ms.checked_add(1)?, 0)),
        }
    }

    /// The largest id below; `None` below `0-0`.
    pub fn prev(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId::new(self.ms, seq)),
            None => Some(StreamId::new(self.ms.checked_sub(1)?, u64::MAX)),
        }
    }

    /// Reads `ms-seq`, or `ms` alone, which stands for `ms-missing_seq`.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<StreamId> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        match memchr::memchr(b'-', text) {
            None => Some(StreamId::new(part(text)?, missing_seq)),
            Some(dash) => Some(StreamId::new(
                part(&text[..dash])?,
                part(&text[dash + 1..])?,
            )),
        }
    }

    /// As a number of 128 bits with its high bits first: ordered as the ids are.
    pub fn to_bytes(self) -> [u8; ID_BYTES] {
        let wide = u128::from(self.ms) << 64 | u128::from(self.seq);
        wide.to_be_bytes()
    }

    pub fn from_bytes(bytes: [u8; ID_BYTES]) -> StreamId {
        let wide = u128::from_be_bytes(bytes);
        StreamId::new((wide >> 64) as u64, wide as u64)
    }

    /// This id moved by the differences that entries are written with; whatever those are.
    pub(super) fn plus(self, ms: i64, seq: i64) -> StreamId {
        StreamId::new(
            self.ms.wrapping_add_signed(ms),
            self.seq.wrapping_add_signed(seq),
        )
    }

    /// The differences that `plus` turns back into this id.
    pub(super) fn minus(self, other: StreamId) -> (i64, i64) {
        (
            self.ms.wrapping_sub(other.ms) as i64,
            self.seq.wrapping_sub(other.seq) as i64,
        )
    }

    /// Its text, as it is answered.
    pub fn text(self) -> IdText {
        let (mut ms, mut seq) = (digits(), digits());
        let (ms, seq) = (ms.of(self.ms), seq.of(self.seq));
        let mut text = IdText {
            bytes: [0; IdText::BYTES_MAX],
            len: ms.len() + 1 + seq.len(),
        };
        text.bytes[..ms.len()].copy_from_slice(ms);
        text.bytes[ms.len()] = b'-';
        text.bytes[ms.len() + 1..text.len].copy_from_slice(seq);
        text
    }
}

impl Display for StreamId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// The text of an id, on the stack.
pub struct IdText {
    bytes: [u8; IdText::BYTES_MAX],
    len: usize,
}

impl IdText {
    const BYTES_MAX: usize = 41;

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// One number of an id. What C's `strtoull` takes passes too, as it does with the peers:
/// blanks in front and a sign, a negative number being counted down from 2^64.
fn part(text: &[u8]) -> Option<u64> {
    if let Some(value) = parse_u64(text) {
        return Some(value);
    }
    let text = text.trim_ascii_start();
    if let Some(digits) = text.strip_prefix(b"-") {
        // What is a number as it stands is a negative one, and refused.
        let is_plain = digits.first().is_some_and(|&digit| digit != b'0');
        return parse_u64(digits)
            .filter(|_| !is_plain)
            .map(u64::wrapping_neg);
    }
    parse_u64(text.strip_prefix(b"+").unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_printed() {
        fn check(text: &str, expect: Option<(u64, u64)>) {
            let id = StreamId::parse(text.as_bytes(), 7);
            assert_eq!(id.map(|id| (id.ms, id.seq)), expect, "{text}");
        }
        check("0", Some((0, 7)));
        check("12-0", Some((12, 0)));
        check("012-03", Some((12, 3)));
        check("+1- 2", Some((1, 2)));
        check("1--0", Some((1, 0)));
        check("1--1", None);
        check(
            "18446744073709551615-18446744073709551615",
            Some((u64::MAX, u64::MAX)),
        );
        check("18446744073709551616-0", None);
        for text in ["", "-", "-1", "1-", "1-2-3", "1-*", "x", "(1", "1-x"] {
            check(text, None);
        }
        check(&"0".repeat(127), Some((0, 7)));
        check(&"0".repeat(128), None);
        for id in [StreamId::MIN, StreamId::new(5, 123), StreamId::MAX] {
            assert_eq!(id.text().bytes(), id.to_string().as_bytes());
            assert_eq!(StreamId::from_bytes(id.to_bytes()), id);
        }
    }

    #[test]
    fn neighbours() {
        let check = |id: StreamId, next: Option<StreamId>| {
            assert_eq!(id.next(), next);
            if let Some(next) = next {
                assert_eq!(next.prev(), Some(id));
            }
        };
        check(StreamId::MIN, Some(StreamId::new(0, 1)));
        check(StreamId::new(0, u64::MAX), Some(StreamId::new(1, 0)));
        check(StreamId::MAX, None);
        assert_eq!(StreamId::MIN.prev(), None);
    }

    #[test]
    fn differences_are_turned_back() {
        let ids = [(0, 0), (5, 9), (6, 2), (u64::MAX, 0), (3, u64::MAX)];
        let ids = ids.map(|(ms, seq)| StreamId::new(ms, seq));
        for base in ids {
            for id in ids {
                let (ms, seq) = id.minus(base);
                assert_eq!(base.plus(ms, seq), id);
            }
        }
    }
}
