//! The life of a follower's link to its leader.
//!
//! ```text
//!         follow                due            connected            +CONTINUE
//!  None ---------> Connect -----------> Connecting -----> Handshake --------> Connected
//!    ^ unfollow       ^                     |                |  header            ^
//!    |  (from all)    |                     |                v                    |
//!    |                |                     |            Receiving                |
//!    |                |                     |                |  snapshot's end    |
//!    |                |                     |                v                    |
//!    |                |                     |             Loading ----- loaded ---+
//!    |                |   error, time-out,  |                |                    |
//!    |                +-- end of the peer --+----------------+--------------------+
//! ```
//!
//! A link that stood and breaks is taken up again at once, in case the leader is well
//! and its backlog short; after that every try waits longer, up to one second, with
//! jitter so that the followers of one leader do not come all together. A snapshot that
//! cannot be used is different: asking for it again costs the leader as much every time,
//! so those tries wait up to half a minute.

use super::handshake::{Failure, Handshake, Introduction, Resume, Step, command};
use super::line::LogLine;
use super::payload::{Framing, Payload};
use crate::base::rng::Rng;
use crate::oplog::ReplId;

/// How often the leader hears of our offset, or that we live while we load.
const ACK_EVERY_MS: u64 = 1000;

/// Waits before the second, third, ... try.
const RETRY_MS: [u64; 3] = [250, 500, 1000];

/// First and longest wait after a snapshot that could not be used, or was not to be.
const REFUSED_RETRY_MS: u64 = 1000;
const REFUSED_RETRY_MS_MAX: u64 = 30_000;

const LOST: &str = "Connection with master lost.";

/// A link that stood this long starts counting its failures anew.
const PROVEN_MS: u64 = 1000;

/// Where the leader is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub host: String,
    pub port: u16,
}

/// What the link wants done, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Open a connection; then `connected` or `connect_failed`.
    Connect(Target),
    Send(Vec<u8>),
    Log(LogLine),
    /// Close the connection, or give up opening it. No `lost` is to be reported for it.
    Close,
    /// A snapshot will come; see `handshake::Step::FullResync`.
    FullResync(Option<(ReplId, u64)>),
    PayloadBegins(Framing),
    /// Bytes of the snapshot.
    Payload(&'a [u8]),
    /// The snapshot is complete: load it, then `loaded` or `refused`.
    PayloadEnds,
    /// The stream goes on where we were.
    Continue(Option<ReplId>),
    /// The one who was to take the leadership over refused. The link would try again:
    /// `unfollow` if the failover is given up.
    FailoverRejected,
}

/// How far this server is, for acknowledgements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// End offset of what was applied; nothing of an open transaction counts.
    pub applied_offset: u64,
    /// End offset of what the append-only file has synced; None without one.
    pub aof_offset: Option<u64>,
}

impl Progress {
    fn ack(self) -> Vec<u8> {
        let applied = self.applied_offset.to_string();
        let mut args: Vec<&[u8]> = vec![b"REPLCONF", b"ACK", applied.as_bytes()];
        let synced = self.aof_offset.map(|offset| offset.to_string());
        if let Some(synced) = &synced {
            args.extend([b"FACK".as_slice(), synced.as_bytes()]);
        }
        command(&args)
    }
}

/// For INFO and ROLE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStatus {
    /// ROLE's word.
    pub role_state: &'static str,
    /// The stream flows.
    pub is_up: bool,
    /// A snapshot is promised, coming, or being loaded.
    pub syncing: bool,
    /// Of the snapshot; None before it is announced, 0 if the leader does not know it.
    pub payload_total_bytes: Option<u64>,
    pub payload_read_bytes: u64,
    /// When the leader was heard last; of no meaning before the first connection.
    pub heard_at_ms: u64,
    /// Since when the link is down; None while it is up, and until it was up once.
    pub down_since_ms: Option<u64>,
}

