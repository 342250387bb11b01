//! Files cut short, changed and made up: each gives steps or an error that says where.

use crate::codec::one_of_each;
use crate::collect::{steps, steps_in_pieces};
use lockstep::rdb::decode::{DecodeErrorKind, Options};
use lockstep::rdb::format::FileVersion;
use proptest::prelude::*;

/// Nothing that depends on the checksum, so that what is behind it is reached.
pub fn unchecked() -> Options {
    Options {
        verify_checksum: false,
        ..Options::default()
    }
}

/// Reads a file that may be wrong in any way.
pub fn read_broken(file: &[u8], options: Options) {
    match steps(file, options) {
        Ok(steps) => assert!(steps.last().unwrap().starts_with("End")),
        Err(error) => {
            assert!(error.offset <= file.len() as u64, "{error}");
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("at offset {}: ", error.offset))
            );
        }
    }
}

/// Every way to cut `file` short is found out, and every changed byte is survived.
pub fn cut_and_change(file: &[u8]) {
    for end in 0..file.len() {
        let error = steps(&file[..end], Options::default()).unwrap_err();
        assert_eq!(
            (error.offset, error.kind),
            (end as u64, DecodeErrorKind::Truncated)
        );
    }
    let mut changed = file.to_vec();
    for at in 0..file.len() {
        for byte in [
            0,
            0x3F,
            0x7F,
            0x80,
            0x81,
            0xC3,
            0xFF,
            file[at] ^ 1,
            file[at] ^ 0x40,
        ] {
            changed[at] = byte;
            read_broken(&changed, unchecked());
            if byte != file[at] {
                read_broken(&changed, Options::default());
            }
        }
        changed[at] = file[at];
    }
}

#[test]
fn our_own_file_cut_and_changed_anywhere() {
    cut_and_change(&one_of_each(FileVersion::Redis12, true));
    cut_and_change(&one_of_each(FileVersion::Valkey80, false));
}

#[test]
fn a_changed_byte_is_noticed_by_the_checksum() {
    let file = one_of_each(FileVersion::Redis10, false);
    for at in 9..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 4;
        assert!(steps(&changed, Options::default()).is_err(), "at {at}");
    }
}

fn error_of(file: &[u8]) -> String {
    steps(file, Options::default()).unwrap_err().to_string()
}

fn check_errors(table: &[(&[u8], &str)]) {
    for (file, expected) in table {
        assert_eq!(error_of(file), *expected);
    }
}

#[test]
fn headers_are_refused_as_redis_does() {
    check_errors(&[
        (
            b"MYSQL0011",
            "at offset 0: Wrong signature trying to load DB from file",
        ),
        (
            b"REDIS0000",
            "at offset 0: Can't handle RDB format version 0",
        ),
        (
            b"REDIS0013",
            "at offset 0: Can't handle RDB format version 13",
        ),
        (
            b"REDIS0080",
            "at offset 0: Can't handle RDB format version 80",
        ),
        (
            b"REDIS9999",
            "at offset 0: Can't handle RDB format version 9999",
        ),
        (
            b"REDISabcd",
            "at offset 0: Can't handle RDB format version 0",
        ),
        (
            b"VALKEY011",
            "at offset 0: Can't handle RDB format version 11",
        ),
        (
            b"VALKEY081",
            "at offset 0: Can't handle RDB format version 81",
        ),
    ]);
}

#[test]
fn items_are_refused_and_the_error_says_where() {
    check_errors(&[
        (b"REDIS0011", "at offset 9: Unexpected EOF reading RDB file"),
        (b"REDIS0011\x08", "at offset 9: Unknown RDB encoding type 8"),
        (
            b"REDIS0011\x1A",
            "at offset 9: Unknown RDB encoding type 26",
        ),
        (
            b"VALKEY080\x18",
            "at offset 9: Unknown RDB encoding type 24",
        ),
        (
            b"REDIS0011\xF3",
            "at offset 9: Unknown RDB encoding type 243",
        ),
        (
            b"REDIS0011\xF6",
            "at offset 9: Pre-release function format not supported.",
        ),
        (
            b"REDIS0011\x06\x01k",
            "at offset 9: Pre-release module format not supported",
        ),
        (
            b"REDIS0011\0\x01k\xC4",
            "at offset 12: Unknown RDB string encoding type 4",
        ),
        (
            b"REDIS0011\0\x82",
            "at offset 10: Unknown length encoding 0x82",
        ),
        (
            b"REDIS0011\xFE\xC0",
            "at offset 10: Unknown length encoding 0xc0",
        ),
        (
            b"REDIS0011\0\x01k\xC3\x02\x03\x05a",
            "at offset 15: Invalid LZF compressed string",
        ),
        (
            b"REDIS0011\0\x01k\xC3\x02\x43\xFF",
            "at offset 12: Invalid LZF compressed string",
        ),
        (b"REDIS0011\xF7\0\x01\0", "at offset 11: bad when_opcode"),
    ]);
    let error = error_of(b"REDIS0011\xFF12345678");
    assert!(error.starts_with("at offset 10: Wrong RDB checksum expected: (629738748d8a22c0)"));
    assert!(
        error.ends_with(" but got (3837363534333231). Aborting now."),
        "{error}"
    );
}

