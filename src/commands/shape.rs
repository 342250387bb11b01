//! What a command is, as one line of its family's table.
//!
//! Everything that is asked about a command is answered from its `Shape`: arity and flag
//! checks, the keys to lock, ACL categories, COMMAND INFO, DOCS and GETKEYS. The words are
//! those of COMMAND INFO, so that a line reads like the reply of a real server.
//!
//! `Shape` leaves open what a handler is, since handlers work with a `Cx`, which can look
//! commands up; `spec::Spec` is the shape with handlers, and what the tables are made of.

use std::ops::RangeInclusive;

use crate::resp::request::Argv;

/// Command flags, combined with `|`. Names as in COMMAND INFO.
pub mod flag {
    pub const WRITE: u32 = 1 << 0;
    pub const READONLY: u32 = 1 << 1;
    pub const DENYOOM: u32 = 1 << 2;
    pub const ADMIN: u32 = 1 << 3;
    pub const PUBSUB: u32 = 1 << 4;
    pub const NOSCRIPT: u32 = 1 << 5;
    pub const BLOCKING: u32 = 1 << 6;
    pub const LOADING: u32 = 1 << 7;
    pub const STALE: u32 = 1 << 8;
    pub const SKIP_MONITOR: u32 = 1 << 9;
    pub const SKIP_SLOWLOG: u32 = 1 << 10;
    pub const FAST: u32 = 1 << 11;
    pub const NO_AUTH: u32 = 1 << 12;
    pub const MAY_REPLICATE: u32 = 1 << 13;
    pub const NO_ASYNC_LOADING: u32 = 1 << 14;
    pub const NO_MULTI: u32 = 1 << 15;
    pub const ALLOW_BUSY: u32 = 1 << 16;
    pub const NO_MANDATORY_KEYS: u32 = 1 << 17;
    pub const PROTECTED: u32 = 1 << 18;
    pub const MOVABLE_KEYS: u32 = 1 << 19;
    pub const ASKING: u32 = 1 << 20;

    /// The flags that COMMAND INFO tells, with their names, in Redis's order of printing.
    pub const NAMES: &[(u32, &str)] = &[
        (WRITE, "write"),
        (READONLY, "readonly"),
        (DENYOOM, "denyoom"),
        (ADMIN, "admin"),
        (PUBSUB, "pubsub"),
        (NOSCRIPT, "noscript"),
        (BLOCKING, "blocking"),
        (LOADING, "loading"),
        (STALE, "stale"),
        (SKIP_MONITOR, "skip_monitor"),
        (SKIP_SLOWLOG, "skip_slowlog"),
        (ASKING, "asking"),
        (FAST, "fast"),
        (NO_AUTH, "no_auth"),
        (NO_MANDATORY_KEYS, "no_mandatory_keys"),
        (NO_ASYNC_LOADING, "no_async_loading"),
        (NO_MULTI, "no_multi"),
        (MOVABLE_KEYS, "movablekeys"),
        (ALLOW_BUSY, "allow_busy"),
    ];
}

/// ACL categories, combined with `|`. Those that follow from the flags are not written in
/// the tables; `Shape::categories` adds them.
pub mod category {
    pub const KEYSPACE: u32 = 1 << 0;
    pub const READ: u32 = 1 << 1;
    pub const WRITE: u32 = 1 << 2;
    pub const SET: u32 = 1 << 3;
    pub const SORTEDSET: u32 = 1 << 4;
    pub const LIST: u32 = 1 << 5;
    pub const HASH: u32 = 1 << 6;
    pub const STRING: u32 = 1 << 7;
    pub const BITMAP: u32 = 1 << 8;
    pub const HYPERLOGLOG: u32 = 1 << 9;
    pub const GEO: u32 = 1 << 10;
    pub const STREAM: u32 = 1 << 11;
    pub const PUBSUB: u32 = 1 << 12;
    pub const ADMIN: u32 = 1 << 13;
    pub const FAST: u32 = 1 << 14;
    pub const SLOW: u32 = 1 << 15;
    pub const BLOCKING: u32 = 1 << 16;
    pub const DANGEROUS: u32 = 1 << 17;
    pub const CONNECTION: u32 = 1 << 18;
    pub const TRANSACTION: u32 = 1 << 19;
    pub const SCRIPTING: u32 = 1 << 20;

