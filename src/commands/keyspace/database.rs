//! SELECT, FLUSHDB, FLUSHALL, SWAPDB: what names databases.

use std::sync::atomic::Ordering;

use crate::base::number::parse_i64;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Job, Outcome};
use crate::commands::error::CmdError;
use crate::shared::Garbage;

/// The database of this name.
pub fn index(cx: &Cx, text: &[u8]) -> Result<u32, CmdError> {
    let index = parse_i64(text).ok_or(CmdError::NotInteger)?;
    if i32::try_from(index).is_err() {
        let (min, max) = (i32::MIN, i32::MAX);
        let text = format!("value is out of range, value must between {min} and {max}");
        return Err(CmdError::err(text));
    }
    within(cx, index)
}

fn within(cx: &Cx, index: i64) -> Result<u32, CmdError> {
    let count = cx.store.keyspace.database_count() as i64;
    match u32::try_from(index) {
        Ok(db) if index < count => Ok(db),
        _ => Err(CmdError::DbIndexOutOfRange),
    }
}

pub fn select(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let db = index(cx, args.bytes())?;
    cx.session.db = db;
    cx.session.facts.db.store(db, Ordering::Relaxed);
    cx.reply.ok();
    Ok(Outcome::Done)
}

pub fn flush(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    check_mode(args.clone())?;
    let db = cx.session.db;
    flush_databases(cx, &args, db..db + 1);
    cx.reply.ok();
    Ok(Outcome::Done)
}

/// Also ends a save that runs, for it saves what is gone; an empty one takes its place, so
/// that what was flushed does not come back after a crash.
pub fn flush_all(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    check_mode(args.clone())?;
    let databases = cx.store.keyspace.database_count() as u32;
    flush_databases(cx, &args, 0..databases);
    let saves = &cx.shared.jobs.saves;
    if saves.is_running() {
        saves.cancel.store(true, Ordering::Relaxed);
    }
    if cx.shared.config.save_points().is_empty() {
        cx.reply.ok();
        return Ok(Outcome::Done);
    }
    if !cx.in_transaction {
        return Ok(Outcome::Ask(Job::SaveFlushed));
    }
    saves.scheduled.store(true, Ordering::Relaxed);
    cx.reply.ok();
    Ok(Outcome::Done)
}

/// SYNC or ASYNC, or neither: the memory is freed by another thread in any case.
fn check_mode(mut args: Args) -> Result<(), CmdError> {
    if !args.take("sync") {
        args.take("async");
    }
    args.finish()
}

fn flush_databases(cx: &mut Cx, args: &Args, databases: std::ops::Range<u32>) {
    let mut removed = 0;
    for db in databases {
        removed += cx.store.len(db);
        if let Some(tables) = cx.store.flush(db) {
            cx.shared.free_elsewhere(Garbage::Tables(tables));
            // What an empty database in use takes is taken at once, not with its first key.
            cx.store.prepare(db, 0, 0);
        }
    }
    cx.dirty(removed);
    if removed == 0 {
        // Followers may have keys where their leader has none.
        let request: Vec<&[u8]> = args.argv().iter().collect();
        cx.log_instead(&request);
    }
}

