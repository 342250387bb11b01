//! The thread that saves: what it refuses, counts and notes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use lockstep::commands::FAMILIES;
use lockstep::commands::registry::Registry;
use lockstep::exec::Engine;
use lockstep::persist::saver::{SaveRefused, Saver};
use lockstep::store::locked::Locker;

use crate::{model, shared};

struct Server {
    engine: Arc<Engine>,
    saver: Saver,
    dir: tempfile::TempDir,
}

impl Server {
    /// A server with some keys and 10 changes.
    fn new(directives: &[(&str, &str)]) -> Server {
        let dir = tempfile::tempdir().unwrap();
        let shared = shared::in_dir(dir.path(), directives);
        let shared = Arc::into_inner(shared).expect("nobody else has it");
        let mut locker = Locker::new(&shared.keyspace, 0);
        model::put(&shared, &mut locker, &model::some());
        shared.stats.dirty.store(10, Ordering::Relaxed);
        let registry = Registry::new(FAMILIES);
        let engine = Arc::new(Engine { shared, registry });
        let saver = Saver::spawn(Arc::clone(&engine), 1).unwrap();
        Server { engine, saver, dir }
    }

    fn set(&self, name: &str, value: &str) {
        shared::set(&self.engine.shared, name, value);
    }

    fn dirty(&self) -> u64 {
        self.engine.shared.stats.dirty.load(Ordering::Relaxed)
    }

    fn file(&self) -> std::path::PathBuf {
        self.dir.path().join("dump.rdb")
    }

    /// Waits until no save runs.
    fn settle(&self) {
        until("the save ends", || {
            !self.engine.shared.jobs.saves.is_running()
        });
    }

    /// BGSAVE, and a change right after its reply.
    fn begin(&self) {
        let Ok(cut) = self.saver.background_save() else {
            panic!("it begins");
        };
        cut.blocking_recv().unwrap();
        self.engine
            .shared
            .stats
            .dirty
            .fetch_add(3, Ordering::Relaxed);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.saver.stop();
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_whole(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|file| model::of_file(&file) == model::some())
}

#[test]
fn a_save_in_the_background_takes_its_changes_off_the_count() {
    let server = Server::new(&[("save", "\"\"")]);
    server.begin();
    server.settle();
    let saves = &server.engine.shared.jobs.saves;
    assert_eq!(server.dirty(), 3);
    assert!(is_whole(&server.file()));
    assert_eq!(saves.count.load(Ordering::Relaxed), 1);
    let keys = model::some().len() as u64;
    assert_eq!(saves.keys_total.load(Ordering::Relaxed), keys);
    assert_eq!(saves.keys_done.load(Ordering::Relaxed), keys);
    assert!(!saves.last_failed());
    assert!(saves.last_save_unix_s.load(Ordering::Relaxed) > 0);
}

#[test]
fn one_save_at_a_time() {
    let server = Server::new(&[("save", "\"\""), ("rdb-key-save-delay", "10000000")]);
    server.begin();
    assert_eq!(server.saver.save().err(), Some(SaveRefused::Running));
    let refused = server.saver.background_save().err();
    assert_eq!(refused, Some(SaveRefused::Running));
    // As a transaction does that began before the save.
    let saves = &server.engine.shared.jobs.saves;
    saves.scheduled.store(true, Ordering::Relaxed);
    // The delay is looked up anew while it is slept.
    server.set("rdb-key-save-delay", "0");
    until("both saves end", || {
        saves.count.load(Ordering::Relaxed) == 2
    });
    server.settle();
    assert!(!saves.scheduled.load(Ordering::Relaxed));
    let report = server
        .saver
        .save()
        .unwrap()
        .blocking_recv()
        .unwrap()
        .unwrap();
    assert_eq!(report.keys, model::some().len() as u64);
    assert_eq!(saves.count.load(Ordering::Relaxed), 3);
}

#[test]
fn a_cancelled_save_is_no_failure_and_keeps_its_changes() {
    let server = Server::new(&[("save", "\"\""), ("rdb-key-save-delay", "10000000")]);
    server.begin();
    let saves = &server.engine.shared.jobs.saves;
    assert!(saves.is_running());
    server.saver.cancel();
    server.settle();
    assert_eq!(server.dirty(), 13);
    assert!(!saves.last_failed());
    assert_eq!(saves.count.load(Ordering::Relaxed), 0);
    assert_eq!(std::fs::read_dir(server.dir.path()).unwrap().count(), 0);

    server.begin();
    server.set("rdb-key-save-delay", "1");
    let instead = server.saver.save_instead().blocking_recv().unwrap();
    assert!(instead.is_ok());
    assert!(is_whole(&server.file()));
    assert_eq!(server.dirty(), 0);
}

#[test]
fn a_failed_save_is_remembered_until_one_succeeds() {
    let server = Server::new(&[("save", "\"\""), ("dbfilename", "taken")]);
    std::fs::create_dir_all(server.dir.path().join("taken/full")).unwrap();
    let saves = &server.engine.shared.jobs.saves;
    let error = server.saver.save().unwrap().blocking_recv().unwrap();
    assert!(error.is_err());
    // Whoever asked was told: no reason to refuse writes.
    assert!(!saves.last_failed());
    server.saver.background_save().unwrap();
    until("it has failed", || saves.last_failed());
    assert!(saves.last_error.lock().starts_with("cannot rename "));
    assert_eq!(server.dirty(), 10);
    std::fs::remove_dir_all(server.dir.path().join("taken")).unwrap();
    server
        .saver
        .save()
        .unwrap()
        .blocking_recv()
        .unwrap()
        .unwrap();
    assert!(!saves.last_failed());
}

#[test]
fn enough_changes_are_saved_unasked() {
    let server = Server::new(&[("save", "1 10")]);
    let saves = &server.engine.shared.jobs.saves;
    until("it saves", || saves.count.load(Ordering::Relaxed) == 1);
    server.settle();
    assert!(is_whole(&server.file()));
    assert_eq!(server.dirty(), 0);
}

#[test]
fn the_progress_of_a_slow_save_can_be_watched() {
    let server = Server::new(&[("save", "\"\""), ("rdb-key-save-delay", "50000")]);
    server.begin();
    let saves = &server.engine.shared.jobs.saves;
    let mut seen = Vec::new();
    while saves.is_running() {
        seen.push(saves.keys_done.load(Ordering::Relaxed));
        std::thread::sleep(Duration::from_millis(5));
    }
    seen.dedup();
    assert!(seen.is_sorted() && seen.len() >= 4, "{seen:?}");
}
