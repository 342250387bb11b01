//! The directives that choose one of several names, as Rust types.

/// A directive whose value is one of a few names.
pub trait Choice: Copy + 'static {
    /// Every accepted name with the number its value is kept as. Two names may share a
    /// number; the first one is what `CONFIG GET` shows.
    const NAMES: &'static [(&'static str, i64)];

    /// Every value, at the position that is its number.
    const VALUES: &'static [Self];

    /// The value kept as `number`; the first one of the type if there is no such number.
    fn from_number(number: i64) -> Self {
        let position = usize::try_from(number).unwrap_or(0);
        *Self::VALUES.get(position).unwrap_or(&Self::VALUES[0])
    }
}

macro_rules! choices {
    ($(
        $(#[$doc:meta])*
        $type:ident {
            $first:ident $(= $first_name:literal)+
            $(, $(#[$value_doc:meta])* $value:ident $(= $name:literal)+)* $(,)?
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type {
            $first,
            $($(#[$value_doc])* $value,)*
        }

        impl Choice for $type {
            const NAMES: &'static [(&'static str, i64)] = &[
                $(($first_name, $type::$first as i64),)+
                $($(($name, $type::$value as i64),)+)*
            ];

            const VALUES: &'static [Self] = &[$type::$first, $($type::$value,)*];
        }
    )*};
}

choices! {
    /// What makes room when `maxmemory` is reached.
    EvictionPolicy {
        VolatileLru = "volatile-lru",
        /// Among the keys with a time to live the least often used.
        VolatileLfu = "volatile-lfu",
        VolatileRandom = "volatile-random",
        /// The key that ends the soonest.
        VolatileTtl = "volatile-ttl",
        AllKeysLru = "allkeys-lru",
        AllKeysLfu = "allkeys-lfu",
        AllKeysRandom = "allkeys-random",
        /// Nothing does: commands are refused.
        NoEviction = "noeviction",
    }

    /// The least important lines that still reach the log.
    LogLevel {
        Debug = "debug",
        Verbose = "verbose",
        Notice = "notice",
        Warning = "warning",
        Nothing = "nothing",
    }

    /// Which service manager waits to be told that the server is ready.
    Supervised {
        Upstart = "upstart",
        Systemd = "systemd",
        Auto = "auto",
        No = "no",
    }

    /// Whether a follower loads what it is sent straight from the socket.
    DisklessLoad {
        Disabled = "disabled",
        OnEmptyDb = "on-empty-db",
        SwapDb = "swapdb",
        /// Valkey's.
        FlushBeforeLoad = "flush-before-load",
    }

    /// Who may do what is protected.
    ProtectedAction {
        No = "no",
        Yes = "yes",
        Local = "local",
    }

    /// How the kernel's out-of-memory score of the process is steered.
    OomScoreAdj {
        No = "no",
        Relative = "yes" = "relative",
        Absolute = "absolute",
    }

    /// What happens when a replicated command fails.
    PropagationError {
        Ignore = "ignore",
        Panic = "panic",
        PanicOnReplicas = "panic-on-replicas",
    }

    /// Whether restored payloads are verified in full.
    SanitizeDump {
        No = "no",
        Yes = "yes",
        Clients = "clients",
    }

    /// When the append-only file is forced to the disk.
    Fsync {
        EverySec = "everysec",
        Always = "always",
        No = "no",
    }

    /// What a client must show of itself in a TLS handshake.
    TlsClients {
        No = "no",
        Yes = "yes",
        Optional = "optional",
    }

    /// Whose user a client's certificate makes it.
    TlsUser {
        CommonName = "CN",
        Uri = "URI",
        Off = "off",
    }

    /// Which channels new users may use.
    NewUsers {
        AllChannels = "allchannels",
        ResetChannels = "resetchannels",
    }

    /// How nodes of a cluster are told to clients.
    Endpoint {
        Ip = "ip",
        Hostname = "hostname",
        Unknown = "unknown-endpoint",
    }

    /// What happens when a cluster's file cannot be saved.
    ClusterSave {
        Sync = "sync",
        BestEffort = "best-effort",
    }

    /// How the system's log sorts lines.
    Facility {
        User = "user",
        Local0 = "local0",
        Local1 = "local1",
        Local2 = "local2",
        Local3 = "local3",
        Local4 = "local4",
        Local5 = "local5",
        Local6 = "local6",
        Local7 = "local7",
    }

    /// Whether snapshots of other versions are tried.
    RdbVersions {
        Strict = "strict",
        Relaxed = "relaxed",
    }
}

impl EvictionPolicy {
    pub fn name(self) -> &'static str {
        let known = Self::NAMES
            .iter()
            .find(|(_, number)| *number == self as i64);
        known.map_or("", |(name, _)| name)
    }

    /// Whether it asks when keys were last used.
    pub fn is_lru(self) -> bool {
        matches!(
            self,
            EvictionPolicy::VolatileLru | EvictionPolicy::AllKeysLru
        )
    }

    /// Whether it asks how often keys are used.
    #[inline]
    pub fn is_lfu(self) -> bool {
        matches!(
            self,
            EvictionPolicy::VolatileLfu | EvictionPolicy::AllKeysLfu
        )
    }

    /// Whether only keys with a time to live may go.
    pub fn only_volatile(self) -> bool {
        matches!(
            self,
            EvictionPolicy::VolatileLru
                | EvictionPolicy::VolatileLfu
                | EvictionPolicy::VolatileRandom
                | EvictionPolicy::VolatileTtl
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<C: Choice + PartialEq + std::fmt::Debug>(name: &str, expect: C) {
        let (_, number) = C::NAMES.iter().find(|(known, _)| *known == name).unwrap();
        assert_eq!(C::from_number(*number), expect);
    }

    #[test]
    fn names_lead_to_their_values() {
        check("notice", LogLevel::Notice);
        check("no", Supervised::No);
        check("yes", OomScoreAdj::Relative);
        check("relative", OomScoreAdj::Relative);
        check("absolute", OomScoreAdj::Absolute);
        check("disabled", DisklessLoad::Disabled);
        assert_eq!(OomScoreAdj::from_number(77), OomScoreAdj::No);
    }
}
