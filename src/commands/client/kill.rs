//! CLIENT KILL: by address, as it once was, or by any number of conditions.

use super::filter::Filter;
use crate::base::number::parse_i64;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;

pub fn kill(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    if args.left() == 1 {
        let filter = Filter::address(args.bytes());
        if kill_all(cx, &filter) == 0 {
            return Err(CmdError::text("ERR No such client"));
        }
        cx.reply.ok();
        return Ok(Outcome::Done);
    }
    let filter = Filter::parse(&mut args, cx.shared, true, id)?;
    let killed = kill_all(cx, &filter);
    cx.reply.integer(killed);
    Ok(Outcome::Done)
}

fn id(text: &[u8]) -> Result<i64, CmdError> {
    let id = parse_i64(text).filter(|id| *id > 0);
    id.ok_or(CmdError::text("ERR client-id should be greater than 0"))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use crate::commands::testing::TestServer;
    use crate::shared::clients::{ClientFacts, client_flag};

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
            facts.last_active_ms.store(created_ms, Ordering::Relaxed);
            let mut text = facts.text.lock();
            match at {
                1 => text.name = "me".to_owned(),
                2 => {
                    facts.db.store(1, Ordering::Relaxed);
                    text.library_name = "jedis".to_owned();
                }
                3 => facts.set(client_flag::CAN_BE_REDIRECTED, true),
                _ => {}
            }
            drop(text);
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
        check("ID 2 3 99 SKIPME no", ":2", &[2, 3]);
        check("IP 1.1.1.1", ":4", &[2, 3, 4, 5]);
        check("IP 1.1.1.1 NOT-ID 2 4", ":2", &[3, 5]);
        check("NAME me", ":1", &[3]);
        check("NOT-NAME me", ":3", &[2, 4, 5]);
        check("NAME \"\" NOT-TYPE master not-type REPLICA", ":2", &[2, 5]);
        check("FLAGS N", ":1", &[2]);
        check("FLAGS P", ":1", &[3]);
        check("NOT-FLAGS N", ":3", &[3, 4, 5]);
        check("NOT-FLAGS PS", ":4", &[2, 3, 4, 5]);
        check("CAPA r", ":1", &[5]);
        check("NOT-CAPA r", ":3", &[2, 3, 4]);
        check("DB 1", ":1", &[4]);
        check("NOT-DB 1 NOT-ADDR 1.1.1.1:0", ":2", &[3, 5]);
        check("IDLE 25", ":1", &[5]);
        check("NOT-USER default", ":0", &[]);
        check("LIB-NAME jedis NOT-LIB-VER 1", ":1", &[4]);
        check("NOT-LADDR 2.2.2.2:1", ":0", &[]);
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
            ("ID 2 x", syntax),
            ("NOT-ID 0", id),
            ("NOT-MAXAGE 5", syntax),
            ("NOT-SKIPME yes", syntax),
            ("NAME", "-ERR No such client"),
            (
                "FLAGS Z",
                "-ERR Unknown flags found in the provided filter: Z",
            ),
            (
                "NOT-CAPA z",
                "-ERR Unknown capa found in the NOT-CAPA filter: z",
            ),
            ("DB x", "-ERR DB is not an integer or out of range"),
            ("DB 16", "-ERR DB number should be between 0 and 15"),
            ("IDLE 0", "-ERR idle should be greater than 0"),
            ("IDLE x", "-ERR idle is not an integer or out of range"),
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
