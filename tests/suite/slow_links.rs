//! Full syncs over links that are slow, or held up: they end at the first attempt, take no
//! more memory than they may, and one follower's trouble is not the others'.

use std::fs;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::thread::Scope;
use std::time::Duration;

use super::support::*;

/// Other tests run at the same time, on two cores.
const SOON: Duration = Duration::from_secs(120);

/// Of each value that is written, so that few commands are much data.
const VALUE_BYTES: usize = 20_000;

fn follow(port: u16, args: &[&str]) -> Server {
    let port = port.to_string();
    Server::start(&[&["--replicaof", "127.0.0.1", &port], args].concat())
}

fn field(server: &Server, section: &str, name: &str) -> i64 {
    let fields = server.client().info(section);
    let value = fields.get(name).map(|value| value.parse());
    value.and_then(Result::ok).unwrap_or(-1)
}

fn is_up(follower: &Server) -> bool {
    follower.client().info("replication")["master_link_status"] == "up"
}

#[track_caller]
fn wait_for_link(follower: &Server) {
    wait_until(SOON, "the link is up", || is_up(follower));
}

#[track_caller]
fn wait_until_equal(leader: &Server, follower: &Server) {
    wait_until(SOON, "the offsets are equal", || {
        let offset = |server| field(server, "replication", "master_repl_offset");
        is_up(follower) && offset(leader) == offset(follower)
    });
    let digest = |server: &Server| server.client().run("DEBUG DIGEST").text();
    assert_eq!(digest(leader), digest(follower));
}

/// Sets `count` keys of a name to values that do not compress, which would leave little.
fn write(leader: &Server, name: &str, count: usize) {
    let mut client = leader.client();
    let mut dice = count as u64;
    let mut value = || -> Vec<u8> {
        let mut byte = || {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (dice >> 56) as u8
        };
        (0..VALUE_BYTES).map(|_| byte()).collect()
    };
    for number in 0..count {
        let key = format!("{name}:{number}");
        client.cmd(&[b"SET", key.as_bytes(), &value()]);
    }
}

/// A follower whose sync has begun, and the link to it, which carries nothing from then on.
fn hold_up_a_sync(leader: &Server) -> (Proxy, Server) {
    let proxy = Proxy::to(leader.port);
    proxy.limit(2_000_000);
    let follower = follow(proxy.port, &[]);
    wait_until(SOON, "the snapshot is on its way", || {
        leader.log().contains("Background RDB transfer started")
    });
    proxy.limit(0);
    (proxy, follower)
}

/// So much is written during a sync that the memory it may take does not hold it, and the
/// output limit is passed by far.
#[test]
fn a_sync_ends_at_the_first_attempt_however_much_is_written() {
    let leader = Server::start(&[
        "--repl-diskless-sync-delay",
        "0",
        "--client-output-buffer-limit",
        "replica 2mb 1mb 1",
    ]);
    write(&leader, "a", 1000);
    let (proxy, follower) = hold_up_a_sync(&leader);
    let memory = || field(&leader, "memory", "mem_total_replication_buffers");
    let before = memory();
    // The same keys too: what the snapshot has not sent yet is given to it.
    write(&leader, "a", 1000);
    write(&leader, "b", 2000);
    wait_until(SOON, "the log is spilled", || {
        field(&leader, "replication", "repl_spilled_bytes") > 10 << 20
            && memory() - before < 32 << 20
    });
    proxy.limit(100_000_000);
    write(&leader, "c", 100);
    wait_until_equal(&leader, &follower);
    for (name, expect) in [
        ("sync_full", 1),
        ("total_forks", 1),
        ("client_output_buffer_limit_disconnections", 0),
    ] {
        assert_eq!(field(&leader, "stats", name), expect, "{name}");
    }
    write(&leader, "d", 10);
    wait_until(SOON, "what was spilled is given up", || {
        field(&leader, "replication", "repl_spilled_bytes") == 0
    });
    check(&mut leader.client(), "WAIT 1 60000", ":1");
    // It has caught up, so from here on it is dropped for what it does not take.
    proxy.limit(0);
    wait_until(SOON, "the follower is dropped", || {
        write(&leader, "e", 100);
        let line = "scheduled to be closed ASAP for overcoming of output buffer limits.";
        leader.log().contains(line)
    });
    let name = "client_output_buffer_limit_disconnections";
    assert_eq!(field(&leader, "stats", name), 1);
    proxy.cut();
    proxy.unlimit();
    wait_until_equal(&leader, &follower);
}

