//! A link that a test can cut: what one side sends goes to the other until then.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Passes connections on to a port of this machine.
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    links: Mutex<Vec<TcpStream>>,
    /// New connections are closed at once.
    refuses: AtomicBool,
    ended: AtomicBool,
}

impl Proxy {
    pub fn to(port: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let own = listener.local_addr().expect("a bound socket").port();
        let state = Arc::new(State::default());
        let shared = state.clone();
        thread::spawn(move || {
            for link in listener.incoming().flatten() {
                if shared.ended.load(Ordering::Relaxed) {
                    return;
                }
                if !shared.refuses.load(Ordering::Relaxed)
                    && let Ok(onward) = TcpStream::connect(("127.0.0.1", port))
                {
                    shared.pass(link, onward);
                }
            }
        });
        Proxy { port: own, state }
    }

    /// Closes all connections; new ones are passed on again.
    pub fn cut(&self) {
        for link in self.state.links.lock().expect("no panic").drain(..) {
            // It may be closed already.
            let _ = link.shutdown(Shutdown::Both);
        }
    }

    /// Closes all connections, and new ones too until `heal`.
    pub fn part(&self) {
        self.state.refuses.store(true, Ordering::Relaxed);
        self.cut();
    }

    pub fn heal(&self) {
        self.state.refuses.store(false, Ordering::Relaxed);
    }
}

impl State {
    fn pass(&self, link: TcpStream, onward: TcpStream) {
        let copy = |stream: &TcpStream| stream.try_clone().expect("another handle");
        let ends = [(copy(&link), copy(&onward)), (copy(&onward), copy(&link))];
        self.links.lock().expect("no panic").extend([link, onward]);
        for (from, to) in ends {
            thread::spawn(move || pump(from, to));
        }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(len) if len > 0 && to.write_all(&buffer[..len]).is_ok() => {}
            _ => break,
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        self.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}
