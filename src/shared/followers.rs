//! The followers of this server, as INFO, ROLE and WAIT see them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::full_syncs::FullSyncs;
use super::moments::Moments;
use super::progress::{Progress, Step};

/// Where a follower stands, in the words of INFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum FollowerPhase {
    WaitBgsave = 0,
    SendBulk = 1,
    Online = 2,
}

impl FollowerPhase {
    pub fn name(self) -> &'static str {
        match self {
            FollowerPhase::WaitBgsave => "wait_bgsave",
            FollowerPhase::SendBulk => "send_bulk",
            FollowerPhase::Online => "online",
        }
    }
}

pub struct Follower {
    pub client_id: u64,
    pub ip: String,
    pub port: u16,
    phase: AtomicU32,
    pub acked_offset: AtomicU64,
    pub acked_aof_offset: AtomicU64,
    pub last_ack_ms: AtomicI64,
    pub output_bytes: AtomicUsize,
    pub progress: Progress,
}

impl Follower {
    pub fn new(client_id: u64, ip: String, port: u16, now_ms: i64) -> Follower {
        Follower {
            client_id,
            ip,
            port,
            phase: AtomicU32::new(FollowerPhase::WaitBgsave as u32),
            acked_offset: AtomicU64::new(0),
            acked_aof_offset: AtomicU64::new(0),
            last_ack_ms: AtomicI64::new(now_ms),
            output_bytes: AtomicUsize::new(0),
            progress: Progress::default(),
        }
    }

    pub fn phase(&self) -> FollowerPhase {
        match self.phase.load(Ordering::Acquire) {
            0 => FollowerPhase::WaitBgsave,
            1 => FollowerPhase::SendBulk,
            _ => FollowerPhase::Online,
        }
    }

    pub fn set_phase(&self, phase: FollowerPhase) {
        if phase == FollowerPhase::Online {
            self.progress.set_step(Step::Streaming);
        }
        self.phase.store(phase as u32, Ordering::Release);
    }

    /// Seconds since it was last heard of.
    pub fn lag_seconds(&self, now_ms: i64) -> i64 {
        ((now_ms - self.last_ack_ms.load(Ordering::Relaxed)) / 1000).max(0)
    }
}

/// What acknowledges that a follower has something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It has applied it (WAIT).
    InMemory,
    /// Its append-only file has it too (WAITAOF).
    OnDisk,
}

/// What a client waits for: that so many followers have what the log holds up to `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub offset: u64,
    pub followers: usize,
    pub kept: Kept,
}

#[derive(Default)]
pub struct Followers {
    all: Mutex<Vec<Arc<Follower>>>,
    /// How many there ever were.
    arrivals: AtomicU64,
    /// A snapshot is being made for some of them.
    pub syncing: AtomicUsize,
    /// Those that min-replicas-to-write counts; cron keeps it.
    pub good: AtomicUsize,
    /// Woken at every acknowledgement.
    pub acked: Notify,
    /// Somebody waits for acknowledgements who did not before.
    pub wants_ack: Notify,
    waiters: Mutex<Waiters>,
    /// When the log was how long, as those noted who read it.
    pub moments: Moments,
    pub full_syncs: FullSyncs,
    pub refusals: Refusals,
}

/// Followers that could not be given what there is.
#[derive(Default)]
pub struct Refusals {
    pub count: AtomicU64,
    /// Why, the last time.
    pub last: Mutex<String>,
}

/// Clients that wait, by the offset that they wait for.
#[derive(Default)]
struct Waiters {
    next_id: u64,
    all: BTreeMap<(u64, u64), Waiter>,
}

struct Waiter {
    wanted: Wanted,
    reached: oneshot::Sender<()>,
}

impl Followers {
    pub fn add(&self, follower: Arc<Follower>) {
        self.arrivals.fetch_add(1, Ordering::Relaxed);
        self.all.lock().push(follower);
    }

    pub fn remove(&self, client_id: u64) {
        self.all
            .lock()
            .retain(|follower| follower.client_id != client_id);
    }

    pub fn all(&self) -> Vec<Arc<Follower>> {
        self.all.lock().clone()
    }

    pub fn len(&self) -> usize {
        self.all.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn arrivals(&self) -> u64 {
        self.arrivals.load(Ordering::Relaxed)
    }

    /// How many online followers have acknowledged `offset`.
    pub fn acked(&self, offset: u64) -> usize {
        self.count(offset, Kept::InMemory)
    }

    /// The same, of what the acknowledgement is to mean.
    pub fn count(&self, offset: u64, kept: Kept) -> usize {
        let all = self.all.lock();
        let reached = |acked: &u64| *acked >= offset;
        online(&all, kept).filter(reached).count()
    }

    /// Waits until that is reached; None if it is already. Who is waited for is asked to
    /// acknowledge, by one request for all that wait by then.
    pub fn wait(&self, wanted: Wanted) -> Option<Waiting<'_>> {
        let (reached, receiver) = oneshot::channel();
        // An acknowledgement is noted before it looks who waits: either it finds the new
        // one, or it is counted here.
        let mut waiters = self.waiters.lock();
        if self.count(wanted.offset, wanted.kept) >= wanted.followers {
            return None;
        }
        let key = (wanted.offset, waiters.next_id);
        waiters.next_id += 1;
        waiters.all.insert(key, Waiter { wanted, reached });
        drop(waiters);
        self.wants_ack.notify_one();
        Some(Waiting {
            followers: self,
            key,
            reached: receiver,
        })
    }

