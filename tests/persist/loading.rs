//! What a load accepts, what it refuses, and what becomes of the data before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lockstep::persist::load::{
    self, Fed, Load, LoadError, LoadErrorKind, LoadOptions, Loaded, Reload,
};
use lockstep::rdb::encode::{self, Encoder, KeyMeta};
use lockstep::rdb::format::FileVersion;
use lockstep::shared::Shared;
use lockstep::store::locked::Locker;

use crate::{model, shared};

fn options() -> LoadOptions {
    LoadOptions {
        follower: false,
        origin: "a test".to_owned(),
        cancel: Arc::new(AtomicBool::new(false)),
        total_bytes: None,
    }
}

fn load(shared: &Shared, file: &[u8], options: LoadOptions) -> Result<Loaded, LoadError> {
    let mut load = Load::begin(shared, options)?;
    load.feed(shared, file)?;
    load.finish()
}

/// A file made of these items.
fn file(items: impl FnOnce(&mut Vec<u8>, &mut Encoder)) -> Vec<u8> {
    let mut out = Vec::new();
    encode::put_header(&mut out, FileVersion::Redis10);
    items(&mut out, &mut Encoder::new(true));
    encode::put_end(&mut out);
    encode::put_checksum(&mut out, None);
    out
}

fn expiring(at_ms: i64) -> KeyMeta {
    KeyMeta {
        expire_at_ms: Some(at_ms),
        ..KeyMeta::default()
    }
}

#[test]
fn what_is_saved_is_loaded_in_the_place_of_what_was_there() {
    for compression in ["yes", "no"] {
        let dir = tempfile::tempdir().unwrap();
        let ours = shared::in_dir(dir.path(), &[("rdbcompression", compression)]);
        let mut locker = Locker::new(&ours.keyspace, 0);
        let saved = model::some_long();
        model::put(&ours, &mut locker, &saved);
        let path = dir.path().join("dump.rdb");
        let report = model::save(&ours, &mut locker, &path);
        assert_eq!(report.keys, saved.len() as u64);
        assert_eq!(report.bytes, path.metadata().unwrap().len());
        assert_eq!(model::of_file(&std::fs::read(&path).unwrap()), saved);

        let other = shared::in_dir(dir.path(), &[]);
        let mut locker = Locker::new(&other.keyspace, 0);
        let mut before = model::some();
        before.insert((0, b"old".to_vec()), (b"value".to_vec(), None));
        model::put(&other, &mut locker, &before);
        let report = load::start(&other, &mut locker, |_, _| ())
            .unwrap()
            .unwrap();
        assert_eq!(
            (report.keys_loaded, report.keys_expired),
            (saved.len() as u64, 0)
        );
        assert_eq!(model::of(&other, &mut locker), saved);
        assert!(!other.jobs.loading.is_active());
        // The tables count as if they had been made here.
        let mut locked = other.keyspace.lock_everything(&mut locker);
        let keys: u64 = (0..16).map(|db| locked.counts(db).0).sum();
        assert_eq!(keys, saved.len() as u64);
        let key = other.keyspace.key(b"text");
        assert!(locked.remove(0, key).is_some());
        assert!(locked.remove(0, key).is_none());
    }
}

#[test]
fn a_missing_file_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let ours = shared::in_dir(dir.path(), &[]);
    let mut locker = Locker::new(&ours.keyspace, 0);
    assert!(
        load::start(&ours, &mut locker, |_, _| ())
            .unwrap()
            .is_none()
    );
    std::fs::create_dir(dir.path().join("dump.rdb")).unwrap();
    let error = load::start(&ours, &mut locker, |_, _| ()).unwrap_err();
    assert!(matches!(error.kind, LoadErrorKind::Io { .. }), "{error}");
    assert!(!ours.jobs.loading.is_active());
}

#[test]
fn bytes_may_come_in_any_pieces_and_more_may_follow() {
    let dir = tempfile::tempdir().unwrap();
    let ours = shared::in_dir(dir.path(), &[]);
    let mut locker = Locker::new(&ours.keyspace, 0);
    let saved = model::some();
    model::put(&ours, &mut locker, &saved);
    let path = dir.path().join("dump.rdb");
    model::save(&ours, &mut locker, &path);
    let file = std::fs::read(&path).unwrap();
    for piece_bytes in [1, 2, 7, 100, file.len()] {
        let mut load = Load::begin(&ours, options()).unwrap();
        let followed = [&file[..], b"more"].concat();
        let mut leftover = 0;
        for piece in followed.chunks(piece_bytes) {
            match load.feed(&ours, piece).unwrap() {
                Fed::All => assert_eq!(leftover, 0),
                Fed::End { leftover_bytes } => leftover += leftover_bytes,
            }
        }
        assert_eq!(leftover, 4);
        let loaded = load.finish().unwrap();
        let replication = loaded.replication();
        assert_eq!(replication, None, "there is no backlog");
        let mut locked = ours.keyspace.lock_everything(&mut locker);
        loaded.install(&ours, &mut locked);
        drop(locked);
        assert_eq!(model::of(&ours, &mut locker), saved);
    }
}

