//! Transactions.

use super::Doc;
use super::arg::key;

pub const DOCS: &[Doc] = &[
    Doc::new(
        "discard",
        "2.0.0",
        "O(N), N: queued commands",
        "Throws the queued commands away.",
    ),
    Doc::new(
        "exec",
        "1.2.0",
        "By the queued commands",
        "Runs the queued commands as one unit.",
    ),
    Doc::new(
        "multi",
        "1.2.0",
        "O(1)",
        "Begins to queue commands for EXEC.",
    ),
    Doc::new("unwatch", "2.2.0", "O(1)", "Forgets all watched keys."),
    Doc::new(
        "watch",
        "2.2.0",
        "O(N), N: keys",
        "Makes EXEC do nothing if one of these keys changes before it.",
    )
    .arguments(&[key("key", 0).multiple()]),
];
