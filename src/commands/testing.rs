//! What unit tests run commands in: a keyspace, a session, a log and a clock that stands
//! still, without sockets, tasks or the outside door.
//!
//! ```ignore
//! let mut server = TestServer::new();
//! server.check("SET a 1 EX 10", "+OK");
//! server.check_log(&["SET a 1 PXAT 1700000010000"]);
//! server.check_events(&["new a", "set a", "expire a"]);
//! server.advance_ms(10_001);
//! server.check("GET a", "nil");
//! ```
//!
//! Commands come through the inside door, under the locks of everything: there is no
//! grouping, no admission, and EXEC runs nothing. Their names and arity are checked.
//! Replies are written down in the notation of the wire tests: `+OK`, `-ERR text`, `:5`,
//! `"text"`, `nil` (`nil*` for an array, `_` in RESP3), `[a, b]`, `~[a]`, `>[a]`,
//! `{k: v}`, `,3.5`, `#t`, `(123`, `=txt:"text"`.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::FAMILIES;
use super::args::FirstKey;
use super::call::call;
use super::cx::{Cx, Outcome};
use super::error::CmdError;
use super::registry::Registry;
use crate::base::hash::KeyHasher;
use crate::config::{Config, SetContext};
use crate::oplog::{Reader, ReaderKind};
use crate::resp::argv::{Argv, OwnedCommand};
use crate::resp::inline::split_args;
use crate::resp::reply::ReplyBuf;
use crate::resp::request::{Limits, Parsed, Parser};
use crate::resp::value::{Value, parse_value};
use crate::shared::clients::ClientFacts;
use crate::shared::session::{Origin, Session};
use crate::shared::{Garbage, Shared, Size};
use crate::store::locked::{Expiry, Locked, Locker};

/// When every test begins: a round number of 2023.
pub const START_MS: i64 = 1_700_000_000_000;

pub struct TestServer {
    pub shared: Shared,
    pub registry: Registry,
    pub session: Session,
    /// What the last command left to be done; `Outcome::Done` if nothing.
    pub outcome: Outcome,
    pub now_ms: i64,
    /// What commands do with keys that are due: as on a leader at first.
    pub expiry: Expiry,
    locker: Locker,
    reply: ReplyBuf,
    log: Reader,
    /// The database that the log has selected.
    log_db: String,
    _garbage: Receiver<Garbage>,
}

impl Default for TestServer {
    fn default() -> TestServer {
        TestServer::new()
    }
}

impl TestServer {
    /// An empty leader with a backlog, seen by a client that has logged in.
    pub fn new() -> TestServer {
        TestServer::with(&[])
    }

    /// The same, speaking RESP3.
    pub fn resp3() -> TestServer {
        let mut server = TestServer::new();
        server.reply.set_resp3(true);
        server
    }

    /// The same with these configuration directives set.
    pub fn with(directives: &[(&str, &str)]) -> TestServer {
        let config = Arc::new(Config::new());
        let pairs: Vec<(&[u8], &[u8])> = directives
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        config.set(&pairs, &SetContext::default()).unwrap();
        let registry = Registry::new(FAMILIES);
        let size = Size {
            shards: 16,
            gates: 1,
            commands: registry.len(),
        };
        let (shared, garbage) = Shared::new(config, KeyHasher::seeded(1), size, START_MS);
        shared.oplog.activate_backlog();
        let mut facts = ClientFacts::default();
        facts.id = shared.clients.next_id();
        facts.address = "127.0.0.1:1000".to_owned();
        let facts = Arc::new(facts);
        shared.clients.add(facts.clone());
        let mut session = Session::new(facts, Origin::Client);
        session.authenticated = true;
        TestServer {
            locker: Locker::new(&shared.keyspace, 0),
            log: shared.oplog.reader_at_end(ReaderKind::Follower),
            log_db: String::new(),
            reply: ReplyBuf::new(),
            outcome: Outcome::Done,
            now_ms: START_MS,
            expiry: Expiry::Delete,
            session,
            registry,
            shared,
            _garbage: garbage,
        }
    }

    /// Moves the clock.
    pub fn advance_ms(&mut self, by_ms: i64) {
        self.now_ms += by_ms;
    }

    /// Runs a line as redis-cli splits it; the reply in this module's notation, empty if
    /// there was none.
    #[track_caller]
    pub fn run(&mut self, line: &str) -> String {
        let args = split_args(line.as_bytes()).expect("quotes that close");
        self.run_args(&args)
    }

