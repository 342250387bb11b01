//! Reaching another server, from an address of our choice.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream, lookup_host};

/// Connects to the first address of `host` that answers, from the address `source` of this
/// machine if that is not empty and can be used; as in Redis a wish, not a condition.
///
/// # Errors
/// The host is not known, or none of its addresses can be reached.
pub async fn connect(host: &str, port: u16, source: &str) -> io::Result<TcpStream> {
    let mut failed = None;
    for address in lookup_host((host, port)).await? {
        let socket = socket_at(address, source)?;
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable)))
}

fn socket_at(target: SocketAddr, source: &str) -> io::Result<TcpSocket> {
    let new = || match target {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let Ok(source) = source.parse::<IpAddr>() else {
        return new();
    };
    let socket = new()?;
    match socket.bind(SocketAddr::new(source, 0)) {
        Ok(()) => Ok(socket),
        // Another family, or not an address of this machine.
        Err(_) => new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached_from(source: &str) -> IpAddr {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let _stream = connect("127.0.0.1", port, source).await.unwrap();
            let (_, from) = listener.accept().await.unwrap();
            from.ip()
        })
    }

    #[test]
    fn the_source_is_chosen_where_that_is_possible() {
        assert_eq!(reached_from("127.0.0.3").to_string(), "127.0.0.3");
        for source in ["", "::1", "nowhere", "203.0.113.1"] {
            assert_eq!(reached_from(source).to_string(), "127.0.0.1", "{source}");
        }
    }
}
