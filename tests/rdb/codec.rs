//! What is written is read back: every length form, every string form, every attribute.

use crate::collect::{for_each_entry, steps, steps_in_pieces, string};
use lockstep::base::hash::Crc64;
use lockstep::rdb::decode::Options;
use lockstep::rdb::dump::{self, Body, DumpError};
use lockstep::rdb::encode::{self, Access, Encoder, KeyMeta};
use lockstep::rdb::format::{Dialect, FileVersion};
use lockstep::types::{Limits, Value};
use proptest::prelude::*;

/// Ends a file and gives it its checksum.
pub fn finish(mut file: Vec<u8>) -> Vec<u8> {
    encode::put_end(&mut file);
    let mut crc = Crc64::new();
    crc.update(&file);
    encode::put_checksum(&mut file, Some(crc.value()));
    file
}

/// A small file with one of everything the encoder writes.
pub fn one_of_each(version: FileVersion, compression: bool) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(compression);
    encode::put_header(&mut file, version);
    encode::put_aux(&mut file, b"redis-ver", b"8.0.6");
    encode::put_aux_i64(&mut file, b"ctime", 1_700_000_000);
    encoder.put_function(
        &mut file,
        b"#!lua name=f\nredis.register_function('f', function() end)",
    );
    encode::put_select_db(&mut file, 0);
    encode::put_resize_db(&mut file, 6, 1);
    let expiring = KeyMeta {
        expire_at_ms: Some(4_102_444_800_000),
        access: Access::Unknown,
    };
    let used = KeyMeta {
        expire_at_ms: None,
        access: Access::LfuFreq(7),
    };
    let idle = KeyMeta {
        expire_at_ms: Some(4_102_444_800_001),
        access: Access::LruIdleSecs(99),
    };
    encoder.put_string_entry(&mut file, b"plain", b"a value", KeyMeta::default());
    encoder.put_string_entry(&mut file, b"-12", b"70000", expiring);
    encoder.put_string_entry(&mut file, b"", b"", used);
    encoder.put_string_entry(&mut file, &[b'k'; 70], &b"packed ".repeat(9), idle);
    encode::put_select_db(&mut file, 9);
    encoder.put_string_entry(&mut file, b"long", &[0xFE; 300], KeyMeta::default());
    encoder.put_entry_head(&mut file, 1, b"a list", KeyMeta::default());
    encode::put_len(&mut file, 2);
    encoder.put_string(&mut file, b"first");
    encoder.put_string(&mut file, b"22");
    finish(file)
}

/// A database, a key, and the value if it is a string.
type Row<'k> = (u64, &'k [u8], Option<Vec<u8>>);

#[test]
fn one_of_each_reads_back() {
    for version in [
        FileVersion::Redis10,
        FileVersion::Redis12,
        FileVersion::Valkey80,
    ] {
        let file = one_of_each(version, true);
        let mut read = Vec::new();
        for_each_entry(&file, |entry| {
            read.push((
                entry.db,
                entry.key.to_vec(),
                string(entry).map(<[u8]>::to_vec),
            ));
            let attributes = (entry.expire_at_ms, entry.lru_idle_secs, entry.lfu_freq);
            match entry.key {
                b"-12" => assert_eq!(attributes, (Some(4_102_444_800_000), None, None)),
                b"" => assert_eq!(attributes, (None, None, Some(7))),
                [b'k', ..] => assert_eq!(attributes, (Some(4_102_444_800_001), Some(99), None)),
                _ => assert_eq!(attributes, (None, None, None)),
            }
            let offset = entry.value_offset as usize;
            assert_eq!(file[offset..][..entry.raw_value.len()], *entry.raw_value);
        });
        let expected: [Row<'_>; 6] = [
            (0, b"plain", Some(b"a value".to_vec())),
            (0, b"-12", Some(b"70000".to_vec())),
            (0, b"", Some(Vec::new())),
            (0, &[b'k'; 70], Some(b"packed ".repeat(9))),
            (9, b"long", Some(vec![0xFE; 300])),
            (9, b"a list", None),
        ];
        assert_eq!(
            read,
            expected.map(|(db, key, value)| (db, key.to_vec(), value))
        );
    }
}

#[test]
fn pieces_cut_at_any_byte_give_the_same_steps() {
    let file = one_of_each(FileVersion::Redis11, true);
    let whole = steps(&file, Options::default()).unwrap();
    for cut in 0..=file.len() {
        assert_eq!(
            steps_in_pieces(&file, [cut], Options::default()).as_ref(),
            Ok(&whole)
        );
    }
    let bytewise = steps_in_pieces(&file, 0..file.len(), Options::default());
    assert_eq!(bytewise, Ok(whole));
}

/// The bytes a string is written as, its entry's head left out.
fn written(bytes: &[u8], compression: bool) -> Vec<u8> {
    let mut out = Vec::new();
    Encoder::new(compression).put_string(&mut out, bytes);
    out
}

