//! The thread that goes on making room when clients have done their share, and when the limit
//! was lowered. It sleeps as long as nobody wakes it.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::exec::Engine;
use crate::exec::evict::{Evictor, Room};
use crate::store::locked::Locker;

/// Clients that have work for us just now do their share first: what they delete is told to
/// others in order with what they ask.
const HEAD_START: Duration = Duration::from_millis(10);

/// Starts the thread, whose gate is `gate`. It ends with the process.
pub fn start(engine: Arc<Engine>, gate: usize) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("evictor".to_owned())
        .spawn(move || {
            let mut locker = Locker::new(&engine.shared.keyspace, gate);
            let mut evictor = Evictor::new();
            engine.shared.eviction.enlist();
            loop {
                std::thread::park();
                std::thread::sleep(HEAD_START);
                loop {
                    let room = evictor.make_room(&engine, &mut locker);
                    engine.shared.oplog.wake_readers();
                    if room != Room::Soon {
                        break;
                    }
                    std::thread::yield_now();
                }
            }
        })
}
