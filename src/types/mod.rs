//! The value types as pure data: what a key can hold, without keys, clocks or replies.
//!
//! A short string lives inside its entry (`store::entry`); everything else is a `Value` of
//! its own behind a pointer.

/// Sequences of short strings in one piece of memory, as RDB files hold them.
pub mod listpack;

/// An unordered map in bounded nodes, for large sets, hashes and sorted sets.
pub mod dict;

/// Lists: one listpack, or a row of them.
pub mod list;

/// What a key holds, as TYPE names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    String,
    List,
    Set,
    ZSet,
    Hash,
    Stream,
}

impl Kind {
    /// The answer of TYPE.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::ZSet => "zset",
            Kind::Hash => "hash",
            Kind::Stream => "stream",
        }
    }
}

/// How a value is kept, as OBJECT ENCODING names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Int,
    EmbStr,
    Raw,
    ListPack,
    QuickList,
    IntSet,
    HashTable,
    SkipList,
    Stream,
}

impl Encoding {
    /// The answer of OBJECT ENCODING.
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::Int => "int",
            Encoding::EmbStr => "embstr",
            Encoding::Raw => "raw",
            Encoding::ListPack => "listpack",
            Encoding::QuickList => "quicklist",
            Encoding::IntSet => "intset",
            Encoding::HashTable => "hashtable",
            Encoding::SkipList => "skiplist",
            Encoding::Stream => "stream",
        }
    }
}

/// A string of this size or more is worth freeing on another thread.
const BIG_STRING_BYTES: usize = 1 << 20;

/// A value with memory of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    String(Vec<u8>),
}

impl Value {
    pub fn kind(&self) -> Kind {
        match self {
            Value::String(_) => Kind::String,
        }
    }

    pub fn encoding(&self) -> Encoding {
        match self {
            Value::String(_) => Encoding::Raw,
        }
    }

    /// Bytes the value has allocated beyond its own size.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Value::String(bytes) => bytes.capacity(),
        }
    }

    /// Whether freeing it takes long enough to be another thread's work.
    pub fn is_big(&self) -> bool {
        match self {
            Value::String(bytes) => bytes.capacity() >= BIG_STRING_BYTES,
        }
    }
}
