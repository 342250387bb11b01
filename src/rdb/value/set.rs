//! Sets: an intset and a listpack as their own bytes, else member by member.

use super::super::cursor::{Cursor, RawString, Stop};
use super::super::encode::{Encoder, put_len};
use super::super::error::DecodeErrorKind;
use super::super::format::{FileVersion, type_byte as t};
use super::super::text::Text;
use crate::base::number::Digits;
use crate::types::Set;
use crate::types::intset::IntSet;
use crate::types::listpack::{Item, ListPack};
use crate::types::set::Limits;

pub fn type_byte(set: &Set, target: FileVersion) -> u8 {
    match set {
        Set::Ints(_) => t::SET_INTSET,
        Set::Pack(_) if target != FileVersion::Redis10 => t::SET_LISTPACK,
        Set::Pack(_) | Set::Table(_) => t::SET,
    }
}

pub fn put(set: &Set, target: FileVersion, encoder: &mut Encoder, out: &mut Vec<u8>) {
    match set {
        Set::Ints(ints) => encoder.put_string(out, ints.as_bytes()),
        Set::Pack(pack) if target != FileVersion::Redis10 => {
            encoder.put_string(out, pack.as_bytes());
        }
        Set::Pack(_) | Set::Table(_) => {
            put_len(out, set.len() as u64);
            let mut digits = Digits::new();
            for item in set.iter() {
                encoder.put_string(out, item.text(&mut digits));
            }
        }
    }
}

pub fn take(type_byte: u8, cursor: &mut Cursor, limits: &Limits) -> Result<Set, Stop> {
    let bad = |what| Stop::Bad(0, DecodeErrorKind::BadValue(what));
    match type_byte {
        t::SET_INTSET => {
            let ints = IntSet::from_bytes(blob(cursor)?);
            let mut set = Set::Ints(ints.map_err(|_| bad("a broken intset"))?);
            set.expect(set.len(), limits);
            Ok(set)
        }
        t::SET_LISTPACK => {
            let pack = ListPack::from_bytes(blob(cursor)?);
            let pack = pack.map_err(|_| bad("a broken listpack"))?;
            if has_repeated(&pack) {
                return Err(bad(REPEATED));
            }
            let mut set = Set::Pack(pack);
            set.expect(set.len(), limits);
            Ok(set)
        }
        _ => members(cursor, limits),
    }
}

const REPEATED: &str = "a set with a member twice";

fn members(cursor: &mut Cursor, limits: &Limits) -> Result<Set, Stop> {
    let count = usize::try_from(cursor.length()?).unwrap_or(usize::MAX);
    let (mut set, mut text) = (Set::new(), Text::default());
    if count > limits.intset_entries {
        set.make_table();
    }
    for _ in 0..count {
        let raw = cursor.string()?;
        text.load(raw)?;
        if !set.insert(text.of(raw), limits) {
            return Err(Stop::Bad(0, DecodeErrorKind::BadValue(REPEATED)));
        }
    }
    Ok(set)
}

fn blob(cursor: &mut Cursor) -> Result<Vec<u8>, Stop> {
    let raw: RawString = cursor.string()?;
    let mut text = Text::default();
    text.load(raw)?;
    Ok(text.take(raw))
}

