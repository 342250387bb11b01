//! A reply as a tree, for those who are clients themselves: the link to the leader, a
//! migration, tests. Not for the hot path.
//!
//! Reading first walks over the bytes without allocating, to see whether a whole reply is
//! there and within the limits, and only then builds: an announced length alone never
//! costs memory.

use thiserror::Error;

use super::reply::ReplyBuf;
use crate::base::number::{parse_f64, parse_i64};

/// Replies nested deeper are refused.
pub const DEPTH_MAX: usize = 128;

/// The longest string, in bytes.
pub const BULK_BYTES_MAX: usize = 512 << 20;

/// The longest line, in bytes.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// The most elements of one array, map, set or push.
pub const ELEMENTS_MAX: usize = 1 << 24;

/// A reply of RESP2 or RESP3.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Integer(i64),
    Bulk(Vec<u8>),
    Null,
    NullArray,
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Set(Vec<Value>),
    Push(Vec<Value>),
    Double(f64),
    Boolean(bool),
    BigNumber(Vec<u8>),
    /// Its three letters of format, and the text.
    Verbatim([u8; 3], Vec<u8>),
    /// Attributes, and the reply they belong to.
    Attributed(Vec<(Value, Value)>, Box<Value>),
}

/// Why bytes are not a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ValueError {
    #[error("unknown reply type byte 0x{0:02x}")]
    UnknownType(u8),
    #[error("malformed reply length or number")]
    BadNumber,
    #[error("malformed line or string end in a reply")]
    BadEnd,
    #[error("reply line, string or array is too long")]
    TooLong,
    #[error("reply is nested too deep")]
    TooDeep,
}

/// Reads the reply at the start of `input` and how many bytes it takes. None if it is
/// not all there yet.
pub fn parse_value(input: &[u8]) -> Result<Option<(Value, usize)>, ValueError> {
    let Some(len_bytes) = measure(input)? else {
        return Ok(None);
    };
    let mut reader = Reader { input, at: 0 };
    let value = reader.value()?;
    Ok(value.map(|value| (value, len_bytes)))
}

impl Value {
    /// The text of a status, string, error or verbatim string.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(text) | Value::Error(text) | Value::Bulk(text) => Some(text),
            Value::Verbatim(_, text) | Value::BigNumber(text) => Some(text),
            _ => None,
        }
    }

    /// Writes the reply in the buffer's protocol.
    pub fn write(&self, out: &mut ReplyBuf) {
        match self {
            Value::Simple(text) => out.simple_bytes(text),
            Value::Error(text) => out.error_bytes(text),
            Value::Integer(value) => out.integer(*value),
            Value::Bulk(text) => out.bulk(text),
            Value::Null => out.null(),
            Value::NullArray => out.null_array(),
            Value::Array(items) => {
                out.array(items.len());
                items.iter().for_each(|item| item.write(out));
            }
            Value::Set(items) => {
                out.set(items.len());
                items.iter().for_each(|item| item.write(out));
            }
            Value::Push(items) => {
                out.push(items.len());
                items.iter().for_each(|item| item.write(out));
            }
            Value::Map(pairs) => {
                out.map(pairs.len());
                write_pairs(pairs, out);
            }
            Value::Double(value) => out.double(*value),
            Value::Boolean(value) => out.boolean(*value),
            Value::BigNumber(text) => out.big_number(&String::from_utf8_lossy(text)),
            Value::Verbatim(format, text) => out.verbatim(format, text),
            Value::Attributed(pairs, value) => {
                if out.resp3() {
                    out.attribute(pairs.len());
                    write_pairs(pairs, out);
                }
                value.write(out);
            }
        }
    }
}

fn write_pairs(pairs: &[(Value, Value)], out: &mut ReplyBuf) {
    for (key, value) in pairs {
        key.write(out);
        value.write(out);
    }
}

/// The length of the reply at the start of `input`, checked as a whole; None if it is not
/// all there yet. Allocates nothing.
pub fn measure(input: &[u8]) -> Result<Option<usize>, ValueError> {
    let mut reader = Reader { input, at: 0 };
    // How many replies are still to come at each depth.
    let mut open = [0usize; DEPTH_MAX];
    let mut depth = 1;
    open[0] = 1;
    while depth > 0 {
        if open[depth - 1] == 0 {
            depth -= 1;
            continue;
        }
        open[depth - 1] -= 1;
        let Some(piece) = reader.piece()? else {
            return Ok(None);
        };
        let inside = match piece {
            Piece::Items(_, len) => len,
            Piece::Attributes(pairs) => 2 * pairs + 1,
            Piece::Leaf(_) => 0,
        };
        if inside > 0 {
            *open.get_mut(depth).ok_or(ValueError::TooDeep)? = inside;
            depth += 1;
        }
    }
    Ok(Some(reader.at))
}

