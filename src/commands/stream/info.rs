//! XINFO: what a stream, its groups and their consumers are like.

use super::progress::no_group;
use super::wire::{reply_entries, reply_entry, reply_id};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::help;
use crate::commands::typed::TypedStore;
use crate::resp::reply::ReplyBuf;
use crate::types::Stream;
use crate::types::stream::{Consumer, Group, StreamId};

/// So many entries of each kind unless the request says how many.
const COUNT_DEFAULT: i64 = 10;

/// How many of a stream's nodes are looked at to tell how many nodes a radix tree would
/// have; the others are taken to be like them.
const NODES_LOOKED_AT: usize = 1 << 16;

pub fn stream(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let stream = cx.store.read_as::<Stream>(cx.session.db, key)?;
    let stream = stream.ok_or(CmdError::NoSuchKey)?;
    match full(&mut args)? {
        Some(count) => reply_full(cx.reply, stream, count),
        None => reply_short(cx.reply, stream),
    }
    Ok(Outcome::Done)
}

/// FULL, and how many of each kind it shows at most; 0 for all.
fn full(args: &mut Args) -> Result<Option<usize>, CmdError> {
    if args.is_empty() {
        return Ok(None);
    }
    let is_full = args.take("FULL");
    let mut count = COUNT_DEFAULT;
    if is_full && args.left() == 2 && args.take("COUNT") {
        count = args.i64();
        args.check()?;
    }
    if !is_full || !args.is_empty() {
        return Err(help::wrong_shape(args, "XINFO"));
    }
    Ok(Some(if count < 0 { COUNT_DEFAULT } else { count } as usize))
}

fn reply_head(reply: &mut ReplyBuf, stream: &Stream) {
    let mut number = |name: &str, value: u64| {
        reply.bulk(name.as_bytes());
        reply.integer(value as i64);
    };
    number("length", stream.len());
    number("radix-tree-keys", stream.node_count() as u64);
    number("radix-tree-nodes", radix_nodes(stream));
    let field_id = |reply: &mut ReplyBuf, name: &str, id| {
        reply.bulk(name.as_bytes());
        reply_id(reply, id);
    };
    field_id(reply, "last-generated-id", stream.last_id());
    field_id(reply, "max-deleted-entry-id", stream.max_deleted_id());
    reply.bulk(b"entries-added");
    reply.integer(stream.entries_added() as i64);
    field_id(reply, "recorded-first-entry-id", stream.first_id());
}

fn reply_short(reply: &mut ReplyBuf, stream: &Stream) {
    reply.map(10);
    reply_head(reply, stream);
    reply.bulk(b"groups");
    reply.integer(stream.group_count() as i64);
    let first = stream.range(StreamId::MIN, StreamId::MAX).next();
    for (name, entry) in [("first-entry", first), ("last-entry", stream.last())] {
        reply.bulk(name.as_bytes());
        match entry {
            Some(entry) => reply_entry(reply, &entry),
            None => reply.null(),
        }
    }
}

fn reply_full(reply: &mut ReplyBuf, stream: &Stream, count: usize) {
    reply.map(9);
    reply_head(reply, stream);
    reply.bulk(b"entries");
    reply_entries(reply, stream.range(StreamId::MIN, StreamId::MAX), count);
    reply.bulk(b"groups");
    reply.array(stream.group_count());
    let count = if count == 0 { usize::MAX } else { count };
    for (name, group) in stream.groups() {
        reply.map(7);
        reply.bulk(b"name");
        reply.bulk(name);
        reply_progress(reply, stream, group);
        reply.bulk(b"pel-count");
        reply.integer(group.pending_count() as i64);
        reply.bulk(b"pending");
        reply.array(group.pending_count().min(count));
        for (id, pending) in group.pending_from(StreamId::MIN).take(count) {
            reply.array(4);
            reply_id(reply, *id);
            reply.bulk(&pending.consumer);
            reply.integer(pending.delivered_ms);
            reply.integer(pending.deliveries as i64);
        }
        reply.bulk(b"consumers");
        reply.array(group.consumer_count());
        for (name, consumer) in group.consumers() {
            reply_consumer(reply, group, name, consumer, count);
        }
    }
}

/// A consumer with up to `count` entries that are pending for it.
fn reply_consumer(
    reply: &mut ReplyBuf,
    group: &Group,
    name: &[u8],
    consumer: &Consumer,
    count: usize,
) {
    reply.map(5);
    reply.bulk(b"name");
    reply.bulk(name);
    reply.bulk(b"seen-time");
    reply.integer(consumer.seen_ms);
    reply.bulk(b"active-time");
    reply.integer(consumer.active_ms);
    reply.bulk(b"pel-count");
    reply.integer(consumer.pending_count() as i64);
    reply.bulk(b"pending");
    reply.array(consumer.pending_count().min(count));
    for id in consumer.pending_from(StreamId::MIN).take(count) {
        let pending = group.pending(id);
        reply.array(3);
        reply_id(reply, id);
        reply.integer(pending.map_or(0, |pending| pending.delivered_ms));
        reply.integer(pending.map_or(0, |pending| pending.deliveries) as i64);
    }
}

