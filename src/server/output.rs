//! Replies on their way out. What a read's commands answer leaves in one write: a little
//! when the others that are ready have had their turn, much at once and straight from the
//! worker's buffer. What the socket does not take is kept here.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use crate::config::OutputLimit;
use crate::net::stream::Stream;
use crate::resp::reply::ReplyBuf;

#[derive(Default)]
pub struct Output {
    /// Empty only if nothing waits.
    bytes: Vec<u8>,
    /// Of `bytes`.
    sent: usize,
    behind: Behind,
    /// Sent since this was last asked for.
    sent_total: u64,
    above_soft_since: Option<Instant>,
    /// More was to be sent at once than its class may leave unsent.
    is_too_much: bool,
}

/// The client reads too slowly for its class.
#[derive(Debug, PartialEq, Eq)]
pub struct Overflow;

/// A worker's reply buffer that has grown beyond this is not kept.
const REPLY_KEPT_BYTES_MAX: usize = 256 << 10;

/// What waits beyond this waits in pieces, so that it takes little more than its bytes and is
/// not moved. A reply of this size or more is such a piece as it is.
const PIECE_BYTES: usize = 64 << 10;

/// More than this is not held back: the other end may as well begin to read.
pub const HELD_BYTES_MAX: usize = 16 << 10;

/// So many buffers a worker keeps for replies that are held back.
const SPARES_MAX: usize = 256;

/// Empty buffers for what a worker's connections hold back, so that none is allocated.
#[derive(Default)]
pub struct Spares(RefCell<Vec<Vec<u8>>>);

impl Spares {
    fn take(&self) -> Vec<u8> {
        self.0.borrow_mut().pop().unwrap_or_default()
    }

    fn give(&self, mut buffer: Vec<u8>) {
        let mut buffers = self.0.borrow_mut();
        if buffers.len() < SPARES_MAX && buffer.capacity() <= HELD_BYTES_MAX {
            buffer.clear();
            buffers.push(buffer);
        }
    }
}

/// The pieces behind the first.
#[derive(Default)]
struct Behind {
    pieces: VecDeque<Vec<u8>>,
    len: usize,
    capacity: usize,
}

impl Behind {
    fn push(&mut self, piece: Vec<u8>) {
        self.len += piece.len();
        self.capacity += piece.capacity();
        self.pieces.push_back(piece);
    }

    fn pop(&mut self) -> Option<Vec<u8>> {
        let piece = self.pieces.pop_front()?;
        self.len -= piece.len();
        self.capacity -= piece.capacity();
        Some(piece)
    }

    /// Behind the last piece if there is room in it, else in a piece of its own.
    fn append(&mut self, bytes: &[u8]) {
        match self.pieces.pop_back() {
            Some(mut last) if last.capacity() - last.len() >= bytes.len() => {
                self.len -= last.len();
                self.capacity -= last.capacity();
                last.extend_from_slice(bytes);
                self.push(last);
            }
            last => {
                self.pieces.extend(last);
                let mut piece = Vec::with_capacity(PIECE_BYTES);
                piece.extend_from_slice(bytes);
                self.push(piece);
            }
        }
    }
}

impl Output {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn len(&self) -> usize {
        self.bytes.len() - self.sent + self.behind.len
    }