/// One step of reading: a reply without inner ones, or the header of some.
enum Piece<'a> {
    Leaf(Leaf<'a>),
    /// The type byte, and how many replies follow.
    Items(u8, usize),
    /// How many pairs follow, then the reply they belong to.
    Attributes(usize),
}

enum Leaf<'a> {
    /// The type byte, and the text of the line or string.
    Text(u8, &'a [u8]),
    Integer(i64),
    Double(f64),
    Boolean(bool),
    Null,
    NullArray,
}

struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Builds a reply that was measured before, which bounds the recursion too.
    fn value(&mut self) -> Result<Option<Value>, ValueError> {
        let Some(piece) = self.piece()? else {
            return Ok(None);
        };
        let value = match piece {
            Piece::Leaf(leaf) => leaf.build()?,
            Piece::Items(b'%', len) => match self.pairs(len / 2)? {
                Some(pairs) => Value::Map(pairs),
                None => return Ok(None),
            },
            Piece::Items(kind, len) => {
                let mut items = Vec::with_capacity(len);
                for _ in 0..len {
                    match self.value()? {
                        Some(item) => items.push(item),
                        None => return Ok(None),
                    }
                }
                match kind {
                    b'~' => Value::Set(items),
                    b'>' => Value::Push(items),
                    _ => Value::Array(items),
                }
            }
            Piece::Attributes(len) => match (self.pairs(len)?, self.value()?) {
                (Some(pairs), Some(value)) => Value::Attributed(pairs, Box::new(value)),
                _ => return Ok(None),
            },
        };
        Ok(Some(value))
    }

    fn pairs(&mut self, len: usize) -> Result<Option<Vec<(Value, Value)>>, ValueError> {
        let mut pairs = Vec::with_capacity(len);
        for _ in 0..len {
            match (self.value()?, self.value()?) {
                (Some(key), Some(value)) => pairs.push((key, value)),
                _ => return Ok(None),
            }
        }
        Ok(Some(pairs))
    }

    fn piece(&mut self) -> Result<Option<Piece<'a>>, ValueError> {
        let Some(&kind) = self.input.get(self.at) else {
            return Ok(None);
        };
        if !b"+-:$*%~>,#(=_!|".contains(&kind) {
            return Err(ValueError::UnknownType(kind));
        }
        let Some(line) = self.line()? else {
            return Ok(None);
        };
        let leaf = match kind {
            b'+' | b'-' | b'(' => Leaf::Text(kind, line),
            b':' => Leaf::Integer(parse_i64(line).ok_or(ValueError::BadNumber)?),
            b',' => Leaf::Double(double(line)?),
            b'#' if line == b"t" => Leaf::Boolean(true),
            b'#' if line == b"f" => Leaf::Boolean(false),
            b'_' if line.is_empty() => Leaf::Null,
            b'#' | b'_' => return Err(ValueError::BadEnd),
            b'$' if line == b"-1" => Leaf::Null,
            b'*' if line == b"-1" => Leaf::NullArray,
            b'$' | b'=' | b'!' => match self.bulk(length(line, BULK_BYTES_MAX)?)? {
                Some(text) if kind == b'=' && text.get(3) != Some(&b':') => {
                    return Err(ValueError::BadEnd);
                }
                Some(text) => Leaf::Text(kind, text),
                None => return Ok(None),
            },
            b'|' => return Ok(Some(Piece::Attributes(length(line, ELEMENTS_MAX)?))),
            b'%' => return Ok(Some(Piece::Items(kind, 2 * length(line, ELEMENTS_MAX)?))),
            _ => return Ok(Some(Piece::Items(kind, length(line, ELEMENTS_MAX)?))),
        };
        Ok(Some(Piece::Leaf(leaf)))
    }

    /// What stands between the type byte and CRLF.
    fn line(&mut self) -> Result<Option<&'a [u8]>, ValueError> {
        let rest = self.input.get(self.at + 1..).unwrap_or_default();
        let searched = &rest[..rest.len().min(LINE_BYTES_MAX + 1)];
        let Some(cr) = memchr::memchr(b'\r', searched) else {
            return match searched.len() > LINE_BYTES_MAX {
                true => Err(ValueError::TooLong),
                false => Ok(None),
            };
        };
        match rest.get(cr + 1) {
            None => Ok(None),
            Some(b'\n') => {
                self.at += cr + 3;
                Ok(Some(&rest[..cr]))
            }
            Some(_) => Err(ValueError::BadEnd),
        }
    }

    fn bulk(&mut self, len: usize) -> Result<Option<&'a [u8]>, ValueError> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        match rest.get(len..) {
            Some([b'\r', b'\n', ..]) => {
                self.at += len + 2;
                Ok(Some(&rest[..len]))
            }
            None | Some([]) | Some([b'\r']) => Ok(None),
            Some(_) => Err(ValueError::BadEnd),
        }
    }
}

