//! Finds a command by its name, and gives every command and subcommand a small number.

use std::collections::HashMap;

use super::shape::{Shape, flag};

/// A command's number, an index into `Index::known`.
pub type CommandId = u16;

/// One command or subcommand with its place.
#[derive(Clone, Copy)]
pub struct Known<H: 'static> {
    pub spec: &'static Shape<H>,
    /// The container's number, for a subcommand.
    pub container: Option<CommandId>,
    /// Can be taken into a group (see `Shape::groups`).
    pub groups: bool,
    /// Set if a call locks its one key and nothing else, and joins any group.
    only_key: Option<OnlyKey>,
}

/// What is to be known of a command that is grouped and has one key.
#[derive(Clone, Copy)]
struct OnlyKey {
    at: usize,
    argc_min: usize,
    argc_max: usize,
}

impl OnlyKey {
    fn of<H: Copy>(spec: &Shape<H>) -> Option<OnlyKey> {
        let is_plain = spec.groups() && !spec.has(flag::PROTECTED);
        let (at, argc) = spec.only_key().filter(|_| is_plain)?;
        let arity = spec.arity.unsigned_abs() as usize;
        let arity_max = if spec.arity < 0 { usize::MAX } else { arity };
        Some(OnlyKey {
            at,
            argc_min: arity.max(*argc.start()),
            argc_max: arity_max.min(*argc.end()),
        })
    }
}

impl<H: Copy> Known<H> {
    fn new(spec: &'static Shape<H>, container: Option<CommandId>) -> Known<H> {
        Known {
            spec,
            container,
            groups: spec.groups(),
            only_key: OnlyKey::of(spec),
        }
    }

    /// The place of the one key of a call with so many arguments, where that is all there is
    /// to be known before it joins a group.
    #[inline]
    pub fn only_key(&self, argc: usize) -> Option<usize> {
        let only = self.only_key?;
        (only.argc_min <= argc && argc <= only.argc_max).then_some(only.at)
    }
}

pub struct Index<H: 'static> {
    known: Vec<Known<H>>,
    /// "get", or "client|list" for a subcommand.
    names: Vec<String>,
    /// What each command is called now, in lower case.
    called: HashMap<Vec<u8>, CommandId>,
    /// Those names of up to 16 bytes again, by their bytes, open addressing.
    short: Box<[(Packed, CommandId)]>,
    subcommands: HashMap<(CommandId, Vec<u8>), CommandId>,
    /// Commands whose names `rename-command` took away.
    removed: Vec<CommandId>,
}

/// Room in the table of short names: a few times the number of commands.
const SHORT_SLOTS: usize = 1024;

impl<H: Copy> Index<H> {
    pub fn new(families: &[&'static [Shape<H>]]) -> Index<H> {
        let mut index = Index {
            known: Vec::new(),
            names: Vec::new(),
            called: HashMap::new(),
            short: vec![(NOTHING, 0); SHORT_SLOTS].into(),
            subcommands: HashMap::new(),
            removed: Vec::new(),
        };
        for spec in families.iter().copied().flatten() {
            let id = index.add(spec);
            index.called.insert(spec.name.as_bytes().to_vec(), id);
        }
        index.index();
        index
    }

    /// `rename-command`: an empty new name takes the command away.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), RenameError> {
        let from = from.to_ascii_lowercase();
        let id = *self.called.get(&from).ok_or(RenameError::Unknown)?;
        let to = to.to_ascii_lowercase();
        if !to.is_empty() && self.called.contains_key(&to) {
            return Err(RenameError::Taken);
        }
        self.called.remove(&from);
        if to.is_empty() {
            self.removed.push(id);
        } else {
            self.called.insert(to, id);
        }
        self.index();
        Ok(())
    }

    fn add(&mut self, spec: &'static Shape<H>) -> CommandId {
        let id = self.known.len() as CommandId;
        self.known.push(Known::new(spec, None));
        self.names.push(spec.name.to_owned());
        for sub in spec.subcommands {
            let sub_id = self.known.len() as CommandId;
            self.known.push(Known::new(sub, Some(id)));
            self.names.push(format!("{}|{}", spec.name, sub.name));
            self.subcommands
                .insert((id, sub.name.as_bytes().to_vec()), sub_id);
        }
        id
    }

    /// Makes the table of short names anew.
    fn index(&mut self) {
        self.short.fill((NOTHING, 0));
        for (name, id) in &self.called {
            let Some(packed) = pack(name) else { continue };
            let mut slot = slot_of(packed);
            while self.short[slot].0 != NOTHING {
                slot = (slot + 1) % SHORT_SLOTS;
            }
            self.short[slot] = (packed, *id);
        }
    }

