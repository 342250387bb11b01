//! One connection: its socket, its session, and what is unfinished of its input and
//! output. How it is served stands in `serve`, how it waits in `suspend`.
//!
//! It reads into its worker's buffer and replies into its worker's `ReplyBuf`; only what
//! is left unfinished is kept here. So a connection that waits owns next to nothing.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use super::context::Worker;
use super::crew::{Arrival, Carried};
use super::inbox::READ_BYTES;
use super::output::{HELD_BYTES_MAX, Output, Overflow};
use crate::base::clock;
use crate::config::{ClientClass, OutputLimit, Param};
use crate::exec::dispatch::{Progress, Stop};
use crate::exec::evict_clients;
use crate::net::stream::Stream;
use crate::resp::reply::ReplyBuf;
use crate::resp::request::Parser;
use crate::shared::client_memory::ClientMemory;
use crate::shared::clients::{ClientFacts, client_flag};
use crate::shared::session::{Origin, ReplyMode, Session};

/// For an argument that is as long as this, room is made before it has come ...
const LARGE_ARGUMENT_BYTES: usize = 32 << 10;

/// ... for so much of it, or twice what has come: it costs nothing to announce one.
const RESERVED_BYTES_MAX: usize = 4 << 20;

/// A buffer that has grown beyond this is not kept for requests that are much smaller.
const KEPT_BYTES_MAX: usize = 4 * READ_BYTES;

pub struct Connection {
    pub worker: Rc<Worker>,
    pub stream: Stream,
    pub session: Session,
    pub output: Output,
    /// Input that was not used up yet.
    pub pending: Vec<u8>,
    parser: Parser,
    resp3: bool,
    /// Whether something was sent since the last read: what was read with it was asked before
    /// that could be seen.
    pub has_replied: bool,
}

/// The connection is over: an error of the socket, the other end has closed it, or it was
/// killed.
#[derive(Debug)]
pub struct Gone;

/// What comes after a wait.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// More commands.
    Continue,
    /// The connection becomes a follower's, who asked so.
    Follow { request: Vec<Box<[u8]>> },
}

impl Connection {
    pub fn new(worker: Rc<Worker>, stream: Stream) -> Connection {
        let shared = &worker.engine.shared;
        let (address, local_address) = stream.addresses();
        let now_ms = clock::unix_ms();
        let mut facts = ClientFacts::default();
        facts.memory = ClientMemory::new(shared.clients.ledger.clone());
        facts.id = shared.clients.next_id();
        facts.address = address;
        facts.local_address = local_address;
        facts.fd = stream.fd();
        facts.created_ms = now_ms;
        facts.last_active_ms = now_ms.into();
        facts.queued = (-1).into();
        facts.resp = 2.into();
        facts.set(client_flag::UNIX, stream.is_unix());
        facts.text.lock().user = "default".to_owned();
        let facts = Arc::new(facts);
        shared.clients.arrive(facts.clone());
        let mut session = Session::new(facts, Origin::Client);
        session.authenticated = !shared.config.has_password();
        Connection {
            stream,
            session,
            output: Output::default(),
            pending: Vec::new(),
            parser: Parser::new(),
            resp3: false,
            has_replied: false,
            worker,
        }
    }

    /// One that another worker has served until now.
    pub fn carried(worker: Rc<Worker>, stream: Stream, carried: Carried) -> Connection {
        let Carried {
            session,
            parser,
            resp3,
        } = carried;
        Connection {
            worker,
            stream,
            session,
            output: Output::default(),
            pending: Vec::new(),
            parser,
            resp3,
            has_replied: false,
        }
    }

    /// Whether nothing of it is unfinished, so that it can go to another worker.
    pub fn is_at_rest(&self) -> bool {
        self.pending.is_empty() && self.output.is_empty() && !self.session.closing
    }

    /// Leaves its worker, at rest.
    pub fn leave(self) -> io::Result<Arrival> {
        let stream = self.stream.leave()?;
        let state = Carried {
            session: self.session,
            parser: self.parser,
            resp3: self.resp3,
        };
        Ok(Arrival {
            stream,
            state: Some(Box::new(state)),
        })
    }

    /// Runs what is whole of `input`, and sends the replies; a few, with nothing else to wait
    /// for than more input, are held back until `send_held`.
    pub fn dispatch(&mut self, input: &[u8]) -> Progress {
        let worker = self.worker.clone();
        let mut reply = worker.reply.borrow_mut();
        self.begin(&mut reply);
        let progress = worker.executor.borrow_mut().dispatch(
            &worker.engine,
            &mut self.session,
            &mut self.parser,
            input,
            &mut reply,
        );
        self.resp3 = reply.resp3();
        match progress.stop {
            Stop::NeedInput if self.output.holds(&reply) => {
                self.output.hold(&mut reply, &worker.spares);
            }
            Stop::NeedInput => self.send(&mut reply),
            _ => {
                worker.engine.shared.oplog.wake_readers();
                self.has_replied |= !reply.is_empty();
                self.send(&mut reply);
            }
        }
        self.count_sent();
        progress
    }

