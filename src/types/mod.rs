//! The value types as pure data: what a key can hold, without keys, clocks or replies.
//!
//! An entry (`store::entry`) holds a short string itself, and of everything else what a `Value`
//! holds.

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

/// A value of any type: owned, lent, and lent to be changed.
mod value;

pub use hash::Hash;
pub use list::List;
pub use set::Set;
pub use stream::Stream;
pub use value::{Value, ValueMut, ValueRef};
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

    fn of(value: ValueRef<'_>) -> Option<&Self>;
    fn of_mut(value: ValueMut<'_>) -> Option<&mut Self>;
    fn into_value(self) -> Value;
}

macro_rules! typed {
    ($($name:ident),*) => {$(
        impl Typed for $name {
            const KIND: Kind = Kind::$name;

            #[inline]
            fn of(value: ValueRef<'_>) -> Option<&Self> {
                match value {
                    ValueRef::$name(inner) => Some(inner),
                    _ => None,
                }
            }

            #[inline]
            fn of_mut(value: ValueMut<'_>) -> Option<&mut Self> {
                match value {
                    ValueMut::$name(inner) => Some(inner),
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
