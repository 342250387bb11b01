//! Several sets made one: ZUNION, ZINTER, ZDIFF, ZINTERCARD and their STORE forms. A set
//! without scores is one in which every member has 1.

use smallvec::SmallVec;

use super::{begin_members, limits, replace, reply_member};
use crate::base::number::{Digits, parse_f64, parse_i64};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::store::keyspace::Key;
use crate::types::dict::Dict;
use crate::types::listpack::Item;
use crate::types::{Set, Value, ZSet, zset};

const NO_WEIGHT: CmdError = CmdError::text("ERR weight value is not a float");
const NEGATIVE_LIMIT: CmdError = CmdError::text("ERR LIMIT can't be negative");

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Inter,
    Diff,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Operation::Union => "zunion",
            Operation::Inter => "zinter",
            Operation::Diff => "zdiff",
        }
    }

    fn stored(self) -> &'static str {
        match self {
            Operation::Union => "zunionstore",
            Operation::Inter => "zinterstore",
            Operation::Diff => "zdiffstore",
        }
    }
}

/// What two scores of one member make.
#[derive(Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, sum: f64, score: f64) -> f64 {
        match self {
            Aggregate::Sum => number_or_zero(sum + score),
            Aggregate::Min if score < sum => score,
            Aggregate::Max if score > sum => score,
            Aggregate::Min | Aggregate::Max => sum,
        }
    }
}

/// Infinities that cancel each other make 0.
fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// A set that takes part. It is a clone, which shares all that is large.
enum Source {
    Nothing,
    Set(Set),
    ZSet(ZSet),
}

impl Source {
    fn read(cx: &mut Cx, key: Key) -> Result<Source, CmdError> {
        let db = cx.session.db;
        let Some(entry) = cx.store.read(db, key) else {
            return Ok(Source::Nothing);
        };
        match entry.value() {
            Some(Value::ZSet(set)) => Ok(Source::ZSet(set.clone())),
            Some(Value::Set(set)) => Ok(Source::Set(set.clone())),
            _ => Err(CmdError::WrongType),
        }
    }

    fn len(&self) -> usize {
        match self {
            Source::Nothing => 0,
            Source::Set(set) => set.len(),
            Source::ZSet(set) => set.len(),
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Source::Nothing => None,
            Source::Set(set) => set.contains(member).then_some(1.0),
            Source::ZSet(set) => set.score(member),
        }
    }

    /// Visits members until `visit` says that it has enough.
    fn visit(&self, mut visit: impl FnMut(Item, f64) -> bool) {
        match self {
            Source::Nothing => {}
            Source::Set(set) => _ = set.iter().all(|member| visit(member, 1.0)),
            Source::ZSet(set) => _ = set.iter().all(|(member, score)| visit(member, score)),
        }
    }
}

/// One of the sets in the order in which they are gone through.
struct Input<'a> {
    key: Key<'a>,
    source: Source,
    weight: f64,
}

struct Request<'a> {
    inputs: SmallVec<[Input<'a>; 4]>,
    aggregate: Aggregate,
    with_scores: bool,
    /// How many members of an intersection are counted at most.
    limit: usize,
}

/// Which options there are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Read,
    Store,
    Count,
}

