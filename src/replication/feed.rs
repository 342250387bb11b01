//! The link to one follower, from its PSYNC to its end.
//!
//! ```text
//!   PSYNC --+CONTINUE------------------------------------------> Stream
//!     |                                                             ^
//!     +-- full --> Waiting --cut--> Snapshot --end--> AwaitsAck ----+ (its first ACK)
//!                                       |                           |
//!                                       +-- length was told --------+ (at once)
//! ```
//!
//! One task a follower. It sends what its source has, straight from the log where it can,
//! and listens to acknowledgements meanwhile.
//!
//! **Who is dropped.** What a follower has not taken yet is kept in the log, and beyond a
//! bound on the disk. So while it syncs, and until it has caught up for the first time, it
//! may lag as far behind as it has to: only one that makes no progress for `repl-timeout`
//! is dropped, or one beyond `replica-full-sync-buffer-limit` if there is such a limit. Then
//! `client-output-buffer-limit` applies as in Redis.
//!
//! **Without a disk** it stays in memory, and writes wait for those who may lag like that
//! (`persist::spill`). What a leader of ours writes does not wait: on a follower the limit
//! applies before, too, if its disk is full.

pub mod express;
mod limits;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::sync::oneshot;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use self::express::Express;
use super::desk::{Cut, Desk};
use super::line::LogLine;
use super::relay::Piece;
use super::stray;
use crate::base::clock;
use crate::net::stream::Stream;
use crate::oplog::{Missed, Reader};
use crate::resp::argv::Argv;
use crate::resp::request::{Limits, Parsed, Parser};
use crate::shared::clients::ClientFacts;
use crate::shared::followers::{Follower, FollowerPhase};
use crate::shared::introduction::{FollowerFacts, Replconf, replconf};
use crate::shared::progress::Step;

/// What goes out in one write at most.
const WRITE_BYTES_MAX: usize = 256 << 10;

/// What is read at once: acknowledgements are small.
const READ_BYTES: usize = 4096;

/// Longest request that a follower has any reason to send.
const INPUT_BYTES_MAX: usize = 1 << 20;

const TICK: Duration = Duration::from_millis(100);

/// How often a follower that waits hears that we live.
const NEWLINE_EVERY: Duration = Duration::from_secs(1);

/// How long the other side may take to close a link that has nothing more to carry.
const LINGER: Duration = Duration::from_secs(5);

/// Where the bytes for the follower come from.
pub enum Source {
    Waiting(oneshot::Receiver<Cut>),
    Snapshot {
        cut: Cut,
        piece: Bytes,
        begun: bool,
    },
    AwaitsAck(Reader),
    Stream(Express),
    /// Everything was sent; the other side is to close.
    Done(Instant),
}

/// Why a link ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The other side closed it, or the connection broke.
    Gone,
    /// CLIENT KILL, or our history has changed.
    Killed,
    /// Reasons of ours that were logged.
    Dropped,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> End {
        End::Gone
    }
}

impl From<Missed> for End {
    fn from(_: Missed) -> End {
        // The log began anew: the follower asks again.
        End::Killed
    }
}

enum Event {
    Input(usize),
    Poked,
    Tick,
    Sent(usize),
    Cut(Option<Cut>),
    SnapshotEnds { whole: bool },
}

/// A follower's link.
pub struct Feed {
    pub desk: Rc<Desk>,
    pub stream: Stream,
    pub facts: Arc<ClientFacts>,
    pub follower: Arc<Follower>,
    pub introduction: FollowerFacts,
    /// In log lines.
    pub name: String,
    /// It asked by SYNC: nothing can be expected of it.
    pub by_sync: bool,
    pub source: Source,
    /// To be sent before what the source has.
    pub out: Vec<u8>,
    pub input: Vec<u8>,
    pub state: State,
}

/// The rest of a link's state, the same at every link's beginning.
pub struct State {
    parser: Parser,
    out_sent: usize,
    ticks: Interval,
    /// When bytes last went out, or there were none to send.
    moved: Instant,
    newline: Instant,
    above_soft_since: Option<Instant>,
    /// It has loaded what it had to load.
    acked: bool,
    /// It has been sent, at some time since, nearly all that there was.
    caught_up: bool,
}

impl Default for State {
    fn default() -> State {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        State {
            parser: Parser::new(),
            out_sent: 0,
            ticks,
            moved: Instant::now(),
            newline: Instant::now(),
            above_soft_since: None,
            acked: false,
            caught_up: false,
        }
    }
}

