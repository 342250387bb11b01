//! The follower's handshake, from the first PING to the header of the snapshot.
//!
//! ```text
//!   Ping --+PONG--> Replies --all in--> Psync --+FULLRESYNC--> Header --$...--> Done
//!    |                 |                 | | \                    |
//!    |                 |                 | |  -other error-> SYNC-+ (an old leader)
//!    |                 |                 | +--+CONTINUE--> Done
//!    +---- error ------+-- AUTH refused -+-- not now ---------> Done (failed)
//! ```
//!
//! AUTH and the REPLCONFs are sent together, but PSYNC only when all of them have been
//! answered: leaders refuse PSYNC while replies are pending. Empty lines are a waiting
//! leader's sign of life.

use std::collections::VecDeque;

use crate::base::number::parse_u64;
use crate::oplog::ReplId;
use crate::resp::request::encode_command;

use super::line::LogLine;
use super::payload::Framing;
use crate::shared::introduction::READS_REDIS_12;

/// Longest reply line that is waited for, in bytes.
const LINE_BYTES_MAX: usize = 4096;

/// What a follower says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Introduction {
    /// `masterauth`; AUTH is sent only if there is one.
    pub password: Option<Vec<u8>>,
    /// `masteruser`.
    pub user: Option<Vec<u8>>,
    /// The port under which this server wants to be reached.
    pub listening_port: u16,
    /// `replica-announce-ip`.
    pub announce_ip: Option<Vec<u8>>,
    /// Sent as `REPLCONF version`, by which a Valkey leader chooses the snapshot's format.
    pub version: Option<String>,
    /// The snapshot goes straight into the parser, which only the log line tells.
    pub loads_from_socket: bool,
}

/// The history that a follower has and wants to go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    pub id: ReplId,
    /// What it has applied; the byte after it is asked for.
    pub end_offset: u64,
    /// Tells the other side to take the leadership over.
    pub failover: bool,
}

/// What the handshake wants done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Send(Vec<u8>),
    Log(LogLine),
    /// A snapshot will come, of this history at this end offset. None: the leader did not
    /// say (it knows SYNC only), so there will be no acknowledgements and no resuming.
    FullResync(Option<(ReplId, u64)>),
    /// The snapshot follows right behind what was consumed.
    Payload(Framing),
    /// The stream follows right behind what was consumed. The id, if it is shown, may be
    /// a new one.
    Continue(Option<ReplId>),
    /// The handshake is over without success.
    Failed(Failure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing that a later try could not change.
    TryLater,
    /// The one who was to take the leadership over did not want it.
    FailoverRejected,
}

/// A handshake in progress.
#[derive(Debug)]
pub struct Handshake {
    introduction: Introduction,
    resume: Option<Resume>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Ping,
    Replies(VecDeque<Asked>),
    Psync,
    Header,
    Done,
}

/// Commands whose replies are awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Auth,
    Option(&'static str),
}

impl Handshake {
    /// Begins on a fresh connection: the first bytes to send are among the steps.
    pub fn start(
        introduction: Introduction,
        resume: Option<Resume>,
        steps: &mut Vec<Step>,
    ) -> Handshake {
        steps.push(Step::Send(command(&[b"PING"])));
        Handshake {
            introduction,
            resume,
            stage: Stage::Ping,
        }
    }

    /// Takes whole lines from the front of `input` until something else begins, and
    /// returns how many bytes are done with. The rest comes again, followed by more.
    pub fn input(&mut self, input: &[u8], steps: &mut Vec<Step>) -> usize {
        let mut consumed = 0;
        while !matches!(self.stage, Stage::Done) {
            let rest = input.get(consumed..).unwrap_or_default();
            let Some(len) = memchr::memchr(b'\n', rest) else {
                if rest.len() > LINE_BYTES_MAX {
                    self.no_response("line too long", steps);
                    self.fail(Failure::TryLater, steps);
                }
                break;
            };
            let line = rest.get(..len).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            consumed += len + 1;
            if !line.is_empty() {
                self.line(line, steps);
            }
        }
        consumed
    }

    /// Whether the leader has promised a snapshot.
    #[must_use]
    pub fn awaits_payload(&self) -> bool {
        matches!(self.stage, Stage::Header)
    }

