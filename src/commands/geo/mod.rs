//! Places on earth: sorted sets whose scores are places.

/// GEOADD.
mod add;

/// Places of members, and distances: GEOPOS, GEOHASH, GEODIST.
mod look;

/// Members in an area: GEOSEARCH, GEORADIUS and their relatives.
mod search;

use super::args::Args;
use super::error::CmdError;
use super::spec::flag::{DENYOOM, MOVABLE_KEYS, READONLY, WRITE};
use super::spec::{Begin, Find, KeyRef, KeySpec, Spec, access, category};
use crate::base::number;
use crate::resp::argv::Argv;
use crate::resp::reply::ReplyBuf;
use crate::types::geo::{Place, Unit};

const READ: u16 = access::RO | access::ACCESS;
const STORED: u16 = access::OW | access::UPDATE;

const READ_KEY: &[KeySpec] = &[KeySpec::at(1, READ)];
const STORE_KEYS: &[KeySpec] = &[KeySpec::at(1, STORED), KeySpec::at(2, READ)];

/// The key behind a word that may stand from argument `from` on.
const fn key_behind(word: &'static str, from: i32) -> KeySpec {
    KeySpec {
        access: STORED,
        begin: Begin::Keyword { word, from },
        find: Find::Range {
            last: 0,
            step: 1,
            limit: 0,
        },
    }
}

/// The keys of GEORADIUS and GEORADIUSBYMEMBER, whose options begin at `from`.
const fn radius_keys(from: i32) -> [KeySpec; 3] {
    [
        KeySpec::at(1, READ),
        key_behind("STORE", from),
        key_behind("STOREDIST", from),
    ]
}

/// All keys that a call might store to: the last one is, but the others are named, too.
fn radius_keys_from(argv: Argv, found: &mut Vec<KeyRef>, first_option: usize) {
    found.push(KeyRef {
        arg: 1,
        access: READ,
    });
    let mut arg = first_option;
    while arg + 1 < argv.len() {
        let word = argv.get(arg);
        arg += 1;
        if word.eq_ignore_ascii_case(b"STORE") || word.eq_ignore_ascii_case(b"STOREDIST") {
            found.push(KeyRef {
                arg,
                access: STORED,
            });
            arg += 1;
        }
    }
}

const G: u32 = category::GEO;
const STORES: u32 = WRITE | DENYOOM;
const MAY_STORE: u32 = WRITE | DENYOOM | MOVABLE_KEYS;

pub const COMMANDS: &[Spec] = &[
    Spec::new("geoadd", -5, STORES, G, add::geoadd)
        .keys(&[KeySpec::at(1, access::RW | access::UPDATE)]),
    Spec::new("geodist", -4, READONLY, G, look::geodist).keys(READ_KEY),
    Spec::new("geohash", -2, READONLY, G, look::geohash).keys(READ_KEY),
    Spec::new("geopos", -2, READONLY, G, look::geopos).keys(READ_KEY),
    Spec::new("geosearch", -7, READONLY, G, search::geosearch).keys(READ_KEY),
    Spec::new("geosearchstore", -8, STORES, G, search::geosearchstore).keys(STORE_KEYS),
    Spec::new("georadius", -6, MAY_STORE, G, search::georadius)
        .keys(&radius_keys(6))
        .keys_from(|argv, found| radius_keys_from(argv, found, 6)),
    Spec::new("georadius_ro", -6, READONLY, G, search::georadius_ro).keys(READ_KEY),
    Spec::new(
        "georadiusbymember",
        -5,
        MAY_STORE,
        G,
        search::georadiusbymember,
    )
    .keys(&radius_keys(5))
    .keys_from(|argv, found| radius_keys_from(argv, found, 5)),
    Spec::new(
        "georadiusbymember_ro",
        -5,
        READONLY,
        G,
        search::georadiusbymember_ro,
    )
    .keys(READ_KEY),
];

/// Takes longitude and latitude.
fn take_place(args: &mut Args) -> Result<Place, CmdError> {
    let (lon, lat) = (args.f64(), args.f64());
    args.check()?;
    let place = Place { lon, lat };
    match place.is_valid() {
        true => Ok(place),
        false => Err(CmdError::err(format_args!(
            "invalid longitude,latitude pair {lon:.6},{lat:.6}"
        ))),
    }
}

fn take_unit(args: &mut Args) -> Result<Unit, CmdError> {
    let unit = Unit::named(args.bytes());
    unit.ok_or(CmdError::text(
        "ERR unsupported unit provided. please use M, KM, FT, MI",
    ))
}

/// A distance: four digits behind the point, a string in both protocols.
fn reply_distance(reply: &mut ReplyBuf, distance: f64) {
    const PARTS: f64 = 10_000.0;
    let parts = (distance * PARTS).round_ties_even();
    let digits = &mut number::digits();
    let (whole, part) = (parts as i64 / 10_000, parts as i64 % 10_000);
    let mut text = digits.of(whole).to_vec();
    text.push(b'.');
    text.extend_from_slice(&number::digits().of(part + 10_000)[1..]);
    reply.bulk(&text);
}

/// Longitude and latitude.
fn reply_place(reply: &mut ReplyBuf, place: Place) {
    reply.array(2);
    reply.double(place.lon);
    reply.double(place.lat);
}

#[cfg(test)]
mod tests;
