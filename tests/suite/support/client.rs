//! A client that shows everything: raw bytes both ways, and replies in the notation of
//! `value`.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::value::{Value, matches, split_words};

/// How long a reply may take before the test gives up.
const REPLY_DEADLINE: Duration = Duration::from_secs(20);

pub struct Client {
    stream: TcpStream,
    /// Bytes received and not yet taken as a reply.
    received: Vec<u8>,
}

impl Client {
    pub fn connect(address: impl ToSocketAddrs) -> Client {
        Client::try_connect(address).expect("a server that accepts connections")
    }

    pub fn try_connect(address: impl ToSocketAddrs) -> std::io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Client {
            stream,
            received: Vec::new(),
        })
    }

    /// Sends one command and returns its reply.
    #[track_caller]
    pub fn cmd<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Value {
        self.send_cmd(args);
        self.recv()
    }

    /// The same with the command written as in redis-cli.
    #[track_caller]
    pub fn run(&mut self, command: &str) -> Value {
        self.cmd(&split_words(command))
    }

    /// Sends one command and leaves the reply for `recv`.
    #[track_caller]
    pub fn send_cmd<A: AsRef<[u8]>>(&mut self, args: &[A]) {
        let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            bytes.extend_from_slice(format!("${}\r\n", arg.as_ref().len()).as_bytes());
            bytes.extend_from_slice(arg.as_ref());
            bytes.extend_from_slice(b"\r\n");
        }
        self.send(&bytes);
    }

    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("an open connection");
    }

    /// The next reply or push.
    #[track_caller]
    pub fn recv(&mut self) -> Value {
        match self.recv_within(REPLY_DEADLINE) {
            Some(value) => value,
            None => panic!(
                "no whole reply within {REPLY_DEADLINE:?}: {:?}",
                self.received
            ),
        }
    }

    /// The next reply or push, if a whole one comes within the time given.
    #[track_caller]
    pub fn recv_within(&mut self, time: Duration) -> Option<Value> {
        let deadline = Instant::now() + time;
        loop {
            if let Some((value, len)) = Value::read(&self.received) {
                self.received.drain(..len);
                return Some(value);
            }
            match self.fill(deadline) {
                Ok(0) => panic!("closed by the server after {:?}", self.received),
                Ok(_) => {}
                Err(ErrorKind::WouldBlock | ErrorKind::TimedOut) => return None,
                Err(kind) => panic!("the connection failed: {kind}"),
            }
        }
    }

    /// Everything that comes until the server closes the connection.
    #[track_caller]
    pub fn recv_to_end(&mut self) -> Vec<u8> {
        let deadline = Instant::now() + REPLY_DEADLINE;
        loop {
            match self.fill(deadline) {
                Ok(0) | Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                    return std::mem::take(&mut self.received);
                }
                Ok(_) => {}
                Err(kind) => panic!("still open ({kind}), so far: {:?}", self.received),
            }
        }
    }

    fn fill(&mut self, deadline: Instant) -> Result<usize, ErrorKind> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut);
        }
        self.stream
            .set_read_timeout(Some(left))
            .map_err(|e| e.kind())?;
        let mut buffer = [0; 16 * 1024];
        let len = self.stream.read(&mut buffer).map_err(|e| e.kind())?;
        self.received.extend_from_slice(&buffer[..len]);
        Ok(len)
    }

    /// Switches the connection to RESP3.
    #[track_caller]
    pub fn resp3(&mut self) {
        let reply = self.run("HELLO 3");
        assert!(
            matches!(reply, Value::Pairs('%', _)),
            "HELLO 3 was answered by {reply}"
        );
    }

    /// A field of the line that CLIENT LIST has for the client of this name; nothing if it is
    /// closed.
    pub fn listed(&mut self, name: &str, field: &str) -> Option<String> {
        let list = self.run("CLIENT LIST").text();
        let line = list
            .lines()
            .find(|line| line.contains(&format!(" name={name} ")))?;
        let start = format!("{field}=");
        let word = line.split(' ').find_map(|word| word.strip_prefix(&start));
        Some(word.expect("a field of that name").to_owned())
    }

    /// The fields of `INFO section`, by name.
    #[track_caller]
    pub fn info(&mut self, section: &str) -> HashMap<String, String> {
        let text = self.cmd(&["INFO", section]).text();
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        fields
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

/// Runs `command` (written as in redis-cli) and compares its reply with `expect`, in the
/// notation of `value`; `...` in it stands for anything.
#[track_caller]
pub fn check(client: &mut Client, command: &str, expect: &str) {
    let reply = client.run(command).to_string();
    assert!(
        matches(expect, &reply),
        "{command}\n  expected {expect}\n  got      {reply}"
    );
}

/// `check` for a list of commands, in order.
#[track_caller]
pub fn check_all(client: &mut Client, expectations: &[(&str, &str)]) {
    for (command, expect) in expectations {
        check(client, command, expect);
    }
}
