//! FUNCTION: libraries that a leader or a file has brought. There is no engine here to run
//! them, so clients can list them, take them away and delete them, and add none: nobody could
//! tell whether their code is any good, which the followers would find out.

use super::args::Args;
use super::cx::{Cx, Handler, Outcome};
use super::error::CmdError;
use super::help;
use super::keyspace::verified;
use super::spec::flag::{ALLOW_BUSY, DENYOOM, LOADING, NOSCRIPT, STALE, WRITE};
use super::spec::{Locks, Spec, category};
use crate::base::glob;
use crate::config::Param;
use crate::rdb::dump;
use crate::rdb::encode::Encoder;
use crate::shared::libraries::{Libraries, Library, Refused};
use crate::shared::session::Origin;

pub const COMMANDS: &[Spec] =
    &[Spec::new("function", -2, 0, 0, help::no_subcommand).subcommands(SUBCOMMANDS)];

const SUBCOMMANDS: &[Spec] = &[
    change("delete", 3, 0, delete),
    subcommand("dump", 2, NOSCRIPT, dump),
    change("flush", -2, 0, flush),
    subcommand("help", 2, LOADING | STALE, print_help),
    subcommand("kill", 2, NOSCRIPT | ALLOW_BUSY, kill)
        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"]),
    subcommand("list", -2, NOSCRIPT, list).tips(&["nondeterministic_output_order"]),
    change("load", -3, DENYOOM, load),
    change("restore", -3, DENYOOM, restore),
    subcommand("stats", 2, NOSCRIPT | ALLOW_BUSY, stats).tips(&[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ]),
];

const fn subcommand(name: &'static str, arity: i32, flags: u32, handler: Handler) -> Spec {
    Spec::new(name, arity, flags, category::SCRIPTING, handler)
}

/// One that changes the libraries.
const fn change(name: &'static str, arity: i32, flags: u32, handler: Handler) -> Spec {
    subcommand(name, arity, WRITE | NOSCRIPT | flags, handler)
        .locks(Locks::Everything)
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
}

/// Reads a library, which must be one that a leader has run already.
fn taken(cx: &Cx, code: &[u8]) -> Result<Library, CmdError> {
    let library = Library::parse(code).map_err(refused)?;
    match cx.session.origin {
        Origin::Leader => Ok(library),
        Origin::Client => Err(CmdError::quoting(
            "ERR Engine '{}' not found",
            &[&library.engine],
        )),
    }
}

fn refused(Refused(text): Refused) -> CmdError {
    CmdError::made([b"ERR ", &*text].concat())
}

fn load(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let mut replace = false;
    while args.left() > 1 {
        if !args.take("replace") {
            let option = args.bytes();
            return Err(CmdError::quoting("ERR Unknown option given: {}", &[option]));
        }
        replace = true;
    }
    let library = taken(cx, args.bytes())?;
    let name = library.name.clone();
    let added = cx.shared.libraries.lock().add(library, replace);
    added.map_err(refused)?;
    cx.dirty(1);
    cx.reply.bulk(&name);
    Ok(Outcome::Done)
}

fn delete(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    if !cx.shared.libraries.lock().remove(args.bytes()) {
        return Err(CmdError::text("ERR Library not found"));
    }
    cx.dirty(1);
    cx.reply.ok();
    Ok(Outcome::Done)
}

fn flush(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    if args.left() > 1 {
        return Err(help::wrong_shape(&args, "FUNCTION"));
    }
    if !args.is_empty() && !args.take("sync") && !args.take("async") {
        return Err(CmdError::text(
            "ERR FUNCTION FLUSH only supports SYNC|ASYNC option",
        ));
    }
    *cx.shared.libraries.lock() = Libraries::default();
    cx.dirty(1);
    cx.reply.ok();
    Ok(Outcome::Done)
}

/// Which functions a library has only its engine could tell.
fn list(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (mut pattern, mut with_code) = (None, false);
    while !args.is_empty() {
        if !with_code && args.take("withcode") {
            with_code = true;
        } else if pattern.is_none() && args.take("libraryname") {
            let missing = CmdError::text("ERR library name argument was not given");
            pattern = Some(args.next().ok_or(missing)?);
        } else {
            let argument = args.bytes();
            return Err(CmdError::quoting("ERR Unknown argument {}", &[argument]));
        }
    }
    let libraries = cx.shared.libraries.lock().clone();
    let is_wanted = |library: &&Library| {
        pattern.is_none_or(|pattern| glob::matches(pattern, &library.name, true))
    };
    let wanted: Vec<&Library> = libraries.iter().filter(is_wanted).collect();
    cx.reply.array(wanted.len());
    for library in wanted {
        cx.reply.map(if with_code { 4 } else { 3 });
        cx.reply.bulk(b"library_name");
        cx.reply.bulk(&library.name);
        cx.reply.bulk(b"engine");
        cx.reply.bulk(&library.engine.to_ascii_uppercase());
        cx.reply.bulk(b"functions");
        cx.reply.array(0);
        if with_code {
            cx.reply.bulk(b"library_code");
            cx.reply.bulk(&library.code);
        }
    }
    Ok(Outcome::Done)
}

