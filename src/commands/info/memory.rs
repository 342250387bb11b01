//! Memory.

use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use super::report::{Report, human, percent};
use crate::base::{memory as allocator, process};
use crate::config::Param;
use crate::shared::Shared;
use crate::shared::clients::client_flag;
use crate::shared::session::FIXED_BYTES;
use crate::store::locked::Locked;

static SYSTEM_BYTES: LazyLock<u64> = LazyLock::new(process::system_memory_bytes);

/// What memory is used for, in bytes.
#[derive(Default)]
pub struct Figures {
    pub used: u64,
    /// The most that was ever in use.
    pub peak: u64,
    /// In use before there was any data.
    pub startup: u64,
    /// What the process takes of the machine.
    pub resident: u64,
    /// What of it are pages of files, which no allocator has to do with.
    pub resident_files: u64,
    /// The backlog.
    pub log: u64,
    /// What of the write log is kept beyond it for followers that lag behind.
    pub followers: u64,
    /// The other connections.
    pub clients: u64,
    /// The tables of each database that has keys, without the entries.
    pub tables: Vec<(u32, u64)>,
}

impl Figures {
    /// Everything is locked: tables are measured while they stand still.
    pub fn measure(shared: &Shared, store: &Locked) -> Figures {
        let rare = &shared.stats.rare;
        let used = allocator::used_bytes() as u64;
        let resident = process::resident();
        let peak = &rare.peak_memory_bytes;
        let (log, followers) = shared.log_bytes();
        let databases = 0..shared.keyspace.database_count() as u32;
        let tables = databases
            .map(|db| (db, store.table_bytes(db) as u64))
            .filter(|(db, _)| store.len(*db) > 0);
        Figures {
            used,
            peak: peak.fetch_max(used, Ordering::Relaxed).max(used),
            startup: rare.startup_memory_bytes.load(Ordering::Relaxed),
            resident: resident.bytes,
            resident_files: resident.file_bytes,
            log,
            followers,
            clients: client_bytes(shared),
            tables: tables.collect(),
        }
    }

    pub fn table_bytes(&self) -> u64 {
        self.tables.iter().map(|(_, bytes)| bytes).sum()
    }

    /// All that is not data.
    pub fn overhead(&self) -> u64 {
        self.startup + self.log + self.followers + self.clients + self.table_bytes()
    }

    pub fn dataset(&self) -> u64 {
        self.used.saturating_sub(self.overhead())
    }

    /// How much more the process takes than is in use.
    pub fn fragmentation(&self) -> f64 {
        self.resident as f64 / self.used.max(1) as f64
    }

    pub fn fragmentation_bytes(&self) -> i64 {
        self.resident as i64 - self.used as i64
    }

    /// What the allocator takes of the machine.
    pub fn of_allocator(&self) -> u64 {
        self.resident.saturating_sub(self.resident_files)
    }

    /// How much more that is than is in use, and by how many bytes. What of it lies between
    /// values and what is kept for later the allocator does not tell.
    pub fn kept(&self) -> (f64, i64) {
        let of_allocator = self.of_allocator();
        let ratio = of_allocator as f64 / self.used.max(1) as f64;
        (ratio, of_allocator as i64 - self.used as i64)
    }

    /// How much more the process takes than its allocator, and by how many bytes.
    pub fn beside(&self) -> (f64, u64) {
        let ratio = self.resident as f64 / self.of_allocator().max(1) as f64;
        (ratio, self.resident - self.of_allocator())
    }
}

pub fn memory(report: &mut Report) {
    let figures = Figures::measure(report.shared, report.store);
    report.bytes("used_memory", figures.used);
    report.bytes("used_memory_rss", figures.resident);
    report.bytes("used_memory_peak", figures.peak);
    report.line(
        "used_memory_peak_perc",
        format!("{:.2}%", percent(figures.used, figures.peak)),
    );
    report.line("used_memory_overhead", figures.overhead());
    report.line("used_memory_startup", figures.startup);
    report.line("used_memory_dataset", figures.dataset());
    let of_net = percent(
        figures.dataset(),
        figures.used.saturating_sub(figures.startup),
    );
    report.line("used_memory_dataset_perc", format!("{of_net:.2}%"));
    report.line("allocator_allocated", figures.used);
    report.line("allocator_active", figures.used);
    report.line("allocator_resident", figures.of_allocator());
    report.line("allocator_muzzy", 0);
    report.bytes("total_system_memory", *SYSTEM_BYTES);
    scripts(report);
    report.bytes(
        "maxmemory",
        report.shared.config.get_bytes(Param::MaxMemory),
    );
    let policy = report.shared.eviction_policy();
    report.line("maxmemory_policy", policy.name());
    fragmentation(report, &figures);
    report.line("mem_not_counted_for_evict", figures.followers);
    report.line("mem_replication_backlog", figures.log);
    report.line(
        "mem_total_replication_buffers",
        figures.log + figures.followers,
    );
    report.line("mem_replica_full_sync_buffer", 0);
    report.line("mem_clients_slaves", figures.followers);
    report.line("mem_clients_normal", figures.clients);
    report.line("mem_cluster_links", 0);
    report.line("mem_aof_buffer", 0);
    report.line("mem_allocator", "mimalloc");
    report.line("mem_overhead_db_hashtable_rehashing", 0);
    report.line("active_defrag_running", 0);
    let rare = &report.shared.stats.rare;
    report.counter("lazyfree_pending_objects", &rare.lazyfree_pending_objects);
    report.counter("lazyfreed_objects", &rare.lazyfreed_objects);
}

/// Libraries take memory, though nothing runs them.
fn scripts(report: &mut Report) {
    let libraries = report.shared.libraries.lock().clone();
    let bytes = libraries.bytes() as u64;
    report.line("used_memory_lua", 0);
    report.line("used_memory_vm_eval", 0);
    report.line("used_memory_lua_human", human(0));
    report.line("used_memory_scripts_eval", 0);
    report.line("number_of_cached_scripts", 0);
    report.line("number_of_functions", 0);
    report.line("number_of_libraries", libraries.iter().len());
    report.line("used_memory_vm_functions", 0);
    report.bytes("used_memory_vm_total", 0);
    report.line("used_memory_functions", bytes);
    report.bytes("used_memory_scripts", bytes);
}

/// How much more is taken than is in use, and by whom. The allocator does not tell what lies
/// unused between values: of that there is what Redis shows without jemalloc.
fn fragmentation(report: &mut Report, figures: &Figures) {
    let mut ratio = |name: &str, ratio: f64, bytes: i64| {
        report.line(&format!("{name}_ratio"), format!("{ratio:.2}"));
        report.line(&format!("{name}_bytes"), bytes);
    };
    let ((kept, kept_bytes), (beside, beside_bytes)) = (figures.kept(), figures.beside());
    ratio("allocator_frag", 1.0, 0);
    ratio("allocator_rss", kept, kept_bytes);
    ratio("rss_overhead", beside, beside_bytes as i64);
    let (all, all_bytes) = (figures.fragmentation(), figures.fragmentation_bytes());
    ratio("mem_fragmentation", all, all_bytes);
}

/// What the connections of clients take.
fn client_bytes(shared: &Shared) -> u64 {
    let mut sum = 0;
    shared.clients.for_each_listed(|client| {
        if !client.has(client_flag::FOLLOWER) {
            sum += FIXED_BYTES + client.memory.bytes();
        }
    });
    sum as u64
}
