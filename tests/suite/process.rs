//! The server as a process: signals, the way out, its place in the system's lists.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::support::*;

const SOON: Duration = Duration::from_secs(20);

fn fill(client: &mut Client, keys: usize) {
    for key in 0..keys {
        check(client, &format!("SET {key} 1"), "+OK");
    }
}

fn temp_file(server: &Server) -> PathBuf {
    server.folder().join(format!("temp-{}.rdb", server.pid()))
}

/// Whoever is let in may write, and ask for what is done beside the commands.
#[test]
fn nobody_hears_of_a_load_that_is_over_at_once() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let mut server = Command::new(env!("CARGO_BIN_EXE_server"))
            .args(["--port", &port.to_string(), "--save", ""])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("the server is built");
        let mut stream = None;
        wait_until(SOON, "it listens", || {
            stream = TcpStream::connect(("127.0.0.1", port)).ok();
            stream.is_some()
        });
        let mut stream = stream.expect("connected just now");
        let mut replies = [0; 10];
        let said = stream
            .write_all(b"SET a 1\r\nSAVE\r\n")
            .and_then(|()| stream.read_exact(&mut replies));
        server.kill().expect("it runs");
        server.wait().expect("it has ended");
        said.expect("answers");
        assert_eq!(replies.escape_ascii().to_string(), "+OK\\r\\n+OK\\r\\n");
    }
}

#[test]
fn a_server_that_would_listen_nowhere_ends() {
    for nowhere in [["--port", "0"], ["--bind", ""], ["--bind", "-192.0.2.1"]] {
        let folder = tempfile::tempdir().expect("a folder");
        let server = env!("CARGO_BIN_EXE_server");
        let ended = Command::new("timeout")
            .args([
                "20",
                server,
                "--save",
                "",
                "--port",
                &free_port().to_string(),
            ])
            .args(nowhere)
            .current_dir(folder.path())
            .output()
            .expect("timeout runs");
        assert_eq!(ended.status.code(), Some(1), "{nowhere:?}");
        let log = String::from_utf8_lossy(&ended.stdout);
        let reason = "Configured to not listen anywhere, exiting.";
        assert!(log.contains(reason), "{nowhere:?}: {log}");
    }
}

#[test]
fn a_service_manager_hears_how_far_the_server_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(SOON)).expect("an option");
    let mut server = Command::new(env!("CARGO_BIN_EXE_server"))
        .args(["--port", &free_port().to_string(), "--save", ""])
        .args(["--supervised", "systemd"])
        .env("NOTIFY_SOCKET", &path)
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("the server is built");
    let hear = || {
        let mut word = [0; 100];
        let length = manager.recv(&mut word).unwrap_or(0);
        String::from_utf8_lossy(&word[..length]).into_owned()
    };
    let beginning = [hear(), hear()];
    let pid = server.id().to_string();
    let told = Command::new("kill").args(["-s", "TERM", &pid]).status();
    let end = hear();
    server.kill().expect("it runs or has ended");
    server.wait().expect("it has ended");
    assert!(told.expect("kill runs").success());
    let ready = "STATUS=Ready to accept connections\nREADY=1\n";
    assert_eq!(beginning, ["STATUS=Loading the dataset\n", ready]);
    assert_eq!(end, "STOPPING=1\n");
}

#[test]
fn a_signal_waits_for_cron_and_can_be_called_off() {
    let mut server = Server::start(&["--enable-debug-command", "yes"]);
    let mut client = server.client();
    check(&mut client, "DEBUG PAUSE-CRON 1", "+OK");
    server.signal("TERM");
    wait_until(SOON, "the signal is there", || {
        server.log().contains("Received SIGTERM")
    });
    check(&mut client, "SHUTDOWN ABORT", "+OK");
    assert!(server.log().contains("Shutdown manually aborted"));
    wait_until(SOON, "the shutdown is over", || {
        client.run("SHUTDOWN ABORT").to_string() == "-ERR No shutdown in progress."
    });
    check(&mut client, "DEBUG PAUSE-CRON 0", "+OK");
    check(&mut client, "SET a 1", "+OK");
    server.signal("TERM");
    assert!(server.wait_for_exit().success());
}

#[test]
fn a_shutdown_that_saves_can_be_called_off() {
    let server = Server::start(&["--save", "3600 1000", "--rdb-key-save-delay", "100000"]);
    let mut client = server.client();
    fill(&mut client, 100);
    server.signal("TERM");
    wait_until(SOON, "it saves", || temp_file(&server).exists());
    check(&mut client, "SHUTDOWN ABORT", "+OK");
    wait_until(SOON, "it has stopped", || !temp_file(&server).exists());
    let persistence = client.info("persistence");
    assert_eq!(persistence["rdb_last_bgsave_status"], "ok");
    check(&mut client, "SET a 1", "+OK");
}

