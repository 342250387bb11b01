//! What CONFIG SET has to do besides changing a value.

use std::sync::Arc;

use super::listener::Listeners;
use super::logging::LogState;
use super::oom::OomScore;
use super::title;
use crate::base::{clock, memory};
use crate::config::Param;
use crate::exec::Engine;

/// Puts into effect what the configuration says at the start, and every change of it.
pub fn register(
    engine: &Arc<Engine>,
    log: &Arc<LogState>,
    listeners: Listeners,
    oom: Arc<OomScore>,
) {
    let config = &engine.shared.config;
    let applied = oom.apply(config);
    if let Err(error) = applied {
        tracing::warn!("{error}");
    }
    let params = [Param::OomScoreAdj, Param::OomScoreAdjValues];
    config.on_change(&params, move |config| oom.apply(config));
    let log = log.clone();
    config.on_change(&[Param::LogLevel], move |config| {
        log.set_level(config.choice(Param::LogLevel));
        Ok(())
    });
    let listeners = Arc::new(listeners);
    let again = listeners.clone();
    config.on_change(&[Param::Port], move |config| {
        again.rebind(config).map_err(|error| {
            tracing::warn!("{error}");
            "Unable to listen on this port. Check server logs.".to_owned()
        })
    });
    config.on_change(&[Param::Bind], move |config| {
        listeners.rebind(config).map_err(|error| {
            tracing::warn!("{error}");
            "Failed to bind to specified addresses.".to_owned()
        })
    });
    title::update(config);
    let params = [Param::ProcTitleTemplate, Param::Port, Param::Bind];
    config.on_change(&params, |config| {
        title::update(config);
        Ok(())
    });
    limit_clients(engine);
    let engine = Arc::downgrade(engine);
    config.on_change(&[Param::MaxMemory], move |config| {
        let Some(engine) = engine.upgrade() else {
            return Ok(());
        };
        match config.get_bytes(Param::MaxMemory) {
            0 => engine.shared.eviction.note_enough(clock::unix_us),
            limit => {
                warn_if_exceeded(limit);
                engine.shared.eviction.wake();
            }
        }
        Ok(())
    });
    raise_file_limit(config.get_int(Param::MaxClients));
    config.on_change(&[Param::MaxClients], |config| {
        let wanted = config.get_int(Param::MaxClients);
        let possible = raise_file_limit(wanted);
        if possible < wanted {
            return Err(format!(
                "The operating system is not able to handle the specified number of clients, \
                 try with {possible}"
            ));
        }
        Ok(())
    });
}

fn limit_clients(engine: &Engine) {
    let config = &engine.shared.config;
    let ledger = engine.shared.clients.ledger.clone();
    ledger.set_limit(config.clients_memory_max());
    let params = [Param::MaxMemoryClients, Param::MaxMemory];
    config.on_change(&params, move |config| {
        ledger.set_limit(config.clients_memory_max());
        Ok(())
    });
}

fn warn_if_exceeded(limit_bytes: u64) {
    let used_bytes = memory::used_bytes() as u64;
    if used_bytes > limit_bytes {
        tracing::warn!(
            "WARNING: the new maxmemory value set via CONFIG SET ({limit_bytes}) is smaller than \
             the current memory usage ({used_bytes}). This will result in key eviction and/or the \
             inability to accept new write commands depending on the maxmemory-policy."
        );
    }
}

/// Files that are open beside connections.
const OTHER_FILES: u64 = 32;

/// Raises the limit of open files for so many clients; returns how many are possible.
fn raise_file_limit(clients: i64) -> i64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = clients as u64 + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    let (current, maximum) = (limit.current.unwrap_or(u64::MAX), limit.maximum);
    if current >= wanted {
        return clients;
    }
    let asked = Rlimit {
        current: Some(wanted),
        maximum: Some(maximum.unwrap_or(wanted).max(wanted)),
    };
    let reached = match setrlimit(Resource::Nofile, asked) {
        Ok(()) => wanted,
        // Without the right to raise the maximum, the maximum itself will have to do.
        Err(_) => {
            let most = maximum.unwrap_or(current).min(wanted);
            let asked = Rlimit {
                current: Some(most),
                maximum,
            };
            setrlimit(Resource::Nofile, asked).map_or(current, |()| most)
        }
    };
    reached.saturating_sub(OTHER_FILES).min(clients as u64) as i64
}
