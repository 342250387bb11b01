//! Entries on their way from the thread that decodes to one that builds, many at a time:
//! their bytes in one buffer, so that a batch costs no allocation once it was used.

use crate::rdb::format::Dialect;

/// A batch goes when it holds so many entries, or so many bytes.
const ENTRIES_MAX: usize = 1024;
const BYTES_MAX: usize = 256 << 10;

/// A buffer that grew beyond this for one huge value is not used again.
const KEPT_BYTES_MAX: usize = 4 << 20;

#[derive(Clone, Copy)]
pub struct Record {
    pub hash: u64,
    /// Where in the file the entry's value is.
    pub offset: u64,
    pub expire_at_ms: Option<i64>,
    pub db: u32,
    /// The clock of last use.
    pub access: u32,
    /// How the value is written; `None` for the bytes of a string.
    pub form: Option<Form>,
    start: usize,
    value_start: usize,
    end: usize,
}

#[derive(Default)]
pub struct Batch {
    pub records: Vec<Record>,
    bytes: Vec<u8>,
}

/// What is known of an entry besides key and value.
pub struct Facts {
    pub hash: u64,
    pub offset: u64,
    pub expire_at_ms: Option<i64>,
    pub db: u32,
    pub access: u32,
    pub form: Option<Form>,
}

/// What the bytes of a value that is no string mean.
#[derive(Clone, Copy)]
pub struct Form {
    pub type_byte: u8,
    pub dialect: Dialect,
}

impl Batch {
    #[inline]
    pub fn push(&mut self, facts: Facts, key: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.records.push(Record {
            hash: facts.hash,
            offset: facts.offset,
            expire_at_ms: facts.expire_at_ms,
            db: facts.db,
            access: facts.access,
            form: facts.form,
            start,
            value_start: start + key.len(),
            end: self.bytes.len(),
        });
    }

    #[inline]
    pub fn is_full(&self) -> bool {
        self.records.len() >= ENTRIES_MAX || self.bytes.len() >= BYTES_MAX
    }

    #[inline]
    pub fn key(&self, record: &Record) -> &[u8] {
        &self.bytes[record.start..record.value_start]
    }

    #[inline]
    pub fn value(&self, record: &Record) -> &[u8] {
        &self.bytes[record.value_start..record.end]
    }

    pub fn clear(&mut self) {
        self.records.clear();
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        }
    }
}
