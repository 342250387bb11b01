//! Strings.

use super::Doc;
use super::arg::{block, double, integer, key, one_of, string, token, unix_time};

pub const DOCS: &[Doc] = &[
    Doc::new(
        "append",
        "2.0.0",
        "O(1) amortized, O(N) when a value of N bytes has to move",
        "Adds bytes to the end of a string, which begins empty if there is none.",
    )
    .arguments(&[key("key", 0), string("value")]),
    Doc::new(
        "decr",
        "1.0.0",
        "O(1)",
        "Takes one from a counter, which begins at 0.",
    )
    .arguments(&[key("key", 0)]),
    Doc::new(
        "decrby",
        "1.0.0",
        "O(1)",
        "Takes a number from a counter, which begins at 0.",
    )
    .arguments(&[key("key", 0), integer("decrement")]),
    Doc::new(
        "delifeq",
        "9.0.0",
        "O(1)",
        "Deletes a key if it holds just this string.",
    )
    .arguments(&[key("key", 0), string("value")]),
    Doc::new("get", "1.0.0", "O(1)", "Gives the string that a key holds.")
        .arguments(&[key("key", 0)]),
    Doc::new(
        "getdel",
        "6.2.0",
        "O(1)",
        "Gives a string and deletes its key.",
    )
    .arguments(&[key("key", 0)]),
    Doc::new(
        "getex",
        "6.2.0",
        "O(1)",
        "Gives a string and changes when its key expires.",
    )
    .arguments(&[
        key("key", 0),
        one_of(
            "expiration",
            &[
                integer("seconds").token("EX"),
                integer("milliseconds").token("PX"),
                unix_time("unix-time-seconds").token("EXAT"),
                unix_time("unix-time-milliseconds").token("PXAT"),
                token("persist", "PERSIST"),
            ],
        )
        .optional(),
    ]),
    Doc::new(
        "getrange",
        "2.4.0",
        "O(N), N: bytes returned",
        "Gives the bytes of a string between two positions.",
    )
    .arguments(&[key("key", 0), integer("start"), integer("end")]),
    Doc::new(
        "getset",
        "1.0.0",
        "O(1)",
        "Sets a string and gives the one it replaces.",
    )
    .deprecated("6.2.0", "`SET` with `GET`")
    .arguments(&[key("key", 0), string("value")]),
    Doc::new(
        "incr",
        "1.0.0",
        "O(1)",
        "Adds one to a counter, which begins at 0.",
    )
    .arguments(&[key("key", 0)]),
    Doc::new(
        "incrby",
        "1.0.0",
        "O(1)",
        "Adds a number to a counter, which begins at 0.",
    )
    .arguments(&[key("key", 0), integer("increment")]),
    Doc::new(
        "incrbyfloat",
        "2.6.0",
        "O(1)",
        "Adds a decimal fraction to a number, which begins at 0.",
    )
    .arguments(&[key("key", 0), double("increment")]),
    Doc::new(
        "lcs",
        "7.0.0",
        "O(N*M), N and M: lengths of the strings",
        "Finds the longest sequence of bytes that two strings have in common.",
    )
    .arguments(&[
        key("key1", 0),
        key("key2", 0),
        token("len", "LEN").optional(),
        token("idx", "IDX").optional(),
        integer("min-match-len").token("MINMATCHLEN").optional(),
        token("withmatchlen", "WITHMATCHLEN").optional(),
    ]),
    Doc::new(
        "mget",
        "1.0.0",
        "O(N), N: keys",
        "Gives the strings of several keys, read at one moment.",
    )
    .arguments(&[key("key", 0).multiple()]),
    Doc::new(
        "mset",
        "1.0.1",
        "O(N), N: keys",
        "Sets the strings of several keys as one change.",
    )
    .arguments(&[block("data", &[key("key", 0), string("value")]).multiple()]),
    Doc::new(
        "msetex",
        "9.1.0",
        "O(N), N: keys",
        "Sets strings together, on a condition and with an expiry for all of them.",
    )
    .arguments(&[
        integer("numkeys"),
        block("data", &[key("key", 0), string("value")]).multiple(),
        one_of("condition", &[token("nx", "NX"), token("xx", "XX")]).optional(),
        one_of(
            "expiration",
            &[
                integer("seconds").token("EX"),
                integer("milliseconds").token("PX"),
                unix_time("unix-time-seconds").token("EXAT"),
                unix_time("unix-time-milliseconds").token("PXAT"),
                token("keepttl", "KEEPTTL"),
            ],
        )
        .optional(),
    ]),
    Doc::new(
        "msetnx",
        "1.0.1",
        "O(N), N: keys",
        "Sets several keys as one change, unless one of them exists.",
    )
    .arguments(&[block("data", &[key("key", 0), string("value")]).multiple()]),
    Doc::new(
        "psetex",
        "2.6.0",
        "O(1)",
        "Sets a string that lives for some milliseconds.",
    )
    .deprecated("2.6.12", "`SET` with `PX`")
    .arguments(&[key("key", 0), integer("milliseconds"), string("value")]),
    Doc::new(
        "set",
        "1.0.0",
        "O(1)",
        "Sets a key to a string, whatever it held before.",
    )
    .history(&[
        ("2.6.12", "`EX`, `PX`, `NX`, `XX`."),
        ("6.0.0", "`KEEPTTL`."),
        ("6.2.0", "`GET`, `EXAT`, `PXAT`."),
        ("7.0.0", "`NX` together with `GET`."),
        ("8.1.0", "`IFEQ` (of Valkey)."),
    ])
    .arguments(&[
        key("key", 0),
        string("value"),
        one_of(
            "condition",
            &[
                token("nx", "NX"),
                token("xx", "XX"),
                string("comparison-value").token("IFEQ").since("8.1.0"),
            ],
        )
        .since("2.6.12")
        .optional(),
        token("get", "GET").since("6.2.0").optional(),
        one_of(
            "expiration",
            &[
                integer("seconds").token("EX").since("2.6.12"),
                integer("milliseconds").token("PX").since("2.6.12"),
                unix_time("unix-time-seconds").token("EXAT").since("6.2.0"),
                unix_time("unix-time-milliseconds")
                    .token("PXAT")
                    .since("6.2.0"),
                token("keepttl", "KEEPTTL").since("6.0.0"),
            ],
        )
        .optional(),
    ]),
    Doc::new(
        "setex",
        "2.0.0",
        "O(1)",
        "Sets a string that lives for some seconds.",
    )
    .deprecated("2.6.12", "`SET` with `EX`")
    .arguments(&[key("key", 0), integer("seconds"), string("value")]),
    Doc::new(
        "setnx",
        "1.0.0",
        "O(1)",
        "Sets a string unless its key exists.",
    )
    .deprecated("2.6.12", "`SET` with `NX`")
    .arguments(&[key("key", 0), string("value")]),
    Doc::new(
        "setrange",
        "2.2.0",
        "O(N), N: bytes written and bytes the value grows by",
        "Writes over a part of a string, padding it with zero bytes up to there.",
    )
    .arguments(&[key("key", 0), integer("offset"), string("value")]),
    Doc::new("strlen", "2.2.0", "O(1)", "Counts the bytes of a string.")
        .arguments(&[key("key", 0)]),
    Doc::new(
        "substr",
        "1.0.0",
        "O(N), N: bytes returned",
        "Old name of GETRANGE.",
    )
    .deprecated("2.0.0", "`GETRANGE`")
    .arguments(&[key("key", 0), integer("start"), integer("end")]),
];
