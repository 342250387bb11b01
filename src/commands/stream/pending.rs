//! What was given to consumers and is not acknowledged yet.

use smallvec::SmallVec;

use super::progress::GroupRef;
use super::wire::{exact_id, range_end, range_start, reply_id};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::TypedStore;
use crate::resp::reply::ReplyBuf;
use crate::types::Stream;
use crate::types::stream::{Group, Pending, StreamId};

pub fn xack(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, name) = (args.key(), args.bytes());
    let db = cx.session.db;
    let stream = cx.store.read_as::<Stream>(db, key)?;
    if stream.and_then(|stream| stream.group(name)).is_none() {
        cx.reply.integer(0);
        return Ok(Outcome::Done);
    }
    let mut ids: SmallVec<[StreamId; 8]> = SmallVec::new();
    while let Some(text) = args.next() {
        ids.push(exact_id(text)?);
    }
    let mut acknowledged = 0;
    if let Some(mut stream) = cx.store.change::<Stream>(db, key)?
        && let Some(group) = stream.group_mut(name)
    {
        for &id in &ids {
            acknowledged += u64::from(group.acknowledge(id));
        }
    }
    cx.dirty(acknowledged);
    cx.reply.integer(acknowledged as i64);
    Ok(Outcome::Done)
}

/// What XPENDING's long form asks for.
struct Request<'a> {
    idle_min_ms: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// `None` for the short form.
    fn parse(args: &mut Args<'a>) -> Result<Option<Request<'a>>, CmdError> {
        match args.left() {
            0 => return Ok(None),
            3..=6 => {}
            _ => return Err(CmdError::Syntax),
        }
        let mut idle_min_ms = 0;
        if args.take("IDLE") {
            idle_min_ms = args.i64();
            args.check()?;
            if args.left() < 3 {
                return Err(CmdError::Syntax);
            }
        }
        let (start, end) = (args.bytes(), args.bytes());
        let count = args.i64();
        args.check()?;
        Ok(Some(Request {
            idle_min_ms,
            start: range_start(start)?,
            end: range_end(end)?,
            count: count.max(0) as usize,
            consumer: args.next(),
        }))
    }
}

pub fn xpending(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, name) = (args.key(), args.bytes());
    let request = Request::parse(&mut args)?;
    let now_ms = cx.now_ms();
    let stream = cx.store.read_as::<Stream>(cx.session.db, key)?;
    let group = GroupRef { key, name }.of(stream)?;
    match request {
        None => reply_summary(cx.reply, group),
        Some(request) => reply_list(cx.reply, group, &request, now_ms),
    }
    Ok(Outcome::Done)
}

/// How many entries are pending, the first and the last of them, and who has how many.
fn reply_summary(reply: &mut ReplyBuf, group: &Group) {
    reply.array(4);
    reply.integer(group.pending_count() as i64);
    let first = group.pending_from(StreamId::MIN).next();
    let (Some((first, _)), Some(last)) = (first, group.last_pending()) else {
        reply.null();
        reply.null();
        return reply.null_array();
    };
    reply_id(reply, *first);
    reply_id(reply, last);
    let array = reply.array_deferred();
    let mut len = 0;
    for (name, consumer) in group.consumers() {
        if consumer.pending_count() > 0 {
            reply.array(2);
            reply.bulk(name);
            reply.bulk_i64(consumer.pending_count() as i64);
            len += 1;
        }
    }
    reply.finish_array(array, len);
}

/// Entry by entry, the group's or one consumer's.
fn reply_list(reply: &mut ReplyBuf, group: &Group, request: &Request, now_ms: i64) {
    let array = reply.array_deferred();
    let mut len = 0;
    let mut reply_one = |id: StreamId, pending: &Pending| {
        let idle_ms = now_ms.saturating_sub(pending.delivered_ms);
        if len == request.count || id > request.end {
            return false;
        }
        if request.idle_min_ms == 0 || idle_ms >= request.idle_min_ms {
            reply.array(4);
            reply_id(reply, id);
            reply.bulk(&pending.consumer);
            reply.integer(idle_ms.max(0));
            reply.integer(pending.deliveries as i64);
            len += 1;
        }
        true
    };
    match request.consumer {
        None => {
            let mut all = group.pending_from(request.start);
            all.all(|(id, pending)| reply_one(*id, pending));
        }
        Some(name) => {
            let own = group.consumer(name).into_iter();
            let mut own = own.flat_map(|consumer| consumer.pending_from(request.start));
            own.all(|id| {
                group
                    .pending(id)
                    .is_none_or(|pending| reply_one(id, pending))
            });
        }
    }
    reply.finish_array(array, len);
}
