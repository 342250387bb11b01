//! Replication: following a leader and leading followers.
//!
//! The first half of the modules is pure: bytes, facts and times go in, bytes and actions
//! come out. They know no sockets, no clock and no runtime, so tests drive every path with
//! scripts. Log lines come out as data too, with the words that operators, Sentinel and the
//! test suites of the peers look for; those keep saying MASTER and REPLICA.
//!
//! The second half are their shells, on two threads:
//!
//! ```text
//!   connection --PSYNC--> [leader's thread]   one task a follower: reads the log, listens
//!                                             one task for snapshots, shared by those who wait
//!   REPLICAOF ----------> [follower's thread] the link to our leader: checks and loads what
//!                                             it sends, applies the stream, changes the role
//! ```
//!
//! They share nothing but the engine: the log, the history, the registers of `shared`. What
//! changes the role or the history does so while everything is locked (`roles`). And a lone write
//! goes to the followers on the thread that made it (`feed::express`).

/// Log lines as data.
pub mod line;

/// The leader's side: REPLCONF, and what a request to synchronise is answered.
pub mod psync;

/// Where the snapshot ends inside the stream.
pub mod payload;

/// What a snapshot is written in, by what followers can read.
mod versions;

/// The follower's side: from the first PING to the header of the snapshot.
pub mod handshake;

/// The life of a follower's link: connecting, time-outs, acknowledgements, retries.
pub mod link;

/// Whether a leader has come back without its memory.
mod doubt;

/// A snapshot on its way through the disk.
mod spool;

/// Changes of role and history.
mod roles;

/// The bytes of one snapshot on their way to several followers.
mod relay;

/// How often a link sends.
mod rest;

/// What the tasks of the leader's thread share.
mod desk;

/// Snapshots for followers.
mod full_sync;

/// What a follower says that it should not.
mod stray;

/// The link to one follower.
mod feed;

/// A connection becomes a follower.
mod attach;

/// The leadership is handed to a follower.
mod failover;

/// The leader's thread.
mod leader;

/// A snapshot is put in the place of our data.
mod intake;

/// How we appear to our leader, and our leader to our clients.
mod presence;

/// What a follower does when it cannot do as its leader does.
mod trouble;

/// What has been read of a link and not been used yet.
mod input;

/// The follower's thread.
mod follower;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_local;

pub use attach::{NewFollower, refusal};
pub use follower::{Connecting, Network};

use crate::commands::cx::Failover;
use crate::config::Param;
use crate::exec::Engine;
use crate::persist::load::ReplFacts;
use crate::persist::spill;
use crate::shared::Shared;
use crate::store::locked::Locker;

use desk::RoleRequest;
use failover::Plan;
use leader::LeaderRequest;
use link::Target;

/// A handle to the replication of one server.
#[derive(Clone)]
pub struct Replication {
    leader: mpsc::UnboundedSender<LeaderRequest>,
    roles: mpsc::UnboundedSender<RoleRequest>,
}

/// Takes the role that the configuration says, without acting on it yet: what a file holds
/// is loaded differently by followers. To be called before anything is loaded.
pub fn take_role(shared: &Shared, locker: &mut Locker) {
    if let Some(target) = configured_leader(shared) {
        roles::follow(shared, locker, &target);
    }
}

fn configured_leader(shared: &Shared) -> Option<Target> {
    let leader = shared.config.leader()?;
    Some(Target {
        host: leader.host,
        port: leader.port,
    })
}

/// Takes up the history of the data that was just loaded. Everything is locked.
pub fn restore(shared: &Shared, history: ReplFacts) {
    roles::restore(shared, history);
}

/// Starts replication in the role that `take_role` took. `gates` are the leader's and the
/// follower's thread's; `restored` is the history of the data that was loaded.
///
/// # Errors
/// The threads cannot be started.
pub fn start(
    engine: Arc<Engine>,
    gates: [usize; 2],
    restored: Option<ReplFacts>,
) -> io::Result<Replication> {
    let [leader_gate, follower_gate] = gates;
    watch_config(&engine);
    spill::start(engine.clone())?;
    let target = configured_leader(&engine.shared);
    let locker = Locker::new(&engine.shared.keyspace, follower_gate);
    let (replication, requests) = handle();
    let roles = replication.roles.clone();
    leader::start(engine.clone(), leader_gate, requests.leader, roles)?;
    follower::start(engine, locker, requests.roles, target, restored)?;
    Ok(replication)
}