/// Whether two entries are the same, in whatever form each of them is.
fn has_repeated(pack: &ListPack) -> bool {
    let (mut ints, mut texts) = (Vec::new(), Vec::new());
    for item in pack.iter() {
        match (item.int(), item) {
            (Some(int), _) => ints.push(int),
            (None, Item::Text(text)) => texts.push(text),
            (None, Item::Int(_)) => {}
        }
    }
    ints.sort_unstable();
    texts.sort_unstable();
    ints.windows(2).any(|pair| pair[0] == pair[1])
        || texts.windows(2).any(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        intset_entries: 4,
        listpack_entries: 4,
        listpack_value_bytes: 8,
    };

    fn set_of(members: &[&str], limits: &Limits) -> Set {
        let mut set = Set::new();
        for member in members {
            assert!(set.insert(member.as_bytes(), limits));
        }
        set
    }

    fn written(set: &Set, target: FileVersion) -> Vec<u8> {
        let mut out = vec![type_byte(set, target)];
        put(set, target, &mut Encoder::new(true), &mut out);
        out
    }

    fn read(bytes: &[u8], limits: &Limits) -> Result<Set, Stop> {
        let mut cursor = Cursor::new(bytes, 1, u64::MAX);
        let set = take(bytes[0], &mut cursor, limits)?;
        assert_eq!(cursor.position(), bytes.len());
        Ok(set)
    }

    #[test]
    fn what_is_written_is_read() {
        let targets = [
            (FileVersion::Redis10, t::SET),
            (FileVersion::Redis11, t::SET_LISTPACK),
            (FileVersion::Redis12, t::SET_LISTPACK),
            (FileVersion::Valkey80, t::SET_LISTPACK),
        ];
        let ints = set_of(&["1", "-70000"], &LIMITS);
        let pack = set_of(&["1", "a", "-5", "c"], &LIMITS);
        let table = set_of(&["1", "a", "-5", "c", "a longer one"], &LIMITS);
        for (target, of_pack) in targets {
            for (set, byte) in [(&ints, t::SET_INTSET), (&pack, of_pack), (&table, t::SET)] {
                let bytes = written(set, target);
                assert_eq!(bytes[0], byte, "{target:?}");
                assert_eq!(&read(&bytes, &LIMITS).unwrap(), set);
            }
        }
        let large = Limits::default();
        let members: Vec<String> = (0..1000).map(|n| format!("member:{n}")).collect();
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        let set = set_of(&members, &large);
        assert_eq!(read(&written(&set, FileVersion::Redis12), &large), Ok(set));
    }

    #[test]
    fn the_reader_chooses_the_form() {
        let none = Limits {
            intset_entries: 0,
            listpack_entries: 0,
            listpack_value_bytes: 0,
        };
        for members in [&["1", "2"][..], &["1", "b"]] {
            let bytes = written(&set_of(members, &LIMITS), FileVersion::Redis12);
            let mut table = set_of(members, &LIMITS);
            table.make_table();
            assert_eq!(read(&bytes, &none), Ok(table));
        }
        let bytes = written(&set_of(&["1", "b"], &none), FileVersion::Redis12);
        assert_eq!(read(&bytes, &LIMITS), Ok(set_of(&["1", "b"], &LIMITS)));
    }

    #[test]
    fn what_is_no_set() {
        let bad = |what| Err(Stop::Bad(0, DecodeErrorKind::BadValue(what)));
        let check = |bytes: &[u8], expect| assert_eq!(read(bytes, &LIMITS), expect, "{bytes:?}");
        check(b"\x02\x02\x01a\x01a", bad(REPEATED));
        check(b"\x02\x02\x01a", Err(Stop::Need(5)));
        check(
            b"\x02\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a",
            Err(Stop::Need(13)),
        );
        check(
            b"\x0b\x0a\x02\0\0\0\x01\0\0\0\x05\0",
            Ok(set_of(&["5"], &LIMITS)),
        );
        check(b"\x0b\x08\x02\0\0\0\0\0\0\0", bad("a broken intset"));
        check(
            b"\x0b\x0c\x02\0\0\0\x02\0\0\0\x05\0\x05\0",
            bad("a broken intset"),
        );
        check(b"\x14\x01x", bad("a broken listpack"));
        check(
            b"\x14\x07\x07\0\0\0\0\0\xff",
            Ok(Set::Pack(ListPack::new())),
        );
        for texts in [&["a", "b", "a"][..], &["1", "b", "1"]] {
            let mut pack = ListPack::new();
            texts
                .iter()
                .for_each(|text| pack.push_back(text.as_bytes()));
            let mut bytes = vec![t::SET_LISTPACK, pack.size_bytes() as u8];
            bytes.extend_from_slice(pack.as_bytes());
            check(&bytes, bad(REPEATED));
        }
        // An integer, and the same written as a text.
        let mixed = b"\x14\x0c\x0c\0\0\0\x02\0\x05\x01\x81\x35\x02\xff";
        check(mixed, bad(REPEATED));
    }
}
