//! MIGRATE: packs keys for another server. Sending them is a task's (`Job::Migrate`).
//!
//! Other clients go on meanwhile. So every packed key is watched: what changed under way is
//! not deleted here but packed and sent again, and whoever looks sees the key here until it
//! is there.
//!
//! A transaction's commands may rely on what those before them did, and nobody may come in
//! between: there the keys are sent at once, and whoever needs their locks waits.

use std::sync::Arc;
use std::time::Duration;

use super::dump;
use crate::base::number::parse_i64;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Job, Outcome};
use crate::commands::error::CmdError;
use crate::commands::spec::{KeyRef, access};
use crate::config::{Config, Param};
use crate::resp::argv::Argv;
use crate::shared::migration::{Migration, Parcel};
use crate::store::effects::event;
use crate::store::keyspace::Key;
use crate::store::locked::Locked;

const ACCESS: u16 = access::RW | access::ACCESS | access::DELETE;
const KEY_AT: usize = 3;
const OPTIONS_AT: usize = 6;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// One key in its place, or those behind KEYS. Passwords may be any word.
pub fn keys(argv: Argv, found: &mut Vec<KeyRef>) {
    let mut keys = KEY_AT..KEY_AT + 1;
    let mut at = OPTIONS_AT;
    while at < argv.len() {
        let is = |word: &str| argv.get(at).eq_ignore_ascii_case(word.as_bytes());
        if is("keys") {
            // With both there is no telling, and the command will say so.
            let given = argv.get(KEY_AT).is_empty();
            keys = if given { at + 1..argv.len() } else { 0..0 };
            break;
        }
        at += if is("auth2") {
            3
        } else if is("auth") {
            2
        } else {
            1
        };
    }
    found.extend(keys.map(|arg| KeyRef {
        arg,
        access: ACCESS,
    }));
}

pub fn migrate(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (host, port) = (text(args.bytes()), text(args.bytes()));
    let named = args.clone();
    args.skip(1);
    let (db, timeout_ms) = (args.bytes(), args.bytes());
    let mut migration = Migration {
        host,
        port,
        ..Migration::default()
    };
    let listed = options(&mut args, &mut migration, named.peek() == Some(b""))?;
    let (mut keys, count) = match listed {
        true => (args.clone(), args.left()),
        false => (named, 1),
    };
    let timeout_ms = parse_i64(timeout_ms).ok_or(CmdError::NotInteger)?;
    migration.timeout = match u64::try_from(timeout_ms) {
        Ok(0) | Err(_) => DEFAULT_TIMEOUT,
        Ok(ms) => Duration::from_millis(ms),
    };
    migration.to_db = parse_i64(db).ok_or(CmdError::NotInteger)?;
    migration.from_db = cx.session.db;
    for _ in 0..count {
        let parcel = pack(cx.store, &cx.shared.config, migration.from_db, keys.key());
        migration.parcels.extend(parcel);
    }
    if migration.parcels.is_empty() {
        cx.reply.simple("NOKEY");
        return Ok(Outcome::Done);
    }
    if cx.in_transaction {
        return send_now(cx, migration);
    }
    Ok(Outcome::Ask(Job::Migrate(Box::new(migration))))
}

fn send_now(cx: &mut Cx, mut migration: Migration) -> Result<Outcome, CmdError> {
    let sent = match cx.shared.courier.get() {
        Some(carry) => carry(&mut migration),
        None => Err("IOERR error or timeout connecting to the client".into()),
    };
    let db = migration.from_db;
    for parcel in &migration.parcels {
        let key = parcel.key();
        cx.store.unwatch(db, key, &parcel.changed);
    }
    if !migration.copy {
        let arrived = migration.parcels.iter().filter(|parcel| parcel.has_arrived);
        let count = delete(cx.store, db, arrived);
        let effects = cx.store.effects();
        effects.dirty += count;
        effects.instead_of_request();
    }
    sent.map_err(CmdError::made)?;
    cx.reply.ok();
    Ok(Outcome::Done)
}

/// Deletes keys that have arrived elsewhere, and logs that as one DEL. Returns how many there
/// were.
pub fn delete<'a>(store: &mut Locked, db: u32, parcels: impl Iterator<Item = &'a Parcel>) -> u64 {
    let mut command: Vec<&[u8]> = vec![b"DEL"];
    for parcel in parcels {
        if let Some(entry) = store.remove(db, parcel.key()) {
            command.push(&parcel.key);
            let effects = store.effects();
            effects.discard(entry);
            effects.event(event::GENERIC, "del", db, &parcel.key);
        }
    }
    if command.len() > 1 {
        store.effects().log(db, &command);
    }
    command.len() as u64 - 1
}

