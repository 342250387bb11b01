//! XGROUP: groups and consumers made, set and removed.

use super::progress::no_group;
use super::wire::{exact_id, id_or_end};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::help;
use crate::commands::typed::{Changing, TypedStore};
use crate::store::effects::event::STREAM;
use crate::store::keyspace::Key;
use crate::types::Stream;
use crate::types::stream::{Consumer, Group, NEVER, StreamId};

const NO_KEY: &str = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE \
                      you may want to use the MKSTREAM option to create an empty stream \
                      automatically.";
const BUSY_GROUP: &str = "BUSYGROUP Consumer Group name already exists";
const NO_COUNT: &str = "ERR value for ENTRIESREAD must be positive or -1";

/// More arguments than options could be are refused, whatever they are.
const CREATE_ARGS_MAX: usize = 8;
const SETID_ARGS_MAX: usize = 7;

/// What CREATE and SETID have behind the id.
#[derive(Default)]
struct Options {
    make_stream: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn parse(args: &mut Args, can_make: bool) -> Result<Options, CmdError> {
        let mut options = Options::default();
        while !args.is_empty() {
            if can_make && args.take("MKSTREAM") {
                options.make_stream = true;
            } else if args.left() > 1 && args.take("ENTRIESREAD") {
                let given = args.i64();
                args.check()?;
                if given < -1 {
                    return Err(CmdError::text(NO_COUNT));
                }
                options.entries_read = u64::try_from(given).ok();
            } else {
                return Err(wrong_shape(args));
            }
        }
        Ok(options)
    }
}

fn wrong_shape(args: &Args) -> CmdError {
    help::wrong_shape(args, "XGROUP")
}

pub fn create(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, name, id) = (args.key(), args.bytes(), args.bytes());
    let options = Options::parse(&mut args, true)?;
    let db = cx.session.db;
    let last_id = cx.store.peek_as::<Stream>(db, key)?.map(Stream::last_id);
    if last_id.is_none() && !options.make_stream {
        return Err(CmdError::text(NO_KEY));
    }
    if args.argv().len() > CREATE_ARGS_MAX {
        return Err(wrong_shape(&args));
    }
    let id = match id {
        b"$" => last_id.unwrap_or(StreamId::MIN),
        id => exact_id(id)?,
    };
    let mut stream = cx.store.change_or_new::<Stream>(db, key)?;
    let is_new = stream.add_group(name, Group::new(id, options.entries_read));
    let is_first = is_new && stream.group_count() == 1;
    drop(stream);
    if is_first {
        cx.store.note_groups(db, 1);
    }
    if last_id.is_none() {
        cx.store.touch(db, key);
    }
    if !is_new {
        return Err(CmdError::text(BUSY_GROUP));
    }
    cx.reply.ok();
    cx.dirty(1);
    cx.event(STREAM, "xgroup-create", key);
    Ok(Outcome::Done)
}

/// The stream of a subcommand that needs one.
fn stream<'c>(cx: &'c mut Cx, key: Key) -> Result<Changing<'c, Stream>, CmdError> {
    let stream = cx.store.change::<Stream>(cx.session.db, key)?;
    stream.ok_or(CmdError::text(NO_KEY))
}

pub fn setid(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, name, id) = (args.key(), args.bytes(), args.bytes());
    let options = Options::parse(&mut args, false)?;
    let mut stream = stream(cx, key)?;
    let last_id = stream.last_id();
    let group = stream.group_mut(name).ok_or_else(|| no_group(key, name))?;
    if args.argv().len() > SETID_ARGS_MAX {
        return Err(wrong_shape(&args));
    }
    group.last_id = match id {
        b"$" => last_id,
        id => id_or_end(id, 0)?,
    };
    group.entries_read = options.entries_read;
    drop(stream);
    cx.reply.ok();
    cx.dirty(1);
    cx.event(STREAM, "xgroup-setid", key);
    Ok(Outcome::Done)
}

/// DESTROY: those who wait in the group's name are told that it is gone.
pub fn destroy(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, name) = (args.key(), args.bytes());
    let db = cx.session.db;
    let mut stream = stream(cx, key)?;
    let removed = stream.remove_group(name).is_some();
    let was_last = removed && stream.group_count() == 0;
    drop(stream);
    if was_last {
        cx.store.note_groups(db, -1);
    }
    if removed {
        cx.dirty(1);
        cx.event(STREAM, "xgroup-destroy", key);
        cx.store.wake(db, key);
    }
    cx.reply.integer(removed.into());
    Ok(Outcome::Done)
}

pub fn createconsumer(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, name, consumer) = (args.key(), args.bytes(), args.bytes());
    let now_ms = cx.now_ms();
    let mut stream = stream(cx, key)?;
    let group = stream.group_mut(name).ok_or_else(|| no_group(key, name))?;
    let is_new = group.add_consumer(consumer, Consumer::new(now_ms, NEVER));
    drop(stream);
    if is_new {
        cx.dirty(1);
        cx.event(STREAM, "xgroup-createconsumer", key);
    }
    cx.reply.integer(is_new.into());
    Ok(Outcome::Done)
}

pub fn delconsumer(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, name, consumer) = (args.key(), args.bytes(), args.bytes());
    let mut stream = stream(cx, key)?;
    let group = stream.group_mut(name).ok_or_else(|| no_group(key, name))?;
    let removed = group.remove_consumer(consumer);
    drop(stream);
    if removed.is_some() {
        cx.dirty(1);
        cx.event(STREAM, "xgroup-delconsumer", key);
    }
    cx.reply.integer(removed.unwrap_or(0) as i64);
    Ok(Outcome::Done)
}

pub fn help(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    help::reply(
        cx,
        "XGROUP",
        &[
            "CREATE <key> <groupname> <id|$> [option]",
            "    Adds a group that reads what is behind the id. Options are:",
            "    * MKSTREAM",
            "      Make an empty stream if there is none.",
            "    * ENTRIESREAD entries_read",
            "      How many entries the group has read (for servers).",
            "CREATECONSUMER <key> <groupname> <consumer>",
            "    Adds a consumer to a group.",
            "DELCONSUMER <key> <groupname> <consumer>",
            "    Removes a consumer, with what it has not acknowledged.",
            "DESTROY <key> <groupname>",
            "    Removes a group.",
            "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
            "    Has a group go on behind another id.",
        ],
    )
}
