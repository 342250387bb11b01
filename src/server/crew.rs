//! The workers together: how many connections each has, and who serves which.
//!
//! A connection changes its worker only between two of its reads, when nothing of it is
//! unfinished, and only after the number of workers that serve has changed (see `governor`):
//! from one that rests to the quietest that does not, and from one that has more than its
//! share.

use std::fs;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::exec::Engine;
use crate::net::stream::Moving;
use crate::resp::request::Parser;
use crate::shared::session::Session;

/// A connection on its way to a worker.
pub struct Arrival {
    pub stream: Moving,
    /// Nothing for a new one.
    pub state: Option<Box<Carried>>,
}

/// What a connection takes along.
pub struct Carried {
    pub session: Session,
    pub parser: Parser,
    pub resp3: bool,
}

/// All workers, by the number of their gate.
pub struct Crew {
    engine: Arc<Engine>,
    seats: Box<[Seat]>,
    /// The first ones of them serve.
    active: AtomicUsize,
    /// How often `active` has changed.
    shifts: AtomicU64,
}

struct Seat {
    arrivals: UnboundedSender<Arrival>,
    /// Where the kernel says how long the thread has run and waited.
    schedstat: OnceLock<String>,
}

impl Crew {
    /// With the other ends of the workers' arrivals.
    pub fn new(engine: Arc<Engine>, workers: usize) -> (Crew, Vec<UnboundedReceiver<Arrival>>) {
        let (seats, arriving) = (0..workers)
            .map(|_| {
                let (arrivals, arriving) = unbounded_channel();
                let seat = Seat {
                    arrivals,
                    schedstat: OnceLock::new(),
                };
                (seat, arriving)
            })
            .unzip::<_, _, Vec<_>, Vec<_>>();
        let crew = Crew {
            engine,
            seats: seats.into(),
            active: AtomicUsize::new(workers),
            shifts: AtomicU64::new(0),
        };
        (crew, arriving)
    }

    pub fn workers(&self) -> usize {
        self.seats.len()
    }

    pub fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// Lets the first `active` workers serve.
    pub fn set_active(&self, active: usize) {
        if self.active.swap(active, Ordering::Relaxed) != active {
            self.shifts.fetch_add(1, Ordering::Release);
        }
    }

    /// The calling thread is the worker's.
    pub fn sit_down(&self, gate: usize) {
        let thread = rustix::thread::gettid().as_raw_nonzero();
        let path = format!("/proc/self/task/{thread}/schedstat");
        let _ = self.seats[gate].schedstat.set(path);
    }

    /// How often the number of those that serve has changed.
    #[inline]
    pub fn shifts(&self) -> u64 {
        self.shifts.load(Ordering::Relaxed)
    }

    /// Gives a new connection to the worker that has the fewest. It is closed if that worker
    /// has ended.
    pub fn admit(&self, stream: Moving) {
        let state = None;
        self.give(self.quietest(), Arrival { stream, state });
    }

    /// Where a connection of this worker should be served instead.
    pub fn elsewhere(&self, gate: usize) -> Option<usize> {
        let quietest = self.quietest();
        let connections = |gate: usize| self.connections(gate).load(Ordering::Relaxed);
        let moves = gate >= self.active() || connections(gate) > connections(quietest) + 1;
        (moves && quietest != gate).then_some(quietest)
    }

    pub fn give(&self, gate: usize, arrival: Arrival) {
        self.connections(gate).fetch_add(1, Ordering::Relaxed);
        let _ = self.seats[gate].arrivals.send(arrival);
    }

    /// One of the worker's connections has ended, or is somebody else's now.
    pub fn count_out(&self, gate: usize) {
        self.connections(gate).fetch_sub(1, Ordering::Relaxed);
    }

    /// How many a worker has, for INFO too.
    fn connections(&self, gate: usize) -> &AtomicUsize {
        &self.engine.shared.stats.thread(gate).connections
    }

    fn quietest(&self) -> usize {
        let active = self.active().clamp(1, self.seats.len());
        let connections = |gate: &usize| self.connections(*gate).load(Ordering::Relaxed);
        (0..active).min_by_key(connections).unwrap_or(0)
    }

    /// How long all workers have run, and how long they have waited for a core, since they
    /// began; in nanoseconds. Nothing where the kernel does not say.
    pub fn run_and_wait_ns(&self) -> Option<[u64; 2]> {
        let mut sum = [0; 2];
        for seat in &self.seats {
            let text = fs::read_to_string(seat.schedstat.get()?).ok()?;
            let mut numbers = text.split_ascii_whitespace();
            for total in &mut sum {
                *total += numbers.next()?.parse::<u64>().ok()?;
            }
        }
        Some(sum)
    }
}
