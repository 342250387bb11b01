//! Groups: which requests run under one lock set, and which shards that is.
//!
//! Simple requests are taken together, up to `GROUP_MAX`: their shards are locked at once
//! and their entries fetched side by side. A request that changes what the checks of its
//! successors depend on (AUTH, MULTI, SUBSCRIBE, ...) makes a group of its own.

use std::sync::atomic::Ordering;

use super::Engine;
use crate::commands::args::FirstKey;
use crate::commands::error::CmdError;
use crate::commands::registry::{CommandId, Known};
use crate::commands::spec::{KeyRef, Locks, Spec, flag};
use crate::resp::argv::{ArgRange, Argv, OwnedCommand};
use crate::resp::request::{Limits, Opening, Parsed, Parser, ProtocolError};
use crate::resp::template::{QUOTED_MAX, fill, first_of};
use crate::shared::session::{Origin, Session};
use crate::store::keyspace::Keyspace;
use crate::store::locked::Want;

/// Requests in a group: enough to hide memory latency, few enough to hold locks briefly.
pub const GROUP_MAX: usize = 16;

/// Keys in a group, after which no further request joins it.
const KEYS_MAX: usize = 64;

/// The most arguments whose room is kept from one group to the next.
const KEPT_MAX: usize = 16 * 1024;

/// One request of a group.
pub struct Planned {
    /// Its arguments: a part of `Plan::ranges`, offsets into the input; or its own.
    ranges: (u32, u32),
    frame: (usize, usize),
    inline: Option<Box<OwnedCommand>>,
    pub verdict: Verdict,
    pub first_key: FirstKey,
}

impl Planned {
    /// Where it begins in the input.
    pub fn start(&self) -> usize {
        self.frame.0
    }

    /// How many bytes of the input it takes.
    pub fn len_bytes(&self) -> usize {
        self.frame.1 - self.frame.0
    }
}

/// What the checks of the connection say.
pub enum Verdict {
    Run(CommandId),
    /// Behind MULTI: kept for EXEC.
    Queue(CommandId),
    /// Refused; the command, if it was known, for its count of rejected calls.
    Reject(Box<CmdError>, Option<CommandId>),
    /// An EXEC that is refused, which ends its transaction.
    Abort(Box<CmdError>, CommandId),
}

/// A group, and the buffers it is made in.
#[derive(Default)]
pub struct Plan {
    pub requests: Vec<Planned>,
    ranges: Vec<ArgRange>,
    shards: Vec<u16>,
    everything: bool,
    keys: Vec<KeyRef>,
    /// Of the last request that was looked up and has one key: a client asks mostly the same
    /// again, with another key.
    familiar: Option<Familiar>,
    /// Whether the request that was parsed last begins like that one.
    is_familiar: bool,
}

/// How a request began, and what that says of it.
#[derive(Clone, Copy)]
struct Familiar {
    opening: Opening,
    call: KeyedCall,
}

/// A call of one key, of which nothing more is to be known before it joins a group.
#[derive(Clone, Copy)]
struct KeyedCall {
    id: CommandId,
    key_at: usize,
}

impl Plan {
    pub fn clear(&mut self) {
        self.requests.clear();
        self.ranges.clear();
        self.shards.clear();
        self.everything = false;
    }

    /// Keeps no room for a request of very many arguments that has run.
    #[inline]
    pub fn give_back(&mut self) {
        if self.ranges.capacity() > KEPT_MAX {
            self.clear();
            self.ranges = Vec::new();
            self.shards = Vec::new();
            self.keys = Vec::new();
        }
    }

