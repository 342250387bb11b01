//! Entries read from several streams at once, by anyone or for a group.

use smallvec::SmallVec;

use super::progress::{Given, GroupRef};
use super::wire::{exact_id, reply_entries, reply_entry, reply_id};
use crate::commands::args::Args;
use crate::commands::blocking::deadline_after;
use crate::commands::cx::{Blocking, Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::shape::{KeyRef, access};
use crate::commands::typed::TypedStore;
use crate::resp::argv::OwnedCommand;
use crate::resp::reply::{Deferred, ReplyBuf};
use crate::resp::request::Argv;
use crate::shared::parked::Nothing;
use crate::store::effects::event::STREAM;
use crate::store::keyspace::Key;
use crate::types::stream::{Consumer, NEVER, Pending, StreamId};
use crate::types::{Kind, Stream};

const NO_TIMEOUT: &str = "ERR timeout is not an integer or out of range";
const GROUP_IN_XREAD: &str =
    "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.";
const NOACK_IN_XREAD: &str =
    "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.";
const NO_GROUP: &str = "ERR Missing GROUP option for XREADGROUP";
const NEW_IN_XREAD: &str = "ERR The > ID can be specified only when calling XREADGROUP using the \
                            GROUP <group> <consumer> option.";

/// What stands in front of the ids.
struct Request<'a> {
    /// So many entries of each stream; 0 for all.
    count: usize,
    /// Whether to wait, and until when.
    waits: Option<Option<i64>>,
    group: Option<(&'a [u8], &'a [u8])>,
    no_ack: bool,
    streams: usize,
    /// At the first key.
    keys: Args<'a>,
    /// At the first id.
    ids: Args<'a>,
}

impl<'a> Request<'a> {
    fn parse(cx: &Cx, mut args: Args<'a>, for_group: bool) -> Result<Request<'a>, CmdError> {
        let (mut count, mut waits, mut group, mut no_ack) = (0, None, None, false);
        loop {
            let more = args.left().saturating_sub(1);
            if more > 0 && args.take("BLOCK") {
                let timeout = args.i64_or(CmdError::text(NO_TIMEOUT));
                args.check()?;
                waits = Some(deadline_after(cx, timeout)?);
            } else if more > 0 && args.take("COUNT") {
                let given = args.i64();
                args.check()?;
                count = given.max(0) as usize;
            } else if more > 0 && args.take("STREAMS") {
                break;
            } else if more > 1 && args.take("GROUP") {
                if !for_group {
                    return Err(CmdError::text(GROUP_IN_XREAD));
                }
                group = Some((args.bytes(), args.bytes()));
            } else if args.take("NOACK") {
                if !for_group {
                    return Err(CmdError::text(NOACK_IN_XREAD));
                }
                no_ack = true;
            } else {
                return Err(CmdError::Syntax);
            }
        }
        if !args.left().is_multiple_of(2) {
            let (name, ids) = match for_group {
                true => ("xreadgroup", "ID or '>'"),
                false => ("xread", "ID, '+', or '$'"),
            };
            return Err(CmdError::err(format!(
                "Unbalanced '{name}' list of streams: for each stream key an {ids} must be \
                 specified."
            )));
        }
        if for_group && group.is_none() {
            return Err(CmdError::text(NO_GROUP));
        }
        let streams = args.left() / 2;
        let mut ids = args.clone();
        ids.skip(streams);
        Ok(Request {
            count,
            waits,
            group,
            no_ack,
            streams,
            keys: args,
            ids,
        })
    }

    fn keys(&self) -> impl Iterator<Item = Key<'a>> {
        let mut keys = self.keys.clone();
        (0..self.streams).map(move |_| keys.key())
    }

    fn ids(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut ids = self.ids.clone();
        (0..self.streams).map(move |_| ids.bytes())
    }

    /// Nothing is there: waits for the keys if that is asked for and possible.
    fn wait(&self, cx: &mut Cx, request: Option<OwnedCommand>) -> Outcome {
        let Some(deadline_ms) = self.waits.filter(|_| cx.may_block()) else {
            cx.reply.null_array();
            return Outcome::Done;
        };
        Outcome::Block(Box::new(Blocking {
            keys: self.keys().map(|key| key.bytes.into()).collect(),
            kind: Kind::Stream,
            even_without_key: self.group.is_some(),
            deadline_ms,
            nothing: Nothing::NullArray,
            request,
        }))
    }
}

/// The keys of XREAD and XREADGROUP, found as the handlers find them.
pub fn keys(argv: Argv, found: &mut Vec<KeyRef>) {
    let mut at = 1;
    while at < argv.len() {
        let option = argv.get(at);
        let is = |word: &[u8]| option.eq_ignore_ascii_case(word);
        at += match () {
            () if is(b"BLOCK") || is(b"COUNT") => 2,
            () if is(b"GROUP") => 3,
            () if is(b"NOACK") => 1,
            () if is(b"STREAMS") => {
                let first = at + 1;
                let streams = argv.len().saturating_sub(first) / 2;
                found.extend((first..first + streams).map(|arg| KeyRef {
                    arg,
                    access: access::RO | access::ACCESS,
                }));
                return;
            }
            () => return,
        };
    }
}

