//! Snapshots for followers.
//!
//! ```text
//!   waiting followers --delay--> cut --> chunks --> relay --> every member's socket
//!                                 |
//!                                 +--> every member's reader of the log, at the same offset
//! ```
//!
//! Followers that wait together share one pass: the snapshot is made once, as fast as the
//! fastest of them takes it; a slower one takes its part from a file (see `relay`), and one
//! that takes nothing for `repl-timeout` is dropped by its own task. Who comes during a pass
//! waits for the next, and the pass does not wait for its members any longer then: what they
//! have not taken yet is in the file.
//!
//! One pass is in one version of the file, the oldest that can hold what there is, if some
//! that wait can read it (see `versions`). The others wait for a pass of their own, or until
//! what they cannot read is gone.
//!
//! A follower that cannot tell the end of a stream by its mark needs to know the length
//! beforehand. Then, and when `repl-diskless-sync` is off, the snapshot goes to a file first.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::desk::{Cut, Desk, Waiting};
use super::line::LogLine;
use super::psync::fullresync_reply;
use super::relay::Relay;
use super::roles;
use super::versions;
use crate::base::hash::Crc64;
use crate::base::rng::Rng;
use crate::base::{clock, os_error};
use crate::config::{Param, REDIS_VERSION};
use crate::exec::Engine;
use crate::oplog::ReaderKind;
use crate::persist::spill::GIFTS_BYTES_MAX;
use crate::persist::stream::{CutFacts, Needs, SnapshotStream};
use crate::rdb::encode::{self, Encoder};
use crate::rdb::format::FileVersion;
use crate::shared::Shared;
use crate::shared::delay::Crowd;
use crate::shared::followers::{Follower, FollowerPhase};
use crate::shared::introduction::FollowerFacts;
use crate::shared::libraries::Libraries;
use crate::shared::progress::Step;
use crate::store::snapshot::Purpose;

/// How long followers that take nothing are waited for before what writers gave meanwhile
/// is put away.
const ABSORB_EVERY: Duration = Duration::from_millis(100);

/// Where the disk takes nothing, writes that wait go on when so much is left of it in memory.
const GIFTS_BYTES_RELIEVED: usize = GIFTS_BYTES_MAX / 2;

/// How often the queue is looked at while a pass is delayed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often it is looked whether those who were refused can be given what there is now.
const REFUSED_LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is slept while the snapshot's own pace asks for it.
const REST: Duration = Duration::from_millis(10);

/// A snapshot that is made, and for whom.
struct Pass {
    stream: SnapshotStream,
    relay: Relay,
    members: Vec<Arc<Follower>>,
    /// It was said that what writers give finds no room on the disk.
    complained: bool,
    /// Ends the delay of writes that there may be for want of that room.
    _relief: Relief,
}

/// Writers are not held back by a snapshot that is over.
struct Relief(Arc<Engine>);

impl Drop for Relief {
    fn drop(&mut self) {
        let shared = &self.0.shared;
        shared.delay.set(&shared.pause, Crowd::Gifts, false);
    }
}

/// How the end of the snapshot is told.
#[derive(Clone, Copy)]
enum Ending {
    Mark([u8; 40]),
    Length,
}

