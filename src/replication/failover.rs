//! FAILOVER: the leadership goes to a follower, and nothing that was written is lost.
//!
//! ```text
//!              FAILOVER               has it all, or FORCE and time is up
//!   no failover ------> waiting for sync ------------------------> in progress
//!     ^   ^     writes are      |        we follow the target, which is told     |
//!     |   |     held from here  |        PSYNC ... FAILOVER                      |
//!     |   +-- ABORT, time is up +                                                |
//!     |                                                                          |
//!     +-- it takes over: we follow; it refuses, or ABORT: we lead again ---------+
//! ```
//!
//! What is decided while a follower is waited for is a pure function of the followers, the
//! log's end and the time. How the target answers is the link's affair; both changes of our
//! role are made by the follower's thread, as any change of role.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::desk::{Desk, RoleRequest};
use super::line::LogLine;
use super::link::Target;
use super::roles;
use crate::base::clock;
use crate::shared::followers::{Follower, FollowerPhase};

/// Why no failover can be called off.
const NONE_UNDERWAY: &str = "ERR No failover in progress.";

/// What FAILOVER asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Nobody in particular if there is none: whoever has everything first.
    pub target: Option<Target>,
    /// Hand over to the target even if it has not everything when the time is up.
    pub force: bool,
    /// By the clock that `decide` is given.
    pub deadline_ms: Option<u64>,
}

/// A follower, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub address: Target,
    pub acked_offset: u64,
}

/// What to do while a follower is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Wait,
    HandOver(Target, LogLine),
    /// The line says why.
    GiveUp(LogLine),
}

impl Plan {
    /// Looks whether it is time. `candidates` are the followers that are online, and
    /// `end_offset` is where the log stands still.
    #[must_use]
    pub fn decide(&self, candidates: &[Candidate], end_offset: u64, now_ms: u64) -> Decision {
        if self.deadline_ms.is_some_and(|at_ms| now_ms >= at_ms) {
            return match &self.target {
                Some(target) if self.force => {
                    let Target { host, port } = target;
                    let line = LogLine::notice(format!(
                        "FAILOVER to {host}:{port} time out exceeded, failing over."
                    ));
                    Decision::HandOver(target.clone(), line)
                }
                _ => {
                    let why = "Replica never caught up before timeout";
                    Decision::GiveUp(aborted(self.target.as_ref(), why))
                }
            };
        }
        let is_meant = |candidate: &&Candidate| {
            let wanted = self.target.as_ref();
            wanted.is_none_or(|target| *target == candidate.address)
        };
        let mut meant = candidates.iter().filter(is_meant);
        match meant.find(|candidate| candidate.acked_offset == end_offset) {
            Some(candidate) => {
                let Target { host, port } = &candidate.address;
                let line = LogLine::notice(format!(
                    "Failover target {host}:{port} is synced, failing over."
                ));
                Decision::HandOver(candidate.address.clone(), line)
            }
            None => Decision::Wait,
        }
    }
}

fn requested(target: Option<&Target>) -> LogLine {
    LogLine::notice(match target {
        Some(Target { host, port }) => format!("FAILOVER requested to {host}:{port}."),
        None => "FAILOVER requested to any replica.".to_owned(),
    })
}

fn aborted(target: Option<&Target>, why: &str) -> LogLine {
    LogLine::notice(match target {
        Some(Target { host, port }) => format!("FAILOVER to {host}:{port} aborted: {why}"),
        None => format!("FAILOVER to any replica aborted: {why}"),
    })
}

/// A reply: what FAILOVER ABORT is answered.
pub type Reply = oneshot::Sender<Result<(), String>>;

/// The failover of a server, if there is one.
#[derive(Default)]
pub struct Failover {
    abort: Option<oneshot::Sender<Reply>>,
}

impl Failover {
    /// Begins one. The reply comes when writes are held.
    pub fn begin(&mut self, desk: &Rc<Desk>, plan: Plan, reply: Reply) {
        let begun = roles::begin_failover(&desk.engine.shared, &mut desk.locker.borrow_mut());
        if begun.is_ok() {
            requested(plan.target.as_ref()).log();
            let (abort, aborts) = oneshot::channel();
            self.abort = Some(abort);
            tokio::task::spawn_local(run(desk.clone(), plan, aborts));
        }
        // Who asked may have gone.
        let _ = reply.send(begun.map_err(str::to_owned));
    }

    pub fn abort(&mut self, reply: Reply) {
        let refused = match self.abort.take() {
            Some(abort) => abort.send(reply).err(),
            None => Some(reply),
        };
        if let Some(reply) = refused {
            let _ = reply.send(Err(NONE_UNDERWAY.to_owned()));
        }
    }
}

/// The time by the clock of a plan's deadline.
#[must_use]
pub fn now_ms() -> u64 {
    clock::monotonic_us() / 1000
}

/// Sees a failover through to its end.
async fn run(desk: Rc<Desk>, plan: Plan, mut aborts: oneshot::Receiver<Reply>) {
    let mut abort = None;
    if let Some(target) = wait_for_sync(&desk, &plan, &mut aborts, &mut abort).await {
        hand_over(&desk, target, aborts, &mut abort).await;
    }
    roles::end_failover(&desk.engine.shared, &mut desk.locker.borrow_mut());
    if let Some((reply, answer)) = abort {
        let _ = reply.send(answer);
    }
}

