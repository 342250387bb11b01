use super::*;
use crate::base::rng::Rng;

/// The registers, a byte each, as a naive implementation keeps them.
fn model() -> Vec<u8> {
    vec![0; REGISTERS]
}

fn registers(bytes: &[u8]) -> Vec<u8> {
    let mut merged = Merged::default();
    merged.add(bytes).unwrap();
    merged.registers().collect()
}

#[test]
fn hashes_and_ranks() {
    // As the other servers compute them: PFADD with these, then PFDEBUG DECODE.
    assert_eq!(register_of(b"a"), (12711, 2));
    let (_, rank) = register_of(b"");
    assert!((1..=51).contains(&rank));
    for len in 0..40 {
        let bytes: Vec<u8> = (0..len).collect();
        let (index, rank) = register_of(&bytes);
        assert!(index < REGISTERS && (1..=51).contains(&rank));
    }
}

#[test]
fn registers_against_a_naive_model_in_both_forms() {
    let mut rng = Rng::seeded(7);
    for round in 0..60 {
        let mut bytes = new();
        let mut model = model();
        let sparse_max_bytes = [0, 40, 300, 3000, 100_000][round % 5];
        let spread = [3, 100, REGISTERS as u64][round % 3];
        for _ in 0..500 {
            let index = (rng.below(spread) + rng.below(2) * 8000) as usize % REGISTERS;
            let below = 1 + rng.below(if round % 4 == 0 { 50 } else { 20 });
            let rank = 1 + rng.below(below) as u8;
            let raised = raise(&mut bytes, index, rank, sparse_max_bytes).unwrap();
            assert_eq!(raised, model[index] < rank);
            model[index] = model[index].max(rank);
            assert!(is_one(&bytes));
            assert!(!is_sparse(&bytes) || bytes.len() <= sparse_max_bytes.max(18 + 3));
        }
        assert_eq!(registers(&bytes), model);
        let counted = count(&bytes).unwrap();
        make_dense(&mut bytes).unwrap();
        assert_eq!(registers(&bytes), model);
        assert_eq!(count(&bytes), Ok(counted));
        assert_eq!(bytes.len(), 12304);
    }
}

#[test]
fn counts_are_near_the_truth() {
    let mut bytes = new();
    let mut checked = 10;
    assert_eq!(count(&bytes), Ok(0));
    for n in 1..=200_000u64 {
        add(&mut bytes, &n.to_be_bytes(), 3000).unwrap();
        if n == checked {
            let error = count(&bytes).unwrap() as f64 / n as f64 - 1.0;
            assert!(error.abs() < 0.0243, "{error} at {n}");
            checked = checked * 3 / 2;
        }
    }
    assert!(!is_sparse(&bytes));
    // Every register at its highest: as many as can be told.
    let mut full = Merged::default();
    (0..REGISTERS).for_each(|index| full.ranks.raise(index, 51));
    assert_eq!(full.count(), i64::MAX as u64);
}

#[test]
fn the_count_is_kept_until_something_comes() {
    let mut bytes = new();
    assert_eq!(known_count(&bytes), Some(0));
    void_count(&mut bytes);
    assert_eq!(known_count(&bytes), None);
    keep_count(&mut bytes, 0x0102_0304);
    assert_eq!(known_count(&bytes), Some(0x0102_0304));
    assert_eq!(bytes[8..16], [4, 3, 2, 1, 0, 0, 0, 0]);
}

#[test]
fn runs_are_split_and_joined() {
    let mut bytes = new();
    assert_eq!(describe(&bytes), "Z:16384");
    let mut check = |index, rank, expect: &str| {
        raise(&mut bytes, index, rank, 3000).unwrap();
        assert_eq!(describe(&bytes), expect);
    };
    check(100, 3, "Z:100 v:3,1 Z:16283");
    check(102, 3, "Z:100 v:3,1 z:1 v:3,1 Z:16281");
    check(101, 3, "Z:100 v:3,3 Z:16281");
    check(103, 3, "Z:100 v:3,4 Z:16280");
    check(104, 3, "Z:100 v:3,4 v:3,1 Z:16279");
    check(101, 4, "Z:100 v:3,1 v:4,1 v:3,3 Z:16279");
    check(0, 32, "v:32,1 Z:99 v:3,1 v:4,1 v:3,3 Z:16279");
    check(16383, 1, "v:32,1 Z:99 v:3,1 v:4,1 v:3,3 Z:16278 v:1,1");
}

