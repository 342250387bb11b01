//! Places of members, and distances between them.

use super::{reply_distance, reply_place, take_unit};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::typed::TypedStore;
use crate::types::ZSet;
use crate::types::geo::{Place, Unit};

pub fn geodist(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let (key, one, other) = (args.key(), args.bytes(), args.bytes());
    let unit = match args.left() {
        0 => Unit::METRE,
        1 => take_unit(&mut args)?,
        _ => return Err(CmdError::Syntax),
    };
    let set = cx.store.read_as::<ZSet>(cx.session.db, key)?;
    let place = |member| Some(Place::of_score(set?.score(member)?));
    match place(one).zip(place(other)) {
        Some((one, other)) => reply_distance(cx.reply, one.distance_m(other) / unit.metres),
        None => cx.reply.null(),
    }
    Ok(Outcome::Done)
}

pub fn geohash(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let places = places(cx, &mut args)?;
    cx.reply.array(places.len());
    for place in places {
        match place {
            Some(place) => cx.reply.bulk(&place.letters()),
            None => cx.reply.null(),
        }
    }
    Ok(Outcome::Done)
}

pub fn geopos(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let places = places(cx, &mut args)?;
    cx.reply.array(places.len());
    for place in places {
        match place {
            Some(place) => reply_place(cx.reply, place),
            None => cx.reply.null_array(),
        }
    }
    Ok(Outcome::Done)
}

/// The places of the members that are named behind the key.
fn places(cx: &mut Cx, args: &mut Args) -> Result<Vec<Option<Place>>, CmdError> {
    let key = args.key();
    let set = cx.store.read_as::<ZSet>(cx.session.db, key)?;
    let mut places = Vec::with_capacity(args.left());
    while let Some(member) = args.next() {
        let score = set.and_then(|set| set.score(member));
        places.push(score.map(Place::of_score));
    }
    Ok(places)
}
