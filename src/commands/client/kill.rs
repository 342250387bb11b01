//! CLIENT KILL: by address, as it once was, or by any number of conditions.

use super::list::Type;
use crate::base::number::parse_i64;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::shared::clients::ClientFacts;

pub fn kill(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    if args.left() == 1 {
        let filter = Filter {
            address: Some(args.bytes()),
            ..Filter::default()
        };
        if kill_all(cx, &filter) == 0 {
            return Err(CmdError::text("ERR No such client"));
        }
        cx.reply.ok();
        return Ok(Outcome::Done);
    }
    let filter = Filter::parse(&mut args)?;
    let killed = kill_all(cx, &filter);
    cx.reply.integer(killed);
    Ok(Outcome::Done)
}

/// Returns how many. The asking connection is closed when it has been answered.
fn kill_all(cx: &mut Cx, filter: &Filter) -> i64 {
    cx.session.note_facts();
    let asking = cx.session.facts.id;
    let mut killed = 0;
    for facts in cx.shared.clients.listed() {
        if !filter.matches(&facts, asking, cx.now_ms()) {
            continue;
        }
        killed += 1;
        if facts.id == asking {
            cx.session.closing = true;
        } else {
            facts.kill();
        }
    }
    killed
}

/// Conditions; those that were not given hold for everybody.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    kind: Option<Type>,
    user: Option<&'a [u8]>,
    age_seconds_min: Option<i64>,
    skips_me: bool,
}

impl<'a> Filter<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Filter<'a>, CmdError> {
        let mut filter = Filter {
            skips_me: true,
            ..Filter::default()
        };
        while !args.is_empty() {
            if args.left() == 1 {
                return Err(CmdError::Syntax);
            }
            if args.take("ID") {
                let id = parse_i64(args.bytes()).filter(|id| *id > 0);
                filter.id = Some(
                    id.map(i64::unsigned_abs)
                        .ok_or(CmdError::text("ERR client-id should be greater than 0"))?,
                );
            } else if args.take("ADDR") {
                filter.address = Some(args.bytes());
            } else if args.take("LADDR") {
                filter.local_address = Some(args.bytes());
            } else if args.take("TYPE") {
                filter.kind = Some(Type::named(args.bytes())?);
            } else if args.take("USER") {
                filter.user = Some(user(args.bytes())?);
            } else if args.take("MAXAGE") {
                filter.age_seconds_min = Some(age(args.bytes())?);
            } else if args.take("SKIPME") {
                filter.skips_me = yes_or_no(args)?;
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(filter)
    }

    fn matches(&self, facts: &ClientFacts, asking: u64, now_ms: i64) -> bool {
        let age_seconds = now_ms / 1000 - facts.created_ms / 1000;
        self.id.is_none_or(|id| id == facts.id)
            && self
                .address
                .is_none_or(|wanted| wanted == facts.address.as_bytes())
            && self
                .local_address
                .is_none_or(|wanted| wanted == facts.local_address.as_bytes())
            && self.kind.is_none_or(|kind| kind == Type::of(facts))
            && self
                .user
                .is_none_or(|wanted| wanted == facts.text.lock().user.as_bytes())
            && self.age_seconds_min.is_none_or(|min| age_seconds >= min)
            && !(self.skips_me && facts.id == asking)
    }
}

fn user(name: &[u8]) -> Result<&[u8], CmdError> {
    if name == b"default" {
        return Ok(name);
    }
    let name = String::from_utf8_lossy(name).into_owned();
    Err(CmdError::err(format!("No such user '{name}'")))
}

fn age(seconds: &[u8]) -> Result<i64, CmdError> {
    match parse_i64(seconds) {
        Some(seconds @ 1..) => Ok(seconds),
        Some(_) => Err(CmdError::text("ERR maxage should be greater than 0")),
        None => Err(CmdError::text(
            "ERR maxage is not an integer or out of range",
        )),
    }
}

fn yes_or_no(args: &mut Args) -> Result<bool, CmdError> {
    if args.take("YES") {
        Ok(true)
    } else if args.take("NO") {
        Ok(false)
    } else {
        Err(CmdError::Syntax)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::commands::testing::TestServer;
    use crate::shared::clients::client_flag;

    /// A server with clients 2 to 5 of different kinds; the asking one is 1.
    fn server() -> (TestServer, Vec<Arc<ClientFacts>>) {
        let server = TestServer::new();
        let flags = [
            0,
            client_flag::PUBSUB,
            client_flag::FOLLOWER,
            client_flag::LEADER,
        ];
        let make = |(at, flags): (usize, u32)| {
            let created_ms = server.now_ms - 10_000 * at as i64;
            let (from, to) = (format!("1.1.1.1:{at}"), "2.2.2.2:1".to_owned());
            let facts = Arc::new(ClientFacts::new(2 + at as u64, from, to, created_ms));
            facts.set(flags, true);
            server.shared.clients.add(facts.clone());
            facts
        };
        let clients = flags.into_iter().enumerate().map(make).collect();
        (server, clients)
    }

    /// Who is killed by a call that is answered so.
    #[track_caller]
    fn check(args: &str, expect: &str, killed: &[u64]) {
        let (mut server, clients) = server();
        server.check(&format!("CLIENT KILL {args}"), expect);
        let all = clients.iter().filter(|facts| facts.is_killed());
        let mut ended: Vec<u64> = all.map(|facts| facts.id).collect();
        if server.session.closing {
            ended.insert(0, 1);
        }
        assert_eq!(ended, killed, "{args}");
    }

    #[test]
    fn every_condition_chooses() {
        check("1.1.1.1:1", "+OK", &[3]);
        check("127.0.0.1:1000", "+OK", &[1]);
        check("1.1.1.1:9", "-ERR No such client", &[]);
        check("ID 2", ":1", &[2]);
        check("ID 1", ":0", &[]);
        check("ID 1 SKIPME no", ":1", &[1]);
        check("ADDR 1.1.1.1:2", ":1", &[4]);
        check("LADDR 2.2.2.2:1", ":4", &[2, 3, 4, 5]);
        check("TYPE normal", ":1", &[2]);
        check("TYPE normal SKIPME NO", ":2", &[1, 2]);
        check("TYPE pubsub", ":1", &[3]);
        check("TYPE slave", ":1", &[4]);
        check("TYPE master", ":1", &[5]);
        check("USER default", ":4", &[2, 3, 4, 5]);
        check("MAXAGE 15 LADDR 2.2.2.2:1", ":2", &[4, 5]);
        check("LADDR 2.2.2.2:1 TYPE REPLICA ID 4", ":1", &[4]);
        check("ID 2 ID 3", ":1", &[3]);
    }

    #[test]
    fn what_is_no_condition_kills_nobody() {
        let id = "-ERR client-id should be greater than 0";
        let syntax = "-ERR syntax error";
        for (args, error) in [
            ("ID x", id),
            ("ID 0", id),
            ("ID -5", id),
            ("ID 1 FOO", syntax),
            ("ID 2 3", syntax),
            ("FOO x", syntax),
            ("SKIPME maybe", syntax),
            ("TYPE foo", "-ERR Unknown client type 'foo'"),
            ("USER nobody", "-ERR No such user 'nobody'"),
            ("MAXAGE 0", "-ERR maxage should be greater than 0"),
            ("MAXAGE x", "-ERR maxage is not an integer or out of range"),
        ] {
            check(args, error, &[]);
        }
    }
}
