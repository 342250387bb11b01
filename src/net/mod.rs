//! Sockets: addresses to listen on, and streams that are TCP or Unix. Knows no commands.

/// Binding and accepting.
pub mod listen;

/// Connecting to other servers.
pub mod connect;

/// A connected stream of either kind.
pub mod stream;
