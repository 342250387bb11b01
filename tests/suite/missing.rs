//! What a peer has and we do not, name by name: a list that may only become shorter.

use std::collections::BTreeSet;
use std::time::Duration;

use super::support::value::Value;
use super::support::*;

/// Commands of peers' cores that are not here.
const MISSING: &[&str] = &[
    // Users.
    "acl",
    "acl|cat",
    "acl|deluser",
    "acl|dryrun",
    "acl|genpass",
    "acl|getuser",
    "acl|help",
    "acl|list",
    "acl|load",
    "acl|log",
    "acl|save",
    "acl|setuser",
    "acl|users",
    "acl|whoami",
    // The cluster.
    "clusterscan",
    "cluster|addslots",
    "cluster|addslotsrange",
    "cluster|bumpepoch",
    "cluster|cancelslotmigrations",
    "cluster|count-failure-reports",
    "cluster|countkeysinslot",
    "cluster|delslots",
    "cluster|delslotsrange",
    "cluster|failover",
    "cluster|flushslot",
    "cluster|flushslots",
    "cluster|forget",
    "cluster|getkeysinslot",
    "cluster|getslotmigrations",
    "cluster|help",
    "cluster|info",
    "cluster|keyslot",
    "cluster|links",
    "cluster|meet",
    "cluster|migrateslots",
    "cluster|myid",
    "cluster|myshardid",
    "cluster|nodes",
    "cluster|replicas",
    "cluster|replicate",
    "cluster|reset",
    "cluster|saveconfig",
    "cluster|set-config-epoch",
    "cluster|setslot",
    "cluster|shards",
    "cluster|slaves",
    "cluster|slot-stats",
    "cluster|slots",
    "cluster|syncslots",
    // Modules.
    "module",
    "module|help",
    "module|list",
    "module|load",
    "module|loadex",
    "module|unload",
    // The append-only file.
    "bgrewriteaof",
    // Scripts and functions.
    "eval",
    "eval_ro",
    "evalsha",
    "evalsha_ro",
    "fcall",
    "fcall_ro",
    "script",
    "script|debug",
    "script|exists",
    "script|flush",
    "script|help",
    "script|kill",
    "script|load",
    "script|show",
];

/// Sections and fields of a peer's INFO that are not here, each group with the reason.
const MISSING_OF_INFO: &[&str] = &[
    // How the peer's program was made.
    "Server atomicvar_api",
    "Server gcc_version",
    "Server redis_build_id",
    // What would make clients take this server for a Valkey.
    "Server valkey_release_stage",
    "Server valkey_version",
    // How the peer is made inside: one loop that polls, and threads that help it.
    "CPU used_active_time_main_thread",
    "Server clients_hz",
    "Stats eventloop_cycles",
    "Stats eventloop_duration_cmd_sum",
    "Stats eventloop_duration_sum",
    "Stats instantaneous_eventloop_cycles_per_sec",
    "Stats instantaneous_eventloop_duration_usec",
    "Stats io_threaded_accept_processed",
    "Stats io_threaded_freed_objects",
    "Stats io_threaded_poll_processed",
    "Stats io_threaded_total_prefetch_batches",
    "Stats io_threaded_total_prefetch_entries",
    // Hashes' fields have a time to live of their own, but no sample is drawn of them.
    "Stats expired_keys_with_volatile_items_stale_perc",
    // A full sync takes one connection: no second one's log has to be kept meanwhile. (Redis's
    // names for that, and the value 0, are here.)
    "Memory mem_replicas_repl_buffer",
    "Replication replicas_repl_buffer_peak",
    "Replication replicas_repl_buffer_size",
    "Replication replicas_waiting_psync",
    // Users and TLS.
    "Stats acl_access_denied_db",
    "Stats acl_access_denied_tls_cert",
    "TLS",
    "TLS tls_ca_cert_expires_in_seconds",
    "TLS tls_ca_cert_serial",
    "TLS tls_client_cert_expires_in_seconds",
    "TLS tls_client_cert_serial",
    "TLS tls_server_cert_expires_in_seconds",
    "TLS tls_server_cert_serial",
    // The cluster.
    "Cluster Info",
    "Memory mem_cluster_slot_export",
    "Memory mem_cluster_slot_import",
    "Persistence slot_migration_fork_in_progress",
    "Stats total_net_cluster_slot_export_bytes",
    "Stats total_net_cluster_slot_import_bytes",
    // Modules and scripts.
    "Modules module",
    "Scripting Engines",
    "Scripting Engines engine_",
    "Scripting Engines engines_count",
    "Scripting Engines engines_total_memory_overhead",
    "Scripting Engines engines_total_used_memory",
];

/// Every command and subcommand of a server's core, in full.
fn names(client: &mut Client) -> Vec<String> {
    let list = client.run("COMMAND LIST");
    let mut names: Vec<String> = list.items().iter().map(Value::text).collect();
    names.retain(|name| {
        let info = client.cmd(&["COMMAND", "INFO", name]);
        let flags = info.items()[0].items()[2].to_string();
        !flags.contains("module")
    });
    names
}

