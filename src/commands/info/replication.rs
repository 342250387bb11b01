//! Replication.

use std::sync::atomic::Ordering;

use super::report::{Report, pace, percent};
use crate::config::Param;
use crate::shared::followers::FollowerPhase;
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
        // -1 while unknown.
        let total = u64::try_from(link.sync_total_bytes).unwrap_or(0);
        let elapsed_ms = now_ms - link.sync_started_ms;
        let (bytes_per_second, eta_seconds) = pace(read, total, elapsed_ms);
        report.line("master_sync_total_bytes", link.sync_total_bytes);
        report.line("master_sync_read_bytes", read);
        report.line("master_sync_left_bytes", total.saturating_sub(read));
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
        let facts = format!(
            "ip={},port={},state={},offset={},lag={lag_seconds}",
            follower.ip,
            follower.port,
            phase.name(),
            follower.acked_offset.load(Ordering::Relaxed),
        );
        report.line(&format!("slave{number}"), facts);
    }
}
