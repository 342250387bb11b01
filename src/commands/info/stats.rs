//! Threads, Stats, Commandstats, Errorstats and Latencystats.

use std::sync::atomic::{AtomicU64, Ordering};

use super::report::Report;
use crate::base::clock;
use crate::config::Param;
use crate::shared::latency::Spread;
use crate::shared::stats::ThreadStats;

pub fn stats(report: &mut Report) {
    traffic(report);
    keys(report);
    let stats = &report.shared.stats;
    report.counter("latest_fork_usec", &stats.rare.latest_cut_us);
    report.counter("total_forks", &stats.rare.total_forks);
    let cached = &stats.rare.migrate_cached_sockets;
    report.counter("migrate_cached_sockets", cached);
    let own_expiries = &report.shared.own_expiries;
    report.line("slave_expires_tracked_keys", own_expiries.len());
    no_defragmentation(report);
    let tracking = &report.shared.tracking;
    report.line("tracking_total_keys", tracking.key_count());
    report.line("tracking_total_items", tracking.item_count());
    report.line("tracking_total_prefixes", tracking.prefix_count());
    report.counter("unexpected_error_replies", &stats.rare.unexpected_errors);
    report.line("total_error_replies", stats.sum(|t| &t.error_replies));
    report.counter("dump_payload_sanitizations", &stats.rare.payloads_verified);
    let (reads, writes) = (stats.sum(|t| &t.reads), stats.sum(|t| &t.writes));
    report.line("total_reads_processed", reads);
    report.line("total_writes_processed", writes);
    // One worker alone is what Redis is without threads; of several every one is of these.
    let are_threads = workers(report).len() > 1;
    let threaded = |count| if are_threads { count } else { 0 };
    report.line("io_threaded_reads_processed", threaded(reads));
    report.line("io_threaded_writes_processed", threaded(writes));
    report.counter(
        "client_query_buffer_limit_disconnections",
        &stats.rare.query_limit_disconnections,
    );
    report.counter(
        "client_output_buffer_limit_disconnections",
        &stats.rare.output_limit_disconnections,
    );
    // No client has a reply buffer of its own that could be made to fit it.
    report.line("reply_buffer_shrinks", 0);
    report.line("reply_buffer_expands", 0);
    report.counter("acl_access_denied_auth", &stats.rare.acl_denied_auth);
    report.line("acl_access_denied_cmd", 0);
    report.line("acl_access_denied_key", 0);
    report.line("acl_access_denied_channel", 0);
}

fn no_defragmentation(report: &mut Report) {
    for name in [
        "active_defrag_hits",
        "active_defrag_misses",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "total_active_defrag_time",
        "current_active_defrag_time",
    ] {
        report.line(name, 0);
    }
}

fn workers<'a>(report: &Report<'a, '_>) -> &'a [ThreadStats] {
    let workers = report.shared.config.get_int(Param::IoThreads).max(1) as usize;
    let threads = report.shared.stats.threads();
    &threads[..workers.min(threads.len())]
}

pub fn threads(report: &mut Report) {
    for (number, thread) in workers(report).iter().enumerate() {
        let clients = thread.connections.load(Ordering::Relaxed);
        let (reads, writes) = (thread.reads.get(), thread.writes.get());
        let facts = format!("clients={clients},reads={reads},writes={writes}");
        report.line(&format!("io_thread_{number}"), facts);
    }
}

fn traffic(report: &mut Report) {
    let stats = &report.shared.stats;
    let (rare, rates) = (&stats.rare, &stats.rates);
    let replicated = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let input = stats.sum(|t| &t.net_input_bytes) + replicated(&rare.repl_input_bytes);
    let output = stats.sum(|t| &t.net_output_bytes) + replicated(&rare.repl_output_bytes);
    report.counter("total_connections_received", &rare.connections_received);
    report.line("total_commands_processed", stats.sum(|t| &t.commands));
    report.counter("instantaneous_ops_per_sec", &rates.ops);
    report.line("total_net_input_bytes", input);
    report.line("total_net_output_bytes", output);
    report.counter("total_net_repl_input_bytes", &rare.repl_input_bytes);
    report.counter("total_net_repl_output_bytes", &rare.repl_output_bytes);
    let kbps = [
        ("instantaneous_input_kbps", &rates.input_bytes),
        ("instantaneous_output_kbps", &rates.output_bytes),
        ("instantaneous_input_repl_kbps", &rates.repl_input_bytes),
        ("instantaneous_output_repl_kbps", &rates.repl_output_bytes),
    ];
    for (name, bytes) in kbps {
        let kib = bytes.load(Ordering::Relaxed) as f64 / 1024.0;
        report.line(name, format!("{kib:.2}"));
    }
    report.counter("rejected_connections", &rare.connections_rejected);
    report.counter("sync_full", &rare.sync_full);
    report.counter("sync_partial_ok", &rare.sync_partial_ok);
    report.counter("sync_partial_err", &rare.sync_partial_err);
}

