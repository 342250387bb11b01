//! Function libraries.

use super::Doc;
use super::arg::{one_of, string, token};

pub const DOCS: &[Doc] = &[Doc::new(
    "function",
    "7.0.0",
    "By subcommand",
    "Looks at function libraries and deletes them.",
)
.subcommands(&[
    Doc::new("delete", "7.0.0", "O(1)", "Deletes a library.").arguments(&[string("library-name")]),
    Doc::new(
        "dump",
        "7.0.0",
        "O(N), N: bytes of all libraries",
        "Gives all libraries as one payload.",
    ),
    Doc::new(
        "flush",
        "7.0.0",
        "O(N), N: libraries",
        "Deletes all libraries.",
    )
    .arguments(&[one_of(
        "flush-type",
        &[token("async", "ASYNC"), token("sync", "SYNC")],
    )
    .optional()]),
    Doc::new("help", "7.0.0", "O(1)", "Lists the subcommands."),
    Doc::new("kill", "7.0.0", "O(1)", "Ends the function that runs."),
    Doc::new(
        "list",
        "7.0.0",
        "O(N), N: libraries",
        "Lists the libraries.",
    )
    .arguments(&[
        string("library-name-pattern")
            .token("LIBRARYNAME")
            .optional(),
        token("withcode", "WITHCODE").optional(),
    ]),
    Doc::new("load", "7.0.0", "O(1)", "Adds a library.").arguments(&[
        token("replace", "REPLACE").optional(),
        string("function-code"),
    ]),
    Doc::new(
        "restore",
        "7.0.0",
        "O(N), N: bytes of the payload",
        "Adds the libraries of a payload.",
    )
    .arguments(&[
        string("serialized-value"),
        one_of(
            "policy",
            &[
                token("flush", "FLUSH"),
                token("append", "APPEND"),
                token("replace", "REPLACE"),
            ],
        )
        .optional(),
    ]),
    Doc::new(
        "stats",
        "7.0.0",
        "O(1)",
        "Tells which function runs, and which engines there are.",
    ),
])];
