//! Server, Clients and CPU.

use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use super::report::Report;
use crate::base::process::{self, CpuTime};
use crate::config::{Param, REDIS_VERSION, Supervised};
use crate::shared::clients::client_flag;

static SYSTEM: LazyLock<String> = LazyLock::new(process::system_name);

pub fn server(report: &mut Report) {
    let shared = report.shared;
    let config = &shared.config;
    report.line("redis_version", REDIS_VERSION);
    report.line("server_name", "lockstep");
    report.line("lockstep_version", env!("CARGO_PKG_VERSION"));
    report.line("redis_git_sha1", "00000000");
    report.line("redis_git_dirty", 0);
    report.line("redis_mode", "standalone");
    // Valkey's name for it.
    report.line("server_mode", "standalone");
    report.line("os", &*SYSTEM);
    report.line("arch_bits", usize::BITS);
    report.line("monotonic_clock", "POSIX clock_gettime");
    report.line("multiplexing_api", "epoll");
    report.line("process_id", std::process::id());
    report.line(
        "process_supervised",
        supervisor(config.choice(Param::Supervised)),
    );
    report.line("run_id", &shared.run_id);
    let port = config.get_int(Param::Port);
    report.line("tcp_port", port);
    report.line("server_time_usec", crate::base::clock::unix_us());
    let uptime_seconds = (report.now_ms - shared.started_ms).max(0) / 1000;
    report.line("uptime_in_seconds", uptime_seconds);
    report.line("uptime_in_days", uptime_seconds / 86_400);
    let hz = config.get_int(Param::Hz);
    report.line("hz", hz);
    report.line("configured_hz", hz);
    report.line("lru_clock", report.store.lru_clock());
    let executable = std::env::current_exe().unwrap_or_default();
    report.line("executable", executable.display());
    let file = config.file().unwrap_or("".as_ref());
    report.line("config_file", file.display());
    let threads = config.get_int(Param::IoThreads);
    report.flag("io_threads_active", threads > 1);
    let zone = config.get_text(Param::AvailabilityZone);
    report.line("availability_zone", String::from_utf8_lossy(&zone));
    listeners(report, port);
    let shutdown_at_ms = shared.jobs.shutdown_at_ms.load(Ordering::Relaxed);
    if shutdown_at_ms != 0 {
        let left_ms = (shutdown_at_ms - report.now_ms).max(0);
        report.line("shutdown_in_milliseconds", left_ms);
    }
}

fn supervisor(choice: Supervised) -> &'static str {
    let notify = std::env::var_os("NOTIFY_SOCKET").is_some();
    match choice {
        Supervised::Upstart => "upstart",
        Supervised::Systemd => "systemd",
        Supervised::Auto if notify => "systemd",
        Supervised::Auto | Supervised::No => "no",
    }
}

fn listeners(report: &mut Report, port: i64) {
    let config = &report.shared.config;
    let mut number = 0;
    if port != 0 {
        let addresses = config.bind();
        let binds: Vec<String> = addresses.iter().map(|a| format!("bind={a}")).collect();
        let listener = format!("name=tcp,{},port={port}", binds.join(","));
        report.line("listener0", listener);
        number += 1;
    }
    if let Some(path) = config.path(Param::UnixSocket) {
        let listener = format!("name=unix,bind={}", path.display());
        report.line(&format!("listener{number}"), listener);
    }
}

pub fn clients(report: &mut Report) {
    let shared = report.shared;
    let (mut connected, mut pubsub, mut watching, mut watched) = (0u64, 0u64, 0u64, 0);
    let (mut input_max, mut output_max) = (0, 0);
    for client in shared.clients.all() {
        connected += u64::from(!client.has(client_flag::FOLLOWER | client_flag::LEADER));
        pubsub += u64::from(client.has(client_flag::PUBSUB));
        let keys = client.watched.load(Ordering::Relaxed);
        watching += u64::from(keys > 0);
        watched += keys;
        input_max = input_max.max(client.memory.query_bytes.load(Ordering::Relaxed));
        output_max = output_max.max(client.memory.output_bytes.load(Ordering::Relaxed));
    }
    report.line("connected_clients", connected);
    report.line("cluster_connections", 0);
    report.line("maxclients", shared.config.get_int(Param::MaxClients));
    report.line("client_recent_max_input_buffer", input_max);
    report.line("client_recent_max_output_buffer", output_max);
    report.line("blocked_clients", shared.clients.blocked());
    report.line("tracking_clients", shared.tracking.client_count());
    report.line("pubsub_clients", pubsub);
    report.line("watching_clients", watching);
    report.line("clients_in_timeout_table", 0);
    let (keys, even_without) = shared.parked.key_counts();
    report.line("total_watched_keys", watched);
    report.line("total_blocking_keys", keys);
    report.line("total_blocking_keys_on_nokey", even_without);
    pause(report);
}

/// Who has to wait, and what for: fields of Valkey's.
fn pause(report: &mut Report) {
    let (reason, actions, left_ms) = match report.shared.pause.strictest(report.now_ms) {
        None => ("none", "none", 0),
        Some((reason, hold)) => {
            let actions = if hold.writes_only { "write" } else { "all" };
            (reason.name(), actions, hold.until_ms - report.now_ms)
        }
    };
    report.line("paused_reason", reason);
    report.line("paused_actions", actions);
    report.line("paused_timeout_milliseconds", left_ms);
}

pub fn cpu(report: &mut Report) {
    let CpuTime {
        user_us,
        system_us,
        children_user_us,
        children_system_us,
    } = process::cpu_time();
    let main = process::main_thread_cpu_time();
    let times = [
        ("used_cpu_sys", system_us),
        ("used_cpu_user", user_us),
        ("used_cpu_sys_children", children_system_us),
        ("used_cpu_user_children", children_user_us),
        ("used_cpu_sys_main_thread", main.system_us),
        ("used_cpu_user_main_thread", main.user_us),
    ];
    for (name, us) in times {
        report.line(name, format!("{}.{:06}", us / 1_000_000, us % 1_000_000));
    }
}
