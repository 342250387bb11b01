//! Counts replies in a stream of RESP without keeping them.

/// The state between two reads of one connection. Understands the replies of RESP2.
#[derive(Default)]
pub struct Scan {
    /// Bytes of a bulk string, with its line end, that are still to come.
    skip_bytes: usize,
    /// The beginning of a line whose end has not been read yet.
    line: Vec<u8>,
    /// Values of the reply that are to come behind the next one: it is an array.
    more_values: usize,
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
                replies += self.end_value();
            }
            if self.line.is_empty()
                && let Some(rest) = input.strip_prefix(b"+OK\r\n")
            {
                replies += self.end_value();
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
            [b'$' | b'*', b'-', ..] | [b'_', ..] => {
                self.misses += 1;
                self.end_value()
            }
            [b'$', digits @ ..] => {
                self.skip_bytes = number(digits) + 2;
                0
            }
            [b'*', digits @ ..] => match number(digits) {
                0 => self.end_value(),
                len => {
                    self.more_values += len - 1;
                    0
                }
            },
            [b'-', text @ ..] => {
                self.errors += 1;
                self.first_error
                    .get_or_insert_with(|| String::from_utf8_lossy(text).trim_end().to_owned());
                self.end_value()
            }
            _ => self.end_value(),
        }
    }

    /// A value has ended; returns 1 if the reply has with it.
    #[inline]
    fn end_value(&mut self) -> u64 {
        if self.more_values > 0 {
            self.more_values -= 1;
            return 0;
        }
        1
    }
}

fn number(digits: &[u8]) -> usize {
    let digits = digits.iter().filter(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, byte| number * 10 + usize::from(byte - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_same_however_the_stream_is_cut() {
        let stream = b"+OK\r\n$3\r\na\nb\r\n:12\r\n$-1\r\n-ERR no\r\n$0\r\n\r\n_\r\n+PONG\r\n\
            *0\r\n*2\r\n*2\r\n+OK\r\n:1\r\n*1\r\n$1\r\na\r\n*-1\r\n";
        for piece_bytes in 1..=stream.len() {
            let mut scan = Scan::default();
            let replies: u64 = stream
                .chunks(piece_bytes)
                .map(|piece| scan.feed(piece))
                .sum();
            assert_eq!(replies, 11, "pieces of {piece_bytes}");
            assert_eq!((scan.misses, scan.errors), (3, 1));
            assert_eq!(scan.first_error.as_deref(), Some("ERR no"));
        }
    }
}