#[test]
fn the_history_that_a_file_belongs_to_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let ours = shared::in_dir(dir.path(), &[]);
    let mut locker = Locker::new(&ours.keyspace, 0);
    ours.oplog.reset_to(1234);
    ours.oplog.activate_backlog();
    let path = dir.path().join("dump.rdb");
    model::save(&ours, &mut locker, &path);
    let mut told = None;
    let report = load::start(&ours, &mut locker, |_, history| told = Some(history));
    let report = report.unwrap().unwrap();
    assert_eq!(told, report.replication);
    let replication = report.replication.unwrap();
    assert_eq!(replication.id, ours.history.lock().id());
    assert_eq!((replication.offset, replication.stream_db), (1234, Some(0)));
}

#[test]
fn a_leader_leaves_out_what_is_due_and_a_follower_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let ours = shared::in_dir(dir.path(), &[]);
    let file = file(|out, encoder| {
        encode::put_select_db(out, 2);
        encoder.put_string_entry(out, b"due", b"1", expiring(1000));
        encoder.put_string_entry(out, b"later", b"2", expiring(4_000_000_000_000));
        encoder.put_string_entry(out, b"ever", b"3", KeyMeta::default());
    });
    let loaded = load(&ours, &file, options()).unwrap();
    assert_eq!((loaded.keys_loaded, loaded.keys_expired), (2, 1));
    let follower = LoadOptions {
        follower: true,
        ..options()
    };
    let loaded = load(&ours, &file, follower).unwrap();
    assert_eq!((loaded.keys_loaded, loaded.keys_expired), (3, 0));
}

#[test]
fn keys_without_a_value_are_left_out_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let ours = shared::in_dir(dir.path(), &[]);
    let file = file(|out, encoder| {
        encode::put_select_db(out, 0);
        out.extend_from_slice(b"\x02\x05empty\0");
        encoder.put_string_entry(out, b"full", b"1", KeyMeta::default());
    });
    let loaded = load(&ours, &file, options()).unwrap();
    assert_eq!((loaded.keys_loaded, loaded.keys_empty), (1, 1));
}

/// Followers that go on from the file's offset have the key too: dropped without a record,
/// it stayed with them for ever.
#[test]
fn a_leader_keeps_what_is_due_if_followers_may_continue_its_history() {
    let dir = tempfile::tempdir().unwrap();
    let ours = shared::in_dir(dir.path(), &[]);
    let file = file(|out, encoder| {
        encode::put_aux(out, b"repl-id", &[b'a'; 40]);
        encode::put_aux(out, b"repl-offset", b"7");
        encode::put_select_db(out, 2);
        encoder.put_string_entry(out, b"due", b"1", expiring(1000));
    });
    let loaded = load(&ours, &file, options()).unwrap();
    assert_eq!((loaded.keys_loaded, loaded.keys_expired), (1, 0));
}

#[test]
fn what_cannot_be_served_is_refused_by_name_and_place() {
    let dir = tempfile::tempdir().unwrap();
    let ours = shared::in_dir(dir.path(), &[]);
    let check = |file: &[u8], expect: &str| {
        let error = load(&ours, file, options()).err().expect("it is refused");
        let text = error.to_string();
        assert!(text.starts_with(&format!("a test: {expect}")), "{text}");
    };
    let list = file(|out, encoder| {
        encoder.put_entry_head(out, 18, b"my list", KeyMeta::default());
        encode::put_len(out, 1);
        encode::put_len(out, 2);
        encoder.put_string(out, b"no listpack");
    });
    check(&list, "at offset 18: key 'my list': ");
    let twice = file(|out, encoder| {
        encode::put_select_db(out, 4);
        encoder.put_string_entry(out, b"k", b"1", KeyMeta::default());
        encoder.put_string_entry(out, b"k", b"2", KeyMeta::default());
    });
    check(&twice, "at offset 19: RDB has duplicated key 'k' in DB 4");
    let function = file(|out, encoder| encoder.put_function(out, b"#!lua name=f"));
    check(
        &function,
        "at offset 9: Failed creating the library: Invalid library metadata",
    );
    let two = file(|out, encoder| {
        encoder.put_function(out, b"#!lua name=f\n1");
        encoder.put_function(out, b"#!lua name=f\n2");
    });
    check(
        &two,
        "at offset 25: Failed creating the library: Library 'f' already exists",
    );
    let database = file(|out, _| encode::put_select_db(out, 16));
    check(
        &database,
        "at offset 9: database 16 of a server with more than 16 databases",
    );
}

