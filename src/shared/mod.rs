//! Passive facts that commands, tasks and connections share: one file a fact. Nothing here
//! acts by itself; tasks above watch these facts, and commands read or change them.

/// Who is connected.
pub mod clients;

/// What followers tell of themselves by REPLCONF.
pub mod introduction;

/// The followers of this server.
pub mod followers;

/// What one connection's commands run in.
pub mod session;

/// Channels and their subscribers.
pub mod pubsub;

/// Counters for INFO.
pub mod stats;

/// Slow commands.
pub mod slowlog;

/// Leader or follower, and of whom.
pub mod role;

/// Saves and loads: what runs and how the last one ended.
pub mod jobs;

use std::sync::Arc;

use parking_lot::Mutex;

use crate::config::Config;
use crate::oplog::{History, Oplog};
use crate::store::keyspace::{Keyspace, Tables};

/// Everything that a command can reach.
pub struct Shared {
    pub config: Arc<Config>,
    pub keyspace: Keyspace,
    pub oplog: Oplog,
    pub history: Mutex<History>,
    pub clients: clients::Clients,
    pub pubsub: pubsub::PubSub,
    pub stats: stats::Stats,
    pub slowlog: slowlog::Slowlog,
    pub role: role::Role,
    pub followers: followers::Followers,
    pub jobs: jobs::Jobs,
    pub pause: clients::Pause,
    /// Old tables on their way to the thread that frees them.
    pub garbage: std::sync::mpsc::Sender<Garbage>,
    pub run_id: String,
    /// Start of this process.
    pub started_ms: i64,
}

/// What is freed off the threads that serve clients.
pub enum Garbage {
    Tables(Arc<Tables>),
    Entries(Vec<crate::store::entry::Entry>),
}
