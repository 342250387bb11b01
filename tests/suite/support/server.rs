//! Servers to test: ours, and a real redis-server as the oracle and the other end of a link.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::client::Client;
use crate::oracle::{Make, REDIS, REDIS_8, VALKEY};

/// How long a server may take to start or to stop: generous, tests share two cores.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// The ranges of ports that test processes claim.
const RANGES_BEGIN: u16 = 12_000;
const RANGES: u32 = 50;
const RANGE_PORTS: u16 = 400;

/// The configuration file in a server's folder, if it has one.
const FILE_NAME: &str = "redis.conf";

/// A running server on a port and in a folder of its own; it is killed when dropped.
pub struct Server {
    child: Child,
    program: PathBuf,
    args: Vec<String>,
    pub port: u16,
    folder: TempDir,
    /// How long the log was when the process was started.
    log_before_bytes: usize,
}

impl Server {
    /// Starts the server that is being tested, as `server --port P --dir D --save "" args`.
    /// Directives given twice count as the last one says.
    #[track_caller]
    pub fn start(args: &[&str]) -> Server {
        let ours = PathBuf::from(env!("CARGO_BIN_EXE_server"));
        let program = std::env::var_os("SERVER_BIN").map_or(ours, PathBuf::from);
        Server::start_program(program, None, args)
    }

    /// The same with a configuration file, `redis.conf` in the server's folder.
    #[track_caller]
    pub fn start_with_file(text: &str, args: &[&str]) -> Server {
        let ours = PathBuf::from(env!("CARGO_BIN_EXE_server"));
        let program = std::env::var_os("SERVER_BIN").map_or(ours, PathBuf::from);
        Server::start_program(program, Some(text), args)
    }

    #[track_caller]
    fn start_program(program: PathBuf, file: Option<&str>, args: &[&str]) -> Server {
        let folder = tempfile::tempdir().expect("a temporary folder");
        if let Some(text) = file {
            fs::write(folder.path().join(FILE_NAME), text).expect("a configuration file");
        }
        let port = free_port();
        let args: Vec<String> = args.iter().map(|arg| arg.to_string()).collect();
        let child = spawn(&program, port, folder.path(), &args);
        let mut server = Server {
            child,
            program,
            args,
            port,
            folder,
            log_before_bytes: 0,
        };
        server.wait_until_it_answers();
        server
    }

    pub fn client(&self) -> Client {
        Client::connect(("127.0.0.1", self.port))
    }

    /// The server's working folder, where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the server has logged since its first start.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name without `SIG`: `TERM`, `STOP`, `CONT`, `KILL` ...
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .expect("kill runs");
        assert!(status.success(), "kill -s {name} {pid}");
        if name == "STOP" {
            // The thread that is told stops the others once it has a core: until then they go on.
            wait_until(START_DEADLINE, "all threads stand still", || {
                let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
                tasks.flatten().all(|task| is_stopped(&task.path()))
            });
        }
    }

    /// Waits until the process has ended.
    #[track_caller]
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until(START_DEADLINE, "the server has ended", || {
            status = self.child.try_wait().expect("a child process");
            status.is_some()
        });
        status.expect("waited for")
    }

    /// Starts the ended (or else killed) server again: same port, same folder, same arguments.
    #[track_caller]
    pub fn restart(&mut self) {
        self.begin_again(&[]);
        self.wait_until_it_answers();
    }

    /// Starts the ended (or else killed) server again with more arguments, and does not wait
    /// until it answers.
    pub fn begin_again(&mut self, args: &[&str]) {
        self.kill();
        let more = args.iter().map(|arg| arg.to_string());
        self.args.extend(more);
        self.log_before_bytes = self.log().len();
        self.child = spawn(&self.program, self.port, self.folder.path(), &self.args);
    }

    pub fn kill(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    #[track_caller]
    fn wait_until_it_answers(&mut self) {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child process") {
                panic!(
                    "{} ended with {status}:\n{}",
                    self.program.display(),
                    self.log()
                );
            }
            if self.answers() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "no answer; its log:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Any answer will do (a password may be asked for) but that it is still loading. The log
    /// is asked first: another server may answer where ours is about to fail to listen, and
    /// who is asked for a password is not told that the server is loading.
    fn answers(&self) -> bool {
        let log = self.log();
        let log = log.get(self.log_before_bytes..).unwrap_or_default();
        if !log.contains("eady to accept connections") {
            return false;
        }
        let Ok(mut client) = Client::try_connect(("127.0.0.1", self.port)) else {
            return false;
        };
        !client.run("PING").to_string().starts_with("-LOADING")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let log = self.log();
            let tail = log.lines().rev().take(40).collect::<Vec<_>>();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            eprintln!("log of {}:\n{}", self.program.display(), tail.join("\n"));
        }
    }
}

fn spawn(program: &Path, port: u16, folder: &Path, args: &[String]) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"));
    let log = log.expect("a log file");
    let file = folder.join(FILE_NAME);
    Command::new(program)
        .args(file.exists().then_some(file))
        .args(["--port", &port.to_string(), "--dir"])
        .arg(folder)
        .args(["--save", ""])
        .args(args)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("another handle"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start {}: {e}", program.display()))
}

/// A real redis-server.
pub struct Peer;

impl Peer {
    /// Debian's Redis 7.0. `None`, after a word about it, where there is none.
    #[track_caller]
    pub fn start(args: &[&str]) -> Option<Server> {
        Peer::start_make(REDIS, args)
    }

    /// A Redis 8, as above.
    #[track_caller]
    pub fn start_8(args: &[&str]) -> Option<Server> {
        Peer::start_make(REDIS_8, args)
    }

    /// A Valkey 9, as above.
    #[track_caller]
    pub fn start_valkey(args: &[&str]) -> Option<Server> {
        Peer::start_make(VALKEY, args)
    }

    #[track_caller]
    fn start_make(make: Make, args: &[&str]) -> Option<Server> {
        Some(Server::start_program(make.find()?, None, args))
    }
}

/// Whether a thread, by its folder in /proc, is stopped; one that has ended is.
fn is_stopped(task: &Path) -> bool {
    let stat = fs::read_to_string(task.join("stat")).unwrap_or_default();
    // Behind the name, which may have anything in it.
    stat.rsplit_once(") ")
        .is_none_or(|(_, rest)| rest.starts_with('T'))
}

/// A port nobody listens on. Each test process has a range of its own, of those ports that
/// the system does not hand out by itself, and claims it by listening on the first one: two
/// processes that try the same port at once would each find it free.
pub fn free_port() -> u16 {
    static CLAIM: OnceLock<(TcpListener, u16)> = OnceLock::new();
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let (_, first) = CLAIM.get_or_init(claim_range);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % (RANGE_PORTS - 1);
        let port = first + 1 + step;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn claim_range() -> (TcpListener, u16) {
    let start = std::process::id();
    let all = (0..RANGES).map(|step| (start.wrapping_add(step) % RANGES) as u16);
    let claim = |range: u16| {
        let first = RANGES_BEGIN + range * RANGE_PORTS;
        let listener = TcpListener::bind(("127.0.0.1", first)).ok()?;
        Some((listener, first))
    };
    all.filter_map(claim).next().expect("a range nobody uses")
}

/// Asks again and again until `condition` holds; panics, naming `what`, after `time`.
#[track_caller]
pub fn wait_until(time: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + time;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {time:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
