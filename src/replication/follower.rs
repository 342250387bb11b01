//! The follower's thread: our link to our leader, and everything that changes our role.
//!
//! `Link` decides; here are its socket, its clock and what it wants done. The stream is
//! applied by this thread itself, in order, and relayed through the log as it came.

mod orders;

mod sync;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::sleep;

use super::desk::RoleRequest;
use super::doubt::Held;
use super::handshake::Resume;
use super::input::Input;
use super::intake::{Intake, Loading, Made, Trouble};
use super::link::{Action, Link, LinkStatus, Progress, Target};
use super::presence::{introduction, leader_session, phase_named, timeout_ms};
use super::roles;
use super::trouble::{self, Disk};
use crate::base::rng::Rng;
use crate::base::{clock, os_error};
use crate::config::{Config, Param};
use crate::exec::Engine;
use crate::exec::apply::{Applied, Applier, is_blank};
use crate::net::connect::connect;
use crate::net::stream::Stream;
use crate::oplog::ReplId;
use crate::persist::load::ReplFacts;
use crate::shared::role::LinkPhase;
use crate::shared::session::Session;
use crate::store::locked::Locker;

/// What is read at once while a load is slowed down: this thread is to be back soon.
const READ_BYTES_SLOW: usize = 1 << 10;

/// The follower's clock is looked at no less often than this.
const TICK_MS_MAX: u64 = 1000;

/// How often it is looked whether a pause is over.
const PAUSE_LOOK_MS: u64 = 10;

/// So much of the stream is read ahead while it may not be applied. The rest waits at the
/// leader's.
const AHEAD_BYTES_MAX: usize = 64 << 20;

/// A leader that hands over sends nothing new: only one that errs could go on for so long.
const CATCH_UP_MS_MAX: u64 = 1000;

/// A connection on its way.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Stream>>>>;

/// What lies between the servers.
pub struct Network {
    pub connect: Box<dyn Fn(Target) -> Connecting>,
    /// For the jitter of retries.
    pub seed: u64,
}

enum Event {
    Request(Option<RoleRequest>),
    Connected(io::Result<Stream>),
    Read,
    Lost(String),
    Made(Result<Made, Trouble>),
    Tick,
}

/// The follower's side of this server.
struct Following {
    engine: Arc<Engine>,
    applier: Applier,
    session: Session,
    link: Link,
    /// As `shared.role` was last told.
    told: LinkStatus,
    connecting: Option<Connecting>,
    connect: Box<dyn Fn(Target) -> Connecting>,
    stream: Option<Stream>,
    input: Input,
    /// Whether CLIENT PAUSE keeps from being applied what has come.
    is_held: bool,
    out: Vec<u8>,
    /// The snapshot that comes, and the one that has come and is made ready.
    intake: Option<Intake>,
    loading: Option<Loading>,
    /// The history of the snapshot that comes.
    full_from: Option<(ReplId, u64)>,
    /// What we hold, if the leader seems to have lost its own.
    doubt: Option<Held>,
    /// See `Held`.
    offset_tells: bool,
    /// Whether our history is one that a leader may continue.
    resumes: bool,
    /// Told whether the one whom we hand our leadership to took it; None when we hand it to
    /// nobody.
    hand_over: Option<oneshot::Sender<bool>>,
    /// The last snapshot was lost because the disk did not take it.
    is_disk_full: bool,
    disk: Disk,
}

/// Starts the thread, as a follower of `target` or waiting to become one. `restored` is the
/// history of the data that was loaded.
///
/// # Errors
/// There is no thread to be had.
pub fn start(
    engine: Arc<Engine>,
    locker: Locker,
    requests: mpsc::UnboundedReceiver<RoleRequest>,
    target: Option<Target>,
    restored: Option<ReplFacts>,
) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("follower".to_owned());
    thread.spawn(move || {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default());
        match runtime {
            Ok(runtime) => {
                let network = by_tcp(engine.shared.config.clone());
                runtime.block_on(serve(engine, locker, requests, target, restored, network));
            }
            Err(error) => tracing::error!("No leader can be followed: {error}"),
        }
    })?;
    Ok(())
}

