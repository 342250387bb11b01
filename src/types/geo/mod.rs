//! Places on earth as scores of a sorted set, and the members around a place.
//!
//! A score has 52 bits: 26 of the longitude and 26 of the latitude in turn, both as parts of
//! their whole range. Members that are near each other mostly have scores that are, so an
//! area is looked through as up to nine ranges of scores: a cell of the grid and those
//! around it, with cells as small as the area allows.
//!
//! What is computed is Redis's bit for bit, in its order of operations: clients compare
//! distances, and followers of another kind compute their own.

/// Places and distances.
mod place;

/// The grid that scores are cells of.
mod grid;

/// Areas, and where their places are in a sorted set.
mod area;

#[cfg(test)]
mod tests;

pub use area::{Area, Shape, Unit};
pub use grid::truncated;
pub use place::Place;
