//! DEBUG: what other tests steer the server by.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::support::*;

fn start(args: &[&str]) -> (Server, Client) {
    let mut all = vec!["--enable-debug-command", "yes"];
    all.extend_from_slice(args);
    let server = Server::start(&all);
    let client = server.client();
    (server, client)
}

#[test]
fn refused_unless_it_is_allowed() {
    let server = Server::start(&[]);
    let refused = "-ERR DEBUG command not allowed. ...";
    check(&mut server.client(), "DEBUG HELP", refused);
}

#[test]
fn a_sleeping_server_answers_nobody() {
    let (server, mut client) = start(&[]);
    let mut other = server.client();
    check(&mut other, "PING", "+PONG");
    let begun = Instant::now();
    client.send_cmd(&["DEBUG", "SLEEP", "0.3"]);
    std::thread::sleep(Duration::from_millis(50));
    check(&mut other, "PING", "+PONG");
    assert!(begun.elapsed() >= Duration::from_millis(290));
    assert_eq!(client.recv().to_string(), "+OK");
    check_all(
        &mut client,
        &[
            ("MULTI", "+OK"),
            ("DEBUG SLEEP 0.01", "+QUEUED"),
            ("EXEC", "[+OK]"),
        ],
    );
}

#[test]
fn keys_wait_for_their_deletion() {
    let (_server, mut client) = start(&[]);
    check(&mut client, "DEBUG SET-ACTIVE-EXPIRE 0", "+OK");
    check(&mut client, "SET a 1 PX 20", "+OK");
    std::thread::sleep(Duration::from_millis(300));
    check(&mut client, "DBSIZE", ":1");
    check(&mut client, "DEBUG SET-ACTIVE-EXPIRE 1", "+OK");
    wait_until(Duration::from_secs(30), "it is deleted", || {
        client.run("DBSIZE").integer() == 0
    });
}

#[test]
fn a_reload_brings_back_the_same_data() {
    let (_server, mut client) = start(&[]);
    check(&mut client, "DEBUG DIGEST", &format!("+{}", "0".repeat(40)));
    check(&mut client, "DEBUG POPULATE 1000 key 100", "+OK");
    check(&mut client, "SET due 1 EX 1000", "+OK");
    let digest = client.run("DEBUG DIGEST").to_string();
    assert_eq!(digest.len(), 41, "{digest}");
    check(&mut client, "DEBUG RELOAD", "+OK");
    check(&mut client, "DEBUG DIGEST", &digest);
    check(&mut client, "SET key:1 other", "+OK");
    assert_ne!(client.run("DEBUG DIGEST").to_string(), digest);
    check(&mut client, "DEBUG RELOAD NOSAVE", "+OK");
    check(&mut client, "DEBUG DIGEST", &digest);
    check(
        &mut client,
        "DEBUG RELOAD SOMEHOW",
        "-ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
    );
}

