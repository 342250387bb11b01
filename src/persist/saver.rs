//! The thread that saves: because somebody asked, or because it is time. One save at a time.
//!
//! A save counts as begun (`shared.jobs.saves`) from the moment it is asked for, so two
//! clients that ask at once get one save and one refusal.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::save::{self, Moment, SaveError, SaveReport};
use super::schedule::{self, Due, Facts};
use crate::base::clock;
use crate::config::Param;
use crate::exec::Engine;
use crate::shared::Shared;
use crate::store::locked::Locker;

/// How often the schedule is looked at.
const TICK: Duration = Duration::from_millis(100);

/// Added to the thread's niceness: whoever serves clients goes first. Not more than this,
/// for the thread nearly always holds a shard, and whoever wants that one waits until the
/// thread's turn has come.
pub const NICENESS: i32 = 5;

/// Why there is no save now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaveRefused {
    #[error("ERR Background save already in progress")]
    Running,
}

/// The result of a save, when there is one.
pub type Saved = oneshot::Receiver<Result<SaveReport, SaveError>>;

/// A handle to the thread. A clone is another one.
#[derive(Clone)]
pub struct Saver {
    engine: Arc<Engine>,
    asks: Sender<Ask>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
    ended: Arc<AtomicBool>,
}

enum Ask {
    /// It has been noted as running.
    Background(oneshot::Sender<()>),
    /// The same; someone waits for its end.
    Foreground(oneshot::Sender<Result<SaveReport, SaveError>>),
    /// It begins when what runs has ended.
    Instead(oneshot::Sender<Result<SaveReport, SaveError>>),
    End,
}

impl Saver {
    /// Starts the thread, to which alone `gate` belongs.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn spawn(engine: Arc<Engine>, gate: usize) -> io::Result<Saver> {
        let (asks, asked) = channel();
        let ended = Arc::new(AtomicBool::new(false));
        let task = Task {
            engine: Arc::clone(&engine),
            locker: Locker::new(&engine.shared.keyspace, gate),
            ended: Arc::clone(&ended),
        };
        let thread = std::thread::Builder::new()
            .name("saver".to_owned())
            .spawn(move || task.run(&asked))?;
        Ok(Saver {
            engine,
            asks,
            thread: Arc::new(Mutex::new(Some(thread))),
            ended,
        })
    }

    /// BGSAVE. What it returns resolves when what is saved is fixed; to be awaited before
    /// the reply, so that nothing the client does after it is in the file.
    ///
    /// # Errors
    /// A save runs.
    pub fn background_save(&self) -> Result<oneshot::Receiver<()>, SaveRefused> {
        let saves = &self.engine.shared.jobs.saves;
        if !saves.begin(clock::unix_ms()) {
            return Err(SaveRefused::Running);
        }
        let (cut, told) = oneshot::channel();
        self.ask(Ask::Background(cut));
        Ok(told)
    }

    /// SAVE.
    ///
    /// # Errors
    /// A save runs.
    pub fn save(&self) -> Result<Saved, SaveRefused> {
        let saves = &self.engine.shared.jobs.saves;
        if !saves.begin(clock::unix_ms()) {
            return Err(SaveRefused::Running);
        }
        let (done, result) = oneshot::channel();
        self.ask(Ask::Foreground(done));
        Ok(result)
    }

    /// Cancels what runs and saves then: SHUTDOWN, DEBUG RELOAD.
    pub fn save_instead(&self) -> Saved {
        self.cancel();
        let (done, result) = oneshot::channel();
        self.ask(Ask::Instead(done));
        result
    }

    /// Has a running save stop soon.
    pub fn cancel(&self) {
        self.engine
            .shared
            .jobs
            .saves
            .cancel
            .store(true, Ordering::Relaxed);
    }

    /// Ends the thread, cancelling what runs. What is asked for afterwards fails.
    pub fn stop(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.cancel();
        self.ask(Ask::End);
        if let Some(thread) = self.thread.lock().take() {
            // It ended either way.
            let _ = thread.join();
        }
    }

    fn ask(&self, ask: Ask) {
        if self.asks.send(ask).is_err() {
            // The thread is gone: a save that was begun for it will not be made.
            self.engine
                .shared
                .jobs
                .saves
                .end_cancelled(clock::unix_ms());
        }
    }
}

struct Task {
    engine: Arc<Engine>,
    locker: Locker,
    ended: Arc<AtomicBool>,
}

