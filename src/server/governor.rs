//! How many of the workers should serve.
//!
//! Threads that wait for a core, because clients or other processes use it, are of no use:
//! each wakes up for fewer requests at a time, the switches between them cost more than they
//! do, and a request may wait for as long as a time slice. Fewer threads then carry the same
//! load with less CPU and shorter delays. Whether they do is not predicted but tried: where
//! workers wait much, one of them rests for a moment, and goes on resting if that cost no
//! throughput. Where those that serve have always something to do, and there is room for more,
//! one more serves, and stays if that brought throughput. What did not help is not tried again
//! for a while, which doubles each time, until the load has become another.

/// What the workers did in one sample.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// So many cores' time they ran.
    pub ran_cores: f64,
    /// So many threads' time they could have run and had no core.
    pub waited_threads: f64,
    /// So many cores nobody used; it counts only while a worker rests.
    pub idle_cores: f64,
    pub commands_per_s: f64,
    /// More and more where requests come in faster than they are run.
    pub commands_per_read: f64,
}

/// Samples that are looked at together.
const WINDOW: u32 = 4;
/// Waiting is much beyond this part of running.
const CROWDED: f64 = 0.2;
/// Workers that run, or wait to, for less than so much of the time have some to spare.
const BUSY_PER_WORKER: f64 = 0.9;
/// A worker more has a use for that part of a core.
const FREE_CORES: f64 = 0.25;
/// Throughput that one worker less must keep.
const KEPT: f64 = 0.97;
/// Throughput that one worker more must bring, and one less where requests queue for it.
const GAINED: f64 = 1.03;
/// Requests queue where those that are left are busy and find so many times as many of them
/// whenever they look. Clients that wait for their replies send no more than before.
const QUEUED: f64 = 1.1;
/// A load with so many times the throughput, or as much less, is another.
const OTHER_LOAD: f64 = 2.0;

/// Decides from samples.
#[derive(Debug)]
pub struct Governor {
    workers: usize,
    active: usize,
    window: Window,
    trial: Option<Trial>,
    less: Patience,
    more: Patience,
    /// The throughput at the last decision.
    known_rate: f64,
}

#[derive(Debug)]
struct Trial {
    active_before: usize,
    before: Sample,
    /// The first sample still has connections of before.
    is_settled: bool,
}

impl Governor {
    /// All of `workers` serve at first.
    pub fn new(workers: usize) -> Governor {
        Governor {
            workers,
            active: workers,
            window: Window::default(),
            trial: None,
            less: Patience::default(),
            more: Patience::default(),
            known_rate: 0.0,
        }
    }

    /// There was too little to do to learn from: what was begun is given up.
    pub fn idle(&mut self) -> usize {
        self.window = Window::default();
        if let Some(trial) = self.trial.take() {
            self.active = trial.active_before;
        }
        self.active
    }

    /// Takes a sample and says how many serve from now on.
    pub fn step(&mut self, sample: Sample) -> usize {
        if let Some(trial) = &mut self.trial
            && !std::mem::replace(&mut trial.is_settled, true)
        {
            return self.active;
        }
        if let Some(mean) = self.window.add(sample) {
            match self.trial.take() {
                Some(trial) => self.judge(&trial, mean),
                None => self.consider(mean),
            }
        }
        self.active
    }

    fn judge(&mut self, trial: &Trial, mean: Sample) {
        let rate = mean.commands_per_s;
        self.known_rate = rate;
        let is_less = self.active < trial.active_before;
        let before = &trial.before;
        let queue_up =
            self.are_busy(mean) && mean.commands_per_read > before.commands_per_read * QUEUED;
        let needed = if is_less && !queue_up { KEPT } else { GAINED };
        let is_kept = rate >= before.commands_per_s * needed;
        if !is_kept {
            self.active = trial.active_before;
        }
        // What was kept speaks against its opposite as what was not kept does against itself.
        let other_way = if is_less == is_kept {
            &mut self.more
        } else {
            &mut self.less
        };
        other_way.wait();
    }

    fn consider(&mut self, mean: Sample) {
        let rate = mean.commands_per_s;
        if rate > self.known_rate * OTHER_LOAD || rate < self.known_rate / OTHER_LOAD {
            self.known_rate = rate;
            self.less = Patience::default();
            self.more = Patience::default();
        }
        let (may_less, may_more) = (self.less.is_over(), self.more.is_over());
        let is_crowded = mean.waited_threads > mean.ran_cores * CROWDED;
        let step = (self.active / 4).max(1);
        // Where others crowd the cores, one worker more has a larger part of them.
        let has_room = is_crowded || mean.idle_cores > FREE_CORES;
        let next = if is_crowded && self.active > 1 && may_less {
            self.active - step
        } else if self.are_busy(mean) && has_room && may_more {
            (self.active + step).min(self.workers)
        } else {
            self.active
        };
        if next != self.active {
            self.trial = Some(Trial {
                active_before: std::mem::replace(&mut self.active, next),
                before: mean,
                is_settled: false,
            });
        }
    }

    /// Those that serve have always something to do.
    fn are_busy(&self, mean: Sample) -> bool {
        let wanted = mean.ran_cores + mean.waited_threads;
        wanted > BUSY_PER_WORKER * self.active as f64
    }
}

#[derive(Debug, Default)]
struct Window {
    count: u32,
    sum: Sample,
}

