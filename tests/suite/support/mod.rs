//! What every test of the suite stands on: `use super::support::*;` brings it all in.

pub mod value;

pub mod client;

pub mod server;

pub use client::{Client, check, check_all};
pub use server::{Peer, Server, wait_until};