    /// The locks of all requests together.
    pub fn want(&self) -> Want<'_> {
        if self.everything {
            Want::Everything
        } else {
            Want::Shards(&self.shards)
        }
    }

    pub fn is_full(&self) -> bool {
        self.requests.len() >= GROUP_MAX || self.shards.len() >= KEYS_MAX
    }

    /// Parses the request at the start of `input`, the next one to join.
    ///
    /// # Errors
    /// The stream cannot be read any further.
    #[inline]
    pub fn parse(
        &mut self,
        parser: &mut Parser,
        input: &[u8],
        limits: &Limits,
    ) -> Result<Parsed, ProtocolError> {
        let ranges = &mut self.ranges;
        let alike = self
            .familiar
            .as_ref()
            .and_then(|familiar| parser.parse_alike(&familiar.opening, input, limits, ranges));
        self.is_familiar = alike.is_some();
        match alike {
            Some(consumed_bytes) => Ok(Parsed::Complete {
                consumed_bytes,
                inline: None,
            }),
            None => parser.parse(input, limits, ranges),
        }
    }

    pub fn ranges_len(&self) -> usize {
        self.ranges.len()
    }

    /// Takes back the arguments of a request that does not join.
    pub fn forget_ranges(&mut self, len: usize) {
        self.ranges.truncate(len);
    }

    #[inline]
    pub fn argv<'a>(&'a self, request: &'a Planned, input: &'a [u8]) -> Argv<'a> {
        match &request.inline {
            Some(owned) => owned.argv(),
            None => {
                let (start, end) = request.frame;
                let (first, last) = request.ranges;
                let ranges = &self.ranges[first as usize..last as usize];
                Argv {
                    bytes: &input[start..end],
                    ranges,
                }
            }
        }
    }

    /// Adds the request whose arguments stand at `ranges[from..]`, unless it has to wait
    /// for a group of its own.
    #[inline]
    pub fn add(
        &mut self,
        planner: &Planner,
        input: &[u8],
        frame: (usize, usize),
        from: usize,
        inline: Option<Box<OwnedCommand>>,
    ) -> Joined {
        if inline.is_some() || !planner.is_plain {
            return self.add_any(planner, input, frame, from, inline);
        }
        let argv = Argv {
            bytes: &input[frame.0..frame.1],
            ranges: &self.ranges[from..],
        };
        let call = match self.familiar {
            Some(familiar) if self.is_familiar => familiar.call,
            _ => match look_up(planner, argv) {
                Some(call) => {
                    if let Some(opening) = Opening::of(argv) {
                        self.familiar = Some(Familiar { opening, call });
                    }
                    call
                }
                None => return self.add_any(planner, input, frame, from, None),
            },
        };
        let keyspace = &planner.engine.shared.keyspace;
        let hash = keyspace.hasher.hash(argv.get(call.key_at));
        add_shard(keyspace, hash, &mut self.shards);
        let first_key = FirstKey::new(call.key_at, hash);
        self.push(frame, from, None, Verdict::Run(call.id), first_key);
        match self.is_full() {
            true => Joined::Last,
            false => Joined::Yes,
        }
    }

    /// As `add`, whatever the request is.
    #[inline(never)]
    fn add_any(
        &mut self,
        planner: &Planner,
        input: &[u8],
        frame: (usize, usize),
        from: usize,
        inline: Option<Box<OwnedCommand>>,
    ) -> Joined {
        let argv = match &inline {
            Some(owned) => owned.argv(),
            None => Argv {
                bytes: &input[frame.0..frame.1],
                ranges: &self.ranges[from..],
            },
        };
        let verdict = planner.check(argv);
        let mut first_key = FirstKey::default();
        let mut is_last = false;
        if let Verdict::Run(id) | Verdict::Abort(_, id) = verdict {
            let known = planner.engine.registry.get(id);
            if !known.groups && !self.requests.is_empty() {
                return Joined::No;
            }
            is_last = !known.groups;
            let set = LockSet {
                planner,
                shards: &mut self.shards,
                keys: &mut self.keys,
            };
            let must_lock_all;
            (first_key, must_lock_all) = set.add(known, argv);
            self.everything |= must_lock_all;
        }
        self.push(frame, from, inline, verdict, first_key);
        match is_last || self.is_full() {
            true => Joined::Last,
            false => Joined::Yes,
        }
    }

    #[inline]
    fn push(
        &mut self,
        frame: (usize, usize),
        from: usize,
        inline: Option<Box<OwnedCommand>>,
        verdict: Verdict,
        first_key: FirstKey,
    ) {
        self.requests.push(Planned {
            ranges: (0, 0),
            frame: (0, 0),
            inline,
            verdict,
            first_key: FirstKey::default(),
        });
        // Most of it is filled in where it stands: made elsewhere and then moved, it would be
        // read back wider than it was just written, for which processors have to wait.
        if let Some(request) = self.requests.last_mut() {
            // A group has far less than four billion arguments.
            request.ranges = (from as u32, self.ranges.len() as u32);
            request.frame = frame;
            request.first_key = first_key;
        }
    }

    /// As `add`, for a stream whose requests join whatever they are: no check of one
    /// depends on what another does.
    pub fn add_always(
        &mut self,
        planner: &Planner,
        input: &[u8],
        frame: (usize, usize),
        from: usize,
    ) {
        if self.add(planner, input, frame, from, None) == Joined::No {
            // Alone in its group any request joins.
            let earlier = std::mem::take(&mut self.requests);
            self.add(planner, input, frame, from, None);
            let added = std::mem::replace(&mut self.requests, earlier);
            self.requests.extend(added);
        }
    }

    /// The name of the request that joined last.
    pub fn last_name<'a>(&'a self, input: &'a [u8]) -> &'a [u8] {
        self.requests
            .last()
            .map_or(&[], |request| self.argv(request, input).get(0))
    }

    /// Drops the requests from input byte `end` on; their locks stay in the set.
    pub fn cut_at(&mut self, end: usize) {
        self.requests.retain(|request| request.frame.0 < end);
    }
}

