//! All commands of a server, found by name or number.

pub use super::cx::{Known, Registry};
pub use super::index::{CommandId, RenameError};
