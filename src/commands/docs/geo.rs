//! Places on earth.

use super::Doc;
use super::arg::{Arg, block, double, integer, key, one_of, string, token};

const UNITS: &[Arg] = &[
    token("m", "M"),
    token("km", "KM"),
    token("ft", "FT"),
    token("mi", "MI"),
];
const ORDERS: &[Arg] = &[token("asc", "ASC"), token("desc", "DESC")];
const COUNTS: &[Arg] = &[
    integer("count").token("COUNT"),
    token("any", "ANY").optional(),
];
const CENTERS: &[Arg] = &[
    string("member").token("FROMMEMBER"),
    block("fromlonlat", &[double("longitude"), double("latitude")]).token("FROMLONLAT"),
];
const SHAPES: &[Arg] = &[
    block(
        "circle",
        &[double("radius").token("BYRADIUS"), one_of("unit", UNITS)],
    ),
    block(
        "box",
        &[
            double("width").token("BYBOX"),
            double("height"),
            one_of("unit", UNITS),
        ],
    ),
    block(
        "polygon",
        &[
            integer("num-vertices").token("BYPOLYGON"),
            block("vertices", &[double("longitude"), double("latitude")]).multiple(),
        ],
    )
    .since("9.0.0"),
];
const STORES: &[Arg] = &[
    key("storekey", 1).shown("key").token("STORE"),
    key("storedistkey", 2).shown("key").token("STOREDIST"),
];

pub const DOCS: &[Doc] = &[
    Doc::new(
        "geoadd",
        "3.2.0",
        "O(log(N)) for each member, N: members of the set",
        "Adds members with their places on earth, or moves them.",
    )
    .history(&[("6.2.0", "`CH`, `NX` and `XX`.")])
    .arguments(&[
        key("key", 0),
        one_of("condition", &[token("nx", "NX"), token("xx", "XX")])
            .since("6.2.0")
            .optional(),
        token("change", "CH").since("6.2.0").optional(),
        block(
            "data",
            &[double("longitude"), double("latitude"), string("member")],
        )
        .multiple(),
    ]),
    Doc::new(
        "geodist",
        "3.2.0",
        "O(1)",
        "Tells how far two members are from each other.",
    )
    .arguments(&[
        key("key", 0),
        string("member1"),
        string("member2"),
        one_of("unit", UNITS).optional(),
    ]),
    Doc::new(
        "geohash",
        "3.2.0",
        "O(N), N: members named",
        "Gives the places of members as the letters that maps use.",
    )
    .arguments(&[key("key", 0), string("member").optional().multiple()]),
    Doc::new(
        "geopos",
        "3.2.0",
        "O(N), N: members named",
        "Gives longitude and latitude of members.",
    )
    .arguments(&[key("key", 0), string("member").optional().multiple()]),
    Doc::new(
        "georadius",
        "3.2.0",
        "O(N+M*log(M)), N: members around the circle, M: members in it",
        "Finds or stores the members within a distance of a place.",
    )
    .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS`")
    .history(&[
        ("6.2.0", "`COUNT` with `ANY`."),
        ("7.0.0", "Units in upper case."),
    ])
    .arguments(&[
        key("key", 0),
        double("longitude"),
        double("latitude"),
        double("radius"),
        one_of("unit", UNITS),
        token("withcoord", "WITHCOORD").optional(),
        token("withdist", "WITHDIST").optional(),
        token("withhash", "WITHHASH").optional(),
        block(
            "count-block",
            &[
                integer("count").token("COUNT"),
                token("any", "ANY").since("6.2.0").optional(),
            ],
        )
        .optional(),
        one_of("order", ORDERS).optional(),
        one_of("store", STORES).optional(),
    ]),
    Doc::new(
        "georadius_ro",
        "3.2.10",
        "O(N+M*log(M)), N: members around the circle, M: members in it",
        "Finds the members within a distance of a place.",
    )
    .deprecated("6.2.0", "`GEOSEARCH` with `BYRADIUS`")
    .history(&[
        ("6.2.0", "`COUNT` with `ANY`."),
        ("7.0.0", "Units in upper case."),
    ])
    .arguments(&[
        key("key", 0),
        double("longitude"),
        double("latitude"),
        double("radius"),
        one_of("unit", UNITS),
        token("withcoord", "WITHCOORD").optional(),
        token("withdist", "WITHDIST").optional(),
        token("withhash", "WITHHASH").optional(),
        block(
            "count-block",
            &[
                integer("count").token("COUNT"),
                token("any", "ANY").since("6.2.0").optional(),
            ],
        )
        .optional(),
        one_of("order", ORDERS).optional(),
    ]),
    Doc::new(
        "georadiusbymember",
        "3.2.0",
        "O(N+M*log(M)), N: members around the circle, M: members in it",
        "Finds or stores the members within a distance of another.",
    )
    .deprecated(
        "6.2.0",
        "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS` and `FROMMEMBER`",
    )
    .history(&[
        ("6.2.0", "`COUNT` with `ANY`."),
        ("7.0.0", "Units in upper case."),
    ])
    .arguments(&[
        key("key", 0),
        string("member"),
        double("radius"),
        one_of("unit", UNITS),
        token("withcoord", "WITHCOORD").optional(),
        token("withdist", "WITHDIST").optional(),
        token("withhash", "WITHHASH").optional(),
        block("count-block", COUNTS).optional(),
        one_of("order", ORDERS).optional(),
        one_of("store", STORES).optional(),
    ]),
    Doc::new(
        "georadiusbymember_ro",
        "3.2.10",
        "O(N+M*log(M)), N: members around the circle, M: members in it",
        "Finds the members within a distance of another.",
    )
    .deprecated("6.2.0", "`GEOSEARCH` with `BYRADIUS` and `FROMMEMBER`")
    .history(&[
        ("6.2.0", "`COUNT` with `ANY`."),
        ("7.0.0", "Units in upper case."),
    ])
    .arguments(&[
        key("key", 0),
        string("member"),
        double("radius"),
        one_of("unit", UNITS),
        token("withcoord", "WITHCOORD").optional(),
        token("withdist", "WITHDIST").optional(),
        token("withhash", "WITHHASH").optional(),
        block("count-block", COUNTS).optional(),
        one_of("order", ORDERS).optional(),
    ]),
    Doc::new(
        "geosearch",
        "6.2.0",
        "O(N+M*log(M)), N: members around the area, M: members in it",
        "Finds the members in a circle, a box or a polygon.",
    )
    .history(&[
        ("7.0.0", "Units in upper case."),
        ("9.0.0", "`BYPOLYGON` (of Valkey)."),
    ])
    .arguments(&[
        key("key", 0),
        one_of("from", CENTERS).optional(),
        one_of("by", SHAPES),
        one_of("order", ORDERS).optional(),
        block("count-block", COUNTS).optional(),
        token("withcoord", "WITHCOORD").optional(),
        token("withdist", "WITHDIST").optional(),
        token("withhash", "WITHHASH").optional(),
    ]),
    Doc::new(
        "geosearchstore",
        "6.2.0",
        "O(N+M*log(M)), N: members around the area, M: members in it",
        "Stores the members in a circle, a box or a polygon.",
    )
    .history(&[
        ("7.0.0", "Units in upper case."),
        ("9.0.0", "`BYPOLYGON` (of Valkey)."),
    ])
    .arguments(&[
        key("destination", 0),
        key("source", 1),
        one_of("from", CENTERS).optional(),
        one_of("by", SHAPES),
        one_of("order", ORDERS).optional(),
        block("count-block", COUNTS).optional(),
        token("storedist", "STOREDIST").optional(),
    ]),
];