/// How far a group has come, and how far it has still to go.
fn reply_progress(reply: &mut ReplyBuf, stream: &Stream, group: &Group) {
    reply.bulk(b"last-delivered-id");
    reply_id(reply, group.last_id);
    let mut number = |name: &str, value: Option<i64>| {
        reply.bulk(name.as_bytes());
        match value {
            Some(value) => reply.integer(value),
            None => reply.null(),
        }
    };
    number("entries-read", group.entries_read.map(|read| read as i64));
    number("lag", stream.lag(group));
}

pub fn groups(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let stream = cx.store.read_as::<Stream>(cx.session.db, args.key())?;
    let stream = stream.ok_or(CmdError::NoSuchKey)?;
    cx.reply.array(stream.group_count());
    for (name, group) in stream.groups() {
        cx.reply.map(6);
        cx.reply.bulk(b"name");
        cx.reply.bulk(name);
        cx.reply.bulk(b"consumers");
        cx.reply.integer(group.consumer_count() as i64);
        cx.reply.bulk(b"pending");
        cx.reply.integer(group.pending_count() as i64);
        reply_progress(cx.reply, stream, group);
    }
    Ok(Outcome::Done)
}

pub fn consumers(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, name) = (args.key(), args.bytes());
    let now_ms = cx.now_ms();
    let stream = cx.store.read_as::<Stream>(cx.session.db, key)?;
    let stream = stream.ok_or(CmdError::NoSuchKey)?;
    let Some(group) = stream.group(name) else {
        return Err(no_group(key, name));
    };
    cx.reply.array(group.consumer_count());
    for (name, consumer) in group.consumers() {
        let since = |ms: i64| now_ms.saturating_sub(ms).max(0);
        cx.reply.map(4);
        cx.reply.bulk(b"name");
        cx.reply.bulk(name);
        cx.reply.bulk(b"pending");
        cx.reply.integer(consumer.pending_count() as i64);
        cx.reply.bulk(b"idle");
        cx.reply.integer(since(consumer.seen_ms));
        cx.reply.bulk(b"inactive");
        cx.reply.integer(match consumer.active_ms {
            ms @ 0.. => since(ms),
            never => never,
        });
    }
    Ok(Outcome::Done)
}

pub fn help(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    help::reply(
        cx,
        "XINFO",
        &[
            "CONSUMERS <key> <groupname>",
            "    Tells about the consumers of a group.",
            "GROUPS <key>",
            "    Tells about the groups of a stream.",
            "STREAM <key> [FULL [COUNT <count>]]",
            "    Tells about a stream.",
        ],
    )
}

/// How many nodes Redis's radix tree would have for the same stream: it is asked for by those
/// who estimate memory by it.
fn radix_nodes(stream: &Stream) -> u64 {
    let ids = stream.nodes().map(|(id, _)| id).take(NODES_LOOKED_AT);
    let looked_at = stream.node_count().clamp(1, NODES_LOOKED_AT);
    let nodes = count_radix_nodes(ids);
    nodes * stream.node_count().max(1) as u64 / looked_at as u64
}

/// The nodes of a compressed radix tree over ids in order: one for each place where keys
/// part, one for each run of bytes between such places, one for each end.
fn count_radix_nodes(ids: impl Iterator<Item = StreamId>) -> u64 {
    const ID_BYTES: usize = 16;
    let mut ids = ids.map(StreamId::to_bytes);
    let Some(mut before) = ids.next() else {
        return 1;
    };
    let mut nodes = 0;
    // Depths of the places on the way to the last key, where keys part.
    let mut way: Vec<usize> = Vec::new();
    // A run from behind `parent`, or from the root, down to `depth`.
    let run = |parent: Option<&usize>, depth: usize| {
        u64::from(depth > parent.map_or(0, |parent| parent + 1))
    };
    for id in ids {
        let common = before.iter().zip(&id).take_while(|(a, b)| a == b).count();
        // The last key's end, and its run up to the deepest place it shares with either side.
        let deepest = way.last().copied().max(Some(common));
        nodes += 1 + run(deepest.as_ref(), ID_BYTES);
        while let Some(depth) = way.pop_if(|depth| *depth > common) {
            let parent = way.last().copied().max(Some(common));
            nodes += run(parent.as_ref(), depth);
        }
        if way.last() != Some(&common) {
            way.push(common);
            nodes += 1;
        }
        before = id;
    }
    nodes += 1 + run(way.last(), ID_BYTES);
    while let Some(depth) = way.pop() {
        nodes += run(way.last(), depth);
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn radix_trees() {
        let check = |ids: &[(u64, u64)], expect: u64| {
            let ids = ids.iter().map(|&(ms, seq)| StreamId::new(ms, seq));
            assert_eq!(count_radix_nodes(ids), expect);
        };
        check(&[], 1);
        // A run and an end.
        check(&[(1, 1)], 2);
        // A run of 15 bytes, a place where keys part, two ends.
        check(&[(1, 1), (1, 2)], 4);
        // The same with runs in front of the ends.
        check(&[(1, 1), (2, 1)], 6);
        check(&[(1, 1), (1, 2), (2, 1)], 8);
        check(&[(1, 1), (2, 1), (2, 2)], 8);
        // No run at the root.
        check(&[(1, 1), (u64::MAX, 1)], 5);
    }
}