/// A snapshot for who asked for one without keys: the function libraries, if at least they
/// were wanted. The stream follows it as any other, unless the snapshot was all that was asked
/// for.
pub fn without_keys(by_sync: bool, introduction: &FollowerFacts, desk: &Desk) -> Cut {
    let mark = Rng::from_entropy().hex_id();
    let mut greeting = Vec::new();
    let shared = &desk.engine.shared;
    let mut locker = desk.locker.borrow_mut();
    let everything = shared.keyspace.lock_everything(&mut locker);
    if !by_sync {
        greeting = fullresync_reply(shared.history.lock().id(), shared.oplog.end_offset());
    }
    let reader = (!introduction.rdb_only).then(|| shared.oplog.reader_at_end(ReaderKind::Follower));
    if reader.is_some() {
        // Who begins here has not seen which database was selected.
        let selected_db = shared.oplog.selected_db();
        shared.oplog.forget_selected_db();
        if shared.role.is_follower() {
            roles::select(shared, selected_db);
        }
    }
    let libraries = match introduction.exclude_functions {
        true => Libraries::default(),
        false => shared.libraries.lock().clone(),
    };
    drop(everything);
    put_mark_header(&mut greeting, mark);
    let begin = greeting.len();
    encode::put_header(&mut greeting, FileVersion::Redis10);
    encode::put_aux(&mut greeting, b"redis-ver", REDIS_VERSION.as_bytes());
    let mut encoder = Encoder::new(shared.config.get_bool(Param::RdbCompression));
    libraries.put(&mut encoder, &mut greeting);
    encode::put_end(&mut greeting);
    let mut crc = Crc64::new();
    crc.update(greeting.get(begin..).unwrap_or_default());
    encode::put_checksum(&mut greeting, Some(crc.value()));
    greeting.extend_from_slice(&mark);
    let relay = Relay::streaming(shared.config.dir().to_path_buf());
    let pieces = relay.join();
    relay.finish();
    Cut {
        greeting,
        pieces,
        reader,
        starts_at_ack: true,
        keeps_alive: false,
    }
}

fn put_mark_header(out: &mut Vec<u8>, mark: [u8; 40]) {
    out.extend_from_slice(b"$EOF:");
    out.extend_from_slice(&mark);
    out.extend_from_slice(b"\r\n");
}

/// Serves followers that wait for a snapshot, for ever.
pub async fn run(desk: Rc<Desk>) {
    // The mark need not be a secret, only unlikely in data: one for all snapshots will do.
    let mark = Rng::from_entropy().hex_id();
    loop {
        let Group { waiting, diskless } = next_group(&desk).await;
        let transfer = Transfer::new(desk.clone());
        if diskless {
            send_stream(transfer, waiting, mark).await;
        } else {
            send_file(&desk, waiting).await;
        }
    }
}

/// A full sync that others see as under way, until this is dropped.
struct Transfer(Rc<Desk>);