    /// The greatest offset that somebody waits for; 0 if nobody waits.
    pub fn waited_offset(&self) -> u64 {
        let waiters = self.waiters.lock();
        let last = waiters.all.last_key_value();
        last.map_or(0, |((offset, _), _)| *offset)
    }

    /// Followers have acknowledged more, or have gone: wakes those whose wait is over.
    pub fn note_acks(&self) {
        self.acked.notify_waiters();
        let mut waiters = self.waiters.lock();
        if waiters.all.is_empty() {
            return;
        }
        let all = self.all.lock();
        let ranked = |kept| {
            let mut acked: Vec<u64> = online(&all, kept).collect();
            acked.sort_unstable_by(|a, b| b.cmp(a));
            acked
        };
        let (in_memory, on_disk) = (ranked(Kept::InMemory), ranked(Kept::OnDisk));
        drop(all);
        let is_reached = |wanted: &Wanted| {
            let ranked = match wanted.kept {
                Kept::InMemory => &in_memory,
                Kept::OnDisk => &on_disk,
            };
            let nth = ranked.get(wanted.followers.saturating_sub(1));
            nth.is_some_and(|acked| *acked >= wanted.offset)
        };
        // Nobody has more than the first one.
        let up_to = (in_memory.first().copied().unwrap_or(0), u64::MAX);
        let waiting = waiters.all.range(..=up_to);
        let over = waiting.filter(|(_, waiter)| is_reached(&waiter.wanted));
        let over: Vec<(u64, u64)> = over.map(|(key, _)| *key).collect();
        for key in over {
            if let Some(waiter) = waiters.all.remove(&key) {
                // It may have given up meanwhile.
                let _ = waiter.reached.send(());
            }
        }
    }
}

/// What each follower that is online has acknowledged.
fn online(all: &[Arc<Follower>], kept: Kept) -> impl Iterator<Item = u64> {
    let online = all.iter().filter(|f| f.phase() == FollowerPhase::Online);
    online.map(move |follower| {
        let acked = match kept {
            Kept::InMemory => &follower.acked_offset,
            Kept::OnDisk => &follower.acked_aof_offset,
        };
        acked.load(Ordering::Acquire)
    })
}

/// A client's place among those that wait. Dropping it gives it up.
pub struct Waiting<'a> {
    followers: &'a Followers,
    key: (u64, u64),
    reached: oneshot::Receiver<()>,
}

impl Waiting<'_> {
    /// Ends when the wait is over.
    pub async fn over(&mut self) {
        // Its other end is kept until then.
        let _ = (&mut self.reached).await;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.followers.waiters.lock().all.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followers(acked: &[u64]) -> Followers {
        let followers = Followers::default();
        for (id, acked) in acked.iter().enumerate() {
            let follower = Follower::new(id as u64, String::new(), 0, 0);
            follower.set_phase(FollowerPhase::Online);
            follower.acked_offset.store(*acked, Ordering::Relaxed);
            followers.add(Arc::new(follower));
        }
        followers
    }

    fn wanted(offset: u64, count: usize) -> Wanted {
        Wanted {
            offset,
            followers: count,
            kept: Kept::InMemory,
        }
    }

    #[test]
    fn an_acknowledgement_wakes_exactly_those_who_wait_for_it() {
        let followers = followers(&[10, 20]);
        assert!(followers.wait(wanted(20, 1)).is_none());
        assert!(followers.wait(wanted(10, 2)).is_none());
        let mut one = followers.wait(wanted(30, 1)).expect("nobody has so much");
        let mut both = followers.wait(wanted(30, 2)).expect("nobody has so much");
        let mut more = followers.wait(wanted(31, 1)).expect("nobody has so much");
        assert_eq!(followers.waited_offset(), 31);
        let all = followers.all();
        all[1].acked_offset.store(30, Ordering::Relaxed);
        followers.note_acks();
        assert!(one.reached.try_recv().is_ok());
        assert!(both.reached.try_recv().is_err());
        all[0].acked_offset.store(30, Ordering::Relaxed);
        followers.note_acks();
        assert!(both.reached.try_recv().is_ok());
        assert!(more.reached.try_recv().is_err());
        drop(more);
        assert_eq!(followers.waited_offset(), 0);
    }

    #[test]
    fn a_file_is_waited_for_apart() {
        let followers = followers(&[10]);
        let on_disk = Wanted {
            kept: Kept::OnDisk,
            ..wanted(10, 1)
        };
        let mut waiting = followers.wait(on_disk).expect("it is only in memory");
        followers.note_acks();
        assert!(waiting.reached.try_recv().is_err());
        let all = followers.all();
        all[0].acked_aof_offset.store(10, Ordering::Relaxed);
        followers.note_acks();
        assert!(waiting.reached.try_recv().is_ok());
    }
}
