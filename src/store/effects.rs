//! What a command leaves behind besides its reply: log records, keyspace events and old
//! values to free. Handlers fill it while the locks are held; `exec` carries it out before
//! they are released, and keeps the buffers for the next group.
//!
//! Log records are gathered by *unit*: one command, or one whole transaction. A unit of
//! several records is wrapped in MULTI and EXEC, so that a follower applies it as one. A
//! command that is logged as it came is its own unit and stays where it is, in the input:
//! the log copies it from there, and nobody else does.

use std::ops::Range;
use std::sync::Arc;

use super::entry::Entry;
use super::waiters::Ready;
use crate::oplog::{Audience, Records};
use crate::resp::request::encode_command;

/// One record of the unit that runs, its bytes in `Effects::unit_bytes`.
#[derive(Clone, Copy, Debug)]
struct UnitRecord {
    db: u32,
    start: usize,
    end: usize,
    audience: Audience,
}

/// A key that changed while clients track keys.
#[derive(Debug)]
pub struct Touched {
    pub key: Box<[u8]>,
    /// Its time had come: no client did it.
    pub by_itself: bool,
}

/// A keyspace event that somebody asked for.
#[derive(Debug)]
pub struct Event {
    pub db: u32,
    pub class: u32,
    pub name: &'static str,
    pub key: Box<[u8]>,
}

#[derive(Default)]
pub struct Effects {
    /// Whether anybody reads the log; while false no record is kept.
    pub logging: bool,
    /// Whether the log is to say UNLINK of keys whose time has come, instead of DEL.
    pub unlinks_due: bool,
    /// The classes of keyspace events that are asked for (see `event`), 0 for none.
    pub notify: u32,
    /// Changes made by the command that runs, as Redis's `dirty` counts them.
    pub dirty: u64,
    /// The same, of all commands since the last commit.
    pub group_dirty: u64,
    /// Set by a handler that logged what it really did, or nothing at all, instead of
    /// its own request.
    pub rewritten: bool,
    /// The finished units of this group, for `Oplog::append`.
    pub records: Records,
    unit: Vec<UnitRecord>,
    /// The unit is one whatever ends it.
    together: bool,
    unit_bytes: Vec<u8>,
    /// Where in memory the requests of this group stand.
    input: Range<usize>,
    /// Whether times to live that are given now are this follower's own affair.
    pub owns_expiries: bool,
    /// Such times, with databases and keys.
    pub own_expiries: Vec<(u32, Arc<[u8]>, i64)>,
    pub events: Vec<Event>,
    pub hits: u64,
    pub misses: u64,
    pub expired: u64,
    /// To make room.
    pub evicted: u64,
    /// Fields of hashes.
    pub expired_fields: u64,
    /// Whether any client tracks keys; while false no changed key is kept.
    pub tracking: bool,
    pub touched: Vec<Touched>,
    /// Those that clients changed who waited, with their ids: they are answered first.
    pub touched_late: Vec<(Touched, u64)>,
    /// A whole database is gone, or was replaced.
    pub flushed: bool,
    /// Keys that somebody waits for, and that changed.
    ready: Vec<Ready>,
    /// The tickets of those who were served: they are told when the log has it.
    pub served: Vec<u64>,
    /// Values too big to be freed by the thread that serves clients.
    pub garbage: Vec<Entry>,
}

impl Effects {
    /// Says where the requests stand that will run; the same bytes are handed to the log with
    /// the records that they leave.
    #[inline]
    pub fn begin_input(&mut self, input: &[u8]) {
        self.input = addresses(input);
    }

    /// Ends that: what runs next may stand elsewhere.
    #[inline]
    pub fn end_input(&mut self, input: &[u8]) {
        let begun = std::mem::take(&mut self.input);
        let is_same = begun.is_empty() || begun == addresses(input);
        assert!(is_same, "requests are logged from where they stand");
    }

    /// Logs a request as the unit that it is. False if that cannot be: it stands elsewhere
    /// than in the input, or others belong to its unit.
    #[inline]
    pub fn log_request(&mut self, db: u32, request: &[u8]) -> bool {
        let Range { start, end } = addresses(request);
        let is_there = self.input.start <= start && end <= self.input.end;
        if !is_there || self.has_unit() {
            return false;
        }
        let begin = self.input.start;
        self.records.request(db, start - begin..end - begin);
        true
    }

    /// Logs a command in place of the request that caused it.
    pub fn log(&mut self, db: u32, args: &[&[u8]]) {
        self.log_for(db, args, Audience::All);
    }

    pub fn log_for(&mut self, db: u32, args: &[&[u8]], audience: Audience) {
        if self.logging {
            let start = self.unit_bytes.len();
            encode_command(args, &mut self.unit_bytes);
            let end = self.unit_bytes.len();
            self.unit.push(UnitRecord {
                db,
                start,
                end,
                audience,
            });
        }
    }

    /// Logs bytes that are a command already.
    pub fn log_raw(&mut self, db: u32, command: &[u8]) {
        if self.logging {
            let start = self.unit_bytes.len();
            self.unit_bytes.extend_from_slice(command);
            let end = self.unit_bytes.len();
            self.unit.push(UnitRecord {
                db,
                start,
                end,
                audience: Audience::All,
            });
        }
    }

