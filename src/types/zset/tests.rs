//! Sorted sets of both forms against a sorted map.

use std::collections::BTreeMap;

use super::leaf::order;
use super::{Limits, ZSet};
use crate::base::rng::Rng;
use crate::types::Encoding;
use crate::types::listpack::ListPack;

type Model = BTreeMap<Vec<u8>, f64>;

fn in_order(model: &Model) -> Vec<(Vec<u8>, f64)> {
    let mut all: Vec<_> = model.iter().map(|(m, s)| (m.clone(), *s)).collect();
    all.sort_by(|a, b| order((a.1, &a.0), (b.1, &b.0)));
    all
}

fn members(walk: super::Walk) -> Vec<(Vec<u8>, f64)> {
    walk.map(|(member, score)| (member.to_vec(), score))
        .collect()
}

/// Numbers, short texts and longer ones; few, so that they meet again.
fn member(rng: &mut Rng) -> Vec<u8> {
    let number = rng.below(60) as i64;
    match rng.below(4) {
        0 => (number - 30).to_string().into_bytes(),
        1 => format!("m{number}").into_bytes(),
        2 => vec![b'a' + (number % 3) as u8; (number % 20) as usize],
        _ => (number << 40).to_string().into_bytes(),
    }
}

fn score(rng: &mut Rng) -> f64 {
    match rng.below(5) {
        0 => rng.below(4) as f64,
        1 => -(rng.below(1 << 50) as f64),
        2 => rng.below(1000) as f64 / 7.0,
        3 => [f64::INFINITY, f64::NEG_INFINITY, 1e300, 5e-324][rng.below(4) as usize],
        _ => 1e18 * rng.below(30) as f64,
    }
}

fn check_equal(set: &ZSet, model: &Model, rng: &mut Rng) {
    let expect = in_order(model);
    assert_eq!(set.len(), expect.len());
    assert_eq!(set.is_empty(), expect.is_empty());
    assert_eq!(members(set.iter()), expect);
    for (rank, (member, score)) in expect.iter().enumerate() {
        assert_eq!(set.rank(member), Some((rank, *score)));
        assert_eq!(set.score(member), Some(*score));
        let before = |s, m: &[u8]| order((s, m), (*score, member)).is_lt();
        assert_eq!(set.partition_point(before), rank);
    }
    let from = rng.below(expect.len() as u64 + 2) as usize;
    let count = rng.below(expect.len() as u64 + 2) as usize;
    let up: Vec<_> = expect.iter().skip(from).take(count).cloned().collect();
    assert_eq!(members(set.walk(from, count, false)), up);
    if from < expect.len() {
        let down = expect[..=from].iter().rev().take(count);
        assert_eq!(
            members(set.walk(from, count, true)),
            down.cloned().collect::<Vec<_>>()
        );
    }
    let (mut met, mut cursor) = (Vec::new(), 0);
    loop {
        cursor = set.scan(cursor, 5, &mut |member, score| {
            met.push((member.to_vec(), score))
        });
        if cursor == 0 {
            break;
        }
    }
    met.sort_by(|a, b| order((a.1, &a.0), (b.1, &b.0)));
    assert_eq!(met, expect);
}

#[test]
fn as_a_sorted_map() {
    for seed in 0..60 {
        let mut rng = Rng::seeded(seed);
        let limits = Limits {
            entries: rng.below(40) as usize,
            value_bytes: 5 + rng.below(20) as usize,
        };
        let (mut set, mut model) = (ZSet::default(), Model::new());
        let mut is_large = false;
        for step in 0..400 {
            let member = member(&mut rng);
            let grows = step < 250;
            if rng.below(3) == 0 || !grows && rng.below(2) == 0 {
                assert_eq!(set.remove(&member), model.remove(&member));
            } else if rng.below(40) == 0 {
                let from = rng.below(set.len() as u64 + 1) as usize;
                let to = (from + rng.below(10) as usize).min(set.len());
                for (member, _) in &in_order(&model)[from..to] {
                    model.remove(member);
                }
                set.remove_range(from..to);
            } else {
                let score = score(&mut rng);
                let old = model.insert(member.clone(), score);
                assert_eq!(set.set(&member, score, &limits), old);
                is_large |= old.is_none() && !limits.allow(model.len(), member.len());
            }
            assert_eq!(set.encoding() == Encoding::SkipList, is_large);
            if step % 20 == 0 {
                check_equal(&set, &model, &mut rng);
            }
        }
        check_equal(&set, &model, &mut rng);
        let all = in_order(&model);
        let mut pairs: Vec<(f64, &[u8])> = all.iter().map(|(m, s)| (*s, &m[..])).collect();
        pairs.rotate_left(all.len() / 2);
        let built = ZSet::build(pairs.clone(), &limits).unwrap();
        check_equal(&built, &model, &mut rng);
        check_equal(
            &ZSet::of_different(pairs.clone(), &limits),
            &model,
            &mut rng,
        );
        if let Some(pack) = set.as_pack() {
            let bytes = pack.as_bytes().to_vec();
            let pack = ListPack::from_bytes(bytes).unwrap();
            for limits in [
                limits,
                Limits {
                    entries: 3,
                    ..limits
                },
            ] {
                let read = ZSet::from_pack(pack.clone(), &limits).unwrap();
                check_equal(&read, &model, &mut rng);
            }
        }
        if let Some(&(_, twice)) = pairs.first() {
            pairs.push((77.0, twice));
            assert!(ZSet::build(pairs, &limits).is_none());
        }
    }
}

#[test]
fn listpacks_that_are_no_sorted_sets() {
    fn check(entries: &[&str], is_one: bool) {
        let mut pack = ListPack::new();
        entries
            .iter()
            .for_each(|entry| pack.push_back(entry.as_bytes()));
        let set = ZSet::from_pack(pack, &Limits::default());
        assert_eq!(set.is_some(), is_one, "{entries:?}");
    }
    check(&[], true);
    check(&["a", "1", "b", "1.5", "c", "inf"], true);
    check(&["a", "1", "b"], false);
    check(&["a", "x"], false);
    check(&["a", "nan"], false);
    check(&["a", "1", "a", "2"], false);
    check(&["7", "1", "7", "2"], false);
    check(&["a", "2", "b", "1"], false);
    check(&["b", "1", "a", "1"], false);
}

#[test]
fn everybody_may_be_picked() {
    let mut rng = Rng::seeded(1);
    for entries in [0, 128] {
        let limits = Limits {
            entries,
            value_bytes: 64,
        };
        let mut set = ZSet::default();
        assert!(set.random(&mut rng).is_none());
        (0..50).for_each(|n| _ = set.set(n.to_string().as_bytes(), 1.0, &limits));
        let mut picked = BTreeMap::new();
        for _ in 0..5000 {
            let (member, _) = set.random(&mut rng).unwrap();
            *picked.entry(member.to_vec()).or_insert(0) += 1;
        }
        assert!(picked.len() == 50 && picked.values().all(|&n| (50..160).contains(&n)));
    }
}
