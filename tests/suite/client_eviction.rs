//! `maxmemory-clients`: who is closed when clients take too much together, and who is not.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use super::support::*;

/// Other tests run at the same time, on two cores.
const SOON: Duration = Duration::from_secs(60);

/// DEBUG PAUSE-CRON is allowed.
const UNATTENDED: &[&str] = &["--io-threads", "2", "--enable-debug-command", "yes"];

const KB: usize = 1 << 10;
const MB: usize = 1 << 20;

/// Clients that are told apart by their names, and one that asks about them.
struct World {
    server: Server,
    control: Client,
}

impl World {
    fn start(args: &[&str]) -> World {
        World::around(Server::start(args))
    }

    fn around(server: Server) -> World {
        let mut control = server.client();
        check(&mut control, "CLIENT NO-EVICT ON", "+OK");
        World { server, control }
    }

    fn client(&self, name: &str) -> Client {
        let mut client = self.server.client();
        check(&mut client, &format!("CLIENT SETNAME {name}"), "+OK");
        client
    }

    /// One with so much of a request that is not whole.
    fn with_request(&mut self, name: &str, bytes: usize) -> Client {
        let mut client = self.client(name);
        client.send(&unfinished(bytes));
        self.wait_for(name, "qbuf", &bytes.to_string());
        client
    }

    /// One that sends, however far it gets before it is closed.
    fn flood(&mut self, name: &str, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.server.port)).unwrap();
        let named = format!("CLIENT SETNAME {name}\r\n");
        stream.write_all(named.as_bytes()).unwrap();
        wait_until(SOON, "it has its name", || self.is_there(name));
        let _ = stream.write_all(bytes);
        stream
    }

    fn wait_for(&mut self, name: &str, field: &str, value: &str) {
        wait_until(SOON, &format!("{field}={value} of {name}"), || {
            self.field(name, field).as_deref() == Some(value)
        });
    }

    fn field(&mut self, name: &str, field: &str) -> Option<String> {
        self.control.listed(name, field)
    }

    fn is_there(&mut self, name: &str) -> bool {
        self.field(name, "id").is_some()
    }

    #[track_caller]
    fn check_there(&mut self, names: &[&str], expect: bool) {
        for name in names {
            assert_eq!(self.is_there(name), expect, "{name}");
        }
    }

    #[track_caller]
    fn wait_until_closed(&mut self, name: &str) {
        wait_until(SOON, &format!("{name} is closed"), || !self.is_there(name));
    }

    fn limit(&mut self, limit: impl ToString) {
        self.set("maxmemory-clients", &limit.to_string());
    }

    fn set(&mut self, name: &str, value: &str) {
        let reply = self.control.cmd(&["CONFIG", "SET", name, value]);
        assert_eq!(reply.to_string(), "+OK", "{name}");
    }

    fn evicted(&mut self) -> usize {
        let stats = self.control.info("stats");
        stats["evicted_clients"].parse().unwrap()
    }
}

/// The beginning of a request: so many bytes of its first argument, and no more.
fn unfinished(bytes: usize) -> Vec<u8> {
    let mut request = format!("*2\r\n${bytes}\r\n").into_bytes();
    request.resize(request.len() + bytes, b'x');
    request
}

#[test]
fn the_largest_go_first_and_no_more_than_needed() {
    let mut world = World::start(&["--io-threads", "2"]);
    let sizes = [("a", 300 * KB), ("b", MB), ("c", 500 * KB), ("d", 2 * MB)];
    let _clients = sizes.map(|(name, bytes)| world.with_request(name, bytes));
    let _small = world.client("small");
    world.limit("4mb");
    world.check_there(&["a", "b", "c", "d", "small"], true);
    assert_eq!(world.evicted(), 0);
    let total: usize = world.field("d", "tot-mem").unwrap().parse().unwrap();
    assert!((2 * MB..3 * MB).contains(&total), "{total}");
    // Whoever has set it finds them gone.
    world.limit("2mb");
    world.check_there(&["a", "b", "c", "small"], true);
    world.check_there(&["d"], false);
    world.limit("900kb");
    world.check_there(&["d", "b"], false);
    world.check_there(&["a", "c", "small"], true);
    // Less than this it does not become.
    world.limit(1);
    world.check_there(&["a", "c"], false);
    world.check_there(&["small"], true);
    assert_eq!(world.evicted(), 4);
    let log = world.server.log();
    let evicted: Vec<&str> = log
        .lines()
        .filter_map(|line| Some(line.split_once("* Evicting client: ")?.1))
        .collect();
    let places = ["d", "b", "c", "a"].map(|name| {
        let of = format!(" name={name} ");
        evicted.iter().position(|line| line.contains(&of))
    });
    assert_eq!(places, [Some(0), Some(1), Some(2), Some(3)], "{log}");
    check(&mut world.control, "CONFIG RESETSTAT", "+OK");
    assert_eq!(world.evicted(), 0);
}

