//! Real servers as the oracle, each in a folder of its own.
//!
//! They are reached by a socket in that folder and listen on no port: one that was free a
//! moment ago may be somebody else's by the time a server asks for it.

#![allow(dead_code, reason = "each of those who include this uses a part of it")]

use std::ffi::OsStr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that a machine may have or not.
#[derive(Clone, Copy)]
pub struct Make {
    variable: &'static str,
    name: &'static str,
    /// Whether it must be there in CI.
    needed: bool,
}

/// The Redis 7.0 that Debian installs.
pub const REDIS: Make = Make {
    variable: "PEER_SERVER",
    name: "redis-server",
    needed: true,
};

pub const REDIS_8: Make = Make {
    variable: "PEER_REDIS_8",
    name: "redis-server-8",
    needed: false,
};

pub const VALKEY: Make = Make {
    variable: "PEER_VALKEY",
    name: "valkey-server",
    needed: false,
};

impl Make {
    /// The program that its variable names, as a path or a name, or that of its usual name; it
    /// is looked for in `PATH` and in the user's cache of peers. `None`, after a word about
    /// it, where there is none; in CI that is a failure if it must be there.
    pub fn find(&self) -> Option<PathBuf> {
        let wanted = PathBuf::from(std::env::var_os(self.variable).unwrap_or(self.name.into()));
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let cache = std::env::home_dir().map(|home| home.join(".cache/peers/bin"));
        let mut places = std::env::split_paths(&folders)
            .chain(cache)
            .map(|folder| folder.join(&wanted));
        let found = places.find(|place| place.is_file());
        if found.is_none() {
            let missing = format!("{} is missing; {} may name it", self.name, self.variable);
            let must = self.needed && std::env::var_os("CI").is_some();
            assert!(!must, "{missing}: apt-get install {}", self.name);
            eprintln!("skipped: {missing}");
        }
        found
    }
}

/// The arguments with which a server listens in `folder` and nowhere else.
pub fn listening_in(folder: &Path) -> [String; 4] {
    let socket = socket_in(folder).display().to_string();
    ["--port".into(), "0".into(), "--unixsocket".into(), socket]
}

pub fn socket_in(folder: &Path) -> PathBuf {
    folder.join("peer.sock")
}

/// A server that is killed when dropped.
pub struct Oracle {
    child: Child,
    socket: PathBuf,
}

impl Oracle {
    /// Starts a server whose folder this is, with these arguments before those that say where
    /// it listens.
    pub fn start<A: AsRef<OsStr>>(
        program: &Path,
        folder: &Path,
        args: impl IntoIterator<Item = A>,
    ) -> Oracle {
        let child = Command::new(program)
            .args(args)
            .args(listening_in(folder))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let socket = socket_in(folder);
        Oracle { child, socket }
    }

    /// Waits until the server listens.
    pub fn connect(&mut self) -> UnixStream {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match UnixStream::connect(&self.socket) {
                Ok(stream) => return stream,
                Err(error) => assert!(Instant::now() < deadline, "it does not listen: {error}"),
            }
            let ended = self.child.try_wait().expect("a child of ours");
            assert!(ended.is_none(), "it has ended: {ended:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
