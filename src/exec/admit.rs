//! What is decided under the locks. Role, loading and failed saves change only while
//! everything is locked, so what is true here stays true until the command has run.

use std::sync::atomic::Ordering;

use super::Engine;
use crate::commands::error::CmdError;
use crate::commands::registry::{CommandId, Known};
use crate::commands::spec::flag;
use crate::config::{Param, ProtectedAction};
use crate::shared::clients::client_flag;
use crate::shared::session::{Origin, Session};

/// Why a command does not run now.
pub enum Refusal {
    Error(CmdError),
    /// CLIENT PAUSE: try again then, or when the pause ends early.
    Paused {
        until_ms: i64,
    },
}

/// The flags that count: for EXEC those of the queued commands too.
fn effective_flags(engine: &Engine, session: &Session, known: &Known) -> u32 {
    const ANY: u32 = flag::WRITE | flag::MAY_REPLICATE | flag::DENYOOM | flag::NO_ASYNC_LOADING;
    const ALL: u32 = flag::LOADING | flag::STALE;
    let mut flags = known.spec.flags;
    if known.spec.name == "exec"
        && let Some(transaction) = &session.transaction
    {
        for queued in &transaction.commands {
            let of_queued = engine.registry.get(queued.id).spec.flags;
            flags |= of_queued & ANY;
            flags &= of_queued | !ALL;
        }
    }
    flags
}

/// Whether nothing would be refused whatever it is: the leader's stream never is, and a
/// leader in good health refuses nothing. What decides it stays as it is for as long as
/// locks are held, or (failed saves) may as well have changed a moment later.
pub fn is_calm(engine: &Engine, session: &Session) -> bool {
    let shared = &engine.shared;
    session.origin == Origin::Leader
        || (!shared.jobs.loading.is_active()
            && !shared.role.is_follower()
            && !shared.pause.is_set()
            && !shared.jobs.saves.last_failed()
            && shared.config.get_int(Param::MinReplicasToWrite) == 0
            && !session.is_out_of_memory)
}

/// Checks one command of a client. `now_ms` is the group's.
pub fn admit(
    engine: &Engine,
    session: &Session,
    id: CommandId,
    now_ms: i64,
) -> Result<(), Refusal> {
    match is_calm(engine, session) {
        true => Ok(()),
        false => check_all(engine, session, engine.registry.get(id), now_ms),
    }
}

#[cold]
fn check_all(
    engine: &Engine,
    session: &Session,
    known: &Known,
    now_ms: i64,
) -> Result<(), Refusal> {
    let shared = &engine.shared;
    let flags = effective_flags(engine, session, known);
    let has = |wanted: u32| flags & wanted != 0;
    let config = &shared.config;
    let writes = has(flag::WRITE);
    let loading = &shared.jobs.loading;
    if loading.is_active() {
        let refused = match loading.is_aside.load(Ordering::Relaxed) {
            true => has(flag::NO_ASYNC_LOADING),
            false => !has(flag::LOADING),
        };
        if refused {
            return Err(Refusal::Error(CmdError::Loading));
        }
    }
    let role = &shared.role;
    if role.is_follower() {
        let facts = &session.facts;
        let reads = has(flag::READONLY) && !facts.has(client_flag::READONLY);
        if (writes || reads) && facts.has(client_flag::CAN_BE_REDIRECTED) {
            let link = role.link.lock();
            let text = format!("REDIRECT {}:{}", link.host, link.port);
            return Err(Refusal::Error(CmdError::made(text)));
        }
        if writes && config.get_bool(Param::ReplicaReadOnly) {
            return Err(Refusal::Error(CmdError::ReadOnly));
        }
        let stale = !role.is_link_up() && !config.get_bool(Param::ReplicaServeStaleData);
        if stale && !has(flag::STALE) {
            return Err(Refusal::Error(CmdError::MasterDown));
        }
    } else if writes {
        let wanted = config.get_int(Param::MinReplicasToWrite);
        let lag_is_bounded = config.get_int(Param::MinReplicasMaxLag) > 0;
        let good = shared.followers.good.load(Ordering::Relaxed) as i64;
        if wanted > 0 && lag_is_bounded && good < wanted {
            return Err(Refusal::Error(CmdError::NoReplicas));
        }
    }
    if (writes || known.spec.name == "ping")
        && !role.is_follower()
        && shared.jobs.saves.last_failed()
        && config.get_bool(Param::StopWritesOnBgsaveError)
        && !config.save_points().is_empty()
    {
        return Err(Refusal::Error(CmdError::text(
            "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to \
             persist to disk. Commands that may modify the data set are disabled, because this \
             instance is configured to report errors during writes if RDB snapshotting fails \
             (stop-writes-on-bgsave-error option). Please check the Redis logs for details about \
             the RDB error.",
        )));
    }
    if has(flag::DENYOOM) && session.is_out_of_memory {
        return Err(Refusal::Error(CmdError::OutOfMemory));
    }
    let replicates = writes || has(flag::MAY_REPLICATE);
    match shared.pause.holds(replicates, now_ms) {
        Some(until_ms) if !is_exempt(known) => Err(Refusal::Paused { until_ms }),
        _ => Ok(()),
    }
}

/// Whoever paused must be able to end it; and replication goes on.
fn is_exempt(known: &Known) -> bool {
    const EXEMPT: &[&str] = &[
        "pause",
        "unpause",
        "replconf",
        "psync",
        "sync",
        "failover",
        "replicaof",
        "slaveof",
    ];
    EXEMPT.contains(&known.spec.name)
}

/// DEBUG and MODULE are refused unless the configuration allows them.
pub fn protected(engine: &Engine, session: &Session, name: &str) -> Result<(), CmdError> {
    let container = name.split('|').next().unwrap_or(name);
    let allowed = match container {
        "debug" => engine
            .shared
            .config
            .choice::<ProtectedAction>(Param::EnableDebugCommand),
        _ => return Ok(()),
    };
    let local = session.facts.is_local();
    if allowed == ProtectedAction::Yes || (allowed == ProtectedAction::Local && local) {
        return Ok(());
    }
    let upper = container.to_uppercase();
    Err(CmdError::err(format!(
        "{upper} command not allowed. If the enable-{container}-command option is set to \
         \"local\", you can run it from a local connection, otherwise you need to set this \
         option in the configuration file, and then restart the server."
    )))
}
