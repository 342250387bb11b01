//! A link that takes its time in one direction.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// Passes connections on to a port of this machine. What comes back from there is as late
/// as it is told; what goes there is not.
pub struct Delay {
    pub port: u16,
    ended: Arc<AtomicBool>,
}

impl Delay {
    pub fn to(port: u16, late: Duration) -> Delay {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let own = listener.local_addr().expect("a bound socket").port();
        let ended = Arc::new(AtomicBool::new(false));
        let over = ended.clone();
        thread::spawn(move || {
            for link in listener.incoming().flatten() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(onward) = TcpStream::connect(("127.0.0.1", port)) {
                    let copy = |stream: &TcpStream| stream.try_clone().expect("another handle");
                    pump(copy(&link), copy(&onward), Duration::ZERO);
                    pump(onward, link, late);
                }
            }
        });
        Delay { port: own, ended }
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts; those of the links end with their servers.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// One thread notes when what came, another one passes it on when it is due.
fn pump(mut from: TcpStream, mut to: TcpStream, late: Duration) {
    let (came, due) = channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(len @ 1..) = from.read(&mut buffer) {
            if came
                .send((Instant::now() + late, buffer[..len].to_vec()))
                .is_err()
            {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        for (at, bytes) in due {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
