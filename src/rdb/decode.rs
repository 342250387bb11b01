//! Turns the bytes of an RDB file, arriving in pieces, into steps.
//!
//! ```text
//!   next(input) ──> Need: call again with the same front and more bytes behind it
//!              └──> any other step: drop consumed_bytes() from the front, call again
//!              └──> an error: the file is over; its offset says where
//! ```
//!
//! A step lends its bytes from the input, or from the decoder where they had to be unpacked,
//! so a string entry costs no allocation. The attributes before a key (expiry, use) belong
//! to the entry's step. What is in the input is believed as far as it goes: a length that
//! says more than that makes the decoder ask for more, never allocate for it.

use super::cursor::{Cursor, RawString, Stop};
pub use super::error::{DecodeError, DecodeErrorKind};
use super::format::{
    CHECKSUM_LEN_BYTES, CHECKSUM_VERSION_MIN, Dialect, HEADER_LEN_BYTES, Magic, ModuleName,
    REDIS_VERSION_MAX, VALKEY_VERSION, module_opcode, opcode, type_byte,
};
use super::frame::{self, Frame};
pub use super::step::{Checksum, Entry, Header, Step, Value};
use super::text::Text;
use crate::base::hash::Crc64;

/// The longest key that is waited for to name it in an error, its length included.
const UNKNOWN_KEY_BYTES_MAX: u64 = 1024;

/// How a file is read.
#[derive(Debug, Clone)]
pub struct Options {
    /// Compare the CRC64 at the end, unless the file says that it has none.
    pub verify_checksum: bool,
    /// Step over the data of modules instead of refusing the file.
    pub skip_modules: bool,
    /// The longest string believed in, packed or unpacked.
    pub string_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            verify_checksum: true,
            skip_modules: false,
            string_bytes_max: u64::MAX,
        }
    }
}

/// Where the decoder stands between two calls.
enum State {
    Header,
    /// At an opcode or type byte, which stands at `Decoder::position` of the input.
    Item,
    /// Inside something that is walked in pieces.
    Walking(Frame, Walked),
    End(Checksum),
    Failed(DecodeError),
}

/// Something whose end is not found in one look; `start` is behind its opcode or key.
#[derive(Clone, Copy)]
enum Walked {
    Value {
        type_byte: u8,
        key_start: usize,
        start: usize,
    },
    ModuleAux {
        start: usize,
    },
    SlotImport {
        start: usize,
    },
}

/// Attributes of the key that is about to come.
#[derive(Clone, Copy, Default)]
struct Attributes {
    expire_at_ms: Option<i64>,
    lru_idle_secs: Option<u64>,
    lfu_freq: Option<u8>,
}

