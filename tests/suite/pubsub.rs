//! Messages: who hears them, in which form, and in which order.

use std::time::Duration;

use super::support::*;

#[test]
fn a_subscriber_hears_channels_and_patterns() {
    let server = Server::start(&[]);
    let (mut listener, mut speaker) = (server.client(), server.client());
    listener.send_cmd(&["SUBSCRIBE", "news", "other"]);
    assert_eq!(listener.recv().to_string(), "[\"subscribe\", \"news\", :1]");
    assert_eq!(
        listener.recv().to_string(),
        "[\"subscribe\", \"other\", :2]"
    );
    check(
        &mut listener,
        "PSUBSCRIBE n*",
        "[\"psubscribe\", \"n*\", :3]",
    );
    check(
        &mut listener,
        "SSUBSCRIBE news",
        "[\"ssubscribe\", \"news\", :1]",
    );
    check(
        &mut listener,
        "GET a",
        "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET \
         are allowed in this context",
    );
    check(
        &mut listener,
        "LATENCY RESET",
        "-ERR Can't execute 'latency|reset': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT \
         / RESET are allowed in this context",
    );
    check_all(
        &mut speaker,
        &[
            ("PUBLISH news hi", ":2"),
            ("SPUBLISH news shard", ":1"),
            ("PUBLISH elsewhere hi", ":0"),
            ("PUBSUB NUMSUB news none", "[\"news\", :1, \"none\", :0]"),
            ("PUBSUB NUMPAT", ":1"),
            ("PUBSUB CHANNELS n*", "[\"news\"]"),
            ("PUBSUB SHARDCHANNELS", "[\"news\"]"),
        ],
    );
    assert_eq!(
        listener.recv().to_string(),
        "[\"message\", \"news\", \"hi\"]"
    );
    assert_eq!(
        listener.recv().to_string(),
        "[\"pmessage\", \"n*\", \"news\", \"hi\"]"
    );
    assert_eq!(
        listener.recv().to_string(),
        "[\"smessage\", \"news\", \"shard\"]"
    );
    check(&mut listener, "PING", "[\"pong\", \"\"]");
    drop(listener);
    wait_until(
        Duration::from_secs(10),
        "the subscriptions are gone",
        || speaker.run("PUBSUB CHANNELS").to_string() == "[]",
    );
    check(&mut speaker, "PUBSUB NUMPAT", ":0");
}

#[test]
fn own_messages_come_behind_their_replies() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.resp3();
    check(&mut client, "SUBSCRIBE a", ">[\"subscribe\", \"a\", :1]");
    client.send(b"PUBLISH a 1\r\nPING\r\nPUBLISH a 2\r\nUNSUBSCRIBE\r\nPUBLISH a 3\r\n");
    for expect in [
        ":1",
        ">[\"message\", \"a\", \"1\"]",
        "+PONG",
        ":1",
        ">[\"message\", \"a\", \"2\"]",
        ">[\"unsubscribe\", \"a\", :0]",
        ":0",
    ] {
        assert_eq!(client.recv().to_string(), expect);
    }
    client.send(b"SUBSCRIBE a\r\nMULTI\r\nPUBLISH a 1\r\nGET x\r\nUNSUBSCRIBE\r\nEXEC\r\nPING\r\n");
    for expect in [
        ">[\"subscribe\", \"a\", :1]",
        "+OK",
        "+QUEUED",
        "+QUEUED",
        "+QUEUED",
        "[:1, _, >[\"unsubscribe\", \"a\", :0]]",
        ">[\"message\", \"a\", \"1\"]",
        "+PONG",
    ] {
        assert_eq!(client.recv().to_string(), expect);
    }
}

#[test]
fn many_speakers_reach_all_listeners_in_one_order() {
    const SPEAKERS: usize = 4;
    const MESSAGES: usize = 200;
    let server = Server::start(&[]);
    let mut listeners: Vec<Client> = (0..3).map(|_| server.client()).collect();
    for listener in &mut listeners {
        check(listener, "SUBSCRIBE a", "[\"subscribe\", \"a\", :1]");
    }
    let speakers: Vec<_> = (0..SPEAKERS)
        .map(|speaker| {
            let mut client = server.client();
            std::thread::spawn(move || {
                for number in 0..MESSAGES {
                    check(&mut client, &format!("PUBLISH a {speaker}-{number}"), ":3");
                }
            })
        })
        .collect();
    let heard: Vec<Vec<String>> = listeners
        .iter_mut()
        .map(|listener| {
            let messages = (0..SPEAKERS * MESSAGES).map(|_| listener.recv().to_string());
            messages.collect()
        })
        .collect();
    for speaker in speakers {
        speaker.join().expect("a speaker that was answered");
    }
    assert_eq!(heard[0], heard[1]);
    assert_eq!(heard[0], heard[2]);
}

#[test]
fn followers_have_listeners_too() {
    let leader = Server::start(&["--repl-diskless-sync-delay", "0"]);
    let port = leader.port.to_string();
    let Some(follower) = Peer::start(&["--replicaof", "127.0.0.1", &port]) else {
        return;
    };
    let mut client = follower.client();
    wait_until(Duration::from_secs(30), "the link is up", || {
        client.info("replication")["master_link_status"] == "up"
    });
    check(&mut client, "SUBSCRIBE a", "[\"subscribe\", \"a\", :1]");
    let mut speaker = leader.client();
    let changes = speaker.info("persistence")["rdb_changes_since_last_save"].clone();
    check(&mut speaker, "PUBLISH a hi", ":0");
    assert_eq!(client.recv().to_string(), "[\"message\", \"a\", \"hi\"]");
    assert_eq!(
        speaker.info("persistence")["rdb_changes_since_last_save"],
        changes
    );
}
