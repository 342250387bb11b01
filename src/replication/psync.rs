//! What a leader decides when a follower introduces itself and asks to synchronise.
//!
//! REPLCONF fills `FollowerFacts`; PSYNC or SYNC then goes through three gates:
//!
//! ```text
//!   Request::parse --> screen --> answer --> Continue    (the log has what it asks for)
//!     syntax           may it      |
//!                      ask now?    +-------> FullResync  (a snapshot must be made)
//! ```

use super::line::LogLine;
use crate::base::number::parse_i64;
use crate::oplog::{BacklogRange, History, Mismatch, ReplId};
use crate::shared::full_syncs::Reason;
use crate::shared::introduction::FollowerFacts;

const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

/// A follower's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `PSYNC id offset [FAILOVER]`. The offset is the byte wanted next.
    Psync {
        id: Vec<u8>,
        offset: Result<i64, ()>,
        failover: bool,
    },
    /// The old form: no id, no offsets, no acknowledgements. Tools that dump use it.
    Sync,
}

impl Request {
    /// `argv` with the command's name; the number of arguments has been checked.
    #[must_use]
    pub fn parse(argv: &[&[u8]]) -> Request {
        match argv {
            [name, id, offset, rest @ ..] if name.eq_ignore_ascii_case(b"psync") => {
                Request::Psync {
                    id: id.to_vec(),
                    offset: parse_i64(offset).ok_or(()),
                    failover: rest
                        .first()
                        .is_some_and(|word| word.eq_ignore_ascii_case(b"failover")),
                }
            }
            _ => Request::Sync,
        }
    }
}

/// The state of this server and of the asking connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The connection is a follower already.
    pub is_follower: bool,
    /// The connection has replies that were not sent yet.
    pub pending_output: bool,
    /// This server leads (it follows nobody).
    pub leads: bool,
    /// This server's own link to its leader stands.
    pub link_up: bool,
    /// The last byte that this server has of its history.
    pub end_offset: u64,
    /// This server is handing its role over.
    pub failing_over: bool,
}

/// What comes of a request before its history is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Screened {
    /// No reply: it is a follower already.
    Ignore,
    /// Error text without the leading dash; the lines are logged first.
    Refuse(Vec<LogLine>, String),
    /// Our leader hands its role to us: become the leader, then screen again with the
    /// new standing and the request's `failover` cleared.
    Promote(Vec<LogLine>),
    /// Log the line and let `answer` decide.
    Proceed(LogLine),
}

/// Whether this request may be answered now. `name` is how log lines name the follower.
#[must_use]
pub fn screen(
    request: &Request,
    facts: &FollowerFacts,
    history: &History,
    standing: Standing,
    name: &str,
) -> Screened {
    let refuse = |text: &str| Screened::Refuse(Vec::new(), text.to_owned());
    if standing.is_follower {
        return Screened::Ignore;
    }
    if let Request::Psync {
        id, failover: true, ..
    } = request
    {
        return screen_failover(id, history, standing);
    }
    if standing.failing_over {
        return refuse("NOMASTERLINK Can't SYNC while failing over");
    }
    if !standing.leads && !standing.link_up {
        return refuse("NOMASTERLINK Can't SYNC while not connected with my master");
    }
    if !standing.leads && is_ahead(request, history, standing.end_offset) {
        return refuse("NOMASTERLINK Can't SYNC before I have caught up with my master");
    }
    if standing.pending_output {
        return refuse("ERR SYNC and PSYNC are invalid with pending output");
    }
    if facts.filters() && !facts.eof {
        return refuse("ERR Filtered replica requires EOF capability");
    }
    let asks = LogLine::notice(format!("Replica {name} asks for synchronization"));
    if let Request::Psync {
        offset: Err(()), ..
    } = request
    {
        let wrong = format!("Replica {name} asks for synchronization but with a wrong offset");
        let lines = vec![asks, LogLine::warning(wrong)];
        return Screened::Refuse(lines, NOT_AN_INTEGER.to_owned());
    }
    Screened::Proceed(asks)
}

/// Whether a follower has more of the history that we follow ourselves than we have, as when
/// we were started from an older file: its leader sends us the same bytes, so there will be
/// something to continue soon.
fn is_ahead(request: &Request, history: &History, end_offset: u64) -> bool {
    match request {
        Request::Psync { id, offset, .. } => {
            let next = offset.ok().and_then(|next| u64::try_from(next).ok());
            history.id().matches(id) && next.is_some_and(|next| next > end_offset.saturating_add(1))
        }
        Request::Sync => false,
    }
}

fn screen_failover(id: &[u8], history: &History, standing: Standing) -> Screened {
    let asked = String::from_utf8_lossy(id);
    let received = format!("Failover request received for replid {asked}.");
    let lines = vec![LogLine::notice(received)];
    if standing.leads {
        let text = "ERR PSYNC FAILOVER can't be sent to a master.";
        return Screened::Refuse(lines, text.to_owned());
    }
    if !history.id().matches(id) {
        let text = "ERR PSYNC FAILOVER replid must match my replid.";
        return Screened::Refuse(lines, text.to_owned());
    }
    Screened::Promote(lines)
}

