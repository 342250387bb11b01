//! One connection: reads, runs what came, writes, and waits where it has to.
//!
//! ```text
//!            +--------------------------------------------------------+
//!            v                                                        |
//!   wait for bytes, room to write, or a wake-up (push, kill)          |
//!            |                                                        |
//!            v                                                        |
//!   dispatch the input --NeedInput--> keep the rest, send the replies +
//!            ^   |                                                    |
//!            |   +--Contended, Paused, Outcome--> wait (suspend) --+  |
//!            +-----------------------------------------------------+  |
//!                closing: send what there is, then end <--------------+
//! ```
//!
//! It reads into its worker's buffer and replies into its worker's `ReplyBuf`; only what
//! is left unfinished is kept here. So a connection that waits owns next to nothing, and
//! one that does not read its replies is still listened to, up to its output limit.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use super::output::{Output, Overflow};
use super::suspend::{self, Next};
use super::worker::Worker;
use crate::base::clock;
use crate::config::Param;
use crate::exec::dispatch::{Progress, Stop};
use crate::exec::maintain;
use crate::net::stream::Stream;
use crate::resp::reply::ReplyBuf;
use crate::resp::request::Parser;
use crate::shared::clients::{ClientFacts, client_flag};
use crate::shared::session::{Origin, Session};

pub struct Connection {
    pub(super) worker: Rc<Worker>,
    pub(super) stream: Option<Stream>,
    pub(super) session: Session,
    pub(super) resp3: bool,
    parser: Parser,
    /// Input that was not used up yet.
    pub(super) pending: Vec<u8>,
    pub(super) output: Output,
}

/// What woke the connection.
enum Woken {
    /// So many bytes are in the worker's buffer.
    Read(usize),
    Written,
    /// Pushes, a kill, or nothing at all.
    Poked,
}

/// The connection is over: an error of the socket, or the other end has closed it.
#[derive(Debug)]
pub struct Gone;

impl Connection {
    pub fn new(worker: Rc<Worker>, stream: Stream) -> Connection {
        let shared = &worker.engine.shared;
        let (address, local_address) = stream.addresses();
        let now_ms = clock::unix_ms();
        let facts = ClientFacts {
            id: shared.clients.next_id(),
            address,
            local_address,
            fd: stream.fd(),
            created_ms: now_ms,
            last_active_ms: now_ms.into(),
            queued: (-1).into(),
            resp: 2.into(),
            ..ClientFacts::default()
        };
        facts.set(client_flag::UNIX, stream.is_unix());
        facts.text.lock().user = "default".to_owned();
        let facts = Arc::new(facts);
        shared.clients.add(facts.clone());
        let mut session = Session::new(facts, Origin::Client);
        session.authenticated = shared.config.get_text(Param::RequirePass).is_empty();
        let output = Output::default();
        Connection {
            stream: Some(stream),
            session,
            resp3: false,
            parser: Parser::new(),
            pending: Vec::new(),
            output,
            worker,
        }
    }

    /// Serves until the connection ends.
    pub async fn serve(mut self) {
        // Either way it is over; why it ended was logged where it happened.
        let _ = self.serve_requests().await;
        let worker = self.worker.clone();
        let mut executor = worker.executor.borrow_mut();
        maintain::forget(&worker.engine, &mut self.session, &mut executor.locker);
    }

    async fn serve_requests(&mut self) -> Result<(), Gone> {
        loop {
            match self.wait().await? {
                Woken::Read(len) => self.run_input(len).await?,
                Woken::Written => {}
                Woken::Poked => self.take_pushes(),
            }
            if self.session.facts.is_killed() {
                return Err(Gone);
            }
            self.try_send()?;
            if self.session.closing {
                return self.send_all().await;
            }
            if self.stream.is_none() {
                return Ok(());
            }
        }
    }

    /// Waits for input, for room for output, or to be woken by others.
    async fn wait(&mut self) -> Result<Woken, Gone> {
        let facts = self.session.facts.clone();
        let mut poked = pin!(facts.wake.notified());
        let worker = self.worker.clone();
        poll_fn(|cx| {
            let stream = self.stream.as_mut().ok_or(Gone)?;
            if let Poll::Ready(read) = stream.poll_read(cx, &mut worker.input.borrow_mut()) {
                return Poll::Ready(match read {
                    Ok(0) | Err(_) => Err(Gone),
                    Ok(len) => Ok(Woken::Read(len)),
                });
            }
            if !self.output.is_empty()
                && let Poll::Ready(written) = self.output.poll_write(stream, cx)
            {
                return Poll::Ready(written.map(|_| Woken::Written).map_err(|_| Gone));
            }
            poked.as_mut().poll(cx).map(|()| Ok(Woken::Poked))
        })
        .await
    }

    /// Runs `len` new bytes in the worker's buffer, behind what was left of earlier ones.
    async fn run_input(&mut self, len: usize) -> Result<(), Gone> {
        self.note_input(len);
        let mut progress = if self.pending.is_empty() {
            let worker = self.worker.clone();
            let input = worker.input.borrow();
            let progress = self.dispatch(&input[..len]);
            self.pending.extend_from_slice(&input[progress.consumed_bytes..len]);
            progress
        } else {
            let worker = self.worker.clone();
            self.pending.extend_from_slice(&worker.input.borrow()[..len]);
            self.dispatch_pending()
        };
        loop {
            self.check_limits()?;
            match progress.stop {
                Stop::NeedInput => break,
                Stop::Protocol(error) => {
                    self.refuse(&error.to_string());
                    break;
                }
                stop => match suspend::finish(self, stop).await? {
                    Next::Continue => {}
                    Next::Closed => break,
                },
            }
            progress = self.dispatch_pending();
        }
        if self.pending.is_empty() {
            // An idle connection owns no buffer.
            self.pending = Vec::new();
        }
        self.note_facts();
        Ok(())
    }

