//! How a connection waits: for locks, for the end of a pause, for followers, for tasks.
//! Its further commands wait with it, in order.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::connection::{Connection, Gone, Next};
use super::{jobs, line};
use crate::base::clock;
use crate::commands::cx::{Outcome, Role};
use crate::commands::replication::reply_kept;
use crate::exec::dispatch::Stop;
use crate::exec::evict_clients;
use crate::exec::serve;
use crate::replication::refusal;
use crate::resp::reply::ReplyBuf;
use crate::shared::clients::{Unblock, client_flag};
use crate::shared::followers::Wanted;
use crate::shared::parked::{Delivery, Nothing, Parked};

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
        Outcome::Done | Outcome::Exec | Outcome::Block(_) => {}
        Outcome::Close => connection.session.closing = true,
        Outcome::Wait {
            wanted,
            deadline_ms,
        } => {
            wait_for_followers(connection, wanted, deadline_ms).await?;
        }
        Outcome::Parked(parked) => wait_for_keys(connection, &parked).await?,
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
            let has_pending_output = connection.has_replied || !connection.output.is_empty();
            let engine = &connection.worker.engine;
            match refusal(engine, &connection.session, &request, has_pending_output) {
                Some(error) => {
                    if let Some(command) = jobs::last_command(connection) {
                        jobs::note_failure(connection, command, error.as_bytes());
                    }
                    connection.answer(|reply| reply.error(&error));
                }
                None => return Ok(Next::Follow { request }),
            }
        }
    }
    Ok(Next::Continue)
}

/// Joins the line in front of the locks, tries once more, and sleeps until an unlock wakes
/// it if that was in vain. Returns why the second attempt stopped, or `Flush` to try again.
pub async fn wait_in_line(connection: &mut Connection) -> Stop {
    let engine = connection.worker.engine.clone();
    line::join(&engine.shared.keyspace).await;
    let progress = connection.dispatch_pending();
    if !matches!(progress.stop, Stop::Contended) {
        return progress.stop;
    }
    line::woken().await;
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
        let Some(read) = poll_fn(|cx| worker.inbox.poll_read(stream, cx)).await else {
            return;
        };
        connection.note_input(read.len());
        let input = worker.inbox.bytes(read);
        connection.pending.extend_from_slice(&input);
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
    let deadline = sleep_until(deadline_ms);
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
    answer_unblocked(connection, unblocked, |reply| {
        reply_kept(reply, wanted.kept, count);
    });
    Ok(())
}

/// Answers a client whose wait has ended by itself, or by others.
fn answer_unblocked(
    connection: &mut Connection,
    unblocked: Option<Unblock>,
    write: impl FnOnce(&mut ReplyBuf),
) {
    let error = match unblocked {
        Some(Unblock::Error) => Some("UNBLOCKED client unblocked via CLIENT UNBLOCK"),
        Some(Unblock::RoleChanged) => Some(
            "UNBLOCKED force unblock from blocking operation, instance state changed \
             (master -> replica?)",
        ),
        Some(Unblock::TimedOut) | None => None,
    };
    match error {
        Some(text) => {
            let stats = &connection.worker.engine.shared.stats;
            let gate = connection.worker.executor.borrow().locker.gate();
            stats.count_error(stats.thread(gate), text.as_bytes());
            connection.answer(|reply| reply.error(text));
        }
        None => connection.answer(write),
    }
    // Whatever such a client believed of this server, it is to look anew.
    connection.session.closing |= unblocked == Some(Unblock::RoleChanged);
}

/// What ended a wait for keys.
enum Ended {
    Served(Delivery),
    TimedOut,
    Unblocked(Unblock),
    Gone,
}

