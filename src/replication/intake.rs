//! A leader's snapshot comes in and is put in the place of our data.
//!
//! ```text
//!                     we hold data                         we hold none
//!   disabled          to a file, checked on the way;       to a file, and built on the way
//!                     then loaded from it: LOADING
//!   on-empty-db       as above                             built on the way: LOADING
//!   swapdb            built on the way beside the old data, which then makes way; meanwhile it
//!                     is served (async loading), or LOADING if it is of another history
//!   flush-before-load built on the way in the place of the old data: LOADING
//! ```
//!
//! Whatever goes wrong before the old data makes way leaves it as it was. With
//! `flush-before-load` that is when the header has been read and found good, otherwise when
//! the last byte has been, checksum included. From the moment that a file takes the name of
//! our own it is whole, so that a crash costs nothing but the time of a start.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, spawn_blocking};

use super::line::LogLine;
use super::roles;
use super::spool::Spool;
use crate::base::clock;
use crate::config::{DisklessLoad, Param};
use crate::exec::Engine;
use crate::oplog::ReplId;
use crate::persist::load::{Load, LoadError, LoadOptions, Loaded, load_file};
use crate::shared::{Garbage, Shared};
use crate::store::locked::{Locked, Locker};

/// How long a running save is waited for after it was told to stop.
const SAVE_STOPS_WITHIN: Duration = Duration::from_secs(10);

const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What becomes of the old data while a snapshot comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Old {
    /// It is served, as if nothing came.
    Served,
    /// It is served, and clients may know why.
    ServedAside,
    /// It is kept, but clients are answered LOADING.
    Hidden,
    /// It goes as soon as the header is known to be good; LOADING.
    Dropped,
}

/// How a snapshot is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    to_disk: bool,
    /// It is built as it comes, not only checked.
    builds: bool,
    old: Old,
}

/// What the plan depends on besides the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    pub holds_data: bool,
    /// The old data is an earlier state of what comes.
    pub same_history: bool,
    /// Whether the old data may go is known only when all has come.
    pub in_doubt: bool,
}

impl Plan {
    #[must_use]
    pub fn choose(choice: DisklessLoad, now: Circumstances) -> Plan {
        let (to_disk, builds, old) = match choice {
            DisklessLoad::OnEmptyDb if !now.holds_data => (false, true, Old::Hidden),
            DisklessLoad::Disabled | DisklessLoad::OnEmptyDb => {
                (true, !now.holds_data, Old::Served)
            }
            DisklessLoad::FlushBeforeLoad if !now.in_doubt => (false, true, Old::Dropped),
            DisklessLoad::SwapDb | DisklessLoad::FlushBeforeLoad => {
                let served = now.same_history;
                (
                    false,
                    true,
                    if served {
                        Old::ServedAside
                    } else {
                        Old::Hidden
                    },
                )
            }
        };
        Plan {
            to_disk,
            builds,
            old,
        }
    }

    /// Whether the snapshot never touches the disk.
    #[must_use]
    pub fn is_diskless(self) -> bool {
        !self.to_disk
    }

    /// The same where no file can be made: beside the old data.
    fn without_disk(self) -> Plan {
        Plan {
            to_disk: false,
            builds: true,
            old: match self.builds {
                true => Old::Served,
                false => Old::ServedAside,
            },
        }
    }

    fn medium(self) -> &'static str {
        match self.to_disk {
            true => "disk",
            false => "socket",
        }
    }
}

/// Why a snapshot is of no use.
#[derive(Debug)]
pub struct Trouble {
    /// The same words whenever the same thing happens again.
    pub reason: String,
    line: String,
    error: Option<LoadError>,
}

impl Trouble {
    #[must_use]
    pub fn new(reason: String, line: String) -> Trouble {
        Trouble {
            reason,
            line,
            error: None,
        }
    }

    fn disk(line: String) -> Trouble {
        Trouble::new(line.clone(), line)
    }

    fn load(error: LoadError, medium: &str) -> Trouble {
        let reason = error.kind.reason();
        Trouble {
            line: format!(
                "Failed trying to load the MASTER synchronization DB from {medium}: {reason}"
            ),
            reason,
            error: Some(error),
        }
    }