    /// The same with any bytes as arguments.
    #[track_caller]
    pub fn run_args<A: AsRef<[u8]>>(&mut self, args: &[A]) -> String {
        self.call(OwnedCommand::from_args(args).argv());
        let bytes = self.reply.take();
        let mut texts = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (value, len) = parse_value(rest).unwrap().expect("a whole reply");
            texts.push(written(&value, self.reply.resp3()));
            rest = &rest[len..];
        }
        texts.join(" ")
    }

    #[track_caller]
    pub fn check(&mut self, line: &str, expect: &str) {
        assert_eq!(self.run(line), expect, "{line}");
    }

    /// What was logged since the last look: a line a command, arguments parted by blanks,
    /// those of another database than 0 as `5> SET a 1`.
    pub fn log(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let bytes = self.read_log();
        let (mut rest, mut ranges) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let parsed = Parser::new().parse(rest, &Limits::default(), &mut ranges);
            let Ok(Parsed::Complete { consumed_bytes, .. }) = parsed else {
                panic!("the log holds a broken record");
            };
            let bytes = &rest[..consumed_bytes];
            let argv = Argv {
                bytes,
                ranges: &ranges,
            };
            let words: Vec<String> = argv.iter().map(word).collect();
            match &words[..] {
                [name, db] if name == "SELECT" => self.log_db = db.clone(),
                _ if self.log_db == "0" => lines.push(words.join(" ")),
                _ => lines.push(format!("{}> {}", self.log_db, words.join(" "))),
            }
            rest = &rest[consumed_bytes..];
            ranges.clear();
        }
        lines
    }

    fn read_log(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let more = self.log.fill(usize::MAX).unwrap();
            if more.is_empty() {
                return bytes;
            }
            bytes.extend_from_slice(more);
            let len = more.len();
            self.log.consume(len);
        }
    }

    /// The log since the last look is exactly this.
    #[track_caller]
    pub fn check_log(&mut self, expect: &[&str]) {
        assert_eq!(self.log(), expect);
    }

    /// The keyspace events since the last look, of every class, as `set a`.
    pub fn events(&mut self) -> Vec<String> {
        let events = self.locker.effects.events.drain(..);
        let text = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
        events
            .map(|event| format!("{} {}", event.name, text(&event.key)))
            .collect()
    }

    /// The events since the last look are exactly these.
    #[track_caller]
    pub fn check_events(&mut self, expect: &[&str]) {
        assert_eq!(self.events(), expect);
    }

    /// Runs a line, and checks its reply, what it logged and its events.
    #[track_caller]
    pub fn check_all(&mut self, line: &str, expect: &str, log: &[&str], events: &[&str]) {
        self.log();
        self.events();
        self.check(line, expect);
        assert_eq!(self.log(), log, "log of {line}");
        assert_eq!(self.events(), events, "events of {line}");
    }

    /// Changes since the beginning, as Redis's `dirty` counts them.
    pub fn changes(&self) -> u64 {
        self.locker.effects.group_dirty
    }

    /// Looks at the keyspace itself.
    pub fn with_locked<R>(&mut self, look: impl FnOnce(&mut Locked) -> R) -> R {
        let mut locked = self.shared.keyspace.lock_everything(&mut self.locker);
        (locked.now_ms, locked.expiry) = (self.now_ms, self.expiry);
        locked.lfu = self.shared.lfu();
        look(&mut locked)
    }

    /// One round of the expiry task in database 0. True at the end of its pass.
    pub fn expiry_round(&mut self) -> bool {
        let mut locked = self.shared.keyspace.lock_everything(&mut self.locker);
        (locked.now_ms, locked.expiry) = (self.now_ms, self.expiry);
        locked.lfu = self.shared.lfu();
        let effects = locked.effects();
        (effects.logging, effects.notify) = (true, u32::MAX);
        let is_over = locked.due_shard(0).is_none() || locked.expire_round(0);
        let effects = locked.effects();
        self.shared.oplog.append(&mut effects.records, &[]);
        effects.records.clear();
        is_over
    }

    fn call(&mut self, argv: Argv) {
        self.outcome = Outcome::Done;
        let found = self.registry.find(argv.get(0));
        let Some(id) = found else {
            return CmdError::text("ERR unknown command").write(&mut self.reply);
        };
        let container = self.registry.get(id).spec;
        let (id, skip) = match container.subcommands.is_empty() || argv.len() < 2 {
            true => (id, 0),
            false => match self.registry.find_sub(id, argv.get(1)) {
                Some(sub) => (sub, 1),
                None => return CmdError::text("ERR unknown subcommand").write(&mut self.reply),
            },
        };
        let spec = self.registry.get(id).spec;
        if !spec.arity_fits(argv.len()) {
            let name = self.registry.full_name(id).to_owned();
            return CmdError::WrongArity(name).write(&mut self.reply);
        }
        let mut locked = self.shared.keyspace.lock_everything(&mut self.locker);
        (locked.now_ms, locked.expiry) = (self.now_ms, self.expiry);
        locked.lfu = self.shared.lfu();
        let effects = locked.effects();
        (effects.logging, effects.notify) = (true, u32::MAX);
        let mut cx = Cx {
            store: &mut locked,
            session: &mut self.session,
            reply: &mut self.reply,
            shared: &self.shared,
            registry: &self.registry,
            in_transaction: false,
        };
        // An error is in the reply as well.
        self.outcome =
            call(&mut cx, spec, argv, FirstKey::default(), skip).unwrap_or(Outcome::Done);
        let effects = locked.effects();
        effects.group_dirty += effects.dirty;
        effects.end_unit();
        self.shared.oplog.append(&mut effects.records, &[]);
        effects.records.clear();
        effects.garbage.clear();
    }
}

