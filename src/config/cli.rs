//! The command line: `server [file] [-] [--directive value ...]`.
//!
//! Directives on the command line become lines of configuration behind those of the file,
//! so they have no rules of their own but these:
//!
//! - A word that begins with `--` starts a directive, but only once the one before it has
//!   a value; right behind a directive's name it *is* the value, whatever it looks like.
//! - `"--port 6380"` in one word is a directive with its value.
//! - `--save` with another directive, or nothing, behind it means `--save ""`.
//! - `-`, as the first or the last word, reads lines from the standard input as well.

use super::quote::append_quoted;
use crate::resp::inline::split_args;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Invocation {
    Help,
    Version,
    Serve(Launch),
}

/// Where the configuration comes from.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// The configuration file as it was given.
    pub file: Option<PathBuf>,
    /// Whether to read lines from the standard input, after the file.
    pub read_stdin: bool,
    /// Lines made of the command line's directives, the last ones to be read.
    pub lines: Vec<u8>,
}

/// Reads the command line, without the program's own name in front.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Invocation {
    let args: Vec<OsString> = args.into_iter().collect();
    let mut rest = args.as_slice();
    let mut launch = Launch::default();
    match rest.first().map(|first| first.as_bytes()) {
        Some(b"-h" | b"--help") => return Invocation::Help,
        Some(b"-v" | b"--version") => return Invocation::Version,
        Some(first) if !first.starts_with(b"-") => {
            launch.file = rest.first().map(PathBuf::from);
            rest = &rest[1..];
        }
        _ => {}
    }
    let first_may_be_stdin = rest.len() == args.len();
    let mut has_value = true;
    for (position, arg) in rest.iter().enumerate() {
        let arg = arg.as_bytes();
        let next = rest.get(position + 1).map(|next| next.as_bytes());
        let at_an_end = next.is_none() || (position == 0 && first_may_be_stdin);
        if arg == b"-" && at_an_end {
            launch.read_stdin = true;
        } else if let (true, Some(name)) = (has_value, arg.strip_prefix(b"--")) {
            has_value = append_name(&mut launch.lines, name, next);
        } else {
            append_quoted(&mut launch.lines, arg);
            launch.lines.push(b' ');
            has_value = true;
        }
    }
    Invocation::Serve(launch)
}

/// What `--help` prints.
pub fn help() -> String {
    format!(
        "\
Usage: server [FILE] [-] [--DIRECTIVE VALUE ...]
       server --help | --version

Starts a server. Without arguments it listens on port 6379 with default settings.

  FILE               read the configuration from FILE
  -                  read configuration lines from the standard input as well
  --DIRECTIVE VALUE  set any directive a configuration file can hold; what is given
                     here wins over the file

redis.conf.example describes every directive.

Examples:
  server
  server --port 6380 --replicaof 127.0.0.1 6379
  server /etc/lockstep.conf --loglevel verbose
  server --save 3600 1 --save 60 1000 --bind 127.0.0.1 -::1
  echo 'maxclients 100' | server -

{}",
        version()
    )
}

/// What `--version` prints.
pub fn version() -> String {
    let (ours, redis) = (env!("CARGO_PKG_VERSION"), super::REDIS_VERSION);
    format!("Lockstep {ours}, compatible with Redis {redis}")
}

/// Starts a line with a directive; gives whether it has its value already.
fn append_name(lines: &mut Vec<u8>, name: &[u8], next: Option<&[u8]>) -> bool {
    if !lines.is_empty() {
        lines.push(b'\n');
    }
    // As it is, not quoted: it may hold the value as well.
    lines.extend_from_slice(name);
    lines.push(b' ');
    let alone = split_args(name).is_some_and(|words| words.len() == 1);
    if !alone {
        return true;
    }
    let another_follows = next.is_some_and(|next| next.starts_with(b"--"));
    if name.eq_ignore_ascii_case(b"save") && (another_follows || next.is_none()) {
        lines.extend_from_slice(b"\"\"");
        return true;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words are parted by `|`.
    fn check(line: &str, file: Option<&str>, read_stdin: bool, lines: &str) {
        let words = line.split('|').filter(|_| !line.is_empty());
        let expect = Launch {
            file: file.map(PathBuf::from),
            read_stdin,
            lines: lines.as_bytes().to_vec(),
        };
        let got = parse(words.map(OsString::from));
        assert_eq!(got, Invocation::Serve(expect), "{line}");
    }

    #[test]
    fn directives_become_lines() {
        check("", None, false, "");
        check("--port|6380", None, false, "port \"6380\" ");
        check(
            "--port|6380|--replicaof|127.0.0.1|6379",
            None,
            false,
            "port \"6380\" \nreplicaof \"127.0.0.1\" \"6379\" ",
        );
        check("a.conf|--port|1", Some("a.conf"), false, "port \"1\" ");
        check("--port 6380|--hz 5", None, false, "port 6380 \nhz 5 ");
    }

    #[test]
    fn a_value_may_begin_with_dashes() {
        check(
            "--logfile|--my-log|--hz|5",
            None,
            false,
            "logfile \"--my-log\" \nhz \"5\" ",
        );
        check("--replicaof|--a|--b", None, false, "replicaof \"--a\" \nb ");
    }

    #[test]
    fn save_without_a_value_saves_never() {
        check("--save", None, false, "save \"\"");
        check("--save|--hz|5", None, false, "save \"\"\nhz \"5\" ");
        check("--save|", None, false, "save \"\" ");
        check(
            "--save|900|1|300|10",
            None,
            false,
            "save \"900\" \"1\" \"300\" \"10\" ",
        );
        check(
            "--pidfile|--save|--hz|5",
            None,
            false,
            "pidfile \"--save\" \nhz \"5\" ",
        );
    }

    #[test]
    fn a_dash_reads_the_standard_input() {
        check("-", None, true, "");
        check("-|--port|1", None, true, "port \"1\" ");
        check("a.conf|-", Some("a.conf"), true, "");
        check("--port|1|-", None, true, "port \"1\" ");
        check(
            "a.conf|-|--port|1",
            Some("a.conf"),
            false,
            "\"-\" \nport \"1\" ",
        );
    }

    #[test]
    fn people_are_helped_when_they_ask_first() {
        let parse_words = |words: &[&str]| parse(words.iter().map(OsString::from));
        assert_eq!(parse_words(&["--help"]), Invocation::Help);
        assert_eq!(parse_words(&["-h", "x"]), Invocation::Help);
        assert_eq!(parse_words(&["-v"]), Invocation::Version);
        assert_eq!(parse_words(&["--version"]), Invocation::Version);
        assert!(matches!(
            parse_words(&["x", "--help"]),
            Invocation::Serve(_)
        ));
    }
}
