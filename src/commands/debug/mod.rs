//! DEBUG: what tests steer a server by. Every subcommand that means something here; those of
//! Redis that are about what there is in Redis alone are unknown.

/// DIGEST and DIGEST-VALUE.
mod digest;

/// OBJECT and the others that show how keys and values are kept.
mod kept;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::args::Args;
use super::cx::{Cx, Job, Outcome};
use super::error::CmdError;
use super::help;
use super::spec::flag::{ADMIN, LOADING, NOSCRIPT, PROTECTED, STALE};
use super::spec::{Locks, Spec};
use crate::base::number::{parse_f64, parse_i64, parse_memory};
use crate::base::rng::Rng;
use crate::oplog::ReplId;
use crate::resp::request::Argv;
use crate::store::view::Ttl;
use crate::types::Encoding;

const FLAGS: u32 = ADMIN | NOSCRIPT | LOADING | STALE | PROTECTED;

pub const COMMANDS: &[Spec] =
    &[Spec::new("debug", -2, FLAGS, 0, debug).locks(Locks::EverythingIf(needs_everything))];

/// Whether a subcommand looks at keys, or stops everybody.
fn needs_everything(argv: Argv) -> bool {
    const THOSE: [&str; 12] = [
        "sleep",
        "digest",
        "digest-value",
        "object",
        "sdslen",
        "listpack",
        "quicklist",
        "htstats",
        "htstats-key",
        "populate",
        "replicate",
        "change-repl-id",
    ];
    let given = argv.get(1);
    THOSE
        .iter()
        .any(|name| given.eq_ignore_ascii_case(name.as_bytes()))
}

fn debug(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let name = args.bytes().to_ascii_lowercase();
    let (jobs, before) = (&cx.shared.jobs, cx.reply.len_bytes());
    match (&name[..], args.left()) {
        (b"help", 0) => return help(cx),
        (b"sleep", 1) => return sleep(cx, args.bytes()),
        (b"reload", _) => return reload(args),
        (b"loadaof", 0) => {
            return Err(CmdError::text(
                "ERR Error trying to load the AOF files, check server logs.",
            ));
        }
        (b"digest", 0) => digest::digest(cx),
        (b"digest-value", _) => digest::digest_value(cx, args),
        (b"object", 1) => kept::object(cx, args.key())?,
        (b"sdslen", 1) => kept::string_sizes(cx, args.key())?,
        (b"listpack", 1) => kept::log_bytes(cx, args.key(), Encoding::ListPack)?,
        (b"quicklist", 1..=2) => kept::log_bytes(cx, args.key(), Encoding::QuickList)?,
        (b"htstats", 1..) => kept::table_sizes(cx, args)?,
        (b"htstats-key", 1..) => kept::value_size(cx, args.key())?,
        (b"populate", 1..=3) => populate(cx, args)?,
        (b"protocol", 1) => protocol(cx, args.bytes())?,
        (b"set-active-expire", 1) => switch(&jobs.expiry_is_off, !is_on(args.bytes())),
        (b"pause-cron", 1) => switch(&jobs.cron_is_paused, is_on(args.bytes())),
        (b"set-skip-checksum-validation", 1) => {
            switch(&jobs.checksums_are_skipped, is_on(args.bytes()));
        }
        (b"replybuffer", 2) => reply_buffer(args)?,
        (b"dict-resizing", 1) => {}
        (b"quicklist-packed-threshold", 1) => plain_from_bytes(cx, args.bytes())?,
        (b"replicate", 1..) => replicate(cx, args),
        (b"change-repl-id", 0) => change_repl_id(cx),
        (b"log", 1) => {
            let message = String::from_utf8_lossy(args.bytes());
            tracing::warn!("DEBUG LOG: {message}");
        }
        (b"error", 1) => cx.reply.error_bytes(args.bytes()),
        (b"config-rewrite-force-all", 0) => {
            return Ok(Outcome::Ask(Job::RewriteConfig { all: true }));
        }
        (b"restart", 0..=1) => return restart(false, args),
        (b"crash-and-recover", 0..=1) => return restart(true, args),
        (b"segfault" | b"panic" | b"assert" | b"oom", 0) => return Ok(Outcome::Ask(Job::Crash)),
        _ => return Err(help::wrong_shape(&args, "DEBUG")),
    }
    if cx.reply.len_bytes() == before {
        cx.reply.ok();
    }
    Ok(Outcome::Done)
}

