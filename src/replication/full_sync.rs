//! Snapshots for followers.
//!
//! ```text
//!   waiting followers --delay--> cut --> chunks --> every member's channel --> its socket
//!                                 |                  (or a file, then each from the file)
//!                                 +--> every member's reader of the log, at the same offset
//! ```
//!
//! Followers that wait together share one pass: the snapshot is made once and goes out as
//! fast as the slowest of them takes it, but one that takes nothing for `repl-timeout` is
//! dropped by its own task. Who comes during a pass waits for the next.
//!
//! A follower that cannot tell the end of a stream by its mark needs to know the length
//! beforehand. Then, and when `repl-diskless-sync` is off, the snapshot goes to a file first.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::desk::{Cut, Desk, Piece, Waiting};
use super::line::LogLine;
use super::psync::fullresync_reply;
use super::roles;
use crate::base::clock;
use crate::base::hash::Crc64;
use crate::base::rng::Rng;
use crate::config::{Param, REDIS_VERSION};
use crate::oplog::ReaderKind;
use crate::persist::stream::{CutFacts, SnapshotStream};
use crate::rdb::encode;
use crate::rdb::format::FileVersion;
use crate::shared::Shared;
use crate::shared::followers::{Follower, FollowerPhase};
use crate::store::snapshot::Purpose;

/// Pieces on their way to one follower at most.
const PIECES_MAX: usize = 4;

/// What is read from a snapshot's file at once.
const FILE_PIECE_BYTES: u64 = 256 << 10;

/// How long a follower that takes nothing is waited for before what writers gave meanwhile
/// is put away.
const ABSORB_EVERY: Duration = Duration::from_millis(100);

/// How often the queue is looked at while a pass is delayed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is slept while the snapshot's own pace asks for it.
const REST: Duration = Duration::from_millis(10);

/// A follower of the pass that runs.
struct Member {
    follower: Arc<Follower>,
    pieces: mpsc::Sender<Piece>,
}

/// How the end of the snapshot is told.
#[derive(Clone, Copy)]
enum Ending {
    Mark([u8; 40]),
    Length,
}

/// A snapshot for who asked for one without keys: there is nothing else in ours yet. The
/// stream follows it as any other, unless the snapshot was all that was asked for.
pub fn without_data(by_sync: bool, rdb_only: bool, desk: &Desk) -> Cut {
    let mark = Rng::from_entropy().hex_id();
    let mut greeting = Vec::new();
    let shared = &desk.engine.shared;
    let mut locker = desk.locker.borrow_mut();
    let everything = shared.keyspace.lock_everything(&mut locker);
    if !by_sync {
        greeting = fullresync_reply(shared.history.lock().id(), shared.oplog.end_offset());
    }
    let reader = (!rdb_only).then(|| shared.oplog.reader_at_end(ReaderKind::Follower));
    if reader.is_some() {
        // Who begins here has not seen which database was selected.
        let selected_db = shared.oplog.selected_db();
        shared.oplog.forget_selected_db();
        if shared.role.is_follower() {
            roles::select(shared, selected_db);
        }
    }
    drop(everything);
    put_mark_header(&mut greeting, mark);
    let begin = greeting.len();
    encode::put_header(&mut greeting, FileVersion::Redis10);
    encode::put_aux(&mut greeting, b"redis-ver", REDIS_VERSION.as_bytes());
    encode::put_end(&mut greeting);
    let mut crc = Crc64::new();
    crc.update(greeting.get(begin..).unwrap_or_default());
    encode::put_checksum(&mut greeting, Some(crc.value()));
    greeting.extend_from_slice(&mark);
    let (sender, pieces) = mpsc::channel(1);
    // There is room for one.
    let _ = sender.try_send(Piece::End);
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
        let (waiting, diskless) = next_group(&desk).await;
        if diskless {
            send_stream(&desk, waiting, mark).await;
        } else {
            send_file(&desk, waiting).await;
        }
    }
}

