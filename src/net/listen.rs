//! Binding and accepting.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use crate::base::os_error;

/// A bind directive that could not be followed.
#[derive(Debug, thiserror::Error)]
#[error(
    "Could not create server TCP listening socket {address}:{port}: {}",
    os_error::words(.error)
)]
pub struct BindError {
    pub address: String,
    pub port: u16,
    pub error: io::Error,
}

/// Listens on every address of a `bind` directive. An address with a `-` in front may be
/// missing on this machine; `*` and `::*` stand for all addresses of their family.
pub fn bind_all(addresses: &[String], port: u16, backlog: i32) -> Result<Vec<Socket>, BindError> {
    let mut sockets = Vec::new();
    for written in addresses {
        let (address, optional) = match written.strip_prefix('-') {
            Some(rest) => (rest, true),
            None => (written.as_str(), false),
        };
        match resolve(address, port).and_then(|at| bind(at, backlog)) {
            Ok(socket) => sockets.push(socket),
            Err(error) if optional && is_missing(&error) => {}
            Err(error) => {
                return Err(BindError {
                    address: address.to_owned(),
                    port,
                    error,
                });
            }
        }
    }
    Ok(sockets)
}

fn resolve(address: &str, port: u16) -> io::Result<SocketAddr> {
    let ip = match address {
        "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "::*" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        name => {
            let mut found = std::net::ToSocketAddrs::to_socket_addrs(&(name, port))?;
            let first = found.next();
            return first.ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable));
        }
    };
    Ok(SocketAddr::new(ip, port))
}

fn bind(at: SocketAddr, backlog: i32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    socket.listen(backlog)?;
    Ok(socket)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported
    ) || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

/// Makes a bound socket one of the runtime that runs.
pub fn tcp(socket: Socket) -> io::Result<TcpListener> {
    TcpListener::from_std(socket.into())
}

/// Listens on a Unix socket, in the place of one that a server before us left behind.
/// `mode` 0 leaves the permissions to the umask.
pub fn unix(path: &Path, mode: u32) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    if mode != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(listener)
}
