//! MEMORY: what memory is used for.

use super::args::Args;
use super::cx::{Cx, Outcome};
use super::error::CmdError;
use super::help;
use super::info::memory::Figures;
use super::info::report::{human, percent};
use super::keyspace::memory_usage;
use super::spec::flag::{LOADING, READONLY, STALE};
use super::spec::{KeySpec, Locks, Spec, access};
use crate::base::memory as allocator;

const OF_EVERY_SHARD: &[&str] = &[
    "nondeterministic_output",
    "request_policy:all_shards",
    "response_policy:special",
];

pub const COMMANDS: &[Spec] =
    &[Spec::new("memory", -2, 0, 0, help::no_subcommand).subcommands(SUBCOMMANDS)];

const SUBCOMMANDS: &[Spec] = &[
    // What tables take is counted while they stand still.
    Spec::new("doctor", 2, 0, 0, doctor)
        .locks(Locks::Everything)
        .tips(OF_EVERY_SHARD),
    Spec::new("help", 2, LOADING | STALE, 0, print_help),
    Spec::new("malloc-stats", 2, 0, 0, malloc_stats).tips(OF_EVERY_SHARD),
    Spec::new("purge", 2, 0, 0, purge)
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    Spec::new("stats", 2, 0, 0, stats)
        .locks(Locks::Everything)
        .tips(OF_EVERY_SHARD),
    Spec::new("usage", -3, READONLY, 0, memory_usage).keys(&[KeySpec::at(2, access::RO)]),
];

/// As in Redis's words; what describes how Redis is made inside is 0.
fn stats(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    let figures = Figures::measure(cx.shared, cx.store);
    let keys: u64 = (0..cx.shared.keyspace.database_count() as u32)
        .map(|db| cx.store.len(db))
        .sum();
    let of_net = figures.used.saturating_sub(figures.startup);
    let map = cx.reply.map_deferred();
    let mut fields = Fields { cx, count: 0 };
    fields.bytes("peak.allocated", figures.peak);
    fields.bytes("total.allocated", figures.used);
    fields.bytes("startup.allocated", figures.startup);
    fields.bytes("replication.backlog", figures.log);
    fields.bytes("replica.fullsync.buffer", 0);
    fields.bytes("clients.slaves", figures.followers);
    fields.bytes("clients.normal", figures.clients);
    fields.bytes("cluster.links", 0);
    fields.bytes("aof.buffer", 0);
    fields.bytes("lua.caches", 0);
    let functions = fields.cx.shared.libraries.lock().bytes();
    fields.bytes("functions.caches", functions as u64);
    fields.bytes("script.VMs", 0);
    for &(db, table_bytes) in &figures.tables {
        fields.name(&format!("db.{db}"));
        fields.cx.reply.map(2);
        fields.cx.reply.bulk(b"overhead.hashtable.main");
        fields.cx.reply.integer(table_bytes as i64);
        fields.cx.reply.bulk(b"overhead.hashtable.expires");
        fields.cx.reply.integer(0);
    }
    fields.bytes("overhead.db.hashtable.lut", figures.table_bytes());
    fields.bytes("overhead.db.hashtable.rehashing", 0);
    fields.bytes("overhead.total", figures.overhead());
    fields.bytes("db.dict.rehashing.count", 0);
    fields.bytes("keys.count", keys);
    fields.bytes("keys.bytes-per-key", of_net.checked_div(keys).unwrap_or(0));
    fields.bytes("dataset.bytes", figures.dataset());
    fields.ratio("dataset.percentage", percent(figures.dataset(), of_net));
    fields.ratio("peak.percentage", percent(figures.used, figures.peak));
    fields.bytes("allocator.allocated", figures.used);
    fields.bytes("allocator.active", figures.used);
    fields.bytes("allocator.resident", figures.of_allocator());
    fields.bytes("allocator.muzzy", 0);
    fields.ratio("allocator-fragmentation.ratio", 1.0);
    fields.bytes("allocator-fragmentation.bytes", 0);
    let ((kept, kept_bytes), (beside, beside_bytes)) = (figures.kept(), figures.beside());
    fields.ratio("allocator-rss.ratio", kept);
    fields.signed("allocator-rss.bytes", kept_bytes);
    fields.ratio("rss-overhead.ratio", beside);
    fields.bytes("rss-overhead.bytes", beside_bytes);
    fields.ratio("fragmentation", figures.fragmentation());
    fields.signed("fragmentation.bytes", figures.fragmentation_bytes());
    let Fields { cx, count } = fields;
    cx.reply.finish_map(map, count);
    Ok(Outcome::Done)
}

/// The pairs of a map, counted as they come.
struct Fields<'a, 'b, 'k> {
    cx: &'a mut Cx<'b, 'k>,
    count: usize,
}

