//! Whom CLIENT LIST shows and CLIENT KILL ends: any number of conditions, each of which may
//! be turned around with `NOT-` in front.

use crate::base::number::parse_i64;
use crate::commands::args::Args;
use crate::commands::error::CmdError;
use crate::config::Param;
use crate::shared::Shared;
use crate::shared::clients::{ClientFacts, client_flag};
use std::sync::atomic::Ordering;

/// What a client that can be sent elsewhere calls itself in `capa=`.
pub const CAPA_REDIRECT: char = 'r';

/// Conditions that must all be met; without any, everybody meets them.
#[derive(Default)]
pub struct Filter<'a> {
    conditions: Vec<(bool, Condition<'a>)>,
    pub skips_me: bool,
}

enum Condition<'a> {
    Ids(Vec<i64>),
    Address(&'a [u8]),
    LocalAddress(&'a [u8]),
    Ip(&'a [u8]),
    Type(Type),
    User(&'a [u8]),
    Name(&'a [u8]),
    LibraryName(&'a [u8]),
    LibraryVersion(&'a [u8]),
    Flags(&'a [u8]),
    Capabilities(&'a [u8]),
    Db(i64),
    AgeSecondsMin(i64),
    IdleSecondsMin(i64),
}

/// What CLIENT LIST and KILL call the type of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Normal,
    Master,
    Replica,
    PubSub,
}

impl Type {
    pub fn named(name: &[u8]) -> Result<Type, CmdError> {
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        if is("normal") {
            Ok(Type::Normal)
        } else if is("master") || is("primary") {
            Ok(Type::Master)
        } else if is("replica") || is("slave") {
            Ok(Type::Replica)
        } else if is("pubsub") {
            Ok(Type::PubSub)
        } else {
            Err(CmdError::quoting("ERR Unknown client type '{}'", &[name]))
        }
    }

    pub fn of(facts: &ClientFacts) -> Type {
        if facts.has(client_flag::LEADER) {
            Type::Master
        } else if facts.has(client_flag::FOLLOWER) {
            Type::Replica
        } else if facts.has(client_flag::PUBSUB) {
            Type::PubSub
        } else {
            Type::Normal
        }
    }
}

/// The letters of a client's flags.
pub fn letters(facts: &ClientFacts) -> String {
    let letters = client_flag::LETTERS.iter();
    let letters: String = letters
        .filter(|(flag, _)| facts.has(*flag))
        .map(|(_, letter)| letter)
        .collect();
    match letters.is_empty() {
        true => "N".to_owned(),
        false => letters,
    }
}

/// How one of the two commands reads a client's id.
pub type ParseId = fn(&[u8]) -> Result<i64, CmdError>;

impl<'a> Filter<'a> {
    /// The clients with this address, the asking one too.
    pub fn address(address: &'a [u8]) -> Filter<'a> {
        Filter {
            conditions: vec![(false, Condition::Address(address))],
            skips_me: false,
        }
    }

    /// Takes all that is left of the arguments.
    pub fn parse(
        args: &mut Args<'a>,
        shared: &Shared,
        skips_me: bool,
        parse_id: ParseId,
    ) -> Result<Filter<'a>, CmdError> {
        let mut filter = Filter {
            conditions: Vec::new(),
            skips_me,
        };
        while let Some(option) = args.next() {
            if args.is_empty() {
                return Err(CmdError::Syntax);
            }
            if option.eq_ignore_ascii_case(b"skipme") {
                filter.skips_me = yes_or_no(args)?;
                continue;
            }
            let (name, negated) = match option.split_at_checked(4) {
                Some((not, name)) if not.eq_ignore_ascii_case(b"not-") => (name, true),
                _ => (option, false),
            };
            let condition = Condition::parse(name, negated, args, shared, parse_id)?;
            // Of two conditions of a kind the last one counts.
            let is_other = |(not, other): &(bool, Condition)| {
                let kind = std::mem::discriminant(other);
                *not != negated || kind != std::mem::discriminant(&condition)
            };
            filter.conditions.retain(is_other);
            filter.conditions.push((negated, condition));
        }
        Ok(filter)
    }

    pub fn matches(&self, facts: &ClientFacts, asking: u64, now_ms: i64) -> bool {
        let mut conditions = self.conditions.iter();
        conditions.all(|(negated, condition)| condition.holds(facts, now_ms) != *negated)
            && !(self.skips_me && facts.id == asking)
    }
}

impl<'a> Condition<'a> {
    fn parse(
        name: &[u8],
        negated: bool,
        args: &mut Args<'a>,
        shared: &Shared,
        parse_id: ParseId,
    ) -> Result<Condition<'a>, CmdError> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let value = args.bytes();
        let condition = if is("id") {
            let mut ids = vec![parse_id(value)?];
            // More numbers are more ids; what is no number is the next option.
            while let Some(id) = args.peek().and_then(parse_i64) {
                ids.push(id);
                args.skip(1);
            }
            Condition::Ids(ids)
        } else if is("addr") {
            Condition::Address(value)
        } else if is("laddr") {
            Condition::LocalAddress(value)
        } else if is("ip") {
            Condition::Ip(value)
        } else if is("type") {
            Condition::Type(Type::named(value)?)
        } else if is("user") {
            Condition::User(user(value)?)
        } else if is("name") {
            Condition::Name(value)
        } else if is("lib-name") {
            Condition::LibraryName(value)
        } else if is("lib-ver") {
            Condition::LibraryVersion(value)
        } else if is("flags") {
            Condition::Flags(known_letters(value, "flags", negated, is_flag)?)
        } else if is("capa") {
            let is_capability = |letter: char| letter == CAPA_REDIRECT;
            Condition::Capabilities(known_letters(value, "capa", negated, is_capability)?)
        } else if is("db") {
            Condition::Db(database(value, shared)?)
        } else if is("maxage") && !negated {
            Condition::AgeSecondsMin(seconds(value, "maxage")?)
        } else if is("idle") && !negated {
            Condition::IdleSecondsMin(seconds(value, "idle")?)
        } else {
            return Err(CmdError::Syntax);
        };
        Ok(condition)
    }

    fn holds(&self, facts: &ClientFacts, now_ms: i64) -> bool {
        let seconds_since = |ms: i64| now_ms / 1000 - ms / 1000;
        match self {
            Condition::Ids(ids) => ids.iter().any(|&id| u64::try_from(id) == Ok(facts.id)),
            Condition::Address(wanted) => *wanted == facts.address.as_bytes(),
            Condition::LocalAddress(wanted) => *wanted == facts.local_address.as_bytes(),
            Condition::Ip(wanted) => {
                let address = &facts.address[..];
                let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
                *wanted == host.trim_matches(['[', ']']).as_bytes()
            }
            Condition::Type(kind) => *kind == Type::of(facts),
            Condition::User(wanted) => *wanted == facts.text.lock().user.as_bytes(),
            Condition::Name(wanted) => *wanted == facts.text.lock().name.as_bytes(),
            Condition::LibraryName(wanted) => *wanted == facts.text.lock().library_name.as_bytes(),
            Condition::LibraryVersion(wanted) => {
                *wanted == facts.text.lock().library_version.as_bytes()
            }
            Condition::Flags(wanted) => {
                let own = letters(facts);
                wanted
                    .iter()
                    .all(|&letter| own.contains(char::from(letter)))
            }
            // There is but one.
            Condition::Capabilities(wanted) => {
                wanted.is_empty() || facts.has(client_flag::CAN_BE_REDIRECTED)
            }
            Condition::Db(db) => i64::from(facts.db.load(Ordering::Relaxed)) == *db,
            Condition::AgeSecondsMin(least) => seconds_since(facts.created_ms) >= *least,
            Condition::IdleSecondsMin(least) => {
                seconds_since(facts.last_active_ms.load(Ordering::Relaxed)) >= *least
            }
        }
    }
}

fn is_flag(letter: char) -> bool {
    let mut known = client_flag::LETTERS.iter();
    letter == 'N' || known.any(|(_, own)| *own == letter)
}

/// Letters that all mean something.
fn known_letters<'a>(
    letters: &'a [u8],
    what: &str,
    negated: bool,
    is_known: impl Fn(char) -> bool,
) -> Result<&'a [u8], CmdError> {
    if letters.iter().all(|&letter| is_known(char::from(letter))) {
        return Ok(letters);
    }
    let filter = match negated {
        true => format!("NOT-{}", what.to_uppercase()),
        false => "provided".to_owned(),
    };
    Err(CmdError::quoting(
        "ERR Unknown {} found in the {} filter: {}",
        &[what.as_bytes(), filter.as_bytes(), letters],
    ))
}

fn user(name: &[u8]) -> Result<&[u8], CmdError> {
    if name == b"default" {
        return Ok(name);
    }
    Err(CmdError::quoting("ERR No such user '{}'", &[name]))
}

fn seconds(value: &[u8], what: &str) -> Result<i64, CmdError> {
    match parse_i64(value) {
        Some(seconds @ 1..) => Ok(seconds),
        Some(_) => Err(CmdError::err(format!("{what} should be greater than 0"))),
        None => Err(CmdError::err(format!(
            "{what} is not an integer or out of range"
        ))),
    }
}

fn database(value: &[u8], shared: &Shared) -> Result<i64, CmdError> {
    let db = parse_i64(value);
    let db = db.ok_or(CmdError::text("ERR DB is not an integer or out of range"))?;
    let count = shared.config.get_int(Param::Databases);
    if (0..count).contains(&db) {
        return Ok(db);
    }
    let last = count - 1;
    Err(CmdError::err(format!(
        "DB number should be between 0 and {last}"
    )))
}

fn yes_or_no(args: &mut Args) -> Result<bool, CmdError> {
    if args.take("YES") {
        Ok(true)
    } else if args.take("NO") {
        Ok(false)
    } else {
        Err(CmdError::Syntax)
    }
}
