//! Against a naive model, with records of all sizes.

use std::collections::{HashMap, HashSet};

use super::*;
use crate::base::rng::Rng;

type Model = HashMap<Vec<u8>, Vec<u8>>;

/// Mostly short, some at the bounds of headers, some kept beside the page.
fn some_bytes(rng: &mut Rng) -> Vec<u8> {
    let len = match rng.below(40) {
        0 => 60 + rng.below(8),
        1 => 120 + rng.below(16),
        2 => 250 + rng.below(270),
        3 => rng.below(5000),
        _ => rng.below(12),
    };
    (0..len).map(|_| rng.next_u64() as u8).collect()
}

/// A key out of so many, most of them short.
fn some_key(rng: &mut Rng, keys: u64) -> Vec<u8> {
    let number = rng.below(keys);
    let mut own = Rng::seeded(number);
    let mut key = some_bytes(&mut own);
    key.extend_from_slice(&number.to_le_bytes());
    key
}

#[track_caller]
fn assert_same(dict: &Dict, model: &Model) {
    assert_eq!(dict.len(), model.len());
    let all: Model = dict
        .iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    assert_eq!(all, *model);
    assert_eq!(dict.iter().count(), model.len());
    assert_counted(dict);
}

/// What is counted as things change is what a walk would find.
#[track_caller]
fn assert_counted(dict: &Dict) {
    let nodes = || dict.chunks.iter().flat_map(|chunk| chunk.iter());
    assert_eq!(
        dict.page_bytes,
        nodes().map(Node::page_bytes).sum::<usize>()
    );
    assert_eq!(
        dict.long_bytes,
        nodes().map(Node::long_bytes).sum::<usize>()
    );
    assert_eq!(dict.len, nodes().map(Node::len).sum::<usize>());
    assert!(nodes().all(|node| node.len() <= dict.fullest));
    let places: usize = dict.chunks.iter().map(|chunk| chunk.len()).sum();
    assert!(dict.nodes <= places);
    assert_eq!(dict.chunks.len(), dict.nodes.div_ceil(CHUNK));
}

fn step(rng: &mut Rng, dict: &mut Dict, model: &mut Model, keys: u64, inserts: u64) {
    let key = some_key(rng, keys);
    match rng.below(100) {
        at if at < inserts => {
            let value = some_bytes(rng);
            let new = !model.contains_key(&key);
            assert_eq!(dict.insert(&key, &value), new);
            model.insert(key, value);
        }
        99 => {
            let value = model.get_mut(&key);
            let ours = dict.get_mut(&key);
            assert_eq!(ours.as_deref(), value.as_deref().map(|value| &value[..]));
            if let (Some(value), Some(ours)) = (value, ours) {
                value
                    .iter_mut()
                    .for_each(|byte| *byte = byte.wrapping_add(1));
                ours.copy_from_slice(value);
            }
        }
        at if at % 2 == 0 => {
            let value = model.get(&key).map(|value| &value[..]);
            assert_eq!(dict.get(&key), value);
            assert_eq!(dict.contains(&key), value.is_some());
        }
        _ => {
            let value = dict.remove(&key);
            assert_eq!(value.map(Removed::into_vec), model.remove(&key));
        }
    }
}

#[test]
fn does_what_a_map_does() {
    for seed in 0..6 {
        let mut rng = Rng::seeded(seed);
        let (mut dict, mut model) = (Dict::new(), Model::new());
        let keys = [30, 300, 3000][seed as usize % 3];
        for phase in 0..4 {
            for _ in 0..keys * 3 {
                step(&mut rng, &mut dict, &mut model, keys, [70, 10][phase % 2]);
            }
            assert_same(&dict, &model);
        }
        let left: Vec<Vec<u8>> = model.keys().cloned().collect();
        for (number, key) in left.iter().enumerate() {
            assert!(dict.remove(key).is_some());
            if number % 61 == 0 {
                assert_counted(&dict);
            }
        }
        assert_eq!(dict.heap_bytes(), 0);
        assert_same(&dict, &Model::new());
    }
}

#[test]
fn a_clone_keeps_what_it_saw() {
    let mut rng = Rng::seeded(11);
    let (mut dict, mut model) = (Dict::new(), Model::new());
    let mut taken = Vec::new();
    for round in 0..12 {
        for _ in 0..800 {
            step(
                &mut rng,
                &mut dict,
                &mut model,
                2000,
                if round < 7 { 60 } else { 5 },
            );
        }
        taken.push((dict.clone(), model.clone()));
    }
    for (dict, model) in &taken {
        assert_same(dict, model);
    }
    assert_eq!(taken[3].0, taken[3].0.clone());
    assert_ne!(taken[3].0, taken[4].0);
}

