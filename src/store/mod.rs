//! The keyspace: entries in tables, behind locks. Knows keys, time and what changes must
//! tell others; knows no commands.

/// One key with its value: a single allocation.
pub mod entry;

/// How much a key is used: the clock of last use, or the LFU counter.
pub mod usage;

/// Who waits for a key to hold something.
pub mod waiters;

/// What a command leaves behind besides its reply.
pub mod effects;

/// Who wants to know that a key changed.
pub mod watch;

/// Gates, shard locks and the line in front of them.
pub mod lock;

/// Point-in-time snapshots without a fork.
pub mod snapshot;

/// Databases, cut into shards.
pub mod keyspace;

/// The keyspace under locks.
pub mod locked;

/// Keys under locks, as commands see them.
pub mod view;

/// Fields of hashes that end before their keys.
pub mod fields;

/// Which keys go when memory is short.
pub mod evict;

/// Walking a snapshot.
pub mod walker;

/// Going through the keyspace: SCAN, counts, random keys, expiry rounds.
pub mod walk;
