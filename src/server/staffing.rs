//! The thread that watches how the workers fare and lets as many serve as should.

use std::fs;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::crew::Crew;
use super::governor::{Governor, Sample};
use crate::exec::Engine;

/// Samples are taken this often, so that a number of workers which does not do is given up
/// after an eighth of a second.
const SAMPLE: Duration = Duration::from_millis(25);

/// With fewer commands a second it does not matter how many workers serve.
const QUIET_PER_S: f64 = 5_000.0;

/// What the machine leaves unused is told in ticks, 100 a second, of each core: over less
/// time than this it would be a guess.
const IDLE_SAMPLE: Duration = Duration::from_millis(100);
const TICKS_PER_S: f64 = 100.0;

/// Starts the thread, which ends with the process; there is none where nothing is to choose.
///
/// # Errors
/// The thread cannot be started.
pub fn start(engine: Arc<Engine>, crew: Arc<Crew>) -> io::Result<Option<JoinHandle<()>>> {
    if crew.workers() == 1 {
        return Ok(None);
    }
    let thread = std::thread::Builder::new().name("staffing".to_owned());
    thread
        .spawn(move || {
            let mut staffing = Staffing::new(engine, crew);
            loop {
                std::thread::sleep(staffing.pause);
                staffing.look();
            }
        })
        .map(Some)
}

struct Staffing {
    engine: Arc<Engine>,
    crew: Arc<Crew>,
    governor: Governor,
    sampled: Instant,
    /// The workers' commands and reads until then.
    commands: u64,
    reads: u64,
    /// How long they had run and waited by then, unless they had next to nothing to do.
    ran_and_waited_ns: Option<[u64; 2]>,
    idle: Idle,
    /// Until the next look.
    pause: Duration,
}

impl Staffing {
    fn new(engine: Arc<Engine>, crew: Arc<Crew>) -> Staffing {
        Staffing {
            governor: Governor::new(crew.workers()),
            engine,
            crew,
            sampled: Instant::now(),
            commands: 0,
            reads: 0,
            ran_and_waited_ns: None,
            idle: Idle::default(),
            pause: SAMPLE,
        }
    }

    fn look(&mut self) {
        let elapsed = std::mem::replace(&mut self.sampled, Instant::now()).elapsed();
        let stats = &self.engine.shared.stats;
        let more = |now: u64, before: &mut u64| now.saturating_sub(std::mem::replace(before, now));
        let commands = more(stats.sum(|thread| &thread.commands), &mut self.commands);
        let reads = more(stats.sum(|thread| &thread.reads), &mut self.reads);
        let commands_per_s = commands as f64 / elapsed.as_secs_f64();
        if commands_per_s < QUIET_PER_S {
            self.pause = SAMPLE * 4;
            self.ran_and_waited_ns = None;
            return self.crew.set_active(self.governor.idle());
        }
        self.pause = SAMPLE;
        let now = self.crew.run_and_wait_ns();
        let before = std::mem::replace(&mut self.ran_and_waited_ns, now);
        let (Some(now), Some(before)) = (now, before) else {
            return;
        };
        let share = |which: usize| {
            let ns = now[which].saturating_sub(before[which]);
            Duration::from_nanos(ns).div_duration_f64(elapsed)
        };
        let all_serve = self.crew.active() == self.crew.workers();
        let sample = Sample {
            ran_cores: share(0),
            waited_threads: share(1),
            idle_cores: if all_serve { 0.0 } else { self.idle.cores() },
            commands_per_s,
            commands_per_read: commands as f64 / reads.max(1) as f64,
        };
        self.crew.set_active(self.governor.step(sample));
    }
}

/// What all processes together leave unused.
#[derive(Default)]
struct Idle {
    sampled: Option<(Instant, u64)>,
    cores: f64,
}

impl Idle {
    /// So many cores had nothing to do lately.
    fn cores(&mut self) -> f64 {
        let elapsed = self.sampled.map(|(at, _)| at.elapsed());
        if elapsed.is_some_and(|elapsed| elapsed < IDLE_SAMPLE) {
            return self.cores;
        }
        let now = fs::read_to_string("/proc/stat")
            .ok()
            .and_then(|text| idle_ticks(&text));
        if let (Some(now), Some((_, before)), Some(elapsed)) = (now, self.sampled, elapsed) {
            let idle_s = now.saturating_sub(before) as f64 / TICKS_PER_S;
            self.cores = idle_s / elapsed.as_secs_f64();
        }
        self.sampled = now.map(|ticks| (Instant::now(), ticks));
        self.cores
    }
}

/// The sum over all cores: of the numbers in the first line, the fourth and the fifth, which
/// is of those that only wait for a disk.
fn idle_ticks(stat: &str) -> Option<u64> {
    let mut numbers = stat.lines().next()?.split_ascii_whitespace().skip(4);
    let mut next = || numbers.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_disk_are_added() {
        let stat = "cpu  10 20 30 4000 500 6 7 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(idle_ticks(stat), Some(4500));
        assert_eq!(idle_ticks("cpu 1 2 3"), None);
        assert_eq!(idle_ticks(""), None);
    }
}
