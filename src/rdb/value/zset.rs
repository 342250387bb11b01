//! Sorted sets: a listpack as its own bytes, else member by member with its score.

use std::ops::Range;

use super::super::cursor::{Cursor, RawString, Stop};
use super::super::encode::{Encoder, put_len};
use super::super::error::DecodeErrorKind;
use super::super::format::type_byte as t;
use super::super::legacy;
use super::super::text::Text;
use crate::base::number::{self, Digits};
use crate::types::ZSet;
use crate::types::listpack::ListPack;
use crate::types::zset::Limits;

/// Every version that is written knows both.
pub fn type_byte(set: &ZSet) -> u8 {
    match set.as_pack() {
        Some(_) => t::ZSET_LISTPACK,
        None => t::ZSET_2,
    }
}

pub fn put(set: &ZSet, encoder: &mut Encoder, out: &mut Vec<u8>) {
    if let Some(pack) = set.as_pack() {
        return encoder.put_string(out, pack.as_bytes());
    }
    put_len(out, set.len() as u64);
    let mut digits = Digits::new();
    // From the end: who loads it into a list inserts at the head, which is cheap.
    for (member, score) in set.walk(set.len().saturating_sub(1), usize::MAX, true) {
        encoder.put_string(out, member.text(&mut digits));
        out.extend_from_slice(&score.to_le_bytes());
    }
}

pub fn take(type_byte: u8, cursor: &mut Cursor, limits: &Limits) -> Result<ZSet, Stop> {
    let pack = match type_byte {
        t::ZSET_LISTPACK => ListPack::from_bytes(blob(cursor)?).ok(),
        t::ZSET_ZIPLIST => from_ziplist(&blob(cursor)?),
        _ => return members(type_byte, cursor, limits),
    };
    let set = pack.and_then(|pack| ZSet::from_pack(pack, limits));
    set.ok_or(bad("a broken sorted set"))
}

fn bad(what: &'static str) -> Stop {
    Stop::Bad(0, DecodeErrorKind::BadValue(what))
}

fn blob(cursor: &mut Cursor) -> Result<Vec<u8>, Stop> {
    let raw = cursor.string()?;
    let mut text = Text::default();
    text.load(raw)?;
    Ok(text.take(raw))
}

fn from_ziplist(bytes: &[u8]) -> Option<ListPack> {
    let (items, _) = legacy::ziplist(bytes).ok()?;
    let mut pack = ListPack::with_capacity(bytes.len());
    items.for_each(|item| pack.push_item(item));
    Some(pack)
}

/// A member's bytes: where they are, or where in the text of those that had to be unpacked.
enum Member<'a> {
    Plain(&'a [u8]),
    Unpacked(Range<usize>),
}

fn members(type_byte: u8, cursor: &mut Cursor, limits: &Limits) -> Result<ZSet, Stop> {
    let count = cursor.length()?;
    let (mut members, mut unpacked, mut text) = (Vec::new(), Vec::new(), Text::default());
    for _ in 0..count {
        let member = match cursor.string()? {
            RawString::Plain(bytes) => Member::Plain(bytes),
            raw => {
                text.load(raw)?;
                let start = unpacked.len();
                unpacked.extend_from_slice(text.of(raw));
                Member::Unpacked(start..unpacked.len())
            }
        };
        let score = match type_byte {
            t::ZSET => text_score(cursor)?,
            _ => f64::from_le_bytes(cursor.array()?),
        };
        if score.is_nan() {
            return Err(bad("a sorted set with a score that is no number"));
        }
        members.push((score, member));
    }
    let bytes_of = |member| match member {
        Member::Plain(bytes) => bytes,
        Member::Unpacked(range) => unpacked.get(range).unwrap_or_default(),
    };
    let members = members.into_iter();
    let members = members.map(|(score, member)| (score, bytes_of(member)));
    let set = ZSet::build(members.collect(), limits);
    set.ok_or(bad("a sorted set with a member twice"))
}

