//! The times to live that clients of a writable follower gave to keys. Its leader does not
//! know of them, so it deletes these keys itself; all others it leaves to its leader.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

/// A database and a key.
type Place = (u32, Arc<[u8]>);

#[derive(Default)]
pub struct OwnExpiries(Mutex<Known>);

#[derive(Default)]
struct Known {
    at_ms: HashMap<Place, i64>,
    in_order: BTreeSet<(i64, Place)>,
}

impl OwnExpiries {
    /// Notes that a key is to end at `at_ms`, and not when it was said before.
    pub fn note(&self, db: u32, key: Arc<[u8]>, at_ms: i64) {
        let mut known = self.0.lock();
        let place = (db, key);
        if let Some(before) = known.at_ms.insert(place.clone(), at_ms) {
            known.in_order.remove(&(before, place.clone()));
        }
        known.in_order.insert((at_ms, place));
    }

    /// Takes the earliest out if it is before `now_ms`: database, key, time.
    pub fn take_due(&self, now_ms: i64) -> Option<(u32, Arc<[u8]>, i64)> {
        let mut known = self.0.lock();
        known.in_order.first().filter(|first| first.0 < now_ms)?;
        let (at_ms, place) = known.in_order.pop_first()?;
        known.at_ms.remove(&place);
        let (db, key) = place;
        Some((db, key, at_ms))
    }

    /// Forgets all: another leads, or everything is new.
    pub fn clear(&self) {
        *self.0.lock() = Known::default();
    }

    pub fn len(&self) -> usize {
        self.0.lock().at_ms.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_word_counts_and_the_earliest_time_comes_first() {
        let own = OwnExpiries::default();
        let key = |name: &str| Arc::from(name.as_bytes());
        own.note(0, key("a"), 10);
        own.note(0, key("b"), 30);
        own.note(1, key("a"), 20);
        own.note(0, key("a"), 40);
        assert_eq!(own.len(), 3);
        assert_eq!(own.take_due(20), None);
        assert_eq!(own.take_due(100), Some((1, key("a"), 20)));
        assert_eq!(own.take_due(100), Some((0, key("b"), 30)));
        assert_eq!(own.take_due(100), Some((0, key("a"), 40)));
        assert_eq!(own.take_due(100), None);
        own.note(0, key("a"), 10);
        own.clear();
        assert!(own.is_empty());
    }
}