/// A number other than 0, as C's `atoi` sees it.
fn is_on(arg: &[u8]) -> bool {
    parse_i64(arg).unwrap_or(0) != 0
}

fn switch(fact: &AtomicBool, on: bool) {
    fact.store(on, Ordering::Relaxed);
}

/// Stands still with everything locked, and with it all threads that look at keys; the
/// others ask `Jobs::keep_going`. Tests rely on a server that looks dead.
fn sleep(cx: &mut Cx, seconds: &[u8]) -> Result<Outcome, CmdError> {
    let seconds = parse_f64(seconds).unwrap_or(0.0);
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO);
    let still = cx.shared.jobs.stand_still();
    std::thread::sleep(duration);
    drop(still);
    cx.reply.ok();
    Ok(Outcome::Done)
}

fn reload(mut args: Args) -> Result<Outcome, CmdError> {
    let (mut save, mut flush, mut merge) = (true, true, false);
    while !args.is_empty() {
        if args.take("nosave") {
            save = false;
        } else if args.take("noflush") {
            flush = false;
        } else if args.take("merge") {
            merge = true;
        } else {
            return Err(CmdError::text(
                "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
            ));
        }
    }
    Ok(Outcome::Ask(Job::Reload { save, flush, merge }))
}

fn restart(crash: bool, mut args: Args) -> Result<Outcome, CmdError> {
    let delay_ms = if args.is_empty() { 0 } else { args.i64() };
    args.finish()?;
    let delay_ms = delay_ms.max(0).unsigned_abs();
    Ok(Outcome::Ask(Job::Restart { crash, delay_ms }))
}

/// Has values of lists packed, or not, by this size instead of the directives'.
fn plain_from_bytes(cx: &mut Cx, size: &[u8]) -> Result<(), CmdError> {
    const MB: u64 = 1 << 20;
    const GB: u64 = 1 << 30;
    const NO_SIZE: &str = "ERR argument must be a memory value bigger than 1 and smaller than 4gb";
    let bytes = parse_memory(size).filter(|&bytes| bytes <= 4 * GB - MB);
    let bytes = bytes.ok_or(CmdError::text(NO_SIZE))?;
    let threshold = &cx.shared.config.plain_from_bytes;
    threshold.store(bytes as usize, Ordering::Relaxed);
    Ok(())
}

/// Adds keys `prefix:0`, `prefix:1`, ... that are not there yet. Followers are not told.
fn populate(cx: &mut Cx, mut args: Args) -> Result<(), CmdError> {
    let positive = || CmdError::text("ERR value is out of range, must be positive");
    let count = args.i64_or(positive());
    let prefix = args.next().unwrap_or(b"key");
    let size = if args.is_empty() {
        0
    } else {
        args.i64_or(positive())
    };
    args.finish()?;
    if count < 0 || size < 0 {
        return Err(positive());
    }
    let db = cx.session.db;
    for number in 0..count {
        let mut name = prefix.to_vec();
        name.extend_from_slice(format!(":{number}").as_bytes());
        let key = cx.store.keyspace.key(&name);
        if cx.store.exists(db, key) {
            continue;
        }
        let mut value = format!("value:{number}").into_bytes();
        if size > 0 {
            value.resize(size as usize, 0);
        }
        cx.store.set_string(db, key, &value, Ttl::Set(None));
    }
    Ok(())
}

