//! The command log: the latest commands that were slow (the slow log), and those with large
//! requests or large replies.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::config::Param;

/// Redis keeps this many arguments of a logged command, and so many bytes of each.
pub const ARGUMENTS_MAX: usize = 32;
pub const ARGUMENT_BYTES_MAX: usize = 128;

/// Why a command is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Slow,
    LargeRequest,
    LargeReply,
}

impl Reason {
    pub const ALL: [Reason; 3] = [Reason::Slow, Reason::LargeRequest, Reason::LargeReply];

    pub fn named(name: &[u8]) -> Option<Reason> {
        let is = |reason: &Reason| {
            let own: &[u8] = match reason {
                Reason::Slow => b"slow",
                Reason::LargeRequest => b"large-request",
                Reason::LargeReply => b"large-reply",
            };
            own.eq_ignore_ascii_case(name)
        };
        Reason::ALL.into_iter().find(is)
    }

    /// From where on a command is logged; -1 for never.
    pub fn threshold(self) -> Param {
        match self {
            Reason::Slow => Param::SlowlogLogSlowerThan,
            Reason::LargeRequest => Param::CommandlogRequestLargerThan,
            Reason::LargeReply => Param::CommandlogReplyLargerThan,
        }
    }

    /// How many commands are kept.
    pub fn len_max(self) -> Param {
        match self {
            Reason::Slow => Param::SlowlogMaxLen,
            Reason::LargeRequest => Param::CommandlogLargeRequestMaxLen,
            Reason::LargeReply => Param::CommandlogLargeReplyMaxLen,
        }
    }
}

#[derive(Clone, Debug)]
pub struct LoggedCommand {
    pub id: u64,
    pub unix_seconds: i64,
    /// The microseconds it took, or the bytes of its request or reply.
    pub amount: u64,
    pub args: Vec<Box<[u8]>>,
    pub client_address: String,
    pub client_name: String,
}

#[derive(Default)]
pub struct CommandLog {
    logs: [Log; 3],
}

/// The commands logged for one reason.
#[derive(Default)]
pub struct Log {
    entries: Mutex<(u64, VecDeque<LoggedCommand>)>,
}

impl CommandLog {
    pub fn of(&self, reason: Reason) -> &Log {
        &self.logs[reason as usize]
    }
}

impl Log {
    /// Adds an entry, giving it its id, and drops the oldest beyond `len_max`.
    pub fn add(&self, mut entry: LoggedCommand, len_max: usize) {
        let mut entries = self.entries.lock();
        entry.id = entries.0;
        entries.0 += 1;
        entries.1.push_front(entry);
        entries.1.truncate(len_max);
    }

    /// The latest `count`, newest first.
    pub fn latest(&self, count: usize) -> Vec<LoggedCommand> {
        self.entries.lock().1.iter().take(count).cloned().collect()
    }

    pub fn len(&self) -> usize {
        self.entries.lock().1.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn clear(&self) {
        self.entries.lock().1.clear();
    }
}

/// A command's arguments as the log keeps them.
pub fn trimmed<'a>(args: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<Box<[u8]>> {
    let count = args.len();
    let mut kept: Vec<Box<[u8]>> = Vec::new();
    for (at, arg) in args.enumerate() {
        if at + 1 == ARGUMENTS_MAX && count > ARGUMENTS_MAX {
            let more = count - ARGUMENTS_MAX + 1;
            kept.push(format!("... ({more} more arguments)").into_bytes().into());
            break;
        }
        kept.push(match arg.len() {
            0..=ARGUMENT_BYTES_MAX => arg.into(),
            len => {
                let mut cut = arg[..ARGUMENT_BYTES_MAX].to_vec();
                let more = len - ARGUMENT_BYTES_MAX;
                cut.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
                cut.into()
            }
        });
    }
    kept
}
