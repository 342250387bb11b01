//! Sorted sets.

use super::Doc;
use super::arg::{Arg, block, double, integer, key, one_of, pattern, string, token};

const AGGREGATES: &[Arg] = &[
    token("sum", "SUM"),
    token("min", "MIN"),
    token("max", "MAX"),
];
const ENDS: &[Arg] = &[token("min", "MIN"), token("max", "MAX")];
const ORDERS: &[Arg] = &[token("byscore", "BYSCORE"), token("bylex", "BYLEX")];
const OFFSET_AND_COUNT: &[Arg] = &[integer("offset"), integer("count")];

pub const DOCS: &[Doc] = &[
    Doc::new(
        "bzmpop",
        "7.0.0",
        "O(K)+O(M*log(N)), K: keys, N: members of the set, M: returned",
        "Takes members at an end of the first sorted set there is, and waits for one.",
    )
    .arguments(&[
        double("timeout"),
        integer("numkeys"),
        key("key", 0).multiple(),
        one_of("where", ENDS),
        integer("count").token("COUNT").optional(),
    ]),
    Doc::new(
        "bzpopmax",
        "5.0.0",
        "O(log(N)), N: members of the set",
        "Takes the highest member of the first sorted set there is, and waits for one.",
    )
    .history(&[("6.0.0", "The timeout may have a fraction of seconds.")])
    .arguments(&[key("key", 0).multiple(), double("timeout")]),
    Doc::new(
        "bzpopmin",
        "5.0.0",
        "O(log(N)), N: members of the set",
        "Takes the lowest member of the first sorted set there is, and waits for one.",
    )
    .history(&[("6.0.0", "The timeout may have a fraction of seconds.")])
    .arguments(&[key("key", 0).multiple(), double("timeout")]),
    Doc::new(
        "zadd",
        "1.2.0",
        "O(log(N)) for each member, N: members of the set",
        "Adds members with scores, or gives those that are there other scores.",
    )
    .history(&[
        ("2.4.0", "Takes several members."),
        ("3.0.2", "`XX`, `NX`, `CH` and `INCR`."),
        ("6.2.0", "`GT` and `LT`."),
    ])
    .arguments(&[
        key("key", 0),
        one_of("condition", &[token("nx", "NX"), token("xx", "XX")])
            .since("3.0.2")
            .optional(),
        one_of("comparison", &[token("gt", "GT"), token("lt", "LT")])
            .since("6.2.0")
            .optional(),
        token("change", "CH").since("3.0.2").optional(),
        token("increment", "INCR").since("3.0.2").optional(),
        block("data", &[double("score"), string("member")]).multiple(),
    ]),
    Doc::new("zcard", "1.2.0", "O(1)", "Counts the members.").arguments(&[key("key", 0)]),
    Doc::new(
        "zcount",
        "2.0.0",
        "O(log(N)), N: members of the set",
        "Counts the members between two scores.",
    )
    .arguments(&[key("key", 0), double("min"), double("max")]),
    Doc::new(
        "zdiff",
        "6.2.0",
        "O(N*K)+O(M*log(M)), N: members of the first set, K: keys, M: of the result",
        "Gives the members of the first sorted set that no other one has.",
    )
    .arguments(&[
        integer("numkeys"),
        key("key", 0).multiple(),
        token("withscores", "WITHSCORES").optional(),
    ]),
    Doc::new(
        "zdiffstore",
        "6.2.0",
        "O(N*K)+O(M*log(M)), N: members of the first set, K: keys, M: of the result",
        "Stores the members of the first sorted set that no other one has.",
    )
    .arguments(&[
        key("destination", 0),
        integer("numkeys"),
        key("key", 1).multiple(),
    ]),
    Doc::new(
        "zincrby",
        "1.2.0",
        "O(log(N)), N: members of the set",
        "Adds a number to the score of a member, which begins at 0.",
    )
    .arguments(&[key("key", 0), integer("increment"), string("member")]),
    Doc::new(
        "zinter",
        "6.2.0",
        "O(N*K)+O(M*log(M)), N: members of the smallest set, K: keys, M: of the result",
        "Gives the members that all of the sorted sets have.",
    )
    .arguments(&[
        integer("numkeys"),
        key("key", 0).multiple(),
        integer("weight").token("WEIGHTS").optional().multiple(),
        one_of("aggregate", AGGREGATES)
            .token("AGGREGATE")
            .optional(),
        token("withscores", "WITHSCORES").optional(),
    ]),
    Doc::new(
        "zintercard",
        "7.0.0",
        "O(N*K), N: members of the smallest set, K: keys",
        "Counts the members that all of the sorted sets have.",
    )
    .arguments(&[
        integer("numkeys"),
        key("key", 0).multiple(),
        integer("limit").token("LIMIT").optional(),
    ]),
    Doc::new(
        "zinterstore",
        "2.0.0",
        "O(N*K)+O(M*log(M)), N: members of the smallest set, K: keys, M: of the result",
        "Stores the members that all of the sorted sets have.",
    )
    .arguments(&[
        key("destination", 0),
        integer("numkeys"),
        key("key", 1).multiple(),
        integer("weight").token("WEIGHTS").optional().multiple(),
        one_of("aggregate", AGGREGATES)
            .token("AGGREGATE")
            .optional(),
    ]),
    Doc::new(
        "zlexcount",
        "2.8.9",
        "O(log(N)), N: members of the set",
        "Counts the members between two others, where all scores are the same.",
    )
    .arguments(&[key("key", 0), string("min"), string("max")]),
    Doc::new(
        "zmpop",
        "7.0.0",
        "O(K)+O(M*log(N)), K: keys, N: members of the set, M: returned",
        "Takes members at an end of the first sorted set there is.",
    )
    .arguments(&[
        integer("numkeys"),
        key("key", 0).multiple(),
        one_of("where", ENDS),
        integer("count").token("COUNT").optional(),
    ]),
    Doc::new(
        "zmscore",
        "6.2.0",
        "O(N), N: members named",
        "Gives the scores of several members.",
    )
    .arguments(&[key("key", 0), string("member").multiple()]),
    Doc::new(
        "zpopmax",
        "5.0.0",
        "O(log(N)*M), N: members of the set, M: members returned",
        "Takes the members with the highest scores.",
    )
    .arguments(&[key("key", 0), integer("count").optional()]),
    Doc::new(
        "zpopmin",
        "5.0.0",
        "O(log(N)*M), N: members of the set, M: members returned",
        "Takes the members with the lowest scores.",
    )
    .arguments(&[key("key", 0), integer("count").optional()]),
    Doc::new(
        "zrandmember",
        "6.2.0",
        "O(M*log(N)), M: members returned, N: members of the set",
        "Gives members drawn at random.",
    )
    .arguments(&[
        key("key", 0),
        block(
            "options",
            &[
                integer("count"),
                token("withscores", "WITHSCORES").optional(),
            ],
        )
        .optional(),
    ]),
    Doc::new(
        "zrange",
        "1.2.0",
        "O(log(N)+M), N: members of the set, M: members returned",
        "Gives the members between two ranks, scores or members.",
    )
    .history(&[("6.2.0", "`REV`, `BYSCORE`, `BYLEX` and `LIMIT`.")])
    .arguments(&[
        key("key", 0),
        string("start"),
        string("stop"),
        one_of("sortby", ORDERS).since("6.2.0").optional(),
        token("rev", "REV").since("6.2.0").optional(),
        block("limit", OFFSET_AND_COUNT)
            .token("LIMIT")
            .since("6.2.0")
            .optional(),
        token("withscores", "WITHSCORES").optional(),
    ]),
    Doc::new(
        "zrangebylex",
        "2.8.9",
        "O(log(N)+M), N: members of the set, M: members returned",
        "Gives the members between two others, where all scores are the same.",
    )
    .deprecated("6.2.0", "`ZRANGE` with `BYLEX`")
    .arguments(&[
        key("key", 0),
        string("min"),
        string("max"),
        block("limit", OFFSET_AND_COUNT).token("LIMIT").optional(),
    ]),
    Doc::new(
        "zrangebyscore",
        "1.0.5",
        "O(log(N)+M), N: members of the set, M: members returned",
        "Gives the members between two scores.",
    )
    .deprecated("6.2.0", "`ZRANGE` with `BYSCORE`")
    .history(&[("2.0.0", "`WITHSCORES`.")])
    .arguments(&[
        key("key", 0),
        double("min"),
        double("max"),
        token("withscores", "WITHSCORES").since("2.0.0").optional(),
        block("limit", OFFSET_AND_COUNT).token("LIMIT").optional(),
    ]),
    Doc::new(
        "zrangestore",
        "6.2.0",
        "O(log(N)+M), N: members of the set, M: members stored",
        "Stores the members between two ranks, scores or members under another key.",
    )
    .arguments(&[
        key("dst", 0),
        key("src", 1),
        string("min"),
        string("max"),
        one_of("sortby", ORDERS).optional(),
        token("rev", "REV").optional(),
        block("limit", OFFSET_AND_COUNT).token("LIMIT").optional(),
    ]),
    Doc::new(
        "zrank",
        "2.0.0",
        "O(log(N)), N: members of the set",
        "Tells how many members come before one.",
    )
    .history(&[("7.2.0", "`WITHSCORE`.")])
    .arguments(&[
        key("key", 0),
        string("member"),
        token("withscore", "WITHSCORE").optional(),
    ]),
    Doc::new(
        "zrem",
        "1.2.0",
        "O(M*log(N)), M: members named, N: members of the set",
        "Removes members.",
    )
    .history(&[("2.4.0", "Takes several members.")])
    .arguments(&[key("key", 0), string("member").multiple()]),
    Doc::new(
        "zremrangebylex",
        "2.8.9",
        "O(log(N)+M), N: members of the set, M: members removed",
        "Removes the members between two others, where all scores are the same.",
    )
    .arguments(&[key("key", 0), string("min"), string("max")]),
    Doc::new(
        "zremrangebyrank",
        "2.0.0",
        "O(log(N)+M), N: members of the set, M: members removed",
        "Removes the members between two ranks.",
    )
    .arguments(&[key("key", 0), integer("start"), integer("stop")]),
    Doc::new(
        "zremrangebyscore",
        "1.2.0",
        "O(log(N)+M), N: members of the set, M: members removed",
        "Removes the members between two scores.",
    )
    .arguments(&[key("key", 0), double("min"), double("max")]),
    Doc::new(
        "zrevrange",
        "1.2.0",
        "O(log(N)+M), N: members of the set, M: members returned",
        "Gives the members between two ranks, the highest first.",
    )
    .deprecated("6.2.0", "`ZRANGE` with `REV`")
    .arguments(&[
        key("key", 0),
        integer("start"),
        integer("stop"),
        token("withscores", "WITHSCORES").optional(),
    ]),
    Doc::new(
        "zrevrangebylex",
        "2.8.9",
        "O(log(N)+M), N: members of the set, M: members returned",
        "Gives the members between two others of the same score, the last first.",
    )
    .deprecated("6.2.0", "`ZRANGE` with `REV` and `BYLEX`")
    .arguments(&[
        key("key", 0),
        string("max"),
        string("min"),
        block("limit", OFFSET_AND_COUNT).token("LIMIT").optional(),
    ]),
    Doc::new(
        "zrevrangebyscore",
        "2.2.0",
        "O(log(N)+M), N: members of the set, M: members returned",
        "Gives the members between two scores, the highest first.",
    )
    .deprecated("6.2.0", "`ZRANGE` with `REV` and `BYSCORE`")
    .history(&[("2.1.6", "The ends can be excluded.")])
    .arguments(&[
        key("key", 0),
        double("max"),
        double("min"),
        token("withscores", "WITHSCORES").optional(),
        block("limit", OFFSET_AND_COUNT).token("LIMIT").optional(),
    ]),
    Doc::new(
        "zrevrank",
        "2.0.0",
        "O(log(N)), N: members of the set",
        "Tells how many members come behind one.",
    )
    .history(&[("7.2.0", "`WITHSCORE`.")])
    .arguments(&[
        key("key", 0),
        string("member"),
        token("withscore", "WITHSCORE").optional(),
    ]),
    Doc::new(
        "zscan",
        "2.8.0",
        "O(1) a call, O(N) a whole pass, N: members of the set",
        "Visits the members, some with each call.",
    )
    .history(&[("8.0.0", "`NOSCORES` (of Valkey).")])
    .arguments(&[
        key("key", 0),
        integer("cursor"),
        pattern("pattern").token("MATCH").optional(),
        integer("count").token("COUNT").optional(),
        token("noscores", "NOSCORES").optional(),
    ]),
    Doc::new("zscore", "1.2.0", "O(1)", "Gives the score of a member.")
        .arguments(&[key("key", 0), string("member")]),
    Doc::new(
        "zunion",
        "6.2.0",
        "O(N)+O(M*log(M)), N: members of all sets, M: members of the result",
        "Gives the members that any of the sorted sets has.",
    )
    .arguments(&[
        integer("numkeys"),
        key("key", 0).multiple(),
        integer("weight").token("WEIGHTS").optional().multiple(),
        one_of("aggregate", AGGREGATES)
            .token("AGGREGATE")
            .optional(),
        token("withscores", "WITHSCORES").optional(),
    ]),
    Doc::new(
        "zunionstore",
        "2.0.0",
        "O(N)+O(M*log(M)), N: members of all sets, M: members of the result",
        "Stores the members that any of the sorted sets has.",
    )
    .arguments(&[
        key("destination", 0),
        integer("numkeys"),
        key("key", 1).multiple(),
        integer("weight").token("WEIGHTS").optional().multiple(),
        one_of("aggregate", AGGREGATES)
            .token("AGGREGATE")
            .optional(),
    ]),
];
