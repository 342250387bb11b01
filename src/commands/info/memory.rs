//! Memory.

use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use super::report::{Report, human, percent};
use crate::base::{memory as allocator, process};
use crate::config::Param;
use crate::shared::clients::client_flag;

static SYSTEM_BYTES: LazyLock<u64> = LazyLock::new(process::system_memory_bytes);

pub fn memory(report: &mut Report) {
    let rare = &report.shared.stats.rare;
    let used = allocator::used_bytes() as u64;
    let resident = process::resident_bytes();
    let peak = rare
        .peak_memory_bytes
        .fetch_max(used, Ordering::Relaxed)
        .max(used);
    let startup = rare.startup_memory_bytes.load(Ordering::Relaxed);
    let log = LogBytes::of(report);
    let clients_bytes = client_bytes(report);
    let tables: u64 = (0..report.shared.keyspace.database_count() as u32)
        .map(|db| report.store.table_bytes(db) as u64)
        .sum();
    let overhead = startup + log.backlog + log.followers + clients_bytes + tables;
    let dataset = used.saturating_sub(overhead);
    report.bytes("used_memory", used);
    report.bytes("used_memory_rss", resident);
    report.bytes("used_memory_peak", peak);
    report.line(
        "used_memory_peak_perc",
        format!("{:.2}%", percent(used, peak)),
    );
    report.line("used_memory_overhead", overhead);
    report.line("used_memory_startup", startup);
    report.line("used_memory_dataset", dataset);
    let of_net = percent(dataset, used.saturating_sub(startup));
    report.line("used_memory_dataset_perc", format!("{of_net:.2}%"));
    report.line("allocator_allocated", used);
    report.bytes("total_system_memory", *SYSTEM_BYTES);
    report.line("used_memory_lua", 0);
    report.line("used_memory_lua_human", human(0));
    report.line("number_of_cached_scripts", 0);
    report.line("number_of_functions", 0);
    report.line("number_of_libraries", 0);
    report.bytes("used_memory_scripts", 0);
    report.bytes(
        "maxmemory",
        report.shared.config.get_bytes(Param::MaxMemory),
    );
    report.line("maxmemory_policy", "noeviction");
    let ratio = resident as f64 / used.max(1) as f64;
    report.line("mem_fragmentation_ratio", format!("{ratio:.2}"));
    report.line("mem_fragmentation_bytes", resident as i64 - used as i64);
    report.line("mem_not_counted_for_evict", 0);
    report.line("mem_replication_backlog", log.backlog);
    let buffers = log.backlog + log.followers;
    report.line("mem_total_replication_buffers", buffers);
    report.line("mem_replica_full_sync_buffer", 0);
    report.line("mem_clients_slaves", log.followers);
    report.line("mem_clients_normal", clients_bytes);
    report.line("mem_cluster_links", 0);
    report.line("mem_aof_buffer", 0);
    report.line("mem_allocator", "mimalloc");
    report.line("active_defrag_running", 0);
    let pending = &report.shared.stats.rare.lazyfree_pending_objects;
    report.counter("lazyfree_pending_objects", pending);
    report.counter("lazyfreed_objects", &rare.lazyfreed_objects);
}

/// The memory of the write log.
struct LogBytes {
    /// What the backlog may take of it.
    backlog: u64,
    /// What is kept beyond that for followers that lag behind. What they need of the log is
    /// all that they take memory for.
    followers: u64,
}

impl LogBytes {
    fn of(report: &Report) -> LogBytes {
        let log = report.shared.oplog.stats();
        let size_bytes = log.backlog.map_or(0, |_| log.backlog_size_bytes);
        let backlog = log.memory_bytes.min(size_bytes);
        LogBytes {
            backlog,
            followers: log.memory_bytes - backlog,
        }
    }
}

/// What the connections of clients have buffered.
fn client_bytes(report: &Report) -> u64 {
    let mut sum = 0;
    for client in report.shared.clients.all() {
        if client.has(client_flag::FOLLOWER) {
            continue;
        }
        let buffers = [
            &client.query_bytes,
            &client.query_free_bytes,
            &client.queued_bytes,
            &client.output_bytes,
        ];
        let load = |bytes: &std::sync::atomic::AtomicUsize| bytes.load(Ordering::Relaxed) as u64;
        sum += buffers.map(load).iter().sum::<u64>();
    }
    sum
}
