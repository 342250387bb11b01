//! Streams.

use super::Doc;
use super::arg::{Arg, block, integer, key, one_of, string, token, unix_time};

const EXCLUSIVE_SINCE_6_2: &[(&str, &str)] = &[("6.2.0", "Takes ranges that exclude their ends.")];
const ENTRIES_READ_SINCE_7: &[(&str, &str)] = &[("7.0.0", "Takes `entries_read`.")];

const STRATEGY: &[Arg] = &[
    token("maxlen", "MAXLEN"),
    token("minid", "MINID").since("6.2.0"),
];
const OPERATOR: &[Arg] = &[token("equal", "="), token("approximately", "~")];
const TRIM: &[Arg] = &[
    one_of("strategy", STRATEGY),
    one_of("operator", OPERATOR).optional(),
    string("threshold"),
    integer("count").token("LIMIT").since("6.2.0").optional(),
];
const GROUP: &[Arg] = &[key("key", 0), string("group")];
const CONSUMER: &[Arg] = &[key("key", 0), string("group"), string("consumer")];
const ID_OR_NEW: &[Arg] = &[string("id"), token("new-id", "$")];
const ENTRIES_READ: Arg = integer("entriesread")
    .shown("entries-read")
    .token("ENTRIESREAD")
    .optional();
const COUNT: Arg = integer("count").token("COUNT").optional();
const BLOCK: Arg = integer("milliseconds").token("BLOCK").optional();
const STREAMS: Arg = block(
    "streams",
    &[key("key", 0).multiple(), string("id").multiple()],
)
.token("STREAMS");

const PER_RETURNED: &str = "O(N), N: entries returned";
const PER_REMOVED: &str = "O(N), N: entries removed; whole nodes go at once";
const PER_ID: &str = "O(N), N: ids";