    /// As `dispatch`, with the input that was left.
    pub fn dispatch_pending(&mut self) -> Progress {
        let mut pending = std::mem::take(&mut self.pending);
        let progress = self.dispatch(&pending);
        pending.drain(..progress.consumed_bytes);
        self.pending = pending;
        progress
    }

    /// Keeps what is no whole request yet.
    pub fn keep(&mut self, rest: &[u8]) {
        self.reserve_announced();
        self.pending.extend_from_slice(rest);
    }

    /// Makes room for the large argument that is on its way, so that it is not moved while it
    /// grows.
    pub fn reserve_announced(&mut self) {
        let (parsed, end) = self.parser.announced_bytes();
        let (has, capacity) = (self.pending.len(), self.pending.capacity());
        let is_large = end - parsed >= LARGE_ARGUMENT_BYTES;
        if is_large && end > capacity && capacity - has < READ_BYTES {
            let most = has.max(RESERVED_BYTES_MAX);
            self.pending.reserve_exact((end - has).min(most));
        }
    }

    /// Replies to a command that has run, unless CLIENT REPLY says not to. What it has had
    /// told to the client itself comes with the reply: a cache must not be asked in between.
    pub fn answer(&mut self, write: impl FnOnce(&mut ReplyBuf)) {
        let facts = self.session.facts.clone();
        match self.session.reply_mode {
            ReplyMode::On | ReplyMode::SkipNext => self.reply(|reply| {
                write(reply);
                if facts.has_pushes() {
                    facts.take_pushes(reply);
                }
            }),
            ReplyMode::Off => self.send_pushes(),
            ReplyMode::Skip => {
                self.session.reply_mode = ReplyMode::On;
                self.send_pushes();
            }
        }
    }

    /// Writes and sends what is no part of a batch's replies.
    pub fn reply(&mut self, write: impl FnOnce(&mut ReplyBuf)) {
        let worker = self.worker.clone();
        let mut reply = worker.reply.borrow_mut();
        self.begin(&mut reply);
        write(&mut reply);
        self.has_replied |= !reply.is_empty();
        self.send(&mut reply);
        self.count_sent();
    }

    /// Makes the worker's buffer this client's. As in Redis, a reply beyond the hard limit
    /// closes even a client who would read it, but not one so small that it may be held back.
    fn begin(&self, reply: &mut ReplyBuf) {
        reply.set_resp3(self.resp3);
        let hard_bytes = self.output_limit().hard_bytes;
        reply.set_most_bytes(match hard_bytes {
            0 => usize::MAX,
            bytes => usize::try_from(bytes).map_or(usize::MAX, |bytes| bytes.max(HELD_BYTES_MAX)),
        });
    }

    /// Sends at once.
    fn send(&mut self, reply: &mut ReplyBuf) {
        self.output.send(&mut self.stream, reply);
    }

    fn output_limit(&self) -> OutputLimit {
        let subscribed = self.session.is_subscribed() || self.session.monitor;
        let class = if subscribed {
            ClientClass::Pubsub
        } else {
            ClientClass::Normal
        };
        self.worker.engine.shared.config.output_limit(class)
    }

    /// Sends what `dispatch` held back, once those who read the log know that there is more.
    #[inline]
    pub fn send_held(&mut self) {
        self.worker.engine.shared.oplog.wake_readers();
        self.output.send_held(&mut self.stream, &self.worker.spares);
        self.count_sent();
    }

    fn count_sent(&mut self) {
        let sent = self.output.take_sent();
        if sent == 0 {
            return;
        }
        self.session
            .facts
            .net_output_bytes
            .fetch_add(sent, Ordering::Relaxed);
        let stats = self.worker.engine.shared.stats.thread(self.worker.gate);
        stats.net_output_bytes.add(sent);
        stats.writes.add(1);
    }

    /// Refuses to read on: the stream cannot be understood any more.
    pub fn refuse(&mut self, error: &str) {
        tracing::debug!("{error} from client: {}", self.session.facts.address);
        self.reply(|reply| reply.error(&format!("ERR {error}")));
        self.session.closing = true;
        self.pending.clear();
    }

