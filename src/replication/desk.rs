//! What the tasks of the leader's thread share: they run one at a time on one thread.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};

use super::link::Target;
use super::roles;
use crate::base::clock;
use crate::config::Param;
use crate::exec::Engine;
use crate::oplog::{Audience, Reader, Records};
use crate::shared::followers::{Follower, FollowerPhase};
use crate::shared::introduction::FollowerFacts;
use crate::store::locked::Locker;

/// What the follower's thread is asked to do.
pub enum RoleRequest {
    /// Follow this leader, or none; the reply is REPLICAOF's.
    ReplicaOf {
        target: Option<Target>,
        requested_by: String,
        reply: oneshot::Sender<String>,
    },
    /// Our leader hands its role to us.
    TakeOver {
        requested_by: String,
        reply: oneshot::Sender<()>,
    },
    Stop,
}

/// A follower that needs a snapshot.
pub struct Waiting {
    pub follower: Arc<Follower>,
    pub introduction: FollowerFacts,
    /// It asked by SYNC: it is told neither history nor offset.
    pub by_sync: bool,
    pub since_us: u64,
    pub cut: oneshot::Sender<Cut>,
}

/// A snapshot as one follower gets it.
pub struct Cut {
    /// Goes out at once, in front of the pieces.
    pub greeting: Vec<u8>,
    pub pieces: mpsc::Receiver<Piece>,
    /// At the cut. None for who wants the snapshot only.
    pub reader: Option<Reader>,
    /// The stream waits for the follower to say that it is ready.
    pub starts_at_ack: bool,
    /// Empty lines may go out until the first piece: it is not there yet.
    pub keeps_alive: bool,
}

/// Part of a snapshot. If the pieces break off before `End`, the snapshot failed.
pub enum Piece {
    Bytes(Bytes),
    End,
}

pub struct Desk {
    pub engine: Arc<Engine>,
    pub locker: RefCell<Locker>,
    pub waiting: RefCell<Vec<Waiting>>,
    /// Somebody waits.
    pub arrived: Notify,
    /// To the follower's thread.
    pub roles: mpsc::UnboundedSender<RoleRequest>,
    /// Since when (`clock::monotonic_us`) nobody follows.
    pub alone_since_us: Cell<u64>,
}

impl Desk {
    pub fn new(
        engine: Arc<Engine>,
        gate: usize,
        roles: mpsc::UnboundedSender<RoleRequest>,
    ) -> Desk {
        Desk {
            locker: RefCell::new(Locker::new(&engine.shared.keyspace, gate)),
            engine,
            waiting: RefCell::default(),
            arrived: Notify::new(),
            roles,
            alone_since_us: Cell::new(clock::monotonic_us()),
        }
    }

    /// Puts a command into the log that is of no meaning to the append-only file. Only a
    /// leader has anything to say there.
    pub fn say_to_followers(&self, args: &[&[u8]]) {
        let shared = &self.engine.shared;
        let mut locker = self.locker.borrow_mut();
        // Any lock keeps the role as it is.
        let locked = shared.keyspace.lock_shards(&mut locker, &[0]);
        if !shared.role.is_follower() {
            let mut records = Records::new();
            records.command(None, Audience::FollowersOnly, args);
            shared.oplog.append(&mut records);
        }
        drop(locked);
        shared.oplog.wake_readers();
    }

    pub fn ensure_backlog(&self) {
        roles::ensure_backlog(&self.engine.shared, &mut self.locker.borrow_mut());
    }

    /// Counts the followers that `min-replicas-to-write` asks for.
    pub fn count_good_followers(&self) {
        let shared = &self.engine.shared;
        let lag_max_s = shared.config.get_int(Param::MinReplicasMaxLag);
        let now_ms = clock::unix_ms();
        let all = shared.followers.all();
        let is_good = |follower: &&Arc<Follower>| {
            follower.phase() == FollowerPhase::Online && follower.lag_seconds(now_ms) <= lag_max_s
        };
        let good = all.iter().filter(is_good).count();
        let counted = &shared.followers.good;
        counted.store(good, std::sync::atomic::Ordering::Relaxed);
    }
}
