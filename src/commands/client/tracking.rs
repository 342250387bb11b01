//! CLIENT TRACKING and its relatives: what a client may have cached is noted.

use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::shared::clients::client_flag;
use crate::shared::tracking::Wish;

const OTHER_MODE: &str = "before disabling tracking for this client, and then re-enabling it \
                          with a different mode.";

pub fn tracking(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let word = args.bytes();
    let (wish, prefixes) = parse(cx, args)?;
    let facts = cx.session.facts.clone();
    if word.eq_ignore_ascii_case(b"on") {
        check(cx, wish, &prefixes)?;
        cx.shared.tracking.enable(&facts, wish, &prefixes);
    } else if word.eq_ignore_ascii_case(b"off") {
        cx.shared.tracking.disable(&facts);
    } else {
        return Err(CmdError::Syntax);
    }
    cx.reply.ok();
    Ok(Outcome::Done)
}

fn parse<'a>(cx: &Cx, mut args: Args<'a>) -> Result<(Wish, Vec<&'a [u8]>), CmdError> {
    let (mut wish, mut prefixes) = (Wish::default(), Vec::new());
    while !args.is_empty() {
        let has_value = args.left() > 1;
        if has_value && args.take("redirect") {
            if wish.redirect_to != 0 {
                let error = "A client can only redirect to a single other client";
                return Err(CmdError::err(error));
            }
            let id = args.i64();
            args.check()?;
            let is_there = u64::try_from(id).ok();
            let is_there = is_there.filter(|id| cx.shared.clients.get(*id).is_some());
            wish.redirect_to = is_there.ok_or(CmdError::text(
                "ERR The client ID you want redirect to does not exist",
            ))?;
        } else if args.take("bcast") {
            wish.broadcast = true;
        } else if args.take("optin") {
            wish.opt_in = true;
        } else if args.take("optout") {
            wish.opt_out = true;
        } else if args.take("noloop") {
            wish.no_loop = true;
        } else if has_value && args.take("prefix") {
            prefixes.push(args.bytes());
        } else {
            return Err(CmdError::Syntax);
        }
    }
    Ok((wish, prefixes))
}

/// Whether wishes go together, and with what the client has wished before.
fn check(cx: &Cx, wish: Wish, prefixes: &[&[u8]]) -> Result<(), CmdError> {
    let facts = &cx.session.facts;
    let refuse = |text: String| Err(CmdError::err(text));
    if !wish.broadcast && !prefixes.is_empty() {
        return refuse("PREFIX option requires BCAST mode to be enabled".into());
    }
    let is_on = facts.has(client_flag::TRACKING);
    if is_on && facts.has(client_flag::BROADCAST) != wish.broadcast {
        return refuse(format!("You can't switch BCAST mode on/off {OTHER_MODE}"));
    }
    if wish.broadcast && (wish.opt_in || wish.opt_out) {
        return refuse("OPTIN and OPTOUT are not compatible with BCAST".into());
    }
    if wish.opt_in && wish.opt_out {
        return refuse("You can't specify both OPTIN mode and OPTOUT mode".into());
    }
    if wish.opt_in && facts.has(client_flag::OPT_OUT)
        || wish.opt_out && facts.has(client_flag::OPT_IN)
    {
        return refuse(format!("You can't switch OPTIN/OPTOUT mode {OTHER_MODE}"));
    }
    check_prefixes(cx, prefixes)
}

/// A client must not be told twice: none of its prefixes may begin with another one.
fn check_prefixes(cx: &Cx, prefixes: &[&[u8]]) -> Result<(), CmdError> {
    let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    let refuse = |prefix: &[u8], kind: &str, other: &[u8]| {
        Err(CmdError::quoting(
            "ERR Prefix '{}' overlaps with {} prefix '{}'. Prefixes for a single client must not \
             overlap.",
            &[prefix, kind.as_bytes(), other],
        ))
    };
    let own = cx.shared.tracking.prefixes_of(cx.session.facts.id);
    for (at, prefix) in prefixes.iter().enumerate() {
        if let Some(other) = own.iter().find(|other| overlap(prefix, other)) {
            return refuse(prefix, "an existing", other);
        }
        if let Some(other) = prefixes[at + 1..]
            .iter()
            .find(|other| overlap(prefix, other))
        {
            return refuse(prefix, "another provided", other);
        }
    }
    Ok(())
}

pub fn caching(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let facts = &cx.session.facts;
    if !facts.has(client_flag::TRACKING) {
        return Err(CmdError::text(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with \
             OPTIN or OPTOUT mode enabled",
        ));
    }
    if args.take("yes") {
        if !facts.has(client_flag::OPT_IN) {
            return Err(CmdError::text(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            ));
        }
    } else if args.take("no") {
        if !facts.has(client_flag::OPT_OUT) {
            return Err(CmdError::text(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            ));
        }
    } else {
        return Err(CmdError::Syntax);
    }
    facts.set(client_flag::CACHING_SAID, true);
    cx.reply.ok();
    Ok(Outcome::Done)
}

pub fn getredir(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    cx.reply.integer(cx.session.facts.redirects_to());
    Ok(Outcome::Done)
}

