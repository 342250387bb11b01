//! What has been read of a link and not been used yet.

/// Room that there is for a read at least.
const READ_BYTES: usize = 256 << 10;

/// What is kept from one read to the next at most, when there is no more in it.
const KEPT_BYTES_MAX: usize = 4 * READ_BYTES;

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
        self.give_back();
    }

    pub fn clear(&mut self) {
        self.filled_bytes = 0;
        self.give_back();
    }

    /// Keeps no room for a large request that has been used.
    fn give_back(&mut self) {
        if self.bytes.len() > KEPT_BYTES_MAX && self.filled_bytes <= READ_BYTES {
            self.bytes.truncate(2 * READ_BYTES);
            self.bytes.shrink_to_fit();
        }
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

    #[test]
    fn the_room_of_a_large_request_is_not_kept() {
        let mut input = Input::default();
        for _ in 0..100 {
            let read_bytes = input.space().len();
            input.add(read_bytes);
        }
        let all_bytes = input.filled().len();
        input.consume(all_bytes - READ_BYTES - 1);
        assert!(input.bytes.len() >= all_bytes, "there is much left");
        input.consume(1);
        assert_eq!(input.filled().len(), READ_BYTES);
        assert!(input.bytes.capacity() <= KEPT_BYTES_MAX);
        assert_eq!(input.space().len(), READ_BYTES);
    }
}