#[test]
fn a_limit_for_syncs_counts_while_they_last() {
    let leader = Server::start(&[
        "--repl-diskless-sync-delay",
        "0",
        "--replica-full-sync-buffer-limit",
        "4mb",
    ]);
    write(&leader, "a", 1000);
    let (_proxy, _follower) = hold_up_a_sync(&leader);
    write(&leader, "b", 1000);
    wait_until(SOON, "the follower is dropped", || {
        field(
            &leader,
            "stats",
            "client_output_buffer_limit_disconnections",
        ) == 1
    });
}

/// A leader whose folder has gone, so that it can spill nothing, with data.
fn leader_without_disk(args: &[&str]) -> (Server, PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().join("data");
    fs::create_dir(&dir).expect("a folder");
    let dir_name = dir.to_str().expect("an ordinary path");
    let all = ["--repl-diskless-sync-delay", "0", "--dir", dir_name];
    let leader = Server::start(&[&all[..], args].concat());
    write(&leader, "a", 1000);
    fs::remove_dir_all(&dir).expect("an empty folder");
    (leader, dir, folder)
}

/// A leader that can spill nothing; and a follower of it that is in the middle of a sync, over a
/// link that is held up now.
struct WithoutDisk {
    leader: Server,
    proxy: Proxy,
    follower: Server,
    dir: PathBuf,
    _folder: tempfile::TempDir,
}

impl WithoutDisk {
    fn start(args: &[&str]) -> WithoutDisk {
        let (leader, dir, folder) = leader_without_disk(args);
        let (proxy, follower) = hold_up_a_sync(&leader);
        WithoutDisk {
            leader,
            proxy,
            follower,
            dir,
            _folder: folder,
        }
    }

    fn delays(&self) -> bool {
        field(&self.leader, "replication", "repl_writes_delayed") == 1
    }

    /// Writes until writes wait. The keys are there already: what memory is added by them
    /// is added by the sync.
    fn write_until_delayed<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        scope.spawn(|| (990..1000).for_each(|count| write(&self.leader, "a", count)));
        wait_until(SOON, "writes wait", || self.delays());
    }
}

/// Whoever writes is slowed down to what the link carries, nobody is dropped, and the rest
/// of the server does not notice.
#[test]
fn where_nothing_can_be_spilled_writes_wait_for_a_slow_follower() {
    let limit = "replica 8mb 8mb 1";
    let it = WithoutDisk::start(&["--client-output-buffer-limit", limit]);
    let used = || field(&it.leader, "memory", "used_memory");
    let before = used();
    let line = "stays in memory, so that writes wait for replicas that lag too far behind";
    std::thread::scope(|scope| {
        it.write_until_delayed(scope);
        let (mut writer, mut reader) = (it.leader.client(), it.leader.client());
        // Until the sockets are full too, what they take makes room for another write.
        let mut attempt = 0;
        wait_until(SOON, "a transaction waits", || {
            attempt += 1;
            let set = format!("SET x:{attempt} 1");
            check_all(&mut writer, &[("MULTI", "+OK"), (&set, "+QUEUED")]);
            writer.send_cmd(&["EXEC"]);
            writer.recv_within(Duration::from_millis(500)).is_none()
        });
        let exists = format!("EXISTS x:{attempt}");
        check_all(&mut reader, &[(&exists, ":0"), ("EXISTS a:1", ":1")]);
        it.proxy.limit(20_000_000);
        let mut most = used();
        wait_until(SOON, "the follower has it all", || {
            most = most.max(used());
            let offset = |server| field(server, "replication", "master_repl_offset");
            is_up(&it.follower)
                && offset(&it.leader) > 190_000_000
                && offset(&it.leader) == offset(&it.follower)
        });
        assert!(most - before < 56 << 20, "{before} {most}");
        assert_eq!(writer.recv().to_string(), "[+OK]");
    });
    wait_until_equal(&it.leader, &it.follower);
    wait_until(SOON, "writes wait no more", || !it.delays());
    assert!(field(&it.leader, "replication", "repl_writes_delayed_ms") > 500);
    for (name, expect) in [
        ("sync_full", 1),
        ("client_output_buffer_limit_disconnections", 0),
    ] {
        assert_eq!(field(&it.leader, "stats", name), expect, "{name}");
    }
    assert_eq!(it.leader.log().matches(line).count(), 1);
}

