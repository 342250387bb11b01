//! Redis as the oracle: it loads our files, its checker passes them, and we load its.
//!
//! `redis-cli` and `redis-check-rdb` are looked for beside its server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use lockstep::persist::load;
use lockstep::store::locked::Locker;

use crate::oracle::{self, Oracle, REDIS};
use crate::{model, shared};

struct Peer {
    cli: PathBuf,
    socket: PathBuf,
    _server: Oracle,
}

impl Peer {
    fn start(program: &Path, dir: &Path) -> Peer {
        let mut server = Oracle::start(program, dir, ["--save", ""]);
        server.connect();
        let peer = Peer {
            cli: program.with_file_name("redis-cli"),
            socket: oracle::socket_in(dir),
            _server: server,
        };
        let started = Instant::now();
        while peer.call(&["PING"]) != "PONG" {
            assert!(started.elapsed() < Duration::from_secs(20), "it loads");
            std::thread::sleep(Duration::from_millis(20));
        }
        peer
    }

    fn call(&self, args: &[&str]) -> String {
        let mut command = Command::new(&self.cli);
        let output = command.arg("-s").arg(&self.socket).args(args).output();
        let reply = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
        reply.trim_end().to_owned()
    }
}

#[test]
fn redis_loads_our_file_and_its_checker_passes_it() {
    let Some(program) = REDIS.find() else { return };
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
    let Some(program) = REDIS.find() else { return };
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