#[test]
fn values_of_every_type() {
    let (_server, mut client) = start(&[]);
    check(&mut client, "DEBUG PROTOCOL double", "\"3.141\"");
    check(
        &mut client,
        "DEBUG PROTOCOL push",
        "-ERR RESP2 is not supported by this command",
    );
    client.resp3();
    check_all(
        &mut client,
        &[
            ("DEBUG PROTOCOL double", ",3.141"),
            ("DEBUG PROTOCOL map", "{:0: #f, :1: #t, :2: #f}"),
            ("DEBUG PROTOCOL set", "~[:0, :1, :2]"),
            (
                "DEBUG PROTOCOL bignum",
                "(1234567999999999999999999999999999999",
            ),
            (
                "DEBUG PROTOCOL verbatim",
                r#"=txt:"This is a verbatim\nstring""#,
            ),
            (
                "DEBUG PROTOCOL attrib",
                r#"|{"key-popularity": ["key:123", :90]}"#,
            ),
        ],
    );
    let text = client.recv().to_string();
    assert_eq!(text, r#""Some real reply following the attribute""#);
    let pushed = r#""Some real reply following the push reply""#;
    check(&mut client, "DEBUG PROTOCOL push", pushed);
    assert_eq!(client.recv().to_string(), r#">["server-cpu-usage", :42]"#);
}

#[test]
fn objects_and_errors() {
    let (server, mut client) = start(&[]);
    check(&mut client, "SET a 12", "+OK");
    check(
        &mut client,
        "DEBUG OBJECT a",
        "+Value at:0x... refcount:... encoding:int serializedlength:2 lru:...",
    );
    check(&mut client, "DEBUG OBJECT b", "-ERR no such key");
    check(&mut client, "DEBUG ERROR \"MY error\"", "-MY error");
    check(&mut client, "DEBUG LOG found-me", "+OK");
    wait_until(Duration::from_secs(30), "the line is in the log", || {
        server.log().contains("DEBUG LOG: found-me")
    });
    check(
        &mut client,
        "DEBUG nothing",
        "-ERR unknown subcommand or wrong number of arguments for 'nothing'. Try DEBUG HELP.",
    );
}

#[test]
fn how_keys_and_values_are_kept() {
    let (_server, mut client) = start(&[]);
    let long = "x".repeat(200);
    client.cmd(&["HSET", "large", "field", &long]);
    let sizes = "+key_sds_len:4, key_sds_avail:0, key_zmalloc: ..., val_sds_len:5, \
                 val_sds_avail:0, val_zmalloc: ...";
    let no_table = "-ERR The value stored at the specified key is not represented using an hash \
                    table";
    check_all(
        &mut client,
        &[
            ("SET text hello", "+OK"),
            ("SET number 12", "+OK"),
            ("HSET small field 1", ":1"),
            ("DEBUG SDSLEN text", sizes),
            ("DEBUG SDSLEN number", "-ERR Not an sds encoded string."),
            ("DEBUG SDSLEN none", "-ERR no such key"),
            (
                "DEBUG LISTPACK small",
                "+Listpack structure printed on stdout",
            ),
            (
                "DEBUG LISTPACK large",
                "-ERR Not a listpack encoded object.",
            ),
            (
                "DEBUG QUICKLIST large",
                "-ERR Not a quicklist encoded object.",
            ),
            ("DEBUG HTSTATS-KEY small", no_table),
            ("DEBUG HTSTATS-KEY none", "-ERR no such key"),
            ("DEBUG HTSTATS 99", "-ERR Out of range database"),
        ],
    );
    for command in ["DEBUG HTSTATS-KEY large", "DEBUG HTSTATS 0"] {
        let elements = match command {
            "DEBUG HTSTATS 0" => " number of elements: 4\n",
            _ => " number of elements: 1\n",
        };
        let stats = client.run(command).text();
        assert!(stats.contains(elements), "{command}: {stats}");
    }
}

#[test]
fn a_crash_loses_what_was_not_saved() {
    let (mut server, mut client) = start(&[]);
    check(&mut client, "SET a 1", "+OK");
    check(&mut client, "SAVE", "+OK");
    check(&mut client, "SET b 1", "+OK");
    client.send_cmd(&["DEBUG", "SEGFAULT"]);
    assert!(!server.wait_for_exit().success());
    server.restart();
    let mut client = server.client();
    check(&mut client, "EXISTS a b", ":1");
    client.send_cmd(&["DEBUG", "CRASH-AND-RECOVER", "20"]);
    assert_eq!(client.recv_to_end(), b"");
    wait_until(Duration::from_secs(10), "it is there again", || {
        replies(server.port, "EXISTS a", ":1\r\n")
    });
}

/// Whether a server that may end at any moment, with its connections, gives this reply.
fn replies(port: u16, request: &str, reply: &str) -> bool {
    let ask = || -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        write!(stream, "{request}\r\n")?;
        let mut received = vec![0; reply.len()];
        stream.read_exact(&mut received)?;
        Ok(received)
    };
    ask().is_ok_and(|received| received == reply.as_bytes())
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let (server, mut client) = start(&["--io-threads", "4"]);
    let port = server.port;
    let writers = [0, 1, 2, 3, 4, 5].map(|writer| {
        std::thread::spawn(move || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a server");
            let request = format!("INCR counter:{writer}\r\n");
            let (mut acknowledged, mut reply) = (0, [0; 64]);
            while stream.write_all(request.as_bytes()).is_ok()
                && matches!(stream.read(&mut reply), Ok(1..))
            {
                acknowledged += 1;
            }
            acknowledged
        })
    });
    wait_until(SOON, "all of them write", || {
        // Twice: so the first reply was read.
        (0..6).all(|writer| client.run(&format!("INCRBY counter:{writer} 0")).integer() > 1)
    });
    client.send_cmd(&["DEBUG", "RESTART", "300"]);
    let acknowledged = writers.map(|writer| writer.join().expect("no panic"));
    wait_until(SOON, "it is there again", || {
        replies(port, "PING", "+PONG\r\n")
    });
    let mut client = server.client();
    for (writer, acknowledged) in acknowledged.into_iter().enumerate() {
        let found = client.run(&format!("GET counter:{writer}")).text();
        let found: u64 = found.parse().expect("a number");
        assert!(
            acknowledged > 0 && found >= acknowledged,
            "{found} of {acknowledged}"
        );
    }
}
