//! What a handler works with, and what it may leave for others to do.

use std::sync::Arc;

use super::args::Args;
use super::error::CmdError;
use super::index::{self, CommandId, Index};
use crate::config::Param;
use crate::resp::argv::OwnedCommand;
use crate::resp::reply::ReplyBuf;
use crate::shared::Shared;
use crate::shared::followers::Wanted;
use crate::shared::migration::Migration;
use crate::shared::parked::{Nothing, Parked};
use crate::shared::session::{Origin, Session};
use crate::store::keyspace::Key;
use crate::store::locked::Locked;
use crate::types::Kind;

/// What a command's function is.
pub type Handler = fn(&mut Cx, Args) -> Result<Outcome, CmdError>;

/// All commands of a server, found by name or number.
pub type Registry = Index<Handler>;

/// One of them with its place.
pub type Known = index::Known<Handler>;

/// The world of one call: the locked keyspace, the connection's session, the reply.
pub struct Cx<'a, 'k> {
    pub store: &'a mut Locked<'k>,
    pub session: &'a mut Session,
    pub reply: &'a mut ReplyBuf,
    pub shared: &'a Shared,
    pub registry: &'a Registry,
    /// Inside EXEC: nothing may block, and nothing may leave the transaction.
    pub in_transaction: bool,
}

impl Cx<'_, '_> {
    #[inline]
    pub fn now_ms(&self) -> i64 {
        self.store.now_ms
    }

    /// Counts `n` changes: a command that changed nothing is not logged.
    #[inline]
    pub fn dirty(&mut self, n: u64) {
        self.store.effects().dirty += n;
    }

    /// A keyspace event on a key of the selected database.
    #[inline]
    pub fn event(&mut self, class: u32, name: &'static str, key: Key) {
        let db = self.session.db;
        self.store.effects().event(class, name, db, key.bytes);
    }

    /// Whether a command that finds nothing may wait for it.
    pub fn may_block(&self) -> bool {
        !self.in_transaction && self.session.origin == Origin::Client
    }

    /// Logs that a key is gone, in place of the request; `lazy` as in [`Config::deletion`].
    ///
    /// [`Config::deletion`]: crate::config::Config::deletion
    pub fn log_deletion(&mut self, key: &[u8], lazy: Param) {
        self.log_instead(&[self.shared.config.deletion(lazy), key]);
    }

    /// Logs these arguments in place of the request.
    pub fn log_instead(&mut self, args: &[&[u8]]) {
        let db = self.session.db;
        let effects = self.store.effects();
        effects.log(db, args);
        effects.instead_of_request();
    }
}

/// What is left to do when a handler returns.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing: the reply is written.
    Done,
    /// Run the queued commands, at once and as one unit.
    Exec,
    /// Nothing is there yet: run the command again when one of these keys changes.
    Block(Box<Blocking>),
    /// It waits, in line.
    Parked(Arc<Parked>),
    /// Reply with the number of followers that have what is wanted, when they are enough or
    /// the deadline has come (`None`: never).
    Wait {
        wanted: Wanted,
        deadline_ms: Option<i64>,
    },
    /// Have a task do it, which also writes the reply.
    Ask(Job),
    /// The same, one after the other: what the commands of a transaction have asked for.
    AskAll {
        /// The replies before that of the first job.
        first: Vec<u8>,
        asked: Vec<Asked>,
    },
    /// The connection becomes something else.
    Become(Role),
    /// Close when the reply is sent.
    Close,
}

/// What a command waits for that found nothing. It runs again, arguments and all, whenever
/// one of the keys has changed so that it is concerned; if it finds nothing then it stays in
/// its place.
#[derive(Debug)]
pub struct Blocking {
    /// Keys of the selected database, each of which may end the wait.
    pub keys: Vec<Box<[u8]>>,
    /// What a key must hold.
    pub kind: Kind,
    /// It is concerned, too, when a key is gone or holds something else.
    pub even_without_key: bool,
    /// `None`: it waits for ever.
    pub deadline_ms: Option<i64>,
    pub nothing: Nothing,
    /// Runs in place of the request, where that says something relative to now.
    pub request: Option<OwnedCommand>,
}

/// A job of a transaction. The others of its commands have run when it begins, so that
/// they are one unit; the replies still come in the order of the commands.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    /// The command that has asked for it, whose failure it may be.
    pub command: CommandId,
    pub job: Job,
    /// The replies that come behind that of the job, up to the next job's.
    pub then: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Role {
    Monitor,
    /// A follower that asks for the log: the arguments of its PSYNC or SYNC.
    Follower {
        request: Vec<Box<[u8]>>,
    },
}

/// What a handler cannot do under locks, or not at all: it belongs to tasks.
#[derive(Debug, PartialEq, Eq)]
pub enum Job {
    Save,
    /// FLUSHALL: save that there is nothing any more, in place of a save that runs.
    SaveFlushed,
    BackgroundSave,
    Shutdown(Shutdown),
    CancelShutdown,
    /// Follow this leader, or none.
    ReplicaOf(Option<(String, u16)>),
    Failover(Failover),
    /// CONFIG REWRITE; with `all` (DEBUG CONFIG-REWRITE-FORCE-ALL) every directive is written,
    /// whatever its value.
    RewriteConfig {
        all: bool,
    },
    /// DEBUG RELOAD: save and load again.
    Reload {
        save: bool,
        flush: bool,
        merge: bool,
    },
    /// DEBUG RESTART and CRASH-AND-RECOVER.
    Restart {
        crash: bool,
        delay_ms: u64,
    },
    /// INFO: count how large the keys are, and tell it behind this text.
    Survey(String),
    /// Take keys to another server.
    Migrate(Box<Migration>),
    /// DEBUG SEGFAULT and its like: end at once, without saving.
    Crash,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shutdown {
    pub save: bool,
    pub no_save: bool,
    pub now: bool,
    pub force: bool,
    /// Asked for by a signal, not by a client.
    pub by_signal: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failover {
    Begin {
        to: Option<(String, u16)>,
        force: bool,
        timeout_ms: Option<i64>,
    },
    Abort,
}
