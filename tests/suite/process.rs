//! The server as a process of its system.

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
    wait_until(Duration::from_secs(5), "the pid file is gone", || {
        !pid_file.exists()
    });
}

#[test]
fn steers_whom_the_kernel_kills() {
    let server = Server::start(&["--oom-score-adj-values", "10 20 30"]);
    let mut client = server.client();
    let score = || {
        let file = format!("/proc/{}/oom_score_adj", server.pid());
        let text = std::fs::read_to_string(file).unwrap();
        text.trim().parse::<i64>().unwrap()
    };
    let base = score();
    check(&mut client, "CONFIG SET oom-score-adj yes", "+OK");
    assert_eq!(score(), (base + 10).min(1000));
    check(&mut client, "CONFIG SET oom-score-adj absolute", "+OK");
    assert_eq!(score(), 10);
    check(&mut client, "REPLICAOF 127.0.0.1 1", "+OK");
    wait_until(Duration::from_secs(5), "the score is a follower's", || {
        score() == 20
    });
    check(
        &mut client,
        "CONFIG SET oom-score-adj-values \"10 40 30\"",
        "+OK",
    );
    assert_eq!(score(), 40);
    check(&mut client, "CONFIG SET oom-score-adj no", "+OK");
    assert_eq!(score(), base);
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
