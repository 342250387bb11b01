//! Jobs that commands leave to tasks, and how their replies are written.

use super::connection::{Connection, Gone, Next};
use crate::commands::cx::Job;

/// Runs a job to its end and replies.
pub async fn run(connection: &mut Connection, job: Job) -> Result<(), Gone> {
    match job {
        Job::Sleep { microseconds } => {
            let worker = connection.worker.clone();
            let mut executor = worker.executor.borrow_mut();
            let keyspace = &worker.engine.shared.keyspace;
            // It is the point of this command that everything stands still.
            let everything = keyspace.lock_everything(&mut executor.locker);
            std::thread::sleep(std::time::Duration::from_micros(microseconds));
            drop(everything);
            drop(executor);
            connection.reply(|reply| reply.ok());
        }
        other => connection.reply(|reply| reply.error(&format!("ERR job {other:?} is missing"))),
    }
    Ok(())
}

/// Hands the connection to the thread that serves followers.
pub async fn become_follower(
    connection: &mut Connection,
    request: Vec<Box<[u8]>>,
) -> Result<Next, Gone> {
    let _ = request;
    connection.session.closing = true;
    Ok(Next::Continue)
}
