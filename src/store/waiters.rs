//! Who waits for a key to hold something: BLPOP and its like. One table a shard, beside the
//! watchers, behind the shard's lock. Here are numbers only; what a ticket stands for is
//! known above.

use std::collections::HashMap;

use crate::types::Kind;

/// One who waits, in a key's line.
#[derive(Clone, Copy, Debug)]
pub struct Waiter {
    pub ticket: u64,
    /// What the key must hold.
    pub kind: Kind,
    /// It wants to know too when the key is gone, or holds something else.
    pub even_without_key: bool,
}

impl Waiter {
    /// Whether it is to look at a key that holds this now.
    pub fn is_concerned(&self, held: Option<Kind>) -> bool {
        self.even_without_key || held == Some(self.kind)
    }
}

/// A key that changed while somebody waited for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    pub db: u32,
    pub key: Box<[u8]>,
}

/// The lines in front of the keys of a shard, first come first.
#[derive(Default)]
pub struct WaitTable {
    lines: HashMap<(u32, Box<[u8]>), Vec<Waiter>>,
}

impl WaitTable {
    pub fn join(&mut self, db: u32, key: &[u8], waiter: Waiter) {
        let line = self.lines.entry((db, key.into())).or_default();
        line.push(waiter);
    }

    pub fn leave(&mut self, db: u32, key: &[u8], ticket: u64) {
        let place = (db, key.into());
        if let Some(line) = self.lines.get_mut(&place) {
            line.retain(|waiter| waiter.ticket != ticket);
            if line.is_empty() {
                self.lines.remove(&place);
            }
        }
    }

    pub fn line(&self, db: u32, key: &[u8]) -> &[Waiter] {
        let line = self.lines.get(&(db, Box::from(key)));
        line.map_or(&[], Vec::as_slice)
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Every key that somebody waits for.
    pub fn keys(&self) -> impl Iterator<Item = Ready> {
        self.lines.keys().map(|(db, key)| Ready {
            db: *db,
            key: key.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_order_and_goes_with_its_last() {
        let waiter = |ticket, even_without_key| Waiter {
            ticket,
            kind: Kind::List,
            even_without_key,
        };
        let mut table = WaitTable::default();
        for ticket in 1..=3 {
            table.join(0, b"key", waiter(ticket, ticket == 3));
        }
        table.join(1, b"key", waiter(4, false));
        table.leave(0, b"key", 2);
        let line: Vec<u64> = table.line(0, b"key").iter().map(|w| w.ticket).collect();
        assert_eq!(line, [1, 3]);
        assert_eq!(table.keys().count(), 2);
        for (held, concerned) in [
            (None, [false, true]),
            (Some(Kind::String), [false, true]),
            (Some(Kind::List), [true, true]),
        ] {
            let line = table.line(0, b"key").iter();
            assert!(line.map(|w| w.is_concerned(held)).eq(concerned), "{held:?}");
        }
        table.leave(0, b"key", 1);
        table.leave(0, b"key", 3);
        table.leave(1, b"key", 4);
        assert!(table.is_empty());
    }
}