/// A step whose strings are still as they are written.
enum Found<'i> {
    Step(Step<'i>),
    Aux {
        key: RawString<'i>,
        value: RawString<'i>,
    },
    Function(RawString<'i>),
    Entry {
        key: RawString<'i>,
        type_byte: u8,
        start: usize,
        string: Option<RawString<'i>>,
    },
}

/// The decoder of one file.
pub struct Decoder {
    options: Options,
    state: State,
    dialect: Dialect,
    version: u16,
    db: u64,
    attributes: Attributes,
    /// Offset in the file of the input's first byte.
    offset: u64,
    /// How far into the input the current item is understood.
    position: usize,
    consumed_bytes: usize,
    crc: Crc64,
    key_text: Text,
    value_text: Text,
    /// Where a type byte stands that nobody knows and whose key has not come yet.
    unknown_type: Option<(u64, u8)>,
}

impl Decoder {
    pub fn new(options: Options) -> Self {
        Decoder {
            options,
            state: State::Header,
            dialect: Dialect::Redis,
            version: 0,
            db: 0,
            attributes: Attributes::default(),
            offset: 0,
            position: 0,
            consumed_bytes: 0,
            crc: Crc64::new(),
            key_text: Text::default(),
            value_text: Text::default(),
            unknown_type: None,
        }
    }

    /// How many bytes of its input the last call of `next` is done with; 0 after `Need`.
    pub fn consumed_bytes(&self) -> usize {
        self.consumed_bytes
    }

    /// Offset in the file of the first byte not consumed.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The error to report when the file ends with `input` although the decoder needs more.
    pub fn truncated(&self, input: &[u8]) -> DecodeError {
        if let Some((offset, code)) = self.unknown_type {
            let kind = DecodeErrorKind::UnknownType { code, key: None };
            return DecodeError { offset, kind };
        }
        let offset = self.offset + input.len() as u64;
        DecodeError {
            offset,
            kind: DecodeErrorKind::Truncated,
        }
    }

    /// Reads the next step. `input` starts with the first byte that is not consumed yet.
    /// After an error every further call returns the same error.
    pub fn next<'s>(&'s mut self, input: &'s [u8]) -> Result<Step<'s>, DecodeError> {
        self.consumed_bytes = 0;
        let found = match self.find(input).and_then(|found| self.unpack(found)) {
            Ok(found) => found,
            Err(Stop::Need(input_bytes)) => return Ok(Step::Need { input_bytes }),
            Err(Stop::Bad(position, kind)) => return Err(self.fail(position, kind)),
        };
        let value_offset = self.offset;
        let end = self.consume(input);
        Ok(match found {
            Found::Step(step) => step,
            Found::Aux { key, value } => Step::Aux {
                key: self.key_text.of(key),
                value: self.value_text.of(value),
            },
            Found::Function(code) => Step::Function(self.value_text.of(code)),
            Found::Entry {
                key,
                type_byte,
                start,
                string,
            } => {
                let Attributes {
                    expire_at_ms,
                    lru_idle_secs,
                    lfu_freq,
                } = std::mem::take(&mut self.attributes);
                Step::Entry(Entry {
                    db: self.db,
                    key: self.key_text.of(key),
                    value: match string {
                        Some(string) => Value::String(self.value_text.of(string)),
                        None => Value::Framed {
                            type_byte,
                            dialect: self.dialect,
                        },
                    },
                    expire_at_ms,
                    lru_idle_secs,
                    lfu_freq,
                    type_byte,
                    raw_value: &input[start..end],
                    value_offset: value_offset + start as u64,
                })
            }
        })
    }

    /// Leaves behind what is understood of the input, and says how much that is.
    fn consume(&mut self, input: &[u8]) -> usize {
        let end = std::mem::take(&mut self.position);
        if self.options.verify_checksum {
            self.crc.update(&input[..end]);
        }
        self.consumed_bytes = end;
        self.offset += end as u64;
        end
    }

    fn fail(&mut self, position: usize, kind: DecodeErrorKind) -> DecodeError {
        if let State::Failed(error) = &self.state {
            return error.clone();
        }
        let error = DecodeError {
            offset: self.offset + position as u64,
            kind,
        };
        self.state = State::Failed(error.clone());
        error
    }

    fn cursor<'i>(&self, input: &'i [u8], position: usize) -> Cursor<'i> {
        Cursor::new(input, position, self.options.string_bytes_max)
    }

    /// Finds the next step's bytes. Attributes are taken up on the way, and `position` is
    /// left behind what is understood, so that a later call need not look at it again.
    fn find<'i>(&mut self, input: &'i [u8]) -> Result<Found<'i>, Stop> {
        loop {
            match &mut self.state {
                State::Item => {
                    if let Some(found) = self.item(input)? {
                        return Ok(found);
                    }
                }
                State::Walking(frame, walked) => {
                    let walked = *walked;
                    self.position = frame.walk(input, self.options.string_bytes_max)?;
                    self.state = State::Item;
                    return self.walked(walked, input);
                }
                State::Header => return self.header(input).map(Found::Step),
                State::End(checksum) => {
                    return Ok(Found::Step(Step::End {
                        checksum: *checksum,
                    }));
                }
                State::Failed(error) => return Err(Stop::Bad(0, error.kind.clone())),
            }
        }
    }

    fn header(&mut self, input: &[u8]) -> Result<Step<'static>, Stop> {
        let bytes: [u8; HEADER_LEN_BYTES] = self.cursor(input, 0).array()?;
        let (magic, digits) = if let Some(digits) = bytes.strip_prefix(b"REDIS") {
            (Magic::Redis, digits)
        } else if let Some(digits) = bytes.strip_prefix(b"VALKEY") {
            (Magic::Valkey, digits)
        } else {
            return Err(Stop::Bad(0, DecodeErrorKind::WrongSignature));
        };
        let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
        let version = digits.fold(0, |number, byte| number * 10 + u16::from(byte - b'0'));
        let known = match magic {
            Magic::Redis => (1..=REDIS_VERSION_MAX).contains(&version),
            Magic::Valkey => version == VALKEY_VERSION,
        };
        if !known {
            return Err(Stop::Bad(0, DecodeErrorKind::UnsupportedVersion(version)));
        }
        (self.dialect, self.version) = (magic.dialect(), version);
        self.position = HEADER_LEN_BYTES;
        self.state = State::Item;
        Ok(Step::Header(Header { magic, version }))
    }

    /// Reads an item from its first byte; none when it was an attribute or only the head of
    /// something that is to be walked.
    #[inline]
    fn item<'i>(&mut self, input: &'i [u8]) -> Result<Option<Found<'i>>, Stop> {
        let start = self.position;
        let mut cursor = self.cursor(input, start);
        let code = cursor.byte()?;
        if code == type_byte::STRING {
            let key = cursor.string()?;
            let start = cursor.position();
            let string = Some(cursor.string()?);
            self.position = cursor.position();
            return Ok(Some(Found::Entry {
                key,
                type_byte: code,
                start,
                string,
            }));
        }
        let found = match code {
            opcode::EXPIRE_MS | opcode::EXPIRE_SECS | opcode::IDLE | opcode::FREQ => {
                self.attribute(code, &mut cursor)?;
                None
            }
            opcode::AUX => {
                let (key, value) = (cursor.string()?, cursor.string()?);
                Some(Found::Aux { key, value })
            }
            opcode::FUNCTION2 => Some(Found::Function(cursor.string()?)),
            opcode::SELECT_DB => {
                self.db = cursor.length()?;
                Some(Found::Step(Step::SelectDb(self.db)))
            }
            opcode::RESIZE_DB => {
                let (keys, expires) = (cursor.length()?, cursor.length()?);
                Some(Found::Step(Step::ResizeDb { keys, expires }))
            }
            opcode::SLOT_INFO => {
                let (slot, keys) = (cursor.length()?, cursor.length()?);
                let expires = cursor.length()?;
                Some(Found::Step(Step::SlotInfo {
                    slot,
                    keys,
                    expires,
                }))
            }
            opcode::END => Some(Found::Step(self.end(input, &mut cursor)?)),
            _ => {
                self.begin_walk(start, code, &mut cursor)?;
                None
            }
        };
        self.position = cursor.position();
        Ok(found)
    }

    fn attribute(&mut self, code: u8, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        match code {
            opcode::EXPIRE_MS => {
                let unix_ms = i64::from_le_bytes(cursor.array()?);
                // Redis's own mark for a key that does not expire.
                self.attributes.expire_at_ms = (unix_ms != -1).then_some(unix_ms);
            }
            opcode::EXPIRE_SECS => {
                let unix_secs = i32::from_le_bytes(cursor.array()?);
                self.attributes.expire_at_ms = Some(i64::from(unix_secs) * 1000);
            }
            opcode::IDLE => self.attributes.lru_idle_secs = Some(cursor.length()?),
            _ => self.attributes.lfu_freq = Some(cursor.byte()?),
        }
        Ok(())
    }

    /// Sets out to walk over what `code` starts; `code_at` is where that byte stands.
    fn begin_walk(
        &mut self,
        code_at: usize,
        code: u8,
        cursor: &mut Cursor<'_>,
    ) -> Result<(), Stop> {
        let start = cursor.position();
        let (ops, walked) = match code {
            opcode::FUNCTION_PRE_GA => {
                return Err(Stop::Bad(code_at, DecodeErrorKind::FunctionPreGa));
            }
            type_byte::MODULE_PRE_GA => {
                return Err(Stop::Bad(code_at, DecodeErrorKind::ModulePreGa));
            }
            opcode::MODULE_AUX => {
                self.check_module_aux(code_at, &mut cursor.clone())?;
                (frame::MODULE_AUX, Walked::ModuleAux { start })
            }
            opcode::SLOT_IMPORT if self.dialect == Dialect::Valkey => {
                (frame::SLOT_IMPORT, Walked::SlotImport { start })
            }
            _ => {
                let Some(ops) = frame::grammar(code, self.dialect) else {
                    self.unknown_type = Some((self.offset + code_at as u64, code));
                    let key = unknown_key(cursor)?;
                    let kind = DecodeErrorKind::UnknownType { code, key };
                    return Err(Stop::Bad(code_at, kind));
                };
                cursor.string()?;
                let (key_start, start) = (start, cursor.position());
                if code == type_byte::MODULE_2 && !self.options.skip_modules {
                    let module = ModuleName(cursor.length()?);
                    return Err(Stop::Bad(code_at, DecodeErrorKind::UnknownModule(module)));
                }
                (
                    ops,
                    Walked::Value {
                        type_byte: code,
                        key_start,
                        start,
                    },
                )
            }
        };
        self.state = State::Walking(Frame::new(ops, cursor.position()), walked);
        Ok(())
    }

    fn check_module_aux(&self, code_at: usize, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        let module = ModuleName(cursor.length()?);
        let when_at = cursor.position();
        if cursor.length()? != module_opcode::UINT {
            return Err(Stop::Bad(when_at, DecodeErrorKind::BadModuleWhen));
        }
        if !self.options.skip_modules {
            return Err(Stop::Bad(
                code_at,
                DecodeErrorKind::UnknownModuleAux(module),
            ));
        }
        Ok(())
    }

    /// Makes a step of what was walked over, which ends at `position`.
    fn walked<'i>(&mut self, walked: Walked, input: &'i [u8]) -> Result<Found<'i>, Stop> {
        let end = self.position;
        Ok(match walked {
            Walked::Value {
                type_byte,
                key_start,
                start,
            } => {
                let key = self.cursor(input, key_start).string()?;
                Found::Entry {
                    key,
                    type_byte,
                    start,
                    string: None,
                }
            }
            Walked::ModuleAux { start } => {
                let module = ModuleName(self.cursor(input, start).length()?);
                Found::Step(Step::ModuleAux {
                    module,
                    raw: &input[start..end],
                })
            }
            Walked::SlotImport { start } => Found::Step(Step::SlotImport {
                raw: &input[start..end],
            }),
        })
    }

    /// Reads what follows the end's byte, which the cursor is behind.
    fn end(&mut self, input: &[u8], cursor: &mut Cursor<'_>) -> Result<Step<'static>, Stop> {
        let checked_end = cursor.position();
        let checksum = if self.version < CHECKSUM_VERSION_MIN {
            Checksum::Absent
        } else {
            let found = u64::from_le_bytes(cursor.array::<CHECKSUM_LEN_BYTES>()?);
            if !self.options.verify_checksum {
                Checksum::Skipped
            } else if found == 0 {
                Checksum::Disabled
            } else {
                self.crc.update(&input[..checked_end]);
                let expected = self.crc.value();
                if expected != found {
                    let kind = DecodeErrorKind::WrongChecksum { expected, found };
                    return Err(Stop::Bad(checked_end, kind));
                }
                Checksum::Verified
            }
        };
        self.state = State::End(checksum);
        Ok(Step::End { checksum })
    }

    /// Unpacks the strings of a step that are not readable where they stand.
    #[inline]
    fn unpack<'i>(&mut self, found: Found<'i>) -> Result<Found<'i>, Stop> {
        match &found {
            Found::Step(_) => {}
            Found::Function(code) => self.value_text.load(*code)?,
            Found::Aux { key, value } => {
                self.key_text.load(*key)?;
                self.value_text.load(*value)?;
            }
            Found::Entry { key, string, .. } => {
                self.key_text.load(*key)?;
                if let Some(string) = string {
                    self.value_text.load(*string)?;
                }
            }
        }
        Ok(found)
    }
}

/// The key behind a type byte that nobody knows: most likely there is one. It is waited for,
/// and named, only if it is short, since all of it may be garbage.
fn unknown_key(cursor: &mut Cursor<'_>) -> Result<Option<Box<[u8]>>, Stop> {
    let start = cursor.position() as u64;
    match cursor.string() {
        Ok(raw) if cursor.position() as u64 - start <= UNKNOWN_KEY_BYTES_MAX => {
            let mut text = Text::default();
            let loaded = text.load(raw);
            Ok(loaded.ok().map(|()| text.take(raw).into()))
        }
        Err(Stop::Need(bytes)) if bytes - start <= UNKNOWN_KEY_BYTES_MAX => Err(Stop::Need(bytes)),
        _ => Ok(None),
    }
}
