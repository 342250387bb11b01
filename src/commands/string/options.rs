//! The options of SET and GETEX: under what condition, and for how long.

use crate::base::number::parse_i64;
use crate::commands::args::Args;
use crate::commands::cx::Cx;
use crate::commands::error::CmdError;
use crate::store::keyspace::Key;

/// What must hold for SET to set.
#[derive(Clone, Copy)]
pub enum Condition<'a> {
    None,
    Absent,
    Present,
    Equal(&'a [u8]),
}

impl Condition<'_> {
    pub fn holds(self, cx: &mut Cx, key: Key) -> Result<bool, CmdError> {
        let db = cx.session.db;
        match self {
            Condition::None => Ok(true),
            Condition::Absent => Ok(!cx.store.exists(db, key)),
            Condition::Present => Ok(cx.store.exists(db, key)),
            Condition::Equal(expected) => match cx.store.peek(db, key) {
                Some(entry) => Ok(entry.string_bytes().ok_or(CmdError::WrongType)? == expected),
                None => Ok(false),
            },
        }
    }
}

/// How a time is given.
#[derive(Clone, Copy, PartialEq)]
pub enum Form {
    Ex,
    Px,
    ExAt,
    PxAt,
}

impl Form {
    fn named(option: &[u8]) -> Option<Form> {
        let forms = [
            ("ex", Form::Ex),
            ("px", Form::Px),
            ("exat", Form::ExAt),
            ("pxat", Form::PxAt),
        ];
        let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
        forms
            .iter()
            .find(|(name, _)| is(name))
            .map(|(_, form)| *form)
    }

    /// The time in milliseconds since 1970. It need not be in the future.
    pub fn deadline(self, text: &[u8], now_ms: i64, command: &str) -> Result<i64, CmdError> {
        let amount = parse_i64(text).ok_or(CmdError::NotInteger)?;
        let in_seconds = matches!(self, Form::Ex | Form::ExAt);
        let start_ms = match self {
            Form::Ex | Form::Px => now_ms,
            Form::ExAt | Form::PxAt => 0,
        };
        Some(amount)
            .filter(|&amount| amount > 0)
            .and_then(|amount| amount.checked_mul(if in_seconds { 1000 } else { 1 }))
            .and_then(|ms| ms.checked_add(start_ms))
            .ok_or_else(|| CmdError::InvalidExpire(command.to_owned()))
    }
}

/// What becomes of the time to live.
#[derive(Clone, Copy)]
pub enum Life<'a> {
    /// Nothing was said.
    Unsaid,
    /// KEEPTTL
    Keep,
    /// PERSIST
    Endless,
    Until(Form, &'a [u8]),
}

impl<'a> Life<'a> {
    /// Takes an option with its time. The same form may come again: the last one counts.
    fn take(&mut self, option: &[u8], args: &mut Args<'a>) -> Result<(), CmdError> {
        let form = Form::named(option).ok_or(CmdError::Syntax)?;
        match *self {
            Life::Unsaid => {}
            Life::Until(earlier, _) if earlier == form => {}
            _ => return Err(CmdError::Syntax),
        }
        *self = Life::Until(form, args.next().ok_or(CmdError::Syntax)?);
        Ok(())
    }

    pub fn parse_getex(mut args: Args<'a>) -> Result<Life<'a>, CmdError> {
        let mut life = Life::Unsaid;
        while let Some(option) = args.next() {
            let persist = option.eq_ignore_ascii_case(b"persist");
            if persist && matches!(life, Life::Unsaid | Life::Endless) {
                life = Life::Endless;
            } else {
                life.take(option, &mut args)?;
            }
        }
        Ok(life)
    }

    pub fn deadline(self, now_ms: i64, command: &str) -> Result<Option<i64>, CmdError> {
        match self {
            Life::Until(form, text) => form.deadline(text, now_ms, command).map(Some),
            _ => Ok(None),
        }
    }
}

/// The options of SET.
pub struct SetOptions<'a> {
    pub condition: Condition<'a>,
    pub get: bool,
    pub life: Life<'a>,
}

impl<'a> SetOptions<'a> {
    pub fn parse(mut args: Args<'a>) -> Result<SetOptions<'a>, CmdError> {
        let mut options = SetOptions {
            condition: Condition::None,
            get: false,
            life: Life::Unsaid,
        };
        while let Some(option) = args.next() {
            let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
            match (options.condition, options.life) {
                (Condition::None | Condition::Absent, _) if is("nx") => {
                    options.condition = Condition::Absent;
                }
                (Condition::None | Condition::Present, _) if is("xx") => {
                    options.condition = Condition::Present;
                }
                (Condition::None, _) if is("ifeq") => {
                    let expected = args.next().ok_or(CmdError::Syntax)?;
                    options.condition = Condition::Equal(expected);
                }
                _ if is("get") => options.get = true,
                (_, Life::Unsaid | Life::Keep) if is("keepttl") => options.life = Life::Keep,
                _ => options.life.take(option, &mut args)?,
            }
        }
        Ok(options)
    }
}
