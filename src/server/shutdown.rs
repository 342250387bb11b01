//! The way out: followers are waited for, the dataset is saved, what we left in the file
//! system is removed, and the process ends.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::supervisor::{self, State};
use crate::base::clock;
use crate::commands::cx::Shutdown as Options;
use crate::config::Param;
use crate::exec::Engine;
use crate::persist::save::{self, SaveError};
use crate::persist::saver::Saver;
use crate::replication::Replication;
use crate::shared::pause::PausedFor;

/// How often a signal that waits for cron looks whether it goes on.
const CRON_LOOK: Duration = Duration::from_millis(10);

/// The server goes on: saving failed, or SHUTDOWN ABORT came while followers were waited
/// for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    None,
    /// It can still be called off.
    Underway,
    CalledOff,
    Ending,
}

pub struct Shutdown {
    engine: Arc<Engine>,
    saver: Saver,
    replication: Replication,
    phase: Mutex<Phase>,
    /// Woken when a shutdown was given up.
    over: Notify,
    /// Removed at the end.
    pub files: Mutex<Vec<PathBuf>>,
}

impl Shutdown {
    pub fn new(engine: Arc<Engine>, saver: Saver, replication: Replication) -> Shutdown {
        Shutdown {
            engine,
            saver,
            replication,
            phase: Mutex::new(Phase::None),
            over: Notify::new(),
            files: Mutex::default(),
        }
    }

    /// Ends the process. One who comes while another shutdown is under way shares its end.
    pub async fn run(&self, options: Options) -> Result<Infallible, Refused> {
        let over = self.over.notified();
        let others = {
            let mut phase = self.phase.lock();
            let others = *phase != Phase::None;
            if !others {
                *phase = Phase::Underway;
            }
            others
        };
        if others {
            over.await;
            return Err(Refused);
        }
        let refused = match self.attempt(options).await {
            Ok(never) => match never {},
            Err(refused) => refused,
        };
        self.resume_writes();
        *self.phase.lock() = Phase::None;
        self.over.notify_waiters();
        Err(refused)
    }

    /// The end of the process, for which writes were held back, does not come.
    pub fn resume_writes(&self) {
        self.engine.shared.pause.end(PausedFor::Shutdown);
    }

    /// SHUTDOWN ABORT. False if there is nothing to abort any more.
    pub fn abort(&self) -> bool {
        let mut phase = self.phase.lock();
        if *phase != Phase::Underway {
            return false;
        }
        *phase = Phase::CalledOff;
        tracing::warn!("Shutdown manually aborted.");
        self.replication.cancel_shutdown_wait();
        self.saver.cancel();
        true
    }

    /// The files that a process ending at once would leave behind half written.
    pub fn remove_unfinished(&self) {
        save::remove_temp(&self.engine.shared.config.dir());
    }

    /// A signal takes effect with what is done every so often (DEBUG PAUSE-CRON).
    async fn wait_for_cron(&self) {
        let paused = &self.engine.shared.jobs.cron_is_paused;
        while paused.load(Ordering::Relaxed) && *self.phase.lock() == Phase::Underway {
            tokio::time::sleep(CRON_LOOK).await;
        }
    }

    async fn attempt(&self, options: Options) -> Result<Infallible, Refused> {
        if options.by_signal {
            self.wait_for_cron().await;
        }
        tracing::info!("User requested shutdown...");
        self.go_on()?;
        let config = &self.engine.shared.config;
        let timeout = config.get_seconds(Param::ShutdownTimeout);
        let timeout = if options.now { Duration::ZERO } else { timeout };
        let deadline = &self.engine.shared.jobs.shutdown_at_ms;
        if timeout > Duration::ZERO {
            let timeout_ms = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
            let at_ms = clock::unix_ms().saturating_add(timeout_ms);
            deadline.store(at_ms, Ordering::Relaxed);
        }
        let go_on = self.replication.shutdown_wait(timeout).await;
        deadline.store(0, Ordering::Relaxed);
        if go_on == Ok(false) {
            return Err(Refused);
        }
        let wanted = options.save || (!options.no_save && !config.save_points().is_empty());
        self.go_on()?;
        if wanted {
            self.save(options.force).await?;
        } else if self.engine.shared.jobs.saves.is_running() {
            tracing::warn!("There is a child saving an .rdb. Killing it!");
            self.saver.cancel();
        }
        {
            let mut phase = self.phase.lock();
            if *phase == Phase::CalledOff {
                return Err(Refused);
            }
            *phase = Phase::Ending;
        }
        supervisor::tell(config, State::Stopping);
        for file in self.files.lock().iter() {
            tracing::info!("Removing the file {}.", file.display());
            // It may have been taken away by others.
            let _ = std::fs::remove_file(file);
        }
        self.remove_unfinished();
        tracing::warn!("Redis is now ready to exit, bye bye...");
        std::process::exit(0);
    }

    /// Nothing that takes long is begun once the shutdown was called off.
    fn go_on(&self) -> Result<(), Refused> {
        match *self.phase.lock() {
            Phase::CalledOff => Err(Refused),
            _ => Ok(()),
        }
    }

    async fn save(&self, force: bool) -> Result<(), Refused> {
        if self.engine.shared.jobs.saves.is_running() {
            tracing::warn!("There is a child saving an .rdb. Killing it!");
        }
        tracing::info!("Saving the final RDB snapshot before exiting.");
        let error = loop {
            match self.saver.save_instead().await {
                Ok(Ok(_)) => return Ok(()),
                // The stream of our leader goes on, and a FLUSHALL in it cancels this save too.
                Ok(Err(SaveError::Cancelled)) => self.go_on()?,
                Ok(Err(error)) => break error.to_string(),
                Err(_) => break "the saver has ended".to_owned(),
            }
        };
        if force {
            tracing::warn!("Error trying to save the DB, but forced to exit: {error}");
            return Ok(());
        }
        tracing::warn!("Error trying to save the DB, can't exit: {error}");
        Err(Refused)
    }
}
