//! The keyspace as a map, to be compared.

use std::collections::BTreeMap;
use std::path::Path;

use lockstep::persist::save::{self, SaveReport};
use lockstep::rdb::decode::{Decoder, Options, Step, Value};
use lockstep::shared::Shared;
use lockstep::store::locked::{Expiry, Locker};
use lockstep::store::view::Ttl;

pub type Model = BTreeMap<(u32, Vec<u8>), (Vec<u8>, Option<i64>)>;

/// Everything that is served.
pub fn of(shared: &Shared, locker: &mut Locker) -> Model {
    let locked = shared.keyspace.lock_everything(locker);
    let mut model = Model::new();
    for db in 0..shared.keyspace.database_count() as u32 {
        locked.for_each(db, |entry| {
            let value = entry.string_bytes().expect("a string").to_vec();
            model.insert((db, entry.key().to_vec()), (value, entry.expire_at_ms()));
        });
    }
    model
}

/// Everything in an RDB file; no key is in it twice.
pub fn of_file(file: &[u8]) -> Model {
    let mut decoder = Decoder::new(Options::default());
    let (mut model, mut start) = (Model::new(), 0);
    loop {
        match decoder.next(&file[start..]).expect("a good file") {
            Step::End { .. } => return model,
            Step::Need { input_bytes } => panic!("{input_bytes} bytes needed"),
            Step::Entry(entry) => {
                let Value::String(value) = entry.value else {
                    panic!("a string");
                };
                let value = (value.to_vec(), entry.expire_at_ms);
                let old = model.insert((entry.db as u32, entry.key.to_vec()), value);
                assert_eq!(old, None, "{} is there twice", entry.key.escape_ascii());
            }
            _ => {}
        }
        start += decoder.consumed_bytes();
    }
}

/// Puts all of it into what is served.
pub fn put(shared: &Shared, locker: &mut Locker, model: &Model) {
    let mut locked = shared.keyspace.lock_everything(locker);
    locked.expiry = Expiry::Ignore;
    for ((db, key), (value, expire_at_ms)) in model {
        let key = shared.keyspace.key(key);
        locked.set_string(*db, key, value, Ttl::Set(*expire_at_ms));
    }
}

/// A few keys of every shape there is.
pub fn some() -> Model {
    let far_ms = 4_000_000_000_000;
    let mut model = Model::new();
    let mut put = |db, key: &[u8], value: Vec<u8>, expire_at_ms| {
        model.insert((db, key.to_vec()), (value, expire_at_ms));
    };
    put(0, b"text", b"some text".to_vec(), None);
    put(0, b"", b"".to_vec(), None);
    put(0, b"number", b"-12345".to_vec(), Some(far_ms));
    put(0, b"12", b"9223372036854775807".to_vec(), None);
    put(3, b"text", vec![b'a'; 300], Some(far_ms + 1));
    put(15, &[0, 255, 13, 10], vec![0, 255, 13, 10], None);
    model
}

/// `some`, and values that are long enough to be treated apart.
pub fn some_long() -> Model {
    let mut model = some();
    for len_bytes in [1024, 1025, 4096, 4097, 100_000] {
        let noise = (0..len_bytes).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8);
        let key = format!("noise {len_bytes}").into_bytes();
        model.insert((7, key), (noise.collect(), None));
        let key = format!("same {len_bytes}").into_bytes();
        model.insert((7, key), (vec![b'x'; len_bytes as usize], None));
    }
    model
}

pub fn save(shared: &Shared, locker: &mut Locker, path: &Path) -> SaveReport {
    save::save_to(shared, locker, path, &mut |_| ()).expect("a save")
}