#[test]
fn whatever_a_client_lets_grow_closes_it() {
    let mut world = World::start(UNATTENDED);
    world.limit(200 * KB);
    // What comes once in a while must not be what notices it.
    check(&mut world.control, "DEBUG PAUSE-CRON 1", "+OK");
    check(&mut world.control, "SETRANGE k 20000 x", ":20001");
    type Grow = fn(usize) -> String;
    let ways: [(&str, Grow); 5] = [
        ("watched", |n| format!("WATCH {n:0100}")),
        ("channels", |n| format!("SUBSCRIBE {n:0100}")),
        ("patterns", |n| format!("PSUBSCRIBE {n:0100}")),
        ("shard", |n| format!("SSUBSCRIBE {n:0100}")),
        ("prefixes", |n| {
            format!("CLIENT TRACKING ON BCAST PREFIX {n:0100}")
        }),
    ];
    for (name, grow) in ways {
        let commands: Vec<String> = (0..2000).map(|n| grow(n) + "\r\n").collect();
        let _client = world.flood(name, commands.concat().as_bytes());
        world.wait_until_closed(name);
    }
    let text = "x".repeat(10 * KB);
    let queued = format!("SET queued {text}\r\n").repeat(30);
    let _client = world.flood("queues", format!("MULTI\r\n{queued}EXEC\r\n").as_bytes());
    world.wait_until_closed("queues");
    let bytes = 300 * KB;
    let mut set = format!("*3\r\n$3\r\nSET\r\n$4\r\nsent\r\n${bytes}\r\n");
    set += &"x".repeat(bytes);
    let _client = world.flood("sends", (set + "\r\n").as_bytes());
    world.wait_until_closed("sends");
    check(&mut world.control, "EXISTS queued sent", ":0");
    let _client = world.flood("reads-not", "GET k\r\n".repeat(2000).as_bytes());
    world.wait_until_closed("reads-not");
    assert_eq!(world.evicted(), 8);
}

#[test]
fn what_waits_is_kept_and_counted() {
    let mut world = World::start(&["--io-threads", "2"]);
    let mut client = world.client("waits");
    let key = "k".repeat(100 * KB);
    client.send_cmd(&["BLPOP", &key, "0"]);
    world.wait_for("waits", "flags", "b");
    wait_until(SOON, "what it waits for is counted", || {
        let arguments = world.field("waits", "argv-mem").unwrap();
        arguments.parse::<usize>().unwrap() > key.len()
    });
    world.wait_for("waits", "qbuf", "0");
    world.limit(1);
    world.check_there(&["waits"], false);
    world.limit(0);
    let mut client = world.client("again");
    client.send_cmd(&["BLPOP", &key, "0"]);
    world.wait_for("again", "flags", "b");
    let id = world.field("again", "id").unwrap();
    check(&mut world.control, &format!("CLIENT UNBLOCK {id}"), ":1");
    assert_eq!(client.recv().to_string(), "nil*");
    world.wait_for("again", "argv-mem", "0");
}

#[test]
fn what_was_large_is_not_kept_for_what_is_small() {
    let mut world = World::start(&[]);
    let mut client = world.client("client");
    let value = "v".repeat(2 * MB);
    let mut requests = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", value.len());
    requests += &value;
    requests += "\r\n*1\r\n$4\r\nPI";
    client.send(requests.as_bytes());
    assert_eq!(client.recv().to_string(), "+OK");
    world.wait_for("client", "qbuf", "2");
    let total: usize = world.field("client", "tot-mem").unwrap().parse().unwrap();
    assert!(total < MB, "{total}");
    client.send(b"NG\r\n");
    assert_eq!(client.recv().to_string(), "+PONG");
}

#[test]
fn messages_count_for_those_who_do_not_take_them() {
    let mut world = World::start(UNATTENDED);
    world.limit(2 * MB);
    check(&mut world.control, "DEBUG PAUSE-CRON 1", "+OK");
    let mut subscriber = world.client("subscriber");
    subscriber.run("SUBSCRIBE a");
    let mut target = world.client("target");
    let id = target.run("CLIENT ID").integer();
    target.run("SUBSCRIBE __redis__:invalidate");
    let mut tracker = world.client("tracker");
    let track = format!("CLIENT TRACKING ON BCAST REDIRECT {id}");
    check(&mut tracker, &track, "+OK");
    let text = "x".repeat(100 * KB);
    for (name, command) in [
        ("subscriber", ["PUBLISH", "a", &text]),
        ("target", ["SET", &text, "1"]),
    ] {
        wait_until(SOON, &format!("{name} is closed"), || {
            world.control.cmd(&command);
            !world.is_there(name)
        });
    }
    world.check_there(&["tracker"], true);
}

