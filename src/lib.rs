//! Lockstep: a Redis-compatible in-memory server whose centre is replication.
//!
//! The modules stand in dependency order, ground up: a module names only modules above
//! its own line, and `tests/tidy.rs` fails when one does not. Read downwards to
//! understand the server, upwards to see who uses what.

/// Clock, strict numbers, glob patterns, hashes and random numbers.
pub mod base;

/// The RDB format as a codec: files and DUMP payloads, without I/O.
pub mod rdb;