/// Whether a request joined a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// It has to wait for a group of its own.
    No,
    Yes,
    /// It did, and no other may.
    Last,
}

/// For whom a group is planned. The session does not change meanwhile.
pub struct Planner<'a> {
    engine: &'a Engine,
    session: &'a Session,
    /// Nothing about the session decides what its commands may do.
    is_plain: bool,
}

impl<'a> Planner<'a> {
    pub fn new(engine: &'a Engine, session: &'a Session) -> Planner<'a> {
        Planner {
            engine,
            session,
            is_plain: session.is_plain(),
        }
    }

    /// The checks that belong to the connection alone.
    pub fn check(&self, argv: Argv) -> Verdict {
        let registry = &self.engine.registry;
        let Some(id) = registry.find(argv.get(0)) else {
            return Verdict::Reject(Box::new(unknown_command(argv)), None);
        };
        let (id, known) = match resolve(self.engine, id, argv) {
            Ok(found) => found,
            Err(error) => return refuse(error, id, registry.get(id)),
        };
        if !known.spec.arity_fits(argv.len()) {
            let name = registry.full_name(id).to_owned();
            return refuse(CmdError::WrongArity(name), id, known);
        }
        if self.is_plain && !known.spec.has(flag::PROTECTED) {
            return Verdict::Run(id);
        }
        match check_session(self.engine, self.session, id, known.spec) {
            Ok(true) => Verdict::Queue(id),
            Ok(false) => Verdict::Run(id),
            Err(error) => refuse(error, id, known),
        }
    }
}

fn refuse(error: CmdError, id: CommandId, known: &Known) -> Verdict {
    match known.spec.name {
        "exec" => Verdict::Abort(Box::new(error), id),
        _ => Verdict::Reject(Box::new(error), Some(id)),
    }
}

/// What a call is, if it has one key as nearly every call does, and no more is to be asked
/// about it.
#[inline]
fn look_up(planner: &Planner, argv: Argv) -> Option<KeyedCall> {
    let registry = &planner.engine.registry;
    let id = registry.find(argv.get(0))?;
    let key_at = registry.get(id).only_key(argv.len())?;
    Some(KeyedCall { id, key_at })
}

/// Adds the shard of a key to a lock set.
#[inline]
pub(super) fn add_shard(keyspace: &Keyspace, hash: u64, shards: &mut Vec<u16>) {
    let shard = keyspace.shard_of(hash);
    keyspace.prefetch_lock(shard);
    shards.push(shard as u16);
}

/// Collects the shards that a call locks.
struct LockSet<'a> {
    planner: &'a Planner<'a>,
    shards: &'a mut Vec<u16>,
    keys: &'a mut Vec<KeyRef>,
}

