//! What the commands that wait for keys have in common.

use super::cx::Cx;
use super::error::CmdError;
use crate::base::number::parse_f64;

const NO_FLOAT: &str = "ERR timeout is not a float or out of range";
const NEGATIVE: &str = "ERR timeout is negative";
const OUT_OF_RANGE: &str = "ERR timeout is out of range";

/// When a wait ends whose timeout is given in seconds, parts of one included; `None` for one
/// that never does.
///
/// # Errors
/// It is no number, or none of a time to come.
pub fn deadline(cx: &Cx, seconds: &[u8]) -> Result<Option<i64>, CmdError> {
    let seconds = parse_f64(seconds).ok_or(CmdError::text(NO_FLOAT))?;
    let ms = (seconds * 1000.0).ceil();
    if ms > i64::MAX as f64 {
        return Err(CmdError::text(OUT_OF_RANGE));
    }
    deadline_after(cx, ms as i64)
}

/// The same for a timeout in milliseconds; 0 means for ever.
pub fn deadline_after(cx: &Cx, ms: i64) -> Result<Option<i64>, CmdError> {
    match ms {
        ..0 => Err(CmdError::text(NEGATIVE)),
        0 => Ok(None),
        1.. => {
            let at_ms = cx.now_ms().checked_add(ms);
            at_ms.map(Some).ok_or(CmdError::text(OUT_OF_RANGE))
        }
    }
}