    /// Every category with its name, in Redis's order of printing.
    pub const NAMES: &[(u32, &str)] = &[
        (KEYSPACE, "keyspace"),
        (READ, "read"),
        (WRITE, "write"),
        (SET, "set"),
        (SORTEDSET, "sortedset"),
        (LIST, "list"),
        (HASH, "hash"),
        (STRING, "string"),
        (BITMAP, "bitmap"),
        (HYPERLOGLOG, "hyperloglog"),
        (GEO, "geo"),
        (STREAM, "stream"),
        (PUBSUB, "pubsub"),
        (ADMIN, "admin"),
        (FAST, "fast"),
        (SLOW, "slow"),
        (BLOCKING, "blocking"),
        (DANGEROUS, "dangerous"),
        (CONNECTION, "connection"),
        (TRANSACTION, "transaction"),
        (SCRIPTING, "scripting"),
    ];
}

/// What a command does to the keys of a key spec, combined with `|`.
pub mod access {
    pub const RO: u16 = 1 << 0;
    pub const RW: u16 = 1 << 1;
    pub const OW: u16 = 1 << 2;
    pub const RM: u16 = 1 << 3;
    pub const ACCESS: u16 = 1 << 4;
    pub const UPDATE: u16 = 1 << 5;
    pub const INSERT: u16 = 1 << 6;
    pub const DELETE: u16 = 1 << 7;
    pub const NOT_KEY: u16 = 1 << 8;
    pub const INCOMPLETE: u16 = 1 << 9;
    pub const VARIABLE_FLAGS: u16 = 1 << 10;

    pub const NAMES: &[(u16, &str)] = &[
        (RO, "RO"),
        (RW, "RW"),
        (OW, "OW"),
        (RM, "RM"),
        (ACCESS, "access"),
        (UPDATE, "update"),
        (INSERT, "insert"),
        (DELETE, "delete"),
        (NOT_KEY, "not_key"),
        (INCOMPLETE, "incomplete"),
        (VARIABLE_FLAGS, "variable_flags"),
    ];
}

/// Where the search for keys begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At this argument (the command's name is argument 0).
    Index(usize),
    /// Behind this word, searched from argument `from` (from the end if negative).
    Keyword {
        word: &'static str,
        from: i32,
    },
    Unknown,
}

/// How keys follow the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// Up to `last` arguments on (from the end if negative), every `step`-th; with
    /// `limit` 2 only the first half of what is left, and so on.
    Range {
        last: i32,
        step: usize,
        limit: usize,
    },
    /// A count stands at `count_at`, the keys from `first` on, both counted from the beginning.
    KeyNum {
        count_at: usize,
        first: usize,
        step: usize,
    },
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    pub access: u16,
    pub begin: Begin,
    pub find: Find,
}

impl KeySpec {
    /// One key, at argument `index`.
    pub const fn at(index: usize, access: u16) -> KeySpec {
        KeySpec::range(index, 0, 1, access)
    }

    /// Every `step`-th argument from `index` to `last` (relative; -1 is the last argument).
    pub const fn range(index: usize, last: i32, step: usize, access: u16) -> KeySpec {
        KeySpec {
            access,
            begin: Begin::Index(index),
            find: Find::Range {
                last,
                step,
                limit: 0,
            },
        }
    }
}

/// A key's place in the arguments and what the command does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRef {
    pub arg: usize,
    pub access: u16,
}

/// Finds the keys where key specs alone cannot tell (or cannot tell the access flags).
pub type KeysFrom = fn(Argv, &mut Vec<KeyRef>);

