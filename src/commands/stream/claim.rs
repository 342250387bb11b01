//! What was given to one consumer and goes to another, because the first one may be gone.
//!
//! Entries that were deleted meanwhile are nobody's any more: they go from the list, and
//! that is logged as if their old owner had claimed them, which makes a follower find out
//! the same.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::progress::{Given, GroupRef};
use super::wire::{exact_id, range_start, reply_entry, reply_id, take_id};
use crate::base::number::parse_i64;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::TypedStore;
use crate::resp::reply::ReplyBuf;
use crate::shared::session::Origin;
use crate::store::effects::event::STREAM;
use crate::types::Stream;
use crate::types::stream::{Consumer, NEVER, Name, Pending, StreamId};

const NO_IDLE_TIME: &str = "ERR Invalid min-idle-time argument for XCLAIM";
const NO_IDLE_TIME_AUTO: &str = "ERR Invalid min-idle-time argument for XAUTOCLAIM";
const NO_IDLE: &str = "ERR Invalid IDLE option argument for XCLAIM";
const NO_TIME: &str = "ERR Invalid TIME option argument for XCLAIM";
const NO_RETRYCOUNT: &str = "ERR Invalid RETRYCOUNT option argument for XCLAIM";
const NO_COUNT: &str = "ERR COUNT must be > 0";

/// XAUTOCLAIM looks at so many entries for each that it may give.
const LOOKS_PER_ENTRY: i64 = 10;
const COUNT_DEFAULT: i64 = 100;
/// Larger counts are refused; sixteen bytes for each would be more than there can be.
const COUNT_MAX: i64 = i64::MAX / 16;

/// How entries are claimed.
struct Terms {
    idle_min_ms: i64,
    delivered_ms: i64,
    /// What the count of deliveries becomes, if it does not simply grow.
    deliveries: Option<u64>,
    /// Claims what was not pending, too.
    force: bool,
    just_id: bool,
}

/// What claiming one entry comes to.
enum Claimed {
    /// It is not pending, or was delivered too recently.
    No,
    /// It went to the consumer.
    Yes(Pending),
    /// It is in the stream no more; it was pending like this.
    Deleted(Pending),
}

/// Claims one entry for a consumer who is there.
fn claim(
    stream: &mut Stream,
    name: &[u8],
    consumer: &Name,
    id: StreamId,
    terms: &Terms,
    now_ms: i64,
) -> Claimed {
    let exists = stream.get(id).is_some();
    let Some(group) = stream.group_mut(name) else {
        return Claimed::No;
    };
    let pending = group.pending(id).cloned();
    if !exists {
        return match pending {
            Some(pending) => {
                group.acknowledge(id);
                Claimed::Deleted(pending)
            }
            None => Claimed::No,
        };
    }
    let deliveries = match pending {
        Some(pending) => {
            let idle_ms = now_ms.saturating_sub(pending.delivered_ms);
            if terms.idle_min_ms > 0 && idle_ms < terms.idle_min_ms {
                return Claimed::No;
            }
            pending.deliveries
        }
        None if terms.force => 1,
        None => return Claimed::No,
    };
    let pending = Pending {
        consumer: Name::clone(consumer),
        delivered_ms: terms.delivered_ms,
        deliveries: match terms.deliveries {
            Some(given) => given,
            None if terms.just_id => deliveries,
            None => deliveries.wrapping_add(1),
        },
    };
    group.give(id, pending.clone());
    if let Some(consumer) = group.consumer_mut(consumer) {
        consumer.active_ms = now_ms;
    }
    Claimed::Yes(pending)
}

fn reply_claimed(reply: &mut ReplyBuf, stream: &Stream, id: StreamId, just_id: bool) {
    match stream.get(id).filter(|_| !just_id) {
        Some(entry) => reply_entry(reply, &entry),
        None => reply_id(reply, id),
    }
}

/// The consumer who claims, made if need be, and whether that was needed.
fn claimant(
    stream: &mut Stream,
    name: &[u8],
    consumer: &[u8],
    now_ms: i64,
) -> Option<(Name, bool)> {
    let group = stream.group_mut(name)?;
    let is_new = group.add_consumer(consumer, Consumer::new(now_ms, NEVER));
    group.consumer_mut(consumer)?.seen_ms = now_ms;
    Some((group.consumer_name(consumer)?, is_new))
}

