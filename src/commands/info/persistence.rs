//! Persistence.

use std::sync::atomic::Ordering;

use super::report::{Report, pace, percent};

pub fn persistence(report: &mut Report) {
    let loading = &report.shared.jobs.loading;
    let (active, aside) = (
        loading.is_active(),
        loading.is_aside.load(Ordering::Relaxed),
    );
    report.flag("loading", active && !aside);
    report.flag("async_loading", active && aside);
    save(report);
    no_aof(report);
    if active {
        load(report);
    }
}

fn save(report: &mut Report) {
    let saves = &report.shared.jobs.saves;
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let running = saves.is_running();
    let while_running = |n: u64| if running { n } else { 0 };
    let given = while_running(load(&saves.given_bytes));
    let (done, total) = (load(&saves.keys_done), load(&saves.keys_total));
    let (done, total) = (while_running(done), while_running(total));
    let elapsed_ms = report.now_ms - saves.started_ms.load(Ordering::Relaxed);
    report.line("current_cow_peak", given);
    report.line("current_cow_size", given);
    report.line("current_cow_size_age", 0);
    report.line("current_fork_perc", format!("{:.2}", percent(done, total)));
    report.line("current_save_keys_processed", done);
    report.line("current_save_keys_total", total);
    if running {
        let (bytes_per_second, _) = pace(load(&saves.bytes_done), 0, elapsed_ms);
        report.line("current_save_bytes_per_sec", bytes_per_second);
        let (_, eta_seconds) = pace(done, total, elapsed_ms);
        report.line("current_save_eta_seconds", eta_seconds);
    }
    report.counter("rdb_changes_since_last_save", &report.shared.stats.dirty);
    // In Redis a full sync is one, and its tools and tests look for it here.
    let syncing = report.shared.followers.syncing.load(Ordering::Relaxed);
    report.flag("rdb_bgsave_in_progress", running || syncing > 0);
    let last_save_unix_s = report.shared.last_save_unix_s();
    report.line("rdb_last_save_time", last_save_unix_s);
    let status = if saves.last_failed() { "err" } else { "ok" };
    report.line("rdb_last_bgsave_status", status);
    let tried = saves.last_try_unix_s.load(Ordering::Relaxed) != 0;
    let finished_once = tried && (!running || load(&saves.count) > 0);
    let last_seconds = match finished_once {
        true => saves.last_seconds.load(Ordering::Relaxed),
        false => -1,
    };
    report.line("rdb_last_bgsave_time_sec", last_seconds);
    let current_seconds = if running {
        elapsed_ms.max(0) / 1000
    } else {
        -1
    };
    report.line("rdb_current_bgsave_time_sec", current_seconds);
    report.line("rdb_saves", load(&saves.count));
    report.line("rdb_last_cow_size", load(&saves.last_given_bytes));
    let loading = &report.shared.jobs.loading;
    report.counter("rdb_last_load_keys_expired", &loading.last_keys_expired);
    report.counter("rdb_last_load_keys_loaded", &loading.last_keys_loaded);
}

/// As on a Redis that has none.
fn no_aof(report: &mut Report) {
    let lines = [
        ("aof_enabled", "0"),
        ("aof_rewrite_in_progress", "0"),
        ("aof_rewrite_scheduled", "0"),
        ("aof_last_rewrite_time_sec", "-1"),
        ("aof_current_rewrite_time_sec", "-1"),
        ("aof_last_bgrewrite_status", "ok"),
        ("aof_rewrites", "0"),
        ("aof_rewrites_consecutive_failures", "0"),
        ("aof_last_write_status", "ok"),
        ("aof_last_cow_size", "0"),
        ("module_fork_in_progress", "0"),
        ("module_fork_last_cow_size", "0"),
    ];
    for (name, value) in lines {
        report.line(name, value);
    }
}

fn load(report: &mut Report) {
    let loading = &report.shared.jobs.loading;
    let started_ms = loading.started_ms.load(Ordering::Relaxed);
    let total = loading.total_bytes.load(Ordering::Relaxed);
    let loaded = loading.loaded_bytes.load(Ordering::Relaxed);
    let (bytes_per_second, eta_seconds) = pace(loaded, total, report.now_ms - started_ms);
    report.line("loading_start_time", started_ms / 1000);
    report.line("loading_total_bytes", total);
    report.counter("loading_rdb_used_mem", &loading.writer_used_bytes);
    report.line("loading_loaded_bytes", loaded);
    report.line(
        "loading_loaded_perc",
        format!("{:.2}", percent(loaded, total)),
    );
    report.line("loading_eta_seconds", eta_seconds.max(1));
    report.line("loading_bytes_per_sec", bytes_per_second);
}
