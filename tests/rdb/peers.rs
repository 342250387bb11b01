//! Real servers as the oracle: their files frame and decode here, ours load there.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::broken::{cut_and_change, unchecked};
use crate::codec::{dumped_string, finish, one_of_each};
use crate::collect::{for_each_entry, steps, steps_in_pieces, string};
use crate::oracle::{Oracle, REDIS, REDIS_8, VALKEY};
use lockstep::rdb::decode::Options;
use lockstep::rdb::dump;
use lockstep::rdb::encode::{self, Access, Encoder, KeyMeta};
use lockstep::rdb::format::FileVersion;

/// Thresholds low enough for both encodings of each type.
const SMALL_ENCODINGS: &str = "--stream-node-max-entries 3 --hash-max-listpack-entries 4 \
     --list-max-listpack-size 4 --zset-max-listpack-entries 4";

/// A peer in a folder of its own.
struct Peer {
    stream: BufReader<UnixStream>,
    _server: Oracle,
    folder: tempfile::TempDir,
}

impl Peer {
    /// Starts a peer that loads `file` if there is one.
    fn start(program: &Path, file: Option<&[u8]>) -> Peer {
        let folder = tempfile::tempdir().unwrap();
        if let Some(file) = file {
            std::fs::write(folder.path().join("dump.rdb"), file).unwrap();
        }
        let args = ["--logfile", "log", "--save", ""];
        let args = args.into_iter().chain(SMALL_ENCODINGS.split(' '));
        let mut server = Oracle::start(program, folder.path(), args);
        let mut peer = Peer {
            stream: BufReader::new(server.connect()),
            folder,
            _server: server,
        };
        while peer.call(&[b"PING"]).starts_with(b"-LOADING") {
            std::thread::sleep(Duration::from_millis(20));
        }
        peer
    }

    /// Sends one command; the reply's first line, or the content of a bulk reply.
    fn call(&mut self, args: &[&[u8]]) -> Vec<u8> {
        let mut request = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            request.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            request.extend_from_slice(arg);
            request.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&request).unwrap();
        self.reply()
    }

    fn reply(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).unwrap();
        let line = line.strip_suffix(b"\r\n").expect("a whole line").to_vec();
        let number = || {
            std::str::from_utf8(&line[1..])
                .unwrap()
                .parse::<i64>()
                .unwrap()
        };
        match line[0] {
            b'$' if number() >= 0 => {
                let mut bulk = vec![0; number() as usize + 2];
                self.stream.read_exact(&mut bulk).unwrap();
                bulk.truncate(bulk.len() - 2);
                bulk
            }
            b'*' => (0..number())
                .map(|_| self.reply())
                .last()
                .unwrap_or_default(),
            _ => line,
        }
    }

    /// A command in words; false if the peer refuses it.
    fn run(&mut self, words: &str) -> bool {
        let args: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
        !self.call(&args).starts_with(b"-")
    }

    fn saved(&mut self) -> Vec<u8> {
        assert!(self.run("SAVE"));
        std::fs::read(self.folder.path().join("dump.rdb")).unwrap()
    }
}

/// Keys of every type in every encoding; the names are what the test looks for.
const COMMANDS: &[&str] = &[
    "SET string hello",
    "SET int8 -5",
    "SET int16 300",
    "SET int32 -70000",
    "SET int64 9223372036854775807",
    "SET expiring soon EX 100000",
    "SETRANGE sparse 1000 end",
    "RPUSH list:small 1 two 3",
    "RPUSH list:big 1 2 3 4 5 6 7 8 9 ten",
    "SADD set:int 1 2 3",
    "SADD set:small a b",
    "SADD set:big a b c d e f g",
    "ZADD zset:small 1 a 2.5 b",
    "ZADD zset:big 1 a -inf b inf c 2.5 d 5 e 6 f",
    "HSET hash:small a 1 b 2",
    "HSET hash:big a 1 b 2 c 3 d 4 e 5 f 6",
    "XADD stream 1-1 a 1",
    "XADD stream 2-1 a 2",
    "XADD stream 3-1 b 3 c 4",
    "XADD stream 4-1 b 3",
    "XGROUP CREATE stream group 0",
    "XGROUP CREATE stream idle 2-1",
    "XREADGROUP GROUP group consumer COUNT 2 STREAMS stream >",
    "XREADGROUP GROUP group other COUNT 1 STREAMS stream >",
    "XDEL stream 1-1",
    "PFADD hll a b c d",
    "GEOADD geo 13.36 38.11 Palermo",
    "SELECT 3",
    "SET other database",
    "SELECT 0",
];

