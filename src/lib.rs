//! Lockstep: a Redis-compatible in-memory server whose centre is replication.
//!
//! The modules stand in dependency order, ground up: a module names only modules above
//! its own line, and `tests/tidy.rs` fails when one does not. Read downwards to
//! understand the server, upwards to see who uses what.

/// The write log: segments addressed by replication offset, replication ids, readers.
pub mod oplog;

/// Leading and following: the handshake, the link, PSYNC's answer.
pub mod replication;
