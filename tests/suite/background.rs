//! Work in the background, and the server itself there.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::support::*;

#[test]
fn goes_to_the_background() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let pid_file = folder.path().join("pid");
    let mut started = Command::new(env!("CARGO_BIN_EXE_server"))
        .args(["-", "--port", &port.to_string(), "--save", "", "--dir"])
        .arg(folder.path())
        .args(["--daemonize", "yes", "--logfile", "log", "--pidfile"])
        .arg(&pid_file)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = started.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"maxclients 77\n").unwrap();
    drop(input);
    assert!(started.wait().unwrap().success());
    let mut client = None;
    wait_until(Duration::from_secs(20), "it accepts connections", || {
        client = Client::try_connect(("127.0.0.1", port)).ok();
        client.is_some()
    });
    let mut client = client.unwrap();
    let pid = client.info("server")["process_id"].clone();
    assert_ne!(pid, started.id().to_string());
    check(
        &mut client,
        "CONFIG GET maxclients",
        "[\"maxclients\", \"77\"]",
    );
    check(
        &mut client,
        "CONFIG GET daemonize",
        "[\"daemonize\", \"yes\"]",
    );
    assert_eq!(std::fs::read_to_string(&pid_file).unwrap().trim(), pid);
    // The leader of a session of its own, away from our terminal.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let session = stat.rsplit(')').next().unwrap().split(' ').nth(4);
    assert_eq!(session, Some(&pid[..]));
    client.send(b"SHUTDOWN NOSAVE\r\n");
    assert_eq!(client.recv_to_end(), b"");
    wait_until(Duration::from_secs(30), "the pid file is gone", || {
        !pid_file.exists()
    });
}

#[test]
fn background_work_goes_by_hz() {
    let server = Server::start(&["--hz", "1000"]);
    let mut client = server.client();
    let info = client.info("server");
    assert_eq!(
        (&info["hz"][..], &info["configured_hz"][..]),
        ("500", "500")
    );
    check(&mut client, "CONFIG SET hz 1", "+OK");
    check(&mut client, "SET a 1 PX 1", "+OK");
    wait_until(
        Duration::from_secs(5),
        "the key has expired unasked",
        || client.info("stats")["expired_keys"] == "1",
    );
}

#[test]
fn what_is_freed_elsewhere_is_counted() {
    let server = Server::start(&["--enable-debug-command", "yes"]);
    let mut client = server.client();
    let startup = client.info("memory")["used_memory_startup"].clone();
    assert!(startup.parse::<u64>().unwrap() > 0);
    check(&mut client, "DEBUG POPULATE 1000", "+OK");
    check(&mut client, "FLUSHALL ASYNC", "+OK");
    wait_until(Duration::from_secs(30), "all is freed", || {
        let memory = client.info("memory");
        let counts = ["lazyfree_pending_objects", "lazyfreed_objects"];
        counts.map(|name| memory[name].clone()) == ["0", "1000"]
    });
    assert_eq!(client.info("memory")["used_memory_startup"], startup);
}

#[test]
fn checksums_of_files_can_be_passed_over() {
    let server = Server::start(&["--enable-debug-command", "yes"]);
    let mut client = server.client();
    check(&mut client, "SET a 1", "+OK");
    check(&mut client, "SAVE", "+OK");
    let path = server.folder().join("dump.rdb");
    let mut file = std::fs::read(&path).unwrap();
    *file.last_mut().unwrap() ^= 1;
    std::fs::write(&path, file).unwrap();
    check(&mut client, "DEBUG RELOAD NOSAVE", "-ERR ...");
    let skip = "DEBUG SET-SKIP-CHECKSUM-VALIDATION 1";
    check(&mut client, skip, "+OK");
    check(&mut client, "DEBUG RELOAD NOSAVE", "+OK");
    check(&mut client, "GET a", "\"1\"");
}