/// Every key that is there from the first call to the last comes exactly once, however much
/// comes and goes in between.
#[test]
fn a_scan_misses_and_repeats_nothing_that_stays() {
    for seed in 0..30 {
        let mut rng = Rng::seeded(seed);
        let mut dict = Dict::new();
        let stays: HashSet<Vec<u8>> = (0..rng.below(400))
            .map(|i| format!("stays:{i}").into_bytes())
            .collect();
        let passing = 1 + rng.below(4000);
        let (growing, count) = (rng.below(2) == 0, 1 + rng.below(60) as usize);
        stays.iter().for_each(|key| assert!(dict.insert(key, b"")));
        if !growing {
            (0..passing).for_each(|i| assert!(dict.insert(&i.to_le_bytes(), b"x")));
        }
        let (mut seen, mut cursor) = (HashMap::<Vec<u8>, u32>::new(), 0);
        loop {
            let mut visited = 0;
            cursor = dict.scan(cursor, count, &mut |key, _| {
                *seen.entry(key.into()).or_default() += 1;
                visited += 1;
            });
            assert!(visited <= count, "{visited} of {count}");
            if cursor == 0 {
                break;
            }
            for _ in 0..rng.below(200) {
                let key = rng.below(passing).to_le_bytes();
                match growing {
                    true => drop(dict.insert(&key, b"x")),
                    false => drop(dict.remove(&key)),
                }
            }
        }
        for key in &stays {
            assert_eq!(seen.get(key), Some(&1), "seed {seed}");
        }
        assert_counted(&dict);
    }
}

#[test]
fn a_scan_of_anything_ends() {
    let mut dict = Dict::new();
    assert_eq!(dict.scan(0, 10, &mut |_, _| unreachable!()), 0);
    assert_eq!(dict.scan(77, 10, &mut |_, _| unreachable!()), 0);
    (0..1000u32).for_each(|i| assert!(dict.insert(&i.to_le_bytes(), b"")));
    for cursor in [1 << 48, u64::MAX, (1 << 48) - 1] {
        assert_eq!(dict.scan(cursor, usize::MAX, &mut |_, _| ()), 0);
    }
    let mut all = 0;
    assert_eq!(dict.scan(0, usize::MAX, &mut |_, _| all += 1), 0);
    assert_eq!(all, 1000);
    assert!(dict.scan(0, 0, &mut |_, _| all += 1) > 0);
    assert_eq!(all, 1001);
}

#[test]
fn picks_are_fair() {
    for len in [1, 20, 300] {
        let mut dict = Dict::new();
        (0..len).for_each(|i: u32| assert!(dict.insert(&i.to_le_bytes(), b"")));
        let (mut rng, mut picks) = (Rng::seeded(5), HashMap::<&[u8], u32>::new());
        for _ in 0..len * 1000 {
            *picks.entry(dict.random(&mut rng).unwrap().0).or_default() += 1;
        }
        assert_eq!(picks.len(), len as usize);
        assert!(picks.values().all(|n| (850..1150).contains(n)), "{picks:?}");
    }
    assert_eq!(Dict::new().random(&mut Rng::seeded(5)), None);
}

#[test]
fn nodes_follow_the_load() {
    let mut dict = Dict::new();
    for i in 0..20_000u32 {
        assert!(dict.insert(&i.to_le_bytes(), b"1234567"));
        assert!(dict.len() <= dict.nodes * LOAD_MAX);
    }
    assert!(dict.fullest <= 4 * LOAD_MAX, "{}", dict.fullest);
    assert!(dict.heap_bytes() < 22 * dict.len(), "{}", dict.heap_bytes());
    for i in 0..20_000u32 {
        assert!(dict.remove(&i.to_le_bytes()).is_some());
        assert!(dict.is_empty() || dict.nodes * (LOAD_MIN - 1) <= dict.len() + LOAD_MIN);
    }
    assert_eq!(dict.heap_bytes(), 0);
}

#[test]
fn long_records_make_more_nodes_and_longer_ones_none() {
    let mut dict = Dict::new();
    for i in 0..1000u32 {
        dict.insert(&i.to_le_bytes(), &[b'v'; 400]);
    }
    assert!((130..400).contains(&dict.nodes), "{}", dict.nodes);
    assert_counted(&dict);
    for i in 0..1000u32 {
        dict.insert(&i.to_le_bytes(), &[b'v'; 4000]);
    }
    assert_counted(&dict);
    assert!(dict.long_bytes > 4_000_000);
    let kept = dict.clone();
    dict.get_mut(&7u32.to_le_bytes()).unwrap().fill(b'w');
    assert_eq!(kept.get(&7u32.to_le_bytes()), Some(&[b'v'; 4000][..]));
    assert_eq!(dict.get(&7u32.to_le_bytes()), Some(&[b'w'; 4000][..]));
}
