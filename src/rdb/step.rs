//! What a file is made of, as the decoder hands it out.

use super::format::{Dialect, Magic, ModuleName};

/// What the next bytes of the file are.
#[derive(Debug, Clone, PartialEq)]
pub enum Step<'s> {
    /// The input must reach at least this length. It is a claim of the file: a reason to
    /// read more, never to allocate that much.
    Need {
        input_bytes: u64,
    },
    Header(Header),
    Aux {
        key: &'s [u8],
        value: &'s [u8],
    },
    SelectDb(u64),
    ResizeDb {
        keys: u64,
        expires: u64,
    },
    SlotInfo {
        slot: u64,
        keys: u64,
        expires: u64,
    },
    /// The state of a slot import, its opcode left out.
    SlotImport {
        raw: &'s [u8],
    },
    /// A function library's source.
    Function(&'s [u8]),
    /// A module's data outside the keys, its opcode left out; only with `skip_modules`.
    ModuleAux {
        module: ModuleName,
        raw: &'s [u8],
    },
    Entry(Entry<'s>),
    /// The end of the file. Asked again the decoder says it again and consumes nothing.
    End {
        checksum: Checksum,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub magic: Magic,
    pub version: u16,
}

/// One key of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<'s> {
    pub db: u64,
    pub key: &'s [u8],
    pub value: Value<'s>,
    /// Unix milliseconds.
    pub expire_at_ms: Option<i64>,
    pub lru_idle_secs: Option<u64>,
    pub lfu_freq: Option<u8>,
    pub type_byte: u8,
    /// The value as it is written, without the type byte.
    pub raw_value: &'s [u8],
    /// Where in the file `raw_value` starts.
    pub value_offset: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value<'s> {
    String(&'s [u8]),
    /// Its bytes are the entry's `raw_value`, for `value::decode`.
    Framed {
        type_byte: u8,
        dialect: Dialect,
    },
}

/// What became of the checksum at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    Verified,
    /// The file was written without one.
    Disabled,
    /// The version is older than checksums.
    Absent,
    /// The options said not to look.
    Skipped,
}