/// A score as its text, behind its length; the greatest lengths stand for what has none.
fn text_score(cursor: &mut Cursor) -> Result<f64, Stop> {
    match cursor.byte()? {
        255 => Ok(f64::NEG_INFINITY),
        254 => Ok(f64::INFINITY),
        253 => Ok(f64::NAN),
        len => {
            let text = cursor.bytes(len.into())?;
            number::parse_f64(text).ok_or(bad("a score that is no number"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        entries: 4,
        value_bytes: 8,
    };

    fn set_of(members: &[(&str, f64)]) -> ZSet {
        let mut set = ZSet::default();
        for (member, score) in members {
            set.set(member.as_bytes(), *score, &LIMITS);
        }
        set
    }

    fn written(set: &ZSet) -> Vec<u8> {
        let mut out = Vec::new();
        put(set, &mut Encoder::new(false), &mut out);
        out
    }

    fn read(type_byte: u8, bytes: &[u8], limits: &Limits) -> Result<ZSet, Stop> {
        take(type_byte, &mut Cursor::new(bytes, 0, u64::MAX), limits)
    }

    fn contents(set: &ZSet) -> Vec<(Vec<u8>, f64)> {
        set.iter().map(|(m, score)| (m.to_vec(), score)).collect()
    }

    const FEW: &[(&str, f64)] = &[("a", -1.5), ("b", 2.0), ("7", f64::INFINITY)];
    const MANY: &[(&str, f64)] = &[
        ("a", -1.5),
        ("b", 2.0),
        ("12345", f64::INFINITY),
        ("d", f64::NEG_INFINITY),
        ("a longer one", 0.1),
    ];

    #[test]
    fn both_forms_come_back() {
        for (members, byte) in [(FEW, t::ZSET_LISTPACK), (MANY, t::ZSET_2)] {
            let set = set_of(members);
            assert_eq!(type_byte(&set), byte);
            let bytes = written(&set);
            for limits in [
                LIMITS,
                Limits::default(),
                Limits {
                    entries: 0,
                    ..LIMITS
                },
            ] {
                let again = read(byte, &bytes, &limits).unwrap();
                assert_eq!(contents(&again), contents(&set));
                let is_small = limits.allow(members.len(), if byte == t::ZSET_2 { 12 } else { 1 });
                assert_eq!(again.as_pack().is_some(), is_small);
            }
            for end in 0..bytes.len() {
                assert!(read(byte, &bytes[..end], &LIMITS).is_err());
            }
        }
    }

    #[test]
    fn scores_as_text() {
        let bytes = b"\x03\x01a\x041e-3\x01b\xfe\x01c\xff";
        let set = read(t::ZSET, bytes, &LIMITS).unwrap();
        let expect = [("c", f64::NEG_INFINITY), ("a", 0.001), ("b", f64::INFINITY)];
        assert_eq!(contents(&set), expect.map(|(m, s)| (m.into(), s)));
        assert!(read(t::ZSET, b"\x01\x01a\xfd", &LIMITS).is_err());
        assert!(read(t::ZSET, b"\x01\x01a\x02xx", &LIMITS).is_err());
    }

    #[test]
    fn ziplists() {
        let bytes = b"\x15\x15\0\0\0\x12\0\0\0\x04\0\0\x01a\x03\xf2\x02\x01b\x03\xf3\xff";
        let set = read(t::ZSET_ZIPLIST, bytes, &LIMITS).unwrap();
        assert_eq!(contents(&set), [(b"a".to_vec(), 1.0), (b"b".to_vec(), 2.0)]);
        assert!(read(t::ZSET_ZIPLIST, &bytes[..20], &LIMITS).is_err());
    }

    #[test]
    fn hostile_bytes() {
        let nan = f64::NAN.to_le_bytes();
        let with_nan = [b"\x01\x01a", &nan[..]].concat();
        let one = 1f64.to_le_bytes();
        let twice = [b"\x02\x01a", &one[..], b"\x01a", &one].concat();
        let endless = [b"\x81\x7f\0\0\0\0\0\0\0\x01a", &one[..]].concat();
        for bytes in [&with_nan, &twice, &endless] {
            assert!(read(t::ZSET_2, bytes, &LIMITS).is_err());
            assert!(
                read(
                    t::ZSET_2,
                    bytes,
                    &Limits {
                        entries: 0,
                        ..LIMITS
                    }
                )
                .is_err()
            );
        }
    }
}
