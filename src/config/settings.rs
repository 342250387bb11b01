//! The current values, read by everybody at any time.
//!
//! Numbers are atomics: a read on the hot path is one relaxed load, and no reader waits
//! for `CONFIG SET`. The rest stands behind a lock that is held for a clone of an `Arc`.
//! Several values changed by one `CONFIG SET` are not seen at one instant; whoever needs
//! that registers an applier with `on_change`.

use super::choices::Choice;
use super::spec::Kind;
use super::table::Param;
use super::value::{Address, ClientClass, OutputLimit, SavePoint, ShutdownOn, Value, as_os_str};
use crate::types::{Limits, hash, list, set, stream, zset};
use parking_lot::{Mutex, RwLock};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

const COUNT: usize = Param::ALL.len();

/// With less nobody could ask for more, as in Redis.
const CLIENTS_MEMORY_LEAST: u64 = 128 << 10;

/// The configuration of one server.
pub struct Config {
    /// The numbers of `values` once more, for those who cannot wait for a lock.
    numbers: [AtomicI64; COUNT],
    output_limits: [AtomicLimit; 3],
    values: RwLock<Vec<Value>>,
    /// Held by whoever changes values, so that changes and their appliers never mix.
    pub(super) changing: Mutex<()>,
    pub(super) appliers: RwLock<Vec<Arc<Applier>>>,
    /// Values of lists with so many bytes are not packed; 0 for what the directives say.
    /// Only DEBUG sets it.
    pub plain_from_bytes: AtomicUsize,
    pub(super) file: Option<PathBuf>,
    pub(super) renames: Vec<Rename>,
}

/// Puts changed values into effect.
pub(super) struct Applier {
    pub params: Vec<Param>,
    pub apply: Box<Apply>,
}

type Apply = dyn Fn(&Config) -> Result<(), String> + Send + Sync;

/// A `rename-command` line. The command table is not known here, so whoever has it does
/// the renaming and reports what is wrong with `LoadError::at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    pub from: Vec<u8>,
    /// Empty removes the command.
    pub to: Vec<u8>,
    pub line: Line,
}

/// A line of a configuration file, for error messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Counted from 1.
    pub number: usize,
    pub text: Vec<u8>,
}

#[derive(Default)]
struct AtomicLimit {
    hard_bytes: AtomicU64,
    soft_bytes: AtomicU64,
    soft_seconds: AtomicI64,
}

impl Default for Config {
    fn default() -> Config {
        Config::new()
    }
}

impl Config {
    /// All defaults; `dir` is the current directory, and nothing ever changes that.
    pub fn new() -> Config {
        let config = Config {
            numbers: std::array::from_fn(|_| AtomicI64::new(0)),
            output_limits: Default::default(),
            values: RwLock::new(vec![Value::Number(0); COUNT]),
            changing: Mutex::new(()),
            appliers: RwLock::new(Vec::new()),
            plain_from_bytes: AtomicUsize::new(0),
            file: None,
            renames: Vec::new(),
        };
        for &param in Param::ALL {
            config.store(param, Value::default_of(&param.spec().kind));
        }
        config
    }

    /// The value of a yes/no directive.
    #[inline]
    pub fn get_bool(&self, param: Param) -> bool {
        debug_assert!(matches!(param.spec().kind, Kind::Bool { .. }), "{param:?}");
        self.number(param) != 0
    }

    /// The value of an integer directive, in the unit its summary names.
    #[inline]
    pub fn get_int(&self, param: Param) -> i64 {
        debug_assert!(
            matches!(
                param.spec().kind,
                Kind::Int { .. } | Kind::Octal { .. } | Kind::Threads { .. }
            ),
            "{param:?}"
        );
        self.number(param)
    }

    /// The value of a directive that is a number of bytes.
    #[inline]
    pub fn get_bytes(&self, param: Param) -> u64 {
        debug_assert!(
            matches!(param.spec().kind, Kind::Memory { .. }),
            "{param:?}"
        );
        self.number(param).unsigned_abs()
    }

