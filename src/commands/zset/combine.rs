//! Several sets made one: ZUNION, ZINTER, ZDIFF, ZINTERCARD and their STORE forms. A set
//! without scores is one in which every member has 1.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use smallvec::SmallVec;

use super::{begin_members, limits, replace, reply_member};
use crate::base::hash::KeyHasher;
use crate::base::number::{parse_f64, parse_i64};
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::store::keyspace::Key;
use crate::types::listpack::Item;
use crate::types::{Encoding, Set, ValueRef, ZSet, zset};

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
            Some(ValueRef::ZSet(set)) => Ok(Source::ZSet(set.clone())),
            Some(ValueRef::Set(set)) => Ok(Source::Set(set.clone())),
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

    /// Whether members may be kept as integers.
    fn is_small(&self) -> bool {
        match self {
            Source::Nothing => true,
            Source::Set(set) => set.encoding() != Encoding::HashTable,
            Source::ZSet(set) => set.encoding() == Encoding::ListPack,
        }
    }

    /// Visits members until `visit` says that it has enough.
    fn visit<'s>(&'s self, mut visit: impl FnMut(Item<'s>, f64) -> bool) {
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
        if operation != Operation::Diff {
            request.smallest_first();
        }
        Ok(request)
    }

    /// The members of the result, none of them twice.
    fn result<'r>(&'r self, operation: Operation, numbers: &'r Numbers) -> Vec<(f64, &'r [u8])> {
        match operation {
            Operation::Union => self.union(numbers),
            Operation::Inter => {
                let mut members = Vec::new();
                self.intersect(numbers, |member, score| {
                    members.push((score, member));
                    true
                });
                members
            }
            Operation::Diff => self.difference(numbers),
        }
    }

    /// It decides in what order scores are added.
    fn smallest_first(&mut self) {
        self.inputs.sort_by_key(|input| input.source.len());
    }

    /// In the order in which they are met, so that what is in order stays so.
    fn union<'r>(&'r self, numbers: &'r Numbers) -> Vec<(f64, &'r [u8])> {
        let mut members: Vec<(f64, &[u8])> = Vec::new();
        let most = self.inputs.iter().map(|input| input.source.len()).max();
        let mut places = HashMap::with_capacity_and_hasher(most.unwrap_or(0), Hashers::new());
        let mut numbers = numbers.texts();
        for Input { source, weight, .. } in &self.inputs {
            source.visit(|item, score| {
                let member = numbers.text(item);
                let score = number_or_zero(weight * score);
                match places.entry(member) {
                    Entry::Occupied(place) => {
                        let place: usize = *place.get();
                        members[place].0 = self.aggregate.of(members[place].0, score);
                    }
                    Entry::Vacant(place) => {
                        place.insert(members.len());
                        members.push((score, member));
                    }
                }
                true
            });
        }
        members
    }

    /// Visits members that all sets have, until `visit` says that it has enough.
    fn intersect<'r>(&'r self, numbers: &'r Numbers, mut visit: impl FnMut(&'r [u8], f64) -> bool) {
        let Some((first, others)) = self.inputs.split_first() else {
            return;
        };
        let mut numbers = numbers.texts();
        first.source.visit(|item, own| {
            let member = numbers.text(item);
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

    fn difference<'r>(&'r self, numbers: &'r Numbers) -> Vec<(f64, &'r [u8])> {
        let mut members = Vec::new();
        let Some((first, others)) = self.inputs.split_first() else {
            return members;
        };
        let is_same = |other: &&Input| other.key.bytes == first.key.bytes;
        if others.iter().any(|other| is_same(&other)) {
            return members;
        }
        let mut numbers = numbers.texts();
        first.source.visit(|item, score| {
            let member = numbers.text(item);
            let is_in = |other: &Input| other.source.score(member).is_some();
            if !others.iter().any(is_in) {
                members.push((score, member));
            }
            true
        });
        members
    }
}

/// The texts of all members that are kept as integers, set by set. All other members are
/// texts already, which a result can refer to.
struct Numbers(Vec<Vec<u8>>);

impl Numbers {
    fn of(request: &Request) -> Numbers {
        let mut texts = Vec::new();
        let sources = request.inputs.iter().map(|input| &input.source);
        for source in sources.filter(|source| source.is_small()) {
            source.visit(|item, _| {
                if let Item::Int(_) = item {
                    texts.push(item.to_vec());
                }
                true
            });
        }
        Numbers(texts)
    }

    /// For those who go through the same sets again.
    fn texts(&self) -> Texts<'_> {
        Texts(self.0.iter())
    }
}

