//! One server of the simulation: the real engine and the real replication, with a file
//! system of its own and a network that the schedule rules over.

use std::cell::Cell;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lockstep::base::clock;
use lockstep::base::hash::KeyHasher;
use lockstep::commands::FAMILIES;
use lockstep::commands::cx::{Outcome, Role};
use lockstep::commands::registry::Registry;
use lockstep::config::{Config, Launch, SetContext};
use lockstep::exec::Engine;
use lockstep::exec::dispatch::{Executor, Stop};
use lockstep::exec::maintain::ExpiryCursor;
use lockstep::net::stream::Stream;
use lockstep::oplog::History;
use lockstep::persist::{load, save};
use lockstep::replication::{self, Network, NewFollower, Replication};
use lockstep::resp::reply::ReplyBuf;
use lockstep::resp::request::{Parser, encode_command};
use lockstep::shared::clients::ClientFacts;
use lockstep::shared::session::{Origin, Session};
use lockstep::shared::{Garbage, Shared, Size};
use lockstep::store::locked::{Expiry, Locker};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::sleep;

use crate::wire::Net;

/// Who locks the keyspace.
const GATE_CLIENT: usize = 0;
const GATE_ACCEPTED: usize = 1;
const GATE_LEADER: usize = 2;
const GATE_FOLLOWER: usize = 3;
const GATE_CRON: usize = 4;
const GATES: usize = 5;

const CRON_EVERY: Duration = Duration::from_millis(100);

/// A node's port is this and its number.
const PORT: u16 = 10_000;

/// A server that runs.
pub struct Node {
    pub engine: Arc<Engine>,
    pub replication: Replication,
    executor: Executor,
    session: Session,
    parser: Parser,
    locker: Locker,
    tasks: JoinHandle<()>,
    ice: Rc<Ice>,
    snapshot_us_per_key: u64,
    _freed: std::sync::mpsc::Receiver<Garbage>,
}

/// What a node is started with.
pub struct Plan<'a> {
    pub id: usize,
    pub dir: &'a Path,
    pub leader: Option<usize>,
    pub backlog_bytes: u64,
    pub seed: u64,
}

/// Which node listens there.
pub fn node_at(port: u16) -> usize {
    usize::from(port - PORT)
}

/// How leaders know a follower.
pub fn follower_address(id: usize) -> (String, u16) {
    (format!("10.0.0.{id}"), PORT + id as u16)
}

pub fn address(id: usize) -> (String, u16) {
    ("127.0.0.1".to_owned(), PORT + id as u16)
}

/// A database, a key of it, its value and its expiry.
pub type Content = (u32, Vec<u8>, Vec<u8>, Option<i64>);

impl Node {
    /// Loads what is in `dir` and starts.
    pub fn start(plan: &Plan, net: &Net) -> Node {
        let registry = Registry::new(FAMILIES);
        let size = Size {
            shards: 4,
            gates: GATES,
            commands: registry.len(),
        };
        let hasher = KeyHasher::seeded(plan.seed);
        let now_ms = clock::unix_ms();
        let (shared, freed) = Shared::new(config(plan), hasher, size, now_ms);
        let mut locker = Locker::new(&shared.keyspace, GATE_CRON);
        replication::take_role(&shared, &mut locker);
        let report = load::start(&shared, &mut locker, |_, history| {
            replication::restore(&shared, history);
        });
        let restored = report.expect("a file that loads");
        let restored = restored.and_then(|report| report.replication);
        let engine = Arc::new(Engine { shared, registry });
        let (set, ice) = (LocalSet::new(), Rc::<Ice>::default());
        let entered = set.enter();
        let (id, wires) = (plan.id, net.clone());
        let network = Network {
            connect: Box::new(move |target| {
                let to = node_at(target.port);
                Box::pin(wires.clone().connect(id, to))
            }),
            seed: plan.seed,
        };
        let gates = [GATE_LEADER, GATE_FOLLOWER];
        let replication = replication::start_here(engine.clone(), gates, restored, network);
        spawn_local(accept(engine.clone(), replication.clone(), net.listen(id)));
        spawn_local(run_cron(engine.clone()));
        drop(entered);
        let shared = &engine.shared;
        Node {
            executor: Executor::new(Locker::new(&shared.keyspace, GATE_CLIENT)),
            session: session(shared, String::new()),
            parser: Parser::new(),
            locker,
            tasks: spawn_local(Process {
                tasks: set,
                ice: ice.clone(),
            }),
            ice,
            snapshot_us_per_key: 0,
            replication,
            engine,
            _freed: freed,
        }
    }