/// Serves until asked to stop.
pub async fn serve(
    engine: Arc<Engine>,
    locker: Locker,
    mut requests: mpsc::UnboundedReceiver<RoleRequest>,
    target: Option<Target>,
    restored: Option<ReplFacts>,
    network: Network,
) {
    let mut following = Following::new(engine, locker, restored, network);
    if let Some(target) = target {
        following.follow(target);
        if restored.is_some() {
            // Whom the configuration names is the one that the data came from.
            following.link.presume_led();
        }
    }
    following.run(&mut requests).await;
}

fn by_tcp(config: Arc<Config>) -> Network {
    Network {
        connect: Box::new(move |target: Target| {
            let source = config.get_text(Param::BindSourceAddr);
            Box::pin(async move {
                let source = String::from_utf8_lossy(&source);
                let connected = connect(&target.host, target.port, &source).await;
                connected.map(Stream::Tcp)
            })
        }),
        seed: Rng::from_entropy().next_u64(),
    }
}

impl Following {
    fn new(
        engine: Arc<Engine>,
        locker: Locker,
        restored: Option<ReplFacts>,
        network: Network,
    ) -> Following {
        let session = leader_session(&engine, None);
        let timeout_ms = timeout_ms(&engine);
        let mut following = Following {
            applier: Applier::new(locker),
            session,
            link: Link::new(introduction(&engine), timeout_ms, network.seed),
            told: LinkStatus::default(),
            connecting: None,
            connect: network.connect,
            stream: None,
            input: Input::default(),
            is_held: false,
            out: Vec::new(),
            intake: None,
            loading: None,
            full_from: None,
            doubt: None,
            offset_tells: restored.is_none(),
            resumes: restored.is_some(),
            hand_over: None,
            is_disk_full: false,
            disk: Disk::default(),
            engine,
        };
        following.session.db = restored.and_then(|facts| facts.stream_db).unwrap_or(0);
        following
    }

    async fn run(&mut self, requests: &mut mpsc::UnboundedReceiver<RoleRequest>) {
        loop {
            self.tell();
            let event = self.next(requests).await;
            self.engine.shared.jobs.keep_going();
            self.link.set_timeout_ms(timeout_ms(&self.engine));
            let mut actions = Vec::new();
            match event {
                Event::Request(None | Some(RoleRequest::Stop)) => return,
                Event::Request(Some(request)) => {
                    if matches!(request, RoleRequest::TakeOver { .. }) {
                        self.catch_up().await;
                    }
                    let followed = self.link.target().cloned();
                    self.take_request(request);
                    if self.link.target() != followed.as_ref() {
                        self.abandon_load();
                    }
                }
                Event::Connected(Ok(stream)) => {
                    self.stream = Some(stream);
                    let mut introduction = introduction(&self.engine);
                    introduction.loads_from_socket = self.loads_from_socket();
                    self.link.set_introduction(introduction);
                    let resume = self.resume();
                    self.link.connected(resume, now_ms(), &mut actions);
                }
                Event::Connected(Err(error)) => {
                    let why = os_error::words(&error);
                    self.link.connect_failed(&why, now_ms(), &mut actions);
                }
                Event::Read => self.take_input_alone(),
                Event::Lost(why) => self.link.lost(&why, now_ms(), &mut actions),
                Event::Made(made) => {
                    let engine = self.engine.clone();
                    let _following = engine.shared.jobs.following.lock();
                    self.go_on_loading(made);
                }
                Event::Tick => {
                    self.look_at_pause();
                    let progress = self.progress();
                    self.link.tick(progress, now_ms(), &mut actions);
                }
            }
            self.perform(actions);
        }
    }

    // ---- what happens next ----

