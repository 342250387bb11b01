//! Jobs that commands leave to tasks, and how their replies are written.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::connection::{Connection, Gone, Next};
use super::shutdown::Refused;
use crate::commands::cx::{Job, Shutdown};
use crate::config::Force;
use crate::persist::load;
use crate::persist::saver::{SaveRefused, Started};
use crate::replication::NewFollower;

/// Why a job is answered with an error: the text behind the dash.
type JobError = String;

/// Runs a job to its end and replies.
pub async fn run(connection: &mut Connection, job: Job) -> Result<(), Gone> {
    let answer = match job {
        Job::Save => save(connection).await,
        Job::BackgroundSave { schedule } => background_save(connection, schedule).await,
        Job::Shutdown(options) => shutdown(connection, options).await,
        Job::CancelShutdown => cancel_shutdown(connection),
        Job::ReplicaOf(leader) => replica_of(connection, leader).await,
        Job::Failover(request) => {
            let asked = connection.worker.services.replication.failover(request);
            let failed = || "ERR The replication thread has ended".to_owned();
            asked
                .await
                .unwrap_or_else(|_| Err(failed()))
                .map(|()| "OK".to_owned())
        }
        Job::RewriteConfig { all } => rewrite_config(connection, all),
        Job::Reload { save, flush, merge } => reload(connection, save, flush, merge).await,
        Job::Sleep { microseconds } => {
            sleep(connection, microseconds);
            Ok("OK".to_owned())
        }
        Job::Restart { crash, delay_ms } => restart(connection, crash, delay_ms).await,
        Job::Crash => std::process::abort(),
    };
    connection.reply(|reply| match &answer {
        Ok(text) => reply.simple(text),
        Err(text) => reply.error(text),
    });
    Ok(())
}

async fn save(connection: &Connection) -> Result<String, JobError> {
    let asked = connection
        .worker
        .services
        .saver
        .save()
        .map_err(|refused| refused.to_string())?;
    match asked.await {
        Ok(Ok(_)) => Ok("OK".to_owned()),
        Ok(Err(error)) => Err(format!("ERR {error}")),
        Err(_) => Err("ERR The saver has ended".to_owned()),
    }
}

async fn background_save(connection: &Connection, schedule: bool) -> Result<String, JobError> {
    let saver = &connection.worker.services.saver;
    let started = saver.background_save(schedule);
    match started.map_err(|refused: SaveRefused| refused.to_string())? {
        Started::Begun(cut) => {
            // What the client writes from now on is not in the file.
            let _ = cut.await;
            Ok("Background saving started".to_owned())
        }
        Started::Scheduled => Ok("Background saving scheduled".to_owned()),
    }
}

async fn shutdown(connection: &Connection, options: Shutdown) -> Result<String, JobError> {
    match connection.worker.services.shutdown.run(options).await {
        Ok(never) => match never {},
        Err(Refused::Failed) => Err("ERR Errors trying to SHUTDOWN. Check logs.".to_owned()),
        Err(Refused::Underway) => Err("ERR A shutdown is under way already.".to_owned()),
    }
}

fn cancel_shutdown(connection: &Connection) -> Result<String, JobError> {
    if connection.worker.services.shutdown.abort() {
        Ok("OK".to_owned())
    } else {
        Err("ERR No shutdown in progress.".to_owned())
    }
}

async fn replica_of(
    connection: &Connection,
    leader: Option<(String, u16)>,
) -> Result<String, JobError> {
    let facts = &connection.session.facts;
    let requested_by = format!("id={} addr={}", facts.id, facts.address);
    let asked = connection
        .worker
        .services
        .replication
        .replica_of(leader, &requested_by);
    asked
        .await
        .map_err(|_| "ERR The replication thread has ended".to_owned())
}

fn rewrite_config(connection: &Connection, all: bool) -> Result<String, JobError> {
    let config = &connection.worker.engine.shared.config;
    let force = if all { Force::All } else { Force::Changed };
    match config.rewrite(force) {
        Ok(()) => {
            tracing::info!("CONFIG REWRITE executed with success.");
            Ok("OK".to_owned())
        }
        Err(error) => {
            tracing::warn!("CONFIG REWRITE failed: {error}");
            Err(format!("ERR {error}"))
        }
    }
}

/// DEBUG RELOAD: what is saved must be loaded as the same dataset.
async fn reload(
    connection: &Connection,
    save: bool,
    flush: bool,
    merge: bool,
) -> Result<String, JobError> {
    let worker = connection.worker.clone();
    let engine = &worker.engine;
    if save {
        let saved = worker.services.saver.save_instead().await;
        if !matches!(saved, Ok(Ok(_))) {
            return Err("ERR Error saving the dataset".to_owned());
        }
    }
    let Some(path) = engine.shared.config.path(crate::config::Param::DbFilename) else {
        return Err("ERR There is no dbfilename".to_owned());
    };
    let mut executor = worker.executor.borrow_mut();
    match load::reload(&engine.shared, &mut executor.locker, &path, flush, merge) {
        Ok(_) => {
            tracing::warn!("DB reloaded by DEBUG RELOAD");
            Ok("OK".to_owned())
        }
        Err(error) => {
            tracing::warn!("{error}");
            Err("ERR Error trying to load the RDB dump, check server logs.".to_owned())
        }
    }
}

/// DEBUG SLEEP: it is the point of it that everything stands still.
fn sleep(connection: &Connection, microseconds: u64) {
    let worker = connection.worker.clone();
    let mut executor = worker.executor.borrow_mut();
    let shared = &worker.engine.shared;
    let _still = shared.jobs.stand_still();
    let _everything = shared.keyspace.lock_everything(&mut executor.locker);
    std::thread::sleep(Duration::from_micros(microseconds));
}

/// DEBUG RESTART and CRASH-AND-RECOVER: the process becomes a new one of itself.
async fn restart(connection: &Connection, crash: bool, delay_ms: u64) -> Result<String, JobError> {
    use std::os::unix::process::CommandExt;
    if !crash {
        let saved = connection.worker.services.saver.save_instead().await;
        if !matches!(saved, Ok(Ok(_))) {
            return Err("ERR failed to restart the server. Check server logs.".to_owned());
        }
    }
    std::thread::sleep(Duration::from_millis(delay_ms));
    let mut args = std::env::args_os();
    let program = args.next().unwrap_or_default();
    let error = std::process::Command::new(program).args(args).exec();
    tracing::warn!("Could not start anew: {error}");
    Err("ERR failed to restart the server. Check server logs.".to_owned())
}

/// Hands the connection to the thread that serves followers.
pub fn become_follower(connection: Connection, request: Vec<Box<[u8]>>) {
    let Connection {
        worker,
        stream,
        mut session,
        mut output,
        pending,
        ..
    } = connection;
    let facts = session.facts.clone();
    facts
        .last_active_ms
        .store(crate::base::clock::unix_ms(), Ordering::Relaxed);
    match stream.leave() {
        Ok(stream) => worker.services.replication.new_follower(NewFollower {
            stream,
            facts,
            introduction: std::mem::take(&mut session.follower),
            request,
            leftover_input: pending,
            pending_output: output.take(),
        }),
        Err(error) => {
            tracing::debug!("A follower's connection was lost: {error}");
            worker.engine.shared.clients.remove(facts.id);
        }
    }
}
