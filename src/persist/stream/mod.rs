//! A snapshot as the bytes of an RDB file: what a save writes and what followers are sent.
//!
//! ```text
//!   header, aux fields, function libraries, sizes of the databases
//!   { what writers gave meanwhile, then the walker's next step } ...
//!   end byte, checksum
//! ```
//!
//! The walker goes on only when the consumer asks for more, so a slow consumer holds it up
//! and nobody else. What writers give has to be taken whatever the consumer does: it is
//! asked for first, and `absorb` puts what is too much for memory into a file.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;

use super::gather::{Gatherer, Gifts, KEPT_BYTES_MAX, Usage, new_buffer};
use super::pace::{Pace, Rest};
use super::spill::SpillQueue;
use crate::base::hash::Crc64;
use crate::base::{clock, memory};
use crate::config::Param;
use crate::oplog::ReplId;
use crate::rdb::encode;
use crate::rdb::format::FileVersion;
use crate::shared::Shared;
use crate::shared::libraries::Libraries;
use crate::store::locked::{Locked, Locker};
use crate::store::snapshot::Purpose;
use crate::store::walker::Walker;

/// The servers that files of each version claim to come from: those who read them warn of
/// newer ones.
fn claimed_origin(version: FileVersion) -> (&'static [u8], &'static [u8]) {
    match version {
        FileVersion::Redis10 => (b"redis-ver", b"7.0.15"),
        FileVersion::Redis11 => (b"redis-ver", b"7.2.0"),
        FileVersion::Redis12 => (b"redis-ver", b"7.4.0"),
        FileVersion::Valkey80 => (b"valkey-ver", b"9.0.0"),
    }
}

/// The version of a file that nobody in particular asked for: the lowest that holds it all.
pub fn lowest_version(needs: Needs) -> FileVersion {
    match needs {
        Needs {
            field_times: true, ..
        } => FileVersion::Redis12,
        Needs { groups: true, .. } => FileVersion::Redis11,
        _ => FileVersion::Redis10,
    }
}

/// What a snapshot holds that some versions of files cannot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Fields of hashes with a time to live.
    pub field_times: bool,
    /// Streams with consumer groups: before version 11 there is no place for when a consumer
    /// was last given anything. The others can be read without.
    pub groups: bool,
}

impl Needs {
    /// Any lock will do; it is exact while everything is locked.
    pub fn of(locked: &Locked, databases: usize) -> Needs {
        let mut databases = 0..databases as u32;
        Needs {
            field_times: locked.has_field_times(),
            groups: databases.any(|db| locked.grouped_streams(db) > 0),
        }
    }
}

/// `next_chunk` returns when so much has come together. (For larger ones the allocator has
/// pages of 4 MB, one for each size.)
const CHUNK_BYTES: usize = 32 << 10;

/// And returns so much at most.
const CHUNK_BYTES_MAX: usize = 2 * CHUNK_BYTES;

/// What the snapshot is of: noted while everything was locked.
#[derive(Clone, Debug)]
pub struct CutFacts {
    pub repl_id: ReplId,
    /// The log's end.
    pub offset: u64,
    /// What the log had selected.
    pub selected_db: Option<u32>,
    /// Whether there is a history that somebody could continue.
    pub has_history: bool,
    /// `stats.dirty` at that moment.
    pub dirty: u64,
    pub keys: u64,
    /// Of the file.
    pub version: FileVersion,
    /// How long everything was locked.
    pub cut_us: u64,
}

enum Stage {
    Walk,
    End,
    Over,
}

pub struct SnapshotStream {
    facts: CutFacts,
    purpose: Purpose,
    stage: Stage,
    walker: Option<Walker>,
    /// Where writers put what they are about to change.
    gifts: Arc<Gifts>,
    spare: Vec<u8>,
    /// What is ready to be taken.
    own: Gatherer,
    /// Gifts that found no room in memory.
    spill: Option<SpillQueue>,
    /// What was ready last, and how much of it was given out since. Chunks are copies, of
    /// their own size: the buffers grow but once, and wait for no consumer.
    pending: Vec<u8>,
    pending_given: usize,
    crc: Option<Crc64>,
    /// How much of `own.out` the checksum has seen.
    summed: usize,
    pace: Pace,
}

