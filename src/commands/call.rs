//! The inside door: runs one command under locks that are held already.
//!
//! EXEC comes through here for each queued command, and scripts will; whoever calls has
//! done the checks of the outside door (`exec`).

use super::args::{Args, FirstKey};
use super::cx::{Cx, Outcome};
use super::error::CmdError;
use super::spec::{Spec, flag};
use crate::resp::request::Argv;
use crate::store::effects::Effects;

/// Runs `spec` with `argv`; leaves the reply in `cx.reply`, an error's text included, and
/// what is to be logged in the effects. The error is returned for those who count them.
#[inline(always)]
pub fn call(
    cx: &mut Cx,
    spec: &Spec,
    argv: Argv,
    first_key: FirstKey,
    skip: usize,
) -> Result<Outcome, CmdError> {
    let args = Args::new(argv, 1 + skip, &cx.store.keyspace.hasher, first_key);
    let before = cx.reply.len_bytes();
    let effects = cx.store.effects();
    effects.dirty = 0;
    effects.rewritten = false;
    let (db, in_transaction) = (cx.session.db, cx.in_transaction);
    let result = (spec.handler)(cx, args);
    let effects = cx.store.effects();
    if effects.dirty > 0 && !effects.rewritten && effects.logging {
        debug_assert!(
            spec.has(flag::WRITE | flag::MAY_REPLICATE | flag::ADMIN),
            "{}",
            spec.name
        );
        let raw = argv.raw().filter(|_| !in_transaction);
        if !raw.is_some_and(|request| effects.log_request(db, request)) {
            log_copy(effects, db, argv);
        }
    }
    if let Err(error) = &result {
        cx.reply.truncate(before);
        error.write(cx.reply);
    }
    result
}

#[inline(never)]
fn log_copy(effects: &mut Effects, db: u32, argv: Argv) {
    match argv.raw() {
        Some(raw) => effects.log_raw(db, raw),
        None => {
            let args: Vec<&[u8]> = argv.iter().collect();
            effects.log(db, &args);
        }
    }
}