/// Whoever is told OK while the last file is written would not find it in there.
#[test]
fn a_shutdown_that_saves_acknowledges_no_more_writes() {
    for timeout in ["0", "10"] {
        let delay = ["--rdb-key-save-delay", "20000"];
        let mut server = Server::start(&[&delay[..], &["--shutdown-timeout", timeout]].concat());
        let mut client = server.client();
        fill(&mut client, 100);
        let (mut writer, mut asking) = (server.client(), server.client());
        asking.send_cmd(&["SHUTDOWN", "SAVE"]);
        wait_until(SOON, "it saves", || temp_file(&server).exists());
        writer.send_cmd(&["SET", "late", "1"]);
        check(&mut client, "EXISTS late", ":0");
        assert!(writer.recv_to_end().is_empty());
        assert!(server.wait_for_exit().success());
        server.restart();
        check_all(
            &mut server.client(),
            &[("DBSIZE", ":100"), ("EXISTS late", ":0")],
        );
    }
}

#[test]
fn the_second_interrupt_ends_at_once_and_leaves_nothing() {
    let mut server = Server::start(&["--save", "3600 1000", "--rdb-key-save-delay", "100000"]);
    fill(&mut server.client(), 100);
    server.signal("INT");
    wait_until(SOON, "it saves", || temp_file(&server).exists());
    server.signal("INT");
    assert_eq!(server.wait_for_exit().code(), Some(1));
    assert!(!temp_file(&server).exists());
}

/// Starts a server again, with so much data that it loads them for long.
fn load_for_long(server: &mut Server) {
    let mut client = server.client();
    check(&mut client, "DEBUG POPULATE 2000 key 1000", "+OK");
    check(&mut client, "SAVE", "+OK");
    server.begin_again(&["--key-load-delay", "20000"]);
    let address = ("127.0.0.1", server.port);
    wait_until(SOON, "it loads", || match Client::try_connect(address) {
        Ok(mut client) => client.info("persistence")["loading"] == "1",
        Err(_) => false,
    });
}

#[test]
fn a_signal_ends_a_server_that_loads() {
    let mut server = Server::start(&["--enable-debug-command", "yes"]);
    load_for_long(&mut server);
    server.signal("TERM");
    assert!(server.wait_for_exit().success());
    assert!(server.log().contains("during loading, exiting now"));
}

#[test]
fn a_server_that_loads_rewrites_its_file() {
    let mut server = Server::start_with_file("timeout 5\n", &["--enable-debug-command", "yes"]);
    load_for_long(&mut server);
    let mut client = server.client();
    check(&mut client, "CONFIG SET timeout 6", "+OK");
    check(&mut client, "CONFIG REWRITE", "+OK");
    assert_eq!(client.info("persistence")["loading"], "1");
    let text = fs::read_to_string(server.folder().join("redis.conf")).expect("the file");
    assert!(text.starts_with("timeout 6\n"), "{text}");
}

#[test]
fn a_save_that_fails_is_told_to_who_asked() {
    let mut server = Server::start(&["--save", "3600 1000"]);
    let mut client = server.client();
    check(&mut client, "SET a 1", "+OK");
    fs::create_dir_all(server.folder().join("dump.rdb/full")).expect("a folder in the way");
    let refused = "-ERR Errors trying to SHUTDOWN. Check logs.";
    check(&mut client, "SHUTDOWN", refused);
    check(&mut client, "SAVE", "-ERR ...");
    // Writes are refused only when a save that nobody waited for has failed.
    check(&mut client, "SET a 2", "+OK");
    check(&mut client, "BGSAVE", "+Background saving started");
    wait_until(SOON, "that has failed too", || {
        client.info("persistence")["rdb_last_bgsave_status"] == "err"
    });
    check(&mut client, "SET a 3", "-MISCONF ...");
    check(&mut client, "PING", "-MISCONF ...");
    client.send_cmd(&["SHUTDOWN", "NOSAVE"]);
    assert!(server.wait_for_exit().success());
}

#[test]
fn a_server_that_has_just_begun_counts_as_saved() {
    let server = Server::start(&["--save", "900 1"]);
    let mut client = server.client();
    check(&mut client, "SET a 1", "+OK");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(client.info("persistence")["rdb_saves"], "0");
    assert!(!server.folder().join("dump.rdb").exists());
}

