//! What every test of the suite stands on: `use super::support::*;` brings it all in.

pub mod value;

pub mod client;

pub mod server;

pub mod proxy;

pub mod delay;

pub mod replicas;

pub mod leader;

pub use client::{Client, check, check_all};
pub use delay::Delay;
pub use leader::{ID, Scripted, full_resync, marked_resync, new_keys, snapshot, snapshot_with};
pub use proxy::Proxy;
pub use replicas::*;
pub use server::{Peer, Server, free_port, wait_until};
pub use value::split_words;