    /// Sends messages from others.
    pub fn send_pushes(&mut self) {
        if self.session.facts.has_pushes() {
            let facts = self.session.facts.clone();
            self.reply(|reply| facts.take_pushes(reply));
        }
    }

    /// Sends everything, waiting as long as the other end takes.
    pub async fn send_all(&mut self) -> Result<(), Gone> {
        let facts = self.session.facts.clone();
        while !self.output.is_empty() {
            let mut poked = pin!(facts.wake.notified());
            poll_fn(|cx| {
                if let Poll::Ready(written) =
                    self.output
                        .poll_write(&mut self.stream, &self.worker.spares, cx)
                {
                    return Poll::Ready(written.map_err(|_| Gone));
                }
                poked.as_mut().poll(cx).map(Ok)
            })
            .await?;
            if facts.is_killed() {
                return Err(Gone);
            }
        }
        Ok(())
    }

    /// Holds input and output against their limits, and what all clients take together against
    /// theirs.
    pub fn check_limits(&mut self) -> Result<(), Gone> {
        let shared = &self.worker.engine.shared;
        let facts = &self.session.facts;
        let query_max = shared.config.get_bytes(Param::ClientQueryBufferLimit);
        if self.pending.len() as u64 > query_max {
            let address = &facts.address;
            tracing::warn!("Closing client that reached max query buffer length: {address}");
            shared
                .stats
                .rare
                .query_limit_disconnections
                .fetch_add(1, Ordering::Relaxed);
            return Err(Gone);
        }
        if !self.output.is_empty() {
            self.check_output()?;
        }
        let facts = &self.session.facts;
        let memory = &facts.memory;
        let of = (&memory.output_bytes, &memory.output_free_bytes);
        ClientMemory::store_buffer(of, self.output.len(), self.output.memory_bytes());
        if memory.note() {
            evict_clients::make_room(&self.worker.engine);
        }
        match facts.is_killed() {
            true => Err(Gone),
            false => Ok(()),
        }
    }

    fn check_output(&mut self) -> Result<(), Gone> {
        let limit = self.output_limit();
        let shared = &self.worker.engine.shared;
        let facts = &self.session.facts;
        self.output.check(limit).map_err(|Overflow| {
            let address = &facts.address;
            tracing::warn!("Client {address} closed for overcoming of output buffer limits.");
            shared
                .stats
                .rare
                .output_limit_disconnections
                .fetch_add(1, Ordering::Relaxed);
            Gone
        })
    }

    /// Counts what was read.
    pub fn note_input(&self, len: usize) {
        let facts = &self.session.facts;
        facts
            .last_active_ms
            .store(clock::unix_ms(), Ordering::Relaxed);
        facts
            .net_input_bytes
            .fetch_add(len as u64, Ordering::Relaxed);
        self.note_query(len);
        let stats = self.worker.engine.shared.stats.thread(self.worker.gate);
        stats.net_input_bytes.add(len as u64);
        stats.reads.add(1);
    }

    /// Ends the work on a read: an idle connection owns no buffer, and others no more than
    /// what they are at asks for.
    pub fn settle(&mut self) {
        let capacity = self.pending.capacity();
        if self.pending.is_empty() {
            self.pending = Vec::new();
        } else if capacity > KEPT_BYTES_MAX {
            let (_, end) = self.parser.announced_bytes();
            let wanted = self.pending.len().max(end);
            if capacity / 4 > wanted {
                self.pending.shrink_to(wanted);
            }
        }
        self.note_facts();
    }

    /// Tells others what there is of unfinished requests, and of so much that was just read.
    fn note_query(&self, read: usize) {
        let memory = &self.session.facts.memory;
        let (parsed, _) = self.parser.announced_bytes();
        // Whole arguments stand there too.
        let len = (self.pending.len() + read).saturating_sub(parsed);
        let capacity = self.pending.capacity().saturating_sub(parsed);
        let of = (&memory.query_bytes, &memory.query_free_bytes);
        ClientMemory::store_buffer(of, len, capacity);
        let arguments = parsed + self.parser.memory_bytes();
        memory.argument_bytes.store(arguments, Ordering::Relaxed);
    }

    /// Tells others how the connection stands after a read was run.
    fn note_facts(&self) {
        self.note_query(0);
        let facts = &self.session.facts;
        facts.db.store(self.session.db, Ordering::Relaxed);
        let queued = self.session.transaction.as_ref();
        let count = queued.map_or(-1, |transaction| transaction.len() as i64);
        facts.queued.store(count, Ordering::Relaxed);
        facts
            .watched
            .store(self.session.watched.len(), Ordering::Relaxed);
    }
}
