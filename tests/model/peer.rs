//! A real server as the oracle.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use lockstep::resp::value::{Value, parse_value};

use crate::oracle::{Make, Oracle};

pub struct Peer {
    stream: UnixStream,
    received: Vec<u8>,
    _server: Oracle,
    _folder: tempfile::TempDir,
}

impl Peer {
    /// `None`, after a word about it, where there is no such server.
    pub fn start(make: Make) -> Option<Peer> {
        let program = make.find()?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let args = ["--save", "", "--enable-debug-command", "yes"];
        let mut server = Oracle::start(&program, folder.path(), args);
        Some(Peer {
            stream: server.connect(),
            received: Vec::new(),
            _server: server,
            _folder: folder,
        })
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
