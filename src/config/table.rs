//! The one table of directives: each line feeds the command line, the configuration file,
//! `CONFIG GET`, `SET` and `REWRITE`, and `redis.conf.example`.
//!
//! A directive is here if the server acts on it. Those that Redis and Valkey know beside them
//! stand in the idle groups (`Group::is_idle`), so that files which name them are accepted
//! and tools which ask for them are answered; where a value would promise something that is
//! not there, it is refused with the reason.

use super::choices::{
    ClusterSave, DisklessLoad, Endpoint, EvictionPolicy, Facility, Fsync, LogLevel, NewUsers,
    OomScoreAdj, PropagationError, ProtectedAction, RdbVersions, SanitizeDump, Supervised,
    TlsClients, TlsUser,
};
use super::spec::{Group, Kind, Names, Spec, bool, choice, flag, int, memory, only, text};

const INT_MAX: i64 = i32::MAX as i64;
const INT_MIN: i64 = i32::MIN as i64;
const UINT_MAX: i64 = u32::MAX as i64;
const LONG_MAX: i64 = i64::MAX;
const MB: i64 = 1 << 20;
const OPTIONAL: Kind = Kind::OptionalText;

const NO_TLS: &str = "connections are not encrypted yet";
const NO_CLUSTER: &str = "this server is part of no cluster";

const SHUTDOWN_OPTIONS: Names = &[
    ("default", 0),
    ("save", 1),
    ("nosave", 2),
    ("now", 4),
    ("force", 8),
];

/// Makes the enum `Param` and `SPECS` from the same lines:
/// `Variant "name" / "alias" = kind, FLAG, ...; "summary"`.
macro_rules! params {
    ($( $group:ident { $(
        $param:ident $name:literal $(/ $alias:literal)? = $kind:expr $(, $flag:ident)* ;
        $summary:literal
    )* } )*) => {
        /// One variant for each directive, in the order of the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Param { $($( $param, )*)* }

        impl Param {
            /// Every directive, in the order of the table.
            pub const ALL: &'static [Param] = &[ $($( Param::$param, )*)* ];
        }

        static SPECS: [Spec; Param::ALL.len()] = [ $($( Spec {
            name: $name,
            alias: params!(@alias $($alias)?),
            kind: $kind,
            flags: 0 $(| flag::$flag)*,
            group: Group::$group,
            summary: $summary,
        }, )*)* ];
    };
    (@alias) => { None };
    (@alias $alias:literal) => { Some($alias) };
}

impl Param {
    /// The directive called `name`, by its name or its alias, in any case.
    pub fn named(name: &[u8]) -> Option<Param> {
        let named = |spec: &&Spec| {
            spec.names()
                .any(|known| known.as_bytes().eq_ignore_ascii_case(name))
        };
        let position = SPECS.iter().position(|spec| named(&spec))?;
        Param::ALL.get(position).copied()
    }

    /// What the table says of this directive.
    pub fn spec(self) -> &'static Spec {
        &SPECS[self as usize]
    }
}

