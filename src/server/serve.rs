//! A connection's life: waits for bytes, runs what came, answers, and waits again.
//!
//! ```text
//!            +----------------------------------------------------------------+
//!            v                                                                |
//!   wait for bytes, room to write, or a wake-up (push, kill)                  |
//!            |                                                                |
//!            v                                                                |
//!   let others read (a single request) or run (a pipeline) before             |
//!            |                                              the replies leave |
//!            v                                                                |
//!   dispatch the input --NeedInput--> keep the rest, send --------------------+
//!            ^   |
//!            |   +--Contended, Paused, Outcome--> send, wait (`suspend`) --+
//!            +-------------------------------------------------------------+
//! ```
//!
//! Between two waits it may be handed over to another worker (see `crew`).
//!
//! A connection that does not read its replies is still listened to, up to its output
//! limit: a client may well send a long pipeline before it reads the first answer.

use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::sync::futures::Notified;

use super::connection::{Connection, Gone, Next};
use super::context::Worker;
use super::{jobs, suspend};
use crate::exec::dispatch::{Progress, Stop};
use crate::exec::maintain;

/// The arguments of PSYNC or SYNC.
type Request = Vec<Box<[u8]>>;

/// What woke the connection.
enum Woken {
    /// There are bytes in the worker's inbox.
    Read(Range<usize>),
    Written,
    /// Pushes, a kill, or nothing at all.
    Poked,
}

/// Why a connection is served no longer.
enum Ended {
    Closed,
    /// It becomes a follower's, who asked so.
    Follows(Request),
    /// Another worker serves it from now on.
    Moves {
        gate: usize,
    },
}

/// Serves until the connection ends, or goes to another worker.
pub async fn serve(mut connection: Connection) {
    let ended = serve_requests(&mut connection)
        .await
        .unwrap_or(Ended::Closed);
    let worker = connection.worker.clone();
    if let Ended::Moves { gate } = ended {
        return hand_over(&worker, connection, gate);
    }
    {
        let mut executor = worker.executor.borrow_mut();
        maintain::forget(
            &worker.engine,
            &mut connection.session,
            &mut executor.locker,
        );
    }
    match ended {
        Ended::Follows(request) => jobs::become_follower(connection, request),
        // Why it ended was logged where it happened, if it is worth a line.
        Ended::Closed | Ended::Moves { .. } => worker
            .engine
            .shared
            .clients
            .remove(connection.session.facts.id),
    }
}

fn hand_over(worker: &Worker, connection: Connection, gate: usize) {
    let facts = connection.session.facts.clone();
    match connection.leave() {
        Ok(arrival) => worker.crew.give(gate, arrival),
        Err(error) => {
            tracing::debug!("A connection was lost on its way to another worker: {error}");
            worker.engine.shared.clients.remove(facts.id);
        }
    }
}

async fn serve_requests(connection: &mut Connection) -> Result<Ended, Gone> {
    let facts = connection.session.facts.clone();
    let worker = connection.worker.clone();
    // What came while it was on its way here has woken nobody.
    connection.send_pushes();
    // Kept from one wait to the next: to enlist anew each time would cost two locks.
    let mut poked = pin!(facts.wake.notified());
    loop {
        match wait(connection, poked.as_mut()).await? {
            Woken::Read(read) => {
                let (progress, turn) = run_read(connection, &worker, read).await?;
                if !matches!(progress.stop, Stop::NeedInput) {
                    // Who waits for something else has to hear of pokes itself.
                    poked.set(facts.wake.notified());
                    if let Next::Follow { request } = go_on(connection, progress).await? {
                        return Ok(Ended::Follows(request));
                    }
                }
                if turn == Turn::First && !connection.output.is_empty() {
                    others_first().await;
                }
                connection.send_held();
                connection.settle();
            }
            Woken::Written => {}
            Woken::Poked => {
                poked.set(facts.wake.notified());
                connection.send_pushes();
            }
        }
        if connection.session.closing {
            poked.set(facts.wake.notified());
            return connection.send_all().await.map(|()| Ended::Closed);
        }
        if facts.is_killed() {
            return Err(Gone);
        }
        connection.check_limits()?;
        if let Some(gate) = connection.worker.elsewhere()
            && connection.is_at_rest()
        {
            return Ok(Ended::Moves { gate });
        }
    }
}