/// The reply: a map of streams to entries, in RESP2 an array of pairs.
struct Streams {
    from: usize,
    head: Deferred,
    len: usize,
}

impl Streams {
    fn begin(reply: &mut ReplyBuf) -> Streams {
        Streams {
            from: reply.len_bytes(),
            head: reply.array_deferred(),
            len: 0,
        }
    }

    /// The entries of this stream follow.
    fn stream(&mut self, reply: &mut ReplyBuf, key: Key) {
        if !reply.resp3() {
            reply.array(2);
        }
        reply.bulk(key.bytes);
        self.len += 1;
    }

    /// False, and nothing is written, if there was no stream.
    fn finish(self, reply: &mut ReplyBuf) -> bool {
        if self.len == 0 {
            reply.truncate(self.from);
        } else if reply.resp3() {
            reply.finish_map(self.head, self.len);
        } else {
            reply.finish_array(self.head, self.len);
        }
        self.len > 0
    }
}

type Ids = SmallVec<[StreamId; 4]>;

pub fn xread(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let argv = args.argv();
    let request = Request::parse(cx, args, false)?;
    let db = cx.session.db;
    let mut behind = Ids::new();
    for (key, id) in request.keys().zip(request.ids()) {
        let stream = cx.store.read_as::<Stream>(db, key)?;
        behind.push(match id {
            b"$" => stream.map_or(StreamId::MIN, Stream::last_id),
            // Behind the last but one: the last one is what is wanted.
            b"+" => {
                let last = stream.and_then(Stream::last);
                last.and_then(|entry| entry.id.prev()).unwrap_or_default()
            }
            b">" => return Err(CmdError::text(NEW_IN_XREAD)),
            id => exact_id(id)?,
        });
    }
    let mut streams = Streams::begin(cx.reply);
    for (key, behind) in request.keys().zip(&behind) {
        let (Some(stream), Some(start)) = (cx.store.read_as::<Stream>(db, key)?, behind.next())
        else {
            continue;
        };
        let mut entries = stream.range(start, StreamId::MAX).peekable();
        if entries.peek().is_some() {
            streams.stream(cx.reply, key);
            reply_entries(cx.reply, entries, request.count);
        }
    }
    if streams.finish(cx.reply) {
        return Ok(Outcome::Done);
    }
    let again = request.ids().any(|id| id == b"$");
    let again = again.then(|| resolved(argv, &request, &behind));
    Ok(request.wait(cx, again))
}

/// The request with the ids that `$` stands for now.
fn resolved(argv: Argv, request: &Request, ids: &Ids) -> OwnedCommand {
    let texts: Vec<_> = ids.iter().map(|id| id.text()).collect();
    let mut args: Vec<&[u8]> = argv.iter().collect();
    let first = args.len() - request.streams;
    for (arg, text) in args[first..].iter_mut().zip(&texts) {
        if *arg == b"$" {
            *arg = text.bytes();
        }
    }
    OwnedCommand::from_args(&args)
}

/// What a consumer asks for.
#[derive(Clone, Copy)]
enum Wanted {
    /// `>`: what nobody of the group was given yet.
    New,
    /// What it was given itself and has not acknowledged, behind this id.
    Own(StreamId),
}

/// A `>` that is written as the largest id is one all the same.
fn wanted(id: &[u8]) -> Result<Wanted, CmdError> {
    let meaningless = |id: char| {
        CmdError::err(format!(
            "The {id} ID is meaningless in the context of XREADGROUP: you want to read the \
             history of this consumer by specifying a proper ID, or use the > ID to get new \
             messages. The {id} ID would just return an empty result set."
        ))
    };
    match id {
        b"$" => Err(meaningless('$')),
        b"+" => Err(meaningless('+')),
        b">" => Ok(Wanted::New),
        id => match exact_id(id)? {
            StreamId::MAX => Ok(Wanted::New),
            id => Ok(Wanted::Own(id)),
        },
    }
}

pub fn xreadgroup(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let request = Request::parse(cx, args, true)?;
    let (name, consumer) = request.group.unwrap_or_default();
    let db = cx.session.db;
    let mut all: SmallVec<[Wanted; 4]> = SmallVec::new();
    for (key, id) in request.keys().zip(request.ids()) {
        let group = GroupRef { key, name };
        let stream = cx.store.read_as::<Stream>(db, key)?;
        if stream.and_then(|stream| stream.group(name)).is_none() {
            return Err(group.missing(" in XREADGROUP with GROUP option"));
        }
        all.push(wanted(id)?);
    }
    let mut streams = Streams::begin(cx.reply);
    for (key, wanted) in request.keys().zip(all) {
        let mut reading = Reading {
            group: GroupRef { key, name },
            consumer,
            count: request.count,
            no_ack: request.no_ack,
            is_new: false,
        };
        reading.read(cx, wanted, &mut streams)?;
    }
    // What it did is logged, if it did anything; what it was asked for never is.
    cx.store.effects().instead_of_request();
    match streams.finish(cx.reply) {
        true => Ok(Outcome::Done),
        false => Ok(request.wait(cx, None)),
    }
}