    fn dispatch_pending(&mut self) -> Progress {
        let mut pending = std::mem::take(&mut self.pending);
        let progress = self.dispatch(&pending);
        pending.drain(..progress.consumed_bytes);
        self.pending = pending;
        progress
    }

    /// Runs what is whole of `input`; the replies are added to the output.
    pub(super) fn dispatch(&mut self, input: &[u8]) -> Progress {
        let worker = &self.worker;
        let mut executor = worker.executor.borrow_mut();
        let mut reply = worker.reply.borrow_mut();
        reply.set_resp3(self.resp3);
        let progress = executor.dispatch(
            &worker.engine,
            &mut self.session,
            &mut self.parser,
            input,
            &mut reply,
        );
        self.resp3 = reply.resp3();
        self.output.add(&mut reply);
        progress
    }

    /// Writes a reply that is not a command's own doing.
    pub(super) fn reply(&mut self, write: impl FnOnce(&mut ReplyBuf)) {
        let worker = self.worker.clone();
        let mut reply = worker.reply.borrow_mut();
        reply.set_resp3(self.resp3);
        write(&mut reply);
        self.output.add(&mut reply);
    }

    fn refuse(&mut self, error: &str) {
        let facts = &self.session.facts;
        tracing::debug!("Protocol error ({error}) from client: {}", facts.address);
        self.reply(|reply| reply.error(&format!("ERR {error}")));
        self.session.closing = true;
        self.pending.clear();
    }

    /// Messages from others, sent between replies.
    pub(super) fn take_pushes(&mut self) {
        if self.session.facts.has_pushes() {
            let facts = self.session.facts.clone();
            self.reply(|reply| facts.take_pushes(reply));
        }
    }

    /// Sends what can be sent now, without waiting.
    pub(super) fn try_send(&mut self) -> Result<(), Gone> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        if !self.output.is_empty() {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            while !self.output.is_empty() {
                match self.output.poll_write(stream, &mut cx) {
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(_)) => return Err(Gone),
                    Poll::Pending => break,
                }
            }
            let sent = self.output.take_sent();
            self.session.facts.net_output_bytes.fetch_add(sent, Ordering::Relaxed);
            let gate = self.worker.executor.borrow().locker.gate();
            self.worker.engine.shared.stats.thread(gate).net_output_bytes.add(sent);
        }
        self.check_limits()
    }

    /// Sends everything, waiting as long as the other end takes.
    pub(super) async fn send_all(&mut self) -> Result<(), Gone> {
        self.try_send()?;
        let facts = self.session.facts.clone();
        while !self.output.is_empty() {
            let mut poked = pin!(facts.wake.notified());
            poll_fn(|cx| {
                let stream = self.stream.as_mut().ok_or(Gone)?;
                if let Poll::Ready(written) = self.output.poll_write(stream, cx) {
                    return Poll::Ready(written.map_err(|_: io::Error| Gone));
                }
                poked.as_mut().poll(cx).map(|()| Ok(0))
            })
            .await?;
            if facts.is_killed() {
                return Err(Gone);
            }
        }
        Ok(())
    }

    fn check_limits(&mut self) -> Result<(), Gone> {
        let shared = &self.worker.engine.shared;
        let facts = &self.session.facts;
        let query_max = shared.config.get_bytes(Param::ClientQueryBufferLimit);
        if self.pending.len() as u64 > query_max {
            tracing::warn!(
                "Closing client that reached max query buffer length: {}",
                facts.address
            );
            shared.stats.rare.query_limit_disconnections.fetch_add(1, Ordering::Relaxed);
            return Err(Gone);
        }
        let class = if self.session.is_subscribed() {
            crate::config::ClientClass::Pubsub
        } else {
            crate::config::ClientClass::Normal
        };
        facts.output_bytes.store(self.output.len(), Ordering::Relaxed);
        match self.output.check(shared.config.output_limit(class)) {
            Ok(()) => Ok(()),
            Err(Overflow) => {
                tracing::warn!(
                    "Client {} closed for overcoming of output buffer limits.",
                    facts.address
                );
                shared.stats.rare.output_limit_disconnections.fetch_add(1, Ordering::Relaxed);
                Err(Gone)
            }
        }
    }

    fn note_input(&self, len: usize) {
        let facts = &self.session.facts;
        facts.last_active_ms.store(clock::unix_ms(), Ordering::Relaxed);
        facts.net_input_bytes.fetch_add(len as u64, Ordering::Relaxed);
        facts.query_bytes.store(self.pending.len() + len, Ordering::Relaxed);
        let gate = self.worker.executor.borrow().locker.gate();
        self.worker.engine.shared.stats.thread(gate).net_input_bytes.add(len as u64);
    }

    fn note_facts(&self) {
        let facts = &self.session.facts;
        facts.query_bytes.store(self.pending.len(), Ordering::Relaxed);
        facts.query_free_bytes.store(
            self.pending.capacity() - self.pending.len(),
            Ordering::Relaxed,
        );
        facts.db.store(self.session.db, Ordering::Relaxed);
        let queued = self.session.transaction.as_ref();
        let count = queued.map_or(-1, |transaction| transaction.commands.len() as i64);
        facts.queued.store(count, Ordering::Relaxed);
    }
}
