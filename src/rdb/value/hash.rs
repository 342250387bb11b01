//! Hashes: pair by pair, as a zipmap, as a ziplist, and since file version 10 as a listpack.
//! Fields with a time to live are known to Redis from file version 12 on, and to Valkey in
//! its own way; nobody else can be given them.
//!
//! ```text
//!   HASH                  n  { name value } ..
//!   HASH_LISTPACK         listpack of name value ..
//!   Redis, METADATA       first time  n  { time name value } ..   0 for none, else counted
//!                                                                 from the first time, plus 1
//!   Redis, LISTPACK_EX    first time  listpack of name value time ..
//!   Valkey, HASH_2        n  { name value time } ..               -1 for none
//! ```

use crate::base::number::Digits;
use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::encode::{Encoder, put_len, put_ms};
use crate::rdb::error::DecodeErrorKind;
use crate::rdb::format::type_byte as t;
use crate::rdb::format::{Dialect, FileVersion};
use crate::rdb::legacy;
use crate::rdb::text::Text;
use crate::types::Hash;
use crate::types::hash::{Limits, Term};
use crate::types::listpack::{Item, ListPack};

/// How Valkey writes that a field does not end.
const VALKEY_ENDLESS: i64 = -1;

/// `None` if a file of that version has no room for the times of fields.
pub fn type_byte(hash: &Hash, target: FileVersion) -> Option<u8> {
    match (hash.first_ms(), target) {
        (None, _) if hash.is_small() => Some(t::HASH_LISTPACK),
        (None, _) => Some(t::HASH),
        (Some(_), FileVersion::Redis12) if hash.is_small() => Some(t::REDIS_HASH_LISTPACK_EX),
        (Some(_), FileVersion::Redis12) => Some(t::REDIS_HASH_METADATA),
        (Some(_), FileVersion::Valkey80) => Some(t::VALKEY_HASH_2),
        (Some(_), FileVersion::Redis10 | FileVersion::Redis11) => None,
    }
}

pub fn put(hash: &Hash, target: FileVersion, encoder: &mut Encoder, out: &mut Vec<u8>) {
    let first_ms = hash.first_ms();
    let is_valkeys = first_ms.is_some() && target == FileVersion::Valkey80;
    if let Some(first_ms) = first_ms.filter(|_| !is_valkeys) {
        put_ms(out, first_ms);
    }
    if !is_valkeys {
        let packed = hash.with_pack(|pack, _| encoder.put_string(out, pack.as_bytes()));
        if packed.is_some() {
            return;
        }
    }
    put_len(out, hash.len() as u64);
    let (mut name_digits, mut value_digits) = (Digits::new(), Digits::new());
    for (name, field) in hash.iter() {
        if let Some(first_ms) = first_ms.filter(|_| !is_valkeys) {
            let since_first = field.expire_at_ms.map(|at_ms| at_ms.abs_diff(first_ms) + 1);
            put_len(out, since_first.unwrap_or(0));
        }
        encoder.put_string(out, name.text(&mut name_digits));
        encoder.put_string(out, field.value.text(&mut value_digits));
        if is_valkeys {
            put_ms(out, field.expire_at_ms.unwrap_or(VALKEY_ENDLESS));
        }
    }
}

/// Whether a hash stands behind this type byte.
pub fn is_type(type_byte: u8, dialect: Dialect) -> bool {
    match type_byte {
        t::HASH | t::HASH_ZIPMAP | t::HASH_ZIPLIST | t::HASH_LISTPACK => true,
        t::REDIS_HASH_METADATA_PRE_GA..=t::REDIS_HASH_LISTPACK_EX => {
            dialect == Dialect::Redis || type_byte == t::VALKEY_HASH_2
        }
        _ => false,
    }
}