    pub fn log(&self) {
        if let Some(error) = &self.error {
            error.report();
        }
        LogLine::warning(&self.line).log();
    }
}

/// A snapshot that is coming.
pub struct Intake {
    plan: Plan,
    spool: Option<Spool>,
    load: Load,
    cancel: Arc<AtomicBool>,
    old_is_gone: bool,
}

impl Intake {
    /// Begins. `announced_bytes` is what the leader says of the length.
    ///
    /// # Errors
    /// There are no threads to be had.
    pub fn begin(
        shared: &Shared,
        locker: &mut Locker,
        mut plan: Plan,
        announced_bytes: Option<u64>,
    ) -> Result<Intake, Trouble> {
        let mut spool = None;
        if plan.to_disk {
            match Spool::create(&shared.config.dir()) {
                Ok(created) => spool = Some(created),
                Err(error) => {
                    LogLine::warning(format!(
                        "Opening the temp file needed for MASTER <-> REPLICA synchronization: \
                         {error}. Loading from the socket instead"
                    ))
                    .log();
                    plan = plan.without_disk();
                }
            }
        }
        let cancel = Arc::new(AtomicBool::new(false));
        let options = LoadOptions {
            follower: true,
            origin: "the master's snapshot".to_owned(),
            cancel: cancel.clone(),
            total_bytes: None,
        };
        let load = match plan.builds {
            true => Load::begin(shared, options),
            false => Ok(Load::check(shared, options)),
        };
        let load = load.map_err(|error| Trouble::load(error, plan.medium()))?;
        if plan.old != Old::Served {
            let locked = shared.keyspace.lock_everything(locker);
            begin_loading(shared, &locked, plan.old, announced_bytes.unwrap_or(0));
            drop(locked);
            LogLine::notice("MASTER <-> REPLICA sync: Loading DB in memory").log();
        }
        Ok(Intake {
            plan,
            spool,
            load,
            cancel,
            old_is_gone: false,
        })
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// They cannot be loaded, or not be kept.
    pub fn take(
        &mut self,
        shared: &Shared,
        locker: &mut Locker,
        bytes: &[u8],
    ) -> Result<(), Trouble> {
        let medium = self.plan.medium();
        let fed = self.load.feed(shared, bytes);
        fed.map_err(|error| Trouble::load(error, medium))?;
        if self.plan.old == Old::Dropped && !self.old_is_gone && self.load.offset() > 0 {
            self.old_is_gone = true;
            let mut locked = shared.keyspace.lock_everything(locker);
            drop_old(shared, &mut locked);
        }
        match &mut self.spool {
            Some(spool) => spool.write(bytes).map_err(Trouble::disk),
            None => Ok(()),
        }
    }

    /// All bytes have come: makes the spooled snapshot our file and loads it, or waits for
    /// what is built. `may_take` hears of the number of keys before old data is dropped.
    ///
    /// # Errors
    /// The snapshot is not whole, cannot be kept, or may not be taken: our data stays as it
    /// is.
    pub fn finish(
        self,
        engine: &Arc<Engine>,
        locker: &mut Locker,
        may_take: impl FnOnce(u64) -> Result<(), Trouble>,
    ) -> Result<Loading, Trouble> {
        if self.spool.is_some() {
            stop_save(&engine.shared);
        }
        match self.plan.builds {
            true => Ok(self.wait_for_builders(engine)),
            false => self.load_spooled(engine, locker, may_take),
        }
    }

    fn wait_for_builders(self, engine: &Arc<Engine>) -> Loading {
        if self.plan.old == Old::Served {
            LogLine::notice("MASTER <-> REPLICA sync: Loading DB in memory").log();
        }
        let path = self.spool.is_some().then(|| path_of(&engine.shared));
        let (plan, load, spool, file) = (self.plan, self.load, self.spool, path.clone());
        let result = spawn_blocking(move || {
            let loaded = load.finish();
            let loaded = loaded.map_err(|error| Trouble::load(error, plan.medium()))?;
            if let (Some(spool), Some(file)) = (spool, file)
                && let Err(error) = spool.keep_as(&file)
            {
                // The data is there all the same.
                LogLine::warning(error).log();
            }
            Ok(Box::new(loaded))
        });
        Loading {
            result,
            path,
            plan,
            cancel: self.cancel,
            old_is_gone: self.old_is_gone,
        }
    }

    fn load_spooled(
        self,
        engine: &Arc<Engine>,
        locker: &mut Locker,
        may_take: impl FnOnce(u64) -> Result<(), Trouble>,
    ) -> Result<Loading, Trouble> {
        let plan = self.plan;
        let failed = |error| Trouble::load(error, plan.medium());
        let checked = self.load.finish().map_err(failed)?;
        may_take(checked.keys())?;
        let shared = &engine.shared;
        let path = path_of(shared);
        let mut total_bytes = 0;
        if let Some(spool) = self.spool {
            total_bytes = spool.written_bytes();
            spool.keep_as(&path).map_err(Trouble::disk)?;
        }
        let mut locked = shared.keyspace.lock_everything(locker);
        begin_loading(shared, &locked, Old::Dropped, total_bytes);
        drop_old(shared, &mut locked);
        drop(locked);
        LogLine::notice("MASTER <-> REPLICA sync: Loading DB in memory").log();
        let (engine, from) = (engine.clone(), path.clone());
        let result = spawn_blocking(move || match load_file(&engine.shared, &from) {
            Ok(Some(loaded)) => Ok(Box::new(loaded)),
            Ok(None) => Err(Trouble::disk(format!("{} has gone", from.display()))),
            Err(error) => Err(Trouble::load(error, plan.medium())),
        });
        Ok(Loading {
            result,
            path: Some(path),
            plan,
            cancel: self.cancel,
            old_is_gone: true,
        })
    }

    /// The link has broken: no more bytes will come.
    pub fn break_off(self, shared: &Shared, locker: &mut Locker) -> bool {
        if !self.plan.to_disk {
            Trouble::load(self.load.truncated(), self.plan.medium()).log();
        }
        self.give_up(shared, locker)
    }

    /// Gives the snapshot up. True if the old data is still there.
    pub fn give_up(self, shared: &Shared, locker: &mut Locker) -> bool {
        self.cancel.store(true, Ordering::Relaxed);
        end_loading(shared, locker, self.plan, self.old_is_gone)
    }
}

/// All of a snapshot has come; another thread makes it ready.
pub struct Loading {
    pub result: JoinHandle<Result<Box<Loaded>, Trouble>>,
    path: Option<PathBuf>,
    plan: Plan,
    cancel: Arc<AtomicBool>,
    old_is_gone: bool,
}

impl Loading {
    /// Whether the old data is still there.
    pub fn keeps_old(&self) -> bool {
        !self.old_is_gone
    }