impl Fields<'_, '_, '_> {
    fn name(&mut self, name: &str) {
        self.count += 1;
        self.cx.reply.bulk(name.as_bytes());
    }

    fn bytes(&mut self, name: &str, bytes: u64) {
        self.signed(name, bytes as i64);
    }

    fn signed(&mut self, name: &str, value: i64) {
        self.name(name);
        self.cx.reply.integer(value);
    }

    fn ratio(&mut self, name: &str, value: f64) {
        self.name(name);
        self.cx.reply.double(value);
    }
}

/// Below this much in use there is nothing to be said.
const WORTH_A_LOOK_BYTES: u64 = 5 << 20;

fn doctor(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    let clients = cx.shared.clients.len().max(1) as u64;
    let followers = cx.shared.followers.all().len().max(1) as u64;
    let figures = Figures::measure(cx.shared, cx.store);
    let text = diagnosis(&figures, clients, followers);
    cx.reply.verbatim("txt", text.as_bytes());
    Ok(Outcome::Done)
}

fn diagnosis(figures: &Figures, clients: u64, followers: u64) -> String {
    if figures.used < WORTH_A_LOOK_BYTES {
        let used = human(figures.used);
        return format!("Only {used} are in use: too little for anything to be wrong.\n");
    }
    let mut found = Vec::new();
    if figures.peak > figures.used * 3 / 2 {
        let (peak, used) = (human(figures.peak), human(figures.used));
        found.push(format!(
            "At its peak the server used {peak}, now it is {used}: the allocator may not have \
             given all of the difference back yet. MEMORY PURGE makes it try."
        ));
    }
    if figures.fragmentation() > 1.4 && figures.fragmentation_bytes() > 10 << 20 {
        let (resident, used) = (human(figures.resident), human(figures.used));
        found.push(format!(
            "The process takes {resident} of memory for {used} that are in use. What was freed \
             lies scattered; it is used again as data grows."
        ));
    }
    if figures.clients / clients > 200 << 10 {
        let mean = human(figures.clients / clients);
        found.push(format!(
            "A client takes {mean} on average: they send large requests, or do not read their \
             replies. CLIENT LIST tells who (`tot-mem`)."
        ));
    }
    if figures.followers / followers > 10 << 20 {
        let mean = human(figures.followers / followers);
        found.push(format!(
            "{mean} wait for each follower on average: they, or the network to them, are slow."
        ));
    }
    match found.is_empty() {
        true => "Nothing about the use of memory looks wrong.\n".to_owned(),
        false => format!(
            "This about the use of memory is worth a look:\n\n * {}\n",
            found.join("\n * ")
        ),
    }
}

fn malloc_stats(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    let text = allocator::report();
    cx.reply.verbatim("txt", text.as_bytes());
    Ok(Outcome::Done)
}

fn purge(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    allocator::give_back();
    cx.reply.ok();
    Ok(Outcome::Done)
}

fn print_help(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    let lines = [
        "DOCTOR",
        "    Say for people what is wrong about the use of memory.",
        "MALLOC-STATS",
        "    Show what the allocator tells of itself.",
        "PURGE",
        "    Have the allocator give back what it can.",
        "STATS",
        "    Show what memory is used for.",
        "USAGE <key> [SAMPLES <count>]",
        "    Bytes of memory that <key> takes with its value. <count> is accepted and has no",
        "    effect: all of the value is counted.",
    ];
    help::reply(cx, "MEMORY", &lines)
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestServer;
    use super::*;

    #[test]
    fn what_memory_is_used_for() {
        let mut server = TestServer::resp3();
        server.run("SET a 1");
        server.run("SELECT 3");
        server.run("SET a 1 EX 100");
        let stats = server.run("MEMORY STATS");
        for field in [
            "keys.count\": :2",
            "db.0\": {",
            "db.3\": {",
            "fragmentation\": ,",
        ] {
            assert!(stats.contains(field), "{field} in {stats}");
        }
        assert!(!stats.contains("db.1"), "{stats}");
        server.check("MEMORY PURGE", "+OK");
        let healthy = server.run("MEMORY DOCTOR");
        assert!(healthy.starts_with("=txt:\"Only "), "{healthy}");
    }

    #[test]
    fn the_doctor_finds_what_is_wrong() {
        let check = |change: fn(&mut Figures), words: &[&str]| {
            let mut figures = Figures {
                used: 100 << 20,
                resident: 110 << 20,
                peak: 100 << 20,
                ..Figures::default()
            };
            change(&mut figures);
            let text = diagnosis(&figures, 10, 2);
            assert_eq!(text.matches("\n * ").count(), words.len(), "{text}");
            words
                .iter()
                .for_each(|word| assert!(text.contains(word), "{word}: {text}"));
        };
        check(|_| {}, &[]);
        check(|figures| figures.peak *= 2, &["At its peak"]);
        check(|figures| figures.resident *= 2, &["lies scattered"]);
        check(|figures| figures.clients = 10 << 20, &["CLIENT LIST"]);
        check(|figures| figures.followers = 50 << 20, &["each follower"]);
        let all = |figures: &mut Figures| {
            figures.peak *= 2;
            figures.followers = 50 << 20;
        };
        check(all, &["At its peak", "each follower"]);
    }
}