/// Reads a hash that stands behind one of its type bytes.
pub fn take(
    type_byte: u8,
    dialect: Dialect,
    cursor: &mut Cursor,
    limits: &Limits,
) -> Result<Hash, Stop> {
    match type_byte {
        t::HASH => take_fields(cursor, limits, Times::None),
        t::VALKEY_HASH_2 if dialect == Dialect::Valkey => {
            take_fields(cursor, limits, Times::Behind)
        }
        t::REDIS_HASH_METADATA_PRE_GA => take_fields(cursor, limits, Times::From(0)),
        t::REDIS_HASH_METADATA => {
            // Counted from 1, since 0 is none.
            let first_ms = u64::from_le_bytes(cursor.array()?);
            take_fields(cursor, limits, Times::From(first_ms.wrapping_sub(1)))
        }
        t::REDIS_HASH_LISTPACK_EX => {
            cursor.array::<8>()?;
            take_listpack(cursor, limits, true)
        }
        t::REDIS_HASH_LISTPACK_EX_PRE_GA => take_listpack(cursor, limits, true),
        t::HASH_LISTPACK => take_listpack(cursor, limits, false),
        _ => take_legacy(type_byte, cursor, limits),
    }
}

/// Where the times of fields stand.
#[derive(Clone, Copy)]
enum Times {
    None,
    /// A number in front of each field, 0 for none, counted from here.
    From(u64),
    /// Eight bytes behind each.
    Behind,
}

fn take_fields(cursor: &mut Cursor, limits: &Limits, times: Times) -> Result<Hash, Stop> {
    let mut hash = Hash::new();
    let (mut name_text, mut value_text) = (Text::default(), Text::default());
    for _ in 0..cursor.length()? {
        let mut expire_at_ms = match times {
            Times::From(first) => match cursor.length()? {
                0 => None,
                number => Some(first.wrapping_add(number)),
            },
            Times::None | Times::Behind => None,
        };
        let name = cursor.string()?;
        name_text.load(name)?;
        let value = cursor.string()?;
        value_text.load(value)?;
        if let Times::Behind = times {
            let at_ms = i64::from_le_bytes(cursor.array()?);
            expire_at_ms = u64::try_from(at_ms).ok();
        }
        let term = match expire_at_ms {
            None => Term::Endless,
            Some(at_ms) => Term::Until(i64::try_from(at_ms).unwrap_or(i64::MAX)),
        };
        if !hash.set(name_text.of(name), value_text.of(value), term, limits) {
            return Err(bad(cursor, "a hash with a field twice"));
        }
    }
    Ok(hash)
}

fn take_listpack(cursor: &mut Cursor, limits: &Limits, timed: bool) -> Result<Hash, Stop> {
    let raw = cursor.string()?;
    let mut text = Text::default();
    text.load(raw)?;
    let pack = ListPack::from_bytes(text.take(raw)).ok();
    let hash = pack.and_then(|pack| Hash::of_pack(pack, timed, limits));
    hash.ok_or_else(|| bad(cursor, "a hash's listpack"))
}

fn take_legacy(type_byte: u8, cursor: &mut Cursor, limits: &Limits) -> Result<Hash, Stop> {
    let raw = cursor.string()?;
    let mut text = Text::default();
    text.load(raw)?;
    let bytes = text.of(raw);
    let mut pack = ListPack::with_capacity(bytes.len());
    let mut has_room = true;
    let mut push = |item: Item| {
        has_room &= pack.has_room_for(item.len_bytes());
        if has_room {
            pack.push_back(item.text(&mut Digits::new()));
        }
    };
    let read = if type_byte == t::HASH_ZIPMAP {
        legacy::zipmap(bytes).map(|(pairs, _)| {
            pairs.for_each(|(name, value)| {
                push(Item::Text(name));
                push(Item::Text(value));
            });
        })
    } else {
        legacy::ziplist(bytes).map(|(items, _)| items.for_each(&mut push))
    };
    let hash = read.ok().filter(|()| has_room);
    let hash = hash.and_then(|()| Hash::of_pack(pack, false, limits));
    hash.ok_or_else(|| bad(cursor, "a hash's ziplist or zipmap"))
}

