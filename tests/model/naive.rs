//! Sets and sorted sets as one would write them down at first: no encodings, no indexes, and
//! everything sorted when it is asked for.

use std::collections::{BTreeMap, BTreeSet};

use lockstep::resp::value::Value;

pub fn number(count: usize) -> Value {
    Value::Integer(count as i64)
}

fn bulk(text: &str) -> Value {
    Value::Bulk(text.as_bytes().to_vec())
}

fn ok() -> Value {
    Value::Simple(b"OK".to_vec())
}

#[derive(Default)]
pub struct Sets {
    keys: BTreeMap<String, BTreeSet<String>>,
}

impl Sets {
    pub fn run(&mut self, words: &[String]) -> Value {
        let (name, args) = words.split_first().expect("a name");
        match (&name[..], args) {
            ("CONFIG", _) => ok(),
            ("FLUSHDB", _) => {
                self.keys.clear();
                ok()
            }
            ("DEL", [key]) => number(self.keys.remove(key).is_some().into()),
            ("SADD", [key, members @ ..]) => {
                let set = self.keys.entry(key.clone()).or_default();
                number(
                    members
                        .iter()
                        .filter(|it| set.insert((*it).clone()))
                        .count(),
                )
            }
            ("SREM", [key, members @ ..]) => {
                number(members.iter().filter(|it| self.remove(key, it)).count())
            }
            ("SMOVE", [from, to, member]) => {
                let is_there = self.remove(from, member);
                if is_there {
                    let set = self.keys.entry(to.clone()).or_default();
                    set.insert(member.clone());
                }
                number(is_there.into())
            }
            ("SPOP", [key, _all]) => members(&self.keys.remove(key).unwrap_or_default()),
            ("SCARD", [key]) => number(self.get(key).len()),
            ("SISMEMBER", [key, member]) => number(self.get(key).contains(member).into()),
            ("SMISMEMBER", [key, asked @ ..]) => {
                let set = self.get(key);
                let found = asked.iter().map(|it| number(set.contains(it).into()));
                Value::Array(found.collect())
            }
            ("SMEMBERS", [key]) => members(&self.get(key)),
            ("SINTERCARD", [_, keys @ ..]) => number(self.combined("SINTER", keys).len()),
            ("SINTERSTORE" | "SUNIONSTORE" | "SDIFFSTORE", [target, keys @ ..]) => {
                let set = self.combined(name.trim_end_matches("STORE"), keys);
                let count = set.len();
                self.keys.remove(target);
                if count > 0 {
                    self.keys.insert(target.clone(), set);
                }
                number(count)
            }
            ("SINTER" | "SUNION" | "SDIFF", keys) => members(&self.combined(name, keys)),
            _ => panic!("{words:?}"),
        }
    }

    fn get(&self, key: &str) -> BTreeSet<String> {
        self.keys.get(key).cloned().unwrap_or_default()
    }

    fn remove(&mut self, key: &str, member: &str) -> bool {
        let Some(set) = self.keys.get_mut(key) else {
            return false;
        };
        let is_removed = set.remove(member);
        if set.is_empty() {
            self.keys.remove(key);
        }
        is_removed
    }

    fn combined(&self, name: &str, keys: &[String]) -> BTreeSet<String> {
        let sets = keys.iter().map(|key| self.get(key));
        let combined = sets.reduce(|a, b| match name {
            "SINTER" => &a & &b,
            "SUNION" => &a | &b,
            _ => &a - &b,
        });
        combined.unwrap_or_default()
    }
}

fn members(set: &BTreeSet<String>) -> Value {
    Value::Array(set.iter().map(|member| bulk(member)).collect())
}

type Scores = BTreeMap<String, f64>;

#[derive(Default)]
pub struct SortedSets {
    keys: BTreeMap<String, Scores>,
}

impl SortedSets {
    pub fn run(&mut self, words: &[String]) -> Value {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (name, args) = words.split_first().expect("a name");
        let Some((&key, rest)) = args.split_first() else {
            self.keys.clear();
            return ok();
        };
        let mut set = self.get(key);
        let reply = match (*name, rest) {
            ("CONFIG", _) => return ok(),
            ("ZCARD", []) => number(set.len()),
            ("DEL", []) => number(self.keys.remove(key).is_some().into()),
            ("ZUNION" | "ZINTER" | "ZDIFF", keys) => return self.combined(name, keys),
            ("ZADD", rest) => add(&mut set, rest),
            ("ZINCRBY", [by, member]) => add(&mut set, &["INCR", by, member]),
            ("ZREM", members) => number(
                members
                    .iter()
                    .filter(|it| set.remove(**it).is_some())
                    .count(),
            ),
            ("ZSCORE", [member]) => scored(set.get(*member)),
            ("ZMSCORE", members) => {
                Value::Array(members.iter().map(|it| scored(set.get(*it))).collect())
            }
            ("ZRANK" | "ZREVRANK", [member]) => rank(&set, member, *name == "ZREVRANK"),
            ("ZCOUNT", [min, max]) => number(between(&set, min, max).len()),
            ("ZRANGE", rest) => range(&set, rest),
            ("ZREMRANGEBYRANK", [from, to]) => take(&mut set, |all| by_rank(all, from, to)),
            ("ZREMRANGEBYSCORE", [min, max]) => {
                let gone = between(&set, min, max);
                take(&mut set, |_| gone)
            }
            ("ZPOPMIN" | "ZPOPMAX", [count]) => {
                let count: usize = count.parse().expect("a count");
                let mut all = ordered(&set);
                if *name == "ZPOPMAX" {
                    all.reverse();
                }
                all.truncate(count);
                all.iter().for_each(|(member, _)| _ = set.remove(member));
                listed(&all, true)
            }
            _ => panic!("{words:?}"),
        };
        if *name != "DEL" {
            self.put(key, set);
        }
        reply
    }