/// Logs a command that was not run here, so that followers differ.
fn replicate(cx: &mut Cx, mut args: Args) {
    let mut command = Vec::with_capacity(args.left());
    while let Some(arg) = args.next() {
        command.push(arg);
    }
    cx.log_instead(&command);
}

fn change_repl_id(cx: &mut Cx) {
    tracing::info!("Changing replication IDs after receiving change-repl-id");
    let id = ReplId::from_hex(Rng::from_entropy().hex_id());
    cx.shared.history.lock().start_anew(id);
}

fn protocol(cx: &mut Cx, kind: &[u8]) -> Result<(), CmdError> {
    let reply = &mut *cx.reply;
    match &kind.to_ascii_lowercase()[..] {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.integer(12345),
        b"double" => reply.double(3141.0 / 1000.0),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|n| reply.integer(n));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|n| reply.integer(n));
        }
        b"map" => {
            reply.map(3);
            for n in 0..3 {
                reply.integer(n);
                reply.boolean(n == 1);
            }
        }
        b"attrib" => {
            if reply.resp3() {
                reply.attribute(1);
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.integer(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" if !reply.resp3() => {
            return Err(CmdError::text("ERR RESP2 is not supported by this command"));
        }
        b"push" => {
            // A command's own pushes follow its reply.
            reply.bulk(b"Some real reply following the push reply");
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.integer(42);
        }
        b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        b"verbatim" => reply.verbatim("txt", b"This is a verbatim\nstring"),
        _ => {
            return Err(CmdError::text(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

fn reply_buffer(mut args: Args) -> Result<(), CmdError> {
    if args.take("resizing") {
        return Ok(());
    }
    if !args.take("peak-reset-time") {
        return Err(help::wrong_shape(&args, "DEBUG"));
    }
    if !args.take("never") && !args.take("reset") {
        args.i64();
    }
    args.check()
}

fn help(cx: &mut Cx) -> Result<Outcome, CmdError> {
    let lines = [
        "ASSERT, OOM, PANIC, SEGFAULT",
        "    End the process at once, without saving.",
        "CHANGE-REPL-ID",
        "    Take a new replication id and forget the second one.",
        "CONFIG-REWRITE-FORCE-ALL",
        "    As CONFIG REWRITE, but write every directive, whatever its value.",
        "CRASH-AND-RECOVER [<milliseconds>]",
        "    End without saving and start again, after a delay.",
        "DICT-RESIZING <0|1>",
        "    Accepted, without effect: tables grow and shrink piece by piece.",
        "DIGEST",
        "    Show a digest of the whole dataset: equal data have equal digests.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    Show a digest of the value of each key.",
        "ERROR <string>",
        "    Answer with an error of this text.",
        "HTSTATS <dbid>",
        "    Show the sizes of a database's tables, as if they were one.",
        "HTSTATS-KEY <key>",
        "    Show the size of a large hash, set or sorted set.",
        "LISTPACK <key>",
        "    Write the bytes of a small value, which are a listpack, into the log.",
        "LOADAOF",
        "    Fails: there is no append-only file.",
        "LOG <message>",
        "    Write <message> into the log.",
        "OBJECT <key>",
        "    Show how the value of <key> is kept.",
        "PAUSE-CRON <0|1>",
        "    Stop what is done every so often, or go on with it.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Add <count> strings under <prefix>:0, <prefix>:1 and so on that are not there yet.",
        "    Followers are not told of them.",
        "PROTOCOL <type>",
        "    Answer with a value of this type: string, integer, double, bignum, null, array,",
        "    set, map, attrib, push, verbatim, true or false.",
        "QUICKLIST <key>",
        "    Write the bytes of a large list, whose nodes are listpacks, into the log.",
        "QUICKLIST-PACKED-THRESHOLD <size>",
        "    Keep values of lists that have so many bytes in nodes of their own; 0 leaves that to",
        "    list-max-listpack-size.",
        "RELOAD [NOSAVE] [NOFLUSH] [MERGE]",
        "    Save the dataset and load it again. With NOSAVE load what was saved before, with",
        "    NOFLUSH beside what there is, with MERGE in place of what there is.",
        "REPLYBUFFER RESIZING <0|1>",
        "REPLYBUFFER PEAK-RESET-TIME <NEVER|RESET|milliseconds>",
        "    Accepted, without effect: clients have no reply buffers of fixed sizes.",
        "REPLICATE <arg> [<arg> ...]",
        "    Send followers a command that is not run here.",
        "RESTART [<milliseconds>]",
        "    Save and start again, after a delay.",
        "SDSLEN <key>",
        "    Show the lengths of <key> and of its string, and how much more fits in.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Delete keys whose time has come only when they are asked for, or as usual.",
        "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
        "    Skip, or verify, the checksums of RDB files and of RESTORE's payloads.",
        "SLEEP <seconds>",
        "    Stand still; decimals are allowed.",
    ];
    help::reply(cx, "DEBUG", &lines)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::testing::TestServer;
    use super::*;

    #[track_caller]
    fn check_asks(line: &str, expect: Job) {
        let mut server = TestServer::new();
        server.check(line, "");
        match &server.outcome {
            Outcome::Ask(job) => assert_eq!(*job, expect, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn what_fits_no_subcommand() {
        let mut server = TestServer::new();
        for line in [
            "foo", "log", "log a b", "sleep", "populate", "help me", "error",
        ] {
            let name = line.split(' ').next().unwrap();
            let expect = format!(
                "-ERR unknown subcommand or wrong number of arguments for '{name}'. Try DEBUG \
                 HELP."
            );
            server.check(&format!("DEBUG {line}"), &expect);
        }
        assert!(server.run("DEBUG HELP").contains("SET-ACTIVE-EXPIRE <0|1>"));
    }

    #[test]
    fn tasks_are_left_to_others() {
        let job = |save, flush, merge| Job::Reload { save, flush, merge };
        check_asks("DEBUG RELOAD", job(true, true, false));
        check_asks("DEBUG reload nosave MERGE noflush", job(false, false, true));
        let restart = |crash, delay_ms| Job::Restart { crash, delay_ms };
        check_asks("DEBUG RESTART", restart(false, 0));
        check_asks("DEBUG CRASH-AND-RECOVER 50", restart(true, 50));
        check_asks("DEBUG SEGFAULT", Job::Crash);
        check_asks(
            "DEBUG config-rewrite-force-all",
            Job::RewriteConfig { all: true },
        );
        let mut server = TestServer::new();
        let options = "-ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.";
        server.check("DEBUG RELOAD x", options);
        server.check(
            "DEBUG RESTART x",
            "-ERR value is not an integer or out of range",
        );
    }

    #[test]
    fn equal_data_have_equal_digests() {
        let digest = |lines: &[&str]| {
            let mut server = TestServer::new();
            for line in lines {
                server.check(line, "+OK");
            }
            server.run("DEBUG DIGEST")
        };
        let zeros = "0".repeat(40);
        assert_eq!(digest(&[]), format!("+{zeros}"));
        let both = ["DEBUG POPULATE 2 a", "DEBUG POPULATE 3 b"];
        let all = digest(&both);
        assert_eq!((all.len(), &all), (41, &digest(&[both[1], both[0]])));
        assert_ne!(all, digest(&[both[0]]));
        assert_ne!(digest(&both[..1]), digest(&["DEBUG POPULATE 2 a 9"]));
        let mut server = TestServer::new();
        server.check("DEBUG POPULATE 1 a", "+OK");
        server.check("DEBUG POPULATE 1 b", "+OK");
        let values = server.run("DEBUG DIGEST-VALUE a:0 b:0 none");
        let values: Vec<&str> = values.trim_matches(['[', ']']).split(", ").collect();
        assert_eq!(
            (values[0], values[2]),
            (values[1], &format!("+{zeros}")[..])
        );
    }

    #[test]
    fn populating_leaves_what_is_there() {
        let mut server = TestServer::new();
        server.check("DEBUG POPULATE 2", "+OK");
        server.check("DEBUG POPULATE 3 key 9", "+OK");
        server.check_log(&[]);
        let mut length = |key: &str| {
            let reply = server.run(&format!("DEBUG OBJECT {key}"));
            let (_, rest) = reply.split_once("serializedlength:").unwrap();
            rest.split(' ').next().unwrap().to_owned()
        };
        assert_eq!((&length("key:0")[..], &length("key:2")[..]), ("8", "10"));
        server.check("DEBUG OBJECT key:3", "-ERR no such key");
        let range = "-ERR value is out of range, must be positive";
        for wrong in ["-1", "x", "1 a -1"] {
            server.check(&format!("DEBUG POPULATE {wrong}"), range);
        }
    }

    #[test]
    fn switches() {
        let mut server = TestServer::new();
        server.check("DEBUG SET-ACTIVE-EXPIRE 0", "+OK");
        server.check("DEBUG PAUSE-CRON 1", "+OK");
        server.check("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1", "+OK");
        let jobs = &server.shared.jobs;
        assert!(jobs.expiry_is_off.load(Ordering::Relaxed));
        assert!(jobs.cron_is_paused.load(Ordering::Relaxed));
        assert!(jobs.checksums_are_skipped.load(Ordering::Relaxed));
        server.check("DEBUG SET-ACTIVE-EXPIRE 1", "+OK");
        assert!(!server.shared.jobs.expiry_is_off.load(Ordering::Relaxed));
    }

    #[test]
    fn followers_are_told_what_did_not_happen() {
        let mut server = TestServer::new();
        server.check("DEBUG REPLICATE fake a", "+OK");
        server.check_log(&["fake a"]);
        let before = server.shared.history.lock().id();
        server.check("DEBUG CHANGE-REPL-ID", "+OK");
        assert_ne!(server.shared.history.lock().id(), before);
    }

    #[test]
    fn replies_of_every_type() {
        let check = |kind: &str, resp2: &str, resp3: &str| {
            let line = format!("DEBUG PROTOCOL {kind}");
            TestServer::new().check(&line, resp2);
            TestServer::resp3().check(&line, resp3);
        };
        check("string", r#""Hello World""#, r#""Hello World""#);
        check("integer", ":12345", ":12345");
        check("double", r#""3.141""#, ",3.141");
        check("null", "nil", "_");
        check("set", "[:0, :1, :2]", "~[:0, :1, :2]");
        check(
            "map",
            "[:0, :0, :1, :1, :2, :0]",
            "{:0: #f, :1: #t, :2: #f}",
        );
        check("true", ":1", "#t");
        let verbatim = r#""This is a verbatim\nstring""#;
        check("verbatim", verbatim, &format!("=txt:{verbatim}"));
        let text = r#""Some real reply following the attribute""#;
        let attributed = format!(r#"|{{"key-popularity": ["key:123", :90]}}{text}"#);
        check("attrib", text, &attributed);
        let text = r#""Some real reply following the push reply""#;
        let pushed = format!(r#"{text} >["server-cpu-usage", :42]"#);
        check(
            "push",
            "-ERR RESP2 is not supported by this command",
            &pushed,
        );
        TestServer::new().check("DEBUG ERROR 'MY error'", "-MY error");
    }

    #[test]
    fn sleeping_takes_its_time() {
        let started = Instant::now();
        TestServer::new().check("DEBUG SLEEP 0.02", "+OK");
        assert!(started.elapsed() >= Duration::from_millis(20));
        TestServer::new().check("DEBUG SLEEP x", "+OK");
        TestServer::new().check("DEBUG SLEEP -1", "+OK");
    }
}
