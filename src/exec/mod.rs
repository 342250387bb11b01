//! The outside door: from bytes that a client sent to commands that were run.
//!
//! `dispatch` takes the requests of one read in groups. What belongs to the connection
//! alone is checked while a group is planned (`plan`); then the group's locks are taken,
//! what may change under others' hands is checked (`admit`), the commands run through the
//! inside door, and what they leave behind is carried out before the unlock (`commit`).

use crate::commands::registry::Registry;
use crate::shared::Shared;

/// What is decided under the locks: role, pause, loading, failed saves.
pub mod admit;

/// Groups: which requests run under one lock set, and which shards that is.
pub mod plan;

/// Client-side caching: reads are noted, changes told.
pub mod track;

/// What is noted of commands that have run.
pub mod account;

/// Those who wait for keys are served.
pub mod serve;

/// What the commands of a group leave behind is carried out.
pub mod commit;

/// Room is made when memory is short.
pub mod evict;

/// Clients are closed that take too much together.
pub mod evict_clients;

/// One command after another under one lock set.
pub mod step;

/// The requests of one read, group by group.
pub mod dispatch;

/// Keys of several connections' requests, fetched together.
pub mod ahead;

/// The leader's stream, applied in order.
pub mod apply;

/// The end of a MIGRATE.
pub mod migrate;

/// Bounded rounds of housekeeping: expiry.
pub mod maintain;

/// Everything there is of the server below its tasks.
pub struct Engine {
    pub shared: Shared,
    pub registry: Registry,
}
