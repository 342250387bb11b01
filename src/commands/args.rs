//! A cursor over a command's arguments whose first error sticks.
//!
//! A handler takes its arguments in the order of the command's grammar and asks once, at
//! the end (`finish`), whether all of them were well-formed. Until then a failed take gives
//! a harmless default, so option parsing reads like the grammar and not like error handling.

use super::error::CmdError;
use crate::base::hash::KeyHasher;
use crate::base::number;
use crate::resp::request::Argv;
use crate::store::keyspace::Key;

/// A call's first key: its place and its hash, computed when its shard was locked.
#[derive(Clone, Copy, Debug, Default)]
pub struct FirstKey {
    /// 0, where the command's own name is, for none.
    arg: u32,
    hash: u64,
}

impl FirstKey {
    #[inline]
    pub fn new(arg: usize, hash: u64) -> FirstKey {
        // Whose place is no such number is hashed once more.
        let arg = u32::try_from(arg).unwrap_or(0);
        FirstKey { arg, hash }
    }

    #[inline]
    pub fn hash(self) -> Option<u64> {
        (self.arg != 0).then_some(self.hash)
    }
}

#[derive(Clone)]
pub struct Args<'a> {
    argv: Argv<'a>,
    next: usize,
    hasher: &'a KeyHasher,
    first_key: FirstKey,
    error: Option<CmdError>,
}

impl<'a> Args<'a> {
    /// A cursor on the argument at `next`, the first one behind the command's names.
    #[inline]
    pub fn new(
        argv: Argv<'a>,
        next: usize,
        hasher: &'a KeyHasher,
        first_key: FirstKey,
    ) -> Args<'a> {
        Args {
            argv,
            next,
            hasher,
            first_key,
            error: None,
        }
    }

    /// The whole call, name included.
    pub fn argv(&self) -> Argv<'a> {
        self.argv
    }

    /// How many arguments are left.
    #[inline]
    pub fn left(&self) -> usize {
        self.argv.len().saturating_sub(self.next)
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.left() == 0
    }

    /// Passes over `n` arguments (a subcommand's own name, for one).
    pub fn skip(&mut self, n: usize) {
        self.next += n;
    }

    /// The next argument; a missing one is a syntax error.
    #[inline]
    pub fn bytes(&mut self) -> &'a [u8] {
        if self.is_empty() {
            return self.missing();
        }
        self.next += 1;
        self.argv.get(self.next - 1)
    }

    #[cold]
    #[inline(never)]
    fn missing(&mut self) -> &'a [u8] {
        self.fail(CmdError::Syntax);
        &[]
    }

    /// The next argument if there is one.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator's skip and take would win"
    )]
    pub fn next(&mut self) -> Option<&'a [u8]> {
        (!self.is_empty()).then(|| self.bytes())
    }

    /// The arguments that are left.
    pub fn rest(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        self.argv.iter().skip(self.next)
    }

    pub fn peek(&self) -> Option<&'a [u8]> {
        (self.left() > 0).then(|| self.argv.get(self.next))
    }

    #[inline]
    pub fn key(&mut self) -> Key<'a> {
        let at = self.next;
        let bytes = self.bytes();
        let hash = match self.first_key.arg as usize == at {
            true => self.first_key.hash,
            false => self.hasher.hash(bytes),
        };
        Key { bytes, hash }
    }

    pub fn i64(&mut self) -> i64 {
        self.i64_or(CmdError::NotInteger)
    }

    /// An integer, or `error` where the command has a text of its own.
    pub fn i64_or(&mut self, error: CmdError) -> i64 {
        let bytes = self.bytes();
        match number::parse_i64(bytes) {
            Some(n) => n,
            None => {
                self.fail(error);
                0
            }
        }
    }

    pub fn f64(&mut self) -> f64 {
        let bytes = self.bytes();
        number::parse_f64(bytes).unwrap_or_else(|| {
            self.fail(CmdError::NotFloat);
            0.0
        })
    }

    /// Takes the next argument if it is this word, in any case.
    pub fn take(&mut self, word: &str) -> bool {
        let matches = self
            .peek()
            .is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
        self.next += usize::from(matches);
        matches
    }

    /// Records an error, unless an earlier one stands.
    #[cold]
    pub fn fail(&mut self, error: CmdError) {
        self.error.get_or_insert(error);
    }

    /// The first error, whatever is left of the arguments.
    pub fn check(&mut self) -> Result<(), CmdError> {
        self.error.take().map_or(Ok(()), Err)
    }

    /// The first error; arguments that nobody took are a syntax error.
    pub fn finish(mut self) -> Result<(), CmdError> {
        self.check()?;
        if self.is_empty() {
            Ok(())
        } else {
            Err(CmdError::Syntax)
        }
    }
}
