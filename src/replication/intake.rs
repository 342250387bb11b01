//! A leader's snapshot is put in the place of our data.
//!
//! ```text
//!   payload --checked--> spool --whole--> dump file --+--> old data dropped, LOADING --> load
//!                          |                          +--> loaded beside it (swapdb)
//!                          +-- broken: the old data stays, and is served all the while
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, spawn_blocking};

use super::line::LogLine;
use super::roles;
use super::spool::Spool;
use crate::base::clock;
use crate::config::{DisklessLoad, Param};
use crate::exec::Engine;
use crate::oplog::ReplId;
use crate::persist::load::{Loaded, load_file};
use crate::shared::{Garbage, Shared};
use crate::store::locked::Locker;

/// How long a running save is waited for after it was told to stop.
const SAVE_STOPS_WITHIN: Duration = Duration::from_secs(10);

const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A load that runs on a thread of its own.
pub struct Loading {
    pub result: JoinHandle<Result<Box<Loaded>, String>>,
    path: PathBuf,
    /// The old data is served meanwhile.
    is_aside: bool,
}

/// Makes the spooled snapshot our file, and begins to load it. From here on clients are
/// answered LOADING, unless the load goes on beside the data that is there.
///
/// # Errors
/// The snapshot is not whole, or cannot be kept: our data stays as it is.
pub fn begin(engine: &Arc<Engine>, locker: &mut Locker, spool: Spool) -> Result<Loading, String> {
    let shared = &engine.shared;
    stop_save(shared);
    let path = shared.config.path(Param::DbFilename);
    let path = path.unwrap_or_else(|| shared.config.dir().join("dump.rdb"));
    let total_bytes = spool.written_bytes();
    spool.keep_as(&path)?;
    let choice = shared
        .config
        .choice::<DisklessLoad>(Param::ReplDisklessLoad);
    let is_aside = choice == DisklessLoad::SwapDb;
    enter(shared, locker, total_bytes, is_aside);
    LogLine::notice("MASTER <-> REPLICA sync: Loading DB in memory").log();
    let (engine, from) = (engine.clone(), path.clone());
    let result = spawn_blocking(move || match load_file(&engine.shared, &from) {
        Ok(Some(loaded)) => Ok(Box::new(loaded)),
        Ok(None) => Err(format!("{} has gone", from.display())),
        Err(error) => Err(error.to_string()),
    });
    Ok(Loading {
        result,
        path,
        is_aside,
    })
}

/// A save that ends later would put our old data in the place of the new file.
fn stop_save(shared: &Shared) {
    let saves = &shared.jobs.saves;
    if !saves.is_running() {
        return;
    }
    let pid = std::process::id();
    LogLine::notice(format!(
        "Replica is about to load the RDB file received from the master, but there is a pending \
         RDB child running. Killing process {pid} and removing its temp file to avoid any race"
    ))
    .log();
    saves.cancel.store(true, Ordering::Relaxed);
    let started = Instant::now();
    while saves.is_running() && started.elapsed() < SAVE_STOPS_WITHIN {
        std::thread::sleep(LOOK_EVERY);
    }
}

fn enter(shared: &Shared, locker: &mut Locker, total_bytes: u64, is_aside: bool) {
    let mut locked = shared.keyspace.lock_everything(locker);
    let loading = &shared.jobs.loading;
    loading.is_aside.store(is_aside, Ordering::Relaxed);
    loading.begin(clock::unix_ms(), total_bytes);
    if is_aside {
        return;
    }
    LogLine::notice("MASTER <-> REPLICA sync: Flushing old data").log();
    for db in 0..shared.keyspace.database_count() as u32 {
        if let Some(tables) = locked.flush(db) {
            shared.free_elsewhere(Garbage::Tables(tables));
        }
    }
}

impl Loading {
    /// Puts what was loaded in its place; our history is the leader's from here on. Returns
    /// the database that its stream has selected.
    pub fn install(
        self,
        shared: &Shared,
        locker: &mut Locker,
        loaded: Loaded,
        from: Option<(ReplId, u64)>,
    ) -> u32 {
        let db = loaded.replication().and_then(|facts| facts.stream_db);
        let keys = loaded.keys_loaded;
        let mut locked = shared.keyspace.lock_everything(locker);
        if self.is_aside {
            LogLine::notice("MASTER <-> REPLICA sync: Swapping active DB with loaded DB").log();
        }
        loaded.install(shared, &mut locked);
        roles::adopt_full(shared, &locked, from, db);
        shared.role.set_link_up(true);
        let loading = &shared.jobs.loading;
        loading.last_keys_loaded.store(keys, Ordering::Relaxed);
        loading.end();
        shared.stats.dirty.store(0, Ordering::Relaxed);
        drop(locked);
        self.remove_file(shared);
        LogLine::notice("MASTER <-> REPLICA sync: Finished with success").log();
        db.unwrap_or(0)
    }

    /// The load failed. What it was to replace is gone, and the history with it, unless it
    /// went on beside the old data. True if the old data is still there.
    pub fn give_up(self, shared: &Shared, locker: &mut Locker) -> bool {
        let locked = shared.keyspace.lock_everything(locker);
        if !self.is_aside {
            roles::lose_history(shared, &locked);
        }
        shared.jobs.loading.end();
        self.is_aside
    }

    fn remove_file(&self, shared: &Shared) {
        let config = &shared.config;
        if config.get_bool(Param::RdbDelSyncFiles) && config.save_points().is_empty() {
            LogLine::notice(
                "Removing the RDB file obtained from the master. This replica has persistence \
                 disabled",
            )
            .log();
            if let Err(error) = std::fs::remove_file(&self.path) {
                tracing::warn!("Cannot remove {}: {error}", self.path.display());
            }
        }
    }
}
