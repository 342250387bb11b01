use crate::commands::testing::TestServer;

const SYNTAX: &str = "-ERR syntax error";
const NO_INTEGER: &str = "-ERR value is not an integer or out of range";
const NO_NUMBER: &str = "-ERR One or more scores can't be converted into double";

fn with_list(elements: &str) -> TestServer {
    let mut server = TestServer::new();
    server.run(&format!("RPUSH l {elements}"));
    server
}

#[test]
fn numbers_and_texts() {
    let mut server = with_list("3 1 10 -5 2.5 1e1");
    server.check("SORT l", "[\"-5\", \"1\", \"2.5\", \"3\", \"10\", \"1e1\"]");
    server.check(
        "SORT l DESC",
        "[\"1e1\", \"10\", \"3\", \"2.5\", \"1\", \"-5\"]",
    );
    server.check(
        "SORT l ALPHA",
        "[\"-5\", \"1\", \"10\", \"1e1\", \"2.5\", \"3\"]",
    );
    server.check("SORT l alpha desc asc limit 1 2", "[\"1\", \"10\"]");
    server.check("SORT_RO l LIMIT 4 100", "[\"10\", \"1e1\"]");
    server.check("SORT l LIMIT 6 1", "[]");
    server.check("SORT l LIMIT -7 1", "[\"-5\"]");
    server.check("SORT l LIMIT 5 -3", "[\"1e1\"]");
    server.check("SORT l LIMIT 1 0", "[]");
    server.check("SORT none", "[]");
    server.run("RPUSH l x");
    server.check("SORT l", NO_NUMBER);
    server.run("DEL l");
    server.run("RPUSH l 2. \"\" inf -INF .5 1e-400 1e400");
    server.check(
        "SORT l",
        "[\"-INF\", \"\", \"1e-400\", \".5\", \"2.\", \"1e400\", \"inf\"]",
    );
    for no_number in ["nan", "\" 1\"", "0x10", "1e", "1_0", "\"1 \""] {
        server.run(&format!("RPUSH l {no_number}"));
        server.check("SORT l", NO_NUMBER);
        server.run("RPOP l");
    }
}

#[test]
fn by_and_get() {
    let mut server = with_list("1 2 3 4");
    server.run("MSET w_1 30 w_2 10 w_3 20 o_1 a o_2 b o_4 d");
    server.run("HSET h_1 f 5 other 6");
    server.run("HSET h_3 f 4");
    // What nothing is known of weighs nothing.
    server.check("SORT l BY w_*", "[\"4\", \"2\", \"3\", \"1\"]");
    server.check("SORT l BY w_* DESC LIMIT 0 2", "[\"1\", \"3\"]");
    server.check(
        "SORT l BY w_* GET o_* GET #",
        "[\"d\", \"4\", \"b\", \"2\", nil, \"3\", \"a\", \"1\"]",
    );
    server.check(
        "SORT l GET no GET w_*->",
        "[nil, nil, nil, nil, nil, nil, nil, nil]",
    );
    server.check("SORT l BY o_* ALPHA", "[\"3\", \"1\", \"2\", \"4\"]");
    server.check("SORT l BY o_* ALPHA DESC", "[\"4\", \"2\", \"1\", \"3\"]");
    server.check("SORT l BY o_*", NO_NUMBER);
    server.check("SORT l BY h_*->f LIMIT 2 2 GET h_*->other", "[nil, \"6\"]");
    server.check("SORT l GET h_*", "[nil, nil, nil, nil]");
    server.check("SORT l GET w_*->f", "[nil, nil, nil, nil]");
    server.run("HPEXPIRE h_1 100 FIELDS 1 f");
    server.advance_ms(101);
    server.check("SORT l GET h_*->f LIMIT 0 1", "[nil]");
    server.check("SORT l BY l* GET l*", "[nil, nil, nil, nil]");
}

#[test]
fn not_sorted_at_all() {
    let mut server = with_list("3 1 2 5 4");
    server.check("SORT l BY no", "[\"3\", \"1\", \"2\", \"5\", \"4\"]");
    server.check("SORT l BY no DESC LIMIT 1 2", "[\"5\", \"2\"]");
    server.check("SORT l BY no BY w_* LIMIT 0 1", "[\"3\"]");
    server.run("RPUSH l x");
    server.check("SORT l BY no LIMIT 4 10", "[\"4\", \"x\"]");
}

#[test]
fn sets() {
    let mut server = TestServer::new();
    server.run("SADD s 2 3 1");
    server.run("SADD t c a b");
    server.check("SORT s DESC", "[\"3\", \"2\", \"1\"]");
    server.check("SORT t", NO_NUMBER);
    server.check("SORT t ALPHA", "[\"a\", \"b\", \"c\"]");
    // Kept, it has to have an order.
    server.check("SORT t BY no STORE to", ":3");
    server.check("LRANGE to 0 -1", "[\"a\", \"b\", \"c\"]");
    server.check("SORT t BY no DESC STORE to", ":3");
    server.check("LINDEX to 0", "\"c\"");
}

#[test]
fn sorted_sets() {
    let mut server = TestServer::new();
    server.run("ZADD z 1 30 2 20 3 10");
    server.check("SORT z", "[\"10\", \"20\", \"30\"]");
    server.check("SORT z BY no", "[\"30\", \"20\", \"10\"]");
    server.check("SORT z BY no DESC LIMIT 0 2", "[\"10\", \"20\"]");
    server.check("SORT z BY no LIMIT 1 2 STORE z", ":2");
    server.check("LRANGE z 0 -1", "[\"20\", \"10\"]");
}

