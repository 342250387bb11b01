//! Sockets: addresses to listen on, and streams that are TCP or Unix. Knows no commands.

/// Reaching another server.
pub mod connect;

/// Binding and accepting.
pub mod listen;

/// A connected stream of either kind.
pub mod stream;
