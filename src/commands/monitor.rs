//! MONITOR: a line for every command that runs, and what must not be seen in them or in
//! the slow log.

use super::args::Args;
use super::cx::{Cx, Outcome, Role};
use super::error::CmdError;
use super::spec::Spec;
use super::spec::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use crate::config::{self, Param};
use crate::resp::argv::Argv;
use crate::shared::session::Session;

pub const COMMANDS: &[Spec] = &[Spec::new(
    "monitor",
    1,
    ADMIN | NOSCRIPT | LOADING | STALE,
    0,
    monitor,
)];

fn monitor(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    if cx.in_transaction {
        return Err(CmdError::text(
            "ERR MONITOR isn't allowed for DENY BLOCKING client",
        ));
    }
    // Whoever is one already is not even answered.
    match cx.session.monitor {
        true => Ok(Outcome::Done),
        false => Ok(Outcome::Become(Role::Monitor)),
    }
}

/// `+<seconds>.<micros> [db address] "arg" "arg"`, as a RESP status line.
pub fn line(unix_us: i64, session: &Session, argv: Argv) -> Vec<u8> {
    let (seconds, micros) = (unix_us / 1_000_000, unix_us % 1_000_000);
    let address = &session.facts.address;
    let mut line = format!("+{seconds}.{micros:06} [{} {address}]", session.db).into_bytes();
    let secrets = Secrets::of(argv);
    for (at, arg) in argv.iter().enumerate() {
        line.push(b' ');
        quote(
            if secrets.hide(argv, at) {
                REDACTED
            } else {
                arg
            },
            &mut line,
        );
    }
    line.extend_from_slice(b"\r\n");
    line
}

/// A command's arguments with its secrets hidden; `None` if it has none.
pub fn redacted(argv: Argv) -> Option<Vec<Box<[u8]>>> {
    let secrets = Secrets::of(argv);
    let args = argv.iter().enumerate();
    let shown = args.map(|(at, arg)| {
        if secrets.hide(argv, at) {
            REDACTED
        } else {
            arg
        }
    });
    (secrets != Secrets::None).then(|| shown.map(Box::from).collect())
}

const REDACTED: &[u8] = b"(redacted)";

/// Which arguments of a call are secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrets {
    None,
    /// AUTH: all of them.
    All,
    /// HELLO and MIGRATE: so many behind their AUTH, which stands here.
    BehindAuth {
        at: usize,
        count: usize,
    },
    /// CONFIG SET: the values of some directives.
    Values,
}

impl Secrets {
    fn of(argv: Argv) -> Secrets {
        let is = |at: usize, word: &str| argv.get(at).eq_ignore_ascii_case(word.as_bytes());
        if is(0, "auth") {
            return Secrets::All;
        }
        if is(0, "hello") {
            let auth = (2..argv.len()).find(|&at| is(at, "auth"));
            return auth.map_or(Secrets::None, |at| Secrets::BehindAuth { at, count: 2 });
        }
        if is(0, "migrate") {
            let auth = (6..argv.len()).find(|&at| is(at, "auth") || is(at, "auth2"));
            let count = |at| if is(at, "auth2") { 2 } else { 1 };
            return auth.map_or(Secrets::None, |at| Secrets::BehindAuth {
                at,
                count: count(at),
            });
        }
        match is(0, "config") && is(1, "set") {
            true if (2..argv.len()).any(|at| is_secret_value(argv, at)) => Secrets::Values,
            _ => Secrets::None,
        }
    }

    fn hide(self, argv: Argv, at: usize) -> bool {
        match self {
            Secrets::None => false,
            Secrets::All => at > 0,
            Secrets::BehindAuth { at: auth, count } => (auth + 1..=auth + count).contains(&at),
            Secrets::Values => is_secret_value(argv, at),
        }
    }
}

/// Whether argument `at` of a CONFIG SET is the value of a secret directive.
fn is_secret_value(argv: Argv, at: usize) -> bool {
    at > 2
        && at % 2 == 1
        && Param::named(argv.get(at - 1))
            .is_some_and(|param| param.spec().has(config::flag::SENSITIVE))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::TestServer;
    use crate::resp::argv::OwnedCommand;
    use crate::shared::clients::ClientFacts;
    use crate::shared::session::Origin;

    /// How a call is shown, without the time.
    fn check(args: &[&str], expect: &str) {
        let facts = ClientFacts::new(1, "1.2.3.4:5".to_owned(), String::new(), 0);
        let mut session = Session::new(facts.into(), Origin::Client);
        session.db = 3;
        let line = line(1_000_002, &session, OwnedCommand::from_args(args).argv());
        let expect = format!("+1.000002 [3 1.2.3.4:5] {expect}\r\n");
        assert_eq!(String::from_utf8(line).unwrap(), expect);
    }

    #[test]
    fn lines_are_quoted() {
        check(&["get", "a b"], "\"get\" \"a b\"");
        check(
            &["a\"\\\n\r\t\x07\x08\0", ""],
            r#""a\"\\\n\r\t\a\b\x00" """#,
        );
        check(&["é"], r#""\xc3\xa9""#);
    }

    #[test]
    fn secrets_are_hidden() {
        let hidden = "\"(redacted)\"";
        check(&["AUTH", "a"], &format!("\"AUTH\" {hidden}"));
        check(&["auth", "a", "b"], &format!("\"auth\" {hidden} {hidden}"));
        check(
            &["HELLO", "3", "AUTH", "u", "p", "SETNAME", "n"],
            &format!("\"HELLO\" \"3\" \"AUTH\" {hidden} {hidden} \"SETNAME\" \"n\""),
        );
        check(
            &["MIGRATE", "h", "1", "k", "0", "1", "AUTH", "p", "COPY"],
            &format!("\"MIGRATE\" \"h\" \"1\" \"k\" \"0\" \"1\" \"AUTH\" {hidden} \"COPY\""),
        );
        check(
            &["MIGRATE", "h", "1", "k", "0", "1", "AUTH2", "u", "p"],
            &format!("\"MIGRATE\" \"h\" \"1\" \"k\" \"0\" \"1\" \"AUTH2\" {hidden} {hidden}"),
        );
        check(
            &["config", "set", "port", "1", "MasterAuth", "x", "bind", "y"],
            &format!("\"config\" \"set\" \"port\" \"1\" \"MasterAuth\" {hidden} \"bind\" \"y\""),
        );
        let plain = OwnedCommand::from_args(&["config", "set", "port", "requirepass"]);
        assert_eq!(redacted(plain.argv()), None);
    }

    #[test]
    fn one_becomes_a_monitor_once() {
        let mut server = TestServer::new();
        server.check("MONITOR", "");
        assert!(matches!(server.outcome, Outcome::Become(Role::Monitor)));
        server.session.monitor = true;
        server
            .shared
            .clients
            .add_monitor(server.session.facts.clone());
        server.check("MONITOR", "");
        assert!(matches!(server.outcome, Outcome::Done));
        server.check("RESET", "+RESET");
        assert!(!server.session.monitor && !server.shared.clients.has_monitors());
    }
}