    /// Stops it as SIGSTOP does, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        self.ice.is_frozen.set(frozen);
        if let Some(waker) = self.ice.waker.take() {
            waker.wake();
        }
    }

    pub fn is_frozen(&self) -> bool {
        self.ice.is_frozen.get()
    }

    /// Whether a client would be answered.
    pub fn serves(&self) -> bool {
        !self.is_frozen() && !self.is_loading()
    }

    /// Ends without warning, as a process does that is killed.
    pub async fn kill(self) {
        self.tasks.abort();
        // That it was aborted is all there is to say.
        let _ = self.tasks.await;
    }

    /// Makes snapshots for followers take time, so that writes come in between.
    pub fn slow_snapshots(&mut self, us_per_key: u64) {
        self.snapshot_us_per_key = us_per_key;
        self.set("rdb-key-save-delay", &us_per_key.to_string());
    }

    /// SAVE. False if the file is a leader's snapshot that is about to be loaded from it: how
    /// far that is, is for threads in real time.
    pub fn save(&mut self) -> bool {
        // It would sleep in real time.
        self.set("rdb-key-save-delay", "0");
        let shared = &self.engine.shared;
        let path = shared.config.dir().join("dump.rdb");
        let saved = match save::save_to(shared, &mut self.locker, &path, &mut |_| {}) {
            Ok(_) => true,
            Err(save::SaveError::Cancelled) => false,
            Err(error) => panic!("a file system: {error}"),
        };
        self.slow_snapshots(self.snapshot_us_per_key);
        saved
    }

    /// Runs one client's commands and returns the replies.
    pub fn run(&mut self, commands: &[Vec<String>]) -> Vec<u8> {
        let mut input = Vec::new();
        for args in commands {
            encode_command(args, &mut input);
        }
        let mut reply = ReplyBuf::new();
        let mut at = 0;
        while at < input.len() {
            let (session, parser) = (&mut self.session, &mut self.parser);
            let rest = &input[at..];
            let progress = self
                .executor
                .dispatch(&self.engine, session, parser, rest, &mut reply);
            self.engine.shared.oplog.wake_readers();
            at += progress.consumed_bytes;
            match progress.stop {
                Stop::NeedInput | Stop::Flush => {}
                stop => panic!("no client's command stops here: {stop:?}"),
            }
        }
        reply.bytes().to_vec()
    }

    /// CONFIG SET.
    pub fn set(&self, name: &str, value: &str) {
        let pairs = [(name.as_bytes(), value.as_bytes())];
        let set = self
            .engine
            .shared
            .config
            .set(&pairs, &SetContext::default());
        set.expect("a directive that can be set");
    }

    pub fn end_offset(&self) -> u64 {
        self.engine.shared.oplog.end_offset()
    }

    pub fn is_loading(&self) -> bool {
        self.engine.shared.jobs.loading.is_active()
    }

    pub fn is_link_up(&self) -> bool {
        self.engine.shared.role.is_link_up()
    }

    pub fn full_syncs(&self) -> u64 {
        let stats = &self.engine.shared.stats.rare;
        stats.sync_full.load(Ordering::Relaxed)
    }

    /// A string as it is, due or not.
    pub fn get(&mut self, db: u32, key: &str) -> Option<Vec<u8>> {
        let keyspace = &self.engine.shared.keyspace;
        let key = keyspace.key(key.as_bytes());
        let shard = keyspace.shard_of(key.hash) as u16;
        let mut locked = keyspace.lock_shards(&mut self.locker, &[shard]);
        locked.expiry = Expiry::Ignore;
        let entry = locked.peek(db, key)?;
        entry.string_bytes().map(<[u8]>::to_vec)
    }

    pub fn history(&self) -> History {
        self.engine.shared.history.lock().clone()
    }

    /// Every key with its value and expiry, in order, by database.
    pub fn contents(&mut self) -> Vec<Content> {
        let keyspace = &self.engine.shared.keyspace;
        let locked = keyspace.lock_everything(&mut self.locker);
        let mut all = Vec::new();
        for db in 0..keyspace.database_count() as u32 {
            locked.for_each(db, |entry| {
                let key = entry.key().to_vec();
                let value = entry.string_bytes().unwrap_or_default().to_vec();
                all.push((db, key, value, entry.expire_at_ms()));
            });
        }
        all.sort();
        all
    }
}

