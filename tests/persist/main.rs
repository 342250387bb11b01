//! Saving and loading from outside: what is saved is loaded, a snapshot is of one moment,
//! what is broken changes nothing, and other servers agree.

#[path = "../oracle/mod.rs"]
mod oracle;

mod shared;

mod model;

mod loading;

mod crash;

mod moment;

mod saving;

mod peers;
