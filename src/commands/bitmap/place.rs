//! Where bits are: offsets and ranges as commands are given them, and the strings they are in.

use crate::base::number::parse_i64;
use crate::commands::args::Args;
use crate::commands::cx::Cx;
use crate::commands::error::CmdError;
use crate::config::Param;
use crate::shared::session::Origin;
use crate::store::entry::Entry;
use crate::store::keyspace::Key;

/// A bit's offset. What the leader did is done, however far away.
pub fn offset(cx: &Cx, arg: &[u8]) -> Result<u64, CmdError> {
    scaled_offset(cx, arg, 1)
}

/// The offset of a number so many bits wide: in bits, or behind `#` in such numbers.
pub fn field_offset(cx: &Cx, arg: &[u8], width: u64) -> Result<u64, CmdError> {
    match arg.strip_prefix(b"#") {
        Some(count) => scaled_offset(cx, count, width),
        None => scaled_offset(cx, arg, 1),
    }
}

fn scaled_offset(cx: &Cx, arg: &[u8], scale: u64) -> Result<u64, CmdError> {
    let bytes_max = match cx.session.origin {
        Origin::Client => cx.shared.config.get_bytes(Param::ProtoMaxBulkLen),
        Origin::Leader => u64::MAX,
    };
    // A product beyond 64 bits turns over, as it does on the other servers: whoever leads us
    // may have done it.
    let at = parse_i64(arg).map(|n| n.wrapping_mul(scale as i64));
    at.and_then(|at| u64::try_from(at).ok())
        .filter(|at| at / 8 < bytes_max)
        .ok_or(CmdError::text(
            "ERR bit offset is not an integer or out of range",
        ))
}

/// A string that is read; `None` if there is none.
pub fn read<'c>(cx: &'c mut Cx, key: Key) -> Result<Option<&'c [u8]>, CmdError> {
    match cx.store.read(cx.session.db, key) {
        Some(entry) => Ok(Some(entry.string_bytes().ok_or(CmdError::WrongType)?)),
        None => Ok(None),
    }
}

/// Has the string at `key` at least so many bytes, zeros added, made if there is none, and
/// changes it. True if it became longer.
pub fn change<R>(
    cx: &mut Cx,
    key: Key,
    len: usize,
    change: impl FnOnce(&mut [u8]) -> R,
) -> Result<(bool, R), CmdError> {
    let db = cx.session.db;
    if let Some(mut entry) = cx.store.write(db, key) {
        let old_len = entry.string_bytes().ok_or(CmdError::WrongType)?.len();
        if old_len < len {
            entry.update(|entry| entry.grown(len));
        }
        let bytes = entry.string_bytes_mut().ok_or(CmdError::WrongType)?;
        return Ok((old_len < len, change(bytes)));
    }
    let mut entry = Entry::string(key.bytes, b"", None).grown(len);
    let bytes = entry.string_bytes_mut().ok_or(CmdError::WrongType)?;
    let result = change(bytes);
    cx.store.put(db, key, entry);
    Ok((true, result))
}

/// A range as it is given: from, to and in what, all of them optional.
#[derive(Clone, Copy)]
pub struct Range {
    start: i64,
    /// `None` if it goes to the end because nobody said where.
    end: Option<i64>,
    in_bits: bool,
}

impl Range {
    /// `[start [end [BYTE | BIT]]]`, the whole string if there is nothing.
    pub fn parse(mut args: Args) -> Result<Range, CmdError> {
        let mut range = Range {
            start: 0,
            end: None,
            in_bits: false,
        };
        if args.left() > 3 {
            return Err(CmdError::Syntax);
        }
        if !args.is_empty() {
            range.start = args.i64();
            args.check()?;
        }
        // A wrong unit is said before a wrong end.
        let mut unit = args.clone();
        unit.skip(1);
        if !unit.is_empty() {
            range.in_bits = unit.take("bit");
            if !range.in_bits && !unit.take("byte") {
                return Err(CmdError::Syntax);
            }
        }
        if !args.is_empty() {
            range.end = Some(args.i64());
            args.check()?;
        }
        Ok(range)
    }

    pub fn has_end(&self) -> bool {
        self.end.is_some()
    }

    /// Whether both ends are counted from behind and the wrong way round.
    pub fn is_backwards(&self) -> bool {
        let end = self.end.unwrap_or(-1);
        self.start < 0 && end < 0 && self.start > end
    }

    /// The first and the last bit of it that a string of so many bytes has.
    pub fn bits(&self, len_bytes: usize) -> Option<(u64, u64)> {
        let unit = if self.in_bits { 1 } else { 8 };
        let len = len_bytes as i64 * 8 / unit;
        let from_front = |at: i64| match at {
            0.. => at,
            _ => len.saturating_add(at).max(0),
        };
        let start = from_front(self.start);
        let end = from_front(self.end.unwrap_or(-1)).min(len - 1);
        (start <= end).then(|| ((start * unit) as u64, (end * unit + unit - 1) as u64))
    }
}
