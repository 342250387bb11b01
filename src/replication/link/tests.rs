//! The link driven by hand: every state, every way out of it, and the times between.

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef01234567";
const MARK: &str = "abcdefabcdefabcdefabcdefabcdefabcdefabcd";
const TIMEOUT_MS: u64 = 60_000;
const PROGRESS: Progress = Progress {
    applied_offset: 128,
    aof_offset: None,
};

/// A link and a note of everything it wanted done.
struct Bench {
    link: Link,
    now_ms: u64,
}

impl Bench {
    fn new() -> Bench {
        let introduction = Introduction {
            listening_port: 6380,
            ..Introduction::default()
        };
        Bench {
            link: Link::new(introduction, TIMEOUT_MS, 7),
            now_ms: 1_000_000,
        }
    }

    /// Runs one event and describes the actions, one a line.
    fn event<'a>(&mut self, event: impl FnOnce(&mut Link, u64, &mut Vec<Action<'a>>)) -> String {
        let mut out = Vec::new();
        event(&mut self.link, self.now_ms, &mut out);
        describe(&out)
    }

    fn follow(&mut self) -> String {
        let target = Target {
            host: "h".to_owned(),
            port: 1,
        };
        self.event(|link, now, out| link.follow(target, now, out))
    }

    /// Gives the bytes, however many at a time, and checks how much is left over.
    #[track_caller]
    fn input(&mut self, bytes: &[u8], left: usize) -> String {
        self.event(|link, now, out| {
            let consumed = link.input(bytes, now, out);
            assert_eq!(bytes.len() - consumed, left);
        })
    }

    fn tick(&mut self) -> String {
        self.event(|link, now, out| link.tick(PROGRESS, now, out))
    }

    fn lost(&mut self) -> String {
        self.event(|link, now, out| link.lost("gone", now, out))
    }

    /// Lets time pass until the link has something to do; returns how long that was.
    fn wait(&mut self) -> u64 {
        let at_ms = self.link.next_tick_ms().unwrap();
        let waited = at_ms.saturating_sub(self.now_ms);
        self.now_ms += waited;
        waited
    }

    fn role(&self) -> &'static str {
        self.link.status().role_state
    }

    /// Connects and shakes hands up to the leader's answer to PSYNC.
    fn shake(&mut self) {
        let resume = Resume {
            id: ReplId::parse(ID.as_bytes()).unwrap(),
            end_offset: 100,
            failover: false,
        };
        self.event(|link, now, out| link.connected(Some(resume), now, out));
        assert_eq!(self.role(), "handshake");
        self.input(b"+PONG\r\n+OK\r\n+OK\r\n", 0);
    }

    fn stream(&mut self) {
        self.shake();
        self.input(b"+CONTINUE\r\n", 0);
        assert_eq!(self.role(), "connected");
    }

    fn receive(&mut self, header: &str) -> String {
        self.shake();
        let text = format!("+FULLRESYNC {ID} 128\r\n\n{header}\r\n");
        let actions = self.input(text.as_bytes(), 0);
        assert_eq!(self.role(), "sync");
        actions
    }
}

