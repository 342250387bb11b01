//! The parts of a sorted set that commands ask for: between two ranks, two scores, or two
//! members where all scores are the same.

use std::ops::Range;

use crate::commands::args::Args;
use crate::commands::error::CmdError;
use crate::types::ZSet;

pub const NO_FLOATS: CmdError = CmdError::text("ERR min or max is not a float");
pub const NO_LEX_ITEMS: CmdError = CmdError::text("ERR min or max not valid string range item");

/// By what a range is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Rank,
    Score,
    Lex,
}

/// From one place of the order to another.
#[derive(Clone, Copy, Debug)]
pub enum Bounds<'a> {
    Rank(i64, i64),
    Score(Score, Score),
    Lex(Lex<'a>, Lex<'a>),
}

/// A score that a range begins or ends at.
#[derive(Clone, Copy, Debug)]
pub struct Score {
    value: f64,
    is_excluded: bool,
}

/// A member that a range begins or ends at.
#[derive(Clone, Copy, Debug)]
pub enum Lex<'a> {
    /// In front of all.
    Lowest,
    /// Behind all.
    Highest,
    Including(&'a [u8]),
    Excluding(&'a [u8]),
}

impl<'a> Bounds<'a> {
    /// Takes both ends; the higher one comes first if `is_down`.
    pub fn take(args: &mut Args<'a>, by: By, is_down: bool) -> Result<Bounds<'a>, CmdError> {
        let (first, second) = (args.bytes(), args.bytes());
        args.check()?;
        let is_swapped = is_down && by != By::Rank;
        let (min, max) = if is_swapped {
            (second, first)
        } else {
            (first, second)
        };
        match by {
            By::Rank => {
                let number = crate::base::number::parse_i64;
                let ranks = number(min).zip(number(max)).ok_or(CmdError::NotInteger)?;
                Ok(Bounds::Rank(ranks.0, ranks.1))
            }
            By::Score => {
                let scores = Score::parse(min).zip(Score::parse(max)).ok_or(NO_FLOATS)?;
                Ok(Bounds::Score(scores.0, scores.1))
            }
            By::Lex => {
                let members = Lex::parse(min).zip(Lex::parse(max)).ok_or(NO_LEX_ITEMS)?;
                Ok(Bounds::Lex(members.0, members.1))
            }
        }
    }

    /// The ranks that are in between, those of the order downwards if `is_down` and the
    /// bounds are ranks.
    pub fn ranks(&self, set: &ZSet, is_down: bool) -> Range<usize> {
        match *self {
            Bounds::Rank(start, stop) => {
                let ranks = ranks_between(set.len(), start, stop);
                match is_down {
                    true => set.len() - ranks.end..set.len() - ranks.start,
                    false => ranks,
                }
            }
            Bounds::Score(min, max) => {
                let start = set.partition_point(|score, _| min.is_before_range(score));
                let end = set.partition_point(|score, _| max.ends_behind(score));
                start..end.max(start)
            }
            Bounds::Lex(min, max) => {
                let start = set.partition_point(|_, member| min.is_before_range(member));
                let end = set.partition_point(|_, member| max.ends_behind(member));
                start..end.max(start)
            }
        }
    }
}

/// The ranks from `start` to `stop`, both counted from the end if negative, both included.
fn ranks_between(len: usize, start: i64, stop: i64) -> Range<usize> {
    let len = len as i64;
    let from_front = |at: i64| if at < 0 { len.saturating_add(at) } else { at };
    let (start, stop) = (from_front(start).max(0), from_front(stop).min(len - 1));
    match start <= stop {
        true => start as usize..stop as usize + 1,
        false => 0..0,
    }
}

impl Score {
    /// A number, `(` in front of it to leave it out. It is read as generously as C reads
    /// numbers: nothing at all is 0, and what is too large is infinite.
    fn parse(text: &[u8]) -> Option<Score> {
        let (is_excluded, number) = match text {
            [b'(', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let number = number.split(|&c| c == 0).next().unwrap_or_default();
        let value = match number {
            [] => 0.0,
            _ => std::str::from_utf8(number).ok()?.parse().ok()?,
        };
        (!f64::is_nan(value)).then_some(Score { value, is_excluded })
    }

    /// As the lower end: whether a score is too low.
    fn is_before_range(self, score: f64) -> bool {
        score < self.value || self.is_excluded && score == self.value
    }

    /// As the upper end: whether the range goes on behind a score.
    fn ends_behind(self, score: f64) -> bool {
        score < self.value || !self.is_excluded && score == self.value
    }
}

impl<'a> Lex<'a> {
    fn parse(text: &'a [u8]) -> Option<Lex<'a>> {
        match text {
            b"-" => Some(Lex::Lowest),
            b"+" => Some(Lex::Highest),
            [b'[', member @ ..] => Some(Lex::Including(member)),
            [b'(', member @ ..] => Some(Lex::Excluding(member)),
            _ => None,
        }
    }

    fn is_before_range(self, member: &[u8]) -> bool {
        match self {
            Lex::Lowest => false,
            Lex::Highest => true,
            Lex::Including(bound) => member < bound,
            Lex::Excluding(bound) => member <= bound,
        }
    }

    fn ends_behind(self, member: &[u8]) -> bool {
        match self {
            Lex::Lowest => false,
            Lex::Highest => true,
            Lex::Including(bound) => member <= bound,
            Lex::Excluding(bound) => member < bound,
        }
    }
}
