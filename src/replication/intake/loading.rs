//! All of a snapshot has come: it is made our file and put in the place of our data.
//!
//! ```text
//!   built on the way     threads end it, and the spool becomes our file if there is one
//!   only checked so far  the spool becomes our file, the old data goes, the file is loaded
//! ```
//!
//! Both wait for the disk, and the link must not: its leader would take us for dead. So it is
//! done by threads of the runtime's, and what changes what we serve is done in between, by the
//! thread of the link.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::super::line::LogLine;
use super::super::roles;
use super::super::spool::Spool;
use super::{Old, Plan, Trouble};
use crate::base::clock;
use crate::config::Param;
use crate::exec::Engine;
use crate::oplog::ReplId;
use crate::persist::load::{Loaded, load_file};
use crate::shared::{Garbage, Shared};
use crate::store::locked::{Locked, Locker};

/// A snapshot that is made ready by another thread.
pub struct Loading {
    pub(super) work: Work,
    pub(super) path: Option<PathBuf>,
    pub(super) plan: Plan,
    pub(super) cancel: Arc<AtomicBool>,
    pub(super) old_is_gone: bool,
}

/// What that thread does.
pub(super) enum Work {
    /// It makes the spooled snapshot our file.
    Keeping(JoinHandle<Result<Kept, Trouble>>),
    /// It makes the data.
    Making(JoinHandle<Result<Box<Loaded>, Trouble>>),
}

/// What it has done.
pub enum Made {
    /// Our file is the leader's, to be loaded by `Loading::load`.
    Kept(Kept),
    Data(Box<Loaded>),
}

/// A file that was made ours, as long as no save can be in its place.
pub struct Kept {
    path: PathBuf,
    file_bytes: u64,
    _no_saves: NoSaves,
}

impl Loading {
    /// What was made, or why it is of no use.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Made, Trouble>> {
        let ended = |_: JoinError| {
            let line = "The load of the MASTER synchronization DB ended early".to_owned();
            Trouble::new(line.clone(), line)
        };
        Poll::Ready(match &mut self.work {
            Work::Keeping(work) => {
                let kept = ready!(Pin::new(work).poll(cx));
                kept.map_err(ended).flatten().map(Made::Kept)
            }
            Work::Making(work) => {
                let data = ready!(Pin::new(work).poll(cx));
                data.map_err(ended).flatten().map(Made::Data)
            }
        })
    }

    /// Whether the old data is still there.
    pub fn keeps_old(&self) -> bool {
        !self.old_is_gone
    }

    /// Whether our role has to stay as it is: the file or the data is between two histories.
    pub fn is_bound(&self) -> bool {
        self.old_is_gone || matches!(self.work, Work::Keeping(_))
    }

    /// Drops the old data and has the file loaded.
    pub fn load(&mut self, engine: &Arc<Engine>, locker: &mut Locker, kept: Kept) {
        let shared = &engine.shared;
        let mut locked = shared.keyspace.lock_everything(locker);
        begin_loading(shared, &locked, Old::Dropped, kept.file_bytes);
        drop_old(shared, &mut locked);
        drop(locked);
        LogLine::notice("MASTER <-> REPLICA sync: Loading DB in memory").log();
        self.old_is_gone = true;
        let medium = self.plan.medium();
        let engine = engine.clone();
        // Nobody saves while we load.
        let Kept { path, .. } = kept;
        self.work = Work::Making(spawn_blocking(move || {
            match load_file(&engine.shared, &path) {
                Ok(Some(loaded)) => Ok(Box::new(loaded)),
                Ok(None) => Err(Trouble::disk(format!("{} has gone", path.display()))),
                Err(error) => Err(Trouble::load(error, medium)),
            }
        }));
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

pub(super) fn path_of(shared: &Shared) -> PathBuf {
    let path = shared.config.path(Param::DbFilename);
    path.unwrap_or_else(|| shared.config.dir().join("dump.rdb"))
}

/// Makes the spool our file. Blocks.
///
/// # Errors
/// The file system refused.
pub(super) fn keep(engine: Arc<Engine>, mut spool: Spool, path: &Path) -> Result<Kept, String> {
    let file_bytes = spool.written_bytes();
    spool.force_all()?;
    let no_saves = NoSaves::begin(engine);
    spool.keep_as(path)?;
    Ok(Kept {
        path: path.to_owned(),
        file_bytes,
        _no_saves: no_saves,
    })
}

/// No save replaces our file as long as this is there: it would put our old data in the place
/// of the leader's.
struct NoSaves(Arc<Engine>);

impl NoSaves {
    fn begin(engine: Arc<Engine>) -> NoSaves {
        let saves = &engine.shared.jobs.saves;
        if saves.is_running() {
            let pid = std::process::id();
            LogLine::notice(format!(
                "Replica is about to load the RDB file received from the master, but there is a \
                 pending RDB child running. Killing process {pid} and removing its temp file to \
                 avoid any race"
            ))
            .log();
        }
        saves.hold();
        NoSaves(engine)
    }
}

impl Drop for NoSaves {
    fn drop(&mut self) {
        self.0.shared.jobs.saves.release();
    }
}

/// Who may run commands depends on it, so it changes while everything is locked.
pub(super) fn begin_loading(shared: &Shared, _: &Locked, old: Old, total_bytes: u64) {
    let loading = &shared.jobs.loading;
    let is_aside = old == Old::ServedAside;
    loading.is_aside.store(is_aside, Ordering::Relaxed);
    loading.begin(clock::unix_ms(), total_bytes);
}

/// The old data goes, and those who follow us with it: what they have had is no part of what
/// comes.
pub(super) fn drop_old(shared: &Shared, locked: &mut Locked) {
    LogLine::notice("MASTER <-> REPLICA sync: Flushing old data").log();
    for db in 0..shared.keyspace.database_count() as u32 {
        if let Some(tables) = locked.flush(db) {
            shared.free_elsewhere(Garbage::Tables(tables));
        }
    }
    shared.tell_replaced(locked);
    roles::drop_followers(shared);
}

pub(super) fn end_loading(
    shared: &Shared,
    locker: &mut Locker,
    plan: Plan,
    old_is_gone: bool,
) -> bool {
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