struct Texts<'r>(std::slice::Iter<'r, Vec<u8>>);

impl<'r> Texts<'r> {
    fn text(&mut self, item: Item<'r>) -> &'r [u8] {
        match item {
            Item::Text(text) => text,
            Item::Int(_) => self.0.next().map_or(&[], |text| text),
        }
    }
}

/// Hashes members by a secret of this process.
#[derive(Clone, Copy)]
struct Hashers(KeyHasher);

impl Hashers {
    fn new() -> Hashers {
        static HASHER: LazyLock<KeyHasher> = LazyLock::new(KeyHasher::random);
        Hashers(*HASHER)
    }
}

impl BuildHasher for Hashers {
    type Hasher = MemberHasher;

    #[inline]
    fn build_hasher(&self) -> MemberHasher {
        MemberHasher {
            hasher: self.0,
            hash: 0,
        }
    }
}

struct MemberHasher {
    hasher: KeyHasher,
    hash: u64,
}

impl Hasher for MemberHasher {
    #[inline]
    fn write(&mut self, member: &[u8]) {
        self.hash = self.hasher.hash(member);
    }

    /// The length, which the hash of the bytes knows.
    #[inline]
    fn write_usize(&mut self, _: usize) {}

    #[inline]
    fn finish(&self) -> u64 {
        self.hash
    }
}

fn read(cx: &mut Cx, mut args: Args, operation: Operation) -> Result<Outcome, CmdError> {
    let request = Request::parse(cx, &mut args, operation, Form::Read)?;
    let with_scores = request.with_scores;
    let numbers = Numbers::of(&request);
    let mut members = request.result(operation, &numbers);
    members.sort_by(|a, b| zset::order(*a, *b));
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
    let request = Request::parse(cx, &mut args, Operation::Inter, Form::Count)?;
    let numbers = Numbers::of(&request);
    let mut count = 0;
    request.intersect(&numbers, |_, _| {
        count += 1;
        count < request.limit
    });
    cx.reply.integer(count as i64);
    Ok(Outcome::Done)
}

fn store(cx: &mut Cx, mut args: Args, operation: Operation) -> Result<Outcome, CmdError> {
    let into = args.key();
    let request = Request::parse(cx, &mut args, operation, Form::Store)?;
    let numbers = Numbers::of(&request);
    let members = request.result(operation, &numbers);
    let set = ZSet::of_different(members, &limits(cx));
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

#[cfg(test)]
mod tests {
    use crate::commands::testing::TestServer;

    /// Integers are kept as such in small sets, as texts in large ones.
    #[test]
    fn members_that_are_integers() {
        fn check(server: &mut TestServer) {
            for (line, expect) in [
                ("ZUNION 2 n m WITHSCORES", "-30000 1 1 1 x 5 2 11 3 20"),
                (
                    "ZUNION 3 m w n WITHSCORES",
                    "-30000 1 1 1 x 6 2 11 y 15 3 20",
                ),
                ("ZINTER 2 n m WITHSCORES", "2 11"),
                ("ZINTER 2 m n", "2"),
                ("ZDIFF 2 m n WITHSCORES", "x 5 3 20"),
                ("ZDIFF 2 n m", "-30000 1"),
            ] {
                let words = expect.split_ascii_whitespace();
                let expect: Vec<String> = words.map(|word| format!("\"{word}\"")).collect();
                server.check(line, &format!("[{}]", expect.join(", ")));
            }
        }

        let mut server = TestServer::new();
        server.run("SADD n 1 2 -30000");
        server.run("ZADD m 10 2 20 3 5 x");
        server.run("ZADD w 1 x 15 y");
        check(&mut server);
        server.run("SADD n word");
        server.run("SREM n word");
        check(&mut server);
        let long = "long".repeat(20);
        for line in ["SADD n", "ZADD m 0", "SREM n", "ZREM m"] {
            server.run(&format!("{line} {long}"));
        }
        check(&mut server);
    }
}
