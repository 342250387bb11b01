//! Redis as the oracle: it loads our files, its checker passes them, and we load its.
//!
//! `PEER_SERVER` (default `redis-server`) names the program; `redis-cli` and
//! `redis-check-rdb` are looked for beside it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lockstep::persist::load;
use lockstep::store::locked::Locker;

use crate::{model, shared};

/// Where the server is; none, after a word about it, if it is missing. In CI it must be
/// there.
fn find() -> Option<PathBuf> {
    let wanted = std::env::var_os("PEER_SERVER").unwrap_or("redis-server".into());
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&folders).map(|folder| folder.join(&wanted));
    let found = places.find(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "redis-server is missing");
        eprintln!("skipped: redis-server is missing; PEER_SERVER may name it");
    }
    found
}

struct Peer {
    child: Child,
    cli: PathBuf,
    port: String,
}

impl Peer {
    fn start(program: &Path, dir: &Path) -> Peer {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port().to_string();
        drop(free);
        let child = Command::new(program)
            .args([
                "--port",
                &port,
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--dir",
            ])
            .arg(dir)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let cli = program.with_file_name("redis-cli");
        let peer = Peer { child, cli, port };
        let started = Instant::now();
        while peer.call(&["PING"]) != "PONG" {
            assert!(started.elapsed() < Duration::from_secs(20), "it starts");
            std::thread::sleep(Duration::from_millis(20));
        }
        peer
    }

    fn call(&self, args: &[&str]) -> String {
        let mut command = Command::new(&self.cli);
        let output = command.args(["-p", &self.port]).args(args).output();
        let reply = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
        reply.trim_end().to_owned()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn redis_loads_our_file_and_its_checker_passes_it() {
    let Some(program) = find() else { return };
    let dir = tempfile::tempdir().unwrap();
    let ours = shared::in_dir(dir.path(), &[]);
    let mut locker = Locker::new(&ours.keyspace, 0);
    let saved = model::some_long();
    model::put(&ours, &mut locker, &saved);
    let path = dir.path().join("dump.rdb");
    model::save(&ours, &mut locker, &path);

    let checker = program.with_file_name("redis-check-rdb");
    let output = Command::new(checker).arg(&path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("RDB looks OK"), "{text}");

    let peer = Peer::start(&program, dir.path());
    for db in 0..16u32 {
        let keys = saved.keys().filter(|(of_db, _)| *of_db == db).count();
        assert_eq!(
            peer.call(&["-n", &db.to_string(), "DBSIZE"]),
            keys.to_string()
        );
    }
    assert_eq!(peer.call(&["GET", "text"]), "some text");
    assert_eq!(peer.call(&["PEXPIRETIME", "number"]), "4000000000000");
    assert_eq!(
        peer.call(&["-n", "7", "GET", "same 4097"]),
        "x".repeat(4097)
    );
    assert_eq!(peer.call(&["-n", "7", "STRLEN", "noise 100000"]), "100000");
}

#[test]
fn we_load_what_redis_saved() {
    let Some(program) = find() else { return };
    let dir = tempfile::tempdir().unwrap();
    let peer = Peer::start(&program, dir.path());
    peer.call(&["SET", "text", "some text", "PXAT", "4000000000000"]);
    peer.call(&["-n", "9", "SET", "long", &"words and ".repeat(2000)]);
    peer.call(&["DEBUG", "POPULATE", "5000"]);
    assert_eq!(peer.call(&["SAVE"]), "OK");
    drop(peer);

    let ours = shared::in_dir(dir.path(), &[]);
    let mut locker = Locker::new(&ours.keyspace, 0);
    let report = load::start(&ours, &mut locker, |_, _| ()).unwrap().unwrap();
    let model = model::of(&ours, &mut locker);
    assert_eq!(report.keys_loaded as usize, model.len());
    let get = |db, key: &str| model.get(&(db, key.as_bytes().to_vec())).cloned();
    let text = (b"some text".to_vec(), Some(4_000_000_000_000));
    assert_eq!(get(0, "text"), Some(text));
    let long = ("words and ".repeat(2000).into_bytes(), None);
    assert_eq!(get(9, "long"), Some(long));
}
