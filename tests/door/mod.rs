//! The server below its tasks, in this process: bytes in at the outside door, replies out.

#![allow(dead_code, reason = "each of those who include this uses a part of it")]

use std::sync::Arc;

use lockstep::base::clock;
use lockstep::base::hash::KeyHasher;
use lockstep::commands::FAMILIES;
use lockstep::commands::registry::Registry;
use lockstep::config::{Config, Launch};
use lockstep::exec::Engine;
use lockstep::exec::dispatch::{Executor, Stop};
use lockstep::resp::reply::ReplyBuf;
use lockstep::resp::request::{Parser, encode_command};
use lockstep::shared::clients::ClientFacts;
use lockstep::shared::session::{Origin, Session};
use lockstep::shared::{Shared, Size};
use lockstep::store::entry::Entry;
use lockstep::store::locked::{Expiry, Locker};

/// One connection to an engine of its own.
pub struct Door {
    engine: Engine,
    executor: Executor,
    session: Session,
    parser: Parser,
    /// What was answered and not taken yet.
    pub reply: ReplyBuf,
}

impl Door {
    /// An empty leader with a backlog, so that writes are logged, if `logging`.
    pub fn new(logging: bool) -> Door {
        let registry = Registry::new(FAMILIES);
        let size = Size {
            shards: 2048,
            gates: 1,
            commands: registry.len(),
        };
        let launch = Launch {
            file: None,
            read_stdin: false,
            lines: b"enable-debug-command yes".to_vec(),
        };
        let config = Config::load(&launch, &mut std::io::empty()).expect("a good directive");
        let (shared, _) = Shared::new(
            Arc::new(config),
            KeyHasher::random(),
            size,
            clock::unix_ms(),
        );
        if logging {
            shared.oplog.activate_backlog();
        }
        let executor = Executor::new(Locker::new(&shared.keyspace, 0));
        let mut session = Session::new(Arc::new(ClientFacts::default()), Origin::Client);
        session.authenticated = true;
        Door {
            engine: Engine { shared, registry },
            executor,
            session,
            parser: Parser::new(),
            reply: ReplyBuf::new(),
        }
    }

    /// Runs whole requests; the replies go behind those in `reply`.
    pub fn run(&mut self, input: &[u8]) {
        let mut rest = input;
        loop {
            let progress = self.executor.dispatch(
                &self.engine,
                &mut self.session,
                &mut self.parser,
                rest,
                &mut self.reply,
            );
            rest = &rest[progress.consumed_bytes..];
            match progress.stop {
                Stop::NeedInput => break,
                Stop::Flush => {}
                stop => panic!("nobody stops here: {stop:?}"),
            }
        }
        assert!(
            rest.is_empty(),
            "not a whole request: {}",
            rest.escape_ascii()
        );
    }

    /// Looks at a key of database 0, in the keyspace itself.
    pub fn peek<R>(&mut self, key: &[u8], look: impl FnOnce(&Entry) -> R) -> Option<R> {
        let keyspace = &self.engine.shared.keyspace;
        let key = keyspace.key(key);
        let mut locked = keyspace.lock_everything(&mut self.executor.locker);
        (locked.now_ms, locked.expiry) = (clock::unix_ms(), Expiry::Hide);
        locked.peek(0, key).map(|entry| look(&entry))
    }
}

/// Requests as they go over the wire.
pub fn encode<A: AsRef<[u8]>>(commands: &[Vec<A>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for args in commands {
        encode_command(args, &mut bytes);
    }
    bytes
}
