//! Bits counted and searched.

use super::place::{self, Range};
use crate::base::number::parse_i64;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::types::bits;

pub fn bitcount(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let range = Range::parse(args)?;
    let bytes = place::read(cx, key)?.unwrap_or_default();
    let count = match range.bits(bytes.len()) {
        Some((first, last)) if !range.is_backwards() => bits::count_between(bytes, first, last),
        _ => 0,
    };
    cx.reply.integer(count as i64);
    Ok(Outcome::Done)
}

pub fn bitpos(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let bit = match parse_i64(args.bytes()) {
        Some(0) => false,
        Some(1) => true,
        Some(_) => return Err(CmdError::text("ERR The bit argument must be 1 or 0.")),
        None => return Err(CmdError::NotInteger),
    };
    let range = Range::parse(args)?;
    const NOWHERE: i64 = -1;
    let found = match place::read(cx, key)? {
        None if bit => NOWHERE,
        // What is not there is zeros without end.
        None => 0,
        Some(bytes) => match range.bits(bytes.len()) {
            None => NOWHERE,
            Some((first, last)) => match bits::find_between(bytes, bit, first, last) {
                Some(at) => at as i64,
                // So is what is behind the end, unless the end was given.
                None if !bit && !range.has_end() => bytes.len() as i64 * 8,
                None => NOWHERE,
            },
        },
    };
    cx.reply.integer(found);
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::TestServer;

    const SYNTAX: &str = "-ERR syntax error";
    const NO_INTEGER: &str = "-ERR value is not an integer or out of range";

    #[track_caller]
    fn check(value: &[u8], lines: &[(&str, &str)]) {
        let mut server = TestServer::new();
        server.run_args(&[b"SET", &b"a"[..], value]);
        for (line, expect) in lines {
            server.check(line, expect);
        }
    }

    #[test]
    fn counting() {
        check(
            b"foobar",
            &[
                ("BITCOUNT a", ":26"),
                ("BITCOUNT a 0 0", ":4"),
                ("BITCOUNT a 1 1 BYTE", ":6"),
                ("BITCOUNT a 5 30 bit", ":17"),
                ("BITCOUNT a 1", ":22"),
                ("BITCOUNT a -1", ":4"),
                ("BITCOUNT a 6", ":0"),
                ("BITCOUNT a -2 -1", ":7"),
                ("BITCOUNT a -2 -3", ":0"),
                ("BITCOUNT a -9 -7", ":4"),
                ("BITCOUNT a -7 -9", ":0"),
                ("BITCOUNT a 3 1", ":0"),
                ("BITCOUNT a -9223372036854775808 9223372036854775807", ":26"),
                ("BITCOUNT none", ":0"),
            ],
        );
    }

    #[test]
    fn searching() {
        check(
            b"\xff\xf0\x00",
            &[
                ("BITPOS a 0", ":12"),
                ("BITPOS a 1", ":0"),
                ("BITPOS a 1 2", ":-1"),
                ("BITPOS a 1 1 -1", ":8"),
                ("BITPOS a 0 0 0", ":-1"),
                ("BITPOS a 0 5 11 BIT", ":-1"),
                ("BITPOS a 0 5 12 BIT", ":12"),
                ("BITPOS a 1 5 3", ":-1"),
                ("BITPOS a 1 -9 -9", ":0"),
                ("BITPOS none 0", ":0"),
                ("BITPOS none 1", ":-1"),
                ("BITPOS none 0 4 5", ":0"),
            ],
        );
        check(
            b"\xff\xff",
            &[
                ("BITPOS a 0", ":16"),
                ("BITPOS a 0 1", ":16"),
                ("BITPOS a 0 2", ":-1"),
                ("BITPOS a 0 0 -1", ":-1"),
            ],
        );
        check(b"", &[("BITPOS a 0", ":-1"), ("BITPOS a 1", ":-1")]);
    }

    #[test]
    fn errors() {
        check(
            b"x",
            &[
                ("BITCOUNT a x", NO_INTEGER),
                ("BITCOUNT a 1 x", NO_INTEGER),
                ("BITCOUNT a 1 2 x", SYNTAX),
                ("BITCOUNT none 1 2 x", SYNTAX),
                ("BITCOUNT a 1 2 BIT BIT", SYNTAX),
                ("BITPOS a 2", "-ERR The bit argument must be 1 or 0."),
                ("BITPOS a x", NO_INTEGER),
                ("BITPOS a 1 x", NO_INTEGER),
                ("BITPOS a 1 1 x zz", SYNTAX),
                ("BITPOS a 1 1 x bit", NO_INTEGER),
                ("BITPOS a 1 1 1 bit 1", SYNTAX),
            ],
        );
    }
}