    /// What it takes of memory.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.behind.capacity
    }

    /// Sends what `reply` holds, behind what still waits; keeps what the socket does not
    /// take now, and empties `reply`. An error of the socket shows at the next write. Of more
    /// than the client may leave unsent nothing is sent: `check` will say so.
    #[inline]
    pub fn send(&mut self, stream: &mut Stream, reply: &mut ReplyBuf) {
        let mut written = 0;
        let mut cx = Context::from_waker(Waker::noop());
        self.is_too_much |= self.len() + reply.len_bytes() > reply.most_bytes();
        if self.is_empty()
            && !reply.is_empty()
            && !self.is_too_much
            && let Poll::Ready(Ok(len)) = stream.poll_write(&mut cx, reply.bytes())
        {
            written = len;
            self.sent_total += len as u64;
        }
        self.append(reply, written);
        reply.clear();
        reply.shrink(REPLY_KEPT_BYTES_MAX);
    }

    /// Puts a reply, of which so much is sent, behind what waits. Of a client that reads, but
    /// never all, no more is kept of what is sent than of what is not.
    fn append(&mut self, reply: &mut ReplyBuf, written: usize) {
        let rest = &reply.bytes()[written..];
        if rest.is_empty() {
            return;
        }
        if rest.len() >= PIECE_BYTES {
            match self.is_empty() {
                true => (self.bytes, self.sent) = (reply.take(), written),
                false => self.behind.push(reply.take()),
            }
        } else if !self.behind.pieces.is_empty() || self.len() + rest.len() > PIECE_BYTES {
            self.behind.append(rest);
        } else {
            if self.sent > self.len() {
                self.bytes.drain(..self.sent);
                self.sent = 0;
            }
            self.bytes.extend_from_slice(rest);
        }
    }

    /// Whether so little is better held back by `hold`.
    #[inline]
    pub fn holds(&self, reply: &ReplyBuf) -> bool {
        reply.bytes().len() <= HELD_BYTES_MAX && self.is_empty()
    }

    /// Keeps a little until `send_held`.
    #[inline]
    pub fn hold(&mut self, reply: &mut ReplyBuf, spares: &Spares) {
        if !reply.is_empty() {
            self.bytes = spares.take();
            self.bytes.extend_from_slice(reply.bytes());
            reply.clear();
        }
    }

    /// Sends what was held back, as far as the socket takes it. An error of the socket shows
    /// at the next write.
    #[inline]
    pub fn send_held(&mut self, stream: &mut Stream, spares: &Spares) {
        if !self.is_empty() && !self.is_too_much {
            let mut cx = Context::from_waker(Waker::noop());
            let _ = self.poll_write(stream, spares, &mut cx);
        }
    }

    /// Writes once of what waits.
    pub fn poll_write(
        &mut self,
        stream: &mut Stream,
        spares: &Spares,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let written = ready!(stream.poll_write(cx, &self.bytes[self.sent..]))?;
        self.sent += written;
        self.sent_total += written as u64;
        if self.sent == self.bytes.len() {
            self.sent = 0;
            let next = self.behind.pop().unwrap_or_default();
            spares.give(std::mem::replace(&mut self.bytes, next));
        }
        Poll::Ready(Ok(()))
    }

    pub fn take_sent(&mut self) -> u64 {
        std::mem::take(&mut self.sent_total)
    }

    /// What waits is taken away, to be sent by somebody else.
    pub fn take(&mut self) -> Vec<u8> {
        let mut rest = self.bytes.split_off(self.sent);
        while let Some(piece) = self.behind.pop() {
            rest.extend_from_slice(&piece);
        }
        *self = Output::default();
        rest
    }

    /// Holds the output against its class's limits.
    pub fn check(&mut self, limit: OutputLimit) -> Result<(), Overflow> {
        let len = self.len() as u64;
        if self.is_too_much || limit.hard_bytes != 0 && len > limit.hard_bytes {
            return Err(Overflow);
        }
        if limit.soft_bytes == 0 || len <= limit.soft_bytes {
            self.above_soft_since = None;
            return Ok(());
        }
        let since = self.above_soft_since.get_or_insert_with(Instant::now);
        if since.elapsed().as_secs() as i64 > limit.soft_seconds {
            return Err(Overflow);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Read;

    use super::*;
    use crate::net::stream::Moving;

    fn append(output: &mut Output, len: usize) {
        let mut reply = ReplyBuf::new();
        reply.raw(&vec![b'x'; len]);
        output.append(&mut reply, 0);
    }

    #[test]
    fn what_is_sent_is_not_kept() {
        let mut output = Output::default();
        for round in 0..1000 {
            append(&mut output, 1000);
            // The other end takes as much each time, which is never all.
            output.sent += if round == 0 { 500 } else { 1000 };
            assert_eq!(output.len(), 500);
        }
        assert!(output.memory_bytes() < 10_000);
    }

    #[test]
    fn much_that_waits_takes_little_more_than_its_bytes() {
        for len in [100, 10_000, 100_000] {
            let mut output = Output::default();
            while output.len() < 10_000_000 {
                append(&mut output, len);
                let most_bytes = output.len() + output.len() / 3 + 2 * PIECE_BYTES;
                assert!(output.memory_bytes() <= most_bytes);
            }
        }
    }

    #[tokio::test]
    async fn what_waits_is_sent_in_order() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut stream = Moving::Unix(ours).join().unwrap();
        let reader = std::thread::spawn(move || {
            let mut received = Vec::new();
            (&theirs).read_to_end(&mut received).unwrap();
            received
        });
        let (mut output, spares) = (Output::default(), Spares::default());
        let (mut reply, mut all) = (ReplyBuf::new(), Vec::new());
        for (n, len) in [10, 300_000, 0, 70_000, 0, 5, 40_000, 40_000, 1, 500_000, 20]
            .into_iter()
            .enumerate()
        {
            reply.raw(&vec![n as u8; len]);
            all.resize(all.len() + len, n as u8);
            output.send(&mut stream, &mut reply);
            assert!(reply.is_empty());
        }
        while !output.is_empty() {
            poll_fn(|cx| output.poll_write(&mut stream, &spares, cx))
                .await
                .unwrap();
        }
        assert_eq!((output.len(), output.memory_bytes()), (0, 0));
        assert_eq!(output.take_sent(), all.len() as u64);
        drop(stream);
        assert!(reader.join().unwrap() == all);
    }
}
