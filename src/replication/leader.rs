//! The leader's thread: links to followers, full syncs, and what is due every so often.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_local;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::attach::{self, NewFollower};
use super::desk::{Desk, RoleRequest};
use super::failover::{Failover, Plan, Reply};
use super::full_sync;
use super::line::LogLine;
use super::roles;
use crate::base::clock;
use crate::config::Param;
use crate::exec::Engine;
use crate::shared::followers::FollowerPhase;
use crate::shared::pause::PausedFor;

const SECOND: Duration = Duration::from_secs(1);

/// How often those who wait for acknowledgements look again.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What the thread is asked to do.
pub enum LeaderRequest {
    Follower(Box<NewFollower>),
    /// Wait until followers have everything, then say true; false if that is called off.
    ShutdownWait {
        timeout: Duration,
        reply: oneshot::Sender<bool>,
    },
    CancelShutdownWait,
    Failover {
        plan: Plan,
        reply: Reply,
    },
    AbortFailover {
        reply: Reply,
    },
    Stop,
}

/// Starts the thread. It ends when asked to, or when nobody can ask it any more.
///
/// # Errors
/// There is no thread or no runtime to be had.
pub fn start(
    engine: Arc<Engine>,
    gate: usize,
    requests: mpsc::UnboundedReceiver<LeaderRequest>,
    roles: mpsc::UnboundedSender<RoleRequest>,
) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("leader".to_owned());
    thread.spawn(move || {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default());
        match runtime {
            Ok(runtime) => {
                runtime.block_on(serve(engine, gate, requests, roles));
            }
            Err(error) => tracing::error!("Followers cannot be served: {error}"),
        }
    })?;
    Ok(())
}

/// Serves until asked to stop. The tasks that it spawns end with the runtime, or with the
/// `LocalSet` that it runs in.
pub async fn serve(
    engine: Arc<Engine>,
    gate: usize,
    mut requests: mpsc::UnboundedReceiver<LeaderRequest>,
    roles: mpsc::UnboundedSender<RoleRequest>,
) {
    let desk = Rc::new(Desk::new(engine, gate, roles));
    spawn_local(full_sync::run(desk.clone()));
    spawn_local(ask_for_acks(desk.clone()));
    spawn_local(keep_house(desk.clone()));
    let mut shutdown: Option<oneshot::Sender<()>> = None;
    let mut failover = Failover::default();
    while let Some(request) = requests.recv().await {
        match request {
            LeaderRequest::Follower(new) => {
                spawn_local(attach::serve(desk.clone(), *new));
            }
            LeaderRequest::ShutdownWait { timeout, reply } => {
                let (cancel, cancelled) = oneshot::channel();
                shutdown = Some(cancel);
                spawn_local(wait_for_followers(desk.clone(), timeout, cancelled, reply));
            }
            LeaderRequest::CancelShutdownWait => drop(shutdown.take()),
            LeaderRequest::Failover { plan, reply } => failover.begin(&desk, plan, reply),
            LeaderRequest::AbortFailover { reply } => failover.abort(reply),
            LeaderRequest::Stop => return,
        }
    }
}

/// Asks followers to acknowledge whenever somebody waits for more than they were asked for
/// already: whoever answers a request has all that came before it.
async fn ask_for_acks(desk: Rc<Desk>) {
    let shared = &desk.engine.shared;
    let mut asked = None;
    loop {
        shared.followers.wants_ack.notified().await;
        // A pause keeps the log as it is.
        while shared.pause.stops_log(clock::unix_ms()) {
            sleep(LOOK_EVERY).await;
        }
        let (end_offset, arrivals) = (shared.oplog.end_offset(), shared.followers.arrivals());
        let waited_offset = shared.followers.waited_offset();
        // Who has come since was not asked, and a log that begins anew counts anew.
        let were_asked = asked.is_some_and(|(offset, of)| {
            (waited_offset..=end_offset).contains(&offset) && of == arrivals
        });
        if !were_asked && !shared.followers.is_empty() {
            asked = Some((end_offset, arrivals));
            desk.say_to_followers(&[b"REPLCONF", b"GETACK", b"*"]);
        }
    }
}

