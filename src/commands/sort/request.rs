//! The options of one call, its keys and locks.

use super::order::Order;
use crate::commands::args::Args;
use crate::commands::error::CmdError;
use crate::commands::spec::{KeyRef, access};
use crate::resp::argv::Argv;
use crate::store::keyspace::Key;

pub struct Request<'a> {
    /// `None` if nothing is to be sorted: `BY` names the same key for all elements.
    pub order: Option<Order>,
    pub descending: bool,
    pub by: Option<&'a [u8]>,
    pub gets: Vec<&'a [u8]>,
    /// The first element that is wanted and how many, as they were given.
    pub limit: (i64, i64),
    pub store: Option<Key<'a>>,
}

impl<'a> Request<'a> {
    /// What stands behind the key.
    pub fn parse(mut args: Args<'a>, may_store: bool) -> Result<Request<'a>, CmdError> {
        let (mut alpha, mut descending, mut is_sorted) = (false, false, true);
        let mut request = Request {
            order: None,
            descending: false,
            by: None,
            gets: Vec::new(),
            limit: (0, -1),
            store: None,
        };
        while !args.is_empty() {
            let left = args.left() - 1;
            if args.take("asc") {
                descending = false;
            } else if args.take("desc") {
                descending = true;
            } else if args.take("alpha") {
                alpha = true;
            } else if left >= 2 && args.take("limit") {
                request.limit = (args.i64(), args.i64());
                args.check()?;
            } else if may_store && left >= 1 && args.take("store") {
                request.store = Some(args.key());
            } else if left >= 1 && args.take("by") {
                let by = args.bytes();
                request.by = Some(by);
                // One that is no pattern settles it, whatever the last one is.
                is_sorted &= is_pattern(by);
            } else if left >= 1 && args.take("get") {
                request.gets.push(args.bytes());
            } else {
                return Err(CmdError::Syntax);
            }
        }
        request.descending = descending;
        if is_sorted {
            request.order = Some(Order {
                alpha,
                descending,
                by_key: request.by.is_some(),
            });
        }
        Ok(request)
    }
}

/// Whether it names other keys for other elements.
fn is_pattern(text: &[u8]) -> bool {
    text.contains(&b'*')
}

/// Calls `visit` with the place of each option's value: its word and the value's place.
fn visit_values(argv: Argv, mut visit: impl FnMut(&[u8], usize)) {
    let mut at = 2;
    while at + 1 < argv.len() {
        let word = argv.get(at);
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("limit") {
            at += 2;
        } else if is("get") || is("by") || is("store") {
            visit(word, at + 1);
            at += 1;
        }
        at += 1;
    }
}

/// Whether keys are looked up whose names are not known before.
pub fn needs_everything(argv: Argv) -> bool {
    let mut needs = false;
    visit_values(argv, |word, at| {
        let looks_up = !word.eq_ignore_ascii_case(b"store");
        needs |= looks_up && is_pattern(argv.get(at));
    });
    needs
}

/// The key that is sorted and that of the last STORE.
pub fn sort_keys(argv: Argv, found: &mut Vec<KeyRef>) {
    sort_ro_keys(argv, found);
    let mut store = None;
    visit_values(argv, |word, at| {
        if word.eq_ignore_ascii_case(b"store") {
            store = Some(at);
        }
    });
    found.extend(store.map(|arg| KeyRef {
        arg,
        access: access::OW | access::UPDATE,
    }));
}

pub fn sort_ro_keys(argv: Argv, found: &mut Vec<KeyRef>) {
    if argv.len() > 1 {
        found.push(KeyRef {
            arg: 1,
            access: access::RO | access::ACCESS,
        });
    }
}