impl Transfer {
    fn new(desk: Rc<Desk>) -> Transfer {
        let syncing = &desk.engine.shared.followers.syncing;
        syncing.fetch_add(1, Ordering::Relaxed);
        Transfer(desk)
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let syncing = &self.0.engine.shared.followers.syncing;
        syncing.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Followers that share a pass, and whether it needs no file.
struct Group {
    waiting: Vec<Waiting>,
    diskless: bool,
}

/// Waits until there is somebody to serve and the delay for others to join is over.
async fn next_group(desk: &Desk) -> Group {
    let config = &desk.engine.shared.config;
    loop {
        let needs = needs(desk);
        let is_somebody_refused = refuse(desk, needs).await;
        let version = {
            let waiting = desk.waiting.borrow();
            let served = waiting.iter().filter(|waiting| !waiting.is_refused);
            versions::choose(needs, served.map(|waiting| &waiting.introduction))
        };
        let Some(version) = version else {
            let arrived = desk.arrived.notified();
            match is_somebody_refused {
                // What it cannot read may be gone some day.
                true => _ = timeout(REFUSED_LOOK_EVERY, arrived).await,
                false => arrived.await,
            }
            continue;
        };
        let is_member = |waiting: &Waiting| versions::can_read(&waiting.introduction, version);
        let (count, oldest_us, diskless) = {
            let waiting = desk.waiting.borrow();
            let members = waiting.iter().filter(|waiting| is_member(waiting));
            let diskless = config.get_bool(Param::ReplDisklessSync)
                && members.clone().all(|waiting| waiting.introduction.eof);
            let oldest_us = members.clone().map(|waiting| waiting.since_us).min();
            (members.count(), oldest_us.unwrap_or(0), diskless)
        };
        let delay = config.get_seconds(Param::ReplDisklessSyncDelay);
        let waited = Duration::from_micros(clock::monotonic_us().saturating_sub(oldest_us));
        let full = config.get_int(Param::ReplDisklessSyncMaxReplicas);
        let is_full = full > 0 && count as i64 >= full;
        if !diskless || waited >= delay || is_full {
            let mut all = desk.waiting.borrow_mut();
            let waiting = all.extract_if(.., |waiting| is_member(waiting)).collect();
            return Group { waiting, diskless };
        }
        // Directives may change meanwhile, so it is short naps.
        let _ = timeout(LOOK_EVERY, desk.arrived.notified()).await;
    }
}

/// What a snapshot would need if it were cut now.
fn needs(desk: &Desk) -> Needs {
    let shared = &desk.engine.shared;
    let mut locker = desk.locker.borrow_mut();
    let locked = shared.keyspace.lock_shards(&mut locker, &[0]);
    Needs::of(&locked, shared.keyspace.database_count())
}

/// Forgets who has gone, and sets those aside who cannot be given what there is: they stay
/// connected and wait until they can. Said once, by the name of a key. True if there are
/// such.
async fn refuse(desk: &Desk, needs: Needs) -> bool {
    let mut newly = Vec::new();
    {
        let mut all = desk.waiting.borrow_mut();
        all.retain(|waiting| !waiting.cut.is_closed());
        for waiting in all.iter_mut() {
            let one = std::iter::once(&waiting.introduction);
            let is_refused = versions::choose(needs, one).is_none();
            if waiting.is_refused && !is_refused {
                waiting.follower.progress.set_step(Step::Waiting);
                waiting.since_us = clock::monotonic_us();
            } else if is_refused && !waiting.is_refused {
                waiting.follower.progress.set_step(Step::Refused);
                newly.push(waiting.name.clone());
            }
            waiting.is_refused = is_refused;
        }
    }
    if !newly.is_empty()
        && let Some(key) = key_with_times(desk).await
    {
        let key = key.escape_ascii();
        for name in newly {
            let why = format!(
                "Replica {name} cannot be given key '{key}', whose fields have a time to live: \
                 that takes Redis 8, Valkey 9 or Lockstep. It waits until there are no such keys."
            );
            LogLine::warning(why.clone()).log();
            let refusals = &desk.engine.shared.followers.refusals;
            refusals.count.fetch_add(1, Ordering::Relaxed);
            *refusals.last.lock() = why;
        }
    }
    desk.waiting
        .borrow()
        .iter()
        .any(|waiting| waiting.is_refused)
}

/// The key of a hash of which a field has a time to live. Shard by shard, which may take a
/// while.
async fn key_with_times(desk: &Desk) -> Option<Box<[u8]>> {
    let keyspace = &desk.engine.shared.keyspace;
    for db in 0..keyspace.database_count() as u32 {
        for shard in 0..keyspace.shard_count() {
            let found = {
                let mut locker = desk.locker.borrow_mut();
                let locked = keyspace.lock_shards(&mut locker, &[shard as u16]);
                if locked.timed_hashes(db) == 0 {
                    break;
                }
                locked.hash_with_times(db, shard)
            };
            if found.is_some() {
                return found;
            }
            tokio::task::yield_now().await;
        }
    }
    None
}

/// Cuts the snapshot and tells every member where it was cut. Who cannot read what there is
/// by then waits on.
fn begin(desk: &Desk, waiting: Vec<Waiting>, ending: Ending) -> Option<Pass> {
    let shared = &desk.engine.shared;
    let dir = shared.config.dir().to_path_buf();
    let relay = match ending {
        Ending::Mark(_) => Relay::streaming(dir),
        Ending::Length => Relay::through_file(dir),
    };
    let of_all: Vec<FollowerFacts> = waiting
        .iter()
        .map(|waiting| waiting.introduction.clone())
        .collect();
    let version = |needs| versions::choose(needs, of_all.iter());
    let mut waiting = waiting;
    let at_cut = |facts: &CutFacts| {
        if shared.role.is_follower() {
            // The leader's stream goes on in the database it is in: no SELECT comes first.
            roles::select(shared, facts.selected_db);
        }
        let reads = |waiting: &Waiting| versions::can_read(&waiting.introduction, facts.version);
        let members = waiting.extract_if(.., |waiting| reads(waiting));
        let join = |waiting| join(shared, waiting, facts, ending, &relay);
        members.filter_map(join).collect()
    };
    let mut locker = desk.locker.borrow_mut();
    let purpose = Purpose::Followers;
    let begun = SnapshotStream::begin(shared, &mut locker, purpose, version, at_cut);
    desk.waiting.borrow_mut().append(&mut waiting);
    let (stream, members) = begun?;
    shared
        .stats
        .rare
        .total_forks
        .fetch_add(1, Ordering::Relaxed);
    Some(Pass {
        stream,
        relay,
        members,
        complained: false,
        _relief: Relief(desk.engine.clone()),
    })
}

/// None if the follower has gone.
fn join(
    shared: &Shared,
    waiting: Waiting,
    facts: &CutFacts,
    ending: Ending,
    relay: &Relay,
) -> Option<Arc<Follower>> {
    let mut greeting = Vec::new();
    if !waiting.by_sync {
        greeting = fullresync_reply(facts.repl_id, facts.offset);
    }
    if let Ending::Mark(mark) = ending {
        put_mark_header(&mut greeting, mark);
    }
    let wants_stream = !waiting.introduction.rdb_only;
    let cut = Cut {
        greeting,
        pieces: relay.join(),
        reader: wants_stream.then(|| shared.oplog.reader_at_end(ReaderKind::Follower)),
        starts_at_ack: matches!(ending, Ending::Mark(_)),
        keeps_alive: matches!(ending, Ending::Length),
    };
    waiting.cut.send(cut).ok()?;
    Some(waiting.follower)
}

async fn send_stream(transfer: Transfer, waiting: Vec<Waiting>, mark: [u8; 40]) {
    let desk = &transfer.0;
    LogLine::notice("Starting BGSAVE for SYNC with target: replicas sockets").log();
    let Some(mut pass) = begin(desk, waiting, Ending::Mark(mark)) else {
        return;
    };
    let pid = std::process::id();
    LogLine::notice(format!("Background RDB transfer started by pid {pid}")).log();
    let made = make(desk, &mut pass).await;
    let mark = Bytes::copy_from_slice(&mark);
    let made = made.and_then(|()| pass.relay.push(mark));
    let shared = &desk.engine.shared;
    pass.stream.close(shared, &mut desk.locker.borrow_mut());
    if let Err(error) = made {
        // The relay ends with this, and with it the members' links.
        let why = os_error::words(&error);
        LogLine::warning(format!("Background transfer error: {why}")).log();
        return;
    }
    pass.relay.finish();
    // The next pass need not wait until the last member has taken its part.
    spawn_local(see_off(transfer, pass.relay, pass.members));
}

/// Waits for the end of a transfer and says how it went.
async fn see_off(transfer: Transfer, relay: Relay, members: Vec<Arc<Follower>>) {
    relay.taken().await;
    let there = transfer.0.engine.shared.followers.all();
    let is_up = |member: &&Arc<Follower>| there.iter().any(|other| Arc::ptr_eq(member, other));
    let count = members.iter().filter(is_up).count();
    if count == 0 && relay.done() < members.len() as u64 {
        let text = "Diskless rdb transfer, last replica dropped, killing fork child.";
        LogLine::warning(text).log();
        return;
    }
    LogLine::warning(format!(
        "Diskless rdb transfer, done reading from pipe, {count} replicas still up."
    ))
    .log();
    LogLine::notice("Background RDB transfer terminated with success").log();
}

/// Makes the snapshot, as far as somebody wants it.
async fn make(desk: &Rc<Desk>, pass: &mut Pass) -> io::Result<()> {
    let mut made_bytes = 0;
    while !pass.relay.is_deserted() {
        wait_for_room(desk, pass).await;
        let Some(chunk) = next_chunk(desk, pass).await? else {
            return Ok(());
        };
        if pass.stream.held_bytes() <= GIFTS_BYTES_RELIEVED {
            let shared = &desk.engine.shared;
            shared.delay.set(&shared.pause, Crowd::Gifts, false);
        }
        made_bytes += chunk.len() as u64;
        let total_bytes = estimated_total(&pass.stream, made_bytes);
        for member in &pass.members {
            let total = &member.progress.total_bytes;
            total.store(total_bytes, Ordering::Relaxed);
        }
        pass.relay.push(chunk)?;
    }
    Ok(())
}

/// How long the snapshot will be, if the keys to come are like those that were.
fn estimated_total(stream: &SnapshotStream, made_bytes: u64) -> u64 {
    let (keys, done) = (stream.facts().keys, stream.keys_done());
    let scaled = u128::from(made_bytes) * u128::from(keys) / u128::from(done.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX).max(made_bytes)
}

/// Waits until a member wants more. What writers give meanwhile is put away.
async fn wait_for_room(desk: &Desk, pass: &mut Pass) {
    let gifts = pass.stream.gifts();
    desk.engine.shared.oplog.stock_up();
    loop {
        pass.relay.hurry(!desk.waiting.borrow().is_empty());
        tokio::select! {
            () = pass.relay.room() => return,
            () = gifts.are_many() => {}
            () = sleep(ABSORB_EVERY) => {}
        }
        absorb(desk, pass);
    }
}

/// The next bytes; other tasks of this thread have their turn in between.
async fn next_chunk(desk: &Desk, pass: &mut Pass) -> io::Result<Option<Bytes>> {
    loop {
        let shared = &desk.engine.shared;
        let chunk = pass
            .stream
            .next_chunk(shared, &mut desk.locker.borrow_mut())?;
        match chunk {
            Some(chunk) if chunk.is_empty() => {
                sleep(REST).await;
                pass.stream.slept(REST);
                absorb(desk, pass);
            }
            chunk => {
                // Whoever serves clients may wait for this core: until there is room no more
                // it would be many chunks, some milliseconds.
                std::thread::yield_now();
                tokio::task::yield_now().await;
                return Ok(chunk);
            }
        }
    }
}

/// Puts away what writers gave. Where the disk does not take it, writes wait: until it does,
/// or until the members have taken enough.
fn absorb(desk: &Desk, pass: &mut Pass) {
    let shared = &desk.engine.shared;
    let most_bytes = match shared.delay.is_on() {
        true => GIFTS_BYTES_RELIEVED,
        false => GIFTS_BYTES_MAX,
    };
    let absorbed = pass.stream.absorb(shared, most_bytes);
    let is_crowded = absorbed.is_err();
    if let Err(error) = absorbed
        && !pass.complained
    {
        pass.complained = true;
        tracing::warn!(
            "Changes made during a full sync cannot be spilled to disk and stay in memory, so \
             that writes wait until its replicas have taken enough: {error}"
        );
    }
    shared.delay.set(&shared.pause, Crowd::Gifts, is_crowded);
}

async fn send_file(desk: &Rc<Desk>, waiting: Vec<Waiting>) {
    LogLine::notice("Starting BGSAVE for SYNC with target: disk").log();
    let Some(mut pass) = begin(desk, waiting, Ending::Length) else {
        return;
    };
    let pid = std::process::id();
    LogLine::notice(format!("Background saving started by pid {pid}")).log();
    let mut made = make(desk, &mut pass).await;
    if made.is_ok() && pass.relay.is_deserted() {
        made = Err(io::Error::other("nobody waits for it any more"));
    }
    let shared = &desk.engine.shared;
    pass.stream.close(shared, &mut desk.locker.borrow_mut());
    match made {
        Ok(()) => {
            LogLine::notice("DB saved on disk").log();
            LogLine::notice("Background saving terminated with success").log();
            for member in pass.members {
                member.set_phase(FollowerPhase::SendBulk);
            }
            pass.relay.finish();
        }
        // The relay ends with this, and with it the members' links.
        Err(error) => {
            let why = os_error::words(&error);
            let line = format!("SYNC failed. BGSAVE child returned an error: {why}");
            LogLine::warning(line).log();
        }
    }
}
