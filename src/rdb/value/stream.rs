//! Streams: nodes as they are, then numbers, then groups with what is pending in them.
//!
//! ```text
//!   15          nodes | length, last id | groups
//!   19, 21      nodes | length, last id, first id, largest deleted id, entries added | groups
//!
//!   group       name | last id | entries read (not 15) | pending | consumers
//!   consumer    name | time seen | time active (21 only) | ids of its pending entries
//! ```

use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::encode::{Encoder, put_len, put_ms};
use crate::rdb::error::DecodeErrorKind;
use crate::rdb::format::{FileVersion, type_byte as t};
use crate::rdb::text::Text;
use crate::types::Stream;
use crate::types::listpack::ListPack;
use crate::types::stream::{Consumer, Group, Numbers, Pending, StreamId};

/// The number that says that a group does not know how much it has read.
const UNKNOWN: u64 = u64::MAX;

pub fn type_byte(target: FileVersion) -> u8 {
    match target {
        FileVersion::Redis10 => t::STREAM_LISTPACKS_2,
        _ => t::STREAM_LISTPACKS_3,
    }
}

/// Whether the version has a place for when each consumer was last given anything, or needs
/// none: without one it is taken for the time when it last asked.
pub fn holds_all(stream: &Stream, target: FileVersion) -> bool {
    type_byte(target) == t::STREAM_LISTPACKS_3
        || stream.groups().all(|(_, group)| {
            let mut consumers = group.consumers();
            consumers.all(|(_, consumer)| consumer.active_ms == consumer.seen_ms)
        })
}

/// Appends what stands behind `type_byte(target)` and the key.
pub fn put(stream: &Stream, target: FileVersion, encoder: &mut Encoder, out: &mut Vec<u8>) {
    put_len(out, stream.node_count() as u64);
    for (id, node) in stream.nodes() {
        encoder.put_string(out, &id.to_bytes());
        encoder.put_string(out, node);
    }
    put_len(out, stream.len());
    put_id(out, stream.last_id());
    put_id(out, stream.first_id());
    put_id(out, stream.max_deleted_id());
    put_len(out, stream.entries_added());
    put_len(out, stream.group_count() as u64);
    for (name, group) in stream.groups() {
        encoder.put_string(out, name);
        put_group(group, target, encoder, out);
    }
}

fn put_group(group: &Group, target: FileVersion, encoder: &mut Encoder, out: &mut Vec<u8>) {
    put_id(out, group.last_id);
    put_len(out, group.entries_read.unwrap_or(UNKNOWN));
    put_len(out, group.pending_count() as u64);
    for (id, pending) in group.pending_from(StreamId::MIN) {
        out.extend_from_slice(&id.to_bytes());
        put_ms(out, pending.delivered_ms);
        put_len(out, pending.deliveries);
    }
    put_len(out, group.consumer_count() as u64);
    for (name, consumer) in group.consumers() {
        encoder.put_string(out, name);
        put_ms(out, consumer.seen_ms);
        if type_byte(target) == t::STREAM_LISTPACKS_3 {
            put_ms(out, consumer.active_ms);
        }
        put_len(out, consumer.pending_count() as u64);
        for id in consumer.pending_from(StreamId::MIN) {
            out.extend_from_slice(&id.to_bytes());
        }
    }
}

fn put_id(out: &mut Vec<u8>, id: StreamId) {
    put_len(out, id.ms);
    put_len(out, id.seq);
}

/// Reads what stands behind one of the three type bytes.
pub fn take(type_byte: u8, cursor: &mut Cursor) -> Result<Stream, Stop> {
    let mut stream = Stream::default();
    for _ in 0..cursor.length()? {
        let at = cursor.position();
        let id = <[u8; 16]>::try_from(&*text_of(cursor)?);
        let id = id.map_err(|_| bad(at, "a stream node whose key is no id"))?;
        let pack = ListPack::from_bytes(text_of(cursor)?);
        let pack = pack.map_err(|_| bad(at, "a stream node that is no listpack"))?;
        let added = stream.add_node(StreamId::from_bytes(id), pack);
        added.map_err(|what| bad(at, what))?;
    }
    let at = cursor.position();
    let len = cursor.length()?;
    let mut numbers = Numbers {
        last_id: id(cursor)?,
        max_deleted_id: StreamId::MIN,
        entries_added: len,
    };
    if type_byte != t::STREAM_LISTPACKS {
        // The first id is found in the nodes.
        id(cursor)?;
        numbers.max_deleted_id = id(cursor)?;
        numbers.entries_added = cursor.length()?;
    }
    let finished = stream.finish_nodes(len, numbers);
    finished.map_err(|what| bad(at, what))?;
    for _ in 0..cursor.length()? {
        let at = cursor.position();
        let name = text_of(cursor)?;
        let group = take_group(type_byte, &stream, cursor)?;
        if !stream.add_group(&name, group) {
            return Err(bad(at, "two consumer groups of one name"));
        }
    }
    Ok(stream)
}

/// An entry that is pending, and whether its consumer has been found.
struct Unowned {
    id: StreamId,
    delivered_ms: i64,
    deliveries: u64,
    is_owned: bool,
}

