//! What is done every so often, on a thread of its own: expiry, samples for INFO, clients
//! that have been idle for too long.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::oom::OomScore;
use crate::base::{clock, memory};
use crate::config::{ClientClass, Param};
use crate::exec::Engine;
use crate::exec::evict_clients;
use crate::exec::maintain::{ExpiryCursor, expire_own, volatile_keys};
use crate::exec::track;
use crate::shared::clients::client_flag;
use crate::shared::spikes::Event;
use crate::store::locked::Locker;

/// What a pass of the expiry task may take of each tick at most, in percent: this much with
/// the least effort, and so much more for each step beyond.
const EXPIRE_PERCENT: u32 = 25;
const EXPIRE_PERCENT_STEP: u32 = 2;

/// Rates are sampled this often.
const SAMPLE: Duration = Duration::from_millis(100);

/// Clients with much to be sent are made to look at their limits this often.
const LOOK_AT_LIMITS: Duration = Duration::from_secs(1);

/// Starts the thread, whose gate is `gate`. It ends with the process.
pub fn start(engine: Arc<Engine>, gate: usize, oom: Arc<OomScore>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("cron".to_owned())
        .spawn(move || {
            let locker = Locker::new(&engine.shared.keyspace, gate);
            let mut cron = Cron {
                engine,
                locker,
                oom,
                expiry: ExpiryCursor::default(),
                sampled: Instant::now(),
                poked: Instant::now(),
                before: [0; 5],
                snapshots: 0,
                huge_pages: false,
            };
            loop {
                std::thread::sleep(cron.tick_time());
                cron.tick();
            }
        })
}

struct Cron {
    engine: Arc<Engine>,
    locker: Locker,
    oom: Arc<OomScore>,
    expiry: ExpiryCursor,
    sampled: Instant,
    poked: Instant,
    /// The totals at the last sample.
    before: [u64; 5],
    /// Snapshots that had begun by then.
    snapshots: u64,
    /// Whether huge pages are allowed already.
    huge_pages: bool,
}

impl Cron {
    fn tick(&mut self) {
        let jobs = &self.engine.shared.jobs;
        jobs.keep_going();
        let paused = jobs.cron_is_paused.load(Ordering::Relaxed);
        if paused || jobs.loading.is_active() {
            return;
        }
        if !jobs.expiry_is_off.load(Ordering::Relaxed) {
            self.expire();
        }
        let elapsed = self.sampled.elapsed();
        if elapsed >= SAMPLE {
            self.sampled = Instant::now();
            self.sample(elapsed);
            self.huge_pages = self.huge_pages || memory::allow_huge_pages_if_due(0);
            self.close_idle();
            self.poke_slow_readers();
            evict_clients::look(&self.engine);
            track::before(&self.engine);
            let shared = &self.engine.shared;
            self.oom
                .follow_role(&shared.config, shared.role.is_follower());
        }
    }

    /// From one tick to the next.
    fn tick_time(&self) -> Duration {
        let hz = self.engine.shared.config.get_int(Param::Hz).clamp(1, 500);
        Duration::from_secs(1) / hz as u32
    }

