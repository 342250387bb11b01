//! Hashes.

use super::Doc;
use super::arg::{Arg, block, double, integer, key, one_of, pattern, string, token, unix_time};

const KEY: Arg = key("key", 0);
const PAIRS: Arg = block("data", &[string("field"), string("value")]).multiple();
const FIELDS: Arg = block(
    "fields",
    &[integer("numfields"), string("field").multiple()],
)
.token("FIELDS");
const CONDITION: Arg = one_of(
    "condition",
    &[
        token("nx", "NX"),
        token("xx", "XX"),
        token("gt", "GT"),
        token("lt", "LT"),
    ],
)
.optional();
const SECONDS: Arg = integer("seconds").token("EX");
const MILLISECONDS: Arg = integer("milliseconds").token("PX");
const UNIX_SECONDS: Arg = unix_time("unix-time-seconds").token("EXAT");
const UNIX_MILLISECONDS: Arg = unix_time("unix-time-milliseconds").token("PXAT");

/// What most commands on some fields take.
const BY_FIELD: &str = "O(N), N: fields named";
const BY_SIZE: &str = "O(N), N: fields of the hash";

pub const DOCS: &[Doc] = &[
    Doc::new(
        "hdel",
        "2.0.0",
        BY_FIELD,
        "Deletes fields, and with its last field the hash.",
    )
    .history(&[("2.4.0", "Several fields may be given.")])
    .arguments(&[KEY, string("field").multiple()]),
    Doc::new(
        "hexists",
        "2.0.0",
        "O(1)",
        "Tells whether a hash has a field.",
    )
    .arguments(&[KEY, string("field")]),
    Doc::new(
        "hexpire",
        "7.4.0",
        BY_FIELD,
        "Has fields end after a number of seconds.",
    )
    .arguments(&[KEY, integer("seconds"), CONDITION, FIELDS]),
    Doc::new(
        "hexpireat",
        "7.4.0",
        BY_FIELD,
        "Has fields end at a moment, in Unix seconds.",
    )
    .arguments(&[KEY, unix_time("unix-time-seconds"), CONDITION, FIELDS]),
    Doc::new(
        "hexpiretime",
        "7.4.0",
        BY_FIELD,
        "Tells when fields end, in Unix seconds.",
    )
    .arguments(&[KEY, FIELDS]),
    Doc::new("hget", "2.0.0", "O(1)", "Gives the value of a field.")
        .arguments(&[KEY, string("field")]),
    Doc::new(
        "hgetall",
        "2.0.0",
        BY_SIZE,
        "Gives all fields with their values.",
    )
    .arguments(&[KEY]),
    Doc::new(
        "hgetdel",
        "8.0.0",
        BY_FIELD,
        "Gives the values of fields and deletes them.",
    )
    .arguments(&[KEY, FIELDS]),
    Doc::new(
        "hgetex",
        "8.0.0",
        BY_FIELD,
        "Gives the values of fields and changes when these end.",
    )
    .arguments(&[
        KEY,
        one_of(
            "expiration",
            &[
                SECONDS,
                MILLISECONDS,
                UNIX_SECONDS,
                UNIX_MILLISECONDS,
                token("persist", "PERSIST"),
            ],
        )
        .optional(),
        FIELDS,
    ]),
    Doc::new(
        "hincrby",
        "2.0.0",
        "O(1)",
        "Adds an integer to a field, which begins at 0.",
    )
    .arguments(&[KEY, string("field"), integer("increment")]),
    Doc::new(
        "hincrbyfloat",
        "2.6.0",
        "O(1)",
        "Adds a number, fractions included, to a field, which begins at 0.",
    )
    .arguments(&[KEY, string("field"), double("increment")]),
    Doc::new("hkeys", "2.0.0", BY_SIZE, "Gives the names of all fields.").arguments(&[KEY]),
    Doc::new("hlen", "2.0.0", "O(1)", "Counts the fields of a hash.").arguments(&[KEY]),
    Doc::new(
        "hmget",
        "2.0.0",
        BY_FIELD,
        "Gives the values of some fields.",
    )
    .arguments(&[KEY, string("field").multiple()]),
    Doc::new("hmset", "2.0.0", BY_FIELD, "Sets some fields.")
        .deprecated("4.0.0", "`HSET` with several fields")
        .arguments(&[KEY, PAIRS]),
    Doc::new(
        "hpersist",
        "7.4.0",
        BY_FIELD,
        "Has fields not end any more.",
    )
    .arguments(&[KEY, FIELDS]),
    Doc::new(
        "hpexpire",
        "7.4.0",
        BY_FIELD,
        "Has fields end after a number of milliseconds.",
    )
    .arguments(&[KEY, integer("milliseconds"), CONDITION, FIELDS]),
    Doc::new(
        "hpexpireat",
        "7.4.0",
        BY_FIELD,
        "Has fields end at a moment, in Unix milliseconds.",
    )
    .arguments(&[KEY, unix_time("unix-time-milliseconds"), CONDITION, FIELDS]),
    Doc::new(
        "hpexpiretime",
        "7.4.0",
        BY_FIELD,
        "Tells when fields end, in Unix milliseconds.",
    )
    .arguments(&[KEY, FIELDS]),
    Doc::new(
        "hpttl",
        "7.4.0",
        BY_FIELD,
        "Tells in how many milliseconds fields end.",
    )
    .arguments(&[KEY, FIELDS]),
    Doc::new(
        "hrandfield",
        "6.2.0",
        "O(N), N: fields returned",
        "Gives a field at random, or some.",
    )
    .arguments(&[
        KEY,
        block(
            "options",
            &[
                integer("count"),
                token("withvalues", "WITHVALUES").optional(),
            ],
        )
        .optional(),
    ]),
    Doc::new(
        "hscan",
        "2.8.0",
        "O(1) a call, O(N) for all, N: fields of the hash",
        "Goes through the fields of a hash step by step.",
    )
    .arguments(&[
        KEY,
        integer("cursor"),
        pattern("pattern").token("MATCH").optional(),
        integer("count").token("COUNT").optional(),
        token("novalues", "NOVALUES").optional(),
    ]),
    Doc::new("hset", "2.0.0", BY_FIELD, "Sets fields.")
        .history(&[("4.0.0", "Several fields may be given.")])
        .arguments(&[KEY, PAIRS]),
    Doc::new(
        "hsetex",
        "8.0.0",
        BY_FIELD,
        "Sets fields and when they end.",
    )
    .arguments(&[
        KEY,
        one_of("key-condition", &[token("nx", "NX"), token("xx", "XX")])
            .since("9.0.0")
            .optional(),
        one_of("condition", &[token("fnx", "FNX"), token("fxx", "FXX")]).optional(),
        one_of(
            "expiration",
            &[
                SECONDS,
                MILLISECONDS,
                UNIX_SECONDS,
                UNIX_MILLISECONDS,
                token("keepttl", "KEEPTTL"),
            ],
        )
        .optional(),
        block("fields", &[integer("numfields"), PAIRS]).token("FIELDS"),
    ]),
    Doc::new(
        "hsetnx",
        "2.0.0",
        "O(1)",
        "Sets a field that there is not yet.",
    )
    .arguments(&[KEY, string("field"), string("value")]),
    Doc::new(
        "hstrlen",
        "3.2.0",
        "O(1)",
        "Tells how long the value of a field is.",
    )
    .arguments(&[KEY, string("field")]),
    Doc::new(
        "httl",
        "7.4.0",
        BY_FIELD,
        "Tells in how many seconds fields end.",
    )
    .arguments(&[KEY, FIELDS]),
    Doc::new("hvals", "2.0.0", BY_SIZE, "Gives the values of all fields.").arguments(&[KEY]),
];
