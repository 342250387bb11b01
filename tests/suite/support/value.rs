//! Replies as trees, read from bytes and written down for people.
//!
//! The reader is the suite's own, not the server's, so that the two cannot share a mistake.
//!
//! | reply | notation |
//! |---|---|
//! | simple string, error | `+OK`, `-ERR text` |
//! | integer | `:5` |
//! | bulk string | `"text"`, escaped as redis-cli does |
//! | null bulk, null array, RESP3 null | `nil`, `nil*`, `_` |
//! | array, set, push | `[a, b]`, `~[a, b]`, `>[a, b]` |
//! | map, attribute | `{k: v, k: v}`, `\|{k: v}` |
//! | double, boolean, big number | `,3.5`, `#t`, `(123` |
//! | verbatim string, blob error | `=txt:"text"`, `!"text"` |

use std::fmt::{self, Display, Formatter};

/// A reply. Lines are kept as text; a server sends nothing but UTF-8 in them here.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A reply that is one line: its mark (`+`, `-`, `:`, `,`, `#`, `(` or `_`) and the rest.
    Line(char, String),
    Bulk(Vec<u8>),
    NullBulk,
    NullArray,
    /// `*`, `~` or `>` and its items.
    Many(char, Vec<Value>),
    /// `%` or `|` and its pairs.
    Pairs(char, Vec<(Value, Value)>),
    /// `=` or `!` and its bytes.
    Marked(char, Vec<u8>),
}

impl Value {
    /// Reads one reply from the front of `bytes`: the reply and its length, or `None` when
    /// more bytes are needed.
    pub fn read(bytes: &[u8]) -> Option<(Value, usize)> {
        let mut rest = bytes;
        let value = read_value(&mut rest)?;
        Some((value, bytes.len() - rest.len()))
    }

    /// The text of a bulk string or of a one-line reply.
    pub fn text(&self) -> String {
        match self {
            Value::Line(_, text) => text.clone(),
            Value::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Value::Marked('=', bytes) => {
                String::from_utf8_lossy(bytes.get(4..).unwrap_or_default()).into_owned()
            }
            other => panic!("{other} is not a text"),
        }
    }

    pub fn integer(&self) -> i64 {
        match self {
            Value::Line(':', digits) => digits.parse().expect("digits"),
            other => panic!("{other} is not an integer"),
        }
    }

    pub fn items(&self) -> &[Value] {
        match self {
            Value::Many(_, items) => items,
            other => panic!("{other} has no items"),
        }
    }
}

fn read_value(rest: &mut &[u8]) -> Option<Value> {
    let line = read_line(rest)?;
    let (mark, text) = line
        .split_at_checked(1)
        .expect("a reply begins with its mark");
    let mark = mark.chars().next().expect("one character");
    let count = || {
        text.parse::<i64>()
            .unwrap_or_else(|_| panic!("{line:?} has no length"))
    };
    Some(match mark {
        '+' | '-' | ':' | ',' | '#' | '(' | '_' => Value::Line(mark, text.to_owned()),
        '$' | '=' | '!' => {
            let Ok(len) = usize::try_from(count()) else {
                return Some(Value::NullBulk);
            };
            let bytes = rest.get(..len)?.to_vec();
            let end = rest.get(len..len + 2)?;
            assert_eq!(end, b"\r\n", "after the bytes of a bulk string");
            *rest = &rest[len + 2..];
            if mark == '$' {
                Value::Bulk(bytes)
            } else {
                Value::Marked(mark, bytes)
            }
        }
        '*' | '~' | '>' => {
            let Ok(len) = usize::try_from(count()) else {
                return Some(Value::NullArray);
            };
            let items: Option<Vec<Value>> = (0..len).map(|_| read_value(rest)).collect();
            Value::Many(mark, items?)
        }
        '%' | '|' => {
            let pairs: Option<Vec<(Value, Value)>> = (0..count())
                .map(|_| Some((read_value(rest)?, read_value(rest)?)))
                .collect();
            Value::Pairs(mark, pairs?)
        }
        other => panic!("no reply begins with {other:?}: {line:?}"),
    })
}

