//! A link that a test can cut, slow down or hold up: what one side sends goes to the other
//! until then.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// What the system may keep for a link that is held up: little, so that the server behind
/// notices soon.
const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;

/// How often a link that is held up is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

const UNLIMITED: u64 = u64::MAX;

/// Passes connections on to a port of this machine.
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
}

struct State {
    links: Mutex<Vec<TcpStream>>,
    /// What may come from behind, in bytes a second.
    rate: AtomicU64,
    /// New connections are closed at once.
    refuses: AtomicBool,
    ended: AtomicBool,
}

impl Proxy {
    pub fn to(port: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let own = listener.local_addr().expect("a bound socket").port();
        let state = Arc::new(State {
            links: Mutex::default(),
            rate: AtomicU64::new(UNLIMITED),
            refuses: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let shared = state.clone();
        thread::spawn(move || {
            for link in listener.incoming().flatten() {
                if shared.ended.load(Ordering::Relaxed) {
                    return;
                }
                if !shared.refuses.load(Ordering::Relaxed)
                    && let Ok(onward) = connect(port)
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

impl Proxy {
    /// Lets so many bytes a second come from the port behind; 0 holds all up.
    pub fn limit(&self, bytes_per_second: u64) {
        self.state.rate.store(bytes_per_second, Ordering::Relaxed);
    }

    /// Lets everything come as it may.
    pub fn unlimit(&self) {
        self.limit(UNLIMITED);
    }
}

impl State {
    fn pass(self: &Arc<State>, link: TcpStream, onward: TcpStream) {
        let copy = |stream: &TcpStream| stream.try_clone().expect("another handle");
        let (there, here) = (copy(&link), copy(&onward));
        thread::spawn(move || pump(there, here, || {}, |_| {}));
        let (here, there) = (copy(&onward), copy(&link));
        self.links.lock().expect("no panic").extend([link, onward]);
        let state = self.clone();
        let other = self.clone();
        let hold = move || other.hold();
        thread::spawn(move || pump(here, there, hold, |len| state.slow_down(len)));
    }

    /// Returns when something may be passed on.
    fn hold(&self) {
        let is_held = || self.rate.load(Ordering::Relaxed) == 0;
        while is_held() && !self.ended.load(Ordering::Relaxed) {
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Takes the time that so many bytes need.
    fn slow_down(&self, len: usize) {
        let rate = self.rate.load(Ordering::Relaxed);
        if rate != UNLIMITED && rate != 0 {
            thread::sleep(Duration::from_secs_f64(len as f64 / rate as f64));
        }
    }
}

fn connect(port: u16) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    socket.connect(&address.into())?;
    Ok(socket.into())
}

/// Passes on what comes. `hold` returns when it may be read, `passed` hears how much it was.
fn pump(mut from: TcpStream, mut to: TcpStream, hold: impl Fn(), passed: impl Fn(usize)) {
    let mut buffer = [0; 16 * 1024];
    loop {
        hold();
        match from.read(&mut buffer) {
            Ok(len) if len > 0 && to.write_all(&buffer[..len]).is_ok() => passed(len),
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
