//! CLIENT LIST and CLIENT INFO: a line a connection, in Redis's fields and order.
//!
//! Others' facts are as of their last batch; the asking connection's are fresh.

use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::filter::{CAPA_REDIRECT, Filter, letters};
use crate::base::number::parse_i64;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::registry::Registry;
use crate::resp::argv::Argv;
use crate::shared::clients::{ClientFacts, client_flag};
use crate::shared::session::FIXED_BYTES;

pub fn info(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let mut text = String::new();
    Lines::new(cx, args.argv()).add(&cx.session.facts, &mut text);
    cx.reply.verbatim("txt", text.as_bytes());
    Ok(Outcome::Done)
}

pub fn list(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let argv = args.argv();
    let filter = Filter::parse(&mut args, cx.shared, false, id)?;
    let lines = Lines::new(cx, argv);
    let mut text = String::new();
    for facts in cx.shared.clients.listed() {
        if filter.matches(&facts, lines.asking, lines.now_ms) {
            lines.add(&facts, &mut text);
        }
    }
    cx.reply.verbatim("txt", text.as_bytes());
    Ok(Outcome::Done)
}

/// How log lines name a client: its line, without the end.
pub fn described(registry: &Registry, facts: &ClientFacts, now_ms: i64) -> String {
    let lines = Lines {
        registry,
        now_ms,
        asking: 0,
        command: String::new(),
        query_bytes: 0,
        argument_bytes: 0,
    };
    let mut text = String::new();
    lines.add(facts, &mut text);
    text.truncate(text.trim_end().len());
    text
}

/// Nobody has an id below 1, but it may be asked for.
fn id(text: &[u8]) -> Result<i64, CmdError> {
    parse_i64(text).ok_or(CmdError::text("ERR Invalid client ID"))
}

/// What the lines of one call have in common.
struct Lines<'a> {
    registry: &'a Registry,
    now_ms: i64,
    /// The asking connection, and what it is at just now.
    asking: u64,
    command: String,
    query_bytes: usize,
    argument_bytes: usize,
}

impl<'a> Lines<'a> {
    fn new(cx: &Cx<'a, '_>, argv: Argv) -> Lines<'a> {
        cx.session.note_facts();
        let registry = cx.registry;
        let name = match registry.find(argv.get(0)) {
            _ if cx.in_transaction => "exec",
            Some(id) => registry.full_name(registry.find_sub(id, argv.get(1)).unwrap_or(id)),
            None => NO_COMMAND,
        };
        Lines {
            registry,
            now_ms: cx.now_ms(),
            asking: cx.session.facts.id,
            command: name.to_owned(),
            query_bytes: argv.bytes.len(),
            argument_bytes: argv.iter().map(<[u8]>::len).sum(),
        }
    }

    fn add(&self, facts: &ClientFacts, out: &mut String) {
        let asks = facts.id == self.asking;
        let last = facts.last_command.load(Ordering::Relaxed);
        let command = match last.checked_sub(1) {
            _ if asks => &self.command,
            Some(id) => self.registry.full_name(id as u16),
            None => NO_COMMAND,
        };
        let seconds = |since_ms: i64| (self.now_ms - since_ms).max(0) / 1000;
        let get = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        let memory = &facts.memory;
        let (query, arguments) = match asks {
            true => (self.query_bytes, self.argument_bytes),
            false => {
                let arguments = get(&memory.argument_bytes) + get(&memory.parked_bytes);
                (get(&memory.query_bytes), arguments)
            }
        };
        let query_free = get(&memory.query_free_bytes);
        let queued = get(&memory.queued_bytes);
        // Connections have no reply buffer of their own: what waits is in one list.
        let output = memory.unsent_bytes();
        let mut total = FIXED_BYTES + memory.bytes();
        if asks {
            // The request is where the worker reads to.
            total = total + query + arguments;
            total -= get(&memory.query_bytes) + get(&memory.argument_bytes);
        }
        let text = facts.text.lock().clone();
        // Writing to memory does not fail.
        let _ = writeln!(
            out,
            "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} \
             ssub={} multi={} watch={} qbuf={query} qbuf-free={query_free} \
             argv-mem={arguments} multi-mem={queued} rbs=0 rbp=0 obl=0 oll={} omem={output} \
             tot-mem={total} events=r cmd={command} user={} redir={} resp={} lib-name={} \
             lib-ver={} io-thread=0{}",
            facts.id,
            facts.address,
            facts.local_address,
            facts.fd,
            text.name,
            seconds(facts.created_ms),
            seconds(facts.last_active_ms.load(Ordering::Relaxed)),
            letters(facts),
            facts.db.load(Ordering::Relaxed),
            get(&facts.channels),
            get(&facts.patterns),
            get(&facts.shard_channels),
            facts.queued.load(Ordering::Relaxed),
            get(&facts.watched),
            usize::from(output > 0),
            // The leader's commands are nobody's.
            if text.user.is_empty() {
                "(superuser)"
            } else {
                &text.user
            },
            facts.redirects_to(),
            facts.resp.load(Ordering::Relaxed).max(2),
            text.library_name,
            text.library_version,
            match facts.has(client_flag::CAN_BE_REDIRECTED) {
                true => format!(" capa={CAPA_REDIRECT}"),
                false => String::new(),
            },
        );
    }
}