    async fn next(&mut self, requests: &mut mpsc::UnboundedReceiver<RoleRequest>) -> Event {
        let due_ms = self.link.next_tick_ms().unwrap_or(u64::MAX);
        let tick_ms_max = if self.is_held {
            PAUSE_LOOK_MS
        } else {
            TICK_MS_MAX
        };
        let wait_ms = due_ms.saturating_sub(now_ms()).min(tick_ms_max);
        let mut tick = pin!(sleep(Duration::from_millis(wait_ms)));
        let facts = self.session.facts.clone();
        let mut poked = pin!(facts.wake.notified());
        poll_fn(|cx| {
            // A role must not change while data is between two histories.
            if self
                .loading
                .as_ref()
                .is_none_or(|loading| !loading.is_bound())
                && let Poll::Ready(request) = requests.poll_recv(cx)
            {
                return Poll::Ready(Event::Request(request));
            }
            if tick.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Tick);
            }
            if poked.as_mut().poll(cx).is_ready() && facts.is_killed() {
                return Poll::Ready(Event::Lost("killed".to_owned()));
            }
            self.poll_link(cx)
        })
        .await
    }

    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if let Poll::Ready(error) = self.poll_out(cx) {
            return Poll::Ready(Event::Lost(os_error::words(&error)));
        }
        if let Some(loading) = &mut self.loading {
            // What comes meanwhile waits in the socket; and if the link broke, a new one
            // waits for the history that it can go on with.
            return loading.poll(cx).map(Event::Made);
        }
        if let Some(connecting) = &mut self.connecting {
            let connected = ready!(connecting.as_mut().poll(cx));
            self.connecting = None;
            return Poll::Ready(Event::Connected(connected));
        }
        if self.is_ahead() {
            return Poll::Pending;
        }
        let Some(stream) = &mut self.stream else {
            return Poll::Pending;
        };
        let space = self.input.space();
        let space = match self.engine.shared.config.get_int(Param::KeyLoadDelay) {
            0 => space,
            _ => space.get_mut(..READ_BYTES_SLOW).unwrap_or_default(),
        };
        let read = ready!(stream.poll_read(cx, space));
        Poll::Ready(match read {
            Ok(0) => Event::Lost("Connection closed by peer".to_owned()),
            Ok(read_bytes) => {
                self.input.add(read_bytes);
                let stats = &self.engine.shared.stats.rare.repl_input_bytes;
                stats.fetch_add(read_bytes as u64, Ordering::Relaxed);
                Event::Read
            }
            Err(error) => Event::Lost(os_error::words(&error)),
        })
    }

    /// Sends what waits. Ready is an error.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(stream) = &mut self.stream else {
            return Poll::Pending;
        };
        while !self.out.is_empty() {
            match ready!(stream.poll_write(cx, &self.out)) {
                Ok(sent) => drop(self.out.drain(..sent)),
                Err(error) => return Poll::Ready(error),
            }
        }
        Poll::Pending
    }

    // ---- what comes from the leader ----

    /// Applies what has come of the stream already: a leader that hands over may have sent it
    /// on this link before it asked on another.
    async fn catch_up(&mut self) {
        let deadline_ms = now_ms() + CATCH_UP_MS_MAX;
        while self.link.status().is_up && now_ms() < deadline_ms {
            // The system is asked what there is to read.
            yield_now().await;
            match poll_fn(|cx| Poll::Ready(self.poll_link(cx))).await {
                Poll::Ready(Event::Read) => self.take_input_alone(),
                _ => return,
            }
        }
    }

    fn take_input_alone(&mut self) {
        let engine = self.engine.clone();
        let _following = engine.shared.jobs.following.lock();
        self.take_input();
    }

    fn take_input(&mut self) {
        let input = std::mem::take(&mut self.input);
        let mut actions = Vec::new();
        let bytes = input.filled();
        let consumed = self.link.input(bytes, now_ms(), &mut actions);
        self.perform(actions);
        let applied = match self.link.status().is_up {
            true => self.apply(bytes.get(consumed..).unwrap_or_default()),
            false => 0,
        };
        if self.stream.is_none() {
            // The link was given up on the way.
            return;
        }
        self.input = input;
        self.input.consume(consumed + applied);
    }

    /// Goes on with what was held back, if the pause is over.
    fn look_at_pause(&mut self) {
        if self.is_ahead() {
            // A leader that is not listened to is not silent.
            self.link.input(&[], now_ms(), &mut Vec::new());
        }
        if self.is_held && !self.is_paused() {
            self.take_input_alone();
        }
    }

    fn is_paused(&self) -> bool {
        let pause = &self.engine.shared.pause;
        pause.is_set() && pause.holds_leader(clock::unix_ms())
    }

    /// Whether so much is held back that no more is read.
    fn is_ahead(&self) -> bool {
        self.is_held && self.input.filled().len() >= AHEAD_BYTES_MAX
    }

    /// Applies what is whole of the stream; returns how much of the input is done with.
    fn apply(&mut self, input: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            self.is_held = self.is_paused();
            if self.is_held {
                return at;
            }
            if is_blank(rest) {
                at += 1;
                continue;
            }
            if rest.is_empty() {
                return at;
            }
            match self.applier.apply(&self.engine, &mut self.session, rest) {
                Ok(applied) if applied.consumed_bytes == 0 => return at,
                Ok(applied) => {
                    at += applied.consumed_bytes;
                    self.note_applied(&applied);
                }
                Err(error) => {
                    // What was received is no stream of commands: to go on from here would
                    // be to guess.
                    self.resumes = false;
                    let mut actions = Vec::new();
                    self.link.broken(&error.to_string(), now_ms(), &mut actions);
                    self.perform(actions);
                    return at;
                }
            }
        }
    }

    fn note_applied(&mut self, applied: &Applied) {
        let shared = &self.engine.shared;
        trouble::note_errors(shared, &applied.errors);
        if applied.changed {
            self.disk.note_write(shared);
        }
        if let Some(applied_offset) = applied.ack_offset {
            let progress = Progress {
                applied_offset,
                aof_offset: None,
            };
            let mut actions = Vec::new();
            self.link.ack(progress, now_ms(), &mut actions);
            self.perform(actions);
        }
    }

    // ---- what the link wants done ----

    fn perform(&mut self, actions: Vec<Action<'_>>) {
        for action in actions {
            match action {
                Action::Connect(target) => {
                    self.connecting = Some((self.connect)(target));
                }
                Action::Send(bytes) => self.out.extend_from_slice(&bytes),
                Action::Log(line) => line.log(),
                Action::Close => self.close(),
                Action::FullResync(from) => {
                    self.full_from = from;
                    self.handed_over(true);
                }
                Action::PayloadBegins(framing) => self.begin_payload(framing),
                Action::Payload(bytes) => self.take_payload(bytes),
                Action::PayloadEnds => self.end_payload(),
                Action::Continue(id) => {
                    self.forget_refusals();
                    let locker = self.applier.locker();
                    roles::adopt_continue(&self.engine.shared, locker, id);
                    self.begin_stream();
                    self.handed_over(true);
                }
                Action::FailoverRejected => {
                    self.lead("failover target refused");
                    self.handed_over(false);
                }
            }
        }
    }

    fn begin_stream(&mut self) {
        self.applier.reset();
        let db = self.session.db;
        self.session = leader_session(&self.engine, self.stream.as_ref());
        self.session.db = db;
    }

    /// Drops the connection and what was under way on it.
    fn close(&mut self) {
        let shared = &self.engine.shared;
        self.connecting = None;
        self.stream = None;
        self.input.clear();
        self.is_held = false;
        self.out.clear();
        self.applier.reset();
        shared.clients.remove(self.session.facts.id);
        self.break_intake_off();
        let shared = &self.engine.shared;
        if shared.role.is_link_up() {
            roles::lose_link(shared, self.applier.locker());
        }
    }

    // ---- facts ----

    fn resume(&self) -> Option<Resume> {
        let shared = &self.engine.shared;
        self.resumes.then(|| Resume {
            id: shared.history.lock().id(),
            end_offset: shared.oplog.end_offset(),
            failover: self.hand_over.is_some(),
        })
    }

    fn progress(&self) -> Progress {
        Progress {
            applied_offset: self.engine.shared.oplog.end_offset(),
            aof_offset: None,
        }
    }

    /// Lets INFO and ROLE know how the link stands.
    fn tell(&mut self) {
        let status = self.link.status();
        let role = &self.engine.shared.role;
        let read_offset = self.engine.shared.oplog.end_offset() + self.input.filled().len() as u64;
        role.read_offset.store(read_offset, Ordering::Relaxed);
        if status == self.told {
            return;
        }
        self.told = status;
        let unix_of = |at_ms: u64| clock::unix_ms() - now_ms().saturating_sub(at_ms) as i64;
        let heard_ms = unix_of(status.heard_at_ms);
        role.last_io_ms.store(heard_ms, Ordering::Relaxed);
        let mut link = role.link.lock();
        let phase = phase_named(status.role_state);
        if phase == LinkPhase::Sync && link.phase != LinkPhase::Sync {
            link.sync_started_ms = clock::unix_ms();
        }
        link.phase = phase;
        link.down_since_ms = status.down_since_ms.map(unix_of);
        let total = status.payload_total_bytes;
        link.sync_total_bytes = total.and_then(|n| i64::try_from(n).ok()).unwrap_or(-1);
        link.sync_read_bytes = status.payload_read_bytes;
        link.sync_last_io_ms = heard_ms;
    }
}

fn now_ms() -> u64 {
    clock::monotonic_us() / 1000
}
