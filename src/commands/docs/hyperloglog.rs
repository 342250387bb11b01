//! HyperLogLogs.

use super::Doc;
use super::arg::{key, string};

pub const DOCS: &[Doc] = &[
    Doc::new(
        "pfadd",
        "2.8.9",
        "O(1) for each element",
        "Adds elements to a HyperLogLog, made if there is none.",
    )
    .arguments(&[key("key", 0), string("element").multiple().optional()]),
    Doc::new(
        "pfcount",
        "2.8.9",
        "O(1) for one key, which keeps what was counted; O(N) for N keys, with a large constant",
        "Tells about how many different elements HyperLogLogs have seen together.",
    )
    .arguments(&[key("key", 0).multiple()]),
    Doc::new(
        "pfdebug",
        "2.8.9",
        "N/A",
        "Shows what a HyperLogLog looks like inside.",
    )
    .internal()
    .arguments(&[string("subcommand"), key("key", 0)]),
    Doc::new(
        "pfmerge",
        "2.8.9",
        "O(N) for N keys, with a large constant",
        "Adds what other HyperLogLogs have seen to one.",
    )
    .arguments(&[key("destkey", 0), key("sourcekey", 1).multiple().optional()]),
    Doc::new(
        "pfselftest",
        "2.8.9",
        "N/A",
        "Checks that HyperLogLogs count right.",
    )
    .internal(),
];
