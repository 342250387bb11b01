//! The commands. A family is one file or folder: its table of `Spec`s on top, one function
//! per command below. Adding a command is one line and one function, in one file.
//!
//! Handlers are plain functions on the locked keyspace and the session; they know nothing
//! of sockets and tasks. What cannot be done under locks they return as an `Outcome`.

/// Every error text that a command can answer.
pub mod error;

/// A cursor over arguments whose first error sticks.
pub mod args;

/// What a command is, whatever runs it.
pub mod shape;

/// Finds a command by its name.
pub mod index;

/// What a handler works with, and what it may leave for others to do.
pub mod cx;

/// Values of one type, as the handlers of its family get at them.
pub mod typed;

/// What the commands that wait for keys have in common.
pub mod blocking;

/// The words that a family's table is written in.
pub mod spec;

/// All commands of a server.
pub mod registry;

/// The inside door.
pub mod call;

/// What commands with subcommands have in common.
pub mod help;

/// What SCAN, HSCAN, SSCAN and ZSCAN have in common.
pub mod scan;

/// What the families' unit tests run commands in.
#[cfg(test)]
pub mod testing;

/// MULTI, EXEC, DISCARD, WATCH, UNWATCH.
pub mod transaction;

/// When keys end: EXPIRE, TTL, PERSIST and their like.
pub mod expiry;

/// Keys whatever they hold, and databases: DEL, SCAN, RENAME, FLUSHALL, DUMP and so on.
pub mod keyspace;

/// Strings: GET, SET, INCR and their relatives.
pub mod string;

/// Lists: elements at both ends.
pub mod list;

/// Bitmaps: SETBIT, BITCOUNT, BITFIELD and so on.
pub mod bitmap;

/// PFADD, PFCOUNT, PFMERGE: HyperLogLog.
pub mod hyperloglog;

/// Hashes: HSET, HGET and their relatives, and the times to live of fields.
pub mod hash;

/// Sets: SADD, SINTER and their relatives.
pub mod set;

/// Streams: entries behind each other, and groups that read them.
pub mod stream;

/// Sorted sets: ZADD, ZRANGE and their relatives.
pub mod zset;

/// Places on earth: GEOADD, GEOSEARCH and their relatives.
pub mod geo;

/// SORT.
pub mod sort;

/// PING, ECHO, AUTH, HELLO, QUIT, RESET.
pub mod connection;

/// READONLY and READWRITE, and that there is no cluster.
pub mod cluster;

/// CLIENT.
pub mod client;

/// SUBSCRIBE, PUBLISH, PUBSUB and their kin.
pub mod pubsub;

/// FUNCTION: libraries that are kept, and not run.
pub mod function;

/// MONITOR, its lines, and what must not be seen in them.
pub mod monitor;

/// CONFIG.
pub mod config;

/// INFO.
pub mod info;

/// MEMORY.
pub mod memory;

/// LATENCY.
pub mod latency;

/// SLOWLOG and COMMANDLOG.
pub mod commandlog;

/// The server as such: TIME, SAVE, SHUTDOWN, ROLE and so on.
pub mod server;

/// Leading and following: REPLICAOF, FAILOVER, WAIT, PSYNC.
pub mod replication;

/// DEBUG.
pub mod debug;

/// What COMMAND DOCS tells: pure data.
pub mod docs;

/// COMMAND.
pub mod command;

use spec::Spec;

/// Every family's table.
pub const FAMILIES: &[&[Spec]] = &[
    transaction::COMMANDS,
    expiry::COMMANDS,
    keyspace::COMMANDS,
    string::COMMANDS,
    list::COMMANDS,
    bitmap::COMMANDS,
    hyperloglog::COMMANDS,
    hash::COMMANDS,
    set::COMMANDS,
    stream::COMMANDS,
    zset::COMMANDS,
    geo::COMMANDS,
    sort::COMMANDS,
    connection::COMMANDS,
    cluster::COMMANDS,
    client::COMMANDS,
    pubsub::COMMANDS,
    function::COMMANDS,
    monitor::COMMANDS,
    config::COMMANDS,
    info::COMMANDS,
    memory::COMMANDS,
    latency::COMMANDS,
    commandlog::COMMANDS,
    server::COMMANDS,
    replication::COMMANDS,
    debug::COMMANDS,
    command::COMMANDS,
];
