//! Bitmaps: strings as rows of bits, whole numbers of any width among them.

/// Where bits are: offsets and ranges as commands are given them.
mod place;

/// One bit: SETBIT, GETBIT.
mod bit;

/// Bits counted and searched: BITCOUNT, BITPOS.
mod range;

/// BITOP: whole bitmaps combined.
mod combine;

/// BITFIELD: numbers in bitmaps.
mod field;

use super::spec::flag::{DENYOOM, FAST, READONLY, WRITE};
use super::spec::{KeySpec, Spec, access, category};

const READ_KEY: &[KeySpec] = &[KeySpec::at(1, access::RO | access::ACCESS)];
const CHANGED_KEY: &[KeySpec] = &[KeySpec::at(1, access::RW | access::ACCESS | access::UPDATE)];
/// GET alone changes nothing.
const FIELD_KEY: &[KeySpec] = &[KeySpec::at(
    1,
    access::RW | access::ACCESS | access::UPDATE | access::VARIABLE_FLAGS,
)];

const B: u32 = category::BITMAP;

pub const COMMANDS: &[Spec] = &[
    Spec::new("setbit", 4, WRITE | DENYOOM, B, bit::setbit).keys(CHANGED_KEY),
    Spec::new("getbit", 3, READONLY | FAST, B, bit::getbit).keys(READ_KEY),
    Spec::new("bitcount", -2, READONLY, B, range::bitcount).keys(READ_KEY),
    Spec::new("bitpos", -3, READONLY, B, range::bitpos).keys(READ_KEY),
    Spec::new("bitop", -4, WRITE | DENYOOM, B, combine::bitop).keys(&[
        KeySpec::at(2, access::OW | access::UPDATE),
        KeySpec::range(3, -1, 1, access::RO | access::ACCESS),
    ]),
    Spec::new("bitfield", -2, WRITE | DENYOOM, B, field::bitfield)
        .keys(FIELD_KEY)
        .access_of(field::access),
    Spec::new("bitfield_ro", -2, READONLY | FAST, B, field::bitfield_ro).keys(READ_KEY),
];
