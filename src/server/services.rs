//! The tasks that connections can ask.

use super::shutdown::Shutdown;
use crate::persist::saver::Saver;
use crate::replication::Replication;

/// Handles to the tasks beside the workers.
pub struct Services {
    pub saver: Saver,
    pub replication: Replication,
    pub shutdown: Shutdown,
}
