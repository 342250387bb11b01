//! What a follower told of itself by REPLCONF, and how REPLCONF is answered.

use crate::base::number::parse_i64;
use crate::resp::template::fill;

/// Longest address a follower may announce, in bytes.
const IP_ADDRESS_BYTES_MAX: usize = 255;

/// The capability by which we say that we read version 12; nobody else knows the word.
pub const READS_REDIS_12: &[u8] = b"rdb-12";

const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

/// What a connection has told about itself by REPLCONF.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FollowerFacts {
    /// 0: not announced. Redis keeps any integer.
    pub listening_port: i64,
    pub ip_address: Option<Vec<u8>>,
    /// Understands a snapshot that ends with a mark instead of having a length.
    pub eof: bool,
    /// Understands a new id in +CONTINUE.
    pub psync2: bool,
    /// Reads snapshots of version 12: Redis 8 does, which can take them on a connection of
    /// their own, and we do.
    pub redis_12: bool,
    /// The version of a Valkey follower: it decides which snapshot format it can read.
    pub version: Option<[u8; 3]>,
    /// Wants the snapshot, not the stream.
    pub rdb_only: bool,
    pub exclude_data: bool,
    pub exclude_functions: bool,
    /// Greatest offset it acknowledged, and the greatest its append-only file has synced.
    pub acked_offset: i64,
    pub aof_acked_offset: i64,
}

/// What REPLCONF is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replconf {
    Ok,
    /// Error text without the leading dash.
    Error(Vec<u8>),
    /// No reply at all.
    Silent,
    /// No reply; `acked_offset` and `aof_acked_offset` are fresh.
    Ack,
    /// No reply; whoever follows a leader acknowledges at once.
    GetAck,
}

impl FollowerFacts {
    /// How log lines name the follower. `peer_ip` is where its connection comes from.
    #[must_use]
    pub fn name(&self, peer_ip: Option<&str>, client_id: u64) -> String {
        let announced = self.ip_address.as_deref().map(String::from_utf8_lossy);
        let Some(ip) = announced.or(peer_ip.map(Into::into)) else {
            return format!("client id #{client_id}");
        };
        match self.listening_port {
            0 => format!("{ip}:<unknown-replica-port>"),
            port if ip.contains(':') => format!("[{ip}]:{port}"),
            port => format!("{ip}:{port}"),
        }
    }

    /// Whether it wants only a part of the data.
    #[must_use]
    pub fn filters(&self) -> bool {
        self.exclude_data || self.exclude_functions
    }

    fn set(&mut self, option: &[u8], value: &[u8]) -> Result<(), Vec<u8>> {
        let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
        if is("listening-port") {
            self.listening_port = parse_i64(value).ok_or(NOT_AN_INTEGER)?;
        } else if is("ip-address") {
            if value.len() > IP_ADDRESS_BYTES_MAX {
                let text = format!(
                    "ERR REPLCONF ip-address provided by replica instance is too long: {} bytes",
                    value.len()
                );
                return Err(text.into());
            }
            self.ip_address = Some(value.to_vec());
        } else if is("capa") {
            // Capabilities that we do not know are no error: newer followers have more.
            self.eof |= value.eq_ignore_ascii_case(b"eof");
            self.psync2 |= value.eq_ignore_ascii_case(b"psync2");
            let newer: [&[u8]; 2] = [b"rdb-channel-repl", READS_REDIS_12];
            self.redis_12 |= newer.iter().any(|word| value.eq_ignore_ascii_case(word));
        } else if is("rdb-only") {
            let only = parse_i64(value).ok_or(NOT_AN_INTEGER)?;
            if !(0..=1).contains(&only) {
                return Err("ERR value is out of range, value must between 0 and 1".into());
            }
            self.rdb_only = only == 1;
        } else if is("rdb-filter-only") {
            self.set_filter(value)?;
        } else if is("version") {
            let version = std::str::from_utf8(value).ok().and_then(parse_version);
            let refused = || fill("ERR Unrecognized version format: {}", &[value]);
            self.version = Some(version.ok_or_else(refused)?);
        } else {
            return Err(fill("ERR Unrecognized REPLCONF option: {}", &[option]));
        }
        Ok(())
    }

    /// An include filter: everything is left out but what is named.
    fn set_filter(&mut self, value: &[u8]) -> Result<(), Vec<u8>> {
        if value.iter().any(|byte| matches!(byte, b'"' | b'\'')) {
            return Err("ERR Missing rdb-filter-only values".into());
        }
        self.exclude_data = true;
        self.exclude_functions = true;
        let words = value.split(u8::is_ascii_whitespace);
        for word in words.filter(|word| !word.is_empty()) {
            if !word.eq_ignore_ascii_case(b"functions") {
                let template = "ERR Unsupported rdb-filter-only option: {}";
                return Err(fill(template, &[word]));
            }
            self.exclude_functions = false;
        }
        Ok(())
    }

    /// `ack N [fack M]`. Offsets only ever grow.
    fn acknowledge(&mut self, args: &[&[u8]]) -> Replconf {
        let Some(offset) = args.get(1).and_then(|n| parse_i64(n)) else {
            return Replconf::Silent;
        };
        self.acked_offset = self.acked_offset.max(offset);
        if let [_, _, word, value, ..] = args
            && word.eq_ignore_ascii_case(b"fack")
        {
            let Some(offset) = parse_i64(value) else {
                return Replconf::Silent;
            };
            self.aof_acked_offset = self.aof_acked_offset.max(offset);
        }
        Replconf::Ack
    }
}

/// Handles REPLCONF; `args` are what follows the command's name. As in Redis an error
/// leaves the pairs before it in force and the pairs after it unread.
pub fn replconf(facts: &mut FollowerFacts, args: &[&[u8]], is_follower: bool) -> Replconf {
    if !args.len().is_multiple_of(2) {
        return Replconf::Error("ERR syntax error".into());
    }
    let mut rest = args;
    while let [option, value, ..] = rest {
        if option.eq_ignore_ascii_case(b"ack") {
            if !is_follower {
                return Replconf::Silent;
            }
            return facts.acknowledge(rest);
        }
        if option.eq_ignore_ascii_case(b"getack") {
            return Replconf::GetAck;
        }
        if let Err(text) = facts.set(option, value) {
            return Replconf::Error(text);
        }
        rest = rest.get(2..).unwrap_or_default();
    }
    Replconf::Ok
}

fn parse_version(text: &str) -> Option<[u8; 3]> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    let version = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(version)
}
