//! A real redis-server to compare with: `PEER_SERVER`, or the one in the path.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Peer {
    child: Child,
    stream: BufReader<TcpStream>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> std::ffi::OsString {
    std::env::var_os("PEER_SERVER").unwrap_or("redis-server".into())
}

/// Whether there is a peer at all. Where CI runs, its absence is a failure.
pub fn is_there() -> bool {
    let found = Command::new(program()).arg("--version").output().is_ok();
    assert!(
        found || std::env::var_os("CI").is_none(),
        "no redis-server to compare with"
    );
    if !found {
        eprintln!("skipped: no redis-server to compare with");
    }
    found
}

/// What a peer that does not start prints to its standard error.
pub fn complaint(dir: &Path, args: &[&str], stdin: &str) -> String {
    let mut child = Command::new(program())
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(stdin.as_bytes())
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            return "it started".into();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut text = String::new();
    child.stderr.unwrap().read_to_string(&mut text).unwrap();
    text
}

impl Peer {
    pub fn start(dir: &Path, args: &[&str]) -> Peer {
        Peer::start_program(&program(), dir, args)
    }

    /// Another peer: the one that this variable names, or this file in the user's cache of
    /// peers. `None`, after a word about it, where there is none.
    pub fn cached(dir: &Path, variable: &str, name: &str) -> Option<Peer> {
        let named = std::env::var_os(variable).map(PathBuf::from);
        let cached = || Some(std::env::home_dir()?.join(".cache/peers/bin").join(name));
        let found = named.or_else(cached).filter(|program| program.exists());
        if found.is_none() {
            eprintln!("skipped: {variable} names no server");
        }
        found.map(|program| Peer::start_program(program.as_os_str(), dir, &[]))
    }

    fn start_program(program: &OsStr, dir: &Path, args: &[&str]) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let child = Command::new(program)
            .args(args)
            .args(["--port", &port.to_string()])
            .current_dir(dir)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let stream = BufReader::new(stream);
        Peer { child, stream }
    }

    /// The reply's strings: one for a status, an error (with its `-`) or a bulk, all of
    /// them for an array of bulks.
    pub fn call(&mut self, args: &[&str]) -> Vec<String> {
        let mut request = format!("*{}\r\n", args.len());
        for arg in args {
            request += &format!("${}\r\n{arg}\r\n", arg.len());
        }
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        self.reply()
    }

    fn reply(&mut self) -> Vec<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let line = line.trim_end();
        let (kind, rest) = line.split_at(1);
        match kind {
            "$" => {
                let mut bytes = vec![0; rest.parse::<usize>().unwrap() + 2];
                self.stream.read_exact(&mut bytes).unwrap();
                bytes.truncate(bytes.len() - 2);
                vec![String::from_utf8(bytes).unwrap()]
            }
            "*" => (0..rest.parse::<usize>().unwrap())
                .flat_map(|_| self.reply())
                .collect(),
            "-" => vec![line.into()],
            _ => vec![rest.into()],
        }
    }
}
