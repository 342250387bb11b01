//! Accepts connections and gives each to the worker that has the fewest.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};

use super::worker::WorkerHandle;
use crate::config::Param;
use crate::exec::Engine;
use crate::net::stream::Stream;

/// Waits this long after an error such as "too many open files" before it accepts again.
const AFTER_ERROR: Duration = Duration::from_millis(100);

const PROTECTED: &[u8] =
    b"-DENIED Redis is running in protected mode because protected mode is enabled and no \
password is set for the default user. In this mode connections are only accepted from the \
loopback interface. If you want to connect from external computers to Redis you may adopt one \
of the following solutions: 1) Just disable protected mode sending the command 'CONFIG SET \
protected-mode no' from the loopback interface by connecting to Redis from the same host the \
server is running, however MAKE SURE Redis is not publicly accessible from internet if you do \
so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the \
protected mode by editing the Redis configuration file, and setting the protected mode option \
to 'no', and then restarting the server. 3) If you started the server manually just for \
testing, restart it with the '--protected-mode no' option. 4) Setup a an authentication password \
for the default user. NOTE: You only need to do one of the above things in order for the server \
to start accepting connections from the outside.\r\n";

pub struct Acceptor {
    pub engine: Arc<Engine>,
    pub workers: Arc<[WorkerHandle]>,
}

impl Acceptor {
    pub async fn tcp(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.admit(Stream::Tcp(stream)),
                Err(error) => report(&error).await,
            }
        }
    }

    pub async fn unix(self: Arc<Self>, listener: UnixListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.admit(Stream::Unix(stream)),
                Err(error) => report(&error).await,
            }
        }
    }

    fn admit(&self, stream: Stream) {
        let shared = &self.engine.shared;
        let config = &shared.config;
        let rare = &shared.stats.rare;
        if shared.clients.len() as i64 >= config.get_int(Param::MaxClients) {
            refuse(stream, b"-ERR max number of clients reached\r\n");
            rare.connections_rejected.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let protected =
            config.get_bool(Param::ProtectedMode) && config.get_text(Param::RequirePass).is_empty();
        if protected && !stream.is_local() {
            refuse(stream, PROTECTED);
            rare.connections_rejected.fetch_add(1, Ordering::Relaxed);
            return;
        }
        rare.connections_received.fetch_add(1, Ordering::Relaxed);
        let keepalive = config.get_seconds(Param::TcpKeepalive);
        if let Err(error) = stream.tune(keepalive) {
            tracing::debug!("Could not set the options of a new socket: {error}");
        }
        let quietest = self
            .workers
            .iter()
            .min_by_key(|worker| worker.connections());
        match (quietest, stream.leave()) {
            (Some(worker), Ok(moving)) => worker.give(moving),
            (_, Err(error)) => tracing::debug!("A new connection was lost: {error}"),
            (None, _) => {}
        }
    }
}

/// Sends one line if the socket takes it at once, and closes.
fn refuse(mut stream: Stream, line: &[u8]) {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let _ = stream.poll_write(&mut cx, line);
}

async fn report(error: &std::io::Error) {
    tracing::warn!("Error accepting a client connection: {error}");
    tokio::time::sleep(AFTER_ERROR).await;
}
