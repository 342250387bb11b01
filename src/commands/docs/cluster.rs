//! What is there for clients that know of several servers.

use super::Doc;

pub const DOCS: &[Doc] = &[
    Doc::new(
        "asking",
        "3.0.0",
        "O(1)",
        "Tells that there is no cluster, so that no -ASK can be followed.",
    ),
    Doc::new(
        "cluster",
        "3.0.0",
        "Depends on subcommand.",
        "Tells that there is no cluster.",
    ),
    Doc::new(
        "readonly",
        "3.0.0",
        "O(1)",
        "Lets a follower answer this connection's reads, where it would redirect them.",
    ),
    Doc::new(
        "readwrite",
        "3.0.0",
        "O(1)",
        "Has a follower redirect this connection's reads again.",
    ),
];