/// What CLIENT LIST says of a connection that has sent nothing yet.
const NO_COMMAND: &str = "NULL";

#[cfg(test)]
mod tests {
    use crate::commands::testing::TestServer;

    fn field(line: &str, name: &str) -> String {
        let start = format!("{name}=");
        let found = line.split(' ').find_map(|word| word.strip_prefix(&start));
        found.unwrap_or_else(|| panic!("{name}: {line}")).to_owned()
    }

    #[test]
    fn fields_stand_in_order() {
        let mut server = TestServer::new();
        server.run("CLIENT SETNAME me");
        let line = server.run("CLIENT INFO");
        let names: Vec<&str> = line
            .split([' ', '"'])
            .filter_map(|word| Some(word.split_once('=')?.0))
            .collect();
        assert_eq!(
            names.join(" "),
            "id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf qbuf-free \
             argv-mem multi-mem rbs rbp obl oll omem tot-mem events cmd user redir resp lib-name \
             lib-ver io-thread"
        );
        assert_eq!(field(&line, "name"), "me");
        assert_eq!(field(&line, "cmd"), "client|info");
        assert_eq!(
            (field(&line, "qbuf"), field(&line, "argv-mem")),
            ("26".into(), "10".into())
        );
        assert_eq!(field(&line, "multi"), "-1");
        assert!(line.ends_with("\\n\""), "{line}");
    }

    #[test]
    fn facts_of_the_moment_are_shown() {
        let mut server = TestServer::new();
        server.run("SUBSCRIBE a b");
        server.run("PSUBSCRIBE p*");
        server.run("SSUBSCRIBE s");
        server.run("CLIENT NO-EVICT ON");
        server.run("CLIENT NO-TOUCH on");
        let line = server.run("CLIENT LIST");
        let shown = ["flags", "sub", "psub", "ssub", "cmd"].map(|name| field(&line, name));
        assert_eq!(shown, ["PeT", "2", "1", "1", "client|list"]);
        server.run("RESET");
        let line = server.run("CLIENT LIST");
        let shown = ["flags", "sub", "psub", "ssub"].map(|name| field(&line, name));
        assert_eq!(shown, ["N", "0", "0", "0"]);
    }

    #[test]
    fn lists_choose() {
        let mut server = TestServer::new();
        assert!(server.run("CLIENT LIST TYPE normal").contains("id=1 "));
        assert!(server.run("CLIENT LIST ID 7 1").contains("id=1 "));
        assert!(
            server
                .run("CLIENT LIST ID 7 1 TYPE normal")
                .contains("id=1 ")
        );
        server.check("CLIENT LIST ID 1 SKIPME yes", "\"\"");
        for none in ["TYPE pubsub", "TYPE MASTER", "TYPE slave", "ID 7", "ID -1"] {
            server.check(&format!("CLIENT LIST {none}"), "\"\"");
        }
        server.check("CLIENT LIST TYPE foo", "-ERR Unknown client type 'foo'");
        server.check("CLIENT LIST ID x", "-ERR Invalid client ID");
        for wrong in ["TYPE", "ID", "TYPE normal foo", "FOO", "NOT-IDLE 5"] {
            server.check(&format!("CLIENT LIST {wrong}"), "-ERR syntax error");
        }
        let mut server = TestServer::resp3();
        assert!(server.run("CLIENT INFO").starts_with("=txt:\"id="));
    }
}
