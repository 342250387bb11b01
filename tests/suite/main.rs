//! The server seen from outside: what a client sends, what it gets back.
//!
//! One file per command family or concern; each test starts a server of its own. Replies
//! are compared in the notation of `support::value`, a line of data per expectation:
//!
//! ```text
//! check(&mut client, "SET greeting hello", "+OK");
//! check(&mut client, "GET greeting", "\"hello\"");
//! ```
//!
//! `SERVER_BIN=/usr/bin/redis-server cargo test --test suite` runs the same tests against
//! another server, which is how an expectation is proved to be Redis's own.

#[path = "../oracle/mod.rs"]
mod oracle;

mod support;

mod smoke;

mod keyspace;

mod exec;

mod transaction;

mod expiry;

mod eviction;

mod replication;

mod failover;

mod wait;

mod blocking;

mod big_values;

mod lag;

mod directives;

mod histories;

mod full_sync;

mod slow_links;

mod lists;

mod hashes;

mod streams;

mod sets;

mod zsets;

mod bits;

mod forms;

mod losses;

mod command;

mod errors;

mod missing;

mod config;

mod info;

mod debug;

mod server;

mod process;

mod background;

mod client;

mod client_eviction;

mod connection;

mod pubsub;

mod tracking;

mod trouble;