impl LockSet<'_> {
    /// Returns the first key, and whether everything is to be locked.
    fn add(mut self, known: &Known, argv: Argv) -> (FirstKey, bool) {
        let none = FirstKey::default();
        match known.spec.locks {
            Locks::Everything => (none, true),
            Locks::EverythingIf(must) if must(argv) => (none, true),
            Locks::Argument(at) => {
                self.add_key(argv.get(at));
                (none, false)
            }
            Locks::Transaction => (none, self.add_transaction()),
            Locks::Keys | Locks::EverythingIf(_) => (self.add_keys(known, argv), false),
        }
    }

    /// Adds the shard of one key, whose hash it returns.
    fn add_key(&mut self, key: &[u8]) -> u64 {
        let hash = self.planner.engine.shared.keyspace.hasher.hash(key);
        self.push(hash);
        hash
    }

    fn push(&mut self, hash: u64) {
        add_shard(&self.planner.engine.shared.keyspace, hash, self.shards);
    }

    fn add_keys(&mut self, known: &Known, argv: Argv) -> FirstKey {
        self.keys.clear();
        known.spec.keys_of(argv, self.keys);
        let mut first = None;
        for key in 0..self.keys.len() {
            let arg = self.keys[key].arg;
            let hash = self.add_key(argv.get(arg));
            first.get_or_insert(FirstKey::new(arg, hash));
        }
        first.unwrap_or_default()
    }

    fn add_transaction(&mut self) -> bool {
        let Planner {
            engine, session, ..
        } = *self.planner;
        for watched in &session.watched {
            self.push(watched.hash);
        }
        let Some(transaction) = &session.transaction else {
            return false;
        };
        let mut everything = false;
        for queued in &transaction.commands {
            let known = engine.registry.get(queued.id);
            match known.spec.locks {
                Locks::Everything => everything = true,
                Locks::EverythingIf(must) if must(queued.command.argv()) => everything = true,
                Locks::Argument(at) => {
                    self.add_key(queued.command.argv().get(at));
                }
                Locks::Keys | Locks::EverythingIf(_) => {
                    self.add_keys(known, queued.command.argv());
                }
                Locks::Transaction => {}
            }
        }
        everything
    }
}

/// What the session's modes say. True: the command is to be queued.
fn check_session(
    engine: &Engine,
    session: &Session,
    id: CommandId,
    spec: &Spec,
) -> Result<bool, CmdError> {
    if session.origin == Origin::Leader {
        return Ok(false);
    }
    if !session.may_enter(&engine.shared.config) && !spec.has(flag::NO_AUTH) {
        return Err(CmdError::NoAuth);
    }
    let full_name = engine.registry.full_name(id);
    if spec.has(flag::PROTECTED) {
        super::admit::protected(engine, session, full_name)?;
    }
    if session.monitor && spec.has(flag::WRITE | flag::READONLY | flag::MAY_REPLICATE) {
        return Err(CmdError::text(
            "ERR Replica can't interact with the keyspace",
        ));
    }
    let speaks_resp2 = session.facts.resp.load(Ordering::Relaxed) != 3;
    if speaks_resp2 && session.is_subscribed() && !may_subscriber(full_name) {
        return Err(CmdError::err(format!(
            "Can't execute '{full_name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / \
             RESET are allowed in this context"
        )));
    }
    if session.transaction.is_none() || runs_inside_multi(full_name) {
        return Ok(false);
    }
    if spec.has(flag::NO_MULTI) {
        return Err(CmdError::text(
            "ERR Command not allowed inside a transaction",
        ));
    }
    Ok(true)
}

fn resolve<'e>(
    engine: &'e Engine,
    id: CommandId,
    argv: Argv,
) -> Result<(CommandId, &'e Known), CmdError> {
    let known = engine.registry.get(id);
    if known.spec.subcommands.is_empty() || argv.len() < 2 {
        return Ok((id, known));
    }
    match engine.registry.find_sub(id, argv.get(1)) {
        Some(sub) => Ok((sub, engine.registry.get(sub))),
        None => {
            let container = engine.registry.full_name(id).to_uppercase();
            Err(CmdError::quoting(
                "ERR unknown subcommand '{}'. Try {} HELP.",
                &[first_of(argv.get(1), QUOTED_MAX), container.as_bytes()],
            ))
        }
    }
}

fn may_subscriber(full_name: &str) -> bool {
    matches!(
        full_name,
        "ping"
            | "subscribe"
            | "ssubscribe"
            | "psubscribe"
            | "unsubscribe"
            | "sunsubscribe"
            | "punsubscribe"
            | "quit"
            | "reset"
    )
}

fn runs_inside_multi(full_name: &str) -> bool {
    matches!(
        full_name,
        "exec" | "discard" | "multi" | "watch" | "quit" | "reset"
    )
}

fn unknown_command(argv: Argv) -> CmdError {
    let mut args = Vec::new();
    for arg in argv.iter().skip(1) {
        if args.len() >= QUOTED_MAX {
            break;
        }
        args.extend(fill("'{}' ", &[first_of(arg, QUOTED_MAX - args.len())]));
    }
    CmdError::quoting(
        "ERR unknown command '{}', with args beginning with: {}",
        &[first_of(argv.get(0), QUOTED_MAX), &args],
    )
}

#[cfg(test)]
mod tests;
