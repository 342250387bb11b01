//! A hash against a map, in both forms, with clones that must not change.

use std::collections::BTreeMap;

use super::*;

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

const LARGE: Limits = Limits {
    fields: 0,
    text_bytes: 0,
};
const TURNING: Limits = Limits {
    fields: 40,
    text_bytes: 20,
};
const SMALL: Limits = Limits {
    fields: usize::MAX,
    text_bytes: usize::MAX,
};

fn text(item: Item) -> Vec<u8> {
    item.to_vec()
}

fn contents(hash: &Hash) -> Model {
    let fields = hash.iter();
    let fields = fields.map(|(name, field)| (text(name), (text(field.value), field.expire_at_ms)));
    let all: Vec<_> = fields.collect();
    let model: Model = all.iter().cloned().collect();
    assert_eq!(all.len(), model.len(), "a field came twice");
    model
}

fn check_against(hash: &Hash, model: &Model) {
    assert_eq!(contents(hash), *model);
    assert_eq!(hash.len(), model.len());
    assert_eq!(hash.is_empty(), model.is_empty());
    let times = model.values().filter_map(|(_, at_ms)| *at_ms);
    assert_eq!(hash.first_ms(), times.clone().min());
    assert_eq!(hash.timed_len(), times.count());
    for (name, (value, expire_at_ms)) in model {
        let field = hash.get(name).expect("a field");
        assert!(field.value.eq(value));
        assert_eq!(field.expire_at_ms, *expire_at_ms);
    }
    assert_eq!(hash.get(b"no such field"), None);
    let mut scanned = Model::new();
    let mut cursor = 0;
    loop {
        cursor = hash.scan(cursor, 7, |name, field| {
            let field = (text(field.value), field.expire_at_ms);
            assert_eq!(scanned.insert(text(name), field), None);
        });
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(scanned, *model);
    check_written(hash, model);
}

/// What is written of it is read back, and in the right order.
fn check_written(hash: &Hash, model: &Model) {
    let written = hash.with_pack(|pack, timed| (pack.as_bytes().to_vec(), timed));
    let Some((bytes, timed)) = written else {
        return;
    };
    let has_times = model.values().any(|(_, at_ms)| at_ms.is_some());
    assert_eq!(timed, has_times);
    let pack = ListPack::from_bytes(bytes).expect("a listpack");
    if timed {
        let times: Vec<i64> = pack
            .iter()
            .skip(2)
            .step_by(3)
            .filter_map(Item::int)
            .collect();
        let (none, some): (Vec<i64>, Vec<i64>) = times.iter().partition(|at_ms| **at_ms == 0);
        assert!(some.is_sorted());
        assert_eq!(times, [some, none].concat());
    }
    for limits in [SMALL, LARGE] {
        let copy = Hash::of_pack(pack.clone(), timed, &limits).expect("a hash");
        assert_eq!(contents(&copy), *model);
        assert_eq!(
            copy.is_small() || model.is_empty(),
            limits.fields > 0 || model.is_empty()
        );
    }
}

fn some_text(rng: &mut Rng, kind: &str, of: u64) -> Vec<u8> {
    let n = rng.below(of);
    match rng.below(8) {
        0..3 => n.to_string().into_bytes(),
        7 if rng.below(20) == 0 => format!("{kind} {n} {}", "x".repeat(100)).into_bytes(),
        _ => format!("{kind}:{n}").into_bytes(),
    }
}

fn random_changes(limits: &Limits, seed: u64) {
    let mut rng = Rng::seeded(seed);
    let (mut hash, mut model) = (Hash::new(), Model::new());
    let mut clones: Vec<(Hash, Model)> = Vec::new();
    let timed = !seed.is_multiple_of(3);
    for round in 0..1500 {
        let name = some_text(&mut rng, "name", 60);
        let value = some_text(&mut rng, "value", 9);
        let at_ms = 1 + rng.below(30) as i64;
        match rng.below(10) {
            0..4 => {
                let term = match rng.below(3) {
                    1 => Term::Keep,
                    2 if timed => Term::Until(at_ms),
                    _ => Term::Endless,
                };
                let old_ms = model.get(&name).and_then(|(_, at_ms)| *at_ms);
                let new_ms = match term {
                    Term::Keep => old_ms,
                    Term::Endless => None,
                    Term::Until(at_ms) => Some(at_ms),
                };
                let is_new = model
                    .insert(name.clone(), (value.clone(), new_ms))
                    .is_none();
                assert_eq!(hash.set(&name, &value, term, limits), is_new);
            }
            4..6 => {
                let was_there = model.remove(&name).is_some();
                assert_eq!(hash.remove(&name), was_there);
            }
            6..9 => {
                let at_ms = (timed && rng.below(3) > 0).then_some(at_ms);
                let found = model.get_mut(&name);
                assert_eq!(hash.set_time(&name, at_ms), found.is_some());
                if let Some((_, old_ms)) = found {
                    *old_ms = at_ms;
                }
            }
            _ => {
                let (now_ms, max) = (rng.below(8) as i64, rng.below(6) as usize);
                let due = model
                    .values()
                    .filter(|(_, at_ms)| at_ms.is_some_and(|at| at < now_ms));
                let due = due.count();
                assert_eq!(hash.has_due(now_ms), due > 0);
                let mut taken = 0;
                hash.take_due(now_ms, max, |name| {
                    let (_, at_ms) = model.remove(name).expect("a field");
                    assert!(at_ms.is_some_and(|at_ms| at_ms < now_ms));
                    taken += 1;
                });
                assert_eq!(taken, due.min(max));
            }
        }
        if round % 100 == 0 {
            check_against(&hash, &model);
            clones.push((hash.clone(), model.clone()));
        }
    }
    check_against(&hash, &model);
    for (hash, model) in clones {
        check_against(&hash, &model);
    }
}

#[test]
fn random_changes_agree_with_a_map() {
    for seed in 0..9 {
        for limits in [LARGE, TURNING, SMALL] {
            random_changes(&limits, seed);
        }
    }
}

#[test]
fn it_turns_large_where_redis_says() {
    let limits = Limits {
        fields: 2,
        text_bytes: 3,
    };
    let check = |fields: &[(&str, &str)], encoding| {
        let mut hash = Hash::new();
        for (name, value) in fields {
            hash.set(name.as_bytes(), value.as_bytes(), Term::Keep, &limits);
        }
        assert_eq!(hash.encoding(), encoding, "{fields:?}");
        assert_eq!(hash.is_small(), encoding != Encoding::HashTable);
    };
    check(&[("a", "1"), ("b", "2"), ("a", "3")], Encoding::ListPack);
    check(&[("a", "1"), ("b", "2"), ("c", "3")], Encoding::HashTable);
    check(&[("abc", "123")], Encoding::ListPack);
    check(&[("abcd", "1")], Encoding::HashTable);
    check(&[("a", "1234")], Encoding::HashTable);
    check(&[("a", "1"), ("a", "1234")], Encoding::HashTable);
}

#[test]
fn times_change_the_form_for_good() {
    let mut hash = Hash::new();
    hash.set(b"a", b"1", Term::Keep, &SMALL);
    hash.set(b"b", b"2", Term::Keep, &SMALL);
    assert_eq!(hash.encoding(), Encoding::ListPack);
    assert!(!hash.set_time(b"c", Some(10)));
    assert!(hash.set_time(b"a", None));
    assert_eq!(hash.encoding(), Encoding::ListPack);
    hash.set_time(b"b", Some(10));
    assert_eq!(hash.encoding(), Encoding::ListPackEx);
    let names: Vec<Vec<u8>> = hash.iter().map(|(name, _)| text(name)).collect();
    assert_eq!(names, [b"b", b"a"]);
    hash.set(b"b", b"3", Term::Endless, &SMALL);
    assert_eq!(hash.encoding(), Encoding::ListPackEx);
    assert_eq!((hash.first_ms(), hash.timed_len()), (None, 0));
    assert!(
        hash.with_pack(|pack, timed| !timed && pack.len() == 4)
            .unwrap()
    );
    hash.set(b"c", b"3", Term::Until(9), &LARGE);
    assert_eq!(hash.encoding(), Encoding::HashTable);
    assert_eq!(hash.first_ms(), Some(9));
}

#[test]
fn a_time_is_one_that_others_can_keep() {
    for limits in [SMALL, LARGE] {
        let mut hash = Hash::new();
        hash.set(b"a", b"1", Term::Until(i64::MAX), &limits);
        hash.set(b"b", b"1", Term::Until(-5), &limits);
        let at_ms = |name: &[u8]| hash.get(name).and_then(|field| field.expire_at_ms);
        assert_eq!(at_ms(b"a"), Some(EXPIRE_AT_MS_MAX));
        assert_eq!(at_ms(b"b"), Some(EXPIRE_AT_MS_MIN));
    }
}

#[test]
fn what_is_no_hash() {
    let pack = |items: &[&str]| {
        let mut pack = ListPack::new();
        items
            .iter()
            .for_each(|item| pack.push_back(item.as_bytes()));
        pack
    };
    let check = |items: &[&str], timed, is_one: bool| {
        for limits in [SMALL, LARGE] {
            let hash = Hash::of_pack(pack(items), timed, &limits);
            assert_eq!(hash.is_some(), is_one, "{items:?}");
        }
    };
    check(&[], false, true);
    check(&["a", "1"], false, true);
    check(&["a"], false, false);
    check(&["a", "1", "a", "2"], false, false);
    check(&["12", "1", "b", "2", "12", "3"], false, false);
    check(&["a", "1", "b", "1"], false, true);
    check(&["a", "1"], true, false);
    check(&["a", "1", "5", "a", "1", "6"], true, false);
    check(&["a", "1", "x"], true, false);
    check(&["a", "1", "-1"], true, false);
    check(&["a", "1", "70368744177664"], true, false);
    check(&["a", "1", "70368744177663", "b", "1", "0"], true, true);
    check(&["a", "1", "0", "b", "1", "0"], true, true);
    let out_of_order = pack(&["a", "1", "0", "b", "2", "7", "c", "3", "5"]);
    let hash = Hash::of_pack(out_of_order, true, &SMALL).unwrap();
    let names: Vec<Vec<u8>> = hash.iter().map(|(name, _)| text(name)).collect();
    assert_eq!(names, [b"c", b"b", b"a"]);
}

#[test]
fn picks_are_fair() {
    for limits in [SMALL, LARGE] {
        let mut hash = Hash::new();
        assert!(hash.random(&mut Rng::seeded(1)).is_none());
        for n in 0..10 {
            hash.set(format!("{n}").as_bytes(), b"x", Term::Until(n + 1), &limits);
        }
        let (mut rng, mut counts) = (Rng::seeded(2), BTreeMap::new());
        for _ in 0..10_000 {
            let (name, field) = hash.random(&mut rng).unwrap();
            assert!(field.value.eq(b"x"));
            *counts.entry(text(name)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 10);
        assert!(
            counts.values().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }
}