impl<'a> Request<'a> {
    /// Reads the sets, then the options.
    fn parse(
        cx: &mut Cx,
        args: &mut Args<'a>,
        operation: Operation,
        form: Form,
    ) -> Result<Request<'a>, CmdError> {
        let count = parse_i64(args.bytes()).ok_or(CmdError::NotInteger)?;
        if count < 1 {
            let name = match form {
                Form::Read => operation.name(),
                Form::Store => operation.stored(),
                Form::Count => "zintercard",
            };
            let text = format_args!("at least 1 input key is needed for '{name}' command");
            return Err(CmdError::err(text));
        }
        if count as u64 > args.left() as u64 {
            return Err(CmdError::Syntax);
        }
        let mut inputs = SmallVec::new();
        for _ in 0..count {
            let key = args.key();
            inputs.push(Input {
                key,
                source: Source::read(cx, key)?,
                weight: 1.0,
            });
        }
        let mut request = Request {
            inputs,
            aggregate: Aggregate::Sum,
            with_scores: false,
            limit: usize::MAX,
        };
        let has_weights = operation != Operation::Diff && form != Form::Count;
        while !args.is_empty() {
            if has_weights && args.left() > request.inputs.len() && args.take("WEIGHTS") {
                for input in &mut request.inputs {
                    input.weight = parse_f64(args.bytes()).ok_or(NO_WEIGHT)?;
                }
            } else if has_weights && args.left() >= 2 && args.take("AGGREGATE") {
                request.aggregate = match () {
                    () if args.take("SUM") => Aggregate::Sum,
                    () if args.take("MIN") => Aggregate::Min,
                    () if args.take("MAX") => Aggregate::Max,
                    () => return Err(CmdError::Syntax),
                };
            } else if form == Form::Read && args.take("WITHSCORES") {
                request.with_scores = true;
            } else if form == Form::Count && args.left() >= 2 && args.take("LIMIT") {
                let limit = parse_i64(args.bytes()).and_then(|n| usize::try_from(n).ok());
                // 0 is for no limit.
                request.limit = match limit.ok_or(NEGATIVE_LIMIT)? {
                    0 => usize::MAX,
                    limit => limit,
                };
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(request)
    }

    fn result(mut self, operation: Operation) -> Dict {
        if operation != Operation::Diff {
            self.smallest_first();
        }
        let mut result = Dict::new();
        match operation {
            Operation::Union => self.union(&mut result),
            Operation::Inter => self.intersect(|member, score| {
                result.insert(member, &score.to_le_bytes());
                true
            }),
            Operation::Diff => self.subtract(&mut result),
        }
        result
    }

    /// It decides in what order scores are added.
    fn smallest_first(&mut self) {
        self.inputs.sort_by_key(|input| input.source.len());
    }

    fn union(&self, result: &mut Dict) {
        let mut digits = Digits::new();
        for Input { source, weight, .. } in &self.inputs {
            source.visit(|member, score| {
                let member = member.text(&mut digits);
                let score = number_or_zero(weight * score);
                if let Some(sum) = result.get_mut(member) {
                    let score = self.aggregate.of(score_from(sum), score);
                    sum.copy_from_slice(&score.to_le_bytes());
                } else {
                    result.insert(member, &score.to_le_bytes());
                }
                true
            });
        }
    }

    /// Visits members that all sets have, until `visit` says that it has enough.
    fn intersect(&self, mut visit: impl FnMut(&[u8], f64) -> bool) {
        let Some((first, others)) = self.inputs.split_first() else {
            return;
        };
        let mut digits = Digits::new();
        first.source.visit(|item, own| {
            let member = item.text(&mut digits);
            let mut sum = number_or_zero(first.weight * own);
            for other in others {
                // A set that is named twice is not looked through twice.
                let score = match other.key.bytes == first.key.bytes {
                    true => Some(own),
                    false => other.source.score(member),
                };
                let Some(score) = score else { return true };
                sum = self.aggregate.of(sum, score * other.weight);
            }
            visit(member, sum)
        });
    }

    fn subtract(&self, result: &mut Dict) {
        let Some((first, others)) = self.inputs.split_first() else {
            return;
        };
        let is_same = |other: &&Input| other.key.bytes == first.key.bytes;
        if others.iter().any(|other| is_same(&other)) {
            return;
        }
        let mut digits = Digits::new();
        first.source.visit(|item, score| {
            let member = item.text(&mut digits);
            if others
                .iter()
                .all(|other| other.source.score(member).is_none())
            {
                result.insert(member, &score.to_le_bytes());
            }
            true
        });
    }
}

fn score_from(bytes: &[u8]) -> f64 {
    bytes.try_into().map_or(0.0, f64::from_le_bytes)
}

fn members(result: &Dict) -> Vec<(f64, &[u8])> {
    let members = result.iter();
    let members = members.map(|(member, score)| (score_from(score), member));
    members.collect()
}

fn read(cx: &mut Cx, mut args: Args, operation: Operation) -> Result<Outcome, CmdError> {
    let request = Request::parse(cx, &mut args, operation, Form::Read)?;
    let with_scores = request.with_scores;
    let result = request.result(operation);
    let mut members = members(&result);
    members.sort_unstable_by(|a, b| zset::order(*a, *b));
    begin_members(cx.reply, members.len(), with_scores);
    for (score, member) in members {
        reply_member(cx.reply, (Item::Text(member), score), with_scores);
    }
    Ok(Outcome::Done)
}

pub fn zunion(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    read(cx, args, Operation::Union)
}

pub fn zinter(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    read(cx, args, Operation::Inter)
}

pub fn zdiff(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    read(cx, args, Operation::Diff)
}

pub fn zintercard(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let mut request = Request::parse(cx, &mut args, Operation::Inter, Form::Count)?;
    request.smallest_first();
    let mut count = 0;
    request.intersect(|_, _| {
        count += 1;
        count < request.limit
    });
    cx.reply.integer(count as i64);
    Ok(Outcome::Done)
}

fn store(cx: &mut Cx, mut args: Args, operation: Operation) -> Result<Outcome, CmdError> {
    let into = args.key();
    let request = Request::parse(cx, &mut args, operation, Form::Store)?;
    let result = request.result(operation);
    // A map has no key twice.
    let set = ZSet::build(members(&result), &limits(cx)).unwrap_or_default();
    cx.reply.integer(set.len() as i64);
    replace(cx, into, set, operation.stored(), 1);
    Ok(Outcome::Done)
}

pub fn zunionstore(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    store(cx, args, Operation::Union)
}

pub fn zinterstore(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    store(cx, args, Operation::Inter)
}

pub fn zdiffstore(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    store(cx, args, Operation::Diff)
}
