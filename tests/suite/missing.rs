//! What a peer has and we do not, name by name: a list that may only become shorter.

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
    "function",
    "function|delete",
    "function|dump",
    "function|flush",
    "function|help",
    "function|kill",
    "function|list",
    "function|load",
    "function|restore",
    "function|stats",
    "script",
    "script|debug",
    "script|exists",
    "script|flush",
    "script|help",
    "script|kill",
    "script|load",
    "script|show",
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
