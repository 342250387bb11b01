//! The numbers of the format: opcodes, type bytes, string encodings, magics and versions.

/// Bytes that start an item which is not a key.
pub mod opcode {
    /// State of a slot import in progress (VALKEY magic only).
    pub const SLOT_IMPORT: u8 = 243;
    /// Size hints of one hash slot.
    pub const SLOT_INFO: u8 = 244;
    /// A function library's source.
    pub const FUNCTION2: u8 = 245;
    /// The function format of release candidates, which nobody loads.
    pub const FUNCTION_PRE_GA: u8 = 246;
    /// Data of a module that belongs to no key.
    pub const MODULE_AUX: u8 = 247;
    /// Seconds the next key has been idle.
    pub const IDLE: u8 = 248;
    /// LFU counter of the next key.
    pub const FREQ: u8 = 249;
    /// A named field about the file.
    pub const AUX: u8 = 250;
    /// How many keys, and keys with an expiry, the database holds.
    pub const RESIZE_DB: u8 = 251;
    /// Expiry of the next key in unix milliseconds.
    pub const EXPIRE_MS: u8 = 252;
    /// Expiry of the next key in unix seconds.
    pub const EXPIRE_SECS: u8 = 253;
    /// The database of the keys that follow.
    pub const SELECT_DB: u8 = 254;
    /// The end of the items.
    pub const END: u8 = 255;
}

/// Bytes that start a key and say how its value is written.
pub mod type_byte {
    pub const STRING: u8 = 0;
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    pub const ZSET: u8 = 3;
    pub const HASH: u8 = 4;
    /// Scores as binary doubles.
    pub const ZSET_2: u8 = 5;
    pub const MODULE_PRE_GA: u8 = 6;
    pub const MODULE_2: u8 = 7;
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const SET_INTSET: u8 = 11;
    pub const ZSET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    pub const LIST_QUICKLIST: u8 = 14;
    pub const STREAM_LISTPACKS: u8 = 15;
    pub const HASH_LISTPACK: u8 = 16;
    pub const ZSET_LISTPACK: u8 = 17;
    pub const LIST_QUICKLIST_2: u8 = 18;
    pub const STREAM_LISTPACKS_2: u8 = 19;
    pub const SET_LISTPACK: u8 = 20;
    pub const STREAM_LISTPACKS_3: u8 = 21;
    /// Under the VALKEY magic: a hash whose fields carry an absolute expiry.
    pub const VALKEY_HASH_2: u8 = 22;
    /// Under the REDIS magic: field expiries before 7.4 was final.
    pub const REDIS_HASH_METADATA_PRE_GA: u8 = 22;
    pub const REDIS_HASH_LISTPACK_EX_PRE_GA: u8 = 23;
    /// Field expiries relative to the smallest one, which comes first.
    pub const REDIS_HASH_METADATA: u8 = 24;
    pub const REDIS_HASH_LISTPACK_EX: u8 = 25;
}

/// How a string is written when its length byte starts with two set bits.
pub mod string_encoding {
    pub const INT8: u8 = 0;
    pub const INT16: u8 = 1;
    pub const INT32: u8 = 2;
    pub const LZF: u8 = 3;
}

/// Codes inside a module's value.
pub mod module_opcode {
    pub const END: u64 = 0;
    pub const SINT: u64 = 1;
    pub const UINT: u64 = 2;
    pub const FLOAT: u64 = 3;
    pub const DOUBLE: u64 = 4;
    pub const STRING: u64 = 5;
}

/// Header of every file: magic and version together.
pub const HEADER_LEN_BYTES: usize = 9;
/// CRC64 at the end of a file.
pub const CHECKSUM_LEN_BYTES: usize = 8;
/// The first version that ends with a CRC64.
pub const CHECKSUM_VERSION_MIN: u16 = 5;
/// The newest version read under the REDIS magic.
pub const REDIS_VERSION_MAX: u16 = 12;
/// The only version read under the VALKEY magic.
pub const VALKEY_VERSION: u16 = 80;

/// Whose meaning the type bytes from 22 on have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Redis,
    Valkey,
}

/// The word a file starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Magic {
    Redis,
    Valkey,
}

impl Magic {
    /// How the bytes after this magic are to be read.
    pub fn dialect(self) -> Dialect {
        match self {
            Magic::Redis => Dialect::Redis,
            Magic::Valkey => Dialect::Valkey,
        }
    }
}

/// A version this codec writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileVersion {
    /// What Redis 7.0 and everything newer loads.
    Redis10,
    /// What Redis 7.2 and every Valkey load.
    Redis11,
    /// What Redis 7.4 and 8.0 load.
    Redis12,
    /// What Valkey 9.0 and newer load.
    Valkey80,
}

impl FileVersion {
    /// The nine bytes a file of this version starts with.
    pub fn header(self) -> &'static [u8; HEADER_LEN_BYTES] {
        match self {
            FileVersion::Redis10 => b"REDIS0010",
            FileVersion::Redis11 => b"REDIS0011",
            FileVersion::Redis12 => b"REDIS0012",
            FileVersion::Valkey80 => b"VALKEY080",
        }
    }
}

/// The name of a module as its 64-bit id spells it: nine characters of six bits, then ten
/// bits of the module's own encoding version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModuleName(pub u64);

impl std::fmt::Display for ModuleName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for place in (0..9).rev() {
            let index = (self.0 >> (10 + 6 * place)) & 63;
            write!(f, "{}", char::from(ALPHABET[index as usize]))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_id_spells_its_name() {
        assert_eq!(ModuleName(0).to_string(), "AAAAAAAAA");
        assert_eq!(ModuleName(u64::MAX).to_string(), "_________");
        assert_eq!(ModuleName(1 << 10 | 1023).to_string(), "AAAAAAAAB");
    }
}
