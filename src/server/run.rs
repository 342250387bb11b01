//! From the configuration to a server that runs.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use tokio::runtime::Builder;

use super::listener::Acceptor;
use super::logging::LogState;
use super::services::Services;
use super::worker::{self, WorkerHandle};
use super::{cron, garbage};
use crate::base::clock;
use crate::base::hash::KeyHasher;
use crate::commands::FAMILIES;
use crate::commands::registry::Registry;
use crate::config::{Config, Param};
use crate::exec::Engine;
use crate::exec::plan::GROUP_MAX;
use crate::net::listen;
use crate::shared::{Shared, Size};

/// Which gate of the keyspace belongs to which thread. Workers have the first ones.
#[derive(Clone, Copy, Debug)]
pub struct Gates {
    pub cron: usize,
    pub saver: usize,
    pub leader: usize,
    pub follower: usize,
    pub main: usize,
    pub count: usize,
}

impl Gates {
    pub fn new(workers: usize) -> Gates {
        Gates {
            cron: workers,
            saver: workers + 1,
            leader: workers + 2,
            follower: workers + 3,
            main: workers + 4,
            count: workers + 5,
        }
    }
}

/// So many shards that two groups of random keys rarely meet.
fn shard_count(workers: usize) -> usize {
    (4 * workers.max(2) * GROUP_MAX * GROUP_MAX)
        .next_power_of_two()
        .min(1 << 16)
}

/// Runs the server until it is told to end.
pub fn run(config: Config, log: &LogState) -> anyhow::Result<()> {
    let config = Arc::new(config);
    let workers = config.get_int(Param::IoThreads).max(1) as usize;
    let gates = Gates::new(workers);
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let renames = config
        .renames()
        .iter()
        .map(|rename| (text(&rename.from), text(&rename.to)));
    let renames: Vec<(String, String)> = renames.collect();
    let registry = Registry::new(FAMILIES, &renames)?;
    let size = Size {
        shards: shard_count(workers),
        gates: gates.count,
        commands: registry.len(),
    };
    let started_ms = clock::unix_ms();
    let (shared, freed) = Shared::new(config.clone(), KeyHasher::random(), size, started_ms);
    let engine = Arc::new(Engine { shared, registry });
    log.set_role(&engine);
    announce(&config);
    garbage::start(freed)?;
    cron::start(engine.clone(), gates.cron)?;
    let services = Arc::new(Services {});
    let workers: Arc<[WorkerHandle]> = (0..workers)
        .map(|gate| worker::start(engine.clone(), services.clone(), gate))
        .collect::<Result<_, _>>()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let acceptor = Arc::new(Acceptor {
        engine: engine.clone(),
        workers,
    });
    runtime.block_on(async {
        listen_everywhere(&config, &acceptor)?;
        tracing::info!("Ready to accept connections tcp");
        std::future::pending::<anyhow::Result<()>>().await
    })
}

fn announce(config: &Config) {
    tracing::info!("oO0OoO0OoO0Oo Lockstep is starting oO0OoO0OoO0Oo");
    tracing::info!(
        "Lockstep version {}, bits=64, pid={}, just started",
        env!("CARGO_PKG_VERSION"),
        std::process::id()
    );
    if config.file().is_some() {
        tracing::info!("Configuration loaded");
    } else {
        tracing::warn!("Warning: no config file specified, using the default config.");
    }
    tracing::info!(
        "Running mode=standalone, port={}.",
        config.get_int(Param::Port)
    );
    tracing::info!(" PID: {}", std::process::id());
}

fn listen_everywhere(config: &Config, acceptor: &Arc<Acceptor>) -> anyhow::Result<()> {
    let port = config.get_int(Param::Port) as u16;
    let unix = config.path(Param::UnixSocket);
    if port == 0 && unix.is_none() {
        bail!("Configured to not listen anywhere, exiting.");
    }
    if port != 0 {
        let backlog = config.get_int(Param::TcpBacklog) as i32;
        let sockets = listen::bind_all(&config.bind(), port, backlog).inspect_err(|error| {
            tracing::warn!("{error}");
            tracing::warn!("Failed listening on port {port} (tcp), aborting.");
        })?;
        for socket in sockets {
            tokio::spawn(acceptor.clone().tcp(listen::tcp(socket)?));
        }
    }
    if let Some(path) = unix {
        let mode = config.get_int(Param::UnixSocketPerm) as u32;
        let listener = listen::unix(&path, mode)
            .with_context(|| format!("Failed opening Unix socket {}", path.display()))?;
        tokio::spawn(acceptor.clone().unix(listener));
    }
    Ok(())
}
