//! The requests of one read, group by group.

use super::Engine;
use super::account::{Group, wants_single_times};
use super::commit::{commit, commit_for};
use super::evict::{Evictor, GROUP_BYTES_MAX, Room};
use super::evict_clients;
use super::plan::{Joined, Plan, Planner};
use super::step::{Halt, Step};
use crate::base::{clock, memory};
use crate::commands::args::FirstKey;
use crate::commands::cx::Outcome;
use crate::config::Param;
use crate::resp::reply::ReplyBuf;
use crate::resp::request::{Limits, Parsed, Parser, ProtocolError};
use crate::shared::parked::Parked;
use crate::shared::session::{Origin, Session};
use crate::store::lock::Contended;
use crate::store::locked::{Expiry, Locked, Locker, Want};
use crate::store::waiters::Ready;

/// Replies are sent before more commands run once they take this much: until then they belong
/// to no client, and no limit sees them.
const REPLY_BYTES_MAX: usize = 256 << 10;

/// Why `dispatch` returned.
#[derive(Debug)]
pub enum Stop {
    /// The rest of the input is no whole request.
    NeedInput,
    /// Enough replies are waiting: send them, and come again.
    Flush,
    /// The locks were not to be had in time: wait in the line, and come again.
    Contended,
    /// CLIENT PAUSE: come again then, or when it ends.
    Paused { until_ms: i64 },
    /// A command leaves something to do before the next one.
    Outcome(Outcome),
    /// The stream cannot be read any further.
    Protocol(ProtocolError),
}

pub struct Progress {
    /// How much of the input was used up.
    pub consumed_bytes: usize,
    pub stop: Stop,
}

/// A thread's means to run commands.
pub struct Executor {
    pub locker: Locker,
    evictor: Evictor,
    plan: Plan,
}

impl Executor {
    pub fn new(locker: Locker) -> Executor {
        Executor {
            locker,
            evictor: Evictor::new(),
            plan: Plan::default(),
        }
    }

    /// Runs what is whole of the input. `parser` is the connection's; replies go behind
    /// what `reply` holds. The readers of the log are to be woken afterwards.
    pub fn dispatch(
        &mut self,
        engine: &Engine,
        session: &mut Session,
        parser: &mut Parser,
        input: &[u8],
        reply: &mut ReplyBuf,
    ) -> Progress {
        let mut consumed_bytes = 0;
        loop {
            let (planned_bytes, mut ended) =
                self.plan_group(engine, session, parser, &input[consumed_bytes..]);
            let rest = &input[consumed_bytes..];
            let mut stop = None;
            if self.plan.requests.is_empty() {
                consumed_bytes += planned_bytes;
            } else {
                let (used, halt) = self.run_group(engine, session, rest, reply, planned_bytes);
                consumed_bytes += used;
                stop = halt;
                if used < planned_bytes {
                    // What is behind is parsed again, from the first frame that has not run.
                    *parser = Parser::new();
                    ended = None;
                }
            }
            // They come behind a reply that is still to be completed.
            if session.facts.has_pushes() && !is_incomplete(stop.as_ref()) {
                session.facts.take_pushes(reply);
            }
            let stop = match (stop, ended) {
                (Some(stop), _) => stop,
                (None, Some(Ended::Protocol(error))) => Stop::Protocol(error),
                _ if session.closing => Stop::Outcome(Outcome::Close),
                (None, Some(Ended::Input)) => Stop::NeedInput,
                (None, None) if reply.len_bytes() >= REPLY_BYTES_MAX => Stop::Flush,
                (None, None) => continue,
            };
            self.plan.give_back();
            session.note_facts();
            return Progress {
                consumed_bytes,
                stop,
            };
        }
    }

    /// The look that a parked client takes itself, with all its locks, for one who made a key
    /// ready could not have them. Those behind it in the lines are served too.
    ///
    /// # Errors
    /// The locks are not to be had now.
    pub fn look_again(
        &mut self,
        engine: &Engine,
        session: &mut Session,
        parked: &Parked,
    ) -> Result<(), Contended> {
        let gate = self.locker.gate();
        let want = Want::Shards(&parked.shards);
        let mut locked = engine.shared.keyspace.try_lock(&mut self.locker, want)?;
        prepare(engine, session, &mut locked);
        for key in &parked.keys {
            let (db, key) = (parked.db, key.bytes.clone());
            locked.effects().ready(Ready { db, key });
        }
        commit(engine, &mut locked, gate, &[]);
        drop(locked);
        engine.shared.oplog.wake_readers();
        Ok(())
    }

    /// Parses and checks requests until the group is complete. Returns how many bytes they
    /// take, and why there are no more.
    fn plan_group(
        &mut self,
        engine: &Engine,
        session: &Session,
        parser: &mut Parser,
        input: &[u8],
    ) -> (usize, Option<Ended>) {
        self.plan.clear();
        let config = &engine.shared.config;
        let limits = Limits {
            bulk_len_bytes_max: config.get_bytes(Param::ProtoMaxBulkLen),
            authenticated: session.may_enter(config),
            ..Limits::default()
        };
        let alone = wants_single_times(engine);
        let planner = Planner::new(engine, session);
        let mut at = 0;
        loop {
            if at == input.len() {
                return (at, Some(Ended::Input));
            }
            let from = self.plan.ranges_len();
            let parsed = self.plan.parse(parser, &input[at..], &limits);
            match parsed {
                Ok(Parsed::Incomplete { .. }) => {
                    return (at, Some(Ended::Input));
                }
                Ok(Parsed::Empty { consumed_bytes }) => at += consumed_bytes,
                Ok(Parsed::Complete {
                    consumed_bytes,
                    inline,
                }) => {
                    let frame = (at, at + consumed_bytes);
                    let joined = self.plan.add(&planner, input, frame, from, inline);
                    if joined == Joined::No {
                        self.plan.forget_ranges(from);
                        return (at, None);
                    }
                    at += consumed_bytes;
                    if alone || joined == Joined::Last {
                        return (at, None);
                    }
                }
                Err(error) => return (at, Some(Ended::Protocol(error))),
            }
        }
    }

