//! The server itself, its data as a whole, and replication.

use super::Doc;
use super::arg::{Arg, block, integer, key, one_of, pattern, string, token};

/// The logs of COMMANDLOG.
const LOGS: Arg = one_of(
    "type",
    &[
        token("slow", "SLOW"),
        token("large-request", "LARGE-REQUEST"),
        token("large-reply", "LARGE-REPLY"),
    ],
);

pub const DOCS: &[Doc] = &[
    Doc::new(
        "bgsave",
        "1.0.0",
        "O(1)",
        "Begins to save all data to a file.",
    )
    .history(&[("3.2.2", "`SCHEDULE`.")])
    .arguments(&[token("schedule", "SCHEDULE").since("3.2.2").optional()]),
    Doc::new(
        "command",
        "2.8.13",
        "O(N), N: commands",
        "Describes the commands of this server.",
    )
    .subcommands(&[
        Doc::new("count", "2.8.13", "O(1)", "Counts the commands."),
        Doc::new(
            "docs",
            "7.0.0",
            "O(N), N: commands asked for",
            "Gives the documentation of commands.",
        )
        .arguments(&[string("command-name").optional().multiple()]),
        Doc::new(
            "getkeys",
            "2.8.13",
            "O(N), N: arguments of the command",
            "Picks the keys out of a command.",
        )
        .arguments(&[string("command"), string("arg").optional().multiple()]),
        Doc::new(
            "getkeysandflags",
            "7.0.0",
            "O(N), N: arguments of the command",
            "Picks the keys out of a command, with what it does to each.",
        )
        .arguments(&[string("command"), string("arg").optional().multiple()]),
        Doc::new("help", "5.0.0", "O(1)", "Lists the subcommands."),
        Doc::new(
            "info",
            "2.8.13",
            "O(N), N: commands asked for",
            "Describes some commands, or all.",
        )
        .history(&[("7.0.0", "Without names all commands are described.")])
        .arguments(&[string("command-name").optional().multiple()]),
        Doc::new(
            "list",
            "7.0.0",
            "O(N), N: commands",
            "Lists the names of commands.",
        )
        .arguments(&[one_of(
            "filterby",
            &[
                string("module-name").token("MODULE"),
                string("category").token("ACLCAT"),
                pattern("pattern").token("PATTERN"),
            ],
        )
        .token("FILTERBY")
        .optional()]),
    ]),
    Doc::new(
        "commandlog",
        "8.1.0",
        "By subcommand",
        "Looks at commands that took long, or were large.",
    )
    .subcommands(&[
        Doc::new(
            "get",
            "8.1.0",
            "O(N), N: entries returned",
            "Gives the last commands of a log.",
        )
        .arguments(&[integer("count"), LOGS]),
        Doc::new("help", "8.1.0", "O(1)", "Lists the subcommands."),
        Doc::new("len", "8.1.0", "O(1)", "Counts the commands of a log.").arguments(&[LOGS]),
        Doc::new("reset", "8.1.0", "O(N), N: entries", "Empties a log.").arguments(&[LOGS]),
    ]),
    Doc::new(
        "config",
        "2.0.0",
        "By subcommand",
        "Reads and changes the configuration.",
    )
    .subcommands(&[
        Doc::new(
            "get",
            "2.0.0",
            "O(N), N: parameters",
            "Gives the parameters whose names match, with their values.",
        )
        .history(&[("7.0.0", "More than one pattern.")])
        .arguments(&[string("parameter").multiple()]),
        Doc::new("help", "5.0.0", "O(1)", "Lists the subcommands."),
        Doc::new(
            "resetstat",
            "2.0.0",
            "O(1)",
            "Sets the counters of INFO back to zero.",
        ),
        Doc::new(
            "rewrite",
            "2.8.0",
            "O(1)",
            "Writes the configuration in use into its file.",
        ),
        Doc::new(
            "set",
            "2.0.0",
            "O(N), N: parameters",
            "Changes parameters, all of them or none.",
        )
        .history(&[("7.0.0", "More than one parameter.")])
        .arguments(&[block("data", &[string("parameter"), string("value")]).multiple()]),
    ]),
    Doc::new(
        "dbsize",
        "1.0.0",
        "O(1)",
        "Counts the keys of the database.",
    ),
    Doc::new(
        "debug",
        "1.0.0",
        "By subcommand",
        "Tools for testing the server.",
    )
    .internal(),
    Doc::new(
        "failover",
        "6.2.0",
        "O(1)",
        "Hands leadership over to a replica.",
    )
    .arguments(&[
        block(
            "target",
            &[
                string("host"),
                integer("port"),
                token("force", "FORCE").optional(),
            ],
        )
        .token("TO")
        .optional(),
        token("abort", "ABORT").optional(),
        integer("milliseconds").token("TIMEOUT").optional(),
    ]),
    Doc::new(
        "flushall",
        "1.0.0",
        "O(N), N: keys of all databases",
        "Deletes everything.",
    )
    .history(&[("4.0.0", "`ASYNC`."), ("6.2.0", "`SYNC`.")])
    .arguments(&[one_of(
        "flush-type",
        &[
            token("async", "ASYNC").since("4.0.0"),
            token("sync", "SYNC").since("6.2.0"),
        ],
    )
    .optional()]),
    Doc::new(
        "flushdb",
        "1.0.0",
        "O(N), N: keys of the database",
        "Deletes all keys of the database.",
    )
    .history(&[("4.0.0", "`ASYNC`."), ("6.2.0", "`SYNC`.")])
    .arguments(&[one_of(
        "flush-type",
        &[
            token("async", "ASYNC").since("4.0.0"),
            token("sync", "SYNC").since("6.2.0"),
        ],
    )
    .optional()]),
    Doc::new(
        "info",
        "1.0.0",
        "O(1)",
        "Gives facts and figures about the server.",
    )
    .history(&[("7.0.0", "More than one section.")])
    .arguments(&[string("section").optional().multiple()]),
    Doc::new(
        "lastsave",
        "1.0.0",
        "O(1)",
        "Tells the Unix time of the last successful save.",
    ),
    Doc::new(
        "latency",
        "2.8.13",
        "By subcommand",
        "Looks for what makes the server slow.",
    )
    .subcommands(&[
        Doc::new(
            "doctor",
            "2.8.13",
            "O(1)",
            "Says for people what took long, and what to look at.",
        ),
        Doc::new(
            "graph",
            "2.8.13",
            "O(1)",
            "Draws when an event took long, and how long.",
        )
        .arguments(&[string("event")]),
        Doc::new("help", "2.8.13", "O(1)", "Lists the subcommands."),
        Doc::new(
            "histogram",
            "7.0.0",
            "O(N), N: commands",
            "Gives the distribution of run times by command.",
        )
        .arguments(&[string("command").optional().multiple()]),
        Doc::new(
            "history",
            "2.8.13",
            "O(1)",
            "Gives when an event took long, and how long.",
        )
        .arguments(&[string("event")]),
        Doc::new(
            "latest",
            "2.8.13",
            "O(1)",
            "Gives for every event when it last took long.",
        ),
        Doc::new("reset", "2.8.13", "O(1)", "Forgets what took long.").arguments(&[string(
            "event",
        )
        .optional()
        .multiple()]),
    ]),
    Doc::new(
        "lolwut",
        "5.0.0",
        "",
        "Draws something, and tells the version.",
    )
    .arguments(&[integer("version").token("VERSION").optional()]),
    Doc::new(
        "memory",
        "4.0.0",
        "By subcommand",
        "Looks at what memory is used for.",
    )
    .subcommands(&[
        Doc::new(
            "doctor",
            "4.0.0",
            "O(1)",
            "Says for people what is wrong about the use of memory.",
        ),
        Doc::new("help", "4.0.0", "O(1)", "Lists the subcommands."),
        Doc::new(
            "malloc-stats",
            "4.0.0",
            "Depends on the allocator",
            "Gives what the allocator tells of itself.",
        ),
        Doc::new(
            "purge",
            "4.0.0",
            "Depends on the allocator",
            "Has the allocator give memory back.",
        ),
        Doc::new(
            "stats",
            "4.0.0",
            "O(N), N: shards",
            "Gives what memory is used for.",
        ),
        Doc::new(
            "usage",
            "4.0.0",
            "O(N), N: elements sampled",
            "Estimates how much memory a key takes.",
        )
        .arguments(&[key("key", 0), integer("count").token("SAMPLES").optional()]),
    ]),
    Doc::new(
        "monitor",
        "1.0.0",
        "",
        "Shows every command that the server runs.",
    ),
    Doc::new(
        "psync",
        "2.8.0",
        "",
        "Asks to go on with replication from an offset (for replicas).",
    )
    .arguments(&[string("replicationid"), integer("offset")]),
    Doc::new(
        "replconf",
        "3.0.0",
        "O(1)",
        "Tells the leader about its replica (for replicas).",
    )
    .internal(),
    Doc::new(
        "replicaof",
        "5.0.0",
        "O(1)",
        "Follows another server, or ends that.",
    )
    .arguments(&[one_of(
        "args",
        &[
            block("host-port", &[string("host"), integer("port")]),
            block("no-one", &[token("no", "NO"), token("one", "ONE")]),
        ],
    )]),
    Doc::new(
        "restore-asking",
        "3.0.0",
        "O(N), N: bytes of the payload",
        "RESTORE for keys that move between nodes of a cluster.",
    )
    .internal()
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
        "role",
        "2.8.12",
        "O(1)",
        "Tells the server's part in replication.",
    ),
    Doc::new(
        "save",
        "1.0.0",
        "O(N), N: keys of all databases",
        "Saves all data to a file before it answers.",
    ),
    Doc::new(
        "shutdown",
        "1.0.0",
        "O(N) with a save, N: keys of all databases; else O(1)",
        "Saves if told or configured to, and ends the server.",
    )
    .history(&[("7.0.0", "`NOW`, `FORCE`, `ABORT`.")])
    .arguments(&[
        one_of(
            "save-selector",
            &[token("nosave", "NOSAVE"), token("save", "SAVE")],
        )
        .optional(),
        token("now", "NOW").since("7.0.0").optional(),
        token("force", "FORCE").since("7.0.0").optional(),
        token("abort", "ABORT").since("7.0.0").optional(),
    ]),
    Doc::new("slaveof", "1.0.0", "O(1)", "Old name of REPLICAOF.")
        .deprecated("5.0.0", "`REPLICAOF`")
        .arguments(&[one_of(
            "args",
            &[
                block("host-port", &[string("host"), integer("port")]),
                block("no-one", &[token("no", "NO"), token("one", "ONE")]),
            ],
        )]),
    Doc::new(
        "slowlog",
        "2.2.12",
        "By subcommand",
        "Looks at commands that took long.",
    )
    .subcommands(&[
        Doc::new(
            "get",
            "2.2.12",
            "O(N), N: entries returned",
            "Gives the last slow commands.",
        )
        .history(&[("4.0.0", "Entries hold the client's address and name.")])
        .arguments(&[integer("count").optional()]),
        Doc::new("help", "6.2.0", "O(1)", "Lists the subcommands."),
        Doc::new(
            "len",
            "2.2.12",
            "O(1)",
            "Counts the entries of the slow log.",
        ),
        Doc::new(
            "reset",
            "2.2.12",
            "O(N), N: entries",
            "Empties the slow log.",
        ),
    ]),
    Doc::new(
        "swapdb",
        "4.0.0",
        "O(N), N: clients that watch or wait for keys of the two databases",
        "Exchanges two databases.",
    )
    .arguments(&[integer("index1"), integer("index2")]),
    Doc::new(
        "sync",
        "1.0.0",
        "",
        "Asks for a copy of all data and what follows (for replicas).",
    ),
    Doc::new("time", "2.6.0", "O(1)", "Tells the server's time."),
];
