//! Jobs that commands leave to tasks, and how their replies are written.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::connection::Connection;
use super::services::Services;
use super::shutdown::Refused;
use super::supervisor::{self, State};
use super::{line, migrate};
use crate::base::{clock, process};
use crate::commands::client::described;
use crate::commands::cx::{Asked, Failover, Job, Shutdown};
use crate::commands::error::CmdError;
use crate::commands::info::keysizes::Survey;
use crate::commands::registry::CommandId;
use crate::config::Force;
use crate::persist::load::{self, Reload, ReloadError};
use crate::replication::NewFollower;
use crate::resp::reply::ReplyBuf;
use crate::shared::clients::client_flag;

/// Why a job is answered with an error: the text behind the dash.
type JobError = Vec<u8>;

/// What a job says that has succeeded.
enum Answer {
    Status(String),
    Text(String),
}

/// Runs a job to its end and replies.
pub async fn run(connection: &mut Connection, job: Job) {
    let command = last_command(connection);
    let answer = perform(connection, job).await;
    if let (Some(command), Err(error)) = (command, &answer) {
        note_failure(connection, command, error);
    }
    connection.answer(|reply| write(reply, &answer));
}

/// Runs the jobs of a transaction, one after the other, and replies to all of them.
pub async fn run_all(connection: &mut Connection, first: Vec<u8>, asked: Vec<Asked>) {
    let mut answers = Vec::with_capacity(asked.len());
    for asked in asked {
        let answer = perform(connection, asked.job).await;
        if let Err(error) = &answer {
            note_failure(connection, asked.command, error);
        }
        answers.push((answer, asked.then));
    }
    connection.answer(|reply| {
        reply.raw(&first);
        for (answer, then) in &answers {
            write(reply, answer);
            reply.raw(then);
        }
    });
}

/// The command that has left something to do. It is noted with its group, so it is known
/// until the next one runs.
pub fn last_command(connection: &Connection) -> Option<CommandId> {
    let noted = connection.session.facts.last_command.load(Relaxed);
    noted.checked_sub(1).and_then(|id| id.try_into().ok())
}

/// Counts an error as that of a command which has run, and failed later.
pub fn note_failure(connection: &Connection, command: CommandId, error: &[u8]) {
    let worker = &connection.worker;
    let stats = &worker.engine.shared.stats;
    let thread = stats.thread(worker.executor.borrow().locker.gate());
    if let Some(cost) = thread.costs.get(usize::from(command)) {
        cost.failed.add(1);
    }
    stats.count_error(thread, error);
}

fn write(reply: &mut ReplyBuf, answer: &Result<Answer, JobError>) {
    match answer {
        Ok(Answer::Status(text)) => reply.simple(text),
        Ok(Answer::Text(text)) => reply.verbatim("txt", text.as_bytes()),
        Err(text) => reply.error_bytes(text),
    }
}

async fn perform(connection: &mut Connection, job: Job) -> Result<Answer, JobError> {
    let worker = connection.worker.clone();
    let answer = match job {
        Job::Survey(_) => Answer::Text,
        _ => Answer::Status,
    };
    let result = match worker.services.get() {
        Some(services) => run_with(connection, services, job).await,
        None => run_while_loading(connection, job).await,
    };
    result.map(answer)
}

/// The services come when the dataset is there; little can be done without them.
async fn run_while_loading(connection: &Connection, job: Job) -> Result<String, JobError> {
    match job {
        Job::RewriteConfig { all } => rewrite_config(connection, all),
        Job::Survey(text) => Ok(survey(connection, text).await),
        Job::Shutdown(_) => {
            tracing::warn!("User requested shutdown while the dataset is loading, bye bye...");
            let config = &connection.worker.engine.shared.config;
            supervisor::tell(config, State::Stopping);
            std::process::exit(0);
        }
        _ => Err(CmdError::Loading.message().into_owned()),
    }
}

async fn run_with(
    connection: &mut Connection,
    services: &Services,
    job: Job,
) -> Result<String, JobError> {
    match job {
        Job::Save => save(services).await,
        Job::SaveFlushed => save_flushed(services).await,
        Job::BackgroundSave => background_save(services).await,
        Job::Shutdown(options) => shutdown(connection, services, options).await,
        Job::CancelShutdown => cancel_shutdown(services),
        Job::ReplicaOf(leader) => replica_of(connection, services, leader).await,
        Job::Failover(request) => failover(services, request).await,
        Job::RewriteConfig { all } => rewrite_config(connection, all),
        Job::Reload { save, flush, merge } => reload(connection, Reload { save, flush, merge }),
        Job::Restart { crash, delay_ms } => restart(services, crash, delay_ms).await,
        Job::Survey(text) => Ok(survey(connection, text).await),
        Job::Migrate(migration) => migrate::run(connection, *migration).await,
        Job::Crash => std::process::abort(),
    }
}

async fn save(services: &Services) -> Result<String, JobError> {
    let asked = services
        .saver
        .save()
        .map_err(|refused| refused.to_string())?;
    match asked.await {
        Ok(Ok(_)) => Ok("OK".to_owned()),
        Ok(Err(error)) => Err(format!("ERR {error}").into()),
        Err(_) => Err("ERR The saver has ended".into()),
    }
}

