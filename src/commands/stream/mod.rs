//! Streams: entries behind each other, read by anyone from any place, or by groups of
//! consumers who share them and acknowledge what they have been given.
//!
//! What depends on the moment is logged as its outcome: an id that was given, the exact form
//! of an approximate trimming. What a group's reading changes is logged as XCLAIM and XGROUP
//! SETID, entry by entry, never as the reading itself.

/// Ids as arguments, and entries as replies.
mod wire;

/// Entries in and out: XADD, XTRIM, XDEL, XSETID.
mod add;

/// Entries looked at: XLEN, XRANGE, XREVRANGE.
mod look;

/// What is logged of a group's progress.
mod progress;

/// Entries read from several streams: XREAD, XREADGROUP.
mod read;

/// XGROUP.
mod group;

/// What was given and not acknowledged: XACK, XPENDING.
mod pending;

/// What was given to one and goes to another: XCLAIM, XAUTOCLAIM.
mod claim;

/// XINFO.
mod info;

use super::help::no_subcommand;
use super::spec::flag::{BLOCKING, DENYOOM, FAST, LOADING, MOVABLE_KEYS, READONLY, STALE, WRITE};
use super::spec::{Begin, Find, KeySpec, Spec, access, category};

const READ_KEY: &[KeySpec] = &[KeySpec::at(1, access::RO | access::ACCESS)];
const SIZE_KEY: &[KeySpec] = &[KeySpec::at(1, access::RO)];
const CHANGED_KEY: &[KeySpec] = &[KeySpec::at(1, access::RW | access::UPDATE)];
const SHRUNK_KEY: &[KeySpec] = &[KeySpec::at(1, access::RW | access::DELETE)];
const SUB_READ_KEY: &[KeySpec] = &[KeySpec::at(2, access::RO | access::ACCESS)];
const SUB_GROWN_KEY: &[KeySpec] = &[KeySpec::at(2, access::RW | access::INSERT)];
const SUB_CHANGED_KEY: &[KeySpec] = &[KeySpec::at(2, access::RW | access::UPDATE)];
const SUB_SHRUNK_KEY: &[KeySpec] = &[KeySpec::at(2, access::RW | access::DELETE)];

/// The first half of what stands behind STREAMS.
const fn streams(from: i32) -> KeySpec {
    KeySpec {
        access: access::RO | access::ACCESS,
        begin: Begin::Keyword {
            word: "STREAMS",
            from,
        },
        find: Find::Range {
            last: -1,
            step: 1,
            limit: 2,
        },
    }
}

const S: u32 = category::STREAM;
const VARIES: &[&str] = &["nondeterministic_output"];

pub const COMMANDS: &[Spec] = &[
    Spec::new("xadd", -5, WRITE | DENYOOM | FAST, S, add::xadd)
        .keys(CHANGED_KEY)
        .tips(VARIES),
    Spec::new("xtrim", -4, WRITE, S, add::xtrim)
        .keys(SHRUNK_KEY)
        .tips(VARIES),
    Spec::new("xdel", -3, WRITE | FAST, S, add::xdel).keys(SHRUNK_KEY),
    Spec::new("xsetid", -3, WRITE | DENYOOM | FAST, S, add::xsetid).keys(CHANGED_KEY),
    Spec::new("xlen", 2, READONLY | FAST, S, look::xlen).keys(SIZE_KEY),
    Spec::new("xrange", -4, READONLY, S, look::xrange).keys(READ_KEY),
    Spec::new("xrevrange", -4, READONLY, S, look::xrevrange).keys(READ_KEY),
    Spec::new(
        "xread",
        -4,
        READONLY | BLOCKING | MOVABLE_KEYS,
        S,
        read::xread,
    )
    .keys(&[streams(1)])
    .keys_from(read::keys),
    Spec::new(
        "xreadgroup",
        -7,
        WRITE | BLOCKING | MOVABLE_KEYS,
        S,
        read::xreadgroup,
    )
    .keys(&[streams(4)])
    .keys_from(read::keys),
    Spec::new("xgroup", -2, 0, 0, no_subcommand).subcommands(&[
        Spec::new("create", -5, WRITE | DENYOOM, S, group::create).keys(SUB_GROWN_KEY),
        Spec::new("setid", -5, WRITE, S, group::setid).keys(SUB_CHANGED_KEY),
        Spec::new("destroy", 4, WRITE, S, group::destroy).keys(SUB_SHRUNK_KEY),
        Spec::new(
            "createconsumer",
            5,
            WRITE | DENYOOM,
            S,
            group::createconsumer,
        )
        .keys(SUB_GROWN_KEY),
        Spec::new("delconsumer", 5, WRITE, S, group::delconsumer).keys(SUB_SHRUNK_KEY),
        Spec::new("help", 2, LOADING | STALE, S, group::help),
    ]),
    Spec::new("xack", -4, WRITE | FAST, S, pending::xack).keys(CHANGED_KEY),
    Spec::new("xpending", -3, READONLY, S, pending::xpending)
        .keys(READ_KEY)
        .tips(VARIES),
    Spec::new("xclaim", -6, WRITE | FAST, S, claim::xclaim)
        .keys(CHANGED_KEY)
        .tips(VARIES),
    Spec::new("xautoclaim", -6, WRITE | FAST, S, claim::xautoclaim)
        .keys(SHRUNK_KEY)
        .tips(VARIES),
    Spec::new("xinfo", -2, 0, 0, no_subcommand).subcommands(&[
        Spec::new("stream", -3, READONLY, S, info::stream).keys(SUB_READ_KEY),
        Spec::new("groups", 3, READONLY, S, info::groups).keys(SUB_READ_KEY),
        Spec::new("consumers", 4, READONLY, S, info::consumers)
            .keys(SUB_READ_KEY)
            .tips(VARIES),
        Spec::new("help", 2, LOADING | STALE, S, info::help),
    ]),
];

#[cfg(test)]
mod tests;