/// An entry that went to the consumer, or was nobody's any more.
struct Change<'a> {
    /// As it was asked for.
    id: Cow<'a, [u8]>,
    /// How it is pending now, or was until now.
    pending: Pending,
}

/// Logs what claiming has come to.
fn log(cx: &mut Cx, group: GroupRef, claimant: (&[u8], bool), last_id: StreamId, all: &[Change]) {
    let (consumer, is_new) = claimant;
    if is_new {
        cx.event(STREAM, "xgroup-createconsumer", group.key);
        cx.dirty(1);
        if !all
            .iter()
            .any(|change| *change.pending.consumer == *consumer)
        {
            group.log_consumer(cx, consumer);
        }
    }
    cx.dirty(all.len() as u64);
    cx.store.effects().instead_of_request();
    for change in all {
        let given = Given {
            consumer: &change.pending.consumer,
            id: &change.id,
            delivered_ms: change.pending.delivered_ms,
            deliveries: change.pending.deliveries,
            last_id,
        };
        group.log_given(cx, &given);
    }
}

/// XCLAIM's ids and options.
struct Request<'a> {
    ids: SmallVec<[(StreamId, &'a [u8]); 8]>,
    terms: Terms,
    last_id: StreamId,
}

impl<'a> Request<'a> {
    fn parse(cx: &Cx, args: &mut Args<'a>) -> Result<Request<'a>, CmdError> {
        let idle_min_ms = args.i64_or(CmdError::text(NO_IDLE_TIME));
        args.check()?;
        let mut ids = SmallVec::new();
        while let Some(text) = args.peek()
            && let Ok(id) = exact_id(text)
        {
            ids.push((id, text));
            args.skip(1);
        }
        let now_ms = cx.now_ms();
        let (mut delivered_ms, mut deliveries) = (None, None);
        let (mut force, mut just_id, mut last_id) = (false, false, StreamId::MIN);
        while let Some(option) = args.peek() {
            let has_more = args.left() > 1;
            if args.take("FORCE") {
                force = true;
            } else if args.take("JUSTID") {
                just_id = true;
            } else if has_more && args.take("IDLE") {
                let idle_ms = args.i64_or(CmdError::text(NO_IDLE));
                delivered_ms = Some(now_ms.wrapping_sub(idle_ms));
            } else if has_more && args.take("TIME") {
                delivered_ms = Some(args.i64_or(CmdError::text(NO_TIME)));
            } else if has_more && args.take("RETRYCOUNT") {
                let given = args.i64_or(CmdError::text(NO_RETRYCOUNT));
                deliveries = u64::try_from(given).ok();
            } else if has_more && args.take("LASTID") {
                last_id = take_id(args);
            } else {
                let template = "ERR Unrecognized XCLAIM option '{}'";
                return Err(CmdError::quoting(template, &[option]));
            }
            args.check()?;
        }
        // What the leader says is so, though its clock be ahead of this one.
        let is_obeyed = cx.session.origin == Origin::Leader;
        let is_possible = |&ms: &i64| ms >= 0 && (ms <= now_ms || is_obeyed);
        Ok(Request {
            ids,
            terms: Terms {
                idle_min_ms,
                delivered_ms: delivered_ms.filter(is_possible).unwrap_or(now_ms),
                deliveries,
                force,
                just_id,
            },
            last_id,
        })
    }
}

pub fn xclaim(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, name, consumer) = (args.key(), args.bytes(), args.bytes());
    let (db, now_ms) = (cx.session.db, cx.now_ms());
    let group_ref = GroupRef { key, name };
    group_ref.of(cx.store.read_as::<Stream>(db, key)?)?;
    let request = Request::parse(cx, &mut args)?;
    let Some(mut stream) = cx.store.change::<Stream>(db, key)? else {
        return Err(group_ref.missing(""));
    };
    let Some((owner, is_new)) = claimant(&mut stream, name, consumer, now_ms) else {
        return Err(group_ref.missing(""));
    };
    let (last_id, entries_read, is_ahead) = match stream.group_mut(name) {
        Some(group) => {
            let is_ahead = request.last_id > group.last_id;
            group.last_id = group.last_id.max(request.last_id);
            (group.last_id, group.entries_read, is_ahead)
        }
        None => return Err(group_ref.missing("")),
    };
    let mut changes = Vec::new();
    let array = cx.reply.array_deferred();
    let mut len = 0;
    for &(id, text) in &request.ids {
        let pending = match claim(&mut stream, name, &owner, id, &request.terms, now_ms) {
            Claimed::No => continue,
            Claimed::Yes(pending) => {
                reply_claimed(cx.reply, &stream, id, request.terms.just_id);
                len += 1;
                pending
            }
            Claimed::Deleted(pending) => pending,
        };
        changes.push(Change {
            id: Cow::Borrowed(text),
            pending,
        });
    }
    cx.reply.finish_array(array, len);
    drop(stream);
    log(cx, group_ref, (consumer, is_new), last_id, &changes);
    if is_ahead && changes.is_empty() {
        cx.dirty(1);
        group_ref.log_last_id(cx, last_id, entries_read);
    }
    Ok(Outcome::Done)
}

pub fn xautoclaim(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, name, consumer) = (args.key(), args.bytes(), args.bytes());
    let (db, now_ms) = (cx.session.db, cx.now_ms());
    let group_ref = GroupRef { key, name };
    let idle_min_ms = args.i64_or(CmdError::text(NO_IDLE_TIME_AUTO));
    args.check()?;
    let start = range_start(args.bytes())?;
    let (count, just_id) = auto_options(&mut args)?;
    group_ref.of(cx.store.read_as::<Stream>(db, key)?)?;
    let Some(mut stream) = cx.store.change::<Stream>(db, key)? else {
        return Err(group_ref.missing(""));
    };
    let Some((owner, is_new)) = claimant(&mut stream, name, consumer, now_ms) else {
        return Err(group_ref.missing(""));
    };
    let terms = Terms {
        idle_min_ms,
        delivered_ms: now_ms,
        deliveries: None,
        force: false,
        just_id,
    };
    let mut sweep = Sweep {
        next: Some(start),
        count,
        claimed: Vec::new(),
        deleted: Vec::new(),
        changes: Vec::new(),
    };
    sweep.run(&mut stream, name, &owner, &terms);
    let last_id = stream.group(name).map(|group| group.last_id);
    cx.reply.array(3);
    reply_id(cx.reply, sweep.next.unwrap_or(StreamId::MIN));
    cx.reply.array(sweep.claimed.len());
    for &id in &sweep.claimed {
        reply_claimed(cx.reply, &stream, id, just_id);
    }
    cx.reply.array(sweep.deleted.len());
    for &id in &sweep.deleted {
        reply_id(cx.reply, id);
    }
    drop(stream);
    let last_id = last_id.unwrap_or_default();
    log(cx, group_ref, (consumer, is_new), last_id, &sweep.changes);
    Ok(Outcome::Done)
}