impl Window {
    /// The mean of every `WINDOW` samples.
    fn add(&mut self, sample: Sample) -> Option<Sample> {
        self.count += 1;
        self.sum.ran_cores += sample.ran_cores;
        self.sum.waited_threads += sample.waited_threads;
        self.sum.idle_cores += sample.idle_cores;
        self.sum.commands_per_s += sample.commands_per_s;
        self.sum.commands_per_read += sample.commands_per_read;
        if self.count < WINDOW {
            return None;
        }
        let Window { count, sum } = std::mem::take(self);
        Some(Sample {
            ran_cores: sum.ran_cores / f64::from(count),
            waited_threads: sum.waited_threads / f64::from(count),
            idle_cores: sum.idle_cores / f64::from(count),
            commands_per_s: sum.commands_per_s / f64::from(count),
            commands_per_read: sum.commands_per_read / f64::from(count),
        })
    }
}

/// When something may be tried again, in windows.
#[derive(Debug)]
struct Patience {
    left: u32,
    next: u32,
}

impl Patience {
    const FIRST: u32 = 16;
    const LONGEST: u32 = 512;

    fn wait(&mut self) {
        self.left = self.next;
        self.next = (self.next * 2).min(Patience::LONGEST);
    }

    /// To be asked once a window.
    fn is_over(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left == 0
    }
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            left: 0,
            next: Patience::FIRST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine on which `rates[n - 1]` is the throughput of n workers and `free_cores` those
    /// that they can have.
    struct Machine {
        rates: Vec<f64>,
        free_cores: f64,
        load: f64,
        /// How many commands each read brings to one worker that serves alone.
        queue: f64,
    }

    impl Machine {
        fn sample(&self, active: usize) -> Sample {
            let wanted = active as f64 * self.load;
            let ran_cores = wanted.min(self.free_cores);
            Sample {
                ran_cores,
                waited_threads: wanted - ran_cores,
                idle_cores: self.free_cores - ran_cores,
                commands_per_s: self.rates[active - 1],
                commands_per_read: if active == 1 { self.queue } else { 1.0 },
            }
        }

        /// How many samples of `count` each number of workers served.
        fn run(&self, governor: &mut Governor, count: usize) -> Vec<usize> {
            let mut served = vec![0; self.rates.len()];
            let mut active = governor.active;
            for _ in 0..count {
                active = governor.step(self.sample(active));
                served[active - 1] += 1;
            }
            served
        }
    }

    fn machine(rates: &[f64], free_cores: f64) -> Machine {
        Machine {
            rates: rates.iter().map(|rate| rate * 100_000.0).collect(),
            free_cores,
            load: 1.0,
            queue: 1.0,
        }
    }

    #[test]
    fn all_serve_where_there_is_room() {
        let mut governor = Governor::new(2);
        let roomy = machine(&[1.0, 1.9], 2.0);
        assert_eq!(roomy.run(&mut governor, 1000), [0, 1000]);
    }

    #[test]
    fn one_rests_where_two_share_a_core() {
        let mut governor = Governor::new(2);
        let served = machine(&[1.0, 0.8], 1.1).run(&mut governor, 1000);
        assert!(served[1] < 60, "{served:?}");
    }

    #[test]
    fn both_stay_where_resting_costs() {
        let mut governor = Governor::new(2);
        let served = machine(&[1.0, 1.5], 1.5).run(&mut governor, 1000);
        assert!(served[0] < 60, "{served:?}");
    }

    #[test]
    fn none_rests_while_a_queue_grows() {
        let mut governor = Governor::new(2);
        // As much comes, whoever serves; one alone does not keep up.
        let queued = Machine {
            queue: 1.5,
            ..machine(&[1.0, 1.0], 1.1)
        };
        let served = queued.run(&mut governor, 1000);
        assert!(served[0] < 60, "{served:?}");
        let mut governor = Governor::new(2);
        let served = machine(&[1.0, 1.0], 1.1).run(&mut governor, 1000);
        assert!(served[1] < 60, "{served:?}");
    }

    #[test]
    fn nobody_is_woken_for_cores_that_others_use() {
        let mut governor = Governor::new(2);
        let crowded = machine(&[1.0, 0.8], 1.1);
        crowded.run(&mut governor, 20);
        let full = machine(&[1.0, 0.8], 1.0);
        assert_eq!(full.run(&mut governor, 5000), [5000, 0]);
    }

    #[test]
    fn another_load_is_looked_at_anew() {
        let mut governor = Governor::new(2);
        machine(&[1.0, 0.8], 1.1).run(&mut governor, 1000);
        let served = machine(&[20.0, 35.0], 1.6).run(&mut governor, 100);
        assert!(served[1] > 80, "{served:?}");
    }

    #[test]
    fn many_workers_find_their_number() {
        let mut governor = Governor::new(8);
        let rates = [1.0, 1.9, 2.7, 3.4, 3.5, 3.4, 3.3, 3.2];
        let served = machine(&rates, 4.0).run(&mut governor, 4000);
        let good: usize = served[3..6].iter().sum();
        assert!(good > 3000, "{served:?}");
    }

    #[test]
    fn a_quiet_load_changes_nothing() {
        let mut governor = Governor::new(4);
        let quiet = Machine {
            load: 0.1,
            ..machine(&[1.0, 1.0, 1.0, 1.0], 4.0)
        };
        assert_eq!(quiet.run(&mut governor, 1000), [0, 0, 0, 1000]);
        assert_eq!(governor.idle(), 4);
    }

    #[test]
    fn an_interrupted_trial_is_undone() {
        let mut governor = Governor::new(2);
        let crowded = machine(&[1.0, 0.8], 1.1);
        let served = crowded.run(&mut governor, WINDOW as usize);
        assert_eq!((served[0], governor.active), (1, 1));
        assert_eq!(governor.idle(), 2);
    }
}