impl SnapshotStream {
    /// Cuts the snapshot. `version` chooses what it is written in; without a choice there is
    /// no snapshot. `at_cut` runs while everything is locked: what follows the facts' offset
    /// in the log is exactly what the snapshot lacks. One stream of a purpose at a time; end
    /// it with `close`, whether or not it was read to its end.
    pub fn begin<T>(
        shared: &Shared,
        locker: &mut Locker,
        purpose: Purpose,
        version: impl FnOnce(Needs) -> Option<FileVersion>,
        at_cut: impl FnOnce(&CutFacts) -> T,
    ) -> Option<(SnapshotStream, T)> {
        let compression = shared.config.get_bool(Param::RdbCompression);
        let usage = Usage::of(shared, clock::unix_ms());
        let mut own = Gatherer::new(compression, usage);
        let gifts = Arc::new(Gifts::new(compression, usage));
        let (spare, pending) = (new_buffer(), new_buffer());
        let mut locked = shared.keyspace.lock_everything(locker);
        let started = Instant::now();
        let version = version(Needs::of(&locked, shared.keyspace.database_count()))?;
        own.version = version;
        gifts.set_version(version);
        let walker = locked.cut(purpose, gifts.clone());
        let mut facts = CutFacts {
            repl_id: shared.history.lock().id(),
            offset: shared.oplog.end_offset(),
            selected_db: shared.oplog.selected_db(),
            has_history: shared.oplog.backlog().is_some() || shared.role.is_follower(),
            dirty: shared.stats.dirty.load(Ordering::Relaxed),
            keys: walker.databases.iter().map(|(_, keys, _)| keys).sum(),
            version,
            cut_us: 0,
        };
        if purpose == Purpose::Followers {
            // Who begins here has not seen which database was selected.
            shared.oplog.forget_selected_db();
        }
        let libraries = shared.libraries.lock().clone();
        let result = at_cut(&facts);
        facts.cut_us = started.elapsed().as_micros() as u64;
        drop(locked);
        let latest = &shared.stats.rare.latest_cut_us;
        latest.store(facts.cut_us, Ordering::Relaxed);
        let checksum = shared.config.get_bool(Param::RdbChecksum);
        let mut stream = SnapshotStream {
            facts,
            purpose,
            stage: Stage::Walk,
            walker: Some(walker),
            gifts,
            spare,
            own,
            spill: None,
            pending,
            pending_given: 0,
            crc: checksum.then(Crc64::new),
            summed: 0,
            pace: Pace::default(),
        };
        stream.put_start(&libraries);
        stream.sum();
        Some((stream, result))
    }

    pub fn facts(&self) -> &CutFacts {
        &self.facts
    }

    /// How many keys were encoded so far, those that wait in memory or a spill included.
    pub fn keys_done(&self) -> u64 {
        self.own.keys
    }

    /// The memory of all entries that writers have given.
    pub fn given_bytes(&self) -> u64 {
        self.gifts.entry_bytes()
    }

    /// The bytes that are ready. `clear_ready` says that they were taken.
    pub fn ready(&mut self) -> &[u8] {
        self.sum();
        &self.own.out
    }

    pub fn clear_ready(&mut self) {
        self.own.clear();
        self.summed = 0;
    }

    /// Makes some more bytes ready: what writers gave, and a step of the walker. False when
    /// there are no more to come.
    ///
    /// # Errors
    /// What was spilled could not be read back, or a key cannot be written in this version.
    pub fn advance(&mut self, shared: &Shared, locker: &mut Locker) -> io::Result<bool> {
        let keys_before = self.own.keys;
        match self.stage {
            Stage::Walk => {
                self.gifts.take(&mut self.own, &mut self.spare);
                if !self.walk(shared, locker) {
                    self.close_walker(shared, locker);
                    self.gifts.take_all(&mut self.own, &mut self.spare);
                    self.stage = Stage::End;
                }
            }
            Stage::End => self.put_end()?,
            Stage::Over => return Ok(false),
        }
        self.own.check()?;
        self.pace.add(self.own.keys - keys_before);
        self.sum();
        Ok(true)
    }

    /// The next bytes of the file, `None` behind its end.
    ///
    /// # Errors
    /// What was spilled could not be read back; the snapshot is lost then.
    pub fn next_chunk(
        &mut self,
        shared: &Shared,
        locker: &mut Locker,
    ) -> io::Result<Option<Bytes>> {
        if self.pending_given < self.pending.len() {
            return Ok(Some(self.split_pending()));
        }
        while self.own.out.len() < CHUNK_BYTES && self.rest(shared) == Rest::None {
            if !self.advance(shared, locker)? {
                break;
            }
        }
        if self.own.out.is_empty() && matches!(self.stage, Stage::Over) {
            return Ok(None);
        }
        self.sum();
        self.pending.clear();
        std::mem::swap(&mut self.pending, &mut self.own.out);
        self.pending_given = 0;
        self.clear_ready();
        Ok(Some(self.split_pending()))
    }

    fn split_pending(&mut self) -> Bytes {
        let rest = &self.pending[self.pending_given..];
        let chunk = Bytes::copy_from_slice(&rest[..rest.len().min(CHUNK_BYTES_MAX)]);
        self.pending_given += chunk.len();
        if self.pending_given == self.pending.len() && self.pending.capacity() > KEPT_BYTES_MAX {
            self.pending = Vec::new();
            self.pending_given = 0;
        }
        chunk
    }