    /// Makes room before a group, if there is a limit; whether there is.
    #[inline]
    fn make_room(&mut self, engine: &Engine, session: &mut Session, reply: &mut ReplyBuf) -> bool {
        let has_limit = engine.shared.config.get_bytes(Param::MaxMemory) != 0;
        session.is_out_of_memory = false;
        if has_limit {
            let room = self.evictor.make_room(engine, &mut self.locker);
            session.is_out_of_memory = room == Room::None;
            // As in Redis, what has gone is told before the next reply.
            if session.facts.has_pushes() {
                session.facts.take_pushes(reply);
            }
        }
        has_limit
    }

    /// Locks, runs and commits the planned group. Returns how much input it used up.
    fn run_group(
        &mut self,
        engine: &Engine,
        session: &mut Session,
        input: &[u8],
        reply: &mut ReplyBuf,
        planned_bytes: usize,
    ) -> (usize, Option<Stop>) {
        let shared = &engine.shared;
        let gate = self.locker.gate();
        if evict_clients::make_room(engine) && session.facts.is_killed() {
            return (0, Some(Stop::Flush));
        }
        let has_limit = self.make_room(engine, session, reply);
        let replies_from = reply.len_bytes();
        let Ok(mut locked) = shared.keyspace.try_lock(&mut self.locker, self.plan.want()) else {
            return (0, Some(Stop::Contended));
        };
        let begun_us = prepare(engine, session, &mut locked);
        locked.effects().begin_input(input);
        prefetch(&self.plan, &locked, session.db);
        let plan = &self.plan;
        let mut ran = 0;
        let mut stop = None;
        let taken_before = if has_limit { memory::thread_bytes() } else { 0 };
        let mut step = Step::new(engine, &mut locked, session, reply);
        for request in &plan.requests {
            if has_limit && memory::thread_bytes() - taken_before > GROUP_BYTES_MAX {
                // Room is made for the rest of them first.
                break;
            }
            if step.reply.len_bytes() >= REPLY_BYTES_MAX && ran > 0 {
                // The rest of them may be as large, and nobody else's turn comes meanwhile.
                break;
            }
            match step.request(request, plan.argv(request, input)) {
                Ok(()) => ran += 1,
                Err(halt) => {
                    stop = Some(match *halt {
                        Halt::Paused { until_ms } => Stop::Paused { until_ms },
                        Halt::Outcome(outcome) => {
                            ran += 1;
                            Stop::Outcome(outcome)
                        }
                    });
                    break;
                }
            }
        }
        commit_for(engine, &mut locked, gate, session, input);
        drop(locked);
        let used = match plan.requests.get(ran) {
            Some(request) => request.start(),
            None => planned_bytes,
        };
        if ran > 0 {
            let group = Group {
                plan: &self.plan,
                input,
                ran,
                is_parked: matches!(stop, Some(Stop::Outcome(Outcome::Parked(_)))),
                used,
                gate,
                replies: reply.bytes().get(replies_from..).unwrap_or_default(),
            };
            group.account(engine, session, begun_us);
        }
        (used, stop)
    }
}

enum Ended {
    Input,
    Protocol(ProtocolError),
}

fn is_incomplete(stop: Option<&Stop>) -> bool {
    use Outcome::{Ask, AskAll};
    matches!(stop, Some(Stop::Outcome(Ask(_) | AskAll { .. })))
}

/// Sets what a group needs to know of its moment; returns the time in microseconds.
#[inline]
pub fn prepare(engine: &Engine, session: &Session, locked: &mut Locked) -> i64 {
    let shared = &engine.shared;
    let now_us = clock::unix_us();
    locked.now_ms = now_us / 1000;
    locked.expiry = match session.origin {
        Origin::Leader => Expiry::Ignore,
        Origin::Client if shared.role.is_follower() => Expiry::Hide,
        Origin::Client if shared.pause.is_on(locked.now_ms) => Expiry::Hide,
        Origin::Client if shared.config.get_bool(Param::ImportMode) => {
            match session.import_source {
                true => Expiry::Ignore,
                false => Expiry::Hide,
            }
        }
        Origin::Client => Expiry::Delete,
    };
    locked.touch_access = !session.no_touch;
    locked.lfu = shared.lfu();
    let local_write = session.origin == Origin::Client && shared.role.is_follower();
    let effects = locked.effects();
    effects.logging = shared.oplog.is_active() && !local_write && session.origin == Origin::Client;
    effects.unlinks_due = shared.config.get_bool(Param::LazyfreeLazyExpire);
    effects.owns_expiries = local_write;
    effects.notify = shared.config.notify_events() as u32;
    effects.tracking = shared.tracking.is_active();
    now_us
}

/// Fetches all buckets of a group, then all entries, before the first is looked at.
#[inline]
pub fn prefetch(plan: &Plan, locked: &Locked, db: u32) {
    if plan.requests.len() > 1 {
        let keys = plan.requests.iter().map(|request| request.first_key);
        locked.prefetch(db, keys.filter_map(FirstKey::hash));
    }
}