params! {
    Network {
        Bind "bind" = Kind::Addresses, MULTI_ARG;
            "Addresses to listen on. `*` stands for all IPv4 addresses, `::*` for all IPv6 \
             ones. An address with a `-` in front may be missing on this machine."
        BindSourceAddr "bind-source-addr" = Kind::OptionalText;
            "The local address from which a follower connects to its leader."
        ProtectedMode "protected-mode" = bool(true);
            "Accept only local connections as long as no password is set."
        Port "port" = int(0, 65535, 6379);
            "TCP port to listen on. 0 listens on none."
        TcpBacklog "tcp-backlog" = int(0, INT_MAX, 511), IMMUTABLE;
            "How many connections may wait to be accepted. The kernel cuts it to \
             net.core.somaxconn."
        UnixSocket "unixsocket" = Kind::OptionalText, IMMUTABLE;
            "Path of a Unix socket to listen on as well."
        UnixSocketPerm "unixsocketperm" = Kind::Octal { min: 0, max: 0o777, default: 0 }, IMMUTABLE;
            "Permissions of the Unix socket, in octal. 0 leaves them to the umask."
        Timeout "timeout" = int(0, INT_MAX, 0);
            "Close a connection that has been idle for this many seconds. 0 never closes one."
        TcpKeepalive "tcp-keepalive" = int(0, INT_MAX, 300);
            "Probe silent connections after this many seconds. 0 never probes."
    }
    General {
        Daemonize "daemonize" = bool(false), IMMUTABLE;
            "Go to the background after the start."
        Supervised "supervised" = choice::<Supervised>(Supervised::No as i64), IMMUTABLE;
            "Tell a service manager when the server is ready: `systemd` through \
             $NOTIFY_SOCKET, `upstart` by stopping itself, `auto` whichever of the two the \
             environment shows."
        PidFile "pidfile" = Kind::OptionalText, IMMUTABLE;
            "Write the process id to this file, remove it at the end. A server that goes to \
             the background writes /var/run/redis.pid if nothing is set."
        LogLevel "loglevel" = choice::<LogLevel>(LogLevel::Notice as i64);
            "The least important lines to log."
        LogFile "logfile" = text(""), IMMUTABLE;
            "Log to this file. Empty logs to the standard output."
        Databases "databases" = int(1, INT_MAX, 16), IMMUTABLE;
            "How many databases SELECT can choose from."
        IoThreads "io-threads" = Kind::Threads { max: 128 }, IMMUTABLE;
            "Worker threads. Each serves its own connections and executes their commands. \
             The default is one for each core."
        Hz "hz" = int(0, INT_MAX, 10);
            "How often a second background work is looked after, from 1 to 500. Values beyond \
             are taken as the nearest of the two."
        ActiveExpireEffort "active-expire-effort" = int(1, 10, 1);
            "How much work goes into finding expired keys nobody asks for, from 1 to 10."
        SlowlogLogSlowerThan "slowlog-log-slower-than" / "commandlog-execution-slower-than"
            = int(-1, LONG_MAX, 10000);
            "Note commands in the slow log that take longer than so many microseconds. 0 notes \
             every command, -1 none."
        SlowlogMaxLen "slowlog-max-len" / "commandlog-slow-execution-max-len"
            = int(0, LONG_MAX, 128);
            "How many commands the slow log keeps."
        CommandlogRequestLargerThan "commandlog-request-larger-than" = int(-1, LONG_MAX, MB);
            "Note commands whose requests have so many bytes or more. 0 notes every command, -1 \
             none."
        CommandlogLargeRequestMaxLen "commandlog-large-request-max-len" = int(0, LONG_MAX, 128);
            "How many of them are kept."
        CommandlogReplyLargerThan "commandlog-reply-larger-than" = int(-1, LONG_MAX, MB);
            "Note commands whose replies have so many bytes or more. 0 notes every command, -1 \
             none."
        CommandlogLargeReplyMaxLen "commandlog-large-reply-max-len" = int(0, LONG_MAX, 128);
            "How many of them are kept."
        SetProcTitle "set-proc-title" = bool(true), IMMUTABLE;
            "Show what the server is and where it listens in the list of processes."
        ProcTitleTemplate "proc-title-template" = text("{title} {listen-addr} {server-mode}");
            "How that is shown: any text, in which {title} stands for the program, and \
             {listen-addr}, {server-mode}, {port}, {tls-port}, {unixsocket} and {config-file} \
             for what they say."
        OomScoreAdj "oom-score-adj" = choice::<OomScoreAdj>(OomScoreAdj::No as i64);
            "Steer whom the kernel kills first when memory runs out. `no` leaves the score \
             alone, `yes` (or `relative`) adds the values below to the one at the start, \
             `absolute` sets them."
        OomScoreAdjValues "oom-score-adj-values" = Kind::OomScores, MULTI_ARG;
            "The scores of a leader, a follower and a saving child, from -2000 to 2000. \
             This server has no children, so the third is never used."
        ShutdownTimeout "shutdown-timeout" = int(0, INT_MAX, 10);
            "How many seconds a shutdown waits for followers that lag behind."
        ShutdownOnSigint "shutdown-on-sigint"
            = Kind::Options { names: SHUTDOWN_OPTIONS }, MULTI_ARG;
            "How SIGINT shuts down: `default` saves if save points are set; or any of `save`, \
             `nosave`, `now` (wait for no follower) and `force` (even if saving fails)."
        ShutdownOnSigterm "shutdown-on-sigterm"
            = Kind::Options { names: SHUTDOWN_OPTIONS }, MULTI_ARG;
            "The same for SIGTERM."
    }
    Snapshots {
        Save "save" = Kind::SavePoints, MULTI_ARG;
            "Save when at least so many keys changed within so many seconds: pairs of seconds \
             and changes. An empty string saves never. The first line in a file replaces the \
             default, further ones add to it."
        StopWritesOnBgsaveError "stop-writes-on-bgsave-error" = bool(true);
            "Refuse writes after a save has failed, until one succeeds."
        RdbCompression "rdbcompression" = bool(true);
            "Compress long strings in snapshots."
        RdbChecksum "rdbchecksum" = bool(true), IMMUTABLE;
            "End snapshots with a checksum, and verify it when loading."
        DbFilename "dbfilename" = text("dump.rdb"), PROTECTED;
            "The snapshot's file name, inside of `dir`."
        Dir "dir" = Kind::Directory, PROTECTED, DENY_LOADING;
            "The directory of everything the server writes; other relative paths begin there. \
             The default is the directory it is started in."
        RdbDelSyncFiles "rdb-del-sync-files" = bool(false);
            "Delete the snapshots that replication left behind, if nothing else is persisted."
        RdbSaveIncrementalFsync "rdb-save-incremental-fsync" = bool(true);
            "Force a snapshot to the disk bit by bit while it is written."
    }
    Replication {
        ReplicaOf "replicaof" / "slaveof" = Kind::Leader, IMMUTABLE, MULTI_ARG;
            "Host and port of the leader to follow. `no one` follows nobody."
        MasterAuth "masterauth" / "primaryauth" = Kind::OptionalText, SENSITIVE;
            "The leader's password."
        MasterUser "masteruser" / "primaryuser" = Kind::OptionalText, SENSITIVE;
            "The user to authenticate as at the leader, if it has users."
        ReplicaServeStaleData "replica-serve-stale-data" / "slave-serve-stale-data" = bool(true);
            "Answer clients while the leader is out of reach. Otherwise a follower answers \
             most commands MASTERDOWN until its data is current."
        ReplicaReadOnly "replica-read-only" / "slave-read-only" = bool(true);
            "Refuse writes of clients to a follower."
        ReplicaAnnounced "replica-announced" = bool(true);
            "Whether a follower may be shown to those who ask Sentinel for followers."
        ReplicaAnnounceIp "replica-announce-ip" / "slave-announce-ip" = Kind::OptionalText;
            "The address a follower tells its leader, instead of the one seen there."
        ReplicaAnnouncePort "replica-announce-port" / "slave-announce-port" = int(0, 65535, 0);
            "The port a follower tells its leader. 0 tells its own."
        ReplicaPriority "replica-priority" / "slave-priority" = int(0, INT_MAX, 100);
            "Sentinel prefers the follower with the lowest number. 0 is never promoted."
        ReplicaIgnoreDiskWriteErrors "replica-ignore-disk-write-errors" = bool(false);
            "Go on applying the leader's writes after a save has failed, instead of ending \
             the process."
        ReplDisklessSync "repl-diskless-sync" = bool(true);
            "Send followers a snapshot straight over the socket, without a file in between."
        ReplDisklessSyncDelay "repl-diskless-sync-delay" = int(0, INT_MAX, 5);
            "How many seconds such a transfer waits for more followers to join in."
        ReplDisklessSyncMaxReplicas "repl-diskless-sync-max-replicas" = int(0, INT_MAX, 0);
            "Start at once when this many followers wait. 0 always waits the whole delay."
        ReplDisklessLoad "repl-diskless-load"
            = choice::<DisklessLoad>(DisklessLoad::Disabled as i64), DENY_LOADING;
            "Whether a follower loads straight from the socket: `disabled` (through a file), \
             `on-empty-db` (only when there is nothing to lose), `swapdb` (beside the old data, \
             which stays until the new data is complete), `flush-before-load` (in the place of \
             the old data, which is gone when the load fails)."
        ImportMode "import-mode" = bool(false);
            "While data is brought over from elsewhere: a leader deletes no keys whose time has \
             come, and shows them only to connections that said CLIENT IMPORT-SOURCE ON."
        ReplicaFullSyncBufferLimit "replica-full-sync-buffer-limit"
            = memory(0, LONG_MAX, 0);
            "Drop a follower that lags this many bytes behind during a full sync. 0: none; what \
             it has not taken is on the disk."
        ReplicaAcceptEmptyLeader "replica-accept-empty-leader" = bool(false);
            "Follow a leader that has lost its history and its data, and lose ours. With `no` a \
             follower keeps its data when the leader it followed comes back with next to none."
        ReplPingReplicaPeriod "repl-ping-replica-period" / "repl-ping-slave-period"
            = int(1, INT_MAX, 10);
            "How often a leader pings its followers, in seconds."
        ReplTimeout "repl-timeout" = int(1, INT_MAX, 60);
            "After how many silent seconds leader or follower takes the other for dead. \
             Keep it above the ping period."
        ReplDisableTcpNodelay "repl-disable-tcp-nodelay" = bool(false);
            "Let the kernel collect small packets to followers: less bandwidth, more delay."
        ReplBacklogSize "repl-backlog-size" = memory(1, LONG_MAX, MB);
            "How much of the write stream is kept for followers that come back."
        ReplBacklogTtl "repl-backlog-ttl" = int(0, LONG_MAX, 3600);
            "Free it after this many seconds without a follower. 0 keeps it for good."
        MinReplicasToWrite "min-replicas-to-write" / "min-slaves-to-write" = int(0, INT_MAX, 0);
            "Refuse writes with fewer good followers than this. 0 never refuses."
        MinReplicasMaxLag "min-replicas-max-lag" / "min-slaves-max-lag" = int(0, INT_MAX, 10);
            "A follower is good if it was heard of within this many seconds."
        PropagationErrorBehavior "propagation-error-behavior"
            = choice::<PropagationError>(PropagationError::Ignore as i64);
            "What happens when a replicated command fails: `ignore` logs it, `panic` ends the \
             process, `panic-on-replicas` ends it on followers only."
    }
    Security {
        RequirePass "requirepass" = Kind::OptionalText, SENSITIVE;
            "The password clients must give with AUTH."
        EnableProtectedConfigs "enable-protected-configs"
            = choice::<ProtectedAction>(ProtectedAction::No as i64), IMMUTABLE;
            "Whether CONFIG SET may change where files are written (`dir`, `dbfilename`): \
             `no`, `yes`, or `local` for connections from this machine."
        EnableDebugCommand "enable-debug-command"
            = choice::<ProtectedAction>(ProtectedAction::No as i64), IMMUTABLE;
            "Whether DEBUG may be used: `no`, `yes` or `local`."
    }
    Clients {
        MaxClients "maxclients" = int(1, UINT_MAX, 10000);
            "How many clients may be connected at once."
        ClientQueryBufferLimit "client-query-buffer-limit" = memory(MB, LONG_MAX, 1024 * MB);
            "Close a client whose unfinished request is longer than this."
        ProtoMaxBulkLen "proto-max-bulk-len" = memory(MB, LONG_MAX, 512 * MB);
            "The longest argument, and so the longest string, that is accepted."
        TrackingTableMaxKeys "tracking-table-max-keys" = int(0, LONG_MAX, 1_000_000);
            "How many keys are noted for clients that track what they read. Of more than these \
             some are given up, as if they had changed. 0 is no limit."
        ClientOutputBufferLimit "client-output-buffer-limit" = Kind::OutputLimits, MULTI_ARG;
            "Close clients that do not read their replies. For each class (`normal`, \
             `replica`, `pubsub`): the class, the size at which it is closed at once, and the \
             size at which it is closed after so many seconds on end. 0 is no limit."
    }
    Events {
        NotifyKeyspaceEvents "notify-keyspace-events" = Kind::NotifyEvents;
            "Which changes of keys are published: `K` by key, `E` by event, and the classes \
             `g` generic, `$` strings, `l` lists, `s` sets, `h` hashes, `z` sorted sets, `t` \
             streams, `x` expired, `e` evicted, `d` modules, `A` all of these, `m` missed \
             reads, `n` new keys."
        LatencyMonitorThreshold "latency-monitor-threshold" = int(0, LONG_MAX, 0);
            "Note what takes so many milliseconds or more, for LATENCY. 0 notes nothing."
        LatencyTracking "latency-tracking" = bool(true);
            "Keep the distribution of each command's latency, for INFO latencystats."
        LatencyTrackingInfoPercentiles "latency-tracking-info-percentiles"
            = Kind::Percentiles, MULTI_ARG;
            "The percentiles INFO latencystats shows, from 0 to 100."
    }
    Testing {
        RdbKeySaveDelay "rdb-key-save-delay" = int(INT_MIN, INT_MAX, 0), HIDDEN;
            "Sleep this many microseconds after each saved key; a negative number -n sleeps \
             one microsecond after every n keys."
        KeyLoadDelay "key-load-delay" = int(INT_MIN, INT_MAX, 0), HIDDEN;
            "The same for each loaded key."
        LoadingProcessEventsIntervalBytes "loading-process-events-interval-bytes"
            = int(1024, INT_MAX, 512 * 1024), HIDDEN;
            "Look after clients and reports each time so many bytes have been loaded."
    }
    Values {
        ListMaxListpackSize "list-max-listpack-size" / "list-max-ziplist-size"
            = int(INT_MIN, INT_MAX, -2);
            "What a list may have to be kept as one listpack, and what a larger one has in each \
             of its own: so many elements, or 4, 8, 16, 32 or 64 KB for -1 to -5."
        SetMaxIntsetEntries "set-max-intset-entries" = int(0, LONG_MAX, 512);
            "A set of up to so many integers is kept as one sorted array of them."
        SetMaxListpackEntries "set-max-listpack-entries" = int(0, LONG_MAX, 128);
            "Any other set of up to so many members is kept as one listpack."
        SetMaxListpackValue "set-max-listpack-value" = int(0, LONG_MAX, 64);
            "As long as no member is longer than so many bytes."
        HashMaxListpackEntries "hash-max-listpack-entries" / "hash-max-ziplist-entries"
            = int(0, LONG_MAX, 512);
            "A hash of up to so many fields is kept as one listpack: in far less memory, if \
             somewhat slower."
        HashMaxListpackValue "hash-max-listpack-value" / "hash-max-ziplist-value"
            = memory(0, LONG_MAX, 64);
            "As long as no name and no value in it is longer than so many bytes."
        ZsetMaxListpackEntries "zset-max-listpack-entries" / "zset-max-ziplist-entries"
            = int(0, LONG_MAX, 128);
            "A sorted set of up to so many members is kept as one listpack."
        ZsetMaxListpackValue "zset-max-listpack-value" / "zset-max-ziplist-value"
            = memory(0, LONG_MAX, 64);
            "As long as no member is longer than so many bytes."
        HllSparseMaxBytes "hll-sparse-max-bytes" = memory(0, LONG_MAX, 3000);
            "A HyperLogLog of up to so many bytes is kept as runs of equal registers; a longer one \
             takes 12 KB and is faster."
        StreamNodeMaxBytes "stream-node-max-bytes" = memory(0, LONG_MAX, 4096);
            "Entries of a stream are kept together in nodes of up to so many bytes. 0 is no limit."
        StreamNodeMaxEntries "stream-node-max-entries" = int(0, LONG_MAX, 100);
            "And of up to so many entries. 0 is no limit."
    }
    Compatibility {
        AlwaysShowLogo "always-show-logo" = bool(false), IMMUTABLE;
            "Kept and shown; there is no logo."
        ActiveRehashing "activerehashing" = bool(true);
            "Kept and shown; tables here grow in small steps and are never rehashed."
        DynamicHz "dynamic-hz" = bool(true);
            "Kept and shown; background work does not grow with the number of clients."
        EnableModuleCommand "enable-module-command"
            = choice::<ProtectedAction>(ProtectedAction::No as i64), IMMUTABLE;
            "Kept and shown; there are no modules to load."
        SanitizeDumpPayload "sanitize-dump-payload"
            = choice::<SanitizeDump>(SanitizeDump::No as i64);
            "Kept and shown; whatever it says, every payload is verified in full."
        RdbVersionCheck "rdb-version-check" = choice::<RdbVersions>(RdbVersions::Strict as i64);
            "Kept and shown; what a snapshot of another version holds decides whether it loads."
        DualChannelReplicationEnabled "dual-channel-replication-enabled" = bool(false);
            "Kept and shown; a full sync takes one connection, and needs no second one."
        ExtendedRedisCompatibility "extended-redis-compatibility" = bool(false);
            "Kept and shown; this server gives itself out for Redis in any case."
        HideUserDataFromLog "hide-user-data-from-log" = bool(false);
            "Kept and shown."
        LogFormat "log-format" = only("legacy", "log lines have one form");
            "There is one form of log lines."
        LogTimestampFormat "log-timestamp-format" = only("legacy", "log lines have one form");
            "There is one form of log lines."
        HashSeed "hash-seed" = only("", "keys are hashed with a seed drawn at every start");
            "The seed of hashes is drawn at every start."
        AvailabilityZone "availability-zone" = OPTIONAL;
            "Kept and shown."
        LocaleCollate "locale-collate" = only("", "no command sorts by a locale");
            "No command sorts by a locale."
        MaxNewConnectionsPerCycle "max-new-connections-per-cycle" = int(1, 1000, 10);
            "Kept and shown; a thread of its own accepts connections, as many as there are."
        PrefetchBatchMaxSize "prefetch-batch-max-size" = int(0, 128, 16);
            "Kept and shown; what the requests of one read need is fetched together."
        IoThreadsDoReads "io-threads-do-reads" = bool(false), IMMUTABLE;
            "Kept and shown; every worker thread reads, writes and runs commands."
        BusyReplyThreshold "busy-reply-threshold" / "lua-time-limit" = int(0, LONG_MAX, 5000);
            "Kept and shown; there are no scripts yet."
        ListCompressDepth "list-compress-depth" = int(0, INT_MAX, 0);
            "Kept and shown; lists are not compressed in memory."
    }
    AppendOnlyFile {
        AppendOnly "appendonly" = only("no", "there is no append-only file yet"); ""
        AppendFilename "appendfilename" = text("appendonly.aof"), IMMUTABLE; ""
        AppendDirname "appenddirname" = text("appendonlydir"), IMMUTABLE; ""
        AppendFsync "appendfsync" = choice::<Fsync>(Fsync::EverySec as i64); ""
        NoAppendfsyncOnRewrite "no-appendfsync-on-rewrite" = bool(false); ""
        AutoAofRewritePercentage "auto-aof-rewrite-percentage" = int(0, INT_MAX, 100); ""
        AutoAofRewriteMinSize "auto-aof-rewrite-min-size" = memory(0, LONG_MAX, 64 * MB); ""
        AofLoadTruncated "aof-load-truncated" = bool(true); ""
        AofUseRdbPreamble "aof-use-rdb-preamble" = bool(true); ""
        AofTimestampEnabled "aof-timestamp-enabled" = bool(false); ""
        AofRewriteIncrementalFsync "aof-rewrite-incremental-fsync" = bool(true); ""
        AofDisableAutoGc "aof-disable-auto-gc" = bool(false); ""
    }
    Eviction {
        MaxMemory "maxmemory" = memory(0, LONG_MAX, 0);
            "Once this much is in use, make room by `maxmemory-policy` before commands run. If \
             nothing may go, those that may need more memory are refused. What followers need \
             for being behind does not count. 0 is no limit."
        MaxMemoryPolicy "maxmemory-policy"
            = choice::<EvictionPolicy>(EvictionPolicy::NoEviction as i64);
            "Which keys go to make room: among all keys or among those with a time to live, the \
             longest unused (`lru`), the least often used (`lfu`), any, or the next to end by \
             itself (`volatile-ttl`)."
        MaxMemorySamples "maxmemory-samples" = int(1, 64, 5);
            "How many keys are looked at to find one that goes. More find better ones, and cost \
             more."
        MaxMemoryEvictionTenacity "maxmemory-eviction-tenacity" = int(0, 100, 10);
            "How long commands may wait while room is made; what is missing then is made in the \
             background. 0 is hardly at all, 10 half a millisecond, 100 as long as it takes."
        MaxMemoryClients "maxmemory-clients" = Kind::MemoryOrPercent { default: 0 };
            "Once clients together take so much for requests, replies, transactions, watched keys \
             and subscriptions, those that take most are closed. It is a size, or a percentage \
             of `maxmemory` such as 5%. Links between servers and clients with CLIENT NO-EVICT \
             are spared. What is below 128kb is taken as that, 0 is no limit."
        LfuLogFactor "lfu-log-factor" = int(0, INT_MAX, 10);
            "How many uses the counters of the `lfu` policies can tell apart: with 0 some 250, \
             with 10 a million."
        LfuDecayTime "lfu-decay-time" = int(0, INT_MAX, 1);
            "After so many minutes without use the counter of a key falls by one. 0 is never."
        ReplicaIgnoreMaxmemory "replica-ignore-maxmemory" / "slave-ignore-maxmemory" = bool(true);
            "Whether a follower leaves it to its leader to make room. If not, it has fewer keys \
             than its leader when it has less memory."
        LazyfreeLazyEviction "lazyfree-lazy-eviction" = bool(false);
            "Whether followers are told to UNLINK what goes, instead of to DEL it. Here large \
             things are freed by a thread of its own in any case."
        LazyfreeLazyExpire "lazyfree-lazy-expire" = bool(false);
            "The same of keys whose time has come."
        LazyfreeLazyServerDel "lazyfree-lazy-server-del" = bool(false);
            "The same of keys that SPOP or RESTORE leave nothing of."
    }
    Freeing {
        LazyfreeLazyUserDel "lazyfree-lazy-user-del" = bool(false); ""
        LazyfreeLazyUserFlush "lazyfree-lazy-user-flush" = bool(false); ""
        ReplicaLazyFlush "replica-lazy-flush" / "slave-lazy-flush" = bool(false); ""
        ActiveDefrag "activedefrag" = only("no", "the allocator needs no defragmentation"); ""
        ActiveDefragIgnoreBytes "active-defrag-ignore-bytes" = memory(1, LONG_MAX, 100 * MB); ""
        ActiveDefragThresholdLower "active-defrag-threshold-lower" = int(0, 1000, 10); ""
        ActiveDefragThresholdUpper "active-defrag-threshold-upper" = int(0, 1000, 100); ""
        ActiveDefragCycleMin "active-defrag-cycle-min" = int(1, 99, 1); ""
        ActiveDefragCycleMax "active-defrag-cycle-max" = int(1, 99, 25); ""
        ActiveDefragCycleUs "active-defrag-cycle-us" = int(0, 100_000, 500); ""
        ActiveDefragMaxScanFields "active-defrag-max-scan-fields" = int(1, LONG_MAX, 1000); ""
        JemallocBgThread "jemalloc-bg-thread" = bool(true); ""
    }
    Machine {
        DisableThp "disable-thp" = bool(true), IMMUTABLE;
            "Huge pages are used once there is enough data to fill them, whatever it says."
        CrashLogEnabled "crash-log-enabled" = bool(true); ""
        CrashMemcheckEnabled "crash-memcheck-enabled" = bool(true); ""
        UseExitOnPanic "use-exit-on-panic" = bool(false), HIDDEN; ""
        IgnoreWarnings "ignore-warnings" = text(""); ""
        ServerCpulist "server-cpulist" / "server_cpulist" = OPTIONAL; ""
        BioCpulist "bio-cpulist" / "bio_cpulist" = OPTIONAL; ""
        AofRewriteCpulist "aof-rewrite-cpulist" / "aof_rewrite_cpulist" = OPTIONAL; ""
        BgsaveCpulist "bgsave-cpulist" / "bgsave_cpulist" = OPTIONAL; ""
        SocketMarkId "socket-mark-id" = only("0", "sockets are not marked"), IMMUTABLE; ""
        UnixSocketGroup "unixsocketgroup"
            = only("", "the Unix socket belongs to the group of the process");
            ""
        Mptcp "mptcp" = only("no", "connections use plain TCP"); ""
        ReplMptcp "repl-mptcp" = only("no", "connections use plain TCP"); ""
        SyslogEnabled "syslog-enabled"
            = only("no", "log lines go to `logfile` or the standard output"), IMMUTABLE;
            ""
        SyslogIdent "syslog-ident" = text("redis"), IMMUTABLE; ""
        SyslogFacility "syslog-facility" = choice::<Facility>(Facility::Local0 as i64), IMMUTABLE;
            ""
    }
    Users {
        AclFile "aclfile" = only("", "there are no users but the default one yet"), IMMUTABLE; ""
        AclPubsubDefault "acl-pubsub-default"
            = choice::<NewUsers>(NewUsers::ResetChannels as i64);
            ""
        AclLogMaxLen "acllog-max-len" = int(0, LONG_MAX, 128); ""
    }
    Tls {
        TlsPort "tls-port" = only("0", NO_TLS); ""
        TlsReplication "tls-replication" = only("no", NO_TLS); ""
        TlsCluster "tls-cluster" = only("no", NO_TLS); ""
        TlsCertFile "tls-cert-file" = OPTIONAL; ""
        TlsKeyFile "tls-key-file" = OPTIONAL; ""
        TlsKeyFilePass "tls-key-file-pass" = OPTIONAL, SENSITIVE; ""
        TlsClientCertFile "tls-client-cert-file" = OPTIONAL; ""
        TlsClientKeyFile "tls-client-key-file" = OPTIONAL; ""
        TlsClientKeyFilePass "tls-client-key-file-pass" = OPTIONAL, SENSITIVE; ""
        TlsDhParamsFile "tls-dh-params-file" = OPTIONAL; ""
        TlsCaCertFile "tls-ca-cert-file" = OPTIONAL; ""
        TlsCaCertDir "tls-ca-cert-dir" = OPTIONAL; ""
        TlsAuthClients "tls-auth-clients" = choice::<TlsClients>(TlsClients::Yes as i64); ""
        TlsAuthClientsUser "tls-auth-clients-user" = choice::<TlsUser>(TlsUser::Off as i64); ""
        TlsProtocols "tls-protocols" = OPTIONAL; ""
        TlsCiphers "tls-ciphers" = OPTIONAL; ""
        TlsCiphersuites "tls-ciphersuites" = OPTIONAL; ""
        TlsPreferServerCiphers "tls-prefer-server-ciphers" = bool(false); ""
        TlsSessionCaching "tls-session-caching" = bool(true); ""
        TlsSessionCacheSize "tls-session-cache-size" = int(0, INT_MAX, 20480); ""
        TlsSessionCacheTimeout "tls-session-cache-timeout" = int(0, INT_MAX, 300); ""
        TlsAutoReloadInterval "tls-auto-reload-interval" = int(0, INT_MAX, 0); ""
        MaxNewTlsConnectionsPerCycle "max-new-tls-connections-per-cycle" = int(1, 1000, 1); ""
    }
    Cluster {
        ClusterEnabled "cluster-enabled" = only("no", NO_CLUSTER), IMMUTABLE; ""
        ClusterConfigFile "cluster-config-file" = text("nodes.conf"), IMMUTABLE; ""
        ClusterPort "cluster-port" = int(0, 65535, 0), IMMUTABLE; ""
        ClusterDatabases "cluster-databases" = only("1", NO_CLUSTER); ""
        ClusterNodeTimeout "cluster-node-timeout" = int(0, LONG_MAX, 15000); ""
        ClusterReplicaValidityFactor "cluster-replica-validity-factor"
            / "cluster-slave-validity-factor" = int(0, INT_MAX, 10);
            ""
        ClusterReplicaNoFailover "cluster-replica-no-failover" / "cluster-slave-no-failover"
            = bool(false);
            ""
        ClusterMigrationBarrier "cluster-migration-barrier" = int(0, INT_MAX, 1); ""
        ClusterAllowReplicaMigration "cluster-allow-replica-migration" = bool(true); ""
        ClusterRequireFullCoverage "cluster-require-full-coverage" = bool(true); ""
        ClusterAllowReadsWhenDown "cluster-allow-reads-when-down" = bool(false); ""
        ClusterAllowPubsubshardWhenDown "cluster-allow-pubsubshard-when-down" = bool(true); ""
        ClusterLinkSendbufLimit "cluster-link-sendbuf-limit" = memory(0, LONG_MAX, 0); ""
        ClusterAnnounceIp "cluster-announce-ip" = OPTIONAL; ""
        ClusterAnnouncePort "cluster-announce-port" = int(0, 65535, 0); ""
        ClusterAnnounceTlsPort "cluster-announce-tls-port" = int(0, 65535, 0); ""
        ClusterAnnounceBusPort "cluster-announce-bus-port" = int(0, 65535, 0); ""
        ClusterAnnounceHostname "cluster-announce-hostname" = OPTIONAL; ""
        ClusterAnnounceHumanNodename "cluster-announce-human-nodename" = OPTIONAL; ""
        ClusterAnnounceClientIpv4 "cluster-announce-client-ipv4" = OPTIONAL; ""
        ClusterAnnounceClientIpv6 "cluster-announce-client-ipv6" = OPTIONAL; ""
        ClusterAnnounceClientPort "cluster-announce-client-port" = int(0, 65535, 0); ""
        ClusterAnnounceClientTlsPort "cluster-announce-client-tls-port" = int(0, 65535, 0); ""
        ClusterPreferredEndpointType "cluster-preferred-endpoint-type"
            = choice::<Endpoint>(Endpoint::Ip as i64);
            ""
        ClusterBlacklistTtl "cluster-blacklist-ttl" = int(i64::MIN, LONG_MAX, 60); ""
        ClusterConfigSaveBehavior "cluster-config-save-behavior"
            = choice::<ClusterSave>(ClusterSave::Sync as i64);
            ""
        ClusterManualFailoverTimeout "cluster-manual-failover-timeout" = int(1, INT_MAX, 5000); ""
        ClusterSlotStatsEnabled "cluster-slot-stats-enabled" = bool(false); ""
        ClusterSlotMigrationLogMaxLen "cluster-slot-migration-log-max-len"
            = int(0, LONG_MAX, 1000);
            ""
        SlotMigrationMaxFailoverReplBytes "slot-migration-max-failover-repl-bytes"
            = int(-1, LONG_MAX, 0);
            ""
        ClusterCompatibilitySampleRatio "cluster-compatibility-sample-ratio" = int(0, 100, 0); ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_found_by_its_names() {
        for (position, &param) in Param::ALL.iter().enumerate() {
            let spec = param.spec();
            assert_eq!(param as usize, position);
            for name in spec.names() {
                assert_eq!(Param::named(name.to_uppercase().as_bytes()), Some(param));
            }
        }
        assert_eq!(Param::named(b"port "), None);
        assert_eq!(Param::named(b""), None);
    }

    #[test]
    fn summaries_are_sentences() {
        for &param in Param::ALL {
            let Spec { summary, group, .. } = param.spec();
            let says_enough = summary.ends_with('.') && !summary.contains("  ");
            let is_said_of_all = summary.is_empty() && group.is_idle();
            assert!(says_enough || is_said_of_all, "{param:?}: {summary}");
        }
    }
}
