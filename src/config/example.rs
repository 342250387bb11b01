//! `redis.conf.example`, written from the table.

use super::spec::{Group, Kind, Spec, flag};
use super::table::Param;
use super::value::Value;
use std::fmt::Write as _;

const WIDTH: usize = 78;
const MB: i64 = 1 << 20;

const HEAD: &str = "\
# The configuration of a Lockstep server, with every directive it knows at its default.
# Start a server with it, or with a copy: server /path/to/redis.conf
#
# A line is a directive and its values. Values with spaces are put in quotes; an empty
# value is \"\". Later lines win, and the command line wins over all of them:
# server /path/to/redis.conf --port 6380. Sizes take units: 1k is 1000 bytes, 1kb 1024,
# likewise m, mb, g and gb, in any case.

# Read another file here, or all that match a pattern. A file that is named must exist.
# include /path/to/other.conf
# include /path/to/conf.d/*.conf
";

const RENAMES: &str = "
# Rename a command, or take it away by an empty name. All servers that replicate each
# other must agree on the names of commands that write.
# rename-command FLUSHALL \"\"
";

/// The groups with their titles; those whose directives have no effect say why.
const GROUPS: [(Group, &str); 16] = [
    (Group::Network, "Network"),
    (Group::General, "General"),
    (Group::Snapshots, "Snapshots"),
    (Group::Replication, "Replication"),
    (Group::Security, "Security"),
    (Group::Clients, "Clients"),
    (Group::Eviction, "The limit of memory"),
    (Group::Events, "Events and latency"),
    (Group::Values, "How values are kept"),
    (
        Group::Compatibility,
        "Accepted for compatibility, without effect",
    ),
    (
        Group::AppendOnlyFile,
        "Without effect: the append-only file, which is not there yet",
    ),
    (
        Group::Freeing,
        "Without effect: large things are always freed by a thread of its own",
    ),
    (
        Group::Machine,
        "Without effect: what depends on the machine, or on how Redis is built",
    ),
    (
        Group::Users,
        "Without effect: users. There is `requirepass`",
    ),
    (
        Group::Tls,
        "Without effect: encryption, which is not there yet",
    ),
    (Group::Cluster, "Without effect: the cluster"),
];

/// The whole text of `redis.conf.example`.
pub fn example() -> String {
    let mut text = String::from(HEAD);
    for (group, title) in GROUPS {
        let _ = writeln!(text, "\n{}", "#".repeat(WIDTH));
        append_wrapped(&mut text, title);
        let mut in_block = false;
        for param in Param::ALL {
            let spec = param.spec();
            if spec.group == group && !spec.has(flag::HIDDEN) {
                // Those of which there is nothing to say stand in one block.
                let is_silent = spec.summary.is_empty();
                if !(in_block && is_silent) {
                    text.push('\n');
                }
                in_block = is_silent;
                append_directive(&mut text, *param);
            }
        }
        if group == Group::Security {
            text.push_str(RENAMES);
        }
    }
    text
}

fn append_directive(text: &mut String, param: Param) {
    let spec = param.spec();
    if !spec.summary.is_empty() {
        append_description(text, spec);
    }
    for values in default_lines(param, spec) {
        let _ = writeln!(text, "{} {values}", spec.name);
    }
    if let Some(values) = unset_example(param) {
        let _ = writeln!(text, "# {} {values}", spec.name);
    }
}

fn append_description(text: &mut String, spec: &Spec) {
    append_wrapped(text, spec.summary);
    if let Some(alias) = spec.alias {
        let _ = writeln!(text, "# It is also called {alias}.");
    }
    if let Kind::Choice { names, .. } = &spec.kind {
        let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        let _ = writeln!(text, "# One of: {}", names.join(", "));
    }
}

fn append_wrapped(text: &mut String, summary: &str) {
    let mut line = String::from("#");
    for word in summary.split(' ') {
        if line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(text, "{line}");
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
}

/// The values of the lines that set a directive to its default; none where the default is
/// to be unset or depends on the machine.
fn default_lines(param: Param, spec: &Spec) -> Vec<String> {
    let default = Value::default_of(&spec.kind);
    match &default {
        Value::SavePoints(points) => {
            let line =
                |point: &super::value::SavePoint| format!("{} {}", point.seconds, point.changes);
            points.iter().map(line).collect()
        }
        Value::OutputLimits(_) => vec![
            "normal 0 0 0".into(),
            "replica 256mb 64mb 60".into(),
            "pubsub 32mb 8mb 60".into(),
        ],
        _ if unset_example(param).is_some() => Vec::new(),
        Value::Number(bytes) if matches!(spec.kind, Kind::Memory { .. }) => {
            let is_whole = *bytes != 0 && bytes % MB == 0;
            vec![match is_whole {
                true => format!("{}mb", bytes / MB),
                false => bytes.to_string(),
            }]
        }
        _ => {
            let shown = String::from_utf8_lossy(&default.show(&spec.kind)).into_owned();
            let quoted = shown.is_empty() || matches!(spec.kind, Kind::Text { .. });
            vec![if quoted {
                format!("\"{shown}\"")
            } else {
                shown
            }]
        }
    }
}

/// An example of the values of a directive that is left unset.
fn unset_example(param: Param) -> Option<&'static str> {
    match param {
        Param::BindSourceAddr | Param::ReplicaAnnounceIp => Some("10.0.0.1"),
        Param::UnixSocket => Some("/run/lockstep.sock"),
        Param::PidFile => Some("/run/lockstep.pid"),
        Param::IoThreads => Some("4"),
        Param::Dir => Some("/var/lib/lockstep"),
        Param::ReplicaOf => Some("127.0.0.1 6379"),
        Param::MasterAuth | Param::RequirePass => Some("secret"),
        Param::MasterUser => Some("follower"),
        _ => None,
    }
}
