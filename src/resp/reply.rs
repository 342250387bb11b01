//! The output buffer of a connection, in the protocol version the client chose. Every
//! difference between RESP2 and RESP3 is decided here and nowhere else.

use std::fmt::Display;
use std::io::Write;

use crate::base::number::{digits, format_f64};

/// Replies waiting to be sent.
#[derive(Debug)]
pub struct ReplyBuf {
    bytes: Vec<u8>,
    resp3: bool,
    most_bytes: usize,
}

impl Default for ReplyBuf {
    fn default() -> ReplyBuf {
        ReplyBuf::new()
    }
}

/// A header whose count is filled in when its elements are known. Inner ones must be
/// finished before outer ones.
#[derive(Debug)]
#[must_use]
pub struct Deferred {
    at: usize,
}

const CRLF: &[u8] = b"\r\n";

impl ReplyBuf {
    /// An empty buffer that speaks RESP2.
    pub const fn new() -> ReplyBuf {
        ReplyBuf::with_protocol(false)
    }

    /// An empty buffer that speaks RESP3 or RESP2.
    pub const fn with_protocol(resp3: bool) -> ReplyBuf {
        ReplyBuf {
            bytes: Vec::new(),
            resp3,
            most_bytes: usize::MAX,
        }
    }

    /// With more than this waiting the client is closed, not answered.
    #[inline]
    pub fn most_bytes(&self) -> usize {
        self.most_bytes
    }

    /// Chooses it for the replies to come; `usize::MAX` for no limit.
    #[inline]
    pub fn set_most_bytes(&mut self, most_bytes: usize) {
        self.most_bytes = most_bytes;
    }

    /// Whether the client will be closed, so that nothing more needs to be written. To be
    /// asked by commands whose replies may be much larger than all that there is.
    #[inline]
    pub fn is_too_much(&self) -> bool {
        self.bytes.len() > self.most_bytes
    }

    /// Whether replies are RESP3.
    #[inline]
    pub fn resp3(&self) -> bool {
        self.resp3
    }

    /// Chooses the protocol of the replies to come.
    pub fn set_resp3(&mut self, resp3: bool) {
        self.resp3 = resp3;
    }

    /// How much waits to be sent.
    #[inline]
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing waits to be sent.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What waits to be sent.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the buffer holds of memory, in bytes.
    pub fn capacity_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Forgets everything, keeping the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Forgets everything behind the first `len_bytes`: takes replies back.
    pub fn truncate(&mut self, len_bytes: usize) {
        self.bytes.truncate(len_bytes);
    }

    /// Gives everything away, memory included.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Gives the memory above `capacity_bytes` back if nothing waits in it.
    pub fn shrink(&mut self, capacity_bytes: usize) {
        self.bytes.shrink_to(capacity_bytes);
    }

    /// Bytes that are encoded already.
    #[inline]
    pub fn raw(&mut self, encoded: &[u8]) {
        self.bytes.extend_from_slice(encoded);
    }

    /// `+OK`
    #[inline]
    pub fn ok(&mut self) {
        self.bytes.extend_from_slice(b"+OK\r\n");
    }

    /// A status; line ends in it become spaces.
    pub fn simple(&mut self, text: &str) {
        self.simple_bytes(text.as_bytes());
    }

    /// A status of any bytes; line ends in it become spaces.
    pub fn simple_bytes(&mut self, text: &[u8]) {
        self.line(b'+', text);
    }

    /// An error. `text` begins with its code, without `-`; line ends become spaces.
    pub fn error(&mut self, text: &str) {
        self.error_bytes(text.as_bytes());
    }