fn auto_options(args: &mut Args) -> Result<(i64, bool), CmdError> {
    let (mut count, mut just_id) = (COUNT_DEFAULT, false);
    while !args.is_empty() {
        if args.left() > 1 && args.take("COUNT") {
            let given = parse_i64(args.bytes());
            let given = given.filter(|given| (1..=COUNT_MAX).contains(given));
            count = given.ok_or(CmdError::text(NO_COUNT))?;
        } else if args.take("JUSTID") {
            just_id = true;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    Ok((count, just_id))
}

/// XAUTOCLAIM's way along a group's list.
struct Sweep {
    /// Where to go on; `None` at the end.
    next: Option<StreamId>,
    /// So many entries may still be given or dropped.
    count: i64,
    claimed: Vec<StreamId>,
    deleted: Vec<StreamId>,
    changes: Vec<Change<'static>>,
}

impl Sweep {
    fn run(&mut self, stream: &mut Stream, name: &[u8], owner: &Name, terms: &Terms) {
        let mut looks = self.count * LOOKS_PER_ENTRY;
        loop {
            let group = stream.group(name);
            let first = self.next.and_then(|at| group?.pending_from(at).next());
            self.next = first.map(|(id, _)| *id);
            let Some(id) = self.next.filter(|_| looks > 0 && self.count > 0) else {
                return;
            };
            looks -= 1;
            self.next = id.next();
            let pending = match claim(stream, name, owner, id, terms, terms.delivered_ms) {
                Claimed::No => continue,
                Claimed::Yes(pending) => {
                    self.claimed.push(id);
                    pending
                }
                Claimed::Deleted(pending) => {
                    self.deleted.push(id);
                    pending
                }
            };
            self.count -= 1;
            self.changes.push(Change {
                id: Cow::Owned(id.text().bytes().to_vec()),
                pending,
            });
        }
    }
}
