//! One command after another under one lock set.

use std::sync::atomic::Ordering;

use super::Engine;
use super::account::note_if_slow;
use super::admit::{Refusal, admit, is_calm};
use super::plan::{Planned, Verdict};
use super::serve::{park, serve_ready};
use super::track;
use crate::base::clock;
use crate::commands::args::FirstKey;
use crate::commands::call::call;
use crate::commands::cx::{Asked, Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::registry::CommandId;
use crate::commands::spec::flag;
use crate::resp::argv::{Argv, OwnedCommand};
use crate::resp::reply::ReplyBuf;
use crate::shared::clients::client_flag;
use crate::shared::session::{Queued, ReplyMode, Session};
use crate::shared::stats::ThreadStats;
use crate::store::locked::Locked;

/// Why a group stops before its end.
#[derive(Debug)]
pub enum Halt {
    /// This command was not run: the server is paused.
    Paused { until_ms: i64 },
    /// It was run, and leaves something to do.
    Outcome(Outcome),
}

/// So often at most a line is logged for who sends HTTP.
const ATTACK_LOG_SECONDS: u64 = 60;

/// Whether a request is a line of HTTP: the first of those that can carry lines of somebody
/// else's making, or one that they all have.
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}

/// Whether the reply is written. Otherwise it comes later, and is then held back if CLIENT
/// REPLY says so.
fn is_answered(result: &Result<(), Box<Halt>>) -> bool {
    match result {
        Ok(()) => true,
        Err(halt) => matches!(**halt, Halt::Outcome(Outcome::Close)),
    }
}

/// What all commands of one group have in common.
pub struct Step<'a, 'k> {
    pub engine: &'a Engine,
    pub locked: &'a mut Locked<'k>,
    pub session: &'a mut Session,
    pub reply: &'a mut ReplyBuf,
    stats: &'a ThreadStats,
    /// Nothing is refused.
    is_calm: bool,
    /// Some clients track keys.
    is_tracked: bool,
}

impl<'a, 'k> Step<'a, 'k> {
    pub fn new(
        engine: &'a Engine,
        locked: &'a mut Locked<'k>,
        session: &'a mut Session,
        reply: &'a mut ReplyBuf,
    ) -> Step<'a, 'k> {
        let stats = engine.shared.stats.thread(locked.gate());
        let is_calm = is_calm(engine, session);
        let is_tracked = locked.effects().tracking;
        Step {
            engine,
            locked,
            session,
            reply,
            stats,
            is_calm,
            is_tracked,
        }
    }

    /// Runs, queues or refuses one request.
    #[inline]
    pub fn request(&mut self, request: &Planned, argv: Argv) -> Result<(), Box<Halt>> {
        if self.is_tracked && track::before(self.engine) {
            // As in Redis these come ahead of the reply, for no change of its own caused them.
            self.session.facts.take_pushes(self.reply);
        }
        let before = self.reply.len_bytes();
        let result = match &request.verdict {
            Verdict::Run(id) => self.run(*id, argv, request.first_key),
            Verdict::Queue(id) => self.queue(*id, argv),
            Verdict::Reject(_, None) if is_http(argv.get(0)) => Err(self.hang_up()),
            Verdict::Reject(error, id) => {
                self.reject(error, *id);
                Ok(())
            }
            Verdict::Abort(error, id) => {
                self.abort_exec(error, *id);
                Ok(())
            }
        };
        if self.session.reply_mode != ReplyMode::On && is_answered(&result) {
            self.hold_back_reply(before);
        }
        result
    }

    fn hold_back_reply(&mut self, before: usize) {
        match self.session.reply_mode {
            ReplyMode::On => {}
            ReplyMode::Off => self.reply.truncate(before),
            ReplyMode::SkipNext => {
                self.reply.truncate(before);
                self.session.reply_mode = ReplyMode::Skip;
            }
            ReplyMode::Skip => {
                self.reply.truncate(before);
                self.session.reply_mode = ReplyMode::On;
            }
        }
    }

    /// Ends the connection of a browser that was made to send us somebody else's commands.
    #[cold]
    fn hang_up(&mut self) -> Box<Halt> {
        let now_s = clock::unix_ms() as u64 / 1000;
        let last_s = &self.engine.shared.stats.rare.attack_logged_s;
        if now_s.saturating_sub(last_s.load(Ordering::Relaxed)) > ATTACK_LOG_SECONDS {
            last_s.store(now_s, Ordering::Relaxed);
            tracing::warn!(
                "Possible SECURITY ATTACK detected: POST or Host: was sent as a command, as when \
                 a web page has a browser talk to this server. Connection from {} closed.",
                self.session.facts.address
            );
        }
        Halt::Outcome(Outcome::Close).into()
    }