const FIELD_TTL_COMMANDS: &[&str] = &[
    "HSET hash:ttl a 1 b 2 c 3",
    "HPEXPIRE hash:ttl 100000000 FIELDS 1 a",
    "HSET hash:ttl:big a 1 b 2 c 3 d 4 e 5 f 6",
    "HPEXPIRE hash:ttl:big 100000000 FIELDS 2 a b",
];

const FUNCTION: &[u8] = b"#!lua name=lib\nredis.register_function('f', function() return 1 end)";

/// Fills a peer with everything it knows; the file it saves.
fn full_file(program: &Path, field_ttl: bool) -> (Vec<u8>, Peer) {
    let mut peer = Peer::start(program, None);
    // Redis 7.0 does not know this one: its small sets of words are tables anyway.
    peer.run("CONFIG SET set-max-listpack-entries 4");
    for words in COMMANDS
        .iter()
        .chain(FIELD_TTL_COMMANDS.iter().filter(|_| field_ttl))
    {
        assert!(peer.run(words), "{words}");
    }
    assert_eq!(peer.call(&[b"FUNCTION", b"LOAD", FUNCTION]), b"lib");
    (peer.saved(), peer)
}

/// Reads a peer's file whole, in pieces, cut and changed, and compares its strings.
fn check_file(program: &Path, field_ttl: bool, type_bytes: &[u8], header: &str) {
    let (file, mut peer) = full_file(program, field_ttl);
    let whole = steps(&file, Options::default()).unwrap();
    assert_eq!(whole[0], header);
    assert_eq!(whole.last().unwrap(), "End { checksum: Verified }");
    assert!(whole.iter().any(|step| step.starts_with("Function(")));
    let bytewise = steps_in_pieces(&file, 0..file.len(), Options::default());
    assert_eq!(bytewise.as_ref(), Ok(&whole));

    let mut types = BTreeMap::new();
    for_each_entry(&file, |entry| {
        let key = String::from_utf8(entry.key.to_vec()).unwrap();
        assert_eq!(entry.expire_at_ms.is_some(), key == "expiring");
        assert_eq!(entry.db, if key == "other" { 3 } else { 0 });
        if let (Some(value), 0) = (string(entry), entry.db) {
            assert_eq!(peer.call(&[b"GET", entry.key]), value, "{key}");
        }
        if entry.db == 0 {
            let payload = peer.call(&[b"DUMP", entry.key]);
            let body = dump::verify(&payload, true).unwrap();
            match string(entry) {
                Some(text) => assert_eq!(dumped_string(&body), text),
                None => assert_eq!(body.bytes[0], entry.type_byte),
            }
        }
        types.insert(key, entry.type_byte);
    });
    let keys = if field_ttl { 22 } else { 20 };
    assert_eq!(types.len(), keys, "{types:?}");
    let mut seen: Vec<u8> = types.into_values().collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, type_bytes);

    cut_and_change(&file);
    assert_eq!(steps(&file, unchecked()).unwrap().len(), whole.len());
}

#[test]
fn files_of_redis_7_0() {
    let Some(program) = REDIS.find() else { return };
    let header = "Header(Header { magic: Redis, version: 10 })";
    check_file(&program, false, &[0, 2, 4, 5, 11, 16, 17, 18, 19], header);
}

#[test]
fn files_of_redis_8() {
    let Some(program) = REDIS_8.find() else {
        return;
    };
    let header = "Header(Header { magic: Redis, version: 12 })";
    check_file(
        &program,
        true,
        &[0, 2, 4, 5, 11, 16, 17, 18, 20, 21, 24, 25],
        header,
    );
}

#[test]
fn files_of_valkey_9() {
    let Some(program) = VALKEY.find() else { return };
    let header = "Header(Header { magic: Valkey, version: 80 })";
    check_file(
        &program,
        true,
        &[0, 2, 4, 5, 11, 16, 17, 18, 20, 21, 22],
        header,
    );
}

