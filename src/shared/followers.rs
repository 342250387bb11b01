//! The followers of this server, as INFO, ROLE and WAIT see them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Where a follower stands, in the words of INFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum FollowerPhase {
    WaitBgsave = 0,
    SendBulk = 1,
    Online = 2,
}

impl FollowerPhase {
    pub fn name(self) -> &'static str {
        match self {
            FollowerPhase::WaitBgsave => "wait_bgsave",
            FollowerPhase::SendBulk => "send_bulk",
            FollowerPhase::Online => "online",
        }
    }
}

pub struct Follower {
    pub client_id: u64,
    pub ip: String,
    pub port: u16,
    phase: AtomicU32,
    pub acked_offset: AtomicU64,
    pub acked_aof_offset: AtomicU64,
    pub last_ack_ms: AtomicI64,
    pub output_bytes: AtomicUsize,
}

impl Follower {
    pub fn new(client_id: u64, ip: String, port: u16, now_ms: i64) -> Follower {
        Follower {
            client_id,
            ip,
            port,
            phase: AtomicU32::new(FollowerPhase::WaitBgsave as u32),
            acked_offset: AtomicU64::new(0),
            acked_aof_offset: AtomicU64::new(0),
            last_ack_ms: AtomicI64::new(now_ms),
            output_bytes: AtomicUsize::new(0),
        }
    }

    pub fn phase(&self) -> FollowerPhase {
        match self.phase.load(Ordering::Acquire) {
            0 => FollowerPhase::WaitBgsave,
            1 => FollowerPhase::SendBulk,
            _ => FollowerPhase::Online,
        }
    }

    pub fn set_phase(&self, phase: FollowerPhase) {
        self.phase.store(phase as u32, Ordering::Release);
    }

    /// Seconds since it was last heard of.
    pub fn lag_seconds(&self, now_ms: i64) -> i64 {
        ((now_ms - self.last_ack_ms.load(Ordering::Relaxed)) / 1000).max(0)
    }
}

#[derive(Default)]
pub struct Followers {
    all: Mutex<Vec<Arc<Follower>>>,
    /// Those that min-replicas-to-write counts; cron keeps it.
    pub good: AtomicUsize,
    /// Woken at every acknowledgement, for WAIT.
    pub acked: Notify,
    /// Set by WAIT: the next flush of the log asks followers to acknowledge.
    pub wants_ack: Notify,
}

impl Followers {
    pub fn add(&self, follower: Arc<Follower>) {
        self.all.lock().push(follower);
    }

    pub fn remove(&self, client_id: u64) {
        self.all
            .lock()
            .retain(|follower| follower.client_id != client_id);
    }

    pub fn all(&self) -> Vec<Arc<Follower>> {
        self.all.lock().clone()
    }

    pub fn len(&self) -> usize {
        self.all.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many online followers have acknowledged `offset`.
    pub fn acked(&self, offset: u64) -> usize {
        let reached = |follower: &&Arc<Follower>| {
            follower.phase() == FollowerPhase::Online
                && follower.acked_offset.load(Ordering::Acquire) >= offset
        };
        self.all.lock().iter().filter(reached).count()
    }
}
