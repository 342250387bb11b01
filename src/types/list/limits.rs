//! How much a node of a list may hold.

/// What a node may have in bytes where only its entries are limited; a larger value gets a
/// node of its own.
const SAFE_BYTES_MAX: usize = 8192;

/// The sizes that -1 to -5 stand for.
const SIZE_LEVELS: [usize; 5] = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];

/// What an entry takes beyond its value, taken high.
const ENTRY_OVERHEAD_BYTES: usize = 8;

/// What nodes may hold. A whole list that is within it is one listpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `list-max-listpack-size`: entries if positive; -1 to -5 for 4 to 64 KiB.
    pub max_listpack_size: i32,
    /// Values of so many bytes get a node of their own, whatever the size says. 0: the size
    /// decides. For tests.
    pub plain_from_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_listpack_size: -2,
            plain_from_bytes: 0,
        }
    }
}

impl Limits {
    /// Bytes at most, if bytes are limited.
    fn bytes_max(&self) -> Option<usize> {
        let level = usize::try_from(-1 - i64::from(self.max_listpack_size)).ok()?;
        Some(SIZE_LEVELS[level.min(SIZE_LEVELS.len() - 1)])
    }

    /// Entries at most, if entries are limited.
    fn entries_max(&self) -> usize {
        self.max_listpack_size.max(1) as usize
    }

    /// Whether a listpack of this size would be too large.
    pub(super) fn are_exceeded_by(&self, size_bytes: usize, entries: usize) -> bool {
        match self.bytes_max() {
            Some(bytes_max) => size_bytes > bytes_max,
            None => size_bytes > SAFE_BYTES_MAX || entries > self.entries_max(),
        }
    }

    /// Whether a listpack of this size leaves half of what is allowed, so that a list made
    /// small now does not have to be made large again soon.
    pub(super) fn leave_half(&self, size_bytes: usize, entries: usize) -> bool {
        match self.bytes_max() {
            Some(bytes_max) => size_bytes <= bytes_max / 2,
            None => entries <= self.entries_max() / 2,
        }
    }

    /// Whether a listpack of this size, all there is of a list, is small.
    pub(super) fn allow(&self, size_bytes: usize, entries: usize) -> bool {
        match self.bytes_max() {
            Some(bytes_max) => size_bytes <= bytes_max,
            None => entries <= self.entries_max(),
        }
    }

    /// Whether a node of this size takes another value.
    pub(super) fn have_room(&self, size_bytes: usize, entries: usize, value_bytes: usize) -> bool {
        let grown = size_bytes + value_bytes + ENTRY_OVERHEAD_BYTES;
        !self.is_plain(value_bytes) && !self.are_exceeded_by(grown, entries + 1)
    }

    /// Whether a value is to have a node of its own.
    pub(super) fn is_plain(&self, value_bytes: usize) -> bool {
        match self.plain_from_bytes {
            0 => value_bytes > self.bytes_max().unwrap_or(SAFE_BYTES_MAX),
            from_bytes => value_bytes >= from_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_by_number() {
        fn check(max_listpack_size: i32, bytes: usize) {
            let limits = Limits {
                max_listpack_size,
                plain_from_bytes: 0,
            };
            assert!(!limits.are_exceeded_by(bytes, 9_999_999));
            assert!(limits.are_exceeded_by(bytes + 1, 1));
            assert!(limits.is_plain(bytes + 1) && !limits.is_plain(bytes));
            assert!(limits.leave_half(bytes / 2, 1) && !limits.leave_half(bytes / 2 + 1, 1));
        }
        check(-1, 4096);
        check(-2, 8192);
        check(-5, 65536);
        check(-6, 65536);
        check(i32::MIN, 65536);
    }

    #[test]
    fn entries_by_number() {
        fn check(max_listpack_size: i32, entries: usize) {
            let limits = Limits {
                max_listpack_size,
                plain_from_bytes: 0,
            };
            assert!(!limits.are_exceeded_by(8192, entries));
            assert!(limits.are_exceeded_by(8193, 1));
            assert!(limits.are_exceeded_by(10, entries + 1));
            assert!(limits.is_plain(8193) && !limits.is_plain(8192));
        }
        check(0, 1);
        check(1, 1);
        check(128, 128);
        check(i32::MAX, i32::MAX as usize);
    }
}
