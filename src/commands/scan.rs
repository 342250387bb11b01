//! What SCAN, HSCAN, SSCAN and ZSCAN have in common: the cursor and the options.

use super::args::Args;
use super::error::CmdError;
use crate::base::glob;
use crate::base::number::parse_u64;

/// How many elements a call visits if it is not told.
const COUNT: usize = 10;

/// What is scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Keys,
    Hash,
    Set,
    ZSet,
}

#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    pub count: usize,
    pub pattern: &'a [u8],
    /// The name of a type; one that there is not matches no key.
    pub kind: Option<&'a [u8]>,
    /// The names of a hash's fields only, or the members of a sorted set.
    pub no_values: bool,
}

/// The options behind the cursor.
pub fn options<'a>(mut args: Args<'a>, of: Of) -> Result<Options<'a>, CmdError> {
    let mut options = Options {
        count: COUNT,
        pattern: b"*",
        kind: None,
        no_values: false,
    };
    while !args.is_empty() {
        let has_value = args.left() >= 2;
        if has_value && args.take("count") {
            let count = args.i64();
            args.check()?;
            if count < 1 {
                return Err(CmdError::Syntax);
            }
            options.count = count as usize;
        } else if has_value && args.take("match") {
            options.pattern = args.bytes();
        } else if has_value && of == Of::Keys && args.take("type") {
            options.kind = Some(args.bytes());
        } else if args.take("novalues") {
            if of != Of::Hash {
                return Err(CmdError::text(
                    "ERR NOVALUES option can only be used in HSCAN",
                ));
            }
            options.no_values = true;
        } else if of == Of::ZSet && args.take("noscores") {
            options.no_values = true;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    Ok(options)
}

/// A cursor, read as generously as C reads numbers: blanks, a plus and zeros may lead.
pub fn cursor(text: &[u8]) -> Result<u64, CmdError> {
    let number = text.trim_ascii_start();
    let number = number.strip_prefix(b"+").unwrap_or(number);
    parse_u64(number).ok_or(CmdError::text("ERR invalid cursor"))
}

#[inline]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    pattern == b"*" || glob::matches(pattern, text, false)
}
