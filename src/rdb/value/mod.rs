//! The values that are no strings, one file a type: how each is written for whom, and every
//! encoding it was ever written in.
//!
//! What is read here is whole: the decoder has found where the value ends (`frame`). It is
//! believed in nothing else. Lengths are held against the bytes that are there, every blob
//! is checked to its last byte, and what has an element twice is refused.

mod hash;
mod list;
mod set;
mod stream;
mod zset;

use super::cursor::{Cursor, Stop};
use super::encode::Encoder;
use super::error::DecodeErrorKind;
use super::format::{Dialect, FileVersion, type_byte as t};
use crate::types::{Limits, Value, ValueRef};

/// The byte that tells how a value stands in a file of version `target`; `None` if such a
/// file cannot hold it. A string is `type_byte::STRING` everywhere and not asked for here.
pub fn type_byte(value: ValueRef<'_>, target: FileVersion) -> Option<u8> {
    match value {
        ValueRef::String(_) => Some(t::STRING),
        ValueRef::List(_) => Some(list::type_byte()),
        ValueRef::Stream(_) => Some(stream::type_byte(target)),
        ValueRef::ZSet(zset) => Some(zset::type_byte(zset)),
        ValueRef::Hash(hash) => hash::type_byte(hash, target),
        ValueRef::Set(set) => Some(set::type_byte(set, target)),
    }
}

/// Whether there is nothing of the value that the version has no place for.
pub fn holds_all(value: ValueRef<'_>, target: FileVersion) -> bool {
    match value {
        ValueRef::Stream(stream) => stream::holds_all(stream, target),
        _ => type_byte(value, target).is_some(),
    }
}

/// Appends what stands behind the type byte and the key, of a value that `type_byte` has a
/// byte for.
pub fn put(value: ValueRef<'_>, target: FileVersion, encoder: &mut Encoder, out: &mut Vec<u8>) {
    match value {
        ValueRef::String(bytes) => encoder.put_string(out, bytes),
        ValueRef::List(list) => list::put(list, encoder, out),
        ValueRef::Stream(stream) => stream::put(stream, target, encoder, out),
        ValueRef::ZSet(zset) => zset::put(zset, encoder, out),
        ValueRef::Hash(hash) => hash::put(hash, target, encoder, out),
        ValueRef::Set(set) => set::put(set, target, encoder, out),
    }
}

/// Reads the whole of `raw`, which stood behind a type byte other than a string's, and
/// chooses the encoding that `limits` ask for. The value may be empty: some servers have
/// written such files.
///
/// # Errors
/// What is wrong with it, in the words of `DecodeErrorKind`.
pub fn decode(
    type_byte: u8,
    dialect: Dialect,
    raw: &[u8],
    limits: &Limits,
) -> Result<Value, DecodeErrorKind> {
    let mut cursor = Cursor::new(raw, 0, u64::MAX);
    let value = take(type_byte, dialect, &mut cursor, limits).map_err(|stop| match stop {
        Stop::Need(_) => DecodeErrorKind::Truncated,
        Stop::Bad(_, kind) => kind,
    })?;
    match cursor.position() == raw.len() {
        true => Ok(value),
        false => Err(DecodeErrorKind::BadValue("bytes behind the value")),
    }
}

fn take(
    type_byte: u8,
    dialect: Dialect,
    cursor: &mut Cursor,
    limits: &Limits,
) -> Result<Value, Stop> {
    match type_byte {
        t::LIST | t::LIST_ZIPLIST | t::LIST_QUICKLIST | t::LIST_QUICKLIST_2 => {
            list::take(type_byte, cursor, &limits.list).map(Value::List)
        }
        t::SET | t::SET_INTSET | t::SET_LISTPACK => {
            set::take(type_byte, cursor, &limits.set).map(Value::Set)
        }
        t::STREAM_LISTPACKS | t::STREAM_LISTPACKS_2 | t::STREAM_LISTPACKS_3 => {
            stream::take(type_byte, cursor).map(Value::Stream)
        }
        t::ZSET | t::ZSET_2 | t::ZSET_ZIPLIST | t::ZSET_LISTPACK => {
            zset::take(type_byte, cursor, &limits.zset).map(Value::ZSet)
        }
        _ if hash::is_type(type_byte, dialect) => {
            hash::take(type_byte, dialect, cursor, &limits.hash).map(Value::Hash)
        }
        _ => {
            let kind = DecodeErrorKind::UnknownType {
                code: type_byte,
                key: None,
            };
            Err(Stop::Bad(0, kind))
        }
    }
}
