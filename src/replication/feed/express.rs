//! The stream to a follower, which lone writes take without changing threads.
//!
//! To wake the leader's thread takes longer than all the rest of a write's way to a follower
//! that has caught up and waits. So the reader of such a link sleeps with a waker that does
//! not wake but sends: whoever appends to the log and wakes its readers sends to the follower
//! itself, before it answers its client. The link's task is woken only for what that does not
//! get done: writes that come in numbers (`rest`), a socket that is full or broken.
//!
//! A follower is cut off when the history changes, before anything of the new one is in the
//! log. So whoever has read from the log asks whether it is, and then sends none of it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Wake, Waker, ready};

use parking_lot::Mutex;
use socket2::Socket;

use super::super::rest::{Hurry, Rest};
use super::{End, WRITE_BYTES_MAX};
use crate::exec::Engine;
use crate::net::stream::Stream;
use crate::oplog::{Missed, Reader, ReaderWatch};
use crate::shared::clients::ClientFacts;

/// So much is sent by the thread that wrote it: what the log shows in one piece.
const EXPRESS_BYTES_MAX: usize = 16 << 10;

/// The stream's source, in the hands of the link's task.
pub struct Express {
    line: Arc<Line>,
    watch: ReaderWatch,
}

/// What the threads share that send.
struct Line {
    /// Held by who sends, and for no longer; None once the link has ended.
    ends: Mutex<Option<Ends>>,
    engine: Arc<Engine>,
    facts: Arc<ClientFacts>,
}

struct Ends {
    reader: Reader,
    /// None for what is no socket: then only the task sends.
    socket: Option<Socket>,
    rest: Rest,
}

impl Express {
    pub fn new(
        reader: Reader,
        stream: &Stream,
        engine: &Arc<Engine>,
        facts: &Arc<ClientFacts>,
    ) -> Express {
        let watch = reader.watch();
        let ends = Ends {
            reader,
            socket: stream.socket(),
            rest: Rest::default(),
        };
        let line = Line {
            ends: Mutex::new(Some(ends)),
            engine: Arc::clone(engine),
            facts: Arc::clone(facts),
        };
        Express {
            line: Arc::new(line),
            watch,
        }
    }

    pub fn watch(&self) -> &ReaderWatch {
        &self.watch
    }

    /// Sends on the link's task what there is, or leaves what comes to those who write it.
    /// Ready with how many bytes were sent.
    pub fn poll_send(
        &self,
        stream: &mut Stream,
        hurry: &Hurry,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, End>> {
        let mut ends = self.line.ends.lock();
        let Some(ends) = ends.as_mut() else {
            return Poll::Pending;
        };
        loop {
            let bytes = ends.reader.fill(WRITE_BYTES_MAX)?;
            if !bytes.is_empty() {
                if self.line.facts.is_killed() {
                    return Poll::Ready(Err(End::Killed));
                }
                let sent = ready!(stream.poll_write(cx, bytes))?;
                ends.reader.consume(sent);
                ends.rest.note_sent();
                return Poll::Ready(Ok(sent));
            }
            ready!(ends.rest.poll_end(hurry, cx));
            ready!(match ends.socket {
                Some(_) => ends.poll_ready(&self.line.waker()),
                None => ends.poll_ready(cx.waker()),
            })?;
        }
    }
}

impl Drop for Express {
    /// The sleeping reader's waker holds the line, which holds the reader.
    fn drop(&mut self) {
        let ends = self.line.ends.lock().take();
        drop(ends);
    }
}

impl Line {
    fn waker(self: &Arc<Line>) -> Waker {
        Waker::from(Arc::clone(self))
    }

    /// Sends what has been written. False if the task is to go on: there is more, or writes
    /// come in numbers.
    fn send(self: &Arc<Line>, ends: &mut Ends) -> bool {
        let Some(socket) = ends.socket.as_ref().filter(|_| !ends.rest.is_busy()) else {
            return false;
        };
        if let Ok(bytes) = ends.reader.fill(EXPRESS_BYTES_MAX)
            && !self.facts.is_killed()
            && let Ok(sent) = socket.send(bytes)
        {
            ends.reader.consume(sent);
            ends.rest.note_sent();
            self.count(sent);
        }
        ends.poll_ready(&self.waker()).is_pending()
    }