impl Feed {
    /// Serves the link until it ends.
    pub async fn run(&mut self) -> End {
        let mut buffer = [0; READ_BYTES];
        // What came behind PSYNC.
        if let Err(end) = self.take_input() {
            return end;
        }
        loop {
            let event = match self.next(&mut buffer).await {
                Ok(event) => event,
                Err(end) => return end,
            };
            self.desk.engine.shared.jobs.keep_going();
            let result = match event {
                Event::Input(len) => {
                    let bytes = buffer.get(..len).unwrap_or_default();
                    self.input.extend_from_slice(bytes);
                    self.take_input()
                }
                Event::Poked if self.facts.is_killed() => Err(End::Killed),
                Event::Poked => Ok(()),
                Event::Tick => self.tick(),
                Event::Sent(len) => {
                    self.note_sent(len);
                    Ok(())
                }
                Event::Cut(Some(cut)) => {
                    self.begin_snapshot(cut);
                    Ok(())
                }
                Event::Cut(None) | Event::SnapshotEnds { whole: false } => Err(End::Dropped),
                Event::SnapshotEnds { whole: true } => {
                    self.end_snapshot();
                    Ok(())
                }
            };
            if let Err(end) = result {
                return end;
            }
        }
    }

    // ---- what happens next ----

    async fn next(&mut self, buffer: &mut [u8]) -> Result<Event, End> {
        let facts = self.facts.clone();
        let mut poked = pin!(facts.wake.notified());
        poll_fn(|cx| {
            if poked.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(Event::Poked));
            }
            if self.state.ticks.poll_tick(cx).is_ready() {
                return Poll::Ready(Ok(Event::Tick));
            }
            if let Poll::Ready(read) = self.stream.poll_read(cx, buffer) {
                return Poll::Ready(match read? {
                    0 => Err(End::Gone),
                    len => Ok(Event::Input(len)),
                });
            }
            self.poll_send(cx)
        })
        .await
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, End>> {
        let rest = self.out.get(self.state.out_sent..).unwrap_or_default();
        if !rest.is_empty() {
            let sent = ready!(self.stream.poll_write(cx, rest))?;
            self.state.out_sent += sent;
            if self.state.out_sent == self.out.len() {
                self.state.out_sent = 0;
                self.out.clear();
            }
            return Poll::Ready(Ok(Event::Sent(sent)));
        }
        match &mut self.source {
            Source::Waiting(cut) => Pin::new(cut).poll(cx).map(|cut| Ok(Event::Cut(cut.ok()))),
            Source::Snapshot { cut, piece, begun } => {
                while piece.is_empty() {
                    match ready!(cut.pieces.poll_next(cx)) {
                        Some(Piece::Bytes(bytes)) => *piece = bytes,
                        Some(Piece::End) => {
                            return Poll::Ready(Ok(Event::SnapshotEnds { whole: true }));
                        }
                        None => return Poll::Ready(Ok(Event::SnapshotEnds { whole: false })),
                    }
                    self.state.moved = Instant::now();
                }
                *begun = true;
                let sent = ready!(self.stream.poll_write(cx, piece))?;
                piece.advance(sent);
                Poll::Ready(Ok(Event::Sent(sent)))
            }
            Source::Stream(express) => {
                let hurry = &self.desk.hurry;
                let sent = ready!(express.poll_send(&mut self.stream, hurry, cx))?;
                Poll::Ready(Ok(Event::Sent(sent)))
            }
            Source::AwaitsAck(_) | Source::Done(_) => Poll::Pending,
        }
    }

    fn note_sent(&mut self, len: usize) {
        self.state.moved = Instant::now();
        let len = len as u64;
        self.facts
            .net_output_bytes
            .fetch_add(len, Ordering::Relaxed);
        let stats = &self.desk.engine.shared.stats.rare;
        stats.repl_output_bytes.fetch_add(len, Ordering::Relaxed);
        if matches!(self.source, Source::Snapshot { .. }) {
            let sent = &self.follower.progress.sent_bytes;
            sent.fetch_add(len, Ordering::Relaxed);
        }
        self.desk.engine.shared.note_moment();
    }

    // ---- the snapshot ----

    fn begin_snapshot(&mut self, mut cut: Cut) {
        self.out.append(&mut cut.greeting);
        self.follower.progress.begin(clock::unix_ms());
        self.state.moved = Instant::now();
        self.source = Source::Snapshot {
            cut,
            piece: Bytes::new(),
            begun: false,
        };
    }

    fn end_snapshot(&mut self) {
        let Source::Snapshot { cut, .. } =
            std::mem::replace(&mut self.source, Source::Done(Instant::now()))
        else {
            return;
        };
        let name = &self.name;
        let Some(reader) = cut.reader else {
            LogLine::notice(format!(
                "RDB transfer completed, rdb only replica ({name}) should be disconnected asap"
            ))
            .log();
            return;
        };
        if cut.starts_at_ack {
            self.follower.set_phase(FollowerPhase::SendBulk);
            self.follower.progress.set_step(Step::Loading);
            let now_ms = clock::unix_ms();
            self.follower.last_ack_ms.store(now_ms, Ordering::Relaxed);
            LogLine::notice(format!(
                "Streamed RDB transfer with replica {name} succeeded (socket). Waiting for \
                 REPLCONF ACK from slave to enable streaming"
            ))
            .log();
            self.source = Source::AwaitsAck(reader);
        } else {
            self.start_stream(reader);
        }
    }

    fn start_stream(&mut self, reader: Reader) {
        let express = Express::new(reader, &self.stream, &self.desk.engine, &self.facts);
        self.source = Source::Stream(express);
        self.state.moved = Instant::now();
        let now_ms = clock::unix_ms();
        self.follower.last_ack_ms.store(now_ms, Ordering::Relaxed);
        self.follower.set_phase(FollowerPhase::Online);
        self.desk.count_good_followers();
        let name = &self.name;
        LogLine::notice(format!("Synchronization with replica {name} succeeded")).log();
    }

    // ---- what the follower says ----

    fn take_input(&mut self) -> Result<(), End> {
        let input = std::mem::take(&mut self.input);
        let mut at = 0;
        let result = loop {
            let rest = input.get(at..).unwrap_or_default();
            let mut ranges = Vec::new();
            match self
                .state
                .parser
                .parse(rest, &Limits::default(), &mut ranges)
            {
                Ok(Parsed::Incomplete { .. }) => break Ok(()),
                Ok(Parsed::Empty { consumed_bytes }) => {
                    // A follower that loads tells that it lives.
                    at += consumed_bytes;
                    let now_ms = clock::unix_ms();
                    self.follower.last_ack_ms.store(now_ms, Ordering::Relaxed);
                }
                Ok(Parsed::Complete {
                    consumed_bytes,
                    inline,
                }) => {
                    at += consumed_bytes;
                    let argv = match &inline {
                        Some(command) => command.argv(),
                        None => Argv {
                            bytes: rest.get(..consumed_bytes).unwrap_or_default(),
                            ranges: &ranges,
                        },
                    };
                    if let Err(end) = self.take_request(argv) {
                        break Err(end);
                    }
                }
                Err(_) => break Err(End::Gone),
            }
        };
        self.input = input;
        self.input.drain(..at);
        let query_bytes = &self.facts.memory.query_bytes;
        query_bytes.store(self.input.len(), Ordering::Relaxed);
        let is_too_long = self.input.len() > INPUT_BYTES_MAX;
        result.and(if is_too_long { Err(End::Gone) } else { Ok(()) })
    }

    fn take_request(&mut self, argv: Argv) -> Result<(), End> {
        let name = argv.get(0);
        if name.eq_ignore_ascii_case(b"psync") || name.eq_ignore_ascii_case(b"sync") {
            return Ok(());
        }
        if name.eq_ignore_ascii_case(b"replconf") {
            if let Some(id) = self.desk.engine.registry.find(name) {
                let last_command = &self.facts.last_command;
                last_command.store(u32::from(id) + 1, Ordering::Relaxed);
            }
            let args: Vec<&[u8]> = argv.iter().skip(1).collect();
            match replconf(&mut self.introduction, &args, true) {
                Replconf::Ack => {
                    self.take_ack();
                    return Ok(());
                }
                Replconf::Silent | Replconf::GetAck => return Ok(()),
                Replconf::Ok => stray::report(&self.desk.engine, &self.facts, argv, None),
                Replconf::Error(text) => {
                    stray::report(&self.desk.engine, &self.facts, argv, Some(text));
                }
            }
            return Err(End::Dropped);
        }
        stray::report(&self.desk.engine, &self.facts, argv, None);
        Err(End::Dropped)
    }

    fn take_ack(&mut self) {
        let known = &self.follower;
        let offset = |offset: i64| u64::try_from(offset).unwrap_or(0);
        let acked = offset(self.introduction.acked_offset);
        known.acked_offset.store(acked, Ordering::Release);
        let synced = offset(self.introduction.aof_acked_offset);
        known.acked_aof_offset.store(synced, Ordering::Release);
        let now_ms = clock::unix_ms();
        known.last_ack_ms.store(now_ms, Ordering::Relaxed);
        self.desk.engine.shared.note_moment();
        let followers = &self.desk.engine.shared.followers;
        known.progress.note_ack(acked, &followers.moments, now_ms);
        self.facts.last_active_ms.store(now_ms, Ordering::Relaxed);
        if matches!(self.source, Source::AwaitsAck(_)) {
            let source = std::mem::replace(&mut self.source, Source::Done(Instant::now()));
            if let Source::AwaitsAck(reader) = source {
                self.start_stream(reader);
            }
        }
        self.state.acked = true;
        self.note_progress();
        self.desk.engine.shared.followers.note_acks();
    }

    // ---- what is looked at now and then ----

    fn tick(&mut self) -> Result<(), End> {
        let waits = match &self.source {
            Source::Waiting(_) => true,
            Source::Snapshot { cut, begun, .. } => cut.keeps_alive && !begun,
            Source::Done(since) if since.elapsed() > LINGER => return Err(End::Dropped),
            _ => false,
        };
        if waits && self.state.newline.elapsed() >= NEWLINE_EVERY {
            self.state.newline = Instant::now();
            self.out.push(b'\n');
        }
        self.desk.engine.shared.note_moment();
        self.check_time()?;
        self.check_limit()
    }
}