    /// How many bytes clients may take together, by `maxmemory-clients`; `None` for any number.
    pub fn clients_memory_max(&self) -> Option<u64> {
        let bytes = match self.number(Param::MaxMemoryClients) {
            0 => return None,
            bytes @ 1.. => bytes.unsigned_abs(),
            percent => match self.get_bytes(Param::MaxMemory) {
                0 => return None,
                bytes => {
                    let share = u128::from(bytes) * u128::from(percent.unsigned_abs()) / 100;
                    u64::try_from(share).unwrap_or(u64::MAX)
                }
            },
        };
        Some(bytes.max(CLIENTS_MEMORY_LEAST))
    }

    /// When values change their form.
    pub fn type_limits(&self) -> Limits {
        Limits {
            list: self.list_limits(),
            hash: self.hash_limits(),
            set: self.set_limits(),
            zset: self.zset_limits(),
        }
    }

    #[inline]
    pub fn hash_limits(&self) -> hash::Limits {
        let number = |param| usize::try_from(self.number(param)).unwrap_or(usize::MAX);
        hash::Limits {
            fields: number(Param::HashMaxListpackEntries),
            text_bytes: number(Param::HashMaxListpackValue),
        }
    }

    #[inline]
    pub fn list_limits(&self) -> list::Limits {
        list::Limits {
            max_listpack_size: self.get_int(Param::ListMaxListpackSize) as i32,
            plain_from_bytes: self.plain_from_bytes.load(Relaxed),
        }
    }

    #[inline]
    pub fn set_limits(&self) -> set::Limits {
        let number = |param| usize::try_from(self.number(param)).unwrap_or(usize::MAX);
        set::Limits {
            intset_entries: number(Param::SetMaxIntsetEntries),
            listpack_entries: number(Param::SetMaxListpackEntries),
            listpack_value_bytes: number(Param::SetMaxListpackValue),
        }
    }

    #[inline]
    pub fn stream_limits(&self) -> stream::Limits {
        stream::Limits {
            node_bytes_max: usize::try_from(self.number(Param::StreamNodeMaxBytes)).unwrap_or(0),
            node_entries_max: self.number(Param::StreamNodeMaxEntries).unsigned_abs(),
        }
    }

    #[inline]
    pub fn zset_limits(&self) -> zset::Limits {
        let number = |param| usize::try_from(self.number(param)).unwrap_or(usize::MAX);
        zset::Limits {
            entries: number(Param::ZsetMaxListpackEntries),
            value_bytes: number(Param::ZsetMaxListpackValue),
        }
    }

    /// The value of an integer directive whose unit is seconds.
    pub fn get_seconds(&self, param: Param) -> Duration {
        Duration::from_secs(self.get_int(param).max(0).unsigned_abs())
    }

    /// The value of a directive that chooses one of several names.
    pub fn choice<C: Choice>(&self, param: Param) -> C {
        debug_assert!(
            matches!(param.spec().kind, Kind::Choice { names, .. } if names == C::NAMES),
            "{param:?}"
        );
        C::from_number(self.number(param))
    }

    /// The classes of events to publish: bits of [`super::notify`], 0 for none.
    #[inline]
    pub fn notify_events(&self) -> i64 {
        self.number(Param::NotifyKeyspaceEvents)
    }

