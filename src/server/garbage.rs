//! The thread that frees what is too big to be freed by those who serve clients.

use std::io;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

use crate::shared::Garbage;

/// Ends when the last sender is gone.
pub fn start(garbage: Receiver<Garbage>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("garbage".to_owned())
        .spawn(move || {
            for old in garbage {
                // A snapshot may still walk old tables: then it is the one that frees them.
                drop(old);
            }
        })
}
