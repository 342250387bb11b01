//! A real redis-server as the oracle.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lockstep::resp::value::{Value, parse_value};

pub struct Peer {
    stream: TcpStream,
    received: Vec<u8>,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program that `PEER_SERVER` names, or the one in `PATH`.
fn find() -> Option<PathBuf> {
    let wanted = PathBuf::from(std::env::var_os("PEER_SERVER").unwrap_or("redis-server".into()));
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&folders).map(|folder| folder.join(&wanted));
    places.find(|place| place.is_file())
}

impl Peer {
    /// `None`, after a word about it, where there is none; in CI that is a failure.
    pub fn start() -> Option<Peer> {
        const MISSING: &str = "redis-server is missing: apt-get install redis-server";
        let Some(program) = find() else {
            assert!(std::env::var_os("CI").is_none(), "{MISSING}");
            eprintln!("skipped: {MISSING}");
            return None;
        };
        Some(Peer::start_program(program))
    }

    /// A newer one: that which `variable` names, or `name` in the user's cache of peers.
    /// `None`, after a word about it, where there is none.
    pub fn start_cached(variable: &str, name: &str) -> Option<Peer> {
        let named = std::env::var_os(variable).map(PathBuf::from);
        let cached = || Some(std::env::home_dir()?.join(".cache/peers/bin").join(name));
        let program = named.or_else(cached).filter(|program| program.exists());
        if program.is_none() {
            eprintln!("skipped: {variable} names no server");
        }
        program.map(Peer::start_program)
    }

    fn start_program(program: PathBuf) -> Peer {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let any = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = any.local_addr().expect("an address").port();
        drop(any);
        let mut child = Command::new(program)
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--enable-debug-command",
                "yes",
            ])
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("the peer starts");
        let deadline = Instant::now() + Duration::from_secs(30);
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(_) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(error) => {
                    let _ = child.kill();
                    panic!("the peer does not answer: {error}");
                }
            }
        };
        Peer {
            stream,
            received: Vec::new(),
            child,
            _folder: folder,
        }
    }

    /// Sends requests and returns as many replies.
    pub fn run(&mut self, input: &[u8], count: usize) -> Vec<Value> {
        self.stream.write_all(input).expect("an open connection");
        let mut replies = Vec::new();
        while replies.len() < count {
            match parse_value(&self.received).expect("a reply") {
                Some((value, len)) => {
                    replies.push(value);
                    self.received.drain(..len);
                }
                None => {
                    let mut buffer = [0; 1 << 16];
                    let len = self.stream.read(&mut buffer).expect("an open connection");
                    assert_ne!(len, 0, "the peer closed the connection");
                    self.received.extend_from_slice(&buffer[..len]);
                }
            }
        }
        replies
    }
}