#[derive(Debug)]
enum State {
    None,
    Connect { at_ms: u64 },
    Connecting,
    Handshake(Box<Handshake>),
    Receiving(Payload),
    Loading { read_bytes: u64 },
    Connected { since_ms: u64 },
}

/// What broke a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setback {
    /// The stream or the snapshot broke off.
    Broken,
    /// No link came about.
    Unmade,
    /// A snapshot came that could not be used.
    Refused,
}

/// A follower's link. All times are in milliseconds of one clock that never goes back.
#[derive(Debug)]
pub struct Link {
    introduction: Introduction,
    timeout_ms: u64,
    target: Option<Target>,
    /// Whether what we hold came from it.
    has_led: bool,
    state: State,
    heard_at_ms: u64,
    down_since_ms: Option<u64>,
    /// When the next acknowledgement or sign of life is due.
    next_ack_ms: u64,
    /// Whether the leader counts offsets, which one that knows only SYNC does not.
    acks: bool,
    payload_total_bytes: Option<u64>,
    /// Tries in a row that failed, and snapshots in a row that were refused.
    failures: usize,
    refusals: u32,
    jitter: Rng,
}

impl Link {
    /// `timeout_ms` is `repl-timeout`; `seed` is for the jitter.
    #[must_use]
    pub fn new(introduction: Introduction, timeout_ms: u64, seed: u64) -> Link {
        Link {
            introduction,
            timeout_ms,
            target: None,
            has_led: false,
            state: State::None,
            heard_at_ms: 0,
            down_since_ms: None,
            next_ack_ms: 0,
            acks: true,
            payload_total_bytes: None,
            failures: 0,
            refusals: 0,
            jitter: Rng::seeded(seed),
        }
    }

    /// Takes effect with the next connection.
    pub fn set_introduction(&mut self, introduction: Introduction) {
        self.introduction = introduction;
    }

    pub fn set_timeout_ms(&mut self, timeout_ms: u64) {
        self.timeout_ms = timeout_ms;
    }

    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    /// Whether the data came from the leader that is followed, and not from another one before
    /// it.
    #[must_use]
    pub fn has_led(&self) -> bool {
        self.has_led
    }

    /// The data came from it, in an earlier life of this server.
    pub fn presume_led(&mut self) {
        self.has_led = true;
    }

    /// Whether a snapshot that has come over this connection is waited for.
    #[must_use]
    pub fn is_loading(&self) -> bool {
        matches!(self.state, State::Loading { .. })
    }

    /// Follows `target` from now on, whomever it followed before.
    pub fn follow(&mut self, target: Target, now_ms: u64, out: &mut Vec<Action<'_>>) {
        if matches!(self.state, State::Connected { .. }) {
            self.down_since_ms = Some(now_ms);
        }
        self.close(out);
        self.target = Some(target);
        self.has_led = false;
        (self.failures, self.refusals) = (0, 0);
        self.connect("Connecting to MASTER", "", now_ms, out);
    }

    /// Follows nobody.
    pub fn unfollow(&mut self, out: &mut Vec<Action<'_>>) {
        self.close(out);
        self.target = None;
        self.state = State::None;
        self.down_since_ms = None;
    }

    /// The connection stands. `resume` is the history to go on with, None without data.
    pub fn connected(&mut self, resume: Option<Resume>, now_ms: u64, out: &mut Vec<Action<'_>>) {
        if !matches!(self.state, State::Connecting) {
            return;
        }
        self.heard_at_ms = now_ms;
        let fired = "Non blocking connect for SYNC fired the event.";
        out.push(Action::Log(LogLine::notice(fired)));
        let mut steps = Vec::new();
        let handshake = Handshake::start(self.introduction.clone(), resume, &mut steps);
        self.state = State::Handshake(Box::new(handshake));
        self.take_steps(steps, now_ms, out);
    }

    /// No connection came about.
    pub fn connect_failed(&mut self, why: &str, now_ms: u64, out: &mut Vec<Action<'_>>) {
        if matches!(self.state, State::Connecting) {
            let text = format!("Error condition on socket for SYNC: {why}");
            out.push(Action::Log(LogLine::warning(text)));
            self.set_back(Setback::Unmade, now_ms, out);
        }
    }