/// Narrows what one call does to its keys, where key specs tell what it may do at most.
pub type AccessOf = fn(Argv, &mut [KeyRef]);

/// What a command locks before it runs.
#[derive(Clone, Copy, Debug)]
pub enum Locks {
    /// The shards of its keys (none for a command without keys).
    Keys,
    /// The shard of one argument that is no key: it puts its users in one order.
    Argument(usize),
    /// The keys that the session watches and those of its queued commands.
    Transaction,
    /// The whole keyspace.
    Everything,
    /// The whole keyspace if the arguments are such that it must be, else its keys.
    EverythingIf(fn(Argv) -> bool),
}

#[derive(Clone, Copy)]
pub struct Shape<H: 'static> {
    /// Lower case; a subcommand's own word, without its container.
    pub name: &'static str,
    /// Arguments with the name: exactly, or at least -n if negative.
    pub arity: i32,
    pub flags: u32,
    /// Explicit categories only: ask `categories()`.
    pub own_categories: u32,
    pub keys: &'static [KeySpec],
    pub keys_from: Option<KeysFrom>,
    pub access_of: Option<AccessOf>,
    pub locks: Locks,
    pub tips: &'static [&'static str],
    pub subcommands: &'static [Shape<H>],
    pub handler: H,
}

impl<H: Copy> Shape<H> {
    pub const fn new(
        name: &'static str,
        arity: i32,
        flags: u32,
        own_categories: u32,
        handler: H,
    ) -> Shape<H> {
        Shape {
            name,
            arity,
            flags,
            own_categories,
            keys: &[],
            keys_from: None,
            access_of: None,
            locks: Locks::Keys,
            tips: &[],
            subcommands: &[],
            handler,
        }
    }

    pub const fn keys(mut self, keys: &'static [KeySpec]) -> Shape<H> {
        self.keys = keys;
        self
    }

    pub const fn keys_from(mut self, find: KeysFrom) -> Shape<H> {
        self.keys_from = Some(find);
        self
    }

    pub const fn access_of(mut self, narrow: AccessOf) -> Shape<H> {
        self.access_of = Some(narrow);
        self
    }

    /// It locks something else than its keys.
    pub const fn locks(mut self, locks: Locks) -> Shape<H> {
        self.locks = locks;
        self
    }