/// Whether the worker's other connections that were ready had their turn before.
#[derive(PartialEq, Eq)]
enum Turn {
    First,
    Last,
}

/// Runs what was read: a short single request when all others that are ready have read too,
/// so that what these requests need of memory is fetched together.
async fn run_read(
    connection: &mut Connection,
    worker: &Worker,
    read: Range<usize>,
) -> Result<(Progress, Turn), Gone> {
    let keyspace = &worker.engine.shared.keyspace;
    let kept = match connection.pending.is_empty() {
        true => worker.inbox.keep(keyspace, connection.session.db, &read),
        false => None,
    };
    let turn = match &kept {
        Some(kept) => {
            others_first().await;
            kept.fetch_key(keyspace, &mut worker.executor.borrow_mut());
            Turn::Last
        }
        None => Turn::First,
    };
    // Whoever killed it has an answer by now: nothing of it runs after that.
    if connection.session.facts.is_killed() {
        return Err(Gone);
    }
    Ok((run_input(connection, worker, read), turn))
}

/// Lets the worker's other connections that are ready have their turn first. So replies leave
/// one after another: were each sent before the next connection is read, the other end, if one
/// process, would be woken for each, which costs as much as the send. A follower's link is
/// woken as seldom.
fn others_first() -> impl Future<Output = ()> {
    let mut had_their_turn = false;
    poll_fn(move |cx| {
        if had_their_turn {
            return Poll::Ready(());
        }
        had_their_turn = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// Waits for input, for room for output, or to be woken by others.
async fn wait(
    connection: &mut Connection,
    mut poked: Pin<&mut Notified<'_>>,
) -> Result<Woken, Gone> {
    let Connection {
        worker,
        stream,
        output,
        ..
    } = connection;
    poll_fn(|cx| {
        if let Poll::Ready(read) = worker.inbox.poll_read(stream, cx) {
            return Poll::Ready(read.map(Woken::Read).ok_or(Gone));
        }
        if !output.is_empty()
            && let Poll::Ready(written) = output.poll_write(stream, &worker.spares, cx)
        {
            return Poll::Ready(written.map(|()| Woken::Written).map_err(|_| Gone));
        }
        poked.as_mut().poll(cx).map(|()| Ok(Woken::Poked))
    })
    .await
}

/// Runs new bytes, behind what was left of earlier ones.
fn run_input(connection: &mut Connection, worker: &Worker, read: Range<usize>) -> Progress {
    connection.note_input(read.len());
    connection.has_replied = false;
    let input = worker.inbox.bytes(read);
    if !connection.pending.is_empty() {
        connection.pending.extend_from_slice(&input);
        let progress = connection.dispatch_pending();
        connection.reserve_announced();
        return progress;
    }
    let progress = connection.dispatch(&input);
    connection.keep(&input[progress.consumed_bytes..]);
    progress
}

/// Waits for what made `dispatch` stop and goes on with the input, until more is needed.
async fn go_on(connection: &mut Connection, mut progress: Progress) -> Result<Next, Gone> {
    loop {
        connection.settle();
        connection.check_limits()?;
        if matches!(progress.stop, Stop::Contended) {
            progress.stop = suspend::wait_in_line(connection).await;
        }
        match progress.stop {
            Stop::NeedInput => break,
            Stop::Flush | Stop::Contended => {}
            Stop::Protocol(error) => {
                connection.refuse(&error.to_string());
                break;
            }
            stop => match suspend::wait_out(connection, stop).await? {
                Next::Continue => {}
                follow => return Ok(follow),
            },
        }
        if connection.session.closing {
            break;
        }
        progress = connection.dispatch_pending();
    }
    Ok(Next::Continue)
}
