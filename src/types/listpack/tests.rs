//! A listpack against a vector of strings, and against bytes that are none.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::base::rng::Rng;
use crate::base::room::class_bytes;

fn pack_of(values: &[&[u8]]) -> ListPack {
    let mut pack = ListPack::new();
    for value in values {
        pack.push_back(value);
    }
    pack
}

/// Everything that can be asked agrees with `model`, and the bytes pass for a listpack.
fn check_against(pack: &ListPack, model: &[Vec<u8>]) {
    let copy = ListPack::from_bytes(pack.as_bytes().to_vec()).expect("a listpack");
    assert_eq!(copy.len(), model.len());
    assert_eq!(pack.len(), model.len());
    assert_eq!(pack.is_empty(), model.is_empty());
    assert!(pack.iter().map(Item::to_vec).eq(model.iter().cloned()));
    let backwards = pack.iter().rev().map(Item::to_vec);
    assert!(backwards.eq(model.iter().rev().cloned()));
    let mut pos = pack.first();
    for (index, value) in model.iter().enumerate() {
        assert_eq!(pack.seek(index as i64), pos, "{index}");
        let from_end = index as i64 - model.len() as i64;
        assert_eq!(pack.seek(from_end), pos, "{from_end}");
        let here = pos.expect("another entry");
        assert!(pack.get(here).eq(value) && pack.get(here).len_bytes() == value.len());
        assert_eq!(pack.next(here).map_or(pack.last(), |n| pack.prev(n)), pos);
        pos = pack.next(here);
    }
    assert_eq!(pos, None);
    assert_eq!(pack.seek(model.len() as i64), None);
    assert_eq!(pack.seek(-1 - model.len() as i64), None);
    assert_eq!(pack.first().and_then(|first| pack.prev(first)), None);
}

#[test]
fn bytes_are_those_of_the_format() {
    fn check(value: &[u8], expect: &[u8]) {
        let pack = pack_of(&[value]);
        let size = expect.len() as u8 + 7;
        let header = [size, 0, 0, 0, 1, 0];
        assert_eq!(pack.as_bytes(), [&header[..], expect, &[0xFF]].concat());
    }
    check(b"", &[0x80, 1]);
    check(b"a", &[0x81, b'a', 2]);
    check(b"0", &[0, 1]);
    check(b"127", &[0x7F, 1]);
    check(b"128", &[0xC0, 0x80, 2]);
    check(b"4095", &[0xCF, 0xFF, 2]);
    check(b"-1", &[0xDF, 0xFF, 2]);
    check(b"-4096", &[0xD0, 0x00, 2]);
    check(b"4096", &[0xF1, 0x00, 0x10, 3]);
    check(b"-32768", &[0xF1, 0x00, 0x80, 3]);
    check(b"32768", &[0xF2, 0x00, 0x80, 0x00, 4]);
    check(b"-8388608", &[0xF2, 0x00, 0x00, 0x80, 4]);
    check(b"8388608", &[0xF3, 0x00, 0x00, 0x80, 0x00, 5]);
    check(b"-2147483648", &[0xF3, 0, 0, 0, 0x80, 5]);
    check(b"2147483648", &[0xF4, 0, 0, 0, 0x80, 0, 0, 0, 0, 9]);
    check(
        b"-9223372036854775808",
        &[0xF4, 0, 0, 0, 0, 0, 0, 0, 0x80, 9],
    );
    check(b"01", &[0x82, b'0', b'1', 3]);
    check(b"-0", &[0x82, b'-', b'0', 3]);
    let long = [b'x'; 64];
    check(&long, &[&[0xE0, 64][..], &long, &[66]].concat());
    let long = [b'x'; 126];
    check(&long, &[&[0xE0, 126][..], &long, &[0x01, 0x80]].concat());
}

#[test]
fn lengths_around_every_boundary() {
    let lengths = [
        62, 63, 64, 65, 125, 126, 4094, 4095, 4096, 4097, 16376, 16377, 16378, 16379, 2097145,
        2097146, 2097147, 2097148,
    ];
    let mut pack = ListPack::new();
    let mut model = Vec::new();
    for len in lengths {
        let value = vec![b'v'; len];
        pack.push_front(&value);
        model.insert(0, value);
        pack.push_back(b"7");
        model.push(b"7".to_vec());
    }
    check_against(&pack, &model);
}

