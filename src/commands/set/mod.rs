//! Sets: members that are there or not, and what sets have in common.
//!
//! What is drawn at random is logged as what was drawn (SPOP as SREM).

/// Members of one set: SADD, SREM, SISMEMBER, SMEMBERS and so on.
mod members;

/// Members drawn at random: SPOP, SRANDMEMBER.
mod drawn;

/// Several sets: SINTER, SUNION, SDIFF.
mod several;

#[cfg(test)]
mod tests;

use super::spec::flag::{DENYOOM, FAST, MOVABLE_KEYS, READONLY, WRITE};
use super::spec::{Begin, Find, KeySpec, Spec, access, category};

const READ_KEY: &[KeySpec] = &[KeySpec::at(1, access::RO | access::ACCESS)];
const ASKED_KEY: &[KeySpec] = &[KeySpec::at(1, access::RO)];
const GROWN_KEY: &[KeySpec] = &[KeySpec::at(1, access::RW | access::INSERT)];
const REDUCED_KEY: &[KeySpec] = &[KeySpec::at(1, access::RW | access::DELETE)];
const TAKEN_KEY: &[KeySpec] = &[KeySpec::at(1, access::RW | access::ACCESS | access::DELETE)];
const MOVED_KEYS: &[KeySpec] = &[
    KeySpec::at(1, access::RW | access::ACCESS | access::DELETE),
    KeySpec::at(2, access::RW | access::INSERT),
];
const READ_KEYS: &[KeySpec] = &[KeySpec::range(1, -1, 1, access::RO | access::ACCESS)];
const STORED_KEYS: &[KeySpec] = &[
    KeySpec::at(1, access::OW | access::UPDATE),
    KeySpec::range(2, -1, 1, access::RO | access::ACCESS),
];
const COUNTED_KEYS: &[KeySpec] = &[KeySpec {
    access: access::RO | access::ACCESS,
    begin: Begin::Index(1),
    find: Find::KeyNum {
        count_at: 0,
        first: 1,
        step: 1,
    },
}];

const S: u32 = category::SET;
const RANDOM: &[&str] = &["nondeterministic_output"];
const ANY_ORDER: &[&str] = &["nondeterministic_output_order"];

pub const COMMANDS: &[Spec] = &[
    Spec::new("sadd", -3, WRITE | DENYOOM | FAST, S, members::add).keys(GROWN_KEY),
    Spec::new("srem", -3, WRITE | FAST, S, members::remove).keys(REDUCED_KEY),
    Spec::new("smove", 4, WRITE | FAST, S, members::move_member).keys(MOVED_KEYS),
    Spec::new("scard", 2, READONLY | FAST, S, members::count).keys(ASKED_KEY),
    Spec::new("sismember", 3, READONLY | FAST, S, members::is_member).keys(ASKED_KEY),
    Spec::new("smismember", -3, READONLY | FAST, S, members::are_members).keys(READ_KEY),
    Spec::new("smembers", 2, READONLY, S, members::all)
        .keys(READ_KEY)
        .tips(ANY_ORDER),
    Spec::new("sscan", -3, READONLY, S, members::scan)
        .keys(READ_KEY)
        .tips(RANDOM),
    Spec::new("spop", -2, WRITE | FAST, S, drawn::pop)
        .keys(TAKEN_KEY)
        .tips(RANDOM),
    Spec::new("srandmember", -2, READONLY, S, drawn::random)
        .keys(READ_KEY)
        .tips(RANDOM),
    Spec::new("sinter", -2, READONLY, S, several::inter)
        .keys(READ_KEYS)
        .tips(ANY_ORDER),
    Spec::new(
        "sintercard",
        -3,
        READONLY | MOVABLE_KEYS,
        S,
        several::inter_count,
    )
    .keys(COUNTED_KEYS),
    Spec::new("sinterstore", -3, WRITE | DENYOOM, S, several::inter_store).keys(STORED_KEYS),
    Spec::new("sunion", -2, READONLY, S, several::union)
        .keys(READ_KEYS)
        .tips(ANY_ORDER),
    Spec::new("sunionstore", -3, WRITE | DENYOOM, S, several::union_store).keys(STORED_KEYS),
    Spec::new("sdiff", -2, READONLY, S, several::diff)
        .keys(READ_KEYS)
        .tips(ANY_ORDER),
    Spec::new("sdiffstore", -3, WRITE | DENYOOM, S, several::diff_store).keys(STORED_KEYS),
];
