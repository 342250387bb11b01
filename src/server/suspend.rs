//! How a connection waits: for locks, for the end of a pause, for followers, for tasks.
//! Its further commands wait with it, in order.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::connection::{Connection, Gone, Next};
use super::jobs;
use crate::base::clock;
use crate::commands::cx::{Outcome, Role};
use crate::commands::replication::reply_kept;
use crate::exec::dispatch::Stop;
use crate::shared::clients::{Unblock, client_flag};
use crate::shared::followers::Wanted;

/// Waits for what made `dispatch` stop. Whatever it replies, it replies in order.
pub async fn wait_out(connection: &mut Connection, stop: Stop) -> Result<Next, Gone> {
    match stop {
        Stop::NeedInput | Stop::Flush | Stop::Contended | Stop::Protocol(_) => {}
        Stop::Paused { until_ms } => wait_for_pause(connection, until_ms).await?,
        Stop::Outcome(outcome) => return finish(connection, outcome).await,
    }
    Ok(Next::Continue)
}

async fn finish(connection: &mut Connection, outcome: Outcome) -> Result<Next, Gone> {
    match outcome {
        // These never leave the executor unfinished.
        Outcome::Done | Outcome::Exec => {}
        Outcome::Close => connection.session.closing = true,
        Outcome::Wait {
            wanted,
            deadline_ms,
        } => {
            wait_for_followers(connection, wanted, deadline_ms).await?;
        }
        Outcome::Ask(job) => jobs::run(connection, job).await,
        Outcome::AskAll { first, asked } => jobs::run_all(connection, first, asked).await,
        Outcome::Become(Role::Monitor) => {
            connection.session.monitor = true;
            let facts = connection.session.facts.clone();
            facts.set(client_flag::MONITOR, true);
            connection.worker.engine.shared.clients.add_monitor(facts);
            connection.answer(|reply| reply.ok());
        }
        Outcome::Become(Role::Follower { request }) => {
            return Ok(Next::Follow { request });
        }
    }
    Ok(Next::Continue)
}

/// Joins the line in front of the locks, tries once more, and sleeps until an unlock wakes
/// it if that was in vain. Returns why the second attempt stopped, or `Flush` to try again.
pub async fn wait_in_line(connection: &mut Connection) -> Stop {
    let engine = connection.worker.engine.clone();
    poll_fn(|cx| {
        engine.shared.keyspace.wait_in_line(cx.waker());
        Poll::Ready(())
    })
    .await;
    let progress = connection.dispatch_pending();
    if !matches!(progress.stop, Stop::Contended) {
        return progress.stop;
    }
    let mut slept = false;
    poll_fn(|_| {
        if std::mem::replace(&mut slept, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    Stop::Flush
}

async fn wait_for_pause(connection: &mut Connection, until_ms: i64) -> Result<(), Gone> {
    let engine = connection.worker.engine.clone();
    let facts = connection.session.facts.clone();
    let left_ms = (until_ms - clock::unix_ms()).max(0) as u64;
    facts.set(client_flag::BLOCKED, true);
    engine.shared.clients.count_blocked(1);
    let pause = &engine.shared.pause;
    let early = pin!(pause.ended.notified());
    let mut is_over = false;
    // It may have ended before we listened.
    if pause.lasts_until(until_ms) {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(left_ms)) => {}
            () = early => {}
            () = ended(connection) => is_over = true,
        }
    }
    engine.shared.clients.count_blocked(-1);
    facts.set(client_flag::BLOCKED, false);
    if is_over { Err(Gone) } else { Ok(()) }
}

/// Ends when the connection is to be ended by others, or its other end has gone.
async fn ended(connection: &mut Connection) {
    let facts = connection.session.facts.clone();
    loop {
        tokio::select! {
            () = facts.wake.notified() => connection.send_pushes(),
            () = gone(connection) => return,
        }
        if facts.is_killed() {
            return;
        }
    }
}

/// Ends when the other end has gone, or sends too much. What it sends is kept for later.
async fn gone(connection: &mut Connection) {
    loop {
        let Connection { worker, stream, .. } = connection;
        let worker = worker.clone();
        let read = poll_fn(|cx| stream.poll_read(cx, &mut worker.input.borrow_mut())).await;
        let len = match read {
            Ok(0) | Err(_) => return,
            Ok(len) => len,
        };
        connection.note_input(len);
        let input = worker.input.borrow();
        let input = input.get(..len).unwrap_or_default();
        connection.pending.extend_from_slice(input);
        if connection.check_limits().is_err() {
            return;
        }
    }
}

/// WAIT and WAITAOF: answers with the number of followers that have what is wanted.
async fn wait_for_followers(
    connection: &mut Connection,
    wanted: Wanted,
    deadline_ms: Option<i64>,
) -> Result<(), Gone> {
    let engine = connection.worker.engine.clone();
    let followers = &engine.shared.followers;
    let facts = connection.session.facts.clone();
    facts.begin_wait();
    engine.shared.clients.count_blocked(1);
    let mut waiting = followers.wait(wanted);
    let reached = async {
        if let Some(waiting) = &mut waiting {
            waiting.over().await;
        }
    };
    let deadline = async {
        match deadline_ms {
            Some(at_ms) => {
                let left_ms = (at_ms - clock::unix_ms()).max(0) as u64;
                tokio::time::sleep(Duration::from_millis(left_ms)).await;
            }
            None => std::future::pending().await,
        }
    };
    let unblocked = async {
        loop {
            if let Some(how) = facts.take_unblock() {
                return how;
            }
            if facts.is_killed() {
                return Unblock::TimedOut;
            }
            facts.wake.notified().await;
        }
    };
    let mut is_over = false;
    let unblocked = tokio::select! {
        biased;
        () = reached => None,
        how = unblocked => Some(how),
        () = deadline => None,
        () = gone(connection) => {
            is_over = true;
            None
        }
    };
    engine.shared.clients.count_blocked(-1);
    facts.end_wait();
    if is_over || facts.is_killed() {
        return Err(Gone);
    }
    let count = followers.count(wanted.offset, wanted.kept);
    connection.answer(|reply| match unblocked {
        Some(Unblock::Error) => {
            reply.error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
        }
        Some(Unblock::RoleChanged) => reply.error(
            "UNBLOCKED force unblock from blocking operation, instance state changed \
             (master -> replica?)",
        ),
        Some(Unblock::TimedOut) | None => reply_kept(reply, wanted.kept, count),
    });
    // Whatever such a client believed of this server, it is to look anew.
    connection.session.closing |= unblocked == Some(Unblock::RoleChanged);
    Ok(())
}
