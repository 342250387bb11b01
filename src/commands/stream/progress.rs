//! What is logged of a group's progress, and how a missing group is told.

use crate::base::number::digits;
use crate::commands::cx::Cx;
use crate::commands::error::CmdError;
use crate::store::keyspace::Key;
use crate::types::Stream;
use crate::types::stream::{Group, StreamId};

/// A group of a stream, named as the request names it.
#[derive(Clone, Copy)]
pub struct GroupRef<'a> {
    pub key: Key<'a>,
    pub name: &'a [u8],
}

/// An entry that a consumer was given.
pub struct Given<'a> {
    pub consumer: &'a [u8],
    /// As it was asked for.
    pub id: &'a [u8],
    pub delivered_ms: i64,
    pub deliveries: u64,
    /// The group's last id at that moment.
    pub last_id: StreamId,
}

impl<'a> GroupRef<'a> {
    /// The group of a stream that may not be there.
    pub fn of(self, stream: Option<&Stream>) -> Result<&Group, CmdError> {
        let group = stream.and_then(|stream| stream.group(self.name));
        group.ok_or_else(|| self.missing(""))
    }

    pub fn missing(self, behind: &str) -> CmdError {
        CmdError::quoting(
            "NOGROUP No such key '{}' or consumer group '{}'{}",
            &[self.key.bytes, self.name, behind.as_bytes()],
        )
    }

    /// Logs that an entry is pending for a consumer, who is made by this if need be.
    pub fn log_given(self, cx: &mut Cx, given: &Given) {
        let (mut time, mut count) = (digits(), digits());
        let last_id = given.last_id.text();
        let record: [&[u8]; 14] = [
            b"XCLAIM",
            self.key.bytes,
            self.name,
            given.consumer,
            b"0",
            given.id,
            b"TIME",
            time.of(given.delivered_ms),
            b"RETRYCOUNT",
            count.of(given.deliveries),
            b"FORCE",
            b"JUSTID",
            b"LASTID",
            last_id.bytes(),
        ];
        cx.log_instead(&record);
    }

    /// Logs how far the group has read.
    pub fn log_last_id(self, cx: &mut Cx, last_id: StreamId, entries_read: Option<u64>) {
        let mut count = digits();
        let count = match entries_read {
            Some(read) => count.of(read),
            None => b"-1",
        };
        cx.log_instead(&[
            b"XGROUP",
            b"SETID",
            self.key.bytes,
            self.name,
            last_id.text().bytes(),
            b"ENTRIESREAD",
            count,
        ]);
    }

    /// Logs a consumer that came to be without being given anything.
    pub fn log_consumer(self, cx: &mut Cx, consumer: &[u8]) {
        let (key, name) = (self.key.bytes, self.name);
        cx.log_instead(&[b"XGROUP", b"CREATECONSUMER", key, name, consumer]);
    }
}

/// The answer of those who name a group of a stream that is there.
pub fn no_group(key: Key, name: &[u8]) -> CmdError {
    CmdError::quoting(
        "NOGROUP No such consumer group '{}' for key name '{}'",
        &[name, key.bytes],
    )
}
