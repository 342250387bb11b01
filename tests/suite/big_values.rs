//! Collections of many elements: a snapshot takes them as they were, whatever is done to them
//! meanwhile, and so does a full sync.

use super::support::*;

const ELEMENTS: usize = 20_000;
const DEBUG: &str = "--enable-debug-command";
const TYPES: [&str; 5] = ["list", "set", "zset", "hash", "stream"];

/// A command with `count` elements of a type.
fn fill(kind: &str, key: &str, from: usize, count: usize) -> Vec<String> {
    let mut words = match kind {
        "list" => vec!["RPUSH".to_owned(), key.to_owned()],
        "set" => vec!["SADD".to_owned(), key.to_owned()],
        "zset" => vec!["ZADD".to_owned(), key.to_owned()],
        "hash" => vec!["HSET".to_owned(), key.to_owned()],
        _ => vec!["XADD".to_owned(), key.to_owned(), "*".to_owned()],
    };
    for n in from..from + count {
        match kind {
            "list" | "set" => words.push(format!("element:{n}")),
            "zset" => words.extend([(n * 7 % 1000).to_string(), format!("element:{n}")]),
            _ => words.extend([format!("field:{n}"), format!("value:{n}")]),
        }
    }
    words
}

fn fill_all(client: &mut Client) {
    for kind in TYPES {
        for key in ["kept", "deleted", "renamed", "overwritten"] {
            let key = format!("{kind}:{key}");
            // A stream has an entry for each command.
            let (steps, each) = match kind {
                "stream" => (ELEMENTS / 10, 1),
                _ => (ELEMENTS / 1000, 1000),
            };
            for step in 0..steps {
                let reply = client.cmd(&fill(kind, &key, step * each, each));
                assert!(!reply.to_string().starts_with('-'), "{reply}");
            }
        }
    }
}

/// Changes everything that `fill_all` made, in small steps and as a whole.
fn change_all(client: &mut Client) {
    for kind in TYPES {
        client.run(&format!("DEL {kind}:deleted"));
        client.run(&format!("RENAME {kind}:renamed {kind}:elsewhere"));
        client.run(&format!("SET {kind}:overwritten string"));
        let more = fill(kind, &format!("{kind}:kept"), ELEMENTS, 100);
        client.cmd(&more);
    }
    for n in (0..ELEMENTS).step_by(97) {
        for command in [
            format!("LSET list:kept {n} changed"),
            format!("SREM set:kept element:{n}"),
            format!("ZINCRBY zset:kept 17.5 element:{n}"),
            format!("HSET hash:kept field:{n} changed"),
            format!("HDEL hash:kept field:{}", n + 1),
            "SPOP set:kept 5".to_owned(),
            "LPOP list:elsewhere 3".to_owned(),
            "ZPOPMIN zset:elsewhere".to_owned(),
            "XTRIM stream:kept MAXLEN 1000".to_owned(),
        ] {
            let reply = client.run(&command).to_string();
            assert!(!reply.starts_with('-'), "{command}: {reply}");
        }
    }
}

fn digest(client: &mut Client) -> String {
    let digest = client.run("DEBUG DIGEST").text();
    assert_eq!(digest.len(), 40, "{digest}");
    digest
}

#[test]
fn a_save_has_them_as_they_were() {
    let server = Server::start(&["--save", "", DEBUG, "yes"]);
    let mut client = server.client();
    fill_all(&mut client);
    let before = digest(&mut client);
    client.run("CONFIG SET rdb-key-save-delay 50000");
    check(&mut client, "BGSAVE", "+Background saving started");
    change_all(&mut client);
    assert_eq!(field(&server, "persistence", "rdb_bgsave_in_progress"), "1");
    client.run("CONFIG SET rdb-key-save-delay 0");
    wait_until(SOON, "the save is done", || {
        field(&server, "persistence", "rdb_bgsave_in_progress") == "0"
    });
    let after = digest(&mut client);
    assert_ne!(before, after);
    let folder = server.folder().display().to_string();
    let loaded = Server::start(&["--dir", &folder, "--save", "", DEBUG, "yes"]);
    assert_eq!(digest(&mut loaded.client()), before);
    check(&mut client, "DEBUG RELOAD", "+OK");
    assert_eq!(digest(&mut client), after);
}

#[test]
fn a_follower_has_them_as_they_are() {
    let server = Server::start(&[
        "--save",
        "",
        "--repl-diskless-sync-delay",
        "0",
        DEBUG,
        "yes",
    ]);
    let mut client = server.client();
    fill_all(&mut client);
    client.run("CONFIG SET rdb-key-save-delay 20000");
    let follower = start_follower(Kind::Ours, server.port, &[DEBUG, "yes"]).expect("ours is there");
    wait_until(SOON, "the sync has begun", || {
        field(&server, "replication", "slave0").contains("state=send_bulk")
            || field(&server, "replication", "slave0").contains("state=wait_bgsave")
    });
    change_all(&mut client);
    client.run("CONFIG SET rdb-key-save-delay 0");
    wait_for_link(&follower);
    wait_for_offset(&server, &follower);
    assert_eq!(digest(&mut follower.client()), digest(&mut client));
}