/// A consumer's look at one stream.
struct Reading<'a> {
    group: GroupRef<'a>,
    consumer: &'a [u8],
    count: usize,
    no_ack: bool,
    /// The consumer was made by this.
    is_new: bool,
}

/// What a group's reading has changed.
struct Progress {
    ids: Vec<StreamId>,
    entries_read: Option<u64>,
}

impl Reading<'_> {
    fn read(&mut self, cx: &mut Cx, wanted: Wanted, streams: &mut Streams) -> Result<(), CmdError> {
        let (db, now_ms) = (cx.session.db, cx.now_ms());
        let Some(mut stream) = cx.store.change::<Stream>(db, self.group.key)? else {
            return Ok(());
        };
        let Some(group) = stream.group_mut(self.group.name) else {
            return Ok(());
        };
        self.is_new = group.add_consumer(self.consumer, Consumer::new(now_ms, NEVER));
        if let Some(consumer) = group.consumer_mut(self.consumer) {
            consumer.seen_ms = now_ms;
        }
        let progress = match wanted {
            Wanted::Own(behind) => {
                streams.stream(cx.reply, self.group.key);
                self.repeat(&mut stream, cx.reply, behind, now_ms);
                None
            }
            Wanted::New => self.deliver(&mut stream, cx.reply, streams, now_ms),
        };
        drop(stream);
        self.log(cx, progress, now_ms);
        Ok(())
    }

    /// Gives what is new, if anything is.
    fn deliver(
        &self,
        stream: &mut Stream,
        reply: &mut ReplyBuf,
        streams: &mut Streams,
        now_ms: i64,
    ) -> Option<Progress> {
        let group = stream.group(self.group.name)?;
        let (mut last_id, mut entries_read) = (group.last_id, group.entries_read);
        let mut entries = stream.range(last_id.next()?, StreamId::MAX).peekable();
        entries.peek()?;
        streams.stream(reply, self.group.key);
        let mut ids = Vec::new();
        let entries = entries.inspect(|entry| {
            entries_read = stream.read_with((last_id, entries_read), entry.id);
            last_id = entry.id;
            ids.push(entry.id);
        });
        reply_entries(reply, entries, self.count);
        let group = stream.group_mut(self.group.name)?;
        (group.last_id, group.entries_read) = (last_id, entries_read);
        if !self.no_ack {
            let name = group.consumer_name(self.consumer)?;
            for &id in &ids {
                let pending = Pending {
                    consumer: name.clone(),
                    delivered_ms: now_ms,
                    deliveries: 1,
                };
                group.give(id, pending);
            }
            group.consumer_mut(self.consumer)?.active_ms = now_ms;
        }
        Some(Progress { ids, entries_read })
    }

    /// Gives the consumer once more what it has not acknowledged.
    fn repeat(&self, stream: &mut Stream, reply: &mut ReplyBuf, behind: StreamId, now_ms: i64) {
        let own = self.own_ids(stream, behind).unwrap_or_default();
        let mut found = Vec::new();
        reply.array(own.len());
        for id in own {
            if let Some(entry) = stream.get(id) {
                reply_entry(reply, &entry);
                found.push(id);
            } else {
                reply.array(2);
                reply_id(reply, id);
                reply.null_array();
            }
        }
        if let Some(group) = stream.group_mut(self.group.name) {
            for id in found {
                group.deliver_again(id, now_ms);
            }
        }
    }

    fn own_ids(&self, stream: &Stream, behind: StreamId) -> Option<Vec<StreamId>> {
        let count = if self.count == 0 {
            usize::MAX
        } else {
            self.count
        };
        let group = stream.group(self.group.name)?;
        let own = group.consumer(self.consumer)?;
        Some(own.pending_from(behind.next()?).take(count).collect())
    }

    fn log(&self, cx: &mut Cx, progress: Option<Progress>, now_ms: i64) {
        let group = self.group;
        if self.is_new {
            cx.event(STREAM, "xgroup-createconsumer", group.key);
            cx.dirty(1);
        }
        let gives = progress.is_some() && !self.no_ack;
        if self.is_new && !gives {
            group.log_consumer(cx, self.consumer);
        }
        let Some(Progress { ids, entries_read }) = progress else {
            return;
        };
        cx.dirty(1);
        let Some(&last_id) = ids.last().filter(|_| cx.store.effects().logging) else {
            return;
        };
        for id in ids.iter().filter(|_| gives) {
            let text = id.text();
            let given = Given {
                consumer: self.consumer,
                id: text.bytes(),
                delivered_ms: now_ms,
                deliveries: 1,
                last_id: *id,
            };
            group.log_given(cx, &given);
        }
        group.log_last_id(cx, last_id, entries_read);
    }
}
