use super::*;
use crate::types::hash::Term;
use crate::types::list::End;
use crate::types::{Hash, List, Set, Stream, ZSet};

fn lengths() -> Vec<usize> {
    let mut lengths: Vec<usize> = (0..70).collect();
    lengths.extend([95, 96, 97, 127, 128, 129, 250, 255, 256, 257, 511, 513]);
    lengths.extend([1000, 1023, 1024, 1025, 1500, 5000, 70_000]);
    lengths
}

fn bytes(len: usize, seed: u8) -> Vec<u8> {
    (0..len)
        .map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed))
        .collect()
}

#[track_caller]
fn check(entry: &Entry, key: &[u8], value: &[u8], expire_at_ms: Option<i64>) {
    assert_eq!(entry.key(), key);
    assert!(entry.has_key(key));
    assert_eq!(entry.string_bytes(), Some(value));
    assert_eq!(entry.expire_at_ms(), expire_at_ms);
    assert_eq!(entry.kind(), Kind::String);
}

#[test]
fn a_16_byte_key_with_a_32_byte_value_takes_56_bytes() {
    let entry = Entry::string(&[b'k'; 16], &[b'v'; 32], None);
    assert_eq!(entry.heap_bytes(), 56);
    assert_eq!(size_of::<Entry>(), 8);
}

#[test]
fn every_length_of_key_and_value_is_kept() {
    for key_len in lengths() {
        for value_len in lengths() {
            let (key, value) = (bytes(key_len, 1), bytes(value_len, 2));
            for expire in [None, Some(0), Some(-7), Some(i64::MAX)] {
                let entry = Entry::string(&key, &value, expire);
                check(&entry, &key, &value, expire);
                check(&entry.duplicate(b"other"), b"other", &value, expire);
                let entry = entry.renamed(&value);
                check(&entry, &value, &value, expire);
                let entry = entry.set_expire(Some(5));
                check(&entry, &value, &value, Some(5));
                check(&entry.set_expire(None), &value, &value, None);
            }
        }
    }
}

#[test]
fn overwriting_in_place_keeps_the_size_class_or_refuses() {
    for key_len in [0, 1, 7, 8, 16, 255, 256, 300] {
        let key = bytes(key_len, 3);
        for old_len in lengths() {
            for new_len in lengths() {
                let (old, new) = (bytes(old_len, 4), bytes(new_len, 5));
                for (before, after) in [
                    (None, None),
                    (None, Some(9)),
                    (Some(8), None),
                    (Some(8), Some(9)),
                ] {
                    let mut entry = Entry::string(&key, &old, before);
                    entry.set_access(0x12_3456);
                    let size = entry.heap_bytes();
                    if entry.try_overwrite_string(&new, after) {
                        check(&entry, &key, &new, after);
                        assert_eq!(entry.encoding(), Entry::string(&key, &new, None).encoding());
                        assert_eq!(entry.heap_bytes(), size);
                        assert_eq!(entry.access(), 0x12_3456);
                    } else {
                        check(&entry, &key, &old, before);
                        let fits = Entry::string(&key, &new, after).heap_bytes() == size;
                        assert!(!fits || new_len > INLINE_BYTES_MAX || old_len > INLINE_BYTES_MAX);
                    }
                }
            }
        }
    }
}

#[test]
fn encodings_are_those_of_redis() {
    let cases: [(&[u8], &str); 12] = [
        (b"0", "int"),
        (b"-1", "int"),
        (b"9223372036854775807", "int"),
        (b"-9223372036854775808", "int"),
        (b"9223372036854775808", "embstr"),
        (b"01", "embstr"),
        (b"+1", "embstr"),
        (b" 1", "embstr"),
        (b"", "embstr"),
        (&[b'1'; 21], "embstr"),
        (&[b'x'; 44], "embstr"),
        (&[b'x'; 45], "raw"),
    ];
    for (value, name) in cases {
        assert_eq!(
            Entry::string(b"k", value, None).encoding().name(),
            name,
            "{value:?}"
        );
        assert_eq!(
            Entry::string(b"k", value, None)
                .append(b"")
                .encoding()
                .name(),
            "raw"
        );
    }
    assert_eq!(
        Entry::string(b"k", &[b'x'; 5000], None).encoding().name(),
        "raw"
    );
}