    /// What is logged when the connection breaks at this point.
    pub fn no_response(&self, why: &str, steps: &mut Vec<Step>) {
        let mut warn = |text: String| steps.push(Step::Log(LogLine::warning(text)));
        match self.stage {
            Stage::Header => warn(format!("I/O error reading bulk count from MASTER: {why}")),
            Stage::Psync => {
                warn(format!("Failed to read response from the server: {why}"));
                warn("Master did not reply to PSYNC, will try later".to_owned());
            }
            Stage::Ping | Stage::Replies(_) => {
                warn(format!("Failed to read response from the server: {why}"));
                warn("Master did not respond to command during SYNC handshake".to_owned());
            }
            Stage::Done => {}
        }
    }

    fn line(&mut self, line: &[u8], steps: &mut Vec<Step>) {
        match &mut self.stage {
            Stage::Ping => self.pong(line, steps),
            Stage::Replies(asked) => {
                let Some(asked) = asked.pop_front() else {
                    return;
                };
                self.reply(asked, line, steps);
            }
            Stage::Psync => self.psync_reply(line, steps),
            Stage::Header => self.header(line, steps),
            Stage::Done => {}
        }
    }

    fn pong(&mut self, line: &[u8], steps: &mut Vec<Step>) {
        // A leader that wants a password first, in new words or old.
        const FINE: [&[u8]; 4] = [
            b"+",
            b"-NOAUTH",
            b"-NOPERM",
            b"-ERR operation not permitted",
        ];
        if !FINE.iter().any(|start| line.starts_with(start)) {
            let text = format!("Error reply to PING from master: '{}'", lossy(line));
            steps.push(Step::Log(LogLine::warning(text)));
            return self.fail(Failure::TryLater, steps);
        }
        let text = "Master replied to PING, replication can continue...";
        steps.push(Step::Log(LogLine::notice(text)));
        let (bytes, asked) = self.introduce();
        steps.push(Step::Send(bytes));
        self.stage = Stage::Replies(asked);
    }

