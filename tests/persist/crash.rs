//! Whatever happens to a save or to its file: there is one whole file, and a broken one
//! changes nothing.

use std::path::Path;
use std::sync::atomic::Ordering;

use lockstep::persist::load::{self, LoadErrorKind};
use lockstep::persist::save::{self, Moment, SaveError};
use lockstep::rdb::decode::DecodeErrorKind;
use lockstep::store::locked::Locker;

use crate::{model, shared};

/// Files in `dir`, by name.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let name = |entry: std::fs::DirEntry| entry.file_name().into_string().unwrap();
    let mut names: Vec<String> = entries.map(|entry| name(entry.unwrap())).collect();
    names.sort();
    names
}

#[test]
fn a_file_cut_or_changed_anywhere_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ours = shared::in_dir(dir.path(), &[]);
    let mut locker = Locker::new(&ours.keyspace, 0);
    model::put(&ours, &mut locker, &model::some());
    let path = dir.path().join("dump.rdb");
    model::save(&ours, &mut locker, &path);
    let whole = std::fs::read(&path).unwrap();
    let mut served = model::some();
    served.insert((0, b"unsaved".to_vec()), (b"value".to_vec(), None));
    model::put(&ours, &mut locker, &served);

    let mut refused = |file: &[u8]| {
        std::fs::write(&path, file).unwrap();
        let error = load::start(&ours, &mut locker, |_, _| ()).expect_err("it is broken");
        let offset = error.offset().expect("a place");
        assert!(offset <= file.len() as u64, "{error}");
        let place = format!("{}: at offset {offset}: ", path.display());
        assert!(error.to_string().starts_with(&place), "{error}");
        error
    };
    for end in 0..whole.len() {
        let error = refused(&whole[..end]);
        assert_eq!(error.offset(), Some(end as u64));
        let LoadErrorKind::Decode(error) = error.kind else {
            panic!("{error}");
        };
        assert_eq!(error.kind, DecodeErrorKind::Truncated);
    }
    let mut changed = whole.clone();
    // Another version number may be one that knows no checksum.
    let version = 5..9;
    for at in (0..whole.len()).filter(|at| !version.contains(at)) {
        for bits in [1, 0x80, 0xff] {
            changed[at] = whole[at] ^ bits;
            refused(&changed);
        }
        changed[at] = whole[at];
    }
    assert_eq!(model::of(&ours, &mut locker), served);
    std::fs::write(&path, &whole).unwrap();
    load::start(&ours, &mut locker, |_, _| ()).unwrap();
    assert_eq!(model::of(&ours, &mut locker), model::some());
}

#[test]
fn at_every_moment_of_a_save_there_is_one_whole_file() {
    let dir = tempfile::tempdir().unwrap();
    let ours = shared::in_dir(dir.path(), &[]);
    let mut locker = Locker::new(&ours.keyspace, 0);
    let path = dir.path().join("dump.rdb");
    let old = model::some();
    model::put(&ours, &mut locker, &old);
    model::save(&ours, &mut locker, &path);
    let new = model::some_long();
    model::put(&ours, &mut locker, &new);

    let mut told = Vec::new();
    let temp = format!("temp-{}.rdb", std::process::id());
    let mut look = |moment| {
        // What a machine that stops here finds when it starts again.
        let there = model::of_file(&std::fs::read(&path).unwrap());
        let (expect, files) = match moment {
            Moment::Renamed => (&new, vec!["dump.rdb".to_owned()]),
            _ => (&old, vec!["dump.rdb".to_owned(), temp.clone()]),
        };
        assert_eq!(&there, expect, "{moment:?}");
        assert_eq!(names(dir.path()), files, "{moment:?}");
        if moment == Moment::Written {
            let whole = std::fs::read(dir.path().join(&temp)).unwrap();
            assert_eq!(model::of_file(&whole), new);
        }
        told.push(moment);
    };
    save::save_to(&ours, &mut locker, &path, &mut look).unwrap();
    let all = [
        Moment::Cut,
        Moment::Written,
        Moment::Synced,
        Moment::Renamed,
    ];
    assert_eq!(told, all);
}

#[test]
fn a_save_that_fails_or_is_cancelled_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let ours = shared::in_dir(dir.path(), &[]);
    let mut locker = Locker::new(&ours.keyspace, 0);
    model::put(&ours, &mut locker, &model::some());
    let path = dir.path().join("dump.rdb");
    model::save(&ours, &mut locker, &path);
    model::put(&ours, &mut locker, &model::some_long());

    for at in [Moment::Cut, Moment::Written, Moment::Synced] {
        let cancel = &ours.jobs.saves.cancel;
        let mut then = |moment| cancel.store(moment == at, Ordering::Relaxed);
        let result = save::save_to(&ours, &mut locker, &path, &mut then);
        if at == Moment::Synced {
            assert!(matches!(result, Err(SaveError::Cancelled)), "{at:?}");
        }
        cancel.store(false, Ordering::Relaxed);
    }
    assert_eq!(names(dir.path()), ["dump.rdb"]);

    let nowhere = dir.path().join("missing").join("dump.rdb");
    let error = save::save_to(&ours, &mut locker, &nowhere, &mut |_| ()).unwrap_err();
    assert!(error.to_string().starts_with("cannot create "), "{error}");
    // A directory cannot be replaced by a file.
    let taken = dir.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    std::fs::write(taken.join("file"), "").unwrap();
    let error = save::save_to(&ours, &mut locker, &taken, &mut |_| ()).unwrap_err();
    assert!(error.to_string().starts_with("cannot rename "), "{error}");
    assert_eq!(names(dir.path()), ["dump.rdb", "taken"]);
    // The snapshots of all these are closed: the next one works.
    model::save(&ours, &mut locker, &path);
    let file = std::fs::read(&path).unwrap();
    assert_eq!(model::of_file(&file), model::some_long());
}