/// Takes the options; whether KEYS was one, whose keys are left then.
fn options(args: &mut Args, to: &mut Migration, key_is_empty: bool) -> Result<bool, CmdError> {
    while !args.is_empty() {
        if args.take("copy") {
            to.copy = true;
        } else if args.take("replace") {
            to.replace = true;
        } else if args.left() >= 2 && args.take("auth") {
            to.auth = vec![args.bytes().into()];
        } else if args.left() >= 3 && args.take("auth2") {
            to.auth = vec![args.bytes().into(), args.bytes().into()];
        } else if args.take("keys") {
            return match key_is_empty {
                true => Ok(true),
                false => Err(CmdError::text(
                    "ERR When using MIGRATE KEYS option, the key argument must be set to the \
                     empty string",
                )),
            };
        } else {
            return Err(CmdError::Syntax);
        }
    }
    Ok(false)
}

/// What is sent of a key, if it is there. Its watch ends when the parcel is settled.
pub fn pack(store: &mut Locked, config: &Config, db: u32, key: Key) -> Option<Parcel> {
    let compresses = config.get_bool(Param::RdbCompression);
    let entry = store.read(db, key)?;
    let parcel = Parcel {
        key: key.bytes.into(),
        hash: key.hash,
        payload: dump::payload(&entry, compresses),
        expire_at_ms: entry.expire_at_ms(),
        changed: Arc::default(),
        has_arrived: false,
    };
    store.watch(db, key, parcel.changed.clone());
    Some(parcel)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::TestServer;

    #[test]
    fn where_the_keys_stand() {
        for (line, expect) in [
            ("MIGRATE h 1 a 0 1", &[3][..]),
            ("MIGRATE h 1 a 0 1 COPY AUTH keys", &[3]),
            ("MIGRATE h 1 \"\" 0 1 keys a b", &[7, 8]),
            ("MIGRATE h 1 \"\" 0 1 AUTH2 keys keys REPLACE KEYS a", &[11]),
            ("MIGRATE h 1 a 0 1 KEYS b", &[]),
        ] {
            let args = crate::resp::inline::split_args(line.as_bytes()).unwrap();
            let command = crate::resp::argv::OwnedCommand::from_args(&args);
            let mut found = Vec::new();
            keys(command.argv(), &mut found);
            let places: Vec<usize> = found.iter().map(|key| key.arg).collect();
            assert_eq!(places, expect, "{line}");
        }
    }

    #[test]
    fn what_is_asked_for() {
        let mut server = TestServer::new();
        let empty = "-ERR When using MIGRATE KEYS option, the key argument must be set to the \
                     empty string";
        let no_integer = "-ERR value is not an integer or out of range";
        for (line, expect) in [
            ("MIGRATE h 1 a 0 1", "+NOKEY"),
            ("MIGRATE h 1 \"\" 0 1 KEYS a b", "+NOKEY"),
            ("MIGRATE h 1 \"\" 0 1 KEYS", "+NOKEY"),
            ("MIGRATE h 1 a 0 1 KEYS b", empty),
            ("MIGRATE h 1 a x 1", no_integer),
            ("MIGRATE h 1 a 0 x", no_integer),
            ("MIGRATE h 1 a x 1 SOON", "-ERR syntax error"),
            ("MIGRATE h 1 a 0 1 AUTH", "-ERR syntax error"),
            ("MIGRATE h 1 a 0 1 AUTH2 user", "-ERR syntax error"),
        ] {
            server.check(line, expect);
        }
        server.run("SET a 1 PX 500");
        server.run("SELECT 2");
        server.run("SET b 2");
        server.check("MIGRATE h 1 \"\" 7 0 COPY AUTH2 u p REPLACE KEYS a b b", "");
        let Outcome::Ask(Job::Migrate(asked)) = &server.outcome else {
            panic!("{:?}", server.outcome);
        };
        assert_eq!((asked.host.as_str(), asked.port.as_str()), ("h", "1"));
        assert_eq!((asked.from_db, asked.to_db), (2, 7));
        assert!(asked.copy && asked.replace && asked.auth.len() == 2);
        assert_eq!(asked.timeout, DEFAULT_TIMEOUT);
        let keys: Vec<&[u8]> = asked.parcels.iter().map(|parcel| &*parcel.key).collect();
        assert_eq!(keys, [b"b", b"b"]);
        let changed = asked.parcels[0].changed.clone();
        server.run("SET b 3");
        assert!(changed.is_raised());
    }
}