/// A save that fails is noted as such; the data are gone all the same.
async fn save_flushed(services: &Services) -> Result<String, JobError> {
    let _ = services.saver.save_instead().await;
    Ok("OK".to_owned())
}

async fn background_save(services: &Services) -> Result<String, JobError> {
    let started = services.saver.background_save();
    let cut = started.map_err(|refused| refused.to_string())?;
    // What the client writes from now on is not in the file.
    let _ = cut.await;
    Ok("Background saving started".to_owned())
}

async fn shutdown(
    connection: &Connection,
    services: &Services,
    options: Shutdown,
) -> Result<String, JobError> {
    let clients = &connection.worker.engine.shared.clients;
    let facts = &connection.session.facts;
    clients.count_blocked(1);
    facts.set(client_flag::BLOCKED, true);
    let refused = match services.shutdown.run(options).await {
        Ok(never) => match never {},
        Err(Refused) => "ERR Errors trying to SHUTDOWN. Check logs.".into(),
    };
    facts.set(client_flag::BLOCKED, false);
    clients.count_blocked(-1);
    Err(refused)
}

fn cancel_shutdown(services: &Services) -> Result<String, JobError> {
    if services.shutdown.abort() {
        Ok("OK".to_owned())
    } else {
        Err("ERR No shutdown in progress.".into())
    }
}

async fn replica_of(
    connection: &Connection,
    services: &Services,
    leader: Option<(String, u16)>,
) -> Result<String, JobError> {
    let facts = &connection.session.facts;
    let registry = &connection.worker.engine.registry;
    let requested_by = described(registry, facts, clock::unix_ms());
    let asked = services.replication.replica_of(leader, &requested_by);
    match asked.await {
        Ok(answer) => answer.map_err(Vec::from),
        Err(_) => Err("ERR The replication thread has ended".into()),
    }
}

async fn failover(services: &Services, request: Failover) -> Result<String, JobError> {
    match services.replication.failover(request).await {
        Ok(result) => result.map(|()| "OK".to_owned()).map_err(Vec::from),
        Err(_) => Err("ERR The replication thread has ended".into()),
    }
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
            Err(format!("ERR {error}").into())
        }
    }
}

/// INFO with how large the keys are: counted in slices, the worker's other clients between them.
async fn survey(connection: &Connection, text: String) -> String {
    let worker = connection.worker.clone();
    let keyspace = &worker.engine.shared.keyspace;
    let mut survey = Survey::new(text);
    loop {
        let step = || {
            let locker = &mut worker.executor.borrow_mut().locker;
            survey.step(keyspace, locker).ok()
        };
        if line::when_free(keyspace, step).await {
            return survey.into_text();
        }
        tokio::task::yield_now().await;
    }
}

/// DEBUG RELOAD: what is saved must be loaded as the same dataset.
fn reload(connection: &Connection, reload: Reload) -> Result<String, JobError> {
    let worker = connection.worker.clone();
    let mut executor = worker.executor.borrow_mut();
    match load::debug_reload(&worker.engine.shared, &mut executor.locker, reload) {
        Ok(_) => {
            tracing::warn!("DB reloaded by DEBUG RELOAD");
            Ok("OK".to_owned())
        }
        Err(ReloadError::Save(_)) => Err("ERR Error saving the dataset".into()),
        Err(ReloadError::Load(_)) => {
            Err("ERR Error trying to load the RDB dump, check server logs.".into())
        }
    }
}

/// DEBUG RESTART and CRASH-AND-RECOVER: the process becomes a new one of itself.
async fn restart(services: &Services, crash: bool, delay_ms: u64) -> Result<String, JobError> {
    let failed = "ERR failed to restart the server. Check server logs.";
    if crash {
        become_anew(delay_ms);
        return Err(failed.into());
    }
    // From here on nobody is told OK for what the file would not hold. Followers are not waited
    // for: they come again, and find what they lack.
    let _ = services.replication.shutdown_wait(Duration::ZERO).await;
    if matches!(services.saver.save_instead().await, Ok(Ok(_))) {
        become_anew(delay_ms);
    }
    services.shutdown.resume_writes();
    Err(failed.into())
}

/// Returns only if there is no way.
fn become_anew(delay_ms: u64) {
    use std::os::unix::process::CommandExt;
    std::thread::sleep(Duration::from_millis(delay_ms));
    let mut args = process::arguments().iter();
    let program = args.next().cloned().unwrap_or_default();
    let error = std::process::Command::new(program).args(args).exec();
    tracing::warn!("Could not start anew: {error}");
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
    let (Some(services), Ok(stream)) = (worker.services.get(), stream.leave()) else {
        worker.engine.shared.clients.remove(facts.id);
        return;
    };
    services.replication.new_follower(NewFollower {
        stream,
        facts,
        introduction: std::mem::take(&mut session.follower),
        request,
        leftover_input: pending,
        pending_output: output.take(),
    });
}
