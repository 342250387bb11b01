//! Replication.

use std::sync::atomic::Ordering;

use super::report::{Report, pace, percent};
use crate::config::Param;
use crate::shared::Shared;
use crate::shared::followers::{Follower, FollowerPhase};
use crate::shared::full_syncs::Reason;
use crate::shared::progress::Step;
use crate::shared::role::{LinkFacts, LinkPhase};

pub fn replication(report: &mut Report) {
    let role = &report.shared.role;
    if role.is_follower() {
        report.line("role", "slave");
        let link = role.link.lock().clone();
        leader(report, &link);
    } else {
        report.line("role", "master");
    }
    followers(report);
    report.line("master_failover_state", role.failover.lock().name());
    let history = report.shared.history.lock().clone();
    let log = report.shared.oplog.stats();
    report.line("master_replid", history.id());
    report.line("master_replid2", history.second_id());
    report.line("master_repl_offset", log.end_offset);
    report.line("second_repl_offset", history.second_offset());
    report.flag("repl_backlog_active", log.backlog.is_some());
    report.line("repl_backlog_size", log.backlog_size_bytes);
    let (first, held) = match log.backlog {
        Some(range) => (range.first_offset, range.history_bytes()),
        None => (0, 0),
    };
    report.line("repl_backlog_first_byte_offset", first);
    report.line("repl_backlog_histlen", held);
    report.line("repl_spilled_bytes", log.shelved_bytes);
    report.flag("repl_writes_delayed", report.shared.delay.is_on());
    report.line("repl_writes_delayed_ms", report.shared.delay.total_ms());
    histories(report);
}

fn leader(report: &mut Report, link: &LinkFacts) {
    let role = &report.shared.role;
    let config = &report.shared.config;
    let now_ms = report.now_ms;
    let seconds_since = |ms: i64| (now_ms - ms).max(0) / 1000;
    let up = role.is_link_up();
    report.line("master_host", &link.host);
    report.line("master_port", link.port);
    report.line("master_link_status", if up { "up" } else { "down" });
    let last_io_seconds = match up {
        true => seconds_since(role.last_io_ms.load(Ordering::Relaxed)),
        false => -1,
    };
    report.line("master_last_io_seconds_ago", last_io_seconds);
    let syncing = link.phase == LinkPhase::Sync;
    report.flag("master_sync_in_progress", syncing);
    // What was applied is what the log holds: it ends with the leader's bytes.
    let applied = report.shared.oplog.end_offset();
    let read = role.read_offset.load(Ordering::Relaxed).max(applied);
    report.line("slave_read_repl_offset", read);
    report.line("slave_repl_offset", applied);
    report.line("replica_full_sync_buffer_size", 0);
    report.line("replica_full_sync_buffer_peak", 0);
    if syncing {
        let read = link.sync_read_bytes;
        // -1 before it is announced, 0 if it is announced without a length.
        let total = u64::try_from(link.sync_total_bytes).unwrap_or(0);
        let elapsed_ms = now_ms - link.sync_started_ms;
        let (bytes_per_second, eta_seconds) = pace(read, total, elapsed_ms);
        report.line("master_sync_total_bytes", link.sync_total_bytes);
        report.line("master_sync_read_bytes", read);
        let left = link.sync_total_bytes.saturating_sub_unsigned(read);
        report.line("master_sync_left_bytes", left);
        report.line("master_sync_perc", format!("{:.2}", percent(read, total)));
        let last_io_seconds = seconds_since(link.sync_last_io_ms);
        report.line("master_sync_last_io_seconds_ago", last_io_seconds);
        report.line("master_sync_bytes_per_sec", bytes_per_second);
        report.line("master_sync_eta_seconds", eta_seconds);
    }
    if !up {
        let down_seconds = link.down_since_ms.map_or(-1, seconds_since);
        report.line("master_link_down_since_seconds", down_seconds);
    }
    if link.refusals > 0 {
        report.line("master_sync_refusals", link.refusals);
        report.line("master_sync_refusal_reason", &link.refusal);
    }
    report.line("slave_priority", config.get_int(Param::ReplicaPriority));
    report.flag("slave_read_only", config.get_bool(Param::ReplicaReadOnly));
    report.flag(
        "replica_announced",
        config.get_bool(Param::ReplicaAnnounced),
    );
}

