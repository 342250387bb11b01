//! Sets.

use super::Doc;
use super::arg::{integer, key, pattern, string};

pub const DOCS: &[Doc] = &[
    Doc::new(
        "sadd",
        "1.0.0",
        "O(1) for each member",
        "Adds members to a set, which begins empty if there is none.",
    )
    .history(&[("2.4.0", "Several members may be given.")])
    .arguments(&[key("key", 0), string("member").multiple()]),
    Doc::new(
        "scard",
        "1.0.0",
        "O(1)",
        "Gives the number of members of a set.",
    )
    .arguments(&[key("key", 0)]),
    Doc::new(
        "sdiff",
        "1.0.0",
        "O(N), N being the members of all the sets",
        "Gives the members of the first set that no other set has.",
    )
    .arguments(&[key("key", 0).multiple()]),
    Doc::new(
        "sdiffstore",
        "1.0.0",
        "O(N), N being the members of all the sets",
        "Stores the members of the first set that no other set has.",
    )
    .arguments(&[key("destination", 0), key("key", 1).multiple()]),
    Doc::new(
        "sinter",
        "1.0.0",
        "O(N*M) at worst, N being the members of the smallest set and M the number of sets",
        "Gives the members that all the sets have.",
    )
    .arguments(&[key("key", 0).multiple()]),
    Doc::new(
        "sintercard",
        "7.0.0",
        "O(N*M) at worst, N being the members of the smallest set and M the number of sets",
        "Counts the members that all the sets have, perhaps up to a limit.",
    )
    .arguments(&[
        integer("numkeys"),
        key("key", 0).multiple(),
        integer("limit").token("LIMIT").optional(),
    ]),
    Doc::new(
        "sinterstore",
        "1.0.0",
        "O(N*M) at worst, N being the members of the smallest set and M the number of sets",
        "Stores the members that all the sets have.",
    )
    .arguments(&[key("destination", 0), key("key", 1).multiple()]),
    Doc::new(
        "sismember",
        "1.0.0",
        "O(1)",
        "Tells whether a set has a member.",
    )
    .arguments(&[key("key", 0), string("member")]),
    Doc::new(
        "smembers",
        "1.0.0",
        "O(N), N being the members of the set",
        "Gives all members of a set.",
    )
    .arguments(&[key("key", 0)]),
    Doc::new(
        "smismember",
        "6.2.0",
        "O(1) for each member that is asked for",
        "Tells for each of several members whether a set has it.",
    )
    .arguments(&[key("key", 0), string("member").multiple()]),
    Doc::new(
        "smove",
        "1.0.0",
        "O(1)",
        "Takes a member out of one set and adds it to another.",
    )
    .arguments(&[key("source", 0), key("destination", 1), string("member")]),
    Doc::new(
        "spop",
        "1.0.0",
        "O(1), with a count O(N), N being the count",
        "Takes members drawn at random out of a set.",
    )
    .history(&[("3.2.0", "A count may be given.")])
    .arguments(&[key("key", 0), integer("count").since("3.2.0").optional()]),
    Doc::new(
        "srandmember",
        "1.0.0",
        "O(1), with a count O(N), N being the count without its sign",
        "Gives members of a set drawn at random.",
    )
    .history(&[("2.6.0", "A count may be given.")])
    .arguments(&[key("key", 0), integer("count").since("2.6.0").optional()]),
    Doc::new(
        "srem",
        "1.0.0",
        "O(1) for each member",
        "Takes members out of a set, and deletes its key with the last one.",
    )
    .history(&[("2.4.0", "Several members may be given.")])
    .arguments(&[key("key", 0), string("member").multiple()]),
    Doc::new(
        "sscan",
        "2.8.0",
        "O(1) for a call, O(N) for all of a set with N members",
        "Gives the members of a set in pieces.",
    )
    .arguments(&[
        key("key", 0),
        integer("cursor"),
        pattern("pattern").token("MATCH").optional(),
        integer("count").token("COUNT").optional(),
    ]),
    Doc::new(
        "sunion",
        "1.0.0",
        "O(N), N being the members of all the sets",
        "Gives the members that any of the sets has.",
    )
    .arguments(&[key("key", 0).multiple()]),
    Doc::new(
        "sunionstore",
        "1.0.0",
        "O(N), N being the members of all the sets",
        "Stores the members that any of the sets has.",
    )
    .arguments(&[key("destination", 0), key("key", 1).multiple()]),
];
