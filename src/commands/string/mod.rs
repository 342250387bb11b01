//! Strings: bytes that are set, read, changed in place, and counted with.
//!
//! What is relative to the moment is logged as something absolute (`SET ... PXAT`,
//! `PEXPIREAT`), and what depends on rounding or on the old value as its result, so that
//! whoever replays the log ends with the same keyspace.

/// The options of SET and GETEX.
mod options;

/// SET and its relatives: whole values, with a time to live.
mod whole;

/// Several values at once: MGET, MSET, MSETNX, MSETEX.
mod many;

/// Parts of a value: APPEND, SETRANGE, GETRANGE.
mod part;

/// Values as numbers: INCR, INCRBYFLOAT.
mod count;

/// LCS: what two values have in common.
mod lcs;

use super::spec::flag::{DENYOOM, FAST, MOVABLE_KEYS, READONLY, WRITE};
use super::spec::{Begin, Find, KeySpec, Spec, access, category};

const READ_KEY: &[KeySpec] = &[KeySpec::at(1, access::RO | access::ACCESS)];
const SIZE_KEY: &[KeySpec] = &[KeySpec::at(1, access::RO)];
const CHANGED_KEY: &[KeySpec] = &[KeySpec::at(1, access::RW | access::UPDATE)];
const COUNTED_KEY: &[KeySpec] = &[KeySpec::at(1, access::RW | access::ACCESS | access::UPDATE)];
const GROWN_KEY: &[KeySpec] = &[KeySpec::at(1, access::RW | access::INSERT)];
const NEW_KEY: &[KeySpec] = &[KeySpec::at(1, access::OW | access::INSERT)];
const OVERWRITTEN_KEY: &[KeySpec] = &[KeySpec::at(1, access::OW | access::UPDATE)];
const TAKEN_KEY: &[KeySpec] = &[KeySpec::at(1, access::RW | access::ACCESS | access::DELETE)];
const REMOVED_KEY: &[KeySpec] = &[KeySpec::at(1, access::RM | access::DELETE)];
/// With GET the old value is read too.
const SET_KEY: &[KeySpec] = &[KeySpec::at(
    1,
    access::RW | access::ACCESS | access::UPDATE | access::VARIABLE_FLAGS,
)];

const S: u32 = category::STRING;
const MULTI_SHARD: &str = "request_policy:multi_shard";

pub const COMMANDS: &[Spec] = &[
    Spec::new("get", 2, READONLY | FAST, S, whole::get).keys(READ_KEY),
    Spec::new("set", -3, WRITE | DENYOOM, S, whole::set)
        .keys(SET_KEY)
        .access_of(whole::set_access),
    Spec::new("setnx", 3, WRITE | DENYOOM | FAST, S, whole::setnx).keys(NEW_KEY),
    Spec::new("setex", 4, WRITE | DENYOOM, S, whole::setex).keys(OVERWRITTEN_KEY),
    Spec::new("psetex", 4, WRITE | DENYOOM, S, whole::psetex).keys(OVERWRITTEN_KEY),
    Spec::new("getset", 3, WRITE | DENYOOM | FAST, S, whole::getset).keys(COUNTED_KEY),
    Spec::new("getdel", 2, WRITE | FAST, S, whole::getdel).keys(TAKEN_KEY),
    Spec::new("getex", -2, WRITE | FAST, S, whole::getex).keys(COUNTED_KEY),
    Spec::new("delifeq", 3, WRITE | FAST, S, whole::delifeq).keys(REMOVED_KEY),
    Spec::new("mget", -2, READONLY | FAST, S, many::mget)
        .keys(&[KeySpec::range(1, -1, 1, access::RO | access::ACCESS)])
        .tips(&[MULTI_SHARD]),
    Spec::new("mset", -3, WRITE | DENYOOM, S, many::mset)
        .keys(&[KeySpec::range(1, -1, 2, access::OW | access::UPDATE)])
        .tips(&[MULTI_SHARD, "response_policy:all_succeeded"]),
    Spec::new("msetnx", -3, WRITE | DENYOOM, S, many::msetnx).keys(&[KeySpec::range(
        1,
        -1,
        2,
        access::OW | access::INSERT,
    )]),
    Spec::new(
        "msetex",
        -4,
        WRITE | DENYOOM | MOVABLE_KEYS,
        S,
        many::msetex,
    )
    .keys(&[KeySpec {
        access: access::OW | access::UPDATE,
        begin: Begin::Index(1),
        find: Find::KeyNum {
            count_at: 0,
            first: 1,
            step: 2,
        },
    }])
    .tips(&[MULTI_SHARD, "response_policy:all_succeeded"]),
    Spec::new("strlen", 2, READONLY | FAST, S, part::strlen).keys(SIZE_KEY),
    Spec::new("append", 3, WRITE | DENYOOM | FAST, S, part::append).keys(GROWN_KEY),
    Spec::new("setrange", 4, WRITE | DENYOOM, S, part::setrange).keys(CHANGED_KEY),
    Spec::new("getrange", 4, READONLY, S, part::getrange).keys(READ_KEY),
    Spec::new("substr", 4, READONLY, S, part::getrange).keys(READ_KEY),
    Spec::new("incr", 2, WRITE | DENYOOM | FAST, S, count::incr).keys(COUNTED_KEY),
    Spec::new("decr", 2, WRITE | DENYOOM | FAST, S, count::decr).keys(COUNTED_KEY),
    Spec::new("incrby", 3, WRITE | DENYOOM | FAST, S, count::incrby).keys(COUNTED_KEY),
    Spec::new("decrby", 3, WRITE | DENYOOM | FAST, S, count::decrby).keys(COUNTED_KEY),
    Spec::new(
        "incrbyfloat",
        3,
        WRITE | DENYOOM | FAST,
        S,
        count::incrbyfloat,
    )
    .keys(COUNTED_KEY),
    Spec::new("lcs", -3, READONLY, S, lcs::lcs).keys(&[KeySpec::range(
        1,
        1,
        1,
        access::RO | access::ACCESS,
    )]),
];
