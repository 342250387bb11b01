//! CLIENT: what connections know of each other and may do to each other.

use super::help;
use super::spec::flag::{ADMIN, ALLOW_BUSY, LOADING, NOSCRIPT, STALE};
use super::spec::{Locks, Spec, category};

/// Whom LIST and KILL mean.
mod filter;

/// The lines of CLIENT LIST.
mod list;

/// Whom CLIENT KILL ends.
mod kill;

/// A connection's own matters: its name, whether it is answered.
mod own;

/// What a client may have cached: TRACKING, CACHING.
mod tracking;

/// What one client does to the others: PAUSE, UNBLOCK.
mod others;

pub use list::described;

const ANY: u32 = NOSCRIPT | LOADING | STALE;
const POWER: u32 = ADMIN | ANY;
const CONNECTION: u32 = category::CONNECTION;

const EVERY_NODE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];
const CHANGING: &[&str] = &["nondeterministic_output"];

pub const COMMANDS: &[Spec] =
    &[Spec::new("client", -2, 0, 0, help::no_subcommand).subcommands(SUBCOMMANDS)];

const SUBCOMMANDS: &[Spec] = &[
    Spec::new("caching", 3, ANY, CONNECTION, tracking::caching),
    Spec::new("capa", -3, ANY | ALLOW_BUSY, CONNECTION, own::capabilities),
    Spec::new("getname", 2, ANY, CONNECTION, own::getname),
    Spec::new("getredir", 2, ANY, CONNECTION, tracking::getredir),
    Spec::new("help", 2, LOADING | STALE, CONNECTION, own::help),
    Spec::new("id", 2, ANY, CONNECTION, own::id),
    Spec::new("import-source", 3, ANY, CONNECTION, own::import_source),
    Spec::new("info", 2, ANY, CONNECTION, list::info).tips(CHANGING),
    Spec::new("kill", -3, POWER, CONNECTION, kill::kill),
    Spec::new("list", -2, POWER, CONNECTION, list::list).tips(CHANGING),
    Spec::new("no-evict", 3, POWER, CONNECTION, own::no_evict),
    Spec::new("no-touch", 3, ANY, CONNECTION, own::no_touch),
    // What decides whether commands may run changes only while none does.
    Spec::new("pause", -3, POWER, CONNECTION, others::pause).locks(Locks::Everything),
    Spec::new("reply", 3, ANY, CONNECTION, own::reply),
    Spec::new("setinfo", 4, ANY, CONNECTION, own::setinfo).tips(EVERY_NODE),
    Spec::new("setname", 3, ANY, CONNECTION, own::setname).tips(EVERY_NODE),
    Spec::new("tracking", -3, ANY, CONNECTION, tracking::tracking),
    Spec::new("trackinginfo", 2, ANY, CONNECTION, tracking::trackinginfo),
    Spec::new("unblock", -3, POWER, CONNECTION, others::unblock),
    Spec::new("unpause", 2, POWER, CONNECTION, others::unpause).locks(Locks::Everything),
];
