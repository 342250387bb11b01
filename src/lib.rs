//! Lockstep: a Redis-compatible in-memory server whose centre is replication.
//!
//! The modules stand in dependency order, ground up: a module names only modules above
//! its own line, and `tests/tidy.rs` fails when one does not. Read downwards to
//! understand the server, upwards to see who uses what.

/// Clock, strict numbers, glob patterns, hashes, random numbers and the allocator.
pub mod base;

/// The wire protocol: requests in, replies out, and the reply tree of links.
pub mod resp;

/// The write log: segments addressed by replication offset, replication ids, readers.
pub mod oplog;

/// The segment table: hash tables that grow without pauses and can be walked.
pub mod table;

/// The value types as pure data.
pub mod types;

/// The keyspace: entries in tables, behind locks, with expiry, watches and snapshots.
pub mod store;

/// The RDB format as a codec: files and DUMP payloads, without I/O.
pub mod rdb;

/// The parameters: one table for flags, redis.conf and CONFIG.
pub mod config;

/// Passive facts that commands, tasks and connections share.
pub mod shared;

/// The commands: one static table per family, one function per command.
pub mod commands;

/// The outside door: checks, locks, execution, commit.
pub mod exec;

/// Sockets: addresses to listen on, streams of both kinds.
pub mod net;

/// Saving and loading: snapshots as RDB files and streams.
pub mod persist;

/// Leading and following: the handshake, the link, PSYNC's answer.
pub mod replication;

/// The server: threads, sockets and tasks around the engine.
pub mod server;
