//! What one group of commands gives to the log: a buffer of encoded commands.
//!
//! They are gathered while the group runs and handed to the log once, so that the log's lock
//! is taken once a group. They are cut into runs: neighbouring records that work on the same
//! database and are for the same readers. The log looks at runs only, and puts a SELECT
//! before a run whose database is not the one selected last. Nearly every group is one run.
//!
//! A request that is logged as it came is not even copied here: the run names where it stands
//! in the input, from which the log takes it, often with all its neighbours in one piece.

use std::ops::Range;

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

#[derive(Clone, Debug)]
struct Run {
    db: Option<u32>,
    audience: Audience,
    source: Source,
    range: Range<usize>,
}

/// Where the bytes of a run stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Own,
    Input,
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
        self.runs.is_empty()
    }

    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.runs.iter().map(|run| run.range.len()).sum()
    }

    /// Forgets the records and keeps the memory for the next group.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.runs.clear();
    }

    /// Adds a command. `db` is the database it works on; None for a command that works on
    /// none, which needs no SELECT.
    pub fn command(&mut self, db: Option<u32>, audience: Audience, args: &[&[u8]]) {
        let start = self.bytes.len();
        encode_command(args, &mut self.bytes);
        self.note(db, audience, Source::Own, start..self.bytes.len());
    }

    /// Adds commands that are well-formed multibulk requests already.
    #[inline]
    pub fn raw(&mut self, db: Option<u32>, audience: Audience, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.note(db, audience, Source::Own, start..self.bytes.len());
    }

    /// Adds a well-formed multibulk request that stands in the input: in what will be handed
    /// to `Oplog::append` together with these records.
    #[inline]
    pub fn request(&mut self, db: u32, at: Range<usize>) {
        self.note(Some(db), Audience::All, Source::Input, at);
    }

    /// Opens a unit that followers apply as one.
    pub fn multi(&mut self, db: u32) {
        self.raw(Some(db), Audience::All, b"*1\r\n$5\r\nMULTI\r\n");
    }

    /// Closes the unit that `multi` opened.
    pub fn exec(&mut self, db: u32) {
        self.raw(Some(db), Audience::All, b"*1\r\n$4\r\nEXEC\r\n");
    }

    #[inline]
    fn note(&mut self, db: Option<u32>, audience: Audience, source: Source, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        if let Some(run) = self.runs.last_mut()
            && run.source == source
            && run.range.end == range.start
            && run.audience == audience
            // A record without a database may ride on any run of its audience.
            && (db.is_none() || run.db == db)
        {
            run.range.end = range.end;
            return;
        }
        self.runs.push(Run {
            db,
            audience,
            source,
            range,
        });
    }

    /// The runs in order. What was added as `request` is taken from `input`.
    pub(super) fn runs<'a>(&'a self, input: &'a [u8]) -> impl Iterator<Item = RunBytes<'a>> {
        self.runs.iter().map(move |run| {
            let bytes = match run.source {
                Source::Own => &self.bytes[..],
                Source::Input => input,
            };
            RunBytes {
                db: run.db,
                audience: run.audience,
                bytes: &bytes[run.range.clone()],
            }
        })
    }

    /// All bytes, when they are a single run: the log may then keep the allocation instead
    /// of copying it.
    pub(super) fn take_single_run(
        &mut self,
        input: &[u8],
    ) -> Option<(Option<u32>, Audience, Vec<u8>)> {
        let [run] = self.runs.as_slice() else {
            return None;
        };
        let bytes = match run.source {
            Source::Own => std::mem::take(&mut self.bytes),
            Source::Input => input[run.range.clone()].to_vec(),
        };
        let taken = (run.db, run.audience, bytes);
        self.runs.clear();
        Some(taken)
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

    const INPUT: &[u8] = b"0123456789";

    fn shapes(records: &Records) -> Vec<(Option<u32>, Audience, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let runs = records.runs(INPUT);
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
        assert_eq!(records.take_single_run(INPUT), None);
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
            records.take_single_run(INPUT),
            Some((Some(3), Audience::All, bytes))
        );
        assert!(records.is_empty());
    }

    #[test]
    fn requests_stay_where_they_are_and_join_their_neighbours() {
        let mut records = Records::new();
        records.request(0, 1..3);
        records.request(0, 3..4);
        records.request(0, 5..6);
        records.raw(Some(0), Audience::All, b"own");
        records.request(0, 6..7);
        records.request(1, 7..8);
        records.request(1, 8..8);
        let all = |db, text: &str| (Some(db), Audience::All, text.to_owned());
        let expect = ["123", "5", "own", "6"].map(|text| all(0, text));
        let expect: Vec<_> = expect.into_iter().chain([all(1, "7")]).collect();
        assert_eq!(shapes(&records), expect);
        assert_eq!(records.len_bytes(), 9);
        records.clear();
        records.request(2, 4..8);
        let taken = records.take_single_run(INPUT).unwrap();
        assert_eq!(taken, (Some(2), Audience::All, b"4567".to_vec()));
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
