//! The text of INFO as it grows, and what the sections read.

use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::cx::Cx;
use super::super::registry::Registry;
use crate::shared::Shared;
use crate::store::locked::Locked;

pub struct Report<'a, 'k> {
    pub shared: &'a Shared,
    pub registry: &'a Registry,
    /// Everything is locked if a section asks for it.
    pub store: &'a Locked<'k>,
    pub now_ms: i64,
    text: String,
}

impl<'a, 'k> Report<'a, 'k> {
    pub fn new(cx: &'a Cx<'_, 'k>) -> Report<'a, 'k> {
        Report {
            shared: cx.shared,
            registry: cx.registry,
            store: cx.store,
            now_ms: cx.store.now_ms,
            // It is a part of the memory that it is about to tell.
            text: String::with_capacity(2048),
        }
    }

    /// A section's first line; a blank one parts it from the section before.
    pub fn begin(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push_str("\r\n");
        }
        let _ = write!(self.text, "# {title}\r\n");
    }

    pub fn line(&mut self, name: &str, value: impl Display) {
        // A String takes everything.
        let _ = write!(self.text, "{name}:{value}\r\n");
    }

    /// A counter that others go on changing.
    pub fn counter(&mut self, name: &str, value: &AtomicU64) {
        self.line(name, value.load(Ordering::Relaxed));
    }

    /// 0 or 1.
    pub fn flag(&mut self, name: &str, on: bool) {
        self.line(name, u8::from(on));
    }

    /// The bytes, and once more for people.
    pub fn bytes(&mut self, name: &str, bytes: u64) {
        self.line(name, bytes);
        self.line(&format!("{name}_human"), human(bytes));
    }

    pub fn into_text(self) -> String {
        self.text
    }
}

/// `part` of `whole` as a percentage, 0 of nothing.
pub fn percent(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        _ => part as f64 * 100.0 / whole as f64,
    }
}

/// Bytes a second, and the seconds until `total` is reached at this speed (-1 if that
/// cannot be told).
pub fn pace(done: u64, total: u64, elapsed_ms: i64) -> (u64, i64) {
    let elapsed_ms = elapsed_ms.max(1).unsigned_abs();
    let per_second = done.saturating_mul(1000) / elapsed_ms;
    let left = total.saturating_sub(done);
    match per_second {
        _ if total == 0 => (per_second, -1),
        0 => (0, -1),
        _ => (per_second, left.div_ceil(per_second) as i64),
    }
}

/// A number of bytes as Redis shows it to people.
pub fn human(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (1 << 40, "T"),
        (1 << 30, "G"),
        (1 << 20, "M"),
        (1 << 10, "K"),
    ];
    match UNITS.iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => format!("{:.2}{unit}", bytes as f64 / *size as f64),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_for_people() {
        let check = |bytes, expect: &str| assert_eq!(human(bytes), expect);
        check(0, "0B");
        check(1023, "1023B");
        check(1024, "1.00K");
        check(1_694_792, "1.62M");
        check(25_276_514_304, "23.54G");
    }

    #[test]
    fn speed_and_time_left() {
        assert_eq!(pace(0, 100, 500), (0, -1));
        assert_eq!(pace(50, 100, 500), (100, 1));
        assert_eq!(pace(100, 100, 500), (200, 0));
        assert_eq!(pace(50, 0, 500), (100, -1));
    }
}