#[test]
fn more_entries_than_the_header_can_count() {
    let mut pack = ListPack::new();
    let mut model: Vec<Vec<u8>> = Vec::new();
    for n in 0..65_540 {
        pack.push_int(n % 100);
        model.push((n % 100).to_string().into_bytes());
        if (65_532..65_538).contains(&n) {
            assert_eq!(pack.len(), model.len());
            // Another value for an entry makes no difference to the count.
            let known = pack.known_count();
            pack.replace_int(Pos::new(HEADER_BYTES), 0);
            assert_eq!(pack.known_count(), known);
        }
    }
    assert_eq!(pack.known_count(), None);
    assert_eq!(
        (pack.remove_range(10, 1_000), model.drain(10..1_010).len()),
        (1_000, 1_000)
    );
    assert_eq!(pack.len(), model.len());
    assert!(pack.iter().map(Item::to_vec).eq(model.iter().cloned()));
    assert_eq!(pack.seek(-1), pack.last());
    assert_eq!(pack.seek(64_540), None);
    // Whoever takes the bytes in has counted anyway.
    let counted = ListPack::from_bytes(pack.into_bytes()).expect("a listpack");
    assert_eq!(counted.known_count(), Some(64_540));
}

#[test]
fn memory_follows_the_size() {
    let mut pack = ListPack::new();
    for n in 0..10_000 {
        pack.push_back(format!("value {n}").as_bytes());
        assert_eq!(pack.heap_bytes(), class_bytes(pack.size_bytes()));
    }
    while let Some(first) = pack.first() {
        pack.remove_from(first, 7);
        assert!(pack.heap_bytes() <= pack.size_bytes() * 2 + 8);
    }
}

#[test]
fn values_written_unpacked_are_read() {
    // "12" as text: no writer of today does that, but the format allows it.
    let bytes = vec![11, 0, 0, 0, 1, 0, 0x82, b'1', b'2', 3, 0xFF];
    let pack = ListPack::from_bytes(bytes).expect("a listpack");
    let pos = pack.first().expect("an entry");
    assert_eq!(pack.get(pos), Item::Text(b"12"));
    assert_eq!(pack.get(pos).int(), Some(12));
    assert_eq!(pack.find(Some(pos), b"12", 0), Some(pos));
}

#[test]
fn foreign_bytes_are_refused() {
    fn check(bytes: &[u8], at_byte: usize) {
        let refused = ListPack::from_bytes(bytes.to_vec());
        assert_eq!(refused, Err(Corrupt { at_byte }), "{bytes:?}");
    }
    check(&[], 0);
    check(&[7, 0, 0, 0, 0], 5);
    check(&[6, 0, 0, 0, 0, 0], 6);
    check(&[8, 0, 0, 0, 0, 0, 0xFF], 0);
    check(&[7, 0, 0, 0, 1, 0, 0xFF], 4);
    check(&[7, 0, 0, 0, 0, 0, 0x00], 6);
    check(&[8, 0, 0, 0, 0, 0, 0xFF, 0xFF], 6);
    check(&[9, 0, 0, 0, 1, 0, 5, 2, 0xFF], 6);
    check(&[9, 0, 0, 0, 1, 0, 0xF5, 1, 0xFF], 6);
    check(&[10, 0, 0, 0, 1, 0, 0x82, b'a', 2, 0xFF], 6);
    let huge = [13, 0, 0, 0, 1, 0, 0xF0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0xFF];
    check(&huge, 6);
}

/// A value of every encoding, some of them often enough to be found again.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..3),
        vec(any::<u8>(), 0..200),
        (0..8usize).prop_map(|n| vec![b'x'; [0, 1, 63, 64, 126, 4095, 4096, 16380][n]]),
        any::<i8>().prop_map(|n| n.to_string().into_bytes()),
        any::<i16>().prop_map(|n| n.to_string().into_bytes()),
        (any::<i64>(), 0..64u32).prop_map(|(n, shift)| (n >> shift).to_string().into_bytes()),
    ]
}

#[derive(Clone, Debug)]
enum Change {
    PushBack(Vec<u8>),
    PushFront(Vec<u8>),
    InsertBefore(usize, Vec<u8>),
    InsertAfter(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize),
    RemoveRange(usize, usize),
    SplitAndAppend(usize),
}

