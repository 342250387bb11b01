//! The threads that build: each owns a part of the shards, holds their locks all the time,
//! and puts in what comes for them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use super::batch::{Batch, Facts, Form, Record};
use super::error::LoadErrorKind;
use crate::rdb::value;
use crate::store::entry::Entry;
use crate::store::keyspace::{Key, Keyspace, shard_of, share_of};
use crate::store::locked::{Expiry, Locked, Locker};
use crate::types::{Limits, Value};

/// How many batches may wait for a builder.
const WAITING_MAX: usize = 8;

/// So many entries have their buckets fetched together.
const GROUP: usize = 16;

/// So many keys that are left out for being empty are named in the log.
const EMPTY_NAMED_MAX: u64 = 10;

/// All builders of one load.
pub struct Builders {
    builders: Vec<Builder>,
    shards: usize,
    spare: Receiver<Batch>,
    /// How many keys were left out for being empty.
    empty: Arc<AtomicU64>,
}

struct Builder {
    batch: Batch,
    orders: SyncSender<Order>,
    thread: JoinHandle<Result<(), LoadErrorKind>>,
}

/// What a builder is told.
enum Order {
    /// So many keys of this database will come, for all shards together.
    Prepare {
        db: u32,
        keys: usize,
    },
    Build(Batch),
}

/// A builder ended before its time: `Builders::failure` says why.
pub struct Failed;

