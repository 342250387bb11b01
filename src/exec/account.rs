//! What is noted of commands that have run: how often and how long, and which of them were
//! slow or large.

use std::sync::atomic::Ordering;

use super::Engine;
use super::plan::{Plan, Planned, Verdict};
use crate::base::clock;
use crate::commands::registry::CommandId;
use crate::commands::spec::flag;
use crate::config::Param;
use crate::resp::argv::Argv;
use crate::resp::value::measure;
use crate::shared::commandlog::{LoggedCommand, Reason, trimmed};
use crate::shared::session::{ReplyMode, Session};
use crate::shared::spikes::Event;

/// Below this threshold of the slow log commands run one by one, to be timed one by one.
const SLOW_MICROSECONDS_ALONE: i64 = 1000;

/// Whether commands are to run one by one.
pub fn wants_single_times(engine: &Engine) -> bool {
    let threshold_us = engine.shared.config.get_int(Reason::Slow.threshold());
    (0..SLOW_MICROSECONDS_ALONE).contains(&threshold_us)
}

/// Notes in the slow log, if it was slow, a command that is no request of its group: one of a
/// transaction, where EXEC itself is not noted, or one that has waited.
pub fn note_if_slow(engine: &Engine, session: &Session, id: CommandId, argv: Argv, took_us: u64) {
    if exceeds(engine, Reason::Slow, took_us)
        && !engine.registry.get(id).spec.has(flag::SKIP_SLOWLOG)
    {
        add(engine, session, Reason::Slow, argv, took_us);
    }
}

fn exceeds(engine: &Engine, reason: Reason, amount: u64) -> bool {
    let threshold = engine.shared.config.get_int(reason.threshold());
    threshold >= 0 && amount >= threshold as u64
}

#[cold]
fn add(engine: &Engine, session: &Session, reason: Reason, argv: Argv, amount: u64) {
    let entry = logged_command(session, argv, amount);
    let len_max = engine.shared.config.get_int(reason.len_max()).max(0) as usize;
    engine.shared.commandlog.of(reason).add(entry, len_max);
}

/// The requests of a group that ran.
pub struct Group<'a> {
    pub plan: &'a Plan,
    /// What the requests were read from.
    pub input: &'a [u8],
    /// How many of them ran; at least one.
    pub ran: usize,
    /// The last of them waits, and is noted when it does no more.
    pub is_parked: bool,
    /// How many bytes of the input they took.
    pub used: usize,
    pub gate: usize,
    pub replies: &'a [u8],
}

impl Group<'_> {
    /// Shares out the time that the group took, and notes what was slow or large.
    #[inline]
    pub fn account(&self, engine: &Engine, session: &Session, begun_us: i64) {
        let took_us = (clock::unix_us() - begun_us).max(0) as u64;
        let ran = self.ran as u64;
        let config = &engine.shared.config;
        let stats = engine.shared.stats.thread(self.gate);
        stats.commands.add(ran);
        let tracks = config.get_bool(Param::LatencyTracking);
        let (share, rest) = (took_us / ran, took_us % ran);
        let count = |id: CommandId, calls: u64, more_us: u64| {
            let cost = &stats.costs[id as usize];
            cost.microseconds.add(share * calls + more_us);
            if tracks {
                cost.track(share, calls);
            }
        };
        // Neighbours are mostly calls of one command: they are counted together.
        let (mut id, mut calls) = (0, 0);
        for request in self.requests() {
            match request.verdict {
                Verdict::Run(same) if same == id => calls += 1,
                Verdict::Run(next) => {
                    if calls > 0 {
                        count(id, calls, 0);
                    }
                    (id, calls) = (next, 1);
                }
                Verdict::Queue(_) | Verdict::Reject(..) | Verdict::Abort(..) => {}
            }
        }
        if calls > 0 {
            count(id, calls, rest);
        }
        let known = self.requests().iter().rev();
        let last = known
            .map(|request| &request.verdict)
            .find_map(|verdict| match verdict {
                Verdict::Run(id) | Verdict::Queue(id) => Some(*id),
                Verdict::Reject(..) | Verdict::Abort(..) => None,
            });
        if let Some(id) = last {
            let last_command = &session.facts.last_command;
            last_command.store(u32::from(id) + 1, Ordering::Relaxed);
        }
        if exceeds(engine, Reason::Slow, share)
            || exceeds(engine, Reason::LargeRequest, self.used as u64)
            || exceeds(engine, Reason::LargeReply, self.replies.len() as u64)
        {
            self.log(engine, session, share);
        }
        let spike_ms = config.get_int(Param::LatencyMonitorThreshold);
        if spike_ms > 0 && took_us >= spike_ms as u64 * 1000 {
            self.note_spike(engine, took_us, spike_ms);
        }
    }

    fn requests(&self) -> &[Planned] {
        &self.plan.requests[..self.ran]
    }

    /// Finds out which of the commands exceed a threshold. All of a group count as equally
    /// slow; how large each one is is seen by its bytes.
    #[cold]
    fn log(&self, engine: &Engine, session: &Session, microseconds: u64) {
        let mut replies = self.replies;
        let over = self.ran - usize::from(self.is_parked);
        for request in &self.requests()[..over] {
            let reply_bytes = match session.reply_mode {
                ReplyMode::On => self.next_reply(&mut replies),
                _ => 0,
            };
            let Verdict::Run(id) = request.verdict else {
                continue;
            };
            if engine.registry.get(id).spec.has(flag::SKIP_SLOWLOG) {
                continue;
            }
            for (reason, amount) in [
                (Reason::Slow, microseconds),
                (Reason::LargeRequest, request.len_bytes() as u64),
                (Reason::LargeReply, reply_bytes),
            ] {
                if exceeds(engine, reason, amount) {
                    let argv = self.plan.argv(request, self.input);
                    add(engine, session, reason, argv, amount);
                }
            }
        }
    }

    /// The bytes of the next reply: each request has one, but that a single one may have
    /// several, or one that is still to come.
    fn next_reply(&self, replies: &mut &[u8]) -> u64 {
        let len = match self.ran {
            1 => replies.len(),
            _ => measure(replies).ok().flatten().unwrap_or(replies.len()),
        };
        *replies = &replies[len..];
        len as u64
    }

    /// Notes for the latency monitor how long the group's client waited.
    #[cold]
    fn note_spike(&self, engine: &Engine, took_us: u64, threshold_ms: i64) {
        let is_fast = |request: &Planned| match request.verdict {
            Verdict::Run(id) => engine.registry.get(id).spec.has(flag::FAST),
            _ => true,
        };
        let event = match self.requests().iter().all(is_fast) {
            true => Event::FastCommand,
            false => Event::Command,
        };
        let seconds = clock::unix_ms() / 1000;
        let spikes = &engine.shared.spikes;
        spikes.note(event, seconds, took_us, threshold_ms);
    }
}

fn logged_command(session: &Session, argv: Argv, amount: u64) -> LoggedCommand {
    let sensitive = crate::commands::monitor::redacted(argv);
    let args: Vec<&[u8]> = match &sensitive {
        Some(args) => args.iter().map(|arg| &arg[..]).collect(),
        None => argv.iter().collect(),
    };
    LoggedCommand {
        id: 0,
        unix_seconds: clock::unix_ms() / 1000,
        amount,
        args: trimmed(args.into_iter()),
        client_address: session.facts.address.clone(),
        client_name: session.facts.text.lock().name.clone(),
    }
}
