//! Ids as arguments, and entries as replies.

use crate::commands::args::Args;
use crate::commands::error::CmdError;
use crate::resp::reply::ReplyBuf;
use crate::types::listpack::Item;
use crate::types::stream::{Entry, StreamId};

const INVALID: CmdError =
    CmdError::text("ERR Invalid stream ID specified as stream command argument");

/// An id that is given; `ms` alone stands for the first one of that millisecond.
pub fn exact_id(text: &[u8]) -> Result<StreamId, CmdError> {
    StreamId::parse(text, 0).ok_or(INVALID)
}

/// The next argument as such an id.
pub fn take_id(args: &mut Args) -> StreamId {
    let text = args.bytes();
    exact_id(text).unwrap_or_else(|error| {
        args.fail(error);
        StreamId::MIN
    })
}

/// An id that is given, or an end of all streams: `-` and `+`.
pub fn id_or_end(text: &[u8], missing_seq: u64) -> Result<StreamId, CmdError> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => StreamId::parse(text, missing_seq).ok_or(INVALID),
    }
}

/// Where a range begins; behind an id if that stands behind `(`.
pub fn range_start(text: &[u8]) -> Result<StreamId, CmdError> {
    match excluded(text) {
        Some(id) => exact_id(id)?
            .next()
            .ok_or(CmdError::text("ERR invalid start ID for the interval")),
        None => id_or_end(text, 0),
    }
}

/// Where a range ends. `ms` alone stands for all of that millisecond.
pub fn range_end(text: &[u8]) -> Result<StreamId, CmdError> {
    match excluded(text) {
        Some(id) => StreamId::parse(id, u64::MAX)
            .ok_or(INVALID)?
            .prev()
            .ok_or(CmdError::text("ERR invalid end ID for the interval")),
        None => id_or_end(text, u64::MAX),
    }
}

fn excluded(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"(").filter(|id| !id.is_empty())
}

pub fn reply_id(reply: &mut ReplyBuf, id: StreamId) {
    reply.bulk(id.text().bytes());
}

/// An entry: its id, its fields and values in turn.
pub fn reply_entry(reply: &mut ReplyBuf, entry: &Entry) {
    reply.array(2);
    reply_id(reply, entry.id);
    let fields = entry.fields();
    reply.array(2 * fields.len());
    for (field, value) in fields {
        reply_item(reply, field);
        reply_item(reply, value);
    }
}

fn reply_item(reply: &mut ReplyBuf, item: Item) {
    match item {
        Item::Int(value) => reply.bulk_i64(value),
        Item::Text(text) => reply.bulk(text),
    }
}

/// Up to `count` entries (0: all of them) as an array; how many those were.
pub fn reply_entries<'s>(
    reply: &mut ReplyBuf,
    entries: impl Iterator<Item = Entry<'s>>,
    count: usize,
) -> usize {
    let count = if count == 0 { usize::MAX } else { count };
    let array = reply.array_deferred();
    let mut len = 0;
    for entry in entries.take(count) {
        reply_entry(reply, &entry);
        len += 1;
    }
    reply.finish_array(array, len);
    len
}
