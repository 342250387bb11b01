//! The words that a family's table is written in: a command's shape with its handler.

pub use super::cx::Handler;
pub use super::shape::{
    AccessOf, Begin, Find, KeyRef, KeySpec, KeysFrom, Locks, access, category, flag,
};
use super::shape::Shape;

/// One command, as one line of its family's table.
pub type Spec = Shape<Handler>;
