//! A leader that answers as a test wants, and the snapshots it may send.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use lockstep::base::hash::Crc64;
use lockstep::rdb::encode::{self, Encoder, KeyMeta};

/// The history of a scripted leader.
pub const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// What comes behind the last byte of a snapshot whose length was not announced.
pub const MARK: &str = "0123456789012345678901234567890123456789";

/// It shakes hands with each follower, and leaves what comes then to a script.
pub struct Scripted {
    pub port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

/// One follower that has asked for synchronization, for the how-manieth time.
pub struct Asking {
    pub attempt: usize,
    pub link: TcpStream,
}

impl Scripted {
    pub fn new(script: impl Fn(Asking) + Send + Sync + 'static) -> Scripted {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound socket").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (requests, attempts) = (asked.clone(), AtomicUsize::new(0));
        let script = Arc::new(script);
        thread::spawn(move || {
            for mut link in listener.incoming().flatten() {
                let Some(request) = shake_hands(&mut link) else {
                    continue;
                };
                requests.lock().expect("no panic").push(request);
                let attempt = attempts.fetch_add(1, Ordering::Relaxed);
                let script = script.clone();
                thread::spawn(move || script(Asking { attempt, link }));
            }
        });
        Scripted { port, asked }
    }

    /// Sends these bytes to everyone who asks, and listens then.
    pub fn sending(bytes: Vec<u8>) -> Scripted {
        Scripted::new(move |mut asking| {
            asking.send(&bytes);
            asking.listen();
        })
    }

    /// What was asked for, in order: the arguments of each PSYNC.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

impl Asking {
    /// The follower may have gone.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.link.write_all(bytes);
    }

    /// Until the follower goes.
    pub fn listen(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(1..) = self.link.read(&mut buffer) {}
    }
}

/// Answers everything with OK until PSYNC comes, and returns its arguments.
fn shake_hands(link: &mut TcpStream) -> Option<String> {
    let mut buffer = [0; 4096];
    loop {
        let len = link.read(&mut buffer).ok().filter(|len| *len > 0)?;
        let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
        let words: Vec<&str> = text.split("\r\n").collect();
        if let Some(at) = words.iter().position(|word| *word == "PSYNC") {
            return Some(format!("{} {}", words.get(at + 2)?, words.get(at + 4)?));
        }
        let requests = words.iter().filter(|word| word.starts_with('*')).count();
        link.write_all("+OK\r\n".repeat(requests).as_bytes()).ok()?;
    }
}

/// The answer of a leader with this history that sends `payload`.
pub fn full_resync(id: &str, offset: u64, payload: &[u8]) -> Vec<u8> {
    let head = format!("+FULLRESYNC {id} {offset}\r\n${}\r\n", payload.len());
    [head.as_bytes(), payload].concat()
}

/// The same with the mark at the end, as two parts.
pub fn marked_resync(id: &str, offset: u64, payload: &[u8]) -> [Vec<u8>; 2] {
    let head = format!("+FULLRESYNC {id} {offset}\r\n$EOF:{MARK}\r\n");
    let (first, rest) = payload.split_at(payload.len() / 2);
    [
        [head.as_bytes(), first].concat(),
        [rest, MARK.as_bytes()].concat(),
    ]
}

/// A snapshot that begins with `header`, of these strings in database 0.
pub fn snapshot(header: &str, entries: &[(String, String)]) -> Vec<u8> {
    snapshot_with(header, |out, encoder| {
        for (key, value) in entries {
            let meta = KeyMeta::default();
            encoder.put_string_entry(out, key.as_bytes(), value.as_bytes(), meta);
        }
    })
}

pub fn snapshot_with(header: &str, put: impl FnOnce(&mut Vec<u8>, &mut Encoder)) -> Vec<u8> {
    let mut out = header.as_bytes().to_vec();
    encode::put_aux(&mut out, b"repl-stream-db", b"0");
    encode::put_select_db(&mut out, 0);
    put(&mut out, &mut Encoder::new(true));
    encode::put_end(&mut out);
    let mut crc = Crc64::new();
    crc.update(&out);
    encode::put_checksum(&mut out, Some(crc.value()));
    out
}

/// So many keys `new:0`, `new:1`, ... with the value `v`.
pub fn new_keys(count: usize) -> Vec<(String, String)> {
    let key = |n: usize| (format!("new:{n}"), "v".to_owned());
    (0..count).map(key).collect()
}