    /// The command that tells followers of a deletion: by which of the `lazyfree-lazy`
    /// directives they are to free the value aside.
    pub fn deletion(&self, lazy: Param) -> &'static [u8] {
        match self.get_bool(lazy) {
            true => b"UNLINK",
            false => b"DEL",
        }
    }

    /// The output limits of a class of clients.
    #[inline]
    pub fn output_limit(&self, class: ClientClass) -> OutputLimit {
        let limit = &self.output_limits[class as usize];
        OutputLimit {
            hard_bytes: limit.hard_bytes.load(Relaxed),
            soft_bytes: limit.soft_bytes.load(Relaxed),
            soft_seconds: limit.soft_seconds.load(Relaxed),
        }
    }

    /// What `shutdown-on-sigint` or `shutdown-on-sigterm` says.
    pub fn shutdown_options(&self, param: Param) -> ShutdownOn {
        debug_assert!(
            matches!(param.spec().kind, Kind::Options { .. }),
            "{param:?}"
        );
        ShutdownOn::from_number(self.number(param))
    }

    /// The value of a string directive; empty if it is not set.
    pub fn get_text(&self, param: Param) -> Arc<[u8]> {
        match self.value(param) {
            Value::Text(text) => text,
            other => unexpected(param, &other, [].into()),
        }
    }

    /// Whether clients must give a password.
    pub fn has_password(&self) -> bool {
        !self.get_text(Param::RequirePass).is_empty()
    }

    /// The path a string directive names, beginning at `dir` if it is relative; `None` if
    /// it is not set.
    pub fn path(&self, param: Param) -> Option<PathBuf> {
        let text = self.get_text(param);
        (!text.is_empty()).then(|| self.dir().join(as_os_str(&text)))
    }

    /// The directory where relative paths begin. Absolute; it existed when it was set.
    pub fn dir(&self) -> Arc<Path> {
        match self.value(Param::Dir) {
            Value::Directory(path) => path,
            other => unexpected(Param::Dir, &other, Path::new("/").into()),
        }
    }

    /// The addresses to listen on; a `-` in front marks those that may be missing.
    pub fn bind(&self) -> Arc<[String]> {
        match self.value(Param::Bind) {
            Value::Addresses(addresses) => addresses,
            other => unexpected(Param::Bind, &other, [].into()),
        }
    }

    /// When to save by itself; empty for never.
    pub fn save_points(&self) -> Arc<[SavePoint]> {
        match self.value(Param::Save) {
            Value::SavePoints(points) => points,
            other => unexpected(Param::Save, &other, [].into()),
        }
    }

    /// The leader to follow.
    pub fn leader(&self) -> Option<Address> {
        match self.value(Param::ReplicaOf) {
            Value::Leader(leader) => leader,
            other => unexpected(Param::ReplicaOf, &other, None),
        }
    }

    /// Notes that the server follows another leader now, or none, for those who ask for
    /// `replicaof` or rewrite the file.
    pub fn set_leader(&self, leader: Option<Address>) {
        let _changing = self.changing.lock();
        self.store(Param::ReplicaOf, Value::Leader(leader));
    }

    /// The percentiles INFO shows, each from 0 to 100.
    pub fn percentiles(&self) -> Arc<[f64]> {
        let param = Param::LatencyTrackingInfoPercentiles;
        match self.value(param) {
            Value::Percentiles(percentiles) => percentiles,
            other => unexpected(param, &other, [].into()),
        }
    }

    /// The out-of-memory scores of a leader, a follower and a child.
    pub fn oom_scores(&self) -> [i64; 3] {
        match self.value(Param::OomScoreAdjValues) {
            Value::OomScores(scores) => scores,
            other => unexpected(Param::OomScoreAdjValues, &other, [0; 3]),
        }
    }

    /// The absolute path of the configuration file the server was started with.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The commands to rename, in the order of their lines.
    pub fn renames(&self) -> &[Rename] {
        &self.renames
    }

    /// Registers what puts a change of any of `params` into effect. It runs once after a
    /// `CONFIG SET` that changed some of them, with the new values in place; if it fails,
    /// all old values are restored and it runs again. Its error is shown to the client.
    /// It must not change the configuration itself.
    pub fn on_change(
        &self,
        params: &[Param],
        apply: impl Fn(&Config) -> Result<(), String> + Send + Sync + 'static,
    ) {
        self.appliers.write().push(Arc::new(Applier {
            params: params.to_vec(),
            apply: Box::new(apply),
        }));
    }

    pub(super) fn value(&self, param: Param) -> Value {
        self.values.read()[param as usize].clone()
    }

    pub(super) fn store(&self, param: Param, value: Value) {
        match &value {
            Value::Number(number) => self.numbers[param as usize].store(*number, Relaxed),
            Value::OutputLimits(limits) => {
                for (atomics, limit) in self.output_limits.iter().zip(limits) {
                    atomics.hard_bytes.store(limit.hard_bytes, Relaxed);
                    atomics.soft_bytes.store(limit.soft_bytes, Relaxed);
                    atomics.soft_seconds.store(limit.soft_seconds, Relaxed);
                }
            }
            _ => {}
        }
        self.values.write()[param as usize] = value;
    }

    #[inline]
    fn number(&self, param: Param) -> i64 {
        self.numbers[param as usize].load(Relaxed)
    }
}

/// Only a mistake in this crate asks for a directive by the wrong type; a release build
/// goes on with `fallback`.
fn unexpected<T>(param: Param, value: &Value, fallback: T) -> T {
    debug_assert!(false, "{param:?} is {value:?}");
    fallback
}
