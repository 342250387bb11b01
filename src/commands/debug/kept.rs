//! How keys and values are kept: what DEBUG OBJECT, SDSLEN, LISTPACK, QUICKLIST, HTSTATS and
//! HTSTATS-KEY show, in Redis's form as far as there is here what it names.

use crate::commands::args::Args;
use crate::commands::cx::Cx;
use crate::commands::error::CmdError;
use crate::rdb::encode::Encoder;
use crate::rdb::format::FileVersion;
use crate::rdb::value;
use crate::store::entry::Entry;
use crate::store::keyspace::Key;
use crate::store::locked::Expiry;
use crate::types::{Encoding, List, ValueRef};

/// Looks at a key. One that is due and was not deleted yet is an object too.
fn look<T>(cx: &mut Cx, key: Key, at: impl FnOnce(&Entry) -> T) -> Result<T, CmdError> {
    let expiry = std::mem::replace(&mut cx.store.expiry, Expiry::Ignore);
    let found = cx.store.peek(cx.session.db, key).map(|entry| at(&entry));
    cx.store.expiry = expiry;
    found.ok_or(CmdError::NoSuchKey)
}

pub fn object(cx: &mut Cx, key: Key) -> Result<(), CmdError> {
    let clock = cx.store.lru_clock();
    let text = look(cx, key, |entry| describe(entry, clock))?;
    cx.reply.simple(&text);
    Ok(())
}

fn describe(entry: &Entry, clock: u32) -> String {
    let used = entry.access();
    let more = match entry.value() {
        Some(ValueRef::List(list)) => describe_nodes(list),
        _ => String::new(),
    };
    format!(
        "Value at:{:p} refcount:1 encoding:{} serializedlength:{} lru:{used} \
         lru_seconds_idle:{}{more}",
        entry.key().as_ptr(),
        entry.encoding().name(),
        serialized(entry, true).len(),
        clock.wrapping_sub(used) & 0xff_ffff,
    )
}

/// The value as in an RDB file.
fn serialized(entry: &Entry, compressed: bool) -> Vec<u8> {
    let mut serialized = Vec::new();
    let encoder = &mut Encoder::new(compressed);
    match (entry.string_bytes(), entry.value()) {
        (Some(text), _) => encoder.put_string(&mut serialized, text),
        (None, Some(value)) => {
            value::put(value, FileVersion::Redis12, encoder, &mut serialized);
        }
        (None, None) => {}
    }
    serialized
}

/// What there is to say of a large list's nodes.
fn describe_nodes(list: &List) -> String {
    if list.encoding() != Encoding::QuickList {
        return String::new();
    }
    let nodes = list.node_count();
    let bytes = list.nodes().map(|node| node.bytes().len());
    format!(
        " ql_nodes:{nodes} ql_avg_node:{:.2} ql_compressed:0 ql_uncompressed_size:{}",
        list.len() as f64 / nodes as f64,
        bytes.sum::<usize>()
    )
}

/// SDSLEN. A key, and a string that is not long, have no more room than they need; they lie in
/// one piece of memory, of which each is said to have its share.
pub fn string_sizes(cx: &mut Cx, key: Key) -> Result<(), CmdError> {
    let sizes = look(cx, key, |entry| {
        match (entry.value(), entry.string_bytes()) {
            _ if entry.encoding() == Encoding::Int => None,
            (Some(ValueRef::String(long)), _) => Some((long.len(), long.capacity())),
            (_, short) => short.map(|text| (text.len(), text.len())),
        }
    })?;
    let (len, room) = sizes.ok_or(CmdError::text("ERR Not an sds encoded string."))?;
    let (key_len, more) = (key.bytes.len(), room - len);
    cx.reply.simple(&format!(
        "key_sds_len:{key_len}, key_sds_avail:0, key_zmalloc: {key_len}, val_sds_len:{len}, \
         val_sds_avail:{more}, val_zmalloc: {room}"
    ));
    Ok(())
}

/// LISTPACK and QUICKLIST. Redis prints the values to its standard output, where the log goes.
pub fn log_bytes(cx: &mut Cx, key: Key, encoding: Encoding) -> Result<(), CmdError> {
    let bytes = look(cx, key, |entry| {
        let is_it = entry.encoding() == encoding;
        is_it.then(|| serialized(entry, false))
    })?;
    let name = encoding.name();
    let Some(bytes) = bytes else {
        return Err(CmdError::err(format_args!("Not a {name} encoded object.")));
    };
    tracing::warn!("DEBUG {name}: {}", bytes.escape_ascii());
    let (first, rest) = name.split_at(1);
    let first = first.to_uppercase();
    let text = format!("{first}{rest} structure printed on stdout");
    cx.reply.simple(&text);
    Ok(())
}

/// HTSTATS. Times to live are kept with their keys: there is no table of them.
pub fn table_sizes(cx: &mut Cx, mut args: Args) -> Result<(), CmdError> {
    let index = args.i64();
    args.check()?;
    let is_there = |&db: &u32| (db as usize) < cx.store.keyspace.database_count();
    let db = u32::try_from(index).ok().filter(is_there);
    let db = db.ok_or(CmdError::text("ERR Out of range database"))?;
    let table = match cx.store.len(db) {
        0 => String::new(),
        keys => sizes(Some(cx.store.slot_count(db)), keys as usize),
    };
    let text = format!("[Dictionary HT]\n{table}[Expires HT]\n");
    cx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// HTSTATS-KEY.
pub fn value_size(cx: &mut Cx, key: Key) -> Result<(), CmdError> {
    let len = look(cx, key, |entry| match (entry.encoding(), entry.value()?) {
        (Encoding::HashTable, ValueRef::Hash(hash)) => Some(hash.len()),
        (Encoding::HashTable, ValueRef::Set(set)) => Some(set.len()),
        (Encoding::SkipList, ValueRef::ZSet(set)) => Some(set.len()),
        _ => None,
    })?;
    let len = len.ok_or(CmdError::text(
        "ERR The value stored at the specified key is not represented using an hash table",
    ))?;
    cx.reply.verbatim("txt", sizes(None, len).as_bytes());
    Ok(())
}

/// Values grow in pages without a size of their table.
fn sizes(slots: Option<usize>, elements: usize) -> String {
    let slots = slots.map_or(String::new(), |slots| format!(" table size: {slots}\n"));
    format!("Hash table 0 stats (main hash table):\n{slots} number of elements: {elements}\n")
}
