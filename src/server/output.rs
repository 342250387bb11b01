//! Replies on their way out. What a read's commands answer leaves in one write: a little
//! when the others that are ready have had their turn, much at once and straight from the
//! worker's buffer. What the socket does not take is kept here.

use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use crate::config::OutputLimit;
use crate::net::stream::Stream;
use crate::resp::reply::ReplyBuf;

#[derive(Default)]
pub struct Output {
    bytes: Vec<u8>,
    sent: usize,
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

/// What waits and is larger than this has a quarter of room to grow, where a vector of its own
/// accord would have as much again.
const LARGE_BYTES: usize = 64 << 10;

/// More than this is not held back: the other end may as well begin to read.
const HELD_BYTES_MAX: usize = 16 << 10;

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

impl Output {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// What it takes of memory.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Sends what `reply` holds, behind what still waits; keeps what the socket does not
    /// take now, and empties `reply`. An error of the socket shows at the next write. Of more
    /// than `most_bytes` nothing is sent: `check` will say so.
    #[inline]
    pub fn send(&mut self, stream: &mut Stream, reply: &mut ReplyBuf, most_bytes: u64) {
        let mut written = 0;
        let mut cx = Context::from_waker(Waker::noop());
        self.is_too_much |= (self.len() + reply.bytes().len()) as u64 > most_bytes;
        if self.is_empty()
            && !reply.is_empty()
            && !self.is_too_much
            && let Poll::Ready(Ok(len)) = stream.poll_write(&mut cx, reply.bytes())
        {
            written = len;
            self.sent_total += len as u64;
        }
        self.append(&reply.bytes()[written..]);
        reply.clear();
        reply.shrink(REPLY_KEPT_BYTES_MAX);
    }

    /// Behind what waits. Of a client that reads, but never all, no more is kept of what is
    /// sent than of what is not.
    fn append(&mut self, bytes: &[u8]) {
        if self.sent > self.len() {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        let needed = self.bytes.len() + bytes.len();
        if needed > self.bytes.capacity().max(LARGE_BYTES) {
            let grown = self.bytes.len() + self.bytes.len() / 4;
            self.bytes
                .reserve_exact(grown.max(needed) - self.bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
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
            spares.give(std::mem::take(&mut self.bytes));
        }
        Poll::Ready(Ok(()))
    }

    pub fn take_sent(&mut self) -> u64 {
        std::mem::take(&mut self.sent_total)
    }

    /// What waits is taken away, to be sent by somebody else.
    pub fn take(&mut self) -> Vec<u8> {
        let rest = self.bytes.split_off(self.sent);
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
    use super::*;

    #[test]
    fn what_is_sent_is_not_kept() {
        let mut output = Output::default();
        for round in 0..1000 {
            output.append(&[b'x'; 1000]);
            // The other end takes as much each time, which is never all.
            output.sent += if round == 0 { 500 } else { 1000 };
            assert_eq!(output.len(), 500);
        }
        assert!(output.memory_bytes() < 10_000);
    }

    #[test]
    fn much_that_waits_takes_little_more_than_its_bytes() {
        let mut output = Output::default();
        let (mut moved, mut address) = (0, output.bytes.as_ptr());
        for _ in 0..1000 {
            output.append(&[b'x'; 10_000]);
            if std::mem::replace(&mut address, output.bytes.as_ptr()) != address {
                moved += 1;
            }
            let most_bytes = (output.len() + output.len() / 4).max(2 * LARGE_BYTES);
            assert!(output.memory_bytes() <= most_bytes);
        }
        assert!(moved < 100, "{moved}");
    }
}