fn followers(report: &mut Report) {
    let shared = report.shared;
    let followers = shared.followers.all();
    report.line("connected_slaves", followers.len());
    let wanted = shared.config.get_int(Param::MinReplicasToWrite);
    if wanted > 0 && shared.config.get_int(Param::MinReplicasMaxLag) > 0 {
        let good = shared.followers.good.load(Ordering::Relaxed);
        report.line("min_slaves_good_slaves", good);
    }
    for (number, follower) in followers.iter().enumerate() {
        let phase = follower.phase();
        let lag_seconds = match phase {
            FollowerPhase::Online => follower.lag_seconds(report.now_ms),
            _ => 0,
        };
        let acked = follower.acked_offset.load(Ordering::Relaxed);
        let facts = format!(
            "ip={},port={},state={},offset={acked},lag={lag_seconds}{}",
            follower.ip,
            follower.port,
            phase.name(),
            progress(follower, shared, report.now_ms),
        );
        report.line(&format!("slave{number}"), facts);
    }
}

/// What is ours of a follower's line: how far behind it is in bytes and in time (-1 while
/// that cannot be told), and how far its full sync has come.
fn progress(follower: &Follower, shared: &Shared, now_ms: i64) -> String {
    let progress = &follower.progress;
    let step = progress.step();
    if step == Step::Streaming {
        let acked = follower.acked_offset.load(Ordering::Relaxed);
        let end = shared.oplog.end_offset();
        let lag_ms = progress.lag_ms(acked, end, &shared.followers.moments, now_ms);
        let lag_bytes = end.saturating_sub(acked);
        return format!(
            ",lag_bytes={lag_bytes},lag_ms={lag_ms},sync={}",
            step.name()
        );
    }
    let unsent = follower.output_bytes.load(Ordering::Relaxed);
    let facts = format!(",lag_bytes={unsent},lag_ms=-1,sync={}", step.name());
    if step != Step::Snapshot {
        return facts;
    }
    let sent = progress.sent_bytes.load(Ordering::Relaxed);
    let total = progress.total_bytes.load(Ordering::Relaxed);
    if total == 0 {
        return format!("{facts},sync_perc=-1,sync_eta_seconds=-1");
    }
    // As long as the end is only estimated it may be passed.
    let total = total.max(sent);
    let elapsed_ms = now_ms - progress.began_ms.load(Ordering::Relaxed);
    let (_, eta_seconds) = pace(sent, total, elapsed_ms);
    let perc = percent(sent, total);
    format!("{facts},sync_perc={perc:.2},sync_eta_seconds={eta_seconds}")
}

/// Why followers were given everything, and for how long one may be away and go on.
fn histories(report: &mut Report) {
    let shared = report.shared;
    let syncs = &shared.followers.full_syncs;
    let counts = syncs.counts();
    let counts: Vec<String> = counts
        .map(|(reason, n)| format!("{}={n}", reason.name()))
        .collect();
    report.line("sync_full_reasons", counts.join(","));
    let last = syncs.last().map_or("none", Reason::name);
    report.line("sync_full_last_reason", last);
    let refusals = &shared.followers.refusals;
    let count = refusals.count.load(Ordering::Relaxed);
    report.line("sync_refusals", count);
    if count > 0 {
        report.line("sync_last_refusal", &refusals.last.lock()[..]);
    }
    let backlog = shared
        .oplog
        .backlog()
        .filter(|range| range.history_bytes() > 0);
    let age_ms = backlog.map_or(0, |range| {
        let moments = &shared.followers.moments;
        moments.age_ms(report.now_ms, range.first_offset)
    });
    report.line("repl_backlog_seconds", age_ms / 1000);
}
