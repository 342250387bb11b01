//! The log as its users see it: offsets, databases, retention, readers that sleep.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::*;

const SELECT_0: &str = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
const SELECT_9: &str = "*2\r\n$6\r\nSELECT\r\n$1\r\n9\r\n";

fn put(log: &Oplog, db: Option<u32>, audience: Audience, bytes: &[u8]) -> u64 {
    let mut records = Records::new();
    records.raw(db, audience, bytes);
    log.append(&mut records, &[])
}

fn put_all(log: &Oplog, bytes: &[u8]) -> u64 {
    put(log, None, Audience::All, bytes)
}

/// Everything the reader can have now.
fn drain(reader: &mut Reader) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let bytes = reader.fill(10_000).unwrap();
        if bytes.is_empty() {
            return all;
        }
        all.extend_from_slice(bytes);
        let len = bytes.len();
        reader.consume(len);
    }
}

fn with_backlog(size_bytes: u64) -> Oplog {
    let log = Oplog::new(size_bytes);
    assert!(log.activate_backlog());
    log
}

#[test]
fn an_inactive_log_stands_still() {
    let log = Oplog::new(0);
    assert!(!log.is_active());
    assert_eq!(put_all(&log, b"lost"), 0);
    assert_eq!(log.backlog(), None);
    assert!(log.activate_backlog());
    assert!(!log.activate_backlog());
    assert!(log.is_active());
    let empty = log.backlog().unwrap();
    assert_eq!((empty.first_offset, empty.history_bytes()), (1, 0));
    assert_eq!(put_all(&log, b"kept"), 4);
    assert_eq!(log.backlog().unwrap().history_bytes(), 4);
    log.free_backlog();
    assert!(!log.is_active());
    assert_eq!(put_all(&log, b"lost"), 4);
    assert_eq!(log.stats().memory_bytes, 0);
    assert!(log.activate_backlog());
    assert_eq!(log.backlog().unwrap().first_offset, 5);
}

#[test]
fn a_reader_alone_makes_the_log_active() {
    let log = Oplog::new(0);
    let mut reader = log.reader_at_end(ReaderKind::Aof);
    assert!(log.is_active());
    put_all(&log, b"one");
    assert_eq!(drain(&mut reader), b"one");
    assert_eq!(log.backlog(), None);
    drop(reader);
    assert!(!log.is_active());
    assert_eq!((log.end_offset(), log.stats().memory_bytes), (3, 0));
}

#[test]
fn select_stands_where_the_database_changes() {
    let log = with_backlog(0);
    let mut reader = log.reader_at_end(ReaderKind::Follower);
    put(&log, Some(0), Audience::All, b"a");
    put(&log, Some(0), Audience::All, b"b");
    put(&log, None, Audience::FollowersOnly, b"P");
    put(&log, Some(9), Audience::All, b"c");
    put(&log, Some(9), Audience::All, b"");
    assert_eq!(log.selected_db(), Some(9));
    log.forget_selected_db();
    put(&log, Some(9), Audience::All, b"d");
    let expect = format!("{SELECT_0}abP{SELECT_9}c{SELECT_9}d");
    assert_eq!(String::from_utf8(drain(&mut reader)).unwrap(), expect);
    assert_eq!(log.end_offset(), expect.len() as u64);
}

#[test]
fn one_group_may_change_the_database() {
    let log = with_backlog(0);
    let mut records = Records::new();
    records.raw(Some(9), Audience::All, b"x");
    records.raw(Some(0), Audience::All, b"y");
    records.raw(None, Audience::FollowersOnly, b"P");
    let end = log.append(&mut records, &[]);
    assert!(records.is_empty());
    let expect = format!("{SELECT_9}x{SELECT_0}yP");
    assert_eq!(end, expect.len() as u64);
    let mut follower = log.reader_after(0, ReaderKind::Follower).unwrap();
    assert_eq!(drain(&mut follower), expect.as_bytes());
    let mut aof = log.reader_after(0, ReaderKind::Aof).unwrap();
    assert_eq!(drain(&mut aof), &expect.as_bytes()[..expect.len() - 1]);
    assert_eq!((aof.offset(), aof.lag_bytes()), (end, 0));
}

#[test]
fn a_large_buffer_changes_hands() {
    let log = with_backlog(1 << 20);
    put_all(&log, b"small");
    let large = vec![b'L'; SEGMENT_BYTES + 1];
    put(&log, Some(9), Audience::All, &large);
    put_all(&log, b"after");
    let mut expect = b"small".to_vec();
    expect.extend_from_slice(SELECT_9.as_bytes());
    expect.extend_from_slice(&large);
    expect.extend_from_slice(b"after");
    assert_eq!(log.end_offset(), expect.len() as u64);
    for start in [0, 3, 40, SEGMENT_BYTES, expect.len() - 2, expect.len()] {
        let reader = log.reader_after(start as u64, ReaderKind::Follower);
        assert_eq!(drain(&mut reader.unwrap()), &expect[start..]);
    }
}

