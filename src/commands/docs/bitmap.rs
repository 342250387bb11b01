//! Bitmaps.

use super::Doc;
use super::arg::{Arg, block, integer, key, one_of, string, token};

const UNIT: Arg = one_of("unit", &[token("byte", "BYTE"), token("bit", "BIT")])
    .since("7.0.0")
    .optional();

/// Bytes or bits from a place to another, or to the end.
const RANGE: Arg = block(
    "range",
    &[
        integer("start"),
        block("end-unit-block", &[integer("end"), UNIT]).optional(),
    ],
)
.optional();

const IN_BITS: (&str, &str) = ("7.0.0", "Ranges may be given in bits (`BIT`).");

pub const DOCS: &[Doc] = &[
    Doc::new(
        "bitcount",
        "2.6.0",
        "O(N)",
        "Counts the bits of a string that are 1.",
    )
    .history(&[IN_BITS, ("8.0.0", "A range may do without its end.")])
    .arguments(&[key("key", 0), RANGE]),
    Doc::new(
        "bitfield",
        "3.2.0",
        "O(1) for each number",
        "Reads, sets and counts with whole numbers of any width in a string.",
    )
    .arguments(&[
        key("key", 0),
        one_of(
            "operation",
            &[
                GET_BLOCK,
                block(
                    "write",
                    &[
                        one_of(
                            "overflow-block",
                            &[
                                token("wrap", "WRAP"),
                                token("sat", "SAT"),
                                token("fail", "FAIL"),
                            ],
                        )
                        .token("OVERFLOW")
                        .optional(),
                        one_of(
                            "write-operation",
                            &[
                                block(
                                    "set-block",
                                    &[string("encoding"), integer("offset"), integer("value")],
                                )
                                .token("SET"),
                                block(
                                    "incrby-block",
                                    &[string("encoding"), integer("offset"), integer("increment")],
                                )
                                .token("INCRBY"),
                            ],
                        ),
                    ],
                ),
            ],
        )
        .multiple()
        .optional(),
    ]),
    Doc::new(
        "bitfield_ro",
        "6.0.0",
        "O(1) for each number",
        "Reads whole numbers of any width in a string.",
    )
    .arguments(&[
        key("key", 0),
        GET_BLOCK.multiple().multiple_token().optional(),
    ]),
    Doc::new(
        "bitop",
        "2.6.0",
        "O(N)",
        "Combines strings bit by bit and keeps the result.",
    )
    .arguments(&[
        one_of(
            "operation",
            &[
                token("and", "AND"),
                token("or", "OR"),
                token("xor", "XOR"),
                token("not", "NOT"),
            ],
        ),
        key("destkey", 0),
        key("key", 1).multiple(),
    ]),
    Doc::new(
        "bitpos",
        "2.8.7",
        "O(N)",
        "Finds the first bit of a string that is 1, or 0.",
    )
    .history(&[IN_BITS])
    .arguments(&[key("key", 0), integer("bit"), RANGE]),
    Doc::new("getbit", "2.2.0", "O(1)", "Gives one bit of a string.")
        .arguments(&[key("key", 0), integer("offset")]),
    Doc::new(
        "setbit",
        "2.2.0",
        "O(1)",
        "Sets one bit of a string, which becomes as long as it takes, and gives the old one.",
    )
    .arguments(&[key("key", 0), integer("offset"), integer("value")]),
];

const GET_BLOCK: Arg = block("get-block", &[string("encoding"), integer("offset")]).token("GET");
