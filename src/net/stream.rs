//! A connected stream: TCP, Unix, or something else that carries bytes both ways.

use std::fmt::Debug;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, Socket, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// What carries bytes both ways without being a socket, such as the pipes of a simulation.
pub trait Carrier: AsyncRead + AsyncWrite + Debug + Send + Unpin {
    /// The other end's address and ours, as CLIENT LIST prints them.
    fn addresses(&self) -> (String, String);
}

#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Other(Box<dyn Carrier>),
}

/// A stream on its way to another thread's runtime.
#[derive(Debug)]
pub enum Moving {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
    Other(Box<dyn Carrier>),
}

impl Stream {
    /// Reads once. Like any `AsyncRead` of the runtime, a short read tells it that there is
    /// no more for now, which saves the read that would only say so.
    #[inline]
    pub fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut into = ReadBuf::new(into);
        let polled = match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut into),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, &mut into),
            Stream::Other(stream) => Pin::new(stream).poll_read(cx, &mut into),
        };
        polled.map_ok(|()| into.filled().len())
    }

    #[inline]
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Other(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// The same socket once more, for other threads to send with. None for what is no socket,
    /// and where there can be no more descriptors.
    pub fn socket(&self) -> Option<Socket> {
        let fd = match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
            Stream::Other(_) => return None,
        };
        fd.try_clone_to_owned().ok().map(Socket::from)
    }

    /// -1 for what is no socket.
    pub fn fd(&self) -> RawFd {
        match self {
            Stream::Tcp(stream) => stream.as_raw_fd(),
            Stream::Unix(stream) => stream.as_raw_fd(),
            Stream::Other(_) => -1,
        }
    }

    pub fn is_unix(&self) -> bool {
        matches!(self, Stream::Unix(_))
    }

    /// The other end's address and ours, as CLIENT LIST prints them.
    pub fn addresses(&self) -> (String, String) {
        match self {
            Stream::Tcp(stream) => {
                let text = |address: io::Result<std::net::SocketAddr>| {
                    address.map_or_else(|_| "?:0".to_owned(), |address| address.to_string())
                };
                (text(stream.peer_addr()), text(stream.local_addr()))
            }
            Stream::Unix(stream) => {
                let path = stream.local_addr().ok();
                let path = path.as_ref().and_then(|address| address.as_pathname());
                let text = path.map_or_else(String::new, |path| path.display().to_string());
                (format!("{text}:0"), format!("{text}:0"))
            }
            Stream::Other(stream) => stream.addresses(),
        }
    }

    /// Whether the other end is on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Stream::Tcp(stream) => stream.peer_addr().is_ok_and(|peer| peer.ip().is_loopback()),
            Stream::Unix(_) | Stream::Other(_) => true,
        }
    }

    /// No delay, and probes after `keepalive` of silence (zero: none).
    pub fn tune(&self, keepalive: Duration) -> io::Result<()> {
        if let Stream::Tcp(stream) = self {
            stream.set_nodelay(true)?;
            if !keepalive.is_zero() {
                // As Redis: three probes within the time of one more interval.
                let interval = (keepalive / 3).max(Duration::from_secs(1));
                let probes = TcpKeepalive::new()
                    .with_time(keepalive)
                    .with_interval(interval)
                    .with_retries(3);
                SockRef::from(stream).set_tcp_keepalive(&probes)?;
            }
        }
        Ok(())
    }

    /// Leaves this runtime.
    pub fn leave(self) -> io::Result<Moving> {
        Ok(match self {
            Stream::Tcp(stream) => Moving::Tcp(stream.into_std()?),
            Stream::Unix(stream) => Moving::Unix(stream.into_std()?),
            Stream::Other(stream) => Moving::Other(stream),
        })
    }
}

impl Moving {
    /// Joins the runtime that runs.
    pub fn join(self) -> io::Result<Stream> {
        Ok(match self {
            Moving::Tcp(stream) => Stream::Tcp(TcpStream::from_std(stream)?),
            Moving::Unix(stream) => Stream::Unix(UnixStream::from_std(stream)?),
            Moving::Other(stream) => Stream::Other(stream),
        })
    }
}
