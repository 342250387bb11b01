//! What one connection's commands run in: its database, transaction, watched keys,
//! subscriptions and modes. Owned by the connection; others see `ClientFacts`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::clients::{ClientFacts, client_flag};
use super::introduction::FollowerFacts;
use crate::config::Config;
use crate::resp::request::OwnedCommand;
use crate::store::watch::WatchFlag;

/// Who comes through the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Client,
    /// The leader's stream: applied as it is, never answered.
    Leader,
}

/// Whether replies are sent (CLIENT REPLY).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyMode {
    On,
    Off,
    /// Not the reply of this command; the next one's neither.
    SkipNext,
    /// Not the reply of the command that runs.
    Skip,
}

/// Commands queued since MULTI.
#[derive(Default)]
pub struct Transaction {
    pub commands: Vec<Queued>,
    /// A command was refused while queueing: EXEC will refuse all.
    pub failed: bool,
    pub bytes: usize,
    /// How many commands EXEC runs, from its beginning on.
    running: usize,
}

impl Transaction {
    /// Hands the commands to EXEC; others still see how many they are.
    pub fn begin(&mut self) -> Vec<Queued> {
        let commands = std::mem::take(&mut self.commands);
        self.running = commands.len();
        commands
    }

    /// How many commands are queued or run.
    pub fn len(&self) -> usize {
        self.commands.len() + self.running
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

pub struct Queued {
    /// The command's id in the registry.
    pub id: u16,
    pub command: OwnedCommand,
}

pub struct Watched {
    pub db: u32,
    pub key: Box<[u8]>,
    pub hash: u64,
}

/// What a watched key or a channel costs beside its name, here and where all who are
/// interested in it are noted; roughly.
const NAME_FIXED_BYTES: usize = 96;

/// What a connection costs without its buffers, roughly.
pub const FIXED_BYTES: usize = size_of::<ClientFacts>() + size_of::<Session>();

pub struct Session {
    pub facts: Arc<ClientFacts>,
    pub origin: Origin,
    pub db: u32,
    pub authenticated: bool,
    pub reply_mode: ReplyMode,
    pub transaction: Option<Transaction>,
    pub watched: Vec<Watched>,
    pub watch_flag: Arc<WatchFlag>,
    pub channels: BTreeSet<Box<[u8]>>,
    pub patterns: BTreeSet<Box<[u8]>>,
    pub shard_channels: BTreeSet<Box<[u8]>>,
    /// What the names of all these take, in bytes (`add_name`).
    name_bytes: usize,
    pub no_touch: bool,
    /// More is in memory than may be, and nothing makes room for the group that runs.
    pub is_out_of_memory: bool,
    /// In `import-mode` it sees keys whose time has come.
    pub import_source: bool,
    pub monitor: bool,
    /// What REPLCONF told of the other side.
    pub follower: FollowerFacts,
    /// Close as soon as the replies so far are sent.
    pub closing: bool,
    /// Log offset behind this session's last write, for WAIT.
    pub written_offset: u64,
}

impl Session {
    pub fn new(facts: Arc<ClientFacts>, origin: Origin) -> Session {
        Session {
            facts,
            origin,
            db: 0,
            authenticated: false,
            reply_mode: ReplyMode::On,
            transaction: None,
            watched: Vec::new(),
            watch_flag: Arc::default(),
            channels: BTreeSet::new(),
            patterns: BTreeSet::new(),
            shard_channels: BTreeSet::new(),
            name_bytes: 0,
            no_touch: false,
            is_out_of_memory: false,
            import_source: false,
            monitor: false,
            follower: Default::default(),
            closing: false,
            written_offset: 0,
        }
    }

    /// Whether its commands are heard: a password is asked for only as long as there is
    /// one.
    #[inline]
    pub fn may_enter(&self, config: &Config) -> bool {
        self.authenticated || !config.has_password()
    }

    /// Nothing about the session decides what its commands may do.
    #[inline]
    pub fn is_plain(&self) -> bool {
        match self.origin {
            Origin::Leader => true,
            Origin::Client => {
                self.authenticated
                    && self.transaction.is_none()
                    && !self.monitor
                    && !self.is_subscribed()
            }
        }
    }

    /// Whether a RESP2 connection may only use the commands of subscribers.
    pub fn is_subscribed(&self) -> bool {
        self.subscriptions() + self.shard_channels.len() > 0
    }

    /// A key is watched, or a channel subscribed to, under this name.
    pub fn add_name(&mut self, name: &[u8]) {
        self.name_bytes += name.len() + NAME_FIXED_BYTES;
    }

    /// It is not any more.
    pub fn remove_name(&mut self, name: &[u8]) {
        self.name_bytes -= name.len() + NAME_FIXED_BYTES;
    }

    /// Channels and patterns, as the replies of SUBSCRIBE count them.
    pub fn subscriptions(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }

    /// Tells others how the session stands. Once per batch, before its replies leave: who
    /// has seen them finds what they say.
    pub fn note_facts(&self) {
        let facts = &self.facts;
        facts.db.store(self.db, Ordering::Relaxed);
        let (queued, queued_bytes) = match &self.transaction {
            Some(transaction) => (transaction.len() as i64, transaction.bytes),
            None => (-1, 0),
        };
        facts.queued.store(queued, Ordering::Relaxed);
        let counts = [
            (&facts.memory.queued_bytes, queued_bytes),
            (&facts.memory.name_bytes, self.name_bytes),
            (&facts.watched, self.watched.len()),
            (&facts.channels, self.channels.len()),
            (&facts.patterns, self.patterns.len()),
            (&facts.shard_channels, self.shard_channels.len()),
        ];
        for (fact, count) in counts {
            fact.store(count, Ordering::Relaxed);
        }
        let own = self.flags();
        let flags = facts.flags.load(Ordering::Relaxed);
        // The rest of the flags is set by others too, so they are not simply stored.
        if flags & client_flag::OF_SESSION != own {
            facts.set(client_flag::OF_SESSION & !own, false);
            facts.set(own, true);
        }
    }

    /// Of `client_flag::OF_SESSION`, those that are on.
    fn flags(&self) -> u32 {
        let flags = [
            (client_flag::MULTI, self.transaction.is_some()),
            (client_flag::DIRTY_CAS, self.watch_flag.is_raised()),
            (client_flag::PUBSUB, self.is_subscribed()),
            (client_flag::MONITOR, self.monitor),
            (client_flag::CLOSE_AFTER_REPLY, self.closing),
            (client_flag::NO_TOUCH, self.no_touch),
        ];
        let on = flags.iter().filter(|(_, on)| *on);
        on.fold(0, |all, (flag, _)| all | flag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_see_how_a_session_stands() {
        let mut session = Session::new(Arc::default(), Origin::Client);
        let facts = session.facts.clone();
        facts.set(client_flag::NO_EVICT, true);
        session.note_facts();
        assert_eq!(facts.queued.load(Ordering::Relaxed), -1);
        session.db = 3;
        session.transaction = Some(Transaction::default());
        session.patterns.insert(b"p*"[..].into());
        session.note_facts();
        assert_eq!(facts.db.load(Ordering::Relaxed), 3);
        assert_eq!(facts.queued.load(Ordering::Relaxed), 0);
        assert_eq!(facts.patterns.load(Ordering::Relaxed), 1);
        assert!(facts.has(client_flag::MULTI) && facts.has(client_flag::PUBSUB));
        session.transaction = None;
        session.note_facts();
        assert!(!facts.has(client_flag::MULTI) && facts.has(client_flag::NO_EVICT));
    }
}