#[test]
fn a_leaders_bytes_are_taken_verbatim() {
    let log = Oplog::new(0);
    log.reset_to(1000);
    assert_eq!(
        log.append_verbatim(b"unlogged", Audience::All, Some(1)),
        1008
    );
    log.activate_backlog();
    log.append_verbatim(b"SET", Audience::All, Some(3));
    let end = log.append_verbatim(b"PING", Audience::FollowersOnly, Some(3));
    assert_eq!(end, 1015);
    assert_eq!(log.selected_db(), Some(3));
    assert_eq!(log.backlog().unwrap().first_offset, 1009);
    let mut follower = log.reader_after(1008, ReaderKind::Follower).unwrap();
    assert_eq!(drain(&mut follower), b"SETPING");
    let mut aof = log.reader_after(1008, ReaderKind::Aof).unwrap();
    assert_eq!(drain(&mut aof), b"SET");
    assert_eq!(aof.offset(), 1015);
}

#[test]
fn the_backlog_keeps_its_size_and_little_more() {
    let size = 4 * SEGMENT_BYTES as u64;
    let log = with_backlog(size);
    for _ in 0..1000 {
        put_all(&log, &[b'x'; 1000]);
    }
    let kept = log.backlog().unwrap();
    assert_eq!(kept.end_offset, 1_000_000);
    assert!(kept.history_bytes() >= size);
    assert!(kept.history_bytes() < size + SEGMENT_BYTES as u64);
    assert!(log.stats().memory_bytes <= size + 4 * SEGMENT_BYTES as u64);
    let missed = log.reader_after(kept.first_offset - 2, ReaderKind::Follower);
    assert_eq!(missed.unwrap_err().after, kept.first_offset - 2);
    let mut all = log.reader_after(kept.first_offset - 1, ReaderKind::Follower);
    let bytes = drain(all.as_mut().unwrap());
    assert_eq!(bytes.len() as u64, kept.history_bytes());
    assert!(log.reader_after(1_000_001, ReaderKind::Follower).is_err());
    drop(all);
    log.set_backlog_size_bytes(1);
    let less = log.backlog().unwrap().history_bytes();
    assert!((BACKLOG_SIZE_BYTES_MIN..SEGMENT_BYTES as u64 * 2).contains(&less));
    assert_eq!(log.stats().backlog_size_bytes, BACKLOG_SIZE_BYTES_MIN);
}

#[test]
fn a_slow_reader_keeps_what_it_needs_until_it_is_cut() {
    let log = with_backlog(0);
    let mut slow = log.reader_at_end(ReaderKind::Follower);
    let mut fast = log.reader_at_end(ReaderKind::Follower);
    for _ in 0..20 {
        put_all(&log, &[b'x'; SEGMENT_BYTES / 2]);
        drain(&mut fast);
    }
    let all = 10 * SEGMENT_BYTES as u64;
    assert_eq!((slow.lag_bytes(), fast.lag_bytes()), (all, 0));
    assert_eq!(log.backlog().unwrap().history_bytes(), all);
    let watch = slow.watch();
    assert_eq!(watch.lag_bytes(), all);
    watch.cut();
    assert_eq!(slow.fill(1), Err(Missed { after: 0 }));
    assert_eq!(slow.wait_blocking(Duration::ZERO), Err(Missed { after: 0 }));
    assert!(log.backlog().unwrap().history_bytes() <= 2 * SEGMENT_BYTES as u64);
    assert_eq!(log.stats().readers, 1);
    assert_eq!(drain(&mut fast), b"");
}

#[test]
fn dropping_a_reader_frees_what_was_kept_for_it() {
    let log = with_backlog(0);
    let slow = log.reader_at_end(ReaderKind::Aof);
    for _ in 0..100 {
        put_all(&log, &[b'x'; SEGMENT_BYTES]);
    }
    assert!(log.stats().memory_bytes >= 100 * SEGMENT_BYTES as u64);
    drop(slow);
    log.collect_garbage();
    assert!(log.stats().memory_bytes <= 12 * SEGMENT_BYTES as u64);
}

