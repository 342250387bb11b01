//! Bytes from strangers: random, mutated, cut anywhere. Neither parser may panic, cost
//! more than what arrived, or answer differently because of where a read ended.

use lockstep::resp::reply::ReplyBuf;
use lockstep::resp::request::{Limits, encode_command};
use lockstep::resp::value::{Value, parse_value};
use proptest::prelude::*;
use std::time::{Duration, Instant};

use super::request::{Commands, feed};

/// Small, so that the limits are met often.
const LIMITS: Limits = Limits {
    bulk_len_bytes_max: 1 << 20,
    authenticated: true,
    inline_bytes_max: 64,
};

fn check_cuts(input: &[u8]) -> Commands {
    let at_once = feed(input, std::iter::empty(), &LIMITS);
    let byte_by_byte = feed(input, 1..input.len().max(1), &LIMITS);
    assert_eq!(at_once, byte_by_byte);
    assert_eq!(
        at_once,
        feed(input, (7..input.len().max(7)).step_by(7), &LIMITS)
    );
    at_once
}

fn words() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let word = proptest::collection::vec(any::<u8>(), 0..40);
    proptest::collection::vec(word, 1..6)
}

/// Pieces of protocol that lead deeper than random bytes would.
fn protocol_text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"*1\r\n".to_vec()),
        Just(b"*3\r\n".to_vec()),
        Just(b"*2147483647\r\n".to_vec()),
        Just(b"$3\r\nabc\r\n".to_vec()),
        Just(b"$0\r\n\r\n".to_vec()),
        Just(b"$1048576\r\n".to_vec()),
        Just(b"%1\r\n".to_vec()),
        Just(b"|1\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"SET 'a' \"\\x00\"\r\n".to_vec()),
        "[*$:+,~>=#_(!-][-0-9a-z]{0,6}(\r\n)?".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..8),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = Value> {
    let text = || proptest::collection::vec(any::<u8>(), 0..20);
    let line = || "[a-zA-Z0-9 ]{0,20}".prop_map(String::into_bytes);
    let leaf = prop_oneof![
        line().prop_map(Value::Simple),
        line().prop_map(Value::Error),
        any::<i64>().prop_map(Value::Integer),
        text().prop_map(Value::Bulk),
        Just(Value::Null),
        any::<f64>()
            .prop_filter("NaN is not equal to itself", |value| !value.is_nan())
            .prop_map(Value::Double),
        any::<bool>().prop_map(Value::Boolean),
        "-?[1-9][0-9]{0,40}".prop_map(|digits| Value::BigNumber(digits.into_bytes())),
        text().prop_map(|text| Value::Verbatim(*b"txt", text)),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let items = || proptest::collection::vec(inner.clone(), 0..6);
        let pairs = || proptest::collection::vec((inner.clone(), inner.clone()), 0..4);
        prop_oneof![
            items().prop_map(Value::Array),
            items().prop_map(Value::Set),
            items().prop_map(Value::Push),
            pairs().prop_map(Value::Map),
            (pairs(), inner.clone())
                .prop_map(|(pairs, value)| Value::Attributed(pairs, Box::new(value))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn commands_come_out_as_they_went_in(commands in proptest::collection::vec(words(), 1..5)) {
        let mut input = Vec::new();
        commands.iter().for_each(|words| encode_command(words, &mut input));
        prop_assert_eq!(check_cuts(&input), (commands, Ok(0)));
    }

    #[test]
    fn random_bytes_give_the_same_however_cut(
        input in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let _ = check_cuts(&input);
        let _ = parse_value(&input);
    }

    #[test]
    fn protocol_soup_gives_the_same_however_cut(input in protocol_text()) {
        let _ = check_cuts(&input);
        if let Ok(Some((_, consumed))) = parse_value(&input) {
            prop_assert!(consumed <= input.len());
            for cut in 0..consumed {
                prop_assert_eq!(parse_value(&input[..cut]), Ok(None));
            }
        }
    }

    #[test]
    fn mutated_commands_give_the_same_however_cut(
        words in words(), at: prop::sample::Index, byte: u8, insert: bool,
    ) {
        let mut input = Vec::new();
        (0..3).for_each(|_| encode_command(&words, &mut input));
        let at = at.index(input.len());
        if insert { input.insert(at, byte) } else { input[at] = byte }
        let _ = check_cuts(&input);
        let _ = parse_value(&input);
    }

    #[test]
    fn values_round_trip(value in value()) {
        let mut out = ReplyBuf::with_protocol(true);
        value.write(&mut out);
        let (read, consumed) = parse_value(out.bytes()).unwrap().unwrap();
        prop_assert_eq!(consumed, out.len_bytes());
        prop_assert_eq!(read, value);
    }

    #[test]
    fn what_resp2_makes_of_a_value_reads_back(value in value()) {
        let mut out = ReplyBuf::new();
        value.write(&mut out);
        let (plain, consumed) = parse_value(out.bytes()).unwrap().unwrap();
        prop_assert_eq!(consumed, out.len_bytes());
        let mut again = ReplyBuf::new();
        plain.write(&mut again);
        prop_assert_eq!(again.bytes(), out.bytes());
    }
}

/// A frame of very many arguments in small reads: the time must grow with the bytes, not
/// with the bytes times the reads.
#[test]
fn long_frames_are_parsed_once() {
    const ARGS: usize = 300_000;
    let mut input = format!("*{ARGS}\r\n").into_bytes();
    (0..ARGS).for_each(|_| input.extend_from_slice(b"$1\r\nx\r\n"));
    let start = Instant::now();
    let (commands, rest) = feed(&input, (1..input.len()).step_by(64), &LIMITS);
    assert_eq!((commands[0].len(), rest), (ARGS, Ok(0)));
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// A megabyte in one argument, byte by byte.
#[test]
fn long_arguments_are_not_scanned() {
    let mut input = Vec::new();
    encode_command(&[vec![b'\n'; 1 << 20]], &mut input);
    let start = Instant::now();
    let (commands, rest) = feed(&input, 1..input.len(), &LIMITS);
    assert_eq!((commands.len(), rest), (1, Ok(0)));
    assert!(start.elapsed() < Duration::from_secs(5));
}
