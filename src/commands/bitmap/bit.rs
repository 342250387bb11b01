//! One bit.

use super::place;
use crate::base::number::parse_i64;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::store::effects::event::STRING;
use crate::types::bits;

pub fn setbit(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let at = place::offset(cx, args.bytes())?;
    let bit = match parse_i64(args.bytes()) {
        Some(0) => false,
        Some(1) => true,
        _ => {
            let error = "ERR bit is not an integer or out of range";
            return Err(CmdError::text(error));
        }
    };
    let len = bits::bytes_for(at);
    let (grew, old) = place::change(cx, key, len, |bytes| bits::set(bytes, at, bit))?;
    if grew || old != bit {
        cx.store.touch(cx.session.db, key);
        cx.event(STRING, "setbit", key);
        cx.dirty(1);
    }
    cx.reply.integer(old.into());
    Ok(Outcome::Done)
}

pub fn getbit(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let at = place::offset(cx, args.bytes())?;
    let bytes = place::read(cx, key)?.unwrap_or_default();
    let bit = bits::get(bytes, at);
    cx.reply.integer(bit.into());
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::TestServer;

    const NO_OFFSET: &str = "-ERR bit offset is not an integer or out of range";
    const NO_BIT: &str = "-ERR bit is not an integer or out of range";

    #[test]
    fn bits_are_set_and_read() {
        let mut server = TestServer::new();
        server.check_all(
            "SETBIT a 7 1",
            ":0",
            &["SETBIT a 7 1"],
            &["new a", "setbit a"],
        );
        server.check("GET a", "\"\\x01\"");
        server.check_all("SETBIT a 7 1", ":1", &[], &[]);
        server.check_all("SETBIT a 7 0", ":1", &["SETBIT a 7 0"], &["setbit a"]);
        server.check_all("SETBIT a 20 0", ":0", &["SETBIT a 20 0"], &["setbit a"]);
        server.check("GET a", "\"\\x00\\x00\\x00\"");
        server.check("GETBIT a 20", ":0");
        server.check("GETBIT a 4000000000", ":0");
        server.check_all("GETBIT none 1", ":0", &[], &["keymiss none"]);
        server.check("SET a 1234", "+OK");
        server.check("SETBIT a 6 1", ":0");
        server.check("GET a", "\"3234\"");
        server.check("OBJECT ENCODING a", "\"raw\"");
        server.check("SETBIT b 0 0", ":0");
        server.check("STRLEN b", ":1");
    }

    #[test]
    fn an_expiry_stays_and_growing_is_by_all_sizes() {
        let mut server = TestServer::new();
        server.check("SETBIT a 0 1", ":0");
        server.run("PEXPIRE a 100");
        for at in (9..20_000).step_by(119) {
            server.check(&format!("SETBIT a {at} 1"), ":0");
            server.check("STRLEN a", &format!(":{}", at / 8 + 1));
        }
        server.check("BITCOUNT a", ":169");
        server.check("PTTL a", ":100");
        server.advance_ms(101);
        server.check("GETBIT a 0", ":0");
    }

    #[test]
    fn what_is_no_bit() {
        let mut server = TestServer::new();
        for offset in ["x", "-1", "4294967296", "9223372036854775808", "\" 1\""] {
            server.check(&format!("SETBIT a {offset} x"), NO_OFFSET);
            server.check(&format!("GETBIT a {offset}"), NO_OFFSET);
        }
        for bit in ["2", "-1", "x", "\"\""] {
            server.check(&format!("SETBIT a 1 {bit}"), NO_BIT);
        }
        server.check("EXISTS a", ":0");
    }
}
