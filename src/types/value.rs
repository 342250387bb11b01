//! A value of any type.
//!
//! Who owns one by itself has a `Value`. An entry knows the kind of its value anyway and keeps
//! no more than what is inside of a `Value` of that kind: it lends that as a `ValueRef` or a
//! `ValueMut`.

use super::{Encoding, Hash, Kind, List, Set, Stream, ZSet};

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

/// A value that is lent.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    String(&'a Vec<u8>),
    List(&'a List),
    Set(&'a Set),
    ZSet(&'a ZSet),
    Hash(&'a Hash),
    Stream(&'a Stream),
}

/// A value that is lent to be changed.
#[derive(Debug)]
pub enum ValueMut<'a> {
    String(&'a mut Vec<u8>),
    List(&'a mut List),
    Set(&'a mut Set),
    ZSet(&'a mut ZSet),
    Hash(&'a mut Hash),
    Stream(&'a mut Stream),
}

impl Value {
    #[inline]
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::String(bytes) => ValueRef::String(bytes),
            Value::List(list) => ValueRef::List(list),
            Value::Set(set) => ValueRef::Set(set),
            Value::ZSet(zset) => ValueRef::ZSet(zset),
            Value::Hash(hash) => ValueRef::Hash(hash),
            Value::Stream(stream) => ValueRef::Stream(stream),
        }
    }
}

impl ValueRef<'_> {
    /// The same, to be owned.
    pub fn to_value(self) -> Value {
        match self {
            ValueRef::String(bytes) => Value::String(bytes.clone()),
            ValueRef::List(list) => Value::List(list.clone()),
            ValueRef::Set(set) => Value::Set(set.clone()),
            ValueRef::ZSet(zset) => Value::ZSet(zset.clone()),
            ValueRef::Hash(hash) => Value::Hash(hash.clone()),
            ValueRef::Stream(stream) => Value::Stream(stream.clone()),
        }
    }

    pub fn kind(self) -> Kind {
        match self {
            ValueRef::String(_) => Kind::String,
            ValueRef::List(_) => Kind::List,
            ValueRef::Set(_) => Kind::Set,
            ValueRef::ZSet(_) => Kind::ZSet,
            ValueRef::Hash(_) => Kind::Hash,
            ValueRef::Stream(_) => Kind::Stream,
        }
    }

    pub fn encoding(self) -> Encoding {
        match self {
            ValueRef::String(_) => Encoding::Raw,
            ValueRef::List(list) => list.encoding(),
            ValueRef::Set(set) => set.encoding(),
            ValueRef::ZSet(zset) => zset.encoding(),
            ValueRef::Hash(hash) => hash.encoding(),
            ValueRef::Stream(_) => Encoding::Stream,
        }
    }

    /// Bytes the value has allocated beyond its own size.
    pub fn heap_bytes(self) -> usize {
        match self {
            ValueRef::String(bytes) => bytes.capacity(),
            ValueRef::List(list) => list.heap_bytes(),
            ValueRef::Set(set) => set.heap_bytes(),
            ValueRef::ZSet(zset) => zset.heap_bytes(),
            ValueRef::Hash(hash) => hash.heap_bytes(),
            ValueRef::Stream(stream) => stream.heap_bytes(),
        }
    }

    /// Whether freeing it takes long enough to be another thread's work.
    pub fn is_big(self) -> bool {
        match self {
            ValueRef::String(bytes) => bytes.capacity() >= BIG_STRING_BYTES,
            ValueRef::List(list) => list.is_big(),
            ValueRef::Set(set) => set.is_big(),
            ValueRef::ZSet(zset) => zset.is_big(),
            ValueRef::Hash(hash) => hash.is_big(),
            ValueRef::Stream(stream) => stream.is_big(),
        }
    }

    /// Whether a key with this value has no right to be: a collection without elements. A
    /// stream may be empty, and so may a string.
    pub fn is_nothing(self) -> bool {
        match self {
            ValueRef::String(_) | ValueRef::Stream(_) => false,
            ValueRef::List(list) => list.is_empty(),
            ValueRef::Set(set) => set.is_empty(),
            ValueRef::ZSet(zset) => zset.is_empty(),
            ValueRef::Hash(hash) => hash.is_empty(),
        }
    }
}
