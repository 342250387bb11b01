//! Appends the items of an RDB file to a `Vec<u8>`.
//!
//! The functions know no file and keep no checksum: pieces are written by several walkers
//! and joined by one, who runs the CRC over what it joins. A string entry costs no
//! allocation once the vector has its capacity.

use super::format::type_byte as t;
use super::format::{Dialect, FileVersion, opcode, string_encoding};
use super::lzf;
use crate::base::number::parse_i64;

/// The longest decimal text that may fit 32 bits, sign included.
const INT_TEXT_LEN_MAX: usize = 11;

/// What is known of a key's last use; at most one of the two, as in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    #[default]
    Unknown,
    /// Seconds since the key was used.
    LruIdleSecs(u64),
    /// The logarithmic counter of uses.
    LfuFreq(u8),
}

/// What stands before a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyMeta {
    /// Unix milliseconds.
    pub expire_at_ms: Option<i64>,
    pub access: Access,
}

/// Starts a file.
pub fn put_header(out: &mut Vec<u8>, version: FileVersion) {
    out.extend_from_slice(version.header());
}

/// A named field about the file; loaders skip the names they do not know.
pub fn put_aux(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    out.push(opcode::AUX);
    put_string_short(out, key);
    put_string_short(out, value);
}

/// A named number about the file.
pub fn put_aux_i64(out: &mut Vec<u8>, key: &[u8], value: i64) {
    put_aux(out, key, itoa::Buffer::new().format(value).as_bytes());
}

/// The keys that follow belong to this database.
pub fn put_select_db(out: &mut Vec<u8>, db: u64) {
    out.push(opcode::SELECT_DB);
    put_len(out, db);
}

/// How many keys the database holds, and how many of them expire.
pub fn put_resize_db(out: &mut Vec<u8>, keys: u64, expires: u64) {
    out.push(opcode::RESIZE_DB);
    put_len(out, keys);
    put_len(out, expires);
}

/// Ends the items. The checksum covers everything up to and including this byte.
pub fn put_end(out: &mut Vec<u8>) {
    out.push(opcode::END);
}

/// The last eight bytes of a file; none writes the zero that loaders do not check.
pub fn put_checksum(out: &mut Vec<u8>, crc64: Option<u64>) {
    out.extend_from_slice(&crc64.unwrap_or(0).to_le_bytes());
}

/// A length or number in 1, 2, 5 or 9 bytes.
#[inline]
pub fn put_len(out: &mut Vec<u8>, len: u64) {
    if len < 1 << 6 {
        out.push(len as u8);
    } else if len < 1 << 14 {
        out.extend_from_slice(&[0x40 | (len >> 8) as u8, len as u8]);
    } else if let Ok(len) = u32::try_from(len) {
        let [a, b, c, d] = len.to_be_bytes();
        out.extend_from_slice(&[0x80, a, b, c, d]);
    } else {
        out.push(0x81);
        out.extend_from_slice(&len.to_be_bytes());
    }
}

