//! The leader's stream, applied in order: in groups, a transaction as one group, and its
//! bytes appended to our own log as they are, so that our followers see the same offsets.

use std::sync::atomic::Ordering::{Relaxed, Release};

use super::Engine;
use super::commit::commit;
use super::dispatch::{prefetch, prepare};
use super::evict::Evictor;
use super::plan::{Plan, Planner, Verdict};
use super::step::Step;
use crate::commands::args::FirstKey;
use crate::commands::registry::CommandId;
use crate::oplog::Audience;
use crate::resp::argv::Argv;
use crate::resp::reply::ReplyBuf;
use crate::resp::request::{Limits, Parsed, Parser, ProtocolError};
use crate::shared::session::Session;
use crate::store::locked::Locker;

/// Why what has come is no stream of commands.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error("Protocol error from master: {0}")]
    Protocol(#[from] ProtocolError),
    /// No leader sends a command as a line. What looks like one is the inside of something
    /// else: the stream and we have lost step, and to go on would be to lose commands.
    #[error(
        "WARNING: Receiving inline protocol from master, master stream corruption? Closing the \
         master connection and discarding the cached master."
    )]
    Inline,
}

/// What applying some of the stream came to.
#[derive(Debug, Default)]
pub struct Applied {
    pub consumed_bytes: usize,
    /// The leader asked for an acknowledgement: of this end offset, which does not count
    /// the request itself.
    pub ack_offset: Option<u64>,
    /// Error texts that commands of the stream were answered with, by command.
    pub errors: Vec<(String, String)>,
    /// The data is not what it was.
    pub changed: bool,
}

/// The follower's means to apply: one thread's.
pub struct Applier {
    locker: Locker,
    evictor: Evictor,
    plan: Plan,
    reply: ReplyBuf,
    parser: Parser,
    /// How much of the input was looked at, if that is the begin of a transaction.
    open_until: Option<usize>,
}

impl Applier {
    pub fn new(locker: Locker) -> Applier {
        Applier {
            locker,
            evictor: Evictor::new(),
            plan: Plan::default(),
            reply: ReplyBuf::new(),
            parser: Parser::new(),
            open_until: None,
        }
    }

    pub fn locker(&mut self) -> &mut Locker {
        &mut self.locker
    }

    /// Forgets a request that was cut off: the link starts anew.
    pub fn reset(&mut self) {
        self.parser = Parser::new();
        self.open_until = None;
    }

    /// Applies one group of what is whole of the input, a transaction only when it is whole.
    /// Nothing was consumed when the result says 0 bytes.
    pub fn apply(
        &mut self,
        engine: &Engine,
        session: &mut Session,
        input: &[u8],
    ) -> Result<Applied, StreamError> {
        let planned = self.plan(engine, session, input)?;
        if planned == 0 {
            return Ok(Applied::default());
        }
        let shared = &engine.shared;
        // What the leader sends is done whether or not there is room for it.
        self.evictor.make_room(engine, &mut self.locker);
        let gate = self.locker.gate();
        let mut locked = shared.keyspace.lock(&mut self.locker, self.plan.want());
        prepare(engine, session, &mut locked);
        prefetch(&self.plan, &locked, session.db);
        let mut applied = Applied {
            consumed_bytes: planned,
            ..Applied::default()
        };
        let mut step = Step::new(engine, &mut locked, session, &mut self.reply);
        let mut ack_at = None;
        for request in &self.plan.requests {
            let argv = self.plan.argv(request, input);
            if asks_for_ack(argv) {
                ack_at = Some(request.start());
            }
            match &request.verdict {
                Verdict::Run(id) | Verdict::Queue(id) => {
                    run_one(&mut step, *id, argv, request.first_key, &mut applied);
                }
                Verdict::Reject(error, _) | Verdict::Abort(error, _) => {
                    applied.errors.push((name_of(argv), error.to_string()));
                }
            }
            step.reply.clear();
        }
        let db = Some(session.db);
        let end = shared
            .oplog
            .append_verbatim(&input[..planned], Audience::All, db);
        applied.ack_offset = ack_at.map(|at| end - (planned - at) as u64);
        shared.role.applied_offset.store(end, Release);
        applied.changed = locked.effects().group_dirty > 0;
        note_facts(&self.plan, session, locked.now_ms);
        commit(engine, &mut locked, gate, &[]);
        drop(locked);
        shared.oplog.wake_readers();
        Ok(applied)
    }

    /// Plans a group: up to a group's worth of requests, but all of a transaction. Returns
    /// its length in bytes, 0 if the input holds no whole one.
    fn plan(
        &mut self,
        engine: &Engine,
        session: &Session,
        input: &[u8],
    ) -> Result<usize, StreamError> {
        self.plan.clear();
        if !self.transaction_is_whole(input)? {
            return Ok(0);
        }
        let limits = limits();
        let planner = Planner::new(engine, session);
        let (mut at, mut whole, mut in_transaction) = (0, 0, false);
        while at < input.len() {
            let from = self.plan.ranges_len();
            let parsed = self.plan.parse(&mut self.parser, &input[at..], &limits)?;
            let consumed_bytes = match parsed {
                Parsed::Incomplete { .. } => break,
                // A sign of life between commands is no part of the stream: it ends the
                // group, and whoever calls takes it off the front of what is left.
                Parsed::Empty { .. } if is_blank(&input[at..]) => break,
                Parsed::Empty { consumed_bytes } => {
                    at += consumed_bytes;
                    if !in_transaction {
                        whole = at;
                    }
                    continue;
                }
                Parsed::Complete {
                    inline: Some(_), ..
                } => return Err(StreamError::Inline),
                Parsed::Complete { consumed_bytes, .. } => consumed_bytes,
            };
            let frame = (at, at + consumed_bytes);
            self.plan.add_always(&planner, input, frame, from);
            at += consumed_bytes;
            match self.plan.last_name(input) {
                name if name.eq_ignore_ascii_case(b"multi") => in_transaction = true,
                name if name.eq_ignore_ascii_case(b"exec") => in_transaction = false,
                _ => {}
            }
            if !in_transaction {
                whole = at;
                if self.plan.is_full() {
                    break;
                }
            }
        }
        if whole < at {
            // The rest of a transaction is still to come.
            self.plan.cut_at(whole);
            match whole {
                0 => self.open_until = Some(at),
                _ => self.parser = Parser::new(),
            }
        }
        Ok(whole)
    }

