//! What has been read of a link and not been used yet.

/// Room that there is for a read at least.
const READ_BYTES: usize = 256 << 10;

/// Bytes in order. The room behind them is zeroed when it is made and never again.
#[derive(Debug, Default)]
pub struct Input {
    bytes: Vec<u8>,
    filled_bytes: usize,
}

impl Input {
    pub fn filled(&self) -> &[u8] {
        self.bytes.get(..self.filled_bytes).unwrap_or_default()
    }

    /// Where the next read goes.
    pub fn space(&mut self) -> &mut [u8] {
        let wanted_bytes = self.filled_bytes + READ_BYTES;
        if self.bytes.is_empty() {
            // Zeroed by the system, page by page as it is used.
            self.bytes = vec![0; wanted_bytes];
        } else if self.bytes.len() < wanted_bytes {
            self.bytes.resize(wanted_bytes, 0);
        }
        self.bytes.get_mut(self.filled_bytes..).unwrap_or_default()
    }

    /// So many bytes were read into the space.
    pub fn add(&mut self, read_bytes: usize) {
        self.filled_bytes = (self.filled_bytes + read_bytes).min(self.bytes.len());
    }

    /// The first `used_bytes` are done with.
    pub fn consume(&mut self, used_bytes: usize) {
        let used_bytes = used_bytes.min(self.filled_bytes);
        self.bytes.copy_within(used_bytes..self.filled_bytes, 0);
        self.filled_bytes -= used_bytes;
    }

    pub fn clear(&mut self) {
        self.filled_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_comes_first() {
        let mut input = Input::default();
        input.space()[..5].copy_from_slice(b"abcde");
        input.add(5);
        input.consume(3);
        input.space()[..2].copy_from_slice(b"fg");
        input.add(2);
        assert_eq!(input.filled(), b"defg");
        assert_eq!(input.space().len(), READ_BYTES);
        input.consume(9);
        assert_eq!(input.filled(), b"");
        input.space();
        input.add(1);
        input.clear();
        assert_eq!(input.filled(), b"");
    }
}