    /// How much is in memory that no consumer has taken.
    pub fn held_bytes(&self) -> usize {
        self.own.out.len() + self.pending.len() - self.pending_given
    }

    /// What writers have given and nobody has taken yet.
    pub fn gifts(&self) -> Arc<Gifts> {
        self.gifts.clone()
    }

    /// What `rdb-key-save-delay` wants slept before the next step. Tell `slept` of it.
    pub fn rest(&mut self, shared: &Shared) -> Rest {
        self.pace
            .rest(shared.config.get_int(Param::RdbKeySaveDelay))
    }

    pub fn slept(&mut self, slept: std::time::Duration) {
        self.pace.slept(slept);
    }

    /// Keys that were encoded and not slept for yet.
    pub fn unpaid_keys(&self, shared: &Shared) -> u64 {
        let delay_us = shared.config.get_int(Param::RdbKeySaveDelay);
        self.pace.unpaid(delay_us)
    }

    /// Takes what writers gave out of their buffer, for a consumer that is not ready for
    /// more: `most_bytes` of it may stay in memory, otherwise it goes to an unlinked file in
    /// `dir`.
    ///
    /// # Errors
    /// There is no room for that file. The stream can go on all the same: what could not be
    /// spilled stays in memory.
    pub fn absorb(&mut self, shared: &Shared, most_bytes: usize) -> io::Result<()> {
        let keys_before = self.own.keys;
        self.gifts.take(&mut self.own, &mut self.spare);
        self.pace.add(self.own.keys - keys_before);
        if self.own.out.len() > most_bytes && matches!(self.stage, Stage::Walk) {
            let spill = match &mut self.spill {
                Some(spill) => spill,
                none => none.insert(SpillQueue::create(&shared.config.dir())?),
            };
            // What the checksum has seen stays in front.
            spill.append(&self.own.out[self.summed..])?;
            self.own.truncate(self.summed);
        }
        Ok(())
    }

    /// Ends the snapshot: writers give no more.
    pub fn close(mut self, shared: &Shared, locker: &mut Locker) {
        self.close_walker(shared, locker);
    }

    fn close_walker(&mut self, shared: &Shared, locker: &mut Locker) {
        if let Some(walker) = self.walker.take() {
            walker.close(&shared.keyspace, locker);
        }
    }

    fn walk(&mut self, shared: &Shared, locker: &mut Locker) -> bool {
        let Some(walker) = &mut self.walker else {
            return false;
        };
        let goes_on = walker.step(&shared.keyspace, locker, &mut self.own);
        self.own.finish_long();
        goes_on
    }

    fn sum(&mut self) {
        if let Some(crc) = &mut self.crc {
            crc.update(&self.own.out[self.summed..]);
        }
        self.summed = self.own.out.len();
    }

    fn put_start(&mut self, libraries: &Libraries) {
        let out = &mut self.own.out;
        let facts = &self.facts;
        encode::put_header(out, facts.version);
        let (server, server_version) = claimed_origin(facts.version);
        encode::put_aux(out, server, server_version);
        encode::put_aux_i64(out, b"redis-bits", 64);
        encode::put_aux_i64(out, b"ctime", clock::unix_ms() / 1000);
        encode::put_aux_i64(out, b"used-mem", memory::used_bytes() as i64);
        if facts.has_history || self.purpose == Purpose::Followers {
            // With nothing selected the log's next record says what it is for.
            let selected_db = facts.selected_db.unwrap_or(0);
            encode::put_aux_i64(out, b"repl-stream-db", selected_db.into());
            encode::put_aux(out, b"repl-id", facts.repl_id.as_bytes());
            encode::put_aux_i64(out, b"repl-offset", facts.offset as i64);
        }
        encode::put_aux_i64(out, b"aof-base", 0);
        self.own.put_libraries(libraries);
        let out = &mut self.own.out;
        let databases = self.walker.iter().flat_map(|walker| &walker.databases);
        for &(db, keys, expires) in databases {
            encode::put_select_db(out, db.into());
            encode::put_resize_db(out, keys, expires);
        }
    }

    /// Puts what was spilled, a chunk a call, then the end.
    fn put_end(&mut self) -> io::Result<()> {
        if let Some(spill) = &mut self.spill
            && spill.read_chunk(CHUNK_BYTES, &mut self.own.out)?
        {
            return Ok(());
        }
        encode::put_end(&mut self.own.out);
        self.sum();
        let crc = self.crc.take().map(|crc| crc.value());
        encode::put_checksum(&mut self.own.out, crc);
        self.stage = Stage::Over;
        Ok(())
    }
}
