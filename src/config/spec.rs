//! What the table says of a directive.

use super::choices::Choice;

/// One directive.
#[derive(Debug)]
pub struct Spec {
    pub name: &'static str,
    /// The older name, accepted and shown wherever the name is.
    pub alias: Option<&'static str>,
    pub kind: Kind,
    /// A union of the bits in [`flag`].
    pub flags: u8,
    pub group: Group,
    /// For people; printed into `redis.conf.example`. Empty where the group's says enough.
    pub summary: &'static str,
}

/// What may be said of a directive besides its value.
pub mod flag {
    /// Decided at start, `CONFIG SET` refuses it.
    pub const IMMUTABLE: u8 = 1;
    /// `CONFIG SET` needs the leave of `enable-protected-configs`.
    pub const PROTECTED: u8 = 1 << 1;
    /// A secret: never shown in logs, to MONITOR or in the slow log.
    pub const SENSITIVE: u8 = 1 << 2;
    /// Shown by `CONFIG GET` only when asked for by its full name.
    pub const HIDDEN: u8 = 1 << 3;
    /// Takes any number of words.
    pub const MULTI_ARG: u8 = 1 << 4;
    /// `CONFIG SET` refuses it while a data set is being loaded.
    pub const DENY_LOADING: u8 = 1 << 5;
}

/// Where a directive stands in `redis.conf.example`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Network,
    General,
    Snapshots,
    Replication,
    Security,
    Clients,
    Events,
    Values,
    Testing,
    Compatibility,
    AppendOnlyFile,
    Eviction,
    Freeing,
    Machine,
    Users,
    Tls,
    Cluster,
}

impl Group {
    /// Whether directives of the group are kept and shown and have no effect.
    pub const fn is_idle(self) -> bool {
        matches!(
            self,
            Group::Compatibility
                | Group::AppendOnlyFile
                | Group::Freeing
                | Group::Machine
                | Group::Users
                | Group::Tls
                | Group::Cluster
        )
    }
}

/// What values a directive takes, and its default.
#[derive(Debug)]
pub enum Kind {
    /// `yes` or `no`.
    Bool { default: bool },
    /// A whole number within inclusive bounds.
    Int { min: i64, max: i64, default: i64 },
    /// A number of threads from 1 to `max`; by default one for each core.
    Threads { max: i64 },
    /// A number of bytes, units allowed.
    Memory { min: i64, max: i64, default: i64 },
    /// A number of bytes, or a percentage of another one, which is kept as what is below 0.
    MemoryOrPercent { default: i64 },
    /// File permissions.
    Octal { min: i64, max: i64, default: i64 },
    /// One of some names.
    Choice { names: Names, default: i64 },
    /// Any of some names; the numbers are bits.
    Options { names: Names },
    /// What would need something that is not there: this value, and no other.
    Only {
        value: &'static str,
        why: &'static str,
    },
    /// A string that may be empty.
    Text { default: &'static str },
    /// A string that is unset, and absent from the file, when it is empty.
    OptionalText,
    /// An existing directory, kept as an absolute path.
    Directory,
    /// Pairs of seconds and changes.
    SavePoints,
    /// Class, hard limit, soft limit and seconds, for some classes of clients.
    OutputLimits,
    /// Three scores.
    OomScores,
    /// Letters, see [`super::notify`].
    NotifyEvents,
    /// Addresses; a `-` in front means that it is no error when one is not there.
    Addresses,
    /// Host and port.
    Leader,
    /// Numbers from 0 to 100.
    Percentiles,
}

/// Accepted names with the numbers that they are kept as.
pub type Names = &'static [(&'static str, i64)];

impl Spec {
    /// Whether `flag` (one of [`flag`]) is set.
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The name, then the alias.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.alias)
    }
}

pub(super) const fn bool(default: bool) -> Kind {
    Kind::Bool { default }
}

pub(super) const fn int(min: i64, max: i64, default: i64) -> Kind {
    Kind::Int { min, max, default }
}

pub(super) const fn memory(min: i64, max: i64, default: i64) -> Kind {
    Kind::Memory { min, max, default }
}

pub(super) const fn text(default: &'static str) -> Kind {
    Kind::Text { default }
}

pub(super) const fn only(value: &'static str, why: &'static str) -> Kind {
    Kind::Only { value, why }
}

pub(super) const fn choice<C: Choice>(default: i64) -> Kind {
    Kind::Choice {
        names: C::NAMES,
        default,
    }
}
