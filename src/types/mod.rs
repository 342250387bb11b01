//! The value types as pure data: what a key can hold, without keys, clocks or replies.
//!
//! An entry (`store::entry`) holds a short string itself, and of everything else a `Value`.

/// Bitmaps: strings as rows of bits.
pub mod bits;

/// HyperLogLog: counting different elements in little space.
pub mod hll;

/// Sequences of short strings in one piece of memory, as RDB files hold them.
pub mod listpack;

/// Sets of integers in one piece of memory, as RDB files hold them.
pub mod intset;

/// An unordered map in bounded nodes, for large sets, hashes and sorted sets.
pub mod dict;

/// Lists: one listpack, or a row of them.
pub mod list;

/// Hashes, whose fields may have times to live.
pub mod hash;

/// Entries behind each other, and groups that read them.
pub mod stream;

/// Sorted sets: a listpack, or a tree that knows ranks.
pub mod zset;

/// Sets in their three forms.
pub mod set;

/// Places on earth as scores of sorted sets.
pub mod geo;

pub use hash::Hash;
pub use list::List;
pub use set::Set;
pub use stream::Stream;
pub use zset::ZSet;

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
    ListPackEx,
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
            Encoding::ListPackEx => "listpackex",
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
///
/// `clone` is how a snapshot takes a value that is large: it copies pointers to bounded
/// nodes, never the elements in them; whoever changes a node that is still shared copies
/// that one first.
#[derive(Clone, Debug)]
pub enum Value {
    String(Vec<u8>),
    List(List),
    Set(Set),
    ZSet(ZSet),
    Hash(Hash),
    Stream(Stream),
}

/// When values change from their small form to their large one, type by type: what the
/// `*-max-listpack-*` directives say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    pub list: list::Limits,
    pub hash: hash::Limits,
    pub zset: zset::Limits,
    pub set: set::Limits,
}

/// One of the types that a `Value` can be, other than a string.
pub trait Typed: Default + Sized {
    const KIND: Kind;

    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    fn into_value(self) -> Value;
}

macro_rules! typed {
    ($($name:ident),*) => {$(
        impl Typed for $name {
            const KIND: Kind = Kind::$name;

            #[inline]
            fn of(value: &Value) -> Option<&Self> {
                match value {
                    Value::$name(inner) => Some(inner),
                    _ => None,
                }
            }

            #[inline]
            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                match value {
                    Value::$name(inner) => Some(inner),
                    _ => None,
                }
            }

            fn into_value(self) -> Value {
                Value::$name(self)
            }
        }
    )*};
}

typed!(List, Set, ZSet, Hash, Stream);

impl Value {
    pub fn kind(&self) -> Kind {
        match self {
            Value::String(_) => Kind::String,
            Value::List(_) => Kind::List,
            Value::Set(_) => Kind::Set,
            Value::ZSet(_) => Kind::ZSet,
            Value::Hash(_) => Kind::Hash,
            Value::Stream(_) => Kind::Stream,
        }
    }

    pub fn encoding(&self) -> Encoding {
        match self {
            Value::String(_) => Encoding::Raw,
            Value::List(list) => list.encoding(),
            Value::Set(set) => set.encoding(),
            Value::ZSet(zset) => zset.encoding(),
            Value::Hash(hash) => hash.encoding(),
            Value::Stream(_) => Encoding::Stream,
        }
    }

    /// Bytes the value has allocated beyond its own size.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Value::String(bytes) => bytes.capacity(),
            Value::List(list) => list.heap_bytes(),
            Value::Set(set) => set.heap_bytes(),
            Value::ZSet(zset) => zset.heap_bytes(),
            Value::Hash(hash) => hash.heap_bytes(),
            Value::Stream(stream) => stream.heap_bytes(),
        }
    }

    /// Whether freeing it takes long enough to be another thread's work.
    pub fn is_big(&self) -> bool {
        match self {
            Value::String(bytes) => bytes.capacity() >= BIG_STRING_BYTES,
            Value::List(list) => list.is_big(),
            Value::Set(set) => set.is_big(),
            Value::ZSet(zset) => zset.is_big(),
            Value::Hash(hash) => hash.is_big(),
            Value::Stream(stream) => stream.is_big(),
        }
    }

    /// Whether a key with this value has no right to be: a collection without elements. A
    /// stream may be empty, and so may a string.
    pub fn is_nothing(&self) -> bool {
        match self {
            Value::String(_) | Value::Stream(_) => false,
            Value::List(list) => list.is_empty(),
            Value::Set(set) => set.is_empty(),
            Value::ZSet(zset) => zset.is_empty(),
            Value::Hash(hash) => hash.is_empty(),
        }
    }
}
