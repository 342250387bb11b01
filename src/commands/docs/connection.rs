//! Connections.

use super::Doc;
use super::arg::{block, integer, one_of, string, token};

pub const DOCS: &[Doc] = &[
    Doc::new(
        "auth",
        "1.0.0",
        "O(N), N: passwords of the user",
        "Logs in.",
    )
    .history(&[("6.0.0", "A user's name before the password.")])
    .arguments(&[
        string("username").since("6.0.0").optional(),
        string("password"),
    ]),
    Doc::new(
        "client",
        "2.4.0",
        "By subcommand",
        "Looks at connections and changes them.",
    )
    .subcommands(&[
        Doc::new(
            "caching",
            "6.0.0",
            "O(1)",
            "Says whether what the next command reads is tracked.",
        )
        .arguments(&[one_of("mode", &[token("yes", "YES"), token("no", "NO")])]),
        Doc::new("capa", "8.0.0", "O(1)", "Says what this client can do.")
            .arguments(&[string("capability").multiple()]),
        Doc::new("getname", "2.6.9", "O(1)", "Tells this connection's name."),
        Doc::new(
            "getredir",
            "6.0.0",
            "O(1)",
            "Tells which connection hears of changes to what this one tracks.",
        ),
        Doc::new("help", "5.0.0", "O(1)", "Lists the subcommands."),
        Doc::new("id", "5.0.0", "O(1)", "Tells this connection's number."),
        Doc::new(
            "import-source",
            "8.1.0",
            "O(1)",
            "Shows this connection keys whose time has come, in import mode.",
        )
        .arguments(&[one_of("enabled", &[token("on", "ON"), token("off", "OFF")])]),
        Doc::new("info", "6.2.0", "O(1)", "Describes this connection."),
        Doc::new(
            "kill",
            "2.4.0",
            "O(N), N: connections",
            "Closes the connections that fit all filters.",
        )
        .history(&[
            ("2.8.12", "Filters."),
            ("2.8.12", "`ID`."),
            ("3.2.0", "`TYPE master`."),
            (
                "5.0.0",
                "`TYPE replica` for `TYPE slave`, which goes on to work.",
            ),
            ("6.2.0", "`LADDR`."),
            ("7.4.0", "`MAXAGE`."),
        ])
        .arguments(&[one_of(
            "filter",
            &[
                string("old-format").shown("ip:port").deprecated("2.8.12"),
                one_of(
                    "new-format",
                    &[
                        integer("client-id").token("ID").since("2.8.12").optional(),
                        one_of(
                            "client-type",
                            &[
                                token("normal", "NORMAL"),
                                token("master", "MASTER").since("3.2.0"),
                                token("slave", "SLAVE"),
                                token("replica", "REPLICA").since("5.0.0"),
                                token("pubsub", "PUBSUB"),
                            ],
                        )
                        .token("TYPE")
                        .since("2.8.12")
                        .optional(),
                        string("username").token("USER").optional(),
                        string("addr").shown("ip:port").token("ADDR").optional(),
                        string("laddr")
                            .shown("ip:port")
                            .token("LADDR")
                            .since("6.2.0")
                            .optional(),
                        one_of("skipme", &[token("yes", "YES"), token("no", "NO")])
                            .token("SKIPME")
                            .optional(),
                        integer("maxage").token("MAXAGE").since("7.4.0").optional(),
                    ],
                )
                .multiple(),
            ],
        )]),
        Doc::new(
            "list",
            "2.4.0",
            "O(N), N: connections",
            "Describes all connections, or those that fit a filter.",
        )
        .history(&[
            ("2.8.12", "The field `id`."),
            ("5.0.0", "`TYPE`."),
            ("6.0.0", "The field `user`."),
            (
                "6.2.0",
                "`ID`, and the fields `argv-mem`, `tot-mem`, `laddr`, `redir`.",
            ),
            ("7.0.0", "The fields `resp`, `multi-mem`, `rbs`, `rbp`."),
            ("7.0.3", "The field `ssub`."),
            ("7.2.0", "The fields `lib-name`, `lib-ver`."),
            ("7.4.0", "The field `watch`."),
            ("8.0.0", "The field `io-thread`."),
        ])
        .arguments(&[
            one_of(
                "client-type",
                &[
                    token("normal", "NORMAL"),
                    token("master", "MASTER"),
                    token("replica", "REPLICA"),
                    token("pubsub", "PUBSUB"),
                ],
            )
            .token("TYPE")
            .since("5.0.0")
            .optional(),
            integer("client-id")
                .token("ID")
                .since("6.2.0")
                .optional()
                .multiple(),
        ]),
        Doc::new(
            "no-evict",
            "7.0.0",
            "O(1)",
            "Exempts this connection from being closed for its memory, or no longer.",
        )
        .arguments(&[one_of("enabled", &[token("on", "ON"), token("off", "OFF")])]),
        Doc::new(
            "no-touch",
            "7.2.0",
            "O(1)",
            "Lets this connection's commands count as no use of their keys, or count again.",
        )
        .arguments(&[one_of("enabled", &[token("on", "ON"), token("off", "OFF")])]),
        Doc::new(
            "pause",
            "3.0.0",
            "O(1)",
            "Makes all clients, or those that write, wait for a while.",
        )
        .history(&[("6.2.0", "`WRITE` and `ALL`.")])
        .arguments(&[
            integer("timeout"),
            one_of("mode", &[token("write", "WRITE"), token("all", "ALL")])
                .since("6.2.0")
                .optional(),
        ]),
        Doc::new(
            "reply",
            "3.2.0",
            "O(1)",
            "Turns replies on this connection on or off, or skips the next one.",
        )
        .arguments(&[one_of(
            "action",
            &[
                token("on", "ON"),
                token("off", "OFF"),
                token("skip", "SKIP"),
            ],
        )]),
        Doc::new(
            "setinfo",
            "7.2.0",
            "O(1)",
            "Tells the server the client library's name or version.",
        )
        .arguments(&[one_of(
            "attr",
            &[
                string("libname").token("LIB-NAME"),
                string("libver").token("LIB-VER"),
            ],
        )]),
        Doc::new("setname", "2.6.9", "O(1)", "Gives this connection a name.")
            .arguments(&[string("connection-name")]),
        Doc::new(
            "tracking",
            "6.0.0",
            "O(1), O(N) with N prefixes",
            "Has this connection told when what it has read changes, or ends that.",
        )
        .arguments(&[
            one_of("status", &[token("on", "ON"), token("off", "OFF")]),
            integer("client-id").token("REDIRECT").optional(),
            string("prefix")
                .token("PREFIX")
                .multiple()
                .multiple_token()
                .optional(),
            token("bcast", "BCAST").optional(),
            token("optin", "OPTIN").optional(),
            token("optout", "OPTOUT").optional(),
            token("noloop", "NOLOOP").optional(),
        ]),
        Doc::new(
            "trackinginfo",
            "6.2.0",
            "O(1)",
            "Tells how this connection tracks keys.",
        ),
        Doc::new(
            "unblock",
            "5.0.0",
            "O(log N), N: connections",
            "Ends another connection's wait in a blocking command.",
        )
        .arguments(&[
            integer("client-id"),
            one_of(
                "unblock-type",
                &[token("timeout", "TIMEOUT"), token("error", "ERROR")],
            )
            .optional(),
        ]),
        Doc::new(
            "unpause",
            "6.2.0",
            "O(N), N: waiting connections",
            "Ends a pause.",
        ),
    ]),
    Doc::new("echo", "1.0.0", "O(1)", "Gives back what it is given.")
        .arguments(&[string("message")]),
    Doc::new(
        "hello",
        "6.0.0",
        "O(1)",
        "Agrees on the protocol, logs in, and describes the server.",
    )
    .history(&[(
        "6.2.0",
        "May be called without a version, to learn about the connection.",
    )])
    .arguments(&[block(
        "arguments",
        &[
            integer("protover"),
            block("auth", &[string("username"), string("password")])
                .token("AUTH")
                .optional(),
            string("clientname").token("SETNAME").optional(),
        ],
    )
    .optional()]),
    Doc::new("ping", "1.0.0", "O(1)", "Shows that the server answers.")
        .arguments(&[string("message").optional()]),
    Doc::new("quit", "1.0.0", "O(1)", "Ends the connection.")
        .deprecated("7.2.0", "closing the connection"),
    Doc::new(
        "reset",
        "6.2.0",
        "O(1)",
        "Makes the connection as it was when it was new.",
    ),
    Doc::new(
        "select",
        "1.0.0",
        "O(1)",
        "Chooses the database of this connection.",
    )
    .arguments(&[integer("index")]),
];
