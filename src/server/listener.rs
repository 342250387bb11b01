//! Accepts connections and gives each to the worker that has the fewest.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use socket2::Socket;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::crew::Crew;
use crate::config::{Config, Param};
use crate::exec::Engine;
use crate::net::listen;
use crate::net::stream::{Moving, Stream};

/// Waits this long after an error such as "too many open files" before it accepts again.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// An address that we have just given up is not free at once.
const REBIND_TRIES: usize = 20;
const REBIND_PAUSE: Duration = Duration::from_millis(10);

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

/// A socket that is bound, and the configuration's words for where.
type Place = (String, u16);

/// Sockets that are bound and not accepted from yet.
pub struct Bound {
    tcp: Vec<(Place, Socket)>,
    unix: Option<UnixListener>,
}

impl Bound {
    /// Binds what the configuration says.
    pub fn new(config: &Config) -> anyhow::Result<Bound> {
        let port = config.get_int(Param::Port) as u16;
        let path = config.path(Param::UnixSocket);
        if port == 0 && path.is_none() {
            anyhow::bail!("Configured to not listen anywhere, exiting.");
        }
        let mut tcp = Vec::new();
        for place in places(config) {
            let socket = bind(&place, config).inspect_err(|error| {
                tracing::warn!("Warning: {error}");
                tracing::warn!("Failed listening on port {port} (tcp), aborting.");
            })?;
            tcp.extend(socket.map(|socket| (place, socket)));
        }
        let mode = config.get_int(Param::UnixSocketPerm) as u32;
        let open = |path: std::path::PathBuf| {
            let failed = || format!("Failed opening Unix socket {}", path.display());
            listen::unix(&path, mode).with_context(failed)
        };
        let unix = path.map(open).transpose()?;
        Ok(Bound { tcp, unix })
    }

    /// Accepts from now on, on the runtime that runs.
    pub fn accept(self, acceptor: Arc<Acceptor>) -> anyhow::Result<Listeners> {
        let runtime = Handle::current();
        if let Some(listener) = self.unix {
            runtime.spawn(acceptor.clone().unix(listener));
        }
        let listeners = Listeners {
            acceptor,
            runtime,
            tcp: Mutex::default(),
        };
        for (place, socket) in self.tcp {
            let task = listeners.spawn(socket)?;
            listeners.tcp.lock().push((place, task));
        }
        Ok(listeners)
    }
}

/// The tasks that accept TCP connections, exchanged when CONFIG SET binds elsewhere.
pub struct Listeners {
    acceptor: Arc<Acceptor>,
    runtime: Handle,
    tcp: Mutex<Vec<(Place, AbortHandle)>>,
}

impl Listeners {
    /// Listens where the configuration says now, and no longer where it said before. If an
    /// address is not to be had everything stays as it is.
    pub fn rebind(&self, config: &Config) -> anyhow::Result<()> {
        let mut accepting = self.tcp.lock();
        let wanted = places(config);
        let mut new = Vec::new();
        for place in &wanted {
            if accepting.iter().all(|(known, _)| known != place) {
                let socket = bind_patiently(place, config)?;
                new.extend(socket.map(|socket| (place.clone(), socket)));
            }
        }
        accepting.retain(|(place, task)| {
            let stays = wanted.contains(place);
            if !stays {
                task.abort();
            }
            stays
        });
        for (place, socket) in new {
            accepting.push((place, self.spawn(socket)?));
        }
        Ok(())
    }

    fn spawn(&self, socket: Socket) -> anyhow::Result<AbortHandle> {
        let _inside = self.runtime.enter();
        let listener = listen::tcp(socket)?;
        Ok(self
            .runtime
            .spawn(self.acceptor.clone().tcp(listener))
            .abort_handle())
    }
}

fn places(config: &Config) -> Vec<Place> {
    match config.get_int(Param::Port) as u16 {
        0 => Vec::new(),
        port => config
            .bind()
            .iter()
            .map(|address| (address.clone(), port))
            .collect(),
    }
}

/// Nothing if the address may be missing, and is.
fn bind(place: &Place, config: &Config) -> Result<Option<Socket>, listen::BindError> {
    let backlog = config.get_int(Param::TcpBacklog) as i32;
    let bound = listen::bind_all(std::slice::from_ref(&place.0), place.1, backlog)?;
    Ok(bound.into_iter().next())
}

/// As `bind`, for a socket that we may just have given up ourselves.
fn bind_patiently(place: &Place, config: &Config) -> Result<Option<Socket>, listen::BindError> {
    for _ in 0..REBIND_TRIES {
        match bind(place, config) {
            Err(error) if error.error.kind() == std::io::ErrorKind::AddrInUse => {
                std::thread::sleep(REBIND_PAUSE);
            }
            other => return other,
        }
    }
    bind(place, config)
}

pub struct Acceptor {
    pub engine: Arc<Engine>,
    pub crew: Arc<Crew>,
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
        let clients_max = config.get_int(Param::MaxClients).max(0) as usize;
        if !shared.clients.expect_arrival(clients_max) {
            refuse(stream, b"-ERR max number of clients reached\r\n");
            rare.connections_rejected.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let protected = config.get_bool(Param::ProtectedMode) && !config.has_password();
        if protected && !stream.is_local() {
            refuse(stream, PROTECTED);
            shared.clients.miss_arrival();
            rare.connections_rejected.fetch_add(1, Ordering::Relaxed);
            return;
        }
        rare.connections_received.fetch_add(1, Ordering::Relaxed);
        let keepalive = config.get_seconds(Param::TcpKeepalive);
        if let Err(error) = stream.tune(keepalive) {
            tracing::debug!("Could not set the options of a new socket: {error}");
        }
        match stream.leave() {
            Ok(moving) => self.crew.admit(moving),
            Err(error) => {
                tracing::debug!("A new connection was lost: {error}");
                shared.clients.miss_arrival();
            }
        }
    }
}

/// Sends one line if the socket takes it at once, and closes.
fn refuse(stream: Stream, line: &[u8]) {
    // The runtime has not heard yet that a new socket can be written to: it is not asked.
    let _ = match stream.leave() {
        Ok(Moving::Tcp(mut stream)) => stream.write(line),
        Ok(Moving::Unix(mut stream)) => stream.write(line),
        // No listener accepts anything else.
        Ok(Moving::Other(_)) => Ok(0),
        Err(error) => Err(error),
    };
}

async fn report(error: &std::io::Error) {
    tracing::warn!("Error accepting a client connection: {error}");
    tokio::time::sleep(AFTER_ERROR).await;
}