/// What keeps a process from running.
#[derive(Default)]
struct Ice {
    is_frozen: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

/// All tasks of a server. Its sockets live on while it is frozen, and so do its timers: what
/// has come due meanwhile is due when it thaws.
struct Process {
    tasks: LocalSet,
    ice: Rc<Ice>,
}

impl Future for Process {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.ice.is_frozen.get() {
            self.ice.waker.set(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        Pin::new(&mut self.tasks).poll(cx)
    }
}

/// What a leader has lost its followers lose too: who has what is for the cluster to know.
fn config(plan: &Plan) -> Arc<Config> {
    let mut lines = format!(
        "dir {}\nport {}\nsave \"\"\nrepl-timeout 5\nrepl-ping-replica-period 1\n\
         repl-diskless-sync-delay 0\nrepl-backlog-size {}\n\
         replica-accept-empty-leader yes\n",
        plan.dir.display(),
        PORT + plan.id as u16,
        plan.backlog_bytes,
    );
    if let Some(leader) = plan.leader {
        let (host, port) = address(leader);
        lines.push_str(&format!("replicaof {host} {port}\n"));
    }
    let launch = Launch {
        file: None,
        read_stdin: false,
        lines: lines.into_bytes(),
    };
    Arc::new(Config::load(&launch, &mut std::io::empty()).expect("good directives"))
}

fn session(shared: &Shared, address: String) -> Session {
    let mut facts = ClientFacts::default();
    facts.id = shared.clients.next_id();
    facts.address = address;
    let mut session = Session::new(Arc::new(facts), Origin::Client);
    session.authenticated = true;
    session
}

async fn run_cron(engine: Arc<Engine>) {
    let mut locker = Locker::new(&engine.shared.keyspace, GATE_CRON);
    let mut cursor = ExpiryCursor::default();
    loop {
        sleep(CRON_EVERY).await;
        // A whole pass, however long it takes in real time: time is part of the schedule.
        while !cursor.round(&engine, &mut locker) {}
    }
}

async fn accept(
    engine: Arc<Engine>,
    replication: Replication,
    mut listener: tokio::sync::mpsc::UnboundedReceiver<Stream>,
) {
    while let Some(stream) = listener.recv().await {
        spawn_local(converse(engine.clone(), replication.clone(), stream));
    }
}

/// Answers a connection until it becomes a follower's.
async fn converse(engine: Arc<Engine>, replication: Replication, mut stream: Stream) {
    let shared = &engine.shared;
    let (address, _) = stream.addresses();
    let mut session = session(shared, address);
    let mut executor = Executor::new(Locker::new(&shared.keyspace, GATE_ACCEPTED));
    let (mut parser, mut reply, mut pending) = (Parser::new(), ReplyBuf::new(), Vec::new());
    let mut buffer = [0; 4096];
    loop {
        let read = std::future::poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await;
        let Ok(len @ 1..) = read else {
            return;
        };
        pending.extend_from_slice(&buffer[..len]);
        let (session, parser) = (&mut session, &mut parser);
        let progress = executor.dispatch(&engine, session, parser, &pending, &mut reply);
        engine.shared.oplog.wake_readers();
        pending.drain(..progress.consumed_bytes);
        if let Stop::Outcome(Outcome::Become(Role::Follower { request })) = progress.stop {
            replication.new_follower(NewFollower {
                stream: stream.leave().expect("no socket"),
                facts: session.facts.clone(),
                introduction: std::mem::take(&mut session.follower),
                request,
                leftover_input: pending,
                pending_output: reply.take(),
            });
            return;
        }
        let mut out = &reply.take()[..];
        while !out.is_empty() {
            let written = std::future::poll_fn(|cx| stream.poll_write(cx, out)).await;
            let Ok(len) = written else {
                return;
            };
            out = &out[len..];
        }
    }
}