#[test]
fn integers_are_written_in_the_fewest_bytes() {
    for (text, bytes) in [
        ("0", &[0xC0, 0][..]),
        ("-128", &[0xC0, 0x80]),
        ("127", &[0xC0, 0x7F]),
        ("128", &[0xC1, 0x80, 0]),
        ("-129", &[0xC1, 0x7F, 0xFF]),
        ("32767", &[0xC1, 0xFF, 0x7F]),
        ("-32769", &[0xC2, 0xFF, 0x7F, 0xFF, 0xFF]),
        ("2147483647", &[0xC2, 0xFF, 0xFF, 0xFF, 0x7F]),
        ("-2147483648", &[0xC2, 0, 0, 0, 0x80]),
        ("2147483648", b"\x0a2147483648"),
        ("-2147483649", b"\x0b-2147483649"),
        ("007", b"\x03007"),
        ("+1", b"\x02+1"),
        ("-0", b"\x02-0"),
        ("-", b"\x01-"),
        ("1 ", b"\x021 "),
        ("", &[0]),
    ] {
        assert_eq!(written(text.as_bytes(), true), bytes, "{text}");
    }
}

#[test]
fn lengths_take_their_four_forms() {
    for (len, head) in [
        (63, &[63][..]),
        (64, &[0x40, 64]),
        (16383, &[0x7F, 0xFF]),
        (16384, &[0x80, 0, 0, 0x40, 0]),
        (u64::from(u32::MAX), &[0x80, 0xFF, 0xFF, 0xFF, 0xFF]),
        (1 << 32, &[0x81, 0, 0, 0, 1, 0, 0, 0, 0]),
        (
            u64::MAX,
            &[0x81, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        ),
    ] {
        let mut out = Vec::new();
        encode::put_len(&mut out, len);
        assert_eq!(out, head, "{len}");
    }
}

#[test]
fn strings_above_twenty_bytes_are_packed_when_asked() {
    assert_eq!(written(&[b'a'; 20], true).len(), 21);
    assert!(written(&[b'a'; 21], true).len() < 12);
    assert_eq!(written(&[b'a'; 21], false).len(), 22);
}

#[test]
fn a_dump_carries_the_oldest_version_and_is_checked() {
    let mut encoder = Encoder::new(true);
    for value in [&b"hello"[..], b"12345", b"", &[b'z'; 500]] {
        let payload = dump::encode_string(&mut encoder, value);
        let body = dump::verify(&payload, true).unwrap();
        assert_eq!(body.version, 6);
        assert_eq!(dumped_string(&body), value);
        for end in 0..payload.len() {
            assert_eq!(
                dump::verify(&payload[..end], true),
                Err(DumpError::VersionOrChecksum)
            );
        }
        for at in 0..payload.len() {
            let mut changed = payload.clone();
            changed[at] ^= 1;
            assert_eq!(
                dump::verify(&changed, true),
                Err(DumpError::VersionOrChecksum)
            );
        }
    }
    let hash = dump::seal(vec![22, 0], Dialect::Valkey);
    assert_eq!(dump::verify(&hash, true).unwrap().version, 80);
}

/// The string of a payload that must hold one.
pub fn dumped_string(body: &Body) -> Vec<u8> {
    match dump::decode(body, &Limits::default()) {
        Ok(Value::String(value)) => value,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_dump_of_a_newer_version_or_a_bad_value_is_refused() {
    let payload = |body: &[u8], version: u16| [body, &version.to_le_bytes(), &[0; 8]].concat();
    for (version, known) in [
        (1, true),
        (12, true),
        (13, false),
        (79, false),
        (80, true),
        (81, false),
    ] {
        assert_eq!(
            dump::verify(&payload(b"\0\0", version), false).is_ok(),
            known,
            "{version}"
        );
    }
    for bytes in [
        &b""[..],
        b"\0",
        b"\0\x05abc",
        b"\0\xC3\x01\x05a",
        b"\x08\0",
        b"\x01\x02\x01a",
    ] {
        let body = Body { bytes, version: 10 };
        let decoded = dump::decode(&body, &Limits::default());
        assert_eq!(decoded.err(), Some(DumpError::BadFormat), "{bytes:?}");
    }
}

fn access() -> impl Strategy<Value = Access> {
    prop_oneof![
        Just(Access::Unknown),
        any::<u64>().prop_map(Access::LruIdleSecs),
        any::<u8>().prop_map(Access::LfuFreq),
    ]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..100),
        prop::collection::vec(0u8..3, 0..400),
        any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        any::<i16>().prop_map(|n| n.to_string().into_bytes()),
    ]
}

proptest! {
    #[test]
    fn entries_come_back(
        entries in prop::collection::vec((text(), text(), any::<Option<u32>>(), access()), 0..20),
        compression in any::<bool>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut encoder = Encoder::new(compression);
        let mut file = Vec::new();
        encode::put_header(&mut file, FileVersion::Redis10);
        for (key, value, expire, access) in &entries {
            let meta = KeyMeta { expire_at_ms: expire.map(i64::from), access: *access };
            encoder.put_string_entry(&mut file, key, value, meta);
        }
        let file = finish(file);
        let mut read = Vec::new();
        for_each_entry(&file, |entry| {
            let access = match (entry.lru_idle_secs, entry.lfu_freq) {
                (Some(secs), None) => Access::LruIdleSecs(secs),
                (None, Some(freq)) => Access::LfuFreq(freq),
                _ => Access::Unknown,
            };
            let value = string(entry).unwrap().to_vec();
            let expire = entry.expire_at_ms.map(|unix_ms| unix_ms as u32);
            read.push((entry.key.to_vec(), value, expire, access));
        });
        prop_assert_eq!(read, entries);
        let whole = steps(&file, Options::default());
        let cut = cut.index(file.len());
        prop_assert_eq!(steps_in_pieces(&file, [cut], Options::default()), whole);
    }
}
