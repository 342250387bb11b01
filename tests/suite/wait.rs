//! WAIT and WAITAOF, alone and from many clients at once.

use super::support::*;

/// `*3 REPLCONF GETACK *` on the wire.
const GETACK_BYTES: i64 = 37;

fn offset(server: &Server) -> i64 {
    let offset = field(server, "replication", "master_repl_offset");
    offset.parse().expect("a number")
}

fn blocked(server: &Server) -> String {
    field(server, "clients", "blocked_clients")
}

#[test]
fn many_who_wait_are_asked_for_once_and_all_are_answered() {
    const CLIENTS: usize = 64;
    for following in [Kind::Ours, Kind::Redis] {
        let Some(leader) = start(Kind::Ours, &[]) else {
            continue;
        };
        let Some(follower) = start_follower(following, leader.port, &[]) else {
            continue;
        };
        wait_for_link(&follower);
        wait_for_offset(&leader, &follower);
        follower.signal("STOP");
        let mut clients: Vec<Client> = (0..CLIENTS).map(|_| leader.client()).collect();
        for client in &mut clients {
            client.run("INCR counter");
        }
        let before = offset(&leader);
        for client in &mut clients {
            client.send_cmd(&["WAIT", "1", "0"]);
        }
        wait_until(SOON, "all of them wait", || {
            blocked(&leader) == CLIENTS.to_string()
        });
        wait_until(SOON, "the request is logged", || offset(&leader) > before);
        assert_eq!(offset(&leader) - before, GETACK_BYTES, "{following:?}");
        follower.signal("CONT");
        for client in &mut clients {
            assert_eq!(client.recv().to_string(), ":1", "{following:?}");
        }
        // Everybody has it by now: nobody is asked again.
        for client in &mut clients {
            check(client, "WAIT 1 0", ":1");
        }
        assert_eq!(offset(&leader) - before, GETACK_BYTES, "{following:?}");
    }
}

#[test]
fn who_waits_for_more_than_there_are_gets_what_there_is() {
    let Some(leader) = start(Kind::Ours, &[]) else {
        return;
    };
    let Some(follower) = start_follower(Kind::Ours, leader.port, &[]) else {
        return;
    };
    wait_for_link(&follower);
    let mut client = leader.client();
    check(&mut client, "SET a 1", "+OK");
    check(&mut client, "WAIT 2 300", ":1");
    follower.signal("STOP");
    check(&mut client, "SET a 2", "+OK");
    check(&mut client, "WAIT 1 100", ":0");
    // In a transaction nobody waits.
    check_all(
        &mut client,
        &[
            ("MULTI", "+OK"),
            ("SET a 3", "+QUEUED"),
            ("WAIT 1 0", "+QUEUED"),
            ("EXEC", "[+OK, :0]"),
        ],
    );
    // One whose connection ends while it waits leaves nothing behind.
    client.send_cmd(&["WAIT", "1", "0"]);
    wait_until(SOON, "it waits", || blocked(&leader) == "1");
    drop(client);
    wait_until(SOON, "nobody waits", || blocked(&leader) == "0");
    follower.signal("CONT");
}

#[test]
fn files_are_waited_for_as_by_redis() {
    let Some(peer) = Peer::start_8(&[]) else {
        return;
    };
    let ours = Server::start(&[]);
    let (mut one, mut other) = (ours.client(), peer.client());
    for command in [
        "WAITAOF 0 0",
        "WAITAOF 1 0 0",
        "WAITAOF 2 0 0",
        "WAITAOF x 0 0",
        "WAITAOF 0 x 0",
        "WAITAOF 0 -1 0",
        "WAITAOF 0 0 x",
        "WAITAOF 0 0 -1",
        "WAITAOF 1 x x",
        "WAITAOF 0 0 9223372036854775807",
        "WAITAOF 0 0 0",
        "WAITAOF 0 1 10",
        "WAIT x x",
        "WAIT 4294967296 1",
        "WAIT 0 x",
        "REPLICAOF 127.0.0.1 1",
        "WAITAOF 1 0 0",
        "WAITAOF x 0 0",
        "WAIT x 0",
    ] {
        let expected = other.run(command).to_string();
        assert_eq!(one.run(command).to_string(), expected, "{command}");
    }
}

/// A follower with an append-only file counts as soon as the file has it.
#[test]
fn a_follower_with_a_file_counts() {
    let Some(leader) = start(Kind::Ours, &[]) else {
        return;
    };
    let port = leader.port.to_string();
    let with_file = ["--replicaof", "127.0.0.1", &port, "--appendonly", "yes"];
    let Some(follower) = Peer::start_8(&with_file) else {
        return;
    };
    wait_for_link(&follower);
    let mut client = leader.client();
    check(&mut client, "SET a 1", "+OK");
    check(&mut client, "WAITAOF 0 1 0", "[:0, :1]");
    check(&mut client, "WAITAOF 0 2 50", "[:0, :1]");
}
