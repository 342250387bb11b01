//! The payload of DUMP and RESTORE: one value and a footer.
//!
//! ```text
//!   type byte | value as in a file | version, 2 bytes, low first | CRC64 of all before it
//! ```
//!
//! There is no magic, so the version alone says whose type bytes these are. What is written
//! carries the oldest version whose loaders know the type, so that as many servers as
//! possible take it: Valkey 9 refuses 12 to 79 and Redis all above its own.

use super::cursor::{Cursor, Stop};
use super::encode::{Encoder, version_that_knows};
use super::format::{Dialect, FileVersion, REDIS_VERSION_MAX, VALKEY_VERSION, opcode, type_byte};
use super::frame::{Frame, grammar};
use super::text::Text;
use super::value;
use crate::base::hash::Crc64;
use crate::types::{Limits, Value, ValueRef};

const VERSION_LEN_BYTES: usize = 2;
const FOOTER_LEN_BYTES: usize = VERSION_LEN_BYTES + 8;

/// The first version whose loaders know function libraries.
const FUNCTIONS_VERSION: u16 = 10;

/// Why a payload is refused; the texts are RESTORE's replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DumpError {
    #[error("DUMP payload version or checksum are wrong")]
    VersionOrChecksum,
    #[error("Bad data format")]
    BadFormat,
}

/// A payload without its footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Body<'p> {
    /// Type byte and value.
    pub bytes: &'p [u8],
    pub version: u16,
}

/// The payload of a string.
pub fn encode_string(encoder: &mut Encoder, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + 9 + value.len() + FOOTER_LEN_BYTES);
    out.push(type_byte::STRING);
    encoder.put_string(&mut out, value);
    seal(out, Dialect::Redis)
}

/// The payload of any value, in the form that the most servers know of those that hold all of
/// it.
pub fn encode(encoder: &mut Encoder, value: ValueRef<'_>) -> Vec<u8> {
    let known = |&target: &FileVersion| value::holds_all(value, target);
    let targets = [FileVersion::Redis10, FileVersion::Redis11];
    let target = targets.into_iter().find(known);
    // Whatever there is, the newest version knows.
    let target = target.unwrap_or(FileVersion::Redis12);
    let mut out = Vec::new();
    out.extend(value::type_byte(value, target));
    value::put(value, target, encoder, &mut out);
    seal(out, Dialect::Redis)
}

/// Puts the footer behind function libraries, as FUNCTION DUMP gives them.
pub fn seal_functions(body: Vec<u8>) -> Vec<u8> {
    seal_as(body, FUNCTIONS_VERSION)
}

/// Puts the footer behind a type byte and a value.
pub fn seal(body: Vec<u8>, dialect: Dialect) -> Vec<u8> {
    let type_byte = body.first().copied().unwrap_or(type_byte::STRING);
    seal_as(body, version_that_knows(type_byte, dialect))
}

fn seal_as(mut body: Vec<u8>, version: u16) -> Vec<u8> {
    body.extend_from_slice(&version.to_le_bytes());
    let mut crc = Crc64::new();
    crc.update(&body);
    body.extend_from_slice(&crc.value().to_le_bytes());
    body
}

/// Checks the footer. `check_crc` is false only where DEBUG turned the check off.
pub fn verify(payload: &[u8], check_crc: bool) -> Result<Body<'_>, DumpError> {
    let refused = DumpError::VersionOrChecksum;
    let body_len = payload.len().checked_sub(FOOTER_LEN_BYTES).ok_or(refused)?;
    let (bytes, footer) = payload.split_at(body_len);
    let (version, crc) = footer
        .split_first_chunk::<VERSION_LEN_BYTES>()
        .ok_or(refused)?;
    let version = u16::from_le_bytes(*version);
    if version > REDIS_VERSION_MAX && version != VALKEY_VERSION {
        return Err(refused);
    }
    if check_crc {
        let mut expected = Crc64::new();
        expected.update(&payload[..body_len + VERSION_LEN_BYTES]);
        if crc != expected.value().to_le_bytes() {
            return Err(refused);
        }
    }
    Ok(Body { bytes, version })
}

/// Reads the value of a body. Bytes behind the value are ignored, as Redis does.
/// The value is in the form that `limits` ask for, and not empty.
pub fn decode(body: &Body, limits: &Limits) -> Result<Value, DumpError> {
    match read(body, limits) {
        Ok(Some(value)) if !value.as_ref().is_nothing() => Ok(value),
        _ => Err(DumpError::BadFormat),
    }
}

fn read(body: &Body, limits: &Limits) -> Result<Option<Value>, Stop> {
    let mut cursor = Cursor::new(body.bytes, 0, u64::MAX);
    let type_byte = cursor.byte()?;
    if type_byte == type_byte::STRING {
        return Ok(Some(Value::String(text(&mut cursor)?)));
    }
    let dialect = match body.version {
        VALKEY_VERSION => Dialect::Valkey,
        _ => Dialect::Redis,
    };
    let Some(ops) = grammar(type_byte, dialect) else {
        return Ok(None);
    };
    let end = Frame::new(ops, 1).walk(body.bytes, u64::MAX)?;
    let raw = body.bytes.get(1..end).unwrap_or_default();
    let value = value::decode(type_byte, dialect, raw, limits);
    value.map(Some).map_err(|kind| Stop::Bad(1, kind))
}

/// Why libraries cannot be read; the texts are FUNCTION RESTORE's replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FunctionsError {
    #[error("Pre-GA function format not supported")]
    PreGa,
    #[error("given type is not a function")]
    OtherType,
    #[error("failed loading the given functions payload")]
    BadCode,
}

/// Reads the libraries of a body, one after the other.
pub fn decode_functions(body: &Body) -> Result<Vec<Vec<u8>>, FunctionsError> {
    let mut cursor = Cursor::new(body.bytes, 0, u64::MAX);
    let mut codes = Vec::new();
    while cursor.position() < body.bytes.len() {
        match cursor.byte() {
            Ok(opcode::FUNCTION2) => {}
            Ok(opcode::FUNCTION_PRE_GA) => return Err(FunctionsError::PreGa),
            _ => return Err(FunctionsError::OtherType),
        }
        let code = text(&mut cursor).map_err(|_| FunctionsError::BadCode)?;
        codes.push(code);
    }
    Ok(codes)
}

fn text(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, Stop> {
    let raw = cursor.string()?;
    let mut text = Text::default();
    text.load(raw)?;
    Ok(text.take(raw))
}