#[test]
fn those_who_say_so_and_links_are_spared() {
    let leader = Server::start(&["--repl-diskless-sync-delay", "0"]);
    let port = leader.port.to_string();
    let follower = Server::start(&["--replicaof", "127.0.0.1", &port]);
    let (mut world, mut behind) = (World::around(leader), World::around(follower));
    wait_until(SOON, "the follower follows", || {
        behind.control.info("replication")["master_link_status"] == "up"
    });
    let _spared = {
        let mut client = world.client("spared");
        check(&mut client, "CLIENT NO-EVICT ON", "+OK");
        client.send(&unfinished(MB));
        world.wait_for("spared", "qbuf", &MB.to_string());
        client
    };
    world.limit(1);
    behind.limit(1);
    // Large enough for both links to exceed the limit.
    let large = "x".repeat(MB);
    let set = ["SET", "large", &large];
    assert_eq!(world.control.cmd(&set).to_string(), "+OK");
    wait_until(SOON, "the follower has it", || {
        behind.control.run("STRLEN large").integer() == MB as i64
    });
    for world in [&mut world, &mut behind] {
        assert_eq!(world.evicted(), 0);
    }
    check(
        &mut world.control,
        "CLIENT LIST TYPE replica",
        "\"... flags=S ...\"",
    );
    check(
        &mut behind.control,
        "CLIENT LIST TYPE master",
        "\"... flags=M ...\"",
    );
    world.check_there(&["spared"], true);
    // As long as he is there, nobody else may be: others are closed in his place.
    let mut other = world.server.client();
    other.send(b"PING\r\n");
    assert_eq!(other.recv_to_end(), b"");
    world.limit(0);
    // Whoever is spared no longer is closed at once.
    let mut client = world.client("client");
    check(&mut client, "CLIENT NO-EVICT ON", "+OK");
    world.limit(1);
    assert!(world.field("client", "flags").unwrap().contains('e'));
    client.send(b"CLIENT NO-EVICT OFF\r\n");
    world.wait_until_closed("client");
    assert_eq!(world.evicted(), 2);
}

#[test]
fn a_percentage_follows_the_limit_of_memory() {
    let mut world = World::start(&["--maxmemory-clients", "5%"]);
    let _client = world.with_request("client", 2 * MB);
    world.check_there(&["client"], true);
    world.set("maxmemory", "100mb");
    world.check_there(&["client"], true);
    world.set("maxmemory", "30mb");
    world.check_there(&["client"], false);
    world.limit("100%");
    let _client = world.with_request("again", 2 * MB);
    world.set("maxmemory", "0");
    world.limit("1%");
    world.check_there(&["again"], true);
    assert_eq!(world.evicted(), 1);
}

/// Nobody looks at their own requests, and each alone takes next to nothing.
#[test]
fn others_and_small_ones_are_found_too() {
    let mut world = World::start(&["--io-threads", "4"]);
    world.limit(2900 * KB);
    let _large: Vec<Client> = (0..4)
        .map(|n| world.with_request(&format!("large{n}"), 600 * KB + n))
        .collect();
    let _one_more = world.client("one-more");
    {
        let mut client = world.client("grows");
        client.send(&unfinished(590 * KB));
        // The largest of the others, wherever it is served.
        world.wait_until_closed("large3");
        world.check_there(&["large0", "large1", "large2", "grows"], true);
    }
    world.limit(0);
    let before = world.evicted();
    let mut small: Vec<Client> = (0..100).map(|n| world.client(&format!("s{n}"))).collect();
    let key = "k".repeat(4000);
    for client in &mut small {
        assert_eq!(client.cmd(&["WATCH", &key]).to_string(), "+OK");
    }
    let normal: usize = world.control.info("memory")["mem_clients_normal"]
        .parse()
        .unwrap();
    assert!(normal > 100 * key.len(), "{normal}");
    drop(_large);
    world.limit(MB);
    let more = "m".repeat(10_000);
    for client in &mut small {
        client.send_cmd(&["WATCH", &more]);
    }
    wait_until(SOON, "some are closed", || world.evicted() > before);
}
