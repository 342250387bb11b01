//! Where a worker's connections read to, one after another.
//!
//! What was read is run at once, before anybody else reads. Only a short single request is
//! kept until the others that are ready have read too, so that the keys of them all can be
//! fetched together:
//!
//! ```text
//!   +---------+---------+---------+---------------------------------+
//!   | A's GET | B's SET | C's GET | D reads to here                 |
//!   +---------+---------+---------+---------------------------------+
//!                                 ^ kept_bytes
//! ```

use std::cell::{Cell, Ref, RefCell};
use std::ops::Range;
use std::task::{Context, Poll};

use crate::exec::ahead::Ahead;
use crate::exec::dispatch::Executor;
use crate::net::stream::Stream;
use crate::store::keyspace::Keyspace;

/// What one read takes at most. Larger values arrive in several.
pub const READ_BYTES: usize = 64 << 10;

/// No request that is longer is kept.
const KEPT_BYTES_EACH: usize = 1 << 10;

/// All together take so much at most.
const KEPT_BYTES_MAX: usize = 32 << 10;

pub struct Inbox {
    buffer: RefCell<Box<[u8]>>,
    kept_bytes: Cell<usize>,
    /// So many requests are kept; the place of one is free when all others' are too.
    kept: Cell<usize>,
    ahead: RefCell<Ahead>,
}

impl Default for Inbox {
    fn default() -> Inbox {
        Inbox {
            buffer: RefCell::new(vec![0; KEPT_BYTES_MAX + READ_BYTES].into()),
            kept_bytes: Cell::new(0),
            kept: Cell::new(0),
            ahead: RefCell::default(),
        }
    }
}

impl Inbox {
    /// Reads once, and says where it is, which is nowhere if the other end has gone. It stays
    /// there until somebody reads again.
    #[inline]
    pub fn poll_read(
        &self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Range<usize>>> {
        let from = self.kept_bytes.get();
        let place = &mut self.buffer.borrow_mut()[from..from + READ_BYTES];
        stream.poll_read(cx, place).map(|read| match read {
            Ok(0) | Err(_) => None,
            Ok(len) => Some(from..from + len),
        })
    }

    pub fn bytes(&self, range: Range<usize>) -> Ref<'_, [u8]> {
        Ref::map(self.buffer.borrow(), |buffer| &buffer[range])
    }

    /// Keeps what was just read, if it is a short single request.
    #[inline]
    pub fn keep(&self, keyspace: &Keyspace, db: u32, read: &Range<usize>) -> Option<Kept<'_>> {
        if read.len() > KEPT_BYTES_EACH
            || read.end > KEPT_BYTES_MAX
            || !self
                .ahead
                .borrow_mut()
                .note(keyspace, db, &self.bytes(read.clone()))
        {
            return None;
        }
        self.kept_bytes.set(read.end);
        self.kept.set(self.kept.get() + 1);
        Some(Kept { inbox: self })
    }
}

/// A request keeps its place in the inbox.
pub struct Kept<'a> {
    inbox: &'a Inbox,
}

impl Kept<'_> {
    /// It is about to run.
    #[inline]
    pub fn fetch_key(&self, keyspace: &Keyspace, executor: &mut Executor) {
        self.inbox
            .ahead
            .borrow_mut()
            .fetch(keyspace, &mut executor.locker);
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        let kept = self.inbox.kept.get() - 1;
        self.inbox.kept.set(kept);
        if kept == 0 {
            self.inbox.kept_bytes.set(0);
            self.inbox.ahead.borrow_mut().forget();
        }
    }
}