/// A reply in this module's notation.
fn written(value: &Value, resp3: bool) -> String {
    let many = |mark: &str, items: &[Value]| {
        let items: Vec<String> = items.iter().map(|item| written(item, resp3)).collect();
        format!("{mark}[{}]", items.join(", "))
    };
    let map = |pairs: &[(Value, Value)]| {
        let pair =
            |(k, v): &(Value, Value)| format!("{}: {}", written(k, resp3), written(v, resp3));
        let pairs: Vec<String> = pairs.iter().map(pair).collect();
        format!("{{{}}}", pairs.join(", "))
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match value {
        Value::Simple(line) => format!("+{}", text(line)),
        Value::Error(line) => format!("-{}", text(line)),
        Value::Integer(value) => format!(":{value}"),
        Value::Bulk(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        Value::Null | Value::NullArray if resp3 => "_".to_owned(),
        Value::Null => "nil".to_owned(),
        Value::NullArray => "nil*".to_owned(),
        Value::Array(items) => many("", items),
        Value::Set(items) => many("~", items),
        Value::Push(items) => many(">", items),
        Value::Map(pairs) => map(pairs),
        Value::Double(value) => format!(",{value}"),
        Value::Boolean(value) => format!("#{}", if *value { 't' } else { 'f' }),
        Value::BigNumber(digits) => format!("({}", text(digits)),
        Value::Verbatim(kind, bytes) => format!("={}:\"{}\"", text(kind), bytes.escape_ascii()),
        Value::Attributed(pairs, value) => format!("|{}{}", map(pairs), written(value, resp3)),
    }
}

/// An argument of a logged command; an empty one and one with blanks in quotes.
fn word(arg: &[u8]) -> String {
    let text = arg.escape_ascii().to_string();
    match text.is_empty() || text.contains(' ') {
        true => format!("\"{text}\""),
        false => text,
    }
}

mod tests {
    use super::*;

    #[test]
    fn what_a_command_does_is_seen() {
        let mut server = TestServer::new();
        server.check(
            "MULTI now",
            "-ERR wrong number of arguments for 'multi' command",
        );
        server.check("DISCARD", "-ERR DISCARD without MULTI");
        server.check("MULTI", "+OK");
        server.check("EXEC", "");
        assert!(matches!(server.outcome, Outcome::Exec));
        server.check_log(&[]);
        server.check_events(&[]);
    }

    #[test]
    fn replies_are_written_down() {
        let check = |resp: &[u8], resp3, expect: &str| {
            let (value, _) = parse_value(resp).unwrap().unwrap();
            assert_eq!(written(&value, resp3), expect);
        };
        check(
            b"*3\r\n$1\r\n\0\r\n$-1\r\n*-1\r\n",
            false,
            "[\"\\x00\", nil, nil*]",
        );
        check(b"%1\r\n+a\r\n_\r\n", true, "{+a: _}");
        check(b"~2\r\n,1.5\r\n#t\r\n", true, "~[,1.5, #t]");
    }
}
