//! The slow log: the latest commands that took longer than `slowlog-log-slower-than`.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// Redis keeps this many arguments of a slow command, and so many bytes of each.
pub const ARGUMENTS_MAX: usize = 32;
pub const ARGUMENT_BYTES_MAX: usize = 128;

#[derive(Clone, Debug)]
pub struct SlowCommand {
    pub id: u64,
    pub unix_seconds: i64,
    pub microseconds: u64,
    pub args: Vec<Box<[u8]>>,
    pub client_address: String,
    pub client_name: String,
}

#[derive(Default)]
pub struct Slowlog {
    entries: Mutex<(u64, VecDeque<SlowCommand>)>,
}

impl Slowlog {
    /// Adds an entry, giving it its id, and drops the oldest beyond `len_max`.
    pub fn add(&self, mut entry: SlowCommand, len_max: usize) {
        let mut entries = self.entries.lock();
        entry.id = entries.0;
        entries.0 += 1;
        entries.1.push_front(entry);
        entries.1.truncate(len_max);
    }

    /// The latest `count`, newest first.
    pub fn latest(&self, count: usize) -> Vec<SlowCommand> {
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

/// A command's arguments as the slow log keeps them.
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
