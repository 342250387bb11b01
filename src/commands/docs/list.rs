//! Lists.

use super::Doc;
use super::arg::{Arg, double, integer, key, one_of, string, token};

const LEFT_OR_RIGHT: &[Arg] = &[token("left", "LEFT"), token("right", "RIGHT")];
const BEFORE_OR_AFTER: &[Arg] = &[token("before", "BEFORE"), token("after", "AFTER")];
const FRACTIONAL_TIMEOUT: &[(&str, &str)] =
    &[("6.0.0", "The timeout may have a fraction of seconds.")];
const SEVERAL_SINCE_2_4: &[(&str, &str)] = &[("2.4.0", "Takes several elements.")];
const SEVERAL_SINCE_4_0: &[(&str, &str)] = &[("4.0.0", "Takes several elements.")];
const COUNT_SINCE_6_2: &[(&str, &str)] = &[("6.2.0", "Takes a count.")];

const PUSHED: &[Arg] = &[key("key", 0), string("element").multiple()];
const POPPED: &[Arg] = &[key("key", 0), integer("count").since("6.2.0").optional()];

const PER_ELEMENT: &str = "O(N), N: elements added";
const PER_POPPED: &str = "O(N), N: elements returned";
const PER_KEY: &str = "O(N), N: keys";
const PER_KEY_AND_POPPED: &str = "O(N+M), N: keys, M: elements returned";

pub const DOCS: &[Doc] = &[
    Doc::new(
        "blmove",
        "6.2.0",
        "O(1)",
        "Moves an element from an end of one list to an end of another, and waits for one.",
    )
    .arguments(&[
        key("source", 0),
        key("destination", 1),
        one_of("wherefrom", LEFT_OR_RIGHT),
        one_of("whereto", LEFT_OR_RIGHT),
        double("timeout"),
    ]),
    Doc::new(
        "blmpop",
        "7.0.0",
        PER_KEY_AND_POPPED,
        "Takes elements from the first list that has any, and waits for one that has.",
    )
    .arguments(&[
        double("timeout"),
        integer("numkeys"),
        key("key", 0).multiple(),
        one_of("where", LEFT_OR_RIGHT),
        integer("count").token("COUNT").optional(),
    ]),
    Doc::new(
        "blpop",
        "2.0.0",
        PER_KEY,
        "Takes the first element of the first list that has any, and waits for one that has.",
    )
    .history(FRACTIONAL_TIMEOUT)
    .arguments(&[key("key", 0).multiple(), double("timeout")]),
    Doc::new(
        "brpop",
        "2.0.0",
        PER_KEY,
        "Takes the last element of the first list that has any, and waits for one that has.",
    )
    .history(FRACTIONAL_TIMEOUT)
    .arguments(&[key("key", 0).multiple(), double("timeout")]),
    Doc::new(
        "brpoplpush",
        "2.2.0",
        "O(1)",
        "Moves the last element of a list to the front of another, and waits for one.",
    )
    .deprecated("6.2.0", "`BLMOVE` with `RIGHT` and `LEFT`")
    .history(FRACTIONAL_TIMEOUT)
    .arguments(&[key("source", 0), key("destination", 1), double("timeout")]),
    Doc::new(
        "lindex",
        "1.0.0",
        "O(N), N: elements between it and the nearer end",
        "Gives the element at a position of a list.",
    )
    .arguments(&[key("key", 0), integer("index")]),
    Doc::new(
        "linsert",
        "2.2.0",
        "O(N), N: elements in front of the pivot",
        "Puts an element before or after another one.",
    )
    .arguments(&[
        key("key", 0),
        one_of("where", BEFORE_OR_AFTER),
        string("pivot"),
        string("element"),
    ]),
    Doc::new("llen", "1.0.0", "O(1)", "Counts the elements of a list.").arguments(&[key("key", 0)]),
    Doc::new(
        "lmove",
        "6.2.0",
        "O(1)",
        "Moves an element from an end of one list to an end of another.",
    )
    .arguments(&[
        key("source", 0),
        key("destination", 1),
        one_of("wherefrom", LEFT_OR_RIGHT),
        one_of("whereto", LEFT_OR_RIGHT),
    ]),
    Doc::new(
        "lmpop",
        "7.0.0",
        PER_KEY_AND_POPPED,
        "Takes elements from the first list that has any.",
    )
    .arguments(&[
        integer("numkeys"),
        key("key", 0).multiple(),
        one_of("where", LEFT_OR_RIGHT),
        integer("count").token("COUNT").optional(),
    ]),
    Doc::new(
        "lpop",
        "1.0.0",
        PER_POPPED,
        "Takes elements from the front of a list.",
    )
    .history(COUNT_SINCE_6_2)
    .arguments(POPPED),
    Doc::new(
        "lpos",
        "6.0.6",
        "O(N), N: elements looked at",
        "Tells where in a list an element stands.",
    )
    .arguments(&[
        key("key", 0),
        string("element"),
        integer("rank").token("RANK").optional(),
        integer("num-matches").token("COUNT").optional(),
        integer("len").token("MAXLEN").optional(),
    ]),
    Doc::new(
        "lpush",
        "1.0.0",
        PER_ELEMENT,
        "Adds elements to the front of a list, which begins empty if there is none.",
    )
    .history(SEVERAL_SINCE_2_4)
    .arguments(PUSHED),
    Doc::new(
        "lpushx",
        "2.2.0",
        PER_ELEMENT,
        "Adds elements to the front of a list that is there already.",
    )
    .history(SEVERAL_SINCE_4_0)
    .arguments(PUSHED),
    Doc::new(
        "lrange",
        "1.0.0",
        "O(S+N), S: elements between the nearer end and the range, N: elements in it",
        "Gives the elements between two positions of a list.",
    )
    .arguments(&[key("key", 0), integer("start"), integer("stop")]),
    Doc::new(
        "lrem",
        "1.0.0",
        "O(N+M), N: elements of the list, M: elements removed",
        "Removes elements that have a value, from the front or from the back on.",
    )
    .arguments(&[key("key", 0), integer("count"), string("element")]),
    Doc::new(
        "lset",
        "1.0.0",
        "O(N), N: elements between it and the nearer end",
        "Puts another element at a position of a list.",
    )
    .arguments(&[key("key", 0), integer("index"), string("element")]),
    Doc::new(
        "ltrim",
        "1.0.0",
        "O(N), N: elements removed",
        "Removes everything from a list that is not between two positions.",
    )
    .arguments(&[key("key", 0), integer("start"), integer("stop")]),
    Doc::new(
        "rpop",
        "1.0.0",
        PER_POPPED,
        "Takes elements from the back of a list.",
    )
    .history(COUNT_SINCE_6_2)
    .arguments(POPPED),
    Doc::new(
        "rpoplpush",
        "1.2.0",
        "O(1)",
        "Moves the last element of a list to the front of another.",
    )
    .deprecated("6.2.0", "`LMOVE` with `RIGHT` and `LEFT`")
    .arguments(&[key("source", 0), key("destination", 1)]),
    Doc::new(
        "rpush",
        "1.0.0",
        PER_ELEMENT,
        "Adds elements to the back of a list, which begins empty if there is none.",
    )
    .history(SEVERAL_SINCE_2_4)
    .arguments(PUSHED),
    Doc::new(
        "rpushx",
        "2.2.0",
        PER_ELEMENT,
        "Adds elements to the back of a list that is there already.",
    )
    .history(SEVERAL_SINCE_4_0)
    .arguments(PUSHED),
];