/// While a follower loads it takes nothing: what may be written meanwhile is what an operator
/// allows a follower to lag behind.
#[test]
fn where_nothing_can_be_spilled_a_follower_that_loads_is_waited_for_beyond_its_limit() {
    let (leader, _dir, _folder) = leader_without_disk(&[]);
    let delays = || field(&leader, "replication", "repl_writes_delayed") == 1;
    let mut loading = TcpStream::connect(("127.0.0.1", leader.port)).expect("it listens");
    let mut reading = loading.try_clone().expect("another handle");
    let drain = std::thread::spawn(move || std::io::copy(&mut reading, &mut std::io::sink()));
    for line in ["REPLCONF capa eof capa psync2", "PSYNC ? -1"] {
        let line = format!("{line}\r\n");
        let before = field(&leader, "stats", "total_commands_processed");
        loading.write_all(line.as_bytes()).expect("it reads");
        wait_until(SOON, "it was run", || {
            field(&leader, "stats", "total_commands_processed") > before + 1
        });
    }
    wait_until(SOON, "it has the snapshot", || {
        leader.log().contains("Waiting for REPLCONF ACK")
    });
    // 40 MB of the 64 MB that are the default.
    (0..2).for_each(|_| write(&leader, "a", 1000));
    let lower = "CONFIG SET client-output-buffer-limit \"replica 8mb 0 0\"";
    check(&mut leader.client(), lower, "+OK");
    wait_until(SOON, "writes wait", delays);
    loading.shutdown(Shutdown::Both).expect("it is open");
    wait_until(SOON, "writes wait no more", || !delays());
    let drained = drain.join().expect("no panic").unwrap_or(0);
    assert!(drained > 20_000_000, "the snapshot: {drained}");
}

#[test]
fn writes_that_wait_go_on_when_there_is_room_on_the_disk_again() {
    let it = WithoutDisk::start(&[]);
    std::thread::scope(|scope| {
        it.write_until_delayed(scope);
        fs::create_dir(&it.dir).expect("a folder");
    });
    assert!(!it.delays());
    it.proxy.unlimit();
    wait_until_equal(&it.leader, &it.follower);
    assert_eq!(field(&it.leader, "stats", "sync_full"), 1);
}

/// Writes do not wait for ever for one who takes nothing.
#[test]
fn where_nothing_can_be_spilled_who_hangs_is_dropped_and_writes_go_on() {
    let it = WithoutDisk::start(&["--repl-timeout", "10"]);
    std::thread::scope(|scope| it.write_until_delayed(scope));
    let line = "Disconnecting timedout replica (full sync)";
    assert!(it.leader.log().contains(line), "{}", it.leader.log());
    wait_until(SOON, "nothing is delayed", || !it.delays());
    it.proxy.cut();
    it.proxy.unlimit();
    wait_until_equal(&it.leader, &it.follower);
}

/// It acknowledges, but takes nothing, and no limit of its lag would ever drop it.
#[test]
fn where_nothing_can_be_spilled_who_only_talks_is_dropped_too() {
    let limit = ["--client-output-buffer-limit", "replica 0 0 0"];
    let it = WithoutDisk::start(&[&limit[..], &["--repl-timeout", "10"]].concat());
    it.proxy.unlimit();
    wait_until_equal(&it.leader, &it.follower);
    it.proxy.limit(0);
    std::thread::scope(|scope| it.write_until_delayed(scope));
    let line = "Disconnecting timedout replica (streaming sync)";
    assert!(it.leader.log().contains(line), "{}", it.leader.log());
    it.proxy.cut();
    it.proxy.unlimit();
    wait_until_equal(&it.leader, &it.follower);
    assert_eq!(field(&it.leader, "stats", "sync_full"), 2);
}

#[test]
fn who_hangs_or_dies_in_a_sync_harms_only_itself() {
    let leader = Server::start(&[
        "--repl-diskless-sync-delay",
        "1000",
        "--repl-diskless-sync-max-replicas",
        "3",
    ]);
    write(&leader, "a", 2000);
    let links = [Proxy::to(leader.port), Proxy::to(leader.port)];
    links.iter().for_each(|link| link.limit(1_000_000));
    let [slow, mut dying] = [follow(links[0].port, &[]), follow(links[1].port, &[])];
    wait_until(SOON, "two followers wait", || {
        field(&leader, "replication", "connected_slaves") == 2
    });
    links.iter().for_each(|link| link.limit(0));
    let fast = follow(leader.port, &[]);
    wait_until_equal(&leader, &fast);
    assert!(!is_up(&slow) && !is_up(&dying));
    dying.kill();
    links[1].cut();
    write(&leader, "b", 10);
    wait_until_equal(&leader, &fast);
    assert!(!is_up(&slow));
    links[0].unlimit();
    wait_until_equal(&leader, &slow);
    assert_eq!(field(&leader, "stats", "total_forks"), 1);
    assert_eq!(field(&leader, "stats", "sync_full"), 3);
    wait_until(SOON, "the transfer has ended", || {
        let line = "Diskless rdb transfer, done reading from pipe, 2 replicas still up.";
        leader.log().contains(line)
    });
}