    fn count(&self, sent_bytes: usize) {
        let sent_bytes = sent_bytes as u64;
        let output_bytes = &self.facts.net_output_bytes;
        output_bytes.fetch_add(sent_bytes, Ordering::Relaxed);
        let stats = &self.engine.shared.stats.rare;
        let output_bytes = &stats.repl_output_bytes;
        output_bytes.fetch_add(sent_bytes, Ordering::Relaxed);
        self.engine.shared.note_moment();
    }
}

impl Wake for Line {
    /// Runs on the thread that appended, which holds no lock. Where the task holds the ends it
    /// may have looked at the log before: it is to look again.
    fn wake(self: Arc<Line>) {
        let is_done = match self.ends.try_lock() {
            Some(mut ends) => ends.as_mut().is_some_and(|ends| self.send(ends)),
            None => false,
        };
        if !is_done {
            self.facts.wake.notify_one();
        }
    }
}

impl Ends {
    /// Ready when the log holds more; else `waker` is called then.
    fn poll_ready(&mut self, waker: &Waker) -> Poll<Result<(), Missed>> {
        pin!(self.reader.ready()).poll(&mut Context::from_waker(waker))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::commands::FAMILIES;
    use crate::commands::registry::Registry;
    use crate::net::stream::Moving;
    use crate::oplog::{Audience, ReaderKind, Records};
    use crate::shared::Shared;

    const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

    struct Link {
        engine: Arc<Engine>,
        facts: Arc<ClientFacts>,
        stream: Stream,
        express: Express,
        follower: UnixStream,
    }

    impl Link {
        fn new() -> Link {
            let registry = Registry::new(FAMILIES);
            let shared = Shared::for_test(1, registry.len());
            shared.oplog.activate_backlog();
            let engine = Arc::new(Engine { shared, registry });
            let facts = Arc::new(ClientFacts::default());
            let (ours, follower) = UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            follower.set_nonblocking(true).unwrap();
            let stream = Moving::Unix(ours).join().unwrap();
            let reader = engine.shared.oplog.reader_at_end(ReaderKind::Follower);
            let express = Express::new(reader, &stream, &engine, &facts);
            Link {
                engine,
                facts,
                stream,
                express,
                follower,
            }
        }

        /// What the link's task does; how many bytes it sent, or that it waits.
        async fn poll(&mut self) -> Option<usize> {
            // The runtime looks at its sockets.
            tokio::task::yield_now().await;
            let mut cx = Context::from_waker(Waker::noop());
            let hurry = Hurry::default();
            match self.express.poll_send(&mut self.stream, &hurry, &mut cx) {
                Poll::Ready(sent) => Some(sent.unwrap()),
                Poll::Pending => None,
            }
        }

        /// What a thread does that serves clients.
        fn write(&self) {
            let oplog = &self.engine.shared.oplog;
            let mut records = Records::new();
            records.command(None, Audience::FollowersOnly, &[b"PING"]);
            oplog.append(&mut records, &[]);
            oplog.wake_readers();
        }

        fn was_task_woken(&self) -> bool {
            let mut cx = Context::from_waker(Waker::noop());
            pin!(self.facts.wake.notified()).poll(&mut cx).is_ready()
        }

        fn received(&mut self) -> Vec<u8> {
            let mut bytes = Vec::new();
            // It ends with an error: there is no more for now.
            let _ = self.follower.read_to_end(&mut bytes);
            bytes
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lone_write_is_sent_by_who_wrote_it_and_the_next_ones_together_by_the_task() {
        let mut link = Link::new();
        assert_eq!(link.poll().await, None);
        link.write();
        assert_eq!(link.received(), PING);
        assert!(!link.was_task_woken());
        link.write();
        assert!(link.was_task_woken());
        link.write();
        assert_eq!(link.received(), b"");
        assert_eq!(link.poll().await, Some(2 * PING.len()));
        assert_eq!(link.received(), [PING, PING].concat());
        let counted = link.facts.net_output_bytes.load(Ordering::Relaxed);
        assert_eq!(counted, PING.len() as u64);
    }

    #[tokio::test]
    async fn what_a_full_socket_does_not_take_is_left_to_the_task() {
        let mut link = Link::new();
        assert_eq!(link.poll().await, None);
        let mut other = link.stream.socket().unwrap();
        let mut filled = 0;
        while let Ok(sent) = other.write(&[0; 4096]) {
            filled += sent;
        }
        link.write();
        assert!(link.was_task_woken());
        assert_eq!(link.poll().await, None);
        assert_eq!(link.received().len(), filled);
        assert_eq!(link.poll().await, Some(PING.len()));
        assert_eq!(link.received(), PING);
    }

    #[tokio::test]
    async fn who_is_cut_off_is_sent_nothing_more() {
        let mut link = Link::new();
        assert_eq!(link.poll().await, None);
        link.facts.kill();
        link.write();
        assert!(link.was_task_woken());
        let mut cx = Context::from_waker(Waker::noop());
        let hurry = Hurry::default();
        let end = link.express.poll_send(&mut link.stream, &hurry, &mut cx);
        assert_eq!(end, Poll::Ready(Err(End::Killed)));
        assert_eq!(link.received(), b"");
    }

    #[tokio::test]
    async fn a_link_that_ends_leaves_nothing_behind() {
        let mut link = Link::new();
        assert_eq!(link.poll().await, None);
        assert_eq!(link.engine.shared.oplog.stats().readers, 1);
        let Link {
            engine,
            facts,
            stream,
            express,
            mut follower,
        } = link;
        drop((express, stream));
        assert_eq!(engine.shared.oplog.stats().readers, 0);
        assert_eq!(follower.read(&mut [0; 16]).unwrap(), 0);
        assert_eq!(Arc::strong_count(&facts), 1);
    }
}
