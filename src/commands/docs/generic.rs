//! Keys of any type.

use super::Doc;
use super::arg::{Arg, block, integer, key, one_of, pattern, string, token, unix_time};

const SORTING: &str = "O(N log N) for N elements, O(N + M log M) if M of them are wanted";
const BY: Arg = pattern("by-pattern")
    .shown("pattern")
    .key_spec(1)
    .token("BY")
    .optional();
const LIMIT: Arg = block("limit", &[integer("offset"), integer("count")])
    .token("LIMIT")
    .optional();
const GET: Arg = pattern("get-pattern")
    .shown("pattern")
    .key_spec(1)
    .token("GET")
    .multiple()
    .multiple_token()
    .optional();
const ORDER: Arg = one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional();

pub const DOCS: &[Doc] = &[
    Doc::new(
        "copy",
        "6.2.0",
        "O(N), N: elements of the value; O(1) for a string",
        "Copies a key's value to another key, perhaps in another database.",
    )
    .arguments(&[
        key("source", 0),
        key("destination", 1),
        integer("destination-db").token("DB").optional(),
        token("replace", "REPLACE").optional(),
    ]),
    Doc::new(
        "del",
        "1.0.0",
        "O(N), N: keys and the elements of their values",
        "Deletes keys.",
    )
    .arguments(&[key("key", 0).multiple()]),
    Doc::new(
        "dump",
        "2.6.0",
        "O(N), N: bytes of the value",
        "Gives a value in a binary form that RESTORE takes.",
    )
    .arguments(&[key("key", 0)]),
    Doc::new(
        "exists",
        "1.0.0",
        "O(N), N: keys",
        "Counts how many of the keys exist.",
    )
    .history(&[("3.0.3", "More than one key.")])
    .arguments(&[key("key", 0).multiple()]),
    Doc::new(
        "expire",
        "1.0.0",
        "O(1)",
        "Lets a key expire in some seconds.",
    )
    .history(&[("7.0.0", "`NX`, `XX`, `GT`, `LT`.")])
    .arguments(&[
        key("key", 0),
        integer("seconds"),
        one_of(
            "condition",
            &[
                token("nx", "NX"),
                token("xx", "XX"),
                token("gt", "GT"),
                token("lt", "LT"),
            ],
        )
        .since("7.0.0")
        .optional(),
    ]),
    Doc::new(
        "expireat",
        "1.2.0",
        "O(1)",
        "Lets a key expire at a Unix time in seconds.",
    )
    .history(&[("7.0.0", "`NX`, `XX`, `GT`, `LT`.")])
    .arguments(&[
        key("key", 0),
        unix_time("unix-time-seconds"),
        one_of(
            "condition",
            &[
                token("nx", "NX"),
                token("xx", "XX"),
                token("gt", "GT"),
                token("lt", "LT"),
            ],
        )
        .since("7.0.0")
        .optional(),
    ]),
    Doc::new(
        "expiretime",
        "7.0.0",
        "O(1)",
        "Tells the Unix time in seconds at which a key expires.",
    )
    .arguments(&[key("key", 0)]),
    Doc::new(
        "keys",
        "1.0.0",
        "O(N), N: keys of the database",
        "Lists all keys whose names match a pattern.",
    )
    .arguments(&[pattern("pattern")]),
    Doc::new(
        "migrate",
        "2.6.0",
        "As DUMP and DEL here and RESTORE there, and the keys' bytes on the wire",
        "Takes keys to another server.",
    )
    .history(&[
        ("3.0.0", "`COPY`, `REPLACE`."),
        ("3.0.6", "`KEYS`."),
        ("4.0.7", "`AUTH`."),
        ("6.0.0", "`AUTH2`."),
    ])
    .arguments(&[
        string("host"),
        integer("port"),
        one_of("key-selector", &[key("key", 0), token("empty-string", "")]),
        integer("destination-db"),
        integer("timeout"),
        token("copy", "COPY").since("3.0.0").optional(),
        token("replace", "REPLACE").since("3.0.0").optional(),
        one_of(
            "authentication",
            &[
                string("auth")
                    .shown("password")
                    .token("AUTH")
                    .since("4.0.7"),
                block("auth2", &[string("username"), string("password")])
                    .token("AUTH2")
                    .since("6.0.0"),
            ],
        )
        .optional(),
        key("keys", 1)
            .shown("key")
            .token("KEYS")
            .since("3.0.6")
            .optional()
            .multiple(),
    ]),
    Doc::new("move", "1.0.0", "O(1)", "Puts a key into another database.")
        .arguments(&[key("key", 0), integer("db")]),
    Doc::new(
        "object",
        "2.2.3",
        "By subcommand",
        "Looks into how values are held.",
    )
    .subcommands(&[
        Doc::new(
            "encoding",
            "2.2.3",
            "O(1)",
            "Names the inner form of a value.",
        )
        .arguments(&[key("key", 0)]),
        Doc::new(
            "freq",
            "4.0.0",
            "O(1)",
            "Tells how often a key is used, on a logarithmic scale.",
        )
        .arguments(&[key("key", 0)]),
        Doc::new("help", "6.2.0", "O(1)", "Lists the subcommands."),
        Doc::new(
            "idletime",
            "2.2.3",
            "O(1)",
            "Tells for how many seconds a key has not been used.",
        )
        .arguments(&[key("key", 0)]),
        Doc::new(
            "refcount",
            "2.2.3",
            "O(1)",
            "Counts the references to a value.",
        )
        .arguments(&[key("key", 0)]),
    ]),
    Doc::new("persist", "2.2.0", "O(1)", "Lets a key live for ever.").arguments(&[key("key", 0)]),
    Doc::new(
        "pexpire",
        "2.6.0",
        "O(1)",
        "Lets a key expire in some milliseconds.",
    )
    .history(&[("7.0.0", "`NX`, `XX`, `GT`, `LT`.")])
    .arguments(&[
        key("key", 0),
        integer("milliseconds"),
        one_of(
            "condition",
            &[
                token("nx", "NX"),
                token("xx", "XX"),
                token("gt", "GT"),
                token("lt", "LT"),
            ],
        )
        .since("7.0.0")
        .optional(),
    ]),
    Doc::new(
        "pexpireat",
        "2.6.0",
        "O(1)",
        "Lets a key expire at a Unix time in milliseconds.",
    )
    .history(&[("7.0.0", "`NX`, `XX`, `GT`, `LT`.")])
    .arguments(&[
        key("key", 0),
        unix_time("unix-time-milliseconds"),
        one_of(
            "condition",
            &[
                token("nx", "NX"),
                token("xx", "XX"),
                token("gt", "GT"),
                token("lt", "LT"),
            ],
        )
        .since("7.0.0")
        .optional(),
    ]),
    Doc::new(
        "pexpiretime",
        "7.0.0",
        "O(1)",
        "Tells the Unix time in milliseconds at which a key expires.",
    )
    .arguments(&[key("key", 0)]),
    Doc::new(
        "pttl",
        "2.6.0",
        "O(1)",
        "Tells how many milliseconds a key has left.",
    )
    .history(&[("2.8.0", "-2 for a key that does not exist.")])
    .arguments(&[key("key", 0)]),
    Doc::new(
        "randomkey",
        "1.0.0",
        "O(1)",
        "Picks any key of the database.",
    ),
    Doc::new(
        "rename",
        "1.0.0",
        "O(1)",
        "Gives a key another name, replacing what had it.",
    )
    .arguments(&[key("key", 0), key("newkey", 1)]),
    Doc::new(
        "renamenx",
        "1.0.0",
        "O(1)",
        "Gives a key another name, unless that is taken.",
    )
    .history(&[("3.2.0", "The same name twice is no error.")])
    .arguments(&[key("key", 0), key("newkey", 1)]),
    Doc::new(
        "restore",
        "2.6.0",
        "O(N), N: bytes of the payload",
        "Makes a key of what DUMP gave.",
    )
    .history(&[
        ("3.0.0", "`REPLACE`."),
        ("5.0.0", "`ABSTTL`."),
        ("5.0.0", "`IDLETIME`, `FREQ`."),
    ])
    .arguments(&[
        key("key", 0),
        integer("ttl"),
        string("serialized-value"),
        token("replace", "REPLACE").since("3.0.0").optional(),
        token("absttl", "ABSTTL").since("5.0.0").optional(),
        integer("seconds")
            .token("IDLETIME")
            .since("5.0.0")
            .optional(),
        integer("frequency").token("FREQ").since("5.0.0").optional(),
    ]),
    Doc::new(
        "scan",
        "2.8.0",
        "O(1) a call, O(N) for all N keys",
        "Walks through the keys of the database in steps.",
    )
    .history(&[("6.0.0", "`TYPE`.")])
    .arguments(&[
        integer("cursor"),
        pattern("pattern").token("MATCH").optional(),
        integer("count").token("COUNT").optional(),
        string("type").token("TYPE").since("6.0.0").optional(),
    ]),
    Doc::new(
        "sort",
        "1.0.0",
        SORTING,
        "Gives the elements of a list, set or sorted set in order, or what other keys say of \
         them, or keeps that as a list.",
    )
    .arguments(&[
        key("key", 0),
        BY,
        LIMIT,
        GET,
        ORDER,
        token("sorting", "ALPHA").optional(),
        key("destination", 2).token("STORE").optional(),
    ]),
    Doc::new(
        "sort_ro",
        "7.0.0",
        SORTING,
        "Gives the elements of a list, set or sorted set in order, or what other keys say of \
         them.",
    )
    .arguments(&[
        key("key", 0),
        BY,
        LIMIT,
        GET,
        ORDER,
        token("sorting", "ALPHA").optional(),
    ]),
    Doc::new(
        "touch",
        "3.2.1",
        "O(N), N: keys",
        "Marks keys as used now, and counts those that exist.",
    )
    .arguments(&[key("key", 0).multiple()]),
    Doc::new(
        "ttl",
        "1.0.0",
        "O(1)",
        "Tells how many seconds a key has left.",
    )
    .history(&[("2.8.0", "-2 for a key that does not exist.")])
    .arguments(&[key("key", 0)]),
    Doc::new("type", "1.0.0", "O(1)", "Names the type of a key's value.")
        .arguments(&[key("key", 0)]),
    Doc::new(
        "unlink",
        "4.0.0",
        "O(N), N: keys; their values are freed in the background",
        "Deletes keys and leaves freeing their values for later.",
    )
    .arguments(&[key("key", 0).multiple()]),
    Doc::new(
        "wait",
        "3.0.0",
        "O(1)",
        "Waits until replicas have this connection's writes.",
    )
    .arguments(&[integer("numreplicas"), integer("timeout")]),
    Doc::new(
        "waitaof",
        "7.2.0",
        "O(1)",
        "Waits until append-only files, ours or replicas', have this connection's writes.",
    )
    .arguments(&[
        integer("numlocal"),
        integer("numreplicas"),
        integer("timeout"),
    ]),
];
