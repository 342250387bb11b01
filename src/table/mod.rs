//! The segment table: what holds the keyspace, and large hashes and sets.
//!
//! Extendible hashing. The upper 40 bits of a key's hash are its *order*; a directory,
//! indexed by the order's first bits, leads to segments, and a segment is an array of
//! buckets, each of which is one cache line and one interval of the order, at every size
//! of the table:
//!
//! ```text
//! hash   63 ............................. 24 23 ........ 0
//!        order: directory | bucket and tag   the caller's
//! ```
//!
//! An entry is in its home bucket, in the next one (as a guest) or in the segment's stash,
//! and the home knows how many of its entries are elsewhere. So a lookup reads one line of
//! the table, seldom two.
//!
//! What always holds:
//! - SCAN, snapshots and splits go by home, never by where an entry happens to live.
//! - Growth is bounded: a segment is rebuilt a step larger until it has its full size (some
//!   400 entries), then it splits in two. The steps are small, so that tables which fill
//!   at one pace are never all half empty.
//! - Before a home changes in any way its entries are given to the open snapshots, before a
//!   segment is rebuilt all of it is; a rebuilt segment counts as given.
//! - `deadline_ms` of a segment is never later than the earliest expiry inside it.
//!
//! The table knows nothing of keys: its slots are pointers that can tell their hash.
//! `unsafe` is confined to this folder's raw lines (`bucket`), segments and handles.

mod bucket;
mod slot;

mod class;

mod segment;

mod directory;

mod filling;

mod snapshot;

mod resize;

mod handle;

mod walk;

#[cfg(test)]
mod tests;

pub use bucket::prefetch;
pub use directory::{ORDER_BITS, Probe, Table, order_of};
pub use handle::SlotMut;
pub use slot::{NoSnapshots, Slot, SlotRef, Snapshots};
