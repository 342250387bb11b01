//! The tasks that connections can ask.

/// Handles to the tasks beside the workers.
pub struct Services {}
