//! Some fields: HRANDFIELD and HSCAN.

use std::collections::HashSet;

use super::put_item;
use crate::base::number::{Digits, digits};
use crate::base::rng::Rng;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::scan::{self, Of};
use crate::commands::typed::TypedStore;
use crate::resp::reply::ReplyBuf;
use crate::store::fields::Sight;
use crate::store::keyspace::Key;
use crate::store::locked::Locked;
use crate::types::Hash;
use crate::types::hash::Field;
use crate::types::listpack::Item;

/// HRANDFIELD takes so many fields out that are due; it passes over the others, which takes
/// longer.
const ENDED_MAX: usize = 1024;

type Picked<'a> = (Item<'a>, Field<'a>);

pub fn hrandfield(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let mut rng = Rng::from_entropy();
    if args.is_empty() {
        let fields = seen(cx.store, cx.session.db, key)?;
        match fields.as_ref().and_then(|fields| fields.random(&mut rng)) {
            Some((name, _)) => put_item(cx.reply, name),
            None => cx.reply.null(),
        }
        return Ok(Outcome::Done);
    }
    let count = args.i64();
    args.check()?;
    if count == i64::MIN {
        return Err(CmdError::text(
            "ERR value is out of range, value must between -9223372036854775807 and \
             9223372036854775807",
        ));
    }
    let with_values = args.take("withvalues");
    args.finish()?;
    if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(CmdError::text("ERR value is out of range"));
    }
    let Some(fields) = seen(cx.store, cx.session.db, key)? else {
        cx.reply.array(0);
        return Ok(Outcome::Done);
    };
    let mut answer = Answer {
        reply: cx.reply,
        with_values,
    };
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count < 0 {
        answer.repeated(&fields, wanted, &mut rng);
    } else {
        answer.different(&fields, wanted, &mut rng);
    }
    Ok(Outcome::Done)
}

/// What to draw from, if there is such a key. The key is looked up as it was found: only then
/// does what is due go.
fn seen<'s>(store: &'s mut Locked, db: u32, key: Key) -> Result<Option<Fields<'s>>, CmdError> {
    let sight = store.sight();
    let hash = store.read_as::<Hash>(db, key)?;
    if hash.is_some_and(|hash| !sight.sees_all(hash)) {
        store.end_due_fields(db, key, ENDED_MAX);
    }
    let hash = store.peek_as::<Hash>(db, key)?;
    Ok(hash.map(|hash| Fields::of(hash, sight)))
}

/// The fields that are seen.
enum Fields<'a> {
    All(&'a Hash),
    Some(Vec<Picked<'a>>),
}

impl<'a> Fields<'a> {
    fn of(hash: &'a Hash, sight: Sight) -> Fields<'a> {
        if sight.sees_all(hash) {
            return Fields::All(hash);
        }
        let seen = hash.iter().filter(|(_, field)| sight.sees(field));
        Fields::Some(seen.collect())
    }

    fn len(&self) -> usize {
        match self {
            Fields::All(hash) => hash.len(),
            Fields::Some(seen) => seen.len(),
        }
    }

    fn random(&self, rng: &mut Rng) -> Option<Picked<'_>> {
        match self {
            Fields::All(hash) => hash.random(rng),
            Fields::Some(seen) => seen.get(rng.below(seen.len() as u64) as usize).copied(),
        }
    }

    /// Visits `wanted` different ones, in no order, all of them with the same chance.
    fn sample(&self, wanted: usize, rng: &mut Rng, visit: &mut dyn FnMut(Picked)) {
        match self {
            Fields::All(hash) if hash.is_small() || wanted > hash.len() / 4 => {
                pass(hash.iter(), hash.len(), wanted, rng, visit);
            }
            Fields::All(hash) => {
                let mut drawn = HashSet::with_capacity(wanted);
                while drawn.len() < wanted
                    && let Some((name, field)) = hash.random(rng)
                {
                    if drawn.insert(name.to_vec()) {
                        visit((name, field));
                    }
                }
            }
            Fields::Some(seen) => pass(seen.iter().copied(), seen.len(), wanted, rng, visit),
        }
    }
}

/// Goes through all and takes each with the chance that makes it `wanted` in the end.
fn pass<'a>(
    all: impl Iterator<Item = Picked<'a>>,
    len: usize,
    wanted: usize,
    rng: &mut Rng,
    visit: &mut dyn FnMut(Picked),
) {
    let mut wanted = wanted as u64;
    for (picked, left) in all.zip((1..=len as u64).rev()) {
        if rng.below(left) < wanted {
            visit(picked);
            wanted -= 1;
        }
    }
}

struct Answer<'a> {
    reply: &'a mut ReplyBuf,
    with_values: bool,
}

impl Answer<'_> {
    /// `wanted` draws, each from all.
    fn repeated(&mut self, fields: &Fields, wanted: usize, rng: &mut Rng) {
        let wanted = if fields.len() == 0 { 0 } else { wanted };
        self.begin(wanted);
        for _ in 0..wanted {
            if self.reply.is_too_much() {
                break;
            }
            if let Some(picked) = fields.random(rng) {
                self.put(picked);
            }
        }
    }

    /// `wanted` fields, each once, or all if that is fewer.
    fn different(&mut self, fields: &Fields, wanted: usize, rng: &mut Rng) {
        let wanted = wanted.min(fields.len());
        self.begin(wanted);
        fields.sample(wanted, rng, &mut |picked| self.put(picked));
    }

    fn begin(&mut self, count: usize) {
        let is_flat = self.with_values && !self.reply.resp3();
        self.reply.array(if is_flat { 2 * count } else { count });
    }

    fn put(&mut self, (name, field): Picked) {
        if self.with_values && self.reply.resp3() {
            self.reply.array(2);
        }
        put_item(self.reply, name);
        if self.with_values {
            put_item(self.reply, field.value);
        }
    }
}

pub fn hscan(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let cursor = scan::cursor(args.bytes())?;
    let sight = cx.store.sight();
    let Some(hash) = cx.store.read_as::<Hash>(cx.session.db, key)? else {
        cx.reply.array(2);
        cx.reply.bulk(b"0");
        cx.reply.array(0);
        return Ok(Outcome::Done);
    };
    let options = scan::options(args, Of::Hash)?;
    // The cursor stands in front of what is visited on the way to it.
    let mut found = ReplyBuf::with_protocol(cx.reply.resp3());
    let mut count = 0;
    let next = hash.scan(cursor, options.count, |name, field| {
        let is_wanted = scan::matches(options.pattern, name.text(&mut Digits::new()));
        if is_wanted && sight.sees(&field) {
            put_item(&mut found, name);
            count += 1;
            if !options.no_values {
                put_item(&mut found, field.value);
                count += 1;
            }
        }
    });
    cx.reply.array(2);
    cx.reply.bulk(digits().of(next));
    cx.reply.array(count);
    cx.reply.raw(found.bytes());
    Ok(Outcome::Done)
}