/// Tables are made before the keys come, by what the file says of their number.
#[test]
fn a_file_may_say_anything_of_the_number_of_its_keys() {
    let dir = tempfile::tempdir().unwrap();
    let ours = shared::in_dir(dir.path(), &[]);
    for claimed in [0, 1, 5_000, 1 << 20, 1 << 40, u64::MAX] {
        let file = file(|out, encoder| {
            for db in [0, 1, 0] {
                encode::put_select_db(out, db);
                encode::put_resize_db(out, claimed, claimed);
            }
            for n in 0..5_000_u32 {
                encoder.put_string_entry(out, &n.to_le_bytes(), b"value", KeyMeta::default());
            }
        });
        for total_bytes in [Some(file.len() as u64), None] {
            let options = LoadOptions {
                total_bytes,
                ..options()
            };
            let loaded = load(&ours, &file, options).unwrap();
            assert_eq!(loaded.keys_loaded, 5_000);
            let mut locker = Locker::new(&ours.keyspace, 0);
            let mut locked = ours.keyspace.lock_everything(&mut locker);
            loaded.install(&ours, &mut locked);
            assert_eq!((locked.counts(0).0, locked.counts(1).0), (5_000, 0));
            let found = (0..5_000_u32).all(|n| {
                let name = n.to_le_bytes();
                locked.exists(0, ours.keyspace.key(&name))
            });
            assert!(found, "{claimed} keys claimed");
        }
    }
}

#[test]
fn a_duplicate_ends_a_load_that_has_much_more_to_read() {
    let dir = tempfile::tempdir().unwrap();
    let ours = shared::in_dir(dir.path(), &[]);
    let file = file(|out, encoder| {
        for n in 0..400_000u32 {
            let key = (n / 2 * 2).to_string();
            encoder.put_string_entry(out, key.as_bytes(), b"value", KeyMeta::default());
        }
    });
    let mut load = Load::begin(&ours, options()).unwrap();
    let fed = file
        .chunks(1 << 16)
        .try_for_each(|piece| load.feed(&ours, piece).map(|_| ()));
    let error = fed.and_then(|()| load.finish().map(|_| ())).unwrap_err();
    assert!(
        matches!(error.kind, LoadErrorKind::Duplicate { .. }),
        "{error}"
    );
}

#[test]
fn a_load_can_be_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let ours = shared::in_dir(dir.path(), &[("key-load-delay", "1000000000")]);
    let file = file(|out, encoder| {
        encoder.put_string_entry(out, b"k", b"v", KeyMeta::default());
    });
    let options = options();
    let cancel = Arc::clone(&options.cancel);
    let error = std::thread::scope(|scope| {
        let loading = scope.spawn(|| load(&ours, &file, options).err());
        std::thread::sleep(std::time::Duration::from_millis(30));
        cancel.store(true, Ordering::Relaxed);
        loading.join().unwrap().expect("it is cancelled")
    });
    assert!(matches!(error.kind, LoadErrorKind::Cancelled), "{error}");
}

#[test]
fn reload_replaces_merges_or_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let ours = shared::in_dir(dir.path(), &[]);
    let mut locker = Locker::new(&ours.keyspace, 0);
    let saved = model::some();
    model::put(&ours, &mut locker, &saved);
    let reload = Reload {
        save: true,
        flush: true,
        merge: false,
    };
    load::debug_reload(&ours, &mut locker, reload).unwrap();
    assert_eq!(model::of(&ours, &mut locker), saved);

    let mut changed = saved.clone();
    changed.insert((0, b"text".to_vec()), (b"changed".to_vec(), None));
    changed.insert((1, b"new".to_vec()), (b"new".to_vec(), None));
    model::put(&ours, &mut locker, &changed);
    let neither = Reload {
        save: false,
        flush: false,
        ..reload
    };
    load::debug_reload(&ours, &mut locker, neither).unwrap_err();
    assert_eq!(model::of(&ours, &mut locker), changed);
    let merge = Reload {
        merge: true,
        ..neither
    };
    load::debug_reload(&ours, &mut locker, merge).unwrap();
    changed.extend(saved.clone());
    assert_eq!(model::of(&ours, &mut locker), changed);
    let old = Reload {
        save: false,
        ..reload
    };
    load::debug_reload(&ours, &mut locker, old).unwrap();
    assert_eq!(model::of(&ours, &mut locker), saved);
}
