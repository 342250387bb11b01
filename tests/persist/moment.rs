//! A snapshot is of one moment, whatever is written meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lockstep::base::rng::Rng;
use lockstep::persist::spill::GIFTS_BYTES_MAX;
use lockstep::persist::stream::{CutFacts, SnapshotStream, lowest_version};
use lockstep::shared::Shared;
use lockstep::store::locked::{Expiry, Locker};
use lockstep::store::snapshot::Purpose;
use lockstep::store::view::Ttl;
use parking_lot::Mutex;

use crate::model::{self, Model};
use crate::shared;

const WRITERS: usize = 3;
const KEYS: u64 = 3000;
const DATABASES: u64 = 3;
const ROUNDS: usize = 12;
const ROUNDS_MAX: usize = 1000;

/// What writers gave to all snapshots together.
static GIVEN_BYTES: AtomicU64 = AtomicU64::new(0);

/// A snapshot in the version that a file would have.
fn begin<T>(
    shared: &Shared,
    locker: &mut Locker,
    purpose: Purpose,
    at_cut: impl FnOnce(&CutFacts) -> T,
) -> (SnapshotStream, T) {
    let version = |needs| Some(lowest_version(needs));
    let begun = SnapshotStream::begin(shared, locker, purpose, version, at_cut);
    begun.expect("a version was chosen")
}

/// One change, noted under the locks under which it is made.
enum Change {
    Set(u32, Vec<u8>, Vec<u8>, Option<i64>),
    Expire(u32, Vec<u8>, Option<i64>),
    Remove(u32, Vec<u8>),
    Flush(u32),
    Swap(u32, u32),
}

impl Change {
    fn random(rng: &mut Rng) -> Change {
        let db = rng.below(DATABASES) as u32;
        let key = format!("key:{}", rng.below(KEYS)).into_bytes();
        let at_ms = [None, Some(4_000_000_000_000 + rng.below(1000) as i64)];
        let at_ms = at_ms[rng.below(2) as usize];
        match rng.below(20_000) {
            0 => Change::Flush(db),
            1 => Change::Swap(db, rng.below(DATABASES) as u32),
            2..5_000 => Change::Remove(db, key),
            5_000..8_000 => Change::Expire(db, key, at_ms),
            n => {
                let len_bytes = match n % 50 {
                    0 => 5000,
                    1 => 1500,
                    _ => n as usize % 40,
                };
                let value = rng.next_u64().to_string().repeat(len_bytes / 10 + 1);
                Change::Set(db, key, value.into_bytes(), at_ms)
            }
        }
    }

    /// Makes the change and notes it while the locks are held.
    fn make(self, shared: &Shared, locker: &mut Locker, notes: &Mutex<Vec<Change>>) {
        let keyspace = &shared.keyspace;
        let mut locked = match &self {
            Change::Flush(_) | Change::Swap(..) => keyspace.lock_everything(locker),
            Change::Set(_, key, ..) | Change::Expire(_, key, _) | Change::Remove(_, key) => {
                let shard = keyspace.shard_of(keyspace.key(key).hash);
                keyspace.lock_shards(locker, &[shard as u16])
            }
        };
        locked.expiry = Expiry::Ignore;
        match &self {
            Change::Flush(db) => drop(locked.flush(*db)),
            Change::Swap(a, b) => locked.swap(*a, *b),
            Change::Set(db, key, value, at_ms) => {
                locked.set_string(*db, keyspace.key(key), value, Ttl::Set(*at_ms));
            }
            Change::Expire(db, key, at_ms) => {
                locked.set_expire(*db, keyspace.key(key), *at_ms);
            }
            Change::Remove(db, key) => drop(locked.remove(*db, keyspace.key(key))),
        }
        locked.effects().garbage.clear();
        notes.lock().push(self);
    }

    fn replay(&self, model: &mut Model) {
        match self {
            Change::Set(db, key, value, at_ms) => {
                model.insert((*db, key.clone()), (value.clone(), *at_ms));
            }
            Change::Expire(db, key, at_ms) => {
                if let Some((_, expire_at_ms)) = model.get_mut(&(*db, key.clone())) {
                    *expire_at_ms = *at_ms;
                }
            }
            Change::Remove(db, key) => drop(model.remove(&(*db, key.clone()))),
            Change::Flush(db) => model.retain(|(of_db, _), _| of_db != db),
            Change::Swap(a, b) => {
                let swapped = std::mem::take(model).into_iter().map(|((db, key), value)| {
                    let db = match db {
                        db if db == *a => *b,
                        db if db == *b => *a,
                        db => db,
                    };
                    ((db, key), value)
                });
                *model = swapped.collect();
            }
        }
    }
}

/// Reads a snapshot to its end; also how many changes had been made at its cut.
fn read(
    shared: &Shared,
    locker: &mut Locker,
    purpose: Purpose,
    notes: &Mutex<Vec<Change>>,
) -> (Vec<u8>, usize) {
    let made = |_: &_| notes.lock().len();
    let (mut stream, made) = begin(shared, locker, purpose, made);
    let mut file = Vec::new();
    while let Some(chunk) = stream.next_chunk(shared, locker).unwrap() {
        file.extend_from_slice(&chunk);
        if file.len() % 7 == 0 {
            stream.absorb(shared, GIFTS_BYTES_MAX).unwrap();
        }
    }
    assert_eq!(stream.keys_done(), stream.facts().keys);
    GIVEN_BYTES.fetch_add(stream.given_bytes(), Ordering::Relaxed);
    stream.close(shared, locker);
    (file, made)
}

