//! Finds a command by its name, and gives every command and subcommand a small number.

use std::collections::HashMap;

use super::spec::Spec;

/// A command's number, an index into `Registry::all`.
pub type CommandId = u16;

/// One command or subcommand with its place.
#[derive(Clone, Copy)]
pub struct Known {
    pub spec: &'static Spec,
    /// The container's number, for a subcommand.
    pub container: Option<CommandId>,
    /// Can be taken into a group (see `Spec::groups`).
    pub groups: bool,
    /// See `Spec::only_key`.
    pub only_key: Option<usize>,
}

impl Known {
    fn new(spec: &'static Spec, container: Option<CommandId>) -> Known {
        Known {
            spec,
            container,
            groups: spec.groups(),
            only_key: spec.only_key(),
        }
    }
}

pub struct Registry {
    known: Vec<Known>,
    /// "get", or "client|list" for a subcommand.
    names: Vec<String>,
    /// Names of up to 16 bytes by their bytes, open addressing; the rest in `long`.
    short: Box<[(u128, CommandId)]>,
    long: HashMap<Vec<u8>, CommandId>,
    subcommands: HashMap<(CommandId, Vec<u8>), CommandId>,
}

/// Room in the table of short names: a few times the number of commands.
const SHORT_SLOTS: usize = 1024;

impl Registry {
    /// `renames` are pairs of old and new names; an empty new name takes the command away.
    pub fn new(
        families: &[&'static [Spec]],
        renames: &[(String, String)],
    ) -> Result<Registry, UnknownName> {
        let mut registry = Registry {
            known: Vec::new(),
            names: Vec::new(),
            short: vec![(0, 0); SHORT_SLOTS].into(),
            long: HashMap::new(),
            subcommands: HashMap::new(),
        };
        let mut called: HashMap<String, CommandId> = HashMap::new();
        for spec in families.iter().copied().flatten() {
            called.insert(spec.name.to_owned(), registry.add(spec));
        }
        for (old, new) in renames {
            let id = called
                .remove(&old.to_lowercase())
                .ok_or_else(|| UnknownName(old.clone()))?;
            if !new.is_empty() {
                called.insert(new.to_lowercase(), id);
            }
        }
        for (name, id) in called {
            registry.name(name, id);
        }
        Ok(registry)
    }

    fn add(&mut self, spec: &'static Spec) -> CommandId {
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

    fn name(&mut self, name: String, id: CommandId) {
        let Some(packed) = pack(name.as_bytes()) else {
            self.long.insert(name.into_bytes(), id);
            return;
        };
        let mut slot = slot_of(packed);
        while self.short[slot].0 != 0 {
            slot = (slot + 1) % SHORT_SLOTS;
        }
        self.short[slot] = (packed, id);
    }

    /// The command of this name, in any case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<CommandId> {
        let Some(packed) = pack(name) else {
            return self.long.get(&name.to_ascii_lowercase()).copied();
        };
        let mut slot = slot_of(packed);
        while self.short[slot].0 != packed {
            if self.short[slot].0 == 0 {
                return None;
            }
            slot = (slot + 1) % SHORT_SLOTS;
        }
        Some(self.short[slot].1)
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
    pub fn get(&self, id: CommandId) -> &Known {
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

    /// Commands that are not subcommands, in the order of their tables.
    pub fn commands(&self) -> impl Iterator<Item = (CommandId, &'static Spec)> + '_ {
        let all = self.known.iter().enumerate();
        all.filter(|(_, known)| known.container.is_none())
            .map(|(id, known)| (id as CommandId, known.spec))
    }
}

/// `rename-command` named a command that there is not.
#[derive(Debug, thiserror::Error)]
#[error("No such command in rename-command: '{0}'")]
pub struct UnknownName(String);

/// A name of 1 to 16 bytes in lower case as a number; 0 is never one.
#[inline]
fn pack(name: &[u8]) -> Option<u128> {
    if name.is_empty() || name.len() > 16 {
        return None;
    }
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name);
    let packed = u128::from_le_bytes(bytes);
    // Setting bit 5 lowers letters; bytes from '@' to '_' are letters or rare signs, and a
    // sign that collides with another is in no command's name.
    let ones = u128::from_le_bytes([0x40; 16]);
    Some(packed | (packed & ones) >> 1)
}

#[inline]
fn slot_of(packed: u128) -> usize {
    let folded = packed as u64 ^ (packed >> 64) as u64;
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
        assert_eq!(pack(b"georadiusbymember_ro"), None);
    }
}