#[test]
fn stored() {
    let mut server = with_list("3 1 2");
    server.run("SET w_1 x EX 100");
    server.check_all(
        "SORT l STORE to",
        ":3",
        &["SORT l STORE to"],
        &["new to", "sortstore to"],
    );
    server.check("LRANGE to 0 -1", "[\"1\", \"2\", \"3\"]");
    server.check("SORT l GET w_* STORE w_1", ":3");
    server.check("LRANGE w_1 0 -1", "[\"x\", \"\", \"\"]");
    server.check("TTL w_1", ":-1");
    server.check("SORT l STORE other STORE l", ":3");
    server.check("LINDEX l 0", "\"1\"");
    server.check_all(
        "SORT none STORE l",
        ":0",
        &["SORT none STORE l"],
        &["keymiss none", "del l"],
    );
    server.check_all("SORT none STORE l", ":0", &[], &["keymiss none"]);
    server.check("SORT_RO to STORE l", SYNTAX);
    server.check("SORT to STORE", SYNTAX);
}

/// Where what is equal comes in the order of the list, others may find another one.
#[test]
fn an_uncertain_order_is_logged_as_it_came() {
    let mut server = with_list("b a c d");
    server.run("MSET w_a 1 w_b 1 w_c 2 w_d 3");
    let mut check = |line: &str, log: &[&str]| {
        server.log();
        server.run(line);
        server.check_log(log);
    };
    let as_list = ["MULTI", "DEL to", "RPUSH to b a c d", "EXEC"];
    check("SORT l BY w_* ALPHA STORE to", &as_list);
    let one = ["MULTI", "DEL to", "RPUSH to a", "EXEC"];
    check("SORT l BY w_* ALPHA LIMIT 1 1 STORE to", &one);
    let line = "SORT l BY w_* ALPHA LIMIT 2 2 STORE to";
    check(line, &[line]);
    let line = "SORT l BY w_* ALPHA LIMIT 0 1 DESC STORE to";
    check(line, &[line]);
    // Numbers that are equal go by the elements' texts.
    let line = "SORT l BY w_* STORE to";
    check(line, &[line]);
}

#[test]
fn errors() {
    let mut server = with_list("1");
    server.run("SET s 1");
    server.check(
        "SORT s",
        "-WRONGTYPE Operation against a key holding the wrong kind of value",
    );
    for (line, expect) in [
        ("SORT l LIMIT 1", SYNTAX),
        ("SORT l LIMIT x 1", NO_INTEGER),
        ("SORT s LIMIT 1 x", NO_INTEGER),
        ("SORT l BY", SYNTAX),
        ("SORT l GET", SYNTAX),
        ("SORT l x", SYNTAX),
        ("SORT none LIMIT 1 1 1", SYNTAX),
    ] {
        server.check(line, expect);
    }
}

/// Against sorting all and taking a part, where that is certain.
#[test]
fn parts_of_what_is_sorted() {
    use super::order::{Elements, Order};
    use crate::base::rng::Rng;
    use crate::types::listpack::Item;

    let mut rng = Rng::seeded(5);
    for _ in 0..500 {
        let order = Order {
            alpha: rng.below(2) == 0,
            descending: rng.below(2) == 0,
            by_key: rng.below(2) == 0,
        };
        let texts: Vec<i64> = (0..rng.below(60)).map(|_| rng.below(40) as i64).collect();
        let filled = || {
            let mut elements = Elements::default();
            texts.iter().for_each(|n| elements.push(Item::Int(*n)));
            match order.by_key {
                true => elements.weigh(order, |text, out| {
                    out.extend_from_slice(&text[..1]);
                    text != b"7"
                }),
                false => elements.weigh_alone(order),
            }
            elements
        };
        let all = |elements: &Elements| -> Vec<Vec<u8>> {
            let texts = elements.texts(elements.part((0, -1)));
            texts.map(<[u8]>::to_vec).collect()
        };
        let mut whole = filled();
        whole.sort(order, 0..texts.len());
        let whole = all(&whole);
        let limit = (rng.below(70) as i64 - 5, rng.below(40) as i64 - 5);
        let mut elements = filled();
        let part = elements.part(limit);
        let is_certain = elements.sort(order, part.clone());
        let chosen: Vec<Vec<u8>> = elements.texts(part.clone()).map(<[u8]>::to_vec).collect();
        assert!(!is_certain || chosen == whole[part]);
    }
}

/// A result takes the place of a key that is due: that one expires first, as others hear.
#[test]
fn a_due_destination_expires_first() {
    for (line, event) in [
        ("BITOP OR due s", "set due"),
        ("SUNIONSTORE due set", "sunionstore due"),
        ("ZUNIONSTORE due 1 z", "zunionstore due"),
        ("ZRANGESTORE due z 0 -1", "zrangestore due"),
        (
            "GEOSEARCHSTORE due g FROMMEMBER a BYRADIUS 1 m",
            "geosearchstore due",
        ),
        ("SORT l STORE due", "sortstore due"),
    ] {
        let mut server = TestServer::new();
        for fill in [
            "SET s 1",
            "SADD set 1",
            "ZADD z 1 a",
            "GEOADD g 1 1 a",
            "RPUSH l 1",
        ] {
            server.run(fill);
        }
        server.run("SET due 1 PX 10");
        server.advance_ms(20);
        server.log();
        server.events();
        server.run(line);
        server.check_log(&["MULTI", "DEL due", line, "EXEC"]);
        assert_eq!(server.events(), ["expired due", "new due", event], "{line}");
    }
}