#[test]
fn what_is_missing_is_known() {
    let peers = [
        Peer::start(&[]),
        Peer::start_8(&[]),
        Peer::start_valkey(&[]),
    ];
    let ours = names(&mut Server::start(&[]).client());
    let mut missing = Vec::new();
    for peer in peers.iter().flatten() {
        let theirs = names(&mut peer.client());
        missing.extend(theirs.into_iter().filter(|name| !ours.contains(name)));
    }
    missing.sort();
    missing.dedup();
    let is_known = |name: &String| MISSING.contains(&name.as_str());
    let unknown: Vec<&String> = missing.iter().filter(|name| !is_known(name)).collect();
    assert!(
        unknown.is_empty(),
        "missing and not in the list: {unknown:?}"
    );
    let is_here = |name: &&&str| ours.iter().any(|own| own == **name);
    let stale: Vec<&&str> = MISSING.iter().filter(is_here).collect();
    assert!(stale.is_empty(), "in the list and not missing: {stale:?}");
}

/// Sections, and fields as `Section field`; numbered ones count once. Those that are named
/// after commands and errors are left out.
fn fields(server: &Server) -> BTreeSet<String> {
    let mut client = server.client();
    let text = client.run("INFO everything").text() + &client.run("INFO keysizes").text();
    let (mut section, mut fields) = ("", BTreeSet::new());
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("# ") {
            section = title;
            fields.insert(title.to_owned());
        } else if let Some((name, _)) = line.split_once(':')
            && !["Commandstats", "Errorstats", "Latencystats"].contains(&section)
        {
            let name = match name.split_once("_distrib_") {
                Some((_, of)) => format!("db_distrib_{of}"),
                None => name.trim_end_matches(char::is_numeric).to_owned(),
            };
            fields.insert(format!("{section} {name}"));
        }
    }
    fields
}

const LONG: Duration = Duration::from_secs(60);

/// Waits until a field of INFO says so.
fn wait_for(server: &Server, section: &str, field: &str, value: &str) {
    let mut client = server.client();
    wait_until(LONG, field, || client.info(section)[field] == value);
}

/// The fields of a server in one state after another, the same for every server.
fn in_every_state(start: impl Fn(&[&str]) -> Option<Server>) -> Option<Vec<BTreeSet<String>>> {
    let at_once = ["--repl-diskless-sync-delay", "0"];
    let one_follower = ["--min-replicas-to-write", "1"];
    let uncompressed = ["--rdbcompression", "no"];
    let mut leader = start(&[at_once, one_follower, uncompressed].concat())?;
    let leader_is = format!("127.0.0.1 {}", leader.port);
    let follower = start(&["--replicaof", &leader_is])?;
    wait_for(&follower, "replication", "master_link_status", "up");
    wait_for(&leader, "replication", "min_slaves_good_slaves", "1");
    wait_for(&leader, "persistence", "rdb_bgsave_in_progress", "0");
    let mut client = leader.client();
    for n in 0..20 {
        client.cmd(&["SET", &format!("key:{n}"), &"x".repeat(2000)]);
    }
    for line in ["RPUSH l a", "SADD s a", "ZADD z 1 a", "HSET h a 1"] {
        client.run(line);
    }
    check(&mut client, "SAVE", "+OK");
    wait_until(LONG, "all keys", || {
        follower.client().run("DBSIZE").integer() == 24
    });
    let mut states = vec![fields(&leader), fields(&follower)];
    check(&mut client, "CONFIG SET rdb-key-save-delay 50000", "+OK");
    client.run("BGSAVE");
    wait_for(&leader, "persistence", "rdb_bgsave_in_progress", "1");
    states.push(fields(&leader));
    wait_for(&leader, "persistence", "rdb_bgsave_in_progress", "0");
    let second = start(&["--replicaof", &leader_is])?;
    wait_for(&second, "replication", "master_sync_in_progress", "1");
    states.extend([fields(&leader), fields(&second)]);
    let read_often = ["--loading-process-events-interval-bytes", "1024"];
    leader.begin_again(&[read_often, ["--key-load-delay", "50000"]].concat());
    wait_until(LONG, "it loads", || {
        let client = Client::try_connect(("127.0.0.1", leader.port));
        client.is_ok_and(|mut client| {
            let loaded = client.info("persistence").remove("loading_loaded_bytes");
            loaded.is_some_and(|bytes| bytes != "0")
        })
    });
    // Here keys that are loaded are nobody's until all are there.
    let mut loading = fields(&leader);
    loading.retain(|field| !field.starts_with("Keyspace ") && !field.starts_with("Keysizes "));
    states.push(loading);
    leader.kill();
    wait_for(&follower, "replication", "master_link_status", "down");
    states.push(fields(&follower));
    Some(states)
}

#[test]
fn what_is_missing_of_info_is_known() {
    let ours = in_every_state(|args| Some(Server::start(args))).expect("it starts");
    let peers = [
        in_every_state(Peer::start),
        in_every_state(Peer::start_8),
        in_every_state(Peer::start_valkey),
    ];
    let mut missing = BTreeSet::new();
    for (theirs, ours) in peers
        .iter()
        .flatten()
        .flat_map(|peer| peer.iter().zip(&ours))
    {
        missing.extend(theirs.difference(ours).map(String::as_str));
    }
    let known = BTreeSet::from_iter(MISSING_OF_INFO.iter().copied());
    let unknown: Vec<_> = missing.difference(&known).collect();
    assert!(unknown.is_empty(), "not in the list: {unknown:?}");
    let always = |field: &&&str| ours.iter().all(|fields| fields.contains(**field));
    let stale: Vec<_> = known.iter().filter(always).collect();
    assert!(stale.is_empty(), "in the list and here: {stale:?}");
}