#[test]
fn merging_is_the_union() {
    let mut rng = Rng::seeded(9);
    let mut union = new();
    let mut merged = Merged::default();
    for part in 0..5 {
        let mut own = new();
        for _ in 0..1 + 300 * part {
            let element = rng.below(5000).to_be_bytes();
            add(&mut own, &element, 2000).unwrap();
            add(&mut union, &element, 2000).unwrap();
        }
        merged.add(&own).unwrap();
    }
    assert_eq!(merged.count(), count(&union).unwrap());
    let mut target = new();
    merged.write(&mut target, 3000).unwrap();
    assert_eq!(registers(&target), registers(&union));
}

#[test]
fn merging_against_a_naive_model_in_all_forms() {
    let mut rng = Rng::seeded(13);
    for round in 0..60 {
        let sparse_max_bytes = [0, 60, 3000][round % 3];
        let mut model = model();
        let mut any_dense = false;
        let mut parts = Vec::new();
        for part in 0..1 + rng.below(4) {
            let mut own = new();
            // The first one is written to, and may be empty.
            for _ in 0..rng.below([0, 30, 3000][round / 3 % 3] + 2) {
                // Any of six bits, as nothing keeps others from sending them.
                let rank_max = if part == 2 { 63 } else { 32 };
                let (index, rank) = (rng.below(16384) as usize, 1 + rng.below(rank_max) as u8);
                raise(&mut own, index, rank, sparse_max_bytes).unwrap();
                model[index] = model[index].max(rank);
            }
            if rng.below(4) == 0 {
                make_dense(&mut own).unwrap();
            }
            any_dense |= !is_sparse(&own);
            parts.push(own);
        }
        let mut merged = Merged::default();
        parts.iter().for_each(|part| merged.add(part).unwrap());
        assert!(merged.registers().eq(model.iter().copied()));
        let mut target = parts.swap_remove(0);
        let mut alone = target.clone();
        merged.write(&mut target, sparse_max_bytes).unwrap();
        assert_eq!(registers(&target), model);
        assert!(is_one(&target) && !(any_dense && is_sparse(&target)));
        // Register by register it comes to the same bytes.
        if any_dense {
            make_dense(&mut alone).unwrap();
        }
        for (index, &rank) in model.iter().enumerate().filter(|(_, rank)| **rank > 0) {
            raise(&mut alone, index, rank, sparse_max_bytes).unwrap();
        }
        assert!(target == alone);
    }
}

#[test]
fn what_is_no_hyperloglog() {
    assert!(is_one(&new()));
    for wrong in [
        &b""[..],
        b"HYLL",
        b"HYLL\x01\0\0\0\0\0\0\0\0\0\0",
        b"hyll\x01\0\0\0\0\0\0\0\0\0\0\0",
    ] {
        assert!(!is_one(wrong));
    }
    let mut bytes = new();
    bytes[ENCODING_AT] = 2;
    assert!(!is_one(&bytes));
    bytes[ENCODING_AT] = DENSE;
    assert!(!is_one(&bytes));
}

#[test]
fn corrupt_runs_are_found_and_never_written_over() {
    let mut rng = Rng::seeded(11);
    for _ in 0..3000 {
        let mut bytes = new();
        for _ in 0..rng.below(40) {
            add(&mut bytes, &rng.next_u64().to_be_bytes(), 3000).unwrap();
        }
        for _ in 0..1 + rng.below(3) {
            let at = HEADER_BYTES + rng.below((bytes.len() - HEADER_BYTES) as u64) as usize;
            match rng.below(3) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, rng.next_u64() as u8),
                _ => bytes[at] = rng.next_u64() as u8,
            }
            if bytes.len() == HEADER_BYTES {
                break;
            }
        }
        // It shows whatever is there.
        let _ = describe(&bytes);
        let counted = count(&bytes);
        let is_whole = Merged::default().add(&bytes).is_ok();
        assert_eq!(counted.is_ok(), is_whole);
        assert_eq!(make_dense(&mut bytes.clone()).is_ok(), is_whole);
        for _ in 0..20 {
            // It may go well where what is wrong is not met.
            let _ = add(&mut bytes, &rng.next_u64().to_be_bytes(), 100);
        }
    }
}