async fn keep_house(desk: Rc<Desk>) {
    let mut seconds = interval(SECOND);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_ping = Instant::now();
    loop {
        seconds.tick().await;
        let shared = &desk.engine.shared;
        shared.jobs.keep_going();
        desk.count_good_followers();
        // Without followers nobody else looks.
        shared.note_moment();
        let period = shared.config.get_seconds(Param::ReplPingReplicaPeriod);
        // Rounded, so that a tick which comes a little early counts.
        let is_due = last_ping.elapsed() + SECOND / 2 >= period;
        let is_paused = shared.pause.stops_log(clock::unix_ms());
        if is_due && !shared.followers.is_empty() && !is_paused {
            last_ping = Instant::now();
            desk.say_to_followers(&[b"PING"]);
        }
        free_unused_backlog(&desk);
        shared.oplog.collect_garbage();
    }
}

fn free_unused_backlog(desk: &Desk) {
    let shared = &desk.engine.shared;
    let ttl = shared.config.get_seconds(Param::ReplBacklogTtl);
    if ttl.is_zero() || shared.role.is_follower() || !shared.followers.is_empty() {
        // The time begins when the last follower has gone, or when we begin to lead.
        desk.alone_since_us.set(clock::monotonic_us());
        return;
    }
    if shared.oplog.backlog().is_none() {
        return;
    }
    let alone_us = clock::monotonic_us().saturating_sub(desk.alone_since_us.get());
    if Duration::from_micros(alone_us) > ttl
        && roles::free_backlog(shared, &mut desk.locker.borrow_mut())
    {
        let seconds = ttl.as_secs();
        LogLine::notice(format!(
            "Replication backlog freed after {seconds} seconds without connected replicas."
        ))
        .log();
    }
}

/// A shutdown waits for followers that lag behind, if it has the time. Writes are paused from
/// here to the end: the followers could not catch up otherwise, and who was told OK would not
/// find it in the file that is saved last.
async fn wait_for_followers(
    desk: Rc<Desk>,
    timeout: Duration,
    mut cancelled: oneshot::Receiver<()>,
    reply: oneshot::Sender<bool>,
) {
    let shared = &desk.engine.shared;
    let mut goes_on = true;
    let deadline = Instant::now() + timeout;
    let end_offset = desk.pause_writes(PausedFor::Shutdown);
    if lagging(&desk, end_offset) > 0 && timeout > Duration::ZERO {
        LogLine::notice("Waiting for replicas before shutting down.").log();
        desk.say_to_followers(&[b"REPLCONF", b"GETACK", b"*"]);
        while goes_on && lagging(&desk, end_offset) > 0 && Instant::now() < deadline {
            tokio::select! {
                _ = &mut cancelled => goes_on = false,
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }
    match goes_on {
        true => report_lag(&desk, end_offset),
        false => shared.pause.end(PausedFor::Shutdown),
    }
    // Who asked may have gone.
    let _ = reply.send(goes_on);
}

/// How many followers have not acknowledged `end_offset`.
fn lagging(desk: &Desk, end_offset: u64) -> usize {
    let all = desk.engine.shared.followers.all();
    let lags = |follower: &&Arc<crate::shared::followers::Follower>| {
        follower.acked_offset.load(Ordering::Acquire) < end_offset
    };
    all.iter().filter(lags).count()
}

fn report_lag(desk: &Desk, end_offset: u64) {
    let all = desk.engine.shared.followers.all();
    let now_ms = clock::unix_ms();
    let mut in_sync = 0;
    for follower in &all {
        let acked = follower.acked_offset.load(Ordering::Acquire);
        if acked >= end_offset {
            in_sync += 1;
            continue;
        }
        let is_online = follower.phase() == FollowerPhase::Online;
        let lag_s = if is_online {
            follower.lag_seconds(now_ms)
        } else {
            0
        };
        LogLine::notice(format!(
            "Lagging replica {}:{} reported offset {} behind master, lag={lag_s}, state={}.",
            follower.ip,
            follower.port,
            end_offset - acked,
            follower.phase().name()
        ))
        .log();
    }
    if !all.is_empty() {
        let count = all.len();
        LogLine::notice(format!(
            "{in_sync} of {count} replicas are in sync when shutting down."
        ))
        .log();
    }
}