pub fn trackinginfo(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    let facts = cx.session.facts.clone();
    let has = |flag| facts.has(flag);
    let said = has(client_flag::CACHING_SAID);
    let flags = [
        ("off", !has(client_flag::TRACKING)),
        ("on", has(client_flag::TRACKING)),
        ("bcast", has(client_flag::BROADCAST)),
        ("optin", has(client_flag::OPT_IN)),
        ("caching-yes", said && has(client_flag::OPT_IN)),
        ("optout", has(client_flag::OPT_OUT)),
        ("caching-no", said && has(client_flag::OPT_OUT)),
        ("noloop", has(client_flag::NO_LOOP)),
        ("broken_redirect", has(client_flag::BROKEN_REDIRECT)),
    ];
    let on: Vec<&str> = flags
        .iter()
        .filter(|(_, on)| *on)
        .map(|(name, _)| *name)
        .collect();
    cx.reply.map(3);
    cx.reply.bulk(b"flags");
    cx.reply.set(on.len());
    on.iter().for_each(|name| cx.reply.bulk(name.as_bytes()));
    cx.reply.bulk(b"redirect");
    cx.reply.integer(facts.redirects_to());
    cx.reply.bulk(b"prefixes");
    let prefixes = cx.shared.tracking.prefixes_of(facts.id);
    cx.reply.array(prefixes.len());
    prefixes.iter().for_each(|prefix| cx.reply.bulk(prefix));
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::TestServer;

    const SYNTAX: &str = "-ERR syntax error";

    #[test]
    fn what_is_wished_is_told() {
        let mut server = TestServer::resp3();
        let mut check = |line: &str, flags: &str, redirect: &str, prefixes: &str| {
            server.check(line, "+OK");
            let info = format!(
                "{{\"flags\": ~[{flags}], \"redirect\": :{redirect}, \"prefixes\": [{prefixes}]}}"
            );
            server.check("CLIENT TRACKINGINFO", &info);
            server.check("CLIENT GETREDIR", &format!(":{redirect}"));
        };
        check("CLIENT TRACKING off", "\"off\"", "-1", "");
        check("CLIENT TRACKING on", "\"on\"", "0", "");
        check("CLIENT TRACKING ON redirect 1", "\"on\"", "1", "");
        check("CLIENT TRACKING on NOLOOP", "\"on\", \"noloop\"", "0", "");
        check("CLIENT TRACKING on OPTIN", "\"on\", \"optin\"", "0", "");
        let caching = "\"on\", \"optin\", \"caching-yes\"";
        check("CLIENT CACHING yes", caching, "0", "");
        check("CLIENT TRACKING off", "\"off\"", "-1", "");
        check("CLIENT TRACKING on OPTOUT", "\"on\", \"optout\"", "0", "");
        let caching = "\"on\", \"optout\", \"caching-no\"";
        check("CLIENT CACHING no", caching, "0", "");
        check("CLIENT TRACKING off", "\"off\"", "-1", "");
        check("CLIENT TRACKING on BCAST", "\"on\", \"bcast\"", "0", "\"\"");
        check("CLIENT TRACKING off", "\"off\"", "-1", "");
        let line = "CLIENT TRACKING on BCAST PREFIX b PREFIX a";
        check(line, "\"on\", \"bcast\"", "0", "\"a\", \"b\"");
        let line = "CLIENT TRACKING on BCAST PREFIX c";
        check(line, "\"on\", \"bcast\"", "0", "\"a\", \"b\", \"c\"");
        check("CLIENT TRACKING off", "\"off\"", "-1", "");
    }

    #[test]
    fn what_does_not_go_together() {
        let mut server = TestServer::new();
        for (line, expect) in [
            ("maybe", SYNTAX),
            ("on REDIRECT", SYNTAX),
            ("on PREFIX", SYNTAX),
            ("on WHAT", SYNTAX),
            (
                "on REDIRECT x",
                "-ERR value is not an integer or out of range",
            ),
            (
                "on REDIRECT 99",
                "-ERR The client ID you want redirect to does not exist",
            ),
            (
                "on REDIRECT 1 REDIRECT 1",
                "-ERR A client can only redirect to a single other client",
            ),
            (
                "on PREFIX a",
                "-ERR PREFIX option requires BCAST mode to be enabled",
            ),
            (
                "on BCAST OPTIN",
                "-ERR OPTIN and OPTOUT are not compatible with BCAST",
            ),
            (
                "on OPTIN OPTOUT",
                "-ERR You can't specify both OPTIN mode and OPTOUT mode",
            ),
            (
                "on BCAST PREFIX ab PREFIX a",
                "-ERR Prefix 'ab' overlaps with another provided prefix 'a'. Prefixes for a \
                 single client must not overlap.",
            ),
        ] {
            server.check(&format!("CLIENT TRACKING {line}"), expect);
        }
        let only = "-ERR CLIENT CACHING can be called only when the client is in tracking mode \
                    with OPTIN or OPTOUT mode enabled";
        server.check("CLIENT CACHING yes", only);
        server.check("CLIENT TRACKING on OPTIN", "+OK");
        let no = "-ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.";
        server.check("CLIENT CACHING no", no);
        server.check("CLIENT CACHING maybe", SYNTAX);
        let switch = "before disabling tracking for this client, and then re-enabling it with a \
                      different mode.";
        let refused = format!("-ERR You can't switch OPTIN/OPTOUT mode {switch}");
        server.check("CLIENT TRACKING on OPTOUT", &refused);
        let refused = format!("-ERR You can't switch BCAST mode on/off {switch}");
        server.check("CLIENT TRACKING on BCAST", &refused);
        server.check("CLIENT TRACKING off", "+OK");
        server.check("CLIENT TRACKING on BCAST PREFIX ab", "+OK");
        server.check(
            "CLIENT TRACKING on BCAST PREFIX abc",
            "-ERR Prefix 'abc' overlaps with an existing prefix 'ab'. Prefixes for a single \
             client must not overlap.",
        );
        assert!(server.run("CLIENT INFO").contains(" flags=tB "));
        assert!(server.run("CLIENT INFO").contains(" redir=0 "));
        server.check("RESET", "+RESET");
        server.check("CLIENT GETREDIR", ":-1");
    }
}