    /// The command has logged all that is to be logged of it: its request is not.
    pub fn instead_of_request(&mut self) {
        self.rewritten = true;
    }

    /// Whether anything was logged since the last unit ended.
    #[inline]
    pub fn has_unit(&self) -> bool {
        !self.unit.is_empty()
    }

    /// Ends a unit: several records of it become one transaction.
    pub fn end_unit(&mut self) {
        self.together = false;
        let several = self.unit.len() > 1;
        if let Some(first) = self.unit.first().filter(|_| several) {
            self.records.multi(first.db);
        }
        for record in &self.unit {
            let bytes = &self.unit_bytes[record.start..record.end];
            self.records.raw(Some(record.db), record.audience, bytes);
        }
        if let Some(last) = self.unit.last().filter(|_| several) {
            self.records.exec(last.db);
        }
        self.unit.clear();
        self.unit_bytes.clear();
    }

    /// What was logged last belongs together, even if the command only reads.
    pub fn keep_together(&mut self) {
        self.together = true;
    }

    /// Ends a unit whose records stand for themselves: expiries, one by one.
    pub fn end_loose_unit(&mut self) {
        if std::mem::take(&mut self.together) {
            return self.end_unit();
        }
        for record in &self.unit {
            let bytes = &self.unit_bytes[record.start..record.end];
            self.records.raw(Some(record.db), record.audience, bytes);
        }
        self.unit.clear();
        self.unit_bytes.clear();
    }

    /// Notes that a key changed, if anybody tracks keys.
    #[inline]
    pub fn touched(&mut self, key: &[u8], by_itself: bool) {
        if self.tracking {
            let key = key.into();
            self.touched.push(Touched { key, by_itself });
        }
    }

    /// Notes a keyspace event, if its class is asked for.
    #[inline]
    pub fn event(&mut self, class: u32, name: &'static str, db: u32, key: &[u8]) {
        if self.notify & class != 0 {
            self.events.push(Event {
                db,
                class,
                name,
                key: key.into(),
            });
        }
    }

    /// Has those who wait for a key look at it.
    pub fn ready(&mut self, ready: Ready) {
        if !self.ready.contains(&ready) {
            self.ready.push(ready);
        }
    }

    #[inline]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// A key's line was served to its end: what that did to the key is no news for it.
    pub fn forget_ready(&mut self, db: u32, key: &[u8]) {
        self.ready
            .retain(|ready| ready.db != db || *ready.key != *key);
    }

    pub fn take_ready(&mut self) -> Vec<Ready> {
        std::mem::take(&mut self.ready)
    }

    /// Takes an entry that is out of the table: small ones are freed here and now.
    pub fn discard(&mut self, entry: Entry) {
        if entry.is_big() {
            self.garbage.push(entry);
        }
    }
}

fn addresses(bytes: &[u8]) -> Range<usize> {
    let bounds = bytes.as_ptr_range();
    bounds.start as usize..bounds.end as usize
}

/// The classes of keyspace events, the bits of `config::notify`.
pub mod event {
    pub const KEYSPACE: u32 = 1 << 0;
    pub const KEYEVENT: u32 = 1 << 1;
    pub const GENERIC: u32 = 1 << 2;
    pub const STRING: u32 = 1 << 3;
    pub const LIST: u32 = 1 << 4;
    pub const SET: u32 = 1 << 5;
    pub const HASH: u32 = 1 << 6;
    pub const ZSET: u32 = 1 << 7;
    pub const EXPIRED: u32 = 1 << 8;
    pub const EVICTED: u32 = 1 << 9;
    pub const STREAM: u32 = 1 << 10;
    pub const MODULE: u32 = 1 << 11;
    pub const KEY_MISS: u32 = 1 << 12;
    pub const NEW: u32 = 1 << 13;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oplog::{Oplog, ReaderKind};

    #[test]
    fn requests_are_logged_from_where_they_stand_and_in_order() {
        let log = Oplog::new(0);
        let mut reader = log.reader_at_end(ReaderKind::Follower);
        let input = b"<one><two><three>";
        let mut effects = Effects {
            logging: true,
            ..Effects::default()
        };
        effects.begin_input(input);
        assert!(effects.log_request(0, &input[..5]));
        assert!(effects.log_request(0, &input[5..10]));
        // One from elsewhere, such as a queued one, is copied.
        assert!(!effects.log_request(0, b"<other>"));
        effects.log_raw(0, b"<other>");
        // It has a unit of several.
        assert!(!effects.log_request(0, &input[10..]));
        effects.log_raw(0, &input[10..]);
        effects.end_unit();
        assert!(effects.log_request(0, &input[10..]));
        effects.end_input(input);
        assert!(!effects.log_request(0, &input[..5]));
        log.append(&mut effects.records, input);
        let select = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
        let (multi, exec) = ("*1\r\n$5\r\nMULTI\r\n", "*1\r\n$4\r\nEXEC\r\n");
        let expect = format!("{select}<one><two>{multi}<other><three>{exec}<three>");
        assert_eq!(reader.fill(1000).unwrap(), expect.as_bytes());
    }
}