#[test]
fn a_reset_cuts_everybody_off() {
    let log = with_backlog(0);
    let mut reader = log.reader_at_end(ReaderKind::Follower);
    put(&log, Some(0), Audience::All, b"old");
    log.reset_to(5_000_000_000);
    assert!(reader.fill(1).is_err());
    assert_eq!(log.end_offset(), 5_000_000_000);
    assert_eq!(log.selected_db(), None);
    assert_eq!(log.backlog().unwrap().first_offset, 5_000_000_001);
    assert!(log.reader_after(0, ReaderKind::Follower).is_err());
    let mut reader = log.reader_at_end(ReaderKind::Follower);
    put_all(&log, b"new");
    assert_eq!(drain(&mut reader), b"new");
}

#[test]
fn followers_see_no_more_than_the_append_only_file_has_taken() {
    let log = with_backlog(0);
    let mut follower = log.reader_at_end(ReaderKind::Follower);
    let mut aof = log.reader_at_end(ReaderKind::Aof);
    log.hold_followers(Some(2));
    put_all(&log, b"abcdef");
    assert_eq!(drain(&mut follower), b"ab");
    assert_eq!(drain(&mut aof), b"abcdef");
    let count = Arc::new(Count::default());
    assert_eq!(poll(&mut follower, &count), Poll::Pending);
    put_all(&log, b"g");
    log.wake_readers();
    assert_eq!(count.woken(), 0);
    log.hold_followers(Some(6));
    assert_eq!(count.woken(), 1);
    assert_eq!(drain(&mut follower), b"cdef");
    assert_eq!(poll(&mut follower, &count), Poll::Pending);
    log.hold_followers(None);
    assert_eq!(count.woken(), 2);
    assert_eq!(drain(&mut follower), b"g");
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Count {
    fn woken(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll(reader: &mut Reader, count: &Arc<Count>) -> Poll<Result<(), Missed>> {
    let waker = Waker::from(Arc::clone(count));
    let ready = std::pin::pin!(reader.ready());
    ready.poll(&mut Context::from_waker(&waker))
}

#[test]
fn a_sleeping_reader_is_woken_once() {
    let log = with_backlog(0);
    let mut reader = log.reader_at_end(ReaderKind::Follower);
    let count = Arc::new(Count::default());
    assert_eq!(poll(&mut reader, &count), Poll::Pending);
    assert_eq!(poll(&mut reader, &count), Poll::Pending);
    log.wake_readers();
    assert_eq!(count.woken(), 0, "nothing was appended");
    assert_eq!(poll(&mut reader, &count), Poll::Pending);
    put_all(&log, b"x");
    assert_eq!(count.woken(), 0, "the appender still holds its locks");
    log.wake_readers();
    log.wake_readers();
    assert_eq!(count.woken(), 1);
    assert_eq!(poll(&mut reader, &count), Poll::Ready(Ok(())));
    assert_eq!(drain(&mut reader), b"x");
    assert_eq!(poll(&mut reader, &count), Poll::Pending);
    reader.watch().cut();
    assert_eq!(count.woken(), 2);
    assert_eq!(
        poll(&mut reader, &count),
        Poll::Ready(Err(Missed { after: 1 }))
    );
}

/// Once a waking that came too early for a reader (the append it was for had been read
/// before the reader lay down) made the log forget that the reader slept.
#[test]
fn a_waking_for_an_older_append_does_not_lose_the_sleeper() {
    let log = with_backlog(0);
    let mut reader = log.reader_at_end(ReaderKind::Follower);
    let count = Arc::new(Count::default());
    put_all(&log, b"x");
    drain(&mut reader);
    assert_eq!(poll(&mut reader, &count), Poll::Pending);
    log.wake_readers();
    assert_eq!(count.woken(), 0);
    put_all(&log, b"y");
    log.wake_readers();
    assert_eq!(count.woken(), 1);
}

#[test]
fn a_thread_sleeps_until_there_is_something() {
    let log = with_backlog(0);
    let mut reader = log.reader_at_end(ReaderKind::Aof);
    assert_eq!(reader.wait_blocking(Duration::from_millis(1)), Ok(false));
    let writer = log.clone();
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(5));
        put_all(&writer, b"x");
        writer.wake_readers();
    });
    while !reader.wait_blocking(Duration::from_secs(60)).unwrap() {}
    assert_eq!(drain(&mut reader), b"x");
    thread.join().unwrap();
}