    fn reject(&mut self, error: &CmdError, id: Option<CommandId>) {
        error.write(self.reply);
        let stats = &self.engine.shared.stats;
        stats.count_error(self.stats, &error.message());
        if let Some(cost) = id.and_then(|id| self.stats.costs.get(id as usize)) {
            cost.rejected.add(1);
        }
        self.end_caching(id);
        if let Some(transaction) = &mut self.session.transaction {
            transaction.failed = true;
        }
    }

    fn queue(&mut self, id: CommandId, argv: Argv) -> Result<(), Box<Halt>> {
        if let Err(refusal) = admit(self.engine, self.session, id, self.locked.now_ms) {
            match refusal {
                Refusal::Error(error) => {
                    self.reject(&error, Some(id));
                    return Ok(());
                }
                // It is EXEC that will have to wait.
                Refusal::Paused { .. } => {}
            }
        }
        if let Some(transaction) = &mut self.session.transaction {
            let command = OwnedCommand::from_argv(argv);
            transaction.bytes += command.memory_bytes();
            transaction.commands.push(Queued { id, command });
        }
        self.reply.simple("QUEUED");
        Ok(())
    }

    #[inline]
    fn run(&mut self, id: CommandId, argv: Argv, first_key: FirstKey) -> Result<(), Box<Halt>> {
        if !self.is_calm && !self.is_admitted(id)? {
            return Ok(());
        }
        let result = self.call_inlined(id, argv, first_key, false);
        if matches!(result, Ok(Outcome::Done)) {
            // There is nothing in it to drop, which is not to be found out each time.
            std::mem::forget(result);
            self.end_unit(id);
            if self.locked.effects().has_ready() {
                serve_ready(self.engine, self.locked);
            }
            return Ok(());
        }
        let outcome = self.outcome_of(id, result);
        self.finish(id, argv, outcome)
    }

    /// Ends a command that did not simply succeed.
    #[inline(never)]
    fn finish(&mut self, id: CommandId, argv: Argv, outcome: Outcome) -> Result<(), Box<Halt>> {
        let left = match outcome {
            Outcome::Exec => {
                let left = self.run_transaction();
                self.locked.effects().end_unit();
                // Its line comes behind those of what it ran.
                if self.engine.shared.clients.has_monitors() {
                    self.tell_monitors(argv);
                }
                left
            }
            Outcome::Block(blocking) => {
                // It has not run yet, but what it did is done: a due key is gone, a consumer made.
                self.end_unit(id);
                self.stats.costs[id as usize].calls.take_back();
                let (engine, session) = (self.engine, &*self.session);
                let parked = park(engine, self.locked, session, id, argv, *blocking);
                Some(Outcome::Parked(parked))
            }
            outcome => {
                self.end_unit(id);
                (!matches!(outcome, Outcome::Done)).then_some(outcome)
            }
        };
        if self.locked.effects().has_ready() {
            serve_ready(self.engine, self.locked);
        }
        match left {
            None => Ok(()),
            Some(outcome) => Err(Halt::Outcome(outcome).into()),
        }
    }

    /// Whether a command may run; if not it has been answered, or waits.
    #[cold]
    fn is_admitted(&mut self, id: CommandId) -> Result<bool, Box<Halt>> {
        match admit(self.engine, self.session, id, self.locked.now_ms) {
            Ok(()) => return Ok(true),
            Err(Refusal::Paused { until_ms }) => return Err(Halt::Paused { until_ms }.into()),
            Err(Refusal::Error(error)) => {
                if self.engine.registry.get(id).spec.name == "exec" {
                    self.abort_exec(&error, id);
                } else {
                    self.reject(&error, Some(id));
                }
            }
        }
        Ok(false)
    }

    /// Ends the unit of one command. One that only reads leaves nothing but the deletions of
    /// keys that were due, which have nothing to do with each other.
    #[inline]
    fn end_unit(&mut self, id: CommandId) {
        if !self.locked.effects().has_unit() {
            return;
        }
        let changes = flag::WRITE | flag::MAY_REPLICATE | flag::ADMIN;
        if self.engine.registry.get(id).spec.has(changes) {
            self.locked.effects().end_unit();
        } else {
            self.locked.effects().end_loose_unit();
        }
    }

