//! The command line.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail};

use crate::request::keys_max;

pub const USAGE: &str = "\
load [--host H] [--port N] [--unix PATH] [--mode get|set|mixed|fill]
     [--command TEXT] [--connections N] [--pipeline N] [--ops N | --seconds S]
     [--rate OPS_PER_S] [--keys N] [--first N] [--key-bytes N] [--value-bytes N] [--get-percent N]
     [--ttl SECONDS] [--warmup-ms N] [--seed N] [--auth PASSWORD] [--server-pid PID]
";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Get,
    Set,
    Mixed,
    Fill,
}

#[derive(Debug)]
pub enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

pub struct Options {
    pub place: Place,
    pub mode: Mode,
    /// Sent instead of SET.
    pub command: Option<String>,
    pub connections: usize,
    pub pipeline: u64,
    /// Ends after this many requests (in `fill`: the number of keys).
    pub ops: Option<u64>,
    /// Ends this long after the warm-up.
    pub seconds: f64,
    /// Requests a second of the open loop.
    pub rate: Option<f64>,
    pub keys: u64,
    pub first_key: u64,
    pub key_bytes: usize,
    pub value_bytes: usize,
    pub get_percent: u64,
    pub ttl_s: Option<u64>,
    pub warmup_ms: u64,
    pub seed: u64,
    pub password: Option<String>,
    pub server_pid: Option<u32>,
}

impl Options {
    /// Reads the arguments; `None` if they ask for help.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self::new();
        let (mut host, mut port, mut seconds) = ("127.0.0.1".to_owned(), 6379, None);
        let mut unix = None;
        while let Some(name) = args.next() {
            if name == "--help" || name == "-h" {
                return Ok(None);
            }
            let value = args
                .next()
                .with_context(|| format!("{name} needs a value\n{USAGE}"))?;
            match name.as_str() {
                "--host" => host = value,
                "--port" => port = number(&name, &value)?,
                "--unix" => unix = Some(PathBuf::from(value)),
                "--seconds" => seconds = Some(number(&name, &value)?),
                _ => options.set(&name, value)?,
            }
        }
        options.place = match unix {
            Some(path) => Place::Unix(path),
            None => {
                let mut found = (host.as_str(), port).to_socket_addrs()?;
                Place::Tcp(found.next().context("the host has no address")?)
            }
        };
        if options.command.is_some() && options.mode == Mode::Get {
            options.mode = Mode::Set;
        }
        if options.mode == Mode::Fill {
            options.ops = Some(options.keys);
            options.warmup_ms = 0;
        }
        // Whichever limit was not given must not end the run.
        let unlimited = f64::INFINITY;
        let default_seconds = if options.ops.is_some() {
            unlimited
        } else {
            1.0
        };
        options.seconds = seconds.unwrap_or(default_seconds);
        options.check()?;
        Ok(Some(options))
    }

    fn new() -> Self {
        Self {
            place: Place::Unix(PathBuf::new()),
            mode: Mode::Get,
            command: None,
            connections: 50,
            pipeline: 1,
            ops: None,
            seconds: 1.0,
            rate: None,
            keys: 1_000_000,
            first_key: 0,
            key_bytes: 16,
            value_bytes: 32,
            get_percent: 50,
            ttl_s: None,
            warmup_ms: 100,
            seed: 1,
            password: None,
            server_pid: None,
        }
    }

    fn set(&mut self, name: &str, value: String) -> Result<()> {
        match name {
            "--mode" => self.mode = mode(&value)?,
            "--command" => self.command = Some(value),
            "--connections" => self.connections = number(name, &value)?,
            "--pipeline" => self.pipeline = number(name, &value)?,
            "--ops" => self.ops = Some(number(name, &value)?),
            "--rate" => self.rate = Some(number(name, &value)?),
            "--keys" => self.keys = number(name, &value)?,
            "--first" => self.first_key = number(name, &value)?,
            "--key-bytes" => self.key_bytes = number(name, &value)?,
            "--value-bytes" => self.value_bytes = number(name, &value)?,
            "--get-percent" => self.get_percent = number(name, &value)?,
            "--ttl" => self.ttl_s = Some(number(name, &value)?),
            "--warmup-ms" => self.warmup_ms = number(name, &value)?,
            "--seed" => self.seed = number(name, &value)?,
            "--auth" => self.password = Some(value),
            "--server-pid" => self.server_pid = Some(number(name, &value)?),
            _ => bail!("unknown option {name}\n{USAGE}"),
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if self.connections == 0 || self.pipeline == 0 || self.keys == 0 {
            bail!("connections, pipeline and keys must be at least 1");
        }
        if self.first_key.saturating_add(self.keys) > keys_max(self.key_bytes) {
            bail!("keys of {} bytes are too short", self.key_bytes);
        }
        if self.rate.is_some_and(|rate| rate.is_nan() || rate <= 0.0) {
            bail!("the rate must be above 0");
        }
        Ok(())
    }
}

fn mode(text: &str) -> Result<Mode> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "get" => Mode::Get,
        "set" => Mode::Set,
        "mixed" => Mode::Mixed,
        "fill" => Mode::Fill,
        _ => bail!("unknown mode {text}\n{USAGE}"),
    })
}

fn number<T: FromStr>(name: &str, text: &str) -> Result<T> {
    match text.parse() {
        Ok(number) => Ok(number),
        Err(_) => bail!("{name} {text}: not a number that can be used here"),
    }
}
