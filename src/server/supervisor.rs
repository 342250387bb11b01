//! What a service manager is told of the server: the notification protocol of systemd, as
//! sd_notify(3) has it.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use crate::config::{Config, Param, Supervised};

/// How far the server is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Loading,
    Ready,
    /// There is no way back: it is not told while a shutdown can be called off.
    Stopping,
}

impl State {
    fn words(self) -> &'static str {
        match self {
            State::Loading => "STATUS=Loading the dataset\n",
            State::Ready => "STATUS=Ready to accept connections\nREADY=1\n",
            State::Stopping => "STOPPING=1\n",
        }
    }
}

/// Tells the service manager, if there is one to be told.
pub fn tell(config: &Config, state: State) {
    let mode = config.choice::<Supervised>(Param::Supervised);
    let wanted = matches!(mode, Supervised::Systemd | Supervised::Auto);
    let socket = std::env::var_os("NOTIFY_SOCKET").filter(|_| wanted);
    let Some(path) = socket else {
        return;
    };
    if let Err(error) = send(Path::new(&path), state.words()) {
        tracing::warn!("The service manager was not told of the state {state:?}: {error}");
    }
}

fn send(path: &Path, words: &str) -> io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    let address = match path.to_string_lossy().strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    sender.send_to_addr(words.as_bytes(), &address)?;
    Ok(())
}
