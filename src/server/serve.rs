//! A connection's life: waits for bytes, runs what came, answers, and waits again.
//!
//! ```text
//!            +-------------------------------------------------------+
//!            v                                                       |
//!   wait for bytes, room to write, or a wake-up (push, kill)         |
//!            |                                                       |
//!            v                                                       |
//!   dispatch the input --NeedInput--> keep the rest, send the rest --+
//!            ^   |
//!            |   +--Contended, Paused, Outcome--> wait (`suspend`) --+
//!            +-------------------------------------------------------+
//! ```
//!
//! A connection that does not read its replies is still listened to, up to its output
//! limit: a client may well send a long pipeline before it reads the first answer.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::sync::futures::Notified;

use super::connection::{Connection, Gone, Next};
use super::{jobs, suspend};
use crate::exec::dispatch::{Progress, Stop};
use crate::exec::maintain;

/// The arguments of PSYNC or SYNC.
type Request = Vec<Box<[u8]>>;

/// What woke the connection.
enum Woken {
    /// So many bytes are in the worker's buffer.
    Read(usize),
    Written,
    /// Pushes, a kill, or nothing at all.
    Poked,
}

/// Serves until the connection ends.
pub async fn serve(mut connection: Connection) {
    let ended = serve_requests(&mut connection).await;
    let worker = connection.worker.clone();
    {
        let mut executor = worker.executor.borrow_mut();
        maintain::forget(
            &worker.engine,
            &mut connection.session,
            &mut executor.locker,
        );
    }
    match ended {
        Ok(Some(request)) => jobs::become_follower(connection, request),
        // Why it ended was logged where it happened, if it is worth a line.
        Ok(None) | Err(Gone) => worker
            .engine
            .shared
            .clients
            .remove(connection.session.facts.id),
    }
}

/// Returns the request of one who wants to follow, or nothing when the client is done.
async fn serve_requests(connection: &mut Connection) -> Result<Option<Request>, Gone> {
    let facts = connection.session.facts.clone();
    // Kept from one wait to the next: to enlist anew each time would cost two locks.
    let mut poked = pin!(facts.wake.notified());
    loop {
        match wait(connection, poked.as_mut()).await? {
            Woken::Read(len) => {
                let progress = run_input(connection, len);
                if !matches!(progress.stop, Stop::NeedInput) {
                    // Who waits for something else has to hear of pokes itself.
                    poked.set(facts.wake.notified());
                    if let Next::Follow { request } = go_on(connection, progress).await? {
                        return Ok(Some(request));
                    }
                }
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
            return connection.send_all().await.map(|()| None);
        }
        if facts.is_killed() {
            return Err(Gone);
        }
        connection.check_limits()?;
    }
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
        if let Poll::Ready(read) = stream.poll_read(cx, &mut worker.input.borrow_mut()) {
            return Poll::Ready(match read {
                Ok(0) | Err(_) => Err(Gone),
                Ok(len) => Ok(Woken::Read(len)),
            });
        }
        if !output.is_empty()
            && let Poll::Ready(written) = output.poll_write(stream, cx)
        {
            return Poll::Ready(written.map(|()| Woken::Written).map_err(|_| Gone));
        }
        poked.as_mut().poll(cx).map(|()| Ok(Woken::Poked))
    })
    .await
}

/// Runs `len` new bytes in the worker's buffer, behind what was left of earlier ones.
fn run_input(connection: &mut Connection, len: usize) -> Progress {
    connection.note_input(len);
    let worker = connection.worker.clone();
    let input = &worker.input.borrow()[..len];
    if !connection.pending.is_empty() {
        connection.pending.extend_from_slice(input);
        return connection.dispatch_pending();
    }
    let progress = connection.dispatch(input);
    let rest = &input[progress.consumed_bytes..];
    connection.pending.extend_from_slice(rest);
    progress
}

/// Waits for what made `dispatch` stop and goes on with the input, until more is needed.
async fn go_on(connection: &mut Connection, mut progress: Progress) -> Result<Next, Gone> {
    loop {
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
