//! RESP, both ways: what clients send, what they are answered, and replies read back by
//! those who are clients themselves. Knows nothing of commands or keys.

/// A command's arguments, borrowed from where they arrived or owned.
pub mod argv;

/// Inline commands: a line of text, split as a shell would.
pub mod inline;

/// The incremental parser of requests.
pub mod request;

/// Error texts that quote what a client sent.
pub mod template;

/// The output buffer, in RESP2 or RESP3.
pub mod reply;

/// A reply as a tree, for links and tests.
pub mod value;