impl Leaf<'_> {
    fn build(self) -> Result<Value, ValueError> {
        Ok(match self {
            Leaf::Text(b'+', text) => Value::Simple(text.to_vec()),
            Leaf::Text(b'-' | b'!', text) => Value::Error(text.to_vec()),
            Leaf::Text(b'(', text) => Value::BigNumber(text.to_vec()),
            Leaf::Text(b'=', text) => match text {
                [a, b, c, b':', text @ ..] => Value::Verbatim([*a, *b, *c], text.to_vec()),
                _ => return Err(ValueError::BadEnd),
            },
            Leaf::Text(_, text) => Value::Bulk(text.to_vec()),
            Leaf::Integer(value) => Value::Integer(value),
            Leaf::Double(value) => Value::Double(value),
            Leaf::Boolean(value) => Value::Boolean(value),
            Leaf::Null => Value::Null,
            Leaf::NullArray => Value::NullArray,
        })
    }
}

fn length(line: &[u8], max: usize) -> Result<usize, ValueError> {
    let len = parse_i64(line).and_then(|len| usize::try_from(len).ok());
    match len.ok_or(ValueError::BadNumber)? {
        len if len > max => Err(ValueError::TooLong),
        len => Ok(len),
    }
}

/// RESP3 has NaN, which Redis's own numbers have not.
fn double(line: &[u8]) -> Result<f64, ValueError> {
    match line {
        b"nan" => Ok(f64::NAN),
        _ => parse_f64(line).ok_or(ValueError::BadNumber),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expect: Value) {
        let got = parse_value(input.as_bytes());
        assert_eq!(got, Ok(Some((expect, input.len()))), "{input:?}");
        for cut in 0..input.len() {
            assert_eq!(
                parse_value(&input.as_bytes()[..cut]),
                Ok(None),
                "{input:?} cut at {cut}"
            );
        }
    }

    fn check_error(input: &str, expect: ValueError) {
        assert_eq!(parse_value(input.as_bytes()), Err(expect), "{input:?}");
    }

    #[test]
    fn every_type() {
        let bulk = |text: &str| Value::Bulk(text.into());
        check("+OK\r\n", Value::Simple("OK".into()));
        check("-ERR x\r\n", Value::Error("ERR x".into()));
        check("!5\r\nERR x\r\n", Value::Error("ERR x".into()));
        check(":-7\r\n", Value::Integer(-7));
        check("$3\r\na\r\n\r\n", bulk("a\r\n"));
        check("$-1\r\n", Value::Null);
        check("_\r\n", Value::Null);
        check("*-1\r\n", Value::NullArray);
        check("*0\r\n", Value::Array(vec![]));
        check(
            "*2\r\n:1\r\n*1\r\n$0\r\n\r\n",
            Value::Array(vec![Value::Integer(1), Value::Array(vec![bulk("")])]),
        );
        check(
            "%1\r\n+a\r\n:1\r\n",
            Value::Map(vec![(Value::Simple("a".into()), Value::Integer(1))]),
        );
        check("~1\r\n:1\r\n", Value::Set(vec![Value::Integer(1)]));
        check(">1\r\n:1\r\n", Value::Push(vec![Value::Integer(1)]));
        check(",1.5\r\n", Value::Double(1.5));
        check(",-inf\r\n", Value::Double(f64::NEG_INFINITY));
        check("#t\r\n", Value::Boolean(true));
        check(
            "(123456789012345678901\r\n",
            Value::BigNumber("123456789012345678901".into()),
        );
        check("=6\r\ntxt:hi\r\n", Value::Verbatim(*b"txt", "hi".into()));
        let pairs = vec![(bulk("k"), Value::Null)];
        check(
            "|1\r\n$1\r\nk\r\n_\r\n:1\r\n",
            Value::Attributed(pairs, Box::new(Value::Integer(1))),
        );
    }

    #[test]
    fn malformed_replies_are_refused() {
        check_error("PING\r\n", ValueError::UnknownType(b'P'));
        check_error(":x\r\n", ValueError::BadNumber);
        check_error("$-2\r\n", ValueError::BadNumber);
        check_error("$1\r\nabc", ValueError::BadEnd);
        check_error("+a\rb", ValueError::BadEnd);
        check_error("#x\r\n", ValueError::BadEnd);
        check_error("=2\r\nab\r\n", ValueError::BadEnd);
        check_error("$536870913\r\n", ValueError::TooLong);
        check_error("*16777217\r\n", ValueError::TooLong);
        check_error(
            &format!("+{}", "a".repeat(LINE_BYTES_MAX + 1)),
            ValueError::TooLong,
        );
        check_error(&"*1\r\n".repeat(DEPTH_MAX), ValueError::TooDeep);
        assert_eq!(parse_value(b"*16777216\r\n"), Ok(None));
    }
}