fn bad(cursor: &Cursor, what: &'static str) -> Stop {
    Stop::Bad(cursor.position(), DecodeErrorKind::BadValue(what))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::rng::Rng;
    use crate::rdb::value::decode;
    use crate::types::{Limits as AllLimits, Value};

    type Fields = BTreeMap<String, (String, Option<i64>)>;

    fn fields(hash: &Hash) -> Fields {
        let text = |item: Item| String::from_utf8(item.to_vec()).unwrap();
        let fields = hash.iter();
        fields
            .map(|(name, field)| (text(name), (text(field.value), field.expire_at_ms)))
            .collect()
    }

    /// Limits under which every hash is small, and such under which none is.
    fn limits() -> [AllLimits; 2] {
        let [mut small, mut large] = [AllLimits::default(); 2];
        small.hash.fields = usize::MAX;
        small.hash.text_bytes = usize::MAX;
        large.hash.fields = 0;
        [small, large]
    }

    fn read(type_byte: u8, dialect: Dialect, raw: &[u8], limits: &AllLimits) -> Option<Hash> {
        match decode(type_byte, dialect, raw, limits) {
            Ok(Value::Hash(hash)) => Some(hash),
            Ok(_) => panic!("another type"),
            Err(_) => None,
        }
    }

    fn unhex(text: &str) -> Vec<u8> {
        let pairs = (0..text.len()).step_by(2);
        pairs
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    fn three(b_ms: Option<i64>, c_ms: Option<i64>) -> Fields {
        [("a", "1", None), ("b", "two", b_ms), ("c", "33333", c_ms)]
            .map(|(name, value, at_ms)| (name.to_owned(), (value.to_owned(), at_ms)))
            .into()
    }

    #[test]
    fn what_others_have_written() {
        let timed = three(Some(2_000_000_000_500), Some(2_000_000_000_000));
        let plain = three(None, None);
        let check = |dialect, bytes: &str, expect: &Fields| {
            let bytes = unhex(bytes);
            for limits in limits() {
                let hash = read(bytes[0], dialect, &bytes[1..], &limits);
                assert_eq!(fields(&hash.expect("a hash")), *expect, "type {}", bytes[0]);
            }
        };
        let redis = Dialect::Redis;
        let pack = "1c1c000000060081610201018162028374776f04816302f235820004ff";
        check(redis, &format!("10{pack}"), &plain);
        check(redis, "04030161c00101620374776f0163c235820000", &plain);
        check(redis, "04030163c23582000001620374776f0161c001", &plain);
        // The first time is not always the first one there.
        let pack = "32320000000900816302f235820004f400204aa9d1010000098162028374776f04\
                    f4f4214aa9d10100000981610201010001ff";
        check(redis, &format!("19f4214aa9d1010000{pack}"), &timed);
        check(redis, &format!("17{pack}"), &timed);
        let large = "03000161c00141f501620374776f010163c235820000";
        check(redis, &format!("1800204aa9d1010000{large}"), &timed);
        check(
            Dialect::Valkey,
            "16030161c001ffffffffffffffff01620374776ff4214aa9d1010000\
             0163c23582000000204aa9d1010000",
            &timed,
        );
    }

    fn random_hash(rng: &mut Rng, limits: &Limits, timed: bool) -> Hash {
        let mut hash = Hash::new();
        for _ in 0..rng.below(40) {
            let name = match rng.below(3) {
                0 => rng.below(1000).to_string(),
                _ => format!("name {}", rng.below(1000)),
            };
            let value = "value".repeat(rng.below(20) as usize);
            let term = match rng.below(2) {
                0 if timed => Term::Until(1 + rng.below(1 << 46) as i64),
                _ => Term::Endless,
            };
            hash.set(name.as_bytes(), value.as_bytes(), term, limits);
        }
        hash
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut rng = Rng::seeded(1);
        let targets = [
            (FileVersion::Redis10, Dialect::Redis),
            (FileVersion::Redis11, Dialect::Redis),
            (FileVersion::Redis12, Dialect::Redis),
            (FileVersion::Valkey80, Dialect::Valkey),
        ];
        for round in 0..300 {
            let [small, large] = limits();
            let limits = if round % 2 == 0 { small } else { large };
            let hash = random_hash(&mut rng, &limits.hash, round % 3 > 0);
            for (target, dialect) in targets {
                let Some(type_byte) = type_byte(&hash, target) else {
                    assert!(hash.first_ms().is_some());
                    assert!(matches!(
                        target,
                        FileVersion::Redis10 | FileVersion::Redis11
                    ));
                    continue;
                };
                let mut raw = Vec::new();
                put(&hash, target, &mut Encoder::new(round % 5 > 0), &mut raw);
                for limits in [small, large] {
                    let copy = read(type_byte, dialect, &raw, &limits).expect("a hash");
                    assert_eq!(fields(&copy), fields(&hash));
                }
                check_broken(type_byte, dialect, &raw, &mut rng);
            }
        }
    }

    /// Bytes that were cut or changed are refused, or a hash, whatever it holds.
    fn check_broken(type_byte: u8, dialect: Dialect, raw: &[u8], rng: &mut Rng) {
        for limits in limits() {
            for _ in 0..5 {
                let mut bytes = raw.to_vec();
                bytes.truncate(rng.below(raw.len() as u64) as usize);
                assert!(read(type_byte, dialect, &bytes, &limits).is_none());
                let mut bytes = raw.to_vec();
                let at = rng.below(raw.len() as u64) as usize;
                bytes[at] ^= 1 << rng.below(8);
                if let Some(hash) = read(type_byte, dialect, &bytes, &limits) {
                    assert_eq!(hash.iter().count(), hash.len());
                }
            }
        }
    }

    #[test]
    fn what_is_refused() {
        let check = |type_byte, dialect, bytes: &str| {
            for limits in limits() {
                let hash = read(type_byte, dialect, &unhex(bytes), &limits);
                assert!(hash.is_none(), "{type_byte}: {bytes}");
            }
        };
        let redis = Dialect::Redis;
        // A field twice.
        check(t::HASH, redis, "020161c0010161c002");
        check(
            t::HASH_LISTPACK,
            redis,
            "11110000000400816102010181610202 01ff"
                .replace(' ', "")
                .as_str(),
        );
        // More than there is.
        check(t::HASH, redis, "817fffffffffffffff0161c001");
        check(t::HASH, redis, "0361c001");
        // A name without a value, and not even a listpack.
        check(t::HASH_LISTPACK, redis, "0a0a0000000100816102ff");
        check(t::HASH_LISTPACK, redis, "00");
        check(t::HASH_ZIPLIST, redis, "00");
        check(t::HASH_ZIPMAP, redis, "00");
        // Bytes behind it.
        check(t::HASH, redis, "010161c00100");
        // Types that the other one does not have.
        check(
            t::REDIS_HASH_METADATA,
            Dialect::Valkey,
            "000000000000000000",
        );
        check(
            t::REDIS_HASH_LISTPACK_EX,
            Dialect::Valkey,
            "0000000000000000070700000000 00ff"
                .replace(' ', "")
                .as_str(),
        );
    }

    #[test]
    fn old_forms() {
        let redis = Dialect::Redis;
        let expect = three(None, None);
        // zipmap: count, then length, text, length, free, text ..
        let zipmap = "0301610100310162030074776f016305003333333333ff";
        let zipmap = format!("{:02x}{zipmap}", zipmap.len() / 2);
        for limits in limits() {
            let hash = read(t::HASH_ZIPMAP, redis, &unhex(&zipmap), &limits);
            assert_eq!(fields(&hash.expect("a hash")), expect);
        }
        // ziplist: bytes, last entry, count, then previous length, encoding, text ..
        let entries =
            "000161".to_owned() + "03f2" + "020162" + "030374776f" + "050163" + "03d035820000";
        let bytes = 10 + entries.len() / 2 + 1;
        let tail = 10 + entries.len() / 2 - 6;
        let ziplist = format!(
            "{:02x}{:02x}000000{:02x}0000000600{entries}ff",
            bytes, bytes, tail
        );
        for limits in limits() {
            let hash = read(t::HASH_ZIPLIST, redis, &unhex(&ziplist), &limits);
            assert_eq!(fields(&hash.expect("a hash")), expect);
        }
    }
}
