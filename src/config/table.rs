//! The one table of directives: each line feeds the command line, the configuration file,
//! `CONFIG GET`, `SET` and `REWRITE`, and `redis.conf.example`.
//!
//! A directive is here only if the server acts on it. The exceptions are the group
//! `Compatibility`, whose summaries say what becomes of them, and nothing else.

use super::choices::{
    DisklessLoad, EvictionPolicy, Fsync, LogLevel, Off, OomScoreAdj, PropagationError,
    ProtectedAction, SanitizeDump, Supervised,
};
use super::spec::{Group, Kind, Names, Spec, bool, choice, flag, int, memory, text};

const INT_MAX: i64 = i32::MAX as i64;
const INT_MIN: i64 = i32::MIN as i64;
const UINT_MAX: i64 = u32::MAX as i64;
const LONG_MAX: i64 = i64::MAX;
const MB: i64 = 1 << 20;

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
        SlowlogLogSlowerThan "slowlog-log-slower-than" = int(-1, LONG_MAX, 10000);
            "Note commands in the slow log that take longer than so many microseconds. 0 notes \
             every command, -1 none."
        SlowlogMaxLen "slowlog-max-len" = int(0, LONG_MAX, 128);
            "How many commands the slow log keeps."
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
        MasterAuth "masterauth" = Kind::OptionalText, SENSITIVE;
            "The leader's password."
        MasterUser "masteruser" = Kind::OptionalText, SENSITIVE;
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
        MaxMemory "maxmemory" = memory(0, LONG_MAX, 0);
            "Refuse commands that may need more memory once this much is in use. 0 is no limit."
        ClientQueryBufferLimit "client-query-buffer-limit" = memory(MB, LONG_MAX, 1024 * MB);
            "Close a client whose unfinished request is longer than this."
        ProtoMaxBulkLen "proto-max-bulk-len" = memory(MB, LONG_MAX, 512 * MB);
            "The longest argument, and so the longest string, that is accepted."
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
    Compatibility {
        AppendOnly "appendonly" = choice::<Off>(0);
            "There is no append-only file yet, so `no` is all that is accepted. Clients and \
             tools ask for it."
        AppendFsync "appendfsync" = choice::<Fsync>(Fsync::EverySec as i64);
            "Kept and shown for files that say it beside `appendonly no`."
        NoAppendfsyncOnRewrite "no-appendfsync-on-rewrite" = bool(false);
            "Kept and shown for files that say it beside `appendonly no`."
        AlwaysShowLogo "always-show-logo" = bool(false), IMMUTABLE;
            "Kept and shown; there is no logo."
        MaxMemoryPolicy "maxmemory-policy"
            = choice::<EvictionPolicy>(EvictionPolicy::NoEviction as i64);
            "What makes room at the limit. Nothing does: this server evicts no keys."
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
        LatencyMonitorThreshold "latency-monitor-threshold" = int(0, LONG_MAX, 0);
            "Kept and shown; there is no latency monitor yet."
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
            let summary = param.spec().summary;
            assert!(
                summary.ends_with('.') && !summary.contains("  "),
                "{summary}"
            );
        }
    }
}
