//! MONITOR's lines, and what must not be seen in them or in the slow log.

use crate::resp::argv::Argv;
use crate::shared::session::Session;

/// `+<seconds>.<micros> [db address] "arg" "arg"`, as a RESP status line.
pub fn line(unix_us: i64, session: &Session, argv: Argv) -> Vec<u8> {
    let (seconds, micros) = (unix_us / 1_000_000, unix_us % 1_000_000);
    let address = &session.facts.address;
    let mut line = format!("+{seconds}.{micros:06} [{} {address}]", session.db).into_bytes();
    let redacted = redacted_by_name(argv);
    for (at, arg) in argv.iter().enumerate() {
        line.push(b' ');
        match redacted {
            Some(from) if at >= from => line.extend_from_slice(b"\"(redacted)\""),
            _ => quote(arg, &mut line),
        }
    }
    line.extend_from_slice(b"\r\n");
    line
}

/// A command's arguments with its secrets hidden; `None` if it has none.
pub fn redacted(argv: Argv) -> Option<Vec<Box<[u8]>>> {
    let from = redacted_by_name(argv)?;
    let hidden = |(at, arg): (usize, &[u8])| match at >= from {
        true => b"(redacted)"[..].into(),
        false => arg.into(),
    };
    Some(argv.iter().enumerate().map(hidden).collect())
}

/// From which argument on a call is secret.
fn redacted_by_name(argv: Argv) -> Option<usize> {
    let is = |at: usize, word: &str| argv.get(at).eq_ignore_ascii_case(word.as_bytes());
    if is(0, "auth") {
        return Some(1);
    }
    if is(0, "hello") {
        return (1..argv.len()).find(|&at| is(at, "auth")).map(|at| at + 1);
    }
    const SECRETS: [&str; 3] = ["requirepass", "masterauth", "masteruser"];
    let secret = is(0, "config")
        && is(1, "set")
        && (2..argv.len())
            .step_by(2)
            .any(|at| SECRETS.iter().any(|name| is(at, name)));
    secret.then_some(3)
}

/// A string as redis-cli would print it: quoted, unprintable bytes escaped.
pub fn quote(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x20..=0x7e => out.push(byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}
