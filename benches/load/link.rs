//! One connection: what is still to be written to it and what it still owes.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};

use anyhow::{Context, Result, bail};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::histogram::Histogram;
use crate::options::{Options, Place};
use crate::scan::Scan;

/// Requests that left together, or were due together.
struct Group {
    since_ns: u64,
    count: u64,
}

pub struct Link {
    pub socket: Socket,
    pub scan: Scan,
    pub out: Vec<u8>,
    written_bytes: usize,
    owed: VecDeque<Group>,
    /// Whether the epoll set watches for room to write.
    pub waits_for_room: bool,
}

impl Link {
    pub fn connect(options: &Options) -> Result<Self> {
        let (domain, address) = match &options.place {
            Place::Tcp(address) => (Domain::for_address(*address), SockAddr::from(*address)),
            Place::Unix(path) => (Domain::UNIX, SockAddr::unix(path)?),
        };
        let socket = Socket::new(domain, Type::STREAM, None)?;
        socket
            .connect(&address)
            .with_context(|| format!("cannot connect to {:?}", options.place))?;
        if domain != Domain::UNIX {
            socket.set_tcp_nodelay(true)?;
        }
        if let Some(password) = &options.password {
            let len = password.len();
            write!(&socket, "*2\r\n$4\r\nAUTH\r\n${len}\r\n{password}\r\n")?;
            let mut reply = [0; 256];
            let len = (&socket).read(&mut reply)?;
            if reply.first() != Some(&b'+') {
                bail!("AUTH: {}", String::from_utf8_lossy(&reply[..len]));
            }
        }
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            scan: Scan::default(),
            out: Vec::new(),
            written_bytes: 0,
            owed: VecDeque::new(),
            waits_for_room: false,
        })
    }

    /// Notes that `count` requests, appended to `out`, count from `since_ns`.
    #[inline]
    pub fn owes(&mut self, count: u64, since_ns: u64) {
        self.owed.push_back(Group { since_ns, count });
    }

    pub fn is_idle(&self) -> bool {
        self.owed.is_empty()
    }

    /// Writes what the socket takes; returns whether all of it went.
    #[inline]
    pub fn flush(&mut self) -> Result<bool> {
        while self.written_bytes < self.out.len() {
            match (&self.socket).write(&self.out[self.written_bytes..]) {
                Ok(bytes) => self.written_bytes += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("write"),
            }
        }
        self.out.clear();
        self.written_bytes = 0;
        Ok(true)
    }

    /// Reads once, records the latencies of the replies that ended and returns their number.
    #[inline]
    pub fn receive(
        &mut self,
        buffer: &mut [u8],
        histogram: &mut Histogram,
        now_ns: impl Fn() -> u64,
    ) -> Result<u64> {
        let bytes = match (&self.socket).read(buffer) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(0),
            Err(error) => return Err(error).context("read"),
        };
        let now_ns = now_ns();
        let replies = self.scan.feed(&buffer[..bytes]);
        let mut rest = replies;
        while rest > 0 {
            let Some(group) = self.owed.front_mut() else {
                bail!("the server sent a reply to nothing");
            };
            let answered = rest.min(group.count);
            histogram.record(now_ns.saturating_sub(group.since_ns), answered);
            group.count -= answered;
            rest -= answered;
            if group.count == 0 {
                self.owed.pop_front();
            }
        }
        Ok(replies)
    }
}
