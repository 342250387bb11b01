//! Transactions: commands are queued by the outside door (`exec`) and run by EXEC as one
//! unit, under the locks of all their keys.

use super::args::Args;
use super::cx::{Cx, Outcome};
use super::error::CmdError;
use super::spec::flag::{ALLOW_BUSY, FAST, LOADING, NOSCRIPT, SKIP_SLOWLOG, STALE};
use super::spec::{KeySpec, Locks, Spec, access, category};
use crate::shared::session::{Session, Transaction, Watched};
use crate::store::keyspace::Key;
use crate::store::locked::Locked;

const CONTROL: u32 = NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY;

pub const COMMANDS: &[Spec] = &[
    Spec::new("multi", 1, CONTROL, category::TRANSACTION, multi),
    Spec::new(
        "exec",
        1,
        NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG,
        category::TRANSACTION,
        exec,
    )
    .locks(Locks::Transaction),
    Spec::new("discard", 1, CONTROL, category::TRANSACTION, discard).locks(Locks::Transaction),
    Spec::new("watch", -2, CONTROL, category::TRANSACTION, watch).keys(&[KeySpec::range(
        1,
        -1,
        1,
        access::RO,
    )]),
    Spec::new("unwatch", 1, CONTROL, category::TRANSACTION, unwatch).locks(Locks::Transaction),
];

fn multi(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    if cx.session.transaction.is_some() {
        return Err(CmdError::text("ERR MULTI calls can not be nested"));
    }
    cx.session.transaction = Some(Transaction::default());
    cx.reply.ok();
    Ok(Outcome::Done)
}

fn exec(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    let Some(failed) = cx
        .session
        .transaction
        .as_ref()
        .map(|transaction| transaction.failed)
    else {
        return Err(CmdError::text("ERR EXEC without MULTI"));
    };
    let changed = watched_changed(cx.store, cx.session);
    unwatch_all(cx.store, cx.session);
    if failed {
        cx.session.transaction = None;
        return Err(CmdError::ExecAbort);
    }
    if changed {
        cx.session.transaction = None;
        cx.reply.null_array();
        return Ok(Outcome::Done);
    }
    Ok(Outcome::Exec)
}

/// Whether a watched key was changed, or became due meanwhile.
fn watched_changed(store: &mut Locked, session: &Session) -> bool {
    session.watch_flag.is_raised()
        || session.watched.iter().any(|watched| {
            let key = Key {
                bytes: &watched.key,
                hash: watched.hash,
            };
            store.became_due(watched.db, key, &session.watch_flag)
        })
}

fn discard(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    if cx.session.transaction.take().is_none() {
        return Err(CmdError::text("ERR DISCARD without MULTI"));
    }
    unwatch_all(cx.store, cx.session);
    cx.reply.ok();
    Ok(Outcome::Done)
}

fn watch(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    if cx.session.transaction.is_some() {
        return Err(CmdError::text("ERR WATCH inside MULTI is not allowed"));
    }
    let db = cx.session.db;
    while !args.is_empty() {
        let key = args.key();
        let known = |watched: &Watched| watched.db == db && *watched.key == *key.bytes;
        if cx.session.watched.iter().any(known) {
            continue;
        }
        cx.store.watch(db, key, cx.session.watch_flag.clone());
        cx.session.add_name(key.bytes);
        cx.session.watched.push(Watched {
            db,
            key: key.bytes.into(),
            hash: key.hash,
        });
    }
    cx.reply.ok();
    Ok(Outcome::Done)
}

fn unwatch(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    unwatch_all(cx.store, cx.session);
    cx.reply.ok();
    Ok(Outcome::Done)
}

/// Ends all watches of a session; their shards are locked.
pub fn unwatch_all(store: &mut Locked, session: &mut Session) {
    for watched in std::mem::take(&mut session.watched) {
        session.remove_name(&watched.key);
        let key = Key {
            bytes: &watched.key,
            hash: watched.hash,
        };
        store.unwatch(watched.db, key, &session.watch_flag);
    }
    session.watch_flag.lower();
}
