//! Connections on the move: whatever number of workers serves, a client sees one server.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;
use crate::base::rng::Rng;
use crate::commands::FAMILIES;
use crate::commands::registry::Registry;
use crate::net::stream::Moving;
use crate::resp::request::encode_command;
use crate::shared::Shared;

const WORKERS: usize = 3;
const CLIENTS: usize = 12;
const ROUNDS: usize = 400;

/// Workers without the rest of a server.
struct Place {
    engine: Arc<Engine>,
    crew: Arc<Crew>,
    listener: TcpListener,
}

impl Place {
    fn new() -> Place {
        let registry = Registry::new(FAMILIES);
        let shared = Shared::for_test(WORKERS, registry.len());
        let engine = Arc::new(Engine { shared, registry });
        let (crew, arriving) = Crew::new(engine.clone(), WORKERS);
        let crew = Arc::new(crew);
        for (gate, arriving) in arriving.into_iter().enumerate() {
            start(engine.clone(), Arc::default(), crew.clone(), gate, arriving).unwrap();
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        Place {
            engine,
            crew,
            listener,
        }
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = self.listener.accept().unwrap();
        accepted.set_nonblocking(true).unwrap();
        assert!(self.engine.shared.clients.expect_arrival(usize::MAX));
        self.crew.admit(Moving::Tcp(accepted));
        Client {
            lines: BufReader::new(stream.try_clone().unwrap()),
            stream,
        }
    }
}

struct Client {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Client {
    /// Sends inline requests at once.
    fn send(&mut self, requests: &str) {
        self.stream.write_all(requests.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn expect(&mut self, lines: &[&str]) {
        for line in lines {
            assert_eq!(self.line(), *line);
        }
    }
}

/// Counts in pipelines of random length, and in transactions that span several writes.
fn count_up(mut client: Client, name: usize) {
    let mut rng = Rng::seeded(name as u64);
    let (mut count, mut id) = (0, None);
    client.send("SELECT 3\r\n");
    client.expect(&["+OK"]);
    for _ in 0..ROUNDS {
        let many = 1 + rng.below(5) as usize;
        client.send(&format!("INCR own{name}\r\nINCR all\r\n").repeat(many));
        for _ in 0..many {
            count += 1;
            client.expect(&[&format!(":{count}")]);
            assert!(client.line().starts_with(':'));
        }
        client.send("MULTI\r\n");
        client.expect(&["+OK"]);
        client.send(&format!("INCR own{name}\r\n"));
        client.expect(&["+QUEUED"]);
        client.send("EXEC\r\nCLIENT ID\r\n");
        count += 1;
        client.expect(&["*1", &format!(":{count}")]);
        let said = client.line();
        assert_eq!(*id.get_or_insert(said.clone()), said);
        keep_a_word(&mut client, name, rng.below(2000) as usize);
    }
}

/// Asks one thing at a time, as short as is kept until others have read, and longer.
fn keep_a_word(client: &mut Client, name: usize, len: usize) {
    let key = format!("word{name}");
    let word = (name % 10).to_string().repeat(len);
    let request = |args: &[&str]| {
        let mut out = Vec::new();
        let args: Vec<_> = args.iter().map(|arg| arg.as_bytes()).collect();
        encode_command(&args, &mut out);
        String::from_utf8(out).unwrap()
    };
    client.send(&request(&["SET", &key, &word]));
    client.expect(&["+OK"]);
    client.send(&request(&["GET", &key]));
    client.expect(&[&format!("${len}"), &word]);
}

/// Gets every message once and in order, while it goes on asking.
fn listen(mut client: Client, heard: &AtomicUsize) {
    client.send("HELLO 3\r\nSUBSCRIBE news\r\n");
    while client.line() != ":1" {}
    let mut next = 0;
    while next < ROUNDS {
        client.send("PING\r\n");
        loop {
            match client.line().as_str() {
                "+PONG" => break,
                ">3" => {
                    client.expect(&["$7", "message", "$4", "news"]);
                    let len = next.to_string().len();
                    client.expect(&[&format!("${len}"), &next.to_string()]);
                    next += 1;
                    heard.store(next, Ordering::Relaxed);
                }
                other => panic!("{other}"),
            }
        }
    }
}

#[test]
fn clients_do_not_notice_who_serves_them() {
    let place = Place::new();
    let heard = AtomicUsize::new(0);
    thread::scope(|scope| {
        let mut clients: Vec<_> = (0..CLIENTS)
            .map(|name| {
                let client = place.connect();
                scope.spawn(move || count_up(client, name))
            })
            .collect();
        let (subscriber, mut publisher) = (place.connect(), place.connect());
        clients.push(scope.spawn(|| listen(subscriber, &heard)));
        let subscribers = || place.engine.shared.pubsub.channel_count();
        while subscribers() == 0 && !clients[CLIENTS].is_finished() {
            thread::yield_now();
        }
        clients.push(scope.spawn(move || {
            for message in 0..ROUNDS {
                publisher.send(&format!("PUBLISH news {message}\r\n"));
                publisher.expect(&[":1"]);
            }
        }));
        let mut rng = Rng::seeded(7);
        while !clients.iter().all(|client| client.is_finished()) {
            place
                .crew
                .set_active(1 + rng.below(WORKERS as u64) as usize);
            thread::yield_now();
        }
    });
    assert!(place.crew.shifts() > 10);
    for gate in 0..WORKERS {
        let commands = place.engine.shared.stats.thread(gate).commands.get();
        assert!(commands > 100, "worker {gate} ran {commands}");
    }
    let mut client = place.connect();
    client.send("SELECT 3\r\n");
    client.expect(&["+OK"]);
    let own: usize = (0..CLIENTS)
        .map(|name| {
            client.send(&format!("INCRBY own{name} 0\r\n"));
            client.line()[1..].parse::<usize>().unwrap()
        })
        .sum();
    client.send("INCRBY all 0\r\n");
    let all: usize = client.line()[1..].parse().unwrap();
    assert_eq!(own, all + CLIENTS * ROUNDS);
}