fn dump(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    let libraries = cx.shared.libraries.lock().clone();
    let mut encoder = Encoder::new(cx.shared.config.get_bool(Param::RdbCompression));
    let mut body = Vec::new();
    libraries.put(&mut encoder, &mut body);
    cx.reply.bulk(&dump::seal_functions(body));
    Ok(Outcome::Done)
}

fn restore(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let payload = args.bytes();
    if args.left() > 1 {
        return Err(help::wrong_shape(&args, "FUNCTION"));
    }
    let (flush, replace) = (args.take("flush"), args.take("replace"));
    if !flush && !replace && !args.is_empty() && !args.take("append") {
        return Err(CmdError::text(
            "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
        ));
    }
    let body = verified(cx, payload)?;
    let mut restored = Libraries::default();
    for code in dump::decode_functions(&body).map_err(CmdError::err)? {
        restored.add(taken(cx, &code)?, false).map_err(refused)?;
    }
    let mut libraries = cx.shared.libraries.lock();
    if flush {
        *libraries = restored;
    } else {
        libraries.join(&restored, replace).map_err(refused)?;
    }
    drop(libraries);
    cx.dirty(1);
    cx.reply.ok();
    Ok(Outcome::Done)
}

fn stats(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    cx.reply.map(2);
    cx.reply.bulk(b"running_script");
    cx.reply.null();
    cx.reply.bulk(b"engines");
    cx.reply.map(0);
    Ok(Outcome::Done)
}

fn kill(_cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    Err(CmdError::text("NOTBUSY No scripts in execution right now."))
}

fn print_help(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    help::reply(
        cx,
        "FUNCTION",
        &[
            "DELETE <library-name>",
            "    Delete a library.",
            "DUMP",
            "    Give all libraries as a payload for RESTORE.",
            "FLUSH [ASYNC|SYNC]",
            "    Delete all libraries.",
            "KILL",
            "    End the function that runs.",
            "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
            "    List the libraries, or those whose names match <pattern>.",
            "LOAD [REPLACE] <code>",
            "    Add a library, for whose language an engine must be there.",
            "RESTORE <payload> [FLUSH|APPEND|REPLACE]",
            "    Add the libraries of a payload to those that are there (APPEND), putting them in",
            "    the place of those of the same name (REPLACE) or of all (FLUSH).",
            "STATS",
            "    Tell which function runs, and which engines are there.",
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::TestServer;

    const LIBRARY: &str = "FUNCTION LOAD \"#!lua name=mylib\\nreturn 1\\n\"";

    fn follower() -> TestServer {
        let mut server = TestServer::new();
        server.session.origin = Origin::Leader;
        server
    }

    #[test]
    fn clients_add_nothing() {
        let mut server = TestServer::new();
        server.check(LIBRARY, "-ERR Engine 'lua' not found");
        server.check("FUNCTION LOAD x", "-ERR Missing library metadata");
        server.check("FUNCTION LOAD x y", "-ERR Unknown option given: x");
        server.check("FUNCTION LIST", "[]");
        server.check(
            "FUNCTION STATS",
            "[\"running_script\", nil, \"engines\", []]",
        );
        server.check(
            "FUNCTION KILL",
            "-NOTBUSY No scripts in execution right now.",
        );
        server.check("FUNCTION DELETE mylib", "-ERR Library not found");
    }

    #[test]
    fn what_the_leader_has_is_kept_and_passed_on() {
        let mut server = follower();
        server.check_all(LIBRARY, "\"mylib\"", &[LIBRARY], &[]);
        server.check(LIBRARY, "-ERR Library 'mylib' already exists");
        server.check(&LIBRARY.replace("LOAD", "LOAD replace"), "\"mylib\"");
        let listed = "[\"library_name\", \"mylib\", \"engine\", \"LUA\", \"functions\", []]";
        server.check("FUNCTION LIST LIBRARYNAME MY*", &format!("[{listed}]"));
        server.check("FUNCTION LIST LIBRARYNAME x", "[]");
        server.check(
            "FUNCTION LIST LIBRARYNAME",
            "-ERR library name argument was not given",
        );
        server.check(
            "FUNCTION LIST WITHCODE withcode",
            "-ERR Unknown argument withcode",
        );
        let code = "\"library_code\", \"#!lua name=mylib\\nreturn 1\\n\"]";
        let with_code = server.run("FUNCTION LIST WITHCODE");
        assert!(with_code.contains(code), "{with_code}");
        server.check_all(
            "FUNCTION DELETE mylib",
            "+OK",
            &["FUNCTION DELETE mylib"],
            &[],
        );
        server.check_all("FUNCTION FLUSH", "+OK", &["FUNCTION FLUSH"], &[]);
        server.check(
            "FUNCTION FLUSH now",
            "-ERR FUNCTION FLUSH only supports SYNC|ASYNC option",
        );
    }
}
