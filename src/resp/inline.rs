//! A line of text split into arguments: inline commands, and lines of the config file.

/// Splits a line at white space. In double quotes `\n` `\r` `\t` `\b` `\a` and `\xHH`
/// stand for their bytes and `\` before anything else for that byte; in single quotes
/// only `\'` is special. A closing quote must be followed by white space or the end.
/// None if quotes are not balanced.
pub fn split_args(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut args = Vec::new();
    let mut rest = line;
    loop {
        let blanks = rest.iter().take_while(|&&c| is_space(c)).count();
        rest = &rest[blanks..];
        if rest.is_empty() {
            return Some(args);
        }
        let mut arg = Vec::new();
        rest = take_arg(rest, &mut arg)?;
        args.push(arg);
    }
}

/// Gives what follows the argument.
fn take_arg<'a>(mut rest: &'a [u8], arg: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Some(rest),
            [b'"', quoted @ ..] => return after_quote(take_double_quoted(quoted, arg)?),
            [b'\'', quoted @ ..] => return after_quote(take_single_quoted(quoted, arg)?),
            [c, after @ ..] => {
                arg.push(*c);
                rest = after;
            }
        }
    }
}

fn after_quote(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(|&c| is_space(c)).then_some(rest)
}

fn take_double_quoted<'a>(mut rest: &'a [u8], arg: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, after) = match rest {
            [] => return None,
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'x', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (hex(*high) << 4 | hex(*low), after)
            }
            [b'\\', escaped, after @ ..] => (unescape(*escaped), after),
            [c, after @ ..] => (*c, after),
        };
        arg.push(byte);
        rest = after;
    }
}

fn take_single_quoted<'a>(mut rest: &'a [u8], arg: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, after) = match rest {
            [] => return None,
            [b'\'', after @ ..] => return Some(after),
            [b'\\', b'\'', after @ ..] => (b'\'', after),
            [c, after @ ..] => (*c, after),
        };
        arg.push(byte);
        rest = after;
    }
}

fn unescape(c: u8) -> u8 {
    match c {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}

/// C's isspace, which counts the vertical tab too.
fn is_space(c: u8) -> bool {
    matches!(c, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: Option<&[&str]>) {
        let got = split_args(line.as_bytes());
        let expect = expect.map(|args| args.iter().map(|arg| arg.as_bytes().to_vec()).collect());
        assert_eq!(got, expect, "{line:?}");
    }

    #[test]
    fn lines_split() {
        check("", Some(&[]));
        check(" \t ", Some(&[]));
        check("PING", Some(&["PING"]));
        check("\x0b SET  a\tb ", Some(&["SET", "a", "b"]));
        check("a\x0bb", Some(&["a\x0bb"]));
        check(r#""" ''"#, Some(&["", ""]));
        check(r#""\x41\n\q\"""#, Some(&["A\nq\""]));
        check(r#""\x4g""#, Some(&["x4g"]));
        check(r"'\'\n'", Some(&["'\\n"]));
        check(r#"a"b c""#, Some(&["ab c"]));
        check(r"\x41 a\b", Some(&["\\x41", "a\\b"]));
    }

    #[test]
    fn unbalanced_quotes_are_refused() {
        for line in [r#"""#, "'", r#""a"b"#, "'a'b", r#""a\"#, r#""\""#, r"'\'"] {
            check(line, None);
        }
    }
}
