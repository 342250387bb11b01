//! Connecting to other servers.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpSocket, TcpStream, lookup_host};

/// Connects to the first of `host`'s addresses that answers, from the local address
/// `source` unless that is empty. As in Redis a source that this machine does not have, or
/// not in the target's family, is no reason not to connect.
///
/// # Errors
/// `host` has no address, or none that accepts the connection.
pub async fn connect(host: &str, port: u16, source: &str) -> io::Result<TcpStream> {
    if source.is_empty() {
        return TcpStream::connect((host, port)).await;
    }
    let sources: Vec<SocketAddr> = match lookup_host((source, 0)).await {
        Ok(found) => found.collect(),
        Err(_) => Vec::new(),
    };
    let mut refused = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for target in lookup_host((host, port)).await? {
        let source = sources
            .iter()
            .find(|source| source.is_ipv4() == target.is_ipv4());
        match socket(target, source)?.connect(target).await {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn socket(target: SocketAddr, source: Option<&SocketAddr>) -> io::Result<TcpSocket> {
    let socket = match target {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(source) = source
        && let Err(error) = socket.bind(*source)
    {
        tracing::debug!("Connecting from any address, for {source} is not to be had: {error}");
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn seen_from(source: &str) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connected, accepted) =
            tokio::join!(connect("127.0.0.1", port, source), listener.accept());
        connected.unwrap();
        accepted.unwrap().1.ip().to_string()
    }

    #[tokio::test]
    async fn from_where() {
        assert_eq!(seen_from("").await, "127.0.0.1");
        assert_eq!(seen_from("127.0.0.2").await, "127.0.0.2");
        assert_eq!(seen_from("::1").await, "127.0.0.1");
        assert_eq!(seen_from("203.0.113.1").await, "127.0.0.1");
        assert!(connect("127.0.0.1", 1, "127.0.0.2").await.is_err());
    }
}
