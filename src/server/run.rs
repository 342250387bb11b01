//! From the configuration to a server that runs.

use std::io::Write as _;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use super::crew::Crew;
use super::listener::{Acceptor, Bound};
use super::logging::LogState;
use super::oom::OomScore;
use super::services::Services;
use super::shutdown::Shutdown;
use super::supervisor::{self, State};
use super::worker;
use super::{appliers, background, courier, cron, evictor, garbage, staffing};
use crate::base::hash::KeyHasher;
use crate::base::{clock, memory, os_error};
use crate::commands::FAMILIES;
use crate::commands::cx::Shutdown as ShutdownOptions;
use crate::commands::registry::Registry;
use crate::config::{Config, LoadError, Param, REDIS_VERSION};
use crate::exec::Engine;
use crate::exec::maintain::ExpiryCursor;
use crate::exec::plan::GROUP_MAX;
use crate::persist::load::{self, ReplFacts};
use crate::persist::saver::Saver;
use crate::replication;
use crate::shared::{Shared, Size};
use crate::store::locked::Locker;

/// Clients are kept waiting for so long while the dataset is loaded. Only then are they
/// answered: that it is loading.
const UNNOTICED_LOAD: Duration = Duration::from_millis(100);

/// Which gate of the keyspace belongs to which thread. Workers have the first ones.
#[derive(Clone, Copy, Debug)]
pub struct Gates {
    pub cron: usize,
    pub saver: usize,
    pub leader: usize,
    pub follower: usize,
    pub evictor: usize,
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
            evictor: workers + 4,
            main: workers + 5,
            count: workers + 6,
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
pub fn run(config: Config, log: &Arc<LogState>) -> anyhow::Result<()> {
    announce(&config);
    let (engine, freed) = build(Arc::new(config))?;
    log.follow(&engine);
    let config = &engine.shared.config;
    let workers = config.get_int(Param::IoThreads).max(1) as usize;
    let gates = Gates::new(workers);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let bound = Bound::new(config)?;
        write_pid_file(config);
        garbage::start(&engine, freed)?;
        let services = Arc::new(OnceLock::new());
        let (crew, arriving) = Crew::new(engine.clone(), workers);
        let crew = Arc::new(crew);
        for (gate, arriving) in arriving.into_iter().enumerate() {
            worker::start(
                engine.clone(),
                services.clone(),
                crew.clone(),
                gate,
                arriving,
            )?;
        }
        let acceptor = Arc::new(Acceptor {
            engine: engine.clone(),
            crew: crew.clone(),
        });
        let oom = Arc::new(OomScore::default());
        let open = || {
            let listeners = bound.accept(acceptor)?;
            appliers::register(&engine, log, listeners, oom.clone());
            anyhow::Ok(())
        };
        let mut open = Some(open);
        engine.shared.jobs.loading.begin(clock::unix_ms(), 0);
        let used = memory::used_bytes() as u64;
        let startup = &engine.shared.stats.rare.startup_memory_bytes;
        startup.store(used, Ordering::Relaxed);
        supervisor::tell(config, State::Loading);
        let mut loading = pin!(load_dataset(engine.clone(), gates.main));
        let restored = loop {
            tokio::select! {
                restored = &mut loading => break restored?,
                () = sleep(UNNOTICED_LOAD), if open.is_some() => {
                    if is_reading(&engine) && let Some(open) = open.take() {
                        open()?;
                    }
                }
                _ = signals.next() => {
                    // What is in memory is only a part of what is in the file.
                    tracing::warn!("Received shutdown signal during loading, exiting now.");
                    supervisor::tell(config, State::Stopping);
                    return Ok(());
                }
            }
        };
        cron::start(engine.clone(), gates.cron, oom.clone())?;
        staffing::start(engine.clone(), crew)?;
        evictor::start(engine.clone(), gates.evictor)?;
        let started = start_services(&engine, gates, restored)?;
        let services = services.get_or_init(|| started);
        if let Some(open) = open {
            open()?;
        }
        announce_ready(config);
        obey_signals(config, services, signals).await
    })
}

/// Whether there is a file. Without one the load is over at once, whenever it begins.
fn is_reading(engine: &Engine) -> bool {
    let loading = &engine.shared.jobs.loading;
    loading.total_bytes.load(Ordering::Relaxed) > 0
}

/// Loads on a thread of its own, since this one may accept connections meanwhile.
async fn load_dataset(engine: Arc<Engine>, gate: usize) -> anyhow::Result<Option<ReplFacts>> {
    // Before the first client can be served, so that none sees an empty dataset.
    let (done, loaded) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("loader".to_owned())
        .spawn(move || {
            let shared = &engine.shared;
            let mut locker = Locker::new(&shared.keyspace, gate);
            replication::take_role(shared, &mut locker);
            let loaded = load::start(shared, &mut locker, |_, history| {
                replication::restore(shared, history);
            });
            if let Ok(Some(report)) = &loaded
                && report.replication.is_some()
                && !shared.role.is_follower()
            {
                delete_due_keys(&engine, &mut locker);
            }
            // Nobody listens any more if the process is ending.
            let _ = done.send(loaded);
        })?;
    let report = loaded.await.context("the loading thread has ended")??;
    Ok(report.and_then(|report| report.replication))
}

