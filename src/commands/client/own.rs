//! A connection's own matters: its name, its library, whether and how it is served.

use crate::commands::args::Args;
use crate::commands::connection::{client_name, printable_word};
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::help as container;
use crate::config::Param;
use crate::shared::clients::client_flag;
use crate::shared::session::ReplyMode;

pub fn id(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    cx.reply.integer(cx.session.facts.id as i64);
    Ok(Outcome::Done)
}

pub fn getname(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    match cx.session.facts.text.lock().name.as_str() {
        "" => cx.reply.null(),
        name => cx.reply.bulk(name.as_bytes()),
    }
    Ok(Outcome::Done)
}

pub fn setname(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let name = client_name(args.bytes())?;
    cx.session.facts.text.lock().name = name;
    cx.reply.ok();
    Ok(Outcome::Done)
}

pub fn setinfo(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let option = args.bytes();
    let mut text = cx.session.facts.text.lock();
    let place = if option.eq_ignore_ascii_case(b"lib-name") {
        &mut text.library_name
    } else if option.eq_ignore_ascii_case(b"lib-ver") {
        &mut text.library_version
    } else {
        return Err(CmdError::quoting("ERR Unrecognized option '{}'", &[option]));
    };
    *place = printable_word(args.bytes()).ok_or_else(|| {
        let template = "ERR {} cannot contain spaces, newlines or special characters.";
        CmdError::quoting(template, &[option])
    })?;
    cx.reply.ok();
    Ok(Outcome::Done)
}