    /// Puts what was loaded in its place; our history is the leader's from here on. Returns
    /// the database that its stream has selected.
    pub fn install(
        self,
        shared: &Shared,
        locker: &mut Locker,
        loaded: Loaded,
        from: Option<(ReplId, u64)>,
        link_is_up: bool,
    ) -> u32 {
        let db = loaded.replication().and_then(|facts| facts.stream_db);
        let keys = loaded.keys_loaded;
        let swaps = matches!(self.plan.old, Old::ServedAside | Old::Hidden);
        if swaps {
            LogLine::notice("MASTER <-> REPLICA sync: Swapping active DB with loaded DB").log();
        }
        let mut locked = shared.keyspace.lock_everything(locker);
        loaded.install(shared, &mut locked);
        roles::adopt_full(shared, &locked, from, db);
        shared.role.set_link_up(link_is_up);
        let loading = &shared.jobs.loading;
        loading.last_keys_loaded.store(keys, Ordering::Relaxed);
        loading.end();
        shared.stats.dirty.store(0, Ordering::Relaxed);
        drop(locked);
        if swaps {
            LogLine::notice("MASTER <-> REPLICA sync: Discarding old DB in background").log();
        }
        self.remove_file(shared);
        LogLine::notice("MASTER <-> REPLICA sync: Finished with success").log();
        db.unwrap_or(0)
    }

    /// The load failed, or is not wanted any more. What it was to replace may be gone, and
    /// the history with it. True if the old data is still there.
    pub fn give_up(self, shared: &Shared, locker: &mut Locker) -> bool {
        self.cancel.store(true, Ordering::Relaxed);
        end_loading(shared, locker, self.plan, self.old_is_gone)
    }