    /// False if the input begins with a transaction whose end is not there yet. Only what is
    /// new of it is looked at, however many reads it arrives in; whole, it is planned once.
    fn transaction_is_whole(&mut self, input: &[u8]) -> Result<bool, StreamError> {
        let Some(mut at) = self.open_until.take() else {
            return Ok(true);
        };
        let (limits, mut ranges) = (limits(), Vec::new());
        while at < input.len() {
            ranges.clear();
            let frame = &input[at..];
            let (len, ends) = match self.parser.parse(frame, &limits, &mut ranges)? {
                Parsed::Incomplete { .. } => break,
                Parsed::Empty { consumed_bytes } => (consumed_bytes, false),
                Parsed::Complete {
                    inline: Some(_), ..
                } => return Err(StreamError::Inline),
                Parsed::Complete { consumed_bytes, .. } => {
                    let (bytes, ranges) = (frame, &ranges[..]);
                    let argv = Argv { bytes, ranges };
                    (consumed_bytes, argv.get(0).eq_ignore_ascii_case(b"exec"))
                }
            };
            at += len;
            if ends {
                return Ok(true);
            }
        }
        self.open_until = Some(at);
        Ok(false)
    }
}

fn limits() -> Limits {
    Limits {
        authenticated: true,
        ..Limits::default()
    }
}

fn run_one(step: &mut Step, id: CommandId, argv: Argv, first_key: FirstKey, applied: &mut Applied) {
    let name = step.engine.registry.get(id).spec.name;
    match name {
        // The group is the transaction: its bounds need no more than to be passed on.
        "multi" | "exec" | "replconf" => return,
        _ => {}
    }
    step.call(id, argv, first_key, true);
    if step.reply.bytes().first() == Some(&b'-') {
        let text = String::from_utf8_lossy(step.reply.bytes())
            .trim()
            .to_owned();
        applied.errors.push((name.to_owned(), text));
    }
}

/// Tells CLIENT LIST how the leader's session stands.
fn note_facts(plan: &Plan, session: &Session, now_ms: i64) {
    let facts = &session.facts;
    let last = plan.requests.iter().rev();
    let mut known = last.filter_map(|request| match request.verdict {
        Verdict::Run(id) | Verdict::Queue(id) => Some(id),
        Verdict::Reject(..) | Verdict::Abort(..) => None,
    });
    if let Some(id) = known.next() {
        facts.last_command.store(u32::from(id) + 1, Relaxed);
    }
    facts.db.store(session.db, Relaxed);
    facts.last_active_ms.store(now_ms, Relaxed);
}

/// Whether the input begins with an empty line.
pub fn is_blank(input: &[u8]) -> bool {
    matches!(input.first(), Some(b'\n' | b'\r'))
}

fn asks_for_ack(argv: Argv) -> bool {
    argv.get(0).eq_ignore_ascii_case(b"replconf") && argv.get(1).eq_ignore_ascii_case(b"getack")
}

fn name_of(argv: Argv) -> String {
    String::from_utf8_lossy(argv.get(0)).into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::commands::FAMILIES;
    use crate::commands::registry::Registry;
    use crate::resp::request::encode_command;
    use crate::shared::Shared;
    use crate::shared::session::Origin;

    #[test]
    fn a_transaction_in_many_reads_is_applied_when_it_is_whole() {
        let registry = Registry::new(FAMILIES);
        let shared = Shared::for_test(1, registry.len());
        shared.oplog.activate_backlog();
        let engine = Engine { shared, registry };
        let mut applier = Applier::new(Locker::new(&engine.shared.keyspace, 0));
        let mut session = Session::new(Arc::default(), Origin::Leader);
        let mut stream = Vec::new();
        encode_command(&["SET", "before", "1"].map(str::as_bytes), &mut stream);
        let before_bytes = stream.len();
        encode_command(&[b"MULTI"], &mut stream);
        for key in 0..20_000 {
            encode_command(&[b"SET", key.to_string().as_bytes(), b"exec"], &mut stream);
        }
        encode_command(&[b"EXEC"], &mut stream);
        let transaction_end = stream.len();
        encode_command(&["SET", "behind", "1"].map(str::as_bytes), &mut stream);
        // Each attempt sees all that has come so far, as on a slow link.
        let (mut at, mut ends) = (0, Vec::new());
        for seen in (0..stream.len()).step_by(97).chain([stream.len()]) {
            while at < seen {
                let input = &stream[at..seen];
                let applied = applier.apply(&engine, &mut session, input).unwrap();
                if applied.consumed_bytes == 0 {
                    break;
                }
                assert!(applied.errors.is_empty(), "{:?}", applied.errors);
                at += applied.consumed_bytes;
                ends.push(at);
            }
        }
        assert_eq!(ends[0], before_bytes);
        assert!(ends[1] >= transaction_end, "{ends:?}");
        assert_eq!(at, stream.len());
        let mut locker = Locker::new(&engine.shared.keyspace, 0);
        let locked = engine.shared.keyspace.lock_everything(&mut locker);
        assert_eq!(locked.len(0), 20_002);
    }
}
