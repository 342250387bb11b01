//! A command's arguments: ranges into the bytes they arrived in, never copied on the way
//! to the handler; and the owned form for commands that must outlive their buffer.

use crate::base::number::digits;

/// Where one argument lies, in bytes from the start of its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgRange {
    pub start: usize,
    pub end: usize,
}

/// A command and its arguments. `bytes` is the command's whole multibulk frame, or bytes
/// that do not begin with `*`.
#[derive(Clone, Copy, Debug)]
pub struct Argv<'a> {
    pub bytes: &'a [u8],
    pub ranges: &'a [ArgRange],
}

impl<'a> Argv<'a> {
    /// How many arguments there are, the command's name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there is not even a name.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The argument at `index`, empty past the end.
    #[inline]
    pub fn get(&self, index: usize) -> &'a [u8] {
        match self.ranges.get(index) {
            Some(range) => self.bytes.get(range.start..range.end).unwrap_or_default(),
            None => &[],
        }
    }

    /// All arguments in order, the command's name first.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let bytes = self.bytes;
        let slice = move |range: &ArgRange| bytes.get(range.start..range.end).unwrap_or_default();
        self.ranges.iter().map(slice)
    }

    /// The command's own frame, which can go into a log or to a follower as it is. None
    /// if it did not arrive as a frame.
    #[inline]
    pub fn raw(&self) -> Option<&'a [u8]> {
        (self.bytes.first() == Some(&b'*')).then_some(self.bytes)
    }

    /// Appends the command as a frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self.raw() {
            Some(raw) => out.extend_from_slice(raw),
            None => encode_frame(self.iter(), out, |_| ()),
        }
    }
}

/// A command that owns its bytes, as a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedCommand {
    bytes: Box<[u8]>,
    ranges: Box<[ArgRange]>,
}

impl OwnedCommand {
    /// A command of these arguments.
    pub fn from_args<T: AsRef<[u8]>>(args: &[T]) -> OwnedCommand {
        OwnedCommand::encode(args.iter().map(AsRef::as_ref))
    }

    /// A copy of a borrowed command.
    pub fn from_argv(argv: Argv) -> OwnedCommand {
        match argv.raw() {
            Some(raw) => OwnedCommand {
                bytes: raw.into(),
                ranges: argv.ranges.into(),
            },
            None => OwnedCommand::encode(argv.iter()),
        }
    }

    /// The command as handlers take it.
    #[inline]
    pub fn argv(&self) -> Argv<'_> {
        Argv {
            bytes: &self.bytes,
            ranges: &self.ranges,
        }
    }

    /// What it costs to keep, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.len() + size_of_val::<[ArgRange]>(&self.ranges)
    }

    fn encode<'a>(args: impl ExactSizeIterator<Item = &'a [u8]>) -> OwnedCommand {
        let mut bytes = Vec::new();
        let mut ranges = Vec::with_capacity(args.len());
        encode_frame(args, &mut bytes, |range| ranges.push(range));
        OwnedCommand {
            bytes: bytes.into(),
            ranges: ranges.into(),
        }
    }
}

/// Appends a command as a frame.
pub fn encode_command<T: AsRef<[u8]>>(args: &[T], out: &mut Vec<u8>) {
    encode_frame(args.iter().map(AsRef::as_ref), out, |_| ());
}

/// Tells `each` where every argument lies, counted from the frame's start.
fn encode_frame<'a>(
    args: impl ExactSizeIterator<Item = &'a [u8]>,
    out: &mut Vec<u8>,
    mut each: impl FnMut(ArgRange),
) {
    let frame_start = out.len();
    push_header(b'*', args.len(), out);
    for arg in args {
        push_header(b'$', arg.len(), out);
        let start = out.len() - frame_start;
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
        let end = start + arg.len();
        each(ArgRange { start, end });
    }
}

fn push_header(kind: u8, len: usize, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(digits().of(len));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_encodes_and_reads_back() {
        let command = OwnedCommand::from_args(&["SET", "key", ""]);
        let argv = command.argv();
        assert_eq!(
            argv.raw(),
            Some(&b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$0\r\n\r\n"[..])
        );
        assert_eq!(argv.iter().collect::<Vec<_>>(), [&b"SET"[..], b"key", b""]);
        assert_eq!(
            (argv.len(), argv.get(1), argv.get(9)),
            (3, &b"key"[..], &b""[..])
        );
        assert_eq!(OwnedCommand::from_argv(argv), command);
        let mut out = b"before".to_vec();
        encode_command(&["SET", "key", ""], &mut out);
        assert_eq!(&out[6..], argv.bytes);
    }

    #[test]
    fn loose_arguments_become_a_frame_when_owned() {
        let ranges = [ArgRange { start: 0, end: 4 }, ArgRange { start: 5, end: 6 }];
        let loose = Argv {
            bytes: b"ECHO x",
            ranges: &ranges,
        };
        assert_eq!(loose.raw(), None);
        let owned = OwnedCommand::from_argv(loose);
        assert_eq!(owned, OwnedCommand::from_args(&["ECHO", "x"]));
        let mut out = Vec::new();
        loose.encode(&mut out);
        assert_eq!(Some(&out[..]), owned.argv().raw());
    }

    #[test]
    fn ranges_past_the_bytes_are_empty() {
        let ranges = [ArgRange { start: 2, end: 9 }];
        let broken = Argv {
            bytes: b"abc",
            ranges: &ranges,
        };
        assert_eq!(broken.get(0), b"");
        assert_eq!(broken.iter().next(), Some(&b""[..]));
    }
}
