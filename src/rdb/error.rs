//! What can be wrong with a file.

use super::format::ModuleName;

/// What is wrong, and where in the file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("at offset {offset}: {kind}")]
pub struct DecodeError {
    /// Bytes from the start of the file to what could not be read.
    pub offset: u64,
    pub kind: DecodeErrorKind,
}

/// What is wrong, in Redis's words where it has some.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DecodeErrorKind {
    #[error("Wrong signature trying to load DB from file")]
    WrongSignature,
    #[error("Can't handle RDB format version {0}")]
    UnsupportedVersion(u16),
    #[error("Unexpected EOF reading RDB file")]
    Truncated,
    #[error("Unknown length encoding {0:#04x}")]
    UnknownLength(u8),
    #[error("Unknown RDB string encoding type {0}")]
    UnknownStringEncoding(u8),
    #[error("Invalid LZF compressed string")]
    BadLzf,
    #[error("a string of {0} bytes is longer than the limit")]
    StringTooLong(u64),
    /// With the key that has it, as far as that can be told.
    #[error("Unknown RDB encoding type {code}")]
    UnknownType { code: u8, key: Option<Box<[u8]>> },
    /// The value as such is there, but is not what its type says.
    #[error("Bad data format: {0}")]
    BadValue(&'static str),
    #[error("Pre-release module format not supported")]
    ModulePreGa,
    #[error("Pre-release function format not supported.")]
    FunctionPreGa,
    #[error("The RDB file contains module data I can't load: no matching module type '{0}'")]
    UnknownModule(ModuleName),
    #[error("The RDB file contains AUX module data I can't load: no matching module '{0}'")]
    UnknownModuleAux(ModuleName),
    #[error("Unknown code {0} in a module's value")]
    BadModuleOpcode(u64),
    #[error("bad when_opcode")]
    BadModuleWhen,
    #[error("Wrong RDB checksum expected: ({expected:x}) but got ({found:x}). Aborting now.")]
    WrongChecksum { expected: u64, found: u64 },
}
