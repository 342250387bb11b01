//! The way out: followers are waited for, the dataset is saved, what we left in the file
//! system is removed, and the process ends.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::commands::cx::Shutdown as Options;
use crate::config::Param;
use crate::exec::Engine;
use crate::persist::save;
use crate::persist::saver::Saver;
use crate::replication::Replication;

/// Why the server goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Saving failed, or SHUTDOWN ABORT came while followers were waited for.
    Failed,
    /// Another shutdown is under way already.
    Underway,
}

pub struct Shutdown {
    engine: Arc<Engine>,
    saver: Saver,
    replication: Replication,
    underway: Mutex<bool>,
    /// Removed at the end.
    pub files: Mutex<Vec<PathBuf>>,
}

impl Shutdown {
    pub fn new(engine: Arc<Engine>, saver: Saver, replication: Replication) -> Shutdown {
        let (underway, files) = (Mutex::new(false), Mutex::default());
        Shutdown {
            engine,
            saver,
            replication,
            underway,
            files,
        }
    }

    /// Ends the process, or says why not.
    pub async fn run(&self, options: Options) -> Result<Infallible, Refused> {
        if std::mem::replace(&mut *self.underway.lock(), true) {
            return Err(Refused::Underway);
        }
        let refused = match self.attempt(options).await {
            Ok(never) => match never {},
            Err(refused) => refused,
        };
        *self.underway.lock() = false;
        Err(refused)
    }

    /// SHUTDOWN ABORT. False if there is nothing to abort.
    pub fn abort(&self) -> bool {
        let underway = *self.underway.lock();
        if underway {
            self.replication.cancel_shutdown_wait();
        }
        underway
    }

    async fn attempt(&self, options: Options) -> Result<Infallible, Refused> {
        if !options.by_signal {
            tracing::warn!("User requested shutdown...");
        }
        let config = &self.engine.shared.config;
        let timeout = config.get_seconds(Param::ShutdownTimeout);
        if !options.now && timeout > Duration::ZERO {
            let go_on = self.replication.shutdown_wait(timeout).await;
            if go_on == Ok(false) {
                return Err(Refused::Failed);
            }
        }
        let wanted = options.save || (!options.no_save && !config.save_points().is_empty());
        if wanted {
            self.save(options.force).await?;
        } else if self.engine.shared.jobs.saves.is_running() {
            tracing::warn!("There is a child saving an .rdb. Killing it!");
            self.saver.cancel();
        }
        for file in self.files.lock().iter() {
            tracing::info!("Removing the file {}.", file.display());
            // It may have been taken away by others.
            let _ = std::fs::remove_file(file);
        }
        save::remove_temp(&config.dir());
        tracing::warn!("Redis is now ready to exit, bye bye...");
        std::process::exit(0);
    }

    async fn save(&self, force: bool) -> Result<(), Refused> {
        if self.engine.shared.jobs.saves.is_running() {
            tracing::warn!("There is a child saving an .rdb. Killing it!");
        }
        tracing::info!("Saving the final RDB snapshot before exiting.");
        let saved = self.saver.save_instead().await;
        let error = match saved {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the saver has ended".to_owned(),
        };
        if force {
            tracing::warn!("Error trying to save the DB, but forced to exit: {error}");
            return Ok(());
        }
        tracing::warn!("Error trying to save the DB, can't exit: {error}");
        Err(Refused::Failed)
    }
}
