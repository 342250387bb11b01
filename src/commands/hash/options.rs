//! How the moment at which fields end is given, and which fields they are.

use crate::base::number::parse_i64;
use crate::commands::args::Args;
use crate::commands::cx::Cx;
use crate::commands::error::CmdError;
use crate::store::locked::Expiry;
use crate::types::hash::EXPIRE_AT_MS_MAX;

/// The unit of a time, and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    pub is_seconds: bool,
    pub is_absolute: bool,
}

impl Form {
    /// What EX, PX, EXAT and PXAT stand for.
    pub fn named(option: &[u8]) -> Option<Form> {
        let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
        let (is_seconds, is_absolute) = match () {
            () if is("ex") => (true, false),
            () if is("px") => (false, false),
            () if is("exat") => (true, true),
            () if is("pxat") => (false, true),
            () => return None,
        };
        Some(Form {
            is_seconds,
            is_absolute,
        })
    }

    /// The moment in Unix milliseconds; it may be over.
    ///
    /// # Errors
    /// It is none that a field can have.
    pub fn moment(self, cx: &Cx, text: &[u8], command: &str) -> Result<i64, CmdError> {
        let number = parse_i64(text).ok_or(CmdError::NotInteger)?;
        if number < 0 {
            return Err(CmdError::text("ERR invalid expire time, must be >= 0"));
        }
        let unit_ms = if self.is_seconds { 1000 } else { 1 };
        let base_ms = if self.is_absolute { 0 } else { cx.now_ms() };
        let at_ms = number
            .checked_mul(unit_ms)
            .and_then(|number_ms| number_ms.checked_add(base_ms));
        match at_ms {
            Some(at_ms) if at_ms <= EXPIRE_AT_MS_MAX => Ok(at_ms),
            // Some leaders let fields live longer than we can tell.
            _ if cx.store.expiry == Expiry::Ignore => Ok(EXPIRE_AT_MS_MAX),
            _ => Err(CmdError::InvalidExpire(command.to_owned())),
        }
    }
}

/// Takes `FIELDS n`, behind which exactly n names must follow.
///
/// # Errors
/// It is not there, or `n` is wrong: `not_positive` says so if it is no count at all.
pub fn take_fields(args: &mut Args, not_positive: &'static str) -> Result<usize, CmdError> {
    if !args.take("fields") {
        return Err(CmdError::text(
            "ERR Mandatory argument FIELDS is missing or not at the right position",
        ));
    }
    let count = parse_i64(args.bytes()).filter(|count| *count > 0);
    let count = count.ok_or(CmdError::text(not_positive))?;
    if count as usize != args.left() {
        return Err(CmdError::text(
            "ERR The `numfields` parameter must match the number of arguments",
        ));
    }
    Ok(count as usize)
}

/// The text for most commands.
pub const NOT_POSITIVE: &str = "ERR Number of fields must be a positive integer";