/// Who called the failover off, and what that is answered at the end.
type Aborted = Option<(Reply, Result<(), String>)>;

/// Returns the one who has everything; none if that is given up.
async fn wait_for_sync(
    desk: &Desk,
    plan: &Plan,
    aborts: &mut oneshot::Receiver<Reply>,
    abort: &mut Aborted,
) -> Option<Target> {
    let shared = &desk.engine.shared;
    loop {
        // Enlisted before looking, so that no acknowledgement slips between.
        let mut acked = std::pin::pin!(shared.followers.acked.notified());
        acked.as_mut().enable();
        let all = shared.followers.all();
        let is_online =
            |follower: &&std::sync::Arc<Follower>| follower.phase() == FollowerPhase::Online;
        let online = all.iter().filter(is_online);
        let candidates: Vec<Candidate> = online.map(|follower| candidate(follower)).collect();
        let now_ms = now_ms();
        match plan.decide(&candidates, shared.oplog.end_offset(), now_ms) {
            Decision::Wait => {}
            Decision::HandOver(target, line) => {
                line.log();
                return Some(target);
            }
            Decision::GiveUp(line) => {
                line.log();
                return None;
            }
        }
        let deadline = async {
            match plan.deadline_ms {
                Some(at_ms) => {
                    let left = Duration::from_millis(at_ms.saturating_sub(now_ms));
                    sleep_until(Instant::now() + left).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = acked => {}
            () = deadline => {}
            Ok(reply) = &mut *aborts => {
                aborted(plan.target.as_ref(), "Failover manually aborted").log();
                *abort = Some((reply, Ok(())));
                return None;
            }
        }
    }
}

fn candidate(follower: &Follower) -> Candidate {
    Candidate {
        address: Target {
            host: follower.ip.clone(),
            port: follower.port,
        },
        acked_offset: follower.acked_offset.load(Ordering::Acquire),
    }
}

/// Has the target take over, for which it is asked until it answers.
async fn hand_over(
    desk: &Desk,
    target: Target,
    aborts: oneshot::Receiver<Reply>,
    abort: &mut Aborted,
) {
    let (verdict, mut answered) = oneshot::channel();
    let request = RoleRequest::HandOver {
        target: target.clone(),
        verdict,
    };
    // Without its other end the server is ending, as below.
    let _ = desk.roles.send(request);
    let reply = tokio::select! {
        accepted = &mut answered => {
            if accepted == Ok(false) {
                aborted(Some(&target), "Failover target rejected psync request").log();
            }
            return;
        }
        Ok(reply) = aborts => reply,
    };
    let (taken, took_back) = oneshot::channel();
    let _ = desk.roles.send(RoleRequest::TakeBack { reply: taken });
    let answer = if took_back.await == Ok(true) {
        aborted(Some(&target), "Failover manually aborted").log();
        Ok(())
    } else {
        Err(NONE_UNDERWAY.to_owned())
    };
    *abort = Some((reply, answer));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Target {
        Target {
            host: "h".to_owned(),
            port,
        }
    }

    /// Followers on ports 1 and 2 that have acknowledged 50 and 100, at 1000 ms.
    #[track_caller]
    fn check(plan: &Plan, end_offset: u64, expect: Result<Option<u16>, &str>, line: &str) {
        let candidates = [(1, 50), (2, 100)].map(|(port, acked_offset)| Candidate {
            address: at(port),
            acked_offset,
        });
        let expect = match expect {
            Ok(None) => Decision::Wait,
            Ok(Some(port)) => Decision::HandOver(at(port), LogLine::notice(line)),
            Err(line) => Decision::GiveUp(LogLine::notice(line)),
        };
        assert_eq!(plan.decide(&candidates, end_offset, 1000), expect);
    }

    #[test]
    fn the_first_that_has_everything_is_taken() {
        let mut plan = Plan {
            target: None,
            force: false,
            deadline_ms: Some(1001),
        };
        let synced = |port| format!("Failover target h:{port} is synced, failing over.");
        check(&plan, 100, Ok(Some(2)), &synced(2));
        check(&plan, 50, Ok(Some(1)), &synced(1));
        check(&plan, 101, Ok(None), "");
        // Who is ahead has another history.
        check(&plan, 99, Ok(None), "");
        plan.deadline_ms = Some(1000);
        let late = "FAILOVER to any replica aborted: Replica never caught up before timeout";
        check(&plan, 100, Err(late), "");
    }

    #[test]
    fn only_the_one_who_is_meant_is_taken() {
        let mut plan = Plan {
            target: Some(at(1)),
            force: true,
            deadline_ms: None,
        };
        check(&plan, 100, Ok(None), "");
        let synced = "Failover target h:1 is synced, failing over.";
        check(&plan, 50, Ok(Some(1)), synced);
        plan.deadline_ms = Some(900);
        let forced = "FAILOVER to h:1 time out exceeded, failing over.";
        check(&plan, 100, Ok(Some(1)), forced);
        plan.force = false;
        let late = "FAILOVER to h:1 aborted: Replica never caught up before timeout";
        check(&plan, 100, Err(late), "");
    }
}
