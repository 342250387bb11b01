//! Accepts connections and gives each to the worker that has the fewest.

use std::convert::Infallible;
use std::io::{ErrorKind, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use socket2::Socket;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::crew::Crew;
use crate::base::os_error;
use crate::config::{Config, Param};
use crate::exec::Engine;
use crate::net::listen;
use crate::net::stream::{Moving, Stream};

/// Waits this long after an error such as "too many open files" before it accepts again.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// A socket is closed when its runtime drops the task that accepts; it does so at once unless
/// the machine is busy.
const CLOSING_MAX: Duration = Duration::from_secs(5);

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
        let mut tcp = Vec::new();
        for place in places(config) {
            let socket = bind(&place, config).inspect_err(|error| {
                tracing::warn!("Warning: {error}");
                tracing::warn!("Failed listening on port {port} (tcp), aborting.");
            })?;
            tcp.extend(socket.map(|socket| (place, socket)));
        }
        if tcp.is_empty() && path.is_none() {
            anyhow::bail!("Configured to not listen anywhere, exiting.");
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
            let accepting = listeners.spawn(place, socket)?;
            listeners.tcp.lock().push(accepting);
        }
        Ok(listeners)
    }
}

/// The tasks that accept TCP connections, exchanged when CONFIG SET binds elsewhere.
pub struct Listeners {
    acceptor: Arc<Acceptor>,
    runtime: Handle,
    tcp: Mutex<Vec<Accepting>>,
}

/// One place that is listened on.
struct Accepting {
    place: Place,
    task: AbortHandle,
    /// Ends when the socket is closed.
    closed: Receiver<Infallible>,
}

impl Listeners {
    /// Listens where the configuration says now, and no longer where it said before. If an
    /// address is not to be had everything stays as it is.
    pub fn rebind(&self, config: &Config) -> anyhow::Result<()> {
        let mut accepting = self.tcp.lock();
        let mut old = std::mem::take(&mut *accepting);
        let mut missing = Vec::new();
        for place in places(config) {
            match old.iter().position(|known| known.place == place) {
                Some(index) => accepting.push(old.swap_remove(index)),
                None => missing.push(place),
            }
        }
        let bound = self.exchange(&mut old, missing, config);
        accepting.append(&mut old);
        for (place, socket) in bound? {
            accepting.push(self.spawn(place, socket)?);
        }
        Ok(())
    }

    /// Binds what is `missing` in place of what is `old`, which is empty then. If that fails
    /// `old` is what is still listened on. An old address is given up first only where a new
    /// one includes it, since whoever is about to connect there is turned away.
    fn exchange(
        &self,
        old: &mut Vec<Accepting>,
        missing: Vec<Place>,
        config: &Config,
    ) -> anyhow::Result<Vec<(Place, Socket)>> {
        let (mut bound, mut taken) = (Vec::new(), Vec::new());
        for place in missing {
            match bind(&place, config) {
                Ok(socket) => bound.extend(socket.map(|socket| (place, socket))),
                Err(error) if error.error.kind() == ErrorKind::AddrInUse && !old.is_empty() => {
                    taken.push(place);
                }
                Err(error) => return Err(error.into()),
            }
        }
        let given_up: Vec<Place> = old.drain(..).map(Accepting::close).collect();
        for place in taken {
            match bind(&place, config) {
                Ok(socket) => bound.extend(socket.map(|socket| (place, socket))),
                Err(error) => {
                    // They may be in the way of the old ones.
                    drop(bound);
                    old.extend(
                        given_up
                            .into_iter()
                            .filter_map(|old| self.reopen(old, config)),
                    );
                    return Err(error.into());
                }
            }
        }
        Ok(bound)
    }

    /// Listens again where it was listened before.
    fn reopen(&self, place: Place, config: &Config) -> Option<Accepting> {
        let named = format!("{}:{}", place.0, place.1);
        let bound = bind(&place, config).map_err(anyhow::Error::from);
        match bound.and_then(|socket| socket.map(|socket| self.spawn(place, socket)).transpose()) {
            Ok(accepting) => accepting,
            Err(error) => {
                tracing::warn!("{named} is no longer listened on: {error}");
                None
            }
        }
    }

    fn spawn(&self, place: Place, socket: Socket) -> anyhow::Result<Accepting> {
        let _inside = self.runtime.enter();
        let listener = listen::tcp(socket)?;
        let acceptor = self.acceptor.clone();
        let (closing, closed) = channel();
        let task = self.runtime.spawn(async move {
            // Dropped behind the listener.
            let _closing = closing;
            acceptor.tcp(listener).await;
        });
        Ok(Accepting {
            place,
            task: task.abort_handle(),
            closed,
        })
    }
}

impl Accepting {
    /// Gives its place up, which is free to be bound again when this returns.
    fn close(self) -> Place {
        self.task.abort();
        // Nothing is ever sent: either way the wait is over.
        let _ = self.closed.recv_timeout(CLOSING_MAX);
        self.place
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
    let why = os_error::words(error);
    tracing::warn!("Error accepting a client connection: {why}");
    tokio::time::sleep(AFTER_ERROR).await;
}