/// BLPOP and its like: waits until who made a key ready has run the command, the time is over
/// or somebody ends it.
async fn wait_for_keys(connection: &mut Connection, parked: &Parked) -> Result<(), Gone> {
    note_parked(connection, parked.request_bytes());
    let ended = keys_or_end(connection, parked).await;
    note_parked(connection, 0);
    if let Ended::TimedOut | Ended::Unblocked(_) = &ended {
        let worker = &connection.worker;
        let gate = worker.executor.borrow().locker.gate();
        let failed = !matches!(
            &ended,
            Ended::TimedOut | Ended::Unblocked(Unblock::TimedOut)
        );
        serve::note_unserved(&worker.engine, &connection.session, gate, parked, failed);
    }
    match ended {
        Ended::Served(Delivery { reply, end_offset }) => {
            if let Some(end_offset) = end_offset {
                connection.session.written_offset = end_offset;
            }
            connection.answer(|out| out.raw(&reply));
        }
        Ended::TimedOut => connection.answer(|reply| write_nothing(reply, parked.nothing)),
        Ended::Unblocked(how) => {
            answer_unblocked(connection, Some(how), |reply| {
                write_nothing(reply, parked.nothing);
            });
        }
        Ended::Gone => return Err(Gone),
    }
    Ok(())
}

/// The request is kept for as long as its client waits.
fn note_parked(connection: &Connection, bytes: usize) {
    let memory = &connection.session.facts.memory;
    memory.parked_bytes.store(bytes, Ordering::Relaxed);
    if memory.note() {
        evict_clients::make_room(&connection.worker.engine);
    }
}

fn write_nothing(reply: &mut ReplyBuf, nothing: Nothing) {
    match nothing {
        Nothing::Null => reply.null(),
        Nothing::NullArray => reply.null_array(),
    }
}

async fn keys_or_end(connection: &mut Connection, parked: &Parked) -> Ended {
    let facts = connection.session.facts.clone();
    let mut is_over = false;
    loop {
        // What is noted here is looked at behind it: who comes later wakes us.
        let wake = facts.wake.notified();
        if let Some(delivery) = parked.take_delivery() {
            return Ended::Served(delivery);
        }
        let now_ms = clock::unix_ms();
        let end = if is_over || facts.is_killed() {
            Some(Ended::Gone)
        } else if let Some(how) = facts.take_unblock() {
            Some(Ended::Unblocked(how))
        } else {
            let is_due = parked.deadline_ms.is_some_and(|at_ms| now_ms >= at_ms);
            is_due.then_some(Ended::TimedOut)
        };
        if let Some(end) = end {
            if give_up(connection, parked) {
                // Those behind it in the lines count on its look.
                if parked.take_nudge() {
                    look_again(connection, parked).await;
                }
                return end;
            }
        } else if parked.take_nudge() {
            look_again(connection, parked).await;
            continue;
        }
        let deadline_ms = parked.deadline_ms.filter(|&at_ms| at_ms > now_ms);
        tokio::select! {
            () = wake => send_early_pushes(connection, parked),
            () = sleep_until(deadline_ms) => {}
            () = gone(connection), if !is_over => is_over = true,
        }
    }
}

fn give_up(connection: &Connection, parked: &Parked) -> bool {
    let worker = &connection.worker;
    let locker = &mut worker.executor.borrow_mut().locker;
    serve::give_up(&worker.engine, locker, parked)
}

/// Sends messages to one who waits. From when it is served they belong behind its reply: they
/// may say that what it is about to be given has changed since.
fn send_early_pushes(connection: &mut Connection, parked: &Parked) {
    let facts = connection.session.facts.clone();
    if facts.has_pushes() {
        connection.reply(|reply| facts.take_pushes_if(reply, || parked.is_waiting()));
    }
}

async fn sleep_until(at_ms: Option<i64>) {
    match at_ms {
        Some(at_ms) => {
            let left_ms = (at_ms - clock::unix_ms()).max(0) as u64;
            tokio::time::sleep(Duration::from_millis(left_ms)).await;
        }
        None => std::future::pending().await,
    }
}

/// Looks at the keys of a parked command as soon as its locks are to be had.
async fn look_again(connection: &mut Connection, parked: &Parked) {
    let worker = connection.worker.clone();
    line::when_free(&worker.engine.shared.keyspace, || {
        let session = &mut connection.session;
        let mut executor = worker.executor.borrow_mut();
        executor.look_again(&worker.engine, session, parked).ok()
    })
    .await;
}