pub fn swap(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let int = |text| parse_i64(text).filter(|&n| i32::try_from(n).is_ok());
    let first = int(args.bytes()).ok_or(CmdError::text("ERR invalid first DB index"))?;
    let second = int(args.bytes()).ok_or(CmdError::text("ERR invalid second DB index"))?;
    let (first, second) = (within(cx, first)?, within(cx, second)?);
    if first != second {
        cx.store.swap(first, second);
    }
    cx.dirty(1);
    cx.reply.ok();
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use crate::commands::cx::{Job, Outcome};
    use crate::commands::testing::TestServer;

    const OUT_OF_RANGE: &str = "-ERR DB index is out of range";
    const NO_INTEGER: &str = "-ERR value is not an integer or out of range";
    const NO_INT: &str =
        "-ERR value is out of range, value must between -2147483648 and 2147483647";

    #[test]
    fn selecting() {
        let mut server = TestServer::new();
        server.check_all("SELECT 15", "+OK", &[], &[]);
        assert_eq!(server.session.db, 15);
        assert_eq!(server.session.facts.db.load(Ordering::Relaxed), 15);
        server.check("SELECT 16", OUT_OF_RANGE);
        server.check("SELECT -1", OUT_OF_RANGE);
        server.check("SELECT x", NO_INTEGER);
        server.check("SELECT 9999999999", NO_INT);
        server.check("SELECT 99999999999999999999", NO_INTEGER);
        assert_eq!(server.session.db, 15);
        server.check_all("SET a 1", "+OK", &["15> SET a 1"], &["new a", "set a"]);
    }

    #[test]
    fn flushing() {
        let mut server = TestServer::with(&[("save", "")]);
        let fill = |server: &mut TestServer| {
            for line in ["SELECT 3", "SET a 1", "SELECT 0", "SET a 1", "SET b 1"] {
                server.check(line, "+OK");
            }
        };
        fill(&mut server);
        let before = server.changes();
        server.check_all("FLUSHDB async", "+OK", &["FLUSHDB async"], &[]);
        assert_eq!(server.changes() - before, 2);
        server.check("DBSIZE", ":0");
        server.run("SELECT 3");
        server.check("DBSIZE", ":1");
        // An empty database is flushed for the followers' sake.
        fill(&mut server);
        let before = server.changes();
        server.check_all("flushall", "+OK", &["flushall"], &[]);
        assert_eq!(server.changes() - before, 3);
        server.check_all("FLUSHALL SYNC", "+OK", &["FLUSHALL SYNC"], &[]);
        server.check_all("FLUSHDB", "+OK", &["FLUSHDB"], &[]);
        assert_eq!(server.changes() - before, 3);
        for line in ["FLUSHALL now", "FLUSHDB SYNC ASYNC", "FLUSHDB ASYNC ASYNC"] {
            server.check_all(line, "-ERR syntax error", &[], &[]);
        }
    }

    #[test]
    fn flushing_all_ends_a_save_and_asks_for_one() {
        let mut server = TestServer::with(&[("save", "")]);
        server.run("FLUSHALL");
        let saves = &server.shared.jobs.saves;
        assert!(!saves.scheduled.load(Ordering::Relaxed));
        assert!(!saves.cancel.load(Ordering::Relaxed));
        let mut server = TestServer::with(&[("save", "3600 1")]);
        assert!(server.shared.jobs.saves.begin(server.now_ms));
        server.run("FLUSHDB");
        assert!(!server.shared.jobs.saves.cancel.load(Ordering::Relaxed));
        server.check("FLUSHALL", "");
        assert!(matches!(server.outcome, Outcome::Ask(Job::SaveFlushed)));
        let saves = &server.shared.jobs.saves;
        assert!(saves.cancel.load(Ordering::Relaxed));
        assert!(!saves.scheduled.load(Ordering::Relaxed));
    }

    #[test]
    fn swapping() {
        let mut server = TestServer::new();
        server.run("SET a 1");
        server.check_all("SWAPDB 0 1", "+OK", &["SWAPDB 0 1"], &[]);
        server.check("EXISTS a", ":0");
        server.run("SELECT 1");
        server.check("EXISTS a", ":1");
        server.check_all("SWAPDB 1 1", "+OK", &["1> SWAPDB 1 1"], &[]);
        for (line, expect) in [
            ("SWAPDB 0 16", OUT_OF_RANGE),
            ("SWAPDB -1 0", OUT_OF_RANGE),
            ("SWAPDB x y", "-ERR invalid first DB index"),
            ("SWAPDB 16 y", "-ERR invalid second DB index"),
            ("SWAPDB 9999999999 0", "-ERR invalid first DB index"),
        ] {
            server.check_all(line, expect, &[], &[]);
        }
    }

    #[test]
    fn watchers_hear_of_keys_that_were_there() {
        for (line, key, changes) in [
            ("FLUSHDB", "a", true),
            ("FLUSHDB", "missing", false),
            ("FLUSHALL", "a", true),
            ("SWAPDB 0 1", "a", true),
            ("SWAPDB 1 0", "b", true),
            ("SWAPDB 0 1", "missing", false),
            ("SWAPDB 1 2", "a", false),
            ("SWAPDB 0 0", "a", false),
        ] {
            let mut server = TestServer::new();
            for line in ["SELECT 1", "SET b 1", "SELECT 0", "SET a 1"] {
                server.run(line);
            }
            server.run(&format!("WATCH {key}"));
            server.run(line);
            let raised = server.session.watch_flag.is_raised();
            assert_eq!(raised, changes, "{line} with {key} watched");
        }
    }
}
