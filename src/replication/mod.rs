//! Replication: following a leader and leading followers.
//!
//! The modules here are pure: bytes, facts and times go in, bytes and actions come out.
//! They know no sockets, no clock and no runtime, so tests drive every path with scripts.
//! Log lines come out as data too, with the words that operators, Sentinel and the test
//! suites of the peers look for; those keep saying MASTER and REPLICA.

/// Log lines as data.
pub mod line;

/// The leader's side: REPLCONF, and what a request to synchronise is answered.
pub mod psync;

/// Where the snapshot ends inside the stream.
pub mod payload;

/// The follower's side: from the first PING to the header of the snapshot.
pub mod handshake;

/// The life of a follower's link: connecting, time-outs, acknowledgements, retries.
pub mod link;

/// Stand-in until the shells land.
pub mod shell;

pub use shell::{NewFollower, Replication, start};
