//! INFO: sections of `name:value` lines, in Redis's order and words.
//!
//! A field of Redis is here if it means something here. What counts what this server does
//! not do (scripts, an append-only file, defragmentation) is 0, as on a Redis that does not do
//! it; what describes how Redis is made inside is left out. `tests/suite/missing.rs` names
//! every field that a peer has and we have not. Fields of our own stand behind those they
//! belong to: `server_name` and `lockstep_version`, speeds and times left of what is under way.
//!
//! Nothing is locked for it but the keyspace's counts and the size of its tables.

/// The text as it grows, and what the sections read.
pub mod report;

/// Server, Clients, CPU.
mod server;

/// Memory.
pub mod memory;

/// Persistence.
mod persistence;

/// Threads, Stats, Commandstats, Errorstats, Latencystats.
mod stats;

/// Replication.
mod replication;

/// Keysizes.
pub mod keysizes;

use self::report::Report;
use super::args::Args;
use super::cx::{Cx, Job, Outcome};
use super::error::CmdError;
use super::spec::flag::{LOADING, STALE};
use super::spec::{Locks, Spec, category};
use crate::resp::request::Argv;

pub const COMMANDS: &[Spec] = &[
    Spec::new("info", -1, LOADING | STALE, category::DANGEROUS, info)
        .locks(Locks::EverythingIf(counts_keys))
        .tips(&[
            "nondeterministic_output",
            "request_policy:all_shards",
            "response_policy:special",
        ]),
];

struct Section {
    /// As in the request.
    name: &'static str,
    title: &'static str,
    /// Shown when no section, or `default`, is asked for.
    by_default: bool,
    write: fn(&mut Report),
}

/// In the order in which they are shown, however they are asked for.
const SECTIONS: &[Section] = &[
    section("server", "Server", true, server::server),
    section("clients", "Clients", true, server::clients),
    section("memory", "Memory", true, memory::memory),
    section("persistence", "Persistence", true, persistence::persistence),
    section("threads", "Threads", true, stats::threads),
    section("stats", "Stats", true, stats::stats),
    section("replication", "Replication", true, replication::replication),
    section("cpu", "CPU", true, server::cpu),
    section("modules", "Modules", true, |_| {}),
    section("commandstats", "Commandstats", false, stats::commands),
    section("errorstats", "Errorstats", true, stats::errors),
    section("latencystats", "Latencystats", false, stats::latencies),
    section("cluster", "Cluster", true, |report| {
        report.line("cluster_enabled", 0);
    }),
    section("keyspace", "Keyspace", true, keyspace),
];

/// The last section, shown only if it is asked for by its name: it takes a walk through all
/// keys.
const KEYSIZES: &[u8] = b"keysizes";

const fn section(
    name: &'static str,
    title: &'static str,
    by_default: bool,
    write: fn(&mut Report),
) -> Section {
    Section {
        name,
        title,
        by_default,
        write,
    }
}

impl Section {
    /// Whether these arguments of INFO ask for it.
    fn is_asked_for<'a>(&self, mut args: impl ExactSizeIterator<Item = &'a [u8]>) -> bool {
        if args.len() == 0 {
            return self.by_default;
        }
        args.any(|arg| {
            let is = |name: &str| arg.eq_ignore_ascii_case(name.as_bytes());
            is(self.name) || is("all") || is("everything") || (is("default") && self.by_default)
        })
    }
}

/// Whether a section is asked for that needs every key to hold still.
fn counts_keys(argv: Argv) -> bool {
    let counting = |section: &&Section| matches!(section.name, "memory" | "keyspace");
    let mut sections = SECTIONS.iter().filter(counting);
    sections.any(|section| section.is_asked_for(argv.iter().skip(1)))
}

fn info(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let mut report = Report::new(cx);
    for section in SECTIONS {
        if section.is_asked_for(args.argv().iter().skip(1)) {
            report.begin(section.title);
            (section.write)(&mut report);
        }
    }
    let text = report.into_text();
    let mut sections = args.argv().iter().skip(1);
    if sections.any(|section| section.eq_ignore_ascii_case(KEYSIZES)) {
        return Ok(Outcome::Ask(Job::Survey(text)));
    }
    cx.reply.verbatim("txt", text.as_bytes());
    Ok(Outcome::Done)
}

fn keyspace(report: &mut Report) {
    for db in 0..report.shared.keyspace.database_count() as u32 {
        let (keys, expires, expire_sum_ms) = report.store.counts(db);
        if keys == 0 {
            continue;
        }
        let mean_ms = expire_sum_ms.checked_div(i128::from(expires)).unwrap_or(0);
        let avg_ttl = match expires {
            0 => 0,
            _ => (mean_ms - i128::from(report.now_ms)).max(0),
        };
        let timed = report.store.timed_hashes(db);
        let counts = format!("keys={keys},expires={expires},avg_ttl={avg_ttl},subexpiry={timed}");
        report.line(&format!("db{db}"), counts);
    }
}

#[cfg(test)]
mod tests;