/// ON is answered, which is how a client learns that it is listened to again.
pub fn reply(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let session = &mut *cx.session;
    if args.take("ON") {
        session.reply_mode = ReplyMode::On;
        cx.reply.ok();
    } else if args.take("OFF") {
        session.reply_mode = ReplyMode::Off;
    } else if args.take("SKIP") {
        if session.reply_mode != ReplyMode::Off {
            session.reply_mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(CmdError::Syntax);
    }
    Ok(Outcome::Done)
}

pub fn no_evict(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let on = on_or_off(&mut args)?;
    cx.session.facts.set(client_flag::NO_EVICT, on);
    if !on {
        cx.shared.clients.ledger.look_again();
    }
    cx.reply.ok();
    Ok(Outcome::Done)
}

pub fn no_touch(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    cx.session.no_touch = on_or_off(&mut args)?;
    cx.store.touch_access = !cx.session.no_touch;
    cx.reply.ok();
    Ok(Outcome::Done)
}

/// What this client can do. What is not known here is nothing that matters here.
pub fn capabilities(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    while !args.is_empty() {
        if args.take("redirect") {
            cx.session.facts.set(client_flag::CAN_BE_REDIRECTED, true);
        } else {
            args.skip(1);
        }
    }
    cx.reply.ok();
    Ok(Outcome::Done)
}

pub fn import_source(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let off = args.take("OFF");
    if !off && !cx.shared.config.get_bool(Param::ImportMode) {
        return Err(CmdError::text("ERR Server is not in import mode"));
    }
    let on = !off && on_or_off(&mut args)?;
    cx.session.facts.set(client_flag::IMPORT_SOURCE, on);
    cx.session.import_source = on;
    cx.reply.ok();
    Ok(Outcome::Done)
}

fn on_or_off(args: &mut Args) -> Result<bool, CmdError> {
    if args.take("ON") {
        Ok(true)
    } else if args.take("OFF") {
        Ok(false)
    } else {
        Err(CmdError::Syntax)
    }
}

pub fn help(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    container::reply(
        cx,
        "CLIENT",
        &[
            "CACHING (YES|NO)",
            "    Track, or do not track, what the next command reads.",
            "CAPA <capability> [<capability> ...]",
            "    Say what this client can do:",
            "    * REDIRECT: it goes to the leader when a follower sends it there.",
            "GETNAME",
            "    Tell the name of this connection.",
            "GETREDIR",
            "    Tell whom invalidations of what this connection tracks go to.",
            "ID",
            "    Tell the id of this connection.",
            "IMPORT-SOURCE (ON|OFF)",
            "    In import mode, let this connection see keys whose time has come.",
            "INFO",
            "    Describe this connection.",
            "KILL <ip:port>",
            "    Close the connection from <ip:port>.",
            "KILL <option> <value> [<option> <value> [...]]",
            "    Close the connections that meet all conditions:",
            "    * ADDR (<ip:port>|<unixsocket>:0): they come from there.",
            "    * CAPA <letters>: they have these capabilities.",
            "    * DB <number>: they have selected this database.",
            "    * FLAGS <letters>: they have all of these flags.",
            "    * ID <client-id> [<client-id> ...]: they have one of these ids.",
            "    * IDLE <seconds>: they have been idle at least so long.",
            "    * IP <ip>: they come from this machine.",
            "    * LADDR (<ip:port>|<unixsocket>:0): they came in there.",
            "    * LIB-NAME <name>, LIB-VER <version>: they use this library.",
            "    * MAXAGE <seconds>: they are at least so old.",
            "    * NAME <name>: they have this name.",
            "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB): they are of this type.",
            "    * USER <username>: they logged in by this name.",
            "    * NOT-<option>: all but those, of any option but IDLE and MAXAGE.",
            "    * SKIPME (YES|NO): this connection is left out (default: yes).",
            "LIST [<option> <value> [<option> <value> [...]]]",
            "    Describe all connections, or those that meet the same conditions as in KILL",
            "    (default of SKIPME: no).",
            "NO-EVICT (ON|OFF)",
            "    Spare this connection when memory for clients runs out.",
            "NO-TOUCH (ON|OFF)",
            "    Let what this connection does leave no trace in the keys' access times.",
            "PAUSE <milliseconds> [WRITE|ALL]",
            "    Let all clients wait, or only their writes.",
            "REPLY (ON|OFF|SKIP)",
            "    Answer this connection, or not, or not the next command.",
            "SETINFO (LIB-NAME|LIB-VER) <value>",
            "    Note which client library this is.",
            "SETNAME <name>",
            "    Name this connection.",
            "TRACKING (ON|OFF) [<option> ...]",
            "    Tell this connection when what it has read changes, or stop that:",
            "    * REDIRECT <client-id>: tell that connection instead.",
            "    * BCAST: tell it of all keys.",
            "    * PREFIX <prefix>: of those that begin so; may be repeated.",
            "    * OPTIN, OPTOUT: only what CLIENT CACHING asks for, or all but that.",
            "    * NOLOOP: not of its own changes.",
            "TRACKINGINFO",
            "    Tell how this connection tracks keys.",
            "UNBLOCK <client-id> [TIMEOUT|ERROR]",
            "    End another client's wait, as if its time were up or with an error.",
            "UNPAUSE",
            "    End the pause.",
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::TestServer;

    #[test]
    fn names_are_single_words() {
        let mut server = TestServer::new();
        let refusal = "cannot contain spaces, newlines or special characters.";
        server.check("CLIENT GETNAME", "nil");
        server.check("CLIENT SETNAME abc", "+OK");
        for bad in ["a b", "a\\n", "\\x00", "\\xff"] {
            let line = format!("CLIENT SETNAME \"{bad}\"");
            server.check(&line, &format!("-ERR Client names {refusal}"));
            let line = format!("CLIENT SETINFO LIB-NAME \"{bad}\"");
            server.check(&line, &format!("-ERR LIB-NAME {refusal}"));
        }
        server.check("CLIENT GETNAME", "\"abc\"");
        server.check("CLIENT SETNAME \"\"", "+OK");
        server.check("CLIENT GETNAME", "nil");
        server.check("CLIENT SETINFO lib-ver 1.2", "+OK");
        server.check("CLIENT SETINFO foo 1", "-ERR Unrecognized option 'foo'");
        assert!(
            server
                .run("CLIENT INFO")
                .contains(" lib-name= lib-ver=1.2 ")
        );
    }

    #[test]
    fn switches() {
        let mut server = TestServer::new();
        server.check("CLIENT ID", ":1");
        server.check("CLIENT NO-EVICT maybe", "-ERR syntax error");
        server.check("CLIENT NO-TOUCH maybe", "-ERR syntax error");
        server.check("CLIENT NO-TOUCH ON", "+OK");
        server.check("CLIENT CAPA foo REDIRECT", "+OK");
        assert!(server.run("CLIENT INFO").contains(" capa=r\\n"));
        server.check(
            "CLIENT IMPORT-SOURCE ON",
            "-ERR Server is not in import mode",
        );
        server.check("CLIENT IMPORT-SOURCE OFF", "+OK");
        server.run("CONFIG SET import-mode yes");
        server.check("CLIENT IMPORT-SOURCE maybe", "-ERR syntax error");
        server.check("CLIENT IMPORT-SOURCE ON", "+OK");
        assert!(server.run("CLIENT INFO").contains(" flags=TI "));
        assert!(server.session.no_touch);
        server.check("CLIENT REPLY maybe", "-ERR syntax error");
        server.check("CLIENT REPLY SKIP", "");
        assert_eq!(server.session.reply_mode, ReplyMode::SkipNext);
        server.check("CLIENT REPLY OFF", "");
        server.check("CLIENT REPLY SKIP", "");
        assert_eq!(server.session.reply_mode, ReplyMode::Off);
        server.check("CLIENT REPLY ON", "+OK");
        assert!(
            server
                .run("CLIENT HELP")
                .starts_with("[+CLIENT <subcommand> ")
        );
    }
}