/// Strings that take every path of the encoder, under keys of a number and a length.
fn many_strings() -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut seed = 7u64;
    let mut noise = move || {
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (seed >> 56) as u8
    };
    let mut pairs = Vec::new();
    for len in (0..70).chain([255, 256, 1000, 8192, 16383, 16384, 70_000]) {
        let words: Vec<u8> = (0..len)
            .map(|at| b"the quick brown fox "[at % 20])
            .collect();
        let random: Vec<u8> = (0..len).map(|_| noise()).collect();
        let half = [&random[..len / 2], &random[..len - len / 2]].concat();
        for (kind, value) in [
            ("w", words),
            ("r", random),
            ("h", half),
            ("a", vec![b'a'; len]),
        ] {
            pairs.push((format!("{kind}{len}").into_bytes(), value));
        }
    }
    for number in [0i64, -1, 127, 128, -32769, 1 << 31, i64::MAX, i64::MIN] {
        pairs.push((
            number.to_string().into_bytes(),
            number.to_string().into_bytes(),
        ));
    }
    pairs
}

fn check_ours_loads(program: &Path, version: FileVersion) {
    let mut encoder = Encoder::new(true);
    let mut file = Vec::new();
    encode::put_header(&mut file, version);
    encoder.put_function(&mut file, FUNCTION);
    encode::put_select_db(&mut file, 0);
    let pairs = many_strings();
    encode::put_resize_db(&mut file, pairs.len() as u64, 1);
    for (key, value) in &pairs {
        encoder.put_string_entry(&mut file, key, value, KeyMeta::default());
    }
    let expire_at_ms = Some(4_102_444_800_123);
    let meta = KeyMeta {
        expire_at_ms,
        access: Access::LruIdleSecs(5000),
    };
    encoder.put_string_entry(&mut file, b"expiring", b"later", meta);
    let mut peer = Peer::start(program, Some(&finish(file)));
    assert_eq!(
        peer.call(&[b"DBSIZE"]),
        format!(":{}", pairs.len() + 1).as_bytes()
    );
    assert_eq!(peer.call(&[b"PEXPIRETIME", b"expiring"]), b":4102444800123");
    assert_eq!(peer.call(&[b"FCALL", b"f", b"0"]), b":1");
    let idle = String::from_utf8(peer.call(&[b"OBJECT", b"IDLETIME", b"expiring"])).unwrap();
    assert!(idle.starts_with(":50"), "{idle}");
    for (key, value) in &pairs {
        assert_eq!(&peer.call(&[b"GET", key]), value);
        let payload = dump::encode_string(&mut encoder, value);
        assert_eq!(
            peer.call(&[b"RESTORE", b"restored", b"0", &payload, b"REPLACE"]),
            b"+OK"
        );
        assert_eq!(&peer.call(&[b"GET", b"restored"]), value);
    }
}

#[test]
fn ours_loads_in_redis_7_0() {
    let Some(program) = REDIS.find() else { return };
    check_ours_loads(&program, FileVersion::Redis10);
}

#[test]
fn ours_loads_in_redis_8() {
    let Some(program) = REDIS_8.find() else {
        return;
    };
    for version in [
        FileVersion::Redis10,
        FileVersion::Redis11,
        FileVersion::Redis12,
    ] {
        check_ours_loads(&program, version);
    }
}

#[test]
fn ours_loads_in_valkey_9() {
    let Some(program) = VALKEY.find() else { return };
    for version in [
        FileVersion::Redis10,
        FileVersion::Redis11,
        FileVersion::Valkey80,
    ] {
        check_ours_loads(&program, version);
    }
}

/// The checker is the server under another name.
#[test]
fn ours_passes_redis_check_rdb() {
    let Some(program) = REDIS.find() else { return };
    let checker = program.with_file_name("redis-check-rdb");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.rdb");
    std::fs::write(&path, one_of_each(FileVersion::Redis10, true)).unwrap();
    let output = Command::new(checker).arg(&path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("RDB looks OK"),
        "{text}"
    );
    assert!(
        text.contains("Checksum OK") && text.contains("6 keys read"),
        "{text}"
    );
}