fn keys(report: &mut Report) {
    let shared = report.shared;
    let stats = &shared.stats;
    report.line("expired_subkeys", stats.sum(|t| &t.expired_fields));
    report.line("expired_keys", stats.sum(|t| &t.expired));
    // Valkey's name for the first.
    report.line("expired_fields", stats.sum(|t| &t.expired_fields));
    let stale_percent = stats.rare.stale.get() * 100.0;
    report.line("expired_stale_perc", format!("{stale_percent:.2}"));
    let cut = &stats.rare.expire_cycles_cut;
    report.counter("expired_time_cap_reached_count", cut);
    let expire_cycle_us = stats.rare.expire_cycle_us.load(Ordering::Relaxed);
    report.line("expire_cycle_cpu_milliseconds", expire_cycle_us / 1000);
    report.line("evicted_keys", stats.sum(|t| &t.evicted));
    report.counter("evicted_clients", &report.shared.stats.rare.evicted_clients);
    report.line("evicted_scripts", 0);
    let (exceeded_us, current_us) = shared.eviction.exceeded_us(clock::unix_us());
    report.line("total_eviction_exceeded_time", exceeded_us / 1000);
    report.line("current_eviction_exceeded_time", current_us / 1000);
    report.line("keyspace_hits", stats.sum(|t| &t.hits));
    report.line("keyspace_misses", stats.sum(|t| &t.misses));
    report.line("pubsub_channels", shared.pubsub.channel_count());
    report.line("pubsub_patterns", shared.pubsub.pattern_count());
    report.line("pubsubshard_channels", shared.pubsub.shard_channel_count());
}

pub fn commands(report: &mut Report) {
    for id in 0..report.registry.len() {
        let [calls, microseconds, rejected, failed] = report.shared.stats.cost(id);
        if calls + rejected + failed == 0 {
            continue;
        }
        let name = name_of(report, id);
        let per_call = microseconds as f64 / calls.max(1) as f64;
        let cost = format!(
            "calls={calls},usec={microseconds},usec_per_call={per_call:.2},\
             rejected_calls={rejected},failed_calls={failed}"
        );
        report.line(&format!("cmdstat_{name}"), cost);
    }
}

pub fn errors(report: &mut Report) {
    for (code, count) in report.shared.stats.errors() {
        report.line(
            &format!("errorstat_{}", safe(&code)),
            format!("count={count}"),
        );
    }
}

pub fn latencies(report: &mut Report) {
    let percentiles = report.shared.config.percentiles();
    for id in 0..report.registry.len() {
        let spread = report.shared.stats.latencies(id);
        if spread.total() == 0 {
            continue;
        }
        let name = name_of(report, id);
        let values: Vec<String> = percentiles.iter().map(|p| shown(&spread, *p)).collect();
        report.line(
            &format!("latency_percentiles_usec_{name}"),
            values.join(","),
        );
    }
}

fn shown(spread: &Spread, percentile: f64) -> String {
    // Under a microsecond is shown as the least that Redis shows.
    match spread.percentile(percentile) {
        0 => format!("p{percentile}=0.001"),
        microseconds => format!("p{percentile}={microseconds}.000"),
    }
}

fn name_of(report: &Report, id: usize) -> String {
    safe(report.registry.full_name(id as u16))
}

/// A name without the signs that part fields and lines.
fn safe(name: &str) -> String {
    name.replace(['#', ':', '\n', '\r'], "_")
}