/// Waits until there is somebody to serve and the delay for others to join is over.
async fn next_group(desk: &Desk) -> (Vec<Waiting>, bool) {
    let config = &desk.engine.shared.config;
    loop {
        let (count, oldest_us, diskless) = {
            let mut waiting = desk.waiting.borrow_mut();
            waiting.retain(|waiting| !waiting.cut.is_closed());
            let diskless = config.get_bool(Param::ReplDisklessSync)
                && waiting.iter().all(|waiting| waiting.introduction.eof);
            let oldest_us = waiting.iter().map(|waiting| waiting.since_us).min();
            (waiting.len(), oldest_us, diskless)
        };
        let Some(oldest_us) = oldest_us else {
            desk.arrived.notified().await;
            continue;
        };
        let delay = config.get_seconds(Param::ReplDisklessSyncDelay);
        let waited = Duration::from_micros(clock::monotonic_us().saturating_sub(oldest_us));
        let full = config.get_int(Param::ReplDisklessSyncMaxReplicas);
        let is_full = full > 0 && count as i64 >= full;
        if !diskless || waited >= delay || is_full {
            return (desk.waiting.take(), diskless);
        }
        // Directives may change meanwhile, so it is short naps.
        let _ = timeout(LOOK_EVERY, desk.arrived.notified()).await;
    }
}

/// Cuts the snapshot and tells every member where it was cut.
fn begin(desk: &Desk, waiting: Vec<Waiting>, ending: Ending) -> (SnapshotStream, Vec<Member>) {
    let shared = &desk.engine.shared;
    shared
        .stats
        .rare
        .total_forks
        .fetch_add(1, Ordering::Relaxed);
    let mut locker = desk.locker.borrow_mut();
    let at_cut = |facts: &CutFacts| {
        if shared.role.is_follower() {
            // The leader's stream goes on in the database it is in: no SELECT comes first.
            roles::select(shared, facts.selected_db);
        }
        let join = |waiting| join(shared, waiting, facts, ending);
        waiting.into_iter().filter_map(join).collect()
    };
    SnapshotStream::begin(shared, &mut locker, Purpose::Followers, at_cut)
}

/// None if the follower has gone.
fn join(shared: &Shared, waiting: Waiting, facts: &CutFacts, ending: Ending) -> Option<Member> {
    let mut greeting = Vec::new();
    if !waiting.by_sync {
        greeting = fullresync_reply(facts.repl_id, facts.offset);
    }
    if let Ending::Mark(mark) = ending {
        put_mark_header(&mut greeting, mark);
    }
    let wants_stream = !waiting.introduction.rdb_only;
    let (sender, pieces) = mpsc::channel(PIECES_MAX);
    let cut = Cut {
        greeting,
        pieces,
        reader: wants_stream.then(|| shared.oplog.reader_at_end(ReaderKind::Follower)),
        starts_at_ack: matches!(ending, Ending::Mark(_)),
        keeps_alive: matches!(ending, Ending::Length),
    };
    waiting.cut.send(cut).ok()?;
    Some(Member {
        follower: waiting.follower,
        pieces: sender,
    })
}

async fn send_stream(desk: &Rc<Desk>, waiting: Vec<Waiting>, mark: [u8; 40]) {
    LogLine::notice("Starting BGSAVE for SYNC with target: replicas sockets").log();
    let (mut stream, mut members) = begin(desk, waiting, Ending::Mark(mark));
    let pid = std::process::id();
    LogLine::notice(format!("Background RDB transfer started by pid {pid}")).log();
    let result = pump(desk, &mut stream, &mut members).await;
    stream.close(&desk.engine.shared, &mut desk.locker.borrow_mut());
    if let Err(error) = result {
        LogLine::warning(format!("Background transfer error: {error}")).log();
        return;
    }
    if members.is_empty() {
        let text = "Diskless rdb transfer, last replica dropped, killing fork child.";
        LogLine::warning(text).log();
        return;
    }
    for member in &members {
        let mark = Bytes::copy_from_slice(&mark);
        // Who is gone by now says so itself.
        let _ = member.pieces.send(Piece::Bytes(mark)).await;
        let _ = member.pieces.send(Piece::End).await;
    }
    let count = members.len();
    LogLine::warning(format!(
        "Diskless rdb transfer, done reading from pipe, {count} replicas still up."
    ))
    .log();
    LogLine::notice("Background RDB transfer terminated with success").log();
}

