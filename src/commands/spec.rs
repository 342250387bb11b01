//! The words that a family's table is written in: a command's shape with its handler.

pub use super::cx::Handler;
use super::shape::Shape;
pub use super::shape::{
    AccessOf, Begin, Find, KeyRef, KeySpec, KeysFrom, Locks, access, category, flag,
};

/// One command, as one line of its family's table.
pub type Spec = Shape<Handler>;