fn change() -> impl Strategy<Value = Change> {
    use Change::*;
    prop_oneof![
        3 => value().prop_map(PushBack),
        2 => value().prop_map(PushFront),
        2 => (any::<usize>(), value()).prop_map(|(at, value)| InsertBefore(at, value)),
        2 => (any::<usize>(), value()).prop_map(|(at, value)| InsertAfter(at, value)),
        2 => (any::<usize>(), value()).prop_map(|(at, value)| Replace(at, value)),
        2 => any::<usize>().prop_map(Remove),
        1 => (any::<usize>(), 0..5usize).prop_map(|(at, count)| RemoveRange(at, count)),
        1 => any::<usize>().prop_map(SplitAndAppend),
    ]
}

fn apply(change: Change, pack: &mut ListPack, model: &mut Vec<Vec<u8>>) {
    let place = |pack: &ListPack, n: usize| {
        let index = n % model.len().max(1);
        pack.seek(index as i64).map(|pos| (pos, index))
    };
    match change {
        Change::PushBack(value) => {
            pack.push_back(&value);
            model.push(value);
        }
        Change::PushFront(value) => {
            pack.push_front(&value);
            model.insert(0, value);
        }
        Change::InsertBefore(n, value) => {
            if let Some((pos, index)) = place(pack, n) {
                let pos = pack.insert_before(pos, &value);
                assert!(pack.get(pos).eq(&value));
                model.insert(index, value);
            }
        }
        Change::InsertAfter(n, value) => {
            if let Some((pos, index)) = place(pack, n) {
                let pos = pack.insert_after(pos, &value);
                assert!(pack.get(pos).eq(&value));
                model.insert(index + 1, value);
            }
        }
        Change::Replace(n, value) => {
            if let Some((pos, index)) = place(pack, n) {
                let pos = pack.replace(pos, &value);
                assert!(pack.get(pos).eq(&value));
                model[index] = value;
            }
        }
        Change::Remove(n) => {
            if let Some((pos, index)) = place(pack, n) {
                let behind = pack.remove(pos);
                model.remove(index);
                assert_eq!(behind, pack.seek(index as i64));
            }
        }
        Change::RemoveRange(n, count) => {
            let index = n % (model.len() + 1);
            let end = model.len().min(index + count);
            assert_eq!(pack.remove_range(index as i64, count), end - index);
            model.drain(index..end);
        }
        Change::SplitAndAppend(n) => {
            if let Some((pos, index)) = place(pack, n) {
                let tail = pack.split_off(pos);
                check_against(pack, &model[..index]);
                check_against(&tail, &model[index..]);
                pack.append(&tail);
            }
        }
    }
}

proptest! {
    #[test]
    fn changes_agree_with_a_vector(changes in vec(change(), 0..60)) {
        let mut pack = ListPack::new();
        let mut model = Vec::new();
        for change in changes {
            apply(change, &mut pack, &mut model);
            check_against(&pack, &model);
        }
    }

    #[test]
    fn finding_agrees_with_a_vector(
        values in vec(value(), 0..20), from: usize, pick: usize, skip in 0..3usize,
    ) {
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let pack = pack_of(&values);
        let from = from % (values.len() + 1);
        let needle = values.get(pick % (values.len() + 1)).copied().unwrap_or(b"not there");
        let expect = (from..values.len()).step_by(skip + 1).find(|&at| values[at] == needle);
        let found = pack.find(pack.seek(from as i64), needle, skip);
        prop_assert_eq!(found, expect.and_then(|at| pack.seek(at as i64)));
    }

    #[test]
    fn any_bytes_are_safe_to_take(bytes in vec(any::<u8>(), 0..100)) {
        let _ = ListPack::from_bytes(bytes);
    }
}

/// A changed byte is refused, or makes another listpack that holds together.
#[test]
fn broken_bytes_do_no_harm() {
    let mut rng = Rng::seeded(11);
    let text = [b't'; 300];
    let sound = pack_of(&[
        b"a",
        b"12",
        &text,
        b"-70000",
        b"",
        &text[..70],
        b"9999999999",
    ]);
    let mut taken = 0;
    for _ in 0..100_000 {
        let mut bytes = sound.as_bytes().to_vec();
        for _ in 0..=rng.below(2) {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = rng.next_u64() as u8;
        }
        if let Ok(pack) = ListPack::from_bytes(bytes) {
            let values: Vec<Vec<u8>> = pack.iter().map(Item::to_vec).collect();
            check_against(&pack, &values);
            taken += 1;
        }
    }
    assert!(taken > 0);
}
