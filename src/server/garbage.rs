//! The thread that frees what is too big to be freed by those who serve clients.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

use crate::exec::Engine;
use crate::shared::Garbage;

/// Ends when the engine is gone otherwise.
pub fn start(engine: &Arc<Engine>, garbage: Receiver<Garbage>) -> io::Result<JoinHandle<()>> {
    let engine = Arc::downgrade(engine);
    std::thread::Builder::new()
        .name("garbage".to_owned())
        .spawn(move || {
            for old in garbage {
                match engine.upgrade() {
                    Some(engine) => engine.shared.free(old),
                    None => drop(old),
                }
            }
        })
}
