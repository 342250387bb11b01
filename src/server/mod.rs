//! The server: threads, sockets and tasks around the engine.
//!
//! ```text
//!   acceptor --> worker 0 .. n-1     connections, each served where it was given, unless
//!                                    there are not cores enough for all workers
//!   cron, saver, leader, follower, garbage: threads of their own, never a worker's
//! ```
//!
//! Every thread that locks the keyspace has a gate; `Gates` says whose is which.

/// Log lines in Redis's form.
pub mod logging;

/// What a service manager is told.
pub mod supervisor;

/// Replies on their way out.
pub mod output;

/// The way out.
pub mod shutdown;

/// The tasks that connections can ask.
pub mod services;

/// Connections to the targets of MIGRATE.
pub mod links;

/// The workers together.
pub mod crew;

/// How many of them should serve.
pub mod governor;

/// Where a worker's connections read to.
pub mod inbox;

/// What a worker's connections share.
pub mod context;

/// One connection and what is unfinished of it.
pub mod connection;

/// MIGRATE's way to another server.
pub mod migrate;

/// The same inside of a transaction.
pub mod courier;

/// How tasks wait for locks.
pub mod line;

/// Jobs that commands leave to tasks.
pub mod jobs;

/// How a connection waits.
pub mod suspend;

/// A connection's life.
pub mod serve;

/// Worker threads.
pub mod worker;

/// Accepting connections.
pub mod listener;

/// Going to the background.
pub mod background;

/// Freeing what is big.
pub mod garbage;

/// The thread that goes on making room.
pub mod evictor;

/// Whom the kernel ends first when memory runs out.
pub mod oom;

/// What is done every so often.
pub mod cron;

/// The thread that has as many workers serve as should.
pub mod staffing;

/// The process's title.
pub mod title;

/// What CONFIG SET has to do besides changing a value.
pub mod appliers;

/// From the configuration to a server that runs.
pub mod run;
