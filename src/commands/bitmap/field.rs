//! BITFIELD: numbers in bitmaps, read, set and counted with, one after the other.

use super::place;
use crate::base::number::parse_i64;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::spec::{KeyRef, access};
use crate::resp::argv::Argv;
use crate::store::effects::event::STRING;
use crate::types::bits::{self, Field, Overflow};

/// What is done with one number.
#[derive(Clone, Copy)]
enum Action {
    Get,
    Set(i64),
    Add(i64),
}

struct Step {
    field: Field,
    at: u64,
    action: Action,
    overflow: Overflow,
}

/// What BITFIELD does to its key: with GET alone it only reads.
pub fn access(argv: Argv, keys: &mut [KeyRef]) {
    let is_word = |i: usize, words: &[&str]| {
        let word = argv.get(i);
        words
            .iter()
            .any(|w| word.eq_ignore_ascii_case(w.as_bytes()))
    };
    let (mut at, mut reads_only) = (2, true);
    while at < argv.len() && reads_only {
        let left = argv.len() - at - 1;
        if is_word(at, &["get"]) && left >= 2 {
            at += 3;
        } else if is_word(at, &["overflow"]) && left >= 1 {
            at += 2;
        } else {
            reads_only = false;
        }
    }
    for key in keys {
        key.access = match reads_only {
            true => access::RO | access::ACCESS,
            false => access::RW | access::ACCESS | access::UPDATE,
        };
    }
}

pub fn bitfield(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    run(cx, args, false)
}

pub fn bitfield_ro(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    run(cx, args, true)
}

fn run(cx: &mut Cx, mut args: Args, must_read_only: bool) -> Result<Outcome, CmdError> {
    let key = args.key();
    let steps = parse(cx, args)?;
    let written = steps.iter().filter(|step| !step.action.is_get());
    let last_bit = written.map(|step| step.at + step.field.width() - 1).max();
    let Some(last_bit) = last_bit else {
        let bytes = place::read(cx, key)?.unwrap_or_default();
        let values: Vec<i64> = steps
            .iter()
            .map(|step| step.field.read(bytes, step.at))
            .collect();
        cx.reply.array(values.len());
        values.iter().for_each(|value| cx.reply.integer(*value));
        return Ok(Outcome::Done);
    };
    if must_read_only {
        return Err(CmdError::text(
            "ERR BITFIELD_RO only supports the GET subcommand",
        ));
    }
    let len = bits::bytes_for(last_bit);
    let (grew, (replies, changes)) = place::change(cx, key, len, |bytes| {
        let mut changes = 0;
        let replies: Vec<Option<i64>> = steps
            .iter()
            .map(|step| step.run(bytes, &mut changes))
            .collect();
        (replies, changes)
    })?;
    // What all failed to fit may have made the string longer all the same.
    if grew || changes > 0 {
        cx.store.touch(cx.session.db, key);
        cx.event(STRING, "setbit", key);
        cx.dirty(changes.max(1));
    }
    cx.reply.array(replies.len());
    for value in replies {
        match value {
            Some(value) => cx.reply.integer(value),
            None => cx.reply.null(),
        }
    }
    Ok(Outcome::Done)
}

impl Action {
    fn is_get(self) -> bool {
        matches!(self, Action::Get)
    }
}

impl Step {
    /// The reply; what it changed is counted.
    fn run(&self, bytes: &mut [u8], changes: &mut u64) -> Option<i64> {
        let old = self.field.read(bytes, self.at);
        let wanted = match self.action {
            Action::Get => return Some(old),
            Action::Set(value) => self.field.given(value),
            Action::Add(by) => i128::from(old) + i128::from(by),
        };
        let new = self.field.fit(wanted, self.overflow)?;
        if new != old {
            self.field.write(bytes, self.at, new);
            *changes += 1;
        }
        match self.action {
            Action::Add(_) => Some(new),
            _ => Some(old),
        }
    }
}

fn parse(cx: &Cx, mut args: Args) -> Result<Vec<Step>, CmdError> {
    let mut steps = Vec::new();
    let mut overflow = Overflow::Wrap;
    while !args.is_empty() {
        let left = args.left() - 1;
        let kind = if left >= 2 && args.take("get") {
            Action::Get
        } else if left >= 3 && args.take("set") {
            Action::Set(0)
        } else if left >= 3 && args.take("incrby") {
            Action::Add(0)
        } else if left >= 1 && args.take("overflow") {
            overflow = parse_overflow(&mut args)?;
            continue;
        } else {
            return Err(CmdError::Syntax);
        };
        let field = parse_field(args.bytes())?;
        let at = place::field_offset(cx, args.bytes(), field.width())?;
        let action = match kind {
            Action::Get => Action::Get,
            Action::Set(_) => Action::Set(args.i64()),
            Action::Add(_) => Action::Add(args.i64()),
        };
        args.check()?;
        steps.push(Step {
            field,
            at,
            action,
            overflow,
        });
    }
    Ok(steps)
}

