//! The keyspace.

/// One key with its value: a single allocation.
pub mod entry;
