//! The latency monitor: for each kind of event the latest moments at which it took
//! `latency-monitor-threshold` milliseconds or more, one for each second that had any.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;

/// So many moments are kept of each kind of event, as in Redis.
const KEPT_MAX: usize = 160;

/// What can take long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A command that is not known to be fast, or a group of commands with such a one.
    Command,
    /// Commands that are all known to be fast.
    FastCommand,
    /// A tick's search for keys that are due.
    ExpireCycle,
    /// Keys being deleted to make room.
    EvictionCycle,
    /// The stop at which a snapshot begins, where Redis forks.
    Fork,
}

impl Event {
    pub const ALL: [Event; 5] = [
        Event::Command,
        Event::FastCommand,
        Event::ExpireCycle,
        Event::EvictionCycle,
        Event::Fork,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Event::Command => "command",
            Event::FastCommand => "fast-command",
            Event::ExpireCycle => "expire-cycle",
            Event::EvictionCycle => "eviction-cycle",
            Event::Fork => "fork",
        }
    }

    pub fn named(name: &[u8]) -> Option<Event> {
        let is = |event: &Event| event.name().as_bytes().eq_ignore_ascii_case(name);
        Event::ALL.into_iter().find(is)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spike {
    pub unix_seconds: i64,
    pub milliseconds: u64,
}

/// What is kept of one kind of event, oldest first, and the worst since the last reset.
#[derive(Clone, Debug, Default)]
pub struct Series {
    pub spikes: VecDeque<Spike>,
    pub worst_ms: u64,
}

#[derive(Default)]
pub struct Spikes {
    series: Mutex<BTreeMap<Event, Series>>,
}

impl Spikes {
    /// Notes an event that took `microseconds`, if that is long enough to be noted; a
    /// threshold of 0 turns the monitor off.
    pub fn note(&self, event: Event, unix_seconds: i64, microseconds: u64, threshold_ms: i64) {
        let milliseconds = microseconds / 1000;
        if threshold_ms > 0 && milliseconds >= threshold_ms.unsigned_abs() {
            self.add(event, unix_seconds, milliseconds);
        }
    }

    #[cold]
    fn add(&self, event: Event, unix_seconds: i64, milliseconds: u64) {
        let mut all = self.series.lock();
        let series = all.entry(event).or_default();
        series.worst_ms = series.worst_ms.max(milliseconds);
        match series.spikes.back_mut() {
            Some(last) if last.unix_seconds == unix_seconds => {
                last.milliseconds = last.milliseconds.max(milliseconds);
            }
            _ => series.spikes.push_back(Spike {
                unix_seconds,
                milliseconds,
            }),
        }
        if series.spikes.len() > KEPT_MAX {
            series.spikes.pop_front();
        }
    }

    /// What is kept of one kind; nothing if there is none.
    pub fn of(&self, event: Event) -> Series {
        self.series.lock().get(&event).cloned().unwrap_or_default()
    }

    /// The kinds of which something is kept.
    pub fn all(&self) -> Vec<(Event, Series)> {
        let all = self.series.lock();
        all.iter()
            .map(|(event, series)| (*event, series.clone()))
            .collect()
    }

    /// Forgets one kind. Whether there was anything to forget.
    pub fn reset(&self, event: Event) -> bool {
        self.series.lock().remove(&event).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_each_second_is_kept() {
        let spikes = Spikes::default();
        spikes.note(Event::Command, 1, 99_999, 100);
        spikes.note(Event::Command, 1, 100_000, 0);
        assert!(spikes.all().is_empty(), "too short, or turned off");
        for (seconds, milliseconds) in [(1, 100), (1, 300), (1, 200), (2, 150)] {
            spikes.note(Event::Command, seconds, milliseconds * 1000, 100);
        }
        let kept: Vec<(i64, u64)> = spikes.of(Event::Command).spikes.iter().map(pair).collect();
        assert_eq!(kept, [(1, 300), (2, 150)]);
        assert_eq!(spikes.of(Event::Command).worst_ms, 300);
        assert!(spikes.reset(Event::Command) && !spikes.reset(Event::Command));
        assert_eq!(spikes.of(Event::Command).worst_ms, 0);
    }

    #[test]
    fn the_oldest_make_room() {
        let spikes = Spikes::default();
        for seconds in 0..200 {
            spikes.note(Event::Fork, seconds, 1000, 1);
        }
        let kept = spikes.of(Event::Fork).spikes;
        assert_eq!(kept.len(), KEPT_MAX);
        assert_eq!(kept.back().map(pair), Some((199, 1)));
        assert_eq!(kept.front().map(pair), Some((40, 1)));
    }

    fn pair(spike: &Spike) -> (i64, u64) {
        (spike.unix_seconds, spike.milliseconds)
    }
}
