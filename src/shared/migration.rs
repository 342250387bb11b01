//! Keys on their way to another server.

use std::sync::Arc;
use std::time::Duration;

use crate::store::keyspace::Key;
use crate::store::watch::WatchFlag;

/// Takes the parcels of a migration to their target and marks those that have arrived, while
/// the caller waits. The error is a reply without its dash.
pub type Courier = fn(&mut Migration) -> Result<(), Vec<u8>>;

/// What goes where, and how it gets there.
#[derive(Debug, Default)]
pub struct Migration {
    pub host: String,
    pub port: String,
    /// What AUTH is given there; nothing if it is not needed.
    pub auth: Vec<Box<[u8]>>,
    pub from_db: u32,
    pub to_db: i64,
    /// For each step of it.
    pub timeout: Duration,
    /// The keys stay here too.
    pub copy: bool,
    pub replace: bool,
    pub parcels: Vec<Parcel>,
}

#[derive(Debug)]
pub struct Parcel {
    pub key: Box<[u8]>,
    pub hash: u64,
    pub payload: Vec<u8>,
    pub expire_at_ms: Option<i64>,
    /// Raised when the key is changed after it was packed.
    pub changed: Arc<WatchFlag>,
    pub has_arrived: bool,
}

impl Parcel {
    pub fn key(&self) -> Key<'_> {
        Key {
            bytes: &self.key,
            hash: self.hash,
        }
    }
}

/// Every one is its own: it watches keys.
impl PartialEq for Migration {
    fn eq(&self, other: &Migration) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Migration {}