/// As `start`, but as tasks of the `LocalSet` that runs, with which they end, and over a
/// network of the caller's: the servers of a simulation share one thread and one time.
#[must_use]
pub fn start_here(
    engine: Arc<Engine>,
    gates: [usize; 2],
    restored: Option<ReplFacts>,
    network: Network,
) -> Replication {
    let [leader_gate, follower_gate] = gates;
    watch_config(&engine);
    let target = configured_leader(&engine.shared);
    let locker = Locker::new(&engine.shared.keyspace, follower_gate);
    let (replication, requests) = handle();
    let roles = replication.roles.clone();
    spawn_local(leader::serve(
        engine.clone(),
        leader_gate,
        requests.leader,
        roles,
    ));
    spawn_local(follower::serve(
        engine,
        locker,
        requests.roles,
        target,
        restored,
        network,
    ));
    replication
}

/// The other ends of a handle.
struct Requests {
    leader: mpsc::UnboundedReceiver<LeaderRequest>,
    roles: mpsc::UnboundedReceiver<RoleRequest>,
}

fn handle() -> (Replication, Requests) {
    let (to_leader, leader) = mpsc::unbounded_channel();
    let (to_roles, roles) = mpsc::unbounded_channel();
    let replication = Replication {
        leader: to_leader,
        roles: to_roles,
    };
    (replication, Requests { leader, roles })
}

/// Directives that take effect at once.
fn watch_config(engine: &Arc<Engine>) {
    let shared = &engine.shared;
    let oplog = shared.oplog.clone();
    let params = [Param::ReplBacklogSize];
    shared.config.on_change(&params, move |config| {
        oplog.set_backlog_size_bytes(config.get_bytes(Param::ReplBacklogSize));
        Ok(())
    });
    let counts = Arc::downgrade(engine);
    let params = [Param::MinReplicasToWrite, Param::MinReplicasMaxLag];
    shared.config.on_change(&params, move |_| {
        if let Some(engine) = counts.upgrade() {
            desk::count_good_followers(&engine.shared);
        }
        Ok(())
    });
}

impl Replication {
    /// Takes over a connection whose client wants to follow.
    pub fn new_follower(&self, new: NewFollower) {
        // Without the thread the server is ending, and the connection with it.
        let _ = self.leader.send(LeaderRequest::Follower(Box::new(new)));
    }

    /// REPLICAOF: follows this leader, or none. The answer is the text of the reply, that of
    /// an error without its dash.
    #[must_use]
    pub fn replica_of(
        &self,
        target: Option<(String, u16)>,
        requested_by: &str,
    ) -> oneshot::Receiver<Result<String, String>> {
        let (reply, done) = oneshot::channel();
        let target = target.map(|(host, port)| Target { host, port });
        let requested_by = requested_by.to_owned();
        let _ = self.roles.send(RoleRequest::ReplicaOf {
            target,
            requested_by,
            reply,
        });
        done
    }

    /// FAILOVER. The error is a reply without the leading dash.
    #[must_use]
    pub fn failover(&self, failover: Failover) -> oneshot::Receiver<Result<(), String>> {
        let (reply, done) = oneshot::channel();
        let request = match failover {
            Failover::Abort => LeaderRequest::AbortFailover { reply },
            Failover::Begin {
                to,
                force,
                timeout_ms,
            } => {
                let timeout_ms = timeout_ms.and_then(|ms| u64::try_from(ms).ok());
                let plan = Plan {
                    target: to.map(|(host, port)| Target { host, port }),
                    force,
                    deadline_ms: timeout_ms.map(|ms| failover::now_ms().saturating_add(ms)),
                };
                LeaderRequest::Failover { plan, reply }
            }
        };
        let _ = self.leader.send(request);
        done
    }

    /// A shutdown waits for followers that lag behind, `timeout` at most. True: it goes on, and
    /// writes stay paused; false: it was called off.
    #[must_use]
    pub fn shutdown_wait(&self, timeout: Duration) -> oneshot::Receiver<bool> {
        let (reply, done) = oneshot::channel();
        let request = LeaderRequest::ShutdownWait { timeout, reply };
        let _ = self.leader.send(request);
        done
    }

    /// Calls a shutdown's wait off.
    pub fn cancel_shutdown_wait(&self) {
        let _ = self.leader.send(LeaderRequest::CancelShutdownWait);
    }

    /// Closes all links.
    pub fn stop(&self) {
        let _ = self.leader.send(LeaderRequest::Stop);
        let _ = self.roles.send(RoleRequest::Stop);
    }
}