    /// Runs the queued commands of a session whose EXEC was accepted, as one unit under the
    /// locks of EXEC, and ends the transaction. Returns what is left to be done, together
    /// with the whole reply then.
    fn run_transaction(&mut self) -> Option<Outcome> {
        let commands = self.session.transaction.as_mut()?.begin();
        let start = self.reply.len_bytes();
        self.reply.array(commands.len());
        let (mut first, mut asked) = (Vec::new(), Vec::<Asked>::new());
        let mut begun_us = clock::unix_us();
        for queued in &commands {
            let before = self.reply.len_bytes();
            match self.call(queued.id, queued.command.argv(), FirstKey::default(), true) {
                Outcome::Done => {}
                Outcome::Ask(job) => {
                    match asked.last_mut() {
                        Some(earlier) => earlier.then = self.hold(start),
                        None => first = self.hold(start),
                    }
                    let then = Vec::new();
                    asked.push(Asked {
                        command: queued.id,
                        job,
                        then,
                    });
                }
                // Handlers answer for themselves when they may not wait.
                _ => {
                    let name = self.engine.registry.full_name(queued.id);
                    let refusal = format!("Command '{name}' is not allowed inside a transaction");
                    self.reply.truncate(before);
                    CmdError::err(refusal).write(self.reply);
                }
            }
            let ended_us = clock::unix_us();
            let took_us = (ended_us - begun_us).max(0) as u64;
            let argv = queued.command.argv();
            note_if_slow(self.engine, self.session, queued.id, argv, took_us);
            begun_us = ended_us;
        }
        self.session.transaction = None;
        self.session.facts.set(client_flag::CACHING_SAID, false);
        let last = asked.last_mut()?;
        last.then = self.hold(start);
        Some(Outcome::AskAll { first, asked })
    }

    /// Takes the replies from there on back.
    fn hold(&mut self, from: usize) -> Vec<u8> {
        let held = self.reply.bytes()[from..].to_vec();
        self.reply.truncate(from);
        held
    }

    /// A refused EXEC, for its own sake or that of a queued command: nothing of them runs.
    fn abort_exec(&mut self, error: &CmdError, id: CommandId) {
        let message = error.message();
        let reason = message.strip_prefix(b"ERR ").unwrap_or(&message);
        let template = "EXECABORT Transaction discarded because of: {}";
        let aborted = CmdError::quoting(template, &[reason]);
        self.session.transaction = None;
        crate::commands::transaction::unwatch_all(self.locked, self.session);
        self.reject(&aborted, Some(id));
    }

    /// Runs one admitted command through the inside door and counts it.
    pub fn call(
        &mut self,
        id: CommandId,
        argv: Argv,
        first_key: FirstKey,
        in_transaction: bool,
    ) -> Outcome {
        let result = self.call_inlined(id, argv, first_key, in_transaction);
        self.outcome_of(id, result)
    }

    /// As `call`, where it is hot: nothing that is handed on or back is copied then.
    #[inline(always)]
    fn call_inlined(
        &mut self,
        id: CommandId,
        argv: Argv,
        first_key: FirstKey,
        in_transaction: bool,
    ) -> Result<Outcome, CmdError> {
        let known = self.engine.registry.get(id);
        let skip = usize::from(known.container.is_some());
        let mut cx = Cx {
            store: &mut *self.locked,
            session: &mut *self.session,
            reply: &mut *self.reply,
            shared: &self.engine.shared,
            registry: &self.engine.registry,
            in_transaction,
        };
        let result = call(&mut cx, known.spec, argv, first_key, skip);
        if self.engine.shared.clients.has_monitors()
            && !known.spec.has(flag::SKIP_MONITOR | flag::ADMIN)
            && !matches!(result, Ok(Outcome::Exec))
        {
            self.tell_monitors(argv);
        }
        let effects = self.locked.effects();
        effects.group_dirty += effects.dirty;
        if self.is_tracked {
            let facts = &self.session.facts;
            track::after(self.engine, self.locked, facts, known.spec, argv);
            self.end_caching(Some(id));
        }
        // It may have been CLIENT TRACKING, and those behind it are noted already. What was
        // kept of the group so far is told even if nobody tracks any more.
        if known.container.is_some() {
            self.locked.effects().tracking |= self.engine.shared.tracking.is_active();
            self.is_tracked = self.locked.effects().tracking;
        }
        self.stats.costs[id as usize].calls.add(1);
        result
    }

    /// What CLIENT CACHING said is over with the command behind it, known or not, or with its
    /// transaction.
    #[cold]
    fn end_caching(&self, id: Option<CommandId>) {
        let facts = &self.session.facts;
        let name = id.map_or("", |id| self.engine.registry.full_name(id));
        if facts.has(client_flag::CACHING_SAID)
            && self.session.transaction.is_none()
            && !name.starts_with("client|")
        {
            facts.set(client_flag::CACHING_SAID, false);
        }
    }

    /// What is left to do after a call, whose failure is counted.
    #[inline(never)]
    fn outcome_of(&self, id: CommandId, result: Result<Outcome, CmdError>) -> Outcome {
        result.unwrap_or_else(|error| {
            self.stats.costs[id as usize].failed.add(1);
            let stats = &self.engine.shared.stats;
            stats.count_error(self.stats, &error.message());
            Outcome::Done
        })
    }

    #[cold]
    fn tell_monitors(&mut self, argv: Argv) {
        let us = clock::unix_us();
        let line = crate::commands::monitor::line(us, self.session, argv);
        self.engine.shared.clients.tell_monitors(&line);
    }
}
