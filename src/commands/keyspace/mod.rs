//! Keys whatever they hold: deleting, moving, listing and describing them, and databases.

/// DEL, UNLINK, EXISTS, TYPE, TOUCH.
mod keys;

/// KEYS, SCAN, RANDOMKEY, DBSIZE.
mod walk;

/// SELECT, FLUSHDB, FLUSHALL, SWAPDB.
mod database;

/// RENAME, RENAMENX, MOVE, COPY.
mod transfer;

/// OBJECT and MEMORY USAGE.
mod object;

/// DUMP and RESTORE.
mod dump;

/// MIGRATE.
pub mod migrate;

pub use dump::verified;
pub use object::memory_usage;

use super::help;
use super::spec::category::{CONNECTION, DANGEROUS, KEYSPACE};
use super::spec::flag::{ASKING, DENYOOM, FAST, LOADING, MOVABLE_KEYS, READONLY, STALE, WRITE};
use super::spec::{Begin, Find, KeySpec, Locks, Spec, access};

const NONDETERMINISTIC: &[&str] = &["nondeterministic_output"];
const SUMMED_BY_SHARD: &[&str] = &["request_policy:multi_shard", "response_policy:agg_sum"];
const FLUSH: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];
const ALL_KEYS_DELETED: &[KeySpec] = &[KeySpec::range(1, -1, 1, access::RM | access::DELETE)];
const ALL_KEYS_ASKED: &[KeySpec] = &[KeySpec::range(1, -1, 1, access::RO)];
const ASKED_BY_SUBCOMMAND: &[KeySpec] = &[KeySpec::at(2, access::RO)];
const MOVED: u16 = access::RW | access::ACCESS | access::DELETE;
const MIGRATED: &[KeySpec] = &[
    KeySpec::at(3, access::RW | access::ACCESS | access::DELETE),
    KeySpec {
        access: access::RW | access::ACCESS | access::DELETE | access::INCOMPLETE,
        begin: Begin::Keyword {
            word: "KEYS",
            from: -2,
        },
        find: Find::Range {
            last: -1,
            step: 1,
            limit: 0,
        },
    },
];
const RESTORED: &[KeySpec] = &[KeySpec::at(1, access::OW | access::UPDATE)];

pub const COMMANDS: &[Spec] = &[
    Spec::new("del", -2, WRITE, KEYSPACE, keys::delete)
        .keys(ALL_KEYS_DELETED)
        .tips(SUMMED_BY_SHARD),
    Spec::new("unlink", -2, WRITE | FAST, KEYSPACE, keys::delete)
        .keys(ALL_KEYS_DELETED)
        .tips(SUMMED_BY_SHARD),
    Spec::new("exists", -2, READONLY | FAST, KEYSPACE, keys::exists)
        .keys(ALL_KEYS_ASKED)
        .tips(SUMMED_BY_SHARD),
    Spec::new("type", 2, READONLY | FAST, KEYSPACE, keys::kind).keys(&[KeySpec::at(1, access::RO)]),
    Spec::new("touch", -2, READONLY | FAST, KEYSPACE, keys::touch)
        .keys(ALL_KEYS_ASKED)
        .tips(SUMMED_BY_SHARD),
    Spec::new("keys", 2, READONLY, KEYSPACE | DANGEROUS, walk::keys)
        .locks(Locks::Everything)
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"]),
    Spec::new("scan", -2, READONLY, KEYSPACE, walk::scan)
        .locks(Locks::Everything)
        .tips(&[
            "nondeterministic_output",
            "request_policy:special",
            "response_policy:special",
        ]),
    Spec::new("randomkey", 1, READONLY, KEYSPACE, walk::random_key)
        .locks(Locks::Everything)
        .tips(&[
            "request_policy:all_shards",
            "response_policy:special",
            "nondeterministic_output",
        ]),
    Spec::new("dbsize", 1, READONLY | FAST, KEYSPACE, walk::count)
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"]),
    Spec::new(
        "select",
        2,
        LOADING | STALE | FAST,
        CONNECTION,
        database::select,
    ),
    Spec::new("flushdb", -1, WRITE, KEYSPACE | DANGEROUS, database::flush)
        .locks(Locks::Everything)
        .tips(FLUSH),
    Spec::new(
        "flushall",
        -1,
        WRITE,
        KEYSPACE | DANGEROUS,
        database::flush_all,
    )
    .locks(Locks::Everything)
    .tips(FLUSH),
    Spec::new(
        "swapdb",
        3,
        WRITE | FAST,
        KEYSPACE | DANGEROUS,
        database::swap,
    )
    .locks(Locks::Everything),
    Spec::new("rename", 3, WRITE, KEYSPACE, transfer::rename).keys(&[
        KeySpec::at(1, MOVED),
        KeySpec::at(2, access::OW | access::UPDATE),
    ]),
    Spec::new("renamenx", 3, WRITE | FAST, KEYSPACE, transfer::rename_new).keys(&[
        KeySpec::at(1, MOVED),
        KeySpec::at(2, access::OW | access::INSERT),
    ]),
    Spec::new("move", 3, WRITE | FAST, KEYSPACE, transfer::to_database)
        .keys(&[KeySpec::at(1, access::RW | access::ACCESS | access::UPDATE)]),
    Spec::new("copy", -3, WRITE | DENYOOM, KEYSPACE, transfer::copy).keys(&[
        KeySpec::at(1, access::RO | access::ACCESS),
        KeySpec::at(2, access::OW | access::UPDATE),
    ]),
    Spec::new("object", -2, 0, 0, help::no_subcommand).subcommands(OBJECT),
    Spec::new("dump", 2, READONLY, KEYSPACE, dump::dump)
        .keys(&[KeySpec::at(1, access::RO | access::ACCESS)])
        .tips(NONDETERMINISTIC),
    Spec::new(
        "restore",
        -4,
        WRITE | DENYOOM,
        KEYSPACE | DANGEROUS,
        dump::restore,
    )
    .keys(RESTORED),
    Spec::new(
        "restore-asking",
        -4,
        WRITE | DENYOOM | ASKING,
        KEYSPACE | DANGEROUS,
        dump::restore,
    )
    .keys(RESTORED),
    Spec::new(
        "migrate",
        -6,
        WRITE | MOVABLE_KEYS,
        KEYSPACE | DANGEROUS,
        migrate::migrate,
    )
    .keys(MIGRATED)
    .keys_from(migrate::keys)
    .tips(NONDETERMINISTIC),
];

const OBJECT: &[Spec] = &[
    Spec::new("encoding", 3, READONLY, KEYSPACE, object::encoding)
        .keys(ASKED_BY_SUBCOMMAND)
        .tips(NONDETERMINISTIC),
    Spec::new("freq", 3, READONLY, KEYSPACE, object::frequency)
        .keys(ASKED_BY_SUBCOMMAND)
        .tips(NONDETERMINISTIC),
    Spec::new("idletime", 3, READONLY, KEYSPACE, object::idle_time)
        .keys(ASKED_BY_SUBCOMMAND)
        .tips(NONDETERMINISTIC),
    Spec::new("refcount", 3, READONLY, KEYSPACE, object::reference_count)
        .keys(ASKED_BY_SUBCOMMAND)
        .tips(NONDETERMINISTIC),
    Spec::new("help", 2, LOADING | STALE, KEYSPACE, object::object_help),
];
