//! Commands on the connection itself: who is there, in which protocol, and goodbye.

use std::sync::atomic::Ordering;

use super::args::Args;
use super::cx::{Cx, Outcome};
use super::error::CmdError;
use super::spec::flag::{ALLOW_BUSY, FAST, LOADING, NO_AUTH, NOSCRIPT, STALE};
use super::spec::{Locks, Spec, category};
use super::transaction::unwatch_all;
use crate::base::number::parse_i64;
use crate::config::{Param, REDIS_VERSION};
use crate::shared::Shared;
use crate::shared::clients::client_flag;
use crate::shared::session::{ReplyMode, Session};

/// Open to everybody at any time.
const OPEN: u32 = NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY;

pub const COMMANDS: &[Spec] = &[
    Spec::new("ping", -1, FAST, category::CONNECTION, ping)
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    Spec::new(
        "echo",
        2,
        LOADING | STALE | FAST,
        category::CONNECTION,
        echo,
    ),
    Spec::new("auth", -2, OPEN, category::CONNECTION, auth),
    Spec::new("hello", -1, OPEN, category::CONNECTION, hello),
    Spec::new("quit", -1, OPEN, category::CONNECTION, quit),
    Spec::new("reset", 1, OPEN, category::CONNECTION, reset).locks(Locks::Transaction),
];

/// There are no other users.
const DEFAULT_USER: &[u8] = b"default";

fn ping(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let message = args.next();
    if !args.is_empty() {
        return Err(CmdError::WrongArity("ping".to_owned()));
    }
    if cx.session.is_subscribed() && !cx.reply.resp3() {
        // Between messages, which are arrays, the answer must be told by its shape.
        cx.reply.array(2);
        cx.reply.bulk(b"pong");
        cx.reply.bulk(message.unwrap_or_default());
    } else if let Some(message) = message {
        cx.reply.bulk(message);
    } else {
        cx.reply.simple("PONG");
    }
    Ok(Outcome::Done)
}

fn echo(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    cx.reply.bulk(args.bytes());
    Ok(Outcome::Done)
}

fn auth(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let first = args.bytes();
    let second = args.next();
    args.finish()?;
    let (user, password) = match second {
        Some(password) => (first, password),
        None if !cx.shared.config.has_password() => {
            return Err(CmdError::text(
                "ERR AUTH <password> called without any password configured for the default \
                 user. Are you sure your configuration is correct?",
            ));
        }
        None => (DEFAULT_USER, first),
    };
    log_in(cx, user, password)?;
    cx.reply.ok();
    Ok(Outcome::Done)
}

fn log_in(cx: &mut Cx, user: &[u8], password: &[u8]) -> Result<(), CmdError> {
    let wanted = cx.shared.config.get_text(Param::RequirePass);
    // Without a password the default user gets in with any.
    let right = wanted.is_empty() || same_secret(&wanted, password);
    if user != DEFAULT_USER || !right {
        let denied = &cx.shared.stats.rare.acl_denied_auth;
        denied.fetch_add(1, Ordering::Relaxed);
        return Err(CmdError::text(
            "WRONGPASS invalid username-password pair or user is disabled.",
        ));
    }
    cx.session.authenticated = true;
    Ok(())
}

/// Compares in a time that depends on what was sent alone, not on how much of it is right.
fn same_secret(wanted: &[u8], given: &[u8]) -> bool {
    let mut differences = wanted.len() ^ given.len();
    for (at, byte) in given.iter().enumerate() {
        let other = wanted[at % wanted.len().max(1)];
        differences |= usize::from(std::hint::black_box(byte ^ other));
    }
    differences == 0
}