pub const DOCS: &[Doc] = &[
    Doc::new(
        "xack",
        "5.0.0",
        PER_ID,
        "Takes entries off the list of those that a group's consumers have not acknowledged.",
    )
    .arguments(&[key("key", 0), string("group"), string("id").multiple()]),
    Doc::new(
        "xadd",
        "5.0.0",
        "O(1), and O(N) for trimming, N: entries removed",
        "Adds an entry to the end of a stream.",
    )
    .history(&[
        ("6.2.0", "Takes `NOMKSTREAM`, `MINID` and `LIMIT`."),
        ("7.0.0", "Takes ids of the form `<ms>-*`."),
    ])
    .arguments(&[
        key("key", 0),
        token("nomkstream", "NOMKSTREAM").since("6.2.0").optional(),
        block("trim", TRIM).optional(),
        one_of("id-selector", &[token("auto-id", "*"), string("id")]),
        block("data", &[string("field"), string("value")]).multiple(),
    ]),
    Doc::new(
        "xautoclaim",
        "6.2.0",
        "O(N), N: entries looked at",
        "Gives a consumer what others were given and have not acknowledged for long.",
    )
    .history(&[("7.0.0", "Tells which entries were found deleted.")])
    .arguments(&[
        key("key", 0),
        string("group"),
        string("consumer"),
        string("min-idle-time"),
        string("start"),
        COUNT,
        token("justid", "JUSTID").optional(),
    ]),
    Doc::new(
        "xclaim",
        "5.0.0",
        "O(N log P), N: ids, P: entries pending in the group",
        "Gives a consumer entries that others were given and have not acknowledged.",
    )
    .arguments(&[
        key("key", 0),
        string("group"),
        string("consumer"),
        string("min-idle-time"),
        string("id").multiple(),
        integer("ms").token("IDLE").optional(),
        unix_time("unix-time-milliseconds").token("TIME").optional(),
        integer("count").token("RETRYCOUNT").optional(),
        token("force", "FORCE").optional(),
        token("justid", "JUSTID").optional(),
        string("lastid").token("LASTID").optional(),
    ]),
    Doc::new("xdel", "5.0.0", PER_ID, "Deletes entries of a stream.")
        .arguments(&[key("key", 0), string("id").multiple()]),
    Doc::new(
        "xgroup",
        "5.0.0",
        "That of the subcommand",
        "Manages groups and consumers.",
    )
    .subcommands(&[
        Doc::new(
            "create",
            "5.0.0",
            "O(1)",
            "Adds a group that reads what is behind an id.",
        )
        .history(ENTRIES_READ_SINCE_7)
        .arguments(&[
            key("key", 0),
            string("group"),
            one_of("id-selector", ID_OR_NEW),
            token("mkstream", "MKSTREAM").optional(),
            ENTRIES_READ,
        ]),
        Doc::new(
            "createconsumer",
            "6.2.0",
            "O(1)",
            "Adds a consumer to a group.",
        )
        .arguments(CONSUMER),
        Doc::new(
            "delconsumer",
            "5.0.0",
            "O(N), N: entries pending for the consumer",
            "Removes a consumer, with what it has not acknowledged.",
        )
        .arguments(CONSUMER),
        Doc::new(
            "destroy",
            "5.0.0",
            "O(N), N: entries pending in the group",
            "Removes a group.",
        )
        .arguments(GROUP),
        Doc::new("help", "5.0.0", "O(1)", "Explains the subcommands."),
        Doc::new(
            "setid",
            "5.0.0",
            "O(1)",
            "Has a group go on behind another id.",
        )
        .history(ENTRIES_READ_SINCE_7)
        .arguments(&[
            key("key", 0),
            string("group"),
            one_of("id-selector", ID_OR_NEW),
            ENTRIES_READ,
        ]),
    ]),
    Doc::new(
        "xinfo",
        "5.0.0",
        "That of the subcommand",
        "Tells about streams and groups.",
    )
    .subcommands(&[
        Doc::new(
            "consumers",
            "5.0.0",
            "O(N), N: consumers",
            "Tells about the consumers of a group.",
        )
        .history(&[(
            "7.2.0",
            "Has `inactive`; `idle` is the time since the last attempt.",
        )])
        .arguments(GROUP),
        Doc::new(
            "groups",
            "5.0.0",
            "O(N), N: groups",
            "Tells about the groups of a stream.",
        )
        .history(&[("7.0.0", "Has `entries-read` and `lag`.")])
        .arguments(&[key("key", 0)]),
        Doc::new("help", "5.0.0", "O(1)", "Explains the subcommands."),
        Doc::new("stream", "5.0.0", "O(1)", "Tells about a stream.")
            .history(&[
                ("6.0.0", "Takes `FULL`."),
                (
                    "7.0.0",
                    "Has `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, \
                     `entries-read` and `lag`.",
                ),
                (
                    "7.2.0",
                    "Has `active-time`; `seen-time` is that of the last attempt.",
                ),
            ])
            .arguments(&[
                key("key", 0),
                block("full-block", &[token("full", "FULL"), COUNT]).optional(),
            ]),
    ]),
    Doc::new("xlen", "5.0.0", "O(1)", "Counts the entries of a stream.")
        .arguments(&[key("key", 0)]),
    Doc::new(
        "xpending",
        "5.0.0",
        "O(N), N: entries returned, or looked at with `IDLE`",
        "Tells what a group's consumers were given and have not acknowledged.",
    )
    .history(&[("6.2.0", "Takes `IDLE` and ranges that exclude their ends.")])
    .arguments(&[
        key("key", 0),
        string("group"),
        block(
            "filters",
            &[
                integer("min-idle-time")
                    .token("IDLE")
                    .since("6.2.0")
                    .optional(),
                string("start"),
                string("end"),
                integer("count"),
                string("consumer").optional(),
            ],
        )
        .optional(),
    ]),
    Doc::new(
        "xrange",
        "5.0.0",
        PER_RETURNED,
        "Gives the entries between two ids.",
    )
    .history(EXCLUSIVE_SINCE_6_2)
    .arguments(&[key("key", 0), string("start"), string("end"), COUNT]),
    Doc::new(
        "xread",
        "5.0.0",
        "",
        "Gives the entries of several streams behind an id each, and may wait for some.",
    )
    .arguments(&[COUNT, BLOCK, STREAMS]),
    Doc::new(
        "xreadgroup",
        "5.0.0",
        PER_RETURNED,
        "Gives a consumer entries that none of its group was given, and may wait for some.",
    )
    .arguments(&[
        block("group-block", &[string("group"), string("consumer")]).token("GROUP"),
        COUNT,
        BLOCK,
        token("noack", "NOACK").optional(),
        STREAMS,
    ]),
    Doc::new(
        "xrevrange",
        "5.0.0",
        PER_RETURNED,
        "Gives the entries between two ids, the last one first.",
    )
    .history(EXCLUSIVE_SINCE_6_2)
    .arguments(&[key("key", 0), string("end"), string("start"), COUNT]),
    Doc::new(
        "xsetid",
        "5.0.0",
        "O(1)",
        "Sets a stream's last id: servers tell each other so.",
    )
    .history(&[("7.0.0", "Takes `entries_added` and `max_deleted_entry_id`.")])
    .arguments(&[
        key("key", 0),
        string("last-id"),
        integer("entries-added")
            .token("ENTRIESADDED")
            .since("7.0.0")
            .optional(),
        string("max-deleted-id")
            .token("MAXDELETEDID")
            .since("7.0.0")
            .optional(),
    ]),
    Doc::new(
        "xtrim",
        "5.0.0",
        PER_REMOVED,
        "Removes entries from the front of a stream.",
    )
    .history(&[("6.2.0", "Takes `MINID` and `LIMIT`.")])
    .arguments(&[key("key", 0), block("trim", TRIM)]),
];
