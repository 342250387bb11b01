//! DUMP and RESTORE.

use super::object::access_of_idle;
use crate::base::number::{digits, parse_i64};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::expiry::is_over;
use crate::config::Param;
use crate::rdb::dump::{self, Restored};
use crate::rdb::encode::Encoder;
use crate::store::effects::event;
use crate::store::entry::Entry;

/// Redis tries to compress strings longer than this.
const COMPRESSED_BYTES_MIN: usize = 21;

pub fn dump(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let compresses = cx.shared.config.get_bool(Param::RdbCompression);
    let found = cx.store.read(cx.session.db, args.key());
    match found.and_then(|entry| entry.string_bytes()) {
        Some(value) => {
            // An encoder that compresses has a large table.
            let worth_it = value.len() >= COMPRESSED_BYTES_MIN;
            let mut encoder = Encoder::new(compresses && worth_it);
            cx.reply.bulk(&dump::encode_string(&mut encoder, value));
        }
        None => cx.reply.null(),
    }
    Ok(Outcome::Done)
}

struct RestoreOptions {
    replace: bool,
    is_absolute: bool,
    idle_seconds: Option<i64>,
}

pub fn restore(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let db = cx.session.db;
    let key = args.key();
    let (ttl_text, payload) = (args.bytes(), args.bytes());
    let options = restore_options(args.clone())?;
    if !options.replace && cx.store.find(db, key).is_some() {
        return Err(CmdError::BusyKey);
    }
    let ttl_ms = parse_i64(ttl_text).ok_or(CmdError::NotInteger)?;
    if ttl_ms < 0 {
        return Err(CmdError::text("ERR Invalid TTL value, must be >= 0"));
    }
    let body = dump::verify(payload, true).map_err(CmdError::err)?;
    let Restored::String(value) = dump::decode(&body).map_err(CmdError::err)? else {
        return Err(CmdError::err(dump::DumpError::BadFormat));
    };
    let expire_at_ms = match (ttl_ms, options.is_absolute) {
        (0, _) => None,
        (at_ms, true) => Some(at_ms),
        (after_ms, false) => Some(cx.now_ms().saturating_add(after_ms)),
    };
    cx.reply.ok();
    if expire_at_ms.is_some_and(|at_ms| is_over(cx, at_ms)) {
        if let Some(replaced) = cx.store.remove(db, key) {
            cx.store.effects().discard(replaced);
            cx.event(event::GENERIC, "del", key);
            cx.log_instead(&[b"DEL", key.bytes]);
            cx.dirty(1);
        }
        return Ok(Outcome::Done);
    }
    let entry = Entry::string(key.bytes, &value, expire_at_ms);
    let idle_seconds = options.idle_seconds.unwrap_or(0);
    entry.set_access(access_of_idle(cx.store.lru_clock(), idle_seconds));
    cx.store.put_new(db, key, entry);
    if let (Some(at_ms), false) = (expire_at_ms, options.is_absolute) {
        log_with_absolute(cx, &args, at_ms);
    }
    cx.event(event::GENERIC, "restore", key);
    cx.dirty(1);
    Ok(Outcome::Done)
}

fn restore_options(mut args: Args) -> Result<RestoreOptions, CmdError> {
    let mut options = RestoreOptions {
        replace: false,
        is_absolute: false,
        idle_seconds: None,
    };
    let mut frequency = None;
    while !args.is_empty() {
        let has_value = args.left() >= 2;
        if args.take("replace") {
            options.replace = true;
        } else if args.take("absttl") {
            options.is_absolute = true;
        } else if has_value && frequency.is_none() && args.take("idletime") {
            let seconds = args.i64();
            args.check()?;
            if seconds < 0 {
                return Err(CmdError::text("ERR Invalid IDLETIME value, must be >= 0"));
            }
            options.idle_seconds = Some(seconds);
        } else if has_value && options.idle_seconds.is_none() && args.take("freq") {
            // There is no LFU policy yet that would want it.
            let counter = args.i64();
            args.check()?;
            if !(0..=255).contains(&counter) {
                return Err(CmdError::text(
                    "ERR Invalid FREQ value, must be >= 0 and <= 255",
                ));
            }
            frequency = Some(counter);
        } else {
            return Err(CmdError::Syntax);
        }
    }
    Ok(options)
}

/// Logs the request with the moment of expiry in place of the time that is left.
fn log_with_absolute(cx: &mut Cx, args: &Args, at_ms: i64) {
    let mut text = digits();
    let at_text = text.of(at_ms);
    let mut request: Vec<&[u8]> = args.argv().iter().collect();
    request[2] = at_text;
    request.push(b"ABSTTL");
    cx.log_instead(&request);
}