#[test]
fn two_snapshots_under_writers_are_exactly_what_was_there_at_their_cuts() {
    let dir = tempfile::tempdir().unwrap();
    let ours = shared::in_dir(dir.path(), &[]);
    let notes = Mutex::new(Vec::new());
    let done = AtomicBool::new(false);
    let files = std::thread::scope(|scope| {
        for gate in 0..WRITERS {
            let (ours, notes, done) = (&ours, &notes, &done);
            scope.spawn(move || {
                let mut locker = Locker::new(&ours.keyspace, gate);
                let mut rng = Rng::seeded(gate as u64 + 1);
                while !done.load(Ordering::Relaxed) {
                    Change::random(&mut rng).make(ours, &mut locker, notes);
                }
            });
        }
        let readers = [Purpose::Disk, Purpose::Followers].map(|purpose| {
            let (ours, notes) = (&ours, &notes);
            scope.spawn(move || {
                let mut locker = Locker::new(&ours.keyspace, WRITERS + purpose as usize);
                let one = |_| read(ours, &mut locker, purpose, notes);
                // On a busy machine the writers may not have had their turn by then.
                let is_more = |round: &usize| {
                    *round < ROUNDS
                        || *round < ROUNDS_MAX && GIVEN_BYTES.load(Ordering::Relaxed) == 0
                };
                (0..).take_while(is_more).map(one).collect::<Vec<_>>()
            })
        });
        let files = readers.map(|reader| reader.join().unwrap());
        done.store(true, Ordering::Relaxed);
        files
    });
    assert_ne!(GIVEN_BYTES.load(Ordering::Relaxed), 0);
    let notes = notes.into_inner();
    for (purpose, files) in ["disk", "followers"].iter().zip(files) {
        let (mut model, mut replayed) = (Model::new(), 0);
        for (round, (file, made)) in files.into_iter().enumerate() {
            notes[replayed..made]
                .iter()
                .for_each(|change| change.replay(&mut model));
            replayed = made;
            let given = model::of_file(&file);
            assert!(
                given == model,
                "{purpose}, round {round}: {}",
                difference(&given, &model)
            );
        }
    }
}

/// The first thing that differs.
fn difference(given: &Model, expect: &Model) -> String {
    let wrong = |(key, value): (&_, &_), other: &Model| other.get(key) != Some(value);
    let extra = given.iter().find(|&entry| wrong(entry, expect));
    let missing = expect.iter().find(|&entry| wrong(entry, given));
    format!(
        "{} keys for {}, given {extra:?}, expected {missing:?}",
        given.len(),
        expect.len()
    )
}

#[test]
fn what_a_slow_reader_cannot_take_goes_to_a_file_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let ours = shared::in_dir(dir.path(), &[("rdbcompression", "no")]);
    let mut locker = Locker::new(&ours.keyspace, 0);
    let big = |n: u32| {
        (
            format!("big:{n}").into_bytes(),
            vec![b'v'; 200_000 + n as usize],
        )
    };
    let all = |value: &dyn Fn(u32) -> Vec<u8>| -> Model {
        (0..250)
            .map(|n| ((1, big(n).0), (value(n), None)))
            .collect()
    };
    let before = all(&|n| big(n).1);
    model::put(&ours, &mut locker, &before);
    let purpose = Purpose::Followers;
    let (mut stream, ()) = begin(&ours, &mut locker, purpose, |_| ());
    let mut file = stream
        .next_chunk(&ours, &mut locker)
        .unwrap()
        .unwrap()
        .to_vec();
    for (n, change) in all(&|_| b"new".to_vec()).into_iter().enumerate() {
        model::put(&ours, &mut locker, &[change].into());
        if n % 100 == 99 {
            stream.absorb(&ours, GIFTS_BYTES_MAX).unwrap();
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        }
    }
    stream.absorb(&ours, GIFTS_BYTES_MAX).unwrap();
    assert!(stream.given_bytes() > 40_000_000);
    while let Some(chunk) = stream.next_chunk(&ours, &mut locker).unwrap() {
        file.extend_from_slice(&chunk);
    }
    stream.close(&ours, &mut locker);
    assert!(model::of_file(&file) == before);
}

#[test]
fn what_found_no_room_on_the_disk_goes_there_when_there_is_some() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    std::fs::create_dir(&dir).unwrap();
    let ours = shared::in_dir(&dir, &[("rdbcompression", "no")]);
    let mut locker = Locker::new(&ours.keyspace, 0);
    let all = |len: usize| -> Model {
        let entry = |n: u32| {
            (
                (1, format!("key:{n}").into_bytes()),
                (vec![b'v'; len], None),
            )
        };
        (0..100).map(entry).collect()
    };
    model::put(&ours, &mut locker, &all(8000));
    let (mut stream, ()) = begin(&ours, &mut locker, Purpose::Followers, |_| ());
    std::fs::remove_dir(&dir).unwrap();
    model::put(&ours, &mut locker, &all(1));
    // So much may stay in memory: there is nothing to complain of.
    stream.absorb(&ours, GIFTS_BYTES_MAX).unwrap();
    stream.absorb(&ours, GIFTS_BYTES_MAX / 2).unwrap_err();
    assert!(stream.held_bytes() > GIFTS_BYTES_MAX / 2);
    std::fs::create_dir(&dir).unwrap();
    stream.absorb(&ours, GIFTS_BYTES_MAX / 2).unwrap();
    assert!(stream.held_bytes() < 1000, "{}", stream.held_bytes());
    stream.close(&ours, &mut locker);
}
