//! A large hash: a map from names to values, with the times of those fields that have one
//! in front of their values, and once more in the order in which they come.
//!
//! ```text
//! value   0 | bytes ..               it does not end
//!         1 | time: i64 | bytes ..   it does
//! ```

use smallvec::SmallVec;

use super::deadlines::Deadlines;
use super::{Field, Term};
use crate::types::dict::Dict;
use crate::types::listpack::Item;

const ENDLESS: u8 = 0;
const TIMED: u8 = 1;

/// What of a value need not be allocated before it is in the map.
const STACK_BYTES: usize = 128;

#[derive(Clone, Default)]
pub struct Large {
    fields: Dict,
    deadlines: Deadlines,
}

impl Large {
    #[inline]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    pub fn timed_len(&self) -> usize {
        self.deadlines.len()
    }

    pub fn heap_bytes(&self) -> usize {
        size_of::<Large>() + self.fields.heap_bytes() + self.deadlines.heap_bytes()
    }

    pub fn first_ms(&self) -> Option<i64> {
        self.deadlines.first_ms()
    }

    pub fn dict(&self) -> &Dict {
        &self.fields
    }

    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<Field<'_>> {
        self.fields.get(name).map(field)
    }

    /// Sets a field, and says whether it is new.
    pub fn set(&mut self, name: &[u8], value: &[u8], term: Term) -> bool {
        let old_ms = self.time_of(name);
        let new_ms = match term {
            Term::Keep => old_ms,
            Term::Endless => None,
            Term::Until(at_ms) => Some(at_ms),
        };
        let is_new = self.fields.insert(name, &written(value, new_ms));
        self.note_time(name, old_ms, new_ms);
        is_new
    }

    pub fn remove(&mut self, name: &[u8]) -> bool {
        let Some(old) = self.fields.remove(name) else {
            return false;
        };
        self.note_time(name, field(&old).expire_at_ms, None);
        true
    }

    /// Gives a field another time, or none. False if there is no such field.
    pub fn set_time(&mut self, name: &[u8], new_ms: Option<i64>) -> bool {
        let Some(Field {
            value,
            expire_at_ms: old_ms,
        }) = self.get(name)
        else {
            return false;
        };
        if old_ms != new_ms {
            let value: SmallVec<[u8; STACK_BYTES]> = match value {
                Item::Text(text) => text.into(),
                Item::Int(_) => SmallVec::new(),
            };
            self.fields.insert(name, &written(&value, new_ms));
            self.note_time(name, old_ms, new_ms);
        }
        true
    }

    /// Takes out fields whose time is over, soonest first.
    pub fn take_due(&mut self, now_ms: i64, max: usize, mut visit: impl FnMut(&[u8])) {
        let Large { fields, deadlines } = self;
        deadlines.take_due(now_ms, max, |name| {
            fields.remove(name);
            visit(name);
        });
    }

    #[inline]
    fn time_of(&self, name: &[u8]) -> Option<i64> {
        if self.deadlines.is_empty() {
            return None;
        }
        self.get(name)?.expire_at_ms
    }

    #[inline]
    fn note_time(&mut self, name: &[u8], old_ms: Option<i64>, new_ms: Option<i64>) {
        if old_ms == new_ms {
            return;
        }
        if let Some(at_ms) = old_ms {
            self.deadlines.remove(at_ms, name);
        }
        if let Some(at_ms) = new_ms {
            self.deadlines.insert(at_ms, name);
        }
    }
}

/// A field as it stands in the map.
#[inline]
pub fn field(written: &[u8]) -> Field<'_> {
    let (&kind, rest) = written.split_first().unwrap_or((&ENDLESS, &[]));
    let (expire_at_ms, value) = match rest.split_first_chunk() {
        Some((time, value)) if kind == TIMED => (Some(i64::from_le_bytes(*time)), value),
        _ => (None, rest),
    };
    Field {
        value: Item::Text(value),
        expire_at_ms,
    }
}

fn written(value: &[u8], expire_at_ms: Option<i64>) -> SmallVec<[u8; STACK_BYTES]> {
    let mut written = SmallVec::with_capacity(value.len() + 9);
    match expire_at_ms {
        None => written.push(ENDLESS),
        Some(at_ms) => {
            written.push(TIMED);
            written.extend_from_slice(&at_ms.to_le_bytes());
        }
    }
    written.extend_from_slice(value);
    written
}