    /// The connection ended or broke.
    pub fn lost(&mut self, why: &str, now_ms: u64, out: &mut Vec<Action<'_>>) {
        match &self.state {
            State::None | State::Connect { .. } => {}
            State::Connecting => self.connect_failed(why, now_ms, out),
            State::Handshake(handshake) => {
                let mut steps = Vec::new();
                handshake.no_response(why, &mut steps);
                self.take_steps(steps, now_ms, out);
                self.set_back(Setback::Unmade, now_ms, out);
            }
            State::Receiving(_) | State::Loading { .. } => {
                let text = format!("I/O error trying to sync with MASTER: {why}");
                out.push(Action::Log(LogLine::warning(text)));
                self.set_back(Setback::Broken, now_ms, out);
            }
            State::Connected { .. } => self.drop_stream(now_ms, out),
        }
    }

    /// Bytes came. Returns how many are done with; the rest is to come again, followed by
    /// more. In the stream (`LinkStatus::is_up`) and while a snapshot is being loaded
    /// nothing is consumed: there the bytes are for the one who applies them.
    pub fn input<'a>(&mut self, input: &'a [u8], now_ms: u64, out: &mut Vec<Action<'a>>) -> usize {
        self.heard_at_ms = now_ms;
        let mut consumed = 0;
        if let State::Handshake(handshake) = &mut self.state {
            let mut steps = Vec::new();
            consumed = handshake.input(input, &mut steps);
            self.take_steps(steps, now_ms, out);
        }
        if let State::Receiving(payload) = &mut self.state {
            let taken = payload.take(input.get(consumed..).unwrap_or_default());
            consumed += taken.consumed;
            if !taken.bytes.is_empty() {
                out.push(Action::Payload(taken.bytes));
            }
            if taken.ended {
                let read_bytes = payload.read_bytes();
                self.state = State::Loading { read_bytes };
                out.push(Action::PayloadEnds);
            }
        }
        consumed
    }

    /// The snapshot is in place; the stream begins. A leader that streamed the snapshot
    /// waits for the acknowledgement that goes out here.
    pub fn loaded(&mut self, progress: Progress, now_ms: u64, out: &mut Vec<Action<'_>>) {
        if matches!(self.state, State::Loading { .. }) {
            self.stream(now_ms);
            self.refusals = 0;
            self.ack(progress, now_ms, out);
        }
    }

    /// The snapshot cannot be used, whether all of it has come or not. Whoever says so tells
    /// the log why.
    pub fn refused(&mut self, now_ms: u64, out: &mut Vec<Action<'_>>) {
        if matches!(self.state, State::Receiving(_) | State::Loading { .. }) {
            self.set_back(Setback::Refused, now_ms, out);
        }
    }

    /// The stream cannot be applied: it is closed, and nothing of it is to be gone on with.
    pub fn broken(&mut self, why: &str, now_ms: u64, out: &mut Vec<Action<'_>>) {
        if matches!(self.state, State::Connected { .. }) {
            out.push(Action::Log(LogLine::warning(why)));
            out.push(Action::Log(LogLine::notice(LOST)));
            self.end_stream(now_ms, out);
        }
    }

    /// Acknowledges now: the leader sent GETACK. `progress` does not count the GETACK.
    pub fn ack(&mut self, progress: Progress, now_ms: u64, out: &mut Vec<Action<'_>>) {
        if self.acks && matches!(self.state, State::Connected { .. }) {
            out.push(Action::Send(progress.ack()));
            self.next_ack_ms = now_ms + ACK_EVERY_MS;
        }
    }

    /// Does what is due. To be called at `next_tick_ms`, and harmless at any time.
    pub fn tick(&mut self, progress: Progress, now_ms: u64, out: &mut Vec<Action<'_>>) {
        if let State::Connect { at_ms } = self.state {
            if now_ms >= at_ms {
                self.connect("Connecting to MASTER", "", now_ms, out);
            }
            return;
        }
        if self.is_timed_out(now_ms) {
            return self.time_out(now_ms, out);
        }
        match self.state {
            State::Connected { .. } if now_ms >= self.next_ack_ms => {
                self.ack(progress, now_ms, out);
            }
            State::Receiving(_) | State::Loading { .. } if now_ms >= self.next_ack_ms => {
                // The leader must not take us for dead while we are busy.
                out.push(Action::Send(b"\n".to_vec()));
                self.next_ack_ms = now_ms + ACK_EVERY_MS;
            }
            _ => {}
        }
    }

    /// When `tick` will have something to do; None without a leader.
    #[must_use]
    pub fn next_tick_ms(&self) -> Option<u64> {
        let times_out = self.heard_at_ms + self.timeout_ms + 1;
        match self.state {
            State::None => None,
            State::Connect { at_ms } => Some(at_ms),
            State::Connecting | State::Handshake(_) => Some(times_out),
            State::Loading { .. } => Some(self.next_ack_ms),
            State::Connected { .. } if !self.acks => Some(times_out),
            State::Receiving(_) | State::Connected { .. } => Some(times_out.min(self.next_ack_ms)),
        }
    }

    #[must_use]
    pub fn status(&self) -> LinkStatus {
        let read_bytes = match &self.state {
            State::Receiving(payload) => payload.read_bytes(),
            State::Loading { read_bytes } => *read_bytes,
            _ => 0,
        };
        LinkStatus {
            role_state: self.role_state(),
            is_up: matches!(self.state, State::Connected { .. }),
            syncing: self.role_state() == "sync",
            payload_total_bytes: self.payload_total_bytes,
            payload_read_bytes: read_bytes,
            heard_at_ms: self.heard_at_ms,
            down_since_ms: self.down_since_ms,
        }
    }

    fn role_state(&self) -> &'static str {
        match &self.state {
            State::None => "none",
            State::Connect { .. } => "connect",
            State::Connecting => "connecting",
            State::Handshake(handshake) if !handshake.awaits_payload() => "handshake",
            State::Handshake(_) | State::Receiving(_) | State::Loading { .. } => "sync",
            State::Connected { .. } => "connected",
        }
    }

    // ---- transitions ----

    fn connect(&mut self, what: &str, after: &str, now_ms: u64, out: &mut Vec<Action<'_>>) {
        let Some(target) = self.target.clone() else {
            return;
        };
        self.state = State::Connecting;
        self.heard_at_ms = now_ms;
        self.acks = true;
        self.payload_total_bytes = None;
        let text = format!("{what} {}:{}{after}", target.host, target.port);
        out.push(Action::Log(LogLine::notice(text)));
        out.push(Action::Connect(target));
        let started = "MASTER <-> REPLICA sync started";
        out.push(Action::Log(LogLine::notice(started)));
    }

    fn take_steps(&mut self, steps: Vec<Step>, now_ms: u64, out: &mut Vec<Action<'_>>) {
        for step in steps {
            match step {
                Step::Send(bytes) => out.push(Action::Send(bytes)),
                Step::Log(line) => out.push(Action::Log(line)),
                Step::FullResync(from) => {
                    self.acks = from.is_some();
                    out.push(Action::FullResync(from));
                }
                Step::Payload(framing) => {
                    self.payload_total_bytes = match framing {
                        Framing::Mark(_) => Some(0),
                        Framing::LengthBytes(bytes) => Some(bytes),
                    };
                    self.state = State::Receiving(Payload::new(framing));
                    self.next_ack_ms = now_ms + ACK_EVERY_MS;
                    out.push(Action::PayloadBegins(framing));
                }
                Step::Continue(id) => {
                    self.stream(now_ms);
                    out.push(Action::Continue(id));
                    let text = "MASTER <-> REPLICA sync: \
                                Master accepted a Partial Resynchronization.";
                    out.push(Action::Log(LogLine::notice(text)));
                }
                Step::Failed(failure) => {
                    if failure == Failure::FailoverRejected {
                        out.push(Action::FailoverRejected);
                    }
                    self.set_back(Setback::Unmade, now_ms, out);
                }
            }
        }
    }

    fn stream(&mut self, now_ms: u64) {
        self.state = State::Connected { since_ms: now_ms };
        self.has_led = true;
        self.heard_at_ms = now_ms;
        self.down_since_ms = None;
        self.next_ack_ms = now_ms;
    }

    fn drop_stream(&mut self, now_ms: u64, out: &mut Vec<Action<'_>>) {
        out.extend(connection_lost_lines().map(Action::Log));
        self.end_stream(now_ms, out);
    }

    fn end_stream(&mut self, now_ms: u64, out: &mut Vec<Action<'_>>) {
        if let State::Connected { since_ms } = self.state
            && now_ms.saturating_sub(since_ms) >= PROVEN_MS
        {
            self.failures = 0;
        }
        self.down_since_ms = Some(now_ms);
        self.set_back(Setback::Broken, now_ms, out);
    }

    fn is_timed_out(&self, now_ms: u64) -> bool {
        // While we load it is we who do not listen.
        let listens = !matches!(self.state, State::None | State::Loading { .. });
        listens && now_ms.saturating_sub(self.heard_at_ms) > self.timeout_ms
    }

    fn time_out(&mut self, now_ms: u64, out: &mut Vec<Action<'_>>) {
        let mut warn = |text: &str| out.push(Action::Log(LogLine::warning(text)));
        match self.role_state() {
            "connected" => {
                warn("MASTER timeout: no data nor PING received...");
                self.drop_stream(now_ms, out);
            }
            "sync" => {
                warn(
                    "Timeout receiving bulk data from MASTER... If the problem persists try to \
                     set the 'repl-timeout' parameter in redis.conf to a larger value.",
                );
                self.set_back(Setback::Broken, now_ms, out);
            }
            _ => {
                warn("Timeout connecting to the MASTER...");
                self.set_back(Setback::Unmade, now_ms, out);
            }
        }
    }

    /// Closes what there is and plans, or makes, the next try.
    fn set_back(&mut self, setback: Setback, now_ms: u64, out: &mut Vec<Action<'_>>) {
        let was_stream = matches!(self.state, State::Connected { .. });
        self.close(out);
        let first = self.failures == 0;
        self.failures = self.failures.saturating_add(1);
        if setback == Setback::Broken && first {
            let after = if was_stream { "" } else { " after failure" };
            return self.connect("Reconnecting to MASTER", after, now_ms, out);
        }
        let wait_ms = match setback {
            Setback::Refused => {
                self.refusals = self.refusals.saturating_add(1);
                let doubled = REFUSED_RETRY_MS << (self.refusals - 1).min(8);
                doubled.min(REFUSED_RETRY_MS_MAX)
            }
            Setback::Broken | Setback::Unmade => {
                let nth = (self.failures - 1).min(RETRY_MS.len() - 1);
                RETRY_MS.get(nth).copied().unwrap_or(ACK_EVERY_MS)
            }
        };
        let at_ms = now_ms + self.jittered(wait_ms);
        self.state = State::Connect { at_ms };
    }

    fn close(&mut self, out: &mut Vec<Action<'_>>) {
        if !matches!(self.state, State::None | State::Connect { .. }) {
            out.push(Action::Close);
        }
    }

    /// `wait_ms` less up to a fifth, so that the longest wait stays what it is.
    fn jittered(&mut self, wait_ms: u64) -> u64 {
        wait_ms - self.jitter.below(wait_ms / 5 + 1)
    }
}

/// What is logged when a link ends that was up.
#[must_use]
pub fn connection_lost_lines() -> [LogLine; 2] {
    let lines = [LOST, "Caching the disconnected master state."];
    lines.map(LogLine::notice)
}

#[cfg(test)]
mod tests;