fn hello(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let mut resp3 = cx.reply.resp3();
    if let Some(version) = args.next() {
        resp3 = match parse_i64(version) {
            Some(2) => false,
            Some(3) => true,
            Some(_) => return Err(CmdError::text("NOPROTO unsupported protocol version")),
            None => {
                return Err(CmdError::text(
                    "ERR Protocol version is not an integer or out of range",
                ));
            }
        };
    }
    let (mut login, mut name) = (None, None);
    while !args.is_empty() {
        if args.left() > 2 && args.take("AUTH") {
            login = Some((args.bytes(), args.bytes()));
        } else if args.left() > 1 && args.take("SETNAME") {
            name = Some(client_name(args.bytes())?);
        } else {
            let template = "ERR Syntax error in HELLO option '{}'";
            return Err(CmdError::quoting(template, &[args.bytes()]));
        }
    }
    if let Some((user, password)) = login {
        log_in(cx, user, password)?;
    }
    if !cx.session.may_enter(&cx.shared.config) {
        return Err(CmdError::text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
             HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and \
             select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = name {
        cx.session.facts.text.lock().name = name;
    }
    change_protocol(cx, resp3);
    describe_server(cx, resp3);
    Ok(Outcome::Done)
}

/// A client's name as it is kept; empty for none.
pub fn client_name(name: &[u8]) -> Result<String, CmdError> {
    printable_word(name).ok_or(CmdError::text(
        "ERR Client names cannot contain spaces, newlines or special characters.",
    ))
}

/// What fits into a line of CLIENT LIST: visible ASCII, no blanks.
pub fn printable_word(word: &[u8]) -> Option<String> {
    let fits = word.iter().all(u8::is_ascii_graphic);
    fits.then(|| String::from_utf8_lossy(word).into_owned())
}

fn change_protocol(cx: &mut Cx, resp3: bool) {
    cx.reply.set_resp3(resp3);
    let whole_replies = (!cx.in_transaction).then_some(&mut *cx.reply);
    cx.session.facts.change_protocol(resp3, whole_replies);
}

fn describe_server(cx: &mut Cx, resp3: bool) {
    let role = match cx.shared.role.is_follower() {
        true => "replica",
        false => "master",
    };
    let reply = &mut *cx.reply;
    reply.map(7);
    reply.bulk(b"server");
    reply.bulk(b"redis");
    reply.bulk(b"version");
    reply.bulk(REDIS_VERSION.as_bytes());
    reply.bulk(b"proto");
    reply.integer(if resp3 { 3 } else { 2 });
    reply.bulk(b"id");
    reply.integer(cx.session.facts.id as i64);
    reply.bulk(b"mode");
    reply.bulk(b"standalone");
    reply.bulk(b"role");
    reply.bulk(role.as_bytes());
    reply.bulk(b"modules");
    reply.array(0);
}

fn quit(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    cx.reply.ok();
    Ok(Outcome::Close)
}

/// Makes the connection what it was when it came; only its library's name is kept.
fn reset(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    if cx
        .session
        .facts
        .has(client_flag::FOLLOWER | client_flag::LEADER)
    {
        return Err(CmdError::text(
            "ERR can only reset normal client connections",
        ));
    }
    let session = &mut *cx.session;
    session.transaction = None;
    unwatch_all(cx.store, session);
    if std::mem::take(&mut session.monitor) {
        cx.shared.clients.remove_monitor(session.facts.id);
    }
    unsubscribe_all(cx.shared, session);
    cx.shared.tracking.disable(&session.facts);
    session.db = 0;
    session.authenticated = !cx.shared.config.has_password();
    session.reply_mode = ReplyMode::On;
    session.no_touch = false;
    session.import_source = false;
    let own_switches = client_flag::NO_EVICT | client_flag::READONLY | client_flag::IMPORT_SOURCE;
    session.facts.set(own_switches, false);
    cx.shared.clients.ledger.look_again();
    session.facts.text.lock().name.clear();
    change_protocol(cx, false);
    cx.reply.simple("RESET");
    Ok(Outcome::Done)
}

/// Ends all subscriptions of a session, without a word to its client.
pub fn unsubscribe_all(shared: &Shared, session: &mut Session) {
    let id = session.facts.id;
    for channel in std::mem::take(&mut session.channels) {
        session.remove_name(&channel);
        shared.pubsub.unsubscribe(&channel, id);
    }
    for pattern in std::mem::take(&mut session.patterns) {
        session.remove_name(&pattern);
        shared.pubsub.unsubscribe_pattern(&pattern, id);
    }
    for channel in std::mem::take(&mut session.shard_channels) {
        session.remove_name(&channel);
        shared.pubsub.unsubscribe_shard(&channel, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::TestServer;

    const WRONGPASS: &str = "-WRONGPASS invalid username-password pair or user is disabled.";

    fn locked_server() -> TestServer {
        let mut server = TestServer::with(&[("requirepass", "secret")]);
        server.session.authenticated = false;
        server
    }

    #[test]
    fn echoes() {
        let mut server = TestServer::new();
        server.check("PING", "+PONG");
        server.check("PING a", "\"a\"");
        server.check(
            "PING a b",
            "-ERR wrong number of arguments for 'ping' command",
        );
        server.check("ECHO a", "\"a\"");
        server.check("QUIT now", "+OK");
        assert!(matches!(server.outcome, Outcome::Close));
    }

    #[test]
    fn without_a_password_anything_opens() {
        let mut server = TestServer::new();
        server.check(
            "AUTH x",
            "-ERR AUTH <password> called without any password configured for the default user. \
             Are you sure your configuration is correct?",
        );
        server.check("AUTH default x", "+OK");
        server.check("AUTH nobody x", WRONGPASS);
        server.check("AUTH a b c", "-ERR syntax error");
    }

    #[test]
    fn a_password_opens() {
        let mut server = locked_server();
        for wrong in ["x", "secre", "secrets", "secretsecret", "\"\""] {
            server.check(&format!("AUTH {wrong}"), WRONGPASS);
            server.check(&format!("AUTH default {wrong}"), WRONGPASS);
        }
        server.check("AUTH nobody secret", WRONGPASS);
        assert!(!server.session.authenticated);
        server.check("AUTH secret", "+OK");
        assert!(server.session.authenticated);
        server.check("AUTH x", WRONGPASS);
        assert!(server.session.authenticated);
        server.check("RESET", "+RESET");
        assert!(!server.session.authenticated);
        server.check("AUTH default secret", "+OK");
        assert!(server.session.authenticated);
    }

    #[test]
    fn hello_introduces() {
        let mut server = TestServer::new();
        let fields = |proto| {
            format!(
                "\"server\": \"redis\", \"version\": \"{REDIS_VERSION}\", \"proto\": :{proto}, \
                 \"id\": :1, \"mode\": \"standalone\", \"role\": \"master\", \"modules\": []"
            )
        };
        let resp2 = format!("[{}]", fields(2).replace(": ", ", "));
        server.check("HELLO", &resp2);
        server.check("HELLO 3 SETNAME me", &format!("{{{}}}", fields(3)));
        server.check("HELLO", &format!("{{{}}}", fields(3)));
        server.check("CLIENT GETNAME", "\"me\"");
        server.check("HELLO 2 AUTH default any", &resp2);
        server.shared.role.set_follower(true);
        assert!(server.run("HELLO").contains("\"replica\""));
    }

    #[test]
    fn hello_refuses() {
        let mut server = TestServer::new();
        for (args, error) in [
            (
                "x",
                "ERR Protocol version is not an integer or out of range",
            ),
            ("1", "NOPROTO unsupported protocol version"),
            ("4", "NOPROTO unsupported protocol version"),
            ("3 FOO", "ERR Syntax error in HELLO option 'FOO'"),
            ("3 auth x", "ERR Syntax error in HELLO option 'auth'"),
            ("3 SETNAME", "ERR Syntax error in HELLO option 'SETNAME'"),
            (
                "3 SETNAME \"a b\"",
                "ERR Client names cannot contain spaces, newlines or special characters.",
            ),
            ("3 AUTH nobody x", &WRONGPASS[1..]),
        ] {
            server.check(&format!("HELLO {args}"), &format!("-{error}"));
        }
        let mut server = locked_server();
        let first = "-NOAUTH HELLO must be called with the client already authenticated";
        assert!(server.run("HELLO 3 SETNAME a").starts_with(first));
        assert!(server.session.facts.text.lock().name.is_empty());
        server.check("HELLO 3 AUTH default x", WRONGPASS);
        assert!(server.run("HELLO 3 AUTH default secret").starts_with('{'));
    }

    #[test]
    fn reset_forgets_nearly_everything() {
        let mut server = TestServer::new();
        for line in [
            "CLIENT SETNAME me",
            "CLIENT SETINFO lib-name lib",
            "CLIENT NO-TOUCH on",
            "WATCH k",
            "HELLO 3",
            "SUBSCRIBE a",
            "MULTI",
        ] {
            server.run(line);
        }
        server.session.db = 3;
        server.check("RESET", "+RESET");
        let session = &server.session;
        assert!(session.transaction.is_none() && session.watched.is_empty());
        assert!(session.db == 0 && !session.no_touch && !session.is_subscribed());
        let text = session.facts.text.lock().clone();
        assert_eq!(
            (text.name.as_str(), text.library_name.as_str()),
            ("", "lib")
        );
        server.check("PUBSUB CHANNELS", "[]");
        server.check("HELLO 2 SETNAME a", &server_line());
    }

    fn server_line() -> String {
        TestServer::new().run("HELLO 2")
    }
}