#[test]
fn appending_and_writing_ranges_equals_a_vector() {
    for expire in [None, Some(77)] {
        let mut entry = Entry::string(b"key", b"", expire);
        let mut model = Vec::new();
        for step in 0..4000_usize {
            let piece = bytes(step % 11, step as u8);
            if step % 7 == 3 {
                let offset = (step * 7919) % (model.len() + 5);
                model.resize(model.len().max(offset + piece.len()), 0);
                model[offset..offset + piece.len()].copy_from_slice(&piece);
                entry = entry.set_range(offset, &piece);
            } else {
                model.extend_from_slice(&piece);
                entry = entry.append(&piece);
            }
            check(&entry, b"key", &model, expire);
        }
        assert!(entry.heap_bytes() < 3 * model.len());
    }
}

#[test]
fn a_long_string_moves_and_is_overwritten_in_its_own_memory() {
    let entry = Entry::with_value(b"k", Value::String(vec![7; 4000]), Some(1));
    let address = entry.string_bytes().map(<[u8]>::as_ptr);
    let mut entry = entry.renamed(b"another").set_expire(None);
    assert_eq!(entry.string_bytes().map(<[u8]>::as_ptr), address);
    assert!(entry.try_overwrite_string(&[8; 3900], None));
    check(&entry, b"another", &[8; 3900], None);
    assert!(!entry.try_overwrite_string(&[8; 1900], None));
    assert!(!entry.try_overwrite_string(b"short", None));
    assert!(!entry.is_big());
    assert!(entry.append(&vec![0; 2 << 20]).is_big());
    let short = Entry::with_value(b"k", Value::String(b"12".to_vec()), None);
    assert_eq!(short.encoding(), Encoding::Int);
}

#[test]
fn access_has_24_bits_of_its_own_and_expiry_ends_after_its_millisecond() {
    let entry = Entry::string(b"key", b"value", Some(100));
    entry.set_access(u32::MAX);
    assert_eq!(entry.access(), 0xff_ffff);
    check(&entry, b"key", b"value", Some(100));
    assert!(!entry.is_expired(100));
    assert!(entry.is_expired(101));
    assert!(!Entry::string(b"key", b"value", None).is_expired(i64::MAX));
}

/// Every key pays for what its value has in the entry.
#[test]
fn an_entry_holds_no_more_of_a_value_than_its_kind_needs() {
    let bytes_of = |value: Value| {
        Entry::with_value(b"k:000000000001", value, None)
            .layout()
            .bytes()
    };
    assert_eq!(bytes_of(Value::List(List::default())), 32);
    assert_eq!(bytes_of(Value::ZSet(ZSet::default())), 32);
    assert_eq!(bytes_of(Value::Set(Set::default())), 32);
    assert_eq!(bytes_of(Value::Hash(Hash::default())), 32);
    assert_eq!(bytes_of(Value::Stream(Stream::default())), 32);
}

#[test]
fn values_of_every_kind_are_kept_moved_copied_and_dropped() {
    let mut list = List::default();
    list.push(b"element", End::Back, &Default::default());
    let mut set = Set::default();
    set.insert(b"member", &Default::default());
    let mut zset = ZSet::default();
    zset.set(b"member", 1.5, &Default::default());
    let mut hash = Hash::default();
    hash.set(b"field", b"value", Term::Endless, &Default::default());
    let values = [
        Value::String(vec![7; 4000]),
        Value::List(list),
        Value::Set(set),
        Value::ZSet(zset),
        Value::Hash(hash),
        Value::Stream(Stream::default()),
    ];
    let shown = |value: ValueRef| format!("{value:?}");
    for value in values {
        let expect = shown(value.as_ref());
        let kind = value.as_ref().kind();
        let entry = Entry::with_value(b"key", value, None);
        let entry = entry.set_expire(Some(5)).renamed(&[b'k'; 300]);
        let copy = entry.duplicate(b"copy");
        for entry in [entry, copy.set_expire(None)] {
            assert_eq!(entry.kind(), kind);
            assert_eq!(entry.value().map(shown).as_ref(), Some(&expect));
        }
    }
}
