//! Members out: ZREM, ZREMRANGEBYRANK and its like.

use super::bounds::{Bounds, By};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::TypedStore;
use crate::store::effects::event::ZSET;
use crate::store::keyspace::Key;
use crate::types::ZSet;

pub fn zrem(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let mut removed = 0;
    if let Some(mut set) = cx.store.change::<ZSet>(cx.session.db, key)? {
        let set = &mut *set;
        while let Some(member) = args.next() {
            removed += usize::from(set.remove(member).is_some());
        }
    }
    gone(cx, key, "zrem", removed);
    Ok(Outcome::Done)
}

/// So many members are gone: what others hear of it, and the reply.
fn gone(cx: &mut Cx, key: Key, event: &'static str, count: usize) {
    if count > 0 {
        cx.event(ZSET, event, key);
        cx.dirty(count as u64);
        cx.changed(key);
    }
    cx.reply.integer(count as i64);
}

pub fn zremrangebyrank(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    remove_range(cx, args, By::Rank, "zremrangebyrank")
}

pub fn zremrangebyscore(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    remove_range(cx, args, By::Score, "zremrangebyscore")
}

pub fn zremrangebylex(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    remove_range(cx, args, By::Lex, "zremrangebylex")
}

fn remove_range(
    cx: &mut Cx,
    mut args: Args,
    by: By,
    event: &'static str,
) -> Result<Outcome, CmdError> {
    let key = args.key();
    let bounds = Bounds::take(&mut args, by, false)?;
    let set = cx.store.peek_as::<ZSet>(cx.session.db, key)?;
    let ranks = set.map_or(0..0, |set| bounds.ranks(set, false));
    let count = ranks.len();
    if count > 0
        && let Some(mut set) = cx.store.change::<ZSet>(cx.session.db, key)?
    {
        set.remove_range(ranks);
    }
    gone(cx, key, event, count);
    Ok(Outcome::Done)
}