impl Task {
    fn run(mut self, asked: &Receiver<Ask>) {
        lower_priority();
        while !self.ended.load(Ordering::Relaxed) {
            match asked.recv_timeout(TICK) {
                Ok(Ask::Background(cut)) => {
                    // Nobody listens any more if the client is gone.
                    self.background(|| {
                        let _ = cut.send(());
                    });
                }
                Ok(Ask::Foreground(done)) => self.foreground(done),
                Ok(Ask::Instead(done)) => {
                    // Somebody else's save, asked for but not begun, comes after this one.
                    let now_ms = clock::unix_ms();
                    let taken = self.engine.shared.jobs.saves.begin(now_ms);
                    self.foreground(done);
                    if !taken {
                        self.engine.shared.jobs.saves.begin(clock::unix_ms());
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.tick(),
                Ok(Ask::End) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn tick(&mut self) {
        let shared = &self.engine.shared;
        let (jobs, saves) = (&shared.jobs, &shared.jobs.saves);
        if jobs.loading.is_active() || jobs.cron_is_paused.load(Ordering::Relaxed) {
            return;
        }
        let now_ms = clock::unix_ms();
        let points = shared.config.save_points();
        let due = schedule::due(&Facts {
            now_s: now_ms / 1000,
            dirty: shared.stats.dirty.load(Ordering::Relaxed),
            last_save_s: shared.last_save_unix_s(),
            last_try_s: saves.last_try_unix_s.load(Ordering::Relaxed),
            last_failed: saves.last_failed(),
            scheduled: saves.scheduled.load(Ordering::Relaxed),
            points: &points,
        });
        let Some(due) = due.filter(|_| saves.begin(now_ms)) else {
            return;
        };
        match due {
            Due::Asked => saves.scheduled.store(false, Ordering::Relaxed),
            Due::Point(point) => tracing::info!(
                "{} changes in {} seconds. Saving...",
                point.changes,
                point.seconds
            ),
        }
        self.background(|| ());
    }

    fn background(&mut self, on_cut: impl FnOnce()) {
        tracing::info!("Background saving started by pid {}", std::process::id());
        let result = self.save(on_cut);
        note_end(&self.engine.shared, &result, Asked::InBackground);
        match result {
            Ok(report) => {
                tracing::info!(
                    "Writers gave {:.1} MB to the snapshot, everything was locked for {} us",
                    report.given_bytes as f64 / 1e6,
                    report.cut_us
                );
                tracing::info!("Background saving terminated with success");
            }
            Err(SaveError::Cancelled) => tracing::warn!("Background saving terminated: cancelled"),
            Err(_) => tracing::warn!("Background saving error"),
        }
    }

    fn foreground(&mut self, done: oneshot::Sender<Result<SaveReport, SaveError>>) {
        let result = self.save(|| ());
        note_end(&self.engine.shared, &result, Asked::ByOneWhoWaits);
        // Nobody listens any more if the client is gone.
        let _ = done.send(result);
    }

    /// Makes a save that has been noted as running; its end has to be noted then.
    fn save(&mut self, on_cut: impl FnOnce()) -> Result<SaveReport, SaveError> {
        let mut on_cut = Some(on_cut);
        let mut tell = |moment| {
            if let (Moment::Cut, Some(on_cut)) = (moment, on_cut.take()) {
                on_cut();
            }
        };
        let shared = &self.engine.shared;
        save::save_to(shared, &mut self.locker, &target(shared), &mut tell)
    }
}

/// The file that saves go to.
pub fn target(shared: &Shared) -> PathBuf {
    let path = shared.config.path(Param::DbFilename);
    path.unwrap_or_else(|| shared.config.dir().join("dump.rdb"))
}

/// Who hears of a save's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nobody: if it fails, writes are refused until one succeeds.
    InBackground,
    /// Whoever asked is told that it failed (SAVE, SHUTDOWN).
    ByOneWhoWaits,
}

pub(super) fn note_end(shared: &Shared, result: &Result<SaveReport, SaveError>, asked: Asked) {
    let saves = &shared.jobs.saves;
    let now_ms = clock::unix_ms();
    match result {
        Ok(report) => {
            tracing::info!("DB saved on disk");
            let less = |dirty: u64| Some(dirty.saturating_sub(report.dirty));
            // It never fails, for `less` always gives a value.
            let _ = shared
                .stats
                .dirty
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
            saves
                .given_bytes
                .store(report.given_bytes, Ordering::Relaxed);
            saves.end(now_ms, true);
        }
        Err(SaveError::Cancelled) => saves.end_cancelled(now_ms),
        Err(error) => {
            tracing::warn!("Write error saving DB on disk: {error}");
            *saves.last_error.lock() = error.to_string();
            match asked {
                Asked::InBackground => saves.end(now_ms, false),
                Asked::ByOneWhoWaits => saves.end_cancelled(now_ms),
            }
        }
    }
}

/// Makes this thread give way to those that serve clients.
fn lower_priority() {
    static TOLD: OnceLock<()> = OnceLock::new();
    if let Err(error) = rustix::process::nice(NICENESS) {
        TOLD.get_or_init(|| tracing::warn!("Saves will not give way to clients: {error}"));
    }
}