/// A leader's decision, with what it logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub log: Vec<LogLine>,
    pub verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send `reply`, then the log after the end offset `after`. No SELECT is needed: the
    /// follower knows the database from the stream it had before.
    Continue { after: u64, reply: Vec<u8> },
    /// Send a snapshot; `fullresync_reply` goes out when it is cut.
    FullResync(Reason),
}

/// Decides between going on and starting over. To be called, and a reader opened at
/// `after`, under one lock that keeps history and backlog as they are.
#[must_use]
pub fn answer(
    request: &Request,
    facts: &FollowerFacts,
    history: &History,
    backlog: Option<BacklogRange>,
    name: &str,
) -> Answer {
    let Request::Psync { id, offset, .. } = request else {
        return full_resync(Vec::new(), Reason::SyncCommand);
    };
    let next = offset.unwrap_or(-1);
    if let Err(mismatch) = history.can_continue(id, next) {
        let line = mismatch_line(mismatch, id, next, history, name);
        let reason = match mismatch {
            _ if id.first() == Some(&b'?') => Reason::First,
            Mismatch::UnknownId => Reason::IdMismatch,
            Mismatch::BeyondSecond => Reason::Diverged,
        };
        return full_resync(vec![line], reason);
    }
    let wanted = u64::try_from(next).ok();
    let held = backlog.zip(wanted).filter(|(range, next)| {
        (range.first_offset..=range.end_offset.saturating_add(1)).contains(next)
    });
    let Some((range, next)) = held else {
        let is_ahead = backlog
            .zip(wanted)
            .is_some_and(|(range, next)| next > range.end_offset);
        let reason = match is_ahead {
            true => Reason::OffsetAhead,
            false => Reason::BacklogMissed,
        };
        return full_resync(lack_lines(backlog, next, name), reason);
    };
    let after = next.saturating_sub(1);
    let bytes = range.end_offset - after;
    Answer {
        log: vec![LogLine::notice(format!(
            "Partial resynchronization request from {name} accepted. Sending {bytes} bytes of \
             backlog starting from offset {next}."
        ))],
        verdict: Verdict::Continue {
            after,
            reply: continue_reply(facts, history),
        },
    }
}

fn full_resync(log: Vec<LogLine>, reason: Reason) -> Answer {
    Answer {
        log,
        verdict: Verdict::FullResync(reason),
    }
}

fn mismatch_line(
    mismatch: Mismatch,
    asked: &[u8],
    next: i64,
    history: &History,
    name: &str,
) -> LogLine {
    if asked.first() == Some(&b'?') {
        return LogLine::notice(format!("Full resync requested by replica {name}"));
    }
    let refused = "Partial resynchronization not accepted";
    let asked = String::from_utf8_lossy(asked);
    LogLine::notice(match mismatch {
        Mismatch::UnknownId => format!(
            "{refused}: Replication ID mismatch (Replica asked for '{asked}', my replication \
             IDs are '{}' and '{}')",
            history.id(),
            history.second_id()
        ),
        Mismatch::BeyondSecond => format!(
            "{refused}: Requested offset for second ID was {next}, but I can reply up to {}",
            history.second_offset()
        ),
    })
}

fn lack_lines(backlog: Option<BacklogRange>, next: i64, name: &str) -> Vec<LogLine> {
    let mut lines = vec![LogLine::notice(format!(
        "Unable to partial resync with replica {name} for lack of backlog \
         (Replica request was: {next})."
    ))];
    let end = backlog.map_or(0, |range| range.end_offset);
    if backlog.is_some() && u64::try_from(next).is_ok_and(|next| next > end) {
        lines.push(LogLine::warning(format!(
            "Warning: replica {name} tried to PSYNC with an offset that is greater than the \
             master replication offset."
        )));
    }
    lines
}

fn continue_reply(facts: &FollowerFacts, history: &History) -> Vec<u8> {
    if facts.psync2 {
        format!("+CONTINUE {}\r\n", history.id()).into_bytes()
    } else {
        b"+CONTINUE\r\n".to_vec()
    }
}

/// The reply that names the history and the end offset of a snapshot just cut. Not sent to
/// who asked by SYNC.
#[must_use]
pub fn fullresync_reply(id: ReplId, end_offset: u64) -> Vec<u8> {
    format!("+FULLRESYNC {id} {end_offset}\r\n").into_bytes()
}

/// What a leader logs after `History::shift`.
#[must_use]
pub fn shift_line(history: &History) -> LogLine {
    LogLine::notice(format!(
        "Setting secondary replication ID to {}, valid up to offset: {}. \
         New replication ID is {}",
        history.second_id(),
        history.second_offset(),
        history.id()
    ))
}

/// What a leader logs when it creates its backlog for a first follower.
#[must_use]
pub fn backlog_created_line(history: &History) -> LogLine {
    LogLine::notice(format!(
        "Replication backlog created, my new replication IDs are '{}' and '{}'",
        history.id(),
        history.second_id()
    ))
}

#[cfg(test)]
mod tests;
