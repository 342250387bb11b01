//! What one group of commands gives to the log: a buffer of encoded commands.
//!
//! The buffer is filled while the group runs and handed to the log once, so that the log's
//! lock is taken once a group. It is cut into runs: neighbouring records that work on the
//! same database and are for the same readers. The log looks at runs only, and puts a
//! SELECT before a run whose database is not the one selected last. Nearly every group is
//! one run.

use smallvec::SmallVec;

use crate::resp::request::encode_command;

/// Who is to see a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Followers and the append-only file.
    All,
    /// What means nothing after a restart: PING, GETACK, PUBLISH.
    FollowersOnly,
}

/// The records of one group, in the order in which they were applied.
#[derive(Debug, Default)]
pub struct Records {
    bytes: Vec<u8>,
    runs: SmallVec<[Run; 2]>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    start: usize,
    db: Option<u32>,
    audience: Audience,
}

/// One run, as the log takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunBytes<'a> {
    pub(super) db: Option<u32>,
    pub(super) audience: Audience,
    pub(super) bytes: &'a [u8],
}

impl Records {
    #[must_use]
    pub fn new() -> Records {
        Records::default()
    }

    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets the records and keeps the memory for the next group.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.runs.clear();
    }

    /// Adds a command. `db` is the database it works on; None for a command that works on
    /// none, which needs no SELECT.
    pub fn command(&mut self, db: Option<u32>, audience: Audience, args: &[&[u8]]) {
        encode_command(args, self.buffer(db, audience));
    }

    /// Adds commands that are well-formed multibulk requests already: a client's own bytes.
    #[inline]
    pub fn raw(&mut self, db: Option<u32>, audience: Audience, bytes: &[u8]) {
        self.buffer(db, audience).extend_from_slice(bytes);
    }

    /// Opens a unit that followers apply as one.
    pub fn multi(&mut self, db: u32) {
        self.raw(Some(db), Audience::All, b"*1\r\n$5\r\nMULTI\r\n");
    }

    /// Closes the unit that `multi` opened.
    pub fn exec(&mut self, db: u32) {
        self.raw(Some(db), Audience::All, b"*1\r\n$4\r\nEXEC\r\n");
    }

    /// The buffer itself, for encoding straight into it. Only whole multibulk requests for
    /// this `db` and `audience` may be appended, and nothing removed.
    #[inline]
    pub fn buffer(&mut self, db: Option<u32>, audience: Audience) -> &mut Vec<u8> {
        let fits = self.runs.last().is_some_and(|run| {
            // A record without a database may ride on any run of its audience.
            run.audience == audience && (db.is_none() || run.db == db)
        });
        if !fits {
            self.runs.push(Run {
                start: self.bytes.len(),
                db,
                audience,
            });
        }
        &mut self.bytes
    }

    /// The runs in order. A run may be empty.
    pub(super) fn runs(&self) -> impl Iterator<Item = RunBytes<'_>> {
        let ends = self.runs.iter().skip(1).map(|run| run.start);
        let ends = ends.chain(std::iter::once(self.bytes.len()));
        self.runs.iter().zip(ends).map(|(run, end)| RunBytes {
            db: run.db,
            audience: run.audience,
            bytes: self.bytes.get(run.start..end).unwrap_or_default(),
        })
    }

    /// The whole buffer, when it is a single run: the log may then keep the allocation
    /// instead of copying it.
    pub(super) fn take_single_run(&mut self) -> Option<(Option<u32>, Audience, Vec<u8>)> {
        let [run] = self.runs.as_slice() else {
            return None;
        };
        let run = *run;
        self.runs.clear();
        Some((run.db, run.audience, std::mem::take(&mut self.bytes)))
    }
}

/// Writes the SELECT record.
pub(super) fn put_select(out: &mut Vec<u8>, db: u32) {
    let mut digits = itoa::Buffer::new();
    encode_command(&[b"SELECT", digits.format(db).as_bytes()], out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(records: &Records) -> Vec<(Option<u32>, Audience, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let runs = records.runs();
        runs.map(|r| (r.db, r.audience, text(r.bytes))).collect()
    }

    #[test]
    fn a_command_becomes_a_multibulk() {
        let mut records = Records::new();
        records.command(Some(0), Audience::All, &[b"SET", b"k", b""]);
        let text = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n".to_owned();
        assert_eq!(shapes(&records), [(Some(0), Audience::All, text)]);
    }

    #[test]
    fn records_of_one_database_and_audience_share_a_run() {
        let mut records = Records::new();
        assert!(records.is_empty());
        records.raw(Some(0), Audience::All, b"a");
        records.raw(Some(0), Audience::All, b"b");
        records.raw(None, Audience::All, b"c");
        records.raw(Some(1), Audience::All, b"d");
        records.raw(None, Audience::FollowersOnly, b"e");
        records.raw(Some(1), Audience::FollowersOnly, b"f");
        assert_eq!(
            shapes(&records),
            [
                (Some(0), Audience::All, "abc".to_owned()),
                (Some(1), Audience::All, "d".to_owned()),
                (None, Audience::FollowersOnly, "e".to_owned()),
                (Some(1), Audience::FollowersOnly, "f".to_owned()),
            ]
        );
        assert_eq!(records.take_single_run(), None);
        records.clear();
        assert!(records.is_empty());
        assert_eq!(shapes(&records), []);
    }

    #[test]
    fn a_single_run_can_be_taken_whole() {
        let mut records = Records::new();
        records.multi(3);
        records.exec(3);
        let bytes = b"*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nEXEC\r\n".to_vec();
        assert_eq!(
            records.take_single_run(),
            Some((Some(3), Audience::All, bytes))
        );
        assert!(records.is_empty());
    }

    #[test]
    fn select_names_any_database() {
        let mut out = Vec::new();
        put_select(&mut out, 0);
        put_select(&mut out, 12_345);
        let text = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*2\r\n$6\r\nSELECT\r\n$5\r\n12345\r\n";
        assert_eq!(out, text.as_bytes());
    }
}
