//! Replies on their way out. What a read's commands answer leaves in one write, straight
//! from the worker's buffer when the socket takes it all.

use std::io;
use std::task::{Context, Poll, ready};
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
}

/// The client reads too slowly for its class.
#[derive(Debug, PartialEq, Eq)]
pub struct Overflow;

/// A buffer that has grown beyond this is not kept.
const KEPT_BYTES_MAX: usize = 16 << 10;

impl Output {
    pub fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    pub fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Takes over what `reply` holds. An empty output exchanges buffers with it.
    #[inline]
    pub fn add(&mut self, reply: &mut ReplyBuf) {
        if self.is_empty() {
            self.bytes.clear();
            self.sent = 0;
            reply.swap(&mut self.bytes);
        } else {
            self.bytes.extend_from_slice(reply.bytes());
            reply.clear();
        }
    }

    /// Writes once.
    #[inline]
    pub fn poll_write(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let written = ready!(stream.poll_write(cx, &self.bytes[self.sent..]))?;
        self.sent += written;
        self.sent_total += written as u64;
        if self.is_empty() {
            self.sent = 0;
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_BYTES_MAX);
        }
        Poll::Ready(Ok(written))
    }

    pub fn take_sent(&mut self) -> u64 {
        std::mem::take(&mut self.sent_total)
    }

    /// Holds the output against its class's limits.
    pub fn check(&mut self, limit: OutputLimit) -> Result<(), Overflow> {
        let len = self.len() as u64;
        if limit.hard_bytes != 0 && len > limit.hard_bytes {
            return Err(Overflow);
        }
        if limit.soft_bytes == 0 || len <= limit.soft_bytes {
            self.above_soft_since = None;
            return Ok(());
        }
        let since = self.above_soft_since.get_or_insert_with(Instant::now);
        match since.elapsed().as_secs() as i64 > limit.soft_seconds {
            true => Err(Overflow),
            false => Ok(()),
        }
    }
}