    pub const fn tips(mut self, tips: &'static [&'static str]) -> Shape<H> {
        self.tips = tips;
        self
    }

    /// A container: its handler is only reached for calls without a subcommand.
    pub const fn subcommands(mut self, subcommands: &'static [Shape<H>]) -> Shape<H> {
        self.subcommands = subcommands;
        self
    }

    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Whether a call with `argc` arguments, name included, fits.
    pub fn arity_fits(&self, argc: usize) -> bool {
        let wanted = self.arity.unsigned_abs() as usize;
        if self.arity >= 0 {
            argc == wanted
        } else {
            argc >= wanted
        }
    }

    /// Explicit categories and those that follow from the flags.
    pub fn categories(&self) -> u32 {
        let mut all = self.own_categories;
        let follows = [
            (flag::WRITE, category::WRITE),
            (flag::ADMIN, category::ADMIN | category::DANGEROUS),
            (flag::PUBSUB, category::PUBSUB),
            (flag::FAST, category::FAST),
            (flag::BLOCKING, category::BLOCKING),
        ];
        for (flag, categories) in follows {
            if self.has(flag) {
                all |= categories;
            }
        }
        if self.has(flag::READONLY) && all & category::SCRIPTING == 0 {
            all |= category::READ;
        }
        if !self.has(flag::FAST) {
            all |= category::SLOW;
        }
        all
    }

    /// Whether it can be taken into a group with its neighbours: it changes nothing that
    /// the checks of the next command in the same read depend on.
    pub fn groups(&self) -> bool {
        const ALONE: u32 = flag::NOSCRIPT | flag::ADMIN | flag::BLOCKING | flag::PUBSUB;
        let its_keys = matches!(self.locks, Locks::Keys);
        self.flags & ALONE == 0 && its_keys && self.subcommands.is_empty()
    }

    /// The place of the one key, where that is all there is to know, and how many arguments
    /// a call of a fitting number may have for it to be the only one.
    pub fn only_key(&self) -> Option<(usize, RangeInclusive<usize>)> {
        let &[
            KeySpec {
                begin: Begin::Index(index),
                find:
                    Find::Range {
                        last,
                        step,
                        limit: 0,
                    },
                ..
            },
        ] = self.keys
        else {
            return None;
        };
        let argc = match last {
            0 => index + 1..=usize::MAX,
            ..0 => {
                let argc_min = index + last.unsigned_abs() as usize;
                argc_min..=argc_min + step - 1
            }
            _ => return None,
        };
        self.keys_from.is_none().then_some((index, argc))
    }

    /// Adds the keys of one call to `found`; a call too short to hold them adds none.
    pub fn keys_of(&self, argv: Argv, found: &mut Vec<KeyRef>) {
        if let Some(find) = self.keys_from {
            return find(argv, found);
        }
        let start = found.len();
        for spec in self.keys {
            spec.keys_of(argv, found);
        }
        if let (Some(narrow), Some(keys)) = (self.access_of, found.get_mut(start..)) {
            narrow(argv, keys);
        }
    }

    /// Whether a call is such that each of its key specs tells keys. Where it is not the
    /// command will refuse it, and `keys_of` adds what the others tell.
    pub fn all_specs_fit(&self, argv: Argv) -> bool {
        let mut specs = self.keys.iter();
        self.keys_from.is_some()
            || specs.all(|spec| spec.access & access::NOT_KEY != 0 || spec.places(argv).is_some())
    }
}

impl KeySpec {
    fn keys_of(&self, argv: Argv, found: &mut Vec<KeyRef>) {
        let Some((first, last, step)) = self.places(argv) else {
            return;
        };
        let mut arg = first;
        while arg <= last {
            found.push(KeyRef {
                arg,
                access: self.access,
            });
            arg += step;
        }
    }

    /// The first and the last place of its keys, and the step between them. `None` if the
    /// arguments of the call are not such as the command takes.
    ///
    /// Inlined, since `keys_of` finds what to lock.
    #[inline(always)]
    fn places(&self, argv: Argv) -> Option<(usize, usize, usize)> {
        let argc = argv.len();
        let first = self.begin.position(argv)?;
        let (first, last, step) = match self.find {
            Find::Range { last, step, limit } => {
                let last = match last {
                    0.. => first + last as usize,
                    _ if limit <= 1 => argc.saturating_sub(last.unsigned_abs() as usize),
                    _ => {
                        first + (argc - first.min(argc)) / limit + 1
                            - last.unsigned_abs() as usize
                            - 1
                    }
                };
                (first, last, step)
            }
            Find::KeyNum {
                count_at,
                first: offset,
                step,
            } => {
                let count = crate::base::number::parse_i64(argv.get(first + count_at));
                let count = usize::try_from(count?).ok()?;
                let first = first + offset;
                let end = count.checked_mul(step)?.checked_add(first)?;
                (first, end.checked_sub(step)?, step)
            }
            Find::Unknown => return None,
        };
        (first <= last && last < argc).then_some((first, last, step))
    }
}

impl Begin {
    fn position(self, argv: Argv) -> Option<usize> {
        match self {
            Begin::Index(index) => Some(index),
            Begin::Keyword { word, from } => {
                let is_word = |&i: &usize| argv.get(i).eq_ignore_ascii_case(word.as_bytes());
                let found = if from >= 0 {
                    (from as usize..argv.len()).find(is_word)
                } else {
                    let start = argv.len().checked_sub(from.unsigned_abs() as usize)?;
                    (1..=start).rev().find(is_word)
                };
                found.map(|i| i + 1)
            }
            Begin::Unknown => None,
        }
    }
}