    /// The command of this name, in any case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<CommandId> {
        let Some(packed) = pack(name) else {
            return self.find_long(name);
        };
        let mut slot = slot_of(packed);
        while self.short[slot].0 != packed {
            if self.short[slot].0 == NOTHING {
                return None;
            }
            slot = (slot + 1) % SHORT_SLOTS;
        }
        Some(self.short[slot].1)
    }

    #[cold]
    fn find_long(&self, name: &[u8]) -> Option<CommandId> {
        self.called.get(&name.to_ascii_lowercase()).copied()
    }

    pub fn find_sub(&self, container: CommandId, name: &[u8]) -> Option<CommandId> {
        self.subcommands
            .get(&(container, name.to_ascii_lowercase()))
            .copied()
    }

    /// A command by its full name, "client|list" included.
    pub fn find_full(&self, name: &[u8]) -> Option<CommandId> {
        match name.iter().position(|&byte| byte == b'|') {
            Some(bar) => self.find_sub(self.find(&name[..bar])?, &name[bar + 1..]),
            None => self.find(name),
        }
    }

    #[inline]
    pub fn get(&self, id: CommandId) -> &Known<H> {
        &self.known[id as usize]
    }

    pub fn full_name(&self, id: CommandId) -> &str {
        &self.names[id as usize]
    }

    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Commands that can be called and are not subcommands, in the order of their tables.
    pub fn commands(&self) -> impl Iterator<Item = (CommandId, &'static Shape<H>)> + '_ {
        let all = (0..).zip(&self.known);
        all.filter(|(id, known)| known.container.is_none() && !self.removed.contains(id))
            .map(|(id, known)| (id, known.spec))
    }
}

/// A `rename-command` that cannot be followed, in Redis's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenameError {
    #[error("No such command in rename-command")]
    Unknown,
    #[error("Target command name already exists")]
    Taken,
}

/// A name of 1 to 16 bytes in lower case, and its length: a NUL may be one of the bytes.
type Packed = (u64, u64, usize);

const NOTHING: Packed = (0, 0, 0);

#[inline]
fn pack(name: &[u8]) -> Option<Packed> {
    if name.len() > 16 {
        return None;
    }
    // The first and the last bytes overlap, unless the name has just that length.
    if name.len() > 8 {
        let (first, last) = (name.first_chunk()?, name.last_chunk()?);
        let rest = u64::from_le_bytes(*last) >> (8 * (16 - name.len()));
        let first = u64::from_le_bytes(*first);
        return Some((lower(first), lower(rest), name.len()));
    }
    let word = if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        let last = u64::from(u32::from_le_bytes(*last));
        u64::from(u32::from_le_bytes(*first)) | last << (8 * (name.len() - 4))
    } else if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        let last = u64::from(u16::from_le_bytes(*last));
        u64::from(u16::from_le_bytes(*first)) | last << (8 * (name.len() - 2))
    } else {
        u64::from(*name.first()?)
    };
    Some((lower(word), 0, name.len()))
}

/// Setting bit 5 lowers letters; bytes from '@' to '_' are letters or rare signs, and a sign
/// that collides with another is in no command's name.
#[inline]
fn lower(word: u64) -> u64 {
    word | (word & u64::from_le_bytes([0x40; 8])) >> 1
}

#[inline]
fn slot_of((first, last, _): Packed) -> usize {
    let folded = first ^ last.rotate_left(32);
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize % SHORT_SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(pack(b"GeT"), pack(b"get"));
        assert_ne!(pack(b"get"), pack(b"set"));
        assert_eq!(pack(b"CLIENT_x"), pack(b"client_x"));
        assert_eq!(pack(b""), None);
        for nul in [&b"\0"[..], b"\0\0", b"get\0", b"abcdefghi\0"] {
            assert_ne!(pack(nul), Some(NOTHING));
            assert_ne!(pack(nul), pack(&nul[..nul.len() - 1]));
        }
        let name = b"abcdefghijklmnopq";
        let mut packed: Vec<Packed> = (1..=16).filter_map(|len| pack(&name[..len])).collect();
        packed.sort();
        packed.dedup();
        assert_eq!((packed.len(), pack(name)), (16, None));
        assert_eq!(
            pack(b"abc"),
            Some((u64::from_le_bytes(*b"abc\0\0\0\0\0"), 0, 3))
        );
        assert_eq!(pack(b"georadiusbymember_ro"), None);
    }
}
