//! The quoting rules of configuration lines.
//!
//! A line is words parted by white space. A word may be put in double quotes, inside of
//! which `\n`, `\r`, `\t`, `\b`, `\a`, `\xHH` and a backslash before any other byte are
//! escapes, or in single quotes, inside of which only `\'` is one. A closing quote ends
//! its word, so white space or the end of the line must follow.

/// Splits a line into its words; `None` when the quotes do not balance or when something
/// stands right behind a closing quote.
pub fn split_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        while let [first, tail @ ..] = rest {
            if !is_space(*first) {
                break;
            }
            rest = tail;
        }
        // A NUL ends the line, as it does for every reader of such lines written in C.
        if rest.is_empty() || rest.starts_with(b"\0") {
            return Some(words);
        }
        let (word, tail) = next_word(rest)?;
        words.push(word);
        rest = tail;
    }
}

/// Appends `text` in double quotes so that `split_words` gives it back byte for byte.
pub fn append_quoted(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for &byte in text {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => {
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                out.extend_from_slice(&[b'\\', b'x', HEX[high], HEX[low]]);
            }
        }
    }
    out.push(b'"');
}

/// The white space of C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn next_word(line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut rest = line;
    loop {
        match rest {
            [] | [0, ..] => return Some((word, rest)),
            [first, ..] if is_space(*first) => return Some((word, rest)),
            [b'"', tail @ ..] => return ended(double_quoted(tail, &mut word)?, word),
            [b'\'', tail @ ..] => return ended(single_quoted(tail, &mut word)?, word),
            [first, tail @ ..] => {
                word.push(*first);
                rest = tail;
            }
        }
    }
}

/// Checks what stands behind a closing quote.
fn ended(rest: &[u8], word: Vec<u8>) -> Option<(Vec<u8>, &[u8])> {
    match rest.first() {
        Some(byte) if !is_space(*byte) && *byte != 0 => None,
        _ => Some((word, rest)),
    }
}

fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] => return None,
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', b'x', high, low, tail @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                word.push(hex_digit(*high) << 4 | hex_digit(*low));
                rest = tail;
            }
            [b'\\', escaped, tail @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                rest = tail;
            }
            [first, tail @ ..] => {
                word.push(*first);
                rest = tail;
            }
        }
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] => return None,
            [b'\'', tail @ ..] => return Some(tail),
            [b'\\', b'\'', tail @ ..] => {
                word.push(b'\'');
                rest = tail;
            }
            [first, tail @ ..] => {
                word.push(*first);
                rest = tail;
            }
        }
    }
}

fn hex_digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        _ => byte - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(line: &str, expect: Option<&[&str]>) {
        let expect: Option<Vec<Vec<u8>>> =
            expect.map(|words| words.iter().map(|word| word.as_bytes().to_vec()).collect());
        assert_eq!(split_words(line.as_bytes()), expect, "{line:?}");
    }

    #[test]
    fn lines_fall_into_words() {
        check("", Some(&[]));
        check("  \t ", Some(&[]));
        check("port 6379", Some(&["port", "6379"]));
        check("save \"\"", Some(&["save", ""]));
        check(r#"a "b c" 'd e'"#, Some(&["a", "b c", "d e"]));
        check(r#"a"b""#, Some(&["ab"]));
        check(r#""\n\r\t\x41\q\"""#, Some(&["\n\r\tAq\""]));
        check(r#""\x4z""#, Some(&["x4z"]));
        check(r#"'\n\''"#, Some(&["\\n'"]));
    }

    #[test]
    fn quotes_must_balance() {
        check("a \"b", None);
        check("a 'b", None);
        check("a \"b\"c", None);
        check("a 'b'c", None);
        check("a \"b\\", None);
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(text in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut line = Vec::new();
            append_quoted(&mut line, &text);
            prop_assert_eq!(split_words(&line), Some(vec![text]));
        }
    }
}