/// As it is told of when nobody is left: whoever had already taken all has gone, too.
#[test]
fn a_sync_whose_followers_all_go_is_given_up() {
    let leader = Server::start(&[
        "--repl-diskless-sync-delay",
        "1000",
        "--repl-diskless-sync-max-replicas",
        "2",
    ]);
    write(&leader, "a", 2000);
    let link = Proxy::to(leader.port);
    link.limit(1_000_000);
    let mut slow = follow(link.port, &[]);
    wait_until(SOON, "a follower waits", || {
        field(&leader, "replication", "connected_slaves") == 1
    });
    link.limit(0);
    let mut fast = follow(leader.port, &[]);
    wait_until_equal(&leader, &fast);
    fast.kill();
    wait_until(SOON, "one of them has gone", || {
        field(&leader, "replication", "connected_slaves") == 1
    });
    assert_eq!(field(&leader, "persistence", "rdb_bgsave_in_progress"), 1);
    slow.kill();
    link.cut();
    wait_until(SOON, "the transfer has ended", || {
        field(&leader, "persistence", "rdb_bgsave_in_progress") == 0
    });
    let line = "Diskless rdb transfer, last replica dropped, killing fork child.";
    assert!(leader.log().contains(line), "{}", leader.log());
}

/// Who has more of the same history is asked to wait until there is something to continue.
#[test]
fn a_follower_that_is_started_from_an_older_file_costs_its_own_followers_nothing() {
    let leader = Server::start(&["--repl-diskless-sync-delay", "0"]);
    write(&leader, "a", 10);
    let link = Proxy::to(leader.port);
    let mut middle = follow(link.port, &["--repl-diskless-sync-delay", "0"]);
    wait_until_equal(&leader, &middle);
    let last = follow(middle.port, &[]);
    wait_until_equal(&leader, &last);
    assert_eq!(middle.client().run("SAVE").to_string(), "+OK");
    write(&leader, "b", 40);
    wait_until_equal(&leader, &last);
    middle.kill();
    link.limit(20_000);
    middle.restart();
    wait_until(SOON, "it asks too early", || {
        last.log()
            .contains("before I have caught up with my master")
    });
    link.unlimit();
    wait_until_equal(&leader, &last);
    assert_eq!(field(&middle, "stats", "sync_full"), 0);
    assert_eq!(field(&leader, "stats", "sync_full"), 1);
}

/// A pass does not wait for its members when others wait for the next one.
#[test]
fn who_comes_late_does_not_wait_for_a_slow_follower() {
    let leader = Server::start(&["--repl-diskless-sync-delay", "0"]);
    write(&leader, "a", 2000);
    let (link, slow) = hold_up_a_sync(&leader);
    let late = follow(leader.port, &[]);
    wait_until_equal(&leader, &late);
    assert!(!is_up(&slow));
    link.unlimit();
    wait_until_equal(&leader, &slow);
    assert_eq!(field(&leader, "stats", "total_forks"), 2);
}

#[test]
fn eight_followers_that_lose_their_backlog_together_cost_two_passes_at_most() {
    let leader = Server::start(&["--repl-backlog-size", "16kb"]);
    write(&leader, "a", 100);
    let link = Proxy::to(leader.port);
    let followers: Vec<Server> = (0..8).map(|_| follow(link.port, &[])).collect();
    followers.iter().for_each(wait_for_link);
    let forks = field(&leader, "stats", "total_forks");
    link.part();
    wait_until(SOON, "the leader is alone", || {
        field(&leader, "replication", "connected_slaves") == 0
    });
    write(&leader, "b", 50);
    link.heal();
    for follower in &followers {
        wait_until_equal(&leader, follower);
    }
    let passes = field(&leader, "stats", "total_forks") - forks;
    assert!((1..=2).contains(&passes), "{passes} passes");
    assert_eq!(field(&leader, "stats", "sync_full"), 16);
}
