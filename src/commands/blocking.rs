//! What the commands that wait for keys have in common.

use super::cx::Cx;
use super::error::CmdError;
use crate::base::long_double::LongDouble;

const NO_FLOAT: &str = "ERR timeout is not a float or out of range";
const NEGATIVE: &str = "ERR timeout is negative";
const OUT_OF_RANGE: &str = "ERR timeout is out of range";

/// When a wait ends whose timeout is given in seconds, parts of one included; `None` for one
/// that never does.
///
/// # Errors
/// It is no number, or none of a time to come.
pub fn deadline(cx: &Cx, seconds: &[u8]) -> Result<Option<i64>, CmdError> {
    let seconds = LongDouble::parse(seconds).ok_or(CmdError::text(NO_FLOAT))?;
    let ms = seconds.thousandths_up();
    if ms > i128::from(i64::MAX) {
        return Err(CmdError::text(OUT_OF_RANGE));
    }
    deadline_after(cx, i64::try_from(ms).unwrap_or(i64::MIN))
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