    /// AUTH and the REPLCONFs, in Redis's order.
    fn introduce(&self) -> (Vec<u8>, VecDeque<Asked>) {
        let me = &self.introduction;
        let (mut bytes, mut asked) = (Vec::new(), VecDeque::new());
        if let Some(password) = &me.password {
            let user = me.user.as_deref().filter(|user| !user.is_empty());
            bytes.extend(match user {
                Some(user) => command(&[b"AUTH", user, password]),
                None => command(&[b"AUTH", password]),
            });
            asked.push_back(Asked::Auth);
        }
        let mut option = |name: &'static str, value: &[u8]| {
            bytes.extend(command(&[b"REPLCONF", name.as_bytes(), value]));
            asked.push_back(Asked::Option(name));
        };
        option("listening-port", me.listening_port.to_string().as_bytes());
        if let Some(ip) = &me.announce_ip {
            option("ip-address", ip);
        }
        let capabilities: [&[u8]; 3] = [b"eof", b"psync2", READS_REDIS_12];
        let capabilities = capabilities.into_iter().flat_map(|one| [b"capa", one]);
        let capa: Vec<&[u8]> = [&b"REPLCONF"[..]].into_iter().chain(capabilities).collect();
        bytes.extend(command(&capa));
        asked.push_back(Asked::Option("capa"));
        if let Some(version) = &me.version {
            bytes.extend(command(&[b"REPLCONF", b"version", version.as_bytes()]));
            asked.push_back(Asked::Option("version"));
        }
        (bytes, asked)
    }

    fn reply(&mut self, asked: Asked, line: &[u8], steps: &mut Vec<Step>) {
        if line.starts_with(b"-") {
            let line = lossy(line);
            match asked {
                Asked::Auth => {
                    let text = format!("Unable to AUTH to MASTER: {line}");
                    steps.push(Step::Log(LogLine::warning(text)));
                    return self.fail(Failure::TryLater, steps);
                }
                Asked::Option(name) => steps.push(Step::Log(LogLine::notice(format!(
                    "(Non critical) Master does not understand REPLCONF {name}: {line}"
                )))),
            }
        }
        if matches!(&self.stage, Stage::Replies(asked) if asked.is_empty()) {
            self.send_psync(steps);
        }
    }

    fn send_psync(&mut self, steps: &mut Vec<Step>) {
        self.stage = Stage::Psync;
        let Some(resume) = self.resume else {
            let text = "Partial resynchronization not possible (no cached master)";
            steps.push(Step::Log(LogLine::notice(text)));
            steps.push(Step::Send(command(&[b"PSYNC", b"?", b"-1"])));
            return;
        };
        let next = resume.end_offset.saturating_add(1).to_string();
        let text = format!(
            "Trying a partial resynchronization (request {}:{next}).",
            resume.id
        );
        steps.push(Step::Log(LogLine::notice(text)));
        let mut args: Vec<&[u8]> = vec![b"PSYNC", resume.id.as_bytes(), next.as_bytes()];
        if resume.failover {
            args.push(b"FAILOVER");
        }
        steps.push(Step::Send(command(&args)));
    }

    fn psync_reply(&mut self, line: &[u8], steps: &mut Vec<Step>) {
        if let Some(rest) = line.strip_prefix(b"+FULLRESYNC") {
            return self.full_resync(rest, steps);
        }
        if let Some(rest) = line.strip_prefix(b"+CONTINUE")
            && self.resume.is_some()
        {
            let text = "Successful partial resynchronization with master.";
            steps.push(Step::Log(LogLine::notice(text)));
            let id = rest.strip_prefix(b" ").and_then(ReplId::parse);
            steps.push(Step::Continue(id));
            self.stage = Stage::Done;
            return;
        }
        let reply = lossy(line);
        let not_now = line.starts_with(b"-NOMASTERLINK") || line.starts_with(b"-LOADING");
        steps.push(Step::Log(if not_now {
            LogLine::notice(format!(
                "Master is currently unable to PSYNC but should be in the future: {reply}"
            ))
        } else if line.starts_with(b"-ERR") {
            LogLine::notice(format!(
                "Master does not support PSYNC or is in error state (reply: {reply})"
            ))
        } else {
            LogLine::warning(format!("Unexpected reply to PSYNC from master: {reply}"))
        }));
        if self.resume.is_some_and(|resume| resume.failover) {
            return self.fail(Failure::FailoverRejected, steps);
        }
        // A leader that claims to continue what was not asked for has begun its stream:
        // there is no way to ask it anything else.
        if not_now || line.starts_with(b"+CONTINUE") {
            return self.fail(Failure::TryLater, steps);
        }
        steps.push(Step::Log(LogLine::notice("Retrying with SYNC...")));
        steps.push(Step::Send(b"SYNC\r\n".to_vec()));
        steps.push(Step::FullResync(None));
        self.stage = Stage::Header;
    }

    /// `rest` is " id offset".
    fn full_resync(&mut self, rest: &[u8], steps: &mut Vec<Step>) {
        let mut words = rest.split(|byte| *byte == b' ').skip(1);
        let id = words.next().and_then(ReplId::parse);
        // So far nobody has ever come, and what would follow could not be counted.
        let offset = words.next().and_then(parse_u64);
        let offset = offset.filter(|offset| i64::try_from(*offset).is_ok());
        let from = id.zip(offset);
        steps.push(Step::Log(match from {
            Some((id, offset)) => {
                LogLine::notice(format!("Full resync from master: {id}:{offset}"))
            }
            None => LogLine::warning("Master replied with wrong +FULLRESYNC syntax."),
        }));
        steps.push(Step::FullResync(from));
        self.stage = Stage::Header;
    }

    fn header(&mut self, line: &[u8], steps: &mut Vec<Step>) {
        let text = lossy(line);
        let Some(framing) = Framing::parse(line) else {
            steps.push(Step::Log(LogLine::warning(match text.strip_prefix('-') {
                Some(error) => format!("MASTER aborted replication with an error: {error}"),
                None => format!(
                    "Bad protocol from MASTER, the first byte is not '$' (we received '{text}'), \
                     are you sure the host and port are right?"
                ),
            })));
            return self.fail(Failure::TryLater, steps);
        };
        let target = match self.introduction.loads_from_socket {
            true => "to parser",
            false => "to disk",
        };
        let how = match framing {
            Framing::Mark(_) => format!("receiving streamed RDB from master with EOF {target}"),
            Framing::LengthBytes(len) => format!("receiving {len} bytes from master {target}"),
        };
        let text = format!("MASTER <-> REPLICA sync: {how}");
        steps.push(Step::Log(LogLine::notice(text)));
        steps.push(Step::Payload(framing));
        self.stage = Stage::Done;
    }

    fn fail(&mut self, failure: Failure, steps: &mut Vec<Step>) {
        self.stage = Stage::Done;
        steps.push(Step::Failed(failure));
    }
}

/// A command as the bytes to send.
pub(super) fn command(args: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_command(args, &mut out);
    out
}

fn lossy(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

#[cfg(test)]
mod tests;