    fn remove_file(&self, shared: &Shared) {
        let config = &shared.config;
        if let Some(path) = &self.path
            && config.get_bool(Param::RdbDelSyncFiles)
            && config.save_points().is_empty()
        {
            LogLine::notice(
                "Removing the RDB file obtained from the master. This replica has persistence \
                 disabled",
            )
            .log();
            if let Err(error) = std::fs::remove_file(path) {
                tracing::warn!("Cannot remove {}: {error}", path.display());
            }
        }
    }
}

fn path_of(shared: &Shared) -> PathBuf {
    let path = shared.config.path(Param::DbFilename);
    path.unwrap_or_else(|| shared.config.dir().join("dump.rdb"))
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

/// Who may run commands depends on it, so it changes while everything is locked.
fn begin_loading(shared: &Shared, _: &Locked, old: Old, total_bytes: u64) {
    let loading = &shared.jobs.loading;
    let is_aside = old == Old::ServedAside;
    loading.is_aside.store(is_aside, Ordering::Relaxed);
    loading.begin(clock::unix_ms(), total_bytes);
}

/// The old data goes, and those who follow us with it: what they have had is no part of what
/// comes.
fn drop_old(shared: &Shared, locked: &mut Locked) {
    LogLine::notice("MASTER <-> REPLICA sync: Flushing old data").log();
    for db in 0..shared.keyspace.database_count() as u32 {
        if let Some(tables) = locked.flush(db) {
            shared.free_elsewhere(Garbage::Tables(tables));
        }
    }
    shared.tell_replaced(locked);
    roles::drop_followers(shared);
}

fn end_loading(shared: &Shared, locker: &mut Locker, plan: Plan, old_is_gone: bool) -> bool {
    let locked = shared.keyspace.lock_everything(locker);
    if old_is_gone {
        roles::lose_history(shared, &locked);
    }
    shared.jobs.loading.end();
    drop(locked);
    if matches!(plan.old, Old::ServedAside | Old::Hidden) {
        LogLine::notice("MASTER <-> REPLICA sync: Discarding temporary DB in background").log();
    }
    !old_is_gone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_data_lets_it_go_as_late_as_it_is_allowed_to() {
        use DisklessLoad::{Disabled, FlushBeforeLoad, OnEmptyDb, SwapDb};
        let check = |choice, holds_data, same_history, expect| {
            let now = Circumstances {
                holds_data,
                same_history,
                in_doubt: false,
            };
            let plan = Plan::choose(choice, now);
            let (to_disk, builds, old) = expect;
            assert_eq!(
                (plan.to_disk, plan.builds, plan.old),
                (to_disk, builds, old)
            );
        };
        check(Disabled, true, true, (true, false, Old::Served));
        check(Disabled, false, true, (true, true, Old::Served));
        check(OnEmptyDb, true, true, (true, false, Old::Served));
        check(OnEmptyDb, false, true, (false, true, Old::Hidden));
        check(SwapDb, true, true, (false, true, Old::ServedAside));
        check(SwapDb, true, false, (false, true, Old::Hidden));
        check(SwapDb, false, true, (false, true, Old::ServedAside));
        check(FlushBeforeLoad, true, true, (false, true, Old::Dropped));
    }

    #[test]
    fn what_is_doubtful_drops_nothing_beforehand() {
        let now = Circumstances {
            holds_data: true,
            same_history: false,
            in_doubt: true,
        };
        let plan = Plan::choose(DisklessLoad::FlushBeforeLoad, now);
        assert_eq!(plan.old, Old::Hidden);
    }

    #[test]
    fn without_a_disk_the_old_data_is_kept_meanwhile() {
        let now = |holds_data| Circumstances {
            holds_data,
            same_history: false,
            in_doubt: false,
        };
        let plan = |holds_data| Plan::choose(DisklessLoad::Disabled, now(holds_data));
        let full = plan(true).without_disk();
        assert_eq!((full.builds, full.old), (true, Old::ServedAside));
        let empty = plan(false).without_disk();
        assert_eq!((empty.builds, empty.old), (true, Old::Served));
        assert!(full.is_diskless() && !plan(true).is_diskless());
    }
}