impl Builders {
    /// Starts `count` threads that build `keyspace`, which has a gate for each.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn spawn(keyspace: &Arc<Keyspace>, count: usize, limits: Limits) -> io::Result<Builders> {
        let shards = keyspace.shard_count();
        let (return_spare, spare) = channel();
        let empty = Arc::new(AtomicU64::new(0));
        let builders = (0..count).map(|gate| {
            let (orders, waiting) = sync_channel(WAITING_MAX);
            let work = Work {
                keyspace: Arc::clone(keyspace),
                gate,
                // One after the other in turn, since their shares of the keys rise.
                shards: (gate..shards)
                    .step_by(count)
                    .map(|shard| shard as u16)
                    .collect(),
                limits,
                waiting,
                spare: return_spare.clone(),
                empty: Arc::clone(&empty),
            };
            let name = format!("loader-{gate}");
            let thread = std::thread::Builder::new()
                .name(name)
                .spawn(move || work.run())?;
            Ok(Builder {
                batch: Batch::default(),
                orders,
                thread,
            })
        });
        Ok(Builders {
            builders: builders.collect::<io::Result<_>>()?,
            shards,
            spare,
            empty,
        })
    }

    /// Makes room for the keys of a database that are about to come.
    pub fn prepare(&mut self, db: u32, keys: usize) -> Result<(), Failed> {
        let mut orders = self.builders.iter().map(|builder| &builder.orders);
        let sent = orders.try_for_each(|orders| orders.send(Order::Prepare { db, keys }));
        sent.map_err(|_| Failed)
    }

    /// Hands an entry to its builder; waits while that one is behind.
    #[inline]
    pub fn put(&mut self, facts: Facts, key: &[u8], value: &[u8]) -> Result<(), Failed> {
        let builder = shard_of(facts.hash, self.shards) % self.builders.len();
        let batch = &mut self.builders[builder].batch;
        batch.push(facts, key, value);
        match batch.is_full() {
            true => self.send(builder),
            false => Ok(()),
        }
    }

    fn send(&mut self, builder: usize) -> Result<(), Failed> {
        let spare = self.spare.try_recv().unwrap_or_default();
        let builder = &mut self.builders[builder];
        let batch = std::mem::replace(&mut builder.batch, spare);
        builder.orders.send(Order::Build(batch)).map_err(|_| Failed)
    }

    /// Waits for all that was pushed. Returns how many of these keys were empty, and are not
    /// there.
    ///
    /// # Errors
    /// What the builders found wrong.
    pub fn finish(mut self) -> Result<u64, LoadErrorKind> {
        for builder in 0..self.builders.len() {
            // Who failed says so below.
            let _ = self.send(builder);
        }
        self.join().into_iter().collect::<Result<(), _>>()?;
        Ok(self.empty.load(Ordering::Relaxed))
    }

    /// What made a builder fail. The load is over.
    pub fn failure(&mut self) -> LoadErrorKind {
        let failure = self.join().into_iter().find_map(Result::err);
        failure.unwrap_or(LoadErrorKind::Cancelled)
    }

    /// Waits for all threads.
    fn join(&mut self) -> Vec<Result<(), LoadErrorKind>> {
        let builders = std::mem::take(&mut self.builders);
        let joined = builders.into_iter().map(|builder| {
            drop(builder.orders);
            let end = builder.thread.join();
            end.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        joined.collect()
    }
}

/// One thread's.
struct Work {
    keyspace: Arc<Keyspace>,
    gate: usize,
    shards: Vec<u16>,
    limits: Limits,
    waiting: Receiver<Order>,
    spare: Sender<Batch>,
    empty: Arc<AtomicU64>,
}

impl Work {
    fn run(self) -> Result<(), LoadErrorKind> {
        let keyspace = &*self.keyspace;
        let mut locker = Locker::new(keyspace, self.gate);
        let mut locked = keyspace.lock_shards(&mut locker, &self.shards);
        locked.expiry = Expiry::Ignore;
        while let Ok(order) = self.waiting.recv() {
            match order {
                Order::Prepare { db, keys } => {
                    let shards = keyspace.shard_count();
                    for &shard in &self.shards {
                        let share = share_of(keys, shard.into(), shards);
                        locked.prepare(db, shard.into(), share);
                    }
                }
                Order::Build(mut batch) => {
                    self.build(&mut locked, &batch)?;
                    batch.clear();
                    // Nobody needs it any more at the end.
                    let _ = self.spare.send(batch);
                }
            }
        }
        Ok(())
    }

    fn build(&self, locked: &mut Locked, batch: &Batch) -> Result<(), LoadErrorKind> {
        for group in batch.records.chunks(GROUP) {
            for record in group {
                locked.prefetch_insertion(record.db, record.hash);
            }
            for record in group {
                if !insert(locked, batch, record, &self.limits)? {
                    self.note_empty(batch.key(record));
                }
            }
        }
        Ok(())
    }

    #[cold]
    fn note_empty(&self, key: &[u8]) {
        if self.empty.fetch_add(1, Ordering::Relaxed) < EMPTY_NAMED_MAX {
            let key = String::from_utf8_lossy(key);
            tracing::info!("rdbLoadObject skipping empty key: {key}");
        }
    }
}

/// False if it is empty and therefore left out.
#[inline]
fn insert(
    locked: &mut Locked,
    batch: &Batch,
    record: &Record,
    limits: &Limits,
) -> Result<bool, LoadErrorKind> {
    let key = Key {
        bytes: batch.key(record),
        hash: record.hash,
    };
    if locked.exists(record.db, key) {
        return Err(LoadErrorKind::Duplicate {
            key: key.bytes.into(),
            db: record.db,
            offset: record.offset,
        });
    }
    let entry = match record.form {
        None => Entry::string(key.bytes, batch.value(record), record.expire_at_ms),
        Some(form) => match read(batch, record, form, limits)? {
            Some(value) => Entry::with_value(key.bytes, value, record.expire_at_ms),
            None => return Ok(false),
        },
    };
    entry.set_access(record.access);
    locked.insert_absent(record.db, key, entry);
    Ok(true)
}

/// A value that is no string. A collection without elements, as some servers have saved, is
/// no key.
fn read(
    batch: &Batch,
    record: &Record,
    form: Form,
    limits: &Limits,
) -> Result<Option<Value>, LoadErrorKind> {
    let read = value::decode(form.type_byte, form.dialect, batch.value(record), limits);
    let value = read.map_err(|kind| LoadErrorKind::BadValue {
        key: batch.key(record).into(),
        offset: record.offset,
        kind,
    })?;
    Ok((!value.as_ref().is_nothing()).then_some(value))
}