    /// An error of any bytes, for those that quote what a client sent.
    pub fn error_bytes(&mut self, text: &[u8]) {
        self.line(b'-', text);
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(value) => self.header(b':', value),
            Err(_) => self.long_header(b':', digits().of(value)),
        }
    }

    /// A string of bytes.
    #[inline]
    pub fn bulk(&mut self, text: &[u8]) {
        const HEADER_BYTES_MAX: usize = 32;
        self.bytes.reserve(text.len() + HEADER_BYTES_MAX);
        self.header(b'$', text.len() as u64);
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(CRLF);
    }

    /// An integer as a string.
    pub fn bulk_i64(&mut self, value: i64) {
        self.bulk(digits().of(value));
    }

    /// What `value` prints, as a string.
    pub fn bulk_fmt(&mut self, value: impl Display) {
        let at = self.bytes.len();
        // Writing to memory fails only if Display itself does, which then wrote less.
        let _ = write!(self.bytes, "{value}");
        self.close_bulk(at);
    }

    /// The null of strings.
    #[inline]
    pub fn null(&mut self) {
        self.bytes
            .extend_from_slice(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// The null of arrays, another one in RESP2.
    pub fn null_array(&mut self) {
        self.bytes
            .extend_from_slice(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// The header of an array; its `len` elements follow.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len as u64);
    }

    /// The header of a map; its `pairs` times a key and a value follow.
    pub fn map(&mut self, pairs: usize) {
        let (kind, len) = self.map_header(pairs);
        self.header(kind, len);
    }

    /// The header of a set; its `len` elements follow.
    pub fn set(&mut self, len: usize) {
        self.header(self.set_kind(), len as u64);
    }

    /// The header of a message nobody asked for; its `len` elements follow.
    pub fn push(&mut self, len: usize) {
        self.header(if self.resp3 { b'>' } else { b'*' }, len as u64);
    }

    /// The header of attributes; `pairs` times a key and a value follow, then the reply
    /// they belong to. RESP2 has none: ask `resp3` first.
    pub fn attribute(&mut self, pairs: usize) {
        self.header(b'|', pairs as u64);
    }

    /// A double; a string in RESP2.
    pub fn double(&mut self, value: f64) {
        if self.resp3 {
            self.bytes.push(b',');
            format_f64(value, &mut self.bytes);
            self.bytes.extend_from_slice(CRLF);
        } else {
            let at = self.bytes.len();
            format_f64(value, &mut self.bytes);
            self.close_bulk(at);
        }
    }

    /// A truth; 1 or 0 in RESP2.
    pub fn boolean(&mut self, value: bool) {
        self.bytes.extend_from_slice(match (self.resp3, value) {
            (true, true) => b"#t\r\n",
            (true, false) => b"#f\r\n",
            (false, true) => b":1\r\n",
            (false, false) => b":0\r\n",
        });
    }

    /// The decimal digits of a number of any size; a string in RESP2.
    pub fn big_number(&mut self, decimal: &str) {
        if self.resp3 {
            self.line(b'(', decimal.as_bytes());
        } else {
            self.bulk(decimal.as_bytes());
        }
    }

    /// A text to be shown as it is, `format` being three letters such as `txt`; a plain
    /// string in RESP2.
    pub fn verbatim(&mut self, format: impl AsRef<[u8]>, text: &[u8]) {
        if !self.resp3 {
            return self.bulk(text);
        }
        let format = format.as_ref();
        self.header(b'=', (format.len() + 1 + text.len()) as u64);
        self.bytes.extend_from_slice(format);
        self.bytes.push(b':');
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(CRLF);
    }

    /// Begins an array of yet unknown length.
    pub fn array_deferred(&mut self) -> Deferred {
        self.deferred()
    }

    /// Begins a map of yet unknown length.
    pub fn map_deferred(&mut self) -> Deferred {
        self.deferred()
    }

    /// Begins a set of yet unknown size.
    pub fn set_deferred(&mut self) -> Deferred {
        self.deferred()
    }

    /// The set has `len` members.
    pub fn finish_set(&mut self, deferred: Deferred, len: usize) {
        self.finish(deferred, self.set_kind(), len as u64);
    }

    /// The array has `len` elements.
    pub fn finish_array(&mut self, deferred: Deferred, len: usize) {
        self.finish(deferred, b'*', len as u64);
    }

    /// The map has that many `pairs`.
    pub fn finish_map(&mut self, deferred: Deferred, pairs: usize) {
        let (kind, len) = self.map_header(pairs);
        self.finish(deferred, kind, len);
    }

    fn map_header(&self, pairs: usize) -> (u8, u64) {
        match self.resp3 {
            true => (b'%', pairs as u64),
            false => (b'*', 2 * pairs as u64),
        }
    }

    fn set_kind(&self) -> u8 {
        if self.resp3 { b'~' } else { b'*' }
    }

    /// Leaves room for a header of one digit, which most are: then nothing has to move.
    fn deferred(&mut self) -> Deferred {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(b"*0\r\n");
        Deferred { at }
    }

    fn finish(&mut self, deferred: Deferred, kind: u8, len: u64) {
        const ROOM_BYTES: usize = 4;
        let at = deferred.at;
        // A reply that was taken back meanwhile took its header along.
        if self.bytes.len() < at + ROOM_BYTES {
            return;
        }
        self.bytes[at] = kind;
        let mut buffer = digits();
        let count = buffer.of(len);
        self.open_gap(at + 1, count.len() - 1);
        self.bytes[at + 1..at + 1 + count.len()].copy_from_slice(count);
    }

    /// Makes what was written since `at` a string.
    fn close_bulk(&mut self, at: usize) {
        let len = self.bytes.len() - at;
        self.bytes.extend_from_slice(CRLF);
        let mut buffer = digits();
        let count = buffer.of(len);
        self.open_gap(at, count.len() + 3);
        let count_end = at + 1 + count.len();
        self.bytes[at] = b'$';
        self.bytes[at + 1..count_end].copy_from_slice(count);
        self.bytes[count_end..count_end + 2].copy_from_slice(CRLF);
    }

    /// Moves everything behind `at` up by `gap_bytes`.
    fn open_gap(&mut self, at: usize, gap_bytes: usize) {
        let end = self.bytes.len();
        if gap_bytes > 0 {
            self.bytes.resize(end + gap_bytes, 0);
            self.bytes.copy_within(at..end, at + gap_bytes);
        }
    }

    #[inline(always)]
    fn header(&mut self, kind: u8, len: u64) {
        match len {
            0..10 => self
                .bytes
                .extend_from_slice(&[kind, b'0' + len as u8, b'\r', b'\n']),
            10..100 => {
                let (ten, one) = (b'0' + (len / 10) as u8, b'0' + (len % 10) as u8);
                self.bytes
                    .extend_from_slice(&[kind, ten, one, b'\r', b'\n']);
            }
            _ => self.long_header(kind, digits().of(len)),
        }
    }

    fn long_header(&mut self, kind: u8, digits: &[u8]) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(digits);
        self.bytes.extend_from_slice(CRLF);
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.bytes.push(kind);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text);
        for c in &mut self.bytes[start..] {
            if matches!(c, b'\r' | b'\n') {
                *c = b' ';
            }
        }
        self.bytes.extend_from_slice(CRLF);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reply is in RESP2 and in RESP3.
    fn check(write: impl Fn(&mut ReplyBuf), resp2: &str, resp3: &str) {
        for (protocol3, expect) in [(false, resp2), (true, resp3)] {
            let mut out = ReplyBuf::with_protocol(protocol3);
            write(&mut out);
            assert_eq!(
                String::from_utf8_lossy(out.bytes()),
                expect,
                "RESP3: {protocol3}"
            );
        }
    }

    #[test]
    fn what_both_protocols_share() {
        let both = |write: &dyn Fn(&mut ReplyBuf), expect: &str| check(write, expect, expect);
        both(&|out| out.ok(), "+OK\r\n");
        both(&|out| out.simple("a\nb"), "+a b\r\n");
        both(&|out| out.error("ERR a\r\nb"), "-ERR a  b\r\n");
        both(&|out| out.integer(7), ":7\r\n");
        both(&|out| out.integer(10), ":10\r\n");
        both(&|out| out.integer(100), ":100\r\n");
        both(&|out| out.integer(-1), ":-1\r\n");
        both(&|out| out.integer(i64::MIN), ":-9223372036854775808\r\n");
        both(&|out| out.bulk(b""), "$0\r\n\r\n");
        both(&|out| out.bulk(b"0123456789"), "$10\r\n0123456789\r\n");
        both(&|out| out.bulk_i64(-42), "$3\r\n-42\r\n");
        both(
            &|out| out.bulk_fmt(format_args!("{}-{}", 12, 3)),
            "$4\r\n12-3\r\n",
        );
        both(
            &|out| out.bulk_fmt("0123456789ab"),
            "$12\r\n0123456789ab\r\n",
        );
        both(&|out| out.array(123), "*123\r\n");
    }

    #[test]
    fn what_differs() {
        check(|out| out.null(), "$-1\r\n", "_\r\n");
        check(|out| out.null_array(), "*-1\r\n", "_\r\n");
        check(|out| out.map(6), "*12\r\n", "%6\r\n");
        check(|out| out.set(2), "*2\r\n", "~2\r\n");
        let later = |out: &mut ReplyBuf| {
            let set = out.set_deferred();
            out.finish_set(set, 0);
        };
        check(later, "*0\r\n", "~0\r\n");
        check(|out| out.push(3), "*3\r\n", ">3\r\n");
        check(|out| out.double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n");
        check(
            |out| out.double(f64::NEG_INFINITY),
            "$4\r\n-inf\r\n",
            ",-inf\r\n",
        );
        check(|out| out.boolean(true), ":1\r\n", "#t\r\n");
        check(|out| out.boolean(false), ":0\r\n", "#f\r\n");
        check(|out| out.big_number("123"), "$3\r\n123\r\n", "(123\r\n");
        check(
            |out| out.verbatim("txt", b"hi"),
            "$2\r\nhi\r\n",
            "=6\r\ntxt:hi\r\n",
        );
    }

    #[test]
    fn lengths_can_come_later() {
        let nested = |out: &mut ReplyBuf| {
            let outer = out.array_deferred();
            let map = out.map_deferred();
            out.integer(1);
            out.integer(2);
            out.finish_map(map, 1);
            out.set(12);
            (0..12).for_each(|_| out.integer(5));
            out.finish_array(outer, 2);
        };
        let fives = ":5\r\n".repeat(12);
        check(
            nested,
            &format!("*2\r\n*2\r\n:1\r\n:2\r\n*12\r\n{fives}"),
            &format!("*2\r\n%1\r\n:1\r\n:2\r\n~12\r\n{fives}"),
        );
        check(
            |out| {
                let gone = out.array_deferred();
                out.truncate(0);
                out.finish_array(gone, 5);
            },
            "",
            "",
        );
    }

    #[test]
    fn replies_can_be_taken_back_and_sent_in_parts() {
        let mut out = ReplyBuf::new();
        out.ok();
        let len = out.len_bytes();
        out.integer(1);
        out.truncate(len);
        assert_eq!(out.bytes(), b"+OK\r\n");
        assert_eq!(out.take(), b"+OK\r\n");
        assert!(out.is_empty());
    }
}
