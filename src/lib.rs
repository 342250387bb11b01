//! Lockstep: a Redis-compatible in-memory server whose centre is replication.
//!
//! The modules stand in dependency order, ground up: a module names only modules above
//! its own line, and `tests/tidy.rs` fails when one does not. Read downwards to
//! understand the server, upwards to see who uses what.

/// Clock, strict numbers, glob patterns, hashes and random numbers.
pub mod base;

/// The wire protocol: requests in, replies out, and the reply tree of links.
pub mod resp;
/// The segment table: hash tables that grow without pauses and can be walked.
pub mod table;

/// The value types as pure data.
pub mod types;

/// The keyspace.
pub mod store;
/// The RDB format as a codec: files and DUMP payloads, without I/O.
pub mod rdb;
/// The write log: segments addressed by replication offset, replication ids, readers.
pub mod oplog;

/// Leading and following: the handshake, the link, PSYNC's answer.
pub mod replication;
