//! HGETEX: fields that are read end at another moment, or not at all.

use super::expire::{Until, finish_unconditional};
use super::options::{Form, NOT_POSITIVE, take_fields};
use super::{change, end_due, put_item};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::TypedStore;
use crate::resp::reply::ReplyBuf;
use crate::types::Hash;
use crate::types::hash::Field;

const COMMAND: &str = "hgetex";

pub fn hgetex(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (db, key) = (cx.session.db, args.key());
    // A wrong type is said before what is wrong with the arguments.
    cx.store.peek_as::<Hash>(db, key)?;
    let until = take_until(cx, &mut args)?;
    if args.left() < 2 {
        return Err(CmdError::WrongArity(COMMAND.to_owned()));
    }
    let count = take_fields(&mut args, NOT_POSITIVE)?;
    let names: Vec<&[u8]> = args.rest().collect();
    end_due(cx.store, db, key, &names)?;
    cx.reply.array(count);
    let Some(until) = until else {
        let hash = cx.store.peek_as::<Hash>(db, key)?;
        for name in names {
            put_field(cx.reply, hash.and_then(|hash| hash.get(name)));
        }
        return Ok(Outcome::Done);
    };
    let mut done = Vec::new();
    let found = change(cx.store, db, key, |hash| {
        hash.expect_times();
        for name in &names {
            let field = hash.get(name);
            put_field(cx.reply, field);
            let changes = match until {
                Until::Never => field.is_some_and(|field| field.expire_at_ms.is_some()),
                Until::Moment(_) | Until::Over => field.is_some(),
            };
            if changes {
                until.apply(hash, name);
                done.push(*name);
            }
        }
    })?;
    if found.is_none() {
        (0..count).for_each(|_| cx.reply.null());
    }
    finish_unconditional(cx, key, until, &done);
    Ok(Outcome::Done)
}

fn take_until(cx: &Cx, args: &mut Args) -> Result<Option<Until>, CmdError> {
    if args.take("persist") {
        return Ok(Some(Until::Never));
    }
    let Some(form) = args.peek().and_then(Form::named) else {
        return Ok(None);
    };
    args.skip(1);
    let at_ms = form.moment(cx, args.bytes(), COMMAND)?;
    Ok(Some(Until::of(cx, at_ms)))
}

fn put_field(reply: &mut ReplyBuf, field: Option<Field>) {
    match field {
        Some(field) => put_item(reply, field.value),
        None => reply.null(),
    }
}
