//! Counts replies in a stream of RESP without keeping them.

/// The state between two reads of one connection. Understands the replies that strings give:
/// simple strings, errors, integers, bulk strings and nulls.
#[derive(Default)]
pub struct Scan {
    /// Bytes of a bulk string, with its line end, that are still to come.
    skip_bytes: usize,
    /// The beginning of a line whose end has not been read yet.
    line: Vec<u8>,
    pub misses: u64,
    pub errors: u64,
    pub first_error: Option<String>,
}

impl Scan {
    /// Takes what was read and returns how many replies ended in it.
    #[inline]
    pub fn feed(&mut self, mut input: &[u8]) -> u64 {
        let mut replies = 0;
        loop {
            if self.skip_bytes > 0 {
                let skipped = self.skip_bytes.min(input.len());
                self.skip_bytes -= skipped;
                input = &input[skipped..];
                if self.skip_bytes > 0 {
                    return replies;
                }
                replies += 1;
            }
            if self.line.is_empty()
                && let Some(rest) = input.strip_prefix(b"+OK\r\n")
            {
                replies += 1;
                input = rest;
                continue;
            }
            let Some(end) = memchr::memchr(b'\n', input) else {
                self.line.extend_from_slice(input);
                return replies;
            };
            if self.line.is_empty() {
                replies += self.take_line(&input[..end]);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(&input[..end]);
                replies += self.take_line(&line);
            }
            input = &input[end + 1..];
        }
    }

    /// A whole line without its newline; returns 1 if it was a whole reply.
    #[inline]
    fn take_line(&mut self, line: &[u8]) -> u64 {
        match line {
            [b'$', b'-', ..] | [b'_', ..] => {
                self.misses += 1;
                1
            }
            [b'$', digits @ ..] => {
                let digits = digits.iter().filter(|byte| byte.is_ascii_digit());
                let len = digits.fold(0, |len, byte| len * 10 + usize::from(byte - b'0'));
                self.skip_bytes = len + 2;
                0
            }
            [b'-', text @ ..] => {
                self.errors += 1;
                self.first_error
                    .get_or_insert_with(|| String::from_utf8_lossy(text).trim_end().to_owned());
                1
            }
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_same_however_the_stream_is_cut() {
        let stream = b"+OK\r\n$3\r\na\nb\r\n:12\r\n$-1\r\n-ERR no\r\n$0\r\n\r\n_\r\n+PONG\r\n";
        for piece_bytes in 1..=stream.len() {
            let mut scan = Scan::default();
            let replies: u64 = stream
                .chunks(piece_bytes)
                .map(|piece| scan.feed(piece))
                .sum();
            assert_eq!(replies, 8, "pieces of {piece_bytes}");
            assert_eq!((scan.misses, scan.errors), (2, 1));
            assert_eq!(scan.first_error.as_deref(), Some("ERR no"));
        }
    }
}