    /// A round, and more as long as the effort allows and the pass is not complete.
    fn expire(&mut self) {
        let config = &self.engine.shared.config;
        let effort = config.get_int(Param::ActiveExpireEffort).max(1) as u32;
        let percent = EXPIRE_PERCENT + EXPIRE_PERCENT_STEP * (effort - 1);
        let budget = self.tick_time() * percent / 100;
        let begun = Instant::now();
        expire_own(&self.engine, &mut self.locker);
        let stats = &self.engine.shared.stats;
        let expired = &stats.thread(self.locker.gate()).expired;
        let (before, volatile) = (expired.get(), volatile_keys(&self.engine, &mut self.locker));
        while !self.expiry.round(&self.engine, &mut self.locker) {
            if begun.elapsed() >= budget {
                let cut = &stats.rare.expire_cycles_cut;
                cut.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
        if let Some(volatile) = volatile {
            // CONFIG RESETSTAT may have come between.
            let due = expired.get().saturating_sub(before);
            stats.rare.stale.note(due, volatile);
        }
        let spent_us = begun.elapsed().as_micros() as u64;
        self.note_spike(Event::ExpireCycle, spent_us);
        self.engine
            .shared
            .stats
            .rare
            .expire_cycle_us
            .fetch_add(spent_us, Ordering::Relaxed);
    }

    fn note_spike(&self, event: Event, microseconds: u64) {
        let shared = &self.engine.shared;
        let threshold_ms = shared.config.get_int(Param::LatencyMonitorThreshold);
        let seconds = clock::unix_ms() / 1000;
        shared
            .spikes
            .note(event, seconds, microseconds, threshold_ms);
    }

    fn sample(&mut self, elapsed: Duration) {
        let stats = &self.engine.shared.stats;
        let rare = &stats.rare;
        let now = [
            stats.sum(|thread| &thread.commands),
            stats.sum(|thread| &thread.net_input_bytes),
            stats.sum(|thread| &thread.net_output_bytes),
            rare.repl_input_bytes.load(Ordering::Relaxed),
            rare.repl_output_bytes.load(Ordering::Relaxed),
        ];
        let rates = &stats.rates;
        let places: [&AtomicU64; 5] = [
            &rates.ops,
            &rates.input_bytes,
            &rates.output_bytes,
            &rates.repl_input_bytes,
            &rates.repl_output_bytes,
        ];
        for ((place, now), before) in places.iter().zip(now).zip(self.before) {
            let per_second = now.saturating_sub(before) as f64 / elapsed.as_secs_f64();
            place.store(per_second as u64, Ordering::Relaxed);
        }
        self.before = now;
        let snapshots = rare.total_forks.load(Ordering::Relaxed);
        if snapshots != self.snapshots {
            self.snapshots = snapshots;
            self.note_spike(Event::Fork, rare.latest_cut_us.load(Ordering::Relaxed));
        }
        rare.peak_memory_bytes
            .fetch_max(memory::used_bytes() as u64, Ordering::Relaxed);
    }

    /// `timeout`: ends clients that have asked for nothing for so long. Subscribers,
    /// monitors and followers wait by nature, and blocked clients have a deadline.
    fn close_idle(&self) {
        let shared = &self.engine.shared;
        let timeout_s = shared.config.get_int(Param::Timeout);
        if timeout_s == 0 {
            return;
        }
        const EXEMPT: u32 = client_flag::PUBSUB
            | client_flag::MONITOR
            | client_flag::FOLLOWER
            | client_flag::LEADER
            | client_flag::BLOCKED;
        let now_ms = clock::unix_ms();
        for client in shared.clients.all() {
            let idle_ms = now_ms - client.last_active_ms.load(Ordering::Relaxed);
            if !client.has(EXEMPT) && idle_ms > timeout_s * 1000 {
                tracing::info!(target: super::logging::VERBOSE, "Closing idle client");
                client.kill();
            }
        }
    }

    /// Wakes clients that have more to be sent than they may have for long: their time may be
    /// over without anything else that would make them look.
    fn poke_slow_readers(&mut self) {
        let shared = &self.engine.shared;
        let soft = |class| shared.config.output_limit(class).soft_bytes;
        let (normal, pubsub) = (soft(ClientClass::Normal), soft(ClientClass::Pubsub));
        if normal == 0 && pubsub == 0 || self.poked.elapsed() < LOOK_AT_LIMITS {
            return;
        }
        self.poked = Instant::now();
        shared.clients.for_each_listed(|client| {
            let soft = match client.has(client_flag::PUBSUB | client_flag::MONITOR) {
                true => pubsub,
                false => normal,
            };
            let unsent_bytes = client.memory.output_bytes.load(Ordering::Relaxed) as u64;
            if soft != 0 && unsent_bytes > soft && !client.has(client_flag::FOLLOWER) {
                client.wake.notify_one();
            }
        });
    }
}