/// A string as it is, length first.
#[inline]
pub fn put_string_plain(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A time of eight bytes, as streams and field expiries have them.
pub fn put_ms(out: &mut Vec<u8>, unix_ms: i64) {
    out.extend_from_slice(&unix_ms.to_le_bytes());
}

/// A string never compressed, as an integer where its text is one.
#[inline]
fn put_string_short(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.len() <= INT_TEXT_LEN_MAX && put_integer(out, bytes) {
        return;
    }
    put_string_plain(out, bytes);
}

/// Appends the integer form if `bytes` is the canonical text of a 32-bit integer.
#[inline]
fn put_integer(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let Some(value) = parse_i32(bytes) else {
        return false;
    };
    if let Ok(value) = i8::try_from(value) {
        out.extend_from_slice(&[0xC0 | string_encoding::INT8, value as u8]);
    } else if let Ok(value) = i16::try_from(value) {
        let [a, b] = value.to_le_bytes();
        out.extend_from_slice(&[0xC0 | string_encoding::INT16, a, b]);
    } else {
        let [a, b, c, d] = value.to_le_bytes();
        out.extend_from_slice(&[0xC0 | string_encoding::INT32, a, b, c, d]);
    }
    true
}

#[inline]
fn parse_i32(bytes: &[u8]) -> Option<i32> {
    match bytes.first() {
        Some(b'0'..=b'9' | b'-') => i32::try_from(parse_i64(bytes)?).ok(),
        _ => None,
    }
}

/// Writes strings, and with them whole entries. It owns what compression needs, so one
/// belongs to each thread that writes.
#[derive(Default)]
pub struct Encoder {
    packer: Option<lzf::Packer>,
}

impl Encoder {
    /// An encoder that packs long strings, or leaves them all as they are.
    pub fn new(compression: bool) -> Self {
        Encoder {
            packer: compression.then(lzf::Packer::default),
        }
    }

    /// A key and its string value. This is the path nearly every entry takes.
    #[inline]
    pub fn put_string_entry(&mut self, out: &mut Vec<u8>, key: &[u8], value: &[u8], meta: KeyMeta) {
        out.reserve(key.len() + value.len() + ENTRY_OVERHEAD_BYTES_MAX);
        self.put_entry_head(out, t::STRING, key, meta);
        self.put_string(out, value);
    }

    /// Everything of an entry but its value, which the caller appends.
    #[inline]
    pub fn put_entry_head(&mut self, out: &mut Vec<u8>, type_byte: u8, key: &[u8], meta: KeyMeta) {
        if let Some(unix_ms) = meta.expire_at_ms {
            out.push(opcode::EXPIRE_MS);
            put_ms(out, unix_ms);
        }
        match meta.access {
            Access::Unknown => {}
            Access::LruIdleSecs(secs) => {
                out.push(opcode::IDLE);
                put_len(out, secs);
            }
            Access::LfuFreq(freq) => out.extend_from_slice(&[opcode::FREQ, freq]),
        }
        out.push(type_byte);
        self.put_string(out, key);
    }

    /// A string in the form Redis would choose: integer, packed, or as it is.
    #[inline]
    pub fn put_string(&mut self, out: &mut Vec<u8>, bytes: &[u8]) {
        if bytes.len() <= lzf::UNPACKED_LEN_MAX {
            return put_string_short(out, bytes);
        }
        let packed = match &mut self.packer {
            Some(packer) => put_packed(packer, out, bytes),
            None => false,
        };
        if !packed {
            put_string_plain(out, bytes);
        }
    }

    /// A function library's source.
    pub fn put_function(&mut self, out: &mut Vec<u8>, code: &[u8]) {
        out.push(opcode::FUNCTION2);
        self.put_string(out, code);
    }
}

/// Attributes, type byte and two lengths.
const ENTRY_OVERHEAD_BYTES_MAX: usize = 9 + 10 + 1 + 9 + 9;

/// The packed form needs its own length before it, so it is written at the end of `out` and
/// moved behind the head: a few bytes' move, and only for what did pack.
#[inline]
fn put_packed(packer: &mut lzf::Packer, out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let start = out.len();
    if !packer.pack(bytes, out) {
        return false;
    }
    let packed_len = out.len() - start;
    out.push(0xC0 | string_encoding::LZF);
    put_len(out, packed_len as u64);
    put_len(out, bytes.len() as u64);
    out[start..].rotate_left(packed_len);
    true
}

/// The version whose loaders are the oldest to know this type byte: what a payload without
/// a header should claim so that as many servers as possible take it.
pub fn version_that_knows(type_byte: u8, dialect: Dialect) -> u16 {
    match type_byte {
        t::ZSET_2 | t::MODULE_2 => 8,
        t::LIST_QUICKLIST => 7,
        t::STREAM_LISTPACKS => 9,
        t::HASH_LISTPACK..=t::STREAM_LISTPACKS_2 => 10,
        t::SET_LISTPACK | t::STREAM_LISTPACKS_3 => 11,
        t::VALKEY_HASH_2.. if dialect == Dialect::Valkey => 80,
        t::REDIS_HASH_METADATA_PRE_GA.. => 12,
        _ => 6,
    }
}
