//! Random commands on streams: entries and what groups make of them.

use super::generate::{Command, Draw, Family, exactly};

pub const STREAMS: &[Family] = &[entries, looks, groups, shared, odd];

/// A command of one of these patterns: `*` becomes a key, `#` an end of a range, `%` an id,
/// `@` a field with its value, `+g` a group and `+c` a consumer.
fn one_of(draw: &mut Draw, patterns: &[&str]) -> Command {
    let mut args = Vec::new();
    for word in draw.one_of(patterns).split(' ') {
        let filled = match word {
            "*" => draw.key(),
            "#" => end(draw),
            "%" => draw.below(120).to_string(),
            "@" => {
                args.push(draw.one_of(&["a", "a", "b", "12"]).to_owned());
                let values = ["1", "", "-300", "text", "99999999999999999999"];
                draw.one_of(&values).to_owned()
            }
            "+g" => draw.one_of(&["g", "h"]).to_owned(),
            "+c" => draw.one_of(&["alice", "bob", "5"]).to_owned(),
            word => word.to_owned(),
        };
        args.push(filled);
    }
    exactly(args)
}

fn end(draw: &mut Draw) -> String {
    let ms = draw.below(120);
    match draw.below(8) {
        0 => format!("{ms}-1"),
        1 => format!("({ms}"),
        2 => draw.one_of(&["-", "+", "0", "x"]).to_owned(),
        _ => ms.to_string(),
    }
}

/// The ids are given: what the clock makes of them is each server's own.
fn entries(draw: &mut Draw) -> Command {
    if draw.below(3) > 0 {
        let key = draw.key();
        let id = [format!("{}-*", draw.below(120)), "119-*".to_owned()];
        let id = id[draw.below(2)].clone();
        let mut command = one_of(draw, &["@", "@ @", "@ @ @"]);
        let head = ["XADD".to_owned(), key, id].map(String::into_bytes);
        command.args.splice(0..0, head);
        return command;
    }
    const PATTERNS: [&str; 10] = [
        "XADD * NOMKSTREAM 119-* @",
        "XADD * MAXLEN 20 119-* @",
        "XADD * MAXLEN ~ 5 119-* @ @",
        "XADD * MINID = # 119-* @",
        "XDEL * # #",
        "XDEL * # # # #",
        "XTRIM * MAXLEN 10",
        "XTRIM * MINID #",
        "XTRIM * MINID ~ # LIMIT 30",
        "XSETID * 125",
    ];
    one_of(draw, &PATTERNS)
}

fn looks(draw: &mut Draw) -> Command {
    const PATTERNS: [&str; 8] = [
        "XLEN *",
        "XRANGE * - +",
        "XRANGE * # # COUNT 3",
        "XREVRANGE * # #",
        "XREAD COUNT 2 STREAMS * * % %",
        "XREAD STREAMS * %",
        "XREAD STREAMS * $",
        "XINFO STREAM *",
    ];
    one_of(draw, &PATTERNS)
}

fn groups(draw: &mut Draw) -> Command {
    // Before Redis 7.2 who claimed nothing was made no consumer: carl never claims.
    const PATTERNS: [&str; 7] = [
        "XGROUP CREATE * +g 0",
        "XGROUP CREATE * +g # MKSTREAM",
        "XGROUP CREATE * +g $ ENTRIESREAD 3",
        "XGROUP SETID * +g #",
        "XGROUP CREATECONSUMER * +g carl",
        "XGROUP DELCONSUMER * +g +c",
        "XGROUP DESTROY * h",
    ];
    one_of(draw, &PATTERNS)
}

fn shared(draw: &mut Draw) -> Command {
    const PATTERNS: [&str; 11] = [
        "XREADGROUP GROUP +g +c COUNT 3 STREAMS * >",
        "XREADGROUP GROUP +g +c STREAMS * * > >",
        "XREADGROUP GROUP +g +c NOACK STREAMS * >",
        "XREADGROUP GROUP +g +c STREAMS * %",
        "XACK * +g # # #",
        "XPENDING * +g",
        "XCLAIM * +g +c 0 # # #",
        "XCLAIM * +g +c 0 # JUSTID FORCE",
        "XCLAIM * +g +c 0 # RETRYCOUNT 4 LASTID 60",
        "XAUTOCLAIM * +g +c 0 # COUNT 4",
        "XAUTOCLAIM * +g +c 0 # JUSTID",
    ];
    one_of(draw, &PATTERNS)
}

fn odd(draw: &mut Draw) -> Command {
    const PATTERNS: [&str; 10] = [
        "XADD * 0-0 @",
        "XADD * x @",
        "XADD * 5 a",
        "XTRIM * LIMIT 5",
        "XRANGE * - + COUNT x",
        "XREAD STREAMS * >",
        "XREADGROUP GROUP +g +c STREAMS * $",
        "XGROUP CREATE * +g",
        "XCLAIM * +g +c x 5",
        "XPENDING * +g - +",
    ];
    one_of(draw, &PATTERNS)
}
