//! Random commands on lists: at both ends, in the middle, from one to another.

use super::generate::{Command, Draw, Family, exactly};

pub const LISTS: &[Family] = &[ends, middle, looks, odd];

/// Few different values, so that they are found, and some of every encoding.
fn element(draw: &mut Draw) -> String {
    match draw.below(7) {
        0..=2 => draw.below(4).to_string(),
        3 => (i64::MIN >> draw.below(64)).wrapping_neg().to_string(),
        4 => draw.one_of(&["", "a", "b", "01", "-0"]).to_owned(),
        5 => "x".repeat(60 + draw.below(8)),
        _ => "long ".repeat([20, 800, 1640][draw.below(3)]),
    }
}

/// A command of one of these patterns: `*` becomes a key, `@` an element, `^` an end and `#`
/// a place.
fn one_of(draw: &mut Draw, patterns: &[&str]) -> Command {
    let mut args = Vec::new();
    for word in draw.one_of(patterns).split(' ') {
        args.push(match word {
            "*" => draw.key(),
            "@" => element(draw),
            "^" => draw.one_of(&["LEFT", "right"]).to_owned(),
            "#" => [0, 1, -1, 2, -2, 5, -30, 40][draw.below(8)].to_string(),
            word => word.to_owned(),
        });
    }
    exactly(args)
}

fn ends(draw: &mut Draw) -> Command {
    const PATTERNS: [&str; 13] = [
        "LPUSH * @",
        "RPUSH * @",
        "LPUSH * @ @ @",
        "RPUSH * @ @ @ @ @ @",
        "LPUSHX * @ @",
        "RPUSHX * @",
        "LPOP *",
        "RPOP *",
        "LPOP * 3",
        "LMOVE * * ^ ^",
        "RPOPLPUSH * *",
        "LMPOP 2 * * ^",
        "LMPOP 2 * * ^ COUNT 3",
    ];
    one_of(draw, &PATTERNS)
}

fn middle(draw: &mut Draw) -> Command {
    const PATTERNS: [&str; 6] = [
        "LINSERT * BEFORE @ @",
        "LINSERT * after @ @",
        "LSET * # @",
        "LREM * # @",
        "LTRIM * # -2",
        "LTRIM * 1 #",
    ];
    one_of(draw, &PATTERNS)
}

fn looks(draw: &mut Draw) -> Command {
    const PATTERNS: [&str; 9] = [
        "LLEN *",
        "LINDEX * #",
        "LRANGE * # #",
        "LRANGE * 0 -1",
        "LPOS * @",
        "LPOS * @ RANK #",
        "LPOS * @ COUNT 0",
        "LPOS * @ RANK -1 COUNT 2",
        "LPOS * @ MAXLEN 3 COUNT 0",
    ];
    one_of(draw, &PATTERNS)
}

fn odd(draw: &mut Draw) -> Command {
    const PATTERNS: [&str; 12] = [
        "LPUSH *",
        "LPOP * -1",
        "LPOP * 0",
        "RPOP * x",
        "LINSERT * BESIDE @ @",
        "LSET * x @",
        "LRANGE * 0 x",
        "LREM * x @",
        "LMOVE * * UP DOWN",
        "LMPOP 0 * ^",
        "LMPOP 1 * ^ COUNT 0",
        "LPOS * @ COUNT -1",
    ];
    one_of(draw, &PATTERNS)
}
