//! The configuration: one table of directives that everything else reads.
//!
//! ```text
//!   command line ──┐                       ┌── get_bool, get_int, ...   (anybody, any time)
//!   redis.conf ────┼──> table ──> Config ──┼── CONFIG GET, CONFIG REWRITE
//!   CONFIG SET ────┘                       └── appliers                 (who registered)
//! ```
//!
//! A directive is one line of `table`; nothing else has to be written for it to be read
//! from files, set, shown, rewritten and described. Reading a number costs one relaxed
//! load. A change takes effect because its readers look again, or, where something must
//! be done about it, through an applier; `CONFIG SET` is all or nothing, appliers
//! included.
//!
//! Relative paths begin at `dir`. The process never changes its own directory, so several
//! servers can live in one process.
//!
//! It must not know who reads it, nor what commands exist.

mod quote;

/// The types of directives that choose one of several names.
pub mod choices;

/// The event classes of `notify-keyspace-events`.
pub mod notify;

/// The template of the process's title.
pub mod template;

mod spec;

mod table;

mod value;

mod settings;

mod change;

/// The command line.
pub mod cli;

mod file;

mod rewrite;

mod example;

pub use change::{SetContext, SetError};
pub use choices::{
    Choice, DisklessLoad, EvictionPolicy, LogLevel, OomScoreAdj, PropagationError, ProtectedAction,
    Supervised,
};
pub use cli::{Invocation, Launch};
pub use example::example;
pub use file::LoadError;
pub use rewrite::{Force, RewriteError};
pub use settings::{Config, Line, Rename};
pub use spec::{Group, Kind, Spec, flag};
pub use table::Param;
pub use value::{Address, ClientClass, OutputLimit, SavePoint, ShutdownOn};

/// The version of Redis whose behaviour this server follows, told to clients that ask.
pub const REDIS_VERSION: &str = "8.0.6";