fn parse_overflow(args: &mut Args) -> Result<Overflow, CmdError> {
    const NAMES: [(&str, Overflow); 3] = [
        ("wrap", Overflow::Wrap),
        ("sat", Overflow::Saturate),
        ("fail", Overflow::Fail),
    ];
    let found = NAMES.iter().find(|(name, _)| args.take(name));
    found
        .map(|(_, overflow)| *overflow)
        .ok_or(CmdError::text("ERR Invalid OVERFLOW type specified"))
}

/// `i16`, `u8` and so on.
fn parse_field(arg: &[u8]) -> Result<Field, CmdError> {
    let field = match arg {
        [b'i', width @ ..] => parse_i64(width).and_then(|width| Field::new(true, width)),
        [b'u', width @ ..] => parse_i64(width).and_then(|width| Field::new(false, width)),
        _ => None,
    };
    field.ok_or(CmdError::text(
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported \
         but i64 is.",
    ))
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::TestServer;

    #[test]
    fn numbers_are_set_read_and_counted_with() {
        let mut server = TestServer::new();
        server.check_all(
            "BITFIELD a SET u8 0 255 INCRBY i5 100 1 GET u4 0",
            "[:0, :1, :15]",
            &["BITFIELD a SET u8 0 255 INCRBY i5 100 1 GET u4 0"],
            &["new a", "setbit a"],
        );
        server.check("STRLEN a", ":14");
        server.check_all(
            "BITFIELD a GET u8 #0 get i8 0 GET u8 500",
            "[:255, :-1, :0]",
            &[],
            &[],
        );
        server.check_all("BITFIELD a SET u8 0 255", "[:255]", &[], &[]);
        server.check("BITFIELD a SET i8 #1 -100 GET u8 #1", "[:0, :156]");
        server.check("BITFIELD a", "[]");
        server.check("BITFIELD none OVERFLOW FAIL", "[]");
        server.check("EXISTS none", ":0");
        server.check("BITFIELD b INCRBY u8 0 0", "[:0]");
        server.check("STRLEN b", ":1");
        assert_eq!(server.changes(), 4);
    }

    #[test]
    fn what_overflows() {
        let mut server = TestServer::new();
        server.check("BITFIELD a SET u8 0 -1", "[:0]");
        server.check("BITFIELD a INCRBY u8 0 1 GET u8 0", "[:0, :0]");
        server.check(
            "BITFIELD a OVERFLOW SAT INCRBY u8 0 300 OVERFLOW wrap INCRBY u8 0 2",
            "[:255, :1]",
        );
        server.check_all(
            "BITFIELD a OVERFLOW FAIL INCRBY u8 0 255",
            "[nil]",
            &[],
            &[],
        );
        server.check(
            "BITFIELD b OVERFLOW SAT SET i64 0 -1 INCRBY i64 0 -9223372036854775808",
            "[:0, :-9223372036854775808]",
        );
    }

    #[test]
    fn errors() {
        let mut server = TestServer::new();
        let no_type = "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is \
                       not supported but i64 is.";
        for kind in ["u64", "i65", "i0", "u-1", "8", "U8", "i", "x8", "\"\""] {
            server.check(&format!("BITFIELD a GET {kind} 0"), no_type);
        }
        let no_offset = "-ERR bit offset is not an integer or out of range";
        for offset in ["x", "-1", "#-1", "#", "##1", "4294967296", "#536870912"] {
            server.check(&format!("BITFIELD a GET u8 {offset}"), no_offset);
        }
        for line in ["GET u8", "SET u8 0", "INCRBY u8 0", "OVERFLOW", "X u8 0 0"] {
            server.check(&format!("BITFIELD a {line}"), "-ERR syntax error");
        }
        let no_overflow = "-ERR Invalid OVERFLOW type specified";
        server.check("BITFIELD a OVERFLOW x", no_overflow);
        let no_integer = "-ERR value is not an integer or out of range";
        server.check("BITFIELD a SET u8 0 x", no_integer);
        let only = "-ERR BITFIELD_RO only supports the GET subcommand";
        server.check("BITFIELD_RO a GET u8 0 SET u8 0 1", only);
        server.check("BITFIELD_RO a GET u8 0 OVERFLOW FAIL", "[:0]");
        server.check("EXISTS a", ":0");
    }
}