    fn get(&self, key: &str) -> Scores {
        self.keys.get(key).cloned().unwrap_or_default()
    }

    fn put(&mut self, key: &str, set: Scores) {
        if set.is_empty() {
            self.keys.remove(key);
        } else {
            self.keys.insert(key.to_owned(), set);
        }
    }

    /// Of all keys, with scores; what is summed up is such that the order makes no difference.
    fn combined(&self, name: &str, keys: &[&str]) -> Value {
        let keys = &keys[..keys.len() - 1];
        let sets: Vec<Scores> = keys.iter().map(|key| self.get(key)).collect();
        let (first, others) = sets.split_first().expect("a set");
        let mut all = Scores::new();
        for (member, score) in sets.iter().flatten() {
            let sum = all.get(member).map_or(*score, |sum| sum + score);
            all.insert(member.clone(), sum);
        }
        match name {
            "ZINTER" => all.retain(|member, _| sets.iter().all(|set| set.contains_key(member))),
            "ZDIFF" => {
                all = first.clone();
                all.retain(|member, _| !others.iter().any(|set| set.contains_key(member)));
            }
            _ => {}
        }
        listed(&ordered(&all), true)
    }
}

fn scored(score: Option<&f64>) -> Value {
    score.map_or(Value::Null, |score| bulk(&score.to_string()))
}

fn listed(all: &[(String, f64)], with_scores: bool) -> Value {
    let mut items = Vec::new();
    for (member, score) in all {
        items.push(bulk(member));
        if with_scores {
            items.push(scored(Some(score)));
        }
    }
    Value::Array(items)
}

fn ordered(set: &Scores) -> Vec<(String, f64)> {
    let mut all: Vec<(String, f64)> = set.iter().map(|(it, score)| (it.clone(), *score)).collect();
    all.sort_by(|a, b| a.1.partial_cmp(&b.1).expect("numbers").then(a.0.cmp(&b.0)));
    all
}

fn add(set: &mut Scores, words: &[&str]) -> Value {
    let has = |flag| words.contains(&flag);
    let flags = ["NX", "XX", "GT", "LT", "CH", "INCR"];
    let pairs = &words[words.iter().take_while(|word| flags.contains(word)).count()..];
    let (mut added, mut changed, mut last) = (0, 0, None);
    for pair in pairs.chunks(2) {
        let (score, member) = (pair[0].parse::<f64>().expect("a score"), pair[1]);
        let before = set.get(member).copied();
        let after = match before {
            Some(before) if has("INCR") => before + score,
            _ => score,
        };
        let is_kept = match before {
            None => has("XX"),
            Some(before) => {
                has("NX") || (has("GT") && after <= before) || (has("LT") && after >= before)
            }
        };
        if is_kept {
            continue;
        }
        set.insert(member.to_owned(), after);
        added += usize::from(before.is_none());
        changed += usize::from(before.is_some_and(|before| before != after));
        last = Some(after);
    }
    match (has("INCR"), has("CH")) {
        (true, _) => scored(last.as_ref()),
        (_, true) => number(added + changed),
        _ => number(added),
    }
}

fn rank(set: &Scores, member: &str, is_reverse: bool) -> Value {
    let at = ordered(set).iter().position(|(other, _)| other == member);
    at.map_or(Value::Null, |at| {
        number(if is_reverse { set.len() - 1 - at } else { at })
    })
}

fn between(set: &Scores, min: &str, max: &str) -> Vec<(String, f64)> {
    let bound = |text: &str| match text.strip_prefix('(') {
        Some(text) => (text.parse::<f64>().expect("an end"), true),
        None => (text.parse().expect("an end"), false),
    };
    let ((min, after), (max, before)) = (bound(min), bound(max));
    let mut all = ordered(set);
    all.retain(|(_, score)| {
        let is_above = *score > min || (*score == min && !after);
        let is_below = *score < max || (*score == max && !before);
        is_above && is_below
    });
    all
}

fn by_rank(all: Vec<(String, f64)>, from: &str, to: &str) -> Vec<(String, f64)> {
    let len = all.len() as i64;
    let index = |text: &str| match text.parse::<i64>().expect("a rank") {
        rank if rank < 0 => rank + len,
        rank => rank,
    };
    let (from, to) = (index(from).max(0), index(to));
    let ranks = (0..).zip(all);
    let inside = ranks.filter(|(rank, _)| (from..=to).contains(rank));
    inside.map(|(_, it)| it).collect()
}

fn range(set: &Scores, words: &[&str]) -> Value {
    let has = |flag| words.contains(&flag);
    let (from, to) = (words[0], words[1]);
    let mut all = if has("BYSCORE") {
        let (min, max) = if has("REV") { (to, from) } else { (from, to) };
        between(set, min, max)
    } else {
        ordered(set)
    };
    if has("REV") {
        all.reverse();
    }
    if !has("BYSCORE") {
        all = by_rank(all, from, to);
    }
    if let Some(at) = words.iter().position(|word| *word == "LIMIT") {
        let numbers = [words[at + 1], words[at + 2]].map(|text| text.parse::<i64>());
        let [Ok(skip), Ok(count)] = numbers else {
            panic!("{words:?}");
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        all = all.into_iter().skip(skip).take(count).collect();
    }
    listed(&all, has("WITHSCORES"))
}

fn take(set: &mut Scores, chosen: impl FnOnce(Vec<(String, f64)>) -> Vec<(String, f64)>) -> Value {
    let gone = chosen(ordered(set));
    gone.iter().for_each(|(member, _)| _ = set.remove(member));
    number(gone.len())
}