fn describe(actions: &[Action<'_>]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "|");
    let lines = actions.iter().map(|action| match action {
        Action::Connect(target) => format!("connect {}:{}", target.host, target.port),
        Action::Send(bytes) => format!("> {}", text(bytes)),
        Action::Log(line) => format!(". {}", line.text),
        Action::Payload(bytes) => format!("payload {}", text(bytes)),
        other => format!("{other:?}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

const CONNECTING: &str = ". Connecting to MASTER h:1\nconnect h:1\n\
                          . MASTER <-> REPLICA sync started";
const ACK: &str = "> *3|$8|REPLCONF|$3|ACK|$3|128|";

#[test]
fn from_nothing_to_the_stream() {
    let mut bench = Bench::new();
    assert_eq!((bench.role(), bench.link.next_tick_ms()), ("none", None));
    assert_eq!(bench.tick(), "");
    assert_eq!(bench.follow(), CONNECTING);
    assert_eq!(bench.role(), "connecting");
    let actions = bench.receive(&format!("$EOF:{MARK}"));
    assert!(actions.contains("FullResync(Some((ReplId("));
    assert!(actions.contains("PayloadBegins(Mark("));
    assert_eq!(bench.input(b"REDIS0011ab", 2), "payload REDIS0011");
    assert_eq!(bench.input(b"abXabcd", 4), "payload abX");
    let end = format!("Y{MARK}*1\r\n");
    assert_eq!(bench.input(end.as_bytes(), 4), "payload Y\nPayloadEnds");
    let status = bench.link.status();
    assert!(status.syncing && !status.is_up);
    assert_eq!(status.payload_read_bytes, 13);
    assert_eq!(status.down_since_ms, None, "it was never up");
    assert_eq!(status.payload_total_bytes, Some(0), "nobody knows");
    assert_eq!(bench.input(b"*1\r\n", 4), "");
    let loaded = bench.event(|link, now, out| link.loaded(PROGRESS, now, out));
    assert_eq!((loaded.as_str(), bench.role()), (ACK, "connected"));
    assert_eq!(bench.input(b"*1\r\n$4\r\nPING\r\n", 14), "");
    assert_eq!(bench.link.status().down_since_ms, None);
}

#[test]
fn a_snapshot_in_one_read_with_all_before_it() {
    let stream = format!("+FULLRESYNC {ID} 128\r\n$5\r\nREDIS*1\r\n");
    for cut in 0..stream.len() {
        let mut bench = Bench::new();
        bench.follow();
        bench.shake();
        let (mut input, mut all) = (Vec::new(), String::new());
        for piece in [&stream[..cut], &stream[cut..]] {
            input.extend_from_slice(piece.as_bytes());
            let given = input.clone();
            all += &bench.event(|link, now, out| {
                let mut mine = Vec::new();
                let consumed = link.input(&given, now, &mut mine);
                input.drain(..consumed);
                let parts = mine.into_iter().map(|action| match action {
                    Action::Payload(bytes) => Action::Send(bytes.to_vec()),
                    Action::PayloadEnds => Action::PayloadEnds,
                    _ => Action::Send(Vec::new()),
                });
                out.extend(parts);
            });
        }
        let body: String = all.replace("> ", "").replace('\n', "");
        assert_eq!(
            (body.as_str(), input.as_slice()),
            ("REDISPayloadEnds", &b"*1\r\n"[..])
        );
        assert_eq!(bench.link.status().payload_total_bytes, Some(5));
    }
}

#[test]
fn acknowledgements_go_out_every_second_and_on_demand() {
    let mut bench = Bench::new();
    bench.follow();
    bench.stream();
    assert_eq!((bench.tick().as_str(), bench.tick().as_str()), (ACK, ""));
    assert_eq!((bench.wait(), bench.tick().as_str()), (1000, ACK));
    bench.now_ms += 400;
    let progress = Progress {
        applied_offset: 5,
        aof_offset: Some(3),
    };
    assert_eq!(
        bench.event(|link, now, out| link.ack(progress, now, out)),
        "> *5|$8|REPLCONF|$3|ACK|$1|5|$4|FACK|$1|3|"
    );
    assert_eq!(bench.wait(), 1000);
}

#[test]
fn a_leader_that_knows_sync_only_gets_no_acknowledgements() {
    let mut bench = Bench::new();
    bench.follow();
    bench.shake();
    let actions = bench.input(b"-ERR what?\r\n$1\r\nR", 0);
    assert!(actions.contains("> SYNC|\nFullResync(None)"));
    assert!(actions.ends_with("payload R\nPayloadEnds"));
    let loaded = bench.event(|link, now, out| link.loaded(PROGRESS, now, out));
    assert_eq!((loaded.as_str(), bench.role()), ("", "connected"));
    assert_eq!(bench.wait(), TIMEOUT_MS + 1);
}

#[test]
fn signs_of_life_while_busy_with_the_snapshot() {
    let mut bench = Bench::new();
    bench.follow();
    bench.receive("$1");
    assert_eq!((bench.wait(), bench.tick().as_str()), (1000, "> \n"));
    bench.input(b"R", 0);
    for _ in 0..100 {
        assert_eq!((bench.wait(), bench.tick().as_str()), (1000, "> \n"));
    }
    assert_eq!(bench.role(), "sync");
}

#[test]
fn a_broken_stream_is_taken_up_at_once_then_ever_slower() {
    let mut bench = Bench::new();
    bench.follow();
    bench.stream();
    bench.now_ms += 5000;
    let expect = ". Connection with master lost.\n\
                  . Caching the disconnected master state.\nClose\n\
                  . Reconnecting to MASTER h:1\nconnect h:1\n\
                  . MASTER <-> REPLICA sync started";
    assert_eq!(bench.lost(), expect);
    assert_eq!(bench.link.status().down_since_ms, Some(bench.now_ms));
    for longest in [500, 1000, 1000, 1000] {
        let failed = bench.event(|link, now, out| link.connect_failed("refused", now, out));
        assert_eq!(
            failed,
            ". Error condition on socket for SYNC: refused\nClose"
        );
        assert_eq!((bench.role(), bench.tick().as_str()), ("connect", ""));
        let waited = bench.wait();
        assert!((longest * 4 / 5..=longest).contains(&waited), "{waited}");
        assert_eq!(bench.tick(), CONNECTING);
    }
    // A link that breaks as soon as it stands is not hammered.
    bench.stream();
    bench.now_ms += 10;
    assert!(bench.lost().ends_with("Close"));
    assert!(bench.wait() >= 800);
    bench.tick();
    bench.stream();
    bench.now_ms += 1000;
    assert!(bench.lost().contains("Reconnecting to MASTER h:1"));
}

#[test]
fn a_leader_that_is_not_ready_is_not_asked_at_once() {
    let mut bench = Bench::new();
    bench.follow();
    bench.shake();
    let actions = bench.input(b"-LOADING wait\r\nxx", 2);
    assert!(actions.ends_with("Close"));
    assert!((200..=250).contains(&bench.wait()));
}

#[test]
fn a_broken_handshake_says_where() {
    let mut bench = Bench::new();
    bench.follow();
    bench.shake();
    let psync = ". Failed to read response from the server: gone\n\
                 . Master did not reply to PSYNC, will try later\nClose";
    assert_eq!(bench.lost(), psync);
    bench.wait();
    bench.tick();
    bench.event(|link, now, out| link.connected(None, now, out));
    let ping = ". Failed to read response from the server: gone\n\
                . Master did not respond to command during SYNC handshake\nClose";
    assert_eq!(bench.lost(), ping);
    bench.wait();
    bench.tick();
    bench.shake();
    bench.input(format!("+FULLRESYNC {ID} 1\r\n").as_bytes(), 0);
    assert_eq!(bench.role(), "sync");
    let header = ". I/O error reading bulk count from MASTER: gone\nClose";
    assert_eq!(bench.lost(), header);
    assert_eq!((bench.lost().as_str(), bench.role()), ("", "connect"));
}

#[test]
fn a_broken_snapshot_is_asked_for_again() {
    let mut bench = Bench::new();
    bench.follow();
    bench.receive("$100");
    bench.input(b"REDIS", 0);
    let expect = ". I/O error trying to sync with MASTER: gone\nClose\n\
                  . Reconnecting to MASTER h:1 after failure\nconnect h:1\n\
                  . MASTER <-> REPLICA sync started";
    assert_eq!(bench.lost(), expect);
    assert_eq!(bench.link.status().payload_read_bytes, 0);
}

#[test]
fn a_snapshot_that_cannot_be_used_is_not_asked_for_in_a_loop() {
    let mut bench = Bench::new();
    bench.follow();
    let mut waits = Vec::new();
    for _ in 0..8 {
        bench.receive("$100");
        bench.input(b"REDIS0099", 0);
        let actions = bench.event(|link, now, out| link.refused(now, out));
        assert_eq!(actions, "Close");
        waits.push(bench.wait());
        assert_eq!(bench.tick(), CONNECTING);
    }
    for (waited, longest) in waits.iter().zip([1, 2, 4, 8, 16, 30, 30, 30]) {
        let longest = longest * 1000;
        assert!((longest * 4 / 5..=longest).contains(waited), "{waits:?}");
    }
}

#[test]
fn the_data_is_the_leaders_from_the_first_stream_to_the_next_leader() {
    let mut bench = Bench::new();
    bench.follow();
    assert!(!bench.link.has_led());
    bench.receive("$5");
    bench.input(b"REDIS", 0);
    assert!(bench.link.is_loading() && !bench.link.has_led());
    bench.event(|link, now, out| link.loaded(PROGRESS, now, out));
    assert!(bench.link.has_led());
    bench.lost();
    assert!(bench.link.has_led());
    bench.follow();
    assert!(!bench.link.has_led());
}

#[test]
fn silence_is_noticed_in_every_state() {
    let mut bench = Bench::new();
    bench.follow();
    assert_eq!(bench.wait(), TIMEOUT_MS + 1);
    let connecting = ". Timeout connecting to the MASTER...\nClose";
    assert_eq!(
        (bench.tick().as_str(), bench.role()),
        (connecting, "connect")
    );
    bench.wait();
    bench.tick();
    bench.shake();
    bench.now_ms += TIMEOUT_MS;
    bench.input(b"\n", 0);
    bench.now_ms += TIMEOUT_MS;
    assert_eq!(bench.tick(), "");
    bench.now_ms += 1;
    assert_eq!(bench.tick(), connecting);
    bench.wait();
    bench.tick();
    bench.receive("$100");
    bench.now_ms += TIMEOUT_MS + 1;
    assert!(
        bench
            .tick()
            .contains("Timeout receiving bulk data from MASTER")
    );
    bench.wait();
    bench.tick();
    bench.stream();
    bench.now_ms += TIMEOUT_MS + 1;
    let actions = bench.tick();
    let text = ". MASTER timeout: no data nor PING received...\n. Connection with master lost.";
    assert!(actions.starts_with(text));
    assert!(actions.contains("Reconnecting to MASTER"));
}

#[test]
fn following_another_or_nobody_closes_what_there_is() {
    let mut bench = Bench::new();
    bench.follow();
    bench.stream();
    assert_eq!(bench.follow(), format!("Close\n{CONNECTING}"));
    assert_eq!(bench.link.target().map(|target| target.port), Some(1));
    assert_eq!(bench.event(|link, _, out| link.unfollow(out)), "Close");
    assert_eq!((bench.role(), bench.link.target()), ("none", None));
    assert_eq!((bench.lost().as_str(), bench.tick().as_str()), ("", ""));
    assert_eq!(
        bench.event(|link, now, out| link.connected(None, now, out)),
        ""
    );
}

#[test]
fn a_stream_that_cannot_be_applied_is_dropped() {
    let mut bench = Bench::new();
    bench.follow();
    bench.stream();
    let actions = bench.event(|link, now, out| link.broken("bad frame", now, out));
    // Nothing is said of a state that is kept.
    assert!(actions.starts_with(". bad frame\n. Connection with master lost.\nClose\n"));
    assert_ne!(bench.role(), "connected");
}

#[test]
fn a_refused_failover_is_told() {
    let mut bench = Bench::new();
    bench.follow();
    let resume = Resume {
        id: ReplId::parse(ID.as_bytes()).unwrap(),
        end_offset: 100,
        failover: true,
    };
    bench.event(|link, now, out| link.connected(Some(resume), now, out));
    let actions = bench.input(b"+PONG\r\n+OK\r\n+OK\r\n-ERR no\r\n", 0);
    assert!(actions.contains("$8|FAILOVER|"));
    assert!(actions.ends_with("FailoverRejected\nClose"));
}
