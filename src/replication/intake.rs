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
//! Where a file cannot be made or filled it is built beside the old data, too: at once, or the
//! next time if all that came was to be checked only.
//!
//! Whatever goes wrong before the old data makes way leaves it as it was. With
//! `flush-before-load` that is when the header has been read and found good, otherwise when
//! the last byte has been, checksum included. From the moment that a file takes the name of
//! our own it is whole, so that a crash costs nothing but the time of a start.

mod loading;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::spawn_blocking;

pub use loading::{Loading, Made};

use super::line::LogLine;
use super::spool::Spool;
use crate::base::os_error;
use crate::config::DisklessLoad;
use crate::exec::Engine;
use crate::persist::load::{Load, LoadError, LoadOptions};
use crate::shared::Shared;
use crate::store::locked::Locker;
use loading::{Work, begin_loading, drop_old, end_loading, keep, path_of};

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

    /// The same where a file cannot be made or filled: beside the old data.
    #[must_use]
    pub fn without_disk(self) -> Plan {
        Plan {
            to_disk: false,
            builds: true,
            old: match self.builds {
                true => self.old,
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
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    /// It is not wanted.
    Offer,
    /// It cannot be loaded.
    Data(LoadError),
    /// It cannot be kept in a file.
    Disk,
}

impl Trouble {
    #[must_use]
    pub fn new(reason: String, line: String) -> Trouble {
        Trouble {
            reason,
            line,
            cause: Cause::Offer,
        }
    }

    fn disk(line: String) -> Trouble {
        Trouble {
            cause: Cause::Disk,
            ..Trouble::new(line.clone(), line)
        }
    }

    fn load(error: LoadError, medium: &str) -> Trouble {
        let reason = error.kind.reason();
        Trouble {
            line: format!(
                "Failed trying to load the MASTER synchronization DB from {medium}: {reason}"
            ),
            reason,
            cause: Cause::Data(error),
        }
    }

    #[must_use]
    pub fn is_of_disk(&self) -> bool {
        matches!(self.cause, Cause::Disk)
    }

    pub fn log(&self) {
        if let Cause::Data(error) = &self.cause {
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
                         {}. Loading from the socket instead",
                        os_error::words(&error)
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
        let Some(spool) = &mut self.spool else {
            return Ok(());
        };
        match spool.write(bytes) {
            Err(error) if self.plan.builds => {
                LogLine::warning(format!("{error}. Loading from the socket alone")).log();
                self.spool = None;
                self.plan = self.plan.without_disk();
                Ok(())
            }
            written => written.map_err(Trouble::disk),
        }
    }

    /// All bytes have come: has threads make our file of what was spooled, and wait for what is
    /// built. `may_take` hears of the number of keys before that of a spooled snapshot.
    pub fn finish(
        self,
        engine: &Arc<Engine>,
        may_take: impl FnOnce(u64) -> Result<(), Trouble> + Send + 'static,
    ) -> Loading {
        if self.plan.builds && self.plan.old == Old::Served {
            LogLine::notice("MASTER <-> REPLICA sync: Loading DB in memory").log();
        }
        let engine = engine.clone();
        let (plan, load, spool) = (self.plan, self.load, self.spool);
        let file = spool.is_some().then(|| path_of(&engine.shared));
        let path = file.clone();
        let failed = move |error| Trouble::load(error, plan.medium());
        let to_keep = file.zip(spool);
        let work = match to_keep {
            Some((file, spool)) if !plan.builds => Work::Keeping(spawn_blocking(move || {
                may_take(load.finish().map_err(failed)?.keys())?;
                keep(engine, spool, &file).map_err(Trouble::disk)
            })),
            to_keep => Work::Making(spawn_blocking(move || {
                let loaded = load.finish().map_err(failed)?;
                if let Some((file, spool)) = to_keep
                    && let Err(error) = keep(engine, spool, &file)
                {
                    // The data is there all the same.
                    LogLine::warning(error).log();
                }
                Ok(Box::new(loaded))
            })),
        };
        Loading {
            work,
            path,
            plan,
            cancel: self.cancel,
            old_is_gone: self.old_is_gone,
        }
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
        for choice in [DisklessLoad::SwapDb, DisklessLoad::FlushBeforeLoad] {
            let plan = Plan::choose(choice, now(true));
            assert_eq!(plan.without_disk(), plan);
        }
    }
}
