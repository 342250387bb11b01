//! The process's title, as `ps` and `/proc/PID/cmdline` show it: text written over the
//! arguments, and behind them the environment, that the process was started with. The
//! kernel reads on beyond the arguments when their last byte is not 0.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use super::process;

/// Addresses within this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Room {
    start: u64,
    /// Of the arguments alone.
    args_len: usize,
    /// With the environment behind them.
    len: usize,
}

static ROOM: OnceLock<Option<Room>> = OnceLock::new();

/// Makes room for a title: the arguments are kept for `process::arguments`, the environment
/// is moved. To be called first in `main`, before there is any other thread.
pub fn make_room() {
    ROOM.get_or_init(|| {
        process::arguments();
        let room = parse_stat(&std::fs::read_to_string("/proc/self/stat").ok()?)?;
        move_environment().then_some(room)
    });
}

/// Changes the title. What does not fit is cut off.
///
/// # Errors
/// There is no room, or the system does not allow it.
pub fn set(title: &[u8]) -> io::Result<()> {
    let room = ROOM.get().copied().flatten();
    let room = room.ok_or(io::ErrorKind::Unsupported)?;
    // Nobody reads this memory any more but the kernel, so there is nothing to race with.
    let memory = OpenOptions::new().write(true).open("/proc/self/mem")?;
    memory.write_all_at(&image(title, room), room.start)
}

/// What to write so that the kernel shows `title`.
fn image(title: &[u8], room: Room) -> Vec<u8> {
    let mut image = title[..title.len().min(room.len - 1)].to_vec();
    let title_len = image.len();
    image.resize(room.len, 0);
    if title_len + 1 < room.args_len {
        // A shorter title ends at its first 0 and not where the arguments ended.
        image[room.args_len - 1] = b'.';
    }
    image
}

/// The fields 48 to 51 of `stat`: where arguments and environment begin and end.
fn parse_stat(line: &str) -> Option<Room> {
    let (_, behind_name) = line.rsplit_once(')')?;
    let mut numbers = behind_name.split_whitespace().skip(45);
    let mut next = || numbers.next()?.parse::<u64>().ok();
    let (args, args_end, environment, end) = (next()?, next()?, next()?, next()?);
    let together = args != 0 && args < args_end && args_end == environment && environment <= end;
    together.then_some(Room {
        start: args,
        args_len: (args_end - args) as usize,
        len: (end - args) as usize,
    })
}

/// Moves every variable to memory of the C library's own. False if they cannot all be set
/// again as they are; some may have been moved then, which changes nothing.
fn move_environment() -> bool {
    let variables: Vec<_> = std::env::vars_os().collect();
    let mut names = HashSet::new();
    let plain = variables.iter().all(|(name, _)| {
        let bytes = name.as_encoded_bytes();
        !bytes.is_empty() && !bytes.contains(&b'=') && names.insert(name)
    });
    if plain {
        for (name, value) in &variables {
            // SAFETY: as `make_room` demands there is one thread, so nobody reads the
            // environment meanwhile.
            unsafe { std::env::set_var(name, value) };
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_room_is() {
        let line = |numbers: &str| format!("7 (a) b) S{} {numbers} 0", " 1".repeat(44));
        let room = Room {
            start: 1000,
            args_len: 20,
            len: 120,
        };
        assert_eq!(parse_stat(&line("1000 1020 1020 1120")), Some(room));
        assert_eq!(parse_stat(&line("1000 1020 1030 1120")), None);
        assert_eq!(parse_stat(&line("0 0 0 0")), None);
        assert_eq!(parse_stat(&line("1 2")), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn titles_of_all_lengths() {
        let room = Room {
            start: 0,
            args_len: 4,
            len: 7,
        };
        let check = |title: &str, expect: &[u8; 7]| {
            assert_eq!(image(title.as_bytes(), room), expect, "{title}");
        };
        check("", b"\0\0\0.\0\0\0");
        check("ab", b"ab\0.\0\0\0");
        check("abc", b"abc\0\0\0\0");
        check("abcd", b"abcd\0\0\0");
        check("abcdef", b"abcdef\0");
        check("abcdefgh", b"abcdef\0");
    }
}
