//! A real server to compare with, asked over a connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::oracle::{Make, Oracle};

pub struct Peer {
    stream: BufReader<UnixStream>,
    _server: Oracle,
    pub folder: TempDir,
}

/// What a peer that does not start prints to its standard error.
pub fn complaint(program: &Path, dir: &Path, args: &[&str], stdin: &str) -> String {
    let mut child = Command::new(program)
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
    let deadline = Instant::now() + Duration::from_secs(30);
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
    /// `None`, after a word about it, where there is no such server.
    pub fn start(make: Make, args: &[&str]) -> Option<Peer> {
        let folder = TempDir::new().unwrap();
        let mut server = Oracle::start(&make.find()?, folder.path(), args);
        let stream = BufReader::new(server.connect());
        Some(Peer {
            stream,
            _server: server,
            folder,
        })
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
