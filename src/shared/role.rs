//! Leader or follower, and of whom. It changes only while everything is locked, so that
//! who holds any lock of the keyspace may rely on it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;

/// How the link to the leader stands, in the words of ROLE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkPhase {
    #[default]
    None,
    Connect,
    Connecting,
    Handshake,
    Sync,
    Connected,
}

impl LinkPhase {
    pub fn name(self) -> &'static str {
        match self {
            LinkPhase::None => "none",
            LinkPhase::Connect => "connect",
            LinkPhase::Connecting => "connecting",
            LinkPhase::Handshake => "handshake",
            LinkPhase::Sync => "sync",
            LinkPhase::Connected => "connected",
        }
    }
}

/// How far a planned change of the leader has come, in the words of INFO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailoverPhase {
    #[default]
    None,
    /// Writes are held until the follower has everything.
    WaitForSync,
    /// The follower was told to take over.
    InProgress,
}

impl FailoverPhase {
    pub fn name(self) -> &'static str {
        match self {
            FailoverPhase::None => "no-failover",
            FailoverPhase::WaitForSync => "waiting-for-sync",
            FailoverPhase::InProgress => "failover-in-progress",
        }
    }
}

/// What INFO and ROLE say of the link.
#[derive(Clone, Debug, Default)]
pub struct LinkFacts {
    pub host: String,
    pub port: u16,
    pub phase: LinkPhase,
    /// When the link went down; `None` before it was ever up.
    pub down_since_ms: Option<i64>,
    /// Of a full sync that is under way: bytes to come (-1 unknown) and read, last read.
    pub sync_total_bytes: i64,
    pub sync_read_bytes: u64,
    pub sync_started_ms: i64,
    pub sync_last_io_ms: i64,
    /// Snapshots in a row that were of no use, and why the last one was not.
    pub refusals: u64,
    pub refusal: String,
}

#[derive(Default)]
pub struct Role {
    is_follower: AtomicBool,
    is_link_up: AtomicBool,
    pub link: Mutex<LinkFacts>,
    pub failover: Mutex<FailoverPhase>,
    pub last_io_ms: AtomicI64,
    /// Of the leader's stream: read from the socket, and applied.
    pub read_offset: AtomicU64,
    pub applied_offset: AtomicU64,
}

impl Role {
    #[inline]
    pub fn is_follower(&self) -> bool {
        self.is_follower.load(Ordering::Relaxed)
    }

    /// Everything is locked.
    pub fn set_follower(&self, follower: bool) {
        self.is_follower.store(follower, Ordering::Relaxed);
    }

    #[inline]
    pub fn is_link_up(&self) -> bool {
        self.is_link_up.load(Ordering::Relaxed)
    }

    pub fn set_link_up(&self, up: bool) {
        self.is_link_up.store(up, Ordering::Relaxed);
    }
}