fn take_group(type_byte: u8, stream: &Stream, cursor: &mut Cursor) -> Result<Group, Stop> {
    let last_id = id(cursor)?;
    let entries_read = match type_byte {
        t::STREAM_LISTPACKS => stream.entries_up_to(last_id),
        // What Redis takes for a negative number is none.
        _ => Some(cursor.length()?).filter(|&read| i64::try_from(read).is_ok()),
    };
    let mut group = Group::new(last_id, entries_read);
    let mut pending: Vec<Unowned> = Vec::new();
    for _ in 0..cursor.length()? {
        let at = cursor.position();
        let id = raw_id(cursor)?;
        if pending.last().is_some_and(|last| id <= last.id) {
            return Err(bad(at, "pending stream entries out of order"));
        }
        pending.push(Unowned {
            id,
            delivered_ms: i64::from_le_bytes(cursor.array()?),
            deliveries: cursor.length()?,
            is_owned: false,
        });
    }
    for _ in 0..cursor.length()? {
        take_consumer(type_byte, &mut group, &mut pending, cursor)?;
    }
    match pending.iter().all(|pending| pending.is_owned) {
        true => Ok(group),
        false => Err(bad(
            cursor.position(),
            "a pending stream entry of no consumer",
        )),
    }
}

fn take_consumer(
    type_byte: u8,
    group: &mut Group,
    pending: &mut [Unowned],
    cursor: &mut Cursor,
) -> Result<(), Stop> {
    let at = cursor.position();
    let name = text_of(cursor)?;
    let seen_ms = i64::from_le_bytes(cursor.array()?);
    let active_ms = match type_byte {
        t::STREAM_LISTPACKS_3 => i64::from_le_bytes(cursor.array()?),
        // As far as anybody knows.
        _ => seen_ms,
    };
    if !group.add_consumer(&name, Consumer::new(seen_ms, active_ms)) {
        return Err(bad(at, "two consumers of one name"));
    }
    let Some(name) = group.consumer_name(&name) else {
        return Ok(());
    };
    for _ in 0..cursor.length()? {
        let at = cursor.position();
        let id = raw_id(cursor)?;
        let found = pending.binary_search_by_key(&id, |pending| pending.id);
        let found = found.ok().and_then(|found| pending.get_mut(found));
        let Some(found) = found.filter(|found| !found.is_owned) else {
            return Err(bad(
                at,
                "a consumer's pending entry that is not its group's",
            ));
        };
        found.is_owned = true;
        let given = Pending {
            consumer: name.clone(),
            delivered_ms: found.delivered_ms,
            deliveries: found.deliveries,
        };
        group.give(id, given);
    }
    Ok(())
}

fn id(cursor: &mut Cursor) -> Result<StreamId, Stop> {
    Ok(StreamId::new(cursor.length()?, cursor.length()?))
}

fn raw_id(cursor: &mut Cursor) -> Result<StreamId, Stop> {
    cursor.array().map(StreamId::from_bytes)
}

fn text_of(cursor: &mut Cursor) -> Result<Vec<u8>, Stop> {
    let raw = cursor.string()?;
    let mut text = Text::default();
    text.load(raw)?;
    Ok(text.take(raw))
}

