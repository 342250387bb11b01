//! `daemonize`: the process starts itself anew in the background, and ends. Nothing else
//! would do, since a process with threads cannot be forked; so this comes before the first.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::config::{Config, Param};

/// Tells the process in the background that it is there already.
const GUARD: &str = "LOCKSTEP_IN_BACKGROUND";

/// The file for the process id of a server in the background, if none is named.
const PID_FILE: &str = "/var/run/redis.pid";

/// What there is to do for the process that has read its configuration.
pub enum Place {
    /// Run here.
    Here,
    /// Another process runs the server.
    Left,
}

/// Goes to the background if that is asked for. The new process reads the same
/// configuration again, what came from the standard input included: `input`.
///
/// # Errors
/// The program cannot be started once more.
pub fn enter(config: &Config, input: &[u8]) -> io::Result<Place> {
    if !config.get_bool(Param::Daemonize) {
        return Ok(Place::Here);
    }
    if std::env::var_os(GUARD).as_deref() == Some(OsStr::new("1")) {
        // Away from the terminal. It fails only for the leader of a group, which a child
        // is not; one that was started as such has no terminal to leave.
        let _ = rustix::process::setsid();
        return Ok(Place::Here);
    }
    let mut child = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(GUARD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // It reads only if its configuration says so.
        let _ = stdin.write_all(input);
    }
    Ok(Place::Left)
}

/// Where the process id is to be written, if anywhere.
pub fn pid_file(config: &Config) -> Option<PathBuf> {
    let in_background = config.get_bool(Param::Daemonize);
    let named = config.path(Param::PidFile);
    named.or_else(|| in_background.then(|| PathBuf::from(PID_FILE)))
}
