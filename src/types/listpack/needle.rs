//! A value that is looked for.

use super::Item;
use crate::base::number;

/// Bytes that many values are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Needle<'n> {
    bytes: &'n [u8],
    int: Option<i64>,
}

impl<'n> Needle<'n> {
    pub fn new(bytes: &'n [u8]) -> Needle<'n> {
        let int = number::parse_i64(bytes);
        Needle { bytes, int }
    }

    /// Whether a value has these bytes.
    #[inline]
    pub fn is(&self, item: Item) -> bool {
        match item {
            // Values of one kind often have the same length and begin alike.
            Item::Text(text) => {
                text.len() == self.bytes.len()
                    && text.last() == self.bytes.last()
                    && text == self.bytes
            }
            Item::Int(value) => Some(value) == self.int,
        }
    }
}