/// Records of many sizes and audiences against a plain list of bytes.
#[test]
fn readers_get_what_was_appended_wherever_they_begin() {
    let log = with_backlog(u64::MAX);
    let (mut all, mut for_aof) = (Vec::new(), Vec::new());
    let mut starts = Vec::new();
    let mut dice: u64 = 1;
    for step in 0..400_usize {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let len = match dice >> 60 {
            0 => (dice >> 40) as usize % (3 * SEGMENT_BYTES),
            1..4 => (dice >> 40) as usize % 5_000,
            _ => (dice >> 40) as usize % 100,
        };
        let bytes: Vec<u8> = (0..len).map(|i| (i * 7 + step) as u8).collect();
        let audience = match (dice >> 33) & 3 {
            0 => Audience::FollowersOnly,
            _ => Audience::All,
        };
        starts.push((all.len(), for_aof.len()));
        all.extend_from_slice(&bytes);
        if audience == Audience::All {
            for_aof.extend_from_slice(&bytes);
        }
        assert_eq!(put(&log, None, audience, &bytes), all.len() as u64);
    }
    for (at, at_aof) in starts {
        let follower = log.reader_after(at as u64, ReaderKind::Follower);
        assert!(drain(&mut follower.unwrap()) == all[at..]);
        let mut aof = log.reader_after(at as u64, ReaderKind::Aof).unwrap();
        assert!(drain(&mut aof) == for_aof[at_aof..]);
        assert_eq!(aof.offset(), all.len() as u64);
    }
}

/// Two writers, a small backlog, three readers that sleep: every reader sees the same
/// bytes, and each writer's own in order.
#[test]
fn concurrent_writers_and_readers_agree() {
    const GROUPS: u32 = 20_000;
    let log = with_backlog(0);
    let readers: Vec<Reader> = (0..3)
        .map(|_| log.reader_at_end(ReaderKind::Follower))
        .collect();
    let expect = 2 * GROUPS as usize * 8;
    let reading: Vec<_> = readers
        .into_iter()
        .map(|mut reader| {
            thread::spawn(move || {
                let mut all = Vec::new();
                while all.len() < expect {
                    let start = Instant::now();
                    reader.wait_blocking(Duration::from_secs(60)).unwrap();
                    assert!(start.elapsed().as_secs() < 60, "a waking was lost");
                    all.extend(drain(&mut reader));
                }
                all
            })
        })
        .collect();
    let writing: Vec<_> = (0..2_u32)
        .map(|writer| {
            let log = log.clone();
            thread::spawn(move || {
                for group in 0..GROUPS {
                    let mut bytes = writer.to_le_bytes().to_vec();
                    bytes.extend(group.to_le_bytes());
                    put_all(&log, &bytes);
                    log.wake_readers();
                }
            })
        })
        .collect();
    writing.into_iter().for_each(|w| w.join().unwrap());
    let all: Vec<Vec<u8>> = reading.into_iter().map(|r| r.join().unwrap()).collect();
    assert!(all.iter().all(|seen| *seen == all[0]));
    let mut next = [0_u32; 2];
    for record in all[0].chunks(8) {
        let writer = record[0] as usize;
        assert_eq!(record[4..], next[writer].to_le_bytes());
        next[writer] += 1;
    }
    assert_eq!(next, [GROUPS; 2]);
}

#[test]
fn a_log_that_grows_takes_what_was_stocked_up() {
    let log = Oplog::new(1 << 20);
    log.stock_up();
    log.activate_backlog();
    let memory_bytes = log.stats().memory_bytes;
    assert!(memory_bytes >= 4 * SEGMENT_BYTES as u64);
    let mut records = Records::new();
    for _ in 0..4 {
        records.raw(Some(0), Audience::All, &[b'x'; SEGMENT_BYTES - 100]);
        log.append(&mut records, &[]);
    }
    assert_eq!(log.stats().memory_bytes, memory_bytes);
    log.stock_up();
    let stocked = log.stats().memory_bytes - memory_bytes;
    assert_eq!(stocked, 4 * SEGMENT_BYTES as u64);
    log.free_backlog();
    assert_eq!(log.stats().memory_bytes, 0);
}

/// `cargo test --release append_costs -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn append_costs() {
    const GROUPS: usize = 1_000_000;
    let mut records = Records::new();
    for (name, log, followers) in [
        ("inactive", Oplog::new(1 << 20), 0),
        ("backlog", with_backlog(1 << 20), 0),
        ("backlog, 1 follower", with_backlog(1 << 20), 1),
    ] {
        let readers: Vec<_> = (0..followers)
            .map(|_| {
                let mut reader = log.reader_at_end(ReaderKind::Follower);
                thread::spawn(move || {
                    while let Ok(true) = reader.wait_blocking(Duration::from_millis(200)) {
                        drain(&mut reader);
                    }
                })
            })
            .collect();
        let start = Instant::now();
        for _ in 0..GROUPS {
            for _ in 0..16 {
                records.raw(Some(0), Audience::All, &[b'x'; 60]);
            }
            log.append(&mut records, &[]);
            log.wake_readers();
        }
        let ns = start.elapsed().as_nanos() as f64 / (GROUPS * 16) as f64;
        println!("{name}: {ns:.2} ns a record of 60 bytes, groups of 16");
        readers.into_iter().for_each(|r| r.join().unwrap());
    }
}
