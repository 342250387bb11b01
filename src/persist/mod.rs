//! Saving and loading: the keyspace as an RDB file, or as a stream of its bytes.
//!
//! Nothing forks. A save cuts a snapshot while everything is locked, which takes as long as
//! counting the shards, and then walks it on a thread of its own while clients are served:
//!
//! ```text
//!   cut ──> walker, shard by shard ──┐
//!           writers' gifts ──────────┴─> SnapshotStream ──> temp file, fsync, rename
//!                                                     └──> a follower's socket
//! ```
//!
//! A load never touches what is served until it has read the whole file and found nothing
//! wrong with it: it builds tables of its own on all cores, and `Loaded::install` puts them
//! in the place of the old ones in one moment.
//!
//! This module has threads and files, and decides nothing that could not be decided without
//! them: when to save is `schedule`'s to say.

/// When a save is due.
pub mod schedule;

/// Entries of a snapshot, encoded as they come.
mod gather;

/// Resting while clients are served.
mod giving_way;

/// Sleeping between keys, as tests ask for.
mod pace;

/// Files for what finds no room in memory.
pub mod spill;

/// A snapshot as bytes.
pub mod stream;

/// A snapshot as a file.
pub mod save;

/// The thread that saves.
pub mod saver;

/// From bytes to a keyspace.
pub mod load;
