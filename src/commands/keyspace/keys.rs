//! DEL, UNLINK, EXISTS, TYPE, TOUCH.

use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::store::effects::event;

/// DEL and UNLINK: here a big value is freed by another thread either way.
pub fn delete(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let db = cx.session.db;
    let mut deleted = 0;
    while !args.is_empty() {
        let key = args.key();
        if let Some(entry) = cx.store.remove(db, key) {
            cx.store.effects().discard(entry);
            cx.event(event::GENERIC, "del", key);
            deleted += 1;
        }
    }
    cx.dirty(deleted);
    cx.reply.integer(deleted as i64);
    Ok(Outcome::Done)
}

pub fn exists(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let mut count = 0;
    while !args.is_empty() {
        count += i64::from(cx.store.look(cx.session.db, args.key()).is_some());
    }
    cx.reply.integer(count);
    Ok(Outcome::Done)
}

pub fn touch(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let mut count = 0;
    // It is what the command is for, whatever CLIENT NO-TOUCH says.
    cx.store.touch_access = true;
    while !args.is_empty() {
        count += i64::from(cx.store.read(cx.session.db, args.key()).is_some());
    }
    cx.store.touch_access = !cx.session.no_touch;
    cx.reply.integer(count);
    Ok(Outcome::Done)
}

pub fn kind(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let found = cx.store.look(cx.session.db, args.key());
    let name = found.map_or("none", |entry| entry.kind().name());
    cx.reply.simple(name);
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::TestServer;
    use crate::store::locked::Expiry;

    #[test]
    fn deleting() {
        let mut server = TestServer::new();
        for name in ["DEL", "UNLINK"] {
            server.run("SET a 1");
            server.run("SET b 2");
            let line = format!("{name} a missing b a");
            server.check_all(&line, ":2", &[&line], &["del a", "del b"]);
            server.check_all(&line, ":0", &[], &[]);
        }
        assert_eq!(server.changes(), 8);
    }

    #[test]
    fn what_is_due_is_not_deleted_by_the_command() {
        let mut server = TestServer::new();
        server.run("SET a 1 PX 1");
        server.run("SET b 1");
        server.advance_ms(2);
        let log = ["MULTI", "DEL a", "DEL a b", "EXEC"];
        server.check_all("DEL a b", ":1", &log, &["expired a", "del b"]);
    }

    #[test]
    fn asking() {
        let mut server = TestServer::new();
        server.run("SET a 1");
        server.check("EXISTS a missing a", ":2");
        server.check("TOUCH a missing a", ":2");
        server.check("TYPE a", "+string");
        server.check_all("TYPE missing", "+none", &[], &["keymiss missing"]);
        server.check_all("EXISTS missing", ":0", &[], &["keymiss missing"]);
        server.check_all("TOUCH missing", ":0", &[], &["keymiss missing"]);
    }

    #[test]
    fn a_due_key_is_not_there() {
        let mut server = TestServer::new();
        server.run("SET a 1 PX 1");
        server.advance_ms(2);
        server.expiry = Expiry::Hide;
        server.check_all("EXISTS a", ":0", &[], &["keymiss a"]);
        server.check("TYPE a", "+none");
        server.check("DEL a", ":0");
        server.expiry = Expiry::Delete;
        server.check_all("EXISTS a", ":0", &["DEL a"], &["expired a", "keymiss a"]);
    }

    #[test]
    fn only_a_touch_counts_as_use() {
        let mut server = TestServer::new();
        server.run("SET a 1");
        server.advance_ms(5000);
        for line in ["EXISTS a", "TYPE a", "TTL a", "OBJECT ENCODING a"] {
            server.run(line);
            server.check("OBJECT IDLETIME a", ":5");
        }
        server.run("TOUCH a");
        server.check("OBJECT IDLETIME a", ":0");
    }
}
