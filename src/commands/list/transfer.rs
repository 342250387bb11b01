//! Elements that go from one list to another, or around in one.

use super::add::pushed;
use super::take::{gone, wait_for};
use super::{End, limits, take_end};
use crate::commands::args::Args;
use crate::commands::blocking::deadline;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::TypedStore;
use crate::store::effects::event::LIST;
use crate::store::keyspace::Key;
use crate::types::List;

pub fn lmove(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let transfer = Transfer {
        source: args.key(),
        target: args.key(),
        from: take_end(&mut args),
        to: take_end(&mut args),
    };
    args.check()?;
    transfer.run(cx)
}

pub fn blmove(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let transfer = Transfer {
        source: args.key(),
        target: args.key(),
        from: take_end(&mut args),
        to: take_end(&mut args),
    };
    args.check()?;
    let deadline_ms = deadline(cx, args.bytes())?;
    let argv = args.argv();
    let (from, to) = (argv.get(3), argv.get(4));
    let logged = [
        b"LMOVE",
        transfer.source.bytes,
        transfer.target.bytes,
        from,
        to,
    ];
    transfer.run_or_wait(cx, &logged, deadline_ms)
}

pub fn brpoplpush(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let transfer = Transfer {
        source: args.key(),
        target: args.key(),
        from: End::Back,
        to: End::Front,
    };
    let deadline_ms = deadline(cx, args.bytes())?;
    let logged = [b"RPOPLPUSH", transfer.source.bytes, transfer.target.bytes];
    transfer.run_or_wait(cx, &logged, deadline_ms)
}

pub fn rpoplpush(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let transfer = Transfer {
        source: args.key(),
        target: args.key(),
        from: End::Back,
        to: End::Front,
    };
    transfer.run(cx)
}

struct Transfer<'a> {
    source: Key<'a>,
    target: Key<'a>,
    from: End,
    to: End,
}

impl Transfer<'_> {
    fn run(&self, cx: &mut Cx) -> Result<Outcome, CmdError> {
        if !self.try_now(cx)? {
            cx.reply.null();
        }
        Ok(Outcome::Done)
    }

    /// Moves an element, which is logged as `logged`, or waits for one.
    fn run_or_wait(
        &self,
        cx: &mut Cx,
        logged: &[&[u8]],
        deadline_ms: Option<i64>,
    ) -> Result<Outcome, CmdError> {
        if self.try_now(cx)? {
            cx.log_instead(logged);
        } else if cx.may_block() {
            return Ok(wait_for([self.source.bytes].into_iter(), deadline_ms));
        } else {
            cx.reply.null();
        }
        Ok(Outcome::Done)
    }

    /// Moves an element, and replies with it. False if there is none.
    fn try_now(&self, cx: &mut Cx) -> Result<bool, CmdError> {
        let (db, limits) = (cx.session.db, limits(cx));
        if cx.store.peek_as::<List>(db, self.source)?.is_none() {
            return Ok(false);
        }
        cx.store.peek_as::<List>(db, self.target)?;
        let Some(mut list) = cx.store.change::<List>(db, self.source)? else {
            return Ok(false);
        };
        let Some(value) = list.peek(self.from).map(|item| item.to_vec()) else {
            return Ok(false);
        };
        list.drop_at(self.from, 1);
        drop(list);
        let mut list = cx.store.change_or_new::<List>(db, self.target)?;
        list.grow_for(value.len(), 1, &limits);
        list.push(&value, self.to, &limits);
        drop(list);
        cx.event(LIST, pushed(self.to), self.target);
        cx.changed(self.target);
        // The list that gave it may be the one that took it, so it is looked at last.
        if let Some(mut list) = cx.store.change::<List>(db, self.source)? {
            list.settle_shrunk(&limits);
        }
        gone(cx, self.source, self.from, 1);
        cx.reply.bulk(&value);
        Ok(true)
    }
}