fn bad(at: usize, what: &'static str) -> Stop {
    Stop::Bad(at, DecodeErrorKind::BadValue(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::stream::{Limits, NEVER};

    /// Entries in several nodes, some of them deleted, and groups in every state.
    fn sample() -> Stream {
        let limits = Limits {
            node_bytes_max: 200,
            node_entries_max: 5,
        };
        let mut stream = Stream::default();
        let at = |ms| StreamId::new(ms, ms % 3);
        for ms in 1..24 {
            let value = vec![b'x'; ms as usize];
            let pairs: &[&[u8]] = match ms % 4 {
                0 => &[b"other", b"7"],
                _ => &[b"field", &value],
            };
            stream.add(at(ms), pairs, &limits).unwrap();
        }
        stream.delete(&[at(1), at(7), at(12), at(23)]);
        stream.add_group(b"anew", Group::new(StreamId::MIN, None));
        let mut group = Group::new(at(20), Some(20));
        group.add_consumer(b"alice", Consumer::new(1000, 900));
        group.add_consumer(b"bob", Consumer::new(2000, NEVER));
        group.add_consumer(b"5", Consumer::new(-1, 5));
        for ms in 2..20 {
            let name: &[u8] = if ms % 2 == 0 { b"alice" } else { b"5" };
            let pending = Pending {
                consumer: group.consumer_name(name).unwrap(),
                delivered_ms: 1_700_000_000_000 + ms as i64,
                deliveries: ms,
            };
            group.give(at(ms), pending);
        }
        stream.add_group(b"busy", group);
        stream
    }

    fn encode(stream: &Stream, target: FileVersion) -> Vec<u8> {
        let mut out = Vec::new();
        put(stream, target, &mut Encoder::new(false), &mut out);
        out
    }

    fn decode(type_byte: u8, bytes: &[u8]) -> Result<Stream, Stop> {
        let mut cursor = Cursor::new(bytes, 0, u64::MAX);
        let stream = take(type_byte, &mut cursor)?;
        match cursor.position() == bytes.len() {
            true => Ok(stream),
            false => Err(Stop::Need(0)),
        }
    }

    /// As Redis 5 and 6 have written them.
    fn encode_oldest(stream: &Stream) -> Vec<u8> {
        let mut out = Vec::new();
        let encoder = &mut Encoder::new(false);
        put_len(&mut out, stream.node_count() as u64);
        for (id, node) in stream.nodes() {
            encoder.put_string(&mut out, &id.to_bytes());
            encoder.put_string(&mut out, node);
        }
        put_len(&mut out, stream.len());
        put_id(&mut out, stream.last_id());
        put_len(&mut out, stream.group_count() as u64);
        for (name, group) in stream.groups() {
            encoder.put_string(&mut out, name);
            put_id(&mut out, group.last_id);
            put_len(&mut out, 0);
            put_len(&mut out, 1);
            encoder.put_string(&mut out, b"carol");
            put_ms(&mut out, 77);
            put_len(&mut out, 0);
        }
        out
    }

    #[test]
    fn what_is_written_is_read() {
        for stream in [Stream::default(), sample()] {
            for target in [
                FileVersion::Redis10,
                FileVersion::Redis11,
                FileVersion::Redis12,
                FileVersion::Valkey80,
            ] {
                let bytes = encode(&stream, target);
                let read = decode(type_byte(target), &bytes).unwrap();
                assert_eq!(encode(&read, target), bytes);
                assert_eq!(read.first_id(), stream.first_id());
            }
        }
        let old = encode(&sample(), FileVersion::Redis10);
        let read = decode(t::STREAM_LISTPACKS_2, &old).unwrap();
        let bob = read.group(b"busy").unwrap().consumer(b"bob").unwrap();
        assert_eq!((bob.seen_ms, bob.active_ms), (2000, 2000));
    }

    #[test]
    fn the_oldest_form() {
        let mut stream = sample();
        let read = decode(t::STREAM_LISTPACKS, &encode_oldest(&stream)).unwrap();
        assert!(read.nodes().eq(stream.nodes()));
        assert_eq!(read.entries_added(), stream.len());
        assert_eq!(read.max_deleted_id(), StreamId::MIN);
        let group = read.group(b"anew").unwrap();
        assert_eq!(group.entries_read, Some(0));
        assert_eq!(group.consumer(b"carol").unwrap().active_ms, 77);
        assert_eq!(read.group(b"busy").unwrap().entries_read, None);
        let all: Vec<_> = stream.nodes().map(|(id, _)| id).collect();
        assert!(all.len() > 3);
        stream.remove_group(b"busy");
        assert!(decode(t::STREAM_LISTPACKS_3, &encode_oldest(&stream)).is_err());
    }

    /// Any byte may be another one: the value is refused, or one that can be written again.
    #[test]
    fn broken_bytes_do_no_harm() {
        let out = encode(&sample(), FileVersion::Redis11);
        let mut accepted = 0;
        for at in 0..out.len() {
            assert!(decode(t::STREAM_LISTPACKS_3, &out[..at]).is_err());
            for value in [
                0,
                1,
                0x40,
                0x80,
                0x81,
                0xC3,
                0xFF,
                out[at] ^ 1,
                out[at] ^ 0x10,
            ] {
                let mut broken = out.clone();
                broken[at] = value;
                if let Ok(stream) = decode(t::STREAM_LISTPACKS_3, &broken) {
                    let again = encode(&stream, FileVersion::Redis11);
                    decode(t::STREAM_LISTPACKS_3, &again).unwrap();
                    accepted += 1;
                }
            }
        }
        assert!(accepted > 0);
    }

    #[test]
    fn what_is_pending_has_one_owner() {
        let whole = encode(&sample(), FileVersion::Redis11);
        let check = |bytes: &[u8], expect: &str| match decode(t::STREAM_LISTPACKS_3, bytes) {
            Err(Stop::Bad(_, DecodeErrorKind::BadValue(what))) => assert_eq!(what, expect),
            other => panic!("{other:?}"),
        };
        // The last consumer has nothing: let it have what is another's, or nobody's.
        for ms in [2, 30] {
            let mut bytes = whole.clone();
            *bytes.last_mut().unwrap() = 1;
            bytes.extend_from_slice(&StreamId::new(ms, ms % 3).to_bytes());
            check(&bytes, "a consumer's pending entry that is not its group's");
        }
        // Name, two times, and how many there are.
        let alice = whole.windows(5).position(|text| text == b"alice").unwrap();
        let count_at = alice + 5 + 16;
        let mut bytes = whole.clone();
        bytes[count_at] -= 1;
        bytes.drain(count_at + 1..count_at + 17);
        check(&bytes, "a pending stream entry of no consumer");
        let mut bytes = whole.clone();
        bytes[alice..alice + 5].copy_from_slice(b"aLice");
        decode(t::STREAM_LISTPACKS_3, &bytes).unwrap();
    }
}
