//! How long and how far a follower may lag behind, and who waits for it meanwhile.

use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::super::line::LogLine;
use super::{End, Feed, Source};
use crate::base::clock;
use crate::config::{ClientClass, Param};
use crate::oplog::Reader;
use crate::persist::spill::PATIENCE_BYTES_MAX;

/// A follower has caught up when it lags behind this part of its limits.
const CAUGHT_UP_PART: u64 = 8;

/// So much of the patience is for the time of the snapshot; the rest for loading it.
const PATIENCE_PART_IN_SNAPSHOT: f64 = 0.75;

impl Feed {
    pub(super) fn check_time(&mut self) -> Result<(), End> {
        let config = &self.desk.engine.shared.config;
        let timeout = config.get_seconds(Param::ReplTimeout);
        let has_nothing_to_send = match &self.source {
            Source::Snapshot { piece, .. } => piece.is_empty() && self.out.is_empty(),
            Source::Stream(express) => express.watch().lag_bytes() == 0,
            _ => false,
        };
        if has_nothing_to_send {
            self.state.moved = Instant::now();
        }
        let what = match &self.source {
            Source::Snapshot { .. } => {
                (self.state.moved.elapsed() > timeout).then_some("full sync")
            }
            // Whoever may lag must not stand still, whatever it says of itself.
            Source::Stream(_) if self.state.moved.elapsed() > timeout && self.may_lag() => {
                Some("streaming sync")
            }
            Source::AwaitsAck(_) | Source::Stream(_) if !self.by_sync => {
                let lag_s = self.follower.lag_seconds(clock::unix_ms()) as u64;
                (lag_s > timeout.as_secs()).then_some("streaming sync")
            }
            _ => None,
        };
        match what {
            Some(what) => {
                let name = &self.name;
                LogLine::warning(format!("Disconnecting timedout replica ({what}): {name}")).log();
                Err(End::Dropped)
            }
            None => Ok(()),
        }
    }

    pub(super) fn check_limit(&mut self) -> Result<(), End> {
        let lag_bytes = match &self.source {
            Source::Stream(express) => express.watch().lag_bytes(),
            Source::AwaitsAck(reader) => reader.lag_bytes(),
            Source::Snapshot { cut, .. } => cut.reader.as_ref().map_or(0, Reader::lag_bytes),
            Source::Waiting(_) | Source::Done(_) => 0,
        };
        let shown = usize::try_from(lag_bytes).unwrap_or(usize::MAX);
        let output_bytes = &self.facts.memory.output_bytes;
        output_bytes.store(shown, Ordering::Relaxed);
        self.follower.output_bytes.store(shown, Ordering::Relaxed);
        if !self.is_beyond_limit(lag_bytes) {
            return Ok(());
        }
        let stats = &self.desk.engine.shared.stats.rare;
        stats
            .output_limit_disconnections
            .fetch_add(1, Ordering::Relaxed);
        self.desk.note_dropped(&self.name);
        let facts = &self.facts;
        LogLine::warning(format!(
            "Client id={} addr={} (replica {}, {lag_bytes} bytes behind) scheduled to be closed \
             ASAP for overcoming of output buffer limits.",
            facts.id, facts.address, self.name
        ))
        .log();
        Err(End::Dropped)
    }

    fn is_beyond_limit(&mut self, lag_bytes: u64) -> bool {
        self.note_progress();
        let shared = &self.desk.engine.shared;
        self.set_patience();
        if !self.state.caught_up {
            let sync_bytes_max = shared.config.get_bytes(Param::ReplicaFullSyncBufferLimit);
            if self.exceeds(sync_bytes_max, lag_bytes) {
                return true;
            }
            if !shared.oplog.cannot_spill() || !shared.role.is_follower() {
                return false;
            }
        }
        let limit = shared.config.output_limit(ClientClass::Replica);
        if self.exceeds(limit.hard_bytes, lag_bytes) {
            return true;
        }
        if !self.exceeds(limit.soft_bytes, lag_bytes) {
            self.state.above_soft_since = None;
            return false;
        }
        let since = self.state.above_soft_since.get_or_insert_with(Instant::now);
        since.elapsed().as_secs() as i64 > limit.soft_seconds
    }

    /// Whether nothing but standing still costs the follower its link.
    fn may_lag(&self) -> bool {
        let config = &self.desk.engine.shared.config;
        let limit = config.output_limit(ClientClass::Replica);
        !self.state.caught_up || (limit.hard_bytes == 0 && limit.soft_bytes == 0)
    }

    /// Says how much the log may come to hold in memory for this follower before writes wait,
    /// where it cannot be spilled. What it does not take before it has the snapshot, and has
    /// loaded it, comes bit by bit, so that writes are slow all the time and stop at no time.
    fn set_patience(&self) {
        let progress = &self.follower.progress;
        let (watch, part) = match &self.source {
            Source::Snapshot { cut, .. } => {
                let Some(reader) = &cut.reader else { return };
                let sent_bytes = progress.sent_bytes.load(Ordering::Relaxed);
                let total_bytes = progress.total_bytes.load(Ordering::Relaxed);
                let part = sent_bytes as f64 / total_bytes.max(sent_bytes).max(1) as f64;
                (reader.watch(), part * PATIENCE_PART_IN_SNAPSHOT)
            }
            Source::AwaitsAck(reader) => (reader.watch(), 1.0),
            Source::Stream(express) => (express.watch().clone(), 1.0),
            Source::Waiting(_) | Source::Done(_) => return,
        };
        let waits = self.may_lag() && !self.desk.engine.shared.role.is_follower();
        watch.set_patience_bytes(match waits {
            true => (part * self.patience_bytes_max() as f64) as u64,
            false => u64::MAX,
        });
    }

    /// What an operator lets a follower that has caught up take for any length of time may be
    /// taken for another too. Who sets no limit has not said how much there is to take.
    fn patience_bytes_max(&self) -> u64 {
        let config = &self.desk.engine.shared.config;
        let limit = config.output_limit(ClientClass::Replica);
        let set = [limit.hard_bytes, limit.soft_bytes];
        let lower = set.into_iter().filter(|&bytes| bytes > 0).min();
        lower.unwrap_or(0).max(PATIENCE_BYTES_MAX)
    }

    /// Notes that the follower has caught up, if so: that it lags no further behind than a
    /// small part of what it may, so that the next burst of writes does not cost it its link.
    pub(super) fn note_progress(&mut self) {
        let Source::Stream(express) = &self.source else {
            return;
        };
        let config = &self.desk.engine.shared.config;
        let limit = config.output_limit(ClientClass::Replica);
        let bytes = express.watch().lag_bytes().saturating_mul(CAUGHT_UP_PART);
        let is_far = self.exceeds(limit.hard_bytes, bytes) || self.exceeds(limit.soft_bytes, bytes);
        self.state.caught_up |= (self.state.acked || self.by_sync) && !is_far;
    }

    /// Whether so many bytes are more than a limit, 0 for none. The backlog is kept anyway:
    /// nothing is gained by dropping a follower for less.
    fn exceeds(&self, limit_bytes: u64, bytes: u64) -> bool {
        let config = &self.desk.engine.shared.config;
        let backlog_bytes = config.get_bytes(Param::ReplBacklogSize);
        limit_bytes != 0 && bytes > limit_bytes.max(backlog_bytes)
    }
}
