//! Function libraries, as they came: from a file or from a leader. They are kept, saved,
//! passed on and listed; nothing here can run them, nor tell which functions they have.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::rdb::encode::Encoder;
use crate::resp::inline::split_args;
use crate::resp::template::fill;

/// What a library is named; the code begins with a line that says it.
pub type Name = Box<[u8]>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    pub name: Name,
    /// What runs it, as the code has it: in any case.
    pub engine: Box<[u8]>,
    /// With its first line.
    pub code: Box<[u8]>,
}

/// Why a library cannot be taken, in Redis's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub Vec<u8>);

/// For log lines, in which bytes that are no text are replaced.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_control = |c: char| c.is_control();
        f.write_str(&String::from_utf8_lossy(&self.0).replace(is_control, "\u{fffd}"))
    }
}

impl Library {
    /// Reads what the code says of itself in its first line: `#!lua name=mylib`.
    ///
    /// # Errors
    /// There is no such line, or there is more or less in it.
    pub fn parse(code: &[u8]) -> Result<Library, Refused> {
        let refused = |text: &str| Refused(text.into());
        let Some(rest) = code.strip_prefix(b"#!") else {
            return Err(refused("Missing library metadata"));
        };
        let line_end = rest.iter().position(|&byte| byte == b'\n');
        // The engine's name stands right behind the mark, or is empty.
        let words = line_end.and_then(|end| split_args(&code[..end + 2]));
        let Some([engine, arguments @ ..]) = words.as_deref() else {
            return Err(refused("Invalid library metadata"));
        };
        let mut name = None;
        for argument in arguments {
            match argument.split_at_checked(NAME_WORD.len()) {
                Some((word, value)) if word.eq_ignore_ascii_case(NAME_WORD) => {
                    if name.replace(value).is_some() {
                        return Err(refused(
                            "Invalid metadata value, name argument was given multiple times",
                        ));
                    }
                }
                _ => {
                    return Err(Refused(fill(
                        "Invalid metadata value given: {}",
                        &[argument],
                    )));
                }
            }
        }
        let name = name.ok_or_else(|| refused("Library name was not given"))?;
        if name.is_empty() || !name.iter().all(|&byte| is_name_byte(byte)) {
            return Err(refused(
                "Library names can only contain letters, numbers, or underscores(_) and must \
                 be at least one character long",
            ));
        }
        Ok(Library {
            name: name.into(),
            engine: engine.get(2..).unwrap_or_default().into(),
            code: code.into(),
        })
    }

    fn bytes(&self) -> usize {
        self.name.len() + self.engine.len() + self.code.len()
    }
}

const NAME_WORD: &[u8] = b"name=";

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// All libraries, by name. A clone shares them, as a snapshot does.
#[derive(Clone, Debug, Default)]
pub struct Libraries(Arc<BTreeMap<Name, Library>>);

impl Libraries {
    /// Adds one; it takes the place of one of the same name if `replace` says so.
    ///
    /// # Errors
    /// There is one of that name.
    pub fn add(&mut self, library: Library, replace: bool) -> Result<(), Refused> {
        let name = &library.name;
        if !replace && self.0.contains_key(name) {
            return Err(Refused(fill("Library '{}' already exists", &[name])));
        }
        Arc::make_mut(&mut self.0).insert(name.clone(), library);
        Ok(())
    }

    /// Adds all of another set, or none.
    ///
    /// # Errors
    /// As `add`.
    pub fn join(&mut self, others: &Libraries, replace: bool) -> Result<(), Refused> {
        let is_here = |other: &&Library| self.0.contains_key(&other.name);
        if !replace && let Some(other) = others.iter().find(is_here) {
            return Err(Refused(fill("Library {} already exists", &[&other.name])));
        }
        let new = others
            .iter()
            .map(|other| (other.name.clone(), other.clone()));
        Arc::make_mut(&mut self.0).extend(new);
        Ok(())
    }

    /// Whether there was one of this name.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        self.0.contains_key(name) && Arc::make_mut(&mut self.0).remove(name).is_some()
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Library> {
        self.0.values()
    }

    /// Appends them as a file has them, in front of all keys.
    pub fn put(&self, encoder: &mut Encoder, out: &mut Vec<u8>) {
        for library in self.iter() {
            encoder.put_function(out, &library.code);
        }
    }

    /// The memory of them all.
    pub fn bytes(&self) -> usize {
        self.iter().map(Library::bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: &str) -> String {
        Library::parse(code.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn the_first_line_tells() {
        let code = b"#!lua name=my_lib1\nreturn 1\n";
        let library = Library::parse(code).unwrap();
        assert_eq!(*library.name, *b"my_lib1");
        assert_eq!((&*library.engine, &*library.code), (&b"lua"[..], &code[..]));
        let quoted = Library::parse(b"#!js \"NA\\x4de=a\"\n").unwrap();
        assert_eq!((&*quoted.name, &*quoted.engine), (&b"a"[..], &b"js"[..]));
        let nameless = Library::parse(b"#! name=a\n").unwrap();
        assert_eq!(*nameless.engine, *b"");
    }

    #[test]
    fn first_lines_that_do_not() {
        assert_eq!(refusal(""), "Missing library metadata");
        assert_eq!(refusal("return 1"), "Missing library metadata");
        for line in ["#!", "#!lua", "#!lua name=a", "#!lua \"name=a\n"] {
            assert_eq!(refusal(line), "Invalid library metadata", "{line}");
        }
        for line in ["#!\n", "#!lua\n"] {
            assert_eq!(refusal(line), "Library name was not given", "{line}");
        }
        for line in ["#!lua name=\n", "#!lua name=a-b\n"] {
            assert!(
                refusal(line).starts_with("Library names can only"),
                "{line}"
            );
        }
        let twice = refusal("#!lua name=a name=b\n");
        assert!(twice.ends_with("name argument was given multiple times"));
        assert_eq!(
            refusal("#!lua name=a x=b\n"),
            "Invalid metadata value given: x=b"
        );
    }

    #[test]
    fn a_clone_keeps_what_was_there() {
        let library = |code: &[u8]| Library::parse(code).unwrap();
        let (first, second) = (library(b"#!lua name=a\n1"), library(b"#!lua name=a\n2"));
        let mut libraries = Libraries::default();
        libraries.add(first.clone(), false).unwrap();
        let refused = libraries.add(second.clone(), false).unwrap_err();
        assert_eq!(refused.to_string(), "Library 'a' already exists");
        let snapshot = libraries.clone();
        let refused = libraries.join(&snapshot, false).unwrap_err();
        assert_eq!(refused.to_string(), "Library a already exists");
        libraries.add(second.clone(), true).unwrap();
        assert_eq!(libraries.iter().collect::<Vec<_>>(), [&second]);
        assert!(libraries.remove(b"a") && !libraries.remove(b"a"));
        assert_eq!((libraries.bytes(), libraries.iter().len()), (0, 0));
        assert_eq!(snapshot.iter().collect::<Vec<_>>(), [&first]);
        assert_eq!(snapshot.bytes(), 1 + 3 + 14);
        libraries.join(&snapshot, false).unwrap();
        assert_eq!(libraries.iter().collect::<Vec<_>>(), [&first]);
    }
}