fn read_line(rest: &mut &[u8]) -> Option<String> {
    let len = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let line = String::from_utf8_lossy(&rest[..len]).into_owned();
    *rest = &rest[len + 2..];
    Some(line)
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Value::Line(mark, text) => write!(f, "{mark}{text}"),
            Value::Bulk(bytes) => f.write_str(&quoted(bytes)),
            Value::NullBulk => f.write_str("nil"),
            Value::NullArray => f.write_str("nil*"),
            Value::Many(mark, items) => {
                let items: Vec<String> = items.iter().map(Value::to_string).collect();
                let mark = if *mark == '*' {
                    String::new()
                } else {
                    mark.to_string()
                };
                write!(f, "{mark}[{}]", items.join(", "))
            }
            Value::Pairs(mark, pairs) => {
                let pairs: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}: {v}")).collect();
                let mark = if *mark == '%' { "" } else { "|" };
                write!(f, "{mark}{{{}}}", pairs.join(", "))
            }
            Value::Marked('=', bytes) => {
                let (kind, text) = bytes.split_at_checked(4).unwrap_or((b"", bytes));
                write!(f, "={}{}", String::from_utf8_lossy(kind), quoted(text))
            }
            Value::Marked(mark, bytes) => write!(f, "{mark}{}", quoted(bytes)),
        }
    }
}

fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b'"' => text.push_str("\\\""),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b' '..=b'~' => text.push(char::from(*byte)),
            other => text.push_str(&format!("\\x{other:02x}")),
        }
    }
    text.push('"');
    text
}

/// Splits a command as redis-cli does: blanks part the words, `"a b\x00\r\n"` is one with
/// escapes, `'a b'` one without.
pub fn split_words(line: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut bytes = line.bytes().peekable();
    while let Some(first) = bytes
        .next_if(|byte| !byte.is_ascii_whitespace())
        .or_else(|| {
            while bytes.next_if(u8::is_ascii_whitespace).is_some() {}
            bytes.next()
        })
    {
        let mut word = Vec::new();
        match first {
            quote @ (b'"' | b'\'') => loop {
                match bytes
                    .next()
                    .unwrap_or_else(|| panic!("an open quote in {line:?}"))
                {
                    b'\\' if quote == b'"' => word.push(unescape(&mut bytes)),
                    byte if byte == quote => break,
                    byte => word.push(byte),
                }
            },
            byte => {
                word.push(byte);
                while let Some(byte) = bytes.next_if(|byte| !byte.is_ascii_whitespace()) {
                    word.push(byte);
                }
            }
        }
        words.push(word);
    }
    words
}

fn unescape(bytes: &mut impl Iterator<Item = u8>) -> u8 {
    match bytes.next().expect("a character after the backslash") {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'x' => {
            let digits: String = bytes.take(2).map(char::from).collect();
            u8::from_str_radix(&digits, 16).expect("two hexadecimal digits")
        }
        byte => byte,
    }
}

/// Does `text` match `pattern`, in which `...` stands for anything?
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once("...") else {
        return pattern == text;
    };
    let Some(rest) = text.strip_prefix(head) else {
        return false;
    };
    rest.char_indices()
        .any(|(at, _)| matches(tail, &rest[at..]))
        || matches(tail, "")
}

mod tests {
    use super::*;

    #[test]
    fn notation() {
        for (bytes, expect) in [
            ("+OK\r\n", "+OK"),
            ("-ERR no\r\n", "-ERR no"),
            (":-7\r\n", ":-7"),
            ("$5\r\na\r\n\"\\\r\n", r#""a\r\n\"\\""#),
            ("$-1\r\n", "nil"),
            ("*-1\r\n", "nil*"),
            ("_\r\n", "_"),
            ("*2\r\n:1\r\n*1\r\n$0\r\n\r\n", "[:1, [\"\"]]"),
            ("%1\r\n+a\r\n#t\r\n", "{+a: #t}"),
            ("|1\r\n+a\r\n,1.5\r\n", "|{+a: ,1.5}"),
            ("~1\r\n(12\r\n", "~[(12]"),
            (">1\r\n=6\r\ntxt:ab\r\n", ">[=txt:\"ab\"]"),
        ] {
            let (value, len) = Value::read(bytes.as_bytes()).expect("a whole reply");
            assert_eq!((value.to_string().as_str(), len), (expect, bytes.len()));
            for len in 0..bytes.len() {
                assert_eq!(
                    Value::read(&bytes.as_bytes()[..len]),
                    None,
                    "{bytes:?} cut at {len}"
                );
            }
        }
    }

    #[test]
    fn words() {
        let words = split_words(r#" SET  k "a \x00\n\"" 'b\n' "" "#);
        assert_eq!(words, [&b"SET"[..], b"k", b"a \0\n\"", b"b\\n", b""]);
    }

    #[test]
    fn patterns() {
        assert!(matches("-ERR ... not...", "-ERR this is not it"));
        assert!(matches("...", "") && matches("a...", "a") && matches("...b", "b"));
        assert!(!matches("a...", "b") && !matches("a", "ab") && !matches("...b", "bc"));
    }
}