#[test]
fn modules_are_refused_by_name_or_stepped_over() {
    // The id spells "testmodul" with encoding version 0; the value is a number, a string,
    // two floats of both sizes and the end.
    let id = "testmodul"
        .bytes()
        .fold(0u64, |id, byte| id << 6 | u64::from(byte - b'a' + 26))
        << 10;
    let fields = b"\x02\x07\x01\x40\x80\x05\x03abc\x03ffff\x04dddddddd\0";
    let key = [b"\x07\x01m\x81", &id.to_be_bytes()[..], fields].concat();
    let aux = [b"\xF7\x81", &id.to_be_bytes()[..], b"\x02\x01", fields].concat();
    let end = b"\xFF\0\0\0\0\0\0\0\0";
    for (item, refusal) in [
        (
            &key,
            "module data I can't load: no matching module type 'testmodul'",
        ),
        (
            &aux,
            "AUX module data I can't load: no matching module 'testmodul'",
        ),
    ] {
        let file = [b"REDIS0011", &item[..], end].concat();
        assert_eq!(
            error_of(&file),
            format!("at offset 9: The RDB file contains {refusal}")
        );
        let options = Options {
            skip_modules: true,
            ..Options::default()
        };
        assert_eq!(steps(&file, options.clone()).unwrap().len(), 3);
        let bytewise = steps_in_pieces(&file, 0..file.len(), options.clone());
        assert_eq!(bytewise, steps(&file, options));
    }
}

#[test]
fn old_versions_end_without_a_checksum() {
    let steps = steps(
        b"REDIS0003\xFD\x01\0\0\0\0\x01k\x01v\xFF",
        Options::default(),
    )
    .unwrap();
    assert!(steps[1].contains("expire_at_ms: Some(1000)"), "{steps:?}");
    assert_eq!(steps[2], "End { checksum: Absent }");
}

#[test]
fn a_claim_of_exabytes_asks_for_them_and_no_more() {
    for claim in [
        &b"\0\x01k\x81\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"[..],
        b"\0\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
    ] {
        let file = [b"REDIS0011", claim].concat();
        assert!(error_of(&file).ends_with("Unexpected EOF reading RDB file"));
        let options = Options {
            string_bytes_max: 1 << 29,
            ..Options::default()
        };
        let error = steps(&file, options).unwrap_err().to_string();
        assert!(error.ends_with("bytes is longer than the limit"), "{error}");
    }
}

fn mutated(file: &[u8], changes: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    let mut file = file.to_vec();
    for (at, byte, how) in changes {
        let at = 9 + at.index(file.len() - 9);
        match how % 4 {
            0 => file[at] = *byte,
            1 => file.insert(at, *byte),
            2 if file.len() > 20 => drop(file.remove(at)),
            _ => file[at] ^= 1 << (byte % 8),
        }
    }
    file
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_mutation_brings_it_down(
        changes in prop::collection::vec(any::<(prop::sample::Index, u8, u8)>(), 1..8),
        cut in any::<prop::sample::Index>(),
        skip_modules in any::<bool>(),
    ) {
        let file = mutated(&one_of_each(FileVersion::Redis12, true), &changes);
        let options = Options { skip_modules, ..unchecked() };
        read_broken(&file, options.clone());
        let cut = cut.index(file.len());
        let in_pieces = steps_in_pieces(&file, [cut], options.clone());
        prop_assert_eq!(in_pieces, steps(&file, options));
    }

    #[test]
    fn no_noise_brings_it_down(
        valkey in any::<bool>(),
        noise in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..26, 243u8..=255], 0..200),
    ) {
        let header: &[u8] = if valkey { b"VALKEY080" } else { b"REDIS0012" };
        let file = [header, &noise].concat();
        let options = Options { skip_modules: true, ..unchecked() };
        read_broken(&file, options.clone());
        let bytewise = steps_in_pieces(&file, 0..file.len(), options.clone());
        prop_assert_eq!(bytewise, steps(&file, options));
    }
}