/// A leader whose history may be continued loads keys that are due, since its followers
/// have them: they go as any that expires, and followers hear of it.
fn delete_due_keys(engine: &Engine, locker: &mut Locker) {
    let stats = &engine.shared.stats;
    let before = stats.sum(|thread| &thread.expired);
    let mut cursor = ExpiryCursor::default();
    while !cursor.round(engine, locker) {}
    let deleted = stats.sum(|thread| &thread.expired) - before;
    let counter = &engine.shared.jobs.loading.last_keys_expired;
    counter.fetch_add(deleted, Ordering::Relaxed);
}

fn start_services(
    engine: &Arc<Engine>,
    gates: Gates,
    restored: Option<ReplFacts>,
) -> anyhow::Result<Services> {
    let saver = Saver::spawn(engine.clone(), gates.saver)?;
    let threads = [gates.leader, gates.follower];
    let replication = replication::start(engine.clone(), threads, restored)?;
    let shutdown = Shutdown::new(engine.clone(), saver.clone(), replication.clone());
    let config = &engine.shared.config;
    let files = [background::pid_file(config), config.path(Param::UnixSocket)];
    shutdown.files.lock().extend(files.into_iter().flatten());
    Ok(Services {
        saver,
        replication,
        shutdown,
    })
}

type Freed = std::sync::mpsc::Receiver<crate::shared::Garbage>;

fn build(config: Arc<Config>) -> anyhow::Result<(Arc<Engine>, Freed)> {
    let registry = register(&config)?;
    let workers = config.get_int(Param::IoThreads).max(1) as usize;
    let size = Size {
        shards: shard_count(workers),
        gates: Gates::new(workers).count,
        commands: registry.len(),
    };
    let (shared, freed) = Shared::new(config, KeyHasher::random(), size, clock::unix_ms());
    // There is no other yet.
    let _ = shared.courier.set(courier::carry);
    Ok((Arc::new(Engine { shared, registry }), freed))
}

fn register(config: &Config) -> anyhow::Result<Registry> {
    let mut registry = Registry::new(FAMILIES);
    for rename in config.renames() {
        let (from, to) = (&rename.from[..], &rename.to[..]);
        registry
            .rename(from, to)
            .map_err(|error| LoadError::at(&rename.line, error.to_string()))
            .inspect_err(|error| eprintln!("{error}"))?;
    }
    Ok(registry)
}

fn announce(config: &Config) {
    tracing::info!("oO0OoO0OoO0Oo Lockstep is starting oO0OoO0OoO0Oo");
    tracing::info!(
        "Lockstep version {} (Redis {REDIS_VERSION}), bits=64, pid={}, just started",
        env!("CARGO_PKG_VERSION"),
        std::process::id()
    );
    if std::env::args_os().len() > 1 {
        tracing::info!("Configuration loaded");
    } else {
        tracing::warn!("Warning: no config file specified, using the default config.");
    }
    tracing::info!(
        "Running mode=standalone, port={}.",
        config.get_int(Param::Port)
    );
    tracing::info!(" PID: {}", std::process::id());
    tracing::info!("Server initialized");
}

fn announce_ready(config: &Config) {
    if config.get_int(Param::Port) != 0 {
        tracing::info!("Ready to accept connections tcp");
    }
    if let Some(path) = config.path(Param::UnixSocket) {
        tracing::info!(
            "The server is now ready to accept connections at {}",
            path.display()
        );
    }
    supervisor::tell(config, State::Ready);
}

fn write_pid_file(config: &Config) {
    let Some(path) = background::pid_file(config) else {
        return;
    };
    // As in Redis a pid that cannot be written is worth a line, not the server.
    let written =
        std::fs::File::create(&path).and_then(|mut file| writeln!(file, "{}", std::process::id()));
    if let Err(error) = written {
        let why = os_error::words(&error);
        tracing::warn!("Failed to write PID file {}: {why}", path.display());
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    /// Heard of so that it does not end the server: a file that may not grow is an error of who
    /// writes it.
    _file_limit: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate()).context("SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("SIGINT")?,
            hang_up: signal(SignalKind::hangup()).context("SIGHUP")?,
            _file_limit: signal(SignalKind::from_raw(libc::SIGXFSZ)).context("SIGXFSZ")?,
        })
    }

    /// The name of the next signal to end, and what says how to obey it.
    async fn next(&mut self) -> (&'static str, Param) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return ("SIGTERM", Param::ShutdownOnSigterm),
                _ = self.interrupt.recv() => return ("SIGINT", Param::ShutdownOnSigint),
                _ = self.hang_up.recv() => {}
            }
        }
    }
}

/// SIGTERM and SIGINT end the server as the configuration says; the second SIGINT ends it
/// at once.
async fn obey_signals(
    config: &Config,
    services: &Services,
    mut signals: Signals,
) -> anyhow::Result<()> {
    loop {
        let (name, param) = signals.next().await;
        tracing::warn!("Received {name} scheduling shutdown...");
        let wanted = config.shutdown_options(param);
        let options = ShutdownOptions {
            save: wanted.save,
            no_save: wanted.nosave,
            now: wanted.now,
            force: wanted.force,
            by_signal: true,
        };
        let again = async {
            signals.interrupt.recv().await;
            tracing::warn!("You insist... exiting now.");
            supervisor::tell(config, State::Stopping);
            services.shutdown.remove_unfinished();
            std::process::exit(1);
        };
        tokio::select! {
            _ = services.shutdown.run(options) => {
                tracing::warn!("Errors trying to shut down the server. Check the logs for \
                                more information.");
            }
            () = again => bail!("the process has not ended"),
        }
    }
}
