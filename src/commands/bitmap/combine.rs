//! BITOP: whole bitmaps combined.

use super::place;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::store::effects::event::{GENERIC, STRING};
use crate::store::entry::Entry;
use crate::types::bits::{Combined, Operation};

pub fn bitop(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let operation = parse(&mut args)?;
    let to = args.key();
    if operation == Operation::Not && args.left() != 1 {
        return Err(CmdError::text(
            "ERR BITOP NOT must be called with a single source key.",
        ));
    }
    let db = cx.session.db;
    let mut len_max = 0;
    let mut sources = args.clone();
    while !sources.is_empty() {
        let len = place::read(cx, sources.key())?.map_or(0, <[u8]>::len);
        len_max = len_max.max(len);
    }
    let mut combined = Combined::new(operation, len_max);
    while !args.is_empty() {
        let entry = cx.store.peek(db, args.key());
        let bytes = entry.and_then(|entry| entry.string_bytes());
        combined.add(bytes.unwrap_or_default());
    }
    let result = combined.finish();
    let len = result.len();
    if len > 0 {
        cx.store.put(db, to, Entry::raw(to.bytes, result, None));
        cx.event(STRING, "set", to);
        cx.dirty(1);
    } else if let Some(old) = cx.store.remove(db, to) {
        cx.store.effects().discard(old);
        cx.event(GENERIC, "del", to);
        cx.dirty(1);
    }
    cx.reply.integer(len as i64);
    Ok(Outcome::Done)
}

fn parse(args: &mut Args) -> Result<Operation, CmdError> {
    const NAMES: [(&str, Operation); 4] = [
        ("and", Operation::And),
        ("or", Operation::Or),
        ("xor", Operation::Xor),
        ("not", Operation::Not),
    ];
    let found = NAMES.iter().find(|(name, _)| args.take(name));
    found
        .map(|(_, operation)| *operation)
        .ok_or(CmdError::Syntax)
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::TestServer;

    #[test]
    fn combining() {
        let mut server = TestServer::new();
        server.run("MSET a abc b \"\\xff\\x0f\" empty \"\"");
        server.check_all(
            "BITOP AND to a b",
            ":3",
            &["BITOP AND to a b"],
            &["new to", "set to"],
        );
        server.check("GET to", "\"a\\x02\\x00\"");
        server.check("BITOP or to a b", ":3");
        server.check("GET to", "\"\\xffoc\"");
        server.check("BITOP XOR to b a none", ":3");
        server.check("GET to", "\"\\x9emc\"");
        server.check("BITOP NOT a a", ":3");
        server.check("GET a", "\"\\x9e\\x9d\\x9c\"");
        server.check("SET a 12 EX 100", "+OK");
        server.check("BITOP OR a a", ":2");
        server.check("TTL a", ":-1");
        server.check("OBJECT ENCODING a", "\"raw\"");
        server.check("BITOP AND to a none", ":2");
        server.check("GET to", "\"\\x00\\x00\"");
        server.check("SETRANGE a 5000 x", ":5001");
        server.check("BITOP OR to a b", ":5001");
        server.check("GETRANGE to 4999 -1", "\"\\x00x\"");
    }

    #[test]
    fn nothing_is_no_key() {
        let mut server = TestServer::new();
        server.run("MSET a 1 empty \"\"");
        server.check_all(
            "BITOP OR a none empty",
            ":0",
            &["BITOP OR a none empty"],
            &["keymiss none", "del a"],
        );
        server.check_all("BITOP NOT a none", ":0", &[], &["keymiss none"]);
    }

    #[test]
    fn errors() {
        let mut server = TestServer::new();
        let one = "-ERR BITOP NOT must be called with a single source key.";
        server.check("BITOP NOT a b c", one);
        server.check("BITOP NAND a b c", "-ERR syntax error");
    }
}
