//! Taking fields out.

use super::options::{NOT_POSITIVE, take_fields};
use super::{change, end_due, put_item};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::TypedStore;
use crate::store::effects::event;
use crate::types::Hash;

/// Whether a field is over is not asked: gone is gone.
pub fn hdel(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (db, key) = (cx.session.db, args.key());
    let removed = change(cx.store, db, key, |hash| {
        let names = args.rest();
        names.map(|name| u64::from(hash.remove(name))).sum()
    })?;
    let removed: u64 = removed.unwrap_or(0);
    if removed > 0 {
        cx.event(event::HASH, "hdel", key);
        cx.changed(key);
        cx.dirty(removed);
    }
    cx.reply.integer(removed as i64);
    Ok(Outcome::Done)
}

/// Logged as HDEL, which every server knows.
pub fn hgetdel(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (db, key) = (cx.session.db, args.key());
    // A wrong type is said before what is wrong with the arguments.
    cx.store.peek_as::<Hash>(db, key)?;
    let count = take_fields(&mut args, NOT_POSITIVE)?;
    let names: Vec<&[u8]> = args.rest().collect();
    end_due(cx.store, db, key, &names)?;
    cx.reply.array(count);
    let mut removed = 0;
    let found = change(cx.store, db, key, |hash| {
        for name in &names {
            match hash.get(name) {
                Some(field) => put_item(cx.reply, field.value),
                None => cx.reply.null(),
            }
            removed += u64::from(hash.remove(name));
        }
    })?;
    if found.is_none() {
        (0..count).for_each(|_| cx.reply.null());
    }
    if removed > 0 {
        cx.event(event::HASH, "hdel", key);
        cx.changed(key);
        cx.dirty(removed);
        let record: Vec<&[u8]> = [b"HDEL", key.bytes].into_iter().chain(names).collect();
        cx.log_instead(&record);
    }
    Ok(Outcome::Done)
}