#[test]
fn what_was_flushed_does_not_come_back() {
    let mut server = Server::start(&["--save", "3600 1000"]);
    let mut client = server.client();
    check(&mut client, "SET a 1", "+OK");
    check(&mut client, "SAVE", "+OK");
    check(&mut client, "FLUSHALL", "+OK");
    let persistence = client.info("persistence");
    assert_eq!(persistence["rdb_changes_since_last_save"], "0");
    server.restart();
    let mut client = server.client();
    check_all(
        &mut client,
        &[
            ("DBSIZE", ":0"),
            ("SET a 1", "+OK"),
            ("MULTI", "+OK"),
            ("FLUSHALL", "+QUEUED"),
            ("EXEC", "[+OK]"),
        ],
    );
    wait_until(SOON, "that is saved too", || {
        client.info("persistence")["rdb_changes_since_last_save"] == "0"
    });
}

#[test]
fn replies_that_come_late_are_held_back_too() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for command in [
        "CLIENT REPLY SKIP",
        "SAVE",
        "CLIENT REPLY OFF",
        "SAVE",
        "WAIT 1 10",
        "SAVE",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        client.send_cmd(&words);
    }
    check(&mut client, "CLIENT REPLY ON", "+OK");
    check(&mut client, "SAVE", "+OK");
}

#[test]
fn a_burst_of_connections_does_not_pass_the_limit() {
    let server = Server::start(&["--maxclients", "5"]);
    let mut admin = server.client();
    wait_until(SOON, "only one client is left", || {
        admin.info("clients")["connected_clients"] == "1"
    });
    let address = ("127.0.0.1", server.port);
    let streams: Vec<TcpStream> = (0..20)
        .map(|_| TcpStream::connect(address).expect("the listener's queue"))
        .collect();
    wait_until(SOON, "all are accepted or refused", || {
        admin.info("stats")["rejected_connections"] == "16"
    });
    wait_until(SOON, "those accepted have come to their workers", || {
        admin.info("clients")["connected_clients"] == "5"
    });
    drop(streams);
    wait_until(SOON, "there is room again", || {
        admin.info("clients")["connected_clients"] == "1"
    });
    let mut again = server.client();
    check(&mut again, "PING", "+PONG");
}

#[test]
fn refused_connections_are_told_why() {
    let server = Server::start(&["--maxclients", "1"]);
    let mut only = None;
    wait_until(SOON, "the one before has gone", || {
        let mut client = server.client();
        let accepted = client.run("PING").to_string() == "+PONG";
        only = accepted.then_some(client);
        accepted
    });
    let refused = server.client().recv_to_end();
    assert_eq!(refused, b"-ERR max number of clients reached\r\n");
    check(&mut only.expect("connected"), "PING", "+PONG");
}

fn title(server: &Server) -> String {
    let title = fs::read(format!("/proc/{}/cmdline", server.pid())).expect("a process");
    let end = title
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(title.len());
    String::from_utf8_lossy(&title[..end]).into_owned()
}

#[test]
fn the_title_says_where_it_listens() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let port = server.port;
    assert!(title(&server).ends_with(&format!("server *:{port}")));
    let template =
        "a quite long title which the arguments alone have no room for: {port}/{tls-port}";
    let reply = client.cmd(&["CONFIG", "SET", "proc-title-template", template]);
    assert_eq!(reply.to_string(), "+OK");
    let expect = template.replace("{port}", &port.to_string());
    assert_eq!(title(&server), expect.replace("{tls-port}", "0"));
    check(
        &mut client,
        "CONFIG SET proc-title-template {wrong}",
        "-ERR CONFIG SET failed (possibly related to argument 'proc-title-template') - template \
         format is invalid or contains unknown variables",
    );
    check(&mut client, "CONFIG SET proc-title-template x", "+OK");
    assert_eq!(title(&server), "x");
}

#[test]
fn the_kernel_is_told_whom_to_end_first() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let score = || {
        let path = format!("/proc/{}/oom_score_adj", server.pid());
        let text = fs::read_to_string(path).expect("a process");
        text.trim().parse::<i64>().expect("a number")
    };
    let before = score();
    let values = "oom-score-adj-values";
    for (mode, expect) in [("absolute", before + 1), ("no", before)] {
        let scores = format!("{} {} 1000", before + 1, before + 2);
        let reply = client.cmd(&["CONFIG", "SET", values, &scores, "oom-score-adj", mode]);
        assert_eq!(reply.to_string(), "+OK");
        assert_eq!(score(), expect, "{mode}");
    }
    // All or nothing: a port that is taken undoes the score too.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let reply = client.cmd(&["CONFIG", "SET", "oom-score-adj", "absolute", "port", &port]);
    assert!(reply.to_string().contains("Unable to listen on this port"));
    assert_eq!(score(), before);
    let mode = "[\"oom-score-adj\", \"no\"]";
    check(&mut client, "CONFIG GET oom-score-adj", mode);
    check(&mut client, "CONFIG SET oom-score-adj absolute", "+OK");
    check(&mut client, "REPLICAOF 127.0.0.1 1", "+OK");
    wait_until(SOON, "a follower's score is set", || score() == before + 2);
}