/// Gives every chunk to all members that are still there.
async fn pump(
    desk: &Rc<Desk>,
    stream: &mut SnapshotStream,
    members: &mut Vec<Member>,
) -> io::Result<()> {
    let shared = &desk.engine.shared;
    while !members.is_empty() {
        let Some(chunk) = next_chunk(desk, stream).await? else {
            return Ok(());
        };
        let mut at = 0;
        while let Some(member) = members.get(at) {
            match member.pieces.try_send(Piece::Bytes(chunk.clone())) {
                Ok(()) => at += 1,
                Err(mpsc::error::TrySendError::Closed(_)) => drop(members.remove(at)),
                Err(mpsc::error::TrySendError::Full(_)) => {
                    // Room, or the member's end: either way it is tried again.
                    if timeout(ABSORB_EVERY, member.pieces.reserve())
                        .await
                        .is_err()
                    {
                        absorb(shared, stream);
                    }
                }
            }
        }
    }
    Ok(())
}

/// The next bytes; other tasks of this thread have their turn in between.
async fn next_chunk(desk: &Rc<Desk>, stream: &mut SnapshotStream) -> io::Result<Option<Bytes>> {
    loop {
        let shared = &desk.engine.shared;
        let chunk = stream.next_chunk(shared, &mut desk.locker.borrow_mut())?;
        match chunk {
            Some(chunk) if chunk.is_empty() => {
                sleep(REST).await;
                stream.slept(REST);
            }
            chunk => {
                tokio::task::yield_now().await;
                return Ok(chunk);
            }
        }
    }
}

fn absorb(shared: &Shared, stream: &mut SnapshotStream) {
    if let Err(error) = stream.absorb(shared) {
        // It stays in memory then.
        tracing::warn!("Changes made during a full sync cannot be spilled to disk: {error}");
    }
}

async fn send_file(desk: &Rc<Desk>, waiting: Vec<Waiting>) {
    LogLine::notice("Starting BGSAVE for SYNC with target: disk").log();
    let (mut stream, members) = begin(desk, waiting, Ending::Length);
    let pid = std::process::id();
    LogLine::notice(format!("Background saving started by pid {pid}")).log();
    let written = write_file(desk, &mut stream, &members).await;
    stream.close(&desk.engine.shared, &mut desk.locker.borrow_mut());
    match written {
        Ok((file, len_bytes)) => {
            LogLine::notice("DB saved on disk").log();
            LogLine::notice("Background saving terminated with success").log();
            let file = Rc::new(file);
            for member in members {
                member.follower.set_phase(FollowerPhase::SendBulk);
                tokio::task::spawn_local(send_from_file(file.clone(), len_bytes, member));
            }
        }
        // The members' channels break off, which ends their links.
        Err(error) => {
            LogLine::warning(format!(
                "SYNC failed. BGSAVE child returned an error: {error}"
            ))
            .log();
        }
    }
}

/// Writes the snapshot to a file without a name.
async fn write_file(
    desk: &Rc<Desk>,
    stream: &mut SnapshotStream,
    members: &[Member],
) -> io::Result<(File, u64)> {
    let dir = desk.engine.shared.config.dir();
    let path = dir.join(format!("temp-sync-{}.rdb", std::process::id()));
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    let mut len_bytes = 0;
    while let Some(chunk) = next_chunk(desk, stream).await? {
        if members.iter().all(|member| member.pieces.is_closed()) {
            return Err(io::Error::other("nobody waits for it any more"));
        }
        file.write_all(&chunk)?;
        len_bytes += chunk.len() as u64;
    }
    Ok((file, len_bytes))
}

async fn send_from_file(file: Rc<File>, len_bytes: u64, member: Member) {
    let header = Bytes::from(format!("${len_bytes}\r\n"));
    let mut piece = Piece::Bytes(header);
    let mut sent_bytes = 0;
    // A closed channel means that the follower has gone; its task says so.
    while member.pieces.send(piece).await.is_ok() {
        if sent_bytes == len_bytes {
            let _ = member.pieces.send(Piece::End).await;
            return;
        }
        let wanted_bytes = FILE_PIECE_BYTES.min(len_bytes - sent_bytes);
        match read_at(&file, sent_bytes, wanted_bytes) {
            Ok(bytes) => piece = Piece::Bytes(bytes),
            Err(error) => {
                LogLine::warning(format!("Read error sending DB to replica: {error}")).log();
                return;
            }
        }
        sent_bytes += wanted_bytes;
    }
}

fn read_at(mut file: &File, at: u64, len_bytes: u64) -> io::Result<Bytes> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(len_bytes).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != len_bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes.into())
}
