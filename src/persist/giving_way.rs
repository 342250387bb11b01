//! How a save gives way to clients.

use std::thread;
use std::time::{Duration, Instant};

use crate::shared::Shared;

/// While clients are served, so much longer than it works it rests.
const RESTS_PER_WORK: u32 = 2;

/// A step that takes longer waited itself, and need not rest for all of it.
const WORK_MAX: Duration = Duration::from_millis(1);

/// Rests between the steps of a save as long as clients are served. A low priority is not
/// enough: beside a thread that never sleeps the scheduler puts all others on the cores that
/// are left, and moves them at its next tick only, milliseconds later. A core that falls idle
/// fetches at once who waits elsewhere. And where a machine is a share of a larger one, who
/// always uses all of it is stopped altogether, again and again.
pub struct GivingWay {
    reads: u64,
    since: Instant,
    served: bool,
}

impl GivingWay {
    /// Work begins now.
    pub fn new(shared: &Shared) -> GivingWay {
        GivingWay {
            reads: reads(shared),
            since: Instant::now(),
            served: false,
        }
    }

    /// A step of the work is done, and no lock is held.
    pub fn rest(&mut self, shared: &Shared) {
        let reads = reads(shared);
        self.served = reads != self.reads;
        self.reads = reads;
        if self.served {
            thread::sleep(self.since.elapsed().min(WORK_MAX) * RESTS_PER_WORK);
        }
        self.since = Instant::now();
    }

    /// Whether clients were served during the last step.
    pub fn clients_served(&self) -> bool {
        self.served
    }
}

/// Grows whenever a client sends anything.
fn reads(shared: &Shared) -> u64 {
    shared.stats.sum(|thread| &thread.reads)
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn only_while_clients_are_served_is_there_rest() {
        let shared = Shared::for_test(1, 1);
        let mut giving_way = GivingWay::new(&shared);
        giving_way.rest(&shared);
        assert!(!giving_way.clients_served());
        shared.stats.thread(0).reads.add(1);
        let worked = Duration::from_micros(300);
        while giving_way.since.elapsed() < worked {}
        let rest_begins = Instant::now();
        giving_way.rest(&shared);
        assert!(rest_begins.elapsed() >= worked * RESTS_PER_WORK);
        assert!(giving_way.clients_served());
        giving_way.rest(&shared);
        assert!(!giving_way.clients_served());
    }
}
